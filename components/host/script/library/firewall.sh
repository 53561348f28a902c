# havre: the host's own packet filter. Edit components/host/script/library/firewall.sh instead.
# shellcheck shell=bash
#
# All of it is one table of nftables, inet havre. Other tables (kube-proxy's, Cilium's, havre-cni's) are their makers' and never touched; a packet must pass them all.
# A rule is a word: [!][FROM:]PROTOCOL[/PORT][@SENDER'S PORT], where FROM is a network, hosts (on the mesh) or cluster (those and pods), and ! keeps out.

# What is loaded at boot, and what is loaded now and has let nobody in yet. The first rules of a host are both.
firewall_file=/etc/havre/firewall.nft
firewall_new=/etc/havre/firewall.new.nft
# The addresses that the mesh's peers send from; the table's file reads what is in the folder.
firewall_peers_file=/etc/havre/firewall.d/peers.nft

# firewall_set INTERFACE PORT MESH PODS POD-INTERFACE,...|- RULE...: load these rules, unless they are loaded. The mesh's interface and port, its network, the pods'.
firewall_set() {
  local text client
  text=$(firewall_table "$@")
  if [[ $(cat "$firewall_file" 2>/dev/null) == "$text" ]]; then
    if [[ -e $firewall_new ]] || ! firewall_loaded; then nft -f "$firewall_file"; fi
    rm -f "$firewall_new"
    return 0
  fi
  client=$(firewall_client $$)
  [[ -z $client ]] || firewall_admits "$client" "$3" "${@:6}" ||
    havre_fail "firewall: these rules would keep out SSH from $client, where this command comes from; nothing is changed. Add it to SSHFrom in the stack's description"
  mkdir -p "${firewall_peers_file%/*}"
  havre_file "$firewall_new" 0644 <<<"$text"
  nft -f "$firewall_new"
  [[ -e $firewall_file ]] || cp "$firewall_new" "$firewall_file"
  [[ -z $client ]] || nft add element inet havre clients "{ $client }"
  firewall_unit
  systemd-run --quiet --collect --unit=havre-firewall-watch --on-active=20 --on-unit-active=20 /usr/local/lib/havre/run lib.sh firewall.sh firewall_watch 2>/dev/null ||
    systemctl -q is-active havre-firewall-watch.timer
}

firewall_loaded() { nft list table inet havre >/dev/null 2>&1; }

# firewall_unit: before any interface is up. Debian's own unit would empty all tables at its every start, kube-proxy's too, so it may not start.
firewall_unit() {
  HAVRE_CHANGED=no
  havre_file /etc/systemd/system/havre-firewall.service 0644 <<EOF
[Unit]
Description=havre: packet filter
DefaultDependencies=no
ConditionPathExists=$firewall_file
RequiresMountsFor=$firewall_file
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f $firewall_file

[Install]
WantedBy=sysinit.target
EOF
  [[ $HAVRE_CHANGED == no ]] || systemctl -q enable havre-firewall.service
  [[ -L /etc/systemd/system/nftables.service ]] || systemctl -q mask nftables.service
}

# firewall_table: the file for nft, of firewall_set's arguments. Of ICMP comes in what paths need, and pings; of IPv6, in which there is no mesh, what is open to
# anybody. Pods reach whom they like, and are reached over the mesh and by their own hosts, whatever state is kept of their packets: where BPF takes one direction past the
# filter, the other looks invalid to it.
firewall_table() {
  local interface=$1 port=$2 mesh=$3 pods=$4 word name names=() own='' forward=''
  if [[ $5 != - ]]; then
    IFS=, read -ra names <<<"$5"
    for name in "${names[@]}"; do
      own+=", \"$name\""
      forward+=$'\t\t'"iifname \"$name\" ip saddr $pods accept"$'\n'
    done
    forward+=$'\t\t'"iifname \"$interface\" ip daddr $pods accept"$'\n'
  fi
  cat <<EOF
# Written by havre. The first two lines make it replace itself, in one step.
table inet havre {}
delete table inet havre
table inet havre {
	counter ssh-let-in {}
	counter ssh-kept-out {}
	set peers {
		type ipv4_addr
		flags interval
		auto-merge
	}
	set clients {
		type ipv4_addr
	}
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
		ct state vmap { established : accept, related : accept, invalid : drop }
$(for word in "${@:6}"; do firewall_rule "$word" "$mesh" "$pods" "\"$interface\"" "\"$interface\"$own"; done)
		icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } accept
		icmpv6 type { echo-request, destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } ip6 hoplimit 255 accept
		ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
		ip saddr @peers udp dport $port accept
		ip saddr @clients tcp dport 22 counter name ssh-kept-out
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
$forward		ct state { established, related } accept
	}
}
include "${firewall_peers_file%/*}/*.nft"
EOF
}

# firewall_rule WORD MESH PODS MESH-INTERFACE INTERFACES: a line of nft. Hosts and pods are believed on the interfaces that only they come in by.
firewall_rule() {
  local word=$1 verdict=accept from='' protocol port='' sender='' line=''
  if [[ $word == !* ]]; then verdict=drop word=${word#!}; fi
  if [[ $word == *:* ]]; then from=${word%%:*} word=${word#*:}; fi
  if [[ $word == *@* ]]; then sender=${word#*@} word=${word%@*}; fi
  if [[ $word == */* ]]; then port=${word#*/} word=${word%/*}; fi
  protocol=$word
  case $from in
    '') ;;
    hosts) line="iifname $4 ip saddr $2 " ;;
    cluster) line="iifname { $5 } ip saddr { $2, $3 } " ;;
    *) line="ip saddr $from " ;;
  esac
  case $protocol in
    ipv4) line+='meta nfproto ipv4 ' ;;
    icmp) line+='ip protocol icmp ' ;;
    *)
      [[ -n $port$sender ]] || line+="meta l4proto $protocol "
      [[ -z $sender ]] || line+="$protocol sport $sender "
      [[ -z $port ]] || line+="$protocol dport $port "
      ;;
  esac
  if [[ $verdict/$protocol/$port == accept/tcp/22 && $from != hosts && $from != cluster ]]; then line+='counter name ssh-let-in '; fi
  printf '\t\t%s%s\n' "$line" "$verdict"
}

# firewall_client PID: the address that the SSH session of this process comes from; nothing where there is none. sudo takes the variable out of our environment,
# and not out of sshd's shell above it.
firewall_client() {
  local pid=$1 address
  while ((pid > 1)); do
    address=$(tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | sed -n 's/^SSH_CONNECTION=\([0-9.]*\) .*/\1/p' || true)
    if [[ -n $address ]]; then
      printf '%s\n' "$address"
      return 0
    fi
    pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")
  done
}

# firewall_admits CLIENT MESH RULE...: the first rule that a new connection of that address to port 22 matches lets it in.
firewall_admits() {
  local client=$1 mesh=$2 word verdict from
  shift 2
  for word in "$@"; do
    verdict=0 from=
    if [[ $word == !* ]]; then verdict=1 word=${word#!}; fi
    if [[ $word == *:* ]]; then from=${word%%:*} word=${word#*:}; fi
    case $word in tcp/22 | tcp | ipv4) ;; *) continue ;; esac
    case $from in
      '') return "$verdict" ;;
      hosts | cluster) from=$mesh ;;
    esac
    if firewall_contains "$from" "$client"; then return "$verdict"; fi
  done
  return 1
}

# firewall_contains NETWORK ADDRESS
firewall_contains() {
  local bits=${1#*/} a b
  a=$(firewall_number "${1%/*}")
  b=$(firewall_number "$2")
  (((a ^ b) >> (32 - bits) == 0))
}

firewall_number() {
  local a b c d
  IFS=. read -r a b c d <<<"$1"
  printf '%s\n' $(((a << 24) + (b << 16) + (c << 8) + d))
}

# firewall_watch: a timer's, while the rules are new. The first SSH connection from outside that they let in proves them, and they are kept for the next boot. If
# instead the address that loaded them has knocked and was kept out, those from before come back; without any, the host is as open as it was.
firewall_watch() {
  if ! firewall_loaded || [[ ! -e $firewall_new ]]; then
    systemctl stop havre-firewall-watch.timer
    return 0
  fi
  if (($(firewall_counted ssh-let-in) > 0)); then
    mv -f "$firewall_new" "$firewall_file"
    systemctl stop havre-firewall-watch.timer
  elif (($(firewall_counted ssh-kept-out) > 0)); then
    havre_log "firewall: the new rules kept out whoever loaded them; those from before are back, and the new ones are in $firewall_new.refused"
    if cmp -s "$firewall_new" "$firewall_file"; then
      rm -f "$firewall_file"
      nft delete table inet havre
    else
      nft -f "$firewall_file"
    fi
    mv -f "$firewall_new" "$firewall_new.refused"
    systemctl stop havre-firewall-watch.timer
  fi
}

firewall_counted() { nft list counter inet havre "$1" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'; }

# firewall_peers: the addresses that peers of the mesh send from on standard input, one a line, or "any" for a peer that has no address of its own, such as a laptop.
# Nobody without a key gets an answer from WireGuard.
firewall_peers() {
  local all list
  mapfile -t all
  list=$(printf '%s\n' "${all[@]}" | sort -u)
  if [[ $'\n'$list$'\n' == *$'\nany\n'* ]]; then list=0.0.0.0/0; fi
  HAVRE_CHANGED=no
  {
    printf '# Written by havre.\nflush set inet havre peers\n'
    [[ -z $list ]] || printf 'add element inet havre peers { %s }\n' "${list//$'\n'/, }"
  } | havre_file "$firewall_peers_file" 0644
  if firewall_loaded; then nft -f "$firewall_peers_file"; fi
}
