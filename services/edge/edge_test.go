package edge_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/hosttest"
	"havre/components/workload/workloadtest"
	"havre/services/edge"
	"havre/services/edge/caddy"
)

var update = flag.Bool("update", false, "write the golden files anew")

const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func internal() edge.Args {
	return edge.Args{
		Image: "198.51.100.1:5000/caddy" + digest, NodeSelector: map[string]string{"node-role.kubernetes.io/edge": ""},
		Sites: []caddy.Site{{
			Hosts: []string{"pictures.havre.test"}, Paths: []string{"/v1/*"}, Port: 8080,
			Upstream: "renderer-pods.render.svc.cluster.local", Fallback: "renderer.render.svc.cluster.local",
		}},
		Internal: &edge.Internal{Certificate: pulumi.String("-----LEAF-----"), Key: pulumi.String("-----PRIVATE-----"), ServerName: "pictures.havre.test"},
		Private:  []string{"name", "reader"}, PriorityClass: "edge",
	}
}

func acme() edge.Args {
	a := internal()
	a.Internal, a.ACME = nil, &edge.ACME{
		Email: "ops@havre.example",
		Storage: edge.Storage{
			Endpoint: "https://s3.eu-west-par.io.cloud.ovh.net", Region: "eu-west-par", Bucket: "edge", Prefix: "edge-prod",
			AccessKey: pulumi.String("access"), SecretKey: pulumi.String("-----PRIVATE-----"),
		},
		Customers: &edge.Customers{
			Image: "198.51.100.1:5000/domains" + digest, Domains: []string{"pictures.customer.example"}, Callers: []netip.Prefix{netip.MustParsePrefix("10.80.0.0/16")},
		},
	}
	a.HealthPath = "/edge/healthz"
	return a
}

func TestGraph(t *testing.T) {
	for name, args := range map[string]func() edge.Args{"internal": internal, "acme": acme} {
		for _, mode := range hosttest.Both {
			t.Run(name+"/"+mode.String(), func(t *testing.T) {
				e := workloadtest.Kubernetes(hosttest.New())
				if err := e.Run(mode, func(ctx *pulumi.Context) error {
					made, err := edge.New(ctx, "edge", args())
					if err == nil && len(made.Resources()) < 3 {
						t.Errorf("%d resources to depend on", len(made.Resources()))
					}
					return err
				}); err != nil {
					t.Fatal(err)
				}
				got, err := workloadtest.Dump(e)
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join("testdata", name+".txt")
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
					if strings.Contains(r.Clear(), "-----PRIVATE-----") {
						t.Errorf("%s has the key in clear", r.Name)
					}
				}
			})
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		mutate func(*edge.Args)
		want   string
	}{
		"image":           {func(a *edge.Args) { a.Image = "caddy:2" }, `image "caddy:2" is not pinned; give registry/name@sha256:<64 hex digits>`},
		"selector":        {func(a *edge.Args) { a.NodeSelector = nil }, "node selector: is empty, which takes every node; give the edge nodes' label"},
		"key":             {func(a *edge.Args) { a.Internal.Key = nil }, "internal: the certificate or its key is missing; give both"},
		"no certificates": {func(a *edge.Args) { a.Internal = nil }, "certificates: give a certificate or ACME, one of them"},
		"both":            {func(a *edge.Args) { a.ACME = acme().ACME }, "certificates: give a certificate or ACME, one of them"},
		"email":           {func(a *edge.Args) { *a = acme(); a.ACME.Email = "" }, "ACME: email is missing; the authority writes to it before a certificate ends"},
		"site":            {func(a *edge.Args) { a.Sites[0].Port = 0 }, "site 0: port 0 is outside 1–65535"},
		"port":            {func(a *edge.Args) { a.HTTPSPort = 8081 }, "health port 8081 is the HTTPS port already; give each its own\nport \"health\": number 8081 is \"https\"'s already; give each its own"},
		"keys":            {func(a *edge.Args) { *a = acme(); a.ACME.Storage.SecretKey = nil }, "ACME: the storage's access key or secret key is missing; give both"},
		"bucket":          {func(a *edge.Args) { *a = acme(); a.ACME.Storage.Bucket = "" }, "ACME: the storage's bucket is missing; give a bucket that all nodes share"},
		"customer":        {func(a *edge.Args) { *a = acme(); a.ACME.Customers.Domains = []string{"*.customer.example"} }, `customers' domains: line 1: "*.customer.example" is not a DNS name in lower case; give one such as pictures.customer.example`},
		"callers":         {func(a *edge.Args) { *a = acme(); a.ACME.Customers.Callers = nil }, "customers: callers: none given; give the nodes' network, from which the edge asks"},
		"several":         {func(a *edge.Args) { a.Sites, a.NodeSelector = nil, nil }, "node selector: is empty, which takes every node; give the edge nodes' label\nsites: none given; give at least one"},
	} {
		args := internal()
		test.mutate(&args)
		if err := args.Validate(); err == nil || err.Error() != test.want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, test.want)
		}
		e := workloadtest.Kubernetes(hosttest.New())
		err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error { _, err := edge.New(ctx, "edge", args); return err })
		if err == nil || !strings.Contains(err.Error(), "edge edge: "+test.want) {
			t.Errorf("%s: New says %v", name, err)
		}
	}
	args := internal()
	if err := args.Validate(); err != nil {
		t.Error(err)
	}
}
