package main

import (
	"errors"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	var o outcome
	var shown strings.Builder
	text := "=== RUN   TestFaults\nfaults: cases=120 double=0 lost=1 overspent=0 diverged=2\n--- PASS: TestFaults (3.00s)\n    --- PASS: TestFaults/one (1.00s)\nPASS\n"
	if err := o.read(strings.NewReader(text), &shown); err != nil {
		t.Fatal(err)
	}
	if want := (figures{cases: 120, lost: 1, diverged: 2}); o.figures != want || !o.counted {
		t.Errorf("figures %v, want %v", o.figures, want)
	}
	if len(o.tests) != 1 || o.tests[0] != "PASS: TestFaults (3.00s)" {
		t.Errorf("tests %q", o.tests)
	}
	if strings.Contains(shown.String(), "cases=") || !strings.Contains(shown.String(), "  PASS\n") {
		t.Errorf("shown:\n%s", shown.String())
	}
}

func TestReport(t *testing.T) {
	good := outcome{name: "faults", figures: figures{cases: 2000}, counted: true, tests: []string{"PASS: TestFaults (3.00s)"}}
	kills := outcome{name: "kills", figures: figures{cases: 100}, counted: true}
	const wrong = "something was bought twice, lost, overpaid or left different, or nothing was tried; the cases are named above"
	for name, c := range map[string]struct {
		change func(*outcome)
		last   string
		err    string
	}{
		"well":       {func(*outcome) {}, "faults: cases=2100 double=0 lost=0 overspent=0 diverged=0", ""},
		"double":     {func(o *outcome) { o.double = 1 }, "faults: cases=2100 double=1 lost=0 overspent=0 diverged=0", wrong},
		"diverged":   {func(o *outcome) { o.diverged = 3 }, "faults: cases=2100 double=0 lost=0 overspent=0 diverged=3", wrong},
		"failed":     {func(o *outcome) { o.err = errors.New("exit status 1") }, "faults: cases=2100 double=0 lost=0 overspent=0 diverged=0", "kills: exit status 1; see its output above"},
		"no figures": {func(o *outcome) { o.counted, o.figures = false, figures{} }, "faults: cases=2000 double=0 lost=0 overspent=0 diverged=0", "kills: no line of figures; see its output above"},
	} {
		t.Run(name, func(t *testing.T) {
			k := kills
			c.change(&k)
			var out strings.Builder
			err := report([]outcome{good, k}, &out)
			if got := strings.Split(strings.TrimSpace(out.String()), "\n"); got[len(got)-1] != c.last {
				t.Errorf("last line %q, want %q", got[len(got)-1], c.last)
			}
			if err == nil && c.err != "" || err != nil && err.Error() != c.err {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

func TestPlan(t *testing.T) {
	all := plan(7, 100, 2, false)
	if got := strings.Join(all[0].args, " "); got != "test -count=1 -v -timeout 60m -run TestFaults|TestRandomKills ./infra/test/ovhmetal -args -faults.seed=7 -faults.all" {
		t.Error(got)
	}
	if got := strings.Join(plan(7, 100, 2, true)[1].args, " "); got != "test -count=1 -v -timeout 240m -tags faults -run TestKills|TestStateLost ./infra/test/pulumikills -args -seed=7 -kills=3 -workers=2" {
		t.Error(got)
	}
}
