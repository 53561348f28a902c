package dns

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pulumi/pulumi-cloudflare/sdk/v5/go/cloudflare"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
	"havre/components/ovh/sdk"
)

// HostArgs describes the name of one host's public address.
type HostArgs struct {
	// Zone and ZoneID are as in Args. Required.
	Zone   string
	ZoneID pulumi.StringInput
	// Name is the full name, inside the zone and without a final dot. No other record may have it: OVH looks for the address behind it.
	Name string
	// Address is the public IPv4 address.
	Address pulumi.StringInput
	// Server is the resource of the server, nil when there is none. When it ends, its address and the reverse end with it.
	Server pulumi.Resource
}

// Host is the name of a host's public address, both ways.
type Host struct {
	pulumi.ResourceState
}

// hostTTL is how long others remember a host's name. An address stays with its server for life, so it hardly matters.
const hostTTL = time.Hour

// Validate reports everything that is wrong, joined.
func (a HostArgs) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case !hostName.MatchString(a.Name) || strings.HasPrefix(a.Name, "*"):
		fail("name %q is not a DNS name; give one such as gra-worker-1.nodes.example.com", a.Name)
	case !strings.HasSuffix(a.Name, "."+a.Zone):
		fail("name %s is not below zone %s", a.Name, a.Zone)
	}
	if a.ZoneID == nil {
		fail("zone id is missing; Cloudflare shows it on the zone's overview page")
	}
	if a.Address == nil {
		fail("address is missing; give the server's public IPv4 address")
	}
	return errors.Join(errs...)
}

// NewHost names a host's address: <host>-name at Cloudflare, then <host>-reverse at OVH, which takes it only once the name leads to the address.
func NewHost(ctx *pulumi.Context, name string, args HostArgs, opts ...pulumi.ResourceOption) (*Host, error) {
	if err := args.Validate(); err != nil {
		return nil, fmt.Errorf("name of host %s: %w", name, err)
	}
	h := &Host{}
	if err := ctx.RegisterComponentResource(naming.DNSHost, name, h, opts...); err != nil {
		return nil, fmt.Errorf("name of host %s: %w", name, err)
	}
	record, err := cloudflare.NewRecord(ctx, naming.Child(name, "name"), &cloudflare.RecordArgs{
		ZoneId:  args.ZoneID,
		Name:    pulumi.String(relative(args.Name, args.Zone)),
		Type:    pulumi.String("A"),
		Content: args.Address.ToStringOutput().ToStringPtrOutput(),
		// The front door would answer with addresses of its own.
		Proxied:        pulumi.Bool(false),
		Ttl:            pulumi.Int(int(hostTTL / time.Second)),
		Comment:        pulumi.String("havre: " + name),
		AllowOverwrite: pulumi.Bool(true),
	}, pulumi.Parent(h))
	if err != nil {
		return nil, fmt.Errorf("name of host %s: %w", name, err)
	}
	own := []pulumi.ResourceOption{pulumi.Parent(h), pulumi.DependsOn([]pulumi.Resource{record})}
	if args.Server != nil {
		own = append(own, pulumi.DeletedWith(args.Server))
	}
	if _, err := sdk.NewReverseDNS(ctx, naming.Child(name, "reverse"), &sdk.ReverseDNSArgs{Address: args.Address, Reverse: pulumi.String(args.Name)}, own...); err != nil {
		return nil, fmt.Errorf("name of host %s: %w", name, err)
	}
	return h, ctx.RegisterResourceOutputs(h, pulumi.Map{})
}
