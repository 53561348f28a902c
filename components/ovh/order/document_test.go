package order

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/order.md anew")

const documentPath = "../../../docs/order.md"

// phases in the order in which an order goes through them.
var phases = []Phase{Intent, Priced, Unsure, Ordered, Claimed, Paid, Delivering, Delivered, Tagged, Cancelled}

// document is docs/order.md: the machine as a drawing and as a table.
func document() string {
	var b strings.Builder
	b.WriteString(`# The life of an order

Made of the state machine in ` + "`components/ovh/order/machine.go`" + ` by its test (` + "`-update`" + `); the program follows the same table. The same for a dedicated server, a
VPS and a vRack. Installing is a resource of its own, whose generation is its own mark, so that nothing there endangers what was paid for.

An answer that did not come (a dropped connection, a 5xx, a body that cannot be read) is not a failure: it may have had its effect. A run that halts goes on from
where the arrow leads when it is run again.

` + "```mermaid\nstateDiagram-v2\n    [*] --> intent\n")
	for _, p := range phases {
		for _, o := range slices.Sorted(maps.Keys(Diagram[p].On)) {
			if m := Diagram[p].On[o]; m.To != p {
				fmt.Fprintf(&b, "    %s --> %s: %s %s\n", p, m.To, Diagram[p].Do, o)
			}
		}
	}
	b.WriteString("    cancelled --> intent: the next run orders anew\n    tagged --> [*]: installed, as a resource of its own\n```\n")
	for _, p := range phases {
		row := Diagram[p]
		fmt.Fprintf(&b, "\n## %s\nKept: %s.", p, row.Kept)
		if row.Do == Stop {
			b.WriteString(" The order's life ends here.\n")
			continue
		}
		fmt.Fprintf(&b, " Next: **%s**.\n\n| outcome | leads to | |\n|---|---|---|\n", row.Do)
		for _, o := range slices.Sorted(maps.Keys(row.On)) {
			m := row.On[o]
			to := string(m.To)
			if m.Halt {
				to += ", halt"
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", o, to, m.Why)
		}
	}
	return b.String()
}

func TestDocument(t *testing.T) {
	if *update {
		if err := os.WriteFile(documentPath, []byte(document()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != document() {
		t.Error("docs/order.md is not what the machine says; run go test ./components/ovh/order -run TestDocument -update")
	}
}

// TestEveryOutcomeIsNamed holds each step to say what becomes of success, refusal, timeout and an unknown outcome, and each phase to where it is kept.
func TestEveryOutcomeIsNamed(t *testing.T) {
	if len(phases) != len(Diagram) {
		t.Errorf("%d phases are drawn, the machine has %d", len(phases), len(Diagram))
	}
	for _, p := range phases {
		row, ok := Diagram[p]
		if !ok || row.Kept == "" {
			t.Errorf("%s: says not where it is kept", p)
		}
		if row.Do == Stop {
			continue
		}
		success := []Outcome{OK}
		if row.Do == Follow {
			success = []Outcome{Started, Finished, Gone}
		}
		for _, o := range append(success, Refused, Timeout, Unknown) {
			if m, ok := row.On[o]; !ok || m.Why == "" || Diagram[m.To].Do == "" {
				t.Errorf("%s on %s: %+v, %v; want a known phase and what it means", p, o, m, ok)
			}
		}
	}
}
