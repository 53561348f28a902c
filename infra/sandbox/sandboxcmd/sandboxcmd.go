// Package sandboxcmd is the command `havre sandbox`: it starts, shows and ends the sandbox, and leads into its hosts. The one thing a reader would
// get wrong: `havre sandbox up` runs no Pulumi. It ends where a new account at OVH begins, with an API that sells servers.
package sandboxcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"havre/infra/sandbox/daemon"
	"havre/infra/sandbox/host"
)

// Options are what the commands cannot know themselves.
type Options struct {
	// Root finds the checkout and Cache the cache folder; they are asked only when a command runs.
	Root, Cache func() (string, error)
	// Build makes the static binaries that the sandbox serves: the tools by name, the renderer and pause.
	Build func(ctx context.Context, progress func(string)) (tools map[string]string, renderer, pause string, err error)
	// Services are what the daemon runs besides its own.
	Services []daemon.Service
	// More are subcommands of what runs on the sandbox, which this package knows nothing of.
	More []*cobra.Command
}

// start fills in what daemon.Start needs but for the binaries.
func (o Options) start(out io.Writer) (daemon.Options, error) {
	root, err1 := o.Root()
	cache, err2 := o.Cache()
	return daemon.Options{Root: root, Cache: cache, Progress: func(line string) { fmt.Fprintln(out, line) }}, errors.Join(err1, err2)
}

// New is the command with its subcommands.
func New(o Options) *cobra.Command {
	command := &cobra.Command{
		Use:   "sandbox",
		Short: "Start, show and end the simulators and hosts on this machine",
		Args:  cobra.NoArgs,
	}
	command.AddCommand(up(o), down(o), status(o), hosts(), shell(o), run(o))
	command.AddCommand(o.More...)
	return command
}

func up(o Options) *cobra.Command {
	return &cobra.Command{
		Use: "up", Short: "Start the sandbox: simulators, registry and networks, and no host yet", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			options, err := o.start(command.OutOrStdout())
			if err != nil {
				return err
			}
			// Before the build, which takes minutes, whatever would fail after it.
			if err := daemon.Preflight(command.Context(), options); err != nil {
				return err
			}
			if options.Tools, options.Renderer, options.Pause, err = o.Build(command.Context(), options.Progress); err != nil {
				return err
			}
			_, err = daemon.Start(command.Context(), options)
			return err
		},
	}
}

func down(o Options) *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "End the sandbox and leave the machine as it was", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			options, err := o.start(command.OutOrStdout())
			if err != nil {
				return err
			}
			did, err := daemon.Stop(command.Context(), options)
			if err != nil {
				return err
			}
			if did {
				fmt.Fprintln(command.OutOrStdout(), "the sandbox is down; the machine is as it was")
			} else {
				fmt.Fprintln(command.OutOrStdout(), "there is nothing to do: the sandbox is down")
			}
			return nil
		},
	}
}

func status(o Options) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the daemon and the hosts", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			root, err := o.Root()
			if err != nil {
				return err
			}
			status, err := daemon.ReadStatus(root)
			if err != nil {
				return err
			}
			return WriteStatus(command.OutOrStdout(), status, daemon.Folder(root))
		},
	}
}

// WriteStatus prints a status for people.
func WriteStatus(out io.Writer, status daemon.Status, folder string) error {
	switch {
	case status.Ready:
		fmt.Fprintf(out, "daemon: ready, process %d\n", status.Daemon.PID)
	case status.Daemon.PID != 0:
		fmt.Fprintf(out, "daemon: starting, process %d\n", status.Daemon.PID)
	case status.Owner != "" && status.Owner != folder:
		fmt.Fprintf(out, "daemon: down here; the sandbox of %s holds the machine\n", status.Owner)
	case status.Owner != "":
		fmt.Fprintln(out, "daemon: it was killed and left hosts; make up takes them over, make down removes them")
	default:
		fmt.Fprintln(out, "daemon: down")
	}
	if len(status.Hosts) == 0 {
		return nil
	}
	return WriteHosts(out, status.Hosts)
}

// WriteHosts prints hosts as a table.
func WriteHosts(out io.Writer, records []host.Record) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERVICE\tHOSTNAME\tADDRESS\tVRACK\tSTATE\tNAMESPACE")
	for _, record := range records {
		state, vrack := "off", "no"
		if record.Running() {
			state = "running"
		}
		if record.Spec.Port.Private {
			vrack = "yes"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", record.Spec.Service, record.Name(), record.Spec.Port.Address, vrack, state, record.Spec.Port.Namespace())
	}
	return table.Flush()
}

func hosts() *cobra.Command {
	return &cobra.Command{
		Use: "hosts", Short: "List the hosts on this machine", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			records, err := host.List(host.RunDir)
			if err != nil {
				return err
			}
			return WriteHosts(command.OutOrStdout(), records)
		},
	}
}

// find takes a host by its service, hostname, address or namespace.
func find(records []host.Record, name string) (host.Record, error) {
	for _, record := range records {
		port := record.Spec.Port
		if name == record.Spec.Service || name == record.Name() || name == port.Address.String() || name == port.Namespace() {
			return record, nil
		}
	}
	return host.Record{}, fmt.Errorf("host %s: there is none of that service, hostname, address or namespace; havre sandbox hosts lists those that are", name)
}

func shell(o Options) *cobra.Command {
	return &cobra.Command{
		Use: "shell HOST [COMMAND…]", Short: "Log in to a host as its administrator, or run a command there", Args: cobra.MinimumNArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(command *cobra.Command, args []string) error {
			root, err := o.Root()
			if err != nil {
				return err
			}
			records, err := host.List(host.RunDir)
			if err != nil {
				return err
			}
			record, err := find(records, args[0])
			if err != nil {
				return err
			}
			known, key, err := daemon.KnownHosts(root)
			if err != nil {
				return err
			}
			ssh := exec.CommandContext(command.Context(), "ssh", login(record, known, key, args[1:])...)
			ssh.Stdin, ssh.Stdout, ssh.Stderr = os.Stdin, command.OutOrStdout(), command.ErrOrStderr()
			return ssh.Run()
		},
	}
}

// login are the arguments of ssh: the sandbox's own key and the pinned host keys, and nothing of the user's own configuration.
func login(record host.Record, known, key string, command []string) []string {
	args := []string{
		"-F", "none", "-i", key, "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + known,
		"-o", "GlobalKnownHostsFile=/dev/null", "debian@" + record.Spec.Port.Address.String(),
	}
	if len(command) > 0 {
		args = append(append(args, "--"), command...)
	}
	return args
}

func run(o Options) *cobra.Command {
	return &cobra.Command{
		Use: "daemon", Short: "Run the sandbox in the foreground, as up does in the background", Hidden: true, Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			root, err := o.Root()
			if err != nil {
				return err
			}
			return daemon.Run(command.Context(), daemon.Folder(root), o.Services...)
		},
	}
}
