package workload_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/hosttest"
	"havre/components/workload"
	"havre/components/workload/pod"
)

func expect(t *testing.T, name string, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", name, got, want)
	}
}

const badName = "is not made of lower-case letters, digits and inner hyphens with a letter first; write it like gra-worker-2"

func TestDeploymentRefuses(t *testing.T) {
	expect(t, "valid", deployment().Validate(), "")
	for _, test := range []struct {
		name   string
		mutate func(*workload.DeploymentArgs)
		want   string
	}{
		{"namespace", func(a *workload.DeploymentArgs) { a.Namespace = "Apps" }, `namespace: name "Apps" ` + badName},
		{"kind", func(a *workload.DeploymentArgs) { a.Pod.Kind = pod.Agent }, "the pod's kind is 1; give pod.Service or pod.Placeholder"},
		{"pod", func(a *workload.DeploymentArgs) { a.Pod.Image = "web:latest" }, `image "web:latest" is not pinned; give registry/name@sha256:<64 hex digits>`},
		{"replicas beside an autoscaler", func(a *workload.DeploymentArgs) { a.Replicas = 3 }, "replicas 3 beside an autoscaler: each would undo the other's work; give one of them"},
		{"no replicas", func(a *workload.DeploymentArgs) { a.Autoscale = nil }, "replicas 0: give 1 or more, or an autoscaler"},
		{"autoscale bounds", func(a *workload.DeploymentArgs) { a.Autoscale.Max = 2 }, "autoscale from 3 to 2: give 1 or more, and a maximum no smaller"},
		{"autoscale target", func(a *workload.DeploymentArgs) { a.Autoscale.CPUPercent = 101 }, "autoscale at 101 % of the requested CPU: give 1 to 100"},
		{"budget", func(a *workload.DeploymentArgs) { a.MaxUnavailable = 3 }, "max unavailable 3 of 3 pods: give 1 to 2"},
		{"negative budget", func(a *workload.DeploymentArgs) { a.MaxUnavailable = -1 }, "max unavailable -1 of 3 pods: give 1 to 2"},
		{"config without folder", func(a *workload.DeploymentArgs) { a.Config.Path = "" }, "config: has files but no folder; give one such as /etc/config"},
		{"config without files", func(a *workload.DeploymentArgs) { a.Config.Files = nil }, `config: folder "/etc/web" has no files; give at least one, or no folder`},
		{"config name", func(a *workload.DeploymentArgs) { a.Config.Files = map[string]string{"a/b": ""} }, `config: file name "a/b" is not a plain name; folders inside are not possible`},
		{"config size", func(a *workload.DeploymentArgs) {
			a.Config.Files = map[string]string{"a": strings.Repeat("x", 1<<20)}
		}, "config: has 1048577 bytes; a ConfigMap takes at most 1048576"},
		{"config folder", func(a *workload.DeploymentArgs) { a.Config.Path = "/tmp" }, `volume "config": path "/tmp" is "tmp"'s already; give each its own`},
		{"secret without content", func(a *workload.DeploymentArgs) { a.Secret.Files = map[string]pulumi.StringInput{"k": nil} }, `secret: file "k" has no content`},
		{"peer of nobody", func(a *workload.DeploymentArgs) { a.Network.From = []workload.Peer{{Ports: []int{1}}} }, `network from[0]: app "", namespace "", prefix invalid Prefix; give pods or a prefix`},
		{"peer of both", func(a *workload.DeploymentArgs) {
			a.Network.To = []workload.Peer{{App: "x", Prefix: netip.MustParsePrefix("10.0.0.0/8"), Ports: []int{1}}}
		}, `network to[0]: app "x", namespace "", prefix 10.0.0.0/8; give pods or a prefix`},
		{"peer without ports", func(a *workload.DeploymentArgs) { a.Network.To = []workload.Peer{{App: "x"}} }, "network to[0]: has no ports; give at least one"},
		{"peer port", func(a *workload.DeploymentArgs) { a.Network.To = []workload.Peer{{App: "x", Ports: []int{0}}} }, "network to[0]: port 0 is outside 1–65535"},
		{"peer host bits", func(a *workload.DeploymentArgs) {
			a.Network.From = []workload.Peer{{Prefix: netip.MustParsePrefix("10.80.0.1/16"), Ports: []int{1}}}
		}, "network from[0]: prefix 10.80.0.1/16 has host bits; give 10.80.0.0/16"},
		{"several", func(a *workload.DeploymentArgs) { a.Namespace, a.Pod.Command, a.Autoscale = "", nil, nil },
			"namespace: name is empty; give it one such as gra-worker-2\ncommand is missing; give the program and its arguments\nreplicas 0: give 1 or more, or an autoscaler"},
	} {
		args := deployment()
		test.mutate(&args)
		expect(t, test.name, args.Validate(), test.want)
	}
}

func TestPlaceholders(t *testing.T) {
	args := workload.DeploymentArgs{Common: workload.Common{Namespace: "apps", Pod: idle("headroom", pod.Placeholder)}}
	expect(t, "none", args.Validate(), "")
	args.Replicas = -1
	args.Autoscale = &workload.Autoscale{Min: 1, Max: 2, CPUPercent: 50}
	expect(t, "several", args.Validate(), "replicas -1: give 0 or more\nan autoscaler of placeholders, which take no time to measure; give replicas")
}

func TestDaemonSetRefuses(t *testing.T) {
	expect(t, "valid", daemonSet().Validate(), "")
	args := daemonSet()
	args.MaxUnavailable = -1
	args.Network.DNS = true
	args.Pod.Kind = pod.Service
	expect(t, "several", args.Validate(), "the pod's kind is 0; give pod.Agent or pod.Keeper\nnetwork: a pod on the host's network has no network policy; leave it empty and use the host's firewall\nvolume \"kept\": host folder \"/var/lib/havre/agent\"; only an agent may have one, and only below /var/lib/havre/\nmax unavailable -1: give 1 or more")
}

func TestCronJobRefuses(t *testing.T) {
	expect(t, "valid", cronJob().Validate(), "")
	for _, test := range []struct {
		name   string
		mutate func(*workload.CronJobArgs)
		want   string
	}{
		{"kind", func(a *workload.CronJobArgs) { a.Pod = service() }, "the pod's kind is 0; give pod.Task"},
		{"schedule", func(a *workload.CronJobArgs) { a.Schedule = "@daily" }, `schedule "@daily" has 1 fields; give five: minute, hour, day, month, weekday`},
		{"time zone", func(a *workload.CronJobArgs) { a.TimeZone = "" }, `time zone "": give an IANA name such as Europe/Paris`},
		{"timeout", func(a *workload.CronJobArgs) { a.Run.Timeout = 0 }, "timeout 0s: give whole seconds, 1s or more"},
		{"retries", func(a *workload.CronJobArgs) { a.Run.Retries = -1 }, "retries -1: give 0 or more"},
		{"keep", func(a *workload.CronJobArgs) { a.Run.Keep = time.Millisecond }, "keep 1ms: give whole seconds"},
		{"long name", func(a *workload.CronJobArgs) { a.Pod.App = strings.Repeat("a", 53) }, `app "` + strings.Repeat("a", 53) + `" has 53 bytes; a cron job's name has at most 52`},
	} {
		args := cronJob()
		test.mutate(&args)
		expect(t, test.name, args.Validate(), test.want)
	}
	expect(t, "valid job", job().Validate(), "")
	j := job()
	j.Run.Timeout, j.Pod.Image = 0, ""
	expect(t, "job", j.Validate(), "image \"\" is not pinned; give registry/name@sha256:<64 hex digits>\ntimeout 0s: give whole seconds, 1s or more")
}

func TestServiceRefuses(t *testing.T) {
	valid := workload.ServiceArgs{Namespace: "apps", Service: "web", App: "web", Ports: []workload.ServicePort{{Name: "http", Number: 80}}}
	expect(t, "valid", valid.Validate(), "")
	bad := workload.ServiceArgs{Namespace: "apps", Service: "Web", App: "", Ports: nil}
	expect(t, "names", bad.Validate(), `service: name "Web" `+badName+"\napp: name is empty; give it one such as gra-worker-2\nports: none given; give at least one")
	bad = valid
	bad.Ports = []workload.ServicePort{{Name: "http", Number: 80}, {Name: "http", Number: 0}}
	expect(t, "ports", bad.Validate(), `port "http": give each a name of its own, which is the pods' port`+"\n"+`port "http": number 0 is outside 1–65535`)
	if got := workload.ServiceHost("render", "renderer"); got != "renderer.render.svc.cluster.local" {
		t.Error(got)
	}
}

// A refusal names the resource, and nothing was registered before it.
func TestNothingIsRegisteredBeforeARefusal(t *testing.T) {
	for want, program := range map[string]func(*pulumi.Context) error{
		"deployment web: replicas 3 beside an autoscaler: each would undo the other's work; give one of them": func(ctx *pulumi.Context) error {
			a := deployment()
			a.Replicas = 3
			_, err := workload.NewDeployment(ctx, "web", a)
			return err
		},
		"daemon set agent: the pod's kind is 0; give pod.Agent or pod.Keeper": func(ctx *pulumi.Context) error {
			a := daemonSet()
			a.Pod.Kind = pod.Service
			_, err := workload.NewDaemonSet(ctx, "agent", a)
			return err
		},
		"cron job nightly: retries -1: give 0 or more": func(ctx *pulumi.Context) error {
			a := cronJob()
			a.Run.Retries = -1
			_, err := workload.NewCronJob(ctx, "nightly", a)
			return err
		},
		"job once: retries -1: give 0 or more": func(ctx *pulumi.Context) error {
			a := job()
			a.Run.Retries = -1
			_, err := workload.NewJob(ctx, "once", a)
			return err
		},
		"service web: ports: none given; give at least one": func(ctx *pulumi.Context) error {
			_, err := workload.NewService(ctx, "web", workload.ServiceArgs{Namespace: "a", Service: "b", App: "c"})
			return err
		},
		"namespace apps: name is empty; give it one such as gra-worker-2": func(ctx *pulumi.Context) error {
			_, err := workload.NewNamespace(ctx, "apps", workload.NamespaceArgs{})
			return err
		},
		`namespace apps: security "open" is unknown; give restricted or privileged`: func(ctx *pulumi.Context) error {
			_, err := workload.NewNamespace(ctx, "apps", workload.NamespaceArgs{Namespace: "apps", Security: "open"})
			return err
		},
		"priority class high: value 0: give -1000000000 to 1000000000 but for 0, which pods of no class have; above are the system's own": func(ctx *pulumi.Context) error {
			_, err := workload.NewPriorityClass(ctx, "high", workload.PriorityClassArgs{Class: "high", Description: "x"})
			return err
		},
		"priority class high: description is missing; say what belongs to the class": func(ctx *pulumi.Context) error {
			_, err := workload.NewPriorityClass(ctx, "high", workload.PriorityClassArgs{Class: "high", Value: 1})
			return err
		},
	} {
		e := hosttest.New()
		err := e.Run(hosttest.Known, program)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		for _, r := range e.Registrations() {
			if r.Type != "pulumi:pulumi:Stack" {
				t.Errorf("%s %s was registered before %q", r.Type, r.Name, want)
			}
		}
	}
}

func outside() workload.OutsideArgs {
	return workload.OutsideArgs{
		Namespace: "data", Service: "pulsar", Port: 6650, Addresses: []netip.Addr{netip.MustParseAddr("10.80.0.41"), netip.MustParseAddr("10.80.0.42")},
	}
}

func TestOutsideRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		mutate func(*workload.OutsideArgs)
		want   string
	}{
		{"valid", func(*workload.OutsideArgs) {}, ""},
		{"away for now", func(a *workload.OutsideArgs) { a.Addresses = nil }, ""},
		{"namespace", func(a *workload.OutsideArgs) { a.Namespace = "Data" }, `namespace: name "Data" ` + badName},
		{"service", func(a *workload.OutsideArgs) { a.Service = "" }, "service: name is empty; give it one such as gra-worker-2"},
		{"port", func(a *workload.OutsideArgs) { a.Port = 65536 }, "port 65536 is outside 1–65535"},
		{"IPv6", func(a *workload.OutsideArgs) { a.Addresses[0] = netip.MustParseAddr("fd00::1") }, "address fd00::1 is not one that pods could reach; give an IPv4 address of the mesh"},
		{"own", func(a *workload.OutsideArgs) { a.Addresses[0] = netip.MustParseAddr("127.0.0.1") }, "address 127.0.0.1 is not one that pods could reach; give an IPv4 address of the mesh"},
		{"no address", func(a *workload.OutsideArgs) { a.Addresses[0] = netip.Addr{} }, "address invalid IP is not one that pods could reach; give an IPv4 address of the mesh"},
		{"twice", func(a *workload.OutsideArgs) { a.Addresses[1] = a.Addresses[0] }, "address 10.80.0.41 is given twice; give it once"},
	} {
		a := outside()
		test.mutate(&a)
		expect(t, test.name, a.Validate(), test.want)
	}
}
