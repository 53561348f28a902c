package ovhmetal

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/infra/sandbox/ovhsim"
)

// instanceNode is what components/ovh registers of an instance; a change of nil takes an input away.
func instanceNode(name string, change map[string]any) declared {
	wish := map[string]any{
		"project": ovhsim.CloudProject, "region": "GRA11", "flavor": "c3-64", "image": "Debian 12", "hostname": name, "sshPublicKey": publicKey, "maxHourly": "0.664",
	}
	maps.Copy(wish, change)
	return declared{"Instance", name + "-server", func(map[string]resource.PropertyMap) resource.PropertyMap { return props(wish) }}
}

// living are the instances that cost.
func living(w *world) (list []ovhsim.InstanceView) {
	for _, i := range w.sim.Instances() {
		if i.Ended.IsZero() {
			list = append(list, i)
		}
	}
	return list
}

// hand is a clock that is set by hand.
type hand struct {
	mu  sync.Mutex
	now time.Time
}

func (h *hand) Now() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.now }

func (h *hand) set(t time.Time) { h.mu.Lock(); h.now = t; h.mu.Unlock() }

func TestLifeOfAnInstance(t *testing.T) {
	at := &hand{now: time.Date(2026, 11, 21, 13, 50, 0, 0, time.UTC)}
	w := newWorld(t, ovhsim.Options{Clock: at.Now})
	t.Cleanup(func() { must(t, w.close()) })
	bill := declared{"Budget", "fleet-budget", func(map[string]resource.PropertyMap) resource.PropertyMap {
		return props(map[string]any{"limit": "1000.00", "nodes": []any{
			map[string]any{"name": "a", "kind": "instance", "planCode": "c3-64", "datacenter": "GRA11", "project": ovhsim.CloudProject},
			map[string]any{"name": "b", "kind": "instance", "planCode": "c3-8", "datacenter": "RBX-A", "project": ovhsim.CloudProject},
		}})
	}}
	s := &stack{state: map[string]entry{}, program: []declared{bill, instanceNode("a", nil), instanceNode("b", map[string]any{"flavor": "c3-8", "region": "RBX-A", "maxHourly": nil})}}
	server, err := w.process(&wire{}, nil)
	must(t, err)
	must(t, s.clone().run(server, true).err)
	if len(w.sim.Instances()) != 0 {
		t.Fatal("a preview made an instance")
	}
	for _, want := range []string{
		"the stack costs 0.00 EUR a month, and 545.31 after this run (net; 654.37 with tax), of a budget of 1000.00; new: a 484.72 a month; b 60.59 a month",
		"makes an instance c3-64 with Debian 12 in GRA11: 0.664 EUR an hour, net, until it is deleted",
	} {
		if !w.said(want) {
			t.Errorf("preview does not say %q; it says:\n%s", want, strings.Join(w.lines, "\n"))
		}
	}
	must(t, s.run(server, false).err)
	list := living(w)
	if len(list) != 2 || list[0].Status != "ACTIVE" || !strings.HasPrefix(list[0].Name, "havre:havre/test/a-server:") || list[0].Flavor != "c3-64" || list[1].Region != "RBX-A" {
		t.Fatalf("instances %+v", list)
	}
	out := s.state["a-server"].Outputs
	for key, want := range map[resource.PropertyKey]string{
		"address": list[0].Address.String(), "hostKey": "ssh-ed25519 host-key-of-" + list[0].Address.String(), "serviceName": list[0].ID, "created": "2026-11-21T13:50:00Z",
		"hourlyPrice": "0.664", "monthlyPrice": "484.72", "status": "ACTIVE",
	} {
		if got := out[key].StringValue(); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	for _, v := range w.sim.Services() {
		if v.Name == list[0].ID && (v.Installed == nil || v.Installed.Hostname != "a" || len(v.Installed.AuthorizedKeys) != 1 || v.Installed.AuthorizedKeys[0] != publicKey || v.OS != "Debian 12") {
			t.Errorf("the host was made as %+v", v.Installed)
		}
	}
	if again := s.run(server, false); again.err != nil || len(again.changed) != 0 {
		t.Errorf("a second run changes %v, %v", again.changed, again.err)
	}
	drift, err := s.refresh(server)
	must(t, err)
	if len(drift) != 0 {
		t.Errorf("a refresh changes %v", drift)
	}
	lost := &stack{program: s.program, state: map[string]entry{}}
	must(t, lost.run(server, false).err)
	if n := len(w.sim.Instances()); n != 2 {
		t.Errorf("%d instances after a run on a lost state, want 2", n)
	}

	// From 13:50 to 16:10: four hours of the clock were begun. In another process, as a person would run it.
	at.set(time.Date(2026, 11, 21, 16, 10, 0, 0, time.UTC))
	server, err = w.process(&wire{}, nil)
	must(t, err)
	must(t, s.destroy(server))
	if list := living(w); len(list) != 0 {
		t.Errorf("after destroy there are %+v", list)
	}
	for _, want := range []string{
		"instance a (c3-64) is gone: 4 hours begun since 2026-11-21 13:50 UTC at 0.664 EUR, 2.66 EUR net",
		"instance b (c3-8) is gone: 4 hours begun since 2026-11-21 13:50 UTC at 0.083 EUR, 0.33 EUR net",
		"what was billed by the hour and ended in this run, 2 in all, has cost 2.99 EUR net; OVH's own bill of the project comes at the end of the month",
	} {
		if !w.said(want) {
			t.Errorf("destroy does not say %q; it says:\n%s", want, strings.Join(w.lines[max(0, len(w.lines)-8):], "\n"))
		}
	}
}

func TestInstanceRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change map[string]any
		want   string
	}{
		"too dear":     {map[string]any{"maxHourly": "0.6639"}, "nothing was made: an hour costs 0.664 EUR, above 0.6639 EUR; accept it in the stack's offer or choose another flavor"},
		"no flavor":    {map[string]any{"flavor": "c9-1"}, `flavor c9-1 is not sold in region "GRA11"; look at OVH's list of instances`},
		"no region":    {map[string]any{"region": "MARS1"}, "[region] Given data (MARS1) is not valid for type region"},
		"no image":     {map[string]any{"image": "Plan 9"}, `region GRA11 has no active image "Plan 9"; look at OVH's list of images`},
		"no stock":     {map[string]any{"region": "RBX-A"}, "nothing was made: region RBX-A has no room for flavor c3-64 now; choose another region or flavor, or run again later"},
		"project":      {map[string]any{"project": "0000"}, "The requested object (serviceName = 0000) does not exist"},
		"empty":        {map[string]any{"flavor": ""}, "flavor is empty; set it as OVH's manager shows it"},
		"hostname":     {map[string]any{"hostname": "1"}, `hostname "1" is not one label of 1 to 63 characters that begins with a letter`},
		"key":          {map[string]any{"sshPublicKey": "hunter2"}, "sshPublicKey is not a line of authorized_keys; give one that begins with ssh-ed25519"},
		"hour's price": {map[string]any{"maxHourly": "much"}, `maxHourly amount "much" is not a decimal`},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := begin(t, instanceNode("a", c.change))
			w.sim.SetStock("c3-64", "RBX-A", false)
			server, err := w.process(&wire{}, nil)
			must(t, err)
			for _, preview := range []bool{true, false} {
				if r := s.clone().run(server, preview); r.err == nil || !strings.Contains(r.err.Error(), c.want) {
					t.Errorf("preview %t: error %v, want %s", preview, r.err, c.want)
				}
			}
			if n := len(w.sim.Instances()); n != 0 {
				t.Errorf("%d instances", n)
			}
		})
	}
}

func TestAnInstanceStaysWhatItIs(t *testing.T) {
	w, s := begin(t, instanceNode("a", nil))
	server, err := w.process(&wire{}, nil)
	must(t, err)
	must(t, s.run(server, false).err)
	s.program = []declared{instanceNode("a", map[string]any{"flavor": "c3-8"})}
	want := `flavor cannot change from "c3-64" to "c3-8": an instance stays what it was made as; take the node out of the stack and run, then put it back`
	if r := s.run(server, true); r.err == nil || !strings.Contains(r.err.Error(), want) {
		t.Errorf("error %v, want %s", r.err, want)
	}
	s.program = []declared{instanceNode("a", map[string]any{"maxHourly": "0.70"})}
	if r := s.run(server, false); r.err != nil || strings.Join(r.changed, " ") != "a-server" || len(w.sim.Instances()) != 1 {
		t.Errorf("another bound changes %v, %v; instances %+v", r.changed, r.err, w.sim.Instances())
	}
}

// TestInstanceFaults: every fault at what makes and what ends an instance. There is one, and then there is none.
func TestInstanceFaults(t *testing.T) {
	const route = "/cloud/project/{serviceName}/instance"
	for _, kind := range []ovhsim.Kind{ovhsim.TooMany, ovhsim.FailBefore, ovhsim.FailAfter, ovhsim.DropBefore, ovhsim.DropAfter, ovhsim.Malformed, ovhsim.Refuse} {
		for _, at := range []ovhsim.Fault{{Method: "POST", Path: route}, {Method: "GET", Path: route}, {Method: "GET", Path: route + "/{instanceId}"}, {Method: "DELETE", Path: route + "/{instanceId}"}} {
			t.Run(fmt.Sprint(kind, at.Method, at.Path[len(route):]), func(t *testing.T) {
				w, s := begin(t, instanceNode("a", nil))
				at.Kind, at.Times = kind, 1
				_, err := w.sim.Fault(at)
				must(t, err)
				for runs := 1; ; runs++ {
					server, err := w.process(&wire{}, nil)
					must(t, err)
					r := s.run(server, false)
					if r.err == nil {
						break
					}
					if runs == 3 {
						t.Fatal(r.err)
					}
				}
				if list := w.sim.Instances(); len(list) != 1 || list[0].Status != "ACTIVE" {
					t.Errorf("instances %+v, want one", list)
				}
				for runs := 1; ; runs++ {
					server, err := w.process(&wire{}, nil)
					must(t, err)
					err = s.destroy(server)
					if err == nil {
						break
					}
					if runs == 3 {
						t.Fatal(err)
					}
				}
				if list := living(w); len(list) != 0 {
					t.Errorf("after destroy there are %+v", list)
				}
			})
		}
	}
}

// TestInstanceKills: the process dies at every call, before it reaches OVH and after; whether its state lived on or not, there is never a second instance.
func TestInstanceKills(t *testing.T) {
	for at := 1; ; at++ {
		struck := false
		for _, after := range []bool{false, true} {
			for _, forgets := range []bool{false, true} {
				w, s := begin(t, instanceNode("a", nil))
				ctx, cancel := context.WithCancel(t.Context())
				line := &wire{killAt: at, after: after, cancel: cancel}
				server, err := w.process(line, nil)
				if err == nil {
					first := s.clone()
					first.runIn(ctx, server, false)
					if !forgets {
						s.state = first.state
					}
				}
				cancel()
				struck = struck || line.dead
				server, err = w.process(&wire{}, nil)
				must(t, err)
				must(t, s.run(server, false).err)
				if list := w.sim.Instances(); len(list) != 1 || list[0].Status != "ACTIVE" {
					t.Errorf("killed at call %d, after %t, state lost %t: instances %+v", at, after, forgets, list)
				}
			}
		}
		if !struck {
			if at < 6 {
				t.Errorf("only %d calls", at-1)
			}
			return
		}
	}
}
