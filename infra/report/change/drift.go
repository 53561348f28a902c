package change

import (
	"fmt"
	"strings"

	"havre/infra/report/preview"
	"havre/infra/report/table"
)

// Drift tells a refresh: what is not any more as the state has it. The second value says whether there is anything.
func Drift(p preview.Preview) (markdown string, drifted bool) {
	var b strings.Builder
	var steps []preview.Step
	looked := 0
	for _, step := range p.Steps {
		if !step.Custom {
			continue
		}
		looked++
		if step.Op == preview.Drift {
			steps = append(steps, step)
		}
	}
	r := Report{Stack: p.Stack}
	r.listen(p)
	fmt.Fprintf(&b, "<!-- havre report drift %s -->\n", p.Stack)
	switch {
	case len(r.Refusals) > 0:
		fmt.Fprintf(&b, "## %s: the look for drift did not get to its end\n\n", table.Escape(p.Stack))
		for _, lines := range r.Refusals {
			b.WriteString("- " + table.Escape(strings.Join(lines, "; ")) + "\n")
		}
		return b.String(), true
	case len(steps) == 0:
		fmt.Fprintf(&b, "## %s: no drift\n\n%s looked at; each is as the state has it.\n", table.Escape(p.Stack), plural(looked, "resource"))
		return b.String(), false
	}
	fmt.Fprintf(&b, "## %s: %s drifted\n\nChanged or gone outside of Pulumi. The next run puts it back as the description has it, unless the description is changed first.\n\n",
		table.Escape(p.Stack), plural(len(steps), "resource")+ifOne(len(steps), " has", " have"))
	for _, step := range steps {
		b.WriteString("- **" + table.Escape(step.Name) + "**: " + table.Escape(generic(step)) + "\n")
	}
	return b.String(), true
}
