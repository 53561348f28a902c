package replay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"havre/infra/report/table"
)

// Phase is what readers met in a stretch of time. Times are nanoseconds in JSON.
type Phase struct {
	Name     string        `json:"name,omitempty"`
	Requests int           `json:"requests"`
	Failed   int           `json:"failed"`
	P50      time.Duration `json:"p50"`
	P95      time.Duration `json:"p95"`
	P99      time.Duration `json:"p99"`
	// Gap is the longest time in which no picture came, between the first request and the last answer.
	Gap time.Duration `json:"gap"`
	// Failures are what failed requests got, each kind once.
	Failures []string `json:"failures,omitempty"`
}

// Sum sums the shots that left in [from, to). The percentiles are the generator's own, over all requests, failed ones too.
func Sum(shots []Shot, from, to time.Time) Phase {
	var m vegeta.Metrics
	var p Phase
	var first, last time.Time
	var served []time.Time
	for n := range shots {
		r := shots[n]
		if r.Timestamp.Before(from) || !r.Timestamp.Before(to) {
			continue
		}
		m.Add(&r)
		p.Requests++
		end := r.Timestamp.Add(r.Latency)
		if first.IsZero() || r.Timestamp.Before(first) {
			first = r.Timestamp
		}
		if end.After(last) {
			last = end
		}
		if r.Code == http.StatusOK {
			served = append(served, end)
		} else {
			p.Failed++
		}
	}
	if p.Requests == 0 {
		return p
	}
	m.Close()
	p.P50, p.P95, p.P99, p.Failures = m.Latencies.P50, m.Latencies.P95, m.Latencies.P99, m.Errors
	slices.SortFunc(served, time.Time.Compare)
	since := first
	for _, at := range append(served, last) {
		p.Gap = max(p.Gap, at.Sub(since))
		since = at
	}
	return p
}

// Budget is what readers may meet.
type Budget struct {
	// P99 is the most that 99 of 100 requests of each part may take.
	P99 time.Duration `json:"p99"`
	// Failed is how many requests may fail in all.
	Failed int `json:"failed"`
}

// Report is one run.
type Report struct {
	Stack   string  `json:"stack"`
	Pattern string  `json:"pattern"`
	Budget  Budget  `json:"budget"`
	Wanted  int     `json:"wanted"` // requests of the pattern
	Parts   []Phase `json:"parts"`
	Whole   Phase   `json:"whole"`
	// Late is the longest that a request left after its time: what the sending machine, not the service, was too slow by.
	Late   time.Duration `json:"late"`
	Broken []string      `json:"broken"` // how the budget was broken; none when it was held
}

// Run sends a pattern and holds what came of it against the budget. A broken budget is in the report; an error means that nothing was measured.
func Run(ctx context.Context, s *Shooter, p Pattern, budget Budget) (Report, error) {
	if budget.P99 <= 0 || budget.Failed < 0 {
		return Report{}, fmt.Errorf("budget: p99 %s and %d failed; wanted a time above 0 and no less than 0 requests", budget.P99, budget.Failed)
	}
	shots := s.Shoot(ctx, p)
	if err := ctx.Err(); err != nil {
		return Report{}, fmt.Errorf("load: interrupted after %d of %d requests: %w", len(shots), p.Count(), err)
	}
	return newReport(p, budget, shots)
}

func newReport(p Pattern, budget Budget, shots []Shot) (Report, error) {
	r := Report{Pattern: p.Name, Budget: budget, Wanted: p.Count(), Parts: []Phase{}, Broken: []string{}}
	if len(shots) == 0 {
		return r, errors.New("load: no request was sent; the pattern is too short for its rate")
	}
	slices.SortFunc(shots, func(a, b Shot) int { return a.Timestamp.Compare(b.Timestamp) })
	// The first request left when it was due, or nothing would be known of when the pattern began.
	began := shots[0].Timestamp.Add(-p.Due(0))
	for n, shot := range shots {
		if n < r.Wanted {
			r.Late = max(r.Late, shot.Timestamp.Sub(began)-p.Due(n))
		}
	}
	// A request belongs to the part in which it was due; one that left late is still of its part.
	all := began.Add(48 * time.Hour)
	from := 0
	for i, part := range p.Parts {
		to := from
		for to < len(shots) && (i == len(p.Parts)-1 || p.Due(to) <= part.To) {
			to++
		}
		phase := Sum(shots[from:to], began, all)
		phase.Name, from = part.Name, to
		r.Parts = append(r.Parts, phase)
	}
	r.Whole = Sum(shots, began, all)
	r.Whole.Name = "whole"
	r.hold()
	return r, nil
}

// hold holds the figures against the budget.
func (r *Report) hold() {
	for _, p := range r.Parts {
		if p.P99 > r.Budget.P99 {
			r.Broken = append(r.Broken, fmt.Sprintf("%s: p99 is %s, above the budget of %s", p.Name, short(p.P99), short(r.Budget.P99)))
		}
	}
	if r.Whole.Failed > r.Budget.Failed {
		r.Broken = append(r.Broken, fmt.Sprintf("%d of %d requests failed, of at most %d", r.Whole.Failed, r.Whole.Requests, r.Budget.Failed))
	}
	if r.Whole.Requests < r.Wanted {
		r.Broken = append(r.Broken, fmt.Sprintf("only %d of %d requests were sent", r.Whole.Requests, r.Wanted))
	}
	if r.Late > r.Budget.P99 {
		r.Broken = append(r.Broken, fmt.Sprintf("a request left %s late, so the figures are this machine's: send from a larger one, or ask for less", short(r.Late)))
	}
}

// Err is how the budget was broken, all of it; nil when it was held.
func (r Report) Err() error {
	var errs []error
	for _, line := range r.Broken {
		errs = append(errs, errors.New(line))
	}
	return errors.Join(errs...)
}

// Text is the report for a terminal.
func (r Report) Text() string {
	t := table.Table{Columns: table.Columns("", "requests>", "failed>", "p50>", "p95>", "p99>", "longest gap>")}
	cells := func(p Phase) []string {
		return []string{p.Name, fmt.Sprint(p.Requests), fmt.Sprint(p.Failed), short(p.P50), short(p.P95), short(p.P99), short(p.Gap)}
	}
	for _, p := range r.Parts {
		t.Add(cells(p)...)
	}
	t.Sum(cells(r.Whole)...)
	text := fmt.Sprintf("stack %s: %s; budget: p99 %s, %d failed\n\n%s\n", r.Stack, r.Pattern, short(r.Budget.P99), r.Budget.Failed, t.Text())
	for _, failure := range r.Whole.Failures {
		text += "failed: " + failure + "\n"
	}
	if len(r.Broken) == 0 {
		return text + "the budget is held\n"
	}
	for _, line := range r.Broken {
		text += "broken: " + line + "\n"
	}
	return text
}

// short is a time for people: milliseconds below a second, then hundredths of a second.
func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
