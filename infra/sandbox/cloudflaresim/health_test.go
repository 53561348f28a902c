package cloudflaresim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go"
)

// fleet is what the monitors find: the hosts that do not answer.
type fleet struct {
	mu   sync.Mutex
	dead map[string]bool
	seen []Check
}

func (f *fleet) probe(_ context.Context, c Check) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, c)
	if f.dead[c.Address] {
		return errors.New("no answer")
	}
	return nil
}

// balance makes a monitor, two pools of two hosts each and a load balancer.
func (b *bench) balance(name string, policy string) {
	b.t.Helper()
	api, account := b.client(DefaultToken), cloudflare.AccountIdentifier(Account)
	monitor, err := api.CreateLoadBalancerMonitor(b.t.Context(), account, cloudflare.CreateLoadBalancerMonitorParams{LoadBalancerMonitor: cloudflare.LoadBalancerMonitor{
		Type: "https", Method: "GET", Path: "/edge/healthz", Port: 8443, Interval: 60, Timeout: 5, Retries: 1, ExpectedCodes: "200", Header: map[string][]string{"Host": {name}},
	}})
	if err != nil {
		b.t.Fatal(err)
	}
	var ids []string
	for _, pool := range []struct{ name, first, second string }{{"gra", "198.51.100.11", "198.51.100.12"}, {"rbx", "198.51.100.21", "198.51.100.22"}} {
		made, err := api.CreateLoadBalancerPool(b.t.Context(), account, cloudflare.CreateLoadBalancerPoolParams{LoadBalancerPool: cloudflare.LoadBalancerPool{
			Name: pool.name, Enabled: true, Monitor: monitor.ID,
			Origins: []cloudflare.LoadBalancerOrigin{{Name: "1", Address: pool.first, Enabled: true, Weight: 1}, {Name: "2", Address: pool.second, Enabled: true, Weight: 1}},
		}})
		if err != nil {
			b.t.Fatal(err)
		}
		ids = append(ids, made.ID)
	}
	if _, err := api.CreateLoadBalancer(b.t.Context(), b.zone, cloudflare.CreateLoadBalancerParams{LoadBalancer: cloudflare.LoadBalancer{
		Name: name, DefaultPools: ids, FallbackPool: ids[1], SteeringPolicy: policy, TTL: 30,
	}}); err != nil {
		b.t.Fatal(err)
	}
}

// led writes what a name leads to over a few answers: the rotation, and each answer's addresses.
func (b *bench) led(name string) string {
	var answers []string
	rotation := ""
	for range 2 {
		found, ok := b.sim.Resolve(name)
		if !ok {
			return "nothing"
		}
		rotation = ""
		for _, pool := range found.Rotation {
			rotation += pool.Name + " "
		}
		answers = append(answers, strings.Join(found.Addresses, "+"))
	}
	slices.Sort(answers)
	return rotation + "| " + strings.Join(answers, " ")
}

func TestADeadSiteLeavesTheRotation(t *testing.T) {
	hosts := &fleet{dead: map[string]bool{}}
	b := newBench(t, Options{Probe: hosts.probe})
	const name = "pictures.havre.test"
	if got := b.led(name); got != "nothing" {
		t.Errorf("before there is anything: %s", got)
	}
	b.balance(name, "random")
	both := "gra rbx | 198.51.100.11+198.51.100.12 198.51.100.21+198.51.100.22"
	if got := b.led(name); got != both {
		t.Errorf("before the first look: %s", got)
	}
	for _, row := range []struct {
		dead []string
		want string
	}{
		{nil, both},
		{[]string{"198.51.100.12"}, "gra rbx | 198.51.100.11 198.51.100.21+198.51.100.22"},
		{[]string{"198.51.100.11", "198.51.100.12"}, "rbx | 198.51.100.21+198.51.100.22 198.51.100.21+198.51.100.22"},
		{[]string{"198.51.100.11", "198.51.100.12", "198.51.100.22"}, "rbx | 198.51.100.21 198.51.100.21"},
		// Nobody answers: the last resort, whole.
		{[]string{"198.51.100.11", "198.51.100.12", "198.51.100.21", "198.51.100.22"}, "rbx | 198.51.100.21+198.51.100.22 198.51.100.21+198.51.100.22"},
		{nil, both},
	} {
		hosts.dead = map[string]bool{}
		for _, address := range row.dead {
			hosts.dead[address] = true
		}
		for _, health := range b.sim.CheckOrigins(t.Context()) {
			if health.Healthy == hosts.dead[health.Address] {
				t.Errorf("%v dead: %+v", row.dead, health)
			}
		}
		if got := b.led(name); got != row.want {
			t.Errorf("%v dead: %s, want %s", row.dead, got, row.want)
		}
	}
	c := hosts.seen[0]
	if c.Type != "https" || c.Path != "/edge/healthz" || c.Port != 8443 || c.Header.Get("Host") != name || c.Codes != "200" || c.Timeout != 5*time.Second || c.AllowInsecure {
		t.Errorf("it looks with %+v", c)
	}
}

func TestSteeringOffTakesTheFirstHealthyPool(t *testing.T) {
	b := newBench(t, Options{Probe: (&fleet{}).probe})
	b.balance("pictures.havre.test", "off")
	if got := b.led("pictures.havre.test"); got != "gra | 198.51.100.11+198.51.100.12 198.51.100.11+198.51.100.12" {
		t.Errorf("both healthy: %s", got)
	}
	b.sim.Drain("198.51.100.11", true)
	b.sim.Drain("198.51.100.12", true)
	if got := b.led("pictures.havre.test"); got != "rbx | 198.51.100.21+198.51.100.22 198.51.100.21+198.51.100.22" {
		t.Errorf("the first drained: %s", got)
	}
	api := b.client(DefaultToken)
	pools, err := api.ListLoadBalancerPools(t.Context(), cloudflare.AccountIdentifier(Account), cloudflare.ListLoadBalancerPoolParams{})
	if err != nil || len(pools) != 2 {
		t.Fatalf("%v, %v", pools, err)
	}
	for i, want := range []bool{false, true} {
		health, err := api.GetLoadBalancerPoolHealth(t.Context(), cloudflare.AccountIdentifier(Account), pools[i].ID)
		if err != nil || health.ID != pools[i].ID || health.PopHealth["Paris, FR"].Healthy != want || len(health.PopHealth["Paris, FR"].Origins) != 2 {
			t.Errorf("health of %s: %+v, %v", pools[i].Name, health, err)
		}
	}
	b.sim.Drain("198.51.100.11", false)
	if got := b.led("pictures.havre.test"); got != "gra | 198.51.100.12 198.51.100.12" && got != "gra | 198.51.100.11 198.51.100.11" {
		t.Errorf("one is back: %s", got)
	}
}

func TestResolveFollowsRecords(t *testing.T) {
	b := newBench(t, Options{Probe: (&fleet{}).probe, Zones: []string{"havre.test", "customer.test"}})
	b.balance("customers.havre.test", "off")
	api := b.client(DefaultToken)
	for _, r := range []struct{ zone, kind, name, content string }{
		{"havre.test", "A", "www", "198.51.100.31"}, {"havre.test", "A", "www", "198.51.100.32"}, {"havre.test", "A", "customers", "198.51.100.33"},
		{"customer.test", "CNAME", "pictures", "customers.havre.test"}, {"customer.test", "CNAME", "loop", "loop.customer.test"}, {"customer.test", "TXT", "text", "x"},
	} {
		if _, err := api.CreateDNSRecord(t.Context(), cloudflare.ZoneIdentifier(ZoneID(r.zone)), record(r.kind, r.name, r.content)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"www.havre.test": "[198.51.100.31 198.51.100.32]", "customers.havre.test": "[198.51.100.11 198.51.100.12]", "Pictures.customer.test.": "[198.51.100.11 198.51.100.12]",
		"loop.customer.test": "[]", "text.customer.test": "[]", "none.test": "[]",
	} {
		if found, ok := b.sim.Resolve(name); fmt.Sprint(found.Addresses) != want || ok != (want != "[]") {
			t.Errorf("%s: %v, %v; want %s", name, found.Addresses, ok, want)
		}
	}
	w := httptest.NewRecorder()
	b.sim.ControlHandler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/drained/198.51.100.11", nil))
	if !strings.Contains(w.Body.String(), "drained at the control address") {
		t.Errorf("drained: %s", w.Body)
	}
	for path, want := range map[string]int{"/answers/pictures.customer.test": 200, "/answers/none.test": 404, "/pools": 200} {
		w := httptest.NewRecorder()
		b.sim.ControlHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want || want == 200 && !strings.Contains(w.Body.String(), "198.51.100.12") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// TestProbe looks at real servers.
func TestProbe(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/edge/healthz" || r.Host != "pictures.havre.test" || r.TLS.ServerName != "pictures.havre.test":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("X-Broken") != "":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	_, text, _ := net.SplitHostPort(server.Listener.Addr().String())
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	right := Check{Type: "https", Method: "GET", Path: "/edge/healthz", Address: "127.0.0.1", Port: port, Header: http.Header{"Host": {"pictures.havre.test"}}, Codes: "200", AllowInsecure: true}
	for name, row := range map[string]struct {
		mutate func(*Check)
		want   string
	}{
		"healthy":       {func(*Check) {}, ""},
		"any of 2xx":    {func(c *Check) { c.Codes = "301, 2xx" }, ""},
		"tcp":           {func(c *Check) { c.Type = "tcp" }, ""},
		"another path":  {func(c *Check) { c.Path = "/" }, "status 404; the monitor wants 200"},
		"broken":        {func(c *Check) { c.Header = http.Header{"Host": c.Header["Host"], "X-Broken": {"1"}} }, "status 503; the monitor wants 200"},
		"authority":     {func(c *Check) { c.AllowInsecure = false }, "tls: failed to verify certificate"},
		"nobody there":  {func(c *Check) { c.Port = closed }, "connection refused"},
		"nobody on tcp": {func(c *Check) { c.Type, c.Port = "tcp", closed }, "connection refused"},
	} {
		c := right
		row.mutate(&c)
		err := Probe(t.Context(), c)
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %s", name, err, row.want)
		}
	}
}

func TestRulesetRefusals(t *testing.T) {
	b := newBench(t, Options{})
	api := b.client(DefaultToken)
	rule := cloudflare.RulesetRule{Action: "set_cache_settings", Expression: "true"}
	create := func(phase string, rules ...cloudflare.RulesetRule) (cloudflare.Ruleset, error) {
		return api.CreateRuleset(t.Context(), b.zone, cloudflare.CreateRulesetParams{Name: "cache", Kind: "zone", Phase: phase, Rules: rules})
	}
	const phase = "http_request_cache_settings"
	if _, err := api.GetEntrypointRuleset(t.Context(), b.zone, phase); err == nil || !strings.Contains(err.Error(), "could not find entrypoint ruleset in the "+phase+" phase (10003)") {
		t.Errorf("none yet: %v", err)
	}
	made, err := create(phase, rule)
	if err != nil || len(made.Rules) != 1 || made.Rules[0].ID == "" || !*made.Rules[0].Enabled {
		t.Fatalf("%+v, %v", made, err)
	}
	if there, err := api.GetEntrypointRuleset(t.Context(), b.zone, phase); err != nil || there.ID != made.ID {
		t.Errorf("the entry point: %+v, %v", there, err)
	}
	for want, try := range map[string]func() error{
		"exceeded maximum number of zone rulesets for phase " + phase + " (20217)": func() error { _, err := create(phase, rule); return err },
		`"http_ratelimit" is not a valid phase for this simulator (20014)`:         func() error { _, err := create("http_ratelimit"); return err },
		`rules[0]: action "block" is not allowed in phase ` + phase + ` (20015)`: func() error {
			_, err := api.UpdateRuleset(t.Context(), b.zone, cloudflare.UpdateRulesetParams{ID: made.ID, Rules: []cloudflare.RulesetRule{{Action: "block", Expression: "true"}}})
			return err
		},
		"rules[0]: expression cannot be blank (20127)": func() error {
			_, err := api.UpdateEntrypointRuleset(t.Context(), b.zone, cloudflare.UpdateEntrypointRulesetParams{Phase: phase, Rules: []cloudflare.RulesetRule{{Action: "set_cache_settings"}}})
			return err
		},
		"could not find ruleset none (10003)": func() error { _, err := api.GetRuleset(t.Context(), b.zone, "none"); return err },
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if list, err := api.ListRulesets(t.Context(), b.zone, cloudflare.ListRulesetsParams{}); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if err := api.DeleteRuleset(t.Context(), b.zone, made.ID); err != nil || len(b.sim.CacheRules("havre.test")) != 0 {
		t.Errorf("deleted: %v, %q", err, b.sim.CacheRules("havre.test"))
	}
}
