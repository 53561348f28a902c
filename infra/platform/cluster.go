package platform

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/addons/cilium"
	"havre/components/addons/coredns"
	"havre/components/addons/etcdbackup"
	"havre/components/addons/kubeproxy"
	"havre/components/addons/metricsserver"
	"havre/components/cluster"
	"havre/components/wireguard"
	"havre/components/wireguard/conf"
	"havre/stacks"
)

// buildCluster makes a Kubernetes cluster of the control-plane nodes and workers. Retired nodes are not in it: taking one out drains it first.
func buildCluster(ctx *pulumi.Context, plan stacks.Plan, settings Settings, fleet []machine, mesh *wireguard.Mesh) (*cluster.Cluster, error) {
	args := cluster.Args{
		Network: cluster.Network{
			Mesh: plan.Stack.Mesh.CIDR, Pods: plan.Stack.Pods.CIDR, Services: plan.Stack.Services.CIDR,
			DNS: plan.ClusterDNS, Domain: plan.Stack.Services.Domain, Interface: conf.Interface, MTU: plan.Stack.Pods.MTU,
			ExternalCNI: plan.Stack.Pods.Network == stacks.NetworkCilium,
		},
		Version:      "v" + plan.Stack.Cluster.KubernetesVersion,
		Release:      cluster.Release{Binaries: map[string]cluster.Binary{}},
		Images:       cluster.Images{Registry: settings.ImageRegistry, Pause: settings.Images["pause"], PlainHTTP: plan.Stack.Sandbox},
		APIPort:      plan.Stack.Cluster.APIPort,
		APIProxyPort: plan.Stack.Cluster.ProxyPort,
		Runtime: cluster.Runtime{
			Cgroupfs:            plan.Stack.Runtime.CgroupDriver == "cgroupfs",
			CgroupV1:            plan.Stack.Runtime.CgroupV1,
			RemountCgroups:      plan.Stack.Sandbox,
			RestrictOOMScoreAdj: plan.Stack.Runtime.RestrictOOMScoreAdj,
			SharedKernel:        plan.Stack.Sandbox,
		},
		ProxyURL:       plan.Stack.Cluster.APIJump,
		SecretsKey:     plan.Stack.Cluster.SecretsKey,
		MaxUnavailable: plan.Stack.Cluster.MaxUnavailable,
	}
	if args.ProxyURL != "" {
		// Seen from the host that the jump goes through: its own proxy before all API servers, so the kubeconfig outlives each of them.
		args.APIServer = plan.APIEndpoint
	}
	for _, name := range binaries {
		args.Release.Binaries[name] = cluster.Binary{URL: settings.URL(name), SHA256: settings.Artifacts[name].SHA256}
	}
	// The control plane first, in the order of the indexes: the first of the list is where invitations are written and where the kubeconfig leads. One in the
	// rescue system can be neither, so it comes last.
	for _, place := range []int{0, 1, 2} {
		for _, m := range fleet {
			controlPlane := m.Has(stacks.RoleControlPlane)
			if m.Retired || !m.InCluster() || placeOf(m) != place {
				continue
			}
			node := cluster.Node{
				Name:         m.Name,
				Connection:   m.connection,
				MeshAddress:  m.Mesh,
				PodCIDR:      m.PodCIDR,
				ControlPlane: controlPlane,
				Site:         m.Site,
				Region:       m.Location.Region,
				Labels:       map[string]string{},
				DependsOn:    []pulumi.Resource{mesh.Peers[m.Name].Interface},
			}
			// The others follow from site, region and control plane, which the component is told; so does the taint.
			for _, label := range []string{stacks.LabelInstanceType, stacks.LabelEdge} {
				if value, found := m.Labels[label]; found {
					node.Labels[label] = value
				}
			}
			args.Nodes = append(args.Nodes, node)
		}
	}
	made, err := cluster.New(ctx, "cluster", args, pulumi.DependsOn(mesh.Resources()))
	if err != nil {
		return nil, fmt.Errorf("stack %s: %w", plan.Stack.Name, err)
	}
	return made, nil
}

// placeOf orders the nodes of the cluster: control plane that answers, control plane that does not, workers.
func placeOf(m machine) int {
	switch {
	case !m.Has(stacks.RoleControlPlane):
		return 2
	case m.Rescue:
		return 1
	default:
		return 0
	}
}

// binaries are the artifacts that every node of the cluster needs; etcdctl and etcdutl are for the control plane.
var binaries = []string{"kubeadm", "kubelet", "kubectl", "etcdctl", "etcdutl"}

// addonImages are the images of what every cluster has; networkImages those of its pod network.
var (
	addonImages   = []string{"coredns", "metrics-server", "pause"}
	networkImages = map[stacks.PodNetwork][]string{
		stacks.NetworkCilium: {"cilium", "cilium-operator"},
		stacks.NetworkBridge: {"kube-proxy"},
	}
)

// publicDevices are the names that Debian gives network cards.
var publicDevices = []string{"en+", "eth+"}

// newProvider is the way to the cluster's API. Objects go by server-side apply, so that a run on a lost state adopts what exists.
func newProvider(ctx *pulumi.Context, made *cluster.Cluster) (*kubernetes.Provider, error) {
	return kubernetes.NewProvider(ctx, "kubernetes", &kubernetes.ProviderArgs{
		Kubeconfig:            made.Kubeconfig,
		EnableServerSideApply: pulumi.Bool(true),
		// The address in the kubeconfig is one node's. Without a name of its own the cluster would count as another one when that node is retired, and
		// every object would be replaced.
		ClusterIdentifier: pulumi.String(ctx.Stack()),
		// A cluster that does not answer must stop the run. Deleting its objects from the state instead would lose them.
		DeleteUnreachable: pulumi.Bool(false),
	}, pulumi.DependsOn(made.Resources()))
}

// buildBackup tells the control plane where its backups go. Nothing waits for it.
func buildBackup(ctx *pulumi.Context, plan stacks.Plan, settings Settings, opts ...pulumi.ResourceOption) error {
	backup := plan.Stack.Cluster.Backup
	_, err := etcdbackup.New(ctx, "etcd-backup", etcdbackup.Args{
		Repository: strings.Join([]string{backup.Storage.Endpoint, backup.Storage.Bucket, plan.Stack.Name}, "/"), Region: backup.Storage.Region,
		Every: backup.Every, KeepHourly: backup.KeepHourly, KeepDaily: backup.KeepDaily,
		AccessKey: settings.BackupAccessKey, SecretKey: settings.BackupSecretKey, Password: settings.BackupPassword,
	}, opts...)
	return err
}

// addons are what a service may have to wait for.
type addons struct {
	// network is the way to pods and Services, dns their names.
	network, dns []pulumi.Resource
}

// buildAddons puts into the cluster what every cluster has.
func buildAddons(ctx *pulumi.Context, plan stacks.Plan, settings Settings, opts ...pulumi.ResourceOption) (*addons, error) {
	network, err := buildPodNetwork(ctx, plan, settings, opts...)
	if err != nil {
		return nil, err
	}
	dns, err := coredns.New(ctx, "coredns", coredns.Args{
		Image: settings.Images["coredns"], ClusterIP: plan.ClusterDNS, Domain: plan.Stack.Services.Domain, Upstreams: plan.Stack.Services.Resolvers,
	}, append(slices.Clone(opts), pulumi.DependsOn(network))...)
	if err != nil {
		return nil, err
	}
	// Autoscalers read its figures once they are there; nothing waits for them.
	if _, err := metricsserver.New(ctx, "metrics-server", metricsserver.Args{Image: settings.Images["metrics-server"]}, opts...); err != nil {
		return nil, err
	}
	if err := buildBackup(ctx, plan, settings, opts...); err != nil {
		return nil, err
	}
	return &addons{network: network, dns: dns.Resources()}, nil
}

// buildPodNetwork makes Services work, and gives pods their network where the hosts do not.
func buildPodNetwork(ctx *pulumi.Context, plan stacks.Plan, settings Settings, opts ...pulumi.ResourceOption) ([]pulumi.Resource, error) {
	stack := plan.Stack
	if stack.Pods.Network == stacks.NetworkBridge {
		proxy, err := kubeproxy.New(ctx, "kube-proxy", kubeproxy.Args{
			Image: settings.Images["kube-proxy"], PodCIDR: stack.Pods.CIDR, APIServer: "https://" + plan.APIEndpoint.String(),
		}, opts...)
		if err != nil {
			return nil, err
		}
		return proxy.Resources(), nil
	}
	network, err := cilium.New(ctx, "cilium", cilium.Args{
		AgentImage: settings.Images["cilium"], OperatorImage: settings.Images["cilium-operator"],
		Pods: stack.Pods.CIDR, Mesh: stack.Mesh.CIDR, MeshInterface: conf.Interface, MeshMTU: stack.Mesh.MTU,
		Devices: publicDevices, MTU: stack.Pods.MTU, APIServer: plan.APIEndpoint,
	}, opts...)
	if err != nil {
		return nil, err
	}
	return network.Resources(), nil
}
