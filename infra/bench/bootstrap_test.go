package bench

import (
	"strings"
	"testing"

	"havre/infra/bench/comparison"
	"havre/infra/workspace"
)

func TestCompared(t *testing.T) {
	samples := func(seconds ...float64) []comparison.Sample {
		var all []comparison.Sample
		for _, s := range seconds {
			all = append(all, comparison.Sample{Seconds: s, CPU: s / 4})
		}
		return all
	}
	out := &strings.Builder{}
	b := &Bench{Workspace: workspace.Workspace{Root: t.TempDir()}, Out: out}
	report := comparison.Report{Hosts: 6, Samples: map[string]map[comparison.Stage][]comparison.Sample{
		comparison.Havre: {
			comparison.First: samples(20, 10, 40), comparison.Unchanged: samples(2, 1, 1.5), comparison.Again: samples(9, 8, 8), comparison.Added: samples(12, 12, 12),
		},
		comparison.Ansible: {comparison.First: samples(80, 40, 41), comparison.Unchanged: samples(30, 32, 31), comparison.Added: samples(48, 44, 46)},
	}}
	b.compared(report, "ansible-playbook [core 2.14.18]")
	report.Beside = true
	b.compared(report, "ansible-playbook [core 2.14.18]")
	golden(t, "compared.txt", out.String())
	value := map[string]float64{}
	for _, f := range b.figures {
		value[f.Name] = f.Value
	}
	if value["bootstrap-first-run"] != 20 || value["bootstrap-first-run-ansible"] != 41 || value["bootstrap-unchanged-run-over-all-hosts-ansible"] != 31 || value["bootstrap-one-host-added-cpu"] != 3 {
		t.Errorf("%v", value)
	}
}
