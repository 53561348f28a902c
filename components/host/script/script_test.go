package script_test

import (
	"encoding/json"
	"flag"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
		Firewall: edgeWorker(),
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
	}
}

// What runs on hosts is sound by itself, and says where it is edited.
func TestLibrary(t *testing.T) {
	entries, err := os.ReadDir("library")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text := script.LibraryFile(entry.Name())
		if strings.HasSuffix(entry.Name(), ".json") {
			// Data, which another package renders and tests.
			if !json.Valid([]byte(text)) {
				t.Errorf("%s is no JSON", entry.Name())
			}
			continue
		}
		scripttest.Check(t, text)
		if !strings.Contains(text, "components/host/script/library") {
			t.Errorf("%s does not say where it is edited", entry.Name())
		}
		if err := script.CheckFiles(entry.Name()); err != nil {
			t.Error(err)
		}
	}
	if err := script.CheckFiles("lib.sh", "none.sh"); err == nil || err.Error() != `library has no file "none.sh"; put it into components/host/script/library` {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat("../../../" + script.LibraryFolder + "/run"); err != nil {
		t.Errorf("the library is not where the program looks for it: %v", err)
	}
}

// Every step gets what the description says.
func TestBaseSetup(t *testing.T) {
	dir := t.TempDir()
	scripttest.Stub(t, dir, "systemd-detect-virt", "exit 1")
	steps := ""
	for _, name := range []string{
		"base_hostname", "havre_packages", "base_audit", "base_time", "base_kernel", "base_unused", "base_swap", "base_sshd", "base_journal", "base_security_updates", "base_private_network", "firewall_set",
	} {
		steps += name + "() { cat; echo " + name + " \"$@\"; }\n"
	}
	text, err := worker().Render()
	if err != nil {
		t.Fatal(err)
	}
	r := scripttest.Run(t, dir, script.LibraryFile("base.sh")+steps+text, "")
	want := "base_hostname gra-worker-2\nhavre_packages " + strings.Join(worker().Packages(), " ") + "\nbase_audit\nbase_time\nbase_kernel\nbase_unused\nbase_swap\nbase_sshd\nbase_journal\n" +
		"base_security_updates\nbase_private_network 02:00:5e:00:00:0c 10.90.0.12/16 1500\n" +
		"firewall_set wg0 51820 10.80.0.0/16 10.81.0.0/16 cni0 !203.0.113.0/24:udp 198.51.100.7/32:tcp/8443 udp@123 192.0.2.0/24:tcp/22 tcp/443 udp/443 hosts:tcp/22 cluster:tcp/10250\n"
	if r.Code != 0 || r.Stdout != want {
		t.Errorf("status %d %s\n got %s\nwant %s", r.Code, r.Stderr, r.Stdout, want)
	}
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

// home is a host as the administrator's login shell sees it: the library copied, root's own copies in another folder, and a sudo that only drops its own words.
func home(t *testing.T) (dir, installed string, run func(text, stdin string) (string, string, int)) {
	t.Helper()
	dir = t.TempDir()
	installed = filepath.Join(dir, "installed")
	copied := filepath.Join(dir, script.CopyPath, "library")
	if err := os.MkdirAll(copied, 0o755); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("library")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text := script.LibraryFile(entry.Name())
		if entry.Name() == "run" {
			text = strings.ReplaceAll(text, script.InstalledPath, installed)
		}
		if err := os.WriteFile(filepath.Join(copied, entry.Name()), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	scripttest.Stub(t, dir, "sudo", `[[ $1 == -n ]] || exit 99; shift; exec "$@"`)
	return dir, installed, func(text, stdin string) (string, string, int) {
		cmd := exec.Command("bash", "-c", strings.ReplaceAll(text, script.InstalledPath, installed))
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + dir + "/bin:/usr/bin:/bin"}
		cmd.Stdin = strings.NewReader(stdin)
		var errOut strings.Builder
		cmd.Stderr = &errOut
		out, _ := cmd.Output()
		return string(out), errOut.String(), cmd.ProcessState.ExitCode()
	}
}

// The wrapping is run for real: standard input, exit status, strictness and odd text must survive it.
func TestAsRoot(t *testing.T) {
	_, _, run := home(t)
	if out, _, code := run(script.AsRoot("cat"), "secret"); out != "secret" || code != 0 {
		t.Errorf("standard input: got %q, status %d", out, code)
	}
	if out, _, code := run(script.AsRoot("cat - <<'EOF'\nfirst\nEOF\n"), "secret"); out != "first\n" || code != 0 {
		t.Errorf("a here-document: got %q, status %d", out, code)
	}
	if out, _, code := run(script.AsRoot("printf %s. "+script.Words("a b", "it's", "", "$HOME")), ""); out != "a b.it's..$HOME." || code != 0 {
		t.Errorf("arguments: got %q, status %d", out, code)
	}
	for _, c := range []struct {
		text, want string
		code       int
	}{
		{"exit 7", "", 7},
		{"false\necho reached", "", 1},
		{"false | true\necho reached", "", 1},
		{"echo \"$undefined\"", "", 1},
		{"printf '%s' \"it's \\\"quoted\\\" \\$HOME `echo x`\" ')' \"(\"", "it's \"quoted\" $HOME x)(", 0},
		{"cat <<'EOF'\nan unbalanced ' and \" and ) and $(\nEOF", "an unbalanced ' and \" and ) and $(\n", 0},
		{"# it's a comment with an unbalanced quote (\necho ok", "ok\n", 0},
		{"havre_log one 2>&1", "havre: one\n", 0},
	} {
		out, _, code := run(script.AsRoot(script.Inline(c.text)), "")
		if out != c.want || code != c.code {
			t.Errorf("%s\n got %q, status %d\nwant %q, status %d", c.text, out, code, c.want, c.code)
		}
	}
}

func TestRun(t *testing.T) {
	dir, installed, run := home(t)
	if got := script.AsRoot("true"); !regexp.MustCompile(`^exec sudo -n bash havre/library/run lib\.sh:[0-9a-f]{12} true\n$`).MatchString(got) {
		t.Errorf("got %s", got)
	}
	text := script.AsRoot("type -t mesh_key", "mesh.sh", "private-network")
	for i := range 2 {
		if out, errOut, code := run(text, ""); out != "function\n" || code != 0 {
			t.Fatalf("time %d: %q, %s, status %d", i, out, errOut, code)
		}
	}
	for _, name := range []string{"lib.sh", "mesh.sh", "private-network", "run"} {
		info, err := os.Stat(filepath.Join(installed, name))
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s is not installed for root: %v, %v", name, info, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(installed, ".*")); err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}

	// What is installed is used as it is by what is done once, and by what takes something back.
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("installed/mesh.sh", "mesh_key() { echo other; }\n")
	for _, wrapped := range []string{script.AsRootInstalled("mesh_key", "mesh.sh"), script.AsRootIfInstalled("mesh_key", "mesh.sh")} {
		if out, errOut, code := run(wrapped, ""); out != "other\n" || code != 0 {
			t.Errorf("%q, %s, status %d", out, errOut, code)
		}
	}
	// Another version is put right from the copy, and half a copy never runs.
	if out, _, code := run(text, ""); out != "function\n" || code != 0 || read(t, filepath.Join(installed, "mesh.sh")) != script.LibraryFile("mesh.sh") {
		t.Errorf("another version stayed: %q, status %d", out, code)
	}
	write("installed/mesh.sh", "old")
	write("havre/library/mesh.sh", script.LibraryFile("mesh.sh")[:100])
	_, errOut, code := run(text, "")
	if code != 1 || !regexp.MustCompile(`^havre: /.*/havre/library/mesh\.sh is not the version [0-9a-f]{12} that this command wants; run pulumi up with --replace on this host's library\n$`).MatchString(errOut) {
		t.Errorf("status %d, %s", code, errOut)
	}
	if got := read(t, filepath.Join(installed, "mesh.sh")); got != "old" {
		t.Errorf("half a copy was installed: %q", got)
	}

	// A host that has none.
	if err := os.RemoveAll(installed); err != nil {
		t.Fatal(err)
	}
	if _, _, code := run(script.AsRootIfInstalled("exit 9"), ""); code != 0 {
		t.Errorf("taking back what is not there: status %d", code)
	}
	if _, _, code := run(script.AsRootInstalled("true"), ""); code == 0 {
		t.Error("a command ran without its library")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
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

// What apt-get says stays on the host; where it fails, its end is told.
func TestQuietly(t *testing.T) {
	dir := t.TempDir()
	if r := scripttest.Run(t, dir, "havre_quietly things echo fine", ""); r.Code != 0 || r.Stdout != "" || r.Stderr != "" {
		t.Errorf("%+v", r)
	}
	r := scripttest.Run(t, dir, "havre_quietly things bash -c 'seq 100; exit 4'", "")
	if r.Code != 4 || r.Stdout != "" || !strings.HasPrefix(r.Stderr, "71\n") || !strings.HasSuffix(r.Stderr, "100\nhavre: "+dir+"/log/things.log has the whole\n") {
		t.Errorf("%+v", r)
	}
	if got := read(t, filepath.Join(dir, "log", "things.log")); strings.Count(got, "\n") != 103 || !strings.Contains(got, " echo fine\nfine\n") {
		t.Errorf("the log has %q", got)
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
