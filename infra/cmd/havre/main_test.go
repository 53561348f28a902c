package main

import (
	"encoding/json"
	"strings"
	"testing"

	"havre/components/ovh/api"
)

// run runs the command as a shell would and gives what it printed.
func run(t *testing.T, args ...string) string {
	t.Helper()
	var out strings.Builder
	root := command()
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("havre %s: %v", strings.Join(args, " "), err)
	}
	return out.String()
}

func TestRulesAreTheBodyOfACredentialRequest(t *testing.T) {
	var body struct {
		AccessRules []api.Rule `json:"accessRules"`
	}
	if err := json.Unmarshal([]byte(run(t, "ovh", "rules", "--json")), &body); err != nil {
		t.Fatal(err)
	}
	if len(body.AccessRules) != len(api.Rules()) {
		t.Errorf("%d rules, want %d", len(body.AccessRules), len(api.Rules()))
	}
	table := run(t, "ovh", "rules")
	for _, rule := range api.Rules() {
		if !strings.Contains(table, rule.Path) {
			t.Errorf("the table lacks %s %s", rule.Method, rule.Path)
		}
	}
}

// TestEveryCommandTeaches: each command says in a sentence what it does.
func TestEveryCommandTeaches(t *testing.T) {
	for _, child := range command().Commands() {
		if child.Short == "" || strings.HasSuffix(child.Short, ".") {
			t.Errorf("havre %s: short help %q, want a sentence without its full stop", child.Name(), child.Short)
		}
		if !strings.Contains(run(t, child.Name(), "--help"), child.Short) && child.Long == "" {
			t.Errorf("havre %s --help does not say what it does", child.Name())
		}
	}
}
