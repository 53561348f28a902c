package workload

import (
	"errors"
	"fmt"
	"net/netip"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
)

// namespaceName is the label that the API server puts on every namespace.
const namespaceName = "kubernetes.io/metadata.name"

// resolvers are the pods of the cluster's DNS, by the ports that they listen on. A policy is held against a packet when the Service's address and port 53 have
// become a pod's, so 53 would let nothing through.
var resolvers = Peer{App: naming.DNSApp, Namespace: "kube-system", Ports: []int{naming.DNSPort}}

// Network is who may reach a workload's pods, and whom they may reach. What is not named is closed.
type Network struct {
	// From may reach the pods on the given ports, To may be reached by them.
	From, To []Peer
	// DNS lets the pods ask the cluster's DNS.
	DNS bool
}

// Peer is one end of a connection: the pods of an App (in Namespace, or in the workload's own namespace), all pods of a Namespace, or the addresses of a Prefix.
//
// Pods on the host's network, such as the edge, have their node's address. A policy of plain Kubernetes takes them by a Prefix; Cilium does so only with
// its setting policy-cidr-match-mode=nodes.
type Peer struct {
	App, Namespace string
	Prefix         netip.Prefix
	// Ports are TCP ports of the receiving pod; at least one.
	Ports []int
}

func (n Network) closed() bool { return len(n.From) == 0 && len(n.To) == 0 && !n.DNS }

func (n Network) validate() error {
	var errs []error
	for _, side := range []struct {
		name  string
		peers []Peer
	}{{"from", n.From}, {"to", n.To}} {
		for i, p := range side.peers {
			where := fmt.Sprintf("network %s[%d]", side.name, i)
			byPods := p.App != "" || p.Namespace != ""
			if byPods == p.Prefix.IsValid() {
				errs = append(errs, fmt.Errorf("%s: app %q, namespace %q, prefix %s; give pods or a prefix", where, p.App, p.Namespace, p.Prefix))
			}
			if p.Prefix.IsValid() && p.Prefix != p.Prefix.Masked() {
				errs = append(errs, fmt.Errorf("%s: prefix %s has host bits; give %s", where, p.Prefix, p.Prefix.Masked()))
			}
			if len(p.Ports) == 0 {
				errs = append(errs, fmt.Errorf("%s: has no ports; give at least one", where))
			}
			for _, port := range p.Ports {
				if port < 1 || port > 65535 {
					errs = append(errs, fmt.Errorf("%s: port %d is outside 1–65535", where, port))
				}
			}
		}
	}
	return errors.Join(errs...)
}

func (p Peer) peer() *networkingv1.NetworkPolicyPeerArgs {
	if p.Prefix.IsValid() {
		return &networkingv1.NetworkPolicyPeerArgs{IpBlock: &networkingv1.IPBlockArgs{Cidr: pulumi.String(p.Prefix.String())}}
	}
	out := &networkingv1.NetworkPolicyPeerArgs{}
	if p.App != "" {
		out.PodSelector = &metav1.LabelSelectorArgs{MatchLabels: pulumi.ToStringMap(naming.Selector(p.App))}
	}
	if p.Namespace != "" {
		out.NamespaceSelector = &metav1.LabelSelectorArgs{MatchLabels: pulumi.StringMap{namespaceName: pulumi.String(p.Namespace)}}
	}
	return out
}

func ports(protocol string, numbers ...int) networkingv1.NetworkPolicyPortArray {
	var out networkingv1.NetworkPolicyPortArray
	for _, n := range numbers {
		out = append(out, &networkingv1.NetworkPolicyPortArgs{Port: pulumi.Int(n), Protocol: pulumi.String(protocol)})
	}
	return out
}

// policy closes both directions but for what n opens.
func (n Network) policy(ctx *pulumi.Context, name string, meta *metav1.ObjectMetaArgs, selector *metav1.LabelSelectorArgs,
	opts ...pulumi.ResourceOption,
) (*networkingv1.NetworkPolicy, error) {
	spec := &networkingv1.NetworkPolicySpecArgs{
		PodSelector: selector,
		PolicyTypes: pulumi.ToStringArray([]string{"Ingress", "Egress"}),
	}
	if len(n.From) > 0 {
		var rules networkingv1.NetworkPolicyIngressRuleArray
		for _, p := range n.From {
			rules = append(rules, &networkingv1.NetworkPolicyIngressRuleArgs{From: networkingv1.NetworkPolicyPeerArray{p.peer()}, Ports: ports("TCP", p.Ports...)})
		}
		spec.Ingress = rules
	}
	var rules networkingv1.NetworkPolicyEgressRuleArray
	for _, p := range n.To {
		rules = append(rules, &networkingv1.NetworkPolicyEgressRuleArgs{To: networkingv1.NetworkPolicyPeerArray{p.peer()}, Ports: ports("TCP", p.Ports...)})
	}
	if n.DNS {
		rules = append(rules, &networkingv1.NetworkPolicyEgressRuleArgs{
			To: networkingv1.NetworkPolicyPeerArray{resolvers.peer()}, Ports: append(ports("UDP", resolvers.Ports...), ports("TCP", resolvers.Ports...)...),
		})
	}
	if len(rules) > 0 {
		spec.Egress = rules
	}
	return networkingv1.NewNetworkPolicy(ctx, name, &networkingv1.NetworkPolicyArgs{Metadata: meta, Spec: spec}, opts...)
}
