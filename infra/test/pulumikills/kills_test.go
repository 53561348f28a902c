//go:build faults

package pulumikills

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	kills   = flag.Int("kills", 3, "how many cases of TestKills: each a run that is killed, some of them twice, and runs until all is settled")
	seed    = flag.Uint64("seed", 1, "seed of who is killed, at which call, and whether before or after it; the order of calls beside each other is the machine's")
	workers = flag.Int("workers", 2, "cases side by side")
)

// Who is killed.
const (
	alone      = "pulumi alone"    // its plugin lives on as an orphan
	everything = "everything"      // Pulumi, plugin, language host and program
	pluginOnly = "the plugin only" // Pulumi sees it die, and writes what it knows
)

// blow is one kill.
type blow struct {
	who   string
	call  int64
	after bool
}

func (b blow) String() string {
	when := "before"
	if b.after {
		when = "after"
	}
	return fmt.Sprintf("%s killed %s call %d", b.who, when, b.call)
}

// strike starts `pulumi up`, kills at the blow's call and waits for Pulumi's end. Struck is false when the run ended first.
func (c *copyOfState) strike(t testing.TB, b blow) (struck bool, text string) {
	t.Helper()
	base := c.w.calls.Load()
	var done atomic.Bool
	var process atomic.Pointer[func()]
	started := make(chan struct{})
	hook := func(number int64, _ *http.Request, after bool) bool {
		if number-base < b.call || after != b.after || !done.CompareAndSwap(false, true) {
			// Of those who died, nobody hears an answer; what was on its way to OVH still happens.
			return true
		}
		<-started
		(*process.Load())()
		return b.who == alone // a dead process is not told, and its call before the effect never arrives
	}
	c.w.hook.Store(&hook)
	pulumi, wait, err := c.begin()
	must(t, err)
	kill := func() {
		if b.who != pluginOnly {
			_ = pulumi.Kill()
		}
		if b.who != alone {
			c.w.kill(func(binary string) bool { return b.who == everything || binary == plugin })
		}
	}
	process.Store(&kill)
	close(started)
	text, _ = wait()
	c.w.hook.Store(nil)
	return done.Load(), text
}

// faultless runs without a disturbance: the picture to compare with, and how many calls it takes.
func faultless(t testing.TB) (picture, int64) {
	t.Helper()
	w := newWorld(t)
	c := w.newCopy(t, "a", "machine")
	text, err := c.up()
	if err != nil {
		t.Fatalf("undisturbed run: %v\n%s", err, text)
	}
	calls := w.calls.Load()
	if text, err := c.nothingToDo(t); err != nil {
		t.Fatalf("preview after an undisturbed run: %v\n%s", err, text)
	}
	if wrong := c.holds(t); len(wrong) > 0 {
		t.Fatalf("undisturbed run: %q", wrong)
	}
	p := c.picture(t)
	if p.live != 7 || p.services != 7 || p.spent != 3*183.98+3*8.49 {
		t.Fatalf("undisturbed run: %d orders, %d services, %.2f spent; want 7, 7 and %.2f", p.live, p.services, p.spent, 3*183.98+3*8.49)
	}
	return p, calls
}

// one runs a case: a run that is killed, in one case of three a second one that is killed too, and runs until all is settled.
func one(t *testing.T, number int, want picture, calls int64) (v verdict, blows []blow) {
	random := rand.New(rand.NewPCG(*seed, uint64(number)))
	pick := func() blow {
		return blow{who: []string{alone, everything, pluginOnly}[random.IntN(3)], call: 1 + random.Int64N(calls*9/10), after: random.IntN(2) == 0}
	}
	twice := random.IntN(3) == 0
	w := newWorld(t)
	c := w.newCopy(t, "a", "machine")
	var said []string
	for len(blows) == 0 {
		b := pick()
		struck, text := c.strike(t, b)
		said = append(said, text)
		if struck {
			blows = append(blows, b)
			break
		}
		w = newWorld(t) // the run was over before that call
		c = w.newCopy(t, "a", "machine")
	}
	if twice {
		if err := c.resume(t); err != nil {
			said = append(said, err.Error())
		}
		b := pick()
		b.call = 1 + b.call/2
		struck, text := c.strike(t, b)
		said = append(said, text)
		if struck {
			blows = append(blows, b)
		}
	}
	text, settled := c.settle(t)
	w.quiet()
	v, why := c.judge(t, want, settled)
	if why != "" {
		t.Errorf("case %d, %v: %s\nwhat the runs said:\n%s", number, blows, why, strings.Join(append(said, text), "\n----\n"))
	}
	return v, blows
}

// TestKills kills `pulumi up` at random calls of a run over six orders and the one of their vRack.
func TestKills(t *testing.T) {
	want, calls := faultless(t)
	var mu sync.Mutex
	var cases, twice, double, lost, overspent, diverged int
	count := map[string]int{}
	queue := make(chan int)
	var wait sync.WaitGroup
	for range *workers {
		wait.Go(func() {
			for number := range queue {
				t.Run(fmt.Sprintf("case %d", number), func(t *testing.T) {
					v, blows := one(t, number, want, calls)
					mu.Lock()
					defer mu.Unlock()
					cases++
					for _, b := range blows {
						count[b.who]++
					}
					if len(blows) > 1 {
						twice++
					}
					for n, on := range map[*int]bool{&double: v.double, &lost: v.lost, &overspent: v.overspent, &diverged: v.diverged} {
						if on {
							*n++
						}
					}
				})
			}
		})
	}
	for number := range *kills {
		queue <- number
	}
	close(queue)
	wait.Wait()
	if cases != *kills {
		t.Errorf("%d of %d cases were judged", cases, *kills)
	}
	fmt.Printf("kills of pulumi up: seed %d, %d calls in an undisturbed run; killed %s %d times, %s %d, %s %d; %d cases twice\n",
		*seed, calls, alone, count[alone], everything, count[everything], pluginOnly, count[pluginOnly], twice)
	fmt.Printf("faults: cases=%d double=%d lost=%d overspent=%d diverged=%d\n", cases, double, lost, overspent, diverged)
}
