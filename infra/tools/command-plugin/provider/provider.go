// Package provider puts the drop-in for the official `command` plugin together.
//
// What one would get wrong: the engine chooses a plugin by the version that the SDK asks for, so Version must be that of the SDK in go.mod.
package provider

import (
	"context"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

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
	built.Check = checkedBefore(built.Check)
	built.Diff = unchangedFirst(built.Diff)
	return built, nil
}

// checkedBefore answers for inputs that an earlier check has passed, defaults and all, with those inputs: a check of its own answer changes nothing. The library
// (v1.4.0) walks the whole type by reflection for each question, and the engine asks one resource after another, so a preview waits for every one.
func checkedBefore(check func(context.Context, p.CheckRequest) (p.CheckResponse, error)) func(context.Context, p.CheckRequest) (p.CheckResponse, error) {
	return func(ctx context.Context, request p.CheckRequest) (p.CheckResponse, error) {
		if request.State.Len() > 0 && property.New(request.State).Equals(property.New(request.Inputs)) {
			return p.CheckResponse{Inputs: request.Inputs}, nil
		}
		return check(ctx, request)
	}
}

// unchangedFirst answers for equal inputs at once what the library would: no difference. The library (v1.4.0) makes the resource's whole schema anew for each
// question, which was a third of this plugin's time in a preview of 200 hosts, where nearly every answer is that one.
func unchangedFirst(diff func(context.Context, p.DiffRequest) (p.DiffResponse, error)) func(context.Context, p.DiffRequest) (p.DiffResponse, error) {
	return func(ctx context.Context, request p.DiffRequest) (p.DiffResponse, error) {
		if p.GetRunInfo(ctx).SupportsOldInputs && property.New(request.OldInputs).Equals(property.New(request.Inputs)) {
			return p.DiffResponse{DetailedDiff: map[string]p.PropertyDiff{}}, nil
		}
		return diff(ctx, request)
	}
}
