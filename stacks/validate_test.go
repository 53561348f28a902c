package stacks

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// broken is a description with something wrong, and every line of the error it must give.
type broken struct {
	name string
	// base is the stack that the change starts from; "empty" is the zero Stack.
	base   string
	change func(*Stack)
	want   []string
}

// allBroken are the cases of all tables.
func allBroken() []broken {
	return slices.Concat(brokenStacks, brokenNodes, brokenInstances, brokenHosts, brokenNetworks, brokenServices)
}

// node finds a node to change. A name that is not there gives a nil pointer, and the case that asked for it fails.
func node(s *Stack, name string) *Node {
	for i := range s.Nodes {
		if s.Nodes[i].Name == name {
			return &s.Nodes[i]
		}
	}
	return nil
}

// described returns a stack by name, valid as it is.
func described(t *testing.T, name string) Stack {
	t.Helper()
	s, err := ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDescribedStacksAreValid(t *testing.T) {
	for _, name := range Names() {
		if err := described(t, name).Validate(); err != nil {
			t.Errorf("stack %s is refused:\n%v", name, err)
		}
	}
}

func TestBrokenDescriptionsAreRefused(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range allBroken() {
		if seen[c.name] {
			t.Errorf("two cases are called %q", c.name)
		}
		seen[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			var s Stack
			if c.base != "empty" {
				s = described(t, c.base)
			}
			c.change(&s)
			_, err := s.Plan()
			if err == nil {
				t.Fatal("the broken description was accepted")
			}
			if got, want := err.Error(), strings.Join(c.want, "\n"); got != want {
				t.Errorf("got:\n%s\nwanted:\n%s", got, want)
			}
		})
	}
}

func TestManyDescriptionsAreBroken(t *testing.T) {
	several := 0
	for _, c := range allBroken() {
		if len(c.want) > 1 {
			several++
		}
	}
	if cases := len(allBroken()); cases < 120 || several < 10 {
		t.Errorf("%d broken descriptions, %d with several errors at once; wanted at least 120 and 10", cases, several)
	}
}

// TestEveryRuleIsHit reads the rules from the source: each message must be the outcome of some case, so that no rule is there untried.
func TestEveryRuleIsHit(t *testing.T) {
	var lines []string
	for _, c := range allBroken() {
		lines = append(lines, c.want...)
	}
	rules := 0
	for format, place := range formats(t) {
		rules++
		pattern := regexp.MustCompile("^" + toPattern(format) + " in stacks/.*$")
		if !slices.ContainsFunc(lines, pattern.MatchString) {
			t.Errorf("%s: no broken description hits the rule %q", place, format)
		}
	}
	if rules < 100 {
		t.Errorf("found %d rules in the source, wanted at least 100; does the test still read it rightly?", rules)
	}
}

// formats collects the first argument of every call of wrong, and where it is.
func formats(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("validate*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		source, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(source, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if function, ok := call.Fun.(*ast.SelectorExpr); !ok || function.Sel.Name != "wrong" {
				return true
			}
			place := set.Position(call.Pos()).String()
			literal, ok := call.Args[0].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s: the message is not a literal, so this test cannot look for it", place)
				return true
			}
			format, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Errorf("%s: %v", place, err)
			}
			found[format] = place
			return true
		})
	}
	return found
}

var verb = regexp.MustCompile(`%[a-z]`)

// toPattern makes a regular expression of a format.
func toPattern(format string) string {
	pattern := verb.ReplaceAllString(regexp.QuoteMeta(format), ".*")
	return strings.ReplaceAll(pattern, "%%", "%")
}
