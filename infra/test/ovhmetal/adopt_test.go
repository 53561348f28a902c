package ovhmetal

import (
	"fmt"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/components/ovh/order"
)

// stranger makes a service of the account one that nobody's tool has ever touched: without tags, under the name given.
func (w *world) stranger(t *testing.T, kind order.Kind, service, display string) {
	t.Helper()
	c := w.client(t)
	s, err := c.Service(t.Context(), kind, service)
	must(t, err)
	for key := range s.IAM.Tags {
		must(t, c.Untag(t.Context(), s.IAM.URN, key))
	}
	id := int64(0)
	if kind.Traits().Machine {
		info, err := c.ServiceInfo(t.Context(), kind, service)
		must(t, err)
		id = info.ID
	}
	must(t, c.SetDisplayName(t.Context(), kind, service, id, display))
}

// kindOf is the kind of the node that bothKinds gives.
func kindOf(name string) order.Kind {
	if name == "vps" {
		return order.VPS
	}
	return order.Dedicated
}

// adopting is a node whose program says which service it is.
func adopting(node func(map[string]any) []declared, service string, generation int) []declared {
	program := node(map[string]any{"adopt": service})
	base := program[1]
	program[1] = declared{base.kind, base.name, func(o map[string]resource.PropertyMap) resource.PropertyMap {
		in := base.inputs(o)
		in["adopt"], in["generation"] = resource.NewProperty(true), resource.NewProperty(float64(generation))
		return in
	}}
	return program
}

// TestAdoptedByTheStacksWord takes a machine over that somebody ordered and installed by hand: without an import, an order or an installation.
func TestAdoptedByTheStacksWord(t *testing.T) {
	for name, node := range bothKinds() {
		t.Run(name, func(t *testing.T) {
			w, s := begin(t, node(nil)...)
			must(t, w.up(t, s).err)
			service := s.state["n-server"].ID
			w.stranger(t, kindOf(name), service, "web-7")
			before := w.sim.Books()

			s = &stack{program: adopting(node, service, 1), state: map[string]entry{}}
			must(t, w.with(t, s, nil, true).err)
			if want := "adopts " + service + ", as the stack says; nothing is ordered"; !w.said(want) {
				t.Errorf("the preview does not say %q", want)
			}
			must(t, w.up(t, s).err)
			if want := service + " is adopted as the stack says, nothing is ordered"; !w.said(want) {
				t.Errorf("the run does not say %q", want)
			}
			v := w.view(t, service)
			if v.Tags["havre.mark"] == "" || v.Tags["havre.generation"] != "1" || v.DisplayName != "n" || v.Installs != 1 {
				t.Errorf("%+v; want it marked, named and as it was installed", v)
			}
			if after := w.sim.Books(); after.Count != before.Count {
				t.Errorf("%d orders, %d before", after.Count, before.Count)
			}
			quiet(t, w, s)

			lost := &stack{program: s.program, state: map[string]entry{}}
			must(t, w.up(t, lost).err)
			quiet(t, w, lost)
			lost.program = adopting(node, service, 2)
			must(t, w.up(t, lost).err)
			if v := w.view(t, service); v.Installs != 2 || v.Tags["havre.generation"] != "2" {
				t.Errorf("%d installations, tags %v; want a second one by the stack's word", v.Installs, v.Tags)
			}
			expectOrders(t, w, before.Count, before.SpentWithoutTax)
		})
	}
}

// TestAdoptionRefused holds the messages of what the stack may not name.
func TestAdoptionRefused(t *testing.T) {
	w, s := begin(t, serverNode("n", "", nil)...)
	must(t, w.up(t, s).err)
	service, mark := s.state["n-server"].ID, s.state["n-server"].Outputs["mark"].StringValue()
	refused := func(name string, change map[string]any, want string) {
		t.Helper()
		other := &stack{program: serverNode(name, "", change), state: map[string]entry{}}
		expect(t, w.with(t, other, nil, true).err, want)
		expect(t, w.with(t, other, nil, false).err, want)
	}
	refused("m", map[string]any{"adopt": "ns1.example"}, "m-server: adopt names ns1.example, which the account does not have; correct it, or leave it out to order a new one")
	refused("m", map[string]any{"adopt": service}, "m-server: adopt names "+service+", which belongs to "+mark+"; take the tag havre.mark off it if that is no longer so")
	refused("n", map[string]any{"adopt": "ns1.example"}, "n-server: adopt names ns1.example, but "+service+" carries the mark of this node; correct adopt, or take the tag havre.mark off "+service)
	s.program = serverNode("n", "", map[string]any{"adopt": "ns1.example"})
	expect(t, w.with(t, s, nil, true).err, "adopt names ns1.example, but this node is "+service+": nothing replaces what a node has; correct adopt, or give the other one a new node name")
	w.stranger(t, order.Dedicated, service, "web-7")
	refused("m", map[string]any{"adopt": service, "datacenter": "gra"}, "m-server: adopt names "+service+", which stands in rbx8, but the stack wants gra; correct one of them")
	refused("m", map[string]any{"adopt": service, "planCode": "24adv03-v1"}, "m-server: "+service+" is held for this node and is plan 24rise03, but the stack wants 24adv03-v1: "+
		"nothing replaces a bought server; set the plan back to 24rise03, or give the new server a new node name")
	expectOrders(t, w, 1, 183.98)
}

// TestImportedAndLost imports services that somebody else bought, and loses the state before any run has written a mark: nothing is ordered a second time, and
// what is said names the way on.
func TestImportedAndLost(t *testing.T) {
	lasting := map[string]any{"disposable": false}
	for _, c := range []struct {
		kind    order.Kind
		display string
		node    func(name string, change map[string]any) []declared
	}{
		{order.Dedicated, "n", func(name string, change map[string]any) []declared { return serverNode(name, "", change) }},
		{order.VPS, "n", vpsNode},
		{order.Vrack, "private", func(name string, change map[string]any) []declared {
			d := network(change)
			d.name = name + "-server"
			return []declared{d}
		}},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			w, buyer := begin(t, c.node("somebody", lasting)...)
			must(t, w.up(t, buyer).err)
			service := buyer.state["somebody-server"].ID
			w.stranger(t, c.kind, service, c.display)
			before := w.sim.Books()

			importing := func() *stack {
				fresh := &stack{program: c.node("n", lasting), state: map[string]entry{}}
				for _, d := range fresh.program {
					fresh.state[d.name] = entry{ID: service}
				}
				_, err := fresh.refresh(mustProcess(t, w))
				must(t, err)
				if r := w.with(t, fresh, nil, true); r.err != nil || len(r.changed) != 0 {
					t.Errorf("a preview after the import changes %v, %v", r.changed, r.err)
				}
				return fresh
			}
			importing()
			if want := fmt.Sprintf("%s carries no mark yet: write Adopt: %q in the stack and run it, so that a lost state finds it", service, service); !w.said(want) {
				t.Errorf("the import does not say %q", want)
			}

			lost := &stack{program: c.node("n", lasting), state: map[string]entry{}}
			want := fmt.Sprintf("n-server: nothing was ordered, because the account holds what may be this node already, under its name %q and without any mark:\n  %s\n"+
				"    adopt it: write Adopt: %q in the stack, or pulumi import %s n-server %s\n  one that is something else: give it another name in OVH's manager",
				c.display, service, service, c.kind.Traits().Token, service)
			expect(t, w.with(t, lost, nil, true).err, want)
			expect(t, w.with(t, lost, nil, false).err, want)
			expectOrders(t, w, before.Count, before.SpentWithoutTax)

			// The stack's word marks what was imported; from then on a lost state finds it.
			imported := importing()
			word := c.node("n", map[string]any{"disposable": false, "adopt": service})[0]
			imported.program = append([]declared{word}, imported.program[1:]...)
			if r := w.with(t, imported, nil, false); r.err != nil || len(r.changed) != 1 || w.view(t, service).Tags["havre.mark"] == "" {
				t.Errorf("the run changes %v, %v; tags %v; want the mark", r.changed, r.err, w.view(t, service).Tags)
			}
			quiet(t, w, imported)
			lost.program = []declared{word}
			must(t, w.up(t, lost).err)
			expectOrders(t, w, before.Count, before.SpentWithoutTax)

			// One that is something else is told apart by another name.
			w.stranger(t, c.kind, service, "web-7")
			other := &stack{program: c.node("n", nil)[:1], state: map[string]entry{}}
			must(t, w.up(t, other).err)
			if got := w.sim.Books().Live; got != before.Live+1 {
				t.Errorf("%d live orders, want %d", got, before.Live+1)
			}
		})
	}
}

// TestTagsAndStateLost loses the tags of a service that this stack ordered, and the state with them: the order's own cart still tells whose it is.
func TestTagsAndStateLost(t *testing.T) {
	for name, node := range bothKinds() {
		t.Run(name, func(t *testing.T) {
			w, s := begin(t, node(nil)...)
			must(t, w.up(t, s).err)
			before := w.sim.Books()
			w.stranger(t, kindOf(name), s.state["n-server"].ID, "n")
			lost := &stack{program: s.program[:1], state: map[string]entry{}}
			must(t, w.up(t, lost).err)
			if got := lost.state["n-server"].ID; got != s.state["n-server"].ID {
				t.Errorf("the node is %s, want %s", got, s.state["n-server"].ID)
			}
			lost.program = s.program
			expect(t, w.with(t, lost, nil, false).err, "does not say what its disks hold (tag havre.generation), so it is never wiped by a first installation")
			lost.program = adopting(node, s.state["n-server"].ID, 1)
			must(t, w.up(t, lost).err)
			if v := w.view(t, s.state["n-server"].ID); v.Installs != 1 {
				t.Errorf("%d installations, want 1", v.Installs)
			}
			expectOrders(t, w, before.Count, before.SpentWithoutTax)
		})
	}
}

// TestImportedIsInstalledAnew raises the generation of an imported installation: the stack says so in so many words.
func TestImportedIsInstalledAnew(t *testing.T) {
	w, s := begin(t, serverNode("n", "", nil)...)
	must(t, w.up(t, s).err)
	service := s.state["n-server"].ID
	w.stranger(t, order.Dedicated, service, "n")
	imported := &stack{program: s.program, state: map[string]entry{}}
	for _, d := range s.program {
		imported.state[d.name] = entry{ID: s.state[d.name].ID}
	}
	_, err := imported.refresh(mustProcess(t, w))
	must(t, err)
	base := imported.program[1]
	imported.program = []declared{imported.program[0], {base.kind, base.name, func(o map[string]resource.PropertyMap) resource.PropertyMap {
		in := base.inputs(o)
		in["generation"] = resource.NewProperty(2.0)
		return in
	}}}
	must(t, w.up(t, imported).err)
	if v := w.view(t, service); v.Installs != 2 || v.Tags["havre.generation"] != "2" {
		t.Errorf("%d installations, tags %v; want 2", v.Installs, v.Tags)
	}
}
