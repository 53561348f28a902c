package network

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func port() Port {
	return Port{Address: netip.MustParseAddr("198.51.100.11"), PublicMAC: MAC("vps-1", false), PrivateMAC: MAC("vps-1", true), Private: true}
}

func TestLines(t *testing.T) {
	got := strings.Join(slices.Concat(Bridges(), port().Links(), port().Inside(), port().Cable(false)), "\n")
	want := `link add hvpub type bridge stp_state 0 forward_delay 0
address add 198.51.100.1/24 dev hvpub
link set hvpub up
link add hvpriv type bridge stp_state 0 forward_delay 0
link set hvpriv up
netns add hv11
link add hvp11 type veth peer name eth0 address 02:68:00:b8:1d:c9 netns hv11
link add hvr11 type veth peer name eth1 address 02:68:01:b8:1d:c9 netns hv11
link set hvp11 master hvpub
link set hvp11 up
link set hvr11 master hvpriv
link set hvr11 up
link set lo up
address add 198.51.100.11/24 broadcast + dev eth0
link set eth0 up
link set eth1 up
route add default via 198.51.100.1 dev eth0
link set hvr11 down
link set hvr11 nomaster`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestUnpluggedPortStaysOffThePrivateBridge(t *testing.T) {
	p := port()
	p.Private = false
	if text := strings.Join(p.Links(), "\n"); strings.Contains(text, PrivateBridge) {
		t.Errorf("an unplugged port is on the private bridge:\n%s", text)
	}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		change func(*Port)
		want   string
	}{
		{func(*Port) {}, ""},
		{func(p *Port) { p.Address = Gateway }, "address 198.51.100.1: wanted a host's address in 198.51.100.0/24 other than 198.51.100.1, which is the machine's"},
		{func(p *Port) { p.Address = netip.MustParseAddr("198.51.100.255") }, "address 198.51.100.255: wanted a host's address in 198.51.100.0/24 other than 198.51.100.1, which is the machine's"},
		{func(p *Port) { p.Address = netip.MustParseAddr("10.0.0.7") }, "address 10.0.0.7: wanted a host's address in 198.51.100.0/24 other than 198.51.100.1, which is the machine's"},
		{func(p *Port) { p.PrivateMAC = "zz" }, `address 198.51.100.11: hardware address "zz": address zz: invalid MAC address`},
	} {
		p := port()
		test.change(&p)
		got := ""
		if err := p.Check(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestOnlyOurNames(t *testing.T) {
	for name, ours := range map[string]bool{"hvpub": true, "hvpriv": true, "hvp11": true, "hvr254": true, "hv11": false, "hvc0": false, "eth0": false, "hvpubx": false, "docker0": false} {
		if ourLink.MatchString(name) != ours {
			t.Errorf("link %s: taken for ours: %v", name, !ours)
		}
	}
	for name, ours := range map[string]bool{"hv11": true, "hvx": false, "hv": false, "blue": false, "hv11x": false} {
		if ourNamespace.MatchString(name) != ours {
			t.Errorf("namespace %s: taken for ours: %v", name, !ours)
		}
	}
}

func TestExplainNamesTheLine(t *testing.T) {
	got := explain("RTNETLINK answers: File exists\nCommand failed -:2\n", []string{"link add a", "link add b"})
	if want := `"link add b": RTNETLINK answers: File exists; Command failed -:2`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// fakeProc makes a folder that stands for /proc.
func fakeProc(t *testing.T, values map[string]string) string {
	t.Helper()
	proc := t.TempDir()
	for path, value := range values {
		file := filepath.Join(proc, "sys", path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return proc
}

func TestKernelIsPutBack(t *testing.T) {
	proc := fakeProc(t, map[string]string{"vm/overcommit_memory": "0", "kernel/panic": "1", "net/bridge/bridge-nf-call-iptables": "1", "fs/inotify/max_user_instances": "128", "fs/inotify/max_user_watches": "9999999"})
	saved, err := ReadKernel(proc)
	if err != nil {
		t.Fatal(err)
	}
	if err := saved.Adapt(proc); err != nil {
		t.Fatal(err)
	}
	if err := write(proc, "vm/overcommit_memory", "1"); err != nil {
		t.Fatal(err)
	}
	changed, err := saved.Changed(proc)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(changed, "; "), "fs/inotify/max_user_instances: 8192, was 128; net/bridge/bridge-nf-call-iptables: 0, was 1; vm/overcommit_memory: 1, was 0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := saved.Restore(context.Background(), proc); err != nil {
		t.Fatal(err)
	}
	if changed, err := saved.Changed(proc); err != nil || len(changed) != 0 {
		t.Errorf("after Restore: %v, %v", changed, err)
	}
}
