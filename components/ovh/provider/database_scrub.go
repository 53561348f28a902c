package provider

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/components/ovh/api"
	"havre/components/ovh/scrub"
)

// DatabaseScrub replaces the personal data in a fork before anybody but the scrubber may connect to it.
type DatabaseScrub struct{}

// DatabaseScrubArgs says how. See sdk.DatabaseScrubArgs.
type DatabaseScrubArgs struct {
	Project   string      `pulumi:"project" provider:"replaceOnChanges"`
	ServiceID string      `pulumi:"serviceId" provider:"replaceOnChanges"`
	Database  string      `pulumi:"database"`
	Username  string      `pulumi:"username"`
	Scrubber  string      `pulumi:"scrubber"`
	Rules     []ScrubRule `pulumi:"rules"`
}

// ScrubRule is one rule. See scrub.Rule.
type ScrubRule struct {
	Target string  `pulumi:"target"`
	Action string  `pulumi:"action"`
	Value  *string `pulumi:"value,optional"`
	Why    *string `pulumi:"why,optional"`
}

// DatabaseScrubState adds what was done.
type DatabaseScrubState struct {
	DatabaseScrubArgs
	ScrubbedID string         `pulumi:"scrubbedId"` // the service's id, only once it is scrubbed: what may open it depends on this
	Digest     string         `pulumi:"digest"`     // of the rules
	Rows       map[string]int `pulumi:"rows"`       // by table: how many rows were rewritten
}

var (
	_ infer.CustomResource[DatabaseScrubArgs, DatabaseScrubState]       = (*DatabaseScrub)(nil)
	_ infer.CustomCheck[DatabaseScrubArgs]                              = (*DatabaseScrub)(nil)
	_ infer.CustomDiff[DatabaseScrubArgs, DatabaseScrubState]           = (*DatabaseScrub)(nil)
	_ infer.CustomUpdate[DatabaseScrubArgs, DatabaseScrubState]         = (*DatabaseScrub)(nil)
	_ infer.CustomRead[DatabaseScrubArgs, DatabaseScrubState]           = (*DatabaseScrub)(nil)
	_ infer.ExplicitDependencies[DatabaseScrubArgs, DatabaseScrubState] = (*DatabaseScrub)(nil)
)

// Annotate names the resource.
func (r *DatabaseScrub) Annotate(a infer.Annotator) {
	a.SetToken("index", "DatabaseScrub")
	a.Describe(&r, "Replaces personal data in a fork while nobody but the scrubber may connect, and gives the fork's id only when that is done.")
}

func (a DatabaseScrubArgs) rules() []scrub.Rule {
	out := make([]scrub.Rule, 0, len(a.Rules))
	for _, r := range a.Rules {
		out = append(out, scrub.Rule{Target: r.Target, Action: scrub.Action(r.Action), Value: deref(r.Value, ""), Why: deref(r.Why, "")})
	}
	return out
}

// Check validates the inputs; rules are held against the real tables only when they are there.
func (*DatabaseScrub) Check(ctx context.Context, r infer.CheckRequest) (infer.CheckResponse[DatabaseScrubArgs], error) {
	args, failures, err := infer.DefaultCheck[DatabaseScrubArgs](ctx, r.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[DatabaseScrubArgs]{Inputs: args, Failures: failures}, err
	}
	failures = append(failures, checkSQLName("database", args.Database)...)
	failures = append(failures, checkSQLName("username", args.Username)...)
	if a, err := netip.ParseAddr(args.Scrubber); err != nil || !a.Is4() {
		failures = append(failures, p.CheckFailure{Property: "scrubber", Reason: fmt.Sprintf("%q is not an IPv4 address; set the public address of the machine that runs pulumi up", args.Scrubber)})
	}
	if err := scrub.Validate(args.rules()); err != nil {
		failures = append(failures, p.CheckFailure{Property: "rules", Reason: err.Error()})
	}
	return infer.CheckResponse[DatabaseScrubArgs]{Inputs: args, Failures: failures}, nil
}

// Diff compares. Rules that change want another copy: what the old ones left is in use already, and what they replaced cannot be replaced otherwise.
func (*DatabaseScrub) Diff(_ context.Context, r infer.DiffRequest[DatabaseScrubArgs, DatabaseScrubState]) (infer.DiffResponse, error) {
	old, new := r.State, r.Inputs
	resp := infer.DiffResponse{DetailedDiff: map[string]p.PropertyDiff{}}
	mark := func(property string, kind p.DiffKind) {
		resp.HasChanges = true
		resp.DetailedDiff[property] = p.PropertyDiff{Kind: kind, InputDiff: true}
	}
	if old.ServiceID != new.ServiceID || old.Project != new.Project {
		mark("serviceId", p.UpdateReplace)
		return resp, nil
	}
	if is := scrub.Digest(new.rules()); old.Digest != is || old.Database != new.Database {
		return resp, fmt.Errorf("the rules changed since database %s was scrubbed (%s, now %s); raise the database's generation, which forks and scrubs anew", old.ServiceID, old.Digest, is)
	}
	if old.Scrubber != new.Scrubber || old.Username != new.Username {
		mark("scrubber", p.Update) // for the next copy; this one is done
	}
	return resp, nil
}

// Create scrubs, unless the service says that it is scrubbed by these rules.
func (*DatabaseScrub) Create(ctx context.Context, r infer.CreateRequest[DatabaseScrubArgs]) (infer.CreateResponse[DatabaseScrubState], error) {
	out := DatabaseScrubState{DatabaseScrubArgs: r.Inputs, Digest: scrub.Digest(r.Inputs.rules()), Rows: map[string]int{}}
	if r.DryRun {
		return infer.CreateResponse[DatabaseScrubState]{ID: r.Inputs.ServiceID, Output: out}, nil
	}
	err := runScrub(ctx, &out)
	return infer.CreateResponse[DatabaseScrubState]{ID: r.Inputs.ServiceID, Output: out}, err
}

// Update takes up what is for the next copy.
func (*DatabaseScrub) Update(_ context.Context, r infer.UpdateRequest[DatabaseScrubArgs, DatabaseScrubState]) (infer.UpdateResponse[DatabaseScrubState], error) {
	out := r.State
	out.DatabaseScrubArgs = r.Inputs
	return infer.UpdateResponse[DatabaseScrubState]{Output: out}, nil
}

// WireDependencies keeps everything known once it is done.
func (*DatabaseScrub) WireDependencies(f infer.FieldSelector, _ *DatabaseScrubArgs, s *DatabaseScrubState) {
	f.OutputField(&s.Digest).AlwaysKnown()
	if s.ScrubbedID != "" {
		f.OutputField(s).AlwaysKnown()
	}
}

// Read asks the service.
func (*DatabaseScrub) Read(ctx context.Context, r infer.ReadRequest[DatabaseScrubArgs, DatabaseScrubState]) (infer.ReadResponse[DatabaseScrubArgs, DatabaseScrubState], error) {
	gone := infer.ReadResponse[DatabaseScrubArgs, DatabaseScrubState]{}
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return gone, err
	}
	v, err := c.Database(ctx, r.State.Project, r.ID)
	if api.IsNotFound(err) {
		return gone, nil
	}
	if err != nil {
		return gone, err
	}
	if l, ok := parseLabel(v.Description); !ok || l.scrubbed == "" {
		return gone, nil // the next run scrubs it, and opens nothing before that
	}
	return infer.ReadResponse[DatabaseScrubArgs, DatabaseScrubState](r), nil
}

// runScrub is one attempt, whole by itself: it may be killed at any moment, and the next one begins anew. What an attempt leaves is either the data as it was,
// behind closed addresses, or the data replaced.
func runScrub(ctx context.Context, s *DatabaseScrubState) (err error) {
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return err
	}
	v, err := rt.awaitDatabase(ctx, c, s.Project, s.ServiceID)
	if err != nil {
		return err
	}
	l, ok := parseLabel(v.Description)
	switch {
	case !ok || l.generation == 0:
		return fmt.Errorf("database %s is no fork of this project's (it is named %q): it is never scrubbed, because its data is the only one", s.ServiceID, v.Description)
	case l.scrubbed == s.Digest:
		rt.log(ctx, "database %s is scrubbed by these rules already (%s): nothing is done", s.ServiceID, l.scrubbed)
		s.ScrubbedID = s.ServiceID
		return nil
	case l.scrubbed != "":
		return fmt.Errorf("database %s was scrubbed by other rules (%s, now %s); raise the database's generation, which forks and scrubs anew", s.ServiceID, l.scrubbed, s.Digest)
	}
	scrubber, err := netip.ParseAddr(s.Scrubber)
	if err != nil {
		return err
	}
	endpoint, ok := v.Primary()
	if !ok {
		return fmt.Errorf("database %s has no endpoint; look at it in OVH's manager, then run again", s.ServiceID)
	}
	authority, err := c.DatabaseAuthority(ctx, s.Project, s.ServiceID)
	if err != nil {
		return err
	}
	password, err := rt.lockOut(ctx, c, s)
	if err != nil {
		return err
	}
	if err := rt.restrict(ctx, c, s.Project, s.ServiceID, []netip.Prefix{netip.PrefixFrom(scrubber, 32)}, "havre scrub"); err != nil {
		return err
	}
	// Closed again however this ends, and before the service says that it is scrubbed.
	rows, err := (&scrubbing{
		rt: rt, host: endpoint.Domain, port: endpoint.Port, authority: authority, user: s.Username, password: password, database: s.Database, rules: s.rules(),
	}).run(ctx)
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	if closed := rt.restrict(whole, c, s.Project, s.ServiceID, nil, ""); closed != nil {
		return errors.Join(err, fmt.Errorf("database %s stays open to %s until the next run: %w", s.ServiceID, scrubber, closed))
	}
	if err != nil {
		return fmt.Errorf("scrub of database %s, which stays closed: %w", s.ServiceID, err)
	}
	l.scrubbed = s.Digest
	if err := c.ChangeDatabase(whole, s.Project, s.ServiceID, map[string]any{"description": l.String()}); err != nil {
		return err
	}
	if _, err := rt.awaitDatabase(whole, c, s.Project, s.ServiceID); err != nil {
		return err
	}
	s.ScrubbedID, s.Rows = s.ServiceID, rows
	rt.log(ctx, "database %s is scrubbed: %d tables rewritten", s.ServiceID, len(rows))
	return nil
}

// lockOut gives every user of the fork a new password, because a fork brings its source's, and returns the scrubber's.
func (rt *runtime) lockOut(ctx context.Context, c *api.Client, s *DatabaseScrubState) (password string, err error) {
	users, err := c.DatabaseUsers(ctx, s.Project, s.ServiceID)
	if err != nil {
		return "", err
	}
	for _, u := range users {
		reset, err := rt.newPassword(ctx, c, s.Project, s.ServiceID, u)
		if err != nil {
			return "", err
		}
		if u.Username == s.Username {
			password = reset
		}
	}
	if password == "" {
		return "", fmt.Errorf("database %s has no user %q, which is to scrub its tables; name the user that owns them", s.ServiceID, s.Username)
	}
	return password, nil
}
