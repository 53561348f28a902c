package platform

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/hosttest"
	"havre/infra/guard"
	"havre/stacks"
)

// TestEveryExceptionIsNeeded: an exception that no stack needs would let through whatever takes the name next.
func TestEveryExceptionIsNeeded(t *testing.T) {
	idle := map[guard.Exception]int{}
	for _, name := range stacks.Names() {
		stack, file := described(t, name), overlay(t)
		var g *guard.Guard
		err := engine(t, stack).Run(hosttest.Unknown, func(ctx *pulumi.Context) (err error) {
			if g, err = guard.Watch(ctx, guard.Facts{Exceptions: guard.Exceptions()}); err != nil {
				return err
			}
			return Deploy(ctx, stack, file)
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range g.Unused() {
			idle[e]++
		}
	}
	for e, stacksWithout := range idle {
		if stacksWithout == len(stacks.Names()) {
			t.Errorf("no stack needs the exception from %s of %s %s for %s; remove it from infra/guard/exceptions.go", e.Rule, e.Kind, e.Name, e.Subject)
		}
	}
}

// TestTheGuardSeesTheWholeCluster: 16 replicas are within what the description may say, for in sum there are cores enough; but of the three servers that remain
// when a site is lost, none takes more than five beside the agents.
func TestTheGuardSeesTheWholeCluster(t *testing.T) {
	stack, file := described(t, "prod"), overlay(t)
	stack.Render.MaxReplicas = 16
	e := engine(t, stack)
	err := e.Run(hosttest.Unknown, func(ctx *pulumi.Context) error { return Deploy(ctx, stack, file) })
	want := "stack prod is not deployed:\n" +
		"Deployment render-renderer-deployment: capacity: 1 of 16 pods of 2 CPU and 2Gi find no room when site gra is lost; add workers at another site, or lower the requests or the largest number of pods\n" +
		"Deployment render-renderer-deployment: capacity: 1 of 16 pods of 2 CPU and 2Gi find no room when site rbx is lost; add workers at another site, or lower the requests or the largest number of pods"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v\nwant %s", err, want)
	}
}
