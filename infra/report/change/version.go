package change

import (
	"strconv"
	"strings"

	"havre/infra/report/preview"
)

// raise is another version of Kubernetes, from one to another, each like v1.36.3.
type raise struct{ from, to string }

func (r raise) String() string { return "Kubernetes " + r.from + " → " + r.to }

// raiseOf is the change of version that a command's text tells, where it tells of one.
func raiseOf(step preview.Step) (raise, bool) {
	before, after := versions(step)
	return raise{strings.Join(before, ", "), strings.Join(after, ", ")}, len(before) == 1 && len(after) == 1
}

// minors is how many minor versions lie between the two; negative where it goes back.
func (r raise) minors() int {
	minor := func(version string) int {
		number, err := strconv.Atoi(strings.Split(version, ".")[1])
		if err != nil {
			return 0 // the pattern has digits there
		}
		return number
	}
	return minor(r.to) - minor(r.from)
}

// kubernetesFacts are about the configuration of a kubelet and, on the control plane, of what else runs there. A worker's turn is told with its place in the cluster.
func (f *fleet) kubernetesFacts(node string, step preview.Step) []fact {
	if f.drains(node) {
		return nil
	}
	r, found := raiseOf(step)
	switch {
	case !found:
		text := "another configuration of Kubernetes; each service of it restarts only when its own part has changed"
		return []fact{{"gets " + text, "get " + text}}
	case f.controlPlane(node):
		return []fact{{"gets " + r.String() + ", after a backup of etcd", "get " + r.String() + " one after the other, after a backup of etcd"}}
	default:
		return []fact{{"gets " + r.String(), "get " + r.String()}}
	}
}

// turn is how a worker comes to another version.
func (f *fleet) turn(r raise) fact {
	places := "in turn"
	if f.plan != nil {
		places = strconv.Itoa(f.plan.Stack.Cluster.MaxUnavailable) + " at a time"
	}
	if r.minors() == 0 {
		return fact{"changes its kubelet when every API server has it; its pods run on", "change their kubelets when every API server has it, " + places + "; their pods run on"}
	}
	return fact{"is left by readers and drained for it, when every API server has it", "are left by readers and drained for it, " + places + ", when every API server has it"}
}

// drainsOnce says whether a node is drained and comes back: with a kubelet of another minor version.
func (f *fleet) drainsOnce(node string) bool {
	step, found := f.steps[node]["member"]
	if !found || step.Op != preview.Update {
		return false
	}
	r, found := raiseOf(step)
	return found && r.minors() != 0
}

// unreachable says of a change of version that the hosts will refuse it; "" where they will not.
func (f *fleet) unreachable() string {
	for _, node := range f.nodes() {
		step, found := f.steps[node]["kubernetes"]
		if !found || step.Op != preview.Update {
			continue
		}
		switch r, found := raiseOf(step); {
		case found && r.minors() < 0:
			return r.String() + " takes a minor version back: every host refuses it"
		case found && r.minors() > 1:
			return r.String() + " leaves a minor version out: every control-plane node refuses it; take them one by one"
		}
	}
	return ""
}
