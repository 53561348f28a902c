package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"havre/infra/sandbox/artifacts"
	"havre/infra/sandbox/host"
	"havre/infra/sandbox/ovhsim"
)

// TestMain lets the test's own binary be the daemon that Start launches.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "sandbox" && os.Args[2] == "daemon" {
		root, err := os.Getwd()
		if err == nil {
			err = Run(context.Background(), Folder(root))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func catalogue() artifacts.Catalogue {
	digest := "sha256:" + strings.Repeat("ab", 32)
	c := artifacts.Catalogue{Artifacts: map[string]artifacts.Artifact{"kubeadm": {Path: "/sha256/cd/kubeadm", SHA256: "cd", File: "/tools/kubeadm"}}}
	for _, name := range append([]string{"kube-apiserver", "etcd"}, settingsImages...) {
		c.Images = append(c.Images, artifacts.Built{Name: name, Tag: "t", Digest: digest})
	}
	return c
}

func TestSettingsAreWhatTheProgramReads(t *testing.T) {
	text, err := json.MarshalIndent(newSettings(catalogue(), "private", "public"), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	at := "@sha256:" + strings.Repeat("ab", 32)
	want := `{
 "sshPrivateKey": "private",
 "sshPublicKey": "public",
 "artifactMirror": "http://198.51.100.1:8080",
 "artifacts": {
  "kubeadm": {
   "path": "/sha256/cd/kubeadm",
   "sha256": "cd"
  }
 },
 "imageRegistry": "198.51.100.1:5000",
 "images": {
  "caddy": "198.51.100.1:5000/caddy` + at + `",
  "cilium": "198.51.100.1:5000/cilium` + at + `",
  "cilium-operator": "198.51.100.1:5000/cilium-operator` + at + `",
  "coredns": "198.51.100.1:5000/coredns` + at + `",
  "kube-proxy": "198.51.100.1:5000/kube-proxy` + at + `",
  "metrics-server": "198.51.100.1:5000/metrics-server` + at + `",
  "pause": "198.51.100.1:5000/pause` + at + `",
  "renderer": "198.51.100.1:5000/renderer` + at + `"
 },
 "backupAccessKey": "sandbox",
 "backupSecretKey": "sandbox",
 "backupPassword": "3706932452063012bf239546d007fdc68e74f2e772bef8fc32a639d373e24e8c"
}`
	if string(text) != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}

// TestPreviousSettings: a cluster that begins with the version before has its binaries and says so; all else is the same.
func TestPreviousSettings(t *testing.T) {
	c := catalogue()
	if _, found := newSettings(c, "private", "public").previous(); found {
		t.Error("a sandbox without the version before has settings for it")
	}
	c.Artifacts["kubeadm-previous"] = artifacts.Artifact{Path: "/sha256/ef/kubeadm-previous", SHA256: "ef"}
	now := newSettings(c, "private", "public")
	before, found := now.previous()
	if !found || before.KubernetesVersion != "1.35.4" || before.Artifacts["kubeadm"].SHA256 != "ef" || now.Artifacts["kubeadm"].SHA256 != "cd" || now.KubernetesVersion != "" {
		t.Errorf("before %+v, now %+v", before, now)
	}
}

func TestKeyIsKept(t *testing.T) {
	folder := t.TempDir()
	private, public, err := sshKey(folder)
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := sshKey(folder); err != nil || again != private {
		t.Errorf("another key the second time, %v", err)
	}
	if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(public)); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(filepath.Join(folder, keyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info, err)
	}
	if err := os.WriteFile(filepath.Join(folder, keyFile), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "key " + filepath.Join(folder, keyFile) + ": ssh: no key found; remove it and run make up again"
	if _, _, err := sshKey(folder); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestOneDaemonAFolder(t *testing.T) {
	folder := t.TempDir()
	unlock, err := lock(folder)
	if err != nil {
		t.Fatal(err)
	}
	want := "daemon: " + filepath.Join(folder, lockFile) + " is held by another daemon: resource temporarily unavailable; havre sandbox status shows it"
	if _, err := lock(folder); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	unlock()
	again, err := lock(folder)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestDaemonWithoutAJobSaysSo(t *testing.T) {
	want := "daemon: there is no job; it is started by havre sandbox up"
	if err := Run(t.Context(), t.TempDir()); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestLiveIsTheRecordedProcessOnly(t *testing.T) {
	folder := t.TempDir()
	if Live(folder) {
		t.Error("a folder without a daemon is live")
	}
	self, err := host.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for start, want := range map[uint64]bool{self.Start: true, self.Start + 1: false} {
		if err := host.WriteJSON(filepath.Join(folder, stateFile), State{Process: host.Process{PID: self.PID, Start: start}}, 0o644); err != nil {
			t.Fatal(err)
		}
		if Live(folder) != want {
			t.Errorf("start %d: live is %v", start, !want)
		}
	}
}

// TestNetworkIsKept: a sandbox that runs is not handed another pod network; one that is down takes any.
func TestNetworkIsKept(t *testing.T) {
	self, err := host.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	with := Options{Cilium: &artifacts.Cilium{}}
	for _, c := range []struct {
		was   string
		live  bool
		asked Options
		want  string
	}{
		{"", true, Options{}, ""},
		{"cilium", true, with, ""},
		{"cilium", false, Options{}, ""},
		{"", true, with, `sandbox: it runs with pod network "" and is asked for "cilium", and a cluster keeps its network; take it away first: make down`},
		{"cilium", true, Options{}, `sandbox: it runs with pod network "cilium" and is asked for "", and a cluster keeps its network; take it away first: make down`},
	} {
		folder := t.TempDir()
		if c.live {
			if err := host.WriteJSON(filepath.Join(folder, stateFile), State{Process: self}, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := host.WriteJSON(filepath.Join(folder, settingsFile), Settings{PodNetwork: c.was}, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := sameNetwork(folder, c.asked); fmt.Sprint(err) != c.want && (err != nil || c.want != "") {
			t.Errorf("%+v: got %v", c, err)
		}
	}
	if err := sameNetwork(t.TempDir(), with); err != nil {
		t.Errorf("in a folder without a sandbox: %v", err)
	}
}

func TestSameJob(t *testing.T) {
	folder := t.TempDir()
	job := Job{Tree: "/tree", Catalogue: catalogue()}
	if err := host.WriteJSON(filepath.Join(folder, jobFile), job, 0o644); err != nil {
		t.Fatal(err)
	}
	if same, err := sameJob(folder, job); err != nil || !same {
		t.Errorf("a job differs from itself: %v", err)
	}
	job.Catalogue.Images[0].Digest = "sha256:other"
	if same, err := sameJob(folder, job); err != nil || same {
		t.Errorf("another image is no other job: %v", err)
	}
}

func TestDeliveredMachineBecomesAHost(t *testing.T) {
	got := spec(ovhsim.Machine{
		ServiceName: "ns1.example", Hostname: "rbx-worker-1", Address: netip.MustParseAddr("198.51.100.14"), AuthorizedKeys: []string{"ssh-ed25519 AAAA"},
		PostInstall: "#!/bin/sh\n", Vrack: true,
	})
	if err := got.Port.Check(); err != nil {
		t.Error(err)
	}
	if got.Service != "ns1.example" || got.Hostname != "rbx-worker-1" || !got.Port.Private || got.PostInstall == "" || len(got.AuthorizedKeys) != 1 {
		t.Errorf("got %+v", got)
	}
	if mac := (machines{}).MAC("ns1.example", true); mac != got.Port.PrivateMAC {
		t.Errorf("the simulator names %s, the host has %s", mac, got.Port.PrivateMAC)
	}
}

func TestStopRemovesTheRunsFilesAndKeepsTheLog(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{settingsFile, keyFile, logFile} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []bool{true, false} {
		if removed, err := removeFiles(folder); err != nil || removed != want {
			t.Errorf("removed %v, %v; want %v", removed, err, want)
		}
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 || entries[0].Name() != logFile {
		t.Errorf("left %v, %v", entries, err)
	}
}
