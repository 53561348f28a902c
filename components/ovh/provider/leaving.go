package provider

import (
	"context"
	"fmt"
	"strconv"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
)

// renews is the stack's word on what happens at expiry: a service it holds goes on, unless it says otherwise.
func renews(a ServiceArgs) bool { return a.Renewal == nil || *a.Renewal }

// goesOn says whether OVH would renew a service by itself.
func goesOn(r api.Renew) bool { return r.Automatic && !r.DeleteAtExpiration }

// renew makes OVH's word on the renewal that of the stack. It undoes a termination that has not happened yet.
func (r *run) renew(ctx context.Context, name string, info api.ServiceInfo) error {
	want := renews(r.args)
	if info.Renew.Automatic == want && !info.Renew.DeleteAtExpiration {
		return nil
	}
	leaving := info.Renew.DeleteAtExpiration
	// OVH switches the automatic renewal off by itself when a service is given up, and not on again: both are said.
	info.Renew.Automatic, info.Renew.DeleteAtExpiration = want, false
	if err := r.api.SetRenew(ctx, r.kind, name, info.Renew); err != nil {
		return err
	}
	switch {
	case leaving:
		r.rt.log(ctx, "%s was to end on %s: that is undone", name, info.Expiration)
	case want:
		r.rt.log(ctx, "%s is renewed automatically from now on", name)
	default:
		r.rt.log(ctx, "%s is not renewed automatically any more: OVH suspends it on %s unless somebody pays for it by hand", name, info.Expiration)
	}
	return nil
}

// returning finds the service that this node had and gave up, while OVH still runs it. Only one that is what the stack wants now may come back.
func (r *run) returning(ctx context.Context) (string, error) {
	names, err := r.api.Services(ctx, r.kind, TagRetired, r.mark)
	if err != nil {
		return "", err
	}
	best, last := "", ""
	for _, n := range names {
		s, err := r.api.Service(ctx, r.kind, n)
		if api.IsNotFound(err) || api.IsExpired(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		if s.IAM.Tags[TagRetired] != r.mark || s.IAM.Tags[TagMark] != "" {
			continue
		}
		if !r.kind.Traits().Machine {
			return n, nil
		}
		if !inCity(s.Datacenter, r.args.Datacenter) {
			continue
		}
		info, err := r.api.ServiceInfo(ctx, r.kind, n)
		if err != nil {
			return "", err
		}
		plan, _, err := r.api.ServicePlan(ctx, info.ID)
		if err != nil {
			return "", err
		}
		if plan == r.args.PlanCode && info.Expiration > last { // the longest paid for, should the node have left more than once
			best, last = n, info.Expiration
		}
	}
	return best, nil
}

func deleteService(ctx context.Context, kind order.Kind, s ServiceState) error {
	if !truth(s.Retired) && !truth(s.Disposable) {
		return fmt.Errorf("%s is not given up: the stack has not retired this node; set Retired on it, run pulumi up, and only then remove it", name(s))
	}
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return err
	}
	if s.ServiceName == "" {
		if s.OrderID == "" {
			if order.Phase(s.Phase) == order.Unsure {
				return fmt.Errorf("%s may have placed an order: run pulumi up first, so that it is found", s.Mark)
			}
			return nil
		}
		n, err := strconv.ParseInt(s.OrderID, 10, 64)
		if err != nil {
			return fmt.Errorf("order id %q of the state is not a number", s.OrderID)
		}
		status, err := c.OrderStatus(ctx, n)
		if err != nil {
			return err
		}
		if order.Dead(status) || status == "notPaid" {
			return nil // an unpaid order lapses by itself
		}
		return fmt.Errorf("order %s is %s and cannot be given up before it is delivered; run pulumi up when it is, then remove it, or withdraw the order in OVH's manager", s.OrderID, status)
	}
	service, err := c.Service(ctx, kind, s.ServiceName)
	if api.IsNotFound(err) || api.IsExpired(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if owner := service.IAM.Tags[TagMark]; owner != "" && owner != s.Mark {
		return fmt.Errorf("%s now belongs to %s, which is not this node; remove it from the state with pulumi state delete", s.ServiceName, owner)
	}
	if kind == order.Vrack {
		members, err := c.VrackMembers(ctx, s.ServiceName)
		if err != nil {
			return err
		}
		if len(members) > 0 {
			return fmt.Errorf("%s still joins %d interfaces; take their servers out of it first, then remove it", s.ServiceName, len(members))
		}
	}
	// The mark gives way to another one: a new order of the same name must never take a service that is about to end for its own delivery, and the same node,
	// should it come back in time, must find it. What its disks hold stays written down for that day.
	if err := c.Tag(ctx, service.IAM.URN, TagRetired, s.Mark); err != nil && !api.IsNotFound(err) && !api.IsExpired(err) {
		return err
	}
	if _, ok := service.IAM.Tags[TagMark]; ok {
		if err := c.Untag(ctx, service.IAM.URN, TagMark); err != nil && !api.IsNotFound(err) && !api.IsExpired(err) {
			return err
		}
	}
	if !kind.Traits().Machine {
		rt.log(ctx, "%s stays in the account, empty and free of charge, and this node takes it back when the stack names it again; OVH ends it in its manager", s.ServiceName)
		return nil
	}
	info, err := c.ServiceInfo(ctx, kind, s.ServiceName)
	if api.IsNotFound(err) || api.IsExpired(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Renew.DeleteAtExpiration {
		info.Renew.DeleteAtExpiration, info.Renew.Automatic = true, false
		err = c.SetRenew(ctx, kind, s.ServiceName, info.Renew)
		if api.IsNotFound(err) || api.IsExpired(err) {
			return nil
		}
		if err != nil {
			return err
		}
		rt.log(ctx, "%s ends at its expiry on %s; until then the node can come back: add it to the stack again", s.ServiceName, info.Expiration)
	}
	rt.tellPaid(ctx, s, info)
	return nil
}
