package metricsserver

import (
	"fmt"

	apiregistrationv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiregistration/v1"
	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

const (
	namespace  = "kube-system"
	app        = "metrics-server"
	rbacGroup  = "rbac.authorization.k8s.io"
	securePort = 10250
	// clusterCA is the authority that signs the kubelets' serving certificates.
	clusterCA = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
)

func selector() pulumi.StringMap { return pulumi.StringMap{"k8s-app": pulumi.String(app)} }

func meta(name string) *metav1.ObjectMetaArgs {
	labels := selector()
	for key, value := range naming.Labels(app, "metrics") {
		labels[key] = pulumi.String(value)
	}
	return &metav1.ObjectMetaArgs{Name: pulumi.String(name), Namespace: pulumi.String(namespace), Labels: labels, Annotations: pulumi.ToStringMap(naming.Annotations())}
}

func clusterMeta(name string) *metav1.ObjectMetaArgs {
	m := meta(name)
	m.Namespace = nil
	return m
}

func account() *corev1.ServiceAccountArgs { return &corev1.ServiceAccountArgs{Metadata: meta(app)} }

func subjects() rbacv1.SubjectArray {
	return rbacv1.SubjectArray{rbacv1.SubjectArgs{
		Kind: pulumi.String("ServiceAccount"), Name: pulumi.String(app), Namespace: pulumi.String(namespace),
	}}
}

func roleRef(kind, name string) rbacv1.RoleRefArgs {
	return rbacv1.RoleRefArgs{ApiGroup: pulumi.String(rbacGroup), Kind: pulumi.String(kind), Name: pulumi.String(name)}
}

func rule(group string, resources, verbs []string) rbacv1.PolicyRuleArgs {
	return rbacv1.PolicyRuleArgs{
		ApiGroups: pulumi.ToStringArray([]string{group}), Resources: pulumi.ToStringArray(resources), Verbs: pulumi.ToStringArray(verbs),
	}
}

// role is what metrics-server itself may do.
func role() *rbacv1.ClusterRoleArgs {
	return &rbacv1.ClusterRoleArgs{
		Metadata: clusterMeta("system:metrics-server"),
		Rules: rbacv1.PolicyRuleArray{
			rule("", []string{"nodes/metrics"}, []string{"get"}),
			rule("", []string{"nodes", "pods"}, []string{"get", "list", "watch"}),
		},
	}
}

// reader lets everybody who may view a namespace view its metrics.
func reader() *rbacv1.ClusterRoleArgs {
	m := clusterMeta("system:aggregated-metrics-reader")
	labels := m.Labels.(pulumi.StringMap)
	for _, to := range []string{"view", "edit", "admin"} {
		labels["rbac.authorization.k8s.io/aggregate-to-"+to] = pulumi.String("true")
	}
	return &rbacv1.ClusterRoleArgs{
		Metadata: m,
		Rules:    rbacv1.PolicyRuleArray{rule("metrics.k8s.io", []string{"nodes", "pods"}, []string{"get", "list", "watch"})},
	}
}

func roleBinding() *rbacv1.ClusterRoleBindingArgs {
	return &rbacv1.ClusterRoleBindingArgs{
		Metadata: clusterMeta("system:metrics-server"), RoleRef: roleRef("ClusterRole", "system:metrics-server"), Subjects: subjects(),
	}
}

// delegator lets it ask the API server who its callers are.
func delegator() *rbacv1.ClusterRoleBindingArgs {
	return &rbacv1.ClusterRoleBindingArgs{
		Metadata: clusterMeta("metrics-server:system:auth-delegator"), RoleRef: roleRef("ClusterRole", "system:auth-delegator"), Subjects: subjects(),
	}
}

// authReader lets it read the authority that signs the API server's calls to it.
func authReader() *rbacv1.RoleBindingArgs {
	return &rbacv1.RoleBindingArgs{
		Metadata: meta("metrics-server-auth-reader"), RoleRef: roleRef("Role", "extension-apiserver-authentication-reader"), Subjects: subjects(),
	}
}

func service() *corev1.ServiceArgs {
	return &corev1.ServiceArgs{
		Metadata: meta(app),
		Spec: &corev1.ServiceSpecArgs{
			Selector: selector(),
			Ports: corev1.ServicePortArray{corev1.ServicePortArgs{
				Name: pulumi.String("https"), AppProtocol: pulumi.String("https"), Port: pulumi.Int(443), Protocol: pulumi.String("TCP"), TargetPort: pulumi.String("https"),
			}},
		},
	}
}

func apiService() *apiregistrationv1.APIServiceArgs {
	return &apiregistrationv1.APIServiceArgs{
		Metadata: clusterMeta("v1beta1.metrics.k8s.io"),
		Spec: &apiregistrationv1.APIServiceSpecArgs{
			Group:                pulumi.String("metrics.k8s.io"),
			Version:              pulumi.String("v1beta1"),
			GroupPriorityMinimum: pulumi.Int(100),
			VersionPriority:      pulumi.Int(100),
			// metrics-server makes its own serving certificate at each start. Callers are authenticated by the front proxy's certificate, not by this one.
			InsecureSkipTLSVerify: pulumi.Bool(true),
			Service:               &apiregistrationv1.ServiceReferenceArgs{Name: pulumi.String(app), Namespace: pulumi.String(namespace), Port: pulumi.Int(443)},
		},
	}
}

func disruptionBudget() *policyv1.PodDisruptionBudgetArgs {
	return &policyv1.PodDisruptionBudgetArgs{
		Metadata: meta(app),
		Spec: &policyv1.PodDisruptionBudgetSpecArgs{
			MaxUnavailable:             pulumi.Int(1),
			Selector:                   &metav1.LabelSelectorArgs{MatchLabels: selector()},
			UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
		},
	}
}

func deployment(args Args) *appsv1.DeploymentArgs {
	probe := func(path string, period, failures int) *corev1.ProbeArgs {
		return &corev1.ProbeArgs{
			HttpGet:          &corev1.HTTPGetActionArgs{Path: pulumi.String(path), Port: pulumi.String("https"), Scheme: pulumi.String("HTTPS")},
			PeriodSeconds:    pulumi.Int(period),
			FailureThreshold: pulumi.Int(failures),
		}
	}
	spread := func(key string) corev1.TopologySpreadConstraintArgs {
		return corev1.TopologySpreadConstraintArgs{
			MaxSkew: pulumi.Int(1), TopologyKey: pulumi.String(key), WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
			LabelSelector: &metav1.LabelSelectorArgs{MatchLabels: selector()},
		}
	}
	return &appsv1.DeploymentArgs{
		Metadata: meta(app),
		Spec: &appsv1.DeploymentSpecArgs{
			Replicas: pulumi.Int(args.Replicas),
			Selector: &metav1.LabelSelectorArgs{MatchLabels: selector()},
			Strategy: &appsv1.DeploymentStrategyArgs{
				Type:          pulumi.String("RollingUpdate"),
				RollingUpdate: &appsv1.RollingUpdateDeploymentArgs{MaxUnavailable: pulumi.Int(0), MaxSurge: pulumi.Int(1)},
			},
			Template: &corev1.PodTemplateSpecArgs{
				Metadata: &metav1.ObjectMetaArgs{Labels: meta(app).Labels},
				Spec: &corev1.PodSpecArgs{
					ServiceAccountName: pulumi.String(app),
					PriorityClassName:  pulumi.String("system-cluster-critical"),
					EnableServiceLinks: pulumi.Bool(false),
					NodeSelector:       pulumi.StringMap{"kubernetes.io/os": pulumi.String("linux")},
					TopologySpreadConstraints: corev1.TopologySpreadConstraintArray{
						spread("kubernetes.io/hostname"),
						// A lost site must not take all figures with it: that is when autoscalers need them.
						spread("topology.kubernetes.io/zone"),
					},
					SecurityContext: &corev1.PodSecurityContextArgs{
						RunAsNonRoot: pulumi.Bool(true), RunAsUser: pulumi.Int(65532), RunAsGroup: pulumi.Int(65532), FsGroup: pulumi.Int(65532),
						SeccompProfile: &corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
					},
					Containers: corev1.ContainerArray{corev1.ContainerArgs{
						Name:            pulumi.String(app),
						Image:           pulumi.String(args.Image),
						ImagePullPolicy: pulumi.String("IfNotPresent"),
						Command: pulumi.ToStringArray([]string{
							"/metrics-server",
							"--cert-dir=/tmp",
							"--kubelet-certificate-authority=" + clusterCA,
							"--kubelet-preferred-address-types=InternalIP",
							"--kubelet-use-node-status-port",
							"--metric-resolution=15s",
							fmt.Sprintf("--secure-port=%d", securePort),
						}),
						Ports: corev1.ContainerPortArray{corev1.ContainerPortArgs{
							Name: pulumi.String("https"), ContainerPort: pulumi.Int(securePort), Protocol: pulumi.String("TCP"),
						}},
						StartupProbe:   probe("/livez", 2, 60),
						LivenessProbe:  probe("/livez", 10, 3),
						ReadinessProbe: probe("/readyz", 5, 3),
						Resources: &corev1.ResourceRequirementsArgs{
							Requests: pulumi.StringMap{"cpu": pulumi.String("100m"), "memory": pulumi.String("100Mi")},
							Limits:   pulumi.StringMap{"memory": pulumi.String("300Mi")},
						},
						SecurityContext: &corev1.SecurityContextArgs{
							AllowPrivilegeEscalation: pulumi.Bool(false),
							ReadOnlyRootFilesystem:   pulumi.Bool(true),
							Capabilities:             &corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
						},
						VolumeMounts: corev1.VolumeMountArray{corev1.VolumeMountArgs{Name: pulumi.String("tmp"), MountPath: pulumi.String("/tmp")}},
					}},
					// The image has no folder but the root, and the serving certificate must go somewhere.
					Volumes: corev1.VolumeArray{corev1.VolumeArgs{
						Name: pulumi.String("tmp"), EmptyDir: &corev1.EmptyDirVolumeSourceArgs{SizeLimit: pulumi.String("10Mi")},
					}},
				},
			},
		},
	}
}
