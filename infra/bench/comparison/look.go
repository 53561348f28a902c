package comparison

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"havre/infra/bench/bootstrap"
)

//go:embed inspect.sh
var inspect string

// looks is what every host of a fleet is like, by its name, as inspect.sh prints it.
type looks map[string]string

// look asks every host, all at once. The error names hosts that do not reach the whole mesh.
func (m *machines) look(ctx context.Context, fleet bootstrap.Fleet) (looks, error) {
	plan, err := bootstrap.Plan(fleet.Added)
	if err != nil {
		return nil, err
	}
	var mesh []string
	for _, n := range plan.Nodes {
		mesh = append(mesh, n.Mesh.String())
	}
	texts, errs := make([]string, len(plan.Nodes)), make([]error, len(plan.Nodes))
	var group sync.WaitGroup
	for i, n := range plan.Nodes {
		at, err := fleet.Host(n.Name)
		if err != nil {
			return nil, err
		}
		group.Go(func() {
			command := exec.CommandContext(ctx, "ssh", "-F", "none", "-i", m.keyFile(), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
				"-o", "UserKnownHostsFile="+m.knownHosts(), "debian@"+at.Address.String(), "sudo -n bash -s "+strings.Join(mesh, " "))
			command.Stdin = strings.NewReader(inspect)
			var said strings.Builder
			command.Stderr = &said
			out, err := command.Output()
			texts[i] = string(out)
			if err != nil {
				errs[i] = fmt.Errorf("host %s: it cannot be looked at: %w: %s", n.Name, err, strings.TrimSpace(said.String()))
			} else if _, reached, _ := strings.Cut(texts[i], "\n== reached\n"); strings.Count(reached, "\n") != len(mesh) {
				errs[i] = fmt.Errorf("host %s reaches %d of %d addresses of the mesh: %s", n.Name, strings.Count(reached, "\n"), len(mesh), strings.Join(strings.Fields(reached), " "))
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	found := looks{}
	for i, n := range plan.Nodes {
		found[n.Name] = texts[i]
	}
	return found, nil
}

// same says how the hosts differ that two tools have left; nil where they are alike. Of each host it tells the first line.
func (l looks) same(other looks, name, otherName string) error {
	var errs []error
	if !slices.Equal(slices.Sorted(maps.Keys(l)), slices.Sorted(maps.Keys(other))) {
		return fmt.Errorf("%s left %d hosts and %s %d", name, len(l), otherName, len(other))
	}
	for _, host := range slices.Sorted(maps.Keys(l)) {
		a, b := strings.Split(l[host], "\n"), strings.Split(other[host], "\n")
		section := "nothing"
		for i := range max(len(a), len(b)) {
			x, y := at(a, i), at(b, i)
			if x != y {
				errs = append(errs, fmt.Errorf("host %s is not the same, below %q: %q by %s, %q by %s; mend infra/bench/ansible", host, section, x, name, y, otherName))
				break
			}
			if strings.HasPrefix(x, "== ") {
				section = strings.TrimPrefix(x, "== ")
			}
		}
	}
	return errors.Join(errs...)
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}
