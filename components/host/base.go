package host

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/script"
	"havre/components/naming"
)

// Args describes the base set-up of one host.
type Args struct {
	Connection Connection
	// Base is the plain description of the set-up; its Hostname is the component's name when empty.
	Base script.Base
}

// Base is a host with its base set-up done: packages, time, kernel settings, sshd, private network and the library of shared functions. Everything else
// on the host must depend on Command.Resource.
type Base struct {
	pulumi.ResourceState

	// Command is the one resource, <name>-base. It has no delete: nothing of the set-up is worth taking back from a host that goes.
	Command *Command
}

// New sets a host up. name is the node's name.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Base, error) {
	base := args.Base
	if base.Hostname == "" {
		base.Hostname = name
	}
	text, err := base.Render()
	if err := errors.Join(err, args.Connection.Validate()); err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	c := &Base{}
	if err := ctx.RegisterComponentResource(naming.HostBase, name, c, opts...); err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	c.Command, err = newCommand(ctx, naming.Child(name, "base"), CommandArgs{
		Connection: args.Connection,
		Create:     pulumi.String(text),
	}, script.AsRootWithoutLibrary, pulumi.Parent(c))
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{})
}

// Resources are the real resources to depend on.
func (b *Base) Resources() []pulumi.Resource { return []pulumi.Resource{b.Command.Resource} }
