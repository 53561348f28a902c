//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"havre/infra/sandbox/bringup"
	"havre/infra/workspace"
)

// walk is one walk through the platform in this checkout.
type walk struct {
	t   *testing.T
	ws  workspace.Workspace
	log io.Writer
	// pulumi runs the pinned CLI on stack local.
	pulumi bringup.Pulumi
	// addresses are the nodes' public addresses by name.
	addresses map[string]string
	// forget puts the description of stack local back as it was cloned.
	forget func()
}

func newWalk(t *testing.T) *walk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("the end-to-end walk makes hosts and networks on this machine and must run as root: sudo make test")
	}
	ws, err := workspace.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(ws.Path("build", "e2e"), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(ws.Path("build", "e2e", "run.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	w := &walk{t: t, ws: ws, log: io.MultiWriter(file, os.Stdout)}
	w.pulumi = bringup.Pulumi{Workspace: ws, Env: ws.LocalEnv(), Report: func(line string) { fmt.Fprintln(w.log, line) }}
	return w
}

// part runs one part of the walk and ends it where the part fails: what comes after would only fail for the same reason.
func (w *walk) part(name string, do func(t *testing.T, ctx context.Context)) {
	w.t.Helper()
	start := time.Now()
	passed := w.t.Run(name, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
		defer cancel()
		do(t, ctx)
	})
	w.t.Logf("%s: %.0f s", name, time.Since(start).Seconds())
	if !passed {
		w.t.Fatalf("stopped at %q; the sandbox is left as it is: havre sandbox status, build/e2e/run.log", name)
	}
}

// havre runs the project's own command and gives what it printed.
func (w *walk) havre(ctx context.Context, args ...string) (string, error) {
	var out strings.Builder
	command := exec.CommandContext(ctx, w.ws.Bin("havre"), args...)
	command.Dir = w.ws.Root
	command.Stdout, command.Stderr = io.MultiWriter(&out, w.log), io.MultiWriter(&out, w.log)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 2 * time.Minute
	if err := command.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		return out.String(), fmt.Errorf("havre %s: %w; it said last:\n%s", strings.Join(args, " "), err, strings.Join(lines[max(0, len(lines)-60):], "\n"))
	}
	return out.String(), nil
}

// kubectl runs kubectl as bin/env sets it up.
func (w *walk) kubectl(ctx context.Context, args ...string) (string, error) {
	return w.kubectlAt(ctx, w.ws.Kubeconfig(), args...)
}

// kubectlAt runs kubectl in the cluster of a kubeconfig.
func (w *walk) kubectlAt(ctx context.Context, kubeconfig string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, w.ws.Bin("kubectl"), append([]string{"--kubeconfig", kubeconfig}, args...)...)
	command.Env = w.ws.Environ(w.ws.LocalEnv())
	out, err := command.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// on runs a command as root on one of the stack's hosts, over SSH with the pinned key, as an engineer does.
func (w *walk) on(ctx context.Context, node, script string) (string, error) {
	address, found := w.addresses[node]
	if !found {
		if err := w.findAddresses(ctx); err != nil {
			return "", err
		}
		if address, found = w.addresses[node]; !found {
			return "", fmt.Errorf("node %s is not among the stack's outputs: %v", node, w.addresses)
		}
	}
	return w.havreQuiet(ctx, "sandbox", "shell", address, "--", "sudo", "-n", "bash", "-c", quote(script))
}

// each is what a command says on every host, by name.
func (w *walk) each(t *testing.T, ctx context.Context, script string) map[string]string {
	t.Helper()
	said := map[string]string{}
	for _, node := range plan(t).Members {
		out, err := w.on(ctx, node.Name, script)
		if err != nil {
			t.Fatal(err)
		}
		said[node.Name] = strings.TrimSpace(out)
	}
	return said
}

// findAddresses reads the nodes' public addresses from the stack's outputs.
func (w *walk) findAddresses(ctx context.Context) error {
	text, err := w.pulumi.Output(ctx, "stack", "output", "--stack", "local", "--json", "nodes")
	if err != nil {
		return err
	}
	var nodes map[string]struct{ Address string }
	if err := json.Unmarshal(text, &nodes); err != nil {
		return fmt.Errorf("output nodes: %w: %s", err, text)
	}
	w.addresses = map[string]string{}
	for name, node := range nodes {
		w.addresses[name] = node.Address
	}
	return nil
}

func (w *walk) havreQuiet(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, w.ws.Bin("havre"), args...)
	command.Dir = w.ws.Root
	out, err := command.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("havre %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// edit changes a file of the checkout for the rest of the walk and gives the function that puts it back.
func (w *walk) edit(t *testing.T, path, from, to string) (restore func()) {
	t.Helper()
	file := filepath.Join(w.ws.Root, path)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), from) != 1 {
		t.Fatalf("%s has %d times the text to change, want once:\n%s", path, strings.Count(string(text), from), from)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), from, to, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	restore = func() {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Errorf("put %s back: %v", path, err)
		}
	}
	w.t.Cleanup(restore)
	return restore
}
