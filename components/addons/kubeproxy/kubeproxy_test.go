package kubeproxy_test

import (
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/addons/kubeproxy"
	"havre/components/host/hosttest"
	"havre/components/host/script/scripttest"
)

var update = flag.Bool("update", false, "write the golden files")

func args() kubeproxy.Args {
	return kubeproxy.Args{Image: "images.example/kube-proxy@sha256:" + strings.Repeat("a", 64), PodCIDR: netip.MustParsePrefix("10.81.0.0/16")}
}

func run(mode hosttest.Mode, args kubeproxy.Args) (*hosttest.Engine, error) {
	e := hosttest.New()
	for token, inputs := range map[string][]string{
		"core/v1:ServiceAccount": {"metadata"}, "core/v1:ConfigMap": {"data", "metadata"},
		"rbac.authorization.k8s.io/v1:ClusterRoleBinding": {"metadata", "roleRef", "subjects"}, "apps/v1:DaemonSet": {"metadata", "spec"},
	} {
		e.Handle("kubernetes:"+token, hosttest.Handler{Inputs: append(inputs, "apiVersion", "kind"), Required: inputs})
	}
	return e, e.Run(mode, func(ctx *pulumi.Context) error {
		c, err := kubeproxy.New(ctx, "kube-proxy", args)
		if err == nil && len(c.Resources()) != 4 {
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

func TestArgs(t *testing.T) {
	for name, m := range map[string]struct {
		change func(*kubeproxy.Args)
		want   string
	}{
		"image": {func(a *kubeproxy.Args) { a.Image = "" }, `kube-proxy kube-proxy: image "" is not pinned by its digest; write name@sha256:…`},
		"pods":  {func(a *kubeproxy.Args) { a.PodCIDR = netip.Prefix{} }, `kube-proxy kube-proxy: the pods' range is missing; give the cluster's`},
		"server": {func(a *kubeproxy.Args) { a.APIServer = "127.0.0.1:7443" },
			`kube-proxy kube-proxy: API server "127.0.0.1:7443" is no https URL; leave it empty for https://127.0.0.1:7443`},
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
