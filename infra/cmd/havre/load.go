package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"havre/infra/replay"
	"havre/infra/sandbox/bringup"
	"havre/stacks"
)

// loadFlags are how much is sent.
type loadFlags struct {
	steady               float64
	step, recorded       string
	speed                float64
	quiet, within, after time.Duration
}

func load() *cobra.Command {
	var f loadFlags
	var budget replay.Budget
	var record string
	var readers bool
	command := &cobra.Command{
		Use: "load STACK", Short: "Send a stack the requests of a campaign, and hold what readers would meet against a budget", Args: cobra.ExactArgs(1),
		Long: `Sends requests for pictures to a stack's edge nodes, over TLS and under its public name, and prints what readers would have met. It ends with an error when the
p99 of any part is above the budget or more requests failed than it allows. Give one of --steady, --step and --recorded.

The rates are open: requests leave on time whatever the answers take. Each is for another reader, so that each picture is drawn; recorded ones ask for what was asked for,
with readers' names and ids replaced. A stack that readers are served by is refused; see docs/runbooks/load-test.md.`,
		Example: "  havre load staging --step 50:3000 --within 1m --for 10m --json load.json\n" +
			"  havre load staging --steady 200 --for 5m\n" +
			"  havre load staging --recorded access.log --speed 2",
		RunE: func(command *cobra.Command, args []string) error {
			pattern, err := f.pattern()
			if err := errors.Join(err, mayLoad(args[0], readers)); err != nil {
				return err
			}
			ws, err := here()
			if err != nil {
				return err
			}
			pulumi := bringup.Pulumi{Workspace: ws}
			if stack, err := stacks.ByName(args[0]); err == nil && stack.Sandbox {
				pulumi.Env = ws.LocalEnv()
			}
			edge, err := bringup.EdgeOf(command.Context(), pulumi, args[0])
			if err != nil {
				return err
			}
			shooter, err := replay.NewShooter(edge)
			if err != nil {
				return err
			}
			fmt.Fprintf(command.ErrOrStderr(), "%d requests: %s\n", pattern.Count(), pattern.Name)
			report, err := replay.Run(command.Context(), shooter, pattern, budget)
			if err != nil {
				return err
			}
			report.Stack = args[0]
			fmt.Fprint(command.OutOrStdout(), report.Text())
			if record != "" {
				text, err := json.MarshalIndent(report, "", "  ")
				if err == nil {
					err = os.WriteFile(record, append(text, '\n'), 0o644)
				}
				if err != nil {
					return fmt.Errorf("record %s: %w", record, err)
				}
			}
			if err := report.Err(); err != nil {
				return fmt.Errorf("the budget is broken:\n%w", err)
			}
			return nil
		},
	}
	flags := command.Flags()
	flags.Float64Var(&f.steady, "steady", 0, "one rate, in requests a second, for the time of --for")
	flags.StringVar(&f.step, "step", "", "a campaign's rates before and after, such as 50:1000")
	flags.DurationVar(&f.quiet, "before", time.Minute, "of a step: how long the low rate lasts")
	flags.DurationVar(&f.within, "within", time.Minute, "of a step: how long the rise takes")
	flags.DurationVar(&f.after, "for", 5*time.Minute, "how long the rate, or that after the step, lasts")
	flags.StringVar(&f.recorded, "recorded", "", "file of what readers asked for: Caddy's access log in JSON")
	flags.Float64Var(&f.speed, "speed", 1, "of a record: how many times faster than it was")
	flags.DurationVar(&budget.P99, "p99", 950*time.Millisecond, "the budget: what 99 of 100 requests take at most, in each part")
	flags.IntVar(&budget.Failed, "failed", 0, "the budget: how many requests may fail")
	flags.StringVar(&record, "json", "", "file to write the figures to")
	flags.BoolVar(&readers, "readers-too", false, "load a stack that serves readers, who will feel it")
	return command
}

// pattern makes the one that was asked for.
func (f loadFlags) pattern() (replay.Pattern, error) {
	asked := 0
	for _, given := range []bool{f.steady != 0, f.step != "", f.recorded != ""} {
		if given {
			asked++
		}
	}
	if asked != 1 {
		return replay.Pattern{}, errors.New("give one of --steady, --step and --recorded")
	}
	switch {
	case f.steady != 0:
		return replay.Steady(f.steady, f.after)
	case f.recorded != "":
		file, err := os.Open(f.recorded)
		if err != nil {
			return replay.Pattern{}, fmt.Errorf("record: %w", err)
		}
		defer file.Close()
		return replay.Recorded(file, f.speed)
	}
	low, high, _ := strings.Cut(f.step, ":")
	from, fromErr := strconv.ParseFloat(low, 64)
	to, toErr := strconv.ParseFloat(high, 64)
	if fromErr != nil || toErr != nil {
		return replay.Pattern{}, fmt.Errorf("step %q: wanted two rates a second, such as 50:1000", f.step)
	}
	return replay.Step(from, to, f.quiet, f.within, f.after)
}

// mayLoad refuses a stack whose readers would feel it: one that is neither a sandbox nor built round a copy of the data.
func mayLoad(name string, readers bool) error {
	stack, err := stacks.ByName(name)
	if err != nil {
		return err
	}
	if !readers && !stack.Sandbox && stack.Database.ForkOf == "" {
		return fmt.Errorf("stack %s serves readers; load another, or give --readers-too", name)
	}
	return nil
}
