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

// Create orders the service once, or adopts the one that carries its mark, and waits until it is ready.
func (*Database) Create(ctx context.Context, r infer.CreateRequest[DatabaseArgs]) (infer.CreateResponse[DatabaseState], error) {
	j, err := newDatabaseJob(ctx, r.Inputs)
	if err != nil {
		return infer.CreateResponse[DatabaseState]{}, err
	}
	out := DatabaseState{DatabaseArgs: r.Inputs, Mark: j.mark}
	if r.DryRun {
		err := j.preview(ctx, &out)
		return infer.CreateResponse[DatabaseState]{ID: j.id(""), Output: out}, err
	}
	begun, err := j.bring(ctx, &out)
	if err != nil && begun {
		err = keep(err)
	}
	return infer.CreateResponse[DatabaseState]{ID: j.id(out.ServiceID), Output: out}, err
}

// Update goes on with a service that is not ready, and changes what OVH changes in place.
func (*Database) Update(ctx context.Context, r infer.UpdateRequest[DatabaseArgs, DatabaseState]) (infer.UpdateResponse[DatabaseState], error) {
	out := r.State
	out.DatabaseArgs = r.Inputs
	j, err := newDatabaseJob(ctx, r.Inputs)
	if err != nil {
		return infer.UpdateResponse[DatabaseState]{Output: r.State}, err
	}
	old := r.State.DatabaseArgs
	change := map[string]any{}
	for key, v := range map[string][2]string{"plan": {old.Plan, r.Inputs.Plan}, "version": {old.Version, r.Inputs.Version}, "flavor": {old.Flavor, r.Inputs.Flavor}} {
		if v[0] != v[1] {
			change[key] = v[1]
		}
	}
	if r.Inputs.disk() != old.disk() && r.Inputs.disk() != 0 {
		change["disk"] = api.DatabaseDisk{Size: r.Inputs.disk()}
	}
	if len(change) > 0 || r.State.MonthlyPrice == "" {
		q, err := j.price(ctx, len(change) > 0)
		if err != nil {
			return infer.UpdateResponse[DatabaseState]{Output: r.State}, err
		}
		if out.MonthlyPrice != "" && r.DryRun {
			j.rt.log(ctx, "the database costs %s %s a month, net, after this change, and %s before it", q.Monthly, q.Currency, out.MonthlyPrice)
		}
		out.MonthlyPrice, out.Currency = q.Monthly.String(), q.Currency
	}
	if r.DryRun {
		return infer.UpdateResponse[DatabaseState]{Output: out}, nil
	}
	if out.ServiceID == "" { // the run before this one asked, and saw no answer
		_, err := j.bring(ctx, &out)
		if err != nil {
			err = keep(err)
		}
		return infer.UpdateResponse[DatabaseState]{Output: out}, err
	}
	if len(change) > 0 {
		if err := j.api.ChangeDatabase(ctx, j.args.Project, out.ServiceID, change); err != nil {
			return infer.UpdateResponse[DatabaseState]{Output: r.State}, keep(err)
		}
	}
	if err := j.settle(ctx, &out); err != nil {
		return infer.UpdateResponse[DatabaseState]{Output: out}, keep(err)
	}
	return infer.UpdateResponse[DatabaseState]{Output: out}, nil
}

// preview tells what would be ordered, from which backup, and for how much.
func (j *databaseJob) preview(ctx context.Context, out *DatabaseState) error {
	found, err := findDatabase(ctx, j.api, j.args.Project, j.mark, j.wanted())
	if err != nil {
		return err
	}
	q, err := j.price(ctx, found == nil)
	if err != nil {
		return err
	}
	out.MonthlyPrice, out.Currency = q.Monthly.String(), q.Currency
	if found != nil {
		j.rt.log(ctx, "adopts database %s, which carries the mark %s: nothing is ordered", found.ID, j.mark)
		out.take(*found)
		return nil
	}
	what := fmt.Sprintf("PostgreSQL %s as %s, %d x %s in %s", j.args.Version, j.args.Plan, j.args.Nodes, j.args.Flavor, j.args.Region)
	if !j.args.fork() {
		j.rt.log(ctx, "orders %s: %s %s a month, net, billed by the hour", what, q.Monthly, q.Currency)
		return nil
	}
	_, at, err := j.source(ctx)
	if err != nil {
		return err
	}
	j.rt.log(ctx, "forks the backup of stack %s of %s into %s: %s %s a month, net, billed by the hour; a later backup may be there when it runs",
		*j.args.ForkOf, at.UTC().Format("2006-01-02 15:04 MST"), what, q.Monthly, q.Currency)
	return nil
}

// bring finds the service or orders it, and waits for it. Begun says whether one may exist.
func (j *databaseJob) bring(ctx context.Context, out *DatabaseState) (begun bool, err error) {
	unlock, err := j.rt.lock(ctx, "databases-"+j.args.Project)
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

// ask orders the service unless it is there. Its description is in the request that makes it, so what was made can always be found; an answer that did not
// come is looked up, never asked for again by the same run.
func (j *databaseJob) ask(ctx context.Context, out *DatabaseState) (begun bool, err error) {
	found, err := findDatabase(ctx, j.api, j.args.Project, j.mark, j.wanted())
	if err != nil {
		return out.Status != "", err
	}
	q, err := j.price(ctx, found == nil)
	if err != nil {
		return found != nil || out.Status != "", err
	}
	out.MonthlyPrice, out.Currency = q.Monthly.String(), q.Currency
	if found != nil {
		j.rt.log(ctx, "database %s carries the mark %s: adopted, nothing is ordered", found.ID, j.mark)
		out.take(*found)
		return true, nil
	}
	wish := api.NewDatabase{
		Description: label{mark: j.mark}.String(), Plan: j.args.Plan, Version: j.args.Version,
		NodesPattern: api.NodesPattern{Flavor: j.args.Flavor, Number: j.args.Nodes, Region: j.args.Region},
	}
	if j.args.disk() > 0 {
		wish.Disk = &api.DatabaseDisk{Size: j.args.disk()}
	}
	if j.args.fork() {
		from, at, err := j.source(ctx)
		if err != nil {
			return out.Status != "", err
		}
		wish.ForkFrom = &from
		wish.Description = label{mark: j.mark, generation: j.wanted(), backup: from.BackupID}.String()
		out.ForkedAt = at.UTC().Format(time.RFC3339)
	}
	// An interrupt must not tear the order apart from its answer.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
	defer cancel()
	made, err := j.api.CreateDatabase(whole, j.args.Project, wish)
	if err == nil && made.ID != "" {
		out.take(made)
		return true, nil
	}
	if err != nil && !api.Executed(err) {
		return false, err
	}
	for range 10 {
		seen, lookErr := findDatabase(whole, j.api, j.args.Project, j.mark, j.wanted())
		if lookErr == nil && seen != nil {
			out.take(*seen)
			return true, nil
		}
		if !j.rt.sleep(ctx) {
			break
		}
	}
	out.Status = "asked"
	return true, fmt.Errorf("whether the database was ordered is not known, it does not show yet: run again, it is looked for by its mark %s before anything is ordered: %w", j.mark, err)
}

// settle waits until the service takes connections.
func (j *databaseJob) settle(ctx context.Context, out *DatabaseState) error {
	v, err := j.rt.awaitDatabase(ctx, j.api, j.args.Project, out.ServiceID)
	if v.ID != "" {
		out.take(v)
	}
	if err != nil {
		return err
	}
	if out.Host == "" {
		return fmt.Errorf("database %s is ready but has no endpoint of its own; look at it in OVH's manager, then run again", out.ServiceID)
	}
	out.Authority, err = j.api.DatabaseAuthority(ctx, j.args.Project, out.ServiceID)
	return err
}

// awaitDatabase waits until nothing is under way on a service.
func (rt *runtime) awaitDatabase(ctx context.Context, c *api.Client, project, id string) (api.DatabaseService, error) {
	deadline := time.Now().Add(rt.wait)
	shown := ""
	for {
		v, err := c.Database(ctx, project, id)
		switch {
		case err != nil && !api.IsPassing(err):
			return v, err
		case err == nil && v.Status == "READY":
			return v, nil
		case err == nil && (strings.HasPrefix(v.Status, "ERROR") || v.Status == "LOCKED" || v.Status == "DELETING"):
			return v, fmt.Errorf("database %s is %s; look at it in OVH's manager, or ask OVH's support, then run again", id, v.Status)
		}
		if err == nil && v.Status != shown {
			shown = v.Status
			rt.status(ctx, "database %s: %s", id, v.Status)
		}
		if time.Now().After(deadline) || !rt.sleep(ctx) {
			return v, fmt.Errorf("database %s is still %s; run again, it goes on from here", id, shown)
		}
	}
}

// WireDependencies says what a preview knows: the price always, everything once the service is there.
func (*Database) WireDependencies(f infer.FieldSelector, _ *DatabaseArgs, s *DatabaseState) {
	f.OutputField(&s.MonthlyPrice).AlwaysKnown()
	f.OutputField(&s.Currency).AlwaysKnown()
	f.OutputField(&s.Mark).AlwaysKnown()
	if s.ServiceID != "" && s.Host != "" && s.Authority != "" {
		f.OutputField(s).AlwaysKnown()
	}
}

// Read tells the truth about a service, and serves imports by project/service.
func (*Database) Read(ctx context.Context, r infer.ReadRequest[DatabaseArgs, DatabaseState]) (infer.ReadResponse[DatabaseArgs, DatabaseState], error) {
	gone := infer.ReadResponse[DatabaseArgs, DatabaseState]{}
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return gone, err
	}
	s, inputs := r.State, r.Inputs
	project, service, ok := strings.Cut(r.ID, "/")
	if !ok {
		return gone, fmt.Errorf("id %q is not a project and a service; write it like 0123456789abcdef0123456789abcdef/a1b2c3d4-…", r.ID)
	}
	if s.ServiceID == "" && strings.HasPrefix(service, "havre:") { // asked for and not seen yet
		return infer.ReadResponse[DatabaseArgs, DatabaseState]{ID: r.ID, Inputs: inputs, State: s}, nil
	}
	v, err := c.Database(ctx, project, service)
	if api.IsNotFound(err) {
		rt.log(ctx, "database %s does not exist any more: the next run would order a new and empty one", service)
		return gone, nil
	}
	if err != nil {
		return gone, err
	}
	importing := s.ServiceID == ""
	s.take(v)
	s.Plan, s.Version, s.Flavor, s.Region, s.Nodes = v.Plan, v.Version, v.Flavor, v.Region, v.NodeNumber
	if importing {
		s.Project = project
		if s.Mark, err = markOf(ctx); err != nil {
			return gone, err
		}
		if s.Authority, err = c.DatabaseAuthority(ctx, project, service); err != nil {
			return gone, err
		}
		if q, _, err := databaseQuote(ctx, c, s.DatabaseArgs); err == nil {
			s.MonthlyPrice, s.Currency = q.Monthly.String(), q.Currency
		}
		inputs = s.DatabaseArgs
	}
	return infer.ReadResponse[DatabaseArgs, DatabaseState]{ID: r.ID, Inputs: inputs, State: s}, nil
}

// Delete ends a service with its backups: at once, and for good. It refuses one that is no fork unless the stack said so before.
func (*Database) Delete(ctx context.Context, r infer.DeleteRequest[DatabaseState]) (infer.DeleteResponse, error) {
	s := r.State
	if !s.fork() && !truth(s.Retired) && !truth(s.Disposable) {
		return infer.DeleteResponse{}, fmt.Errorf("database %s is not given up: deleting it deletes its backups too; set Retired on it, run pulumi up, and only then remove it", s.ServiceID)
	}
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	if s.ServiceID == "" {
		found, err := findDatabase(ctx, c, s.Project, s.Mark, (&databaseJob{args: s.DatabaseArgs}).wanted())
		if err != nil || found == nil {
			return infer.DeleteResponse{}, err
		}
		s.ServiceID = found.ID
	}
	v, err := c.Database(ctx, s.Project, s.ServiceID)
	if api.IsNotFound(err) {
		return infer.DeleteResponse{}, nil
	}
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	if l, ok := parseLabel(v.Description); !ok || l.mark != s.Mark {
		return infer.DeleteResponse{}, fmt.Errorf("database %s carries the name %q, which is not this stack's %s; remove it from the state with pulumi state delete", s.ServiceID, v.Description, s.Mark)
	}
	if v.Status != "DELETING" {
		if err := c.DeleteDatabase(ctx, s.Project, s.ServiceID); err != nil {
			return infer.DeleteResponse{}, err
		}
	}
	deadline := time.Now().Add(min(rt.wait, 30*time.Minute))
	for {
		_, err := c.Database(ctx, s.Project, s.ServiceID)
		if api.IsNotFound(err) {
			s.tellCost(ctx, rt, v, c.Now())
			return infer.DeleteResponse{}, nil
		}
		if err != nil && !api.IsPassing(err) {
			return infer.DeleteResponse{}, err
		}
		if time.Now().After(deadline) || !rt.sleep(ctx) {
			return infer.DeleteResponse{}, fmt.Errorf("database %s is still being deleted; run again", s.ServiceID)
		}
	}
}

// tellCost says what a service that ended has cost. Its hours are those of all its nodes together; a month's price is of all of them, too.
func (s DatabaseState) tellCost(ctx context.Context, rt *runtime, v api.DatabaseService, ended time.Time) {
	created, err := time.Parse(time.RFC3339, v.CreatedAt)
	monthly, priceErr := order.ParseMoney(s.MonthlyPrice)
	if err != nil || priceErr != nil {
		return // adopted and never priced, or an answer without a date: nothing is better than a wrong sum
	}
	rt.tellCost(ctx, "database "+s.ServiceID, created, ended, monthly/hoursPerMonth, s.Currency)
}
