// Package daemon is the sandbox as a process: the simulators, the registry, the mirror and the hosts behind them, kept running in the background
// between `make up` and `make down`. The one thing a reader would get wrong: it holds nothing that is not on disk. Hosts and the simulators' books
// outlive it, so that a daemon of a newer build takes over from an older one, or from one that was killed, with the cluster running on.
package daemon

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"havre/infra/sandbox/artifacts"
	"havre/infra/sandbox/host"
)

// Files in the sandbox's folder, build/local of the checkout.
const (
	stateFile    = "daemon.json"
	lockFile     = "daemon.lock"
	logFile      = "daemon.log"
	jobFile      = "job.json"
	settingsFile = "settings.json"
	previousFile = "settings-previous.json"
	keyFile      = "id_ed25519"
	bundleFile   = "ca-bundle.pem"
	knownFile    = "known_hosts"
	ovhFolder    = "ovh"
	cfFolder     = "cloudflare"
)

// databaseFolder holds the clusters behind managed databases, and Debian's PostgreSQL where the machine has none. It is no folder of the checkout, because
// PostgreSQL runs as nobody, who may not be able to enter one; and it is gone with the machine's next start, as the hosts' processes are.
const databaseFolder = "/run/havre-databases"

// Folder is the sandbox's folder in a checkout.
func Folder(root string) string { return filepath.Join(root, "build", "local") }

// State is what a daemon says of itself.
type State struct {
	Process host.Process `json:"process"`
	// Ready says that everything answers.
	Ready bool `json:"ready"`
	// Binary names the build of the daemon, so that an older one is replaced.
	Binary string `json:"binary"`
}

// Job is what `up` hands the daemon.
type Job struct {
	// Tree is the unpacked base file system.
	Tree      string              `json:"tree"`
	Catalogue artifacts.Catalogue `json:"catalogue"`
	// Cache keeps what databases are made of.
	Cache string `json:"cache"`
}

// Artifact is a binary of Settings.
type Artifact struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// Settings are what the sandbox hands to the program, under the keys of its configuration.
type Settings struct {
	SSHPrivateKey  string              `json:"sshPrivateKey"`
	SSHPublicKey   string              `json:"sshPublicKey"`
	ArtifactMirror string              `json:"artifactMirror"`
	Artifacts      map[string]Artifact `json:"artifacts"`
	ImageRegistry  string              `json:"imageRegistry"`
	// Images are references by digest of what the program names itself; kubeadm finds the control plane's by tag in ImageRegistry.
	Images map[string]string `json:"images"`
	// Those of the sandbox's object storage, which lets in whoever reaches it; what is in it is encrypted all the same.
	BackupAccessKey string `json:"backupAccessKey"`
	BackupSecretKey string `json:"backupSecretKey"`
	BackupPassword  string `json:"backupPassword"`
	// PodNetwork is what the sandbox was started with; empty for the description's own.
	PodNetwork string `json:"podNetwork,omitempty"`
	// KubernetesVersion is what the cluster begins with, such as 1.35.4; empty for the description's own.
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
}

// previous are the settings of a cluster of the minor version of Kubernetes before ours; false where the sandbox has none.
func (s Settings) previous() (Settings, bool) {
	before, found := s, false
	before.Artifacts = map[string]Artifact{}
	for name, artifact := range s.Artifacts {
		before.Artifacts[name] = artifact
	}
	for _, name := range artifacts.PreviousTools {
		if artifact, there := s.Artifacts[artifacts.Previous(name)]; there {
			before.Artifacts[name], found = artifact, true
		}
	}
	before.KubernetesVersion = strings.TrimPrefix(artifacts.PreviousKubernetes, "v")
	return before, found
}

// settingsImages are the images of Settings.
var settingsImages = []string{"renderer", "caddy", "coredns", "metrics-server", "kube-proxy", "cilium", "cilium-operator", "pause"}

func newSettings(catalogue artifacts.Catalogue, private, public string) Settings {
	settings := Settings{
		SSHPrivateKey: private, SSHPublicKey: public,
		ArtifactMirror: "http://" + artifacts.Mirror.String(), Artifacts: map[string]Artifact{},
		ImageRegistry: artifacts.Registry.String(), Images: map[string]string{},
		BackupAccessKey: "sandbox", BackupSecretKey: "sandbox",
	}
	// The same as long as the key is, so that a later run opens what an earlier one has left.
	password := sha256.Sum256([]byte("backup " + private))
	settings.BackupPassword = hex.EncodeToString(password[:])
	for name, artifact := range catalogue.Artifacts {
		settings.Artifacts[name] = Artifact{Path: artifact.Path, SHA256: artifact.SHA256}
	}
	references := catalogue.References()
	for _, name := range settingsImages {
		if reference, found := references[name]; found {
			settings.Images[name] = reference
		}
	}
	return settings
}

// sshKey reads the sandbox's key, or makes one: the private file and the public line.
func sshKey(folder string) (private, public string, err error) {
	path := filepath.Join(folder, keyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return "", "", fmt.Errorf("key: %w", err)
		}
		block, err := ssh.MarshalPrivateKey(key, "havre-sandbox")
		if err != nil {
			return "", "", fmt.Errorf("key: %w", err)
		}
		text = pem.EncodeToMemory(block)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return "", "", fmt.Errorf("key: %w", err)
		}
	} else if err != nil {
		return "", "", fmt.Errorf("key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return "", "", fmt.Errorf("key %s: %w; remove it and run make up again", path, err)
	}
	return string(text), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) + " havre-sandbox", nil
}

// Manager gives the hosts of a checkout's sandbox to whoever is to do to them what happens to real ones. Hosts are on record on the machine, not in the daemon, so
// both may work on them.
func Manager(root string) (*host.Manager, error) {
	folder := Folder(root)
	var job Job
	if found, err := host.ReadJSON(filepath.Join(folder, jobFile), &job); err != nil {
		return nil, err
	} else if !found || !Live(folder) {
		return nil, errors.New("the sandbox of this checkout is down; run make up")
	}
	return &host.Manager{Folder: folder, Tree: job.Tree}, nil
}

// Live says whether a folder's daemon runs.
func Live(folder string) bool {
	var state State
	found, err := host.ReadJSON(filepath.Join(folder, stateFile), &state)
	return err == nil && found && state.Process.Alive()
}

// claimFile is where the machine keeps the daemon that holds it, in case the daemon's own folder is deleted under it.
func claimFile() string { return filepath.Join(host.RunDir, "daemon.json") }

// orphan finds a daemon that runs on although its checkout was deleted.
func orphan() (host.Process, bool, error) {
	machine, found, err := host.ReadMachine(host.RunDir)
	if err != nil || !found {
		return host.Process{}, false, err
	}
	if _, err := os.Stat(filepath.Join(machine.Folder, jobFile)); err == nil {
		return host.Process{}, false, nil
	}
	var state State
	if _, err := host.ReadJSON(claimFile(), &state); err != nil {
		return host.Process{}, false, err
	}
	return state.Process, state.Process.Alive(), nil
}

// binaryID names a build of a program by its content: a build that changes nothing is no other.
func binaryID(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("daemon: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("daemon: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// logTail is the end of the daemon's log.
func logTail(folder string) string {
	text, err := os.ReadFile(filepath.Join(folder, logFile))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}
