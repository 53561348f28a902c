// Package order is the life of one order at OVHcloud as a pure state machine, with the arithmetic of prices and the rules by which an order of unknown
// fate is found again. It reaches no network: components/ovh/provider performs the steps and reports how they went.
//
// The one thing a reader would get wrong: an answer that did not come (a dropped connection, a 5xx, a body that cannot be read) is not a failure. Money
// may have moved, so the machine goes to Unsure, whence only a look at the account's orders leads on. A checkout is never simply tried again.
//
//	          price ok          checkout ok         claim ok        pay ok           OVH started       delivered        tag ok
//	intent ───────────► priced ───────────► ordered ─────► claimed ──────► paid ───────────► delivering ───────► delivered ─────► tagged
//	  ▲  ▲   refused ◄────┤ │                  ▲                                  │               │                                (installed:
//	  │  └────────────────┘ │ unknown          │ exactly one                      └──► cancelled ◄┘                                 a resource
//	  │                     ▼                  │                                         │                                          of its own)
//	  │ proven not bought unsure ──────────────┘                                         │
//	  └──────────────────── │  ◄─┐ several, or no answer: stop                           │
//	  ▲                     └────┘                                                       │
//	  └──────────────────────────────────────────────────────────────────────────────────┘ the next run, after it said so
//
// What is written where, each before the next step: intent is a cart whose description is the mark; ordered is an empty cart "<mark>#<order id>", the claim;
// tagged is the service's own tag. So a lost state finds all of it again in the account.
package order

import (
	"fmt"
	"time"
)

// Phase says where an order stands.
type Phase string

// The phases, in their order. Cancelled and Unsure stand aside.
const (
	Intent     Phase = "intent"     // nothing billable exists; perhaps a cart
	Priced     Phase = "priced"     // OVH's dry run agrees with the promise
	Unsure     Phase = "unsure"     // a checkout was sent, its fate is not known
	Ordered    Phase = "ordered"    // the order id is known
	Claimed    Phase = "claimed"    // the account itself says whose order it is
	Paid       Phase = "paid"       // a payment was asked for or seen
	Delivering Phase = "delivering" // OVH works on it
	Delivered  Phase = "delivered"  // the service's name is known
	Tagged     Phase = "tagged"     // the service says whose it is; the order's life ends here
	Cancelled  Phase = "cancelled"  // OVH or a person cancelled it
)

// Step is what a phase asks for next.
type Step string

// The steps, one for each phase that is not an end.
const (
	Price     Step = "price"     // write the mark, fill the cart, dry run, compare
	Checkout  Step = "checkout"  // the one call that buys
	Reconcile Step = "reconcile" // look for an order that this intent may have placed
	Claim     Step = "claim"     // write the order id into the account
	Pay       Step = "pay"       // pay once, after the comparison of prices
	Follow    Step = "follow"    // wait and show OVH's own steps
	Tag       Step = "tag"       // display name and ownership on the service
	Stop      Step = "stop"      // nothing to do
)

// Outcome is how a step went.
type Outcome string

// The outcomes. Refused means proven to have had no effect; Unknown means it may have had one.
const (
	OK       Outcome = "ok"
	Refused  Outcome = "refused"
	Unknown  Outcome = "unknown"
	Timeout  Outcome = "timeout"  // waited as long as allowed
	None     Outcome = "none"     // reconcile: proven not bought
	Several  Outcome = "several"  // reconcile: a person must choose
	Started  Outcome = "started"  // follow: OVH works on it
	Gone     Outcome = "gone"     // the order was cancelled
	Finished Outcome = "finished" // follow: delivered
	Taken    Outcome = "taken"    // claim: an equal intent has claimed this order, so one of its own is looked for
)

// State is all that must survive a crash.
type State struct {
	Phase       Phase
	Mark        string // cart description, and value of the service's tag
	CartID      string
	OrderID     int64
	ServiceName string
	Since       time.Time // start of an intent whose fate is not known, by OVH's clock
}

// Move is where an outcome leads. Halt ends this run; the next one goes on from To.
type Move struct {
	To   Phase
	Halt bool
}

// Diagram is the drawing above, row by row: the step of each phase and where each outcome of it leads. An outcome that is not listed halts where it is.
var Diagram = map[Phase]struct {
	Do Step
	On map[Outcome]Move
}{
	Intent: {Price, map[Outcome]Move{
		OK:      {To: Priced},
		Unknown: {To: Unsure}, // signs of an earlier checkout were met on the way
		Refused: {To: Intent, Halt: true},
		Timeout: {To: Intent, Halt: true},
	}},
	Priced: {Checkout, map[Outcome]Move{
		OK:      {To: Ordered},
		Refused: {To: Intent, Halt: true},
		Unknown: {To: Unsure},
		Timeout: {To: Unsure},
	}},
	Unsure: {Reconcile, map[Outcome]Move{
		OK:      {To: Ordered},
		None:    {To: Intent},
		Several: {To: Unsure, Halt: true},
		Unknown: {To: Unsure, Halt: true},
		Refused: {To: Unsure, Halt: true},
	}},
	Ordered: {Claim, map[Outcome]Move{
		OK:      {To: Claimed},
		Taken:   {To: Unsure},
		Unknown: {To: Ordered, Halt: true},
		Refused: {To: Ordered, Halt: true},
	}},
	Claimed: {Pay, map[Outcome]Move{
		OK:      {To: Paid},
		Gone:    {To: Cancelled, Halt: true},
		Refused: {To: Claimed, Halt: true},
		Unknown: {To: Claimed, Halt: true}, // the next run looks before it pays
	}},
	Paid: {Follow, map[Outcome]Move{
		Started:  {To: Delivering},
		Finished: {To: Delivered},
		Gone:     {To: Cancelled, Halt: true},
		Refused:  {To: Claimed, Halt: true}, // the payment did not go through
		Timeout:  {To: Paid, Halt: true},
		Unknown:  {To: Paid, Halt: true},
	}},
	Delivering: {Follow, map[Outcome]Move{
		Started:  {To: Delivering},
		Finished: {To: Delivered},
		Gone:     {To: Cancelled, Halt: true},
		Timeout:  {To: Delivering, Halt: true},
		Unknown:  {To: Delivering, Halt: true},
		Refused:  {To: Delivering, Halt: true},
	}},
	Delivered: {Tag, map[Outcome]Move{
		OK:      {To: Tagged},
		Unknown: {To: Delivered, Halt: true},
		Refused: {To: Delivered, Halt: true},
	}},
	Tagged:    {Stop, nil},
	Cancelled: {Stop, nil},
}

// Result is what performing a step brought.
type Result struct {
	Outcome     Outcome
	CartID      string
	OrderID     int64
	ServiceName string
	Since       time.Time
}

// Next says where the outcome of the state's step leads, and whether the run ends there. What is known is never forgotten: an order id or a service name
// stays until the order is proven not to exist.
func Next(s State, r Result) (next State, halt bool, err error) {
	row, ok := Diagram[s.Phase]
	if !ok {
		return s, true, fmt.Errorf("order phase %q is unknown; this provider is older than the state, use a newer one", s.Phase)
	}
	if row.Do == Stop {
		return s, true, nil
	}
	move, ok := row.On[r.Outcome]
	if !ok {
		move = Move{To: s.Phase, Halt: true}
	}
	next = s
	next.Phase = move.To
	if r.CartID != "" {
		next.CartID = r.CartID
	}
	if r.OrderID != 0 {
		if s.OrderID != 0 && s.OrderID != r.OrderID {
			return s, true, fmt.Errorf("%s: order %d would be forgotten for order %d", s.Mark, s.OrderID, r.OrderID)
		}
		next.OrderID = r.OrderID
	}
	if r.ServiceName != "" {
		next.ServiceName = r.ServiceName
	}
	if r.Outcome == Taken {
		next.OrderID = 0 // the account says whose it is
	}
	switch {
	case move.To != Unsure:
		next.Since = time.Time{}
	case !r.Since.IsZero() && (s.Since.IsZero() || r.Since.Before(s.Since)):
		next.Since = r.Since
	}
	if move.To == Ordered && next.OrderID == 0 {
		return s, true, fmt.Errorf("%s: a checkout was reported without an order id", s.Mark)
	}
	if move.To == Delivered && next.ServiceName == "" {
		return s, true, fmt.Errorf("%s: order %d was reported delivered without a service", s.Mark, next.OrderID)
	}
	return next, move.Halt, nil
}

// MayHaveBought says whether an order may exist: from then on an error must keep the resource in the state.
func (s State) MayHaveBought() bool { return s.Phase != Intent && s.Phase != Priced && s.Phase != "" }

// Settled says whether the order's life is over, well or not.
func (s State) Settled() bool { return Diagram[s.Phase].Do == Stop }
