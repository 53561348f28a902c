package guard_test

import (
	"strings"
	"testing"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	batchv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/batch/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/hosttest"
	"havre/infra/guard"
)

const (
	exceptionally = "do without, or give the reason in infra/guard/exceptions.go"
	plainly       = "is known only during the run, so that no preview can check it; give it as a plain value"
)

// refused are programs that break one rule each, with the exact words.
var refused = []struct {
	name   string
	change func(*program)
	want   []string
}{
	{"tag", func(p *program) { p.container().Image = pulumi.String("registry.example/web:1") }, []string{
		`Deployment web: image: container web has "registry.example/web:1", and a tag may be moved under a running service; pin it as name@sha256:<64 hex digits>`,
	}},
	{"no image", func(p *program) { p.container().Image = nil }, []string{
		`Deployment web: image: container web has "", and a tag may be moved under a running service; pin it as name@sha256:<64 hex digits>`,
	}},
	{"tag of an init container", func(p *program) {
		c := container("first")
		c.Image = pulumi.String("first")
		p.pod().InitContainers = corev1.ContainerArray{c}
	}, []string{
		`Deployment web: image: container first has "first", and a tag may be moved under a running service; pin it as name@sha256:<64 hex digits>`,
	}},
	{"tag of a CronJob's container", func(p *program) {
		p.nightly.Spec.(*batchv1.CronJobSpecArgs).JobTemplate.(*batchv1.JobTemplateSpecArgs).Spec.(*batchv1.JobSpecArgs).Template.(*corev1.PodTemplateSpecArgs).
			Spec.(*corev1.PodSpecArgs).Containers.(corev1.ContainerArray)[0].(*corev1.ContainerArgs).Image = pulumi.String("nightly:2")
	}, []string{
		`CronJob nightly: image: container nightly has "nightly:2", and a tag may be moved under a running service; pin it as name@sha256:<64 hex digits>`,
	}},
	{"no resources", func(p *program) { p.container().Resources = nil }, []string{
		"Deployment web: requests: cpu of container web requests none; say what it takes, or the scheduler believes that it takes nothing",
		"Deployment web: requests: memory of container web requests none; say what it takes, or the scheduler believes that it takes nothing",
		"Deployment web: limits: cpu of container web has no limit; say what it may take, or its neighbours on the node pay for it",
		"Deployment web: limits: memory of container web has no limit; say what it may take, or its neighbours on the node pay for it",
	}},
	{"nothing requested", func(p *program) { p.resources().Requests = amounts("0", "1Gi") }, []string{
		"Deployment web: requests: cpu of container web requests none; say what it takes, or the scheduler believes that it takes nothing",
	}},
	{"no amount", func(p *program) { p.resources().Limits = amounts("much", "1e9") }, []string{
		`Deployment web: limits: cpu of container web has "much"; write it as 250m or 64Mi`,
		`Deployment web: limits: memory of container web has "1e9"; write it as 250m or 64Mi`,
	}},
	{"the node's own", func(p *program) {
		p.pod().HostNetwork, p.pod().HostPID, p.pod().HostIPC = pulumi.Bool(true), pulumi.Bool(true), pulumi.Bool(true)
		p.container().SecurityContext = &corev1.SecurityContextArgs{Privileged: pulumi.Bool(true)}
	}, []string{
		"Deployment web: host: hostNetwork puts the pod on the node's own network; " + exceptionally,
		"Deployment web: host: hostPID shows the pod the node's processes; " + exceptionally,
		"Deployment web: host: hostIPC shares the node's memory segments with the pod; " + exceptionally,
		"Deployment web: host: container web is privileged, which is root on the node; " + exceptionally,
	}},
	{"a port of the node", func(p *program) {
		p.container().Ports = corev1.ContainerPortArray{&corev1.ContainerPortArgs{ContainerPort: pulumi.Int(8080), HostPort: pulumi.Int(80)}}
	}, []string{
		"Deployment web: host: container web takes port 80 of the node, public address included; use a Service, and the edge for what readers reach",
	}},
	{"a folder of the node", func(p *program) {
		p.volume(&corev1.VolumeArgs{HostPath: &corev1.HostPathVolumeSourceArgs{Path: pulumi.String("/var/lib/data")}})
	}, []string{
		"Deployment web: state: /var/lib/data is a folder of the node, which a reinstallation empties; " + exceptionally,
	}},
	{"a claim", func(p *program) {
		p.volume(&corev1.VolumeArgs{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSourceArgs{ClaimName: pulumi.String("data")}})
	}, []string{
		"Deployment web: state: volume data keeps data in the cluster by persistentVolumeClaim; keep it in the managed database or in object storage",
	}},
	{"a kind of volume that no rule knows", func(p *program) {
		p.volume(&corev1.VolumeArgs{Nfs: &corev1.NFSVolumeSourceArgs{Server: pulumi.String("a"), Path: pulumi.String("/")}})
	}, []string{
		"Deployment web: state: volume data keeps data in the cluster by nfs; keep it in the managed database or in object storage",
	}},
	{"no probes", func(p *program) { p.container().ReadinessProbe, p.container().LivenessProbe = nil, nil }, []string{
		"Deployment web: probes: container web has no readiness probe; add one, or it gets requests before it can answer them",
		"Deployment web: probes: container web has no liveness probe; add one, or it stays when it hangs",
	}},
	{"one replica", func(p *program) { p.scaler, p.spec().Replicas = nil, pulumi.Int(1) }, []string{
		"Deployment web: replicas: 1 at least, so that a drain or a lost node stops it; give 2 or more",
	}},
	{"replicas not said", func(p *program) { p.scaler = nil }, []string{
		"Deployment web: replicas: 1 at least, so that a drain or a lost node stops it; give 2 or more",
	}},
	{"one replica by its autoscaler", func(p *program) { p.scale().MinReplicas = pulumi.Int(1) }, []string{
		"Deployment web: replicas: 1 at least by its autoscaler, so that a drain or a lost node stops it; give 2 or more",
	}},
	{"no budget", func(p *program) { p.budget = nil }, []string{
		"Deployment web: disruption budget: no PodDisruptionBudget selects its pods, so that drains may take all at once; add one, as components/workload does by itself",
	}},
	{"a budget of other pods", func(p *program) { p.disruption().Selector = labels("other") }, []string{
		"Deployment web: disruption budget: no PodDisruptionBudget selects its pods, so that drains may take all at once; add one, as components/workload does by itself",
	}},
	{"a budget of another namespace", func(p *program) { p.budget.Metadata.(*metav1.ObjectMetaArgs).Namespace = pulumi.String("other") }, []string{
		"Deployment web: disruption budget: no PodDisruptionBudget selects its pods, so that drains may take all at once; add one, as components/workload does by itself",
	}},
	{"a budget that lets none go", func(p *program) {
		p.disruption().MaxUnavailable, p.disruption().MinAvailable = nil, pulumi.String("51%")
	}, []string{
		"Deployment web: disruption budget: web-budget lets none of 2 pods go, so that a drain hangs; let 1 to 1 go",
	}},
	{"a budget that lets all go", func(p *program) { p.disruption().MaxUnavailable = pulumi.Int(2) }, []string{
		"Deployment web: disruption budget: web-budget lets all of 2 pods go at once; let 1 to 1 go",
	}},
	{"a budget that says nothing", func(p *program) { p.disruption().MaxUnavailable = nil }, []string{
		"Deployment web: disruption budget: web-budget says neither how many pods may go nor how many must stay, as plain numbers; give it maxUnavailable",
	}},
	{"not spread", func(p *program) { p.pod().TopologySpreadConstraints = nil }, []string{
		"Deployment web: spread: topology.kubernetes.io/zone is spread over by no constraint, so that one site may hold all pods; add a topologySpreadConstraint that selects its own pods",
		"Deployment web: spread: kubernetes.io/hostname is spread over by no constraint, so that one node may hold all pods; add a topologySpreadConstraint that selects its own pods",
	}},
	{"spread by other pods", func(p *program) {
		p.pod().TopologySpreadConstraints = corev1.TopologySpreadConstraintArray{over("other", "topology.kubernetes.io/zone"), over("web", "kubernetes.io/hostname")}
	}, []string{
		"Deployment web: spread: topology.kubernetes.io/zone is spread over by no constraint, so that one site may hold all pods; add a topologySpreadConstraint that selects its own pods",
	}},
	{"too many pods", func(p *program) { p.scale().MaxReplicas = pulumi.Int(8) }, []string{
		// A site has 8 cores: 2 for the agents, 6 for 6 of the 8; nothing is left for the task.
		"CronJob nightly: capacity: 1 of 1 pods of 500m CPU and 128Mi find no room when site gra is lost; add workers at another site, or lower the requests or the largest number of pods",
		"CronJob nightly: capacity: 1 of 1 pods of 500m CPU and 128Mi find no room when site rbx is lost; add workers at another site, or lower the requests or the largest number of pods",
		"Deployment web: capacity: 2 of 8 pods of 1 CPU and 1Gi find no room when site gra is lost; add workers at another site, or lower the requests or the largest number of pods",
		"Deployment web: capacity: 2 of 8 pods of 1 CPU and 1Gi find no room when site rbx is lost; add workers at another site, or lower the requests or the largest number of pods",
	}},
	{"too large a pod", func(p *program) { p.resources().Requests = amounts("3500m", "1Gi") }, []string{
		// There are enough cores in sum, and on no node together.
		"Deployment web: capacity: 5 of 5 pods of 3500m CPU and 1Gi find no room when site gra is lost; add workers at another site, or lower the requests or the largest number of pods",
		"Deployment web: capacity: 5 of 5 pods of 3500m CPU and 1Gi find no room when site rbx is lost; add workers at another site, or lower the requests or the largest number of pods",
	}},
	{"too much memory", func(p *program) { p.resources().Requests = amounts("1", "6Gi") }, []string{
		"Deployment web: capacity: 1 of 5 pods of 1 CPU and 6Gi find no room when site gra is lost; add workers at another site, or lower the requests or the largest number of pods",
		"Deployment web: capacity: 1 of 5 pods of 1 CPU and 6Gi find no room when site rbx is lost; add workers at another site, or lower the requests or the largest number of pods",
	}},
	{"a node that one site alone has", func(p *program) {
		p.pod().NodeSelector = pulumi.StringMap{"kubernetes.io/hostname": pulumi.String("gra-worker-1")}
	}, []string{
		"Deployment web: capacity: 5 of 5 pods of 1 CPU and 1Gi find no room when site gra is lost; add workers at another site, or lower the requests or the largest number of pods",
		"Deployment web: capacity: 2 of 5 pods of 1 CPU and 1Gi find no room when site rbx is lost; add workers at another site, or lower the requests or the largest number of pods",
	}},
	{"an agent that does not fit", func(p *program) {
		p.agent.Spec.(*appsv1.DaemonSetSpecArgs).Template.(*corev1.PodTemplateSpecArgs).Spec.(*corev1.PodSpecArgs).Containers.(corev1.ContainerArray)[0].(*corev1.ContainerArgs).
			Resources = &corev1.ResourceRequirementsArgs{Requests: amounts("5", "1Gi"), Limits: amounts("5", "1Gi")}
	}, []string{
		"DaemonSet agent: capacity: 2 of 2 pods of 5 CPU and 1Gi find no room when site gra is lost; add workers at another site, or lower the requests or the largest number of pods",
		"DaemonSet agent: capacity: 2 of 2 pods of 5 CPU and 1Gi find no room when site rbx is lost; add workers at another site, or lower the requests or the largest number of pods",
	}},
	{"kinds to be used with care", func(p *program) {
		p.more = func(ctx *pulumi.Context) error {
			if _, err := corev1.NewServiceAccount(ctx, "account", &corev1.ServiceAccountArgs{Metadata: meta("a")}); err != nil {
				return err
			}
			_, err := corev1.NewPersistentVolumeClaim(ctx, "claim", &corev1.PersistentVolumeClaimArgs{Metadata: meta("c")})
			return err
		}
	}, []string{
		"ServiceAccount account: kind: core/v1:ServiceAccount is a kind to be used with care; " + exceptionally,
		"PersistentVolumeClaim claim: kind: core/v1:PersistentVolumeClaim is a kind to be used with care; " +
			"keep state in the managed database or in object storage; for a cache that may be lost, give the reason in infra/guard/exceptions.go",
	}},
	{"kinds outside the subset", func(p *program) {
		p.more = func(ctx *pulumi.Context) error {
			if _, err := networkingv1.NewIngress(ctx, "ingress", &networkingv1.IngressArgs{Metadata: meta("i")}); err != nil {
				return err
			}
			if _, err := corev1.NewPod(ctx, "pod", &corev1.PodArgs{Metadata: meta("p")}); err != nil {
				return err
			}
			if _, err := appsv1.NewDeploymentPatch(ctx, "patch", &appsv1.DeploymentPatchArgs{}); err != nil {
				return err
			}
			for name, token := range map[string]string{
				"chart": "kubernetes:helm.sh/v4:Chart", "yaml": "kubernetes:yaml/v2:ConfigFile", "crd": "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
				"foreign": "kubernetes:example.com/v1:Thing",
			} {
				var made pulumi.CustomResourceState
				if err := ctx.RegisterResource(token, name, pulumi.Map{}, &made); err != nil {
					return err
				}
			}
			return nil
		}
	}, []string{
		"Chart chart: kind: helm.sh/v4:Chart is outside the subset of kinds that the platform runs; write the objects as typed Go, as components/addons does",
		"CustomResourceDefinition crd: kind: apiextensions.k8s.io/v1:CustomResourceDefinition is outside the subset of kinds that the platform runs; " +
			"use plain objects; the platform has no custom resources of its own",
		"Thing foreign: kind: example.com/v1:Thing is outside the subset of kinds that the platform runs; use a kind of the subset, or widen it in infra/guard/subset.go by a decision",
		"Ingress ingress: kind: networking.k8s.io/v1:Ingress is outside the subset of kinds that the platform runs; add a site to the edge, in infra/platform/services.go",
		"DeploymentPatch patch: kind: apps/v1:DeploymentPatch is outside the subset of kinds that the platform runs; use a kind of the subset, or widen it in infra/guard/subset.go by a decision",
		"Pod pod: kind: core/v1:Pod is outside the subset of kinds that the platform runs; use components/workload: a pod by itself is not made again when its node goes",
		"ConfigFile yaml: kind: yaml/v2:ConfigFile is outside the subset of kinds that the platform runs; write the objects as typed Go, as components/addons does",
	}},
	{"several things at once, sorted by name", func(p *program) {
		p.container().Image = pulumi.String("web")
		p.budget = nil
		p.agent.Spec.(*appsv1.DaemonSetSpecArgs).Template.(*corev1.PodTemplateSpecArgs).Spec.(*corev1.PodSpecArgs).HostNetwork = pulumi.Bool(true)
	}, []string{
		"DaemonSet agent: host: hostNetwork puts the pod on the node's own network; " + exceptionally,
		`Deployment web: image: container web has "web", and a tag may be moved under a running service; pin it as name@sha256:<64 hex digits>`,
		"Deployment web: disruption budget: no PodDisruptionBudget selects its pods, so that drains may take all at once; add one, as components/workload does by itself",
	}},
	{"a late image", func(p *program) { p.container().Image = pulumi.String(digest).ToStringOutput() }, []string{
		"Deployment web: image: spec.template.spec.containers[0].image " + plainly,
	}},
	{"a late request, a late limit", func(p *program) {
		p.resources().Requests = pulumi.StringMap{"cpu": pulumi.String("1").ToStringOutput(), "memory": pulumi.String("1Gi")}
		p.resources().Limits = amounts("1", "1Gi").ToStringMapOutput()
	}, []string{
		"Deployment web: requests: spec.template.spec.containers[0].resources.requests.cpu " + plainly,
		"Deployment web: limits: spec.template.spec.containers[0].resources.limits " + plainly,
	}},
	{"a late and secret spec", func(p *program) {
		p.template().Spec = pulumi.ToSecret(p.pod()).(corev1.PodSpecOutput)
	}, []string{"Deployment web: image: spec.template.spec " + plainly}},
	{"late replicas", func(p *program) { p.scale().MinReplicas = pulumi.Int(2).ToIntOutput() }, []string{
		"Deployment web: replicas: spec.minReplicas " + plainly,
	}},
	{"a late largest number", func(p *program) { p.scale().MaxReplicas = pulumi.Int(2).ToIntOutput() }, []string{
		"Deployment web: capacity: spec.maxReplicas " + plainly,
	}},
	{"a late selector of nodes", func(p *program) {
		p.pod().NodeSelector = pulumi.StringMap{"role": pulumi.String("x").ToStringOutput()}
	}, []string{"Deployment web: capacity: spec.template.spec.nodeSelector " + plainly}},
	{"late labels", func(p *program) {
		p.template().Metadata = &metav1.ObjectMetaArgs{Labels: pulumi.StringMap{"app": pulumi.String("web")}.ToStringMapOutput()}
	}, []string{
		"Deployment web: disruption budget: spec.template.metadata.labels " + plainly,
	}},
}

// A preview says the same whether values of other resources are known or not: the modes differ in nothing that a guard reads.
func TestRefuses(t *testing.T) {
	for _, test := range refused {
		t.Run(test.name, func(t *testing.T) {
			p := sound()
			test.change(p)
			_, g, err := run(t, hosttest.Unknown, p, guard.Facts{Workers: workers()})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := said(g), strings.Join(test.want, "\n"); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

// Pods that give way take no room from those that matter.
func TestWhatGivesWayTakesNoRoom(t *testing.T) {
	p := sound()
	p.pod().PriorityClassName = pulumi.String("last")
	p.scale().MaxReplicas = pulumi.Int(100)
	if _, g, err := run(t, hosttest.Unknown, p, guard.Facts{Workers: workers()}); err != nil || said(g) != "" {
		t.Errorf("%v\n%s", err, said(g))
	}
	p = sound()
	p.pod().PriorityClassName, p.class.Value = pulumi.String("last"), pulumi.Int(10)
	p.scale().MaxReplicas = pulumi.Int(100)
	if _, g, _ := run(t, hosttest.Unknown, p, guard.Facts{Workers: workers()}); !strings.Contains(said(g), "94 of 100 pods") {
		t.Error(said(g))
	}
	// Without workers there is nothing to measure by.
	if _, g, _ := run(t, hosttest.Unknown, p, guard.Facts{Workers: []guard.Node{}}); said(g) != "" {
		t.Error(said(g))
	}
}
