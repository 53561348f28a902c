package capacity

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"havre/infra/report/table"
	"havre/stacks"
)

// SiteTable is the table of what each site offers.
func (f Figures) SiteTable() table.Table {
	t := table.Table{Columns: table.Columns("site", "workers>", "cores for pods>", "memory for pods>")}
	total := Site{}
	for _, s := range f.Sites {
		t.Add(s.Name, strconv.Itoa(s.Workers), cores(s.CPU), gibibytes(s.Memory))
		total.Workers += s.Workers
		total.CPU += s.CPU
		total.Memory += s.Memory
	}
	t.Sum("all", strconv.Itoa(total.Workers), cores(total.CPU), gibibytes(total.Memory))
	return t
}

// CaseTable is the table of what the peak takes of it.
func (f Figures) CaseTable() table.Table {
	t := table.Table{Columns: table.Columns("case", "CPU requested>", "of>", "share>", "processor time>", "share>", "memory requested>", "of>", "share>", "80 % line")}
	for _, c := range f.Cases {
		name, verdict := "every site up", "holds"
		if c.Lost != "" {
			name = c.Lost + " lost"
		}
		if !c.Holds() {
			verdict = "PASSED"
		}
		t.Add(name, cores(f.Requested), cores(c.CPU), share(c.CPUPercent), cores(f.Load), share(c.LoadPercent),
			gibibytes(f.RequestedMemory), gibibytes(c.Memory), share(c.MemoryPercent), verdict)
	}
	return t
}

// Peak says in a sentence what the peak is.
func (f Figures) Peak() string {
	return fmt.Sprintf("A peak of %d pictures a second takes %s cores of processor time, in %d pods.", f.PeakPerSecond, cores(f.Load), f.Pods)
}

// Sentence says when to order, in a sentence or two.
func (f Figures) Sentence(today time.Time) string {
	return f.order(today) + f.outgrown()
}

// outgrown warns of a declared peak that was passed already: everything here is computed from it.
func (f Figures) outgrown() string {
	if f.Basis.Highest <= f.PeakPerSecond {
		return ""
	}
	return fmt.Sprintf(" On %s %d a second were measured, more than the %d that the stack declares: raise Render.PeakPerSecond first.", date(f.Basis.On), f.Basis.Highest, f.PeakPerSecond)
}

func (f Figures) order(today time.Time) string {
	n := f.Next
	basis := f.Basis.String()
	if n == nil {
		if f.Basis.Peaks > 0 {
			return fmt.Sprintf("The peak does not grow (%s %% a month, %s), so nothing has to be ordered.", number(f.Growth*100), basis)
		}
		return "The peak does not grow, so nothing has to be ordered."
	}
	growth := fmt.Sprintf("At %s %% a month", number(f.Growth*100))
	if basis != "" {
		growth += ", " + basis + ","
	}
	when := "every site up"
	if n.Lost != "" {
		when = n.Lost + " lost"
	}
	what := "one more worker"
	if len(n.Sites) > 1 {
		what = strconv.Itoa(len(n.Sites)) + " more workers"
	}
	if len(n.Sites) > 0 {
		what += " (" + strings.Join(n.Sites, ", ") + ")"
	}
	switch {
	case n.Months >= maxMonths:
		return growth + " nothing has to be ordered in this century."
	case n.Months <= 0:
		return fmt.Sprintf("The peak's %s is past the %d %% line already with %s: order %s now.", n.Because, LinePercent, when, what)
	case n.Late(today):
		return fmt.Sprintf("%s the peak's %s reaches the %d %% line with %s on %s. With its delivery that is too late by now: order %s at once.", growth, n.Because, LinePercent, when, date(n.Full), what)
	default:
		return fmt.Sprintf("%s the peak's %s reaches the %d %% line with %s on %s: order %s by %s.", growth, n.Because, LinePercent, when, date(n.Full), what, date(n.By))
	}
}

// Text is the report for a terminal.
func (f Figures) Text(today time.Time) string {
	return fmt.Sprintf("capacity of stack %s\n\n%s\n%s\n\n%s\n%s\n", f.Stack, f.SiteTable().Text(), f.Peak(), f.CaseTable().Text(), f.Sentence(today))
}

func date(t time.Time) string { return t.Format(time.DateOnly) }

func cores(c stacks.CPU) string { return strconv.FormatFloat(float64(c)/1000, 'f', 1, 64) }

func gibibytes(m stacks.MiB) string { return strconv.FormatFloat(float64(m)/1024, 'f', 1, 64) + " GiB" }

func share(percent float64) string { return strconv.FormatFloat(percent, 'f', 0, 64) + " %" }

// number is a figure with two digits after the point at most.
func number(v float64) string {
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
}
