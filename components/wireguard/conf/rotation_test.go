package conf_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"havre/components/wireguard/conf"
)

// rotating is mesh(3) in which sbg-cp-2's next key is told of.
func rotating() conf.Mesh {
	m := mesh(3)
	m.Hosts[1].NextKey = key(102)
	return m
}

// rotated is mesh(3) in which sbg-cp-2 has its next key.
func rotated() conf.Mesh {
	m := mesh(3)
	m.Hosts[1].PublicKey, m.Hosts[1].Generation = key(102), 2
	return m
}

const addresses = "10.80.0.2/32,10.81.2.0/24"

// routed is the key that the fake host's interface has the addresses of sbg-cp-2 at.
func routed(t *testing.T, dir string) string {
	t.Helper()
	for line := range strings.Lines(text(t, dir, "allowed-ips")) {
		if k, items, _ := strings.Cut(strings.TrimSpace(line), "\t"); strings.Join(strings.Fields(items), ",") == addresses {
			return k
		}
	}
	return ""
}

// shake writes when keys last shook hands.
func shake(t *testing.T, dir string, at map[string]int) {
	t.Helper()
	var b strings.Builder
	for k, seconds := range at {
		fmt.Fprintf(&b, "%s\t%d\n", k, seconds)
	}
	write(t, filepath.Join(dir, "latest-handshakes"), b.String())
}

// A peer goes through another host's rotation: it is told of the next key, keeps the addresses at the old one, and turns them when the new one has shaken hands.
func TestAPeerFollowsARotation(t *testing.T) {
	dir, run := began(t)
	old, next := key(2), key(102)
	follow := filepath.Join(dir, "systemd", "havre-mesh-follow.service")
	step := func(what, program, want string, followed bool) {
		t.Helper()
		if r := run(program); r.Code != 0 {
			t.Fatalf("%s: %+v", what, r)
		}
		if got := routed(t, dir); got != want {
			t.Errorf("%s: the addresses are at %s, want %s\n%s", what, got, want, text(t, dir, "allowed-ips"))
		}
		if _, err := os.Stat(follow); (err == nil) != followed {
			t.Errorf("%s: followed %v, want %v", what, err == nil, followed)
		}
	}
	turn := "mesh_turn && echo waiting || true\n"
	step("before", apply(t, mesh(3), "rbx-worker-1"), old, false)
	shake(t, dir, map[string]int{old: 1000})
	step("told", apply(t, rotating(), "rbx-worker-1"), old, true)
	if known := text(t, dir, "allowed-ips"); !strings.Contains(known, next+"\t(none)") {
		t.Errorf("the next key is no peer: %s", known)
	}
	step("nothing happened", turn, old, true)
	// The description may be ahead of the host, and a sync in between (a reload, a run of this host's command) takes nothing away.
	if synced := text(t, dir, "synced"); strings.Contains(synced, "PersistentKeepalive") {
		t.Errorf("a key that nobody is to use yet is called: %s", synced)
	}
	step("to be used", apply(t, rotated(), "rbx-worker-1"), old, true)
	// From now on it is called: where both of a pair switch at once, neither hears of the other otherwise.
	if synced := text(t, dir, "synced"); !strings.Contains(synced, "PublicKey = "+next+"\nEndpoint = 198.51.100.2:51820\nPersistentKeepalive = 5\n") || strings.Count(synced, "Keepalive") != 1 {
		t.Errorf("the key that is to be used is not called, or more than that: %s", synced)
	}
	step("again", apply(t, rotated(), "rbx-worker-1"), old, true)
	shake(t, dir, map[string]int{old: 1000, next: 1000})
	calls(t, dir)
	step("shaken in the same second", turn, next, true)
	wantCalls(t, "it turns, and calls no more", dir, "wg set wg0 peer "+next+" persistent-keepalive 0 allowed-ips "+addresses+"\nwg set wg0 peer "+old+" remove\n")
	if known := text(t, dir, "allowed-ips"); strings.Contains(known, old) {
		t.Errorf("the old key is still a peer: %s", known)
	}
	// The service that follows ends with its unit; a command that comes later finds nothing to do.
	if r := run("mesh_follow\n"); r.Code != 0 {
		t.Errorf("%+v", r)
	}
	wantCalls(t, "nobody to wait for", dir, "systemctl -q disable havre-mesh-follow.service\nsystemctl daemon-reload\n")
	step("and after", apply(t, rotated(), "rbx-worker-1"), next, false)
}

// The host may switch before the peer's own command runs, and one that goes back is followed back.
func TestAPeerFollowsEarlyAndBack(t *testing.T) {
	dir, run := began(t)
	old, next := key(2), key(102)
	shake(t, dir, map[string]int{old: 1000})
	want := func(what, program, want string) {
		t.Helper()
		if r := run(program); r.Code != 0 {
			t.Fatalf("%s: %+v", what, r)
		}
		if got := routed(t, dir); got != want {
			t.Errorf("%s: the addresses are at %s, want %s", what, got, want)
		}
	}
	want("told", apply(t, rotating(), "rbx-worker-1"), old)
	shake(t, dir, map[string]int{old: 1000, next: 1001})
	want("switched early", "mesh_turn\n", next)
	if known := text(t, dir, "allowed-ips"); !strings.Contains(known, old+"\t\n") {
		t.Errorf("the old key is no peer any more, so that the host cannot go back: %s", known)
	}
	want("a sync of the old description", apply(t, rotating(), "rbx-worker-1"), next)
	shake(t, dir, map[string]int{old: 1002, next: 1001})
	want("back", "mesh_turn\n", old)
	// A host that was installed anew has a key that nobody was told of: its peers keep the old one until it greets them.
	again := mesh(3)
	again.Hosts[1].PublicKey = key(202)
	want("installed anew", apply(t, again, "rbx-worker-1"), old)
	shake(t, dir, map[string]int{old: 1002, key(202): 1003})
	want("it greets", "mesh_turn || true\n", key(202))
}

// The host itself makes its next key beside the one in use, uses it when it is told to, and keeps no key that its peers take no more.
func TestTheHostsOwnRotation(t *testing.T) {
	dir, run := began(t)
	own := func(m conf.Mesh) conf.Mesh { // rbx-worker-1 is the first of the mesh
		m.Hosts[0].NextKey = "made-here-" + strings.Repeat("A", 33) + "="
		return m
	}
	made := own(mesh(3)).Hosts[0].NextKey
	keys := func() string {
		list, err := filepath.Glob(filepath.Join(dir, "wireguard", "private.key*"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			list[i] = filepath.Base(list[i])
		}
		return strings.Join(list, " ")
	}
	if r := run(apply(t, mesh(3), "rbx-worker-1")); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	write(t, filepath.Join(dir, "made"), made)
	if r := run("wg() { if [[ $1 == genkey ]]; then cat made; else command wg \"$@\"; fi; }\n" + conf.KeyScript([]int{1, 2}, nil)); r.Code != 0 || r.Stdout != key(1)+"\n"+made {
		t.Fatalf("%+v", r)
	}
	if r := run(apply(t, own(mesh(3)), "rbx-worker-1")); r.Code != 0 || keys() != "private.key private.key.2" || strings.TrimSpace(text(t, dir, "running")) != key(1) {
		t.Errorf("told: %+v, keys %s", r, keys())
	}
	calls(t, dir)
	m := own(mesh(3))
	m.Hosts[0].PublicKey, m.Hosts[0].NextKey, m.Hosts[0].Generation = made, "", 2
	// Where the datagrams of the greeting go.
	for _, address := range []string{"10.80.0.2", "10.80.0.3"} {
		if err := os.MkdirAll(filepath.Join(dir, "udp", address), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if r := run(apply(t, m, "rbx-worker-1")); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	for _, address := range []string{"10.80.0.2", "10.80.0.3"} {
		if got := text(t, dir, "udp", address, "9"); got != "." {
			t.Errorf("%s is greeted with %q", address, got)
		}
		if err := os.Remove(filepath.Join(dir, "udp", address, "9")); err != nil {
			t.Error(err)
		}
	}
	if got := strings.TrimSpace(text(t, dir, "running")); got != made || keys() != "private.key.2" {
		t.Errorf("it runs with %s, keys %s", got, keys())
	}
	if got := calls(t, dir); strings.Contains(got, "systemctl stop") {
		t.Errorf("the interface was stopped\n%s", got)
	}
	if r := run(apply(t, m, "rbx-worker-1")); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	if _, err := os.Stat(filepath.Join(dir, "udp", "10.80.0.2", "9")); err == nil {
		t.Error("a second time it greets again")
	}
}
