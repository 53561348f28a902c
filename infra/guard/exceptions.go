package guard

// Exception lets one part of one object by one rule.
type Exception struct {
	Rule Rule
	// Kind and Name are the object's; Subject is what the refusal would name.
	Kind, Name, Subject string
	// Because is the reason: what would not work, and why it harms nobody.
	Because string
}

const (
	agentsOfTheNode  = "it programs the node's own network, and has no other capability than NET_ADMIN"
	networkOfTheNode = "it is the node's pod network; of the cluster's objects it changes Cilium's own alone"
	networkOfAll     = "it keeps Cilium's own objects, and says of a node that its network is up; it reads no Secret"
	stateOfTheKernel = "no data, but the kernel's own state, which it programs"
	throttled        = "throttled at a limit, every name and every Service of the cluster would be slow at once; its request is small, and its memory is bounded"
	doesNothing      = "it does nothing but keep an image on its node; no request ever reaches it"
	readsTheAPI      = "it watches objects through the API, and may read only those"
	outside          = "the service runs on hosts outside the cluster, so no controller knows its addresses; they are the plan's"
)

// Exceptions are all there are. A line here is read by whoever reviews the pull request, so it says why.
func Exceptions() []Exception {
	return []Exception{
		{RuleKind, "ServiceAccount", "coredns-account", "core/v1:ServiceAccount", readsTheAPI},
		{RuleKind, "ClusterRole", "coredns-role", "rbac.authorization.k8s.io/v1:ClusterRole", readsTheAPI},
		{RuleKind, "ClusterRoleBinding", "coredns-role-binding", "rbac.authorization.k8s.io/v1:ClusterRoleBinding", readsTheAPI},
		{RuleLimits, "DaemonSet", "coredns-daemon-set", "cpu of container coredns", throttled},

		{RuleKind, "ServiceAccount", "cilium-agent-account", "core/v1:ServiceAccount", networkOfTheNode},
		{RuleKind, "ClusterRole", "cilium-agent-role", "rbac.authorization.k8s.io/v1:ClusterRole", networkOfTheNode},
		{RuleKind, "ClusterRoleBinding", "cilium-agent-role-binding", "rbac.authorization.k8s.io/v1:ClusterRoleBinding", networkOfTheNode},
		{RuleHost, "DaemonSet", "cilium-agent-daemon-set", "hostNetwork", networkOfTheNode},
		{RuleState, "DaemonSet", "cilium-agent-daemon-set", "/usr/lib/cni", "it puts its plugin where containerd looks for it"},
		{RuleState, "DaemonSet", "cilium-agent-daemon-set", "/sys/fs/bpf", stateOfTheKernel},
		{RuleState, "DaemonSet", "cilium-agent-daemon-set", "/run/cilium/cgroupv2", stateOfTheKernel},
		{RuleState, "DaemonSet", "cilium-agent-daemon-set", "/var/run/cilium", "what it knows of the node's pods, so that it can start again under them; the folder goes with the node's next start"},
		{RuleState, "DaemonSet", "cilium-agent-daemon-set", "/var/run/netns", stateOfTheKernel},
		{RuleState, "DaemonSet", "cilium-agent-daemon-set", "/etc/cni/net.d", "it says there that the node's pod network is up"},
		{RuleState, "DaemonSet", "cilium-agent-daemon-set", "/lib/modules", "it loads the kernel's modules for sockets and sets; it only reads there"},
		{RuleState, "DaemonSet", "cilium-agent-daemon-set", "/run/xtables.lock", "iptables' own lock, which all who change rules on the node must hold"},
		{RuleState, "DaemonSet", "cilium-agent-daemon-set", "/proc/sys/net", stateOfTheKernel},
		{RuleLimits, "DaemonSet", "cilium-agent-daemon-set", "cpu of container cilium-agent", throttled},
		{RuleKind, "ServiceAccount", "cilium-operator-account", "core/v1:ServiceAccount", networkOfAll},
		{RuleKind, "ClusterRole", "cilium-operator-role", "rbac.authorization.k8s.io/v1:ClusterRole", networkOfAll},
		{RuleKind, "ClusterRoleBinding", "cilium-operator-role-binding", "rbac.authorization.k8s.io/v1:ClusterRoleBinding", networkOfAll},
		{RuleHost, "Deployment", "cilium-operator-deployment", "hostNetwork", "there is no pod network before it has made the definitions that the agents wait for"},
		{RuleLimits, "Deployment", "cilium-operator-deployment", "cpu of container cilium-operator", throttled},

		{RuleKind, "ServiceAccount", "kube-proxy-account", "core/v1:ServiceAccount", readsTheAPI},
		{RuleKind, "ClusterRoleBinding", "kube-proxy-role-binding", "rbac.authorization.k8s.io/v1:ClusterRoleBinding", readsTheAPI},
		{RuleHost, "DaemonSet", "kube-proxy-daemon-set", "hostNetwork", agentsOfTheNode},
		{RuleLimits, "DaemonSet", "kube-proxy-daemon-set", "cpu of container kube-proxy", throttled},

		{RuleKind, "ServiceAccount", "metrics-server-account", "core/v1:ServiceAccount", readsTheAPI},
		{RuleKind, "ClusterRole", "metrics-server-role", "rbac.authorization.k8s.io/v1:ClusterRole", readsTheAPI},
		{RuleKind, "ClusterRole", "metrics-server-reader", "rbac.authorization.k8s.io/v1:ClusterRole", "who may view a namespace may view its figures"},
		{RuleKind, "ClusterRoleBinding", "metrics-server-role-binding", "rbac.authorization.k8s.io/v1:ClusterRoleBinding", readsTheAPI},
		{RuleKind, "ClusterRoleBinding", "metrics-server-delegator", "rbac.authorization.k8s.io/v1:ClusterRoleBinding", "it asks the API server who its callers are"},
		{RuleKind, "RoleBinding", "metrics-server-auth-reader", "rbac.authorization.k8s.io/v1:RoleBinding", "it asks the API server who its callers are"},
		{RuleKind, "APIService", "metrics-server-api", "apiregistration.k8s.io/v1:APIService", "autoscalers read figures through the API server"},
		{RuleLimits, "Deployment", "metrics-server-deployment", "cpu of container metrics-server", "throttled at a limit, autoscalers would act late when all is busy; its memory is bounded"},

		{RuleKind, "EndpointSlice", "data-pulsar-endpoints", "discovery.k8s.io/v1:EndpointSlice", outside},
		{RuleKind, "EndpointSlice", "data-pinot-endpoints", "discovery.k8s.io/v1:EndpointSlice", outside},
		{RuleKind, "EndpointSlice", "data-metrics-endpoints", "discovery.k8s.io/v1:EndpointSlice", outside},

		{RuleHost, "DaemonSet", "edge-caddy-daemon-set", "hostNetwork", "it is where readers' requests enter, on ports 80 and 443 of the node"},
		{RuleProbes, "DaemonSet", "render-images-daemon-set", "container images", doesNothing},
	}
}

// except leaves out what is excepted, and notes in used, when it is given, which exceptions were needed.
func except(refused []Refusal, exceptions []Exception, used map[Exception]bool) []Refusal {
	var left []Refusal
	for _, r := range refused {
		excepted := false
		for _, e := range exceptions {
			if e.Rule == r.Rule && e.Kind == r.Kind && e.Name == r.Name && e.Subject == r.Subject {
				excepted = true
				if used != nil {
					used[e] = true
				}
			}
		}
		if !excepted {
			left = append(left, r)
		}
	}
	return left
}
