package stacks

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Plan is everything that follows from a Stack without a look at the world. It is plain data, so the first preview shows all of it.
//
// Lists of nodes are in the order of their indexes, whatever their order in the description. Treat a Plan as read-only: its lists share memory.
type Plan struct {
	// Stack is a copy of the description.
	Stack Stack
	// Nodes are all nodes, retired ones included: each has a server.
	Nodes []PlannedNode
	// Members are the nodes that are not retired: what services may count on. The mesh has all Nodes, because a retired one is drained over it.
	Members []PlannedNode
	// ControlPlane, Workers, Edge and Data are the members with that role. Edge nodes are workers, too.
	ControlPlane []PlannedNode
	Workers      []PlannedNode
	Edge         []PlannedNode
	Data         []PlannedNode

	// Operators are the peers that are no hosts, in the order of their indexes.
	Operators []PlannedOperator

	// APIServers are the backends of the local proxy: the mesh addresses of ControlPlane with the API server's port.
	APIServers []netip.AddrPort
	// APIEndpoint is the local proxy's address, the same on every node: kubeadm's controlPlaneEndpoint.
	APIEndpoint netip.AddrPort
	// APIService is the first address of the service range, at which pods find the API server.
	APIService netip.Addr
	// ClusterDNS is the tenth address of the service range, as kubeadm has it.
	ClusterDNS netip.Addr
	// DataServices are the services outside Kubernetes with the mesh addresses of the nodes that carry them.
	DataServices []PlannedDataService
	// Records are the zone's records with the names of the nodes whose public addresses they get.
	Records []PlannedRecord

	// Monthly and Setup are the sums over Nodes, without tax.
	Monthly Money
	Setup   Money
	// SiteLosses says for each site with a worker what its loss leaves.
	SiteLosses []SiteLoss
}

// PlannedNode is a node with everything that follows from its index and its place.
type PlannedNode struct {
	Node
	// Location is the node's site.
	Location Site
	// Datacenter is the order code that fits the node's kind: "gra" for a dedicated server, "GRA" for a VPS, "GRA11" for an instance.
	Datacenter string
	// Hostname is the node's name; FQDN is the name of its public address, both ways.
	Hostname string
	FQDN     string
	// Firewall are the rules of OVH's filter before the public address, at most MaxFirewallRules; none where there is no filter.
	Firewall []FirewallRule
	// Openings are the ports of the host's own firewall.
	Openings []Opening
	// Mesh is the node's address in the mesh, its node IP for Kubernetes.
	Mesh netip.Addr
	// MeshInterface is the same address with the length of the whole mesh: what the interface itself is given.
	MeshInterface netip.Prefix
	// PodCIDR is the node's /24; invalid (zero) for a node outside the cluster.
	PodCIDR netip.Prefix
	// Private is the address in the private network; invalid (zero) without Vrack.
	Private netip.Addr
	// PrivateInterface is the same address with the length of the whole private network.
	PrivateInterface netip.Prefix
	// AllowedIPs are what the other peers send to this one: its mesh /32 and, in the cluster, its pod CIDR.
	AllowedIPs []netip.Prefix
	// Labels and Taints are those that the program sets on the Kubernetes node; empty outside the cluster. kubeadm sets the label and the
	// taint of control-plane nodes by itself; they are here too, so that a lost one comes back.
	Labels map[string]string
	Taints []Taint
}

// PlannedOperator is an operator's machine with its address.
type PlannedOperator struct {
	Operator
	// Mesh is the address in the mesh.
	Mesh netip.Addr
}

// Taint keeps pods without a toleration off a node.
type Taint struct{ Key, Value, Effect string }

// The labels of nodes. Node agents and the edge select by them.
const (
	LabelRegion       = "topology.kubernetes.io/region"
	LabelZone         = "topology.kubernetes.io/zone"
	LabelInstanceType = "node.kubernetes.io/instance-type"
	LabelControlPlane = "node-role.kubernetes.io/control-plane"
	LabelWorker       = "node-role.kubernetes.io/worker"
	LabelEdge         = "node-role.kubernetes.io/edge"
)

// PlannedDataService is a data service with its addresses.
type PlannedDataService struct {
	DataService
	// Addresses are mesh addresses, in the order of the nodes' indexes.
	Addresses []netip.Addr
}

// PlannedRecord is a record with the nodes whose public addresses it holds.
type PlannedRecord struct {
	Record
	// Label is the name without the zone, "@" for the zone itself. It is the same in all stacks, so logical names are made of it.
	Label string
	// Nodes are names, in the order of the nodes' indexes. Nodes in the rescue system are not among them: no reader is led to a host that does not answer.
	Nodes []string
}

// SiteLoss is what remains for the render service when a site is lost.
type SiteLoss struct {
	Site string
	// Usable is the processor time of the workers elsewhere that rendering may take.
	Usable CPU
	// Needed is what the declared peak takes.
	Needed CPU
	// UsableMemory and NeededMemory compare the same for MaxReplicas with their requests.
	UsableMemory MiB
	NeededMemory MiB
}

// Endpoint says how one node reaches another below the mesh.
type Endpoint struct {
	// Private is true when both nodes are in the private network. Address is then the private address; else it is invalid, and the
	// node's public address, which only its server knows, takes its place.
	Private bool
	Address netip.Addr
	// Port is the peer's UDP port.
	Port int
}

// Plan validates the description and derives everything that follows from it. The error joins every violated rule.
func (s Stack) Plan() (Plan, error) {
	if err := s.Validate(); err != nil {
		return Plan{}, err
	}
	p := Plan{Stack: Copy(s), APIEndpoint: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(s.Cluster.ProxyPort))}
	p.APIService, _ = offset(s.Services.CIDR, 1)
	p.ClusterDNS, _ = offset(s.Services.CIDR, dnsOffset)
	for _, o := range slices.SortedFunc(slices.Values(p.Stack.Mesh.Operators), func(a, b Operator) int { return a.Index - b.Index }) {
		address, _ := offset(s.Mesh.CIDR, operatorOffset+o.Index)
		p.Operators = append(p.Operators, PlannedOperator{Operator: o, Mesh: address})
	}
	for _, n := range sortedNodes(p.Stack.Nodes) {
		node := p.Stack.planned(n)
		p.Nodes = append(p.Nodes, node)
		if n.Retired {
			continue
		}
		p.Members = append(p.Members, node)
		for role, list := range map[Role]*[]PlannedNode{RoleControlPlane: &p.ControlPlane, RoleWorker: &p.Workers, RoleEdge: &p.Edge, RoleData: &p.Data} {
			if n.Has(role) {
				*list = append(*list, node)
			}
		}
		if n.Has(RoleControlPlane) {
			p.APIServers = append(p.APIServers, netip.AddrPortFrom(node.Mesh, uint16(s.Cluster.APIPort)))
		}
	}
	for _, service := range p.Stack.Data {
		planned := PlannedDataService{DataService: service}
		for _, node := range p.Data {
			if node.Purpose == service.Name {
				planned.Addresses = append(planned.Addresses, node.Mesh)
			}
		}
		p.DataServices = append(p.DataServices, planned)
	}
	for _, record := range p.Stack.DNS.Records {
		planned := PlannedRecord{Record: record, Label: "@"}
		if record.Name != s.DNS.Zone {
			planned.Label = strings.TrimSuffix(record.Name, "."+s.DNS.Zone)
		}
		for _, node := range p.Members {
			if node.Has(record.Role) && !node.Rescue {
				planned.Nodes = append(planned.Nodes, node.Name)
			}
		}
		p.Records = append(p.Records, planned)
	}
	var err error
	if p.Monthly, p.Setup, err = s.totals(); err != nil {
		return Plan{}, err
	}
	p.SiteLosses = s.siteLosses()
	return p, nil
}

// Node finds a node by its name, retired ones too.
func (p Plan) Node(name string) (PlannedNode, error) {
	for _, node := range p.Nodes {
		if node.Name == name {
			return node, nil
		}
	}
	return PlannedNode{}, fmt.Errorf("stack %s: no node %s; wanted one of %s", p.Stack.Name, name, strings.Join(names(p.Stack.Nodes), ", "))
}

// Peers are the members of the mesh, retired nodes too, but the named one.
func (p Plan) Peers(name string) []PlannedNode {
	return slices.DeleteFunc(slices.Clone(p.Nodes), func(n PlannedNode) bool { return n.Name == name })
}

// Endpoint says where one node sends what is for the other: over the private network where both have an address in it, else over the public
// one. It is symmetric in that choice, so a pair never talks over two paths.
func (p Plan) Endpoint(from, to PlannedNode) Endpoint {
	if from.Private.IsValid() && to.Private.IsValid() {
		return Endpoint{Private: true, Address: to.Private, Port: p.Stack.Mesh.Port}
	}
	return Endpoint{Port: p.Stack.Mesh.Port}
}

// planned derives one node. The description is valid.
func (s Stack) planned(n Node) PlannedNode {
	node := PlannedNode{Node: n, Hostname: n.Name, FQDN: s.publicName(n), Firewall: s.firewall(n), Openings: s.openings(n)}
	node.Location, _ = s.site(n.Site)
	node.Datacenter = node.Location.Datacenter
	switch n.Kind {
	case VPS:
		node.Datacenter = node.Location.VPSDatacenter
	case Instance:
		node.Datacenter = node.Location.CloudRegion
	}
	node.Mesh, _ = offset(s.Mesh.CIDR, n.Index)
	node.MeshInterface = netip.PrefixFrom(node.Mesh, s.Mesh.CIDR.Bits())
	node.AllowedIPs = []netip.Prefix{netip.PrefixFrom(node.Mesh, 32)}
	if n.Vrack {
		node.Private, _ = offset(s.PrivateNetwork.CIDR, n.Index)
		node.PrivateInterface = netip.PrefixFrom(node.Private, s.PrivateNetwork.CIDR.Bits())
	}
	if !n.InCluster() {
		return node
	}
	node.PodCIDR, _ = podCIDR(s.Pods.CIDR, n.Index)
	node.AllowedIPs = append(node.AllowedIPs, node.PodCIDR)
	node.Labels = map[string]string{LabelRegion: node.Location.Region, LabelZone: n.Site, LabelInstanceType: n.Offer.PlanCode}
	for role, label := range map[Role]string{RoleControlPlane: LabelControlPlane, RoleWorker: LabelWorker, RoleEdge: LabelEdge} {
		if n.Has(role) {
			node.Labels[label] = ""
		}
	}
	if n.Has(RoleControlPlane) {
		node.Taints = []Taint{{Key: LabelControlPlane, Effect: "NoSchedule"}}
	}
	return node
}

// totals sums what all nodes cost.
func (s Stack) totals() (monthly, setup Money, err error) {
	monthly, setup = Money{Currency: s.Budget.Monthly.Currency}, Money{Currency: s.Budget.Monthly.Currency}
	for _, n := range s.Nodes {
		if monthly, err = monthly.Add(n.Offer.Monthly); err != nil {
			return Money{}, Money{}, fmt.Errorf("node %s: %w", n.Name, err)
		}
		if setup, err = setup.Add(n.Offer.Setup); err != nil {
			return Money{}, Money{}, fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	if s.Database.Engine != "" {
		if monthly, err = monthly.Add(s.Database.Monthly); err != nil {
			return Money{}, Money{}, fmt.Errorf("database: %w", err)
		}
	}
	return monthly, setup, nil
}

// usablePercent of a worker's cores and memory is what rendering may take; the rest is for the system, the edge and the node agents.
const usablePercent = 80

// siteLosses computes what the loss of each site with a worker leaves.
func (s Stack) siteLosses() []SiteLoss {
	needed := CPU(int64(s.Render.PeakPerSecond) * s.Render.CPUPerRequest.Microseconds() / 1000)
	var losses []SiteLoss
	for _, site := range s.Sites {
		loss := SiteLoss{Site: site.Name, Needed: needed, NeededMemory: MiB(s.Render.MaxReplicas) * s.Render.MemoryRequest}
		cores, memory, here := 0, 0, false
		for _, n := range s.Nodes {
			switch {
			case n.Retired || !n.Has(RoleWorker):
			case n.Site == site.Name:
				here = true
			default:
				cores += n.Offer.Cores
				memory += n.Offer.MemoryGiB
			}
		}
		if !here {
			continue
		}
		if s.Runtime.SharedCores > 0 {
			cores = min(cores, s.Runtime.SharedCores)
		}
		loss.Usable = CPU(cores * 1000 * usablePercent / 100)
		loss.UsableMemory = MiB(memory * 1024 * usablePercent / 100)
		losses = append(losses, loss)
	}
	return losses
}

// dnsOffset is the place of cluster DNS in the service range, as in kubeadm (cmd/kubeadm/app/constants, GetDNSIP).
const dnsOffset = 10

// podPrefix is the length of a node's pod CIDR.
const podPrefix = 24

// offset returns the i-th address of an IPv4 prefix, and whether it is a host address inside it.
func offset(prefix netip.Prefix, i int) (netip.Addr, bool) {
	if !prefix.IsValid() || !prefix.Addr().Is4() {
		return netip.Addr{}, false
	}
	addr := addTo(prefix.Masked().Addr(), uint32(i))
	// The last address of a prefix is its broadcast address.
	return addr, i > 0 && prefix.Contains(addr) && prefix.Contains(addr.Next())
}

// podCIDR returns the i-th /24 of an IPv4 prefix, and whether it lies inside.
func podCIDR(prefix netip.Prefix, i int) (netip.Prefix, bool) {
	if !prefix.IsValid() || !prefix.Addr().Is4() {
		return netip.Prefix{}, false
	}
	pods := netip.PrefixFrom(addTo(prefix.Masked().Addr(), uint32(i)<<(32-podPrefix)), podPrefix)
	return pods, prefix.Bits() <= podPrefix && prefix.Contains(pods.Addr())
}

func addTo(addr netip.Addr, n uint32) netip.Addr {
	b := addr.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	v += n
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// sortedNodes returns the nodes in the order of their indexes.
func sortedNodes(nodes []Node) []Node {
	sorted := slices.Clone(nodes)
	slices.SortStableFunc(sorted, func(a, b Node) int { return a.Index - b.Index })
	return sorted
}

func names(nodes []Node) []string {
	result := make([]string, len(nodes))
	for i, n := range nodes {
		result[i] = n.Name
	}
	return result
}

// site finds a site by its name.
func (s Stack) site(name string) (Site, bool) {
	for _, site := range s.Sites {
		if site.Name == name {
			return site, true
		}
	}
	return Site{}, false
}
