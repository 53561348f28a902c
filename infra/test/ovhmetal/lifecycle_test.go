package ovhmetal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"havre/infra/sandbox/ovhsim"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// begin makes a world and one plugin process in it.
func begin(t *testing.T, program ...declared) (*world, *stack) {
	t.Helper()
	w := newWorld(t, ovhsim.Options{})
	t.Cleanup(func() { must(t, w.close()) })
	return w, &stack{program: program, state: map[string]entry{}}
}

func (w *world) up(t testing.TB, s *stack) report {
	t.Helper()
	server, err := w.process(&wire{}, nil)
	must(t, err)
	if r := s.run(server, true); r.err != nil {
		return r
	}
	server, err = w.process(&wire{}, nil)
	must(t, err)
	return s.run(server, false)
}

func TestLifeOfAServer(t *testing.T) {
	program := append(serverNode("rbx-worker-1", "pn-1000001", nil), vpsNode("gra-control-1", nil)...)
	w, s := begin(t, program...)
	server, err := w.process(&wire{}, map[string]any{"account": ovhsim.Account})
	must(t, err)

	preview := s.clone()
	r := preview.run(server, true)
	must(t, r.err)
	if len(r.changed) != 5 || len(w.sim.Books().Orders) != 0 {
		t.Fatalf("preview: changes %v, orders %v; want 5 changes and no order", r.changed, w.sim.Books().Orders)
	}
	if want := "orders 24rise03 in rbx with bandwidth-1000-24rise, ram-32g-ecc-3200-24rise, softraid-2x512nvme-24rise, vrack-bandwidth-1000-upto-2000-24rise: 91.99 EUR a month, 91.99 once, first bill 183.98 (net of taxes)"; !w.said(want) {
		t.Errorf("preview does not say %q; it says:\n%s", want, strings.Join(w.lines, "\n"))
	}

	must(t, s.run(server, false).err)
	books := w.sim.Books()
	if books.Count != 2 || books.SpentWithoutTax != 192.47 || !books.Balanced {
		t.Fatalf("books after the first run: %d orders, %.2f spent; want 2 and 192.47", books.Count, books.SpentWithoutTax)
	}
	outputs := s.state["rbx-worker-1-server"].Outputs
	for key, want := range map[string]string{
		"phase": "tagged", "status": "ok", "monthlyPrice": "91.99", "setupPrice": "91.99", "currency": "EUR", "address": "198.51.100.11",
	} {
		if got := outputs[resource.PropertyKey(key)]; !got.IsString() || got.StringValue() != want {
			t.Errorf("output %s is %v, want %q", key, got, want)
		}
	}
	if got := s.state["rbx-worker-1-installation"].Outputs["hostKey"].StringValue(); got != "ssh-ed25519 host-key-of-198.51.100.11" {
		t.Errorf("host key %q", got)
	}
	for _, v := range w.sim.Services() {
		if v.Kind == "vrack" {
			continue
		}
		if v.Installs != 1 || v.Tags["havre.generation"] != "1" || !strings.HasPrefix(v.Tags["havre.mark"], "havre:havre/test/") || v.Installed == nil {
			t.Errorf("service %s: %d installations, tags %v", v.Name, v.Installs, v.Tags)
		}
		if v.Kind == "dedicated" && v.Vrack != "pn-1000001" {
			t.Errorf("service %s is in vRack %q", v.Name, v.Vrack)
		}
	}

	again := s.run(server, false)
	must(t, again.err)
	if len(again.changed) != 0 {
		t.Errorf("a second run changes %v", again.changed)
	}
	drift, err := s.refresh(server)
	must(t, err)
	if len(drift) != 0 {
		t.Errorf("a refresh changes %v", drift)
	}
	if after := s.run(server, true); after.err != nil || len(after.changed) != 0 {
		t.Errorf("a preview after the refresh changes %v, %v", after.changed, after.err)
	}

	must(t, s.destroy(server))
	for _, v := range w.sim.Services() {
		if v.Kind != "vrack" && !v.Ended {
			t.Errorf("service %s lives on after destroy", v.Name)
		}
	}
	// The same names again: what was given up is not adopted, and nothing old keeps the new order from being placed.
	must(t, s.run(server, false).err)
	if n := w.sim.Books().Count; n != 4 {
		t.Errorf("%d orders after destroy and up, want 4", n)
	}
}

func TestLostStateIsAdopted(t *testing.T) {
	var program []declared
	for i := range 3 {
		program = append(program, serverNode(fmt.Sprintf("rbx-worker-%d", i+1), "pn-1000001", nil)...)
		program = append(program, vpsNode(fmt.Sprintf("gra-control-%d", i+1), nil)...)
	}
	w, s := begin(t, program...)
	must(t, w.up(t, s).err)
	books := w.sim.Books()
	lost := &stack{program: program, state: map[string]entry{}}
	w.cache = t.TempDir() // from another machine
	must(t, w.up(t, lost).err)
	if after := w.sim.Books(); after.Count != books.Count || after.SpentWithTax != books.SpentWithTax {
		t.Errorf("a run on an empty state ordered: %d orders before, %d after", books.Count, after.Count)
	}
	for _, v := range w.sim.Services() {
		if v.Kind != "vrack" && v.Installs != 1 {
			t.Errorf("service %s was installed %d times", v.Name, v.Installs)
		}
	}
	for name, e := range s.state {
		if got, want := lost.state[name].Outputs["serviceName"], e.Outputs["serviceName"]; !got.DeepEquals(want) {
			t.Errorf("%s: adopted %v, want %v", name, got, want)
		}
		if got, want := lost.state[name].Outputs["hostKey"], e.Outputs["hostKey"]; !got.DeepEquals(want) {
			t.Errorf("%s: host key %v, want %v", name, got, want)
		}
	}
	if r := lost.run(mustProcess(t, w), true); r.err != nil || len(r.changed) != 0 {
		t.Errorf("a preview after the adoption changes %v, %v", r.changed, r.err)
	}
}

func mustProcess(t testing.TB, w *world) rpc.ResourceProviderServer {
	t.Helper()
	server, err := w.process(&wire{}, nil)
	must(t, err)
	return server
}
