// Package step shows a run of several steps to whoever waits for it: which step of how many, what it is at, and the seconds each took. The one
// thing a reader would get wrong: it is for people and for the bench's table, never for a decision; nothing in the program reads a time from it.
package step

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Timing is how long one step took.
type Timing struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// Steps is one run. Its methods may be called from several goroutines.
type Steps struct {
	out   io.Writer
	total int
	now   func() time.Time

	mu      sync.Mutex
	begun   int
	timings []Timing
}

// New begins a run of total steps that is shown on out.
func New(out io.Writer, total int) *Steps { return &Steps{out: out, total: total, now: time.Now} }

// Run does one step: it prints the name, hands do a function that shows what the step is at, and prints the seconds it took. The error is do's.
func (s *Steps) Run(name string, do func(report func(string)) error) error {
	s.mu.Lock()
	s.begun++
	label := fmt.Sprintf("[%d/%d] %s", s.begun, s.total, name)
	s.mu.Unlock()
	s.print(label)
	start := s.now()
	err := do(func(line string) { s.print("      " + strings.TrimRight(line, "\n")) })
	took := s.now().Sub(start)
	s.mu.Lock()
	s.timings = append(s.timings, Timing{Name: name, Seconds: took.Seconds()})
	s.mu.Unlock()
	if err != nil {
		s.print(fmt.Sprintf("%s failed after %.1f s", label, took.Seconds()))
		return err
	}
	s.print(fmt.Sprintf("%s: %.1f s", label, took.Seconds()))
	return nil
}

func (s *Steps) print(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.out, line)
}

// Save writes the timings of the steps so far as JSON, for `make bench`.
func (s *Steps) Save(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := json.MarshalIndent(s.timings, "", "  ")
	if err != nil {
		return fmt.Errorf("steps: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("steps: %w", err)
	}
	return nil
}

// Load reads what Save wrote.
func Load(path string) ([]Timing, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("steps: %w", err)
	}
	var timings []Timing
	if err := json.Unmarshal(text, &timings); err != nil {
		return nil, fmt.Errorf("steps: file %s: %w", path, err)
	}
	return timings, nil
}
