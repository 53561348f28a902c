package provider

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
)

// offer is a line of the catalogue with everything that a cart needs.
type offer struct {
	product    string
	plan       string
	datacenter string
	options    []string // those asked for, and the default of each mandatory family that was left out; sorted
	duration   string
	mode       string
	os         string
	quote      order.Quote
	tax        order.Money // per cent
}

// key tells two offers apart; a promise is for one of them.
func (o offer) key() string {
	return strings.Join(append([]string{o.product, o.plan, o.datacenter, o.duration, o.mode, o.os}, o.options...), " ")
}

// priceOf finds the offer in the catalogue and adds it up, net of taxes.
func priceOf(ctx context.Context, c *api.Client, kind order.Kind, a ServiceArgs) (offer, error) {
	traits := kind.Traits()
	products := traits.Products
	if !traits.Machine { // free, and in no catalogue: the dry run of the cart shows whether that is still so
		return offer{product: products[0], plan: a.PlanCode, duration: deref(a.Duration, "P1M"), mode: deref(a.PricingMode, "default")}, nil
	}
	if a.Product != nil && *a.Product != "" {
		products = []string{*a.Product}
	}
	product, catalogue, plan, err := c.FindPlan(ctx, a.PlanCode, products)
	if err != nil {
		return offer{}, err
	}
	o := offer{product: product, plan: a.PlanCode, datacenter: a.Datacenter, duration: deref(a.Duration, "P1M"), mode: deref(a.PricingMode, "default")}
	o.os = deref(a.OS, traits.System)
	o.quote.Currency, o.tax = catalogue.Locale.Currency, catalogue.Locale.TaxRate
	o.options = slices.Clone(a.Options)
	for _, option := range a.Options {
		if !slices.ContainsFunc(plan.Families, func(f api.Family) bool { return slices.Contains(f.Addons, option) }) {
			return offer{}, fmt.Errorf("option %q is not offered with plan %s; look at the plan's addon families in OVH's price list", option, a.PlanCode)
		}
	}
	for _, f := range plan.Families {
		if !f.Mandatory || slices.ContainsFunc(a.Options, func(x string) bool { return slices.Contains(f.Addons, x) }) {
			continue
		}
		if f.Default == "" {
			return offer{}, fmt.Errorf("plan %s needs an option of family %s and has no default for it; choose one of %s", a.PlanCode, f.Name, strings.Join(f.Addons, ", "))
		}
		o.options = append(o.options, f.Default)
	}
	slices.Sort(o.options)
	for _, v := range plan.Configurations {
		if !strings.HasSuffix(v.Name, "_datacenter") || len(v.Values) == 0 {
			continue
		}
		i := slices.IndexFunc(v.Values, func(s string) bool { return strings.EqualFold(s, a.Datacenter) })
		if i < 0 {
			return offer{}, fmt.Errorf("plan %s is not sold in data centre %q; choose one of %s", a.PlanCode, a.Datacenter, strings.Join(v.Values, ", "))
		}
		o.datacenter = v.Values[i] // VPS spell it in capitals
	}
	if err := o.add(*plan, c.Now()); err != nil {
		return offer{}, err
	}
	for _, option := range o.options {
		i := slices.IndexFunc(catalogue.Addons, func(p api.Plan) bool { return p.PlanCode == option })
		if i < 0 {
			return offer{}, fmt.Errorf("option %q has no price in catalogue %s", option, product)
		}
		if err := o.add(catalogue.Addons[i], c.Now()); err != nil {
			return offer{}, err
		}
	}
	return o, nil
}

// add puts the prices of one plan or addon on the quote. The first bill takes off promotions that run now; the prices a month and once are without them.
func (o *offer) add(p api.Plan, now time.Time) error {
	months := order.Money(1)
	if o.duration != "P1M" {
		var n int64
		if _, err := fmt.Sscanf(o.duration, "P%dM", &n); err != nil || n < 1 {
			return fmt.Errorf("duration %q is not in months; write P1M or P12M", o.duration)
		}
		months = order.Money(n)
	}
	found := false
	for _, line := range p.Pricings {
		if line.Mode != o.mode {
			continue
		}
		price := order.Money(line.Price)
		after := price
		for _, pr := range line.Promotions {
			start, err1 := time.Parse(time.RFC3339, pr.Start)
			end, err2 := time.Parse(time.RFC3339, pr.End)
			if err1 == nil && err2 == nil && !now.Before(start) && now.Before(end) {
				after -= order.Money(pr.Discount.Value)
				o.quote.Promotions = append(o.quote.Promotions, p.PlanCode+": "+deref(&pr.Description, pr.Name))
			}
		}
		after = max(after, 0)
		switch {
		case slices.Contains(line.Capacities, "renew"):
			found = true
			o.quote.Monthly += price / months
			o.quote.First += after
		case slices.Contains(line.Capacities, "installation"):
			o.quote.Setup += price
			o.quote.First += after
		}
	}
	if !found {
		return fmt.Errorf("%s is not sold with pricing mode %q; use default", p.PlanCode, o.mode)
	}
	return nil
}

// limits are all bounds on what may be paid for this service.
func (rt *runtime) limits(a ServiceArgs) (order.Limit, error) {
	var l order.Limit
	for _, m := range []struct {
		text *string
		to   **order.Money
	}{{a.MaxMonthly, &l.Monthly}, {a.MaxSetup, &l.Setup}} {
		if m.text == nil || *m.text == "" {
			continue
		}
		v, err := order.ParseMoney(*m.text)
		if err != nil {
			return l, err
		}
		*m.to = &v
	}
	return l, nil
}

// show is the line of the preview.
func (o offer) show(availability string) string {
	s := fmt.Sprintf("orders %s in %s with %s: %s %s a month, %s once, first bill %s (net of taxes)", o.plan, o.datacenter,
		strings.Join(o.options, ", "), o.quote.Monthly, o.quote.Currency, o.quote.Setup, o.quote.First)
	if len(o.options) == 0 {
		s = strings.Replace(s, " with :", ":", 1)
	}
	if len(o.quote.Promotions) > 0 {
		s += "; promotions: " + strings.Join(o.quote.Promotions, ", ")
	}
	s += fmt.Sprintf("; with %s %% tax the first bill is %s", strings.TrimSuffix(o.tax.String(), ".00"), (o.quote.First + o.quote.First.Share(o.tax)).Cents())
	return s + "; " + delivery(availability)
}

var hours = regexp.MustCompile(`^([0-9]+)H(-high|-low)?$`)

// delivery is OVH's promise in words. Its own term stays beside them, for a search in the price list.
func delivery(availability string) string {
	if found := hours.FindStringSubmatch(availability); found != nil {
		stock := map[string]string{"-high": "in stock, ", "-low": "few left in stock, "}[found[2]]
		unit := "hours"
		if found[1] == "1" {
			unit = "hour"
		}
		return fmt.Sprintf("%sdelivery promised within %s %s (%s)", stock, found[1], unit, availability)
	}
	if availability == "available" {
		return "in stock"
	}
	return "OVH says of its stock: " + availability
}
