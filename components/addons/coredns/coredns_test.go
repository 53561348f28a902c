package coredns_test

import (
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/addons/coredns"
	"havre/components/host/hosttest"
	"havre/components/host/script/scripttest"
)

var update = flag.Bool("update", false, "write the golden files")

func args() coredns.Args {
	return coredns.Args{
		Image:     "images.example/coredns@sha256:" + strings.Repeat("a", 64),
		ClusterIP: netip.MustParseAddr("10.82.0.10"),
		Upstreams: []netip.Addr{netip.MustParseAddr("192.0.2.53")},
	}
}

func run(mode hosttest.Mode, args coredns.Args) (*hosttest.Engine, error) {
	e := hosttest.New()
	for token, inputs := range map[string][]string{
		"core/v1:ServiceAccount": {"metadata"}, "core/v1:ConfigMap": {"data", "metadata"}, "core/v1:Service": {"metadata", "spec"},
		"rbac.authorization.k8s.io/v1:ClusterRole":        {"metadata", "rules"},
		"rbac.authorization.k8s.io/v1:ClusterRoleBinding": {"metadata", "roleRef", "subjects"},
		"apps/v1:DaemonSet":                               {"metadata", "spec"},
	} {
		e.Handle("kubernetes:"+token, hosttest.Handler{Inputs: append(inputs, "apiVersion", "kind"), Required: inputs})
	}
	return e, e.Run(mode, func(ctx *pulumi.Context) error {
		c, err := coredns.New(ctx, "coredns", args)
		if err == nil && len(c.Resources()) != 6 {
			return errors.New("not all resources are exposed")
		}
		return err
	})
}

func TestObjects(t *testing.T) {
	for _, mode := range hosttest.Both {
		t.Run(mode.String(), func(t *testing.T) {
			e, err := run(mode, args())
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			for _, r := range e.Registrations() {
				if !r.Custom {
					continue
				}
				object, err := json.MarshalIndent(r.Inputs.Mappable(), "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				text.WriteString(r.Name + " " + strings.Join(r.DependsOn, " ") + "\n" + string(object) + "\n")
			}
			scripttest.Golden(t, "testdata/objects", text.String(), *update)
		})
	}
}

func TestCorefile(t *testing.T) {
	scripttest.Golden(t, "testdata/Corefile", coredns.Corefile("cluster.local", args().Upstreams), *update)
	if closed := coredns.Corefile("cluster.local", nil); strings.Contains(closed, "forward") || strings.Contains(closed, "loop") {
		t.Errorf("without upstreams nothing may be forwarded:\n%s", closed)
	}
}

func TestArgs(t *testing.T) {
	for name, m := range map[string]struct {
		change func(*coredns.Args)
		want   string
	}{
		"image":   {func(a *coredns.Args) { a.Image = "coredns:1.15.0" }, `cluster DNS coredns: image "coredns:1.15.0" is not pinned by its digest; write name@sha256:…`},
		"address": {func(a *coredns.Args) { a.ClusterIP = netip.Addr{} }, `cluster DNS coredns: the cluster IP is missing; give the tenth address of the services' range`},
		"circle": {func(a *coredns.Args) { a.Upstreams = []netip.Addr{a.ClusterIP} },
			`cluster DNS coredns: upstream 10.82.0.10 would be asked in a circle or not at all; name a resolver outside the cluster`},
		"several": {func(a *coredns.Args) { a.Image, a.ClusterIP = "", netip.Addr{} },
			"cluster DNS coredns: image \"\" is not pinned by its digest; write name@sha256:…\nthe cluster IP is missing; give the tenth address of the services' range"},
	} {
		t.Run(name, func(t *testing.T) {
			a := args()
			m.change(&a)
			_, err := run(hosttest.Unknown, a)
			if err == nil {
				t.Fatal("went through")
			}
			if got := err.Error(); !strings.Contains(got, m.want) {
				t.Errorf("\n got %s\nwant %s", got, m.want)
			}
		})
	}
}
