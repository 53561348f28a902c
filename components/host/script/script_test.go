package script_test

import (
	"flag"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"havre/components/host/script"
	"havre/components/host/script/scripttest"
)

var update = flag.Bool("update", false, "write the golden files")

func worker() script.Base {
	return script.Base{
		Hostname: "gra-worker-2",
		Private: &script.Private{
			MAC:     net.HardwareAddr{0x02, 0x00, 0x5e, 0x00, 0x00, 0x0c},
			Address: netip.MustParsePrefix("10.90.0.12/16"),
		},
		UnattendedUpgrades: true,
	}
}

func TestBaseGolden(t *testing.T) {
	for name, base := range map[string]script.Base{
		"base-worker.sh":  worker(),
		"base-minimal.sh": {Hostname: "sbg-pulsar-0", WithoutContainers: true, ExtraPackages: []string{"xfsprogs"}},
	} {
		text, err := base.Render()
		if err != nil {
			t.Fatal(err)
		}
		scripttest.Script(t, filepath.Join("testdata", name), text, *update)
		// It lies twice in the state of every host.
		if len(text) > 9<<10 {
			t.Errorf("%s has %d bytes, at most 9 KiB are wanted", name, len(text))
		}
	}
}

func TestLibrary(t *testing.T) {
	scripttest.Check(t, script.Library())
	if strings.Contains(script.Library(), "\n# ") {
		t.Error("the installed library has comments")
	}
}

func TestPrivateProgramIsSoundByItself(t *testing.T) {
	text, err := worker().Render()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(text, "havre_file /usr/local/lib/havre/private-network 0755 <<'EOF'\n")
	body, _, ok2 := strings.Cut(rest, "\nEOF\n")
	if !ok || !ok2 {
		t.Fatal("the private network's program is not in the script")
	}
	scripttest.Check(t, body)
}

func TestBaseValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*script.Base)
		want   string
	}{
		{"sound", func(*script.Base) {}, ""},
		{"no name", func(b *script.Base) { b.Hostname = "" }, "hostname: name is empty; give it one such as gra-worker-2"},
		{"package with an option", func(b *script.Base) { b.ExtraPackages = []string{"-o"} },
			`extra package "-o" is not the name of a Debian package; use lower-case letters, digits, + . and -`},
		{"MAC", func(b *script.Base) { b.Private.MAC = nil },
			`private interface: MAC "" is not six bytes; take the one the provider lists for the private interface`},
		{"IPv6", func(b *script.Base) { b.Private.Address = netip.MustParsePrefix("fd00::1/64") },
			"private interface: address fd00::1/64 is not IPv4 with a prefix length; write it like 10.90.0.12/16"},
		{"no address", func(b *script.Base) { b.Private.Address = netip.Prefix{} },
			"private interface: address invalid Prefix is not IPv4 with a prefix length; write it like 10.90.0.12/16"},
		{"network", func(b *script.Base) { b.Private.Address = netip.MustParsePrefix("10.90.0.0/16") },
			"private interface: address 10.90.0.0/16 is the network itself; give the host's own address"},
		{"MTU low", func(b *script.Base) { b.Private.MTU = 1359 }, "private interface: MTU 1359 is outside 1360–9000; leave it 0 for 1500"},
		{"MTU high", func(b *script.Base) { b.Private.MTU = 9001 }, "private interface: MTU 9001 is outside 1360–9000; leave it 0 for 1500"},
		{"several", func(b *script.Base) { b.Hostname = ""; b.Private.MTU = 1 },
			"hostname: name is empty; give it one such as gra-worker-2\nprivate interface: MTU 1 is outside 1360–9000; leave it 0 for 1500"},
	} {
		b := worker()
		c.change(&b)
		text, err := b.Render()
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.name, got, c.want)
		}
		if err != nil && text != "" {
			t.Errorf("%s: a refused description was rendered", c.name)
		}
	}
}

func TestPackages(t *testing.T) {
	p := worker().Packages()
	if !slices.IsSorted(p) || !slices.Contains(p, "containerd") || !slices.Contains(p, "unattended-upgrades") {
		t.Errorf("got %v", p)
	}
	if p := (script.Base{WithoutContainers: true}).Packages(); slices.Contains(p, "containerd") {
		t.Errorf("got %v", p)
	}
}

// The wrapping is run for real, with a sudo that only drops its own words: standard input, exit status, strictness and odd text must survive it.
func TestAsRoot(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "sudo"), []byte("#!/bin/bash\n[[ $1 == -n && $2 == -- ]] || exit 99\nshift 2\nexec \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	run := func(text, stdin string) (string, int) {
		cmd := exec.Command("bash", "-c", script.AsRootWithoutLibrary(text))
		cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin"}
		cmd.Stdin = strings.NewReader(stdin)
		out, _ := cmd.Output()
		return string(out), cmd.ProcessState.ExitCode()
	}
	for _, c := range []struct {
		text, stdin, want string
		code              int
	}{
		{"cat", "secret", "secret", 0},
		{"exit 7", "", "", 7},
		{"false\necho reached", "", "", 1},
		{"false | true\necho reached", "", "", 1},
		{"echo \"$undefined\"", "", "", 1},
		{"printf '%s' \"it's \\\"quoted\\\" \\$HOME `echo x`\" ')' \"(\"", "", "it's \"quoted\" $HOME x)(", 0},
		{"cat <<'EOF'\nan unbalanced ' and \" and ) and $(\nEOF", "", "an unbalanced ' and \" and ) and $(\n", 0},
		{"# it's a comment with an unbalanced quote (\necho ok", "", "ok\n", 0},
	} {
		out, code := run(c.text, c.stdin)
		if out != c.want || code != c.code {
			t.Errorf("%s\n got %q, status %d\nwant %q, status %d", c.text, out, code, c.want, c.code)
		}
	}
}

func TestAsRootReadsTheLibrary(t *testing.T) {
	if got := script.AsRoot("true"); got != "exec sudo -n -- bash -c \"$(cat <<'HAVRE'\nset -euo pipefail\n. /usr/local/lib/havre/lib.sh\ntrue\nHAVRE\n)\"\n" {
		t.Errorf("got %s", got)
	}
}

func TestQuote(t *testing.T) {
	for _, s := range []string{"plain-1.2/3", "", "it's", "$HOME", "a b", "`x`", "\"", "*", "a\nb", "~", "#", "\\"} {
		out, err := exec.Command("bash", "-c", "printf %s "+script.Quote(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("Quote(%q) = %s gives %q (%v)", s, script.Quote(s), out, err)
		}
	}
	if script.Quote("/etc/wireguard") != "/etc/wireguard" {
		t.Error("a plain word is quoted")
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "deep", "file")
	content := "one\nEOF\n$two 'three'"
	text := script.File(path, "0640", content) + "echo $HAVRE_CHANGED\n"
	for i, want := range []string{"yes\n", "no\n"} {
		r := scripttest.Run(t, dir, text, "")
		if r.Stdout != want || r.Code != 0 {
			t.Fatalf("run %d: %+v", i, r)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != content+"\n" {
		t.Fatalf("got %q, %v", got, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := scripttest.Run(t, dir, text, ""); r.Stdout != "yes\n" {
		t.Fatalf("a wrong mode was not mended: %+v", r)
	}
	left, err := os.ReadDir(filepath.Join(dir, "deep"))
	if err != nil || len(left) != 1 {
		t.Fatalf("left over: %v, %v", left, err)
	}
}

func TestRetry(t *testing.T) {
	dir := t.TempDir()
	scripttest.Stub(t, dir, "sleep", "")
	scripttest.Stub(t, dir, "try", `n=$(($(cat n 2>/dev/null || echo 0) + 1)); echo $n >n; ((n >= 3)) || exit 4`)
	if r := scripttest.Run(t, dir, "havre_retry 2 1 try", ""); r.Code != 4 || !strings.Contains(r.Stderr, "havre: gave up after 2 attempts: try") {
		t.Fatalf("%+v", r)
	}
	if r := scripttest.Run(t, dir, "havre_retry 2 1 try; cat n", ""); r.Code != 0 || r.Stdout != "3\n" {
		t.Fatalf("%+v", r)
	}
}

func TestPackagesFunction(t *testing.T) {
	dir := t.TempDir()
	scripttest.Stub(t, dir, "dpkg-query", `[[ ${!#} == absent* ]] && exit 1; [[ ${!#} == removed ]] && { printf config-files; exit; }; printf installed`)
	scripttest.Stub(t, dir, "apt-get", `echo "apt-get $*" >>apt`)
	if r := scripttest.Run(t, dir, "havre_packages here there; [[ ! -e apt ]]", ""); r.Code != 0 || r.Stderr != "" {
		t.Fatalf("asked the network for nothing: %+v", r)
	}
	r := scripttest.Run(t, dir, "havre_packages here absent-1 removed; cat apt", "")
	if r.Code != 0 || !strings.Contains(r.Stdout, "install absent-1 removed\n") || strings.Contains(r.Stdout, "here") {
		t.Fatalf("%+v", r)
	}
}

func TestFetch(t *testing.T) {
	const sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // hello
	dir := t.TempDir()
	scripttest.Stub(t, dir, "sleep", "")
	scripttest.Stub(t, dir, "curl", `echo >>calls; while [[ $1 != -o ]]; do shift; done; printf %s "$(<answer)" >"$2"`)
	write := func(s string) {
		if err := os.WriteFile(filepath.Join(dir, "answer"), []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text := "havre_fetch http://mirror/x " + sum + " \"$PWD/tool\" 0755; echo $HAVRE_CHANGED"
	write("other")
	if r := scripttest.Run(t, dir, text, ""); r.Code != 1 || !strings.Contains(r.Stderr, "want "+sum) {
		t.Fatalf("a wrong checksum passed: %+v", r)
	}
	if _, err := os.Stat(filepath.Join(dir, "tool")); err == nil {
		t.Fatal("a wrong download was installed")
	}
	write("hello")
	for i, want := range []string{"yes\n", "no\n"} {
		if r := scripttest.Run(t, dir, text, ""); r.Code != 0 || r.Stdout != want {
			t.Fatalf("run %d: %+v", i, r)
		}
	}
	calls, _ := os.ReadFile(filepath.Join(dir, "calls"))
	if len(calls) != 2 {
		t.Fatalf("%d downloads, want 2: the one that was wrong and one good", len(calls))
	}
}

func TestSysctl(t *testing.T) {
	dir := t.TempDir()
	conf := "# comment\n\nhavre.absent.key = 1\nkernel.ostype = Linux\nkernel.osrelease = other\n"
	if err := os.WriteFile(filepath.Join(dir, "s.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	const absent = "havre: sysctl havre.absent.key: not in this kernel or namespace, passed over\n"
	for name, c := range map[string]struct{ container, want string }{
		"machine":   {"exit 1", absent + "havre: sysctl kernel.osrelease: read-only here, passed over\n"},
		"container": {"exit 0", absent + "havre: sysctl kernel.osrelease: the machine's under this container, passed over\n"},
	} {
		scripttest.Stub(t, dir, "systemd-detect-virt", c.container)
		if r := scripttest.Run(t, dir, "havre_sysctl s.conf", ""); r.Code != 0 || r.Stderr != c.want {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
