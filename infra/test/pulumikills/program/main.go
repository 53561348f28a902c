// Command program is what infra/test/pulumikills runs under Pulumi: six orders that are paid for, three dedicated servers and three VPS, each with
// its installation, and the order of the vRack that the servers are in. Three and three are equal, so that only their marks tell whose an order is.
package main

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/ovh"
)

// publicKey is authorized on every host. No host exists, so nobody holds its other half.
const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUnderTestUnderTestUnderTestUnderTestUnder ops"

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		private, err := ovh.NewVrack(ctx, "private-network", ovh.VrackArgs{})
		if err != nil {
			return err
		}
		for i := range 3 {
			server := ovh.Args{
				Kind: ovh.Dedicated, Offer: ovh.Offer{PlanCode: "24rise03", Datacenter: "rbx"}, Vrack: private.ServiceName,
				SSHPublicKey: pulumi.String(publicKey),
			}
			if _, err := ovh.New(ctx, fmt.Sprintf("rbx-worker-%d", i+1), server); err != nil {
				return err
			}
			vps := ovh.Args{
				Kind: ovh.VPS, Offer: ovh.Offer{PlanCode: "vps-2027-model2", Datacenter: "GRA"},
				SSHPublicKey: pulumi.String(publicKey),
			}
			if _, err := ovh.New(ctx, fmt.Sprintf("gra-control-%d", i+1), vps); err != nil {
				return err
			}
		}
		return nil
	})
}
