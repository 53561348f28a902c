// Package audit has the hosts of a stack checked by tools of the field: all of them by Lynis, and those of the cluster by kube-bench with the CIS Kubernetes Benchmark.
// It holds each finding against a list of those that are known, with the reason. The one thing a reader would get wrong: a check that needs a person's judgement (WARN)
// is counted and shown, and never fails the audit; one that fails (FAIL) does, unless its reason is in the list, and so does a reason for what holds everywhere.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Benchmark is the edition of the CIS Kubernetes Benchmark that the pinned kube-bench has for the newest versions of Kubernetes.
const Benchmark = "cis-1.10"

// Host is where checks run.
type Host interface {
	// Feed runs a command of the administrator with a standard input and gives its standard output.
	Feed(ctx context.Context, command string, input io.Reader) (string, error)
}

// Subject is one host and what there is to check on it.
type Subject struct {
	Name string
	// Cluster says that the host is a node, ControlPlane that it has an API server and a member of etcd as well.
	Cluster, ControlPlane bool
	Host                  Host
}

// Status is how a check ended.
type Status string

// The ways in which a check ends: it holds, it does not, a person must look.
const (
	Pass Status = "PASS"
	Fail Status = "FAIL"
	Warn Status = "WARN"
	Info Status = "INFO"
)

// Finding is one check and how it ended on each host.
type Finding struct {
	// ID is the benchmark's number of it, such as 1.2.15, or Lynis' name, such as SSH-7408, with the setting where it has several.
	ID string `json:"id"`
	// Text says what must hold, Remedy how to mend it, in the tool's words.
	Text   string `json:"text"`
	Remedy string `json:"remedy"`
	// Hosts are the statuses by the host's name.
	Hosts map[string]Status `json:"hosts"`
}

// Failed are the hosts on which the check failed, sorted.
func (f Finding) Failed() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for name, status := range f.Hosts {
			if status == Fail && !yield(name) {
				return
			}
		}
	})
}

// any says whether it ended so on some host.
func (f Finding) any(status Status) bool {
	return slices.Contains(slices.Collect(maps.Values(f.Hosts)), status)
}

// targets are the parts of the benchmark that speak of a host.
func (s Subject) targets() string {
	if s.ControlPlane {
		return "master,etcd,controlplane,node"
	}
	return "node"
}

// command unpacks what it is fed, runs the checks and leaves nothing behind.
func (s Subject) command() string {
	return `set -eu; d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; tar -xzf - -C "$d"; cd "$d"; ` +
		`sudo -n ./kube-bench run --config-dir cfg --config cfg/config.yaml --benchmark ` + Benchmark + ` --targets ` + s.targets() + ` --json`
}

// Run has every host checked, two at a time. bundle gives kube-bench and the benchmark as an archive that tar reads, anew for each host.
func Run(ctx context.Context, subjects []Subject, bundle func() (io.Reader, error), report func(string)) ([]Finding, error) {
	found := make([][]Finding, len(subjects))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for i, s := range subjects {
		group.Go(func() error {
			var err error
			if found[i], err = s.check(ctx, bundle); err != nil {
				return fmt.Errorf("audit: host %s: %w", s.Name, err)
			}
			report(fmt.Sprintf("%s: %d checks", s.Name, len(found[i])))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return merge(found), nil
}

// check runs the tools that speak of the host.
func (s Subject) check(ctx context.Context, bundle func() (io.Reader, error)) ([]Finding, error) {
	out, err := s.Host.Feed(ctx, lynisCommand, strings.NewReader(""))
	if err != nil {
		return nil, err
	}
	all, err := ParseLynis(s.Name, out)
	if err != nil || !s.Cluster {
		return all, err
	}
	archive, err := bundle()
	if err != nil {
		return nil, err
	}
	if out, err = s.Host.Feed(ctx, s.command(), archive); err != nil {
		return nil, err
	}
	benchmark, err := Parse(s.Name, []byte(out))
	return append(benchmark, all...), err
}

// Parse reads what kube-bench prints of one host.
func Parse(host string, text []byte) ([]Finding, error) {
	var printed struct {
		Controls []struct {
			Tests []struct {
				Results []struct {
					Number      string `json:"test_number"`
					Text        string `json:"test_desc"`
					Remediation string `json:"remediation"`
					Status      Status `json:"status"`
				} `json:"results"`
			} `json:"tests"`
		}
	}
	if err := json.Unmarshal(text, &printed); err != nil {
		return nil, fmt.Errorf("what kube-bench printed is no JSON: %w: %.200q", err, text)
	}
	var all []Finding
	var errs []error
	for _, control := range printed.Controls {
		for _, test := range control.Tests {
			for _, r := range test.Results {
				if !slices.Contains([]Status{Pass, Fail, Warn, Info}, r.Status) {
					errs = append(errs, fmt.Errorf("check %s ended as %q, which is none of PASS, FAIL, WARN and INFO", r.Number, r.Status))
				}
				all = append(all, Finding{ID: r.Number, Text: r.Text, Remedy: strings.TrimSpace(r.Remediation), Hosts: map[string]Status{host: r.Status}})
			}
		}
	}
	if len(all) == 0 {
		errs = append(errs, errors.New("kube-bench checked nothing"))
	}
	return all, errors.Join(errs...)
}

// merge puts the findings of all hosts together, the benchmark's in the order of their numbers, then Lynis' by their names.
func merge(found [][]Finding) []Finding {
	byID := map[string]*Finding{}
	for _, list := range found {
		for _, f := range list {
			if byID[f.ID] == nil {
				f.Hosts = maps.Clone(f.Hosts)
				byID[f.ID] = &f
				continue
			}
			maps.Copy(byID[f.ID].Hosts, f.Hosts)
		}
	}
	var all []Finding
	for _, id := range slices.SortedFunc(maps.Keys(byID), numbers) {
		all = append(all, *byID[id])
	}
	return all
}

// numbers orders 1.2.9 before 1.2.10, and both before what begins with a letter.
func numbers(a, b string) int {
	if strings.Contains(a, "-") || strings.Contains(b, "-") {
		return strings.Compare(a, b)
	}
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		if x[i] == y[i] {
			continue
		}
		if len(x[i]) != len(y[i]) {
			return len(x[i]) - len(y[i])
		}
		return strings.Compare(x[i], y[i])
	}
	return len(x) - len(y)
}
