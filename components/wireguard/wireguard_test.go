package wireguard_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host"
	"havre/components/host/hosttest"
	"havre/components/host/script"
	"havre/components/wireguard"
	"havre/components/wireguard/conf"
)

const privateKey = "-----BEGIN OPENSSH PRIVATE KEY-----\nnever in clear\n-----END OPENSSH PRIVATE KEY-----\n"

// publicKey is some key that is one host's own.
func publicKey(name string) string {
	return base64.StdEncoding.EncodeToString(append(make([]byte, 32-min(32, len(name))), name[:min(32, len(name))]...))
}

func host1(i int, late bool) wireguard.Host {
	address := pulumi.StringInput(pulumi.Sprintf("198.51.100.%d", 10+i))
	if !late {
		address = pulumi.String(fmt.Sprintf("198.51.100.%d", 10+i))
	}
	return wireguard.Host{
		Name:   fmt.Sprintf("node-%d", i),
		Mesh:   netip.AddrFrom4([4]byte{10, 80, 0, byte(i)}),
		Pods:   netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 81, byte(i), 0}), 24),
		Public: address,
		Connection: host.Connection{
			Address: address, PrivateKey: pulumi.String(privateKey), HostKey: pulumi.String("ssh-ed25519 AAAA"),
		},
	}
}

func args(n int) wireguard.Args {
	a := wireguard.Args{Network: netip.MustParsePrefix("10.80.0.0/16"), Pods: netip.MustParsePrefix("10.81.0.0/16")}
	for i := 1; i <= n; i++ {
		h := host1(i, true)
		if i%2 == 1 {
			h.Private = netip.AddrFrom4([4]byte{10, 90, 0, byte(i)})
		}
		if i == n {
			h.Pods = netip.Prefix{} // a data host
		}
		a.Hosts = append(a.Hosts, h)
	}
	return a
}

// engine answers each key command with that host's own key, with the newline a shell leaves.
func engine() *hosttest.Engine {
	return hosttest.New().Stdout(func(r hosttest.Registration) string {
		if name, ok := strings.CutSuffix(r.Name, "-wireguard-key"); ok {
			return publicKey(name) + "\n"
		}
		return ""
	})
}

func run(t *testing.T, mode hosttest.Mode, a wireguard.Args) *hosttest.Engine {
	t.Helper()
	e := engine()
	if err := e.Run(mode, func(ctx *pulumi.Context) error {
		m, err := wireguard.New(ctx, "mesh", a)
		if err != nil {
			return err
		}
		if len(m.Resources()) != len(a.Hosts) || slices.Contains(m.Resources(), nil) {
			t.Errorf("resources %v", m.Resources())
		}
		for _, h := range a.Hosts {
			if m.Peers[h.Name].Key == nil {
				t.Errorf("no peer %s", h.Name)
			}
		}
		return nil
	}); err != nil {
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
			e := run(t, mode, args(3))
			const prefix = "urn:pulumi:test::havre::havre:wireguard:Mesh"
			want := []string{
				prefix + "$command:remote:Command::node-1-wireguard", prefix + "$command:remote:Command::node-1-wireguard-key",
				prefix + "$command:remote:Command::node-2-wireguard", prefix + "$command:remote:Command::node-2-wireguard-key",
				prefix + "$command:remote:Command::node-3-wireguard", prefix + "$command:remote:Command::node-3-wireguard-key",
				prefix + "::mesh",
			}
			if got := e.URNs(); !slices.Equal(got, want) {
				t.Errorf("got %v", got)
			}
			for _, r := range e.Registrations() {
				if strings.Contains(r.Clear(), "never in clear") {
					t.Errorf("%s has the SSH key in clear", r.Name)
				}
			}
			one := named(t, e, "node-1-wireguard")
			if one.Known("create") != (mode == hosttest.Known) {
				t.Errorf("the configuration is known: %v", one.Known("create"))
			}
			// One edge, not one to every host: see withoutDependencies.
			if !slices.Equal(one.DependsOn, []string{"node-1-wireguard-key"}) {
				t.Errorf("depends on %v", one.DependsOn)
			}
			if one.Text("delete") != script.AsRootIfInstalled(conf.DeleteScript(), conf.Files...) || !one.Value("triggers").IsNull() {
				t.Error("delete or triggers are not as wanted")
			}
			key := named(t, e, "node-1-wireguard-key")
			if key.Text("create") != script.AsRoot(conf.KeyScript([]int{1}, nil), conf.Files...) || !key.Value("delete").IsNull() || len(key.SecretOutputs) != 1 {
				t.Errorf("key command: delete %v, secret outputs %v", key.Value("delete"), key.SecretOutputs)
			}
		})
	}
}

func TestConfiguration(t *testing.T) {
	line := func(n int, private, allowed string) string {
		name := fmt.Sprintf("node-%d", n)
		return fmt.Sprintf("%s %s 198.51.100.%d %s %s\n", name, publicKey(name)[:43], 10+n, private, allowed)
	}
	one, two := line(1, "10.90.0.1", "10.80.0.1,10.81.1.0/24"), line(2, "-", "10.80.0.2,10.81.2.0/24")
	three, four := line(3, "10.90.0.3", "10.80.0.3,10.81.3.0/24"), line(4, "-", "10.80.0.4")
	all := one + two + three + four
	sum := sha256.Sum256([]byte(all))
	without, with := args(4), args(4)
	with.Hosts[2].Rendezvous = true
	for _, c := range []struct {
		args        wireguard.Args
		name, first string
		lines       string
		dependsOn   []string
	}{
		{without, "node-1-wireguard", "mesh_apply node-1 10.80.0.0/16 51820 1420 10.81.0.0/16 1420 1", all, []string{"node-1-wireguard-key"}},
		{without, "node-2-wireguard", "mesh_apply node-2 10.80.0.0/16 51820 1420 10.81.0.0/16 1420 1", all, []string{"node-2-wireguard-key"}},
		{with, "node-3-wireguard", "mesh_serve node-3 10.80.0.0/16 51820 1420 10.81.0.0/16 1420 1", all, []string{"node-3-wireguard-key"}},
		{with, "node-1-wireguard", fmt.Sprintf("mesh_join node-1 10.80.0.0/16 51820 1420 10.81.0.0/16 1420 1 %x", sum), one + three,
			[]string{"node-1-wireguard-key", "node-3-wireguard"}},
	} {
		r := named(t, run(t, hosttest.Known, c.args), c.name)
		if got, want := r.Text("create"), script.AsRoot(c.first+" <<'EOF'\n"+c.lines+"EOF\n", "mesh.sh"); got != want {
			t.Errorf("%s\n got %s\nwant %s", c.name, got, want)
		}
		if !slices.Equal(r.DependsOn, c.dependsOn) {
			t.Errorf("%s depends on %v, want %v", c.name, r.DependsOn, c.dependsOn)
		}
	}
}

// A new host changes <node>-wireguard on each old one and nothing else there.
func TestAddingAHost(t *testing.T) {
	inputs := func(a wireguard.Args) map[string]string {
		out := map[string]string{}
		for _, r := range run(t, hosttest.Known, a).Registrations() {
			out[r.Name] = fmt.Sprint(r.Inputs)
		}
		return out
	}
	three, four := args(3), args(4)
	four.Hosts[2].Pods = three.Hosts[2].Pods // the third is the data host in both
	three.Hosts[0].Rendezvous, four.Hosts[0].Rendezvous = true, true
	before, after := inputs(three), inputs(four)
	var changed, fresh []string
	for name, in := range after {
		if old, ok := before[name]; !ok {
			fresh = append(fresh, name)
		} else if old != in {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	slices.Sort(fresh)
	if want := []string{"node-1-wireguard", "node-2-wireguard", "node-3-wireguard"}; !slices.Equal(changed, want) {
		t.Errorf("changed %v", changed)
	}
	if want := []string{"node-4-wireguard", "node-4-wireguard-key"}; !slices.Equal(fresh, want) {
		t.Errorf("fresh %v", fresh)
	}
	// The order in which hosts are written down changes nothing.
	slices.Reverse(four.Hosts)
	if again := inputs(four); !maps.Equal(again, after) {
		t.Error("the order of hosts changes the inputs")
	}
}

func TestOperatorsAndServer(t *testing.T) {
	a := args(2)
	a.Operators = []conf.Host{{Name: "laptop", Mesh: netip.MustParseAddr("10.80.255.1"), PublicKey: publicKey("laptop")}}
	a.Userspace = &conf.Userspace{URL: "http://198.51.100.1:8080/wireguard-go", SHA256: strings.Repeat("ab", 32)}
	e := engine()
	if err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error {
		server, err := host.NewCommand(ctx, "server", host.CommandArgs{Connection: a.Hosts[0].Connection, Create: pulumi.String("true")})
		if err != nil {
			return err
		}
		a.Hosts[0].Server = server.Resource
		a.Hosts[0].DependsOn = []pulumi.Resource{server.Resource}
		_, err = wireguard.New(ctx, "mesh", a)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	one := named(t, e, "node-1-wireguard")
	if !strings.Contains(one.Text("create"), "\nlaptop "+publicKey("laptop")[:43]+" - - 10.80.255.1\n") {
		t.Errorf("no laptop in %s", one.Text("create"))
	}
	if one.DeletedWith != "server" {
		t.Errorf("deleted with %q", one.DeletedWith)
	}
	key := named(t, e, "node-1-wireguard-key")
	if !slices.Contains(key.DependsOn, "server") || !strings.Contains(key.Text("create"), "mesh_key 1 http://198.51.100.1:8080/wireguard-go abab") {
		t.Errorf("key depends on %v", key.DependsOn)
	}
}

func TestRefusesAtOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*wireguard.Args)
		want   string
	}{
		{"no hosts", func(a *wireguard.Args) { a.Hosts = nil }, "wireguard mesh: mesh has no hosts; give at least one"},
		{"no public address", func(a *wireguard.Args) { a.Hosts[0].Public = nil },
			"wireguard mesh: host node-1 has no public address; give the server's IPv4 address"},
		{"connection", func(a *wireguard.Args) { a.Hosts[0].Connection.HostKey = nil },
			"wireguard mesh: host node-1: connection has no host key; give the key pinned at installation, an unpinned host is never dialled"},
		{"userspace", func(a *wireguard.Args) { a.Userspace = &conf.Userspace{URL: "ftp://x", SHA256: "AB"} },
			"wireguard mesh: userspace WireGuard: URL \"ftp://x\" is not http or https; give the artifact mirror's\n" +
				"userspace WireGuard: checksum \"AB\" is not a SHA-256 of 64 lower-case hexadecimal digits"},
		{"rendezvous", func(a *wireguard.Args) {
			*a = args(8)
			for i := range a.Hosts {
				a.Hosts[i].Rendezvous = true
			}
		}, "wireguard mesh: mesh: 8 rendezvous hosts, each of which holds the whole roster; name at most 7"},
		{"shape, several", func(a *wireguard.Args) {
			a.MTU = 1500
			a.MTU = 9001
			a.Hosts[1].Mesh = netip.MustParseAddr("10.81.0.4")
		}, "wireguard mesh: mesh: MTU 9001 is outside 1280–8920; leave it 0 for 1420\n" +
			"mesh: host node-2: mesh address 10.81.0.4 is outside 10.80.0.0/16; change its index"},
	} {
		a := args(2)
		c.change(&a)
		e := engine()
		var got error
		if err := e.Run(hosttest.Unknown, func(ctx *pulumi.Context) error {
			_, got = wireguard.New(ctx, "mesh", a)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got == nil || got.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.name, got, c.want)
		}
		if len(e.Registrations()) != 0 {
			t.Errorf("%s: something was registered", c.name)
		}
	}
}

// What is wrong with late values fails the run, and no host gets a configuration.
func TestRefusesLate(t *testing.T) {
	e := hosttest.New().Stdout(func(r hosttest.Registration) string { return publicKey("the same") })
	a := args(2)
	a.Hosts[1].Public = pulumi.String("unset")
	err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error {
		_, err := wireguard.New(ctx, "mesh", a)
		return err
	})
	for _, want := range []string{
		`mesh: host node-2: public address "unset" is no IP address; it comes from the server's order`,
		"mesh: hosts node-1 and node-2 have the same key " + publicKey("the same") + "; one was made from the other's disk, remove /etc/wireguard/private.key on it and run again",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	if _, err := e.Named("node-1-wireguard"); err == nil {
		t.Error("node-1 got a configuration")
	}
}

// A failed key fails the run instead of hanging it.
func TestFailedKey(t *testing.T) {
	e := engine()
	e.Handle(hosttest.CommandToken, hosttest.Handler{Check: func(r hosttest.Registration) error {
		if r.Name == "node-2-wireguard-key" {
			return errors.New("no route to host")
		}
		return nil
	}})
	err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error {
		_, err := wireguard.New(ctx, "mesh", args(3))
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "no route to host") {
		t.Errorf("got %v", err)
	}
}

func TestArgsStay(t *testing.T) {
	a := args(3)
	slices.Reverse(a.Hosts)
	order := func() (names []string) {
		for _, h := range a.Hosts {
			names = append(names, h.Name)
		}
		return names
	}
	before := order()
	run(t, hosttest.Known, a)
	if !slices.Equal(order(), before) {
		t.Error("the caller's hosts were sorted")
	}
}

// The whole graph at 200 hosts, registration over the loopback included.
func BenchmarkGraph200(b *testing.B) {
	a := args(200)
	a.Hosts[0].Rendezvous = true
	for b.Loop() {
		if err := engine().Run(hosttest.Known, func(ctx *pulumi.Context) error {
			_, err := wireguard.New(ctx, "mesh", a)
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
}
