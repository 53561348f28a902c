package dns_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/dns"
	"havre/components/host/hosttest"
)

func hostArgs() dns.HostArgs {
	return dns.HostArgs{
		Zone: "havre.example", ZoneID: pulumi.String("0123456789abcdef0123456789abcdef"), Name: "gra-worker-1.nodes.havre.example",
		Address: pulumi.String("198.51.100.11"),
	}
}

func hostEngine() *hosttest.Engine {
	return engine().Handle("ovhmetal:index:ReverseDNS", hosttest.Handler{Inputs: []string{"address", "reverse"}, Required: []string{"address", "reverse"}})
}

// TestHostBothWays: the reverse comes after the record, and both know their address late.
func TestHostBothWays(t *testing.T) {
	for _, mode := range hosttest.Both {
		t.Run(mode.String(), func(t *testing.T) {
			e := hostEngine()
			err := e.Run(mode, func(ctx *pulumi.Context) error {
				var server machine
				if err := ctx.RegisterResource("test:a:Host", "gra-worker-1-server", pulumi.Map{}, &server); err != nil {
					return err
				}
				a := hostArgs()
				a.Address, a.Server = server.Address, &server
				_, err := dns.NewHost(ctx, "gra-worker-1", a)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			name, err := e.Named("gra-worker-1-name")
			if err != nil {
				t.Fatal(err)
			}
			if name.Text("name") != "gra-worker-1.nodes" || name.Text("type") != "A" || name.Value("proxied").BoolValue() || name.Value("ttl").NumberValue() != 3600 ||
				name.Text("comment") != "havre: gra-worker-1" || !name.Value("allowOverwrite").BoolValue() {
				t.Errorf("record %v", name.Inputs)
			}
			reverse, err := e.Named("gra-worker-1-reverse")
			if err != nil {
				t.Fatal(err)
			}
			if reverse.Text("reverse") != "gra-worker-1.nodes.havre.example" || !slices.Contains(reverse.DependsOn, "gra-worker-1-name") || reverse.DeletedWith != "gra-worker-1-server" {
				t.Errorf("reverse %v after %v, deleted with %q", reverse.Inputs, reverse.DependsOn, reverse.DeletedWith)
			}
			for _, r := range []hosttest.Registration{name, reverse} {
				key := map[string]string{name.Name: "content", reverse.Name: "address"}[r.Name]
				if known := r.Known(key); known != (mode == hosttest.Known) || known && r.Text(key) != "198.51.100.11" {
					t.Errorf("%s has %s %q, known %t", r.Name, key, r.Text(key), known)
				}
			}
		})
	}
}

func TestHostRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		mutate func(*dns.HostArgs)
		want   string
	}{
		"name":     {func(a *dns.HostArgs) { a.Name = "gra_worker_1" }, `name "gra_worker_1" is not a DNS name; give one such as gra-worker-1.nodes.example.com`},
		"wildcard": {func(a *dns.HostArgs) { a.Name = "*.havre.example" }, `name "*.havre.example" is not a DNS name; give one such as gra-worker-1.nodes.example.com`},
		"outside":  {func(a *dns.HostArgs) { a.Name = "gra-worker-1.nothavre.example" }, "name gra-worker-1.nothavre.example is not below zone havre.example"},
		"the zone": {func(a *dns.HostArgs) { a.Name = "havre.example" }, "name havre.example is not below zone havre.example"},
		"nothing": {func(a *dns.HostArgs) { a.ZoneID, a.Address = nil, nil },
			"zone id is missing; Cloudflare shows it on the zone's overview page\naddress is missing; give the server's public IPv4 address"},
	} {
		a := hostArgs()
		test.mutate(&a)
		err := hostEngine().Run(hosttest.Known, func(ctx *pulumi.Context) error { _, err := dns.NewHost(ctx, "gra-worker-1", a); return err })
		if want := "name of host gra-worker-1: " + test.want; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", name, err, want)
		}
	}
}
