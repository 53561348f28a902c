// Command program is what infra/test/drift runs under Pulumi: one host with OVH's firewall before it and its name both ways.
package main

import (
	"os"

	"encoding/json"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/dns"
	"havre/components/ovh"
	"havre/components/ovh/sdk"
	"havre/infra/platform"
	"havre/stacks"
)

func main() { pulumi.Run(program) }

func program(ctx *pulumi.Context) error {
	text, err := os.ReadFile(os.Getenv(platform.OverlayVariable))
	if err != nil {
		return err
	}
	var keys struct{ SSHPublicKey string }
	if err := json.Unmarshal(text, &keys); err != nil {
		return err
	}
	prod := stacks.Production()
	port := 22
	node, err := ovh.New(ctx, "gra-worker-1", ovh.Args{
		Kind: ovh.Instance, Offer: ovh.Offer{PlanCode: "c3-8", Datacenter: "GRA11", Project: prod.Database.Project}, SSHPublicKey: pulumi.String(keys.SSHPublicKey),
		Firewall: []sdk.FirewallRule{{Action: "permit", Protocol: "tcp", DestinationPort: &port}, {Action: "deny", Protocol: "ipv4"}},
	})
	if err != nil {
		return err
	}
	_, err = dns.NewHost(ctx, "gra-worker-1", dns.HostArgs{
		Zone: prod.DNS.Zone, ZoneID: pulumi.String(prod.DNS.ZoneID), Name: "gra-worker-1.nodes." + prod.DNS.Zone, Address: node.Address, Server: node.Resources()[0],
	})
	return err
}
