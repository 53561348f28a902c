package change

import (
	"strings"

	"github.com/sergi/go-diff/diffmatchpatch"
)

// line is a line of a difference: its sign is ' ', '+' or '-'.
type line struct {
	sign byte
	text string
}

// lines is the difference of two texts.
type lines []line

// lineDiff compares two texts line by line.
func lineDiff(before, after string) lines {
	differ := diffmatchpatch.New()
	// No clock decides how well it looks: the same texts always give the same lines.
	differ.DiffTimeout = 0
	a, b, table := differ.DiffLinesToChars(ended(before), ended(after))
	var out lines
	for _, d := range differ.DiffCharsToLines(differ.DiffMain(a, b, false), table) {
		sign := map[diffmatchpatch.Operation]byte{diffmatchpatch.DiffInsert: '+', diffmatchpatch.DiffDelete: '-', diffmatchpatch.DiffEqual: ' '}[d.Type]
		for text := range strings.Lines(d.Text) {
			out = append(out, line{sign, strings.TrimRight(text, "\r\n")})
		}
	}
	return out
}

func ended(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}

// count is how many lines are added and removed.
func (l lines) count() (added, removed int) {
	for _, line := range l {
		switch line.sign {
		case '+':
			added++
		case '-':
			removed++
		}
	}
	return added, removed
}

// context is how many unchanged lines stand round a changed one.
const context = 2

// hunks are the changed lines with those round them; what is left out becomes "…".
func (l lines) hunks() []string {
	keep := make([]bool, len(l))
	for i, line := range l {
		if line.sign == ' ' {
			continue
		}
		for j := max(0, i-context); j <= min(len(l)-1, i+context); j++ {
			keep[j] = true
		}
	}
	var out []string
	for i, line := range l {
		switch {
		case keep[i]:
			out = append(out, string(line.sign)+" "+line.text)
		case i == 0 || keep[i-1]:
			out = append(out, "  …")
		}
	}
	return out
}
