package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
)

// Server is the order of a dedicated server.
type Server struct{}

// VPS is the order of a virtual private server.
type VPS struct{}

// ServiceArgs is what is bought. See sdk.OrderArgs.
type ServiceArgs struct {
	PlanCode    string   `pulumi:"planCode"`
	Product     *string  `pulumi:"product,optional"`
	Datacenter  string   `pulumi:"datacenter"`
	Options     []string `pulumi:"options,optional"`
	Duration    *string  `pulumi:"duration,optional"`
	PricingMode *string  `pulumi:"pricingMode,optional"`
	OS          *string  `pulumi:"os,optional"`
	MaxMonthly  *string  `pulumi:"maxMonthly,optional"`
	MaxSetup    *string  `pulumi:"maxSetup,optional"`
	DisplayName *string  `pulumi:"displayName,optional"`
	Adopt       *string  `pulumi:"adopt,optional"`
	Retired     *bool    `pulumi:"retired,optional"`
	Disposable  *bool    `pulumi:"disposable,optional"`
	Renewal     *bool    `pulumi:"renewal,optional"`
	Rescue      *bool    `pulumi:"rescue,optional"`
	RescueKey   *string  `pulumi:"rescueKey,optional"`
}

// ServiceState is what is known of it.
type ServiceState struct {
	ServiceArgs
	ServiceName         string `pulumi:"serviceName"`
	Address             string `pulumi:"address"`
	OrderID             string `pulumi:"orderId"`
	CartID              string `pulumi:"cartId,optional"`
	Mark                string `pulumi:"mark"`
	Phase               string `pulumi:"phase"`
	Status              string `pulumi:"status"`
	DeliveredDatacenter string `pulumi:"deliveredDatacenter"`
	MonthlyPrice        string `pulumi:"monthlyPrice"`
	SetupPrice          string `pulumi:"setupPrice"`
	Currency            string `pulumi:"currency"`
	Availability        string `pulumi:"availability"`
	Imported            bool   `pulumi:"imported,optional"`
	Unmarked            bool   `pulumi:"unmarked,optional"` // imported, and not marked as ours by a run yet
	Since               string `pulumi:"since,optional"`    // start of an intent whose fate is not known
}

var (
	_ infer.CustomResource[ServiceArgs, ServiceState]       = (*Server)(nil)
	_ infer.CustomCheck[ServiceArgs]                        = (*Server)(nil)
	_ infer.CustomDiff[ServiceArgs, ServiceState]           = (*Server)(nil)
	_ infer.CustomUpdate[ServiceArgs, ServiceState]         = (*Server)(nil)
	_ infer.CustomRead[ServiceArgs, ServiceState]           = (*Server)(nil)
	_ infer.CustomDelete[ServiceState]                      = (*Server)(nil)
	_ infer.ExplicitDependencies[ServiceArgs, ServiceState] = (*Server)(nil)
	_ infer.CustomResource[ServiceArgs, ServiceState]       = (*VPS)(nil)
	_ infer.CustomCheck[ServiceArgs]                        = (*VPS)(nil)
	_ infer.CustomDiff[ServiceArgs, ServiceState]           = (*VPS)(nil)
	_ infer.CustomUpdate[ServiceArgs, ServiceState]         = (*VPS)(nil)
	_ infer.CustomRead[ServiceArgs, ServiceState]           = (*VPS)(nil)
	_ infer.CustomDelete[ServiceState]                      = (*VPS)(nil)
	_ infer.ExplicitDependencies[ServiceArgs, ServiceState] = (*VPS)(nil)
)

// Annotate names the resource.
func (r *Server) Annotate(a infer.Annotator) {
	a.SetToken("index", "Server")
	a.Describe(&r, "A dedicated server, ordered once. No change of its inputs replaces it.")
}

// Annotate names the resource.
func (r *VPS) Annotate(a infer.Annotator) {
	a.SetToken("index", "VPS")
	a.Describe(&r, "A virtual private server, ordered once. No change of its inputs replaces it.")
}

// Check validates the inputs.
func (*Server) Check(ctx context.Context, r infer.CheckRequest) (infer.CheckResponse[ServiceArgs], error) {
	return checkService(ctx, order.Dedicated, r)
}

// Check validates the inputs.
func (*VPS) Check(ctx context.Context, r infer.CheckRequest) (infer.CheckResponse[ServiceArgs], error) {
	return checkService(ctx, order.VPS, r)
}

func checkService(ctx context.Context, kind order.Kind, r infer.CheckRequest) (infer.CheckResponse[ServiceArgs], error) {
	args, failures, err := infer.DefaultCheck[ServiceArgs](ctx, r.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[ServiceArgs]{Inputs: args, Failures: failures}, err
	}
	fail := func(property, format string, v ...any) {
		if !r.NewInputs.Get(property).HasComputed() {
			failures = append(failures, p.CheckFailure{Property: property, Reason: fmt.Sprintf(format, v...)})
		}
	}
	if args.PlanCode == "" {
		fail("planCode", "is empty; set a plan code of the catalogue such as 24adv03-v1")
	}
	if args.Datacenter == "" {
		fail("datacenter", "is empty; set a short city of the catalogue such as rbx")
	}
	if args.DisplayName != nil && len(*args.DisplayName) > order.MaxDisplayName {
		fail("displayName", "%q has %d characters, OVH takes %d; shorten it", *args.DisplayName, len(*args.DisplayName), order.MaxDisplayName)
	}
	if kind == order.VPS && deref(args.RescueKey, "") != "" {
		fail("rescueKey", "is for dedicated servers only: OVH mails a password for the rescue system of a VPS; leave it out")
	}
	for property, m := range map[string]*string{"maxMonthly": args.MaxMonthly, "maxSetup": args.MaxSetup} {
		if m != nil && *m != "" {
			if _, err := order.ParseMoney(*m); err != nil {
				fail(property, "%v", err)
			}
		}
	}
	return infer.CheckResponse[ServiceArgs]{Inputs: args, Failures: failures}, nil
}

// Diff compares. See diffService.
func (*Server) Diff(ctx context.Context, r infer.DiffRequest[ServiceArgs, ServiceState]) (infer.DiffResponse, error) {
	return diffService(ctx, r)
}

// Diff compares. See diffService.
func (*VPS) Diff(ctx context.Context, r infer.DiffRequest[ServiceArgs, ServiceState]) (infer.DiffResponse, error) {
	return diffService(ctx, r)
}

// diffService knows updates only. A change of what was bought is an error, because a replacement would wipe a live server and buy another.
func diffService(ctx context.Context, r infer.DiffRequest[ServiceArgs, ServiceState]) (infer.DiffResponse, error) {
	old, new := r.State, r.Inputs
	resp := infer.DiffResponse{DetailedDiff: map[string]p.PropertyDiff{}}
	update := func(property string) {
		resp.HasChanges = true
		resp.DetailedDiff[property] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	bought := order.State{Phase: order.Phase(old.Phase)}.MayHaveBought() && old.Phase != string(order.Cancelled)
	if old.MonthlyPrice != "" {
		if m, err := order.ParseMoney(old.MonthlyPrice); err == nil {
			if err := runtimeOf(ctx).count(urnOf(ctx), m, false, old.Currency); err != nil {
				return resp, err
			}
		}
	}
	var errs []error
	fixed := func(property, was, is string) {
		switch {
		case was == is:
		case old.Imported && (was == "" || property == "duration" || property == "pricingMode"):
			// An import does not tell all that was ordered: the stack's word is taken.
		case !bought:
			update(property)
		case property == "datacenter" && old.DeliveredDatacenter != "" && inCity(old.DeliveredDatacenter, is):
			update(property) // the stack accepts where OVH really delivered
		default:
			errs = append(errs, fmt.Errorf("%s cannot change from %q to %q: %s was bought as it is, and nothing replaces a bought server; give the new one a new node name, and retire this one",
				property, was, is, name(old)))
		}
	}
	fixed("planCode", old.PlanCode, new.PlanCode)
	fixed("product", deref(old.Product, ""), deref(new.Product, ""))
	fixed("datacenter", old.Datacenter, new.Datacenter)
	fixed("options", joined(old.Options), joined(new.Options))
	fixed("duration", deref(old.Duration, "P1M"), deref(new.Duration, "P1M"))
	fixed("pricingMode", deref(old.PricingMode, "default"), deref(new.PricingMode, "default"))
	fixed("os", deref(old.OS, ""), deref(new.OS, ""))
	if len(errs) > 0 {
		return resp, errors.Join(errs...)
	}
	// The most that may be paid matters until it is paid; a later change of it is nobody's business.
	for property, v := range map[string][2]string{
		"displayName": {deref(old.DisplayName, ""), deref(new.DisplayName, "")},
		"retired":     {strconv.FormatBool(truth(old.Retired)), strconv.FormatBool(truth(new.Retired))},
		"disposable":  {strconv.FormatBool(truth(old.Disposable)), strconv.FormatBool(truth(new.Disposable))},
		"rescue":      {strconv.FormatBool(truth(old.Rescue)), strconv.FormatBool(truth(new.Rescue))},
		"renewal":     {strconv.FormatBool(renews(old.ServiceArgs)), strconv.FormatBool(renews(new))},
	} {
		if v[0] != v[1] {
			update(property)
		}
	}
	if word := deref(new.Adopt, ""); word != "" && old.ServiceName != "" && word != old.ServiceName {
		return resp, fmt.Errorf("adopt names %s, but this node is %s: nothing replaces what a node has; correct adopt, or give the other one a new node name", word, old.ServiceName)
	} else if word != "" && old.Unmarked {
		update("adopt") // an import marks nothing; this writes the mark, so that a lost state finds it
	}
	if old.Phase != string(order.Tagged) {
		resp.HasChanges = true
		resp.DetailedDiff["phase"] = p.PropertyDiff{Kind: p.Update}
	}
	return resp, nil
}

func name(s ServiceState) string {
	switch {
	case s.ServiceName != "":
		return s.ServiceName
	case s.OrderID != "":
		return "order " + s.OrderID
	}
	return s.Mark
}

func joined(list []string) string {
	list = slices.Clone(list)
	slices.Sort(list)
	return strings.Join(list, ",")
}

// inCity says whether OVH's name of a data centre, such as "rbx8", belongs to a city of the catalogue, such as "rbx" or "RBX".
func inCity(datacenter, city string) bool {
	return strings.EqualFold(strings.TrimRight(strings.SplitN(strings.ToLower(datacenter), "-", 2)[0], "0123456789"), city)
}

// Create orders, or adopts what is ours already.
func (*Server) Create(ctx context.Context, r infer.CreateRequest[ServiceArgs]) (infer.CreateResponse[ServiceState], error) {
	return createService(ctx, order.Dedicated, r)
}

// Create orders, or adopts what is ours already.
func (*VPS) Create(ctx context.Context, r infer.CreateRequest[ServiceArgs]) (infer.CreateResponse[ServiceState], error) {
	return createService(ctx, order.VPS, r)
}

func createService(ctx context.Context, kind order.Kind, r infer.CreateRequest[ServiceArgs]) (infer.CreateResponse[ServiceState], error) {
	job, err := newRun(ctx, kind, r.Name, r.Inputs)
	if err != nil {
		return infer.CreateResponse[ServiceState]{}, err
	}
	found, err := job.held(ctx, r.DryRun)
	if err != nil {
		return infer.CreateResponse[ServiceState]{}, err
	}
	if r.DryRun {
		out, err := job.preview(ctx, found)
		return infer.CreateResponse[ServiceState]{ID: id(out), Output: out}, err
	}
	state := order.State{Phase: order.Intent, Mark: job.mark}
	if found.service != "" {
		job.rt.log(ctx, "%s", found.say(kind, false))
		state.Phase, state.ServiceName = order.Delivered, found.service
	}
	state, err = job.advance(ctx, state)
	out := job.output(state, ServiceState{})
	if err != nil && !state.MayHaveBought() {
		return infer.CreateResponse[ServiceState]{}, err
	}
	if err != nil {
		err = keep(err)
	}
	return infer.CreateResponse[ServiceState]{ID: id(out), Output: out}, err
}

func id(s ServiceState) string {
	switch {
	case s.ServiceName != "":
		return s.ServiceName
	case s.OrderID != "":
		return "order/" + s.OrderID
	}
	return s.Mark
}

// Update resumes an unfinished order, or changes what may change.
func (*Server) Update(ctx context.Context, r infer.UpdateRequest[ServiceArgs, ServiceState]) (infer.UpdateResponse[ServiceState], error) {
	return updateService(ctx, order.Dedicated, r)
}

// Update resumes an unfinished order, or changes what may change.
func (*VPS) Update(ctx context.Context, r infer.UpdateRequest[ServiceArgs, ServiceState]) (infer.UpdateResponse[ServiceState], error) {
	return updateService(ctx, order.VPS, r)
}

func updateService(ctx context.Context, kind order.Kind, r infer.UpdateRequest[ServiceArgs, ServiceState]) (infer.UpdateResponse[ServiceState], error) {
	old := r.State
	settled := order.State{Phase: order.Phase(old.Phase)}
	if r.DryRun {
		out := old
		out.ServiceArgs = r.Inputs
		if !settled.Settled() {
			runtimeOf(ctx).log(ctx, "goes on with %s, which stands at %q", name(old), old.Phase)
		}
		if settled.Phase == order.Cancelled {
			job, err := newRun(ctx, kind, urnOf(ctx).Name(), r.Inputs)
			if err != nil {
				return infer.UpdateResponse[ServiceState]{}, err
			}
			out, err = job.preview(ctx, holding{})
			return infer.UpdateResponse[ServiceState]{Output: out}, err
		}
		return infer.UpdateResponse[ServiceState]{Output: out}, nil
	}
	job, err := newRun(ctx, kind, urnOf(ctx).Name(), r.Inputs)
	if err != nil {
		return infer.UpdateResponse[ServiceState]{Output: old}, keep(err)
	}
	state := order.State{Phase: settled.Phase, Mark: job.mark, CartID: old.CartID, ServiceName: old.ServiceName}
	if old.OrderID != "" {
		if state.OrderID, err = strconv.ParseInt(old.OrderID, 10, 64); err != nil {
			return infer.UpdateResponse[ServiceState]{Output: old}, keep(fmt.Errorf("order id %q of the state is not a number", old.OrderID))
		}
	}
	if old.Since != "" {
		if state.Since, err = time.Parse(time.RFC3339, old.Since); err != nil {
			return infer.UpdateResponse[ServiceState]{Output: old}, keep(fmt.Errorf("since %q of the state is not a time: %w", old.Since, err))
		}
	}
	switch state.Phase {
	case order.Cancelled: // the former run said so; what was cancelled is proven dead, so the order begins anew
		state = order.State{Phase: order.Intent, Mark: job.mark}
	case order.Tagged: // display name and ownership are written again
		state.Phase = order.Delivered
	case "":
		state.Phase = order.Intent
	}
	if state.Phase == order.Intent {
		if found, err := job.held(ctx, false); err != nil {
			return infer.UpdateResponse[ServiceState]{Output: old}, keep(err)
		} else if found.service != "" {
			state.Phase, state.ServiceName = order.Delivered, found.service
		}
	}
	state, err = job.advance(ctx, state)
	out := job.output(state, old)
	if err != nil {
		err = keep(err)
	}
	return infer.UpdateResponse[ServiceState]{Output: out}, err
}

// WireDependencies says what a preview knows: prices always, everything once the service is there.
func (*Server) WireDependencies(f infer.FieldSelector, _ *ServiceArgs, s *ServiceState) {
	wireService(f, s)
}

// WireDependencies says what a preview knows: prices always, everything once the service is there.
func (*VPS) WireDependencies(f infer.FieldSelector, _ *ServiceArgs, s *ServiceState) {
	wireService(f, s)
}

func wireService(f infer.FieldSelector, s *ServiceState) {
	f.OutputField(&s.MonthlyPrice).AlwaysKnown()
	f.OutputField(&s.SetupPrice).AlwaysKnown()
	f.OutputField(&s.Currency).AlwaysKnown()
	f.OutputField(&s.Availability).AlwaysKnown()
	f.OutputField(&s.Mark).AlwaysKnown()
	if s.ServiceName != "" && s.Address != "" {
		f.OutputField(s).AlwaysKnown()
	}
}

// Read tells the truth about a service, and serves imports by service name or by "order/<id>".
func (*Server) Read(ctx context.Context, r infer.ReadRequest[ServiceArgs, ServiceState]) (infer.ReadResponse[ServiceArgs, ServiceState], error) {
	return readService(ctx, order.Dedicated, r)
}

// Read tells the truth about a service, and serves imports by service name or by "order/<id>".
func (*VPS) Read(ctx context.Context, r infer.ReadRequest[ServiceArgs, ServiceState]) (infer.ReadResponse[ServiceArgs, ServiceState], error) {
	return readService(ctx, order.VPS, r)
}

func readService(ctx context.Context, kind order.Kind, r infer.ReadRequest[ServiceArgs, ServiceState]) (infer.ReadResponse[ServiceArgs, ServiceState], error) {
	rt := runtimeOf(ctx)
	gone := infer.ReadResponse[ServiceArgs, ServiceState]{}
	c, err := rt.api()
	if err != nil {
		return gone, err
	}
	s := r.State
	importing := s.Phase == ""
	if importing {
		if s.Mark, err = markOf(ctx); err != nil {
			return gone, err
		}
		if n, ok := strings.CutPrefix(r.ID, "order/"); ok {
			s.OrderID, s.Phase = n, string(order.Ordered)
		} else {
			s.ServiceName, s.Phase, s.Imported = r.ID, string(order.Tagged), true
		}
	}
	if s.ServiceName == "" {
		return readOrder(ctx, c, r, s, importing)
	}
	service, err := c.Service(ctx, kind, s.ServiceName)
	switch {
	case api.IsNotFound(err):
		rt.log(ctx, "%s does not exist any more: the next run would order a new one", s.ServiceName)
		return gone, nil
	case api.IsExpired(err):
		// Suspended is not gone: forgetting it would buy a second server beside one that a payment brings back.
		rt.log(ctx, "%s is expired and suspended: renew it in OVH's manager, or retire the node", s.ServiceName)
		s.Status = "expired"
		return infer.ReadResponse[ServiceArgs, ServiceState]{ID: r.ID, Inputs: r.Inputs, State: s}, nil
	case err != nil:
		return gone, err
	}
	switch {
	case strings.HasPrefix(service.State, "hacked"):
		rt.log(ctx, "OVH reports %s as %s: isolate it and install it anew under a higher generation", s.ServiceName, service.State)
	case service.State == "error":
		rt.log(ctx, "OVH reports %s as %s: look at it in OVH's manager, or boot it into the rescue system with Rescue", s.ServiceName, service.State)
	}
	if was := s.DeliveredDatacenter; was != "" && was != service.Datacenter {
		rt.log(ctx, "%s stands in %s now, not in %s: OVH moved it; set the node's data centre to what is true when you accept that", s.ServiceName, service.Datacenter, was)
	}
	s.Status, s.Address, s.DeliveredDatacenter = service.State, service.Address, service.Datacenter
	if importing {
		s.Unmarked = service.IAM.Tags[TagMark] == ""
		if s.Unmarked {
			rt.log(ctx, "%s carries no mark yet: write Adopt: %q in the stack and run it, so that a lost state finds it", s.ServiceName, s.ServiceName)
		}
		if service.IAM.DisplayName != "" && service.IAM.DisplayName != service.Name {
			s.DisplayName = &service.IAM.DisplayName
		}
	}
	inputs := r.Inputs
	if !kind.Traits().Machine {
		if importing {
			s.PlanCode, inputs = string(kind), s.ServiceArgs
		}
		return infer.ReadResponse[ServiceArgs, ServiceState]{ID: s.ServiceName, Inputs: inputs, State: s}, nil
	}
	info, err := c.ServiceInfo(ctx, kind, s.ServiceName)
	if err != nil {
		return gone, err
	}
	if on := goesOn(info.Renew); on != renews(s.ServiceArgs) {
		s.Renewal = &on
		if info.Renew.DeleteAtExpiration {
			rt.log(ctx, "%s was given up outside of this stack and ends on %s: the next run takes that back", s.ServiceName, info.Expiration)
		}
	}
	if importing {
		plan, monthly, err := c.ServicePlan(ctx, info.ID)
		if err != nil && !api.IsNotFound(err) {
			return gone, err
		}
		if err == nil {
			s.PlanCode, s.MonthlyPrice, s.Currency = plan, monthly.Value.String(), monthly.Currency
		}
		s.Datacenter = strings.TrimRight(strings.SplitN(service.Datacenter, "-", 2)[0], "0123456789")
		if kind == order.VPS {
			s.Datacenter = strings.ToUpper(s.Datacenter)
		}
		inputs = s.ServiceArgs
	}
	return infer.ReadResponse[ServiceArgs, ServiceState]{ID: s.ServiceName, Inputs: inputs, State: s}, nil
}

func readOrder(ctx context.Context, c *api.Client, r infer.ReadRequest[ServiceArgs, ServiceState], s ServiceState, importing bool) (infer.ReadResponse[ServiceArgs, ServiceState], error) {
	resp := infer.ReadResponse[ServiceArgs, ServiceState]{ID: r.ID, Inputs: r.Inputs, State: s}
	if s.OrderID == "" {
		return resp, nil // no order yet: only the next run's reconciliation can tell
	}
	n, err := strconv.ParseInt(s.OrderID, 10, 64)
	if err != nil {
		return resp, fmt.Errorf("order id %q is not a number; import with order/ and the number that OVH's manager shows", s.OrderID)
	}
	status, err := c.OrderStatus(ctx, n)
	if err != nil {
		return infer.ReadResponse[ServiceArgs, ServiceState]{}, err
	}
	resp.State.Status = status
	if order.Dead(status) {
		resp.State.Phase = string(order.Cancelled)
	}
	if importing {
		facts, err := c.OrderFacts(ctx, n)
		if err != nil {
			return infer.ReadResponse[ServiceArgs, ServiceState]{}, err
		}
		for _, row := range facts.Rows {
			if !strings.Contains(row.Domain, ".0") && resp.State.PlanCode == "" {
				resp.State.PlanCode, resp.State.Datacenter = row.Code, row.Datacenter
				continue
			}
			resp.State.Options = append(resp.State.Options, row.Code)
		}
		resp.State.Imported = true
		resp.Inputs = resp.State.ServiceArgs
	}
	return resp, nil
}

// Delete gives the service up at its expiry, which can be undone until then. It refuses unless the stack said so before.
func (*Server) Delete(ctx context.Context, r infer.DeleteRequest[ServiceState]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, deleteService(ctx, order.Dedicated, r.State)
}

// Delete gives the service up at its expiry, which can be undone until then. It refuses unless the stack said so before.
func (*VPS) Delete(ctx context.Context, r infer.DeleteRequest[ServiceState]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, deleteService(ctx, order.VPS, r.State)
}
