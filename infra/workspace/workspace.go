// Package workspace knows where things lie in a checkout, and which environment Pulumi and its plugins need there. Everything that a run
// makes goes under build/ and bin/, so that removing the two leaves the checkout as it was cloned. The one thing a reader would get wrong: the
// environment is not only a convenience. PULUMI_HOME is the project's own, so that neither the plugins nor the credentials of the engineer's
// other projects are touched, and that of stack local leads to the simulators.
package workspace

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Workspace is one checkout of havre.
type Workspace struct {
	// Root is the absolute path of the checkout.
	Root string
	// Cache is the folder outside the checkout that keeps what is dear to build: tools, the base file system, images.
	Cache string
}

// Open finds the checkout that holds dir: the nearest folder upwards whose go.mod is havre's.
// The cache is XDG_CACHE_HOME/havre, or havre in the user's cache folder.
func Open(dir string) (Workspace, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return Workspace{}, fmt.Errorf("checkout: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Workspace{}, fmt.Errorf("cache folder: %w; set HOME or XDG_CACHE_HOME", err)
	}
	for at := absolute; ; at = filepath.Dir(at) {
		module, err := moduleOf(filepath.Join(at, "go.mod"))
		if err != nil {
			return Workspace{}, err
		}
		if module == "havre" {
			return Workspace{Root: at, Cache: filepath.Join(cache, "havre")}, nil
		}
		if at == filepath.Dir(at) {
			return Workspace{}, fmt.Errorf("folder %s: no checkout of havre here or above (a go.mod of module havre); change into one", absolute)
		}
	}
}

// moduleOf reads the module's path from a go.mod; "" where there is no such file.
func moduleOf(path string) (string, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("checkout: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if module, found := strings.CutPrefix(lines.Text(), "module "); found {
			return strings.TrimSpace(module), nil
		}
	}
	return "", lines.Err()
}

// Path is a path below the checkout.
func (w Workspace) Path(elements ...string) string {
	return filepath.Join(append([]string{w.Root}, elements...)...)
}

// Bin is the path of a binary of the project: bin/NAME.
func (w Workspace) Bin(name string) string { return w.Path("bin", name) }

// PulumiHome is Pulumi's home of this checkout: its plugins and its credentials.
func (w Workspace) PulumiHome() string { return w.Path("build", "pulumi") }

// Local is the folder of the running sandbox: keys, settings, logs and the simulators' data.
func (w Workspace) Local() string { return w.Path("build", "local") }

// Settings is the file in which the sandbox hands the program what it made: keys, checksums and image digests.
func (w Workspace) Settings() string { return w.Path("build", "local", "settings.json") }

// PreviousSettings are those of a cluster that begins with the minor version of Kubernetes before ours, where the sandbox was started so.
func (w Workspace) PreviousSettings() string {
	return w.Path("build", "local", "settings-previous.json")
}

// Kubeconfig is the file through which kubectl reaches stack local's cluster.
func (w Workspace) Kubeconfig() string { return w.Path("build", "local", "kubeconfig") }

// StateFile is the file of the file backend that holds a stack's state.
func (w Workspace) StateFile(stack string) string {
	return w.Path("build", "state", ".pulumi", "stacks", "havre", stack+".json")
}

// Addresses of the sandbox on this machine. They are fixed, so that a printed command works in every shell.
const (
	// OVHEndpoint is where the OVH simulator answers.
	OVHEndpoint = "http://127.0.0.1:19080/1.0"
	// CloudflareHostname is where the Cloudflare simulator answers, over TLS.
	CloudflareHostname = "127.0.0.1:19443"
	// Jump is the proxy through which the cluster's API is reached.
	Jump = "127.0.0.1:19090"
	// Passphrase encrypts the secrets of stack local. It protects nothing that outlives the sandbox, and is therefore no secret itself.
	Passphrase = "local-sandbox"
	// CloudflareToken opens the Cloudflare simulator; it has the form of a real one, which clients check.
	CloudflareToken = "sandbox-cloudflare-token-0123456789abcdef"
)

// pulumi is the environment of every run of Pulumi in this checkout, whichever the stack.
func (w Workspace) pulumi() map[string]string {
	return map[string]string{
		"PULUMI_HOME": w.PulumiHome(),
		// A missing plugin fails at once, and names itself, rather than after five tries at a download.
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		"PULUMI_IGNORE_AMBIENT_PLUGINS":               "true",
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
		"PULUMI_COPILOT":                              "false",
		// Engine, plugins and program live for seconds: collecting garbage a quarter as often saves a tenth of their time for some memory.
		"GOGC": "400",
	}
}

// Simulators says where the simulators of one run answer, and where that run keeps its settings and the certificates to trust.
type Simulators struct {
	// OVH is the endpoint with its /1.0; Cloudflare is host:port.
	OVH, Cloudflare string
	// Folder holds settings.json and ca-bundle.pem.
	Folder string
}

// Sandbox is where the simulators of the running sandbox answer.
func (w Workspace) Sandbox() Simulators {
	return Simulators{OVH: OVHEndpoint, Cloudflare: CloudflareHostname, Folder: w.Local()}
}

// env is the environment of a run against simulators, under the names that the field's own tools read. Its values are no secrets: they open
// nothing but a simulator on this machine.
func (s Simulators) env() map[string]string {
	return map[string]string{
		"OVH_ENDPOINT":             s.OVH,
		"OVH_APPLICATION_KEY":      "sandbox-application-key",
		"OVH_APPLICATION_SECRET":   "sandbox-application-secret",
		"OVH_CONSUMER_KEY":         "sandbox-consumer-key",
		"OVHMETAL_POLL":            "0.2",
		"OVHMETAL_RATE":            "200",
		"OVHMETAL_CACHE":           filepath.Join(s.Folder, "ovhmetal"),
		"CLOUDFLARE_API_TOKEN":     CloudflareToken,
		"CLOUDFLARE_API_HOSTNAME":  s.Cloudflare,
		"CLOUDFLARE_API_BASE_PATH": "/client/v4",
		"SSL_CERT_FILE":            filepath.Join(s.Folder, "ca-bundle.pem"),
		"HAVRE_SETTINGS":           filepath.Join(s.Folder, "settings.json"),
		"PULUMI_CONFIG_PASSPHRASE": Passphrase,
	}
}

// LocalEnv is the environment of stack local, as bin/env exports it.
func (w Workspace) LocalEnv() map[string]string {
	env := w.pulumi()
	maps.Copy(env, w.Sandbox().env())
	env["PULUMI_BACKEND_URL"] = "file://" + w.Path("build", "state")
	env["KUBECONFIG"] = w.Kubeconfig()
	return env
}

// Preview is the folder of `make preview`: a backend and settings of its own, so that looking at a stack never touches the state of one.
func (w Workspace) Preview() string { return w.Path("build", "preview") }

// PreviewEnv is the environment of `make preview` against the simulators given.
func (w Workspace) PreviewEnv(simulators Simulators) map[string]string {
	env := w.pulumi()
	maps.Copy(env, simulators.env())
	env["PULUMI_BACKEND_URL"] = "file://" + filepath.Join(w.Preview(), "state")
	return env
}

// Environ is the process's own environment with env laid over it and bin/ first on the path.
func (w Workspace) Environ(env map[string]string) []string {
	merged := map[string]string{}
	for _, entry := range os.Environ() {
		if name, value, found := strings.Cut(entry, "="); found {
			merged[name] = value
		}
	}
	maps.Copy(merged, env)
	merged["PATH"] = w.Path("bin") + string(os.PathListSeparator) + merged["PATH"]
	list := make([]string, 0, len(merged))
	for _, name := range slices.Sorted(maps.Keys(merged)) {
		list = append(list, name+"="+merged[name])
	}
	return list
}

// EnvScript is the text of bin/env, to be sourced by bash or zsh.
func (w Workspace) EnvScript() string {
	var b strings.Builder
	b.WriteString("# Made by havre: the environment of stack local. Use it as: source bin/env\n")
	fmt.Fprintf(&b, "export PATH=%s:\"$PATH\"\n", quote(w.Path("bin")))
	env := w.LocalEnv()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(&b, "export %s=%s\n", name, quote(env[name]))
	}
	return b.String()
}

// quote makes one word of a value for a POSIX shell.
func quote(value string) string { return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'" }

// Prepare makes the folders that Pulumi expects, and bin/env.
//
// Pulumi writes an encrypted copy of every call between engine and plugins to PULUMI_HOME/logs, unasked; at 200 hosts that cost 40 % of the
// engine's time in a measurement. There is no switch; where the folder cannot be made Pulumi goes on without, so a file stands in its place.
func (w Workspace) Prepare() error {
	for _, folder := range []string{w.Path("bin"), w.Path("build", "state"), filepath.Join(w.Preview(), "state"), w.PulumiHome(), w.Local()} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("workspace: %w", err)
		}
	}
	logs := filepath.Join(w.PulumiHome(), "logs")
	if _, err := os.Lstat(logs); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(logs, []byte("a file, so that no log of every call is written here\n"), 0o444); err != nil {
			return fmt.Errorf("workspace: %w", err)
		}
	}
	if err := os.WriteFile(w.Bin("env"), []byte(w.EnvScript()), 0o644); err != nil {
		return fmt.Errorf("workspace: %w", err)
	}
	return nil
}
