//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"havre/infra/sandbox/bringup"
	"havre/stacks"
)

// reader is a name with letters that are easily taken for others, so that a wrong picture cannot pass.
const reader = "Zoë Illinger"

func TestPlatform(t *testing.T) {
	w := newWalk(t)
	w.part("begin with nothing", w.begin)
	w.part("up serves a picture", w.up)
	w.part("nothing changes a second time", w.unchanged)
	w.part("every node is ready on its mesh address", w.ready)
	w.part("packets of the full size pass between pods", w.fullSize)
	w.part("every node has its own resolver", w.resolved)
	w.part("a stranger reaches the described ports and no other", w.shut)
	w.part("the control plane shows and keeps nothing that it should not", w.guarded)
	w.part("hosts are cared for", w.cared)
	w.part("what audits find has a reason", w.audited)
	w.part("the cluster comes back from a backup", w.broughtBack)
	w.part("no secret is written in clear", w.secrets)
	w.part("the state is lost, and nothing else", w.lost)
	w.part("a pull request has its own copy of the services", w.review)
	w.part("a staging clone stands beside it, on a scrubbed copy of its data", w.staging)
	w.part("an operator's laptop is in the mesh, and out of it", w.operator)
	w.part("a worker is added under traffic", w.add)
	w.part("it moves onto the private network, and no packet is lost", w.private)
	w.part("hosts that wait for a reboot get it, one at a time", w.rebooted)
	w.part("a host in the rescue system is left alone", w.rescue)
	w.part("a worker is retired, then given up", w.retire)
	w.part("all keys of the mesh are rotated under traffic", w.keys)
	w.part("destroy ends every service", w.destroy)
	w.part("killed anywhere, the next run goes on", w.kill)
	w.part("down leaves the machine as it was", w.down)
}

func (w *walk) begin(t *testing.T, ctx context.Context) {
	if _, err := w.havre(ctx, "down"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(w.ws.Path("build", "state")); err != nil {
		t.Fatal(err)
	}
}

func (w *walk) up(t *testing.T, ctx context.Context) {
	out, err := w.havre(ctx, "up")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, "https://") || !strings.Contains(last, "/v1/picture.png?") {
		t.Errorf("the last line is %q, want a picture's URL", last)
	}
	edge := w.edge(t, ctx)
	if len(edge.Addresses) != 2 {
		t.Errorf("edge nodes %v, want two", edge.Addresses)
	}
	if err := edge.Prove(ctx, reader); err != nil {
		t.Error(err)
	}
	// The proof itself must be able to fail: another reader's picture is not this one's.
	if err := edge.Fetch(ctx, edge.Addresses[0], edge.Domain, strings.Repeat("x", 300)); err == nil {
		t.Error("a name that no picture can show was proven")
	}
	w.orders(t, ctx, 7) // six hosts and the vRack
}

// edge reads where pictures are served from the stack's outputs.
func (w *walk) edge(t *testing.T, ctx context.Context) bringup.Edge {
	t.Helper()
	return w.edgeOf(t, ctx, "local")
}

func (w *walk) edgeOf(t *testing.T, ctx context.Context, stack string) bringup.Edge {
	t.Helper()
	edge, err := bringup.EdgeOf(ctx, w.pulumi, stack)
	if err != nil {
		t.Fatal(err)
	}
	return edge
}

// bought are the orders of stack local in the simulator's books that were paid and not cancelled.
func (w *walk) bought(t *testing.T, ctx context.Context) []string {
	t.Helper()
	var books struct {
		Orders []struct {
			Description string
			Status      string
			Paid        bool
		}
	}
	w.control(t, ctx, "/orders", &books)
	var paid []string
	for _, order := range books.Orders {
		if order.Paid && order.Status != "cancelled" && strings.HasPrefix(order.Description, "havre:havre/local/") {
			paid = append(paid, order.Description)
		}
	}
	return paid
}

// orders checks how many orders were paid since the books were opened.
func (w *walk) orders(t *testing.T, ctx context.Context, want int) {
	t.Helper()
	if paid := w.bought(t, ctx); len(paid) != want {
		t.Errorf("%d orders were paid, want %d: %v", len(paid), want, paid)
	}
}

func (w *walk) control(t *testing.T, ctx context.Context, path string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:19081"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func (w *walk) unchanged(t *testing.T, ctx context.Context) {
	if err := w.pulumi.Run(ctx, "preview", "--stack", "local", "--expect-no-changes", "--diff"); err != nil {
		t.Fatal(err)
	}
	if err := w.pulumi.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview", "--expect-no-changes"); err != nil {
		t.Fatal(err)
	}
	// Of an object whose pods are not ready when they are looked at, the state keeps that it is to be begun again. A node may still be joining.
	w.wholeCluster(t, ctx)
	if err := w.pulumi.Run(ctx, "refresh", "--stack", "local", "--yes", "--skip-preview", "--expect-no-changes"); err != nil {
		t.Fatal(err)
	}
	if err := w.pulumi.Run(ctx, "preview", "--stack", "local", "--expect-no-changes", "--diff"); err != nil {
		t.Fatal(err)
	}
}

// wholeCluster waits until every node of the description is ready, and every pod that is to run on each.
func (w *walk) wholeCluster(t *testing.T, ctx context.Context) {
	t.Helper()
	kubeconfig := w.kubeconfigOf(t, ctx, "local")
	p := plan(t)
	nodes := len(p.ControlPlane) + len(p.Workers)
	var last string
	for deadline := time.Now().Add(settling); time.Now().Before(deadline); time.Sleep(time.Second) {
		ready, err := w.kubectlAt(ctx, kubeconfig, "get", "nodes", "-o", `jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`)
		if err != nil {
			last = err.Error()
			continue
		}
		sets, err := w.kubectlAt(ctx, kubeconfig, "get", "daemonsets", "-A", "-o",
			`jsonpath={range .items[*]}{.metadata.name}{" "}{.status.desiredNumberScheduled}{" "}{.status.numberReady}{"\n"}{end}`)
		if err != nil {
			last = err.Error()
			continue
		}
		whole := strings.Count(ready, "True") >= nodes
		for line := range strings.Lines(sets) {
			if fields := strings.Fields(line); len(fields) != 3 || fields[1] != fields[2] {
				whole = false
			}
		}
		if whole {
			return
		}
		last = ready + sets
	}
	t.Fatalf("the cluster does not become whole within %s:\n%s", settling, last)
}

// plan is the stack that the checkout describes, as this test was built.
func plan(t *testing.T) stacks.Plan {
	t.Helper()
	local, err := stacks.Local()
	if err != nil {
		t.Fatal(err)
	}
	p, err := local.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// readyNodes gives the internal address of each node that is ready.
func (w *walk) readyNodes(t *testing.T, ctx context.Context) map[string]string {
	t.Helper()
	out, err := w.kubectl(ctx, "get", "nodes", "-o",
		`jsonpath={range .items[*]}{.metadata.name}{" "}{.status.conditions[?(@.type=="Ready")].status}{" "}{.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}`)
	if err != nil {
		t.Fatal(err)
	}
	ready := map[string]string{}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[1] == "True" {
			ready[fields[0]] = fields[2]
		}
	}
	return ready
}

func (w *walk) ready(t *testing.T, ctx context.Context) {
	want := map[string]string{}
	p := plan(t)
	for _, node := range append(slices.Clone(p.ControlPlane), p.Workers...) {
		want[node.Name] = node.Mesh.String()
	}
	if got := w.readyNodes(t, ctx); !maps.Equal(got, want) {
		t.Errorf("ready nodes and addresses %v, want %v", got, want)
	}
	if out, err := w.kubectl(ctx, "top", "nodes"); err != nil {
		t.Errorf("metrics: %v", err)
	} else {
		fmt.Fprint(w.log, out)
	}
}

// pods gives the addresses of the render pods by node.
func (w *walk) pods(t *testing.T, ctx context.Context) map[string]string {
	t.Helper()
	out, err := w.kubectl(ctx, "get", "pods", "-A", "-l", "app.kubernetes.io/name=renderer", "--field-selector", "status.phase=Running", "-o",
		`jsonpath={range .items[*]}{.spec.nodeName}{" "}{.status.podIP}{"\n"}{end}`)
	if err != nil {
		t.Fatal(err)
	}
	pods := map[string]string{}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) == 2 {
			pods[fields[0]] = fields[1]
		}
	}
	return pods
}

// inPod is the beginning of a command that runs in the network of a node's render pod.
const inPod = `pid=$(pgrep -f -o '^/renderer serve'); nsenter -t "$pid" -n `

func (w *walk) fullSize(t *testing.T, ctx context.Context) {
	pods := w.pods(t, ctx)
	if len(pods) < 2 {
		t.Fatalf("render pods on %d nodes, want two: %v", len(pods), pods)
	}
	for from := range pods {
		for to, address := range pods {
			if from != to {
				w.fits(t, ctx, from, inPod, address, plan(t).Stack.Pods.MTU)
			}
		}
	}
	w.hostSizes(t, ctx, pods)
}

// hostSizes: hosts speak to each other with the mesh's MTU, and to pods with theirs.
func (w *walk) hostSizes(t *testing.T, ctx context.Context, pods map[string]string) {
	members := plan(t).Members
	for i, from := range members {
		w.fits(t, ctx, from.Name, "", members[(i+1)%len(members)].Mesh.String(), plan(t).Stack.Mesh.MTU)
		for to, address := range pods {
			if to != from.Name {
				w.fits(t, ctx, from.Name, "", address, plan(t).Stack.Pods.MTU)
			}
		}
	}
}

// fits sends packets that must not be fragmented: those of mtu bytes arrive, and of one byte more the sender is told that they are too long. One that vanishes is what
// nobody finds afterwards.
func (w *walk) fits(t *testing.T, ctx context.Context, node, in, to string, mtu int) {
	t.Helper()
	ping := func(bytes int) (string, error) {
		return w.on(ctx, node, fmt.Sprintf("%sping -M do -c 3 -i 0.2 -W 2 -s %d %s", in, bytes-28, to)) // less the headers of IPv4 and ICMP
	}
	if out, err := ping(mtu); err != nil {
		t.Errorf("%d bytes from %s (%s) to %s, not to be fragmented, do not pass: %s", mtu, node, in, to, out)
	}
	if out, err := ping(mtu + 1); err == nil || !strings.Contains(out, "too long") {
		t.Errorf("%d bytes from %s (%s) to %s, not to be fragmented: %v, wanted to be told that they are too long: %s", mtu+1, node, in, to, err, out)
	}
}

// lost takes the whole state away. The next run must find the fleet by its marks and adopt all of it: no order, no installation, no changed host, and
// the cluster runs on.
func (w *walk) lost(t *testing.T, ctx context.Context) {
	before := w.identities(t, ctx)
	if err := os.Rename(w.ws.StateFile("local"), w.ws.Path("build", "e2e", "lost.json")); err != nil {
		t.Fatal(err)
	}
	if err := w.pulumi.Select(ctx, "local"); err != nil {
		t.Fatal(err)
	}
	if err := w.pulumi.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	w.orders(t, ctx, 7) // six hosts and the vRack
	if after := w.identities(t, ctx); !maps.Equal(after, before) {
		t.Errorf("hosts, keys, nodes or pods changed while the state was lost:\nbefore %v\nafter  %v", before, after)
	}
	w.unchanged(t, ctx)
}

// identities are what changes when a host is installed again, its mesh key is made anew, its node joins again or a pod is replaced.
func (w *walk) identities(t *testing.T, ctx context.Context) map[string]string {
	t.Helper()
	found := w.each(t, ctx, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub; wg show wg0 public-key; systemctl show -P ActiveEnterTimestamp kubelet containerd wg-quick@wg0")
	out, err := w.kubectl(ctx, "get", "nodes,pods", "-A", "-o", `jsonpath={range .items[*]}{.kind}{" "}{.metadata.name}{" "}{.metadata.uid}{"\n"}{end}`)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		// Jobs of a schedule come and go by themselves.
		if fields := strings.Fields(line); len(fields) == 3 && !strings.HasPrefix(fields[1], "prewarm-") {
			found[fields[0]+" "+fields[1]] = fields[2]
		}
	}
	var services []struct {
		Name     string
		Installs int
	}
	w.control(t, ctx, "/services", &services)
	for _, service := range services {
		found[service.Name] = fmt.Sprint(service.Installs)
	}
	return found
}

// updates gives the logical names that a preview would update, by operation.
func (w *walk) updates(t *testing.T, ctx context.Context) map[string][]string {
	t.Helper()
	out, err := w.pulumi.Output(ctx, "preview", "--stack", "local", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var preview struct {
		Steps []struct{ Op, URN string }
	}
	if err := json.Unmarshal(out, &preview); err != nil {
		t.Fatal(err)
	}
	byOp := map[string][]string{}
	for _, step := range preview.Steps {
		name := step.URN[strings.LastIndex(step.URN, "::")+2:]
		byOp[step.Op] = append(byOp[step.Op], name)
	}
	for _, list := range byOp {
		slices.Sort(list)
	}
	return byOp
}

func (w *walk) destroy(t *testing.T, ctx context.Context) {
	if err := w.pulumi.Run(ctx, "destroy", "--stack", "local", "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	if got := w.liveHosts(t, ctx); got != 0 {
		t.Errorf("%d services are still billed after destroy", got)
	}
}

// kills is how often the run is killed before it may end.
const kills = 4

func (w *walk) kill(t *testing.T, ctx context.Context) {
	before := w.bought(t, ctx)
	for i := range kills {
		// Somewhere in the two minutes of a bring-up; later tries begin from what earlier ones left.
		after := time.Duration(5+rand.IntN(25)) * time.Second
		w.killed(t, ctx, after)
		t.Logf("kill %d after %s", i+1, after)
	}
	if err := w.pulumi.Select(ctx, "local"); err != nil {
		t.Fatal(err)
	}
	if err := w.pulumi.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	// The vRack is not ordered again: OVH keeps it, and the stack takes it back.
	w.orders(t, ctx, len(before)+6)
	if got := w.liveHosts(t, ctx); got != 6 {
		t.Errorf("%d services, want 6", got)
	}
	w.unchanged(t, ctx)
	if err := w.edge(t, ctx).Prove(ctx, reader); err != nil {
		t.Error(err)
	}
}

// killed runs `pulumi up` and kills it, as a machine that loses power would, after a while.
func (w *walk) killed(t *testing.T, ctx context.Context, after time.Duration) {
	t.Helper()
	if err := w.pulumi.Select(ctx, "local"); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(ctx, w.ws.Bin("pulumi"), "up", "--stack", "local", "--yes", "--skip-preview", "--non-interactive", "--color", "never")
	command.Dir, command.Env = w.ws.Root, w.ws.Environ(w.ws.LocalEnv())
	command.Stdout, command.Stderr = w.log, w.log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.WaitDelay = 10 * time.Second
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	if err := command.Process.Kill(); err != nil {
		t.Logf("the run had ended before it could be killed: %v", err)
	}
	_ = command.Wait()
}

func (w *walk) down(t *testing.T, ctx context.Context) {
	if _, err := w.havre(ctx, "down"); err != nil {
		t.Fatal(err)
	}
	out, err := w.havre(ctx, "down")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "nothing to do") {
		t.Errorf("a second down says %q, want that there is nothing to do", out)
	}
	for _, command := range [][]string{{"ip", "-brief", "link"}, {"ip", "netns"}, {"cat", "/proc/mounts"}} {
		out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v: %s", command, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "hv") || strings.Contains(line, w.ws.Path("build")) {
				t.Errorf("left behind: %s", line)
			}
		}
	}
}
