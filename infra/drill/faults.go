package drill

import (
	"context"
	"fmt"
	"strings"
	"time"

	"havre/stacks"
)

// loseWorker takes the power of a worker that is an edge node as well.
func loseWorker() Drill {
	return Drill{
		Name: "lose-worker", What: "a worker, which readers enter by, loses its power; it comes back after Kubernetes has given it up",
		Bound: Bound{FailedPercent: 1, Quorum: true},
		Do: func(ctx context.Context, r *Run) error {
			victim := r.plan.Edge[0].Name
			r.step("power of %s is cut", victim)
			r.broke()
			if err := r.cut(ctx, victim); err != nil {
				return err
			}
			if err := r.gone(ctx, victim); err != nil {
				return err
			}
			if err := r.calm(ctx); err != nil {
				return err
			}
			r.step("power of %s is back", victim)
			if err := r.power(ctx, victim); err != nil {
				return err
			}
			return r.recover(ctx)
		},
		Undo: func(ctx context.Context, r *Run) error { return r.power(ctx, r.plan.Edge[0].Name) },
	}
}

// gone waits until Kubernetes knows that nodes are not ready, from when on it sends nothing there by itself.
func (r *Run) gone(ctx context.Context, names ...string) error {
	err := until(ctx, 3*time.Minute, "Kubernetes gives up "+strings.Join(names, " and "), func(ctx context.Context) string {
		nodes, err := r.api.nodes(ctx)
		if err != nil {
			return err.Error()
		}
		for _, n := range nodes {
			for _, name := range names {
				if n.Metadata.Name == name && n.ready() {
					return name + " still counts as ready"
				}
			}
		}
		return ""
	})
	if err == nil {
		r.step("Kubernetes counts %s as not ready", strings.Join(names, " and "))
	}
	return err
}

// calm waits until readers are served with the fault still there.
func (r *Run) calm(ctx context.Context) error {
	err := until(ctx, 2*time.Minute, "readers are served while the fault lasts", func(context.Context) string {
		if !r.readers.served(5 * time.Second) {
			return "they are not"
		}
		return ""
	})
	if err == nil {
		r.step("readers have been served for 5 s with the fault still there")
	}
	return err
}

// site is the site that is lost: one with workers, so that readers notice. Its hosts outside the cluster go with it.
func (s *sandbox) site() (name string, all, nodes []string) {
	name = s.plan.Edge[0].Site
	for _, n := range s.plan.Members {
		if n.Site != name {
			continue
		}
		all = append(all, n.Name)
		if n.InCluster() {
			nodes = append(nodes, n.Name)
		}
	}
	return name, all, nodes
}

// loseSite pulls the cables of every host of a site, on both networks.
func loseSite() Drill {
	return Drill{
		Name: "lose-site", What: "a whole site is cut off: both networks of all its hosts, the control-plane node among them; then it comes back",
		Bound: Bound{ServiceBack: 30 * time.Second, Quorum: true},
		Do: func(ctx context.Context, r *Run) error {
			name, all, nodes := r.site()
			r.step("site %s is cut off: %s", name, strings.Join(all, ", "))
			r.broke()
			if err := r.reach(ctx, false, all...); err != nil {
				return err
			}
			if err := r.gone(ctx, nodes...); err != nil {
				return err
			}
			if err := r.calm(ctx); err != nil {
				return err
			}
			r.step("site %s is back", name)
			if err := r.reach(ctx, true, all...); err != nil {
				return err
			}
			return r.recover(ctx)
		},
		Undo: func(ctx context.Context, r *Run) error {
			_, all, _ := r.site()
			return r.reach(ctx, true, all...)
		},
	}
}

// rebootEverything takes the power of all machines at once, and gives it back to all at once.
func rebootEverything() Drill {
	return Drill{
		Name: "reboot-everything", What: "every host loses its power at once, and all start at once",
		Do: func(ctx context.Context, r *Run) error {
			var all []string
			for _, n := range r.plan.Members {
				all = append(all, n.Name)
			}
			r.step("power of %s is cut", strings.Join(all, ", "))
			r.broke()
			if err := r.cut(ctx, all...); err != nil {
				return err
			}
			r.step("power is back everywhere")
			if err := r.power(ctx, all...); err != nil {
				return err
			}
			r.step("all hosts let users in")
			return r.recover(ctx)
		},
		Undo: func(ctx context.Context, r *Run) error {
			var all []string
			for _, n := range r.plan.Members {
				all = append(all, n.Name)
			}
			return r.power(ctx, all...)
		},
	}
}

// The disk that fills up is that of a control-plane node, under etcd: nothing else that a full disk stops would take the cluster with it. The hosts' disks are the machine's own,
// which no drill may fill, so etcd is given a small disk first: a file system of a bounded size, mounted where its data is.
const (
	stopEtcd = `mv /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/etcd.yaml.drill
for i in {1..90}; do pgrep -x etcd >/dev/null || break; sleep 1; done
! pgrep -x etcd >/dev/null
`
	startEtcd = `mv /etc/kubernetes/etcd.yaml.drill /etc/kubernetes/manifests/etcd.yaml
`
	smallDisk = `install -d -m 0700 /var/lib/drill
` + stopEtcd + `rm -rf /var/lib/drill/etcd
cp -a /var/lib/etcd /var/lib/drill/etcd
mount -t tmpfs -o mode=0700,size=$(($(du -sm /var/lib/etcd | cut -f 1) + 64))m drill /var/lib/etcd
cp -a /var/lib/drill/etcd/. /var/lib/etcd
` + startEtcd
	fill   = `if dd if=/dev/zero of=/var/lib/etcd/full bs=64k status=none 2>/dev/null; then exit 1; fi; df --output=avail /var/lib/etcd | tail -n 1`
	unfill = `rm -f /var/lib/etcd/full`
	// ownDisk puts everything back, wherever the drill was left.
	ownDisk = `rm -f /var/lib/etcd/full
if mountpoint -q /var/lib/etcd; then
  [[ -e /etc/kubernetes/etcd.yaml.drill ]] || ` + "{ " + stopEtcd + `}
  rm -rf /var/lib/drill/etcd
  cp -a /var/lib/etcd /var/lib/drill/etcd
  umount /var/lib/etcd
  cp -a /var/lib/drill/etcd/. /var/lib/etcd
fi
[[ ! -e /etc/kubernetes/etcd.yaml.drill ]] || ` + startEtcd + `rm -rf /var/lib/drill
`
)

// ballast are objects that make etcd write; each is a little below what it takes.
const ballast, ballastBytes = 160, 900_000

// fillDisk leaves a control-plane node no byte of disk.
func fillDisk() Drill {
	victim := func(s *sandbox) string { return s.plan.ControlPlane[len(s.plan.ControlPlane)-1].Name }
	return Drill{
		Name: "fill-disk", What: "the disk under a member of etcd fills up while the cluster writes; then there is room again",
		Bound: Bound{Planned: true, Quorum: true},
		Do: func(ctx context.Context, r *Run) error {
			node := victim(r.sandbox)
			r.step("etcd of %s gets a small disk of its own", node)
			if _, err := r.on(ctx, node, smallDisk); err != nil {
				return err
			}
			if err := r.recover(ctx); err != nil {
				return err
			}
			r.step("the disk of %s fills up", node)
			r.broke()
			if _, err := r.on(ctx, node, fill); err != nil {
				return err
			}
			r.step("the cluster writes %d MB", ballast*ballastBytes/1_000_000)
			if err := r.load(ctx); err != nil {
				return err
			}
			if err := until(ctx, 2*time.Minute, "etcd of "+node+" meets its full disk", func(ctx context.Context) string {
				if _, err := r.on(ctx, node, etcdctl+"endpoint health"); err == nil {
					return "it is well"
				}
				return ""
			}); err != nil {
				return err
			}
			r.step("etcd of %s has stopped", node)
			if err := r.calm(ctx); err != nil {
				return err
			}
			r.step("there is room again")
			if _, err := r.on(ctx, node, unfill); err != nil {
				return err
			}
			return r.recover(ctx)
		},
		Undo: func(ctx context.Context, r *Run) error {
			if err := r.unload(ctx); err != nil {
				return err
			}
			if _, err := r.on(ctx, victim(r.sandbox), ownDisk); err != nil {
				return err
			}
			return until(ctx, 3*time.Minute, "etcd is whole on its own disk", r.etcdMissing)
		},
	}
}

const configMaps = "/api/v1/namespaces/default/configmaps"

// load makes the API server store objects, unload deletes them.
func (r *Run) load(ctx context.Context) error {
	text := strings.Repeat("x", ballastBytes)
	for i := range ballast {
		name := fmt.Sprintf("havre-drill-%d", i)
		object := map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name, "labels": map[string]string{"havre-drill": "ballast"}}, "data": map[string]string{"ballast": text},
		}
		// One that fails is written by the next try: which API server answers may change on the way.
		if err := until(ctx, time.Minute, "the cluster writes", func(ctx context.Context) string {
			if err := r.api.apply(ctx, configMaps+"/"+name, object); err != nil {
				return err.Error()
			}
			return ""
		}); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) unload(ctx context.Context) error {
	return until(ctx, 2*time.Minute, "what the drill wrote is deleted", func(ctx context.Context) string {
		if err := r.api.do(ctx, "DELETE", configMaps+"?labelSelector=havre-drill%3Dballast", "application/json", nil, nil); err != nil {
			return err.Error()
		}
		return ""
	})
}

// replacement is a new line for a node's place in the description: another number, an index of its own.
func replacement(plan stacks.Plan, old stacks.PlannedNode) (name string, index int) {
	taken := map[string]bool{}
	for _, n := range plan.Nodes {
		taken[n.Name] = true
		if n.Has(stacks.RoleControlPlane) {
			index = max(index, n.Index+1)
		}
	}
	for number := 2; ; number++ {
		if name = fmt.Sprintf("%s-control-%d", old.Site, number); !taken[name] {
			return name, index
		}
	}
}

// added, retired, rescued and removed are statements about s, the description.
func added(name string, index int, site string) string {
	return fmt.Sprintf("s.Nodes = append(s.Nodes, controlPlane(%q, %d, %q))\n", name, index, site)
}

func retired(name string) string { return mark(name, "Retired") }
func rescued(name string) string { return mark(name, "Rescue") }
func removed(name string) string { return fmt.Sprintf("removeNodes(s, %q)\n", name) }

func mark(name, field string) string {
	return fmt.Sprintf("for i := range s.Nodes {\ns.Nodes[i].%[2]s = s.Nodes[i].%[2]s || s.Nodes[i].Name == %[1]q\n}\n", name, field)
}

// swap is what a node of the control plane is wanted for another.
func (r *Run) swap(old, name string) {
	wanted := []string{name}
	for _, n := range r.members() {
		if n != old {
			wanted = append(wanted, n)
		}
	}
	r.wanted = wanted
}

// replaceControlPlane replaces the first control-plane node by changing its line: drained, out of etcd, another server in.
func replaceControlPlane() Drill {
	return Drill{
		Name: "replace-control-plane", What: "the first control-plane node is replaced by a new server, by a change of the stack",
		Bound: Bound{Planned: true, Quorum: true},
		Do: func(ctx context.Context, r *Run) error {
			old := r.plan.ControlPlane[0]
			name, index := replacement(r.plan, old)
			r.swap(old.Name, name)
			r.broke()
			if err := r.up(ctx, old.Name+" is retired, "+name+" is new", change{nodes: added(name, index, old.Site) + retired(old.Name)}); err != nil {
				return err
			}
			return r.recover(ctx)
		},
		Undo: func(ctx context.Context, r *Run) error { return r.takeBack(ctx) },
	}
}

// takeBack brings the first control-plane node back in place of its replacement, then forgets that one.
func (r *Run) takeBack(ctx context.Context) error {
	old := r.plan.ControlPlane[0]
	name, index := replacement(r.plan, old)
	if err := r.up(ctx, old.Name+" comes back, "+name+" is retired", change{nodes: added(name, index, old.Site) + retired(name)}); err != nil {
		return err
	}
	return r.restore(ctx)
}

// loseControlPlane destroys the first control-plane node, and replaces it through the stack as the runbook says.
func loseControlPlane() Drill {
	return Drill{
		Name: "lose-control-plane", What: "the first control-plane node is lost for good, its disks too, and replaced by a new server through the stack",
		Bound: Bound{Planned: true, Quorum: true},
		Do: func(ctx context.Context, r *Run) error {
			old := r.plan.ControlPlane[0]
			name, index := replacement(r.plan, old)
			r.swap(old.Name, name)
			r.step("%s is destroyed", old.Name)
			r.broke()
			if err := r.lose(ctx, old.Name); err != nil {
				return err
			}
			if err := r.up(ctx, "nothing is done on "+old.Name+" any more: it is rescued", change{nodes: rescued(old.Name)}); err != nil {
				return err
			}
			if err := r.up(ctx, old.Name+" is retired, "+name+" is new", change{nodes: added(name, index, old.Site) + rescued(old.Name) + retired(old.Name)}); err != nil {
				return err
			}
			if err := r.recover(ctx); err != nil {
				return err
			}
			return r.up(ctx, old.Name+" leaves the description, and so the bill", change{nodes: added(name, index, old.Site) + removed(old.Name)})
		},
		Undo: func(ctx context.Context, r *Run) error { return r.takeBack(ctx) },
	}
}
