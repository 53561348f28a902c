package kubeadm

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"havre/components/host/script"
)

// Packages are Debian's that a node needs beside the base set-up's; kubernetes.sh makes sure of them.
var Packages = []string{"containerd", "containernetworking-plugins", "haproxy", "iproute2", "nftables", "openssl", "restic", "runc"}

// Files of the library: of everything that a node does for itself, and of what its preparation uses beside.
func Files(controlPlane bool) []string {
	if controlPlane {
		return []string{"cluster.sh", "control-plane.sh", "etcd.sh", "hardening.sh"}
	}
	return []string{"cluster.sh"}
}

// PrepareFiles are those of Prepare and Unprepare.
func PrepareFiles(controlPlane bool) []string {
	files := append(Files(controlPlane), "kubernetes.sh", "kubeadm.sh", "upgrade.sh")
	if controlPlane {
		// What the API server reads; see components/cluster/policy.
		files = append(files, "absence.sh", "admission.json", "audit.json", "authentication.json")
	}
	return files
}

// MemberFiles are those of Admit and Retire.
func MemberFiles() []string { return append(Files(true), "absence.sh", "upgrade.sh") }

// Prepare is the script of <node>-kubernetes: runtime, binaries, CNI, API proxy and configuration, up to the point where kubeadm can run. On a node that is
// in the cluster it brings changes in; each service is restarted only when something of its own has changed. To another version it brings a control-plane node, one
// after the other; a worker it makes ready for it.
func Prepare(c Cluster, n Node) string {
	names := nodeBinaries
	if n.ControlPlane {
		names = controlPlaneBinaries
	}
	var b strings.Builder
	b.WriteString("kubernetes_prepare")
	for _, name := range names {
		binary := c.Release.Binaries[name]
		b.WriteString(" \\\n  " + script.Quote(name+"="+binary.SHA256+"="+binary.URL))
	}
	b.WriteString(" <<'EOF'\n" + c.NodeEnvironment(n) + "EOF\n")
	return b.String()
}

// Unprepare is the delete of <node>-kubernetes.
func Unprepare() string { return "kubernetes_remove\n" }

// Invite is the script of <node>-invitation, which runs on another control-plane node and prints the invitation as JSON: token, caCertHash and
// certificateKey, empty for a worker. For the node that would make the cluster (founder) it prints {} as long as there is none. Its output is secret.
func Invite(n Node, founder bool) string {
	role := "worker"
	switch {
	case founder:
		role = "founder"
	case n.ControlPlane:
		role = "control-plane"
	}
	return "cluster_invite " + script.Words(n.Name, role) + "\n"
}

// Join is the script of <node>-join; the invitation comes on standard input. With found the node makes the cluster when its invitation is {} and nobody
// serves.
func Join(found bool) string { return "cluster_join " + yes(found) + "\n" }

// Leave is the delete of <node>-join: out of etcd, reset, clean.
func Leave() string { return "cluster_leave\n" }

// Admit is the script of <node>-member, which runs on a control-plane node: pod CIDR, labels, taints, the serving certificate, then Ready; and of a worker the version, to which it
// is brought when its turn has come.
func Admit(c Cluster, n Node) string {
	call := "cluster_admit "
	if !n.ControlPlane {
		// A line of its own, or a preview would cut the version off behind the library's checksums.
		call = "upgrade_admit \\\n  " + script.Words(c.Version, strconv.Itoa(c.MaxUnavailable), strconv.Itoa(int(c.DrainTimeout.Seconds()))) + " \\\n  "
	}
	words := []string{n.Name, n.Address.String(), n.PodCIDR.String()}
	for _, t := range n.taints() {
		words = append(words, t.String())
	}
	var labels strings.Builder
	all := n.labels()
	for _, key := range slices.Sorted(maps.Keys(all)) {
		labels.WriteString(key + "=" + all[key] + "\n")
	}
	return call + script.Words(words...) + " <<'EOF'\n" + labels.String() + "EOF\n"
}

// Retire is the delete of <node>-member, which runs on a control-plane node other than n: drain, then delete the Node. Where n is of the control plane and does
// not answer, its member leaves etcd; one that is alive does that itself (Leave).
func Retire(c Cluster, n Node) string {
	words := []string{n.Name, strconv.Itoa(int(c.DrainTimeout.Seconds()))}
	if n.ControlPlane {
		words = append(words, n.Address.String())
	}
	return "cluster_retire " + script.Words(words...) + "\n"
}

// The steps of a restore on a control-plane node, in their order; each may run again. Snapshots and NewestSnapshot only read.
const (
	Snapshots      = "etcd_snapshots"
	NewestSnapshot = "etcd_newest_snapshot"
	StopEtcd       = "etcd_stop"
	StartEtcd      = "etcd_start"
	EtcdStarted    = "etcd_started"
)

// EtcdFiles are the files of the library that the steps of a restore use.
var EtcdFiles = Files(true)

// FetchEtcd brings a backup onto the host, by its whole ID, and sees that it is whole.
func FetchEtcd(snapshot string) string { return "etcd_fetch " + script.Quote(snapshot) }

// PutEtcd makes the fetched backup the data of the host's member. members are all members of the cluster to be.
func PutEtcd(members []Member) string {
	peers := make([]string, len(members))
	for i, m := range members {
		peers[i] = m.Name + "=https://" + m.Address.String() + ":2380"
	}
	return "etcd_put " + script.Quote(strings.Join(peers, ","))
}

// Kubeconfig prints the administrator's kubeconfig for server (https://…) and proxy (socks5://…, may be empty). Its output is secret.
func Kubeconfig(c Cluster, server, proxy string) string {
	return "cluster_kubeconfig " + script.Words(server, proxy, c.Name) + "\n"
}
