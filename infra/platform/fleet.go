package platform

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/cluster"
	"havre/components/host"
	"havre/components/host/script"
	"havre/components/ovh"
	"havre/components/ovh/sdk"
	"havre/stacks"
)

// machine is one node with what the world adds to its plan: an address, a pinned key, and a base set-up to build on.
type machine struct {
	stacks.PlannedNode
	node       *ovh.Node
	connection host.Connection
	base       *host.Base
}

// buildBudget is the stack's bill. Every order depends on it: a run that would pass the budget ends with one message, before the first checkout.
func buildBudget(ctx *pulumi.Context, plan stacks.Plan, opts ...pulumi.ResourceOption) (*sdk.Budget, error) {
	args := &sdk.BudgetArgs{Limit: pulumi.String(plan.Stack.Budget.Monthly.Decimal())}
	for _, planned := range plan.Nodes {
		args.Nodes = append(args.Nodes, sdk.BudgetNode{
			Name: planned.Name, Kind: string(planned.Kind), PlanCode: planned.Offer.PlanCode, Product: &planned.Offer.Catalogue, Datacenter: planned.Datacenter,
			Options: planned.Offer.Options, Duration: &planned.Offer.Duration, PricingMode: &planned.Offer.PricingMode,
		})
	}
	return sdk.NewBudget(ctx, "fleet-budget", args, opts...)
}

// buildFleet orders and installs every node of the plan, and gives each its base set-up. Retired nodes are still paid for, so they are in it.
func buildFleet(ctx *pulumi.Context, plan stacks.Plan, settings Settings, budget *sdk.Budget, opts ...pulumi.ResourceOption) ([]machine, error) {
	var fleet []machine
	var errs []error
	for _, planned := range plan.Nodes {
		m, err := buildMachine(ctx, plan, planned, settings, budget, opts...)
		if err != nil {
			errs = append(errs, fmt.Errorf("node %s: %w", planned.Name, err))
			continue
		}
		fleet = append(fleet, m)
	}
	return fleet, errors.Join(errs...)
}

func buildMachine(ctx *pulumi.Context, plan stacks.Plan, planned stacks.PlannedNode, settings Settings, budget *sdk.Budget, opts ...pulumi.ResourceOption) (machine, error) {
	kind := ovh.Dedicated
	var vrack pulumi.StringInput
	if planned.Kind == stacks.VPS {
		kind = ovh.VPS
	}
	if planned.Vrack {
		vrack = pulumi.String(plan.Stack.PrivateNetwork.Vrack)
	}
	node, err := ovh.New(ctx, planned.Name, ovh.Args{
		Kind: kind,
		Offer: ovh.Offer{
			PlanCode:    planned.Offer.PlanCode,
			Product:     planned.Offer.Catalogue,
			Datacenter:  planned.Datacenter,
			Options:     planned.Offer.Options,
			Duration:    planned.Offer.Duration,
			PricingMode: planned.Offer.PricingMode,
			MaxMonthly:  planned.Offer.Monthly.Decimal(),
			MaxSetup:    planned.Offer.Setup.Decimal(),
		},
		Hostname:        planned.Hostname,
		OperatingSystem: planned.Offer.OS,
		SSHPublicKey:    pulumi.String(settings.SSHPublicKey),
		Generation:      planned.Generation,
		Vrack:           vrack,
		Retired:         planned.Retired,
		Disposable:      plan.Stack.Sandbox,
		After:           []pulumi.Resource{budget},
	}, opts...)
	if err != nil {
		return machine{}, err
	}
	connection := host.Connection{
		Address:    node.Address,
		User:       node.User,
		PrivateKey: pulumi.ToSecret(pulumi.String(host.PrivateKey(settings.SSHPrivateKey))).(pulumi.StringOutput),
		HostKey:    node.HostKey,
	}
	args := host.Args{Connection: connection, Base: script.Base{
		Hostname: planned.Hostname, WithoutContainers: !planned.InCluster(), ExtraPackages: packages(planned),
	}}
	if planned.Vrack {
		args.Base.Private, args.PrivateMAC = &script.Private{Address: planned.PrivateInterface}, node.PrivateMAC
	}
	made, err := host.New(ctx, planned.Name, args, pulumi.DependsOn(node.Resources()))
	if err != nil {
		return machine{}, err
	}
	return machine{PlannedNode: planned, node: node, connection: connection, base: made}, nil
}

// packages are the Debian packages that a node of the cluster needs beside those of every host.
func packages(planned stacks.PlannedNode) []string {
	if !planned.InCluster() {
		return nil
	}
	return cluster.Packages
}
