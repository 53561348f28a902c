package order

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMoney(t *testing.T) {
	for in, want := range map[string]string{"0": "0.00", "164.99": "164.99", "8.490": "8.49", "9.339": "9.339", "0.00000001": "0.00000001", "9999999": "9999999.00"} {
		m, err := ParseMoney(in)
		if err != nil || m.String() != want {
			t.Errorf("ParseMoney(%q) = %s, %v; want %s", in, m, err, want)
		}
	}
	for _, in := range []string{"", "1,5", "-1", "1.", ".5", "1e3", "10000000", "1.123456789", " 1"} {
		want := fmt.Sprintf("amount %q is not a decimal below 10 million with at most eight decimals; write it like 164.99", in)
		if _, err := ParseMoney(in); err == nil || err.Error() != want {
			t.Errorf("ParseMoney(%q): got %v, want %s", in, err, want)
		}
	}
	for in, want := range map[string]string{"183.98": "183.98", "-12.5": "-12.50", "1.8398e2": "183.98", "183.98000000000002": "183.98", "0": "0.00", "null": "0.00"} {
		var m Money
		if err := json.Unmarshal([]byte(in), &m); err != nil || m.String() != want {
			t.Errorf("json %s = %s, %v; want %s", in, m, err, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		m := Money(rapid.Int64Range(0, 9_999_999_99999999).Draw(t, "m"))
		back, err := ParseMoney(m.String())
		if err != nil || back != m {
			t.Fatalf("%d printed as %s and read as %d, %v", m, m, back, err)
		}
	})
}

func TestShare(t *testing.T) {
	for _, c := range []struct{ amount, percent, share, gross string }{
		{"183.98", "20", "36.796", "220.78"}, {"8.49", "20", "1.698", "10.19"}, {"9999999.99", "25.5", "2549999.99745", "12549999.99"}, {"0", "20", "0.00", "0.00"},
	} {
		amount, err := ParseMoney(c.amount)
		if err != nil {
			t.Fatal(err)
		}
		percent, err := ParseMoney(c.percent)
		if err != nil {
			t.Fatal(err)
		}
		if share := amount.Share(percent); share.String() != c.share || (amount+share).Cents().String() != c.gross {
			t.Errorf("%s %% of %s is %s, with it %s; want %s and %s", c.percent, c.amount, share, (amount + share).Cents(), c.share, c.gross)
		}
	}
}

func TestLimit(t *testing.T) {
	euros := func(s string) *Money {
		m, err := ParseMoney(s)
		if err != nil {
			t.Fatal(err)
		}
		return &m
	}
	quote := Quote{Monthly: *euros("91.99"), Setup: *euros("91.99"), First: *euros("183.98"), Currency: "EUR"}
	for _, c := range []struct {
		name  string
		limit Limit
		want  string
	}{
		{"none", Limit{}, ""},
		{"equal", Limit{Monthly: euros("91.99"), Setup: euros("91.99"), First: euros("183.98"), Budget: euros("191.99"), Others: *euros("100")}, ""},
		{"monthly", Limit{Monthly: euros("91.98")}, "nothing was bought: a month costs 91.99 EUR is above 91.98 EUR; accept it in the stack's offer or choose another plan"},
		{"setup", Limit{Setup: euros("0")}, "nothing was bought: the set-up fee 91.99 EUR is above 0.00 EUR; accept it in the stack's offer or wait for a promotion"},
		{"first", Limit{First: euros("150")}, "nothing was bought: the first bill 183.98 EUR is above 150.00 EUR; this is more than the preview promised: read a new preview first"},
		{"budget", Limit{Budget: euros("191.98"), Others: *euros("100")}, "nothing was bought: the stack's new total 191.99 EUR a month is above its budget of 191.98 EUR; raise the budget or order less"},
		{"two", Limit{Monthly: euros("1"), Setup: euros("2")}, "nothing was bought: a month costs 91.99 EUR is above 1.00 EUR; accept it in the stack's offer or choose another plan; " +
			"the set-up fee 91.99 EUR is above 2.00 EUR; accept it in the stack's offer or wait for a promotion"},
	} {
		got := ""
		if err := c.limit.Check(quote); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestMarks(t *testing.T) {
	m := Mark("havre", "prod", "gra-worker-2-server", "urn:pulumi:prod::havre::x::gra-worker-2-server")
	if m != Mark("havre", "prod", "gra-worker-2-server", "urn:pulumi:prod::havre::x::gra-worker-2-server") || !strings.HasPrefix(m, "havre:havre/prod/gra-worker-2-server:") {
		t.Errorf("mark %q", m)
	}
	mark, id, ok := ParseClaim(ClaimMark(m, 231234567))
	if !ok || mark != m || id != 231234567 {
		t.Errorf("claim read as %q %d %v", mark, id, ok)
	}
	for _, foreign := range []string{"", m, "somebody's cart #12", "havre:x#", "havre:x#-1", "havre:x#y"} {
		if _, _, ok := ParseClaim(foreign); ok {
			t.Errorf("%q is taken for a claim", foreign)
		}
	}
}

func TestFind(t *testing.T) {
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	wish := Wish{Mark: "me", PlanCode: "24rise03", Datacenter: "rbx", Options: []string{"a", "b"}, Since: now}
	ours := func(id int64, change func(*Candidate)) Candidate {
		c := Candidate{OrderID: id, PlanCode: "24rise03", Datacenter: "RBX", Options: []string{"b", "a"}, Date: now.Add(time.Minute), Status: "delivering"}
		if change != nil {
			change(&c)
		}
		return c
	}
	one := Evidence{Mine: 1}
	for _, c := range []struct {
		name   string
		e      Evidence
		orders []Candidate
		want   Outcome
		id     int64
	}{
		{"nothing", one, nil, None, 0},
		{"one", one, []Candidate{ours(1, nil)}, OK, 1},
		{"another plan", one, []Candidate{ours(1, func(c *Candidate) { c.PlanCode = "x" })}, None, 0},
		{"another data centre", one, []Candidate{ours(1, func(c *Candidate) { c.Datacenter = "gra" })}, None, 0},
		{"other options", one, []Candidate{ours(1, func(c *Candidate) { c.Options = []string{"a"} })}, None, 0},
		{"too old", one, []Candidate{ours(1, func(c *Candidate) { c.Date = now.Add(-Skew - time.Second) })}, None, 0},
		{"clocks apart", one, []Candidate{ours(1, func(c *Candidate) { c.Date = now.Add(-Skew) })}, OK, 1},
		{"cancelled", one, []Candidate{ours(1, func(c *Candidate) { c.Status = "cancelled" })}, None, 0},
		{"being cancelled", one, []Candidate{ours(1, func(c *Candidate) { c.Status = "cancelling" })}, None, 0},
		{"ended", one, []Candidate{ours(1, func(c *Candidate) { c.Ended = true })}, None, 0},
		{"another's", one, []Candidate{ours(1, func(c *Candidate) { c.ClaimedBy = "you" })}, None, 0},
		{"mine before others", one, []Candidate{ours(1, nil), ours(2, func(c *Candidate) { c.ClaimedBy = "me"; c.Date = now.AddDate(0, -1, 0) })}, OK, 2},
		{"two, one by hand", one, []Candidate{ours(2, nil), ours(1, nil)}, Several, 1},
		{"two of ours", Evidence{Mine: 1, Others: 1}, []Candidate{ours(2, nil), ours(1, nil)}, OK, 1},
		{"another's in flight", Evidence{Others: 1}, []Candidate{ours(1, nil)}, None, 0},
		{"by hand, cart not checked out", Evidence{}, []Candidate{ours(1, nil)}, Several, 1},
		{"two claims", one, []Candidate{ours(1, func(c *Candidate) { c.ClaimedBy = "me" }), ours(2, func(c *Candidate) { c.ClaimedBy = "me" })}, Several, 1},
	} {
		got, found := Find(wish, c.e, c.orders)
		id := int64(0)
		if len(found) > 0 {
			id = found[0].OrderID
		}
		if got != c.want || id != c.id {
			t.Errorf("%s: %s %d, want %s %d", c.name, got, id, c.want, c.id)
		}
	}
	err := Ambiguous(wish, "ovhmetal:index:Server", "n1-server", []Candidate{ours(7, nil), ours(8, func(c *Candidate) { c.ServiceName = "ns8.eu"; c.Status = "delivered" })})
	want := `2 orders may be the one of n1-server, and none was bought again:
  order 7 of 2026-09-01T12:01:00Z: 24rise03 in RBX, delivering
    adopt it: pulumi import ovhmetal:index:Server n1-server order/7
  order 8 of 2026-09-01T12:01:00Z: 24rise03 in RBX, delivered
    adopt it: pulumi import ovhmetal:index:Server n1-server ns8.eu
  one that belongs to something else is left out once its service carries another tag havre.mark`
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

func TestDiagramIsWhole(t *testing.T) {
	for phase, row := range Diagram {
		for outcome, move := range row.On {
			if _, ok := Diagram[move.To]; !ok {
				t.Errorf("%s on %s leads to %q, which has no row", phase, outcome, move.To)
			}
			before, after := State{Phase: phase}.MayHaveBought(), State{Phase: move.To}.MayHaveBought()
			if before && !after && outcome != None {
				t.Errorf("%s on %s leads back to %s, though nothing proves that no order exists", phase, outcome, move.To)
			}
			if phase == Priced && outcome != Refused && !after {
				t.Errorf("a checkout that came out as %s must not lead to %s", outcome, move.To)
			}
		}
	}
	if _, _, err := Next(State{Phase: "later"}, Result{}); err == nil || err.Error() != `order phase "later" is unknown; this provider is older than the state, use a newer one` {
		t.Errorf("unknown phase: %v", err)
	}
	if _, _, err := Next(State{Phase: Unsure, Mark: "m", OrderID: 1}, Result{Outcome: OK, OrderID: 2}); err == nil || err.Error() != "m: order 1 would be forgotten for order 2" {
		t.Errorf("forgotten order: %v", err)
	}
	if _, _, err := Next(State{Phase: Priced, Mark: "m"}, Result{Outcome: OK}); err == nil || err.Error() != "m: a checkout was reported without an order id" {
		t.Errorf("checkout without id: %v", err)
	}
	if _, _, err := Next(State{Phase: Paid, Mark: "m", OrderID: 3}, Result{Outcome: Finished}); err == nil || err.Error() != "m: order 3 was reported delivered without a service" {
		t.Errorf("delivery without service: %v", err)
	}
}

// shop is OVH reduced to what the machine must be safe against: carts that are checked out once, orders, claims, and answers that get lost.
type shop struct {
	carts  map[string]*shopCart
	orders []*shopOrder
	claims map[int64]string
	serial int
}

type shopCart struct {
	id, mark string
	spent    bool
}

type shopOrder struct {
	id     int64
	paid   int
	status string
}

// TestNeverTwice drives the machine through any weather: lost answers before and after the effect, refusals, crashes that forget the state, and
// cancellations. It holds the promises of the design at every step.
func TestNeverTwice(t *testing.T) {
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		s := &shop{carts: map[string]*shopCart{}, claims: map[int64]string{}}
		marks := []string{"a", "b"}
		states := map[string]State{}
		highest := map[string]int64{}
		for _, m := range marks {
			states[m] = State{Phase: Intent, Mark: m}
		}
		weather := func() string {
			return rapid.SampledFrom([]string{"fine", "fine", "fine", "lost before", "lost after", "refused"}).Draw(t, "weather")
		}
		find := func(mark string) Result {
			e := Evidence{}
			claimed := map[string]int{}
			for _, m := range s.claims {
				claimed[m]++
			}
			spent := map[string]int{}
			for id, c := range s.carts {
				switch {
				case c.spent:
					spent[c.mark]++
				case c.mark == mark:
					delete(s.carts, id)
				}
			}
			for m, n := range spent {
				if m != mark {
					e.Others += max(0, n-claimed[m])
				}
			}
			var list []Candidate
			for _, o := range s.orders {
				list = append(list, Candidate{OrderID: o.id, PlanCode: "p", Datacenter: "d", Date: now, Status: o.status, ClaimedBy: s.claims[o.id]})
			}
			w := Wish{Mark: mark, PlanCode: "p", Datacenter: "d", Since: now}
			e.Mine = max(0, spent[mark]-Explained(w, list))
			outcome, found := Find(w, e, list)
			r := Result{Outcome: outcome}
			if outcome == OK {
				r.OrderID = found[0].OrderID
			}
			if outcome == None && e.Mine > 0 {
				r.Outcome = Unknown
			}
			return r
		}
		perform := func(st State) Result {
			w := weather()
			switch Diagram[st.Phase].Do {
			case Price:
				known := find(st.Mark)
				if known.Outcome != None {
					return Result{Outcome: Unknown}
				}
				if w == "refused" || w == "lost before" {
					return Result{Outcome: Refused}
				}
				s.serial++
				id := fmt.Sprint("cart", s.serial)
				s.carts[id] = &shopCart{id: id, mark: st.Mark}
				return Result{Outcome: OK, CartID: id}
			case Checkout:
				c := s.carts[st.CartID]
				if c == nil || c.spent {
					return Result{Outcome: Unknown}
				}
				if w == "refused" {
					return Result{Outcome: Refused}
				}
				if w == "lost before" {
					return Result{Outcome: Unknown}
				}
				s.serial++
				o := &shopOrder{id: int64(s.serial), status: "notPaid"}
				s.orders = append(s.orders, o)
				c.spent = true
				if w == "lost after" {
					return Result{Outcome: Unknown}
				}
				return Result{Outcome: OK, OrderID: o.id}
			case Reconcile:
				if w != "fine" {
					return Result{Outcome: Unknown}
				}
				return find(st.Mark)
			case Claim:
				if by := s.claims[st.OrderID]; by != "" && by != st.Mark {
					return Result{Outcome: Taken}
				}
				if w == "fine" || w == "lost after" {
					s.claims[st.OrderID] = st.Mark
				}
				return Result{Outcome: map[string]Outcome{"fine": OK, "refused": Refused}[w] + map[string]Outcome{"lost before": Unknown, "lost after": Unknown}[w]}
			}
			var o *shopOrder
			for _, x := range s.orders {
				if x.id == st.OrderID {
					o = x
				}
			}
			switch Diagram[st.Phase].Do {
			case Pay:
				if Dead(o.status) {
					return Result{Outcome: Gone}
				}
				if w == "refused" {
					return Result{Outcome: Refused}
				}
				if w == "lost before" {
					return Result{Outcome: OK} // perhaps paid
				}
				if o.paid == 0 {
					o.paid++
					o.status = "delivering"
				}
				return Result{Outcome: OK}
			case Follow:
				switch {
				case Dead(o.status):
					return Result{Outcome: Gone}
				case o.status == "notPaid":
					return Result{Outcome: Refused}
				case rapid.IntRange(0, 9).Draw(t, "fate") == 0 && o.status != "delivered":
					o.status = "cancelled"
					o.paid--
					return Result{Outcome: Gone}
				case w == "fine":
					o.status = "delivered"
					return Result{Outcome: Finished, ServiceName: fmt.Sprint("ns", o.id)}
				}
				return Result{Outcome: Timeout}
			case Tag:
				return Result{Outcome: map[bool]Outcome{true: OK, false: Unknown}[w == "fine"]}
			}
			return Result{}
		}
		holder := "" // of the account's lock: from the checkout to the claim nobody else moves
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			mark := rapid.SampledFrom(marks).Draw(t, "who")
			if holder != "" {
				mark = holder
			}
			st := states[mark]
			if rapid.IntRange(0, 7).Draw(t, "crash") == 0 {
				st = State{Phase: Intent, Mark: mark} // state lost, or the process was killed
			}
			if st.Phase == Cancelled {
				st = State{Phase: Intent, Mark: mark}
			}
			r := perform(st)
			holder = ""
			if rapid.IntRange(0, 9).Draw(t, "killed") != 0 {
				next, halt, err := Next(st, r)
				if !halt && (next.Phase == Unsure || next.Phase == Ordered) {
					holder = mark
				}
				if err != nil {
					t.Fatal(err)
				}
				if st.OrderID != 0 && next.OrderID != st.OrderID && r.Outcome != Taken {
					t.Fatalf("order %d of %s was forgotten at %s", st.OrderID, mark, next.Phase)
				}
				st = next
			}
			states[mark] = st
			highest[mark] = max(highest[mark], st.OrderID)
			live := 0
			for _, o := range s.orders {
				if !Dead(o.status) {
					live++
				}
				if o.paid > 1 {
					t.Fatalf("order %d was paid %d times", o.id, o.paid)
				}
			}
			if live > len(marks) {
				t.Fatalf("%d live orders for %d intents", live, len(marks))
			}
			if a, b := states["a"], states["b"]; a.OrderID != 0 && a.OrderID == b.OrderID && a.Phase != Ordered && b.Phase != Ordered && a.Phase != Cancelled && b.Phase != Cancelled {
				t.Fatalf("order %d is claimed by both", a.OrderID)
			}
		}
	})
}

// TestNeverAboveALimit draws prices and limits: what passes is within every one of them, and what is within all of them passes.
func TestNeverAboveALimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		money := rapid.Custom(func(t *rapid.T) Money { return Money(rapid.Int64Range(0, 300).Draw(t, "euros")) * 100 * Cent })
		q := Quote{Monthly: money.Draw(t, "monthly"), Setup: money.Draw(t, "setup"), First: money.Draw(t, "first"), Currency: "EUR"}
		others := money.Draw(t, "others")
		within := true
		draw := func(label string, got Money) *Money {
			if rapid.Bool().Draw(t, "no "+label) {
				return nil
			}
			most := money.Draw(t, "most "+label)
			within = within && got <= most
			return &most
		}
		l := Limit{
			Monthly: draw("monthly", q.Monthly), Setup: draw("setup", q.Setup), First: draw("first", q.First), Budget: draw("budget", q.Monthly+others), Others: others,
		}
		if err := l.Check(q); (err == nil) != within {
			t.Fatalf("%+v under %+v: %v", q, l, err)
		}
	})
}
