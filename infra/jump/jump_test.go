package jump_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"havre/infra/jump"
)

func newKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// sshd is a real SSH server on loopback that forwards connections, as a host of the stack does.
type sshd struct {
	address  string
	hostKey  string
	sessions atomic.Int32
	current  atomic.Pointer[ssh.ServerConn]
	// blind reaches nothing.
	blind atomic.Bool
}

func startSSHD(t *testing.T, user ssh.PublicKey) *sshd {
	t.Helper()
	key := newKey(t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, offered ssh.PublicKey) (*ssh.Permissions, error) {
		if string(offered.Marshal()) != string(user.Marshal()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(key)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	server := &sshd{address: listener.Addr().String(), hostKey: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go server.serve(conn, config)
		}
	}()
	return server
}

func (s *sshd) serve(raw net.Conn, config *ssh.ServerConfig) {
	conn, channels, requests, err := ssh.NewServerConn(raw, config)
	if err != nil {
		return
	}
	s.sessions.Add(1)
	s.current.Store(conn)
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		var target struct {
			Host       string
			Port       uint32
			OriginHost string
			OriginPort uint32
		}
		if err := ssh.Unmarshal(channel.ExtraData(), &target); err != nil {
			_ = channel.Reject(ssh.ConnectionFailed, err.Error())
			continue
		}
		if s.blind.Load() {
			_ = channel.Reject(ssh.ConnectionFailed, "nothing listens there")
			continue
		}
		far, err := net.Dial("tcp", net.JoinHostPort(target.Host, strconv.Itoa(int(target.Port))))
		if err != nil {
			_ = channel.Reject(ssh.ConnectionFailed, err.Error())
			continue
		}
		near, requests, err := channel.Accept()
		if err != nil {
			continue
		}
		go ssh.DiscardRequests(requests)
		go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
		go func() { _, _ = io.Copy(near, far); _ = near.Close() }()
	}
}

// start runs a proxy and gives a client that goes through it.
func start(t *testing.T, signer ssh.Signer, hosts func() ([]jump.Host, error)) *http.Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	proxy := &jump.Proxy{User: "debian", Signer: func() (ssh.Signer, error) { return signer, nil }, Hosts: hosts}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- proxy.Serve(ctx, address) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			break
		}
	}
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: address}), DisableKeepAlives: true}
	return &http.Client{Transport: transport}
}

// api stands for the cluster's API: over TLS, so that the client asks the proxy to connect rather than to fetch.
func api(t *testing.T, client *http.Client) string {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "readyz") }))
	t.Cleanup(server.Close)
	client.Transport.(*http.Transport).TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	return server.URL
}

func get(client *http.Client, url string) (string, error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestRequestsGoThroughTheFirstHostThatAnswers(t *testing.T) {
	user := newKey(t)
	down, up := jump.Host{Name: "gra-control-1", Address: "127.0.0.1:1", HostKey: startSSHD(t, user.PublicKey()).hostKey}, startSSHD(t, user.PublicKey())
	client := start(t, user, func() ([]jump.Host, error) {
		return []jump.Host{down, {Name: "rbx-control-1", Address: up.address, HostKey: up.hostKey}}, nil
	})
	url := api(t, client)
	for range 3 {
		body, err := get(client, url)
		if err != nil || body != "readyz" {
			t.Fatalf("body %q, error %v", body, err)
		}
	}
	if got := up.sessions.Load(); got != 1 {
		t.Errorf("%d SSH connections for three requests, want one that is kept", got)
	}
}

// Not every host reaches every target, and the kept connection may be to one that does not.
func TestAHostThatDoesNotReachTheTargetGivesWayToTheNext(t *testing.T) {
	user := newKey(t)
	near, far := startSSHD(t, user.PublicKey()), startSSHD(t, user.PublicKey())
	client := start(t, user, func() ([]jump.Host, error) {
		return []jump.Host{{Name: "gra-data-1", Address: near.address, HostKey: near.hostKey}, {Name: "rbx-control-1", Address: far.address, HostKey: far.hostKey}}, nil
	})
	url := api(t, client)
	if body, err := get(client, url); err != nil || body != "readyz" {
		t.Fatalf("body %q, error %v", body, err)
	}
	near.blind.Store(true)
	for range 3 {
		if body, err := get(client, url); err != nil || body != "readyz" {
			t.Fatalf("body %q, error %v", body, err)
		}
	}
	if near, far := near.sessions.Load(), far.sessions.Load(); near != 2 || far != 1 {
		t.Errorf("%d SSH connections to the host that does not reach it, %d to the one that does; want 2 and 1", near, far)
	}
	far.blind.Store(true)
	if _, err := get(client, url); err == nil {
		t.Error("a target that no host reaches was connected to")
	}
}

func TestABrokenConnectionIsReplaced(t *testing.T) {
	user := newKey(t)
	host := startSSHD(t, user.PublicKey())
	client := start(t, user, func() ([]jump.Host, error) {
		return []jump.Host{{Name: "gra-control-1", Address: host.address, HostKey: host.hostKey}}, nil
	})
	url := api(t, client)
	for range 2 {
		if body, err := get(client, url); err != nil || body != "readyz" {
			t.Fatalf("body %q, error %v", body, err)
		}
		_ = host.current.Load().Close()
	}
	if got := host.sessions.Load(); got != 2 {
		t.Errorf("%d SSH connections, want a second after the first was cut", got)
	}
}

func TestAHostWithAnotherKeyIsRefused(t *testing.T) {
	user := newKey(t)
	host := startSSHD(t, user.PublicKey())
	other := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newKey(t).PublicKey())))
	client := start(t, user, func() ([]jump.Host, error) {
		return []jump.Host{{Name: "gra-control-1", Address: host.address, HostKey: other}}, nil
	})
	if _, err := get(client, api(t, client)); err == nil {
		t.Fatal("a host whose key is not the pinned one was accepted")
	}
	if got := host.sessions.Load(); got != 0 {
		t.Errorf("%d logins at a host with another key, want none", got)
	}
}

func TestOnlyConnectIsAnswered(t *testing.T) {
	proxy := &jump.Proxy{}
	recorder := httptest.NewRecorder()
	proxy.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "http://10.80.0.1/", nil))
	line, _ := bufio.NewReader(recorder.Body).ReadString('\n')
	if recorder.Code != http.StatusMethodNotAllowed || strings.TrimSpace(line) != "this proxy only connects: use it as proxy-url of a kubeconfig" {
		t.Errorf("answer %d %q", recorder.Code, line)
	}
}

func TestStateFileNamesInstalledHosts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "local.json")
	hosts, err := jump.StateFile(path)()
	if err != nil || hosts != nil {
		t.Fatalf("before the first run: %v, %v", hosts, err)
	}
	state := `{"checkpoint":{"latest":{"resources":[
		{"urn":"urn:pulumi:local::havre::ovhmetal:index:Server::gra-worker-1-server","outputs":{"address":"198.51.100.14"}},
		{"urn":"urn:pulumi:local::havre::havre:ovh:Server$ovhmetal:index:Installation::gra-worker-1-installation","outputs":{"address":"198.51.100.14","hostKey":"ssh-ed25519 AAAA"}}]}}}`
	if err := os.WriteFile(path, []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
	hosts, err = jump.StateFile(path)()
	if err != nil {
		t.Fatal(err)
	}
	want := jump.Host{Name: "gra-worker-1", Address: "198.51.100.14:22", HostKey: "ssh-ed25519 AAAA"}
	if len(hosts) != 1 || hosts[0] != want {
		t.Errorf("hosts = %v, want only %v", hosts, want)
	}
}

func TestExportNamesTheSameHosts(t *testing.T) {
	text := `{"version":3,"deployment":{"resources":[
		{"urn":"urn:pulumi:prod::havre::havre:ovh:VPS$ovhmetal:index:VPSInstallation::rbx-control-1-installation","outputs":{"address":"192.0.2.11","hostKey":"ssh-ed25519 AAAA"}}]}}`
	hosts, err := jump.Export(func() ([]byte, error) { return []byte(text), nil })()
	if err != nil {
		t.Fatal(err)
	}
	want := jump.Host{Name: "rbx-control-1", Address: "192.0.2.11:22", HostKey: "ssh-ed25519 AAAA"}
	if len(hosts) != 1 || hosts[0] != want {
		t.Errorf("hosts = %v, want only %v", hosts, want)
	}
	broken := errors.New("no stack prod")
	if _, err := jump.Export(func() ([]byte, error) { return nil, broken })(); !errors.Is(err, broken) {
		t.Errorf("error = %v, want %v", err, broken)
	}
}
