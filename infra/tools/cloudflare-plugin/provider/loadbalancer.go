package provider

import (
	"context"
	"fmt"
	"strings"

	"github.com/cloudflare/cloudflare-go"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// LoadBalancer is cloudflare.LoadBalancer: a name that leads to one of several pools.
type LoadBalancer struct{}

// LoadBalancerInputs are its inputs.
type LoadBalancerInputs struct {
	AdaptiveRoutings          []LoadBalancerAdaptiveRouting          `pulumi:"adaptiveRoutings,optional"`
	CountryPools              []LoadBalancerCountryPool              `pulumi:"countryPools,optional"`
	DefaultPoolIDs            []string                               `pulumi:"defaultPoolIds"`
	Description               *string                                `pulumi:"description,optional"`
	Enabled                   *bool                                  `pulumi:"enabled,optional"`
	FallbackPoolID            string                                 `pulumi:"fallbackPoolId"`
	LocationStrategies        []LoadBalancerLocationStrategy         `pulumi:"locationStrategies,optional"`
	Name                      string                                 `pulumi:"name"`
	PopPools                  []LoadBalancerPopPool                  `pulumi:"popPools,optional"`
	Proxied                   *bool                                  `pulumi:"proxied,optional"`
	RandomSteerings           []LoadBalancerRandomSteering           `pulumi:"randomSteerings,optional"`
	RegionPools               []LoadBalancerRegionPool               `pulumi:"regionPools,optional"`
	Rules                     []LoadBalancerRule                     `pulumi:"rules,optional"`
	SessionAffinity           *string                                `pulumi:"sessionAffinity,optional"`
	SessionAffinityAttributes []LoadBalancerSessionAffinityAttribute `pulumi:"sessionAffinityAttributes,optional"`
	SessionAffinityTTL        *int                                   `pulumi:"sessionAffinityTtl,optional"`
	SteeringPolicy            *string                                `pulumi:"steeringPolicy,optional"`
	TTL                       *int                                   `pulumi:"ttl,optional"`
	ZoneID                    string                                 `pulumi:"zoneId"`
}

// LoadBalancerState is its state.
type LoadBalancerState struct {
	AdaptiveRoutings          []LoadBalancerAdaptiveRouting          `pulumi:"adaptiveRoutings,optional"`
	CountryPools              []LoadBalancerCountryPool              `pulumi:"countryPools,optional"`
	CreatedOn                 string                                 `pulumi:"createdOn"`
	DefaultPoolIDs            []string                               `pulumi:"defaultPoolIds"`
	Description               *string                                `pulumi:"description,optional"`
	Enabled                   *bool                                  `pulumi:"enabled,optional"`
	FallbackPoolID            string                                 `pulumi:"fallbackPoolId"`
	LocationStrategies        []LoadBalancerLocationStrategy         `pulumi:"locationStrategies,optional"`
	ModifiedOn                string                                 `pulumi:"modifiedOn"`
	Name                      string                                 `pulumi:"name"`
	PopPools                  []LoadBalancerPopPool                  `pulumi:"popPools,optional"`
	Proxied                   *bool                                  `pulumi:"proxied,optional"`
	RandomSteerings           []LoadBalancerRandomSteering           `pulumi:"randomSteerings,optional"`
	RegionPools               []LoadBalancerRegionPool               `pulumi:"regionPools,optional"`
	Rules                     []LoadBalancerRule                     `pulumi:"rules,optional"`
	SessionAffinity           *string                                `pulumi:"sessionAffinity,optional"`
	SessionAffinityAttributes []LoadBalancerSessionAffinityAttribute `pulumi:"sessionAffinityAttributes,optional"`
	SessionAffinityTTL        *int                                   `pulumi:"sessionAffinityTtl,optional"`
	SteeringPolicy            string                                 `pulumi:"steeringPolicy"`
	TTL                       int                                    `pulumi:"ttl"`
	ZoneID                    string                                 `pulumi:"zoneId"`
}

var (
	_ infer.CustomResource[LoadBalancerInputs, LoadBalancerState] = (*LoadBalancer)(nil)
	_ infer.CustomCheck[LoadBalancerInputs]                       = (*LoadBalancer)(nil)
	_ infer.CustomDiff[LoadBalancerInputs, LoadBalancerState]     = (*LoadBalancer)(nil)
	_ infer.CustomUpdate[LoadBalancerInputs, LoadBalancerState]   = (*LoadBalancer)(nil)
	_ infer.CustomRead[LoadBalancerInputs, LoadBalancerState]     = (*LoadBalancer)(nil)
	_ infer.CustomDelete[LoadBalancerState]                       = (*LoadBalancer)(nil)
)

// Annotate describes the resource.
func (l *LoadBalancer) Annotate(a infer.Annotator) {
	a.SetToken("index/loadBalancer", "LoadBalancer")
	a.Describe(&l, "A name that Cloudflare leads to the healthy ones of several pools.")
}

// Annotate sets the official plugin's defaults.
func (i *LoadBalancerInputs) Annotate(a infer.Annotator) {
	a.SetDefault(&i.Enabled, true)
	a.SetDefault(&i.Proxied, false)
	a.SetDefault(&i.SessionAffinity, "none")
	a.SetDefault(&i.SteeringPolicy, "")
}

// Check refuses a TTL beside the front door, as the official plugin does, and the parts of the schema that this drop-in does not carry out.
func (*LoadBalancer) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[LoadBalancerInputs], error) {
	in, failures, err := infer.DefaultCheck[LoadBalancerInputs](ctx, req.NewInputs)
	if err != nil {
		return infer.CheckResponse[LoadBalancerInputs]{}, err
	}
	if value(in.Proxied) && in.TTL != nil {
		failures = append(failures, p.CheckFailure{Property: "ttl", Reason: "conflicts with proxied"})
	}
	for _, part := range []struct {
		name  string
		given bool
	}{
		{"adaptiveRoutings", len(in.AdaptiveRoutings) > 0},
		{"countryPools", len(in.CountryPools) > 0},
		{"locationStrategies", len(in.LocationStrategies) > 0},
		{"popPools", len(in.PopPools) > 0},
		{"randomSteerings", len(in.RandomSteerings) > 0},
		{"regionPools", len(in.RegionPools) > 0},
		{"rules", len(in.Rules) > 0},
		{"sessionAffinity", value(in.SessionAffinity) != "none" && value(in.SessionAffinity) != ""},
		{"sessionAffinityAttributes", len(in.SessionAffinityAttributes) > 0},
		{"sessionAffinityTtl", in.SessionAffinityTTL != nil},
	} {
		if part.given {
			failures = append(failures, p.CheckFailure{Property: part.name, Reason: "this drop-in does not carry it out; leave it out, or use the official plugin"})
		}
	}
	return infer.CheckResponse[LoadBalancerInputs]{Inputs: in, Failures: failures}, nil
}

func (i LoadBalancerInputs) params() cloudflare.LoadBalancer {
	return cloudflare.LoadBalancer{
		Name: i.Name, Description: value(i.Description), TTL: value(i.TTL), FallbackPool: i.FallbackPoolID, DefaultPools: i.DefaultPoolIDs, Proxied: value(i.Proxied),
		Enabled: i.Enabled, Persistence: value(i.SessionAffinity), SteeringPolicy: value(i.SteeringPolicy),
	}
}

func (i LoadBalancerInputs) state(l cloudflare.LoadBalancer) LoadBalancerState {
	return LoadBalancerState{
		CreatedOn: stamp(l.CreatedOn), DefaultPoolIDs: l.DefaultPools, Description: optional(l.Description), Enabled: l.Enabled, FallbackPoolID: l.FallbackPool,
		ModifiedOn: stamp(l.ModifiedOn), Name: l.Name, Proxied: &l.Proxied, SessionAffinity: optional(l.Persistence), SteeringPolicy: l.SteeringPolicy, TTL: l.TTL, ZoneID: i.ZoneID,
	}
}

// Diff replaces a load balancer that moves to another zone.
func (*LoadBalancer) Diff(_ context.Context, req infer.DiffRequest[LoadBalancerInputs, LoadBalancerState]) (infer.DiffResponse, error) {
	return differ(req.Inputs, req.State, []string{"zoneId"}, []string{"ttl", "steeringPolicy", "sessionAffinity"}), nil
}

// Create creates the load balancer.
func (*LoadBalancer) Create(ctx context.Context, req infer.CreateRequest[LoadBalancerInputs]) (infer.CreateResponse[LoadBalancerState], error) {
	in := req.Inputs
	if req.DryRun {
		return infer.CreateResponse[LoadBalancerState]{Output: in.state(in.params())}, nil
	}
	l, err := api(ctx).CreateLoadBalancer(ctx, cloudflare.ZoneIdentifier(in.ZoneID), cloudflare.CreateLoadBalancerParams{LoadBalancer: in.params()})
	if err != nil {
		return infer.CreateResponse[LoadBalancerState]{}, fmt.Errorf("create load balancer %s: %w", in.Name, err)
	}
	return infer.CreateResponse[LoadBalancerState]{ID: l.ID, Output: in.state(l)}, nil
}

// Update changes the load balancer in place.
func (*LoadBalancer) Update(ctx context.Context, req infer.UpdateRequest[LoadBalancerInputs, LoadBalancerState]) (infer.UpdateResponse[LoadBalancerState], error) {
	in, l := req.Inputs, req.Inputs.params()
	if !req.DryRun {
		l.ID = req.ID
		var err error
		if l, err = api(ctx).UpdateLoadBalancer(ctx, cloudflare.ZoneIdentifier(in.ZoneID), cloudflare.UpdateLoadBalancerParams{LoadBalancer: l}); err != nil {
			return infer.UpdateResponse[LoadBalancerState]{}, fmt.Errorf("update load balancer %s: %w", in.Name, err)
		}
	}
	return infer.UpdateResponse[LoadBalancerState]{Output: in.state(l)}, nil
}

// Read takes over what is there. To import, the id is zone/load balancer.
func (*LoadBalancer) Read(ctx context.Context, req infer.ReadRequest[LoadBalancerInputs, LoadBalancerState]) (infer.ReadResponse[LoadBalancerInputs, LoadBalancerState], error) {
	zone, id, imported, err := owner(req.ID, req.State.ZoneID)
	if err != nil {
		return infer.ReadResponse[LoadBalancerInputs, LoadBalancerState]{}, fmt.Errorf("import load balancer: %s", strings.ReplaceAll(err.Error(), "account/id", "zone/id"))
	}
	l, err := api(ctx).GetLoadBalancer(ctx, cloudflare.ZoneIdentifier(zone), id)
	if gone(err) {
		return infer.ReadResponse[LoadBalancerInputs, LoadBalancerState]{}, nil
	}
	if err != nil {
		return infer.ReadResponse[LoadBalancerInputs, LoadBalancerState]{}, fmt.Errorf("read load balancer %s: %w", id, err)
	}
	in := req.Inputs
	in.ZoneID = zone
	state := in.state(l)
	if imported {
		in = LoadBalancerInputs{
			DefaultPoolIDs: state.DefaultPoolIDs, Description: state.Description, Enabled: state.Enabled, FallbackPoolID: state.FallbackPoolID, Name: state.Name,
			Proxied: state.Proxied, SessionAffinity: state.SessionAffinity, SteeringPolicy: optional(state.SteeringPolicy), ZoneID: zone,
		}
		if !value(state.Proxied) {
			in.TTL = &state.TTL
		}
	}
	return infer.ReadResponse[LoadBalancerInputs, LoadBalancerState]{ID: id, Inputs: in, State: state}, nil
}

// Delete removes the load balancer; one that is gone already is no error.
func (*LoadBalancer) Delete(ctx context.Context, req infer.DeleteRequest[LoadBalancerState]) (infer.DeleteResponse, error) {
	err := api(ctx).DeleteLoadBalancer(ctx, cloudflare.ZoneIdentifier(req.State.ZoneID), req.ID)
	if err != nil && !gone(err) {
		return infer.DeleteResponse{}, fmt.Errorf("delete load balancer %s: %w", req.State.Name, err)
	}
	return infer.DeleteResponse{}, nil
}
