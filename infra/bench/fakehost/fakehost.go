// Package fakehost answers over SSH as a host of the platform would, without running anything; what is copied to it lies in a temporary folder. It is for measuring: the state of a fleet for which there are no
// machines. The one thing a reader would get wrong: nothing is checked here but the log-in. A script that is wrong succeeds; that scripts are right is shown
// on the sandbox's hosts.
package fakehost

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"havre/infra/tools/command-plugin/sftp/sftpserver"
)

// Host is one host.
type Host struct {
	name     string
	config   *ssh.ServerConfig
	listener net.Listener
	hostKey  ssh.PublicKey
	folder   string
	answer   func(host, command string) string

	mu    sync.Mutex
	conns map[net.Conn]bool
	done  bool
	wait  sync.WaitGroup
}

// Start makes a host that listens on address, such as 127.64.0.11:22, and lets in whoever holds one of the keys, which are lines of authorized_keys. name makes
// its answers differ from those of others; answer gives them, Answer when it is nil. It stops with Close.
func Start(ctx context.Context, name, address string, authorizedKeys []string, answer func(host, command string) string) (*Host, error) {
	if answer == nil {
		answer = Answer
	}
	known := map[string]bool{}
	for _, line := range authorizedKeys {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			return nil, fmt.Errorf("host %s: authorized key %q: %w", name, line, err)
		}
		known[string(key.Marshal())] = true
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	h := &Host{name: name, answer: answer, hostKey: signer.PublicKey(), conns: map[net.Conn]bool{}}
	h.config = &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, offered ssh.PublicKey) (*ssh.Permissions, error) {
		if !known[string(offered.Marshal())] {
			return nil, errors.New("unknown key")
		}
		return &ssh.Permissions{}, nil
	}}
	h.config.AddHostKey(signer)
	if h.folder, err = os.MkdirTemp("", "fakehost-"); err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	if h.listener, err = new(net.ListenConfig).Listen(ctx, "tcp4", address); err != nil {
		_ = os.RemoveAll(h.folder)
		return nil, fmt.Errorf("host %s: %w; a fake host needs sshd's port, so root, and nothing else on it at that address", name, err)
	}
	h.wait.Add(1)
	go h.accept()
	return h, nil
}

// Address is where it listens; HostKey is its key as a line of known_hosts without the name.
func (h *Host) Address() string { return h.listener.Addr().String() }

// HostKey is its key as a line of known_hosts without the name.
func (h *Host) HostKey() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(h.hostKey)))
}

// Close ends the host and every connection to it.
func (h *Host) Close() {
	_ = h.listener.Close()
	h.mu.Lock()
	h.done = true
	for conn := range h.conns {
		_ = conn.Close()
	}
	h.mu.Unlock()
	h.wait.Wait()
	_ = os.RemoveAll(h.folder)
}

func (h *Host) accept() {
	defer h.wait.Done()
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		if h.done {
			_ = conn.Close()
		} else {
			h.conns[conn] = true
			h.wait.Add(1)
			go h.serve(conn)
		}
		h.mu.Unlock()
	}
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
	go answerRequests(requests)
	for channel := range channels {
		if channel.ChannelType() != "session" {
			_ = channel.Reject(ssh.UnknownChannelType, "unknown")
			continue
		}
		h.wait.Add(1)
		go h.session(channel)
	}
}

// answerRequests says no to everything, keep-alives among them: a no is an answer.
func answerRequests(requests <-chan *ssh.Request) {
	for request := range requests {
		if request.WantReply {
			_ = request.Reply(false, nil)
		}
	}
}

func (h *Host) session(incoming ssh.NewChannel) {
	defer h.wait.Done()
	channel, requests, err := incoming.Accept()
	if err != nil {
		return
	}
	defer func() { _ = channel.Close() }()
	for request := range requests {
		if request.Type == "subsystem" {
			_ = request.Reply(true, nil)
			sftpserver.Serve(channel, h.folder)
			return
		}
		if request.Type != "exec" {
			if request.WantReply {
				_ = request.Reply(false, nil)
			}
			continue
		}
		var command struct{ Line string }
		if err := ssh.Unmarshal(request.Payload, &command); err != nil {
			_ = request.Reply(false, nil)
			return
		}
		_ = request.Reply(true, nil)
		_, _ = io.WriteString(channel, h.answer(h.name, command.Line))
		_, _ = channel.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, 0))
		return
	}
}

// Answer is what the command prints: as long as the real answer, and different for each host where the real one is.
func Answer(host, command string) string {
	switch {
	case strings.Contains(command, "mesh_key"):
		return base64.StdEncoding.EncodeToString(digest(host, "wireguard")) + "\n"
	case strings.Contains(command, "cluster_invite"):
		key := ""
		if !strings.Contains(command, " worker") {
			key = hex.EncodeToString(digest("cluster", "certificates"))
		}
		return fmt.Sprintf(`{"token":"abcdef.%.16x","caCertHash":"sha256:%x","certificateKey":"%s"}`, digest(command, "token"), digest("cluster", "ca"), key) + "\n"
	case strings.Contains(command, "cluster_kubeconfig"):
		// Three certificates and keys of 2048 bits, in PEM and base64 again.
		blob := strings.Repeat(base64.StdEncoding.EncodeToString(digest("cluster", "kubeconfig")), 34)
		return `{"kind":"Config","apiVersion":"v1","clusters":[{"name":"cluster","cluster":{"certificate-authority-data":"` + blob + `"}}],"users":[{"name":"admin","user":{"client-certificate-data":"` +
			blob + `","client-key-data":"` + blob + `"}}]}` + "\n"
	default:
		return ""
	}
}

func digest(words ...string) []byte {
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return sum[:]
}
