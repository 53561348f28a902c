package guard_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"havre/infra/guard"
)

var update = flag.Bool("update", false, "write docs/guards.md anew")

const page = `# What a preview refuses

Every Kubernetes object that the program registers is held to these rules before anything is changed, and all refusals of a run come at once. A rule has a
program that keeps it, most of them just so, and programs that break it, with the exact words; this page is made from those tests (` + "`go test ./infra/guard -update`" + `).
Exceptions are given by object and reason in ` + "`infra/guard/exceptions.go`" + `. Why the guards read plain values only: [decision 0006](decisions/0006-guards-read-plain-values.md).

What can be said of the stack's description alone (quorum, capacity with a site lost, the budget, names, networks and some hundred more) is refused before any object is
registered; each of those messages has its case in ` + "`stacks/broken_*_test.go`" + `.
`

// TestEveryRule holds docs/guards.md to the tests: no rule is there without a program that keeps it and one that breaks it.
func TestEveryRule(t *testing.T) {
	var b strings.Builder
	b.WriteString(page)
	for _, rule := range guard.Rules() {
		fmt.Fprintf(&b, "\n## %s\n\nWants %s.\n\n", rule.Rule, rule.Wants)
		takes, refuses := 0, 0
		for _, c := range taken {
			if c.rule == rule.Rule {
				takes++
				fmt.Fprintf(&b, "- takes %s\n", c.name)
			}
		}
		for _, c := range refused {
			mine := slices.ContainsFunc(c.want, func(line string) bool {
				fields := strings.SplitN(line, ": ", 3)
				return fields[1] == string(rule.Rule)
			})
			if !mine || strings.HasPrefix(c.name, "several things") {
				continue
			}
			refuses++
			fmt.Fprintf(&b, "- refuses %s\n\n  ```text\n  %s\n  ```\n", c.name, strings.Join(c.want, "\n  "))
		}
		if takes == 0 || refuses == 0 {
			t.Errorf("rule %s: %d programs that keep it and %d that break it, wanted both", rule.Rule, takes, refuses)
		}
	}
	const path = "../../docs/guards.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if was, err := os.ReadFile(path); err != nil || string(was) != b.String() {
		t.Errorf("docs/guards.md is not what the tests say (%v); write it anew with go test ./infra/guard -update", err)
	}
}

// No refusal is by a rule that Rules leaves out.
func TestRulesAreAll(t *testing.T) {
	var names []string
	for _, rule := range guard.Rules() {
		names = append(names, string(rule.Rule))
	}
	for _, c := range refused {
		for _, line := range c.want {
			if rule := strings.SplitN(line, ": ", 3)[1]; !slices.Contains(names, rule) {
				t.Errorf("%s: rule %q is not among %v", c.name, rule, names)
			}
		}
	}
}
