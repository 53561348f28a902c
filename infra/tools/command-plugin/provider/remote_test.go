package provider

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/infra/tools/plugintest"
)

const (
	remoteCommand = "command:remote:Command"
	localCommand  = "command:local:Command"
	copyToRemote  = "command:remote:CopyToRemote"
)

func driver(t *testing.T) *plugintest.Driver {
	t.Helper()
	t.Setenv("SSH_AUTH_SOCK", "")
	command, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return plugintest.New(t, Name, Version, command, nil)
}

// connection is how to reach a test host; more sets or replaces single inputs.
func connection(h *plugintest.Host, more ...map[string]any) map[string]any {
	c := map[string]any{"host": "127.0.0.1", "port": float64(h.Port), "user": "debian", "privateKey": h.PrivateKey, "hostKey": h.HostKey, "dialErrorLimit": float64(1)}
	for _, m := range more {
		maps.Copy(c, m)
	}
	return c
}

func text(m resource.PropertyMap, name string) string {
	v := m[resource.PropertyKey(name)]
	if v.IsSecret() {
		v = v.SecretValue().Element
	}
	if !v.IsString() {
		return v.String()
	}
	return v.StringValue()
}

// eventually waits for a condition that another process makes true; the test's own time limit ends it.
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

func exists(path string) func() bool {
	return func() bool { _, err := os.Stat(path); return err == nil }
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

func TestRemoteLifeCycle(t *testing.T) {
	d, h := driver(t), plugintest.NewHost(t)
	h.AcceptEnv = []string{"COLOUR", "PULUMI_COMMAND_STDOUT", "PULUMI_COMMAND_STDERR"}
	inputs := plugintest.Map(map[string]any{
		"connection": connection(h), "create": `echo "created $COLOUR"; echo warn >&2; cat`, "update": `echo "updated after $PULUMI_COMMAND_STDOUT"`,
		"delete": `echo "$PULUMI_COMMAND_STDOUT" >deleted`, "environment": map[string]any{"COLOUR": "blue"}, "stdin": resource.MakeSecret(resource.NewProperty("hush")),
		"triggers": []any{"one"},
	})
	r := d.Resource(remoteCommand, "command")

	preview := r.PreviewCreate(inputs)
	for _, name := range []resource.PropertyKey{"stdout", "stderr"} {
		if !preview[name].IsComputed() && !preview[name].IsOutput() {
			t.Errorf("%s is known before the command ran: %v", name, preview[name])
		}
	}
	if text(preview, "create") == "" || h.Connections() != 0 {
		t.Errorf("a preview knows %q and made %d connections", text(preview, "create"), h.Connections())
	}

	if err := r.Create(t.Context(), inputs); err != nil {
		t.Fatal(err)
	}
	if out, errs := text(r.State, "stdout"), text(r.State, "stderr"); out != "created blue\nhush" || errs != "warn" {
		t.Errorf("stdout %q, stderr %q", out, errs)
	}
	for _, name := range []resource.PropertyKey{"connection", "stdin"} {
		if !r.State[name].IsSecret() || !r.Inputs[name].IsSecret() {
			t.Errorf("%s is in clear: inputs %v, state %v", name, r.Inputs[name].TypeString(), r.State[name].TypeString())
		}
	}
	if got := r.Diff(inputs); got != "same" {
		t.Errorf("the same inputs: %s", got)
	}

	changed := inputs.Copy()
	changed["environment"] = resource.NewProperty(resource.PropertyMap{"COLOUR": resource.NewProperty("red")})
	if got := r.Diff(changed); got != "update" {
		t.Errorf("another environment: %s", got)
	}
	triggered := inputs.Copy()
	delete(triggered, "triggers")
	if got := r.Diff(triggered); got != "replace" {
		t.Errorf("other triggers: %s", got)
	}
	if p := r.PreviewUpdate(changed)["stdout"]; !p.IsComputed() && !p.IsOutput() {
		t.Errorf("stdout is known before the update ran: %v", p)
	}
	id := r.ID
	if err := r.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if out := text(r.State, "stdout"); out != "updated after created blue\nhush" || r.ID != id {
		t.Errorf("updated: stdout %q, id %s, was %s", out, r.ID, id)
	}
	if there, err := r.Read(t.Context()); err != nil || !there || text(r.State, "stdout") != "updated after created blue\nhush" {
		t.Errorf("refresh: %v, %v, %q", there, err, text(r.State, "stdout"))
	}
	if err := r.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(h.Dir, "deleted")); err != nil || string(got) != "updated after created blue\nhush\n" {
		t.Errorf("delete saw %q, %v", got, err)
	}
}

func TestRemoteUpdateWithoutUpdateRunsCreate(t *testing.T) {
	d, h := driver(t), plugintest.NewHost(t)
	h.AcceptEnv = []string{"PULUMI_COMMAND_STDOUT"}
	r := d.Resource(remoteCommand, "command")
	inputs := map[string]any{"connection": connection(h), "create": `echo "[$PULUMI_COMMAND_STDOUT]"`, "addPreviousOutputInEnv": false, "stdin": "1"}
	if err := r.Create(t.Context(), plugintest.Map(inputs)); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		previous bool
		want     string
	}{{false, "[]"}, {true, "[[]]"}} {
		inputs["stdin"], inputs["addPreviousOutputInEnv"] = inputs["stdin"].(string)+"1", row.previous
		if err := r.Update(t.Context(), plugintest.Map(inputs)); err != nil {
			t.Fatal(err)
		}
		if got := text(r.State, "stdout"); got != row.want {
			t.Errorf("previous output %v: stdout %q, want %q", row.previous, got, row.want)
		}
	}
	delete(inputs, "create")
	if err := r.Update(t.Context(), plugintest.Map(inputs)); err != nil || text(r.State, "stdout") != "[[]]" {
		t.Errorf("an update that runs nothing: %v, stdout %q", err, text(r.State, "stdout"))
	}
	if err := r.Delete(t.Context()); err != nil {
		t.Errorf("delete without a delete command: %v", err)
	}
}

func TestRemoteDefaultsAreTheOfficialOnes(t *testing.T) {
	r := driver(t).Resource(remoteCommand, "command")
	checked, failures := r.Check(plugintest.Map(map[string]any{
		"connection": map[string]any{"host": "h", "proxy": map[string]any{"host": "j"}},
	}))
	if len(failures) != 0 || !checked["connection"].IsSecret() {
		t.Fatalf("%q, %v", failures, checked)
	}
	got := checked["connection"].SecretValue().Element.ObjectValue()
	for _, c := range []resource.PropertyMap{got, got["proxy"].ObjectValue()} {
		if text(c, "user") != "root" || c["port"].NumberValue() != 22 || c["dialErrorLimit"].NumberValue() != 10 || c["perDialTimeout"].NumberValue() != 15 {
			t.Errorf("defaults: %v", c)
		}
	}
	_, failures = r.Check(plugintest.Map(map[string]any{"connection": map[string]any{}}))
	want := "connection: An error occurred decoding 'CommandInputs.connection': 1 failures decoding:\n\thost: Missing required field 'host' on 'remote.Connection'"
	if len(failures) != 1 || failures[0] != want {
		t.Errorf("a connection without a host: %q", failures)
	}
}

func TestRemoteErrors(t *testing.T) {
	other := plugintest.NewHost(t)
	long := strings.Repeat("x", 300)
	for name, row := range map[string]struct {
		fate       plugintest.Fate
		connection map[string]any
		inputs     map[string]any
		want       string
	}{
		"exit status": {
			inputs: map[string]any{"create": "echo one; echo two; exit 3"},
			want:   "Process exited with status 3: running \"echo one; echo two; exit 3\":\none\ntwo\n",
		},
		"secret output": {
			inputs: map[string]any{"create": "echo token; echo reason >&2; exit 1", "logging": "none"},
			want:   "Process exited with status 1: running \"echo token; echo reason >&2; exit 1\":\nreason\n(stdout is not shown: logging is off; 6 bytes)\n",
		},
		"long command": {
			inputs: map[string]any{"create": "exit 1 #" + long},
			want:   "Process exited with status 1: running \"exit 1 #" + long[:152] + "… (308 bytes)\":\n",
		},
		"long output": {
			inputs: map[string]any{"create": "yes | head -c 5000; exit 1"},
			want:   "Process exited with status 1: running \"yes | head -c 5000; exit 1\":\n(904 bytes before this)\n" + strings.Repeat("y\n", 2048),
		},
		"signal": {
			inputs: map[string]any{"create": "kill -TERM $$"},
			want:   "Process exited with status 143 from signal TERM: running \"kill -TERM $$\":\n",
		},
		"variable": {
			inputs: map[string]any{"create": "true", "environment": map[string]any{"COLOUR": "blue"}},
			want:   "could not set environment variable \"COLOUR\" on debian@HOST: ssh: setenv failed; have its sshd accept it (AcceptEnv), or write it into the command: VAR=value command: running \"true\":\n",
		},
		"refused": {
			fate: plugintest.Refuse,
			want: "connect to debian@HOST: after 1 failed attempts: ssh: handshake failed: EOF",
		},
		"silent": {
			fate: plugintest.Silence, connection: map[string]any{"perDialTimeout": float64(1), "dialErrorLimit": float64(0)},
			want: "connect to debian@HOST: after 0 failed attempts: no answer within 1s",
		},
		"login": {
			connection: map[string]any{"privateKey": other.PrivateKey, "dialErrorLimit": float64(0)},
			want:       "connect to debian@HOST: after 0 failed attempts: ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey], no supported methods remain",
		},
		"password": {
			connection: map[string]any{"privateKey": nil, "password": "battery staple", "dialErrorLimit": float64(0)},
			want:       "connect to debian@HOST: after 0 failed attempts: ssh: handshake failed: ssh: unable to authenticate, attempted methods [none password], no supported methods remain",
		},
		"private key": {
			connection: map[string]any{"privateKey": "hello"},
			want:       "connect to debian@HOST: privateKey: ssh: no key found",
		},
		"host key": {
			connection: map[string]any{"hostKey": "ssh-ed25519 hello"},
			want:       "connect to debian@HOST: hostKey is not a public key line such as `ssh-ed25519 AAAA…`: ssh: no key found; last parsing error for ignored line: illegal base64 data at input byte 4",
		},
		"agent": {
			connection: map[string]any{"agentSocketPath": "/nonexistent/agent"},
			want:       "connect to debian@HOST: SSH agent: dial unix /nonexistent/agent: connect: no such file or directory",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, h := driver(t), plugintest.NewHost(t)
			h.Connected = func(int) plugintest.Fate { return row.fate }
			inputs := map[string]any{"connection": connection(h, row.connection), "create": "true"}
			maps.Copy(inputs, row.inputs)
			err := d.Resource(remoteCommand, "command").Create(t.Context(), plugintest.Map(inputs))
			want := strings.ReplaceAll(row.want, "HOST", fmt.Sprintf("127.0.0.1:%d", h.Port))
			if err == nil || err.Error() != want {
				t.Errorf("\n got %v\nwant %s", err, want)
			}
		})
	}
}

func TestRemoteRefusesAnotherHostKeyAtOnce(t *testing.T) {
	d, h, other := driver(t), plugintest.NewHost(t), plugintest.NewHost(t)
	err := d.Resource(remoteCommand, "command").Create(t.Context(), plugintest.Map(map[string]any{
		"connection": connection(h, map[string]any{"hostKey": other.HostKey, "dialErrorLimit": float64(-1)}), "create": "touch ran",
	}))
	if err == nil || !strings.Contains(err.Error(), ": either the host was installed again, then give its new key, or this is not that host") {
		t.Errorf("got %v", err)
	}
	if h.Connections() != 1 || h.Logins() != 0 || exists(filepath.Join(h.Dir, "ran"))() {
		t.Errorf("%d connections, %d logins", h.Connections(), h.Logins())
	}
}

func TestRemoteRetriesUntilTheHostServes(t *testing.T) {
	d, h := driver(t), plugintest.NewHost(t)
	h.Connected = func(n int) plugintest.Fate {
		if n < 3 {
			return plugintest.Refuse
		}
		return plugintest.Serve
	}
	r := d.Resource(remoteCommand, "command")
	if err := r.Create(t.Context(), plugintest.Map(map[string]any{
		"connection": connection(h, map[string]any{"dialErrorLimit": float64(2)}), "create": "echo up",
	})); err != nil || text(r.State, "stdout") != "up" {
		t.Errorf("%v, stdout %q", err, text(r.State, "stdout"))
	}
}

func TestRemoteTellsALostConnection(t *testing.T) {
	d, h := driver(t), plugintest.NewHost(t)
	started := filepath.Join(h.Dir, "started")
	go func() {
		for !exists(started)() {
			time.Sleep(time.Millisecond)
		}
		h.Drop()
	}()
	err := d.Resource(remoteCommand, "command").Create(t.Context(), plugintest.Map(map[string]any{"connection": connection(h), "create": "touch started; sleep 1000"}))
	want := fmt.Sprintf("connection to debian@127.0.0.1:%d was lost: it closed before the command's exit status arrived; the command may still be running there, the next run starts it again: running \"touch started; sleep 1000\":\n", h.Port)
	if err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}

func TestCancelEndsTheRemoteProcess(t *testing.T) {
	d, h := driver(t), plugintest.NewHost(t)
	pid := filepath.Join(h.Dir, "pid")
	failed := make(chan error)
	go func() {
		failed <- d.Resource(remoteCommand, "command").Create(t.Context(), plugintest.Map(map[string]any{
			"connection": connection(h), "create": "echo begun; echo $$ >pid.new; mv pid.new pid; exec sleep 1000",
		}))
	}()
	eventually(t, "the command starts", exists(pid))
	d.Cancel()
	want := fmt.Sprintf("stopped on debian@127.0.0.1:%d: context canceled: running \"echo begun; echo $$ >pid.new; mv pid.new pid; exec sleep 1000\":\nbegun\n", h.Port)
	if err := <-failed; err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
	var process int
	content, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(content), &process); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process ends", func() bool { return gone(process) })
}

// TestHandshakesWithOneHostQueue starts many commands at once and counts the logins under way: sshd drops connections from ten on.
func TestHandshakesWithOneHostQueue(t *testing.T) {
	d, h := driver(t), plugintest.NewHost(t)
	var now, most atomic.Int64
	h.Authenticating = func() {
		n := now.Add(1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
			continue
		}
		time.Sleep(2 * time.Millisecond)
		now.Add(-1)
	}
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() {
			if err := d.Resource(remoteCommand, fmt.Sprint("command", i)).Create(t.Context(), plugintest.Map(map[string]any{"connection": connection(h), "create": "true"})); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if h.Logins() != 40 || most.Load() > 4 || most.Load() < 1 {
		t.Errorf("%d logins, at most %d at once", h.Logins(), most.Load())
	}
}

func TestRemoteThroughAJumpHost(t *testing.T) {
	d, h, jump := driver(t), plugintest.NewHost(t), plugintest.NewHost(t)
	r := d.Resource(remoteCommand, "command")
	inputs := map[string]any{"connection": connection(h, map[string]any{"proxy": connection(jump)}), "create": "echo inside"}
	if err := r.Create(t.Context(), plugintest.Map(inputs)); err != nil || text(r.State, "stdout") != "inside" {
		t.Errorf("%v, stdout %q", err, text(r.State, "stdout"))
	}
	if jump.Logins() != 1 || h.Logins() != 1 {
		t.Errorf("logins: %d at the jump host, %d at the host", jump.Logins(), h.Logins())
	}
	wrong := map[string]any{"connection": connection(h, map[string]any{"proxy": connection(jump, map[string]any{"hostKey": h.HostKey})}), "create": "true"}
	if err := r.Create(t.Context(), plugintest.Map(wrong)); err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("proxy: connect to debian@127.0.0.1:%d: host key SHA256:", jump.Port)) {
		t.Errorf("another key at the jump host: %v", err)
	}
	h.Stop()
	if err := r.Create(t.Context(), plugintest.Map(inputs)); err == nil ||
		err.Error() != fmt.Sprintf("connect to debian@127.0.0.1:%d: after 1 failed attempts: ssh: rejected: connect failed (\"Connection refused\")", h.Port) {
		t.Errorf("nothing behind the jump host: %v", err)
	}
}

// TestStdinThatIsNotRead: a command may end without reading all that it is given.
func TestStdinThatIsNotRead(t *testing.T) {
	d, h := driver(t), plugintest.NewHost(t)
	r := d.Resource(remoteCommand, "command")
	if err := r.Create(t.Context(), plugintest.Map(map[string]any{"connection": connection(h), "create": "echo done", "stdin": strings.Repeat("x", 8<<20)})); err != nil || text(r.State, "stdout") != "done" {
		t.Errorf("%v, stdout %q", err, text(r.State, "stdout"))
	}
}
