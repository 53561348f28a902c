// Package drillcmd is the command `havre drill`: it lists drills and runs them on the running sandbox. The one thing a reader would get wrong: it never touches another
// stack than local. What a drill proves of production is that the same program, on hosts of the same kind, went through it.
package drillcmd

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"havre/infra/drill"
	"havre/infra/workspace"
)

// New is the command; open finds the checkout and is asked only when a drill runs.
func New(open func() (workspace.Workspace, error)) *cobra.Command {
	command := &cobra.Command{
		Use: "drill", Short: "Break the running sandbox on purpose, and see what readers see", Args: cobra.NoArgs,
		Long: `Real faults on the hosts of the sandbox (make up), while readers ask for 50 pictures a second through the edge. Each drill prints what it did, what readers saw and how long
recovery took, and leaves a dated record under build/drills; the figures of a run are in build/drills.json. See docs/runbooks/drills.md.`,
	}
	run := func(command *cobra.Command, drills []drill.Drill) error {
		ws, err := open()
		if err != nil {
			return err
		}
		return (&drill.Runner{Workspace: ws, Out: command.OutOrStdout()}).Run(command.Context(), drills)
	}
	command.AddCommand(&cobra.Command{
		Use: "list", Short: "Say which drills there are, and what must hold of each", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			t := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, d := range drill.All() {
				fmt.Fprintf(t, "%s\t%s\n\tmust hold: %s\n", d.Name, d.What, d.Bound)
			}
			return t.Flush()
		},
	}, &cobra.Command{
		Use: "run NAME…", Short: "Run the named drills, in the order given (root)", Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, names []string) error {
			drills, err := drill.Named(names)
			if err != nil {
				return err
			}
			return run(command, drills)
		},
	}, &cobra.Command{
		Use: "all", Short: "Run every drill (root)", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return run(command, drill.All()) },
	})
	return command
}
