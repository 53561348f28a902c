// Command faults is `make faults`: it breaks every call of an order's life, kills the provider and Pulumi itself at random, and says whether anything was
// bought twice, lost, overpaid or left different. Its last line is the sum; it fails unless every figure but the number of cases is 0.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"havre/infra/workspace"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var seed uint64
	var kills, workers int
	var sample bool
	c := &cobra.Command{
		Use: "faults", Short: "Break everything that can break while servers are ordered, and count what went wrong", Args: cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		Long: `Runs every fault at every call of everything a service goes through (infra/test/ovhmetal), then the real pulumi under random kills (infra/test/pulumikills).
Needs neither root nor network. The same cases come again with the same --seed; what happens side by side is up to the machine.`,
		RunE: func(command *cobra.Command, _ []string) error {
			if kills < 1 || workers < 1 {
				return errors.New("--kills and --workers want at least 1; leave them out for 100 kills, 2 side by side")
			}
			ws, err := workspace.Open(".")
			if err != nil {
				return err
			}
			return run(command.Context(), ws.Root, plan(seed, kills, workers, sample), command.OutOrStdout())
		},
	}
	c.Flags().Uint64Var(&seed, "seed", 1, "seed of double faults and kills")
	c.Flags().IntVar(&kills, "kills", 100, "how many runs of pulumi up are killed")
	c.Flags().IntVar(&workers, "workers", 2, "how many of them side by side")
	c.Flags().BoolVar(&sample, "sample", false, "a sample: some faults in every life, and 3 kills, for make test")
	return c
}

// part is one `go test` whose output holds a line of figures.
type part struct {
	name string
	args []string
}

// plan lists the parts.
func plan(seed uint64, kills, workers int, sample bool) []part {
	all, which := []string{"-faults.all"}, "."
	if sample {
		all, which, kills = nil, "TestKills|TestStateLost", 3
	}
	test := func(timeout string, args ...string) []string {
		return append([]string{"test", "-count=1", "-v", "-timeout", timeout}, args...)
	}
	return []part{
		{"every fault at every call, single and double", append(
			test("60m", "-run", "TestFaults|TestRandomKills", "./infra/test/ovhmetal", "-args", fmt.Sprintf("-faults.seed=%d", seed)), all...)},
		{"pulumi up over six orders, killed", test("240m", "-tags", "faults", "-run", which, "./infra/test/pulumikills",
			"-args", fmt.Sprintf("-seed=%d", seed), fmt.Sprintf("-kills=%d", kills), fmt.Sprintf("-workers=%d", workers))},
	}
}

// figures are what a part counted.
type figures struct{ cases, double, lost, overspent, diverged int }

const line = "faults: cases=%d double=%d lost=%d overspent=%d diverged=%d"

func (f figures) String() string {
	return fmt.Sprintf(line, f.cases, f.double, f.lost, f.overspent, f.diverged)
}

func (f figures) plus(g figures) figures {
	return figures{f.cases + g.cases, f.double + g.double, f.lost + g.lost, f.overspent + g.overspent, f.diverged + g.diverged}
}

// well says that nothing went wrong, and that anything was tried at all.
func (f figures) well() bool { return f.cases > 0 && f == figures{cases: f.cases} }

// outcome is what a part came to.
type outcome struct {
	figures
	name    string
	counted bool     // the line of figures was seen
	tests   []string // results of the tests, as go test prints them
	err     error
}

// read shows what a test prints, but for its line of figures, which must come once at the very end, and takes its results from it.
func (o *outcome) read(from io.Reader, to io.Writer) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		text := lines.Text()
		var f figures
		if n, err := fmt.Sscanf(text, line, &f.cases, &f.double, &f.lost, &f.overspent, &f.diverged); err == nil && n == 5 {
			o.figures, o.counted = o.plus(f), true
			continue
		}
		if strings.HasPrefix(text, "--- ") {
			o.tests = append(o.tests, strings.TrimPrefix(text, "--- "))
		}
		fmt.Fprintln(to, "  "+text)
	}
	return lines.Err()
}

// run runs the parts one after another, then prints the table and the sum.
func run(ctx context.Context, root string, parts []part, out io.Writer) error {
	var outcomes []outcome
	for _, p := range parts {
		fmt.Fprintf(out, "%s: go %s\n", p.name, strings.Join(p.args, " "))
		outcomes = append(outcomes, p.run(ctx, root, out))
	}
	return report(outcomes, out)
}

func (p part) run(ctx context.Context, root string, out io.Writer) outcome {
	o := outcome{name: p.name}
	command := exec.CommandContext(ctx, "go", p.args...)
	command.Dir = root
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	reader, writer := io.Pipe()
	command.Stdout, command.Stderr = writer, writer
	read := make(chan error, 1)
	go func() {
		err := o.read(reader, out)
		_, _ = io.Copy(io.Discard, reader) // after an error of reading, the test must not wait for a reader
		read <- err
	}()
	err := command.Run()
	o.err = errors.Join(err, writer.Close(), <-read)
	return o
}

// report prints the table and, last, the sum of all parts.
func report(outcomes []outcome, out io.Writer) error {
	var sum figures
	var errs []error
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tcases\tdouble\tlost\toverspent\tdiverged")
	for _, o := range outcomes {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\n", o.name, o.cases, o.double, o.lost, o.overspent, o.diverged)
		sum = sum.plus(o.figures)
		switch {
		case o.err != nil:
			errs = append(errs, fmt.Errorf("%s: %w; see its output above", o.name, o.err))
		case !o.counted:
			errs = append(errs, fmt.Errorf("%s: no line of figures; see its output above", o.name))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, o := range outcomes {
		for _, test := range o.tests {
			fmt.Fprintln(out, test)
		}
	}
	if !sum.well() {
		errs = append(errs, errors.New("something was bought twice, lost, overpaid or left different, or nothing was tried; the cases are named above"))
	}
	fmt.Fprintf(out, "\n%s\n", sum)
	return errors.Join(errs...)
}
