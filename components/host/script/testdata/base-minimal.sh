mkdir -p /usr/local/lib/havre
cat >/usr/local/lib/havre/lib.sh.new <<'EOF'
# havre: functions shared by all scripts on this host. Written by the base set-up; edit components/host/script/lib.sh instead.
set -euo pipefail
umask 022
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
HAVRE_CHANGED=no
havre_log() { printf 'havre: %s\n' "$*" >&2; }
havre_fail() { havre_log "$*"; exit 1; }
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
havre_packages() {
  local name missing=()
  for name in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true) == installed ]] || missing+=("$name")
  done
  ((${#missing[@]} > 0)) || return 0
  havre_log "installing ${missing[*]}"
  havre_retry 5 5 apt-get -qq -o DPkg::Lock::Timeout=120 update >&2
  havre_retry 5 5 apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold install "${missing[@]}" >&2
}
havre_unit() {
  systemctl daemon-reload
  systemctl -q enable "$1"
  if [[ $HAVRE_CHANGED == yes ]]; then
    systemctl restart "$1"
  else
    systemctl start "$1"
  fi
}
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
EOF
mv -f /usr/local/lib/havre/lib.sh.new /usr/local/lib/havre/lib.sh
. /usr/local/lib/havre/lib.sh
container=no
if systemd-detect-virt -cq; then container=yes; fi

# name
host=sbg-pulsar-0
havre_file /etc/hostname 0644 <<<"$host"
[[ $(hostname) == "$host" ]] || hostname "$host"
{ sed '/^127\.0\.1\.1[[:space:]]/d' /etc/hosts; printf '127.0.1.1 %s\n' "$host"; } | havre_file /etc/hosts 0644
if [[ -d /etc/cloud/cloud.cfg.d ]]; then
  havre_file /etc/cloud/cloud.cfg.d/99-havre.cfg 0644 <<<$'preserve_hostname: true\nmanage_etc_hosts: false'
fi

# packages
havre_packages ca-certificates chrony curl ethtool hostname iproute2 kmod nftables openssh-server procps wireguard-tools xfsprogs

# time
systemctl -q enable chrony || [[ $container == yes ]]
if ! systemctl start chrony; then
  [[ $container == yes ]] || havre_fail "chrony does not start; see journalctl -u chrony"
  havre_log "chrony does not start in this container, its machine keeps the time"
fi

# kernel
havre_file /etc/modules-load.d/60-havre.conf 0644 <<<$'br_netfilter\noverlay'
for module in br_netfilter overlay; do
  modprobe -q "$module" || havre_log "kernel module $module: not loadable here, passed over"
done
havre_file /etc/sysctl.d/60-havre.conf 0644 <<'EOF'
net.ipv4.ip_forward = 1
net.bridge.bridge-nf-call-iptables = 1
net.ipv4.conf.all.accept_redirects = 0
net.ipv4.conf.all.send_redirects = 0
net.core.somaxconn = 16384
net.ipv4.tcp_max_syn_backlog = 8192
net.ipv4.tcp_slow_start_after_idle = 0
net.core.rmem_max = 7500000
net.core.wmem_max = 7500000
fs.inotify.max_user_instances = 8192
fs.inotify.max_user_watches = 524288
EOF
havre_sysctl /etc/sysctl.d/60-havre.conf

# swap
if [[ $container == no ]]; then
  swapoff -a
  sed 's/^[^#].*[[:space:]]swap[[:space:]].*/# &/' /etc/fstab | havre_file /etc/fstab 0644
fi

# sshd
HAVRE_CHANGED=no
havre_file /etc/ssh/sshd_config.d/10-havre.conf 0644 <<'EOF'
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
X11Forwarding no
MaxAuthTries 4
MaxStartups 64:30:128
LoginGraceTime 30
ClientAliveInterval 30
UseDNS no
EOF
if [[ $HAVRE_CHANGED == yes ]]; then
  mkdir -p /run/sshd
  if ! sshd -t; then
    rm -f /etc/ssh/sshd_config.d/10-havre.conf
    havre_fail "sshd refuses its new configuration, which was taken back"
  fi
  systemctl try-reload-or-restart ssh
fi
[[ $(sshd -T) == *$'\npasswordauthentication no\n'* ]] || havre_fail "sshd would still take passwords; look for a setting before /etc/ssh/sshd_config.d/10-havre.conf"

# journal
HAVRE_CHANGED=no
havre_file /etc/systemd/journald.conf.d/60-havre.conf 0644 <<'EOF'
[Journal]
Storage=persistent
SystemMaxUse=2G
SystemKeepFree=1G
MaxRetentionSec=1month
EOF
[[ $HAVRE_CHANGED == no ]] || systemctl restart systemd-journald

# security updates
havre_file /etc/apt/apt.conf.d/60havre 0644 <<'EOF'
APT::Periodic::Update-Package-Lists "0";
APT::Periodic::Unattended-Upgrade "0";
Unattended-Upgrade::Automatic-Reboot "false";
EOF

# private network
HAVRE_CHANGED=no
if [[ -e /etc/systemd/system/havre-private-network.service ]]; then
  systemctl -q disable --now havre-private-network
  rm -f /etc/systemd/system/havre-private-network.service
  systemctl daemon-reload
fi
