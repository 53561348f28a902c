package ovhsim

import (
	"context"
	"log/slog"
	"math/rand"
	"net/netip"
	"sync"
	"time"
)

// The account that every simulator begins with. The two vRacks exist from the start because a real account has its vRack before its first server.
const (
	Account           = "hv12345-ovh"
	ApplicationKey    = "sandbox-application-key"
	ApplicationSecret = "sandbox-application-secret"
	ConsumerKey       = "sandbox-consumer-key"
	FirstVrack        = "pn-1000001"
	SecondVrack       = "pn-1000002"
)

// Delays say how long things take. Zero is at once.
type Delays struct {
	Payment     time.Duration // from checkout until the order is paid; notPaid meanwhile, as at OVH
	Checking    time.Duration // fraud and payment checks
	Delivery    time.Duration // a dedicated server, from checked to delivered; two minutes to three days at OVH
	VPSDelivery time.Duration // a VPS or a vRack; about 80 s at OVH
	FollowUp    time.Duration // how far an order's followUp lags behind its status
	Task        time.Duration // before a task starts, and how long one takes that has no host to wait for
	Activation  time.Duration // from delivery until a service's renewal can be changed; seen at OVH as "subscription is not active yet"
	Suspension  time.Duration // between a service's end and its deletion; status 460 meanwhile
	Database    time.Duration // of each state of a managed database before it is ready; about five minutes together at OVH. Its first backup comes as long after that
}

// DefaultDelays are quick, but long enough that every state can be seen.
func DefaultDelays() Delays {
	return Delays{
		Payment: 100 * time.Millisecond, Checking: 200 * time.Millisecond, Delivery: 700 * time.Millisecond, VPSDelivery: 500 * time.Millisecond,
		FollowUp: 150 * time.Millisecond, Task: 100 * time.Millisecond, Activation: 300 * time.Millisecond,
		Database: 300 * time.Millisecond,
	}
}

// Options configure a Simulator. The zero value is one in memory, without hosts, with no delays.
type Options struct {
	// Dir holds the state; created when missing. Empty keeps the state in memory only.
	Dir string
	// Machines runs the hosts; nil is NoMachines.
	Machines Machines
	// Databases runs the clusters behind managed databases; nil is NoDatabases.
	Databases Databases
	// Clock gives the time; nil is time.Now.
	Clock func() time.Time
	// FirstAddress is the first public address given to a service; 198.51.100.11 when zero. The lowest free one is always taken next.
	FirstAddress netip.Addr
	// Delays say how long things take.
	Delays Delays
	// EndAtOnce ends a service as soon as its termination is asked for, instead of at its expiry, so that a destroyed sandbox is empty.
	EndAtOnce bool
	// ClockWindow is how far a request's timestamp may be off; 60 s when zero.
	ClockWindow time.Duration
	// Resolves gives the addresses behind a full name, for OVH takes a reverse only where the name leads to the address. nil believes every name.
	Resolves func(name string) []netip.Addr
	// Seed makes faults with a probability repeatable.
	Seed int64
	// Logger hears what the simulator does on its own; nil is silence.
	Logger *slog.Logger
}

// Simulator is one account at OVH. Its methods may be called from many goroutines.
type Simulator struct {
	options   Options
	machines  Machines
	databases Databases
	log       *slog.Logger

	mu         sync.Mutex
	st         *state
	delays     Delays
	endAtOnce  bool
	credential credential
	faults     []*Fault
	latches    []*Fault
	faultSeq   int64
	random     *rand.Rand
	requests   []Request
	requestSeq int64
	saveErr    error
	closed     bool
	hosts      map[string]*sync.Mutex
	installs   map[int64]context.CancelFunc

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	wake   chan struct{}
}

// New opens the state in Options.Dir, or begins an account, and takes up the work a former process left: unfinished orders, installations and removals.
// It fails when the state cannot be read.
func New(o Options) (*Simulator, error) {
	if o.Machines == nil {
		o.Machines = NoMachines{}
	}
	if o.Databases == nil {
		o.Databases = NoDatabases{}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if !o.FirstAddress.IsValid() {
		o.FirstAddress = netip.MustParseAddr("198.51.100.11")
	}
	if o.ClockWindow == 0 {
		o.ClockWindow = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	st, err := loadState(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Simulator{
		options: o, machines: o.Machines, databases: o.Databases, log: o.Logger, st: st, delays: o.Delays, endAtOnce: o.EndAtOnce, credential: fullCredential(),
		random: rand.New(rand.NewSource(o.Seed)), hosts: map[string]*sync.Mutex{}, installs: map[int64]context.CancelFunc{}, wake: make(chan struct{}, 1),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if len(st.Services) == 0 {
		s.foundAccount()
		if err := st.save(o.Dir); err != nil {
			return nil, err
		}
	}
	s.resume()
	s.work.Add(1)
	go s.run()
	return s, nil
}

// foundAccount gives a new account its two vRacks.
func (s *Simulator) foundAccount() {
	now := s.now()
	for _, name := range []string{FirstVrack, SecondVrack} {
		id := s.st.id()
		s.st.Services[id] = &service{
			ID: id, Kind: kindVrack, Name: name, UUID: s.st.uuid("vrack"), DisplayName: name, Plan: "vrack", PlanName: "vRack", Product: "vrack", Created: now,
			Expires: now.AddDate(0, 1, 0), Renew: renew{Automatic: true}, Tags: map[string]string{},
		}
	}
}

// Close stops the simulator and waits for what runs. Installations that were under way begin again at the next New.
func (s *Simulator) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saveErr
}

// now is the simulator's business time: the clock plus what POST /clock advanced it by.
func (s *Simulator) now() time.Time {
	return s.options.Clock().Add(s.st.Advanced).Truncate(time.Millisecond)
}

// signal makes run look again.
func (s *Simulator) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run moves orders, tasks and services on while nobody asks.
func (s *Simulator) run() {
	defer s.work.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		s.mu.Lock()
		next := s.settle()
		pause := time.Hour
		if !next.IsZero() {
			pause = max(time.Millisecond, min(pause, next.Sub(s.now())))
		}
		s.mu.Unlock()
		timer.Reset(pause)
	}
}

// settle does everything that is due, keeps it, and says when the next thing is; zero when nothing is planned.
func (s *Simulator) settle() time.Time {
	now := s.now()
	changed := false
	var next time.Time
	due := func(at time.Time) bool {
		if at.IsZero() {
			return false
		}
		if !now.Before(at) {
			return true
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
		return false
	}
	for again := true; again; {
		again = false
		next = time.Time{}
		for _, id := range sortedKeys(s.st.Orders) {
			if o := s.st.Orders[id]; due(o.Next) {
				s.stepOrder(o)
				changed, again = true, true
			}
		}
		for _, id := range sortedKeys(s.st.Tasks) {
			if t := s.st.Tasks[id]; t.open() && due(t.Next) {
				s.stepTask(t)
				changed, again = true, true
			}
		}
		for _, id := range sortedKeys(s.st.Services) {
			v := s.st.Services[id]
			if v.Ended.IsZero() && !v.Suspended && v.Kind != kindVrack && due(v.Expires) {
				s.expire(v)
				changed, again = true, true
			}
		}
		if s.settleDatabases(due) {
			changed, again = true, true
		}
	}
	if changed {
		s.keep()
	}
	return next
}

// keep writes the state. A disk that cannot be written must not lose an order in silence: the next request answers 500.
func (s *Simulator) keep() {
	s.saveErr = s.st.save(s.options.Dir)
	if s.saveErr != nil {
		s.log.Error("state not written", "error", s.saveErr)
	}
}
