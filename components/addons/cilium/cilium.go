// Package cilium is the pod network: Cilium's agent on every node and its operator, which also take kube-proxy's place and enforce network policies. Packets between nodes
// are routed over the mesh as they are, without an overlay.
//
// The thing to get wrong: the pods' MTU. A pod's packet leaves through a redirect in BPF, and the kernel then holds its length with the Ethernet header of 14 bytes against the
// mesh's MTU plus 4 (a VLAN tag's), because the mesh's interface has no such header of its own (is_skb_forwardable in net/core/dev.c). So at most the mesh's MTU less
// Headroom passes, and what is longer vanishes without a word; bulk TCP hides it.
//
// Cilium's operator makes the custom resource definitions that Cilium keeps its own state in. They are the one exception from the rule that the platform has none.
package cilium

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

// Headroom is how many bytes the pods' MTU must be below the mesh's: 14 of an Ethernet header, less the 4 that the kernel grants. Measured with do-not-fragment pings: at a
// mesh of 1420 bytes, packets of 1410 pass and those of 1411 do not.
const Headroom = 14 - 4

// Args describes Cilium.
type Args struct {
	// AgentImage and OperatorImage by digest, as Cilium publishes them (cilium and operator-generic), of one version.
	AgentImage, OperatorImage string
	// Pods is the range of all pods: inside it nothing is masqueraded. Nodes take their own part from spec.podCIDR.
	Pods netip.Prefix
	// Mesh is the range of the nodes' addresses, MeshInterface their interface and MeshMTU its MTU in bytes.
	Mesh          netip.Prefix
	MeshInterface string
	MeshMTU       int
	// Devices are the other interfaces through which packets leave or enter a node, as names or as beginnings with a + (eth+).
	Devices []string
	// MTU of the pods in bytes, at most MeshMTU less Headroom.
	MTU int
	// APIServer is the local API proxy of every node: what Cilium makes reachable it cannot use itself.
	APIServer netip.AddrPort
}

var (
	digest = regexp.MustCompile(`^[^@\s]+@sha256:[0-9a-f]{64}$`)
	device = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,14}\+?$`)
)

// minMTU is the smallest MTU of a link that IPv6 permits; nothing below is met with.
const minMTU = 1280

func (a Args) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, image := range []struct{ of, reference string }{{"agent", a.AgentImage}, {"operator", a.OperatorImage}} {
		if !digest.MatchString(image.reference) {
			bad("%s image %q is not pinned by its digest; write name@sha256:…", image.of, image.reference)
		}
	}
	for _, r := range []struct {
		of     string
		prefix netip.Prefix
	}{{"pods'", a.Pods}, {"mesh's", a.Mesh}} {
		if !r.prefix.IsValid() || !r.prefix.Addr().Is4() || r.prefix != r.prefix.Masked() {
			bad("the %s range %s is no IPv4 range; give the cluster's", r.of, r.prefix)
		}
	}
	if !device.MatchString(a.MeshInterface) {
		bad("mesh interface %q is no name of an interface; give the mesh's, such as wg0", a.MeshInterface)
	}
	for _, d := range a.Devices {
		if !device.MatchString(d) {
			bad("device %q is no name of an interface, nor the beginning of one with a +; write eth0 or eth+", d)
		}
	}
	if len(a.Devices) == 0 {
		bad("there is no device but the mesh's, so pods could not reach the world; give the public one, such as eth+")
	}
	if most := a.MeshMTU - Headroom; a.MTU < minMTU || a.MTU > most {
		bad("MTU %d is not from %d to %d, the mesh's %d less %d, above which packets vanish; change the pods' MTU", a.MTU, minMTU, most, a.MeshMTU, Headroom)
	}
	if !a.APIServer.IsValid() {
		bad("the API server's address is missing; give the nodes' local proxy")
	}
	return errors.Join(errs...)
}

// Cilium is the running pod network.
type Cilium struct {
	pulumi.ResourceState

	resources []pulumi.Resource
}

// Resources are the real resources to depend on; after them pods have a network and Services work on every node.
func (c *Cilium) Resources() []pulumi.Resource { return slices.Clone(c.resources) }

// New makes Cilium.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Cilium, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("cilium %s: %w", name, err)
	}
	c := &Cilium{}
	if err := ctx.RegisterComponentResource(naming.AddonsCilium, name, c, opts...); err != nil {
		return nil, fmt.Errorf("cilium %s: %w", name, err)
	}
	parent := pulumi.Parent(c)
	config, err := corev1.NewConfigMap(ctx, naming.Child(name, "config"), config(args), parent)
	if err != nil {
		return nil, fmt.Errorf("cilium %s: %w", name, err)
	}
	before := []pulumi.Resource{config}
	for _, part := range []part{agent, operator} {
		account, err1 := corev1.NewServiceAccount(ctx, naming.Child(name, part.role+"-account"), account(part), parent)
		role, err2 := rbacv1.NewClusterRole(ctx, naming.Child(name, part.role+"-role"), role(part), parent)
		binding, err3 := rbacv1.NewClusterRoleBinding(ctx, naming.Child(name, part.role+"-role-binding"), roleBinding(part), parent)
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, fmt.Errorf("cilium %s: %w", name, err)
		}
		before = append(before, account, role, binding)
	}
	// The two at once: the agents wait for definitions that the operator makes, and the operator sits on the node's network, so it waits for no agent.
	after := pulumi.DependsOn(before)
	budget, err1 := policyv1.NewPodDisruptionBudget(ctx, naming.Child(name, "operator-disruption-budget"), disruptionBudget(), parent)
	deployment, err2 := appsv1.NewDeployment(ctx, naming.Child(name, "operator-deployment"), deployment(args), parent, after)
	set, err3 := appsv1.NewDaemonSet(ctx, naming.Child(name, "agent-daemon-set"), daemonSet(args), parent, after)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("cilium %s: %w", name, err)
	}
	c.resources = slices.Concat(before, []pulumi.Resource{budget, deployment, set})
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{})
}
