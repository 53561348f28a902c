package guard

import "fmt"

// Rule is what a refusal goes back to.
type Rule string

// The rules; Rules says what each of them wants.
const (
	RuleKind     Rule = "kind"
	RuleImage    Rule = "image"
	RuleRequests Rule = "requests"
	RuleLimits   Rule = "limits"
	RuleHost     Rule = "host"
	RuleState    Rule = "state"
	// RuleProbes, RuleReplicas, RuleBudget and RuleSpread are for what is critical: every DaemonSet (for its probes) and every Deployment, unless its
	// PriorityClass, registered in the same run, is below zero: what gives way first is not.
	RuleProbes   Rule = "probes"
	RuleReplicas Rule = "replicas"
	RuleBudget   Rule = "disruption budget"
	RuleSpread   Rule = "spread"
	RuleCapacity Rule = "capacity"
)

// Wish is what a rule wants, in the words of docs/guards.md.
type Wish struct {
	Rule  Rule
	Wants string
}

// Rules are all rules, in the order in which docs/guards.md has them.
func Rules() []Wish {
	return []Wish{
		{RuleKind, "an object of the narrow subset of kinds that the platform runs; some of them by a reason, each object by name"},
		{RuleImage, "images by digest, never by a tag"},
		{RuleRequests, "a request of processor time and memory of every container, init containers too"},
		{RuleLimits, "a limit of both"},
		{RuleHost, "pods off the node: its networks, its processes, its ports"},
		{RuleState, "no durable state in the cluster"},
		{RuleProbes, "readiness and liveness of every container that is critical"},
		{RuleReplicas, "two pods or more of what is critical"},
		{RuleBudget, "a disruption budget over what is critical that lets some pods go and never all"},
		{RuleSpread, "what is critical spread over sites and over nodes"},
		{RuleCapacity, "room for every pod, at its autoscaler's maximum, with any one site lost"},
	}
}

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
