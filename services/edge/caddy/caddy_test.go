package caddy_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"havre/services/edge/caddy"
)

var update = flag.Bool("update", false, "write the golden files anew")

func internal() caddy.Options {
	return caddy.Options{
		HTTPPort: 80, HTTPSPort: 443, HealthPort: 8081, Private: []string{"name", "reader"}, Leave: 5 * time.Second, Grace: 20 * time.Second,
		Sites: []caddy.Site{{
			Hosts: []string{"pictures.havre.test"}, Paths: []string{"/v1/*"}, Port: 8080,
			Upstream: "renderer-pods.render.svc.cluster.local", Fallback: "renderer.render.svc.cluster.local",
		}},
		Certificate: &caddy.Certificate{CertificateFile: "/etc/tls/tls.crt", KeyFile: "/etc/tls/tls.key", ServerName: "pictures.havre.test"},
	}
}

func acme() caddy.Options {
	o := internal()
	o.Certificate, o.ACME = nil, &caddy.ACME{
		Email: "ops@havre.example", Permission: "http://domains.edge.svc.cluster.local:8080/v1/permission",
		Storage: caddy.Objects{
			Endpoint: "https://s3.eu-west-par.io.cloud.ovh.net", Region: "eu-west-par", Bucket: "edge", Prefix: "edge-prod",
			AccessKeyFile: "/etc/caddy-storage/access-key", SecretKeyFile: "/etc/caddy-storage/secret-key",
		},
	}
	o.HealthPath = "/edge/healthz"
	o.Sites[0].Hosts = []string{"pictures.havre.example"}
	o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("173.245.48.0/20"), netip.MustParsePrefix("103.21.244.0/22")}
	return o
}

func reviews() *caddy.Reviews {
	return &caddy.Reviews{Domain: "review.havre.test", Name: "review-[1-9][0-9]{0,8}", Service: "renderer-pods", Fallback: "renderer", ClusterDomain: "cluster.local", Port: 8080}
}

func TestGolden(t *testing.T) {
	two := internal()
	two.HTTPPort, two.HTTPSPort = 8000, 8443
	two.Sites = append(two.Sites, two.Sites[0])
	two.Sites[0].Hosts = []string{"other.havre.test"}
	own := acme()
	own.ACME.Permission, own.ACME.Directory, own.ACME.Roots = "", "https://acme.example/dir", "/etc/roots.pem"
	reviewed := acme()
	reviewed.Reviews = reviews()
	for name, o := range map[string]caddy.Options{"reviews": reviewed, "internal": internal(), "acme": acme(), "own-names-only": own, "two-sites": two} {
		got, err := caddy.Render(o)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name+".json")
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
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name   string
		mutate func(*caddy.Options)
		want   string
	}{
		{"valid", func(*caddy.Options) {}, ""},
		{"port", func(o *caddy.Options) { o.HTTPSPort = 0 }, "HTTPS port 0 is outside 1–65535"},
		{"ports", func(o *caddy.Options) { o.HealthPort = 443 }, "health port 443 is the HTTPS port already; give each its own"},
		{"no certificates", func(o *caddy.Options) { o.Certificate = nil }, "certificates: give a certificate or ACME, one of them"},
		{"both", func(o *caddy.Options) { o.ACME = acme().ACME }, "certificates: give a certificate or ACME, one of them"},
		{"no key", func(o *caddy.Options) { o.Certificate.KeyFile = "" }, `certificate: file "/etc/tls/tls.crt" with key ""; give both`},
		{"server name", func(o *caddy.Options) { o.Certificate.ServerName = "198.51.100.11" }, `certificate: server name "198.51.100.11" is not a DNS name; give one of the certificate's names`},
		{"acme", func(o *caddy.Options) { o.Certificate, o.ACME = nil, &caddy.ACME{} }, "ACME: email is missing; the authority writes to it before a certificate ends\n" +
			"ACME: the storage's endpoint is missing; give a bucket that all nodes share\nACME: the storage's region is missing; give a bucket that all nodes share\n" +
			"ACME: the storage's bucket is missing; give a bucket that all nodes share\nACME: the storage's prefix is missing; give a bucket that all nodes share\n" +
			"ACME: the storage's access key file is missing; give a bucket that all nodes share\nACME: the storage's secret key file is missing; give a bucket that all nodes share"},
		{"permission", func(o *caddy.Options) { *o = acme(); o.ACME.Permission = "domains:8080" }, `ACME: permission "domains:8080" is not an http URL`},
		{"health path", func(o *caddy.Options) { o.HealthPath = "healthz" }, `health path "healthz" has no leading slash`},
		{"leave", func(o *caddy.Options) { o.Leave = -1 }, "leave -1ns: give 0 or more"},
		{"grace", func(o *caddy.Options) { o.Grace = -1 }, "grace -1ns: give 0 or more"},
		{"no sites", func(o *caddy.Options) { o.Sites = nil }, "sites: none given; give at least one"},
		{"no hosts", func(o *caddy.Options) { o.Sites[0].Hosts = nil }, "site 0: no hosts given; give at least one"},
		{"host", func(o *caddy.Options) { o.Sites[0].Hosts = []string{"Pictures"} }, `site 0: host "Pictures" is not a DNS name`},
		{"host twice", func(o *caddy.Options) { o.Sites = append(o.Sites, o.Sites[0]) }, `site 1: host "pictures.havre.test" is given twice`},
		{"no paths", func(o *caddy.Options) { o.Sites[0].Paths = nil }, "site 0: no paths given; give at least one, such as /v1/*"},
		{"path", func(o *caddy.Options) { o.Sites[0].Paths = []string{"v1"} }, `site 0: path "v1" has no leading slash`},
		{"upstream", func(o *caddy.Options) { o.Sites[0].Upstream = "renderer" }, `site 0: upstream "renderer" is not a Service's full name; give one such as renderer.render.svc.cluster.local`},
		{"fallback", func(o *caddy.Options) { o.Sites[0].Fallback = "" }, `site 0: upstream "" is not a Service's full name; give one such as renderer.render.svc.cluster.local`},
		{"site port", func(o *caddy.Options) { o.Sites[0].Port = 0 }, "site 0: port 0 is outside 1–65535"},
		{"proxies", func(o *caddy.Options) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} }, "trusted proxies: 0.0.0.0/0 has host bits or is everyone; give a network"},
		{"reviews", func(o *caddy.Options) { o.Reviews = &caddy.Reviews{Domain: "Review", Name: "("} }, `reviews: domain "Review" or the cluster's "" is not a DNS name` + "\n" +
			`reviews: name "(" is not a regular expression of their first label` + "\n" + `reviews: services "" and "" on port 0; give both names and a port`},
		{"reviews of a cluster", func(o *caddy.Options) { o.Reviews = reviews() }, ""},
		{"several", func(o *caddy.Options) { o.HTTPPort, o.Sites = -1, nil }, "HTTP port -1 is outside 1–65535\nsites: none given; give at least one"},
	} {
		o := internal()
		test.mutate(&o)
		got := ""
		if _, err := caddy.Render(o); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
	}
}

// Adding a worker must not restart the edges: the configuration has no room for a node's name or address.
func TestNothingOfANodeIsInIt(t *testing.T) {
	text, err := caddy.Render(internal())
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"worker", "198.51.100.", "10.80.", "10.81."} {
		if strings.Contains(text, word) {
			t.Errorf("%q is in the configuration", word)
		}
	}
}
