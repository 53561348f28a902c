package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"havre/infra/peer"
	"havre/infra/sandbox/bringup"
	"havre/stacks"
)

func peerOf() *cobra.Command {
	var key string
	command := &cobra.Command{
		Use: "peer STACK OPERATOR", Short: "Print what an operator's laptop needs to be in a stack's mesh, for wg-quick", Args: cobra.ExactArgs(2),
		Long: `Prints a configuration for wg-quick: every host of the stack, by its mesh address. An operator is a line of Mesh.Operators in the stack, with the public key of a
private key that was made on the laptop and stays there. See docs/runbooks/operators.md.`,
		Example: "  havre peer prod ada-laptop | sudo tee /etc/wireguard/havre-prod.conf",
		RunE: func(command *cobra.Command, args []string) error {
			ws, err := here()
			if err != nil {
				return err
			}
			stack, err := stacks.ByName(args[0])
			if err != nil {
				return err
			}
			plan, err := stack.Plan()
			if err != nil {
				return err
			}
			pulumi := bringup.Pulumi{Workspace: ws}
			if stack.Sandbox {
				pulumi.Env = ws.LocalEnv()
			}
			export, err := pulumi.Output(command.Context(), "stack", "export", "--stack", args[0])
			if err != nil {
				return err
			}
			hosts, err := peer.Read(export)
			if err != nil {
				return err
			}
			text, err := peer.File(plan, hosts, args[1], key)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(command.OutOrStdout(), text)
			return err
		},
	}
	command.Flags().StringVar(&key, "key", "/etc/wireguard/havre.key", "where the laptop keeps its private key")
	return command
}
