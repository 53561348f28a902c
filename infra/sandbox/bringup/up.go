// Package bringup is the way from a clean checkout to a served picture, and back: tools, sandbox, `pulumi up` on stack local, proof. The one thing a
// reader would get wrong: it adds nothing to what an engineer could type. Everything that exists afterwards was made by the sandbox (what OVH and
// Cloudflare would be) or by Pulumi; this only runs them in order and shows what they are at.
package bringup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"havre/infra/sandbox/daemon"
	"havre/infra/step"
	"havre/infra/workspace"
)

// Wanted says in what a sandbox is to differ from the description of stack local.
type Wanted struct {
	// Cilium is the pod network instead of the plain bridge, as production has it.
	Cilium bool
	// Previous is the minor version of Kubernetes before ours. Any later run of Pulumi upgrades the cluster.
	Previous bool
}

// Reader is whose picture `make up` fetches and checks.
const Reader = "Ada Lovelace"

// Up brings stack local up and proves that a picture is served. It may be run again at any time: what is there is left alone, and after a failure it
// goes on where that was.
func Up(ctx context.Context, ws workspace.Workspace, wanted Wanted, out io.Writer) error {
	steps := step.New(out, 7)
	options := daemon.Options{Root: ws.Root, Cache: ws.Cache}
	if wanted.Previous {
		if _, err := os.Stat(ws.Kubeconfig()); err == nil {
			return errors.New("the sandbox has a cluster already, and none is taken back to an older version; take it away first: make down")
		}
	}
	if err := steps.Run("this machine", func(report func(string)) error {
		options.Progress = report
		return daemon.Preflight(ctx, options)
	}); err != nil {
		return err
	}
	var engine map[string]string
	if err := steps.Run("tools: the engine's, then the hosts', once a pin", func(report func(string)) (err error) {
		if engine, err = BuildTools(ctx, ws, EngineTools, report); err != nil {
			return err
		}
		if options.Tools, options.Renderer, options.Pause, err = BuildSandbox(ctx, ws, report); err != nil {
			return err
		}
		if wanted.Previous {
			if options.Previous, err = BuildPrevious(ctx, ws, report); err != nil {
				return err
			}
		}
		if wanted.Cilium {
			options.Cilium, err = BuildCilium(ctx, ws, options.Tools, report)
		}
		return err
	}); err != nil {
		return err
	}
	if err := steps.Run("havre's own binaries and the program", func(report func(string)) error {
		return BuildOwn(ctx, ws, engine["pulumi-resource-kubernetes"], report)
	}); err != nil {
		return err
	}
	if err := steps.Run("sandbox: simulators, images, registry", func(report func(string)) error {
		options.Progress = report
		_, err := daemon.Start(ctx, options)
		return err
	}); err != nil {
		return err
	}
	var edge Edge
	pulumi := Pulumi{Workspace: ws, Env: ws.LocalEnv()}
	if wanted.Previous {
		pulumi.Env["HAVRE_SETTINGS"] = ws.PreviousSettings()
	}
	if err := steps.Run("pulumi up --stack local", func(report func(string)) error {
		pulumi.Report = report
		return pulumi.up(ctx)
	}); err != nil {
		return err
	}
	var urls []string
	if err := steps.Run("kubeconfig and URLs", func(func(string)) (err error) {
		if err := writeKubeconfig(ctx, pulumi); err != nil {
			return err
		}
		if edge, err = EdgeOf(ctx, pulumi, "local"); err != nil {
			return err
		}
		for _, address := range edge.Addresses {
			urls = append(urls, PictureURL(address, Reader))
		}
		return os.WriteFile(ws.Path("build", "local", "authority.pem"), edge.Authority, 0o644)
	}); err != nil {
		return err
	}
	if err := steps.Run("a picture through the edge, over TLS, from every edge node", func(func(string)) error {
		return edge.Prove(ctx, Reader)
	}); err != nil {
		return err
	}
	if err := steps.Save(ws.Path("build", "local", "steps.json")); err != nil {
		return err
	}
	fmt.Fprintf(out, `
Stack local is up. Work with it as with any other:
  source bin/env
  pulumi stack output
  kubectl get nodes -o wide
  curl --cacert build/local/authority.pem --connect-to %s:443:%s:443 'https://%s/…'
The pictures, one URL an edge node (the authority of their certificates is build/local/authority.pem); make up has fetched each and read the name in it:
%s
`, edge.Domain, edge.Addresses[0], edge.Domain, strings.Join(urls, "\n"))
	return nil
}

// up runs `pulumi up`. The event log tells `make bench` how long each resource took.
func (p Pulumi) up(ctx context.Context) error {
	if err := p.Select(ctx, "local"); err != nil {
		return err
	}
	log := p.Workspace.Path("build", "local", "up.events")
	if err := os.Remove(log); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("event log: %w", err)
	}
	// The flag is one of those that Pulumi keeps for those who look into it.
	p.Env = maps.Clone(p.Env)
	p.Env["PULUMI_DEBUG_COMMANDS"] = "true"
	return p.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview", "--suppress-outputs", "--event-log", log)
}

// writeKubeconfig puts the cluster's kubeconfig where bin/env points kubectl to. It holds a private key: only its owner may read it.
func writeKubeconfig(ctx context.Context, p Pulumi) error {
	text, err := p.Output(ctx, "stack", "output", "--stack", "local", "--show-secrets", "kubeconfig")
	if err != nil {
		return err
	}
	path := p.Workspace.Kubeconfig()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	return os.Rename(path+".new", path)
}

// EdgeOf reads where a stack serves pictures from its outputs.
func EdgeOf(ctx context.Context, p Pulumi, stack string) (Edge, error) {
	text, err := p.Output(ctx, "stack", "output", "--stack", stack, "--json")
	if err != nil {
		return Edge{}, err
	}
	var outputs struct {
		Domain    string   `json:"domain"`
		Addresses []string `json:"edgeAddresses"`
		Authority string   `json:"edgeAuthority"`
	}
	if err := json.Unmarshal(text, &outputs); err != nil {
		return Edge{}, fmt.Errorf("outputs of stack %s: %w", stack, err)
	}
	return Edge{Domain: outputs.Domain, Addresses: outputs.Addresses, Authority: []byte(outputs.Authority)}, nil
}

// Down takes the sandbox away, and with it the state of stack local: what the simulator sold is gone.
func Down(ctx context.Context, ws workspace.Workspace, out io.Writer) error {
	did, err := daemon.Stop(ctx, daemon.Options{Root: ws.Root, Cache: ws.Cache, Progress: func(line string) { fmt.Fprintln(out, line) }})
	if err != nil {
		return err
	}
	for _, path := range []string{
		ws.Path("build", "state", ".pulumi", "stacks", "havre"), ws.Path("build", "state", ".pulumi", "locks"), ws.Path("build", "state", ".pulumi", "backups"),
		ws.Path("build", "state", ".pulumi", "history"), ws.Kubeconfig(), ws.Path("build", "local", "authority.pem"),
	} {
		left, err := filepath.Glob(path)
		if err != nil {
			return fmt.Errorf("down: %w", err)
		}
		did = did || len(left) > 0
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("down: %w", err)
		}
	}
	if !did {
		fmt.Fprintln(out, "no sandbox: nothing to do")
		return nil
	}
	fmt.Fprintln(out, "the sandbox is gone")
	return nil
}
