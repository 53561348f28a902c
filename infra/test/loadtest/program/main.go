// Command program is what infra/test/loadtest runs under Pulumi: the hosts of stack load-test as the platform makes them, and the order of its database, a fork.
package main

import (
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/ovh/sdk"
	"havre/infra/platform"
	"havre/stacks"
)

func main() { pulumi.Run(program) }

func program(ctx *pulumi.Context) error {
	stack, err := stacks.LoadTest()
	if err != nil {
		return err
	}
	db := stack.Database
	if _, err := sdk.NewDatabase(ctx, "database-service", &sdk.DatabaseArgs{
		Project: pulumi.String(db.Project), Plan: pulumi.String(db.Plan), Version: pulumi.String(db.Version), Flavor: pulumi.String(db.Flavor), Nodes: pulumi.Int(db.Nodes),
		Region: pulumi.String(db.Region), ForkOf: pulumi.String(db.ForkOf), Generation: pulumi.Int(db.Generation), MaxMonthly: pulumi.String(db.Monthly.Decimal()),
	}); err != nil {
		return err
	}
	return platform.DeployHosts(ctx, stack, os.Getenv(platform.OverlayVariable))
}
