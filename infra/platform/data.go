package platform

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/workload"
)

// dataNamespace is where pods find the services outside Kubernetes: pulsar.data.svc.cluster.local.
const dataNamespace = "data"

// buildData gives the services outside Kubernetes their names inside it. Nothing waits for them: the addresses are the plan's.
func buildData(ctx *pulumi.Context, h *hosts, opts ...pulumi.ResourceOption) error {
	if len(h.plan.DataServices) == 0 {
		return nil
	}
	namespace, err := workload.NewNamespace(ctx, dataNamespace, workload.NamespaceArgs{Namespace: dataNamespace}, opts...)
	if err != nil {
		return err
	}
	for _, service := range h.plan.DataServices {
		if _, err := workload.NewOutside(ctx, dataNamespace+"-"+service.Name, workload.OutsideArgs{
			Namespace: dataNamespace, Service: service.Name, Port: service.Port, Addresses: service.Addresses, After: namespace.Resources()[:1],
		}, opts...); err != nil {
			return err
		}
	}
	return nil
}
