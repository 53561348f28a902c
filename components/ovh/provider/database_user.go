package provider

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/components/ovh/api"
)

// DatabaseUser is a login of a managed PostgreSQL.
type DatabaseUser struct{}

// DatabaseUserArgs names it. See sdk.DatabaseUserArgs.
type DatabaseUserArgs struct {
	Project    string `pulumi:"project" provider:"replaceOnChanges"`
	ServiceID  string `pulumi:"serviceId" provider:"replaceOnChanges"`
	Username   string `pulumi:"username" provider:"replaceOnChanges"`
	Generation *int   `pulumi:"generation,optional"`
}

// DatabaseUserState adds the password, which OVH tells once.
type DatabaseUserState struct {
	DatabaseUserArgs
	UserID   string `pulumi:"userId"`
	Password string `pulumi:"password" provider:"secret"`
}

var (
	_ infer.CustomResource[DatabaseUserArgs, DatabaseUserState]       = (*DatabaseUser)(nil)
	_ infer.CustomCheck[DatabaseUserArgs]                             = (*DatabaseUser)(nil)
	_ infer.CustomUpdate[DatabaseUserArgs, DatabaseUserState]         = (*DatabaseUser)(nil)
	_ infer.CustomRead[DatabaseUserArgs, DatabaseUserState]           = (*DatabaseUser)(nil)
	_ infer.CustomDelete[DatabaseUserState]                           = (*DatabaseUser)(nil)
	_ infer.ExplicitDependencies[DatabaseUserArgs, DatabaseUserState] = (*DatabaseUser)(nil)
)

// Annotate names the resource.
func (r *DatabaseUser) Annotate(a infer.Annotator) {
	a.SetToken("index", "DatabaseUser")
	a.Describe(&r, "A login of a managed PostgreSQL. Its password is made by OVH; a higher generation makes another.")
}

var sqlName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// Check validates the inputs.
func (*DatabaseUser) Check(ctx context.Context, r infer.CheckRequest) (infer.CheckResponse[DatabaseUserArgs], error) {
	args, failures, err := infer.DefaultCheck[DatabaseUserArgs](ctx, r.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[DatabaseUserArgs]{Inputs: args, Failures: failures}, err
	}
	failures = append(failures, checkSQLName("username", args.Username)...)
	if args.Generation != nil && *args.Generation < 1 {
		failures = append(failures, p.CheckFailure{Property: "generation", Reason: fmt.Sprintf("is %d; begin with 1 and raise it for a new password", *args.Generation)})
	}
	return infer.CheckResponse[DatabaseUserArgs]{Inputs: args, Failures: failures}, nil
}

func checkSQLName(property, name string) []p.CheckFailure {
	if sqlName.MatchString(name) {
		return nil
	}
	return []p.CheckFailure{{Property: property, Reason: fmt.Sprintf("%q is not a plain name of PostgreSQL; write it in lower-case letters, digits and _, at most 63, a letter first", name)}}
}

// Create makes the user. One that is there, because a fork brings its source's users or because an answer was lost, gets a new password: nobody can read the
// old one.
func (*DatabaseUser) Create(ctx context.Context, r infer.CreateRequest[DatabaseUserArgs]) (infer.CreateResponse[DatabaseUserState], error) {
	out := DatabaseUserState{DatabaseUserArgs: r.Inputs}
	if r.DryRun {
		return infer.CreateResponse[DatabaseUserState]{ID: r.Inputs.ServiceID + "/" + r.Inputs.Username, Output: out}, nil
	}
	err := bringUser(ctx, &out)
	return infer.CreateResponse[DatabaseUserState]{ID: out.ServiceID + "/" + out.Username, Output: out}, err
}

// Update makes a new password when the generation is higher, and nothing else.
func (*DatabaseUser) Update(ctx context.Context, r infer.UpdateRequest[DatabaseUserArgs, DatabaseUserState]) (infer.UpdateResponse[DatabaseUserState], error) {
	out := r.State
	out.DatabaseUserArgs = r.Inputs
	was, is := (DatabaseArgs{Generation: r.State.Generation}).generation(), (DatabaseArgs{Generation: r.Inputs.Generation}).generation()
	if is < was {
		return infer.UpdateResponse[DatabaseUserState]{Output: r.State}, fmt.Errorf("generation of user %s cannot go down from %d to %d; a higher one makes a new password", out.Username, was, is)
	}
	if is > was {
		out.Password = ""
	}
	if r.DryRun || out.Password != "" {
		return infer.UpdateResponse[DatabaseUserState]{Output: out}, nil
	}
	err := bringUser(ctx, &out)
	return infer.UpdateResponse[DatabaseUserState]{Output: out}, err
}

// WireDependencies keeps a password known through previews that change none.
func (*DatabaseUser) WireDependencies(f infer.FieldSelector, _ *DatabaseUserArgs, s *DatabaseUserState) {
	f.OutputField(&s.Password).AlwaysSecret()
	if s.UserID != "" {
		f.OutputField(&s.UserID).AlwaysKnown()
		if s.Password != "" {
			f.OutputField(&s.Password).AlwaysKnown()
		}
	}
}

func bringUser(ctx context.Context, s *DatabaseUserState) error {
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return err
	}
	user, err := findUser(ctx, c, s.Project, s.ServiceID, s.Username)
	if err != nil {
		return err
	}
	if user == nil {
		made, err := c.CreateDatabaseUser(ctx, s.Project, s.ServiceID, s.Username)
		if err != nil && !api.Executed(err) && !api.IsConflict(err) {
			return fmt.Errorf("user %s of database %s: %w", s.Username, s.ServiceID, err)
		}
		if err == nil && made.Password != "" {
			s.UserID, s.Password = made.ID, made.Password
			return rt.awaitUser(ctx, c, s.Project, s.ServiceID, made.ID)
		}
		if user, err = findUser(ctx, c, s.Project, s.ServiceID, s.Username); err != nil || user == nil {
			return fmt.Errorf("user %s of database %s does not show yet; run again: %w", s.Username, s.ServiceID, err)
		}
	}
	s.UserID = user.ID
	s.Password, err = rt.newPassword(ctx, c, s.Project, s.ServiceID, *user)
	return err
}

func findUser(ctx context.Context, c *api.Client, project, service, name string) (*api.DatabaseUser, error) {
	users, err := c.DatabaseUsers(ctx, project, service)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if u.Username == name {
			return &u, nil
		}
	}
	return nil, nil
}

// newPassword resets a user's password and waits until it holds.
func (rt *runtime) newPassword(ctx context.Context, c *api.Client, project, service string, user api.DatabaseUser) (string, error) {
	reset, err := c.ResetDatabaseUser(ctx, project, service, user.ID)
	if err != nil {
		return "", fmt.Errorf("new password of user %s of database %s: %w", user.Username, service, err)
	}
	if reset.Password == "" {
		return "", fmt.Errorf("new password of user %s of database %s: OVH gave none; run again", user.Username, service)
	}
	return reset.Password, rt.awaitUser(ctx, c, project, service, user.ID)
}

func (rt *runtime) awaitUser(ctx context.Context, c *api.Client, project, service, user string) error {
	deadline := time.Now().Add(min(rt.wait, 15*time.Minute))
	for {
		u, err := c.DatabaseUser(ctx, project, service, user)
		if err != nil && !api.IsPassing(err) {
			return err
		}
		if err == nil && u.Status == "READY" {
			return nil
		}
		if time.Now().After(deadline) || !rt.sleep(ctx) {
			return fmt.Errorf("user %s of database %s is still %s; run again", user, service, u.Status)
		}
	}
}

// Read looks whether the user is there. The password is what this stack was told.
func (*DatabaseUser) Read(ctx context.Context, r infer.ReadRequest[DatabaseUserArgs, DatabaseUserState]) (infer.ReadResponse[DatabaseUserArgs, DatabaseUserState], error) {
	gone := infer.ReadResponse[DatabaseUserArgs, DatabaseUserState]{}
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return gone, err
	}
	if r.State.ServiceID == "" {
		return gone, fmt.Errorf("user %s cannot be imported: nobody can read its password; let pulumi up adopt it, which makes a new one", r.ID)
	}
	_, name, _ := strings.Cut(r.ID, "/")
	user, err := findUser(ctx, c, r.State.Project, r.State.ServiceID, name)
	if api.IsNotFound(err) || err == nil && user == nil {
		return gone, nil
	}
	if err != nil {
		return gone, err
	}
	s := r.State
	s.UserID = user.ID
	return infer.ReadResponse[DatabaseUserArgs, DatabaseUserState]{ID: r.ID, Inputs: r.Inputs, State: s}, nil
}

// admin is made by OVH with each service, and stays as long as it.
const admin = "avnadmin"

// Delete removes the user; what it owns stays.
func (*DatabaseUser) Delete(ctx context.Context, r infer.DeleteRequest[DatabaseUserState]) (infer.DeleteResponse, error) {
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	if r.State.Username == admin {
		return infer.DeleteResponse{}, nil
	}
	return infer.DeleteResponse{}, c.DeleteDatabaseUser(ctx, r.State.Project, r.State.ServiceID, r.State.UserID)
}

// LogicalDatabase is one database of a managed PostgreSQL.
type LogicalDatabase struct{}

// LogicalDatabaseArgs names it. See sdk.LogicalDatabaseArgs.
type LogicalDatabaseArgs struct {
	Project    string `pulumi:"project" provider:"replaceOnChanges"`
	ServiceID  string `pulumi:"serviceId" provider:"replaceOnChanges"`
	Database   string `pulumi:"database" provider:"replaceOnChanges"`
	Disposable *bool  `pulumi:"disposable,optional"`
}

// LogicalDatabaseState adds OVH's id.
type LogicalDatabaseState struct {
	LogicalDatabaseArgs
	DatabaseID string `pulumi:"databaseId"`
}

var (
	_ infer.CustomResource[LogicalDatabaseArgs, LogicalDatabaseState] = (*LogicalDatabase)(nil)
	_ infer.CustomCheck[LogicalDatabaseArgs]                          = (*LogicalDatabase)(nil)
	_ infer.CustomUpdate[LogicalDatabaseArgs, LogicalDatabaseState]   = (*LogicalDatabase)(nil)
	_ infer.CustomRead[LogicalDatabaseArgs, LogicalDatabaseState]     = (*LogicalDatabase)(nil)
	_ infer.CustomDelete[LogicalDatabaseState]                        = (*LogicalDatabase)(nil)
)

// Annotate names the resource.
func (r *LogicalDatabase) Annotate(a infer.Annotator) {
	a.SetToken("index", "LogicalDatabase")
	a.Describe(&r, "One database of a managed PostgreSQL.")
}

// Check validates the inputs.
func (*LogicalDatabase) Check(ctx context.Context, r infer.CheckRequest) (infer.CheckResponse[LogicalDatabaseArgs], error) {
	args, failures, err := infer.DefaultCheck[LogicalDatabaseArgs](ctx, r.NewInputs)
	if err == nil && len(failures) == 0 {
		failures = append(failures, checkSQLName("database", args.Database)...)
	}
	return infer.CheckResponse[LogicalDatabaseArgs]{Inputs: args, Failures: failures}, err
}

func findLogical(ctx context.Context, c *api.Client, project, service, name string) (*api.LogicalDatabase, error) {
	list, err := c.LogicalDatabases(ctx, project, service)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		if d.Name == name {
			return &d, nil
		}
	}
	return nil, nil
}

// Create makes the database, or adopts the one that is there: a fork brings its source's.
func (*LogicalDatabase) Create(ctx context.Context, r infer.CreateRequest[LogicalDatabaseArgs]) (infer.CreateResponse[LogicalDatabaseState], error) {
	out := infer.CreateResponse[LogicalDatabaseState]{ID: r.Inputs.ServiceID + "/" + r.Inputs.Database, Output: LogicalDatabaseState{LogicalDatabaseArgs: r.Inputs}}
	if r.DryRun {
		return out, nil
	}
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return out, err
	}
	a := r.Inputs
	found, err := findLogical(ctx, c, a.Project, a.ServiceID, a.Database)
	if err == nil && found == nil {
		made, wrong := c.CreateLogicalDatabase(ctx, a.Project, a.ServiceID, a.Database)
		switch {
		case wrong == nil:
			found = &made
		case api.Executed(wrong) || api.IsConflict(wrong):
			if found, err = findLogical(ctx, c, a.Project, a.ServiceID, a.Database); err == nil && found == nil {
				err = fmt.Errorf("database %s of service %s does not show yet; run again: %w", a.Database, a.ServiceID, wrong)
			}
		default:
			err = wrong
		}
	}
	if err != nil {
		return out, err
	}
	out.Output.DatabaseID = found.ID
	return out, nil
}

// Update takes up whether the database may be dropped.
func (*LogicalDatabase) Update(_ context.Context, r infer.UpdateRequest[LogicalDatabaseArgs, LogicalDatabaseState]) (infer.UpdateResponse[LogicalDatabaseState], error) {
	out := r.State
	out.LogicalDatabaseArgs = r.Inputs
	return infer.UpdateResponse[LogicalDatabaseState]{Output: out}, nil
}

// Read looks whether the database is there.
func (*LogicalDatabase) Read(ctx context.Context, r infer.ReadRequest[LogicalDatabaseArgs, LogicalDatabaseState]) (infer.ReadResponse[LogicalDatabaseArgs, LogicalDatabaseState], error) {
	gone := infer.ReadResponse[LogicalDatabaseArgs, LogicalDatabaseState]{}
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return gone, err
	}
	s := r.State
	found, err := findLogical(ctx, c, s.Project, s.ServiceID, s.Database)
	if api.IsNotFound(err) || err == nil && found == nil {
		return gone, nil
	}
	if err != nil {
		return gone, err
	}
	s.DatabaseID = found.ID
	return infer.ReadResponse[LogicalDatabaseArgs, LogicalDatabaseState]{ID: r.ID, Inputs: r.Inputs, State: s}, nil
}

// Delete drops the database where the stack said that it may be.
func (*LogicalDatabase) Delete(ctx context.Context, r infer.DeleteRequest[LogicalDatabaseState]) (infer.DeleteResponse, error) {
	s := r.State
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	if !truth(s.Disposable) {
		if found, err := findLogical(ctx, c, s.Project, s.ServiceID, s.Database); api.IsNotFound(err) || err == nil && found == nil {
			return infer.DeleteResponse{}, nil
		}
		return infer.DeleteResponse{}, fmt.Errorf("database %s of service %s is not dropped: its data would be gone; drop it by hand, or set Retired on the service and run pulumi up first", s.Database, s.ServiceID)
	}
	return infer.DeleteResponse{}, c.DeleteLogicalDatabase(ctx, s.Project, s.ServiceID, s.DatabaseID)
}
