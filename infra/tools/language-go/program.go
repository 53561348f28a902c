package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"golang.org/x/sys/unix"
)

// endGrace is what a program gets after an interrupt before it is killed: it has nothing of its own to save, the engine keeps the state.
const endGrace = 3 * time.Second

// program returns the binary to run, and a function that gives up what was made for this run.
func (h *host) program(ctx context.Context, info *pulumirpc.ProgramInfo, pwd string, opts options) (path string, release func(), err error) {
	switch {
	case opts.binary != "":
		path, err := findBinary(opts.binary, pwd, info.GetRootDirectory())
		return path, func() {}, err
	case opts.buildTarget != "":
		target := opts.buildTarget
		if !filepath.IsAbs(target) {
			target = filepath.Join(info.GetProgramDirectory(), target)
		}
		return target, func() {}, h.build(ctx, info.GetProgramDirectory(), target)
	default:
		return h.cached(ctx, info.GetProgramDirectory())
	}
}

// findBinary finds the program that runtime.options.binary names: a path from the program's working directory or the project's root, else a name on the
// PATH.
func findBinary(name, pwd, root string) (string, error) {
	tried := []string{name}
	if !filepath.IsAbs(name) {
		tried = []string{filepath.Join(pwd, name), filepath.Join(root, name)}
	}
	for _, path := range tried {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	if filepath.Base(name) == name {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("unable to find '%s' executable: not at %s; build the program first, or take runtime.options.binary out of Pulumi.yaml", name, tried[0])
}

// cached builds the program into PULUMI_HOME, at a place of its own: where nothing has changed go leaves the file alone, which saves the link and most of
// the time. The run gets a name of its own for the file, so that a build for another run beside this one cannot change it underfoot.
func (h *host) cached(ctx context.Context, dir string) (path string, release func(), err error) {
	home := os.Getenv("PULUMI_HOME")
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", nil, fmt.Errorf("find PULUMI_HOME: %w", err)
		}
		home = filepath.Join(user, ".pulumi")
	}
	folder := filepath.Join(home, "programs", fmt.Sprintf("%x", sha256.Sum256([]byte(dir)))[:16])
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", nil, fmt.Errorf("folder for the program: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", nil, fmt.Errorf("lock of the program's folder: %w", err)
	}
	defer func() { _ = lock.Close() }()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", nil, fmt.Errorf("lock of the program's folder: %w", err)
	}
	built := filepath.Join(folder, "program")
	if err := h.build(ctx, dir, built); err != nil {
		return "", nil, err
	}
	run := filepath.Join(folder, fmt.Sprintf("run-%d", os.Getpid()))
	if err := os.Remove(run); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", nil, fmt.Errorf("name for this run's program: %w", err)
	}
	if err := os.Link(built, run); err != nil {
		return "", nil, fmt.Errorf("name for this run's program: %w", err)
	}
	return run, func() { _ = os.Remove(run) }, nil
}

// build runs go build; its errors go to the engine's display as they come, the answer only says that it failed.
func (h *host) build(ctx context.Context, dir, target string) error {
	if matches, err := filepath.Glob(filepath.Join(dir, "*.go")); err != nil || len(matches) == 0 {
		return fmt.Errorf("failed to find go files for 'go build' matching %s", filepath.Join(dir, "*.go"))
	}
	// -trimpath keeps this machine's paths out of a stack trace.
	// Without the commit in it the program is only linked anew when its code has changed.
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", target)
	// The program needs no C, and a build with it would share nothing with the binaries of this project, which are static: minutes instead of seconds.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = h.stdout, io.MultiWriter(h.stderr, &said)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("error in compiling Go: unable to run `go build`: %w\n%s", err, bytes.TrimSpace(said.Bytes()))
	}
	if info, err := os.Stat(target); err != nil || info.Mode()&0o111 == 0 {
		return errors.New("go program is not executable, does your program have a 'main' package?")
	}
	return nil
}

// execute runs the program to its end. The program ends with this host, even when that is killed: it would talk to an engine that no longer listens.
func (h *host) execute(ctx context.Context, program, dir string, env []string) *pulumirpc.RunResponse {
	// The kernel ties the child's life to the thread that starts it, so this one stays until the child has ended.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd := exec.CommandContext(ctx, program)
	cmd.Dir, cmd.Env = dir, env
	cmd.Stdout, cmd.Stderr = h.stdout, h.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = endGrace
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}
	case ctx.Err() != nil:
		return &pulumirpc.RunResponse{Error: "program was stopped: the engine cancelled the run"}
	case !errors.As(err, &exit):
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("problem executing program (could not run language executor): %v", err)}
	case exit.ExitCode() == loggedError:
		return &pulumirpc.RunResponse{Bail: true}
	case exit.ExitCode() < 0:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program was ended by a signal: %v", exit)}
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program exited with non-zero exit code: %d", exit.ExitCode())}
	}
}
