package preflight

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"havre/infra/sandbox/host"
)

// Gather takes the facts of this machine. folder is the sandbox's in the checkout; live says whether the daemon of a sandbox's folder runs.
func Gather(ctx context.Context, folder string, live func(folder string) bool) (Facts, error) {
	f := Facts{User: os.Geteuid(), Folder: folder, Devices: map[string]bool{}}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Facts{}, fmt.Errorf("preflight: %w", err)
	}
	f.System, f.Release = osRelease(string(release))
	f.Installed = installed(ctx)
	for _, name := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile("/proc/net/" + name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Facts{}, fmt.Errorf("preflight: %w", err)
		}
		f.Listening = append(f.Listening, listening(string(text))...)
	}
	text, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return Facts{}, fmt.Errorf("preflight: %w", err)
	}
	f.Routes = routes(string(text))
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return Facts{}, fmt.Errorf("preflight: %w", err)
	}
	f.Memory = memory(string(meminfo))
	if f.Disk, f.FileSystem, err = disk(folder); err != nil {
		return Facts{}, err
	}
	for _, device := range Devices {
		_, err := os.Stat(device)
		f.Devices[device] = err == nil
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return Facts{}, fmt.Errorf("preflight: %w", err)
	}
	f.Cgroups = cgroups(string(mounts))
	machine, found, err := host.ReadMachine(host.RunDir)
	if err != nil {
		return Facts{}, err
	}
	if found {
		f.Owner, f.Live = machine.Folder, live(machine.Folder)
	} else if f.Leftovers, err = host.Leftovers(host.RunDir); err != nil {
		return Facts{}, err
	}
	return f, nil
}

func osRelease(text string) (system, release string) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = strings.Trim(value, `"`); name {
		case "ID":
			system = value
		case "VERSION_ID":
			release = value
		}
	}
	return system, release
}

// installed asks dpkg. Where there is none, nothing is installed, and the system is none of Debian's anyway.
func installed(ctx context.Context) map[string]bool {
	out, _ := exec.CommandContext(ctx, "dpkg-query", append([]string{"--show", "--showformat=${Package} ${db:Status-Status}\n"}, Packages...)...).Output()
	found := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if name, status, _ := strings.Cut(strings.TrimSpace(line), " "); status == "installed" {
			found[name] = true
		}
	}
	return found
}

// listening reads /proc/net/tcp or tcp6: addresses are hexadecimal words in the machine's byte order, and state 0A is LISTEN.
func listening(table string) []netip.AddrPort {
	var found []netip.AddrPort
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != "0A" {
			continue
		}
		address, port, _ := strings.Cut(fields[1], ":")
		raw, err1 := hex.DecodeString(address)
		number, err2 := strconv.ParseUint(port, 16, 16)
		if err1 != nil || err2 != nil {
			continue
		}
		for word := 0; word+4 <= len(raw); word += 4 {
			binary.NativeEndian.PutUint32(raw[word:], binary.BigEndian.Uint32(raw[word:]))
		}
		if parsed, ok := netip.AddrFromSlice(raw); ok {
			found = append(found, netip.AddrPortFrom(parsed.Unmap(), uint16(number)))
		}
	}
	return found
}

// routes reads /proc/net/route.
func routes(table string) []Route {
	word := func(text string) (a [4]byte, ok bool) {
		number, err := strconv.ParseUint(text, 16, 32)
		binary.NativeEndian.PutUint32(a[:], uint32(number))
		return a, err == nil
	}
	var found []Route
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 8 {
			continue
		}
		address, ok1 := word(fields[1])
		mask, ok2 := word(fields[7])
		if bits, _ := net.IPv4Mask(mask[0], mask[1], mask[2], mask[3]).Size(); ok1 && ok2 && bits > 0 {
			found = append(found, Route{netip.PrefixFrom(netip.AddrFrom4(address), bits), fields[0]})
		}
	}
	return found
}

func memory(meminfo string) uint64 {
	for line := range strings.Lines(meminfo) {
		if rest, found := strings.CutPrefix(line, "MemAvailable:"); found {
			kib, err := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			if err == nil {
				return kib * 1024
			}
		}
	}
	return 0
}

// fileSystems are the types that statfs gives numbers for, as far as they matter.
var fileSystems = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay",
	unix.NFS_SUPER_MAGIC: "nfs", unix.FUSE_SUPER_MAGIC: "fuse", unix.V9FS_MAGIC: "9p", unix.MSDOS_SUPER_MAGIC: "vfat", unix.TMPFS_MAGIC: "tmpfs",
}

// disk looks at the nearest folder upwards that is there.
func disk(folder string) (free uint64, kind string, err error) {
	for {
		var s unix.Statfs_t
		err := unix.Statfs(folder, &s)
		if err == nil {
			return s.Bavail * uint64(s.Bsize), fileSystems[s.Type], nil
		}
		if !errors.Is(err, unix.ENOENT) || folder == filepath.Dir(folder) {
			return 0, "", fmt.Errorf("preflight: disk of %s: %w", folder, err)
		}
		folder = filepath.Dir(folder)
	}
}

func cgroups(mounts string) string {
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) > 3 && fields[2] == "cgroup" && strings.Contains(","+fields[3]+",", ",memory,") {
			return "v1"
		}
	}
	return "v2"
}

// aptTries is how often apt may fail: a mirror's hiccup is over in seconds.
const aptTries = 3

// Install installs packages by apt as root, and shows what it does.
func Install(ctx context.Context, packages []string, progress func(string)) error {
	if len(packages) == 0 {
		return nil
	}
	progress("installing " + strings.Join(packages, ", "))
	apt := func(args ...string) error {
		command := exec.CommandContext(ctx, "apt-get", append([]string{"--quiet", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=120"}, args...)...)
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
		out, err := command.CombinedOutput()
		if err != nil {
			lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
			return fmt.Errorf("apt-get %s: %w; it said last:\n%s", args[0], err, bytes.Join(lines[max(0, len(lines)-8):], []byte("\n")))
		}
		return nil
	}
	for try := 1; ; try++ {
		// A machine's lists may be older than its mirror; what they name is then no longer there. That one of its repositories does not answer is
		// no reason to stop: it need not be the one that has the packages.
		updated := apt("update")
		err := apt(append([]string{"install", "--yes", "--no-install-recommends"}, packages...)...)
		if err != nil {
			err = errors.Join(updated, err)
		}
		if err == nil || try == aptTries || ctx.Err() != nil {
			return err
		}
		progress(fmt.Sprintf("try %d of %d failed, again in 5 s: %v", try, aptTries, err))
		select {
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
