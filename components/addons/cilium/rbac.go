package cilium

import (
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

const namespace = "kube-system"

// configName is the ConfigMap's, by which the operator's rights name it.
const configName = "cilium-config"

// part is one of the two processes.
type part struct {
	// role is in logical names; name is the objects' in Kubernetes, Cilium's own, which its tools look for.
	role, name string
	// labels select the pods, Cilium's own too.
	labels map[string]string
	rules  []rule
}

var (
	agent    = part{role: "agent", name: "cilium", labels: map[string]string{"k8s-app": "cilium"}, rules: agentRules}
	operator = part{role: "operator", name: "cilium-operator", labels: map[string]string{"io.cilium/app": "operator", "name": "cilium-operator"}, rules: operatorRules}
)

type rule struct {
	group                   string
	resources, names, verbs []string
}

const ciliumGroup = "cilium.io"

// agentRules are the chart's of 1.19.4 for this configuration (install/kubernetes/cilium/templates/cilium-agent/clusterrole.yaml). The agents read what they route and
// write their own state; of the cluster's own objects they change none.
var agentRules = []rule{
	{group: "networking.k8s.io", resources: []string{"networkpolicies"}, verbs: read},
	{group: "discovery.k8s.io", resources: []string{"endpointslices"}, verbs: read},
	{resources: []string{"endpoints", "namespaces", "nodes", "pods", "services"}, verbs: read},
	{group: "apiextensions.k8s.io", resources: []string{"customresourcedefinitions"}, verbs: read},
	{group: ciliumGroup, resources: []string{
		"ciliumbgpadvertisements", "ciliumbgpnodeconfigs", "ciliumbgppeerconfigs", "ciliumcidrgroups", "ciliumclusterwideenvoyconfigs",
		"ciliumclusterwidenetworkpolicies", "ciliumegressgatewaypolicies", "ciliumendpoints", "ciliumendpointslices", "ciliumenvoyconfigs", "ciliumidentities",
		"ciliuml2announcementpolicies", "ciliumloadbalancerippools", "ciliumlocalredirectpolicies", "ciliumnetworkpolicies", "ciliumnodeconfigs", "ciliumnodes",
		"ciliumpodippools",
	}, verbs: []string{"list", "watch"}},
	{group: ciliumGroup, resources: []string{"ciliumendpoints", "ciliumidentities", "ciliumnodes"}, verbs: []string{"create"}},
	{group: ciliumGroup, resources: []string{"ciliumidentities"}, verbs: []string{"update"}},
	{group: ciliumGroup, resources: []string{"ciliumendpoints"}, verbs: []string{"delete", "get"}},
	{group: ciliumGroup, resources: []string{"ciliumnodes", "ciliumnodes/status"}, verbs: []string{"get", "update"}},
	{group: ciliumGroup, resources: []string{"ciliumendpoints", "ciliumendpoints/status"}, verbs: []string{"patch"}},
}

// operatorRules are the chart's of 1.19.4 without what is switched off here: it reads no Secret and deletes no pod.
var operatorRules = []rule{
	{resources: []string{"pods"}, verbs: read},
	{resources: []string{"configmaps"}, names: []string{configName}, verbs: []string{"patch"}},
	{resources: []string{"nodes"}, verbs: []string{"list", "watch"}},
	// The taint of a node whose agent is not up, and the condition NetworkUnavailable.
	{resources: []string{"nodes", "nodes/status"}, verbs: []string{"patch"}},
	{group: "discovery.k8s.io", resources: []string{"endpointslices"}, verbs: read},
	{resources: []string{"services/status"}, verbs: []string{"patch", "update"}},
	{resources: []string{"endpoints", "namespaces", "services"}, verbs: read},
	{group: ciliumGroup, resources: []string{"ciliumclusterwidenetworkpolicies", "ciliumnetworkpolicies"}, verbs: []string{"create", "deletecollection", "get", "list", "patch", "update", "watch"}},
	{group: ciliumGroup, resources: []string{"ciliumclusterwidenetworkpolicies/status", "ciliumnetworkpolicies/status"}, verbs: []string{"patch", "update"}},
	{group: ciliumGroup, resources: []string{"ciliumendpoints", "ciliumidentities"}, verbs: []string{"delete", "list", "watch"}},
	{group: ciliumGroup, resources: []string{"ciliumidentities"}, verbs: []string{"update"}},
	{group: ciliumGroup, resources: []string{"ciliumnodes"}, verbs: []string{"create", "delete", "get", "list", "update", "watch"}},
	{group: ciliumGroup, resources: []string{"ciliumnodes/status"}, verbs: []string{"update"}},
	{group: ciliumGroup, resources: []string{
		"ciliumbgpadvertisements", "ciliumbgpnodeconfigs", "ciliumbgppeerconfigs", "ciliumendpointslices", "ciliumenvoyconfigs",
	}, verbs: []string{"create", "delete", "get", "list", "patch", "update", "watch"}},
	{group: ciliumGroup, resources: []string{"ciliumbgpclusterconfigs/status", "ciliumbgppeerconfigs/status"}, verbs: []string{"update"}},
	{group: "apiextensions.k8s.io", resources: []string{"customresourcedefinitions"}, verbs: []string{"create", "get", "list", "watch"}},
	// Its own definitions, and no other.
	{group: "apiextensions.k8s.io", resources: []string{"customresourcedefinitions"}, names: []string{
		"ciliumbgpadvertisements.cilium.io", "ciliumbgpclusterconfigs.cilium.io", "ciliumbgpnodeconfigoverrides.cilium.io", "ciliumbgpnodeconfigs.cilium.io",
		"ciliumbgppeerconfigs.cilium.io", "ciliumcidrgroups.cilium.io", "ciliumclusterwideenvoyconfigs.cilium.io", "ciliumclusterwidenetworkpolicies.cilium.io",
		"ciliumegressgatewaypolicies.cilium.io", "ciliumendpoints.cilium.io", "ciliumendpointslices.cilium.io", "ciliumenvoyconfigs.cilium.io",
		"ciliumgatewayclassconfigs.cilium.io", "ciliumidentities.cilium.io", "ciliuml2announcementpolicies.cilium.io", "ciliumloadbalancerippools.cilium.io",
		"ciliumlocalredirectpolicies.cilium.io", "ciliumnetworkpolicies.cilium.io", "ciliumnodeconfigs.cilium.io", "ciliumnodes.cilium.io", "ciliumpodippools.cilium.io",
	}, verbs: []string{"update"}},
	{group: ciliumGroup, resources: []string{
		"ciliumbgpclusterconfigs", "ciliumbgpnodeconfigoverrides", "ciliumbgppeerconfigs", "ciliumloadbalancerippools", "ciliumpodippools",
	}, verbs: read},
	{group: ciliumGroup, resources: []string{"ciliumpodippools"}, verbs: []string{"create"}},
	{group: ciliumGroup, resources: []string{"ciliumloadbalancerippools/status"}, verbs: []string{"patch"}},
	// One of the two operators leads.
	{group: "coordination.k8s.io", resources: []string{"leases"}, verbs: []string{"create", "get", "update"}},
}

var read = []string{"get", "list", "watch"}

// labels are all of an object of the part.
func (p part) allLabels() pulumi.StringMap {
	labels := pulumi.ToStringMap(p.labels)
	for key, value := range naming.Labels(p.name, "network") {
		labels[key] = pulumi.String(value)
	}
	return labels
}

func (p part) meta(name string) *metav1.ObjectMetaArgs {
	return &metav1.ObjectMetaArgs{
		Name: pulumi.String(name), Namespace: pulumi.String(namespace), Labels: p.allLabels(), Annotations: pulumi.ToStringMap(naming.Annotations()),
	}
}

func (p part) clusterMeta() *metav1.ObjectMetaArgs {
	m := p.meta(p.name)
	m.Namespace = nil
	return m
}

func config(args Args) *corev1.ConfigMapArgs {
	return &corev1.ConfigMapArgs{Metadata: agent.meta(configName), Data: pulumi.ToStringMap(Config(args))}
}

func account(p part) *corev1.ServiceAccountArgs {
	return &corev1.ServiceAccountArgs{Metadata: p.meta(p.name)}
}

func role(p part) *rbacv1.ClusterRoleArgs {
	var rules rbacv1.PolicyRuleArray
	for _, r := range p.rules {
		args := rbacv1.PolicyRuleArgs{
			ApiGroups: pulumi.ToStringArray([]string{r.group}), Resources: pulumi.ToStringArray(r.resources), Verbs: pulumi.ToStringArray(r.verbs),
		}
		if len(r.names) > 0 {
			args.ResourceNames = pulumi.ToStringArray(r.names)
		}
		rules = append(rules, args)
	}
	return &rbacv1.ClusterRoleArgs{Metadata: p.clusterMeta(), Rules: rules}
}

func roleBinding(p part) *rbacv1.ClusterRoleBindingArgs {
	return &rbacv1.ClusterRoleBindingArgs{
		Metadata: p.clusterMeta(),
		RoleRef:  rbacv1.RoleRefArgs{ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String("ClusterRole"), Name: pulumi.String(p.name)},
		Subjects: rbacv1.SubjectArray{rbacv1.SubjectArgs{Kind: pulumi.String("ServiceAccount"), Name: pulumi.String(p.name), Namespace: pulumi.String(namespace)}},
	}
}
