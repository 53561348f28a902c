package provider

import (
	"context"
	"reflect"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"havre/components/ovh/order"
	"havre/components/ovh/sdk"
	"havre/components/unchanged"
)

// inputs are the names of a resource's inputs, by its type.
var inputs = map[string][]string{
	sdk.ServerToken: names[ServiceArgs](), sdk.VPSToken: names[ServiceArgs](),
	sdk.InstanceToken:     names[InstanceArgs](),
	sdk.InstallationToken: names[InstallationArgs](), sdk.VPSInstallationToken: names[InstallationArgs](),
}

// names are the properties of a struct.
func names[T any]() []string {
	var out []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		name, _, _ := strings.Cut(field.Tag.Get("pulumi"), ",")
		out = append(out, name)
	}
	return out
}

// settled says of what makes up most of a fleet that it has come to rest and nothing is asked of it: the answer that the resource's own comparison would give,
// without turning the whole state into Go values first (see unchanged). Whatever it does not know it leaves to that comparison. An error is the comparison's
// own.
func (rt *runtime) settled(ctx context.Context, r p.DiffRequest) (bool, error) {
	if !unchanged.Inputs(ctx, r) {
		return false, nil
	}
	switch kind := string(r.Urn.Type()); kind {
	case sdk.SSHKeyToken, sdk.VrackAttachmentToken, sdk.ReverseDNSToken, sdk.EdgeFirewallToken, sdk.AggregationToken:
		return true, nil // the library compares these, by their inputs alone
	case sdk.ServerToken, sdk.VPSToken:
		if text(r.State, "phase") != string(order.Tagged) || text(r.Inputs, "adopt") != "" || !holds(r.State, r.Inputs, inputs[kind]) {
			return false, nil
		}
		price, err := order.ParseMoney(text(r.State, "monthlyPrice"))
		if err != nil {
			return false, nil //nolint:nilerr // a price that cannot be read is the comparison's business
		}
		return true, rt.count(r.Urn, price, false, text(r.State, "currency"))
	case sdk.InstanceToken:
		if text(r.State, "status") != "ACTIVE" || !holds(r.State, r.Inputs, inputs[kind]) {
			return false, nil
		}
		price, err := order.ParseMoney(text(r.State, "monthlyPrice"))
		if err != nil {
			return false, nil //nolint:nilerr // as for a server
		}
		return true, rt.count(r.Urn, price, false, text(r.State, "currency"))
	case sdk.InstallationToken, sdk.VPSInstallationToken:
		return r.State.Get("installedGeneration").Equals(r.Inputs.Get("generation")) && holds(r.State, r.Inputs, inputs[kind]), nil
	}
	return false, nil
}

// holds says whether a state has all the inputs as they are given.
func holds(state, given property.Map, names []string) bool {
	for _, name := range names {
		if !state.Get(name).Equals(given.Get(name)) {
			return false
		}
	}
	return true
}

// text is a string among the properties, "" for anything else.
func text(m property.Map, name string) string {
	if v := m.Get(name); v.IsString() {
		return v.AsString()
	}
	return ""
}
