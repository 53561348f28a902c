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

// keys are what a stack wants of keys: the generation of Secrets' in etcd, and those of every host's in the mesh, the one in use first.
type keys struct {
	secrets int
	mesh    []int
}

// keysOf are those of a description.
func keysOf(stack stacks.Stack) keys {
	if len(stack.Mesh.Keys) == 0 {
		return keys{stack.Cluster.SecretsKey, []int{1}}
	}
	return keys{stack.Cluster.SecretsKey, stack.Mesh.Keys}
}

// differences ask for them.
func (k keys) differences() string {
	mesh := strings.ReplaceAll(strings.Trim(fmt.Sprint(k.mesh), "[]"), " ", ", ")
	return fmt.Sprintf(`{Path: "Cluster.SecretsKey", Why: "a drill", Apply: func(s *Stack) { s.Cluster.SecretsKey = %d }},
{Path: "Mesh.Keys", Why: "a drill", Apply: func(s *Stack) { s.Mesh.Keys = []int{%s} }},
`, k.secrets, mesh)
}

// secretsKeyIs helps the control plane on, and says what is missing until only that key of Secrets is in use.
func (r *Run) secretsKeyIs(generation int) func(ctx context.Context) string {
	return func(ctx context.Context) string {
		if err := r.controlPlane(ctx, round); err != nil {
			return err.Error()
		}
		var secret struct{ Data struct{ Ring []byte } }
		if err := r.api.get(ctx, "/api/v1/namespaces/kube-system/secrets/secrets-at-rest", &secret); err != nil {
			return err.Error()
		}
		want := fmt.Sprintf("k%d", generation)
		if names := keyNames(string(secret.Data.Ring)); strings.Join(names, " ") != want {
			return fmt.Sprintf("the keys are %s, wanted %s alone", strings.Join(names, " "), want)
		}
		return ""
	}
}

// meshKeys are the public keys that the hosts of the mesh use, by name.
func (r *Run) meshKeys(ctx context.Context) (map[string]string, error) {
	used := map[string]string{}
	for _, n := range r.plan.Members {
		out, err := r.on(ctx, n.Name, "wg show wg0 public-key")
		if err != nil {
			return nil, err
		}
		used[n.Name] = strings.TrimSpace(out)
	}
	return used, nil
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

// keysPatience bounds the rotation of Secrets' key: every step of it waits until all API servers have read the one before, which they do once a minute.
const keysPatience = 15 * time.Minute

// rotateKeys replaces every key that can be, under traffic.
func rotateKeys() Drill {
	return Drill{
		Name: "rotate-keys", What: "all keys are rotated by changes of the stack: each host's in the mesh, in two runs, and that of Secrets in etcd; new ones are taken into use, old ones go",
		Bound: Bound{Planned: true, Quorum: true},
		Do: func(ctx context.Context, r *Run) error {
			before, err := r.meshKeys(ctx)
			if err != nil {
				return err
			}
			r.broke()
			wanted := keysOf(r.plan.Stack)
			last := wanted.mesh[len(wanted.mesh)-1]
			wanted.secrets++
			wanted.mesh = []int{last, last + 1}
			if err := r.up(ctx, "another key of Secrets is wanted, and the mesh is told of each host's next one", change{differences: wanted.differences()}); err != nil {
				return err
			}
			wanted.mesh = []int{last + 1}
			if err := r.up(ctx, "each host is to use its next one", change{differences: wanted.differences()}); err != nil {
				return err
			}
			now, err := r.meshKeys(ctx)
			if err != nil {
				return err
			}
			for name, key := range now {
				if key == before[name] {
					return fmt.Errorf("%s uses the same key of the mesh as before", name)
				}
			}
			r.step("each host has another key in the mesh")
			if err := until(ctx, keysPatience, "the key of Secrets in etcd", r.secretsKeyIs(wanted.secrets)); err != nil {
				return err
			}
			r.step("the key of Secrets in etcd is another, and the old one is gone")
			return r.recover(ctx)
		},
		// A generation that is behind is not told of beforehand, so connections over the mesh are made anew on the way back.
		Undo: func(ctx context.Context, r *Run) error {
			if err := r.restore(ctx); err != nil {
				return err
			}
			return until(ctx, keysPatience, "the key of Secrets in etcd", r.secretsKeyIs(r.plan.Stack.Cluster.SecretsKey))
		},
	}
}
