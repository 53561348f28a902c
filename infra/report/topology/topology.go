// Package topology is the picture of a stack: sites, hosts by what they do, and the mesh between them, for a terminal, as Mermaid for a pull request and as SVG
// for a page. The one thing a reader would get wrong: the mesh is every host to every host, which nobody can read as lines. Links are bundles, one between two
// sites and one inside each, with the number of links that go over the private network and of those that go over the public one.
package topology

import (
	"fmt"
	"slices"
	"strings"

	"havre/infra/report/table"
	"havre/stacks"
)

// Mark says what a run would do with a host.
type Mark string

// The marks, in the order in which they matter more.
const (
	Unmarked Mark = ""
	Changed  Mark = "changed"
	Added    Mark = "new"
	Drained  Mark = "drained"
	Wiped    Mark = "installed anew"
	Removed  Mark = "given up"
)

// Host is one host.
type Host struct {
	Name string
	// Role is the first of its roles; Edge says that it takes readers' traffic as well. Purpose is a data host's.
	Role    stacks.Role
	Edge    bool
	Purpose string
	// Address is on the mesh, PlanCode what was bought.
	Address, PlanCode string
	// Private says that it is in the private network.
	Private bool
	Mark    Mark
}

// Site is one site with its hosts, by role and in the order of their indexes.
type Site struct {
	Name, City string
	Hosts      []Host
}

// Bundle are the links between two sites, or inside one.
type Bundle struct {
	From, To string
	// Private links go over the private network, Public ones over the internet.
	Private, Public int
}

// Links is how many there are.
func (b Bundle) Links() int { return b.Private + b.Public }

// Picture is everything that is drawn.
type Picture struct {
	Stack string
	Sites []Site
	// Inside are the bundles of one site, Between those of two.
	Inside, Between []Bundle
	// Domain is what readers ask for, "" where it is not known.
	Domain string
}

// roles is the order of roles in a picture.
var roles = []stacks.Role{stacks.RoleControlPlane, stacks.RoleWorker, stacks.RoleData}

// captions are the roles for a reader.
var captions = map[stacks.Role]string{stacks.RoleControlPlane: "control plane", stacks.RoleWorker: "workers", stacks.RoleData: "data", "": "hosts"}

// Caption is a role for a reader: "control plane", "workers", "data".
func Caption(role stacks.Role) string { return captions[role] }

// Of is the picture of a plan. marks are by host; gone are hosts by site that a run gives up and that the plan does not know any more.
func Of(plan stacks.Plan, marks map[string]Mark, gone map[string][]Host) Picture {
	p := Picture{Stack: plan.Stack.Name, Domain: plan.Stack.Render.Domain}
	for _, site := range plan.Stack.Sites {
		s := Site{Name: site.Name, City: site.City}
		for _, node := range plan.Nodes {
			if node.Site != site.Name {
				continue
			}
			h := Host{
				Name: node.Name, Role: role(node.Node), Edge: node.Has(stacks.RoleEdge), Purpose: node.Purpose, Address: node.Mesh.String(),
				PlanCode: node.Offer.PlanCode, Private: node.Private.IsValid(), Mark: marks[node.Name],
			}
			s.Hosts = append(s.Hosts, h)
		}
		s.Hosts = append(s.Hosts, gone[site.Name]...)
		if len(s.Hosts) > 0 {
			p.Sites = append(p.Sites, s)
		}
	}
	return p.arrange()
}

// role is the first role that has a place of its own.
func role(node stacks.Node) stacks.Role {
	for _, r := range roles {
		if node.Has(r) {
			return r
		}
	}
	return ""
}

// arrange sorts hosts by role and counts the links of those that stay.
func (p Picture) arrange() Picture {
	for i := range p.Sites {
		slices.SortStableFunc(p.Sites[i].Hosts, func(a, b Host) int { return slices.Index(roles, a.Role) - slices.Index(roles, b.Role) })
	}
	for i, a := range p.Sites {
		p.Inside = append(p.Inside, bundle(a, a))
		for _, b := range p.Sites[i+1:] {
			p.Between = append(p.Between, bundle(a, b))
		}
	}
	return p
}

func bundle(a, b Site) Bundle {
	out := Bundle{From: a.Name, To: b.Name}
	for i, x := range a.Hosts {
		for j, y := range b.Hosts {
			if a.Name == b.Name && j <= i || x.Mark == Removed || y.Mark == Removed {
				continue
			}
			if x.Private && y.Private {
				out.Private++
			} else {
				out.Public++
			}
		}
	}
	return out
}

// Count is the number of hosts that stay and of links between them.
func (p Picture) Count() (hosts int, links Bundle) {
	for _, site := range p.Sites {
		for _, host := range site.Hosts {
			if host.Mark != Removed {
				hosts++
			}
		}
	}
	for _, b := range append(slices.Clone(p.Inside), p.Between...) {
		links.Private += b.Private
		links.Public += b.Public
	}
	return hosts, links
}

// Marked says whether a run does anything to a host.
func (p Picture) Marked() bool {
	return slices.ContainsFunc(p.Sites, func(s Site) bool {
		return slices.ContainsFunc(s.Hosts, func(h Host) bool { return h.Mark != Unmarked })
	})
}

// Sentence says what the picture shows.
func (p Picture) Sentence() string {
	hosts, links := p.Count()
	return fmt.Sprintf("%d hosts in %d sites, %d mesh links: %d over the private network, %d over the public one.", hosts, len(p.Sites), links.Links(), links.Private, links.Public)
}

// group are the hosts of one role in one site.
type group struct {
	role  stacks.Role
	hosts []Host
}

func (s Site) groups() []group {
	var out []group
	for _, host := range s.Hosts {
		if len(out) == 0 || out[len(out)-1].role != host.Role {
			out = append(out, group{role: host.Role})
		}
		out[len(out)-1].hosts = append(out[len(out)-1].hosts, host)
	}
	return out
}

// does says what a host does: "worker, edge", "data: pulsar".
func (h Host) does() string {
	text := strings.TrimSuffix(captions[h.Role], "s")
	if h.Edge {
		text += ", edge"
	}
	if h.Purpose != "" {
		text += ": " + h.Purpose
	}
	return text
}

// Text is the picture for a terminal.
func (p Picture) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "topology of stack %s\n\n%s\n", p.Stack, p.Sentence())
	for _, site := range p.Sites {
		fmt.Fprintf(&b, "\n%s  %s\n", site.Name, site.City)
		t := table.Table{Columns: table.Columns("host", "does", "mesh", "plan", "private network")}
		for _, host := range site.Hosts {
			private := "-"
			if host.Private {
				private = "yes"
			}
			t.Add(host.Name, host.does(), host.Address, host.PlanCode, private)
		}
		b.WriteString(t.Text())
	}
	t := table.Table{Columns: table.Columns("links", "private>", "public>")}
	for _, bundle := range p.Inside {
		if bundle.Links() > 0 {
			t.Add("inside "+bundle.From, fmt.Sprint(bundle.Private), fmt.Sprint(bundle.Public))
		}
	}
	for _, bundle := range p.Between {
		t.Add(bundle.From+" – "+bundle.To, fmt.Sprint(bundle.Private), fmt.Sprint(bundle.Public))
	}
	b.WriteString("\n" + t.Text())
	return b.String()
}
