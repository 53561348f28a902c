//go:build faults

package pulumikills

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// change edits the last server's line in the program.
func (c *copyOfState) change(t testing.TB, what string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(c.folder, "Pulumi."+c.stack+".yaml"), fmt.Appendf(nil, "config:\n  havre:change: %s\n", what), 0o600))
}

// TestProtection: whatever a line of the stack becomes, a bought server is neither replaced nor given up by it, and the preview says what to do instead.
func TestProtection(t *testing.T) {
	w, c, _ := bought(t, stack)
	c.change(t, "none")
	if out, err := c.up(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	service := ""
	for _, v := range w.living() {
		if v.DisplayName == "rbx-worker-3" {
			service = v.Name
		}
	}
	const instead = " was bought as it is, and nothing replaces a bought server; give the new one a new node name, and retire this one"
	from := len(w.sim.Requests())
	for what, want := range map[string]string{
		"gone": "node rbx-worker-3 is not in the stack any more, but its server was never given up: put its line back, retired, and run, which drains it and takes it out of " +
			"the cluster; then remove the line and run again. A node that was only renamed gets its old name back: its name is its identity",
		"plan":       `planCode cannot change from "24rise03" to "24adv03-v1": ` + service + instead,
		"datacentre": `datacenter cannot change from "rbx" to "gra": ` + service + instead,
		"options":    `options cannot change from "" to "ram-64g-ecc-3200-24rise": ` + service + instead,
	} {
		c.change(t, what)
		for _, args := range [][]string{{"preview", "--stack", c.stack}, {"up", "--stack", c.stack, "--yes", "--skip-preview"}} {
			// What Pulumi prints of its errors is on standard output.
			_, err := c.Output(t.Context(), args...)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s of %s:\ngot  %v\nwant %s", args[0], what, err, want)
			}
			if err != nil && strings.Contains(err.Error(), "pulumi state unprotect") {
				t.Errorf("%s of %s advises to lift the protection: %v", args[0], what, err)
			}
		}
	}
	if writes := w.writes(from); len(writes) > 0 {
		t.Errorf("refused runs changed something at OVH: %v", writes)
	}

	// The way that the message tells.
	for _, what := range []string{"retired", "gone"} {
		c.change(t, what)
		if out, err := c.up(); err != nil {
			t.Fatalf("%s: %v\n%s", what, err, out)
		}
	}
	for _, v := range w.living() {
		if v.Name == service && !v.Leaving {
			t.Errorf("%s does not end at its expiry", service)
		}
	}
}
