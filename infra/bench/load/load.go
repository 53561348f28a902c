// Package load measures what readers meet in a burst and in a rolling update, on a running sandbox: it sends requests at a fixed rate through the edge and watches
// the renderer's pods meanwhile.
//
// What a reader would get wrong: the sandbox is two cores for six hosts, so the rates are a fraction of a real campaign's, the same for all of them, and stated in
// the report. The rates are open: requests leave on time whatever the answers take, so a slow service shows in its latencies and not in fewer requests. Each
// request is for another reader and is drawn, as in a campaign. And both bursts meet full nodes: batch work that takes half a minute to end has all the room that
// is not held. Without that, nothing would have to be held.
package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"havre/infra/replay"
	"havre/infra/sandbox/bringup"
	"havre/services/render"
)

// The rates of a real campaign, in requests a second.
const (
	campaignBefore = 50
	campaignAfter  = 1000
)

// Options of a run.
type Options struct {
	Edge bringup.Edge
	// Kubectl runs kubectl with the given standard input and gives what it prints; Stream writes what it prints to out until ctx ends.
	Kubectl func(ctx context.Context, stdin string, args ...string) ([]byte, error)
	Stream  func(ctx context.Context, out io.Writer, args ...string) error
	// Scale divides a real campaign's rates; 50 makes a step from 1 to 20 requests a second.
	Scale int
	// Quiet is how long the low rate lasts before the step, Burst how long the high one after it.
	Quiet, Burst time.Duration
	// Progress is told what is being done.
	Progress func(string)
}

// Phase is what readers met in a stretch of time, and shot one request.
type (
	Phase = replay.Phase
	shot  = replay.Shot
)

// phase sums the shots that left in [from, to).
func phase(shots []shot, from, to time.Time) Phase { return replay.Sum(shots, from, to) }

// Report is what was measured.
type Report struct {
	// Before and After are the rates of the step, in requests a second.
	Before, After float64
	// With and Without are the burst with placeholders and without.
	With, Without Burst
	// Rollout is a rolling update at half of the high rate; RolloutTook from its start to the last old pod's end.
	Rollout     Phase
	RolloutTook time.Duration
}

// Burst is one step of the rate.
type Burst struct {
	// Before is the low rate, During the high one until all added pods serve, After the high one from then on.
	Before, During, After Phase
	// Added counts the pods that came; Decided is when the first was made, FirstServes and AllServe when they were ready, all from the step. A negative time is
	// one that did not come.
	Added                          int
	Decided, FirstServes, AllServe time.Duration
}

// Failed counts the requests that got no picture.
func (r Report) Failed() int {
	failed := r.Rollout.Failed
	for _, b := range []Burst{r.With, r.Without} {
		failed += b.Before.Failed + b.During.Failed + b.After.Failed
	}
	return failed
}

// Run measures both bursts and the rolling update, and leaves the cluster as it was, but for restarted renderers. A failed request is a figure, not an error.
func Run(ctx context.Context, o Options) (report Report, err error) {
	if o.Scale < 1 {
		return Report{}, fmt.Errorf("scale %d: give 1 or more", o.Scale)
	}
	report.Before, report.After = campaignBefore/float64(o.Scale), campaignAfter/float64(o.Scale)
	c := &cluster{Options: o}
	if err := c.read(ctx); err != nil {
		return report, err
	}
	defer func() {
		// What was changed is put back even when the run was interrupted.
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
		defer cancel()
		err = errors.Join(err, c.clear(back), c.hold(back, c.placeholders), c.patience(back, c.behaviour),
			c.disown(back, "deployment", render.HeadroomApp), c.disown(back, "hpa", render.App))
	}()
	shooter, err := replay.NewShooter(o.Edge)
	if err != nil {
		return report, err
	}
	for _, step := range []struct {
		what string
		hold int
		into *Burst
	}{{"with placeholders", c.placeholders, &report.With}, {"without placeholders", 0, &report.Without}} {
		o.Progress("rest before the burst " + step.what)
		if err := c.rest(ctx); err != nil {
			return report, err
		}
		if err := errors.Join(c.hold(ctx, step.hold), c.fill(ctx)); err != nil {
			return report, err
		}
		o.Progress("burst " + step.what)
		if *step.into, err = c.burst(ctx, shooter, report.Before, report.After); err != nil {
			return report, err
		}
		if err := c.clear(ctx); err != nil {
			return report, err
		}
	}
	if err := c.hold(ctx, c.placeholders); err != nil {
		return report, err
	}
	o.Progress("rolling update under load")
	report.Rollout, report.RolloutTook, err = c.rollout(ctx, shooter, report.After/2)
	return report, err
}

// burst steps the rate and watches who comes.
func (c *cluster) burst(ctx context.Context, s *replay.Shooter, low, high float64) (Burst, error) {
	quiet, quietErr := replay.Steady(low, c.Quiet)
	busy, busyErr := replay.Steady(high, c.Burst)
	if err := errors.Join(quietErr, busyErr); err != nil {
		return Burst{}, err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	w := newWatch()
	ended := make(chan error, 1)
	go func() {
		ended <- c.Stream(watching, w, "get", "pods", "-n", namespace, "-l", rendererLabel, "--watch", "--output-watch-events", "-o", "json")
	}()
	shots := s.Shoot(ctx, quiet)
	if ctx.Err() != nil {
		return Burst{}, ctx.Err()
	}
	step := time.Now()
	shots = append(shots, s.Shoot(ctx, busy)...)
	stop()
	if err := <-ended; err != nil && watching.Err() == nil {
		return Burst{}, fmt.Errorf("watch the renderer's pods: %w", err)
	}
	if err := errors.Join(ctx.Err(), w.err()); err != nil {
		return Burst{}, err
	}
	return newBurst(shots, w.added(step), step), nil
}

// newBurst tells the shots apart by when they left.
func newBurst(shots []shot, added []arrival, step time.Time) Burst {
	b := Burst{Added: len(added), Decided: -1, FirstServes: -1, AllServe: -1}
	for n, a := range added {
		made, ready := a.made.Sub(step), a.ready.Sub(step)
		if n == 0 || made < b.Decided {
			b.Decided = made
		}
		if a.ready.IsZero() {
			continue
		}
		if b.FirstServes < 0 || ready < b.FirstServes {
			b.FirstServes = ready
		}
		b.AllServe = max(b.AllServe, ready)
	}
	for _, a := range added {
		if a.ready.IsZero() {
			b.AllServe = -1
		}
	}
	serving := step.Add(b.AllServe)
	if b.AllServe < 0 {
		serving = step.Add(24 * time.Hour)
	}
	b.Before = phase(shots, time.Time{}, step)
	b.During = phase(shots, step, serving)
	b.After = phase(shots, serving, step.Add(24*time.Hour))
	return b
}

// rollout replaces every pod of the renderer while requests come, and goes on for as long as the edge may still believe in old ones.
func (c *cluster) rollout(ctx context.Context, s *replay.Shooter, rate float64) (Phase, time.Duration, error) {
	if err := c.rest(ctx); err != nil {
		return Phase{}, 0, err
	}
	steady, err := replay.Steady(rate, time.Hour)
	if err != nil {
		return Phase{}, 0, err
	}
	shooting, stop := context.WithCancel(ctx)
	defer stop()
	shots := make(chan []shot, 1)
	go func() { shots <- s.Shoot(shooting, steady) }()
	start := time.Now()
	_, err = c.Kubectl(ctx, "", "rollout", "restart", "deployment/renderer", "-n", namespace)
	if err == nil {
		_, err = c.Kubectl(ctx, "", "rollout", "status", "deployment/renderer", "-n", namespace, "--timeout=5m")
	}
	if err == nil {
		err = c.until(ctx, "the old pods end", func(ctx context.Context) (bool, error) {
			n, err := c.count(ctx)
			return n.ending == 0, err
		})
	}
	took := time.Since(start)
	stop()
	fired := <-shots
	return phase(fired, time.Time{}, time.Now().Add(time.Hour)), took, err
}

// decode reads kubectl's JSON.
func decode(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("kubectl's answer: %w", err)
	}
	return nil
}
