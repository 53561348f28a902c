//go:build faults

package pulumikills

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"havre/infra/resume"
	"havre/infra/sandbox/bringup"
	"havre/infra/sandbox/ovhsim"
	"havre/infra/tools"
	"havre/infra/workspace"
)

const (
	project = "havre"
	stack   = "kills"
	// worldVariable is in the environment of every process of a world, and so tells which processes are its own.
	worldVariable = "HAVRE_KILLS_WORLD"
	plugin        = "pulumi-resource-ovhmetal"
)

// built is what all worlds share: binaries and a home of Pulumi with the plugin in it.
var built = sync.OnceValues(func() (string, error) {
	ctx := context.Background()
	ws, err := workspace.Open(".")
	if err != nil {
		return "", err
	}
	paths, err := tools.OpenAt(ws.Root, ws.Cache).All(ctx, []string{"pulumi"}, func(line string) { fmt.Println(line) })
	if err != nil {
		return "", err
	}
	folder := ws.Path("build", "faults")
	home := filepath.Join(folder, "pulumi")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", err
	}
	// A file where Pulumi would write a log of every call; see workspace.Prepare.
	if err := os.WriteFile(filepath.Join(home, "logs"), nil, 0o644); err != nil {
		return "", err
	}
	for pkg, out := range map[string]string{
		"./infra/tools/language-go": "bin/pulumi-language-go", "./infra/cmd/pulumi-resource-ovhmetal": "plugins/" + plugin, "./infra/test/pulumikills/program": "program",
	} {
		if err := tools.BuildOwn(ctx, ws.Root, pkg, filepath.Join(folder, out)); err != nil {
			return "", err
		}
	}
	pulumi := filepath.Join(folder, "bin", "pulumi")
	if err := tools.Place(paths["pulumi"], pulumi); err != nil {
		return "", err
	}
	return folder, tools.InstallPlugins(ctx, pulumi, home, []tools.Plugin{
		{Kind: "resource", Name: "ovhmetal", Version: "v0.1.0", Binary: filepath.Join(folder, "plugins", plugin)},
	})
})

// world is one account at the simulator.
type world struct {
	built  string
	folder string
	sim    *ovhsim.Simulator
	server *httptest.Server
	hosts  *hosts
	calls  atomic.Int64
	// hook meets every call before it has its effect, and after; false drops the connection.
	hook atomic.Pointer[func(number int64, r *http.Request, after bool) bool]
}

func newWorld(t testing.TB) *world {
	t.Helper()
	folder, err := built()
	must(t, err)
	// A temporary folder of our own: what a killed Pulumi leaves in it may come late, and must not fail the test.
	w := &world{built: folder}
	w.folder, err = os.MkdirTemp("", "havre-kills-")
	must(t, err)
	w.sim, err = ovhsim.New(ovhsim.Options{Delays: ovhsim.Delays{
		Payment: 20 * time.Millisecond, Checking: 20 * time.Millisecond, Delivery: 150 * time.Millisecond, VPSDelivery: 100 * time.Millisecond,
		FollowUp: 10 * time.Millisecond, Task: 60 * time.Millisecond, Activation: 50 * time.Millisecond,
	}})
	must(t, err)
	w.hosts, err = newHosts()
	must(t, err)
	next := w.sim.Handler()
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		number := w.calls.Add(1)
		hook := w.hook.Load()
		if hook == nil {
			next.ServeHTTP(rw, r)
			return
		}
		if !(*hook)(number, r, false) {
			panic(http.ErrAbortHandler)
		}
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, r)
		if !(*hook)(number, r, true) {
			panic(http.ErrAbortHandler)
		}
		for name, values := range recorder.Header() {
			rw.Header()[name] = values
		}
		rw.WriteHeader(recorder.Code)
		_, _ = rw.Write(recorder.Body.Bytes())
	}))
	t.Cleanup(func() { w.close(t) })
	return w
}

func (w *world) close(t testing.TB) {
	w.hook.Store(nil)
	w.kill(func(string) bool { return true })
	w.server.CloseClientConnections()
	w.server.Close()
	w.hosts.listener.Close()
	must(t, w.sim.Close())
	must(t, os.RemoveAll(w.folder))
}

// kill sends SIGKILL to the world's own processes whose binary is chosen by its name.
func (w *world) kill(chosen func(binary string) bool) {
	list, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return
	}
	mark := worldVariable + "=" + w.folder
	for _, path := range list {
		environment, err := os.ReadFile(filepath.Join(path, "environ"))
		if err != nil || !strings.Contains("\x00"+string(environment), "\x00"+mark+"\x00") {
			continue
		}
		binary, err := os.Readlink(filepath.Join(path, "exe"))
		if err != nil || !chosen(filepath.Base(strings.TrimSuffix(binary, " (deleted)"))) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(path)); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// quiet waits until nobody calls any more: a plugin that outlived its Pulumi has come to its end.
func (w *world) quiet() {
	for before := int64(-1); before != w.calls.Load(); {
		before = w.calls.Load()
		time.Sleep(300 * time.Millisecond)
	}
}

// copyOfState is one backend, one checkout and one machine: what a person has who runs `pulumi up`.
type copyOfState struct {
	w      *world
	stack  string
	folder string
	cache  string
}

// newCopy begins an empty state. Cache is the machine's: two copies on one machine share it.
func (w *world) newCopy(t testing.TB, name, cache string) *copyOfState {
	t.Helper()
	return w.newCopyOf(t, stack, name, cache)
}

func (w *world) newCopyOf(t testing.TB, stack, name, cache string) *copyOfState {
	t.Helper()
	c := &copyOfState{w: w, stack: stack, folder: filepath.Join(w.folder, name), cache: filepath.Join(w.folder, cache)}
	stacks := filepath.Join(c.folder, "state", ".pulumi", "stacks", project)
	for _, folder := range []string{stacks, filepath.Join(c.folder, "tmp"), c.cache} {
		must(t, os.MkdirAll(folder, 0o700))
	}
	for path, text := range map[string]string{
		filepath.Join(c.folder, "Pulumi.yaml"):                   fmt.Sprintf("name: %s\nruntime:\n  name: go\n  options:\n    binary: %s\n", project, filepath.Join(w.built, "program")),
		filepath.Join(c.folder, "Pulumi."+stack+".yaml"):         "config: {}\n",
		filepath.Join(c.folder, "state", ".pulumi", "meta.yaml"): "version: 1\n",
		filepath.Join(stacks, stack+".json"):                     fmt.Sprintf(`{"version":3,"checkpoint":{"stack":"organization/%s/%s","latest":null}}`, project, stack),
	} {
		must(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return c
}

func (c *copyOfState) command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, filepath.Join(c.w.built, "bin", "pulumi"), append([]string{"--non-interactive", "--color", "never"}, args...)...)
	command.Dir = c.folder
	command.Env = []string{
		"PATH=" + filepath.Join(c.w.built, "bin") + ":" + os.Getenv("PATH"), "HOME=" + c.folder, "TMPDIR=" + filepath.Join(c.folder, "tmp"),
		worldVariable + "=" + c.w.folder,
		"PULUMI_HOME=" + filepath.Join(c.w.built, "pulumi"), "PULUMI_BACKEND_URL=file://" + filepath.Join(c.folder, "state"), "PULUMI_CONFIG_PASSPHRASE=kills",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true", "PULUMI_IGNORE_AMBIENT_PLUGINS=true", "PULUMI_SKIP_UPDATE_CHECK=true", "PULUMI_COPILOT=false",
		"OVH_ENDPOINT=" + c.w.server.URL + "/1.0", "OVH_APPLICATION_KEY=" + ovhsim.ApplicationKey, "OVH_APPLICATION_SECRET=" + ovhsim.ApplicationSecret,
		"OVH_CONSUMER_KEY=" + ovhsim.ConsumerKey,
		"OVHMETAL_POLL=30ms", "OVHMETAL_RATE=1000", "OVHMETAL_CACHE=" + c.cache, "OVHMETAL_SSH_PROXY=" + c.w.hosts.url(),
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.WaitDelay = 5 * time.Second // an orphan holds the pipes of its parent
	return command
}

// Output runs `pulumi args…`; see resume.Runner.
func (c *copyOfState) Output(ctx context.Context, args ...string) ([]byte, error) {
	out, err := c.command(ctx, args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return out, fmt.Errorf("pulumi %s: %w: %s\n%s", strings.Join(args, " "), err, exit.Stderr, out)
	}
	return out, err
}

var (
	_ resume.Runner = (*copyOfState)(nil)
	_ resume.Runner = bringup.Pulumi{}
)

// begin starts `pulumi up`; wait gives its output and error. Output goes to a file, so that an orphan that still has it open delays nothing.
func (c *copyOfState) begin() (process *os.Process, wait func() (string, error), err error) {
	out, err := os.CreateTemp(c.folder, "up-*.log")
	if err != nil {
		return nil, nil, err
	}
	command := c.command(context.Background(), "up", "--stack", c.stack, "--yes", "--skip-preview")
	command.Stdout, command.Stderr = out, out
	if err := command.Start(); err != nil {
		return nil, nil, errors.Join(err, out.Close())
	}
	return command.Process, func() (string, error) {
		err := command.Wait()
		text, wrong := os.ReadFile(out.Name())
		return string(text), errors.Join(err, wrong, out.Close())
	}, nil
}

func (c *copyOfState) up() (string, error) {
	_, wait, err := c.begin()
	if err != nil {
		return "", err
	}
	return wait()
}

// resume is the one documented command after a kill.
func (c *copyOfState) resume(t testing.TB) error {
	return resume.Stack(t.Context(), c, resume.Options{Stack: c.stack})
}

// settle runs again, as the documentation says, until a run ends well and leaves nothing to do. It gives what the runs said.
func (c *copyOfState) settle(t testing.TB) (string, bool) {
	var history []string
	for range 6 {
		if err := c.resume(t); err != nil {
			history = append(history, err.Error())
			continue
		}
		text, err := c.up()
		history = append(history, text)
		if err != nil {
			continue
		}
		text, err = c.nothingToDo(t)
		if err != nil {
			return strings.Join(append(history, text, err.Error()), "\n"), false
		}
		return strings.Join(append(history, text), "\n"), err == nil
	}
	return strings.Join(history, "\n"), false
}

// nothingToDo refreshes, because what OVH says of a service is as old in the state as the run that looked last, then previews, and fails on any change.
func (c *copyOfState) nothingToDo(t testing.TB) (string, error) {
	if out, err := c.Output(t.Context(), "refresh", "--stack", c.stack, "--yes", "--skip-preview"); err != nil {
		return string(out), err
	}
	out, err := c.Output(t.Context(), "preview", "--stack", c.stack, "--expect-no-changes", "--diff")
	return string(out), err
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
