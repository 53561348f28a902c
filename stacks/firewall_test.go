package stacks

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// packet is what arrives at OVH's edge for a node.
type packet struct {
	protocol       Protocol
	from           string
	fromPort, port int
	established    bool
}

// passes walks the rules as OVH does: the first that matches decides, and what none matches passes.
func passes(t *testing.T, rules []FirewallRule, p packet) bool {
	t.Helper()
	from, err := netip.ParseAddr(p.from)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if r.Protocol != IPv4 && r.Protocol != p.protocol || r.From.IsValid() && !r.From.Contains(from) || r.FromPort != 0 && r.FromPort != p.fromPort ||
			r.Port != 0 && r.Port != p.port || r.Established && !p.established {
			continue
		}
		return !r.Deny
	}
	return true
}

func TestFirewall(t *testing.T) {
	const stranger, resolver, office = "203.0.113.7", "213.186.33.99", "192.0.2.9"
	prod := described(t, "prod")
	narrow := Copy(prod)
	narrow.SSHFrom = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28"), netip.MustParsePrefix("198.51.100.7/32")}
	own := Copy(prod)
	node(&own, "gra-worker-3").Open = []FirewallRule{
		{Deny: true, Protocol: UDP, From: netip.MustParsePrefix("203.0.113.0/24")}, {Protocol: TCP, Port: 8443},
	}
	for _, c := range []struct {
		name  string
		stack Stack
		node  string
		packet
		want bool
	}{
		{"a reader at the edge", prod, "gra-worker-2", packet{TCP, stranger, 40000, 443, false}, true},
		{"a reader without TLS", prod, "gra-worker-2", packet{TCP, stranger, 40000, 80, false}, true},
		{"a reader over HTTP/3", prod, "gra-worker-2", packet{UDP, stranger, 40000, 443, false}, true},
		{"HTTP/3 at a worker that is no edge", prod, "gra-worker-3", packet{UDP, stranger, 40000, 443, false}, false},
		{"a reader at a worker that is no edge", prod, "gra-worker-3", packet{TCP, stranger, 40000, 443, false}, false},
		{"the API server", prod, "gra-control-1", packet{TCP, stranger, 40000, 6443, false}, false},
		{"etcd", prod, "gra-control-1", packet{TCP, stranger, 40000, 2379, false}, false},
		{"a kubelet", prod, "gra-worker-2", packet{TCP, stranger, 40000, 10250, false}, false},
		{"SSH", prod, "gra-control-1", packet{TCP, stranger, 40000, 22, false}, true},
		{"a laptop in the mesh", prod, "gra-control-1", packet{UDP, stranger, 40000, 51820, false}, true},
		{"an answer of a registry", prod, "gra-worker-3", packet{TCP, stranger, 443, 40000, true}, true},
		{"a connection from a registry's port", prod, "gra-worker-3", packet{TCP, stranger, 443, 40000, false}, false},
		{"an answer of the resolver", prod, "gra-worker-3", packet{UDP, resolver, 53, 40000, false}, true},
		{"an answer of another resolver", prod, "gra-worker-3", packet{UDP, stranger, 53, 40000, false}, false},
		{"the time", prod, "gra-worker-3", packet{UDP, stranger, 123, 40000, false}, true},
		{"packet too big", prod, "gra-worker-3", packet{ICMP, stranger, 0, 0, false}, true},
		{"any other UDP", prod, "gra-worker-3", packet{UDP, stranger, 40000, 8472, false}, false},
		{"another protocol", prod, "gra-worker-3", packet{"gre", stranger, 0, 0, false}, false},
		{"SSH from the office", narrow, "gra-worker-3", packet{TCP, office, 40000, 22, false}, true},
		{"SSH from elsewhere", narrow, "gra-worker-3", packet{TCP, stranger, 40000, 22, false}, false},
		{"what the node opens", own, "gra-worker-3", packet{TCP, stranger, 40000, 8443, false}, true},
		{"what another node opens", own, "gra-worker-2", packet{TCP, stranger, 40000, 8443, false}, false},
		{"what the node keeps out", own, "gra-worker-3", packet{UDP, stranger, 40000, 51820, false}, false},
		{"no filter before an eco server", prod, "gra-data-1", packet{TCP, stranger, 40000, 6443, false}, true},
	} {
		p, err := c.stack.Plan()
		if err != nil {
			t.Fatal(err)
		}
		n, err := p.Node(c.node)
		if err != nil {
			t.Fatal(err)
		}
		if got := passes(t, n.Firewall, c.packet); got != c.want {
			t.Errorf("%s: passes %t, wanted %t; rules %v", c.name, got, c.want, n.Firewall)
		}
	}
}

// TestFirewallOfEveryStack: on means before every server that OVH promises it for, off before none, and what all may send ends at the last rule.
func TestFirewallOfEveryStack(t *testing.T) {
	for _, name := range Names() {
		s := described(t, name)
		for _, set := range []EdgeFirewall{{}, {On: true}, {On: true, Eco: true}} {
			s.EdgeFirewall = set
			p, err := s.Plan()
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range p.Nodes {
				want := set.On && (set.Eco || n.Offer.Catalogue != "eco")
				if (len(n.Firewall) > 0) != want {
					t.Errorf("stack %s, %+v: node %s has %d rules", name, set, n.Name, len(n.Firewall))
				}
				if at := slices.IndexFunc(n.Firewall, func(r FirewallRule) bool { return r == FirewallRule{Deny: true, Protocol: IPv4} }); want && at != len(n.Firewall)-1 {
					t.Errorf("stack %s: node %s refuses everything at rule %d of %d", name, n.Name, at, len(n.Firewall))
				}
			}
		}
	}
}

func TestPublicNames(t *testing.T) {
	s := described(t, "prod")
	node(&s, "gra-worker-2").ReverseDNS = "mail.havre.example"
	p, err := s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range p.Nodes {
		want := n.Name + ".nodes.havre.example"
		if n.Name == "gra-worker-2" {
			want = "mail.havre.example"
		}
		if n.FQDN != want {
			t.Errorf("node %s is called %s, wanted %s", n.Name, n.FQDN, want)
		}
	}
}

// TestLinesOfTheDescription: what is written round a node's line changes that one thing.
func TestLinesOfTheDescription(t *testing.T) {
	before := described(t, "prod")
	for want, wrap := range map[string]func(Node) Node{"Nodes[gra-worker-3].Retired": Retired, "Nodes[gra-worker-3].Rescue": Rescued} {
		after := Copy(before)
		n := node(&after, "gra-worker-3")
		*n = wrap(*n)
		if got := Diff(before, after); len(got) != 1 || got[0].Path != want || got[0].After != "true" {
			t.Errorf("got %v, wanted %s true", got, want)
		}
	}
}

// TestRescueLeadsNoReaderThere: the node stays what it is in everything else.
func TestRescueLeadsNoReaderThere(t *testing.T) {
	before, s := planned(t, "prod"), described(t, "prod")
	node(&s, "gra-worker-2").Rescue = true
	after, err := s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(after.Records[0].Nodes, " "), "gra-worker-1 rbx-worker-1 rbx-worker-2"; got != want {
		t.Errorf("readers are led to %s, wanted %s", got, want)
	}
	if len(after.Workers) != len(before.Workers) || len(after.Members) != len(before.Members) || len(after.Peers("gra-worker-1")) != len(before.Peers("gra-worker-1")) {
		t.Errorf("the node left: %d workers of %d", len(after.Workers), len(before.Workers))
	}
}

// TestOpenings holds what each kind of node can be called for; what is not here is shut, whatever listens.
func TestOpenings(t *testing.T) {
	prod := described(t, "prod")
	prod.SSHFrom = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")}
	p, err := prod.Plan()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"gra-control-1": "anywhere 192.0.2.0/28 tcp 22, hosts tcp 22, hosts tcp 2379, hosts tcp 2380, hosts tcp 51821, cluster tcp 6443, cluster tcp 10250",
		"gra-worker-1":  "anywhere 192.0.2.0/28 tcp 22, anywhere tcp 80, anywhere tcp 443, anywhere udp 443, hosts tcp 22, cluster tcp 10250",
		"gra-worker-3":  "anywhere 192.0.2.0/28 tcp 22, hosts tcp 22, cluster tcp 10250",
		"gra-data-1":    "anywhere 192.0.2.0/28 tcp 22, hosts tcp 22, cluster tcp 6650",
		"rbx-data-2":    "anywhere 192.0.2.0/28 tcp 22, hosts tcp 22, cluster tcp 8428",
	} {
		n, err := p.Node(name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range n.Openings {
			words := []string{string(o.From)}
			if o.Network.IsValid() {
				words = append(words, o.Network.String())
			}
			got = append(got, strings.Join(append(words, string(o.Protocol), strconv.Itoa(o.Port)), " "))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s\n got %s\nwant %s", name, strings.Join(got, ", "), want)
		}
	}
}
