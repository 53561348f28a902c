package change

import (
	"fmt"
	"strings"

	"havre/components/ovh/order"
	"havre/components/ovh/sdk"
	"havre/infra/report/preview"
	"havre/stacks"
)

// Bill is the stack's money, net of tax, in EUR.
type Bill struct {
	// Before and After are a month.
	Before, After order.Money
	// Setup is paid once for what is new.
	Setup order.Money
	// Limit is the budget after the run, LimitBefore the one before it; 0 when there was none.
	Limit, LimitBefore order.Money
	// Declared says that After and Setup are what the description allows: a digest has no prices.
	Declared bool
}

// bill reads the stack's bill; nil when the preview did not get to one.
func bill(p preview.Preview) *Bill {
	for _, step := range p.Steps {
		if step.Type != sdk.BudgetToken || step.Failed {
			continue
		}
		b := &Bill{
			Before: money(preview.Text(step.Before.Outputs, "monthly")),
			Limit:  money(preview.Text(step.After.Inputs, "limit")), LimitBefore: money(preview.Text(step.Before.Inputs, "limit")),
		}
		after := preview.Text(step.After.Outputs, "monthly")
		switch {
		case step.Op == preview.Same:
			b.After = b.Before
			if after != "" {
				b.After = money(after)
			}
		case p.Answered && after != "":
			b.After, b.Setup = money(after), money(preview.Text(step.After.Outputs, "setup"))
		default:
			b.Declared = true
			b.After = b.Before
			for _, s := range p.Steps {
				if !isOrder(s) {
					continue
				}
				switch s.Op {
				case preview.Create:
					b.After += money(preview.Text(s.After.Inputs, "maxMonthly")) + hoursPerMonth*money(preview.Text(s.After.Inputs, "maxHourly"))
					b.Setup += money(preview.Text(s.After.Inputs, "maxSetup"))
				case preview.Delete:
					b.After -= money(preview.Text(s.Before.Outputs, "monthlyPrice"))
				}
			}
		}
		return b
	}
	return nil
}

// Change is what a month costs more or, below zero, less: "+149.99".
func (b Bill) Change() string {
	if difference := b.After - b.Before; difference > 0 {
		return "+" + difference.String()
	} else if difference < 0 {
		return "−" + (-difference).String()
	}
	return "±0"
}

// Percent is the share of the budget after the run.
func (b Bill) Percent() float64 {
	if b.Limit == 0 {
		return 0
	}
	return 100 * float64(b.After) / float64(b.Limit)
}

// hoursPerMonth makes a month's price of an hour's.
const hoursPerMonth = stacks.HoursPerMonth

// money reads an amount; what is no amount counts as nothing.
func money(text string) order.Money {
	m, err := order.ParseMoney(text)
	if err != nil {
		return 0
	}
	return m
}

// isOrder says whether a step is about a bought service.
func isOrder(s preview.Step) bool {
	return s.Type == sdk.ServerToken || s.Type == sdk.VPSToken || s.Type == sdk.InstanceToken
}

// server is what a reader wants to know of an order.
func server(s preview.Step, node string) Server {
	state := s.After
	if s.Op == preview.Delete {
		state = s.Before
	}
	out := Server{
		Name: node, PlanCode: preview.Text(state.Inputs, "planCode"), Datacenter: preview.Text(state.Inputs, "datacenter"),
		Monthly: preview.Text(state.Outputs, "monthlyPrice"), Setup: preview.Text(state.Outputs, "setupPrice"),
		Delivery: promise(preview.Text(state.Outputs, "availability")),
	}
	if s.Type == sdk.InstanceToken {
		out.PlanCode, out.Datacenter = preview.Text(state.Inputs, "flavor"), preview.Text(state.Inputs, "region")
		out.Hourly, out.Monthly = preview.Text(state.Outputs, "hourlyPrice"), ""
		if out.Hourly == "" {
			out.Hourly, out.Declared = preview.Text(state.Inputs, "maxHourly"), true
		}
		return out
	}
	if out.Monthly == "" {
		out.Monthly, out.Setup, out.Declared = preview.Text(state.Inputs, "maxMonthly"), preview.Text(state.Inputs, "maxSetup"), true
	}
	return out
}

// promise is OVH's word for a delivery as people say it: "1H-high" is within an hour, "72H" within 72 hours.
func promise(availability string) string {
	hours, _, _ := strings.Cut(availability, "-")
	number, found := strings.CutSuffix(hours, "H")
	switch {
	case availability == "" || availability == "unknown":
		return ""
	case availability == "available":
		return "at once"
	case found && number == "1":
		return "within an hour"
	case found && number != "":
		return fmt.Sprintf("within %s hours", number)
	default:
		return availability
	}
}

// String is the server in a sentence.
func (s Server) String() string {
	text := s.PlanCode
	if s.Datacenter != "" {
		text += " in " + strings.ToLower(s.Datacenter)
	}
	switch {
	case s.Hourly != "" && s.Declared:
		text += fmt.Sprintf(", at most %s EUR an hour until it is deleted", s.Hourly)
	case s.Hourly != "":
		text += fmt.Sprintf(", %s EUR an hour until it is deleted", s.Hourly)
	case s.Monthly == "":
	case s.Declared:
		text += fmt.Sprintf(", at most %s EUR a month and %s EUR once", s.Monthly, s.Setup)
	default:
		text += fmt.Sprintf(", %s EUR a month and %s EUR once", s.Monthly, s.Setup)
	}
	if s.Delivery != "" {
		text += ", delivery promised " + s.Delivery
	}
	return text
}
