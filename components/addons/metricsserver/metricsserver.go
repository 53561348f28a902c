// Package metricsserver makes the resource metrics API, by which HorizontalPodAutoscalers see load.
//
// The thing to get wrong: it verifies the kubelets' serving certificates, so a node whose certificate nobody has signed has no metrics. The cluster package
// signs them as nodes join and every ten minutes.
package metricsserver

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	apiregistrationv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiregistration/v1"
	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

// Args describes metrics-server.
type Args struct {
	// Image by digest, with the static binary at /metrics-server.
	Image string
	// Replicas; 2 when 0, so that a drained host never blinds the autoscalers.
	Replicas int
}

var digest = regexp.MustCompile(`^[^@\s]+@sha256:[0-9a-f]{64}$`)

func (a Args) validate() error {
	var errs []error
	if !digest.MatchString(a.Image) {
		errs = append(errs, fmt.Errorf("image %q is not pinned by its digest; write name@sha256:…", a.Image))
	}
	if a.Replicas < 1 || a.Replicas > 3 {
		errs = append(errs, fmt.Errorf("%d replicas are outside 1–3; each asks every kubelet, more help nobody", a.Replicas))
	}
	return errors.Join(errs...)
}

// MetricsServer is the running metrics API.
type MetricsServer struct {
	pulumi.ResourceState

	resources []pulumi.Resource
}

// Resources are the real resources to depend on; after the last of them the metrics API answers.
func (m *MetricsServer) Resources() []pulumi.Resource { return slices.Clone(m.resources) }

// New makes metrics-server.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*MetricsServer, error) {
	if args.Replicas == 0 {
		args.Replicas = 2
	}
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("metrics server %s: %w", name, err)
	}
	m := &MetricsServer{}
	if err := ctx.RegisterComponentResource(naming.AddonsMetricsServer, name, m, opts...); err != nil {
		return nil, fmt.Errorf("metrics server %s: %w", name, err)
	}
	parent := pulumi.Parent(m)

	account, err1 := corev1.NewServiceAccount(ctx, naming.Child(name, "account"), account(), parent)
	role, err2 := rbacv1.NewClusterRole(ctx, naming.Child(name, "role"), role(), parent)
	reader, err3 := rbacv1.NewClusterRole(ctx, naming.Child(name, "reader"), reader(), parent)
	binding, err4 := rbacv1.NewClusterRoleBinding(ctx, naming.Child(name, "role-binding"), roleBinding(), parent)
	delegator, err5 := rbacv1.NewClusterRoleBinding(ctx, naming.Child(name, "delegator"), delegator(), parent)
	authReader, err6 := rbacv1.NewRoleBinding(ctx, naming.Child(name, "auth-reader"), authReader(), parent)
	service, err7 := corev1.NewService(ctx, naming.Child(name, "service"), service(), parent)
	budget, err8 := policyv1.NewPodDisruptionBudget(ctx, naming.Child(name, "disruption-budget"), disruptionBudget(), parent)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8); err != nil {
		return nil, fmt.Errorf("metrics server %s: %w", name, err)
	}
	// It exits at the start when it may not read the authority, so the bindings go first.
	deployment, err := appsv1.NewDeployment(ctx, naming.Child(name, "deployment"), deployment(args), parent,
		pulumi.DependsOn([]pulumi.Resource{account, role, binding, delegator, authReader}))
	if err != nil {
		return nil, fmt.Errorf("metrics server %s: %w", name, err)
	}
	// An APIService without pods makes every discovery of the cluster's API slow and some fail; it comes last and goes first.
	api, err := apiregistrationv1.NewAPIService(ctx, naming.Child(name, "api"), apiService(), parent, pulumi.DependsOn([]pulumi.Resource{service, deployment}))
	if err != nil {
		return nil, fmt.Errorf("metrics server %s: %w", name, err)
	}
	m.resources = []pulumi.Resource{account, role, reader, binding, delegator, authReader, service, budget, deployment, api}
	return m, ctx.RegisterResourceOutputs(m, pulumi.Map{})
}
