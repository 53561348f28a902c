// Package jump reaches the cluster's API from a machine outside the mesh: an HTTP CONNECT proxy on loopback whose connections leave from one of
// the stack's own hosts over SSH. A kubeconfig names it as its proxy-url, so Pulumi's Kubernetes plugin and kubectl go through it alike. The one
// thing a reader would get wrong: it holds no list of hosts of its own. It reads them, with their pinned keys, each time it must connect anew,
// because during the first `pulumi up` they come to be one after the other.
package jump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Host is one way into the mesh.
type Host struct {
	// Name is the node's name, for messages.
	Name string
	// Address is host:port of its sshd.
	Address string
	// HostKey is the pinned public key of its sshd, as in known_hosts: "ssh-ed25519 AAAA…".
	HostKey string
}

// Proxy forwards connections through the first host that answers.
type Proxy struct {
	// User logs in at every host.
	User string
	// Signer is the private key of User; read on each new connection, since the sandbox makes the key anew.
	Signer func() (ssh.Signer, error)
	// Hosts lists the ways in, best first.
	Hosts func() ([]Host, error)

	mu  sync.Mutex
	way *way
}

// way is a connection in use.
type way struct {
	host   string
	client *ssh.Client
}

// dialTimeout bounds one try at one host. A host that is down must not hold up the others for long; a handshake takes well below a second.
const dialTimeout = 4 * time.Second

// Serve listens at address, host:port on loopback, until the context ends.
func (p *Proxy) Serve(ctx context.Context, address string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("jump: %w", err)
	}
	return p.serve(ctx, listener)
}

func (p *Proxy) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	defer p.drop(nil)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("jump: %w", err)
	}
	return nil
}

// ServeHTTP answers CONNECT; anything else is refused.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "this proxy only connects: use it as proxy-url of a kubeconfig", http.StatusMethodNotAllowed)
		return
	}
	far, err := p.dial(r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer far.Close()
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer near.Close()
	if _, err := io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(far, buffered); done <- struct{}{} }()
	go func() { _, _ = io.Copy(near, far); done <- struct{}{} }()
	<-done
}

// dial connects to target from a host of the stack. Where that fails, the other hosts are tried, each once: the connection may have gone bad, the host may be
// dead, and not every host reaches every target (127.0.0.1 is each host's own).
func (p *Proxy) dial(target string) (net.Conn, error) {
	failed, tried := map[string]bool{}, map[string]bool{}
	var failures []error
	for {
		way, fresh, err := p.connect(tried)
		if err != nil {
			return nil, errors.Join(append(failures, err)...)
		}
		conn, err := within(dialTimeout, func() (net.Conn, error) { return way.client.Dial("tcp", target) })
		if err == nil {
			return conn, nil
		}
		failures = append(failures, fmt.Errorf("jump: %s from host %s: %w", target, way.host, err))
		// A kept connection may be stale where its host is well, so it is forgiven once.
		tried[way.host], failed[way.host] = fresh || failed[way.host], true
		p.drop(way)
	}
}

// within gives up waiting after limit; what comes later is closed.
func within(limit time.Duration, dial func() (net.Conn, error)) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result, 1)
	go func() {
		conn, err := dial()
		results <- result{conn, err}
	}()
	select {
	case r := <-results:
		return r.conn, r.err
	case <-time.After(limit):
		go func() {
			if r := <-results; r.conn != nil {
				_ = r.conn.Close()
			}
		}()
		return nil, fmt.Errorf("no answer within %s", limit)
	}
}

// connect gives the connection in use, or makes a new one to the first host that answers with its pinned key and was not tried before.
func (p *Proxy) connect(tried map[string]bool) (w *way, fresh bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.way != nil && !tried[p.way.host] {
		return p.way, false, nil
	}
	hosts, err := p.Hosts()
	if err != nil {
		return nil, false, fmt.Errorf("jump: hosts of the stack: %w", err)
	}
	if len(hosts) == 0 {
		return nil, false, errors.New("jump: the stack has no installed host yet; run pulumi up")
	}
	signer, err := p.Signer()
	if err != nil {
		return nil, false, fmt.Errorf("jump: key: %w", err)
	}
	failures := []error{errors.New("jump: no host of the stack is left to try")}
	for _, host := range hosts {
		if tried[host.Name] {
			continue
		}
		client, err := Dial(host, p.User, signer)
		if err != nil {
			failures = append(failures, fmt.Errorf("jump: host %s at %s: %w", host.Name, host.Address, err))
			tried[host.Name] = true
			continue
		}
		made := &way{host: host.Name, client: client}
		p.way = made
		go func() {
			_ = client.Wait()
			p.drop(made)
		}()
		return made, true, nil
	}
	return nil, false, errors.Join(failures...)
}

// Dial logs in at a host with its pinned key, and no other.
func Dial(host Host, user string, signer ssh.Signer) (*ssh.Client, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(host.HostKey))
	if err != nil {
		return nil, fmt.Errorf("pinned host key %q: %w", host.HostKey, err)
	}
	return ssh.Dial("tcp", host.Address, &ssh.ClientConfig{
		User:              user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback:   ssh.FixedHostKey(key),
		HostKeyAlgorithms: []string{key.Type()},
		Timeout:           dialTimeout,
	})
}

// drop closes the connection in use if it is the one named, or whichever it is where none is named.
func (p *Proxy) drop(w *way) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.way == nil || (w != nil && p.way != w) {
		return
	}
	_ = p.way.client.Close()
	p.way = nil
}
