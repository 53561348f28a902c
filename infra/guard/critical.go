package guard

import (
	"fmt"
	"strconv"
	"strings"
)

// The keys by which pods are spread: sites and nodes.
const (
	zoneKey = "topology.kubernetes.io/zone"
	hostKey = "kubernetes.io/hostname"
)

// cluster is all objects of a run, with what one says of another.
type cluster struct {
	objects []object
	// giveWay are the names of the PriorityClasses below zero.
	giveWay map[string]bool
}

// together holds the objects to the rules that need more than one.
func together(objects []object, workers []Node) []Refusal {
	c := cluster{objects: objects, giveWay: map[string]bool{}}
	for _, o := range objects {
		if value, ok := o.root.get("value").number(); o.token == priorityClass && ok && value < 0 {
			_, name := o.metadata()
			c.giveWay[name] = true
		}
	}
	var found []Refusal
	for _, o := range objects {
		if o.token != deployment && o.token != daemonSet {
			continue
		}
		spec, _ := o.podSpec()
		if spec.late() || c.giveWay[spec.get("priorityClassName").text()] {
			continue
		}
		i := &inspection{object: o}
		i.probes(spec)
		if o.token == daemonSet {
			found = append(found, i.found...)
			continue
		}
		if least, ok := c.replicas(i); ok {
			c.budget(i, least)
		}
		i.spread(spec)
		found = append(found, i.found...)
	}
	return append(found, c.capacity(workers)...)
}

// autoscaler is the one whose target is o, if there is one.
func (c cluster) autoscaler(o object) (object, bool) {
	namespace, name := o.metadata()
	for _, other := range c.objects {
		if other.token != autoscaler {
			continue
		}
		target := other.root.get("spec", "scaleTargetRef")
		if in, _ := other.metadata(); in == namespace && target.get("kind").text() == o.kind && target.get("name").text() == name {
			return other, true
		}
	}
	return object{}, false
}

// replicas wants two, and gives the least number that there may be.
func (c cluster) replicas(i *inspection) (least int64, ok bool) {
	field, who := i.object.root.get("spec", "replicas"), ""
	if scaler, found := c.autoscaler(i.object); found {
		field, who = scaler.root.get("spec", "minReplicas"), " by its autoscaler"
	}
	if !i.known(RuleReplicas, field) {
		return 0, false
	}
	least, ok = field.number()
	if !ok {
		least = 1
	}
	if least < 2 {
		i.refuse(RuleReplicas, strconv.FormatInt(least, 10), "at least"+who+", so that a drain or a lost node stops it", "give 2 or more")
		return least, false
	}
	return least, true
}

// budget wants a PodDisruptionBudget that lets some pods go and keeps some.
func (c cluster) budget(i *inspection, least int64) {
	namespace, _ := i.object.metadata()
	template, _ := i.object.template()
	labels := template.get("metadata", "labels")
	if !i.known(RuleBudget, labels) {
		return
	}
	for _, other := range c.objects {
		if other.token != budget {
			continue
		}
		if in, _ := other.metadata(); in != namespace || !selects(other.root.get("spec", "selector", "matchLabels"), labels) {
			continue
		}
		gone, found := share(other.root.get("spec", "maxUnavailable"), least)
		if !found {
			kept, ok := share(other.root.get("spec", "minAvailable"), least)
			gone, found = least-kept, ok
		}
		switch {
		case !found:
			i.refuse(RuleBudget, other.name, "says neither how many pods may go nor how many must stay, as plain numbers", "give it maxUnavailable")
		case gone < 1:
			i.refuse(RuleBudget, other.name, fmt.Sprintf("lets none of %d pods go, so that a drain hangs", least), fmt.Sprintf("let 1 to %d go", least-1))
		case gone >= least:
			i.refuse(RuleBudget, other.name, fmt.Sprintf("lets all of %d pods go at once", least), fmt.Sprintf("let 1 to %d go", least-1))
		}
		return
	}
	i.refuse(RuleBudget, "no PodDisruptionBudget", "selects its pods, so that drains may take all at once", "add one, as components/workload does by itself")
}

// selects says whether a selector of labels takes pods with these; an empty one, or one that is late, takes none.
func selects(selector, labels view) bool {
	wanted, ok := selector.texts()
	have, plain := labels.texts()
	if !ok || !plain || len(wanted) == 0 {
		return false
	}
	for key, value := range wanted {
		if have[key] != value {
			return false
		}
	}
	return true
}

// share is a number, or a percentage of all rounded up as the API server does it.
func share(v view, all int64) (int64, bool) {
	if n, ok := v.number(); ok {
		return n, true
	}
	digits, ok := strings.CutSuffix(v.text(), "%")
	if !ok {
		return 0, false
	}
	percent, err := strconv.ParseInt(digits, 10, 32)
	return (percent*all + 99) / 100, err == nil
}

// spread wants constraints over sites and nodes that count the object's own pods.
func (i *inspection) spread(spec view) {
	list := spec.get("topologySpreadConstraints")
	template, _ := i.object.template()
	labels := template.get("metadata", "labels")
	if !i.known(RuleSpread, list) || !i.known(RuleSpread, labels) {
		return
	}
	over := map[string]bool{}
	for _, constraint := range list.items() {
		if selects(constraint.get("labelSelector", "matchLabels"), labels) {
			over[constraint.get("topologyKey").text()] = true
		}
	}
	for _, place := range []struct{ key, value string }{
		{zoneKey, "is spread over by no constraint, so that one site may hold all pods"},
		{hostKey, "is spread over by no constraint, so that one node may hold all pods"},
	} {
		if !over[place.key] {
			i.refuse(RuleSpread, place.key, place.value, "add a topologySpreadConstraint that selects its own pods")
		}
	}
}
