package coredns

import (
	"fmt"
	"net/netip"
	"strings"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

const (
	namespace   = "kube-system"
	app         = naming.DNSApp
	dnsPort     = naming.DNSPort
	healthPort  = 8080
	readyPort   = 8181
	metricsPort = 9153
)

// selector keeps Kubernetes' own label: everything that looks for the cluster's DNS looks for it.
func selector() pulumi.StringMap { return pulumi.StringMap{"k8s-app": pulumi.String("kube-dns")} }

func meta(name string) *metav1.ObjectMetaArgs {
	labels := selector()
	for key, value := range naming.Labels(app, "dns") {
		labels[key] = pulumi.String(value)
	}
	return &metav1.ObjectMetaArgs{Name: pulumi.String(name), Namespace: pulumi.String(namespace), Labels: labels, Annotations: pulumi.ToStringMap(naming.Annotations())}
}

func clusterMeta(name string) *metav1.ObjectMetaArgs {
	m := meta(name)
	m.Namespace = nil
	return m
}

// Corefile is CoreDNS' configuration. Without upstreams names outside the cluster are refused, at once and without a query.
//
// The cluster's own names are answered from what the resolver watches, in its memory, and need no other cache. Names outside are kept as long as their owner says, 5 min at most,
// asked for again before they end where they are asked for often, and for an hour after it while no upstream answers.
func Corefile(domain string, upstreams []netip.Addr) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".:%d {\n    errors\n    health :%d {\n        lameduck 5s\n    }\n    ready :%d\n", dnsPort, healthPort, readyPort)
	fmt.Fprintf(&b, "    kubernetes %s in-addr.arpa ip6.arpa {\n        pods insecure\n        fallthrough in-addr.arpa ip6.arpa\n        ttl 30\n    }\n", domain)
	fmt.Fprintf(&b, "    prometheus :%d\n", metricsPort)
	if len(upstreams) > 0 {
		b.WriteString("    forward .")
		for _, u := range upstreams {
			b.WriteString(" " + u.String())
		}
		b.WriteString(" {\n        max_concurrent 1000\n    }\n    loop\n")
	}
	fmt.Fprintf(&b, "    cache 300 {\n        disable success %[1]s\n        disable denial %[1]s\n        prefetch 5 1m 20%%\n        serve_stale 1h\n    }\n    reload\n    loadbalance\n}\n", domain)
	return b.String()
}

func account() *corev1.ServiceAccountArgs { return &corev1.ServiceAccountArgs{Metadata: meta(app)} }

func role() *rbacv1.ClusterRoleArgs {
	return &rbacv1.ClusterRoleArgs{
		Metadata: clusterMeta("system:coredns"),
		Rules: rbacv1.PolicyRuleArray{
			rbacv1.PolicyRuleArgs{
				ApiGroups: pulumi.ToStringArray([]string{""}),
				Resources: pulumi.ToStringArray([]string{"endpoints", "namespaces", "pods", "services"}),
				Verbs:     pulumi.ToStringArray([]string{"list", "watch"}),
			},
			rbacv1.PolicyRuleArgs{
				ApiGroups: pulumi.ToStringArray([]string{"discovery.k8s.io"}),
				Resources: pulumi.ToStringArray([]string{"endpointslices"}),
				Verbs:     pulumi.ToStringArray([]string{"list", "watch"}),
			},
		},
	}
}

func roleBinding() *rbacv1.ClusterRoleBindingArgs {
	return &rbacv1.ClusterRoleBindingArgs{
		Metadata: clusterMeta("system:coredns"),
		RoleRef: rbacv1.RoleRefArgs{
			ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String("ClusterRole"), Name: pulumi.String("system:coredns"),
		},
		Subjects: rbacv1.SubjectArray{rbacv1.SubjectArgs{
			Kind: pulumi.String("ServiceAccount"), Name: pulumi.String(app), Namespace: pulumi.String(namespace),
		}},
	}
}

func config(args Args) *corev1.ConfigMapArgs {
	return &corev1.ConfigMapArgs{
		Metadata: meta(app),
		Data:     pulumi.StringMap{"Corefile": pulumi.String(Corefile(args.Domain, args.Upstreams))},
	}
}

func service(args Args) *corev1.ServiceArgs {
	m := meta("kube-dns")
	port := func(name, protocol string, port int, target string) corev1.ServicePortArgs {
		return corev1.ServicePortArgs{
			Name: pulumi.String(name), Port: pulumi.Int(port), Protocol: pulumi.String(protocol), TargetPort: pulumi.String(target),
		}
	}
	return &corev1.ServiceArgs{
		Metadata: m,
		Spec: &corev1.ServiceSpecArgs{
			ClusterIP:             pulumi.String(args.ClusterIP.String()),
			Selector:              selector(),
			InternalTrafficPolicy: pulumi.String("Local"),
			Ports:                 corev1.ServicePortArray{port("dns", "UDP", 53, "dns"), port("dns-tcp", "TCP", 53, "dns-tcp"), port("metrics", "TCP", metricsPort, "metrics")},
		},
	}
}

func daemonSet(args Args) *appsv1.DaemonSetArgs {
	port := func(name, protocol string, port int) corev1.ContainerPortArgs {
		return corev1.ContainerPortArgs{Name: pulumi.String(name), ContainerPort: pulumi.Int(port), Protocol: pulumi.String(protocol)}
	}
	probe := func(path string, port int) *corev1.ProbeArgs {
		return &corev1.ProbeArgs{
			HttpGet:          &corev1.HTTPGetActionArgs{Path: pulumi.String(path), Port: pulumi.Int(port)},
			PeriodSeconds:    pulumi.Int(5),
			TimeoutSeconds:   pulumi.Int(3),
			FailureThreshold: pulumi.Int(3),
		}
	}
	labels := meta(app).Labels
	return &appsv1.DaemonSetArgs{
		Metadata: meta(app),
		Spec: &appsv1.DaemonSetSpecArgs{
			Selector: &metav1.LabelSelectorArgs{MatchLabels: selector()},
			// A node's new resolver answers before its old one ends, node after node.
			UpdateStrategy: &appsv1.DaemonSetUpdateStrategyArgs{
				Type:          pulumi.String("RollingUpdate"),
				RollingUpdate: &appsv1.RollingUpdateDaemonSetArgs{MaxUnavailable: pulumi.Int(0), MaxSurge: pulumi.Int(1)},
			},
			Template: &corev1.PodTemplateSpecArgs{
				Metadata: &metav1.ObjectMetaArgs{Labels: labels},
				Spec: &corev1.PodSpecArgs{
					ServiceAccountName: pulumi.String(app),
					PriorityClassName:  pulumi.String("system-node-critical"),
					DnsPolicy:          pulumi.String("Default"),
					EnableServiceLinks: pulumi.Bool(false),
					NodeSelector:       pulumi.StringMap{"kubernetes.io/os": pulumi.String("linux")},
					Tolerations:        corev1.TolerationArray{corev1.TolerationArgs{Operator: pulumi.String("Exists")}},
					SecurityContext: &corev1.PodSecurityContextArgs{
						RunAsNonRoot: pulumi.Bool(true), RunAsUser: pulumi.Int(65532), RunAsGroup: pulumi.Int(65532),
						SeccompProfile: &corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
					},
					Containers: corev1.ContainerArray{corev1.ContainerArgs{
						Name:            pulumi.String(app),
						Image:           pulumi.String(args.Image),
						ImagePullPolicy: pulumi.String("IfNotPresent"),
						Command:         pulumi.ToStringArray([]string{"/coredns", "-conf", "/etc/coredns/Corefile"}),
						Ports: corev1.ContainerPortArray{
							port("dns", "UDP", dnsPort), port("dns-tcp", "TCP", dnsPort), port("metrics", "TCP", metricsPort),
						},
						LivenessProbe:  probe("/health", healthPort),
						ReadinessProbe: probe("/ready", readyPort),
						Resources: &corev1.ResourceRequirementsArgs{
							Requests: pulumi.StringMap{"cpu": pulumi.String("100m"), "memory": pulumi.String("70Mi")},
							Limits:   pulumi.StringMap{"memory": pulumi.String("170Mi")},
						},
						SecurityContext: &corev1.SecurityContextArgs{
							AllowPrivilegeEscalation: pulumi.Bool(false),
							ReadOnlyRootFilesystem:   pulumi.Bool(true),
							Capabilities:             &corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
						},
						VolumeMounts: corev1.VolumeMountArray{corev1.VolumeMountArgs{
							Name: pulumi.String("config"), MountPath: pulumi.String("/etc/coredns"), ReadOnly: pulumi.Bool(true),
						}},
					}},
					Volumes: corev1.VolumeArray{corev1.VolumeArgs{
						Name:      pulumi.String("config"),
						ConfigMap: &corev1.ConfigMapVolumeSourceArgs{Name: pulumi.String(app)},
					}},
				},
			},
		},
	}
}
