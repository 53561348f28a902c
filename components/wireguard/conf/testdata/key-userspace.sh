exec 3>&1 >&2
havre_file /usr/local/lib/havre/mesh 0755 <<'EOF'
#!/bin/bash
# havre: the mesh interface of this host. Installed with the host's key; edit components/wireguard/conf/mesh.sh instead.
. /usr/local/lib/havre/lib.sh
interface=wg0
conf=/etc/wireguard/wg0.conf
key=/etc/wireguard/private.key
unit=wg-quick@wg0
expand() {
  local address port mtu pods name public endpoint allowed item items list
  read -r address port mtu pods
  printf '[Interface]\nAddress = %s\nListenPort = %s\nMTU = %s\nTable = off\n' "$address" "$port" "$mtu"
  printf 'PostUp = wg set %%i private-key %s\n' "$key"
  [[ $pods == - ]] || printf 'PostUp = ip -4 route replace %s dev %%i\n' "$pods"
  while read -r name public endpoint allowed; do
    [[ -n $allowed ]] || havre_fail "mesh: cannot read the peer $name"
    printf '\n# %s\n[Peer]\nPublicKey = %s=\n' "$name" "$public"
    case $endpoint in
      -) ;;
      *:*) printf 'Endpoint = %s\n' "$endpoint" ;;
      *) printf 'Endpoint = %s:%s\n' "$endpoint" "$port" ;;
    esac
    list=
    IFS=, read -ra items <<<"$allowed"
    for item in "${items[@]}"; do
      [[ $item == */* ]] || item+=/32
      list+=${list:+, }$item
    done
    printf 'AllowedIPs = %s\n' "$list"
  done
}
exists() { ip link show dev "$interface" >/dev/null 2>&1; }
value() { sed -n "s/^$1 = //p" "$conf" | head -n 1; }
sync() {
  local config address pods other
  config=$(wg-quick strip "$interface")
  wg syncconf "$interface" <(printf '[Interface]\nPrivateKey = %s\n%s\n' "$(<"$key")" "${config#*\[Interface\]}")
  address=$(value Address)
  pods=$(sed -n 's/^PostUp = ip -4 route replace \(.*\) dev %i$/\1/p' "$conf")
  ip link set dev "$interface" mtu "$(value MTU)" up
  ip -4 address replace "$address" dev "$interface"
  ip -o -4 address show dev "$interface" | while read -r _ _ _ other _; do
    [[ $other == "$address" ]] || ip -4 address del "$other" dev "$interface"
  done
  [[ -z $pods ]] || ip -4 route replace "$pods" dev "$interface"
}
apply() {
  local text
  [[ -s $key ]] || havre_fail "mesh: $key is missing; run the key's command of this host again"
  text=$(expand)
  havre_file "$conf" 0600 <<<"$text"
  if systemctl -q is-active "$unit" && exists; then
    sync
  else
    systemctl stop "$unit" || true
    if exists; then ip link delete dev "$interface"; fi
    systemctl start "$unit"
  fi
  systemctl -q enable "$unit"
  [[ $(wg show "$interface" public-key) == "$(wg pubkey <"$key")" ]] || havre_fail "mesh: $interface does not run with the key in $key"
}
delete() {
  systemctl -q disable "$unit" || true
  timeout 20 systemctl stop "$unit" || true
  if exists; then ip link delete dev "$interface"; fi
  systemctl reset-failed "$unit" 2>/dev/null || true
  rm -f "$conf"
}
case ${1:-} in
  expand | sync | apply | delete) "$1" ;;
  *) havre_fail "usage: mesh expand|sync|apply|delete" ;;
esac
EOF
HAVRE_CHANGED=no
havre_file /etc/systemd/system/wg-quick@wg0.service.d/havre.conf 0644 <<'EOF'
[Unit]
After=havre-private-network.service

[Service]
KillMode=process
TimeoutStopSec=15
ExecReload=
ExecReload=/usr/local/lib/havre/mesh sync
EOF
[[ $HAVRE_CHANGED == no ]] || systemctl daemon-reload
if ip link add havre-probe type wireguard 2>/dev/null; then
  ip link delete havre-probe
else
  havre_fetch http://198.51.100.1:8080/wireguard-go abababababababababababababababababababababababababababababababab /usr/local/bin/wireguard-go 0755
fi
key=/etc/wireguard/private.key
umask 077
mkdir -p "${key%/*}"
chmod 0700 "${key%/*}"
if [[ ! -s $key ]]; then
  wg genkey >"$key.new"
  mv -f "$key.new" "$key"
fi
chmod 0600 "$key"
wg pubkey <"$key" >&3
