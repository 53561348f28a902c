package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
)

// hoursPerMonth makes a month's price of an hour's, as OVH's catalogues do.
const hoursPerMonth = 730

// hoursBegun counts the hours of the clock that a time lies in: OVH bills each of them in full, whenever in it something was made or ended. Source: OVH's guide on
// billing options of Public Cloud. Its guides differ in whether the first is that of the creation or that of the first start, minutes later; this is the earlier.
func hoursBegun(from, to time.Time) int64 {
	if to.Before(from) {
		to = from
	}
	return int64(to.UTC().Truncate(time.Hour).Sub(from.UTC().Truncate(time.Hour))/time.Hour) + 1
}

// monthsPaid counts the months that a service is paid for from its creation to its expiry, both days as OVH's contracts name them ("2026-11-21"). A month that
// was begun is paid in full; a service is never paid for less than one.
func monthsPaid(creation, expiration string) (int64, error) {
	from, err := time.Parse(time.DateOnly, creation)
	if err != nil {
		return 0, fmt.Errorf("its creation %q is no day: %w", creation, err)
	}
	to, err := time.Parse(time.DateOnly, expiration)
	if err != nil {
		return 0, fmt.Errorf("its expiry %q is no day: %w", expiration, err)
	}
	months := 1
	for from.AddDate(0, months, 0).Before(to) {
		months++
	}
	return int64(months), nil
}

// ledger adds up what ended in this run has cost, net.
type ledger struct {
	hourly, monthly sum
	last            string // expiry of what is paid for longest
}

// sum is an amount, and of how many things it is.
type sum struct {
	n     int
	spent order.Money
}

func (s *sum) add(m order.Money) { s.n, s.spent = s.n+1, s.spent+m }

// tellCost says what something that ended and was billed by the hour has cost, and adds it to what this run has ended.
func (rt *runtime) tellCost(ctx context.Context, what string, created, ended time.Time, hourly order.Money, currency string) {
	hours := hoursBegun(created, ended)
	cost := hourly * order.Money(hours)
	rt.mu.Lock()
	rt.ended.hourly.add(cost)
	rt.mu.Unlock()
	rt.log(ctx, "%s is gone: %d hours begun since %s at %s %s, %s %s net", what, hours, created.UTC().Format("2006-01-02 15:04 MST"), hourly, currency, cost.Cents(), currency)
}

// tellPaid says what a service that is given up has cost by its expiry: it is paid for by the month, and until then.
func (rt *runtime) tellPaid(ctx context.Context, s ServiceState, info api.ServiceInfo) {
	monthly, err := order.ParseMoney(s.MonthlyPrice)
	months, unclear := monthsPaid(info.Creation, info.Expiration)
	if err := errors.Join(err, unclear); err != nil {
		rt.log(ctx, "what %s has cost is on OVH's bill alone: %v", s.ServiceName, err)
		return
	}
	setup, err := order.ParseMoney(s.SetupPrice)
	if err != nil {
		setup = 0 // an adopted service was set up by whoever ordered it
	}
	cost := monthly*order.Money(months) + setup
	rt.mu.Lock()
	rt.ended.monthly.add(cost)
	rt.ended.last = max(rt.ended.last, info.Expiration)
	rt.mu.Unlock()
	rt.log(ctx, "%s is paid for from %s to %s: %d x %s %s and %s once, %s %s net", s.ServiceName, info.Creation, info.Expiration, months, monthly.Cents(), s.Currency,
		setup.Cents(), cost.Cents(), s.Currency)
}

// lines say what everything together has cost that ended in this run; none when nothing did.
func (l ledger) lines(currency string) (out []string) {
	if l.hourly.n > 0 {
		out = append(out, fmt.Sprintf("what was billed by the hour and ended in this run, %d in all, has cost %s %s net; OVH's own bill of the project comes at the end of the month",
			l.hourly.n, l.hourly.spent.Cents(), currency))
	}
	if l.monthly.n > 0 {
		out = append(out, fmt.Sprintf("what is paid by the month and was given up in this run, %d in all, has cost %s %s net until the last of it ends on %s; OVH's own bills have any discount",
			l.monthly.n, l.monthly.spent.Cents(), currency, l.last))
	}
	return out
}
