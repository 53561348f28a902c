package kubeadm

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"havre/components/host/script"
)

// NodeEnvironment is what the host is told of the node and of the cluster, as assignments for bash: everything that differs from one node or one cluster to
// another. Whatever follows from it (the configuration of containerd, kubelet, kubeadm, the CNI and the local API proxy) is made on the host by kubernetes.sh of
// the library, because a text that is the same everywhere would lie in the state once for every node, twice.
func (c Cluster) NodeEnvironment(n Node) string {
	var b strings.Builder
	set := func(name, value string) {
		if value != "" {
			b.WriteString(name + "=" + script.Quote(value) + "\n")
		}
	}
	var members, taints, topology []string
	for _, m := range c.ControlPlane {
		members = append(members, m.Name+"="+m.Address.String())
	}
	for _, t := range n.taints() {
		taints = append(taints, t.String())
	}
	labels := n.topology()
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		topology = append(topology, key+"="+labels[key])
	}
	set("NODE", n.Name)
	set("ADDRESS", n.Address.String())
	set("POD_CIDR", n.PodCIDR.String())
	set("CONTROL_PLANE", yes(n.ControlPlane))
	set("TAINTS", strings.Join(taints, " "))
	set("TOPOLOGY", strings.Join(topology, ","))
	set("CLUSTER", c.Name)
	set("VERSION", c.Version)
	set("CONTROL_PLANE_NODES", strings.Join(members, " "))
	set("API_PORT", strconv.Itoa(c.APIPort))
	set("PROXY_PORT", strconv.Itoa(c.APIProxyPort))
	set("MESH", c.Network.Mesh.String())
	set("PODS", c.Network.Pods.String())
	set("SERVICES", c.Network.Services.String())
	set("DNS", c.Network.DNS.String())
	set("DOMAIN", c.Network.Domain)
	set("INTERFACE", c.Network.Interface)
	set("MTU", strconv.Itoa(c.Network.MTU))
	cni := "bridge"
	if c.Network.ExternalCNI {
		cni = "external"
	}
	set("CNI", cni)
	if n.ControlPlane {
		set("SECRETS_KEY", strconv.Itoa(c.SecretsKey))
	}
	set("MAX_PODS", strconv.Itoa(c.MaxPods))
	set("PAUSE", c.Images.Pause)
	set("REGISTRY", c.Images.Registry)
	if c.Images.PlainHTTP {
		set("PLAIN_HTTP", "yes")
	}
	set("RUNTIME", strings.Join(c.Runtime.words(), " "))
	return b.String()
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// words are the differences from an ordinary machine; none in production.
func (r Runtime) words() []string {
	var words []string
	for _, w := range []struct {
		is   bool
		word string
	}{
		{r.Cgroupfs, "cgroupfs"}, {r.CgroupV1, "cgroup-v1"}, {r.RemountCgroups, "remount-cgroups"},
		{r.RestrictOOMScoreAdj, "restrict-oom-score-adj"}, {r.SharedKernel, "shared-kernel"},
	} {
		if w.is {
			words = append(words, w.word)
		}
	}
	return words
}
