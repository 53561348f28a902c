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

	"havre/components/host/script"
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
	scripttest.Script(t, "testdata/key-userspace.sh", conf.KeyScript(&conf.Userspace{
		URL: "http://198.51.100.1:8080/wireguard-go", SHA256: strings.Repeat("ab", 32),
	}), *update)
	if key, gone := conf.KeyScript(nil), conf.DeleteScript(); key != "mesh_key\n" || gone != "mesh_delete\n" {
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
	for text, want := range map[string]int{apply(t, m, "rbx-worker-1"): 2, apply(t, m, "sbg-cp-2"): 5, conf.KeyScript(nil): 0, conf.DeleteScript(): 0} {
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

// onHost gives the mesh's functions with their paths moved into dir.
func onHost(t *testing.T, dir string) string {
	t.Helper()
	for _, folder := range []string{"wireguard", "systemd/wg-quick@wg0.service.d"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return strings.NewReplacer("/etc/wireguard", dir+"/wireguard", "/etc/systemd/system", dir+"/systemd", "/var/lib/havre", dir+"/var").Replace(script.LibraryFile("mesh.sh"))
}

// The host's own expansion of the roster is exactly the file that is wanted.
func TestExpansionOnTheHost(t *testing.T) {
	dir := t.TempDir()
	program := onHost(t, dir)
	odd := mesh(3)
	odd.Pods, odd.PodsMTU, odd.Port, odd.MTU = netip.Prefix{}, 0, 51830, 1380
	for i := range odd.Hosts {
		odd.Hosts[i].Pods = netip.Prefix{}
	}
	withLaptop := mesh(4)
	withLaptop.Hosts = append(withLaptop.Hosts, conf.Host{Name: "laptop", Mesh: netip.MustParseAddr("10.80.255.1"), PublicKey: key(900)})
	for name, c := range map[string]struct {
		mesh conf.Mesh
		host string
	}{
		"plain": {mesh(6), "rbx-worker-1"}, "a host without private address": {mesh(6), "sbg-cp-2"}, "odd": {odd, "sbg-cp-2"}, "laptop": {withLaptop, "rbx-worker-1"},
		"alone": {mesh(1), "rbx-worker-1"}, "200 hosts": {withRendezvous(mesh(200), "rbx-worker-100"), "rbx-worker-100"},
	} {
		text := strings.NewReplacer("mesh_apply", "mesh_expand", "mesh_serve", "mesh_expand").Replace(apply(t, c.mesh, c.host))
		r := scripttest.Run(t, dir, program+text, "")
		want := strings.ReplaceAll(file(t, c.mesh, c.host), "/etc/wireguard", filepath.Join(dir, "wireguard"))
		if r.Code != 0 || r.Stdout != want {
			t.Errorf("%s: status %d %s\n got %s\nwant %s", name, r.Code, r.Stderr, r.Stdout, want)
		}
	}
	for stdin, want := range map[string]string{"broken line\n": "mesh: cannot read the line of broken", "b KEY - - 10.80.0.2\n": "mesh: no line of a among 1"} {
		r := scripttest.Run(t, dir, program+"mesh_expand a 10.80.0.0/16 51820 1420 - 1410", stdin)
		if r.Code == 0 || !strings.Contains(r.Stderr, want) {
			t.Errorf("%q passed: %+v", stdin, r)
		}
	}
}

// fakeHost stands in for systemd, the kernel and wg: it records what is asked of it in dir/calls and keeps the state in files. Rosters are served from dir/served
// by address.
func fakeHost(t *testing.T, dir string) {
	t.Helper()
	record := `echo "${0##*/} $*" >>calls; `
	scripttest.Stub(t, dir, "systemctl", record+`
case $* in
  *is-active*) [[ -e active ]] ;;
  "start "*) [[ -e wireguard/wg0.conf ]] && touch active link && cp wireguard/private.key running && cp wireguard/wg0.conf started ;;
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
  addconf) echo "wg addconf $2" >>calls; cat "$3" >added ;;
  show) sed 's/^/public of /' running ;;
  pubkey) sed 's/^/public of /' ;;
  genkey) echo "wg genkey" >>calls; echo made-here ;;
  *) exit 9 ;;
esac`)
	// timeout SECONDS bash -c SCRIPT ADDRESS PORT is a fetch.
	scripttest.Stub(t, dir, "timeout", `
if [[ $2 != bash ]]; then shift; exec "$@"; fi
echo "fetch from $5:$6" >>calls
[[ $5 != 0.0.0.0 ]] && cat "served/$5"`)
	scripttest.Stub(t, dir, "sleep", "")
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

// began is a host that has its key.
func began(t *testing.T) (dir string, run func(text string) scripttest.Result) {
	t.Helper()
	dir = t.TempDir()
	program := onHost(t, dir)
	fakeHost(t, dir)
	write(t, filepath.Join(dir, "wireguard", "private.key"), "secret\n")
	return dir, func(text string) scripttest.Result { return scripttest.Run(t, dir, program+text, "") }
}

func text(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func wantCalls(t *testing.T, what, dir, want string) {
	t.Helper()
	if got := calls(t, dir); got != want {
		t.Errorf("%s\n got %s\nwant %s", what, got, want)
	}
}

const (
	firstTime = "systemctl daemon-reload\nsystemctl -q is-active wg-quick@wg0\nsystemctl stop wg-quick@wg0\nsystemctl start wg-quick@wg0\n"
	inPlace   = "wg syncconf wg0\n" + link
	link      = "ip link set dev wg0 mtu 1420 up\nip -4 address replace 10.80.0.1/16 dev wg0\nip -4 route replace 10.81.0.0/16 dev wg0 mtu 1410\n"
	isActive  = "systemctl -q is-active wg-quick@wg0\n"
	enable    = "systemctl -q enable wg-quick@wg0\n"
)

func TestApplyOnTheHost(t *testing.T) {
	dir, run := began(t)
	three, four := apply(t, mesh(3), "rbx-worker-1"), apply(t, mesh(4), "rbx-worker-1")

	if err := os.Remove(filepath.Join(dir, "wireguard", "private.key")); err != nil {
		t.Fatal(err)
	}
	if r := run(three); r.Code == 0 || !strings.Contains(r.Stderr, "private.key is missing; run the key's command of this host again") {
		t.Fatalf("applied without a key: %+v", r)
	}
	write(t, filepath.Join(dir, "wireguard", "private.key"), "secret\n")
	calls(t, dir)

	if r := run(three); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	wantCalls(t, "first time", dir, firstTime+enable)
	// A change goes into the running interface: nothing is stopped, started or deleted, and the key stays.
	if r := run(four); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	wantCalls(t, "a change", dir, isActive+inPlace+enable)
	if synced := text(t, dir, "synced"); !strings.HasPrefix(synced, "[Interface]\nPrivateKey = secret\n\nListenPort = 51820\n") || strings.Count(synced, "[Peer]") != 3 {
		t.Errorf("syncconf got %s", synced)
	}
	info, err := os.Stat(filepath.Join(dir, "wireguard", "wg0.conf"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("wg0.conf: %v, %v", info, err)
	}
	// An address from before goes.
	write(t, filepath.Join(dir, "moved"), "")
	if r := run(four); r.Code != 0 || !strings.Contains(calls(t, dir), "ip -4 address del 10.80.0.99/16 dev wg0\n") {
		t.Errorf("the old address stayed: %+v", r)
	}
	// A unit that is active without its interface is started anew.
	if err := os.Remove(filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if r := run(four); r.Code != 0 || !strings.Contains(calls(t, dir), "systemctl start wg-quick@wg0\n") {
		t.Errorf("a lost interface was not made again: %+v", r)
	}
	// An interface with another key is an error, not a silence.
	scripttest.Stub(t, dir, "wg", `case $1 in show) echo none ;; pubkey) echo mine ;; syncconf) cat "$3" >/dev/null ;; esac`)
	if r := run(four); r.Code == 0 || !strings.Contains(r.Stderr, "mesh: wg0 does not run with the key in ") {
		t.Errorf("a cleared key passed: %+v", r)
	}
}

// serves puts a roster where the fake host fetches it from a rendezvous host.
func serves(t *testing.T, dir, address, roster string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "served"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "served", address), roster)
}

// roster is what a rendezvous host is given.
func roster(t *testing.T, m conf.Mesh, rendezvous string) string {
	t.Helper()
	_, lines, _ := strings.Cut(apply(t, m, rendezvous), "<<'EOF'\n")
	return strings.TrimSuffix(lines, "EOF\n")
}

func TestJoinOnTheHost(t *testing.T) {
	dir, run := began(t)
	three, five := withRendezvous(mesh(3), "sbg-cp-2", "gra-worker-3"), withRendezvous(mesh(5), "sbg-cp-2", "gra-worker-3")
	serves(t, dir, "10.80.0.2", roster(t, three, "sbg-cp-2"))

	// The first rendezvous by name does not answer, so the second is asked. The interface is up with both before.
	if r := run(apply(t, three, "rbx-worker-1")); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	wantCalls(t, "first time", dir, firstTime+"fetch from 10.80.0.3:51821\nfetch from 10.80.0.2:51821\n"+isActive+inPlace+enable)
	want := func(m conf.Mesh) {
		t.Helper()
		if got := text(t, dir, "wireguard/wg0.conf"); got != strings.ReplaceAll(file(t, m, "rbx-worker-1"), "/etc/wireguard", dir+"/wireguard") {
			t.Errorf("the file is\n%s", got)
		}
	}
	want(three)
	if started := text(t, dir, "started"); strings.Count(started, "[Peer]") != 2 {
		t.Errorf("it was started with\n%s", started)
	}

	// More hosts: the rendezvous go into the running interface beside what is there, then the whole. Nothing is stopped, and an old roster is passed over.
	serves(t, dir, "10.80.0.3", roster(t, three, "sbg-cp-2"))
	serves(t, dir, "10.80.0.2", roster(t, five, "sbg-cp-2"))
	if r := run(apply(t, five, "rbx-worker-1")); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	wantCalls(t, "a change", dir, isActive+"wg addconf wg0\n"+link+"fetch from 10.80.0.3:51821\nfetch from 10.80.0.2:51821\n"+isActive+inPlace+enable)
	want(five)
	added := text(t, dir, "added")
	if strings.Contains(added, "[Interface]") || strings.Contains(added, "PrivateKey") || strings.Count(added, "[Peer]") != 2 {
		t.Errorf("addconf got\n%s", added)
	}

	// Nobody serves what the run wants: the command says so, and the host stays as it is.
	calls(t, dir)
	r := run("SECONDS=0\nsleep() { SECONDS=100; }\n" + apply(t, withRendezvous(mesh(6), "sbg-cp-2", "gra-worker-3"), "rbx-worker-1"))
	if r.Code == 0 || !strings.Contains(r.Stderr, "havre: mesh: none of 10.80.0.3 10.80.0.2 has served the roster ") {
		t.Errorf("%+v", r)
	}
	want(five)
	if strings.Contains(calls(t, dir), "syncconf") {
		t.Error("the interface was changed without a roster")
	}
}

func TestServeOnTheHost(t *testing.T) {
	dir, run := began(t)
	m := withRendezvous(mesh(3), "rbx-worker-1")
	serving := "systemctl daemon-reload\nsystemctl -q enable havre-roster.socket\nsystemctl restart havre-roster.socket\n"
	if r := run(apply(t, m, "rbx-worker-1")); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	wantCalls(t, "first time", dir, firstTime+enable+serving)
	if r := run(apply(t, m, "rbx-worker-1")); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	wantCalls(t, "again", dir, isActive+inPlace+enable+serving)
	if got := text(t, dir, "var/roster"); got != roster(t, m, "rbx-worker-1") {
		t.Errorf("it serves\n%s", got)
	}
	if socket := text(t, dir, "systemd/havre-roster.socket"); !strings.Contains(socket, "\nListenStream=10.80.0.1:51821\n") || !strings.Contains(socket, "\nIPAddressAllow=10.80.0.0/16\n") {
		t.Errorf("the socket is\n%s", socket)
	}
	for path, mode := range map[string]os.FileMode{"var/roster": 0o644, "systemd/havre-roster@.service": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}

	// A host that is no rendezvous any more serves nobody.
	serves(t, dir, "10.80.0.2", roster(t, withRendezvous(m, "sbg-cp-2"), "sbg-cp-2"))
	if r := run(apply(t, withRendezvous(m, "sbg-cp-2"), "rbx-worker-1")); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	if got := calls(t, dir); !strings.HasSuffix(got, enable+"systemctl -q disable --now havre-roster.socket\nsystemctl daemon-reload\n") {
		t.Errorf("it goes on: %s", got)
	}
	for _, path := range []string{"var/roster", "systemd/havre-roster.socket", "systemd/havre-roster@.service"} {
		if _, err := os.Stat(filepath.Join(dir, path)); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
}

func TestDeleteOnTheHost(t *testing.T) {
	dir, run := began(t)
	if r := run(apply(t, withRendezvous(mesh(3), "rbx-worker-1"), "rbx-worker-1")); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	for i := range 2 {
		if r := run(conf.DeleteScript()); r.Code != 0 {
			t.Fatalf("time %d: %+v", i, r)
		}
		for _, path := range []string{"link", "wireguard/wg0.conf", "var/roster"} {
			if _, err := os.Stat(filepath.Join(dir, path)); err == nil {
				t.Errorf("%s is still there", path)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "wireguard", "private.key")); err != nil {
			t.Errorf("the key went: %v", err)
		}
	}
}

// The key's script twice: one key, the same output, nothing on standard output but the public key.
func TestKeyOnTheHost(t *testing.T) {
	dir := t.TempDir()
	program := onHost(t, dir)
	fakeHost(t, dir)
	for i, want := range []string{"wg genkey\n", ""} {
		r := scripttest.Run(t, dir, program+conf.KeyScript(nil), "")
		if r.Code != 0 || r.Stdout != "public of made-here\n" {
			t.Fatalf("time %d: %+v", i, r)
		}
		wantCalls(t, "key", dir, want)
	}
	for path, mode := range map[string]os.FileMode{"wireguard": 0o700, "wireguard/private.key": 0o600} {
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
			for i := range 901 {
				m.Hosts = append(m.Hosts, conf.Host{Name: fmt.Sprintf("h-%d", i), Mesh: netip.AddrFrom4([4]byte{10, 80, byte(i >> 8), byte(i)}), PublicKey: key(i)})
			}
			m.Hosts[0].Rendezvous = true
		}, "mesh: 901 hosts, at most 900 fit into one command; split the mesh"},
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
