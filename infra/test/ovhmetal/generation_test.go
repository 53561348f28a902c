package ovhmetal

import (
	"context"
	"fmt"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// generations is a node's program with another generation of its installation.
func generations(program []declared, generation int) []declared {
	base := program[1]
	return []declared{program[0], {base.kind, base.name, func(o map[string]resource.PropertyMap) resource.PropertyMap {
		in := base.inputs(o)
		in["generation"] = resource.NewProperty(float64(generation))
		return in
	}}}
}

// TestGenerationTakenBack kills the run of a higher generation at every call, loses the state, and goes back to the generation before: nothing wipes the disks that the
// killed run did not wipe already.
func TestGenerationTakenBack(t *testing.T) {
	for name, node := range bothKinds() {
		t.Run(name, func(t *testing.T) {
			wiped := map[int]int{}
			for at := 1; ; at++ {
				for _, after := range []bool{false, true} {
					w, s := begin(t, node(nil)...)
					must(t, w.up(t, s).err)
					service := s.state["n-server"].ID
					s.program = generations(s.program, 2)
					ctx, cancel := context.WithCancel(t.Context())
					line := &wire{killAt: at, after: after, cancel: cancel}
					server, err := w.process(line, nil)
					if err == nil {
						s.runIn(ctx, server, false) // its end is the test's own kill
					}
					cancel()
					if !line.dead {
						if wiped[1] == 0 || wiped[2] == 0 {
							t.Fatalf("runs ended with as many installations as %v; want some killed before the second, and some after it", wiped)
						}
						return
					}
					before := w.view(t, service).Installs
					wiped[before]++
					lost := &stack{program: generations(s.program, 1), state: map[string]entry{}}
					if err := w.up(t, lost).err; err != nil {
						t.Fatalf("killed at call %d (after %t): %v", at, after, err)
					}
					v := w.view(t, service)
					if v.Installs != before || v.Tags["havre.generation"] != fmt.Sprint(before) {
						t.Errorf("killed at call %d (after %t): %d installations, tags %v; want %d, as when it was killed", at, after, v.Installs, v.Tags, before)
					}
					generation := lost.state["n-installation"].Outputs["installedGeneration"].NumberValue()
					if int(generation) != before {
						t.Errorf("killed at call %d (after %t): generation %v in the state, want %d", at, after, generation, before)
					}
				}
			}
		})
	}
}
