// Package coredns makes the cluster DNS: a resolver on every node, CoreDNS, behind the Service kube-dns at the address that kubelet gives every pod.
//
// The things to get wrong: the Service leads to the resolver of the asker's own node and to no other (internalTrafficPolicy: Local), so no lookup crosses the mesh and a lost
// resolver costs the lookups of its node alone; hence a new one is ready before the old one ends. And the pods listen on 1053, not 53: a process without root and
// capabilities may not take the lower port; the Service translates.
package coredns

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

// Args describes the cluster DNS.
type Args struct {
	// Image by digest, with the static binary at /coredns.
	Image string
	// ClusterIP is the Service's address, the same as kubelet's clusterDNS.
	ClusterIP netip.Addr
	// Domain of the cluster; cluster.local when empty.
	Domain string
	// Upstreams answer for names outside the cluster; none refuses them.
	Upstreams []netip.Addr
}

var digest = regexp.MustCompile(`^[^@\s]+@sha256:[0-9a-f]{64}$`)

func (a Args) validate() error {
	var errs []error
	if !digest.MatchString(a.Image) {
		errs = append(errs, fmt.Errorf("image %q is not pinned by its digest; write name@sha256:…", a.Image))
	}
	if !a.ClusterIP.Is4() {
		errs = append(errs, errors.New("the cluster IP is missing; give the tenth address of the services' range"))
	}
	for _, u := range a.Upstreams {
		if !u.IsValid() || u == a.ClusterIP || u.IsLoopback() {
			errs = append(errs, fmt.Errorf("upstream %s would be asked in a circle or not at all; name a resolver outside the cluster", u))
		}
	}
	return errors.Join(errs...)
}

// CoreDNS is the running cluster DNS.
type CoreDNS struct {
	pulumi.ResourceState

	resources []pulumi.Resource
}

// Resources are the real resources to depend on.
func (c *CoreDNS) Resources() []pulumi.Resource { return slices.Clone(c.resources) }

// New makes the cluster DNS.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*CoreDNS, error) {
	if args.Domain == "" {
		args.Domain = "cluster.local"
	}
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("cluster DNS %s: %w", name, err)
	}
	c := &CoreDNS{}
	if err := ctx.RegisterComponentResource(naming.AddonsCoreDNS, name, c, opts...); err != nil {
		return nil, fmt.Errorf("cluster DNS %s: %w", name, err)
	}
	parent := pulumi.Parent(c)

	account, err1 := corev1.NewServiceAccount(ctx, naming.Child(name, "account"), account(), parent)
	role, err2 := rbacv1.NewClusterRole(ctx, naming.Child(name, "role"), role(), parent)
	binding, err3 := rbacv1.NewClusterRoleBinding(ctx, naming.Child(name, "role-binding"), roleBinding(), parent)
	config, err4 := corev1.NewConfigMap(ctx, naming.Child(name, "config"), config(args), parent)
	service, err5 := corev1.NewService(ctx, naming.Child(name, "service"), service(args), parent)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, fmt.Errorf("cluster DNS %s: %w", name, err)
	}
	set, err := appsv1.NewDaemonSet(ctx, naming.Child(name, "daemon-set"), daemonSet(args), parent,
		pulumi.DependsOn([]pulumi.Resource{account, role, binding, config}))
	if err != nil {
		return nil, fmt.Errorf("cluster DNS %s: %w", name, err)
	}
	c.resources = []pulumi.Resource{account, role, binding, config, service, set}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{})
}
