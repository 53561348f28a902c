// Package reportcmd is `havre report` and `havre diff`: what a run would do and what a stack is, for people. The one thing a reader would get wrong: none of it
// touches a stack. It reads a preview that Pulumi has printed, or the description in stacks/.
package reportcmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"havre/infra/report/capacity"
	"havre/infra/report/change"
	"havre/infra/report/cost"
	"havre/infra/report/page"
	"havre/infra/report/preview"
	"havre/infra/report/table"
	"havre/infra/report/topology"
	"havre/stacks"
)

// defaultStack is what people ask for when they name none.
const defaultStack = "prod"

// New returns the command `report`.
func New() *cobra.Command {
	command := &cobra.Command{
		Use: "report", Short: "What a run would do and what a stack is, for people", Args: cobra.NoArgs,
		Long: `Turns what Pulumi prints into what a person reads, and draws a stack. It reads, and changes nothing.

  pulumi preview --stack prod --json | havre report preview -    Markdown for a pull request
  havre report capacity prod                                     by when the next server must be ordered
  havre report topology prod --html prod.html                    the stack on one page, with pictures`,
	}
	command.AddCommand(previewCommand(), driftCommand(), topologyCommand(), costCommand(), capacityCommand())
	return command
}

// assumptions are the flags about time.
type assumptions struct {
	growth, peaks, today string
	delivery             time.Duration
}

// assumed is the growth while nobody has measured it.
const assumed = "4%/month"

// timed are the assumptions as a report takes them.
type timed struct {
	growth float64
	basis  capacity.Basis
	today  time.Time
}

func (a *assumptions) flags(command *cobra.Command) {
	command.Flags().StringVar(&a.growth, "growth", "", "growth of the peak, a week, month or year (default "+assumed+", an assumption)")
	command.Flags().StringVar(&a.peaks, "peaks", "", "file of measured peaks to take the growth from: CSV, a first line \"day,requests per second\", then lines such as 2026-11-21,2480")
	command.MarkFlagsMutuallyExclusive("growth", "peaks")
	command.Flags().DurationVar(&a.delivery, "delivery", capacity.DefaultDelivery, "promised time from an order to a server")
	command.Flags().StringVar(&a.today, "today", "", "day from which it grows, as 2026-11-21 (default today)")
}

func (a *assumptions) read() (t timed, err error) {
	var growthErr, dayErr error
	switch {
	case a.peaks != "":
		t.growth, t.basis, growthErr = measure(a.peaks)
	case a.growth != "":
		t.growth, growthErr = capacity.ParseGrowth(a.growth)
	default:
		t.basis.Assumed = true
		t.growth, growthErr = capacity.ParseGrowth(assumed)
	}
	t.today = time.Now()
	if a.today != "" {
		if t.today, dayErr = time.Parse(time.DateOnly, a.today); dayErr != nil {
			dayErr = fmt.Errorf("today %q: wanted a day such as 2026-11-21", a.today)
		}
	}
	if a.delivery < 0 {
		err = fmt.Errorf("delivery %s: wanted no time or more, such as 72h", a.delivery)
	}
	return t, errors.Join(growthErr, dayErr, err)
}

func measure(path string) (float64, capacity.Basis, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, capacity.Basis{}, fmt.Errorf("peaks: %w", err)
	}
	defer file.Close()
	return capacity.Measure(file)
}

// figures are the capacity's, under the assumptions.
func (a *assumptions) figures(plan stacks.Plan) (capacity.Figures, time.Time, error) {
	t, err := a.read()
	if err != nil {
		return capacity.Figures{}, time.Time{}, err
	}
	f, err := capacity.Of(capacity.Args{Plan: plan, Growth: t.growth, Basis: t.basis, Delivery: a.delivery, Today: t.today})
	return f, t.today, err
}

func previewCommand() *cobra.Command {
	var a assumptions
	command := &cobra.Command{
		Use: "preview FILE|-", Short: "Markdown for a pull request, of what pulumi preview --json prints", Args: cobra.ExactArgs(1),
		Long: `Reads what pulumi preview --json prints, from a file or from standard input, and tells it in words: servers and money, what is deleted, drained or
restarted, then changes by node and by service, then each value, folded. Secrets are never in it.

With PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true the preview holds the providers' answers too: prices and promised deliveries in place of what the description allows.
Its first line is a mark by which a comment can be found and written anew.`,
		Example: "  PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true pulumi preview --stack prod --json > preview.json\n  havre report preview preview.json",
		RunE: func(command *cobra.Command, args []string) error {
			t, err := a.read()
			if err != nil {
				return err
			}
			p, err := read(command, args[0])
			if err != nil {
				return err
			}
			r, err := change.Of(p, change.Options{Plan: change.PlanOf(p.Stack), Growth: t.growth, Basis: t.basis, Delivery: a.delivery, Today: t.today})
			if err != nil {
				return err
			}
			_, err = io.WriteString(command.OutOrStdout(), r.Markdown())
			return err
		},
	}
	a.flags(command)
	return command
}

func driftCommand() *cobra.Command {
	var fail bool
	command := &cobra.Command{
		Use: "drift FILE|-", Short: "Markdown of what differs from the state, of what pulumi refresh --preview-only --json prints", Args: cobra.ExactArgs(1),
		Example: "  pulumi refresh --stack prod --preview-only --json > refresh.json\n  havre report drift --fail refresh.json",
		RunE: func(command *cobra.Command, args []string) error {
			p, err := read(command, args[0])
			if err != nil {
				return err
			}
			text, drifted := change.Drift(p)
			if _, err := io.WriteString(command.OutOrStdout(), text); err != nil {
				return err
			}
			if fail && drifted {
				return errors.New("the stack has drifted; the report says where")
			}
			return nil
		},
	}
	command.Flags().BoolVar(&fail, "fail", false, "end with an error when something has drifted")
	return command
}

// read reads a preview from a file, or from standard input for "-".
func read(command *cobra.Command, path string) (preview.Preview, error) {
	if path == "-" {
		return preview.Read(command.InOrStdin())
	}
	file, err := os.Open(path)
	if err != nil {
		return preview.Preview{}, fmt.Errorf("preview: %w", err)
	}
	defer file.Close()
	return preview.Read(file)
}

// planOf is the plan of the stack that is named, or of production.
func planOf(args []string) (stacks.Plan, error) {
	name := defaultStack
	if len(args) > 0 {
		name = args[0]
	}
	stack, err := stacks.ByName(name)
	if err != nil {
		return stacks.Plan{}, err
	}
	return stack.Plan()
}

// about makes a command about a stack: text for a terminal, or the page.
func about(use, short string, text func(plan stacks.Plan, a *assumptions) (string, error), withTime bool) *cobra.Command {
	var a assumptions
	var file string
	command := &cobra.Command{
		Use: use + " [STACK]", Short: short, Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			plan, err := planOf(args)
			if err != nil {
				return err
			}
			if file != "" {
				return writePage(plan, &a, file)
			}
			out, err := text(plan, &a)
			if err != nil {
				return err
			}
			_, err = io.WriteString(command.OutOrStdout(), out)
			return err
		},
	}
	command.Flags().StringVar(&file, "html", "", "write topology, cost and capacity with their pictures as one page of HTML to this file instead")
	a.flags(command)
	if !withTime {
		for _, name := range []string{"growth", "peaks", "delivery", "today"} {
			command.Flags().Lookup(name).Hidden = true
		}
	}
	return command
}

func writePage(plan stacks.Plan, a *assumptions, file string) error {
	figures, today, err := a.figures(plan)
	if err != nil {
		return err
	}
	bill, err := cost.Of(plan)
	if err != nil {
		return err
	}
	picture := topology.Of(plan, nil, nil)
	text := page.HTML(page.Args{Stack: plan.Stack.Name, Today: today, Topology: &picture, Cost: &bill, Capacity: &figures})
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

func topologyCommand() *cobra.Command {
	return about("topology", "Sites, hosts and the mesh between them", func(plan stacks.Plan, _ *assumptions) (string, error) {
		return topology.Of(plan, nil, nil).Text(), nil
	}, false)
}

func costCommand() *cobra.Command {
	return about("cost", "Euros a month by node, site and kind, against the budget", func(plan stacks.Plan, _ *assumptions) (string, error) {
		bill, err := cost.Of(plan)
		return bill.Text(), err
	}, false)
}

func capacityCommand() *cobra.Command {
	return about("capacity", "What the declared peak takes with a site lost, and by when to order the next server", func(plan stacks.Plan, a *assumptions) (string, error) {
		figures, today, err := a.figures(plan)
		if err != nil {
			return "", err
		}
		return figures.Text(today), nil
	}, true)
}

// Diff returns the command `diff`.
func Diff() *cobra.Command {
	var markdown bool
	command := &cobra.Command{
		Use: "diff A B", Short: "How two described stacks differ, as a table", Args: cobra.ExactArgs(2),
		Example: "  havre diff prod staging --markdown",
		RunE: func(command *cobra.Command, args []string) error {
			a, err := stacks.ByName(args[0])
			if err != nil {
				return err
			}
			b, err := stacks.ByName(args[1])
			if err != nil {
				return err
			}
			changes := stacks.Diff(a, b)
			if len(changes) == 0 {
				fmt.Fprintf(command.OutOrStdout(), "%s and %s are the same.\n", args[0], args[1])
				return nil
			}
			t := table.Table{Columns: table.Columns("value", args[0], args[1])}
			for _, c := range changes {
				t.Add(c.Path, c.Before, c.After)
			}
			if markdown {
				_, err = io.WriteString(command.OutOrStdout(), t.Markdown())
			} else {
				_, err = io.WriteString(command.OutOrStdout(), t.Text())
			}
			return err
		},
	}
	command.Flags().BoolVar(&markdown, "markdown", false, "print a table of Markdown")
	return command
}
