package provider

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cloudflare/cloudflare-go"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// LoadBalancerMonitor is cloudflare.LoadBalancerMonitor: how the origins of pools are checked.
type LoadBalancerMonitor struct{}

// Header is a header of a check, or of the requests to an origin.
type Header struct {
	Header string   `pulumi:"header"`
	Values []string `pulumi:"values"`
}

// LoadBalancerMonitorInputs are its inputs.
type LoadBalancerMonitorInputs struct {
	AccountID       string   `pulumi:"accountId"`
	AllowInsecure   *bool    `pulumi:"allowInsecure,optional"`
	ConsecutiveDown *int     `pulumi:"consecutiveDown,optional"`
	ConsecutiveUp   *int     `pulumi:"consecutiveUp,optional"`
	Description     *string  `pulumi:"description,optional"`
	ExpectedBody    *string  `pulumi:"expectedBody,optional"`
	ExpectedCodes   *string  `pulumi:"expectedCodes,optional"`
	FollowRedirects *bool    `pulumi:"followRedirects,optional"`
	Headers         []Header `pulumi:"headers,optional"`
	Interval        *int     `pulumi:"interval,optional"`
	Method          *string  `pulumi:"method,optional"`
	Path            *string  `pulumi:"path,optional"`
	Port            *int     `pulumi:"port,optional"`
	ProbeZone       *string  `pulumi:"probeZone,optional"`
	Retries         *int     `pulumi:"retries,optional"`
	Timeout         *int     `pulumi:"timeout,optional"`
	Type            *string  `pulumi:"type,optional"`
}

// LoadBalancerMonitorState is its state.
type LoadBalancerMonitorState struct {
	AccountID       string   `pulumi:"accountId"`
	AllowInsecure   *bool    `pulumi:"allowInsecure,optional"`
	ConsecutiveDown *int     `pulumi:"consecutiveDown,optional"`
	ConsecutiveUp   *int     `pulumi:"consecutiveUp,optional"`
	CreatedOn       string   `pulumi:"createdOn"`
	Description     *string  `pulumi:"description,optional"`
	ExpectedBody    *string  `pulumi:"expectedBody,optional"`
	ExpectedCodes   *string  `pulumi:"expectedCodes,optional"`
	FollowRedirects *bool    `pulumi:"followRedirects,optional"`
	Headers         []Header `pulumi:"headers,optional"`
	Interval        *int     `pulumi:"interval,optional"`
	Method          string   `pulumi:"method"`
	ModifiedOn      string   `pulumi:"modifiedOn"`
	Path            string   `pulumi:"path"`
	Port            *int     `pulumi:"port,optional"`
	ProbeZone       *string  `pulumi:"probeZone,optional"`
	Retries         *int     `pulumi:"retries,optional"`
	Timeout         *int     `pulumi:"timeout,optional"`
	Type            *string  `pulumi:"type,optional"`
}

var (
	_ infer.CustomResource[LoadBalancerMonitorInputs, LoadBalancerMonitorState] = (*LoadBalancerMonitor)(nil)
	_ infer.CustomDiff[LoadBalancerMonitorInputs, LoadBalancerMonitorState]     = (*LoadBalancerMonitor)(nil)
	_ infer.CustomUpdate[LoadBalancerMonitorInputs, LoadBalancerMonitorState]   = (*LoadBalancerMonitor)(nil)
	_ infer.CustomRead[LoadBalancerMonitorInputs, LoadBalancerMonitorState]     = (*LoadBalancerMonitor)(nil)
	_ infer.CustomDelete[LoadBalancerMonitorState]                              = (*LoadBalancerMonitor)(nil)
)

// Annotate describes the resource.
func (m *LoadBalancerMonitor) Annotate(a infer.Annotator) {
	a.SetToken("index/loadBalancerMonitor", "LoadBalancerMonitor")
	a.Describe(&m, "How Cloudflare checks the origins of pools.")
}

// Annotate sets the official plugin's defaults.
func (i *LoadBalancerMonitorInputs) Annotate(a infer.Annotator) {
	a.SetDefault(&i.Interval, 60)
	a.SetDefault(&i.Retries, 2)
	a.SetDefault(&i.Timeout, 5)
	a.SetDefault(&i.Type, "http")
}

// Annotate names the type as the official plugin does.
func (h *Header) Annotate(a infer.Annotator) {
	a.SetToken("index/LoadBalancerHeader", "LoadBalancerHeader")
}

func (i LoadBalancerMonitorInputs) params() cloudflare.LoadBalancerMonitor {
	m := cloudflare.LoadBalancerMonitor{
		Type: value(i.Type), Description: value(i.Description), Method: value(i.Method), Path: value(i.Path), Header: toHeaders(i.Headers), Timeout: value(i.Timeout),
		Retries: value(i.Retries), Interval: value(i.Interval), ConsecutiveUp: value(i.ConsecutiveUp), ConsecutiveDown: value(i.ConsecutiveDown),
		Port: uint16(value(i.Port)), ExpectedBody: value(i.ExpectedBody), ExpectedCodes: value(i.ExpectedCodes), FollowRedirects: value(i.FollowRedirects),
		AllowInsecure: value(i.AllowInsecure), ProbeZone: value(i.ProbeZone),
	}
	if m.Method == "" {
		m.Method = "GET"
		if m.Type == "tcp" {
			m.Method = "connection_established"
		}
	}
	if m.Path == "" && (m.Type == "http" || m.Type == "https") {
		m.Path = "/"
	}
	return m
}

func monitorState(account string, order []Header, m cloudflare.LoadBalancerMonitor) LoadBalancerMonitorState {
	return LoadBalancerMonitorState{
		AccountID: account, AllowInsecure: optional(m.AllowInsecure), ConsecutiveDown: optional(m.ConsecutiveDown), ConsecutiveUp: optional(m.ConsecutiveUp),
		CreatedOn: stamp(m.CreatedOn), Description: optional(m.Description), ExpectedBody: optional(m.ExpectedBody), ExpectedCodes: optional(m.ExpectedCodes),
		FollowRedirects: optional(m.FollowRedirects), Headers: fromHeaders(m.Header, order), Interval: optional(m.Interval), Method: m.Method, ModifiedOn: stamp(m.ModifiedOn),
		Path: m.Path, Port: optional(int(m.Port)), ProbeZone: optional(m.ProbeZone), Retries: optional(m.Retries), Timeout: optional(m.Timeout), Type: optional(m.Type),
	}
}

// Diff replaces a monitor that moves to another account.
func (*LoadBalancerMonitor) Diff(_ context.Context, req infer.DiffRequest[LoadBalancerMonitorInputs, LoadBalancerMonitorState]) (infer.DiffResponse, error) {
	return differ(req.Inputs, req.State, []string{"accountId"}, []string{"method", "path"}), nil
}

// Create creates the monitor.
func (*LoadBalancerMonitor) Create(ctx context.Context, req infer.CreateRequest[LoadBalancerMonitorInputs]) (infer.CreateResponse[LoadBalancerMonitorState], error) {
	in := req.Inputs
	if req.DryRun {
		return infer.CreateResponse[LoadBalancerMonitorState]{Output: monitorState(in.AccountID, in.Headers, in.params())}, nil
	}
	m, err := api(ctx).CreateLoadBalancerMonitor(ctx, cloudflare.AccountIdentifier(in.AccountID), cloudflare.CreateLoadBalancerMonitorParams{LoadBalancerMonitor: in.params()})
	if err != nil {
		return infer.CreateResponse[LoadBalancerMonitorState]{}, fmt.Errorf("create monitor %s: %w", req.Name, err)
	}
	return infer.CreateResponse[LoadBalancerMonitorState]{ID: m.ID, Output: monitorState(in.AccountID, in.Headers, m)}, nil
}

// Update changes the monitor in place.
func (*LoadBalancerMonitor) Update(ctx context.Context, req infer.UpdateRequest[LoadBalancerMonitorInputs, LoadBalancerMonitorState]) (infer.UpdateResponse[LoadBalancerMonitorState], error) {
	in, params := req.Inputs, req.Inputs.params()
	if !req.DryRun {
		params.ID = req.ID
		var err error
		if params, err = api(ctx).UpdateLoadBalancerMonitor(ctx, cloudflare.AccountIdentifier(in.AccountID), cloudflare.UpdateLoadBalancerMonitorParams{LoadBalancerMonitor: params}); err != nil {
			return infer.UpdateResponse[LoadBalancerMonitorState]{}, fmt.Errorf("update monitor %s: %w", req.ID, err)
		}
	}
	return infer.UpdateResponse[LoadBalancerMonitorState]{Output: monitorState(in.AccountID, in.Headers, params)}, nil
}

// Read takes over what is there. To import, the id is account/monitor.
func (*LoadBalancerMonitor) Read(ctx context.Context, req infer.ReadRequest[LoadBalancerMonitorInputs, LoadBalancerMonitorState]) (infer.ReadResponse[LoadBalancerMonitorInputs, LoadBalancerMonitorState], error) {
	account, id, imported, err := owner(req.ID, req.State.AccountID)
	if err != nil {
		return infer.ReadResponse[LoadBalancerMonitorInputs, LoadBalancerMonitorState]{}, fmt.Errorf("import monitor: %w", err)
	}
	m, err := api(ctx).GetLoadBalancerMonitor(ctx, cloudflare.AccountIdentifier(account), id)
	if gone(err) {
		return infer.ReadResponse[LoadBalancerMonitorInputs, LoadBalancerMonitorState]{}, nil
	}
	if err != nil {
		return infer.ReadResponse[LoadBalancerMonitorInputs, LoadBalancerMonitorState]{}, fmt.Errorf("read monitor %s: %w", id, err)
	}
	state, in := monitorState(account, req.Inputs.Headers, m), req.Inputs
	if imported {
		in = LoadBalancerMonitorInputs{
			AccountID: account, AllowInsecure: state.AllowInsecure, ConsecutiveDown: state.ConsecutiveDown, ConsecutiveUp: state.ConsecutiveUp, Description: state.Description,
			ExpectedBody: state.ExpectedBody, ExpectedCodes: state.ExpectedCodes, FollowRedirects: state.FollowRedirects, Headers: state.Headers, Interval: state.Interval,
			Method: optional(state.Method), Path: optional(state.Path), Port: state.Port, ProbeZone: state.ProbeZone, Retries: state.Retries, Timeout: state.Timeout, Type: state.Type,
		}
	}
	return infer.ReadResponse[LoadBalancerMonitorInputs, LoadBalancerMonitorState]{ID: id, Inputs: in, State: state}, nil
}

// Delete removes the monitor; one that is gone already is no error.
func (*LoadBalancerMonitor) Delete(ctx context.Context, req infer.DeleteRequest[LoadBalancerMonitorState]) (infer.DeleteResponse, error) {
	err := api(ctx).DeleteLoadBalancerMonitor(ctx, cloudflare.AccountIdentifier(req.State.AccountID), req.ID)
	if err != nil && !gone(err) {
		return infer.DeleteResponse{}, fmt.Errorf("delete monitor %s: %w", req.ID, err)
	}
	return infer.DeleteResponse{}, nil
}

// owner splits the id of an import, owner/thing; otherwise the owner is the state's.
func owner(id, known string) (account, thing string, imported bool, err error) {
	if account, thing, imported = strings.Cut(id, "/"); imported {
		return account, thing, true, nil
	}
	if known == "" {
		return "", "", false, fmt.Errorf("the id is %q; wanted account/id, both as the API's identifiers", id)
	}
	return known, id, false, nil
}

func stamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

func toHeaders(headers []Header) map[string][]string {
	if len(headers) == 0 {
		return nil
	}
	all := make(map[string][]string, len(headers))
	for _, h := range headers {
		all[h.Header] = h.Values
	}
	return all
}

// fromHeaders lists headers in the order of the inputs, new ones by their names: the API knows no order.
func fromHeaders(all map[string][]string, order []Header) []Header {
	var headers []Header
	left := maps.Clone(all)
	for _, h := range order {
		if values, ok := left[h.Header]; ok {
			headers = append(headers, Header{h.Header, values})
			delete(left, h.Header)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		headers = append(headers, Header{name, left[name]})
	}
	return headers
}
