package main

import (
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"havre/components/cluster/kubeadm"
	"havre/infra/reboot"
	"havre/stacks"
)

func rebootStack() *cobra.Command {
	var key, only string
	var all, takeOver bool
	command := &cobra.Command{
		Use: "reboot STACK", Short: "Reboot the hosts that wait for it, one at a time, with no reader the worse", Args: cobra.ExactArgs(1),
		Long: `Asks every host whether an update waits for a reboot, and reboots those one after another: workers, hosts outside the cluster, then the control plane. A node's readers go to
the other edge nodes first, then its pods to other nodes; it boots, comes back with what it had, and serves again before the next one goes. While any other node is
not Ready, or a member of etcd is ill, none goes.
What does not end well stops the run, which says where; the same command goes on there. See docs/runbooks/reboots.md.`,
		Example: "  havre reboot local\n  havre reboot prod --key ~/.ssh/havre\n  havre reboot prod --key ~/.ssh/havre --only gra-worker-3 --all",
		RunE: func(command *cobra.Command, args []string) error {
			ctx := command.Context()
			_, plan, hosts, err := logins(ctx, args[0], key)
			if err != nil {
				return err
			}
			options := reboot.Options{
				All: all, TakeOver: takeOver, Who: whoami(), DrainTimeout: kubeadm.DefaultDrainTimeout, BackTimeout: 20 * time.Minute, Poll: time.Second,
				Report: func(line string) { fmt.Fprintln(command.OutOrStdout(), line) },
			}
			known := false
			for _, node := range plan.Members {
				if node.Rescue || node.Retired {
					continue
				}
				n := reboot.Node{Name: node.Name, Cluster: node.InCluster(), ControlPlane: node.Has(stacks.RoleControlPlane)}
				if host, found := hosts[node.Name]; found {
					n.Host = host
				}
				known = known || node.Name == only
				options.Nodes = append(options.Nodes, n)
			}
			if only != "" && !known {
				return fmt.Errorf("reboot: stack %s has no node %q outside the rescue system; havre report topology %s lists them", args[0], only, args[0])
			}
			options.Only = only
			options.Nodes = reboot.Order(options.Nodes)
			done, err := reboot.Hosts(ctx, options)
			fmt.Fprintf(command.OutOrStdout(), "rebooted: %d\n", len(done))
			return err
		},
	}
	command.Flags().StringVar(&key, "key", "", "private key of the operators, in OpenSSH's format (the sandbox's stacks have their own)")
	command.Flags().StringVar(&only, "only", "", "this one node, if it waits for a reboot")
	command.Flags().BoolVar(&all, "all", false, "those too that wait for none")
	command.Flags().BoolVar(&takeOver, "take-over", false, "another run has ended without a word, and this one goes on")
	return command
}

// whoami is a person and a machine, for another one who tries at the same time.
func whoami() string {
	name, machine := "somebody", "somewhere"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		machine = h
	}
	return fmt.Sprintf("%s on %s (%d)", name, machine, os.Getpid())
}
