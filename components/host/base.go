package host

import (
	"errors"
	"fmt"
	"net"

	"github.com/pulumi/pulumi-command/sdk/go/command/remote"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/script"
	"havre/components/naming"
)

// Args describes the base set-up of one host.
type Args struct {
	Connection Connection
	// Base is the plain description of the set-up; its Hostname is the component's name when empty.
	Base script.Base
	// PrivateMAC is the MAC of the interface on the private network, known once the server is plugged in. It completes Base.Private, whose own MAC is then left
	// empty; nil when the host has no such interface.
	PrivateMAC pulumi.StringInput
}

// Base is a host with its base set-up done: the library, packages, time, kernel settings, sshd, private network. Everything else on the host must depend on
// Command.Resource.
type Base struct {
	pulumi.ResourceState

	// Library is <name>-library, the code that all commands of the host use, as files.
	Library pulumi.Resource
	// Command is <name>-base. It has no delete: nothing of the set-up is worth taking back from a host that goes.
	Command *Command
}

// libraryPath is the library from where Pulumi runs the program, which is the folder that Pulumi.yaml calls main. It is relative, so that the state is the same
// whatever the checkout; it holds a checksum of the files and nothing else of them.
const libraryPath = "../" + script.LibraryFolder

// New sets a host up. name is the node's name.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Base, error) {
	base := args.Base
	if base.Hostname == "" {
		base.Hostname = name
	}
	create, err := args.create(base)
	if err := errors.Join(err, args.Connection.Validate()); err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	c := &Base{}
	if err := ctx.RegisterComponentResource(naming.HostBase, name, c, opts...); err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	library, err := remote.NewCopyToRemote(ctx, naming.Child(name, "library"), &remote.CopyToRemoteArgs{
		Connection: args.Connection.input(),
		Source:     pulumi.NewFileArchive(libraryPath),
		RemotePath: pulumi.String(script.CopyPath),
		// A host that was installed again has lost its copy, and another connection alone copies nothing. Its own key tells one installation from the next.
		Triggers: pulumi.Array{args.Connection.HostKey},
	}, append(args.Connection.hold(), pulumi.Parent(c))...)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	c.Library = library
	c.Command, err = NewCommand(ctx, naming.Child(name, "base"), CommandArgs{
		Connection: args.Connection,
		Library:    script.BaseFiles,
		Create:     create,
	}, pulumi.Parent(c), pulumi.DependsOn([]pulumi.Resource{library}))
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{})
}

// create is the script: plain text where everything is known beforehand, else as soon as the MAC is.
func (a Args) create(base script.Base) (pulumi.StringInput, error) {
	if a.PrivateMAC == nil {
		text, err := base.Render()
		return pulumi.String(text), err
	}
	if base.Private == nil {
		return nil, errors.New("a MAC for the private network and no address on it; give Base.Private its address, or leave PrivateMAC nil")
	}
	// Everything but the MAC is checked now, with any other in its place, so that a mistake shows in the first preview.
	if _, err := withMAC(base, "02:00:00:00:00:00"); err != nil {
		return nil, err
	}
	return a.PrivateMAC.ToStringOutput().ApplyT(func(mac string) (string, error) {
		text, err := withMAC(base, mac)
		if err != nil {
			return "", fmt.Errorf("host %s: %w", base.Hostname, err)
		}
		return text, nil
	}).(pulumi.StringOutput), nil
}

// withMAC renders the set-up of a host whose private interface has the MAC given.
func withMAC(base script.Base, text string) (string, error) {
	mac, err := net.ParseMAC(text)
	if err != nil {
		return "", fmt.Errorf("private interface: MAC %q: %w; it comes from the server's attachment to the vRack", text, err)
	}
	private := *base.Private
	private.MAC, base.Private = mac, &private
	return base.Render()
}

// Resources are the real resources to depend on.
func (b *Base) Resources() []pulumi.Resource { return []pulumi.Resource{b.Command.Resource} }
