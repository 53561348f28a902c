package provider

import (
	"context"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/components/ovh/order"
)

// Vrack is the order of a private network between dedicated servers. It goes the way of a server's order, and is never paid for.
type Vrack struct{}

// VrackArgs is what the stack says of it. See sdk.VrackArgs.
type VrackArgs struct {
	DisplayName *string `pulumi:"displayName,optional"`
	Adopt       *string `pulumi:"adopt,optional"`
	Retired     *bool   `pulumi:"retired,optional"`
	Disposable  *bool   `pulumi:"disposable,optional"`
}

// VrackState is what is known of it.
type VrackState struct {
	VrackArgs
	ServiceName string `pulumi:"serviceName"`
	OrderID     string `pulumi:"orderId"`
	CartID      string `pulumi:"cartId,optional"`
	Mark        string `pulumi:"mark"`
	Phase       string `pulumi:"phase"`
	Status      string `pulumi:"status"`
	Imported    bool   `pulumi:"imported,optional"`
	Unmarked    bool   `pulumi:"unmarked,optional"`
	Since       string `pulumi:"since,optional"`
}

var (
	_ infer.CustomResource[VrackArgs, VrackState]       = (*Vrack)(nil)
	_ infer.CustomCheck[VrackArgs]                      = (*Vrack)(nil)
	_ infer.CustomDiff[VrackArgs, VrackState]           = (*Vrack)(nil)
	_ infer.CustomUpdate[VrackArgs, VrackState]         = (*Vrack)(nil)
	_ infer.CustomRead[VrackArgs, VrackState]           = (*Vrack)(nil)
	_ infer.CustomDelete[VrackState]                    = (*Vrack)(nil)
	_ infer.ExplicitDependencies[VrackArgs, VrackState] = (*Vrack)(nil)
)

// Annotate names the resource.
func (r *Vrack) Annotate(a infer.Annotator) {
	a.SetToken("index", "Vrack")
	a.Describe(&r, "A private network between dedicated servers, ordered once and free of charge. No change of its inputs replaces it.")
}

// service is the same as every order has it.
func (a VrackArgs) service() ServiceArgs {
	return ServiceArgs{PlanCode: "vrack", DisplayName: a.DisplayName, Adopt: a.Adopt, Retired: a.Retired, Disposable: a.Disposable}
}

func vrackArgs(a ServiceArgs) VrackArgs {
	return VrackArgs{DisplayName: a.DisplayName, Adopt: a.Adopt, Retired: a.Retired, Disposable: a.Disposable}
}

func (s VrackState) service() ServiceState {
	return ServiceState{
		ServiceArgs: s.VrackArgs.service(), ServiceName: s.ServiceName, OrderID: s.OrderID, CartID: s.CartID, Mark: s.Mark, Phase: s.Phase, Status: s.Status,
		Imported: s.Imported, Unmarked: s.Unmarked, Since: s.Since,
	}
}

func vrackState(s ServiceState) VrackState {
	return VrackState{
		VrackArgs: vrackArgs(s.ServiceArgs), ServiceName: s.ServiceName, OrderID: s.OrderID, CartID: s.CartID, Mark: s.Mark, Phase: s.Phase, Status: s.Status,
		Imported: s.Imported, Unmarked: s.Unmarked, Since: s.Since,
	}
}

// Check validates the inputs.
func (*Vrack) Check(ctx context.Context, r infer.CheckRequest) (infer.CheckResponse[VrackArgs], error) {
	args, failures, err := infer.DefaultCheck[VrackArgs](ctx, r.NewInputs)
	if err == nil && args.DisplayName != nil && len(*args.DisplayName) > order.MaxDisplayName {
		failures = append(failures, p.CheckFailure{Property: "displayName", Reason: fmt.Sprintf("%q has %d characters, OVH takes %d; shorten it",
			*args.DisplayName, len(*args.DisplayName), order.MaxDisplayName)})
	}
	return infer.CheckResponse[VrackArgs]{Inputs: args, Failures: failures}, err
}

// Diff compares. See diffService.
func (*Vrack) Diff(ctx context.Context, r infer.DiffRequest[VrackArgs, VrackState]) (infer.DiffResponse, error) {
	return diffService(ctx, infer.DiffRequest[ServiceArgs, ServiceState]{ID: r.ID, State: r.State.service(), Inputs: r.Inputs.service()})
}

// Create orders, or adopts what is ours already.
func (*Vrack) Create(ctx context.Context, r infer.CreateRequest[VrackArgs]) (infer.CreateResponse[VrackState], error) {
	made, err := createService(ctx, order.Vrack, infer.CreateRequest[ServiceArgs]{Name: r.Name, Inputs: r.Inputs.service(), DryRun: r.DryRun})
	return infer.CreateResponse[VrackState]{ID: made.ID, Output: vrackState(made.Output)}, err
}

// Update resumes an unfinished order, or changes what may change.
func (*Vrack) Update(ctx context.Context, r infer.UpdateRequest[VrackArgs, VrackState]) (infer.UpdateResponse[VrackState], error) {
	made, err := updateService(ctx, order.Vrack, infer.UpdateRequest[ServiceArgs, ServiceState]{
		ID: r.ID, State: r.State.service(), Inputs: r.Inputs.service(), DryRun: r.DryRun,
	})
	return infer.UpdateResponse[VrackState]{Output: vrackState(made.Output)}, err
}

// Read tells the truth about a vRack, and serves imports by service name or by "order/<id>".
func (*Vrack) Read(ctx context.Context, r infer.ReadRequest[VrackArgs, VrackState]) (infer.ReadResponse[VrackArgs, VrackState], error) {
	read, err := readService(ctx, order.Vrack, infer.ReadRequest[ServiceArgs, ServiceState]{ID: r.ID, Inputs: r.Inputs.service(), State: r.State.service()})
	return infer.ReadResponse[VrackArgs, VrackState]{ID: read.ID, Inputs: vrackArgs(read.Inputs), State: vrackState(read.State)}, err
}

// Delete gives an empty vRack up. It costs nothing and OVH ends none without a mail that a person answers, so it stays in the account under its retired tag,
// and the same name takes it back instead of ordering another.
func (*Vrack) Delete(ctx context.Context, r infer.DeleteRequest[VrackState]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, deleteService(ctx, order.Vrack, r.State.service())
}

// WireDependencies says what a preview knows: everything once the vRack is there.
func (*Vrack) WireDependencies(f infer.FieldSelector, _ *VrackArgs, s *VrackState) {
	f.OutputField(&s.Mark).AlwaysKnown()
	if s.ServiceName != "" {
		f.OutputField(s).AlwaysKnown()
	}
}
