// Package sdkschema holds a drop-in plugin to the official SDK that programs are written against: the same properties, types, requiredness and secrets.
//
// What one would get wrong: the SDKs on the module proxy carry no schema. Names and types come from the SDK's Go types by reflection; what is required,
// secret or replaces comes from the constructor's source, which is generated and always of one form.
package sdkschema

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Resource is one resource of an SDK.
type Resource struct {
	// Token is its type token.
	Token string
	// Args is its arguments' type, such as remote.CommandArgs{}.
	Args pulumi.Input
	// State is the resource type itself, such as remote.Command{}.
	State any
	// Package is the import path that both come from.
	Package string
}

// Differences compares a plugin's schema with the SDK and returns what differs, sorted; none when a program cannot tell the two
// apart.
func Differences(ctx context.Context, spec schema.PackageSpec, r Resource) ([]string, error) {
	have, ok := spec.Resources[r.Token]
	if !ok {
		return nil, fmt.Errorf("the plugin has no resource %s", r.Token)
	}
	source, err := constructor(ctx, r.Package, reflect.TypeOf(r.State).Name())
	if err != nil {
		return nil, err
	}
	var diffs []string
	add := func(format string, args ...any) { diffs = append(diffs, fmt.Sprintf(format, args...)) }

	inputs := reflect.TypeOf(r.Args)
	if e, ok := r.Args.(interface{ ElementType() reflect.Type }); ok {
		inputs = e.ElementType()
	}
	want := properties(inputs)
	compare("input", want, describe(spec, have.InputProperties, have.RequiredInputs), add)
	var required []string
	for _, name := range source.required {
		required = append(required, tagOf(inputs, name))
	}
	sort.Strings(required)
	if got := slices.Sorted(slices.Values(have.RequiredInputs)); !slices.Equal(got, required) {
		add("required inputs: the SDK has %q, the plugin %q", required, got)
	}
	for _, set := range []struct {
		what string
		want []string
		is   func(schema.PropertySpec) bool
	}{
		{"secret inputs", source.secret, func(p schema.PropertySpec) bool { return p.Secret }},
		{"inputs that replace", source.replace, func(p schema.PropertySpec) bool { return p.ReplaceOnChanges }},
	} {
		var got []string
		for name, p := range have.InputProperties {
			if set.is(p) {
				got = append(got, name)
			}
		}
		sort.Strings(got)
		sort.Strings(set.want)
		if !slices.Equal(got, set.want) {
			add("%s: the SDK has %q, the plugin %q", set.what, set.want, got)
		}
	}
	compare("output", properties(reflect.TypeOf(r.State)), describe(spec, have.Properties, have.Required), add)
	sort.Strings(diffs)
	return diffs, nil
}

func compare(what string, want, have map[string]string, add func(string, ...any)) {
	for name, typ := range want {
		got, ok := have[name]
		switch {
		case !ok:
			add("%s %s: not in the plugin", what, name)
		case got != typ:
			add("%s %s: the SDK has %s, the plugin %s", what, name, typ, got)
		}
	}
	for name := range have {
		if _, ok := want[name]; !ok {
			add("%s %s: not in the SDK", what, name)
		}
	}
}

// properties returns the tagged fields of a Go struct and their types, written as describe writes them.
func properties(t reflect.Type) map[string]string {
	result := map[string]string{}
	for i := range t.NumField() {
		field := t.Field(i)
		name := field.Tag.Get("pulumi")
		if name == "" || !field.IsExported() {
			continue
		}
		typ := field.Type
		if output, ok := reflect.New(typ).Elem().Interface().(pulumi.Output); ok && typ.Kind() == reflect.Struct {
			typ = elementOf(output)
		}
		result[name] = goType(typ)
	}
	return result
}

// elementOf asks an output for the type that it holds; the zero value of each generated output knows it.
func elementOf(output pulumi.Output) reflect.Type {
	return output.(interface{ ElementType() reflect.Type }).ElementType()
}

var (
	assetType   = reflect.TypeFor[pulumi.AssetOrArchive]()
	archiveType = reflect.TypeFor[pulumi.Archive]()
)

// goType writes a Go type: a ? at the end is a value that may be left out, which Go's types tell for everything but lists and maps.
func goType(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return strings.TrimSuffix(goType(t.Elem()), "?") + "?"
	case t == assetType || t == archiveType:
		return "asset?"
	case t.Kind() == reflect.Slice:
		return "list of " + goType(t.Elem()) + "?"
	case t.Kind() == reflect.Map:
		return "map of " + goType(t.Elem()) + "?"
	case t.Kind() == reflect.Interface:
		return "any?"
	case t.Kind() == reflect.Struct:
		return object(properties(t))
	case t.Kind() == reflect.String:
		return "string"
	case t.Kind() == reflect.Int:
		return "integer"
	case t.Kind() == reflect.Float64:
		return "number"
	case t.Kind() == reflect.Bool:
		return "boolean"
	default:
		return t.String()
	}
}

func object(fields map[string]string) string {
	names := make([]string, 0, len(fields))
	for name, typ := range fields {
		names = append(names, name+": "+typ)
	}
	sort.Strings(names)
	return "{" + strings.Join(names, ", ") + "}"
}

// describe writes a schema's properties as goType does.
func describe(spec schema.PackageSpec, props map[string]schema.PropertySpec, required []string) map[string]string {
	result := map[string]string{}
	for name, p := range props {
		typ := specType(spec, p.TypeSpec)
		if !slices.Contains(required, name) && !strings.HasSuffix(typ, "?") {
			typ += "?"
		}
		result[name] = typ
	}
	return result
}

func specType(spec schema.PackageSpec, t schema.TypeSpec) string {
	switch {
	case t.Ref == "pulumi.json#/Any":
		return "any?"
	case t.Ref == "pulumi.json#/Asset" || t.Ref == "pulumi.json#/Archive":
		return "asset?"
	case strings.HasPrefix(t.Ref, "#/types/"):
		named := spec.Types[strings.TrimPrefix(t.Ref, "#/types/")]
		if len(named.Enum) > 0 {
			return named.Type
		}
		return object(describe(spec, named.Properties, named.Required))
	case t.Type == "array":
		return "list of " + specType(spec, *t.Items) + "?"
	case t.Type == "object" && t.AdditionalProperties != nil:
		return "map of " + specType(spec, *t.AdditionalProperties) + "?"
	default:
		return t.Type
	}
}

// tagOf returns the property's name of a Go field's name.
func tagOf(t reflect.Type, field string) string {
	f, ok := t.FieldByName(field)
	if !ok {
		return "no field " + field
	}
	return f.Tag.Get("pulumi")
}

// facts are what only a constructor's source tells.
type facts struct{ required, secret, replace []string }

// constructor reads New<name> in a package's source.
func constructor(ctx context.Context, pkg, name string) (facts, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", pkg).Output()
	if err != nil {
		return facts{}, fmt.Errorf("find the source of %s: %w", pkg, err)
	}
	dir := strings.TrimSpace(string(out))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return facts{}, fmt.Errorf("read the source of %s: %w", pkg, err)
	}
	for _, entry := range entries {
		// A resource has a file of its own name.
		if !strings.EqualFold(entry.Name(), name+".go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, entry.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			return facts{}, fmt.Errorf("read the source of %s: %w", pkg, err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == "New"+name {
				return read(f), nil
			}
		}
	}
	return facts{}, fmt.Errorf("%s has no New%s", pkg, name)
}

// read collects the string literals of a constructor's three telling calls.
func read(f *ast.FuncDecl) facts {
	var found facts
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		for _, text := range literals(call) {
			switch selector.Sel.Name {
			case "New":
				if _, rest, ok := strings.Cut(text, "invalid value for required argument '"); ok {
					found.required = append(found.required, strings.TrimSuffix(rest, "'"))
				}
			case "AdditionalSecretOutputs":
				found.secret = append(found.secret, text)
			case "ReplaceOnChanges":
				found.replace = append(found.replace, strings.TrimSuffix(text, "[*]"))
			}
		}
		return true
	})
	return found
}

func literals(call *ast.CallExpr) []string {
	var texts []string
	for _, arg := range call.Args {
		ast.Inspect(arg, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					texts = append(texts, text)
				}
			}
			return true
		})
	}
	return texts
}
