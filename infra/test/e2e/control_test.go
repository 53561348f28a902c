//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// founder is a control-plane node to look at; any would do.
const founder = "rbx-control-1"

// guarded looks at the control plane as an auditor does, from outside and from below.
func (w *walk) guarded(t *testing.T, ctx context.Context) {
	p := plan(t)
	for _, node := range p.ControlPlane {
		out, err := w.on(ctx, founder, fmt.Sprintf(`for path in / /api /version /metrics /livez/etcd /healthz /livez /readyz; do
  printf '%%s %%s\n' "$path" "$(curl -sk --max-time 10 -o /dev/null -w '%%{http_code}' "https://%s:%d$path")"
done`, node.Mesh, p.Stack.Cluster.APIPort))
		if err != nil {
			t.Fatal(err)
		}
		if want := "/ 401\n/api 401\n/version 401\n/metrics 401\n/livez/etcd 401\n/healthz 200\n/livez 200\n/readyz 200"; strings.TrimSpace(out) != want {
			t.Errorf("%s answers who shows nothing:\n%s\nwant:\n%s", node.Name, out, want)
		}
	}

	// A Secret is not in clear where it lies, whoever wrote it.
	if out, err := w.kubectl(ctx, "-n", "default", "create", "secret", "generic", "walked", "--from-literal=word=cleartextword"); err != nil {
		t.Fatal(out, err)
	}
	out, err := w.on(ctx, founder, etcdctl+`get /registry/secrets/ --prefix --print-value-only | grep -ac '^k8s:enc:secretbox:v1:k1:'; `+etcdctl+
		`get /registry/secrets/ --prefix --keys-only | grep -c .; `+etcdctl+`get /registry/secrets/default/walked --print-value-only | grep -ac cleartextword || true`)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Fields(out); len(lines) != 3 || lines[0] != lines[1] || lines[0] == "0" || lines[2] != "0" {
		t.Errorf("encrypted Secrets, all Secrets, words in clear: %v; want two equal figures and 0", lines)
	}
	if out, err := w.kubectl(ctx, "-n", "default", "get", "secret", "walked", "-o", "jsonpath={.data.word}"); err != nil || strings.TrimSpace(out) != "Y2xlYXJ0ZXh0d29yZA==" {
		t.Errorf("the Secret reads %q: %v", out, err)
	}

	// Who wrote it stands in a log, and what stood in it does not.
	var lines string
	for _, node := range p.ControlPlane {
		out, err := w.on(ctx, node.Name, `grep -h '"resource":"secrets"' /var/log/kubernetes/audit/*.log | grep '"name":"walked"' || true; grep -c cleartextword /var/log/kubernetes/audit/*.log || true`)
		if err != nil {
			t.Fatal(err)
		}
		text, count, _ := cutLast(strings.TrimSpace(out), "\n")
		if count == "" {
			text, count = "", text
		}
		if count != "0" {
			t.Errorf("%s: the audit log has the word of a Secret %s times", node.Name, count)
		}
		lines += text
	}
	for _, want := range []string{`"level":"Metadata"`, `"verb":"create"`, `"verb":"get"`, `"username":"`} {
		if !strings.Contains(lines, want) {
			t.Errorf("the audit logs have no %s of the Secret: %s", want, lines)
		}
	}

	// A namespace that says nothing takes no pod that could become root on its host.
	out, err = w.kubectl(ctx, "-n", "default", "run", "rooted", "--image=example.invalid/none", "--privileged")
	if err == nil || !strings.Contains(out, `violates PodSecurity "restricted:latest"`) {
		t.Errorf("a privileged pod in a namespace without labels: %v %s", err, out)
	}
	if out, err := w.on(ctx, founder, "kubeadm certs check-expiration --kubeconfig /etc/kubernetes/admin.conf; systemctl is-active havre-etcd.timer"); err != nil || !strings.Contains(out, "apiserver-kubelet-client") {
		t.Errorf("certificates: %v: %s", err, out)
	}
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}

// etcdctl is the beginning of a command on a control-plane node.
const etcdctl = `etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key `

// broughtBack takes a backup, changes what is in the cluster, and takes it back.
func (w *walk) broughtBack(t *testing.T, ctx context.Context) {
	must := func(args ...string) string {
		t.Helper()
		out, err := w.kubectl(ctx, args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	must("-n", "default", "create", "configmap", "kept", "--from-literal=word=before")
	for _, node := range plan(t).ControlPlane {
		if _, err := w.on(ctx, node.Name, "rm -f /var/lib/havre/cluster/*-backup; systemctl start havre-etcd.service"); err != nil {
			t.Fatal(err)
		}
	}
	list, err := w.havreQuiet(ctx, "restore", "local", "--list")
	if err != nil || !slices.Contains(strings.Fields(list), "etcd") {
		t.Fatalf("the backups there are: %v: %s", err, list)
	}
	must("-n", "default", "delete", "configmap", "kept")
	must("-n", "default", "create", "configmap", "forgotten", "--from-literal=word=after")
	start := time.Now()
	if _, err := w.havre(ctx, "restore", "local", "--yes"); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(w.log, "the cluster is back from its backup after %.0f s\n", time.Since(start).Seconds())
	if out := must("-n", "default", "get", "configmap", "kept", "-o", "jsonpath={.data.word}"); strings.TrimSpace(out) != "before" {
		t.Errorf("the object of the backup is %q", out)
	}
	if out := must("-n", "default", "get", "configmap", "forgotten", "--ignore-not-found"); strings.TrimSpace(out) != "" {
		t.Errorf("what was written after the backup is there: %s", out)
	}
	// What the nodes say of their etcd is of the backup's time too, until the next round.
	for _, node := range plan(t).ControlPlane {
		if _, err := w.on(ctx, node.Name, "systemctl start havre-etcd.service"); err != nil {
			t.Fatal(err)
		}
	}
	if out := must("get", "nodes", "-o", `jsonpath={.items[*].status.conditions[?(@.type=="EtcdTrouble")].status}`); strings.Contains(out, "True") || !strings.Contains(out, "False") {
		t.Errorf("the control-plane nodes say of their etcd: %s", out)
	}
	for end := time.Now().Add(3 * time.Minute); len(w.readyNodes(t, ctx)) < len(plan(t).Members)-1; time.Sleep(2 * time.Second) {
		if time.Now().After(end) {
			t.Fatalf("ready nodes after the restore: %v", w.readyNodes(t, ctx))
		}
	}
	if err := w.edge(t, ctx).Prove(ctx, reader); err != nil {
		t.Error(err)
	}
}
