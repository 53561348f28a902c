package change

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"havre/components/naming"
	"havre/components/ovh/sdk"
	"havre/infra/report/preview"
	"havre/infra/report/topology"
	"havre/stacks"
)

// fleet are the steps about nodes.
type fleet struct {
	plan *stacks.Plan
	// names are all nodes before and after the run, the longest first, so that of two that fit the right one is found.
	names []string
	// steps are by node and by role in it: "server", "installation", "wireguard", …
	steps map[string]map[string]preview.Step
	// others are resources of the fleet that belong to no node, the kubeconfig say.
	others []preview.Step
	// plans are the bought plans of nodes that the plan does not know.
	plans map[string]string
}

// fleetTokens are the components whose children make nodes.
var fleetTokens = []string{naming.OVHServer, naming.OVHVPS, naming.HostBase, naming.WireguardMesh, naming.Cluster, naming.ClusterNode}

func newFleet(p preview.Preview, plan *stacks.Plan) *fleet {
	f := &fleet{plan: plan, steps: map[string]map[string]preview.Step{}, plans: map[string]string{}}
	known := map[string]bool{}
	for _, step := range p.Steps {
		switch {
		case step.Type == naming.OVHServer || step.Type == naming.OVHVPS:
			known[step.Name] = true
		case isOrder(step):
			name := strings.TrimSuffix(step.Name, "-server")
			known[name] = true
			for _, state := range []preview.State{step.Before, step.After} {
				if code := preview.Text(state.Inputs, "planCode"); code != "" {
					f.plans[name] = code
				}
			}
		case step.Type == sdk.BudgetToken:
			for _, state := range []preview.State{step.Before, step.After} {
				lines, _ := state.Inputs["nodes"].([]any)
				for _, line := range lines {
					object, _ := line.(map[string]any)
					if name := preview.Text(object, "name"); name != "" {
						known[name] = true
						f.plans[name] = preview.Text(object, "planCode")
					}
				}
			}
		}
	}
	for name := range known {
		f.names = append(f.names, name)
	}
	slices.SortFunc(f.names, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return f
}

// split takes a resource's name apart: node and role in it; "" for what belongs to no node.
func (f *fleet) split(name string) (node, role string) {
	for _, node := range f.names {
		if role, found := strings.CutPrefix(name, node+"-"); found {
			return node, role
		}
	}
	return "", ""
}

// fleetResource says whether a resource is part of servers, hosts, mesh or cluster.
func fleetResource(step preview.Step) bool {
	if strings.HasPrefix(step.Type, "ovhmetal:") {
		return true
	}
	for _, token := range fleetTokens {
		if strings.Contains(step.URN, "::"+token+"$") || strings.Contains(step.URN, "$"+token+"$") {
			return true
		}
	}
	return false
}

// take keeps a step that is about the fleet.
func (f *fleet) take(step preview.Step) bool {
	if !fleetResource(step) {
		return false
	}
	node, role := f.split(step.Name)
	if node == "" {
		f.others = append(f.others, step)
		return true
	}
	if f.steps[node] == nil {
		f.steps[node] = map[string]preview.Step{}
	}
	f.steps[node][role] = step
	return true
}

func (f *fleet) op(node, role string) preview.Op {
	if step, found := f.steps[node][role]; found {
		return step.Op
	}
	return preview.Same
}

func (f *fleet) joins(node string) bool { return f.op(node, "server") == preview.Create }
func (f *fleet) leaves(node string) bool {
	return f.op(node, "server") == preview.Delete || f.drains(node)
}
func (f *fleet) drains(node string) bool { return f.op(node, "member") == preview.Delete }

// wiped says whether the disks of a node that exists are written anew, and from which generation to which.
func (f *fleet) wiped(node string) (from, to string, wiped bool) {
	step, found := f.steps[node]["installation"]
	if !found || step.Op != preview.Update && step.Op != preview.Replace {
		return "", "", false
	}
	from, to = preview.Text(step.Before.Inputs, "generation"), preview.Text(step.After.Inputs, "generation")
	return from, to, step.Op == preview.Replace || from != to
}

// controlPlane says whether a node is of the control plane. Where there is no plan the name tells: it is <site>-<role>-<number>.
func (f *fleet) controlPlane(node string) bool {
	if f.plan != nil {
		if planned, err := f.plan.Node(node); err == nil {
			return planned.Has(stacks.RoleControlPlane)
		}
	}
	return strings.Contains(node, "-control-")
}

// what is a node for a reader: "control-plane node", "worker", "data host".
func (f *fleet) what(node string) string {
	switch {
	case f.controlPlane(node):
		return "control-plane node"
	case f.inCluster(node):
		return "worker"
	default:
		return "host outside of Kubernetes"
	}
}

func (f *fleet) inCluster(node string) bool {
	if f.plan != nil {
		if planned, err := f.plan.Node(node); err == nil {
			return planned.InCluster()
		}
	}
	return !strings.Contains(node, "-data-")
}

// nodes are all that a step is about, sorted.
func (f *fleet) nodes() []string {
	var out []string
	for node := range f.steps {
		out = append(out, node)
	}
	slices.Sort(out)
	return out
}

// marks are for the picture. Peers that are learnt and keys that are changed concern everyone, and mark nobody.
func (f *fleet) marks() map[string]topology.Mark {
	out := map[string]topology.Mark{}
	for _, node := range f.nodes() {
		_, _, wiped := f.wiped(node)
		switch {
		case f.op(node, "server") == preview.Delete:
			out[node] = topology.Removed
		case f.drains(node):
			out[node] = topology.Drained
		case f.joins(node):
			out[node] = topology.Added
		case wiped:
			out[node] = topology.Wiped
		default:
			for role, step := range f.steps[node] {
				if role != "wireguard" && !connectionOnly(step) {
					out[node] = topology.Changed
				}
			}
		}
	}
	return out
}

// gone are the nodes that the plan does not know any more, by site: what their names tell.
func (f *fleet) gone() map[string][]topology.Host {
	out := map[string][]topology.Host{}
	for _, node := range f.nodes() {
		if f.op(node, "server") != preview.Delete {
			continue
		}
		if _, err := f.plan.Node(node); err == nil {
			continue
		}
		parts := strings.Split(node, "-")
		role := map[string]stacks.Role{"control": stacks.RoleControlPlane, "worker": stacks.RoleWorker, "data": stacks.RoleData}[parts[min(1, len(parts)-1)]]
		out[parts[0]] = append(out[parts[0]], topology.Host{Name: node, Role: role, PlanCode: f.plans[node], Mark: topology.Removed})
	}
	return out
}

// connectionOnly says that nothing differs but how the host is reached: the command runs again as it is.
func connectionOnly(step preview.Step) bool {
	changes := step.Changes()
	return step.Op == preview.Update && step.Type == commandType && len(changes) > 0 &&
		!slices.ContainsFunc(changes, func(c preview.Change) bool {
			return !strings.HasPrefix(c.Path, "connection.") && c.Path != "connection"
		})
}

const commandType = "command:remote:Command"

// release finds versions of Kubernetes in a command's text.
var release = regexp.MustCompile(`\bv1\.[0-9]{2}\.[0-9]+\b`)

// versions are the versions that only the text before names and those that only the one after does.
func versions(step preview.Step) (before, after []string) {
	find := func(state preview.State) []string {
		found := release.FindAllString(preview.Text(state.Inputs, "create"), -1)
		slices.Sort(found)
		return slices.Compact(found)
	}
	old, fresh := find(step.Before), find(step.After)
	only := func(a, b []string) []string {
		return slices.DeleteFunc(slices.Clone(a), func(v string) bool { return slices.Contains(b, v) })
	}
	return only(old, fresh), only(fresh, old)
}

// deltas says which peers a mesh gains and loses.
func (f *fleet) deltas() (learn, forget []string) {
	for _, node := range f.nodes() {
		switch f.op(node, "wireguard") {
		case preview.Create:
			learn = append(learn, node)
		case preview.Delete:
			forget = append(forget, node)
		}
	}
	return learn, forget
}

// peers says what the others do about them; n is how many they are.
func peers(n int, learn, forget []string) string {
	verb := func(one, many string) string {
		if n == 1 {
			return one
		}
		return many
	}
	count := func(names []string) string {
		if len(names) == 1 {
			return "one peer"
		}
		return fmt.Sprintf("%d peers", len(names))
	}
	switch {
	case len(learn) > 0 && len(forget) > 0:
		return fmt.Sprintf("%s %s (%s) and %s %s (%s)", verb("learns", "learn"), count(learn), listed(learn, 4), verb("forgets", "forget"), count(forget), listed(forget, 4))
	case len(learn) > 0:
		return fmt.Sprintf("%s %s: %s", verb("learns", "learn"), count(learn), listed(learn, 4))
	case len(forget) > 0:
		return fmt.Sprintf("%s %s: %s", verb("forgets", "forget"), count(forget), listed(forget, 4))
	default:
		return verb("has its", "have their") + " mesh configuration looked at again; the running interface takes a change without being made again"
	}
}
