package tools

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
	"strings"
)

// Plugin is one plugin binary to be installed into a PULUMI_HOME.
type Plugin struct {
	// Kind is "resource" or "language".
	Kind string
	// Name is the package's name, such as "command".
	Name string
	// Version is the version that the SDK asks for, with or without a v.
	Version string
	// Binary is the built file.
	Binary string
}

// The versions of the official SDKs whose plugins the drop-ins stand in for.
const (
	CommandVersion    = "v1.1.3"
	CloudflareVersion = "v5.49.1"
	KubernetesVersion = "v4.23.0"
)

// stampName is the file in a plugin's folder that says which binary was installed from outside: a plugin's version stays while its code changes.
const stampName = "havre.sha256"

// InstallPlugins installs plugins into a PULUMI_HOME with `pulumi plugin install --file`. A plugin whose binary is the installed one is left alone, so a
// second call costs one checksum a plugin. A running engine keeps the binary that it has started.
func InstallPlugins(ctx context.Context, pulumi, home string, plugins []Plugin) error {
	var errs []error
	for _, p := range plugins {
		if err := install(ctx, pulumi, home, p); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Folder returns where a plugin is installed in a PULUMI_HOME.
func (p Plugin) Folder(home string) string {
	return filepath.Join(home, "plugins", fmt.Sprintf("%s-%s-v%s", p.Kind, p.Name, strings.TrimPrefix(p.Version, "v")))
}

// File returns the installed binary's path in a PULUMI_HOME.
func (p Plugin) File(home string) string {
	return filepath.Join(p.Folder(home), "pulumi-"+p.Kind+"-"+p.Name)
}

func install(ctx context.Context, pulumi, home string, p Plugin) error {
	want, err := checksum(p.Binary)
	if err != nil {
		return fmt.Errorf("plugin %s: %w; build it first", p.Name, err)
	}
	stamp := filepath.Join(p.Folder(home), stampName)
	if have, err := os.ReadFile(stamp); err == nil && string(have) == want {
		if info, err := os.Stat(p.File(home)); err == nil && info.Mode().IsRegular() {
			return nil
		}
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return fmt.Errorf("plugin %s: %w", p.Name, err)
	}
	cmd := exec.CommandContext(ctx, pulumi, "plugin", "install", p.Kind, p.Name, "v"+strings.TrimPrefix(p.Version, "v"), "--reinstall", "--file", p.Binary)
	// Outside any project: pulumi would read a Pulumi.yaml in the working directory and its settings.
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "PULUMI_HOME="+home, "PULUMI_SKIP_UPDATE_CHECK=true", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("install plugin %s %s: %w\n%s", p.Name, p.Version, err, tail(string(output), tailLines))
	}
	have, err := checksum(p.File(home))
	if err != nil {
		return fmt.Errorf("install plugin %s %s: %w", p.Name, p.Version, err)
	}
	if have != want {
		return fmt.Errorf("install plugin %s %s: %s is not the binary %s; remove %s and try again", p.Name, p.Version, p.File(home), p.Binary, p.Folder(home))
	}
	if err := os.WriteFile(stamp, []byte(want), 0o644); err != nil {
		return fmt.Errorf("install plugin %s %s: %w", p.Name, p.Version, err)
	}
	return nil
}

// checksum returns the SHA-256 of a file in hex.
func checksum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
