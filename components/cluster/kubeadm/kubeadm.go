// Package kubeadm renders the scripts of a node's life: how a host becomes a node and stops being one. It is pure.
//
// The thing to get wrong: nothing here is a file of the host. A script calls functions of the library (cluster.sh, control-plane.sh, kubernetes.sh, kubeadm.sh, upgrade.sh in
// components/host/script/library) with what is the node's own, and those make the files; so a change of a configuration is a change there, and a preview shows it as
// another checksum of that file on every node. What kubeadm init is told is stored in the cluster and used by every later control-plane node, so nothing of one
// node may be in ClusterConfiguration. A node's own addresses go into patches, into kubelet's drop-in and into kubelet's flags.
package kubeadm

import (
	"maps"
	"net/netip"
	"time"
)

const (
	// DefaultAPIPort is kube-apiserver's, on the mesh address of each control-plane node.
	DefaultAPIPort = 6443
	// DefaultAPIProxyPort is the local proxy's, on 127.0.0.1 of every node. It is in every certificate and kubeconfig of the cluster: changing it later means
	// a new cluster.
	DefaultAPIProxyPort = 7443
	// DefaultMTU is 1500 less WireGuard's 80 bytes (IPv6 40, UDP 8, WireGuard 32).
	DefaultMTU = 1420
	// DefaultMaxPods is kubelet's own default; a /24 has room for 253.
	DefaultMaxPods = 110
	// DefaultDrainTimeout bounds the drain of one node.
	DefaultDrainTimeout = 5 * time.Minute
)

// ReservedCPU, in thousandths of a core, and ReservedMemory, in bytes, are what pods cannot have of an ordinary node: what kubelet keeps for itself, for the system,
// and the memory that must stay free, or it evicts. kubernetes.sh of the library sets them; a test holds the two together.
const (
	ReservedCPU    = 100 + 100
	ReservedMemory = (512 + 256 + 300) << 20
)

// Cluster is what is the same on every node.
type Cluster struct {
	// Name of the cluster, as in kubeconfigs.
	Name string
	// Version is Kubernetes', such as v1.36.3.
	Version string
	Network Network
	// ControlPlane are the control-plane nodes in the order of the stack; the first makes the cluster when there is none, and is nothing special after that.
	ControlPlane []Member
	Release      Release
	Images       Images
	Runtime      Runtime
	// APIPort and APIProxyPort are DefaultAPIPort and DefaultAPIProxyPort when 0.
	APIPort, APIProxyPort int
	// MaxPods a node; DefaultMaxPods when 0.
	MaxPods int
	// DrainTimeout bounds the drain of a node that leaves or changes its version, in whole seconds; DefaultDrainTimeout when 0.
	DrainTimeout time.Duration
	// MaxUnavailable is how many workers may be missing at a time while their version changes, those counted that are missing anyway; 1 when 0.
	MaxUnavailable int
	// SecretsKey is the generation of the key that Secrets are encrypted with in etcd; 1 when 0. A higher one makes a new key, which the control plane takes into
	// use by itself, step by step, within an hour or so.
	SecretsKey int
}

// Network holds the address plan. All of it is fixed for the cluster's life.
type Network struct {
	// Mesh has every host's address; Pods every node's pod CIDR; Services the virtual addresses. They must not overlap.
	Mesh, Pods, Services netip.Prefix
	// DNS is the cluster DNS service's address, inside Services.
	DNS netip.Addr
	// Domain of the cluster DNS; cluster.local when empty.
	Domain string
	// Interface is the mesh's; wg0 when empty.
	Interface string
	// MTU of pods in bytes; DefaultMTU when 0.
	MTU int
	// ExternalCNI leaves the pod network to an add-on (Cilium): no bridge configuration and no masquerading is put on the hosts.
	ExternalCNI bool
}

// Member is one control-plane node.
type Member struct {
	Name    string
	Address netip.Addr
}

// Release is the pinned set of binaries.
type Release struct {
	// Binaries by name: kubeadm, kubelet and kubectl on every node, etcdctl and etcdutl on control-plane nodes.
	Binaries map[string]Binary
}

// Binary is one download.
type Binary struct {
	URL string
	// SHA256 in hexadecimal.
	SHA256 string
}

// Images says where images come from.
type Images struct {
	// Registry holds kube-apiserver, kube-controller-manager, kube-scheduler and etcd under kubeadm's names and tags; kubeadm's own default when empty.
	Registry string
	// PlainHTTP makes the runtime speak HTTP to Registry.
	PlainHTTP bool
	// Pause is the whole reference of the sandbox image.
	Pause string
}

// Runtime is where a host differs from an ordinary machine with Debian; production leaves it zero.
type Runtime struct {
	// Cgroupfs uses the cgroupfs driver instead of systemd's, for hosts on cgroup v1 whose systemd does not own the hierarchy.
	Cgroupfs bool
	// CgroupV1 lets kubelet run on cgroup v1, the last time in 1.36.
	CgroupV1 bool
	// RemountCgroups remounts the cgroup hierarchies writable and shares the mounts at boot.
	RemountCgroups bool
	// RestrictOOMScoreAdj is containerd's option for hosts that may not lower the score.
	RestrictOOMScoreAdj bool
	// SharedKernel is for hosts that share the kernel with others: kernel settings are left alone, kubeadm does not verify the system, kubelet accepts swap, and
	// disks, which are the machine's, may be nearly full.
	SharedKernel bool
}

// Taint as in Kubernetes.
type Taint struct {
	Key, Value string
	// Effect is NoSchedule, PreferNoSchedule or NoExecute.
	Effect string
}

// String is the form kubectl takes: key=value:effect.
func (t Taint) String() string {
	if t.Value == "" {
		return t.Key + ":" + t.Effect
	}
	return t.Key + "=" + t.Value + ":" + t.Effect
}

// Node is one node.
type Node struct {
	// Name is the node's, and its host's.
	Name string
	// Address on the mesh: kubelet, API server and etcd listen on it and nowhere else.
	Address netip.Addr
	// PodCIDR is the node's own /24 of the pods' range.
	PodCIDR      netip.Prefix
	ControlPlane bool
	// Site becomes the label topology.kubernetes.io/zone, Region topology.kubernetes.io/region (left out when empty).
	Site, Region string
	// Labels and Taints beside those that follow from the fields above.
	Labels map[string]string
	Taints []Taint
}

// WithDefaults is a copy with the defaults filled in.
func (c Cluster) WithDefaults() Cluster {
	if c.APIPort == 0 {
		c.APIPort = DefaultAPIPort
	}
	if c.APIProxyPort == 0 {
		c.APIProxyPort = DefaultAPIProxyPort
	}
	if c.MaxPods == 0 {
		c.MaxPods = DefaultMaxPods
	}
	if c.MaxUnavailable == 0 {
		c.MaxUnavailable = 1
	}
	if c.SecretsKey == 0 {
		c.SecretsKey = 1
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = DefaultDrainTimeout
	}
	if c.Network.Domain == "" {
		c.Network.Domain = "cluster.local"
	}
	if c.Network.Interface == "" {
		c.Network.Interface = "wg0"
	}
	if c.Network.MTU == 0 {
		c.Network.MTU = DefaultMTU
	}
	return c
}

const controlPlaneLabel = "node-role.kubernetes.io/control-plane"

// taints are all the taints of the node: a control-plane node keeps workloads away.
func (n Node) taints() []Taint {
	var taints []Taint
	if n.ControlPlane {
		taints = append(taints, Taint{Key: controlPlaneLabel, Effect: "NoSchedule"})
	}
	return append(taints, n.Taints...)
}

// topology are the labels that the Node is registered with. A node's topology must not change under kube-proxy (v1.36.3 with nftables, Linux 6.18): it writes all
// its rules anew, and every second time the map that leads to them stays empty, so that no Service answers on that node.
func (n Node) topology() map[string]string {
	labels := map[string]string{"topology.kubernetes.io/zone": n.Site}
	if n.Region != "" {
		labels["topology.kubernetes.io/region"] = n.Region
	}
	return labels
}

// labels are all the labels that havre sets on the Node.
func (n Node) labels() map[string]string {
	labels := map[string]string{
		// Kubelets may not set labels of this prefix (admission plugin NodeRestriction), so what it says can be trusted when a certificate is asked for.
		"node-restriction.kubernetes.io/mesh-address": n.Address.String(),
	}
	maps.Copy(labels, n.topology())
	if n.ControlPlane {
		labels[controlPlaneLabel] = ""
	} else {
		labels["node-role.kubernetes.io/worker"] = ""
	}
	for key, value := range n.Labels {
		labels[key] = value
	}
	return labels
}
