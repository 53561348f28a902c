package kubeadm_test

import (
	"strings"
	"testing"
)

// absent is a control-plane node that answers for the cluster: kubectl says what the cases of its body say, and the writes are kept.
func absent(t *testing.T, body string) *fakeHost {
	h := newHost(t, controlPlane())
	h.write("etc/kubernetes/admin.conf", "x")
	h.write("etc/kubernetes/pki/etcd/healthcheck-client.key", "x")
	h.stub("kubectl", `case "$*" in
`+body+`
*"create -f -"*) cat >created ;;
esac`)
	return h
}

// writes are the calls of kubectl that change something, in order, without what all have.
func (h *fakeHost) writes() string {
	var writes []string
	for call := range strings.Lines(h.read("calls")) {
		call = strings.TrimSpace(call)
		if !strings.HasPrefix(call, "kubectl ") || strings.Contains(call, " get ") {
			continue
		}
		fields := strings.Fields(call)[1:]
		for len(fields) > 0 && strings.HasPrefix(fields[0], "--") {
			fields = fields[1:]
		}
		writes = append(writes, strings.Join(fields, " "))
	}
	return strings.Join(writes, "\n")
}

func TestAnAbsenceAndItsEnd(t *testing.T) {
	const drain = "drain gra-worker-2 --ignore-daemonsets --delete-emptydir-data --force --skip-wait-for-delete-timeout=60 --timeout=60s"
	const edge, cordoned = `*"nodes -l node-role.kubernetes.io/edge --field-selector metadata.name=gra-worker-2"*) echo node/gra-worker-2 ;;`, `*"jsonpath={.spec.unschedulable}"*) echo true ;;`
	for name, c := range map[string]struct{ cluster, step, want string }{
		"an edge node goes": {edge, "absence_begin gra-worker-2 60", "annotate node gra-worker-2 havre/away=edge\nlabel node gra-worker-2 node-role.kubernetes.io/edge-\n" + drain},
		"one without":       {"", "absence_begin gra-worker-2 60", "annotate node gra-worker-2 havre/away=pods\nlabel node gra-worker-2 node-role.kubernetes.io/edge-\n" + drain},
		"one that a person has cordoned": {edge + "\n" + cordoned, "absence_begin gra-worker-2 60",
			"annotate node gra-worker-2 havre/away=edge,cordoned\nlabel node gra-worker-2 node-role.kubernetes.io/edge-\n" + drain},
		// What it had is known from the run that was ended; asking now would say that it had no edge.
		"again": {`*"with .metadata.annotations"*"get"*|*"get node gra-worker-2 -o go-template"*) echo edge ;;`, "absence_begin gra-worker-2 60",
			"label node gra-worker-2 node-role.kubernetes.io/edge-\n" + drain},
		"it is back": {`*"get node gra-worker-2 -o go-template"*) echo edge ;;
*"get pods"*) echo "caddy-x True" ;;`, "absence_end gra-worker-2",
			"wait --for=condition=Ready --timeout=300s node/gra-worker-2\nuncordon gra-worker-2\nlabel node gra-worker-2 node-role.kubernetes.io/edge= --overwrite\nannotate node gra-worker-2 havre/away-"},
		"back, and cordoned as before": {`*"get node gra-worker-2 -o go-template"*) echo cordoned ;;`, "absence_end gra-worker-2",
			"wait --for=condition=Ready --timeout=300s node/gra-worker-2\nannotate node gra-worker-2 havre/away-"},
		"back already":     {"", "absence_end gra-worker-2", ""},
		"nobody has begun": {"", "absence_take me no", "create -f -"},
		"I have begun":     {`*"get lease"*) echo me ;;`, "absence_take me no", "-n kube-system delete lease havre-absence --ignore-not-found\ncreate -f -"},
		"taken over":       {`*"get lease"*) echo you ;;`, "absence_take me yes", "-n kube-system delete lease havre-absence --ignore-not-found\ncreate -f -"},
	} {
		t.Run(name, func(t *testing.T) {
			h := absent(t, c.cluster)
			result, _ := h.run(c.step, "")
			if result.Code != 0 {
				t.Fatalf("%s", result.Stderr)
			}
			want(t, "writes", h.writes(), c.want)
		})
	}
}

func TestWhoMustStay(t *testing.T) {
	const nodes = `*"get nodes -o go-template"*) printf 'gra-worker-2 is not Ready\n%s' "` // the one that goes may be ill itself
	for name, c := range map[string]struct{ cluster, step, want string }{
		"another is ill": {nodes + `rbx-worker-1 is not Ready" ;;`, "absence_begin gra-worker-2 60",
			"havre: gra-worker-2: does not go while rbx-worker-1 is not Ready; mend that, and run again\n"},
		"two are": {nodes + `rbx-worker-1 is not Ready
sbg-cp-1 is away" ;;`, "absence_begin gra-worker-2 60", "havre: gra-worker-2: does not go while rbx-worker-1 is not Ready, and sbg-cp-1 is away; mend that, and run again\n"},
		"another has begun": {`*"get lease"*) echo "you on a laptop (7)" ;;`, "absence_take me no",
			"havre: you on a laptop (7) takes nodes away already, and one at a time is enough; where that has ended without a word, say --take-over\n"},
		"its readers stay": {`*"get pods"*) echo "caddy-x True" ;;`, "absence_begin gra-worker-2 60",
			"havre: gra-worker-2: its edge pod has not ended after 180 s; see 'kubectl describe node gra-worker-2', and run again\n"},
		"its readers do not come": {`*"get node gra-worker-2 -o go-template"*) echo edge ;;
*"get pods"*) echo "caddy-x False" ;;`, "absence_end gra-worker-2",
			"havre: gra-worker-2: its edge pod does not serve after 180 s; see 'kubectl get pods -A --field-selector spec.nodeName=gra-worker-2', and run again\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h := absent(t, c.cluster)
			result, _ := h.run(c.step, "")
			if result.Code == 0 {
				t.Fatalf("went through; writes:\n%s", h.writes())
			}
			want(t, "message", result.Stderr, c.want)
			if strings.Contains(h.writes(), "drain") {
				t.Errorf("drained: %s", h.writes())
			}
		})
	}
	// A member of etcd that is ill keeps the others where they are.
	h := absent(t, "")
	h.stub("etcdctl", `[[ "$*" != *"`+otherMember(t)+`"* ]]`)
	result, _ := h.run("absence_begin gra-worker-2 60", "")
	if result.Code == 0 || !strings.Contains(result.Stderr, "havre: gra-worker-2: does not go while the member of etcd on ") {
		t.Errorf("%+v", result)
	}
}

// otherMember is the mesh address of a control-plane node.
func otherMember(t *testing.T) string {
	t.Helper()
	for line := range strings.Lines(production().NodeEnvironment(controlPlane())) {
		if list, found := strings.CutPrefix(strings.TrimSpace(line), "CONTROL_PLANE_NODES="); found {
			_, address, _ := strings.Cut(strings.Fields(strings.Trim(list, `'"`))[1], "=")
			return address
		}
	}
	t.Fatal("no control-plane nodes")
	return ""
}
