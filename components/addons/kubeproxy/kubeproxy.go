// Package kubeproxy makes Services work on every node: kube-proxy in nftables mode. It is not used where Cilium replaces it.
//
// The thing to get wrong: it must not need what it provides. It reaches the API server through the node's local proxy, not through the Service.
package kubeproxy

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

// DefaultAPIServer is the local API proxy of every node.
const DefaultAPIServer = "https://127.0.0.1:7443"

// Args describes kube-proxy.
type Args struct {
	// Image by digest, with the binary at /kube-proxy and nft on the PATH.
	Image string
	// PodCIDR is the range of all pods: traffic to a Service from outside it is masqueraded.
	PodCIDR netip.Prefix
	// APIServer is DefaultAPIServer when empty.
	APIServer string
}

var digest = regexp.MustCompile(`^[^@\s]+@sha256:[0-9a-f]{64}$`)

func (a Args) validate() error {
	var errs []error
	if !digest.MatchString(a.Image) {
		errs = append(errs, fmt.Errorf("image %q is not pinned by its digest; write name@sha256:…", a.Image))
	}
	if !a.PodCIDR.IsValid() {
		errs = append(errs, errors.New("the pods' range is missing; give the cluster's"))
	}
	if !strings.HasPrefix(a.APIServer, "https://") {
		errs = append(errs, fmt.Errorf("API server %q is no https URL; leave it empty for %s", a.APIServer, DefaultAPIServer))
	}
	return errors.Join(errs...)
}

// KubeProxy is the running proxy.
type KubeProxy struct {
	pulumi.ResourceState

	resources []pulumi.Resource
}

// Resources are the real resources to depend on; after them Services work on every node.
func (k *KubeProxy) Resources() []pulumi.Resource { return slices.Clone(k.resources) }

// New makes kube-proxy.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*KubeProxy, error) {
	if args.APIServer == "" {
		args.APIServer = DefaultAPIServer
	}
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("kube-proxy %s: %w", name, err)
	}
	k := &KubeProxy{}
	if err := ctx.RegisterComponentResource(naming.AddonsKubeProxy, name, k, opts...); err != nil {
		return nil, fmt.Errorf("kube-proxy %s: %w", name, err)
	}
	parent := pulumi.Parent(k)

	account, err1 := corev1.NewServiceAccount(ctx, naming.Child(name, "account"), account(), parent)
	binding, err2 := rbacv1.NewClusterRoleBinding(ctx, naming.Child(name, "role-binding"), roleBinding(), parent)
	config, err3 := corev1.NewConfigMap(ctx, naming.Child(name, "config"), config(args), parent)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("kube-proxy %s: %w", name, err)
	}
	set, err := appsv1.NewDaemonSet(ctx, naming.Child(name, "daemon-set"), daemonSet(args), parent,
		pulumi.DependsOn([]pulumi.Resource{account, binding, config}))
	if err != nil {
		return nil, fmt.Errorf("kube-proxy %s: %w", name, err)
	}
	k.resources = []pulumi.Resource{account, binding, config, set}
	return k, ctx.RegisterResourceOutputs(k, pulumi.Map{})
}
