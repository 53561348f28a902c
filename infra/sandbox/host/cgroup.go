package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupName is the name of a host's cgroup in every hierarchy, and marks it as ours.
func cgroupName(namespace string) string { return "havre-" + namespace }

var ourCgroup = regexp.MustCompile(`^havre-hv[0-9]{1,3}$`)

// hierarchies finds the cgroup of a process in every mounted hierarchy, as folders: from the texts of /proc/PID/mounts and /proc/PID/cgroup.
// A host gets a child of each, below the caller's own, so that a limit on the caller bounds its hosts too.
func hierarchies(mounts, self string) []string {
	own := map[string]string{} // path by controller, "name=X", or "" for the unified hierarchy
	for line := range strings.Lines(self) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, controller := range strings.Split(parts[1], ",") {
			own[controller] = parts[2]
		}
	}
	var found []string
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		switch fields[2] {
		case "cgroup2":
			found = append(found, filepath.Join(fields[1], own[""]))
		case "cgroup":
			for _, option := range strings.Split(fields[3], ",") {
				if path, ok := own[option]; ok {
					found = append(found, filepath.Join(fields[1], path))
					break
				}
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// cgroupParents are the folders in which this process may make cgroups.
func cgroupParents() ([]string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("cgroups: %w", err)
	}
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("cgroups: %w", err)
	}
	return hierarchies(string(mounts), string(self)), nil
}

// makeCgroup makes one cgroup. A cpuset that has no processors and no memory nodes refuses every process, so a new one takes its parent's.
func makeCgroup(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cgroup %s: %w", dir, err)
	}
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), value, 0o644)
		}
		if err != nil {
			return fmt.Errorf("cgroup %s: %s: %w", dir, name, err)
		}
	}
	return nil
}

// cgroupShares are the files that say how much of the processors a cgroup has, with what they hold from the start: of the first hierarchies, and of the unified one (cgroups(7)).
var cgroupShares = map[string]int{"cpu.shares": 1024, "cpu.weight": 100}

// weighCgroups gives a host so many times what its cgroups have from the start.
func weighCgroups(dirs []string, shares int) error {
	weighed := false
	for _, dir := range dirs {
		for name, one := range cgroupShares {
			path := filepath.Join(dir, name)
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err := os.WriteFile(path, []byte(strconv.Itoa(shares*one)), 0o644); err != nil {
				return fmt.Errorf("shares of the processors: %w", err)
			}
			weighed = true
		}
	}
	if !weighed {
		return fmt.Errorf("shares of the processors: none of %s has cpu.shares or cpu.weight", strings.Join(dirs, ", "))
	}
	return nil
}

// cgroupFolders lists dir and what is below it, the deepest first.
func cgroupFolders(dir string) []string {
	var folders []string
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		// A cgroup may end while it is listed; what is gone needs no removal.
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return nil
	})
	slices.Reverse(folders)
	return folders
}

// cgroupProcesses lists who is in the cgroups, zombies left out.
func cgroupProcesses(dirs []string) []Process {
	seen := map[int]bool{}
	var found []Process
	for _, dir := range dirs {
		for _, folder := range cgroupFolders(dir) {
			text, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
			if err != nil {
				continue
			}
			for _, field := range strings.Fields(string(text)) {
				pid, err := strconv.Atoi(field)
				if err != nil || pid <= 1 || seen[pid] {
					continue
				}
				seen[pid] = true
				if process, err := Identify(pid); err == nil && process.Alive() {
					found = append(found, process)
				}
			}
		}
	}
	return found
}

// emptyCgroups ends everybody in the cgroups, which only this host's processes ever entered, and removes them.
func emptyCgroups(dirs []string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		left := cgroupProcesses(dirs)
		for _, process := range left {
			if err := process.Signal(unix.SIGKILL); err != nil {
				return err
			}
		}
		var errs []error
		for _, dir := range dirs {
			for _, folder := range cgroupFolders(dir) {
				if err := unix.Rmdir(folder); err != nil && !errors.Is(err, unix.ENOENT) {
					errs = append(errs, fmt.Errorf("cgroup %s: remove: %w", folder, err))
				}
			}
		}
		if len(errs) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(errs...)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Cgroups lists all cgroups of hosts on the machine, recorded or not.
func Cgroups() ([]string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("cgroups: %w", err)
	}
	var found []string
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[2] != "cgroup" && fields[2] != "cgroup2" {
			continue
		}
		for _, folder := range cgroupFolders(fields[1]) {
			if ourCgroup.MatchString(filepath.Base(folder)) {
				found = append(found, folder)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}
