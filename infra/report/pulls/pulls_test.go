package pulls_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"havre/infra/report/change"
	"havre/infra/report/preview"
	"havre/infra/report/pulls"
	"havre/stacks"
)

var update = flag.Bool("update", false, "write the goldens anew")

// today is the day on which all of them were opened.
var today = time.Date(2026, time.November, 21, 0, 0, 0, 0, time.UTC)

// report tells a recording.
func report(t *testing.T, file string, plan *stacks.Plan) change.Report {
	t.Helper()
	recording, err := os.Open(filepath.Join("testdata", file))
	if err != nil {
		t.Fatalf("%v; record it with go run ./infra/cmd/recordpulls", err)
	}
	defer recording.Close()
	p, err := preview.Read(recording)
	if err != nil {
		t.Fatal(err)
	}
	r, err := change.Of(p, change.Options{Plan: plan, Growth: 0.04, Today: today})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// plan is what the pull request describes, or nil where that does not hold.
func plan(pull pulls.Pull) *stacks.Plan {
	_, after := pull.Worlds(pulls.World{Stack: stacks.Production()})
	made, err := after.Stack.Plan()
	if err != nil {
		return nil
	}
	return &made
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with go test ./infra/report/pulls -update", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it with go test ./infra/report/pulls -update and git diff\n%s", name, got)
	}
}

func TestReports(t *testing.T) {
	for _, pull := range pulls.All() {
		t.Run(pull.Name, func(t *testing.T) {
			r := report(t, pull.Name+".events", plan(pull))
			if refused := len(r.Refusals) > 0; refused != pull.Refused {
				t.Errorf("refused is %t, want %t", refused, pull.Refused)
			}
			text := r.Markdown()
			golden(t, pull.Name+".md", text)
			if len(text) > 65_536 {
				t.Errorf("%d bytes; GitHub refuses comments above 65,536", len(text))
			}
			for _, secret := range []string{"NEVER-IN-A-REPORT", "PRIVATE KEY", "ciphertext"} {
				if strings.Contains(text, secret) {
					t.Errorf("the report holds %q", secret)
				}
			}
		})
	}
}

// TestADigestTellsTheSame: what Pulumi prints without the variable for events has no prices but those that the description allows, and is told the same else.
func TestADigestTellsTheSame(t *testing.T) {
	var pull pulls.Pull
	for _, each := range pulls.All() {
		if each.Name == "add-node" {
			pull = each
		}
	}
	digest, events := report(t, "add-node.digest.json", plan(pull)), report(t, "add-node.events", plan(pull))
	golden(t, "add-node.digest.md", digest.Markdown())
	if digest.Bill == nil || !digest.Bill.Declared || digest.Bill.After != events.Bill.After {
		t.Errorf("the digest's bill is %+v, the events' %+v", digest.Bill, events.Bill)
	}
	if len(digest.Nodes) != len(events.Nodes) || len(digest.Services) != len(events.Services) {
		t.Errorf("the digest tells of %d nodes and %d services, the events of %d and %d", len(digest.Nodes), len(digest.Services), len(events.Nodes), len(events.Services))
	}
}
