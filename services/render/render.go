// Package render is the service that earns the money: it draws a picture for each reader of a mail. It makes the renderer's Deployment with autoscaler, disruption
// budget and network policy, two Services, a CronJob that warms the caches before a campaign, and what a burst needs: placeholders that hold room for added
// pods, and the renderer's image on every worker.
//
// What a reader would get wrong: the number of pods is the autoscaler's, never the program's; and the Service "renderer" is for occasional callers,
// while the edge and prewarming use the headless "renderer-pods": one balances each request by itself, the other must reach every replica's own cache.
package render

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/database"
	"havre/components/naming"
	"havre/components/workload"
	"havre/components/workload/pod"
	"havre/services/render/picture"
)

// Names inside the cluster.
const (
	Namespace   = "render"
	App         = "renderer"
	PrewarmApp  = "prewarm"
	HeadroomApp = "headroom"
	ImagesApp   = "images"
	PodsService = "renderer-pods"
)

// Path is what the edge lets through to the renderer.
const Path = "/v1/*"

// Private are the query parameters that say who a reader is; logs leave their values out.
func Private() []string { return []string{"name", "reader"} }

const (
	metricsPort = 9090
	// drainDelay outlasts what the edge may still believe: five seconds of a DNS answer's life and two of its own cache.
	drainDelay = 10 * time.Second
	// grace is for requests under way after that.
	grace      = 20 * time.Second
	readersDir = "/etc/campaign"
)

// Args describes the render service.
type Args struct {
	// Image is the renderer's, by digest. Required. A company's own image must serve /healthz and /readyz beside its pictures, have /renderer hold, which does
	// nothing until it is told to end, and /renderer prewarm where Prewarm is given.
	Image string
	// Command replaces the reference renderer's.
	Command []string
	// Port is the container's TCP port; 8080 by default.
	Port int
	// MinReplicas and MaxReplicas bound the autoscaler; at least 2, so that a drain never leaves readers without a picture.
	MinReplicas, MaxReplicas int
	// CPUPercent of the requested processor time is where the autoscaler adds pods; 60 by default.
	CPUPercent int
	// MaxUnavailable pods may be drained at once; 1 by default.
	MaxUnavailable int
	// Resources of each pod. Required.
	Resources pod.Resources
	// PriorityClass is the renderer's, PrewarmClass the campaign's; optional names.
	PriorityClass, PrewarmClass string
	// Headroom holds room for added pods. Required, but for a Review.
	Headroom Headroom
	// Callers are the networks that the edge's requests come from: the nodes' own addresses, as the edge is on their network. At least one.
	Callers []netip.Prefix
	// Database says that the Secret of components/database comes to the namespace, sooner or later: the renderer then looks up a reader whom a request does not
	// name. Its pods start without it. A company's own Command reads the folder database.Folder.
	Database bool
	// Scrapers are the networks that may read metrics; optional.
	Scrapers []netip.Prefix
	// Prewarm warms the caches on a schedule; optional.
	Prewarm *Prewarm
	// Namespace is the service's own; Namespace by default.
	Namespace string
	// Review is a pull request's copy, for people to look at: nothing holds room for it, and no node keeps its image.
	Review bool
	// After are real resources that must be there before anything of the service.
	After []pulumi.Resource
}

// Headroom is room that placeholders hold: each requests what a pod of the renderer does, and goes at once when one needs its place.
type Headroom struct {
	// Image is a pause container's, by digest, with its program at /pause.
	Image string
	// Pods is the number of placeholders; 0 for none.
	Pods int
	// PriorityClass is a name. It must be below the renderer's, or placeholders keep what they hold.
	PriorityClass string
}

// Prewarm describes a campaign whose pictures are drawn before its mails go out.
type Prewarm struct {
	// Schedule is a cron expression of five fields in TimeZone, an IANA name.
	Schedule, TimeZone string
	// Campaign is its identifier.
	Campaign string
	// Readers are those whose pictures are drawn; 1 to about 10,000 (a ConfigMap ends at 1 MiB). Longer lists come from the company's own image.
	Readers []Reader
	// Suspended keeps the schedule from starting runs.
	Suspended bool
}

// Reader is one reader of a campaign, in the terms of picture.Picture.
type Reader struct{ ID, Name, Offer, Price string }

// Render is the render service.
type Render struct {
	pulumi.ResourceState

	// Deployment is the renderer's.
	Deployment *workload.Deployment
	// Prewarm is nil without a campaign.
	Prewarm *workload.CronJob
	// Host is the Service's full name inside the cluster, PodsHost the headless one's, Port the port of both.
	Host, PodsHost string
	Port           int

	// Namespace is there before anything else of the service: what its pods need goes in beside them.
	Namespace pulumi.Resource

	resources []pulumi.Resource
}

// Resources are the real resources to depend on.
func (r *Render) Resources() []pulumi.Resource { return r.resources }

// withDefaults fills a copy.
func (a Args) withDefaults() Args {
	if a.Port == 0 {
		a.Port = 8080
	}
	if a.Namespace == "" {
		a.Namespace = Namespace
	}
	if a.CPUPercent == 0 {
		a.CPUPercent = 60
	}
	if len(a.Command) == 0 {
		a.Command = []string{
			"/renderer", "serve", "--listen", ":" + strconv.Itoa(a.Port), "--metrics-listen", ":" + strconv.Itoa(metricsPort),
			"--drain-delay", drainDelay.String(), "--grace", grace.String(), "--cache-mib", strconv.FormatInt(max(int64(a.Resources.MemoryLimit/pod.MiB)/2, 1), 10),
		}
		if a.Database {
			a.Command = append(a.Command, "--database", database.Folder)
		}
	}
	return a
}

// Validate reports everything that is wrong, joined.
func (a Args) Validate() error {
	a = a.withDefaults()
	var errs []error
	if a.MinReplicas < 2 {
		errs = append(errs, fmt.Errorf("min replicas %d: give 2 or more, or a drain leaves readers without a picture", a.MinReplicas))
	}
	if len(a.Callers) == 0 {
		errs = append(errs, errors.New("callers: none given; give the nodes' network, from which the edge asks"))
	}
	if a.Review && (a.Headroom != Headroom{} || a.Prewarm != nil) {
		errs = append(errs, errors.New("review: headroom or prewarming given; a review has neither"))
	}
	if !a.Review && (a.Headroom.PriorityClass == "" || a.Headroom.PriorityClass == a.PriorityClass) {
		errs = append(errs, fmt.Errorf("headroom: priority class %q beside the renderer's %q; give a lower one, or placeholders keep what they hold", a.Headroom.PriorityClass, a.PriorityClass))
	}
	errs = append(errs, a.deployment(nil).Validate())
	if err := a.headroom(nil).Validate(); err != nil && !a.Review {
		errs = append(errs, fmt.Errorf("headroom: %w", err))
	}
	if a.Prewarm != nil {
		errs = append(errs, a.Prewarm.validate())
		if cron, err := a.cronJob(nil); err == nil {
			errs = append(errs, cron.Validate())
		}
	}
	return errors.Join(errs...)
}

func (p Prewarm) validate() error {
	if len(p.Readers) == 0 {
		return errors.New("prewarm: no readers given; give at least one, or no prewarming")
	}
	_, err := p.list()
	return err
}

// list is the campaign's readers as the renderer's prewarm reads them.
func (p Prewarm) list() (string, error) {
	var errs []error
	var text strings.Builder
	table := csv.NewWriter(&text)
	rows := [][]string{{"reader", "name", "offer", "price"}}
	seen := map[string]bool{}
	for i, r := range p.Readers {
		drawn := picture.Picture{Campaign: p.Campaign, Reader: r.ID, Name: r.Name, Offer: r.Offer, Price: r.Price}
		if err := drawn.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("prewarm: reader %d (%q): %s", i, r.ID, strings.ReplaceAll(err.Error(), "\n", "; ")))
		}
		if seen[r.ID] {
			errs = append(errs, fmt.Errorf("prewarm: reader %d (%q): is given twice", i, r.ID))
		}
		seen[r.ID] = true
		rows = append(rows, []string{r.ID, r.Name, r.Offer, r.Price})
	}
	if err := table.WriteAll(rows); err != nil {
		errs = append(errs, fmt.Errorf("prewarm: %w", err))
	}
	return text.String(), errors.Join(errs...)
}

func (a Args) deployment(after []pulumi.Resource) workload.DeploymentArgs {
	var from []workload.Peer
	for _, prefix := range a.Callers {
		from = append(from, workload.Peer{Prefix: prefix, Ports: []int{a.Port}})
	}
	from = append(from, workload.Peer{App: PrewarmApp, Ports: []int{a.Port}})
	for _, prefix := range a.Scrapers {
		from = append(from, workload.Peer{Prefix: prefix, Ports: []int{metricsPort}})
	}
	probe := func(path string, every time.Duration, failures int) *pod.Probe {
		return &pod.Probe{Path: path, Port: "http", Every: every, Failures: failures}
	}
	network := workload.Network{From: from}
	var volumes []pod.Volume
	if a.Database {
		// The service has a name at OVH. The way to its address is the database's own policy.
		network.DNS = true
		volumes = []pod.Volume{{Name: "database", Path: database.Folder, Secret: database.App, Optional: true}}
	}
	return workload.DeploymentArgs{
		Common: workload.Common{
			Namespace: a.Namespace, After: after,
			Pod: pod.Pod{
				App: App, Kind: pod.Service, Image: a.Image, Command: slices.Clone(a.Command),
				// The collector works harder near the limit instead of the kernel killing the pod.
				Env:       []pod.Env{{Name: "GOMEMLIMIT", Value: strconv.FormatInt(int64(a.Resources.MemoryLimit*9/10), 10)}},
				Ports:     []pod.Port{{Name: "http", Number: a.Port}, {Name: "metrics", Number: metricsPort}},
				Readiness: probe("/readyz", 2*time.Second, 2),
				// Slow on purpose: a pod that draws at its limit is busy, not dead.
				Liveness:  probe("/healthz", 10*time.Second, 6),
				Startup:   probe("/healthz", time.Second, 60),
				Resources: a.Resources, PriorityClass: a.PriorityClass, Volumes: volumes,
				Grace: drainDelay + grace + 5*time.Second,
			},
			Network: network,
		},
		Autoscale:      &workload.Autoscale{Min: a.MinReplicas, Max: a.MaxReplicas, CPUPercent: a.CPUPercent},
		MaxUnavailable: a.MaxUnavailable,
	}
}

// headroom are the placeholders.
func (a Args) headroom(after []pulumi.Resource) workload.DeploymentArgs {
	return workload.DeploymentArgs{
		Common: workload.Common{
			Namespace: a.Namespace, After: after,
			Pod: pod.Pod{
				App: HeadroomApp, Kind: pod.Placeholder, Image: a.Headroom.Image, Command: []string{"/pause"}, PriorityClass: a.Headroom.PriorityClass,
				Resources: pod.Resources{CPU: a.Resources.CPU, CPULimit: a.Resources.CPU, Memory: a.Resources.Memory, MemoryLimit: a.Resources.Memory},
			},
		},
		Replicas: a.Headroom.Pods,
	}
}

// images keeps the renderer's image on every worker: kubelet removes images only that no container uses.
func (a Args) images(after []pulumi.Resource) workload.DaemonSetArgs {
	return workload.DaemonSetArgs{Common: workload.Common{
		Namespace: a.Namespace, After: after,
		Pod: pod.Pod{
			App: ImagesApp, Kind: pod.Keeper, Image: a.Image, Command: []string{"/renderer", "hold"},
			Resources: pod.Resources{CPU: 1, CPULimit: 100, Memory: 16 * pod.MiB, MemoryLimit: 64 * pod.MiB},
		},
	}}
}

func (a Args) cronJob(after []pulumi.Resource) (workload.CronJobArgs, error) {
	list, err := a.Prewarm.list()
	if err != nil {
		return workload.CronJobArgs{}, err
	}
	return workload.CronJobArgs{
		Common: workload.Common{
			Namespace: a.Namespace, After: after,
			Pod: pod.Pod{
				App: PrewarmApp, Kind: pod.Task, Image: a.Image,
				Command: []string{
					"/renderer", "prewarm", "--base", "http://" + workload.ServiceHost(a.Namespace, PodsService) + ":" + strconv.Itoa(a.Port), "--every-address",
					"--campaign", a.Prewarm.Campaign, "--readers", readersDir + "/readers.csv",
				},
				Resources:     pod.Resources{CPU: 50, CPULimit: 500, Memory: 32 * pod.MiB, MemoryLimit: 128 * pod.MiB},
				PriorityClass: a.PrewarmClass,
			},
			Config:  workload.Config{Path: readersDir, Files: map[string]string{"readers.csv": list}},
			Network: workload.Network{To: []workload.Peer{{App: App, Ports: []int{a.Port}}}, DNS: true},
		},
		Run:      workload.Run{Timeout: 30 * time.Minute, Retries: 2},
		Schedule: a.Prewarm.Schedule, TimeZone: a.Prewarm.TimeZone, Suspended: a.Prewarm.Suspended,
	}, nil
}

// New makes the render service.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Render, error) {
	args = args.withDefaults()
	if err := args.Validate(); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	r := &Render{Host: workload.ServiceHost(args.Namespace, App), PodsHost: workload.ServiceHost(args.Namespace, PodsService), Port: args.Port}
	if err := ctx.RegisterComponentResource(naming.Render, name, r, opts...); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	namespace, err := workload.NewNamespace(ctx, name, workload.NamespaceArgs{Namespace: args.Namespace, After: args.After}, pulumi.Parent(r))
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	r.Namespace = namespace.Namespace
	after := append([]pulumi.Resource{namespace.Namespace}, args.After...)
	renderer := naming.Child(name, App)
	r.Deployment, err = workload.NewDeployment(ctx, renderer, args.deployment(after), pulumi.Parent(r))
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	ports := []workload.ServicePort{{Name: "http", Number: args.Port}}
	service, err := workload.NewService(ctx, renderer, workload.ServiceArgs{
		Namespace: args.Namespace, Service: App, App: App, Ports: ports, After: after,
	}, pulumi.Parent(r))
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	pods, err := workload.NewService(ctx, naming.Child(name, PodsService), workload.ServiceArgs{
		Namespace: args.Namespace, Service: PodsService, App: App, Ports: ports, Headless: true, After: after,
	}, pulumi.Parent(r))
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	r.resources = slices.Concat(r.Deployment.Resources(), service.Resources(), pods.Resources(), namespace.Resources())
	if args.Review {
		return r, ctx.RegisterResourceOutputs(r, pulumi.Map{"host": pulumi.String(r.Host), "podsHost": pulumi.String(r.PodsHost)})
	}
	// After the renderer's own pods, which readers wait for; nothing waits for these.
	idle := append(r.Deployment.Resources(), after...)
	if _, err := workload.NewDeployment(ctx, naming.Child(name, HeadroomApp), args.headroom(idle), pulumi.Parent(r)); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	if _, err := workload.NewDaemonSet(ctx, naming.Child(name, ImagesApp), args.images(idle), pulumi.Parent(r)); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	if args.Prewarm != nil {
		cron, err := args.cronJob(after)
		if err != nil {
			return nil, fmt.Errorf("render %s: %w", name, err)
		}
		r.Prewarm, err = workload.NewCronJob(ctx, naming.Child(name, PrewarmApp), cron, pulumi.Parent(r))
		if err != nil {
			return nil, fmt.Errorf("render %s: %w", name, err)
		}
		r.resources = append(r.resources, r.Prewarm.Resources()...)
	}
	return r, ctx.RegisterResourceOutputs(r, pulumi.Map{"host": pulumi.String(r.Host), "podsHost": pulumi.String(r.PodsHost)})
}
