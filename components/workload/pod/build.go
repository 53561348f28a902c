package pod

import (
	"maps"
	"slices"
	"time"

	"havre/components/naming"
)

// secretMode is r--r----- as the API has it, in decimal: the group is the pod's fsGroup. configMode is r--r--r--.
const (
	secretMode = 0o440
	configMode = 0o444
)

// Build is the pod's spec, or Validate's error. The result shares no memory with the Pod.
func (p Pod) Build() (Spec, error) {
	if err := p.Validate(); err != nil {
		return Spec{}, err
	}
	s := Spec{
		AutomountServiceAccountToken:  p.ServiceAccount != "",
		ServiceAccountName:            p.ServiceAccount,
		Containers:                    []Container{p.container()},
		HostNetwork:                   p.HostNetwork,
		NodeSelector:                  maps.Clone(p.NodeSelector),
		PriorityClassName:             p.PriorityClass,
		RestartPolicy:                 "Always",
		SecurityContext:               p.securityContext(),
		TerminationGracePeriodSeconds: seconds(p.Grace, DefaultGrace),
	}
	if p.Kind.Idle() {
		// Whoever takes the room does not wait for it.
		s.TerminationGracePeriodSeconds = 0
	}
	if p.Kind == Task {
		// The Job counts and bounds the attempts; restarts inside the pod would not be seen.
		s.RestartPolicy = "Never"
	}
	if p.HostNetwork {
		// ClusterFirst falls back to the node's resolver there, which knows no Service.
		s.DNSPolicy = "ClusterFirstWithHostNet"
	}
	for _, t := range p.Tolerations {
		operator := "Equal"
		if t.Value == "" {
			operator = "Exists"
		}
		s.Tolerations = append(s.Tolerations, TolerationSpec{Effect: t.Effect, Key: t.Key, Operator: operator, Value: t.Value})
	}
	if p.Kind == Service || p.Kind == Placeholder {
		// Both give way rather than leave a pod unscheduled: when a site is lost, the other carries everything. matchLabelKeys counts the pods of one
		// revision only, else a rollout ends lopsided. Honor leaves the tainted control-plane nodes out of the count.
		for _, key := range []string{"topology.kubernetes.io/zone", "kubernetes.io/hostname"} {
			s.TopologySpreadConstraints = append(s.TopologySpreadConstraints, Spread{
				LabelSelector: LabelSelector{naming.Selector(p.App)}, MatchLabelKeys: []string{"pod-template-hash"}, MaxSkew: 1,
				NodeTaintsPolicy: "Honor", TopologyKey: key, WhenUnsatisfiable: "ScheduleAnyway",
			})
		}
	}
	for _, v := range p.Volumes {
		s.Volumes = append(s.Volumes, v.spec())
	}
	if len(p.Before) > 0 {
		s.InitContainers = []Container{p.before()}
	}
	return s, nil
}

func (p Pod) securityContext() SecurityContext {
	user := p.User
	if user == 0 {
		user = DefaultUser
	}
	c := SecurityContext{RunAsNonRoot: true, RunAsUser: user, RunAsGroup: user, FSGroup: user, SeccompProfile: SeccompProfile{"RuntimeDefault"}}
	if p.RootBecause != "" {
		c.RunAsNonRoot, c.RunAsUser, c.RunAsGroup, c.FSGroup = false, 0, 0, 0
	}
	return c
}

func (p Pod) container() Container {
	c := Container{
		Name:    p.App,
		Image:   p.Image,
		Command: slices.Clone(p.Command),
		// The digest says what the image is; a node that has it need not ask the registry.
		ImagePullPolicy: "IfNotPresent",
		LivenessProbe:   p.Liveness.spec(),
		ReadinessProbe:  p.Readiness.spec(),
		StartupProbe:    p.Startup.spec(),
		Resources: ResourceRequirements{
			Requests: map[string]string{"cpu": p.Resources.CPU.String(), "memory": p.Resources.Memory.String()},
			Limits:   map[string]string{"cpu": p.Resources.CPULimit.String(), "memory": p.Resources.MemoryLimit.String()},
		},
		SecurityContext: ContainerSecurityContext{Capabilities: Capabilities{Drop: []string{"ALL"}}, ReadOnlyRootFilesystem: true},
	}
	if p.BindLowPorts {
		c.SecurityContext.Capabilities.Add = []string{"NET_BIND_SERVICE"}
	}
	for _, env := range p.Env {
		c.Env = append(c.Env, env.spec())
	}
	for _, port := range p.Ports {
		spec := ContainerPort{ContainerPort: port.Number, Name: port.Name, Protocol: port.protocol()}
		if p.HostNetwork {
			// The API server sets it anyway; said here, a preview and a refresh agree.
			spec.HostPort = port.Number
		}
		c.Ports = append(c.Ports, spec)
	}
	for _, v := range p.Volumes {
		c.VolumeMounts = append(c.VolumeMounts, VolumeMount{MountPath: v.Path, Name: v.Name, ReadOnly: v.ConfigMap != "" || v.Secret != ""})
	}
	return c
}

// before is the container that must end first: the same in everything but what it does, and that nobody asks it for anything.
func (p Pod) before() Container {
	c := p.container()
	c.Name, c.Command = p.App+"-before", slices.Clone(p.Before)
	c.LivenessProbe, c.ReadinessProbe, c.StartupProbe, c.Ports = nil, nil, nil, nil
	c.SecurityContext.Capabilities.Add = nil
	return c
}

func (e Env) spec() EnvVar {
	switch {
	case e.Secret != "":
		return EnvVar{Name: e.Name, ValueFrom: &EnvVarSource{SecretKeyRef: &SecretKeyRef{Key: e.Key, Name: e.Secret}}}
	case e.Field != "":
		return EnvVar{Name: e.Name, ValueFrom: &EnvVarSource{FieldRef: &FieldRef{e.Field}}}
	default:
		return EnvVar{Name: e.Name, Value: e.Value}
	}
}

func (p *Probe) spec() *ProbeSpec {
	if p == nil {
		return nil
	}
	failures := p.Failures
	if failures == 0 {
		failures = 3
	}
	// Two seconds: a node that swaps a burst of pods in is slow for a moment, not dead.
	return &ProbeSpec{
		FailureThreshold: failures, HTTPGet: HTTPGet{Host: p.Host, Path: p.Path, Port: p.Port, Scheme: "HTTP"},
		PeriodSeconds: seconds(p.Every, 10*time.Second), TimeoutSeconds: 2,
	}
}

func (v Volume) spec() VolumeSpec {
	s := VolumeSpec{Name: v.Name}
	switch {
	case v.ConfigMap != "":
		s.ConfigMap = &ConfigMapSource{DefaultMode: configMode, Name: v.ConfigMap}
	case v.Secret != "":
		s.Secret = &SecretSource{DefaultMode: secretMode, Optional: v.Optional, SecretName: v.Secret}
	case v.HostFolder != "":
		s.HostPath = &HostPathSource{Path: v.HostFolder, Type: "DirectoryOrCreate"}
	default:
		s.EmptyDir = &EmptyDirSource{SizeLimit: v.Scratch.String()}
		if v.InMemory {
			s.EmptyDir.Medium = "Memory"
		}
	}
	return s
}

func seconds(d, fallback time.Duration) int {
	if d == 0 {
		d = fallback
	}
	return int(d / time.Second)
}
