package provider

import (
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
)

// TestAnotherConfigurationReplacesNothing: a replaced provider replaces all it has bought. That infer's own answer is a replacement, and that this one arrives, is
// seen in the recorded preview of infra/report/pulls that raises the budget.
func TestAnotherConfigurationReplacesNothing(t *testing.T) {
	diff := neverReplaced(p.DiffResponse{DeleteBeforeReplace: true, HasChanges: true, DetailedDiff: map[string]p.PropertyDiff{
		"budget": {Kind: p.UpdateReplace, InputDiff: true}, "account": {Kind: p.AddReplace}, "waitMinutes": {Kind: p.DeleteReplace}, "other": {Kind: p.Update},
	}})
	want := map[string]p.PropertyDiff{"budget": {Kind: p.Update, InputDiff: true}, "account": {Kind: p.Add}, "waitMinutes": {Kind: p.Delete}, "other": {Kind: p.Update}}
	for path, each := range diff.DetailedDiff {
		if each != want[path] {
			t.Errorf("%s is %+v; wanted %+v", path, each, want[path])
		}
	}
	if diff.DeleteBeforeReplace || !diff.HasChanges || len(diff.DetailedDiff) != len(want) {
		t.Errorf("%+v; wanted the same changes without a replacement", diff)
	}
}
