//go:build faults

package pulumikills

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"havre/components/ovh/order"
	"havre/infra/sandbox/ovhsim"
)

// resourceState is one resource of an exported state.
type resourceState struct {
	URN          string         `json:"urn"`
	Type         string         `json:"type"`
	Parent       string         `json:"parent"`
	Protect      bool           `json:"protect"`
	External     bool           `json:"external"`
	Delete       bool           `json:"delete"`
	Inputs       map[string]any `json:"inputs"`
	Outputs      map[string]any `json:"outputs"`
	Dependencies []string       `json:"dependencies"`
	InitErrors   []string       `json:"initErrors"`
}

type exported struct {
	Deployment struct {
		Resources []resourceState `json:"resources"`
		Pending   []any           `json:"pending_operations"`
	} `json:"deployment"`
}

func (c *copyOfState) export(t testing.TB) exported {
	t.Helper()
	text, err := c.Output(t.Context(), "stack", "export", "--stack", c.stack)
	must(t, err)
	var state exported
	must(t, json.Unmarshal(text, &state))
	return state
}

// How a service came to the state is history, and differs after a kill: by its own order, or by its mark. Where it is is chance: names and addresses
// are given in the order of delivery. They are checked against the account instead, see holds.
var (
	history = []string{"orderId", "cartId", "since", "setupPrice", "availability", "imported", "unmarked"}
	chance  = []string{"serviceName", "vrack", "address", "hostKey", "mac", "privateMac", "interfaceId"}
)

// picture is what the account and the state look like in the end, less history and chance.
type picture struct {
	live, services int
	spent          float64
	account, state string
}

func (c *copyOfState) picture(t testing.TB) picture {
	t.Helper()
	books := c.w.sim.Books()
	p := picture{live: books.Live, spent: books.SpentWithoutTax}
	var lines []string
	networks := map[string]string{}
	for _, v := range c.w.living() {
		if v.Kind == string(order.Vrack) {
			networks[v.Name] = " in " + v.DisplayName
		}
	}
	for _, v := range c.w.living() {
		p.services++
		installed := ""
		if v.Installed != nil {
			installed = v.Installed.OS + " " + strings.Join(v.Installed.AuthorizedKeys, ",")
			if v.Kind == ovhsim.KindDedicated { // a VPS takes its host name from its service's name
				installed += " " + v.Installed.Hostname
			}
		}
		plugged := "" // the name of a vRack is chance
		if v.Vrack != "" {
			plugged = networks[v.Vrack]
		}
		lines = append(lines, fmt.Sprint(v.Kind, " ", v.Plan, v.Options, v.Datacenter, v.DisplayName, v.Tags["havre.mark"], v.Tags["havre.generation"], plugged, v.Leaving, v.Installs, installed))
	}
	slices.Sort(lines) // services stand in the order of delivery
	if !books.Balanced {
		lines = append(lines, "the books do not balance")
	}
	p.account = strings.Join(lines, "\n")
	state := c.export(t)
	lines = nil
	for _, r := range state.Deployment.Resources {
		for _, properties := range []map[string]any{r.Inputs, r.Outputs} {
			for _, key := range history {
				delete(properties, key)
			}
			for _, key := range chance {
				if v, ok := properties[key].(string); ok && v != "" {
					properties[key] = "given"
				}
			}
		}
		slices.Sort(r.Dependencies)  // the engine has them in any order
		text, err := json.Marshal(r) // keys come sorted
		must(t, err)
		lines = append(lines, string(text))
	}
	slices.Sort(lines)
	if n := len(state.Deployment.Pending); n > 0 {
		lines = append(lines, fmt.Sprintf("%d operations are pending", n))
	}
	p.state = strings.Join(lines, "\n")
	return p
}

// living lists what the account holds, but for the vRacks that it began with.
func (w *world) living() []ovhsim.ServiceView {
	return slices.DeleteFunc(w.sim.Services(), func(v ovhsim.ServiceView) bool {
		return v.Ended || v.Name == ovhsim.FirstVrack || v.Name == ovhsim.SecondVrack
	})
}

// holds says what is wrong between account and state: each living service must be held by the one node whose mark it carries, at its address.
func (c *copyOfState) holds(t testing.TB) []string {
	held := map[string]resourceState{}
	var wrong []string
	for _, r := range c.export(t).Deployment.Resources {
		if r.Type != "ovhmetal:index:Server" && r.Type != "ovhmetal:index:VPS" && r.Type != "ovhmetal:index:Vrack" {
			continue
		}
		name, _ := r.Outputs["serviceName"].(string)
		if _, twice := held[name]; twice {
			wrong = append(wrong, fmt.Sprintf("service %s is held twice", name))
		}
		held[name] = r
	}
	for _, v := range c.w.living() {
		r, ok := held[v.Name]
		address := "" // a vRack has none
		if v.Address.IsValid() {
			address = v.Address.String()
		}
		at, _ := r.Outputs["address"].(string)
		switch {
		case !ok:
			wrong = append(wrong, fmt.Sprintf("service %s is in no state", v.Name))
		case r.Outputs["mark"] != v.Tags["havre.mark"] || at != address:
			wrong = append(wrong, fmt.Sprintf("service %s with mark %s at %s is held as %v at %v", v.Name, v.Tags["havre.mark"], address, r.Outputs["mark"], at))
		}
		delete(held, v.Name)
	}
	for name := range held {
		wrong = append(wrong, fmt.Sprintf("state holds service %q, which the account does not", name))
	}
	return wrong
}

// verdict counts what went wrong in one case.
type verdict struct{ double, lost, overspent, diverged bool }

func (v verdict) well() bool { return v == verdict{} }

// judge compares the end of a case with the end of a run that nobody disturbed, and says what differs.
func (c *copyOfState) judge(t testing.TB, want picture, settled bool) (verdict, string) {
	got, wrong := c.picture(t), c.holds(t)
	v := verdict{
		double:    got.live > want.live || got.services > want.services,
		lost:      got.services < want.services || len(wrong) > 0,
		overspent: got.spent > want.spent,
	}
	v.diverged = !settled || got != want && !v.double && !v.lost && !v.overspent
	if v.well() {
		return v, ""
	}
	return v, fmt.Sprintf("settled: %v; wrong: %q\ngot  %d live orders, %d services, %.2f spent\nwant %d live orders, %d services, %.2f spent\n%s\n%s",
		settled, wrong, got.live, got.services, got.spent, want.live, want.services, want.spent,
		difference("account", got.account, want.account), difference("state", got.state, want.state))
}

// difference lists the lines that only one of two texts has.
func difference(what, got, want string) string {
	var out []string
	mine, theirs := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, line := range mine {
		if !slices.Contains(theirs, line) {
			out = append(out, "  + "+line)
		}
	}
	for _, line := range theirs {
		if !slices.Contains(mine, line) {
			out = append(out, "  - "+line)
		}
	}
	if len(out) == 0 {
		return what + ": the same"
	}
	return what + ": + got, - wanted\n" + strings.Join(out, "\n")
}
