// Package cost is a stack's bill: euros a month by node, by kind and by site, against the budget, and what ordering all of it anew would cost once.
//
// What a reader would get wrong: these are the prices that the description declares, which bound what a run may agree to. What was agreed to is the provider's
// to know, and is in a preview (see package change) and in the stack's outputs. Tax is in neither.
package cost

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"havre/infra/report/table"
	"havre/stacks"
)

// Line is one position, or the sum of several.
type Line struct {
	// Name is the node's, or what the lines of the sum have in common.
	Name string
	// Site, Kind and PlanCode are of a node.
	Site, Kind, PlanCode string
	Nodes                int
	Monthly, Setup       stacks.Money
}

// Bill is everything that a stack's servers and its managed database cost.
type Bill struct {
	Stack string
	// Nodes are in the order of their indexes, retired ones too: they are still paid. The managed database comes last and counts as no node.
	Nodes []Line
	// Sites, Kinds and Plans are sums, in the order in which their first node stands.
	Sites, Kinds, Plans []Line
	Total               Line
	Budget              stacks.Budget
	// Hourly is what of it is paid by the hour and ends with the stack: instances, and the database of a fork. Zero where nothing is.
	Hourly stacks.Money
}

// Of makes the bill of a plan. Sums of prices cannot fail any more once there is a plan.
func Of(plan stacks.Plan) (Bill, error) {
	b := Bill{Stack: plan.Stack.Name, Budget: plan.Stack.Budget, Total: Line{Name: "all"}}
	var lines []Line
	for _, node := range plan.Nodes {
		lines = append(lines, Line{
			Name: node.Name, Site: node.Site, Kind: string(node.Kind), PlanCode: node.Offer.PlanCode, Nodes: 1,
			Monthly: node.Offer.Monthly, Setup: node.Offer.Setup,
		})
	}
	if db := plan.Stack.Database; db.Engine != "" {
		lines = append(lines, Line{
			Name: "database", Site: strings.ToLower(db.Region), Kind: "database", PlanCode: db.Engine + " " + db.Plan + " " + db.Flavor, Monthly: db.Monthly, Setup: stacks.EUR(0, 0),
		})
	}
	if err := b.byTheHour(plan); err != nil {
		return Bill{}, err
	}
	for _, line := range lines {
		b.Nodes = append(b.Nodes, line)
		for _, into := range []struct {
			list *[]Line
			key  string
		}{{&b.Sites, line.Site}, {&b.Kinds, line.Kind}, {&b.Plans, line.PlanCode}} {
			if err := add(into.list, into.key, line); err != nil {
				return Bill{}, err
			}
		}
		if err := b.Total.add(line); err != nil {
			return Bill{}, err
		}
	}
	return b, nil
}

// byTheHour adds up what costs nothing any more once the stack is torn down. A database has a price a month, of which an hour is as large a part as in OVH's catalogue.
func (b *Bill) byTheHour(plan stacks.Plan) error {
	b.Hourly = stacks.EUR(0, 0)
	var err error
	for _, node := range plan.Nodes {
		if node.Kind != stacks.Instance {
			continue
		}
		if b.Hourly, err = b.Hourly.Add(node.Offer.Hourly); err != nil {
			return fmt.Errorf("cost: %s: %w", node.Name, err)
		}
	}
	if db := plan.Stack.Database; db.ForkOf != "" && b.Hourly.Units > 0 {
		b.Hourly, err = b.Hourly.Add(stacks.Money{Units: db.Monthly.Units / stacks.HoursPerMonth, Currency: db.Monthly.Currency})
	}
	return err
}

// afternoon is how many hours a load test is reckoned with.
const afternoon = 5

// Afternoon says what a stack costs that is there for an afternoon; "" for one that stays.
func (b Bill) Afternoon() string {
	if b.Hourly.Units == 0 {
		return ""
	}
	return fmt.Sprintf("By the hour: %s an hour, and %s for an afternoon of %d hours begun. A month is what it would cost if nobody ended it.",
		cents(b.Hourly, 1), cents(b.Hourly, afternoon), afternoon)
}

// cents is so many times an amount, rounded half up to the cent.
func cents(m stacks.Money, times int64) stacks.Money {
	const cent = 1_000_000
	return stacks.Money{Units: (m.Units*times + cent/2) / cent * cent, Currency: m.Currency}
}

func add(list *[]Line, key string, line Line) error {
	i := slices.IndexFunc(*list, func(l Line) bool { return l.Name == key })
	if i < 0 {
		i = len(*list)
		*list = append(*list, Line{Name: key})
	}
	return (*list)[i].add(line)
}

func (l *Line) add(other Line) error {
	if l.Monthly == (stacks.Money{}) {
		l.Nodes, l.Monthly, l.Setup = other.Nodes, other.Monthly, other.Setup
		return nil
	}
	monthly, err := l.Monthly.Add(other.Monthly)
	if err != nil {
		return fmt.Errorf("cost: %s: %w", other.Name, err)
	}
	setup, err := l.Setup.Add(other.Setup)
	if err != nil {
		return fmt.Errorf("cost: %s: %w", other.Name, err)
	}
	l.Nodes, l.Monthly, l.Setup = l.Nodes+other.Nodes, monthly, setup
	return nil
}

// Share is an amount as a share of a whole, in percent; 0 of nothing.
func Share(part, whole stacks.Money) float64 {
	if whole.Units == 0 {
		return 0
	}
	return 100 * float64(part.Units) / float64(whole.Units)
}

// NodeTable is the bill by node.
func (b Bill) NodeTable() table.Table {
	t := table.Table{Columns: table.Columns("node", "site", "kind", "plan", "EUR a month>", "EUR once>")}
	for _, l := range b.Nodes {
		t.Add(l.Name, l.Site, l.Kind, l.PlanCode, l.Monthly.Decimal(), l.Setup.Decimal())
	}
	t.Sum(strconv.Itoa(b.Total.Nodes)+" nodes", "", "", "", b.Total.Monthly.Decimal(), b.Total.Setup.Decimal())
	return t
}

// SumTable is the bill by what lines have in common: "site", "kind" or "plan", with the sums for it.
func (b Bill) SumTable(by string, lines []Line) table.Table {
	t := table.Table{Columns: table.Columns(by, "nodes>", "EUR a month>", "share>")}
	for _, l := range lines {
		t.Add(l.Name, strconv.Itoa(l.Nodes), l.Monthly.Decimal(), percent(Share(l.Monthly, b.Total.Monthly)))
	}
	return t
}

// Sentence says what is left of the budget.
func (b Bill) Sentence() string {
	return fmt.Sprintf("%s EUR a month of %s EUR allowed (%s); once, were all of it ordered anew, %s EUR of %s EUR. Net of tax; traffic is not in it.",
		b.Total.Monthly.Decimal(), b.Budget.Monthly.Decimal(), percent(Share(b.Total.Monthly, b.Budget.Monthly)), b.Total.Setup.Decimal(), b.Budget.Setup.Decimal())
}

// Text is the bill for a terminal.
func (b Bill) Text() string {
	text := fmt.Sprintf("cost of stack %s\n\n%s\n%s\n%s\n%s\n%s\n", b.Stack, b.NodeTable().Text(),
		b.SumTable("site", b.Sites).Text(), b.SumTable("kind", b.Kinds).Text(), b.SumTable("plan", b.Plans).Text(), b.Sentence())
	if afternoon := b.Afternoon(); afternoon != "" {
		text += afternoon + "\n"
	}
	return text
}

func percent(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) + " %" }
