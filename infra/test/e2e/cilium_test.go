//go:build e2e && cilium

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"havre/infra/sandbox/daemon"
	"havre/infra/sandbox/host"
)

// TestCilium brings stack local up with production's pod network, and holds it to what a plain bridge cannot show: policies that are enforced.
func TestCilium(t *testing.T) {
	w := newWalk(t)
	n := &probes{walk: w, pods: map[string]probe{}}
	w.part("begin with nothing", w.begin)
	w.part("up with Cilium serves a picture", n.up)
	w.part("nothing changes a second time", w.unchanged)
	w.part("every node is ready on its mesh address", w.ready)
	w.part("Cilium in kube-proxy's place", n.agents)
	w.part("every node has its own resolver", w.resolved)
	w.part("two pods a worker, in no namespace of ours", n.make)
	w.part("packets of the full size pass between pods", n.fullSize)
	w.part("a Service leads to a pod on another node", n.service)
	w.part("a policy denies what it does not allow", n.policies)
	w.part("nobody reaches the renderer who is not named", n.renderer)
	w.part("down leaves the machine as it was", w.down)
}

// probe is a pod that does nothing; commands run in its network.
type probe struct{ node, address string }

type probes struct {
	*walk
	pods map[string]probe
}

// probeNamespace is no namespace of the platform, so it has no policy of its own.
const probeNamespace = "probe"

func (n *probes) up(t *testing.T, ctx context.Context) {
	if _, err := n.havre(ctx, "up", "--cilium"); err != nil {
		t.Fatal(err)
	}
	if err := n.edge(t, ctx).Prove(ctx, reader); err != nil {
		t.Error(err)
	}
}

func (n *probes) agents(t *testing.T, ctx context.Context) {
	out, err := n.kubectl(ctx, "-n", "kube-system", "get", "pods", "-o", `jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}`)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, "kube-proxy") || strings.Count(out, "cilium-operator-") != 2 {
		t.Errorf("wanted two operators and no kube-proxy:\n%s", out)
	}
	out, err = n.kubectl(ctx, "-n", "kube-system", "get", "daemonset", "cilium", "-o", "jsonpath={.status.numberReady}/{.status.desiredNumberScheduled}")
	if want := fmt.Sprintf("%[1]d/%[1]d", len(plan(t).ControlPlane)+len(plan(t).Workers)); err != nil || out != want {
		t.Errorf("agents ready: %s, want %s; %v", out, want, err)
	}
}

// make makes two pods on each of the first two workers: a1 and a2, b1 and b2.
func (n *probes) make(t *testing.T, ctx context.Context) {
	var settings daemon.Settings
	if _, err := host.ReadJSON(n.ws.Settings(), &settings); err != nil {
		t.Fatal(err)
	}
	type object map[string]any
	items := []object{{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": probeNamespace, "labels": object{"pod-security.kubernetes.io/enforce": "baseline"}}}}
	for letter, worker := range map[string]int{"a": 0, "b": 1} {
		for _, number := range []string{"1", "2"} {
			name := letter + number
			items = append(items, object{
				"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": name, "namespace": probeNamespace, "labels": object{"app": name}},
				"spec": object{
					"nodeName": plan(t).Workers[worker].Name, "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
					"containers": []object{{"name": "pause", "image": settings.Images["pause"]}},
				},
			})
		}
	}
	items = append(items, object{
		"apiVersion": "v1", "kind": "Service", "metadata": object{"name": "b1", "namespace": probeNamespace},
		"spec": object{"selector": object{"app": "b1"}, "ports": []object{{"port": 80, "targetPort": 8080}}},
	})
	n.apply(t, ctx, object{"apiVersion": "v1", "kind": "List", "items": items})
	if _, err := n.kubectl(ctx, "-n", probeNamespace, "wait", "--for=condition=Ready", "--timeout=120s", "pod", "--all"); err != nil {
		t.Fatal(err)
	}
	out, err := n.kubectl(ctx, "-n", probeNamespace, "get", "pods", "-o", `jsonpath={range .items[*]}{.metadata.name}{" "}{.spec.nodeName}{" "}{.status.podIP}{"\n"}{end}`)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) == 3 {
			n.pods[fields[0]] = probe{fields[1], fields[2]}
		}
	}
	if len(n.pods) != 4 {
		t.Fatalf("pods: %v", n.pods)
	}
}

func (n *probes) apply(t *testing.T, ctx context.Context, object any) {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(ctx, n.ws.Bin("kubectl"), "apply", "-f", "-")
	command.Env, command.Stdin = n.ws.Environ(n.ws.LocalEnv()), strings.NewReader(string(text))
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v: %s", err, out)
	}
}

// within is the beginning of a command that runs in the network of a pod.
func (n *probes) within(pod string) string {
	return fmt.Sprintf(`pid=; for p in $(pgrep -f '^/pause'); do if nsenter -t "$p" -n ip -o -4 address | grep -qF ' %s/'; then pid=$p; break; fi; done; nsenter -t "$pid" -n `, n.pods[pod].address)
}

// in runs a command in the network of a pod.
func (n *probes) in(ctx context.Context, pod, script string) (string, error) {
	return n.on(ctx, n.pods[pod].node, n.within(pod)+script)
}

func (n *probes) fullSize(t *testing.T, ctx context.Context) {
	for _, pair := range [][2]string{{"a1", "b1"}, {"b1", "a1"}, {"a1", "a2"}} {
		n.fits(t, ctx, n.pods[pair[0]].node, n.within(pair[0]), n.pods[pair[1]].address, plan(t).Stack.Pods.MTU)
	}
	n.hostSizes(t, ctx, map[string]string{n.pods["a1"].node: n.pods["a1"].address, n.pods["b1"].node: n.pods["b1"].address})
}

// listen answers with the caller's address on port 8080 of b1.
func (n *probes) listen(t *testing.T, ctx context.Context) {
	t.Helper()
	if _, err := n.in(ctx, "b1", `bash -c 'setsid socat TCP-LISTEN:8080,fork,reuseaddr SYSTEM:"echo from \$SOCAT_PEERADDR" </dev/null >/dev/null 2>&1 &'`); err != nil {
		t.Fatal(err)
	}
}

// asks gives what a pod hears from an address and port, "" for nothing within two seconds.
func (n *probes) asks(ctx context.Context, pod, address string) string {
	out, err := n.in(ctx, pod, fmt.Sprintf("timeout 4 socat -T2 - TCP:%s,connect-timeout=2 </dev/null", address))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// until asks until the answer is what is wanted: agents learn of pods and policies a moment after the API server.
func (n *probes) until(t *testing.T, ctx context.Context, pod, address, want string) {
	t.Helper()
	var got string
	for range 30 {
		if got = n.asks(ctx, pod, address); got == want {
			return
		}
		time.Sleep(time.Second)
	}
	t.Errorf("%s asks %s and hears %q, want %q", pod, address, got, want)
}

func (n *probes) service(t *testing.T, ctx context.Context) {
	n.listen(t, ctx)
	address, err := n.kubectl(ctx, "-n", probeNamespace, "get", "service", "b1", "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"a1", "b2"} {
		// The source is the pod's own, across nodes too.
		n.until(t, ctx, from, address+":80", "from "+n.pods[from].address)
		n.until(t, ctx, from, n.pods["b1"].address+":8080", "from "+n.pods[from].address)
	}
}

func (n *probes) policies(t *testing.T, ctx context.Context) {
	type object map[string]any
	policy := func(name string, spec object) object {
		return object{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": object{"name": name, "namespace": probeNamespace}, "spec": spec}
	}
	to := n.pods["b1"].address + ":8080"
	n.apply(t, ctx, policy("deny", object{"podSelector": object{}, "policyTypes": []string{"Ingress"}}))
	for _, from := range []string{"a1", "a2", "b2"} {
		n.until(t, ctx, from, to, "")
	}
	n.apply(t, ctx, policy("allow", object{
		"podSelector": object{"matchLabels": object{"app": "b1"}}, "policyTypes": []string{"Ingress"},
		"ingress": []object{{"from": []object{{"podSelector": object{"matchLabels": object{"app": "a1"}}}}, "ports": []object{{"port": 8080, "protocol": "TCP"}}}},
	}))
	n.until(t, ctx, "a1", to, "from "+n.pods["a1"].address)
	for _, from := range []string{"a2", "b2"} {
		n.until(t, ctx, from, to, "")
	}
	if out, err := n.kubectl(ctx, "-n", probeNamespace, "delete", "networkpolicy", "deny", "allow"); err != nil {
		t.Fatal(out)
	}
	n.until(t, ctx, "b2", to, "from "+n.pods["b2"].address)
}

// renderer: the edge fetches pictures (up has proven it), and a pod that no policy names does not reach the same port.
func (n *probes) renderer(t *testing.T, ctx context.Context) {
	for node, address := range n.walk.pods(t, ctx) {
		to := fmt.Sprintf("%s:%d", address, plan(t).Stack.Render.Port)
		if out, err := n.in(ctx, "a1", "timeout 4 socat -T2 - TCP:"+to+",connect-timeout=2 </dev/null"); err == nil {
			t.Errorf("a1 reaches the renderer on %s at %s: %s", node, to, out)
		}
	}
}
