package platform

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/wireguard"
	"havre/components/wireguard/conf"
	"havre/stacks"
)

// buildMesh joins all hosts, those outside Kubernetes and retired ones too, in one mesh.
func buildMesh(ctx *pulumi.Context, plan stacks.Plan, settings Settings, fleet []machine) (*wireguard.Mesh, error) {
	args := wireguard.Args{
		Network: plan.Stack.Mesh.CIDR,
		Pods:    plan.Stack.Pods.CIDR,
		Port:    uint16(plan.Stack.Mesh.Port),
		MTU:     plan.Stack.Mesh.MTU,
		PodsMTU: plan.Stack.Pods.MTU,
	}
	if plan.Stack.Runtime.UserspaceWireGuard {
		args.Userspace = &conf.Userspace{URL: settings.URL("wireguard-go"), SHA256: settings.Artifacts["wireguard-go"].SHA256}
	}
	for _, m := range fleet {
		args.Hosts = append(args.Hosts, wireguard.Host{
			Name:       m.Name,
			Mesh:       m.Mesh,
			Pods:       m.PodCIDR,
			Private:    m.Private,
			Keys:       keysOf(m.Node, plan.Stack.Mesh),
			Public:     m.node.Address,
			Connection: m.connection,
			DependsOn:  m.base.Resources(),
			Server:     m.node.Resources()[0],
			Rendezvous: m.Has(stacks.RoleControlPlane) && !m.Retired && !m.Rescue,
		})
	}
	for _, o := range plan.Operators {
		args.Operators = append(args.Operators, conf.Host{Name: o.Name, Mesh: o.Mesh, PublicKey: o.PublicKey})
	}
	mesh, err := wireguard.New(ctx, "mesh", args)
	if err != nil {
		return nil, fmt.Errorf("stack %s: %w", plan.Stack.Name, err)
	}
	return mesh, nil
}

// keysOf are the generations of a node's key.
func keysOf(n stacks.Node, mesh stacks.Mesh) []int {
	if len(n.MeshKeys) > 0 {
		return n.MeshKeys
	}
	return mesh.Keys
}
