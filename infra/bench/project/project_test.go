package project

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"havre/infra/bench/fakehost"
	"havre/infra/sandbox/ovhsim"
	"havre/infra/workspace"
)

func TestAProjectIsWholeAndItsOwn(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "p")
	p, err := New(t.Context(), workspace.Workspace{Root: t.TempDir()}, folder, Options{Stack: "bench", Program: "/program", BudgetEuros: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, name := range []string{"Pulumi.yaml", "Pulumi.bench.yaml", "settings.json", "ca-bundle.pem", "state/.pulumi/meta.yaml"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
	for variable, value := range p.Env {
		if strings.Contains(value, "build/local") || strings.Contains(value, "build/state") {
			t.Errorf("%s is %s, which belongs to stack local", variable, value)
		}
	}
	if want := "file://" + filepath.Join(folder, "state"); p.Env["PULUMI_BACKEND_URL"] != want {
		t.Errorf("the backend is %s; want %s", p.Env["PULUMI_BACKEND_URL"], want)
	}
	if info, err := os.Stat(p.StateFile); err != nil || info.Size() == 0 {
		t.Errorf("the empty state: %v, error %v", info, err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Env["OVH_ENDPOINT"]+"/auth/time", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("the simulator answers %s, error %v", response.Status, err)
	}
}

func TestFakeMachinesLetTheOperatorIn(t *testing.T) {
	text, err := Settings()
	if err != nil {
		t.Fatal(err)
	}
	var keys struct{ SSHPrivateKey, SSHPublicKey string }
	if err := json.Unmarshal([]byte(text), &keys); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey([]byte(keys.SSHPrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	machines := &fakehost.Machines{}
	defer machines.Close()
	machine := ovhsim.Machine{ServiceName: "ns1", Address: netip.MustParseAddr("127.0.0.1"), AuthorizedKeys: []string{keys.SSHPublicKey}}
	// Installed twice: the second takes the place of the first.
	for range 2 {
		if err := machines.Install(t.Context(), machine); err != nil {
			t.Fatal(err)
		}
	}
	client, err := ssh.Dial("tcp", machines.Host("ns1").Address(), &ssh.ClientConfig{
		User: "debian", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // a fake host of this process
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	address := machines.Host("ns1").Address()
	for range 2 {
		if err := machines.Remove(t.Context(), "ns1"); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
	if client, err := ssh.Dial("tcp", address, &ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()}); err == nil { //nolint:gosec // as above
		_ = client.Close()
		t.Error("a removed host answers")
	}
}
