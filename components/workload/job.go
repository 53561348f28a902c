package workload

import (
	"errors"
	"fmt"
	"strings"
	"time"

	batchv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/batch/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
	"havre/components/workload/pod"
)

// Run bounds one run of a Job.
type Run struct {
	// Timeout ends the run with all its attempts, in whole seconds. Required: a hanging run would keep the next from starting.
	Timeout time.Duration
	// Retries are attempts after a failed first one; 0 for none.
	Retries int
	// Keep is how long a finished run and its log stay, in whole seconds; a day by default.
	Keep time.Duration
}

func (r Run) validate() error {
	var errs []error
	if r.Timeout < time.Second || r.Timeout%time.Second != 0 {
		errs = append(errs, fmt.Errorf("timeout %s: give whole seconds, 1s or more", r.Timeout))
	}
	if r.Retries < 0 {
		errs = append(errs, fmt.Errorf("retries %d: give 0 or more", r.Retries))
	}
	if r.Keep < 0 || r.Keep%time.Second != 0 {
		errs = append(errs, fmt.Errorf("keep %s: give whole seconds", r.Keep))
	}
	return errors.Join(errs...)
}

func (r Run) spec(p parts) *batchv1.JobSpecArgs {
	keep := r.Keep
	if keep == 0 {
		keep = 24 * time.Hour
	}
	return &batchv1.JobSpecArgs{
		ActiveDeadlineSeconds:   pulumi.Int(int(r.Timeout / time.Second)),
		BackoffLimit:            pulumi.Int(r.Retries),
		TtlSecondsAfterFinished: pulumi.Int(int(keep / time.Second)),
		Template:                p.template,
	}
}

// CronJobArgs describes a CronJob.
type CronJobArgs struct {
	Common
	Run Run
	// Schedule is a cron expression of five fields.
	Schedule string
	// TimeZone is an IANA name such as Europe/Paris. Required: the controller's own zone is not a promise.
	TimeZone string
	// Suspended keeps the schedule from starting runs; they can still be made by hand from it.
	Suspended bool
}

// CronJob is a workload that runs to its end at given times. Two runs never overlap.
type CronJob struct {
	pulumi.ResourceState

	CronJob   *batchv1.CronJob
	resources []pulumi.Resource
}

// Resources are the real resources to depend on, the CronJob first.
func (c *CronJob) Resources() []pulumi.Resource { return c.resources }

// Validate reports everything that is wrong, joined.
func (a CronJobArgs) Validate() error {
	errs := []error{a.validate("pod.Task", pod.Task), a.Run.validate()}
	if n := len(strings.Fields(a.Schedule)); n != 5 {
		errs = append(errs, fmt.Errorf("schedule %q has %d fields; give five: minute, hour, day, month, weekday", a.Schedule, n))
	}
	if a.TimeZone == "" || a.TimeZone == "Local" || strings.ContainsAny(a.TimeZone, " \t") {
		errs = append(errs, fmt.Errorf("time zone %q: give an IANA name such as Europe/Paris", a.TimeZone))
	}
	// The controller appends 11 characters to the name for each run's Job.
	if len(a.Pod.App) > 52 {
		errs = append(errs, fmt.Errorf("app %q has %d bytes; a cron job's name has at most 52", a.Pod.App, len(a.Pod.App)))
	}
	return errors.Join(errs...)
}

// NewCronJob makes a CronJob with its network policy and configuration.
func NewCronJob(ctx *pulumi.Context, name string, args CronJobArgs, opts ...pulumi.ResourceOption) (*CronJob, error) {
	if err := args.Validate(); err != nil {
		return nil, fmt.Errorf("cron job %s: %w", name, err)
	}
	c := &CronJob{}
	if err := ctx.RegisterComponentResource(naming.WorkloadCronJob, name, c, opts...); err != nil {
		return nil, fmt.Errorf("cron job %s: %w", name, err)
	}
	parts, err := args.build(ctx, name, c)
	if err != nil {
		return nil, fmt.Errorf("cron job %s: %w", name, err)
	}
	c.CronJob, err = batchv1.NewCronJob(ctx, naming.Child(name, "cron-job"), &batchv1.CronJobArgs{
		Metadata: args.metadata(),
		Spec: &batchv1.CronJobSpecArgs{
			ConcurrencyPolicy:          pulumi.String("Forbid"),
			FailedJobsHistoryLimit:     pulumi.Int(3),
			JobTemplate:                &batchv1.JobTemplateSpecArgs{Spec: args.Run.spec(parts)},
			Schedule:                   pulumi.String(args.Schedule),
			StartingDeadlineSeconds:    pulumi.Int(600),
			SuccessfulJobsHistoryLimit: pulumi.Int(1),
			Suspend:                    pulumi.Bool(args.Suspended),
			TimeZone:                   pulumi.String(args.TimeZone),
		},
	}, pulumi.Parent(c), args.after(parts))
	if err != nil {
		return nil, fmt.Errorf("cron job %s: %w", name, err)
	}
	c.resources = append([]pulumi.Resource{c.CronJob}, parts.resources...)
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{})
}

// JobArgs describes a Job. Its pod cannot be changed: any change replaces the Job, which runs it again.
type JobArgs struct {
	Common
	Run Run
}

// Job is a workload that runs to its end once; the program waits for it.
type Job struct {
	pulumi.ResourceState

	Job       *batchv1.Job
	resources []pulumi.Resource
}

// Resources are the real resources to depend on, the Job first.
func (j *Job) Resources() []pulumi.Resource { return j.resources }

// Validate reports everything that is wrong, joined.
func (a JobArgs) Validate() error {
	return errors.Join(a.validate("pod.Task", pod.Task), a.Run.validate())
}

// NewJob makes a Job with its network policy and configuration.
func NewJob(ctx *pulumi.Context, name string, args JobArgs, opts ...pulumi.ResourceOption) (*Job, error) {
	if err := args.Validate(); err != nil {
		return nil, fmt.Errorf("job %s: %w", name, err)
	}
	j := &Job{}
	if err := ctx.RegisterComponentResource(naming.WorkloadJob, name, j, opts...); err != nil {
		return nil, fmt.Errorf("job %s: %w", name, err)
	}
	parts, err := args.build(ctx, name, j)
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", name, err)
	}
	spec := args.Run.spec(parts)
	// A Job that the cluster removed by itself would be made, and run, again at the next refresh.
	spec.TtlSecondsAfterFinished = nil
	j.Job, err = batchv1.NewJob(ctx, naming.Child(name, "job"), &batchv1.JobArgs{Metadata: args.metadata(), Spec: spec},
		pulumi.Parent(j), args.after(parts), pulumi.DeleteBeforeReplace(true))
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", name, err)
	}
	j.resources = append([]pulumi.Resource{j.Job}, parts.resources...)
	return j, ctx.RegisterResourceOutputs(j, pulumi.Map{})
}
