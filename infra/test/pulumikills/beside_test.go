//go:build faults

package pulumikills

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestTwoRunsAtOnce starts `pulumi up` from two copies of an empty state at the same moment, on one machine and on two, and lets both settle.
func TestTwoRunsAtOnce(t *testing.T) {
	want, _ := faultless(t)
	for _, caches := range [][2]string{{"machine", "machine"}, {"machine-a", "machine-b"}} {
		t.Run(strings.Join(caches[:], " and "), func(t *testing.T) {
			w := newWorld(t)
			copies := []*copyOfState{w.newCopy(t, "a", caches[0]), w.newCopy(t, "b", caches[1])}
			var said [2]string
			var wait sync.WaitGroup
			for i, c := range copies {
				wait.Go(func() { said[i], _ = c.up() }) // either may stand back
			}
			wait.Wait()
			for i, c := range copies {
				text, settled := c.settle(t)
				if _, why := c.judge(t, want, settled); why != "" {
					t.Errorf("copy %d: %s\nwhat its runs said:\n%s\n----\n%s", i+1, why, said[i], text)
				}
			}
		})
	}
}

// TestOrphanAtTheCheckout kills Pulumi while its plugin stands at the first checkout, so that the plugin lives on with a call that it cannot take back,
// and starts the next run beside it, on the same machine and on another. The checkout arrives at OVH at different moments of the next run.
func TestOrphanAtTheCheckout(t *testing.T) {
	want, _ := faultless(t)
	for _, cache := range []string{"machine", "another"} {
		for _, calls := range []int64{1, 10, 40} {
			t.Run(fmt.Sprintf("%s, at call %d of the next run", cache, calls), func(t *testing.T) {
				w := newWorld(t)
				reached, open := make(chan struct{}), make(chan struct{})
				release := sync.OnceFunc(func() { close(open) })
				defer release()
				var once sync.Once
				var beside atomic.Int64 // the number of calls when the next run began; 0 before
				hook := func(number int64, r *http.Request, after bool) bool {
					if after {
						return true
					}
					mine := false
					if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/checkout") {
						once.Do(func() { mine = true })
					}
					if mine {
						close(reached)
						<-open
					} else if from := beside.Load(); from > 0 && number-from >= calls {
						release()
					}
					return true
				}
				w.hook.Store(&hook)
				killed := w.newCopy(t, "a", "machine")
				process, wait, err := killed.begin()
				must(t, err)
				<-reached
				must(t, process.Kill())
				before, _ := wait()
				// The same state, be it on another machine: the state of a stack lies in one place.
				next := &copyOfState{w: w, stack: killed.stack, folder: killed.folder, cache: killed.cache}
				if cache == "another" {
					next = w.newCopy(t, "b", "another")
				}
				must(t, next.resume(t))
				beside.Store(w.calls.Load())
				// Were the next run to wait for the orphan without a call, nobody would open the gate.
				timer := time.AfterFunc(5*time.Second, release)
				defer timer.Stop()
				text, settled := next.settle(t)
				release()
				w.quiet()
				again, stillSettled := next.settle(t)
				if _, why := next.judge(t, want, settled && stillSettled); why != "" {
					t.Errorf("%s\nwhat the runs said:\n%s\n----\n%s\n----\n%s", why, before, text, again)
				}
			})
		}
	}
}
