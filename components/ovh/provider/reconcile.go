package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
)

// reconcile finds out whether this intent has placed an order. It first takes away every cart of the mark that could still be checked out, so that what is
// found afterwards is all there will ever be: a checkout either happened before and shows in the orders, or finds no cart.
func (r *run) reconcile(ctx context.Context, s order.State) (order.Result, error) {
	since := r.began
	if !s.Since.IsZero() && s.Since.Before(since) {
		since = s.Since
	}
	unknown := func(err error) (order.Result, error) {
		return order.Result{Outcome: order.Unknown, Since: since}, fmt.Errorf("whether an order was placed cannot be seen now, and nothing is bought before it can: run again: %w", err)
	}
	carts, err := r.api.Carts(ctx, s.Mark)
	if err != nil {
		return unknown(err)
	}
	var spent []string // checked out
	for _, id := range carts {
		cart, err := r.api.Cart(ctx, id)
		if api.IsNotFound(err) {
			continue
		}
		if err != nil {
			return unknown(err)
		}
		if made := cart.Expire.Add(-CartLife); made.Before(since) {
			since = made
		}
		if !cart.ReadOnly {
			err := r.api.DeleteCart(ctx, id)
			if err != nil && !api.Executed(err) {
				// Perhaps it was checked out between the two calls.
				if cart, err = r.api.Cart(ctx, id); err == nil && !cart.ReadOnly {
					err = fmt.Errorf("cart %s can neither be removed nor is it checked out", id)
				}
				if api.IsNotFound(err) {
					continue
				}
			}
			if err != nil {
				return unknown(err)
			}
		}
		if cart.ReadOnly {
			spent = append(spent, id)
		}
	}
	for waited := 0; ; waited++ {
		result, others, err := r.choose(ctx, s, since, spent)
		if err != nil && result.Outcome == "" {
			return unknown(err)
		}
		// A run on another machine may be between its checkout and its claim: let it claim first, then choose among what is left.
		if result.Outcome == order.OK && others > 0 && waited < 10 {
			time.Sleep(min(r.rt.options.Poll, 6*time.Second))
			continue
		}
		if result.Outcome == order.OK {
			r.rt.log(ctx, "order %d was placed by an earlier attempt: adopted, nothing is bought again", result.OrderID)
		}
		return result, err
	}
}

// choose applies the rules to what the account shows now. Others says how many checked-out carts of other marks wait beside ours, when that matters.
func (r *run) choose(ctx context.Context, s order.State, since time.Time, spent []string) (result order.Result, others int, err error) {
	books, err := r.books(ctx)
	if err != nil {
		return result, 0, err
	}
	orders, err := r.candidates(ctx, since, books.claims)
	if err != nil {
		return result, 0, err
	}
	wish := order.Wish{Mark: s.Mark, PlanCode: r.offer.plan, Datacenter: r.offer.datacenter, Options: r.offer.options, Since: since}
	evidence := order.Evidence{Mine: max(0, len(spent)-order.Explained(wish, orders)), Others: books.others}
	outcome, found := order.Find(wish, evidence, orders)
	switch outcome {
	case order.OK:
		if c := found[0]; c.PlanCode != r.offer.plan {
			return order.Result{Outcome: order.Several, Since: since}, 0, fmt.Errorf("order %d, which this node placed, is for plan %s, and the stack now wants %s: nothing was bought; "+
				"set the plan back to %s until the order is delivered, or give the new server a new node name", c.OrderID, c.PlanCode, r.offer.plan, c.PlanCode)
		}
		if found[0].ClaimedBy == "" {
			others = books.others
		}
		return order.Result{Outcome: order.OK, OrderID: found[0].OrderID}, others, nil
	case order.Several:
		return order.Result{Outcome: order.Several, Since: since}, 0, order.Ambiguous(wish, r.kind.Traits().Token, r.name, found)
	}
	if evidence.Mine > 0 {
		return order.Result{Outcome: order.Unknown, Since: since}, 0,
			fmt.Errorf("cart %s was checked out, but its order does not show yet; nothing is bought again: run again in a few minutes", spent[0])
	}
	for _, id := range spent {
		r.seen[id] = true
	}
	return order.Result{Outcome: order.None}, 0, nil
}

// candidates lists the account's orders since a moment, and those our mark has claimed whenever that was, with who claims them.
func (r *run) candidates(ctx context.Context, since time.Time, claims map[int64][]string) ([]order.Candidate, error) {
	ids, err := r.api.Orders(ctx, since.Add(-order.Skew))
	if err != nil {
		return nil, err
	}
	listed := map[int64]bool{}
	for _, id := range ids {
		listed[id] = true
	}
	for id, marks := range claims {
		if slices.Contains(marks, r.mark) && !listed[id] {
			ids = append(ids, id)
		}
	}
	var out []order.Candidate
	for _, id := range ids {
		owner := ""
		if slices.Contains(claims[id], r.mark) {
			owner = r.mark
		} else if len(claims[id]) > 0 {
			continue
		}
		facts, err := r.api.OrderFacts(ctx, id)
		if err != nil {
			return nil, err
		}
		c := order.Candidate{OrderID: id, Date: facts.Date, ClaimedBy: owner}
		c.PlanCode = r.offer.plan
		if _, _, ours := facts.Of(c.PlanCode); !ours {
			if owner == "" {
				continue
			}
			c.PlanCode = facts.Main() // this node was another plan once
		}
		c.Datacenter, c.Options, _ = facts.Of(c.PlanCode)
		if c.Status, err = r.api.OrderStatus(ctx, id); err != nil {
			return nil, err
		}
		c.ServiceName = facts.Service(c.PlanCode)
		if c.ServiceName != "" {
			service, err := r.api.Service(ctx, r.kind, c.ServiceName)
			switch {
			case api.IsNotFound(err):
				c.Ended = true
			case api.IsExpired(err): // it can be brought back, so it is not ended
			case err != nil:
				return nil, err
			default:
				if mark := service.IAM.Tags[TagMark]; mark != "" {
					c.ClaimedBy = mark
				}
				if r.kind.Traits().Machine {
					info, err := r.api.ServiceInfo(ctx, r.kind, c.ServiceName)
					if err != nil {
						return nil, err
					}
					c.Ended = info.Renew.DeleteAtExpiration
				}
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// accountBooks is what the descriptions of the account's carts say.
type accountBooks struct {
	claims map[int64][]string // by order: the marks that claim it
	others int                // see order.Evidence
}

func (r *run) books(ctx context.Context) (accountBooks, error) {
	b := accountBooks{claims: map[int64][]string{}}
	ids, err := r.api.Carts(ctx, "")
	if err != nil {
		return b, err
	}
	claimed, bought := map[string]int{}, map[string]int{}
	for _, id := range ids {
		cart, err := r.api.Cart(ctx, id)
		if api.IsNotFound(err) {
			continue
		}
		if err != nil {
			return b, err
		}
		if mark, n, ok := order.ParseClaim(cart.Description); ok {
			if !slices.Contains(b.claims[n], mark) {
				claimed[mark]++
				b.claims[n] = append(b.claims[n], mark)
			}
			continue
		}
		if !cart.ReadOnly || cart.Description == r.mark || !strings.HasPrefix(cart.Description, "havre:") {
			continue
		}
		plan, err := r.api.CartPlan(ctx, id)
		if err != nil && !api.IsNotFound(err) {
			return b, err
		}
		if plan == r.offer.plan {
			bought[cart.Description]++
		}
	}
	for mark, n := range bought {
		b.others += max(0, n-claimed[mark])
	}
	return b, nil
}

// claim writes the order id into the account, as the description of an empty cart, unless it stands there. An order that this run did not place itself may
// have been taken by an equal intent meanwhile: whoever sees another's claim beside its own stands back.
func (r *run) claim(ctx context.Context, s order.State) (order.Result, error) {
	failed := func(err error) (order.Result, error) {
		return order.Result{Outcome: outcome(err)}, fmt.Errorf("order %d is placed but not claimed yet; run again: %w", s.OrderID, err)
	}
	taken := func() (bool, error) {
		if r.bought {
			return false, nil
		}
		books, err := r.books(ctx)
		return slices.ContainsFunc(books.claims[s.OrderID], func(m string) bool { return m != s.Mark }), err
	}
	if other, err := taken(); err != nil {
		return failed(err)
	} else if other {
		return order.Result{Outcome: order.Taken}, nil
	}
	description := order.ClaimMark(s.Mark, s.OrderID)
	carts, err := r.api.Carts(ctx, description)
	if err != nil {
		return failed(err)
	}
	if len(carts) == 0 {
		account, err := r.api.Account(ctx)
		if err != nil {
			return failed(err)
		}
		cart, err := r.api.NewCart(ctx, account.Subsidiary, description, r.api.Now().Add(CartLife))
		if err != nil {
			return failed(err)
		}
		carts = []string{cart.ID}
	}
	if other, err := taken(); err != nil {
		return failed(err)
	} else if other {
		for _, id := range carts {
			if err := r.api.DeleteCart(ctx, id); err != nil {
				return failed(err)
			}
		}
		return order.Result{Outcome: order.Taken}, nil
	}
	return order.Result{Outcome: order.OK}, nil
}
