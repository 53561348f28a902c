package platform

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/hosttest"
	"havre/stacks"
)

// reviewEngine is the engine of a review whose base is up, but for what a test leaves out.
func reviewEngine(t *testing.T, review stacks.Review, without ...string) *hosttest.Engine {
	t.Helper()
	outputs := map[string]any{"kubeconfig": "NEVER-IN-CLEAR", "edgeAuthority": "PEM"}
	nodes := map[string]any{}
	for n, node := range review.Of.Nodes {
		nodes[node.Name] = map[string]any{"address": "198.51.100." + string(rune('1'+n%9))}
	}
	outputs["nodes"] = nodes
	for _, name := range without {
		delete(outputs, name)
		delete(nodes, name)
	}
	e := engine(t, review.Of).Stack(review.Name)
	return e.Handle("pulumi:pulumi:StackReference", hosttest.Handler{Required: []string{"name"}, Outputs: func(hosttest.Registration) resource.PropertyMap {
		return resource.NewPropertyMapFromMap(map[string]any{"outputs": outputs, "secretOutputNames": []any{"kubeconfig"}})
	}})
}

func reviewOf(t *testing.T, name string) stacks.Review {
	t.Helper()
	review, found, err := stacks.ReviewNamed(name)
	if err != nil || !found {
		t.Fatalf("%s: %t, %v", name, found, err)
	}
	return review
}

// TestReview: a review is a namespace with the services and a name, and nothing that costs money or reaches a host.
func TestReview(t *testing.T) {
	for _, name := range []string{"review-42", "local-review-7"} {
		for _, mode := range hosttest.Both {
			t.Run(name+"/"+mode.String(), func(t *testing.T) {
				review, file := reviewOf(t, name), overlay(t)
				e := reviewEngine(t, review)
				if err := e.Run(mode, func(ctx *pulumi.Context) error { return DeployReview(ctx, review, file) }); err != nil {
					t.Fatal(err)
				}
				golden(t, name+".urns", strings.Join(e.URNs(), "\n")+"\n")
				for _, r := range e.Registrations() {
					if strings.Contains(r.Clear(), "NEVER-IN-CLEAR") {
						t.Errorf("%s shows the kubeconfig in clear", r.Name)
					}
					if strings.HasPrefix(r.Type, "ovhmetal:") || strings.HasPrefix(r.Type, "command:") {
						t.Errorf("%s: a review has no %s", r.Name, r.Type)
					}
				}
				if mode == hosttest.Known && e.Exports()["url"].StringValue() != "https://"+review.Domain {
					t.Errorf("exports %v", e.Exports())
				}
			})
		}
	}
}

// TestReviewOfAPlannedStack: a preview on a new account knows nothing of the base, and shows the same graph.
func TestReviewOfAPlannedStack(t *testing.T) {
	review, file := reviewOf(t, "local-review-7"), overlay(t)
	e := reviewEngine(t, review).Handle("pulumi:pulumi:StackReference", hosttest.Handler{Outputs: func(hosttest.Registration) resource.PropertyMap {
		return resource.NewPropertyMapFromMap(map[string]any{"outputs": map[string]any{"kubeconfig": stacks.Planned, "nodes": stacks.Planned, "edgeAuthority": stacks.Planned}})
	}})
	if err := e.Run(hosttest.Unknown, func(ctx *pulumi.Context) error { return DeployReview(ctx, review, file) }); err != nil {
		t.Fatal(err)
	}
	golden(t, "local-review-7.urns", strings.Join(e.URNs(), "\n")+"\n")
	record, err := e.Named("dns-review-7-review-gra-worker-1")
	if err != nil || record.Known("content") {
		t.Errorf("content of %+v is known, %v", record, err)
	}
}

// TestReviewRefusals: what is missing of the base is named, and an image by tag is refused as everywhere.
func TestReviewRefusals(t *testing.T) {
	review := reviewOf(t, "local-review-7")
	for want, e := range map[string]*hosttest.Engine{
		"stack local has no output kubeconfig; bring it up first":                                                                     reviewEngine(t, review, "kubeconfig"),
		"stack local has no node gra-worker-1 among its outputs; bring it up as this commit describes it, or rebase the pull request": reviewEngine(t, review, "gra-worker-1"),
	} {
		file := overlay(t)
		if err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error { return DeployReview(ctx, review, file) }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	err := reviewEngine(t, review).Config("havre:images", `{"renderer":"registry.example/renderer:latest"}`, false).
		Run(hosttest.Unknown, func(ctx *pulumi.Context) error { return DeployReview(ctx, review, "") })
	want := "stack local-review-7 is not deployed:\nconfig havre:images: renderer is \"registry.example/renderer:latest\"; wanted image@sha256:digest, for a tag may change under a running service, in Pulumi.local-review-7.yaml"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestReviewIsGuarded: the guard looks at a review as at any stack.
func TestReviewIsGuarded(t *testing.T) {
	review, file := reviewOf(t, "review-42"), overlay(t)
	// Too large for the workers that remain when a site is lost.
	review.Render.CPURequest, review.Render.CPULimit = 11_500, 12_000
	err := reviewEngine(t, review).Run(hosttest.Unknown, func(ctx *pulumi.Context) error { return DeployReview(ctx, review, file) })
	if err == nil || !strings.Contains(err.Error(), "stack review-42 is not deployed:") {
		t.Errorf("error %v, want a refusal", err)
	}
}
