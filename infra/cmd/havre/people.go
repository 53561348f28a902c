package main

import (
	"encoding/json"
	"fmt"
	"os/exec"

	"github.com/spf13/cobra"

	"havre/components/database"
	"havre/infra/jump"
	"havre/infra/sandbox/bringup"
	"havre/infra/sandbox/daemon"
	"havre/infra/sandbox/people"
	"havre/services/render"
)

func fillDatabase() *cobra.Command {
	var count int
	command := &cobra.Command{
		Use: "people", Short: "Fill the database of stack local with invented readers, and back it up", Args: cobra.NoArgs,
		Long: `Puts readers r-1, r-2, … with invented names, addresses and openings into the database of stack local, the way a pod of the stack would, and has the
simulator make tonight's backup of it now. Pictures of those readers show their names from then on, and a clone has something to copy and to scrub
(docs/runbooks/staging.md). What is there already is left alone, so it can be run again.`,
		RunE: func(command *cobra.Command, _ []string) error {
			const stack = "local"
			ctx := command.Context()
			if count < 1 || count > 1_000_000 {
				return fmt.Errorf("--count %d is not from 1 to 1000000", count)
			}
			ws, plan, hosts, err := logins(ctx, stack, "")
			if err != nil {
				return err
			}
			out, err := exec.CommandContext(ctx, ws.Bin("kubectl"), "--kubeconfig", ws.Kubeconfig(), "-n", render.Namespace, "get", "secret", database.App, "-o", "json").Output()
			if err != nil {
				return fmt.Errorf("the Secret of stack %s's database: %w; is the stack up? make up", stack, err)
			}
			var secret struct{ Data map[string][]byte }
			if err := json.Unmarshal(out, &secret); err != nil {
				return err
			}
			worker := hosts[plan.Workers[0].Name]
			way, err := jump.Dial(worker.Host, worker.User, worker.Signer)
			if err != nil {
				return fmt.Errorf("ssh to %s: %w", plan.Workers[0].Name, err)
			}
			defer way.Close()
			conn, err := people.Login(ctx, secret.Data, way)
			if err != nil {
				return err
			}
			defer conn.Close(ctx)
			if err := people.Fill(ctx, conn, count); err != nil {
				return err
			}
			if err := people.BackUp(ctx, "http://"+daemon.OVHControlAddress, stack); err != nil {
				return err
			}
			edge, err := bringup.EdgeOf(ctx, bringup.Pulumi{Workspace: ws, Env: ws.LocalEnv()}, stack)
			if err != nil {
				return err
			}
			fmt.Fprintf(command.OutOrStdout(), `The database of stack %s has readers r-1 to r-%d, and a backup with them in it. The picture of %s:
  curl --cacert build/local/authority.pem --connect-to %s:443:%s:443 '%s'
`, stack, count, people.Name(1), edge.Domain, edge.Addresses[0], bringup.StoredURL(edge.Domain, "r-1"))
			return nil
		},
	}
	command.Flags().IntVar(&count, "count", 400, "how many readers")
	return command
}
