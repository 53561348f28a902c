package network

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Kernel is the part of the machine's kernel settings that hosts share with it: a host's systemd, kubelet and bootstrap write them for the whole
// machine, not for their own namespace.
type Kernel struct {
	// Sysctls are values by path below /proc/sys, such as vm/overcommit_memory.
	Sysctls map[string]string `json:"sysctls"`
	// Swaps are the active swap files and devices: swapoff in a host is swapoff on the machine.
	Swaps []string `json:"swaps,omitempty"`
}

// watched are the settings that are saved and put back: what systemd-sysctl, kubelet, kube-proxy and a hardening bootstrap write, as far as it is
// not kept per network namespace.
var watched = []string{
	"fs/aio-max-nr", "fs/file-max", "fs/inotify/max_queued_events", "fs/inotify/max_user_instances", "fs/inotify/max_user_watches", "fs/nr_open",
	"fs/pipe-max-size", "fs/protected_fifos", "fs/protected_hardlinks", "fs/protected_regular", "fs/protected_symlinks", "fs/suid_dumpable",
	"kernel/core_pattern", "kernel/core_uses_pid", "kernel/dmesg_restrict", "kernel/keys/maxbytes", "kernel/keys/maxkeys",
	"kernel/keys/root_maxbytes", "kernel/keys/root_maxkeys", "kernel/kptr_restrict", "kernel/panic", "kernel/panic_on_oops",
	"kernel/perf_event_paranoid", "kernel/pid_max", "kernel/printk", "kernel/randomize_va_space", "kernel/softlockup_panic", "kernel/sysrq",
	"kernel/threads-max", "kernel/unprivileged_userns_clone", "kernel/yama/ptrace_scope",
	"net/bridge/bridge-nf-call-iptables", "net/core/bpf_jit_enable", "net/core/bpf_jit_harden", "net/core/netdev_max_backlog", "net/core/rmem_default", "net/core/rmem_max",
	"net/core/wmem_default", "net/core/wmem_max", "net/ipv4/ip_forward", "net/ipv4/tcp_mem", "net/ipv4/udp_mem", "net/netfilter/nf_conntrack_max",
	"vm/dirty_background_ratio", "vm/dirty_ratio", "vm/max_map_count", "vm/min_free_kbytes", "vm/oom_kill_allocating_task", "vm/overcommit_memory",
	"vm/overcommit_ratio", "vm/panic_on_oom", "vm/swappiness", "vm/vfs_cache_pressure",
}

// raised are the settings that six hosts need: every systemd and kubelet opens inotify instances as the same root, and the default of 128 for all
// of them is used up by the third host, whose units then fail with "too many open files".
var raised = map[string]string{
	"fs/inotify/max_user_instances": "8192",
	"fs/inotify/max_user_watches":   "1048576",
}

// filter is whether the machine's firewall sees what its bridges carry. Hosts speak to each other over ours, and a firewall that forwards nothing, as
// Docker sets it up, would cut them off, so it is off for as long as the sandbox is up.
const filter = "net/bridge/bridge-nf-call-iptables"

// ReadKernel takes the settings as they are. Those that this kernel does not have are left out.
func ReadKernel(proc string) (Kernel, error) {
	kernel := Kernel{Sysctls: map[string]string{}}
	for _, path := range watched {
		text, err := os.ReadFile(filepath.Join(proc, "sys", path))
		if err == nil {
			kernel.Sysctls[path] = strings.TrimSpace(string(text))
		} else if !errors.Is(err, os.ErrNotExist) {
			return Kernel{}, fmt.Errorf("sysctl %s: %w", path, err)
		}
	}
	file, err := os.Open(filepath.Join(proc, "swaps"))
	if errors.Is(err, os.ErrNotExist) {
		return kernel, nil
	}
	if err != nil {
		return Kernel{}, fmt.Errorf("swaps: %w", err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 0 && strings.HasPrefix(fields[0], "/") {
			kernel.Swaps = append(kernel.Swaps, fields[0])
		}
	}
	return kernel, nil
}

// Adapt sets what the hosts need.
func (k Kernel) Adapt(proc string) error {
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(raised)) {
		if has, found := k.Sysctls[path]; found && lower(has, raised[path]) {
			errs = append(errs, write(proc, path, raised[path]))
		}
	}
	if has, found := k.Sysctls[filter]; found && has != "0" {
		errs = append(errs, write(proc, filter, "0"))
	}
	return errors.Join(errs...)
}

func lower(has, wanted string) bool {
	return len(has) < len(wanted) || len(has) == len(wanted) && has < wanted
}

// Changed lists the settings that are no longer as they were, sorted: "vm/overcommit_memory: 1, was 0".
func (k Kernel) Changed(proc string) ([]string, error) {
	now, err := ReadKernel(proc)
	if err != nil {
		return nil, err
	}
	var changed []string
	for _, path := range slices.Sorted(maps.Keys(k.Sysctls)) {
		if now.Sysctls[path] != k.Sysctls[path] {
			changed = append(changed, fmt.Sprintf("%s: %s, was %s", path, now.Sysctls[path], k.Sysctls[path]))
		}
	}
	for _, swap := range k.Swaps {
		if !slices.Contains(now.Swaps, swap) {
			changed = append(changed, "swap "+swap+" is off, was on")
		}
	}
	return changed, nil
}

// Restore puts back what is no longer as it was, and nothing else.
func (k Kernel) Restore(ctx context.Context, proc string) error {
	now, err := ReadKernel(proc)
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(k.Sysctls)) {
		if value, found := now.Sysctls[path]; found && value != k.Sysctls[path] {
			errs = append(errs, write(proc, path, k.Sysctls[path]))
		}
	}
	for _, swap := range k.Swaps {
		if !slices.Contains(now.Swaps, swap) {
			if out, err := exec.CommandContext(ctx, "swapon", swap).CombinedOutput(); err != nil {
				errs = append(errs, fmt.Errorf("swap %s: swapon: %w: %s", swap, err, strings.TrimSpace(string(out))))
			}
		}
	}
	return errors.Join(errs...)
}

func write(proc, path, value string) error {
	if err := os.WriteFile(filepath.Join(proc, "sys", path), []byte(value+"\n"), 0o644); err != nil {
		return fmt.Errorf("sysctl %s: set to %s: %w", path, value, err)
	}
	return nil
}
