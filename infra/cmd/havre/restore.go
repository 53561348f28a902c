package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"havre/components/cluster/kubeadm"
	"havre/infra/restore"
)

func restoreStack() *cobra.Command {
	var key, snapshot string
	var list, yes bool
	command := &cobra.Command{
		Use: "restore STACK", Short: "Bring a cluster's content back from a backup of etcd", Args: cobra.ExactArgs(1),
		Long: `Takes the content of the cluster back to a backup: every control-plane node fetches it, stops, takes it for its data and starts again. Pods that run go on;
the API is away for a minute or two, and everything that was written after the backup is gone. Certificates and hosts stay as they are, so it also fills a
cluster that was made anew with what was in the old one. See docs/runbooks/etcd.md.`,
		Example: "  havre restore prod --key ~/.ssh/havre --list\n  havre restore prod --key ~/.ssh/havre --snapshot 1f0c22aa --yes",
		RunE: func(command *cobra.Command, args []string) error {
			options, err := restoreOptions(command.Context(), args[0], key)
			if err != nil {
				return err
			}
			options.Snapshot, options.Report = snapshot, func(line string) { fmt.Fprintln(command.OutOrStdout(), line) }
			if list {
				out, err := restore.List(command.Context(), options)
				fmt.Fprint(command.OutOrStdout(), out)
				return err
			}
			if !yes {
				return errors.New("restore: everything that was written after the backup will be gone; say --yes, or --list to see what there is")
			}
			return restore.Cluster(command.Context(), options)
		},
	}
	command.Flags().StringVar(&key, "key", "", "private key of the operators, in OpenSSH's format (stack local has its own)")
	command.Flags().StringVar(&snapshot, "snapshot", "latest", "ID of the backup")
	command.Flags().BoolVar(&list, "list", false, "show the backups there are and change nothing")
	command.Flags().BoolVar(&yes, "yes", false, "do it")
	return command
}

// restoreOptions finds the control-plane nodes of a stack: which there are in its description, where they are in its state.
func restoreOptions(ctx context.Context, name, key string) (restore.Options, error) {
	_, plan, installed, err := logins(ctx, name, key)
	if err != nil {
		return restore.Options{}, err
	}
	options := restore.Options{Hosts: map[string]restore.Host{}}
	for _, node := range plan.ControlPlane {
		if !node.Retired {
			options.Members = append(options.Members, kubeadm.Member{Name: node.Name, Address: node.Mesh})
		}
	}
	for name, host := range installed {
		options.Hosts[name] = host
	}
	return options, nil
}
