package bench

import (
	"context"
	"fmt"
	"os"

	"havre/infra/bench/ansible"
	"havre/infra/bench/comparison"
	"havre/infra/sandbox/preflight"
)

// bootstrap holds the bring-up of hosts by this program against Ansible's.
func (b *Bench) bootstrap(ctx context.Context) error {
	if missing := comparison.Missing(ctx, os.Geteuid(), func(ctx context.Context, packages []string) error {
		return preflight.Install(ctx, packages, b.Progress)
	}); missing != "" {
		fmt.Fprintf(b.Out, "\nthis program against Ansible: not compared: %s\n", missing)
		return nil
	}
	version, err := ansible.Version(ctx)
	if err != nil {
		return err
	}
	program, err := b.program(ctx)
	if err != nil {
		return err
	}
	report, err := comparison.Run(ctx, comparison.Options{
		Workspace: b.Workspace, Program: program, Env: map[string]string{WhatVariable: Bootstrap}, Runs: b.Options.Runs, CPU: childrenCPU, Progress: b.Progress,
	})
	if err != nil {
		return err
	}
	b.compared(report, version)
	return nil
}

// compared prints the report.
func (b *Bench) compared(r comparison.Report, version string) {
	where := ""
	if r.Beside {
		where = ", beside the sandbox that is up"
	}
	t := newTable(fmt.Sprintf("%d hosts from delivery to their mesh, before Kubernetes, by this program and by Ansible (%s); seconds, median of %d, in turns on hosts installed anew%s",
		r.Hosts, version, len(r.Samples[comparison.Havre][comparison.First]), where), "", "havre", "Ansible", "ratio", "CPU", "Ansible's", "ratio")
	for _, row := range []struct {
		stage, against comparison.Stage
		name           string
	}{
		{comparison.First, comparison.First, "first-run"},
		{comparison.Unchanged, comparison.Unchanged, "unchanged-run"},
		{comparison.Again, comparison.Unchanged, "unchanged-run-over-all-hosts"},
		{comparison.Added, comparison.Added, "one-host-added"},
	} {
		own, ownCPU := medians(r.Samples[comparison.Havre][row.stage])
		other, otherCPU := medians(r.Samples[comparison.Ansible][row.against])
		t.row(row.stage.String(), seconds(own), seconds(other), ratio(own, other), seconds(ownCPU), seconds(otherCPU), ratio(ownCPU, otherCPU))
		name := "bootstrap-" + row.name
		b.figure(name, own, "s", name+"-ansible")
		b.figure(name+"-ansible", other, "s", "")
		b.figure(name+"-ratio", own/other, "", "less than 1 where this program is faster")
		b.figure(name+"-cpu", ownCPU, "s", name+"-cpu-ansible")
		b.figure(name+"-cpu-ansible", otherCPU, "s", "")
	}
	t.print(b.Out)
	fmt.Fprint(b.Out, `  both left the same on every host, after the first run and after the addition. An unchanged run of this program holds the description against its state and
  asks no host; the row below it makes it run every command on every host again, as Ansible does each time. CPU is the processor's time where the tool runs
`)
}

func medians(samples []comparison.Sample) (clock, cpu float64) {
	var clocks, cpus []float64
	for _, s := range samples {
		clocks, cpus = append(clocks, s.Seconds), append(cpus, s.CPU)
	}
	return median(clocks), median(cpus)
}
