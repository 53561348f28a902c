// Package host is the only door to hosts: commands over SSH, and Base, the set-up that every host gets before anything else.
//
// The thing to get wrong: a command is not run once. Any changed input re-runs it, the connection included (a new host key after a new installation, say), so
// every script must be safe to run twice. Nothing secret belongs into a script; it goes to standard input.
package host

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi-command/sdk/go/command/remote"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/script"
	"havre/components/shallow"
)

const (
	// DefaultUser is the administrator of OVHcloud's Debian images; it has sudo without a password.
	DefaultUser = "debian"
	// DefaultPort is sshd's.
	DefaultPort = 22

	// A freshly delivered host answers pings well before its sshd answers. Refused dials are retried with a pause that grows to a few seconds, so 40 errors last
	// some minutes; a host that drops packets costs dialTimeout each, about seven minutes before the run gives up.
	dialErrorLimit = 40
	// dialTimeout is the bound of one dial, in seconds.
	dialTimeout = 10
)

// Connection says how to reach a host as its administrator.
type Connection struct {
	// Address is the public IPv4 address. Required.
	Address pulumi.StringInput
	// Port of sshd; DefaultPort when 0.
	Port int
	// User is the administrator; DefaultUser when empty. It must have sudo without a password.
	User string
	// PrivateKey is the administrator's key (PEM; see PrivateKey for the shortest form). Required; secret in the state whatever the caller hands over.
	PrivateKey pulumi.StringInput
	// HostKey pins the host: one line of known_hosts without the name, "ssh-ed25519 AAAA…". Required: without it the plugin would accept any host.
	HostKey pulumi.StringInput
	// Held keeps the host's commands as they are in the state, whatever the program says: none runs, not even the Delete of one that goes. It is for a host
	// that runs another system for now, OVH's rescue system say. A command that is not in the state yet still fails, at the pinned host key.
	Held bool

	// shared is the connection as the commands take it, once Shared has been called.
	shared *remote.ConnectionOutput
}

// Shared is the same connection, put together once for all commands of the host: their values are waited for once, and not anew by each of them.
func (c Connection) Shared() Connection {
	if c.shared == nil && c.Validate() == nil {
		output := c.args().ToConnectionOutput()
		c.shared = &output
	}
	return c
}

// input is the connection as a command takes it.
func (c Connection) input() remote.ConnectionInput {
	if c.shared != nil {
		return *c.shared
	}
	return c.args()
}

// Validate reports everything that is missing or out of bounds, joined.
func (c Connection) Validate() error {
	var errs []error
	if c.Address == nil {
		errs = append(errs, errors.New("connection has no address; give the host's public IPv4 address"))
	}
	if c.PrivateKey == nil {
		errs = append(errs, errors.New("connection has no private key; give the administrator's OpenSSH key"))
	}
	if c.HostKey == nil {
		errs = append(errs, errors.New("connection has no host key; give the key pinned at installation, an unpinned host is never dialled"))
	}
	if c.Port < 0 || c.Port > 65535 {
		errs = append(errs, fmt.Errorf("connection port %d is outside 1–65535; leave it 0 for %d", c.Port, DefaultPort))
	}
	return errors.Join(errs...)
}

func (c Connection) args() remote.ConnectionArgs {
	user, port := c.User, c.Port
	if user == "" {
		user = DefaultUser
	}
	if port == 0 {
		port = DefaultPort
	}
	return remote.ConnectionArgs{
		Host:           c.Address,
		Port:           pulumi.Float64(port),
		User:           pulumi.String(user),
		PrivateKey:     secret(c.PrivateKey),
		HostKey:        c.HostKey.ToStringOutput().ToStringPtrOutput(),
		DialErrorLimit: pulumi.Int(dialErrorLimit),
		PerDialTimeout: pulumi.Int(dialTimeout),
	}
}

var ignoreChanges = pulumi.IgnoreChanges([]string{"*"})

// hold are the options by which what is on a held host stays as it is.
func (c Connection) hold() []pulumi.ResourceOption {
	if !c.Held {
		return nil
	}
	return []pulumi.ResourceOption{ignoreChanges, pulumi.RetainOnDelete(true)}
}

// CommandArgs describes one command on one host, which must have its library (Base does that).
type CommandArgs struct {
	Connection Connection
	// Library are the files of the library (script.LibraryFolder) that the scripts use beside lib.sh, in the order in which they are read.
	Library []string
	// Once is for what has been done for good when it is done. Its Create and Update take the library as an earlier command has installed it; all others
	// name each file with a checksum, and so run again when the code has changed.
	Once bool
	// Create is the call that makes the thing, as rendered by a pure function: one function of the library with its arguments, and a here-document where it reads
	// standard input (script.AsRoot). Required, idempotent.
	Create pulumi.StringInput
	// Update runs instead of Create when an input has changed; nil means Create again.
	Update pulumi.StringInput
	// Delete runs when the resource goes, with the library as it is installed then; nil means that nothing has to be done on the host. It also runs after the
	// Create of a replacement, so it must not remove what Create has just made.
	Delete pulumi.StringInput
	// Stdin is handed to the script's standard input and is secret in the state.
	Stdin pulumi.StringInput
	// Triggers replace the command (delete after create) when they change. Content only, never times or paths; prefer none.
	Triggers []pulumi.Input
	// Quiet keeps the output out of the run's log. It is implied by Stdin and by SecretOutput.
	Quiet bool
	// Frozen keeps the command as it is in the state; only its Delete still runs. It is for a command about another host that is held.
	Frozen bool
	// SecretOutput makes standard output and error secret.
	SecretOutput bool
}

// Command is one command on one host.
type Command struct {
	// Stdout is what the last Create or Update printed, without the trailing newline.
	Stdout pulumi.StringOutput
	// Resource is the thing to name in DependsOn.
	Resource pulumi.Resource
}

// NewCommand registers a command. It fails when the connection is incomplete, Create is missing, or the library has no such file.
func NewCommand(ctx *pulumi.Context, name string, args CommandArgs, opts ...pulumi.ResourceOption) (*Command, error) {
	err := errors.Join(args.Connection.Validate(), script.CheckFiles(args.Library...))
	if args.Create == nil {
		err = errors.Join(err, errors.New("command has no create script; give the text to run"))
	}
	if err != nil {
		return nil, fmt.Errorf("command %s: %w", name, err)
	}

	wrap := script.AsRoot
	if args.Once {
		wrap = script.AsRootInstalled
	}
	in := &remote.CommandArgs{
		Connection: args.Connection.input(),
		Create:     wrapped(args.Create, wrap, args.Library),
		Update:     wrapped(args.Update, wrap, args.Library),
		Delete:     wrapped(args.Delete, script.AsRootIfInstalled, args.Library),
		// sshd refuses the variables anyway, and a previous output may hold a secret.
		AddPreviousOutputInEnv: pulumi.Bool(false),
	}
	// Both streams are logged unless the plugin is told otherwise.
	if args.Quiet || args.SecretOutput || args.Stdin != nil {
		in.Logging = remote.LoggingNone
	}
	if args.Stdin != nil {
		in.Stdin = secret(args.Stdin)
	}
	if len(args.Triggers) > 0 {
		triggers := make(pulumi.Array, len(args.Triggers))
		copy(triggers, args.Triggers)
		in.Triggers = triggers
	}
	own := append([]pulumi.ResourceOption(nil), opts...)
	if args.SecretOutput {
		own = append(own, pulumi.AdditionalSecretOutputs([]string{"stdout", "stderr"}))
	}
	if args.Frozen {
		own = append(own, ignoreChanges)
	}
	own = append(own, args.Connection.hold()...)
	var command *remote.Command
	if err := shallow.Run(func() (err error) {
		command, err = remote.NewCommand(ctx, name, in, own...)
		return err
	}); err != nil {
		return nil, fmt.Errorf("command %s: %w", name, err)
	}
	return &Command{Stdout: command.Stdout, Resource: command}, nil
}

// wrapped keeps plain text plain, so that it costs no apply and is known in every preview.
func wrapped(in pulumi.StringInput, wrap func(string, ...string) string, library []string) pulumi.StringPtrInput {
	switch text := in.(type) {
	case nil:
		return nil
	case pulumi.String:
		return pulumi.String(wrap(string(text), library...))
	default:
		return in.ToStringOutput().ApplyT(func(text string) string { return wrap(text, library...) }).(pulumi.StringOutput).ToStringPtrOutput()
	}
}

func secret(in pulumi.StringInput) pulumi.StringPtrOutput {
	return pulumi.ToSecret(in.ToStringOutput()).(pulumi.StringOutput).ToStringPtrOutput()
}
