// Package events reads the log of an update that `pulumi up --event-log` writes, and says what took how long. The one thing a reader would get wrong: the
// engine stamps its events with whole seconds. A single duration is therefore good to a second either way; sums over many resources are better than that,
// because the errors cancel.
package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Step is what the engine did to one resource.
type Step struct {
	URN, Type, Op string
	// Custom is false for a component, which costs nothing outside the engine.
	Custom bool
	// Start and End are whole seconds. A step that has not ended has the zero End.
	Start, End time.Time
	Failed     bool
}

// Name is the logical name.
func (s Step) Name() string { return s.URN[strings.LastIndex(s.URN, "::")+2:] }

// Took is zero for a step that has not ended.
func (s Step) Took() time.Duration {
	if s.End.IsZero() {
		return 0
	}
	return s.End.Sub(s.Start)
}

// Changes says whether the step did something: a component or a resource that stays as it is does not.
func (s Step) Changes() bool { return s.Custom && s.Op != "same" && s.Op != "read" }

// Log is one update or preview.
type Log struct {
	// Steps are in the order in which they began.
	Steps []Step
	// Start is the first event, End the last.
	Start, End time.Time
	// Succeeded says that the engine got to its end and nothing failed.
	Succeeded bool
}

// event is what of an engine's event is read here; see apitype.EngineEvent.
type event struct {
	Timestamp        int64     `json:"timestamp"`
	ResourcePreEvent *metadata `json:"resourcePreEvent"`
	ResOutputsEvent  *metadata `json:"resOutputsEvent"`
	ResOpFailedEvent *metadata `json:"resOpFailedEvent"`
	SummaryEvent     *struct {
		Result string `json:"result"`
	} `json:"summaryEvent"`
}

type metadata struct {
	Metadata struct {
		Op, URN, Type string
		Old, New      *struct{ Custom bool }
	} `json:"metadata"`
}

// Load reads a log. A last line that was cut off, as by a kill, is no error.
func Load(path string) (Log, error) {
	file, err := os.Open(path)
	if err != nil {
		return Log{}, fmt.Errorf("event log: %w", err)
	}
	defer file.Close()
	log, err := Read(file)
	if err != nil {
		return Log{}, fmt.Errorf("event log %s: %w", path, err)
	}
	return log, nil
}

// Read is Load of a stream.
func Read(from io.Reader) (Log, error) {
	var log Log
	open := map[string]int{}
	for decoder := json.NewDecoder(from); ; {
		var e event
		err := decoder.Decode(&e)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return log, nil
		}
		if err != nil {
			return Log{}, fmt.Errorf("%w; wanted one event of the engine a line, as pulumi up --event-log writes", err)
		}
		at := time.Unix(e.Timestamp, 0).UTC()
		if log.Start.IsZero() {
			log.Start = at
		}
		log.End = at
		switch {
		case e.ResourcePreEvent != nil:
			m := e.ResourcePreEvent.Metadata
			step := Step{URN: m.URN, Type: m.Type, Op: m.Op, Start: at}
			if m.New != nil {
				step.Custom = m.New.Custom
			} else if m.Old != nil {
				step.Custom = m.Old.Custom
			}
			open[m.URN] = len(log.Steps)
			log.Steps = append(log.Steps, step)
		case e.ResOutputsEvent != nil:
			log.end(open, e.ResOutputsEvent, at, false)
		case e.SummaryEvent != nil:
			log.Succeeded = e.SummaryEvent.Result == "succeeded"
		case e.ResOpFailedEvent != nil:
			log.end(open, e.ResOpFailedEvent, at, true)
		}
	}
}

func (l *Log) end(open map[string]int, m *metadata, at time.Time, failed bool) {
	if i, found := open[m.Metadata.URN]; found {
		l.Steps[i].End, l.Steps[i].Failed = at, failed
	}
}

// Count is the number of components and of other resources; the stack itself and its providers count as neither.
func (l Log) Count() (components, resources int) {
	seen := map[string]bool{}
	for _, s := range l.Steps {
		if seen[s.URN] || s.Type == "pulumi:pulumi:Stack" || strings.HasPrefix(s.Type, "pulumi:providers:") {
			continue
		}
		seen[s.URN] = true
		if s.Custom {
			resources++
		} else {
			components++
		}
	}
	return components, resources
}

// CountOf is the number of resources whose type begins so.
func (l Log) CountOf(prefix string) int {
	seen := map[string]bool{}
	for _, s := range l.Steps {
		if s.Custom && strings.HasPrefix(s.Type, prefix) {
			seen[s.URN] = true
		}
	}
	return len(seen)
}

// Row is what all resources of one role took.
type Row struct {
	// Role is what comes after the node's name, or the kind of a Kubernetes object, or the resource's own name.
	Role  string
	Count int
	// Start is when the first of them began, after the log's start.
	Start time.Duration
	// Longest is the longest one, named Which; Total the sum, which may be more than the whole where they ran side by side.
	Longest, Total time.Duration
	Which          string
}

// nodeRoles are the ends of the names of a node's resources. Of two that fit the longer counts.
var nodeRoles = []string{
	"server", "installation", "vrack", "library", "base", "wireguard-key", "wireguard", "kubernetes", "invitation", "join", "member",
}

// Role says which row a step belongs to.
func Role(s Step) string {
	if _, kind, found := strings.Cut(strings.TrimPrefix(s.Type, "kubernetes:"), ":"); found && strings.HasPrefix(s.Type, "kubernetes:") {
		return kind
	}
	role := ""
	for _, r := range nodeRoles {
		if strings.HasSuffix(s.Name(), "-"+r) && len(r) > len(role) {
			role = r
		}
	}
	if role != "" && !strings.HasPrefix(s.Type, "cloudflare:") {
		return "…-" + role
	}
	return s.Name()
}

// Rows sums the steps that did something up by role, in the order in which the first of each began.
func (l Log) Rows() []Row {
	var rows []Row
	at := map[string]int{}
	for _, s := range l.Steps {
		if !s.Changes() || strings.HasPrefix(s.Type, "pulumi:") {
			continue
		}
		role := Role(s)
		i, found := at[role]
		if !found {
			i = len(rows)
			at[role] = i
			rows = append(rows, Row{Role: role, Start: s.Start.Sub(l.Start)})
		}
		row := &rows[i]
		row.Count++
		row.Total += s.Took()
		if took := s.Took(); took > row.Longest || row.Which == "" {
			row.Longest, row.Which = took, s.Name()
		}
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return int(a.Start - b.Start) })
	return rows
}

// LastEnd is when the last step of the given types ended that did something; found is false when there was none.
func (l Log) LastEnd(types ...string) (at time.Time, found bool) {
	for _, s := range l.Steps {
		if s.Changes() && slices.Contains(types, s.Type) && s.End.After(at) {
			at, found = s.End, true
		}
	}
	return at, found
}
