// Package ovh makes a node out of an order at OVHcloud: the bought service, its operating system, and its place in the private network.
//
// What a reader would get wrong: these are three resources on purpose. A failed installation must never endanger the order, and a changed plan never
// replaces a server. The order is protected; giving a node up takes Args.Retired in one run and its removal in the next.
package ovh

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
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
	Generation      int               // 1 when 0; a higher one wipes the node and installs again
	Vrack           string            // "pn-1000001"; empty: no private network; dedicated servers only
	Retired         bool              // the node is being given up: protection is lifted
	Disposable      bool              // a test stack: no protection at all
	After           []pulumi.Resource // what must be there before anything is bought: the stack\'s Budget
	Rescue          bool              // boots a dedicated server into OVH's rescue system, where SSHPublicKey may log in as root
	Partitions      []sdk.Partition   // disk layout of a dedicated server; empty: what the template has
	NoRenewal       bool              // not renewed at expiry: OVH suspends the service then, unless somebody pays by hand
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
		if a.Rescue {
			fail("rescue is set, but is for dedicated servers only; boot a VPS into its rescue system in OVH's manager")
		}
		if len(a.Partitions) > 0 {
			fail("%d partitions are set, but a VPS comes with one disk image; leave them out", len(a.Partitions))
		}
		if a.Vrack != "" {
			fail("vrack %q is set, but OVH has no vRack for a VPS; leave it empty", a.Vrack)
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
	if len(a.DisplayName) > 50 {
		fail("display name %q has %d characters, OVH takes 50; shorten it", a.DisplayName, len(a.DisplayName))
	}
	if a.SSHPublicKey == nil {
		fail("ssh public key is missing; without it nobody can enter the host")
	}
	return errors.Join(errs...)
}

// New orders, installs and, with Args.Vrack, attaches one node. Its children are <name>-server, <name>-installation and <name>-vrack.
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

	order := &sdk.OrderArgs{
		PlanCode:    pulumi.String(args.Offer.PlanCode),
		Product:     optional(args.Offer.Product),
		Datacenter:  pulumi.String(args.Offer.Datacenter),
		Duration:    optional(args.Offer.Duration),
		PricingMode: optional(args.Offer.PricingMode),
		OS:          optional(args.Offer.OS),
		MaxMonthly:  optional(args.Offer.MaxMonthly),
		MaxSetup:    optional(args.Offer.MaxSetup),
		DisplayName: pulumi.String(args.DisplayName),
	}
	if len(args.Offer.Options) > 0 {
		order.Options = pulumi.ToStringArray(args.Offer.Options)
	}
	if args.Retired {
		order.Retired = pulumi.Bool(true)
	}
	if args.Disposable {
		order.Disposable = pulumi.Bool(true)
	}
	if args.Rescue {
		order.Rescue = pulumi.Bool(true)
		order.RescueKey = args.SSHPublicKey.ToStringOutput().ToStringPtrOutput()
	}
	if args.NoRenewal {
		order.Renewal = pulumi.Bool(false)
	}
	protect := pulumi.Protect(!args.Retired && !args.Disposable)
	buy, install := sdk.NewServer, sdk.NewInstallation
	if args.Kind == VPS {
		buy, install = sdk.NewVPS, sdk.NewVPSInstallation
	}
	bought, err := buy(ctx, naming.Child(name, "server"), order, parent, protect, pulumi.DependsOn(args.After))
	if err != nil {
		return nil, err
	}
	n.Address, n.ServiceName, n.OrderID = bought.Address, bought.ServiceName, bought.OrderID
	n.MonthlyPrice, n.SetupPrice, n.Currency = bought.MonthlyPrice, bought.SetupPrice, bought.Currency

	host, err := install(ctx, naming.Child(name, "installation"), &sdk.InstallationArgs{
		ServiceName:     bought.ServiceName,
		Address:         bought.Address,
		OperatingSystem: optional(args.OperatingSystem),
		Hostname:        pulumi.String(args.Hostname),
		SSHPublicKey:    args.SSHPublicKey,
		Generation:      pulumi.Int(args.Generation),
		Partitions:      args.Partitions,
	}, parent)
	if err != nil {
		return nil, err
	}
	n.HostKey = host.HostKey
	n.resources = append(n.resources, bought, host)

	n.PrivateMAC = pulumi.String("").ToStringOutput()
	if args.Vrack != "" {
		// Neither needs the other, so plugging and installing run side by side.
		vrack, err := sdk.NewVrackAttachment(ctx, naming.Child(name, "vrack"), &sdk.VrackAttachmentArgs{
			ServiceName: bought.ServiceName,
			Vrack:       pulumi.String(args.Vrack),
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

// optional leaves an empty value out of the inputs, so that the provider's default holds and the state stays small.
func optional(s string) pulumi.StringPtrInput {
	if s == "" {
		return nil
	}
	return pulumi.String(s)
}
