package provider

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/components/ovh/api"
)

// Aggregation joins both interfaces of a dedicated server into one private one (OVHcloud Link Aggregation).
type Aggregation struct{}

// AggregationArgs names the server.
type AggregationArgs struct {
	ServiceName string `pulumi:"serviceName" provider:"replaceOnChanges"`
}

// AggregationState adds what came of it.
type AggregationState struct {
	AggregationArgs
	InterfaceID string `pulumi:"interfaceId"`
}

var (
	_ infer.CustomResource[AggregationArgs, AggregationState] = (*Aggregation)(nil)
	_ infer.CustomUpdate[AggregationArgs, AggregationState]   = (*Aggregation)(nil)
	_ infer.CustomRead[AggregationArgs, AggregationState]     = (*Aggregation)(nil)
	_ infer.CustomDelete[AggregationState]                    = (*Aggregation)(nil)
)

// Annotate names the resource.
func (r *Aggregation) Annotate(a infer.Annotator) {
	a.SetToken("index", "Aggregation")
	a.Describe(&r, "Both interfaces of a dedicated server joined into one private one. The server loses its public address while it lasts.")
}

// Create joins the interfaces, or finds them joined.
func (*Aggregation) Create(ctx context.Context, r infer.CreateRequest[AggregationArgs]) (infer.CreateResponse[AggregationState], error) {
	out := infer.CreateResponse[AggregationState]{ID: r.Inputs.ServiceName, Output: AggregationState{AggregationArgs: r.Inputs}}
	if r.DryRun {
		return out, nil
	}
	var err error
	out.Output.InterfaceID, err = join(ctx, r.Inputs.ServiceName, true)
	return out, err
}

// Update goes on; another server is a replacement.
func (*Aggregation) Update(ctx context.Context, r infer.UpdateRequest[AggregationArgs, AggregationState]) (infer.UpdateResponse[AggregationState], error) {
	out := infer.UpdateResponse[AggregationState]{Output: r.State}
	if r.DryRun {
		return out, nil
	}
	var err error
	out.Output.InterfaceID, err = join(ctx, r.Inputs.ServiceName, true)
	return out, err
}

// join asks once and then watches the interfaces, which tell the truth whatever became of the answer. It parts them again when joined is false.
func join(ctx context.Context, name string, joined bool) (string, error) {
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return "", err
	}
	deadline := time.Now().Add(min(rt.wait, 30*time.Minute))
	asked := false
	for {
		groups, err := c.Interfaces(ctx, name, "vrack_aggregation")
		switch {
		case err != nil && (!asked || !api.IsPassing(err)):
			return "", err
		case err != nil:
			err = nil // asked already: the next look tells
		case joined && len(groups) > 0:
			return groups[0], nil
		case !joined && len(groups) == 0:
			return "", nil
		case !asked && joined:
			var both []string
			if both, err = joinable(ctx, c, name); err != nil {
				return "", err
			}
			err = c.Aggregate(ctx, name, "havre", both)
		case !asked:
			err = c.Part(ctx, name, groups[0])
		}
		if err != nil && !api.Executed(err) && !api.IsConflict(err) {
			return "", err
		}
		asked = true
		if time.Now().After(deadline) || !rt.sleep(ctx) {
			return "", fmt.Errorf("the interfaces of %s are not changed yet; run again", name)
		}
	}
}

// joinable lists the interfaces of a server that an aggregation takes.
func joinable(ctx context.Context, c *api.Client, name string) ([]string, error) {
	public, err := c.Interfaces(ctx, name, "public")
	if err != nil {
		return nil, err
	}
	private, err := c.Interfaces(ctx, name, "vrack")
	if err != nil {
		return nil, err
	}
	if len(public) == 0 || len(private) == 0 {
		return nil, fmt.Errorf("%s has %d public and %d private interfaces: an aggregation needs one of each; leave it out", name, len(public), len(private))
	}
	return slices.Concat(public, private), nil
}

// Read looks whether the interfaces are still joined; the service name imports.
func (*Aggregation) Read(ctx context.Context, r infer.ReadRequest[AggregationArgs, AggregationState]) (infer.ReadResponse[AggregationArgs, AggregationState], error) {
	gone := infer.ReadResponse[AggregationArgs, AggregationState]{}
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return gone, err
	}
	groups, err := c.Interfaces(ctx, r.ID, "vrack_aggregation")
	if api.IsExpired(err) {
		return infer.ReadResponse[AggregationArgs, AggregationState](r), nil
	}
	if api.IsNotFound(err) || err == nil && len(groups) == 0 {
		return gone, nil
	}
	if err != nil {
		return gone, err
	}
	s := AggregationState{AggregationArgs{ServiceName: r.ID}, groups[0]}
	return infer.ReadResponse[AggregationArgs, AggregationState]{ID: r.ID, Inputs: s.AggregationArgs, State: s}, nil
}

// Delete parts the interfaces and waits until they are.
func (*Aggregation) Delete(ctx context.Context, r infer.DeleteRequest[AggregationState]) (infer.DeleteResponse, error) {
	_, err := join(ctx, r.State.ServiceName, false)
	if api.IsNotFound(err) || api.IsExpired(err) {
		err = nil
	}
	return infer.DeleteResponse{}, err
}
