package conf_test

import (
	"encoding/base64"
	"encoding/binary"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
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
	m := conf.Mesh{Network: netip.MustParsePrefix("10.80.0.0/16"), Pods: netip.MustParsePrefix("10.81.0.0/16")}
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

func config(t testing.TB, m conf.Mesh, name string) conf.Config {
	t.Helper()
	c, err := m.Sorted().For(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEndpoint(t *testing.T) {
	public, private := netip.MustParseAddr("198.51.100.12"), netip.MustParseAddr("10.90.0.12")
	both := conf.Host{Public: public, Private: private}
	out := conf.Host{Public: public}
	for _, c := range []struct {
		name     string
		from, to conf.Host
		want     netip.Addr
	}{
		{"both on the private network", both, both, private},
		{"only the caller", both, out, public},
		{"only the called", out, both, public},
		{"neither", out, out, public},
		{"a laptop", both, conf.Host{}, netip.Addr{}},
	} {
		if got := conf.Endpoint(c.from, c.to); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestGoldens(t *testing.T) {
	m := mesh(6)
	m.Hosts = append(m.Hosts, conf.Host{Name: "laptop", Mesh: netip.MustParseAddr("10.80.255.1"), PublicKey: key(900)})
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	c := config(t, m, "rbx-worker-1")
	scripttest.Golden(t, "testdata/wg0.conf", c.Render(), *update)
	scripttest.Golden(t, "testdata/compact.txt", c.Compact(), *update)
	scripttest.Script(t, "testdata/apply.sh", conf.ApplyScript(c), *update)
	scripttest.Script(t, "testdata/delete.sh", conf.DeleteScript(), *update)
	scripttest.Script(t, "testdata/key.sh", conf.KeyScript(nil), *update)
	scripttest.Script(t, "testdata/key-userspace.sh", conf.KeyScript(&conf.Userspace{
		URL: "http://198.51.100.1:8080/wireguard-go", SHA256: strings.Repeat("ab", 32),
	}), *update)
	scripttest.Check(t, conf.Program())
}

func TestForUnknown(t *testing.T) {
	_, err := mesh(3).Sorted().For("nobody")
	if err == nil || err.Error() != "mesh: no host nobody; it has 3 hosts, sorted by name" {
		t.Errorf("got %v", err)
	}
}

// No text may hold what only the host knows. The only word of 43 or 44 base64 characters is a public key that we gave.
func TestNoSecretInText(t *testing.T) {
	m := mesh(5)
	known := map[string]bool{}
	for _, h := range m.Hosts {
		known[strings.TrimSuffix(h.PublicKey, "=")] = true
	}
	c := config(t, m, "rbx-worker-1")
	found := 0
	for name, text := range map[string]string{
		"render": c.Render(), "compact": c.Compact(), "apply": conf.ApplyScript(c), "key": conf.KeyScript(nil), "delete": conf.DeleteScript(),
	} {
		for _, word := range regexp.MustCompile(`[A-Za-z0-9+/]{43}=?`).FindAllString(text, -1) {
			if strings.Contains(word, "/local/") {
				continue
			}
			found++
			if !known[strings.TrimSuffix(word, "=")] {
				t.Errorf("%s holds a key that is nobody's public key: %s", name, word)
			}
		}
		// wg-quick's key for it; the one place that names it builds the line on the host.
		if name != "key" && strings.Contains(text, "PrivateKey") {
			t.Errorf("%s sets a private key", name)
		}
	}
	if found != 3*4 {
		t.Errorf("found %d keys, want those of 4 peers in 3 texts", found)
	}
}

// The host's own expansion of the compact form is exactly what Render gives.
func TestExpansionOnTheHost(t *testing.T) {
	dir := t.TempDir()
	program := onHost(t, dir)
	odd := mesh(3)
	odd.Pods = netip.Prefix{}
	odd.Port = 51821
	odd.MTU = 1380
	for i := range odd.Hosts {
		odd.Hosts[i].Pods = netip.Prefix{}
	}
	withLaptop := mesh(4)
	withLaptop.Hosts = append(withLaptop.Hosts, conf.Host{Name: "laptop", Mesh: netip.MustParseAddr("10.80.255.1"), PublicKey: key(900)})
	otherPort := config(t, mesh(4), "rbx-worker-1")
	otherPort.Peers[0].Endpoint = netip.AddrPortFrom(otherPort.Peers[0].Endpoint.Addr(), 443)
	otherPort.Peers[1].AllowedIPs = append(otherPort.Peers[1].AllowedIPs, netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.0.3.1/32"))
	for name, c := range map[string]conf.Config{
		"plain": config(t, mesh(6), "rbx-worker-1"), "odd": config(t, odd, "sbg-cp-2"), "laptop": config(t, withLaptop, "rbx-worker-1"),
		"other port and more": otherPort, "alone": config(t, mesh(1), "rbx-worker-1"), "200 hosts": config(t, mesh(200), "rbx-worker-100"),
	} {
		r := scripttest.Run(t, dir, program+" expand", c.Compact())
		want := strings.ReplaceAll(c.Render(), "/etc/wireguard", filepath.Join(dir, "wireguard"))
		if r.Code != 0 || r.Stdout != want {
			t.Errorf("%s: status %d %s\n got %s\nwant %s", name, r.Code, r.Stderr, r.Stdout, want)
		}
	}
	r := scripttest.Run(t, dir, program+" expand", "10.80.0.1/16 51820 1420 -\nbroken line\n")
	if r.Code == 0 || !strings.Contains(r.Stderr, "mesh: cannot read the peer broken") {
		t.Errorf("a broken line passed: %+v", r)
	}
}

// onHost writes the host's program into dir with its paths moved there, and gives its path.
func onHost(t *testing.T, dir string) string {
	t.Helper()
	text := strings.NewReplacer("/usr/local/lib/havre", dir, "/etc/wireguard", filepath.Join(dir, "wireguard")).Replace(conf.Program())
	path := filepath.Join(dir, "mesh")
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "wireguard"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// fakeHost stands in for systemd, the kernel and wg: it records what is asked of it in dir/calls and keeps the state in files.
func fakeHost(t *testing.T, dir string) {
	t.Helper()
	record := `echo "${0##*/} $*" >>calls; `
	scripttest.Stub(t, dir, "systemctl", record+`
case $* in
  *is-active*) [[ -e active ]] ;;
  "start "*) [[ -e wireguard/wg0.conf ]] && touch active link && cp wireguard/private.key running ;;
  "stop "*) rm -f active link running ;;
esac`)
	scripttest.Stub(t, dir, "ip", `
case $* in
  "link show dev wg0") [[ -e link ]]; exit ;;
  *"address show"*) echo "5: wg0    inet 10.80.0.1/16 scope global wg0"; [[ ! -e moved ]] || echo "5: wg0    inet 10.80.0.99/16 scope global wg0"; exit ;;
esac
`+record+`
case $* in "link delete"*) rm -f link running ;; esac`)
	scripttest.Stub(t, dir, "wg-quick", `sed -E '/^(Address|MTU|Table|PostUp)/d' wireguard/wg0.conf`)
	scripttest.Stub(t, dir, "wg", `
case $1 in
  syncconf) echo "wg syncconf $2" >>calls; cat "$3" >synced; sed -n 's/^PrivateKey = //p' synced >running ;;
  show) sed 's/^/public of /' running ;;
  pubkey) sed 's/^/public of /' ;;
  genkey) echo "wg genkey" >>calls; echo made-here ;;
  *) exit 9 ;;
esac`)
}

func calls(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "calls")
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestApplyOnTheHost(t *testing.T) {
	dir := t.TempDir()
	program := onHost(t, dir)
	fakeHost(t, dir)
	run := func(what string, c conf.Config) scripttest.Result {
		return scripttest.Run(t, dir, program+" "+what, c.Compact())
	}
	three, four := config(t, mesh(3), "rbx-worker-1"), config(t, mesh(4), "rbx-worker-1")

	if r := run("apply", three); r.Code == 0 || !strings.Contains(r.Stderr, "private.key is missing; run the key's command of this host again") {
		t.Fatalf("applied without a key: %+v", r)
	}
	write(t, filepath.Join(dir, "wireguard", "private.key"), "secret\n")
	calls(t, dir)

	if r := run("apply", three); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	if got, want := calls(t, dir), "systemctl -q is-active wg-quick@wg0\nsystemctl stop wg-quick@wg0\nsystemctl start wg-quick@wg0\nsystemctl -q enable wg-quick@wg0\n"; got != want {
		t.Errorf("first time\n got %s\nwant %s", got, want)
	}
	// A change goes into the running interface: nothing is stopped, started or deleted, and the key stays.
	if r := run("apply", four); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	changed := calls(t, dir)
	want := "systemctl -q is-active wg-quick@wg0\nwg syncconf wg0\nip link set dev wg0 mtu 1420 up\nip -4 address replace 10.80.0.1/16 dev wg0\n" +
		"ip -4 route replace 10.81.0.0/16 dev wg0\nsystemctl -q enable wg-quick@wg0\n"
	if changed != want {
		t.Errorf("a change\n got %s\nwant %s", changed, want)
	}
	synced, err := os.ReadFile(filepath.Join(dir, "synced"))
	if err != nil || !strings.HasPrefix(string(synced), "[Interface]\nPrivateKey = secret\n\nListenPort = 51820\n") || strings.Count(string(synced), "[Peer]") != 3 {
		t.Errorf("syncconf got %s (%v)", synced, err)
	}
	info, err := os.Stat(filepath.Join(dir, "wireguard", "wg0.conf"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("wg0.conf: %v, %v", info, err)
	}
	// An address from before goes.
	write(t, filepath.Join(dir, "moved"), "")
	if r := run("apply", four); r.Code != 0 || !strings.Contains(calls(t, dir), "ip -4 address del 10.80.0.99/16 dev wg0\n") {
		t.Errorf("the old address stayed: %+v", r)
	}
	// A unit that is active without its interface is started anew.
	if err := os.Remove(filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if r := run("apply", four); r.Code != 0 || !strings.Contains(calls(t, dir), "systemctl start wg-quick@wg0\n") {
		t.Errorf("a lost interface was not made again: %+v", r)
	}
	// An interface with another key is an error, not a silence.
	scripttest.Stub(t, dir, "wg", `case $1 in show) echo none ;; pubkey) echo mine ;; syncconf) cat "$3" >/dev/null ;; esac`)
	if r := run("apply", four); r.Code == 0 || !strings.Contains(r.Stderr, "mesh: wg0 does not run with the key in ") {
		t.Errorf("a cleared key passed: %+v", r)
	}
}

func TestDeleteOnTheHost(t *testing.T) {
	dir := t.TempDir()
	program := onHost(t, dir)
	fakeHost(t, dir)
	write(t, filepath.Join(dir, "wireguard", "private.key"), "secret\n")
	if r := scripttest.Run(t, dir, program+" apply", config(t, mesh(3), "rbx-worker-1").Compact()); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	for i := range 2 {
		if r := scripttest.Run(t, dir, program+" delete", ""); r.Code != 0 {
			t.Fatalf("time %d: %+v", i, r)
		}
		if _, err := os.Stat(filepath.Join(dir, "link")); err == nil {
			t.Error("the interface is still there")
		}
		if _, err := os.Stat(filepath.Join(dir, "wireguard", "private.key")); err != nil {
			t.Errorf("the key went: %v", err)
		}
	}
}

// The key's script twice: one key, the same output, nothing on standard output but the public key.
func TestKeyOnTheHost(t *testing.T) {
	dir := t.TempDir()
	fakeHost(t, dir)
	move := strings.NewReplacer("/usr/local/lib/havre", dir, "/etc/wireguard", filepath.Join(dir, "wireguard"), "/etc/systemd", filepath.Join(dir, "systemd"))
	for i, want := range []string{"systemctl daemon-reload\nwg genkey\n", ""} {
		r := scripttest.Run(t, dir, move.Replace(conf.KeyScript(nil)), "")
		if r.Code != 0 || r.Stdout != "public of made-here\n" {
			t.Fatalf("time %d: %+v", i, r)
		}
		if got := calls(t, dir); got != want {
			t.Errorf("time %d\n got %s\nwant %s", i, got, want)
		}
	}
	for path, mode := range map[string]os.FileMode{"wireguard": 0o700, "wireguard/private.key": 0o600, "mesh": 0o755} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, "wireguard"))
	if err != nil || len(left) != 1 {
		t.Errorf("left over: %v, %v", left, err)
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
		{"MTU low", func(m *conf.Mesh) { m.MTU = 1279 }, "mesh: MTU 1279 is outside 1280–8920; leave it 0 for 1420"},
		{"MTU least", func(m *conf.Mesh) { m.MTU = 1280 }, ""},
		{"MTU most", func(m *conf.Mesh) { m.MTU = 8920 }, ""},
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
		{"several", func(m *conf.Mesh) { m.MTU = 1; m.Hosts[0].Mesh = addr("10.82.0.1"); m.Hosts[2].PublicKey = "x" },
			"mesh: MTU 1 is outside 1280–8920; leave it 0 for 1420\nmesh: host rbx-worker-1: mesh address 10.82.0.1 is outside 10.80.0.0/16; change its index\n" +
				`mesh: host gra-worker-3: public key "x" is not 32 bytes in base64; it is what wg pubkey prints on the host`},
		{"too many", func(m *conf.Mesh) {
			m.Hosts = nil
			for i := range 901 {
				m.Hosts = append(m.Hosts, conf.Host{Name: fmt.Sprintf("h-%d", i), Mesh: netip.AddrFrom4([4]byte{10, 80, byte(i >> 8), byte(i)}), PublicKey: key(i)})
			}
		}, "mesh: 901 hosts, at most 900 fit into one command; split the mesh"},
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

func TestSortedLeavesTheCaller(t *testing.T) {
	m := mesh(6)
	before := slices.Clone(m.Hosts)
	m.Sorted()
	if !slices.Equal(m.Hosts, before) {
		t.Error("the caller's hosts were sorted")
	}
}

// One peer's line is what the state grows by, n² times: the bound is a promise about the state.
func TestCompactIsSmall(t *testing.T) {
	c := config(t, mesh(200), "rbx-worker-100")
	if perPeer := len(c.Compact()) / len(c.Peers); perPeer > 96 {
		t.Errorf("%d bytes a peer, at most 96 are wanted", perPeer)
	}
	// The largest mesh still fits into one command.
	long := conf.Peer{
		Name: strings.Repeat("a", 30), PublicKey: key(1), Endpoint: netip.MustParseAddrPort("198.151.100.100:51820"),
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("100.180.100.100/32"), netip.MustParsePrefix("100.181.100.0/24")},
	}
	most := conf.Config{Address: c.Address, Pods: c.Pods, Port: c.Port, MTU: c.MTU, Peers: slices.Repeat([]conf.Peer{long}, conf.MaxHosts)}
	scripttest.Check(t, conf.ApplyScript(most))
}

func BenchmarkValidate200(b *testing.B) {
	m := mesh(200)
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}

// All texts of a run: one for each of 200 hosts.
func BenchmarkCompact200(b *testing.B) {
	m := mesh(200).Sorted()
	b.ReportAllocs()
	for b.Loop() {
		size := 0
		for _, h := range m.Hosts {
			c, err := m.For(h.Name)
			if err != nil {
				b.Fatal(err)
			}
			size += len(conf.ApplyScript(c))
		}
		b.ReportMetric(float64(size), "state-bytes")
	}
}
