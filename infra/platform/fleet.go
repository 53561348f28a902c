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
	"havre/components/shallow"
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
		line := sdk.BudgetNode{
			Name: planned.Name, Kind: string(planned.Kind), PlanCode: planned.Offer.PlanCode, Product: &planned.Offer.Catalogue, Datacenter: planned.Datacenter,
			Options: planned.Offer.Options, Duration: &planned.Offer.Duration, PricingMode: &planned.Offer.PricingMode,
		}
		if planned.Retired {
			line.Retired = &planned.Retired
		}
		if plan.Stack.Sandbox {
			line.Disposable = &plan.Stack.Sandbox
		}
		if planned.Kind == stacks.Instance {
			line.Product, line.Duration, line.PricingMode, line.Project = nil, nil, nil, &plan.Stack.Account.CloudProject
		}
		args.Nodes = append(args.Nodes, line)
	}
	if db := plan.Stack.Database; db.Engine != "" {
		line := sdk.BudgetNode{
			Name: "database", Kind: "database", PlanCode: db.Plan, Datacenter: db.Region, Database: &sdk.DatabaseOffer{Project: db.Project, Version: db.Version, Flavor: db.Flavor, Nodes: db.Nodes},
		}
		if plan.Stack.Sandbox || db.ForkOf != "" { // a copy may be taken away at any time
			yes := true
			line.Disposable = &yes
		}
		args.Nodes = append(args.Nodes, line)
	}
	return sdk.NewBudget(ctx, "fleet-budget", args, opts...)
}

// buildFleet orders and installs every node of the plan, and gives each its base set-up. Retired nodes are still paid for, so they are in it.
func buildFleet(ctx *pulumi.Context, plan stacks.Plan, settings Settings, budget *sdk.Budget, opts ...pulumi.ResourceOption) ([]machine, error) {
	private, err := buildVrack(ctx, plan, opts...)
	if err != nil {
		return nil, err
	}
	var fleet []machine
	var errs []error
	for _, planned := range plan.Nodes {
		var m machine
		if err := shallow.Run(func() (err error) {
			m, err = buildMachine(ctx, plan, planned, settings, budget, private, opts...)
			return err
		}); err != nil {
			errs = append(errs, fmt.Errorf("node %s: %w", planned.Name, err))
			continue
		}
		fleet = append(fleet, m)
	}
	return fleet, errors.Join(errs...)
}

// buildVrack gives the service name of the private network, ordered where the stack says so. Only the attachments wait for it, beside the installations.
func buildVrack(ctx *pulumi.Context, plan stacks.Plan, opts ...pulumi.ResourceOption) (pulumi.StringInput, error) {
	if network := plan.Stack.PrivateNetwork; !network.Order {
		if network.Vrack == "" {
			return nil, nil // no node is in one
		}
		return pulumi.String(plan.Stack.PrivateNetwork.Vrack), nil
	}
	made, err := ovh.NewVrack(ctx, "fleet-vrack", ovh.VrackArgs{DisplayName: "havre " + plan.Stack.Name, Disposable: plan.Stack.Sandbox}, opts...)
	if err != nil {
		return nil, err
	}
	return made.ServiceName, nil
}

func buildMachine(
	ctx *pulumi.Context, plan stacks.Plan, planned stacks.PlannedNode, settings Settings, budget *sdk.Budget, private pulumi.StringInput, opts ...pulumi.ResourceOption,
) (machine, error) {
	kind := map[stacks.Kind]ovh.Kind{stacks.Dedicated: ovh.Dedicated, stacks.VPS: ovh.VPS, stacks.Instance: ovh.Instance}[planned.Kind]
	var vrack pulumi.StringInput
	if planned.Vrack {
		vrack = private
	}
	node, err := ovh.New(ctx, planned.Name, ovh.Args{
		Kind:            kind,
		Offer:           offer(plan, planned),
		Hostname:        planned.Hostname,
		OperatingSystem: planned.Offer.OS,
		SSHPublicKey:    pulumi.String(settings.SSHPublicKey),
		Generation:      planned.Generation,
		Vrack:           vrack,
		Adopt:           planned.Adopt,
		Partitions:      partitions(planned.Partitions),
		Firewall:        edgeFirewall(planned.Firewall),
		NoRenewal:       planned.NoRenewal,
		Rescue:          planned.Rescue,
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
		// What answers is the rescue system, and what the host's own commands would do to it is lost with the next boot.
		Held: planned.Rescue,
	}.Shared()
	args := host.Args{Connection: connection, Base: Base(plan.Stack, planned)}
	if planned.Vrack {
		args.PrivateMAC = node.PrivateMAC
	}
	made, err := host.New(ctx, planned.Name, args, pulumi.DependsOn(node.Resources()))
	if err != nil {
		return machine{}, err
	}
	return machine{PlannedNode: planned, node: node, connection: connection, base: made}, nil
}

// Base is a node's base set-up as its line describes it. What only its server knows is missing: the MAC of the interface on the private network.
func Base(stack stacks.Stack, planned stacks.PlannedNode) script.Base {
	base := script.Base{
		Hostname: planned.Hostname, WithoutContainers: !planned.InCluster(), ExtraPackages: packages(planned),
		Firewall: hostFirewall(stack, planned),
	}
	if planned.Vrack {
		base.Private = &script.Private{Address: planned.PrivateInterface}
	}
	return base
}

// offer is what the node's line agreed to.
func offer(plan stacks.Plan, planned stacks.PlannedNode) ovh.Offer {
	o := ovh.Offer{PlanCode: planned.Offer.PlanCode, Datacenter: planned.Datacenter}
	if planned.Kind == stacks.Instance {
		o.OS, o.Project, o.MaxHourly = planned.Offer.OS, plan.Stack.Account.CloudProject, planned.Offer.Hourly.Decimal()
		return o
	}
	o.Product, o.Options, o.Duration, o.PricingMode = planned.Offer.Catalogue, planned.Offer.Options, planned.Offer.Duration, planned.Offer.PricingMode
	o.MaxMonthly, o.MaxSetup = planned.Offer.Monthly.Decimal(), planned.Offer.Setup.Decimal()
	return o
}

// packages are the Debian packages that a node of the cluster needs beside those of every host.
func packages(planned stacks.PlannedNode) []string {
	if !planned.InCluster() {
		return nil
	}
	return cluster.Packages
}

// partitions is a disk layout as the installer takes it.
func partitions(layout []stacks.Partition) []sdk.Partition {
	var list []sdk.Partition
	for _, p := range layout {
		line := sdk.Partition{MountPoint: p.MountPoint, FileSystem: p.FileSystem, SizeMiB: int(p.Size)}
		if p.Striped {
			line.RAIDLevel = new(int)
		}
		list = append(list, line)
	}
	return list
}

// tellRescues says for each node in the rescue system what this run does not do, so that nobody takes its silence for success.
func tellRescues(ctx *pulumi.Context, plan stacks.Plan) error {
	var errs []error
	for _, n := range plan.Nodes {
		if n.Rescue {
			errs = append(errs, ctx.Log.Warn(fmt.Sprintf(rescueNote, n.Name), nil))
		}
	}
	return errors.Join(errs...)
}

// rescueNote is what a run says of a node in the rescue system.
const rescueNote = "node %s: boots OVH's rescue system. This run does nothing on it and changes none of its commands; no reader is led to it, and other nodes keep it as a peer. " +
	"When it is mended, clear its Rescue and run again; see docs/runbooks/a-host-that-does-not-answer.md"
