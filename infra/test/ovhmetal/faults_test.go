package ovhmetal

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"havre/infra/sandbox/ovhsim"
)

var (
	faultsAll  = flag.Bool("faults.all", false, "run every fault at every call, and 800 double faults, instead of a sample")
	faultsSeed = flag.Uint64("faults.seed", 1, "seed of the sample and of the double faults")
)

// The two faults that the simulator does not know: the provider's process is killed before or after a call has had its effect.
const (
	killBefore ovhsim.Kind = "kill-before"
	killAfter  ovhsim.Kind = "kill-after"
)

// blow is one fault, at the n-th call of a run; with a route it meets every call of that route in the run.
type blow struct {
	kind  ovhsim.Kind
	nth   int
	route string // "METHOD /pattern"
}

func (b blow) String() string {
	if b.route != "" {
		return fmt.Sprintf("%s at every %s", b.kind, b.route)
	}
	return fmt.Sprintf("%s at call %d", b.kind, b.nth)
}

// trial is one case: blows for the first runs, one each, then runs without any until the stack is settled.
type trial struct {
	scenario  scenario
	blows     []blow
	elsewhere bool // each run comes from another machine: nothing but the account and the state is kept
}

func (c trial) String() string {
	var list []string
	for _, b := range c.blows {
		list = append(list, b.String())
	}
	s := c.scenario.name + ": " + strings.Join(list, ", then ")
	if c.elsewhere {
		s += ", each run from another machine"
	}
	return s
}

// verdict counts what went wrong in one case.
type verdict struct {
	double, lost, overspent, diverged bool
	why                               string
}

func (c trial) run(t testing.TB, want picture) verdict {
	w, s := c.scenario.stage(t, ovhsim.Options{Seed: 1})
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	var v verdict
	var history []string
	settled := false
	for n := 0; n < 12 && !settled; n++ {
		if c.elsewhere {
			w.cache = t.TempDir()
		}
		line := &wire{}
		if n < len(c.blows) {
			b := c.blows[n]
			switch b.kind {
			case killBefore, killAfter:
				line.killAt, line.after = b.nth, b.kind == killAfter
			default:
				f := ovhsim.Fault{Kind: b.kind, Nth: b.nth, Milliseconds: 5, Times: 1}
				if b.route != "" {
					f.Method, f.Path, _ = strings.Cut(b.route, " ")
					f.Nth, f.Times = 0, 0
				}
				if _, err := w.sim.Fault(f); err != nil {
					t.Fatal(err)
				}
			}
		}
		before := s.clone()
		server, err := w.process(line, map[string]any{"waitMinutes": 0.01})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		line.cancel = cancel
		r := s.runIn(ctx, server, false)
		cancel()
		w.sim.ClearFaults()
		if line.dead {
			// Whatever finished before the kill was written; the operation that was under way reports to nobody.
			s.keepOnlyFinished(before, r)
			history = append(history, "killed")
			continue
		}
		if r.err != nil {
			history = append(history, r.err.Error())
			if strings.Contains(r.err.Error(), "accept it by changing the node's data centre to") {
				s.program = c.scenario.program(w.delivered())
			}
			if strings.Contains(r.err.Error(), "was placed but is not paid") {
				w.lapse(t)
			}
			continue
		}
		history = append(history, fmt.Sprintf("changed %v", r.changed))
		settled = len(r.changed) == 0
	}
	got := paint(w, s)
	v.double = got.live > want.live || got.services > want.services
	v.lost = got.services < want.services || !s.holds(w)
	v.overspent = got.spent > want.spent
	v.diverged = !settled || got != want && !v.double && !v.lost && !v.overspent
	if v.double || v.lost || v.overspent || v.diverged {
		v.why = fmt.Sprintf("%s\n  history:\n    %s\n  got  %d live, %d services, %.2f\n%s\n  want %d live, %d services, %.2f\n%s", c, strings.Join(history, "\n    "),
			got.live, got.services, got.spent, got.lines, want.live, want.services, want.spent, want.lines)
	}
	return v
}

// keepOnlyFinished puts the state back for the operation that the kill interrupted, as the engine's snapshot has it.
func (s *stack) keepOnlyFinished(before *stack, r report) {
	if r.err == nil {
		return
	}
	for _, d := range slices.Concat(s.program, s.former) {
		if !strings.Contains(r.err.Error(), d.name+":") {
			continue
		}
		if old, ok := before.state[d.name]; ok {
			s.state[d.name] = old
		} else {
			delete(s.state, d.name)
		}
	}
}

// lapse lets the time pass after which OVH cancels an order that nobody paid.
func (w *world) lapse(t testing.TB) {
	for _, o := range w.sim.Books().Orders {
		if o.Status == "notPaid" {
			if err := w.sim.SetOrderStatus(o.ID, "cancelled"); err != nil {
				t.Error(err)
			}
		}
	}
}

// delivered is the data centre where OVH really delivered, as the error asks the stack to accept it.
func (w *world) delivered() map[string]any {
	for _, v := range w.sim.Services() {
		switch {
		case !chosen(v):
		case v.Kind == ovhsim.KindVPS:
			return map[string]any{"datacenter": strings.ToUpper(v.Datacenter)}
		default:
			return map[string]any{"datacenter": v.Datacenter}
		}
	}
	return nil
}

// holds says whether every living service is in the state, but for those that the stack gave up.
func (s *stack) holds(w *world) bool {
	known := map[string]bool{}
	for _, e := range s.state {
		if n := e.Outputs["serviceName"]; n.IsString() {
			known[n.StringValue()] = true
		}
	}
	for _, v := range w.sim.Services() {
		if chosen(v) && v.Tags["havre.retired"] == "" && !known[v.Name] {
			return false
		}
	}
	return true
}

// faultless runs a scenario without faults: the picture to compare with, how many calls it takes, and which routes they are.
func faultless(t *testing.T, sc scenario) (picture, int, []string) {
	w, s := sc.stage(t, ovhsim.Options{})
	defer func() { must(t, w.close()) }()
	before := len(w.sim.Requests())
	line := &wire{}
	server, err := w.process(line, nil)
	must(t, err)
	must(t, s.run(server, false).err)
	routes := map[string]bool{}
	for _, r := range w.sim.Requests()[before:] {
		routes[r.Method+" "+r.Route] = true
	}
	if r := s.run(server, true); r.err != nil || len(r.changed) > 0 {
		t.Fatalf("%s: a second run changes %v, %v", sc.name, r.changed, r.err)
	}
	return paint(w, s), line.calls, slices.Sorted(maps.Keys(routes))
}

// spoils says whether a fault is of the call itself; the others are of what OVH sells.
func spoils(kind ovhsim.Kind) bool {
	return !slices.Contains([]ovhsim.Kind{ovhsim.OutOfStock, ovhsim.PriceChanged, ovhsim.OrderCancelled, ovhsim.OtherDatacentre}, kind)
}

func trials(t *testing.T) (map[string]picture, []trial) {
	pictures := map[string]picture{}
	all := append(ovhsim.Kinds(), killBefore, killAfter)
	var list []trial
	random := rand.New(rand.NewPCG(*faultsSeed, 2))
	calls, kinds := map[string]int{}, map[string][]ovhsim.Kind{}
	for _, sc := range scenarios() {
		want, n, routes := faultless(t, sc)
		pictures[sc.name], calls[sc.name] = want, n
		for _, kind := range all {
			if !sc.orders && !spoils(kind) {
				continue
			}
			kinds[sc.name] = append(kinds[sc.name], kind)
			for nth := 1; nth <= n; nth++ {
				list = append(list, trial{scenario: sc, blows: []blow{{kind: kind, nth: nth}}})
			}
			if kind == killBefore || kind == killAfter {
				for nth := 1; nth <= n; nth++ {
					list = append(list, trial{scenario: sc, blows: []blow{{kind: kind, nth: nth}}, elsewhere: true})
				}
				continue
			}
			for _, route := range routes {
				list = append(list, trial{scenario: sc, blows: []blow{{kind: kind, route: route}}})
			}
		}
	}
	var weighed []scenario
	for _, sc := range scenarios() {
		for range sc.weight {
			weighed = append(weighed, sc)
		}
	}
	for range 800 {
		sc := weighed[random.IntN(len(weighed))]
		pick := func() blow {
			return blow{kind: kinds[sc.name][random.IntN(len(kinds[sc.name]))], nth: 1 + random.IntN(calls[sc.name])}
		}
		list = append(list, trial{scenario: sc, blows: []blow{pick(), pick()}, elsewhere: random.IntN(2) == 0})
	}
	if !*faultsAll {
		list = sample(list, random)
	}
	return pictures, list
}

// sample takes four trials of each scenario for each unit of its weight.
func sample(list []trial, random *rand.Rand) []trial {
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	taken := map[string]int{}
	return slices.DeleteFunc(list, func(c trial) bool {
		taken[c.scenario.name]++
		return taken[c.scenario.name] > 4*c.scenario.weight
	})
}

func TestFaults(t *testing.T) {
	pictures, list := trials(t)
	work := make(chan trial)
	var mu sync.Mutex
	var double, lost, overspent, diverged, cases int
	var wait sync.WaitGroup
	for range 4 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for c := range work {
				v := c.run(t, pictures[c.scenario.name])
				mu.Lock()
				cases++
				for _, x := range []struct {
					on bool
					n  *int
				}{{v.double, &double}, {v.lost, &lost}, {v.overspent, &overspent}, {v.diverged, &diverged}} {
					if x.on {
						*x.n++
					}
				}
				if v.why != "" {
					t.Error(v.why)
				}
				mu.Unlock()
			}
		}()
	}
	for _, c := range list {
		work <- c
	}
	close(work)
	wait.Wait()
	if double+lost+overspent+diverged > 0 {
		t.Errorf("some cases went wrong; the same ones come again with -faults.seed=%d", *faultsSeed)
	}
	fmt.Printf("faults: cases=%d double=%d lost=%d overspent=%d diverged=%d\n", cases, double, lost, overspent, diverged)
}
