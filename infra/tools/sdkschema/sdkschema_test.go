package sdkschema

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-cloudflare/sdk/v5/go/cloudflare"
	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-command/sdk/go/command/remote"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"

	"havre/infra/tools"
	cloudflareplugin "havre/infra/tools/cloudflare-plugin/provider"
	command "havre/infra/tools/command-plugin/provider"
)

const (
	remotePackage = "github.com/pulumi/pulumi-command/sdk/go/command/remote"
	localPackage  = "github.com/pulumi/pulumi-command/sdk/go/command/local"

	cloudflarePackage = "github.com/pulumi/pulumi-cloudflare/sdk/v5/go/cloudflare"
)

func commandSchema(t *testing.T) schema.PackageSpec {
	t.Helper()
	provider, err := command.New()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := p.GetSchema(t.Context(), command.Name, command.Version, provider)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestCommandPluginIsTheOfficialOne(t *testing.T) {
	spec := commandSchema(t)
	for _, r := range []Resource{
		{"command:local:Command", local.CommandArgs{}, local.Command{}, localPackage},
		{"command:remote:Command", remote.CommandArgs{}, remote.Command{}, remotePackage},
		{"command:remote:CopyToRemote", remote.CopyToRemoteArgs{}, remote.CopyToRemote{}, remotePackage},
	} {
		diffs, err := Differences(t.Context(), spec, r)
		if err != nil {
			t.Error(err)
		}
		for _, d := range diffs {
			t.Errorf("%s: %s", r.Token, d)
		}
	}
}

func TestCloudflarePluginIsTheOfficialOne(t *testing.T) {
	provider, err := cloudflareplugin.New()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := p.GetSchema(t.Context(), cloudflareplugin.Name, cloudflareplugin.Version, provider)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Resource{
		{"cloudflare:index/record:Record", cloudflare.RecordArgs{}, cloudflare.Record{}, cloudflarePackage},
		{"cloudflare:index/loadBalancerMonitor:LoadBalancerMonitor", cloudflare.LoadBalancerMonitorArgs{}, cloudflare.LoadBalancerMonitor{}, cloudflarePackage},
		{"cloudflare:index/loadBalancerPool:LoadBalancerPool", cloudflare.LoadBalancerPoolArgs{}, cloudflare.LoadBalancerPool{}, cloudflarePackage},
		{"cloudflare:index/loadBalancer:LoadBalancer", cloudflare.LoadBalancerArgs{}, cloudflare.LoadBalancer{}, cloudflarePackage},
		{"cloudflare:index/ruleset:Ruleset", cloudflare.RulesetArgs{}, cloudflare.Ruleset{}, cloudflarePackage},
	} {
		diffs, err := Differences(t.Context(), spec, r)
		if err != nil {
			t.Error(err)
		}
		for _, d := range diffs {
			t.Errorf("%s: %s", r.Token, d)
		}
	}
	// The configuration's outputs are a matter between engine and plugin; programs see the inputs.
	spec.Resources["provider"] = *spec.Provider
	diffs, err := Differences(t.Context(), spec, Resource{"provider", cloudflare.ProviderArgs{}, cloudflare.Provider{}, cloudflarePackage})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diffs {
		if !strings.HasPrefix(d, "output ") {
			t.Errorf("provider: %s", d)
		}
	}
}

// TestVersionsAreTheSDKs: the engine chooses a plugin by the version that the SDK asks for.
func TestVersionsAreTheSDKs(t *testing.T) {
	for module, versions := range map[string][]string{
		"github.com/pulumi/pulumi-command/sdk":       {"v" + command.Version, tools.CommandVersion},
		"github.com/pulumi/pulumi-cloudflare/sdk/v5": {"v" + cloudflareplugin.Version, tools.CloudflareVersion},
		"github.com/pulumi/pulumi-kubernetes/sdk/v4": {tools.KubernetesVersion},
		"github.com/pulumi/pulumi/sdk/v3":            {engine(t)},
	} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", module).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range versions {
			if v != strings.TrimSpace(string(out)) {
				t.Errorf("%s is %s in go.mod, the plugin says %s", module, strings.TrimSpace(string(out)), v)
			}
		}
	}
}

func engine(t *testing.T) string {
	t.Helper()
	tool, err := tools.Find("pulumi")
	if err != nil {
		t.Fatal(err)
	}
	return tool.Version
}

// TestDifferencesAreFound breaks a right schema in each way, so that the test above can fail.
func TestDifferencesAreFound(t *testing.T) {
	r := Resource{"command:remote:CopyToRemote", remote.CopyToRemoteArgs{}, remote.CopyToRemote{}, remotePackage}
	for name, row := range map[string]struct {
		mutate func(*schema.ResourceSpec)
		want   []string
	}{
		"missing": {func(s *schema.ResourceSpec) { delete(s.InputProperties, "source") }, []string{"input source: not in the plugin"}},
		"extra": {
			func(s *schema.ResourceSpec) { s.InputProperties["mode"] = schema.PropertySpec{} },
			[]string{"input mode: not in the SDK"},
		},
		"type": {
			func(s *schema.ResourceSpec) {
				s.InputProperties["remotePath"] = schema.PropertySpec{TypeSpec: schema.TypeSpec{Type: "integer"}}
			},
			[]string{"input remotePath: the SDK has string, the plugin integer"},
		},
		"required": {
			func(s *schema.ResourceSpec) { s.RequiredInputs = []string{"connection", "source"} },
			[]string{"input remotePath: the SDK has string, the plugin string?", `required inputs: the SDK has ["connection" "remotePath" "source"], the plugin ["connection" "source"]`},
		},
		"secret": {
			func(s *schema.ResourceSpec) {
				mutate(s, "connection", func(p *schema.PropertySpec) { p.Secret = false })
			},
			[]string{`secret inputs: the SDK has ["connection"], the plugin []`},
		},
		"replacing": {
			func(s *schema.ResourceSpec) {
				mutate(s, "triggers", func(p *schema.PropertySpec) { p.ReplaceOnChanges = false })
			},
			[]string{`inputs that replace: the SDK has ["triggers"], the plugin []`},
		},
		"output": {func(s *schema.ResourceSpec) { delete(s.Properties, "source") }, []string{"output source: not in the plugin"}},
	} {
		spec := commandSchema(t)
		broken := spec.Resources[r.Token]
		row.mutate(&broken)
		spec.Resources[r.Token] = broken
		diffs, err := Differences(t.Context(), spec, r)
		if err != nil || !slices.Equal(diffs, row.want) {
			t.Errorf("%s: got %q, %v, want %q", name, diffs, err, row.want)
		}
	}
}

func mutate(s *schema.ResourceSpec, name string, change func(*schema.PropertySpec)) {
	p := s.InputProperties[name]
	change(&p)
	s.InputProperties[name] = p
}
