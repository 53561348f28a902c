package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"havre/infra/sandbox/network"
)

// Spec is what an installation is asked for.
type Spec struct {
	// Service is the service's name at OVH, which is the host's identity here.
	Service string `json:"service"`
	// Hostname is what the host calls itself; Service where it is empty.
	Hostname string `json:"hostname"`
	// Port is its place in the networks.
	Port network.Port `json:"port"`
	// AuthorizedKeys are lines of authorized_keys for the user debian.
	AuthorizedKeys []string `json:"authorizedKeys"`
	// PostInstall is a script that runs once as root before sshd starts for the first time; "" for none.
	PostInstall string `json:"postInstall,omitempty"`
}

// Record is what the machine must know of a host to find, adopt or remove it. It is written before anything is made, so that whatever a killed
// daemon leaves behind is known.
type Record struct {
	Spec Spec `json:"spec"`
	// Boot is the machine's boot at which the processes ran; after another they are gone.
	Boot string `json:"boot"`
	// Supervisor is the shell that runs systemd-nspawn, whose only child is the host's pid 1. Zero while the host is off.
	Supervisor Process `json:"supervisor"`
	// Disk is the folder that holds all the host ever writes.
	Disk string `json:"disk"`
	// Cgroups are the host's own, one in every hierarchy.
	Cgroups []string `json:"cgroups"`
	// HostKey is the public key of its sshd as in known_hosts: "ssh-ed25519 AAAA…".
	HostKey string `json:"hostKey"`
}

// Running says whether the host is up.
func (r Record) Running() bool { return r.Supervisor.Alive() }

// processes are systemd-nspawn and the host's pid 1, as the machine sees them: the supervisor's child and its child. up is false while the
// host is off or between two starts.
func (r Record) processes() (nspawn, init Process, up bool) {
	for _, child := range r.Supervisor.children() {
		for _, grandchild := range child.children() {
			return child, grandchild, true
		}
	}
	return Process{}, Process{}, false
}

// root is where the host's file system is put together.
func (r Record) root() string { return filepath.Join(r.Disk, "root") }

// Name is the host's name as it is now: the one that the bootstrap gave it, else the one it was installed with. A VPS is installed under a name of
// OVH's choice.
func (r Record) Name() string {
	text, err := os.ReadFile(filepath.Join(r.root(), "etc", "hostname"))
	if name := strings.TrimSpace(string(text)); err == nil && name != "" {
		return name
	}
	return r.Spec.Hostname
}

// Console is the file with what the host printed while it booted.
func (r Record) Console() string { return filepath.Join(r.Disk, "console.log") }

// Machine is what the machine was like before the sandbox, and whose sandbox it is.
type Machine struct {
	// Folder is the sandbox's folder in the checkout that started it.
	Folder string `json:"folder"`
	// Boot is the machine's boot at which the rest was read.
	Boot            string                  `json:"boot"`
	Kernel          network.Kernel          `json:"kernel"`
	NamespaceFolder network.NamespaceFolder `json:"namespaceFolder"`
}

// RunDir is where records are kept: one place a machine, not one a checkout, because there is one pair of bridges a machine. A checkout that was
// removed while its sandbox ran can thus be cleaned up after from any other.
const RunDir = "/run/havre"

// BootID names the machine's present boot.
func BootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("boot: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// WriteJSON replaces a file at once, so that a reader sees the old or the new one and never half of it.
func WriteJSON(path string, value any, mode fs.FileMode) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("file %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("file %s: %w", path, err)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("file %s: %w", path, err)
	}
	_, err = temp.Write(append(text, '\n'))
	if err = errors.Join(err, temp.Chmod(mode), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("file %s: %w", path, err), os.Remove(temp.Name()))
	}
	return nil
}

// ReadJSON reads what WriteJSON wrote; found is false where there is no such file.
func ReadJSON(path string, value any) (found bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("file %s: %w", path, err)
	}
	if err := json.Unmarshal(text, value); err != nil {
		return false, fmt.Errorf("file %s: %w; remove it if the sandbox is down", path, err)
	}
	return true, nil
}

func recordPath(runDir string, port network.Port) string {
	return filepath.Join(runDir, "hosts", port.Namespace()+".json")
}

// List reads the records of all hosts in runDir, sorted by address.
func List(runDir string) ([]Record, error) {
	paths, err := filepath.Glob(filepath.Join(runDir, "hosts", "hv*.json"))
	if err != nil {
		return nil, fmt.Errorf("hosts: %w", err)
	}
	var records []Record
	for _, path := range paths {
		var record Record
		found, err := ReadJSON(path, &record)
		if err != nil {
			return nil, err
		}
		if found {
			records = append(records, record)
		}
	}
	slices.SortFunc(records, func(a, b Record) int { return a.Spec.Port.Address.Compare(b.Spec.Port.Address) })
	return records, nil
}

// ReadMachine reads whose sandbox the machine carries; found is false where it carries none.
func ReadMachine(runDir string) (machine Machine, found bool, err error) {
	found, err = ReadJSON(filepath.Join(runDir, "machine.json"), &machine)
	return machine, found, err
}
