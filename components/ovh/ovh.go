// Package ovh makes a node out of an order at OVHcloud: the bought service, its operating system, and its place in the private network; and the private
// network itself.
//
// What a reader would get wrong: these are three resources on purpose. A failed installation must never endanger the order, and a changed plan never
// replaces a server. The order is protected; giving a node up takes Args.Retired in one run and its removal in the next.
package ovh

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
	"havre/components/ovh/order"
	"havre/components/ovh/sdk"
)

// Kind is what is bought.
type Kind string

// The two kinds of machine.
const (
	Dedicated Kind = "dedicated"
	VPS       Kind = "vps"
)

// Offer is the line of the price list that the stack agreed to.
type Offer struct {
	PlanCode    string   // such as "24adv03-v1"
	Product     string   // "baremetalServers", "eco" or "vps"; empty: the catalogue that holds the plan
	Datacenter  string   // short city: "rbx" for servers, "GRA" for VPS
	Options     []string // addon plan codes; the default of a mandatory family may be left out
	Duration    string   // "P1M" when empty
	PricingMode string   // "default" when empty
	OS          string   // OS at delivery; empty is right for nearly everyone
	MaxMonthly  string   // most the stack pays a month, net, such as "164.99"; empty: no bound
	MaxSetup    string   // most the stack pays once, net; empty: no bound
}

// Args describes one node.
type Args struct {
	Kind            Kind
	Offer           Offer
	DisplayName     string // the node's name when empty
	Hostname        string // the node's name when empty
	OperatingSystem string // template of a server or image of a VPS; Debian 12 when empty
	SSHPublicKey    pulumi.StringInput
	Generation      int                // 1 when 0; a higher one wipes the node and installs again
	Vrack           pulumi.StringInput // service name of the private network, as Vrack.ServiceName has it; nil: none; dedicated servers only
	Adopt           string             // service name of a machine that the account holds already: nothing is ordered, what runs on it is kept
	Retired         bool               // the node is being given up: protection is lifted
	Disposable      bool               // a test stack: no protection at all
	After           []pulumi.Resource  // what must be there before anything is bought: the stack's Budget
	Rescue          bool               // boots it into OVH's rescue system; SSHPublicKey may log in as root there, on a VPS the password that OVH mails
	Partitions      []sdk.Partition    // disk layout of a dedicated server; empty: what the template has
	Firewall        []sdk.FirewallRule // the whole of OVH's filter before the public address, at most 20 rules; empty: no filter
	NoRenewal       bool               // not renewed at expiry: OVH suspends the service then, unless somebody pays by hand
}

// Node is a machine that answers at Address with HostKey.
type Node struct {
	pulumi.ResourceState

	Name         string
	Address      pulumi.StringOutput // public IPv4
	HostKey      pulumi.StringOutput // pinned: "ssh-ed25519 AAAA…"
	ServiceName  pulumi.StringOutput
	OrderID      pulumi.StringOutput
	MonthlyPrice pulumi.StringOutput // net of taxes, known at preview
	SetupPrice   pulumi.StringOutput // net of taxes, known at preview
	Currency     pulumi.StringOutput
	PrivateMAC   pulumi.StringOutput // empty without a vRack
	User         string              // administrator with sudo

	resources []pulumi.Resource
}

// Resources lists what a later step must depend on: the node is usable when all of them are there.
func (n *Node) Resources() []pulumi.Resource { return append([]pulumi.Resource(nil), n.resources...) }

var decimal = regexp.MustCompile(`^[0-9]{1,7}(\.[0-9]{1,8})?$`)

func (a Args) validate(name string) error {
	var errs []error
	fail := func(format string, v ...any) { errs = append(errs, fmt.Errorf("node "+name+": "+format, v...)) }
	if err := naming.Validate(name); err != nil {
		errs = append(errs, err)
	}
	switch a.Kind {
	case Dedicated:
	case VPS:
		if len(a.Partitions) > 0 {
			fail("%d partitions are set, but a VPS comes with one disk image; leave them out", len(a.Partitions))
		}
		if a.Vrack != nil {
			fail("a vRack is set, but OVH has none for a VPS; leave it out")
		}
	default:
		fail("kind %q is neither %q nor %q; set one of them", a.Kind, Dedicated, VPS)
	}
	if a.Offer.PlanCode == "" {
		fail("plan code is empty; set one of the catalogue such as 24adv03-v1")
	}
	if a.Offer.Datacenter == "" {
		fail("data centre is empty; set a short city of the catalogue such as rbx")
	}
	if m := a.Offer.MaxMonthly; m != "" && !decimal.MatchString(m) {
		fail("most a month %q is not an amount; write it like 164.99", m)
	}
	if m := a.Offer.MaxSetup; m != "" && !decimal.MatchString(m) {
		fail("most set-up fee %q is not an amount; write it like 164.99", m)
	}
	if a.Generation < 0 {
		fail("generation %d is below 1; start at 1 and raise it to install again", a.Generation)
	}
	if len(a.DisplayName) > order.MaxDisplayName {
		fail("display name %q has %d characters, OVH takes %d; shorten it", a.DisplayName, len(a.DisplayName), order.MaxDisplayName)
	}
	if a.SSHPublicKey == nil {
		fail("ssh public key is missing; without it nobody can enter the host")
	}
	return errors.Join(errs...)
}

// New orders, installs and, with Args.Vrack, attaches one node. Its children are <name>-server, <name>-installation,
// <name>-firewall and <name>-vrack.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Node, error) {
	if args.DisplayName == "" {
		args.DisplayName = name
	}
	if args.Hostname == "" {
		args.Hostname = name
	}
	if args.Generation == 0 {
		args.Generation = 1
	}
	if err := args.validate(name); err != nil {
		return nil, err
	}
	token := naming.OVHServer
	if args.Kind == VPS {
		token = naming.OVHVPS
	}
	n := &Node{Name: name, User: sdk.ImageUser}
	if err := ctx.RegisterComponentResource(token, name, n, opts...); err != nil {
		return nil, err
	}
	parent := pulumi.Parent(n)

	offer := &sdk.OrderArgs{
		PlanCode:    pulumi.String(args.Offer.PlanCode),
		Product:     optional(args.Offer.Product),
		Datacenter:  pulumi.String(args.Offer.Datacenter),
		Duration:    optional(args.Offer.Duration),
		PricingMode: optional(args.Offer.PricingMode),
		OS:          optional(args.Offer.OS),
		MaxMonthly:  optional(args.Offer.MaxMonthly),
		MaxSetup:    optional(args.Offer.MaxSetup),
		DisplayName: pulumi.String(args.DisplayName),
		Adopt:       optional(args.Adopt),
	}
	if len(args.Offer.Options) > 0 {
		offer.Options = pulumi.ToStringArray(args.Offer.Options)
	}
	if args.Retired {
		offer.Retired = pulumi.Bool(true)
	}
	if args.Disposable {
		offer.Disposable = pulumi.Bool(true)
	}
	if args.Rescue {
		offer.Rescue = pulumi.Bool(true)
		if args.Kind == Dedicated {
			offer.RescueKey = args.SSHPublicKey.ToStringOutput().ToStringPtrOutput()
		}
	}
	if args.NoRenewal {
		offer.Renewal = pulumi.Bool(false)
	}
	protect := pulumi.Protect(!args.Retired && !args.Disposable)
	buy, install := sdk.NewServer, sdk.NewInstallation
	if args.Kind == VPS {
		buy, install = sdk.NewVPS, sdk.NewVPSInstallation
	}
	bought, err := buy(ctx, naming.Child(name, "server"), offer, parent, protect, pulumi.DependsOn(args.After))
	if err != nil {
		return nil, err
	}
	n.Address, n.ServiceName, n.OrderID = bought.Address, bought.ServiceName, bought.OrderID
	n.MonthlyPrice, n.SetupPrice, n.Currency = bought.MonthlyPrice, bought.SetupPrice, bought.Currency

	installation := &sdk.InstallationArgs{
		ServiceName:     bought.ServiceName,
		Address:         bought.Address,
		OperatingSystem: optional(args.OperatingSystem),
		Hostname:        pulumi.String(args.Hostname),
		SSHPublicKey:    args.SSHPublicKey,
		Generation:      pulumi.Int(args.Generation),
		Partitions:      args.Partitions,
	}
	if args.Adopt != "" {
		installation.Adopt = pulumi.Bool(true)
	}
	host, err := install(ctx, naming.Child(name, "installation"), installation, parent)
	if err != nil {
		return nil, err
	}
	n.HostKey = host.HostKey
	n.resources = append(n.resources, bought, host)

	if len(args.Firewall) > 0 {
		// Nothing waits for it. It stays before a server that is given up, until that ends.
		if _, err := sdk.NewEdgeFirewall(ctx, naming.Child(name, "firewall"), &sdk.EdgeFirewallArgs{Address: bought.Address, Rules: sdk.FirewallRules(args.Firewall...)},
			parent, pulumi.DeletedWith(bought)); err != nil {
			return nil, err
		}
	}

	n.PrivateMAC = pulumi.String("").ToStringOutput()
	if args.Vrack != nil {
		// Neither needs the other, so plugging and installing run side by side.
		vrack, err := sdk.NewVrackAttachment(ctx, naming.Child(name, "vrack"), &sdk.VrackAttachmentArgs{
			ServiceName: bought.ServiceName,
			Vrack:       args.Vrack,
		}, parent)
		if err != nil {
			return nil, err
		}
		n.PrivateMAC = vrack.MAC
		n.resources = append(n.resources, vrack)
	}
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{
		"address":     n.Address,
		"serviceName": n.ServiceName,
		"hostKey":     n.HostKey,
		"privateMac":  n.PrivateMAC,
	})
}

// VrackArgs describes a private network between dedicated servers. It is free of charge and needs no place in a Budget.
type VrackArgs struct {
	DisplayName string            // the logical name when empty
	Adopt       string            // "pn-1000001": a vRack that the account holds already; nothing is ordered
	Retired     bool              // it is being given up: protection is lifted
	Disposable  bool              // a test stack: no protection at all
	After       []pulumi.Resource // what must be there before it is ordered
}

// Vrack is a private network. Its ServiceName is what Args.Vrack of each node takes.
type Vrack struct {
	ServiceName pulumi.StringOutput // "pn-1000001"; known at preview once it is there
	OrderID     pulumi.StringOutput // empty for one that was adopted

	resource pulumi.Resource
}

// Resource is what a later step depends on.
func (v *Vrack) Resource() pulumi.Resource { return v.resource }

// NewVrack orders one private network. It is one resource, under the name itself.
func NewVrack(ctx *pulumi.Context, name string, args VrackArgs, opts ...pulumi.ResourceOption) (*Vrack, error) {
	if args.DisplayName == "" {
		args.DisplayName = name
	}
	var errs []error
	if err := naming.Validate(name); err != nil {
		errs = append(errs, err)
	}
	if len(args.DisplayName) > order.MaxDisplayName {
		errs = append(errs, fmt.Errorf("vRack %s: display name %q has %d characters, OVH takes %d; shorten it", name, args.DisplayName, len(args.DisplayName), order.MaxDisplayName))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	wanted := &sdk.VrackArgs{DisplayName: pulumi.String(args.DisplayName), Adopt: optional(args.Adopt)}
	if args.Retired {
		wanted.Retired = pulumi.Bool(true)
	}
	if args.Disposable {
		wanted.Disposable = pulumi.Bool(true)
	}
	opts = append(slices.Clone(opts), pulumi.Protect(!args.Retired && !args.Disposable), pulumi.DependsOn(args.After))
	bought, err := sdk.NewVrack(ctx, name, wanted, opts...)
	if err != nil {
		return nil, err
	}
	return &Vrack{ServiceName: bought.ServiceName, OrderID: bought.OrderID, resource: bought}, nil
}

// optional leaves an empty value out of the inputs, so that the provider's default holds and the state stays small.
func optional(s string) pulumi.StringPtrInput {
	if s == "" {
		return nil
	}
	return pulumi.String(s)
}
