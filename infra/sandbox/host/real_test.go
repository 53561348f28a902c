//go:build sandbox

package host

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"havre/infra/sandbox/base"
	"havre/infra/sandbox/network"
)

// onMachine sets up a manager on the real machine, and fails the test if anything of it is left at the end.
func onMachine(t *testing.T) *Manager {
	t.Helper()
	if left, err := Leftovers(RunDir); err != nil || len(left) > 0 {
		t.Fatalf("a sandbox is up, or one left something: %q, %v; run make down", left, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	before, err := network.ReadKernel("/proc")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := network.ReadNamespaceFolder()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := base.Builder{Cache: filepath.Join(cache, "havre"), Progress: func(line string) { t.Log(line) }}.Make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := &Manager{Folder: t.TempDir(), Tree: tree, Log: func(line string) { t.Log(line) }}
	t.Cleanup(func() {
		if err := m.TearDown(context.Background()); err != nil {
			t.Error(err)
		}
		if left, err := Leftovers(RunDir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %q, %v", left, err)
		}
		if changed, err := before.Changed("/proc"); err != nil || len(changed) > 0 {
			t.Errorf("changed: %q, %v", changed, err)
		}
		if now, err := network.ReadNamespaceFolder(); err != nil || now != folder {
			t.Errorf("/run/netns is %+v, was %+v; %v", now, folder, err)
		}
	})
	if err := m.SetUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer, string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
}

// run logs in as debian, with the recorded host key pinned, and runs a command.
func run(t *testing.T, record Record, signer ssh.Signer, command string) (string, error) {
	t.Helper()
	pinned, _, _, _, err := ssh.ParseAuthorizedKey([]byte(record.HostKey))
	if err != nil {
		t.Fatal(err)
	}
	client, err := ssh.Dial("tcp", net.JoinHostPort(record.Spec.Port.Address.String(), "22"), &ssh.ClientConfig{
		User: "debian", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(pinned), Timeout: 5 * time.Second,
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	})
	if err != nil {
		return "", err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	out, err := session.CombinedOutput(command)
	return strings.TrimSpace(string(out)), err
}

func installAll(t *testing.T, m *Manager, specs []Spec) []Record {
	t.Helper()
	records, errs := make([]Record, len(specs)), make([]error, len(specs))
	var group sync.WaitGroup
	for i, spec := range specs {
		group.Go(func() { records[i], errs[i] = m.Install(context.Background(), spec) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return records
}

func TestTwoHosts(t *testing.T) {
	m := onMachine(t)
	signer, public := newKey(t)
	a, b := spec(11), spec(12)
	a.Hostname, a.PostInstall, a.Port.Private = "first.example", "#!/bin/sh\necho ran > /root/post-install.ran\n", true
	a.AuthorizedKeys, b.AuthorizedKeys = []string{public}, []string{public}
	records := installAll(t, m, []Spec{a, b})
	must := func(record Record, command, want string) {
		t.Helper()
		if got, err := run(t, record, signer, command); err != nil || got != want {
			t.Errorf("%s: %s: got %q, %v; want %q", record.Spec.Service, command, got, err, want)
		}
	}
	must(records[0], "sudo -n hostname; sudo -n cat /root/post-install.ran; sudo -n id -u", "first.example\nran\n0")
	must(records[0], "sudo -n systemctl is-system-running --wait", "running")
	must(records[1], "systemctl is-active containerd haproxy chrony nftables; true", "inactive\ninactive\ninactive\ninactive")
	must(records[0], "ping -c 2 -i 0.2 -W 2 -q 198.51.100.12 > /dev/null && echo reached", "reached")
	must(records[0], "findmnt -no PROPAGATION /; cat /sys/class/net/eth1/address; ip -4 route show default", "shared\n"+a.Port.PrivateMAC+"\ndefault via 198.51.100.1 dev eth0")
	must(records[0], "sudo -n mkdir /sys/fs/cgroup/memory/probe && echo made", "made")
	must(records[0], "timeout 2 bash -c 'exec 3<>/dev/tcp/192.0.2.1/53' 2> /dev/null || echo no way out", "no way out")
	must(records[0], "sudo -n apt-get install -y containerd haproxy > /dev/null && echo nothing to fetch", "nothing to fetch")

	// The private bridge: the second host's port has no cable yet.
	for i, record := range records {
		must(record, fmt.Sprintf("sudo -n ip address add 10.90.0.%d/16 dev eth1 && echo set", i+1), "set")
	}
	must(records[0], "ping -c 1 -W 1 -q 10.90.0.2 > /dev/null || echo cut off", "cut off")
	if err := m.Attach(t.Context(), b.Service, true); err != nil {
		t.Fatal(err)
	}
	must(records[0], "ping -c 5 -i 0.3 -W 2 -q 10.90.0.2 > /dev/null && echo reached", "reached")
	if _, err := exec.Command("ping", "-c", "1", "-W", "1", "10.90.0.2").Output(); err == nil {
		t.Error("the machine reaches the private network")
	}

	// A power cut keeps the disk and the host key; a reinstallation keeps neither.
	must(records[1], "echo kept > kept && sync && echo written", "written")
	if err := m.Stop(b.Service); err != nil {
		t.Fatal(err)
	}
	again, err := m.Start(t.Context(), b.Service)
	if err != nil {
		t.Fatal(err)
	}
	must(again, "cat kept", "kept")
	// A host that restarts itself stays the same host, with a kernel that has no packet filter.
	must(again, "sudo -n nft add table inet before && echo added", "added")
	_, _ = run(t, again, signer, "sudo -n systemctl reboot")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		if up, err := run(t, again, signer, "cat kept"); err == nil && up == "kept" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the host did not come back from its own restart; its console:\n%s", tail(again.Console()))
		}
	}
	must(again, "sudo -n nft list tables | grep -c before || true", "0")
	fresh, err := m.Install(t.Context(), again.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if fresh.HostKey == again.HostKey {
		t.Error("a reinstalled host kept its host key")
	}
	must(fresh, "ls kept 2> /dev/null || echo wiped", "wiped")
	if err := m.Remove(t.Context(), a.Service); err != nil {
		t.Fatal(err)
	}
	if left, err := List(RunDir); err != nil || len(left) != 1 {
		t.Errorf("after Remove: %v, %v", left, err)
	}
}

// TestHostsOutliveTheirDaemon runs the installation in a process of its own, which is killed, and goes on here.
func TestHostsOutliveTheirDaemon(t *testing.T) {
	if folder := os.Getenv("HAVRE_TEST_DAEMON"); folder != "" {
		m := &Manager{Folder: folder, Tree: os.Getenv("HAVRE_TEST_TREE")}
		one := spec(11)
		one.AuthorizedKeys = []string{os.Getenv("HAVRE_TEST_KEY")}
		if _, err := m.Install(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		// The second is in the middle of its boot when the daemon is killed.
		half := spec(12)
		go func() { _, _ = m.Install(context.Background(), half) }()
		for {
			if records, _ := List(RunDir); len(records) == 2 && records[1].Running() {
				_ = unix.Kill(os.Getpid(), unix.SIGKILL)
			}
			time.Sleep(time.Millisecond)
		}
	}
	m := onMachine(t)
	signer, public := newKey(t)
	daemon := exec.Command(os.Args[0], "-test.run=^TestHostsOutliveTheirDaemon$")
	daemon.Env = append(os.Environ(), "HAVRE_TEST_DAEMON="+m.Folder, "HAVRE_TEST_TREE="+m.Tree, "HAVRE_TEST_KEY="+public)
	if out, err := daemon.CombinedOutput(); err == nil || daemon.ProcessState.ExitCode() != -1 {
		t.Fatalf("the daemon was not killed: %v: %s", err, out)
	}
	before, err := List(RunDir)
	if err != nil || len(before) != 2 {
		t.Fatalf("records: %v, %v", before, err)
	}
	if out, err := run(t, before[0], signer, "echo alive"); err != nil || out != "alive" {
		t.Fatalf("the host died with its daemon: %q, %v", out, err)
	}
	if err := m.SetUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := List(RunDir)
	if err != nil || len(after) != 2 {
		t.Fatalf("records: %v, %v", after, err)
	}
	if after[0].Supervisor != before[0].Supervisor {
		t.Error("a running host was booted again")
	}
	// One whose supervisor is killed boots again on adoption.
	if err := after[0].Supervisor.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for after[0].Running() {
		time.Sleep(10 * time.Millisecond)
	}
	if err := m.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t, after[0], signer, "echo alive"); err != nil || out != "alive" {
		t.Fatalf("the host did not come back: %q, %v", out, err)
	}
}

func TestSixHostsAtOnce(t *testing.T) {
	m := onMachine(t)
	var specs []Spec
	for last := byte(11); last < 17; last++ {
		specs = append(specs, spec(last))
	}
	start := time.Now()
	records := installAll(t, m, specs)
	t.Logf("six hosts in %.1f s", time.Since(start).Seconds())
	var keys []string
	for _, record := range records {
		keys = append(keys, record.HostKey)
	}
	slices.Sort(keys)
	if len(slices.Compact(keys)) != len(records) {
		t.Error("two hosts have the same host key")
	}
}

func TestAnotherCheckoutIsRefused(t *testing.T) {
	m := onMachine(t)
	other := &Manager{Folder: t.TempDir(), Tree: m.Tree}
	want := "machine: the sandbox of " + m.Folder + " is up; there is one a machine, so run make down there first"
	if err := other.SetUp(t.Context()); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
