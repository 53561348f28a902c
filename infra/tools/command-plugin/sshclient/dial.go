// Package sshclient is how the command plugin reaches a host: it dials, retries, holds the host to its pinned key, bounds the connections to one host,
// and notices a host that has stopped answering.
//
// What one would get wrong: OpenSSH's MaxStartups drops connections at random once ten are still logging in, which shows as a failed handshake on a
// healthy host. So handshakes with one host queue here, however many commands the engine runs at once.
package sshclient

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Unlimited as an ErrorLimit dials for as long as the context lives.
const Unlimited = -1

// Endpoint is one SSH server and how to log in to it.
type Endpoint struct {
	User, Host string
	// Port is 1 to 65535.
	Port int
	// Password, PrivateKey (PEM), its passphrase, and the agent's socket are left empty where they are not used; all that is there is offered, the key first.
	Password, PrivateKey, PrivateKeyPassword, AgentSocket string
	// HostKey is the server's key as an authorized_keys line ("ssh-ed25519 AAAA…"); any other key is refused. Empty accepts any.
	HostKey string
	// ErrorLimit is how many failed attempts are borne; one more is the error. Unlimited has no end.
	ErrorLimit int
	// Timeout bounds each attempt, from the first packet to the login; 0 is no bound.
	Timeout time.Duration
}

func (e Endpoint) address() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

func (e Endpoint) String() string { return e.User + "@" + e.address() }

// Dialer opens connections. The zero value does not work; use Default.
type Dialer struct {
	// Handshakes bounds how many connections to one host may be logging in at once; Connections how many there may be.
	Handshakes, Connections int
	// KeepAlive is the pause between two questions to the server; one that is not answered within KeepAliveLimit ends the connection.
	KeepAlive, KeepAliveLimit time.Duration
	// FirstPause is the pause after the first failed attempt; each later one is half as long again, up to LastPause.
	FirstPause, LastPause time.Duration

	mu    sync.Mutex
	hosts map[string]*host
}

// host is the places at one server.
type host struct{ handshakes, connections chan struct{} }

// Default returns the dialer of the plugin: four handshakes keep well below MaxStartups' ten, ten connections below what a small host bears. A host that
// has died is noticed after a minute.
func Default() *Dialer {
	return &Dialer{
		Handshakes: 4, Connections: 10, KeepAlive: 15 * time.Second, KeepAliveLimit: 45 * time.Second,
		FirstPause: 100 * time.Millisecond, LastPause: 5 * time.Second,
	}
}

func (d *Dialer) places(address string) *host {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hosts == nil {
		d.hosts = map[string]*host{}
	}
	h := d.hosts[address]
	if h == nil {
		h = &host{handshakes: make(chan struct{}, d.Handshakes), connections: make(chan struct{}, d.Connections)}
		d.hosts[address] = h
	}
	return h
}

// take waits for a place; the returned function gives it back.
func take(ctx context.Context, places chan struct{}) (func(), error) {
	select {
	case places <- struct{}{}:
		return sync.OnceFunc(func() { <-places }), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Dial logs in to a server, through a jump host where proxy is not nil, and retries as the endpoints say. log gets a line for each failed attempt. A host
// key that differs from the pinned one is an error at once: trying again cannot mend it.
func (d *Dialer) Dial(ctx context.Context, to Endpoint, proxy *Endpoint, log func(string)) (*Client, error) {
	config, closeAgent, err := to.config(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", to, err)
	}
	release, err := take(ctx, d.places(to.address()).connections)
	if err != nil {
		closeAgent()
		return nil, fmt.Errorf("connect to %s: waiting for one of %d connections: %w", to, d.Connections, err)
	}
	client := &Client{to: to, closers: []func(){release, closeAgent}}
	fail := func(err error) (*Client, error) {
		client.Close()
		return nil, err
	}
	dial := (&net.Dialer{}).DialContext
	if proxy != nil {
		proxyConfig, closeProxyAgent, err := proxy.config(ctx)
		if err != nil {
			return fail(fmt.Errorf("proxy: connect to %s: %w", proxy, err))
		}
		client.closers = append(client.closers, closeProxyAgent)
		jump, err := d.retry(ctx, *proxy, "Dial proxy", log, func(ctx context.Context) (*ssh.Client, error) {
			return d.handshake(ctx, *proxy, proxyConfig, (&net.Dialer{}).DialContext)
		})
		if err != nil {
			return fail(fmt.Errorf("proxy: %w", err))
		}
		client.closers = append(client.closers, func() { _ = jump.Close() })
		dial = jump.DialContext
	}
	client.ssh, err = d.retry(ctx, to, "Dial", log, func(ctx context.Context) (*ssh.Client, error) {
		return d.handshake(ctx, to, config, dial)
	})
	if err != nil {
		return fail(err)
	}
	client.closers = append(client.closers, func() { _ = client.ssh.Close() })
	client.keepAlive(d.KeepAlive, d.KeepAliveLimit)
	return client, nil
}

// retry tries until it succeeds, the errors are more than the endpoint's limit, or ctx ends.
func (d *Dialer) retry(ctx context.Context, to Endpoint, what string, log func(string), try func(context.Context) (*ssh.Client, error)) (*ssh.Client, error) {
	pause := d.FirstPause
	for failed := 1; ; failed++ {
		client, err := try(ctx)
		if err == nil {
			return client, nil
		}
		var wrong *HostKeyError
		if errors.As(err, &wrong) {
			return nil, fmt.Errorf("connect to %s: %w", to, wrong)
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("connect to %s: %w (last error: %w)", to, context.Cause(ctx), err)
		}
		limit := "inf"
		if to.ErrorLimit > Unlimited {
			limit = strconv.Itoa(to.ErrorLimit)
			if failed > to.ErrorLimit {
				return nil, fmt.Errorf("connect to %s: after %d failed attempts: %w", to, failed-1, err)
			}
		}
		log(fmt.Sprintf("%s %d/%s failed: retrying", what, failed, limit))
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to %s: %w (last error: %w)", to, context.Cause(ctx), err)
		case <-time.After(pause):
		}
		pause = min(pause+pause/2, d.LastPause)
	}
}

// handshake makes one attempt. The bound covers the login as well: a host that accepts a connection and then says nothing must not hang a run.
func (d *Dialer) handshake(ctx context.Context, to Endpoint, config *ssh.ClientConfig, dial func(ctx context.Context, network, address string) (net.Conn, error)) (*ssh.Client, error) {
	release, err := take(ctx, d.places(to.address()).handshakes)
	if err != nil {
		return nil, err
	}
	defer release()
	if to.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, to.Timeout, fmt.Errorf("no answer within %s", to.Timeout))
		defer cancel()
	}
	conn, err := dial(ctx, "tcp", to.address())
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	// A connection through a jump host knows no deadlines, so the attempt is bounded by closing it.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(conn, to.address(), config)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

// config turns an endpoint into what the SSH library wants; the function closes the connection to the agent.
func (e Endpoint) config(ctx context.Context) (*ssh.ClientConfig, func(), error) {
	config := &ssh.ClientConfig{User: e.User, HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	if e.HostKey != "" {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(e.HostKey))
		if err != nil {
			return nil, nil, fmt.Errorf("hostKey is not a public key line such as `ssh-ed25519 AAAA…`: %w", err)
		}
		// A server with several keys must show the pinned one.
		config.HostKeyAlgorithms = []string{key.Type()}
		if key.Type() == ssh.KeyAlgoRSA {
			config.HostKeyAlgorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
		}
		config.HostKeyCallback = func(_ string, _ net.Addr, shown ssh.PublicKey) error {
			if subtle.ConstantTimeCompare(shown.Marshal(), key.Marshal()) == 1 {
				return nil
			}
			return &HostKeyError{Pinned: ssh.FingerprintSHA256(key), Shown: ssh.FingerprintSHA256(shown)}
		}
	}
	if e.PrivateKey != "" {
		signer, err := e.signer()
		if err != nil {
			return nil, nil, err
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if e.Password != "" {
		config.Auth = append(config.Auth, ssh.Password(e.Password), ssh.KeyboardInteractive(
			func(_, _ string, questions []string, _ []bool) ([]string, error) {
				return slices.Repeat([]string{e.Password}, len(questions)), nil
			}))
	}
	socket := e.AgentSocket
	if socket == "" {
		socket = os.Getenv("SSH_AUTH_SOCK")
	}
	if socket == "" {
		return config, func() {}, nil
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, nil, fmt.Errorf("SSH agent: %w", err)
	}
	config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
	return config, func() { _ = conn.Close() }, nil
}

// signer reads the private key. Its errors never hold any of it.
func (e Endpoint) signer() (ssh.Signer, error) {
	if e.PrivateKeyPassword != "" {
		signer, err := ssh.ParsePrivateKeyWithPassphrase([]byte(e.PrivateKey), []byte(e.PrivateKeyPassword))
		if err != nil {
			return nil, fmt.Errorf("privateKey with privateKeyPassword: %w", err)
		}
		return signer, nil
	}
	signer, err := ssh.ParsePrivateKey([]byte(e.PrivateKey))
	if err != nil {
		return nil, fmt.Errorf("privateKey: %w", err)
	}
	return signer, nil
}

// HostKeyError is a server that shows another key than the pinned one.
type HostKeyError struct{ Pinned, Shown string }

func (e *HostKeyError) Error() string {
	return fmt.Sprintf("host key %s is not the pinned %s: either the host was installed again, then give its new key, or this is not that host", e.Shown, e.Pinned)
}
