package comparison

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"havre/infra/bench/ansible"
	"havre/infra/bench/bootstrap"
	"havre/infra/bench/fleet"
	"havre/infra/bench/project"
)

// pulumi is this program: the real engine with the real plugin for commands, on a new state.
type pulumi struct{ project *project.Project }

func newPulumi(ctx context.Context, o Options, m *machines) (*pulumi, error) {
	p, err := project.New(ctx, o.Workspace, filepath.Join(m.folder, Havre), project.Options{Stack: fleet.Name, Program: o.Program, BudgetEuros: fleet.Budget})
	if err != nil {
		return nil, err
	}
	// Its simulators are for nothing here.
	p.Close()
	// The state is written at every step, as in production.
	delete(p.Env, "PULUMI_SKIP_CHECKPOINTS")
	maps.Copy(p.Env, o.Env)
	p.Env[bootstrap.FleetVariable] = filepath.Join(p.Folder, "fleet.json")
	settings, err := json.Marshal(map[string]string{"sshPrivateKey": m.private})
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return &pulumi{p}, os.WriteFile(p.Settings, settings, 0o600)
}

func (p *pulumi) prepare(fleet bootstrap.Fleet) error {
	text, err := json.Marshal(fleet)
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	return os.WriteFile(p.project.Env[bootstrap.FleetVariable], text, 0o644)
}

func (p *pulumi) apply(ctx context.Context, unchanged bool) error {
	args := []string{"up", "--yes", "--skip-preview"}
	if unchanged {
		args = append(args, "--expect-no-changes")
	}
	return p.project.Run(ctx, args...)
}

// playbook is Ansible.
type playbook struct {
	folder string
	access ansible.Access
}

func newAnsible(m *machines) (*playbook, error) {
	folder := filepath.Join(m.folder, Ansible)
	if err := os.RemoveAll(folder); err != nil {
		return nil, fmt.Errorf("ansible: %w", err)
	}
	return &playbook{folder: folder, access: ansible.Access{KeyFile: m.keyFile(), KnownHosts: m.knownHosts()}}, nil
}

func (p *playbook) prepare(fleet bootstrap.Fleet) error {
	return ansible.Write(p.folder, fleet, p.access)
}

func (p *playbook) apply(ctx context.Context, unchanged bool) error {
	recap, err := ansible.Run(ctx, p.folder)
	if err == nil && unchanged && recap.Changed > 0 {
		return fmt.Errorf("a second run changed %d things; mend infra/bench/ansible/playbook.go", recap.Changed)
	}
	return err
}
