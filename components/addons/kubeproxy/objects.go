package kubeproxy

import (
	"encoding/json"
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

const (
	namespace = "kube-system"
	app       = "kube-proxy"
	// configName is not the one of kubeadm's own kube-proxy, whose upgrades would read it as theirs.
	configName  = "kube-proxy-config"
	configDir   = "/var/lib/kube-proxy"
	accountDir  = "/var/run/secrets/kubernetes.io/serviceaccount"
	healthPort  = 10256
	metricsPort = 10249
)

func selector() pulumi.StringMap { return pulumi.StringMap{"k8s-app": pulumi.String(app)} }

func meta(name string) *metav1.ObjectMetaArgs {
	labels := selector()
	for key, value := range naming.Labels(app, "proxy") {
		labels[key] = pulumi.String(value)
	}
	return &metav1.ObjectMetaArgs{Name: pulumi.String(name), Namespace: pulumi.String(namespace), Labels: labels, Annotations: pulumi.ToStringMap(naming.Annotations())}
}

type object map[string]any

func document(v any) string {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		// Only what this file writes comes here, and it holds nothing that JSON cannot.
		return err.Error()
	}
	return string(text) + "\n"
}

// Config is kube-proxy's configuration. It exits when the file changes, and kubelet starts it again with the new one.
func Config(args Args) string {
	return document(object{
		"apiVersion":       "kubeproxy.config.k8s.io/v1alpha1",
		"kind":             "KubeProxyConfiguration",
		"bindAddress":      "0.0.0.0",
		"clientConnection": object{"kubeconfig": configDir + "/kubeconfig.json"},
		"clusterCIDR":      args.PodCIDR.String(),
		// Zero leaves the kernel's own settings alone.
		"conntrack": object{
			"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s", "udpStreamTimeout": "0s", "udpTimeout": "0s",
		},
		"detectLocalMode":    "ClusterCIDR",
		"healthzBindAddress": fmt.Sprintf("127.0.0.1:%d", healthPort),
		"metricsBindAddress": fmt.Sprintf("127.0.0.1:%d", metricsPort),
		"mode":               "nftables",
		// Node ports answer on the mesh address only, never on the public one.
		"nodePortAddresses": []string{"primary"},
	})
}

// Kubeconfig reaches the API server through the node's own proxy, as kubelet does: the Service's address works only once kube-proxy does.
func Kubeconfig(args Args) string {
	return document(object{
		"apiVersion":      "v1",
		"kind":            "Config",
		"clusters":        []object{{"name": "default", "cluster": object{"certificate-authority": accountDir + "/ca.crt", "server": args.APIServer}}},
		"contexts":        []object{{"name": "default", "context": object{"cluster": "default", "namespace": "default", "user": "default"}}},
		"current-context": "default",
		"users":           []object{{"name": "default", "user": object{"tokenFile": accountDir + "/token"}}},
	})
}

func account() *corev1.ServiceAccountArgs { return &corev1.ServiceAccountArgs{Metadata: meta(app)} }

func roleBinding() *rbacv1.ClusterRoleBindingArgs {
	m := meta("havre:kube-proxy")
	m.Namespace = nil
	return &rbacv1.ClusterRoleBindingArgs{
		Metadata: m,
		RoleRef: rbacv1.RoleRefArgs{
			ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String("ClusterRole"), Name: pulumi.String("system:node-proxier"),
		},
		Subjects: rbacv1.SubjectArray{rbacv1.SubjectArgs{
			Kind: pulumi.String("ServiceAccount"), Name: pulumi.String(app), Namespace: pulumi.String(namespace),
		}},
	}
}

func config(args Args) *corev1.ConfigMapArgs {
	return &corev1.ConfigMapArgs{
		Metadata: meta(configName),
		Data:     pulumi.StringMap{"config.json": pulumi.String(Config(args)), "kubeconfig.json": pulumi.String(Kubeconfig(args))},
	}
}

func daemonSet(args Args) *appsv1.DaemonSetArgs {
	probe := func(path string) *corev1.ProbeArgs {
		return &corev1.ProbeArgs{
			HttpGet:       &corev1.HTTPGetActionArgs{Host: pulumi.String("127.0.0.1"), Path: pulumi.String(path), Port: pulumi.Int(healthPort)},
			PeriodSeconds: pulumi.Int(5), FailureThreshold: pulumi.Int(6),
		}
	}
	return &appsv1.DaemonSetArgs{
		Metadata: meta(app),
		Spec: &appsv1.DaemonSetSpecArgs{
			Selector: &metav1.LabelSelectorArgs{MatchLabels: selector()},
			UpdateStrategy: &appsv1.DaemonSetUpdateStrategyArgs{
				Type: pulumi.String("RollingUpdate"), RollingUpdate: &appsv1.RollingUpdateDaemonSetArgs{MaxUnavailable: pulumi.String("10%")},
			},
			Template: &corev1.PodTemplateSpecArgs{
				Metadata: &metav1.ObjectMetaArgs{Labels: meta(app).Labels},
				Spec: &corev1.PodSpecArgs{
					ServiceAccountName: pulumi.String(app),
					PriorityClassName:  pulumi.String("system-node-critical"),
					HostNetwork:        pulumi.Bool(true),
					EnableServiceLinks: pulumi.Bool(false),
					NodeSelector:       pulumi.StringMap{"kubernetes.io/os": pulumi.String("linux")},
					Tolerations:        corev1.TolerationArray{corev1.TolerationArgs{Operator: pulumi.String("Exists")}},
					SecurityContext: &corev1.PodSecurityContextArgs{
						SeccompProfile: &corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
					},
					Containers: corev1.ContainerArray{corev1.ContainerArgs{
						Name:            pulumi.String(app),
						Image:           pulumi.String(args.Image),
						ImagePullPolicy: pulumi.String("IfNotPresent"),
						Command:         pulumi.ToStringArray([]string{"/kube-proxy", "--config=" + configDir + "/config.json", "--hostname-override=$(NODE_NAME)"}),
						Env: corev1.EnvVarArray{corev1.EnvVarArgs{
							Name:      pulumi.String("NODE_NAME"),
							ValueFrom: &corev1.EnvVarSourceArgs{FieldRef: &corev1.ObjectFieldSelectorArgs{FieldPath: pulumi.String("spec.nodeName")}},
						}},
						LivenessProbe:  probe("/livez"),
						ReadinessProbe: probe("/healthz"),
						Resources: &corev1.ResourceRequirementsArgs{
							Requests: pulumi.StringMap{"cpu": pulumi.String("50m"), "memory": pulumi.String("64Mi")},
							Limits:   pulumi.StringMap{"memory": pulumi.String("256Mi")},
						},
						// Rules of the host's network are root's with NET_ADMIN; nothing else of a privileged container is needed without the old iptables mode.
						SecurityContext: &corev1.SecurityContextArgs{
							RunAsUser:                pulumi.Int(0),
							AllowPrivilegeEscalation: pulumi.Bool(false),
							ReadOnlyRootFilesystem:   pulumi.Bool(true),
							Capabilities: &corev1.CapabilitiesArgs{
								Add: pulumi.ToStringArray([]string{"NET_ADMIN"}), Drop: pulumi.ToStringArray([]string{"ALL"}),
							},
						},
						VolumeMounts: corev1.VolumeMountArray{corev1.VolumeMountArgs{
							Name: pulumi.String("config"), MountPath: pulumi.String(configDir), ReadOnly: pulumi.Bool(true),
						}},
					}},
					Volumes: corev1.VolumeArray{corev1.VolumeArgs{
						Name: pulumi.String("config"), ConfigMap: &corev1.ConfigMapVolumeSourceArgs{Name: pulumi.String(configName)},
					}},
				},
			},
		},
	}
}
