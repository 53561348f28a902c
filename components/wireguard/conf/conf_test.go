package conf_test

import (
	"encoding/base64"
	"encoding/binary"
	"flag"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"havre/components/host/script/scripttest"
	"havre/components/wireguard/conf"
)

var update = flag.Bool("update", false, "write the golden files")

func key(i int) string {
	raw := make([]byte, 32)
	for j := range raw {
		raw[j] = byte(37*i + 101*j + i*j)
	}
	binary.BigEndian.PutUint16(raw, uint16(i))
	return base64.StdEncoding.EncodeToString(raw)
}

// mesh has n hosts: two sites on the private network, a third site without, the last host outside Kubernetes.
func mesh(n int) conf.Mesh {
	m := conf.Mesh{Network: netip.MustParsePrefix("10.80.0.0/16"), Pods: netip.MustParsePrefix("10.81.0.0/16"), PodsMTU: 1410}
	sites := []string{"gra-worker", "rbx-worker", "sbg-cp"}
	for i := 1; i <= n; i++ {
		h := conf.Host{
			Name:      fmt.Sprintf("%s-%d", sites[i%3], i),
			Mesh:      netip.AddrFrom4([4]byte{10, 80, byte(i >> 8), byte(i)}),
			Pods:      netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 81, byte(i), 0}), 24),
			Public:    netip.AddrFrom4([4]byte{198, 51, byte(100 + i>>8), byte(i)}),
			PublicKey: key(i),
		}
		if i%3 != 2 {
			h.Private = netip.AddrFrom4([4]byte{10, 90, byte(i >> 8), byte(i)})
		}
		if i == n {
			h.Pods = netip.Prefix{}
		}
		m.Hosts = append(m.Hosts, h)
	}
	return m
}

// endpoint is the rule for a pair: from calls to on the private network where both are on it, else on the public one.
func endpoint(from, to conf.Host) netip.Addr {
	if from.Private.IsValid() && to.Private.IsValid() {
		return to.Private
	}
	return to.Public
}

// file is what wg-quick must read on the host of that name: the whole mesh but the host itself. It says in Go what mesh.sh does in bash.
func file(t testing.TB, m conf.Mesh, name string) string {
	t.Helper()
	hosts := slices.Clone(m.Hosts)
	slices.SortFunc(hosts, func(a, b conf.Host) int { return strings.Compare(a.Name, b.Name) })
	i := slices.IndexFunc(hosts, func(h conf.Host) bool { return h.Name == name })
	if i < 0 {
		t.Fatalf("no host %s", name)
	}
	self, port, mtu := hosts[i], m.Port, m.MTU
	if port == 0 {
		port = conf.DefaultPort
	}
	if mtu == 0 {
		mtu = conf.DefaultMTU
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[Interface]\nAddress = %s/%d\nListenPort = %d\nMTU = %d\nTable = off\n", self.Mesh, m.Network.Bits(), port, mtu)
	b.WriteString("PostUp = wg set %i private-key /etc/wireguard/private.key\n")
	if m.Pods.IsValid() {
		fmt.Fprintf(&b, "PostUp = ip -4 route replace %s dev %%i mtu 1410\n", m.Pods)
	}
	for _, h := range hosts {
		if h.Name == name {
			continue
		}
		fmt.Fprintf(&b, "\n# %s\n[Peer]\nPublicKey = %s\n", h.Name, h.PublicKey)
		if to := endpoint(self, h); to.IsValid() {
			fmt.Fprintf(&b, "Endpoint = %s:%d\n", to, port)
		}
		allowed := conf.AllowedIPs(h)
		fmt.Fprintf(&b, "AllowedIPs = %s", allowed[0])
		for _, a := range allowed[1:] {
			fmt.Fprintf(&b, ", %s", a)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// apply is the script of one host.
func apply(t testing.TB, m conf.Mesh, name string) string {
	t.Helper()
	texts, err := m.Scripts([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	return texts[0]
}

// withRendezvous is the mesh with those of its hosts as rendezvous.
func withRendezvous(m conf.Mesh, names ...string) conf.Mesh {
	m.Hosts = slices.Clone(m.Hosts)
	for i := range m.Hosts {
		m.Hosts[i].Rendezvous = slices.Contains(names, m.Hosts[i].Name)
	}
	return m
}

func TestGoldens(t *testing.T) {
	m := mesh(6)
	m.Hosts = append(m.Hosts, conf.Host{Name: "laptop", Mesh: netip.MustParseAddr("10.80.255.1"), PublicKey: key(900)})
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	served := withRendezvous(m, "sbg-cp-2", "sbg-cp-5")
	scripttest.Golden(t, "testdata/wg0.conf", file(t, m, "rbx-worker-1"), *update)
	scripttest.Script(t, "testdata/apply.sh", apply(t, m, "rbx-worker-1"), *update)
	scripttest.Script(t, "testdata/join.sh", apply(t, served, "rbx-worker-1"), *update)
	scripttest.Script(t, "testdata/serve.sh", apply(t, served, "sbg-cp-2"), *update)
	scripttest.Script(t, "testdata/key-userspace.sh", conf.KeyScript([]int{1, 2}, &conf.Userspace{
		URL: "http://198.51.100.1:8080/wireguard-go", SHA256: strings.Repeat("ab", 32),
	}), *update)
	if key, gone := conf.KeyScript([]int{1}, nil), conf.DeleteScript(); key != "mesh_key 1\n" || gone != "mesh_delete\n" {
		t.Errorf("key %q, delete %q", key, gone)
	}
}

func TestScriptsUnknown(t *testing.T) {
	_, err := mesh(3).Scripts([]string{"nobody"})
	if err == nil || err.Error() != "mesh: no host nobody among its 3" {
		t.Errorf("got %v", err)
	}
}

// No text may hold what only the host knows. The only word of 43 or 44 base64 characters is a public key that we gave.
func TestNoSecretInText(t *testing.T) {
	m := withRendezvous(mesh(5), "sbg-cp-2")
	known := map[string]bool{}
	for _, h := range m.Hosts {
		known[strings.TrimSuffix(h.PublicKey, "=")] = true
	}
	for text, want := range map[string]int{apply(t, m, "rbx-worker-1"): 2, apply(t, m, "sbg-cp-2"): 5, conf.KeyScript([]int{1}, nil): 0, conf.DeleteScript(): 0} {
		found := regexp.MustCompile(`[A-Za-z0-9+/]{43}=?`).FindAllString(strings.Split(text+" <<", " <<")[1], -1)
		for _, word := range found {
			if !known[strings.TrimSuffix(word, "=")] {
				t.Errorf("%s holds a key that is nobody's public key: %s", text, word)
			}
		}
		if len(found) != want || strings.Contains(text, "PrivateKey") {
			t.Errorf("found %d keys, want %d, and no private one:\n%s", len(found), want, text)
		}
	}
}

// A host that is no rendezvous does not hold the mesh: whatever its size, the text is the same but for the checksum.
func TestOnlyRendezvousHoldTheMesh(t *testing.T) {
	few, many := withRendezvous(mesh(9), "sbg-cp-2", "sbg-cp-5"), withRendezvous(mesh(200), "sbg-cp-2", "sbg-cp-5")
	before, after := apply(t, few, "rbx-worker-1"), apply(t, many, "rbx-worker-1")
	if len(before) != len(after) || len(after) > 500 {
		t.Errorf("%d bytes in a mesh of 9, %d in one of 200", len(before), len(after))
	}
	if perHost := len(apply(t, many, "sbg-cp-2")) / 200; perHost > 120 {
		t.Errorf("%d bytes a host in the roster, at most 120 are wanted", perHost)
	}
	// The largest mesh still fits into one command.
	most := conf.Mesh{Network: netip.MustParsePrefix("100.64.0.0/10"), Pods: netip.MustParsePrefix("100.128.0.0/9")}
	for i := range conf.MaxHosts {
		most.Hosts = append(most.Hosts, conf.Host{
			Name: fmt.Sprintf("%s-%d", strings.Repeat("a", 27), i), PublicKey: key(i), Rendezvous: true, Mesh: netip.MustParseAddr("100.100.100.100"),
			Pods: netip.MustParsePrefix("100.181.100.0/24"), Public: netip.MustParseAddr("198.151.100.100"), Private: netip.MustParseAddr("172.190.100.100"),
		})
	}
	scripttest.Check(t, apply(t, most, most.Hosts[0].Name))
}

// One byte of another host's line is another checksum, so no host ever runs with a roster that is not of this run.
func TestEveryChangeOfTheMeshReachesEveryHost(t *testing.T) {
	m := withRendezvous(mesh(9), "sbg-cp-2")
	before := apply(t, m, "rbx-worker-1")
	for what, change := range map[string]func(*conf.Host){
		"key": func(h *conf.Host) { h.PublicKey = key(77) }, "public": func(h *conf.Host) { h.Public = netip.MustParseAddr("192.0.2.1") },
		"private": func(h *conf.Host) { h.Private = netip.Addr{} }, "pods": func(h *conf.Host) { h.Pods = netip.Prefix{} },
	} {
		other := withRendezvous(m, "sbg-cp-2")
		change(&other.Hosts[2])
		if apply(t, other, "rbx-worker-1") == before {
			t.Errorf("%s of another host changes nothing", what)
		}
	}
	other := withRendezvous(m, "sbg-cp-2")
	slices.Reverse(other.Hosts)
	if apply(t, other, "rbx-worker-1") != before {
		t.Error("the order of hosts changes something")
	}
}

func TestValidate(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	for _, c := range []struct {
		name   string
		change func(*conf.Mesh)
		want   string
	}{
		{"sound", func(*conf.Mesh) {}, ""},
		{"MTU low", func(m *conf.Mesh) { m.MTU, m.PodsMTU = 1279, 0 }, "mesh: MTU 1279 is outside 1280–8920; leave it 0 for 1420"},
		{"MTU least", func(m *conf.Mesh) { m.MTU, m.PodsMTU = 1280, 0 }, ""},
		{"MTU most", func(m *conf.Mesh) { m.MTU = 8920 }, ""},
		{"pods' MTU, the mesh's", func(m *conf.Mesh) { m.PodsMTU = 1420 }, ""},
		{"pods' MTU high", func(m *conf.Mesh) { m.PodsMTU = 1421 }, "mesh: the pods' MTU 1421 is outside 1280–1420, the mesh's; leave it 0 for that"},
		{"pods' MTU low", func(m *conf.Mesh) { m.PodsMTU = 1279 }, "mesh: the pods' MTU 1279 is outside 1280–1420, the mesh's; leave it 0 for that"},
		{"MTU high", func(m *conf.Mesh) { m.MTU = 8921 }, "mesh: MTU 8921 is outside 1280–8920; leave it 0 for 1420"},
		{"network", func(m *conf.Mesh) { m.Network = prefix("10.80.0.1/16") }, "mesh: network 10.80.0.1/16 is not an IPv4 network; write it like 10.80.0.0/16"},
		{"network IPv6", func(m *conf.Mesh) { m.Network = prefix("fd00::/64"); m.Hosts = nil },
			"mesh: network fd00::/64 is not an IPv4 network; write it like 10.80.0.0/16"},
		{"pods", func(m *conf.Mesh) { m.Pods = prefix("10.81.1.0/16") }, "mesh: pod network 10.81.1.0/16 is not an IPv4 network; write it like 10.81.0.0/16"},
		{"networks overlap", func(m *conf.Mesh) { m.Network = prefix("10.80.0.0/15"); m.Hosts = nil },
			"mesh: network 10.80.0.0/15 and pod network 10.81.0.0/16 overlap; move one of them"},
		{"name", func(m *conf.Mesh) { m.Hosts[0].Name = "A" },
			`mesh: host: name "A" is not made of lower-case letters, digits and inner hyphens with a letter first; write it like gra-worker-2`},
		{"name twice", func(m *conf.Mesh) { m.Hosts[1].Name = m.Hosts[0].Name }, "mesh: two hosts are named rbx-worker-1; rename one"},
		{"mesh address outside", func(m *conf.Mesh) { m.Hosts[0].Mesh = addr("10.82.0.1") },
			"mesh: host rbx-worker-1: mesh address 10.82.0.1 is outside 10.80.0.0/16; change its index"},
		{"mesh address twice", func(m *conf.Mesh) { m.Hosts[1].Mesh = m.Hosts[0].Mesh },
			"mesh: allowed IPs 10.80.0.1/32 of rbx-worker-1 and 10.80.0.1/32 of sbg-cp-2 overlap; change the index of one"},
		{"pods outside", func(m *conf.Mesh) { m.Hosts[0].Pods = prefix("10.83.1.0/24") },
			"mesh: host rbx-worker-1: pod CIDR 10.83.1.0/24 is outside 10.81.0.0/16; change its index"},
		{"pods wider than the network", func(m *conf.Mesh) { m.Hosts[0].Pods = prefix("10.80.0.0/15") },
			"mesh: host rbx-worker-1: pod CIDR 10.80.0.0/15 is outside 10.81.0.0/16; change its index"},
		{"pods not a network", func(m *conf.Mesh) { m.Hosts[0].Pods = prefix("10.81.1.1/24") },
			"mesh: host rbx-worker-1: pod CIDR 10.81.1.1/24 is not a network; write 10.81.1.0/24"},
		{"pods inside another's", func(m *conf.Mesh) { m.Hosts[0].Pods = prefix("10.81.0.0/21") },
			"mesh: allowed IPs 10.81.0.0/21 of rbx-worker-1 and 10.81.2.0/24 of sbg-cp-2 overlap; change the index of one\n" +
				"mesh: allowed IPs 10.81.0.0/21 of rbx-worker-1 and 10.81.3.0/24 of gra-worker-3 overlap; change the index of one"},
		{"private twice", func(m *conf.Mesh) { m.Hosts[2].Private = m.Hosts[0].Private },
			"mesh: hosts rbx-worker-1 and gra-worker-3 have the same private address 10.90.0.1; each needs its own"},
		{"private in the pods", func(m *conf.Mesh) { m.Hosts[0].Private = addr("10.81.9.1") },
			"mesh: host rbx-worker-1: private address 10.81.9.1 lies in the pod network 10.81.0.0/16, so the tunnel would run inside itself; give an address outside"},
		{"private IPv6", func(m *conf.Mesh) { m.Hosts[0].Private = addr("fd00::1") },
			"mesh: host rbx-worker-1: private address fd00::1 is not IPv4; the mesh runs over IPv4"},
		{"public in the mesh", func(m *conf.Mesh) { m.Hosts[0].Public = addr("10.80.9.1") },
			"mesh: host rbx-worker-1: public address 10.80.9.1 lies in the mesh 10.80.0.0/16, so the tunnel would run inside itself; give an address outside"},
		{"public twice", func(m *conf.Mesh) { m.Hosts[1].Public = m.Hosts[0].Public },
			"mesh: hosts rbx-worker-1 and sbg-cp-2 have the same public address 198.51.100.1; each needs its own"},
		{"public IPv6", func(m *conf.Mesh) { m.Hosts[0].Public = addr("2001:db8::1") },
			"mesh: host rbx-worker-1: public address 2001:db8::1 is not IPv4; the mesh runs over IPv4"},
		{"no key", func(m *conf.Mesh) { m.Hosts[0].PublicKey = "" },
			`mesh: host rbx-worker-1: public key "" is not 32 bytes in base64; it is what wg pubkey prints on the host`},
		{"short key", func(m *conf.Mesh) { m.Hosts[0].PublicKey = "AAAA" },
			`mesh: host rbx-worker-1: public key "AAAA" is not 32 bytes in base64; it is what wg pubkey prints on the host`},
		{"key of several lines", func(m *conf.Mesh) { m.Hosts[0].PublicKey = key(1)[:20] + "\n" + key(1)[20:] },
			`mesh: host rbx-worker-1: public key "` + key(1)[:20] + `\n` + key(1)[20:] + `" is not 32 bytes in base64; it is what wg pubkey prints on the host`},
		{"key twice", func(m *conf.Mesh) { m.Hosts[1].PublicKey = key(1) },
			"mesh: hosts rbx-worker-1 and sbg-cp-2 have the same key " + key(1) + "; one was made from the other's disk, remove /etc/wireguard/private.key on it and run again"},
		{"several", func(m *conf.Mesh) {
			m.MTU, m.PodsMTU = 1, 0
			m.Hosts[0].Mesh = addr("10.82.0.1")
			m.Hosts[2].PublicKey = "x"
		},
			"mesh: MTU 1 is outside 1280–8920; leave it 0 for 1420\nmesh: host rbx-worker-1: mesh address 10.82.0.1 is outside 10.80.0.0/16; change its index\n" +
				`mesh: host gra-worker-3: public key "x" is not 32 bytes in base64; it is what wg pubkey prints on the host`},
		{"too many", func(m *conf.Mesh) {
			m.Hosts = nil
			for i := range 701 {
				m.Hosts = append(m.Hosts, conf.Host{Name: fmt.Sprintf("h-%d", i), Mesh: netip.AddrFrom4([4]byte{10, 80, byte(i >> 8), byte(i)}), PublicKey: key(i)})
			}
			m.Hosts[0].Rendezvous = true
		}, "mesh: 701 hosts, at most 700 fit into one command; split the mesh"},
		{"too many without rendezvous", func(m *conf.Mesh) { *m = mesh(17) },
			"mesh: 17 hosts and no rendezvous among them, so each would hold the whole roster; name 1 to 7, such as the control plane"},
		{"the most without", func(m *conf.Mesh) { *m = mesh(16) }, ""},
		{"too many rendezvous", func(m *conf.Mesh) {
			*m = mesh(9)
			for i := range 8 {
				m.Hosts[i].Rendezvous = true
			}
		}, "mesh: 8 rendezvous hosts, each of which holds the whole roster; name at most 7"},
	} {
		m := mesh(4)
		c.change(&m)
		got := ""
		if err := m.Validate(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestShapeNeedsNoLateValue(t *testing.T) {
	m := mesh(4)
	for i := range m.Hosts {
		m.Hosts[i].PublicKey, m.Hosts[i].Public = "", netip.Addr{}
	}
	if err := m.ValidateShape(); err != nil {
		t.Error(err)
	}
}

func TestTheCallersHostsStay(t *testing.T) {
	m := mesh(6)
	before := slices.Clone(m.Hosts)
	apply(t, m, "rbx-worker-1")
	if !slices.Equal(m.Hosts, before) {
		t.Error("the caller's hosts were sorted")
	}
}

func BenchmarkValidate200(b *testing.B) {
	m := withRendezvous(mesh(200), "sbg-cp-2")
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}

// All texts of a run: one for each of 200 hosts.
func BenchmarkScripts200(b *testing.B) {
	m := withRendezvous(mesh(200), "sbg-cp-2", "sbg-cp-5", "sbg-cp-8")
	var names []string
	for _, h := range m.Hosts {
		names = append(names, h.Name)
	}
	b.ReportAllocs()
	for b.Loop() {
		texts, err := m.Scripts(names)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(strings.Join(texts, ""))), "state-bytes")
	}
}
