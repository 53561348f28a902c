package kubeadm_test

import "testing"

// A node that is in the cluster takes no version that its kubelet must not run.
func TestVersionOfAMember(t *testing.T) {
	serving := func(version string) string { return `printf '{\n  "gitVersion": "` + version + `",\n}\n'` }
	const nothing = " Nothing was changed here\n"
	for name, c := range map[string]struct {
		member         bool
		kubelet, serve string
		refused        string
	}{
		"a host that is no member":  {false, "exit 9", "exit 9", ""},
		"the same version":          {true, "echo Kubernetes v1.36.3", "exit 9", ""},
		"another patch":             {true, "echo Kubernetes v1.36.1", "exit 9", ""},
		"the control plane has it":  {true, "echo Kubernetes v1.35.4", serving("v1.36.3"), ""},
		"the control plane is next": {true, "echo Kubernetes v1.35.4", serving("v1.37.0"), ""},
		"an older minor": {true, "echo Kubernetes v1.37.0", "exit 9",
			"runs Kubernetes v1.37.0, and v1.36.3 is wanted: a minor version is never taken back; set Cluster.KubernetesVersion to one of v1.37." + nothing},
		"a minor left out": {true, "echo Kubernetes v1.34.2", "exit 9",
			"runs Kubernetes v1.34.2, and v1.36.3 is wanted: one minor version at a time; set Cluster.KubernetesVersion to one of v1.35 first." + nothing},
		"ahead of an API server": {true, "echo Kubernetes v1.35.4", serving("v1.35.4"),
			"Kubernetes v1.36.3 is wanted, and the API server of rbx-cp-1 runs v1.35.4: no kubelet is newer than an API server; upgrade the control plane first (docs/runbooks/upgrade.md)." + nothing},
		"an API server that does not answer": {true, "echo Kubernetes v1.35.4", "exit 1",
			"the API server of rbx-cp-1 does not say its version, and v1.36.3 waits for all of them; mend it and run again." + nothing},
	} {
		h := newHost(t, worker())
		if c.member {
			h.write("var/lib/havre/cluster/member", "sha256:1")
		}
		h.stub("kubelet", c.kubelet)
		h.stub("kubectl", c.serve)
		result, _ := h.run("kubernetes_version", "")
		said, code := "", 0
		if c.refused != "" {
			said, code = "havre: "+worker().Name+": "+c.refused, 1
		}
		if result.Stderr != said || result.Code != code {
			t.Errorf("%s: exit %d with\n %q\nwant %d with\n %q", name, result.Code, result.Stderr, code, said)
		}
	}
}
