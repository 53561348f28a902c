// Package dns keeps the names of a Cloudflare zone: plain ones, one A record per host behind them, and balanced ones, which lead to the sites that answer.
//
// What a reader would get wrong: several records of one plain name are a round robin, not a failover; clients try the next address when a connection fails,
// and a host that is gone answers nobody until its record is gone too. A record is known by its name and its host, so a new host adds records
// and touches none of the others. A balanced name without the front door is a failover by DNS, so it takes as long as the check's interval and the TTL together; with the
// front door before it, the interval alone.
package dns

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi-cloudflare/sdk/v5/go/cloudflare"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

// automatic is Cloudflare's value for a time to live of its own choice, the only one for proxied records.
const automatic = 1

// Args describes a zone's records.
type Args struct {
	// Zone is the zone's name, such as example.com, ZoneID its identifier at Cloudflare. Both required.
	Zone   string
	ZoneID pulumi.StringInput
	// Addresses are the public IPv4 addresses of hosts, by the host's name. They may be known late; the names may not.
	Addresses map[string]pulumi.StringInput
	// Records are the names; at least one.
	Records []Record
	// Balancing is for balanced records; required where there is one.
	Balancing *Balancing
	// Cache are what Cloudflare may keep; optional.
	Cache []CacheRule
	// After are real resources that must be there before any record: the service that the name leads to.
	After []pulumi.Resource
}

// Record is a name with the hosts behind it.
type Record struct {
	// Name is the full name, inside the zone and without a final dot.
	Name string
	// Hosts are keys of Addresses; at least one. None for a balanced record.
	Hosts []string
	// Balanced leads the name to the sites of Args.Balancing instead.
	Balanced bool
	// Proxied puts Cloudflare's front door before the hosts.
	Proxied bool
	// TTL is 1 min to 1 day in whole seconds, or 0 for Cloudflare's choice; 0 when proxied. A balanced record without the front door has 30 s to 10 min, as the loss of a
	// site takes that long to be seen.
	TTL time.Duration
}

// Zone are the records of a zone.
type Zone struct {
	pulumi.ResourceState

	resources []pulumi.Resource
}

// Resources are the real resources to depend on.
func (z *Zone) Resources() []pulumi.Resource { return z.resources }

var hostName = regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`)

// Validate reports everything that is wrong, joined.
func (a Args) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !hostName.MatchString(a.Zone) || strings.HasPrefix(a.Zone, "*") {
		fail("zone %q is not a DNS name; give one such as example.com", a.Zone)
	}
	if a.ZoneID == nil {
		fail("zone id is missing; Cloudflare shows it on the zone's overview page")
	}
	if len(a.Records) == 0 {
		fail("records: none given; give at least one")
	}
	seen := map[string]bool{}
	for _, r := range a.Records {
		if !hostName.MatchString(r.Name) {
			fail("record %q is not a DNS name", r.Name)
		} else if r.Name != a.Zone && !strings.HasSuffix(r.Name, "."+a.Zone) {
			fail("record %s is outside zone %s", r.Name, a.Zone)
		}
		if seen[label(r.Name, a.Zone)] {
			fail("record %s is given twice, or reads as another once its dots are hyphens; rename it", r.Name)
		}
		seen[label(r.Name, a.Zone)] = true
		switch {
		case r.Balanced && len(r.Hosts) > 0:
			fail("record %s: is balanced and has hosts of its own; give one of them", r.Name)
		case !r.Balanced && len(r.Hosts) == 0:
			fail("record %s: has no hosts; give at least one", r.Name)
		}
		for i, host := range r.Hosts {
			if a.Addresses[host] == nil {
				fail("record %s: host %q has no address; name one of the hosts that have", r.Name, host)
			}
			if slices.Contains(r.Hosts[:i], host) {
				fail("record %s: host %q is given twice", r.Name, host)
			}
		}
		switch {
		case r.Proxied && r.TTL != 0:
			fail("record %s: TTL %s with the front door before it; Cloudflare chooses it then, give 0", r.Name, r.TTL)
		case r.Balanced && !r.Proxied && (r.TTL < 30*time.Second || r.TTL > 10*time.Minute || r.TTL%time.Second != 0):
			fail("record %s: TTL %s of a balanced name; give 30s to 10m in whole seconds", r.Name, r.TTL)
		case !r.Balanced && r.TTL != 0 && (r.TTL < time.Minute || r.TTL > 24*time.Hour || r.TTL%time.Second != 0):
			fail("record %s: TTL %s; give 1m to 24h in whole seconds, or 0", r.Name, r.TTL)
		}
	}
	errs = append(errs, a.validateBalancing())
	return errors.Join(errs...)
}

// relative is the name inside the zone, @ for the zone itself.
func relative(name, zone string) string {
	if name == zone {
		return "@"
	}
	return strings.TrimSuffix(name, "."+zone)
}

// label is the name's part of a logical name.
func label(name, zone string) string {
	inside := relative(name, zone)
	if inside == "@" {
		return "apex"
	}
	return strings.ReplaceAll(strings.ReplaceAll(inside, "*", "any"), ".", "-")
}

// New makes the records. A plain one is called <name>-<record>-<host>, a balanced one <name>-<record>.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Zone, error) {
	if err := args.Validate(); err != nil {
		return nil, fmt.Errorf("dns %s: %w", name, err)
	}
	z := &Zone{}
	if err := ctx.RegisterComponentResource(naming.DNSZone, name, z, opts...); err != nil {
		return nil, fmt.Errorf("dns %s: %w", name, err)
	}
	common := []pulumi.ResourceOption{pulumi.Parent(z), pulumi.DependsOn(args.After)}
	for _, r := range args.Records {
		ttl := automatic
		if r.TTL != 0 {
			ttl = int(r.TTL / time.Second)
		}
		for _, host := range r.Hosts {
			record, err := cloudflare.NewRecord(ctx, naming.Child(naming.Child(name, label(r.Name, args.Zone)), host), &cloudflare.RecordArgs{
				ZoneId:  args.ZoneID,
				Name:    pulumi.String(relative(r.Name, args.Zone)),
				Type:    pulumi.String("A"),
				Content: args.Addresses[host].ToStringOutput().ToStringPtrOutput(),
				Proxied: pulumi.Bool(r.Proxied),
				Ttl:     pulumi.Int(ttl),
				Comment: pulumi.String("havre: " + host),
				// A run on a lost state adopts the very same record; it never takes over another's.
				AllowOverwrite: pulumi.Bool(true),
			}, common...)
			if err != nil {
				return nil, fmt.Errorf("dns %s: record %s of %s: %w", name, r.Name, host, err)
			}
			z.resources = append(z.resources, record)
		}
	}
	if args.Balancing != nil {
		if err := z.balance(ctx, name, args, common...); err != nil {
			return nil, fmt.Errorf("dns %s: %w", name, err)
		}
	}
	if len(args.Cache) > 0 {
		if err := z.cache(ctx, name, args, common...); err != nil {
			return nil, fmt.Errorf("dns %s: %w", name, err)
		}
	}
	return z, ctx.RegisterResourceOutputs(z, pulumi.Map{})
}
