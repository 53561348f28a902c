package step

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ticking gives a clock that moves on by step at each look.
func ticking(step time.Duration) func() time.Time {
	at := time.Unix(0, 0)
	return func() time.Time {
		at = at.Add(step)
		return at
	}
}

func TestARunShowsWhichStepOfHowManyAndItsSeconds(t *testing.T) {
	var out strings.Builder
	steps := New(&out, 2)
	steps.now = ticking(1500 * time.Millisecond)
	if err := steps.Run("base file system", func(report func(string)) error {
		report("unpacking\n")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no sshd")
	if err := steps.Run("hosts", func(func(string)) error { return broken }); !errors.Is(err, broken) {
		t.Fatalf("error = %v", err)
	}
	want := `[1/2] base file system
      unpacking
[1/2] base file system: 1.5 s
[2/2] hosts
[2/2] hosts failed after 1.5 s
`
	if out.String() != want {
		t.Errorf("shown:\n%s\nwant:\n%s", out.String(), want)
	}
	path := filepath.Join(t.TempDir(), "steps.json")
	if err := steps.Save(path); err != nil {
		t.Fatal(err)
	}
	timings, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(timings) != 2 || timings[0] != (Timing{"base file system", 1.5}) || timings[1] != (Timing{"hosts", 1.5}) {
		t.Errorf("timings = %v", timings)
	}
}
