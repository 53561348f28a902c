package ovhsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Request is one call the API got.
type Request struct {
	Sequence     int64     `json:"sequence"`
	At           time.Time `json:"at"`
	Method       string    `json:"method"`
	Path         string    `json:"path"`
	Query        string    `json:"query,omitempty"`
	Route        string    `json:"route"`    // empty for a path that does not exist
	Status       int       `json:"status"`   // 0 when the connection was dropped
	Executed     bool      `json:"executed"` // false when it was refused at the door or by a fault
	Fault        Kind      `json:"fault,omitempty"`
	Milliseconds int64     `json:"milliseconds"`
}

// maxRequests bounds the log; the oldest are forgotten first.
const maxRequests = 20_000

func (s *Simulator) remember(r Request) {
	if len(s.requests) >= maxRequests {
		s.requests = s.requests[maxRequests/2:]
	}
	s.requests = append(s.requests, r)
}

// Requests lists the calls since the start, oldest first; at most the last 20,000.
func (s *Simulator) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// OrderView is an order as the books see it.
type OrderView struct {
	ID          int64     `json:"orderId"`
	Cart        string    `json:"cartId"`
	Description string    `json:"description"` // of the cart
	Created     time.Time `json:"created"`
	Status      string    `json:"status"`
	Plans       []string  `json:"plans"`
	Datacenter  string    `json:"datacenter"`
	Services    []string  `json:"services"`
	Paid        bool      `json:"paid"`
	WithTax     float64   `json:"withTax"`
	WithoutTax  float64   `json:"withoutTax"`
}

// Books are the account's orders and its money.
type Books struct {
	Orders []OrderView `json:"orders"`
	// Count is how many orders were ever placed, Live how many of them were not cancelled.
	Count int `json:"count"`
	Live  int `json:"live"`
	// SpentWithTax and SpentWithoutTax are what the customer paid and did not get back, in euros.
	SpentWithTax    float64 `json:"spentWithTax"`
	SpentWithoutTax float64 `json:"spentWithoutTax"`
	Ledger          []Entry `json:"ledger"`
	// Balanced says that the ledger's open amounts and the orders marked paid agree.
	Balanced bool `json:"balanced"`
}

// Books shows the orders and the money.
func (s *Simulator) Books() Books {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	b := Books{Orders: []OrderView{}, Ledger: append([]Entry{}, s.st.Ledger...), Balanced: true}
	held := map[int64]int64{}
	var gross, net int64
	for _, e := range s.st.Ledger {
		sign := int64(1)
		if e.To == "customer" {
			sign = -1
		}
		gross, net = gross+sign*e.Amount, net+sign*e.NoTax
		if !strings.HasPrefix(e.To, "renewal") {
			held[e.Order] += sign * e.Amount
		}
	}
	b.SpentWithTax, b.SpentWithoutTax = euros(gross), euros(net)
	for _, id := range sortedKeys(s.st.Orders) {
		o := s.st.Orders[id]
		v := OrderView{ID: id, Cart: o.CartID, Created: o.Created, Status: o.status(), Paid: o.Paid, WithTax: euros(int64(o.withTax())), WithoutTax: euros(int64(o.WithoutTax)), Services: []string{}}
		if k := s.st.Carts[o.CartID]; k != nil {
			v.Description = k.Description
		}
		for _, d := range o.Details {
			if d.Type != "DURATION" {
				continue
			}
			v.Plans = append(v.Plans, d.Plan.PlanCode)
			if !d.Option {
				v.Datacenter = strings.ToLower(d.Plan.configured("dedicated_datacenter") + d.Plan.configured("vps_datacenter"))
				if got := s.st.Services[d.Service]; got != nil {
					v.Services = append(v.Services, got.Name)
				}
			}
		}
		b.Count++
		if v.Status != "cancelled" {
			b.Live++
		}
		want := int64(0)
		if o.Paid {
			want = int64(o.withTax())
		}
		b.Balanced = b.Balanced && held[id] == want
		b.Orders = append(b.Orders, v)
	}
	return b
}

func euros(n int64) float64 { return float64(money(n).cents()/1_000_000) / 100 }

// ServiceView is a service with its host.
type ServiceView struct {
	ID          int64             `json:"serviceId"`
	Name        string            `json:"name"`
	Kind        string            `json:"kind"`
	Plan        string            `json:"plan"`
	Options     []string          `json:"options"`
	Datacenter  string            `json:"datacenter"`
	Address     netip.Addr        `json:"address"`
	Order       int64             `json:"orderId"`
	DisplayName string            `json:"displayName"`
	Tags        map[string]string `json:"tags"`
	OS          string            `json:"os"`
	Installed   *Machine          `json:"installed"`
	Installs    int               `json:"installs"` // how often it was installed or tried
	Vrack       string            `json:"vrack"`
	Leaving     bool              `json:"deleteAtExpiration"`
	Renewed     bool              `json:"automaticRenewal"`
	Boot        int64             `json:"bootId"`
	Netboot     string            `json:"netboot"`    // what a VPS booted last: local or rescue
	Aggregated  bool              `json:"aggregated"` // its interfaces are joined
	Reverse     string            `json:"reverse"`    // of its address
	Firewall    []string          `json:"firewall"`   // on or off, then its rules; empty: none
	Layout      []string          `json:"layout"`     // partitions of the last installation, as they were asked for
	Suspended   bool              `json:"suspended"`
	Expires     time.Time         `json:"expires"`
	Ended       bool              `json:"ended"`
}

// Services lists everything the account holds and held, in the order of delivery.
func (s *Simulator) Services() []ServiceView {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	out := []ServiceView{}
	for _, id := range sortedKeys(s.st.Services) {
		v := s.st.Services[id]
		view := ServiceView{
			ID: id, Name: v.Name, Kind: v.Kind, Plan: v.Plan, Options: v.Options, Datacenter: v.Datacenter, Address: v.Address, Order: v.Order, DisplayName: v.DisplayName,
			Tags: map[string]string{}, OS: v.OS, Leaving: v.Renew.DeleteAtExpiration, Renewed: v.Renew.Automatic, Boot: v.BootID, Layout: v.Layout, Suspended: v.Suspended,
			Expires: v.Expires, Ended: !v.Ended.IsZero(), Reverse: v.Reverse[v.Address.String()], Firewall: v.Firewall.view(),
		}
		if v.Kind == KindVPS {
			view.Netboot = v.booted()
		}
		for _, key := range sortedKeys(v.Tags) {
			view.Tags[key] = v.Tags[key]
		}
		if v.Installed != nil {
			m := *v.Installed
			view.Installed = &m
		}
		if v.Interface != nil {
			view.Vrack, view.Aggregated = v.Interface.Vrack, v.Interface.Aggregate
		}
		for _, t := range s.st.Tasks {
			if t.Service == id && t.Machine != nil {
				view.Installs++
			}
		}
		out = append(out, view)
	}
	return out
}

// SetService changes what OVH may change on its own: suspended (460 on every route), hacked, hackedBlocked, error, moved:<datacenter>, ended, or ok again.
func (s *Simulator) SetService(name, state string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range sortedKeys(s.st.Services) {
		v := s.st.Services[id]
		if v.Name != name || !v.Ended.IsZero() {
			continue
		}
		where, moved := strings.CutPrefix(state, "moved:")
		switch {
		case moved:
			v.Datacenter = where
		case state == "suspended":
			v.Suspended = true
		case state == "ended":
			s.end(v)
		case state == "hacked", state == "hackedBlocked", state == "error", state == "ok":
			v.Health = state
			v.Suspended = false
			if !v.Expires.After(s.now()) {
				s.prolong(v) // it was suspended for want of a payment, which came now
			}
		default:
			return fmt.Errorf("service %s: state %q is not known; wanted ok, suspended, hacked, hackedBlocked, error, moved:<datacenter> or ended", name, state)
		}
		s.keep()
		return nil
	}
	return fmt.Errorf("service %s: not held by the account", name)
}

// SetStock makes a plan available or not, in one data centre or, when that is empty, everywhere.
func (s *Simulator) SetStock(planCode, datacenter string, available bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := planCode + "@" + strings.ToLower(datacenter)
	if available {
		delete(s.st.SoldOut, key)
	} else {
		s.st.SoldOut[key] = true
	}
	s.keep()
}

// SetDelays replaces the delays for what begins from now on.
func (s *Simulator) SetDelays(d Delays) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delays = d
}

// Advance moves the business time on: orders, tasks and expiries whose time comes happen at once. Signatures do not see it.
func (s *Simulator) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Advanced += d
	s.settle()
	s.keep()
	s.signal()
}

// SetSkew makes the API's own clock differ from the machine's: /auth/time and the check of signatures, nothing else.
func (s *Simulator) SetSkew(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Skew = d
	s.keep()
}

// SetEndAtOnce changes Options.EndAtOnce.
func (s *Simulator) SetEndAtOnce(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endAtOnce = on
}

// ControlHandler serves the control address: what tests and operators of the sandbox see and set. It asks for no credentials, so bind it to loopback only.
func (s *Simulator) ControlHandler() http.Handler {
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, v any, err error) {
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			v = object{"error": err.Error()}
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		_ = e.Encode(v) // the client went away
	}
	handle := func(pattern string, f func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := f(r)
			reply(w, v, err)
		})
	}
	handle("GET /healthz", func(*http.Request) (any, error) { return s.health() })
	handle("GET /orders", func(*http.Request) (any, error) { return s.Books(), nil })
	handle("POST /orders/{id}", func(r *http.Request) (any, error) {
		var in struct{ Status string }
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err := errors.Join(err, read(r, &in)); err != nil {
			return nil, err
		}
		return object{}, s.SetOrderStatus(id, in.Status)
	})
	handle("GET /services", func(*http.Request) (any, error) { return s.Services(), nil })
	handle("POST /services/{name}", func(r *http.Request) (any, error) {
		var in struct{ State string }
		if err := read(r, &in); err != nil {
			return nil, err
		}
		return object{}, s.SetService(r.PathValue("name"), in.State)
	})
	handle("GET /databases", func(*http.Request) (any, error) { return s.Databases(), nil })
	handle("POST /databases/{id}/backup", func(r *http.Request) (any, error) { return object{}, s.BackUpDatabase(r.PathValue("id")) })
	handle("GET /requests", func(*http.Request) (any, error) { return s.Requests(), nil })
	handle("GET /routes", func(*http.Request) (any, error) { return Routes(), nil })
	handle("GET /faults", func(*http.Request) (any, error) { return s.Faults(), nil })
	handle("POST /faults", func(r *http.Request) (any, error) {
		var in Fault
		if err := read(r, &in); err != nil {
			return nil, err
		}
		id, err := s.Fault(in)
		return object{"id": id}, err
	})
	handle("DELETE /faults", func(*http.Request) (any, error) {
		s.ClearFaults()
		return object{}, nil
	})
	handle("POST /stock", func(r *http.Request) (any, error) {
		var in struct {
			PlanCode, Datacenter string
			Available            bool
		}
		if err := read(r, &in); err != nil {
			return nil, err
		}
		s.SetStock(in.PlanCode, in.Datacenter, in.Available)
		return object{}, nil
	})
	handle("POST /delays", s.controlDelays)
	handle("POST /clock", s.controlClock)
	handle("POST /options", func(r *http.Request) (any, error) {
		var in struct{ EndAtOnce *bool }
		if err := read(r, &in); err != nil {
			return nil, err
		}
		if in.EndAtOnce != nil {
			s.SetEndAtOnce(*in.EndAtOnce)
		}
		return object{}, nil
	})
	handle("POST /credential", func(r *http.Request) (any, error) {
		var in struct {
			Status, Account string
			Rules           []Rule
		}
		if err := read(r, &in); err != nil {
			return nil, err
		}
		s.SetCredential(in.Status, in.Account, in.Rules)
		return object{}, nil
	})
	return mux
}

func read(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("request body: %w", err)
	}
	return nil
}

func (s *Simulator) health() (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := 0
	for _, t := range s.st.Tasks {
		if t.open() {
			open++
		}
	}
	return object{"status": "ok", "requests": s.requestSeq, "openTasks": open, "hostsToRemove": len(s.st.Removing)}, s.saveErr
}

// controlDelays changes the delays named in the body, each a duration such as 2s, and answers all of them.
func (s *Simulator) controlDelays(r *http.Request) (any, error) {
	var in map[string]string
	if err := read(r, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.delays
	fields := map[string]*time.Duration{
		"payment": &d.Payment, "checking": &d.Checking, "delivery": &d.Delivery, "vpsDelivery": &d.VPSDelivery, "followUp": &d.FollowUp, "task": &d.Task,
		"activation": &d.Activation, "suspension": &d.Suspension, "database": &d.Database,
	}
	for _, name := range sortedKeys(in) {
		field, ok := fields[name]
		if !ok {
			return nil, fmt.Errorf("delay %q: wanted one of %v", name, sortedKeys(fields))
		}
		v, err := time.ParseDuration(in[name])
		if err != nil || v < 0 {
			return nil, fmt.Errorf("delay %s: %q is no duration such as 2s", name, in[name])
		}
		*field = v
	}
	s.delays = d
	out := object{}
	for name, field := range fields {
		out[name] = field.String()
	}
	return out, nil
}

// controlClock advances the business time, or sets how far the API's clock is off.
func (s *Simulator) controlClock(r *http.Request) (any, error) {
	var in struct{ Advance, Skew *string }
	if err := read(r, &in); err != nil {
		return nil, err
	}
	for _, x := range []struct {
		text *string
		set  func(time.Duration)
	}{{in.Advance, s.Advance}, {in.Skew, s.SetSkew}} {
		if x.text == nil {
			continue
		}
		d, err := time.ParseDuration(*x.text)
		if err != nil {
			return nil, fmt.Errorf("clock: %q is no duration such as 720h", *x.text)
		}
		x.set(d)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return object{"now": s.now(), "authTime": s.authTime()}, nil
}
