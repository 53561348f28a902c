// Package toolscmd is `havre tools`: build the pinned tools, and say which there are.
//
// What one would get wrong: progress goes to standard error, so that `havre tools build pulumi` can be used in a shell's $(…).
package toolscmd

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"havre/infra/tools"
)

// New returns the command.
func New() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tools",
		Short: "The pinned tools: what they are, and building them",
		Args:  cobra.NoArgs,
	}
	var cacheDir string
	cmd.PersistentFlags().StringVar(&cacheDir, "cache", "", "folder of built tools (default havre in the user's cache folder)")
	open := func() (*tools.Cache, error) {
		if cacheDir != "" {
			return tools.Open(cacheDir), nil
		}
		dir, err := tools.DefaultDir()
		if err != nil {
			return nil, err
		}
		return tools.Open(dir), nil
	}
	cmd.AddCommand(buildCommand(open), listCommand(open))
	return cmd
}

func buildCommand(open func() (*tools.Cache, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "build [tool…]",
		Short: "Build the named tools, or all, and print their paths",
		Long: "Builds what the cache does not hold, two modules side by side, and prints the path of each. All of them from nothing take about half an hour on\n" +
			"two cores; a tool that is there costs nothing.",
		RunE: func(cmd *cobra.Command, names []string) error {
			cache, err := open()
			if err != nil {
				return err
			}
			if len(names) == 0 {
				names = tools.Names()
			}
			paths, err := cache.All(cmd.Context(), names, func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) })
			for _, name := range names {
				if path, ok := paths[name]; ok {
					fmt.Fprintln(cmd.OutOrStdout(), path)
				}
			}
			return err
		},
	}
}

func listCommand(open func() (*tools.Cache, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the tools, their versions, and where they lie",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cache, err := open()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "TOOL\tVERSION\tUSE\tBUILT AT")
			for _, tool := range tools.Catalogue() {
				path, built, err := cache.Cached(cmd.Context(), tool.Name)
				if err != nil {
					return err
				}
				if !built {
					path = "not built"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", tool.Name, tool.Version, tool.Use, path)
			}
			return w.Flush()
		},
	}
}
