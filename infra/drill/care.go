package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"havre/stacks"
)

// round is what each control-plane node does for etcd every ten minutes, now.
const round = "systemctl start havre-etcd.service"

// controlPlane runs a script on every control-plane node that the checkout describes, one after another.
func (r *Run) controlPlane(ctx context.Context, script string) error {
	for _, n := range r.plan.ControlPlane {
		if _, err := r.on(ctx, n.Name, script); err != nil {
			return err
		}
	}
	return nil
}

// kept and forgotten are objects of before and of after a backup.
const kept, forgotten = configMaps + "/havre-drill-kept", configMaps + "/havre-drill-forgotten"

// restoreEtcd takes the content of the cluster back to a backup.
func restoreEtcd() Drill {
	return Drill{
		Name: "restore-etcd", What: "the content of the cluster is brought back from a backup of etcd: all control-plane nodes stop, take it, and start; what was written later is gone",
		Bound: Bound{Planned: true},
		Do: func(ctx context.Context, r *Run) error {
			if err := r.write(ctx, kept); err != nil {
				return err
			}
			if _, err := r.on(ctx, r.plan.ControlPlane[0].Name, "/usr/local/lib/havre/run lib.sh cluster.sh control-plane.sh etcd.sh etcd_back_up_now"); err != nil {
				return err
			}
			r.step("a backup of etcd is in the bucket")
			if err := errors.Join(r.write(ctx, forgotten), r.api.do(ctx, http.MethodDelete, kept, "application/json", nil, nil)); err != nil {
				return err
			}
			r.step("after it an object is written and another deleted; havre restore local --yes")
			r.broke()
			command := exec.CommandContext(ctx, r.ws.Bin("havre"), "restore", "local", "--yes")
			command.Dir = r.ws.Root
			if out, err := command.CombinedOutput(); err != nil {
				return fmt.Errorf("havre restore: %w: %.2000s", err, out)
			}
			r.step("havre restore has ended")
			var status struct{ Kind string }
			if err := r.api.get(ctx, kept, &status); err != nil {
				return fmt.Errorf("the object of the backup: %w", err)
			}
			if err := r.api.get(ctx, forgotten, &status); !notFound(err) {
				return fmt.Errorf("the object that was written after the backup: %w, wanted none", err)
			}
			r.step("what was deleted is there, what was written later is gone")
			if err := r.controlPlane(ctx, round); err != nil {
				return err
			}
			return r.recover(ctx)
		},
		Undo: func(ctx context.Context, r *Run) error {
			var errs []error
			for _, path := range []string{kept, forgotten} {
				if err := r.api.do(ctx, http.MethodDelete, path, "application/json", nil, nil); !notFound(err) {
					errs = append(errs, err)
				}
			}
			return errors.Join(errs...)
		},
	}
}

// notFound says that the API answered that there is no such object.
func notFound(err error) bool { return err != nil && strings.Contains(err.Error(), "404 Not Found") }

// write makes an object that says nothing.
func (r *Run) write(ctx context.Context, path string) error {
	name := path[strings.LastIndex(path, "/")+1:]
	return r.api.apply(ctx, path, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}})
}

// rotation is a kind of key that can be replaced while everything runs.
type rotation struct {
	what string
	// difference asks for another key. done says what is missing until only the new one is in use, and helps that on its way.
	difference func(stack stacks.Stack) string
	done       func(ctx context.Context, r *Run, stack stacks.Stack) string
	// back is done after the description is the checkout's own again: a rotation too.
	back func(ctx context.Context, r *Run, stack stacks.Stack) string
}

// rotations are those that the drill goes through, in their order. The keys of the mesh take two runs, and are not among them yet.
func rotations() []rotation { return []rotation{secretsKey()} }

// secretsKey is the key that Secrets are encrypted with in etcd.
func secretsKey() rotation {
	only := func(generation int) func(context.Context, *Run, stacks.Stack) string {
		return func(ctx context.Context, r *Run, stack stacks.Stack) string {
			if err := r.controlPlane(ctx, round); err != nil {
				return err.Error()
			}
			var secret struct{ Data struct{ Ring []byte } }
			if err := r.api.get(ctx, "/api/v1/namespaces/kube-system/secrets/secrets-at-rest", &secret); err != nil {
				return err.Error()
			}
			want := fmt.Sprintf("k%d", stack.Cluster.SecretsKey+generation)
			if names := keyNames(string(secret.Data.Ring)); strings.Join(names, " ") != want {
				return fmt.Sprintf("the keys are %s, wanted %s alone", strings.Join(names, " "), want)
			}
			return ""
		}
	}
	return rotation{
		what: "the key of Secrets in etcd",
		difference: func(stack stacks.Stack) string {
			return fmt.Sprintf("{Path: %q, Why: %q, Apply: func(s *Stack) { s.Cluster.SecretsKey = %d }},\n", "Cluster.SecretsKey", "a drill", stack.Cluster.SecretsKey+1)
		},
		done: only(1), back: only(0),
	}
}

// keyNames are the names of a ring's keys, the one that is written with first; "identity" where something may lie in clear.
func keyNames(ring string) []string {
	var names []string
	for line := range strings.Lines(ring) {
		if fields := strings.Fields(line); len(fields) > 0 {
			names = append(names, fields[0])
		}
	}
	return names
}

// keysPatience bounds one rotation: every step of it waits until all API servers have read the one before, which they do once a minute.
const keysPatience = 15 * time.Minute

// rotateKeys goes through the rotations, under traffic.
func rotateKeys() Drill {
	return Drill{
		Name: "rotate-keys", What: "the key of Secrets in etcd is rotated by a change of the stack: a new one is taken into use, the old one goes",
		Bound: Bound{Planned: true, Quorum: true},
		Do: func(ctx context.Context, r *Run) error {
			r.broke()
			var wanted change
			for _, k := range rotations() {
				wanted.differences += k.difference(r.plan.Stack)
			}
			if err := r.up(ctx, "new keys are wanted", wanted); err != nil {
				return err
			}
			for _, k := range rotations() {
				if err := until(ctx, keysPatience, k.what, func(ctx context.Context) string { return k.done(ctx, r, r.plan.Stack) }); err != nil {
					return err
				}
				r.step("%s is another, and the old one is gone", k.what)
			}
			return r.recover(ctx)
		},
		Undo: func(ctx context.Context, r *Run) error {
			if err := r.restore(ctx); err != nil {
				return err
			}
			for _, k := range rotations() {
				if err := until(ctx, keysPatience, k.what, func(ctx context.Context) string { return k.back(ctx, r, r.plan.Stack) }); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
