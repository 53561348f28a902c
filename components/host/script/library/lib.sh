# havre: functions shared by all commands on this host. Edit components/host/script/library/lib.sh instead.
# shellcheck shell=bash
set -euo pipefail
umask 022
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

# Set to yes by havre_file and havre_fetch when they changed something; reset it where a step begins.
HAVRE_CHANGED=no

havre_log() { printf 'havre: %s\n' "$*" >&2; }

havre_fail() { havre_log "$*"; exit 1; }

# havre_script: run the script on standard input.
havre_script() { eval "$(cat)"; }

# havre_retry ATTEMPTS SECONDS COMMAND...: run until it succeeds, with a pause in between; the last failure's status is the result.
havre_retry() {
  local attempts=$1 pause=$2 n status
  shift 2
  for ((n = 1; ; n++)); do
    status=0
    "$@" || status=$?
    ((status != 0)) || return 0
    if ((n >= attempts)); then
      havre_log "gave up after $n attempts: $*"
      return "$status"
    fi
    sleep "$pause"
  done
}

# havre_quietly NAME COMMAND...: what the command says goes to /var/log/havre/NAME.log, which only root reads; where it fails, its end is shown as well. The whole
# would lie in the state of every host.
havre_quietly() {
  local log=/var/log/havre/$1.log before=0 status=0
  shift
  mkdir -p "${log%/*}"
  chmod 0700 "${log%/*}"
  [[ ! -f $log ]] || before=$(stat -c %s "$log")
  printf '%s %s\n' "$(date -u +%FT%TZ)" "$*" >>"$log"
  "$@" >>"$log" 2>&1 || status=$?
  ((status == 0)) || { tail -c "+$((before + 1))" "$log" | tail -n 30 >&2; havre_log "$log has the whole"; }
  return "$status"
}

# havre_file PATH MODE: standard input becomes the file, atomically, only if content or mode differ. Folders are made.
havre_file() {
  local path=$1 mode=$2 tmp
  mkdir -p "${path%/*}"
  tmp=$(mktemp "${path%/*}/.havre.XXXXXX")
  cat >"$tmp"
  chmod "$mode" "$tmp"
  if [[ -f $path ]] && cmp -s "$tmp" "$path"; then
    rm -f "$tmp"
    [[ $(stat -c %a "$path") == "${mode#0}" ]] && return 0
    chmod "$mode" "$path"
  else
    mv -f "$tmp" "$path"
  fi
  HAVRE_CHANGED=yes
}

# havre_fetch URL SHA256 PATH MODE: download what is not there already with that checksum; a wrong checksum never reaches PATH.
havre_fetch() {
  local url=$1 sum=$2 path=$3 mode=$4 tmp got
  if [[ -f $path && $(sha256sum <"$path") == "$sum  -" ]]; then
    chmod "$mode" "$path"
    return 0
  fi
  mkdir -p "${path%/*}"
  tmp=$(mktemp "${path%/*}/.havre.XXXXXX")
  if ! havre_retry 5 2 curl -fsSL --connect-timeout 10 --max-time 900 -o "$tmp" "$url"; then
    rm -f "$tmp"
    havre_fail "$url: download failed"
  fi
  got=$(sha256sum <"$tmp")
  if [[ $got != "$sum  -" ]]; then
    rm -f "$tmp"
    havre_fail "$url: sha256 is ${got%% *}, want $sum; the mirror serves something else than the program pins"
  fi
  chmod "$mode" "$tmp"
  mv -f "$tmp" "$path"
  HAVRE_CHANGED=yes
}

# havre_packages NAME...: install the Debian packages that are missing; without a missing one nothing is asked of the network.
havre_packages() {
  local name missing=()
  for name in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true) == installed ]] || missing+=("$name")
  done
  ((${#missing[@]} > 0)) || return 0
  havre_log "installing ${missing[*]}"
  havre_quietly packages havre_retry 5 5 apt-get -qq -o DPkg::Lock::Timeout=120 update
  havre_quietly packages havre_retry 5 5 apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold install "${missing[@]}"
}

# havre_unit NAME: enable a systemd unit and start it, or restart it when HAVRE_CHANGED is yes.
havre_unit() {
  systemctl daemon-reload
  systemctl -q enable "$1"
  if [[ $HAVRE_CHANGED == yes ]]; then
    systemctl restart "$1"
  else
    systemctl start "$1"
  fi
}

# havre_sysctl FILE: apply each "key = value" of a sysctl.d file. A key this kernel does not have, or one that a container may not write, is
# reported and passed over; a value the kernel refuses is an error. In a container fs, kernel and vm are those of the machine under it and of
# all its other containers, so they are not ours to set.
havre_sysctl() {
  local key value path failed=0 container=no
  if systemd-detect-virt -cq; then container=yes; fi
  while IFS='=' read -r key value; do
    key=${key//[[:space:]]/}
    value=${value#"${value%%[![:space:]]*}"}
    [[ -n $key && $key != \#* ]] || continue
    path=/proc/sys/${key//.//}
    if [[ ! -e $path ]]; then
      havre_log "sysctl $key: not in this kernel or namespace, passed over"
    elif [[ $(tr -s '[:space:]' ' ' <"$path") == "$value " ]]; then
      continue
    elif [[ $container == yes && $key =~ ^(fs|kernel|vm)\. ]]; then
      havre_log "sysctl $key: the machine's under this container, passed over"
    elif ! { : >>"$path"; } 2>/dev/null; then
      havre_log "sysctl $key: read-only here, passed over"
    elif ! printf '%s\n' "$value" >"$path"; then
      havre_log "sysctl $key: the kernel refuses $value"
      failed=1
    fi
  done <"$1"
  return "$failed"
}
