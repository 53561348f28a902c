package ovhmetal

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/infra/sandbox/ovhsim"
)

// bill is the stack's Budget over servers and VPS of the usual offers.
func bill(limit string, servers, vps []string) declared {
	return declared{"Budget", "stack-budget", func(map[string]resource.PropertyMap) resource.PropertyMap {
		nodes := []any{}
		for _, n := range servers {
			nodes = append(nodes, map[string]any{"name": n, "kind": "dedicated", "planCode": "24rise03", "datacenter": "rbx", "disposable": true})
		}
		for _, n := range vps {
			nodes = append(nodes, map[string]any{"name": n, "kind": "vps", "planCode": "vps-2027-model2", "datacenter": "GRA", "disposable": true})
		}
		return props(map[string]any{"limit": limit, "nodes": nodes})
	}}
}

func TestBudgetIsShownOnce(t *testing.T) {
	w, s := begin(t, bill("200.00", []string{"a"}, []string{"b"}))
	must(t, w.with(t, s, nil, true).err)
	if want := "the stack costs 0.00 EUR a month, and 100.48 after this run (net; 120.58 with tax), of a budget of 200.00; once, for setting up: 91.99 net; new: a 91.99 a month and 91.99 once; b 8.49 a month"; len(w.lines) != 1 || w.lines[0] != want {
		t.Errorf("got  %v\nwant %s", w.lines, want)
	}
	must(t, w.with(t, s, nil, false).err)
	for key, want := range map[string]string{"before": "0.00", "monthly": "100.48", "monthlyWithTax": "120.58", "setup": "91.99", "currency": "EUR"} {
		if got := s.state["stack-budget"].Outputs[resource.PropertyKey(key)]; !got.IsString() || got.StringValue() != want {
			t.Errorf("%s is %v, want %s", key, got, want)
		}
	}
	w.lines = nil
	if r := w.with(t, s, nil, true); r.err != nil || len(r.changed) != 0 {
		t.Errorf("a second preview changes %v, %v", r.changed, r.err)
	}
	if want := "the stack costs 100.48 EUR a month, net (120.58 with tax), of a budget of 200.00; this run changes nothing of it"; len(w.lines) != 1 || w.lines[0] != want {
		t.Errorf("got  %v\nwant %s", w.lines, want)
	}

	// What is held keeps its agreed price when the catalogue's rises; what is new has the new one; what leaves is named.
	if _, err := w.sim.Fault(ovhsim.Fault{Kind: ovhsim.PriceChanged, Percent: 100, Path: "/order/catalog/public/{product}", Times: 1}); err != nil {
		t.Fatal(err)
	}
	s.program = []declared{bill("200.00", []string{"a"}, []string{"c"})}
	w.lines = nil
	must(t, w.with(t, s, nil, true).err)
	if want := "the stack costs 100.48 EUR a month, and 108.97 after this run (net; 130.76 with tax), of a budget of 200.00; new: c 16.98 a month; given up: b 8.49"; len(w.lines) != 1 || w.lines[0] != want {
		t.Errorf("got  %v\nwant %s", w.lines, want)
	}
}

func TestBudgetRefusesTheRun(t *testing.T) {
	w, s := begin(t, bill("91.99", []string{"a"}, nil))
	must(t, w.with(t, s, nil, false).err)
	s.program = []declared{bill("100.47", []string{"a"}, []string{"b"})}
	for _, preview := range []bool{true, false} {
		expect(t, w.with(t, s, nil, preview).err, "nothing was bought: the stack costs 91.99 EUR a month and would cost 100.48 after this run (net), which is above its budget of 100.47; "+
			"raise the budget in the stack, or order less; new: b 8.49 a month")
	}
	if got := s.state["stack-budget"].Outputs["monthly"].StringValue(); got != "91.99" {
		t.Errorf("a refused run changed the bill to %s", got)
	}
	// A budget below what is held stops no run that buys nothing.
	s.program = []declared{bill("50.00", []string{"a"}, nil)}
	must(t, w.with(t, s, nil, false).err)
	for _, c := range []struct {
		d    declared
		want string
	}{
		{bill("1,5", nil, nil), `limit amount "1,5" is not a decimal below 10 million with at most eight decimals; write it like 164.99`},
		{bill("1.5", []string{"a", "a"}, nil), `nodes name "a" is empty or there twice; give every node its own`},
		{declared{"Budget", "stack-budget", func(map[string]resource.PropertyMap) resource.PropertyMap {
			return props(map[string]any{"limit": "100", "nodes": []any{map[string]any{"name": "x", "kind": "cloud", "planCode": "p", "datacenter": "rbx"}}})
		}}, `nodes x: kind "cloud" is none of dedicated, vps, instance and database; set one of them`},
		{declared{"Budget", "stack-budget", func(map[string]resource.PropertyMap) resource.PropertyMap {
			return props(map[string]any{"limit": "100", "nodes": []any{map[string]any{"name": "x", "kind": "vps", "planCode": "p", "datacenter": "GRA"}}})
		}}, `node x: plan "p" is in none of the catalogues vps; look its code up in OVH's price list`},
	} {
		s.program = []declared{c.d}
		expect(t, w.with(t, s, nil, true).err, c.want)
	}
}

// TestGivingUpSaysWhatItCost: a server and a VPS, kept for a month and ten days, are paid for two months, and destroy says so of each and of both.
func TestGivingUpSaysWhatItCost(t *testing.T) {
	began, noon := time.Now(), time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	w := newWorldWith(t, ovhsim.Options{Clock: func() time.Time { return noon.Add(time.Since(began)) }})
	t.Cleanup(func() { must(t, w.close()) })
	s := &stack{state: map[string]entry{}, program: slices.Concat([]declared{bill("200.00", []string{"a"}, []string{"b"})}, serverNode("a", "", nil), vpsNode("b", nil))}
	must(t, w.up(t, s).err)
	a, b := s.state["a-server"].Outputs["serviceName"].StringValue(), s.state["b-server"].Outputs["serviceName"].StringValue()
	w.sim.Advance(40 * 24 * time.Hour)
	must(t, s.destroy(mustProcess(t, w)))
	for _, want := range []string{
		a + " is paid for from 2026-11-21 to 2027-01-21: 2 x 91.99 EUR and 91.99 once, 275.97 EUR net",
		b + " is paid for from 2026-11-21 to 2027-01-21: 2 x 8.49 EUR and 0.00 once, 16.98 EUR net",
		"what is paid by the month and was given up in this run, 2 in all, has cost 292.95 EUR net until the last of it ends on 2027-01-21; OVH's own bills have any discount",
	} {
		if !w.said(want) {
			t.Errorf("destroy does not say %q; it says\n%s", want, strings.Join(w.lines, "\n"))
		}
	}
}
