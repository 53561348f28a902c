package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"havre/infra/sandbox/bringup"
	"havre/stacks"
)

// upgrade takes the cluster from the minor version of Kubernetes before ours to ours.
func upgrade() Drill {
	return Drill{
		Name: "upgrade", What: "a cluster of the minor version of Kubernetes before ours gets ours by a change of that one value: etcd is backed up, the control plane goes one by one, then the workers",
		Bound: Bound{Planned: true, Quorum: true},
		Do: func(ctx context.Context, r *Run) error {
			wanted := "v" + r.plan.Stack.Cluster.KubernetesVersion
			from, err := r.kubelets(ctx)
			if err != nil {
				return err
			}
			if slices.Contains(from, wanted) {
				return fmt.Errorf("nodes run %s, and the drill begins with the minor version before: make down, then havre up --previous", strings.Join(from, ", "))
			}
			began, watched := time.Now(), newTurns(r.plan)
			watching, stop := context.WithCancel(ctx)
			defer stop()
			var group sync.WaitGroup
			group.Go(func() { watched.watch(watching, r.api) })
			r.step("%s is wanted, and %s runs: pulumi up", wanted, strings.Join(from, ", "))
			r.broke()
			up := bringup.Pulumi{Workspace: r.ws, Env: r.ws.LocalEnv(), Report: r.said(map[string]bool{})}
			err = up.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview", "--suppress-outputs")
			stop()
			group.Wait()
			if err != nil {
				return err
			}
			r.step("pulumi up has ended")
			return errors.Join(r.upgraded(ctx, wanted, began), watched.broken(), r.recover(ctx))
		},
		// What was not finished is gone on with.
		Undo: func(ctx context.Context, r *Run) error { return r.restore(ctx) },
	}
}

// said notes what hosts say of their steps, each once: Pulumi shows it when it comes, and again at its end.
func (r *Run) said(before map[string]bool) func(string) {
	return func(line string) {
		if _, text, found := strings.Cut(line, "havre: "); found && !before[text] {
			before[text] = true
			r.step("%s", text)
			return
		}
		r.quietly(line)
	}
}

// kubelets are the versions that nodes' kubelets have, sorted.
func (r *Run) kubelets(ctx context.Context) ([]string, error) {
	nodes, err := r.api.nodes(ctx)
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, n := range nodes {
		versions = append(versions, n.Status.NodeInfo.KubeletVersion)
	}
	slices.Sort(versions)
	return slices.Compact(versions), nil
}

// upgraded says what is not of the wanted version, and whether there is a backup of etcd that was made since.
func (r *Run) upgraded(ctx context.Context, wanted string, since time.Time) error {
	kubelets, err := r.kubelets(ctx)
	if err != nil {
		return err
	}
	if !slices.Equal(kubelets, []string{wanted}) {
		return fmt.Errorf("kubelets are of %s, wanted %s alone", strings.Join(kubelets, ", "), wanted)
	}
	var errs []error
	var newest int64
	for _, n := range r.plan.ControlPlane {
		out, err := r.on(ctx, n.Name, `for c in apiserver controller-manager scheduler; do grep -o "kube-$c:v.*" /etc/kubernetes/manifests/kube-$c.yaml; done; cat /var/lib/havre/cluster/etcd-backup 2>/dev/null || echo 0`)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		lines := strings.Fields(out)
		for _, image := range lines[:len(lines)-1] {
			if !strings.HasSuffix(image, ":"+wanted) {
				errs = append(errs, fmt.Errorf("%s runs %s, wanted %s", n.Name, image, wanted))
			}
		}
		at, err := strconv.ParseInt(lines[len(lines)-1], 10, 64)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: the time of its last backup: %w", n.Name, err))
		}
		newest = max(newest, at)
	}
	if newest < since.Unix() {
		errs = append(errs, fmt.Errorf("the newest backup of etcd was made at %s, wanted one since %s", time.Unix(newest, 0).UTC(), since.UTC()))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.step("every server and every kubelet is of %s; etcd was backed up on the way", wanted)
	return nil
}

// turns are how many nodes were missing at the same time: not ready, or closed to pods.
type turns struct {
	controlPlane, workers []string
	places                int

	mostControlPlane, mostWorkers []string
	// ahead is the first kubelet that was seen before its time: of another minor version while a control-plane node had not got it.
	ahead string
}

func newTurns(plan stacks.Plan) *turns {
	t := &turns{places: plan.Stack.Cluster.MaxUnavailable}
	for _, n := range plan.ControlPlane {
		t.controlPlane = append(t.controlPlane, n.Name)
	}
	for _, n := range plan.Workers {
		t.workers = append(t.workers, n.Name)
	}
	return t
}

// watch looks once a second until ctx ends. An API that does not answer for a moment is the drill's own measure elsewhere.
func (t *turns) watch(ctx context.Context, api *api) {
	for {
		if nodes, err := api.nodes(ctx); err == nil {
			t.look(nodes)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

func (t *turns) look(nodes []nodeStatus) {
	var controlPlane, workers []string
	versions := map[string]string{}
	for _, n := range nodes {
		name := n.Metadata.Name
		versions[name] = n.Status.NodeInfo.KubeletVersion
		if n.ready() && !n.Spec.Unschedulable {
			continue
		}
		switch {
		case slices.Contains(t.controlPlane, name):
			controlPlane = append(controlPlane, name)
		case slices.Contains(t.workers, name):
			workers = append(workers, name)
		}
	}
	if len(controlPlane) > len(t.mostControlPlane) {
		t.mostControlPlane = controlPlane
	}
	if len(workers) > len(t.mostWorkers) {
		t.mostWorkers = workers
	}
	for _, worker := range t.workers {
		for _, server := range t.controlPlane {
			if has := minorOf(versions[server]); t.ahead == "" && has > 0 && minorOf(versions[worker]) > has {
				t.ahead = fmt.Sprintf("the kubelet of %s was of %s while %s had %s", worker, versions[worker], server, versions[server])
			}
		}
	}
}

// minorOf is the minor of v1.MINOR.PATCH, and 0 of anything else.
func minorOf(version string) int {
	if parts := strings.Split(version, "."); len(parts) == 3 {
		if minor, err := strconv.Atoi(parts[1]); err == nil {
			return minor
		}
	}
	return 0
}

// broken says what of the order of an upgrade did not hold.
func (t *turns) broken() error {
	var errs []error
	if len(t.mostControlPlane) > 1 {
		errs = append(errs, fmt.Errorf("control-plane nodes %s were missing together, wanted one at a time", strings.Join(t.mostControlPlane, ", ")))
	}
	if len(t.mostWorkers) > t.places {
		errs = append(errs, fmt.Errorf("workers %s were missing together, wanted %d at a time", strings.Join(t.mostWorkers, ", "), t.places))
	}
	if len(t.mostWorkers) == 0 {
		errs = append(errs, errors.New("no worker was seen to be drained"))
	}
	if t.ahead != "" {
		errs = append(errs, errors.New(t.ahead))
	}
	return errors.Join(errs...)
}
