package sshclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"havre/infra/tools/plugintest"
)

func endpoint(h *plugintest.Host) Endpoint {
	return Endpoint{User: "debian", Host: "127.0.0.1", Port: h.Port, PrivateKey: h.PrivateKey, HostKey: h.HostKey}
}

func quick() *Dialer {
	return &Dialer{Handshakes: 1, Connections: 1, KeepAlive: time.Millisecond, KeepAliveLimit: time.Millisecond, FirstPause: time.Millisecond, LastPause: time.Millisecond}
}

// TestAHostThatFallsSilentIsGivenUp: without it a command on a host that lost its power would hang a run for ever.
func TestAHostThatFallsSilentIsGivenUp(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	h := plugintest.NewHost(t)
	h.Deaf = true
	client, err := quick().Dial(t.Context(), endpoint(h), nil, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	err = client.Run(t.Context(), Command{Line: "sleep 1000", Stdout: io.Discard, Stderr: io.Discard})
	want := fmt.Sprintf("connection to debian@127.0.0.1:%d was lost: no answer for 1ms; the command may still be running there, the next run starts it again", h.Port)
	var lost *LostError
	if !errors.As(err, &lost) || err.Error() != want {
		// The connection may already be gone when the command starts.
		if err == nil || err.Error() != fmt.Sprintf("open a session on debian@127.0.0.1:%d: no answer for 1ms", h.Port) {
			t.Errorf("got %v", err)
		}
	}
}

// TestConnectionsToOneHostAreBounded: the second waits for the first, and gives up with its context.
func TestConnectionsToOneHostAreBounded(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	h, d := plugintest.NewHost(t), Default()
	d.Connections = 1
	first, err := d.Dial(t.Context(), endpoint(h), nil, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := d.Dial(ctx, endpoint(h), nil, func(string) {}); err == nil ||
		err.Error() != fmt.Sprintf("connect to debian@127.0.0.1:%d: waiting for one of 1 connections: enough", h.Port) {
		t.Errorf("got %v", err)
	}
	second := make(chan error)
	go func() {
		client, err := d.Dial(t.Context(), endpoint(h), nil, func(string) {})
		if err == nil {
			client.Close()
		}
		second <- err
	}()
	first.Close()
	if err := <-second; err != nil {
		t.Error(err)
	}
}

func TestFailedAttemptsAreTold(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	h := plugintest.NewHost(t)
	h.Connected = func(int) plugintest.Fate { return plugintest.Refuse }
	to := endpoint(h)
	to.ErrorLimit = 2
	var lines []string
	if _, err := quick().Dial(t.Context(), to, nil, func(line string) { lines = append(lines, line) }); err == nil {
		t.Error("connected to a host that refuses")
	}
	if fmt.Sprint(lines) != "[Dial 1/2 failed: retrying Dial 2/2 failed: retrying]" || h.Connections() != 3 {
		t.Errorf("told %q in %d connections", lines, h.Connections())
	}
	to.ErrorLimit = Unlimited
	ctx, cancel := context.WithCancel(t.Context())
	_, err := quick().Dial(ctx, to, nil, func(line string) {
		if line == "Dial 5/inf failed: retrying" {
			cancel()
		}
	})
	if err == nil || err.Error() != fmt.Sprintf("connect to %s: context canceled (last error: ssh: handshake failed: EOF)", to) {
		t.Errorf("got %v", err)
	}
}
