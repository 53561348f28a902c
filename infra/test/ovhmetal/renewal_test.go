package ovhmetal

import (
	"testing"
	"time"

	"havre/components/ovh/order"
	"havre/infra/sandbox/ovhsim"
)

// view is one service as the account holds it.
func (w *world) view(t testing.TB, name string) ovhsim.ServiceView {
	t.Helper()
	for _, v := range w.sim.Services() {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("the account never held %s", name)
	return ovhsim.ServiceView{}
}

func bothKinds() map[string]func(change map[string]any) []declared {
	return map[string]func(change map[string]any) []declared{
		"server": func(change map[string]any) []declared { return serverNode("n", "", change) },
		"vps":    func(change map[string]any) []declared { return vpsNode("n", change) },
	}
}

func TestRenewalIsTheStacksWord(t *testing.T) {
	for kind, node := range bothKinds() {
		t.Run(kind, func(t *testing.T) {
			w, s := begin(t, node(nil)...)
			must(t, w.up(t, s).err)
			service := s.state["n-server"].Outputs["serviceName"].StringValue()
			if v := w.view(t, service); !v.Renewed || v.Leaving {
				t.Errorf("a fresh service: %+v; want it renewed", v)
			}
			for _, on := range []bool{false, true} {
				s.program = node(map[string]any{"renewal": on})
				r := w.up(t, s)
				must(t, r.err)
				if len(r.changed) != 1 {
					t.Errorf("renewal %v changes %v", on, r.changed)
				}
				if v := w.view(t, service); v.Renewed != on || v.Leaving {
					t.Errorf("renewal %v: %+v", on, v)
				}
				if r := w.with(t, s, nil, true); r.err != nil || len(r.changed) != 0 {
					t.Errorf("renewal %v: a preview afterwards changes %v, %v", on, r.changed, r.err)
				}
			}
			expectLive(t, w, 1)
		})
	}
}

// TestNoRenewalSuspends lets a service that nobody renews pass its expiry: it is suspended, not forgotten, and a payment by hand brings it back.
func TestNoRenewalSuspends(t *testing.T) {
	w, s := begin(t, vpsNode("n", map[string]any{"renewal": false})...)
	must(t, w.up(t, s).err)
	service := s.state["n-server"].Outputs["serviceName"].StringValue()
	w.sim.Advance(32 * 24 * time.Hour)
	if _, err := s.refresh(mustProcess(t, w)); err != nil {
		t.Fatal(err)
	}
	if got := s.state["n-server"].Outputs["status"].StringValue(); got != "expired" {
		t.Errorf("status %q, want expired", got)
	}
	if r := w.with(t, s, nil, true); r.err != nil || len(r.changed) != 0 {
		t.Errorf("a preview of a suspended service changes %v, %v", r.changed, r.err)
	}
	must(t, w.sim.SetService(service, "ok"))
	if _, err := s.refresh(mustProcess(t, w)); err != nil {
		t.Fatal(err)
	}
	if got := s.state["n-server"].Outputs["status"].StringValue(); got != "running" {
		t.Errorf("status %q after the payment, want running", got)
	}
	expectLive(t, w, 1)
}

func expectLive(t testing.TB, w *world, orders int) {
	t.Helper()
	if b := w.sim.Books(); b.Count != orders || !b.Balanced {
		t.Errorf("%d orders, want %d", b.Count, orders)
	}
}

// gone gives a node up at expiry and says which service that was.
func gone(t *testing.T, w *world, s *stack) string {
	t.Helper()
	must(t, w.up(t, s).err)
	service := s.state["n-server"].Outputs["serviceName"].StringValue()
	must(t, s.destroy(mustProcess(t, w)))
	if v := w.view(t, service); v.Ended || !v.Leaving || v.Renewed || v.Tags["havre.mark"] != "" {
		t.Fatalf("%s after it was given up: %+v; want it to end at its expiry and to carry no mark", service, v)
	}
	return service
}

func endless(t *testing.T, program []declared) (*world, *stack) {
	t.Helper()
	w := newWorldWith(t, ovhsim.Options{})
	t.Cleanup(func() { must(t, w.close()) })
	return w, &stack{program: program, state: map[string]entry{}}
}

// TestANodeComesBack gives a node up and adds it again before its service ended: the termination is undone, nothing is ordered and nothing is wiped.
func TestANodeComesBack(t *testing.T) {
	for kind, node := range bothKinds() {
		t.Run(kind, func(t *testing.T) {
			w, s := endless(t, node(nil))
			service := gone(t, w, s)
			w.sim.Advance(10 * 24 * time.Hour)
			must(t, w.with(t, s, nil, true).err)
			if want := "takes " + service + " back, which this node gave up and which has not ended yet: its renewal is switched on again; nothing is ordered"; !w.said(want) {
				t.Errorf("the preview does not say %q; it says %v", want, w.lines)
			}
			must(t, w.with(t, s, nil, false).err)
			if got := s.state["n-server"].Outputs["serviceName"].StringValue(); got != service {
				t.Errorf("the node is %s now, want %s", got, service)
			}
			if v := w.view(t, service); !v.Renewed || v.Leaving || v.Tags["havre.mark"] == "" || v.Tags["havre.retired"] != "" || v.Installs != 1 {
				t.Errorf("%s came back as %+v", service, v)
			}
			w.sim.Advance(40 * 24 * time.Hour)
			if v := w.view(t, service); v.Ended || v.Suspended {
				t.Errorf("%s ended nevertheless: %+v", service, v)
			}
			expectLive(t, w, 1)
			if r := w.with(t, s, nil, true); r.err != nil || len(r.changed) != 0 {
				t.Errorf("a preview afterwards changes %v, %v", r.changed, r.err)
			}
		})
	}
}

// TestAnotherPlanDoesNotComeBack gives a node up and adds one of the same name and another plan: that is another server.
func TestAnotherPlanDoesNotComeBack(t *testing.T) {
	w, s := endless(t, vpsNode("n", nil))
	service := gone(t, w, s)
	s.program = vpsNode("n", map[string]any{"planCode": "vps-2027-model3"})
	must(t, w.up(t, s).err)
	if got := s.state["n-server"].Outputs["serviceName"].StringValue(); got == service {
		t.Errorf("%s was taken back as another plan", got)
	}
	expectLive(t, w, 2)
	// The state is lost as well: the mark tells the two apart.
	lost := &stack{program: s.program, state: map[string]entry{}}
	must(t, w.up(t, lost).err)
	if got, want := lost.state["n-server"].Outputs["serviceName"], s.state["n-server"].Outputs["serviceName"]; !got.DeepEquals(want) {
		t.Errorf("adopted %v, want %v", got, want)
	}
	expectLive(t, w, 2)
}

// TestEndedMeansOrderedAnew adds the node again too late.
func TestEndedMeansOrderedAnew(t *testing.T) {
	w, s := endless(t, vpsNode("n", nil))
	service := gone(t, w, s)
	w.sim.Advance(32 * 24 * time.Hour)
	must(t, w.up(t, s).err)
	if got := s.state["n-server"].Outputs["serviceName"].StringValue(); got == service {
		t.Errorf("%s has ended and is held nevertheless", got)
	}
	expectLive(t, w, 2)
}

// TestTerminationByHandIsTakenBack lets somebody give a server up in OVH's manager: a refresh shows it, and the next run undoes it.
func TestTerminationByHandIsTakenBack(t *testing.T) {
	w, s := endless(t, serverNode("n", "", nil))
	must(t, w.up(t, s).err)
	service := s.state["n-server"].Outputs["serviceName"].StringValue()
	info, err := w.client(t).ServiceInfo(t.Context(), order.Dedicated, service)
	must(t, err)
	info.Renew.DeleteAtExpiration = true
	must(t, w.client(t).SetRenew(t.Context(), order.Dedicated, service, info.Renew))
	if _, err := s.refresh(mustProcess(t, w)); err != nil {
		t.Fatal(err)
	}
	if want := service + " was given up outside of this stack and ends on "; !w.said(want) {
		t.Errorf("the refresh does not say %q; it says %v", want, w.lines)
	}
	must(t, w.up(t, s).err)
	if v := w.view(t, service); !v.Renewed || v.Leaving {
		t.Errorf("%+v; want it renewed", v)
	}
}

// TestChangedPlanIsNotAdopted loses the state, or the order's delivery, while the stack asks for another plan: neither is taken for what it is not.
func TestChangedPlanIsNotAdopted(t *testing.T) {
	w, s := begin(t, vpsNode("n", nil)...)
	w.sim.SetDelays(ovhsim.Delays{VPSDelivery: 1 << 40})
	expect(t, w.with(t, s, map[string]any{"waitMinutes": 0.005}, false).err, "is ordered, not delivered yet (")
	other := &stack{program: vpsNode("n", map[string]any{"planCode": "vps-2027-model3"}), state: map[string]entry{}}
	expect(t, w.with(t, other, nil, false).err, ", which this node placed, is for plan vps-2027-model2, and the stack now wants vps-2027-model3: nothing was bought; "+
		"set the plan back to vps-2027-model2 until the order is delivered, or give the new server a new node name")
	w.sim.Advance(1 << 41)
	must(t, w.with(t, s, nil, false).err)
	other.state = map[string]entry{}
	service := s.state["n-server"].Outputs["serviceName"].StringValue()
	expect(t, w.with(t, other, nil, true).err, "n-server: "+service+" is held for this node and is plan vps-2027-model2, but the stack wants vps-2027-model3: "+
		"nothing replaces a bought server; set the plan back to vps-2027-model2, or give the new server a new node name")
	expectLive(t, w, 1)
}
