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

	mu     sync.Mutex
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

// dial connects to target from a host of the stack. A connection that has gone bad is replaced once.
func (p *Proxy) dial(target string) (net.Conn, error) {
	var last error
	for range 2 {
		client, err := p.connect()
		if err != nil {
			return nil, err
		}
		conn, err := within(dialTimeout, func() (net.Conn, error) { return client.Dial("tcp", target) })
		if err == nil {
			return conn, nil
		}
		last = fmt.Errorf("jump: %s from %s: %w", target, client.RemoteAddr(), err)
		// The far side's own refusal ("connection refused") is an answer too, but another host may do better: begin anew either way.
		p.drop(client)
	}
	return nil, last
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

// connect gives the connection in use, or makes one to the first host that answers with its pinned key.
func (p *Proxy) connect() (*ssh.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client != nil {
		return p.client, nil
	}
	hosts, err := p.Hosts()
	if err != nil {
		return nil, fmt.Errorf("jump: hosts of the stack: %w", err)
	}
	if len(hosts) == 0 {
		return nil, errors.New("jump: the stack has no installed host yet; run pulumi up")
	}
	signer, err := p.Signer()
	if err != nil {
		return nil, fmt.Errorf("jump: key: %w", err)
	}
	var failures []error
	for _, host := range hosts {
		client, err := open(host, p.User, signer)
		if err != nil {
			failures = append(failures, fmt.Errorf("jump: host %s at %s: %w", host.Name, host.Address, err))
			continue
		}
		p.client = client
		go func() {
			_ = client.Wait()
			p.drop(client)
		}()
		return client, nil
	}
	return nil, errors.Join(failures...)
}

func open(host Host, user string, signer ssh.Signer) (*ssh.Client, error) {
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
func (p *Proxy) drop(client *ssh.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client == nil || (client != nil && p.client != client) {
		return
	}
	_ = p.client.Close()
	p.client = nil
}
