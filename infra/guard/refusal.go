package guard

import "fmt"

// Rule is what a refusal goes back to.
type Rule string

// The rules.
const (
	// RuleKind takes the narrow subset of Kubernetes' kinds.
	RuleKind Rule = "kind"
	// RuleImage takes images by digest only.
	RuleImage Rule = "image"
	// RuleRequests and RuleLimits want processor time and memory of every container, init containers too.
	RuleRequests Rule = "requests"
	RuleLimits   Rule = "limits"
	// RuleHost keeps pods off the node: its networks, its processes, its ports.
	RuleHost Rule = "host"
	// RuleState keeps durable state out of the cluster.
	RuleState Rule = "state"
	// RuleProbes, RuleReplicas, RuleBudget and RuleSpread are for what is critical. That is every DaemonSet (for its probes) and every Deployment, unless its
	// PriorityClass, registered in the same run, is below zero: what gives way first is not. They want readiness and liveness of every container, two replicas,
	// a disruption budget that lets some go but not all, and a spread over sites and nodes.
	RuleProbes   Rule = "probes"
	RuleReplicas Rule = "replicas"
	RuleBudget   Rule = "disruption budget"
	RuleSpread   Rule = "spread"
	// RuleCapacity wants every pod, at its autoscaler's maximum, to find room on the workers with any one site lost.
	RuleCapacity Rule = "capacity"
)

// Refusal is one violated rule. It is an error of one line.
type Refusal struct {
	// Kind and Name are the Kubernetes kind and the logical name.
	Kind, Name string
	Rule       Rule
	// Subject is the part of the object that is meant, such as "container renderer".
	Subject string
	// Value says what it is, Mend what to do.
	Value, Mend string
}

func (r Refusal) Error() string {
	return fmt.Sprintf("%s %s: %s: %s %s; %s", r.Kind, r.Name, r.Rule, r.Subject, r.Value, r.Mend)
}

// inspection collects what is wrong with one object.
type inspection struct {
	object object
	found  []Refusal
}

func (i *inspection) refuse(rule Rule, subject, value, mend string) {
	i.found = append(i.found, Refusal{Kind: i.object.kind, Name: i.object.name, Rule: rule, Subject: subject, Value: value, Mend: mend})
}

// known says whether v is plain, and refuses it once where it is not.
func (i *inspection) known(rule Rule, v view) bool {
	if !v.late() {
		return true
	}
	for _, r := range i.found {
		if r.Subject == v.path {
			return false
		}
	}
	i.refuse(rule, v.path, "is known only during the run, so that no preview can check it", "give it as a plain value")
	return false
}
