package ovhsim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Kind names a fault.
type Kind string

// The faults. Those of transport act on the call they match; those of the world (OutOfStock to OtherDatacentre) happen when the call is made and show in
// what OVH does next.
const (
	Refuse          Kind = "refuse"           // 400 with Message, before any effect
	Slow            Kind = "slow"             // the answer takes Milliseconds
	TooMany         Kind = "429"              // before any effect
	FailBefore      Kind = "5xx-before"       // Status (500) before any effect
	FailAfter       Kind = "5xx-after"        // Status (500) although it was done
	DropBefore      Kind = "drop-before"      // the connection closes, nothing was done
	DropAfter       Kind = "drop-after"       // the connection closes, it was done
	Malformed       Kind = "malformed"        // it was done, the body is cut
	WrongClock      Kind = "wrong-clock"      // refused as out of time; on /auth/time, a time ten minutes off
	OutOfStock      Kind = "out-of-stock"     // the next dry run or checkout finds the plan gone; once
	PriceChanged    Kind = "price-changed"    // every price rises by Percent (10), until the faults are cleared
	OrderCancelled  Kind = "order-cancelled"  // the order of the path, else the next one, is cancelled by OVH and paid back; once
	OtherDatacentre Kind = "other-datacentre" // the order of the path, else the next one, is delivered in Datacenter; once
)

// Kinds lists every fault, in the order of the constants.
func Kinds() []Kind {
	return []Kind{Refuse, Slow, TooMany, FailBefore, FailAfter, DropBefore, DropAfter, Malformed, WrongClock, OutOfStock, PriceChanged, OrderCancelled, OtherDatacentre}
}

// Fault is a rule: which calls it meets, and what happens to them.
type Fault struct {
	ID   int64 `json:"id"`
	Kind Kind  `json:"kind"`
	// Method is GET, POST, PUT or DELETE; empty meets all.
	Method string `json:"method,omitempty"`
	// Path is a route as documented (/order/cart/{cartId}/checkout) or the path itself with * for any run of characters; empty meets all.
	Path string `json:"path,omitempty"`
	// Nth makes the rule act on the n-th call it meets only, counted from 1; 0 acts on every one.
	Nth int `json:"nth,omitempty"`
	// Times bounds how often it acts; 0 is without bound.
	Times int `json:"times,omitempty"`
	// Probability, when above 0, is the chance that it acts on a call it meets; repeatable by Options.Seed.
	Probability float64 `json:"probability,omitempty"`
	// Status overrides the status code of refuse, 5xx-before and 5xx-after.
	Status int `json:"status,omitempty"`
	// Class and Message override the body of a refusal.
	Class   string `json:"class,omitempty"`
	Message string `json:"message,omitempty"`
	// Milliseconds is how slow; 1000 when 0.
	Milliseconds int `json:"milliseconds,omitempty"`
	// Percent is the price rise; 10 when 0. It may be negative.
	Percent int `json:"percent,omitempty"`
	// Datacenter is where an order ends up instead; when empty, gra, or rbx for what was ordered in gra.
	Datacenter string `json:"datacenter,omitempty"`

	// Met and Acted count the calls.
	Met   int `json:"met"`
	Acted int `json:"acted"`
}

// Fault adds a rule and gives its number.
func (s *Simulator) Fault(f Fault) (int64, error) {
	if !slices.Contains(Kinds(), f.Kind) {
		return 0, fmt.Errorf("fault kind %q: wanted one of %v", f.Kind, Kinds())
	}
	if f.Probability < 0 || f.Probability > 1 {
		return 0, fmt.Errorf("fault probability %g: wanted 0 to 1", f.Probability)
	}
	if f.Milliseconds == 0 {
		f.Milliseconds = 1000
	}
	if f.Percent == 0 {
		f.Percent = 10
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faultSeq++
	f.ID, f.Met, f.Acted = s.faultSeq, 0, 0
	s.faults = append(s.faults, &f)
	return f.ID, nil
}

// Faults lists the rules with their counts.
func (s *Simulator) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Fault, 0, len(s.faults))
	for _, f := range s.faults {
		out = append(out, *f)
	}
	return out
}

// ClearFaults removes every rule and undoes what they did to the world: prices and stock are as in the catalogue again. Orders keep their fate.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.latches = nil, nil
	s.st.PriceRise = 0
	s.keep()
}

// pick finds the rule that acts on a call. Every rule that meets it counts it; the first one that acts wins.
func (s *Simulator) pick(method, pattern, path string) *Fault {
	var winner *Fault
	for _, f := range s.faults {
		if f.Method != "" && f.Method != method {
			continue
		}
		if f.Path != "" && f.Path != pattern && !wildcard(f.Path, path) {
			continue
		}
		f.Met++
		switch {
		case winner != nil, f.Nth > 0 && f.Met != f.Nth, f.Times > 0 && f.Acted >= f.Times:
			continue
		case f.Probability > 0 && s.random.Float64() >= f.Probability:
			continue
		}
		f.Acted++
		winner = f
	}
	return winner
}

// before says that the call is answered without being executed.
func (f *Fault) before(pattern string) bool {
	return slices.Contains([]Kind{Refuse, TooMany, FailBefore, DropBefore}, f.Kind) || f.Kind == WrongClock && pattern != "/auth/time"
}

func (f *Fault) refusal() error {
	e := &apiError{status: http.StatusBadRequest, class: "Client::BadRequest", message: "Refused by a fault rule"}
	switch f.Kind {
	case TooMany:
		e = &apiError{status: http.StatusTooManyRequests, class: "Client::TooManyRequests", message: "Too many requests, please retry later"}
	case FailBefore, FailAfter, DropBefore:
		e = &apiError{status: http.StatusInternalServerError, class: "Server::InternalServerError", message: "Internal server error"}
	case WrongClock:
		return queryOutOfTime()
	}
	if f.Status != 0 {
		e.status = f.Status
	}
	if f.Class != "" {
		e.class = f.Class
	}
	if f.Message != "" {
		e.message = f.Message
	}
	return e
}

// after spoils the answer of an executed call.
func (f *Fault) after(status int, text []byte) (int, []byte) {
	switch f.Kind {
	case FailAfter:
		return render(nil, f.refusal())
	case Malformed:
		if status == http.StatusOK {
			return status, append([]byte(`{"`), text[:len(text)/2]...)
		}
	case WrongClock:
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			return status, strconv.AppendInt(nil, n+600, 10)
		}
	}
	return status, text
}

// arm lets a fault of the world happen: at once when the path names what it befalls, else at the next dry run or checkout.
func (s *Simulator) arm(f *Fault, c *call) {
	switch f.Kind {
	case PriceChanged:
		s.st.PriceRise += f.Percent
		s.keep()
	case OutOfStock:
		s.latches = append(s.latches, f)
	case OrderCancelled, OtherDatacentre:
		id, err := c.number("orderId")
		if o := s.st.Orders[id]; err == nil && o != nil {
			s.befall(f, o)
			return
		}
		s.latches = append(s.latches, f)
	}
}

// befall gives an order its fate. A delivered one is past it.
func (s *Simulator) befall(f *Fault, o *order) {
	if o.status() == "delivered" || o.status() == "cancelled" {
		return
	}
	if f.Kind == OrderCancelled {
		s.cancelOrder(o)
	} else {
		o.DeliverIn = f.elsewhere(o)
	}
	s.keep()
}

// elsewhere chooses where an order is delivered instead.
func (f *Fault) elsewhere(o *order) string {
	if f.Datacenter != "" {
		return strings.ToLower(f.Datacenter)
	}
	for _, d := range o.Details {
		if strings.EqualFold(d.Plan.configured("dedicated_datacenter")+d.Plan.configured("vps_datacenter"), "gra") {
			return "rbx"
		}
	}
	return "gra"
}

// latched takes a waiting fate of that kind, once.
func (s *Simulator) latched(kind Kind) *Fault {
	i := slices.IndexFunc(s.latches, func(f *Fault) bool { return f.Kind == kind })
	if i < 0 {
		return nil
	}
	f := s.latches[i]
	s.latches = slices.Delete(s.latches, i, i+1)
	return f
}
