package workload

import (
	"errors"
	"fmt"
	"net/netip"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	discoveryv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/discovery/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

// OutsideArgs describes a service that runs outside the cluster.
type OutsideArgs struct {
	// Namespace and Service are the Kubernetes names. Required.
	Namespace, Service string
	// Port is the TCP port, the same for callers and at the addresses.
	Port int
	// Addresses are where it answers. None is a service that is away: its name stays, and callers are refused.
	Addresses []netip.Addr
	// After are real resources that must be there before it.
	After []pulumi.Resource
}

// Outside is a name inside the cluster for a service that runs outside.
//
// The thing to get wrong: nobody looks whether the addresses answer. All of them are taken for ready, and what a client cannot bear (a host that is down among three) it must
// retry.
type Outside struct {
	pulumi.ResourceState

	Service *corev1.Service
	Slice   *discoveryv1.EndpointSlice
	// Host is the full name inside the cluster, without a final dot.
	Host string
}

// Resources are the real resources to depend on.
func (o *Outside) Resources() []pulumi.Resource { return []pulumi.Resource{o.Service, o.Slice} }

// Validate reports everything that is wrong, joined.
func (a OutsideArgs) Validate() error {
	var errs []error
	for _, field := range []struct{ name, value string }{{"namespace", a.Namespace}, {"service", a.Service}} {
		if err := naming.Validate(field.value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", field.name, err))
		}
	}
	if a.Port < 1 || a.Port > 65535 {
		errs = append(errs, fmt.Errorf("port %d is outside 1–65535", a.Port))
	}
	seen := map[netip.Addr]bool{}
	for _, address := range a.Addresses {
		switch {
		case !address.Is4() || address.IsLoopback() || address.IsLinkLocalUnicast() || address.IsMulticast() || address.IsUnspecified():
			errs = append(errs, fmt.Errorf("address %s is not one that pods could reach; give an IPv4 address of the mesh", address))
		case seen[address]:
			errs = append(errs, fmt.Errorf("address %s is given twice; give it once", address))
		}
		seen[address] = true
	}
	return errors.Join(errs...)
}

// NewOutside makes the name: a Service without pods, and the addresses behind it.
func NewOutside(ctx *pulumi.Context, name string, args OutsideArgs, opts ...pulumi.ResourceOption) (*Outside, error) {
	if err := args.Validate(); err != nil {
		return nil, fmt.Errorf("service %s: %w", name, err)
	}
	o := &Outside{Host: ServiceHost(args.Namespace, args.Service)}
	if err := ctx.RegisterComponentResource(naming.WorkloadOutside, name, o, opts...); err != nil {
		return nil, fmt.Errorf("service %s: %w", name, err)
	}
	meta := func() *metav1.ObjectMetaArgs {
		labels := naming.Labels(args.Service, "")
		labels[discoveryServiceName], labels[discoveryManagedBy] = args.Service, naming.ManagedBy
		return &metav1.ObjectMetaArgs{
			Name: pulumi.String(args.Service), Namespace: pulumi.String(args.Namespace), Labels: pulumi.ToStringMap(labels), Annotations: pulumi.ToStringMap(naming.Annotations()),
		}
	}
	var err error
	own := []pulumi.ResourceOption{pulumi.Parent(o), pulumi.DependsOn(args.After)}
	o.Service, err = corev1.NewService(ctx, naming.Child(name, "service"), &corev1.ServiceArgs{Metadata: meta(), Spec: &corev1.ServiceSpecArgs{
		Type:  pulumi.String("ClusterIP"),
		Ports: corev1.ServicePortArray{&corev1.ServicePortArgs{Name: pulumi.String(outsidePort), Port: pulumi.Int(args.Port), Protocol: pulumi.String("TCP")}},
	}}, own...)
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", name, err)
	}
	endpoints := discoveryv1.EndpointArray{}
	for _, address := range args.Addresses {
		endpoints = append(endpoints, &discoveryv1.EndpointArgs{
			Addresses: pulumi.ToStringArray([]string{address.String()}), Conditions: &discoveryv1.EndpointConditionsArgs{Ready: pulumi.Bool(true)},
		})
	}
	o.Slice, err = discoveryv1.NewEndpointSlice(ctx, naming.Child(name, "endpoints"), &discoveryv1.EndpointSliceArgs{
		Metadata:    meta(),
		AddressType: pulumi.String("IPv4"),
		Endpoints:   endpoints,
		Ports:       discoveryv1.EndpointPortArray{&discoveryv1.EndpointPortArgs{Name: pulumi.String(outsidePort), Port: pulumi.Int(args.Port), Protocol: pulumi.String("TCP")}},
	}, own...)
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", name, err)
	}
	return o, ctx.RegisterResourceOutputs(o, pulumi.Map{"host": pulumi.String(o.Host)})
}

const (
	// outsidePort names the port, the same in both objects: that is how they find each other.
	outsidePort = "main"
	// The labels by which kube-proxy finds a Service's addresses, and the cluster's own controller leaves them alone
	// (https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#management).
	discoveryServiceName = "kubernetes.io/service-name"
	discoveryManagedBy   = "endpointslice.kubernetes.io/managed-by"
)
