package priority_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/hosttest"
	"havre/components/workload/workloadtest"
	"havre/services/priority"
)

// The order is what a burst relies on: readers' pods above those of no class (0), placeholders below everything, and batch pods pushing out nobody.
func TestOrder(t *testing.T) {
	for _, mode := range hosttest.Both {
		e := workloadtest.Kubernetes(hosttest.New())
		if err := e.Run(mode, func(ctx *pulumi.Context) error {
			made, err := priority.New(ctx)
			if len(made) != 3 {
				t.Errorf("%d resources", len(made))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		value, policy := map[string]float64{}, map[string]string{}
		for _, class := range []string{priority.Serving, priority.Batch, priority.Headroom} {
			r, err := e.Named("priority-" + class)
			if err != nil {
				t.Fatal(err)
			}
			if r.Text("metadata.name") != class {
				t.Errorf("%s is called %s", class, r.Text("metadata.name"))
			}
			value[class], policy[class] = r.Value("value").NumberValue(), r.Text("preemptionPolicy")
		}
		if value[priority.Serving] <= 0 || value[priority.Batch] >= 0 || value[priority.Headroom] >= value[priority.Batch] {
			t.Errorf("the order is %v", value)
		}
		if policy[priority.Batch] != "Never" || policy[priority.Serving] != "PreemptLowerPriority" || policy[priority.Headroom] != "PreemptLowerPriority" {
			t.Errorf("who pushes out: %v", policy)
		}
	}
}
