package kubeadm

import (
	"encoding/json"
	"fmt"
	"strings"
)

// document is one JSON document as a file: indented, stable, with a newline at its end. JSON is YAML, so every Kubernetes tool reads it.
func document(v any) string {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		// Only types of this file come here, and they hold nothing that JSON cannot.
		return err.Error()
	}
	return string(text) + "\n"
}

type object map[string]any

type arg struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

const (
	kubeadmAPI = "kubeadm.k8s.io/v1beta4"
	criSocket  = "unix:///run/containerd/containerd.sock"
	patchesDir = "/etc/havre/cluster/patches"
)

func (c Cluster) endpoint() string { return fmt.Sprintf("127.0.0.1:%d", c.APIProxyPort) }

// timeouts of kubeadm. Several control-plane nodes join at once, and etcd takes one learner at a time, so the others wait in etcdAPICall.
func timeouts() object {
	return object{
		"controlPlaneComponentHealthCheck": "4m0s",
		"discovery":                        "2m0s",
		"etcdAPICall":                      "6m0s",
		"kubeletHealthCheck":               "2m0s",
		"kubernetesAPICall":                "2m0s",
		"tlsBootstrap":                     "3m0s",
	}
}

func (c Cluster) registration(n Node) object {
	taints := []object{}
	for _, t := range n.taints() {
		taint := object{"key": t.Key, "effect": t.Effect}
		if t.Value != "" {
			taint["value"] = t.Value
		}
		taints = append(taints, taint)
	}
	r := object{
		"name":             n.Name,
		"criSocket":        criSocket,
		"imagePullPolicy":  "IfNotPresent",
		"imagePullSerial":  false,
		"kubeletExtraArgs": []arg{{"node-ip", n.Address.String()}},
		"taints":           taints,
	}
	if c.Runtime.SharedKernel {
		// The kernel's configuration and the swap are the machine's.
		r["ignorePreflightErrors"] = []string{"Mem", "NumCPU", "Swap", "SystemVerification"}
	}
	return r
}

// InitConfig is kubeadm's configuration of a control-plane node that makes the cluster, and of those phases that want one later. certificateKey is empty
// but for the upload of the certificates.
func (c Cluster) InitConfig(n Node, certificateKey string) string {
	initConfiguration := object{
		"apiVersion":       kubeadmAPI,
		"kind":             "InitConfiguration",
		"localAPIEndpoint": object{"advertiseAddress": n.Address.String(), "bindPort": c.APIPort},
		"nodeRegistration": c.registration(n),
		"patches":          object{"directory": patchesDir},
		"timeouts":         timeouts(),
	}
	if certificateKey != "" {
		initConfiguration["certificateKey"] = certificateKey
	}
	clusterConfiguration := object{
		"apiVersion":           kubeadmAPI,
		"kind":                 "ClusterConfiguration",
		"clusterName":          c.Name,
		"kubernetesVersion":    c.Version,
		"controlPlaneEndpoint": c.endpoint(),
		"networking": object{
			"dnsDomain":     c.Network.Domain,
			"podSubnet":     c.Network.Pods.String(),
			"serviceSubnet": c.Network.Services.String(),
		},
		"apiServer": object{
			"certSANs":  []string{"127.0.0.1", "localhost"},
			"extraArgs": []arg{{"profiling", "false"}},
		},
		"controllerManager": object{"extraArgs": []arg{
			// Every node's pod CIDR follows from its index and is set by havre.
			{"allocate-node-cidrs", "false"},
			{"profiling", "false"},
		}},
		"scheduler": object{"extraArgs": []arg{{"profiling", "false"}}},
		// 8 GiB is the most that etcd recommends (https://etcd.io/docs/v3.6/dev-guide/limit/).
		"etcd": object{"local": object{"dataDir": "/var/lib/etcd", "extraArgs": []arg{{"quota-backend-bytes", "8589934592"}}}},
		// Both are add-ons of ours, as typed objects.
		"dns":   object{"disabled": true},
		"proxy": object{"disabled": true},
	}
	if c.Images.Registry != "" {
		clusterConfiguration["imageRepository"] = c.Images.Registry
	}
	kubelet := object{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "cgroupDriver": c.cgroupDriver()}
	return document(initConfiguration) + "---\n" + document(clusterConfiguration) + "---\n" + document(kubelet)
}

// JoinConfig is the template of kubeadm's configuration of a node that joins; @TOKEN@, @HASH@ and @KEY@ stand for the invitation's.
func (c Cluster) JoinConfig(n Node) string {
	join := object{
		"apiVersion": kubeadmAPI,
		"kind":       "JoinConfiguration",
		"discovery": object{
			"bootstrapToken": object{
				"apiServerEndpoint": c.endpoint(),
				"caCertHashes":      []string{"@HASH@"},
				"token":             "@TOKEN@",
			},
		},
		"nodeRegistration": c.registration(n),
		"patches":          object{"directory": patchesDir},
		"timeouts":         timeouts(),
	}
	if n.ControlPlane {
		join["controlPlane"] = object{
			"certificateKey":   "@KEY@",
			"localAPIEndpoint": object{"advertiseAddress": n.Address.String(), "bindPort": c.APIPort},
		}
	}
	return document(join)
}

// APIServerPatch makes kube-apiserver listen on the mesh alone. It cannot be an extra argument: those are the cluster's, and every node has its own address.
func APIServerPatch(n Node) string {
	return document([]object{{"op": "add", "path": "/spec/containers/0/command/-", "value": "--bind-address=" + n.Address.String()}})
}

func (c Cluster) cgroupDriver() string {
	if c.Runtime.Cgroupfs {
		return "cgroupfs"
	}
	return "systemd"
}

// KubeletConfig is kubelet's drop-in, which wins over what kubeadm writes from the cluster's ConfigMap; so a change reaches a node without kubeadm.
func (c Cluster) KubeletConfig(n Node) string {
	k := object{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",

		"address":                  n.Address.String(),
		"cgroupDriver":             c.cgroupDriver(),
		"clusterDNS":               []string{c.Network.DNS.String()},
		"clusterDomain":            c.Network.Domain,
		"containerLogMaxFiles":     3,
		"containerLogMaxSize":      "20Mi",
		"containerRuntimeEndpoint": criSocket,
		"evictionHard": map[string]string{
			"imagefs.available": "15%", "memory.available": fmt.Sprintf("%dMi", evictionMiB), "nodefs.available": "10%", "nodefs.inodesFree": "5%",
		},
		"failSwapOn":                      true,
		"imageGCHighThresholdPercent":     80,
		"imageGCLowThresholdPercent":      70,
		"kubeReserved":                    map[string]string{"cpu": fmt.Sprintf("%dm", kubeReservedCPU), "memory": fmt.Sprintf("%dMi", kubeReservedMiB)},
		"maxParallelImagePulls":           4,
		"maxPods":                         c.MaxPods,
		"protectKernelDefaults":           true,
		"readOnlyPort":                    0,
		"resolvConf":                      "/etc/havre/resolv.conf",
		"rotateCertificates":              true,
		"seccompDefault":                  true,
		"serializeImagePulls":             false,
		"serverTLSBootstrap":              true,
		"shutdownGracePeriod":             "60s",
		"shutdownGracePeriodCriticalPods": "20s",
		"systemReserved":                  map[string]string{"cpu": fmt.Sprintf("%dm", systemReservedCPU), "memory": fmt.Sprintf("%dMi", systemReservedMiB)},
	}
	if c.Runtime.CgroupV1 {
		k["failCgroupV1"] = false
	}
	if c.Runtime.SharedKernel {
		k["protectKernelDefaults"] = false
		k["failSwapOn"] = false
		k["evictionHard"] = map[string]string{
			"imagefs.available": "1Gi", "memory.available": "100Mi", "nodefs.available": "1Gi", "nodefs.inodesFree": "1%",
		}
		k["imageGCHighThresholdPercent"] = 99
		k["imageGCLowThresholdPercent"] = 98
		// It wants logind, which such hosts do not run.
		delete(k, "shutdownGracePeriod")
		delete(k, "shutdownGracePeriodCriticalPods")
	}
	return document(k)
}

// ContainerdConfig is for containerd 1.6 of Debian 12 (configuration version 2).
func (c Cluster) ContainerdConfig() string {
	var b strings.Builder
	b.WriteString("# Written by havre.\nversion = 2\n\n")
	b.WriteString("[plugins.\"io.containerd.grpc.v1.cri\"]\n")
	fmt.Fprintf(&b, "  sandbox_image = %q\n", c.Images.Pause)
	if c.Runtime.RestrictOOMScoreAdj {
		b.WriteString("  restrict_oom_score_adj = true\n")
	}
	b.WriteString("\n  [plugins.\"io.containerd.grpc.v1.cri\".cni]\n    bin_dir = \"/usr/lib/cni\"\n    conf_dir = \"/etc/cni/net.d\"\n")
	b.WriteString("\n  [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n    runtime_type = \"io.containerd.runc.v2\"\n")
	fmt.Fprintf(&b, "\n    [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n      SystemdCgroup = %t\n", !c.Runtime.Cgroupfs)
	b.WriteString("\n  [plugins.\"io.containerd.grpc.v1.cri\".registry]\n    config_path = \"/etc/containerd/certs.d\"\n")
	return b.String()
}

// RegistryHosts tells containerd to speak plain HTTP to a registry on host.
func RegistryHosts(host string) string {
	return fmt.Sprintf("# Written by havre.\nserver = \"http://%[1]s\"\n\n[host.\"http://%[1]s\"]\n  capabilities = [\"pull\", \"resolve\"]\n", host)
}

// Conflist is the CNI configuration: a bridge with the node's /24. Routes to the other nodes' pods are the mesh's.
func (c Cluster) Conflist(n Node) string {
	return document(object{
		"cniVersion": "1.0.0",
		"name":       "havre",
		"plugins": []object{{
			"type":             "bridge",
			"bridge":           "cni0",
			"isDefaultGateway": true,
			"ipMasq":           false,
			"hairpinMode":      true,
			"mtu":              c.Network.MTU,
			"ipam":             object{"type": "host-local", "ranges": [][]object{{{"subnet": n.PodCIDR.String()}}}},
		}},
	})
}

// Masquerade is the nftables table that lets pods reach the world. Inside pods and mesh the source stays, so that policies and logs see the pod.
func (c Cluster) Masquerade(n Node) string {
	return fmt.Sprintf(`# Written by havre. The first two lines make it replace itself.
table ip havre-cni {}
delete table ip havre-cni
table ip havre-cni {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr %s ip daddr != { %s, %s } oifname != { "%s", "cni0" } masquerade
	}
}
`, n.PodCIDR, c.Network.Mesh, c.Network.Pods, c.Network.Interface)
}

// APIProxy is haproxy's configuration: one constant address on every node before all API servers. TLS passes through; the checks look at /readyz, so an API
// server that has lost its etcd is left, and open connections to it are cut so that watches move at once.
func (c Cluster) APIProxy() string {
	var b strings.Builder
	b.WriteString("# Written by havre.\nglobal\n    log stderr format raw daemon notice\n    maxconn 8192\n    hard-stop-after 60s\n\n")
	b.WriteString("defaults\n    log global\n    mode tcp\n    option clitcpka\n    option srvtcpka\n    option redispatch\n    retries 3\n" +
		"    timeout connect 2s\n    timeout client 1h\n    timeout server 1h\n    timeout check 3s\n\n")
	fmt.Fprintf(&b, "frontend kubernetes-api\n    bind %s\n    default_backend control-plane\n\n", c.endpoint())
	b.WriteString("backend control-plane\n    balance leastconn\n    option httpchk\n    http-check send meth GET uri /readyz\n    http-check expect status 200\n" +
		"    default-server check check-ssl verify none inter 2s fastinter 500ms downinter 1s fall 2 rise 1 on-marked-down shutdown-sessions\n")
	for _, m := range c.ControlPlane {
		fmt.Fprintf(&b, "    server %s %s:%d\n", m.Name, m.Address, c.APIPort)
	}
	return b.String()
}

// NodeEnvironment is what the scripts on the host know about it.
func (c Cluster) NodeEnvironment(n Node) string {
	yes, peers := "no", []string{}
	if n.ControlPlane {
		yes = "yes"
	}
	for _, m := range c.ControlPlane {
		if m.Name != n.Name {
			peers = append(peers, m.Address.String())
		}
	}
	return fmt.Sprintf("NODE=%s\nADDRESS=%s\nCONTROL_PLANE=%s\nPEERS='%s'\nAPI_PORT=%d\nPROXY_PORT=%d\n",
		n.Name, n.Address, yes, strings.Join(peers, " "), c.APIPort, c.APIProxyPort)
}
