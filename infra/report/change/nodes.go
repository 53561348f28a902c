package change

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"havre/infra/report/preview"
)

// fact is a sentence without its subject, for one node and for several.
type fact struct{ one, many string }

// same is a fact whose verb is the same for one and for several.
func same(text string) fact { return fact{text, text} }

// told is what common facts are gathered by.
type told struct {
	facts []fact
	nodes []string
}

// tell writes the sentences about nodes, and what of them belongs into the summary.
func (f *fleet) tell(r *Report) {
	var common []told
	for _, node := range f.nodes() {
		if step, found := f.steps[node]["server"]; found {
			switch step.Op {
			case preview.Create:
				r.Ordered = append(r.Ordered, server(step, node))
			case preview.Delete:
				r.GivenUp = append(r.GivenUp, server(step, node))
			}
		}
		if f.drains(node) || f.drainsOnce(node) {
			r.Drained = append(r.Drained, node)
		}
		if _, _, wiped := f.wiped(node); wiped {
			r.Wiped = append(r.Wiped, node)
		}
		if f.restarts(node) {
			r.Restarted = append(r.Restarted, node)
		}
		switch {
		case f.joins(node):
			r.Nodes = append(r.Nodes, Group{Title: node, Sentences: f.arrival(node)})
		case f.op(node, "server") == preview.Delete:
			r.Nodes = append(r.Nodes, Group{Title: node, Sentences: f.departure(node)})
		default:
			facts := f.facts(node)
			if len(facts) == 0 {
				continue
			}
			if i := slices.IndexFunc(common, func(t told) bool { return slices.Equal(t.facts, facts) }); i >= 0 {
				common[i].nodes = append(common[i].nodes, node)
			} else {
				common = append(common, told{facts, []string{node}})
			}
		}
	}
	r.Unreachable = f.unreachable()
	// Those about few nodes first: what is special is above what is everyone's.
	slices.SortStableFunc(common, func(a, b told) int { return len(a.nodes) - len(b.nodes) })
	learn, forget := f.deltas()
	for _, t := range common {
		g := Group{Title: listed(t.nodes, 6)}
		if len(t.nodes) > 7 {
			g.Title = fmt.Sprintf("%d hosts", len(t.nodes))
		}
		for _, fact := range t.facts {
			switch {
			case fact == meshFact:
				g.Sentences = append(g.Sentences, peers(len(t.nodes), learn, forget))
			case len(t.nodes) == 1:
				g.Sentences = append(g.Sentences, fact.one)
			default:
				g.Sentences = append(g.Sentences, fact.many)
			}
		}
		r.Nodes = append(r.Nodes, g)
	}
	for _, step := range f.others {
		r.Nodes = append(r.Nodes, Group{Title: step.Name, Sentences: []string{generic(step)}})
	}
}

// meshFact stands for a sentence that needs to know how many hosts it is about.
var meshFact = same("mesh")

// restarts says whether a run touches Kubernetes on a control-plane node that is there.
func (f *fleet) restarts(node string) bool {
	if !f.controlPlane(node) || f.joins(node) {
		return false
	}
	step, found := f.steps[node]["kubernetes"]
	return found && !connectionOnly(step) || f.op(node, "join") == preview.Replace || f.drains(node)
}

// arrival is all about a node that comes.
func (f *fleet) arrival(node string) []string {
	out := []string{"is ordered: " + server(f.steps[node]["server"], node).String()}
	if step, found := f.steps[node]["installation"]; found {
		system := preview.Text(step.After.Inputs, "operatingSystem")
		if system == "" {
			system = "its operating system"
		}
		out = append(out, "gets "+system+" and the base set-up")
	}
	if step, found := f.steps[node]["vrack"]; found {
		out = append(out, "is plugged into the private network "+preview.Text(step.After.Inputs, "vrack"))
	}
	if f.op(node, "wireguard") == preview.Create {
		text := "joins the mesh"
		if f.plan != nil {
			if planned, err := f.plan.Node(node); err == nil {
				text += " as " + planned.Mesh.String()
			}
		}
		out = append(out, text)
	}
	if f.op(node, "join") == preview.Create {
		text := "joins the cluster as a " + f.what(node)
		if f.plan != nil {
			if planned, err := f.plan.Node(node); err == nil && planned.PodCIDR.IsValid() {
				text += ", with pods in " + planned.PodCIDR.String()
			}
		}
		out = append(out, text)
	}
	return out
}

// departure is all about a node whose server goes.
func (f *fleet) departure(node string) []string {
	var out []string
	if f.drains(node) {
		out = append(out, "is drained and leaves the cluster")
	}
	if f.op(node, "wireguard") == preview.Delete {
		out = append(out, "leaves the mesh")
	}
	s := server(f.steps[node]["server"], node)
	text := "is given up: its server (" + s.PlanCode + " in " + strings.ToLower(s.Datacenter) + ") ends when its paid month does"
	if s.Monthly != "" {
		text += ", " + s.Monthly + " EUR a month less"
	}
	return append(out, text)
}

// facts are about a node that stays.
func (f *fleet) facts(node string) []fact {
	var out []fact
	again, roles := 0, f.steps[node]
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		step := roles[role]
		if connectionOnly(step) {
			again++
			continue
		}
		out = append(out, f.about(node, role, step)...)
	}
	if again > 0 {
		out = append(out, fact{
			fmt.Sprintf("is reached with another key or at another address; its %s again, unchanged", ifOne(again, "command runs", fmt.Sprintf("%d commands run", again))),
			fmt.Sprintf("are reached with another key or at another address; their commands (%d each) run again, unchanged", again),
		})
	}
	// A drained node's own commands go with it; the drain says it all.
	if f.drains(node) {
		out = slices.DeleteFunc(out, func(x fact) bool { return strings.HasPrefix(x.one, leaving) })
	}
	return out
}

// leaving begins the facts about parts of a node that leaves the cluster.
const leaving = "loses its "

func ifOne(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// about is one resource of a node that stays.
func (f *fleet) about(node, role string, step preview.Step) []fact {
	switch role {
	case "server":
		return serverFacts(step)
	case "installation":
		return f.installationFacts(node, step)
	case "wireguard":
		if step.Op == preview.Update {
			return []fact{meshFact}
		}
	case "member":
		switch step.Op {
		case preview.Delete:
			return []fact{{"is drained and leaves the cluster; it stays in the mesh", "are drained and leave the cluster; they stay in the mesh"}}
		case preview.Create:
			return []fact{{"enters the cluster as a " + f.what(node), "enter the cluster"}}
		case preview.Update:
			if r, found := raiseOf(step); found {
				return []fact{f.turn(r)}
			}
			return []fact{{"gets its labels and taints anew", "get their labels and taints anew"}}
		}
	case "kubernetes":
		if step.Op == preview.Update {
			return f.kubernetesFacts(node, step)
		}
	case "base":
		if step.Op == preview.Update {
			return []fact{{"runs its base set-up again", "run their base set-up again"}}
		}
	case "library":
		if step.Op == preview.Update || step.Op == preview.Replace {
			return []fact{{"gets a new library of shell functions", "get a new library of shell functions"}}
		}
	case "invitation":
		if step.Op == preview.Update {
			return []fact{{"is invited into the cluster anew", "are invited into the cluster anew"}}
		}
	case "join":
		if step.Op == preview.Update {
			return []fact{{"joins again, which changes nothing on a node that is in", "join again, which changes nothing on nodes that are in"}}
		}
	}
	part := role + " (" + kind(step.Type) + ")"
	switch step.Op {
	case preview.Create:
		return []fact{{"gets a " + part, "get a " + part}}
	case preview.Delete:
		return []fact{{leaving + part, "lose their " + part}}
	case preview.Replace:
		return []fact{{"has its " + part + " replaced", "have their " + part + " replaced"}}
	default:
		return []fact{{"has its " + part + " changed: " + brief(step.Changes()), "have their " + part + " changed: " + brief(step.Changes())}}
	}
}

func serverFacts(step preview.Step) []fact {
	var out []fact
	var rest []preview.Change
	for _, c := range step.Changes() {
		after := preview.Show(c.After)
		switch c.Path {
		case "retired":
			if after == "true" {
				out = append(out, fact{"is retired: from the next change on its server may be given up", "are retired: from the next change on their servers may be given up"})
			} else {
				out = append(out, fact{"is not retired any more", "are not retired any more"})
			}
		case "maxMonthly":
			out = append(out, same(fmt.Sprintf("may cost at most %s EUR a month (before: %s)", after, preview.Show(c.Before))))
		case "maxSetup":
			out = append(out, same(fmt.Sprintf("may cost at most %s EUR once (before: %s)", after, preview.Show(c.Before))))
		case "renewal":
			if after == "false" {
				out = append(out, fact{"is not renewed any more: OVH suspends it at its expiry", "are not renewed any more: OVH suspends them at their expiry"})
			} else {
				out = append(out, fact{"is renewed at each expiry again", "are renewed at each expiry again"})
			}
		case "rescue":
			if after == "true" {
				out = append(out, fact{"boots into OVH's rescue system", "boot into OVH's rescue system"})
			} else {
				out = append(out, fact{"boots into its own system again", "boot into their own systems again"})
			}
		case "rescueKey":
		default:
			rest = append(rest, c)
		}
	}
	if len(rest) > 0 {
		out = append(out, fact{"has its order changed: " + brief(rest), "have their orders changed: " + brief(rest)})
	}
	if len(out) == 0 && step.Op == preview.Update {
		out = append(out, fact{"has its order looked after again", "have their orders looked after again"})
	}
	return out
}

func (f *fleet) installationFacts(node string, step preview.Step) []fact {
	if from, to, wiped := f.wiped(node); wiped {
		return []fact{{fmt.Sprintf("is installed anew (generation %s → %s): everything on its disks is lost", from, to), fmt.Sprintf("are installed anew (generation %s → %s): everything on their disks is lost", from, to)}}
	}
	if step.Op != preview.Update {
		return nil
	}
	changes := step.Changes()
	if len(changes) == 1 && changes[0].Path == "sshPublicKey" {
		return []fact{{"gets the new public key with its next installation", "get the new public key with their next installation"}}
	}
	return []fact{{"has its installation changed: " + brief(changes), "have their installations changed: " + brief(changes)}}
}
