//go:build e2e

package e2e

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// publicKey is that of a host's interface.
const publicKey = "wg show wg0 public-key"

// keys rotates the WireGuard keys of all hosts, in two runs, and no connection over the mesh is lost.
func (w *walk) keys(t *testing.T, ctx context.Context) {
	old := w.each(t, ctx, publicKey)
	const described = `{Path: "Mesh.Keys", Why: "keys are rotated", Apply: func(s *Stack) { s.Mesh.Keys = []int{%s} }},
		`
	const before = `{Path: "Data", `
	told := fmt.Sprintf(described, "1, 2")
	w.edit(t, "stacks/local.go", before, told+before)
	w.rotates(t, ctx)
	if err := w.pulumi.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	if now := w.each(t, ctx, publicKey); !maps.Equal(now, old) {
		t.Errorf("the hosts use other keys already: %v, before %v", now, old)
	}

	w.edit(t, "stacks/local.go", told, fmt.Sprintf(described, "2"))
	end := w.connected(t, ctx)
	if err := w.pulumi.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	end()
	now := w.each(t, ctx, publicKey)
	var hosts []string
	for _, node := range plan(t).Members {
		hosts = append(hosts, node.Mesh.String())
	}
	for _, node := range plan(t).Members {
		if now[node.Name] == old[node.Name] {
			t.Errorf("%s has the key %s still", node.Name, now[node.Name])
		}
		// What is left of the old keys: no peer, no file, nobody who waits; and every host answers.
		out, err := w.on(ctx, node.Name, `cd /etc/wireguard && echo private.key*; wg show wg0 peers | wc -l; ls /etc/systemd/system/havre-mesh-follow.service 2>&1 | grep -c 'No such'
for address in `+strings.Join(hosts, " ")+`; do ping -q -c 1 -W 2 "$address" >/dev/null || echo "no answer from $address"; done`)
		if want := fmt.Sprintf("private.key.2\n%d\n1\n", len(hosts)-1); err != nil || out != want {
			t.Errorf("%s: %v\n got %s\nwant %s", node.Name, err, out, want)
		}
	}
	w.unchanged(t, ctx)
}

// rotates: a rotation updates the hosts' keys and interfaces, and nothing else.
func (w *walk) rotates(t *testing.T, ctx context.Context) {
	t.Helper()
	var wanted []string
	for _, node := range plan(t).Members {
		wanted = append(wanted, node.Name+"-wireguard", node.Name+"-wireguard-key")
	}
	slices.Sort(wanted)
	changes := w.updates(t, ctx)
	delete(changes, "same")
	if len(changes) != 1 || !slices.Equal(changes["update"], wanted) {
		t.Errorf("a rotation changes %v, want updates of %v alone", changes, wanted)
	}
}

// connected opens one connection over the mesh, from a worker to the first control-plane node, and sends a line through it ten times a second; and it fetches pictures
// from the edge. The function that it gives ends both: the connection must be the same still, and no picture missed.
func (w *walk) connected(t *testing.T, ctx context.Context) (end func()) {
	t.Helper()
	through, err := w.through(t, "local").Dial("tcp", plan(t).ControlPlane[0].Mesh.String()+":22")
	if err != nil {
		t.Fatal(err)
	}
	// Whose key it is was checked by the run; here it only has to be one connection.
	config := &ssh.ClientConfig{User: "debian", Auth: []ssh.AuthMethod{ssh.PublicKeys(w.signer(t))}, HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	conn, channels, requests, err := ssh.NewClientConn(through, "control plane", config)
	if err != nil {
		t.Fatal(err)
	}
	client := ssh.NewClient(conn, channels, requests)
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("cat"); err != nil {
		t.Fatal(err)
	}

	stop := make(chan struct{})
	lines, pictures := make(chan error, 1), make(chan error, 1)
	var longest time.Duration
	sent, fetched := 0, 0
	until := func(done chan error, every time.Duration, do func() error) {
		var failed error
		for {
			select {
			case <-stop:
				done <- failed
				return
			case <-time.After(every):
				if failed == nil {
					failed = do()
				}
			}
		}
	}
	back := bufio.NewScanner(out)
	go until(lines, 100*time.Millisecond, func() error {
		began := time.Now()
		if _, err := fmt.Fprintln(in, sent); err != nil {
			return err
		}
		if !back.Scan() || back.Text() != fmt.Sprint(sent) {
			return fmt.Errorf("line %d came back as %q: %w", sent, back.Text(), cmp.Or(back.Err(), io.ErrUnexpectedEOF))
		}
		sent, longest = sent+1, max(longest, time.Since(began))
		return nil
	})
	edge := w.edge(t, ctx)
	go until(pictures, 100*time.Millisecond, func() error {
		fetched++
		return edge.Fetch(ctx, edge.Addresses[fetched%len(edge.Addresses)], edge.Domain, reader)
	})
	return func() {
		close(stop)
		if err := <-lines; err != nil || sent == 0 {
			t.Errorf("the connection over the mesh, after %d lines: %v", sent, err)
		}
		if err := <-pictures; err != nil || fetched == 0 {
			t.Errorf("picture %d: %v", fetched, err)
		}
		t.Logf("%d lines through one connection, the slowest of %s; %d pictures", sent, longest.Round(time.Millisecond), fetched)
		_ = client.Close()
	}
}
