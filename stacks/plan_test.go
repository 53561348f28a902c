package stacks

import (
	"fmt"
	"math/rand"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// planned returns the plan of a described stack.
func planned(t *testing.T, name string) Plan {
	t.Helper()
	plan, err := described(t, name).Plan()
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func planNames(nodes []PlannedNode) string {
	var list []string
	for _, n := range nodes {
		list = append(list, n.Name)
	}
	return strings.Join(list, " ")
}

func TestProductionPlan(t *testing.T) {
	p := planned(t, "prod")
	n, err := p.Node("gra-worker-2")
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]any{
		"mesh address":   {n.Mesh, "10.80.0.12"},
		"mesh interface": {n.MeshInterface, "10.80.0.12/16"},
		"pod CIDR":       {n.PodCIDR, "10.81.12.0/24"},
		"private":        {n.Private, "10.90.0.12"},
		"private iface":  {n.PrivateInterface, "10.90.0.12/16"},
		"allowed IPs":    {n.AllowedIPs, "[10.80.0.12/32 10.81.12.0/24]"},
		"datacenter":     {n.Datacenter, "gra"},
		"host name":      {n.Hostname, "gra-worker-2"},
		"full name":      {n.FQDN, "gra-worker-2.nodes.havre.example"},
		"labels": {n.Labels, "map[node-role.kubernetes.io/edge: node-role.kubernetes.io/worker: node.kubernetes.io/instance-type:24adv03-v1 " +
			"topology.kubernetes.io/region:europe topology.kubernetes.io/zone:gra]"},
		"taints":        {n.Taints, "[]"},
		"control plane": {planNames(p.ControlPlane), "rbx-control-1 gra-control-1 sbg-control-1"},
		"workers":       {planNames(p.Workers), "gra-worker-1 gra-worker-2 gra-worker-3 rbx-worker-1 rbx-worker-2 rbx-worker-3"},
		"edge":          {planNames(p.Edge), "gra-worker-1 gra-worker-2 rbx-worker-1 rbx-worker-2"},
		"data":          {planNames(p.Data), "gra-data-1 rbx-data-1 rbx-data-2"},
		"API servers":   {p.APIServers, "[10.80.0.1:6443 10.80.0.2:6443 10.80.0.3:6443]"},
		"API endpoint":  {p.APIEndpoint, "127.0.0.1:7443"},
		"API service":   {p.APIService, "10.82.0.1"},
		"cluster DNS":   {p.ClusterDNS, "10.82.0.10"},
		"data services": {p.DataServices, "[{{pulsar 6650} [10.80.0.41]} {{pinot 8099} [10.80.0.51]} {{metrics 8428} [10.80.0.52]}]"},
		"records": {p.Records, "[{{pictures.havre.example edge true true 0s} pictures [gra-worker-1 gra-worker-2 rbx-worker-1 rbx-worker-2]} " +
			"{{customers.havre.example edge true false 30s} customers [gra-worker-1 gra-worker-2 rbx-worker-1 rbx-worker-2]}]"},
		"a month": {p.Monthly, "1521.38 EUR"},
		"once":    {p.Setup, "1175.91 EUR"},
	} {
		if got := fmt.Sprint(pair[0]); got != pair[1] {
			t.Errorf("%s is %s, wanted %s", what, got, pair[1])
		}
	}
}

func TestControlPlaneAndDataNodes(t *testing.T) {
	p := planned(t, "local")
	control, err := p.Node("sbg-control-1")
	if err != nil {
		t.Fatal(err)
	}
	if control.Datacenter != "SBG" || control.Private.IsValid() || control.PrivateInterface.IsValid() {
		t.Errorf("VPS %s: datacenter %s, private address %s", control.Name, control.Datacenter, control.Private)
	}
	if got, want := fmt.Sprint(control.Taints), "[{node-role.kubernetes.io/control-plane  NoSchedule}]"; got != want {
		t.Errorf("taints %s, wanted %s", got, want)
	}
	host, err := p.Node("gra-data-1")
	if err != nil {
		t.Fatal(err)
	}
	if host.PodCIDR.IsValid() || host.Labels != nil || fmt.Sprint(host.AllowedIPs) != "[10.80.0.41/32]" {
		t.Errorf("data host: pod CIDR %s, labels %v, allowed IPs %s", host.PodCIDR, host.Labels, host.AllowedIPs)
	}
	_, err = p.Node("gra-worker-9")
	want := "stack local: no node gra-worker-9; wanted one of rbx-control-1, gra-control-1, sbg-control-1, gra-worker-1, rbx-worker-1, gra-data-1"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, wanted %s", err, want)
	}
}

func TestEndpoints(t *testing.T) {
	p := planned(t, "prod")
	at := func(name string) PlannedNode {
		n, err := p.Node(name)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	both := p.Endpoint(at("gra-worker-1"), at("rbx-data-1"))
	if want := (Endpoint{Private: true, Address: netip.MustParseAddr("10.90.0.51"), Port: 51820}); both != want {
		t.Errorf("two dedicated servers: %v, wanted %v", both, want)
	}
	for _, pair := range [][2]string{{"gra-worker-1", "rbx-control-1"}, {"rbx-control-1", "gra-worker-1"}, {"rbx-control-1", "gra-control-1"}} {
		if got := p.Endpoint(at(pair[0]), at(pair[1])); got != (Endpoint{Port: 51820}) {
			t.Errorf("%s to %s: %v, wanted the public address", pair[0], pair[1], got)
		}
	}
}

// TestRetiredNodes: a retired node keeps its server, its index, its price and its place in the mesh, over which it is drained, and nothing else.
func TestRetiredNodes(t *testing.T) {
	s := described(t, "prod")
	s.Nodes = append(s.Nodes, worker("gra-worker-4", 14, "gra", RoleEdge))
	node(&s, "gra-worker-1").Retired = true
	p, err := s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	for what, list := range map[string][]PlannedNode{"members": p.Members, "workers": p.Workers, "edge": p.Edge} {
		if strings.Contains(planNames(list), "gra-worker-1") {
			t.Errorf("the retired node is among the %s", what)
		}
	}
	if !strings.Contains(planNames(p.Nodes), "gra-worker-1") || p.Monthly != EUR(1671, 37) {
		t.Errorf("nodes %s cost %s, wanted the retired one among them and 1671.37 EUR", planNames(p.Nodes), p.Monthly)
	}
	if got, want := fmt.Sprint(p.Records[0].Nodes), "[gra-worker-2 gra-worker-4 rbx-worker-1 rbx-worker-2]"; got != want {
		t.Errorf("the record has %s, wanted %s", got, want)
	}
	if peers := p.Peers("gra-worker-2"); len(peers) != len(p.Nodes)-1 || strings.Contains(planNames(peers), "gra-worker-2") || !strings.Contains(planNames(peers), "gra-worker-1") {
		t.Errorf("peers of gra-worker-2: %s", planNames(peers))
	}
}

// TestReplacingAControlPlaneNode: the successor comes and the old one retires in one change, and the quorum stands.
func TestReplacingAControlPlaneNode(t *testing.T) {
	s := described(t, "prod")
	s.Nodes = append(s.Nodes, controlPlane("rbx-control-2", 4, "rbx"))
	node(&s, "rbx-control-1").Retired = true
	p, err := s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(p.APIServers), "[10.80.0.2:6443 10.80.0.3:6443 10.80.0.4:6443]"; got != want {
		t.Errorf("API servers %s, wanted %s", got, want)
	}
}

// TestFullHouse: 250 nodes fit.
func TestFullHouse(t *testing.T) {
	s := described(t, "prod")
	s.Budget = Budget{Monthly: EUR(100_000, 0), Setup: EUR(100_000, 0)}
	s.Nodes = s.Nodes[:3]
	s.Data = nil
	for i := 4; i <= MaxIndex; i++ {
		site := []string{"gra", "rbx"}[i%2]
		s.Nodes = append(s.Nodes, worker(fmt.Sprintf("%s-worker-%d", site, i), i, site, RoleEdge))
	}
	p, err := s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	last := p.Nodes[len(p.Nodes)-1]
	if last.Mesh.String() != "10.80.0.250" || last.PodCIDR.String() != "10.81.250.0/24" {
		t.Errorf("the last node has %s and %s", last.Mesh, last.PodCIDR)
	}
}

// random makes a valid stack of its own: other indexes, other networks, more nodes in another order.
func random(r *rand.Rand, base Stack) Stack {
	s := Copy(base)
	s.Budget = Budget{Monthly: EUR(100_000, 0), Setup: EUR(100_000, 0)}
	octets := r.Perm(200)
	for i, cidr := range []*netip.Prefix{&s.Mesh.CIDR, &s.Pods.CIDR, &s.Services.CIDR, &s.PrivateNetwork.CIDR} {
		*cidr = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(octets[i] + 1), 0, 0}), 16)
	}
	for i := range r.Intn(40) {
		site := []string{"gra", "rbx"}[r.Intn(2)]
		n := worker(fmt.Sprintf("%s-worker-%d", site, 100+i), 0, site)
		n.Vrack = r.Intn(2) == 0
		n.Retired = r.Intn(5) == 0
		s.Nodes = append(s.Nodes, n)
	}
	for i, index := range r.Perm(MaxIndex)[:len(s.Nodes)] {
		s.Nodes[i].Index = index + 1
	}
	r.Shuffle(len(s.Nodes), func(i, j int) { s.Nodes[i], s.Nodes[j] = s.Nodes[j], s.Nodes[i] })
	return s
}

// TestPlanProperties holds for any valid stack: the plan is a function of the nodes and not of their order, no two nodes share an address or a
// range, and every address is the one that its index gives.
func TestPlanProperties(t *testing.T) {
	base := described(t, "prod")
	for seed := range int64(300) {
		r := rand.New(rand.NewSource(seed))
		s := random(r, base)
		p, err := s.Plan()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		again, err := Copy(s).Plan()
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Fatalf("seed %d: two plans of one stack differ, %v", seed, err)
		}
		shuffled := Copy(s)
		r.Shuffle(len(shuffled.Nodes), func(i, j int) { shuffled.Nodes[i], shuffled.Nodes[j] = shuffled.Nodes[j], shuffled.Nodes[i] })
		other, err := shuffled.Plan()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		other.Stack = p.Stack // it keeps the order of the description
		if !reflect.DeepEqual(p, other) {
			t.Fatalf("seed %d: the plan depends on the order of the nodes", seed)
		}
		addresses, ranges := map[netip.Addr]string{}, []netip.Prefix{s.Services.CIDR}
		for _, n := range p.Nodes {
			checkNode(t, seed, s, n)
			for _, addr := range []netip.Addr{n.Mesh, n.Private} {
				if !addr.IsValid() {
					continue
				}
				if taken, found := addresses[addr]; found {
					t.Fatalf("seed %d: %s and %s share %s", seed, taken, n.Name, addr)
				}
				addresses[addr] = n.Name
			}
			for _, taken := range ranges {
				if n.PodCIDR.IsValid() && taken.Overlaps(n.PodCIDR) {
					t.Fatalf("seed %d: %s of %s overlaps %s", seed, n.PodCIDR, n.Name, taken)
				}
			}
			if n.PodCIDR.IsValid() {
				ranges = append(ranges, n.PodCIDR)
			}
		}
		for _, a := range p.Members {
			for _, b := range p.Members {
				to, from := p.Endpoint(a, b), p.Endpoint(b, a)
				if to.Private != from.Private || to.Private != (a.Vrack && b.Vrack) || to.Private && to.Address != b.Private {
					t.Fatalf("seed %d: %s to %s is %v, and back %v", seed, a.Name, b.Name, to, from)
				}
			}
		}
	}
}

// checkNode compares a node's addresses with its index, by arithmetic of its own.
func checkNode(t *testing.T, seed int64, s Stack, n PlannedNode) {
	t.Helper()
	second := func(p netip.Prefix) byte { return p.Addr().As4()[1] }
	if want := fmt.Sprintf("10.%d.0.%d", second(s.Mesh.CIDR), n.Index); n.Mesh.String() != want {
		t.Fatalf("seed %d: node %s with index %d has %s, wanted %s", seed, n.Name, n.Index, n.Mesh, want)
	}
	if want := fmt.Sprintf("10.%d.%d.0/24", second(s.Pods.CIDR), n.Index); n.InCluster() && n.PodCIDR.String() != want {
		t.Fatalf("seed %d: node %s with index %d has %s, wanted %s", seed, n.Name, n.Index, n.PodCIDR, want)
	}
	if want := fmt.Sprintf("10.%d.0.%d", second(s.PrivateNetwork.CIDR), n.Index); n.Vrack && n.Private.String() != want {
		t.Fatalf("seed %d: node %s with index %d has %s, wanted %s", seed, n.Name, n.Index, n.Private, want)
	}
	if n.InCluster() != n.PodCIDR.IsValid() || n.Vrack != n.Private.IsValid() {
		t.Fatalf("seed %d: node %s has pod CIDR %s and private address %s", seed, n.Name, n.PodCIDR, n.Private)
	}
}

// TestRecordsHaveTheSameLabelsEverywhere: resources are named after them, and their names must not differ between stacks.
func TestRecordsHaveTheSameLabelsEverywhere(t *testing.T) {
	// A sandbox has no customers' domains, as it has no public authority.
	for name, want := range map[string]string{"prod": "pictures customers", "staging": "pictures customers", "local": "pictures"} {
		var labels []string
		for _, r := range planned(t, name).Records {
			labels = append(labels, r.Label)
		}
		if got := strings.Join(labels, " "); got != want {
			t.Errorf("stack %s has records %s, wanted %s", name, got, want)
		}
	}
	s := described(t, "prod")
	s.DNS.Records = append(s.DNS.Records, Record{Name: s.DNS.Zone, Role: RoleEdge, Proxied: true})
	p, err := s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if p.Records[2].Label != "@" {
		t.Errorf("the zone itself has label %s, wanted @", p.Records[2].Label)
	}
}
