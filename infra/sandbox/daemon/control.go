package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"havre/infra/sandbox/artifacts"
	"havre/infra/sandbox/base"
	"havre/infra/sandbox/host"
	"havre/infra/sandbox/postgres"
	"havre/infra/sandbox/preflight"
)

// Options say what the sandbox is started with.
type Options struct {
	// Root is the checkout, Cache the folder outside it that keeps the base and the images.
	Root, Cache string
	// Tools are paths of static binaries by name; artifacts.Needed lists the names.
	Tools map[string]string
	// Renderer and Pause are the project's own static binaries.
	Renderer, Pause string
	// Cilium is given where it is to be the pod network. A sandbox that is up keeps the network that it was started with.
	Cilium *artifacts.Cilium
	// Previous are paths of static binaries of the minor version of Kubernetes before ours, by the names of artifacts.PreviousTools, where a cluster is to begin with it; nil where none is.
	Previous map[string]string
	// Executable is the havre binary that runs `sandbox daemon`; this one where empty.
	Executable string
	// Progress is told what is being done, a line at a time; nil for silence.
	Progress func(string)
}

func (o Options) say(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...))
	}
}

const (
	// startTimeout bounds the daemon's start, in which it may have to boot the hosts that a crash of the machine ended.
	startTimeout = 3 * time.Minute
	// stopTimeout bounds its end, in which it removes all hosts.
	stopTimeout = 90 * time.Second
)

// Preflight checks the machine, removes what a dead sandbox of another checkout left, and installs the packages that are missing. It takes a
// second where nothing is to be done, so it comes before everything that is slow.
func Preflight(ctx context.Context, o Options) error {
	folder := Folder(o.Root)
	if os.Geteuid() == 0 {
		if _, err := endOrphan(ctx, o); err != nil {
			return err
		}
	}
	facts, err := preflight.Gather(ctx, folder, Live)
	if err != nil {
		return err
	}
	if err := preflight.Check(facts); err != nil {
		return err
	}
	if facts.Owner != "" && facts.Owner != folder {
		o.say("removing what the sandbox of %s left", facts.Owner)
		if err := (&host.Manager{Folder: facts.Owner}).TearDown(ctx); err != nil {
			return err
		}
	}
	return preflight.Install(ctx, facts.Missing(), func(line string) { o.say("%s", line) })
}

// Start brings the sandbox up, with everything it needs, and returns what it hands to the program. Where it is up already with the same
// binaries it changes nothing; with others the daemon is replaced, and the hosts run on.
func Start(ctx context.Context, o Options) (Settings, error) {
	folder := Folder(o.Root)
	if err := Preflight(ctx, o); err != nil {
		return Settings{}, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return Settings{}, fmt.Errorf("sandbox: %w", err)
	}
	if err := sameNetwork(folder, o); err != nil {
		return Settings{}, err
	}
	tree, err := base.Builder{Cache: o.Cache, Progress: o.Progress}.Make(ctx)
	if err != nil {
		return Settings{}, err
	}
	catalogue, err := artifacts.Build(ctx, o.Cache, artifacts.Inputs{Tools: o.Tools, Renderer: o.Renderer, Pause: o.Pause, Tree: tree, Cilium: o.Cilium, Previous: o.Previous}, o.Progress)
	if err != nil {
		return Settings{}, err
	}
	if _, installed := postgres.Find(); !installed {
		o.say("PostgreSQL: Debian's packages, once")
		if _, err := postgres.Fetch(ctx, o.Cache); err != nil {
			return Settings{}, err
		}
	}
	private, public, err := sshKey(folder)
	if err != nil {
		return Settings{}, err
	}
	settings := newSettings(catalogue, private, public)
	settings.PodNetwork = o.podNetwork()
	if err := host.WriteJSON(filepath.Join(folder, settingsFile), settings, 0o600); err != nil {
		return Settings{}, err
	}
	if before, found := settings.previous(); found {
		if err := host.WriteJSON(filepath.Join(folder, previousFile), before, 0o600); err != nil {
			return Settings{}, err
		}
	}
	return settings, run(ctx, folder, Job{Tree: tree, Catalogue: catalogue, Cache: o.Cache}, o)
}

// podNetwork is the name that stacks has for it.
func (o Options) podNetwork() string {
	if o.Cilium != nil {
		return "cilium"
	}
	return ""
}

// sameNetwork refuses another pod network than a running sandbox has: a network is for a cluster's life.
func sameNetwork(folder string, o Options) error {
	var was Settings
	if !Live(folder) {
		return nil
	}
	if found, err := host.ReadJSON(filepath.Join(folder, settingsFile), &was); err != nil || !found || was.PodNetwork == o.podNetwork() {
		return err
	}
	return fmt.Errorf("sandbox: it runs with pod network %q and is asked for %q, and a cluster keeps its network; take it away first: make down", was.PodNetwork, o.podNetwork())
}

// run sees to it that a daemon of this build does this job.
func run(ctx context.Context, folder string, job Job, o Options) error {
	executable := o.Executable
	if executable == "" {
		var err error
		if executable, err = os.Executable(); err != nil {
			return fmt.Errorf("daemon: %w", err)
		}
	}
	binary, err := binaryID(executable)
	if err != nil {
		return err
	}
	var state State
	if _, err := host.ReadJSON(filepath.Join(folder, stateFile), &state); err != nil {
		return err
	}
	if state.Process.Alive() {
		same, err := sameJob(folder, job)
		if err != nil {
			return err
		}
		if same && state.Ready && state.Binary == binary {
			o.say("the daemon runs already")
			return nil
		}
		o.say("replacing the daemon of an earlier build; the hosts run on")
		if err := endProcess(ctx, state.Process, unix.SIGHUP); err != nil {
			return err
		}
	}
	if err := host.WriteJSON(filepath.Join(folder, jobFile), job, 0o644); err != nil {
		return err
	}
	return launch(ctx, folder, executable, o)
}

// sameJob says whether the daemon was started with this job.
func sameJob(folder string, job Job) (bool, error) {
	var now Job
	if _, err := host.ReadJSON(filepath.Join(folder, jobFile), &now); err != nil {
		return false, err
	}
	a, err1 := json.Marshal(now)
	b, err2 := json.Marshal(job)
	return string(a) == string(b), errors.Join(err1, err2)
}

// launch starts the daemon in the background and returns when it is ready.
func launch(ctx context.Context, folder, executable string, o Options) error {
	log, err := os.OpenFile(filepath.Join(folder, logFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("daemon: %w", err)
	}
	defer log.Close()
	// It outlives the command that starts it, and so that command's context.
	command := exec.CommandContext(context.WithoutCancel(ctx), executable, "sandbox", "daemon")
	command.Dir = o.Root
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("daemon: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		var state State
		if _, err := host.ReadJSON(filepath.Join(folder, stateFile), &state); err == nil && state.Ready && state.Process.PID == command.Process.Pid {
			o.say("the daemon is ready: process %d, log in %s", state.Process.PID, log.Name())
			return nil
		}
		select {
		case err := <-ended:
			if err == nil {
				err = errors.New("without an error")
			}
			return fmt.Errorf("daemon: it ended while it started: %w; its log says last:\n%s", err, logTail(folder))
		case <-ctx.Done():
			return fmt.Errorf("daemon: not ready: %w; its log says last:\n%s", ctx.Err(), logTail(folder))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// endProcess asks a process to end, and makes it where it does not.
func endProcess(ctx context.Context, process host.Process, sig unix.Signal) error {
	if err := process.Signal(sig); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	for process.Alive() {
		select {
		case <-ctx.Done():
			return process.Signal(unix.SIGKILL)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// endOrphan ends the daemon of a checkout that was deleted, and thereby its hosts.
func endOrphan(ctx context.Context, o Options) (did bool, err error) {
	process, found, err := orphan()
	if err != nil || !found {
		return false, err
	}
	o.say("ending the daemon of a checkout that was deleted: process %d", process.PID)
	return true, endProcess(ctx, process, unix.SIGTERM)
}

// Stop takes the sandbox down: the daemon, hosts, networks, changed settings of the machine, and the run's files, all but its logs. did is false where
// there was nothing to do. It needs no daemon, and cleans up after one that was killed, of this checkout or of one that is no more.
func Stop(ctx context.Context, o Options) (did bool, err error) {
	folder := Folder(o.Root)
	if os.Geteuid() != 0 {
		return false, fmt.Errorf("user %d is not root: only root removes namespaces and mounts; run it as root", os.Geteuid())
	}
	var state State
	if _, err := host.ReadJSON(filepath.Join(folder, stateFile), &state); err != nil {
		return false, err
	}
	if state.Process.Alive() {
		o.say("ending the daemon and its hosts")
		did = true
		if err := endProcess(ctx, state.Process, unix.SIGTERM); err != nil {
			return true, err
		}
	}
	ended, err := endOrphan(ctx, o)
	if did = did || ended; err != nil {
		return did, err
	}
	machine, found, err := host.ReadMachine(host.RunDir)
	if err != nil {
		return did, err
	}
	if found && machine.Folder != folder && Live(machine.Folder) {
		o.say("the sandbox of %s goes on; it is taken down from there", machine.Folder)
	} else {
		left, err := host.Leftovers(host.RunDir)
		if err != nil {
			return did, err
		}
		owner := folder
		if found {
			owner = machine.Folder
		}
		disks, err := filepath.Glob(filepath.Join(owner, "hosts", "hv*"))
		if err != nil {
			return did, fmt.Errorf("sandbox: %w", err)
		}
		if len(left)+len(disks) > 0 {
			did = true
			o.say("removing hosts, networks and mounts")
			if err := (&host.Manager{Folder: owner}).TearDown(ctx); err != nil {
				return true, err
			}
		}
		if _, err := os.Lstat(databaseFolder); err == nil {
			did = true
			if err := os.RemoveAll(databaseFolder); err != nil {
				return true, fmt.Errorf("sandbox: %w", err)
			}
		}
	}
	removed, err := removeFiles(folder)
	return did || removed, err
}

// removeFiles removes what a run wrote, all but its log.
func removeFiles(folder string) (removed bool, err error) {
	for _, name := range []string{stateFile, lockFile, jobFile, settingsFile, previousFile, keyFile, bundleFile, knownFile, ovhFolder, cfFolder, objectsFile} {
		path := filepath.Join(folder, name)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		removed = true
		if err := os.RemoveAll(path); err != nil {
			return true, fmt.Errorf("sandbox: %w", err)
		}
	}
	return removed, nil
}

// Status is how the sandbox is.
type Status struct {
	// Daemon is zero where none runs.
	Daemon host.Process
	Ready  bool
	// Owner is the folder of the sandbox that holds the machine; "" where none does.
	Owner string
	Hosts []host.Record
}

// ReadStatus looks at the sandbox of a checkout.
func ReadStatus(root string) (Status, error) {
	folder := Folder(root)
	var state State
	if _, err := host.ReadJSON(filepath.Join(folder, stateFile), &state); err != nil {
		return Status{}, err
	}
	var status Status
	if state.Process.Alive() {
		status.Daemon, status.Ready = state.Process, state.Ready
	}
	machine, found, err := host.ReadMachine(host.RunDir)
	if err != nil {
		return Status{}, err
	}
	if found {
		status.Owner = machine.Folder
	}
	status.Hosts, err = host.List(host.RunDir)
	return status, err
}

// Leftovers lists what the sandbox of a checkout has on the machine and in build/local, but for its log; none after Stop.
func Leftovers(root string) ([]string, error) {
	folder := Folder(root)
	left, err := host.Leftovers(host.RunDir)
	if err != nil {
		return nil, err
	}
	if Live(folder) {
		left = append(left, "daemon of "+folder)
	}
	if _, err := os.Lstat(databaseFolder); err == nil {
		left = append(left, databaseFolder)
	}
	disks, err := filepath.Glob(filepath.Join(folder, "hosts", "hv*"))
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return append(left, disks...), nil
}

// KnownHosts writes the keys of all hosts as OpenSSH's known_hosts, for `havre sandbox shell`, and returns its path and that of the private key.
func KnownHosts(root string) (known, key string, err error) {
	folder := Folder(root)
	records, err := host.List(host.RunDir)
	if err != nil {
		return "", "", err
	}
	var text []byte
	for _, record := range records {
		text = fmt.Appendf(text, "%s %s\n", record.Spec.Port.Address, record.HostKey)
	}
	known = filepath.Join(folder, knownFile)
	if err := os.WriteFile(known, text, 0o644); err != nil {
		return "", "", fmt.Errorf("sandbox: %w", err)
	}
	return known, filepath.Join(folder, keyFile), nil
}
