package bringup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"havre/components/ovh/order"
	"havre/infra/sandbox/ovhsim"
	"havre/stacks"
)

// TestAPreviewHasWhatItForks: the account of a stack whose database is a copy has what is copied, under the mark that the other stack's own run would look for.
func TestAPreviewHasWhatItForks(t *testing.T) {
	forks := map[string]string{"staging": "prod", "load-test": "prod", "local-staging": "local"}
	for _, stack := range stacks.Names() {
		sim, err := ovhsim.New(ovhsim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := holdSource(sim, stack); err != nil {
			t.Error(err)
		}
		held := sim.Databases()
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
		source, fork := forks[stack]
		if !fork {
			if len(held) != 0 {
				t.Errorf("%s: %+v, wanted none: it forks nothing", stack, held)
			}
			continue
		}
		if want := order.Mark("havre", source, "database-service", databaseURN(t, source)); len(held) != 1 || held[0].Description != want || held[0].Status != "READY" || held[0].Backups != 1 {
			t.Errorf("%s: %+v, wanted one that is ready, marked %s and backed up", stack, held, want)
		}
	}
}

// databaseURN is that of a stack's database, as the program registers it.
func databaseURN(t *testing.T, stack string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "platform", "testdata", stack+".urns"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	at := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, "$ovhmetal:index:Database::") })
	if at < 0 {
		t.Fatalf("stack %s has no database", stack)
	}
	return lines[at]
}
