package script

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"havre/components/naming"
)

//go:embed lib.sh
var library string

// Library is the text of the shared functions as it is installed: lib.sh without its comments, which are for us and not for the state of every host.
func Library() string {
	var b strings.Builder
	for i, line := range strings.SplitAfter(library, "\n") {
		if i > 0 && (strings.HasPrefix(line, "# ") || line == "\n") {
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

// Bounds of an Ethernet MTU: the least IPv4 needs to carry WireGuard's 1280 bytes within, and what jumbo frames on OVHcloud's private network allow.
const (
	MinPrivateMTU     = 1360
	MaxPrivateMTU     = 9000
	DefaultPrivateMTU = 1500
)

// Packages every host gets, and those a host gets that runs containers. Debian's own names.
var (
	hostPackages = []string{
		"ca-certificates", "chrony", "curl", "ethtool", "hostname", "iproute2", "kmod", "nftables", "openssh-server", "procps", "wireguard-tools",
	}
	containerPackages = []string{"conntrack", "containerd", "containernetworking-plugins", "runc", "socat"}
)

// Base is the base set-up of one host.
type Base struct {
	// Hostname is the node's name. Required.
	Hostname string
	// Private is the interface on the private network (vRack); nil when the host has none.
	Private *Private
	// WithoutContainers leaves out the container runtime, on hosts that never run a pod.
	WithoutContainers bool
	// UnattendedUpgrades turns on Debian's own security updates. They never reboot the host.
	UnattendedUpgrades bool
	// ExtraPackages are Debian packages to install beside the base ones.
	ExtraPackages []string
}

// Private is a host's interface on the private network.
type Private struct {
	// MAC finds the interface: names differ between machines, the MAC is what the provider tells.
	MAC net.HardwareAddr
	// Address is the host's address with the length of the network, such as 10.90.0.12/16.
	Address netip.Prefix
	// MTU in bytes, MinPrivateMTU to MaxPrivateMTU; DefaultPrivateMTU when 0.
	MTU int
}

// Packages are the Debian packages the set-up makes sure of, sorted. An image that has them already makes the set-up ask nothing of the network.
func (b Base) Packages() []string {
	all := slices.Concat(hostPackages, b.ExtraPackages)
	if !b.WithoutContainers {
		all = append(all, containerPackages...)
	}
	if b.UnattendedUpgrades {
		all = append(all, "unattended-upgrades")
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Validate reports everything that is wrong, joined.
func (b Base) Validate() error {
	var errs []error
	if err := naming.Validate(b.Hostname); err != nil {
		errs = append(errs, fmt.Errorf("hostname: %w", err))
	}
	for _, p := range b.ExtraPackages {
		if p == "" || strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789+.-") != "" || strings.HasPrefix(p, "-") {
			errs = append(errs, fmt.Errorf("extra package %q is not the name of a Debian package; use lower-case letters, digits, + . and -", p))
		}
	}
	if p := b.Private; p != nil {
		errs = append(errs, p.validate())
	}
	return errors.Join(errs...)
}

func (p Private) validate() error {
	var errs []error
	if len(p.MAC) != 6 {
		errs = append(errs, fmt.Errorf("private interface: MAC %q is not six bytes; take the one the provider lists for the private interface", p.MAC))
	}
	if !p.Address.IsValid() || !p.Address.Addr().Is4() {
		errs = append(errs, fmt.Errorf("private interface: address %s is not IPv4 with a prefix length; write it like 10.90.0.12/16", p.Address))
	} else if p.Address.Addr() == p.Address.Masked().Addr() && p.Address.Bits() < 31 {
		errs = append(errs, fmt.Errorf("private interface: address %s is the network itself; give the host's own address", p.Address))
	}
	if p.MTU != 0 && (p.MTU < MinPrivateMTU || p.MTU > MaxPrivateMTU) {
		errs = append(errs, fmt.Errorf("private interface: MTU %d is outside %d–%d; leave it 0 for %d", p.MTU, MinPrivateMTU, MaxPrivateMTU, DefaultPrivateMTU))
	}
	return errors.Join(errs...)
}

// Render validates and gives the script. It brings the library itself, so it runs without (AsRootWithoutLibrary).
func (b Base) Render() (string, error) {
	if err := b.Validate(); err != nil {
		return "", err
	}
	var s strings.Builder
	s.WriteString("mkdir -p /usr/local/lib/havre\ncat >" + LibraryPath + ".new <<'EOF'\n" + Library() + "EOF\n")
	s.WriteString("mv -f " + LibraryPath + ".new " + LibraryPath + "\n. " + LibraryPath + "\n")
	s.WriteString(inContainer)
	s.WriteString("\n# name\nhost=" + Quote(b.Hostname) + "\n" + hostname)
	s.WriteString("\n# packages\nhavre_packages " + Words(b.Packages()...) + "\n")
	s.WriteString("\n# time\n" + timeSync)
	s.WriteString("\n# kernel\n" + modules + File("/etc/sysctl.d/60-havre.conf", "0644", sysctls) + "havre_sysctl /etc/sysctl.d/60-havre.conf\n")
	s.WriteString("\n# swap\n" + swapOff)
	s.WriteString("\n# sshd\nHAVRE_CHANGED=no\n" + File(sshdDropIn, "0644", sshd) + sshdReload)
	s.WriteString("\n# journal\nHAVRE_CHANGED=no\n" + File("/etc/systemd/journald.conf.d/60-havre.conf", "0644", journald))
	s.WriteString("[[ $HAVRE_CHANGED == no ]] || systemctl restart systemd-journald\n")
	s.WriteString("\n# security updates\n" + File("/etc/apt/apt.conf.d/60havre", "0644", aptPeriodic(b.UnattendedUpgrades)))
	s.WriteString("\n# private network\nHAVRE_CHANGED=no\n")
	if b.Private == nil {
		s.WriteString(noPrivate)
	} else {
		s.WriteString(b.Private.render())
	}
	return s.String(), nil
}

// In a container the clock, the swap and the modules are the machine's, not ours.
const inContainer = `container=no
if systemd-detect-virt -cq; then container=yes; fi
`

const hostname = `havre_file /etc/hostname 0644 <<<"$host"
[[ $(hostname) == "$host" ]] || hostname "$host"
{ sed '/^127\.0\.1\.1[[:space:]]/d' /etc/hosts; printf '127.0.1.1 %s\n' "$host"; } | havre_file /etc/hosts 0644
if [[ -d /etc/cloud/cloud.cfg.d ]]; then
  havre_file /etc/cloud/cloud.cfg.d/99-havre.cfg 0644 <<<$'preserve_hostname: true\nmanage_etc_hosts: false'
fi
`

// chronyd of Debian leaves the clock alone in a container by itself; where it may not even start there, the machine keeps the time.
const timeSync = `systemctl -q enable chrony || [[ $container == yes ]]
if ! systemctl start chrony; then
  [[ $container == yes ]] || havre_fail "chrony does not start; see journalctl -u chrony"
  havre_log "chrony does not start in this container, its machine keeps the time"
fi
`

const modules = `havre_file /etc/modules-load.d/60-havre.conf 0644 <<<$'br_netfilter\noverlay'
for module in br_netfilter overlay; do
  modprobe -q "$module" || havre_log "kernel module $module: not loadable here, passed over"
done
`

// The two of inotify are what kubelet and the log readers of a full node need. rp_filter is left alone, the pod network sets its own.
const sysctls = `net.ipv4.ip_forward = 1
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
`

const swapOff = `if [[ $container == no ]]; then
  swapoff -a
  sed 's/^[^#].*[[:space:]]swap[[:space:]].*/# &/' /etc/fstab | havre_file /etc/fstab 0644
fi
`

// 10 sorts before the 50-cloud-init.conf of the provider's images, and sshd takes the first value it reads. MaxStartups leaves room for a run that opens its
// connections to one host at once; the default of 10:30:100 refuses them at random.
const (
	sshdDropIn = "/etc/ssh/sshd_config.d/10-havre.conf"
	sshd       = `PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
X11Forwarding no
MaxAuthTries 4
MaxStartups 64:30:128
LoginGraceTime 30
ClientAliveInterval 30
UseDNS no
`
	sshdReload = `if [[ $HAVRE_CHANGED == yes ]]; then
  mkdir -p /run/sshd
  if ! sshd -t; then
    rm -f ` + sshdDropIn + `
    havre_fail "sshd refuses its new configuration, which was taken back"
  fi
  systemctl try-reload-or-restart ssh
fi
[[ $(sshd -T) == *$'\npasswordauthentication no\n'* ]] || havre_fail "sshd would still take passwords; look for a setting before ` + sshdDropIn + `"
`
)

const journald = `[Journal]
Storage=persistent
SystemMaxUse=2G
SystemKeepFree=1G
MaxRetentionSec=1month
`

func aptPeriodic(on bool) string {
	digit := "0"
	if on {
		digit = "1"
	}
	return `APT::Periodic::Update-Package-Lists "` + digit + `";
APT::Periodic::Unattended-Upgrade "` + digit + `";
Unattended-Upgrade::Automatic-Reboot "false";
`
}

const (
	privateUnit    = "/etc/systemd/system/havre-private-network.service"
	privateProgram = "/usr/local/lib/havre/private-network"
)

const noPrivate = `if [[ -e ` + privateUnit + ` ]]; then
  systemctl -q disable --now havre-private-network
  rm -f ` + privateUnit + `
  systemctl daemon-reload
fi
`

// An interface that carries the default route is refused: a wrong MAC would otherwise cut the host off.
const privateScript = `#!/bin/bash
# usage: private-network up|down MAC ADDRESS/LENGTH MTU
set -euo pipefail
export LC_ALL=C
action=$1 mac=$2 address=$3 mtu=$4
for ((n = 0; n < 60; n++)); do
  mapfile -t found < <(ip -o link show | sed -n "s|^[0-9]*: \([^:@]*\).*link/ether $mac .*|\1|p")
  if ((${#found[@]} > 0)) || [[ $action == down ]]; then break; fi
  sleep 0.5
done
if [[ $action == down ]]; then
  for dev in "${found[@]}"; do ip address del "$address" dev "$dev" || true; done
  exit 0
fi
if ((${#found[@]} != 1)); then
  echo "want one interface with MAC $mac, found ${#found[@]}: ${found[*]:-none}" >&2
  exit 1
fi
dev=${found[0]}
if [[ -n $(ip -4 route show default dev "$dev") ]]; then
  echo "$dev with MAC $mac carries the default route, it is not the private interface" >&2
  exit 1
fi
ip link set dev "$dev" mtu "$mtu" up
ip address replace "$address" dev "$dev"
ip -o -4 address show dev "$dev" scope global | while read -r _ _ _ other _; do
  [[ $other == "$address" ]] || ip address del "$other" dev "$dev"
done
`

func (p Private) render() string {
	mtu := p.MTU
	if mtu == 0 {
		mtu = DefaultPrivateMTU
	}
	words := Words(p.MAC.String(), p.Address.String(), strconv.Itoa(mtu))
	unit := `[Unit]
Description=Address on the private network
Wants=network-pre.target
After=network-pre.target
Before=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=` + privateProgram + ` up ` + words + `
ExecStop=` + privateProgram + ` down ` + words + `

[Install]
WantedBy=multi-user.target
`
	return File(privateProgram, "0755", privateScript) + File(privateUnit, "0644", unit) + "havre_unit havre-private-network\n"
}
