package reboot_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"havre/infra/reboot"
)

// world is a stack of hosts that write down what they are asked.
type world struct {
	calls, said []string
	// due are the packages by host, boots how often each has booted, left who is away already.
	due   map[string]string
	boots map[string]int
	left  string
	// fails are errors by "host function", stuck the hosts that do not come back.
	fails map[string]error
	stuck string
}

type host struct {
	w    *world
	name string
}

func (h host) Run(_ context.Context, command string) (string, error) {
	call := strings.TrimSpace(command[strings.LastIndex(command, ".sh")+3:])
	if i := strings.IndexByte(call, ' '); strings.HasPrefix(call, ":") {
		call = call[i+1:]
	}
	switch {
	case strings.Contains(command, "reboot-required"):
		return h.w.due[h.name], h.w.fails[h.name+" due"]
	case strings.Contains(command, "boot_id"):
		return fmt.Sprint(h.w.boots[h.name]), h.w.fails[h.name+" boot"]
	case strings.Contains(command, "systemctl reboot"):
		call = "reboot"
		if h.name != h.w.stuck {
			h.w.boots[h.name]++
		}
	}
	function, _, _ := strings.Cut(call, " ")
	h.w.calls = append(h.w.calls, h.name+": "+call)
	if function == "absence_left" {
		return h.w.left, nil
	}
	return "", h.w.fails[h.name+" "+function]
}

func newWorld() (*world, reboot.Options) {
	w := &world{due: map[string]string{"worker": "linux-image-amd64\n", "control-2": "libc6\nopenssl\n"}, boots: map[string]int{}, fails: map[string]error{}}
	o := reboot.Options{
		Who: "me", DrainTimeout: time.Minute, BackTimeout: 20 * time.Millisecond, Poll: time.Millisecond,
		Report: func(line string) { w.said = append(w.said, line) },
	}
	for _, name := range []string{"control-1", "control-2", "store", "worker"} {
		n := reboot.Node{Name: name, Host: host{w, name}, ControlPlane: strings.HasPrefix(name, "control"), Cluster: name != "store"}
		o.Nodes = append(o.Nodes, n)
	}
	o.Nodes = reboot.Order(o.Nodes)
	return w, o
}

func same(t *testing.T, what string, got []string, want string) {
	t.Helper()
	if text := strings.Join(got, "\n"); text != strings.TrimSpace(want) {
		t.Errorf("%s\n got\n%s\nwant\n%s", what, text, strings.TrimSpace(want))
	}
}

func TestOneAfterAnother(t *testing.T) {
	w, o := newWorld()
	done, err := reboot.Hosts(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "done", done, "worker\ncontrol-2")
	same(t, "calls", w.calls, `
control-1: absence_left
control-1: absence_take me no
control-1: absence_begin worker 60
worker: reboot
worker: cluster_revive
control-1: absence_end worker
control-1: absence_begin control-2 60
control-2: reboot
control-2: cluster_revive
control-1: absence_end control-2
control-1: absence_give`)
	same(t, "said", w.said, `
worker: waits for a reboot since an update of linux-image-amd64
store: waits for none
control-1: waits for none
control-2: waits for a reboot since an update of libc6, openssl
worker: its readers and pods go elsewhere
worker: reboots
worker: has booted; its pods and readers come back
worker: is back, after 0s
control-2: its readers and pods go elsewhere
control-2: reboots
control-2: has booted; its pods and readers come back
control-2: is back, after 0s`)
}

func TestWhoGoes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, *reboot.Options)
		want   string
	}{
		"nobody waits":            {func(w *world, _ *reboot.Options) { clear(w.due) }, ""},
		"all":                     {func(_ *world, o *reboot.Options) { o.All = true }, "worker store control-1 control-2"},
		"one":                     {func(_ *world, o *reboot.Options) { o.Only = "control-2" }, "control-2"},
		"one that waits for none": {func(_ *world, o *reboot.Options) { o.Only = "store" }, ""},
		"one outside the cluster": {func(_ *world, o *reboot.Options) { o.Only, o.All = "store", true }, "store"},
		// It is not reached, perhaps, and still is the first: nobody else may go.
		"one was left": {func(w *world, _ *reboot.Options) { w.left, w.fails["control-1 due"] = "control-1\n", errors.New("no") }, "control-1 worker control-2"},
		"by the other": {func(w *world, _ *reboot.Options) { w.due = map[string]string{"control-1": "x"} }, "control-1"},
	} {
		w, o := newWorld()
		c.change(w, &o)
		done, err := reboot.Hosts(t.Context(), o)
		if err != nil || strings.Join(done, " ") != c.want {
			t.Errorf("%s: %v, %v; want %s", name, done, err, c.want)
		}
		if took := slices.Contains(w.calls, "control-1: absence_take me no"); took != (c.want != "") {
			t.Errorf("%s: the Lease was taken: %v", name, took)
		}
		for _, call := range w.calls {
			if h, rest, _ := strings.Cut(call, ": "); strings.HasPrefix(rest, "absence_begin "+h) || strings.HasPrefix(rest, "absence_end "+h) {
				t.Errorf("%s: a node sees itself off: %s", name, call)
			}
		}
	}
}

func TestWhatStopsIt(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, *reboot.Options)
		want   string
		done   int
	}{
		"no host":       {func(_ *world, o *reboot.Options) { o.Nodes[1].Host = nil }, "reboot: node store is in the stack, and no installed host has its name; run pulumi up first", 0},
		"one to see":    {func(_ *world, o *reboot.Options) { o.Nodes = o.Nodes[:3] }, "reboot: the stack has 1 control-plane nodes, wanted are two at least: one sees the other come back", 0},
		"drain":         {func(_ *world, o *reboot.Options) { o.DrainTimeout = time.Millisecond }, "reboot: drain timeout 1ms is not of whole seconds", 0},
		"asked in vain": {func(w *world, _ *reboot.Options) { w.fails["store due"] = errors.New("no route") }, "reboot: store does not say whether it waits for a reboot: no route", 0},
		"another begins": {func(w *world, _ *reboot.Options) {
			w.fails["control-1 absence_take"] = errors.New("you takes nodes away already")
		}, "reboot: you takes nodes away already", 0},
		"not whole": {func(w *world, _ *reboot.Options) { w.fails["control-1 absence_begin"] = errors.New("x is not Ready") }, "reboot: worker: x is not Ready\nnot touched: control-2; mend it and run the same again, it goes on there", 0},
		"not back": {func(w *world, _ *reboot.Options) { w.stuck = "control-2" },
			"reboot: control-2: has not rebooted within 20ms: it runs on as if nothing had been asked of it; see its console, or put it into the rescue system (docs/runbooks/a-host-that-does-not-answer.md)\n" +
				"it was the last; mend it and run the same again, it goes on there", 1},
		"not given": {func(w *world, _ *reboot.Options) { w.fails["control-1 absence_give"] = errors.New("no") }, "reboot: the Lease kube-system/havre-absence stays: no; the next run wants --take-over", 2},
	} {
		w, o := newWorld()
		c.change(w, &o)
		done, err := reboot.Hosts(t.Context(), o)
		if err == nil || err.Error() != c.want || len(done) != c.done {
			t.Errorf("%s: %d done\n got %v\nwant %s", name, len(done), err, c.want)
		}
		if took, gave := slices.Contains(w.calls, "control-1: absence_take me no"), slices.Contains(w.calls, "control-1: absence_give"); took != gave && name != "another begins" {
			t.Errorf("%s: the Lease was taken %v, given %v", name, took, gave)
		}
	}
}
