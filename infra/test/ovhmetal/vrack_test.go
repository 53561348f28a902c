package ovhmetal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/components/ovh/order"
	"havre/infra/sandbox/ovhsim"
)

// network declares a vRack of the stack's own.
func network(change map[string]any) declared {
	in := map[string]any{"displayName": "private", "disposable": true}
	for k, v := range change {
		in[k] = v
	}
	return declared{"Vrack", "private-network", func(map[string]resource.PropertyMap) resource.PropertyMap { return props(in) }}
}

// inNetwork is a server that is plugged into it.
func inNetwork(name string, change map[string]any) []declared {
	return append(serverNode(name, "", change), declared{"VrackAttachment", name + "-vrack", func(o map[string]resource.PropertyMap) resource.PropertyMap {
		return resource.PropertyMap{"serviceName": output(o, name+"-server", "serviceName"), "vrack": output(o, "private-network", "serviceName")}
	}})
}

// vracks lists what the account holds beside the two that it begins with.
func (w *world) vracks() []ovhsim.ServiceView {
	var out []ovhsim.ServiceView
	for _, v := range w.sim.Services() {
		if v.Kind == "vrack" && v.Name != ovhsim.FirstVrack && v.Name != ovhsim.SecondVrack {
			out = append(out, v)
		}
	}
	return out
}

// TestVrackIsOrdered takes a private network from its order to servers that are plugged into it, gives it up, and takes it back.
func TestVrackIsOrdered(t *testing.T) {
	w, s := begin(t, append([]declared{network(nil)}, inNetwork("n", nil)...)...)
	must(t, w.with(t, s, nil, true).err)
	if want := "orders a vrack, free of charge: a checkout that asks for money is refused"; !w.said(want) {
		t.Errorf("the preview does not say %q", want)
	}
	must(t, w.up(t, s).err)
	have := w.vracks()
	if len(have) != 1 || have[0].DisplayName != "private" || have[0].Tags["havre.mark"] != s.state["private-network"].Outputs["mark"].StringValue() {
		t.Fatalf("the account holds %+v", have)
	}
	pn := have[0].Name
	if v := w.view(t, s.state["n-server"].ID); v.Vrack != pn || s.state["private-network"].ID != pn {
		t.Errorf("the server is in %q, the state has %q; want %s", v.Vrack, s.state["private-network"].ID, pn)
	}
	expectOrders(t, w, 2, 183.98)
	quiet(t, w, s)

	// A lost state finds it again, from another machine.
	lost := &stack{program: s.program, state: map[string]entry{}}
	w.cache = t.TempDir()
	must(t, w.up(t, lost).err)
	expectOrders(t, w, 2, 183.98)
	if got := lost.state["private-network"].ID; got != pn {
		t.Errorf("a lost state found %q, want %s", got, pn)
	}

	lost.program[0] = network(map[string]any{"displayName": "backbone"})
	must(t, w.up(t, lost).err)
	if got := w.vracks()[0].DisplayName; got != "backbone" {
		t.Errorf("its name is %q, want backbone", got)
	}
	quiet(t, w, lost)

	whole := lost.program
	lost.program = whole[:1]
	expect(t, lost.destroy(mustProcess(t, w)), "private-network: "+pn+" still joins 1 interfaces; take their servers out of it first, then remove it")
	lost.program = whole
	must(t, lost.destroy(mustProcess(t, w)))
	if v := w.vracks()[0]; v.Ended || v.Tags["havre.mark"] != "" || v.Tags["havre.retired"] == "" {
		t.Errorf("after it was given up: %+v", v)
	}
	if want := pn + " stays in the account, empty and free of charge, and this node takes it back when the stack names it again; OVH ends it in its manager"; !w.said(want) {
		t.Errorf("it does not say %q", want)
	}
	again := &stack{program: whole[:1], state: map[string]entry{}}
	must(t, w.up(t, again).err)
	if got := w.vracks(); len(got) != 1 || got[0].Tags["havre.mark"] == "" || got[0].Tags["havre.retired"] != "" {
		t.Errorf("taken back: %+v", got)
	}
	if want := pn + " was given up by this node and has not ended yet: it comes back, nothing is ordered"; !w.said(want) {
		t.Errorf("it does not say %q", want)
	}
}

// dear is a way to the simulator on which every dry run asks for ten euros.
type dear struct{}

func (dear) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/checkout") {
		return resp, err
	}
	defer resp.Body.Close()
	var bill map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&bill); err != nil {
		return nil, err
	}
	bill["prices"].(map[string]any)["withoutTax"] = map[string]any{"currencyCode": "EUR", "value": 10}
	text, err := json.Marshal(bill)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return resp, err
}

// TestVrackIsNeverPaidFor lets OVH ask for money: nothing is bought.
func TestVrackIsNeverPaidFor(t *testing.T) {
	w, s := begin(t, network(nil))
	server, err := w.process(&wire{next: dear{}}, nil)
	must(t, err)
	expect(t, s.run(server, false).err, "private-network: nothing was bought: OVH asks 10.00 EUR for a vrack, which is free; look at its price list, order it by hand if that is right, and name it in the stack (Adopt)")
	if b := w.sim.Books(); b.Count != 0 || len(s.state) != 0 {
		t.Errorf("%d orders, state %v", b.Count, s.state)
	}
}

// TestVrackWaitsAndResumes ends a run while OVH is at work; the next one goes on with the same order.
func TestVrackWaitsAndResumes(t *testing.T) {
	w, s := begin(t, network(nil))
	w.sim.SetDelays(ovhsim.Delays{Checking: 1 << 40})
	expect(t, w.with(t, s, map[string]any{"waitMinutes": 0.005}, false).err, "is ordered, not delivered yet (")
	if e := s.state["private-network"]; !e.Incomplete || e.ID != "order/"+e.Outputs["orderId"].StringValue() {
		t.Errorf("the state keeps %+v", e)
	}
	w.sim.Advance(1 << 41)
	must(t, w.up(t, s).err)
	if b := w.sim.Books(); b.Count != 1 || len(w.vracks()) != 1 {
		t.Errorf("%d orders, %d vRacks", b.Count, len(w.vracks()))
	}
}

// TestTwoRunsOrderOneVrack lets two machines order the same private network at the same moment.
func TestTwoRunsOrderOneVrack(t *testing.T) {
	for round := range 10 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			w, s := begin(t, network(nil))
			w.sim.SetDelays(ovhsim.Delays{Delivery: 20 * time.Millisecond})
			var wait sync.WaitGroup
			for i, one := range []*stack{s, {program: s.program, state: map[string]entry{}}} {
				w.cache = t.TempDir() // a machine of its own
				server, err := w.process(&wire{}, nil)
				must(t, err)
				wait.Go(func() {
					for range 8 {
						if one.run(server, false).err == nil {
							return
						}
					}
					t.Errorf("run %d never settled", i)
				})
			}
			wait.Wait()
			if b := w.sim.Books(); b.Live != 1 || len(w.vracks()) != 1 {
				t.Errorf("%d live orders, %d vRacks; want 1", b.Live, len(w.vracks()))
			}
		})
	}
}

// TestVrackRefused holds the messages of what may not be.
func TestVrackRefused(t *testing.T) {
	w, s := begin(t, network(map[string]any{"displayName": "a name of a private network that is longer than OVH takes"}))
	expect(t, w.with(t, s, nil, true).err, `displayName "a name of a private network that is longer than OVH takes" has 57 characters, OVH takes 50; shorten it`)
	if got := order.Vrack.Traits(); got.Machine || got.Route != "/vrack" {
		t.Errorf("traits %+v", got)
	}
	s.program = []declared{network(map[string]any{"disposable": false})}
	must(t, w.up(t, s).err)
	pn := s.state["private-network"].ID
	expect(t, s.destroy(mustProcess(t, w)), pn+" is not given up: the stack has not retired this node; set Retired on it, run pulumi up, and only then remove it")
}
