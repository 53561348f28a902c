package platform

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/ovh/sdk"
	"havre/stacks"
)

// DeployHosts is Deploy without what lives in the cluster: servers, base set-up, mesh and cluster, and nothing that needs an API server to answer. It is for
// measuring the state of fleets for which there are no real hosts; see infra/bench.
func DeployHosts(ctx *pulumi.Context, stack stacks.Stack, overlay string) error {
	settings, settingsErr := loadSettings(ctx, overlay, wanted(stack))
	if settings.BudgetEuros > 0 {
		stack.Budget.Monthly = stacks.EUR(int64(settings.BudgetEuros), 0)
	}
	plan, planErr := stack.Plan()
	if err := errors.Join(planErr, settingsErr); err != nil {
		return fmt.Errorf("stack %s is not deployed:\n%w", stack.Name, err)
	}
	cloud, err := sdk.NewProvider(ctx, "ovh", &sdk.ProviderArgs{
		Account: pulumi.String(settings.Account),
		Budget:  pulumi.String(plan.Stack.Budget.Monthly.Decimal()),
	})
	if err != nil {
		return err
	}
	fleet, err := buildFleet(ctx, plan, settings, pulumi.Provider(cloud))
	if err != nil {
		return err
	}
	mesh, err := buildMesh(ctx, plan, settings, fleet)
	if err != nil {
		return err
	}
	_, err = buildCluster(ctx, plan, settings, fleet, mesh)
	return err
}
