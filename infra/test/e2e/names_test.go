//go:build e2e

package e2e

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"havre/components/naming"
	"havre/services/render"
)

// resolved: every node is answered by its own resolver, and one that hangs is missed by nobody else.
func (w *walk) resolved(t *testing.T, ctx context.Context) {
	p := plan(t)
	name := strings.Join([]string{render.App, render.Namespace, "svc", p.Stack.Services.Domain}, ".")
	nodes := slices.Concat(p.ControlPlane, p.Workers)
	for _, node := range nodes {
		if answers := w.lookUp(t, ctx, node.Name, name, 3); answers != 3 {
			t.Errorf("%s: %d of 3 lookups of %s are answered", node.Name, answers, name)
		}
	}
	// As on a node that has just died: the pod is Ready for all that the API server knows.
	hung := p.Workers[0].Name
	signal := func(s string) {
		if out, err := w.on(ctx, hung, "pkill -"+s+" -x -f '/"+naming.DNSApp+" .*'"); err != nil {
			t.Fatalf("%s to the resolver of %s: %v: %s", s, hung, err, out)
		}
	}
	signal("STOP")
	defer signal("CONT")
	for _, node := range nodes {
		wanted := 20
		if node.Name == hung {
			wanted = 0
		}
		if answers := w.lookUp(t, ctx, node.Name, name, max(wanted, 1)); answers != wanted {
			t.Errorf("%s: %d lookups are answered while the resolver of %s hangs, want %d", node.Name, answers, hung, wanted)
		}
	}
}

// lookUp asks the cluster's resolver for an address, from the node's own network, and gives how many answers of an address came within a second each.
func (w *walk) lookUp(t *testing.T, ctx context.Context, node, name string, times int) (answers int) {
	t.Helper()
	// RFC 1035: an identifier, recursion desired, one question; the name; A, IN.
	query := "\x2a\x2a\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	for label := range strings.SplitSeq(name, ".") {
		query += string(rune(len(label))) + label
	}
	query += "\x00\x00\x01\x00\x01"
	var escaped strings.Builder
	for _, b := range []byte(query) {
		fmt.Fprintf(&escaped, `\x%02x`, b)
	}
	out, err := w.on(ctx, node, fmt.Sprintf(`for _ in $(seq %d); do
  exec 3<>/dev/udp/%s/53
  printf '%s' >&3
  timeout 1 dd bs=512 count=1 status=none <&3 | od -An -v -tx1 | tr -d ' \n'
  echo
done`, times, plan(t).ClusterDNS, escaped.String()))
	if err != nil {
		t.Fatalf("%s: %v", node, err)
	}
	for line := range strings.Lines(out) {
		message, err := hex.DecodeString(strings.TrimSpace(line))
		if err == nil && len(message) > 12 && message[3]&0xf == 0 && message[7] > 0 {
			answers++
		}
	}
	return answers
}
