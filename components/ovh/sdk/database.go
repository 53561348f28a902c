package sdk

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type tokens of the managed PostgreSQL. They are part of every URN: a change here would give up a database and order an empty one.
const (
	DatabaseToken        = "ovhmetal:index:Database"
	DatabaseUserToken    = "ovhmetal:index:DatabaseUser"
	LogicalDatabaseToken = "ovhmetal:index:LogicalDatabase"
	DatabaseAccessToken  = "ovhmetal:index:DatabaseAccess"
	DatabaseScrubToken   = "ovhmetal:index:DatabaseScrub"
)

// DatabaseOffer is what of a managed database makes its price, beside plan and region.
type DatabaseOffer struct {
	Project string `pulumi:"project"` // id of the Public Cloud project
	Version string `pulumi:"engineVersion"`
	Flavor  string `pulumi:"flavor"`
	Nodes   int    `pulumi:"nodes"`
	DiskGB  *int   `pulumi:"diskGB"`
}

// DatabaseArgs describes a managed PostgreSQL. No change of it replaces one that is not a fork; of a fork only a higher Generation does.
type DatabaseArgs struct {
	Project    pulumi.StringInput    // id of the Public Cloud project, 32 hexadecimal digits; required
	Plan       pulumi.StringInput    // "essential", "production" or "advanced"; required
	Version    pulumi.StringInput    // major version, such as "17"; required. A higher one is an upgrade in place
	Flavor     pulumi.StringInput    // size of a node, such as "b3-8"; required
	Nodes      pulumi.IntInput       // required
	Region     pulumi.StringInput    // such as "GRA"; required
	DiskGB     pulumi.IntPtrInput    // of each node; what the flavor has when empty. It never goes down
	ForkOf     pulumi.StringPtrInput // stack whose database's latest backup this one begins with; the same resource there, in the same project
	Generation pulumi.IntPtrInput    // of a fork: raise it to fork anew; 1 when empty
	MaxMonthly pulumi.StringPtrInput // most the stack agreed to pay a month, net, such as "176.00"; above it nothing is ordered
	Retired    pulumi.BoolPtrInput   // the stack gives this database and its backups up: only then may it be removed. A fork always may
	Disposable pulumi.BoolPtrInput   // a test stack: removing needs no Retired first
}

type databaseArgs struct {
	Project    string  `pulumi:"project"`
	Plan       string  `pulumi:"plan"`
	Version    string  `pulumi:"engineVersion"`
	Flavor     string  `pulumi:"flavor"`
	Nodes      int     `pulumi:"nodes"`
	Region     string  `pulumi:"region"`
	DiskGB     *int    `pulumi:"diskGB"`
	ForkOf     *string `pulumi:"forkOf"`
	Generation *int    `pulumi:"generation"`
	MaxMonthly *string `pulumi:"maxMonthly"`
	Retired    *bool   `pulumi:"retired"`
	Disposable *bool   `pulumi:"disposable"`
}

// ElementType tells the Pulumi runtime how to marshal DatabaseArgs.
func (DatabaseArgs) ElementType() reflect.Type { return reflect.TypeFor[databaseArgs]() }

// Database is a managed PostgreSQL. Nobody may connect to it before a DatabaseAccess says so.
type Database struct {
	pulumi.CustomResourceState

	ServiceID    pulumi.StringOutput `pulumi:"serviceId"`
	Host         pulumi.StringOutput `pulumi:"host"`
	Port         pulumi.IntOutput    `pulumi:"port"`
	Authority    pulumi.StringOutput `pulumi:"authority"`    // certificate in PEM that signed the server's; connect with sslmode=verify-full
	Mark         pulumi.StringOutput `pulumi:"mark"`         // the name under which the service is found again
	ForkedBackup pulumi.StringOutput `pulumi:"forkedBackup"` // of a fork: the backup that it holds
	ForkedAt     pulumi.StringOutput `pulumi:"forkedAt"`     // of a fork: when that backup was made, RFC 3339
	MonthlyPrice pulumi.StringOutput `pulumi:"monthlyPrice"` // net, known at preview; billed by the hour
	Currency     pulumi.StringOutput `pulumi:"currency"`
}

// NewDatabase registers a managed PostgreSQL.
func NewDatabase(ctx *pulumi.Context, name string, args *DatabaseArgs, opts ...pulumi.ResourceOption) (*Database, error) {
	var r Database
	err := ctx.RegisterResource(DatabaseToken, name, args, &r, opts...)
	return &r, err
}

// DatabaseUserArgs names a login.
type DatabaseUserArgs struct {
	Project    pulumi.StringInput // required
	ServiceID  pulumi.StringInput // required
	Username   pulumi.StringInput // lower-case letters, digits and _; required
	Generation pulumi.IntPtrInput // raise it for a new password; 1 when empty
}

type databaseUserArgs struct {
	Project    string `pulumi:"project"`
	ServiceID  string `pulumi:"serviceId"`
	Username   string `pulumi:"username"`
	Generation *int   `pulumi:"generation"`
}

// ElementType tells the Pulumi runtime how to marshal DatabaseUserArgs.
func (DatabaseUserArgs) ElementType() reflect.Type { return reflect.TypeFor[databaseUserArgs]() }

// DatabaseUser is a login.
type DatabaseUser struct {
	pulumi.CustomResourceState

	Password pulumi.StringOutput `pulumi:"password"` // secret
}

// NewDatabaseUser registers a login.
func NewDatabaseUser(ctx *pulumi.Context, name string, args *DatabaseUserArgs, opts ...pulumi.ResourceOption) (*DatabaseUser, error) {
	var r DatabaseUser
	opts = append([]pulumi.ResourceOption{pulumi.AdditionalSecretOutputs([]string{"password"})}, opts...)
	err := ctx.RegisterResource(DatabaseUserToken, name, args, &r, opts...)
	return &r, err
}

// LogicalDatabaseArgs names one database of a service.
type LogicalDatabaseArgs struct {
	Project    pulumi.StringInput  // required
	ServiceID  pulumi.StringInput  // required
	Database   pulumi.StringInput  // lower-case letters, digits and _; required
	Disposable pulumi.BoolPtrInput // it may be dropped with its data
}

type logicalDatabaseArgs struct {
	Project    string `pulumi:"project"`
	ServiceID  string `pulumi:"serviceId"`
	Database   string `pulumi:"database"`
	Disposable *bool  `pulumi:"disposable"`
}

// ElementType tells the Pulumi runtime how to marshal LogicalDatabaseArgs.
func (LogicalDatabaseArgs) ElementType() reflect.Type { return reflect.TypeFor[logicalDatabaseArgs]() }

// LogicalDatabase is one database of a service.
type LogicalDatabase struct{ pulumi.CustomResourceState }

// NewLogicalDatabase registers one database of a service.
func NewLogicalDatabase(ctx *pulumi.Context, name string, args *LogicalDatabaseArgs, opts ...pulumi.ResourceOption) (*LogicalDatabase, error) {
	var r LogicalDatabase
	err := ctx.RegisterResource(LogicalDatabaseToken, name, args, &r, opts...)
	return &r, err
}

// DatabaseAccessArgs is the whole list of addresses that may connect. A fork that is not scrubbed is never opened.
type DatabaseAccessArgs struct {
	Project   pulumi.StringInput      // required
	ServiceID pulumi.StringInput      // of a fork, DatabaseScrub's ScrubbedID; required
	Addresses pulumi.StringArrayInput // IPv4 addresses or networks; none closes the service
}

type databaseAccessArgs struct {
	Project   string   `pulumi:"project"`
	ServiceID string   `pulumi:"serviceId"`
	Addresses []string `pulumi:"addresses"`
}

// ElementType tells the Pulumi runtime how to marshal DatabaseAccessArgs.
func (DatabaseAccessArgs) ElementType() reflect.Type { return reflect.TypeFor[databaseAccessArgs]() }

// DatabaseAccess is the list of addresses that may connect.
type DatabaseAccess struct{ pulumi.CustomResourceState }

// NewDatabaseAccess registers the list of addresses that may connect.
func NewDatabaseAccess(ctx *pulumi.Context, name string, args *DatabaseAccessArgs, opts ...pulumi.ResourceOption) (*DatabaseAccess, error) {
	var r DatabaseAccess
	err := ctx.RegisterResource(DatabaseAccessToken, name, args, &r, opts...)
	return &r, err
}

// ScrubRule says what happens to one column, or to one table, of a fork. See components/ovh/scrub.
type ScrubRule struct {
	Target string  `pulumi:"target"`
	Action string  `pulumi:"action"`
	Value  *string `pulumi:"value"`
	Why    *string `pulumi:"why"`
}

// DatabaseScrubArgs says how the personal data of a fork is replaced.
type DatabaseScrubArgs struct {
	Project   pulumi.StringInput // required
	ServiceID pulumi.StringInput // the fork; required
	Database  pulumi.StringInput // the database that the rules are for; any other with personal data is refused; required
	Username  pulumi.StringInput // the user that owns its tables; required
	Scrubber  pulumi.StringInput // public IPv4 address of the machine that runs pulumi up; nobody else may connect meanwhile; required
	Rules     []ScrubRule        // plain, so that the first preview checks them
}

type databaseScrubArgs struct {
	Project   string      `pulumi:"project"`
	ServiceID string      `pulumi:"serviceId"`
	Database  string      `pulumi:"database"`
	Username  string      `pulumi:"username"`
	Scrubber  string      `pulumi:"scrubber"`
	Rules     []ScrubRule `pulumi:"rules"`
}

// ElementType tells the Pulumi runtime how to marshal DatabaseScrubArgs.
func (DatabaseScrubArgs) ElementType() reflect.Type { return reflect.TypeFor[databaseScrubArgs]() }

// DatabaseScrub is a fork whose personal data is replaced.
type DatabaseScrub struct {
	pulumi.CustomResourceState

	ScrubbedID pulumi.StringOutput `pulumi:"scrubbedId"` // the fork's ServiceID, once it is scrubbed
	Rows       pulumi.IntMapOutput `pulumi:"rows"`       // by table: rows rewritten
}

// NewDatabaseScrub registers the scrub of a fork.
func NewDatabaseScrub(ctx *pulumi.Context, name string, args *DatabaseScrubArgs, opts ...pulumi.ResourceOption) (*DatabaseScrub, error) {
	var r DatabaseScrub
	err := ctx.RegisterResource(DatabaseScrubToken, name, args, &r, opts...)
	return &r, err
}
