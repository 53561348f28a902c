package change

import (
	"fmt"
	"strings"
	"testing"

	"havre/infra/report/preview"
)

func TestWithoutMoves(t *testing.T) {
	c := func(path string, before, after any) preview.Change {
		return preview.Change{Path: path, Before: before, After: after}
	}
	for name, row := range map[string]struct {
		changes []preview.Change
		want    string
	}{
		"one comes first":    {[]preview.Change{c("a[0]", "x", "new"), c("a[1]", "y", "x"), c("a[2]", nil, "y")}, "a: none → new"},
		"one goes":           {[]preview.Change{c("a[0]", "x", "y"), c("a[1]", "y", nil)}, "a: x → none"},
		"one is another":     {[]preview.Change{c("a[1]", "x", "y")}, "a[1]: x → y"},
		"two are others":     {[]preview.Change{c("a[0]", "x", "p"), c("a[1]", "y", "q")}, "a: x → p; a: y → q"},
		"the order alone":    {[]preview.Change{c("a[0]", "x", "y"), c("a[1]", "y", "x")}, "a[0]: x → y; a[1]: y → x"},
		"two lists":          {[]preview.Change{c("a[0]", "x", "y"), c("a[1]", "y", "z"), c("b", 1.0, 2.0), c("c[0]", "x", "y")}, "a: x → z; b: 1 → 2; c[0]: x → y"},
		"objects stay":       {[]preview.Change{c("a[0]", map[string]any{"n": 1.0}, "x"), c("a[1]", "x", "y")}, "a[0]: {n: 1} → x; a[1]: x → y"},
		"the same one twice": {[]preview.Change{c("a[0]", "x", "y"), c("a[1]", "y", "x"), c("a[2]", nil, "x")}, "a: none → x"},
	} {
		var got []string
		for _, change := range withoutMoves(row.changes) {
			got = append(got, fmt.Sprintf("%s: %s → %s", change.Path, preview.Show(change.Before), preview.Show(change.After)))
		}
		if text := strings.Join(got, "; "); text != row.want {
			t.Errorf("%s: %q, want %q", name, text, row.want)
		}
	}
}

func TestTogether(t *testing.T) {
	for want, names := range map[string][]string{
		"mind": {""}, "a: mind": {"a", ""}, "a, b, c: mind": {"a", "b", "c"}, "a, b, c and 2 others: mind": {"a", "b", "c", "d", "e"},
	} {
		if got := together(names, "mind"); got != want {
			t.Errorf("%q: %q, want %q", names, got, want)
		}
	}
}
