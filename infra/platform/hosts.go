package platform

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/cluster"
	"havre/components/ovh/sdk"
	"havre/components/shallow"
	"havre/components/wireguard"
	"havre/stacks"
)

// hosts is a stack up to and including a cluster in which nothing runs yet.
type hosts struct {
	plan     stacks.Plan
	settings Settings
	cloud    pulumi.ProviderResource
	budget   *sdk.Budget
	fleet    []machine
	mesh     *wireguard.Mesh
	cluster  *cluster.Cluster
}

// DeployHosts is Deploy without what lives in the cluster: servers, base set-up, mesh and cluster, and nothing that needs an API server to answer. It is for
// measuring the state of fleets for which there are no real hosts; see infra/bench.
func DeployHosts(ctx *pulumi.Context, stack stacks.Stack, overlay string) error {
	return shallow.Run(func() error {
		_, err := deployHosts(ctx, stack, overlay)
		return err
	})
}

func deployHosts(ctx *pulumi.Context, stack stacks.Stack, overlay string) (*hosts, error) {
	settings, settingsErr := loadSettings(ctx, overlay, &stack)
	if settings.BudgetEuros > 0 {
		stack.Budget.Monthly = stacks.EUR(int64(settings.BudgetEuros), 0)
	}
	plan, planErr := stack.Plan()
	if err := errors.Join(planErr, settingsErr); err != nil {
		return nil, fmt.Errorf("stack %s is not deployed:\n%w", stack.Name, err)
	}
	cloud, err := sdk.NewProvider(ctx, "ovh", &sdk.ProviderArgs{
		Account: pulumi.String(settings.Account),
		Budget:  pulumi.String(plan.Stack.Budget.Monthly.Decimal()),
	})
	if err != nil {
		return nil, err
	}
	if err := tellRescues(ctx, plan); err != nil {
		return nil, err
	}
	h := &hosts{plan: plan, settings: settings, cloud: cloud}
	if h.budget, err = buildBudget(ctx, plan, pulumi.Provider(cloud)); err != nil {
		return nil, err
	}
	if h.fleet, err = buildFleet(ctx, plan, settings, h.budget, pulumi.Provider(cloud)); err != nil {
		return nil, err
	}
	if h.mesh, err = buildMesh(ctx, plan, settings, h.fleet); err != nil {
		return nil, err
	}
	h.cluster, err = buildCluster(ctx, plan, settings, h.fleet, h.mesh)
	return h, err
}
