package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"havre/infra/bench/events"
	"havre/infra/bench/fakehost"
	"havre/infra/bench/fleet"
	"havre/infra/bench/project"
	"havre/infra/tools"
)

// What the program is to deploy; see infra/cmd/benchprogram.
const (
	Platform = "platform"
	Hosts    = "hosts"
	Floor    = "floor"
	// Bootstrap is hosts up to their mesh, on real hosts; see package bootstrap.
	Bootstrap = "bootstrap"
	// Kind is a floor of the same kind.
	Kind = "kind"
)

// The variables that tell the program.
const (
	WhatVariable       = "HAVRE_BENCH_WHAT"
	HostsVariable      = "HAVRE_BENCH_HOSTS"
	ComponentsVariable = "HAVRE_BENCH_COMPONENTS"
	ResourcesVariable  = "HAVRE_BENCH_RESOURCES"
	// RemotesVariable is how many of the resources are commands over SSH, and AddressVariable and HostKeyVariable say on which host.
	RemotesVariable = "HAVRE_BENCH_REMOTES"
	AddressVariable = "HAVRE_BENCH_ADDRESS"
	HostKeyVariable = "HAVRE_BENCH_HOST_KEY"
	// ProfileVariable names the file for the program's own CPU profile; none when empty.
	ProfileVariable = "HAVRE_BENCH_PROFILE"
)

// ratioTarget is how much more than the floor a preview may take, and a state may be.
const ratioTarget = 1.5

// kind is one thing that is measured at every size.
type kind struct {
	// name of the figure, title of the table.
	name, title string
	// what the program deploys beside the floor.
	what string
	// up deploys first; then the state is measured, and a preview of the same again.
	up bool
}

var kinds = []kind{
	{name: "first-preview", title: "first preview of the whole platform, on an empty state", what: Platform},
	{name: "second-preview", title: "preview that changes nothing, of hosts, mesh and cluster, on a full state", what: Hosts, up: true},
}

// growth measures previews and states at all sizes.
func (b *Bench) growth(ctx context.Context) error {
	program, err := b.program(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, k := range kinds {
		if err := b.grow(ctx, k, program); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", k.title, err))
		}
	}
	return errors.Join(errs...)
}

// program builds what Pulumi runs.
func (b *Bench) program(ctx context.Context) (string, error) {
	path := b.Workspace.Path("build", "bench", "program")
	b.Progress("building the program")
	return path, tools.BuildOwn(ctx, b.Workspace.Root, "./infra/cmd/benchprogram", path)
}

// grow measures one kind at all sizes.
func (b *Bench) grow(ctx context.Context, k kind, program string) error {
	times := newTable(fmt.Sprintf("%s; seconds, median of %d", k.title, b.Options.Runs), "hosts", "components", "resources", "platform", "floor", "ratio", "wanted", "CPU", "floor's", "ratio")
	states := newTable("state of hosts, mesh and cluster; growth is bytes a host, beside those of the size before", "hosts", "components", "resources", "over SSH", "platform",
		"trivial", "ratio", "of the same kind", "ratio", "wanted", "bytes a host", "growth")
	var before float64
	for _, hosts := range b.Options.Sizes {
		m, err := b.measure(ctx, k, program, hosts)
		if err != nil {
			return err
		}
		count := []string{strconv.Itoa(hosts), strconv.Itoa(m.components), strconv.Itoa(m.resources)}
		times.row(append(count, seconds(m.platform), seconds(m.floor), ratio(m.platform, m.floor), "≤ "+seconds(ratioTarget),
			seconds(m.platformCPU), seconds(m.floorCPU), ratio(m.platformCPU, m.floorCPU))...)
		suffix := fmt.Sprintf("-%d", hosts)
		b.figure(k.name+suffix, m.platform, "s", k.name+suffix+"-floor")
		b.figure(k.name+suffix+"-floor", m.floor, "s", "")
		b.figure(k.name+suffix+"-ratio", m.platform/m.floor, "", fmt.Sprintf("at most %.1f", ratioTarget))
		b.figure(k.name+suffix+"-cpu", m.platformCPU, "s", k.name+suffix+"-cpu-floor")
		b.figure(k.name+suffix+"-cpu-floor", m.floorCPU, "s", "")
		if k.up {
			size, aHost := float64(m.state), float64(m.state)/float64(hosts)
			states.row(append(count, strconv.Itoa(m.remotes), bytes(m.state), bytes(m.floorState), ratio(size, float64(m.floorState)), bytes(m.kindState),
				ratio(size, float64(m.kindState)), "≤ "+seconds(ratioTarget), bytes(int64(aHost)), ratio(aHost, before))...)
			b.figure("state"+suffix, size, "byte", "state"+suffix+"-kind")
			b.figure("state"+suffix+"-floor", float64(m.floorState), "byte", "")
			b.figure("state"+suffix+"-kind", float64(m.kindState), "byte", "")
			b.figure("state"+suffix+"-ratio-floor", size/float64(m.floorState), "", "")
			b.figure("state"+suffix+"-ratio-kind", size/float64(m.kindState), "", fmt.Sprintf("at most %.1f", ratioTarget))
			b.figure("state"+suffix+"-a-host", aHost, "byte", "the same at every size, where growth is linear")
			before = aHost
		}
	}
	times.print(b.Out)
	if k.up {
		states.print(b.Out)
	}
	return nil
}

// measured is one size.
type measured struct {
	components, resources int
	// remotes are those of the resources that are done over SSH.
	remotes         int
	platform, floor float64
	// CPU is processor time of engine, program and plugins, in seconds: what a busy machine does not change.
	platformCPU, floorCPU        float64
	state, floorState, kindState int64
}

func (b *Bench) measure(ctx context.Context, k kind, program string, hosts int) (m measured, err error) {
	folder := b.Workspace.Path("build", "bench", fmt.Sprintf("%s-%d", k.name, hosts))
	options := project.Options{Stack: fleet.Name, Program: program, BudgetEuros: fleet.Budget}
	if k.up {
		options.Machines = &fakehost.Machines{Port: 22}
	}
	p, err := project.New(ctx, b.Workspace, filepath.Join(folder, "platform"), options)
	if err != nil {
		return m, err
	}
	defer p.Close()
	p.Env[WhatVariable], p.Env[HostsVariable] = k.what, strconv.Itoa(hosts)
	b.Progress(fmt.Sprintf("%d hosts: counting", hosts))
	// The first run counts and warms: what it leaves in the machine's caches, all runs after it have.
	log := filepath.Join(folder, "preview.events")
	if err := p.Run(ctx, "preview", "--event-log", log); err != nil {
		return m, err
	}
	counted, err := events.Load(log)
	if err != nil {
		return m, err
	}
	m.components, m.resources = counted.Count()
	m.remotes = counted.CountOf("command:remote:")
	floor, err := project.New(ctx, b.Workspace, filepath.Join(folder, "floor"), project.Options{Stack: fleet.Name, Program: program, BudgetEuros: fleet.Budget})
	if err != nil {
		return m, err
	}
	defer floor.Close()
	floor.Env[WhatVariable], floor.Env[ComponentsVariable], floor.Env[ResourcesVariable] = Floor, strconv.Itoa(m.components), strconv.Itoa(m.resources)
	if err := floor.Run(ctx, "preview"); err != nil {
		return m, err
	}
	flags := []string{"preview"}
	if k.up {
		flags = append(flags, "--expect-no-changes")
		kin, err := b.kind(ctx, filepath.Join(folder, "kind"), program, m)
		if err != nil {
			return m, err
		}
		defer kin.Close()
		for _, each := range []struct {
			p    *project.Project
			size *int64
		}{{p, &m.state}, {floor, &m.floorState}, {kin, &m.kindState}} {
			b.Progress(fmt.Sprintf("%d hosts: pulumi up (%s)", hosts, each.p.Env[WhatVariable]))
			// What an update writes in between is not measured here, and would take most of its time.
			if err := each.p.Run(ctx, "up", "--yes", "--skip-preview"); err != nil {
				return m, err
			}
			if *each.size, err = stateSize(each.p); err != nil {
				return m, err
			}
		}
	}
	var platformTimes, floorTimes, platformCPU, floorCPU []float64
	for i := range b.Options.Runs {
		b.Progress(fmt.Sprintf("%d hosts: preview %d of %d", hosts, i+1, b.Options.Runs))
		for _, each := range []struct {
			p          *project.Project
			times, cpu *[]float64
		}{{p, &platformTimes, &platformCPU}, {floor, &floorTimes, &floorCPU}} {
			start, used := time.Now(), childrenCPU()
			if err := each.p.Run(ctx, flags...); err != nil {
				return m, err
			}
			*each.times = append(*each.times, time.Since(start).Seconds())
			*each.cpu = append(*each.cpu, childrenCPU()-used)
		}
	}
	if b.Options.Profiles != "" {
		for _, each := range []*project.Project{p, floor} {
			if err := b.profile(ctx, each, fmt.Sprintf("%s-%d-%s", k.name, hosts, each.Env[WhatVariable]), flags); err != nil {
				return m, err
			}
		}
	}
	m.platform, m.floor = median(platformTimes), median(floorTimes)
	m.platformCPU, m.floorCPU = median(platformCPU), median(floorCPU)
	return m, nil
}

// kind is the project of the floor of the same kind, with the one host that its commands run on.
func (b *Bench) kind(ctx context.Context, folder, program string, m measured) (*project.Project, error) {
	p, err := project.New(ctx, b.Workspace, folder, project.Options{Stack: fleet.Name, Program: program, BudgetEuros: fleet.Budget})
	if err != nil {
		return nil, err
	}
	address, hostKey, err := p.Host(ctx)
	if err != nil {
		p.Close()
		return nil, err
	}
	for variable, value := range map[string]string{
		WhatVariable: Kind, ComponentsVariable: strconv.Itoa(m.components), ResourcesVariable: strconv.Itoa(m.resources), RemotesVariable: strconv.Itoa(m.remotes),
		AddressVariable: address, HostKeyVariable: hostKey,
	} {
		p.Env[variable] = value
	}
	return p, nil
}

// stateSize is the size of the file that holds the state.
func stateSize(p *project.Project) (int64, error) {
	info, err := os.Stat(p.StateFile)
	if err != nil {
		return 0, fmt.Errorf("state: %w", err)
	}
	return info.Size(), nil
}

// profile runs once more and keeps CPU profiles of the engine and of the program.
func (b *Bench) profile(ctx context.Context, p *project.Project, name string, flags []string) error {
	folder, err := filepath.Abs(b.Options.Profiles)
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	b.Progress("profile " + name)
	p.Env[ProfileVariable] = filepath.Join(folder, name+".program.cpu")
	defer delete(p.Env, ProfileVariable)
	return p.Run(ctx, append(flags, "--profiling", filepath.Join(folder, name))...)
}
