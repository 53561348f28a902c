package stacks

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Difference is one way in which a cloned stack differs from its base, and why.
type Difference struct {
	// Path is what may change, as [Diff] writes it: "Render.Domain", "Nodes[gra-worker-2]". Everything below it may change too.
	Path string
	// Why is one sentence for the reader of the list.
	Why string
	// Apply makes the change.
	Apply func(*Stack)
}

// Clone copies the base deeply and applies the differences in order. The base is not changed.
//
// A difference that changes nothing, that changes something beside its path, or whose change a later one undoes is an error, so that the list
// stays the whole truth about how two stacks differ. All errors are reported at once.
func Clone(base Stack, differences ...Difference) (Stack, error) {
	clone := Copy(base)
	var errs []error
	report := func(d Difference, format string, args ...any) {
		errs = append(errs, fmt.Errorf("difference %q: "+format, append([]any{d.Path}, args...)...))
	}
	dead := make([]bool, len(differences))
	for i, d := range differences {
		if d.Path == "" {
			report(d, "has no path; name the field that it changes")
		}
		if d.Why == "" {
			report(d, "has no reason; say in Why what would go wrong without it")
		}
		if d.Apply == nil {
			dead[i] = true
			report(d, "has nothing to apply; give it a function or remove it")
			continue
		}
		before := Copy(clone)
		d.Apply(&clone)
		changes := Diff(before, clone)
		if len(changes) == 0 {
			dead[i] = true
			report(d, "changes nothing; remove it, or mend its Apply")
		}
		for _, change := range changes {
			if !under(change.Path, d.Path) {
				report(d, "changes %s as well (%s to %s); wanted only what lies under its path: give that a difference of its own", change.Path, change.Before, change.After)
			}
		}
	}
	final := Diff(base, clone)
	for i, d := range differences {
		if dead[i] || d.Path == "" {
			continue
		}
		alive := false
		for _, change := range final {
			// A node removed as a whole contains the fields that an earlier difference changed in it, so only the way down counts.
			alive = alive || under(change.Path, d.Path)
		}
		if !alive {
			report(d, "leaves no trace in the result; remove it, or the later difference that undoes it")
		}
	}
	if len(errs) > 0 {
		return Stack{}, fmt.Errorf("stack %s: %w", clone.Name, errors.Join(errs...))
	}
	return clone, nil
}

// under reports whether path is at or below root.
func under(path, root string) bool {
	if root == "" || !strings.HasPrefix(path, root) {
		return false
	}
	rest := path[len(root):]
	return rest == "" || rest[0] == '.' || rest[0] == '['
}

// Copy returns a deep copy: no slice is shared with the original.
func Copy(s Stack) Stack {
	var c Stack
	copyInto(reflect.ValueOf(&c).Elem(), reflect.ValueOf(s))
	return c
}

// copyInto copies structs of this package and slices by their parts; everything else, netip's types too, is immutable and copied whole.
func copyInto(to, from reflect.Value) {
	switch {
	case from.Kind() == reflect.Slice && !from.IsNil():
		to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
		for i := range from.Len() {
			copyInto(to.Index(i), from.Index(i))
		}
	case ours(from.Type()):
		for i := range from.NumField() {
			copyInto(to.Field(i), from.Field(i))
		}
	default:
		to.Set(from)
	}
}

// ours reports whether the type is a struct of this package that is walked field by field. Money is one value to a reader.
func ours(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.PkgPath() == reflect.TypeOf(Stack{}).PkgPath() && t != reflect.TypeOf(Money{})
}
