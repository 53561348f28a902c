// Package hosttest is a strict mock of the Pulumi engine for tests of components and of the whole graph. It speaks the engine's own protocol over loopback,
// because the mock inside the SDK loses unknown values and fails on a secret that is unknown.
//
// The thing to get wrong: it knows nothing by itself but remote commands, copies and our own components. A type token or an invoke that no test has declared fails
// the run, as does an input whose name the real resource does not have; so a test shows exactly what a preview would register.
package hosttest

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Mode says what the engine answers.
type Mode int

const (
	// Known is an update: every output has a value.
	Known Mode = iota
	// Unknown is the first preview: no output has a value, nor has an id.
	Unknown
)

// Both are the modes every graph test runs in.
var Both = []Mode{Known, Unknown}

func (m Mode) String() string {
	if m == Unknown {
		return "unknown outputs"
	}
	return "known outputs"
}

// Handler describes one type of resource to the engine.
type Handler struct {
	// Inputs are the names the real resource takes; any other fails the run. nil takes every name.
	Inputs []string
	// Required are the names that must be there, with a known value or not.
	Required []string
	// Check may look at the inputs (unknown values are Computed properties, secrets are wrapped) and refuse them.
	Check func(Registration) error
	// Outputs gives the properties the provider adds to the echoed inputs in Known mode; nil adds none.
	Outputs func(Registration) resource.PropertyMap
}

// Registration is one resource as the program registered it.
type Registration struct {
	URN, Type, Name string
	// Parent is the parent's URN, empty for the stack's own children.
	Parent string
	// Custom is false for a component.
	Custom bool
	// Provider is the reference of an explicit provider, empty otherwise.
	Provider string
	// Inputs are as sent: secrets wrapped, unknown values Computed.
	Inputs resource.PropertyMap
	// DependsOn are the names of all resources it depends on, by option or through an input; sorted.
	DependsOn []string
	// PropertyDependsOn are those through each input; sorted.
	PropertyDependsOn map[string][]string
	// SecretOutputs are the names of the outputs marked secret.
	SecretOutputs []string
	// DeletedWith is the name of the resource whose end makes this one's delete unnecessary.
	DeletedWith string
	// Aliases are old names, old URNs or the fields of an alias, as text.
	Aliases []string
	Protect bool
	// IgnoreChanges are the paths whose changes do not count; RetainOnDelete says that nothing is done when the resource goes.
	IgnoreChanges  []string
	RetainOnDelete bool
}

// Engine is the mock. Make one a test with New, declare what it must know, then Run.
type Engine struct {
	mu       sync.Mutex
	handlers map[string]Handler
	invokes  map[string]func(resource.PropertyMap) (resource.PropertyMap, error)
	stdout   func(Registration) string
	mode     Mode
	project  string
	stack    string
	seen     map[string]Registration
	errs     []error
	exports  resource.PropertyMap
	warnings []string
	// Of the stack: keys with their namespace, such as havre:sshPrivateKey.
	config     map[string]string
	secretKeys []string
}

// New is an engine of project havre, stack test, that knows remote commands (whose output is empty, see Stdout), copies to hosts, and components named havre:….
func New() *Engine {
	e := &Engine{
		handlers: map[string]Handler{},
		invokes:  map[string]func(resource.PropertyMap) (resource.PropertyMap, error){},
		stdout:   func(Registration) string { return "" },
		project:  "havre",
		stack:    "test",
	}
	e.Handle(CommandToken, Handler{
		Inputs:   commandInputs,
		Required: []string{"connection", "create"},
		Check:    checkCommand,
		Outputs: func(r Registration) resource.PropertyMap {
			return resource.PropertyMap{"stdout": resource.NewProperty(e.stdout(r)), "stderr": resource.NewProperty("")}
		},
	})
	e.Handle(CopyToken, Handler{Inputs: copyInputs, Required: []string{"connection", "remotePath", "source"}, Check: checkCopy})
	return e
}

// Stack sets the name of the stack.
func (e *Engine) Stack(name string) *Engine { e.stack = name; return e }

// Config sets one value of the stack's configuration; key has its namespace, such as havre:budget.
func (e *Engine) Config(key, value string, secret bool) *Engine {
	if e.config == nil {
		e.config = map[string]string{}
	}
	e.config[key] = value
	if secret {
		e.secretKeys = append(e.secretKeys, key)
	}
	return e
}

// Stdout says what each command prints in Known mode.
func (e *Engine) Stdout(f func(Registration) string) *Engine { e.stdout = f; return e }

// Handle declares a type token, or with a * at its end all that begin so; the longest match counts.
func (e *Engine) Handle(token string, h Handler) *Engine { e.handlers[token] = h; return e }

// Invoke declares a function of a provider.
func (e *Engine) Invoke(token string, f func(resource.PropertyMap) (resource.PropertyMap, error)) *Engine {
	e.invokes[token] = f
	return e
}

// Run runs the program once against an empty stack and returns what it failed with. Registrations are those of the last Run.
func (e *Engine) Run(mode Mode, program pulumi.RunFunc) error {
	e.mu.Lock()
	e.mode, e.seen, e.errs, e.exports, e.warnings = mode, map[string]Registration{}, nil, nil, nil
	e.mu.Unlock()
	address, stop, err := e.serve()
	if err != nil {
		return err
	}
	err = pulumi.RunErr(program, func(info *pulumi.RunInfo) {
		*info = pulumi.RunInfo{
			Project: e.project, Stack: e.stack, DryRun: mode == Unknown, MonitorAddr: address, EngineAddr: address, Config: e.config,
			ConfigSecretKeys: e.secretKeys,
		}
	})
	err = errors.Join(err, stop())
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		return errors.Join(e.errs...)
	}
	return err
}

// Exports are the stack's outputs of the last Run: secrets wrapped, unknown values Computed.
func (e *Engine) Exports() resource.PropertyMap {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.exports
}

// Warnings are what the last Run warned of, in its order.
func (e *Engine) Warnings() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.warnings)
}

// Registrations are all resources of the last Run, components included, sorted by URN.
func (e *Engine) Registrations() []Registration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.SortedFunc(maps.Values(e.seen), func(a, b Registration) int { return strings.Compare(a.URN, b.URN) })
}

// URNs are the URNs of the last Run, sorted: what a URN golden holds.
func (e *Engine) URNs() []string {
	var urns []string
	for _, r := range e.Registrations() {
		urns = append(urns, r.URN)
	}
	return urns
}

// Named is the one real resource (not a component) of that name; the error says what there is instead.
func (e *Engine) Named(name string) (Registration, error) {
	var found []Registration
	var names []string
	for _, r := range e.Registrations() {
		if !r.Custom {
			continue
		}
		names = append(names, r.Name)
		if r.Name == name {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		return Registration{}, fmt.Errorf("want one resource %s, there are %d; all: %s", name, len(found), strings.Join(names, " "))
	}
	return found[0], nil
}

// Value is the input at a path such as "connection.port" with its secrets unwrapped; a null property when there is none.
func (r Registration) Value(path string) resource.PropertyValue {
	v := resource.NewProperty(r.Inputs)
	for _, key := range strings.Split(path, ".") {
		v = plain(v)
		if !v.IsObject() {
			return resource.NewNullProperty()
		}
		v = v.ObjectValue()[resource.PropertyKey(key)]
	}
	return plain(v)
}

// Text is Value as text, empty when it is unknown or no text.
func (r Registration) Text(path string) string {
	if v := r.Value(path); v.IsString() {
		return v.StringValue()
	}
	return ""
}

// Known says whether the input at path is there and has a value throughout.
func (r Registration) Known(path string) bool {
	v := r.Value(path)
	return !v.IsNull() && !v.ContainsUnknowns()
}

// Secret says whether the input at path lies in a secret, its own or one around it.
func (r Registration) Secret(path string) bool {
	v := resource.NewProperty(r.Inputs)
	for _, key := range strings.Split(path, ".") {
		if isSecret(v) {
			return true
		}
		if !v.IsObject() {
			return false
		}
		v = v.ObjectValue()[resource.PropertyKey(key)]
	}
	return isSecret(v)
}

// Clear is everything of the inputs that is not secret, as text: a test searches it for values that must not be there.
func (r Registration) Clear() string {
	var b strings.Builder
	clearText(&b, resource.NewProperty(r.Inputs))
	return b.String()
}

func clearText(b *strings.Builder, v resource.PropertyValue) {
	switch {
	case isSecret(v):
	case v.IsObject():
		for _, key := range v.ObjectValue().StableKeys() {
			fmt.Fprintf(b, "%s: ", key)
			clearText(b, v.ObjectValue()[key])
		}
	case v.IsArray():
		for _, item := range v.ArrayValue() {
			clearText(b, item)
		}
	case v.IsOutput():
		clearText(b, v.OutputValue().Element)
	default:
		fmt.Fprintf(b, "%v\n", v.V)
	}
}

func isSecret(v resource.PropertyValue) bool {
	return v.IsSecret() || v.IsOutput() && v.OutputValue().Secret
}

func plain(v resource.PropertyValue) resource.PropertyValue {
	for {
		switch {
		case v.IsSecret():
			v = v.SecretValue().Element
		case v.IsOutput():
			v = v.OutputValue().Element
		default:
			return v
		}
	}
}

var ourComponent = regexp.MustCompile(`^havre:[a-z]+:[A-Z][A-Za-z]*$`)

func (e *Engine) handler(token string) (Handler, bool) {
	if h, ok := e.handlers[token]; ok {
		return h, true
	}
	best, found := "", false
	for pattern := range e.handlers {
		prefix, ok := strings.CutSuffix(pattern, "*")
		if ok && strings.HasPrefix(token, prefix) && len(pattern) > len(best) {
			best, found = pattern, true
		}
	}
	return e.handlers[best], found
}

func (h Handler) check(r Registration) error {
	var errs []error
	for _, key := range r.Inputs.StableKeys() {
		if h.Inputs != nil && !slices.Contains(h.Inputs, string(key)) {
			errs = append(errs, fmt.Errorf("%s %s has no input %s; it takes %s", r.Type, r.Name, key, strings.Join(h.Inputs, " ")))
		}
	}
	for _, name := range h.Required {
		if v := r.Value(name); v.IsNull() {
			errs = append(errs, fmt.Errorf("%s %s lacks its input %s", r.Type, r.Name, name))
		}
	}
	if h.Check != nil {
		if err := h.Check(r); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", r.Type, r.Name, err))
		}
	}
	return errors.Join(errs...)
}

// fail keeps the error, for programs that lose it, and hands it back.
func (e *Engine) fail(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.errs = append(e.errs, err)
	return err
}

func names(urns []string) []string {
	var out []string
	for _, u := range urns {
		out = append(out, urn.URN(u).Name())
	}
	slices.Sort(out)
	return slices.Compact(out)
}
