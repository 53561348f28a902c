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
	Why  string // what this means for whoever waits, in a few words; docs/order.md shows it
}

// Row is one phase of the diagram.
type Row struct {
	Do   Step
	Kept string // where the phase is written before its step begins, so that a crash loses nothing
	On   map[Outcome]Move
}

// Diagram is the drawing above, row by row: the step of each phase and where each outcome of it leads. Every step says what becomes of success, refusal,
// timeout and an unknown outcome; docs/order.md is made of it. An outcome that is not listed halts where it is.
var Diagram = map[Phase]Row{
	Intent: {Price, "nowhere: nothing has happened; the step first makes a cart whose description is the mark", map[Outcome]Move{
		OK:      {To: Priced, Why: "the dry run agrees with the catalogue, the preview and the budget"},
		Unknown: {To: Unsure, Why: "a cart of this mark was there already: an earlier run came at least this far"},
		Refused: {To: Intent, Halt: true, Why: "nothing was bought, the cart is thrown away; the error says why"},
		Timeout: {To: Intent, Halt: true, Why: "another run of this node is at work; nothing was bought"},
	}},
	Priced: {Checkout, "the cart in the account, not checked out", map[Outcome]Move{
		OK:      {To: Ordered, Why: "the order's id came back"},
		Refused: {To: Intent, Halt: true, Why: "OVH looked at it and said no: no stock, no right, another price; nothing was bought"},
		Unknown: {To: Unsure, Why: "no usable answer: it is looked for, never sent again"},
		Timeout: {To: Unsure, Why: "the account's lock did not come free: somebody may have bought"},
	}},
	Unsure: {Reconcile, "the cart in the account; the time since when, in the state", map[Outcome]Move{
		OK:      {To: Ordered, Why: "exactly one order can be it: adopted"},
		None:    {To: Intent, Why: "proven not bought: no open cart of the mark is left, and no order"},
		Several: {To: Unsure, Halt: true, Why: "all of them are printed with the command that adopts one"},
		Unknown: {To: Unsure, Halt: true, Why: "the account cannot be seen, or the order does not show yet; nothing is bought before it can"},
		Refused: {To: Unsure, Halt: true, Why: "the credential may not look; the error names the route"},
		Timeout: {To: Unsure, Halt: true, Why: "the account's lock did not come free"},
	}},
	Ordered: {Claim, "the order's id in the state, the order and the spent cart in the account", map[Outcome]Move{
		OK:      {To: Claimed, Why: "an empty cart says whose order it is"},
		Taken:   {To: Unsure, Why: "an equal intent has claimed it: one of its own is looked for"},
		Unknown: {To: Ordered, Halt: true, Why: "claimed again by the next run; twice is as good as once"},
		Refused: {To: Ordered, Halt: true, Why: "placed, not claimed; run again"},
		Timeout: {To: Ordered, Halt: true, Why: "placed, not claimed; run again"},
	}},
	Claimed: {Pay, "the claim in the account: an empty cart \"<mark>#<order id>\"", map[Outcome]Move{
		OK:      {To: Paid, Why: "paid, seen paid, or perhaps paid: following shows it"},
		Gone:    {To: Cancelled, Halt: true, Why: "cancelled before it was paid"},
		Refused: {To: Claimed, Halt: true, Why: "dearer than promised, or no means of payment; unpaid it lapses by itself"},
		Unknown: {To: Claimed, Halt: true, Why: "the next run looks before it pays"},
		Timeout: {To: Claimed, Halt: true, Why: "the next run looks before it pays"},
	}},
	Paid: {Follow, "OVH's follow-up of the order", map[Outcome]Move{
		Started:  {To: Delivering, Why: "OVH works on it"},
		Finished: {To: Delivered, Why: "the service's name is known"},
		Gone:     {To: Cancelled, Halt: true, Why: "OVH cancelled it; the run after this one orders anew"},
		Refused:  {To: Claimed, Halt: true, Why: "the payment does not show: the next run looks, and pays if nobody has"},
		Timeout:  {To: Paid, Halt: true, Why: "ordered, not delivered yet; run again"},
		Unknown:  {To: Paid, Halt: true, Why: "the order cannot be seen; run again"},
	}},
	Delivering: {Follow, "OVH's follow-up of the order", map[Outcome]Move{
		Started:  {To: Delivering, Why: "its steps are shown"},
		Finished: {To: Delivered, Why: "the service's name is known"},
		Gone:     {To: Cancelled, Halt: true, Why: "OVH cancelled it; the run after this one orders anew"},
		Timeout:  {To: Delivering, Halt: true, Why: "ordered, not delivered yet, or OVH asks for documents; run again"},
		Unknown:  {To: Delivering, Halt: true, Why: "the order cannot be seen; run again"},
		Refused:  {To: Delivering, Halt: true, Why: "OVH calls it unpaid for long; see its manager"},
	}},
	Delivered: {Tag, "the service's name in the state and in the order's rows", map[Outcome]Move{
		OK:      {To: Tagged, Why: "mark, name, renewal and boot are as the stack has them"},
		Unknown: {To: Delivered, Halt: true, Why: "delivered, not marked; run again"},
		Refused: {To: Delivered, Halt: true, Why: "delivered, not marked: the error says what is in the way"},
		Timeout: {To: Delivered, Halt: true, Why: "delivered, not marked; run again"},
	}},
	Tagged:    {Do: Stop, Kept: "the tag havre.mark on the service"},
	Cancelled: {Do: Stop, Kept: "the phase in the state, and the order's status"},
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
