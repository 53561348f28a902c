//go:build sandbox

package daemon

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"havre/infra/sandbox/artifacts"
	"havre/infra/sandbox/host"
	"havre/infra/sandbox/network"
)

// options are for a checkout of its own. One small static binary stands for every tool, and a copy of this test for havre, so that a new build of it
// can be played.
func options(t *testing.T) Options {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	pause, binary := filepath.Join(folder, "pause"), filepath.Join(folder, "havre")
	build := exec.Command("go", "build", "-o", pause, "havre/infra/sandbox/artifacts/pause")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, self, 0o755); err != nil {
		t.Fatal(err)
	}
	o := Options{
		Root: t.TempDir(), Cache: filepath.Join(cache, "havre"), Tools: map[string]string{}, Renderer: pause, Pause: pause, Executable: binary,
		Progress: func(line string) { t.Log(line) },
	}
	for _, name := range artifacts.Needed() {
		o.Tools[name] = pause
	}
	t.Cleanup(func() {
		if _, err := Stop(context.Background(), o); err != nil {
			t.Error(err)
		}
	})
	return o
}

// TestUpKillUpDown goes through the life of a sandbox with one host in it.
func TestUpKillUpDown(t *testing.T) {
	before, err := network.ReadKernel("/proc")
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	root, binary := o.Root, o.Executable
	up := func() Status {
		t.Helper()
		start := time.Now()
		if _, err := Start(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Logf("up in %.1f s", time.Since(start).Seconds())
		status, err := ReadStatus(root)
		if err != nil || !status.Ready {
			t.Fatalf("status %+v, %v", status, err)
		}
		return status
	}
	first := up()
	if again := up(); again.Daemon != first.Daemon {
		t.Error("a second start replaced the daemon")
	}
	settings, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	m := machines{&host.Manager{Folder: Folder(root), Tree: treeOf(t, root)}}
	one := oneHost(m, settings.SSHPublicKey)
	record, err := m.manager.Install(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	known, key, err := KnownHosts(root)
	if err != nil {
		t.Fatal(err)
	}
	inside := func(command string) string {
		t.Helper()
		out, err := exec.Command("ssh", "-F", "none", "-i", key, "-o", "UserKnownHostsFile="+known, "-o", "StrictHostKeyChecking=yes", "debian@198.51.100.11", "--", command).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	artifact := settings.Artifacts["kubeadm"]
	if got := inside("curl -sf " + settings.ArtifactMirror + artifact.Path + " | sha256sum | cut -d' ' -f1"); got != artifact.SHA256 {
		t.Errorf("the mirror's kubeadm has the checksum %s, want %s", got, artifact.SHA256)
	}
	inside("sudo -n systemctl start containerd")
	for _, image := range []string{settings.Images["kube-proxy"], settings.ImageRegistry + "/kube-apiserver:" + artifacts.Kubernetes} {
		inside("sudo -n ctr --namespace k8s.io images pull --plain-http " + image)
	}
	if got := inside("sudo -n sh -c 'mkdir /mnt/i && ctr --namespace k8s.io images mount " + settings.Images["kube-proxy"] + " /mnt/i > /dev/null && chroot /mnt/i /usr/sbin/nft --version && umount /mnt/i'"); !strings.HasPrefix(got, "nftables v") {
		t.Errorf("nft in the image of kube-proxy says %q", got)
	}

	// Killed, and up again: another daemon, the same host.
	if err := first.Daemon.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second := up()
	if second.Daemon == first.Daemon || len(second.Hosts) != 1 || second.Hosts[0].Supervisor != record.Supervisor {
		t.Errorf("after a kill: %+v", second)
	}
	// A new build replaces the daemon, and the host runs on.
	self, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(binary); err != nil { // the old one is running, and cannot be written to
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, append(self, 0), 0o755); err != nil {
		t.Fatal(err)
	}
	third := up()
	if third.Daemon == second.Daemon || third.Hosts[0].Supervisor != record.Supervisor {
		t.Errorf("after a new build: %+v", third)
	}
	answer, err := http.Get("http://" + ovhAddress + "/1.0/auth/time")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the OVH simulator's time: %s: %s", answer.Status, body)
	}

	// Down after a kill finds everything, and a second down nothing.
	if err := third.Daemon.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		start := time.Now()
		did, err := Stop(t.Context(), o)
		if err != nil || did != want {
			t.Errorf("down: did %v, %v; want %v", did, err, want)
		}
		t.Logf("down in %.1f s", time.Since(start).Seconds())
		if left, err := Leftovers(root); err != nil || len(left) > 0 {
			t.Errorf("left: %q, %v", left, err)
		}
	}
	if changed, err := before.Changed("/proc"); err != nil || len(changed) > 0 {
		t.Errorf("changed: %q, %v", changed, err)
	}

	// And the ordinary way.
	up()
	if _, err := m.manager.Install(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if did, err := Stop(t.Context(), o); err != nil || !did {
		t.Errorf("down: did %v, %v", did, err)
	}
	if left, err := Leftovers(root); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

// TestDeletedCheckout deletes a checkout under its running sandbox, and starts one in another.
func TestDeletedCheckout(t *testing.T) {
	o := options(t)
	if _, err := Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	m := machines{&host.Manager{Folder: Folder(o.Root), Tree: treeOf(t, o.Root)}}
	if _, err := m.manager.Install(t.Context(), oneHost(m)); err != nil {
		t.Fatal(err)
	}
	before, err := ReadStatus(o.Root)
	if err != nil {
		t.Fatal(err)
	}
	// As rm -rf does it: what is mounted cannot be removed, all else is.
	_ = exec.Command("rm", "-rf", o.Root).Run()
	other := options(t)
	if _, err := Start(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	status, err := ReadStatus(other.Root)
	if err != nil || !status.Ready || len(status.Hosts) != 0 || status.Owner != Folder(other.Root) {
		t.Errorf("status %+v, %v", status, err)
	}
	if before.Daemon.Alive() || before.Hosts[0].Running() {
		t.Error("the deleted checkout's sandbox runs on")
	}
	if did, err := Stop(t.Context(), other); err != nil || !did {
		t.Errorf("down: did %v, %v", did, err)
	}
	if left, err := Leftovers(other.Root); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

func oneHost(m machines, keys ...string) host.Spec {
	return host.Spec{Service: "vps-1.example", AuthorizedKeys: keys, Port: network.Port{
		Address: netip.MustParseAddr("198.51.100.11"), PublicMAC: m.MAC("vps-1.example", false), PrivateMAC: m.MAC("vps-1.example", true),
	}}
}

func treeOf(t *testing.T, root string) string {
	t.Helper()
	var job Job
	if found, err := host.ReadJSON(filepath.Join(Folder(root), jobFile), &job); err != nil || !found {
		t.Fatal(err)
	}
	return job.Tree
}
