package change

import (
	"fmt"
	"strings"
	"testing"

	"havre/components/naming"
	"havre/stacks"
)

// command is one update of a node's command whose text names a version.
func command(name, text, before, after string) string {
	state := func(version string) string {
		return fmt.Sprintf(`{"custom":true,"inputs":{"create":"%s %s"},"outputs":{}}`, text, version)
	}
	return fmt.Sprintf(`{"op":"update","urn":"urn:pulumi:prod::havre::havre:cluster:Cluster$havre:cluster:Node$command:remote:Command::%s","type":"command:remote:Command","old":%s,"new":%s,"detailedDiff":{"create":{"diffKind":"update"}}}`,
		name, state(before), state(after))
}

func TestAnotherVersionOfKubernetes(t *testing.T) {
	production := stacks.Production()
	plan, err := production.Plan()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		before, after string
		want          []string
		drained       bool
	}{
		"a patch": {"v1.36.3", "v1.36.4", []string{
			"- **gra-control-1 and rbx-control-1** get Kubernetes v1.36.3 → v1.36.4 one after the other, after a backup of etcd\n",
			"  - get Kubernetes v1.36.3 → v1.36.4\n  - change their kubelets when every API server has it, 1 at a time; their pods run on\n",
		}, false},
		"a minor": {"v1.35.4", "v1.36.3", []string{
			"  - are left by readers and drained for it, 1 at a time, when every API server has it\n", "| **Drained** | gra-worker-1<br>gra-worker-2 |\n",
		}, true},
		"a minor back":     {"v1.36.3", "v1.35.4", []string{"> Kubernetes v1.36.3 → v1.35.4 takes a minor version back: every host refuses it.\n"}, true},
		"a minor left out": {"v1.34.2", "v1.36.3", []string{"> Kubernetes v1.34.2 → v1.36.3 leaves a minor version out: every control-plane node refuses it; take them one by one.\n"}, true},
	} {
		var steps []string
		for _, node := range []string{"gra-control-1", "rbx-control-1", "gra-worker-1", "gra-worker-2"} {
			steps = append(steps, step("same", naming.OVHServer, node, `1`, `1`), command(node+"-kubernetes", "kubernetes_prepare", c.before, c.after))
			if strings.Contains(node, "worker") {
				steps = append(steps, command(node+"-member", "upgrade_admit", c.before, c.after))
			}
		}
		r, err := Of(events(t, steps...), Options{Plan: &plan})
		if err != nil {
			t.Fatal(err)
		}
		text := r.Markdown()
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the report lacks %q:\n%s", name, want, text)
			}
		}
		if (len(r.Drained) > 0) != c.drained {
			t.Errorf("%s: drained are %v", name, r.Drained)
		}
	}
}
