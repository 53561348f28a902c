//go:build e2e

package drift

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"havre/components/ovh/api"
	"havre/infra/bench/fakehost"
	"havre/infra/bench/project"
	"havre/infra/report/reportcmd"
	"havre/infra/sandbox/bringup"
	"havre/infra/sandbox/ovhsim"
	"havre/infra/tools"
	"havre/infra/workspace"
	"havre/stacks"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// look is the nightly workflow's two commands.
func look(t *testing.T, p *project.Project) (report string, err error) {
	t.Helper()
	refresh, err := p.Output(t.Context(), "refresh", "--preview-only", "--non-interactive", "--json")
	if err != nil {
		t.Fatalf("%v\n%s", err, refresh)
	}
	var out bytes.Buffer
	command := reportcmd.New()
	command.SetArgs([]string{"drift", "--fail", "-"})
	command.SetIn(bytes.NewReader(refresh))
	command.SetOut(&out)
	command.SilenceUsage, command.SilenceErrors = true, true
	err = command.ExecuteContext(t.Context())
	return out.String(), err
}

func TestDriftIsNamed(t *testing.T) {
	ctx := t.Context()
	ws, err := workspace.Open(".")
	must(t, err)
	progress := func(line string) { t.Log(line) }
	paths, err := bringup.BuildTools(ctx, ws, bringup.EngineTools, progress)
	must(t, err)
	must(t, bringup.BuildOwn(ctx, ws, paths["pulumi-resource-kubernetes"], progress))
	program := ws.Path("build", "drift", "program")
	must(t, tools.BuildOwn(ctx, ws.Root, "./infra/test/drift/program", program))
	p, err := project.New(ctx, ws, ws.Path("build", "drift", "project"), project.Options{
		Stack: "staging", Program: program, BudgetEuros: 700, Machines: &fakehost.Machines{Port: 22}, FirstAddress: netip.MustParseAddr("127.67.0.11"),
	})
	must(t, err)
	t.Cleanup(p.Close)
	if out, err := p.Output(ctx, "up", "--yes", "--skip-preview"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if report, err := look(t, p); err != nil || !strings.Contains(report, "## staging: no drift") {
		t.Errorf("of a stack that nobody touched: %v\n%s", err, report)
	}

	// Somebody opens the firewall, renames the address, and leads the host's name elsewhere.
	address := p.OVH.Instances()[0].Address.String()
	client, err := api.New(api.Options{
		Endpoint: p.Env["OVH_ENDPOINT"], ApplicationKey: ovhsim.ApplicationKey, ApplicationSecret: ovhsim.ApplicationSecret, ConsumerKey: ovhsim.ConsumerKey,
	})
	must(t, err)
	must(t, client.DeleteFirewallRule(ctx, address, 1))
	must(t, client.SetReverse(ctx, address, "elsewhere.example.net"))
	changeRecord(t, p)
	report, err := look(t, p)
	if err == nil || !strings.Contains(err.Error(), "the stack has drifted; the report says where") {
		t.Errorf("error %v", err)
	}
	for _, want := range []string{"**gra-worker-1-firewall**", "**gra-worker-1-reverse**", "elsewhere.example.net", "**gra-worker-1-name**", "203.0.113.9", "## staging: 3 resources have drifted"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report does not name %s", want)
		}
	}
	t.Log(report)
	if out, err := p.Output(ctx, "destroy", "--yes", "--skip-preview"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// changeRecord leads the host's name elsewhere, as a person at Cloudflare's site would.
func changeRecord(t *testing.T, p *project.Project) {
	t.Helper()
	call := func(method, path, body string, into any) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, "/client/v4/zones/"+stacks.Production().DNS.ZoneID+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+workspace.CloudflareToken)
		r.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		p.Cloudflare.Handler().ServeHTTP(answer, r)
		if answer.Code != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, path, answer.Code, answer.Body)
		}
		if into != nil {
			must(t, json.Unmarshal(answer.Body.Bytes(), into))
		}
	}
	var list struct {
		Result []struct{ ID, Content string }
	}
	call(http.MethodGet, "/dns_records", "", &list)
	if len(list.Result) != 1 {
		t.Fatalf("records %+v, wanted one", list.Result)
	}
	call(http.MethodPatch, "/dns_records/"+list.Result[0].ID, `{"content":"203.0.113.9"}`, nil)
}
