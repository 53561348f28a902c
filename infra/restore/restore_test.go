package restore_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"havre/components/cluster/kubeadm"
	"havre/infra/restore"
)

const newest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// world is three hosts that write down what they are asked.
type world struct {
	mu    sync.Mutex
	calls []string
	// answers are by the function that is called, or by node and function.
	answers map[string]string
	fails   map[string]bool
}

type fake struct {
	w    *world
	name string
}

func (h fake) Run(_ context.Context, command string) (string, error) {
	call := strings.TrimSpace(command[strings.LastIndex(command, ".sh ")+4:])
	function, _, _ := strings.Cut(call, " ")
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.w.calls = append(h.w.calls, h.name+" "+call)
	if h.w.fails[h.name+" "+function] {
		return "", errors.New("no")
	}
	if answer, found := h.w.answers[h.name+" "+function]; found {
		return answer, nil
	}
	return h.w.answers[function], nil
}

func newWorld() (*world, restore.Options) {
	w := &world{fails: map[string]bool{}, answers: map[string]string{
		"etcd_newest_snapshot": newest + "\n", "etcd_fetch": `{"hash":1,"revision":5,"totalKey":12,"totalSize":20480}` + "\n", "etcd_snapshots": "the list",
	}}
	o := restore.Options{Snapshot: "latest", Hosts: map[string]restore.Host{}, Report: func(string) {}}
	for i, name := range []string{"a", "b", "c"} {
		o.Members = append(o.Members, kubeadm.Member{Name: name, Address: netip.AddrFrom4([4]byte{10, 80, 0, byte(i + 1)})})
		o.Hosts[name] = fake{w: w, name: name}
	}
	return w, o
}

// steps are the calls of a step over all nodes, in the nodes' order.
func steps(call string) []string { return []string{"a " + call, "b " + call, "c " + call} }

// sortedSteps is what happened, with the calls of one step in the nodes' order: they run at once.
func sortedSteps(calls []string) []string {
	var sorted []string
	for len(calls) > 0 {
		_, call, _ := strings.Cut(calls[0], " ")
		n := 1
		for n < len(calls) && strings.HasSuffix(calls[n], " "+call) {
			n++
		}
		step := slices.Sorted(slices.Values(calls[:n]))
		sorted, calls = append(sorted, step...), calls[n:]
	}
	return sorted
}

func TestAllNodesTakeEachStepBeforeAnyTakesTheNext(t *testing.T) {
	w, o := newWorld()
	if err := restore.Cluster(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	want := slices.Concat([]string{"a etcd_newest_snapshot"}, steps("etcd_fetch "+newest), steps("etcd_stop"),
		steps("etcd_put a=https://10.80.0.1:2380,b=https://10.80.0.2:2380,c=https://10.80.0.3:2380"), steps("etcd_start"), steps("etcd_started"))
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "etcd_put a=https://10.80.0.1:2380,b=https://10.80.0.2:2380,c=https://10.80.0.3:2380",
			"etcd_put 'a=https://10.80.0.1:2380,b=https://10.80.0.2:2380,c=https://10.80.0.3:2380'")
	}
	if got := sortedSteps(w.calls); !slices.Equal(got, want) {
		t.Errorf("calls\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestAFailureStopsAllBeforeTheNextStep(t *testing.T) {
	for _, step := range []string{"etcd_fetch", "etcd_stop", "etcd_put", "etcd_start", "etcd_started"} {
		w, o := newWorld()
		w.fails["b "+step] = true
		err := restore.Cluster(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), "node b: no; nothing goes on before all have done it") {
			t.Errorf("%s failed on b, and the restore says %v", step, err)
		}
		if last := w.calls[len(w.calls)-1]; !strings.Contains(last, step) {
			t.Errorf("after %s failed on b, %q was run", step, last)
		}
	}
}

func TestTheFirstNodeThatAnswersTellsTheNewest(t *testing.T) {
	w, o := newWorld()
	w.fails["a etcd_newest_snapshot"], w.fails["a etcd_snapshots"] = true, true
	if err := restore.Cluster(t.Context(), o); err != nil {
		t.Error(err)
	}
	if list, err := restore.List(t.Context(), o); err != nil || list != "the list" {
		t.Errorf("list %q, %v", list, err)
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, *restore.Options)
		want   string
	}{
		"no nodes": {func(_ *world, o *restore.Options) { o.Members = nil }, "restore: the stack has no control-plane node"},
		"a node is missing, and no ID": {func(_ *world, o *restore.Options) { delete(o.Hosts, "b"); o.Snapshot = "yesterday" },
			"restore: node b is in the stack, and no installed host has its name; all must be there: run pulumi up first\n" +
				`restore: snapshot "yesterday" is neither latest nor an ID; havre restore STACK --list shows them`},
		"empty bucket": {func(w *world, _ *restore.Options) { w.answers["etcd_newest_snapshot"] = "" }, `restore: the bucket has no backup of etcd, the newest is ""`},
		"other content": {func(w *world, _ *restore.Options) {
			w.answers["c etcd_fetch"] = `{"hash":2,"totalKey":12,"totalSize":20480}`
		}, "restore: node c has another content of the backup than a; nothing was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			w, o := newWorld()
			c.change(w, &o)
			if err := restore.Cluster(t.Context(), o); err == nil || err.Error() != c.want {
				t.Errorf("\n got %v\nwant %s", err, c.want)
			}
			for _, call := range w.calls {
				if strings.Contains(call, "etcd_stop") {
					t.Errorf("refused, and yet: %s", call)
				}
			}
		})
	}
}

func ExampleCluster() {
	_, o := newWorld()
	o.Report = func(line string) { fmt.Println(line) }
	if err := restore.Cluster(context.Background(), o); err != nil {
		fmt.Println(err)
	}
	// Output:
	// each control-plane node fetches backup 01234567 and sees that it is whole
	// the backup has 12 keys in 20480 bytes
	// each control-plane node stops its control plane
	// each control-plane node takes the backup for its data
	// each control-plane node starts its control plane
	// each control-plane node waits for its API server
}
