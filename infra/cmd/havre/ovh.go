package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"havre/components/ovh/api"
)

// ovhCommands are for what concerns the account at OVH.
func ovhCommands() *cobra.Command {
	command := &cobra.Command{Use: "ovh", Short: "What concerns the account at OVH", Args: cobra.NoArgs}
	command.AddCommand(rules())
	return command
}

func rules() *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use: "rules", Short: "The smallest list of access rules that an ordering key needs", Args: cobra.NoArgs,
		Long: `Prints the routes that the provider calls: the smallest list of access rules with which it works. With --json it is the body for OVH's
POST /auth/credential, which answers with a consumer key and the page on which the account's owner grants it.

Orders, their payment and terminations are account-wide at OVH: whoever holds such a key can spend money. Keep it for the runs that order.`,
		Example: "  havre ovh rules --json",
		RunE: func(command *cobra.Command, _ []string) error {
			out := command.OutOrStdout()
			if asJSON {
				encoder := json.NewEncoder(out)
				encoder.SetIndent("", "  ")
				return encoder.Encode(map[string]any{"accessRules": api.Rules()})
			}
			table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "METHOD\tPATH")
			for _, rule := range api.Rules() {
				fmt.Fprintf(table, "%s\t%s\n", rule.Method, rule.Path)
			}
			return table.Flush()
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print the body for POST /auth/credential")
	return command
}
