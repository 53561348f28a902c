package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"havre/infra/bench/events"
	"havre/infra/sandbox/bringup"
	"havre/infra/step"
)

// The two figures that bring-up is held against, in seconds: what the platform promises, and what a script written by hand for three control-plane nodes and
// three workers took on a machine of two cores.
const (
	bringUpTarget = 150
	byHand        = 79
)

// previewTarget is what the first preview of production may take, in seconds.
const previewTarget = 10

// bringUp says where the time of the last `make up` went.
func (b *Bench) bringUp(context.Context) error {
	steps, err := step.Load(b.Workspace.Path("build", "local", "steps.json"))
	log, logErr := events.Load(b.Workspace.Path("build", "local", "up.events"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(logErr, fs.ErrNotExist) {
		fmt.Fprintln(b.Out, "\nwhere the time of make up goes: there is no record of one; run make up first")
		return nil
	}
	if err := errors.Join(err, logErr); err != nil {
		return err
	}
	b.steps(steps)
	b.resources(log)
	if info, err := os.Stat(b.Workspace.StateFile("local")); err == nil {
		b.figure("state-local", float64(info.Size()), "byte", "")
		fmt.Fprintf(b.Out, "\nthe state of stack local has %s\n", bytes(info.Size()))
	}
	if !log.Succeeded || !b.recordsFit() {
		fmt.Fprintln(b.Out, "\nfrom hosts to a served picture: the last pulumi up of make up did not end well, or still runs; run make down and make up")
		return nil
	}
	b.served(steps, log)
	return nil
}

// recordsFit says whether steps and events are of one run: the steps are written last.
func (b *Bench) recordsFit() bool {
	steps, err := os.Stat(b.Workspace.Path("build", "local", "steps.json"))
	log, logErr := os.Stat(b.Workspace.Path("build", "local", "up.events"))
	return err == nil && logErr == nil && !steps.ModTime().Before(log.ModTime())
}

// steps prints what make up itself counted.
func (b *Bench) steps(steps []step.Timing) {
	t := newTable("make up, step by step", "step", "seconds", "%")
	var total float64
	for _, s := range steps {
		total += s.Seconds
	}
	for _, s := range steps {
		t.row(s.Name, seconds(s.Seconds), percent(s.Seconds, total))
		b.figure("up-step-"+slug(s.Name), s.Seconds, "s", "")
	}
	t.row("all", seconds(total), "")
	b.figure("up", total, "s", "240 s with a warm cache, 2100 s with a cold one")
	t.print(b.Out)
}

// resources prints what the engine did, by role.
func (b *Bench) resources(log events.Log) {
	t := newTable("pulumi up, by role; the engine counts whole seconds", "role", "count", "first start", "longest", "total", "the longest was")
	for _, r := range log.Rows() {
		t.row(r.Role, fmt.Sprint(r.Count), "+"+whole(r.Start), whole(r.Longest), whole(r.Total), r.Which)
		role := slug(strings.TrimPrefix(r.Role, "…-"))
		b.figure("up-role-"+role+"-longest", r.Longest.Seconds(), "s", "")
		b.figure("up-role-"+role+"-total", r.Total.Seconds(), "s", "")
	}
	t.print(b.Out)
}

// served prints the time from hosts to a picture. The steps after the update are part of it: the last of them fetches the picture.
func (b *Bench) served(steps []step.Timing, log events.Log) {
	var after float64
	found := false
	for _, s := range steps {
		if found {
			after += s.Seconds
		}
		found = found || strings.HasPrefix(s.Name, "pulumi up")
	}
	delivered, anyDelivered := log.LastEnd("ovhmetal:index:Server", "ovhmetal:index:VPS")
	installed, anyInstalled := log.LastEnd("ovhmetal:index:Installation", "ovhmetal:index:VPSInstallation")
	if !anyDelivered || !anyInstalled {
		fmt.Fprintln(b.Out, "\nfrom hosts to a served picture: the last make up made no host; run make down and make up")
		return
	}
	t := newTable("from hosts to a served picture", "from", "seconds", "target", "by hand")
	for _, c := range []struct {
		name, from string
		at         time.Time
	}{
		{"bring-up-from-delivery", "the last server was delivered", delivered},
		{"bring-up-from-installation", "the last host was installed", installed},
	} {
		took := log.End.Sub(c.at).Seconds() + after
		t.row(c.from, seconds(took), seconds(bringUpTarget), seconds(byHand))
		b.figure(c.name, took, "s", fmt.Sprintf("at most %d s; a script written by hand for 3+3 nodes took %d s", bringUpTarget, byHand))
	}
	t.print(b.Out)
}

// production measures the first preview of stack prod as an engineer meets it, building of the program included.
func (b *Bench) production(ctx context.Context) error {
	if !b.Options.Production {
		return nil
	}
	var times []float64
	for range b.Options.Runs {
		b.Progress("first preview of production")
		var quiet strings.Builder
		steps := step.New(&quiet, 2)
		if err := bringup.Preview(ctx, b.Workspace, steps, "prod"); err != nil {
			return fmt.Errorf("preview of production: %w\n%s", err, quiet.String())
		}
		file := b.Workspace.Path("build", "bench-steps.json")
		if err := steps.Save(file); err != nil {
			return err
		}
		timings, err := step.Load(file)
		if err := errors.Join(err, os.Remove(file)); err != nil {
			return err
		}
		times = append(times, timings[len(timings)-1].Seconds)
	}
	took := median(times)
	b.figure("preview-production", took, "s", fmt.Sprintf("at most %d s", previewTarget))
	t := newTable(fmt.Sprintf("first preview of production, median of %d", len(times)), "", "seconds", "target")
	t.row("pulumi preview --stack prod", seconds(took), seconds(previewTarget))
	t.print(b.Out)
	return nil
}
