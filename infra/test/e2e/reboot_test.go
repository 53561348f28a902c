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

// boot is what only another boot of a host changes: when its first process began.
const boot = "cut -d' ' -f22 /proc/1/stat"

// rebooted has an edge node and the first control-plane node wait for a reboot, and the others not. Both get it, one after the other, and no reader goes without a picture.
func (w *walk) rebooted(t *testing.T, ctx context.Context) {
	waiting := []string{worker, plan(t).ControlPlane[0].Name}
	for _, name := range waiting {
		if _, err := w.on(ctx, name, "echo linux-image-amd64 >/run/reboot-required.pkgs; touch /run/reboot-required"); err != nil {
			t.Fatal(err)
		}
	}
	before := w.each(t, ctx, boot)
	end := w.fetched(t, ctx)
	out, err := w.havre(ctx, "reboot", "local")
	end()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Log(out)
	for name, now := range w.each(t, ctx, boot) {
		if again := now != before[name]; again != slices.Contains(waiting, name) {
			t.Errorf("%s was rebooted: %v", name, again)
		}
	}
	for what, args := range map[string][]string{
		"cordoned": {"get", "nodes", "--field-selector", "spec.unschedulable=true", "-o", "name"},
		"away":     {"get", "nodes", "-o", `go-template={{range .items}}{{with .metadata.annotations}}{{with index . "havre/away"}}{{.}}{{end}}{{end}}{{end}}`},
		"begun":    {"-n", "kube-system", "get", "lease", "havre-absence", "--ignore-not-found", "-o", "name"},
	} {
		if left, err := w.kubectl(ctx, args...); err != nil || strings.TrimSpace(left) != "" {
			t.Errorf("left %s: %q, %v", what, left, err)
		}
	}
	if out, err := w.havre(ctx, "reboot", "local"); err != nil || !strings.HasSuffix(strings.TrimSpace(out), "rebooted: 0") {
		t.Errorf("a second time: %v\n%s", err, out)
	}
	w.wholeCluster(t, ctx)
}

// fetched fetches ten pictures a second as a reader does who has all addresses of the edge: where one takes no connection, the next one is asked. The function that it
// gives ends that; no picture may be missing.
func (w *walk) fetched(t *testing.T, ctx context.Context) (end func()) {
	t.Helper()
	edge := w.edge(t, ctx)
	stop, done := make(chan struct{}), make(chan []error, 1)
	pictures, elsewhere := 0, 0
	go func() {
		var missed []error
		for {
			select {
			case <-stop:
				done <- missed
				return
			case <-time.After(100 * time.Millisecond):
			}
			var err error
			for i := range edge.Addresses {
				address := edge.Addresses[(pictures+i)%len(edge.Addresses)]
				if err = edge.Fetch(ctx, address, edge.Domain, reader); err == nil {
					break
				}
				elsewhere++
				err = fmt.Errorf("%s, picture %d: %w", time.Now().UTC().Format(time.TimeOnly), pictures, err)
			}
			if err != nil {
				missed = append(missed, err)
			}
			pictures++
		}
	}()
	return func() {
		close(stop)
		for _, err := range <-done {
			t.Error(err)
		}
		if pictures == 0 {
			t.Error("no picture was fetched")
		}
		t.Logf("%d pictures, %d from the next address", pictures, elsewhere)
	}
}
