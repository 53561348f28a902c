package platform

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/script"
	"havre/components/ovh/sdk"
	"havre/components/wireguard/conf"
	"havre/stacks"
)

// edgeFirewall is a filter as OVH takes it.
func edgeFirewall(rules []stacks.FirewallRule) []sdk.FirewallRule {
	var list []sdk.FirewallRule
	for _, r := range rules {
		line := sdk.FirewallRule{Action: "permit", Protocol: string(r.Protocol)}
		if r.Deny {
			line.Action = "deny"
		}
		if r.From.IsValid() {
			line.Source = pulumi.StringRef(r.From.String())
		}
		if r.FromPort != 0 {
			line.SourcePort = pulumi.IntRef(r.FromPort)
		}
		if r.Port != 0 {
			line.DestinationPort = pulumi.IntRef(r.Port)
		}
		if r.Established {
			line.TCPOption = pulumi.StringRef("established")
		}
		list = append(list, line)
	}
	return list
}

// podInterfaces are a node's interfaces to its own pods, by what gives pods their network.
var podInterfaces = map[stacks.PodNetwork][]string{stacks.NetworkBridge: {"cni0"}, stacks.NetworkCilium: {"cilium_host", "lxc*"}}

// hostFirewall is the node's own filter: the node's own rules, then what follows from its roles.
func hostFirewall(stack stacks.Stack, n stacks.PlannedNode) *script.Firewall {
	wall := &script.Firewall{Interface: conf.Interface, Port: stack.Mesh.Port, Mesh: stack.Mesh.CIDR, Pods: stack.Pods.CIDR}
	if n.InCluster() {
		wall.PodInterfaces = podInterfaces[stack.Pods.Network]
	}
	for _, r := range n.Open {
		if r.Established {
			continue // it keeps state, so packets that begin no connection need no rule
		}
		rule := script.FirewallRule{Deny: r.Deny, Protocol: string(r.Protocol), Port: r.Port, FromPort: r.FromPort}
		if r.From.IsValid() {
			rule.From = r.From.String()
		}
		wall.Rules = append(wall.Rules, rule)
	}
	for _, open := range n.Openings {
		rule := script.FirewallRule{Protocol: string(open.Protocol), Port: open.Port}
		switch {
		case open.From == stacks.FromHosts:
			rule.From = script.FromHosts
		case open.From == stacks.FromCluster:
			rule.From = script.FromCluster
		case open.Network.IsValid():
			rule.From = open.Network.String()
		}
		wall.Rules = append(wall.Rules, rule)
	}
	return wall
}
