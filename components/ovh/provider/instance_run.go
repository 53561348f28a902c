package provider

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
)

// Create makes the instance once, or adopts the one that carries its mark, and waits until its sshd answers.
func (*Instance) Create(ctx context.Context, r infer.CreateRequest[InstanceArgs]) (infer.CreateResponse[InstanceState], error) {
	j, err := newInstanceJob(ctx, r.Inputs)
	if err != nil {
		return infer.CreateResponse[InstanceState]{}, err
	}
	out := InstanceState{InstanceArgs: r.Inputs, Mark: j.mark}
	if r.DryRun {
		err := j.preview(ctx, &out)
		return infer.CreateResponse[InstanceState]{ID: j.id(""), Output: out}, err
	}
	begun, err := j.bring(ctx, &out)
	if err != nil && begun {
		err = keep(err)
	}
	return infer.CreateResponse[InstanceState]{ID: j.id(out.ServiceName), Output: out}, err
}

// Update goes on with an instance that is not ready.
func (*Instance) Update(ctx context.Context, r infer.UpdateRequest[InstanceArgs, InstanceState]) (infer.UpdateResponse[InstanceState], error) {
	out := r.State
	out.InstanceArgs = r.Inputs
	j, err := newInstanceJob(ctx, r.Inputs)
	if err != nil {
		return infer.UpdateResponse[InstanceState]{Output: r.State}, err
	}
	if r.DryRun {
		return infer.UpdateResponse[InstanceState]{Output: out}, nil
	}
	if out.ServiceName == "" { // the run before this one asked, and saw no answer
		_, err = j.bring(ctx, &out)
	} else {
		err = j.settle(ctx, &out)
	}
	if err != nil {
		err = keep(err)
	}
	return infer.UpdateResponse[InstanceState]{Output: out}, err
}

// preview tells what would be made, and for how much.
func (j *instanceJob) preview(ctx context.Context, out *InstanceState) error {
	found, err := findInstance(ctx, j.api, j.args.Project, j.mark)
	if err != nil {
		return err
	}
	if _, err := j.price(ctx, out, found == nil); err != nil {
		return err
	}
	if found != nil {
		j.rt.log(ctx, "adopts instance %s, which carries the mark %s: nothing is made", found.ID, j.mark)
		out.take(*found)
		return nil
	}
	if _, err := j.image(ctx); err != nil {
		return err
	}
	j.rt.log(ctx, "makes an instance %s with %s in %s: %s %s an hour, net, until it is deleted", j.args.Flavor, j.args.Image, j.args.Region, out.HourlyPrice, out.Currency)
	return nil
}

// bring finds the instance or makes it, and waits for it. Begun says whether one may exist.
func (j *instanceJob) bring(ctx context.Context, out *InstanceState) (begun bool, err error) {
	// Of one mark only: instances of a fleet are made side by side, but two runs of one node after another.
	unlock, err := j.rt.lock(ctx, "instance-"+j.mark)
	if err != nil {
		return false, err
	}
	begun, err = j.ask(ctx, out)
	unlock()
	if err != nil {
		return begun, err
	}
	return true, j.settle(ctx, out)
}

// ask makes the instance unless it is there. Its name is in the request that makes it, so what was made can always be found; an answer that did not come is looked up, never asked
// for again by the same run.
func (j *instanceJob) ask(ctx context.Context, out *InstanceState) (begun bool, err error) {
	begun = out.Status != ""
	found, err := findInstance(ctx, j.api, j.args.Project, j.mark)
	if err != nil {
		return begun, err
	}
	flavor, err := j.price(ctx, out, found == nil)
	if err != nil {
		return begun || found != nil, err
	}
	if found != nil {
		j.rt.log(ctx, "instance %s carries the mark %s: adopted, nothing is made", found.ID, j.mark)
		out.take(*found)
		return true, nil
	}
	image, err := j.image(ctx)
	if err != nil {
		return begun, err
	}
	data, err := userData(j.args)
	if err != nil {
		return begun, err
	}
	// An interrupt must not tear the request apart from its answer.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
	defer cancel()
	made, err := j.api.CreateInstance(whole, j.args.Project, api.NewInstance{Name: j.mark, FlavorID: flavor.ID, ImageID: image, Region: j.args.Region, UserData: data})
	if err == nil && made.ID != "" {
		out.take(made)
		return true, nil
	}
	if err != nil && !api.Executed(err) {
		return begun, fmt.Errorf("no instance was made: %w", err)
	}
	for range 10 {
		seen, lookErr := findInstance(whole, j.api, j.args.Project, j.mark)
		if lookErr == nil && seen != nil {
			out.take(*seen)
			return true, nil
		}
		if !j.rt.sleep(ctx) {
			break
		}
	}
	out.Status = "asked"
	return true, fmt.Errorf("whether the instance was made is not known, it does not show yet: run again, it is looked for by its mark %s before anything is made: %w", j.mark, err)
}

// settle waits until the instance runs, has its address, and its sshd shows a key.
func (j *instanceJob) settle(ctx context.Context, out *InstanceState) error {
	deadline := time.Now().Add(j.rt.wait)
	shown := ""
	for {
		v, err := j.api.Instance(ctx, j.args.Project, out.ServiceName)
		if err != nil && !api.IsPassing(err) {
			return err
		}
		if err == nil {
			out.take(v)
			if v.Status == "ACTIVE" && v.Address().IsValid() {
				break
			}
			if v.Status == "ERROR" || strings.HasSuffix(v.Status, "DELETED") {
				return fmt.Errorf("instance %s is %s; delete it in OVH's manager and refresh, then the next run makes another", out.ServiceName, v.Status)
			}
			if v.Status != shown {
				shown = v.Status
				j.rt.status(ctx, "instance %s: %s", out.ServiceName, shown)
			}
		}
		if time.Now().After(deadline) || !j.rt.sleep(ctx) {
			return fmt.Errorf("instance %s is still %s; run again, it goes on from here", out.ServiceName, shown)
		}
	}
	if out.HostKey != "" {
		return nil
	}
	var err error
	out.HostKey, err = j.rt.pin(ctx, api.Service{Name: out.ServiceName, Address: out.Address})
	return err
}

// WireDependencies says what a preview knows: the price always, everything once the instance is there.
func (*Instance) WireDependencies(f infer.FieldSelector, _ *InstanceArgs, s *InstanceState) {
	f.OutputField(&s.HourlyPrice).AlwaysKnown()
	f.OutputField(&s.MonthlyPrice).AlwaysKnown()
	f.OutputField(&s.Currency).AlwaysKnown()
	f.OutputField(&s.Mark).AlwaysKnown()
	if s.ServiceName != "" && s.Address != "" && s.HostKey != "" {
		f.OutputField(s).AlwaysKnown()
	}
}

// Read tells the truth about an instance.
func (*Instance) Read(ctx context.Context, r infer.ReadRequest[InstanceArgs, InstanceState]) (infer.ReadResponse[InstanceArgs, InstanceState], error) {
	gone := infer.ReadResponse[InstanceArgs, InstanceState]{}
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return gone, err
	}
	s := r.State
	project, instance, ok := strings.Cut(r.ID, "/")
	if !ok {
		return gone, fmt.Errorf("id %q is not a project and an instance; write it like 0123456789abcdef0123456789abcdef/a1b2c3d4-…", r.ID)
	}
	if strings.HasPrefix(instance, "havre:") { // asked for and not seen yet
		return infer.ReadResponse[InstanceArgs, InstanceState]{ID: r.ID, Inputs: r.Inputs, State: s}, nil
	}
	if s.Project == "" {
		return gone, fmt.Errorf("instance %s cannot be imported: it is found by its mark; give it that as its name in OVH's manager, then run pulumi up", instance)
	}
	v, err := c.Instance(ctx, project, instance)
	if api.IsNotFound(err) || err == nil && strings.HasSuffix(v.Status, "DELETED") {
		rt.log(ctx, "instance %s does not exist any more: the next run would make a new one", instance)
		return gone, nil
	}
	if err != nil {
		return gone, err
	}
	s.take(v)
	return infer.ReadResponse[InstanceArgs, InstanceState]{ID: r.ID, Inputs: r.Inputs, State: s}, nil
}

// Delete ends an instance at once, and says what it has cost.
func (*Instance) Delete(ctx context.Context, r infer.DeleteRequest[InstanceState]) (infer.DeleteResponse, error) {
	s := r.State
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	if s.ServiceName == "" {
		found, err := findInstance(ctx, c, s.Project, s.Mark)
		if err != nil || found == nil {
			return infer.DeleteResponse{}, err
		}
		s.take(*found)
	}
	v, err := c.Instance(ctx, s.Project, s.ServiceName)
	if api.IsNotFound(err) {
		rt.log(ctx, "instance %s of %s was gone already: what it has cost is on OVH's bill alone", s.ServiceName, s.Hostname)
		return infer.DeleteResponse{}, nil
	}
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	if v.Name != s.Mark {
		return infer.DeleteResponse{}, fmt.Errorf("instance %s carries the name %q, which is not this stack's %s; remove it from the state with pulumi state delete", s.ServiceName, v.Name, s.Mark)
	}
	if err := c.DeleteInstance(ctx, s.Project, s.ServiceName); err != nil {
		return infer.DeleteResponse{}, err
	}
	deadline := time.Now().Add(min(rt.wait, 30*time.Minute))
	for {
		last, err := c.Instance(ctx, s.Project, s.ServiceName)
		if api.IsNotFound(err) || err == nil && strings.HasSuffix(last.Status, "DELETED") {
			hourly, err := order.ParseMoney(s.HourlyPrice)
			if err != nil {
				return infer.DeleteResponse{}, fmt.Errorf("instance %s is gone, but its price in the state is none: %w", s.ServiceName, err)
			}
			rt.tellCost(ctx, "instance "+s.Hostname+" ("+s.Flavor+")", v.Created, c.Now(), hourly, s.Currency)
			return infer.DeleteResponse{}, nil
		}
		if err != nil && !api.IsPassing(err) {
			return infer.DeleteResponse{}, err
		}
		if time.Now().After(deadline) || !rt.sleep(ctx) {
			return infer.DeleteResponse{}, fmt.Errorf("instance %s is still being deleted; run again", s.ServiceName)
		}
	}
}
