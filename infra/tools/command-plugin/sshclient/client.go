package sshclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// endGrace is what a remote process gets after it was told to end, before the connection is closed under it.
const endGrace = 5 * time.Second

// Client is a logged-in connection.
type Client struct {
	to      Endpoint
	ssh     *ssh.Client
	closers []func()

	mu   sync.Mutex
	lost error
}

// Close ends the connection and gives its place back.
func (c *Client) Close() {
	// Last in, first out: the place at the host is given back when the connection has gone.
	for _, f := range slices.Backward(c.closers) {
		f()
	}
	c.closers = nil
}

// keepAlive asks the server now and then whether it is there, and closes the connection when it does not say so.
func (c *Client) keepAlive(pause, limit time.Duration) {
	done := make(chan struct{})
	c.closers = append(c.closers, sync.OnceFunc(func() { close(done) }))
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(pause):
			}
			answered := make(chan struct{})
			go func() {
				// A refusal is an answer too; a broken connection is noticed by whoever uses it.
				_, _, _ = c.ssh.SendRequest("keepalive@openssh.com", true, nil)
				close(answered)
			}()
			select {
			case <-done:
				return
			case <-answered:
			case <-time.After(limit):
				c.mu.Lock()
				c.lost = fmt.Errorf("no answer for %s", limit)
				c.mu.Unlock()
				_ = c.ssh.Close()
				return
			}
		}
	}()
}

// Variable is an environment variable to be set on the host.
type Variable struct{ Name, Value string }

// Command is one command line for the login shell of a host.
type Command struct {
	Line string
	// Environment must be accepted by the server (AcceptEnv); Optional may be refused, which Refused is told.
	Environment, Optional []Variable
	Refused               func(name string)
	Stdin                 io.Reader
	Stdout, Stderr        io.Writer
}

// Run runs a command to its end. The error is an *ssh.ExitError for a command that failed, a *LostError for a connection that broke meanwhile, and
// otherwise says what could not be done. When ctx ends, the process is sent SIGTERM and given five seconds.
func (c *Client) Run(ctx context.Context, cmd Command) error {
	session, err := c.ssh.NewSession()
	if err != nil {
		return fmt.Errorf("open a session on %s: %w", c.to, c.broken(err))
	}
	defer func() { _ = session.Close() }()
	for _, v := range cmd.Environment {
		if err := session.Setenv(v.Name, v.Value); err != nil {
			return fmt.Errorf("could not set environment variable %q on %s: %w; have its sshd accept it (AcceptEnv), or write it into the command: VAR=value command", v.Name, c.to, err)
		}
	}
	for _, v := range cmd.Optional {
		if err := session.Setenv(v.Name, v.Value); err != nil {
			cmd.Refused(v.Name)
		}
	}
	session.Stdout, session.Stderr = cmd.Stdout, cmd.Stderr
	var stdin io.WriteCloser
	if cmd.Stdin != nil {
		// Not session.Stdin: a command that ends without reading all of it would then count as failed.
		if stdin, err = session.StdinPipe(); err != nil {
			return fmt.Errorf("open a session on %s: %w", c.to, err)
		}
	}
	if err := session.Start(cmd.Line); err != nil {
		return fmt.Errorf("start the command on %s: %w", c.to, c.broken(err))
	}
	if stdin != nil {
		go func() {
			_, _ = io.Copy(stdin, cmd.Stdin)
			_ = stdin.Close()
		}()
	}
	var outcome error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		outcome = session.Wait()
	}()
	select {
	case <-ended:
		return c.result(outcome)
	case <-ctx.Done():
	}
	_ = session.Signal(ssh.SIGTERM)
	select {
	case <-ended:
	case <-time.After(endGrace):
		_ = session.Close()
		_ = c.ssh.Close()
		<-ended
	}
	return fmt.Errorf("stopped on %s: %w", c.to, context.Cause(ctx))
}

// result tells a command that failed from a connection that broke.
func (c *Client) result(err error) error {
	var exit *ssh.ExitError
	if err == nil || errors.As(err, &exit) {
		return err
	}
	return &LostError{Host: c.to.String(), Cause: c.broken(err)}
}

// broken returns why the connection was given up, where this side did that.
func (c *Client) broken(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost != nil {
		return c.lost
	}
	return err
}

// LostError is a connection that ended before its command did.
type LostError struct {
	Host  string
	Cause error
}

func (e *LostError) Error() string {
	cause := e.Cause.Error()
	var missing *ssh.ExitMissingError
	if errors.As(e.Cause, &missing) {
		cause = "it closed before the command's exit status arrived"
	}
	return fmt.Sprintf("connection to %s was lost: %s; the command may still be running there, the next run starts it again", e.Host, cause)
}

func (e *LostError) Unwrap() error { return e.Cause }

// Subsystem starts a subsystem of the server, such as sftp; closing it ends the session. It is closed as well when ctx ends.
func (c *Client) Subsystem(ctx context.Context, name string) (io.ReadWriteCloser, error) {
	session, err := c.ssh.NewSession()
	if err != nil {
		return nil, fmt.Errorf("open a session on %s: %w", c.to, c.broken(err))
	}
	in, err := session.StdinPipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a session on %s: %w", c.to, err), session.Close())
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a session on %s: %w", c.to, err), session.Close())
	}
	if err := session.RequestSubsystem(name); err != nil {
		_ = session.Close()
		return nil, fmt.Errorf("%s has no %s subsystem: %w", c.to, name, c.broken(err))
	}
	stop := context.AfterFunc(ctx, func() { _ = session.Close() })
	return &subsystem{Reader: out, WriteCloser: in, end: func() { stop(); _ = session.Close() }}, nil
}

type subsystem struct {
	io.Reader
	io.WriteCloser
	end func()
}

func (s *subsystem) Close() error {
	err := s.WriteCloser.Close()
	s.end()
	return err
}
