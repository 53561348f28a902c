package platform

import (
	"net/netip"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/database"
	"havre/components/ovh/scrub"
	"havre/services/render"
	"havre/stacks"
)

// buildDatabase makes the stack's managed PostgreSQL, and puts the connection beside the pods that use it. It needs the fleet's addresses and a namespace, and
// nothing waits for it: its order runs beside those of the servers.
func buildDatabase(ctx *pulumi.Context, h *hosts, provider *kubernetes.Provider, namespace pulumi.Resource) error {
	db := h.plan.Stack.Database
	if db.Engine == "" {
		return nil
	}
	args := database.Args{
		Project: db.Project, Plan: db.Plan, Version: db.Version, Flavor: db.Flavor, Nodes: db.Nodes, Region: db.Region, MaxMonthly: db.Monthly.Decimal(),
		Name: db.Name, User: db.User, Allowed: map[string]pulumi.StringInput{}, Namespace: render.Namespace,
		Client: render.App, Inside: inside(h.plan.Stack),
		Before: []pulumi.Resource{h.budget}, After: []pulumi.Resource{namespace}, Disposable: h.plan.Stack.Sandbox,
	}
	if db.ForkOf != "" {
		args.Fork = &database.Fork{Of: db.ForkOf, Generation: db.Generation, Scrubber: db.Scrubber, Rules: rules(db.Scrub)}
	}
	// Pods leave the mesh by their node's public address; only workers run pods of ours.
	for _, m := range h.fleet {
		if m.Has(stacks.RoleWorker) && !m.Retired {
			args.Allowed[m.Name] = m.node.Address
		}
	}
	_, err := database.New(ctx, "database", args, pulumi.Providers(h.cloud, provider))
	return err
}

// inside are the networks of the stack's own.
func inside(stack stacks.Stack) []netip.Prefix {
	out := []netip.Prefix{stack.Mesh.CIDR, stack.Pods.CIDR, stack.Services.CIDR}
	if stack.PrivateNetwork.CIDR.IsValid() {
		out = append(out, stack.PrivateNetwork.CIDR)
	}
	return out
}

// rules gives a description's rules to the component.
func rules(list []stacks.ScrubRule) []scrub.Rule {
	out := make([]scrub.Rule, len(list))
	for i, r := range list {
		out[i] = scrub.Rule{Target: r.Name, Action: scrub.Action(r.Action), Value: r.Value, Why: r.Why}
	}
	return out
}
