// Package platform is the wiring: it makes of a stack's description the whole platform, by handing plain values from the plan to the components in the
// order in which the world needs them. The one thing a reader would get wrong: nothing is decided here. What exists is in stacks/, how it is made in
// components/, what runs on it in services/; a value that two of them share crosses here and nowhere else.
package platform

import (
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/stacks"
)

// Program is the Pulumi program of the selected stack.
func Program(ctx *pulumi.Context) error {
	stack, err := stacks.ByName(ctx.Stack())
	if err != nil {
		return err
	}
	return Deploy(ctx, stack, os.Getenv(OverlayVariable))
}

// Deploy makes a stack. overlay is the file in which a sandbox left its settings, "" for none. Everything that is wrong with the description and with
// the settings is reported at once, before anything is registered.
func Deploy(ctx *pulumi.Context, stack stacks.Stack, overlay string) error {
	h, err := deployHosts(ctx, stack, overlay)
	if err != nil {
		return err
	}
	provider, err := newProvider(ctx, h.cluster)
	if err != nil {
		return err
	}
	addons, err := buildAddons(ctx, h.plan, h.settings, pulumi.Provider(provider))
	if err != nil {
		return err
	}
	edge, err := buildServices(ctx, h, provider, addons)
	if err != nil {
		return err
	}
	export(ctx, h, edge)
	return nil
}

// wanted says what of the settings the stack cannot do without.
func wanted(stack stacks.Stack) Wanted {
	w := Wanted{Artifacts: binaries, Images: append(append([]string{}, addonImages...), serviceImages...)}
	if stack.Runtime.UserspaceWireGuard {
		w.Artifacts = append(append([]string{}, w.Artifacts...), "wireguard-go")
	}
	return w
}
