package fleet

import (
	"testing"

	"havre/stacks"
)

func TestEverySizeIsAValidStack(t *testing.T) {
	for n := Least; n <= Greatest; n++ {
		stack, err := Of(n)
		if err != nil {
			t.Fatal(err)
		}
		if len(stack.Nodes) != n {
			t.Errorf("%d hosts: the stack has %d", n, len(stack.Nodes))
		}
		plan, err := stack.Plan()
		if err != nil {
			t.Fatalf("%d hosts: %v", n, err)
		}
		if got := len(plan.Edge); got < 2 || len(plan.ControlPlane) != 3 || len(plan.Data) == 0 {
			t.Errorf("%d hosts: %d edge nodes, %d control-plane nodes, %d data hosts", n, got, len(plan.ControlPlane), len(plan.Data))
		}
	}
}

func TestOtherSizesAreRefused(t *testing.T) {
	for n, want := range map[int]string{
		7:   "bench: a fleet of 7 hosts; wanted from 8 to 250",
		251: "bench: a fleet of 251 hosts; wanted from 8 to 250",
	} {
		if _, err := Of(n); err == nil || err.Error() != want {
			t.Errorf("%d hosts: error %v, want %s", n, err, want)
		}
	}
}

// TestProductionStaysAsItIs: the fleet is made of copies.
func TestProductionStaysAsItIs(t *testing.T) {
	before := len(stacks.Production().Nodes)
	if _, err := Of(Greatest); err != nil {
		t.Fatal(err)
	}
	if after := len(stacks.Production().Nodes); after != before {
		t.Errorf("production has %d nodes after a fleet was made, %d before", after, before)
	}
}
