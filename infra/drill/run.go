package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"havre/infra/sandbox/bringup"
	"havre/infra/workspace"
)

const (
	// before and after are how long readers ask with nothing broken, at both ends of a drill.
	before = 8 * time.Second
	after  = 5 * time.Second
	// wholePatience bounds the wait for the platform to be whole. Pods of a lost node come back elsewhere after five minutes, so it is more than that.
	wholePatience = 12 * time.Minute
)

// Runner runs drills on the sandbox of a checkout.
type Runner struct {
	Workspace workspace.Workspace
	// Out is where protocol and table go.
	Out io.Writer
}

// Run runs drills one after the other, each on a whole platform, writes a record of each and the figures of all to build/drills.json, and prints the table. The error says
// how many did not pass; a drill that could not put the sandbox back ends the run, because the next one would begin with a broken platform.
func (r *Runner) Run(ctx context.Context, drills []Drill) error {
	s, err := openSandbox(ctx, r.Workspace)
	if err != nil {
		return err
	}
	defer favourReaders()()
	var figures []Figure
	var failed []string
	var broken error
	for i, d := range drills {
		fmt.Fprintf(r.Out, "[%d/%d] %s: %s\n      must hold: %s\n", i+1, len(drills), d.Name, d.What, d.Bound)
		record, undone := r.one(ctx, s, d)
		path, err := record.save(r.Workspace.Path("build", "drills"))
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(r.Workspace.Root, path)
		if err != nil {
			relative = path
		}
		figures = append(figures, record.figure(relative))
		verdict := "passed"
		if !record.Passed {
			verdict = "failed: " + strings.Join(record.Why, "; ")
			failed = append(failed, d.Name)
		}
		for _, f := range record.Readers.Failures {
			fmt.Fprintf(r.Out, "      %5d × %s (%.1f to %.1f s)\n", f.Count, f.Got, float64(f.First), float64(f.Last))
		}
		fmt.Fprintf(r.Out, "      %s\n", record.Machine)
		fmt.Fprintf(r.Out, "      %d requests, %d failed, longest gap %.1f s; served again after %.1f s, whole after %.1f s: %s\n      %s\n\n",
			record.Readers.Requests, record.Readers.Failed, float64(record.Readers.LongestGap), float64(record.ServiceBack), float64(record.Recovery), verdict, relative)
		if undone != nil {
			broken = fmt.Errorf("drill %s: the sandbox was not put back: %w; make down and make up begin anew", d.Name, undone)
			break
		}
		if ctx.Err() != nil {
			break
		}
	}
	if err := writeJSON(r.Workspace.Path("build", "drills.json"), figures); err != nil {
		return err
	}
	if err := table(r.Out, figures); err != nil {
		return err
	}
	if len(failed) > 0 {
		broken = errors.Join(fmt.Errorf("drills that did not pass: %s", strings.Join(failed, ", ")), broken)
	}
	return errors.Join(broken, ctx.Err())
}

// Run is one drill under way.
type Run struct {
	*sandbox

	out     io.Writer
	began   time.Time
	readers *readers

	mu     sync.Mutex
	steps  []Step
	fault  time.Time
	whole  time.Time
	wanted []string
}

// step notes and shows what the drill does or sees.
func (r *Run) step(format string, args ...any) {
	at := time.Since(r.began)
	text := fmt.Sprintf(format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, Step{After: Seconds(at.Seconds()), Did: text})
	fmt.Fprintf(r.out, "      %6.1f s  %s\n", at.Seconds(), text)
}

// broke notes the moment of the fault; the times of a drill count from it.
func (r *Run) broke() { r.fault = time.Now() }

// recover waits until the platform is whole: every wanted node ready, every workload with all its pods, every member of etcd healthy, and readers served.
func (r *Run) recover(ctx context.Context) error {
	err := until(ctx, wholePatience, "the platform is whole", func(ctx context.Context) string {
		missing, err := r.api.missing(ctx, r.wanted)
		switch {
		case err != nil:
			return err.Error()
		case len(missing) > 0:
			return strings.Join(missing, ", ")
		case !r.readers.served(2 * time.Second):
			return "readers are not served"
		}
		return r.etcdMissing(ctx)
	})
	r.whole = time.Now()
	if err == nil {
		r.step("whole: nodes, workloads, etcd, readers")
	}
	return err
}

// etcdMissing says what keeps etcd from being whole; its members must be the control-plane nodes among those wanted, and no others.
func (r *Run) etcdMissing(ctx context.Context) string {
	var wanted []string
	for _, name := range r.wanted {
		if strings.Contains(name, "-control-") {
			wanted = append(wanted, name)
		}
	}
	members, err := r.etcdMembers(ctx, wanted[len(wanted)-1])
	if err != nil {
		return err.Error()
	}
	slices.Sort(members)
	slices.Sort(wanted)
	if !slices.Equal(members, wanted) {
		return fmt.Sprintf("etcd has the members %v, wanted %v", members, wanted)
	}
	if _, err := r.on(ctx, wanted[0], etcdctl+"endpoint health --cluster"); err != nil {
		return err.Error()
	}
	return ""
}

// watch lets readers ask for a while.
func (r *Run) watch(ctx context.Context, length time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(length):
		return nil
	}
}

// one runs one drill and judges it. undone is not nil where the sandbox could not be put back.
func (r *Runner) one(ctx context.Context, s *sandbox, d Drill) (record Record, undone error) {
	run := &Run{sandbox: s, out: r.Out, began: time.Now(), wanted: s.members()}
	record = Record{Drill: d.Name, What: d.What, Began: run.began.UTC(), Bound: d.Bound.String(), Where: s.where(ctx)}
	ask, err := newReaders(s.edge)
	if err != nil {
		record.Why = []string{err.Error()}
		return record, nil
	}
	run.readers = ask
	if err := s.weigh(workerShares, s.members()...); err != nil {
		record.Why = []string{err.Error()}
		return record, nil
	}
	defer func() {
		// A host that is gone for good has no shares to give back.
		_ = s.weigh(1, s.members()...)
	}()
	write := &writer{api: s.api}
	asking, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { ask.ask(asking) })
	group.Go(func() { write.run(asking) })
	began := readTicks()
	err = run.do(ctx, d)
	end := time.Now()
	record.Machine = began.until(readTicks())
	stop()
	group.Wait()

	var back time.Duration
	record.Readers, back = summary(ask.shots, run.began, run.fault, end)
	record.ServiceBack = Seconds(back.Seconds())
	record.API = write.summary(run.began, end)
	if !run.fault.IsZero() && run.whole.After(run.fault) {
		record.Recovery = Seconds(run.whole.Sub(run.fault).Seconds())
	}
	if err != nil {
		record.Why = append(record.Why, err.Error())
	}
	record.Why = append(record.Why, d.Bound.broken(record)...)
	record.Passed = len(record.Why) == 0
	if d.Undo != nil {
		// Also after Ctrl-C.
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Minute)
		defer cancel()
		run.step("putting the sandbox back")
		if undone = d.Undo(back, run); undone == nil {
			run.step("put back")
		}
	}
	record.Steps, record.Ended = run.steps, time.Now().UTC()
	if err := s.api.do(context.WithoutCancel(ctx), http.MethodDelete, lease, "application/json", nil, nil); err != nil {
		fmt.Fprintf(r.Out, "      the lease of the drill stays: %v\n", err)
	}
	return record, undone
}

// do lets readers ask before, during and after the fault.
func (r *Run) do(ctx context.Context, d Drill) error {
	// The first requests open what stays open between edge and renderers.
	if err := r.watch(ctx, before); err != nil {
		return err
	}
	if err := until(ctx, time.Minute, "readers are served before anything is broken", func(ctx context.Context) string {
		missing, err := r.api.missing(ctx, r.wanted)
		switch {
		case err != nil:
			return err.Error()
		case len(missing) > 0:
			return strings.Join(missing, ", ")
		case !r.readers.served(2 * time.Second):
			return "they are not"
		}
		return ""
	}); err != nil {
		return err
	}
	if err := d.Do(ctx, r); err != nil {
		return err
	}
	return r.watch(ctx, after)
}

// where names what is drilled.
func (s *sandbox) where(ctx context.Context) Where {
	w := Where{Stack: s.plan.Stack.Name, Kubernetes: "v" + s.plan.Stack.Cluster.KubernetesVersion}
	command := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
	command.Dir = s.ws.Root
	// A checkout without git has no commit to name.
	if out, err := command.Output(); err == nil {
		w.Commit = strings.TrimSpace(string(out))
	}
	return w
}

// quietly shows of Pulumi's lines those that say what went wrong. A pod that a disruption budget holds for a moment has not.
func (r *Run) quietly(line string) {
	if (strings.Contains(line, "error") || strings.Contains(line, "warning")) && !strings.Contains(line, "will retry after") {
		fmt.Fprintf(r.out, "               %s\n", strings.TrimSpace(line))
	}
}

// up brings the platform to a changed description.
func (r *Run) up(ctx context.Context, what string, wanted change) error {
	r.step("%s: pulumi up", what)
	if err := r.describe(ctx, wanted, r.quietly); err != nil {
		return err
	}
	r.step("pulumi up has ended")
	return nil
}

// restore brings the platform to the checkout's own description.
func (r *Run) restore(ctx context.Context) error {
	p := bringup.Pulumi{Workspace: r.ws, Env: r.ws.LocalEnv(), Report: r.quietly}
	return p.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview", "--suppress-outputs")
}
