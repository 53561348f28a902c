package tools

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// checkout makes a checkout with one module that needs no download, and a cache over it.
func checkout(t *testing.T, source string) (*Cache, string) {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, modulesDir, "greeter")
	write(t, filepath.Join(dir, "go.mod"), "module example.com/greeter\n\ngo 1.24\n")
	write(t, filepath.Join(dir, "go.sum"), "")
	write(t, filepath.Join(dir, "main.go"), source)
	c := OpenAt(root, t.TempDir())
	c.tools = []Tool{{Name: "greeter", Version: "v1.2.3", Module: "greeter", Package: ".", LinkerFlags: "-X main.version=v1.2.3"}}
	c.pause = time.Millisecond
	return c, dir
}

const greeter = "package main\n\nvar version string\n\nfunc main() { println(version) }\n"

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestBuiltOnceAndAgainWhenThePinChanges(t *testing.T) {
	c, dir := checkout(t, greeter)
	var lines []string
	progress := func(line string) { lines = append(lines, line) }

	path, err := c.Path(t.Context(), "greeter", progress)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path).CombinedOutput(); err != nil || string(out) != "v1.2.3\n" {
		t.Fatalf("built binary says %q, %v", out, err)
	}
	if len(lines) != 2 || lines[0] != "building greeter v1.2.3…" || !strings.HasPrefix(lines[1], "built greeter v1.2.3 in ") {
		t.Errorf("progress: %q", lines)
	}

	lines = nil
	again, err := c.Path(t.Context(), "greeter", progress)
	if err != nil || again != path || len(lines) != 0 {
		t.Errorf("second call: %s, %v, progress %q", again, err, lines)
	}

	write(t, filepath.Join(dir, "go.sum"), "\n")
	changed, err := c.Path(t.Context(), "greeter", progress)
	if err != nil || changed == path || len(lines) != 2 {
		t.Errorf("after a change of go.sum: %s, %v, progress %q", changed, err, lines)
	}
}

func TestAllCountsOnlyWhatIsMissing(t *testing.T) {
	c, dir := checkout(t, greeter)
	write(t, filepath.Join(filepath.Dir(dir), "second", "go.mod"), "module example.com/second\n\ngo 1.24\n")
	write(t, filepath.Join(filepath.Dir(dir), "second", "go.sum"), "")
	write(t, filepath.Join(filepath.Dir(dir), "second", "main.go"), greeter)
	c.tools = append(c.tools, Tool{Name: "second", Version: "v2", Module: "second", Package: "."})
	var lines []string
	paths, err := c.All(t.Context(), []string{"greeter", "second"}, func(line string) { lines = append(lines, line) })
	if err != nil || len(paths) != 2 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, want := range []string{"building greeter v1.2.3 (1 of 2)…", "building second v2 (2 of 2)…"} {
		if !slices.Contains(lines, want) {
			t.Errorf("progress lacks %q: %q", want, lines)
		}
	}
	write(t, filepath.Join(filepath.Dir(dir), "second", "main.go"), "package main\n\nfunc main() { missing() }\n")
	paths, err = c.All(t.Context(), []string{"second", "greeter"}, nil)
	if err == nil || len(paths) != 1 || paths["greeter"] == "" {
		t.Errorf("with a broken tool before a built one: %v, %v", paths, err)
	}
	if _, err := c.All(t.Context(), []string{"greeter", "secnod"}, nil); err == nil ||
		err.Error() != `tool "secnod" is not in the catalogue; use one of greeter, second, or add it to infra/tools/catalogue.go` {
		t.Errorf("unknown name: %v", err)
	}
}

func TestBuildErrorsTellWhatMendsThem(t *testing.T) {
	c, dir := checkout(t, "package main\n\nfunc main() { missing() }\n")
	_, err := c.Path(t.Context(), "greeter", nil)
	want := "build greeter v1.2.3: exit status 1; mend the pins in infra/tools/modules/greeter\n# example.com/greeter\n./main.go:3:15: undefined: missing"
	if err == nil || err.Error() != want {
		t.Errorf("compile error:\n got %v\nwant %s", err, want)
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, "tools", "greeter", "*", "*")); len(left) != 0 {
		t.Errorf("a failed build leaves %q", left)
	}
	if err := os.Remove(filepath.Join(dir, "go.sum")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Path(t.Context(), "greeter", nil); err == nil ||
		err.Error() != "tool greeter: "+dir+" has no go.sum; a pinned tool needs both go.mod and go.sum committed" {
		t.Errorf("no go.sum: %v", err)
	}
	c.goCommand = "no-such-go"
	c.goVersion = ""
	if _, err := c.Path(t.Context(), "greeter", nil); err == nil || err.Error() != "the go command is not on the PATH; install Go 1.26 or newer" {
		t.Errorf("no go: %v", err)
	}

	for _, row := range []struct{ output, want string }{
		{"missing go.sum entry for module", "run `go mod tidy` in infra/tools/modules/greeter and commit go.mod and go.sum"},
		{"verifying x: checksum mismatch\nSECURITY ERROR\n403 Forbidden", "do not trust this download: compare go.sum with its history before anything else"},
		{"write: no space left on device", "free some disk: `go clean -cache` and the older folders of the tools cache can go"},
		{"go: go.mod requires go >= 1.27", "install the Go release that it asks for"},
		{"reading x: 429 Too Many Requests", "the module proxy refused several times; try again, what was fetched is kept"},
	} {
		got := buildError(c.tools[0], row.output, os.ErrInvalid).Error()
		if want := "build greeter v1.2.3: invalid argument; " + row.want + "\n" + row.output; got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

// TestRefusedDownloadsAreTriedAgain stands a script in for go that refuses twice.
func TestRefusedDownloadsAreTriedAgain(t *testing.T) {
	for _, row := range []struct {
		refusals int
		message  string
		want     string
	}{
		{2, "503 Service Unavailable", ""},
		{9, "503 Service Unavailable", "build greeter v1.2.3: exit status 1; the module proxy refused several times; try again, what was fetched is kept\nx: 503 Service Unavailable"},
		{9, "verifying: checksum mismatch", "build greeter v1.2.3: exit status 1; do not trust this download: compare go.sum with its history before anything else\nx: verifying: checksum mismatch"},
	} {
		c, _ := checkout(t, greeter)
		count := filepath.Join(t.TempDir(), "count")
		c.goCommand = filepath.Join(t.TempDir(), "go")
		write(t, c.goCommand, fmt.Sprintf(`#!/bin/sh
[ "$1" = env ] && { echo go1.26.0 linux amd64; exit; }
echo x >>%[1]s
[ $(wc -l <%[1]s) -gt %[2]d ] || { echo "go: downloading y"; echo "x: %[3]s"; exit 1; }
while [ "$1" != -o ]; do shift; done
echo built >"$2"
`, count, row.refusals, row.message))
		var lines []string
		_, err := c.Path(t.Context(), "greeter", func(line string) { lines = append(lines, line) })
		if (err == nil) != (row.want == "") || (err != nil && err.Error() != row.want) {
			t.Errorf("%d refusals: %v", row.refusals, err)
		}
		if row.want == "" && lines[1] != "building greeter v1.2.3: a download was refused, trying again in 0 s (1 of 3)" {
			t.Errorf("progress: %q", lines)
		}
	}
}

func TestEndingTheContextEndsTheBuild(t *testing.T) {
	c, _ := checkout(t, greeter)
	c.goCommand = filepath.Join(t.TempDir(), "go")
	c.heartbeat = time.Millisecond
	write(t, c.goCommand, "#!/bin/sh\n[ \"$1\" = env ] && { echo go1.26.0 linux amd64; exit; }\nsleep 1000 & wait\n")
	ctx, cancel := context.WithCancel(t.Context())
	beats := 0
	_, err := c.Path(ctx, "greeter", func(line string) {
		if strings.HasSuffix(line, " s") {
			if beats++; beats == 3 {
				cancel()
			}
		}
	})
	if err == nil || !strings.HasSuffix(err.Error(), " s: context canceled") || !strings.HasPrefix(err.Error(), "build greeter v1.2.3: stopped after ") {
		t.Errorf("got %v", err)
	}
}

// TestCatalogueSaysWhatTheModulesPin holds the versions that people read to the go.mod that decides.
func TestCatalogueSaysWhatTheModulesPin(t *testing.T) {
	root, err := FindRoot()
	if err != nil {
		t.Fatal(err)
	}
	c := OpenAt(root, t.TempDir())
	seen := map[string]bool{}
	for _, tool := range Catalogue() {
		if seen[tool.Name] {
			t.Errorf("%s is in the catalogue twice", tool.Name)
		}
		seen[tool.Name] = true
		if _, err := c.Key(t.Context(), tool); err != nil {
			t.Error(err)
		}
		text, err := os.ReadFile(filepath.Join(root, modulesDir, tool.Module, "go.mod"))
		if err != nil {
			t.Error(err)
			continue
		}
		if tool.Package == "." {
			main, err := os.ReadFile(filepath.Join(root, modulesDir, tool.Module, "main.go"))
			// A main of ours stamps the version, or is all but the module that go.mod pins.
			stamped := strings.Contains(string(main), `"`+strings.TrimPrefix(tool.Version, "v")+`"`)
			if err != nil || !stamped && !strings.Contains(string(text), "/"+tool.Name+"/v2 "+tool.Version+"\n") {
				t.Errorf("%s: neither main.go nor go.mod says %s, %v", tool.Name, tool.Version, err)
			}
			continue
		}
		if !strings.Contains(string(text), "\t"+tool.Package+"\n") && !strings.Contains(string(text), "tool "+tool.Package+"\n") {
			t.Errorf("%s: go.mod has no tool line for %s", tool.Name, tool.Package)
		}
		if !pins(string(text), tool) {
			t.Errorf("%s: go.mod does not pin %s at %s", tool.Name, tool.Package, tool.Version)
		}
	}
	if len(seen) != 27 || len(Names()) != 22 {
		t.Errorf("%d tools, %d of them built when none is named", len(seen), len(Names()))
	}
}

// pins says whether go.mod requires the module that holds the tool's package, at the tool's version.
func pins(text string, tool Tool) bool {
	for _, line := range strings.Split(text, "\n") {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) >= 2 && strings.HasPrefix(tool.Package+"/", fields[0]+"/") && fields[1] == tool.Version {
			return true
		}
	}
	return false
}

func TestPlaceReplacesOnlyWhatDiffers(t *testing.T) {
	dir := t.TempDir()
	built, placed := filepath.Join(dir, "built"), filepath.Join(dir, "bin", "tool")
	write(t, built, "one")
	for _, text := range []string{"one", "two"} {
		write(t, built+text, text)
		for range 2 {
			if err := Place(built+text, placed); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(placed); err != nil || string(got) != text {
				t.Errorf("placed %q, %v, want %q", got, err, text)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "bin", "*.placing")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	if err := Place(filepath.Join(dir, "none"), placed); err == nil {
		t.Error("placing a file that is not there succeeds")
	}
}

// TestPluginsAreInstalledOnceForEachBinary stands a script in for pulumi.
func TestPluginsAreInstalledOnceForEachBinary(t *testing.T) {
	dir := t.TempDir()
	home, pulumi, calls, binary := filepath.Join(dir, "home"), filepath.Join(dir, "pulumi"), filepath.Join(dir, "calls"), filepath.Join(dir, "plugin")
	write(t, pulumi, fmt.Sprintf(`#!/bin/sh
echo "$PULUMI_HOME $*" >>%s
mkdir -p "$PULUMI_HOME/plugins/$3-$4-$5"
cp "$8" "$PULUMI_HOME/plugins/$3-$4-$5/pulumi-$3-$4"
`, calls))
	plugins := []Plugin{{Kind: "resource", Name: "command", Version: "1.1.3", Binary: binary}}
	for _, text := range []string{"one", "one", "two"} {
		write(t, binary, text)
		if err := InstallPlugins(t.Context(), pulumi, home, plugins); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(plugins[0].File(home)); err != nil || string(got) != text {
			t.Errorf("installed %q, %v, want %q", got, err, text)
		}
	}
	line := home + " plugin install resource command v1.1.3 --reinstall --file " + binary + "\n"
	if got, err := os.ReadFile(calls); err != nil || string(got) != line+line {
		t.Errorf("calls: %s, %v", got, err)
	}

	write(t, pulumi, "#!/bin/sh\necho no luck\nexit 3\n")
	write(t, binary, "three")
	if err := InstallPlugins(t.Context(), pulumi, home, plugins); err == nil || err.Error() != "install plugin command 1.1.3: exit status 3\nno luck" {
		t.Errorf("failed install: %v", err)
	}
	if err := os.Remove(binary); err != nil {
		t.Fatal(err)
	}
	if err := InstallPlugins(t.Context(), pulumi, home, plugins); err == nil ||
		err.Error() != "plugin command: open "+binary+": no such file or directory; build it first" {
		t.Errorf("no binary: %v", err)
	}
}
