package provider

import (
	"context"
	"fmt"
	"time"

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

// tellCost says what something that ended and was billed by the hour has cost, and adds it to what this run has ended.
func (rt *runtime) tellCost(ctx context.Context, what string, created, ended time.Time, hourly order.Money, currency string) {
	hours := hoursBegun(created, ended)
	cost := hourly * order.Money(hours)
	rt.mu.Lock()
	rt.spent += cost
	rt.ended++
	rt.mu.Unlock()
	rt.log(ctx, "%s is gone: %d hours begun since %s at %s %s, %s %s net", what, hours, created.UTC().Format("2006-01-02 15:04 MST"), hourly, currency, cost.Cents(), currency)
}

// total says what everything together has cost that was billed by the hour and ended in this run; "" when nothing did.
func (rt *runtime) total(currency string) string {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.ended == 0 {
		return ""
	}
	return fmt.Sprintf("what was billed by the hour and ended in this run, %d in all, has cost %s %s net; OVH's own bill of the project comes at the end of the month", rt.ended, rt.spent.Cents(), currency)
}
