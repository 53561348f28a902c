package toolscmd

import (
	"bytes"
	"strings"
	"testing"

	"havre/infra/tools"
)

func TestListShowsEveryTool(t *testing.T) {
	cmd := New()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"list", "--cache", t.TempDir()})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 1+len(tools.Catalogue()) {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	for i, tool := range tools.Catalogue() {
		if fields := strings.Fields(lines[i+1]); fields[0] != tool.Name || !strings.HasSuffix(lines[i+1], "not built") {
			t.Errorf("line %q, want %s, not built", lines[i+1], tool.Name)
		}
	}
}

func TestBuildRefusesAnUnknownTool(t *testing.T) {
	cmd := New()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"build", "helm", "--cache", t.TempDir()})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.HasPrefix(err.Error(), `tool "helm" is not in the catalogue; use one of caddy, cilium-agent, cilium-cni, cilium-dbg, cilium-operator-generic, coredns, etcd,`) {
		t.Errorf("got %v", err)
	}
}
