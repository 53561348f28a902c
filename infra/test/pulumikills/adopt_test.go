//go:build faults

package pulumikills

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
	"havre/infra/sandbox/ovhsim"
)

// bought is a world whose orders are delivered and installed.
func bought(t *testing.T, stack string) (*world, *copyOfState, picture) {
	t.Helper()
	w := newWorld(t)
	c := w.newCopyOf(t, stack, "a", "machine")
	if text, settled := c.settle(t); !settled {
		t.Fatalf("not settled:\n%s", text)
	}
	return w, c, c.picture(t)
}

// writes counts the calls since from that change something at OVH, by route.
func (w *world) writes(from int) map[string]int {
	list := map[string]int{}
	for _, r := range w.sim.Requests()[from:] {
		if r.Method != http.MethodGet {
			list[r.Method+" "+r.Route]++
		}
	}
	return list
}

// TestStateLost loses the state altogether, and what this machine remembered with it.
func TestStateLost(t *testing.T) {
	w, _, want := bought(t, stack)
	from := len(w.sim.Requests())
	c := w.newCopy(t, "b", "another")
	text, err := c.up()
	if err != nil {
		t.Fatalf("up on an empty state: %v\n%s", err, text)
	}
	if writes := w.writes(from); len(writes) > 0 {
		t.Errorf("up on an empty state changed something at OVH: %v", writes)
	}
	text, settled := c.settle(t)
	if _, why := c.judge(t, want, settled); why != "" {
		t.Errorf("%s\n%s", why, text)
	}
}

// imported is one resource of a file for `pulumi import --file`.
type imported struct {
	Type      string `json:"type"`
	Name      string `json:"name"`
	ID        string `json:"id,omitempty"`
	Parent    string `json:"parent,omitempty"`
	Component bool   `json:"component,omitempty"`
}

// TestImport imports the fleet by service name: once as this project left it, once as somebody else did, whose carts and
// orders say nothing of this stack, and without any of our tags.
func TestImport(t *testing.T) {
	for name, foreign := range map[string]bool{"ours": false, "foreign": true} {
		t.Run(name, func(t *testing.T) {
			buyer := stack
			if foreign {
				buyer = "another"
			}
			w, _, want := bought(t, buyer)
			if foreign {
				client, err := api.New(api.Options{
					Endpoint: w.server.URL + "/1.0", ApplicationKey: ovhsim.ApplicationKey, ApplicationSecret: ovhsim.ApplicationSecret, ConsumerKey: ovhsim.ConsumerKey,
				})
				must(t, err)
				for _, v := range w.living() {
					service, err := client.Service(t.Context(), order.Kind(v.Kind), v.Name)
					must(t, err)
					for key := range v.Tags {
						must(t, client.Untag(t.Context(), service.IAM.URN, key))
					}
				}
			}
			var list []imported
			for _, v := range w.living() {
				node := v.DisplayName
				if v.Kind == string(order.Vrack) {
					list = append(list, imported{Type: "ovhmetal:index:Vrack", Name: node, ID: v.Name})
					continue
				}
				if v.Kind == ovhsim.KindVPS {
					list = append(list,
						imported{Type: "havre:ovh:VPS", Name: node, Component: true},
						imported{Type: "ovhmetal:index:VPS", Name: node + "-server", ID: v.Name, Parent: node},
						imported{Type: "ovhmetal:index:VPSInstallation", Name: node + "-installation", ID: v.Name, Parent: node})
					continue
				}
				list = append(list,
					imported{Type: "havre:ovh:Server", Name: node, Component: true},
					imported{Type: "ovhmetal:index:Server", Name: node + "-server", ID: v.Name, Parent: node},
					imported{Type: "ovhmetal:index:Installation", Name: node + "-installation", ID: v.Name, Parent: node},
					imported{Type: "ovhmetal:index:VrackAttachment", Name: node + "-vrack", ID: v.Vrack + "/" + v.Name, Parent: node})
			}
			text, err := json.Marshal(map[string]any{"resources": list})
			must(t, err)
			c := w.newCopy(t, "b", "another")
			file := filepath.Join(c.folder, "fleet.json")
			must(t, os.WriteFile(file, text, 0o600))
			from := len(w.sim.Requests())
			out, err := c.Output(t.Context(), "import", "--stack", c.stack, "--file", file, "--yes", "--skip-preview", "--generate-code=false")
			if err != nil {
				t.Fatalf("import: %v\n%s", err, out)
			}
			if out, err := c.Output(t.Context(), "preview", "--stack", c.stack, "--expect-no-changes", "--diff"); err != nil {
				t.Errorf("preview after the import: %v\n%s", err, out)
			}
			if writes := w.writes(from); len(writes) > 0 {
				t.Errorf("import and preview changed something at OVH: %v", writes)
			}
			if got := w.sim.Books(); got.Live != want.live || got.SpentWithoutTax != want.spent {
				t.Errorf("%d orders, %.2f spent; want %d and %.2f", got.Live, got.SpentWithoutTax, want.live, want.spent)
			}
			if foreign { // the state is lost before any run has marked them: nothing is bought a second time
				orders := w.sim.Books().Count
				out, err := w.newCopy(t, "c", "a third").up()
				if err == nil || !strings.Contains(out, "nothing was ordered, because the account holds what may be this node already") || w.sim.Books().Count != orders {
					t.Errorf("up on a lost state of unmarked services: %v, %d orders, %d before\n%s", err, w.sim.Books().Count, orders, out)
				}
			}
			said, settled := c.settle(t)
			if wrong := c.wrongAfterImport(t, foreign); !settled || len(wrong) > 0 {
				t.Errorf("settled: %v; wrong: %q\n%s", settled, wrong, said)
			}
			if got := c.picture(t); !foreign && got.account != want.account {
				t.Error(difference("account", got.account, want.account))
			}
		})
	}
}

// wrongAfterImport is holds, but for the marks: whether a service that somebody else ordered gets ours is the provider's business.
func (c *copyOfState) wrongAfterImport(t testing.TB, foreign bool) []string {
	var wrong []string
	for _, line := range c.holds(t) {
		if !foreign || !strings.Contains(line, "with mark") {
			wrong = append(wrong, line)
		}
	}
	return wrong
}
