// Package bench measures the platform: where the time of the last `make up` went, what it does beside Ansible, what its pod network saves, and how previews and
// states grow with the number of hosts. The one thing a reader would get wrong: it judges nothing. It prints what it measured beside what that is compared with, and nothing fails because a machine is slow.
//
// Growth is compared with a floor: the same engine, in the same run of the bench, with as many components and as many resources as the platform, each of which
// is trivial. Trivial is `command:local:Command` with `create: "true"`: a resource with one input of four bytes, served by one of the plugins that serves most
// of the platform's own resources. What the platform takes above the floor is therefore its own: its texts, its secrets, its dependencies, its provider's
// questions. A platform's component counts as a component in the floor and not as a resource, because a component costs the engine less.
//
// The state has a second floor, of the same kind: where the platform has something that is done over SSH, it has a remote command of `true`, in a component and with
// a connection as the platform's. What every such resource carries (its connection twice, its names, what it waits for, where in the program it was made) is the
// engine's and the plugin's; what is above this floor is what the platform does.
package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"havre/infra/workspace"
)

// Figure is one thing that was measured.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	// Unit is s, byte, or "" for a ratio or a number of things.
	Unit string `json:"unit"`
	// ComparedWith says in words what the value is to be held against; empty where there is nothing.
	ComparedWith string `json:"comparedWith"`
}

// Options say how much is measured.
type Options struct {
	// Sizes are numbers of hosts; see fleet.Least and fleet.Greatest.
	Sizes []int
	// Runs is how often each preview is measured; the median counts. Platform and floor take turns, so that both meet the same machine.
	Runs int
	// Production also measures the first preview of stack prod, as `make preview STACK=prod` does it.
	Production bool
	// Profiles is a folder for CPU profiles of one more preview of each, after those that count; empty for none. Read them with go tool pprof.
	Profiles string
	// Only are names of Parts; all of them when empty.
	Only []string
	// Load measures a burst and a rolling update on the running sandbox instead of everything else. LoadScale divides a campaign's rates.
	Load      bool
	LoadScale int
}

// Bench is one run.
type Bench struct {
	Workspace workspace.Workspace
	Options   Options
	// Out is where the tables go; Progress is told what is being measured.
	Out      io.Writer
	Progress func(string)

	figures []Figure
}

// Run measures everything that can be measured here, prints it, and writes the figures to build/bench.json (those of Load to build/load.json). What cannot be measured is said and does not
// keep the rest from being measured; the error joins what went wrong.
func (b *Bench) Run(ctx context.Context) error {
	var errs []error
	for _, part := range b.parts() {
		err := part.measure(ctx)
		if err != nil {
			fmt.Fprintf(b.Out, "\nnot measured: %v\n", err)
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(append(errs, b.save())...)
}

// part is what is measured together, and printed as one or two tables.
type part struct {
	name    string
	measure func(context.Context) error
}

// Parts are the names of what can be measured, in order.
func Parts() []string {
	var names []string
	for _, part := range (&Bench{}).parts() {
		names = append(names, part.name)
	}
	return names
}

// parts are those that the options ask for.
func (b *Bench) parts() []part {
	if b.Options.Load {
		return []part{{"load", b.load}}
	}
	all := []part{
		{"bring-up", b.bringUp}, {"readers", b.readers}, {"ansible", b.bootstrap}, {"overlay", b.overlay}, {"production", b.production}, {"growth", b.growth},
	}
	if len(b.Options.Only) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(p part) bool { return !slices.Contains(b.Options.Only, p.name) })
}

func (b *Bench) figure(name string, value float64, unit, comparedWith string) {
	b.figures = append(b.figures, Figure{Name: name, Value: value, Unit: unit, ComparedWith: comparedWith})
}

// save writes the figures in the order in which they were measured.
func (b *Bench) save() error {
	text, err := json.MarshalIndent(b.figures, "", "  ")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	path := b.Workspace.Path("build", "bench.json")
	if b.Options.Load {
		path = b.loadFile()
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	fmt.Fprintf(b.Out, "\n%d figures are in %s\n", len(b.figures), path)
	return nil
}

// slug makes a part of a figure's name.
func slug(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		default:
			return '-'
		}
	}, s), "-")
}
