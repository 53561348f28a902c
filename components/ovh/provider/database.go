package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
)

// Database is a managed PostgreSQL of OVH's Public Cloud: an empty one, or a fork of another stack's latest backup.
type Database struct{}

// DatabaseArgs is what is ordered. See sdk.DatabaseArgs.
type DatabaseArgs struct {
	Project    string  `pulumi:"project"`
	Plan       string  `pulumi:"plan"`
	Version    string  `pulumi:"engineVersion"` // "version" is the engine's own word for a plugin's, and lost on the way
	Flavor     string  `pulumi:"flavor"`
	Nodes      int     `pulumi:"nodes"`
	Region     string  `pulumi:"region"`
	DiskGB     *int    `pulumi:"diskGB,optional"`
	ForkOf     *string `pulumi:"forkOf,optional"`
	Generation *int    `pulumi:"generation,optional"`
	MaxMonthly *string `pulumi:"maxMonthly,optional"`
	Retired    *bool   `pulumi:"retired,optional"`
	Disposable *bool   `pulumi:"disposable,optional"`
}

// DatabaseState is what is known of it.
type DatabaseState struct {
	DatabaseArgs
	ServiceID    string `pulumi:"serviceId"`
	Host         string `pulumi:"host"`
	Port         int    `pulumi:"port"`
	Authority    string `pulumi:"authority"` // PEM
	Mark         string `pulumi:"mark"`
	Status       string `pulumi:"status"`
	ForkedBackup string `pulumi:"forkedBackup"` // id of the backup that a fork holds
	ForkedAt     string `pulumi:"forkedAt"`     // when that backup was made
	MonthlyPrice string `pulumi:"monthlyPrice"`
	Currency     string `pulumi:"currency"`
}

var (
	_ infer.CustomResource[DatabaseArgs, DatabaseState]       = (*Database)(nil)
	_ infer.CustomCheck[DatabaseArgs]                         = (*Database)(nil)
	_ infer.CustomDiff[DatabaseArgs, DatabaseState]           = (*Database)(nil)
	_ infer.CustomUpdate[DatabaseArgs, DatabaseState]         = (*Database)(nil)
	_ infer.CustomRead[DatabaseArgs, DatabaseState]           = (*Database)(nil)
	_ infer.CustomDelete[DatabaseState]                       = (*Database)(nil)
	_ infer.ExplicitDependencies[DatabaseArgs, DatabaseState] = (*Database)(nil)
)

// Annotate names the resource.
func (r *Database) Annotate(a infer.Annotator) {
	a.SetToken("index", "Database")
	a.Describe(&r, "A managed PostgreSQL, empty or forked from the latest backup of another stack's. Nobody may connect to it until DatabaseAccess says so.")
}

// Check validates the inputs.
func (*Database) Check(ctx context.Context, r infer.CheckRequest) (infer.CheckResponse[DatabaseArgs], error) {
	args, failures, err := infer.DefaultCheck[DatabaseArgs](ctx, r.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[DatabaseArgs]{Inputs: args, Failures: failures}, err
	}
	fail := func(property, format string, v ...any) {
		if !r.NewInputs.Get(property).HasComputed() {
			failures = append(failures, p.CheckFailure{Property: property, Reason: fmt.Sprintf(format, v...)})
		}
	}
	if args.Project == "" {
		fail("project", "is empty; set the id of a Public Cloud project, 32 hexadecimal digits")
	}
	if args.Nodes < 1 {
		fail("nodes", "are %d; order at least 1", args.Nodes)
	}
	if args.DiskGB != nil && *args.DiskGB < 1 {
		fail("diskGB", "is %d; leave it out for what the flavor has", *args.DiskGB)
	}
	if g := args.generation(); g < 1 || g > 1 && !args.fork() {
		fail("generation", "is %d; 1, or more for a fork that is to be made anew", g)
	}
	if m := deref(args.MaxMonthly, ""); m != "" {
		if _, err := order.ParseMoney(m); err != nil {
			fail("maxMonthly", "%v", err)
		}
	}
	return infer.CheckResponse[DatabaseArgs]{Inputs: args, Failures: failures}, nil
}

func (a DatabaseArgs) fork() bool { return deref(a.ForkOf, "") != "" }

func (a DatabaseArgs) generation() int {
	if a.Generation == nil {
		return 1
	}
	return *a.Generation
}

func (a DatabaseArgs) disk() int {
	if a.DiskGB == nil {
		return 0
	}
	return *a.DiskGB
}

// Diff compares. A database is never replaced, but a fork whose generation was raised: its copy is ordered, scrubbed and taken into use before the old one ends.
func (*Database) Diff(_ context.Context, r infer.DiffRequest[DatabaseArgs, DatabaseState]) (infer.DiffResponse, error) {
	old, new := r.State.DatabaseArgs, r.Inputs
	resp := infer.DiffResponse{DetailedDiff: map[string]p.PropertyDiff{}}
	mark := func(property string, kind p.DiffKind) {
		resp.HasChanges = true
		resp.DetailedDiff[property] = p.PropertyDiff{Kind: kind, InputDiff: true}
	}
	if new.fork() && old.fork() && new.generation() > old.generation() {
		mark("generation", p.UpdateReplace)
		return resp, nil
	}
	var errs []error
	fixed := func(property, was, is string) {
		if was == is {
			return
		}
		if new.fork() {
			errs = append(errs, fmt.Errorf("%s cannot change from %q to %q under generation %d; raise the generation to %d, which forks anew, or keep the old one",
				property, was, is, old.generation(), old.generation()+1))
			return
		}
		errs = append(errs, fmt.Errorf("%s cannot change from %q to %q: nothing may replace a database; keep the old one, or describe a second database and move the data", property, was, is))
	}
	fixed("project", old.Project, new.Project)
	fixed("region", old.Region, new.Region)
	fixed("forkOf", deref(old.ForkOf, ""), deref(new.ForkOf, ""))
	fixed("nodes", fmt.Sprint(old.Nodes), fmt.Sprint(new.Nodes))
	if new.generation() < old.generation() {
		errs = append(errs, fmt.Errorf("generation cannot go down from %d to %d; a higher one forks anew", old.generation(), new.generation()))
	}
	if new.disk() != 0 && new.disk() < old.disk() {
		errs = append(errs, fmt.Errorf("diskGB cannot go down from %d to %d: the data may not fit; keep the old size", old.disk(), new.disk()))
	}
	for property, v := range map[string][2]string{
		"plan": {old.Plan, new.Plan}, "engineVersion": {old.Version, new.Version}, "flavor": {old.Flavor, new.Flavor}, "diskGB": {fmt.Sprint(old.disk()), fmt.Sprint(new.disk())},
		"maxMonthly": {deref(old.MaxMonthly, ""), deref(new.MaxMonthly, "")}, "retired": {fmt.Sprint(truth(old.Retired)), fmt.Sprint(truth(new.Retired))},
		"disposable": {fmt.Sprint(truth(old.Disposable)), fmt.Sprint(truth(new.Disposable))},
	} {
		if v[0] != v[1] {
			mark(property, p.Update)
		}
	}
	return resp, errors.Join(errs...)
}

// label is the description of a service: whose it is and, of a fork, which copy it is and how far it is scrubbed. It is read again by a run on a lost state.
type label struct {
	mark       string
	generation int    // 0: not a fork
	backup     string // what a fork was made from
	scrubbed   string // digest of the rules; empty: production's data
}

const unscrubbed = "unscrubbed"

func (l label) String() string {
	if l.generation == 0 {
		return l.mark
	}
	state := unscrubbed
	if l.scrubbed != "" {
		state = "scrubbed:" + l.scrubbed
	}
	return fmt.Sprintf("%s g%d %s %s", l.mark, l.generation, l.backup, state)
}

// parseLabel reads a description; false for one that is not ours.
func parseLabel(description string) (l label, ok bool) {
	fields := strings.Fields(description)
	if len(fields) == 0 || !strings.HasPrefix(fields[0], "havre:") {
		return l, false
	}
	l.mark = fields[0]
	if len(fields) == 1 {
		return l, true
	}
	if len(fields) != 4 {
		return l, false
	}
	if _, err := fmt.Sscanf(fields[1], "g%d", &l.generation); err != nil || l.generation < 1 {
		return l, false
	}
	l.backup = fields[2]
	digest, done := strings.CutPrefix(fields[3], "scrubbed:")
	if done {
		l.scrubbed = digest
	}
	return l, done || fields[3] == unscrubbed
}

// findDatabase finds the service of a mark and generation among those of a project.
func findDatabase(ctx context.Context, c *api.Client, project, mark string, generation int) (*api.DatabaseService, error) {
	all, err := c.Databases(ctx, project)
	if err != nil {
		return nil, err
	}
	var found []api.DatabaseService
	for _, s := range all {
		if l, ok := parseLabel(s.Description); ok && l.mark == mark && l.generation == generation && s.Status != "DELETING" && s.Status != "DELETED" {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return &found[0], nil
	}
	ids := make([]string, len(found))
	for i, s := range found {
		ids[i] = s.ID
	}
	return nil, fmt.Errorf("databases %s all carry the mark %s; rename those that are not this stack's in OVH's manager", strings.Join(ids, " and "), mark)
}

// databaseJob is one run's work on one service.
type databaseJob struct {
	rt   *runtime
	api  *api.Client
	mark string
	args DatabaseArgs
}

func newDatabaseJob(ctx context.Context, args DatabaseArgs) (*databaseJob, error) {
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return nil, err
	}
	mark, err := markOf(ctx)
	return &databaseJob{rt: rt, api: c, mark: mark, args: args}, err
}

func (j *databaseJob) wanted() int {
	if !j.args.fork() {
		return 0
	}
	return j.args.generation()
}

// sourceMark is the mark of the same resource in the stack that is forked: the URNs of two stacks differ in the stack alone.
func sourceMark(ctx context.Context, stack string) (string, error) {
	urn := urnOf(ctx)
	if !urn.IsValid() {
		return "", fmt.Errorf("URN %q is not one", urn)
	}
	if stack == string(urn.Stack()) {
		return "", fmt.Errorf("a database cannot be a fork of its own stack %s; name another", stack)
	}
	other := strings.Replace(string(urn), "urn:pulumi:"+string(urn.Stack())+"::", "urn:pulumi:"+stack+"::", 1)
	return order.Mark(string(urn.Project()), stack, urn.Name(), other), nil
}

// source finds the backup that a fork begins from: the newest that can be restored.
func (j *databaseJob) source(ctx context.Context) (api.ForkFrom, time.Time, error) {
	from := *j.args.ForkOf
	mark, err := sourceMark(ctx, from)
	if err != nil {
		return api.ForkFrom{}, time.Time{}, err
	}
	s, err := findDatabase(ctx, j.api, j.args.Project, mark, 0)
	if err != nil {
		return api.ForkFrom{}, time.Time{}, err
	}
	if s == nil {
		return api.ForkFrom{}, time.Time{}, fmt.Errorf("stack %s has no database in project %s (looked for %s): bring that stack up first", from, j.args.Project, mark)
	}
	backups, err := j.api.DatabaseBackups(ctx, j.args.Project, s.ID)
	if err != nil {
		return api.ForkFrom{}, time.Time{}, err
	}
	for _, b := range backups {
		if b.Status == "READY" {
			return api.ForkFrom{ServiceID: s.ID, BackupID: b.ID}, b.CreatedAt, nil
		}
	}
	return api.ForkFrom{}, time.Time{}, fmt.Errorf("the database of stack %s has no backup yet; OVH makes one a day: run again after the first", from)
}

// databaseQuote is what a service costs a month, net.
func databaseQuote(ctx context.Context, c *api.Client, a DatabaseArgs) (order.Quote, order.Money, error) {
	offers, err := c.DatabaseOffers(ctx, a.Project)
	if err != nil {
		return order.Quote{}, 0, err
	}
	var near []string
	for _, o := range offers {
		if o.Plan == a.Plan && o.Specifications.Flavor == a.Flavor && o.Region == a.Region && !slices.Contains(near, o.Version) {
			near = append(near, o.Version)
		}
		if o.Plan != a.Plan || o.Specifications.Flavor != a.Flavor || o.Region != a.Region || o.Version != a.Version {
			continue
		}
		if n := o.Specifications.Nodes; a.Nodes < n.Minimum || a.Nodes > n.Maximum {
			return order.Quote{}, 0, fmt.Errorf("plan %s has %d to %d nodes, not %d; change the database's nodes", a.Plan, n.Minimum, n.Maximum, a.Nodes)
		}
		price, catalogue, err := c.ConsumptionPrice(ctx, o.PlanCode)
		if err != nil {
			return order.Quote{}, 0, err
		}
		total := price * order.Money(a.Nodes)
		if st := o.Specifications.Storage; st != nil && a.disk() > 0 {
			if a.disk() < st.Minimum.Value || a.disk() > st.Maximum.Value {
				return order.Quote{}, 0, fmt.Errorf("flavor %s has %d to %d GB of disk, not %d; change the database's disk", a.Flavor, st.Minimum.Value, st.Maximum.Value, a.disk())
			}
			if more := a.disk() - st.Minimum.Value; more > 0 {
				gb, _, err := c.ConsumptionPrice(ctx, o.PlanCodeStorage)
				if err != nil {
					return order.Quote{}, 0, err
				}
				total += gb * order.Money(more) * order.Money(a.Nodes)
			}
		}
		return order.Quote{Monthly: total, First: total, Currency: catalogue.Locale.Currency}, catalogue.Locale.TaxRate, nil
	}
	if len(near) > 0 {
		return order.Quote{}, 0, fmt.Errorf("PostgreSQL %s is not sold as %s %s in %s; choose one of the versions %s", a.Version, a.Plan, a.Flavor, a.Region, strings.Join(near, ", "))
	}
	return order.Quote{}, 0, fmt.Errorf("PostgreSQL is not sold as plan %s with flavor %s in region %s; look at OVH's list of managed databases", a.Plan, a.Flavor, a.Region)
}

// price holds the offer against every bound, and enters it into the stack's bill.
func (j *databaseJob) price(ctx context.Context, fresh bool) (order.Quote, error) {
	q, _, err := databaseQuote(ctx, j.api, j.args)
	if err != nil {
		return q, err
	}
	limit, err := j.rt.limits(ServiceArgs{MaxMonthly: j.args.MaxMonthly})
	if err != nil {
		return q, err
	}
	if err := limit.Check(q); err != nil {
		return q, err
	}
	return q, j.rt.count(urnOf(ctx), q.Monthly, fresh, q.Currency)
}

// take writes what the API says into the state.
func (s *DatabaseState) take(v api.DatabaseService) {
	s.ServiceID, s.Status = v.ID, v.Status
	if e, ok := v.Primary(); ok {
		s.Host, s.Port = e.Domain, e.Port
	}
	if l, ok := parseLabel(v.Description); ok {
		s.ForkedBackup = l.backup
	}
}

func (j *databaseJob) id(service string) string {
	if service == "" {
		return j.args.Project + "/" + j.mark
	}
	return j.args.Project + "/" + service
}
