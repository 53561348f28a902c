package provider

import (
	"context"
	"fmt"
	"strings"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
)

// holding is a service that a node has without an order of this run, and how it came by it.
type holding struct {
	service string // empty: none
	how     string
}

const (
	byMark   = "mark"   // it carries the mark of this node
	byReturn = "return" // this node gave it up, and it has not ended yet
	byWord   = "word"   // the stack names it
)

// say tells how the node comes by its service, in the preview or in the run.
func (h holding) say(kind order.Kind, preview bool) string {
	switch {
	case h.how == byReturn && preview && kind.Traits().Machine:
		return fmt.Sprintf("takes %s back, which this node gave up and which has not ended yet: its renewal is switched on again; nothing is ordered", h.service)
	case h.how == byReturn && preview:
		return fmt.Sprintf("takes %s back, which this node gave up and which has not ended yet; nothing is ordered", h.service)
	case h.how == byReturn:
		return fmt.Sprintf("%s was given up by this node and has not ended yet: it comes back, nothing is ordered", h.service)
	case h.how == byWord && preview:
		return fmt.Sprintf("adopts %s, as the stack says; nothing is ordered", h.service)
	case h.how == byWord:
		return fmt.Sprintf("%s is adopted as the stack says, nothing is ordered", h.service)
	case preview:
		return fmt.Sprintf("adopts %s, which carries the mark of this node; nothing is ordered", h.service)
	}
	return fmt.Sprintf("%s carries the mark of this node: adopted, nothing is ordered", h.service)
}

// held looks for the service that a node has already: the one that carries its mark, one that the stack names, or one that it gave up and that has not ended
// yet. Before it says that there is none, it makes sure that no service without any mark looks like this node.
func (r *run) held(ctx context.Context, preview bool) (holding, error) {
	word := deref(r.args.Adopt, "")
	any, err := r.rt.holdsAny(ctx, r.kind, preview && word == "")
	if err != nil || !any {
		return holding{}, err
	}
	name, err := r.owned(ctx)
	switch {
	case err != nil:
		return holding{}, err
	case name != "" && word != "" && name != word:
		return holding{}, fmt.Errorf("%s: adopt names %s, but %s carries the mark of this node; correct adopt, or take the tag %s off %s", r.name, word, name, TagMark, name)
	case name != "":
		return holding{name, byMark}, nil
	case word != "":
		return holding{word, byWord}, r.adoptable(ctx, word)
	}
	if name, err = r.returning(ctx); err != nil || name != "" {
		return holding{name, byReturn}, err
	}
	return holding{}, r.unmistaken(ctx)
}

// adoptable refuses a service that the stack names and that cannot be this node.
func (r *run) adoptable(ctx context.Context, name string) error {
	s, err := r.api.Service(ctx, r.kind, name)
	switch {
	case api.IsNotFound(err):
		return fmt.Errorf("%s: adopt names %s, which the account does not have; correct it, or leave it out to order a new one", r.name, name)
	case err != nil:
		return fmt.Errorf("%s: adopt names %s: %w", r.name, name, err)
	}
	if owner := s.IAM.Tags[TagMark]; owner != "" {
		return fmt.Errorf("%s: adopt names %s, which belongs to %s; take the tag %s off it if that is no longer so", r.name, name, owner, TagMark)
	}
	if r.kind.Traits().Machine && !inCity(s.Datacenter, r.args.Datacenter) {
		return fmt.Errorf("%s: adopt names %s, which stands in %s, but the stack wants %s; correct one of them", r.name, name, s.Datacenter, r.args.Datacenter)
	}
	return nil
}

// unmistaken refuses to order a node while a service without any mark has its name, its plan and its data centre. Such a service was most likely imported,
// which marks nothing, and then its state was lost: an order would be its second. Whose it is only a person knows.
func (r *run) unmistaken(ctx context.Context) error {
	unmarked, err := r.rt.unmarked(ctx, r.kind)
	if err != nil {
		return err
	}
	want := deref(r.args.DisplayName, r.name)
	var alike []string
	for _, s := range unmarked {
		if s.IAM.DisplayName != want {
			continue
		}
		if r.kind.Traits().Machine {
			if !inCity(s.Datacenter, r.args.Datacenter) {
				continue
			}
			info, err := r.api.ServiceInfo(ctx, r.kind, s.Name)
			if err != nil {
				return err
			}
			plan, _, err := r.api.ServicePlan(ctx, info.ID)
			if err != nil {
				return err
			}
			if plan != r.args.PlanCode {
				continue
			}
		}
		alike = append(alike, s.Name)
	}
	if len(alike) == 0 {
		return nil
	}
	if carts, err := r.api.Carts(ctx, r.mark); err != nil || len(carts) > 0 {
		return err // an earlier run of this node has ordered: reconciliation knows its order
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: nothing was ordered, because the account holds what may be this node already, under its name %q and without any mark:", r.name, want)
	for _, name := range alike {
		fmt.Fprintf(&b, "\n  %s\n    adopt it: write Adopt: %q in the stack, or pulumi import %s %s %s", name, name, r.kind.Traits().Token, r.name, name)
	}
	b.WriteString("\n  one that is something else: give it another name in OVH's manager")
	return fmt.Errorf("%s", b.String())
}

// unmarked lists the account's services of a kind that nobody's mark is on, once for all nodes of a run.
func (rt *runtime) unmarked(ctx context.Context, kind order.Kind) ([]api.Service, error) {
	c, err := rt.api()
	if err != nil {
		return nil, err
	}
	rt.strangersMu.Lock()
	defer rt.strangersMu.Unlock()
	if known, ok := rt.strangers[kind]; ok {
		return known, nil
	}
	names, err := c.Services(ctx, kind, "", "")
	if err != nil {
		return nil, err
	}
	list := []api.Service{}
	for _, n := range names {
		s, err := c.Service(ctx, kind, n)
		if api.IsNotFound(err) || api.IsExpired(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if s.IAM.Tags[TagMark] == "" && s.IAM.Tags[TagRetired] == "" {
			list = append(list, s)
		}
	}
	rt.strangers[kind] = list
	return list, nil
}
