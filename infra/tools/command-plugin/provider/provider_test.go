package provider

import (
	"context"
	"errors"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"havre/components/unchanged"
)

// TestUnchangedInputsAreNotCheckedAgain: what a check has answered is answered again without the library, secrets included; anything else, and anything new, is not.
func TestUnchangedInputsAreNotCheckedAgain(t *testing.T) {
	built, err := New()
	if err != nil {
		t.Fatal(err)
	}
	const urn = "urn:pulumi:test::havre::command:remote:Command::node-1-base"
	connection := property.New(map[string]property.Value{"host": property.New("198.51.100.11"), "privateKey": property.New("key").WithSecret(true)}).WithSecret(true)
	inputs := property.NewMap(map[string]property.Value{"connection": connection, "create": property.New("true")})
	first, err := built.Check(t.Context(), p.CheckRequest{Urn: urn, Inputs: inputs})
	if err != nil || len(first.Failures) > 0 || property.New(first.Inputs).Equals(property.New(inputs)) {
		t.Fatalf("first check: %v, %v, %v", first.Inputs, first.Failures, err)
	}
	asked := errors.New("the library was asked")
	quick := unchanged.Check(func(context.Context, p.CheckRequest) (p.CheckResponse, error) { return p.CheckResponse{}, asked })
	again, err := quick(t.Context(), p.CheckRequest{Urn: urn, State: first.Inputs, Inputs: first.Inputs})
	if err != nil || !property.New(again.Inputs).Equals(property.New(first.Inputs)) {
		t.Errorf("the same again: %v, %v", again.Inputs, err)
	}
	slow, err := built.Check(t.Context(), p.CheckRequest{Urn: urn, Inputs: first.Inputs})
	if err != nil || !property.New(slow.Inputs).Equals(property.New(first.Inputs)) {
		t.Errorf("the library says otherwise of its own answer: %v, %v", slow.Inputs, err)
	}
	for name, request := range map[string]p.CheckRequest{
		"new":             {Urn: urn, Inputs: first.Inputs},
		"without default": {Urn: urn, State: first.Inputs, Inputs: inputs},
		"changed":         {Urn: urn, State: first.Inputs, Inputs: first.Inputs.Set("create", property.New("false"))},
		"no secret":       {Urn: urn, State: first.Inputs, Inputs: first.Inputs.Set("connection", connection.WithSecret(false))},
	} {
		if _, err := quick(t.Context(), request); !errors.Is(err, asked) {
			t.Errorf("%s: answered without the library: %v", name, err)
		}
	}
}
