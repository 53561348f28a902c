package change

import (
	"regexp"
	"slices"

	"havre/infra/report/preview"
)

// element is a value's place in a list.
var element = regexp.MustCompile(`^(.+)\[[0-9]+\]$`)

// withoutMoves leaves out what only changed its place in a list of plain values: where a new one comes first, all behind it differ, and a reader wants the one.
func withoutMoves(changes []preview.Change) []preview.Change {
	lists := map[string][]preview.Change{}
	for _, c := range changes {
		if m := element.FindStringSubmatch(c.Path); m != nil && plain(c.Before) && plain(c.After) {
			lists[m[1]] = append(lists[m[1]], c)
		}
	}
	var out []preview.Change
	done := map[string]bool{}
	for _, c := range changes {
		m := element.FindStringSubmatch(c.Path)
		if m == nil || len(lists[m[1]]) < 2 || !plain(c.Before) || !plain(c.After) {
			out = append(out, c)
			continue
		}
		if !done[m[1]] {
			done[m[1]] = true
			out = append(out, comesAndGoes(m[1], lists[m[1]])...)
		}
	}
	return out
}

// comesAndGoes are the values of a list that are there on one side only.
func comesAndGoes(path string, changes []preview.Change) []preview.Change {
	var comes []any
	var goes []any
	for _, c := range changes {
		if c.Before != nil {
			goes = append(goes, c.Before)
		}
		if c.After != nil {
			comes = append(comes, c.After)
		}
	}
	comes = slices.DeleteFunc(comes, func(value any) bool {
		at := slices.IndexFunc(goes, func(other any) bool { return preview.Show(other) == preview.Show(value) })
		if at >= 0 {
			goes = slices.Delete(goes, at, at+1)
		}
		return at >= 0
	})
	var out []preview.Change
	for i := range max(len(comes), len(goes)) {
		c := preview.Change{Path: path}
		if i < len(goes) {
			c.Before = goes[i]
		}
		if i < len(comes) {
			c.After = comes[i]
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		// The order alone is another.
		return changes
	}
	return out
}

// plain says whether a value is no list and no object.
func plain(value any) bool {
	switch value.(type) {
	case []any, map[string]any, preview.Secret:
		return false
	default:
		return true
	}
}
