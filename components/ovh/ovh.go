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

// The kinds of machine. An Instance is billed by the hour until it is deleted, needs no leave for that, and comes with its system on it.
const (
	Dedicated Kind = "dedicated"
	VPS       Kind = "vps"
	Instance  Kind = "instance"
)

// Offer is the line of the price list that the stack agreed to.
type Offer struct {
	PlanCode    string   // such as "24adv03-v1"; the flavor of an instance
	Product     string   // "baremetalServers", "eco" or "vps"; empty: the catalogue that holds the plan
	Datacenter  string   // short city: "rbx" for servers, "GRA" for VPS; the region of an instance, "GRA11"
	Options     []string // addon plan codes; the default of a mandatory family may be left out
	Duration    string   // "P1M" when empty
	PricingMode string   // "default" when empty
	OS          string   // OS at delivery; empty is right for nearly everyone
	MaxMonthly  string   // most the stack pays a month, net, such as "164.99"; empty: no bound
	MaxSetup    string   // most the stack pays once, net; empty: no bound
	Project     string   // Public Cloud project of an instance
	MaxHourly   string   // most the stack pays an hour of an instance, net, such as "0.664"; empty: no bound
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
	case Instance:
		if len(a.Partitions) > 0 || a.Vrack != nil || a.Rescue || a.NoRenewal || a.Adopt != "" || a.Generation > 1 || len(a.Offer.Options) > 0 {
			fail("partitions, vRack, rescue, renewal, adoption, generations and options are of machines that are kept; leave them out of an instance")
		}
		if a.Offer.Project == "" {
			fail("project is empty; set the id of the Public Cloud project that the instance is made in")
		}
	default:
		fail("kind %q is none of %q, %q and %q; set one of them", a.Kind, Dedicated, VPS, Instance)
	}
	if m := a.Offer.MaxHourly; m != "" && !decimal.MatchString(m) {
		fail("most an hour %q is not an amount; write it like 0.664", m)
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
// <name>-firewall and <name>-vrack; of an instance only the first and the third, for it comes with its system on it.
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
	switch args.Kind {
	case VPS:
		token = naming.OVHVPS
	case Instance:
		token = naming.OVHInstance
	}
	n := &Node{Name: name, User: sdk.ImageUser}
	if err := ctx.RegisterComponentResource(token, name, n, opts...); err != nil {
		return nil, err
	}
	parent := pulumi.Parent(n)
	if args.Kind == Instance {
		return n, n.rent(ctx, name, args, parent)
	}

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

	if err := n.filter(ctx, name, args, bought, parent); err != nil {
		return nil, err
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

// rent makes an instance.
func (n *Node) rent(ctx *pulumi.Context, name string, args Args, parent pulumi.ResourceOption) error {
	image := args.Offer.OS
	if image == "" {
		image = sdk.DefaultDebianVPSImage
	}
	made, err := sdk.NewInstance(ctx, naming.Child(name, "server"), &sdk.InstanceArgs{
		Project: pulumi.String(args.Offer.Project), Region: pulumi.String(args.Offer.Datacenter), Flavor: pulumi.String(args.Offer.PlanCode), Image: pulumi.String(image),
		Hostname: pulumi.String(args.Hostname), SSHPublicKey: args.SSHPublicKey, MaxHourly: optional(args.Offer.MaxHourly),
	}, parent, pulumi.DependsOn(args.After))
	if err != nil {
		return err
	}
	none := pulumi.String("").ToStringOutput()
	n.Address, n.ServiceName, n.HostKey, n.OrderID, n.PrivateMAC = made.Address, made.ServiceName, made.HostKey, none, none
	n.MonthlyPrice, n.SetupPrice, n.Currency = made.MonthlyPrice, pulumi.String("0.00").ToStringOutput(), made.Currency
	n.resources = append(n.resources, made)
	if err := n.filter(ctx, name, args, made, parent); err != nil {
		return err
	}
	return ctx.RegisterResourceOutputs(n, pulumi.Map{"address": n.Address, "serviceName": n.ServiceName, "hostKey": n.HostKey, "privateMac": n.PrivateMAC})
}

// filter puts OVH's firewall before the address. Nothing waits for it. It stays before a server that is given up, until that ends.
func (n *Node) filter(ctx *pulumi.Context, name string, args Args, server pulumi.Resource, parent pulumi.ResourceOption) error {
	if len(args.Firewall) == 0 {
		return nil
	}
	_, err := sdk.NewEdgeFirewall(ctx, naming.Child(name, "firewall"), &sdk.EdgeFirewallArgs{Address: n.Address, Rules: sdk.FirewallRules(args.Firewall...)},
		parent, pulumi.DeletedWith(server))
	return err
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
