package guard

import (
	"fmt"
	"slices"

	"havre/components/workload/pod"
)

// demand is what an object's pods request.
type demand struct {
	object object
	// each pod's, in thousandths of a core and in bytes.
	cpu    pod.CPU
	memory pod.Bytes
	// copies is the largest number of pods; of a DaemonSet one on each node that it selects.
	copies    int64
	everyNode bool
	selector  map[string]string
}

// capacity refuses objects whose pods find no room on the workers that remain when a site is lost, with every autoscaler at its maximum. Pods that give way
// are left out: they are evicted for the others. Tasks run once, as often as the cluster is asked to run them at the same time.
//
// Pods are placed largest first, each on the node with the most processor time left: not the scheduler's rule, but where this finds room, there is room.
func (c cluster) capacity(workers []Node) []Refusal {
	demands, refused := c.demands()
	if len(refused) > 0 || len(workers) == 0 {
		return refused
	}
	var sites []string
	for _, n := range workers {
		if !slices.Contains(sites, n.Site) {
			sites = append(sites, n.Site)
		}
	}
	slices.Sort(sites)
	for _, site := range sites {
		left := slices.DeleteFunc(slices.Clone(workers), func(n Node) bool { return n.Site == site })
		for _, short := range place(demands, left) {
			i := &inspection{object: short.object}
			i.refuse(RuleCapacity, fmt.Sprintf("%d of %d pods", short.missing, short.copies),
				fmt.Sprintf("of %s CPU and %s find no room when site %s is lost", short.cpu, short.memory, site), "add workers at another site, or lower the requests or the largest number of pods")
			refused = append(refused, i.found...)
		}
	}
	return refused
}

type shortage struct {
	demand
	missing int64
}

// place puts pods on nodes and gives what found no room, in the order of the demands.
func place(demands []demand, nodes []Node) []shortage {
	free := slices.Clone(nodes)
	fits := func(d demand, n Node) bool {
		for key, value := range d.selector {
			if n.Labels[key] != value {
				return false
			}
		}
		return true
	}
	missing := make([]int64, len(demands))
	copies := make([]int64, len(demands))
	for n, d := range demands {
		if !d.everyNode {
			continue
		}
		for at := range free {
			if !fits(d, free[at]) {
				continue
			}
			copies[n]++
			if free[at].CPU < d.cpu || free[at].Memory < d.memory {
				missing[n]++
				continue
			}
			free[at].CPU -= d.cpu
			free[at].Memory -= d.memory
		}
	}
	order := make([]int, len(demands))
	for n := range order {
		order[n] = n
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(demands[b].cpu) - int(demands[a].cpu) })
	for _, n := range order {
		d := demands[n]
		if d.everyNode {
			continue
		}
		copies[n] = d.copies
		for range d.copies {
			best := -1
			for at := range free {
				if fits(d, free[at]) && free[at].CPU >= d.cpu && free[at].Memory >= d.memory && (best < 0 || free[at].CPU > free[best].CPU) {
					best = at
				}
			}
			if best < 0 {
				missing[n]++
				continue
			}
			free[best].CPU -= d.cpu
			free[best].Memory -= d.memory
		}
	}
	var short []shortage
	for n, d := range demands {
		if missing[n] > 0 {
			d.copies = copies[n]
			short = append(short, shortage{d, missing[n]})
		}
	}
	return short
}

// demands reads what pods request. What it cannot read for being late has been refused by the rule for requests.
func (c cluster) demands() ([]demand, []Refusal) {
	var out []demand
	var refused []Refusal
	for _, o := range c.objects {
		spec, ok := o.podSpec()
		if !ok || spec.late() || c.giveWay[spec.get("priorityClassName").text()] {
			continue
		}
		i := &inspection{object: o}
		d := demand{object: o, copies: 1, everyNode: o.token == daemonSet}
		selector := spec.get("nodeSelector")
		if d.selector, ok = selector.texts(); !ok {
			i.known(RuleCapacity, view{selector.path, late{}})
		}
		if o.token == deployment {
			// A late number of replicas has been refused by its own rule; a late maximum has not.
			if n, ok := o.root.get("spec", "replicas").number(); ok {
				d.copies = n
			}
			if scaler, found := c.autoscaler(o); found {
				if most := scaler.root.get("spec", "maxReplicas"); i.known(RuleCapacity, most) {
					d.copies, _ = most.number()
				}
			}
		}
		d.cpu, d.memory = requests(spec)
		out = append(out, d)
		refused = append(refused, i.found...)
	}
	return out, refused
}

// requests of a pod: the sum of its containers, or its largest init container where that is more.
func requests(spec view) (cpu pod.CPU, memory pod.Bytes) {
	read := func(c view) (pod.CPU, pod.Bytes) {
		requested := c.get("resources", "requests")
		thousandths, _ := quantity(requested.get("cpu").text())
		bytes, _ := quantity(requested.get("memory").text())
		return pod.CPU(thousandths), pod.Bytes((bytes + 999) / 1000)
	}
	for _, c := range spec.get("containers").items() {
		moreCPU, moreMemory := read(c)
		cpu, memory = cpu+moreCPU, memory+moreMemory
	}
	for _, c := range spec.get("initContainers").items() {
		initCPU, initMemory := read(c)
		cpu, memory = max(cpu, initCPU), max(memory, initMemory)
	}
	return cpu, memory
}
