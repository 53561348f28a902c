package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"havre/components/naming"
	"havre/services/priority"
	"havre/services/render"
)

const (
	namespace = render.Namespace
	// batchNamespace holds the batch work, and goes with it.
	batchNamespace = "bench"
	rendererLabel  = naming.LabelName + "=" + render.App
	// owner is under whose name fields are changed. The API server takes a changed field from the program and gives it to whoever changed it, and refuses the
	// program's next change; so what is put back is also given up, see disown.
	owner   = "bench"
	manager = "--field-manager=" + owner
	// waiting bounds every wait for the cluster.
	waiting = 5 * time.Minute
	// batchGrace is how long the batch work takes to end, Kubernetes' own default for a pod.
	batchGrace = 30 * time.Second
)

// cluster is the running one with what it was like at the start.
type cluster struct {
	Options
	image        string
	placeholders int
	least        int
	behaviour    json.RawMessage
}

// read remembers what is put back at the end.
func (c *cluster) read(ctx context.Context) error {
	var renderer struct {
		Spec struct {
			Template struct {
				Spec struct{ Containers []struct{ Image string } }
			}
		}
	}
	var headroom struct{ Spec struct{ Replicas int } }
	var scaler struct {
		Spec struct {
			MinReplicas int
			Behavior    struct{ ScaleDown json.RawMessage }
		}
	}
	for name, into := range map[string]any{
		"deployment/" + render.App: &renderer, "deployment/" + render.HeadroomApp: &headroom, "hpa/" + render.App: &scaler,
	} {
		text, err := c.Kubectl(ctx, "", "get", name, "-n", namespace, "-o", "json")
		if err != nil {
			return fmt.Errorf("%w; is the sandbox up? run make up", err)
		}
		if err := decode(text, into); err != nil {
			return err
		}
	}
	if len(renderer.Spec.Template.Spec.Containers) != 1 {
		return errors.New("the renderer has not one container; run make up again")
	}
	c.image, c.placeholders = renderer.Spec.Template.Spec.Containers[0].Image, headroom.Spec.Replicas
	c.least, c.behaviour = scaler.Spec.MinReplicas, scaler.Spec.Behavior.ScaleDown
	if c.placeholders == 0 {
		return errors.New("the stack holds no headroom to compare with; see stacks.Render.Headroom, or a run of this was cut off: run make up")
	}
	return nil
}

// numbers of the renderer's pods.
type numbers struct{ ready, ending, all int }

func (c *cluster) count(ctx context.Context) (numbers, error) {
	text, err := c.Kubectl(ctx, "", "get", "pods", "-n", namespace, "-l", rendererLabel, "-o", "json")
	if err != nil {
		return numbers{}, err
	}
	var pods struct {
		Items []struct {
			Metadata struct{ DeletionTimestamp string }
			Status   struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := decode(text, &pods); err != nil {
		return numbers{}, err
	}
	n := numbers{all: len(pods.Items)}
	for _, p := range pods.Items {
		if p.Metadata.DeletionTimestamp != "" {
			n.ending++
		}
		for _, condition := range p.Status.Conditions {
			if condition.Type == "Ready" && condition.Status == "True" && p.Metadata.DeletionTimestamp == "" {
				n.ready++
			}
		}
	}
	return n, nil
}

// rest waits for the least number of pods. The autoscaler is slow to take pods away, on purpose; it is made quick for so long.
func (c *cluster) rest(ctx context.Context) error {
	if err := c.patience(ctx, json.RawMessage(`{"stabilizationWindowSeconds":0,"selectPolicy":"Max","policies":[{"type":"Percent","value":100,"periodSeconds":15}]}`)); err != nil {
		return err
	}
	err := c.until(ctx, "the least replicas", func(ctx context.Context) (bool, error) {
		n, err := c.count(ctx)
		return n.all == c.least && n.ready == c.least, err
	})
	return errors.Join(err, c.patience(ctx, c.behaviour))
}

// patience sets how the autoscaler takes pods away.
func (c *cluster) patience(ctx context.Context, down json.RawMessage) error {
	_, err := c.Kubectl(ctx, "", "patch", "hpa", render.App, "-n", namespace, manager, "--type", "merge", "-p", `{"spec":{"behavior":{"scaleDown":`+string(down)+`}}}`)
	return err
}

// hold sets the number of placeholders, and waits for them.
func (c *cluster) hold(ctx context.Context, pods int) error {
	if _, err := c.Kubectl(ctx, "", "patch", "deployment", render.HeadroomApp, "-n", namespace, manager, "--type", "merge", "-p", fmt.Sprintf(`{"spec":{"replicas":%d}}`, pods)); err != nil {
		return err
	}
	return c.until(ctx, fmt.Sprintf("%d placeholders", pods), func(ctx context.Context) (bool, error) {
		text, err := c.Kubectl(ctx, "", "get", "deployment", render.HeadroomApp, "-n", namespace, "-o", "json")
		if err != nil {
			return false, err
		}
		var headroom struct {
			Status struct{ Replicas, ReadyReplicas int }
		}
		err = decode(text, &headroom)
		return headroom.Status.Replicas == pods && headroom.Status.ReadyReplicas == pods, err
	})
}

// fill gives the batch work all the room that is left on the workers.
func (c *cluster) fill(ctx context.Context) error {
	nodes, err := c.Kubectl(ctx, "", "get", "nodes", "-l", "!node-role.kubernetes.io/control-plane", "-o", "json")
	if err != nil {
		return err
	}
	pods, err := c.Kubectl(ctx, "", "get", "pods", "-A", "-o", "json")
	if err != nil {
		return err
	}
	room, err := free(nodes, pods)
	if err != nil {
		return err
	}
	objects, err := json.Marshal(batch(c.image, room))
	if err != nil {
		return fmt.Errorf("batch work: %w", err)
	}
	if _, err := c.Kubectl(ctx, string(objects), "apply", "-f", "-"); err != nil {
		return err
	}
	_, err = c.Kubectl(ctx, "", "wait", "pods", "--all", "-n", batchNamespace, "--for=condition=Ready", "--timeout="+waiting.String())
	return err
}

// clear takes the batch work away.
func (c *cluster) clear(ctx context.Context) error {
	_, err := c.Kubectl(ctx, "", "delete", "pods", "--all", "-n", batchNamespace, "--ignore-not-found", "--grace-period=0", "--force")
	if err != nil && strings.Contains(err.Error(), "not found") {
		return nil
	}
	return err
}

// disown gives up the fields of an object that were changed, so that they are the program's again at its next run.
func (c *cluster) disown(ctx context.Context, kind, name string) error {
	text, err := c.Kubectl(ctx, "", "get", kind, name, "-n", namespace, "-o", "json", "--show-managed-fields")
	if err != nil {
		return err
	}
	var object struct {
		Metadata struct{ ManagedFields []struct{ Manager string } }
	}
	if err := decode(text, &object); err != nil {
		return err
	}
	for n, field := range object.Metadata.ManagedFields {
		if field.Manager != owner {
			continue
		}
		at := fmt.Sprintf("/metadata/managedFields/%d", n)
		_, err := c.Kubectl(ctx, "", "patch", kind, name, "-n", namespace, "--type", "json", "-p",
			fmt.Sprintf(`[{"op":"test","path":"%s/manager","value":%q},{"op":"remove","path":%q}]`, at, owner, at))
		return err
	}
	return nil
}

// until asks every other second.
func (c *cluster) until(ctx context.Context, what string, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, waiting)
	defer cancel()
	for {
		ok, err := done(ctx)
		if ok && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waited for %s: %w", what, ctx.Err()), err)
		case <-time.After(2 * time.Second):
		}
	}
}

// free is the processor time, in thousandths of a core, that nobody requests on each node.
func free(nodes, pods []byte) (map[string]int, error) {
	var all struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct{ Allocatable struct{ CPU string } }
		}
	}
	var running struct {
		Items []struct {
			Spec struct {
				NodeName   string
				Containers []struct {
					Resources struct{ Requests struct{ CPU string } }
				}
			}
			Status struct{ Phase string }
		}
	}
	if err := errors.Join(decode(nodes, &all), decode(pods, &running)); err != nil {
		return nil, err
	}
	room := map[string]int{}
	var errs []error
	for _, n := range all.Items {
		cpu, err := thousandths(n.Status.Allocatable.CPU)
		errs = append(errs, err)
		room[n.Metadata.Name] = cpu
	}
	for _, p := range running.Items {
		if _, worker := room[p.Spec.NodeName]; !worker || p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed" {
			continue
		}
		for _, container := range p.Spec.Containers {
			cpu, err := thousandths(container.Resources.Requests.CPU)
			errs = append(errs, err)
			room[p.Spec.NodeName] -= cpu
		}
	}
	return room, errors.Join(errs...)
}

// thousandths reads a quantity of processor time as the API server writes it.
func thousandths(quantity string) (int, error) {
	if quantity == "" {
		return 0, nil
	}
	factor := 1000
	digits, small := strings.CutSuffix(quantity, "m")
	if small {
		factor = 1
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("processor time %q: %w", quantity, err)
	}
	return n * factor, nil
}

// batch is one pod a node that requests all the room there and, told to end, takes its grace to do so.
func batch(image string, room map[string]int) map[string]any {
	items := []any{map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": batchNamespace}}}
	for node, cpu := range room {
		if cpu < 1 {
			continue
		}
		items = append(items, map[string]any{
			"apiVersion": "v1", "kind": "Pod",
			"metadata": map[string]any{"name": "batch-" + node, "namespace": batchNamespace},
			"spec": map[string]any{
				"nodeSelector":                  map[string]string{"kubernetes.io/hostname": node},
				"priorityClassName":             priority.Batch,
				"terminationGracePeriodSeconds": int(batchGrace/time.Second) + 5,
				// Namespaces take no other pods, unless they say so.
				"securityContext": map[string]any{"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": map[string]string{"type": "RuntimeDefault"}},
				"containers": []any{map[string]any{
					"name": "batch", "image": image,
					"command":         []string{"/renderer", "serve", "--drain-delay", batchGrace.String()},
					"resources":       map[string]any{"requests": map[string]string{"cpu": strconv.Itoa(cpu) + "m", "memory": "32Mi"}},
					"securityContext": map[string]any{"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []string{"ALL"}}},
				}},
			},
		})
	}
	return map[string]any{"apiVersion": "v1", "kind": "List", "items": items}
}
