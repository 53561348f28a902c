package ovhmetal

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/infra/sandbox/ovhsim"
)

// scenario is one change of a stack, whose calls are broken one after another. What comes before it happens undisturbed.
type scenario struct {
	name    string
	before  []func() []declared
	program func(change map[string]any) []declared // change: what the stack accepts after an error that asks for it
	orders  bool                                   // it buys, so stock, prices and OVH's own mistakes matter
	lasting bool                                   // what is given up ends at its expiry, as at OVH, and not at once
	weight  int                                    // its share of a sample
}

// Programs of the scenarios below.
func faultServer(change map[string]any) []declared {
	offer := map[string]any{"maxMonthly": "91.99", "maxSetup": "91.99"}
	for k, v := range change {
		offer[k] = v
	}
	return serverNode("rbx-worker-1", "pn-1000001", offer)
}

func faultVPS(change map[string]any) []declared {
	offer := map[string]any{"maxMonthly": "8.49"}
	for k, v := range change {
		offer[k] = v
	}
	return vpsNode("gra-control-1", offer)
}

// faultNetwork is a server in a private network of its own, with everything that may stand round one.
func faultNetwork(change map[string]any) []declared {
	of := func(kind, name, input, from string, rest map[string]any) declared {
		return declared{kind, name, func(o map[string]resource.PropertyMap) resource.PropertyMap {
			in := props(rest)
			in[resource.PropertyKey(input)] = output(o, "n-server", from)
			return in
		}}
	}
	return append(append([]declared{network(nil)}, inNetwork("n", change)...),
		declared{"SSHKey", "ops-key", func(map[string]resource.PropertyMap) resource.PropertyMap {
			return props(map[string]any{"keyName": "ops", "publicKey": publicKey})
		}},
		of("ReverseDNS", "n-reverse", "address", "address", map[string]any{"reverse": "n.example.net"}),
		of("EdgeFirewall", "n-firewall", "address", "address", map[string]any{"rules": []any{
			"permit udp to port 51820", "deny ipv4",
		}}))
}

func joinedServer() []declared {
	return append(faultServer(nil), declared{"Aggregation", "rbx-worker-1-aggregation", func(o map[string]resource.PropertyMap) resource.PropertyMap {
		return resource.PropertyMap{"serviceName": output(o, "rbx-worker-1-server", "serviceName")}
	}})
}

func secondGeneration(program []declared) []declared {
	base := program[1]
	return append([]declared{program[0], {base.kind, base.name, func(o map[string]resource.PropertyMap) resource.PropertyMap {
		in := base.inputs(o)
		in["generation"] = resource.NewProperty(2.0)
		return in
	}}}, program[2:]...)
}

// always forgets what a scenario that buys nothing need not accept.
func always(program []declared) func(map[string]any) []declared {
	return func(map[string]any) []declared { return program }
}

func once(programs ...[]declared) (steps []func() []declared) {
	for _, p := range programs {
		steps = append(steps, func() []declared { return p })
	}
	return steps
}

// scenarios are the lives whose every call meets every fault: the orders, and whatever else a service goes through.
func scenarios() []scenario {
	rescue := map[string]any{"rescue": true}
	return []scenario{
		{name: "server", program: faultServer, orders: true, weight: 6},
		{name: "vps", program: faultVPS, orders: true, weight: 6},
		{name: "vrack order", program: func(map[string]any) []declared { return []declared{network(nil)} }, orders: true, weight: 2},
		{name: "network", before: once(serverNode("n", "", nil)), program: always(faultNetwork(nil)), weight: 2},
		{name: "network given up", before: once(faultNetwork(nil)), program: always(serverNode("n", "", nil)), weight: 2},
		{name: "aggregation in a vRack", before: once(faultServer(nil)), program: always(joinedServer()), weight: 1},
		{name: "aggregation parted in a vRack", before: once(joinedServer()), program: always(faultServer(nil)), weight: 1},
		{name: "server to rescue", before: once(faultServer(nil)), program: always(faultServer(map[string]any{"rescue": true, "rescueKey": publicKey})), weight: 1},
		{name: "server from rescue", before: once(faultServer(rescue)), program: always(faultServer(nil)), weight: 1},
		{name: "vps to rescue", before: once(faultVPS(nil)), program: always(faultVPS(rescue)), weight: 1},
		{name: "vps from rescue", before: once(faultVPS(rescue)), program: always(faultVPS(nil)), weight: 1},
		{name: "server renewed no more", before: once(faultServer(nil)), program: always(faultServer(map[string]any{"renewal": false})), weight: 1},
		{name: "vps renewed no more", before: once(faultVPS(nil)), program: always(faultVPS(map[string]any{"renewal": false})), weight: 1},
		{name: "server given up", before: once(faultServer(nil)), program: always(nil), lasting: true, weight: 1},
		{name: "vps given up", before: once(faultVPS(nil)), program: always(nil), lasting: true, weight: 1},
		{name: "server taken back", before: once(faultServer(nil), nil), program: always(faultServer(nil)), lasting: true, weight: 1},
		{name: "vps taken back", before: once(faultVPS(nil), nil), program: always(faultVPS(nil)), lasting: true, weight: 1},
		{name: "server installed anew", before: once(faultServer(nil)), program: always(secondGeneration(faultServer(nil))), weight: 1},
		{name: "vps installed anew", before: once(faultVPS(nil)), program: always(secondGeneration(faultVPS(nil))), weight: 1},
	}
}

// stage makes the world of a scenario, with everything before it done.
func (sc scenario) stage(t testing.TB, o ovhsim.Options) (*world, *stack) {
	t.Helper()
	o.EndAtOnce = !sc.lasting
	w := newWorldWith(t, o)
	s := &stack{state: map[string]entry{}}
	for _, program := range sc.before {
		s.program = program()
		server, err := w.process(&wire{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r := s.run(server, false); r.err != nil {
			t.Fatalf("%s: before it: %v", sc.name, r.err)
		}
	}
	s.program = sc.program(nil)
	return w, s
}

// picture is what the account and the state look like in the end, less what numbers and names chance to be.
type picture struct {
	live, services int
	spent          float64
	lines          string
}

// chosen says whether a service is the scenario's, and not one that the account began with.
func chosen(v ovhsim.ServiceView) bool {
	return !v.Ended && v.Name != ovhsim.FirstVrack && v.Name != ovhsim.SecondVrack
}

func paint(w *world, s *stack) picture {
	books := w.sim.Books()
	var p picture
	p.live, p.spent = books.Live, books.SpentWithoutTax
	var lines, chance []string
	for _, v := range w.sim.Services() {
		if !chosen(v) {
			continue
		}
		p.services++
		chance = append(chance, v.Name, "a "+v.Kind)
		if v.Address.IsValid() {
			chance = append(chance, v.Address.String(), "an address")
		}
		installed := ""
		if v.Installed != nil {
			installed = v.Installed.OS + " " + strings.Join(v.Installed.AuthorizedKeys, ",")
			if v.Kind == ovhsim.KindDedicated { // a VPS takes its host name from its service's name, which is never the same twice
				installed += " " + v.Installed.Hostname
			}
		}
		tags := ""
		for _, key := range []string{"havre.mark", "havre.retired", "havre.generation", "havre.boot"} {
			tags += " " + v.Tags[key]
		}
		lines = append(lines, fmt.Sprint(v.Kind, " ", v.Plan, " ", v.Options, " ", v.DisplayName, tags, " ", v.Vrack, " leaving=", v.Leaving, " renewed=", v.Renewed,
			" installs=", v.Installs, " boot=", v.Boot, v.Netboot, " joined=", v.Aggregated, " ", v.Reverse, " ", v.Firewall, " ", installed))
	}
	names := make([]string, 0, len(s.state))
	for name := range s.state {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		e := s.state[name]
		lines = append(lines, fmt.Sprint(name, " ", e.Incomplete, " ", e.Outputs["phase"], e.Outputs["status"], e.Outputs["installedGeneration"], e.Outputs["vrack"],
			e.Outputs["monthlyPrice"], e.Outputs["reverse"], e.Outputs["rules"]))
	}
	p.lines = strings.NewReplacer(chance...).Replace(strings.Join(lines, "\n"))
	return p
}
