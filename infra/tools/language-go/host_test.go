package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"
)

// buffer is a bytes.Buffer that two goroutines may write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) { b.mu.Lock(); defer b.mu.Unlock(); return b.b.Write(p) }
func (b *buffer) String() string              { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

// program writes a program and returns its folder. PULUMI_HOME is the test's own.
func program(t *testing.T, body string) string {
	t.Helper()
	t.Setenv("PULUMI_HOME", t.TempDir())
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.com/program\n\ngo 1.24\n\nrequire (\n\texample.com/a v1.0.0\n\texample.com/b v1.1.0 // indirect\n\texample.com/c v1.2.0\n)\n\nreplace example.com/c => ./c\n")
	write(t, filepath.Join(dir, "main.go"), "package main\n\nimport \"os\"\n\nfunc main() {\n"+body+"\n\tos.Exit(0)\n}\n")
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func request(dir string, options map[string]any) *pulumirpc.RunRequest {
	given, err := structpb.NewStruct(options)
	if err != nil {
		panic(err)
	}
	return &pulumirpc.RunRequest{
		Project: "project", Stack: "local", Organization: "organization", Pwd: dir, Parallel: 16, MonitorAddress: "monitor:1",
		Config: map[string]string{"project:key": "value"}, ConfigSecretKeys: []string{"project:secret"},
		Info: &pulumirpc.ProgramInfo{RootDirectory: dir, ProgramDirectory: dir, Options: given},
	}
}

func TestTheProgramFindsItsEngine(t *testing.T) {
	env, err := environment([]string{"HOME=/home/me"}, request("/checkout", nil), "engine:2")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"HOME=/home/me", "PULUMI_ORGANIZATION=organization", "PULUMI_PROJECT=project", "PULUMI_ROOT_DIRECTORY=/checkout", "PULUMI_STACK=local",
		`PULUMI_CONFIG={"project:key":"value"}`, `PULUMI_CONFIG_SECRET_KEYS=["project:secret"]`, "PULUMI_DRY_RUN=false", "PULUMI_PARALLEL=16",
		"PULUMI_MONITOR=monitor:1", "PULUMI_ENGINE=engine:2",
	}
	if strings.Join(env, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(env, "\n"), strings.Join(want, "\n"))
	}
}

func TestHowAProgramEnds(t *testing.T) {
	for name, row := range map[string]struct {
		body   string
		want   *pulumirpc.RunResponse
		output string
	}{
		"well":      {"\tos.Stdout.WriteString(os.Getenv(\"PULUMI_STACK\") + \"\\n\")", &pulumirpc.RunResponse{}, "local\n"},
		"told":      {"\tos.Exit(32)", &pulumirpc.RunResponse{Bail: true}, ""},
		"badly":     {"\tos.Stderr.WriteString(\"oh\\n\")\n\tos.Exit(3)", &pulumirpc.RunResponse{Error: "program exited with non-zero exit code: 3"}, "oh\n"},
		"by signal": {"\tp, _ := os.FindProcess(os.Getpid())\n\t_ = p.Kill()\n\tselect {}", &pulumirpc.RunResponse{Error: "program was ended by a signal: signal: killed"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var said buffer
			dir := program(t, row.body)
			for range 2 {
				got, err := newHost("engine:2", &said, &said).Run(t.Context(), request(dir, nil))
				if err != nil || got.GetError() != row.want.GetError() || got.GetBail() != row.want.GetBail() {
					t.Errorf("got %v, %v, want %v", got, err, row.want)
				}
			}
			if said.String() != row.output+row.output {
				t.Errorf("said %q", said.String())
			}
			if left, _ := filepath.Glob(filepath.Join(os.Getenv("PULUMI_HOME"), "programs", "*", "run-*")); len(left) != 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestRuntimeOptions(t *testing.T) {
	dir := program(t, "\tos.Stdout.WriteString(\"built\\n\")")
	write(t, filepath.Join(dir, "ready"), "#!/bin/sh\necho ready\n")
	write(t, filepath.Join(dir, "plain"), "")
	if err := os.Chmod(filepath.Join(dir, "plain"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		options      map[string]any
		output, want string
	}{
		{map[string]any{"binary": "ready"}, "ready\n", ""},
		{map[string]any{"binary": filepath.Join(dir, "ready")}, "ready\n", ""},
		{map[string]any{"buildTarget": "target"}, "built\n", ""},
		{map[string]any{"binary": "true"}, "", ""},
		{map[string]any{"binary": "gone/program"}, "", "unable to find 'gone/program' executable: not at " + dir + "/gone/program; build the program first, or take runtime.options.binary out of Pulumi.yaml"},
		{map[string]any{"binary": "plain"}, "", "unable to find 'plain' executable: not at " + dir + "/plain; build the program first, or take runtime.options.binary out of Pulumi.yaml"},
		{map[string]any{"binary": true}, "", "binary option must be a string"},
		{map[string]any{"binary": "a", "buildTarget": "b"}, "", "binary and buildTarget cannot both be specified"},
	} {
		var said buffer
		resp, err := newHost("engine:2", &said, &said).Run(t.Context(), request(dir, row.options))
		if (row.want == "") != (err == nil) || (err != nil && err.Error() != row.want) || resp.GetError() != "" {
			t.Errorf("%v: %v, %v", row.options, resp, err)
		}
		if said.String() != row.output {
			t.Errorf("%v said %q", row.options, said.String())
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "target")); err != nil {
		t.Error(err)
	}
}

func TestWhatCannotRun(t *testing.T) {
	var said buffer
	broken := program(t, "\tmissing()")
	_, err := newHost("engine:2", &said, &said).Run(t.Context(), request(broken, nil))
	want := "# example.com/program\n./main.go:6:2: undefined: missing"
	if err == nil || err.Error() != "error in compiling Go: unable to run `go build`: exit status 1\n"+want || said.String() != want+"\n" {
		t.Errorf("compile error: %v, said %q", err, said.String())
	}
	empty := t.TempDir()
	if _, err := newHost("engine:2", &said, &said).Run(t.Context(), request(empty, nil)); err == nil || err.Error() != "failed to find go files for 'go build' matching "+empty+"/*.go" {
		t.Errorf("no program: %v", err)
	}
	if _, err := newHost("", &said, &said).Run(t.Context(), request(empty, nil)); err == nil || err.Error() != "when debugging or running explicitly, must call Handshake before Run" {
		t.Errorf("no engine: %v", err)
	}
}

func TestDependencies(t *testing.T) {
	dir := program(t, "")
	h := newHost("engine:2", io.Discard, io.Discard)
	for transitive, want := range map[bool]string{false: "example.com/a v1.0.0, example.com/c ", true: "example.com/a v1.0.0, example.com/b v1.1.0, example.com/c "} {
		resp, err := h.GetProgramDependencies(t.Context(), &pulumirpc.GetProgramDependenciesRequest{
			Info: &pulumirpc.ProgramInfo{ProgramDirectory: dir}, TransitiveDependencies: transitive,
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range resp.GetDependencies() {
			got = append(got, d.GetName()+" "+d.GetVersion())
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("transitive %v: %q, want %q", transitive, got, want)
		}
	}
}

func TestCancelEndsTheProgram(t *testing.T) {
	dir := program(t, "\t_ = os.WriteFile(\"started\", nil, 0o644)\n\tselect {}")
	// A select without cases would be found to be a deadlock; a timer is something to wait for.
	write(t, filepath.Join(dir, "wait.go"), "package main\n\nimport \"time\"\n\nvar _ = time.AfterFunc(time.Hour, func() {})\n")
	h := newHost("engine:2", io.Discard, io.Discard)
	ended := make(chan *pulumirpc.RunResponse)
	go func() {
		resp, err := h.Run(t.Context(), request(dir, nil))
		if err != nil {
			t.Error(err)
		}
		ended <- resp
	}()
	eventually(t, "the program starts", func() bool { _, err := os.Stat(filepath.Join(dir, "started")); return err == nil })
	if _, err := h.Cancel(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if resp := <-ended; resp.GetError() != "program was stopped: the engine cancelled the run" {
		t.Errorf("got %v", resp)
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for !condition() {
		select {
		case <-t.Context().Done():
			t.Fatalf("never happened: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// TestNothingOutlivesTheEngine stands a shell in for the engine and kills it while a program runs.
func TestNothingOutlivesTheEngine(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "pulumi-language-go")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	write(t, filepath.Join(dir, "program"), "#!/bin/sh\necho $$ >pid.new\nmv pid.new pid\nexec sleep 1000\n")

	engine := exec.Command("/bin/sh", "-c", binary+` engine:2 & echo process $!; wait`)
	out, err := engine.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var pids [2]int
	var port string
	for range 2 {
		if !lines.Scan() {
			t.Fatal("the host says nothing")
		}
		if _, err := fmt.Sscanf(lines.Text(), "process %d", &pids[0]); err != nil {
			port = lines.Text()
		}
	}
	conn, err := grpc.NewClient("127.0.0.1:"+port, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	go func() {
		_, _ = pulumirpc.NewLanguageRuntimeClient(conn).Run(context.Background(), request(dir, map[string]any{"binary": "program"}))
	}()
	eventually(t, "the program starts", func() bool { _, err := os.Stat(filepath.Join(dir, "pid")); return err == nil })
	content, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(content), &pids[1]); err != nil {
		t.Fatal(err)
	}
	if err := engine.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		eventually(t, "every process ends", func() bool { return gone(pid) })
	}
	_ = engine.Wait()
}

// gone says whether a process has ended; one that nobody has asked about yet is a zombie.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z")
}
