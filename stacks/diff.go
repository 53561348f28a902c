package stacks

import (
	"fmt"
	"reflect"
	"strings"
)

// Change is one value that differs between two stacks.
type Change struct {
	// Path leads to the value: fields by a dot, elements of a list by their name in brackets: "Nodes[gra-worker-2].Offer.PlanCode".
	Path string
	// Before and After print the values; "absent" for an element that only the other stack has.
	Before, After string
}

// String prints the change on one line.
func (c Change) String() string { return fmt.Sprintf("%s: %s -> %s", c.Path, c.Before, c.After) }

const absent = "absent"

// Diff lists what differs between two stacks, in the order of the fields. Elements with a name (nodes, sites, records) are compared by it: one
// that only one stack has is one change, and a list whose common elements changed places is one, too.
func Diff(a, b Stack) []Change {
	var changes []Change
	diff(&changes, "", reflect.ValueOf(a), reflect.ValueOf(b))
	return changes
}

func diff(changes *[]Change, path string, a, b reflect.Value) {
	switch {
	case ours(a.Type()):
		for i := range a.NumField() {
			name := a.Type().Field(i).Name
			if path != "" {
				name = path + "." + name
			}
			diff(changes, name, a.Field(i), b.Field(i))
		}
	case a.Kind() == reflect.Slice && named(a.Type().Elem()):
		diffNamed(changes, path, a, b)
	default:
		// Values are compared as a reader sees them, so that a nil and an empty list are the same.
		if before, after := show(a), show(b); before != after {
			*changes = append(*changes, Change{Path: path, Before: before, After: after})
		}
	}
}

// named reports whether elements of the type are known by a name.
func named(t reflect.Type) bool {
	if !ours(t) {
		return false
	}
	field, found := t.FieldByName("Name")
	return found && field.Type.Kind() == reflect.String
}

// diffNamed compares two lists by their elements' names. A name that occurs twice, which Validate refuses, is told apart by its place.
func diffNamed(changes *[]Change, path string, a, b reflect.Value) {
	keysA, keysB := keys(a), keys(b)
	indexB := make(map[string]int, len(keysB))
	for i, key := range keysB {
		indexB[key] = i
	}
	inA := make(map[string]bool, len(keysA))
	var commonA, commonB []string
	for i, key := range keysA {
		inA[key] = true
		at := fmt.Sprintf("%s[%s]", path, key)
		j, found := indexB[key]
		if !found {
			*changes = append(*changes, Change{Path: at, Before: "present", After: absent})
			continue
		}
		commonA = append(commonA, key)
		diff(changes, at, a.Index(i), b.Index(j))
	}
	for j, key := range keysB {
		if inA[key] {
			commonB = append(commonB, key)
			continue
		}
		*changes = append(*changes, Change{Path: fmt.Sprintf("%s[%s]", path, key), Before: absent, After: show(b.Index(j))})
	}
	if before, after := strings.Join(commonA, " "), strings.Join(commonB, " "); before != after {
		*changes = append(*changes, Change{Path: path, Before: "order " + before, After: "order " + after})
	}
}

func keys(list reflect.Value) []string {
	result := make([]string, list.Len())
	seen := make(map[string]int, list.Len())
	for i := range list.Len() {
		name := list.Index(i).FieldByName("Name").String()
		seen[name]++
		if seen[name] > 1 {
			name = fmt.Sprintf("%s#%d", name, seen[name])
		}
		result[i] = name
	}
	return result
}

// show prints a value for a reader: strings quoted, lists in brackets, structs of this package with their fields' names.
func show(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = show(v.Index(i))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case ours(v.Type()):
		var parts []string
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				continue
			}
			parts = append(parts, v.Type().Field(i).Name+":"+show(v.Field(i)))
		}
		return "{" + strings.Join(parts, " ") + "}"
	case v.Kind() == reflect.String:
		return fmt.Sprintf("%q", v.String())
	default:
		return fmt.Sprint(v.Interface())
	}
}
