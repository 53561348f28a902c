// Package base makes the file system that every sandbox host starts from: Debian 12 as OVH's image has it, with the packages of the bootstrap
// already in it, because a host has no way out to fetch any. The one thing a reader would get wrong: what those packages run is switched off in
// it. On a fresh server containerd or haproxy come to life only when the bootstrap installs and starts them, and so it must be here, or a
// bootstrap that forgets to would pass.
package base

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Suite is Debian 12, which OVH offers for dedicated servers and VPS alike.
const Suite = "bookworm"

// image are the packages of OVH's image, as far as they matter here.
var image = []string{
	"apt", "bash-completion", "ca-certificates", "cron", "curl", "dbus", "ifupdown", "init", "iproute2", "iputils-ping", "kmod", "less", "libpam-systemd",
	"lsb-release", "netbase", "openssh-server", "openssh-client", "procps", "sudo", "systemd", "systemd-sysv", "tzdata", "vim-tiny", "xz-utils",
}

// bootstrap are the packages that the bootstrap installs on a real server.
var bootstrap = []string{
	"chrony", "conntrack", "containerd", "containernetworking-plugins", "ethtool", "haproxy", "ipset", "iptables", "jq", "lynis", "nftables", "openssl",
	"restic", "runc", "socat", "unattended-upgrades", "wireguard-tools",
}

// off are the units that a bootstrap enables. The packages' own installation has enabled them already.
var off = []string{"chrony.service", "containerd.service", "haproxy.service", "nftables.service", "cron.service", "lynis.timer", "unattended-upgrades.service"}

// masked are units that cannot work in a host that is a namespace: logind wants seats, and the timers of apt and man would fetch and sort at the
// same minute on every host.
var masked = []string{
	"systemd-logind.service", "systemd-udevd.service", "systemd-timesyncd.service", "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer",
	"getty@.service", "console-getty.service", "networking.service",
}

// hostUnit gives a host what a machine's own systemd does and one in a namespace does not: shared mount propagation, which kubelet wants, and
// cgroups that can be written, which it makes pods in.
const hostUnit = `[Unit]
Description=Mounts as on a machine of its own
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/mount --make-rshared /
ExecStart=/bin/sh -ec 'for m in /sys/fs/cgroup/*; do if mountpoint -q "$m"; then mount -o remount,bind,rw "$m"; fi; done'

[Install]
WantedBy=sysinit.target
`

// Packages are all packages of the base, in the order in which mmdebstrap gets them.
func Packages() []string { return append(append([]string{}, image...), bootstrap...) }

// script runs inside the new file system's root, as its last step.
func script() string {
	var b strings.Builder
	b.WriteString("set -eu\n")
	b.WriteString("useradd --create-home --shell /bin/bash --groups sudo debian\n")
	b.WriteString("printf 'debian ALL=(ALL) NOPASSWD:ALL\\n' > /etc/sudoers.d/90-debian\nchmod 0440 /etc/sudoers.d/90-debian\n")
	b.WriteString("install -d -m 0700 -o debian -g debian /home/debian/.ssh\n")
	fmt.Fprintf(&b, "systemctl disable %s\n", strings.Join(off, " "))
	fmt.Fprintf(&b, "systemctl mask %s\n", strings.Join(masked, " "))
	fmt.Fprintf(&b, "cat > /etc/systemd/system/host-mounts.service <<'UNIT'\n%sUNIT\nsystemctl enable host-mounts.service ssh.service\n", hostUnit)
	// A login must not wait for a name server that is not there, nor for a logind that is masked.
	b.WriteString("printf 'UseDNS no\\n' > /etc/ssh/sshd_config.d/10-host.conf\n")
	b.WriteString("sed -i '/pam_systemd/d' /etc/pam.d/common-session\n")
	// The mirror and proxy of the machine that built the base are nobody's business, and there is no way to them.
	b.WriteString("rm -rf /etc/apt/apt.conf.d/99mmdebstrap /etc/apt/sources.list.d/* /etc/apt/auth.conf.d/*\n")
	b.WriteString("printf '# A sandbox host has no way to a mirror; what the bootstrap installs is here already.\\n' > /etc/apt/sources.list\n")
	// Made anew for each host.
	b.WriteString("rm -f /etc/ssh/ssh_host_* /etc/machine-id /var/lib/dbus/machine-id /etc/hostname /etc/resolv.conf\n")
	b.WriteString("rm -rf /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /var/cache/apt/*.bin /var/log/*.log /var/log/apt/*\n")
	return b.String()
}

// Key names a base by what goes into it, so that a changed list of packages makes another.
func Key() string {
	sum := sha256.Sum256([]byte(Suite + "\n" + strings.Join(Packages(), "\n") + "\n" + script()))
	return hex.EncodeToString(sum[:8])
}

// Builder makes bases in a cache folder.
type Builder struct {
	// Cache is a folder on a plain file system, which can carry the lower layer of an overlay.
	Cache string
	// Progress is told what is being done, a line at a time; nil for silence.
	Progress func(string)
	// Retry is the pause before another try after apt failed; a mirror's hiccup is over in seconds. 0 means 5 s.
	Retry time.Duration
}

// Archive is the path of the base's tar.
func (b Builder) Archive() string { return filepath.Join(b.Cache, "sandbox", "base-"+Key()+".tar") }

// Tree is the path of the unpacked base: the lower layer of every host, never written to.
func (b Builder) Tree() string { return filepath.Join(b.Cache, "sandbox", "base-"+Key()) }

// tries is how often mmdebstrap may fail before the error is passed on.
const tries = 3

// Make builds and unpacks the base where the cache does not have it, and returns Tree. Root is needed.
func (b Builder) Make(ctx context.Context) (string, error) {
	if _, err := os.Stat(b.Tree()); err == nil {
		return b.Tree(), nil
	}
	if err := os.MkdirAll(filepath.Dir(b.Tree()), 0o755); err != nil {
		return "", fmt.Errorf("base file system: %w", err)
	}
	unlock, err := b.lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	// Another checkout may have made it while this one waited; and what a killed build left is nobody's now.
	if _, err := os.Stat(b.Tree()); err == nil {
		return b.Tree(), nil
	}
	for _, pattern := range []string{"build-*", "unpack-*"} {
		stale, err := filepath.Glob(filepath.Join(filepath.Dir(b.Tree()), pattern))
		if err != nil {
			return "", fmt.Errorf("base file system: %w", err)
		}
		for _, dir := range stale {
			if err := removeTree(dir); err != nil {
				return "", err
			}
		}
	}
	if _, err := os.Stat(b.Archive()); errors.Is(err, os.ErrNotExist) {
		if err := b.build(ctx); err != nil {
			return "", err
		}
	}
	return b.Tree(), b.unpack(ctx)
}

func (b Builder) say(format string, args ...any) {
	if b.Progress != nil {
		b.Progress(fmt.Sprintf(format, args...))
	}
}

func (b Builder) build(ctx context.Context) (err error) {
	config, err := exec.CommandContext(ctx, "apt-config", "dump", "Acquire").Output()
	if err != nil {
		return fmt.Errorf("base file system: apt-config dump: %w; this needs a Debian machine", err)
	}
	sources, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages").Output()
	if err != nil {
		return fmt.Errorf("base file system: apt-get indextargets: %w", err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(b.Archive()), "build-")
	if err != nil {
		return fmt.Errorf("base file system: %w", err)
	}
	defer func() { err = errors.Join(err, removeTree(temp)) }()
	hook := filepath.Join(temp, "customize")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\nexec chroot \"$1\" /bin/sh -s <<'CUSTOMIZE'\n"+script()+"CUSTOMIZE\n"), 0o755); err != nil {
		return fmt.Errorf("base file system: %w", err)
	}
	archive := filepath.Join(temp, "base.tar")
	pause := b.Retry
	if pause == 0 {
		pause = 5 * time.Second
	}
	for try := 1; ; try++ {
		err := b.mmdebstrap(ctx, temp, arguments(hook, archive, options(string(config)), mirrors(string(sources))))
		if err == nil {
			break
		}
		if try == tries || ctx.Err() != nil {
			return err
		}
		b.say("try %d of %d failed, again in %s: %v", try, tries, pause, err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := os.Rename(archive, b.Archive()); err != nil {
		return fmt.Errorf("base file system: %w", err)
	}
	return nil
}

// arguments are those of mmdebstrap.
func arguments(hook, archive string, options, mirrors []string) []string {
	args := []string{
		"--mode=root", "--variant=minbase", "--format=tar",
		"--include=" + strings.Join(Packages(), ","),
		"--dpkgopt=force-confold",
		"--customize-hook=" + hook,
	}
	for _, option := range options {
		args = append(args, "--aptopt="+option)
	}
	return append(append(args, Suite, archive), mirrors...)
}

// options are the settings of the machine's apt that say how to reach mirrors, from `apt-config dump`: mmdebstrap's apt does not read them itself.
func options(dump string) []string {
	found := []string{`Acquire::Retries "5"`}
	for line := range strings.Lines(dump) {
		line = strings.TrimSuffix(strings.TrimSpace(line), ";")
		name, value, _ := strings.Cut(line, " ")
		lower := strings.ToLower(name)
		proxy := strings.HasPrefix(lower, "acquire::http") && !strings.HasSuffix(name, "::")
		check := lower == "acquire::check-valid-until" || lower == "acquire::check-date"
		if (proxy || check) && value != `""` && value != "" {
			found = append(found, name+" "+value)
		}
	}
	return found
}

// mirrors are the lines of sources.list for the base, from the machine's own sources as `apt-get indextargets` prints them: those of Debian's
// suite, which every other repository of the machine (of an editor, of a cloud) is not. None where the machine has another suite; then
// mmdebstrap takes Debian's default mirror.
func mirrors(targets string) []string {
	var lines []string
	seen := map[string]bool{}
	for line := range strings.Lines(targets) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "main" {
			continue
		}
		if release := fields[1]; release != Suite && release != Suite+"-updates" && release != Suite+"-security" {
			continue
		}
		if line := "deb " + strings.Join(fields, " "); !seen[line] {
			seen[line] = true
			lines = append(lines, line)
		}
	}
	for _, line := range lines {
		if strings.HasSuffix(line, " "+Suite+" main") {
			return lines
		}
	}
	return nil
}

func (b Builder) mmdebstrap(ctx context.Context, temp string, args []string) error {
	command := exec.CommandContext(ctx, "mmdebstrap", args...)
	command.Env = append(os.Environ(), "TMPDIR="+temp, "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")
	tail := &progress{say: func(line string) {
		if step, found := strings.CutPrefix(line, "I: "); found {
			b.say("%s", step)
		}
	}}
	command.Stdout, command.Stderr = tail, tail
	// mmdebstrap undoes its mounts when it is interrupted, not when it is killed.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 30 * time.Second
	if err := command.Run(); err != nil {
		return fmt.Errorf("base file system: mmdebstrap: %w; it said last:\n%s", err, tail.last())
	}
	return nil
}

// unpack goes by way of another name, so that a tree that is there is whole.
func (b Builder) unpack(ctx context.Context) (err error) {
	b.say("unpacking the base file system")
	temp, err := os.MkdirTemp(filepath.Dir(b.Tree()), "unpack-")
	if err != nil {
		return fmt.Errorf("base file system: %w", err)
	}
	defer func() { err = errors.Join(err, removeTree(temp)) }()
	if err := os.Chmod(temp, 0o755); err != nil {
		return fmt.Errorf("base file system: %w", err)
	}
	out, err := exec.CommandContext(ctx, "tar", "--extract", "--numeric-owner", "--preserve-permissions", "--xattrs", "--xattrs-include=*",
		"--exclude=./dev/*", "--file", b.Archive(), "--directory", temp).CombinedOutput()
	if err != nil {
		return fmt.Errorf("base file system: unpack %s: %w: %s; remove that file and try again", b.Archive(), err, strings.TrimSpace(string(out)))
	}
	if err := os.Rename(temp, b.Tree()); err != nil {
		return fmt.Errorf("base file system: %w", err)
	}
	return nil
}

// lock waits for another build in the same cache. The kernel frees it when the process ends, however it ends.
func (b Builder) lock() (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(filepath.Dir(b.Tree()), "base.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("base file system: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("base file system: lock %s: %w", file.Name(), err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

// removeTree deletes a folder in which a file system was put together. What is still mounted in it goes first, or the machine's own /dev would be
// emptied with it.
func removeTree(dir string) error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return fmt.Errorf("base file system: %w", err)
	}
	points := mountsBelow(string(mounts), dir)
	for _, point := range points {
		if err := unix.Unmount(point, unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("base file system: %s is still mounted: %w; unmount it, then remove %s", point, err, dir)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("base file system: %w", err)
	}
	return nil
}

// mountsBelow lists the mount points in a folder, the last mounted first.
func mountsBelow(mounts, dir string) []string {
	var points []string
	for line := range strings.Lines(mounts) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
			points = append(points, fields[1])
		}
	}
	slices.Reverse(points)
	return points
}

// progress hands on whole lines and remembers the last of them.
type progress struct {
	say     func(string)
	partial string
	lines   []string
}

var _ io.Writer = (*progress)(nil)

// remembered is how many lines of output an error repeats: apt says what failed some lines before it gives up.
const remembered = 12

func (p *progress) Write(text []byte) (int, error) {
	p.partial += string(text)
	for {
		line, rest, found := strings.Cut(p.partial, "\n")
		if !found {
			return len(text), nil
		}
		p.partial = rest
		line = strings.TrimRight(line[strings.LastIndexByte(strings.TrimRight(line, "\r"), '\r')+1:], "\r")
		if p.lines = append(p.lines, line); len(p.lines) > remembered {
			p.lines = p.lines[1:]
		}
		p.say(line)
	}
}

func (p *progress) last() string { return strings.Join(p.lines, "\n") }
