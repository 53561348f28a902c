package stacks

import (
	"slices"
	"strings"
)

// currency is the one that all prices are in.
const currency = "EUR"

// nodes checks each node by itself and that no two share a name or an index.
func (v *validation) nodes() {
	named, indexed, services := map[string]bool{}, map[int]string{}, map[string]string{}
	for _, n := range v.stack.Nodes {
		if !isLabel(n.Name) || len(n.Name) > 50 {
			v.wrong("node %q: the name is not a DNS label of at most 50 characters that starts with a letter; rename it", n.Name)
		}
		if named[n.Name] {
			v.wrong("node %s: described twice; give one another name", n.Name)
		}
		named[n.Name] = true
		if n.Index < MinIndex || n.Index > MaxIndex {
			v.wrong("node %s: index %d is not from %d to %d; give it a free one", n.Name, n.Index, MinIndex, MaxIndex)
		} else if other, found := indexed[n.Index]; found {
			v.wrong("node %s: index %d is taken by node %s; give it a free one", n.Name, n.Index, other)
		} else {
			indexed[n.Index] = n.Name
		}
		v.place(n)
		v.roles(n)
		v.addresses(n)
		v.offer(n)
		if n.Generation < 1 {
			v.wrong("node %s: generation %d is below 1; start with 1 and raise it to install the system anew", n.Name, n.Generation)
		}
		if n.Adopt != "" {
			v.adopted(n, services)
		}
		v.keys("node "+n.Name, n.MeshKeys, "its MeshKeys")
		v.partitions(n)
	}
}

// adopted checks the name of a machine that is there already. A wrong one could make a node of somebody else's server.
func (v *validation) adopted(n Node, services map[string]string) {
	switch virtual := strings.HasPrefix(n.Adopt, "vps-"); {
	case !isDomain(n.Adopt):
		v.wrong("node %s: adopted service %q is not a service name like ns3123456.ip-5-196-1.eu or vps-1a2b3c4d.vps.ovh.net; mend it", n.Name, n.Adopt)
	case virtual != (n.Kind == VPS):
		v.wrong("node %s: adopted service %s is not of kind %s; mend the name or the kind", n.Name, n.Adopt, n.Kind)
	case services[n.Adopt] != "":
		v.wrong("node %s: adopted service %s is node %s already; remove one", n.Name, n.Adopt, services[n.Adopt])
	default:
		services[n.Adopt] = n.Name
	}
}

func (v *validation) place(n Node) {
	if _, found := v.stack.site(n.Site); !found {
		v.wrong("node %s: site %q is not described; name one of Sites or add it", n.Name, n.Site)
	} else if isLabel(n.Name) && !strings.HasPrefix(n.Name, n.Site+"-") {
		v.wrong("node %s: the name does not start with its site, %s-; rename it before it is ordered", n.Name, n.Site)
	}
	if n.Vrack && n.Kind == Instance {
		v.wrong("node %s: an instance is not in the private network here; set Vrack to false", n.Name)
	}
	if n.Vrack && n.Kind == VPS {
		v.wrong("node %s: a VPS cannot join the private network (OVH has no route for it); set Vrack to false or make it a dedicated server", n.Name)
	}
}

func (v *validation) roles(n Node) {
	if len(n.Roles) == 0 {
		v.wrong("node %s: no role; give it one of control-plane, worker, data", n.Name)
	}
	for i, role := range n.Roles {
		if !slices.Contains([]Role{RoleControlPlane, RoleWorker, RoleEdge, RoleData}, role) {
			v.wrong("node %s: role %q is unknown; wanted control-plane, worker, edge or data: mend it", n.Name, role)
		}
		if slices.Contains(n.Roles[:i], role) {
			v.wrong("node %s: role %s is given twice; remove one", n.Name, role)
		}
	}
	for _, alone := range []Role{RoleControlPlane, RoleData} {
		if n.Has(alone) && slices.ContainsFunc(n.Roles, func(r Role) bool { return r != alone }) {
			v.wrong("node %s: role %s stands beside another; keep it alone, so that a burst of work cannot starve it,", n.Name, alone)
		}
	}
	if n.Has(RoleEdge) && !n.Has(RoleWorker) {
		v.wrong("node %s: role edge without worker, but the edge runs in the cluster; add role worker", n.Name)
	}
	if n.Has(RoleWorker) && n.Kind == VPS {
		v.wrong("node %s: a worker on a VPS, whose cores are shared; make it a dedicated server", n.Name)
	}
	known := slices.ContainsFunc(v.stack.Data, func(d DataService) bool { return d.Name == n.Purpose })
	switch {
	case n.Has(RoleData) && !known:
		v.wrong("node %s: purpose %q is not one of Data; name what runs there", n.Name, n.Purpose)
	case !n.Has(RoleData) && n.Purpose != "":
		v.wrong("node %s: purpose %q without role data; remove it", n.Name, n.Purpose)
	}
}

// addresses checks what follows from the index, as far as index and networks are sound themselves.
func (v *validation) addresses(n Node) {
	if n.Index < MinIndex || n.Index > MaxIndex {
		return
	}
	if cidr := v.stack.Mesh.CIDR; usable(cidr) {
		if addr, inside := offset(cidr, n.Index); !inside {
			v.wrong("node %s: mesh address %s is outside %s; change its index or widen Mesh.CIDR", n.Name, addr, cidr)
		}
	}
	if cidr := v.stack.Pods.CIDR; usable(cidr) && n.InCluster() {
		if pods, inside := podCIDR(cidr, n.Index); !inside {
			v.wrong("node %s: pod CIDR %s is outside %s; change its index or widen Pods.CIDR", n.Name, pods, cidr)
		}
	}
	if cidr := v.stack.PrivateNetwork.CIDR; usable(cidr) && n.Vrack {
		if addr, inside := offset(cidr, n.Index); !inside {
			v.wrong("node %s: private address %s is outside %s; change its index or widen PrivateNetwork.CIDR", n.Name, addr, cidr)
		}
	}
}

// families are the option families that OVH's checkout demands one of for a dedicated server, by the start of their plan codes.
var families = []struct {
	name     string
	prefixes []string
}{
	{"memory", []string{"ram-"}},
	{"storage", []string{"softraid-", "hybridsoftraid-", "hardraid-", "noraid-"}},
	{"bandwidth", []string{"bandwidth-"}},
	{"vrack", []string{"vrack-bandwidth-"}},
}

func (v *validation) offer(n Node) {
	o := n.Offer
	prices := map[Kind][]string{Dedicated: {"default", "upfront12", "upfront24"}, VPS: {"default", "upfront6", "upfront12"}}
	switch n.Kind {
	case Dedicated:
		if o.Catalogue != CatalogueEco && o.Catalogue != CatalogueBareMetal {
			v.wrong("node %s: catalogue %q does not sell dedicated servers; wanted eco or baremetalServers, whichever holds the plan: mend it", n.Name, o.Catalogue)
		}
		if strings.HasPrefix(o.PlanCode, "vps-") {
			v.wrong("node %s: plan %s is a VPS, and the node is a dedicated server; change the plan or the kind", n.Name, o.PlanCode)
		}
		if o.OS != "debian12_64" {
			v.wrong("node %s: operating system %q is not debian12_64, for which the host scripts are written; mend it", n.Name, o.OS)
		}
		v.families(n)
	case VPS:
		if o.Catalogue != CatalogueVPS {
			v.wrong("node %s: catalogue %q does not sell VPS; wanted vps: mend it", n.Name, o.Catalogue)
		}
		if planCodeSyntax.MatchString(o.PlanCode) && !strings.HasPrefix(o.PlanCode, "vps-") {
			v.wrong("node %s: plan %s is not a VPS, and the node is one; change the plan or the kind", n.Name, o.PlanCode)
		}
		if o.OS != "Debian 12" {
			v.wrong("node %s: operating system %q is not Debian 12, for which the host scripts are written; mend it", n.Name, o.OS)
		}
	case Instance:
		v.instance(n)
	default:
		v.wrong("node %s: kind %q is none of dedicated, vps and instance; mend it", n.Name, n.Kind)
	}
	if n.Kind != Instance && o.Hourly != (Money{}) {
		v.wrong("node %s: %s an hour for a kind that is billed by the month; clear Offer.Hourly", n.Name, o.Hourly)
	}
	if !planCodeSyntax.MatchString(o.PlanCode) {
		v.wrong("node %s: plan code %q is not lower-case letters, digits and hyphens; take it from the catalogue and mend it", n.Name, o.PlanCode)
	}
	for i, option := range o.Options {
		if !planCodeSyntax.MatchString(option) {
			v.wrong("node %s: option %q is not lower-case letters, digits and hyphens; take it from the catalogue and mend it", n.Name, option)
		}
		if slices.Contains(o.Options[:i], option) {
			v.wrong("node %s: option %s is ordered twice; remove one", n.Name, option)
		}
	}
	if n.Kind != Instance && !durationSyntax.MatchString(o.Duration) {
		v.wrong("node %s: duration %q is not months or years as ISO 8601 writes them (P1M); mend it", n.Name, o.Duration)
	}
	if modes, found := prices[n.Kind]; found && !slices.Contains(modes, o.PricingMode) {
		v.wrong("node %s: pricing mode %q is not one of %s; mend it", n.Name, o.PricingMode, strings.Join(modes, ", "))
	}
	if o.PricingMode == "default" && durationSyntax.MatchString(o.Duration) && o.Duration != "P1M" {
		v.wrong("node %s: duration %s with pricing mode default, which is by the month; use P1M", n.Name, o.Duration)
	}
	v.price(n)
	if o.Cores < 1 {
		v.wrong("node %s: %d cores; wanted at least 1: take the number from the catalogue and mend it", n.Name, o.Cores)
	}
	if o.MemoryGiB < 1 {
		v.wrong("node %s: %d GiB of memory; wanted at least 1: take the number from the catalogue and mend it", n.Name, o.MemoryGiB)
	}
	// kubeadm's preflight checks want 2 CPUs and 1700 MB of a control-plane node.
	if n.Has(RoleControlPlane) && o.Cores >= 1 && o.MemoryGiB >= 1 && (o.Cores < 2 || o.MemoryGiB < 2) {
		v.wrong("node %s: %d cores and %d GiB for a control-plane node; wanted at least 2 of each, as kubeadm does: choose a larger plan", n.Name, o.Cores, o.MemoryGiB)
	}
}

// families demands one option of each mandatory family; without it the checkout fails after the cart has been filled.
func (v *validation) families(n Node) {
	for _, family := range families {
		count := 0
		for i, option := range n.Offer.Options {
			// An option that is there twice has been refused already.
			if slices.ContainsFunc(family.prefixes, func(p string) bool { return strings.HasPrefix(option, p) }) && !slices.Contains(n.Offer.Options[:i], option) {
				count++
			}
		}
		if count != 1 {
			v.wrong("node %s: %d options of the family %s (%s…); wanted exactly one, which OVH demands at checkout: mend its options", n.Name, count, family.name, strings.Join(family.prefixes, "…, "))
		}
	}
}

// maxPrice is far above any server here. It catches a slip of units, and keeps sums far from overflow.
var maxPrice = EUR(10_000, 0)

func (v *validation) price(n Node) {
	o := n.Offer
	switch {
	case o.Monthly.Currency != currency:
		v.wrong("node %s: monthly price %s is not in %s; mend it", n.Name, o.Monthly, currency)
	case o.Monthly.Units <= 0:
		v.wrong("node %s: monthly price %s is not above zero, and would hide the node from the budget; take it from the catalogue and mend it", n.Name, o.Monthly)
	case o.Monthly.MoreThan(maxPrice):
		v.wrong("node %s: monthly price %s is above %s; is it in the right unit? mend it", n.Name, o.Monthly, maxPrice)
	}
	switch {
	case o.Setup.Currency != currency:
		v.wrong("node %s: setup price %s is not in %s; mend it", n.Name, o.Setup, currency)
	case o.Setup.Negative():
		v.wrong("node %s: setup price %s is negative; mend it", n.Name, o.Setup)
	case o.Setup.MoreThan(maxPrice):
		v.wrong("node %s: setup price %s is above %s; is it in the right unit? mend it", n.Name, o.Setup, maxPrice)
	}
}
