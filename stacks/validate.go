package stacks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Validate checks the whole description and returns every violated rule, joined, or nil. Each line names the thing, the value, what was wanted
// and the file in which to mend it.
func (s Stack) Validate() error {
	v := &validation{stack: s, file: file(s.Name)}
	v.identity()
	v.sites()
	v.nodes()
	v.controlPlane()
	v.workers()
	v.networks()
	v.publicNames()
	v.firewall()
	v.mesh()
	v.operators()
	v.cluster()
	v.runtime()
	v.edge()
	v.ports()
	v.render()
	v.capacity()
	v.data()
	v.database()
	v.dns()
	v.budget()
	return errors.Join(v.problems...)
}

// validation collects problems. Its methods look at one part each and keep quiet about what another already refuses.
type validation struct {
	stack    Stack
	file     string
	problems []error
}

// wrong adds a problem. The message ends with what to do; the file to do it in is added here.
func (v *validation) wrong(format string, args ...any) {
	v.problems = append(v.problems, errors.New(fmt.Sprintf(format, args...)+" in "+v.file))
}

// file names the source file of a stack. What a clone inherits is written in production.go, but a clone may also differ from it.
func file(stack string) string {
	switch stack {
	case "prod":
		return "stacks/production.go"
	case "staging", "local":
		return "stacks/" + stack + ".go"
	case "local-staging":
		return "stacks/local_staging.go"
	case "load-test":
		return "stacks/loadtest.go"
	default:
		return "stacks/"
	}
}

// subsidiaries are OVH's European ones that bill in euros.
var subsidiaries = []string{"DE", "ES", "FI", "FR", "IE", "IT", "LT", "NL", "PT"}

// The order codes of OVH's datacentres, as its order API lists them.
var (
	regions        = []string{"europe", "canada"}
	datacenters    = []string{"bhs", "fra", "gra", "lon", "rbx", "sbg", "waw"}
	vpsDatacenters = []string{"GRA", "RBX", "SBG", "DE", "UK", "WAW", "EU-SOUTH-MIL", "BHS", "SYD", "SGP", "US-EAST-VA", "US-WEST-OR"}
)

func (v *validation) identity() {
	if !isLabel(v.stack.Name) {
		v.wrong("stack %q: the name is not a DNS label that starts with a letter; rename it", v.stack.Name)
	}
	if !slices.Contains(subsidiaries, v.stack.Account.Subsidiary) {
		v.wrong("account: subsidiary %q is not one that bills in euros (%s); change Account.Subsidiary", v.stack.Account.Subsidiary, strings.Join(subsidiaries, ", "))
	}
}

func (v *validation) sites() {
	seen, dedicated, vps := map[string]bool{}, map[string]string{}, map[string]string{}
	for _, site := range v.stack.Sites {
		if !isLabel(site.Name) {
			v.wrong("site %q: the name is not a DNS label that starts with a letter; rename it", site.Name)
		}
		if seen[site.Name] {
			v.wrong("site %s: described twice; remove one", site.Name)
			continue
		}
		seen[site.Name] = true
		if site.City == "" {
			v.wrong("site %s: no city; say where it is", site.Name)
		}
		if !slices.Contains(regions, site.Region) {
			v.wrong("site %s: region %q is not one of %s; mend it", site.Name, site.Region, strings.Join(regions, ", "))
		}
		if !slices.Contains(datacenters, site.Datacenter) {
			v.wrong("site %s: datacenter %q is not an order code for dedicated servers (%s); mend it", site.Name, site.Datacenter, strings.Join(datacenters, ", "))
		} else if other, found := dedicated[site.Datacenter]; found {
			v.wrong("site %s: datacenter %s is also that of site %s, and one datacenter is one failure domain; make them one site", site.Name, site.Datacenter, other)
		}
		if !slices.Contains(vpsDatacenters, site.VPSDatacenter) {
			v.wrong("site %s: VPS datacenter %q is not an order code for VPS (%s); mend it", site.Name, site.VPSDatacenter, strings.Join(vpsDatacenters, ", "))
		} else if other, found := vps[site.VPSDatacenter]; found {
			v.wrong("site %s: VPS datacenter %s is also that of site %s, and one datacenter is one failure domain; make them one site", site.Name, site.VPSDatacenter, other)
		}
		dedicated[site.Datacenter], vps[site.VPSDatacenter] = site.Name, site.Name
	}
}

// active returns the nodes with a role that are not retired.
func (v *validation) active(role Role) []Node {
	return slices.DeleteFunc(slices.Clone(v.stack.Nodes), func(n Node) bool { return n.Retired || !n.Has(role) })
}

// retired names the retired nodes with a role, for a message.
func (v *validation) retired(role Role) string {
	var list []string
	for _, n := range v.stack.Nodes {
		if n.Retired && n.Has(role) {
			list = append(list, n.Name)
		}
	}
	if len(list) == 0 {
		return ""
	}
	return " (retired: " + strings.Join(list, ", ") + ")"
}

// perSite counts nodes by site and returns the sites in the order of the nodes.
func perSite(nodes []Node) (order []string, count map[string]int) {
	count = map[string]int{}
	for _, n := range nodes {
		if count[n.Site] == 0 {
			order = append(order, n.Site)
		}
		count[n.Site]++
	}
	return order, count
}

// controlPlane demands an etcd that outlives any one site. With two sites that is impossible, so three follow from the rule.
func (v *validation) controlPlane() {
	nodes := v.active(RoleControlPlane)
	if len(nodes) < 3 || len(nodes)%2 == 0 {
		v.wrong("stack %s: %d active control-plane nodes%s; wanted an odd number of at least 3, since an even one outlives no more losses than the odd one below it: add or retire one",
			v.stack.Name, len(nodes), v.retired(RoleControlPlane))
		return
	}
	quorum := len(nodes)/2 + 1
	order, count := perSite(nodes)
	for _, site := range order {
		if left := len(nodes) - count[site]; left < quorum {
			v.wrong("stack %s: losing site %s leaves %d of %d control-plane nodes, and the quorum is %d; spread them over at least three sites",
				v.stack.Name, site, left, len(nodes), quorum)
		}
	}
	var rescued []string
	for _, n := range nodes {
		if n.Rescue {
			rescued = append(rescued, n.Name)
		}
	}
	if left := len(nodes) - len(rescued); left < quorum {
		v.wrong("stack %s: the rescue system of %s leaves %d of %d control-plane nodes, and the quorum is %d; boot one after the other, so clear Rescue of the others",
			v.stack.Name, strings.Join(rescued, ", "), left, len(nodes), quorum)
	}
}

// workers demands that neither a drained node nor a lost site stops the service.
func (v *validation) workers() {
	workers := v.active(RoleWorker)
	if len(workers) < 2 {
		v.wrong("stack %s: %d active workers%s; wanted at least 2, so that one may be drained: add one", v.stack.Name, len(workers), v.retired(RoleWorker))
	}
	if order, _ := perSite(workers); len(workers) >= 2 && len(order) < 2 {
		v.wrong("stack %s: all active workers are in site %s; wanted at least 2 sites, so that one may be lost: add a worker elsewhere", v.stack.Name, order[0])
	}
	edge := v.active(RoleEdge)
	if len(edge) < 2 {
		v.wrong("stack %s: %d active edge nodes%s; wanted at least 2, so that one may be drained: give another worker the role", v.stack.Name, len(edge), v.retired(RoleEdge))
	}
	if order, _ := perSite(edge); len(edge) >= 2 && len(order) < 2 {
		v.wrong("stack %s: all active edge nodes are in site %s; wanted at least 2 sites, so that one may be lost: give a worker elsewhere the role", v.stack.Name, order[0])
	}
	if most := len(workers) - 1; most >= 1 && (v.stack.Cluster.MaxUnavailable < 1 || v.stack.Cluster.MaxUnavailable > most) {
		v.wrong("cluster: %d workers may be drained at a time, wanted 1 to %d, one less than the active workers; change Cluster.MaxUnavailable", v.stack.Cluster.MaxUnavailable, most)
	}
}

// budget compares the sum of the prices with what is allowed. Prices in other currencies are refused with their nodes.
func (v *validation) budget() {
	budget := v.stack.Budget
	known := true
	for _, limit := range []struct {
		name   string
		amount Money
	}{{"monthly", budget.Monthly}, {"setup", budget.Setup}} {
		if limit.amount.Currency != currency {
			known = false
			v.wrong("budget: the %s limit %s is not in %s, as the prices are; mend it", limit.name, limit.amount, currency)
		} else if limit.amount.Negative() {
			known = false
			v.wrong("budget: the %s limit %s is negative; mend it", limit.name, limit.amount)
		}
	}
	monthly, setup, err := v.stack.totals()
	if !known || err != nil {
		return
	}
	if monthly.MoreThan(budget.Monthly) {
		v.wrong("budget: nodes and database cost %s a month, and %s are allowed; remove nodes or raise Budget.Monthly", monthly, budget.Monthly)
	}
	if setup.MoreThan(budget.Setup) {
		v.wrong("budget: ordering the nodes costs %s once, and %s are allowed; remove nodes or raise Budget.Setup", setup, budget.Setup)
	}
}
