package metricsserver_test

import (
	"encoding/json"
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/addons/metricsserver"
	"havre/components/host/hosttest"
	"havre/components/host/script/scripttest"
)

var update = flag.Bool("update", false, "write the golden files")

func args() metricsserver.Args {
	return metricsserver.Args{Image: "images.example/metrics-server@sha256:" + strings.Repeat("a", 64)}
}

func run(mode hosttest.Mode, args metricsserver.Args) (*hosttest.Engine, error) {
	e := hosttest.New()
	for token, inputs := range map[string][]string{
		"core/v1:ServiceAccount": {"metadata"}, "core/v1:Service": {"metadata", "spec"},
		"rbac.authorization.k8s.io/v1:ClusterRole":        {"metadata", "rules"},
		"rbac.authorization.k8s.io/v1:ClusterRoleBinding": {"metadata", "roleRef", "subjects"},
		"rbac.authorization.k8s.io/v1:RoleBinding":        {"metadata", "roleRef", "subjects"},
		"policy/v1:PodDisruptionBudget":                   {"metadata", "spec"}, "apps/v1:Deployment": {"metadata", "spec"},
		"apiregistration.k8s.io/v1:APIService": {"metadata", "spec"},
	} {
		e.Handle("kubernetes:"+token, hosttest.Handler{Inputs: append(inputs, "apiVersion", "kind"), Required: inputs})
	}
	return e, e.Run(mode, func(ctx *pulumi.Context) error {
		c, err := metricsserver.New(ctx, "metrics-server", args)
		if err == nil && len(c.Resources()) != 10 {
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
		change func(*metricsserver.Args)
		want   string
	}{
		"image":    {func(a *metricsserver.Args) { a.Image = "metrics-server" }, `metrics server metrics-server: image "metrics-server" is not pinned by its digest; write name@sha256:…`},
		"replicas": {func(a *metricsserver.Args) { a.Replicas = 4 }, `metrics server metrics-server: 4 replicas are outside 1–3; each asks every kubelet, more help nobody`},
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
