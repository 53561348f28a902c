// Command program is what infra/test/database runs under Pulumi: the database's part of a stack, by the component and with the providers that a stack has, in a
// cluster that is an API server alone.
package main

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"havre/components/database"
	"havre/components/ovh/sdk"
	"havre/components/workload"
)

// KubeconfigVariable names the file by which the API server is reached.
const KubeconfigVariable = "HAVRE_TEST_KUBECONFIG"

func main() { pulumi.Run(program) }

// program reads what changes from the stack's configuration: havre:workers, the addresses that may connect, and havre:retired.
func program(ctx *pulumi.Context) error {
	kubeconfig, err := os.ReadFile(os.Getenv(KubeconfigVariable))
	if err != nil {
		return fmt.Errorf("%s: %w", KubeconfigVariable, err)
	}
	cluster, err := kubernetes.NewProvider(ctx, "kubernetes", &kubernetes.ProviderArgs{
		Kubeconfig: pulumi.ToSecret(pulumi.String(kubeconfig)).(pulumi.StringOutput), EnableServerSideApply: pulumi.Bool(true),
		ClusterIdentifier: pulumi.String(ctx.Stack()), DeleteUnreachable: pulumi.Bool(false),
	})
	if err != nil {
		return err
	}
	args := database.Args{
		Project: config.Require(ctx, "havre:project"), Plan: "production", Version: "17", Flavor: "b3-8", Nodes: 2, Region: "GRA", MaxMonthly: "176.00",
		Name: "havre", User: "avnadmin", Namespace: "render", Client: "renderer", Inside: []netip.Prefix{netip.MustParsePrefix("10.80.0.0/16")},
		Allowed: map[string]pulumi.StringInput{}, Retired: config.GetBool(ctx, "havre:retired"),
	}
	for i, address := range strings.Fields(config.Require(ctx, "havre:workers")) {
		args.Allowed[fmt.Sprintf("worker-%d", i+1)] = pulumi.String(address)
	}
	namespace, err := workload.NewNamespace(ctx, "render", workload.NamespaceArgs{Namespace: args.Namespace}, pulumi.Provider(cluster))
	if err != nil {
		return err
	}
	budget, err := sdk.NewBudget(ctx, "fleet-budget", &sdk.BudgetArgs{Limit: pulumi.String("200.00"), Nodes: []sdk.BudgetNode{{
		Name: "database", Kind: "database", PlanCode: args.Plan, Datacenter: args.Region,
		Database: &sdk.DatabaseOffer{Project: args.Project, Version: args.Version, Flavor: args.Flavor, Nodes: args.Nodes},
	}}})
	if err != nil {
		return err
	}
	args.Before, args.After = []pulumi.Resource{budget}, []pulumi.Resource{namespace.Namespace}
	_, err = database.New(ctx, "database", args, pulumi.Providers(cluster))
	return err
}
