package dns_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/dns"
	"havre/components/host/hosttest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func args() dns.Args {
	return dns.Args{
		Zone: "havre.example", ZoneID: pulumi.String("0123456789abcdef0123456789abcdef"),
		Addresses: map[string]pulumi.StringInput{"gra-worker-1": pulumi.String("198.51.100.11"), "rbx-worker-1": pulumi.String("198.51.100.12")},
		Records: []dns.Record{
			{Name: "pictures.havre.example", Hosts: []string{"gra-worker-1", "rbx-worker-1"}, Proxied: true},
			{Name: "direct.pictures.havre.example", Hosts: []string{"rbx-worker-1"}, TTL: 5 * time.Minute},
			{Name: "*.apps.havre.example", Hosts: []string{"gra-worker-1"}},
			{Name: "havre.example", Hosts: []string{"gra-worker-1"}},
		},
	}
}

// balanced is a zone with a name before the front door and one without, over two sites.
func balanced() dns.Args {
	a := args()
	a.Addresses["rbx-worker-2"] = pulumi.String("198.51.100.14")
	a.Records = []dns.Record{
		{Name: "pictures.havre.example", Balanced: true, Proxied: true},
		{Name: "customers.havre.example", Balanced: true, TTL: 30 * time.Second},
		{Name: "direct.pictures.havre.example", Hosts: []string{"rbx-worker-1"}, TTL: 5 * time.Minute},
	}
	a.Balancing = &dns.Balancing{
		AccountID: pulumi.String("0123456789abcdef0123456789abcdef"),
		Check:     dns.Check{Host: "pictures.havre.example", Path: "/edge/healthz", Port: 443, Interval: time.Minute},
		Sites:     map[string][]string{"rbx": {"rbx-worker-1", "rbx-worker-2"}, "gra": {"gra-worker-1"}},
		Out:       []string{"rbx-worker-2"},
	}
	a.Cache = []dns.CacheRule{{Name: "pictures.havre.example", Prefix: "/v1/"}}
	return a
}

func engine() *hosttest.Engine {
	return hosttest.New().Handle("cloudflare:index/record:Record", hosttest.Handler{
		Inputs:   []string{"allowOverwrite", "comment", "content", "name", "proxied", "ttl", "type", "zoneId"},
		Required: []string{"content", "name", "type", "zoneId"},
		Check: func(r hosttest.Registration) error {
			if r.Value("proxied").BoolValue() && r.Value("ttl").NumberValue() != 1 {
				return errors.New("a proxied record has a TTL of its own")
			}
			return nil
		},
	}).Handle("cloudflare:index/loadBalancerMonitor:LoadBalancerMonitor", hosttest.Handler{
		Inputs: []string{
			"accountId", "allowInsecure", "description", "expectedCodes", "headers", "interval", "method", "path", "port", "retries", "timeout", "type",
		},
		Required: []string{"accountId"},
	}).Handle("cloudflare:index/loadBalancerPool:LoadBalancerPool", hosttest.Handler{
		Inputs:   []string{"accountId", "description", "minimumOrigins", "monitor", "name", "origins"},
		Required: []string{"accountId", "name", "origins"},
	}).Handle("cloudflare:index/loadBalancer:LoadBalancer", hosttest.Handler{
		Inputs:   []string{"defaultPoolIds", "description", "fallbackPoolId", "name", "proxied", "steeringPolicy", "ttl", "zoneId"},
		Required: []string{"defaultPoolIds", "fallbackPoolId", "name", "zoneId"},
		Check: func(r hosttest.Registration) error {
			if r.Value("proxied").BoolValue() && !r.Value("ttl").IsNull() {
				return errors.New("ttl conflicts with proxied")
			}
			return nil
		},
	}).Handle("cloudflare:index/ruleset:Ruleset", hosttest.Handler{
		Inputs: []string{"description", "kind", "name", "phase", "rules", "zoneId"}, Required: []string{"kind", "name", "phase"},
	}).Handle("test:a:Host", hosttest.Handler{
		Outputs: func(hosttest.Registration) resource.PropertyMap {
			return resource.PropertyMap{"address": resource.NewProperty("198.51.100.11")}
		},
	})
}

type machine struct {
	pulumi.CustomResourceState
	Address pulumi.StringOutput `pulumi:"address"`
}

func lines(e *hosttest.Engine) string {
	var b strings.Builder
	for _, r := range e.Registrations() {
		if r.Custom && strings.HasPrefix(r.Type, "cloudflare:") {
			content := r.Text("content")
			if !r.Known("content") {
				content = "[unknown]"
			}
			b.WriteString(strings.Join([]string{r.Name, r.Text("name"), r.Text("type"), content, r.Value("proxied").String(), r.Value("ttl").String(), r.Text("comment")}, " | ") + "\n")
		}
	}
	return b.String()
}

func TestGraph(t *testing.T) {
	for mode, file := range map[hosttest.Mode]string{hosttest.Known: "known.txt", hosttest.Unknown: "unknown.txt"} {
		t.Run(mode.String(), func(t *testing.T) {
			e := engine()
			err := e.Run(mode, func(ctx *pulumi.Context) error {
				var host machine
				if err := ctx.RegisterResource("test:a:Host", "gra-worker-1", pulumi.Map{}, &host); err != nil {
					return err
				}
				a := args()
				a.Addresses["gra-worker-1"] = host.Address
				a.After = []pulumi.Resource{&host}
				z, err := dns.New(ctx, "dns", a)
				if err == nil && len(z.Resources()) != 5 {
					t.Errorf("%d resources", len(z.Resources()))
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			got := lines(e)
			path := filepath.Join("testdata", file)
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs; run with -update and read the difference:\n%s", path, got)
			}
			for _, r := range e.Registrations() {
				if strings.HasPrefix(r.Type, "cloudflare:") && !slices.Contains(r.DependsOn, "gra-worker-1") {
					t.Errorf("%s waits for %v", r.Name, r.DependsOn)
				}
			}
		})
	}
}

// dump writes every Cloudflare resource with its inputs, sorted.
func dump(e *hosttest.Engine) string {
	var b strings.Builder
	for _, r := range e.Registrations() {
		if r.Custom && strings.HasPrefix(r.Type, "cloudflare:") {
			b.WriteString(r.Type[strings.LastIndex(r.Type, ":")+1:] + " " + r.Name + "\n")
			for _, line := range strings.Split(strings.TrimSpace(r.Clear()), "\n") {
				b.WriteString("  " + line + "\n")
			}
		}
	}
	return b.String()
}

func TestBalancedNames(t *testing.T) {
	for mode, file := range map[hosttest.Mode]string{hosttest.Known: "balanced.txt", hosttest.Unknown: "balanced-unknown.txt"} {
		e := engine()
		if err := e.Run(mode, func(ctx *pulumi.Context) error {
			z, err := dns.New(ctx, "dns", balanced())
			if err == nil && len(z.Resources()) != 7 {
				t.Errorf("%d resources", len(z.Resources()))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		got, path := dump(e), filepath.Join("testdata", file)
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
			t.Errorf("%s differs; run with -update and read the difference:\n%s", path, got)
		}
	}
}

func TestBalancingRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		mutate func(*dns.Args)
		want   string
	}{
		"valid":        {func(*dns.Args) {}, ""},
		"no balancing": {func(a *dns.Args) { a.Balancing = nil }, "balancing: is missing, and a record wants it; give its sites and check"},
		"account":      {func(a *dns.Args) { a.Balancing.AccountID = nil }, "account id is missing; Cloudflare shows it on the zone's overview page"},
		"one site":     {func(a *dns.Args) { delete(a.Balancing.Sites, "rbx"); a.Balancing.Out = nil }, "balancing: 1 sites; give two or more, or a lost one would be all"},
		"empty site":   {func(a *dns.Args) { a.Balancing.Sites["gra"] = nil }, "balancing: site gra has no hosts; give at least one"},
		"site's name":  {func(a *dns.Args) { a.Balancing.Sites["GRA"] = []string{"gra-worker-1"} }, `balancing: site: name "GRA" is not made of lower-case letters, digits and inner hyphens with a letter first; write it like gra-worker-2`},
		"out":          {func(a *dns.Args) { a.Balancing.Out = []string{"gra-worker-9"} }, `balancing: host "gra-worker-9" is out, and in no site; remove it`},
		"stranger":     {func(a *dns.Args) { a.Balancing.Sites["gra"] = []string{"sbg-cp-1"} }, `balancing: site gra: host "sbg-cp-1" has no address; name one of the hosts that have`},
		"host":         {func(a *dns.Args) { a.Balancing.Check.Host = "*.havre.example" }, `check: host "*.havre.example" is not a DNS name`},
		"path":         {func(a *dns.Args) { a.Balancing.Check.Path = "healthz" }, `check: path "healthz" has no leading slash`},
		"port":         {func(a *dns.Args) { a.Balancing.Check.Port = 0 }, "check: port 0 is outside 1–65535"},
		"interval":     {func(a *dns.Args) { a.Balancing.Check.Interval = time.Second }, "check: interval 1s; give 5s to 1h in whole seconds"},
		"both":         {func(a *dns.Args) { a.Records[0].Hosts = []string{"gra-worker-1"} }, "record pictures.havre.example: is balanced and has hosts of its own; give one of them"},
		"TTL":          {func(a *dns.Args) { a.Records[1].TTL = time.Hour }, "record customers.havre.example: TTL 1h0m0s of a balanced name; give 30s to 10m in whole seconds"},
		"no TTL":       {func(a *dns.Args) { a.Records[1].TTL = 0 }, "record customers.havre.example: TTL 0s of a balanced name; give 30s to 10m in whole seconds"},
		"cache":        {func(a *dns.Args) { a.Cache[0].Name = "customers.havre.example" }, "cache rule for customers.havre.example: it is not a proxied record; Cloudflare keeps nothing of others"},
		"prefix":       {func(a *dns.Args) { a.Cache[0].Prefix = `/v1") or (true` }, `cache rule for pictures.havre.example: prefix "/v1\") or (true"; give a path of letters, digits and /_.- with its leading slash`},
	} {
		a := balanced()
		test.mutate(&a)
		got := ""
		if err := a.Validate(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, test.want)
		}
	}
}

// A new host adds its records; those that are there keep names and inputs.
func TestANewHostOnlyAdds(t *testing.T) {
	read := func(a dns.Args) []string {
		e := engine()
		if err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error { _, err := dns.New(ctx, "dns", a); return err }); err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(lines(e)), "\n")
	}
	before := read(args())
	more := args()
	more.Addresses["gra-worker-2"] = pulumi.String("198.51.100.13")
	more.Records[0].Hosts = []string{"gra-worker-1", "gra-worker-2", "rbx-worker-1"}
	after := read(more)
	if len(after) != len(before)+1 {
		t.Errorf("%d records, then %d", len(before), len(after))
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			t.Errorf("changed: %s", line)
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		mutate func(*dns.Args)
		want   string
	}{
		"zone":       {func(a *dns.Args) { a.Zone = "" }, ""},
		"zone id":    {func(a *dns.Args) { a.ZoneID = nil }, "zone id is missing; Cloudflare shows it on the zone's overview page"},
		"no records": {func(a *dns.Args) { a.Records = nil }, "records: none given; give at least one"},
		"name":       {func(a *dns.Args) { a.Records[0].Name = "Pictures" }, `record "Pictures" is not a DNS name`},
		"outside":    {func(a *dns.Args) { a.Records[0].Name = "pictures.example.com" }, "record pictures.example.com is outside zone havre.example"},
		"suffix":     {func(a *dns.Args) { a.Records[0].Name = "nothavre.example" }, "record nothavre.example is outside zone havre.example"},
		"twice":      {func(a *dns.Args) { a.Records[1].Name = "pictures.havre.example" }, "record pictures.havre.example is given twice, or reads as another once its dots are hyphens; rename it"},
		"look-alike": {func(a *dns.Args) { a.Records[0].Name = "direct-pictures.havre.example" }, "record direct.pictures.havre.example is given twice, or reads as another once its dots are hyphens; rename it"},
		"no hosts":   {func(a *dns.Args) { a.Records[0].Hosts = nil }, "record pictures.havre.example: has no hosts; give at least one"},
		"host":       {func(a *dns.Args) { a.Records[0].Hosts = []string{"sbg-cp-1"} }, `record pictures.havre.example: host "sbg-cp-1" has no address; name one of the hosts that have`},
		"host twice": {func(a *dns.Args) { a.Records[0].Hosts[1] = "gra-worker-1" }, `record pictures.havre.example: host "gra-worker-1" is given twice`},
		"proxied":    {func(a *dns.Args) { a.Records[0].TTL = time.Minute }, "record pictures.havre.example: TTL 1m0s with the front door before it; Cloudflare chooses it then, give 0"},
		"short":      {func(a *dns.Args) { a.Records[1].TTL = time.Second }, "record direct.pictures.havre.example: TTL 1s; give 1m to 24h in whole seconds, or 0"},
		"fraction":   {func(a *dns.Args) { a.Records[1].TTL = time.Minute + 1 }, "record direct.pictures.havre.example: TTL 1m0.000000001s; give 1m to 24h in whole seconds, or 0"},
		"several":    {func(a *dns.Args) { a.ZoneID, a.Records = nil, nil }, "zone id is missing; Cloudflare shows it on the zone's overview page\nrecords: none given; give at least one"},
	} {
		a := args()
		test.mutate(&a)
		if name == "zone" {
			a.Records = []dns.Record{{Name: "pictures.havre.example", Hosts: []string{"gra-worker-1"}}}
			test.want = "zone \"\" is not a DNS name; give one such as example.com\nrecord pictures.havre.example is outside zone "
		}
		if err := a.Validate(); err == nil || err.Error() != test.want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, test.want)
		}
		err := engine().Run(hosttest.Known, func(ctx *pulumi.Context) error { _, err := dns.New(ctx, "dns", a); return err })
		if err == nil || !strings.Contains(err.Error(), "dns dns: "+test.want) {
			t.Errorf("%s: New says %v", name, err)
		}
	}
}
