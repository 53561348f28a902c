package workload

import (
	"maps"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/workload/pod"
)

// podSpec gives the plain spec to the SDK, field by field and nothing else; a test holds the result to be the spec's own JSON.
func podSpec(s pod.Spec) *corev1.PodSpecArgs {
	out := &corev1.PodSpecArgs{
		AutomountServiceAccountToken: pulumi.Bool(s.AutomountServiceAccountToken),
		DnsPolicy:                    text(s.DNSPolicy),
		EnableServiceLinks:           pulumi.Bool(s.EnableServiceLinks),
		HostNetwork:                  flag(s.HostNetwork),
		PriorityClassName:            text(s.PriorityClassName),
		RestartPolicy:                pulumi.String(s.RestartPolicy),
		SecurityContext: &corev1.PodSecurityContextArgs{
			FsGroup:        number(s.SecurityContext.FSGroup),
			RunAsGroup:     pulumi.Int(s.SecurityContext.RunAsGroup),
			RunAsNonRoot:   pulumi.Bool(s.SecurityContext.RunAsNonRoot),
			RunAsUser:      pulumi.Int(s.SecurityContext.RunAsUser),
			SeccompProfile: &corev1.SeccompProfileArgs{Type: pulumi.String(s.SecurityContext.SeccompProfile.Type)},
		},
		ServiceAccountName:            text(s.ServiceAccountName),
		TerminationGracePeriodSeconds: pulumi.Int(s.TerminationGracePeriodSeconds),
	}
	if len(s.NodeSelector) > 0 {
		out.NodeSelector = pulumi.ToStringMap(maps.Clone(s.NodeSelector))
	}
	out.Containers = containers(s.Containers)
	if len(s.InitContainers) > 0 {
		out.InitContainers = containers(s.InitContainers)
	}
	if len(s.Tolerations) > 0 {
		var list corev1.TolerationArray
		for _, t := range s.Tolerations {
			list = append(list, &corev1.TolerationArgs{Effect: text(t.Effect), Key: text(t.Key), Operator: pulumi.String(t.Operator), Value: text(t.Value)})
		}
		out.Tolerations = list
	}
	if len(s.TopologySpreadConstraints) > 0 {
		var list corev1.TopologySpreadConstraintArray
		for _, c := range s.TopologySpreadConstraints {
			list = append(list, &corev1.TopologySpreadConstraintArgs{
				LabelSelector:     &metav1.LabelSelectorArgs{MatchLabels: pulumi.ToStringMap(c.LabelSelector.MatchLabels)},
				MatchLabelKeys:    pulumi.ToStringArray(c.MatchLabelKeys),
				MaxSkew:           pulumi.Int(c.MaxSkew),
				NodeTaintsPolicy:  pulumi.String(c.NodeTaintsPolicy),
				TopologyKey:       pulumi.String(c.TopologyKey),
				WhenUnsatisfiable: pulumi.String(c.WhenUnsatisfiable),
			})
		}
		out.TopologySpreadConstraints = list
	}
	if len(s.Volumes) > 0 {
		var list corev1.VolumeArray
		for _, v := range s.Volumes {
			list = append(list, volume(v))
		}
		out.Volumes = list
	}
	return out
}

func containers(specs []pod.Container) corev1.ContainerArray {
	var list corev1.ContainerArray
	for _, c := range specs {
		list = append(list, container(c))
	}
	return list
}

func container(c pod.Container) *corev1.ContainerArgs {
	out := &corev1.ContainerArgs{
		Command:         pulumi.ToStringArray(c.Command),
		Image:           pulumi.String(c.Image),
		ImagePullPolicy: pulumi.String(c.ImagePullPolicy),
		LivenessProbe:   probe(c.LivenessProbe),
		Name:            pulumi.String(c.Name),
		ReadinessProbe:  probe(c.ReadinessProbe),
		Resources: &corev1.ResourceRequirementsArgs{
			Limits: pulumi.ToStringMap(c.Resources.Limits), Requests: pulumi.ToStringMap(c.Resources.Requests),
		},
		SecurityContext: &corev1.SecurityContextArgs{
			AllowPrivilegeEscalation: pulumi.Bool(c.SecurityContext.AllowPrivilegeEscalation),
			Capabilities:             &corev1.CapabilitiesArgs{Add: texts(c.SecurityContext.Capabilities.Add), Drop: texts(c.SecurityContext.Capabilities.Drop)},
			ReadOnlyRootFilesystem:   pulumi.Bool(c.SecurityContext.ReadOnlyRootFilesystem),
		},
		StartupProbe: probe(c.StartupProbe),
	}
	if len(c.Env) > 0 {
		var list corev1.EnvVarArray
		for _, e := range c.Env {
			list = append(list, env(e))
		}
		out.Env = list
	}
	if len(c.Ports) > 0 {
		var list corev1.ContainerPortArray
		for _, p := range c.Ports {
			list = append(list, &corev1.ContainerPortArgs{
				ContainerPort: pulumi.Int(p.ContainerPort), HostPort: number(p.HostPort), Name: pulumi.String(p.Name), Protocol: pulumi.String(p.Protocol),
			})
		}
		out.Ports = list
	}
	if len(c.VolumeMounts) > 0 {
		var list corev1.VolumeMountArray
		for _, m := range c.VolumeMounts {
			list = append(list, &corev1.VolumeMountArgs{MountPath: pulumi.String(m.MountPath), Name: pulumi.String(m.Name), ReadOnly: flag(m.ReadOnly)})
		}
		out.VolumeMounts = list
	}
	return out
}

func env(e pod.EnvVar) *corev1.EnvVarArgs {
	out := &corev1.EnvVarArgs{Name: pulumi.String(e.Name), Value: text(e.Value)}
	if e.ValueFrom == nil {
		return out
	}
	from := &corev1.EnvVarSourceArgs{}
	if f := e.ValueFrom.FieldRef; f != nil {
		from.FieldRef = &corev1.ObjectFieldSelectorArgs{FieldPath: pulumi.String(f.FieldPath)}
	}
	if k := e.ValueFrom.SecretKeyRef; k != nil {
		from.SecretKeyRef = &corev1.SecretKeySelectorArgs{Key: pulumi.String(k.Key), Name: pulumi.String(k.Name)}
	}
	out.ValueFrom = from
	return out
}

// probe is nil for none: a typed nil in the interface would be sent as an empty probe.
func probe(p *pod.ProbeSpec) corev1.ProbePtrInput {
	if p == nil {
		return nil
	}
	return &corev1.ProbeArgs{
		FailureThreshold: pulumi.Int(p.FailureThreshold),
		HttpGet: &corev1.HTTPGetActionArgs{
			Host: text(p.HTTPGet.Host), Path: pulumi.String(p.HTTPGet.Path), Port: pulumi.String(p.HTTPGet.Port), Scheme: pulumi.String(p.HTTPGet.Scheme),
		},
		PeriodSeconds:  pulumi.Int(p.PeriodSeconds),
		TimeoutSeconds: pulumi.Int(p.TimeoutSeconds),
	}
}

func volume(v pod.VolumeSpec) *corev1.VolumeArgs {
	out := &corev1.VolumeArgs{Name: pulumi.String(v.Name)}
	if c := v.ConfigMap; c != nil {
		out.ConfigMap = &corev1.ConfigMapVolumeSourceArgs{DefaultMode: pulumi.Int(c.DefaultMode), Name: pulumi.String(c.Name)}
	}
	if e := v.EmptyDir; e != nil {
		out.EmptyDir = &corev1.EmptyDirVolumeSourceArgs{Medium: text(e.Medium), SizeLimit: pulumi.String(e.SizeLimit)}
	}
	if h := v.HostPath; h != nil {
		out.HostPath = &corev1.HostPathVolumeSourceArgs{Path: pulumi.String(h.Path), Type: pulumi.String(h.Type)}
	}
	if s := v.Secret; s != nil {
		out.Secret = &corev1.SecretVolumeSourceArgs{DefaultMode: pulumi.Int(s.DefaultMode), Optional: flag(s.Optional), SecretName: pulumi.String(s.SecretName)}
	}
	return out
}

// text, number, flag and texts leave a zero value out.
func text(s string) pulumi.StringPtrInput {
	if s == "" {
		return nil
	}
	return pulumi.String(s)
}

func number(n int) pulumi.IntPtrInput {
	if n == 0 {
		return nil
	}
	return pulumi.Int(n)
}

func flag(b bool) pulumi.BoolPtrInput {
	if !b {
		return nil
	}
	return pulumi.Bool(b)
}

func texts(list []string) pulumi.StringArrayInput {
	if len(list) == 0 {
		return nil
	}
	return pulumi.ToStringArray(list)
}
