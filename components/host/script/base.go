package script

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"havre/components/naming"
)

// Bounds of an Ethernet MTU: the least IPv4 needs to carry WireGuard's 1280 bytes within, and what jumbo frames on OVHcloud's private network allow.
const (
	MinPrivateMTU     = 1360
	MaxPrivateMTU     = 9000
	DefaultPrivateMTU = 1500
)

// Packages every host gets, and those a host gets that runs containers. Debian's own names.
var (
	hostPackages = []string{
		"ca-certificates", "chrony", "curl", "ethtool", "hostname", "iproute2", "kmod", "lynis", "nftables", "openssh-server", "procps",
		"unattended-upgrades", "wireguard-tools",
	}
	containerPackages = []string{"conntrack", "containerd", "containernetworking-plugins", "runc", "socat"}
)

// Base is the base set-up of one host.
type Base struct {
	// Hostname is the node's name. Required.
	Hostname string
	// Private is the interface on the private network (vRack); nil when the host has none.
	Private *Private
	// Firewall is the host's own packet filter; nil leaves the host as it is.
	Firewall *Firewall
	// WithoutContainers leaves out the container runtime, on hosts that never run a pod.
	WithoutContainers bool
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
	if b.Firewall != nil {
		errs = append(errs, b.Firewall.validate())
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

// BaseFiles are the files of the library that the set-up uses.
var BaseFiles = []string{"base.sh", "firewall.sh", "private-network"}

// Render validates and gives the call, which wants BaseFiles.
func (b Base) Render() (string, error) {
	if err := b.Validate(); err != nil {
		return "", err
	}
	private, firewall := "none", "firewall none\n"
	if p := b.Private; p != nil {
		mtu := p.MTU
		if mtu == 0 {
			mtu = DefaultPrivateMTU
		}
		private = fmt.Sprintf("%s %s %d", p.MAC, p.Address, mtu)
	}
	if b.Firewall != nil {
		firewall = b.Firewall.lines()
	}
	return "base_setup <<'EOF'\n" +
		"hostname " + b.Hostname + "\n" +
		"packages " + strings.Join(b.Packages(), " ") + "\n" +
		"private-network " + private + "\n" +
		firewall +
		"EOF\n", nil
}
