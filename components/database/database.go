// Package database makes the managed PostgreSQL of a stack: the service at OVH, its user and database, the addresses that may connect, a Secret with the
// connection, and the way out to it for the pods that use it. Of a fork it makes the scrub as well.
//
// What a reader would get wrong: of a fork nothing here takes the service's own id but the scrub. User, database, addresses and Secret take the id that the
// scrub gives when it is done, so no order of a program's lines, no lost state and no interrupted run lets a pod reach data that is not scrubbed. The provider
// refuses to open an unscrubbed fork besides.
package database

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
	"havre/components/ovh/scrub"
	"havre/components/ovh/sdk"
)

// App is the Secret's name and label.
const App = "database"

// Keys of the Secret, which a pod mounts at Folder: the URL has the server verified by AuthorityFile there.
const (
	KeyURL        = "url"
	KeyHost       = "host"
	KeyPort       = "port"
	KeyDatabase   = "database"
	KeyUser       = "user"
	KeyPassword   = "password"
	AuthorityFile = "ca.crt"
	Folder        = "/etc/database"
)

// Args describes a managed PostgreSQL.
type Args struct {
	// Project is the id of the Public Cloud project. Required, as are the next five.
	Project string
	// Plan, Version, Flavor, Nodes and Region are OVH's words: "production", "17", "b3-8", 2, "GRA".
	Plan    string
	Version string
	Flavor  string
	Nodes   int
	Region  string
	// DiskGB of each node; 0 for what the flavor has.
	DiskGB int
	// MaxMonthly is the most that the stack agreed to pay a month, net, such as "176.00"; empty for no bound.
	MaxMonthly string
	// Name is the database that pods use, User whom they log in as. Required.
	Name string
	User string
	// Fork makes it a scrubbed copy of another stack's; nil for a database of its own.
	Fork *Fork
	// Allowed are the public IPv4 addresses that pods connect from, by host. The hosts are known early; the addresses may not be. At least one.
	Allowed map[string]pulumi.StringInput
	// Namespace is where the Secret goes. It must exist, so name its resource in After.
	Namespace string
	// Client is the app in Namespace whose pods connect; a policy lets them out to the service. Required.
	Client string
	// Inside are the platform's own networks, IPv4: the service is in none of them, and the policy opens none of them.
	Inside []netip.Prefix
	// Before must be there before anything is ordered: the stack's Budget. After must be there before the Secret and the policy.
	Before, After []pulumi.Resource
	// Retired lifts the protection of a database that is being given up; Disposable is for test stacks.
	Retired    bool
	Disposable bool
}

// Fork says whose data a copy begins with, and how it is scrubbed.
type Fork struct {
	// Of is the stack whose latest backup is copied.
	Of string
	// Generation counts the copies, from 1. A higher one copies anew: the new copy is scrubbed and in use before the old one ends.
	Generation int
	// Scrubber is the public IPv4 address of the machine that runs Pulumi.
	Scrubber netip.Addr
	// Rules say what is personal. At least one.
	Rules []scrub.Rule
}

// Database is a managed PostgreSQL that pods may use.
type Database struct {
	pulumi.ResourceState

	// Service is OVH's; MonthlyPrice of it is known at preview.
	Service *sdk.Database
	// Secret holds the connection.
	Secret *corev1.Secret

	resources []pulumi.Resource
}

// Resources are the real resources to depend on: with all of them there, pods can connect.
func (d *Database) Resources() []pulumi.Resource { return d.resources }

var (
	projectID = regexp.MustCompile(`^[0-9a-f]{32}$`)
	sqlName   = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
)

// Validate reports everything that is wrong, joined.
func (a Args) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !projectID.MatchString(a.Project) {
		fail("project %q is not 32 hexadecimal digits; give what OVH's manager shows", a.Project)
	}
	for _, v := range []struct{ what, value, like string }{
		{"plan", a.Plan, "production"}, {"version", a.Version, "17"}, {"flavor", a.Flavor, "b3-8"}, {"region", a.Region, "GRA"},
	} {
		if v.value == "" {
			fail("%s is missing; give one such as %s", v.what, v.like)
		}
	}
	if a.Nodes < 1 {
		fail("nodes are %d; give what the plan has, 1 to 3", a.Nodes)
	}
	if a.DiskGB < 0 {
		fail("disk of %d GB; give 0 for what the flavor has", a.DiskGB)
	}
	for _, v := range []struct{ what, value string }{{"name", a.Name}, {"user", a.User}} {
		if !sqlName.MatchString(v.value) {
			fail("%s %q is not a plain name of PostgreSQL; give lower-case letters, digits and _, a letter first", v.what, v.value)
		}
	}
	if len(a.Allowed) == 0 {
		fail("allowed: no address given; give those of the hosts whose pods connect")
	}
	for _, host := range slices.Sorted(maps.Keys(a.Allowed)) {
		if a.Allowed[host] == nil {
			fail("allowed: host %q has no address", host)
		}
	}
	if err := naming.Validate(a.Namespace); err != nil {
		fail("namespace: %w", err)
	}
	if err := naming.Validate(a.Client); err != nil {
		fail("client: %w", err)
	}
	for _, network := range a.Inside {
		if !network.Addr().Is4() || network != network.Masked() {
			fail("inside: %s is not an IPv4 network without host bits; mend it", network)
		}
	}
	if a.Fork != nil {
		errs = append(errs, a.Fork.validate())
	}
	return errors.Join(errs...)
}

func (f Fork) validate() error {
	var errs []error
	if f.Of == "" {
		errs = append(errs, errors.New("fork: of no stack; name the one whose backup is copied"))
	}
	if f.Generation < 1 {
		errs = append(errs, fmt.Errorf("fork: generation %d is below 1; begin with 1 and raise it to copy anew", f.Generation))
	}
	if !f.Scrubber.Is4() {
		errs = append(errs, fmt.Errorf("fork: scrubber %s is not an IPv4 address; give the public one of the machine that runs Pulumi", f.Scrubber))
	}
	if len(f.Rules) == 0 {
		errs = append(errs, errors.New("fork: has no rules, so it would be the other stack's data in another place; say what is personal"))
	}
	return errors.Join(append(errs, scrub.Validate(f.Rules))...)
}

// New makes a managed PostgreSQL. Its children are <name>-service, -scrub (of a fork), -user, -logical, -access, -connection and -route. opts must bring the
// providers of OVH and of the cluster.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Database, error) {
	if err := args.Validate(); err != nil {
		return nil, fmt.Errorf("database %s: %w", name, err)
	}
	d := &Database{}
	if err := ctx.RegisterComponentResource(naming.Database, name, d, opts...); err != nil {
		return nil, fmt.Errorf("database %s: %w", name, err)
	}
	parent := pulumi.Parent(d)
	var err error
	// A fork is made anew by replacing it, which protection would forbid; what is lost with it is a copy.
	protect := pulumi.Protect(args.Fork == nil && !args.Retired && !args.Disposable)
	d.Service, err = sdk.NewDatabase(ctx, naming.Child(name, "service"), args.service(), parent, protect, pulumi.DependsOn(args.Before))
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", name, err)
	}
	project, id := pulumi.String(args.Project), d.Service.ServiceID
	// What lives in the service ends with it: no call for each user of a database that is gone.
	within := pulumi.DeletedWith(d.Service)
	d.resources = []pulumi.Resource{d.Service}
	if args.Fork != nil {
		done, err := sdk.NewDatabaseScrub(ctx, naming.Child(name, "scrub"), &sdk.DatabaseScrubArgs{
			Project: project, ServiceID: d.Service.ServiceID, Database: pulumi.String(args.Name), Username: pulumi.String(args.User),
			Scrubber: pulumi.String(args.Fork.Scrubber.String()), Rules: args.Fork.rules(),
		}, parent, within)
		if err != nil {
			return nil, fmt.Errorf("database %s: %w", name, err)
		}
		id = done.ScrubbedID
		d.resources = append(d.resources, done)
	}
	user, err := sdk.NewDatabaseUser(ctx, naming.Child(name, "user"), &sdk.DatabaseUserArgs{Project: project, ServiceID: id, Username: pulumi.String(args.User)}, parent, within)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", name, err)
	}
	logical := &sdk.LogicalDatabaseArgs{Project: project, ServiceID: id, Database: pulumi.String(args.Name)}
	if args.Disposable || args.Fork != nil {
		logical.Disposable = pulumi.Bool(true)
	}
	inside, err := sdk.NewLogicalDatabase(ctx, naming.Child(name, "logical"), logical, parent, within)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", name, err)
	}
	// While the list of addresses is taken up the service is UPDATING, and refuses users and databases with 409; so it comes after both.
	access, err := sdk.NewDatabaseAccess(ctx, naming.Child(name, "access"), &sdk.DatabaseAccessArgs{Project: project, ServiceID: id, Addresses: args.addresses()},
		parent, within, pulumi.DependsOn([]pulumi.Resource{user, inside}))
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", name, err)
	}
	// The Secret comes last: whoever holds it can connect.
	d.Secret, err = corev1.NewSecret(ctx, naming.Child(name, "connection"), &corev1.SecretArgs{
		Metadata: args.metadata(),
		Type:     pulumi.String("Opaque"),
		StringData: pulumi.ToSecret(pulumi.All(d.Service.Host, d.Service.Port, user.Password, d.Service.Authority).ApplyT(func(v []any) map[string]string {
			return connection(v[0].(string), v[1].(int), args.Name, args.User, v[2].(string), v[3].(string))
		})).(pulumi.StringMapOutput),
	}, parent, pulumi.DependsOn(append([]pulumi.Resource{access, inside}, args.After...)))
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", name, err)
	}
	route, err := networkingv1.NewNetworkPolicy(ctx, naming.Child(name, "route"), args.route(d.Service.Port), parent, pulumi.DependsOn(args.After))
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", name, err)
	}
	d.resources = append(d.resources, user, inside, access, d.Secret, route)
	return d, ctx.RegisterResourceOutputs(d, pulumi.Map{"serviceId": d.Service.ServiceID, "monthlyPrice": d.Service.MonthlyPrice})
}

func (a Args) metadata() *metav1.ObjectMetaArgs {
	return &metav1.ObjectMetaArgs{
		Name: pulumi.String(App), Namespace: pulumi.String(a.Namespace), Labels: pulumi.ToStringMap(naming.Labels(App, "")), Annotations: pulumi.ToStringMap(naming.Annotations()),
	}
}

// route lets the client's pods out to the service's port. A policy of plain Kubernetes knows addresses and no names, and OVH keeps the right to move a service to
// another address behind its name; so the port is what is exact here, and who may connect is held at the other end, by the service's list of addresses.
func (a Args) route(port pulumi.IntInput) *networkingv1.NetworkPolicyArgs {
	anywhere := &networkingv1.IPBlockArgs{Cidr: pulumi.String("0.0.0.0/0")}
	if len(a.Inside) > 0 {
		var inside pulumi.StringArray
		for _, network := range a.Inside {
			inside = append(inside, pulumi.String(network.String()))
		}
		anywhere.Except = inside
	}
	return &networkingv1.NetworkPolicyArgs{
		Metadata: a.metadata(),
		Spec: &networkingv1.NetworkPolicySpecArgs{
			PodSelector: &metav1.LabelSelectorArgs{MatchLabels: pulumi.ToStringMap(naming.Selector(a.Client))},
			PolicyTypes: pulumi.ToStringArray([]string{"Egress"}),
			Egress: networkingv1.NetworkPolicyEgressRuleArray{&networkingv1.NetworkPolicyEgressRuleArgs{
				To:    networkingv1.NetworkPolicyPeerArray{&networkingv1.NetworkPolicyPeerArgs{IpBlock: anywhere}},
				Ports: networkingv1.NetworkPolicyPortArray{&networkingv1.NetworkPolicyPortArgs{Port: port, Protocol: pulumi.String("TCP")}},
			}},
		},
	}
}

func (a Args) service() *sdk.DatabaseArgs {
	out := &sdk.DatabaseArgs{
		Project: pulumi.String(a.Project), Plan: pulumi.String(a.Plan), Version: pulumi.String(a.Version), Flavor: pulumi.String(a.Flavor), Nodes: pulumi.Int(a.Nodes),
		Region: pulumi.String(a.Region),
	}
	if a.DiskGB > 0 {
		out.DiskGB = pulumi.Int(a.DiskGB)
	}
	if a.MaxMonthly != "" {
		out.MaxMonthly = pulumi.String(a.MaxMonthly)
	}
	if a.Fork != nil {
		out.ForkOf, out.Generation = pulumi.String(a.Fork.Of), pulumi.Int(a.Fork.Generation)
	}
	if a.Retired {
		out.Retired = pulumi.Bool(true)
	}
	if a.Disposable {
		out.Disposable = pulumi.Bool(true)
	}
	return out
}

// addresses are those of all hosts, in the order of the hosts' names.
func (a Args) addresses() pulumi.StringArray {
	var out pulumi.StringArray
	for _, host := range slices.Sorted(maps.Keys(a.Allowed)) {
		out = append(out, a.Allowed[host])
	}
	return out
}

func (f Fork) rules() []sdk.ScrubRule {
	var out []sdk.ScrubRule
	for _, r := range f.Rules {
		rule := sdk.ScrubRule{Target: r.Target, Action: string(r.Action)}
		if r.Value != "" {
			rule.Value = &r.Value
		}
		if r.Why != "" {
			rule.Why = &r.Why
		}
		out = append(out, rule)
	}
	return out
}

// connection is the content of the Secret.
func connection(host string, port int, database, user, password, authority string) map[string]string {
	address := url.URL{
		Scheme: "postgresql", User: url.UserPassword(user, password), Host: host + ":" + strconv.Itoa(port), Path: "/" + database,
		RawQuery: "sslmode=verify-full&sslrootcert=" + Folder + "/" + AuthorityFile,
	}
	return map[string]string{
		KeyURL: address.String(), KeyHost: host, KeyPort: strconv.Itoa(port), KeyDatabase: database, KeyUser: user, KeyPassword: password, AuthorityFile: authority,
	}
}
