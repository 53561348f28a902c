package plugintest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"havre/infra/tools/command-plugin/sftp/sftpserver"
)

// Host is an SSH server on the loopback address that runs commands with /bin/sh in a folder of its own.
type Host struct {
	// Port is where it listens; HostKey is its key as an authorized_keys line; PrivateKey is the client's key, PEM.
	Port                int
	HostKey, PrivateKey string
	// Dir is the commands' working directory and the SFTP root.
	Dir string
	// AcceptEnv lists the variables that it takes. Set it before the first connection.
	AcceptEnv []string
	// Connected is called for each connection, counted from 1, and says what becomes of it. Nil serves all.
	Connected func(n int) Fate
	// Authenticating is called while a login is under way.
	Authenticating func()
	// Deaf leaves global requests, keep-alives among them, without an answer.
	Deaf bool

	t        testing.TB
	config   *ssh.ServerConfig
	listener net.Listener
	count    atomic.Int64
	logins   atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]bool
	wait  sync.WaitGroup
}

// Fate is what becomes of a connection.
type Fate int

// A connection is served, closed at once, or accepted and never answered.
const (
	Serve Fate = iota
	Refuse
	Silence
)

// NewHost starts a host; it ends with the test.
func NewHost(t testing.TB) *Host {
	t.Helper()
	client, private := key(t)
	server, hostPrivate := key(t)
	signer, err := ssh.ParsePrivateKey([]byte(hostPrivate))
	if err != nil {
		t.Fatal(err)
	}
	h := &Host{t: t, Dir: t.TempDir(), PrivateKey: private, HostKey: string(ssh.MarshalAuthorizedKey(server)), conns: map[net.Conn]bool{}}
	h.config = &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, offered ssh.PublicKey) (*ssh.Permissions, error) {
		if h.Authenticating != nil {
			h.Authenticating()
		}
		if string(offered.Marshal()) != string(client.Marshal()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}, PasswordCallback: func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		if string(password) != "correct horse" {
			return nil, errors.New("wrong password")
		}
		return nil, nil
	}}
	h.config.AddHostKey(signer)
	if h.listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	h.Port = h.listener.Addr().(*net.TCPAddr).Port
	h.wait.Add(1)
	go h.accept()
	t.Cleanup(func() {
		_ = h.listener.Close()
		h.Drop()
		h.wait.Wait()
	})
	return h
}

// key makes a key pair.
func key(t testing.TB) (public ssh.PublicKey, private string) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(priv, "")
	if err != nil {
		t.Fatal(err)
	}
	public, err = ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return public, string(pem.EncodeToMemory(block))
}

// Drop breaks every connection, as a host that loses its power does.
func (h *Host) Drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for conn := range h.conns {
		_ = conn.Close()
	}
}

// Stop listens no more.
func (h *Host) Stop() { _ = h.listener.Close() }

// Connections is how many were made so far; Logins how many of them logged in.
func (h *Host) Connections() int { return int(h.count.Load()) }

// Logins is how many connections logged in so far.
func (h *Host) Logins() int { return int(h.logins.Load()) }

func (h *Host) accept() {
	defer h.wait.Done()
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return
		}
		n := int(h.count.Add(1))
		fate := Serve
		if h.Connected != nil {
			fate = h.Connected(n)
		}
		if fate == Refuse {
			h.wait.Add(1)
			go h.refuse(conn)
			continue
		}
		h.mu.Lock()
		h.conns[conn] = true
		h.mu.Unlock()
		if fate == Silence {
			continue
		}
		h.wait.Add(1)
		go h.serve(conn)
	}
}

// refuse says nothing and ends. Closing at once would be an end of file or a reset, as it happens; this is always the first.
func (h *Host) refuse(conn net.Conn) {
	defer h.wait.Done()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, conn)
	_ = conn.Close()
}

func (h *Host) serve(conn net.Conn) {
	defer h.wait.Done()
	defer func() {
		_ = conn.Close()
		h.mu.Lock()
		delete(h.conns, conn)
		h.mu.Unlock()
	}()
	_, channels, requests, err := ssh.NewServerConn(conn, h.config)
	if err != nil {
		return
	}
	h.logins.Add(1)
	if h.Deaf {
		go func() {
			for range requests {
				continue
			}
		}()
	} else {
		go ssh.DiscardRequests(requests)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for channel := range channels {
		switch channel.ChannelType() {
		case "session":
			h.wait.Add(1)
			go h.session(ctx, channel)
		case "direct-tcpip":
			h.wait.Add(1)
			go h.forward(ctx, channel)
		default:
			_ = channel.Reject(ssh.UnknownChannelType, "unknown")
		}
	}
}

// session runs one command or the SFTP subsystem.
func (h *Host) session(ctx context.Context, incoming ssh.NewChannel) {
	defer h.wait.Done()
	channel, requests, err := incoming.Accept()
	if err != nil {
		return
	}
	defer func() { _ = channel.Close() }()
	env := os.Environ()
	for req := range requests {
		switch req.Type {
		case "env":
			var v struct{ Name, Value string }
			ok := ssh.Unmarshal(req.Payload, &v) == nil && slices.Contains(h.AcceptEnv, v.Name)
			if ok {
				env = append(env, v.Name+"="+v.Value)
			}
			_ = req.Reply(ok, nil)
		case "exec":
			var command struct{ Line string }
			_ = req.Reply(ssh.Unmarshal(req.Payload, &command) == nil, nil)
			h.exec(ctx, channel, requests, command.Line, env)
			return
		case "subsystem":
			_ = req.Reply(true, nil)
			sftpserver.Serve(channel, h.Dir)
			return
		default:
			_ = req.Reply(false, nil)
		}
	}
}

func (h *Host) exec(ctx context.Context, channel ssh.Channel, requests <-chan *ssh.Request, line string, env []string) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.Dir, cmd.Env = h.Dir, env
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	stdin, err := cmd.StdinPipe()
	if err != nil {
		h.t.Error(err)
		return
	}
	if err := cmd.Start(); err != nil {
		h.t.Error(err)
		return
	}
	go func() {
		_, _ = io.Copy(stdin, channel)
		_ = stdin.Close()
	}()
	go func() {
		for req := range requests {
			if req.Type == "signal" {
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
			}
			if req.WantReply {
				_ = req.Reply(false, nil)
			}
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() < 0 {
		payload := ssh.Marshal(struct {
			Signal        string
			Core          bool
			Message, Lang string
		}{"TERM", false, "", ""})
		_, _ = channel.SendRequest("exit-signal", false, payload)
		return
	}
	_, _ = channel.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, uint32(cmd.ProcessState.ExitCode())))
}

// forward is what a jump host does.
func (h *Host) forward(ctx context.Context, incoming ssh.NewChannel) {
	defer h.wait.Done()
	var to struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(incoming.ExtraData(), &to); err != nil {
		_ = incoming.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))))
	if err != nil {
		_ = incoming.Reject(ssh.ConnectionFailed, "Connection refused")
		return
	}
	channel, requests, err := incoming.Accept()
	if err != nil {
		_ = conn.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	done := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(conn, channel); done <- struct{}{} }()
	go func() { _, _ = io.Copy(channel, conn); done <- struct{}{} }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	_ = conn.Close()
	_ = channel.Close()
}
