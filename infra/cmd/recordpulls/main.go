// Command recordpulls records the previews that the report's goldens are made of; see package recording. It is the Pulumi program of those previews, too: run by
// Pulumi, it finds a stack in its environment.
//
//	go run ./infra/cmd/recordpulls            all of them; as root, for the fake hosts listen on sshd's port
//	go run ./infra/cmd/recordpulls add-node   some of them
//	go test ./infra/report/pulls -update      then the goldens
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/infra/platform"
	"havre/infra/report/recording"
	"havre/infra/sandbox/bringup"
	"havre/infra/workspace"
	"havre/stacks"
)

func main() {
	if path := os.Getenv(recording.WorldVariable); path != "" {
		pulumi.Run(func(ctx *pulumi.Context) error { return program(ctx, path) })
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := record(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "recordpulls:", err)
		os.Exit(1)
	}
}

// program deploys the stack that lies in a file.
func program(ctx *pulumi.Context, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	var stack stacks.Stack
	if err := json.Unmarshal(text, &stack); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	if folder := os.Getenv(recording.RenderVariable); folder != "" {
		if err := ctx.RegisterStackTransformation(rendering(folder)); err != nil {
			return err
		}
	}
	return platform.Deploy(ctx, stack, os.Getenv(platform.OverlayVariable))
}

// rendering has the Kubernetes plugin write objects to a folder.
func rendering(folder string) pulumi.ResourceTransformation {
	return func(args *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
		provider, ok := args.Props.(*kubernetes.ProviderArgs)
		if !ok {
			return nil
		}
		// It takes the one or the other.
		provider.RenderYamlToDirectory, provider.Kubeconfig = pulumi.String(folder), nil
		return &pulumi.ResourceTransformationResult{Props: provider, Opts: args.Opts}
	}
}

func record(ctx context.Context, only []string) error {
	ws, err := workspace.Open(".")
	if err != nil {
		return err
	}
	progress := func(line string) { fmt.Println(line) }
	paths, err := bringup.BuildTools(ctx, ws, bringup.EngineTools, progress)
	if err != nil {
		return err
	}
	if err := bringup.BuildOwn(ctx, ws, paths["pulumi-resource-kubernetes"], progress); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("recordpulls: %w", err)
	}
	r := recording.Recorder{Workspace: ws, Program: self, Into: ws.Path("infra", "report", "pulls", "testdata"), Only: only, Progress: progress}
	return r.Record(ctx)
}
