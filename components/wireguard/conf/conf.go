// Package conf is the WireGuard configuration of the mesh as values and text. It is pure.
//
// The thing to get wrong: size. Every host has every other host as a peer, and commands lie in the state, so a list of peers in each would be n² lines. The whole
// mesh is therefore one text, the roster, the same for all hosts, and only a few rendezvous hosts' commands hold it; the others' hold its checksum, and the hosts
// fetch it from those (mesh.sh of the library). The host itself expands it to the file wg-quick reads.
package conf

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"havre/components/naming"
)

// Bounds and defaults. A path of 1500 bytes less WireGuard's largest overhead (40 IPv6 + 8 UDP + 32) leaves 1420; 1280 is the least IPv6 allows, 8920 is a
// path of 9000 bytes less the same 80.
const (
	DefaultMTU  = 1420
	MinMTU      = 1280
	MaxMTU      = 8920
	DefaultPort = 51820

	// MaxHosts keeps the roster, at most 184 bytes a host while its key is rotated, within the 128 KiB of one argument of a command.
	MaxHosts = 700
	// MaxRendezvous bounds the commands that hold the roster, and MaxWithout the hosts of a mesh in which all do.
	MaxRendezvous = 7
	MaxWithout    = 16

	keyBytes, keyText = 32, 44
)

// PrivateKeyPath is where a host keeps the first private key that it made itself; later generations have their number behind it. No text of this package ever holds a
// key but public ones.
const PrivateKeyPath = "/etc/wireguard/private.key"

// Host is one member of the mesh.
type Host struct {
	// Name is the node's name, a comment in the configuration.
	Name string
	// Mesh is the address on the mesh interface.
	Mesh netip.Addr
	// Pods is the node's pod CIDR; the zero Prefix for a host outside Kubernetes.
	Pods netip.Prefix
	// Public is the public IPv4 address; the zero Addr for a peer nobody can call (a laptop), which then calls first.
	Public netip.Addr
	// Private is the address on the private network; the zero Addr when the host is not on it.
	Private netip.Addr
	// PublicKey is the WireGuard key in use, 32 bytes in base64.
	PublicKey string
	// NextKey is the one that the host will use next, which its peers are told beforehand; empty while no rotation is under way.
	NextKey string
	// Generation is that of PublicKey, 1 at first; 0 is 1.
	Generation int
	// Rendezvous makes the host one of the few that are given the whole roster, and serve it to the others.
	Rendezvous bool
}

// Mesh is the whole network. Order of Hosts does not matter to any text: the roster is sorted by name.
type Mesh struct {
	// Network holds every mesh address; Pods holds every pod CIDR.
	Network, Pods netip.Prefix
	// Port is the UDP port of every host; DefaultPort when 0.
	Port uint16
	// MTU of the mesh interface in bytes, MinMTU to MaxMTU; DefaultMTU when 0.
	MTU int
	// PodsMTU is the pods' in bytes, which a host's own packets to them keep to, MinMTU to MTU; MTU when 0.
	PodsMTU int
	Hosts   []Host
}

// AllowedIPs are the addresses that live on h: its mesh address and, on a Kubernetes node, its pod CIDR.
func AllowedIPs(h Host) []netip.Prefix {
	allowed := []netip.Prefix{netip.PrefixFrom(h.Mesh, h.Mesh.BitLen())}
	if h.Pods.IsValid() {
		allowed = append(allowed, h.Pods)
	}
	return allowed
}

func (m Mesh) port() uint16 {
	if m.Port == 0 {
		return DefaultPort
	}
	return m.Port
}

func (m Mesh) mtu() int {
	if m.MTU == 0 {
		return DefaultMTU
	}
	return m.MTU
}

func (m Mesh) podsMTU() int {
	if m.PodsMTU == 0 {
		return m.mtu()
	}
	return m.PodsMTU
}

// line is the host in the roster: name, key (and the next one behind a comma), public and private address, allowed IPs. What follows by rule is left out: the
// padding "=" of the key, the port, and the /32 of a single address; "-" stands for no address. It stays text, so that a preview shows which host is new;
// compression would halve it and say nothing.
func (h Host) line() string {
	endpoint := func(a netip.Addr) string {
		if !a.IsValid() {
			return "-"
		}
		return a.String()
	}
	var allowed []string
	for _, prefix := range AllowedIPs(h) {
		if prefix.IsSingleIP() {
			allowed = append(allowed, prefix.Addr().String())
		} else {
			allowed = append(allowed, prefix.String())
		}
	}
	keys := strings.TrimSuffix(h.PublicKey, "=")
	if h.NextKey != "" {
		keys += "," + strings.TrimSuffix(h.NextKey, "=")
	}
	return strings.Join([]string{
		h.Name, keys, endpoint(h.Public), endpoint(h.Private), strings.Join(allowed, ","),
	}, " ") + "\n"
}

// sorted are the hosts in order of name. The caller's slice stays as it is.
func (m Mesh) sorted() []Host {
	hosts := slices.Clone(m.Hosts)
	slices.SortFunc(hosts, func(a, b Host) int { return strings.Compare(a.Name, b.Name) })
	return hosts
}

// Validate checks the whole mesh and reports everything that is wrong, joined. Public keys and public addresses come late in a run; hosts without them pass
// ValidateShape before, and Validate once they are known.
func (m Mesh) Validate() error {
	errs := []error{m.ValidateShape()}
	keys := make(map[string]string, len(m.Hosts))
	public := make(map[netip.Addr]string, len(m.Hosts))
	for _, h := range m.Hosts {
		for i, key := range []string{h.PublicKey, h.NextKey} {
			if i > 0 && key == "" {
				continue
			}
			raw, err := base64.StdEncoding.Strict().DecodeString(key)
			switch {
			case err != nil || len(raw) != keyBytes || len(key) != keyText: // the decoder passes over line ends
				errs = append(errs, fmt.Errorf("mesh: host %s: public key %q is not 32 bytes in base64; it is what wg pubkey prints on the host", h.Name, key))
			case keys[key] != "":
				errs = append(errs, fmt.Errorf("mesh: hosts %s and %s have the same key %s; one was made from the other's disk, remove %s on it and run again",
					keys[key], h.Name, key, PrivateKeyPath))
			default:
				keys[key] = h.Name
			}
		}
		if !h.Public.IsValid() {
			continue
		}
		if other, ok := public[h.Public]; ok {
			errs = append(errs, fmt.Errorf("mesh: hosts %s and %s have the same public address %s; each needs its own", other, h.Name, h.Public))
		} else {
			public[h.Public] = h.Name
		}
		errs = append(errs, m.outside(h.Name, "public", h.Public))
	}
	return errors.Join(errs...)
}

// ValidateShape is the part of Validate that needs no late value, for the first preview.
func (m Mesh) ValidateShape() error {
	var errs []error
	if !m.Network.Addr().Is4() || m.Network != m.Network.Masked() {
		errs = append(errs, fmt.Errorf("mesh: network %s is not an IPv4 network; write it like 10.80.0.0/16", m.Network))
	}
	if m.Pods.IsValid() && (!m.Pods.Addr().Is4() || m.Pods != m.Pods.Masked()) {
		errs = append(errs, fmt.Errorf("mesh: pod network %s is not an IPv4 network; write it like 10.81.0.0/16", m.Pods))
	}
	if len(m.Hosts) > MaxHosts {
		errs = append(errs, fmt.Errorf("mesh: %d hosts, at most %d fit into one command; split the mesh", len(m.Hosts), MaxHosts))
	}
	if n := m.rendezvous(); n > MaxRendezvous {
		errs = append(errs, fmt.Errorf("mesh: %d rendezvous hosts, each of which holds the whole roster; name at most %d", n, MaxRendezvous))
	} else if n == 0 && len(m.Hosts) > MaxWithout {
		errs = append(errs, fmt.Errorf("mesh: %d hosts and no rendezvous among them, so each would hold the whole roster; name 1 to %d, such as the control plane",
			len(m.Hosts), MaxRendezvous))
	}
	if m.Network.IsValid() && m.Pods.IsValid() && m.Network.Overlaps(m.Pods) {
		errs = append(errs, fmt.Errorf("mesh: network %s and pod network %s overlap; move one of them", m.Network, m.Pods))
	}
	if m.MTU != 0 && (m.MTU < MinMTU || m.MTU > MaxMTU) {
		errs = append(errs, fmt.Errorf("mesh: MTU %d is outside %d–%d; leave it 0 for %d", m.MTU, MinMTU, MaxMTU, DefaultMTU))
	}
	if m.PodsMTU != 0 && (m.PodsMTU < MinMTU || m.PodsMTU > m.mtu()) {
		errs = append(errs, fmt.Errorf("mesh: the pods' MTU %d is outside %d–%d, the mesh's; leave it 0 for that", m.PodsMTU, MinMTU, m.mtu()))
	}
	names := make(map[string]bool, len(m.Hosts))
	private := make(map[netip.Addr]string, len(m.Hosts))
	var all []owned
	for _, h := range m.Hosts {
		if err := naming.Validate(h.Name); err != nil {
			errs = append(errs, fmt.Errorf("mesh: host: %w", err))
		} else if names[h.Name] {
			errs = append(errs, fmt.Errorf("mesh: two hosts are named %s; rename one", h.Name))
		}
		names[h.Name] = true
		if !h.Mesh.IsValid() || !m.Network.Contains(h.Mesh) {
			errs = append(errs, fmt.Errorf("mesh: host %s: mesh address %s is outside %s; change its index", h.Name, h.Mesh, m.Network))
		} else {
			all = append(all, owned{netip.PrefixFrom(h.Mesh, h.Mesh.BitLen()), h.Name})
		}
		if h.Pods.IsValid() {
			switch {
			case h.Pods != h.Pods.Masked():
				errs = append(errs, fmt.Errorf("mesh: host %s: pod CIDR %s is not a network; write %s", h.Name, h.Pods, h.Pods.Masked()))
			case !m.Pods.Contains(h.Pods.Addr()) || h.Pods.Bits() < m.Pods.Bits():
				errs = append(errs, fmt.Errorf("mesh: host %s: pod CIDR %s is outside %s; change its index", h.Name, h.Pods, m.Pods))
			default:
				all = append(all, owned{h.Pods, h.Name})
			}
		}
		if !h.Private.IsValid() {
			continue
		}
		if other, ok := private[h.Private]; ok {
			errs = append(errs, fmt.Errorf("mesh: hosts %s and %s have the same private address %s; each needs its own", other, h.Name, h.Private))
		} else {
			private[h.Private] = h.Name
		}
		errs = append(errs, m.outside(h.Name, "private", h.Private))
	}
	errs = append(errs, overlaps(all)...)
	return errors.Join(errs...)
}

// rendezvous is the number of them.
func (m Mesh) rendezvous() int {
	n := 0
	for _, h := range m.Hosts {
		if h.Rendezvous {
			n++
		}
	}
	return n
}

// outside refuses an endpoint that the mesh itself would carry: its packets would go round for ever.
func (m Mesh) outside(host, kind string, a netip.Addr) error {
	if !a.Is4() {
		return fmt.Errorf("mesh: host %s: %s address %s is not IPv4; the mesh runs over IPv4", host, kind, a)
	}
	for _, network := range []struct {
		name string
		netip.Prefix
	}{{"pod network", m.Pods}, {"mesh", m.Network}} {
		if network.Contains(a) {
			return fmt.Errorf("mesh: host %s: %s address %s lies in the %s %s, so the tunnel would run inside itself; give an address outside", host, kind, a,
				network.name, network.Prefix)
		}
	}
	return nil
}

type owned struct {
	prefix netip.Prefix
	host   string
}

// overlaps finds every prefix that begins inside one before it. WireGuard gives an address to the last peer that claims it, silently. Sorted by address with the
// shorter prefix first, a prefix can only overlap the last one that was not inside another: n log n for the mesh.
func overlaps(all []owned) []error {
	slices.SortFunc(all, func(a, b owned) int {
		if c := a.prefix.Addr().Compare(b.prefix.Addr()); c != 0 {
			return c
		}
		if c := a.prefix.Bits() - b.prefix.Bits(); c != 0 {
			return c
		}
		return strings.Compare(a.host, b.host)
	})
	var errs []error
	var last owned
	for _, o := range all {
		if last.prefix.IsValid() && last.prefix.Contains(o.prefix.Addr()) {
			errs = append(errs, fmt.Errorf("mesh: allowed IPs %s of %s and %s of %s overlap; change the index of one", last.prefix, last.host, o.prefix, o.host))
			continue
		}
		last = o
	}
	return errs
}
