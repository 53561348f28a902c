package ovhmetal

import (
	"flag"
	"fmt"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"pgregory.net/rapid"

	"havre/infra/sandbox/ovhsim"
)

// TestPropertyOfAStack lets a stack live through whatever comes: generations that rise, stay or fall, budgets, lost states, faults and kills at any call. Its
// invariants hold after every run: one live order, never more spent than the budget allows, and a wipe for each higher generation only.
func TestPropertyOfAStack(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue { // each check is a life of its own at the simulator
		must(t, f.Value.Set("30"))
		defer func() { must(t, f.Value.Set(f.DefValue)) }()
	}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, ovhsim.Options{})
		defer func() { must(t, w.close()) }()
		vps := rapid.Bool().Draw(rt, "vps")
		program, price := serverNode("n", "", nil), 91.99
		if vps {
			program, price = vpsNode("n", nil), 8.49
		}
		base := program[1]
		generation, highest := 1, 0
		program[1] = declared{base.kind, base.name, func(o map[string]resource.PropertyMap) resource.PropertyMap {
			in := base.inputs(o)
			in["generation"] = resource.NewProperty(float64(generation))
			return in
		}}
		s := &stack{program: program, state: map[string]entry{}}
		affordable := false
		for range rapid.IntRange(1, 6).Draw(rt, "runs") {
			generation = max(1, generation+rapid.IntRange(-1, 1).Draw(rt, "generation"))
			if rapid.IntRange(0, 5).Draw(rt, "state lost") == 0 {
				s.state = map[string]entry{}
			}
			budget := price + float64(rapid.IntRange(-1, 1).Draw(rt, "budget"))
			line := &wire{}
			switch rapid.IntRange(0, 3).Draw(rt, "trouble") {
			case 0:
				line.killAt, line.after = rapid.IntRange(1, 60).Draw(rt, "kill"), rapid.Bool().Draw(rt, "after")
			case 1:
				kind := rapid.SampledFrom([]ovhsim.Kind{ovhsim.FailBefore, ovhsim.FailAfter, ovhsim.DropBefore, ovhsim.DropAfter, ovhsim.Malformed, ovhsim.TooMany}).Draw(rt, "fault")
				if _, err := w.sim.Fault(ovhsim.Fault{Kind: kind, Nth: rapid.IntRange(1, 60).Draw(rt, "nth"), Times: 1}); err != nil {
					rt.Fatal(err)
				}
			}
			before := s.clone()
			server, err := w.process(line, map[string]any{"waitMinutes": 0.02, "budget": fmt.Sprintf("%.2f", budget)})
			if err != nil {
				rt.Fatal(err)
			}
			r := s.run(server, false)
			w.sim.ClearFaults()
			if line.dead {
				s.keepOnlyFinished(before, r)
			}
			affordable = affordable || budget >= price
			highest = max(highest, generation)

			books := w.sim.Books()
			if books.Live > 1 || !books.Balanced {
				rt.Fatalf("%d live orders for one node: %+v", books.Live, books.Orders)
			}
			if !affordable && books.Count > 0 {
				rt.Fatalf("%d orders though no budget allowed any", books.Count)
			}
			for _, v := range w.sim.Services() {
				if v.Kind != "vrack" && v.Installs > highest {
					rt.Fatalf("%d installations for %d generations", v.Installs, highest)
				}
			}
			if old, now := before.state["n-server"].Outputs["orderId"], s.state["n-server"].Outputs["orderId"]; len(s.state) > 0 && old.IsString() && old.StringValue() != "" && !now.DeepEquals(old) {
				rt.Fatalf("order %s was forgotten for %v", old.StringValue(), now)
			}
		}
	})
}
