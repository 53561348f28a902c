// Package restore brings a cluster's content back from a backup: `havre restore`.
//
// The thing to get wrong: all control-plane nodes go back together, or none. Each has the whole backup and has seen that it opens before the first of them stops,
// and all start before any is waited for, since etcd serves only when most of its members do. Certificates, keys of the cluster and hosts stay as they are, so a
// cluster that was made anew takes an old one's content just as well.
package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/sync/errgroup"

	"havre/components/cluster/kubeadm"
	"havre/components/host/script"
)

// Host is one control-plane node.
type Host interface {
	// Run runs a command of the administrator and gives its standard output. Its error says what the command wrote to standard error.
	Run(ctx context.Context, command string) (string, error)
}

// Options of a restore.
type Options struct {
	// Members are the control-plane nodes of the stack, all of them, with their mesh addresses.
	Members []kubeadm.Member
	// Hosts are the same by name.
	Hosts map[string]Host
	// Snapshot is the ID of the backup, whole or its first 8 digits; "latest" for the newest.
	Snapshot string
	// Report gets a line for every step.
	Report func(string)
}

// snapshot is what restic takes for an ID.
var snapshot = regexp.MustCompile(`^[0-9a-f]{8,64}$`)

// validate reports everything that is wrong, joined.
func (o Options) validate() error {
	var errs []error
	if len(o.Members) == 0 {
		errs = append(errs, errors.New("restore: the stack has no control-plane node"))
	}
	for _, m := range o.Members {
		if o.Hosts[m.Name] == nil {
			errs = append(errs, fmt.Errorf("restore: node %s is in the stack, and no installed host has its name; all must be there: run pulumi up first", m.Name))
		}
	}
	if o.Snapshot != "latest" && !snapshot.MatchString(o.Snapshot) {
		errs = append(errs, fmt.Errorf("restore: snapshot %q is neither latest nor an ID; havre restore STACK --list shows them", o.Snapshot))
	}
	return errors.Join(errs...)
}

// List gives the backups there are as the first host that knows of them prints them.
func List(ctx context.Context, o Options) (string, error) {
	o.Snapshot = "latest"
	if err := o.validate(); err != nil {
		return "", err
	}
	return o.ask(ctx, kubeadm.Snapshots)
}

// Cluster brings the content of the cluster back. What was there is kept on each host, below /var/lib/havre/restore. It may be run again after any failure.
func Cluster(ctx context.Context, o Options) error {
	if err := o.validate(); err != nil {
		return err
	}
	id := o.Snapshot
	if id == "latest" {
		out, err := o.ask(ctx, kubeadm.NewestSnapshot)
		if err != nil {
			return err
		}
		if id = strings.TrimSpace(out); !snapshot.MatchString(id) {
			return fmt.Errorf("restore: the bucket has no backup of etcd, the newest is %q", id)
		}
	}
	for _, step := range []struct{ what, call string }{
		{"fetches backup " + id[:8] + " and sees that it is whole", kubeadm.FetchEtcd(id)},
		{"stops its control plane", kubeadm.StopEtcd},
		{"takes the backup for its data", kubeadm.PutEtcd(o.Members)},
		{"starts its control plane", kubeadm.StartEtcd},
		{"waits for its API server", kubeadm.EtcdStarted},
	} {
		o.Report("each control-plane node " + step.what)
		out, err := o.everywhere(ctx, step.call)
		if err != nil {
			return fmt.Errorf("restore: a node that %s: %w; nothing goes on before all have done it: mend it and run the same again", step.what, err)
		}
		if step.call == kubeadm.FetchEtcd(id) {
			if err := o.same(out); err != nil {
				return err
			}
		}
	}
	return nil
}

// same sees that all hosts have the same content: of one backup they must, and members that differ would be a cluster that contradicts itself.
func (o Options) same(out map[string]string) error {
	type status struct {
		Hash      uint32 `json:"hash"`
		TotalKeys int    `json:"totalKey"`
		Size      int64  `json:"totalSize"`
	}
	var first status
	for i, m := range o.Members {
		var got status
		lines := strings.Split(strings.TrimSpace(out[m.Name]), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &got); err != nil {
			return fmt.Errorf("restore: node %s: what it says of the backup is no JSON: %w", m.Name, err)
		}
		if i == 0 {
			first = got
			o.Report(fmt.Sprintf("the backup has %d keys in %d bytes", got.TotalKeys, got.Size))
		} else if got != first {
			return fmt.Errorf("restore: node %s has another content of the backup than %s; nothing was changed", m.Name, o.Members[0].Name)
		}
	}
	return nil
}

// ask runs a call that only reads on the first host that answers it.
func (o Options) ask(ctx context.Context, call string) (string, error) {
	var errs []error
	for _, m := range o.Members {
		out, err := o.Hosts[m.Name].Run(ctx, script.AsRootInstalled(call, kubeadm.EtcdFiles...))
		if err == nil {
			return out, nil
		}
		errs = append(errs, fmt.Errorf("node %s: %w", m.Name, err))
	}
	return "", errors.Join(errs...)
}

// everywhere runs a call on all hosts at once and waits for all of them, also when one fails.
func (o Options) everywhere(ctx context.Context, call string) (map[string]string, error) {
	outs, errs := make([]string, len(o.Members)), make([]error, len(o.Members))
	var group errgroup.Group
	for i, m := range o.Members {
		group.Go(func() error {
			out, err := o.Hosts[m.Name].Run(ctx, script.AsRootInstalled(call, kubeadm.EtcdFiles...))
			outs[i] = out
			if err != nil {
				errs[i] = fmt.Errorf("node %s: %w", m.Name, err)
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs
	all := map[string]string{}
	for i, m := range o.Members {
		all[m.Name] = outs[i]
	}
	return all, errors.Join(errs...)
}
