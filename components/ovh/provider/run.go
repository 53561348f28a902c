package provider

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
)

// run performs the steps of one order. What comes next is decided by order.Next alone.
type run struct {
	rt       *runtime
	api      *api.Client
	kind     order.Kind
	name     string
	urn      string
	mark     string
	args     ServiceArgs
	offer    offer
	deadline time.Time
	began    time.Time // by OVH's clock

	unlock       func()          // the account's lock
	unlockMark   func()          // the lock of this mark: a second run of the same node on this machine waits and then adopts
	seen         map[string]bool // carts that were checked out and whose order is known to be dead
	rounds       int
	priced       time.Time
	billed       *api.Amount // what an adopted service costs a month by its own bill
	bought       bool        // the checkout was this run's own, so nobody else can have claimed its order
	availability string
	status       string
	address      string
	datacenter   string
}

// markOf derives the mark from the URN.
func markOf(ctx context.Context) (string, error) {
	urn := urnOf(ctx)
	if !urn.IsValid() {
		return "", fmt.Errorf("URN %q is not one", urn)
	}
	return order.Mark(string(urn.Project()), string(urn.Stack()), urn.Name(), string(urn)), nil
}

func newRun(ctx context.Context, kind order.Kind, name string, args ServiceArgs) (*run, error) {
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return nil, err
	}
	mark, err := markOf(ctx)
	if err != nil {
		return nil, err
	}
	return &run{
		rt: rt, api: c, kind: kind, name: name, urn: string(urnOf(ctx)), mark: mark, args: args, deadline: time.Now().Add(rt.wait), seen: map[string]bool{},
		availability: "unknown",
	}, nil
}

// owned finds the service that carries our mark, so that a run on a lost state adopts it.
func (r *run) owned(ctx context.Context) (string, error) {
	names, err := r.api.Services(ctx, r.kind, TagMark, r.mark)
	if err != nil {
		return "", err
	}
	var mine []string
	for _, n := range names {
		s, err := r.api.Service(ctx, r.kind, n)
		if api.IsNotFound(err) || api.IsExpired(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		if s.IAM.Tags[TagMark] == r.mark {
			mine = append(mine, n)
		}
	}
	switch len(mine) {
	case 0:
		return "", nil
	case 1:
		return mine[0], nil
	}
	return "", fmt.Errorf("%s: %s all carry the mark %s; take it off those that are not this node", r.name, strings.Join(mine, " and "), r.mark)
}

// price reads the catalogue and holds the offer against every bound that is known.
func (r *run) price(ctx context.Context, preview bool) error {
	o, err := priceOf(ctx, r.api, r.kind, r.args)
	if err != nil {
		return err
	}
	r.offer = o
	if !r.kind.Traits().Machine {
		return nil // free: it has no place in a budget
	}
	limit, err := r.rt.limits(r.args)
	if err != nil {
		return err
	}
	if !preview {
		limit.First = r.rt.promised(r.urn, o.key())
	}
	if err := limit.Check(o.quote); err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	if err := r.rt.count(urnOf(ctx), o.quote.Monthly, true, o.quote.Currency); err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	return nil
}

// preview tells what an order would cost and when it would come; nothing is written at OVH.
func (r *run) preview(ctx context.Context, found holding) (ServiceState, error) {
	if found.service != "" {
		state := order.State{Phase: order.Tagged, Mark: r.mark, ServiceName: found.service}
		if err := errors.Join(r.look(ctx, found.service), r.bill(ctx, found.service)); err != nil {
			return ServiceState{}, err
		}
		r.rt.log(ctx, "%s", found.say(r.kind, true))
		return r.output(state, ServiceState{}), nil
	}
	if err := r.price(ctx, true); err != nil {
		return ServiceState{}, err
	}
	planned := order.State{Mark: r.mark, Phase: order.Intent}
	if !r.kind.Traits().Machine {
		r.rt.log(ctx, "orders a %s, free of charge: a checkout that asks for money is refused", r.kind)
		return r.output(planned, ServiceState{}), nil
	}
	account, err := r.api.Account(ctx)
	if err != nil {
		return ServiceState{}, err
	}
	// A promise of stock is a help, never a reason to stop a preview.
	if r.availability, err = r.api.Availability(ctx, r.kind, account.Subsidiary, r.offer.plan, r.offer.datacenter, r.offer.os, r.offer.options); err != nil && !api.IsNotFound(err) && !api.IsPassing(err) {
		return ServiceState{}, err
	}
	if err := r.rt.remember(r.urn, r.offer.key(), r.offer.quote.First); err != nil {
		return ServiceState{}, fmt.Errorf("promised price: %w; set OVHMETAL_CACHE to a folder that can be written", err)
	}
	r.rt.log(ctx, "%s", r.offer.show(r.availability))
	return r.output(planned, ServiceState{}), nil
}

// bill reads what an adopted service really costs: catalogues change, contracts do not.
func (r *run) bill(ctx context.Context, name string) error {
	if !r.kind.Traits().Machine {
		return nil
	}
	info, err := r.api.ServiceInfo(ctx, r.kind, name)
	if err != nil {
		return err
	}
	plan, monthly, err := r.api.ServicePlan(ctx, info.ID)
	if err != nil {
		return err
	}
	if plan != r.args.PlanCode {
		return fmt.Errorf("%s: %s is held for this node and is plan %s, but the stack wants %s: nothing replaces a bought server; set the plan back to %s, or give the new server a new node name",
			r.name, name, plan, r.args.PlanCode, plan)
	}
	r.billed = &monthly
	return r.rt.count(urnOf(ctx), monthly.Value, false, monthly.Currency)
}

// known prices what is ordered already; a plan that is no longer sold has no price, which must not endanger its delivery.
func (r *run) known(ctx context.Context) error {
	o, err := priceOf(ctx, r.api, r.kind, r.args)
	if err != nil {
		var e *api.Error
		if errors.As(err, &e) {
			return err
		}
		return nil
	}
	r.offer = o
	if !r.kind.Traits().Machine {
		return nil
	}
	return r.rt.count(urnOf(ctx), o.quote.Monthly, false, o.quote.Currency)
}

// output lays the state out for Pulumi. What this run did not learn is taken from the old state.
func (r *run) output(s order.State, old ServiceState) ServiceState {
	out := old
	out.ServiceArgs = r.args
	out.Since, out.Unmarked = "", false
	if !s.Since.IsZero() {
		out.Since = s.Since.UTC().Format(time.RFC3339)
	}
	out.ServiceName, out.OrderID, out.CartID, out.Mark, out.Phase = s.ServiceName, api.ID(s.OrderID), s.CartID, r.mark, string(s.Phase)
	take := func(to *string, v string) {
		if v != "" {
			*to = v
		}
	}
	take(&out.Status, r.status)
	take(&out.Address, r.address)
	take(&out.DeliveredDatacenter, r.datacenter)
	switch {
	case old.MonthlyPrice != "":
	case r.billed != nil: // its set-up was paid in another life of the state; nothing will be paid once again
		out.MonthlyPrice, out.SetupPrice, out.Currency = r.billed.Value.String(), order.Money(0).String(), r.billed.Currency
	case r.offer.plan != "":
		out.MonthlyPrice, out.SetupPrice, out.Currency = r.offer.quote.Monthly.String(), r.offer.quote.Setup.String(), r.offer.quote.Currency
	}
	if r.availability != "unknown" || out.Availability == "" {
		out.Availability = r.availability
	}
	return out
}

// advance goes on from s until the order's life is over or this run must end. The state it returns is always the newest, error or not.
func (r *run) advance(ctx context.Context, s order.State) (order.State, error) {
	defer func() {
		r.release()
		if r.unlockMark != nil {
			r.unlockMark()
		}
	}()
	r.began = r.api.Now()
	if s.Phase == order.Delivered && s.OrderID == 0 {
		if err := r.bill(ctx, s.ServiceName); err != nil {
			return s, err
		}
	} else if s.Phase != order.Intent && s.Phase != order.Unsure {
		if err := r.known(ctx); err != nil {
			return s, err
		}
	} else if err := r.price(ctx, false); err != nil {
		return s, err
	}
	for {
		step := order.Diagram[s.Phase].Do
		if step == order.Stop {
			return s, r.verdict(s)
		}
		if err := ctx.Err(); err != nil {
			return s, fmt.Errorf("%s: interrupted at %q: %w", r.name, s.Phase, err)
		}
		result, err := r.perform(ctx, step, s)
		next, halt, wrong := order.Next(s, result)
		if wrong != nil {
			return s, wrong
		}
		if next.Phase != order.Priced && next.Phase != order.Unsure && next.Phase != order.Ordered {
			r.release()
		}
		s = next
		if halt {
			if err == nil {
				err = fmt.Errorf("stopped at %q", s.Phase)
			}
			return s, fmt.Errorf("%s: %w", r.name, err)
		}
	}
}

func (r *run) release() {
	if r.unlock != nil {
		r.unlock()
		r.unlock = nil
	}
}

// verdict is the last word on a settled order.
func (r *run) verdict(s order.State) error {
	if s.Phase == order.Cancelled {
		return fmt.Errorf("%s: order %d was cancelled; run pulumi up again to order anew", r.name, s.OrderID)
	}
	if r.datacenter != "" && r.args.Datacenter != "" && !inCity(r.datacenter, r.args.Datacenter) && (r.kind == order.Dedicated || len(r.args.Datacenter) == 3) {
		return fmt.Errorf("%s: OVH delivered %s in %s, but %s was ordered; accept it by changing the node's data centre to %s, or retire the node and complain to OVH's support",
			r.name, s.ServiceName, r.datacenter, r.args.Datacenter, strings.TrimRight(r.datacenter, "0123456789"))
	}
	return nil
}

// perform does one step. Its outcome says what is proven; its error is for people.
func (r *run) perform(ctx context.Context, step order.Step, s order.State) (order.Result, error) {
	switch step {
	case order.Price:
		if err := r.holdMark(ctx); err != nil {
			return order.Result{Outcome: order.Timeout}, err
		}
		return r.fill(ctx)
	case order.Checkout, order.Reconcile, order.Claim:
		// An interrupt must not tear apart what happens between the checkout and the written claim: it takes effect after it.
		whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
		defer cancel()
		if err := errors.Join(r.holdMark(ctx), r.hold(ctx)); err != nil {
			return order.Result{Outcome: order.Timeout}, err
		}
		switch step {
		case order.Checkout:
			return r.buy(whole, s)
		case order.Reconcile:
			return r.reconcile(whole, s)
		}
		return r.claim(whole, s)
	case order.Pay:
		return r.pay(ctx, s)
	case order.Follow:
		return r.follow(ctx, s)
	case order.Tag:
		return r.tag(ctx, s)
	}
	return order.Result{}, fmt.Errorf("step %q is unknown", step)
}

// hold takes the account's lock unless this run has it.
func (r *run) hold(ctx context.Context) error {
	if r.unlock != nil {
		return nil
	}
	account, err := r.api.Account(ctx)
	if err != nil {
		return err
	}
	r.unlock, err = r.rt.lock(ctx, account.Name)
	return err
}

// holdMark takes the lock of this node's mark, before that of the account.
func (r *run) holdMark(ctx context.Context) (err error) {
	if r.unlockMark == nil {
		r.unlockMark, err = r.rt.lock(ctx, r.mark)
	}
	return err
}

// outcome sorts an error of a call that creates or changes something.
func outcome(err error) order.Outcome {
	if api.Executed(err) {
		return order.Unknown
	}
	return order.Refused
}

// fill writes the mark, fills the cart and has OVH price it. Nothing here costs money, so what went wrong halfway is thrown away and done again.
func (r *run) fill(ctx context.Context) (order.Result, error) {
	r.rounds++
	if r.rounds > 1 {
		// Two runs that stood back for each other must not come again together.
		for range rand.IntN(r.rounds + 1) {
			r.rt.sleep(ctx)
		}
	}
	if r.rounds > 5 {
		return order.Result{Outcome: order.Refused}, fmt.Errorf("another run keeps ordering the same node; nothing was bought by this one: wait for it, then run again")
	}
	carts, err := r.api.Carts(ctx, r.mark)
	if err != nil {
		return order.Result{Outcome: order.Refused}, err
	}
	for _, c := range carts {
		if !r.seen[c] {
			return order.Result{Outcome: order.Unknown}, nil // an earlier run came at least this far
		}
	}
	account, err := r.api.Account(ctx)
	if err != nil {
		return order.Result{Outcome: order.Refused}, err
	}
	for attempt := 1; ; attempt++ {
		id, err := r.cart(ctx, account.Subsidiary)
		if err == nil {
			r.priced = time.Now()
			return order.Result{Outcome: order.OK, CartID: id}, nil
		}
		if id != "" {
			if gone := r.api.DeleteCart(context.WithoutCancel(ctx), id); gone != nil {
				err = errors.Join(err, gone)
			}
		}
		if attempt == 3 || !api.IsPassing(err) || ctx.Err() != nil {
			return order.Result{Outcome: order.Refused}, soldOut(err)
		}
	}
}

func (r *run) cart(ctx context.Context, subsidiary string) (string, error) {
	cart, err := r.api.NewCart(ctx, subsidiary, r.mark, r.api.Now().Add(CartLife))
	if err != nil {
		return cart.ID, err
	}
	item, err := r.api.AddItem(ctx, cart.ID, r.offer.product, r.offer.plan, r.offer.duration, r.offer.mode)
	if err != nil {
		return cart.ID, err
	}
	for _, option := range r.offer.options {
		if err := r.api.AddOption(ctx, cart.ID, r.offer.product, item, option, r.offer.duration, r.offer.mode); err != nil {
			return cart.ID, err
		}
	}
	required, err := r.api.RequiredConfiguration(ctx, cart.ID, item)
	if err != nil {
		return cart.ID, err
	}
	// Data centre, then OS, then region: OVH has been seen to refuse the region first.
	rank := func(label string) int {
		switch {
		case strings.HasSuffix(label, "_datacenter"):
			return 0
		case strings.HasSuffix(label, "_os"):
			return 1
		}
		return 2
	}
	slices.SortStableFunc(required, func(a, b api.Required) int { return rank(a.Label) - rank(b.Label) })
	for _, q := range required {
		var value string
		switch {
		case rank(q.Label) == 0:
			value = r.offer.datacenter
		case rank(q.Label) == 1:
			value = r.offer.os
		case q.Label == "region":
			value = region(r.offer.datacenter, q.Allowed)
		case !q.Required:
			continue
		case len(q.Allowed) == 1:
			value = q.Allowed[0]
		default:
			return cart.ID, fmt.Errorf("plan %s needs a value for %q, which this provider does not know; it allows %s", r.offer.plan, q.Label, strings.Join(q.Allowed, ", "))
		}
		if len(q.Allowed) > 0 && !slices.Contains(q.Allowed, value) {
			return cart.ID, fmt.Errorf("plan %s takes no %s %q; it allows %s", r.offer.plan, q.Label, value, strings.Join(q.Allowed, ", "))
		}
		if err := r.api.Configure(ctx, cart.ID, item, q.Label, value); err != nil {
			return cart.ID, err
		}
	}
	return cart.ID, r.dryRun(ctx, cart.ID)
}

// dryRun has OVH price the cart, and compares with what the catalogue said and the preview promised.
func (r *run) dryRun(ctx context.Context, cart string) error {
	bill, err := r.api.DryRun(ctx, cart)
	if err != nil {
		return err
	}
	return r.affordable(bill.Prices.WithoutTax)
}

func (r *run) affordable(bill api.Amount) error {
	if free := !r.kind.Traits().Machine; free && bill.Value > 0 {
		return fmt.Errorf("nothing was bought: OVH asks %s %s for a %s, which is free; look at its price list, order it by hand if that is right, and name it in the stack (Adopt)",
			bill.Value, bill.Currency, r.kind)
	} else if free {
		return nil
	}
	if bill.Currency != r.offer.quote.Currency {
		return fmt.Errorf("nothing was bought: the bill is in %s, the catalogue in %s", bill.Currency, r.offer.quote.Currency)
	}
	if bill.Value >= r.offer.quote.First+order.Cent { // bills are rounded to cents, catalogues need not be
		return fmt.Errorf("nothing was bought: the first bill would be %s %s, the catalogue says %s; read a new preview first", bill.Value, bill.Currency, r.offer.quote.First)
	}
	return nil
}

func region(datacenter string, allowed []string) string {
	want := "europe"
	switch strings.ToLower(datacenter) {
	case "bhs", "yyz", "ca":
		want = "canada"
	case "hil", "vin", "us-east-va", "us-west-or":
		want = "united_states"
	case "sgp", "syd", "ynm", "mum":
		want = "apac"
	}
	if len(allowed) > 0 && !slices.Contains(allowed, want) {
		return allowed[0]
	}
	return want
}

// soldOut adds the way on to OVH's word that a plan is not to be had. It says so at the dry run, or only at the checkout when the last one went in between.
func soldOut(err error) error {
	if err == nil || !strings.Contains(err.Error(), "is not available in") {
		return err
	}
	return fmt.Errorf("%w; it is out of stock: run again later, or choose another data centre or plan in the stack", err)
}

// buy checks the cart out, if it is the only one of its mark. Seeing another one, this run stands back: of two runs that wrote before they looked, at most
// one sees only itself, so at most one buys.
func (r *run) buy(ctx context.Context, s order.State) (order.Result, error) {
	carts, err := r.api.Carts(ctx, s.Mark)
	if err != nil {
		return order.Result{Outcome: order.Refused}, errors.Join(err, r.api.DeleteCart(ctx, s.CartID))
	}
	for _, c := range carts {
		if c != s.CartID && !r.seen[c] {
			if err := r.api.DeleteCart(ctx, s.CartID); err != nil {
				return order.Result{Outcome: order.Unknown}, err
			}
			return order.Result{Outcome: order.Unknown}, nil
		}
	}
	if time.Since(r.priced) > 2*time.Second { // waited for the lock: prices and stock may have moved
		if err := r.dryRun(ctx, s.CartID); err != nil {
			if api.IsNotFound(err) {
				return order.Result{Outcome: order.Unknown}, nil // another run took the cart away
			}
			return order.Result{Outcome: order.Refused}, errors.Join(soldOut(err), r.api.DeleteCart(ctx, s.CartID))
		}
	}
	bill, err := r.api.Buy(ctx, s.CartID)
	switch {
	case err == nil:
		r.bought = true
		r.rt.log(ctx, "order %d placed: %s", bill.OrderID, bill.URL)
		return order.Result{Outcome: order.OK, OrderID: bill.OrderID}, nil
	case api.Executed(err), api.IsNotFound(err):
		r.rt.status(ctx, "the checkout was not answered, looking for its order")
		return order.Result{Outcome: order.Unknown}, err
	}
	return order.Result{Outcome: order.Refused}, errors.Join(fmt.Errorf("nothing was bought: %w", soldOut(err)), r.api.DeleteCart(ctx, s.CartID))
}
