// Package guard is the last line before the cluster: it looks at every Kubernetes object that the program registers, whichever code registers it, and refuses at
// preview what the platform does not take. Each refusal names the object, the rule, the value and the mend, and all refusals of a run come at once.
//
// What a reader would get wrong: a guard reads plain values only. What it has to read and cannot, because the value is an Output, is refused. Were it
// skipped instead, a preview would pass and the run that follows would fail, or not fail, half-way; so the answer of a preview holds for its run. Values
// that no rule reads (a Secret's data, a digest in an annotation, an environment variable) may be as late and as secret as they like, and are never printed.
//
// What is refused elsewhere is not said twice. A stack's description is held to its own rules before anything is registered, in stacks: an odd number of
// control-plane nodes, at least 3, of which no site holds a majority; processor time and memory for the declared peak with any one site lost; the budget. The
// account's real prices are held to the budget by the provider. components/workload refuses earlier what it can see of its own arguments.
package guard

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/workload/pod"
)

// Node is a worker as the scheduler will see it.
type Node struct {
	Name, Site string
	Labels     map[string]string
	// CPU and Memory are what pods may request there: what the node has without what kubelet keeps for itself and the system.
	CPU    pod.CPU
	Memory pod.Bytes
}

// Facts are what the guard must know of the stack beside the objects.
type Facts struct {
	// Workers are the nodes that pods run on. Without any, capacity is not looked at.
	Workers []Node
	// Exceptions to the rules, each by name; see Exceptions.
	Exceptions []Exception
}

// Guard has seen the objects of one run.
type Guard struct {
	facts   Facts
	mu      sync.Mutex
	objects []object
}

// Watch looks at everything that is registered from now on; call it before the first Kubernetes object, and Err after the last.
//
// A preview hears of everything through Err. An update that was not previewed could otherwise do what it is told not to, because a program's own error stops
// nothing that is already registered: there, an object that is refused by itself never reaches the engine.
func Watch(ctx *pulumi.Context, facts Facts) (*Guard, error) {
	g := &Guard{facts: facts}
	return g, ctx.RegisterStackTransformation(func(args *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
		if !strings.HasPrefix(args.Type, tokenPrefix) {
			return nil
		}
		o := newObject(args.Type, args.Name, args.Props)
		g.mu.Lock()
		g.objects = append(g.objects, o)
		g.mu.Unlock()
		refused := except(alone(o), facts.Exceptions, nil)
		if ctx.DryRun() || len(refused) == 0 {
			return nil
		}
		never := pulumi.Bool(true).ToBoolOutput().ApplyT(func(bool) ([]pulumi.Resource, error) { return nil, join(refused) })
		return &pulumi.ResourceTransformationResult{
			Props: args.Props, Opts: append(slices.Clone(args.Opts), pulumi.DependsOnInputs(never.(pulumi.ResourceArrayOutput))),
		}
	})
}

// Refusals are all refusals so far, sorted by the objects' names.
func (g *Guard) Refusals() []Refusal {
	refused, _ := g.inspect()
	return refused
}

// Err joins the refusals; nil when there is none.
func (g *Guard) Err() error { return join(g.Refusals()) }

// Unused are the exceptions that nothing registered so far has needed. An exception that no stack needs is a hole for whatever takes the name next.
func (g *Guard) Unused() []Exception {
	_, used := g.inspect()
	return slices.DeleteFunc(slices.Clone(g.facts.Exceptions), func(e Exception) bool { return used[e] })
}

func (g *Guard) inspect() ([]Refusal, map[Exception]bool) {
	g.mu.Lock()
	objects := slices.Clone(g.objects)
	g.mu.Unlock()
	var refused []Refusal
	for _, o := range objects {
		refused = append(refused, alone(o)...)
	}
	refused = append(refused, together(objects, g.facts.Workers)...)
	used := map[Exception]bool{}
	refused = except(refused, g.facts.Exceptions, used)
	slices.SortStableFunc(refused, func(a, b Refusal) int { return strings.Compare(a.Name, b.Name) })
	return refused, used
}

// alone holds an object to the rules that need no other object.
func alone(o object) []Refusal {
	i := &inspection{object: o}
	i.kind()
	if spec, ok := o.podSpec(); ok {
		i.pod(spec)
	}
	return i.found
}

func join(refused []Refusal) error {
	errs := make([]error, len(refused))
	for n, r := range refused {
		errs[n] = r
	}
	return errors.Join(errs...)
}
