// Package table prints the same rows for a terminal, as Markdown and as HTML. The one thing a reader would get wrong: cells are plain text, never markup. Each
// form escapes them for itself, so that a value from a preview cannot become a heading or a script.
package table

import (
	"html"
	"strings"
	"unicode/utf8"
)

// Column is one column.
type Column struct {
	Title string
	// Right aligns to the right, as numbers are.
	Right bool
}

// Table is a list of rows.
type Table struct {
	Columns []Column
	Rows    [][]string
	// Foot rows are sums; they stand below a line.
	Foot [][]string
}

// Columns makes columns of titles; those that end with ">" are aligned to the right.
func Columns(titles ...string) []Column {
	out := make([]Column, len(titles))
	for i, title := range titles {
		named, right := strings.CutSuffix(title, ">")
		out[i] = Column{Title: named, Right: right}
	}
	return out
}

// Add appends a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Sum appends a row below the line.
func (t *Table) Sum(cells ...string) { t.Foot = append(t.Foot, cells) }

// Text is the table for a terminal: columns two blanks apart, titles in capitals, no blanks at the end of a line.
func (t Table) Text() string {
	titles := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		titles[i] = strings.ToUpper(c.Title)
	}
	widths := make([]int, len(t.Columns))
	all := append(append([][]string{titles}, t.Rows...), t.Foot...)
	for _, row := range all {
		for i := range t.Columns {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell(row, i)))
		}
	}
	var b strings.Builder
	for n, row := range all {
		if n == len(t.Rows)+1 {
			rules := make([]string, len(widths))
			for i, width := range widths {
				rules[i] = strings.Repeat("─", width)
			}
			b.WriteString(strings.Join(rules, "  ") + "\n")
		}
		var line strings.Builder
		for i, column := range t.Columns {
			text := cell(row, i)
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if column.Right {
				line.WriteString(pad + text + "  ")
			} else {
				line.WriteString(text + pad + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// Markdown is the table in GitHub's Markdown.
func (t Table) Markdown() string {
	var b strings.Builder
	line := func(row []string, mark string) {
		b.WriteString("|")
		for i := range t.Columns {
			text := Escape(cell(row, i))
			if text != "" && mark != "" {
				text = mark + text + mark
			}
			b.WriteString(" " + text + " |")
		}
		b.WriteString("\n")
	}
	titles := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		titles[i] = c.Title
	}
	line(titles, "")
	b.WriteString("|")
	for _, c := range t.Columns {
		if c.Right {
			b.WriteString("---:|")
		} else {
			b.WriteString("---|")
		}
	}
	b.WriteString("\n")
	for _, row := range t.Rows {
		line(row, "")
	}
	for _, row := range t.Foot {
		line(row, "**")
	}
	return b.String()
}

// HTML is the table as an element of a page.
func (t Table) HTML() string {
	var b strings.Builder
	line := func(row []string, element string) {
		b.WriteString("<tr>")
		for i, c := range t.Columns {
			class := ""
			if c.Right {
				class = ` class="number"`
			}
			b.WriteString("<" + element + class + ">" + html.EscapeString(cell(row, i)) + "</" + element + ">")
		}
		b.WriteString("</tr>\n")
	}
	titles := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		titles[i] = c.Title
	}
	b.WriteString("<table>\n<thead>")
	line(titles, "th")
	b.WriteString("</thead>\n<tbody>\n")
	for _, row := range t.Rows {
		line(row, "td")
	}
	b.WriteString("</tbody>\n")
	if len(t.Foot) > 0 {
		b.WriteString("<tfoot>\n")
		for _, row := range t.Foot {
			line(row, "td")
		}
		b.WriteString("</tfoot>\n")
	}
	b.WriteString("</table>\n")
	return b.String()
}

func cell(row []string, i int) string {
	if i < len(row) {
		return row[i]
	}
	return ""
}

// special are the characters that Markdown may take for markup, and those that HTML does.
var special = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "`", "\\`", "*", `\*`, "[", `\[`, "]", `\]`, "~", `\~`, "@", "&#64;", "\n", " ", "\r", "",
)

// Escape makes plain text stand in Markdown as it is, on one line. An at sign is written so that GitHub calls nobody.
func Escape(text string) string { return special.Replace(text) }

// code takes what would end a span of code, or a table's cell around it.
var code = strings.NewReplacer("`", "'", "|", "¦", "\n", " ", "\r", "")

// Code is text as a span of code in Markdown, "" for none.
func Code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + code.Replace(text) + "`"
}
