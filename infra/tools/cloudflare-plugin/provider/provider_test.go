package provider_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/infra/sandbox/cloudflaresim"
	"havre/infra/tools/cloudflare-plugin/provider"
	"havre/infra/tools/plugintest"
)

const recordToken = "cloudflare:index/record:Record"

var zone = cloudflaresim.ZoneID("havre.test")

// start puts a simulator behind TLS and a plugin in front of it.
func start(t *testing.T) (*plugintest.Driver, *cloudflaresim.Simulator) {
	t.Helper()
	sim, err := cloudflaresim.New(cloudflaresim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(sim.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(provider.SetClient(server.Client()))
	for _, name := range []string{"CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY", "CLOUDFLARE_API_USER_SERVICE_KEY", "CLOUDFLARE_API_BASE_PATH"} {
		t.Setenv(name, "")
	}
	t.Setenv("CLOUDFLARE_API_HOSTNAME", strings.TrimPrefix(server.URL, "https://"))
	return driver(t, map[string]any{"apiToken": resource.MakeSecret(resource.NewProperty(cloudflaresim.DefaultToken)), "rps": 1000, "retries": 1}), sim
}

func driver(t *testing.T, config map[string]any) *plugintest.Driver {
	t.Helper()
	plugin, err := provider.New()
	if err != nil {
		t.Fatal(err)
	}
	return plugintest.New(t, provider.Name, provider.Version, plugin, plugintest.Map(config))
}

func inputs(more map[string]any) resource.PropertyMap {
	all := map[string]any{"zoneId": zone, "name": "pictures", "type": "A", "content": "198.51.100.11", "proxied": true, "comment": "havre"}
	maps.Copy(all, more)
	for name, v := range all {
		if v == nil {
			delete(all, name)
		}
	}
	return plugintest.Map(all)
}

// records writes what the zones hold, one line a record.
func records(sim *cloudflaresim.Simulator) string {
	var b strings.Builder
	for _, r := range sim.Records() {
		fmt.Fprintf(&b, "%s %s %s %v\n", r.Name, r.Type, r.Content, r.Proxied)
	}
	return b.String()
}

func TestRecordLifeCycle(t *testing.T) {
	d, sim := start(t)
	r := d.Resource(recordToken, "pictures")
	preview := r.PreviewCreate(inputs(nil))
	if records(sim) != "" || preview["content"].StringValue() != "198.51.100.11" || !preview["hostname"].IsComputed() && !preview["hostname"].IsOutput() {
		t.Errorf("preview: %v, records %q", preview, records(sim))
	}
	if err := r.Create(t.Context(), inputs(nil)); err != nil {
		t.Fatal(err)
	}
	if got := records(sim); got != "pictures.havre.test A 198.51.100.11 true\n" {
		t.Errorf("records: %q", got)
	}
	for name, want := range map[resource.PropertyKey]any{
		"name": "pictures", "hostname": "pictures.havre.test", "ttl": 1.0, "proxiable": true, "content": "198.51.100.11", "value": "198.51.100.11", "comment": "havre", "zoneId": zone,
	} {
		if got := r.State[name].V; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for _, row := range []struct {
		more map[string]any
		want string
	}{
		{nil, "same"},
		{map[string]any{"ttl": 1}, "same"},
		{map[string]any{"content": "198.51.100.12"}, "update"},
		{map[string]any{"comment": nil}, "update"},
		{map[string]any{"proxied": nil}, "update"},
		{map[string]any{"name": "images"}, "replace"},
		{map[string]any{"type": "TXT"}, "replace"},
		{map[string]any{"zoneId": cloudflaresim.ZoneID("havre.example")}, "replace"},
	} {
		if got := r.Diff(inputs(row.more)); got != row.want {
			t.Errorf("%v: %s, want %s", row.more, got, row.want)
		}
	}
	id, changed := r.ID, inputs(map[string]any{"content": "198.51.100.12", "proxied": nil, "comment": nil, "ttl": 300})
	if err := r.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if got := records(sim); got != "pictures.havre.test A 198.51.100.12 false\n" || r.ID != id || r.State["ttl"].NumberValue() != 300 {
		t.Errorf("updated: %q, ttl %v", got, r.State["ttl"])
	}
	if there, err := r.Read(t.Context()); err != nil || !there {
		t.Fatalf("refresh: %v, %v", there, err)
	}
	if got := r.Diff(changed); got != "same" {
		t.Errorf("after a refresh: %s", got)
	}
	if err := r.Delete(t.Context()); err != nil || records(sim) != "" {
		t.Errorf("deleted: %v, %q", err, records(sim))
	}
	if err := r.Delete(t.Context()); err != nil {
		t.Errorf("deleted again: %v", err)
	}
	if there, err := r.Read(t.Context()); err != nil || there {
		t.Errorf("refresh of what is gone: %v, %v", there, err)
	}
}

func TestARefreshTakesOverWhatIsThere(t *testing.T) {
	d, sim := start(t)
	r, beside := d.Resource(recordToken, "pictures"), d.Resource(recordToken, "beside")
	if err := r.Create(t.Context(), inputs(nil)); err != nil {
		t.Fatal(err)
	}
	// Someone changes the record past the stack.
	beside.ID, beside.Inputs, beside.State = r.ID, r.Inputs, r.State
	if err := beside.Update(t.Context(), inputs(map[string]any{"content": "198.51.100.99"})); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.Diff(inputs(nil)); got != "update" {
		t.Errorf("a record that was changed: %s", got)
	}
	if err := r.Update(t.Context(), inputs(nil)); err != nil || records(sim) != "pictures.havre.test A 198.51.100.11 true\n" {
		t.Errorf("%v, %q", err, records(sim))
	}
}

func TestImport(t *testing.T) {
	d, _ := start(t)
	r, imported := d.Resource(recordToken, "pictures"), d.Resource(recordToken, "imported")
	if err := r.Create(t.Context(), inputs(nil)); err != nil {
		t.Fatal(err)
	}
	imported.ID = zone + "/" + r.ID
	if there, err := imported.Read(t.Context()); err != nil || !there || imported.ID != r.ID {
		t.Fatalf("%v, %v, id %s", there, err, imported.ID)
	}
	if got := imported.Diff(inputs(map[string]any{"name": "pictures.havre.test"})); got != "same" {
		t.Errorf("imported: %s, inputs %v", got, imported.Inputs)
	}
	imported = d.Resource(recordToken, "imported")
	imported.ID = r.ID
	want := fmt.Sprintf("import record: the id is %q; wanted zone/record, both as the API's identifiers", r.ID)
	if _, err := imported.Read(t.Context()); err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
	imported.ID = zone + "/0123456789abcdef0123456789abcdef"
	if there, err := imported.Read(t.Context()); err != nil || there {
		t.Errorf("a record that is not there: %v, %v", there, err)
	}
}

// TestAnExistingRecordIsOnlyTakenOverWhenAsked: a run on a lost state sets allowOverwrite and adopts what exists.
func TestAnExistingRecordIsOnlyTakenOverWhenAsked(t *testing.T) {
	d, sim := start(t)
	first, second := d.Resource(recordToken, "first"), d.Resource(recordToken, "second")
	if err := first.Create(t.Context(), inputs(nil)); err != nil {
		t.Fatal(err)
	}
	if err := d.Resource(recordToken, "other").Create(t.Context(), inputs(map[string]any{"content": "198.51.100.12"})); err != nil {
		t.Fatal(err)
	}
	err := second.Create(t.Context(), inputs(nil))
	if err == nil || !strings.HasPrefix(err.Error(), "record A pictures: expected DNS record to not already be present but already exists; import it, or set allowOverwrite: ") {
		t.Errorf("got %v", err)
	}
	if err := second.Create(t.Context(), inputs(map[string]any{"allowOverwrite": true, "comment": "mine"})); err != nil {
		t.Fatal(err)
	}
	if second.ID != first.ID || strings.Count(records(sim), "\n") != 2 || second.State["comment"].StringValue() != "mine" {
		t.Errorf("id %s, was %s; records %q", second.ID, first.ID, records(sim))
	}
	cname := inputs(map[string]any{"allowOverwrite": true, "type": "CNAME", "content": "havre.test"})
	err = d.Resource(recordToken, "third").Create(t.Context(), cname)
	if err == nil || err.Error() != "create record CNAME pictures: attempted to override existing record however didn't find an exact match among 0 of that name and type" {
		t.Errorf("another type in the way: %v", err)
	}
}

func TestRecordChecks(t *testing.T) {
	d, _ := start(t)
	r := d.Resource(recordToken, "record")
	for _, row := range []struct {
		more map[string]any
		want string
	}{
		{map[string]any{"content": nil}, "[content: exactly one of content, value and data must be set, found 0]"},
		{map[string]any{"value": "198.51.100.11"}, "[content: exactly one of content, value and data must be set, found 2]"},
		{map[string]any{"content": nil, "value": "198.51.100.11"}, "[]"},
		{map[string]any{"content": plugintest.Unknown()}, "[]"},
	} {
		if _, failures := r.Check(inputs(row.more)); fmt.Sprint(failures) != row.want {
			t.Errorf("%v: %q, want %s", row.more, failures, row.want)
		}
	}
	if err := r.Create(t.Context(), inputs(map[string]any{"type": "CAA", "content": nil, "proxied": nil, "data": map[string]any{"flags": "0", "tag": "issue", "value": "letsencrypt.org"}})); err != nil {
		t.Errorf("a record with data: %v", err)
	}
	if got := r.Diff(inputs(map[string]any{"type": "CAA", "content": nil, "proxied": nil, "data": map[string]any{"flags": "0", "tag": "issue", "value": "havre.test"}})); got != "update" {
		t.Errorf("other data: %s", got)
	}
}

func TestTheAPIsRefusalsAreTold(t *testing.T) {
	d, sim := start(t)
	r := d.Resource(recordToken, "record")
	if err := r.Create(t.Context(), inputs(map[string]any{"content": "not an address"})); err == nil || err.Error() != "create record A pictures: DNS Validation Error (1004)" {
		t.Errorf("got %v", err)
	}
	if err := sim.Fault(cloudflaresim.Fault{Status: http.StatusForbidden, Code: 10000, Message: "Authentication error"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Create(t.Context(), inputs(nil)); err == nil || err.Error() != "create record A pictures: Authentication error (10000)" {
		t.Errorf("got %v", err)
	}
}

func TestConfiguration(t *testing.T) {
	_, _ = start(t)
	for _, row := range []struct {
		env    map[string]string
		config provider.Config
		want   string
	}{
		{nil, provider.Config{APIToken: "t"}, ""},
		{map[string]string{"CLOUDFLARE_API_TOKEN": "t"}, provider.Config{}, ""},
		{map[string]string{"CLOUDFLARE_EMAIL": "a@havre.test"}, provider.Config{APIKey: "k"}, ""},
		{nil, provider.Config{APIUserServiceKey: "k"}, ""},
		{nil, provider.Config{}, "must provide exactly one of apiToken, apiKey and apiUserServiceKey, found 0; set cloudflare:apiToken or CLOUDFLARE_API_TOKEN"},
		{map[string]string{"CLOUDFLARE_API_KEY": "k"}, provider.Config{APIToken: "t"}, "must provide exactly one of apiToken, apiKey and apiUserServiceKey, found 2; set cloudflare:apiToken or CLOUDFLARE_API_TOKEN"},
		{map[string]string{"CLOUDFLARE_RPS": "many"}, provider.Config{APIToken: "t"}, `CLOUDFLARE_RPS is "many"; wanted a whole number`},
	} {
		t.Run("", func(t *testing.T) {
			for name, v := range row.env {
				t.Setenv(name, v)
			}
			err := row.config.Configure(t.Context())
			if (err == nil) != (row.want == "") || err != nil && err.Error() != row.want {
				t.Errorf("%+v: %v", row.config, err)
			}
		})
	}
}

// life takes a resource through a preview, a refresh, an import, an update and its end.
func life(t *testing.T, d *plugintest.Driver, r *plugintest.Resource, inputs resource.PropertyMap, name resource.PropertyKey, changed resource.PropertyValue, replaces resource.PropertyMap) {
	t.Helper()
	for _, refreshed := range []bool{false, true} {
		if refreshed {
			if there, err := r.Read(t.Context()); err != nil || !there {
				t.Fatalf("refresh: %v, %v", there, err)
			}
		}
		if got := r.Diff(inputs); got != "same" {
			t.Errorf("%s, refreshed %v: %s; state %v", r.URN, refreshed, got, r.State)
		}
	}
	imported := d.Resource(strings.Split(r.URN, "::")[2], "imported")
	imported.ID = zone + "/" + r.ID
	if there, err := imported.Read(t.Context()); err != nil || !there || imported.ID != r.ID {
		t.Errorf("import: %v, %v", there, err)
	}
	if got := imported.Diff(inputs); got != "same" {
		t.Errorf("imported %s: %s; state %v", r.URN, got, imported.State)
	}
	imported = d.Resource(strings.Split(r.URN, "::")[2], "imported")
	imported.ID = "no-owner"
	if _, err := imported.Read(t.Context()); err == nil || !strings.Contains(err.Error(), `the id is "no-owner"; wanted zone/id, both as the API's identifiers`) {
		t.Errorf("import without the zone: %v", err)
	}
	for key, v := range replaces {
		moved := inputs.Copy()
		moved[key] = v
		if got := r.Diff(moved); got != "replace" {
			t.Errorf("another %s: %s", key, got)
		}
	}
	other := inputs.Copy()
	other[name] = changed
	if got := r.Diff(other); got != "update" {
		t.Errorf("another %s: %s", name, got)
	}
	if err := r.Update(t.Context(), other); err != nil {
		t.Errorf("update: %v", err)
	}
	if got := r.Diff(other); got != "same" {
		t.Errorf("updated: %s; state %v", got, r.State)
	}
}

func end(t *testing.T, r *plugintest.Resource) {
	t.Helper()
	for range 2 {
		if err := r.Delete(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if there, err := r.Read(t.Context()); err != nil || there {
		t.Errorf("refresh of what is gone: %v, %v", there, err)
	}
}

const (
	poolToken     = "cloudflare:index/loadBalancerPool:LoadBalancerPool"
	balancerToken = "cloudflare:index/loadBalancer:LoadBalancer"
	rulesetToken  = "cloudflare:index/ruleset:Ruleset"
)

func TestLoadBalancerLifeCycle(t *testing.T) {
	d, sim := start(t)
	pools := map[string]*plugintest.Resource{}
	for name, address := range map[string]string{"gra": "198.51.100.14", "rbx": "198.51.100.15"} {
		pools[name] = d.Resource(poolToken, name)
		if err := pools[name].Create(t.Context(), plugintest.Map(map[string]any{
			"accountId": cloudflaresim.Account, "name": name, "origins": []any{map[string]any{"name": name + "-worker-1", "address": address}},
		})); err != nil {
			t.Fatal(err)
		}
	}
	b := d.Resource(balancerToken, "pictures")
	in := plugintest.Map(map[string]any{
		"zoneId": zone, "name": "pictures.havre.test", "defaultPoolIds": []any{pools["gra"].ID, pools["rbx"].ID}, "fallbackPoolId": pools["gra"].ID, "steeringPolicy": "random",
		"ttl": 30, "description": "havre",
	})
	if preview := b.PreviewCreate(in); preview["name"].StringValue() != "pictures.havre.test" {
		t.Errorf("preview: %v", preview)
	}
	if err := b.Create(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if found, ok := sim.Resolve("pictures.havre.test"); !ok || len(found.Rotation) != 2 || found.TTL != 30 || found.Proxied {
		t.Errorf("it leads to %+v", found)
	}
	life(t, d, b, in, "fallbackPoolId", resource.NewProperty(pools["rbx"].ID), plugintest.Map(map[string]any{"zoneId": cloudflaresim.ZoneID("havre.example")}))
	if err := d.Resource(balancerToken, "again").Create(t.Context(), in); err == nil || !strings.HasPrefix(err.Error(), "create load balancer pictures.havre.test: name: a load balancer with that name exists") {
		t.Errorf("a second one of the name: %v", err)
	}
	for _, row := range []struct {
		more map[string]any
		want string
	}{
		{nil, "[]"},
		{map[string]any{"proxied": true}, "[ttl: conflicts with proxied]"},
		{map[string]any{"defaultPoolIds": plugintest.Unknown(), "fallbackPoolId": plugintest.Unknown()}, "[]"},
		{map[string]any{"sessionAffinity": "cookie"}, "[sessionAffinity: this drop-in does not carry it out; leave it out, or use the official plugin]"},
		{map[string]any{"adaptiveRoutings": []any{map[string]any{"failoverAcrossPools": true}}}, "[adaptiveRoutings: this drop-in does not carry it out; leave it out, or use the official plugin]"},
	} {
		changed := in.Copy()
		maps.Copy(changed, plugintest.Map(row.more))
		if _, failures := b.Check(changed); fmt.Sprint(failures) != row.want {
			t.Errorf("%v: %q, want %s", row.more, failures, row.want)
		}
	}
	end(t, b)
	if _, ok := sim.Resolve("pictures.havre.test"); ok {
		t.Error("the name still leads somewhere")
	}
}

func TestRulesetLifeCycle(t *testing.T) {
	d, sim := start(t)
	r := d.Resource(rulesetToken, "cache")
	rule := func(expression string) map[string]any {
		return map[string]any{
			"action": "set_cache_settings", "expression": expression, "description": "havre", "enabled": true,
			"actionParameters": map[string]any{"cache": true, "edgeTtl": map[string]any{"mode": "respect_origin"}, "browserTtl": map[string]any{"mode": "respect_origin"}},
		}
	}
	in := plugintest.Map(map[string]any{
		"zoneId": zone, "kind": "zone", "phase": "http_request_cache_settings", "name": "cache rules", "description": "havre", "rules": []any{rule(`(http.host eq "a")`)},
	})
	r.PreviewCreate(in)
	if err := r.Create(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(sim.CacheRules("havre.test")); got != `[(http.host eq "a")]` {
		t.Errorf("rules: %s", got)
	}
	life(t, d, r, in, "rules", plugintest.Map(map[string]any{"x": []any{rule("true"), rule(`(http.host eq "a")`)}})["x"],
		plugintest.Map(map[string]any{"zoneId": cloudflaresim.ZoneID("havre.example"), "name": "other"}))
	if got := fmt.Sprint(sim.CacheRules("havre.test")); got != `[true (http.host eq "a")]` {
		t.Errorf("rules: %s", got)
	}
	err := d.Resource(rulesetToken, "again").Create(t.Context(), in)
	want := "create ruleset cache rules: a similar configuration with rules already exists (cache rules) and overwriting will have unintended consequences; import it as zone/" + zone + "/" + r.ID
	if err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
	empty := in.Copy()
	delete(empty, "rules")
	if err := r.Update(t.Context(), empty); err != nil {
		t.Fatal(err)
	}
	again := d.Resource(rulesetToken, "again")
	if err := again.Create(t.Context(), in); err != nil {
		t.Errorf("over an empty one: %v", err)
	}
	for _, row := range []struct {
		key  resource.PropertyKey
		v    any
		want string
	}{
		{"phase", "http_ratelimit", "[phase: this drop-in carries out kind zone in phase http_request_cache_settings only, not kind zone in phase http_ratelimit; leave it out, or use the official plugin]"},
		{"zoneId", plugintest.Unknown(), "[]"},
		{"rules", []any{map[string]any{"action": "block", "expression": "true"}}, `[rules[0].action: this drop-in carries out set_cache_settings only, not "block"; leave it out, or use the official plugin]`},
		{
			"rules",
			[]any{map[string]any{"action": "set_cache_settings", "expression": "true", "actionParameters": map[string]any{"polish": "lossless"}}},
			"[rules[0].actionParameters: this drop-in carries out cache, edgeTtl without status codes, browserTtl, serveStale, respectStrongEtags and originErrorPagePassthru only; leave it out, or use the official plugin]",
		},
	} {
		changed := in.Copy()
		maps.Copy(changed, plugintest.Map(map[string]any{string(row.key): row.v}))
		if _, failures := r.Check(changed); fmt.Sprint(failures) != row.want {
			t.Errorf("%s: %q, want %s", row.key, failures, row.want)
		}
	}
	end(t, again)
	if got := sim.CacheRules("havre.test"); len(got) != 0 {
		t.Errorf("rules: %q", got)
	}
}

// TestAPoolWithoutRegions: what the state lacks cannot be compared with by the next run.
func TestAPoolWithoutRegions(t *testing.T) {
	d, _ := start(t)
	pool := d.Resource("cloudflare:index/loadBalancerPool:LoadBalancerPool", "rbx")
	inputs := plugintest.Map(map[string]any{
		"accountId": cloudflaresim.Account, "name": "rbx", "origins": []any{map[string]any{"name": "rbx-worker-1", "address": "198.51.100.14"}},
	})
	if err := pool.Create(t.Context(), inputs); err != nil {
		t.Fatal(err)
	}
	for _, refreshed := range []bool{false, true} {
		if refreshed {
			if there, err := pool.Read(t.Context()); err != nil || !there {
				t.Fatalf("refresh: %v, %v", there, err)
			}
		}
		if got := pool.Diff(inputs); got != "same" {
			t.Errorf("refreshed %v: %s; state %v", refreshed, got, pool.State)
		}
	}
}

func TestMonitorAndPoolLifeCycle(t *testing.T) {
	d, _ := start(t)
	m, pool := d.Resource("cloudflare:index/loadBalancerMonitor:LoadBalancerMonitor", "edge"), d.Resource("cloudflare:index/loadBalancerPool:LoadBalancerPool", "rbx")
	monitor := plugintest.Map(map[string]any{
		"accountId": cloudflaresim.Account, "type": "https", "expectedCodes": "200", "path": "/healthz",
		"headers": []any{map[string]any{"header": "Host", "values": []any{"pictures.havre.test"}}},
	})
	if err := m.Create(t.Context(), monitor); err != nil {
		t.Fatal(err)
	}
	origins := plugintest.Map(map[string]any{
		"accountId": cloudflaresim.Account, "name": "rbx", "monitor": m.ID, "latitude": 50.69, "longitude": 3.17, "checkRegions": []any{"WEU"},
		"origins": []any{map[string]any{"name": "rbx-worker-1", "address": "198.51.100.14"}, map[string]any{"name": "rbx-worker-2", "address": "198.51.100.15", "weight": 0.5}},
	})
	if err := pool.Create(t.Context(), origins); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		r       *plugintest.Resource
		inputs  resource.PropertyMap
		name    resource.PropertyKey
		changed resource.PropertyValue
	}{
		{m, monitor, "path", resource.NewProperty("/ready")},
		{pool, origins, "enabled", resource.NewProperty(false)},
	} {
		for _, refreshed := range []bool{false, true} {
			if refreshed {
				if there, err := row.r.Read(t.Context()); err != nil || !there {
					t.Fatalf("refresh: %v, %v", there, err)
				}
			}
			if got := row.r.Diff(row.inputs); got != "same" {
				t.Errorf("%s, refreshed %v: %s; state %v", row.r.URN, refreshed, got, row.r.State)
			}
		}
		imported := d.Resource(strings.Split(row.r.URN, "::")[2], "imported")
		imported.ID = cloudflaresim.Account + "/" + row.r.ID
		if there, err := imported.Read(t.Context()); err != nil || !there || imported.ID != row.r.ID {
			t.Errorf("import: %v, %v", there, err)
		}
		if got := imported.Diff(row.inputs); got != "same" {
			t.Errorf("imported %s: %s; state %v", row.r.URN, got, imported.State)
		}
		changed := row.inputs.Copy()
		changed[row.name] = row.changed
		if got := row.r.Diff(changed); got != "update" {
			t.Errorf("another %s: %s", row.name, got)
		}
		if err := row.r.Update(t.Context(), changed); err != nil || !row.r.State[row.name].DeepEquals(row.changed) {
			t.Errorf("updated: %v, %s is %v", err, row.name, row.r.State[row.name])
		}
		moved := row.inputs.Copy()
		moved["accountId"] = resource.NewProperty("another")
		if got := row.r.Diff(moved); got != "replace" {
			t.Errorf("another account: %s", got)
		}
	}
	for _, r := range []*plugintest.Resource{pool, m} {
		for range 2 {
			if err := r.Delete(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if there, err := r.Read(t.Context()); err != nil || there {
			t.Errorf("refresh of what is gone: %v, %v", there, err)
		}
	}
}
