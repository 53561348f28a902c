package cilium_test

import (
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/addons/cilium"
	"havre/components/host/hosttest"
	"havre/components/host/script/scripttest"
)

var update = flag.Bool("update", false, "write the golden files")

func args() cilium.Args {
	return cilium.Args{
		AgentImage:    "images.example/cilium@sha256:" + strings.Repeat("a", 64),
		OperatorImage: "images.example/operator-generic@sha256:" + strings.Repeat("b", 64),
		Pods:          netip.MustParsePrefix("10.81.0.0/16"),
		Mesh:          netip.MustParsePrefix("10.80.0.0/16"), MeshInterface: "wg0", MeshMTU: 1420,
		Devices: []string{"en+", "eth+"}, MTU: 1410, APIServer: netip.MustParseAddrPort("127.0.0.1:7443"),
	}
}

func run(mode hosttest.Mode, args cilium.Args) (*hosttest.Engine, error) {
	e := hosttest.New()
	for token, inputs := range map[string][]string{
		"core/v1:ServiceAccount": {"metadata"}, "core/v1:ConfigMap": {"data", "metadata"},
		"rbac.authorization.k8s.io/v1:ClusterRole":        {"metadata", "rules"},
		"rbac.authorization.k8s.io/v1:ClusterRoleBinding": {"metadata", "roleRef", "subjects"},
		"policy/v1:PodDisruptionBudget":                   {"metadata", "spec"},
		"apps/v1:DaemonSet":                               {"metadata", "spec"}, "apps/v1:Deployment": {"metadata", "spec"},
	} {
		e.Handle("kubernetes:"+token, hosttest.Handler{Inputs: append(inputs, "apiVersion", "kind"), Required: inputs})
	}
	return e, e.Run(mode, func(ctx *pulumi.Context) error {
		c, err := cilium.New(ctx, "cilium", args)
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

// TestRights: the agents, one on every node that may be lost to an attacker, change nothing but Cilium's own objects; nothing reads Secrets or may do everything.
func TestRights(t *testing.T) {
	e, err := run(hosttest.Unknown, args())
	if err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, r := range e.Registrations() {
		list, _ := r.Inputs.Mappable()["rules"].([]any)
		for _, item := range list {
			rules++
			text, err := json.Marshal(item)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "*") || strings.Contains(string(text), "secrets") {
				t.Errorf("%s: %s", r.Name, text)
			}
			rule := item.(map[string]any)
			for _, verb := range rule["verbs"].([]any) {
				reads := slices.Contains([]any{"get", "list", "watch"}, verb)
				if r.Name == "cilium-agent-role" && !reads && rule["apiGroups"].([]any)[0] != "cilium.io" {
					t.Errorf("the agents may %s %v", verb, rule["resources"])
				}
			}
		}
	}
	if rules == 0 {
		t.Error("there are no rules")
	}
}

// TestConfigurationRollsPods: neither process looks at its configuration again.
func TestConfigurationRollsPods(t *testing.T) {
	annotation := func(a cilium.Args) string {
		e, err := run(hosttest.Unknown, a)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range e.Registrations() {
			if r.Name != "cilium-agent-daemon-set" {
				continue
			}
			text, err := json.Marshal(r.Inputs.Mappable()["spec"])
			if err != nil {
				t.Fatal(err)
			}
			_, after, _ := strings.Cut(string(text), `"havre/config":"`)
			sum, _, _ := strings.Cut(after, `"`)
			return sum
		}
		return ""
	}
	other := args()
	other.MTU = 1400
	one, two := annotation(args()), annotation(other)
	if one == "" || one == two {
		t.Errorf("got %q and %q", one, two)
	}
}

func TestArgs(t *testing.T) {
	for name, m := range map[string]struct {
		change func(*cilium.Args)
		want   string
	}{
		"agent":    {func(a *cilium.Args) { a.AgentImage = "cilium:v1.19.4" }, `cilium cilium: agent image "cilium:v1.19.4" is not pinned by its digest; write name@sha256:…`},
		"operator": {func(a *cilium.Args) { a.OperatorImage = "" }, `cilium cilium: operator image "" is not pinned by its digest; write name@sha256:…`},
		"pods":     {func(a *cilium.Args) { a.Pods = netip.Prefix{} }, `cilium cilium: the pods' range invalid Prefix is no IPv4 range; give the cluster's`},
		"mesh": {func(a *cilium.Args) { a.Mesh = netip.MustParsePrefix("10.80.0.1/16") },
			`cilium cilium: the mesh's range 10.80.0.1/16 is no IPv4 range; give the cluster's`},
		"interface": {func(a *cilium.Args) { a.MeshInterface = "" }, `cilium cilium: mesh interface "" is no name of an interface; give the mesh's, such as wg0`},
		"device":    {func(a *cilium.Args) { a.Devices = []string{"eth*"} }, `cilium cilium: device "eth*" is no name of an interface, nor the beginning of one with a +; write eth0 or eth+`},
		"devices":   {func(a *cilium.Args) { a.Devices = nil }, `cilium cilium: there is no device but the mesh's, so pods could not reach the world; give the public one, such as eth+`},
		"MTU": {func(a *cilium.Args) { a.MTU = 1411 },
			`cilium cilium: MTU 1411 is not from 1280 to 1410, the mesh's 1420 less 10, above which packets vanish; change the pods' MTU`},
		"server": {func(a *cilium.Args) { a.APIServer = netip.AddrPort{} }, `cilium cilium: the API server's address is missing; give the nodes' local proxy`},
		"several": {func(a *cilium.Args) { a.AgentImage, a.MTU = "", 1420 },
			"cilium cilium: agent image \"\" is not pinned by its digest; write name@sha256:…\nMTU 1420 is not from 1280 to 1410, the mesh's 1420 less 10, above which packets vanish; change the pods' MTU"},
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
