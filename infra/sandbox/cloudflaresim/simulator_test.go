package cloudflaresim

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go"
)

// bench is a simulator behind TLS, with Cloudflare's own client in front.
type bench struct {
	t      *testing.T
	sim    *Simulator
	server *httptest.Server
	zone   *cloudflare.ResourceContainer
}

func newBench(t *testing.T, o Options) *bench {
	t.Helper()
	sim, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(sim.Handler())
	server.TLS = sim.TLSConfig()
	server.StartTLS()
	t.Cleanup(server.Close)
	return &bench{t: t, sim: sim, server: server, zone: cloudflare.ZoneIdentifier(ZoneID("havre.test"))}
}

// client trusts the simulator's authority and nothing else.
func (b *bench) client(token string) *cloudflare.API {
	b.t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b.sim.CAPEM()) {
		b.t.Fatal("the authority is no certificate")
	}
	transport, _ := http.DefaultTransport.(*http.Transport)
	transport = transport.Clone()
	transport.TLSClientConfig.RootCAs = roots
	b.t.Cleanup(transport.CloseIdleConnections)
	api, err := cloudflare.NewWithAPIToken(token, cloudflare.BaseURL(b.server.URL+"/client/v4"), cloudflare.HTTPClient(&http.Client{Transport: transport}),
		cloudflare.UsingRetryPolicy(2, 0, 0), cloudflare.UsingRateLimit(1000))
	if err != nil {
		b.t.Fatal(err)
	}
	return api
}

func record(kind, name, content string) cloudflare.CreateDNSRecordParams {
	return cloudflare.CreateDNSRecordParams{Type: kind, Name: name, Content: content, TTL: 300}
}

func TestRecordLife(t *testing.T) {
	b := newBench(t, Options{})
	api, ctx := b.client(DefaultToken), context.Background()
	id, err := api.ZoneIDByName("havre.test")
	if err != nil || id != ZoneID("havre.test") {
		t.Fatalf("zone: %s, %v", id, err)
	}
	if z, err := api.ZoneDetails(ctx, id); err != nil || z.Name != "havre.test" || z.Account.ID != Account {
		t.Errorf("zone: %+v, %v", z, err)
	}
	proxied := record("A", "pictures", "198.51.100.11")
	proxied.Proxied, proxied.Comment = cloudflare.BoolPtr(true), "havre local"
	r, err := api.CreateDNSRecord(ctx, b.zone, proxied)
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != "pictures.havre.test" || r.TTL != 1 || !*r.Proxied || !r.Proxiable || r.Comment != "havre local" || r.CreatedOn.IsZero() {
		t.Errorf("created: %+v", r)
	}
	r, err = api.UpdateDNSRecord(ctx, b.zone, cloudflare.UpdateDNSRecordParams{ID: r.ID, Content: "198.51.100.12", Proxied: cloudflare.BoolPtr(false), TTL: 120})
	if err != nil || r.Content != "198.51.100.12" || r.TTL != 120 || r.Name != "pictures.havre.test" || r.Comment != "havre local" {
		t.Errorf("updated: %+v, %v", r, err)
	}
	for _, address := range []string{"198.51.100.13", "198.51.100.14"} {
		if _, err := api.CreateDNSRecord(ctx, b.zone, record("A", "pictures.havre.test", address)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := api.CreateDNSRecord(ctx, b.zone, record("TXT", "@", "v=spf1 -all")); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		query cloudflare.ListDNSRecordsParams
		want  int
	}{
		{cloudflare.ListDNSRecordsParams{}, 4},
		{cloudflare.ListDNSRecordsParams{ResultInfo: cloudflare.ResultInfo{PerPage: 3}}, 3},
		{cloudflare.ListDNSRecordsParams{Name: "pictures.havre.test", Type: "A"}, 3},
		{cloudflare.ListDNSRecordsParams{Content: "198.51.100.13"}, 1},
		{cloudflare.ListDNSRecordsParams{Proxied: cloudflare.BoolPtr(true)}, 0},
	} {
		got, _, err := api.ListDNSRecords(ctx, b.zone, x.query)
		if err != nil || len(got) != x.want {
			t.Errorf("list %+v: %d records, wanted %d; %v", x.query, len(got), x.want, err)
		}
	}
	if err := api.DeleteDNSRecord(ctx, b.zone, r.ID); err != nil {
		t.Fatal(err)
	}
	var missing *cloudflare.NotFoundError
	if _, err := api.GetDNSRecord(ctx, b.zone, r.ID); !errors.As(err, &missing) || !missing.InternalErrorCodeIs(81044) {
		t.Errorf("a deleted record: %v", err)
	}
	if got := b.sim.Records(); len(got) != 3 || got[0].Name != "havre.test" || got[1].Content != "198.51.100.13" {
		t.Errorf("records: %+v", got)
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t, Options{})
	api, ctx := b.client(DefaultToken), context.Background()
	for _, r := range []cloudflare.CreateDNSRecordParams{record("A", "www", "198.51.100.11"), record("CNAME", "alias", "www.havre.test")} {
		if _, err := api.CreateDNSRecord(ctx, b.zone, r); err != nil {
			t.Fatal(err)
		}
	}
	long, mail := record("A", "x", "198.51.100.11"), record("MX", "x", "mail.havre.test")
	long.TTL, mail.Proxied = 30, cloudflare.BoolPtr(true)
	for _, x := range []struct {
		params cloudflare.CreateDNSRecordParams
		want   string
	}{
		{record("A", "www", "198.51.100.11"), "The record already exists. (81057)"},
		{record("A", "alias", "198.51.100.11"), "An A, AAAA, or CNAME record with that host already exists. (81053)"},
		{record("CNAME", "www", "other.havre.test"), "An A, AAAA, or CNAME record with that host already exists. (81053)"},
		{record("A", "x", "www.havre.test"), "DNS Validation Error (1004)"},
		{record("AAAA", "x", "198.51.100.11"), "DNS Validation Error (1004)"},
		{record("FOO", "x", "y"), "DNS Validation Error (1004)"},
		{long, "DNS Validation Error (1004)"},
		{mail, "DNS Validation Error (1004)"},
	} {
		_, err := api.CreateDNSRecord(ctx, b.zone, x.params)
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s %s %s: got %v, wanted %s", x.params.Type, x.params.Name, x.params.Content, err, x.want)
		}
	}
	if _, _, err := api.ListDNSRecords(ctx, cloudflare.ZoneIdentifier("none"), cloudflare.ListDNSRecordsParams{}); err == nil || !strings.Contains(err.Error(), "Could not route to /zones/none") {
		t.Errorf("unknown zone: %v", err)
	}
	if _, err := b.client("another-token-of-the-right-length-0123456").ListZones(ctx); err == nil || !strings.Contains(err.Error(), "Invalid access token (9109)") {
		t.Errorf("wrong token: %v", err)
	}
	if v, err := api.VerifyAPIToken(ctx); err != nil || v.Status != "active" {
		t.Errorf("token: %+v, %v", v, err)
	}
}

func TestFaults(t *testing.T) {
	b := newBench(t, Options{})
	api, ctx := b.client(DefaultToken), context.Background()
	add := func(f Fault) {
		if err := b.sim.Fault(f); err != nil {
			t.Fatal(err)
		}
	}
	add(Fault{Status: 429, Times: 2})
	if _, err := api.ListZones(ctx); err != nil {
		t.Errorf("a client that waits and asks again: %v", err)
	}
	add(Fault{Status: 429, Times: 10})
	if _, err := api.ListZones(ctx); err == nil || !strings.Contains(err.Error(), "rate limit") {
		t.Errorf("too many requests: %v", err)
	}
	b.sim.ClearFaults()
	// The client's own retry after a failure that had its effect meets the record it made.
	add(Fault{Method: "POST", Path: "/zones/", Status: 502, After: true})
	if _, err := api.CreateDNSRecord(ctx, b.zone, record("A", "twice", "198.51.100.11")); err == nil || !strings.Contains(err.Error(), "81057") {
		t.Errorf("a record made by a call that failed: %v", err)
	}
	if got := len(b.sim.Records()); got != 1 {
		t.Errorf("%d records, wanted 1", got)
	}
	if err := b.sim.Fault(Fault{Status: 200}); err == nil || err.Error() != "fault status 200: wanted 400 to 599" {
		t.Errorf("got %v", err)
	}
}

func TestLoadBalancing(t *testing.T) {
	b := newBench(t, Options{})
	api, ctx, account := b.client(DefaultToken), context.Background(), cloudflare.AccountIdentifier(Account)
	m, err := api.CreateLoadBalancerMonitor(ctx, account, cloudflare.CreateLoadBalancerMonitorParams{LoadBalancerMonitor: cloudflare.LoadBalancerMonitor{
		Type: "https", Method: "GET", Path: "/healthz", Interval: 60, Timeout: 5, Retries: 2, ExpectedCodes: "2xx",
	}})
	if err != nil {
		t.Fatal(err)
	}
	origins := []cloudflare.LoadBalancerOrigin{{Name: "gra-worker-1", Address: "198.51.100.11", Enabled: true, Weight: 1}}
	p, err := api.CreateLoadBalancerPool(ctx, account, cloudflare.CreateLoadBalancerPoolParams{LoadBalancerPool: cloudflare.LoadBalancerPool{
		Name: "gra", Enabled: true, Monitor: m.ID, Origins: origins, CheckRegions: []string{"WEU"},
	}})
	if err != nil || p.Origins[0].Address != "198.51.100.11" {
		t.Fatalf("pool: %+v, %v", p, err)
	}
	l, err := api.CreateLoadBalancer(ctx, b.zone, cloudflare.CreateLoadBalancerParams{LoadBalancer: cloudflare.LoadBalancer{
		Name: "pictures.havre.test", DefaultPools: []string{p.ID}, FallbackPool: p.ID, Proxied: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := api.DeleteLoadBalancerPool(ctx, account, p.ID); err == nil || !strings.Contains(err.Error(), "precondition failed (1005)") {
		t.Errorf("a pool in use: %v", err)
	}
	if err := api.DeleteLoadBalancerMonitor(ctx, account, m.ID); err == nil || !strings.Contains(err.Error(), "precondition failed (1005)") {
		t.Errorf("a monitor in use: %v", err)
	}
	p.MinimumOrigins = cloudflare.IntPtr(2)
	if p, err = api.UpdateLoadBalancerPool(ctx, account, cloudflare.UpdateLoadBalancerPoolParams{LoadBalancer: p}); err != nil || *p.MinimumOrigins != 2 {
		t.Errorf("pool: %+v, %v", p, err)
	}
	if list, err := api.ListLoadBalancers(ctx, b.zone, cloudflare.ListLoadBalancerParams{}); err != nil || len(list) != 1 || list[0].SteeringPolicy != "off" {
		t.Errorf("load balancers: %+v, %v", list, err)
	}
	for _, err := range []error{api.DeleteLoadBalancer(ctx, b.zone, l.ID), api.DeleteLoadBalancerPool(ctx, account, p.ID), api.DeleteLoadBalancerMonitor(ctx, account, m.ID)} {
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := api.CreateLoadBalancerPool(ctx, account, cloudflare.CreateLoadBalancerPoolParams{LoadBalancerPool: cloudflare.LoadBalancerPool{Name: "none"}}); err == nil || !strings.Contains(err.Error(), "must have at least one") {
		t.Errorf("an empty pool: %v", err)
	}
}

// TestRestart keeps records and the authority; what trusted it goes on trusting it.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	b := newBench(t, Options{Dir: dir})
	if _, err := b.client(DefaultToken).CreateDNSRecord(context.Background(), b.zone, record("A", "www", "198.51.100.11")); err != nil {
		t.Fatal(err)
	}
	c := newBench(t, Options{Dir: dir})
	if string(c.sim.CAPEM()) != string(b.sim.CAPEM()) {
		t.Error("the authority changed")
	}
	if got := c.sim.Records(); len(got) != 1 || got[0].Name != "www.havre.test" || got[0].TTL != 300 {
		t.Errorf("records after the restart: %+v", got)
	}
	if _, err := c.client(DefaultToken).CreateDNSRecord(context.Background(), c.zone, record("A", "www", "198.51.100.12")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, authorityKey))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode of the authority's key: %o", mode)
	}
	for file, want := range map[string]string{stateFile: "remove the file to begin with empty zones", authorityFile: "remove ca.pem and ca.key to make a new one"} {
		broken := t.TempDir()
		if err := os.CopyFS(broken, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(broken, file), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{Dir: broken}); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("broken %s: got %v, wanted %s", file, err, want)
		}
	}
}

func TestControlAddress(t *testing.T) {
	b := newBench(t, Options{Clock: func() time.Time { return time.Date(2026, 9, 1, 10, 0, 0, 0, time.UTC) }})
	api := b.client(DefaultToken)
	if _, err := api.CreateDNSRecord(context.Background(), b.zone, record("A", "www", "198.51.100.11")); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ method, path, body, want string }{
		{"GET", "/healthz", "", `"status":"ok"`},
		{"GET", "/records", "", `"zone":"havre.test","name":"www.havre.test","type":"A","content":"198.51.100.11","ttl":300`},
		{"GET", "/requests", "", `"method":"POST","path":"/zones/` + ZoneID("havre.test") + `/dns_records","status":200`},
		{"POST", "/faults", `{"status":429}`, `{}`},
		{"POST", "/faults", `{"status":4}`, `faultstatus4:wanted400to599`},
		{"POST", "/faults", `{"state":4}`, `unknownfield\"state\"`},
		{"DELETE", "/faults", "", `{}`},
		{"GET", "/ca.pem", "", "-----BEGINCERTIFICATE-----"},
	} {
		w := httptest.NewRecorder()
		b.sim.ControlHandler().ServeHTTP(w, httptest.NewRequest(x.method, x.path, strings.NewReader(x.body)))
		if got := strings.Join(strings.Fields(w.Body.String()), ""); !strings.Contains(got, x.want) {
			t.Errorf("%s %s: got %s, wanted %s in it", x.method, x.path, got, x.want)
		}
	}
}
