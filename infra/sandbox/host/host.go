// Package host runs the sandbox's hosts: a delivered server or VPS of the simulator is a systemd-nspawn container here, with its own network
// namespace, its own root on a shared base, its own cgroups, systemd as pid 1 and sshd with its own key. The one thing a reader would get wrong: a
// host is not a child that dies with the daemon. It is recorded on the machine before anything of it exists, found again by process number and
// start time, adopted by the next daemon, and removed by that record alone; nothing is ever ended or deleted by its name only.
package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"havre/infra/sandbox/network"
)

// Manager installs, boots and removes hosts. Its methods may be called from several goroutines; those on one host wait for each other.
type Manager struct {
	// RunDir holds the records; RunDir of the package where empty.
	RunDir string
	// Folder is the sandbox's folder in the checkout; disks are below it.
	Folder string
	// Tree is the unpacked base file system.
	Tree string
	// Log is told what happens, a line at a time; nil for silence.
	Log func(string)

	mu    sync.Mutex
	locks map[string]*sync.Mutex
}

// bootTimeout bounds the time from the start of a host to an sshd that lets users in: about a second alone, some more with six at once on a
// machine that compiles beside it.
const bootTimeout = 90 * time.Second

func (m *Manager) runDir() string {
	if m.RunDir != "" {
		return m.RunDir
	}
	return RunDir
}

func (m *Manager) say(format string, args ...any) {
	if m.Log != nil {
		m.Log(fmt.Sprintf(format, args...))
	}
}

// lock waits for whoever works on the same host, and returns the unlock.
func (m *Manager) lock(port network.Port) func() {
	m.mu.Lock()
	if m.locks == nil {
		m.locks = map[string]*sync.Mutex{}
	}
	one := m.locks[port.Namespace()]
	if one == nil {
		one = &sync.Mutex{}
		m.locks[port.Namespace()] = one
	}
	m.mu.Unlock()
	one.Lock()
	return one.Unlock
}

// Install makes a host anew, with an empty disk and a new host key, and returns its record once its sshd lets users in. An earlier
// installation of the same address goes first, as a reinstallation wipes a server.
func (m *Manager) Install(ctx context.Context, spec Spec) (Record, error) {
	if err := spec.Port.Check(); err != nil {
		return Record{}, fmt.Errorf("host %s: %w", spec.Service, err)
	}
	defer m.lock(spec.Port)()
	record, found, err := m.read(spec.Port)
	if err != nil {
		return Record{}, err
	}
	if found {
		if err := m.remove(ctx, record); err != nil {
			return Record{}, err
		}
	}
	folder, err := filepath.EvalSymlinks(m.Folder)
	if err != nil {
		return Record{}, fmt.Errorf("host %s: disk: %w", spec.Service, err)
	}
	record = Record{Spec: spec, Disk: filepath.Join(folder, "hosts", spec.Port.Namespace())}
	if err := m.save(record); err != nil {
		return Record{}, err
	}
	if err := record.mount(m.Tree); err != nil {
		return Record{}, err
	}
	if record.HostKey, err = record.install(); err != nil {
		return Record{}, err
	}
	return m.boot(ctx, record)
}

// Start boots a host that is off, from its disk as it was left.
func (m *Manager) Start(ctx context.Context, service string) (Record, error) {
	record, unlock, err := m.find(service)
	if err != nil {
		return Record{}, err
	}
	defer unlock()
	if record.Running() {
		return record, nil
	}
	return m.boot(ctx, record)
}

// Reach pulls both cables of a host, or plugs them in again. It does not hold over a restart of the host.
func (m *Manager) Reach(ctx context.Context, service string, plugged bool) error {
	record, unlock, err := m.find(service)
	if err != nil {
		return err
	}
	defer unlock()
	if err := record.Spec.Port.SetReach(ctx, plugged); err != nil {
		return fmt.Errorf("host %s: %w", service, err)
	}
	return nil
}

// Weigh sets how many shares of the machine's processors a running host has beside the other hosts, each of which begins with one. It does not hold over a restart of the host.
func (m *Manager) Weigh(service string, shares int) error {
	record, unlock, err := m.find(service)
	if err != nil {
		return err
	}
	defer unlock()
	if err := weighCgroups(record.Cgroups, shares); err != nil {
		return fmt.Errorf("host %s: %w", service, err)
	}
	return nil
}

// Cut is a power cut as the others see it: the cables first, or the kernel would end the host's connections for it, which no dead machine does.
func (m *Manager) Cut(ctx context.Context, service string) error {
	return errors.Join(m.Reach(ctx, service, false), m.Stop(service))
}

// Stop ends a host at once and keeps its disk.
func (m *Manager) Stop(service string) error {
	record, unlock, err := m.find(service)
	if err != nil {
		return err
	}
	defer unlock()
	return m.halt(&record)
}

// Remove ends a host and deletes its disk. A host that is not there is no error.
func (m *Manager) Remove(ctx context.Context, service string) error {
	record, unlock, err := m.find(service)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	return m.remove(ctx, record)
}

// Attach plugs a host's eth1 into the private bridge, or pulls it out. It holds over restarts of the host.
func (m *Manager) Attach(ctx context.Context, service string, attached bool) error {
	record, unlock, err := m.find(service)
	if err != nil {
		return err
	}
	defer unlock()
	if err := record.Spec.Port.SetCable(ctx, attached); err != nil {
		return fmt.Errorf("host %s: %w", service, err)
	}
	record.Spec.Port.Private = attached
	return m.save(record)
}

// Adopt takes over the hosts of an earlier daemon: those that run are left alone, the others, ended by a crash of the machine, boot again. All
// are tried, and the errors come together.
func (m *Manager) Adopt(ctx context.Context) error {
	if err := m.recover(); err != nil {
		return err
	}
	records, err := List(m.runDir())
	if err != nil {
		return err
	}
	errs := make([]error, len(records))
	var group sync.WaitGroup
	for i, record := range records {
		group.Go(func() {
			defer m.lock(record.Spec.Port)()
			if present, err := record.Spec.Port.Present(); err == nil && present && record.Running() {
				m.say("host %s at %s goes on", record.Spec.Service, record.Spec.Port.Address)
				return
			}
			if _, err := os.Stat(filepath.Join(record.Disk, "upper", "etc", "machine-id")); err != nil || record.HostKey == "" {
				m.say("host %s was not installed to the end; removing what there is", record.Spec.Service)
				errs[i] = m.remove(ctx, record)
				return
			}
			m.say("host %s at %s is off; booting it", record.Spec.Service, record.Spec.Port.Address)
			_, errs[i] = m.boot(ctx, record)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func (m *Manager) read(port network.Port) (record Record, found bool, err error) {
	found, err = ReadJSON(recordPath(m.runDir(), port), &record)
	return record, found, err
}

// save writes the record to where the machine keeps it, and beside the disk, from where it comes back after the machine's own restart.
func (m *Manager) save(record Record) error {
	err := WriteJSON(recordPath(m.runDir(), record.Spec.Port), record, 0o600)
	if record.Disk != "" {
		err = errors.Join(err, WriteJSON(filepath.Join(record.Disk, "record.json"), record, 0o600))
	}
	return err
}

// recover takes up the records beside disks whose host the machine has forgotten, as it has after a restart that emptied /run.
func (m *Manager) recover() error {
	if m.Folder == "" {
		return nil
	}
	paths, err := filepath.Glob(filepath.Join(m.Folder, "hosts", "hv*", "record.json"))
	if err != nil {
		return fmt.Errorf("hosts: %w", err)
	}
	for _, path := range paths {
		var record Record
		if _, err := ReadJSON(path, &record); err != nil {
			return err
		}
		if _, found, err := m.read(record.Spec.Port); err != nil || found {
			if err != nil {
				return err
			}
			continue
		}
		if err := m.save(record); err != nil {
			return err
		}
	}
	return nil
}

// find locks the host of a service and reads its record. The error is fs.ErrNotExist where there is none.
func (m *Manager) find(service string) (Record, func(), error) {
	records, err := List(m.runDir())
	if err != nil {
		return Record{}, nil, err
	}
	for _, record := range records {
		if record.Spec.Service == service {
			unlock := m.lock(record.Spec.Port)
			fresh, found, err := m.read(record.Spec.Port)
			if err == nil && found && fresh.Spec.Service == service {
				return fresh, unlock, nil
			}
			unlock()
			if err != nil {
				return Record{}, nil, err
			}
		}
	}
	return Record{}, nil, fmt.Errorf("host %s: %w; havre sandbox hosts lists those that are", service, fs.ErrNotExist)
}

// boot starts a host from its disk. What a past run of it left goes first.
func (m *Manager) boot(ctx context.Context, record Record) (Record, error) {
	if err := m.halt(&record); err != nil {
		return Record{}, err
	}
	boot, err := BootID()
	if err != nil {
		return Record{}, err
	}
	parents, err := cgroupParents()
	if err != nil {
		return Record{}, err
	}
	record.Boot, record.Cgroups = boot, nil
	for _, parent := range parents {
		record.Cgroups = append(record.Cgroups, filepath.Join(parent, cgroupName(record.Spec.Port.Namespace())))
	}
	if err := m.save(record); err != nil {
		return Record{}, err
	}
	if !mounted(record.root()) {
		if err := record.mount(m.Tree); err != nil {
			return Record{}, err
		}
	}
	for _, dir := range record.Cgroups {
		if err := makeCgroup(dir); err != nil {
			return Record{}, fmt.Errorf("host %s: %w", record.Spec.Service, err)
		}
	}
	if err := record.Spec.Port.Plug(ctx); err != nil {
		return Record{}, fmt.Errorf("host %s: %w", record.Spec.Service, err)
	}
	console, err := os.OpenFile(record.Console(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return Record{}, fmt.Errorf("host %s: %w", record.Spec.Service, err)
	}
	defer console.Close()
	args := launch(record)
	// It outlives this call, and so its context.
	command := exec.CommandContext(context.WithoutCancel(ctx), args[0], args[1:]...)
	command.Env = environment
	command.Stdout, command.Stderr = console, console
	// A session of its own: neither the terminal's interrupt nor the daemon's end reaches it.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return Record{}, fmt.Errorf("host %s: start: %w", record.Spec.Service, err)
	}
	if record.Supervisor, err = Identify(command.Process.Pid); err != nil {
		return Record{}, fmt.Errorf("host %s: start: %w", record.Spec.Service, err)
	}
	go func() { _ = command.Wait() }() // so that no zombie stays while this process lives
	if err := m.save(record); err != nil {
		return Record{}, err
	}
	started := time.Now()
	if err := record.await(ctx); err != nil {
		return Record{}, err
	}
	m.say("host %s at %s is up after %.1f s", record.Spec.Service, record.Spec.Port.Address, time.Since(started).Seconds())
	return record, nil
}

// mounted says whether path is a mount point of ours.
func mounted(path string) bool {
	points, err := Mounts()
	if err != nil {
		return false
	}
	for _, point := range points {
		if point == path {
			return true
		}
	}
	return false
}

// environment is that of systemd-nspawn. Its own filter of system calls forbids what kubelet and runc call; the kernel's interfaces under /proc
// and /sys must be writable for both; and a host's cgroups are the machine's, hybrid or not.
var environment = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LC_ALL=C.UTF-8",
	"SYSTEMD_SECCOMP=0",
	"SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes",
	"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0",
}

// supervise puts the shell into each cgroup named before the --, then runs the command after it, again when it ends with 133: so systemd-nspawn
// says, where it is told to keep its unit, that the host wants to restart. A kernel that boots has no packet filter; the namespace, which is the machine's, has the last
// boot's, so it is emptied by the host's own nft.
const supervise = `net=$1 root=$2; shift 2; while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift
while :; do nsenter --net="$net" chroot "$root" /usr/sbin/nft flush ruleset; "$@"; [ $? -eq 133 ] || exit; done`

// launch is the command line that boots a host.
func launch(r Record) []string {
	namespace := r.Spec.Port.Namespace()
	args := append([]string{"/bin/sh", "-c", supervise, "havre-host", "/run/netns/" + namespace, r.root()}, r.Cgroups...)
	return append(args, "--",
		// systemd-nspawn mounts /sys before it enters the namespace it is told: entered only there, /sys/class/net would be the machine's.
		"nsenter", "--net=/run/netns/"+namespace, "--",
		"systemd-nspawn", "--quiet", "--directory="+r.root(), "--machine="+namespace, "--hostname="+r.Spec.hostname(),
		"--register=no", "--keep-unit", "--network-namespace-path=/run/netns/"+namespace, "--capability=all", "--boot", "--console=pipe",
		"--resolv-conf=off", "--timezone=off",
		"--bind=/dev/net/tun", "--bind=/dev/kmsg", "--bind=/dev/fuse",
		// containerd's own overlays cannot lie on an overlay.
		"--bind="+bindPath(filepath.Join(r.Disk, "containerd"))+":/var/lib/containerd",
		"--bind="+bindPath(filepath.Join(r.Disk, "kubelet"))+":/var/lib/kubelet",
	)
}

// bindPath escapes the colon, which separates the halves of --bind.
func bindPath(path string) string { return strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(path) }

// await returns once the host's sshd answers and users may log in, which systemd allows only at the end of the boot.
func (r Record) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	for {
		if !r.Running() {
			return fmt.Errorf("host %s: it ended while it booted; its console says last:\n%s", r.Spec.Service, tail(r.Console()))
		}
		if _, init, up := r.processes(); up && sshAnswers(ctx, r.Spec.Port.Address) {
			_, err := os.Stat(filepath.Join("/proc", fmt.Sprint(init.PID), "root", "run", "nologin"))
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("host %s: no login at %s: %w; its console says last:\n%s", r.Spec.Service, r.Spec.Port.Address, ctx.Err(), tail(r.Console()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func sshAnswers(ctx context.Context, address netip.Addr) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(address, 22).String())
	if err != nil {
		return false
	}
	defer connection.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = connection.SetDeadline(deadline)
	}
	banner, err := bufio.NewReader(connection).ReadString('\n')
	return err == nil && strings.HasPrefix(banner, "SSH-2.0-")
}

// tail is the end of a console's text.
func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// halt ends a host's processes and removes its cgroups. Ending pid 1 ends all of its process namespace; ending systemd-nspawn would leave systemd
// and container shims alive.
func (m *Manager) halt(record *Record) error {
	boot, err := BootID()
	if err != nil {
		return err
	}
	if record.Boot != boot {
		return nil // the machine has booted since: neither processes nor cgroups are left
	}
	// The shell first, which would take an end for a restart; then pid 1; systemd-nspawn then ends by itself, and removes its locks.
	nspawn, init, up := record.processes()
	if err := record.Supervisor.Signal(unix.SIGKILL); err != nil {
		return fmt.Errorf("host %s: %w", record.Spec.Service, err)
	}
	if up {
		if err := init.Signal(unix.SIGKILL); err != nil {
			return fmt.Errorf("host %s: %w", record.Spec.Service, err)
		}
		for deadline := time.Now().Add(5 * time.Second); nspawn.Alive() && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	}
	if err := emptyCgroups(record.Cgroups); err != nil {
		return fmt.Errorf("host %s: %w", record.Spec.Service, err)
	}
	_ = os.Remove(filepath.Join("/run/systemd/nspawn/propagate", record.Spec.Port.Namespace()))
	record.Supervisor = Process{}
	return m.save(*record)
}

// remove ends a host and deletes all of it, its record last.
func (m *Manager) remove(ctx context.Context, record Record) error {
	if err := m.halt(&record); err != nil {
		return err
	}
	for mounted(record.root()) {
		if err := unmount(record.root()); err != nil {
			return fmt.Errorf("host %s: %w", record.Spec.Service, err)
		}
	}
	if err := record.Spec.Port.Unplug(ctx); err != nil {
		return fmt.Errorf("host %s: %w", record.Spec.Service, err)
	}
	if record.Disk != "" {
		if err := os.RemoveAll(record.Disk); err != nil {
			return fmt.Errorf("host %s: disk: %w", record.Spec.Service, err)
		}
	}
	if err := os.Remove(recordPath(m.runDir(), record.Spec.Port)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("host %s: %w", record.Spec.Service, err)
	}
	m.say("host %s at %s is gone", record.Spec.Service, record.Spec.Port.Address)
	return nil
}
