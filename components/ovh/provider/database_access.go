package provider

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/components/ovh/api"
)

// DatabaseAccess is the whole list of addresses that may connect to a managed PostgreSQL.
type DatabaseAccess struct{}

// DatabaseAccessArgs is the list. See sdk.DatabaseAccessArgs.
type DatabaseAccessArgs struct {
	Project   string   `pulumi:"project" provider:"replaceOnChanges"`
	ServiceID string   `pulumi:"serviceId" provider:"replaceOnChanges"`
	Addresses []string `pulumi:"addresses"`
}

// DatabaseAccessState is the same.
type DatabaseAccessState struct{ DatabaseAccessArgs }

var (
	_ infer.CustomResource[DatabaseAccessArgs, DatabaseAccessState] = (*DatabaseAccess)(nil)
	_ infer.CustomCheck[DatabaseAccessArgs]                         = (*DatabaseAccess)(nil)
	_ infer.CustomUpdate[DatabaseAccessArgs, DatabaseAccessState]   = (*DatabaseAccess)(nil)
	_ infer.CustomRead[DatabaseAccessArgs, DatabaseAccessState]     = (*DatabaseAccess)(nil)
	_ infer.CustomDelete[DatabaseAccessState]                       = (*DatabaseAccess)(nil)
)

// Annotate names the resource.
func (r *DatabaseAccess) Annotate(a infer.Annotator) {
	a.SetToken("index", "DatabaseAccess")
	a.Describe(&r, "Who may connect to a managed PostgreSQL: these networks and no others. A fork that is not scrubbed is never opened.")
}

// maxOpen is the widest network that may connect: a whole provider is no list.
const maxOpen = 8

// Check validates the inputs.
func (*DatabaseAccess) Check(ctx context.Context, r infer.CheckRequest) (infer.CheckResponse[DatabaseAccessArgs], error) {
	args, failures, err := infer.DefaultCheck[DatabaseAccessArgs](ctx, r.NewInputs)
	if err != nil || len(failures) > 0 || r.NewInputs.Get("addresses").HasComputed() {
		return infer.CheckResponse[DatabaseAccessArgs]{Inputs: args, Failures: failures}, err
	}
	if _, err := networks(args.Addresses); err != nil {
		failures = append(failures, p.CheckFailure{Property: "addresses", Reason: err.Error()})
	}
	return infer.CheckResponse[DatabaseAccessArgs]{Inputs: args, Failures: failures}, nil
}

// networks reads addresses and networks, sorted.
func networks(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	var errs []error
	for _, text := range list {
		n, err := netip.ParsePrefix(text)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(text); err == nil {
				n = netip.PrefixFrom(a, a.BitLen())
			}
		}
		switch {
		case err != nil || !n.Addr().Is4() || n.Masked() != n:
			errs = append(errs, fmt.Errorf("%q is neither an IPv4 address nor a network; write it like 192.0.2.1 or 192.0.2.0/24", text))
		case n.Bits() < maxOpen:
			errs = append(errs, fmt.Errorf("%s opens the database to far too many; give the fleet's addresses", text))
		default:
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	return slices.Compact(out), errors.Join(errs...)
}

// Create opens the service to the list.
func (*DatabaseAccess) Create(ctx context.Context, r infer.CreateRequest[DatabaseAccessArgs]) (infer.CreateResponse[DatabaseAccessState], error) {
	out := infer.CreateResponse[DatabaseAccessState]{ID: r.Inputs.ServiceID, Output: DatabaseAccessState{r.Inputs}}
	if r.DryRun {
		return out, nil
	}
	return out, open(ctx, r.Inputs)
}

// Update exchanges the list.
func (*DatabaseAccess) Update(ctx context.Context, r infer.UpdateRequest[DatabaseAccessArgs, DatabaseAccessState]) (infer.UpdateResponse[DatabaseAccessState], error) {
	out := infer.UpdateResponse[DatabaseAccessState]{Output: DatabaseAccessState{r.Inputs}}
	if r.DryRun {
		return out, nil
	}
	return out, open(ctx, r.Inputs)
}

// open says who may connect. That a fork is scrubbed is read from the service itself: neither a wrong dependency in a program nor a lost state can open one that
// is not.
func open(ctx context.Context, a DatabaseAccessArgs) error {
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return err
	}
	list, err := networks(a.Addresses)
	if err != nil {
		return err
	}
	v, err := rt.awaitDatabase(ctx, c, a.Project, a.ServiceID)
	if err != nil {
		return err
	}
	if l, ok := parseLabel(v.Description); ok && l.generation > 0 && l.scrubbed == "" {
		return fmt.Errorf("database %s holds production's data and is not scrubbed: nobody may connect; run again, the scrub comes first", a.ServiceID)
	}
	return rt.restrict(ctx, c, a.Project, a.ServiceID, list, "havre")
}

// restrict writes the list and waits until it holds.
func (rt *runtime) restrict(ctx context.Context, c *api.Client, project, service string, list []netip.Prefix, description string) error {
	if err := c.Restrict(ctx, project, service, list, description); err != nil {
		return err
	}
	_, err := rt.awaitDatabase(ctx, c, project, service)
	return err
}

// Read says who may connect.
func (*DatabaseAccess) Read(ctx context.Context, r infer.ReadRequest[DatabaseAccessArgs, DatabaseAccessState]) (infer.ReadResponse[DatabaseAccessArgs, DatabaseAccessState], error) {
	gone := infer.ReadResponse[DatabaseAccessArgs, DatabaseAccessState]{}
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return gone, err
	}
	if r.State.Project == "" {
		return gone, fmt.Errorf("the addresses of database %s need no import: let pulumi up write them", r.ID)
	}
	v, err := c.Database(ctx, r.State.Project, r.ID)
	if api.IsNotFound(err) {
		return gone, nil
	}
	if err != nil {
		return gone, err
	}
	var there []string
	for _, i := range v.Restrictions {
		there = append(there, i.IP)
	}
	a := r.State.DatabaseAccessArgs
	is, err1 := networks(there)
	was, err2 := networks(a.Addresses)
	if err1 != nil || err2 != nil || !slices.Equal(is, was) {
		a.Addresses = there // as OVH spells them, so that the next preview shows what somebody added by hand
	}
	return infer.ReadResponse[DatabaseAccessArgs, DatabaseAccessState]{ID: r.ID, Inputs: a, State: DatabaseAccessState{a}}, nil
}

// Delete closes the service to everybody.
func (*DatabaseAccess) Delete(ctx context.Context, r infer.DeleteRequest[DatabaseAccessState]) (infer.DeleteResponse, error) {
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	err = c.Restrict(ctx, r.State.Project, r.State.ServiceID, nil, "")
	if api.IsNotFound(err) {
		err = nil
	}
	return infer.DeleteResponse{}, err
}
