package ovhmetal

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
	"havre/infra/sandbox/ovhsim"
)

func expect(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("got %v, want no error", err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// config runs once under a configuration.
func (w *world) with(t *testing.T, s *stack, config map[string]any, preview bool) report {
	t.Helper()
	server, err := w.process(&wire{}, config)
	if err != nil {
		return report{err: err}
	}
	return s.run(server, preview)
}

// TestRefusedAtPreview holds the exact message of everything that must not be bought.
func TestRefusedAtPreview(t *testing.T) {
	for _, c := range []struct {
		name   string
		change map[string]any
		config map[string]any
		want   string
	}{
		{"plan", map[string]any{"planCode": "24rise99"}, nil, `plan "24rise99" is in none of the catalogues baremetalServers, eco; look its code up in OVH's price list`},
		{"data centre", map[string]any{"datacenter": "par"}, nil, `plan 24rise03 is not sold in data centre "par"; choose one of bhs, fra, gra, lon, rbx, sbg, waw`},
		{"option", map[string]any{"options": []any{"ram-1t"}}, nil, `option "ram-1t" is not offered with plan 24rise03; look at the plan's addon families in OVH's price list`},
		{"mode", map[string]any{"pricingMode": "free"}, nil, `24rise03 is not sold with pricing mode "free"; use default`},
		{"monthly", map[string]any{"maxMonthly": "91.98"}, nil, `n-server: nothing was bought: a month costs 91.99 EUR is above 91.98 EUR; accept it in the stack's offer or choose another plan`},
		{"setup", map[string]any{"maxSetup": "50"}, nil, `n-server: nothing was bought: the set-up fee 91.99 EUR is above 50.00 EUR; accept it in the stack's offer or wait for a promotion`},
		{"budget", nil, map[string]any{"budget": "91.98"}, `n-server: nothing was bought: the stack's new total 91.99 EUR a month is above its budget of 91.98 EUR; raise the budget or order less`},
		{"account", nil, map[string]any{"account": "xy99999-ovh"}, `the credentials belong to account hv12345-ovh, but this stack is for xy99999-ovh; use its credentials, or correct ovhmetal:account`},
		{"amount", map[string]any{"maxMonthly": "12,5"}, nil, `maxMonthly amount "12,5" is not a decimal below 10 million with at most eight decimals; write it like 164.99`},
		{"empty plan", map[string]any{"planCode": ""}, nil, `planCode is empty; set a plan code of the catalogue such as 24adv03-v1`},
		{"wait", nil, map[string]any{"waitMinutes": -1.0}, `ovhmetal:waitMinutes -1 is not above 0; write minutes such as 60`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, s := begin(t, serverNode("n", "", c.change)...)
			expect(t, w.with(t, s, c.config, true).err, c.want)
			expect(t, w.with(t, s, c.config, false).err, c.want)
			if n := w.sim.Books().Count; n != 0 {
				t.Errorf("%d orders were placed", n)
			}
		})
	}
}

func TestBudgetCountsTheWholeStack(t *testing.T) {
	w, s := begin(t, append(serverNode("a", "", nil), vpsNode("b", nil)...)...)
	must(t, w.with(t, s, map[string]any{"budget": "100.48"}, false).err)
	s.program = append(s.program, vpsNode("c", nil)...)
	expect(t, w.with(t, s, map[string]any{"budget": "108.96"}, true).err, "nothing was bought: the stack's new total 108.97 EUR a month is above its budget of 108.96 EUR")
	must(t, w.with(t, s, map[string]any{"budget": "108.97"}, false).err)
}

func TestPriceAbovePromise(t *testing.T) {
	w, s := begin(t, serverNode("n", "", nil)...)
	must(t, w.with(t, s, nil, true).err)
	if _, err := w.sim.Fault(ovhsim.Fault{Kind: ovhsim.PriceChanged, Path: "/order/catalog/public/{product}", Times: 1}); err != nil {
		t.Fatal(err)
	}
	expect(t, w.with(t, s, nil, false).err, "n-server: nothing was bought: the first bill 202.378 EUR is above 183.98 EUR; this is more than the preview promised: read a new preview first")
	if n := w.sim.Books().Count; n != 0 {
		t.Errorf("%d orders were placed", n)
	}
	must(t, w.with(t, s, nil, true).err) // the new price was read
	must(t, w.with(t, s, nil, false).err)
	if got := w.sim.Books().SpentWithoutTax; got != 202.38 {
		t.Errorf("spent %.2f, want 202.38", got)
	}
}

func TestNothingReplacesAServer(t *testing.T) {
	for key, c := range map[string]struct {
		value any
		want  string
	}{
		"planCode":    {"24adv03-v1", `planCode cannot change from "24rise03" to "24adv03-v1": `},
		"datacenter":  {"gra", `datacenter cannot change from "rbx" to "gra": `},
		"options":     {[]any{"ram-64g-ecc-3200-24rise"}, `options cannot change from "" to "ram-64g-ecc-3200-24rise": `},
		"duration":    {"P12M", `duration cannot change from "P1M" to "P12M": `},
		"pricingMode": {"upfront12", `pricingMode cannot change from "default" to "upfront12": `},
	} {
		t.Run(key, func(t *testing.T) {
			w, s := begin(t, serverNode("n", "", nil)...)
			must(t, w.up(t, s).err)
			s.program = serverNode("n", "", map[string]any{key: c.value})
			service := s.state["n-server"].Outputs["serviceName"].StringValue()
			want := c.want + service + " was bought as it is, and nothing replaces a bought server; give the new one a new node name, and retire this one"
			expect(t, w.with(t, s, nil, true).err, want)
			expectOrders(t, w, 1, 183.98)
		})
	}
}

func TestGivingUpNeedsTheStacksWord(t *testing.T) {
	w, s := begin(t, serverNode("n", "", map[string]any{"disposable": false})...)
	must(t, w.up(t, s).err)
	service := s.state["n-server"].Outputs["serviceName"].StringValue()
	expect(t, s.destroy(mustProcess(t, w)), service+" is not given up: the stack has not retired this node; set Retired on it, run pulumi up, and only then remove it")
	s.program = serverNode("n", "", map[string]any{"disposable": false, "retired": true})
	must(t, w.up(t, s).err)
	must(t, s.destroy(mustProcess(t, w)))
	for _, v := range w.sim.Services() {
		if v.Name == service && (!v.Leaving || v.Tags["havre.mark"] != "") {
			t.Errorf("service %+v; want it to end at expiry and to carry no mark", v)
		}
	}
}

func TestWaitingIsResumed(t *testing.T) {
	w, s := begin(t, vpsNode("n", nil)...)
	w.sim.SetDelays(ovhsim.Delays{VPSDelivery: 1 << 40})
	r := w.with(t, s, map[string]any{"waitMinutes": 0.005}, false)
	expect(t, r.err, "is ordered, not delivered yet (")
	expect(t, r.err, "run pulumi up again, it goes on from here")
	if e := s.state["n-server"]; !e.Incomplete || e.Outputs["orderId"].StringValue() == "" || e.Outputs["phase"].StringValue() != "delivering" {
		t.Errorf("the state keeps %v", e)
	}
	if drift, err := s.refresh(mustProcess(t, w)); err != nil || s.state["n-server"].ID == "" {
		t.Errorf("refresh: %v %v", drift, err)
	}
	w.sim.Advance(1 << 41)
	must(t, w.with(t, s, nil, false).err)
	expectOrders(t, w, 1, 8.49)
}

func TestDocumentsAndCancellation(t *testing.T) {
	w, s := begin(t, vpsNode("n", nil)...)
	w.sim.SetDelays(ovhsim.Delays{Checking: 1 << 40})
	expect(t, w.with(t, s, map[string]any{"waitMinutes": 0.005}, false).err, "is ordered, not delivered yet (")
	id := w.sim.Books().Orders[0].ID
	expect(t, w.with(t, s, map[string]any{"waitMinutes": 0.005}, false).err, "): OVH still checks it, which may take a day and may end in a question for documents; run pulumi up again, it goes on from here")
	must(t, w.sim.SetOrderStatus(id, "documentsRequested"))
	expect(t, w.with(t, s, nil, false).err, "OVH asks for documents before it delivers order 231")
	must(t, w.sim.SetOrderStatus(id, "cancelled"))
	expect(t, w.with(t, s, nil, false).err, "was cancelled by OVH; run pulumi up again to order anew")
	if got := s.state["n-server"].Outputs["phase"].StringValue(); got != "cancelled" {
		t.Errorf("phase %q, want cancelled", got)
	}
	w.sim.SetDelays(ovhsim.Delays{})
	must(t, w.with(t, s, nil, false).err)
	if b := w.sim.Books(); b.Count != 2 || b.Live != 1 || b.SpentWithoutTax != 8.49 {
		t.Errorf("%d orders, %d live, %.2f spent; want 2, 1, 8.49", b.Count, b.Live, b.SpentWithoutTax)
	}
}

func TestOutOfStock(t *testing.T) {
	w, s := begin(t, serverNode("n", "", nil)...)
	w.sim.SetStock("24rise03", "rbx", false)
	expect(t, w.with(t, s, nil, false).err, "24rise03 is not available in rbx")
	expect(t, w.with(t, s, nil, false).err, "; it is out of stock: run again later, or choose another data centre or plan in the stack")
	if n := len(s.state); n != 0 {
		t.Errorf("the state holds %d resources of an order that was never placed", n)
	}
	w.sim.SetStock("24rise03", "rbx", true)
	// The last one goes between the dry run and the checkout.
	if _, err := w.sim.Fault(ovhsim.Fault{Kind: ovhsim.OutOfStock, Method: "POST", Path: "/order/cart/{cartId}/checkout", Times: 1}); err != nil {
		t.Fatal(err)
	}
	r := w.with(t, s, nil, false)
	expect(t, r.err, "n-server: nothing was bought: POST /order/cart/")
	expect(t, r.err, "; it is out of stock: run again later, or choose another data centre or plan in the stack")
	if carts, err := w.client(t).Carts(t.Context(), ""); err != nil || len(carts) != 0 || len(s.state) != 0 {
		t.Errorf("carts %v, %v, state %v; want nothing left", carts, err, s.state)
	}
	must(t, w.with(t, s, nil, false).err)
	expectOrders(t, w, 1, 183.98)
}

func TestInstallationOnlyOnAHigherGeneration(t *testing.T) {
	w, s := begin(t, serverNode("n", "", nil)...)
	must(t, w.up(t, s).err)
	service := s.state["n-server"].Outputs["serviceName"].StringValue()
	base := s.program
	change := func(key string, v any) {
		s.program = []declared{base[0], {"Installation", "n-installation", func(o map[string]resource.PropertyMap) resource.PropertyMap {
			in := base[1].inputs(o)
			in[resource.PropertyKey(key)] = resource.NewPropertyValue(v)
			return in
		}}}
	}
	change("operatingSystem", "debian13_64")
	expect(t, w.with(t, s, nil, true).err, `operatingSystem cannot change from "" to "debian13_64" under generation 1; raise the generation to 2, which wipes `+service+`, or keep the old one`)
	change("hostname", "other")
	must(t, w.with(t, s, nil, false).err)
	change("generation", 2.0)
	must(t, w.with(t, s, nil, false).err)
	change("generation", 1.0)
	expect(t, w.with(t, s, nil, true).err, "generation cannot go down from 2 to 1: "+service+" holds 2; a higher one wipes it and installs again")
	change("generation", 0.0)
	expect(t, w.with(t, s, nil, true).err, "generation is 0; begin with 1 and raise it to wipe the host and install again")
	for _, v := range w.sim.Services() {
		if v.Name == service && (v.Installs != 2 || v.Tags["havre.generation"] != "2") {
			t.Errorf("%d installations, tags %v; want 2", v.Installs, v.Tags)
		}
	}
}

func TestReadTellsTheTruth(t *testing.T) {
	for kind, node := range bothKinds() {
		t.Run(kind, func(t *testing.T) { readTellsTheTruth(t, node(nil)) })
	}
}

func readTellsTheTruth(t *testing.T, program []declared) {
	w, s := begin(t, program...)
	must(t, w.up(t, s).err)
	well := s.state["n-server"].Outputs["status"].StringValue() // ok of a server, running of a VPS
	home := s.state["n-server"].Outputs["deliveredDatacenter"].StringValue()
	service := s.state["n-server"].Outputs["serviceName"].StringValue()
	for _, c := range []struct{ state, status, said string }{
		{"suspended", "expired", service + " is expired and suspended: renew it in OVH's manager, or retire the node"},
		{"ok", well, ""},
		{"moved:sbg", well, service + " stands in sbg"},
		{"moved:" + strings.TrimRight(home, "0123456789"), well, service + " stands in " + strings.TrimRight(home, "0123456789")},
	} {
		must(t, w.sim.SetService(service, c.state))
		if _, err := s.refresh(mustProcess(t, w)); err != nil {
			t.Fatal(err)
		}
		if got := s.state["n-server"].Outputs["status"].StringValue(); got != c.status {
			t.Errorf("%s: status %q, want %q", c.state, got, c.status)
		}
		if !w.said(c.said) {
			t.Errorf("%s: it does not say %q", c.state, c.said)
		}
		if r := w.with(t, s, nil, true); r.err != nil || len(r.changed) > 0 {
			t.Errorf("%s: a preview changes %v, %v", c.state, r.changed, r.err)
		}
	}
	must(t, w.sim.SetService(service, "ended"))
	changed, err := s.refresh(mustProcess(t, w))
	if err != nil || strings.Join(changed, ",") != "n-server gone,n-installation gone" {
		t.Errorf("ended: refresh says %v, %v", changed, err)
	}
}

// TestHackedIsSaid is for dedicated servers: OVH has no such state for a VPS.
func TestHackedIsSaid(t *testing.T) {
	w, s := begin(t, serverNode("n", "", nil)...)
	must(t, w.up(t, s).err)
	service := s.state["n-server"].Outputs["serviceName"].StringValue()
	for _, state := range []string{"hacked", "hackedBlocked", "error"} {
		must(t, w.sim.SetService(service, state))
		if _, err := s.refresh(mustProcess(t, w)); err != nil {
			t.Fatal(err)
		}
		if got := s.state["n-server"].Outputs["status"].StringValue(); got != state {
			t.Errorf("status %q, want %q", got, state)
		}
		if want := "OVH reports " + service + " as " + state + ": "; !w.said(want) {
			t.Errorf("it does not say %q", want)
		}
		if r := w.with(t, s, nil, true); r.err != nil || len(r.changed) > 0 {
			t.Errorf("%s: a preview changes %v, %v", state, r.changed, r.err)
		}
	}
}

// TestCredentials holds what is said when the key may not do what is needed.
func TestCredentials(t *testing.T) {
	w, s := begin(t, serverNode("n", "", nil)...)
	w.sim.SetCredential("", "", []ovhsim.Rule{{Method: "GET", Path: "/*"}})
	expect(t, w.with(t, s, nil, false).err, "POST /order/cart: the credential may not do this (This call has not been granted); grant the access rule POST /order/cart to the consumer key, or make a new key when it expired (havre ovh rules prints all that is needed)")
	w.sim.SetCredential("expired", "", nil)
	expect(t, w.with(t, s, nil, true).err, "the credential may not do this (This credential is not valid)")
}

// TestImport takes over a server and a VPS by their service names: the next preview has nothing to do, and nothing is ordered or installed.
func TestImport(t *testing.T) {
	lasting := map[string]any{"disposable": false}
	w, s := begin(t, append(serverNode("a", "pn-1000001", lasting), vpsNode("b", lasting)...)...)
	must(t, w.up(t, s).err)
	imported := &stack{program: append(serverNode("a", "pn-1000001", map[string]any{
		"disposable": false, "maxMonthly": "91.99", "options": []any{"ram-32g-ecc-3200-24rise"},
	}), vpsNode("b", lasting)...), state: map[string]entry{}}
	for _, d := range s.program {
		imported.state[d.name] = entry{ID: s.state[d.name].ID}
	}
	if _, err := imported.refresh(mustProcess(t, w)); err != nil {
		t.Fatal(err)
	}
	r := w.with(t, imported, nil, true)
	must(t, r.err)
	if len(r.changed) != 0 {
		t.Errorf("a preview after the import changes %v", r.changed)
	}
	if got := imported.state["a-server"].Outputs["monthlyPrice"].StringValue(); got != "91.99" {
		t.Errorf("imported at %s a month, want 91.99", got)
	}
	expectOrders(t, w, 2, 192.47)
	for _, v := range w.sim.Services() {
		if v.Kind != "vrack" && v.Installs != 1 {
			t.Errorf("%s was installed %d times", v.Name, v.Installs)
		}
	}
}

// client is a person at OVH's manager.
func (w *world) client(t testing.TB) *api.Client {
	t.Helper()
	c, err := api.New(api.Options{
		Endpoint: w.server.URL + "/1.0", ApplicationKey: ovhsim.ApplicationKey, ApplicationSecret: ovhsim.ApplicationSecret, ConsumerKey: ovhsim.ConsumerKey, Rate: -1,
	})
	must(t, err)
	return c
}

// TestForeignServerIsNeverWiped gives the stack a server that it did not order, with a first installation to make.
func TestForeignServerIsNeverWiped(t *testing.T) {
	w, s := begin(t, serverNode("n", "", nil)...)
	must(t, w.up(t, s).err)
	service := s.state["n-server"].Outputs["serviceName"].StringValue()
	client := w.client(t)
	found, err := client.Service(t.Context(), order.Dedicated, service)
	must(t, err)
	must(t, client.Untag(t.Context(), found.IAM.URN, "havre.generation"))
	delete(s.state, "n-installation")
	expect(t, w.with(t, s, nil, false).err, service+" does not say what its disks hold (tag havre.generation), so it is never wiped by a first installation; to keep what runs on it say so in the stack (Adopt), or import it: pulumi import ovhmetal:index:Installation n-installation "+service)
}

// TestRulesAreEnough runs a whole life with no more than the published access rules.
func TestRulesAreEnough(t *testing.T) {
	program := append(serverNode("a", "pn-1000001", nil), vpsNode("b", map[string]any{"rescue": true})...)
	program = append(program, serverNode("n", "", map[string]any{"rescue": true, "renewal": false})...)
	program = append(program, bill("500", []string{"a", "n"}, []string{"b"}), wall(nil, "deny ipv4"),
		beside("ReverseDNS", "n-reverse", "address", "address", map[string]any{"reverse": "n.example.net"}), beside("Aggregation", "n-aggregation", "serviceName", "serviceName", nil),
		network(nil), declared{"SSHKey", "ops-key", func(map[string]resource.PropertyMap) resource.PropertyMap {
			return props(map[string]any{"keyName": "ops", "publicKey": publicKey})
		}})
	program = append(program, inNetwork("p", nil)...)
	w, s := begin(t, program...)
	var rules []ovhsim.Rule
	for _, r := range api.Rules() {
		rules = append(rules, ovhsim.Rule{Method: r.Method, Path: r.Path})
	}
	w.sim.SetCredential("", "", rules)
	must(t, w.up(t, s).err)
	if _, err := s.refresh(mustProcess(t, w)); err != nil {
		t.Fatal(err)
	}
	must(t, w.up(t, &stack{program: program, state: map[string]entry{}}).err)
	must(t, s.destroy(mustProcess(t, w)))
}
