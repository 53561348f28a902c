// Package cluster makes a Kubernetes cluster of prepared hosts that are in the mesh: kubeadm with stacked etcd, every part of it on mesh addresses.
//
// The thing to get wrong: no node is special, and the graph must not make one so. Every node has the same resources whatever its place in the list, and the
// first one is only where invitations are written; so taking it out of the list moves commands to the next node and removes nothing there. And what is done about
// a node from outside never runs on that node: what drains it and takes it out must work when it is dead.
package cluster

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/cluster/kubeadm"
	"havre/components/host"
	"havre/components/naming"
)

type (
	// Network is the address plan.
	Network = kubeadm.Network
	// Release is the pinned set of binaries.
	Release = kubeadm.Release
	// Binary is one download.
	Binary = kubeadm.Binary
	// Images says where images come from.
	Images = kubeadm.Images
	// Runtime is where a host differs from an ordinary machine.
	Runtime = kubeadm.Runtime
	// Taint is as in Kubernetes.
	Taint = kubeadm.Taint
)

// Packages are the Debian packages a node needs beside the base set-up's; an image that has them asks nothing of the network.
var Packages = kubeadm.Packages

// Args describes a cluster.
type Args struct {
	// Nodes in the order of the stack. A node that is retired is simply no longer in the list: it is drained, leaves and is reset.
	Nodes []Node
	// Network is the address plan, fixed for the cluster's life.
	Network Network
	// Version of Kubernetes, such as v1.36.3; Release holds its binaries, Images says where the images come from.
	Version string
	Release Release
	Images  Images
	// Runtime is where the hosts differ from ordinary machines; zero in production.
	Runtime Runtime
	// APIPort and APIProxyPort are 6443 and 7443 when 0.
	APIPort, APIProxyPort int
	// MaxPods a node, 110 when 0.
	MaxPods int
	// MaxUnavailable is how many workers may be missing at a time while their version changes; 1 when 0.
	MaxUnavailable int
	// DrainTimeout bounds the drain of a node that leaves or changes its version; 5 min when 0.
	DrainTimeout time.Duration
	// SecretsKey is the generation of the key that Secrets are encrypted with in etcd; 1 when 0.
	SecretsKey int
	// APIServer is the address in the kubeconfig; the first control-plane node's on the mesh when it is not valid.
	APIServer netip.AddrPort
	// ProxyURL in the kubeconfig, such as socks5://127.0.0.1:19090; none when empty.
	ProxyURL string
}

// Node is one node.
type Node struct {
	// Name is the node's and the host's.
	Name       string
	Connection host.Connection
	// MeshAddress is the node's address in Kubernetes; PodCIDR its /24.
	MeshAddress  netip.Addr
	PodCIDR      netip.Prefix
	ControlPlane bool
	// Site and Region become the topology labels; Region may be empty.
	Site, Region string
	Labels       map[string]string
	Taints       []Taint
	// DependsOn is what must be on the host before: the base set-up and the mesh.
	DependsOn []pulumi.Resource
}

// Cluster is a running cluster.
type Cluster struct {
	pulumi.ResourceState

	// Kubeconfig is the administrator's, as JSON; secret.
	Kubeconfig pulumi.StringOutput
	// Ready are the resources after which the cluster takes work: every worker is Ready with its labels and taints, which the first control-plane node's API
	// says. What runs in the cluster depends on them, so that it is also gone before the first worker is drained. It does not wait for the rest of the control
	// plane, whose etcd members enter one after another: the API serves all the while, for a member has no vote until it has caught up. With Network.ExternalCNI
	// they are known, and Ready once the pod network, an add-on, is there.
	Ready []pulumi.Resource
	// Nodes are a resource of each node after which it is Ready.
	Nodes map[string]pulumi.Resource

	kubeconfig pulumi.Resource
}

// Resources are the real resources to depend on: Ready, and the kubeconfig.
func (c *Cluster) Resources() []pulumi.Resource { return append(slices.Clone(c.Ready), c.kubeconfig) }

// node is a component that only groups one node's resources under its name.
type node struct {
	pulumi.ResourceState

	plain   kubeadm.Node
	args    Node
	prepare *host.Command
	join    *host.Command
}

// New makes the cluster. name is its logical name and its name in kubeconfigs.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Cluster, error) {
	plain, nodes, err := args.plan(name)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	c := &Cluster{Nodes: map[string]pulumi.Resource{}}
	if err := ctx.RegisterComponentResource(naming.Cluster, name, c, opts...); err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}

	// Binaries and configuration, everywhere at once.
	var controlPlane []*node
	for _, n := range nodes {
		if err := ctx.RegisterComponentResource(naming.ClusterNode, n.plain.Name, n, pulumi.Parent(c)); err != nil {
			return nil, fmt.Errorf("node %s: %w", n.plain.Name, err)
		}
		n.prepare, err = n.command(ctx, "kubernetes", host.CommandArgs{
			Connection: n.args.Connection,
			Library:    kubeadm.PrepareFiles(n.plain.ControlPlane),
			Create:     pulumi.String(kubeadm.Prepare(plain, n.plain)),
			Delete:     pulumi.String(kubeadm.Unprepare()),
		}, n.args.DependsOn...)
		if err != nil {
			return nil, err
		}
		if n.plain.ControlPlane {
			controlPlane = append(controlPlane, n)
		}
	}

	// The first makes the cluster, unless another already serves: then that one invites it like any other, which is how node 0 is replaced.
	first := controlPlane[0]
	invitation, after := pulumi.StringInput(pulumi.String("{}")), []pulumi.Resource{first.prepare.Resource}
	if len(controlPlane) > 1 {
		command, err := first.invite(ctx, controlPlane[1], true, controlPlane[1].prepare.Resource)
		if err != nil {
			return nil, err
		}
		invitation, after = command.Stdout, append(after, command.Resource)
	}
	if err := first.enter(ctx, invitation, true, after...); err != nil {
		return nil, err
	}

	// All others at the same time. The preparation of a control-plane node brings it to another version, and no kubelet may be ahead of any of them; where nothing is
	// there yet, all have
	// long been prepared when the first is in.
	for _, n := range nodes {
		if n == first {
			continue
		}
		command, err := n.invite(ctx, first, false, first.join.Resource)
		if err != nil {
			return nil, err
		}
		after := []pulumi.Resource{n.prepare.Resource, command.Resource}
		if !n.plain.ControlPlane {
			for _, c := range controlPlane {
				after = append(after, c.prepare.Resource)
			}
		}
		if err := n.enter(ctx, command.Stdout, false, after...); err != nil {
			return nil, err
		}
	}
	for _, n := range nodes {
		// The first one's runs on the second: on itself, nothing could take it out once it is dead.
		on := first
		if n == first && len(controlPlane) > 1 {
			on = controlPlane[1]
		}
		member, err := n.command(ctx, "member", host.CommandArgs{
			Connection: on.args.Connection,
			Library:    kubeadm.MemberFiles(),
			Create:     pulumi.String(kubeadm.Admit(plain, n.plain)),
			Delete:     pulumi.String(kubeadm.Retire(plain, n.plain)),
			// It would wait for a node that cannot become ready.
			Frozen: n.args.Connection.Held,
		}, uniq(on.join.Resource, n.join.Resource)...)
		if err != nil {
			return nil, err
		}
		c.Nodes[n.plain.Name] = member.Resource
		// A control-plane node alone takes the work itself.
		if !n.plain.ControlPlane || n == on {
			c.Ready = append(c.Ready, member.Resource)
		}
	}

	kubeconfig, err := host.NewCommand(ctx, naming.Child(name, "kubeconfig"), host.CommandArgs{
		Connection:   first.args.Connection,
		Library:      kubeadm.Files(true),
		Once:         true,
		Create:       pulumi.String(kubeadm.Kubeconfig(plain, "https://"+args.server(first.plain, plain).String(), args.ProxyURL)),
		SecretOutput: true,
	}, pulumi.Parent(c), pulumi.DependsOn([]pulumi.Resource{first.join.Resource}))
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	c.kubeconfig = kubeconfig.Resource
	c.Kubeconfig = pulumi.ToSecret(kubeconfig.Stdout).(pulumi.StringOutput)
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"kubeconfig": c.Kubeconfig})
}

// command is one of the node's resources. Delete comes before create when one is replaced: the delete scripts undo what the create scripts do on the same
// host.
func (n *node) command(ctx *pulumi.Context, role string, args host.CommandArgs, after ...pulumi.Resource) (*host.Command, error) {
	command, err := host.NewCommand(ctx, naming.Child(n.plain.Name, role), args,
		pulumi.Parent(n), pulumi.DependsOn(after), pulumi.DeleteBeforeReplace(true))
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", n.plain.Name, err)
	}
	return command, nil
}

// invite makes the node's invitation on another node, once: other code is no reason for another token. The node's host key goes in, so that a host that was
// installed again gets a new one: tokens are good
// for a day only.
func (n *node) invite(ctx *pulumi.Context, on *node, founder bool, after pulumi.Resource) (*host.Command, error) {
	return n.command(ctx, "invitation", host.CommandArgs{
		Connection:   on.args.Connection,
		Library:      kubeadm.Files(true),
		Once:         true,
		Create:       pulumi.String(kubeadm.Invite(n.plain, founder)),
		Stdin:        n.args.Connection.HostKey,
		SecretOutput: true,
		Frozen:       n.args.Connection.Held,
	}, after)
}

// enter joins the node, or founds the cluster, once: a node that is in does not join again because the code has changed. An update never founds: on a node that was
// in, it would make a second cluster beside the first.
func (n *node) enter(ctx *pulumi.Context, invitation pulumi.StringInput, found bool, after ...pulumi.Resource) (err error) {
	args := host.CommandArgs{
		Connection: n.args.Connection,
		Library:    kubeadm.Files(n.plain.ControlPlane),
		Once:       true,
		Create:     pulumi.String(kubeadm.Join(found)),
		Delete:     pulumi.String(kubeadm.Leave()),
		Stdin:      invitation,
	}
	if found {
		args.Update = pulumi.String(kubeadm.Join(false))
	}
	n.join, err = n.command(ctx, "join", args, after...)
	return err
}

// plan is the plain description, validated with everything that is wrong at once.
func (a Args) plan(name string) (kubeadm.Cluster, []*node, error) {
	c := kubeadm.Cluster{
		Name: name, Version: a.Version, Network: a.Network, Release: a.Release, Images: a.Images, Runtime: a.Runtime,
		APIPort: a.APIPort, APIProxyPort: a.APIProxyPort, MaxPods: a.MaxPods, MaxUnavailable: a.MaxUnavailable, DrainTimeout: a.DrainTimeout, SecretsKey: a.SecretsKey,
	}.WithDefaults()
	var plain []kubeadm.Node
	var nodes []*node
	var errs []error
	for _, n := range a.Nodes {
		p := kubeadm.Node{
			Name: n.Name, Address: n.MeshAddress, PodCIDR: n.PodCIDR, ControlPlane: n.ControlPlane, Site: n.Site, Region: n.Region,
			Labels: maps.Clone(n.Labels), Taints: slices.Clone(n.Taints),
		}
		plain = append(plain, p)
		nodes = append(nodes, &node{plain: p, args: n})
		if n.ControlPlane {
			c.ControlPlane = append(c.ControlPlane, kubeadm.Member{Name: n.Name, Address: n.MeshAddress})
		}
		if err := n.Connection.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("node %s: %w", n.Name, err))
		}
	}
	if a.ProxyURL != "" {
		if u, err := url.Parse(a.ProxyURL); err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
			errs = append(errs, fmt.Errorf("proxy %q is no http, https or socks5 URL; write it like socks5://127.0.0.1:1080", a.ProxyURL))
		}
	}
	return c, nodes, errors.Join(append([]error{c.Validate(), c.ValidateNodes(plain)}, errs...)...)
}

func (a Args) server(first kubeadm.Node, c kubeadm.Cluster) netip.AddrPort {
	if a.APIServer.IsValid() {
		return a.APIServer
	}
	return netip.AddrPortFrom(first.Address, uint16(c.APIPort))
}

func uniq(a, b pulumi.Resource) []pulumi.Resource {
	if a == b {
		return []pulumi.Resource{a}
	}
	return []pulumi.Resource{a, b}
}
