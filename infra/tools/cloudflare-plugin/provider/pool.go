package provider

import (
	"context"
	"fmt"
	"strconv"

	"github.com/cloudflare/cloudflare-go"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// LoadBalancerPool is cloudflare.LoadBalancerPool: origins that stand in for each other.
type LoadBalancerPool struct{}

// Origin is one of a pool's origins.
type Origin struct {
	Address          string   `pulumi:"address"`
	Enabled          *bool    `pulumi:"enabled,optional"`
	Headers          []Header `pulumi:"headers,optional"`
	Name             string   `pulumi:"name"`
	VirtualNetworkID *string  `pulumi:"virtualNetworkId,optional"`
	Weight           *float64 `pulumi:"weight,optional"`
}

// LoadShedding is how much traffic a pool gives away.
type LoadShedding struct {
	DefaultPercent *float64 `pulumi:"defaultPercent,optional"`
	DefaultPolicy  *string  `pulumi:"defaultPolicy,optional"`
	SessionPercent *float64 `pulumi:"sessionPercent,optional"`
	SessionPolicy  *string  `pulumi:"sessionPolicy,optional"`
}

// OriginSteering is how an origin is chosen.
type OriginSteering struct {
	Policy *string `pulumi:"policy,optional"`
}

// LoadBalancerPoolInputs are its inputs.
type LoadBalancerPoolInputs struct {
	AccountID         string           `pulumi:"accountId"`
	CheckRegions      []string         `pulumi:"checkRegions,optional"`
	Description       *string          `pulumi:"description,optional"`
	Enabled           *bool            `pulumi:"enabled,optional"`
	Latitude          *float64         `pulumi:"latitude,optional"`
	LoadSheddings     []LoadShedding   `pulumi:"loadSheddings,optional"`
	Longitude         *float64         `pulumi:"longitude,optional"`
	MinimumOrigins    *int             `pulumi:"minimumOrigins,optional"`
	Monitor           *string          `pulumi:"monitor,optional"`
	Name              string           `pulumi:"name"`
	NotificationEmail *string          `pulumi:"notificationEmail,optional"`
	OriginSteerings   []OriginSteering `pulumi:"originSteerings,optional"`
	Origins           []Origin         `pulumi:"origins"`
}

// LoadBalancerPoolState is its state.
type LoadBalancerPoolState struct {
	AccountID         string           `pulumi:"accountId"`
	CheckRegions      []string         `pulumi:"checkRegions"`
	CreatedOn         string           `pulumi:"createdOn"`
	Description       *string          `pulumi:"description,optional"`
	Enabled           *bool            `pulumi:"enabled,optional"`
	Latitude          *float64         `pulumi:"latitude,optional"`
	LoadSheddings     []LoadShedding   `pulumi:"loadSheddings,optional"`
	Longitude         *float64         `pulumi:"longitude,optional"`
	MinimumOrigins    *int             `pulumi:"minimumOrigins,optional"`
	ModifiedOn        string           `pulumi:"modifiedOn"`
	Monitor           *string          `pulumi:"monitor,optional"`
	Name              string           `pulumi:"name"`
	NotificationEmail *string          `pulumi:"notificationEmail,optional"`
	OriginSteerings   []OriginSteering `pulumi:"originSteerings,optional"`
	Origins           []Origin         `pulumi:"origins"`
}

var (
	_ infer.CustomResource[LoadBalancerPoolInputs, LoadBalancerPoolState] = (*LoadBalancerPool)(nil)
	_ infer.CustomDiff[LoadBalancerPoolInputs, LoadBalancerPoolState]     = (*LoadBalancerPool)(nil)
	_ infer.CustomUpdate[LoadBalancerPoolInputs, LoadBalancerPoolState]   = (*LoadBalancerPool)(nil)
	_ infer.CustomRead[LoadBalancerPoolInputs, LoadBalancerPoolState]     = (*LoadBalancerPool)(nil)
	_ infer.CustomDelete[LoadBalancerPoolState]                           = (*LoadBalancerPool)(nil)
)

// Annotate describes the resource.
func (l *LoadBalancerPool) Annotate(a infer.Annotator) {
	a.SetToken("index/loadBalancerPool", "LoadBalancerPool")
	a.Describe(&l, "A pool of origins of a Cloudflare load balancer.")
}

// Annotate sets the official plugin's defaults.
func (i *LoadBalancerPoolInputs) Annotate(a infer.Annotator) {
	a.SetDefault(&i.Enabled, true)
	a.SetDefault(&i.MinimumOrigins, 1)
}

// Annotate sets the official plugin's defaults.
func (o *Origin) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerPoolOrigin", "LoadBalancerPoolOrigin")
	a.SetDefault(&o.Enabled, true)
	a.SetDefault(&o.Weight, 1.0)
}

// Annotate names the type as the official plugin does.
func (l *LoadShedding) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerPoolLoadShedding", "LoadBalancerPoolLoadShedding")
}

// Annotate names the type as the official plugin does.
func (o *OriginSteering) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerPoolOriginSteering", "LoadBalancerPoolOriginSteering")
}

func (i LoadBalancerPoolInputs) params() cloudflare.LoadBalancerPool {
	pool := cloudflare.LoadBalancerPool{
		Description: value(i.Description), Name: i.Name, Enabled: value(i.Enabled), MinimumOrigins: i.MinimumOrigins, Monitor: value(i.Monitor),
		NotificationEmail: value(i.NotificationEmail), Latitude: narrow(i.Latitude), Longitude: narrow(i.Longitude), CheckRegions: i.CheckRegions,
	}
	for _, o := range i.Origins {
		pool.Origins = append(pool.Origins, cloudflare.LoadBalancerOrigin{
			Name: o.Name, Address: o.Address, Enabled: value(o.Enabled), Weight: value(o.Weight), Header: toHeaders(o.Headers), VirtualNetworkID: value(o.VirtualNetworkID),
		})
	}
	for _, s := range i.LoadSheddings {
		pool.LoadShedding = &cloudflare.LoadBalancerLoadShedding{
			DefaultPercent: float32(value(s.DefaultPercent)), DefaultPolicy: value(s.DefaultPolicy), SessionPercent: float32(value(s.SessionPercent)), SessionPolicy: value(s.SessionPolicy),
		}
	}
	for _, s := range i.OriginSteerings {
		pool.OriginSteering = &cloudflare.LoadBalancerOriginSteering{Policy: value(s.Policy)}
	}
	return pool
}

// state puts together what the API says; the inputs tell the order of headers.
func (i LoadBalancerPoolInputs) state(pool cloudflare.LoadBalancerPool) LoadBalancerPoolState {
	s := LoadBalancerPoolState{
		// An empty list and not none: the next run reads the state again, and none is no list.
		AccountID: i.AccountID, CheckRegions: append([]string{}, pool.CheckRegions...), CreatedOn: stamp(pool.CreatedOn), Description: optional(pool.Description), Enabled: &pool.Enabled,
		Latitude: wide(pool.Latitude), Longitude: wide(pool.Longitude), MinimumOrigins: pool.MinimumOrigins, ModifiedOn: stamp(pool.ModifiedOn),
		Monitor: optional(pool.Monitor), Name: pool.Name, NotificationEmail: optional(pool.NotificationEmail),
	}
	order := map[string][]Header{}
	for _, o := range i.Origins {
		order[o.Name] = o.Headers
	}
	for _, o := range pool.Origins {
		s.Origins = append(s.Origins, Origin{
			Address: o.Address, Enabled: &o.Enabled, Headers: fromHeaders(o.Header, order[o.Name]), Name: o.Name, VirtualNetworkID: optional(o.VirtualNetworkID), Weight: &o.Weight,
		})
	}
	if shed := pool.LoadShedding; shed != nil && *shed != (cloudflare.LoadBalancerLoadShedding{}) {
		s.LoadSheddings = []LoadShedding{{
			DefaultPercent: optional(float64(shed.DefaultPercent)), DefaultPolicy: optional(shed.DefaultPolicy), SessionPercent: optional(float64(shed.SessionPercent)), SessionPolicy: optional(shed.SessionPolicy),
		}}
	}
	if steering := pool.OriginSteering; steering != nil && steering.Policy != "" {
		s.OriginSteerings = []OriginSteering{{Policy: &steering.Policy}}
	}
	return s
}

func narrow(v *float64) *float32 {
	if v == nil {
		return nil
	}
	n := float32(*v)
	return &n
}

// wide returns a coordinate with the digits that it was written with: the API's client keeps it in 32 bits, and 50.69 must not become 50.689998.
func wide(v *float32) *float64 {
	if v == nil {
		return nil
	}
	w, err := strconv.ParseFloat(strconv.FormatFloat(float64(*v), 'g', -1, 32), 64)
	if err != nil {
		w = float64(*v)
	}
	return &w
}

// Diff replaces a pool that moves to another account.
func (*LoadBalancerPool) Diff(_ context.Context, req infer.DiffRequest[LoadBalancerPoolInputs, LoadBalancerPoolState]) (infer.DiffResponse, error) {
	return differ(req.Inputs, req.State, []string{"accountId"}, []string{"checkRegions", "originSteerings"}), nil
}

// Create creates the pool.
func (*LoadBalancerPool) Create(ctx context.Context, req infer.CreateRequest[LoadBalancerPoolInputs]) (infer.CreateResponse[LoadBalancerPoolState], error) {
	in := req.Inputs
	if req.DryRun {
		return infer.CreateResponse[LoadBalancerPoolState]{Output: in.state(in.params())}, nil
	}
	pool, err := api(ctx).CreateLoadBalancerPool(ctx, cloudflare.AccountIdentifier(in.AccountID), cloudflare.CreateLoadBalancerPoolParams{LoadBalancerPool: in.params()})
	if err != nil {
		return infer.CreateResponse[LoadBalancerPoolState]{}, fmt.Errorf("create pool %s: %w", in.Name, err)
	}
	return infer.CreateResponse[LoadBalancerPoolState]{ID: pool.ID, Output: in.state(pool)}, nil
}

// Update changes the pool in place.
func (*LoadBalancerPool) Update(ctx context.Context, req infer.UpdateRequest[LoadBalancerPoolInputs, LoadBalancerPoolState]) (infer.UpdateResponse[LoadBalancerPoolState], error) {
	in, pool := req.Inputs, req.Inputs.params()
	if !req.DryRun {
		pool.ID = req.ID
		var err error
		if pool, err = api(ctx).UpdateLoadBalancerPool(ctx, cloudflare.AccountIdentifier(in.AccountID), cloudflare.UpdateLoadBalancerPoolParams{LoadBalancer: pool}); err != nil {
			return infer.UpdateResponse[LoadBalancerPoolState]{}, fmt.Errorf("update pool %s: %w", in.Name, err)
		}
	}
	return infer.UpdateResponse[LoadBalancerPoolState]{Output: in.state(pool)}, nil
}

// Read takes over what is there. To import, the id is account/pool.
func (*LoadBalancerPool) Read(ctx context.Context, req infer.ReadRequest[LoadBalancerPoolInputs, LoadBalancerPoolState]) (infer.ReadResponse[LoadBalancerPoolInputs, LoadBalancerPoolState], error) {
	account, id, imported, err := owner(req.ID, req.State.AccountID)
	if err != nil {
		return infer.ReadResponse[LoadBalancerPoolInputs, LoadBalancerPoolState]{}, fmt.Errorf("import pool: %w", err)
	}
	pool, err := api(ctx).GetLoadBalancerPool(ctx, cloudflare.AccountIdentifier(account), id)
	if gone(err) {
		return infer.ReadResponse[LoadBalancerPoolInputs, LoadBalancerPoolState]{}, nil
	}
	if err != nil {
		return infer.ReadResponse[LoadBalancerPoolInputs, LoadBalancerPoolState]{}, fmt.Errorf("read pool %s: %w", id, err)
	}
	in := req.Inputs
	in.AccountID = account
	state := in.state(pool)
	if imported {
		in = LoadBalancerPoolInputs{
			AccountID: account, CheckRegions: state.CheckRegions, Description: state.Description, Enabled: state.Enabled, Latitude: state.Latitude, LoadSheddings: state.LoadSheddings,
			Longitude: state.Longitude, MinimumOrigins: state.MinimumOrigins, Monitor: state.Monitor, Name: state.Name, NotificationEmail: state.NotificationEmail,
			OriginSteerings: state.OriginSteerings, Origins: state.Origins,
		}
	}
	return infer.ReadResponse[LoadBalancerPoolInputs, LoadBalancerPoolState]{ID: id, Inputs: in, State: state}, nil
}

// Delete removes the pool; one that is gone already is no error.
func (*LoadBalancerPool) Delete(ctx context.Context, req infer.DeleteRequest[LoadBalancerPoolState]) (infer.DeleteResponse, error) {
	err := api(ctx).DeleteLoadBalancerPool(ctx, cloudflare.AccountIdentifier(req.State.AccountID), req.ID)
	if err != nil && !gone(err) {
		return infer.DeleteResponse{}, fmt.Errorf("delete pool %s: %w", req.State.Name, err)
	}
	return infer.DeleteResponse{}, nil
}
