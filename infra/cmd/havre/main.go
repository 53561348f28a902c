// Command havre is the platform's own tool for what is not a state change: it brings the sandbox up and takes it away, previews stacks, builds the pinned
// tools. What exists is changed by Pulumi alone.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"

	"havre/infra/drill/drillcmd"
	"havre/infra/jump"
	"havre/infra/report/reportcmd"
	"havre/infra/resume"
	"havre/infra/sandbox/bringup"
	"havre/infra/sandbox/daemon"
	"havre/infra/sandbox/postgres"
	"havre/infra/sandbox/sandboxcmd"
	"havre/infra/step"
	"havre/infra/tools/toolscmd"
	"havre/infra/workspace"
	"havre/stacks"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "havre:", err)
		os.Exit(1)
	}
}

// here is the checkout that holds the working directory.
func here() (workspace.Workspace, error) { return workspace.Open(".") }

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "havre",
		Short: "A company's platform on OVHcloud bare metal, as one Pulumi program",
		Long: `havre is one Pulumi program in Go: servers, mesh, cluster and the services on it. This command is for what stands round it.

  havre up                    from nothing to a served picture on this machine (root)
  havre preview prod          what pulumi would do with a stack, without root and without an account
  source bin/env              then pulumi, kubectl and havre work on stack local as on any other
  havre sandbox shell NODE    a shell on a host of the sandbox
  havre down                  takes all of it away (root)`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(up(), down(), load(), drillcmd.New(here), reportcmd.New(), reportcmd.Diff(), build(), machine(), ovhCommands(), preview(), env(), resumeStack(), restoreStack(), rebootStack(), auditStack(), jumpTo(), peerOf(), toolscmd.New(), sandboxcmd.New(sandboxcmd.Options{
		Root:  func() (string, error) { ws, err := here(); return ws.Root, err },
		Cache: func() (string, error) { ws, err := here(); return ws.Cache, err },
		Build: func(ctx context.Context, progress func(string)) (map[string]string, string, string, error) {
			ws, err := here()
			if err != nil {
				return nil, "", "", err
			}
			return bringup.BuildSandbox(ctx, ws, progress)
		},
		Services: []daemon.Service{{Name: "jump", Run: serveJumps}},
		More:     []*cobra.Command{fillDatabase()},
	}))
	return root
}

func up() *cobra.Command {
	var wanted bringup.Wanted
	command := &cobra.Command{
		Use: "up", Short: "From nothing to a served picture: tools, sandbox, pulumi up on stack local, proof", Args: cobra.NoArgs,
		Long: "Builds what is missing, starts the sandbox, runs pulumi up on stack local, and fetches a picture through the edge.\nIt may be run again at any time; the last line is a picture's URL.",
		RunE: func(command *cobra.Command, _ []string) error {
			ws, err := here()
			if err != nil {
				return err
			}
			return bringup.Up(command.Context(), ws, wanted, command.OutOrStdout())
		},
	}
	command.Flags().BoolVar(&wanted.Cilium, "cilium", false, "with Cilium as the pod network, as production has it, instead of the plain bridge")
	command.Flags().BoolVar(&wanted.Previous, "previous", false, "with the minor version of Kubernetes before ours, from which the drill upgrade begins; builds it once")
	return command
}

func build() *cobra.Command {
	return &cobra.Command{
		Use: "build", Short: "Build the pinned tools, once a pin, and the project's own binaries and plugins", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ws, err := here()
			if err != nil {
				return err
			}
			steps := step.New(command.OutOrStdout(), 2)
			var paths map[string]string
			if err := steps.Run("tools, once a pin", func(report func(string)) (err error) {
				paths, err = bringup.BuildTools(command.Context(), ws, append(slices.Clone(bringup.EngineTools), bringup.HostTools...), report)
				return err
			}); err != nil {
				return err
			}
			return steps.Run("havre's own binaries and the program", func(report func(string)) error {
				return bringup.BuildOwn(command.Context(), ws, paths["pulumi-resource-kubernetes"], report)
			})
		},
	}
}

func machine() *cobra.Command {
	return &cobra.Command{
		Use: "machine", Short: "Check this machine for what the sandbox and the tests need, and install missing packages (root)", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ws, err := here()
			if err != nil {
				return err
			}
			if err := daemon.Preflight(command.Context(), daemon.Options{Root: ws.Root, Cache: ws.Cache, Progress: func(line string) { fmt.Fprintln(command.OutOrStdout(), line) }}); err != nil {
				return err
			}
			_, err = postgres.Fetch(command.Context(), ws.Cache)
			return err
		},
	}
}

func down() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Take the sandbox away, with the state of stack local, and leave the machine as it was", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ws, err := here()
			if err != nil {
				return err
			}
			return bringup.Down(command.Context(), ws, command.OutOrStdout())
		},
	}
}

func preview() *cobra.Command {
	return &cobra.Command{
		Use: "preview STACK", Short: "What pulumi up would do with prod, staging, load-test or local; no root, no account", Args: cobra.ExactArgs(1),
		Long: "Previews a stack on a new account, against simulators that run for as long as it takes. Where the sandbox is up, stack local is previewed as it is.",
		RunE: func(command *cobra.Command, args []string) error {
			ws, err := here()
			if err != nil {
				return err
			}
			return bringup.Preview(command.Context(), ws, step.New(command.OutOrStdout(), 2), args[0])
		},
	}
}

func env() *cobra.Command {
	return &cobra.Command{
		Use: "env", Short: "Print the environment of stack local, which bin/env exports", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ws, err := here()
			if err != nil {
				return err
			}
			fmt.Fprint(command.OutOrStdout(), ws.EnvScript())
			return nil
		},
	}
}

func resumeStack() *cobra.Command {
	var force bool
	command := &cobra.Command{
		Use: "resume STACK", Short: "Make a stack ready for the next run after pulumi was killed: its lock and what was under way", Args: cobra.ExactArgs(1),
		Long: `Frees the lock of a run that is dead, and clears the operations it had begun: the next run finds orders by their marks and does the rest again.
It changes nothing at OVH, on hosts or in the cluster, and leaves a run that is at work alone. See docs/runbooks/after-a-kill.md.`,
		RunE: func(command *cobra.Command, args []string) error {
			ws, err := here()
			if err != nil {
				return err
			}
			pulumi := bringup.Pulumi{Workspace: ws}
			if inSandbox(args[0]) {
				pulumi.Env = ws.LocalEnv()
			}
			return resume.Stack(command.Context(), pulumi, resume.Options{
				Stack: args[0], Force: force, Report: func(line string) { fmt.Fprintln(command.OutOrStdout(), line) },
			})
		},
	}
	command.Flags().BoolVar(&force, "force", false, "free the lock of a run on another machine, which you have seen to have ended")
	return command
}

func jumpTo() *cobra.Command {
	var key, listen string
	command := &cobra.Command{
		Use: "jump STACK", Short: "Reach a stack's Kubernetes API from outside the mesh, through its own hosts over SSH", Args: cobra.ExactArgs(1),
		Long: `Runs an HTTP proxy on loopback whose connections leave from one of the stack's hosts. A stack whose Cluster.APIJump is the proxy's URL has it in its
kubeconfig. Hosts and their pinned keys are read with pulumi stack export each time it must connect anew. The sandbox runs those of its own stacks by itself.`,
		Example: "  havre jump prod --key ~/.ssh/havre",
		RunE: func(command *cobra.Command, args []string) error {
			ws, err := here()
			if err != nil {
				return err
			}
			proxy := &jump.Proxy{
				User:   "debian",
				Signer: func() (ssh.Signer, error) { return readKey(key) },
				Hosts: jump.Export(func() ([]byte, error) {
					return bringup.Pulumi{Workspace: ws}.Output(command.Context(), "stack", "export", "--stack", args[0])
				}),
			}
			if _, err := proxy.Signer(); err != nil {
				return err
			}
			fmt.Fprintf(command.OutOrStdout(), "http://%s leads into the mesh of stack %s; end it with Ctrl-C\n", listen, args[0])
			return proxy.Serve(command.Context(), listen)
		},
	}
	command.Flags().StringVar(&key, "key", "", "private key of the operators, in OpenSSH's format (required)")
	command.Flags().StringVar(&listen, "listen", workspace.Jump, "address on loopback to listen on")
	if err := command.MarkFlagRequired("key"); err != nil {
		fmt.Fprintln(os.Stderr, "havre:", err)
	}
	return command
}

// readKey reads a private key.
func readKey(path string) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	return signer, nil
}

// serveJumps runs the ways to the APIs of the sandbox's stacks, each where its description says. Hosts and their pinned keys come from the state, the key from
// the sandbox's folder.
func serveJumps(ctx context.Context) error {
	ws, err := here()
	if err != nil {
		return err
	}
	ways, ctx := errgroup.WithContext(ctx)
	for _, name := range stacks.Names() {
		stack, err := stacks.ByName(name)
		if err != nil {
			return err
		}
		if !stack.Sandbox {
			continue
		}
		proxy := &jump.Proxy{
			User:   "debian",
			Signer: func() (ssh.Signer, error) { return readKey(ws.Path("build", "local", "id_ed25519")) },
			Hosts:  jump.StateFile(ws.StateFile(name)),
		}
		ways.Go(func() error { return proxy.Serve(ctx, strings.TrimPrefix(stack.Cluster.APIJump, "http://")) })
	}
	return ways.Wait()
}

// inSandbox says whether a stack, or the one that a review is of, lives in the sandbox.
func inSandbox(name string) bool {
	if review, found, err := stacks.ReviewNamed(name); found {
		return err == nil && review.Of.Sandbox
	}
	stack, err := stacks.ByName(name)
	return err == nil && stack.Sandbox
}
