// Command bench prints where the time of the platform goes and how it grows, and writes the figures to build/bench.json. It judges nothing; see infra/bench.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"havre/infra/bench"
	"havre/infra/workspace"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var sizes []int
	var runs int
	var production bool
	var profiles string
	var only []string
	var load bool
	var scale int
	c := &cobra.Command{
		Use: "bench", Short: "Where the time goes, and how previews and states grow", Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		Long: `Prints where the time of the last make up went, then how long previews take and how large states are for fleets of several sizes, beside a floor: as many
trivial resources in the same engine, and what readers meet in a burst: measured on the sandbox where it is up, which takes ten minutes, else as make load
measured it last. It brings hosts of the sandbox up with this program and with Ansible, in turns, and holds routed pods against pods in a VXLAN. The figures are
written to build/bench.json. Hosts, and states of fleets, for fake hosts on port 22 of loopback addresses, need root.`,
		RunE: func(command *cobra.Command, _ []string) error {
			if runs < 1 || len(sizes) == 0 {
				return errors.New("--runs and --sizes want at least one; leave them out for 3 runs of 9, 50 and 200 hosts")
			}
			if scale < 1 {
				return fmt.Errorf("--load-scale %d: want 1 or more; leave it out for 50", scale)
			}
			for _, name := range only {
				if !slices.Contains(bench.Parts(), name) {
					return fmt.Errorf("--only %s: want some of %s", name, strings.Join(bench.Parts(), ", "))
				}
			}
			ws, err := workspace.Open(".")
			if err != nil {
				return err
			}
			if err := ws.Prepare(); err != nil {
				return err
			}
			start := time.Now()
			b := &bench.Bench{
				Workspace: ws, Out: command.OutOrStdout(),
				Options: bench.Options{Sizes: sizes, Runs: runs, Production: production, Only: only, Profiles: profiles, Load: load, LoadScale: scale},
				Progress: func(line string) {
					fmt.Fprintf(command.ErrOrStderr(), "%s  %s\n", strconv.Itoa(int(time.Since(start).Seconds()))+" s", strings.TrimSpace(line))
				},
			}
			return b.Run(command.Context())
		},
	}
	c.Flags().IntSliceVar(&sizes, "sizes", []int{9, 50, 200}, "numbers of hosts")
	c.Flags().IntVar(&runs, "runs", 3, "how often each preview is measured; the median counts")
	c.Flags().BoolVar(&production, "production", true, "measure the first preview of stack prod, too")
	c.Flags().StringSliceVar(&only, "only", nil, "measure only some of "+strings.Join(bench.Parts(), ", ")+"; build/bench.json then has only these")
	c.Flags().StringVar(&profiles, "profiles", "", "folder for CPU profiles of engine and program, for go tool pprof")
	c.Flags().BoolVar(&load, "load", false, "measure a burst and a rolling update on the running sandbox instead, into build/load.json")
	c.Flags().IntVar(&scale, "load-scale", 50, "divides a campaign's rates of 50 and 1000 requests a second")
	return c
}
