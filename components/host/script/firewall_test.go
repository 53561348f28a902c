package script_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"havre/components/host/script"
	"havre/components/host/script/scripttest"
)

func edgeWorker() *script.Firewall {
	return &script.Firewall{
		Interface: "wg0", Port: 51820, Mesh: netip.MustParsePrefix("10.80.0.0/16"), Pods: netip.MustParsePrefix("10.81.0.0/16"), PodInterfaces: []string{"cni0"},
		Rules: []script.FirewallRule{
			{Deny: true, Protocol: "udp", From: "203.0.113.0/24"},
			{Protocol: "tcp", From: "198.51.100.7/32", Port: 8443},
			{Protocol: "udp", FromPort: 123},
			{Protocol: "tcp", From: "192.0.2.0/24", Port: 22},
			{Protocol: "tcp", Port: 443},
			{Protocol: "udp", Port: 443},
			{Protocol: "tcp", Port: 22, From: script.FromHosts},
			{Protocol: "tcp", Port: 10250, From: script.FromCluster},
		},
	}
}

func TestFirewallValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*script.Firewall)
		want   string
	}{
		{"sound", func(*script.Firewall) {}, ""},
		{"interface", func(f *script.Firewall) { f.Interface = `wg0" accept` },
			`firewall: "wg0\" accept" is not the name of an interface; write it like wg0, or lxc* for all that begin so`},
		{"pods' interface", func(f *script.Firewall) { f.PodInterfaces = []string{"*"} },
			`firewall: "*" is not the name of an interface; write it like wg0, or lxc* for all that begin so`},
		{"port", func(f *script.Firewall) { f.Port = 0 }, "firewall: WireGuard's port 0 is outside 1–65535; give the mesh's"},
		{"mesh", func(f *script.Firewall) { f.Mesh = netip.MustParsePrefix("10.80.0.1/16") }, "firewall: mesh 10.80.0.1/16 is not an IPv4 network; write it like 10.80.0.0/16"},
		{"pods", func(f *script.Firewall) { f.Pods = netip.Prefix{} }, "firewall: pod network invalid Prefix is not an IPv4 network; write it like 10.80.0.0/16"},
		{"protocol", func(f *script.Firewall) { f.Rules[4].Protocol = "sctp" },
			"firewall: protocol \"sctp\" is not one of tcp, udp, icmp, ipv4\nfirewall: port 443 of sctp; wanted 1–65535 of tcp or udp, or 0 for any"},
		{"port of icmp", func(f *script.Firewall) { f.Rules[4].Protocol = "icmp" }, "firewall: port 443 of icmp; wanted 1–65535 of tcp or udp, or 0 for any"},
		{"sender", func(f *script.Firewall) { f.Rules[4].From = "192.0.2.7/24" },
			`firewall: sender "192.0.2.7/24" is not hosts, cluster or an IPv4 network; write it like 192.0.2.0/24, or leave it out for anybody`},
		{"no SSH", func(f *script.Firewall) { f.Rules[3].Deny = true },
			"firewall: no rule lets SSH in from outside the mesh, which is how the host is reached; add one for tcp port 22"},
	} {
		b := worker()
		c.change(b.Firewall)
		_, err := b.Render()
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// wall is a host with the firewall's functions, whose paths are moved into the folder: nft keeps what was loaded in dir/loaded, counters are files of their names.
func wall(t *testing.T) (dir string, run func(text, stdin string) scripttest.Result) {
	t.Helper()
	dir = t.TempDir()
	for _, folder := range []string{"havre", "systemd"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program := strings.NewReplacer("/etc/havre", dir+"/havre", "/etc/systemd/system", dir+"/systemd").Replace(script.LibraryFile("firewall.sh"))
	scripttest.Stub(t, dir, "nft", `
echo "nft $*" >>calls
case $* in
  "-f "*peers.nft) ;;
  "-f "*) cat "$2" >loaded ;;
  "list table"*) [[ -e loaded ]] ;;
  "delete table"*) rm loaded ;;
  "list counter"*) echo "packets $(cat "$5" 2>/dev/null || echo 0) bytes 0" ;;
esac`)
	scripttest.Stub(t, dir, "systemctl", `echo "systemctl $*" >>calls; case $* in *mask*) ln -sfn /dev/null systemd/nftables.service ;; esac`)
	scripttest.Stub(t, dir, "systemd-run", `echo "systemd-run $*" >>calls`)
	return dir, func(text, stdin string) scripttest.Result {
		return scripttest.Run(t, dir, program+"firewall_client() { cat client 2>/dev/null || true; }\n"+text, stdin)
	}
}

func set(rules string) string {
	return "firewall_set wg0 51820 10.80.0.0/16 10.81.0.0/16 cni0 " + rules + "\n"
}

func TestFirewallTable(t *testing.T) {
	_, run := wall(t)
	text, err := worker().Render()
	if err != nil {
		t.Fatal(err)
	}
	_, arguments, _ := strings.Cut(text, "\nfirewall ")
	arguments = strings.ReplaceAll(strings.TrimSuffix(arguments, "\nEOF\n"), "\nrule ", " ")
	for name, arguments := range map[string]string{
		"firewall-edge-worker.nft": arguments,
		"firewall-outside.nft":     "wg0 51820 10.80.0.0/16 10.81.0.0/16 - tcp/22 hosts:tcp/22 cluster:tcp/6650",
		"firewall-cilium.nft":      "wg0 51820 10.80.0.0/16 10.81.0.0/16 cilium_host,lxc* 192.0.2.0/24:ipv4 192.0.2.0/24:icmp tcp/22 tcp cluster:udp@53",
	} {
		r := run("read -ra words <<<"+script.Quote(arguments)+"\nfirewall_table \"${words[@]}\"\n", "")
		if r.Code != 0 || r.Stderr != "" {
			t.Fatalf("%s: %+v", name, r)
		}
		dir, _, _ := strings.Cut(r.Stdout[strings.Index(r.Stdout, "include \"")+len("include \""):], "/havre/")
		scripttest.Golden(t, filepath.Join("testdata", name), strings.ReplaceAll(r.Stdout, dir, "/etc"), *update)
	}
}

// Rules are tried before they stay: the first SSH connection that they let in proves them, and one of ours that they kept out brings back what was.
func TestFirewallIsTried(t *testing.T) {
	dir, run := wall(t)
	file := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return ""
		}
		return string(text)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	do := func(text string) {
		t.Helper()
		write("calls", "")
		if r := run(text, ""); r.Code != 0 {
			t.Fatalf("%s: %+v", text, r)
		}
	}
	write("client", "192.0.2.7\n")
	do(set("tcp/22"))
	const watched = "systemd-run --quiet --collect --unit=havre-firewall-watch --on-active=20 --on-unit-active=20 /usr/local/lib/havre/run lib.sh firewall.sh firewall_watch\n"
	want := "nft -f " + dir + "/havre/firewall.new.nft\nnft add element inet havre clients { 192.0.2.7 }\nsystemctl -q enable havre-firewall.service\n" +
		"systemctl -q mask nftables.service\n" + watched
	if got := file("calls"); got != want {
		t.Errorf("the first rules\n got %s\nwant %s", got, want)
	}
	if file("havre/firewall.nft") != file("loaded") {
		t.Error("a boot would leave the host open")
	}

	do("firewall_watch")
	if got := file("calls"); file("havre/firewall.new.nft") == "" || strings.Contains(got, "stop") {
		t.Errorf("nobody has come, and the rules were decided about: %s", got)
	}
	write("ssh-let-in", "1")
	do("firewall_watch")
	first := file("havre/firewall.nft")
	if first == "" || file("havre/firewall.new.nft") != "" || !strings.HasSuffix(file("calls"), "systemctl stop havre-firewall-watch.timer\n") {
		t.Errorf("rules that were proven are not kept: %s", file("calls"))
	}
	// The same again touches nothing.
	do(set("tcp/22"))
	if got := file("calls"); got != "nft list table inet havre\n" {
		t.Errorf("the same rules again: %s", got)
	}

	// Others, which keep us out in the end.
	write("ssh-let-in", "0")
	do(set("192.0.2.0/24:tcp/22"))
	if got := file("calls"); !strings.HasSuffix(got, "clients { 192.0.2.7 }\n"+watched) || file("havre/firewall.nft") != first {
		t.Errorf("other rules: %s", got)
	}
	// The description goes back before anybody has come.
	do(set("tcp/22"))
	if file("loaded") != first || file("havre/firewall.new.nft") != "" {
		t.Error("the rules from before are described again, and not loaded")
	}
	do(set("192.0.2.0/24:tcp/22"))
	write("ssh-kept-out", "3")
	do("firewall_watch")
	if file("loaded") != first || file("havre/firewall.nft") != first || file("havre/firewall.new.nft") != "" {
		t.Error("the rules from before are not back")
	}
	// Without any from before there are none.
	if err := os.Remove(filepath.Join(dir, "havre/firewall.nft")); err != nil {
		t.Fatal(err)
	}
	write("ssh-kept-out", "0")
	do(set("tcp/22"))
	write("ssh-kept-out", "1")
	do("firewall_watch")
	if file("loaded") != "" || file("havre/firewall.nft") != "" {
		t.Error("the first rules keep us out and stay")
	}

	// What is written in the rules themselves is refused before.
	write("client", "198.51.100.1\n")
	write("calls", "")
	r := run(set("192.0.2.0/24:tcp/22"), "")
	if r.Code != 1 || file("calls") != "" || r.Stderr != "havre: firewall: these rules would keep out SSH from 198.51.100.1, where this command comes from; nothing is changed. Add it to SSHFrom in the stack's description\n" {
		t.Errorf("%+v, calls %s", r, file("calls"))
	}
}

func TestFirewallAdmits(t *testing.T) {
	_, run := wall(t)
	for rules, want := range map[string]bool{
		"tcp/22":                                true,
		"tcp/443 udp/22":                        false,
		"tcp":                                   true,
		"192.0.2.7/32:tcp/22":                   true,
		"192.0.2.6/32:tcp/22":                   false,
		"192.0.2.128/25:tcp/22":                 false,
		"0.0.0.0/0:tcp/22":                      true,
		"128.0.0.0/1:ipv4":                      true,
		"!192.0.2.0/24:tcp/22 tcp/22":           false,
		"!192.0.2.8/29:tcp/22 tcp/22":           true,
		"tcp/22 !192.0.2.0/24:tcp/22":           true,
		"hosts:tcp/22 cluster:tcp/22":           false,
		"tcp/22@1024":                           false,
		"203.0.113.0/24:tcp/22 192.0.0.0/8:tcp": true,
	} {
		r := run("firewall_admits 192.0.2.7 10.80.0.0/16 "+script.Words(strings.Fields(rules)...), "")
		if (r.Code == 0) != want {
			t.Errorf("%s: admits %t, want %t: %+v", rules, r.Code == 0, want, r)
		}
	}
	if r := run("firewall_admits 10.80.0.3 10.80.0.0/16 hosts:tcp/22", ""); r.Code != 0 {
		t.Errorf("a host on the mesh is kept out: %+v", r)
	}
}

func TestFirewallPeers(t *testing.T) {
	dir, run := wall(t)
	for stdin, want := range map[string]string{
		"198.51.100.12\n10.90.0.12\n198.51.100.12\n": "add element inet havre peers { 10.90.0.12, 198.51.100.12 }\n",
		"198.51.100.12\nany\n":                       "add element inet havre peers { 0.0.0.0/0 }\n",
		"":                                           "",
	} {
		if r := run("firewall_peers", stdin); r.Code != 0 {
			t.Fatalf("%+v", r)
		}
		want = "# Written by havre.\nflush set inet havre peers\n" + want
		if got := read(t, filepath.Join(dir, "havre/firewall.d/peers.nft")); got != want {
			t.Errorf("%q\n got %s\nwant %s", stdin, got, want)
		}
	}
}

// The session's address is found above what sudo has taken it out of.
func TestFirewallClient(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "firewall"), []byte(script.LibraryFile("firewall.sh")), 0o644); err != nil {
		t.Fatal(err)
	}
	below := "env -u SSH_CONNECTION bash -c '. ./firewall; firewall_client $$; :'; :"
	r := scripttest.Run(t, dir, "SSH_CONNECTION='192.0.2.7 40000 198.51.100.11 22' bash -c "+script.Quote(below)+"; :", "")
	if r.Code != 0 || r.Stdout != "192.0.2.7\n" || r.Stderr != "" {
		t.Errorf("%+v", r)
	}
}
