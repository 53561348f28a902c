package cilium

import (
	"strconv"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const localhost = "127.0.0.1"

// operatorReplicas: one leads, and the other takes over when its node dies. Pods run on meanwhile; only new identities wait.
const operatorReplicas = 2

// capabilities are the chart's of 1.19.4 for the agent, which runs without being privileged. Left out is SYS_RESOURCE, for the limit of locked memory, which kernels from 5.11 on no
// longer hold programs and maps against.
var capabilities = []string{
	"CHOWN", "KILL", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "SYS_MODULE", "SYS_ADMIN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "SYSLOG",
}

// mount is a folder of the node in the agent's container.
type mount struct {
	name, host, path string
	// kind is Kubernetes' type of a hostPath.
	kind     string
	readOnly bool
	// follows shows mounts that the node makes later.
	follows bool
}

var mounts = []mount{
	{name: "bpf", host: bpfRoot, path: bpfRoot, kind: "Directory", follows: true},
	{name: "cgroup", host: cgroupRoot, path: cgroupRoot, kind: "Directory", follows: true},
	// Its state outlives it, so that an agent that starts again finds every pod as it was.
	{name: "run", host: runFolder, path: runFolder, kind: "DirectoryOrCreate"},
	{name: "netns", host: "/var/run/netns", path: runFolder + "/netns", kind: "DirectoryOrCreate", follows: true},
	{name: "cni-config", host: configFolder, path: "/host" + configFolder, kind: "DirectoryOrCreate"},
	{name: "modules", host: "/lib/modules", path: "/lib/modules", kind: "DirectoryOrCreate", readOnly: true},
	{name: "xtables-lock", host: "/run/xtables.lock", path: "/run/xtables.lock", kind: "FileOrCreate"},
	// A container that is not privileged sees its own /proc/sys read-only. Of the kernel's own settings an agent would change two; they are not its business but the
	// host's (kubernetes_sysctls), and it goes on without them.
	{name: "sys-net", host: "/proc/sys/net", path: "/host/proc/sys/net", kind: "Directory"},
}

func fromField(name, path string) corev1.EnvVarArgs {
	return corev1.EnvVarArgs{
		Name: pulumi.String(name), ValueFrom: &corev1.EnvVarSourceArgs{FieldRef: &corev1.ObjectFieldSelectorArgs{FieldPath: pulumi.String(path)}},
	}
}

func environment(args Args) corev1.EnvVarArray {
	return corev1.EnvVarArray{
		fromField("K8S_NODE_NAME", "spec.nodeName"),
		fromField("CILIUM_K8S_NAMESPACE", "metadata.namespace"),
		// The Service's own address works only once the agent does.
		corev1.EnvVarArgs{Name: pulumi.String("KUBERNETES_SERVICE_HOST"), Value: pulumi.String(args.APIServer.Addr().String())},
		corev1.EnvVarArgs{Name: pulumi.String("KUBERNETES_SERVICE_PORT"), Value: pulumi.String(strconv.Itoa(int(args.APIServer.Port())))},
		corev1.EnvVarArgs{Name: pulumi.String("GOMEMLIMIT"), ValueFrom: &corev1.EnvVarSourceArgs{
			ResourceFieldRef: &corev1.ResourceFieldSelectorArgs{Resource: pulumi.String("limits.memory"), Divisor: pulumi.String("1")},
		}},
	}
}

func probe(port, period, failures int) *corev1.ProbeArgs {
	return &corev1.ProbeArgs{
		HttpGet: &corev1.HTTPGetActionArgs{
			Host: pulumi.String(localhost), Path: pulumi.String("/healthz"), Port: pulumi.Int(port),
			HttpHeaders: corev1.HTTPHeaderArray{corev1.HTTPHeaderArgs{Name: pulumi.String("brief"), Value: pulumi.String("true")}},
		},
		PeriodSeconds: pulumi.Int(period), TimeoutSeconds: pulumi.Int(5), FailureThreshold: pulumi.Int(failures),
	}
}

func resources(cpu, memory, limit string) *corev1.ResourceRequirementsArgs {
	return &corev1.ResourceRequirementsArgs{
		Requests: pulumi.StringMap{"cpu": pulumi.String(cpu), "memory": pulumi.String(memory)},
		Limits:   pulumi.StringMap{"memory": pulumi.String(limit)},
	}
}

// podMeta is the template's.
func (p part) podMeta(args Args) *metav1.ObjectMetaArgs {
	return &metav1.ObjectMetaArgs{Labels: p.allLabels(), Annotations: pulumi.StringMap{"havre/config": pulumi.String(checksum(args))}}
}

var configMount = corev1.VolumeMountArgs{Name: pulumi.String("config"), MountPath: pulumi.String(configPath), ReadOnly: pulumi.Bool(true)}

var configVolume = corev1.VolumeArgs{Name: pulumi.String("config"), ConfigMap: &corev1.ConfigMapVolumeSourceArgs{Name: pulumi.String(configName)}}

func hostVolume(name, path, kind string) corev1.VolumeArgs {
	return corev1.VolumeArgs{Name: pulumi.String(name), HostPath: &corev1.HostPathVolumeSourceArgs{Path: pulumi.String(path), Type: pulumi.String(kind)}}
}

func daemonSet(args Args) *appsv1.DaemonSetArgs {
	inside := corev1.VolumeMountArray{configMount}
	volumes := corev1.VolumeArray{configVolume, hostVolume("cni-plugins", pluginFolder, "DirectoryOrCreate")}
	for _, m := range mounts {
		mounted := corev1.VolumeMountArgs{Name: pulumi.String(m.name), MountPath: pulumi.String(m.path)}
		if m.readOnly {
			mounted.ReadOnly = pulumi.Bool(true)
		}
		if m.follows {
			mounted.MountPropagation = pulumi.String("HostToContainer")
		}
		inside = append(inside, mounted)
		volumes = append(volumes, hostVolume(m.name, m.host, m.kind))
	}
	spec := &corev1.PodSpecArgs{
		ServiceAccountName:            pulumi.String(agent.name),
		PriorityClassName:             pulumi.String("system-node-critical"),
		HostNetwork:                   pulumi.Bool(true),
		EnableServiceLinks:            pulumi.Bool(false),
		TerminationGracePeriodSeconds: pulumi.Int(1),
		NodeSelector:                  pulumi.StringMap{"kubernetes.io/os": pulumi.String("linux")},
		Tolerations:                   corev1.TolerationArray{corev1.TolerationArgs{Operator: pulumi.String("Exists")}},
		SecurityContext: &corev1.PodSecurityContextArgs{
			AppArmorProfile: &corev1.AppArmorProfileArgs{Type: pulumi.String("Unconfined")},
			SeccompProfile:  &corev1.SeccompProfileArgs{Type: pulumi.String("Unconfined")},
		},
		InitContainers: corev1.ContainerArray{corev1.ContainerArgs{
			Name: pulumi.String("install-plugin"), Image: pulumi.String(args.AgentImage), ImagePullPolicy: pulumi.String("IfNotPresent"),
			// It copies the plugin beside its place and renames it, so that kubelet never runs half of one.
			Command:   pulumi.ToStringArray([]string{"/install-plugin.sh"}),
			Resources: initResources(),
			SecurityContext: &corev1.SecurityContextArgs{
				AllowPrivilegeEscalation: pulumi.Bool(false), Capabilities: &corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
			},
			VolumeMounts: corev1.VolumeMountArray{corev1.VolumeMountArgs{Name: pulumi.String("cni-plugins"), MountPath: pulumi.String("/host/opt/cni/bin")}},
		}},
		Containers: corev1.ContainerArray{corev1.ContainerArgs{
			Name: pulumi.String("cilium-agent"), Image: pulumi.String(args.AgentImage), ImagePullPolicy: pulumi.String("IfNotPresent"),
			Command: pulumi.ToStringArray([]string{"cilium-agent", "--config-dir=" + configPath}),
			Env:     environment(args),
			// The programs of a kernel that it meets for the first time are compiled at its start, which takes some seconds on a busy machine.
			StartupProbe:   probe(healthPort, 2, 300),
			LivenessProbe:  probe(healthPort, 30, 10),
			ReadinessProbe: probe(healthPort, 5, 3),
			Resources:      resources("100m", "256Mi", "1Gi"),
			SecurityContext: &corev1.SecurityContextArgs{
				RunAsUser: pulumi.Int(0),
				Capabilities: &corev1.CapabilitiesArgs{
					Add: pulumi.ToStringArray(capabilities), Drop: pulumi.ToStringArray([]string{"ALL"}),
				},
			},
			TerminationMessagePolicy: pulumi.String("FallbackToLogsOnError"),
			VolumeMounts:             inside,
		}},
		Volumes: volumes,
	}
	return &appsv1.DaemonSetArgs{
		Metadata: agent.meta(agent.name),
		Spec: &appsv1.DaemonSetSpecArgs{
			Selector: &metav1.LabelSelectorArgs{MatchLabels: pulumi.ToStringMap(agent.labels)},
			// What is in the kernel goes on without its agent; only new pods of the node wait for it.
			UpdateStrategy: &appsv1.DaemonSetUpdateStrategyArgs{
				Type: pulumi.String("RollingUpdate"), RollingUpdate: &appsv1.RollingUpdateDaemonSetArgs{MaxUnavailable: pulumi.Int(2)},
			},
			Template: &corev1.PodTemplateSpecArgs{Metadata: agent.podMeta(args), Spec: spec},
		},
	}
}

// initResources has a limit of processor time as well: it copies one file.
func initResources() *corev1.ResourceRequirementsArgs {
	out := resources("100m", "32Mi", "256Mi")
	out.Limits = pulumi.StringMap{"cpu": pulumi.String("1"), "memory": pulumi.String("256Mi")}
	return out
}

func disruptionBudget() *policyv1.PodDisruptionBudgetArgs {
	return &policyv1.PodDisruptionBudgetArgs{
		Metadata: operator.meta(operator.name),
		Spec: &policyv1.PodDisruptionBudgetSpecArgs{
			MaxUnavailable: pulumi.Int(1), Selector: &metav1.LabelSelectorArgs{MatchLabels: pulumi.ToStringMap(operator.labels)},
			// A pod that is not ready leads nothing and must not hold a drain up.
			UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
		},
	}
}

// deployment is the operator's. It tolerates what a node has before the pod network is up, because that waits for it.
func deployment(args Args) *appsv1.DeploymentArgs {
	tolerate := func(keys ...string) (list corev1.TolerationArray) {
		for _, key := range keys {
			list = append(list, corev1.TolerationArgs{Key: pulumi.String(key), Operator: pulumi.String("Exists")})
		}
		return list
	}
	spread := func(key, unsatisfiable string) corev1.TopologySpreadConstraintArgs {
		return corev1.TopologySpreadConstraintArgs{
			MaxSkew: pulumi.Int(1), TopologyKey: pulumi.String(key), WhenUnsatisfiable: pulumi.String(unsatisfiable),
			LabelSelector: &metav1.LabelSelectorArgs{MatchLabels: pulumi.ToStringMap(operator.labels)}, MatchLabelKeys: pulumi.ToStringArray([]string{"pod-template-hash"}),
		}
	}
	return &appsv1.DeploymentArgs{
		Metadata: operator.meta(operator.name),
		Spec: &appsv1.DeploymentSpecArgs{
			Replicas: pulumi.Int(operatorReplicas),
			Selector: &metav1.LabelSelectorArgs{MatchLabels: pulumi.ToStringMap(operator.labels)},
			Strategy: &appsv1.DeploymentStrategyArgs{
				Type:          pulumi.String("RollingUpdate"),
				RollingUpdate: &appsv1.RollingUpdateDeploymentArgs{MaxUnavailable: pulumi.Int(1), MaxSurge: pulumi.Int(1)},
			},
			Template: &corev1.PodTemplateSpecArgs{
				Metadata: operator.podMeta(args),
				Spec: &corev1.PodSpecArgs{
					ServiceAccountName: pulumi.String(operator.name),
					PriorityClassName:  pulumi.String("system-cluster-critical"),
					HostNetwork:        pulumi.Bool(true),
					EnableServiceLinks: pulumi.Bool(false),
					NodeSelector:       pulumi.StringMap{"kubernetes.io/os": pulumi.String("linux")},
					Tolerations: tolerate("node-role.kubernetes.io/control-plane", "node.kubernetes.io/not-ready", "node.kubernetes.io/network-unavailable",
						"node.cilium.io/agent-not-ready"),
					TopologySpreadConstraints: corev1.TopologySpreadConstraintArray{
						// Both listen on one port of their node.
						spread("kubernetes.io/hostname", "DoNotSchedule"), spread("topology.kubernetes.io/zone", "ScheduleAnyway"),
					},
					SecurityContext: &corev1.PodSecurityContextArgs{SeccompProfile: &corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")}},
					Containers: corev1.ContainerArray{corev1.ContainerArgs{
						Name: pulumi.String(operator.name), Image: pulumi.String(args.OperatorImage), ImagePullPolicy: pulumi.String("IfNotPresent"),
						Command: pulumi.ToStringArray([]string{operator.name + "-generic", "--config-dir=" + configPath}),
						Env:     environment(args),
						// Until it leads it answers as well.
						StartupProbe:   probe(operatorPort, 2, 60),
						LivenessProbe:  probe(operatorPort, 10, 6),
						ReadinessProbe: probe(operatorPort, 5, 5),
						Resources:      resources("50m", "96Mi", "256Mi"),
						SecurityContext: &corev1.SecurityContextArgs{
							AllowPrivilegeEscalation: pulumi.Bool(false), Capabilities: &corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
						},
						TerminationMessagePolicy: pulumi.String("FallbackToLogsOnError"),
						VolumeMounts:             corev1.VolumeMountArray{configMount},
					}},
					Volumes: corev1.VolumeArray{configVolume},
				},
			},
		},
	}
}
