// Command program is what infra/test/pulumikills runs under Pulumi: six orders that are paid for, three dedicated servers and three VPS, each with
// its installation, and the order of the vRack that the servers are in. Three and three are equal, so that only their marks tell whose an order is.
//
// Setting havre:change of the stack's configuration changes the last server as an engineer would change its line. The bill is registered then, too.
package main

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"havre/components/ovh"
	"havre/components/ovh/sdk"
)

// publicKey is authorized on every host. No host exists, so nobody holds its other half.
const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUnderTestUnderTestUnderTestUnderTestUnder ops"

// gone is the change after which the last server's line is no longer there.
const gone = "gone"

// changes are those of the last server's line; "none" only has the bill registered.
var changes = map[string]func(*ovh.Args){
	"":           func(*ovh.Args) {},
	"none":       func(*ovh.Args) {},
	gone:         func(*ovh.Args) {},
	"retired":    func(a *ovh.Args) { a.Retired = true },
	"plan":       func(a *ovh.Args) { a.Offer.PlanCode = "24adv03-v1" },
	"datacentre": func(a *ovh.Args) { a.Offer.Datacenter = "gra" },
	"options":    func(a *ovh.Args) { a.Offer.Options = []string{"ram-64g-ecc-3200-24rise"} },
}

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		change := config.Get(ctx, "havre:change")
		private, err := ovh.NewVrack(ctx, "private-network", ovh.VrackArgs{})
		if err != nil {
			return err
		}
		nodes := map[string]ovh.Args{}
		var order []string
		for i := range 3 {
			server, vps := fmt.Sprintf("rbx-worker-%d", i+1), fmt.Sprintf("gra-control-%d", i+1)
			nodes[server] = ovh.Args{
				Kind: ovh.Dedicated, Offer: ovh.Offer{PlanCode: "24rise03", Datacenter: "rbx"}, Vrack: private.ServiceName,
				SSHPublicKey: pulumi.String(publicKey),
			}
			nodes[vps] = ovh.Args{
				Kind: ovh.VPS, Offer: ovh.Offer{PlanCode: "vps-2027-model2", Datacenter: "GRA"},
				SSHPublicKey: pulumi.String(publicKey),
			}
			order = append(order, server, vps)
		}
		last := nodes["rbx-worker-3"]
		edit, known := changes[change]
		if !known {
			return fmt.Errorf("havre:change is %q, which this program does not know", change)
		}
		edit(&last)
		nodes["rbx-worker-3"] = last
		if change == gone {
			delete(nodes, "rbx-worker-3")
		}
		budget := &sdk.BudgetArgs{Limit: pulumi.String("1000.00")}
		for _, name := range order {
			args, there := nodes[name]
			if !there {
				continue
			}
			line := sdk.BudgetNode{Name: name, Kind: string(args.Kind), PlanCode: args.Offer.PlanCode, Datacenter: args.Offer.Datacenter, Options: args.Offer.Options}
			if args.Retired {
				line.Retired = &args.Retired
			}
			budget.Nodes = append(budget.Nodes, line)
			if _, err := ovh.New(ctx, name, args); err != nil {
				return err
			}
		}
		if change == "" {
			return nil
		}
		_, err = sdk.NewBudget(ctx, "fleet-budget", budget)
		return err
	})
}
