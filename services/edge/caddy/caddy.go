// Package caddy renders the configuration of the edge's Caddy: JSON, which is Caddy's own language, from typed Go.
//
// It is pure. The types below are the small part of Caddy's schema (version 2.11, https://caddyserver.com/docs/json/) that the edge uses, with Caddy's names;
// Caddy refuses a field it does not know, so a misspelt one fails at its start. What a reader would get wrong: nothing in the configuration names a
// node or an address of one. It is the same on every node and stays the same when a node comes, or adding a worker would restart every edge.
package caddy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Options describe an edge.
type Options struct {
	// HTTPPort redirects to HTTPSPort, on every address of the node.
	HTTPPort, HTTPSPort int
	// HealthPort serves /healthz and /metrics on 127.0.0.1.
	HealthPort int
	Sites      []Site
	// Reviews serves pull requests' own copies of the last site; nil serves none.
	Reviews *Reviews
	// Certificate and ACME say where certificates come from; exactly one is given.
	Certificate *Certificate
	ACME        *ACME
	// HealthPath is answered on HTTPSPort by a pod of the last site, under any name: who watches the edge from outside sees whether it reaches the pods. Optional.
	HealthPath string
	// TrustedProxies are the networks of a front door whose CF-Connecting-IP header is believed. From everyone else it is dropped.
	TrustedProxies []netip.Prefix
	// Private are query parameters whose values are kept out of the logs: those that say who a reader is.
	Private []string
	// Leave is how long Caddy serves the connections that it has when it ends, and takes no new ones: as long as a reader may take from his connection to his request.
	Leave time.Duration
	// Grace bounds the wait for requests under way after that.
	Grace time.Duration
}

// Site is a set of host names with one service behind it.
type Site struct {
	// Hosts are the names it answers to. The last site also answers to any other name: to addresses where there is a Certificate, which is for the local stack
	// and for a node's own checks, and to customers' own domains where ACME has a Permission.
	Hosts []string
	// Paths are what it lets through, such as "/v1/*"; everything else is 404 at the edge.
	Paths []string
	// Upstream is the headless Service behind it: each request goes to the ready pod with the fewest requests under way. A Service with an address of its own
	// would balance connections instead, and a new pod would see no traffic while old connections last.
	Upstream string
	// Fallback is asked while Upstream cannot be looked up: the Service with an address of its own.
	Fallback string
	// Port is the TCP port of both.
	Port int
}

// Reviews are namespaces that come and go without the edge: NAME.Domain leads to the Services of namespace NAME, and needs no change here.
type Reviews struct {
	// Domain is what their names are below.
	Domain string
	// Name is a regular expression of the first label. It must match no namespace that is not a review's: the label is what a stranger asked for.
	Name string
	// Service and Fallback are what Site's Upstream and Fallback are called in each namespace; ClusterDomain is the cluster's.
	Service, Fallback, ClusterDomain string
	Port                             int
}

// site is the one of whichever review a request is for. The namespace is the label that the matcher captured.
func (r Reviews) site() Site {
	name := func(service string) string { return service + ".{http.regexp.review.1}.svc." + r.ClusterDomain }
	return Site{Upstream: name(r.Service), Fallback: name(r.Fallback), Port: r.Port}
}

func (r Reviews) matcher() map[string]headerRegexp {
	return map[string]headerRegexp{"Host": {Name: "review", Pattern: "^(?i)(" + r.Name + ")" + regexp.QuoteMeta("."+r.Domain) + `(?::[0-9]+)?$`}}
}

func (r Reviews) validate() error {
	var errs []error
	if !hostName.MatchString(r.Domain) || !hostName.MatchString(r.ClusterDomain) {
		errs = append(errs, fmt.Errorf("reviews: domain %q or the cluster's %q is not a DNS name", r.Domain, r.ClusterDomain))
	}
	if _, err := regexp.Compile(r.Name); err != nil || r.Name == "" {
		errs = append(errs, fmt.Errorf("reviews: name %q is not a regular expression of their first label", r.Name))
	}
	if r.Service == "" || r.Fallback == "" || r.Port < 1 || r.Port > 65535 {
		errs = append(errs, fmt.Errorf("reviews: services %q and %q on port %d; give both names and a port", r.Service, r.Fallback, r.Port))
	}
	return errors.Join(errs...)
}

// Certificate is one certificate for everything, from files.
type Certificate struct {
	CertificateFile, KeyFile string
	// ServerName is one of the certificate's names. It is taken for clients that send no server name, or another one.
	ServerName string
}

// ACME takes a certificate for each host from a public authority.
type ACME struct {
	// Email is where the authority sends warnings.
	Email string
	// Directory is the authority's address; Let's Encrypt's when empty.
	Directory string
	// Roots is a PEM file of the authorities that may vouch for Directory; those of the system when empty.
	Roots string
	// Storage is where certificates and the account are kept, the same for every node.
	Storage Objects
	// Permission is the URL that says of a name whether it is a customer's: 200 to ?domain=NAME, and its certificate is ordered at the first
	// handshake; anything else, and the handshake fails. Empty means that no name but the sites' own gets one.
	Permission string
}

// Objects is an S3 bucket that honours conditional writes, for infra/tools/modules/caddy/objects.
type Objects struct {
	// Endpoint is the URL of the S3 API.
	Endpoint, Region, Bucket string
	// Prefix begins every key; no two stacks have the same in one bucket.
	Prefix string
	// AccessKeyFile and SecretKeyFile hold the credentials. They are read at the start, so the configuration has no secret.
	AccessKeyFile, SecretKeyFile string
}

var hostName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`)

// Validate reports everything that is wrong, joined.
func (o Options) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	seen := map[int]string{}
	for _, p := range []struct {
		name   string
		number int
	}{{"HTTP port", o.HTTPPort}, {"HTTPS port", o.HTTPSPort}, {"health port", o.HealthPort}} {
		if p.number < 1 || p.number > 65535 {
			fail("%s %d is outside 1–65535", p.name, p.number)
		} else if other, ok := seen[p.number]; ok {
			fail("%s %d is the %s already; give each its own", p.name, p.number, other)
		}
		seen[p.number] = p.name
	}
	if (o.Certificate == nil) == (o.ACME == nil) {
		fail("certificates: give a certificate or ACME, one of them")
	}
	if c := o.Certificate; c != nil {
		if c.CertificateFile == "" || c.KeyFile == "" {
			fail("certificate: file %q with key %q; give both", c.CertificateFile, c.KeyFile)
		}
		if !hostName.MatchString(c.ServerName) {
			fail("certificate: server name %q is not a DNS name; give one of the certificate's names", c.ServerName)
		}
	}
	if a := o.ACME; a != nil {
		if a.Email == "" {
			fail("ACME: email is missing; the authority writes to it before a certificate ends")
		}
		for _, field := range []struct{ name, value string }{
			{"endpoint", a.Storage.Endpoint}, {"region", a.Storage.Region}, {"bucket", a.Storage.Bucket}, {"prefix", a.Storage.Prefix},
			{"access key file", a.Storage.AccessKeyFile}, {"secret key file", a.Storage.SecretKeyFile},
		} {
			if field.value == "" {
				fail("ACME: the storage's %s is missing; give a bucket that all nodes share", field.name)
			}
		}
		if a.Permission != "" {
			if u, err := url.Parse(a.Permission); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				fail("ACME: permission %q is not an http URL", a.Permission)
			}
		}
	}
	if o.HealthPath != "" && o.HealthPath[0] != '/' {
		fail("health path %q has no leading slash", o.HealthPath)
	}
	if o.Leave < 0 {
		fail("leave %s: give 0 or more", o.Leave)
	}
	if o.Grace < 0 {
		fail("grace %s: give 0 or more", o.Grace)
	}
	if len(o.Sites) == 0 {
		fail("sites: none given; give at least one")
	}
	hosts := map[string]bool{}
	for i, s := range o.Sites {
		errs = append(errs, s.validate(i, hosts))
	}
	if o.Reviews != nil {
		errs = append(errs, o.Reviews.validate())
	}
	for _, p := range o.TrustedProxies {
		if p != p.Masked() || p.Bits() == 0 {
			fail("trusted proxies: %s has host bits or is everyone; give a network", p)
		}
	}
	return errors.Join(errs...)
}

func (s Site) validate(i int, hosts map[string]bool) error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("site %d: "+format, append([]any{i}, args...)...))
	}
	if len(s.Hosts) == 0 {
		fail("no hosts given; give at least one")
	}
	for _, host := range s.Hosts {
		if !hostName.MatchString(host) {
			fail("host %q is not a DNS name", host)
		}
		if hosts[host] {
			fail("host %q is given twice", host)
		}
		hosts[host] = true
	}
	if len(s.Paths) == 0 {
		fail("no paths given; give at least one, such as /v1/*")
	}
	for _, path := range s.Paths {
		if path == "" || path[0] != '/' {
			fail("path %q has no leading slash", path)
		}
	}
	for _, upstream := range []string{s.Upstream, s.Fallback} {
		if !hostName.MatchString(upstream) {
			fail("upstream %q is not a Service's full name; give one such as renderer.render.svc.cluster.local", upstream)
		}
	}
	if s.Port < 1 || s.Port > 65535 {
		fail("port %d is outside 1–65535", s.Port)
	}
	return errors.Join(errs...)
}

// Reach is where a pod of the last site says that it serves; empty without sites.
func Reach(sites []Site) string {
	if len(sites) == 0 {
		return ""
	}
	last := sites[len(sites)-1]
	return "http://" + last.Upstream + ".:" + strconv.Itoa(last.Port) + health
}

// health is the path at which a pod says that it serves.
const health = "/healthz"

// Render is the configuration as Caddy reads it, or Validate's error.
func Render(o Options) (string, error) {
	if err := o.Validate(); err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(o.config(), "", "  ")
	if err != nil {
		return "", fmt.Errorf("render the edge's configuration: %w", err)
	}
	return string(text) + "\n", nil
}

func (o Options) config() config {
	c := config{
		// The admin endpoint could replace the whole configuration without a password, and every process of the node could reach it.
		Admin:   admin{Disabled: true, Config: adminConfig{Persist: false}},
		Logging: logging{Logs: map[string]logger{"default": {Writer: output{"stdout"}, Encoder: o.encoder(), Level: "INFO"}}},
	}
	c.Apps.HTTP = httpApp{
		HTTPPort: o.HTTPPort, HTTPSPort: o.HTTPSPort, ShutdownDelay: duration(o.Leave), GracePeriod: duration(o.Grace), Metrics: &struct{}{},
		Servers: map[string]server{"edge": o.edge(), "health": o.health(), "redirect": o.redirect()},
	}
	if cert := o.Certificate; cert != nil {
		c.Apps.TLS.Certificates = &certificates{LoadFiles: []certificateFile{{Certificate: cert.CertificateFile, Key: cert.KeyFile}}}
	}
	if acme := o.ACME; acme != nil {
		c.Storage = acme.Storage.config()
		c.Apps.TLS.Automation = acme.automation(o.hosts())
	}
	return c
}

func (s Objects) config() *storage {
	return &storage{
		Module: "objects", Endpoint: s.Endpoint, Region: s.Region, Bucket: s.Bucket, Prefix: s.Prefix,
		AccessKey: "{file." + s.AccessKeyFile + "}", SecretKey: "{file." + s.SecretKeyFile + "}",
	}
}

// automation orders certificates for our own names at the start, for a customer's at the first handshake.
func (a ACME) automation(own []string) *automation {
	i := issuer{Module: "acme", Email: a.Email, CA: a.Directory}
	// The other challenge is answered inside TLS, which a front door ends. Over plain HTTP any node answers for any other, through the storage.
	i.Challenges.TLSALPN.Disabled = true
	if a.Roots != "" {
		i.TrustedRoots = []string{a.Roots}
	}
	made := &automation{Policies: []policy{{Subjects: own, Issuers: []issuer{i}}}}
	if a.Permission != "" {
		made.Policies = append(made.Policies, policy{OnDemand: true, Issuers: []issuer{i}})
		made.OnDemand = &onDemand{Permission: permission{Module: "http", Endpoint: a.Permission}}
	}
	return made
}

// encoder writes JSON without the parameters that say who a reader is.
func (o Options) encoder() encoder {
	e := encoder{Format: "filter", Wrap: format{"json"}, Fields: map[string]queryFilter{}}
	if len(o.Private) > 0 {
		f := queryFilter{Filter: "query"}
		for _, parameter := range o.Private {
			f.Actions = append(f.Actions, queryAction{Type: "replace", Parameter: parameter, Value: "-"})
		}
		e.Fields["request>uri"] = f
	}
	return e
}

func (o Options) hosts() []string {
	var hosts []string
	for _, s := range o.Sites {
		hosts = append(hosts, s.Hosts...)
	}
	slices.Sort(hosts)
	return hosts
}

// edge is the server that readers' requests meet.
func (o Options) edge() server {
	s := server{
		Listen:            []string{":" + strconv.Itoa(o.HTTPSPort)},
		ListenerWrappers:  leaving(),
		ReadHeaderTimeout: duration(5 * time.Second),
		ReadTimeout:       duration(10 * time.Second),
		WriteTimeout:      duration(30 * time.Second),
		IdleTimeout:       duration(5 * time.Minute),
		MaxHeaderBytes:    32 << 10,
		// A front door speaks HTTP/2 to us; who comes past it, to a customer's own domain, may take HTTP/3 over UDP.
		Protocols: []string{"h1", "h2", "h3"},
		Logs:      &struct{}{},
		Errors:    &errorRoutes{Routes: []route{{Handle: []any{failure()}}}},
		// A policy must be there, or the server would not speak TLS with automation off.
		TLSConnectionPolicies: []connectionPolicy{{}},
		AutomaticHTTPS:        &automaticHTTPS{DisableRedirects: true},
	}
	if o.Certificate != nil {
		s.AutomaticHTTPS = &automaticHTTPS{Disable: true}
		s.TLSConnectionPolicies = []connectionPolicy{{DefaultSNI: o.Certificate.ServerName, FallbackSNI: o.Certificate.ServerName}}
	}
	if len(o.TrustedProxies) > 0 {
		s.TrustedProxies = &proxies{Source: "static", Ranges: texts(o.TrustedProxies)}
		s.ClientIPHeaders = []string{"CF-Connecting-IP"}
	}
	// Who keeps a connection, as the front door does, is to have given it up when the server shuts down.
	s.Routes = append(s.Routes, route{
		Match:  []match{{Vars: map[string][]string{"{http.shutting_down}": {"true"}}}},
		Handle: []any{headers{Handler: "headers", Response: responseHeaders{Deferred: true, Set: map[string][]string{"Connection": {"close"}}}}},
	})
	last := len(o.Sites) - 1
	if o.HealthPath != "" {
		s.Routes = append(s.Routes, route{
			Match: []match{{Path: []string{o.HealthPath}}}, Handle: []any{plainHeaders(), rewrite{Handler: "rewrite", URI: health}, o.Sites[last].proxy()}, Terminal: true,
		})
	}
	if r := o.Reviews; r != nil {
		// Before the sites, because the last of them takes any name; and by a regular expression, because Caddy would order a certificate for a host it matches at its start.
		s.Routes = append(s.Routes, route{
			Match: []match{{HeaderRegexp: r.matcher(), Path: slices.Clone(o.Sites[last].Paths)}}, Handle: []any{plainHeaders(), r.site().proxy()}, Terminal: true,
		})
	}
	for i, site := range o.Sites {
		m := match{Host: slices.Clone(site.Hosts), Path: slices.Clone(site.Paths)}
		if o.Certificate != nil && i == last {
			m.Host = nil
		}
		s.Routes = append(s.Routes, route{Match: []match{m}, Handle: []any{o.headers(), site.proxy()}, Terminal: true})
	}
	if o.ACME != nil && o.ACME.Permission != "" {
		// After all others, so that a name that another site has goes there; and beside the last site's own route, from whose names Caddy learns what to order at its start.
		m := match{Path: slices.Clone(o.Sites[last].Paths)}
		s.Routes = append(s.Routes, route{Match: []match{m}, Handle: []any{plainHeaders(), o.Sites[last].proxy()}, Terminal: true})
	}
	s.Routes = append(s.Routes, route{Handle: []any{staticResponse{Handler: "static_response", StatusCode: "404", Body: "nothing is served here\n"}}})
	return s
}

// leaving is a module of our Caddy: at its end it refuses who comes, and lets everybody who is there make his request. TLS is spoken on what it lets in.
func leaving() []wrapper { return []wrapper{{"leave"}, {"tls"}} }

// plainHeaders are for every answer, those under a customer's own domain too.
func plainHeaders() headers {
	return headers{Handler: "headers", Response: responseHeaders{
		Deferred: true, Set: map[string][]string{"X-Content-Type-Options": {"nosniff"}}, Delete: []string{"Server", "Via"},
	}}
}

func (o Options) headers() headers {
	h := plainHeaders()
	if o.ACME != nil {
		// Only where the certificate is one that browsers take: an own authority's would lock them out for a year. And only for our own names: what a customer's domain
		// promises for a year is the customer's to say.
		h.Response.Set["Strict-Transport-Security"] = []string{"max-age=31536000"}
	}
	return h
}

func (s Site) proxy() reverseProxy {
	return reverseProxy{
		Handler: "reverse_proxy",
		// One address, the reader's: what a client wrote into these headers itself goes no further.
		Headers: proxyHeaders{Request: requestHeaders{
			Set: map[string][]string{"X-Forwarded-For": {"{http.vars.client_ip}"}}, Delete: []string{"Cf-Connecting-Ip", "True-Client-Ip", "X-Real-Ip"},
		}},
		// The final dots keep the resolver from trying the cluster's search domains first.
		DynamicUpstreams: dynamicUpstreams{
			Source: "pods", Name: s.Upstream + ".", Port: strconv.Itoa(s.Port), Refresh: duration(2 * time.Second), Grace: duration(5 * time.Minute),
		},
		Upstreams: []upstream{{Dial: s.Fallback + ".:" + strconv.Itoa(s.Port)}},
		LoadBalancing: loadBalancing{
			SelectionPolicy: selection{"least_conn"}, Retries: 2, TryDuration: duration(3 * time.Second), TryInterval: duration(100 * time.Millisecond),
			// A connection that fails is tried elsewhere in any case; a request that was under way only where doing it twice is harmless.
			RetryMatch: []match{{Method: []string{"GET", "HEAD"}}},
		},
		// Connections only: a busy pod's 503 is an answer, and taking the pod away would bury the others.
		HealthChecks: healthChecks{Passive: passive{FailDuration: duration(5 * time.Second), MaxFails: 2}},
		Transport: transport{
			Protocol: "http", DialTimeout: duration(time.Second), ResponseHeaderTimeout: duration(10 * time.Second), Compression: false,
			KeepAlive: keepAlive{Enabled: true, IdleTimeout: duration(time.Minute), MaxIdleConnsPerHost: 256},
		},
	}
}

// failure answers what the edge itself could not do: no pod answered, in most cases.
func failure() subroute {
	return subroute{Handler: "subroute", Routes: []route{{Handle: []any{
		headers{Handler: "headers", Response: responseHeaders{Set: map[string][]string{"Cache-Control": {"no-store"}, "Retry-After": {"1"}}}},
		staticResponse{Handler: "static_response", StatusCode: "{http.error.status_code}", Body: "{http.error.status_code} {http.error.status_text}: ask again in a second\n"},
	}}}}
}

// redirect sends plain HTTP to HTTPS. An ACME challenge is answered before any route.
func (o Options) redirect() server {
	target := "https://{http.request.host}{http.request.uri}"
	if o.HTTPSPort != 443 {
		target = "https://{http.request.host}:" + strconv.Itoa(o.HTTPSPort) + "{http.request.uri}"
	}
	return server{
		Listen:            []string{":" + strconv.Itoa(o.HTTPPort)},
		ListenerWrappers:  leaving(),
		ReadHeaderTimeout: duration(5 * time.Second),
		ReadTimeout:       duration(10 * time.Second),
		WriteTimeout:      duration(10 * time.Second),
		IdleTimeout:       duration(30 * time.Second),
		MaxHeaderBytes:    32 << 10,
		Protocols:         []string{"h1"},
		AutomaticHTTPS:    &automaticHTTPS{Disable: true},
		Routes: []route{{Handle: []any{staticResponse{
			Handler: "static_response", StatusCode: "308", Headers: map[string][]string{"Location": {target}, "Connection": {"close"}},
		}}}},
	}
}

// health answers probes and scrapes from the node itself.
func (o Options) health() server {
	return server{
		Listen:            []string{"127.0.0.1:" + strconv.Itoa(o.HealthPort)},
		ReadHeaderTimeout: duration(5 * time.Second),
		ReadTimeout:       duration(10 * time.Second),
		WriteTimeout:      duration(10 * time.Second),
		IdleTimeout:       duration(30 * time.Second),
		Protocols:         []string{"h1"},
		AutomaticHTTPS:    &automaticHTTPS{Disable: true},
		Routes: []route{
			{Match: []match{{Path: []string{"/metrics"}}}, Handle: []any{metricsHandler{Handler: "metrics"}}, Terminal: true},
			{Match: []match{{Path: []string{"/healthz"}}}, Handle: []any{staticResponse{Handler: "static_response", StatusCode: "200", Body: "ok\n"}}, Terminal: true},
			{Handle: []any{staticResponse{Handler: "static_response", StatusCode: "404", Body: "/healthz and /metrics are served here\n"}}},
		},
	}
}

func texts(prefixes []netip.Prefix) []string {
	out := make([]string, len(prefixes))
	for i, p := range prefixes {
		out[i] = p.String()
	}
	slices.Sort(out)
	return out
}
