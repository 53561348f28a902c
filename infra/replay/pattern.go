package replay

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Pattern says when each request leaves. It is made by Steady, Step or Recorded, and is one of vegeta's pacers.
type Pattern struct {
	// Name is what a report calls it: "a step from 50 to 1000 a second within 1m0s".
	Name string
	// Parts are its stretches in time, told apart in the report.
	Parts []Part

	from, to float64 // requests a second, before and after the rise
	rise     time.Duration
	before   time.Duration
	length   time.Duration
	recorded []request
}

// Part is a stretch of a pattern, from its own start.
type Part struct {
	Name     string
	From, To time.Duration
}

// maxRate is far above what a machine sends; a higher one is a slip of the pen.
const maxRate = 100_000

// Steady is one rate, in requests a second, for a while.
func Steady(rate float64, length time.Duration) (Pattern, error) {
	p := Pattern{
		Name: fmt.Sprintf("%g a second for %s", rate, length), Parts: []Part{{"steady", 0, length}}, from: rate, to: rate, before: length, length: length,
	}
	return p, errors.Join(checkRate("rate", rate), checkTime("length", length, time.Nanosecond))
}

// Step is a campaign: the low rate for a while, a straight rise to the high one, and the high one for a while. A rise of no time is a step at once.
func Step(from, to float64, before, rise, after time.Duration) (Pattern, error) {
	p := Pattern{
		Name:  fmt.Sprintf("a step from %g to %g a second within %s", from, to, rise),
		Parts: []Part{{"before", 0, before}, {"rise", before, before + rise}, {"after", before + rise, before + rise + after}},
		from:  from, to: to, before: before, rise: rise, length: before + rise + after,
	}
	if rise == 0 {
		p.Parts = append(p.Parts[:1:1], p.Parts[2])
	}
	errs := []error{checkRate("rate before the step", from), checkRate("rate after the step", to), checkTime("time before the step", before, time.Nanosecond),
		checkTime("time of the rise", rise, 0), checkTime("time after the step", after, time.Nanosecond)}
	if from > to {
		errs = append(errs, fmt.Errorf("step from %g to %g: wanted one upwards", from, to))
	}
	return p, errors.Join(errs...)
}

func checkRate(what string, rate float64) error {
	if !(rate > 0 && rate <= maxRate) {
		return fmt.Errorf("%s %g: wanted more than 0 and at most %d requests a second", what, rate, maxRate)
	}
	return nil
}

func checkTime(what string, d, least time.Duration) error {
	if d < least || d > 24*time.Hour {
		return fmt.Errorf("%s %s: wanted a time of at most a day", what, d)
	}
	return nil
}

// Count is how many requests the pattern has.
func (p Pattern) Count() int {
	if p.recorded != nil {
		return len(p.recorded)
	}
	// What is due at the very end belongs to it, as far as seconds can be told apart in a float.
	return int(math.Floor(p.hits(p.length.Seconds()) + 1e-6))
}

// hits is how many requests have left after so many seconds.
func (p Pattern) hits(t float64) float64 {
	before, rise := p.before.Seconds(), p.rise.Seconds()
	n := p.from * min(t, before)
	if t > before {
		in := min(t-before, rise)
		if rise > 0 {
			n += p.from*in + (p.to-p.from)*in*in/(2*rise)
		}
	}
	if t > before+rise {
		n += p.to * (t - before - rise)
	}
	return n
}

// Due is when the n-th request leaves, from 0, after the pattern's start.
func (p Pattern) Due(n int) time.Duration {
	if p.recorded != nil {
		return p.recorded[n].at
	}
	hits, before, rise := float64(n+1), p.before.Seconds(), p.rise.Seconds()
	low, slope := p.from*before, 0.0
	if rise > 0 {
		slope = (p.to - p.from) / rise
	}
	risen := low + p.from*rise + slope*rise*rise/2
	var t float64
	switch {
	case hits <= low:
		t = hits / p.from
	case hits <= risen && slope == 0:
		t = before + (hits-low)/p.from
	case hits <= risen: // from·x + slope·x²/2 = hits − low
		t = before + (math.Sqrt(p.from*p.from+2*slope*(hits-low))-p.from)/slope
	default:
		t = before + rise + (hits-risen)/p.to
	}
	return time.Duration(t * float64(time.Second))
}

// Pace tells vegeta how long to wait for the next request.
func (p Pattern) Pace(elapsed time.Duration, hits uint64) (time.Duration, bool) {
	if int(hits) >= p.Count() {
		return 0, true
	}
	return max(p.Due(int(hits))-elapsed, 0), false
}

// Rate is how many requests a second leave at a time.
func (p Pattern) Rate(elapsed time.Duration) float64 {
	t, width := elapsed.Seconds(), 0.5
	if p.recorded != nil {
		n := 0
		for _, r := range p.recorded {
			if r.at >= elapsed && r.at < elapsed+time.Second {
				n++
			}
		}
		return float64(n)
	}
	return (p.hits(t+width) - p.hits(t)) / width
}
