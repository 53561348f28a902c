// Package unchanged answers for a plugin what has been asked before. In a preview of 200 hosts nearly every question is whether something has changed that
// has not, and the engine asks one resource after another, so that the whole preview waits for each answer; the library (pulumi-go-provider v1.4.0) walks the
// type by reflection for a check, and makes the resource's whole schema anew for a comparison.
//
// The thing to get wrong: the answers are the library's own only for resources whose check is a function of the inputs alone, and, with Diff, for those that
// leave the comparison to the library.
package unchanged

import (
	"context"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// Equal says whether two sets of properties are the same, secrets and unknown values included.
func Equal(a, b property.Map) bool { return property.New(a).Equals(property.New(b)) }

// Inputs says whether a comparison is asked for with inputs that are those of the state. An engine that does not send the old inputs is never told so.
func Inputs(ctx context.Context, request p.DiffRequest) bool {
	return p.GetRunInfo(ctx).SupportsOldInputs && Equal(request.OldInputs, request.Inputs)
}

// Check answers for inputs that an earlier check has passed, defaults and all, with those inputs: a check of its own answer changes nothing. Everything else is
// asked of check.
func Check(check func(context.Context, p.CheckRequest) (p.CheckResponse, error)) func(context.Context, p.CheckRequest) (p.CheckResponse, error) {
	return func(ctx context.Context, request p.CheckRequest) (p.CheckResponse, error) {
		if request.State.Len() > 0 && Equal(request.State, request.Inputs) {
			return p.CheckResponse{Inputs: request.Inputs}, nil
		}
		return check(ctx, request)
	}
}

// Diff answers for inputs that are those of the state: no difference. Everything else is asked of diff.
func Diff(diff func(context.Context, p.DiffRequest) (p.DiffResponse, error)) func(context.Context, p.DiffRequest) (p.DiffResponse, error) {
	return func(ctx context.Context, request p.DiffRequest) (p.DiffResponse, error) {
		if Inputs(ctx, request) {
			return None(), nil
		}
		return diff(ctx, request)
	}
}

// None is the answer that nothing differs.
func None() p.DiffResponse { return p.DiffResponse{DetailedDiff: map[string]p.PropertyDiff{}} }
