# What a bootstrap has left on this host, in a form that is the same whoever did it: no comments, no keys, no counters. Arguments: the mesh addresses of all hosts.
# shellcheck shell=bash
set -u
export LC_ALL=C

section() { printf '== %s\n' "$*"; }

for path in /etc/hostname /etc/hosts /etc/modules-load.d/60-havre.conf /etc/sysctl.d/60-havre.conf /etc/modprobe.d/60-havre.conf /etc/security/limits.d/60-havre.conf \
  /etc/ssh/sshd_config.d/10-havre.conf /etc/systemd/journald.conf.d/60-havre.conf /etc/apt/apt.conf.d/60havre /etc/systemd/system/havre-private-network.service \
  /etc/systemd/system/havre-firewall.service /etc/havre/firewall.nft /etc/havre/firewall.d/peers.nft /etc/wireguard/wg0.conf; do
  section "$path $(stat -c '%a %U' "$path" 2>/dev/null)"
  grep -v -e '^[[:space:]]*#' -e '^$' -e '^PublicKey' "$path" 2>/dev/null
done
section "/etc/wireguard/private.key $(stat -c '%a %U %s' /etc/wireguard/private.key)"

section units
for unit in ssh chrony systemd-journald lynis.timer nftables havre-firewall havre-private-network wg-quick@wg0; do
  printf '%s: %s\n' "$unit" "$(systemctl is-enabled "$unit" 2>/dev/null)"
done
for unit in ssh chrony systemd-journald lynis.timer havre-private-network wg-quick@wg0; do
  printf '%s: %s\n' "$unit" "$(systemctl is-active "$unit" 2>/dev/null)"
done

section packages
dpkg-query -W -f '${Package} ${db:Status-Status}\n' | sort | sha256sum

section sshd
sshd -T 2>/dev/null | sort

section kernel settings
sed -n 's/^\(net[^ ]*\) = .*/\1/p' /etc/sysctl.d/60-havre.conf | while read -r key; do sysctl -e "$key"; done

section packet filter
nft list chain inet havre input
nft list chain inet havre forward
nft list set inet havre peers

section private interface
ip -4 -o address show dev eth1
cat /sys/class/net/eth1/mtu

section mesh
wg show wg0 listen-port
wg show wg0 dump | tail -n +2 | cut -f 3,4 | sort
ip -4 -o address show dev wg0
cat /sys/class/net/wg0/mtu
ip -4 route show dev wg0

# A first packet waits for a handshake; where two hosts begin one at once, for seconds.
section reached
for address; do
  for _ in 1 2 3 4 5; do
    if ping -c 1 -W 2 -q "$address" >/dev/null; then
      echo "$address"
      break
    fi
  done
done
