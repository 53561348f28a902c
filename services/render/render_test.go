package render_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/database"
	"havre/components/host/hosttest"
	"havre/components/workload/pod"
	"havre/components/workload/workloadtest"
	"havre/services/render"
	"havre/services/render/picture"
	"havre/services/render/reader"
	"havre/services/render/renderer"
)

var update = flag.Bool("update", false, "write the golden files anew")

const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func args() render.Args {
	return render.Args{
		Image: "198.51.100.1:5000/renderer" + digest, MinReplicas: 2, MaxReplicas: 4, CPUPercent: 50, MaxUnavailable: 1,
		Resources: pod.Resources{CPU: 50, CPULimit: 1000, Memory: 64 * pod.MiB, MemoryLimit: 256 * pod.MiB}, PriorityClass: "serving", PrewarmClass: "batch",
		Headroom: render.Headroom{Image: "198.51.100.1:5000/pause" + digest, Pods: 2, PriorityClass: "headroom"},
		Callers:  []netip.Prefix{netip.MustParsePrefix("10.80.0.0/16")}, Scrapers: []netip.Prefix{netip.MustParsePrefix("10.80.0.0/16")},
		Prewarm: &render.Prewarm{
			Schedule: "0 5 * * 1-5", TimeZone: "Europe/Paris", Campaign: "spring-sale",
			Readers: []render.Reader{{"r-1", "Ada", "Two nights, breakfast \"included\"", "€ 189"}, {"r-2", "Zoë", "One night", "€ 99"}},
		},
	}
}

func run(t *testing.T, mode hosttest.Mode, a render.Args) (*hosttest.Engine, *render.Render) {
	t.Helper()
	e := workloadtest.Kubernetes(hosttest.New())
	var made *render.Render
	if err := e.Run(mode, func(ctx *pulumi.Context) (err error) {
		made, err = render.New(ctx, "render", a)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return e, made
}

func TestGraph(t *testing.T) {
	for _, mode := range hosttest.Both {
		t.Run(mode.String(), func(t *testing.T) {
			e, made := run(t, mode, args())
			got, err := workloadtest.Dump(e)
			if err != nil {
				t.Fatal(err)
			}
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
			if made.Host != "renderer.render.svc.cluster.local" || made.PodsHost != "renderer-pods.render.svc.cluster.local" || made.Port != 8080 || len(made.Resources()) != 11 {
				t.Errorf("%s %s %d, %d resources", made.Host, made.PodsHost, made.Port, len(made.Resources()))
			}
		})
	}
}

func TestTheAutoscalerOwnsTheReplicas(t *testing.T) {
	e, _ := run(t, hosttest.Known, args())
	deployment, err := e.Named("render-renderer-deployment")
	if err != nil {
		t.Fatal(err)
	}
	if v := deployment.Value("spec.replicas"); !v.IsNull() {
		t.Errorf("the Deployment has replicas %v beside its autoscaler", v)
	}
}

// The list that the program writes is one that the renderer's prewarm reads, reader for reader.
func TestTheListIsReadable(t *testing.T) {
	e, _ := run(t, hosttest.Known, args())
	config, err := e.Named("render-prewarm-config")
	if err != nil {
		t.Fatal(err)
	}
	text := config.Value("data").ObjectValue()["readers.csv"].StringValue()
	got, err := renderer.ReadReaders(strings.NewReader(text), "spring-sale")
	if err != nil {
		t.Fatal(err)
	}
	want := []picture.Picture{
		{Campaign: "spring-sale", Reader: "r-1", Name: "Ada", Offer: "Two nights, breakfast \"included\"", Price: "€ 189"},
		{Campaign: "spring-sale", Reader: "r-2", Name: "Zoë", Offer: "One night", Price: "€ 99"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

// A placeholder holds exactly what a pod of the renderer requests: less would not make room for one, more would waste it.
func TestAPlaceholderHoldsAPodsRoom(t *testing.T) {
	e, _ := run(t, hosttest.Known, args())
	requests := func(name string) any {
		r, err := e.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		return workloadtest.Plain(r.Value("spec.template.spec.containers").ArrayValue()[0].ObjectValue()["resources"].ObjectValue()["requests"])
	}
	if held, wanted := requests("render-headroom-deployment"), requests("render-renderer-deployment"); !reflect.DeepEqual(held, wanted) {
		t.Errorf("held %v, wanted %v", held, wanted)
	}
}

// Of a database the pods get the Secret, when it comes, and the DNS; everything else stays as it is.
func TestADatabase(t *testing.T) {
	a := args()
	a.Database = true
	e, _ := run(t, hosttest.Known, a)
	deployment, err := e.Named("render-renderer-deployment")
	if err != nil {
		t.Fatal(err)
	}
	template := workloadtest.Plain(deployment.Value("spec.template.spec")).(map[string]any)
	container := template["containers"].([]any)[0].(map[string]any)
	want := map[string]any{"name": "database", "secret": map[string]any{"defaultMode": 0o440 + 0.0, "optional": true, "secretName": "database"}}
	if got := template["volumes"]; !reflect.DeepEqual(got, []any{want}) {
		t.Errorf("volumes %v, want %v", got, want)
	}
	if got, want := container["volumeMounts"], []any{map[string]any{"mountPath": "/etc/database", "name": "database", "readOnly": true}}; !reflect.DeepEqual(got, want) {
		t.Errorf("mounts %v, want %v", got, want)
	}
	command := fmt.Sprint(container["command"])
	if !strings.HasSuffix(command, " --database /etc/database]") {
		t.Errorf("command %s", command)
	}
	policy, err := e.Named("render-renderer-network-policy")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(workloadtest.Plain(policy.Value("spec.egress"))); !strings.Contains(got, "coredns") || !strings.Contains(got, "1053") || strings.Contains(got, "ipBlock") {
		t.Errorf("the way out is %s; want the cluster's DNS alone, the rest is the database's", got)
	}
	if reader.URLFile != database.KeyURL || reader.AuthorityFile != database.AuthorityFile {
		t.Errorf("the renderer reads %s and %s, the Secret has %s and %s", reader.URLFile, reader.AuthorityFile, database.KeyURL, database.AuthorityFile)
	}
}

func TestWithoutACampaign(t *testing.T) {
	a := args()
	a.Prewarm = nil
	e, made := run(t, hosttest.Known, a)
	if made.Prewarm != nil {
		t.Error("there is a CronJob")
	}
	for _, r := range e.Registrations() {
		if strings.HasPrefix(r.Name, "render-prewarm") {
			t.Errorf("%s is there", r.Name)
		}
	}
}

// A review is the service alone, in a namespace of its own.
func TestReview(t *testing.T) {
	a := args()
	a.Review, a.Namespace, a.Headroom, a.Prewarm = true, "review-42", render.Headroom{}, nil
	e, made := run(t, hosttest.Known, a)
	if made.Host != "renderer.review-42.svc.cluster.local" || made.PodsHost != "renderer-pods.review-42.svc.cluster.local" {
		t.Errorf("hosts %s and %s", made.Host, made.PodsHost)
	}
	for _, r := range e.Registrations() {
		if strings.Contains(r.Name, "headroom") || strings.Contains(r.Name, "images") || strings.Contains(r.Name, "prewarm") {
			t.Errorf("%s is there", r.Name)
		}
		if namespace := r.Text("metadata.namespace"); r.Custom && namespace != "review-42" && r.Text("metadata.name") != "review-42" {
			t.Errorf("%s is in namespace %q", r.Name, namespace)
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		mutate func(*render.Args)
		want   string
	}{
		"image":       {func(a *render.Args) { a.Image, a.Prewarm = "renderer:1", nil }, `image "renderer:1" is not pinned; give registry/name@sha256:<64 hex digits>`},
		"one replica": {func(a *render.Args) { a.MinReplicas = 1 }, "min replicas 1: give 2 or more, or a drain leaves readers without a picture"},
		"bounds":      {func(a *render.Args) { a.MaxReplicas = 1 }, "autoscale from 2 to 1: give 1 or more, and a maximum no smaller"},
		"budget":      {func(a *render.Args) { a.MaxUnavailable = 2 }, "max unavailable 2 of 2 pods: give 1 to 1"},
		"target":      {func(a *render.Args) { a.CPUPercent = 150 }, "autoscale at 150 % of the requested CPU: give 1 to 100"},
		"resources":   {func(a *render.Args) { a.Resources.CPULimit = 10 }, "resources: the CPU request 50m is above its limit 10m; lower the request or raise the limit"},
		"callers":     {func(a *render.Args) { a.Callers = nil }, "callers: none given; give the nodes' network, from which the edge asks"},
		"port":        {func(a *render.Args) { a.Port = 9090 }, `port "metrics": number 9090 is "http"'s already; give each its own`},
		"headroom":    {func(a *render.Args) { a.Headroom.Pods, a.Headroom.Image = -1, "pause" }, "headroom: image \"pause\" is not pinned; give registry/name@sha256:<64 hex digits>\nreplicas -1: give 0 or more"},
		"no lower class": {func(a *render.Args) { a.Headroom.PriorityClass = "serving" },
			`headroom: priority class "serving" beside the renderer's "serving"; give a lower one, or placeholders keep what they hold`},
		"no readers": {func(a *render.Args) { a.Prewarm.Readers = nil }, "prewarm: no readers given; give at least one, or no prewarming"},
		"readers": {func(a *render.Args) { a.Prewarm.Readers[1].ID, a.Prewarm.Readers[0].Name = "r-1", "" },
			"prewarm: reader 0 (\"r-1\"): name: is missing; give 1 to 40 characters\nprewarm: reader 1 (\"r-1\"): is given twice"},
		"campaign": {func(a *render.Args) { a.Prewarm.Campaign = ""; a.Prewarm.Readers = a.Prewarm.Readers[:1] },
			`prewarm: reader 0 ("r-1"): campaign: is missing; give 1 to 32 of a-z, 0-9 and -`},
		"schedule": {func(a *render.Args) { a.Prewarm.Schedule, a.Prewarm.TimeZone = "hourly", "" },
			"schedule \"hourly\" has 1 fields; give five: minute, hour, day, month, weekday\ntime zone \"\": give an IANA name such as Europe/Paris"},
		"review": {func(a *render.Args) { a.Review = true }, "review: headroom or prewarming given; a review has neither"},
		"several": {func(a *render.Args) { a.MinReplicas, a.MaxReplicas, a.Callers = 0, 0, nil },
			"min replicas 0: give 2 or more, or a drain leaves readers without a picture\ncallers: none given; give the nodes' network, from which the edge asks\nautoscale from 0 to 0: give 1 or more, and a maximum no smaller"},
	} {
		a := args()
		test.mutate(&a)
		if err := a.Validate(); err == nil || err.Error() != test.want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, test.want)
		}
		err := workloadtest.Kubernetes(hosttest.New()).Run(hosttest.Known, func(ctx *pulumi.Context) error { _, err := render.New(ctx, "render", a); return err })
		if err == nil || !strings.Contains(err.Error(), "render render: "+test.want) {
			t.Errorf("%s: New says %v", name, err)
		}
	}
	if err := args().Validate(); err != nil {
		t.Error(err)
	}
}

// What the edge needs to know of the service agrees with the renderer itself.
func TestAgreesWithTheRenderer(t *testing.T) {
	if _, ok := strings.CutPrefix(renderer.Path, strings.TrimSuffix(render.Path, "*")); !ok {
		t.Errorf("%s is not under %s", renderer.Path, render.Path)
	}
	query := renderer.Query(picture.Picture{Reader: "x", Name: "x"})
	for _, parameter := range render.Private() {
		if !strings.Contains("&"+query, "&"+parameter+"=x") {
			t.Errorf("the renderer has no parameter %s in %s", parameter, query)
		}
	}
}
