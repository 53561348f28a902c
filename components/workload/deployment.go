package workload

import (
	"errors"
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	autoscalingv2 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/autoscaling/v2"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
	"havre/components/workload/pod"
)

// DeploymentArgs describes a Deployment. Give Replicas or Autoscale, never both: an autoscaler and a fixed number undo each other's work at every run.
type DeploymentArgs struct {
	Common
	// Replicas is the fixed number of pods.
	Replicas int
	// Autoscale hands the number of pods to an autoscaler.
	Autoscale *Autoscale
	// MaxUnavailable is how many pods a voluntary disruption (a drain) may take at once; 1 by default. It must leave one pod of the smallest number.
	// A Deployment of one replica has no budget, as it would block every drain; nor have placeholders.
	MaxUnavailable int
}

// Autoscale bounds an autoscaler: it adds pods at once and quickly (triple, or four more, every 15 s), and takes them away slowly, as the next wave of a
// campaign comes within minutes.
type Autoscale struct {
	Min, Max int
	// CPUPercent is the average use of the requested processor time that it aims at, 1 to 100.
	CPUPercent int
}

// Deployment is a workload of equal pods in several replicas.
type Deployment struct {
	pulumi.ResourceState

	Deployment *appsv1.Deployment
	resources  []pulumi.Resource
}

// Resources are the real resources to depend on, the Deployment first.
func (d *Deployment) Resources() []pulumi.Resource { return d.resources }

// Validate reports everything that is wrong, joined.
func (a DeploymentArgs) Validate() error {
	errs := []error{a.validate("pod.Service or pod.Placeholder", pod.Service, pod.Placeholder)}
	smallest := a.Replicas
	switch {
	case a.Pod.Kind == pod.Placeholder:
		return errors.Join(append(errs, a.placeholders())...)
	case a.Autoscale == nil:
		if a.Replicas < 1 {
			errs = append(errs, fmt.Errorf("replicas %d: give 1 or more, or an autoscaler", a.Replicas))
		}
	case a.Replicas != 0:
		errs = append(errs, fmt.Errorf("replicas %d beside an autoscaler: each would undo the other's work; give one of them", a.Replicas))
	default:
		smallest = a.Autoscale.Min
		errs = append(errs, a.Autoscale.validate())
	}
	if a.MaxUnavailable < 0 || (smallest > 1 && a.MaxUnavailable >= smallest) {
		errs = append(errs, fmt.Errorf("max unavailable %d of %d pods: give 1 to %d", a.MaxUnavailable, smallest, smallest-1))
	}
	return errors.Join(errs...)
}

// placeholders may be any number, none too, and all of them may go at once.
func (a DeploymentArgs) placeholders() error {
	var errs []error
	if a.Replicas < 0 {
		errs = append(errs, fmt.Errorf("replicas %d: give 0 or more", a.Replicas))
	}
	if a.Autoscale != nil {
		errs = append(errs, errors.New("an autoscaler of placeholders, which take no time to measure; give replicas"))
	}
	return errors.Join(errs...)
}

func (a Autoscale) validate() error {
	var errs []error
	if a.Min < 1 || a.Max < a.Min {
		errs = append(errs, fmt.Errorf("autoscale from %d to %d: give 1 or more, and a maximum no smaller", a.Min, a.Max))
	}
	if a.CPUPercent < 1 || a.CPUPercent > 100 {
		errs = append(errs, fmt.Errorf("autoscale at %d %% of the requested CPU: give 1 to 100", a.CPUPercent))
	}
	return errors.Join(errs...)
}

// NewDeployment makes a Deployment with its autoscaler, disruption budget, network policy and configuration.
func NewDeployment(ctx *pulumi.Context, name string, args DeploymentArgs, opts ...pulumi.ResourceOption) (*Deployment, error) {
	if args.MaxUnavailable == 0 {
		args.MaxUnavailable = 1
	}
	if err := args.Validate(); err != nil {
		return nil, fmt.Errorf("deployment %s: %w", name, err)
	}
	d := &Deployment{}
	if err := ctx.RegisterComponentResource(naming.WorkloadDeployment, name, d, opts...); err != nil {
		return nil, fmt.Errorf("deployment %s: %w", name, err)
	}
	parts, err := args.build(ctx, name, d)
	if err != nil {
		return nil, fmt.Errorf("deployment %s: %w", name, err)
	}
	spec := &appsv1.DeploymentSpecArgs{
		// Long enough for an image over a slow line; a rollout that cannot end then fails the run instead of hanging it.
		ProgressDeadlineSeconds: pulumi.Int(300),
		RevisionHistoryLimit:    pulumi.Int(3),
		Selector:                args.selector(),
		// A new pod is ready before an old one goes, so a rollout takes no capacity away.
		Strategy: &appsv1.DeploymentStrategyArgs{
			Type:          pulumi.String("RollingUpdate"),
			RollingUpdate: &appsv1.RollingUpdateDeploymentArgs{MaxSurge: pulumi.String("25%"), MaxUnavailable: pulumi.Int(0)},
		},
		Template: parts.template,
	}
	if args.Pod.Kind == pod.Placeholder {
		// Held room is changed for held room in its place: there may be none beside it.
		spec.Strategy = &appsv1.DeploymentStrategyArgs{
			Type:          pulumi.String("RollingUpdate"),
			RollingUpdate: &appsv1.RollingUpdateDeploymentArgs{MaxSurge: pulumi.Int(0), MaxUnavailable: pulumi.String("100%")},
		}
	}
	smallest := args.Replicas
	if args.Autoscale == nil {
		spec.Replicas = pulumi.Int(args.Replicas)
	} else {
		smallest = args.Autoscale.Min
	}
	d.Deployment, err = appsv1.NewDeployment(ctx, naming.Child(name, "deployment"), &appsv1.DeploymentArgs{Metadata: args.ownMetadata(), Spec: spec},
		pulumi.Parent(d), args.after(parts))
	if err != nil {
		return nil, fmt.Errorf("deployment %s: %w", name, err)
	}
	d.resources = append([]pulumi.Resource{d.Deployment}, parts.resources...)
	// The two beside it wait for nothing of the Deployment's: they may be there first.
	beside := []pulumi.ResourceOption{pulumi.Parent(d), pulumi.DependsOn(args.After)}
	if args.Autoscale != nil {
		autoscaler, err := autoscalingv2.NewHorizontalPodAutoscaler(ctx, naming.Child(name, "autoscaler"), &autoscalingv2.HorizontalPodAutoscalerArgs{
			Metadata: args.metadata(), Spec: args.Autoscale.spec(args.Pod.App),
		}, beside...)
		if err != nil {
			return nil, fmt.Errorf("deployment %s: %w", name, err)
		}
		d.resources = append(d.resources, autoscaler)
	}
	if smallest > 1 && args.Pod.Kind != pod.Placeholder {
		budget, err := policyv1.NewPodDisruptionBudget(ctx, naming.Child(name, "budget"), &policyv1.PodDisruptionBudgetArgs{
			Metadata: args.metadata(),
			Spec: &policyv1.PodDisruptionBudgetSpecArgs{
				MaxUnavailable: pulumi.Int(args.MaxUnavailable),
				Selector:       args.selector(),
				// A pod that is broken anyway must not keep its node from being drained.
				UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
			},
		}, beside...)
		if err != nil {
			return nil, fmt.Errorf("deployment %s: %w", name, err)
		}
		d.resources = append(d.resources, budget)
	}
	return d, ctx.RegisterResourceOutputs(d, pulumi.Map{})
}

func (a Autoscale) spec(app string) *autoscalingv2.HorizontalPodAutoscalerSpecArgs {
	policy := func(kind string, value, period int) *autoscalingv2.HPAScalingPolicyArgs {
		return &autoscalingv2.HPAScalingPolicyArgs{Type: pulumi.String(kind), Value: pulumi.Int(value), PeriodSeconds: pulumi.Int(period)}
	}
	return &autoscalingv2.HorizontalPodAutoscalerSpecArgs{
		ScaleTargetRef: &autoscalingv2.CrossVersionObjectReferenceArgs{ApiVersion: pulumi.String("apps/v1"), Kind: pulumi.String("Deployment"), Name: pulumi.String(app)},
		MinReplicas:    pulumi.Int(a.Min),
		MaxReplicas:    pulumi.Int(a.Max),
		Metrics: autoscalingv2.MetricSpecArray{&autoscalingv2.MetricSpecArgs{
			Type: pulumi.String("Resource"),
			Resource: &autoscalingv2.ResourceMetricSourceArgs{
				Name:   pulumi.String("cpu"),
				Target: &autoscalingv2.MetricTargetArgs{Type: pulumi.String("Utilization"), AverageUtilization: pulumi.Int(a.CPUPercent)},
			},
		}},
		Behavior: &autoscalingv2.HorizontalPodAutoscalerBehaviorArgs{
			ScaleUp: &autoscalingv2.HPAScalingRulesArgs{
				StabilizationWindowSeconds: pulumi.Int(0), SelectPolicy: pulumi.String("Max"),
				Policies: autoscalingv2.HPAScalingPolicyArray{policy("Percent", 200, 15), policy("Pods", 4, 15)},
			},
			ScaleDown: &autoscalingv2.HPAScalingRulesArgs{
				StabilizationWindowSeconds: pulumi.Int(600), SelectPolicy: pulumi.String("Max"),
				Policies: autoscalingv2.HPAScalingPolicyArray{policy("Percent", 20, 60)},
			},
		},
	}
}
