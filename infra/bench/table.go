package bench

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table is text in columns: the first to the left, the others, which are figures, to the right.
type table struct {
	title string
	rows  [][]string
}

func newTable(title string, heads ...string) *table {
	return &table{title: title, rows: [][]string{heads}}
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(out io.Writer) {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	fmt.Fprintf(out, "\n%s\n", t.title)
	for n, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line.WriteString("  " + cell + space)
			} else {
				line.WriteString("  " + space + cell)
			}
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
		if n == 0 {
			total := 2 * len(widths)
			for _, w := range widths {
				total += w
			}
			fmt.Fprintln(out, "  "+strings.Repeat("-", total-2))
		}
	}
}
