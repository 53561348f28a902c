package dns

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi-cloudflare/sdk/v5/go/cloudflare"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

// Balancing leads names to sites by their health: a site whose hosts do not answer leaves the rotation, and comes back when they do.
type Balancing struct {
	// AccountID is the account's identifier at Cloudflare; pools and monitors are the account's, not the zone's. Required.
	AccountID pulumi.StringInput
	// Check is how hosts are looked at.
	Check Check
	// Sites are keys of Addresses by the name of their site; two sites or more, or a lost one would be all. Each is a pool.
	Sites map[string][]string
	// Out are hosts of Sites that no reader is led to for now. They stay in their pools, so that a site whose last host is out keeps its pool.
	Out []string
}

// Check is a look at a host over HTTPS: what answers is in the rotation. A host whose certificate is not valid for Host is out, unless AnyCertificate.
type Check struct {
	// Host is the name that is asked for, Path the path; 200 is healthy.
	Host, Path string
	// Port is the hosts' TCP port for HTTPS.
	Port int
	// Interval is the time between two looks: 5 s to 1 h in whole seconds. Cloudflare's plans have lower bounds of their own, 60 s for Pro.
	Interval time.Duration
	// AnyCertificate takes every certificate, for an authority that Cloudflare does not know.
	AnyCertificate bool
}

// CacheRule has Cloudflare keep what a name answers below a path, for as long as the answer's own Cache-Control says.
type CacheRule struct {
	// Name is a proxied one of the records, Prefix begins the paths, with its slash.
	Name, Prefix string
}

// checkTimeout and checkRetries: a host is out after three looks of five seconds.
const (
	checkTimeout = 5 * time.Second
	checkRetries = 2
)

// cacheablePrefix keeps a rule's expression free of quotes.
var cacheablePrefix = regexp.MustCompile(`^/[A-Za-z0-9/_.-]*$`)

func (a Args) validateBalancing() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	balanced := slices.ContainsFunc(a.Records, func(r Record) bool { return r.Balanced })
	b := a.Balancing
	switch {
	case b == nil && balanced:
		fail("balancing: is missing, and a record wants it; give its sites and check")
	case b == nil:
	default:
		if b.AccountID == nil {
			fail("account id is missing; Cloudflare shows it on the zone's overview page")
		}
		if len(b.Sites) < 2 {
			fail("balancing: %d sites; give two or more, or a lost one would be all", len(b.Sites))
		}
		for _, site := range slices.Sorted(maps.Keys(b.Sites)) {
			if err := naming.Validate(site); err != nil {
				fail("balancing: site: %w", err)
			}
			if len(b.Sites[site]) == 0 {
				fail("balancing: site %s has no hosts; give at least one", site)
			}
			for _, host := range b.Sites[site] {
				if a.Addresses[host] == nil {
					fail("balancing: site %s: host %q has no address; name one of the hosts that have", site, host)
				}
			}
		}
		for _, host := range b.Out {
			if !slices.ContainsFunc(slices.Collect(maps.Values(b.Sites)), func(hosts []string) bool { return slices.Contains(hosts, host) }) {
				fail("balancing: host %q is out, and in no site; remove it", host)
			}
		}
		c := b.Check
		if !hostName.MatchString(c.Host) || strings.HasPrefix(c.Host, "*") {
			fail("check: host %q is not a DNS name", c.Host)
		}
		if !strings.HasPrefix(c.Path, "/") {
			fail("check: path %q has no leading slash", c.Path)
		}
		if c.Port < 1 || c.Port > 65535 {
			fail("check: port %d is outside 1–65535", c.Port)
		}
		if c.Interval < 5*time.Second || c.Interval > time.Hour || c.Interval%time.Second != 0 {
			fail("check: interval %s; give 5s to 1h in whole seconds", c.Interval)
		}
	}
	for _, rule := range a.Cache {
		if !slices.ContainsFunc(a.Records, func(r Record) bool { return r.Name == rule.Name && r.Proxied }) {
			fail("cache rule for %s: it is not a proxied record; Cloudflare keeps nothing of others", rule.Name)
		}
		if !cacheablePrefix.MatchString(rule.Prefix) {
			fail("cache rule for %s: prefix %q; give a path of letters, digits and /_.- with its leading slash", rule.Name, rule.Prefix)
		}
	}
	return errors.Join(errs...)
}

// poolName is a pool's name in the account, which other zones share.
func poolName(zone, site string) string { return strings.ReplaceAll(zone, ".", "-") + "-" + site }

// balance makes one monitor, a pool a site, and a load balancer for each balanced record. They are called <name>-monitor, <name>-pool-<site> and <name>-<record>.
func (z *Zone) balance(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) error {
	b := args.Balancing
	monitor, err := cloudflare.NewLoadBalancerMonitor(ctx, naming.Child(name, "monitor"), &cloudflare.LoadBalancerMonitorArgs{
		AccountId:     b.AccountID,
		Type:          pulumi.String("https"),
		Method:        pulumi.String("GET"),
		Path:          pulumi.String(b.Check.Path),
		Port:          pulumi.Int(b.Check.Port),
		ExpectedCodes: pulumi.String("200"),
		Headers: cloudflare.LoadBalancerMonitorHeaderArray{&cloudflare.LoadBalancerMonitorHeaderArgs{
			Header: pulumi.String("Host"), Values: pulumi.ToStringArray([]string{b.Check.Host}),
		}},
		Interval:      pulumi.Int(int(b.Check.Interval / time.Second)),
		Timeout:       pulumi.Int(int(checkTimeout / time.Second)),
		Retries:       pulumi.Int(checkRetries),
		AllowInsecure: pulumi.Bool(b.Check.AnyCertificate),
		Description:   pulumi.String("havre: " + args.Zone),
	}, opts...)
	if err != nil {
		return fmt.Errorf("monitor: %w", err)
	}
	z.resources = append(z.resources, monitor)
	var pools pulumi.StringArray
	for _, site := range slices.Sorted(maps.Keys(b.Sites)) {
		var origins cloudflare.LoadBalancerPoolOriginArray
		for _, host := range b.Sites[site] {
			origins = append(origins, &cloudflare.LoadBalancerPoolOriginArgs{
				Name: pulumi.String(host), Address: args.Addresses[host].ToStringOutput(), Enabled: pulumi.Bool(!slices.Contains(b.Out, host)),
			})
		}
		pool, err := cloudflare.NewLoadBalancerPool(ctx, naming.Child(naming.Child(name, "pool"), site), &cloudflare.LoadBalancerPoolArgs{
			AccountId:   b.AccountID,
			Name:        pulumi.String(poolName(args.Zone, site)),
			Monitor:     monitor.ID(),
			Origins:     origins,
			Description: pulumi.String("havre: edge nodes in " + site),
			// One host that answers carries its site's share together with the other sites'.
			MinimumOrigins: pulumi.Int(1),
		}, opts...)
		if err != nil {
			return fmt.Errorf("pool of site %s: %w", site, err)
		}
		z.resources, pools = append(z.resources, pool), append(pools, pool.ID())
	}
	for _, r := range args.Records {
		if !r.Balanced {
			continue
		}
		balancer := &cloudflare.LoadBalancerArgs{
			ZoneId: args.ZoneID,
			// A load balancer's name is the whole one.
			Name:           pulumi.String(r.Name),
			DefaultPoolIds: pools,
			// Asked when every site seems lost, and then any is as good.
			FallbackPoolId: pools[0],
			// All sites work all the time: what never carries traffic is broken when it must.
			SteeringPolicy: pulumi.String("random"),
			Proxied:        pulumi.Bool(r.Proxied),
			Description:    pulumi.String("havre: " + r.Name),
		}
		if !r.Proxied {
			balancer.Ttl = pulumi.Int(int(r.TTL / time.Second))
		}
		made, err := cloudflare.NewLoadBalancer(ctx, naming.Child(name, label(r.Name, args.Zone)), balancer, opts...)
		if err != nil {
			return fmt.Errorf("load balancer %s: %w", r.Name, err)
		}
		z.resources = append(z.resources, made)
	}
	return nil
}

// cache makes the zone's cache rules, one resource called <name>-cache: a zone has one set of them.
func (z *Zone) cache(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) error {
	var rules cloudflare.RulesetRuleArray
	for _, rule := range args.Cache {
		rules = append(rules, &cloudflare.RulesetRuleArgs{
			Action:      pulumi.String("set_cache_settings"),
			Expression:  pulumi.String(fmt.Sprintf(`(http.host eq "%s" and starts_with(http.request.uri.path, "%s"))`, rule.Name, rule.Prefix)),
			Description: pulumi.String("havre: " + rule.Name + rule.Prefix),
			Enabled:     pulumi.Bool(true),
			ActionParameters: &cloudflare.RulesetRuleActionParametersArgs{
				Cache: pulumi.Bool(true),
				// The whole query is in the key, as it is unless said otherwise: it says whose picture it is.
				EdgeTtl:    &cloudflare.RulesetRuleActionParametersEdgeTtlArgs{Mode: pulumi.String("respect_origin")},
				BrowserTtl: &cloudflare.RulesetRuleActionParametersBrowserTtlArgs{Mode: pulumi.String("respect_origin")},
			},
		})
	}
	made, err := cloudflare.NewRuleset(ctx, naming.Child(name, "cache"), &cloudflare.RulesetArgs{
		ZoneId:      args.ZoneID.ToStringOutput().ToStringPtrOutput(),
		Kind:        pulumi.String("zone"),
		Phase:       pulumi.String("http_request_cache_settings"),
		Name:        pulumi.String("havre: cache rules"),
		Description: pulumi.String("havre: " + args.Zone),
		Rules:       rules,
	}, opts...)
	if err != nil {
		return fmt.Errorf("cache rules: %w", err)
	}
	z.resources = append(z.resources, made)
	return nil
}
