package provider

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
)

// Budget is the stack's bill as a whole, known before any of it is bought: every order depends on it, so a run above the budget ends here, with one message.
type Budget struct{}

// BudgetArgs is what the stack wants to hold. See sdk.BudgetArgs.
type BudgetArgs struct {
	Limit string       `pulumi:"limit"`
	Nodes []BudgetNode `pulumi:"nodes"`
}

// BudgetNode is one line of the bill.
type BudgetNode struct {
	Name        string         `pulumi:"name"`
	Kind        string         `pulumi:"kind"` // dedicated, vps, instance or database
	PlanCode    string         `pulumi:"planCode"`
	Product     *string        `pulumi:"product,optional"`
	Datacenter  string         `pulumi:"datacenter"`
	Options     []string       `pulumi:"options,optional"`
	Duration    *string        `pulumi:"duration,optional"`
	PricingMode *string        `pulumi:"pricingMode,optional"`
	Retired     *bool          `pulumi:"retired,optional"`
	Disposable  *bool          `pulumi:"disposable,optional"`
	Project     *string        `pulumi:"project,optional"` // of an instance
	Database    *DatabaseOffer `pulumi:"database,optional"`
}

// The kinds that no order of a cart buys.
const (
	kindDatabase = "database" // managed
	kindInstance = "instance" // of Public Cloud
)

// DatabaseOffer is what of a managed database makes its price.
type DatabaseOffer struct {
	Project string `pulumi:"project"`
	Version string `pulumi:"engineVersion"`
	Flavor  string `pulumi:"flavor"`
	Nodes   int    `pulumi:"nodes"`
	DiskGB  *int   `pulumi:"diskGB,optional"`
}

// offer prices one line of the bill. Of a database the plan code is its plan and the data centre its region; of an instance its flavor and region.
func (n BudgetNode) offer(ctx context.Context, c *api.Client) (offer, error) {
	if n.Kind == kindInstance {
		q, _, tax, _, err := instanceQuote(ctx, c, deref(n.Project, ""), n.Datacenter, n.PlanCode)
		return offer{quote: q, tax: tax}, err
	}
	if n.Kind != kindDatabase {
		return priceOf(ctx, c, order.Kind(n.Kind), ServiceArgs{
			PlanCode: n.PlanCode, Product: n.Product, Datacenter: n.Datacenter, Options: n.Options, Duration: n.Duration, PricingMode: n.PricingMode,
		})
	}
	q, tax, err := databaseQuote(ctx, c, DatabaseArgs{
		Project: n.Database.Project, Plan: n.PlanCode, Region: n.Datacenter, Version: n.Database.Version, Flavor: n.Database.Flavor, Nodes: n.Database.Nodes, DiskGB: n.Database.DiskGB,
	})
	return offer{quote: q, tax: tax}, err
}

// BudgetState is the bill. A node keeps the price at which it was first counted: catalogues change, contracts do not.
type BudgetState struct {
	BudgetArgs
	Agreed         map[string]string `pulumi:"agreed"`         // by node: net a month
	Before         string            `pulumi:"before"`         // net a month, before the last change
	Monthly        string            `pulumi:"monthly"`        // net a month
	MonthlyWithTax string            `pulumi:"monthlyWithTax"` // at the catalogue's rate
	Setup          string            `pulumi:"setup"`          // net, once, of what the last change added
	Currency       string            `pulumi:"currency"`
}

var (
	_ infer.CustomResource[BudgetArgs, BudgetState]       = (*Budget)(nil)
	_ infer.CustomCheck[BudgetArgs]                       = (*Budget)(nil)
	_ infer.CustomDiff[BudgetArgs, BudgetState]           = (*Budget)(nil)
	_ infer.CustomUpdate[BudgetArgs, BudgetState]         = (*Budget)(nil)
	_ infer.CustomDelete[BudgetState]                     = (*Budget)(nil)
	_ infer.ExplicitDependencies[BudgetArgs, BudgetState] = (*Budget)(nil)
)

// Annotate names the resource.
func (r *Budget) Annotate(a infer.Annotator) {
	a.SetToken("index", "Budget")
	a.Describe(&r, "What a stack costs a month, before and after a run, against the most it may cost. Orders depend on it.")
}

// Check validates the inputs.
func (*Budget) Check(ctx context.Context, r infer.CheckRequest) (infer.CheckResponse[BudgetArgs], error) {
	args, failures, err := infer.DefaultCheck[BudgetArgs](ctx, r.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[BudgetArgs]{Inputs: args, Failures: failures}, err
	}
	fail := func(property, format string, v ...any) {
		failures = append(failures, p.CheckFailure{Property: property, Reason: fmt.Sprintf(format, v...)})
	}
	if _, err := order.ParseMoney(args.Limit); err != nil {
		fail("limit", "%v", err)
	}
	seen := map[string]bool{}
	for _, n := range args.Nodes {
		if n.Kind != kindDatabase && n.Kind != kindInstance && !order.Kind(n.Kind).Traits().Machine {
			fail("nodes", "%s: kind %q is none of dedicated, vps, instance and database; set one of them", n.Name, n.Kind)
		}
		if (n.Kind == kindInstance) != (deref(n.Project, "") != "") {
			fail("nodes", "%s: kind %q and a project go together; set both or none", n.Name, n.Kind)
		}
		if (n.Kind == kindDatabase) != (n.Database != nil) {
			fail("nodes", "%s: kind %q and what belongs to a database go together; set both or none", n.Name, n.Kind)
		}
		if n.Name == "" || seen[n.Name] {
			fail("nodes", "name %q is empty or there twice; give every node its own", n.Name)
		}
		seen[n.Name] = true
	}
	return infer.CheckResponse[BudgetArgs]{Inputs: args, Failures: failures}, nil
}

// Diff compares, and shows the bill of a run that changes nothing of it. A node that leaves unannounced ends the run here, at preview: Pulumi itself would
// say only that its server is protected, and advise to lift that.
func (*Budget) Diff(ctx context.Context, r infer.DiffRequest[BudgetArgs, BudgetState]) (infer.DiffResponse, error) {
	resp := infer.DiffResponse{DetailedDiff: map[string]p.PropertyDiff{}}
	if r.State.Limit != r.Inputs.Limit {
		resp.DetailedDiff["limit"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	is := byNode(r.Inputs.Nodes)
	var errs []error
	for _, n := range r.State.Nodes {
		_, stays := is[n.Name]
		if stays || truth(n.Retired) || truth(n.Disposable) || n.Kind == kindInstance {
			continue
		}
		if n.Kind == kindDatabase {
			errs = append(errs, fmt.Errorf("%s is not in the stack any more, but it was never given up, and its backups would end with it: put it back", n.Name))
		} else {
			errs = append(errs, fmt.Errorf("node %s is not in the stack any more, but its server was never given up: put its line back, retired, and run, which drains it and takes it out of the cluster; "+
				"then remove the line and run again. A node that was only renamed gets its old name back: its name is its identity", n.Name))
		}
	}
	if len(errs) > 0 {
		return resp, errors.Join(errs...)
	}
	if !reflect.DeepEqual(byNode(r.State.Nodes), is) || !reflect.DeepEqual(leaving(r.State.Nodes), leaving(r.Inputs.Nodes)) {
		resp.DetailedDiff["nodes"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	resp.HasChanges = len(resp.DetailedDiff) > 0
	if !resp.HasChanges {
		runtimeOf(ctx).log(ctx, "the stack costs %s %s a month, net (%s with tax), of a budget of %s; this run changes nothing of it", r.State.Monthly, r.State.Currency, r.State.MonthlyWithTax, r.State.Limit)
	}
	return resp, nil
}

// byNode forgets the order of nodes, and the difference between no options and none.
func byNode(list []BudgetNode) map[string]string {
	out := map[string]string{}
	for _, n := range list {
		out[n.Name] = strings.Join([]string{n.Kind, n.PlanCode, deref(n.Product, ""), n.Datacenter, joined(n.Options), deref(n.Duration, ""), deref(n.PricingMode, "")}, " ")
		if n.Project != nil {
			out[n.Name] += " " + *n.Project
		}
		if d := n.Database; d != nil {
			out[n.Name] += fmt.Sprintf(" %s %s %s %d %d", d.Project, d.Version, d.Flavor, d.Nodes, DatabaseArgs{DiskGB: d.DiskGB}.disk())
		}
	}
	return out
}

// leaving are the nodes that the stack gives up, or may take away at any time.
func leaving(list []BudgetNode) map[string]bool {
	out := map[string]bool{}
	for _, n := range list {
		if truth(n.Retired) || truth(n.Disposable) {
			out[n.Name] = true
		}
	}
	return out
}

// Create counts.
func (*Budget) Create(ctx context.Context, r infer.CreateRequest[BudgetArgs]) (infer.CreateResponse[BudgetState], error) {
	out, err := tally(ctx, r.Inputs, BudgetState{})
	return infer.CreateResponse[BudgetState]{ID: r.Name, Output: out}, err
}

// Update counts again.
func (*Budget) Update(ctx context.Context, r infer.UpdateRequest[BudgetArgs, BudgetState]) (infer.UpdateResponse[BudgetState], error) {
	out, err := tally(ctx, r.Inputs, r.State)
	return infer.UpdateResponse[BudgetState]{Output: out}, err
}

// Delete says what it has cost. Everything that is paid for depends on the bill, so it is the last of them to go.
func (*Budget) Delete(ctx context.Context, r infer.DeleteRequest[BudgetState]) (infer.DeleteResponse, error) {
	rt := runtimeOf(ctx)
	rt.mu.Lock()
	ended := rt.ended
	rt.mu.Unlock()
	for _, line := range ended.lines(r.State.Currency) {
		rt.log(ctx, "%s", line)
	}
	return infer.DeleteResponse{}, nil
}

// WireDependencies says that a preview knows the whole bill.
func (*Budget) WireDependencies(f infer.FieldSelector, _ *BudgetArgs, s *BudgetState) {
	f.OutputField(s).AlwaysKnown()
}

// tally adds the bill up, shows it, and refuses one above the limit as soon as something new is part of it.
func tally(ctx context.Context, args BudgetArgs, old BudgetState) (BudgetState, error) {
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return old, err
	}
	limit, err := order.ParseMoney(args.Limit)
	if err != nil {
		return old, err
	}
	out := BudgetState{BudgetArgs: args, Agreed: map[string]string{}, Currency: old.Currency, Before: order.Money(0).String()}
	if old.Monthly != "" {
		out.Before = old.Monthly
	}
	was := byNode(old.Nodes)
	is := byNode(args.Nodes)
	var total, setup, rate order.Money
	var gone []string
	var added news
	for _, n := range args.Nodes {
		o, err := n.offer(ctx, c)
		agreed, known := old.Agreed[n.Name]
		known = known && was[n.Name] == is[n.Name]
		if err != nil && !known { // what is held already may not be sold any more
			return old, fmt.Errorf("node %s: %w", n.Name, err)
		}
		price := o.quote.Monthly
		if err == nil {
			out.Currency, rate = o.quote.Currency, o.tax
		}
		if known {
			if price, err = order.ParseMoney(agreed); err != nil {
				return old, fmt.Errorf("node %s: price of the state: %w", n.Name, err)
			}
		} else {
			setup += o.quote.Setup
			added.add(n.Name, price, o.quote.Setup)
		}
		out.Agreed[n.Name] = price.String()
		total += price
	}
	for _, n := range old.Nodes {
		if _, stays := is[n.Name]; !stays {
			gone = append(gone, n.Name+" "+old.Agreed[n.Name])
		}
	}
	out.Monthly, out.MonthlyWithTax, out.Setup = total.String(), (total + total.Share(rate)).Cents().String(), setup.String()
	change := ""
	if len(added) > 0 {
		change += "; new: " + added.String()
	}
	if len(gone) > 0 {
		change += "; given up: " + strings.Join(gone, ", ")
	}
	if total > limit && len(added) > 0 {
		return old, fmt.Errorf("nothing was bought: the stack costs %s %s a month and would cost %s after this run (net), which is above its budget of %s; raise the budget in the stack, or order less%s",
			out.Before, out.Currency, out.Monthly, limit, change)
	}
	once := ""
	if setup > 0 {
		once = fmt.Sprintf("; once, for setting up: %s net", setup)
	}
	rt.log(ctx, "the stack costs %s %s a month, and %s after this run (net; %s with tax), of a budget of %s%s%s", out.Before, out.Currency, out.Monthly, out.MonthlyWithTax, limit, once, change)
	return out, nil
}

// news are the nodes that a run adds, those of one price together: a first preview of a large stack is read by people.
type news []struct {
	names          []string
	monthly, setup order.Money
}

func (l *news) add(name string, monthly, setup order.Money) {
	for i := range *l {
		if line := &(*l)[i]; line.monthly == monthly && line.setup == setup {
			line.names = append(line.names, name)
			return
		}
	}
	*l = append(*l, news{{[]string{name}, monthly, setup}}...)
}

// String is "a 91.99 a month and 91.99 once, b and c 8.49 a month each".
func (l news) String() string {
	var parts []string
	for _, line := range l {
		last := len(line.names) - 1
		text := line.names[last]
		if last > 0 {
			text = strings.Join(line.names[:last], ", ") + " and " + text
		}
		text += " " + line.monthly.String() + " a month"
		if line.setup > 0 {
			text += " and " + line.setup.String() + " once"
		}
		if last > 0 {
			text += " each"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}
