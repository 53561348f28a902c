package database_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/database"
	"havre/components/host/hosttest"
	"havre/components/ovh/scrub"
	"havre/components/ovh/sdk"
)

var update = flag.Bool("update", false, "write the golden files anew")

// never must be seen in clear nowhere.
const never = "NEVER-IN-CLEAR"

func args() database.Args {
	return database.Args{
		Project: "0f3a5c7e9b1d4f6082a4c6e8f0b2d4f6", Plan: "production", Version: "17", Flavor: "b3-8", Nodes: 2, Region: "GRA", MaxMonthly: "176.00", Name: "havre", User: "avnadmin",
		Allowed:   map[string]pulumi.StringInput{"rbx-worker-1": pulumi.String("198.51.100.12"), "gra-worker-1": pulumi.String("198.51.100.11")},
		Namespace: "render", Client: "renderer", Inside: []netip.Prefix{netip.MustParsePrefix("10.80.0.0/16"), netip.MustParsePrefix("10.90.0.0/16")},
	}
}

func forked() database.Args {
	a := args()
	a.Fork = &database.Fork{Of: "prod", Generation: 1, Scrubber: netip.MustParseAddr("192.0.2.10"), Rules: []scrub.Rule{
		{Target: "readers.email", Action: scrub.Email, Why: "personal"}, {Target: "readers.city", Action: scrub.Fixed, Value: "Calais"},
	}}
	return a
}

func engine() *hosttest.Engine {
	id := func(key, value string) hosttest.Handler {
		return hosttest.Handler{Required: []string{"project", "serviceId"}, Outputs: func(hosttest.Registration) resource.PropertyMap {
			return resource.PropertyMap{resource.PropertyKey(key): resource.NewProperty(value)}
		}}
	}
	return hosttest.New().
		Handle(sdk.DatabaseToken, hosttest.Handler{
			Required: []string{"project", "plan", "engineVersion", "flavor", "nodes", "region"},
			Outputs: func(hosttest.Registration) resource.PropertyMap {
				return resource.NewPropertyMapFromMap(map[string]any{
					"serviceId": "raw", "host": "postgresql-1.database.cloud.ovh.example", "port": 20184, "authority": "-----BEGIN CERTIFICATE-----\n", "monthlyPrice": "176.00", "currency": "EUR",
				})
			},
		}).
		Handle(sdk.DatabaseScrubToken, id("scrubbedId", "scrubbed")).
		Handle(sdk.DatabaseUserToken, id("password", never)).
		Handle(sdk.LogicalDatabaseToken, id("databaseId", "1")).
		Handle(sdk.DatabaseAccessToken, id("unused", "")).
		Handle("kubernetes:core/v1:Secret", hosttest.Handler{Required: []string{"metadata", "stringData", "type"}}).
		Handle("kubernetes:networking.k8s.io/v1:NetworkPolicy", hosttest.Handler{Required: []string{"metadata", "spec"}})
}

// graph prints every resource with what it waits for.
func graph(e *hosttest.Engine) string {
	var b strings.Builder
	for _, r := range e.Registrations() {
		if !r.Custom {
			continue
		}
		fmt.Fprintf(&b, "%s protect=%t ends with %q after %v\n", r.Name, r.Protect, r.DeletedWith, r.DependsOn)
		for _, key := range r.Inputs.StableKeys() {
			value := "[unknown]"
			switch {
			case r.Secret(string(key)):
				value = "[secret]"
			case r.Known(string(key)):
				value = r.Value(string(key)).String()
			}
			fmt.Fprintf(&b, "    %s = %s, from %v\n", key, value, r.PropertyDependsOn[string(key)])
		}
	}
	return b.String()
}

func TestGraph(t *testing.T) {
	for name, a := range map[string]database.Args{"own": args(), "fork": forked()} {
		for _, mode := range hosttest.Both {
			t.Run(name+"/"+mode.String(), func(t *testing.T) {
				e := engine()
				if err := e.Run(mode, func(ctx *pulumi.Context) error {
					_, err := database.New(ctx, "database", a)
					return err
				}); err != nil {
					t.Fatal(err)
				}
				golden(t, name+"."+strings.Fields(mode.String())[0]+".txt", graph(e))
				for _, r := range e.Registrations() {
					if strings.Contains(r.Clear(), never) {
						t.Errorf("%s shows the password in clear", r.Name)
					}
				}
			})
		}
	}
}

// TestNothingIsReleasedBeforeTheScrub: of a fork whatever lets somebody in takes the id that the scrub gives, and no other.
func TestNothingIsReleasedBeforeTheScrub(t *testing.T) {
	e := engine()
	if err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error {
		_, err := database.New(ctx, "database", forked())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, r := range e.Registrations() {
		switch r.Name {
		case "database-user", "database-logical", "database-access":
			seen++
			if got := r.Text("serviceId"); got != "scrubbed" || !slices.Equal(r.PropertyDependsOn["serviceId"], []string{"database-scrub"}) {
				t.Errorf("%s takes service %q from %v, want that of the scrub", r.Name, got, r.PropertyDependsOn["serviceId"])
			}
		case "database-connection":
			seen++
			for _, want := range []string{"database-access", "database-logical", "database-user"} {
				if !slices.Contains(r.DependsOn, want) {
					t.Errorf("the Secret does not wait for %s, only for %v", want, r.DependsOn)
				}
			}
		}
	}
	if seen != 4 {
		t.Errorf("%d resources release the fork, want 4", seen)
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*database.Args)
		want   string
	}{
		{"project", func(a *database.Args) { a.Project = "havre" }, `project "havre" is not 32 hexadecimal digits; give what OVH's manager shows`},
		{"plan", func(a *database.Args) { a.Plan = "" }, `plan is missing; give one such as production`},
		{"version", func(a *database.Args) { a.Version = "" }, `version is missing; give one such as 17`},
		{"flavor", func(a *database.Args) { a.Flavor = "" }, `flavor is missing; give one such as b3-8`},
		{"region", func(a *database.Args) { a.Region = "" }, `region is missing; give one such as GRA`},
		{"nodes", func(a *database.Args) { a.Nodes = 0 }, `nodes are 0; give what the plan has, 1 to 3`},
		{"disk", func(a *database.Args) { a.DiskGB = -1 }, `disk of -1 GB; give 0 for what the flavor has`},
		{"name", func(a *database.Args) { a.Name = "Havre" }, `name "Havre" is not a plain name of PostgreSQL; give lower-case letters, digits and _, a letter first`},
		{"user", func(a *database.Args) { a.User = "" }, `user "" is not a plain name of PostgreSQL; give lower-case letters, digits and _, a letter first`},
		{"nobody allowed", func(a *database.Args) { a.Allowed = nil }, `allowed: no address given; give those of the hosts whose pods connect`},
		{"host without address", func(a *database.Args) { a.Allowed["x"] = nil }, `allowed: host "x" has no address`},
		{"namespace", func(a *database.Args) { a.Namespace = "" }, `namespace: name is empty; give it one such as gra-worker-2`},
		{"client", func(a *database.Args) { a.Client = "" }, `client: name is empty; give it one such as gra-worker-2`},
		{"inside", func(a *database.Args) { a.Inside[1] = netip.MustParsePrefix("10.90.0.1/16") }, `inside: 10.90.0.1/16 is not an IPv4 network without host bits; mend it`},
		{"fork of none", func(a *database.Args) { a.Fork.Of = "" }, `fork: of no stack; name the one whose backup is copied`},
		{"generation", func(a *database.Args) { a.Fork.Generation = 0 }, `fork: generation 0 is below 1; begin with 1 and raise it to copy anew`},
		{"scrubber", func(a *database.Args) { a.Fork.Scrubber = netip.MustParseAddr("::1") }, `fork: scrubber ::1 is not an IPv4 address; give the public one of the machine that runs Pulumi`},
		{"no rules", func(a *database.Args) { a.Fork.Rules = nil }, `fork: has no rules, so it would be the other stack's data in another place; say what is personal`},
		{"rule", func(a *database.Args) { a.Fork.Rules[0].Action = "burn" }, `rule "readers.email": action "burn" is none of [keep truncate null fixed year hash name email phone address ip]; set one of them`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := forked()
			c.change(&a)
			err := a.Validate()
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			e := engine()
			if err := e.Run(hosttest.Unknown, func(ctx *pulumi.Context) error {
				_, err := database.New(ctx, "database", a)
				return err
			}); err == nil || len(e.Registrations()) > 1 {
				t.Errorf("error %v, %d registrations; want a refusal before any", err, len(e.Registrations()))
			}
		})
	}
	if err := args().Validate(); err != nil {
		t.Error(err)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it, then run go test -update\ngot\n%s", path, got)
	}
}
