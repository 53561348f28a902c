package platform

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/hosttest"
	"havre/stacks"
)

// runsOn is the node on which a command runs: its connection comes from that node's installation.
func runsOn(r hosttest.Registration) string {
	for _, name := range r.PropertyDependsOn["connection"] {
		if node, found := strings.CutSuffix(name, "-installation"); found {
			return node
		}
	}
	return ""
}

// aboutNode says whether a resource is that of a node, by its logical name.
func aboutNode(name, node string) bool { return name == node || strings.HasPrefix(name, node+"-") }

// TestRescue: on a node in the rescue system nothing runs, all its resources stay, what other nodes do about it stays too, and no reader is led to it. The first
// control-plane node gives way to the next, for without it neither a node could join nor Kubernetes be reached.
func TestRescue(t *testing.T) {
	rescued := []string{"rbx-control-1", "gra-worker-2"}
	for _, mode := range hosttest.Both {
		t.Run(mode.String(), func(t *testing.T) {
			stack, file := described(t, "prod"), overlay(t)
			run := func() *hosttest.Engine {
				e := engine(t, stack)
				if err := e.Run(mode, func(ctx *pulumi.Context) error { return Deploy(ctx, stack, file) }); err != nil {
					t.Fatal(err)
				}
				return e
			}
			before := run()
			for i := range stack.Nodes {
				stack.Nodes[i].Rescue = slices.Contains(rescued, stack.Nodes[i].Name)
			}
			after := run()

			gone, come := without(before.URNs(), after.URNs()), without(after.URNs(), before.URNs())
			if len(gone) != 0 || len(come) != 0 {
				t.Errorf("gone %v, come %v; want neither", gone, come)
			}
			pool, err := after.Named("dns-pool-gra")
			if err != nil {
				t.Fatal(err)
			}
			for _, origin := range pool.Value("origins").ArrayValue() {
				o := origin.ObjectValue()
				if host := o["name"].StringValue(); o["enabled"].BoolValue() == slices.Contains(rescued, host) {
					t.Errorf("readers are led to %s: %t", host, o["enabled"].BoolValue())
				}
			}
			for _, r := range after.Registrations() {
				if r.Type != hosttest.CommandToken && r.Type != hosttest.CopyToken {
					continue
				}
				host, want := runsOn(r), "[] false"
				switch {
				case host == "":
					t.Errorf("%s runs nowhere: %v", r.Name, r.PropertyDependsOn)
				case slices.Contains(rescued, host):
					want = "[*] true"
				case slices.ContainsFunc(rescued, func(n string) bool { return aboutNode(r.Name, n) }):
					want = "[*] false" // what goes when the node is retired still drains it
				}
				if got := fmt.Sprint(r.IgnoreChanges, r.RetainOnDelete); got != want {
					t.Errorf("%s, which runs on %s, ignores changes of, is retained: %s; want %s", r.Name, host, got, want)
				}
			}
			for name, host := range map[string]string{
				"cluster-kubeconfig": "gra-control-1", "gra-worker-1-invitation": "gra-control-1", "gra-worker-2-member": "gra-control-1", "gra-worker-2-wireguard": "gra-worker-2",
			} {
				r, err := after.Named(name)
				if err != nil {
					t.Fatal(err)
				}
				if got := runsOn(r); got != host {
					t.Errorf("%s runs on %s, want %s", name, got, host)
				}
			}
			for _, node := range stack.Nodes {
				server, err := after.Named(node.Name + "-server")
				if err != nil {
					t.Fatal(err)
				}
				// OVH takes no key for the rescue system of a VPS: it mails a password.
				wantKey := node.Rescue && node.Kind == stacks.Dedicated
				if got := server.Value("rescue"); got.IsBool() != node.Rescue || node.Rescue && !got.BoolValue() || strings.HasPrefix(server.Text("rescueKey"), "ssh-ed25519 ") != wantKey {
					t.Errorf("%s has rescue %v with key %q", server.Name, got, server.Text("rescueKey"))
				}
			}
			var want []string
			for _, name := range rescued {
				want = append(want, fmt.Sprintf(rescueNote, name))
			}
			if got := after.Warnings(); !slices.Equal(got, want) {
				t.Errorf("warnings %q, want %q", got, want)
			}
			if got := before.Warnings(); len(got) != 0 {
				t.Errorf("warnings without a rescue: %q", got)
			}
		})
	}
}

// TestDescriptionReachesTheOrder: what the description says of a server arrives at the provider, and what it does not say is left to OVH's defaults.
func TestDescriptionReachesTheOrder(t *testing.T) {
	stack, file := described(t, "prod"), overlay(t)
	// What is left with a worker retired and a site lost carries this.
	stack.Render.PeakPerSecond, stack.Render.MaxReplicas = 2000, 10
	for i := range stack.Nodes {
		n := &stack.Nodes[i]
		if n.Name != "gra-worker-2" {
			continue
		}
		n.NoRenewal, n.Retired, n.ReverseDNS = true, true, "mail.havre.example"
		n.Partitions = []stacks.Partition{
			{MountPoint: "/boot", FileSystem: "ext4", Size: 1024}, {MountPoint: "/", FileSystem: "xfs", Size: 102400}, {MountPoint: "/srv", FileSystem: "xfs", Striped: true},
		}
		n.Open = []stacks.FirewallRule{{Protocol: stacks.TCP, Port: 8443}}
	}
	e := engine(t, stack)
	if err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error { return Deploy(ctx, stack, file) }); err != nil {
		t.Fatal(err)
	}
	text := func(name, path string) string {
		r, err := e.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(r.Value(path))
	}
	const left = "{<nil>}"
	for _, c := range []struct{ name, path, want string }{
		{"gra-worker-2-server", "renewal", "{false}"},
		{"gra-worker-2-server", "retired", "{true}"},
		{"gra-worker-2-reverse", "reverse", "{mail.havre.example}"},
		{"gra-worker-2-name", "name", "{mail}"},
		{"gra-worker-2-installation", "partitions", "{[{map[fileSystem:{ext4} mountPoint:{/boot} sizeMiB:{1024}]} {map[fileSystem:{xfs} mountPoint:{/} sizeMiB:{102400}]} " +
			"{map[fileSystem:{xfs} mountPoint:{/srv} raidLevel:{0} sizeMiB:{0}]}]}"},
		{"gra-worker-1-server", "renewal", left},
		{"gra-worker-1-server", "retired", left},
		{"gra-worker-1-server", "rescue", left},
		{"gra-worker-1-installation", "partitions", left},
		{"gra-worker-1-reverse", "reverse", "{gra-worker-1.nodes.havre.example}"},
		{"gra-worker-1-name", "name", "{gra-worker-1.nodes}"},
	} {
		if got := text(c.name, c.path); got != c.want {
			t.Errorf("%s has %s %s, want %s", c.name, c.path, got, c.want)
		}
	}
	golden(t, "firewall-of-an-edge-node.txt", strings.NewReplacer("} {", "\n", "{[{", "", "}]}", "").Replace(text("gra-worker-2-firewall", "rules"))+"\n")
	bill, err := e.Named("fleet-budget")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range bill.Value("nodes").ArrayValue() {
		node := line.ObjectValue()
		if retired, found := node["retired"]; found != (node["name"].StringValue() == "gra-worker-2") || found && !retired.BoolValue() {
			t.Errorf("the bill has %v", node)
		}
	}
}

// TestVrack: one that is there is taken by its name, else the stack orders one, and each server is plugged into it.
func TestVrack(t *testing.T) {
	for _, c := range []struct {
		network stacks.PrivateNetwork
		orders  bool
		want    string
	}{
		{stacks.PrivateNetwork{Order: true}, true, "pn-1000003"},
		{stacks.PrivateNetwork{Vrack: "pn-1000001"}, false, "pn-1000001"},
	} {
		stack, file := described(t, "prod"), overlay(t)
		stack.PrivateNetwork.Order, stack.PrivateNetwork.Vrack = c.network.Order, c.network.Vrack
		e := engine(t, stack)
		if err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error { return Deploy(ctx, stack, file) }); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Named("fleet-vrack"); (err == nil) != c.orders {
			t.Errorf("%+v: a vRack is ordered: %v", c.network, err)
		}
		plugged := 0
		for _, r := range e.Registrations() {
			if r.Type == "ovhmetal:index:VrackAttachment" {
				plugged++
				if got := r.Text("vrack"); got != c.want {
					t.Errorf("%+v: %s is plugged into %s, want %s", c.network, r.Name, got, c.want)
				}
			}
		}
		if plugged != 9 {
			t.Errorf("%+v: %d servers are plugged in, want 9", c.network, plugged)
		}
	}
}

// TestNothingWaitsForNamesAndFirewalls: they are made beside the bring-up and not on its way.
func TestNothingWaitsForNamesAndFirewalls(t *testing.T) {
	for _, name := range stacks.Names() {
		stack, file := described(t, name), overlay(t)
		e := engine(t, stack)
		if err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error { return Deploy(ctx, stack, file) }); err != nil {
			t.Fatal(err)
		}
		count := 0
		for _, r := range e.Registrations() {
			if strings.HasSuffix(r.Name, "-firewall") || strings.HasSuffix(r.Name, "-reverse") {
				count++
			}
			for _, on := range r.DependsOn {
				if strings.HasSuffix(on, "-firewall") || strings.HasSuffix(on, "-reverse") || strings.HasSuffix(on, "-name") && !strings.HasSuffix(r.Name, "-reverse") {
					t.Errorf("stack %s: %s waits for %s", name, r.Name, on)
				}
			}
		}
		if count < len(stack.Nodes) {
			t.Errorf("stack %s: %d reverses and firewalls, want one a node at least", name, count)
		}
	}
}

// TestWorkWaitsForWorkersOnly: what runs in the cluster is made while the rest of the control plane still enters it, and is gone before a worker is drained.
func TestWorkWaitsForWorkersOnly(t *testing.T) {
	for _, name := range stacks.Names() {
		stack, file := described(t, name), overlay(t)
		e := engine(t, stack)
		if err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error { return Deploy(ctx, stack, file) }); err != nil {
			t.Fatal(err)
		}
		want := []string{"cluster-kubeconfig"}
		for _, n := range stack.Nodes {
			if n.Has(stacks.RoleWorker) {
				want = append(want, n.Name+"-member")
			}
		}
		slices.Sort(want)
		provider, err := e.Named("kubernetes")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(provider.DependsOn, want) {
			t.Errorf("stack %s: the cluster's objects wait for\n%q, want\n%q", name, provider.DependsOn, want)
		}
	}
}
