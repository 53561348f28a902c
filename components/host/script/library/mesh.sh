# havre: the mesh interface of this host. Edit components/host/script/library/mesh.sh instead.
# shellcheck shell=bash
#
# The roster is the whole mesh, one line a host, sorted by name and the same on all hosts:
#   name key[,next key] public private address,pods
# with - for an endpoint that a host has not, and keys without their padding. A few rendezvous hosts are given it and serve it on the mesh; the others are given
# their own line and those of the rendezvous, and fetch the rest over the mesh that those lines make.
#
# SELF below is NAME NETWORK PORT MTU PODS PODS_MTU KEY: who this host is, the mesh, WireGuard's UDP port, the interface's MTU, the network of all pods or -, what a pod
# takes, and the generation of this host's key.
#
# A key is rotated without a lost connection: its peers are told of the next one beforehand, as a peer to which nothing is routed yet. From the moment the host
# uses it, each peer turns the host's addresses to that key as soon as it has shaken hands (mesh_follow). WireGuard routes an address to one key only, so whichever
# of the two shook hands last has it. It calls nobody to whom nothing is routed, unless that peer is to be kept alive: so a host's key that is wanted and has not got
# its addresses yet is. Without it, two hosts that switch at the same time would each call the other's old key for ever.

mesh_interface=wg0
mesh_conf=/etc/wireguard/wg0.conf
mesh_keys=/etc/wireguard/private.key
mesh_unit=wg-quick@wg0
mesh_roster=/var/lib/havre/roster
mesh_follow_unit=havre-mesh-follow.service
mesh_follow_file=/etc/systemd/system/$mesh_follow_unit
# TCP, on the mesh address of the rendezvous hosts and nowhere else.
mesh_roster_port=51821

# mesh_key_path GENERATION: where that private key of this host is
mesh_key_path() {
  local suffix=.$1
  (($1 > 1)) || suffix=
  printf '%s\n' "$mesh_keys$suffix"
}

# mesh_key GENERATIONS [URL SHA256]: of a list like 1,2 make each key of this host that is not there; print the public keys and nothing else. For a kernel that has no
# WireGuard, fetch one that runs beside.
mesh_key() {
  local generations generation path
  (($# == 1)) || mesh_userspace "${@:2}"
  umask 077
  mkdir -p "${mesh_keys%/*}"
  chmod 0700 "${mesh_keys%/*}"
  IFS=, read -ra generations <<<"$1"
  for generation in "${generations[@]}"; do
    path=$(mesh_key_path "$generation")
    if [[ ! -s $path ]]; then
      wg genkey >"$path.new"
      mv -f "$path.new" "$path"
    fi
    chmod 0600 "$path"
    wg pubkey <"$path"
  done
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
  local self=$1 network=$2 port=$3 mtu=$4 pods=$5 pods_mtu=$6 lines line name key next public private addresses own='' own_private=- item items list
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
  printf 'PostUp = wg set %%i private-key %s\n' "$(mesh_key_path "$7")"
  [[ $pods == - ]] || printf 'PostUp = ip -4 route replace %s dev %%i mtu %s\n' "$pods" "$pods_mtu"
  for line in "${lines[@]}"; do
    read -r name key public private addresses <<<"$line"
    [[ $name != "$self" ]] || continue
    IFS=, read -r key next <<<"$key"
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
    [[ -n $next ]] || continue
    printf '\n# %s, its next key\n[Peer]\nPublicKey = %s=\n' "$name" "$next"
    [[ $public == - ]] || printf 'Endpoint = %s:%s\n' "$public" "$port"
  done
}

mesh_exists() { ip link show dev "$mesh_interface" >/dev/null 2>&1; }

# mesh_value NAME: of the first such line of the file
mesh_value() { sed -n "s/^$1 = //p" "$mesh_conf" | head -n 1; }

# mesh_peers: the peers of a configuration on standard input, into the caller's arrays keys, endpoints and lists. One without a list is the next key of the one before it.
mesh_peers() {
  local line n=-1
  keys=() endpoints=() lists=()
  while IFS= read -r line; do
    case $line in
      '[Peer]') n=$((n + 1)) ;;
      'PublicKey = '*) keys[n]=${line#* = } ;;
      'Endpoint = '*) endpoints[n]=${line#* = } ;;
      'AllowedIPs = '*) lists[n]=${line#* = } ;;
    esac
  done
}

# mesh_runtime: what the interface knows, into the caller's arrays: owner, the key that an address is routed to, and shaken, when a key last shook hands in seconds.
mesh_runtime() {
  local key item items at
  owner=() shaken=()
  while read -r key items; do
    for item in $items; do owner[$item]=$key; done
  done < <(wg show "$mesh_interface" allowed-ips)
  while read -r key at; do shaken[$key]=$at; done < <(wg show "$mesh_interface" latest-handshakes)
}

# mesh_holder I: which key is to have the addresses of the host whose peer is the I-th, into the caller's holder, and its next key or nothing into next. It
# is the one that has them, until another one of the host's has shaken hands later; in the same second the one that was told of later wins.
mesh_holder() {
  local i=$1 key first=${lists[$1]%%,*}
  next=
  [[ -z ${keys[i + 1]:-} || -n ${lists[i + 1]:-} ]] || next=${keys[i + 1]}
  holder=${owner[$first]:-${keys[i]}}
  for key in $next ${keys[i]}; do
    ((${shaken[$key]:-0} > 0)) || continue
    if ((${shaken[$key]} > ${shaken[$holder]:-0})) || [[ ${shaken[$key]} == "${shaken[$holder]:-0}" && $holder != "$next" ]]; then holder=$key; fi
  done
}

# mesh_lock: a run's command and mesh_follow change the running interface one at a time, until this shell ends.
mesh_lock() {
  [[ -z ${mesh_locked:-} ]] || return 0
  exec {mesh_locked}>/run/lock/havre-mesh
  flock -w 60 "$mesh_locked" || havre_fail "mesh: another holds /run/lock/havre-mesh since 60 s; see 'fuser -v /run/lock/havre-mesh', end it and run again"
}

# mesh_sync: bring the running interface to the file without touching what stays. syncconf takes a missing private key for an order to clear it, so it is put back in;
# it passes through a pipe and never through an argument.
mesh_sync() {
  local pods=- pods_mtu=- before
  mesh_lock
  before=$(wg show "$mesh_interface" public-key)
  wg syncconf "$mesh_interface" <(
    printf '[Interface]\nPrivateKey = %s\nListenPort = %s\n' "$(<"$(mesh_key_in_use)")" "$(mesh_value ListenPort)"
    mesh_holding <"$mesh_conf"
  )
  read -r pods pods_mtu < <(sed -n 's/^PostUp = ip -4 route replace \(.*\) dev %i mtu \(.*\)$/\1 \2/p' "$mesh_conf") || true
  mesh_link "$(mesh_value Address)" "$(mesh_value MTU)" "${pods:--}" "$pods_mtu"
  [[ $(wg show "$mesh_interface" public-key) == "$before" ]] || mesh_greet
  mesh_follow_on
}

# mesh_holding: the peers of a configuration on standard input as the running interface takes them, each host's addresses with the key that is to have them now.
mesh_holding() {
  local -A owner shaken told
  local -a keys endpoints lists
  local i key holder next
  mesh_peers
  mesh_runtime
  for ((i = 0; i < ${#keys[@]}; i++)); do
    [[ -n ${lists[i]:-} ]] || continue
    mesh_holder "$i"
    for key in "$holder" "${keys[i]}" "$next"; do
      [[ -n $key && -z ${told[$key]:-} ]] || continue
      told[$key]=yes
      printf '\n[Peer]\nPublicKey = %s\n' "$key"
      [[ -z ${endpoints[i]:-} ]] || printf 'Endpoint = %s\n' "${endpoints[i]}"
      if [[ $key == "$holder" ]]; then
        printf 'AllowedIPs = %s\n' "${lists[i]}"
      elif [[ $key == "${keys[i]}" ]]; then
        printf 'PersistentKeepalive = 5\n'
      fi
    done
  done
}

mesh_key_in_use() { sed -n 's/^PostUp = wg set %i private-key //p' "$mesh_conf"; }

# mesh_turn: route each host's addresses to the key that is to have them; a key that the file has no more goes with its last address. True while there is something to
# wait for.
mesh_turn() {
  local -A owner shaken
  local -a keys endpoints lists
  local i was holder next waiting=no
  mesh_peers <"$mesh_conf"
  mesh_runtime
  for ((i = 0; i < ${#keys[@]}; i++)); do
    [[ -n ${lists[i]:-} ]] || continue
    was=${owner[${lists[i]%%,*}]:-}
    mesh_holder "$i"
    if [[ $holder != "$was" ]]; then
      wg set "$mesh_interface" peer "$holder" persistent-keepalive 0 allowed-ips "${lists[i]// /}"
      [[ -z $was || $was == "${keys[i]}" || $was == "$next" ]] || wg set "$mesh_interface" peer "$was" remove
    fi
    [[ -z $next && $holder == "${keys[i]}" ]] || waiting=yes
  done
  [[ $waiting == yes ]]
}

# mesh_follow: turn addresses as keys shake hands, five times a second, until there is nothing to wait for.
mesh_follow() {
  local now then=none
  while :; do
    now=$(wg show "$mesh_interface" latest-handshakes)
    if [[ $now != "$then" ]]; then
      (mesh_lock; mesh_turn || mesh_follow_off) || now=none
      [[ -e $mesh_follow_file ]] || return 0
    fi
    then=$now
    sleep 0.2
  done
}

# mesh_follow_on: have mesh_follow run while there is something to wait for, after a boot too.
mesh_follow_on() {
  mesh_lock
  if ! mesh_turn; then
    [[ ! -e $mesh_follow_file ]] || systemctl -q stop "$mesh_follow_unit" || true
    mesh_follow_off
    return
  fi
  havre_file "$mesh_follow_file" 0644 <<EOF
[Unit]
Description=havre: the mesh follows its hosts to their next keys
After=$mesh_unit.service
PartOf=$mesh_unit.service

[Service]
ExecStart=/usr/local/lib/havre/run lib.sh mesh.sh mesh_follow
Restart=on-failure
Nice=-5

[Install]
WantedBy=$mesh_unit.service
EOF
  systemctl daemon-reload
  systemctl -q enable "$mesh_follow_unit"
  systemctl restart "$mesh_follow_unit"
}

# mesh_follow_off: no such unit any more. mesh_follow itself ends with this.
mesh_follow_off() {
  [[ -e $mesh_follow_file ]] || return 0
  systemctl -q disable "$mesh_follow_unit" || true
  rm -f "$mesh_follow_file"
  systemctl daemon-reload
}

# mesh_greet: one datagram to every host that can be called, so that all of them shake hands with this host's key at once and not when they next hear of it.
mesh_greet() {
  local -a keys endpoints lists
  local i address
  mesh_peers <"$mesh_conf"
  for ((i = 0; i < ${#keys[@]}; i++)); do
    [[ -n ${lists[i]:-} && -n ${endpoints[i]:-} ]] || continue
    address=${lists[i]%%/*}
    { printf . >"/dev/udp/$address/9"; } 2>/dev/null || true
  done
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

# mesh_prepare KEY: reload goes through mesh_sync as well, because wg-quick's own would clear the key. With KillMode=control-group and cgroup v1, systemd would wait 90 s
# for a userspace WireGuard that has already ended with its interface.
mesh_prepare() {
  local path
  path=$(mesh_key_path "$1")
  [[ -s $path ]] || havre_fail "mesh: $path is missing; run the key's command of this host again"
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
  local roster text keys path other
  roster=$(cat)
  text=$(mesh_expand "$@" <<<"$roster")
  mesh_open "$1" <<<"$roster"
  mesh_prepare "$7"
  havre_file "$mesh_conf" 0600 <<<"$text"
  if mesh_runs; then
    mesh_sync
  else
    mesh_start
    mesh_greet
    mesh_follow_on
  fi
  systemctl -q enable "$mesh_unit"
  path=$(mesh_key_path "$7")
  [[ $(wg show "$mesh_interface" public-key) == "$(wg pubkey <"$path")" ]] || havre_fail "mesh: $mesh_interface does not run with the key in $path"
  # What the peers take no more opens nothing, and is not kept.
  keys=$(sed -n "s/^$1 \([^ ]*\) .*/\1/p" <<<"$roster")
  for other in "$mesh_keys"*; do
    [[ $other == "$path" || ,$keys, == *,"$(wg pubkey <"$other" | tr -d =)",* ]] || rm -f "$other"
  done
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
  local lines text roster addresses sum=$8
  lines=$(cat)
  text=$(mesh_expand "${@:1:7}" <<<"$lines")
  mesh_prepare "$7"
  if mesh_runs; then
    wg addconf "$mesh_interface" <(mesh_holding <<<"$text")
    mesh_link "$(sed -n 's/^Address = //p' <<<"$text")" "$4" "$5" "$6"
  else
    havre_file "$mesh_conf" 0600 <<<"$text"
    mesh_start
  fi
  # The mesh address of each rendezvous: the first of all that is routed to it.
  mapfile -t addresses < <(sed -n 's/^AllowedIPs = \([^/]*\).*/\1/p' <<<"$text")
  roster=$(mesh_fetch "$sum" "${addresses[@]}")
  mesh_apply "${@:1:7}" <<<"$roster"
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
  [[ ! -e $mesh_follow_file ]] || systemctl -q stop "$mesh_follow_unit" || true
  mesh_follow_off
  systemctl -q disable "$mesh_unit" || true
  timeout 20 systemctl stop "$mesh_unit" || true
  if mesh_exists; then ip link delete dev "$mesh_interface"; fi
  systemctl reset-failed "$mesh_unit" 2>/dev/null || true
  rm -f "$mesh_conf"
}
