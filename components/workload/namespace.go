package workload

import (
	"fmt"
	"slices"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	schedulingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/scheduling/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

// Security is the pod security standard that a namespace enforces.
type Security string

// The standards (https://kubernetes.io/docs/concepts/security/pod-security-standards/).
const (
	// Restricted takes only pods that open nothing.
	Restricted Security = "restricted"
	// Privileged takes every pod; for agents on the host's network.
	Privileged Security = "privileged"
)

// NamespaceArgs describes a Namespace.
type NamespaceArgs struct {
	// Namespace is the Kubernetes name. Required.
	Namespace string
	// Security is enforced on its pods; Restricted by default.
	Security Security
	// After are real resources that must be there before it.
	After []pulumi.Resource
}

// Namespace is a namespace. Each workload brings its own network policy, which says what it needs, and a pod of nobody's is closed in by a default one. Pods on the host's
// network are beyond any policy.
type Namespace struct {
	pulumi.ResourceState

	Namespace *corev1.Namespace
	resources []pulumi.Resource
}

// Resources are the real resources to depend on, the Namespace first.
func (n *Namespace) Resources() []pulumi.Resource { return n.resources }

// NewNamespace makes a Namespace.
func NewNamespace(ctx *pulumi.Context, name string, args NamespaceArgs, opts ...pulumi.ResourceOption) (*Namespace, error) {
	if args.Security == "" {
		args.Security = Restricted
	}
	if err := naming.Validate(args.Namespace); err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	if !slices.Contains([]Security{Restricted, Privileged}, args.Security) {
		return nil, fmt.Errorf("namespace %s: security %q is unknown; give restricted or privileged", name, args.Security)
	}
	n := &Namespace{}
	if err := ctx.RegisterComponentResource(naming.WorkloadNamespace, name, n, opts...); err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	labels := naming.Labels(args.Namespace, "")
	for _, mode := range []string{"enforce", "warn"} {
		labels["pod-security.kubernetes.io/"+mode] = string(args.Security)
	}
	var err error
	n.Namespace, err = corev1.NewNamespace(ctx, naming.Child(name, "namespace"), &corev1.NamespaceArgs{
		Metadata: &metav1.ObjectMetaArgs{Name: pulumi.String(args.Namespace), Labels: pulumi.ToStringMap(labels), Annotations: pulumi.ToStringMap(naming.Annotations())},
	}, pulumi.Parent(n), pulumi.DependsOn(args.After))
	if err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	policy, err := Network{}.policy(ctx, naming.Child(name, "default-deny"),
		&metav1.ObjectMetaArgs{Name: pulumi.String("default-deny"), Namespace: pulumi.String(args.Namespace), Labels: pulumi.ToStringMap(naming.Labels(args.Namespace, "")), Annotations: pulumi.ToStringMap(naming.Annotations())},
		&metav1.LabelSelectorArgs{}, pulumi.Parent(n), pulumi.DependsOn([]pulumi.Resource{n.Namespace}))
	if err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	n.resources = []pulumi.Resource{n.Namespace, policy}
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{})
}

// PriorityClassArgs describes a PriorityClass.
type PriorityClassArgs struct {
	// Class is the Kubernetes name. Required.
	Class string
	// Value orders classes, up to 1,000,000,000 either way: a pod that finds no room pushes out pods of lower ones, those of the lowest first. Pods of no class
	// have 0.
	Value int
	// Patient pods wait for room and push out nobody.
	Patient bool
	// Description says what belongs to the class. Required.
	Description string
}

// NewPriorityClass makes a PriorityClass. It is one object, so it has no component round it.
func NewPriorityClass(ctx *pulumi.Context, name string, args PriorityClassArgs, opts ...pulumi.ResourceOption) (*schedulingv1.PriorityClass, error) {
	if err := naming.Validate(args.Class); err != nil {
		return nil, fmt.Errorf("priority class %s: %w", name, err)
	}
	if args.Value == 0 || args.Value < -1_000_000_000 || args.Value > 1_000_000_000 {
		return nil, fmt.Errorf("priority class %s: value %d: give -1000000000 to 1000000000 but for 0, which pods of no class have; above are the system's own", name, args.Value)
	}
	if args.Description == "" {
		return nil, fmt.Errorf("priority class %s: description is missing; say what belongs to the class", name)
	}
	policy := "PreemptLowerPriority"
	if args.Patient {
		policy = "Never"
	}
	class, err := schedulingv1.NewPriorityClass(ctx, name, &schedulingv1.PriorityClassArgs{
		Metadata:         &metav1.ObjectMetaArgs{Name: pulumi.String(args.Class), Labels: pulumi.ToStringMap(naming.Labels(args.Class, "")), Annotations: pulumi.ToStringMap(naming.Annotations())},
		Value:            pulumi.Int(args.Value),
		Description:      pulumi.String(args.Description),
		PreemptionPolicy: pulumi.String(policy),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("priority class %s: %w", name, err)
	}
	return class, nil
}
