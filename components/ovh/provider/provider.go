// Package provider is the Pulumi provider "ovhmetal": servers and VPS that are ordered at OVHcloud, their installation, and their place in a vRack.
//
// The one thing a reader would get wrong: an error after a checkout is never a plain error. A plain error makes the engine forget the resource, and the next
// run would buy again; from the moment an order may exist every failure is an infer.ResourceInitFailedError, which keeps what is known, and the next run's
// Update goes on from there. The order of events itself stands in components/ovh/order.
package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/components/ovh/api"
	"havre/components/ovh/order"
	"havre/components/unchanged"
)

// Name and Version of the plugin.
const (
	Name    = "ovhmetal"
	Version = "0.1.0"
)

// Tags on a service: whose it is, what its disks hold, and the fingerprint of its host key. They are what a run on a lost state goes by.
const (
	TagMark       = "havre.mark"
	TagRetired    = "havre.retired"    // the mark of the node that gave it up; the service ends at its expiry unless the node comes back
	TagGeneration = "havre.generation" // "0" delivered, "3" installed; see progress for what lies between
	TagBoot       = "havre.boot"       // "rescue" while it runs OVH's rescue system
	TagHostKey    = "havre.hostkey"    // SHA-256 of the public key's text, in hexadecimal
)

// CartLife is how long carts and claims stay in the account: far longer than the longest delivery.
const CartLife = 60 * 24 * time.Hour

// Options are what a plugin process needs from outside. FromEnvironment fills them.
type Options struct {
	API     api.Options
	Poll    time.Duration                                             // between two looks at an order or a task; 15 s when zero
	Cache   string                                                    // folder of the lock and of the promised prices; the user's cache folder when empty
	HostKey func(ctx context.Context, address string) (string, error) // reads a host's public key; nil dials its sshd
	Log     func(ctx context.Context, status bool, line string)       // nil: the engine's log
	Lock    func(ctx context.Context, account string) (func(), error) // excludes other processes; nil: a lock file in Cache
}

// FromEnvironment reads OVHMETAL_POLL (seconds or a duration), OVHMETAL_CACHE, OVHMETAL_RATE (requests a second) and OVHMETAL_SSH_PROXY
// (socks5://host:port). Credentials are read by the client itself, from OVH's own variables.
func FromEnvironment(getenv func(string) string) (Options, error) {
	o := Options{Cache: getenv("OVHMETAL_CACHE")}
	var errs []error
	if v := getenv("OVHMETAL_POLL"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			var s float64
			if s, err = strconv.ParseFloat(v, 64); err == nil {
				d = time.Duration(s * float64(time.Second))
			}
		}
		if err != nil || d <= 0 {
			errs = append(errs, fmt.Errorf("OVHMETAL_POLL %q is not a time above 0; write seconds such as 15 or a duration such as 200ms", v))
		}
		o.Poll = d
	}
	if v := getenv("OVHMETAL_RATE"); v != "" {
		r, err := strconv.ParseFloat(v, 64)
		if err != nil || r <= 0 {
			errs = append(errs, fmt.Errorf("OVHMETAL_RATE %q is not a number above 0; write requests a second such as 10", v))
		}
		o.API.Rate = r
	}
	dial, err := hostKeyReader(getenv("OVHMETAL_SSH_PROXY"))
	if err != nil {
		errs = append(errs, err)
	}
	o.HostKey = dial
	return o, errors.Join(errs...)
}

// Config is the provider's configuration. Credentials are not part of it, so that none can come to lie in the state.
type Config struct {
	Account     *string  `pulumi:"account,optional"`
	Budget      *string  `pulumi:"budget,optional"`
	WaitMinutes *float64 `pulumi:"waitMinutes,optional"`
}

var (
	_ infer.Annotated       = (*Config)(nil)
	_ infer.CustomConfigure = (*Config)(nil)
)

// Annotate describes the configuration.
func (c *Config) Annotate(a infer.Annotator) {
	a.Describe(&c.Account, "Account that the credentials must belong to, such as ab1234-ovh; any other fails the preview.")
	a.Describe(&c.Budget, "Most the stack may cost a month, net of taxes, such as 1500.00.")
	a.Describe(&c.WaitMinutes, "How long a run waits for a delivery or an installation, in minutes; 60 when empty.")
}

// Configure guards the account before anything is asked or bought.
func (c *Config) Configure(ctx context.Context) error {
	return runtimeOf(ctx).configure(ctx, *c)
}

// runtime is what the resources of one plugin process share.
type runtime struct {
	options Options

	mu      sync.Mutex
	client  *api.Client
	config  Config
	budget  *order.Money
	wait    time.Duration
	monthly map[string]order.Money // by URN: what the stack costs, as far as this run has seen it
	fresh   map[string]bool        // by URN: to be ordered
	holds   map[order.Kind]*bool   // whether the account holds any; for previews
	ended   ledger                 // what this run has ended, and what that has cost

	strangersMu sync.Mutex
	strangers   map[order.Kind][]api.Service // see unmarked
}

// New makes the provider.
func New(o Options) (p.Provider, error) {
	if o.Poll == 0 {
		o.Poll = 15 * time.Second
	}
	if o.API.Pause == 0 {
		o.API.Pause = min(time.Second, max(2*time.Millisecond, o.Poll/20))
	}
	if o.Cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return p.Provider{}, fmt.Errorf("folder for the lock: %w; set OVHMETAL_CACHE", err)
		}
		o.Cache = filepath.Join(dir, "havre", "ovhmetal")
	}
	if o.HostKey == nil {
		dial, err := hostKeyReader("")
		if err != nil {
			return p.Provider{}, err
		}
		o.HostKey = dial
	}
	if o.Log == nil {
		o.Log = func(ctx context.Context, status bool, line string) {
			if status {
				p.GetLogger(ctx).InfoStatus(line)
			} else {
				p.GetLogger(ctx).Info(line)
			}
		}
	}
	rt := &runtime{options: o, wait: time.Hour, monthly: map[string]order.Money{}, fresh: map[string]bool{}, holds: map[order.Kind]*bool{}, strangers: map[order.Kind][]api.Service{}}
	inner, err := infer.NewProviderBuilder().
		WithDisplayName("OVHcloud bare metal").
		WithDescription("Dedicated servers and VPS of OVHcloud: ordered once, installed on purpose, never replaced by a change.").
		WithConfig(infer.Config(&Config{})).
		WithResources(
			infer.Resource(&Server{}), infer.Resource(&VPS{}), infer.Resource(&Installation{}), infer.Resource(&VPSInstallation{}),
			infer.Resource(&SSHKey{}), infer.Resource(&Vrack{}), infer.Resource(&VrackAttachment{}), infer.Resource(&Budget{}),
			infer.Resource(&ReverseDNS{}), infer.Resource(&EdgeFirewall{}), infer.Resource(&Aggregation{}),
			infer.Resource(&Database{}), infer.Resource(&DatabaseUser{}), infer.Resource(&LogicalDatabase{}), infer.Resource(&DatabaseAccess{}),
			infer.Resource(&DatabaseScrub{}), infer.Resource(&Instance{}),
		).
		Build()
	if err != nil {
		return p.Provider{}, err
	}
	return rt.wrap(inner), nil
}

type (
	runtimeKey struct{}
	urnKey     struct{}
)

func runtimeOf(ctx context.Context) *runtime { return ctx.Value(runtimeKey{}).(*runtime) }

func urnOf(ctx context.Context) resource.URN {
	urn, _ := ctx.Value(urnKey{}).(resource.URN)
	return urn
}

// neverReplaced makes updates of replacements. infer replaces a provider whose configuration changes, and with it every server that it has bought: a raised
// budget would be refused for their protection, and without that would order all of them again. The account is guarded by Configure.
func neverReplaced(diff p.DiffResponse) p.DiffResponse {
	kinds := map[p.DiffKind]p.DiffKind{p.AddReplace: p.Add, p.DeleteReplace: p.Delete, p.UpdateReplace: p.Update}
	for path, each := range diff.DetailedDiff {
		if kind, found := kinds[each.Kind]; found {
			each.Kind = kind
			diff.DetailedDiff[path] = each
		}
	}
	diff.DeleteBeforeReplace = false
	return diff
}

// wrap gives every operation the runtime and its URN, which infer does not pass on.
func (rt *runtime) wrap(in p.Provider) p.Provider {
	with := func(ctx context.Context, urn resource.URN) context.Context {
		return context.WithValue(context.WithValue(ctx, runtimeKey{}, rt), urnKey{}, urn)
	}
	out := in
	out.DiffConfig = func(ctx context.Context, r p.DiffRequest) (p.DiffResponse, error) {
		resp, err := in.DiffConfig(ctx, r)
		return neverReplaced(resp), err
	}
	out.Configure = func(ctx context.Context, r p.ConfigureRequest) error { return in.Configure(with(ctx, ""), r) }
	// No check of ours looks at anything but the inputs.
	out.Check = unchanged.Check(func(ctx context.Context, r p.CheckRequest) (p.CheckResponse, error) {
		return in.Check(with(ctx, r.Urn), r)
	})
	out.Diff = func(ctx context.Context, r p.DiffRequest) (p.DiffResponse, error) {
		ctx = with(ctx, r.Urn)
		if settled, err := rt.settled(ctx, r); settled || err != nil {
			return unchanged.None(), err
		}
		return in.Diff(ctx, r)
	}
	out.Create = func(ctx context.Context, r p.CreateRequest) (p.CreateResponse, error) {
		return in.Create(with(ctx, r.Urn), r)
	}
	out.Read = func(ctx context.Context, r p.ReadRequest) (p.ReadResponse, error) {
		return in.Read(with(ctx, r.Urn), r)
	}
	out.Update = func(ctx context.Context, r p.UpdateRequest) (p.UpdateResponse, error) {
		return in.Update(with(ctx, r.Urn), r)
	}
	out.Delete = func(ctx context.Context, r p.DeleteRequest) error { return in.Delete(with(ctx, r.Urn), r) }
	return out
}

func (rt *runtime) configure(ctx context.Context, c Config) error {
	rt.mu.Lock()
	rt.config = c
	if c.WaitMinutes != nil {
		if *c.WaitMinutes <= 0 {
			rt.mu.Unlock()
			return fmt.Errorf("ovhmetal:waitMinutes %v is not above 0; write minutes such as 60", *c.WaitMinutes)
		}
		rt.wait = time.Duration(*c.WaitMinutes * float64(time.Minute))
	}
	if c.Budget != nil && *c.Budget != "" {
		b, err := order.ParseMoney(*c.Budget)
		if err != nil {
			rt.mu.Unlock()
			return fmt.Errorf("ovhmetal:budget: %w", err)
		}
		rt.budget = &b
	}
	rt.mu.Unlock()
	if c.Account == nil || *c.Account == "" {
		return nil
	}
	client, err := rt.api()
	if err != nil {
		return err
	}
	account, err := client.Account(ctx)
	if err != nil {
		return err
	}
	if account.Name != *c.Account {
		return fmt.Errorf("the credentials belong to account %s, but this stack is for %s; use its credentials, or correct ovhmetal:account", account.Name, *c.Account)
	}
	return nil
}

// api makes the client when it is first needed, so that the schema can be read without credentials.
func (rt *runtime) api() (*api.Client, error) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.client == nil {
		c, err := api.New(rt.options.API)
		if err != nil {
			return nil, err
		}
		rt.client = c
	}
	return rt.client, nil
}

// holdsAny says whether the account has a service of that kind at all. A preview asks once for all nodes, so that the first preview of a large fleet takes
// seconds; a run that may buy always asks for its own mark.
func (rt *runtime) holdsAny(ctx context.Context, kind order.Kind, preview bool) (bool, error) {
	if !preview {
		return true, nil
	}
	c, err := rt.api()
	if err != nil {
		return false, err
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.holds[kind] == nil {
		names, err := c.Services(ctx, kind, "", "")
		if err != nil {
			return false, err
		}
		any := len(names) > 0
		rt.holds[kind] = &any
	}
	return *rt.holds[kind], nil
}

// count enters a service into the stack's monthly total and refuses a total above the budget as soon as something new is part of it.
func (rt *runtime) count(urn resource.URN, price order.Money, fresh bool, currency string) error {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.monthly[string(urn)] = price
	if fresh {
		rt.fresh[string(urn)] = true
	}
	if rt.budget == nil || len(rt.fresh) == 0 {
		return nil
	}
	var total order.Money
	for _, m := range rt.monthly {
		total += m
	}
	if total <= *rt.budget {
		return nil
	}
	return fmt.Errorf("nothing was bought: the stack's new total %s %s a month is above its budget of %s %s; raise the budget or order less", total, currency, *rt.budget, currency)
}

func (rt *runtime) log(ctx context.Context, format string, args ...any) {
	rt.options.Log(ctx, false, fmt.Sprintf(format, args...))
}

func (rt *runtime) status(ctx context.Context, format string, args ...any) {
	rt.options.Log(ctx, true, fmt.Sprintf(format, args...))
}

// sleep waits one poll; false when the run is being interrupted.
func (rt *runtime) sleep(ctx context.Context) bool {
	t := time.NewTimer(rt.options.Poll)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// keep turns an error into one that keeps the resource.
func keep(err error) error {
	return infer.ResourceInitFailedError{Reasons: strings.Split(err.Error(), "\n")}
}

func deref(s *string, otherwise string) string {
	if s == nil || *s == "" {
		return otherwise
	}
	return *s
}

func truth(b *bool) bool { return b != nil && *b }
