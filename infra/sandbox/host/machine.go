package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"havre/infra/sandbox/network"
)

// SetUp records what the machine is like, makes the bridges and adapts the settings that hosts share. It may run again at any time.
func (m *Manager) SetUp(ctx context.Context) error {
	boot, err := BootID()
	if err != nil {
		return err
	}
	machine, found, err := ReadMachine(m.runDir())
	if err != nil {
		return err
	}
	if found && machine.Boot == boot && machine.Folder != m.Folder {
		return fmt.Errorf("machine: the sandbox of %s is up; there is one a machine, so run make down there first", machine.Folder)
	}
	if !found || machine.Boot != boot {
		kernel, err := network.ReadKernel("/proc")
		if err != nil {
			return err
		}
		folder, err := network.ReadNamespaceFolder()
		if err != nil {
			return err
		}
		machine = Machine{Folder: m.Folder, Boot: boot, Kernel: kernel, NamespaceFolder: folder}
		if err := WriteJSON(filepath.Join(m.runDir(), "machine.json"), machine, 0o644); err != nil {
			return err
		}
	}
	if err := network.SetUp(ctx); err != nil {
		return err
	}
	return machine.Kernel.Adapt("/proc")
}

// TearDown removes every host, the networks and the records, and puts the machine's settings back. It needs no daemon, and it works on what a
// killed one left.
func (m *Manager) TearDown(ctx context.Context) error {
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
			errs[i] = m.remove(ctx, record)
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := sweep(); err != nil {
		return err
	}
	if err := network.TearDown(ctx); err != nil {
		return err
	}
	machine, found, err := ReadMachine(m.runDir())
	if err != nil {
		return err
	}
	boot, err := BootID()
	if err != nil {
		return err
	}
	if found && machine.Boot == boot {
		if err := errors.Join(machine.Kernel.Restore(ctx, "/proc"), machine.NamespaceFolder.Restore()); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(m.runDir()); err != nil {
		return fmt.Errorf("hosts: %w", err)
	}
	if m.Folder != "" {
		// Gone with its last disk; a folder that holds something else stays.
		_ = os.Remove(filepath.Join(m.Folder, "hosts"))
	}
	return nil
}

// sweep removes mounts and cgroups that carry a host's name and that no record knows any more.
func sweep() error {
	cgroups, err := Cgroups()
	if err != nil {
		return err
	}
	if err := emptyCgroups(cgroups); err != nil {
		return err
	}
	points, err := Mounts()
	if err != nil {
		return err
	}
	for _, point := range points {
		if err := unmount(point); err != nil {
			return err
		}
	}
	return nil
}

// Leftovers lists what of the sandbox is on the machine, sorted by kind; none after a clean end.
func Leftovers(runDir string) ([]string, error) {
	var found []string
	add := func(kind string, list []string, err error) error {
		for _, name := range list {
			found = append(found, kind+" "+name)
		}
		return err
	}
	records, err := List(runDir)
	for _, record := range records {
		if record.Running() {
			found = append(found, fmt.Sprintf("process %d of host %s", record.Supervisor.PID, record.Spec.Service))
		}
	}
	links, err1 := network.Links()
	namespaces, err2 := network.Namespaces()
	mounts, err3 := Mounts()
	cgroups, err4 := Cgroups()
	propagate, err5 := filepath.Glob("/run/systemd/nspawn/propagate/hv*")
	err = errors.Join(err, add("link", links, err1), add("network namespace", namespaces, err2), add("mount", mounts, err3),
		add("cgroup", cgroups, err4), add("folder", propagate, err5))
	if _, statErr := os.Stat(runDir); statErr == nil {
		found = append(found, "folder "+runDir)
	}
	if machine, known, readErr := ReadMachine(runDir); readErr != nil {
		err = errors.Join(err, readErr)
	} else if known {
		changed, changedErr := machine.Kernel.Changed("/proc")
		err = errors.Join(err, add("setting", changed, changedErr))
	}
	return found, err
}
