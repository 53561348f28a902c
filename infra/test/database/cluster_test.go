//go:build e2e

package database

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// api is a Kubernetes API server with its etcd, and behind it only the controllers without which nothing is ever deleted: objects are kept, and nobody acts on
// them.
type api struct {
	kubectl, kubeconfig string
}

// newAPI starts them and waits until the server is ready. paths are those of etcd, kube-apiserver, kube-controller-manager and kubectl.
func newAPI(t *testing.T, paths map[string]string) *api {
	t.Helper()
	folder := t.TempDir()
	a := &api{kubectl: paths["kubectl"], kubeconfig: filepath.Join(folder, "kubeconfig")}
	store, peers, secure := freePort(t), freePort(t), freePort(t)
	key, token := filepath.Join(folder, "service-account.pem"), rand.Text()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	text, err := x509.MarshalECPrivateKey(private)
	must(t, err)
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text}), 0o600))
	must(t, os.WriteFile(filepath.Join(folder, "tokens"), []byte(token+",engineer,engineer,system:masters\n"), 0o600))
	must(t, os.WriteFile(a.kubeconfig, fmt.Appendf(nil, `{"kind":"Config","apiVersion":"v1","clusters":[{"name":"cluster","cluster":{"server":"https://127.0.0.1:%d","insecure-skip-tls-verify":true}}],
"contexts":[{"name":"cluster","context":{"cluster":"cluster","user":"engineer"}}],"current-context":"cluster","users":[{"name":"engineer","user":{"token":%q}}]}`, secure, token), 0o600))
	client := fmt.Sprintf("http://127.0.0.1:%d", store)
	start(t, folder, paths["etcd"], "--data-dir", filepath.Join(folder, "etcd"), "--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", fmt.Sprintf("http://127.0.0.1:%d", peers), "--unsafe-no-fsync", "--log-level", "warn")
	start(t, folder, paths["kube-apiserver"], "--etcd-servers", client, "--bind-address", "127.0.0.1", "--secure-port", fmt.Sprint(secure), "--cert-dir", folder,
		"--token-auth-file", filepath.Join(folder, "tokens"), "--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.82.0.0/16",
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", key, "--service-account-signing-key-file", key,
		"--disable-admission-plugins", "ServiceAccount")
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		out, err := a.run(t.Context(), "get", "--raw", "/readyz")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the API server is not ready: %v: %s", err, out)
		}
	}
	start(t, folder, paths["kube-controller-manager"], "--kubeconfig", a.kubeconfig, "--controllers", "garbage-collector-controller,namespace-controller", "--leader-elect=false",
		"--bind-address", "127.0.0.1", "--secure-port", fmt.Sprint(freePort(t)), "--cert-dir", folder)
	return a
}

// start runs a program until the test ends; what it said is shown if the test fails.
func start(t *testing.T, folder, program string, args ...string) {
	t.Helper()
	command := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	command.Dir, command.SysProcAttr = folder, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// The signal of a parent's death comes when the thread ends that started the program, so that thread must do nothing else for as long.
		runtime.LockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait() // killed, so it is never nil
		}
		close(ended)
	}()
	must(t, <-started)
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
		if t.Failed() {
			text := said.String()
			t.Logf("%s said last:\n%s", filepath.Base(program), text[max(0, len(text)-4000):])
		}
	})
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func (a *api) run(ctx context.Context, args ...string) ([]byte, error) {
	return exec.CommandContext(ctx, a.kubectl, append([]string{"--kubeconfig", a.kubeconfig}, args...)...).CombinedOutput()
}

// get reads an object of the namespace; false where there is none.
func (a *api) get(t *testing.T, kind, name string, into any) bool {
	t.Helper()
	out, err := a.run(t.Context(), "--namespace", "render", "get", kind, name, "--output", "json")
	if err != nil && strings.Contains(string(out), "NotFound") {
		return false
	}
	if err != nil {
		t.Fatalf("kubectl get %s %s: %v: %s", kind, name, err, out)
	}
	must(t, json.Unmarshal(out, into))
	return true
}
