// Package comparison brings the same hosts up with this program and with Ansible, in turns, and takes the time. The one thing a reader would get wrong: a time
// counts only where both did the same. After each first run and after each addition every host is asked what it is like (inspect.sh), and where the two tools left
// different hosts there is an error in the place of a figure.
package comparison

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"havre/infra/bench/ansible"
	"havre/infra/bench/bootstrap"
	"havre/infra/sandbox/bringup"
	"havre/infra/workspace"
)

// Options say what is compared.
type Options struct {
	Workspace workspace.Workspace
	// Program is the Pulumi program, which calls bootstrap.Deploy; Env is what tells it so.
	Program string
	Env     map[string]string
	// Runs is how often the whole is done, each time on hosts installed anew; the median counts. Who is first alternates.
	Runs int
	// CPU is the processor time, in seconds, of all children of this process that have ended.
	CPU func() float64
	// Progress is told what is being measured.
	Progress func(string)
}

// Stage is one thing that is measured.
type Stage int

// The stages, in the order in which they happen.
const (
	// First is from hosts as they are delivered to a mesh of them all.
	First Stage = iota
	// Unchanged is the same again at once: nothing is to be done.
	Unchanged
	// Again makes this program run every command on every host once more, which changes nothing. Ansible does that in every run.
	Again
	// Added is the run with one more host.
	Added
)

// Tools, by the names that Report has them under.
const (
	Havre   = "havre"
	Ansible = "ansible"
)

// Sample is one run: seconds of the clock, and of the processor where the tool runs, without what the hosts did.
type Sample struct{ Seconds, CPU float64 }

// Report is what was measured.
type Report struct {
	// Hosts is how many there are before the one that is added.
	Hosts int
	// Beside says that the sandbox was up on the same machine.
	Beside  bool
	Samples map[string]map[Stage][]Sample
}

// tool is one of the two.
type tool interface {
	// prepare is told of the hosts, and of one more after the addition.
	prepare(fleet bootstrap.Fleet) error
	// apply brings the hosts to the description. unchanged says that nothing is to be done; an error says that something was.
	apply(ctx context.Context, unchanged bool) error
}

// Run compares. Root is needed, and ansible.Package.
func Run(ctx context.Context, o Options) (report Report, err error) {
	report.Samples = map[string]map[Stage][]Sample{Havre: {}, Ansible: {}}
	plan, err := bootstrap.Plan(true)
	if err != nil {
		return report, err
	}
	report.Hosts = len(plan.Nodes) - 1
	tools, err := bringup.BuildTools(ctx, o.Workspace, []string{"wireguard-go"}, o.Progress)
	if err != nil {
		return report, err
	}
	folder := o.Workspace.Path("build", "bench", "comparison")
	if err := os.RemoveAll(folder); err != nil {
		return report, fmt.Errorf("comparison: %w", err)
	}
	m, err := open(ctx, o, folder, tools["wireguard-go"])
	if err != nil {
		return report, fmt.Errorf("comparison: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, m.close(ctx))
	}()
	report.Beside = m.beside
	for run := range o.Runs {
		order := []string{Havre, Ansible}
		if run%2 == 1 {
			slices.Reverse(order)
		}
		var left [2]map[Stage]looks
		for i, name := range order {
			o.Progress(fmt.Sprintf("bootstrap by %s: run %d of %d, hosts anew", name, run+1, o.Runs))
			if left[i], err = m.measure(ctx, o, name, plan.Nodes, report.Samples[name]); err != nil {
				return report, fmt.Errorf("comparison: %s: %w", name, err)
			}
		}
		for _, stage := range []Stage{First, Added} {
			if err := left[0][stage].same(left[1][stage], order[0], order[1]); err != nil {
				return report, err
			}
		}
	}
	return report, nil
}

// measure goes through all stages with one tool, on hosts installed anew, and gives what was left on them.
func (m *machines) measure(ctx context.Context, o Options, name string, nodes []node, samples map[Stage][]Sample) (map[Stage]looks, error) {
	fleet, err := m.install(ctx, nodes)
	if err != nil {
		return nil, err
	}
	var t tool
	if name == Havre {
		t, err = newPulumi(ctx, o, m)
	} else {
		t, err = newAnsible(m)
	}
	if err != nil {
		return nil, err
	}
	left := map[Stage]looks{}
	for _, stage := range []Stage{First, Unchanged, Again, Added} {
		switch stage {
		case Again:
			if name == Ansible {
				continue
			}
			fleet.Again = 1
		case Added:
			fleet.Added = true
		}
		if err := t.prepare(fleet); err != nil {
			return nil, err
		}
		start, used := time.Now(), o.CPU()
		if err := t.apply(ctx, stage == Unchanged); err != nil {
			return nil, err
		}
		sample := Sample{Seconds: time.Since(start).Seconds(), CPU: o.CPU() - used}
		samples[stage] = append(samples[stage], sample)
		o.Progress(fmt.Sprintf("bootstrap by %s: %s took %.1f s", name, stage, sample.Seconds))
		if stage == First || stage == Added {
			if left[stage], err = m.look(ctx, fleet); err != nil {
				return nil, err
			}
		}
	}
	return left, nil
}

// String is the stage in a word or two.
func (s Stage) String() string {
	return [...]string{"first run", "unchanged run", "unchanged run over all hosts", "one host added"}[s]
}

// Missing says why nothing can be compared on this machine, in a line; "" where it can. It installs Ansible where root may.
func Missing(ctx context.Context, user int, install func(ctx context.Context, packages []string) error) string {
	if user != 0 {
		return "hosts need root; run make bench as root"
	}
	_, err := ansible.Version(ctx)
	if err == nil {
		return ""
	}
	installed := install(ctx, []string{ansible.Package})
	if installed == nil {
		_, installed = ansible.Version(ctx)
	}
	if installed != nil {
		return fmt.Sprintf("Ansible is missing (%v) and could not be installed; apt-get install %s, then make bench again", installed, ansible.Package)
	}
	return ""
}
