package edge

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
	"havre/components/workload"
	"havre/components/workload/pod"
	"havre/services/edge/domains"
)

// DomainsApp is the permission service's name in the edge's namespace.
const DomainsApp = "domains"

const (
	domainsPort   = 8080
	domainsPath   = "/etc/domains"
	domainsFile   = "domains.txt"
	domainsMemory = 32 * pod.MiB
)

func (c Customers) validate() error {
	var errs []error
	if len(c.Callers) == 0 {
		errs = append(errs, errors.New("customers: callers: none given; give the nodes' network, from which the edge asks"))
	}
	if _, err := domains.Parse(strings.Join(c.Domains, "\n")); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, c.deployment(nil, "").Validate())
	return errors.Join(errs...)
}

func (c Customers) command() []string {
	line := []string{"/domains", "--listen", ":" + strconv.Itoa(domainsPort), "--list", domainsPath + "/" + domainsFile}
	if c.Reviews != "" {
		line = append(line, "--reviews", c.Reviews)
	}
	return line
}

// deployment is the permission service: two pods, each with the whole list.
func (c Customers) deployment(after []pulumi.Resource, priority string) workload.DeploymentArgs {
	var from []workload.Peer
	for _, prefix := range c.Callers {
		from = append(from, workload.Peer{Prefix: prefix, Ports: []int{domainsPort}})
	}
	probe := func(path string, every time.Duration, failures int) *pod.Probe {
		return &pod.Probe{Path: path, Port: "http", Every: every, Failures: failures}
	}
	return workload.DeploymentArgs{
		Common: workload.Common{
			Namespace: Namespace, After: after,
			Pod: pod.Pod{
				App: DomainsApp, Kind: pod.Service, Image: c.Image,
				Command:   c.command(),
				Ports:     []pod.Port{{Name: "http", Number: domainsPort}},
				Readiness: probe("/healthz", 2*time.Second, 2), Liveness: probe("/healthz", 10*time.Second, 6),
				Resources:     pod.Resources{CPU: 10, CPULimit: 200, Memory: domainsMemory, MemoryLimit: 2 * domainsMemory},
				PriorityClass: priority,
			},
			// The comment keeps the file from being empty while nobody has a domain of their own.
			Config:  workload.Config{Path: domainsPath, Files: map[string]string{domainsFile: "# customers' own domains, one a line\n" + strings.Join(append(c.Domains, ""), "\n")}},
			Network: workload.Network{From: from},
		},
		Replicas: 2,
	}
}

// build makes the permission service and gives what to wait for.
func (c Customers) build(ctx *pulumi.Context, name string, namespace *workload.Namespace, args Args, opts ...pulumi.ResourceOption) ([]pulumi.Resource, error) {
	after := append([]pulumi.Resource{namespace.Namespace}, args.After...)
	name = naming.Child(name, DomainsApp)
	deployment, err := workload.NewDeployment(ctx, name, c.deployment(after, args.PriorityClass), opts...)
	if err != nil {
		return nil, err
	}
	service, err := workload.NewService(ctx, name, workload.ServiceArgs{
		Namespace: Namespace, Service: DomainsApp, App: DomainsApp, Ports: []workload.ServicePort{{Name: "http", Number: domainsPort}}, After: after,
	}, opts...)
	if err != nil {
		return nil, err
	}
	return append(deployment.Resources(), service.Resources()...), nil
}
