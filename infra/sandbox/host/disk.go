package host

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// mountSource is the source by which a host's overlay is known in the list of mounts.
func mountSource(namespace string) string { return "havre-" + namespace }

// Mounts lists the mount points of all hosts' overlays on the machine, recorded or not.
func Mounts() ([]string, error) {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("mounts: %w", err)
	}
	return ourMounts(string(text)), nil
}

func ourMounts(mounts string) []string {
	var found []string
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) > 2 && fields[2] == "overlay" && ourCgroup.MatchString(fields[0]) {
			// The kernel writes a blank and its like as three octal digits.
			point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(fields[1])
			found = append(found, point)
		}
	}
	return found
}

// overlayOptions are the mount's data. A colon separates lower layers and a comma options, so both are escaped in a path.
func overlayOptions(tree, disk string) string {
	escape := strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`).Replace
	return "lowerdir=" + escape(tree) + ",upperdir=" + escape(filepath.Join(disk, "upper")) + ",workdir=" + escape(filepath.Join(disk, "work"))
}

// mount puts the host's file system together: the base below, its own disk above.
func (r Record) mount(tree string) error {
	for _, name := range []string{"upper", "work", "root", "containerd", "kubelet"} {
		if err := os.MkdirAll(filepath.Join(r.Disk, name), 0o755); err != nil {
			return fmt.Errorf("host %s: disk: %w", r.Spec.Service, err)
		}
	}
	if err := unix.Mount(mountSource(r.Spec.Port.Namespace()), r.root(), "overlay", 0, overlayOptions(tree, r.Disk)); err != nil {
		return fmt.Errorf("host %s: mount %s on %s: %w; the folder must be on a plain file system, such as ext4 or xfs", r.Spec.Service, tree, r.root(), err)
	}
	return nil
}

// unmount takes the host's file system apart. A mount that is still busy for a moment after the host's end is waited for.
func unmount(point string) error {
	deadline := time.Now().Add(5 * time.Second)
	for {
		err := unix.Unmount(point, unix.UMOUNT_NOFOLLOW)
		if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			return nil // EINVAL: it is no mount point
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("unmount %s: %w", point, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// user is the administrator of OVH's Debian image.
const user = "debian"

// install writes what makes this host itself, before it boots for the first time. It returns the public host key.
func (r Record) install() (hostKey string, err error) {
	root := r.root()
	write := func(path, text string, mode fs.FileMode) {
		path = filepath.Join(root, path)
		err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode))
	}
	public, private, err := newHostKey()
	if err != nil {
		return "", err
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", fmt.Errorf("machine-id: %w", err)
	}
	hostname := r.Spec.hostname()
	write("etc/machine-id", hex.EncodeToString(id[:])+"\n", 0o444)
	write("etc/hostname", hostname+"\n", 0o644)
	write("etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\t"+hostname+"\n", 0o644)
	// Nobody serves names there: a lookup is refused at once, as it would not be with an address that does not answer.
	write("etc/resolv.conf", "nameserver 198.51.100.1\n", 0o644)
	write("etc/ssh/ssh_host_ed25519_key", private, 0o600)
	write("etc/ssh/ssh_host_ed25519_key.pub", public+"\n", 0o644)
	write("home/"+user+"/.ssh/authorized_keys", strings.Join(r.Spec.AuthorizedKeys, "\n")+"\n", 0o600)
	if r.Spec.PostInstall != "" {
		write("usr/local/sbin/post-install", r.Spec.PostInstall, 0o700)
		write("etc/systemd/system/post-install.service", postInstallUnit, 0o644)
		wants := filepath.Join(root, "etc/systemd/system/multi-user.target.wants")
		err = errors.Join(err, os.MkdirAll(wants, 0o755), os.Symlink("../post-install.service", filepath.Join(wants, "post-install.service")))
	}
	for _, dir := range []string{"var/lib/containerd", "var/lib/kubelet"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	if err != nil {
		return "", fmt.Errorf("host %s: install: %w", r.Spec.Service, err)
	}
	uid, gid, err := account(filepath.Join(root, "etc/passwd"), user)
	if err != nil {
		return "", fmt.Errorf("host %s: install: %w", r.Spec.Service, err)
	}
	if err := os.Chown(filepath.Join(root, "home", user, ".ssh", "authorized_keys"), uid, gid); err != nil {
		return "", fmt.Errorf("host %s: install: %w", r.Spec.Service, err)
	}
	return public, nil
}

// postInstallUnit runs the script that came with the order of installation before anybody can log in, as OVH's installer does.
const postInstallUnit = `[Unit]
Description=Script given with the installation
ConditionPathExists=!/var/lib/post-install.done
Before=ssh.service
After=local-fs.target

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/post-install
ExecStartPost=/usr/bin/touch /var/lib/post-install.done

[Install]
WantedBy=multi-user.target
`

func (s Spec) hostname() string {
	if s.Hostname != "" {
		return s.Hostname
	}
	return s.Service
}

// newHostKey makes an ed25519 key of sshd: the public line and the private file.
func newHostKey() (public, private string, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("host key: %w", err)
	}
	sshPublic, err := ssh.NewPublicKey(pub)
	if err != nil {
		return "", "", fmt.Errorf("host key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return "", "", fmt.Errorf("host key: %w", err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshPublic))), string(pem.EncodeToMemory(block)), nil
}

// account finds a user's numbers in a passwd file.
func account(passwd, name string) (uid, gid int, err error) {
	file, err := os.Open(passwd)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) < 4 || fields[0] != name {
			continue
		}
		uid, err1 := strconv.Atoi(fields[2])
		gid, err2 := strconv.Atoi(fields[3])
		return uid, gid, errors.Join(err1, err2)
	}
	return 0, 0, fmt.Errorf("user %s: not in %s; the base file system is broken, remove it from the cache", name, passwd)
}
