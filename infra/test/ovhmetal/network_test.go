package ovhmetal

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
	"havre/infra/sandbox/ovhsim"
)

// beside declares a resource of a server's that takes one of its outputs.
func beside(kind, name, input, output_ string, rest map[string]any) declared {
	return declared{kind, name, func(o map[string]resource.PropertyMap) resource.PropertyMap {
		in := props(rest)
		in[resource.PropertyKey(input)] = output(o, "n-server", output_)
		return in
	}}
}

func wall(rest map[string]any, rules ...any) declared {
	in := map[string]any{"rules": rules}
	for k, v := range rest {
		in[k] = v
	}
	return beside("EdgeFirewall", "n-firewall", "address", "address", in)
}

// quiet expects that neither a refresh nor a preview finds anything to do.
func quiet(t *testing.T, w *world, s *stack) {
	t.Helper()
	if drift, err := s.refresh(mustProcess(t, w)); err != nil || len(drift) != 0 {
		t.Errorf("a refresh changes %v, %v", drift, err)
	}
	if r := w.with(t, s, nil, true); r.err != nil || len(r.changed) != 0 {
		t.Errorf("a preview changes %v, %v", r.changed, r.err)
	}
}

func TestReverseDNS(t *testing.T) {
	name := func(n string) declared {
		return beside("ReverseDNS", "n-reverse", "address", "address", map[string]any{"reverse": n})
	}
	for kind, node := range bothKinds() {
		t.Run(kind, func(t *testing.T) {
			w, s := begin(t, append(node(nil), name("n.example.net"))...)
			must(t, w.up(t, s).err)
			address := s.state["n-reverse"].ID
			reads := func(want string) {
				t.Helper()
				if got, err := w.client(t).Reverse(t.Context(), address); err != nil || got != want {
					t.Errorf("%s is %q, %v; want %q", address, got, err, want)
				}
			}
			reads("n.example.net.")
			quiet(t, w, s)
			s.program[2] = name("m.example.net.")
			must(t, w.up(t, s).err)
			reads("m.example.net.")
			quiet(t, w, s)
			must(t, w.client(t).SetReverse(t.Context(), address, "by-hand.example.net."))
			if drift, err := s.refresh(mustProcess(t, w)); err != nil || strings.Join(drift, ",") != "n-reverse reverse" {
				t.Errorf("a refresh changes %v, %v", drift, err)
			}
			must(t, w.up(t, s).err)
			reads("m.example.net.")
			imported := &stack{program: s.program, state: map[string]entry{}}
			for _, d := range s.program {
				imported.state[d.name] = entry{ID: s.state[d.name].ID}
			}
			_, err := imported.refresh(mustProcess(t, w))
			must(t, err)
			s.program = s.program[2:]
			must(t, s.destroy(mustProcess(t, w)))
			if _, err := w.client(t).Reverse(t.Context(), address); !api.IsNotFound(err) {
				t.Errorf("the reverse lives on: %v", err)
			}
			s.program = append(node(nil), name("short"))
			expect(t, w.with(t, s, nil, true).err, `reverse "short" is not a full name; write it like web1.example.net`)
		})
	}
}

func TestEdgeFirewall(t *testing.T) {
	ssh := "permit tcp from 192.0.2.0/24 to port 22"
	back := "permit tcp established"
	mesh := "permit udp to port 51820"
	rest := "deny ipv4"
	w, s := begin(t, append(serverNode("n", "", nil), wall(nil, back, ssh, mesh, rest))...)
	must(t, w.up(t, s).err)
	address := s.state["n-firewall"].ID
	reads := func(on bool, want ...string) {
		t.Helper()
		f, err := w.client(t).Firewall(t.Context(), address)
		must(t, err)
		rules, err := w.client(t).FirewallRules(t.Context(), address)
		must(t, err)
		var got []string
		for _, r := range rules {
			got = append(got, fmt.Sprint(r.Sequence, " ", r.Action, " ", r.Protocol, " ", r.Source, " ", r.SourcePort, " ", r.DestinationPort, " ", r.TCPOption))
		}
		if f.Enabled != on || !slices.Equal(got, want) {
			t.Errorf("on %v, rules\n%s\nwant %v\n%s", f.Enabled, strings.Join(got, "\n"), on, strings.Join(want, "\n"))
		}
	}
	reads(true, "0 permit tcp any 0 0 established", "1 permit tcp 192.0.2.0/24 0 22 ", "2 permit udp any 0 51820 ", "3 deny ipv4 any 0 0 ")
	quiet(t, w, s)

	s.program[2] = wall(nil, back, mesh, rest)
	must(t, w.up(t, s).err)
	reads(true, "0 permit tcp any 0 0 established", "1 permit udp any 0 51820 ", "2 deny ipv4 any 0 0 ")
	quiet(t, w, s)
	must(t, w.client(t).DeleteFirewallRule(t.Context(), address, 1))
	if drift, err := s.refresh(mustProcess(t, w)); err != nil || strings.Join(drift, ",") != "n-firewall rules" {
		t.Errorf("a refresh changes %v, %v", drift, err)
	}
	s.program[2] = wall(map[string]any{"off": true}, back, mesh, rest)
	must(t, w.up(t, s).err)
	reads(false, "0 permit tcp any 0 0 established", "1 permit udp any 0 51820 ", "2 deny ipv4 any 0 0 ")
	quiet(t, w, s)

	many := make([]any, 21)
	for i := range many {
		many[i] = rest
	}
	for _, c := range []struct {
		rules []any
		want  string
	}{
		{many, "rules are 21, OVH takes 20; join some, or leave them to the host's own firewall"},
		{[]any{"permit tcp to 22"}, `rules rule "permit tcp to 22" cannot be read at "22"; write it like permit tcp from 192.0.2.0/24 to port 22`},
		{[]any{"allow tcp"}, `rules rule 0: action "allow" is neither permit nor deny; set one of them`},
		{[]any{"permit sctp"}, `rules rule 0: protocol "sctp" is none of ah, esp, gre, icmp, ipv4, tcp, udp; set one of them`},
		{[]any{"permit tcp from 192.0.2.1/24"}, `rules rule 0: source "192.0.2.1/24" is not an IPv4 network; write it like 192.0.2.0/24, or leave it out for any`},
		{[]any{"permit tcp to port 70000"}, `rules rule 0: port 70000 is not between 1 and 65535; leave it out for any`},
		{[]any{"permit icmp to port 80"}, `rules rule 0: protocol icmp has no ports; leave port 80 out`},
		{[]any{"permit udp syn"}, `rules rule 0: tcpOption "syn" is established or syn, and for tcp only; leave it out`},
	} {
		s.program[2] = wall(nil, c.rules...)
		expect(t, w.with(t, s, nil, true).err, c.want)
	}
	s.program = []declared{wall(nil, rest)}
	must(t, s.destroy(mustProcess(t, w)))
	if _, err := w.client(t).Firewall(t.Context(), address); !api.IsNotFound(err) {
		t.Errorf("the firewall lives on: %v", err)
	}
}

// TestFirewallThroughFaults spoils every call of a change once, one after another: the next run always ends with the rules that are wanted.
func TestFirewallThroughFaults(t *testing.T) {
	rest := "deny ipv4"
	mesh := "permit udp to port 51820"
	for _, kind := range []ovhsim.Kind{ovhsim.FailAfter, ovhsim.DropBefore, ovhsim.DropAfter, ovhsim.Malformed, ovhsim.TooMany} {
		t.Run(string(kind), func(t *testing.T) {
			w, s := begin(t, append(serverNode("n", "", nil), wall(nil, mesh, rest))...)
			for nth := 1; nth <= 12; nth++ {
				if _, err := w.sim.Fault(ovhsim.Fault{Kind: kind, Path: "/ip/*", Nth: nth, Times: 1}); err != nil {
					t.Fatal(err)
				}
				if r := w.with(t, s, nil, false); r.err != nil {
					must(t, w.with(t, s, nil, false).err)
				}
				w.sim.ClearFaults()
				rules, err := w.client(t).FirewallRules(t.Context(), s.state["n-firewall"].ID)
				must(t, err)
				if len(rules) != len(s.state["n-firewall"].Inputs["rules"].ArrayValue()) {
					t.Fatalf("call %d: %d rules", nth, len(rules))
				}
				if nth%2 == 0 {
					s.program[2] = wall(nil, mesh, rest)
				} else {
					s.program[2] = wall(nil, rest, mesh, rest)
				}
			}
		})
	}
}

func TestAggregation(t *testing.T) {
	w, s := begin(t, append(serverNode("n", "", nil), beside("Aggregation", "n-aggregation", "serviceName", "serviceName", nil))...)
	must(t, w.up(t, s).err)
	service := s.state["n-server"].ID
	groups, err := w.client(t).Interfaces(t.Context(), service, "vrack_aggregation")
	must(t, err)
	if len(groups) != 1 || s.state["n-aggregation"].Outputs["interfaceId"].StringValue() != groups[0] {
		t.Errorf("aggregations %v, state %v", groups, s.state["n-aggregation"].Outputs)
	}
	quiet(t, w, s)
	s.program = s.program[2:]
	must(t, s.destroy(mustProcess(t, w)))
	if groups, err = w.client(t).Interfaces(t.Context(), service, "vrack_aggregation"); err != nil || len(groups) != 0 {
		t.Errorf("aggregations %v, %v after it was given up", groups, err)
	}
}

// TestAggregationInAVrack joins and parts the interfaces of a server that is plugged into a vRack: it stays plugged. Where OVH would unplug it, a refresh sees
// that and the next run plugs it in again.
func TestAggregationInAVrack(t *testing.T) {
	joined := beside("Aggregation", "n-aggregation", "serviceName", "serviceName", nil)
	w, s := begin(t, append(serverNode("n", "pn-1000001", nil), joined)...)
	must(t, w.up(t, s).err)
	holds := func(aggregated bool, vrack string) {
		t.Helper()
		if v := w.view(t, s.state["n-server"].ID); v.Aggregated != aggregated || v.Vrack != vrack {
			t.Errorf("joined %v in %q, want %v in %q", v.Aggregated, v.Vrack, aggregated, vrack)
		}
	}
	holds(true, "pn-1000001")
	quiet(t, w, s)
	s.program = s.program[:3]
	if r := w.up(t, s); r.err != nil || strings.Join(r.changed, ",") != "n-aggregation" {
		t.Errorf("the run changes %v, %v", r.changed, r.err)
	}
	holds(false, "pn-1000001")
	quiet(t, w, s)

	must(t, w.client(t).VrackDetach(t.Context(), "pn-1000001", s.state["n-vrack"].Outputs["interfaceId"].StringValue()))
	w.eventually(t, "the interface is out of the vRack", func() bool { return w.view(t, s.state["n-server"].ID).Vrack == "" })
	if drift, err := s.refresh(mustProcess(t, w)); err != nil || strings.Join(drift, ",") != "n-vrack gone" {
		t.Errorf("a refresh changes %v, %v", drift, err)
	}
	must(t, w.up(t, s).err)
	holds(false, "pn-1000001")
}

// TestRescue boots a server into the rescue system and back; an unchanged stack boots nothing.
func TestRescue(t *testing.T) {
	w, s := begin(t, serverNode("n", "", nil)...)
	must(t, w.up(t, s).err)
	service := s.state["n-server"].ID
	reboots := func(want int) {
		t.Helper()
		n := 0
		for _, r := range w.sim.Requests() {
			if r.Method == http.MethodPost && strings.HasSuffix(r.Route, "/reboot") && r.Executed {
				n++
			}
		}
		if n != want {
			t.Errorf("%d reboots, want %d", n, want)
		}
	}
	reboots(0)
	s.program = serverNode("n", "", map[string]any{"rescue": true, "rescueKey": publicKey})
	must(t, w.up(t, s).err)
	reboots(1)
	if v := w.view(t, service); v.Tags["havre.boot"] != "rescue" || v.Boot != 1122 {
		t.Errorf("boots %d, tags %v; want the rescue system", v.Boot, v.Tags)
	}
	quiet(t, w, s)
	must(t, w.up(t, s).err)
	reboots(1)
	s.program = serverNode("n", "", nil)
	if _, err := w.sim.Fault(ovhsim.Fault{Kind: ovhsim.DropAfter, Method: "POST", Path: "/dedicated/server/{serviceName}/reboot", Times: 1}); err != nil {
		t.Fatal(err)
	}
	must(t, w.up(t, s).err) // the answer was lost, the reboot was not
	reboots(2)
	if v := w.view(t, service); v.Tags["havre.boot"] != "" || v.Boot != 1 || v.Installs != 1 {
		t.Errorf("boots %d, tags %v, %d installations; want its disks as they were", v.Boot, v.Tags, v.Installs)
	}
}

// TestRescueOfAVPS does the same to a VPS, which has no key there: OVH mails a password.
func TestRescueOfAVPS(t *testing.T) {
	w, s := begin(t, vpsNode("n", nil)...)
	must(t, w.up(t, s).err)
	service := s.state["n-server"].ID
	state := func(want, tag string) {
		t.Helper()
		v, err := w.client(t).Service(t.Context(), order.VPS, service)
		must(t, err)
		if v.State != want || v.IAM.Tags["havre.boot"] != tag {
			t.Errorf("state %q, tags %v; want %s", v.State, v.IAM.Tags, want)
		}
	}
	state("running", "")
	s.program = vpsNode("n", map[string]any{"rescue": true})
	must(t, w.up(t, s).err)
	state("rescued", "rescue")
	if want := service + " reboots from its rescue system"; !w.said(want) {
		t.Errorf("it does not say %q", want)
	}
	quiet(t, w, s)
	s.program = vpsNode("n", nil)
	if _, err := w.sim.Fault(ovhsim.Fault{Kind: ovhsim.DropAfter, Method: "POST", Path: "/vps/{serviceName}/reboot", Times: 1}); err != nil {
		t.Fatal(err)
	}
	must(t, w.up(t, s).err)
	state("running", "")
	quiet(t, w, s)
	s.program = vpsNode("n", map[string]any{"rescue": true, "rescueKey": publicKey})
	expect(t, w.with(t, s, nil, true).err, "rescueKey is for dedicated servers only: OVH mails a password for the rescue system of a VPS; leave it out")
}

// TestPartitions installs with a layout of the stack's own.
func TestPartitions(t *testing.T) {
	program := serverNode("n", "", nil)
	base := program[1]
	program[1] = declared{"Installation", base.name, func(o map[string]resource.PropertyMap) resource.PropertyMap {
		in := base.inputs(o)
		in["partitions"] = props(map[string]any{"p": []any{
			map[string]any{"mountPoint": "/boot", "fileSystem": "ext4", "sizeMiB": 1024.0},
			map[string]any{"mountPoint": "/", "fileSystem": "ext4", "sizeMiB": 0.0, "raidLevel": 1.0},
		}})["p"]
		return in
	}}
	w, s := begin(t, program...)
	must(t, w.up(t, s).err)
	quiet(t, w, s)
	if v := w.view(t, s.state["n-server"].ID); len(v.Layout) != 2 || v.Layout[0] != "/boot ext4 1024 RAID 1" || v.Layout[1] != "/ ext4 0 RAID 1" {
		t.Errorf("layout %q", v.Layout)
	}
}
