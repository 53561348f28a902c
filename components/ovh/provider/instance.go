package provider

import (
	"context"
	"encoding/json"
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

// Instance is one of Public Cloud, billed by the hour until it is deleted.
type Instance struct{}

// InstanceArgs is what is made. See sdk.InstanceArgs.
type InstanceArgs struct {
	Project      string  `pulumi:"project"`
	Region       string  `pulumi:"region"`
	Flavor       string  `pulumi:"flavor"`
	Image        string  `pulumi:"image"`
	Hostname     string  `pulumi:"hostname"`
	SSHPublicKey string  `pulumi:"sshPublicKey"`
	MaxHourly    *string `pulumi:"maxHourly,optional"`
}

// InstanceState is what is known of it.
type InstanceState struct {
	InstanceArgs
	ServiceName  string `pulumi:"serviceName"` // OVH's id of the instance
	Address      string `pulumi:"address"`
	HostKey      string `pulumi:"hostKey"`
	Mark         string `pulumi:"mark"`
	Status       string `pulumi:"status"`
	Created      string `pulumi:"created"` // RFC 3339; hours are counted from it
	HourlyPrice  string `pulumi:"hourlyPrice"`
	MonthlyPrice string `pulumi:"monthlyPrice"`
	Currency     string `pulumi:"currency"`
}

var (
	_ infer.CustomResource[InstanceArgs, InstanceState]       = (*Instance)(nil)
	_ infer.CustomCheck[InstanceArgs]                         = (*Instance)(nil)
	_ infer.CustomDiff[InstanceArgs, InstanceState]           = (*Instance)(nil)
	_ infer.CustomUpdate[InstanceArgs, InstanceState]         = (*Instance)(nil)
	_ infer.CustomRead[InstanceArgs, InstanceState]           = (*Instance)(nil)
	_ infer.CustomDelete[InstanceState]                       = (*Instance)(nil)
	_ infer.ExplicitDependencies[InstanceArgs, InstanceState] = (*Instance)(nil)
)

// Annotate names the resource.
func (r *Instance) Annotate(a infer.Annotator) {
	a.SetToken("index", "Instance")
	a.Describe(&r, "An instance of Public Cloud, billed by the hour until it is deleted. It is found again by its mark, and needs no leave to be removed.")
}

// Check validates the inputs.
func (*Instance) Check(ctx context.Context, r infer.CheckRequest) (infer.CheckResponse[InstanceArgs], error) {
	args, failures, err := infer.DefaultCheck[InstanceArgs](ctx, r.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[InstanceArgs]{Inputs: args, Failures: failures}, err
	}
	fail := func(property, format string, v ...any) {
		if !r.NewInputs.Get(property).HasComputed() {
			failures = append(failures, p.CheckFailure{Property: property, Reason: fmt.Sprintf(format, v...)})
		}
	}
	for property, value := range map[string]string{"project": args.Project, "region": args.Region, "flavor": args.Flavor, "image": args.Image} {
		if value == "" {
			fail(property, "is empty; set it as OVH's manager shows it")
		}
	}
	if n := len(args.Hostname); n < 1 || n > 63 || args.Hostname[0] < 'a' || args.Hostname[0] > 'z' {
		fail("hostname", "%q is not one label of 1 to 63 characters that begins with a letter", args.Hostname)
	}
	if !strings.HasPrefix(args.SSHPublicKey, "ssh-") && !strings.HasPrefix(args.SSHPublicKey, "ecdsa-") {
		fail("sshPublicKey", "is not a line of authorized_keys; give one that begins with ssh-ed25519")
	}
	if m := deref(args.MaxHourly, ""); m != "" {
		if _, err := order.ParseMoney(m); err != nil {
			fail("maxHourly", "%v", err)
		}
	}
	slices.SortFunc(failures, func(a, b p.CheckFailure) int { return strings.Compare(a.Property, b.Property) })
	return infer.CheckResponse[InstanceArgs]{Inputs: args, Failures: failures}, nil
}

// Diff compares. An instance stays what it was made as: a run that made another one beside it would pay for two, and one that ended it first would take a node from its cluster
// without draining it.
func (*Instance) Diff(_ context.Context, r infer.DiffRequest[InstanceArgs, InstanceState]) (infer.DiffResponse, error) {
	was, is := r.State.InstanceArgs, r.Inputs
	resp := infer.DiffResponse{DetailedDiff: map[string]p.PropertyDiff{}}
	var errs []error
	for _, f := range []struct{ property, was, is string }{
		{"project", was.Project, is.Project}, {"region", was.Region, is.Region}, {"flavor", was.Flavor, is.Flavor}, {"image", was.Image, is.Image},
		{"hostname", was.Hostname, is.Hostname}, {"sshPublicKey", was.SSHPublicKey, is.SSHPublicKey},
	} {
		if f.was != f.is {
			errs = append(errs, fmt.Errorf("%s cannot change from %q to %q: an instance stays what it was made as; take the node out of the stack and run, then put it back", f.property, f.was, f.is))
		}
	}
	if deref(was.MaxHourly, "") != deref(is.MaxHourly, "") {
		resp.HasChanges = true
		resp.DetailedDiff["maxHourly"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	return resp, errors.Join(errs...)
}

// instanceQuote is what an instance costs an hour and a month, and the flavor that it is of.
func instanceQuote(ctx context.Context, c *api.Client, project, region, flavor string) (q order.Quote, hourly, tax order.Money, found api.Flavor, err error) {
	all, err := c.Flavors(ctx, project, region)
	if err != nil {
		return q, 0, 0, found, err
	}
	i := slices.IndexFunc(all, func(f api.Flavor) bool { return f.Name == flavor })
	if i < 0 {
		return q, 0, 0, found, fmt.Errorf("flavor %s is not sold in region %q; look at OVH's list of instances", flavor, region)
	}
	found = all[i]
	hourly, catalogue, err := c.HourlyPrice(ctx, found.PlanCodes.Hourly)
	if err != nil {
		return q, 0, 0, found, err
	}
	return order.Quote{Monthly: hourly * hoursPerMonth, First: hourly, Currency: catalogue.Locale.Currency}, hourly, catalogue.Locale.TaxRate, found, nil
}

// findInstance finds the instance of a mark among those of a project.
func findInstance(ctx context.Context, c *api.Client, project, mark string) (*api.Instance, error) {
	all, err := c.Instances(ctx, project)
	if err != nil {
		return nil, err
	}
	var found []api.Instance
	for _, i := range all {
		if i.Name == mark && i.Status != "DELETED" && i.Status != "SOFT_DELETED" {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return &found[0], nil
	}
	ids := make([]string, len(found))
	for i, each := range found {
		ids[i] = each.ID
	}
	return nil, fmt.Errorf("instances %s all carry the mark %s; delete those that are too many in OVH's manager", strings.Join(ids, " and "), mark)
}

// userData is what the image's cloud-init does at its first start: the key into the administrator's account, as OVH's installers do it for servers. JSON is YAML.
func userData(a InstanceArgs) (string, error) {
	text, err := json.Marshal(map[string]any{
		"hostname": a.Hostname, "preserve_hostname": false, "ssh_authorized_keys": []string{a.SSHPublicKey}, "ssh_pwauth": false,
	})
	return "#cloud-config\n" + string(text) + "\n", err
}

// instanceJob is one run's work on one instance.
type instanceJob struct {
	rt   *runtime
	api  *api.Client
	mark string
	args InstanceArgs
}

func newInstanceJob(ctx context.Context, args InstanceArgs) (*instanceJob, error) {
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return nil, err
	}
	mark, err := markOf(ctx)
	return &instanceJob{rt: rt, api: c, mark: mark, args: args}, err
}

// price holds the offer against every bound, enters it into the stack's bill, and gives the flavor's id.
func (j *instanceJob) price(ctx context.Context, out *InstanceState, fresh bool) (api.Flavor, error) {
	q, hourly, _, flavor, err := instanceQuote(ctx, j.api, j.args.Project, j.args.Region, j.args.Flavor)
	if err != nil {
		return flavor, err
	}
	if m := deref(j.args.MaxHourly, ""); m != "" {
		most, err := order.ParseMoney(m)
		if err != nil {
			return flavor, err
		}
		if hourly > most {
			return flavor, fmt.Errorf("nothing was made: an hour costs %s %s, above %s %s; accept it in the stack's offer or choose another flavor", hourly, q.Currency, most, q.Currency)
		}
	}
	if fresh && !flavor.Available {
		return flavor, fmt.Errorf("nothing was made: region %s has no room for flavor %s now; choose another region or flavor, or run again later", j.args.Region, j.args.Flavor)
	}
	out.HourlyPrice, out.MonthlyPrice, out.Currency = hourly.String(), q.Monthly.String(), q.Currency
	return flavor, j.rt.count(urnOf(ctx), q.Monthly, fresh, q.Currency)
}

// image finds the system by its name.
func (j *instanceJob) image(ctx context.Context) (string, error) {
	all, err := j.api.Images(ctx, j.args.Project, j.args.Region)
	if err != nil {
		return "", err
	}
	for _, i := range all {
		if i.Name == j.args.Image && i.Region == j.args.Region && i.Status == "active" {
			return i.ID, nil
		}
	}
	return "", fmt.Errorf("region %s has no active image %q; look at OVH's list of images", j.args.Region, j.args.Image)
}

// take writes what the API says into the state.
func (s *InstanceState) take(v api.Instance) {
	s.ServiceName, s.Status = v.ID, v.Status
	if !v.Created.IsZero() {
		s.Created = v.Created.UTC().Format(time.RFC3339)
	}
	if a := v.Address(); a.IsValid() {
		s.Address = a.String()
	}
}

func (j *instanceJob) id(instance string) string {
	if instance == "" {
		return j.args.Project + "/" + j.mark
	}
	return j.args.Project + "/" + instance
}
