// Package ansible is the bootstrap of package bootstrap as an Ansible user would write it: an inventory, a playbook of two plays, and templates. The one thing a
// reader would get wrong: it is here to be compared with, so it has every advantage that Ansible's own settings give (as many forks as hosts, pipelining, one
// connection a host that stays open, no facts gathered, no module but ansible-core's), and where a step does nothing on the hosts of the sandbox (swap,
// cloud-init), the playbook has no task for it. Both are made from the same plan, so a host's files come out the same; make bench compares them and says where not.
//
// It is written as JSON, which Ansible reads as the YAML that it is.
package ansible

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"havre/infra/bench/bootstrap"
)

//go:embed templates
var templates embed.FS

// Access is how Ansible gets at the hosts.
type Access struct {
	// KeyFile is the administrator's private key, KnownHosts the file that pins the hosts' own.
	KeyFile, KnownHosts string
}

// Write makes a folder with everything that Run needs: ansible.cfg, inventory.json, site.json, files and templates.
func Write(folder string, fleet bootstrap.Fleet, access Access) error {
	inventory, err := NewInventory(fleet, access)
	if err != nil {
		return err
	}
	texts := map[string][]byte{configFile: []byte(configuration(len(inventory.All.Hosts)))}
	for name, value := range map[string]any{inventoryFile: inventory, playbookFile: Playbook()} {
		text, err := json.MarshalIndent(value, "", "  ")
		if err != nil {
			return fmt.Errorf("ansible: %s: %w", name, err)
		}
		texts[name] = append(text, '\n')
	}
	copied, err := files()
	if err != nil {
		return err
	}
	for name, text := range copied {
		texts[filepath.Join("files", name)] = []byte(text)
	}
	rendered, err := generated()
	if err != nil {
		return err
	}
	for name, text := range rendered {
		texts[filepath.Join("templates", name)] = []byte(text)
	}
	entries, err := fs.ReadDir(templates, "templates")
	if err != nil {
		return fmt.Errorf("ansible: %w", err)
	}
	for _, entry := range entries {
		name := "templates/" + entry.Name()
		if texts[name], err = templates.ReadFile(name); err != nil {
			return fmt.Errorf("ansible: %w", err)
		}
	}
	var errs []error
	for name, text := range texts {
		path := filepath.Join(folder, name)
		errs = append(errs, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o644))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("ansible: %w", err)
	}
	return nil
}
