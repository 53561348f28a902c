package stacks

import (
	"net/netip"
	"slices"
)

// EdgeFirewall is OVH's packet filter before the public addresses of nodes. It drops floods before they reach a host's link; it does not take the place of
// the hosts' own firewall, because it sees only what comes from outside OVH.
//
// What a reader would get wrong: it keeps no state, so answers to what a host itself asks need rules of their own (see [Stack.firewall]), and it knows
// IPv4 only. It drops fragments of UDP, which Mesh.MTU avoids. Source: OVH's guide "Enabling and configuring the Edge Network Firewall".
type EdgeFirewall struct {
	// On puts the filter before every node but those of the eco catalogue.
	On bool
	// Eco puts it before those as well. OVH does not promise the filter for every server of that catalogue, and a refusal would end the run.
	Eco bool
}

// Sender says from where a port can be reached.
type Sender string

// The senders of openings.
const (
	// FromAnywhere is any address, on any interface.
	FromAnywhere Sender = "anywhere"
	// FromHosts are the hosts of the fleet and the operators, on the mesh.
	FromHosts Sender = "hosts"
	// FromCluster are those and the pods.
	FromCluster Sender = "cluster"
)

// Opening is a port at which a node may be called. Both firewalls are made of the openings: the host's own of all of them, OVH's of those from anywhere.
type Opening struct {
	Protocol Protocol
	Port     int
	From     Sender
	// Network narrows FromAnywhere to one network; the zero value is any.
	Network netip.Prefix
}

// Protocol is what a firewall rule matches.
type Protocol string

// The protocols that descriptions use. OVH knows ah, esp and gre besides.
const (
	TCP  Protocol = "tcp"
	UDP  Protocol = "udp"
	ICMP Protocol = "icmp"
	// IPv4 is every packet.
	IPv4 Protocol = "ipv4"
)

// FirewallRule lets packets in, or keeps them out. The first rule that matches decides.
type FirewallRule struct {
	// Deny drops what matches; else it passes.
	Deny     bool
	Protocol Protocol
	// From is the sender's network; the zero value is any.
	From netip.Prefix
	// FromPort and Port are of TCP and UDP; 0 is any.
	FromPort, Port int
	// Established matches TCP packets that begin no connection; with it no port needs to be open for answers.
	Established bool
}

// MaxFirewallRules is OVH's bound for one address.
const MaxFirewallRules = 20

const (
	sshPort = 22
	dnsPort = 53
	ntpPort = 123
	// Of Kubernetes: https://kubernetes.io/docs/reference/networking/ports-and-protocols/
	etcdPort, etcdPeerPort, kubeletPort = 2379, 2380, 10250
	// Where the control plane serves the mesh's list of peers: mesh_roster_port of the library's mesh.sh.
	rosterPort = 51821
)

// openings are all ports at which the node may be called but WireGuard's, which the mesh opens itself to its peers. What listens and is not here cannot be reached.
func (s Stack) openings(n Node) []Opening {
	from := s.SSHFrom
	if len(from) == 0 {
		from = []netip.Prefix{{}}
	}
	var open []Opening
	for _, network := range from {
		open = append(open, Opening{Protocol: TCP, Port: sshPort, From: FromAnywhere, Network: network})
	}
	if n.Has(RoleEdge) {
		open = append(open,
			Opening{Protocol: TCP, Port: s.Edge.HTTPPort, From: FromAnywhere},
			Opening{Protocol: TCP, Port: s.Edge.HTTPSPort, From: FromAnywhere},
			// HTTP/3.
			Opening{Protocol: UDP, Port: s.Edge.HTTPSPort, From: FromAnywhere})
	}
	open = append(open, Opening{Protocol: TCP, Port: sshPort, From: FromHosts})
	if n.Has(RoleControlPlane) {
		open = append(open,
			Opening{Protocol: TCP, Port: etcdPort, From: FromHosts},
			Opening{Protocol: TCP, Port: etcdPeerPort, From: FromHosts},
			Opening{Protocol: TCP, Port: rosterPort, From: FromHosts},
			Opening{Protocol: TCP, Port: s.Cluster.APIPort, From: FromCluster})
	}
	if n.InCluster() {
		open = append(open, Opening{Protocol: TCP, Port: kubeletPort, From: FromCluster})
	}
	for _, service := range s.Data {
		if n.Has(RoleData) && n.Purpose == service.Name {
			open = append(open, Opening{Protocol: TCP, Port: service.Port, From: FromCluster})
		}
	}
	return open
}

// filtered says whether OVH's firewall stands before the node.
func (s Stack) filtered(n Node) bool {
	return s.EdgeFirewall.On && (s.EdgeFirewall.Eco || n.Offer.Catalogue != CatalogueEco)
}

// firewall is the whole filter before a node; nil where there is none.
//
// The filter keeps no state. TCP answers are told by their flags. UDP has none, so answers are let in by where they come from: DNS from the resolvers alone,
// time from port 123 of anybody, because Debian's pool of time servers has no fixed addresses. A stranger who sends from port 123 thereby reaches
// every UDP port of the host; there WireGuard is the only one, and it is silent towards strangers, and on edge nodes HTTP/3, which all may reach anyway.
func (s Stack) firewall(n Node) []FirewallRule {
	if !s.filtered(n) {
		return nil
	}
	rules := append(slices.Clone(n.Open),
		FirewallRule{Protocol: TCP, Established: true},
		// Path MTU discovery needs it.
		FirewallRule{Protocol: ICMP},
		// From anywhere: operators' laptops are peers, and nobody without a key gets an answer.
		FirewallRule{Protocol: UDP, Port: s.Mesh.Port},
	)
	for _, open := range s.openings(n) {
		if open.From == FromAnywhere {
			rules = append(rules, FirewallRule{Protocol: open.Protocol, From: open.Network, Port: open.Port})
		}
	}
	for _, resolver := range s.Services.Resolvers {
		rules = append(rules, FirewallRule{Protocol: UDP, From: netip.PrefixFrom(resolver, resolver.BitLen()), FromPort: dnsPort})
	}
	return append(rules, FirewallRule{Protocol: UDP, FromPort: ntpPort}, FirewallRule{Deny: true, Protocol: IPv4})
}

// publicName is the full name of a node's public address.
func (s Stack) publicName(n Node) string {
	if n.ReverseDNS != "" {
		return n.ReverseDNS
	}
	return n.Name + ".nodes." + s.DNS.Zone
}
