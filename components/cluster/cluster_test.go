package cluster_test

import (
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/cluster"
	"havre/components/host"
	"havre/components/host/hosttest"
	"havre/components/host/script/scripttest"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	secretToken = "abcdef.0123456789abcdef"
	privateKey  = "-----BEGIN OPENSSH PRIVATE KEY-----"
)

func testNode(name string, index byte, controlPlane bool) cluster.Node {
	return cluster.Node{
		Name: name,
		Connection: host.Connection{
			Address: pulumi.Sprintf("198.51.100.%d", int(index)+10), PrivateKey: pulumi.String(privateKey), HostKey: pulumi.String("ssh-ed25519 host-key-of-" + name),
		},
		MeshAddress:  netip.AddrFrom4([4]byte{10, 80, 0, index}),
		PodCIDR:      netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 81, index, 0}), 24),
		ControlPlane: controlPlane,
		Site:         name[:3],
	}
}

func testArgs() cluster.Args {
	binaries := map[string]cluster.Binary{}
	for _, name := range []string{"etcdctl", "etcdutl", "kubeadm", "kubectl", "kubelet"} {
		binaries[name] = cluster.Binary{URL: "https://artifacts.example/" + name, SHA256: strings.Repeat("a", 64)}
	}
	return cluster.Args{
		Nodes: []cluster.Node{
			testNode("rbx-cp-1", 1, true), testNode("gra-cp-1", 2, true), testNode("sbg-cp-1", 3, true),
			testNode("rbx-worker-1", 11, false), testNode("gra-worker-1", 12, false),
		},
		Network: cluster.Network{
			Mesh: netip.MustParsePrefix("10.80.0.0/16"), Pods: netip.MustParsePrefix("10.81.0.0/16"), Services: netip.MustParsePrefix("10.82.0.0/16"),
			DNS: netip.MustParseAddr("10.82.0.10"),
		},
		Version: "v1.36.3",
		Release: cluster.Release{Binaries: binaries},
		Images:  cluster.Images{Pause: "images.example/pause:3.10.2"},
	}
}

func engine() *hosttest.Engine {
	return hosttest.New().Stdout(func(r hosttest.Registration) string {
		if strings.HasSuffix(r.Name, "-invitation") {
			return `{"token":"` + secretToken + `"}`
		}
		return "{}"
	})
}

func run(t *testing.T, mode hosttest.Mode, args cluster.Args) *hosttest.Engine {
	t.Helper()
	e := engine()
	err := e.Run(mode, func(ctx *pulumi.Context) error {
		c, err := cluster.New(ctx, "cluster", args)
		if err != nil {
			return err
		}
		// The workers, and a control-plane node that is alone: no work waits for the others.
		ready, controlPlane := 0, 0
		for _, n := range args.Nodes {
			if n.ControlPlane {
				controlPlane++
			} else {
				ready++
			}
		}
		if controlPlane == 1 {
			ready++
		}
		if len(c.Ready) != ready || len(c.Nodes) != len(args.Nodes) || len(c.Resources()) != ready+1 {
			return fmt.Errorf("%d nodes, but %d ready instead of %d, %d by name, %d resources", len(args.Nodes), len(c.Ready), ready, len(c.Nodes), len(c.Resources()))
		}
		ctx.Export("kubeconfig", c.Kubeconfig)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func named(t *testing.T, e *hosttest.Engine, name string) hosttest.Registration {
	t.Helper()
	r, err := e.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGraph(t *testing.T) {
	for _, mode := range hosttest.Both {
		t.Run(mode.String(), func(t *testing.T) {
			e := run(t, mode, testArgs())
			scripttest.Golden(t, "testdata/urns", strings.Join(e.URNs(), "\n")+"\n", *update)
			var text strings.Builder
			for _, r := range e.Registrations() {
				if r.Custom {
					fmt.Fprintf(&text, "%s: %s\n", r.Name, strings.Join(r.DependsOn, " "))
				}
				if clear := r.Clear(); strings.Contains(clear, secretToken) || strings.Contains(clear, privateKey) {
					t.Errorf("%s has a secret in clear:\n%s", r.Name, clear)
				}
			}
			scripttest.Golden(t, "testdata/depends-on", text.String(), *update)
		})
	}
}

func TestEveryScriptIsPlain(t *testing.T) {
	e := run(t, hosttest.Unknown, testArgs())
	for _, r := range e.Registrations() {
		if !r.Custom {
			continue
		}
		for _, key := range []string{"create", "delete", "update"} {
			if !r.Value(key).IsNull() && !r.Known(key) {
				t.Errorf("%s: %s is unknown in the first preview", r.Name, key)
			}
		}
	}
}

func TestSecretOutputs(t *testing.T) {
	e := run(t, hosttest.Known, testArgs())
	for _, name := range []string{"rbx-cp-1-invitation", "gra-cp-1-invitation", "rbx-worker-1-invitation", "cluster-kubeconfig"} {
		if r := named(t, e, name); !slices.Contains(r.SecretOutputs, "stdout") || r.Text("logging") != "none" {
			t.Errorf("%s: secret outputs %v, logging %s", name, r.SecretOutputs, r.Text("logging"))
		}
	}
	if got := named(t, e, "gra-cp-1-join").Text("stdin"); !strings.Contains(got, secretToken) {
		t.Errorf("the join is not handed its invitation, but %q", got)
	}
}

// Where each command runs: the invitations and members on the first control-plane node, that node's own on the second, for it may be dead when it is taken out.
func TestWhereCommandsRun(t *testing.T) {
	e := run(t, hosttest.Known, testArgs())
	for name, want := range map[string]string{
		"rbx-cp-1-invitation": "198.51.100.12", "rbx-cp-1-join": "198.51.100.11", "rbx-cp-1-member": "198.51.100.12",
		"gra-cp-1-invitation": "198.51.100.11", "gra-cp-1-join": "198.51.100.12", "gra-cp-1-member": "198.51.100.11",
		"gra-worker-1-invitation": "198.51.100.11", "gra-worker-1-kubernetes": "198.51.100.22", "gra-worker-1-join": "198.51.100.22", "cluster-kubeconfig": "198.51.100.11",
	} {
		if got := named(t, e, name).Text("connection.host"); got != want {
			t.Errorf("%s runs on %s, want %s", name, got, want)
		}
	}
}

// Only a first run may make a cluster: the update of the first node's join never does, and no other's.
func TestOnlyTheFirstCreateFounds(t *testing.T) {
	e := run(t, hosttest.Known, testArgs())
	for _, r := range e.Registrations() {
		founds := strings.Contains(r.Text("create"), "cluster_join yes")
		if founds != (r.Name == "rbx-cp-1-join") {
			t.Errorf("%s: founds %t", r.Name, founds)
		}
		if strings.Contains(r.Text("update"), "cluster_join yes") {
			t.Errorf("the update of %s makes a cluster", r.Name)
		}
	}
}

// Taking the first node out of the list must remove its own resources and nobody else's: a delete of another's join would reset that node.
func TestRetiringTheFirstNodeRemovesNothingElse(t *testing.T) {
	before := run(t, hosttest.Known, testArgs()).URNs()
	args := testArgs()
	args.Nodes = args.Nodes[1:]
	after := run(t, hosttest.Known, args).URNs()
	for _, u := range before {
		if !slices.Contains(after, u) && !strings.Contains(u, "rbx-cp-1") {
			t.Errorf("%s goes with rbx-cp-1", u)
		}
	}
	for _, u := range after {
		if !slices.Contains(before, u) {
			t.Errorf("%s is new", u)
		}
	}
}

// A worker more may not touch the nodes that are there.
func TestAnotherWorkerChangesNoOldNode(t *testing.T) {
	old := run(t, hosttest.Known, testArgs())
	args := testArgs()
	args.Nodes = append(args.Nodes, testNode("sbg-worker-1", 13, false))
	grown := run(t, hosttest.Known, args)
	for _, was := range old.Registrations() {
		if !was.Custom {
			continue
		}
		now := named(t, grown, was.Name)
		if !now.Inputs.DeepEquals(was.Inputs) {
			t.Errorf("%s changes", was.Name)
		}
	}
}

func TestASingleControlPlaneNodeNeedsNoInvitation(t *testing.T) {
	args := testArgs()
	args.Nodes = []cluster.Node{args.Nodes[0], args.Nodes[3]}
	e := run(t, hosttest.Known, args)
	if _, err := e.Named("rbx-cp-1-invitation"); err == nil {
		t.Error("there is an invitation that nobody can write")
	}
	if got := named(t, e, "rbx-cp-1-join").Text("stdin"); got != "{}" {
		t.Errorf("the founder is handed %q", got)
	}
}

func TestKubeconfig(t *testing.T) {
	args := testArgs()
	args.APIServer, args.ProxyURL = netip.MustParseAddrPort("10.80.0.2:6443"), "socks5://127.0.0.1:19090"
	got := named(t, run(t, hosttest.Known, args), "cluster-kubeconfig").Text("create")
	if want := "cluster_kubeconfig https://10.80.0.2:6443 socks5://127.0.0.1:19090 cluster\n"; !strings.Contains(got, want) {
		t.Errorf("want %q in\n%s", want, got)
	}
}

func TestArgs(t *testing.T) {
	for name, m := range map[string]struct {
		change func(*cluster.Args)
		want   string
	}{
		"version": {func(a *cluster.Args) { a.Version = "latest" }, `cluster cluster: version "latest" is not one of Kubernetes; write it like v1.36.3`},
		"workers only": {func(a *cluster.Args) { a.Nodes = a.Nodes[3:] },
			`cluster cluster: there is no control-plane node; make one, or better three in three failure domains`},
		"address": {func(a *cluster.Args) { a.Nodes[4].MeshAddress = netip.MustParseAddr("10.81.0.4") },
			`cluster cluster: node gra-worker-1: mesh address 10.81.0.4 is outside 10.80.0.0/16; change its index in the stack`},
		"connection": {func(a *cluster.Args) { a.Nodes[0].Connection.HostKey = nil },
			`cluster cluster: node rbx-cp-1: connection has no host key; give the key pinned at installation, an unpinned host is never dialled`},
		"proxy": {func(a *cluster.Args) { a.ProxyURL = "localhost:1" }, `cluster cluster: proxy "localhost:1" is no http, https or socks5 URL; write it like socks5://127.0.0.1:1080`},
		"several": {func(a *cluster.Args) { a.Version, a.Nodes[3].Site, a.ProxyURL = "", "", "x" },
			"cluster cluster: version \"\" is not one of Kubernetes; write it like v1.36.3\nnode rbx-worker-1: site \"\" cannot be a label; write it like rbx\n" +
				"proxy \"x\" is no http, https or socks5 URL; write it like socks5://127.0.0.1:1080"},
	} {
		t.Run(name, func(t *testing.T) {
			args := testArgs()
			m.change(&args)
			e := engine()
			err := e.Run(hosttest.Unknown, func(ctx *pulumi.Context) error {
				_, err := cluster.New(ctx, "cluster", args)
				return err
			})
			if err == nil {
				t.Fatal("went through")
			}
			if got := strings.TrimSpace(err.Error()); !strings.Contains(got, m.want) {
				t.Errorf("\n got %s\nwant %s", got, m.want)
			}
			if n := len(e.URNs()); n != 0 {
				t.Errorf("%d resources were registered before the refusal", n)
			}
		})
	}
}
