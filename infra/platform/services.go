package platform

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/cluster"
	"havre/components/wireguard"
	"havre/stacks"
)

// serviceImages are the images of what runs on the platform.
var serviceImages = []string{"renderer", "caddy"}

type front struct{}

func buildServices(ctx *pulumi.Context, plan stacks.Plan, settings Settings, fleet []machine, mesh *wireguard.Mesh, provider *kubernetes.Provider, addons []pulumi.Resource) (*front, error) {
	return nil, nil
}

func export(ctx *pulumi.Context, plan stacks.Plan, fleet []machine, made *cluster.Cluster, edge *front) {
}
