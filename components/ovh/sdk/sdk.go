// Package sdk is the typed Go face of the ovhmetal provider plugin: what a program registers, and what it gets back.
//
// It holds no logic. A test compares every argument and output with the schema that the provider itself publishes, so the two cannot drift.
package sdk

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type tokens of the provider's resources. They are part of every URN: a change here would give up and order again whatever carries them.
const (
	ServerToken           = "ovhmetal:index:Server"
	VPSToken              = "ovhmetal:index:VPS"
	InstallationToken     = "ovhmetal:index:Installation"
	VPSInstallationToken  = "ovhmetal:index:VPSInstallation"
	SSHKeyToken           = "ovhmetal:index:SSHKey"
	VrackToken            = "ovhmetal:index:Vrack"
	VrackAttachmentToken  = "ovhmetal:index:VrackAttachment"
	BudgetToken           = "ovhmetal:index:Budget"
	ReverseDNSToken       = "ovhmetal:index:ReverseDNS"
	EdgeFirewallToken     = "ovhmetal:index:EdgeFirewall"
	AggregationToken      = "ovhmetal:index:Aggregation"
	ProviderToken         = "pulumi:providers:ovhmetal"
	ImageUser             = "debian" // administrator of OVH's Debian images; sudo asks for no password
	DefaultDebianMetal    = "debian12_64"
	DefaultDebianVPSImage = "Debian 12"
)

// OrderArgs describes what is bought. No change of it ever replaces a server: the provider refuses the change at preview and asks for a new node name.
type OrderArgs struct {
	PlanCode    pulumi.StringInput      // catalogue plan, such as "24adv03-v1"; required
	Product     pulumi.StringPtrInput   // "baremetalServers", "eco" or "vps"; empty: the catalogue that holds the plan
	Datacenter  pulumi.StringInput      // short city of the catalogue: "rbx" for servers, "GRA" for VPS; required
	Options     pulumi.StringArrayInput // addon plan codes; a mandatory family that is left out gets its default
	Duration    pulumi.StringPtrInput   // "P1M" when empty
	PricingMode pulumi.StringPtrInput   // "default" when empty
	OS          pulumi.StringPtrInput   // OS at delivery; "none_64.en" for servers and "Debian 12" for VPS when empty
	MaxMonthly  pulumi.StringPtrInput   // most the stack agreed to pay a month, net of taxes, such as "164.99"; above it nothing is bought
	MaxSetup    pulumi.StringPtrInput   // the same for the one-off set-up fee
	DisplayName pulumi.StringPtrInput   // shown in OVH's manager; the logical name when empty; at most 50 characters
	Adopt       pulumi.StringPtrInput   // name of a service that the account holds already and that is this node: nothing is ordered, it is marked as ours
	Retired     pulumi.BoolPtrInput     // the stack gives this service up: only then may it be removed
	Disposable  pulumi.BoolPtrInput     // a test stack: removing needs no Retired first
	Renewal     pulumi.BoolPtrInput     // renewed by itself at each expiry; true when empty; false: OVH suspends it then, unless somebody pays by hand
	Rescue      pulumi.BoolPtrInput     // boots a service that does not answer into OVH's rescue system, and back when it is taken away
	RescueKey   pulumi.StringPtrInput   // public key that may log in to a dedicated server's rescue system as root; that of a VPS has a password, which OVH mails
}

type orderArgs struct {
	PlanCode    string   `pulumi:"planCode"`
	Product     *string  `pulumi:"product"`
	Datacenter  string   `pulumi:"datacenter"`
	Options     []string `pulumi:"options"`
	Duration    *string  `pulumi:"duration"`
	PricingMode *string  `pulumi:"pricingMode"`
	OS          *string  `pulumi:"os"`
	MaxMonthly  *string  `pulumi:"maxMonthly"`
	MaxSetup    *string  `pulumi:"maxSetup"`
	DisplayName *string  `pulumi:"displayName"`
	Adopt       *string  `pulumi:"adopt"`
	Retired     *bool    `pulumi:"retired"`
	Disposable  *bool    `pulumi:"disposable"`
	Renewal     *bool    `pulumi:"renewal"`
	Rescue      *bool    `pulumi:"rescue"`
	RescueKey   *string  `pulumi:"rescueKey"`
}

// ElementType tells the Pulumi runtime how to marshal OrderArgs.
func (OrderArgs) ElementType() reflect.Type { return reflect.TypeFor[orderArgs]() }

// Service is a bought server or VPS as the provider knows it. All money is net of taxes, a decimal with two digits.
type Service struct {
	pulumi.CustomResourceState

	ServiceName         pulumi.StringOutput `pulumi:"serviceName"`         // "ns3123456.ip-5-196-1.eu"
	Address             pulumi.StringOutput `pulumi:"address"`             // public IPv4
	OrderID             pulumi.StringOutput `pulumi:"orderId"`             // empty for a service adopted by its mark or imported
	Mark                pulumi.StringOutput `pulumi:"mark"`                // the name under which cart, claim and service are found again
	Phase               pulumi.StringOutput `pulumi:"phase"`               // where the order stands, see components/ovh/order
	Status              pulumi.StringOutput `pulumi:"status"`              // what OVH says of the service: ok, error, hacked, expired, …
	DeliveredDatacenter pulumi.StringOutput `pulumi:"deliveredDatacenter"` // where it really stands, such as "rbx8"
	MonthlyPrice        pulumi.StringOutput `pulumi:"monthlyPrice"`        // known at preview
	SetupPrice          pulumi.StringOutput `pulumi:"setupPrice"`          // known at preview; one-off
	Currency            pulumi.StringOutput `pulumi:"currency"`            // known at preview
	Availability        pulumi.StringOutput `pulumi:"availability"`        // promised delivery as seen before ordering, such as "24H"
}

// NewServer registers the order of a dedicated server.
func NewServer(ctx *pulumi.Context, name string, args *OrderArgs, opts ...pulumi.ResourceOption) (*Service, error) {
	var r Service
	err := ctx.RegisterResource(ServerToken, name, args, &r, opts...)
	return &r, err
}

// NewVPS registers the order of a VPS.
func NewVPS(ctx *pulumi.Context, name string, args *OrderArgs, opts ...pulumi.ResourceOption) (*Service, error) {
	var r Service
	err := ctx.RegisterResource(VPSToken, name, args, &r, opts...)
	return &r, err
}

// InstallationArgs describes the operating system of one service. Only a higher Generation installs again, and that wipes the disks.
type InstallationArgs struct {
	ServiceName     pulumi.StringInput    // required
	Address         pulumi.StringInput    // where the host's sshd is asked for its key; required
	OperatingSystem pulumi.StringPtrInput // template of a server ("debian12_64" when empty) or image name of a VPS ("Debian 12" when empty)
	Hostname        pulumi.StringInput    // one label; set by the installer on servers, kept as information on VPS
	SSHPublicKey    pulumi.StringInput    // authorized for the image's user
	Generation      pulumi.IntInput       // 1 or more; raise it to wipe and install again
	Adopt           pulumi.BoolPtrInput   // the service was not ordered by this stack: what runs on it is kept and taken for Generation
	Partitions      []Partition           // of a dedicated server; empty: what the template has. Taken up by the next generation
}

// Partition is one line of a server's disk layout.
type Partition struct {
	MountPoint string `pulumi:"mountPoint"` // "/" must be there; "swap" for swap
	FileSystem string `pulumi:"fileSystem"` // ext4, xfs, swap, …
	SizeMiB    int    `pulumi:"sizeMiB"`    // 0: the rest, once at most
	RAIDLevel  *int   `pulumi:"raidLevel"`  // 1, mirrored over all disks, when nil
}

type installationArgs struct {
	ServiceName     string      `pulumi:"serviceName"`
	Address         string      `pulumi:"address"`
	OperatingSystem *string     `pulumi:"operatingSystem"`
	Hostname        string      `pulumi:"hostname"`
	SSHPublicKey    string      `pulumi:"sshPublicKey"`
	Generation      int         `pulumi:"generation"`
	Adopt           *bool       `pulumi:"adopt"`
	Partitions      []Partition `pulumi:"partitions"`
}

// ElementType tells the Pulumi runtime how to marshal InstallationArgs.
func (InstallationArgs) ElementType() reflect.Type { return reflect.TypeFor[installationArgs]() }

// Host is a machine with its operating system.
type Host struct {
	pulumi.CustomResourceState

	HostKey             pulumi.StringOutput `pulumi:"hostKey"`             // "ssh-ed25519 AAAA…", read once right after the installation, pinned from then on
	User                pulumi.StringOutput `pulumi:"user"`                // administrator with sudo
	InstalledGeneration pulumi.IntOutput    `pulumi:"installedGeneration"` // what the disks hold
}

// NewInstallation registers the installation of a dedicated server.
func NewInstallation(ctx *pulumi.Context, name string, args *InstallationArgs, opts ...pulumi.ResourceOption) (*Host, error) {
	var r Host
	err := ctx.RegisterResource(InstallationToken, name, args, &r, opts...)
	return &r, err
}

// NewVPSInstallation registers the installation of a VPS.
func NewVPSInstallation(ctx *pulumi.Context, name string, args *InstallationArgs, opts ...pulumi.ResourceOption) (*Host, error) {
	var r Host
	err := ctx.RegisterResource(VPSInstallationToken, name, args, &r, opts...)
	return &r, err
}

// SSHKeyArgs is a public key kept in the OVH account, for rescue boots.
type SSHKeyArgs struct {
	KeyName   pulumi.StringInput
	PublicKey pulumi.StringInput
}

type sshKeyArgs struct {
	KeyName   string `pulumi:"keyName"`
	PublicKey string `pulumi:"publicKey"`
}

// ElementType tells the Pulumi runtime how to marshal SSHKeyArgs.
func (SSHKeyArgs) ElementType() reflect.Type { return reflect.TypeFor[sshKeyArgs]() }

// SSHKey is a public key kept in the OVH account.
type SSHKey struct {
	pulumi.CustomResourceState

	KeyName   pulumi.StringOutput `pulumi:"keyName"`
	PublicKey pulumi.StringOutput `pulumi:"publicKey"`
}

// NewSSHKey registers a public key of the account.
func NewSSHKey(ctx *pulumi.Context, name string, args *SSHKeyArgs, opts ...pulumi.ResourceOption) (*SSHKey, error) {
	var r SSHKey
	err := ctx.RegisterResource(SSHKeyToken, name, args, &r, opts...)
	return &r, err
}

// VrackArgs describes a private network. It is free of charge, so there is nothing to agree to; a checkout that asks for money is refused.
type VrackArgs struct {
	DisplayName pulumi.StringPtrInput // shown in OVH's manager; the logical name when empty; at most 50 characters
	Adopt       pulumi.StringPtrInput // name of a vRack that the account holds already and that is this one, such as "pn-1000001": nothing is ordered
	Retired     pulumi.BoolPtrInput   // the stack gives it up: only then may it be removed
	Disposable  pulumi.BoolPtrInput   // a test stack: removing needs no Retired first
}

type vrackArgs struct {
	DisplayName *string `pulumi:"displayName"`
	Adopt       *string `pulumi:"adopt"`
	Retired     *bool   `pulumi:"retired"`
	Disposable  *bool   `pulumi:"disposable"`
}

// ElementType tells the Pulumi runtime how to marshal VrackArgs.
func (VrackArgs) ElementType() reflect.Type { return reflect.TypeFor[vrackArgs]() }

// Vrack is a private network between dedicated servers.
type Vrack struct {
	pulumi.CustomResourceState

	ServiceName pulumi.StringOutput `pulumi:"serviceName"` // "pn-1000001"
	OrderID     pulumi.StringOutput `pulumi:"orderId"`     // empty for one that was adopted or imported
	Mark        pulumi.StringOutput `pulumi:"mark"`        // the name under which cart, claim and vRack are found again
	Phase       pulumi.StringOutput `pulumi:"phase"`       // where the order stands, see components/ovh/order
	Status      pulumi.StringOutput `pulumi:"status"`      // ok once it is there
}

// NewVrack registers the order of a private network.
func NewVrack(ctx *pulumi.Context, name string, args *VrackArgs, opts ...pulumi.ResourceOption) (*Vrack, error) {
	var r Vrack
	err := ctx.RegisterResource(VrackToken, name, args, &r, opts...)
	return &r, err
}

// VrackAttachmentArgs plugs the private interface of a dedicated server into a vRack. A VPS has none.
type VrackAttachmentArgs struct {
	ServiceName pulumi.StringInput // dedicated server
	Vrack       pulumi.StringInput // "pn-1000001"
}

type vrackAttachmentArgs struct {
	ServiceName string `pulumi:"serviceName"`
	Vrack       string `pulumi:"vrack"`
}

// ElementType tells the Pulumi runtime how to marshal VrackAttachmentArgs.
func (VrackAttachmentArgs) ElementType() reflect.Type { return reflect.TypeFor[vrackAttachmentArgs]() }

// VrackAttachment is a plugged private interface.
type VrackAttachment struct {
	pulumi.CustomResourceState

	InterfaceID pulumi.StringOutput `pulumi:"interfaceId"` // UUID of the virtual network interface
	MAC         pulumi.StringOutput `pulumi:"mac"`         // of the interface as the host sees it
}

// NewVrackAttachment registers the attachment of a server to a vRack.
func NewVrackAttachment(ctx *pulumi.Context, name string, args *VrackAttachmentArgs, opts ...pulumi.ResourceOption) (*VrackAttachment, error) {
	var r VrackAttachment
	err := ctx.RegisterResource(VrackAttachmentToken, name, args, &r, opts...)
	return &r, err
}

// ReverseDNSArgs is an address and the name it resolves back to. The name must resolve to the address first.
type ReverseDNSArgs struct {
	Address pulumi.StringInput // IPv4 of a server or VPS; another one is another resource
	Reverse pulumi.StringInput // full name
}

type reverseDNSArgs struct {
	Address string `pulumi:"address"`
	Reverse string `pulumi:"reverse"`
}

// ElementType tells the Pulumi runtime how to marshal ReverseDNSArgs.
func (ReverseDNSArgs) ElementType() reflect.Type { return reflect.TypeFor[reverseDNSArgs]() }

// ReverseDNS is the name of an address.
type ReverseDNS struct {
	pulumi.CustomResourceState

	Reverse pulumi.StringOutput `pulumi:"reverse"`
}

// NewReverseDNS registers the name of an address.
func NewReverseDNS(ctx *pulumi.Context, name string, args *ReverseDNSArgs, opts ...pulumi.ResourceOption) (*ReverseDNS, error) {
	var r ReverseDNS
	err := ctx.RegisterResource(ReverseDNSToken, name, args, &r, opts...)
	return &r, err
}

// AggregationArgs joins both interfaces of a dedicated server into one private one. The server has no public address while it lasts.
type AggregationArgs struct {
	ServiceName pulumi.StringInput // dedicated server
}

type aggregationArgs struct {
	ServiceName string `pulumi:"serviceName"`
}

// ElementType tells the Pulumi runtime how to marshal AggregationArgs.
func (AggregationArgs) ElementType() reflect.Type { return reflect.TypeFor[aggregationArgs]() }

// Aggregation is a pair of joined interfaces.
type Aggregation struct {
	pulumi.CustomResourceState

	InterfaceID pulumi.StringOutput `pulumi:"interfaceId"` // of the joined one
}

// NewAggregation registers the aggregation of a server's interfaces.
func NewAggregation(ctx *pulumi.Context, name string, args *AggregationArgs, opts ...pulumi.ResourceOption) (*Aggregation, error) {
	var r Aggregation
	err := ctx.RegisterResource(AggregationToken, name, args, &r, opts...)
	return &r, err
}

// BudgetNode is one line of a stack's bill: the same offer that the node's order has.
type BudgetNode struct {
	Name        string   `pulumi:"name"` // of the node; it keeps its agreed price under this name
	Kind        string   `pulumi:"kind"` // "dedicated", "vps", "instance" or "database"
	PlanCode    string   `pulumi:"planCode"`
	Product     *string  `pulumi:"product"`
	Datacenter  string   `pulumi:"datacenter"`
	Options     []string `pulumi:"options"`
	Duration    *string  `pulumi:"duration"`
	PricingMode *string  `pulumi:"pricingMode"`
	Retired     *bool    `pulumi:"retired"`    // as the order's: only then may the node leave the bill
	Disposable  *bool    `pulumi:"disposable"` // as the order's

	Project  *string        `pulumi:"project"`  // of kind "instance", whose PlanCode is the flavor and whose Datacenter is the region
	Database *DatabaseOffer `pulumi:"database"` // of kind "database", whose PlanCode is the plan and whose Datacenter is the region
}

// BudgetArgs is the whole of what a stack holds, and the most it may cost. Every order should depend on the Budget: a run that would pass it then ends with
// one message, at preview and before the first checkout.
type BudgetArgs struct {
	Limit pulumi.StringInput // most the stack may cost a month, net of taxes, such as "1500.00"; required
	Nodes []BudgetNode       // plain, so that the first preview knows the bill
}

type budgetArgs struct {
	Limit string       `pulumi:"limit"`
	Nodes []BudgetNode `pulumi:"nodes"`
}

// ElementType tells the Pulumi runtime how to marshal BudgetArgs.
func (BudgetArgs) ElementType() reflect.Type { return reflect.TypeFor[budgetArgs]() }

// Budget is a stack's bill. All money is a decimal with two digits, known at preview.
type Budget struct {
	pulumi.CustomResourceState

	Before         pulumi.StringOutput `pulumi:"before"`         // net a month, before the last change
	Monthly        pulumi.StringOutput `pulumi:"monthly"`        // net a month
	MonthlyWithTax pulumi.StringOutput `pulumi:"monthlyWithTax"` // at the rate of OVH's catalogue
	Setup          pulumi.StringOutput `pulumi:"setup"`          // net, once, of what the last change added
	Currency       pulumi.StringOutput `pulumi:"currency"`
}

// NewBudget registers a stack's bill.
func NewBudget(ctx *pulumi.Context, name string, args *BudgetArgs, opts ...pulumi.ResourceOption) (*Budget, error) {
	var r Budget
	err := ctx.RegisterResource(BudgetToken, name, args, &r, opts...)
	return &r, err
}

// ProviderArgs configures the plugin. Credentials are never among them: they come from the environment (OVH_ENDPOINT, OVH_APPLICATION_KEY,
// OVH_APPLICATION_SECRET, OVH_CONSUMER_KEY), so that none lies in the state.
type ProviderArgs struct {
	Account     pulumi.StringPtrInput  // "ab1234-ovh": any other account fails the preview
	Budget      pulumi.StringPtrInput  // most the stack may cost a month, net of taxes, such as "1500.00"
	WaitMinutes pulumi.Float64PtrInput // how long a run waits for a delivery; 60 when empty
}

type providerArgs struct {
	Account     *string  `pulumi:"account"`
	Budget      *string  `pulumi:"budget"`
	WaitMinutes *float64 `pulumi:"waitMinutes"`
}

// ElementType tells the Pulumi runtime how to marshal ProviderArgs.
func (ProviderArgs) ElementType() reflect.Type { return reflect.TypeFor[providerArgs]() }

// Provider is an explicitly configured plugin.
type Provider struct{ pulumi.ProviderResourceState }

// NewProvider registers an explicit provider.
func NewProvider(ctx *pulumi.Context, name string, args *ProviderArgs, opts ...pulumi.ResourceOption) (*Provider, error) {
	var r Provider
	err := ctx.RegisterResource(ProviderToken, name, args, &r, opts...)
	return &r, err
}
