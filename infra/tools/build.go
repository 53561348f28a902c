package tools

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// attempts is how often a build that failed on a download is tried: a module proxy may refuse for a moment, and everything fetched so far is kept.
const attempts = 4

// tailLines is how much of go's own output an error shows: enough for the first errors of a compilation, short enough to read.
const tailLines = 20

// place is a tool's position in a list of builds; zero outside one.
type place struct{ index, of int }

func (p place) String() string {
	if p.of == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d of %d)", p.index, p.of)
}

// buildFlags returns the flags of every build. -trimpath keeps the machine's paths out; -buildvcs is off because a tool is not of this repository's version.
func buildFlags(linker, tags string) []string {
	flags := []string{"-trimpath", "-buildvcs=false", "-mod=readonly"}
	if tags != "" {
		flags = append(flags, "-tags", tags)
	}
	if linker != "" {
		flags = append(flags, "-ldflags", linker)
	}
	return flags
}

// environment returns this process's environment with the settings that a build depends on pinned: static binaries that run on any host, the local
// toolchain only, no workspace. The checksum database stays as it is set: modules that it does not know have their lines in the committed go.sum.
func environment() []string {
	fixed := map[string]string{"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}
	var env []string
	for _, line := range os.Environ() {
		name, _, _ := strings.Cut(line, "=")
		if _, ok := fixed[name]; !ok {
			env = append(env, line)
		}
	}
	for _, name := range []string{"CGO_ENABLED", "GOFLAGS", "GOTOOLCHAIN", "GOWORK"} {
		env = append(env, name+"="+fixed[name])
	}
	return env
}

// path is Path with the tool's place in a list.
func (c *Cache) path(ctx context.Context, name string, at place, progress func(string)) (string, error) {
	if progress == nil {
		progress = func(string) {}
	}
	path, built, err := c.Cached(ctx, name)
	if err != nil || built {
		return path, err
	}
	tool, err := find(c.tools, name)
	if err != nil {
		return "", err
	}
	unlock, err := c.lock(ctx, tool, progress)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, built, err = c.Cached(ctx, name); err != nil || built {
		return path, err
	}
	if err := c.build(ctx, tool, path, at, progress); err != nil {
		return "", err
	}
	return path, nil
}

// build compiles a tool beside its place and moves it there, so that a half-written binary is never found.
func (c *Cache) build(ctx context.Context, tool Tool, path string, at place, progress func(string)) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("tool %s: cache folder: %w", tool.Name, err)
	}
	temporary := filepath.Join(dir, "."+tool.Name+".building")
	defer func() { _ = os.Remove(temporary) }()

	label := fmt.Sprintf("building %s %s%s", tool.Name, tool.Version, at)
	args := append([]string{"build"}, buildFlags(tool.LinkerFlags, tool.Tags)...)
	args = append(args, "-o", temporary, tool.Package)
	started := time.Now()
	for attempt := 1; ; attempt++ {
		progress(label + "…")
		output, err := c.run(ctx, filepath.Join(c.root, modulesDir, tool.Module), args, func() {
			progress(fmt.Sprintf("%s… %d s", label, int(time.Since(started).Seconds())))
		})
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("build %s %s: stopped after %d s: %w", tool.Name, tool.Version, int(time.Since(started).Seconds()), ctx.Err())
		}
		if attempt < attempts && refused(output) {
			progress(fmt.Sprintf("%s: a download was refused, trying again in %d s (%d of %d)", label, int(c.pause.Seconds()), attempt, attempts-1))
			select {
			case <-ctx.Done():
				return fmt.Errorf("build %s %s: stopped while waiting to try a download again: %w", tool.Name, tool.Version, ctx.Err())
			case <-time.After(c.pause):
			}
			continue
		}
		return buildError(tool, output, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("tool %s: %w", tool.Name, err)
	}
	progress(fmt.Sprintf("built %s %s%s in %d s", tool.Name, tool.Version, at, int(time.Since(started).Seconds())))
	return nil
}

// run runs go in a folder and returns what it said; beat is called every heartbeat while it runs. Ending ctx ends go and the compilers it started.
func (c *Cache) run(ctx context.Context, dir string, args []string, beat func()) (string, error) {
	cmd := exec.CommandContext(ctx, c.goCommand, args...)
	cmd.Dir, cmd.Env = dir, environment()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	// Compilers are children of go: one signal to the group ends them all.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ticker := time.NewTicker(c.heartbeat)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			return output.String(), err
		case <-ticker.C:
			beat()
		}
	}
}

// refused says whether go failed on a download that may work in a moment. A checksum that differs is never one of them.
func refused(output string) bool {
	if strings.Contains(output, "SECURITY ERROR") || strings.Contains(output, "checksum mismatch") {
		return false
	}
	for _, sign := range []string{
		"429 Too Many", "403 Forbidden", "500 Internal", "502 Bad Gateway", "503 Service", "504 Gateway", "connection refused", "connection reset",
		"i/o timeout", "TLS handshake timeout", "no such host", "unexpected EOF", "context deadline exceeded", "temporary failure",
	} {
		if strings.Contains(output, sign) {
			return true
		}
	}
	return false
}

// buildError tells why go failed: its own last lines, and what mends the usual causes.
func buildError(tool Tool, output string, err error) error {
	mend := "mend the pins in " + modulesDir + "/" + tool.Module
	switch {
	case strings.Contains(output, "missing go.sum entry") || strings.Contains(output, "updates to go.mod needed"):
		mend = "run `go mod tidy` in " + modulesDir + "/" + tool.Module + " and commit go.mod and go.sum"
	case strings.Contains(output, "SECURITY ERROR") || strings.Contains(output, "checksum mismatch"):
		mend = "do not trust this download: compare go.sum with its history before anything else"
	case strings.Contains(output, "no space left on device"):
		mend = "free some disk: `go clean -cache` and the older folders of the tools cache can go"
	case strings.Contains(output, "requires go >="):
		mend = "install the Go release that it asks for"
	case refused(output):
		mend = "the module proxy refused several times; try again, what was fetched is kept"
	}
	return fmt.Errorf("build %s %s: %w; %s\n%s", tool.Name, tool.Version, err, mend, tail(output, tailLines))
}

// tail returns the last lines of a text, less the ones that only say what is being downloaded.
func tail(text string, lines int) string {
	var kept []string
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if !strings.HasPrefix(line, "go: downloading ") {
			kept = append(kept, line)
		}
	}
	if len(kept) > lines {
		kept = append([]string{fmt.Sprintf("(%d lines before this)", len(kept)-lines)}, kept[len(kept)-lines:]...)
	}
	return strings.Join(kept, "\n")
}
