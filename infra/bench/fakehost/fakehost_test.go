package fakehost

import (
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"havre/components/cluster/kubeadm"
	"havre/components/wireguard/conf"
)

func signer(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func start(t *testing.T, name string, operator ssh.Signer) *Host {
	t.Helper()
	h, err := Start(t.Context(), name, "127.0.0.1:0", []string{string(ssh.MarshalAuthorizedKey(operator.PublicKey())) + " operator"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func dial(h *Host, with ssh.Signer) (*ssh.Client, error) {
	pinned, _, _, _, err := ssh.ParseAuthorizedKey([]byte(h.HostKey()))
	if err != nil {
		return nil, err
	}
	return ssh.Dial("tcp", h.Address(), &ssh.ClientConfig{
		User: "debian", Auth: []ssh.AuthMethod{ssh.PublicKeys(with)}, HostKeyCallback: ssh.FixedHostKey(pinned),
	})
}

func TestAHostAnswersTheOperator(t *testing.T) {
	operator := signer(t)
	keys := map[string]bool{}
	for _, name := range []string{"a", "b"} {
		client, err := dial(start(t, name, operator), operator)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			session, err := client.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			out, err := session.Output(conf.KeyScript([]int{1}, nil))
			if err != nil {
				t.Fatal(err)
			}
			keys[string(out)] = true
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(keys) != 2 {
		t.Errorf("two hosts show %d keys; wanted one each, always the same", len(keys))
	}
}

// What is copied arrives, and goes with the host.
func TestAHostTakesFiles(t *testing.T) {
	operator := signer(t)
	h := start(t, "a", operator)
	client, err := dial(h, operator)
	if err != nil {
		t.Fatal(err)
	}
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.RequestSubsystem("sftp"); err != nil {
		t.Error(err)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(h.folder); err != nil || !info.IsDir() {
		t.Errorf("no folder: %v", err)
	}
	h.Close()
	if _, err := os.Stat(h.folder); err == nil {
		t.Error("the folder stayed")
	}
}

func TestAStrangerIsNotLetIn(t *testing.T) {
	if client, err := dial(start(t, "a", signer(t)), signer(t)); err == nil {
		_ = client.Close()
		t.Error("a stranger was let in")
	}
}

func TestABrokenKeyIsRefused(t *testing.T) {
	_, err := Start(t.Context(), "a", "127.0.0.1:0", []string{"rubbish"}, nil)
	if err == nil || err.Error() != `host a: authorized key "rubbish": ssh: no key found` {
		t.Errorf("error %v", err)
	}
}

func TestAnswers(t *testing.T) {
	worker, control := kubeadm.Node{Name: "gra-worker-1"}, kubeadm.Node{Name: "gra-control-1", ControlPlane: true}
	for _, c := range []struct {
		what, command, has string
		least, most        int
	}{
		{"key", conf.KeyScript([]int{1}, nil), "=\n", 45, 45},
		{"interface", "mesh_join gra-worker-1\n", "", 0, 0},
		{"invitation of a worker", kubeadm.Invite(worker, false), `"certificateKey":""`, 100, 300},
		{"invitation of a control-plane node", kubeadm.Invite(control, false), `"certificateKey":"`, 150, 300},
		{"kubeconfig", kubeadm.Kubeconfig(kubeadm.Cluster{Name: "c"}, "https://10.80.0.1:6443", ""), "client-key-data", 4000, 8000},
	} {
		got := Answer("gra-worker-1", c.command)
		if !strings.Contains(got, c.has) || len(got) < c.least || len(got) > c.most {
			t.Errorf("%s: %d bytes %.100q; wanted %d to %d with %q", c.what, len(got), got, c.least, c.most, c.has)
		}
	}
}
