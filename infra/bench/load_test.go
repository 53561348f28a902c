package bench

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"havre/infra/bench/load"
	"havre/infra/workspace"
)

// A burst whose added pods never came has no time for it, neither in the table nor in the figures.
func TestLoaded(t *testing.T) {
	phase := func(requests, failed int) load.Phase {
		return load.Phase{Requests: requests, Failed: failed, P50: 40 * time.Millisecond, P99: 220 * time.Millisecond}
	}
	out := &strings.Builder{}
	b := &Bench{Workspace: workspace.Workspace{Root: t.TempDir()}, Out: out, Options: Options{Load: true, LoadScale: 50}}
	failed := phase(80, 1)
	failed.Failures = []string{"503 Service Unavailable"}
	b.loaded(load.Report{
		Before: 1, After: 20,
		With: load.Burst{
			Before: phase(30, 0), During: phase(600, 0), After: phase(1400, 0), Added: 2,
			Decided: 20 * time.Second, FirstServes: 22 * time.Second, AllServe: 23500 * time.Millisecond,
		},
		Without: load.Burst{Before: phase(30, 0), During: phase(2000, 0), Added: 2, Decided: 21 * time.Second, FirstServes: -1, AllServe: -1},
		Rollout: failed, RolloutTook: 70 * time.Second,
	})
	if err := b.save(); err != nil {
		t.Fatal(err)
	}
	golden(t, "load.txt", strings.ReplaceAll(out.String(), b.Workspace.Root, "ROOT"))
	text, err := os.ReadFile(b.Workspace.Path("build", "load.json"))
	if err != nil {
		t.Fatal(err)
	}
	var figures []Figure
	if err := json.Unmarshal(text, &figures); err != nil {
		t.Fatal(err)
	}
	value := map[string]float64{}
	for _, f := range figures {
		value[f.Name] = f.Value
	}
	if value["burst-with-headroom-room"] != 3.5 || value["load-failed"] != 1 || value["rollout-p99"] != 0.22 {
		t.Errorf("%v", value)
	}
	if _, found := value["burst-without-headroom-all-serve"]; found {
		t.Error("there is a time for what did not come")
	}

	// The next make bench has them beside its own.
	out.Reset()
	next := &Bench{Workspace: b.Workspace, Out: out}
	next.figure("state-9", 1000, "byte", "state-9-floor")
	if err := next.lastLoad(); err != nil {
		t.Fatal(err)
	}
	if err := next.save(); err != nil {
		t.Fatal(err)
	}
	golden(t, "lastload.txt", strings.ReplaceAll(out.String(), b.Workspace.Root, "ROOT"))
	if text, err = os.ReadFile(b.Workspace.Path("build", "bench.json")); err != nil {
		t.Fatal(err)
	}
	var beside []Figure
	if err := json.Unmarshal(text, &beside); err != nil {
		t.Fatal(err)
	}
	if len(beside) != len(figures)+1 || !slices.Equal(beside[1:], figures) {
		t.Errorf("%d figures in bench.json, %d in load.json", len(beside), len(figures))
	}
	if err := os.WriteFile(b.loadFile(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := next.lastLoad(); err == nil || !strings.HasSuffix(err.Error(), "run make load again") {
		t.Errorf("error %v", err)
	}
}

func TestABenchWithoutALoadSaysSo(t *testing.T) {
	out := &strings.Builder{}
	b := &Bench{Workspace: workspace.Workspace{Root: t.TempDir()}, Out: out}
	if err := b.lastLoad(); err != nil {
		t.Fatal(err)
	}
	if want := "\nwhat readers meet in a burst: there is no record of one; make up first, and it is measured\n"; out.String() != want || len(b.figures) != 0 {
		t.Errorf("%q, %d figures", out.String(), len(b.figures))
	}
}
