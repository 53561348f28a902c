package cilium

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The paths on every node. kubernetes.sh of the host's library mounts the two file systems before kubelet starts, so that no container need be privileged for it.
const (
	cgroupRoot = "/run/cilium/cgroupv2"
	bpfRoot    = "/sys/fs/bpf"
	runFolder  = "/var/run/cilium"
	// pluginFolder is containerd's bin_dir, Debian's own.
	pluginFolder = "/usr/lib/cni"
	configFolder = "/etc/cni/net.d"
	// configPath is where both processes read the ConfigMap, a file a key.
	configPath = "/tmp/cilium/config-map"
)

// healthPort and operatorPort answer on 127.0.0.1 of the node alone.
const (
	healthPort   = 9879
	operatorPort = 9234
)

// Config is the ConfigMap's data: the agent's and the operator's flags by name. What is not here has Cilium's default (pkg/option and pkg/defaults of 1.19.4, which
// are not the chart's).
func Config(args Args) map[string]string {
	return map[string]string{
		// Addresses: each node's /24 of the mesh is in its Node object before an agent looks, so addresses and routes follow from the plan alone.
		"ipam":                      "kubernetes",
		"k8s-require-ipv4-pod-cidr": "true",
		"enable-ipv4":               "true",
		"enable-ipv6":               "false",
		"identity-allocation-mode":  "crd",

		// The way between nodes: as it is, over the mesh's own routes. Direct routes of Cilium's would want nodes on one link.
		"routing-mode":             "native",
		"ipv4-native-routing-cidr": args.Pods.String(),
		"auto-direct-node-routes":  "false",
		"mtu":                      strconv.Itoa(args.MTU),
		"devices":                  strings.Join(append([]string{args.MeshInterface}, args.Devices...), " "),
		"direct-routing-device":    args.MeshInterface,
		"enable-ipv4-masquerade":   "true",
		"enable-bpf-masquerade":    "true",

		// Services. A packet that went on to another node goes with this node's address (snat): WireGuard drops any other source, so nothing like DSR can work here.
		// Node ports, of which the platform has none, would answer on mesh addresses alone.
		"kube-proxy-replacement": "true",
		"bpf-lb-mode":            "snat",
		"nodeport-addresses":     args.Mesh.String(),
		// It waits for custom resources in which nobody here announces an address.
		"enable-lb-ipam": "false",

		// Policies. The edge is on its nodes' own network, and policies name such callers by the mesh's range.
		"enable-policy":              "default",
		"policy-cidr-match-mode":     "nodes",
		"enable-l7-proxy":            "false",
		"enable-policy-secrets-sync": "false",
		"mesh-auth-enabled":          "false",
		"external-envoy-proxy":       "false",

		// What a node has of it. The ratio and the aggregation are the chart's.
		"bpf-root":                     bpfRoot,
		"cgroup-root":                  cgroupRoot,
		"procfs":                       "/host/proc",
		"write-cni-conf-when-ready":    "/host" + configFolder + "/05-cilium.conflist",
		"cni-exclusive":                "true",
		"cni-log-file":                 runFolder + "/cilium-cni.log",
		"preallocate-bpf-maps":         "false",
		"bpf-map-dynamic-size-ratio":   "0.0025",
		"monitor-aggregation":          "medium",
		"monitor-aggregation-flags":    "all",
		"monitor-aggregation-interval": "5s",

		// Nothing of it listens but on 127.0.0.1. Agents probing each other all with all are no better than the mesh's own handshakes.
		"agent-health-port":               strconv.Itoa(healthPort),
		"operator-api-serve-addr":         fmt.Sprintf("127.0.0.1:%d", operatorPort),
		"enable-health-checking":          "false",
		"enable-endpoint-health-checking": "false",
		"enable-hubble":                   "false",

		// A node takes pods only once its agent answers.
		"agent-not-ready-taint-key":  "node.cilium.io/agent-not-ready",
		"set-cilium-node-taints":     "true",
		"remove-cilium-node-taints":  "true",
		"set-cilium-is-up-condition": "true",
		// There was no pod network before this one, so no pod runs that it does not know; the operator need not delete pods.
		"unmanaged-pod-watcher-interval": "0",
		// A change of this ConfigMap starts the agents anew, node by node (see checksum); they need not watch it.
		"enable-dynamic-config": "false",
		"enable-drift-checker":  "false",
	}
}

// checksum is an annotation of both pods: a changed configuration rolls them.
func checksum(args Args) string {
	values := Config(args)
	sum := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(sum, "%s=%s\n", key, values[key])
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}
