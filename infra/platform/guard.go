package platform

import (
	"maps"

	"havre/components/cluster/kubeadm"
	"havre/components/workload/pod"
	"havre/infra/guard"
	"havre/stacks"
)

// guardFacts are the workers as the scheduler will see them. Cores are counted as in the plan, so a server's second threads are no room for a request.
func guardFacts(plan stacks.Plan) guard.Facts {
	facts := guard.Facts{Exceptions: guard.Exceptions()}
	for _, n := range plan.Workers {
		cores := n.Offer.Cores
		if shared := plan.Stack.Runtime.SharedCores; shared > 0 {
			cores = min(cores, shared)
		}
		labels := maps.Clone(n.Labels)
		// These two are kubelet's own.
		labels["kubernetes.io/os"], labels["kubernetes.io/hostname"] = "linux", n.Hostname
		facts.Workers = append(facts.Workers, guard.Node{
			Name: n.Name, Site: n.Site, Labels: labels,
			CPU: pod.CPU(cores*1000 - kubeadm.ReservedCPU), Memory: pod.Bytes(n.Offer.MemoryGiB)*pod.GiB - kubeadm.ReservedMemory,
		})
	}
	return facts
}
