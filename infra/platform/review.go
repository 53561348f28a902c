package platform

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/dns"
	"havre/components/shallow"
	"havre/components/workload/pod"
	"havre/infra/guard"
	"havre/services/edge/caddy"
	"havre/services/priority"
	"havre/services/render"
	"havre/stacks"
)

// reviewTTL is how long a name may be remembered after its review is gone: a minute is the shortest that Cloudflare takes for plain records.
const reviewTTL = time.Minute

// DeployReview makes a review stack: the services of a pull request in a namespace of another stack's cluster, and the name under which that stack's edge serves
// them. It orders nothing and reaches no host, so it is up and gone in seconds. What it knows of the other stack are that one's outputs.
func DeployReview(ctx *pulumi.Context, review stacks.Review, overlay string) error {
	return shallow.Run(func() error { return deployReview(ctx, review, overlay) })
}

func deployReview(ctx *pulumi.Context, review stacks.Review, overlay string) error {
	settings, settingsErr := readSettings(ctx, overlay)
	plan, planErr := review.Of.Plan()
	if err := errors.Join(planErr, settingsErr, settings.checkImages(review.Name, []string{"renderer"})); err != nil {
		return fmt.Errorf("stack %s is not deployed:\n%w", review.Name, err)
	}
	watch, err := guard.Watch(ctx, guardFacts(plan))
	if err != nil {
		return err
	}
	if err := errors.Join(buildReview(ctx, review, plan, settings), watch.Err()); err != nil {
		return fmt.Errorf("stack %s is not deployed:\n%w", review.Name, err)
	}
	return nil
}

func buildReview(ctx *pulumi.Context, review stacks.Review, plan stacks.Plan, settings Settings) error {
	// The backend's organization is in the name because the file backend takes no shorter one.
	base, err := pulumi.NewStackReference(ctx, ctx.Organization()+"/"+ctx.Project()+"/"+review.Of.Name, nil)
	if err != nil {
		return err
	}
	output := func(name string) pulumi.StringOutput {
		return late(base.GetOutput(pulumi.String(name)), func(v any) (string, error) { return textOutput(review.Of.Name, name, v) })
	}
	provider, err := kubernetes.NewProvider(ctx, "kubernetes", &kubernetes.ProviderArgs{
		Kubeconfig: pulumi.ToSecret(output("kubeconfig")).(pulumi.StringOutput), EnableServerSideApply: pulumi.Bool(true), ClusterIdentifier: pulumi.String(review.Of.Name),
		// Where the base is gone, so is the review: its namespace went with the cluster, and nothing but this could take it out of the state.
		DeleteUnreachable: pulumi.Bool(true),
	})
	if err != nil {
		return err
	}
	service, err := render.New(ctx, "render", render.Args{
		Image: settings.Images["renderer"], Port: review.Render.Port, Namespace: review.Namespace, Review: true,
		MinReplicas: review.Render.MinReplicas, MaxReplicas: review.Render.MaxReplicas, CPUPercent: review.Render.CPUTargetPercent, MaxUnavailable: review.Render.MaxUnavailable,
		Resources: pod.Resources{
			CPU: pod.CPU(review.Render.CPURequest), CPULimit: pod.CPU(review.Render.CPULimit),
			Memory: pod.Bytes(review.Render.MemoryRequest) * pod.MiB, MemoryLimit: pod.Bytes(review.Render.MemoryLimit) * pod.MiB,
		},
		Callers: callers(review.Of),
		// It waits for room and gives way: a review never pushes out what the stack itself runs.
		PriorityClass: priority.Batch,
	}, pulumi.Provider(provider))
	if err != nil {
		return err
	}
	addresses, record := map[string]pulumi.StringInput{}, dns.Record{Name: review.Domain, TTL: reviewTTL}
	var edge pulumi.Array
	for _, n := range plan.Nodes {
		if !n.Has(stacks.RoleEdge) || n.Retired || n.Rescue {
			continue
		}
		address := late(base.GetOutput(pulumi.String("nodes")), func(v any) (string, error) { return addressOutput(review.Of.Name, n.Name, v) })
		addresses[n.Name], record.Hosts, edge = address, append(record.Hosts, n.Name), append(edge, address)
	}
	if _, err := dns.New(ctx, "dns", dns.Args{
		Zone: review.Of.DNS.Zone, ZoneID: pulumi.String(review.Of.DNS.ZoneID), Addresses: addresses, Records: []dns.Record{record}, After: service.Resources(),
	}); err != nil {
		return err
	}
	ctx.Export("url", pulumi.String("https://"+review.Domain))
	ctx.Export("domain", pulumi.String(review.Domain))
	ctx.Export("edgeAddresses", edge)
	if review.Of.Edge.TLS == stacks.TLSInternal {
		ctx.Export("edgeAuthority", output("edgeAuthority"))
	}
	return nil
}

// late reads an output of the base; one of a base that is only planned stays unknown.
func late(output pulumi.AnyOutput, read func(any) (string, error)) pulumi.StringOutput {
	return output.ApplyT(func(v any) (pulumi.StringOutput, error) {
		if v == stacks.Planned {
			return pulumi.UnsafeUnknownOutput(nil).ApplyT(func(any) string { return "" }).(pulumi.StringOutput), nil
		}
		text, err := read(v)
		return pulumi.String(text).ToStringOutput(), err
	}).(pulumi.StringOutput)
}

// textOutput is an output of the base that is one text.
func textOutput(base, name string, value any) (string, error) {
	text, ok := value.(string)
	if !ok || text == "" {
		return "", fmt.Errorf("stack %s has no output %s; bring it up first", base, name)
	}
	return text, nil
}

// addressOutput is the public address of one of the base's nodes.
func addressOutput(base, node string, value any) (string, error) {
	nodes, _ := value.(map[string]any)
	fields, _ := nodes[node].(map[string]any)
	address, ok := fields["address"].(string)
	if !ok || address == "" {
		return "", fmt.Errorf("stack %s has no node %s among its outputs; bring it up as this commit describes it, or rebase the pull request", base, node)
	}
	return address, nil
}

// reviews is how the edge leads to the reviews of a stack that takes them.
func reviews(stack stacks.Stack) *caddy.Reviews {
	if stack.Edge.ReviewDomain == "" {
		return nil
	}
	return &caddy.Reviews{
		Domain: stack.Edge.ReviewDomain, Name: stacks.ReviewSyntax, Service: render.PodsService, Fallback: render.App, ClusterDomain: stack.Services.Domain, Port: stack.Render.Port,
	}
}

// reviewNames are the names for which the permission service lets certificates be ordered.
func reviewNames(stack stacks.Stack) string {
	if stack.Edge.ReviewDomain == "" {
		return ""
	}
	return stacks.ReviewSyntax + regexp.QuoteMeta("."+stack.Edge.ReviewDomain)
}

// certificateNames are those of the one certificate of an authority of our own.
func certificateNames(stack stacks.Stack) []string {
	names := []string{stack.Render.Domain}
	if stack.Edge.ReviewDomain != "" {
		names = append(names, "*."+stack.Edge.ReviewDomain)
	}
	return slices.Clip(names)
}
