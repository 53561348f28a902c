package workload

import (
	"errors"
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

// ServiceArgs describes a Service.
type ServiceArgs struct {
	// Namespace and Service are the Kubernetes names; App's pods in the namespace are behind it. All required.
	Namespace, Service, App string
	Ports                   []ServicePort
	// Headless gives no address of its own: its name resolves to the addresses of the ready pods. For clients that balance each request by themselves.
	Headless bool
	// After are real resources that must be there before it.
	After []pulumi.Resource
}

// ServicePort forwards a TCP port to the pods' port of the same name.
type ServicePort struct {
	Name   string
	Number int
}

// Service is a name for the ready pods of a workload.
type Service struct {
	pulumi.ResourceState

	Service *corev1.Service
	// Host is the full name inside the cluster, without a final dot.
	Host string
}

// Resources are the real resources to depend on.
func (s *Service) Resources() []pulumi.Resource { return []pulumi.Resource{s.Service} }

// ServiceHost is the name of a Service inside the cluster.
func ServiceHost(namespace, service string) string {
	return service + "." + namespace + ".svc.cluster.local"
}

// Validate reports everything that is wrong, joined.
func (a ServiceArgs) Validate() error {
	var errs []error
	for _, field := range []struct{ name, value string }{{"namespace", a.Namespace}, {"service", a.Service}, {"app", a.App}} {
		if err := naming.Validate(field.value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", field.name, err))
		}
	}
	if len(a.Ports) == 0 {
		errs = append(errs, errors.New("ports: none given; give at least one"))
	}
	seen := map[string]bool{}
	for _, p := range a.Ports {
		if p.Name == "" || seen[p.Name] {
			errs = append(errs, fmt.Errorf("port %q: give each a name of its own, which is the pods' port", p.Name))
		}
		seen[p.Name] = true
		if p.Number < 1 || p.Number > 65535 {
			errs = append(errs, fmt.Errorf("port %q: number %d is outside 1–65535", p.Name, p.Number))
		}
	}
	return errors.Join(errs...)
}

// NewService makes a Service.
func NewService(ctx *pulumi.Context, name string, args ServiceArgs, opts ...pulumi.ResourceOption) (*Service, error) {
	if err := args.Validate(); err != nil {
		return nil, fmt.Errorf("service %s: %w", name, err)
	}
	s := &Service{Host: ServiceHost(args.Namespace, args.Service)}
	if err := ctx.RegisterComponentResource(naming.WorkloadService, name, s, opts...); err != nil {
		return nil, fmt.Errorf("service %s: %w", name, err)
	}
	var list corev1.ServicePortArray
	for _, p := range args.Ports {
		list = append(list, &corev1.ServicePortArgs{
			Name: pulumi.String(p.Name), Port: pulumi.Int(p.Number), Protocol: pulumi.String("TCP"), TargetPort: pulumi.String(p.Name),
		})
	}
	spec := &corev1.ServiceSpecArgs{Type: pulumi.String("ClusterIP"), Selector: pulumi.ToStringMap(naming.Selector(args.App)), Ports: list}
	if args.Headless {
		spec.ClusterIP = pulumi.String("None")
	}
	var err error
	s.Service, err = corev1.NewService(ctx, naming.Child(name, "service"), &corev1.ServiceArgs{
		Metadata: &metav1.ObjectMetaArgs{
			Name: pulumi.String(args.Service), Namespace: pulumi.String(args.Namespace), Labels: pulumi.ToStringMap(naming.Labels(args.App, "")),
			Annotations: pulumi.ToStringMap(naming.Annotations()),
		},
		Spec: spec,
	}, pulumi.Parent(s), pulumi.DependsOn(args.After))
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", name, err)
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{"host": pulumi.String(s.Host)})
}
