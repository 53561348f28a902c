package ovhmetal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"havre/infra/sandbox/ovhsim"
)

// six is a stack of six orders, of which three and three are equal: none may take another's.
func six() []declared {
	var program []declared
	for i := range 3 {
		program = append(program, serverNode(fmt.Sprintf("rbx-worker-%d", i+1), "pn-1000001", nil)...)
		program = append(program, vpsNode(fmt.Sprintf("gra-control-%d", i+1), nil)...)
	}
	return program
}

// split makes a stack of each node, so that nodes can run side by side as the engine runs them.
func split(program []declared) []*stack {
	byNode := map[string]*stack{}
	var list []*stack
	for _, d := range program {
		node := d.name[:strings.LastIndexByte(d.name, '-')]
		if byNode[node] == nil {
			byNode[node] = &stack{state: map[string]entry{}}
			list = append(list, byNode[node])
		}
		byNode[node].program = append(byNode[node].program, d)
	}
	return list
}

// together runs all nodes at once through one plugin process.
func together(t testing.TB, w *world, line *wire, nodes []*stack) []report {
	t.Helper()
	server, err := w.process(line, map[string]any{"waitMinutes": 0.2})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	line.cancel = cancel
	reports := make([]report, len(nodes))
	var wait sync.WaitGroup
	for i, s := range nodes {
		wait.Go(func() { reports[i] = s.runIn(ctx, server, false) })
	}
	wait.Wait()
	return reports
}

func expectOrders(t testing.TB, w *world, orders int, spent float64) {
	t.Helper()
	b := w.sim.Books()
	if b.Count != orders || b.SpentWithoutTax != spent || !b.Balanced {
		t.Errorf("%d orders, %.2f spent; want %d and %.2f; orders: %+v", b.Count, b.SpentWithoutTax, orders, spent, b.Orders)
	}
}

func TestSixAtOnce(t *testing.T) {
	w, _ := begin(t)
	nodes := split(six())
	for i, r := range together(t, w, &wire{}, nodes) {
		if r.err != nil {
			t.Errorf("node %d: %v", i, r.err)
		}
	}
	expectOrders(t, w, 6, 3*183.98+3*8.49)
	taken := map[string]string{}
	for _, s := range nodes {
		for name, e := range s.state {
			if id := e.Outputs["orderId"]; id.IsString() {
				if other, twice := taken[id.StringValue()]; twice {
					t.Errorf("order %s is held by %s and %s", id.StringValue(), other, name)
				}
				taken[id.StringValue()] = name
			}
		}
	}
}

// TestRandomKills kills the plugin at a random call of a run over six nodes, again and again, and then lets the stack settle.
func TestRandomKills(t *testing.T) {
	rounds := 12
	if *faultsAll {
		rounds = 100
	}
	random := rand.New(rand.NewPCG(*faultsSeed, 3))
	for round := range rounds {
		w := newWorld(t, ovhsim.Options{})
		nodes := split(six())
		for kill := 0; ; kill++ {
			line := &wire{}
			if kill < 3 {
				line.killAt, line.after = 1+random.IntN(300), random.IntN(2) == 0
			}
			before := make([]*stack, len(nodes))
			for i, s := range nodes {
				before[i] = s.clone()
			}
			reports := together(t, w, line, nodes)
			done := true
			for i, r := range reports {
				switch {
				case line.dead:
					nodes[i].keepOnlyFinished(before[i], r)
					done = false
				case r.err != nil:
					if kill > 12 {
						t.Errorf("round %d: %v", round, r.err)
					}
					done = false
				case len(r.changed) > 0:
					done = false
				}
			}
			if done || kill > 12 {
				break
			}
		}
		expectOrders(t, w, 6, 3*183.98+3*8.49)
		for _, v := range w.sim.Services() {
			if v.Kind != "vrack" && v.Installs != 1 {
				t.Errorf("round %d: service %s was installed %d times", round, v.Name, v.Installs)
			}
		}
		for _, s := range nodes {
			if !s.complete() {
				t.Errorf("round %d: state is not complete: %v", round, s.state)
			}
		}
		must(t, w.close())
	}
}

func (s *stack) complete() bool {
	for _, d := range s.program {
		if e, ok := s.state[d.name]; !ok || e.Incomplete {
			return false
		}
	}
	return true
}

// TestTwoRunsOneServer lets two runs from two copies of an empty state begin at the same moment, on one machine and on two.
func TestTwoRunsOneServer(t *testing.T) {
	for _, machines := range []int{1, 2} {
		for round := range 15 {
			t.Run(fmt.Sprintf("%d machines %d", machines, round), func(t *testing.T) {
				w, a := begin(t, faultServer(nil)...)
				b := a.clone()
				other := &world{sim: w.sim, server: w.server, cache: w.cache}
				if machines == 2 {
					other.cache = t.TempDir()
				}
				var wait sync.WaitGroup
				var first, second report
				wait.Go(func() { first = together(t, w, &wire{}, []*stack{a})[0] })
				wait.Go(func() { second = together(t, other, &wire{}, []*stack{b})[0] })
				wait.Wait()
				// Either may have stood back; running again must settle both.
				for range 3 {
					if first.err != nil {
						first = together(t, w, &wire{}, []*stack{a})[0]
					}
					if second.err != nil {
						second = together(t, other, &wire{}, []*stack{b})[0]
					}
				}
				if first.err != nil || second.err != nil {
					t.Errorf("runs ended with %v and %v", first.err, second.err)
				}
				expectOrders(t, w, 1, 183.98)
			})
		}
	}
}

// gate holds the first checkout until it is opened.
type gate struct {
	next    http.RoundTripper
	reached chan struct{}
	open    chan struct{}
	once    sync.Once
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/checkout") {
		g.once.Do(func() { close(g.reached) })
		<-g.open
	}
	return g.next.RoundTrip(r)
}

// TestOrphanAtTheCheckout kills pulumi while its plugin stands at the checkout and lives on; the next run begins beside it.
func TestOrphanAtTheCheckout(t *testing.T) {
	w, orphaned := begin(t, faultServer(nil)...)
	fresh := orphaned.clone()
	g := &gate{next: http.DefaultTransport, reached: make(chan struct{}), open: make(chan struct{})}
	var wait sync.WaitGroup
	wait.Go(func() { together(t, w, &wire{next: g}, []*stack{orphaned}) }) // reports to nobody
	<-g.reached
	var r report
	wait.Go(func() { r = together(t, w, &wire{}, []*stack{fresh})[0] })
	w.eventually(t, "the second run waits for the first", func() bool { return w.said("another order of this account is being placed, waiting for it") })
	close(g.open)
	wait.Wait()
	must(t, r.err)
	expectOrders(t, w, 1, 183.98)
	if !w.said("was placed by an earlier attempt: adopted, nothing is bought again") && !w.said("carries the mark of this node: adopted") {
		t.Errorf("the second run does not say that it adopted the order; said:\n%s", strings.Join(w.lines, "\n"))
	}
}
