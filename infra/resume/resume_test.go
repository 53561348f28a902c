package resume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// cli answers as the Pulumi CLI would, and remembers what it was asked.
type cli struct {
	state  string
	locked error // of the import; freed by cancel
	asked  []string
}

func (c *cli) Output(_ context.Context, args ...string) ([]byte, error) {
	what := strings.Join(args[:min(2, len(args))], " ")
	c.asked = append(c.asked, what)
	switch what {
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
