package change

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"havre/infra/report/preview"
	"havre/infra/report/table"
	"havre/stacks"
)

// Marker is an invisible first line by which a later run finds its own comment, to write it anew instead of adding another.
func Marker(stack string) string { return "<!-- havre report preview " + stack + " -->" }

// Bounds of the text. GitHub refuses comments above 65,536 characters.
const (
	mostBytes     = 60_000
	mostSentences = 36_000 // bytes: the picture and the capacity come after them
	mostLines     = 40     // of one value in the details
	mostRefusals  = 60     // lines
)

// Headline is the report in one line.
func (r Report) Headline() string {
	var parts []string
	add := func(n int, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, one)
		case n > 1:
			parts = append(parts, fmt.Sprintf(many, n))
		}
	}
	if len(r.Refusals) > 0 {
		return r.Stack + ": refused"
	}
	add(len(r.Ordered), "one server ordered", "%d servers ordered")
	add(len(r.GivenUp), "one server given up", "%d servers given up")
	add(len(r.Wiped), "one host installed anew", "%d hosts installed anew")
	add(len(r.Drained), "one node drained", "%d nodes drained")
	add(len(r.Restarted), "control plane touched on one node", "control plane touched on %d nodes")
	var names []string
	for _, g := range r.Services {
		if g.Title != providers && g.Title != everything {
			names = append(names, g.Title)
		}
	}
	if len(names) > 0 {
		parts = append(parts, listed(names, 3)+ifOne(len(names), " changes", " change"))
	}
	if r.Bill != nil && r.Bill.After != r.Bill.Before {
		parts = append(parts, r.Bill.Change()+" EUR a month")
	}
	switch {
	case len(parts) > 0:
	case len(r.Details) > 0:
		parts = append(parts, plural(len(r.Details), "resource")+" changed")
	default:
		parts = append(parts, "nothing changes")
	}
	return r.Stack + ": " + strings.Join(parts, ", ")
}

// Markdown is the report as the text of a comment. It is never longer than GitHub takes.
func (r Report) Markdown() string {
	var b strings.Builder
	b.WriteString(Marker(r.Stack) + "\n## " + table.Escape(r.Headline()) + "\n\n")
	r.refusals(&b)
	r.alarms(&b)
	if len(r.Details) > 0 || len(r.Refusals) == 0 {
		r.summary(&b)
	}
	groups(&b, "Nodes", r.Nodes)
	groups(&b, "Services", r.Services)
	if r.Picture != nil && r.Picture.Marked() && len(r.Refusals) == 0 {
		b.WriteString("### Sites and mesh\n\n" + table.Escape(r.Picture.Sentence()) + "\n\n```mermaid\n" + r.Picture.Mermaid() + "```\n\n")
	}
	if r.Capacity != nil && len(r.Refusals) == 0 {
		b.WriteString("### Capacity\n\n" + table.Escape(r.Capacity.Peak()+" "+r.Capacity.Sentence(r.today)) + "\n\n" + r.Capacity.CaseTable().Markdown() + "\n")
	}
	if len(r.Warnings) > 0 {
		b.WriteString("### Warnings\n\n")
		for _, text := range r.Warnings {
			b.WriteString("- " + table.Escape(text) + "\n")
		}
		b.WriteString("\n")
	}
	r.details(&b)
	return b.String()
}

// refusals are why there is no run.
func (r Report) refusals(b *strings.Builder) {
	if len(r.Refusals) == 0 {
		return
	}
	b.WriteString("> [!CAUTION]\n> **This change is refused, and nothing of it was done.**\n>\n")
	written := 0
	for _, lines := range r.Refusals {
		for i, text := range lines {
			if written++; written > mostRefusals {
				continue
			}
			indent := "- "
			if i > 0 {
				indent = "  - "
			}
			b.WriteString("> " + indent + table.Escape(text) + "\n")
		}
	}
	if written > mostRefusals {
		fmt.Fprintf(b, ">\n> and %d lines more; the run's own output has them.\n", written-mostRefusals)
	}
	b.WriteString("\n")
}

// alarms are what hurts, before anything else.
func (r Report) alarms(b *strings.Builder) {
	var alarms []string
	if len(r.Wiped) > 0 {
		alarms = append(alarms, "Everything on the disks of "+listed(r.Wiped, 6)+" is lost.")
	}
	if len(r.GivenUp) > 0 {
		var names []string
		for _, s := range r.GivenUp {
			names = append(names, s.Name)
		}
		alarms = append(alarms, ifOne(len(names), "The server of ", "The servers of ")+listed(names, 6)+ifOne(len(names), " is", " are")+" given up for good.")
	}
	if r.Unreachable != "" {
		alarms = append(alarms, r.Unreachable+".")
	}
	if r.Bill != nil && r.Bill.Limit > 0 && r.Bill.After > r.Bill.Limit {
		alarms = append(alarms, fmt.Sprintf("%s EUR a month are more than the budget of %s EUR.", r.Bill.After, r.Bill.Limit))
	}
	if r.Capacity != nil && len(r.Refusals) == 0 {
		for _, c := range r.Capacity.Cases {
			if !c.Holds() {
				alarms = append(alarms, "The declared peak passes the 80 % line with "+ifEmpty(c.Lost, "every site up", c.Lost+" lost")+".")
			}
		}
	}
	if len(alarms) == 0 {
		return
	}
	b.WriteString("> [!WARNING]\n")
	for _, text := range alarms {
		b.WriteString("> " + table.Escape(text) + "\n")
	}
	b.WriteString("\n")
}

func ifEmpty(text, then, otherwise string) string {
	if text == "" {
		return then
	}
	return otherwise
}

// summary is the table of what a person wants first.
func (r Report) summary(b *strings.Builder) {
	b.WriteString("| | |\n|---|---|\n")
	row := func(name string, items []string, none string) {
		for i, item := range items {
			items[i] = table.Escape(item)
		}
		text := strings.Join(items, "<br>")
		if text == "" {
			text = none
		}
		b.WriteString("| **" + name + "** | " + text + " |\n")
	}
	servers := func(list []Server) []string {
		var out []string
		for _, s := range list {
			out = append(out, s.Name+": "+s.String())
		}
		return out
	}
	row("Servers ordered", servers(r.Ordered), "none")
	row("Servers given up", servers(r.GivenUp), "none")
	if r.Bill != nil {
		text := fmt.Sprintf("%s EUR, as before", r.Bill.After)
		if r.Bill.After != r.Bill.Before {
			text = fmt.Sprintf("%s → %s EUR (%s)", r.Bill.Before, r.Bill.After, r.Bill.Change())
		}
		if r.Bill.Declared {
			text += ", going by the prices that the description allows"
		}
		text += fmt.Sprintf("; %s %% of the budget of %s EUR", strconv.FormatFloat(r.Bill.Percent(), 'f', 1, 64), r.Bill.Limit)
		if r.Bill.LimitBefore != 0 && r.Bill.Limit != r.Bill.LimitBefore {
			text += fmt.Sprintf(" (before: %s EUR)", r.Bill.LimitBefore)
		}
		row("Cost a month", []string{text}, "")
		if r.Bill.Setup != 0 {
			row("Cost once", []string{r.Bill.Setup.String() + " EUR"}, "")
		}
	}
	row("Replaced or deleted", slices.Clone(r.Removed), "nothing")
	row("Drained", slices.Clone(r.Drained), "no node")
	if len(r.Wiped) > 0 {
		row("Installed anew", slices.Clone(r.Wiped), "")
	}
	row("Control plane", restartedRow(r.Restarted), "not touched")
	row("Pods replaced", slices.Clone(r.Rolled), "none")
	b.WriteString("\n")
}

func restartedRow(nodes []string) []string {
	if len(nodes) == 0 {
		return nil
	}
	return []string{"may restart on " + listed(nodes, 9)}
}

// groups are sentences under a heading. When there are more than anybody reads, the details have the rest.
func groups(b *strings.Builder, heading string, list []Group) {
	if len(list) == 0 {
		return
	}
	b.WriteString("### " + heading + "\n\n")
	left := 0
	for _, g := range list {
		if b.Len() > mostSentences {
			left += len(g.Sentences)
			continue
		}
		if len(g.Sentences) == 1 {
			b.WriteString("- **" + table.Escape(g.Title) + "**" + separator(heading) + table.Escape(g.Sentences[0]) + "\n")
			continue
		}
		b.WriteString("- **" + table.Escape(g.Title) + "**\n")
		for _, sentence := range g.Sentences {
			if b.Len() > mostSentences {
				left++
				continue
			}
			b.WriteString("  - " + table.Escape(sentence) + "\n")
		}
	}
	if left > 0 {
		fmt.Fprintf(b, "\nand %s more.\n", plural(left, "sentence"))
	}
	b.WriteString("\n")
}

// separator stands between a group's title and its only sentence: a node is the sentence's subject, a service is not.
func separator(heading string) string {
	if heading == "Nodes" {
		return " "
	}
	return ": "
}

// signs are what each operation looks like in the details.
var signs = map[preview.Op]string{preview.Create: "+", preview.Update: "~", preview.Replace: "±", preview.Delete: "−", preview.Drift: "~"}

// details are all changed resources, folded. Once the text is nearly full, only names are told.
func (r Report) details(b *strings.Builder) {
	if len(r.Details) == 0 && len(r.Refusals) > 0 {
		return
	}
	if len(r.Details) == 0 {
		fmt.Fprintf(b, "%s as they are.\n", ifOne(r.Unchanged, "One resource stays", fmt.Sprintf("%d resources stay", r.Unchanged)))
		return
	}
	counts := map[preview.Op]int{}
	for _, d := range r.Details {
		counts[d.Op]++
	}
	var parts []string
	for _, each := range []struct {
		op   preview.Op
		word string
	}{{preview.Create, "created"}, {preview.Update, "updated"}, {preview.Replace, "replaced"}, {preview.Delete, "deleted"}} {
		if n := counts[each.op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, each.word))
		}
	}
	summary := plural(len(r.Details), "changed resource") + ": " + strings.Join(parts, ", ")
	if r.Answered {
		summary += fmt.Sprintf("; %d stay as they are", r.Unchanged)
	}
	b.WriteString("<details>\n<summary>" + summary + "</summary>\n\n")
	left := 0
	for _, d := range r.Details {
		text := d.markdown()
		if b.Len()+len(text) > mostBytes {
			text = d.title()
		}
		if b.Len()+len(text) > mostBytes+4_000 {
			left++
			continue
		}
		b.WriteString(text)
	}
	if left > 0 {
		fmt.Fprintf(b, "\nand %d more, for which there is no room here.\n", left)
	}
	b.WriteString("\n</details>\n")
}

func (d Detail) title() string {
	return fmt.Sprintf("- %s **%s** %s\n", signs[d.Op], table.Escape(d.Name), table.Code(d.Type))
}

// markdown is a resource with its changed values as a difference.
func (d Detail) markdown() string {
	var b strings.Builder
	b.WriteString(d.title())
	if len(d.Changes) == 0 {
		return b.String()
	}
	b.WriteString("\n  ```diff\n")
	for _, c := range d.Changes {
		b.WriteString("  @@ " + fenced(c.Path) + " @@\n")
		for _, text := range changedLines(c) {
			b.WriteString("  " + fenced(text) + "\n")
		}
	}
	b.WriteString("  ```\n\n")
	return b.String()
}

// changedLines is a change as lines of a difference. A secret is only named.
func changedLines(c preview.Change) []string {
	_, before := c.Before.(preview.Secret)
	_, after := c.After.(preview.Secret)
	if before && after {
		return []string{"! a secret, changed"}
	}
	old, fresh := "", ""
	if c.Before != nil {
		old = preview.Show(c.Before)
	}
	if c.After != nil {
		fresh = preview.Show(c.After)
	}
	hunks := lineDiff(old, fresh).hunks()
	if len(hunks) > mostLines {
		rest := len(hunks) - mostLines
		hunks = append(hunks[:mostLines:mostLines], fmt.Sprintf("  … %s more", plural(rest, "line")))
	}
	return hunks
}

// fenced is a line that cannot end the fence that it stands in, nor be longer than anybody reads.
func fenced(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "```", "'''"), "\r", "")
	if runes := []rune(text); len(runes) > 200 {
		text = string(runes[:200]) + "…"
	}
	return text
}

// PlanOf is the description of a stack by its name, or nil where there is none that holds.
func PlanOf(stack string) *stacks.Plan {
	described, err := stacks.ByName(stack)
	if err != nil {
		return nil
	}
	plan, err := described.Plan()
	if err != nil {
		return nil
	}
	return &plan
}
