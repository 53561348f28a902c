// Package drill breaks the running sandbox on purpose, as real faults, while readers ask for pictures, and says what they saw. Nothing is simulated but the
// machines: power is cut, cables are pulled, disks fill up, nodes are replaced by changing the stack and running Pulumi.
//
// What a reader would get wrong: a drill's verdict is about readers and about the platform's own recovery, never about what an engineer does with his hands. Where a drill
// plugs a host in again, it does so after the platform has shown that it does without. And its times belong to two cores that carry a whole fleet: the shares of failed
// requests say something of production, the seconds only that nothing waits for ever.
package drill

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Drill is one fault with what must be true of it.
type Drill struct {
	// Name is what `havre drill run` takes; What says in a line what happens.
	Name, What string
	// Bound is what must hold.
	Bound Bound
	// Do breaks something and returns when the platform is whole, or as whole as the drill leaves it. It marks the fault and the recovery on the way.
	Do func(ctx context.Context, r *Run) error
	// Undo makes the sandbox what it was, after the readers have gone; nil where Do leaves nothing. It also runs after a Do that failed or was interrupted.
	Undo func(ctx context.Context, r *Run) error
}

// Bound is what must hold of a drill. The zero Bound asks only that the platform comes back by itself.
type Bound struct {
	// Planned work loses no request.
	Planned bool
	// FailedPercent of all requests of the drill may fail; nothing is asked where it is 0 and the work is not planned.
	FailedPercent float64
	// ServiceBack is how long after the fault the last request may fail; 0 asks nothing.
	ServiceBack time.Duration
	// Quorum asks that the API goes on taking writes: none may take longer than WriteGap.
	Quorum bool
}

// WriteGap is the longest time without a write to the API while the quorum is kept: time to elect a leader and to leave a dead API server.
const WriteGap = 30 * time.Second

// String says a bound in words.
func (b Bound) String() string {
	var words []string
	if b.Planned {
		words = append(words, "no request fails")
	}
	if b.FailedPercent > 0 {
		words = append(words, fmt.Sprintf("at most %g %% of the requests fail", b.FailedPercent))
	}
	if b.ServiceBack > 0 {
		words = append(words, fmt.Sprintf("no request fails later than %s after the fault", b.ServiceBack))
	}
	if b.Quorum {
		words = append(words, fmt.Sprintf("the API takes writes, with no gap above %s", WriteGap))
	}
	return strings.Join(append(words, "the platform is whole again by itself"), "; ")
}

// broken says what of the bound does not hold of a record; nil where all of it does.
func (b Bound) broken(r Record) []string {
	var why []string
	if b.Planned && r.Readers.Failed > 0 {
		why = append(why, fmt.Sprintf("%d requests failed, wanted none", r.Readers.Failed))
	}
	if share := r.Readers.FailedPercent(); b.FailedPercent > 0 && share > b.FailedPercent {
		why = append(why, fmt.Sprintf("%.2f %% of the requests failed, wanted at most %g %%", share, b.FailedPercent))
	}
	if b.ServiceBack > 0 && r.ServiceBack > Seconds(b.ServiceBack.Seconds()) {
		why = append(why, fmt.Sprintf("a request failed that was sent after more than %s: readers were served again %.1f s after the fault", b.ServiceBack, float64(r.ServiceBack)))
	}
	if b.Quorum && r.API.LongestGap > Seconds(WriteGap.Seconds()) {
		why = append(why, fmt.Sprintf("the API took no write for %.1f s, wanted at most %s", float64(r.API.LongestGap), WriteGap))
	}
	if b.Quorum && r.API.Writes == r.API.Failed {
		why = append(why, "the API took no write at all")
	}
	if r.Readers.Requests == 0 {
		why = append(why, "no reader asked for anything, so nothing is known")
	}
	return why
}

// All are the drills in the order in which `havre drill all` runs them: first what harms least. The upgrade is before all others, for it begins with an older cluster than any
// run of Pulumi leaves.
func All() []Drill {
	return []Drill{upgrade(), loseWorker(), loseSite(), fillDisk(), restoreEtcd(), rotateKeys(), replaceControlPlane(), loseControlPlane(), rebootEverything()}
}

// Named finds drills by their names, each once, in the order given.
func Named(names []string) ([]Drill, error) {
	all := All()
	var found []Drill
	for i, name := range names {
		at := slices.IndexFunc(all, func(d Drill) bool { return d.Name == name })
		if at < 0 {
			var known []string
			for _, d := range all {
				known = append(known, d.Name)
			}
			return nil, fmt.Errorf("drill %q: there is none of that name; wanted one of %s", name, strings.Join(known, ", "))
		}
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("drill %q: is given twice", name)
		}
		found = append(found, all[at])
	}
	return found, nil
}
