// Package reboot restarts the hosts of a stack that wait for it, one after another: `havre reboot`.
//
// The thing to get wrong: a host that is rebooted is one that is lost, so no other may be lost or away at that time. Every step looks at that first, one run at a time
// has the cluster's Lease, and whatever does not end well stops the run there, with the next host untouched. What a node had is noted in the cluster before it goes, so
// the next run begins with the node at which the last one ended.
package reboot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"havre/components/host/script"
)

// Host is one host of the stack.
type Host interface {
	// Run runs a command of the administrator and gives its standard output. Its error says what the command wrote to standard error.
	Run(ctx context.Context, command string) (string, error)
}

// Node is a host of the stack.
type Node struct {
	Name string
	// Cluster says that it is a node of the cluster, ControlPlane that it is one of its control plane.
	Cluster, ControlPlane bool
	Host                  Host
}

// Options of a run.
type Options struct {
	// Nodes in the order in which they go. At least two of the control plane, for somebody must see the other come back; without a cluster none is needed.
	Nodes []Node
	// Only is the one node that may go, if it waits for it; all may when empty.
	Only string
	// All reboots those that do not wait for it as well.
	All bool
	// Who is begun by, for another one who tries: a person and a machine.
	Who string
	// TakeOver goes on where another run was ended.
	TakeOver bool
	// DrainTimeout bounds the drain of a node, in whole seconds.
	DrainTimeout time.Duration
	// BackTimeout bounds the time in which a host boots.
	BackTimeout time.Duration
	// Poll is the time between two looks at a host that boots.
	Poll time.Duration
	// Report gets a line for every step.
	Report func(string)
}

// Order is the order in which nodes go: what is easily replaced first. Workers, then hosts outside the cluster, then the control plane; in each the order of the stack.
func Order(nodes []Node) []Node {
	rank := func(n Node) int {
		switch {
		case n.ControlPlane:
			return 2
		case n.Cluster:
			return 0
		}
		return 1
	}
	ordered := slices.Clone(nodes)
	slices.SortStableFunc(ordered, func(a, b Node) int { return rank(a) - rank(b) })
	return ordered
}

// Calls on hosts. due prints the packages that want it, boot what only another boot changes: on a host in a namespace the first line is its machine's.
var (
	due  = script.AsRootInstalled(script.Inline("[[ ! -e /run/reboot-required ]] || sort -u /run/reboot-required.pkgs 2>/dev/null || echo 'a package that has no name'\n"))
	boot = script.AsRootInstalled(script.Inline("cat /proc/sys/kernel/random/boot_id\ncut -d' ' -f22 /proc/1/stat\n"))
	// The session ends before the host does.
	restart = script.AsRootInstalled(script.Inline("systemd-run --quiet --on-active=1 --timer-property=AccuracySec=100ms systemctl reboot\n"))
	revive  = script.AsRootInstalled("cluster_revive", "cluster.sh", "control-plane.sh")
	worker  = script.AsRootInstalled("cluster_revive", "cluster.sh")
)

// absence calls a function of the library on a control-plane node.
func absence(words ...string) string {
	return script.AsRoot(script.Words(words...), "cluster.sh", "control-plane.sh", "absence.sh")
}

func (o Options) validate() error {
	var errs []error
	cluster, control := 0, 0
	for _, n := range o.Nodes {
		if n.Host == nil {
			errs = append(errs, fmt.Errorf("reboot: node %s is in the stack, and no installed host has its name; run pulumi up first", n.Name))
		}
		if n.Cluster {
			cluster++
		}
		if n.ControlPlane {
			control++
		}
	}
	if cluster > 0 && control < 2 {
		errs = append(errs, fmt.Errorf("reboot: the stack has %d control-plane nodes, wanted are two at least: one sees the other come back", control))
	}
	if o.DrainTimeout < time.Second || o.DrainTimeout%time.Second != 0 {
		errs = append(errs, fmt.Errorf("reboot: drain timeout %s is not of whole seconds", o.DrainTimeout))
	}
	return errors.Join(errs...)
}

// Hosts reboots those that wait for it, and gives their names. It may be run again after any failure.
func Hosts(ctx context.Context, o Options) (done []string, err error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	left, err := o.left(ctx)
	if err != nil {
		return nil, err
	}
	waiting, err := o.waiting(ctx, left)
	if err != nil || len(waiting) == 0 {
		return nil, err
	}
	if o.clustered() {
		if _, err := o.ask(ctx, "", absence("absence_take", o.Who, yes(o.TakeOver))); err != nil {
			return nil, fmt.Errorf("reboot: %w", err)
		}
		defer func() {
			if _, given := o.ask(context.WithoutCancel(ctx), "", absence("absence_give")); given != nil {
				err = errors.Join(err, fmt.Errorf("reboot: the Lease kube-system/havre-absence stays: %w; the next run wants --take-over", given))
			}
		}()
	}
	for _, n := range waiting {
		began := time.Now()
		if err := o.reboot(ctx, n, slices.Contains(left, n.Name)); err != nil {
			return done, fmt.Errorf("reboot: %s: %w\n%s; mend it and run the same again, it goes on there", n.Name, err, rest(waiting, n.Name))
		}
		o.Report(fmt.Sprintf("%s: is back, after %s", n.Name, time.Since(began).Round(time.Second)))
		done = append(done, n.Name)
	}
	return done, nil
}

// rest says which nodes a run that stops has not touched.
func rest(waiting []Node, at string) string {
	i := slices.IndexFunc(waiting, func(n Node) bool { return n.Name == at })
	var names []string
	for _, n := range waiting[i+1:] {
		names = append(names, n.Name)
	}
	if len(names) == 0 {
		return "it was the last"
	}
	return "not touched: " + strings.Join(names, ", ")
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func (o Options) clustered() bool {
	return slices.ContainsFunc(o.Nodes, func(n Node) bool { return n.Cluster })
}

// left are the nodes that an earlier run has taken away and not brought back.
func (o Options) left(ctx context.Context) ([]string, error) {
	if !o.clustered() {
		return nil, nil
	}
	out, err := o.ask(ctx, "", absence("absence_left"))
	if err != nil {
		return nil, fmt.Errorf("reboot: no control-plane node says which nodes are away: %w", err)
	}
	return strings.Fields(out), nil
}

// waiting are the nodes to reboot, those first that an earlier run has left away.
func (o Options) waiting(ctx context.Context, left []string) ([]Node, error) {
	var first, others []Node
	for _, n := range o.Nodes {
		if o.Only != "" && n.Name != o.Only {
			continue
		}
		out, err := n.Host.Run(ctx, due)
		packages := strings.Join(strings.Fields(out), ", ")
		switch {
		case slices.Contains(left, n.Name):
			o.Report(n.Name + ": an earlier run has left it away; it comes first")
			first = append(first, n)
		case err != nil:
			return nil, fmt.Errorf("reboot: %s does not say whether it waits for a reboot: %w", n.Name, err)
		case packages != "":
			o.Report(n.Name + ": waits for a reboot since an update of " + packages)
			others = append(others, n)
		case o.All:
			others = append(others, n)
		default:
			o.Report(n.Name + ": waits for none")
		}
	}
	return append(first, others...), nil
}

// reboot takes one node away, restarts it and brings it back. left is one that an earlier run has taken away: it may have been restarted by it or not, so it is again.
func (o Options) reboot(ctx context.Context, n Node, left bool) error {
	if n.Cluster {
		if left {
			o.Report(n.Name + ": is away since an earlier run")
		} else {
			o.Report(n.Name + ": its readers and pods go elsewhere")
		}
		if _, err := o.ask(ctx, n.Name, absence("absence_begin", n.Name, strconv.Itoa(int(o.DrainTimeout/time.Second)))); err != nil {
			return err
		}
	}
	before, err := n.Host.Run(ctx, boot)
	if err != nil {
		return err
	}
	o.Report(n.Name + ": reboots")
	if _, err := n.Host.Run(ctx, restart); err != nil {
		return err
	}
	if err := o.back(ctx, n, before); err != nil {
		return err
	}
	if !n.Cluster {
		return nil
	}
	o.Report(n.Name + ": has booted; its pods and readers come back")
	call := worker
	if n.ControlPlane {
		call = revive
	}
	if _, err := n.Host.Run(ctx, call); err != nil {
		return err
	}
	_, err = o.ask(ctx, n.Name, absence("absence_end", n.Name))
	return err
}

// back waits until a host runs another boot than before.
func (o Options) back(ctx context.Context, n Node, before string) error {
	ctx, cancel := context.WithTimeout(ctx, o.BackTimeout)
	defer cancel()
	for {
		now, err := n.Host.Run(ctx, boot)
		if err == nil && now != before {
			return nil
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = errors.New("it runs on as if nothing had been asked of it")
			}
			return fmt.Errorf("has not rebooted within %s: %w; see its console, or put it into the rescue system (docs/runbooks/a-host-that-does-not-answer.md)", o.BackTimeout, err)
		case <-time.After(o.Poll):
		}
	}
}

// ask runs a call on the first control-plane node that does it, other than the one named. What the cluster refuses is not asked of the next: only a host that is not
// reached is.
func (o Options) ask(ctx context.Context, not, call string) (string, error) {
	var errs []error
	for _, n := range o.Nodes {
		if !n.ControlPlane || n.Name == not {
			continue
		}
		if _, err := n.Host.Run(ctx, boot); err != nil {
			errs = append(errs, fmt.Errorf("node %s: %w", n.Name, err))
			continue
		}
		out, err := n.Host.Run(ctx, call)
		return out, err
	}
	return "", errors.Join(errs...)
}
