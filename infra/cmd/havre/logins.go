package main

import (
	"context"
	"fmt"

	"havre/infra/jump"
	"havre/infra/sandbox/bringup"
	"havre/infra/workspace"
	"havre/stacks"
)

// logins are the ways to the installed hosts of a stack, by their names: which there are is in its description, where they are in its state. The sandbox's stacks have a
// key of their own.
func logins(ctx context.Context, name, key string) (workspace.Workspace, stacks.Plan, map[string]jump.Login, error) {
	fail := func(err error) (workspace.Workspace, stacks.Plan, map[string]jump.Login, error) {
		return workspace.Workspace{}, stacks.Plan{}, nil, err
	}
	ws, err := here()
	if err != nil {
		return fail(err)
	}
	stack, err := stacks.ByName(name)
	if err != nil {
		return fail(err)
	}
	plan, err := stack.Plan()
	if err != nil {
		return fail(err)
	}
	pulumi := bringup.Pulumi{Workspace: ws}
	if stack.Sandbox {
		pulumi.Env = ws.LocalEnv()
		if key == "" {
			key = ws.Path("build", "local", "id_ed25519")
		}
	}
	if key == "" {
		return fail(fmt.Errorf("stack %s: no key; give the operators' private key with --key", name))
	}
	signer, err := readKey(key)
	if err != nil {
		return fail(err)
	}
	installed, err := jump.Export(func() ([]byte, error) { return pulumi.Output(ctx, "stack", "export", "--stack", name) })()
	if err != nil {
		return fail(err)
	}
	hosts := map[string]jump.Login{}
	for _, host := range installed {
		hosts[host.Name] = jump.Login{Host: host, User: "debian", Signer: signer}
	}
	return ws, plan, hosts, nil
}
