package workload_test

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/hosttest"
	"havre/components/naming"
	"havre/components/workload"
	"havre/components/workload/pod"
	"havre/components/workload/workloadtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func service() pod.Pod {
	return pod.Pod{
		App: "web", Kind: pod.Service, Image: "registry.example/web" + digest, Command: []string{"/web"},
		Ports:     []pod.Port{{Name: "http", Number: 8080}},
		Readiness: &pod.Probe{Path: "/readyz", Port: "http"}, Liveness: &pod.Probe{Path: "/healthz", Port: "http"}, Startup: &pod.Probe{Path: "/healthz", Port: "http"},
		Resources: pod.Resources{CPU: 100, CPULimit: 1000, Memory: 64 * pod.MiB, MemoryLimit: 128 * pod.MiB},
		Env:       []pod.Env{{Name: "EMPTY"}, {Name: "A", Value: "b"}, {Name: "IP", Field: "status.podIP"}, {Name: "TOKEN", Secret: "web", Key: "token"}},
		Volumes:   []pod.Volume{{Name: "tmp", Path: "/tmp", Scratch: pod.MiB}, {Name: "fast", Path: "/fast", Scratch: pod.MiB, InMemory: true}},
	}
}

func agent() pod.Pod {
	p := service()
	p.App, p.Kind, p.HostNetwork, p.RootBecause, p.BindLowPorts = "agent", pod.Agent, true, "it listens on port 80", true
	p.NodeSelector = map[string]string{"role": "edge"}
	p.Tolerations = []pod.Toleration{{Key: "k", Value: "v", Effect: "NoSchedule"}, {Effect: "NoExecute"}}
	p.PriorityClass = "high"
	p.Volumes = append(p.Volumes, pod.Volume{Name: "kept", Path: "/kept", HostFolder: "/var/lib/havre/agent"})
	p.Before = []string{"/agent", "wait"}
	return p
}

func task() pod.Pod {
	return pod.Pod{
		App: "task", Kind: pod.Task, Image: "registry.example/task" + digest, Command: []string{"/task"}, ServiceAccount: "task",
		Resources: pod.Resources{CPU: 100, CPULimit: 1000, Memory: 64 * pod.MiB, MemoryLimit: 128 * pod.MiB},
	}
}

func idle(app string, kind pod.Kind) pod.Pod {
	p := task()
	p.App, p.Kind, p.ServiceAccount = app, kind, ""
	return p
}

func deployment() workload.DeploymentArgs {
	return workload.DeploymentArgs{
		Common: workload.Common{
			Namespace: "apps", Pod: service(),
			Config:  workload.Config{Path: "/etc/web", Files: map[string]string{"web.json": "{}\n"}},
			Secret:  workload.Secret{Path: "/etc/tls", Files: map[string]pulumi.StringInput{"key.pem": pulumi.String("very private")}},
			Network: workload.Network{From: []workload.Peer{{Prefix: netip.MustParsePrefix("10.80.0.0/16"), Ports: []int{8080}}, {App: "caller", Namespace: "other", Ports: []int{8080}}}, To: []workload.Peer{{App: "db", Ports: []int{5432}}}, DNS: true},
		},
		Autoscale: &workload.Autoscale{Min: 3, Max: 9, CPUPercent: 60},
	}
}

func daemonSet() workload.DaemonSetArgs {
	return workload.DaemonSetArgs{Common: workload.Common{Namespace: "agents", Pod: agent()}}
}

func cronJob() workload.CronJobArgs {
	return workload.CronJobArgs{
		Common:   workload.Common{Namespace: "apps", Pod: task(), Network: workload.Network{DNS: true}},
		Run:      workload.Run{Timeout: 10 * time.Minute, Retries: 2},
		Schedule: "0 5 * * 1-5", TimeZone: "Europe/Paris",
	}
}

func job() workload.JobArgs {
	return workload.JobArgs{Common: workload.Common{Namespace: "apps", Pod: task()}, Run: workload.Run{Timeout: time.Minute}}
}

// everything registers one of each, in the namespaces that they need.
func everything(ctx *pulumi.Context) error {
	apps, err := workload.NewNamespace(ctx, "apps", workload.NamespaceArgs{Namespace: "apps"})
	if err != nil {
		return err
	}
	agents, err := workload.NewNamespace(ctx, "agents", workload.NamespaceArgs{Namespace: "agents", Security: workload.Privileged, After: apps.Resources()})
	if err != nil {
		return err
	}
	if _, err := workload.NewPriorityClass(ctx, "high-priority", workload.PriorityClassArgs{Class: "high", Value: 1000, Description: "what earns the money"}); err != nil {
		return err
	}
	d := deployment()
	d.After = apps.Resources()
	// The content is known only once the Namespace is there, as a certificate is known once a host has made it.
	d.Secret.Files = map[string]pulumi.StringInput{"key.pem": apps.Namespace.ID().ApplyT(func(id pulumi.ID) string { return "very private " + string(id) }).(pulumi.StringOutput)}
	web, err := workload.NewDeployment(ctx, "web", d)
	if err != nil {
		return err
	}
	if _, err := workload.NewService(ctx, "web", workload.ServiceArgs{Namespace: "apps", Service: "web", App: "web", Ports: []workload.ServicePort{{Name: "http", Number: 80}}, After: apps.Resources()}); err != nil {
		return err
	}
	if _, err := workload.NewService(ctx, "web-pods", workload.ServiceArgs{Namespace: "apps", Service: "web-pods", App: "web", Headless: true, Ports: []workload.ServicePort{{Name: "http", Number: 8080}}, After: apps.Resources()}); err != nil {
		return err
	}
	if _, err := workload.NewOutside(ctx, "data-pulsar", outside()); err != nil {
		return err
	}
	fixed := deployment()
	fixed.Pod.App, fixed.Autoscale, fixed.Replicas, fixed.After = "single", nil, 1, apps.Resources()
	fixed.Config, fixed.Secret, fixed.Network = workload.Config{}, workload.Secret{}, workload.Network{}
	if _, err := workload.NewDeployment(ctx, "single", fixed); err != nil {
		return err
	}
	if _, err := workload.NewPriorityClass(ctx, "last-priority", workload.PriorityClassArgs{Class: "last", Value: -100, Patient: true, Description: "what gives way first"}); err != nil {
		return err
	}
	held := workload.DeploymentArgs{Common: workload.Common{Namespace: "apps", Pod: idle("headroom", pod.Placeholder), After: apps.Resources()}, Replicas: 3}
	if _, err := workload.NewDeployment(ctx, "headroom", held); err != nil {
		return err
	}
	kept := workload.DaemonSetArgs{Common: workload.Common{Namespace: "apps", Pod: idle("images", pod.Keeper), After: apps.Resources()}}
	if _, err := workload.NewDaemonSet(ctx, "images", kept); err != nil {
		return err
	}
	a := daemonSet()
	a.After = agents.Resources()
	if _, err := workload.NewDaemonSet(ctx, "agent", a); err != nil {
		return err
	}
	c := cronJob()
	c.After = web.Resources()
	if _, err := workload.NewCronJob(ctx, "nightly", c); err != nil {
		return err
	}
	j := job()
	j.After = web.Resources()
	_, err = workload.NewJob(ctx, "once", j)
	return err
}

func TestGraph(t *testing.T) {
	for _, mode := range hosttest.Both {
		t.Run(mode.String(), func(t *testing.T) {
			e := workloadtest.Kubernetes(hosttest.New())
			if err := e.Run(mode, everything); err != nil {
				t.Fatal(err)
			}
			got, err := workloadtest.Dump(e)
			if err != nil {
				t.Fatal(err)
			}
			// One golden for both: the graph and everything but the late secret are known in the first preview.
			path := filepath.Join("testdata", "graph.txt")
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs; run with -update and read the difference:\n%s", path, got)
			}
			if strings.Contains(got, "very private") {
				t.Error("the secret is in clear")
			}
		})
	}
}

// What reaches the engine is the plain spec, field for field: nothing lost, nothing added on the way through the SDK's types.
func TestSpecReachesTheEngineWhole(t *testing.T) {
	e := workloadtest.Kubernetes(hosttest.New())
	if err := e.Run(hosttest.Known, everything); err != nil {
		t.Fatal(err)
	}
	withVolumes := service()
	withVolumes.Volumes = append(withVolumes.Volumes, pod.Volume{Name: "config", Path: "/etc/web", ConfigMap: "web"}, pod.Volume{Name: "secret", Path: "/etc/tls", Secret: "web"})
	for _, test := range []struct {
		name, path string
		pod        pod.Pod
	}{
		{"web-deployment", "spec.template.spec", withVolumes},
		{"agent-daemon-set", "spec.template.spec", agent()},
		{"nightly-cron-job", "spec.jobTemplate.spec.template.spec", task()},
		{"once-job", "spec.template.spec", task()},
	} {
		r, err := e.Named(test.name)
		if err != nil {
			t.Fatal(err)
		}
		spec, err := test.pod.Build()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := asJSON(t, workloadtest.Plain(r.Value(test.path))), asJSON(t, spec); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", test.name, got, want)
		}
	}
}

func asJSON(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// A change of configuration or of a secret rolls the pods and renames nothing.
func TestContentRollsThePods(t *testing.T) {
	read := func(config, secret string) (annotations map[string]string, urns string) {
		e := workloadtest.Kubernetes(hosttest.New())
		err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error {
			args := deployment()
			args.Config.Files = map[string]string{"web.json": config}
			args.Secret.Files = map[string]pulumi.StringInput{"key.pem": pulumi.String(secret)}
			_, err := workload.NewDeployment(ctx, "web", args)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := e.Named("web-deployment")
		if err != nil {
			t.Fatal(err)
		}
		annotations = map[string]string{}
		for key, value := range r.Value("spec.template.metadata.annotations").ObjectValue() {
			for value.IsSecret() || value.IsOutput() {
				if value.IsSecret() {
					value = value.SecretValue().Element
				} else {
					value = value.OutputValue().Element
				}
			}
			annotations[string(key)] = value.StringValue()
		}
		if strings.Contains(r.Clear(), annotations[workload.SecretDigest]) {
			t.Error("the digest of a secret is in clear")
		}
		return annotations, strings.Join(e.URNs(), "\n")
	}
	base, urns := read("a", "b")
	for _, key := range []string{workload.ConfigDigest, workload.SecretDigest} {
		if len(base[key]) != 16 {
			t.Errorf("%s is %q", key, base[key])
		}
	}
	if again, _ := read("a", "b"); !reflect.DeepEqual(again, base) {
		t.Errorf("the same content gives %v, then %v", base, again)
	}
	otherConfig, otherURNs := read("x", "b")
	if otherConfig[workload.ConfigDigest] == base[workload.ConfigDigest] || otherConfig[workload.SecretDigest] != base[workload.SecretDigest] || otherURNs != urns {
		t.Errorf("another configuration: %v after %v", otherConfig, base)
	}
	otherSecret, otherURNs := read("a", "y")
	if otherSecret[workload.SecretDigest] == base[workload.SecretDigest] || otherSecret[workload.ConfigDigest] != base[workload.ConfigDigest] || otherURNs != urns {
		t.Errorf("another secret: %v after %v", otherSecret, base)
	}
	if workload.Digest(map[string]string{"a": "bc"}) == workload.Digest(map[string]string{"ab": "c"}) {
		t.Error("names and contents run into each other")
	}
}

func TestArgsStayAsTheyAre(t *testing.T) {
	args := deployment()
	before := len(args.Pod.Volumes)
	e := workloadtest.Kubernetes(hosttest.New())
	if err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error {
		_, err := workload.NewDeployment(ctx, "web", args)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(args.Pod.Volumes) != before || args.MaxUnavailable != 0 {
		t.Error("NewDeployment changed its arguments")
	}
}

// The mock must refuse an object outside the subset, or without a name.
func TestStrictKubernetes(t *testing.T) {
	for want, program := range map[string]pulumi.RunFunc{
		"type kubernetes:core/v1:Pod is unknown to this test": func(ctx *pulumi.Context) error {
			_, err := corev1.NewPod(ctx, "p", &corev1.PodArgs{})
			return err
		},
		"metadata.name is not set: the engine would make one up": func(ctx *pulumi.Context) error {
			_, err := corev1.NewConfigMap(ctx, "c", &corev1.ConfigMapArgs{Metadata: &metav1.ObjectMetaArgs{Labels: pulumi.ToStringMap(naming.Labels("x", ""))}})
			return err
		},
		"label app.kubernetes.io/managed-by is not havre": func(ctx *pulumi.Context) error {
			_, err := corev1.NewConfigMap(ctx, "c", &corev1.ConfigMapArgs{Metadata: &metav1.ObjectMetaArgs{Name: pulumi.String("c")}})
			return err
		},
	} {
		if err := workloadtest.Kubernetes(hosttest.New()).Run(hosttest.Known, program); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, wanted %q", err, want)
		}
	}
}
