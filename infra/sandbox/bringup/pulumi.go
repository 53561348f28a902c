package bringup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"havre/infra/resume"
	"havre/infra/workspace"
)

// Pulumi runs the pinned CLI in a checkout, with the environment of one backend.
type Pulumi struct {
	Workspace workspace.Workspace
	// Env is laid over the process's own environment: workspace.LocalEnv or PreviewEnv.
	Env map[string]string
	// Report shows one line of what Pulumi prints; nil shows nothing.
	Report func(string)
}

// Run runs `pulumi args…` and shows what it prints as it prints it. Cancelling the context interrupts it as Ctrl-C does, so that Pulumi ends the
// step it is at and keeps its state. The error ends with what Pulumi itself called an error, because that is what a reader needs and the lines
// above may be cut off in a long log.
func (p Pulumi) Run(ctx context.Context, args ...string) error {
	command := p.command(ctx, args...)
	reader, writer := io.Pipe()
	command.Stdout, command.Stderr = writer, writer
	var diagnostics []string
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		lines := bufio.NewScanner(reader)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			line := lines.Text()
			// Pulumi's own dots say no more than that time passes.
			if p.Report != nil && !strings.HasPrefix(line, "@ ") {
				p.Report(line)
			}
			if strings.Contains(line, "error:") || len(diagnostics) > 0 {
				diagnostics = append(diagnostics, strings.TrimSpace(line))
			}
		}
		_, _ = io.Copy(io.Discard, reader)
	}()
	err := command.Run()
	_ = writer.Close()
	<-shown
	if err != nil {
		if len(diagnostics) > 80 {
			diagnostics = diagnostics[len(diagnostics)-80:]
		}
		return fmt.Errorf("pulumi %s: %w\n%s", strings.Join(args, " "), err, strings.Join(diagnostics, "\n"))
	}
	return nil
}

// Output runs `pulumi args…` and gives what it prints on standard output, with an error as well: a preview that is refused says why there.
func (p Pulumi) Output(ctx context.Context, args ...string) ([]byte, error) {
	command := p.command(ctx, args...)
	out, err := command.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return out, fmt.Errorf("pulumi %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return nil, fmt.Errorf("pulumi %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

func (p Pulumi) command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, p.Workspace.Bin("pulumi"), append([]string{"--non-interactive", "--color", "never"}, args...)...)
	command.Dir = p.Workspace.Root
	command.Env = p.Workspace.Environ(p.Env)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 2 * time.Minute
	return command
}

// Select makes the stack where the backend has none, and makes it ready again where a run that was killed has left it locked.
func (p Pulumi) Select(ctx context.Context, stack string) error {
	backend := strings.TrimPrefix(p.Env["PULUMI_BACKEND_URL"], "file://")
	if _, err := os.Stat(filepath.Join(backend, ".pulumi", "stacks", "havre", stack+".json")); err != nil {
		quiet := p
		quiet.Report = nil
		return quiet.Run(ctx, "stack", "init", "--stack", stack)
	}
	// Only a killed run leaves a lock; looking for one costs nothing, asking Pulumi costs two seconds.
	locks, err := filepath.Glob(filepath.Join(backend, ".pulumi", "locks", "organization", "havre", stack, "*"))
	if err != nil || len(locks) == 0 {
		return err
	}
	return resume.Stack(ctx, p, resume.Options{Stack: stack, Report: p.Report})
}
