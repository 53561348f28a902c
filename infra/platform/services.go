package platform

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/authority"
	"havre/components/dns"
	"havre/components/dns/frontdoor"
	"havre/components/workload/pod"
	"havre/services/edge"
	"havre/services/edge/caddy"
	"havre/services/priority"
	"havre/services/render"
	"havre/stacks"
)

// serviceImages are the images of what runs on the platform.
var serviceImages = []string{"renderer", "caddy"}

// front is where readers enter.
type front struct {
	// addresses are the public addresses of the edge nodes, in the order of their indexes.
	addresses []pulumi.StringInput
	// authority is the certificate to trust; nil where a public authority signs.
	authority pulumi.StringInput
}

// buildServices puts onto the platform what earns the money, from the inside out: the render service, the edge before it, then its name.
func buildServices(ctx *pulumi.Context, h *hosts, provider *kubernetes.Provider, addons *addons) (*front, error) {
	settings, stack := h.settings, h.plan.Stack
	classes, err := priority.New(ctx, pulumi.Provider(provider))
	if err != nil {
		return nil, err
	}
	service, err := render.New(ctx, "render", render.Args{
		Image:          settings.Images["renderer"],
		Port:           stack.Render.Port,
		MinReplicas:    stack.Render.MinReplicas,
		MaxReplicas:    stack.Render.MaxReplicas,
		CPUPercent:     stack.Render.CPUTargetPercent,
		MaxUnavailable: stack.Render.MaxUnavailable,
		Resources: pod.Resources{
			CPU: pod.CPU(stack.Render.CPURequest), CPULimit: pod.CPU(stack.Render.CPULimit),
			Memory: pod.Bytes(stack.Render.MemoryRequest) * pod.MiB, MemoryLimit: pod.Bytes(stack.Render.MemoryLimit) * pod.MiB,
		},
		Callers:       callers(stack),
		Database:      stack.Database.Engine != "",
		Prewarm:       &render.Prewarm{Schedule: stack.Render.Prewarm.Schedule, TimeZone: stack.Render.Prewarm.TimeZone, Campaign: "spring", Readers: firstReaders},
		PriorityClass: priority.Serving,
		PrewarmClass:  priority.Batch,
		Headroom:      render.Headroom{Image: settings.Images["pause"], Pods: stack.Render.Headroom().Pods, PriorityClass: priority.Headroom},
		After:         slices.Concat(addons.network, classes),
	}, pulumi.Provider(provider))
	if err != nil {
		return nil, err
	}
	if err := buildDatabase(ctx, h, provider, service.Namespace); err != nil {
		return nil, err
	}
	made, entrance, err := buildEdge(ctx, h, provider, service, addons)
	if err != nil {
		return nil, err
	}
	// The names come last: before the edge answers there is nothing to lead readers to.
	return made, leadReaders(ctx, h, made, entrance.Resources())
}

// edgeHealth is the path at which an edge node answers for its site, from a pod: a node that no longer reaches the pods is as dead to a reader as one that is off.
const edgeHealth = "/edge/healthz"

// buildEdge puts the entrance before the render service.
func buildEdge(ctx *pulumi.Context, h *hosts, provider *kubernetes.Provider, service *render.Render, addons *addons) (*front, *edge.Edge, error) {
	settings, stack := h.settings, h.plan.Stack
	args := edge.Args{
		Image:        settings.Images["caddy"],
		NodeSelector: map[string]string{stacks.LabelEdge: ""},
		HTTPPort:     stack.Edge.HTTPPort,
		HTTPSPort:    stack.Edge.HTTPSPort,
		HealthPath:   edgeHealth,
		Sites: []caddy.Site{{
			Hosts: []string{stack.Render.Domain}, Paths: []string{render.Path}, Upstream: service.PodsHost, Fallback: service.Host, Port: service.Port,
		}},
		Private:       render.Private(),
		Reviews:       reviews(stack),
		PriorityClass: priority.Serving,
		// It finds the service by its name; the service itself needs no names to start, so the two come up at the same time.
		After: slices.Concat(service.Resources(), addons.dns),
	}
	if slices.ContainsFunc(stack.DNS.Records, func(r stacks.Record) bool { return r.Role == stacks.RoleEdge && r.Proxied }) {
		args.TrustedProxies = stack.DNS.FrontDoor
		if len(args.TrustedProxies) == 0 {
			args.TrustedProxies = frontdoor.Ranges()
		}
	}
	made := &front{}
	switch stack.Edge.TLS {
	case stacks.TLSInternal:
		signed, err := newAuthority(ctx, h)
		if err != nil {
			return nil, nil, err
		}
		args.Internal = &edge.Internal{Certificate: signed.Certificate, Key: signed.Key, ServerName: stack.Render.Domain}
		made.authority = signed.CACertificate
	default:
		args.ACME = &edge.ACME{Email: stack.Edge.ACMEEmail, Storage: edge.Storage{
			Endpoint: stack.Edge.Storage.Endpoint, Region: stack.Edge.Storage.Region, Bucket: stack.Edge.Storage.Bucket, Prefix: "edge-" + stack.Name,
			AccessKey: pulumi.String(settings.EdgeStorageAccessKey), SecretKey: pulumi.ToSecret(pulumi.String(settings.EdgeStorageSecretKey)).(pulumi.StringOutput),
		}}
		if stack.Edge.CustomersDomain != "" {
			args.ACME.Customers = &edge.Customers{Image: settings.Images["domains"], Domains: stack.Edge.Customers, Reviews: reviewNames(stack), Callers: callers(stack)}
		}
	}
	entrance, err := edge.New(ctx, "edge", args, pulumi.Provider(provider))
	return made, entrance, err
}

// callers are the networks that the edge's requests come from: it is on its node's own network and reaches pods elsewhere over the mesh; to a pod beside it the node speaks from its
// pod network.
func callers(stack stacks.Stack) []netip.Prefix {
	return []netip.Prefix{stack.Mesh.CIDR, stack.Pods.CIDR}
}

// leadReaders leads the public names to the edge nodes.
func leadReaders(ctx *pulumi.Context, h *hosts, made *front, after []pulumi.Resource) error {
	plan, stack := h.plan, h.plan.Stack
	addresses, sites := map[string]pulumi.StringInput{}, map[string][]string{}
	var out []string
	for _, m := range h.fleet {
		if !m.Has(stacks.RoleEdge) || m.Retired {
			continue
		}
		addresses[m.Name] = m.node.Address
		sites[m.Site] = append(sites[m.Site], m.Name)
		if m.Rescue {
			out = append(out, m.Name)
			continue
		}
		made.addresses = append(made.addresses, m.node.Address)
	}
	args := dns.Args{Zone: stack.DNS.Zone, ZoneID: pulumi.String(stack.DNS.ZoneID), Addresses: addresses, After: after}
	for _, record := range plan.Records {
		r := dns.Record{Name: record.Name, Balanced: record.Balanced, Proxied: record.Proxied, TTL: record.TTL}
		if !record.Balanced {
			r.Hosts = record.Nodes
		}
		args.Records = append(args.Records, r)
		if record.Proxied && record.Name == stack.Render.Domain {
			args.Cache = append(args.Cache, dns.CacheRule{Name: record.Name, Prefix: strings.TrimSuffix(render.Path, "*")})
		}
		if record.Balanced {
			args.Balancing = &dns.Balancing{AccountID: pulumi.String(stack.DNS.AccountID), Sites: sites, Out: out, Check: dns.Check{
				Host: stack.Render.Domain, Path: edgeHealth, Port: stack.Edge.HTTPSPort, Interval: stack.DNS.CheckInterval, AnyCertificate: stack.Edge.TLS == stacks.TLSInternal,
			}}
		}
	}
	_, err := dns.New(ctx, "dns", args)
	return err
}

// buildNames gives the public address of every node its name, both ways.
func buildNames(ctx *pulumi.Context, h *hosts) error {
	for _, m := range h.fleet {
		if _, err := dns.NewHost(ctx, m.Name, dns.HostArgs{
			Zone: h.plan.Stack.DNS.Zone, ZoneID: pulumi.String(h.plan.Stack.DNS.ZoneID), Name: m.FQDN, Address: m.node.Address, Server: m.node.Resources()[0],
		}, pulumi.Provider(h.cloud)); err != nil {
			return err
		}
	}
	return nil
}

// firstReaders are drawn before a campaign by the reference renderer; a company's own image brings its own list.
var firstReaders = []render.Reader{
	{ID: "r-1001", Name: "Ada Lovelace", Offer: "Two for one", Price: "19.90 EUR"},
	{ID: "r-1002", Name: "Grace Hopper", Offer: "Two for one", Price: "19.90 EUR"},
}

// newAuthority makes the edge's own authority on a control-plane node, which no pod can reach.
func newAuthority(ctx *pulumi.Context, h *hosts) (*authority.Authority, error) {
	keeper := h.plan.ControlPlane[0].Name
	for _, m := range h.fleet {
		if m.Name == keeper {
			return authority.New(ctx, "edge-authority", authority.Args{
				Connection: m.connection,
				Names:      certificateNames(h.plan.Stack),
				After:      []pulumi.Resource{h.mesh.Peers[keeper].Interface},
			})
		}
	}
	return nil, fmt.Errorf("node %s: planned, but not in the fleet; this is a mistake in infra/platform", keeper)
}

// export tells what an engineer asks for first.
func export(ctx *pulumi.Context, h *hosts, edge *front) {
	nodes := pulumi.Map{}
	for _, m := range h.fleet {
		nodes[m.Name] = pulumi.Map{
			"name": pulumi.String(m.FQDN), "address": m.node.Address, "mesh": pulumi.String(m.Mesh.String()), "service": m.node.ServiceName, "monthly": m.node.MonthlyPrice,
		}
	}
	addresses := pulumi.Array{}
	for _, address := range edge.addresses {
		addresses = append(addresses, address)
	}
	ctx.Export("nodes", nodes)
	ctx.Export("monthly", h.budget.Monthly)
	ctx.Export("monthlyWithTax", h.budget.MonthlyWithTax)
	ctx.Export("domain", pulumi.String(h.plan.Stack.Render.Domain))
	ctx.Export("edgeAddresses", addresses)
	ctx.Export("kubeconfig", pulumi.ToSecret(h.cluster.Kubeconfig))
	if edge.authority != nil {
		ctx.Export("edgeAuthority", edge.authority)
	}
}
