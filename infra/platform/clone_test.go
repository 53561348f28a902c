package platform

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/hosttest"
	"havre/stacks"
)

// A clone is what it is of, production mostly, but for its list. That the two descriptions differ by the list alone is what stacks.Clone holds; that the two graphs do is held here, in two
// halves that together leave nothing out:
//
//   - The program sees of a stack its description and its name, and the name decides nothing: under another one the graph is the same, but for the word itself
//     (TestTheNameOfAStackDecidesNothing). So the graph is made of the description alone.
//   - The list is applied entry by entry, from its base to the clone, and every input and every resource that an entry changes stands under it in
//     testdata/<stack>.changes.txt (TestEveryChangeHasItsDifference). So whatever differs has an entry, and a reader sees what it does.

// graph is a program's resources by what names them in every stack, each with everything about it as text by its path.
type graph map[string]map[string]string

// program makes a stack's resources. Tests of the tests put another one in the place of Deploy.
type program func(ctx *pulumi.Context, stack stacks.Stack, overlay string) error

// draw runs a program with a stack's description under a name.
func draw(t *testing.T, run program, stack stacks.Stack, mode hosttest.Mode) graph {
	t.Helper()
	e, file := engine(t, stack), overlay(t)
	if err := e.Run(mode, func(ctx *pulumi.Context) error { return run(ctx, stack, file) }); err != nil {
		t.Fatal(err)
	}
	g := graph{}
	for _, r := range e.Registrations() {
		parts := strings.SplitN(r.URN, "::", 3)
		about := map[string]string{
			"(parent)": strings.Replace(r.Parent, "urn:pulumi:"+stack.Name+"::", "", 1), "(provider)": strings.Replace(r.Provider, "urn:pulumi:"+stack.Name+"::", "", 1),
			"(depends on)": strings.Join(r.DependsOn, " "), "(secret outputs)": strings.Join(r.SecretOutputs, " "), "(deleted with)": r.DeletedWith,
			"(aliases)": strings.Join(r.Aliases, " "), "(protected)": fmt.Sprint(r.Protect), "(ignored)": strings.Join(r.IgnoreChanges, " "), "(kept)": fmt.Sprint(r.RetainOnDelete),
		}
		flatten(about, "", resource.NewProperty(r.Inputs))
		g[parts[2]] = about
	}
	return g
}

// flatten writes every value below one, with what of it is secret or not known yet.
func flatten(into map[string]string, path string, v resource.PropertyValue) {
	switch {
	case v.IsSecret():
		into[path+"(secret)"] = "true"
		flatten(into, path, v.SecretValue().Element)
	case v.IsOutput():
		into[path+"(secret)"] = fmt.Sprint(v.OutputValue().Secret)
		flatten(into, path, v.OutputValue().Element)
	case v.IsObject():
		for key, each := range v.ObjectValue() {
			flatten(into, strings.TrimPrefix(path+"."+string(key), "."), each)
		}
	case v.IsArray():
		for i, each := range v.ArrayValue() {
			flatten(into, fmt.Sprintf("%s[%d]", path, i), each)
		}
	default:
		into[path] = fmt.Sprint(v.V)
	}
}

// hiddenName stands for a stack's name. No text of a graph has it by chance.
const hiddenName = "zz9nobody"

// byName lists what of a stack's graph is another under another name, the name itself aside.
func byName(t *testing.T, run program, stack stacks.Stack, mode hosttest.Mode) (unexplained []string) {
	t.Helper()
	was := draw(t, run, stack, mode)
	renamed := stacks.Copy(stack)
	renamed.Name = hiddenName
	is := draw(t, run, renamed, mode)
	for _, about := range is {
		for path, value := range about {
			about[path] = strings.ReplaceAll(value, hiddenName, stack.Name)
		}
	}
	for _, c := range compare(was, is) {
		// The digest of a configuration, which is compared itself, differs with the name in it.
		if !strings.HasSuffix(c.path, ".havre.dev/config-digest") {
			unexplained = append(unexplained, c.resource+": "+c.path)
		}
	}
	return unexplained
}

func TestTheNameOfAStackDecidesNothing(t *testing.T) {
	for _, name := range stacks.Names() {
		for _, mode := range hosttest.Both {
			t.Run(name+"/"+mode.String(), func(t *testing.T) {
				if found := byName(t, Deploy, described(t, name), mode); len(found) > 0 {
					t.Errorf("the program looks at the stack's name; wanted everything in which a stack differs in its list of differences, in stacks/:\n%s", strings.Join(found, "\n"))
				}
			})
		}
	}
}

// TestAHiddenDifferenceIsFound: each program decides something by the name, and nobody says so.
func TestAHiddenDifferenceIsFound(t *testing.T) {
	staging := func(change func(ctx *pulumi.Context, s *stacks.Stack) error) program {
		return func(ctx *pulumi.Context, s stacks.Stack, overlay string) error {
			if s = stacks.Copy(s); s.Name == "staging" {
				if err := change(ctx, &s); err != nil {
					return err
				}
			}
			return Deploy(ctx, s, overlay)
		}
	}
	ignoring := func(args *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
		if args.Name != "render" {
			return nil
		}
		return &pulumi.ResourceTransformationResult{Props: args.Props, Opts: append(args.Opts, pulumi.IgnoreChanges([]string{"spec"}))}
	}
	for _, c := range []struct {
		name   string
		change func(ctx *pulumi.Context, s *stacks.Stack) error
		want   string
	}{
		{"a replica more", func(_ *pulumi.Context, s *stacks.Stack) error { s.Render.MinReplicas++; return nil }, "::render-renderer-autoscaler: spec.minReplicas"},
		{"another label", func(_ *pulumi.Context, s *stacks.Stack) error { s.Nodes[3].Offer.PlanCode = "24adv03-v2"; return nil }, "gra-worker-1-member: "},
		{"a record more", func(_ *pulumi.Context, s *stacks.Stack) error {
			s.DNS.Records = append(s.DNS.Records, stacks.Record{Name: "more." + s.DNS.Zone, Role: stacks.RoleEdge, Balanced: true, Proxied: true})
			return nil
		}, "dns-more: (there)"},
		{"an option of a resource", func(ctx *pulumi.Context, _ *stacks.Stack) error { return ctx.RegisterStackTransformation(ignoring) }, "render: (ignored)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := byName(t, staging(c.change), described(t, "staging"), hosttest.Known)
			if !slices.ContainsFunc(found, func(line string) bool { return strings.Contains(line, c.want) }) {
				t.Errorf("found %q; wanted %s among it", found, c.want)
			}
		})
	}
}

// changed is one value that two graphs do not share.
type changed struct{ resource, path, was, is string }

// compare lists what differs, sorted. A resource that only one has is one change, at path (there).
func compare(a, b graph) []changed {
	var list []changed
	for _, name := range slices.Sorted(maps.Keys(joined(a, b))) {
		was, before := a[name]
		is, after := b[name]
		if !before || !after {
			list = append(list, changed{name, "(there)", fmt.Sprint(before), fmt.Sprint(after)})
			continue
		}
		for _, path := range slices.Sorted(maps.Keys(joined(was, is))) {
			x, before := was[path]
			y, after := is[path]
			if before != after || x != y {
				list = append(list, changed{name, path, x, y})
			}
		}
	}
	return list
}

func joined[V any](a, b map[string]V) map[string]V {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}

// stage is what of a list must be applied at once for the stack to be a sound one, and the stack then.
type stage struct {
	differences []stacks.Difference
	stack       stacks.Stack
}

// stages orders a list so that no difference of a stage could wait for a later one: one difference where the stack is sound with it alone.
func stages(t *testing.T, base stacks.Stack, list []stacks.Difference) (walk []stage) {
	t.Helper()
	at := stacks.Copy(base)
	for len(list) > 0 {
		picked := fewest(at, list)
		next := with(at, list, picked)
		if err := next.Validate(); err != nil {
			t.Fatalf("no way leads from stack %s over the differences: %d remain, and with all of them: %v", base.Name, len(list), err)
		}
		s := stage{stack: next}
		for _, i := range picked {
			s.differences = append(s.differences, list[i])
		}
		for _, i := range slices.Backward(picked) {
			list = slices.Delete(list, i, i+1)
		}
		walk, at = append(walk, s), next
	}
	return walk
}

// fewest are places in a list whose differences make a sound stack together, none of which can be left out: the first one, two or three that do, else what remains of
// all of them when those that can wait are taken out, the last first.
func fewest(at stacks.Stack, list []stacks.Difference) []int {
	sound := func(picks ...int) bool {
		return with(at, list, picks).Validate() == nil
	}
	for i := range list {
		if sound(i) {
			return []int{i}
		}
	}
	for i := range list {
		for j := i + 1; j < len(list); j++ {
			if sound(i, j) {
				return []int{i, j}
			}
		}
	}
	var all []int
	for i := range list {
		all = append(all, i)
		for j := i + 1; j < len(list); j++ {
			for k := j + 1; k < len(list); k++ {
				if sound(i, j, k) {
					return []int{i, j, k}
				}
			}
		}
	}
	for i := len(list) - 1; i >= 0; i-- {
		if rest := slices.DeleteFunc(slices.Clone(all), func(j int) bool { return j == i }); sound(rest...) {
			all = rest
		}
	}
	return all
}

// with is a stack with the differences at those places of a list.
func with(at stacks.Stack, list []stacks.Difference, picks []int) stacks.Stack {
	next := stacks.Copy(at)
	for _, i := range picks {
		list[i].Apply(&next)
	}
	return next
}

func TestEveryChangeHasItsDifference(t *testing.T) {
	for _, name := range stacks.Names() {
		base, differences := stacks.Differences(name)
		if base == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			fmt.Fprintf(&b, "What each difference of stack %s changes of stack %s's resources and their inputs. Written by the test; look at it as at a pull request.\n", name, base)
			was := draw(t, Deploy, described(t, base), hosttest.Known)
			for _, s := range stages(t, described(t, base), differences) {
				is := draw(t, Deploy, s.stack, hosttest.Known)
				b.WriteString("\n")
				for _, d := range s.differences {
					fmt.Fprintf(&b, "%s: %s\n", d.Path, d.Why)
				}
				b.WriteString(summary(compare(was, is)))
				was = is
			}
			if rest := compare(was, draw(t, Deploy, described(t, name), hosttest.Known)); len(rest) > 0 {
				t.Errorf("the whole list does not lead to stack %s: %v", name, rest)
			}
			golden(t, name+".changes.txt", b.String())
		})
	}
}

// position is an element's place in a list; those behind it move when one goes.
var position = regexp.MustCompile(`\[[0-9]+\]`)

// shownLength is how long a value may be that is shown itself.
const shownLength = 60

// summary prints changes for a reader: those of one path and one type together, with the values where all agree and they are short.
func summary(list []changed) string {
	if len(list) == 0 {
		return "  no input: it only bounds what the others may be\n"
	}
	type group struct {
		kind, path, values string
		names              []string
	}
	var groups []*group
	index := map[string]*group{}
	for _, c := range list {
		kind, name, _ := strings.Cut(c.resource, "::")
		kind = kind[strings.LastIndex(kind, "$")+1:]
		g := group{kind: kind, path: position.ReplaceAllString(c.path, "[]"), values: " changes"}
		switch {
		case c.path == "(there)" && c.is == "true":
			g.values = " comes"
		case c.path == "(there)":
			g.values = " goes"
		case strings.HasSuffix(c.path, "-digest"): // says nothing to a reader
		case len(c.was)+len(c.is) <= shownLength && !strings.ContainsAny(c.was+c.is, "\n") && !strings.Contains(c.was+c.is, "NEVER-IN-CLEAR"):
			g.values = fmt.Sprintf(" %q -> %q", c.was, c.is)
		}
		g.path = strings.TrimPrefix(g.path, "(there)")
		key := g.kind + g.path + g.values
		if g.values != " comes" && g.values != " goes" {
			key = g.kind + g.path
		}
		if old := index[key]; old != nil {
			if old.values != g.values {
				old.values = " changes"
			}
			if !slices.Contains(old.names, name) {
				old.names = append(old.names, name)
			}
			continue
		}
		g.names = []string{name}
		index[key] = &g
		groups = append(groups, &g)
	}
	var b strings.Builder
	for _, g := range groups {
		names := strings.Join(g.names, " ")
		if len(g.names) > 4 {
			names = fmt.Sprintf("%s and %d more", strings.Join(g.names[:3], " "), len(g.names)-3)
		}
		fmt.Fprintf(&b, "  %s %s%s: %s\n", g.kind, g.path, g.values, names)
	}
	return strings.ReplaceAll(b.String(), "  changes", " changes")
}
