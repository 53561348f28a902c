package provider

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/components/ovh/api"
)

// ReverseDNS is the name that an address resolves back to.
type ReverseDNS struct{}

// ReverseDNSArgs is an address and its name.
type ReverseDNSArgs struct {
	Address string `pulumi:"address" provider:"replaceOnChanges"`
	Reverse string `pulumi:"reverse"` // with or without the final dot
}

// ReverseDNSState is the same.
type ReverseDNSState struct{ ReverseDNSArgs }

var (
	_ infer.CustomResource[ReverseDNSArgs, ReverseDNSState] = (*ReverseDNS)(nil)
	_ infer.CustomCheck[ReverseDNSArgs]                     = (*ReverseDNS)(nil)
	_ infer.CustomUpdate[ReverseDNSArgs, ReverseDNSState]   = (*ReverseDNS)(nil)
	_ infer.CustomRead[ReverseDNSArgs, ReverseDNSState]     = (*ReverseDNS)(nil)
	_ infer.CustomDelete[ReverseDNSState]                   = (*ReverseDNS)(nil)
)

// Annotate names the resource.
func (r *ReverseDNS) Annotate(a infer.Annotator) {
	a.SetToken("index", "ReverseDNS")
	a.Describe(&r, "The name that an address resolves back to. The name must resolve to the address first.")
}

// Check validates the inputs.
func (*ReverseDNS) Check(ctx context.Context, r infer.CheckRequest) (infer.CheckResponse[ReverseDNSArgs], error) {
	args, failures, err := infer.DefaultCheck[ReverseDNSArgs](ctx, r.NewInputs)
	if err == nil && len(failures) == 0 && !r.NewInputs.Get("reverse").HasComputed() && !strings.Contains(strings.TrimSuffix(args.Reverse, "."), ".") {
		failures = append(failures, p.CheckFailure{Property: "reverse", Reason: fmt.Sprintf("%q is not a full name; write it like web1.example.net", args.Reverse)})
	}
	if err == nil && !r.NewInputs.Get("address").HasComputed() {
		failures = append(failures, checkAddress(args.Address)...)
	}
	return infer.CheckResponse[ReverseDNSArgs]{Inputs: args, Failures: failures}, err
}

func checkAddress(address string) []p.CheckFailure {
	if a, err := netip.ParseAddr(address); err == nil && a.Is4() {
		return nil
	}
	return []p.CheckFailure{{Property: "address", Reason: fmt.Sprintf("%q is not an IPv4 address; give that of a server or VPS", address)}}
}

// Create sets the name.
func (*ReverseDNS) Create(ctx context.Context, r infer.CreateRequest[ReverseDNSArgs]) (infer.CreateResponse[ReverseDNSState], error) {
	out := infer.CreateResponse[ReverseDNSState]{ID: r.Inputs.Address, Output: ReverseDNSState{r.Inputs}}
	if r.DryRun {
		return out, nil
	}
	return out, setReverse(ctx, r.Inputs)
}

// Update sets it again.
func (*ReverseDNS) Update(ctx context.Context, r infer.UpdateRequest[ReverseDNSArgs, ReverseDNSState]) (infer.UpdateResponse[ReverseDNSState], error) {
	out := infer.UpdateResponse[ReverseDNSState]{Output: ReverseDNSState{r.Inputs}}
	if r.DryRun {
		return out, nil
	}
	return out, setReverse(ctx, r.Inputs)
}

// forwardWait is how long a new record may take until OVH's resolvers see it.
const forwardWait = 5 * time.Minute

// setReverse asks until OVH takes the name, for its record may be seconds old.
func setReverse(ctx context.Context, a ReverseDNSArgs) error {
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return err
	}
	want := strings.TrimSuffix(a.Reverse, ".") + "."
	if is, err := c.Reverse(ctx, a.Address); err == nil && is == want {
		return nil // a run on a lost state finds what it made
	}
	deadline := time.Now().Add(min(rt.wait, forwardWait))
	for {
		err := c.SetReverse(ctx, a.Address, want)
		if err == nil {
			return nil
		}
		if !api.IsRefused(err) || time.Now().After(deadline) {
			return fmt.Errorf("reverse of %s: %w; %s must resolve to %s first", a.Address, err, a.Reverse, a.Address)
		}
		rt.status(ctx, "waiting until OVH finds that %s resolves to %s", strings.TrimSuffix(want, "."), a.Address)
		if !rt.sleep(ctx) {
			return fmt.Errorf("reverse of %s is not set yet; run again: %w", a.Address, err)
		}
	}
}

// Read looks the name up; the address imports.
func (*ReverseDNS) Read(ctx context.Context, r infer.ReadRequest[ReverseDNSArgs, ReverseDNSState]) (infer.ReadResponse[ReverseDNSArgs, ReverseDNSState], error) {
	gone := infer.ReadResponse[ReverseDNSArgs, ReverseDNSState]{}
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return gone, err
	}
	name, err := c.Reverse(ctx, r.ID)
	if api.IsNotFound(err) {
		return gone, nil
	}
	if err != nil {
		return gone, err
	}
	a := ReverseDNSArgs{Address: r.ID, Reverse: strings.TrimSuffix(name, ".")}
	if strings.TrimSuffix(r.State.Reverse, ".") == a.Reverse {
		a.Reverse = r.State.Reverse // spelt as the stack spells it
	}
	return infer.ReadResponse[ReverseDNSArgs, ReverseDNSState]{ID: r.ID, Inputs: a, State: ReverseDNSState{a}}, nil
}

// Delete takes the name away; an address that is gone has none.
func (*ReverseDNS) Delete(ctx context.Context, r infer.DeleteRequest[ReverseDNSState]) (infer.DeleteResponse, error) {
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	return infer.DeleteResponse{}, c.DeleteReverse(ctx, r.State.Address)
}
