//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// newWorker is a worker of production that stack local leaves out.
const newWorker = "gra-worker-2"

func (w *walk) add(t *testing.T, ctx context.Context) {
	w.forget = w.edit(t, "stacks/local.go", `removeNodes(s, "`+newWorker+`", `, plugged("false")+`removeNodes(s, `)
	changes := w.updates(t, ctx)
	var wanted []string
	for _, node := range plan(t).Members {
		wanted = append(wanted, node.Name+"-wireguard")
	}
	slices.Sort(wanted)
	onHosts := slices.DeleteFunc(slices.Clone(changes["update"]), func(name string) bool { return !hostResource(name) })
	if !slices.Equal(onHosts, wanted) {
		t.Errorf("a new worker changes %v on the old hosts, want %v", onHosts, wanted)
	}
	for _, op := range []string{"replace", "delete", "create-replacement", "delete-replaced"} {
		if len(changes[op]) > 0 {
			t.Errorf("a new worker would %s %v", op, changes[op])
		}
	}

	pods := w.pods(t, ctx)
	from := slices.Sorted(maps.Keys(pods))[0]
	to := slices.Sorted(maps.Keys(pods))[len(pods)-1]
	pinging := make(chan string, 1)
	go func() {
		out, err := w.on(ctx, from, fmt.Sprintf("%sping -i 0.1 -c 600 -W 2 -q %s", inPod, pods[to]))
		pinging <- fmt.Sprint(out, err)
	}()
	if err := w.pulumi.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	if out := <-pinging; !strings.Contains(out, "600 packets transmitted, 600 received, 0% packet loss") {
		t.Errorf("a ping between old pods while a worker joined: %s", out)
	}
	if _, found := w.readyNodes(t, ctx)[newWorker]; !found {
		t.Errorf("node %s is not ready", newWorker)
	}
	w.orders(t, ctx, 8)
}

// plugged is what the walk writes about the new worker and the private network.
func plugged(in string) string {
	return "for i := range s.Nodes {\nif s.Nodes[i].Name == \"" + newWorker + "\" {\ns.Nodes[i].Vrack = " + in + "\n}\n}\n"
}

// private moves the new worker onto the private network, which is one field, and no packet over the mesh is lost meanwhile.
func (w *walk) private(t *testing.T, ctx context.Context) {
	w.edit(t, "stacks/local.go", plugged("false"), plugged("true"))
	changes := w.updates(t, ctx)
	wanted := []string{newWorker + "-base", newWorker + "-wireguard"}
	for _, node := range plan(t).Members {
		wanted = append(wanted, node.Name+"-wireguard")
	}
	slices.Sort(wanted)
	delete(changes, "same")
	if len(changes) != 2 || !slices.Equal(changes["create"], []string{newWorker + "-vrack"}) || !slices.Equal(changes["update"], wanted) {
		t.Errorf("a move onto the private network changes %v, want the attachment made, and updates of %v", changes, wanted)
	}

	meshed, err := w.on(ctx, newWorker, "ip -o -4 address show dev wg0 | awk '{split($4, a, \"/\"); print a[1]}'; wg show wg0 public-key")
	if err != nil {
		t.Fatal(err)
	}
	address, key, _ := strings.Cut(strings.TrimSpace(meshed), "\n")
	pinging := make(chan string, 1)
	go func() {
		out, err := w.on(ctx, worker, "ping -i 0.05 -c 1200 -W 2 -q "+address)
		pinging <- fmt.Sprint(out, err)
	}()
	if err := w.pulumi.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	if out := <-pinging; !strings.Contains(out, "1200 packets transmitted, 1200 received, 0% packet loss") {
		t.Errorf("a ping over the mesh while a worker moved onto the private network: %s", out)
	}
	network := plan(t).Stack.PrivateNetwork.CIDR
	endpoints, err := w.on(ctx, worker, "wg show wg0 endpoints")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(endpoints) {
		if peer, endpoint, _ := strings.Cut(strings.TrimSpace(line), "\t"); peer == key {
			if at, err := netip.ParseAddrPort(endpoint); err != nil || !network.Contains(at.Addr()) {
				t.Errorf("%s reaches %s at %s, want an address of %s", worker, newWorker, endpoint, network)
			}
			return
		}
	}
	t.Errorf("%s has no peer %s: %s", worker, key, endpoints)
}

// hostResource says whether a resource does something on a host, by the roles that hosts have.
func hostResource(name string) bool {
	for _, role := range []string{"-library", "-base", "-wireguard", "-wireguard-key", "-kubernetes", "-control-plane", "-join", "-installation", "-server", "-vrack"} {
		if strings.HasSuffix(name, role) {
			return true
		}
	}
	return false
}

// firstDifference is where the walk writes what it changes about nodes.
const firstDifference = `removeNodes(s, "gra-worker-3"`

// rescue boots the new worker from the rescue system. Nothing runs on it then, whatever changes elsewhere; without it the next run does what was left.
func (w *walk) rescue(t *testing.T, ctx context.Context) {
	back := w.edit(t, "stacks/local.go", firstDifference, "for i := range s.Nodes {\ns.Nodes[i].Rescue = s.Nodes[i].Name == \""+newWorker+"\"\n}\n"+firstDifference)
	changes := w.updates(t, ctx)
	if got := changes["update"]; !slices.Equal(got, []string{newWorker + "-server"}) {
		t.Errorf("a rescue updates %v, want the server alone", got)
	}
	if got := changes["delete"]; !slices.Equal(got, []string{"dns-pictures-" + newWorker}) {
		t.Errorf("a rescue deletes %v, want the record that leads readers to the host", got)
	}
	if err := w.pulumi.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	forget := w.edit(t, "stacks/local.go", `{Path: "Data", `, `{Path: "Mesh.Port", Why: "a change on every host", Apply: func(s *Stack) { s.Mesh.Port++ }},
		{Path: "Data", `)
	changes = w.updates(t, ctx)
	for _, node := range plan(t).Members {
		if name := node.Name + "-wireguard"; !slices.Contains(changes["update"], name) {
			t.Errorf("%s is not updated; updates: %v", name, changes["update"])
		}
	}
	for _, name := range changes["update"] {
		if strings.HasPrefix(name, newWorker) && hostResource(name) {
			t.Errorf("%s is updated while its host runs the rescue system", name)
		}
	}
	forget()
	back()
	if err := w.pulumi.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	if _, found := w.readyNodes(t, ctx)[newWorker]; !found {
		t.Errorf("node %s is not ready after its rescue", newWorker)
	}
}

func (w *walk) retire(t *testing.T, ctx context.Context) {
	w.edit(t, "stacks/local.go", firstDifference, "for i := range s.Nodes {\ns.Nodes[i].Retired = s.Nodes[i].Name == \""+newWorker+"\"\n}\n"+firstDifference)
	if err := w.pulumi.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	if _, found := w.readyNodes(t, ctx)[newWorker]; found {
		t.Errorf("node %s is still in the cluster after it was retired", newWorker)
	}
	var services []map[string]any
	w.control(t, ctx, "/services", &services)
	if got := w.liveHosts(t, ctx); got != 7 {
		t.Errorf("%d services after retiring, want the retired one still paid for: 7 (%v)", got, services)
	}
	// Now the description forgets it.
	w.forget()
	if err := w.pulumi.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	if got := w.liveHosts(t, ctx); got != 6 {
		t.Errorf("%d services after the node was removed, want 6", got)
	}
	if err := w.edge(t, ctx).Prove(ctx, reader); err != nil {
		t.Error(err)
	}
}

// liveHosts counts the servers and VPS that the simulator still bills.
func (w *walk) liveHosts(t *testing.T, ctx context.Context) int {
	t.Helper()
	var services []struct {
		Kind  string
		Ended bool
	}
	w.control(t, ctx, "/services", &services)
	live := 0
	for _, service := range services {
		if service.Kind != "vrack" && !service.Ended {
			live++
		}
	}
	return live
}
