package tools

import (
	"fmt"
	"sort"
	"strings"
)

// Tool is one pinned program.
type Tool struct {
	// Name is the binary's file name, unique in the catalogue.
	Name string
	// Version is what the module pins, for people; the module's go.mod decides.
	Version string
	// Module is the folder below infra/tools/modules.
	Module string
	// Package is the main package to build, an import path or "." for the module's own.
	Package string
	// LinkerFlags is the value of -ldflags.
	LinkerFlags string
	// Tags are build tags, separated by commas.
	Tags string
	// Use says what the tool is for, in one line of `havre tools list`.
	Use string
	// OnDemand is built only where it is named: Names leaves it out.
	OnDemand bool
}

// The versions of the tools that come in more than one binary.
const (
	pulumiVersion     = "v3.256.0"
	kubernetesVersion = "v1.36.3"
	previousVersion   = "v1.35.4"
	etcdVersion       = "v3.6.8"
	ciliumVersion     = "v1.19.4"
)

// stripped leaves symbol tables and DWARF out: a third of the size, and the hosts of the sandbox download every binary.
const stripped = "-s -w"

// The flags that stamp the version into a binary. Without them `pulumi version` is blank and kubeadm refuses to tell which release it would install.
const (
	pulumiFlags     = stripped + " -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=" + pulumiVersion
	kubernetesFlags = stripped + " -X k8s.io/component-base/version.gitVersion="
	ciliumFlags     = stripped + " -X github.com/cilium/cilium/pkg/version.ciliumVersion=" + ciliumVersion
)

// Previous is what a tool of the minor version of Kubernetes before ours is called, from which the drills upgrade.
func Previous(name string) string { return name + "-previous" }

// catalogue lists the tools in the order in which All builds them: what is needed first comes first, so that a bring-up can begin beside the rest.
var catalogue = []Tool{
	{Name: "pulumi", Version: pulumiVersion, Module: "pulumi", Package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", LinkerFlags: pulumiFlags, Use: "the engine and its command line"},
	kubernetes("kubeadm", "forms and joins the cluster"),
	kubernetes("kubelet", "the node agent"),
	kubernetes("kubectl", "the cluster's command line"),
	kubernetes("kube-apiserver", "control plane"),
	kubernetes("kube-controller-manager", "control plane"),
	kubernetes("kube-scheduler", "control plane"),
	kubernetes("kube-proxy", "Service addresses on every node"),
	etcd("etcd", "server", "the cluster's store"),
	etcd("etcdctl", "etcdctl", "health, members and snapshots of the store"),
	etcd("etcdutl", "etcdutl", "restores a snapshot"),
	{Name: "wireguard-go", Version: "v0.0.0-20260522210424-ecfc5a8d5446", Module: "wireguard-go", Package: "golang.zx2c4.com/wireguard", LinkerFlags: stripped, Use: "the mesh where the kernel has no WireGuard"},
	{Name: "pulumi-resource-kubernetes", Version: "v4.23.0", Module: "pulumi-kubernetes", Package: ".", LinkerFlags: stripped, Use: "Pulumi's own Kubernetes plugin"},
	{Name: "caddy", Version: "v2.11.9", Module: "caddy", Package: ".", LinkerFlags: stripped, Use: "TLS and routing at the edge"},
	{Name: "coredns", Version: "v1.15.0", Module: "coredns", Package: "github.com/coredns/coredns", LinkerFlags: stripped, Use: "cluster DNS"},
	{Name: "metrics-server", Version: "v0.9.0", Module: "metrics-server", Package: "sigs.k8s.io/metrics-server/cmd/metrics-server", LinkerFlags: stripped, Use: "the figures that autoscaling reads"},
	cilium("cilium-agent", "daemon", "osusergo", "pod network, Services and policies of every node"),
	cilium("cilium-operator-generic", "operator", "osusergo,ipam_provider_operator", "what Cilium needs once for a cluster"),
	cilium("cilium-cni", "plugins/cilium-cni", "osusergo", "gives a pod its interface"),
	cilium("cilium-dbg", "cilium-dbg", "osusergo", "what an agent knows, and what it dropped"),
	{Name: "kube-bench", Version: "v0.12.0", Module: "kube-bench", Package: "github.com/aquasecurity/kube-bench", LinkerFlags: stripped, Use: "havre audit"},
	{Name: "golangci-lint", Version: "v2.15.0", Module: "golangci-lint", Package: "github.com/golangci/golangci-lint/v2/cmd/golangci-lint", LinkerFlags: stripped, Use: "make check"},
	previous("kubeadm"), previous("kubelet"), previous("kube-apiserver"), previous("kube-controller-manager"), previous("kube-scheduler"),
}

func kubernetes(name, use string) Tool {
	return Tool{Name: name, Version: kubernetesVersion, Module: "kubernetes", Package: "k8s.io/kubernetes/cmd/" + name, LinkerFlags: kubernetesFlags + kubernetesVersion, Use: use}
}

func previous(name string) Tool {
	return Tool{
		Name: Previous(name), Version: previousVersion, Module: "kubernetes-previous", Package: "k8s.io/kubernetes/cmd/" + name, LinkerFlags: kubernetesFlags + previousVersion,
		Use: "what the drill upgrade begins with", OnDemand: true,
	}
}

func etcd(name, pkg, use string) Tool {
	return Tool{Name: name, Version: etcdVersion, Module: "etcd", Package: "go.etcd.io/etcd/" + pkg + "/v3", LinkerFlags: stripped, Use: use}
}

func cilium(name, pkg, tags, use string) Tool {
	return Tool{Name: name, Version: ciliumVersion, Module: "cilium", Package: "github.com/cilium/cilium/" + pkg, LinkerFlags: ciliumFlags, Tags: tags, Use: use}
}

// Catalogue returns every tool, in build order. The caller owns the slice.
func Catalogue() []Tool { return append([]Tool(nil), catalogue...) }

// Names returns the names of the tools that are built when none is named, in build order.
func Names() []string {
	var names []string
	for _, t := range catalogue {
		if !t.OnDemand {
			names = append(names, t.Name)
		}
	}
	return names
}

// Find returns the tool of a name. The error lists the names there are.
func Find(name string) (Tool, error) { return find(catalogue, name) }

func find(list []Tool, name string) (Tool, error) {
	known := make([]string, 0, len(list))
	for _, t := range list {
		if t.Name == name {
			return t, nil
		}
		known = append(known, t.Name)
	}
	sort.Strings(known)
	return Tool{}, fmt.Errorf("tool %q is not in the catalogue; use one of %s, or add it to infra/tools/catalogue.go", name, strings.Join(known, ", "))
}
