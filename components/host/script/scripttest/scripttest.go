// Package scripttest checks rendered scripts: against whole-file goldens, by shellcheck, and by running their harmless parts in a folder of the test.
//
// The thing to get wrong: shellcheck missing is a failure, never a skip; a check that does not run is no check.
package scripttest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"havre/components/host/script"
)

// maxArgument is Linux's limit of one argument (MAX_ARG_STRLEN), which carries the whole command twice on its way.
const maxArgument = 128 << 10

// Golden compares got with the file and says where they part. With update the file is written instead.
func Golden(t testing.TB, path, got string, update bool) {
	t.Helper()
	if update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update to write it", err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("%s differs from line %d on; run the test with -update and read the change\n got: %s\nwant: %s", path, i+1, line(g, i), line(w, i))
		}
	}
}

func line(lines []string, i int) string {
	if i >= len(lines) {
		return "(end)"
	}
	return lines[i]
}

// Script is Check and Golden in one: what every renderer's test wants.
func Script(t testing.TB, path, got string, update bool) {
	t.Helper()
	Check(t, got)
	Golden(t, path, got, update)
}

// Check runs shellcheck on a script as a host would see it, and holds it to the rules that shellcheck does not know: it never echoes its commands, and it
// survives the trip as one argument.
func Check(t testing.TB, text string) {
	t.Helper()
	if strings.TrimSpace(text) == "" {
		t.Error("the script is empty")
	}
	if strings.Contains("\n"+text, "\nHAVRE\n") {
		t.Error("a line of the script is HAVRE, which ends the here-document that carries it")
	}
	for _, word := range []string{"set -x", "set -o xtrace", "bash -x"} {
		if strings.Contains(text, word) {
			t.Errorf("the script has %q, which prints secrets", word)
		}
	}
	if n := len(script.AsRoot(text)); n >= maxArgument {
		t.Errorf("the script has %d bytes, one argument carries less than %d", n, maxArgument)
	}
	// As it runs, less what reads the library: shellcheck does not follow it.
	shellcheck(t, "set -euo pipefail\n"+text)
	// The login shell's part as well.
	shellcheck(t, script.AsRoot("true\n"))
	shellcheck(t, script.AsRootIfInstalled("true\n"))
}

func shellcheck(t testing.TB, text string) {
	t.Helper()
	path, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Fatal("shellcheck is not installed; run: apt-get install shellcheck")
	}
	// SC1091: sourced files are on the host. SC2153, SC2154: variables of other files of the library, and of the host's own.
	cmd := exec.CommandContext(t.Context(), path, "--shell=bash", "--exclude=SC1091,SC2153,SC2154", "--format=gcc", "-")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
}

// Result is how a script ended.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Run runs a script under bash the way AsRoot does, less the root: strict, after the library, in dir, with dir/bin first in PATH (see Stub) and a plain
// environment. The script must not touch anything outside dir.
func Run(t testing.TB, dir, text, stdin string) Result {
	t.Helper()
	lib := filepath.Join(dir, "lib.sh")
	shared := strings.ReplaceAll(script.LibraryFile("lib.sh"), "/var/log/havre", filepath.Join(dir, "log"))
	if err := os.WriteFile(lib, []byte(shared), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", "set -euo pipefail\n. "+script.Quote(lib)+"\n"+text)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + filepath.Join(dir, "bin") + ":/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + dir, "TMPDIR=" + dir}
	cmd.Stdin = strings.NewReader(stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return Result{Stdout: out.String(), Stderr: errOut.String(), Code: cmd.ProcessState.ExitCode()}
}

// Stub puts a command of that name first in Run's PATH. body is bash; what it does not do does not happen.
func Stub(t testing.TB, dir, name, body string) {
	t.Helper()
	path := filepath.Join(dir, "bin", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/bash\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}
