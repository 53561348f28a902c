// Package pod builds the one pod spec that stands behind every Deployment, DaemonSet, CronJob and Job of havre.
//
// It is pure: a Pod is the little that an author writes, Build gives the whole Kubernetes object as plain values. Everything is closed unless the Pod
// opens it: no root, no writable root file system, no capability, no privilege escalation, no token of a service account, the runtime's own seccomp
// profile. What a reader would get wrong: requests AND limits are required, of processor time as well. A burst then takes what
// the autoscaler adds, not what the neighbours on the node needed.
package pod

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"havre/components/naming"
)

// Kind is what a pod is for. It decides the probes, the restart policy and how pods are spread.
type Kind int

// The kinds of pods.
const (
	// Service runs until it is told to end, in several replicas that are spread over zones and nodes.
	Service Kind = iota
	// Agent runs until it is told to end, once on each node that its selector takes.
	Agent
	// Task runs to its end, by a Job.
	Task
	// Placeholder does nothing in the place of a Service's pod, spread as that would be, and ends at once. It holds room that the Service's pods take by being more
	// important.
	Placeholder
	// Keeper does nothing on each node, so that its image stays there.
	Keeper
)

// Idle says whether pods of the kind do nothing for anybody: they have no ports and no probes, end at once, and nothing waits for them.
func (k Kind) Idle() bool { return k == Placeholder || k == Keeper }

// CPU is processor time in thousandths of a core.
type CPU int

// String is the canonical Kubernetes quantity: "250m", "2".
func (c CPU) String() string {
	if c%1000 == 0 {
		return strconv.Itoa(int(c / 1000))
	}
	return strconv.Itoa(int(c)) + "m"
}

// Bytes is an amount of memory or disk.
type Bytes int64

// Units of Bytes.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

// String is the canonical Kubernetes quantity: "128Mi", "1Gi".
func (b Bytes) String() string {
	for _, unit := range []struct {
		size   Bytes
		suffix string
	}{{GiB, "Gi"}, {MiB, "Mi"}, {KiB, "Ki"}} {
		if b != 0 && b%unit.size == 0 {
			return strconv.FormatInt(int64(b/unit.size), 10) + unit.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Resources are what a container is promised (requests) and what it may take (limits). All four are required.
type Resources struct {
	CPU, CPULimit       CPU
	Memory, MemoryLimit Bytes
}

// Port is a TCP port that the container listens on, or a UDP port.
type Port struct {
	// Name is an IANA service name: 1 to 15 of a-z, 0-9 and "-".
	Name string
	// Number is 1 to 65535. On the host's network it is the host's port as well. TCP and UDP may share one.
	Number int
	UDP    bool
}

func (p Port) protocol() string {
	if p.UDP {
		return "UDP"
	}
	return "TCP"
}

// Probe is an HTTP request to the container, asked at an interval.
type Probe struct {
	// Path of the request, with its leading slash.
	Path string
	// Port is the name of one of the pod's ports.
	Port string
	// Host is where the request goes; the pod's address when empty. On the host's network an endpoint for probes alone listens on 127.0.0.1.
	Host string
	// Every is the interval, in whole seconds; 10 s by default.
	Every time.Duration
	// Failures in a row that count; 3 by default.
	Failures int
}

// Env is an environment variable: a Value, or a Key of a Secret named Secret, or a Field of the pod such as "status.podIP".
type Env struct {
	Name, Value string
	Secret, Key string
	Field       string
}

// HostFolders is where agents may keep something on their node.
const HostFolders = "/var/lib/havre/"

// Volume is a folder in the container. Exactly one of ConfigMap, Secret, Scratch and HostFolder says what is in it.
type Volume struct {
	Name, Path string
	// ConfigMap and Secret are names of objects in the pod's namespace; such a folder is read-only.
	ConfigMap, Secret string
	// Optional lets the pod start before its Secret is there: the folder is empty until then, and is filled within a minute or two of the Secret's making.
	Optional bool
	// Scratch is the size limit of an empty, writable folder that ends with the pod. InMemory puts it on a tmpfs, whose bytes count as the pod's memory.
	Scratch  Bytes
	InMemory bool
	// HostFolder is a folder below HostFolders on the node, made when it is missing and kept when the pod goes. For agents only.
	HostFolder string
}

// Toleration lets the pod on nodes with a taint. An empty Value tolerates any.
type Toleration struct{ Key, Value, Effect string }

// Pod is what an author says about a pod. The zero value of each optional field is its safe default.
type Pod struct {
	// App names the container and is the value of the label app.kubernetes.io/name by which its pods are found. Required.
	App  string
	Kind Kind
	// Image is pinned by digest: name@sha256:<64 hex>. Required: a tag may be moved under a running service.
	Image string
	// Command replaces the image's entry point. Required, as images from scratch have none that could be relied upon.
	Command []string
	// Before is a command of the same image that must end well before the container starts; none when empty.
	Before []string
	Env    []Env
	Ports  []Port
	// Readiness and Liveness are required for services and agents, and refused for the others. Startup is optional and holds the other two back.
	Readiness, Liveness, Startup *Probe
	Resources                    Resources
	Volumes                      []Volume
	// Grace is the time between SIGTERM and SIGKILL, 1 s to 1 h in whole seconds; 30 s by default. Idle pods have none.
	Grace time.Duration
	// PriorityClass and ServiceAccount are names. A ServiceAccount also mounts its token; without one there is no token in the pod.
	PriorityClass, ServiceAccount string
	// User is the numeric user and group; 65532 by default.
	User int
	// RootBecause lets the container run as user 0 and says why. It keeps every other restriction.
	RootBecause string
	// BindLowPorts gives the capability NET_BIND_SERVICE, the only one that can be had.
	BindLowPorts bool
	// HostNetwork puts the pod on its node's own network, with cluster DNS kept.
	HostNetwork  bool
	NodeSelector map[string]string
	Tolerations  []Toleration
}

// DefaultUser is the user that distroless images call nonroot.
const DefaultUser = 65532

// DefaultGrace is Kubernetes' own default.
const DefaultGrace = 30 * time.Second

var (
	imageForm = regexp.MustCompile(`^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+(:[A-Za-z0-9._-]+)?@sha256:[0-9a-f]{64}$`)
	portName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	envName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Validate reports everything that is wrong with the pod, joined.
func (p Pod) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if err := naming.Validate(p.App); err != nil {
		errs = append(errs, fmt.Errorf("app: %w", err))
	}
	if p.Kind < Service || p.Kind > Keeper {
		fail("kind %d is unknown; give pod.Service, pod.Agent, pod.Task, pod.Placeholder or pod.Keeper", p.Kind)
	}
	if !imageForm.MatchString(p.Image) {
		fail("image %q is not pinned; give registry/name@sha256:<64 hex digits>", p.Image)
	}
	if len(p.Command) == 0 || p.Command[0] == "" {
		fail("command is missing; give the program and its arguments")
	}
	if len(p.Before) > 0 && (p.Before[0] == "" || p.Kind.Idle()) {
		fail("before %q: give a program and its arguments, and none to an idle pod", p.Before)
	}
	errs = append(errs, p.Resources.validate())
	errs = append(errs, p.validatePorts(), p.validateProbes(), p.validateEnv(), p.validateVolumes())
	if p.Grace != 0 && (p.Grace < time.Second || p.Grace > time.Hour || p.Grace%time.Second != 0) {
		fail("grace %s: give 1s to 1h in whole seconds", p.Grace)
	}
	if p.Kind.Idle() && (p.Grace != 0 || len(p.Ports) > 0) {
		fail("grace %s and %d ports of an idle pod; give none, as it serves nobody and ends at once", p.Grace, len(p.Ports))
	}
	if p.User < 0 || p.User > 1<<31-1 {
		fail("user %d: give 1 to 2147483647, or 0 for %d", p.User, DefaultUser)
	}
	if p.User > 0 && p.RootBecause != "" {
		fail("user %d and a reason to be root (%q): give one of them", p.User, p.RootBecause)
	}
	for _, key := range slices.Sorted(maps.Keys(p.NodeSelector)) {
		if key == "" {
			fail("node selector: a key is empty; give a node label")
		}
	}
	for _, t := range p.Tolerations {
		if !slices.Contains([]string{"NoSchedule", "PreferNoSchedule", "NoExecute", ""}, t.Effect) {
			fail("toleration of %q: effect %q is unknown; give NoSchedule, PreferNoSchedule, NoExecute or nothing", t.Key, t.Effect)
		}
	}
	return errors.Join(errs...)
}

func (r Resources) validate() error {
	var errs []error
	if r.CPU < 1 || r.CPULimit < 1 || r.Memory < 1 || r.MemoryLimit < 1 {
		errs = append(errs, fmt.Errorf("resources: requests are %s CPU and %s memory, limits %s and %s; give all four, above zero", r.CPU, r.Memory, r.CPULimit, r.MemoryLimit))
	}
	if r.CPU > r.CPULimit {
		errs = append(errs, fmt.Errorf("resources: the CPU request %s is above its limit %s; lower the request or raise the limit", r.CPU, r.CPULimit))
	}
	if r.Memory > r.MemoryLimit {
		errs = append(errs, fmt.Errorf("resources: the memory request %s is above its limit %s; lower the request or raise the limit", r.Memory, r.MemoryLimit))
	}
	return errors.Join(errs...)
}

func (p Pod) validatePorts() error {
	var errs []error
	type number struct {
		protocol string
		port     int
	}
	names, numbers := map[string]bool{}, map[number]string{}
	for _, port := range p.Ports {
		at := number{port.protocol(), port.Number}
		if len(port.Name) > 15 || !portName.MatchString(port.Name) {
			errs = append(errs, fmt.Errorf("port %q: the name is not 1 to 15 of a-z, 0-9 and inner hyphens; shorten it", port.Name))
		}
		if port.Number < 1 || port.Number > 65535 {
			errs = append(errs, fmt.Errorf("port %q: number %d is outside 1–65535", port.Name, port.Number))
		}
		if names[port.Name] {
			errs = append(errs, fmt.Errorf("port %q is given twice; name each once", port.Name))
		}
		if other, ok := numbers[at]; ok {
			errs = append(errs, fmt.Errorf("port %q: number %d is %q's already; give each its own", port.Name, port.Number, other))
		}
		names[port.Name], numbers[at] = true, port.Name
		if port.Number < 1024 && port.Number > 0 && !p.BindLowPorts {
			errs = append(errs, fmt.Errorf("port %q: number %d is below 1024; set BindLowPorts, or listen higher", port.Name, port.Number))
		}
	}
	return errors.Join(errs...)
}

func (p Pod) validateProbes() error {
	var errs []error
	for _, probe := range []struct {
		role     string
		probe    *Probe
		required bool
	}{{"readiness", p.Readiness, true}, {"liveness", p.Liveness, true}, {"startup", p.Startup, false}} {
		if p.Kind == Task || p.Kind.Idle() {
			if probe.probe != nil {
				why := "a task has none; its end is its result"
				if p.Kind.Idle() {
					why = "an idle pod has none; nobody asks it for anything"
				}
				errs = append(errs, fmt.Errorf("%s probe: %s", probe.role, why))
			}
			continue
		}
		if probe.probe == nil {
			if probe.required {
				errs = append(errs, fmt.Errorf("%s probe is missing; give a path and a port", probe.role))
			}
			continue
		}
		if !strings.HasPrefix(probe.probe.Path, "/") {
			errs = append(errs, fmt.Errorf("%s probe: path %q has no leading slash; give one such as /healthz", probe.role, probe.probe.Path))
		}
		if _, ok := p.port(probe.probe.Port); !ok {
			errs = append(errs, fmt.Errorf("%s probe: %q is none of the pod's ports; name one of them", probe.role, probe.probe.Port))
		}
		if every := probe.probe.Every; every < 0 || every%time.Second != 0 {
			errs = append(errs, fmt.Errorf("%s probe: interval %s; give whole seconds", probe.role, every))
		}
		if probe.probe.Failures < 0 {
			errs = append(errs, fmt.Errorf("%s probe: %d failures; give 1 or more, or 0 for 3", probe.role, probe.probe.Failures))
		}
	}
	return errors.Join(errs...)
}

func (p Pod) port(name string) (Port, bool) {
	for _, port := range p.Ports {
		if port.Name == name && name != "" {
			return port, true
		}
	}
	return Port{}, false
}

func (p Pod) validateEnv() error {
	var errs []error
	seen := map[string]bool{}
	for _, env := range p.Env {
		if !envName.MatchString(env.Name) {
			errs = append(errs, fmt.Errorf("env %q: the name is not letters, digits and _ with no digit first", env.Name))
		}
		if seen[env.Name] {
			errs = append(errs, fmt.Errorf("env %q is given twice; the last would win unseen", env.Name))
		}
		seen[env.Name] = true
		if (env.Secret == "") != (env.Key == "") {
			errs = append(errs, fmt.Errorf("env %q: secret %q with key %q; give both or none", env.Name, env.Secret, env.Key))
		}
		sources := 0
		for _, source := range []string{env.Value, env.Secret, env.Field} {
			if source != "" {
				sources++
			}
		}
		if sources > 1 {
			errs = append(errs, fmt.Errorf("env %q has %d sources; give a value, a secret's key or a field", env.Name, sources))
		}
	}
	return errors.Join(errs...)
}

func (p Pod) validateVolumes() error {
	var errs []error
	names, paths := map[string]bool{}, map[string]string{}
	for _, v := range p.Volumes {
		if err := naming.Validate(v.Name); err != nil {
			errs = append(errs, fmt.Errorf("volume %q: %w", v.Name, err))
		}
		if names[v.Name] {
			errs = append(errs, fmt.Errorf("volume %q is given twice; name each once", v.Name))
		}
		if !path.IsAbs(v.Path) || path.Clean(v.Path) != v.Path || v.Path == "/" {
			errs = append(errs, fmt.Errorf("volume %q: path %q is not a clean absolute folder below /; give one such as /etc/%s", v.Name, v.Path, p.App))
		}
		if other, ok := paths[v.Path]; ok {
			errs = append(errs, fmt.Errorf("volume %q: path %q is %q's already; give each its own", v.Name, v.Path, other))
		}
		names[v.Name], paths[v.Path] = true, v.Name
		sources := 0
		for _, given := range []bool{v.ConfigMap != "", v.Secret != "", v.Scratch != 0, v.HostFolder != ""} {
			if given {
				sources++
			}
		}
		if sources != 1 {
			errs = append(errs, fmt.Errorf("volume %q has %d sources; give one of a ConfigMap, a Secret, a scratch size and a host folder", v.Name, sources))
		}
		if v.Scratch < 0 {
			errs = append(errs, fmt.Errorf("volume %q: scratch size %s; give more than zero", v.Name, v.Scratch))
		}
		if v.HostFolder != "" && (p.Kind != Agent || !strings.HasPrefix(v.HostFolder, HostFolders) || path.Clean(v.HostFolder) != v.HostFolder) {
			errs = append(errs, fmt.Errorf("volume %q: host folder %q; only an agent may have one, and only below %s", v.Name, v.HostFolder, HostFolders))
		}
		if v.Optional && v.Secret == "" {
			errs = append(errs, fmt.Errorf("volume %q: only a Secret can be optional", v.Name))
		}
		if v.InMemory && v.Scratch == 0 {
			errs = append(errs, fmt.Errorf("volume %q: only a scratch folder can be in memory", v.Name))
		}
	}
	return errors.Join(errs...)
}
