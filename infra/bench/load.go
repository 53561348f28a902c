package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"havre/infra/bench/load"
	"havre/infra/sandbox/bringup"
)

// The two figures that latencies are held against, which the service lives by.
const (
	p50Target = 350 * time.Millisecond
	p99Target = 950 * time.Millisecond
)

// load measures a burst with and without placeholders, and a rolling update, on the running sandbox.
func (b *Bench) load(ctx context.Context) error {
	edge, err := bringup.EdgeOf(ctx, bringup.Pulumi{Workspace: b.Workspace, Env: b.Workspace.LocalEnv()}, "local")
	if err != nil {
		return fmt.Errorf("load: %w; a running sandbox is needed: make up", err)
	}
	report, err := load.Run(ctx, load.Options{
		Edge: edge, Kubectl: b.kubectl, Stream: b.stream, Scale: b.Options.LoadScale, Quiet: 30 * time.Second, Burst: 100 * time.Second,
		Progress: b.Progress,
	})
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	b.loaded(report)
	return nil
}

// loadFile is where the figures of a load lie.
func (b *Bench) loadFile() string { return b.Workspace.Path("build", "load.json") }

// readers is what readers meet in a burst: measured on the running sandbox where there is one, else as it was measured last. It takes ten minutes.
func (b *Bench) readers(ctx context.Context) error {
	edge, err := bringup.EdgeOf(ctx, bringup.Pulumi{Workspace: b.Workspace, Env: b.Workspace.LocalEnv()}, "local")
	if err == nil && edge.Fetch(ctx, edge.Addresses[0], edge.Domain, bringup.Reader) == nil {
		measuring := *b
		measuring.figures, measuring.Options.Load = nil, true
		if err := measuring.Run(ctx); err != nil {
			return err
		}
	}
	return b.lastLoad()
}

// lastLoad puts the figures of the last load beside the others.
func (b *Bench) lastLoad() error {
	text, err := os.ReadFile(b.loadFile())
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(b.Out, "\nwhat readers meet in a burst: there is no record of one; make up first, and it is measured\n")
		return nil
	}
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	var figures []Figure
	if err := json.Unmarshal(text, &figures); err != nil {
		return fmt.Errorf("load: figures of the last make load: %w; run make load again", err)
	}
	t := newTable("what readers meet in a burst and in a rolling update, as the last make load measured it", "", "value", "unit")
	for _, f := range figures {
		t.row(strings.ReplaceAll(f.Name, "-", " "), strconv.FormatFloat(f.Value, 'f', -1, 64), f.Unit)
	}
	t.print(b.Out)
	b.figures = append(b.figures, figures...)
	return nil
}

// loaded prints the report.
func (b *Bench) loaded(r load.Report) {
	t := newTable(fmt.Sprintf("a step from %s to %s requests a second, a campaign's 50 to 1000 divided by %d; every node full of batch work that takes 30 s to end",
		rate(r.Before), rate(r.After), b.Options.LoadScale), "", "with placeholders", "without")
	both := func(name, key string, value func(load.Burst) time.Duration) {
		cell := func(burst load.Burst) string {
			if v := value(burst); v >= 0 {
				return seconds(v.Seconds())
			}
			return "not at all"
		}
		t.row(name, cell(r.With), cell(r.Without))
		for _, c := range []struct {
			how   string
			burst load.Burst
		}{{"with", r.With}, {"without", r.Without}} {
			if v := value(c.burst); v >= 0 {
				b.figure("burst-"+c.how+"-headroom-"+key, v.Seconds(), "s", "")
			}
		}
	}
	both("the autoscaler has decided, s", "decided", func(x load.Burst) time.Duration { return x.Decided })
	both("the first added pod serves, s", "first-serves", func(x load.Burst) time.Duration { return x.FirstServes })
	both("all added pods serve, s", "all-serve", func(x load.Burst) time.Duration { return x.AllServe })
	both("from decided to all serve, s", "room", func(x load.Burst) time.Duration {
		if x.AllServe < 0 {
			return -1
		}
		return x.AllServe - x.Decided
	})
	t.row("added pods", fmt.Sprint(r.With.Added), fmt.Sprint(r.Without.Added))
	t.print(b.Out)

	t = newTable("what readers met", "", "requests", "failed", "p50 ms", "p99 ms")
	phase := func(name, key string, p load.Phase) {
		if p.Requests == 0 {
			t.row(name, "0", "", "", "")
			return
		}
		t.row(name, fmt.Sprint(p.Requests), fmt.Sprint(p.Failed), milliseconds(p.P50), milliseconds(p.P99))
		b.figure(key+"-p50", p.P50.Seconds(), "s", fmt.Sprintf("at most %s s", seconds(p50Target.Seconds())))
		b.figure(key+"-p99", p.P99.Seconds(), "s", fmt.Sprintf("at most %s s", seconds(p99Target.Seconds())))
	}
	for _, c := range []struct {
		how   string
		burst load.Burst
	}{{"with", r.With}, {"without", r.Without}} {
		phase(c.how+" placeholders, before the step", "burst-"+c.how+"-headroom-before", c.burst.Before)
		phase(c.how+" placeholders, until all serve", "burst-"+c.how+"-headroom-during", c.burst.During)
		phase(c.how+" placeholders, from then on", "burst-"+c.how+"-headroom-after", c.burst.After)
	}
	phase(fmt.Sprintf("rolling update at %s a second", rate(r.After/2)), "rollout", r.Rollout)
	t.print(b.Out)
	b.figure("rollout-took", r.RolloutTook.Seconds(), "s", "")
	b.figure("load-failed", float64(r.Failed()), "", "0")
	fmt.Fprintf(b.Out, "\nthe rolling update took %s s; %d requests failed in all\n", seconds(r.RolloutTook.Seconds()), r.Failed())
	for _, p := range []load.Phase{r.With.Before, r.With.During, r.With.After, r.Without.Before, r.Without.During, r.Without.After, r.Rollout} {
		for _, failure := range p.Failures {
			fmt.Fprintf(b.Out, "  %s\n", failure)
		}
	}
}

func rate(perSecond float64) string { return fmt.Sprintf("%g", perSecond) }

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.0f", float64(d)/float64(time.Millisecond))
}

// kubectl runs kubectl as bin/env sets it up.
func (b *Bench) kubectl(ctx context.Context, stdin string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, b.Workspace.Bin("kubectl"), args...)
	command.Env = b.Workspace.Environ(b.Workspace.LocalEnv())
	command.Stdin = strings.NewReader(stdin)
	var said strings.Builder
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		return out, fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return out, nil
}

func (b *Bench) stream(ctx context.Context, out io.Writer, args ...string) error {
	command := exec.CommandContext(ctx, b.Workspace.Bin("kubectl"), args...)
	command.Env = b.Workspace.Environ(b.Workspace.LocalEnv())
	command.Stdout = out
	return command.Run()
}
