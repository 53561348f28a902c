package drill

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"havre/infra/sandbox/bringup"
	"havre/infra/sandbox/daemon"
	"havre/infra/sandbox/host"
	"havre/infra/workspace"
	"havre/stacks"
)

// sandbox is the running platform: its hosts as machines, its cluster by the API, its description as a copy that a drill may change.
type sandbox struct {
	ws       workspace.Workspace
	machines *host.Manager
	plan     stacks.Plan
	api      *api
	edge     bringup.Edge
}

func openSandbox(ctx context.Context, ws workspace.Workspace) (*sandbox, error) {
	machines, err := daemon.Manager(ws.Root)
	if err != nil {
		return nil, err
	}
	local, err := stacks.Local()
	if err != nil {
		return nil, err
	}
	plan, err := local.Plan()
	if err != nil {
		return nil, err
	}
	edge, err := bringup.EdgeOf(ctx, bringup.Pulumi{Workspace: ws, Env: ws.LocalEnv()}, "local")
	if err != nil {
		return nil, fmt.Errorf("%w; a stack that is up is needed: make up", err)
	}
	access, err := openAPI(ws.Kubeconfig())
	if err != nil {
		return nil, err
	}
	return &sandbox{ws: ws, machines: machines, plan: plan, api: access, edge: edge}, nil
}

// members are the names of the nodes of the cluster, as the checkout describes them.
func (s *sandbox) members() []string {
	var names []string
	for _, n := range s.plan.ControlPlane {
		names = append(names, n.Name)
	}
	for _, n := range s.plan.Workers {
		names = append(names, n.Name)
	}
	return names
}

// service is the name at OVH of the machine that is a node.
func (s *sandbox) service(node string) (string, error) {
	records, err := host.List(host.RunDir)
	if err != nil {
		return "", err
	}
	for _, r := range records {
		if r.Name() == node {
			return r.Spec.Service, nil
		}
	}
	return "", fmt.Errorf("node %s: no host of the sandbox has that name; havre sandbox hosts lists them", node)
}

// each does something to the machines of several nodes at once.
func (s *sandbox) each(nodes []string, do func(service string) error) error {
	errs := make([]error, len(nodes))
	var services []string
	for _, node := range nodes {
		service, err := s.service(node)
		if err != nil {
			return err
		}
		services = append(services, service)
	}
	var group sync.WaitGroup
	for i, service := range services {
		group.Go(func() { errs[i] = do(service) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// cut takes the power of machines, power gives it back.
func (s *sandbox) cut(ctx context.Context, nodes ...string) error {
	return s.each(nodes, func(service string) error { return s.machines.Cut(ctx, service) })
}

func (s *sandbox) power(ctx context.Context, nodes ...string) error {
	err := s.each(nodes, func(service string) error { _, err := s.machines.Start(ctx, service); return err })
	return errors.Join(err, s.weigh(workerShares, nodes...))
}

// weigh gives the workers among the nodes so many shares of the machine's processors.
func (s *sandbox) weigh(shares int, nodes ...string) error {
	workers := slices.DeleteFunc(slices.Clone(nodes), func(name string) bool {
		return !slices.ContainsFunc(s.plan.Workers, func(n stacks.PlannedNode) bool { return n.Name == name })
	})
	return s.each(workers, func(service string) error { return s.machines.Weigh(service, shares) })
}

// reach pulls all cables of machines, or plugs them in.
func (s *sandbox) reach(ctx context.Context, plugged bool, nodes ...string) error {
	return s.each(nodes, func(service string) error { return s.machines.Reach(ctx, service, plugged) })
}

// lose takes a machine away for good, with its disks.
func (s *sandbox) lose(ctx context.Context, node string) error {
	return s.each([]string{node}, func(service string) error {
		return errors.Join(s.machines.Cut(ctx, service), s.machines.Remove(ctx, service))
	})
}

// on runs a script as root on a node's host, as an engineer does.
func (s *sandbox) on(ctx context.Context, node, script string) (string, error) {
	command := exec.CommandContext(ctx, s.ws.Bin("havre"), "sandbox", "shell", node, "--", "sudo", "-n", "bash", "-euo", "pipefail", "-c", quote(script))
	command.Dir = s.ws.Root
	out, err := command.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("on %s: %w: %s", node, err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// etcdctl asks a node's own member of etcd.
const etcdctl = `etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt ` +
	`--key=/etc/kubernetes/pki/etcd/healthcheck-client.key `

// etcdMembers are the names of all members, those that have not started as "".
func (s *sandbox) etcdMembers(ctx context.Context, asked string) ([]string, error) {
	out, err := s.on(ctx, asked, etcdctl+"endpoint health --cluster >/dev/null 2>&1; "+etcdctl+"member list -w simple")
	if err != nil {
		return nil, err
	}
	return memberNames(out), nil
}

// memberNames reads `etcdctl member list -w simple`: id, status, name and so on in each line.
func memberNames(list string) []string {
	var names []string
	for line := range strings.Lines(list) {
		if fields := strings.Split(line, ", "); len(fields) >= 5 {
			names = append(names, fields[2])
		}
	}
	return names
}

// copied are the parts of a checkout that the program is made of.
var copied = []string{"components", "infra", "services", "stacks"}

// change is what a drill edits in stacks/local.go: nodes are statements about s, the *Stack, that choose other nodes; differences are Differences beside those that are there.
type change struct{ nodes, differences string }

// describe changes the description of stack local and brings the platform there with Pulumi, as an engineer does who edits stacks/local.go. The edit is made to a
// copy of the checkout, so that no drill, ended however, leaves one behind.
func (s *sandbox) describe(ctx context.Context, wanted change, report func(string)) error {
	root := s.ws.Path("build", "drills", "checkout")
	if err := copyCheckout(s.ws.Root, root); err != nil {
		return err
	}
	file := filepath.Join(root, "stacks", "local.go")
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("description: %w", err)
	}
	edited, err := edit(string(text), wanted)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(edited), 0o644); err != nil {
		return fmt.Errorf("description: %w", err)
	}
	p := bringup.Pulumi{Workspace: workspace.Workspace{Root: root, Cache: s.ws.Cache}, Env: s.ws.LocalEnv(), Report: report}
	return p.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview", "--suppress-outputs")
}

// anchors are where stack local's nodes are made from production's, and where its differences begin.
const nodesAnchor, differencesAnchor = "removeNodes(s, ", "return []Difference{"

// edit puts a change into stacks/local.go.
func edit(text string, wanted change) (string, error) {
	for _, part := range []struct{ anchor, change string }{{nodesAnchor, wanted.nodes}, {differencesAnchor, wanted.differences}} {
		if n := strings.Count(text, part.anchor); n != 1 {
			return "", fmt.Errorf("stacks/local.go has %d times %q, wanted once: a drill makes its changes there; mend infra/drill", n, part.anchor)
		}
		at := strings.Index(text, part.anchor)
		end := strings.Index(text[at:], "\n")
		if end < 0 {
			return "", fmt.Errorf("stacks/local.go ends after %q; mend infra/drill", part.anchor)
		}
		text = text[:at+end+1] + part.change + "\n" + text[at+end+1:]
	}
	return text, nil
}

// copyCheckout makes a fresh copy of what the program is made of. bin is linked, for Pulumi finds its plugins there.
func copyCheckout(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("copy of the checkout: %w", err)
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("copy of the checkout: %w", err)
	}
	for _, name := range []string{"go.mod", "go.sum", "Pulumi.yaml", "Pulumi.local.yaml"} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return fmt.Errorf("copy of the checkout: %w", err)
		}
		if err := os.WriteFile(filepath.Join(to, name), text, 0o644); err != nil {
			return fmt.Errorf("copy of the checkout: %w", err)
		}
	}
	for _, name := range copied {
		if err := os.CopyFS(filepath.Join(to, name), withoutTests{os.DirFS(filepath.Join(from, name))}); err != nil {
			return fmt.Errorf("copy of the checkout: %w", err)
		}
	}
	if err := os.Symlink(filepath.Join(from, "bin"), filepath.Join(to, "bin")); err != nil {
		return fmt.Errorf("copy of the checkout: %w", err)
	}
	return nil
}

// withoutTests is a folder less what only tests read.
type withoutTests struct{ fs.FS }

func (f withoutTests) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(f.FS, name)
	kept := entries[:0]
	for _, e := range entries {
		if e.Name() != "testdata" && !strings.HasSuffix(e.Name(), "_test.go") {
			kept = append(kept, e)
		}
	}
	return kept, err
}

// until asks once a second until the answer is yes, and says at the end what was missing.
func until(ctx context.Context, patience time.Duration, what string, ask func(ctx context.Context) (missing string)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		missing := ask(ctx)
		if missing == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s: %s", what, patience, missing)
		case <-time.After(time.Second):
		}
	}
}
