// Package provider puts the drop-in for the official `command` plugin together.
//
// What one would get wrong: the engine chooses a plugin by the version that the SDK asks for, so Version must be that of the SDK in go.mod.
package provider

import (
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"havre/components/unchanged"
	"havre/infra/tools/command-plugin/local"
	"havre/infra/tools/command-plugin/remote"
)

// The plugin's name and the version of the SDK that it serves.
const (
	Name    = "command"
	Version = "1.1.3"
)

// New returns the provider.
func New() (p.Provider, error) {
	built, err := infer.NewProviderBuilder().
		WithDisplayName("Command").
		WithDescription("Runs commands and copies files, locally and over SSH: a drop-in for the official plugin where that cannot be had.").
		WithResources(infer.Resource(&local.Command{}), infer.Resource(&remote.Command{}), infer.Resource(&remote.CopyToRemote{})).
		WithModuleMap(map[tokens.ModuleName]tokens.ModuleName{}).
		Build()
	if err != nil {
		return p.Provider{}, err
	}
	built.Check = unchanged.Check(built.Check)
	built.Diff = unchanged.Diff(built.Diff)
	return built, nil
}
