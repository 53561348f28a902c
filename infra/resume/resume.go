// Package resume makes a stack ready for the next `pulumi up` after a run was killed: it frees the lock of a run that is dead, and clears the
// operations that the run had begun and never reported.
//
// What a reader would get wrong: clearing them unseen is only right because every creation in this project is an upsert. An order that was under way
// is found again by its mark, an installation by its task, a command on a host is idempotent, a Kubernetes object goes by server-side apply. A stack
// that holds resources of other kinds must not be resumed like this.
package resume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Runner runs the Pulumi CLI in the project of the stack and gives what it prints; bringup.Pulumi is one. Its error must hold what Pulumi said.
type Runner interface {
	Output(ctx context.Context, args ...string) ([]byte, error)
}

// Options say which stack, and what a person has seen for themselves.
type Options struct {
	// Stack is the stack's name, such as "prod"; required.
	Stack string
	// Force frees the lock of a run on another machine, which cannot be looked at from here. Whoever sets it knows that this run has ended.
	Force bool
	// Report hears what is done, one line each; nil hears nothing.
	Report func(string)
}

// Stack makes the stack ready. It is safe at any time: a run that is still at work is left alone and named in the error, and a stack that needs
// nothing stays as it is. It changes nothing at OVH, on hosts or in the cluster.
func Stack(ctx context.Context, p Runner, o Options) error {
	if o.Stack == "" {
		return errors.New("resume: no stack is named; write one such as prod")
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	err := clearPending(ctx, p, o)
	if torn(err) {
		if err := mendTorn(ctx, p, o); err != nil {
			return err
		}
		err = clearPending(ctx, p, o)
	}
	locks := locksIn(err)
	if len(locks) == 0 {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("resume: name of this machine: %w", err)
	}
	var alive []error
	for _, l := range locks {
		alive = append(alive, l.refuse(o, host, running))
	}
	if err := errors.Join(alive...); err != nil {
		return err
	}
	for _, l := range locks {
		o.Report(fmt.Sprintf("frees the lock of %s, which has ended", l))
	}
	if _, err := p.Output(ctx, "cancel", "--yes", "--stack", o.Stack); err != nil {
		return fmt.Errorf("resume stack %s: %w", o.Stack, err)
	}
	return clearPending(ctx, p, o)
}

// clearPending writes the state back without the operations that were under way, which is what `pulumi stack import` makes of an export. It needs
// the stack's lock, so it also tells whether somebody holds that.
func clearPending(ctx context.Context, p Runner, o Options) (err error) {
	text, err := p.Output(ctx, "stack", "export", "--stack", o.Stack)
	if err != nil {
		return fmt.Errorf("resume stack %s: %w", o.Stack, err)
	}
	pending, err := pendingIn(text)
	if err != nil {
		return fmt.Errorf("resume stack %s: %w", o.Stack, err)
	}
	// The state may hold secrets, if encrypted: only its owner may read it, and it goes as soon as it was read.
	folder, err := os.MkdirTemp("", "havre-resume-")
	if err != nil {
		return fmt.Errorf("resume stack %s: %w", o.Stack, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	file := filepath.Join(folder, "state.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("resume stack %s: %w", o.Stack, err)
	}
	if _, err := p.Output(ctx, "stack", "import", "--stack", o.Stack, "--file", file); err != nil {
		return fmt.Errorf("resume stack %s: %w", o.Stack, err)
	}
	for _, operation := range pending {
		o.Report("was under way, the next run looks it up: " + operation)
	}
	return nil
}

// pendingIn lists what an exported state has under way, such as "creating rbx-worker-1-server".
func pendingIn(text []byte) ([]string, error) {
	var state struct {
		Deployment struct {
			Pending []struct {
				Type     string `json:"type"`
				Resource struct {
					URN string `json:"urn"`
				} `json:"resource"`
			} `json:"pending_operations"`
		} `json:"deployment"`
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return nil, fmt.Errorf("exported state: %w", err)
	}
	var list []string
	for _, operation := range state.Deployment.Pending {
		parts := strings.Split(operation.Resource.URN, "::")
		list = append(list, operation.Type+" "+parts[len(parts)-1])
	}
	return list, nil
}

// lock is who holds a stack, as Pulumi names them.
type lock struct {
	user, host string
	pid        int
	since      time.Time
}

// locked is how Pulumi names a lock in its error; the error is all that every kind of backend has in common.
var locked = regexp.MustCompile(`created by (\S+)@(\S+) \(pid (\d+)\) at (\S+)`)

// locksIn reads the locks from an error; none when it is about something else.
func locksIn(err error) []lock {
	if err == nil || !strings.Contains(err.Error(), "currently locked") {
		return nil
	}
	var list []lock
	for _, found := range locked.FindAllStringSubmatch(err.Error(), -1) {
		pid, wrong := strconv.Atoi(found[3])
		since, wrongToo := time.Parse(time.RFC3339, found[4])
		if wrong == nil && wrongToo == nil {
			list = append(list, lock{user: found[1], host: found[2], pid: pid, since: since})
		}
	}
	return list
}

func (l lock) String() string {
	return fmt.Sprintf("%s's run on %s, process %d, of %s", l.user, l.host, l.pid, l.since.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// refuse says why a lock may not be freed; nil when its run is dead.
func (l lock) refuse(o Options, here string, running func(pid int) bool) error {
	switch {
	case l.host != here && !o.Force:
		return fmt.Errorf("stack %s is locked by %s; see there whether process %d still runs, and when it does not: havre resume %s --force", o.Stack, l, l.pid, o.Stack)
	case l.host == here && running(l.pid):
		return fmt.Errorf("stack %s is locked by %s, which is still at work; wait for it to end", o.Stack, l)
	}
	return nil
}

// running says whether a process is a living Pulumi. A number may have been given to somebody else since; a zombie has ended.
func running(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	if err != nil {
		return true // hidden from us: better to wait for nobody than to free a lock that is in use
	}
	open, end := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
	if open < 0 || end < open {
		return true
	}
	return strings.Contains(string(stat[open:end]), "pulumi") && !strings.HasPrefix(string(stat[end:]), ") Z")
}
