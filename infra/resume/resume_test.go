package resume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// cli answers as the Pulumi CLI would, and remembers what it was asked.
type cli struct {
	state  string
	locked error  // of the import; freed by cancel
	torn   string // a file: while it is there, nothing can be read
	url    string // of the backend
	asked  []string
}

func (c *cli) Output(_ context.Context, args ...string) ([]byte, error) {
	what := strings.Join(args[:min(2, len(args))], " ")
	c.asked = append(c.asked, what)
	if _, err := os.Stat(c.torn); c.torn != "" && err == nil && args[0] == "stack" {
		return nil, errors.New("error: failed to load checkpoint: EOF")
	}
	switch what {
	case "whoami --json":
		return json.Marshal(map[string]string{"url": c.url})
	case "stack export":
		return []byte(c.state), nil
	case "stack import":
		return nil, c.locked
	case "cancel --yes":
		c.locked = nil
		return nil, nil
	}
	return nil, errors.New("not expected")
}

const interrupted = `{"version":3,"deployment":{"pending_operations":[{"type":"creating","resource":{"urn":"urn:pulumi:prod::havre::havre:ovh:Server$ovhmetal:index:Server::rbx-worker-1-server"}}]}}`

// message is what Pulumi says of a lock.
func message(host string, pid int) error {
	return fmt.Errorf("error: could not import deployment: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock file with `pulumi cancel`.\n"+
		"  file:///state/.pulumi/locks/organization/havre/prod/1.json: created by ada@%s (pid %d) at 2027-01-02T03:04:05+01:00", host, pid)
}

func TestStack(t *testing.T) {
	here, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	const dead = 1 << 30 // above every process number that Linux gives
	through := []string{"stack export", "stack import"}
	freed := []string{"stack export", "stack import", "cancel --yes", "stack export", "stack import"}
	for name, c := range map[string]struct {
		state   string
		locked  error
		force   bool
		asked   []string
		reports []string
		err     string
	}{
		"nothing to do": {state: `{"version":3,"deployment":{}}`, asked: through},
		"a new stack":   {state: `{"version":3}`, asked: through},
		"pending":       {state: interrupted, asked: through, reports: []string{"was under way, the next run looks it up: creating rbx-worker-1-server"}},
		"a dead run": {state: interrupted, locked: message(here, dead), asked: freed, reports: []string{
			fmt.Sprintf("frees the lock of ada's run on %s, process %d, of 2027-01-02 02:04:05 UTC, which has ended", here, dead),
			"was under way, the next run looks it up: creating rbx-worker-1-server",
		}},
		"another process has the number": {state: interrupted, locked: message(here, 1), asked: freed, reports: []string{
			fmt.Sprintf("frees the lock of ada's run on %s, process 1, of 2027-01-02 02:04:05 UTC, which has ended", here),
			"was under way, the next run looks it up: creating rbx-worker-1-server",
		}},
		"elsewhere": {
			state: interrupted, locked: message("laptop", 77), asked: through,
			err: "stack prod is locked by ada's run on laptop, process 77, of 2027-01-02 02:04:05 UTC; see there whether process 77 still runs, and when it does not: havre resume prod --force",
		},
		"elsewhere, and known to be dead": {state: `{"version":3}`, locked: message("laptop", 77), force: true, asked: freed, reports: []string{
			"frees the lock of ada's run on laptop, process 77, of 2027-01-02 02:04:05 UTC, which has ended",
		}},
		"another error": {state: interrupted, locked: errors.New("disk full"), asked: through, err: "resume stack prod: disk full"},
		"no state":      {state: `no stack`, asked: through[:1], err: "resume stack prod: exported state: invalid character 'o' in literal null (expecting 'u')"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &cli{state: c.state, locked: c.locked}
			var reports []string
			err := Stack(t.Context(), p, Options{Stack: "prod", Force: c.force, Report: func(line string) { reports = append(reports, line) }})
			if got := fmt.Sprint(err); err != nil && got != c.err || err == nil && c.err != "" {
				t.Errorf("error %s\nwant  %s", got, c.err)
			}
			if !slices.Equal(p.asked, c.asked) {
				t.Errorf("asked %q, want %q", p.asked, c.asked)
			}
			if !slices.Equal(reports, c.reports) {
				t.Errorf("reports %q, want %q", reports, c.reports)
			}
		})
	}
}

func TestStackNeedsAName(t *testing.T) {
	if err := Stack(t.Context(), &cli{}, Options{}); err == nil || err.Error() != "resume: no stack is named; write one such as prod" {
		t.Errorf("error %v", err)
	}
}

func TestARunAtWorkIsLeftAlone(t *testing.T) {
	l := lock{user: "ada", host: "here", pid: 5}
	err := l.refuse(Options{Stack: "prod", Force: true}, "here", func(int) bool { return true })
	if err == nil || !strings.HasSuffix(err.Error(), "which is still at work; wait for it to end") {
		t.Errorf("error %v", err)
	}
}

// TestTorn has a sidecar that a kill left empty, and a lock that never got its name; whole files and other stacks' locks stay.
func TestTorn(t *testing.T) {
	folder := t.TempDir()
	files := map[string]string{
		"stacks/havre/prod.json": `{"version":3}`, "stacks/havre/prod.json.attrs": "", "stacks/havre/staging.json.attrs": `{"user.cache_control":""}`,
		"locks/organization/havre/prod/1.json.1.tmp": "", "locks/organization/havre/staging/2.json.1.tmp": "",
	}
	for name, text := range files {
		path := filepath.Join(folder, ".pulumi", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	p := &cli{state: interrupted, torn: filepath.Join(folder, ".pulumi", "stacks/havre/prod.json.attrs"), url: "file://" + folder}
	var reports []string
	if err := Stack(t.Context(), p, Options{Stack: "prod", Report: func(line string) { reports = append(reports, line) }}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"removes a file that the killed run was about to write: .pulumi/locks/organization/havre/prod/1.json.1.tmp",
		"removes a file that the killed run was about to write: .pulumi/stacks/havre/prod.json.attrs",
		"was under way, the next run looks it up: creating rbx-worker-1-server",
	}
	if !slices.Equal(reports, want) {
		t.Errorf("reports %q, want %q", reports, want)
	}
	for name := range files {
		_, err := os.Stat(filepath.Join(folder, ".pulumi", name))
		if gone := strings.HasSuffix(name, "prod.json.attrs") || strings.Contains(name, "prod/1.json"); gone != errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v; wanted gone: %v", name, err, gone)
		}
	}
	other := &cli{torn: folder, url: "s3://bucket"}
	if err := Stack(t.Context(), other, Options{Stack: "prod"}); err == nil || err.Error() != "resume stack prod: error: failed to load checkpoint: EOF" {
		t.Errorf("another backend: error %v", err)
	}
}
