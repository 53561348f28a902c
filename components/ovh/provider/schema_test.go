package provider

import (
	"context"
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/ovh/sdk"
)

// fields lists the pulumi tags of a struct, those of embedded structs left out.
func fields(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("pulumi"); tag != "" {
			out = append(out, strings.Split(tag, ",")[0])
		}
	}
	sort.Strings(out)
	return out
}

// TestFaceMatchesSchema holds the typed face to what the provider publishes: every input and output it names exists, and every required input is there.
func TestFaceMatchesSchema(t *testing.T) {
	prov, err := New(Options{Cache: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	schema, err := p.GetSchema(context.Background(), Name, Version, prov)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		token string
		args  pulumi.Input
		state any
	}{
		{sdk.ServerToken, sdk.OrderArgs{}, sdk.Service{}},
		{sdk.VPSToken, sdk.OrderArgs{}, sdk.Service{}},
		{sdk.InstallationToken, sdk.InstallationArgs{}, sdk.Host{}},
		{sdk.VPSInstallationToken, sdk.InstallationArgs{}, sdk.Host{}},
		{sdk.SSHKeyToken, sdk.SSHKeyArgs{}, sdk.SSHKey{}},
		{sdk.VrackToken, sdk.VrackArgs{}, sdk.Vrack{}},
		{sdk.VrackAttachmentToken, sdk.VrackAttachmentArgs{}, sdk.VrackAttachment{}},
		{sdk.BudgetToken, sdk.BudgetArgs{}, sdk.Budget{}},
		{sdk.ReverseDNSToken, sdk.ReverseDNSArgs{}, sdk.ReverseDNS{}},
		{sdk.EdgeFirewallToken, sdk.EdgeFirewallArgs{}, sdk.EdgeFirewall{}},
		{sdk.AggregationToken, sdk.AggregationArgs{}, sdk.Aggregation{}},
		{sdk.DatabaseToken, sdk.DatabaseArgs{}, sdk.Database{}},
		{sdk.DatabaseUserToken, sdk.DatabaseUserArgs{}, sdk.DatabaseUser{}},
		{sdk.LogicalDatabaseToken, sdk.LogicalDatabaseArgs{}, sdk.LogicalDatabase{}},
		{sdk.DatabaseAccessToken, sdk.DatabaseAccessArgs{}, sdk.DatabaseAccess{}},
		{sdk.InstanceToken, sdk.InstanceArgs{}, sdk.Instance{}},
		{sdk.DatabaseScrubToken, sdk.DatabaseScrubArgs{}, sdk.DatabaseScrub{}},
	} {
		r, ok := schema.Resources[c.token]
		if !ok {
			t.Errorf("the provider has no %s", c.token)
			continue
		}
		inputs := fields(c.args.ElementType())
		for _, f := range inputs {
			if _, ok := r.InputProperties[f]; !ok {
				t.Errorf("%s: the face passes %q, the provider does not take it", c.token, f)
			}
		}
		for f := range r.InputProperties {
			if !strings.Contains(" "+strings.Join(inputs, " ")+" ", " "+f+" ") {
				t.Errorf("%s: the provider takes %q, the face does not pass it", c.token, f)
			}
		}
		for _, f := range fields(reflect.TypeOf(c.state)) {
			if _, ok := r.Properties[f]; !ok {
				t.Errorf("%s: the face reads %q, the provider does not give it", c.token, f)
			}
		}
	}
	for token, face := range map[string]any{
		"PartitionArgs": sdk.Partition{}, "BudgetNode": sdk.BudgetNode{},
		"DatabaseOffer": sdk.DatabaseOffer{}, "ScrubRule": sdk.ScrubRule{},
	} {
		var have []string
		for f := range schema.Types["ovhmetal:provider:"+token].Properties {
			have = append(have, f)
		}
		sort.Strings(have)
		if got := fields(reflect.TypeOf(face)); strings.Join(got, " ") != strings.Join(have, " ") {
			t.Errorf("%s: the face has %v, the provider %v", token, got, have)
		}
	}
	for _, f := range fields(sdk.ProviderArgs{}.ElementType()) {
		if _, ok := schema.Config.Variables[f]; !ok {
			t.Errorf("provider: the face passes %q, the configuration does not take it", f)
		}
	}
}

func TestFromEnvironment(t *testing.T) {
	env := map[string]string{"OVHMETAL_POLL": "0.2", "OVHMETAL_CACHE": "/c", "OVHMETAL_RATE": "50", "OVHMETAL_SSH_PROXY": "socks5://127.0.0.1:19090"}
	o, err := FromEnvironment(func(k string) string { return env[k] })
	if err != nil || o.Poll != 200*time.Millisecond || o.Cache != "/c" || o.API.Rate != 50 || o.HostKey == nil {
		t.Errorf("options %+v, %v", o, err)
	}
	env["OVHMETAL_POLL"] = "200ms"
	if o, err := FromEnvironment(func(k string) string { return env[k] }); err != nil || o.Poll != 200*time.Millisecond {
		t.Errorf("options %+v, %v", o, err)
	}
	env = map[string]string{"OVHMETAL_POLL": "-1", "OVHMETAL_RATE": "many", "OVHMETAL_SSH_PROXY": "127.0.0.1:19090"}
	want := `OVHMETAL_POLL "-1" is not a time above 0; write seconds such as 15 or a duration such as 200ms
OVHMETAL_RATE "many" is not a number above 0; write requests a second such as 10
OVHMETAL_SSH_PROXY "127.0.0.1:19090" is not a SOCKS5 address; write socks5://host:port`
	if _, err := FromEnvironment(func(k string) string { return env[k] }); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
