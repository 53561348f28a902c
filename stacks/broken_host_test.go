package stacks

import "net/netip"

// brokenHosts are broken descriptions of disks, names, firewalls and rescue.
var brokenHosts = []broken{
	{name: "partitions of a VPS", base: "prod", change: func(s *Stack) { node(s, "gra-control-1").Partitions = layout() }, want: []string{
		`node gra-control-1: 3 partitions on a VPS, which comes with one disk image; remove them in stacks/production.go`,
	}},
	{name: "partition with a relative path", base: "prod", change: partitioned(func(p []Partition) []Partition { p[0].MountPoint = "boot"; return p }), want: []string{
		`node gra-worker-3: partition "boot" is neither an absolute path nor swap; mend its MountPoint in stacks/production.go`,
	}},
	{name: "partition with an unclean path", base: "prod", change: partitioned(func(p []Partition) []Partition { p[0].MountPoint = "/boot/"; return p }), want: []string{
		`node gra-worker-3: partition "/boot/" is neither an absolute path nor swap; mend its MountPoint in stacks/production.go`,
	}},
	{name: "partition twice", base: "prod", change: partitioned(func(p []Partition) []Partition { return append(p, p[0]) }), want: []string{
		`node gra-worker-3: partition /boot is described twice; remove one in stacks/production.go`,
	}},
	{name: "file system unknown", base: "prod", change: partitioned(func(p []Partition) []Partition { p[2].FileSystem = "zfs"; return p }), want: []string{
		`node gra-worker-3: partition /: file system "zfs" is not one of ext4, xfs, btrfs, swap; mend it in stacks/production.go`,
	}},
	{name: "swap on a path", base: "prod", change: partitioned(func(p []Partition) []Partition { p[2].FileSystem = "swap"; return p }), want: []string{
		`node gra-worker-3: partition / with file system swap; swap has both, or neither: mend it in stacks/production.go`,
	}},
	{name: "swap with files", base: "prod", change: partitioned(func(p []Partition) []Partition { p[1].FileSystem = "ext4"; return p }), want: []string{
		`node gra-worker-3: partition swap with file system ext4; swap has both, or neither: mend it in stacks/production.go`,
	}},
	{name: "partition of a negative size", base: "prod", change: partitioned(func(p []Partition) []Partition { p[0].Size = -1; return p }), want: []string{
		`node gra-worker-3: partition /boot: size -1Mi is negative; mend it in stacks/production.go`,
	}},
	{name: "two partitions take the rest", base: "prod", change: partitioned(func(p []Partition) []Partition { p[0].Size = 0; return p }), want: []string{
		`node gra-worker-3: partition / takes what the others leave, as /boot does; give one of them a Size in stacks/production.go`,
	}},
	{name: "boot striped", base: "prod", change: partitioned(func(p []Partition) []Partition { p[0].Striped = true; return p }), want: []string{
		`node gra-worker-3: partition /boot is striped, and no host boots from that; mirror it, or mirror a /boot beside it, in stacks/production.go`,
	}},
	{name: "root striped without a boot partition", base: "prod", change: partitioned(func(p []Partition) []Partition { p[2].Striped = true; return p[1:] }), want: []string{
		`node gra-worker-3: partition / is striped, and no host boots from that; mirror it, or mirror a /boot beside it, in stacks/production.go`,
	}},
	{name: "no root partition", base: "prod", change: partitioned(func(p []Partition) []Partition { return p[:2] }), want: []string{
		`node gra-worker-3: no partition for /; add one in stacks/production.go`,
	}},
	{name: "a layout with several faults", base: "prod", change: partitioned(func(p []Partition) []Partition {
		return []Partition{{}, {MountPoint: "/srv", FileSystem: "zfs", Size: -1}}
	}), want: []string{
		`node gra-worker-3: partition "" is neither an absolute path nor swap; mend its MountPoint in stacks/production.go`,
		`node gra-worker-3: partition /srv: file system "zfs" is not one of ext4, xfs, btrfs, swap; mend it in stacks/production.go`,
		`node gra-worker-3: partition /srv: size -1Mi is negative; mend it in stacks/production.go`,
		`node gra-worker-3: no partition for /; add one in stacks/production.go`,
	}},
	{name: "reverse malformed", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").ReverseDNS = "mail" }, want: []string{
		`node gra-worker-3: reverse DNS "mail" is not a domain name; mend ReverseDNS, or clear it for gra-worker-3.nodes.havre.example in stacks/production.go`,
	}},
	{name: "reverse in another zone", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").ReverseDNS = "mail.example.net" }, want: []string{
		`node gra-worker-3: reverse DNS mail.example.net is not in zone havre.example, so its own record, which OVH looks for first, could not be made; rename it in stacks/production.go`,
	}},
	{name: "reverse of another node", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").ReverseDNS = "gra-worker-2.nodes.havre.example" }, want: []string{
		`node gra-worker-3: reverse DNS gra-worker-2.nodes.havre.example is taken by node gra-worker-2; give the address a name of its own in stacks/production.go`,
	}},
	{name: "reverse of a service", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").ReverseDNS = "pictures.havre.example" }, want: []string{
		`node gra-worker-3: reverse DNS pictures.havre.example is taken by the DNS record of that name; give the address a name of its own in stacks/production.go`,
	}},
	{name: "SSH from an address with host bits", base: "prod", change: func(s *Stack) { s.SSHFrom = []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24")} }, want: []string{
		`SSH from 192.0.2.7/24, which is not an IPv4 network; write it like 192.0.2.0/24 in stacks/production.go`,
	}},
	{name: "SSH from IPv6", base: "prod", change: func(s *Stack) { s.SSHFrom = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")} }, want: []string{
		`SSH from 2001:db8::/32, which is not an IPv4 network; write it like 192.0.2.0/24 in stacks/production.go`,
	}},
	{name: "firewall off with settings", base: "prod", change: func(s *Stack) { s.EdgeFirewall = EdgeFirewall{Eco: true} }, want: []string{
		`edge firewall: it is off, and has settings; set EdgeFirewall.On, or clear them, in stacks/production.go`,
	}},
	{name: "too many firewall rules", base: "prod", change: func(s *Stack) {
		for i := range 13 {
			node(s, "gra-worker-2").Open = append(node(s, "gra-worker-2").Open, FirewallRule{Protocol: TCP, Port: 9000 + i})
		}
	}, want: []string{
		`node gra-worker-2: 23 firewall rules, of which 13 are its own; OVH takes 20: join some of Open or of SSHFrom in stacks/production.go`,
	}},
	{name: "firewall protocol unknown", base: "prod", change: opened(FirewallRule{Protocol: "sctp"}), want: []string{
		`node gra-worker-3: firewall rule 0: protocol "sctp" is not one of tcp, udp, icmp, ipv4; mend it in stacks/production.go`,
	}},
	{name: "firewall port without ports", base: "prod", change: opened(FirewallRule{Protocol: ICMP, Port: 8}), want: []string{
		`node gra-worker-3: firewall rule 0: port 8 of icmp, which has no ports; remove it in stacks/production.go`,
	}},
	{name: "firewall ports out of bounds", base: "prod", change: opened(FirewallRule{Protocol: UDP, FromPort: -1, Port: 65536}), want: []string{
		`node gra-worker-3: firewall rule 0: port -1 is not from 1 to 65535, or 0 for any; mend it in stacks/production.go`,
		`node gra-worker-3: firewall rule 0: port 65536 is not from 1 to 65535, or 0 for any; mend it in stacks/production.go`,
	}},
	{name: "firewall sender with host bits", base: "prod", change: opened(FirewallRule{Protocol: TCP, From: netip.MustParsePrefix("192.0.2.7/24")}), want: []string{
		`node gra-worker-3: firewall rule 0: sender 192.0.2.7/24 is not an IPv4 network; write it like 192.0.2.0/24, or leave it out for any, in stacks/production.go`,
	}},
	{name: "firewall answers of UDP", base: "prod", change: opened(FirewallRule{Protocol: UDP, Established: true}), want: []string{
		`node gra-worker-3: firewall rule 0: Established of udp, which has no connections that a filter could tell; leave it to tcp in stacks/production.go`,
	}},
	{name: "firewall rule for everything", base: "prod", change: opened(FirewallRule{Deny: true, Protocol: IPv4}), want: []string{
		`node gra-worker-3: firewall rule 0: it matches everything, so no rule after it would count; name a sender or a protocol in stacks/production.go`,
	}},
	{name: "two of three control-plane nodes in rescue", base: "prod", change: func(s *Stack) {
		node(s, "rbx-control-1").Rescue, node(s, "sbg-control-1").Rescue = true, true
	}, want: []string{
		`stack prod: the rescue system of rbx-control-1, sbg-control-1 leaves 1 of 3 control-plane nodes, and the quorum is 2; boot one after the other, so clear Rescue of the others in stacks/production.go`,
	}},
	{name: "all edge nodes in rescue", base: "local", change: func(s *Stack) {
		node(s, "gra-worker-1").Rescue, node(s, "rbx-worker-1").Rescue = true, true
	}, want: []string{
		`dns record pictures.havre.test: every active node with role "edge" is in the rescue system, so there is no address to publish; boot one after the other, so clear Rescue of one in stacks/local.go`,
	}},
	{name: "adopted service malformed", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Adopt = "ns3123456" }, want: []string{
		`node gra-worker-3: adopted service "ns3123456" is not a service name like ns3123456.ip-5-196-1.eu or vps-1a2b3c4d.vps.ovh.net; mend it in stacks/production.go`,
	}},
	{name: "adopted service of another kind", base: "prod", change: func(s *Stack) {
		node(s, "gra-worker-3").Adopt, node(s, "gra-control-1").Adopt = "vps-1a2b3c4d.vps.ovh.net", "ns3123456.ip-5-196-1.eu"
	}, want: []string{
		`node gra-control-1: adopted service ns3123456.ip-5-196-1.eu is not of kind vps; mend the name or the kind in stacks/production.go`,
		`node gra-worker-3: adopted service vps-1a2b3c4d.vps.ovh.net is not of kind dedicated; mend the name or the kind in stacks/production.go`,
	}},
	{name: "service adopted twice", base: "prod", change: func(s *Stack) {
		node(s, "gra-worker-2").Adopt, node(s, "gra-worker-3").Adopt = "ns3123456.ip-5-196-1.eu", "ns3123456.ip-5-196-1.eu"
	}, want: []string{
		`node gra-worker-3: adopted service ns3123456.ip-5-196-1.eu is node gra-worker-2 already; remove one in stacks/production.go`,
	}},
	{name: "vRack there and ordered", base: "prod", change: func(s *Stack) {
		s.PrivateNetwork.Order, s.PrivateNetwork.Vrack = true, "pn-1000001"
	}, want: []string{
		`private network: vRack pn-1000001 is there and one is to be ordered; clear PrivateNetwork.Order or PrivateNetwork.Vrack in stacks/production.go`,
	}},
}

// layout is a sound one.
func layout() []Partition {
	return []Partition{{MountPoint: "/boot", FileSystem: "ext4", Size: 1024}, {MountPoint: "swap", FileSystem: "swap", Size: 4096}, {MountPoint: "/", FileSystem: "xfs"}}
}

// partitioned gives a dedicated server a sound layout with one change.
func partitioned(change func([]Partition) []Partition) func(*Stack) {
	return func(s *Stack) { node(s, "gra-worker-3").Partitions = change(layout()) }
}

// opened gives a node one firewall rule.
func opened(rule FirewallRule) func(*Stack) {
	return func(s *Stack) { node(s, "gra-worker-3").Open = []FirewallRule{rule} }
}
