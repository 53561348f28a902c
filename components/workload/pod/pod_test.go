package pod_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"havre/components/workload/pod"
)

var update = flag.Bool("update", false, "write the golden files anew")

const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func service() pod.Pod {
	return pod.Pod{
		App: "renderer", Kind: pod.Service, Image: "198.51.100.1:5000/renderer" + digest, Command: []string{"/renderer", "serve"},
		Ports:     []pod.Port{{Name: "http", Number: 8080}, {Name: "metrics", Number: 9090}},
		Readiness: &pod.Probe{Path: "/readyz", Port: "http", Every: 2 * time.Second, Failures: 2}, Liveness: &pod.Probe{Path: "/healthz", Port: "http"},
		Resources: pod.Resources{CPU: 250, CPULimit: 2000, Memory: 128 * pod.MiB, MemoryLimit: pod.GiB},
		Env:       []pod.Env{{Name: "GOMEMLIMIT", Value: "900MiB"}, {Name: "POD_IP", Field: "status.podIP"}, {Name: "TOKEN", Secret: "renderer", Key: "token"}},
		Volumes: []pod.Volume{{Name: "config", Path: "/etc/renderer", ConfigMap: "renderer"}, {Name: "tmp", Path: "/tmp", Scratch: 64 * pod.MiB},
			{Name: "database", Path: "/etc/database", Secret: "database", Optional: true}},
		Grace: 45 * time.Second, PriorityClass: "render",
	}
}

func agent() pod.Pod {
	return pod.Pod{
		App: "edge", Kind: pod.Agent, Image: "ghcr.io/example/caddy:2.11.9" + digest, Command: []string{"/caddy", "run"}, Before: []string{"/caddy", "reach"},
		Ports:     []pod.Port{{Name: "https", Number: 443}, {Name: "health", Number: 8081}},
		Readiness: &pod.Probe{Path: "/healthz", Port: "health", Host: "127.0.0.1"}, Liveness: &pod.Probe{Path: "/healthz", Port: "health", Host: "127.0.0.1"},
		Startup:     &pod.Probe{Path: "/healthz", Port: "health", Host: "127.0.0.1", Every: time.Second, Failures: 60},
		Resources:   pod.Resources{CPU: 100, CPULimit: 1000, Memory: 64 * pod.MiB, MemoryLimit: 256 * pod.MiB},
		Volumes:     []pod.Volume{{Name: "tls", Path: "/etc/tls", Secret: "edge"}, {Name: "data", Path: "/data", Scratch: 16 * pod.MiB, InMemory: true}, {Name: "kept", Path: "/kept", HostFolder: "/var/lib/havre/edge"}},
		RootBecause: "ports below 1024 on the host's network", BindLowPorts: true, HostNetwork: true,
		NodeSelector: map[string]string{"node-role.kubernetes.io/edge": ""},
		Tolerations:  []pod.Toleration{{Key: "dedicated", Value: "edge", Effect: "NoSchedule"}, {Effect: "NoExecute"}},
	}
}

func task() pod.Pod {
	return pod.Pod{
		App: "prewarm", Kind: pod.Task, Image: "registry.example/renderer" + digest, Command: []string{"/renderer", "prewarm"},
		Resources: pod.Resources{CPU: 50, CPULimit: 500, Memory: 32 * pod.MiB, MemoryLimit: 64 * pod.MiB}, User: 1000, ServiceAccount: "prewarm",
	}
}

func placeholder() pod.Pod {
	return pod.Pod{
		App: "headroom", Kind: pod.Placeholder, Image: "registry.example/pause" + digest, Command: []string{"/pause"}, PriorityClass: "headroom",
		Resources: pod.Resources{CPU: 2000, CPULimit: 2000, Memory: 2 * pod.GiB, MemoryLimit: 2 * pod.GiB},
	}
}

func keeper() pod.Pod {
	return pod.Pod{
		App: "images", Kind: pod.Keeper, Image: "registry.example/renderer" + digest, Command: []string{"/renderer", "hold"},
		Resources: pod.Resources{CPU: 1, CPULimit: 100, Memory: 16 * pod.MiB, MemoryLimit: 32 * pod.MiB},
	}
}

func TestGolden(t *testing.T) {
	for name, p := range map[string]pod.Pod{"service": service(), "agent": agent(), "task": task(), "placeholder": placeholder(), "keeper": keeper()} {
		spec, err := p.Build()
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(spec, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, '\n')
		path := filepath.Join("testdata", name+".json")
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s differs; run with -update and read the difference:\n%s", path, got)
		}
	}
}

func TestBuildSharesNothing(t *testing.T) {
	p := agent()
	first, err := p.Build()
	if err != nil {
		t.Fatal(err)
	}
	first.NodeSelector["other"] = "x"
	first.Containers[0].Command[0] = "/bin/sh"
	if len(p.NodeSelector) != 1 || p.Command[0] != "/caddy" {
		t.Errorf("a change of the spec reached the pod: %v %v", p.NodeSelector, p.Command)
	}
}

func TestQuantities(t *testing.T) {
	for want, got := range map[string]string{
		"250m": pod.CPU(250).String(), "2": pod.CPU(2000).String(), "1500m": pod.CPU(1500).String(), "0": pod.CPU(0).String(),
		"128Mi": (128 * pod.MiB).String(), "1Gi": (1024 * pod.MiB).String(), "1536Mi": (pod.GiB + 512*pod.MiB).String(), "1025": (pod.KiB + 1).String(), "4Ki": (4 * pod.KiB).String(),
	} {
		if got != want {
			t.Errorf("%s, wanted %s", got, want)
		}
	}
	if got := pod.Bytes(0).String(); got != "0" {
		t.Errorf("no bytes are %s", got)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		mutate func(*pod.Pod)
		want   string
	}{
		{"app", func(p *pod.Pod) { p.App = "" }, "app: name is empty; give it one such as gra-worker-2"},
		{"kind", func(p *pod.Pod) { p.Kind = 7 }, "kind 7 is unknown; give pod.Service, pod.Agent, pod.Task, pod.Placeholder or pod.Keeper"},
		{"image by tag", func(p *pod.Pod) { p.Image = "ghcr.io/x/y:latest" }, `image "ghcr.io/x/y:latest" is not pinned; give registry/name@sha256:<64 hex digits>`},
		{"image short digest", func(p *pod.Pod) { p.Image = "ghcr.io/x/y@sha256:abc" }, `image "ghcr.io/x/y@sha256:abc" is not pinned; give registry/name@sha256:<64 hex digits>`},
		{"image without registry", func(p *pod.Pod) { p.Image = "y" + digest }, `image "y` + digest + `" is not pinned; give registry/name@sha256:<64 hex digits>`},
		{"command", func(p *pod.Pod) { p.Command = nil }, "command is missing; give the program and its arguments"},
		{"before", func(p *pod.Pod) { p.Before = []string{""} }, `before [""]: give a program and its arguments, and none to an idle pod`},
		{"no limits", func(p *pod.Pod) { p.Resources.CPULimit = 0; p.Resources.CPU = 0 }, "resources: requests are 0 CPU and 128Mi memory, limits 0 and 1Gi; give all four, above zero"},
		{"cpu above limit", func(p *pod.Pod) { p.Resources.CPU = 3000 }, "resources: the CPU request 3 is above its limit 2; lower the request or raise the limit"},
		{"memory above limit", func(p *pod.Pod) { p.Resources.Memory = 2 * pod.GiB }, "resources: the memory request 2Gi is above its limit 1Gi; lower the request or raise the limit"},
		{"port name", func(p *pod.Pod) { p.Ports[1].Name = "a-very-long-port-name" }, `port "a-very-long-port-name": the name is not 1 to 15 of a-z, 0-9 and inner hyphens; shorten it`},
		{"port number", func(p *pod.Pod) { p.Ports[1].Number = 70000 }, `port "metrics": number 70000 is outside 1–65535`},
		{"port twice", func(p *pod.Pod) { p.Ports[1].Name = "http" }, `port "http" is given twice; name each once`},
		{"number twice", func(p *pod.Pod) { p.Ports[1].Number = 8080 }, `port "metrics": number 8080 is "http"'s already; give each its own`},
		{"low port", func(p *pod.Pod) { p.Ports[1].Number = 90 }, `port "metrics": number 90 is below 1024; set BindLowPorts, or listen higher`},
		{"no readiness", func(p *pod.Pod) { p.Readiness = nil }, "readiness probe is missing; give a path and a port"},
		{"no liveness", func(p *pod.Pod) { p.Liveness = nil }, "liveness probe is missing; give a path and a port"},
		{"probe path", func(p *pod.Pod) { p.Liveness.Path = "healthz" }, `liveness probe: path "healthz" has no leading slash; give one such as /healthz`},
		{"probe port", func(p *pod.Pod) { p.Readiness.Port = "web" }, `readiness probe: "web" is none of the pod's ports; name one of them`},
		{"probe interval", func(p *pod.Pod) { p.Readiness.Every = 1500 * time.Millisecond }, "readiness probe: interval 1.5s; give whole seconds"},
		{"probe failures", func(p *pod.Pod) { p.Readiness.Failures = -1 }, "readiness probe: -1 failures; give 1 or more, or 0 for 3"},
		{"task with probe", func(p *pod.Pod) { p.Kind = pod.Task; p.Liveness = nil }, "readiness probe: a task has none; its end is its result"},
		{"env name", func(p *pod.Pod) { p.Env[0].Name = "1X" }, `env "1X": the name is not letters, digits and _ with no digit first`},
		{"env twice", func(p *pod.Pod) { p.Env[1].Name = "GOMEMLIMIT" }, `env "GOMEMLIMIT" is given twice; the last would win unseen`},
		{"env half a secret", func(p *pod.Pod) { p.Env[2].Key = "" }, `env "TOKEN": secret "renderer" with key ""; give both or none`},
		{"env two sources", func(p *pod.Pod) { p.Env[2].Value = "x" }, `env "TOKEN" has 2 sources; give a value, a secret's key or a field`},
		{"volume name", func(p *pod.Pod) { p.Volumes[0].Name = "Config" }, `volume "Config": name "Config" is not made of lower-case letters, digits and inner hyphens with a letter first; write it like gra-worker-2`},
		{"volume twice", func(p *pod.Pod) { p.Volumes[1].Name = "config" }, `volume "config" is given twice; name each once`},
		{"volume path", func(p *pod.Pod) { p.Volumes[0].Path = "etc/../x" }, `volume "config": path "etc/../x" is not a clean absolute folder below /; give one such as /etc/renderer`},
		{"volume path twice", func(p *pod.Pod) { p.Volumes[0].Path = "/tmp" }, `volume "tmp": path "/tmp" is "config"'s already; give each its own`},
		{"volume sources", func(p *pod.Pod) { p.Volumes[0].Secret = "x" }, `volume "config" has 2 sources; give one of a ConfigMap, a Secret, a scratch size and a host folder`},
		{"volume no source", func(p *pod.Pod) { p.Volumes[1].Scratch = 0 }, `volume "tmp" has 0 sources; give one of a ConfigMap, a Secret, a scratch size and a host folder`},
		{"volume size", func(p *pod.Pod) { p.Volumes[1].Scratch = -1 }, `volume "tmp": scratch size -1; give more than zero`},
		{"volume memory", func(p *pod.Pod) { p.Volumes[0].InMemory = true }, `volume "config": only a scratch folder can be in memory`},
		{"volume optional", func(p *pod.Pod) { p.Volumes[0].Optional = true }, `volume "config": only a Secret can be optional`},
		{"volume on the node", func(p *pod.Pod) {
			p.Volumes[1] = pod.Volume{Name: "tmp", Path: "/tmp", HostFolder: "/var/lib/havre/x"}
		}, `volume "tmp": host folder "/var/lib/havre/x"; only an agent may have one, and only below /var/lib/havre/`},
		{"grace short", func(p *pod.Pod) { p.Grace = time.Millisecond }, "grace 1ms: give 1s to 1h in whole seconds"},
		{"grace long", func(p *pod.Pod) { p.Grace = 2 * time.Hour }, "grace 2h0m0s: give 1s to 1h in whole seconds"},
		{"user", func(p *pod.Pod) { p.User = -1 }, "user -1: give 1 to 2147483647, or 0 for 65532"},
		{"user and root", func(p *pod.Pod) { p.User = 5; p.RootBecause = "x" }, `user 5 and a reason to be root ("x"): give one of them`},
		{"node selector", func(p *pod.Pod) { p.NodeSelector = map[string]string{"": "x"} }, "node selector: a key is empty; give a node label"},
		{"toleration", func(p *pod.Pod) { p.Tolerations = []pod.Toleration{{Key: "k", Effect: "Never"}} }, `toleration of "k": effect "Never" is unknown; give NoSchedule, PreferNoSchedule, NoExecute or nothing`},
		{"several", func(p *pod.Pod) { p.App, p.Command, p.Grace = "", nil, -1 }, "app: name is empty; give it one such as gra-worker-2\ncommand is missing; give the program and its arguments\ngrace -1ns: give 1s to 1h in whole seconds"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := service()
			test.mutate(&p)
			_, err := p.Build()
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
	for want, p := range map[string]pod.Pod{
		"grace 1s and 0 ports of an idle pod; give none, as it serves nobody and ends at once": {Grace: time.Second},
		"grace 0s and 1 ports of an idle pod; give none, as it serves nobody and ends at once": {Ports: []pod.Port{{Name: "http", Number: 8080}}},
		"liveness probe: an idle pod has none; nobody asks it for anything":                    {Liveness: &pod.Probe{Path: "/", Port: "http"}},
	} {
		for _, idle := range []pod.Pod{placeholder(), keeper()} {
			idle.Grace, idle.Ports, idle.Liveness = p.Grace, p.Ports, p.Liveness
			if err := idle.Validate(); err == nil || err.Error() != want {
				t.Errorf("%s:\n got %v\nwant %s", idle.App, err, want)
			}
		}
	}
	for _, p := range []pod.Pod{service(), agent(), task(), placeholder(), keeper()} {
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", p.App, err)
		}
	}
}

func TestHostFoldersStayInTheirPlace(t *testing.T) {
	for _, folder := range []string{"/var/lib/havre", "/var/lib/havre/../kubelet", "/etc", "var/lib/havre/x"} {
		p := agent()
		p.Volumes[2].HostFolder = folder
		want := `volume "kept": host folder "` + folder + `"; only an agent may have one, and only below /var/lib/havre/`
		if err := p.Validate(); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// The restricted profile of Kubernetes' pod security standard, held on every pod that asks for no exception.
func TestRestrictedByDefault(t *testing.T) {
	for _, p := range []pod.Pod{service(), task(), placeholder(), keeper()} {
		spec, err := p.Build()
		if err != nil {
			t.Fatal(err)
		}
		c := spec.Containers[0].SecurityContext
		if !spec.SecurityContext.RunAsNonRoot || spec.SecurityContext.RunAsUser == 0 || spec.SecurityContext.SeccompProfile.Type != "RuntimeDefault" ||
			c.AllowPrivilegeEscalation || !c.ReadOnlyRootFilesystem || strings.Join(c.Capabilities.Drop, "") != "ALL" || len(c.Capabilities.Add) != 0 || spec.HostNetwork {
			t.Errorf("%s is not restricted: %+v %+v", p.App, spec.SecurityContext, c)
		}
		if spec.AutomountServiceAccountToken != (p.ServiceAccount != "") {
			t.Errorf("%s: a token without a service account, or the other way round", p.App)
		}
	}
}
