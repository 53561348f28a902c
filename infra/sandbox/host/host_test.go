package host

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"havre/infra/sandbox/network"
)

var update = flag.Bool("update", false, "write the golden files anew")

func spec(last byte) Spec {
	service := "vps-" + string('a'+rune(last%26)) + ".example"
	return Spec{Service: service, Port: network.Port{
		Address: netip.AddrFrom4([4]byte{198, 51, 100, last}), PublicMAC: network.MAC(service, false), PrivateMAC: network.MAC(service, true),
	}}
}

func TestLaunch(t *testing.T) {
	record := Record{Spec: spec(11), Disk: "/srv/a:b/hosts/hv11", Cgroups: []string{"/sys/fs/cgroup/cpu/havre-hv11", "/sys/fs/cgroup/memory/job/havre-hv11"}}
	got := strings.Join(launch(record), "\n") + "\n"
	const golden = "testdata/launch.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestParseStat(t *testing.T) {
	got, err := parseStat("812 (a ) b) S 7 812 812 0 -1 4194560 2757 0 0 0 4 5 0 0 20 0 1 0 147156 104148992 2933\n")
	if want := (stat{state: 'S', parent: 7, threads: 1, start: 147156}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if _, err := parseStat("812 (a"); err == nil || err.Error() != `process: "812 (a" is no line of /proc/PID/stat` {
		t.Errorf("got %v", err)
	}
}

func TestZombieHasEndedOnceItsThreadsHave(t *testing.T) {
	for text, want := range map[string]bool{"S 1": false, "Z 1": true, "Z 3": false, "X 1": true} {
		s := stat{state: text[0], threads: int(text[2] - '0')}
		if s.ended() != want {
			t.Errorf("%s: ended is %v", text, !want)
		}
	}
}

func TestProcessIsItselfOnly(t *testing.T) {
	self, err := Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !self.Alive() {
		t.Error("this process is not alive")
	}
	self.Start++
	if self.Alive() {
		t.Error("another process of the same number is taken for this one")
	}
	if (Process{}).Alive() || (Process{PID: 1}).Alive() {
		t.Error("no process, or the machine's pid 1, is taken for a host's")
	}
}

func TestHierarchies(t *testing.T) {
	for name, test := range map[string]struct {
		mounts, self string
		want         []string
	}{
		"hybrid": {
			"tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/rdma cgroup rw,rdma 0 0\n",
			"9:name=systemd:/user\n4:memory:/job/1\n3:cpu,cpuacct:/\n0::/\n",
			[]string{"/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory/job/1", "/sys/fs/cgroup/systemd/user", "/sys/fs/cgroup/unified"},
		},
		"unified only": {"cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "0::/user.slice\n", []string{"/sys/fs/cgroup/user.slice"}},
	} {
		if got := hierarchies(test.mounts, test.self); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestCgroupTakesItsParentsProcessors(t *testing.T) {
	parent := t.TempDir()
	for name, value := range map[string]string{"cpuset.cpus": "0-1\n", "cpuset.mems": "0\n"} {
		if err := os.WriteFile(filepath.Join(parent, name), []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := makeCgroup(filepath.Join(parent, "havre-hv11")); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(parent, "havre-hv11", "cpuset.cpus"))
	if err != nil || string(got) != "0-1\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestOurMounts(t *testing.T) {
	got := ourMounts("overlay /var/lib/docker/overlay2/x/merged overlay rw 0 0\nhavre-hv11 /srv/with\\040blank/root overlay rw,lowerdir=/x 0 0\nhavre-hv11 /tmp tmpfs rw 0 0\n")
	if want := []string{"/srv/with blank/root"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOverlayOptionsEscape(t *testing.T) {
	got := overlayOptions("/cache/a,b", "/srv/a:b")
	if want := `lowerdir=/cache/a\,b,upperdir=/srv/a\:b/upper,workdir=/srv/a\:b/work`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRecordsAreKeptAndListed(t *testing.T) {
	m := &Manager{RunDir: t.TempDir()}
	for _, last := range []byte{111, 12, 11} {
		if err := m.save(Record{Spec: spec(last), HostKey: "ssh-ed25519 AAAA"}); err != nil {
			t.Fatal(err)
		}
	}
	records, err := List(m.RunDir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, record := range records {
		got = append(got, record.Spec.Port.Namespace())
	}
	if want := []string{"hv11", "hv12", "hv111"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := m.Attach(t.Context(), "nobody", true); err == nil || err.Error() != "host nobody: file does not exist; havre sandbox hosts lists those that are" {
		t.Errorf("got %v", err)
	}
	if err := m.Remove(t.Context(), "nobody"); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
}

func TestBrokenRecordIsNamed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "machine.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, err := ReadMachine(dir)
	if want := "file " + dir + "/machine.json: unexpected end of JSON input; remove it if the sandbox is down"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestHostKeyPairFits(t *testing.T) {
	public, private, err := newHostKey()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey([]byte(private))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))); got != public {
		t.Errorf("private key belongs to %s, not to %s", got, public)
	}
}

func TestInstallWritesTheHostsOwnFiles(t *testing.T) {
	record := Record{Spec: spec(11), Disk: t.TempDir()}
	record.Spec.AuthorizedKeys, record.Spec.PostInstall = []string{"ssh-ed25519 AAAA one"}, "#!/bin/sh\n"
	passwd := filepath.Join(record.root(), "etc", "passwd")
	if err := os.MkdirAll(filepath.Dir(passwd), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := record.install(); err == nil {
		t.Error("a base without a passwd file was accepted")
	}
	record.Disk = t.TempDir()
	passwd = filepath.Join(record.root(), "etc", "passwd")
	if err := os.MkdirAll(filepath.Dir(passwd), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(passwd, []byte("root:x:0:0::/root:/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	want := "host vps-l.example: install: user debian: not in " + passwd + "; the base file system is broken, remove it from the cache"
	if _, err := record.install(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for path, mode := range map[string]os.FileMode{
		"etc/ssh/ssh_host_ed25519_key": 0o600, "home/debian/.ssh/authorized_keys": 0o600, "etc/machine-id": 0o444, "usr/local/sbin/post-install": 0o700,
	} {
		info, err := os.Stat(filepath.Join(record.root(), path))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want mode %v", path, info, err, mode)
		}
	}
}
