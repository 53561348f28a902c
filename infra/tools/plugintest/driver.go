// Package plugintest drives a resource plugin as the engine does, and stands in for the hosts that it talks to. Only tests use it.
//
// What one would get wrong: the driver speaks the plugin's own gRPC messages, secrets and unknowns included, so a test sees what a state would hold.
package plugintest

import (
	"context"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

// Driver is the engine's side of one plugin.
type Driver struct {
	t      testing.TB
	server rpc.ResourceProviderServer
}

// New greets and configures a plugin.
func New(t testing.TB, name, version string, provider p.Provider, config resource.PropertyMap) *Driver {
	t.Helper()
	server, err := p.RawServer(name, version, provider)(nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &Driver{t: t, server: server}
	// A plugin may know nothing of handshakes; the engine does not mind either.
	if _, err := server.Handshake(t.Context(), &rpc.ProviderHandshakeRequest{}); err != nil && status.Code(err) != codes.Unimplemented {
		t.Fatal(err)
	}
	urn := "urn:pulumi:test::test::pulumi:providers:" + name + "::" + name
	checked, err := server.CheckConfig(t.Context(), &rpc.CheckRequest{Urn: urn, News: d.marshal(config), Olds: d.marshal(nil)})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range checked.GetFailures() {
		t.Fatalf("configuration %s: %s", f.GetProperty(), f.GetReason())
	}
	if _, err := server.Configure(t.Context(), &rpc.ConfigureRequest{Args: checked.GetInputs(), AcceptSecrets: true, AcceptResources: true, SendsOldInputs: true, SendsOldInputsToDelete: true}); err != nil {
		t.Fatal(err)
	}
	return d
}

// Resource is one resource in the test's stack.
type Resource struct {
	d *Driver
	// URN has the type token and the name in it.
	URN string
	// ID, Inputs and State are as the last call left them.
	ID            string
	Inputs, State resource.PropertyMap
}

// Resource names a resource that does not exist yet.
func (d *Driver) Resource(token, name string) *Resource {
	return &Resource{d: d, URN: "urn:pulumi:test::test::" + token + "::" + name}
}

// Check returns the inputs with defaults and secrets, and what is wrong with them as "property: reason".
func (r *Resource) Check(inputs resource.PropertyMap) (resource.PropertyMap, []string) {
	r.d.t.Helper()
	resp, err := r.d.server.Check(r.d.t.Context(), &rpc.CheckRequest{Urn: r.URN, Olds: r.d.marshal(r.Inputs), News: r.d.marshal(inputs)})
	if err != nil {
		r.d.t.Fatal(err)
	}
	var failures []string
	for _, f := range resp.GetFailures() {
		failures = append(failures, f.GetProperty()+": "+f.GetReason())
	}
	return r.d.unmarshal(resp.GetInputs()), failures
}

// mustCheck is Check of inputs that are right.
func (r *Resource) mustCheck(inputs resource.PropertyMap) resource.PropertyMap {
	r.d.t.Helper()
	checked, failures := r.Check(inputs)
	for _, f := range failures {
		r.d.t.Fatalf("%s: %s", r.URN, f)
	}
	return checked
}

// Create creates the resource; the error is the plugin's.
func (r *Resource) Create(ctx context.Context, inputs resource.PropertyMap) error {
	r.d.t.Helper()
	checked := r.mustCheck(inputs)
	resp, err := r.d.server.Create(ctx, &rpc.CreateRequest{Urn: r.URN, Properties: r.d.marshal(checked)})
	if err != nil {
		return err
	}
	r.ID, r.Inputs, r.State = resp.GetId(), checked, r.d.unmarshal(resp.GetProperties())
	return nil
}

// PreviewCreate returns the outputs that a preview of a creation would show.
func (r *Resource) PreviewCreate(inputs resource.PropertyMap) resource.PropertyMap {
	r.d.t.Helper()
	resp, err := r.d.server.Create(r.d.t.Context(), &rpc.CreateRequest{Urn: r.URN, Properties: r.d.marshal(r.mustCheck(inputs)), Preview: true})
	if err != nil {
		r.d.t.Fatal(err)
	}
	return r.d.unmarshal(resp.GetProperties())
}

// Diff says what new inputs would do: "same", "update" or "replace".
func (r *Resource) Diff(inputs resource.PropertyMap) string {
	r.d.t.Helper()
	resp, err := r.d.server.Diff(r.d.t.Context(), &rpc.DiffRequest{
		Id: r.ID, Urn: r.URN, Olds: r.d.marshal(r.State), OldInputs: r.d.marshal(r.Inputs), News: r.d.marshal(r.mustCheck(inputs)),
	})
	if err != nil {
		r.d.t.Fatal(err)
	}
	if len(resp.GetReplaces()) > 0 {
		return "replace"
	}
	for _, d := range resp.GetDetailedDiff() {
		switch d.GetKind() {
		case rpc.PropertyDiff_ADD_REPLACE, rpc.PropertyDiff_DELETE_REPLACE, rpc.PropertyDiff_UPDATE_REPLACE:
			return "replace"
		}
	}
	if resp.GetChanges() == rpc.DiffResponse_DIFF_SOME {
		return "update"
	}
	return "same"
}

// Update updates the resource; after an error it is as before.
func (r *Resource) Update(ctx context.Context, inputs resource.PropertyMap) error {
	r.d.t.Helper()
	checked := r.mustCheck(inputs)
	resp, err := r.d.server.Update(ctx, r.update(checked, false))
	if err != nil {
		return err
	}
	r.Inputs, r.State = checked, r.d.unmarshal(resp.GetProperties())
	return nil
}

// PreviewUpdate returns the outputs that a preview of an update would show.
func (r *Resource) PreviewUpdate(inputs resource.PropertyMap) resource.PropertyMap {
	r.d.t.Helper()
	resp, err := r.d.server.Update(r.d.t.Context(), r.update(r.mustCheck(inputs), true))
	if err != nil {
		r.d.t.Fatal(err)
	}
	return r.d.unmarshal(resp.GetProperties())
}

func (r *Resource) update(checked resource.PropertyMap, preview bool) *rpc.UpdateRequest {
	return &rpc.UpdateRequest{
		Id: r.ID, Urn: r.URN, Olds: r.d.marshal(r.State), OldInputs: r.d.marshal(r.Inputs), News: r.d.marshal(checked), Preview: preview,
	}
}

// Read refreshes the resource. It reports whether it is still there. To import, set ID first.
func (r *Resource) Read(ctx context.Context) (bool, error) {
	r.d.t.Helper()
	resp, err := r.d.server.Read(ctx, &rpc.ReadRequest{Id: r.ID, Urn: r.URN, Properties: r.d.marshal(r.State), Inputs: r.d.marshal(r.Inputs)})
	if err != nil {
		return false, err
	}
	r.ID, r.State, r.Inputs = resp.GetId(), r.d.unmarshal(resp.GetProperties()), r.d.unmarshal(resp.GetInputs())
	return r.ID != "", nil
}

// Delete deletes the resource.
func (r *Resource) Delete(ctx context.Context) error {
	r.d.t.Helper()
	_, err := r.d.server.Delete(ctx, &rpc.DeleteRequest{Id: r.ID, Urn: r.URN, Properties: r.d.marshal(r.State), OldInputs: r.d.marshal(r.Inputs)})
	return err
}

// Cancel tells the plugin to end what it is doing, as an interrupted run does.
func (d *Driver) Cancel() {
	d.t.Helper()
	if _, err := d.server.Cancel(d.t.Context(), nil); err != nil {
		d.t.Error(err)
	}
}

var marshalling = plugin.MarshalOptions{KeepSecrets: true, KeepUnknowns: true, KeepResources: true}

func (d *Driver) marshal(m resource.PropertyMap) *structpb.Struct {
	d.t.Helper()
	if m == nil {
		m = resource.PropertyMap{}
	}
	s, err := plugin.MarshalProperties(m, marshalling)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

func (d *Driver) unmarshal(s *structpb.Struct) resource.PropertyMap {
	d.t.Helper()
	if s == nil {
		return nil
	}
	m, err := plugin.UnmarshalProperties(s, marshalling)
	if err != nil {
		d.t.Fatal(err)
	}
	return m
}

// Map makes a property map of plain Go values; a resource.PropertyValue in it stays what it is.
func Map(values map[string]any) resource.PropertyMap { return resource.NewPropertyMapFromMap(values) }

// Unknown is a value that no one knows before the run.
func Unknown() resource.PropertyValue { return resource.MakeComputed(resource.NewProperty("")) }
