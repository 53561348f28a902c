package workload

import (
	"errors"
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
	"havre/components/workload/pod"
)

// DaemonSetArgs describes a DaemonSet.
type DaemonSetArgs struct {
	Common
	// MaxUnavailable is how many nodes an update may leave without their pod at once; 1 by default, and all for keepers.
	MaxUnavailable int
}

// DaemonSet is a workload of one pod on each node that its pod's selector takes.
type DaemonSet struct {
	pulumi.ResourceState

	DaemonSet *appsv1.DaemonSet
	resources []pulumi.Resource
}

// Resources are the real resources to depend on, the DaemonSet first.
func (d *DaemonSet) Resources() []pulumi.Resource { return d.resources }

// Validate reports everything that is wrong, joined.
func (a DaemonSetArgs) Validate() error {
	errs := []error{a.validate("pod.Agent or pod.Keeper", pod.Agent, pod.Keeper)}
	if a.MaxUnavailable < 0 {
		errs = append(errs, fmt.Errorf("max unavailable %d: give 1 or more", a.MaxUnavailable))
	}
	return errors.Join(errs...)
}

// NewDaemonSet makes a DaemonSet with its network policy and configuration.
func NewDaemonSet(ctx *pulumi.Context, name string, args DaemonSetArgs, opts ...pulumi.ResourceOption) (*DaemonSet, error) {
	if args.MaxUnavailable == 0 {
		args.MaxUnavailable = 1
	}
	if err := args.Validate(); err != nil {
		return nil, fmt.Errorf("daemon set %s: %w", name, err)
	}
	d := &DaemonSet{}
	if err := ctx.RegisterComponentResource(naming.WorkloadDaemonSet, name, d, opts...); err != nil {
		return nil, fmt.Errorf("daemon set %s: %w", name, err)
	}
	unavailable := pulumi.Input(pulumi.Int(args.MaxUnavailable))
	if args.Pod.Kind == pod.Keeper {
		unavailable = pulumi.String("100%")
	}
	parts, err := args.build(ctx, name, d)
	if err != nil {
		return nil, fmt.Errorf("daemon set %s: %w", name, err)
	}
	d.DaemonSet, err = appsv1.NewDaemonSet(ctx, naming.Child(name, "daemon-set"), &appsv1.DaemonSetArgs{
		Metadata: args.ownMetadata(),
		Spec: &appsv1.DaemonSetSpecArgs{
			RevisionHistoryLimit: pulumi.Int(3),
			Selector:             args.selector(),
			Template:             parts.template,
			// No surge: two pods cannot listen on one port of the host.
			UpdateStrategy: &appsv1.DaemonSetUpdateStrategyArgs{
				Type:          pulumi.String("RollingUpdate"),
				RollingUpdate: &appsv1.RollingUpdateDaemonSetArgs{MaxSurge: pulumi.Int(0), MaxUnavailable: unavailable},
			},
		},
	}, pulumi.Parent(d), args.after(parts))
	if err != nil {
		return nil, fmt.Errorf("daemon set %s: %w", name, err)
	}
	d.resources = append([]pulumi.Resource{d.DaemonSet}, parts.resources...)
	return d, ctx.RegisterResourceOutputs(d, pulumi.Map{})
}
