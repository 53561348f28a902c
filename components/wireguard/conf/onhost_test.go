package conf_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"havre/components/host/script"
	"havre/components/host/script/scripttest"
	"havre/components/wireguard/conf"
)

// onHost gives the mesh's functions with their paths moved into dir.
func onHost(t *testing.T, dir string) string {
	t.Helper()
	for _, folder := range []string{"wireguard", "systemd/wg-quick@wg0.service.d", "lock"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return strings.NewReplacer("/etc/wireguard", dir+"/wireguard", "/etc/systemd/system", dir+"/systemd", "/var/lib/havre", dir+"/var", "/dev/udp", dir+"/udp", "/run/lock", dir+"/lock").Replace(script.LibraryFile("mesh.sh"))
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
		r := scripttest.Run(t, dir, program+"mesh_expand a 10.80.0.0/16 51820 1420 - 1410 1", stdin)
		if r.Code == 0 || !strings.Contains(r.Stderr, want) {
			t.Errorf("%q passed: %+v", stdin, r)
		}
	}
}

// fakeHost stands in for systemd, the kernel and wg: it records what is asked of it in dir/calls and keeps the state in files. Rosters are served from dir/served
// by address; what the interface knows is in the files allowed-ips and latest-handshakes. Its public keys are their private keys.
func fakeHost(t *testing.T, dir string) {
	t.Helper()
	record := `echo "${0##*/} $*" >>calls; `
	scripttest.Stub(t, dir, "systemctl", record+`
case $* in
  *is-active*) [[ -e active ]] ;;
  "start "*) [[ -e wireguard/wg0.conf ]] && touch active link && cp wireguard/private.key running && cp wireguard/wg0.conf started && wg syncconf wg0 started && sed -i '$d' calls && cp wireguard/private.key running ;;
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
peers() { awk '/^PublicKey/ {if (k) print k "\t" (a ? a : "(none)"); k = $3; a = ""} /^AllowedIPs/ {sub(/.* = /, ""); gsub(/,/, ""); a = $0} END {if (k) print k "\t" (a ? a : "(none)")}'; }
case $1 in
  syncconf) echo "wg syncconf $2" >>calls; cat "$3" >synced; sed -n 's/^PrivateKey = //p' synced >running; peers <synced >allowed-ips ;;
  addconf) echo "wg addconf $2" >>calls; cat "$3" >added; peers <added >>allowed-ips ;;
  show)
    case $3 in
      public-key) cat running ;;
      *) [[ ! -e $3 ]] || cat "$3" ;;
    esac ;;
  set)
    echo "wg $*" >>calls
    if [[ $5 == remove ]]; then
      sed -i "\|^$4|d" allowed-ips
    else
      for item in ${8//,/ }; do sed -i "s|$item *||" allowed-ips; done
      sed -i "s|^\($4\)\t.*|\1\t${8//,/ }|" allowed-ips
    fi ;;
  pubkey) cat ;;
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
	write(t, filepath.Join(dir, "wireguard", "private.key"), key(1)+"\n")
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
	write(t, filepath.Join(dir, "wireguard", "private.key"), key(1)+"\n")
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
	if synced := text(t, dir, "synced"); !strings.HasPrefix(synced, "[Interface]\nPrivateKey = "+key(1)+"\nListenPort = 51820\n") || strings.Count(synced, "[Peer]") != 3 {
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
	scripttest.Stub(t, dir, "wg", `case $1 in show) echo none x ;; pubkey) echo mine ;; syncconf) cat "$3" >/dev/null ;; esac`)
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
		r := scripttest.Run(t, dir, program+conf.KeyScript([]int{1}, nil), "")
		if r.Code != 0 || r.Stdout != "made-here\n" {
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
