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
	args := Mesh(plan, settings)
	for _, m := range fleet {
		peer := Peer(plan.Stack.Mesh, m.PlannedNode)
		peer.Public, peer.Connection, peer.DependsOn, peer.Server = m.node.Address, m.connection, m.base.Resources(), m.node.Resources()[0]
		args.Hosts = append(args.Hosts, peer)
	}
	mesh, err := wireguard.New(ctx, "mesh", args)
	if err != nil {
		return nil, fmt.Errorf("stack %s: %w", plan.Stack.Name, err)
	}
	return mesh, nil
}

// Mesh is the mesh of a plan, with its operators and without its hosts.
func Mesh(plan stacks.Plan, settings Settings) wireguard.Args {
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
	for _, o := range plan.Operators {
		args.Operators = append(args.Operators, conf.Host{Name: o.Name, Mesh: o.Mesh, PublicKey: o.PublicKey})
	}
	return args
}

// Peer is a host of a mesh as its line describes it: without its public address and the way to it.
func Peer(mesh stacks.Mesh, planned stacks.PlannedNode) wireguard.Host {
	return wireguard.Host{
		Name:       planned.Name,
		Mesh:       planned.Mesh,
		Pods:       planned.PodCIDR,
		Private:    planned.Private,
		Keys:       keysOf(planned.Node, mesh),
		Rendezvous: planned.Has(stacks.RoleControlPlane) && !planned.Retired && !planned.Rescue,
	}
}

// keysOf are the generations of a node's key.
func keysOf(n stacks.Node, mesh stacks.Mesh) []int {
	if len(n.MeshKeys) > 0 {
		return n.MeshKeys
	}
	return mesh.Keys
}
