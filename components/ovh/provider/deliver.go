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

// paying are the labels of OVH's follow-up that show a payment on its way; seeing one, nothing is paid again.
var paying = []string{"PAYMENT_INITIATED", "PAYMENT_RECEIVED", "PAYMENT_CONFIRMED", "REGISTERED_PAYMENT_INITIATED"}

// pay pays the order once, after it was compared with the promise. It looks before it pays, because the run before may have paid.
func (r *run) pay(ctx context.Context, s order.State) (order.Result, error) {
	look := func() (order.Outcome, error) {
		status, err := r.api.OrderStatus(ctx, s.OrderID)
		if err != nil {
			return order.Unknown, err
		}
		r.status = status
		if order.Dead(status) {
			return order.Gone, fmt.Errorf("order %d was cancelled; run pulumi up again to order anew", s.OrderID)
		}
		if status != "notPaid" {
			return order.OK, nil
		}
		steps, err := r.api.OrderFollowUp(ctx, s.OrderID)
		if err != nil {
			return order.Unknown, err
		}
		for _, step := range steps {
			for _, h := range step.History {
				if slices.Contains(paying, h.Label) {
					return order.OK, nil
				}
			}
		}
		return order.None, nil
	}
	at, err := look()
	if at != order.None {
		return order.Result{Outcome: at}, err
	}
	head, err := r.api.Order(ctx, s.OrderID)
	if err != nil {
		return order.Result{Outcome: order.Unknown}, err
	}
	if r.offer.plan == "" {
		return order.Result{Outcome: order.Refused}, fmt.Errorf("order %d is not paid: plan %s has no price in the catalogue any more to compare it with; pay it at %s or let it lapse", s.OrderID, r.args.PlanCode, head.URL)
	}
	limit, err := r.rt.limits(r.args)
	if err == nil {
		limit.First = r.rt.promised(r.urn, r.offer.key())
		if limit.Monthly != nil {
			err = limit.Check(r.offer.quote)
		}
	}
	if err == nil && head.PriceNet.Value >= r.offer.quote.First+order.Cent {
		err = fmt.Errorf("it costs %s %s, the catalogue says %s", head.PriceNet.Value, head.PriceNet.Currency, r.offer.quote.First)
	}
	if err == nil && limit.First != nil && head.PriceNet.Value >= *limit.First+order.Cent {
		err = fmt.Errorf("it costs %s %s, the preview promised %s", head.PriceNet.Value, head.PriceNet.Currency, *limit.First)
	}
	if err != nil {
		return order.Result{Outcome: order.Refused}, fmt.Errorf("order %d was placed but is not paid: %w; to take it, accept the price in the stack's offer, read a new preview and run again; else it lapses on %s, and a run after that orders anew",
			s.OrderID, err, head.Expires.Format(time.DateOnly))
	}
	if head.PriceWithTax.Value == 0 {
		err = r.api.PayNothing(ctx, s.OrderID)
	} else {
		var method int64
		if method, err = r.api.PaymentMethod(ctx); err != nil {
			return order.Result{Outcome: order.Unknown}, err
		}
		if method == 0 {
			return order.Result{Outcome: order.Refused}, fmt.Errorf("order %d is not paid: the account has no preferred means of payment; set one in OVH's manager and run again, or pay at %s", s.OrderID, head.URL)
		}
		err = r.api.Pay(ctx, s.OrderID, method)
	}
	if err == nil || api.Executed(err) {
		return order.Result{Outcome: order.OK}, nil // perhaps only: following shows it, and the next run looks again before it pays
	}
	if at, _ := look(); at == order.OK {
		return order.Result{Outcome: order.OK}, nil // paid by somebody else between the two calls
	}
	return order.Result{Outcome: order.Refused}, fmt.Errorf("order %d is not paid: %w", s.OrderID, err)
}

// patience is how many looks a payment may stay invisible: OVH shows an order as not paid for a while after it was.
const patience = 40

// follow waits for the delivery and shows OVH's own steps.
func (r *run) follow(ctx context.Context, s order.State) (order.Result, error) {
	shown, unpaid := "", 0
	for {
		status, err := r.api.OrderStatus(ctx, s.OrderID)
		switch {
		case err == nil:
		case !api.IsPassing(err):
			return order.Result{Outcome: order.Unknown}, err
		default:
			status = ""
		}
		if status != "" {
			r.status = status
		}
		switch status {
		case "cancelled", "cancelling":
			return order.Result{Outcome: order.Gone}, fmt.Errorf("order %d was cancelled by OVH; run pulumi up again to order anew", s.OrderID)
		case "documentsRequested":
			head, err := r.api.Order(ctx, s.OrderID)
			if err != nil {
				return order.Result{Outcome: order.Unknown}, err
			}
			return order.Result{Outcome: order.Timeout}, fmt.Errorf("OVH asks for documents before it delivers order %d; answer at %s, then run again: it goes on from here", s.OrderID, head.URL)
		case "notPaid":
			if unpaid++; unpaid > patience {
				return order.Result{Outcome: order.Refused}, fmt.Errorf("order %d is still not paid; run again, and pay it in OVH's manager if that does not help", s.OrderID)
			}
		case "delivered":
			facts, err := r.api.OrderFacts(ctx, s.OrderID)
			if err == nil && facts.Service(r.args.PlanCode) != "" {
				return order.Result{Outcome: order.Finished, ServiceName: facts.Service(r.args.PlanCode)}, nil
			}
			if err != nil && !api.IsPassing(err) {
				return order.Result{Outcome: order.Unknown}, err
			}
		case "delivering", "checking":
			if s.Phase == order.Paid {
				return order.Result{Outcome: order.Started}, nil
			}
		}
		if line := r.progress(ctx, s.OrderID, status); line != shown && line != "" {
			shown = line
			r.rt.status(ctx, "%s", line)
		}
		if time.Now().After(r.deadline) {
			checks := ""
			switch {
			case r.status == "notPaid" && s.Phase == order.Paid:
				// Back to the step that looks and then pays: however short its patience, a run must not follow an order that nobody pays for ever.
				return order.Result{Outcome: order.Refused}, fmt.Errorf("order %d is ordered, not paid yet (%s); run pulumi up again, it looks and pays if nobody has", s.OrderID, shown)
			case r.status == "checking":
				checks = ": OVH still checks it, which may take a day and may end in a question for documents"
			}
			return order.Result{Outcome: order.Timeout}, fmt.Errorf("order %d is ordered, not delivered yet (%s)%s; run pulumi up again, it goes on from here", s.OrderID, shown, checks)
		}
		if !r.rt.sleep(ctx) {
			return order.Result{Outcome: order.Timeout}, fmt.Errorf("interrupted while order %d was being delivered; run pulumi up again, it goes on from here", s.OrderID)
		}
	}
}

// progress is OVH's own account of where the order stands. It is a help only, so an error shows as the plain status.
func (r *run) progress(ctx context.Context, id int64, status string) string {
	steps, err := r.api.OrderFollowUp(ctx, id)
	if err != nil || len(steps) == 0 {
		return status
	}
	var parts []string
	last := ""
	for _, s := range steps {
		if s.Status == "DOING" || s.Status == "ERROR" {
			parts = append(parts, strings.ToLower(s.Step+" "+s.Status))
		}
		if n := len(s.History); n > 0 {
			last = s.History[n-1].Description
		}
	}
	if last != "" {
		parts = append(parts, last)
	}
	return fmt.Sprintf("order %d %s: %s", id, status, strings.Join(parts, ", "))
}

// look reads what a delivered service says of itself.
func (r *run) look(ctx context.Context, name string) error {
	s, err := r.api.Service(ctx, r.kind, name)
	if err != nil {
		return err
	}
	r.status, r.address, r.datacenter = s.State, s.Address, s.Datacenter
	return nil
}

// tag writes ownership and display name onto the service. Straight after a delivery OVH may not know it yet, so it is asked for a while.
func (r *run) tag(ctx context.Context, s order.State) (order.Result, error) {
	var err error
	for range 20 {
		if err = r.own(ctx, s); err == nil {
			return order.Result{Outcome: order.OK}, nil
		}
		if !api.IsPassing(err) && !api.IsNotFound(err) && !strings.Contains(err.Error(), "not active yet") {
			break
		}
		if s.OrderID == 0 && api.IsNotFound(err) {
			break // adopted or imported, so it was there
		}
		if !r.rt.sleep(ctx) {
			break
		}
	}
	return order.Result{Outcome: outcome(err)}, fmt.Errorf("%s is delivered but not marked as ours yet; run again: %w", s.ServiceName, err)
}

// fresh says whether nobody has installed a service since it was delivered: its tags may have been taken off.
func (r *run) fresh(ctx context.Context, service api.Service) (bool, error) {
	if r.kind == order.Dedicated && service.OS != "none_64" {
		return false, nil
	}
	task, err := r.api.NewestTask(ctx, r.kind, service.Name, r.kind.Traits().Tasks.Install)
	return task == 0, err
}

func (r *run) own(ctx context.Context, s order.State) error {
	service, err := r.api.Service(ctx, r.kind, s.ServiceName)
	if err != nil {
		return err
	}
	r.status, r.address, r.datacenter = service.State, service.Address, service.Datacenter
	tags, machine := service.IAM.Tags, r.kind.Traits().Machine
	if owner := tags[TagMark]; owner != "" && owner != s.Mark {
		return fmt.Errorf("%s belongs to %s already; take the tag %s off it if that is no longer so", s.ServiceName, owner, TagMark)
	}
	// The generation comes before the mark: only what we ordered, and nobody has installed since, may be wiped by a first installation.
	fresh := false
	if _, ok := tags[TagGeneration]; !ok && s.OrderID != 0 && machine {
		if fresh, err = r.fresh(ctx, service); err != nil {
			return err
		}
	}
	if fresh {
		if err := r.api.Tag(ctx, service.IAM.URN, TagGeneration, "0"); err != nil {
			return err
		}
	}
	if tags[TagMark] != s.Mark {
		if err := r.api.Tag(ctx, service.IAM.URN, TagMark, s.Mark); err != nil {
			return err
		}
	}
	if _, ok := tags[TagRetired]; ok { // after the mark, so that no crash leaves it without either
		if err := r.api.Untag(ctx, service.IAM.URN, TagRetired); err != nil {
			return err
		}
	}
	var info api.ServiceInfo
	if machine {
		if info, err = r.api.ServiceInfo(ctx, r.kind, s.ServiceName); err != nil {
			return err
		}
	}
	if want := deref(r.args.DisplayName, r.name); service.IAM.DisplayName != want {
		if err := r.api.SetDisplayName(ctx, r.kind, s.ServiceName, info.ID, want); err != nil {
			return err
		}
	}
	if !machine {
		return nil
	}
	if err := r.renew(ctx, s.ServiceName, info); err != nil {
		return err
	}
	return r.boot(ctx, service)
}
