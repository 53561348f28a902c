package guard_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	autoscalingv2 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/autoscaling/v2"
	batchv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/batch/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	schedulingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/scheduling/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/hosttest"
	"havre/components/workload/pod"
	"havre/infra/guard"
)

const digest = "registry.example/web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// program is a small cluster that the guard takes: a Deployment with its autoscaler and budget, a DaemonSet, a CronJob. Each case breaks one thing of it.
type program struct {
	web     *appsv1.DeploymentArgs
	scaler  *autoscalingv2.HorizontalPodAutoscalerArgs
	budget  *policyv1.PodDisruptionBudgetArgs
	agent   *appsv1.DaemonSetArgs
	nightly *batchv1.CronJobArgs
	class   *schedulingv1.PriorityClassArgs
	// more is registered after the others.
	more func(ctx *pulumi.Context) error
}

func meta(name string) *metav1.ObjectMetaArgs {
	return &metav1.ObjectMetaArgs{Name: pulumi.String(name), Namespace: pulumi.String("apps")}
}

func labels(app string) *metav1.LabelSelectorArgs {
	return &metav1.LabelSelectorArgs{MatchLabels: pulumi.StringMap{"app": pulumi.String(app)}}
}

func amounts(cpu, memory string) pulumi.StringMap {
	return pulumi.StringMap{"cpu": pulumi.String(cpu), "memory": pulumi.String(memory)}
}

func probe(path string) *corev1.ProbeArgs {
	return &corev1.ProbeArgs{HttpGet: &corev1.HTTPGetActionArgs{Path: pulumi.String(path), Port: pulumi.Int(8080)}}
}

func container(name string) *corev1.ContainerArgs {
	return &corev1.ContainerArgs{
		Name: pulumi.String(name), Image: pulumi.String(digest), ReadinessProbe: probe("/readyz"), LivenessProbe: probe("/healthz"),
		Resources: &corev1.ResourceRequirementsArgs{Requests: amounts("1", "1Gi"), Limits: amounts("2", "1Gi")},
	}
}

func over(app, key string) *corev1.TopologySpreadConstraintArgs {
	return &corev1.TopologySpreadConstraintArgs{
		LabelSelector: labels(app), MaxSkew: pulumi.Int(1), TopologyKey: pulumi.String(key), WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
	}
}

func sound() *program {
	return &program{
		web: &appsv1.DeploymentArgs{Metadata: meta("web"), Spec: &appsv1.DeploymentSpecArgs{
			Selector: labels("web"),
			Template: &corev1.PodTemplateSpecArgs{
				Metadata: &metav1.ObjectMetaArgs{Labels: pulumi.StringMap{"app": pulumi.String("web"), "more": pulumi.String("yes")}},
				Spec: &corev1.PodSpecArgs{
					Containers: corev1.ContainerArray{container("web")},
					Volumes: corev1.VolumeArray{
						&corev1.VolumeArgs{Name: pulumi.String("tmp"), EmptyDir: &corev1.EmptyDirVolumeSourceArgs{}},
						&corev1.VolumeArgs{Name: pulumi.String("key"), Secret: &corev1.SecretVolumeSourceArgs{SecretName: pulumi.String("web")}},
					},
					TopologySpreadConstraints: corev1.TopologySpreadConstraintArray{over("web", "topology.kubernetes.io/zone"), over("web", "kubernetes.io/hostname")},
				},
			},
		}},
		scaler: &autoscalingv2.HorizontalPodAutoscalerArgs{Metadata: meta("web"), Spec: &autoscalingv2.HorizontalPodAutoscalerSpecArgs{
			ScaleTargetRef: &autoscalingv2.CrossVersionObjectReferenceArgs{ApiVersion: pulumi.String("apps/v1"), Kind: pulumi.String("Deployment"), Name: pulumi.String("web")},
			MinReplicas:    pulumi.Int(2), MaxReplicas: pulumi.Int(5),
		}},
		budget: &policyv1.PodDisruptionBudgetArgs{Metadata: meta("web"), Spec: &policyv1.PodDisruptionBudgetSpecArgs{
			MaxUnavailable: pulumi.Int(1), Selector: labels("web"),
		}},
		agent: &appsv1.DaemonSetArgs{Metadata: meta("agent"), Spec: &appsv1.DaemonSetSpecArgs{
			Selector: labels("agent"),
			Template: &corev1.PodTemplateSpecArgs{
				Metadata: &metav1.ObjectMetaArgs{Labels: pulumi.StringMap{"app": pulumi.String("agent")}},
				Spec:     &corev1.PodSpecArgs{Containers: corev1.ContainerArray{container("agent")}},
			},
		}},
		nightly: &batchv1.CronJobArgs{Metadata: meta("nightly"), Spec: &batchv1.CronJobSpecArgs{
			Schedule: pulumi.String("0 5 * * *"),
			JobTemplate: &batchv1.JobTemplateSpecArgs{Spec: &batchv1.JobSpecArgs{Template: &corev1.PodTemplateSpecArgs{Spec: &corev1.PodSpecArgs{
				// A task has no probes.
				Containers: corev1.ContainerArray{&corev1.ContainerArgs{
					Name: pulumi.String("nightly"), Image: pulumi.String(digest),
					Resources: &corev1.ResourceRequirementsArgs{Requests: amounts("0.5", "128Mi"), Limits: amounts("500m", "128M")},
				}},
			}}}},
		}},
		class: &schedulingv1.PriorityClassArgs{Metadata: &metav1.ObjectMetaArgs{Name: pulumi.String("last")}, Value: pulumi.Int(-10)},
	}
}

// The parts of the program that cases change.
func (p *program) spec() *appsv1.DeploymentSpecArgs { return p.web.Spec.(*appsv1.DeploymentSpecArgs) }
func (p *program) template() *corev1.PodTemplateSpecArgs {
	return p.spec().Template.(*corev1.PodTemplateSpecArgs)
}
func (p *program) pod() *corev1.PodSpecArgs { return p.template().Spec.(*corev1.PodSpecArgs) }
func (p *program) container() *corev1.ContainerArgs {
	return p.pod().Containers.(corev1.ContainerArray)[0].(*corev1.ContainerArgs)
}
func (p *program) resources() *corev1.ResourceRequirementsArgs {
	return p.container().Resources.(*corev1.ResourceRequirementsArgs)
}
func (p *program) scale() *autoscalingv2.HorizontalPodAutoscalerSpecArgs {
	return p.scaler.Spec.(*autoscalingv2.HorizontalPodAutoscalerSpecArgs)
}
func (p *program) disruption() *policyv1.PodDisruptionBudgetSpecArgs {
	return p.budget.Spec.(*policyv1.PodDisruptionBudgetSpecArgs)
}

func (p *program) volume(v *corev1.VolumeArgs) {
	v.Name = pulumi.String("data")
	p.pod().Volumes = corev1.VolumeArray{v}
}

func (p *program) register(ctx *pulumi.Context) error {
	if p.scaler != nil {
		if _, err := autoscalingv2.NewHorizontalPodAutoscaler(ctx, "web-autoscaler", p.scaler); err != nil {
			return err
		}
	}
	if p.budget != nil {
		if _, err := policyv1.NewPodDisruptionBudget(ctx, "web-budget", p.budget); err != nil {
			return err
		}
	}
	if _, err := appsv1.NewDeployment(ctx, "web", p.web); err != nil {
		return err
	}
	if _, err := appsv1.NewDaemonSet(ctx, "agent", p.agent); err != nil {
		return err
	}
	if _, err := batchv1.NewCronJob(ctx, "nightly", p.nightly); err != nil {
		return err
	}
	if _, err := schedulingv1.NewPriorityClass(ctx, "last", p.class); err != nil {
		return err
	}
	if p.more != nil {
		return p.more(ctx)
	}
	return nil
}

// workers are two a site, of 4 cores and 16 GiB.
func workers() []guard.Node {
	var out []guard.Node
	for _, name := range []string{"gra-worker-1", "gra-worker-2", "rbx-worker-1", "rbx-worker-2"} {
		out = append(out, guard.Node{Name: name, Site: name[:3], Labels: map[string]string{"kubernetes.io/hostname": name}, CPU: 4000, Memory: 16 * pod.GiB})
	}
	return out
}

// run registers the program under the guard's eyes and gives what the guard says.
func run(t *testing.T, mode hosttest.Mode, p *program, facts guard.Facts) (*hosttest.Engine, *guard.Guard, error) {
	t.Helper()
	e := hosttest.New().Handle("kubernetes:*", hosttest.Handler{})
	var g *guard.Guard
	err := e.Run(mode, func(ctx *pulumi.Context) (err error) {
		if g, err = guard.Watch(ctx, facts); err != nil {
			return err
		}
		return p.register(ctx)
	})
	if g == nil {
		t.Fatal(err)
	}
	return e, g, err
}

func said(g *guard.Guard) string {
	if err := g.Err(); err != nil {
		return err.Error()
	}
	return ""
}

// taken are programs that keep a rule, most of them just so.
var taken = []struct {
	rule   guard.Rule
	name   string
	change func(*program)
}{
	{guard.RuleKind, "a ConfigMap and a NetworkPolicy", func(p *program) {
		p.more = func(ctx *pulumi.Context) error {
			if _, err := corev1.NewConfigMap(ctx, "settings", &corev1.ConfigMapArgs{Metadata: meta("settings")}); err != nil {
				return err
			}
			_, err := networkingv1.NewNetworkPolicy(ctx, "policy", &networkingv1.NetworkPolicyArgs{Metadata: meta("policy")})
			return err
		}
	}},
	{guard.RuleImage, "an image with a tag and a digest", func(p *program) {
		p.container().Image = pulumi.String(strings.Replace(digest, "@", ":1@", 1))
	}},
	{guard.RuleRequests, "a request of one thousandth of a core and of one byte", func(p *program) { p.resources().Requests = amounts("1m", "1") }},
	{guard.RuleLimits, "limits in cores and in powers of ten", func(p *program) { p.resources().Limits = amounts("1.5", "2G") }},
	{guard.RuleHost, "a port of the container that is no port of the node", func(p *program) {
		p.container().Ports = corev1.ContainerPortArray{&corev1.ContainerPortArgs{ContainerPort: pulumi.Int(8080)}}
	}},
	{guard.RuleState, "volumes that end with the pod, and a Secret", func(p *program) {
		p.pod().Volumes = corev1.VolumeArray{
			&corev1.VolumeArgs{Name: pulumi.String("tmp"), EmptyDir: &corev1.EmptyDirVolumeSourceArgs{}},
			&corev1.VolumeArgs{Name: pulumi.String("settings"), ConfigMap: &corev1.ConfigMapVolumeSourceArgs{Name: pulumi.String("settings")}},
			&corev1.VolumeArgs{Name: pulumi.String("key"), Secret: &corev1.SecretVolumeSourceArgs{SecretName: pulumi.String("web")}},
		}
	}},
	{guard.RuleProbes, "a Deployment that gives way, and has no probes", func(p *program) {
		p.pod().PriorityClassName = pulumi.String("last")
		p.container().ReadinessProbe, p.container().LivenessProbe = nil, nil
	}},
	{guard.RuleReplicas, "two fixed replicas", func(p *program) { p.scaler, p.spec().Replicas = nil, pulumi.Int(2) }},
	{guard.RuleReplicas, "one replica of what gives way", func(p *program) {
		p.pod().PriorityClassName, p.scale().MinReplicas = pulumi.String("last"), pulumi.Int(1)
	}},
	{guard.RuleBudget, "one of two pods must stay, in percent", func(p *program) {
		p.disruption().MaxUnavailable, p.disruption().MinAvailable = nil, pulumi.String("50%")
	}},
	{guard.RuleBudget, "no budget over what gives way", func(p *program) {
		p.pod().PriorityClassName, p.budget = pulumi.String("last"), nil
	}},
	{guard.RuleSpread, "what gives way is not spread", func(p *program) {
		p.pod().PriorityClassName, p.pod().TopologySpreadConstraints = pulumi.String("last"), nil
	}},
	{guard.RuleSpread, "spread over sites and over nodes", func(*program) {}},
	// A site has 8 cores: 2 for the agents, half a one for the task, and one each for 5 pods.
	{guard.RuleCapacity, "pods that the sites that are left hold just so", func(p *program) { p.scale().MaxReplicas = pulumi.Int(5) }},
	{"", "secrets and late values where no rule reads", func(p *program) {
		p.template().Metadata.(*metav1.ObjectMetaArgs).Annotations = pulumi.StringMap{"digest": pulumi.ToSecret(pulumi.String("x")).(pulumi.StringOutput)}
		p.container().Env = corev1.EnvVarArray{&corev1.EnvVarArgs{Name: pulumi.String("A"), Value: pulumi.ToSecret(pulumi.String("x")).(pulumi.StringOutput)}}
		p.more = func(ctx *pulumi.Context) error {
			_, err := corev1.NewSecret(ctx, "s", &corev1.SecretArgs{Metadata: meta("s"), StringData: pulumi.ToSecret(pulumi.StringMap{"a": pulumi.String("b")}).(pulumi.StringMapOutput)})
			return err
		}
	}},
}

func TestTakes(t *testing.T) {
	for _, test := range taken {
		t.Run(test.name, func(t *testing.T) {
			for _, mode := range hosttest.Both {
				p := sound()
				test.change(p)
				_, g, err := run(t, mode, p, guard.Facts{Workers: workers()})
				if err != nil || said(g) != "" {
					t.Errorf("%s: %v\n%s", mode, err, said(g))
				}
			}
		})
	}
}

// A refusal reads as one line.
func TestARefusalIsAnError(t *testing.T) {
	r := guard.Refusal{Kind: "Deployment", Name: "web", Rule: guard.RuleImage, Subject: "container web", Value: "has a tag", Mend: "pin it"}
	if got, want := r.Error(), "Deployment web: image: container web has a tag; pin it"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// An update that nobody previewed does not do what is refused: the object does not reach the engine, and the run fails with the refusal.
func TestARefusedObjectIsNotRegistered(t *testing.T) {
	p := sound()
	p.container().Image = pulumi.String("web:1")
	want := `Deployment web: image: container web has "web:1", and a tag may be moved under a running service; pin it as name@sha256:<64 hex digits>`
	e, _, err := run(t, hosttest.Known, p, guard.Facts{})
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if slices.ContainsFunc(e.Registrations(), func(r hosttest.Registration) bool { return r.Name == "web" }) {
		t.Error("the Deployment was registered")
	}
	if _, err := e.Named("agent"); err != nil {
		t.Error(err)
	}
	// A preview goes on to its end, so that it can say everything at once.
	p = sound()
	p.container().Image = pulumi.String("web:1")
	if _, g, err := run(t, hosttest.Unknown, p, guard.Facts{}); err != nil || said(g) != want {
		t.Errorf("%v\n%s", err, said(g))
	}
}

func TestExceptions(t *testing.T) {
	p := sound()
	p.pod().HostNetwork, p.pod().HostPID = pulumi.Bool(true), pulumi.Bool(true)
	allowed := guard.Exception{Rule: guard.RuleHost, Kind: "Deployment", Name: "web", Subject: "hostNetwork", Because: "a test"}
	unused := guard.Exception{Rule: guard.RuleHost, Kind: "DaemonSet", Name: "web", Subject: "hostPID", Because: "another kind's"}
	_, g, err := run(t, hosttest.Unknown, p, guard.Facts{Exceptions: []guard.Exception{allowed, unused}})
	want := "Deployment web: host: hostPID shows the pod the node's processes; do without, or give the reason in infra/guard/exceptions.go"
	if err != nil || said(g) != want {
		t.Errorf("%v\n%s", err, said(g))
	}
	if got := g.Unused(); !slices.Equal(got, []guard.Exception{unused}) {
		t.Errorf("unused: %v", got)
	}
}

// Each exception gives its reason, and none is there twice.
func TestExceptionsGiveReasons(t *testing.T) {
	seen := map[guard.Exception]bool{}
	for _, e := range guard.Exceptions() {
		if len(e.Because) < 20 || e.Kind == "" || e.Name == "" || e.Subject == "" {
			t.Errorf("%+v", e)
		}
		e.Because = ""
		if seen[e] {
			t.Errorf("%+v is there twice", e)
		}
		seen[e] = true
	}
}
