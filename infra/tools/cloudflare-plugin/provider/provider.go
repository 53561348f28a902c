// Package provider is the drop-in for the official `cloudflare` plugin: DNS records, load balancers with their pools and monitors, and cache rules.
//
// What one would get wrong: an account's record is the truth, so a read takes over what is there, and a record that is gone is an empty id, not an error.
package provider

import (
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// The plugin's name and the version of the SDK that it serves.
const (
	Name    = "cloudflare"
	Version = "5.49.1"
)

// New returns the provider.
func New() (p.Provider, error) {
	return infer.NewProviderBuilder().
		WithDisplayName("Cloudflare").
		WithDescription("DNS records, load balancers and cache rules at Cloudflare: a drop-in for the official plugin where that cannot be had.").
		WithConfig(infer.Config(&Config{})).
		WithResources(infer.Resource(&Record{}), infer.Resource(&LoadBalancerMonitor{}), infer.Resource(&LoadBalancerPool{}), infer.Resource(&LoadBalancer{}), infer.Resource(&Ruleset{})).
		Build()
}
