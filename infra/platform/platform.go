// Package platform is the wiring: it makes of a stack's description the whole platform, by handing plain values from the plan to the components in the
// order in which the world needs them. The one thing a reader would get wrong: nothing is decided here. What exists is in stacks/, how it is made in
// components/, what runs on it in services/; a value that two of them share crosses here and nowhere else.
package platform

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/shallow"
	"havre/infra/guard"
	"havre/stacks"
)

// Program is the Pulumi program of the selected stack.
func Program(ctx *pulumi.Context) error {
	if review, found, err := stacks.ReviewNamed(ctx.Stack()); found || err != nil {
		if err != nil {
			return err
		}
		return DeployReview(ctx, review, os.Getenv(OverlayVariable))
	}
	stack, err := stacks.ByName(ctx.Stack())
	if err != nil {
		return err
	}
	return Deploy(ctx, stack, os.Getenv(OverlayVariable))
}

// Deploy makes a stack. overlay is the file in which a sandbox left its settings, "" for none. Everything that is wrong with the description and with
// the settings is reported at once, before anything is registered; then everything that the guard refuses of what was registered.
func Deploy(ctx *pulumi.Context, stack stacks.Stack, overlay string) error {
	return shallow.Run(func() error { return deploy(ctx, stack, overlay) })
}

func deploy(ctx *pulumi.Context, stack stacks.Stack, overlay string) error {
	h, err := deployHosts(ctx, stack, overlay)
	if err != nil {
		return err
	}
	// The guard looks at everything from here on, and speaks once all of it is there: every refusal of a preview comes at once.
	watch, err := guard.Watch(ctx, guardFacts(h.plan))
	if err != nil {
		return err
	}
	if err := errors.Join(deployCluster(ctx, h), watch.Err()); err != nil {
		return fmt.Errorf("stack %s is not deployed:\n%w", stack.Name, err)
	}
	return nil
}

// deployCluster puts into the cluster what lives there.
func deployCluster(ctx *pulumi.Context, h *hosts) error {
	provider, err := newProvider(ctx, h.cluster)
	if err != nil {
		return err
	}
	addons, err := buildAddons(ctx, h.plan, h.settings, pulumi.Provider(provider))
	if err != nil {
		return err
	}
	if err := buildData(ctx, h, pulumi.Provider(provider)); err != nil {
		return err
	}
	edge, err := buildServices(ctx, h, provider, addons)
	if err != nil {
		return err
	}
	// Last, for nothing waits for it.
	if err := buildNames(ctx, h); err != nil {
		return err
	}
	export(ctx, h, edge)
	return nil
}

// wanted says what of the settings the stack cannot do without.
func wanted(stack stacks.Stack) Wanted {
	w := Wanted{Artifacts: binaries, Images: slices.Concat(addonImages, networkImages[stack.Pods.Network], serviceImages)}
	if stack.Edge.TLS == stacks.TLSACME {
		w.EdgeStorage = true
	}
	if stack.Edge.CustomersDomain != "" {
		w.Images = append(w.Images, "domains")
	}
	if stack.Runtime.UserspaceWireGuard {
		w.Artifacts = append(append([]string{}, w.Artifacts...), "wireguard-go")
	}
	return w
}
