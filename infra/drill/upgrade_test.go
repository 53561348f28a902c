package drill

import (
	"strings"
	"testing"
)

// node is one as the API shows it.
func node(name, version, ready string, closed bool) nodeStatus {
	var n nodeStatus
	n.Metadata.Name, n.Spec.Unschedulable, n.Status.NodeInfo.KubeletVersion = name, closed, version
	n.Status.Conditions = append(n.Status.Conditions, struct{ Type, Status string }{"Ready", ready})
	return n
}

func TestTurns(t *testing.T) {
	const before, now = "v1.35.4", "v1.36.3"
	for name, c := range map[string]struct {
		looks [][]nodeStatus
		want  string
	}{
		"as it should be": {[][]nodeStatus{
			{node("c-1", before, "True", true), node("c-2", before, "True", false), node("w-1", before, "True", false), node("w-2", before, "True", false)},
			{node("c-1", now, "True", false), node("c-2", now, "False", false), node("w-1", before, "True", false), node("w-2", before, "True", false)},
			{node("c-1", now, "True", false), node("c-2", now, "True", false), node("w-1", before, "True", true), node("w-2", before, "True", false)},
		}, ""},
		"two of the control plane": {[][]nodeStatus{{node("c-1", now, "False", false), node("c-2", now, "True", true), node("w-1", before, "True", true)}},
			"control-plane nodes c-1, c-2 were missing together, wanted one at a time"},
		"two workers": {[][]nodeStatus{{node("w-1", before, "True", true), node("w-2", before, "False", true)}}, "workers w-1, w-2 were missing together, wanted 1 at a time"},
		"nobody":      {[][]nodeStatus{{node("c-1", now, "True", true), node("w-1", now, "True", false)}}, "no worker was seen to be drained"},
		"ahead": {[][]nodeStatus{{node("c-1", now, "True", false), node("c-2", before, "True", false), node("w-1", now, "True", true)}},
			"the kubelet of w-1 was of v1.36.3 while c-2 had v1.35.4"},
	} {
		watched := &turns{controlPlane: []string{"c-1", "c-2"}, workers: []string{"w-1", "w-2"}, places: 1}
		for _, nodes := range c.looks {
			watched.look(nodes)
		}
		got := ""
		if err := watched.broken(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What a host says is shown as a step, once, though Pulumi shows it twice.
func TestWhatHostsSayIsToldOnce(t *testing.T) {
	var out strings.Builder
	r := &Run{out: &out}
	say := r.said(map[string]bool{})
	for _, line := range []string{
		" ~  command:remote:Command rbx-control-1-kubernetes updating (12s) havre: rbx-control-1: etcd is backed up",
		" ~  command:remote:Command rbx-control-1-kubernetes updating (13s)",
		"    havre: rbx-control-1: etcd is backed up", "    error: exit status 1",
	} {
		say(line)
	}
	if len(r.steps) != 1 || r.steps[0].Did != "rbx-control-1: etcd is backed up" || !strings.Contains(out.String(), "error: exit status 1") {
		t.Errorf("steps %+v, shown:\n%s", r.steps, out.String())
	}
}
