package sdk

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// InstanceToken is part of an instance's URN: a change here would end it and make another.
const InstanceToken = "ovhmetal:index:Instance"

// InstanceArgs describes an instance of Public Cloud. The provider refuses every change but that of MaxHourly: an instance stays what it was made as.
type InstanceArgs struct {
	Project      pulumi.StringInput    // id of the Public Cloud project, 32 hexadecimal digits; required
	Region       pulumi.StringInput    // such as "GRA11"; required
	Flavor       pulumi.StringInput    // such as "c3-64"; required
	Image        pulumi.StringInput    // such as "Debian 12", whose administrator is ImageUser; required
	Hostname     pulumi.StringInput    // required
	SSHPublicKey pulumi.StringInput    // one line of authorized_keys; required
	MaxHourly    pulumi.StringPtrInput // most the stack agreed to pay an hour, net, such as "0.664"; above it nothing is made
}

type instanceArgs struct {
	Project      string  `pulumi:"project"`
	Region       string  `pulumi:"region"`
	Flavor       string  `pulumi:"flavor"`
	Image        string  `pulumi:"image"`
	Hostname     string  `pulumi:"hostname"`
	SSHPublicKey string  `pulumi:"sshPublicKey"`
	MaxHourly    *string `pulumi:"maxHourly"`
}

// ElementType tells the Pulumi runtime how to marshal InstanceArgs.
func (InstanceArgs) ElementType() reflect.Type { return reflect.TypeFor[instanceArgs]() }

// Instance is one of Public Cloud, with its system on it. All money is net of taxes.
type Instance struct {
	pulumi.CustomResourceState

	ServiceName  pulumi.StringOutput `pulumi:"serviceName"` // OVH's id
	Address      pulumi.StringOutput `pulumi:"address"`     // public IPv4
	HostKey      pulumi.StringOutput `pulumi:"hostKey"`     // "ssh-ed25519 AAAA…"
	Mark         pulumi.StringOutput `pulumi:"mark"`        // the name under which it is found again
	Created      pulumi.StringOutput `pulumi:"created"`     // RFC 3339
	HourlyPrice  pulumi.StringOutput `pulumi:"hourlyPrice"` // known at preview
	MonthlyPrice pulumi.StringOutput `pulumi:"monthlyPrice"`
	Currency     pulumi.StringOutput `pulumi:"currency"`
}

// NewInstance registers an instance.
func NewInstance(ctx *pulumi.Context, name string, args *InstanceArgs, opts ...pulumi.ResourceOption) (*Instance, error) {
	var r Instance
	err := ctx.RegisterResource(InstanceToken, name, args, &r, opts...)
	return &r, err
}
