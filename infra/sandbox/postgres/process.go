package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// account is whom PostgreSQL runs as: it refuses root. A caller who is not root runs it as himself.
func account() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("postgresql: %w; root cannot run it, and user nobody is on every Debian", err)
	}
	uid, err1 := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(nobody.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: false}, errors.Join(err1, err2)
}

// own gives a path to the account.
func own(path string) error {
	credential, err := account()
	if err != nil || credential == nil {
		return err
	}
	if err := os.Chown(path, int(credential.Uid), int(credential.Gid)); err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	return nil
}

// run runs a program of PostgreSQL's to its end.
func (m *Manager) run(ctx context.Context, folder, name string, args ...string) error {
	credential, err := account()
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, m.distribution.program(name), args...)
	command.Dir, command.Env = folder, m.distribution.env(folder)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("postgresql: %s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// server is a running postgres.
type server struct {
	process *os.Process
	done    chan struct{}
	said    *tail
}

// tail keeps the end of what a server says.
type tail struct{ bytes.Buffer }

// Write keeps the last 8 KiB.
func (t *tail) Write(text []byte) (int, error) {
	n, err := t.Buffer.Write(text)
	if over := t.Len() - 8<<10; over > 0 {
		t.Next(over)
	}
	return n, err
}

// launch starts postgres as a child that ends when this process does, however that ends. The kernel binds that promise to the thread that made the child, so one
// thread is kept for it.
func (m *Manager) launch(folder string, args ...string) (*server, error) {
	credential, err := account()
	if err != nil {
		return nil, err
	}
	s := &server{done: make(chan struct{}), said: &tail{}}
	// It outlives the request that starts it; stop ends it, or the end of this process does.
	command := exec.CommandContext(context.Background(), m.distribution.program("postgres"), args...)
	command.Dir, command.Env = folder, m.distribution.env(folder)
	command.Stdout, command.Stderr = s.said, s.said
	command.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Pdeathsig: syscall.SIGQUIT, Setpgid: true}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer close(s.done)
		err := command.Start()
		if err == nil {
			s.process = command.Process
		}
		started <- err
		if err == nil {
			_ = command.Wait() // how it ended is in said
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("postgresql: %w", err)
	}
	return s, nil
}

// stopTimeout is how long a server may take to write its last checkpoint.
const stopTimeout = 30 * time.Second

// stop ends a server and its connections: at once, but with everything written.
func (s *server) stop() {
	if s == nil {
		return
	}
	if s.process.Signal(syscall.SIGINT) != nil {
		return
	}
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
		_ = s.process.Signal(syscall.SIGQUIT)
		<-s.done
	}
}

func (s *server) running() bool {
	if s == nil {
		return false
	}
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}
