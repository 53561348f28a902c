package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"havre/infra/audit"
	"havre/infra/sandbox/bringup"
	"havre/infra/workspace"
	"havre/stacks"
)

func auditStack() *cobra.Command {
	var key, only string
	var all bool
	command := &cobra.Command{
		Use: "audit STACK", Short: "Check a stack's hosts with Lynis, and its cluster against the CIS Kubernetes Benchmark", Args: cobra.ExactArgs(1),
		Long: `Runs Lynis on every host, and kube-bench on those of the cluster, and shows what fails, with the reason where there is one (infra/audit/exceptions.go), and what a person must look at.
It changes nothing and leaves nothing on a host. It fails when a check fails without a reason, and when a reason is there for what does not fail. The findings are
written to build/audit.json. See docs/runbooks/audit.md.`,
		Example: "  havre audit local\n  havre audit prod --key ~/.ssh/havre --all",
		RunE: func(command *cobra.Command, args []string) error {
			ctx := command.Context()
			ws, plan, hosts, err := logins(ctx, args[0], key)
			if err != nil {
				return err
			}
			say := func(line string) { fmt.Fprintln(command.ErrOrStderr(), line) }
			bundle, err := auditBundle(ctx, ws, say)
			if err != nil {
				return err
			}
			var subjects []audit.Subject
			for _, node := range plan.Members {
				if node.Rescue || only != "" && node.Name != only {
					continue
				}
				host, found := hosts[node.Name]
				if !found {
					return fmt.Errorf("audit: node %s is not installed yet; run pulumi up", node.Name)
				}
				subjects = append(subjects, audit.Subject{Name: node.Name, Cluster: node.InCluster(), ControlPlane: node.Has(stacks.RoleControlPlane), Host: host})
			}
			if len(subjects) == 0 {
				return fmt.Errorf("audit: stack %s has no node %q outside the rescue system; havre report topology %s lists them", args[0], only, args[0])
			}
			findings, err := audit.Run(ctx, subjects, audit.Reader(bundle), say)
			if err != nil {
				return err
			}
			text, err := json.MarshalIndent(findings, "", "  ")
			if err != nil {
				return err
			}
			if err := os.WriteFile(ws.Path("build", "audit.json"), append(text, '\n'), 0o644); err != nil {
				return fmt.Errorf("audit: %w", err)
			}
			exceptions := audit.Exceptions(plan.Stack.Sandbox)
			if only != "" { // whether the others still need theirs is not known
				exceptions = audit.Of(findings, exceptions)
			}
			fmt.Fprint(command.OutOrStdout(), audit.Text(findings, exceptions, all))
			return audit.Judge(findings, exceptions)
		},
	}
	command.Flags().StringVar(&key, "key", "", "private key of the operators, in OpenSSH's format (the sandbox's stacks have their own)")
	command.Flags().StringVar(&only, "only", "", "check this one node")
	command.Flags().BoolVar(&all, "all", false, "show the checks that hold as well")
	return command
}

// auditBundle builds kube-bench, and packs it with the benchmark's text, which comes with its module.
func auditBundle(ctx context.Context, ws workspace.Workspace, say func(string)) ([]byte, error) {
	paths, err := bringup.BuildTools(ctx, ws, []string{"kube-bench"}, say)
	if err != nil {
		return nil, err
	}
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aquasecurity/kube-bench")
	list.Dir, list.Stderr = ws.Path("infra", "tools", "modules", "kube-bench"), os.Stderr
	list.Env = append(os.Environ(), "GOFLAGS=-mod=mod")
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("audit: go list of kube-bench's module: %w", err)
	}
	return audit.Bundle(paths["kube-bench"], filepath.Join(strings.TrimSpace(string(out)), "cfg"))
}
