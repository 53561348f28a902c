package stacks

import (
	"net/netip"
	"path"
	"slices"
	"strings"
)

// fileSystems are those that the host scripts and Debian's installer both know.
var fileSystems = []string{"ext4", "xfs", "btrfs", "swap"}

// partitions checks a disk layout, for which OVH's installer would give no reason until the server is wiped.
func (v *validation) partitions(n Node) {
	if len(n.Partitions) == 0 {
		return
	}
	if n.Kind == VPS || n.Kind == Instance {
		v.wrong("node %s: %d partitions on a %s, which comes with one disk image; remove them", n.Name, len(n.Partitions), map[Kind]string{VPS: "VPS", Instance: "machine of Public Cloud"}[n.Kind])
		return
	}
	seen := map[string]bool{}
	rest := ""
	for _, p := range n.Partitions {
		if p.MountPoint != "swap" && (!strings.HasPrefix(p.MountPoint, "/") || path.Clean(p.MountPoint) != p.MountPoint) {
			v.wrong("node %s: partition %q is neither an absolute path nor swap; mend its MountPoint", n.Name, p.MountPoint)
			continue
		}
		if seen[p.MountPoint] {
			v.wrong("node %s: partition %s is described twice; remove one", n.Name, p.MountPoint)
		}
		seen[p.MountPoint] = true
		if !slices.Contains(fileSystems, p.FileSystem) {
			v.wrong("node %s: partition %s: file system %q is not one of %s; mend it", n.Name, p.MountPoint, p.FileSystem, strings.Join(fileSystems, ", "))
		} else if (p.MountPoint == "swap") != (p.FileSystem == "swap") {
			v.wrong("node %s: partition %s with file system %s; swap has both, or neither: mend it", n.Name, p.MountPoint, p.FileSystem)
		}
		switch {
		case p.Size < 0:
			v.wrong("node %s: partition %s: size %s is negative; mend it", n.Name, p.MountPoint, p.Size)
		case p.Size == 0 && rest != "":
			v.wrong("node %s: partition %s takes what the others leave, as %s does; give one of them a Size", n.Name, p.MountPoint, rest)
		case p.Size == 0:
			rest = p.MountPoint
		}
		// The firmware reads one disk, and finds half of every file.
		if p.Striped && (p.MountPoint == "/boot" || p.MountPoint == "/" && !v.hasBoot(n)) {
			v.wrong("node %s: partition %s is striped, and no host boots from that; mirror it, or mirror a /boot beside it,", n.Name, p.MountPoint)
		}
	}
	if !seen["/"] {
		v.wrong("node %s: no partition for /; add one", n.Name)
	}
}

func (v *validation) hasBoot(n Node) bool {
	return slices.ContainsFunc(n.Partitions, func(p Partition) bool { return p.MountPoint == "/boot" })
}

// publicNames checks the names of the nodes' addresses. Each is one record of the zone, so it is there once and no service's.
func (v *validation) publicNames() {
	zone := v.stack.DNS.Zone
	if !isDomain(zone) {
		return
	}
	taken := map[string]string{}
	for _, record := range v.stack.DNS.Records {
		taken[record.Name] = "the DNS record of that name"
	}
	for _, n := range sortedNodes(v.stack.Nodes) {
		if !isLabel(n.Name) {
			continue
		}
		name := v.stack.publicName(n)
		switch {
		case !isDomain(name):
			v.wrong("node %s: reverse DNS %q is not a domain name; mend ReverseDNS, or clear it for %s.nodes.%s", n.Name, name, n.Name, zone)
		case !inZone(name, zone):
			v.wrong("node %s: reverse DNS %s is not in zone %s, so its own record, which OVH looks for first, could not be made; rename it", n.Name, name, zone)
		case taken[name] != "" && taken[name] != "node "+n.Name:
			v.wrong("node %s: reverse DNS %s is taken by %s; give the address a name of its own", n.Name, name, taken[name])
		}
		taken[name] = "node " + n.Name
	}
}

// firewall checks what is written for OVH's filter; the derived rules are sound when the ports are.
func (v *validation) firewall() {
	wall := v.stack.EdgeFirewall
	for _, network := range v.stack.SSHFrom {
		if !usable(network) {
			v.wrong("SSH from %s, which is not an IPv4 network; write it like 192.0.2.0/24", network)
		}
	}
	if !wall.On && wall.Eco {
		v.wrong("edge firewall: it is off, and has settings; set EdgeFirewall.On, or clear them,")
	}
	for _, n := range v.stack.Nodes {
		for i, rule := range n.Open {
			v.rule(n, i, rule)
		}
		if rules := v.stack.firewall(n); len(rules) > MaxFirewallRules {
			v.wrong("node %s: %d firewall rules, of which %d are its own; OVH takes %d: join some of Open or of SSHFrom", n.Name, len(rules), len(n.Open), MaxFirewallRules)
		}
	}
}

func (v *validation) rule(n Node, i int, rule FirewallRule) {
	if !slices.Contains([]Protocol{TCP, UDP, ICMP, IPv4}, rule.Protocol) {
		v.wrong("node %s: firewall rule %d: protocol %q is not one of tcp, udp, icmp, ipv4; mend it", n.Name, i, rule.Protocol)
		return
	}
	ported := rule.Protocol == TCP || rule.Protocol == UDP
	for _, port := range []int{rule.FromPort, rule.Port} {
		switch {
		case port == 0:
		case !ported:
			v.wrong("node %s: firewall rule %d: port %d of %s, which has no ports; remove it", n.Name, i, port, rule.Protocol)
		case port < 0 || port > 65535:
			v.wrong("node %s: firewall rule %d: port %d is not from 1 to 65535, or 0 for any; mend it", n.Name, i, port)
		}
	}
	if rule.From != (netip.Prefix{}) && !usable(rule.From) {
		v.wrong("node %s: firewall rule %d: sender %s is not an IPv4 network; write it like 192.0.2.0/24, or leave it out for any,", n.Name, i, rule.From)
	}
	if rule.Established && rule.Protocol != TCP {
		v.wrong("node %s: firewall rule %d: Established of %s, which has no connections that a filter could tell; leave it to tcp", n.Name, i, rule.Protocol)
	}
	if rule.Protocol == IPv4 && rule.From == (netip.Prefix{}) {
		v.wrong("node %s: firewall rule %d: it matches everything, so no rule after it would count; name a sender or a protocol", n.Name, i)
	}
}
