package ovhmetal

import (
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/infra/sandbox/ovhsim"
)

// billOf is the stack's Budget over servers with flags of their own.
func billOf(servers map[string]map[string]any) declared {
	return declared{"Budget", "stack-budget", func(map[string]resource.PropertyMap) resource.PropertyMap {
		nodes := []any{}
		for name, flags := range servers {
			node := map[string]any{"name": name, "kind": "dedicated", "planCode": "24rise03", "datacenter": "rbx"}
			for k, v := range flags {
				node[k] = v
			}
			nodes = append(nodes, node)
		}
		return props(map[string]any{"limit": "1000.00", "nodes": nodes})
	}}
}

// TestNoNodeLeavesUnannounced: the description says that a node is given up before it forgets it, and hears so at preview.
func TestNoNodeLeavesUnannounced(t *testing.T) {
	retired := map[string]any{"retired": true}
	w, s := begin(t, billOf(map[string]map[string]any{"a": nil, "b": nil}))
	must(t, w.with(t, s, nil, false).err)
	for _, program := range []declared{billOf(map[string]map[string]any{"a": nil}), billOf(map[string]map[string]any{"a": nil, "c": nil})} {
		s.program = []declared{program}
		for _, preview := range []bool{true, false} {
			expect(t, w.with(t, s, nil, preview).err, "node b is not in the stack any more, but its server was never given up: put its line back, retired, and run, "+
				"which drains it and takes it out of the cluster; then remove the line and run again. A node that was only renamed gets its old name back: its name is its identity")
		}
	}
	s.program = []declared{billOf(map[string]map[string]any{"a": nil, "b": retired})}
	if r := w.with(t, s, nil, false); r.err != nil || len(r.changed) != 1 {
		t.Errorf("retiring changes %v, %v", r.changed, r.err)
	}
	s.program = []declared{billOf(map[string]map[string]any{"a": nil})}
	must(t, w.with(t, s, nil, true).err)
	must(t, w.with(t, s, nil, false).err)
	s.program = []declared{billOf(nil)}
	expect(t, w.with(t, s, nil, true).err, "node a is not in the stack any more")
}

// TestReverseWaitsForItsName: OVH takes a reverse once its own resolvers see the name, and that of a new record takes a while.
func TestReverseWaitsForItsName(t *testing.T) {
	var asked atomic.Int64
	w := newWorld(t, ovhsim.Options{Resolves: func(name string) []netip.Addr {
		if name != "n.example.net" || asked.Add(1) < 4 {
			return nil
		}
		return []netip.Addr{netip.MustParseAddr("198.51.100.11")}
	}})
	t.Cleanup(func() { must(t, w.close()) })
	s := &stack{state: map[string]entry{}, program: append(serverNode("n", "", nil),
		beside("ReverseDNS", "n-reverse", "address", "address", map[string]any{"reverse": "n.example.net"}))}
	must(t, w.up(t, s).err)
	if got, err := w.client(t).Reverse(t.Context(), "198.51.100.11"); err != nil || got != "n.example.net." || asked.Load() != 4 {
		t.Errorf("reverse %q, %v after %d looks; want n.example.net. after 4", got, err, asked.Load())
	}
	if !w.said("waiting until OVH finds that n.example.net resolves to 198.51.100.11") {
		t.Errorf("it waits in silence: %s", strings.Join(w.lines, "\n"))
	}
	// A run on a lost state writes nothing: the name is what it is to be.
	delete(s.state, "n-reverse")
	before := len(w.sim.Requests())
	must(t, w.up(t, s).err)
	for _, r := range w.sim.Requests()[before:] {
		if r.Method == http.MethodPost && strings.HasSuffix(r.Route, "/reverse") {
			t.Error("the reverse was set again")
		}
	}

	s.program[2] = beside("ReverseDNS", "n-reverse", "address", "address", map[string]any{"reverse": "elsewhere.example.net"})
	expect(t, w.with(t, s, map[string]any{"waitMinutes": 0.001}, false).err, "reverse of 198.51.100.11: POST /ip/198.51.100.11%2F32/reverse: 400 Client::BadRequest: "+
		"Cannot check if elsewhere.example.net resolves to 198.51.100.11")
}
