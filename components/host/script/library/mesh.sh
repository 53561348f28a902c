# havre: the mesh interface of this host. Edit components/host/script/library/mesh.sh instead.
# shellcheck shell=bash
#
# The roster is the whole mesh, one line a host, sorted by name and the same on all hosts:
#   name key public private address,pods
# with - for an endpoint that a host has not, and the key without its padding. A few rendezvous hosts are given it and serve it on the mesh; the others are given
# their own line and those of the rendezvous, and fetch the rest over the mesh that those lines make.
#
# SELF below is NAME NETWORK PORT MTU PODS: who this host is, the mesh, WireGuard's UDP port, the interface's MTU, and the network of all pods or -.

mesh_interface=wg0
mesh_conf=/etc/wireguard/wg0.conf
mesh_key_file=/etc/wireguard/private.key
mesh_unit=wg-quick@wg0
mesh_roster=/var/lib/havre/roster
# TCP, on the mesh address of the rendezvous hosts and nowhere else.
mesh_roster_port=51821

# mesh_key [URL SHA256]: make this host's key where there is none; print the public key and nothing else. For a kernel that has no WireGuard, fetch one that runs beside.
mesh_key() {
  (($# == 0)) || mesh_userspace "$@"
  umask 077
  mkdir -p "${mesh_key_file%/*}"
  chmod 0700 "${mesh_key_file%/*}"
  if [[ ! -s $mesh_key_file ]]; then
    wg genkey >"$mesh_key_file.new"
    mv -f "$mesh_key_file.new" "$mesh_key_file"
  fi
  chmod 0600 "$mesh_key_file"
  wg pubkey <"$mesh_key_file"
}

mesh_userspace() {
  if ip link add havre-probe type wireguard 2>/dev/null; then
    ip link delete havre-probe
  else
    havre_fetch "$1" "$2" /usr/local/bin/wireguard-go 0755
  fi
}

# mesh_expand SELF: lines of the roster on standard input, the file of wg-quick on standard output. A pair uses the private network where both are on it.
mesh_expand() {
  local self=$1 network=$2 port=$3 mtu=$4 pods=$5 pods_mtu=$6 lines line name key public private addresses own='' own_private=- item items list
  mapfile -t lines
  for line in "${lines[@]}"; do
    read -r name key public private addresses <<<"$line"
    [[ -n $addresses ]] || havre_fail "mesh: cannot read the line of ${name:-nobody}"
    if [[ $name == "$self" ]]; then
      own=${addresses%%,*} own_private=$private
    fi
  done
  [[ -n $own ]] || havre_fail "mesh: no line of $self among ${#lines[@]}"
  printf '[Interface]\nAddress = %s\nListenPort = %s\nMTU = %s\nTable = off\n' "$own/${network#*/}" "$port" "$mtu"
  printf 'PostUp = wg set %%i private-key %s\n' "$mesh_key_file"
  [[ $pods == - ]] || printf 'PostUp = ip -4 route replace %s dev %%i mtu %s\n' "$pods" "$pods_mtu"
  for line in "${lines[@]}"; do
    read -r name key public private addresses <<<"$line"
    [[ $name != "$self" ]] || continue
    printf '\n# %s\n[Peer]\nPublicKey = %s=\n' "$name" "$key"
    [[ $private == - || $own_private == - ]] || public=$private
    [[ $public == - ]] || printf 'Endpoint = %s:%s\n' "$public" "$port"
    list=
    IFS=, read -ra items <<<"$addresses"
    for item in "${items[@]}"; do
      [[ $item == */* ]] || item+=/32
      list+=${list:+, }$item
    done
    printf 'AllowedIPs = %s\n' "$list"
  done
}

mesh_exists() { ip link show dev "$mesh_interface" >/dev/null 2>&1; }

# mesh_value NAME: of the first such line of the file
mesh_value() { sed -n "s/^$1 = //p" "$mesh_conf" | head -n 1; }

# mesh_sync: bring the running interface to the file without touching what stays. syncconf takes a missing private key for an order to clear it, so it is put back in;
# it passes through a pipe and never through an argument.
mesh_sync() {
  local config pods=- pods_mtu=-
  config=$(wg-quick strip "$mesh_interface")
  wg syncconf "$mesh_interface" <(printf '[Interface]\nPrivateKey = %s\n%s\n' "$(<"$mesh_key_file")" "${config#*\[Interface\]}")
  read -r pods pods_mtu < <(sed -n 's/^PostUp = ip -4 route replace \(.*\) dev %i mtu \(.*\)$/\1 \2/p' "$mesh_conf") || true
  mesh_link "$(mesh_value Address)" "$(mesh_value MTU)" "${pods:--}" "$pods_mtu"
}

# mesh_link ADDRESS MTU PODS PODS_MTU: what the interface has beside its peers. A host's own packet to a pod must know what a pod takes: a longer one would be lost without a word.
mesh_link() {
  local other
  ip link set dev "$mesh_interface" mtu "$2" up
  ip -4 address replace "$1" dev "$mesh_interface"
  ip -o -4 address show dev "$mesh_interface" | while read -r _ _ _ other _; do
    [[ $other == "$1" ]] || ip -4 address del "$other" dev "$mesh_interface"
  done
  [[ $3 == - ]] || ip -4 route replace "$3" dev "$mesh_interface" mtu "$4"
}

mesh_runs() { systemctl -q is-active "$mesh_unit" && mesh_exists; }

# mesh_start: run the interface from the file, whatever there is of it.
mesh_start() {
  systemctl stop "$mesh_unit" || true
  if mesh_exists; then ip link delete dev "$mesh_interface"; fi
  systemctl start "$mesh_unit"
}

# mesh_prepare: reload goes through mesh_sync as well, because wg-quick's own would clear the key. With KillMode=control-group and cgroup v1, systemd would wait 90 s
# for a userspace WireGuard that has already ended with its interface.
mesh_prepare() {
  [[ -s $mesh_key_file ]] || havre_fail "mesh: $mesh_key_file is missing; run the key's command of this host again"
  HAVRE_CHANGED=no
  havre_file /etc/systemd/system/wg-quick@wg0.service.d/havre.conf 0644 <<'EOF'
[Unit]
After=havre-private-network.service

[Service]
KillMode=process
TimeoutStopSec=15
ExecReload=
ExecReload=/usr/local/lib/havre/run lib.sh mesh.sh mesh_sync
EOF
  [[ $HAVRE_CHANGED == no ]] || systemctl daemon-reload
}

# mesh_set SELF: the roster on standard input; bring the interface up with it, or change it in place.
mesh_set() {
  local roster text
  roster=$(cat)
  text=$(mesh_expand "$@" <<<"$roster")
  mesh_open "$1" <<<"$roster"
  mesh_prepare
  havre_file "$mesh_conf" 0600 <<<"$text"
  if mesh_runs; then mesh_sync; else mesh_start; fi
  systemctl -q enable "$mesh_unit"
  [[ $(wg show "$mesh_interface" public-key) == "$(wg pubkey <"$mesh_key_file")" ]] || havre_fail "mesh: $mesh_interface does not run with the key in $mesh_key_file"
}

# mesh_open NAME: the roster on standard input; the host's firewall lets every peer of it in, by both addresses of those that have two: a pair that moves to its private
# addresses does so one end after the other.
mesh_open() {
  local self=$1 name key public private rest
  [[ -e /usr/local/lib/havre/firewall.sh ]] || return 0
  while read -r name key public private rest; do
    [[ $name != "$self" ]] || continue
    if [[ $public == - ]]; then echo any; else echo "$public"; fi
    [[ $private == - ]] || echo "$private"
  done | /usr/local/lib/havre/run lib.sh firewall.sh firewall_peers
}

# mesh_apply SELF: the roster on standard input; of a host that serves nobody, or not any more.
mesh_apply() {
  mesh_set "$@"
  mesh_serve_no_more
}

# mesh_serve SELF: the roster on standard input; of a rendezvous host, which serves what its own interface runs with.
mesh_serve() {
  local roster address
  roster=$(cat)
  mesh_set "$@" <<<"$roster"
  address=$(mesh_value Address)
  havre_file "$mesh_roster" 0644 <<<"$roster"
  havre_file /etc/systemd/system/havre-roster@.service 0644 <<EOF
[Unit]
Description=havre: the roster of the mesh, to one host
CollectMode=inactive-or-failed

[Service]
User=nobody
ExecStart=/bin/cat $mesh_roster
StandardInput=socket
StandardOutput=socket
StandardError=journal
RuntimeMaxSec=30
EOF
  # FreeBind, because the mesh address comes after sockets at boot.
  havre_file /etc/systemd/system/havre-roster.socket 0644 <<EOF
[Unit]
Description=havre: the roster of the mesh, to its hosts

[Socket]
ListenStream=${address%/*}:$mesh_roster_port
FreeBind=yes
Accept=yes
MaxConnections=256
IPAddressDeny=any
IPAddressAllow=$2

[Install]
WantedBy=sockets.target
EOF
  systemctl daemon-reload
  systemctl -q enable havre-roster.socket
  # Also after a run that was killed between the file and here. Nobody asks now: the others wait for this command.
  systemctl restart havre-roster.socket
}

mesh_serve_no_more() {
  [[ -e /etc/systemd/system/havre-roster.socket ]] || return 0
  systemctl -q disable --now havre-roster.socket || true
  rm -f /etc/systemd/system/havre-roster@.service "$mesh_roster"
  rm -f /etc/systemd/system/havre-roster.socket
  systemctl daemon-reload
}

# mesh_join SELF SHA256: the line of this host and those of the rendezvous hosts on standard input, the checksum of the roster that they serve. The interface gets
# those peers beside the ones it has, then the whole roster.
mesh_join() {
  local lines text roster addresses sum=$7
  lines=$(cat)
  text=$(mesh_expand "${@:1:6}" <<<"$lines")
  mesh_prepare
  if mesh_runs; then
    wg addconf "$mesh_interface" <(sed '1,/^$/d' <<<"$text")
    mesh_link "$(sed -n 's/^Address = //p' <<<"$text")" "$4" "$5" "$6"
  else
    havre_file "$mesh_conf" 0600 <<<"$text"
    mesh_start
  fi
  # The mesh address of each rendezvous: the first of all that is routed to it.
  mapfile -t addresses < <(sed -n 's/^AllowedIPs = \([^/]*\).*/\1/p' <<<"$text")
  roster=$(mesh_fetch "$sum" "${addresses[@]}")
  mesh_apply "${@:1:6}" <<<"$roster"
}

# mesh_fetch SHA256 ADDRESS...: the roster of that checksum from the first that serves it.
mesh_fetch() {
  local sum=$1 end=$((SECONDS + 90)) address roster
  shift
  while :; do
    for address in "$@"; do
      # shellcheck disable=SC2016 # the inner shell expands them
      roster=$(timeout 10 bash -c 'exec cat <"/dev/tcp/$0/$1"' "$address" "$mesh_roster_port" 2>/dev/null) || continue
      if [[ $(sha256sum <<<"$roster") == "$sum  -" ]]; then
        printf '%s\n' "$roster"
        return 0
      fi
    done
    ((SECONDS < end)) ||
      havre_fail "mesh: none of $* has served the roster $sum within 90 s; see 'wg show' here, and 'systemctl status havre-roster.socket' there. A run with --target must name their commands as well"
    sleep 1
  done
}

# mesh_delete: wg-quick deletes the interface, and a userspace WireGuard ends with it. The key stays: a replacement runs its delete after the new create, and would
# take the key from under a running interface; the key of a host that has left opens nothing.
mesh_delete() {
  mesh_serve_no_more
  systemctl -q disable "$mesh_unit" || true
  timeout 20 systemctl stop "$mesh_unit" || true
  if mesh_exists; then ip link delete dev "$mesh_interface"; fi
  systemctl reset-failed "$mesh_unit" 2>/dev/null || true
  rm -f "$mesh_conf"
}
