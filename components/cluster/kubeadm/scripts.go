package kubeadm

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"havre/components/host/script"
)

var (
	//go:embed node.sh
	nodeLibrary string
	//go:embed control-plane.sh
	controlPlaneLibrary string
)

const (
	libraryPath = "/usr/local/lib/havre/cluster.sh"
	readLibrary = ". " + libraryPath + "\n"
)

// Packages are Debian's that a node needs beside the base set-up's.
var Packages = []string{"containerd", "containernetworking-plugins", "haproxy", "iproute2", "nftables", "openssl", "runc"}

// Library is what the scripts of one role share. It is put on the host once, so the other scripts, which lie in the state twice each, are a few lines.
// Comments stay behind for the same reason.
func Library(controlPlane bool) string {
	text := nodeLibrary
	if controlPlane {
		text += controlPlaneLibrary
	}
	var b strings.Builder
	b.WriteString("# Written by havre from components/cluster/kubeadm; the comments are there.\n# shellcheck shell=bash\n")
	for line := range strings.Lines(text) {
		if trimmed := strings.TrimSpace(line); trimmed == "" || strings.HasPrefix(trimmed, "#") && !directive(trimmed) {
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

// directive says whether a comment is one that shellcheck reads where it stands.
func directive(line string) bool {
	return strings.HasPrefix(line, "# shellcheck ") && !strings.HasPrefix(line, "# shellcheck shell=")
}

// Prepare is the script of <node>-kubernetes: runtime, binaries, CNI, API proxy and configuration, up to the point where kubeadm can run. On a node that is
// in the cluster it brings changes in; each service is restarted only when something of its own has changed.
func Prepare(c Cluster, n Node) string {
	var b strings.Builder
	file := func(path, content string) { b.WriteString(script.File(path, "0644", content)) }
	section := func(comment string) { b.WriteString("\n# " + comment + "\n") }

	b.WriteString("havre_packages " + script.Words(Packages...) + "\n")
	file("/etc/havre/cluster/node.env", c.NodeEnvironment(n))
	file(libraryPath, Library(n.ControlPlane))
	b.WriteString(readLibrary + "cluster_lock kubernetes\n")

	c.kernel(section, file, &b)

	section("Binaries")
	names := nodeBinaries
	if n.ControlPlane {
		names = controlPlaneBinaries
	}
	for _, name := range names {
		binary := c.Release.Binaries[name]
		b.WriteString("havre_fetch " + script.Words(binary.URL, binary.SHA256, "/usr/local/bin/"+name, "0755") + "\n")
	}

	section("Container runtime")
	file("/etc/containerd/config.toml", c.ContainerdConfig())
	if c.Images.PlainHTTP {
		host, _, _ := strings.Cut(c.Images.Registry, "/")
		file("/etc/containerd/certs.d/"+host+"/hosts.toml", RegistryHosts(host))
	}
	b.WriteString("cluster_apply restart containerd.service /etc/containerd/config.toml\n")

	if !c.Network.ExternalCNI {
		section("Pod network")
		file("/etc/cni/net.d/10-havre.conflist", c.Conflist(n))
		file("/etc/havre/cluster/masquerade.nft", c.Masquerade(n))
		file("/etc/systemd/system/havre-cni.service", masqueradeUnit)
		b.WriteString("cluster_apply restart havre-cni.service /etc/havre/cluster/masquerade.nft /etc/systemd/system/havre-cni.service\n")
	}

	section("API proxy. Debian starts its own haproxy, which nobody needs.")
	file("/etc/havre/cluster/api-proxy.cfg", c.APIProxy())
	file("/etc/systemd/system/havre-api-proxy.service", proxyUnit)
	b.WriteString("systemctl -q disable --now haproxy.service 2>/dev/null || true\n" +
		"haproxy -c -q -f /etc/havre/cluster/api-proxy.cfg\n" +
		"cluster_apply reload-or-restart havre-api-proxy.service /etc/havre/cluster/api-proxy.cfg /etc/systemd/system/havre-api-proxy.service\n")

	section("kubelet, which waits for kubeadm's configuration. Where systemd-resolved runs, /etc/resolv.conf is its stub, which no pod can reach.")
	b.WriteString(`[[ -e /etc/resolv.conf ]] || : >/etc/resolv.conf
if [[ -e /run/systemd/resolve/resolv.conf ]]; then
  ln -sfn /run/systemd/resolve/resolv.conf /etc/havre/resolv.conf
else
  ln -sfn /etc/resolv.conf /etc/havre/resolv.conf
fi
install -d -m 0700 /etc/kubernetes /etc/kubernetes/manifests
`)
	file("/etc/havre/cluster/kubelet.conf.d/10-havre.conf", c.KubeletConfig(n))
	file("/etc/systemd/system/kubelet.service", c.kubeletUnit())
	b.WriteString("cluster_apply try-restart kubelet.service /usr/local/bin/kubelet /etc/havre/cluster/kubelet.conf.d/10-havre.conf /etc/systemd/system/kubelet.service\n")

	section("kubeadm")
	file("/etc/havre/cluster/join.json", c.JoinConfig(n))
	if n.ControlPlane {
		file("/etc/havre/cluster/init.json", c.InitConfig(n, ""))
		file("/etc/havre/cluster/upload.json", c.InitConfig(n, "@KEY@"))
		file(patchesDir+"/kube-apiserver0+json.json", APIServerPatch(n))
		section("Kubelets' serving certificates are renewed each year; the timer signs what is asked for rightly.")
		file("/etc/systemd/system/havre-approve.service", approveUnit)
		file("/etc/systemd/system/havre-approve.timer", approveTimer)
		b.WriteString("cluster_apply restart havre-approve.timer /etc/systemd/system/havre-approve.service /etc/systemd/system/havre-approve.timer\n")
		section("Images of the control plane, so that joining does not wait for them")
		b.WriteString("havre_retry 5 5 timeout 600 kubeadm config images pull --config /etc/havre/cluster/init.json >&2\n")
	} else {
		b.WriteString("install -d " + patchesDir + "\n")
	}
	return b.String()
}

// kernel writes what the kernel must be told.
func (c Cluster) kernel(section func(string), file func(string, string), b *strings.Builder) {
	if c.Runtime.RemountCgroups {
		section("Container hosts: cgroups are mounted read-only, and mounts are private")
		file("/etc/systemd/system/havre-cgroups.service", cgroupsUnit)
		b.WriteString("cluster_apply restart havre-cgroups.service /etc/systemd/system/havre-cgroups.service\n")
	}
	section("Kernel")
	settings := "net.ipv4.ip_forward = 1\n"
	if !c.Runtime.SharedKernel {
		if !c.Network.ExternalCNI {
			// Without it a pod's call to a service whose pod is on the same bridge is answered past the translation, and lost.
			file("/etc/modules-load.d/havre-cluster.conf", "br_netfilter\noverlay\n")
			b.WriteString("modprobe -a br_netfilter overlay\n")
			settings += "net.bridge.bridge-nf-call-iptables = 1\n"
		}
		// The values that kubelet insists on under protectKernelDefaults, and room for the watches of many pods.
		settings += "vm.overcommit_memory = 1\nvm.panic_on_oom = 0\nkernel.panic = 10\nkernel.panic_on_oops = 1\n" +
			"kernel.keys.root_maxkeys = 1000000\nkernel.keys.root_maxbytes = 25000000\nfs.inotify.max_user_instances = 8192\nfs.inotify.max_user_watches = 524288\n"
	}
	file("/etc/sysctl.d/90-havre-cluster.conf", settings)
	b.WriteString("havre_sysctl /etc/sysctl.d/90-havre-cluster.conf\n")
}

// Unprepare is the delete of <node>-kubernetes. Packages and downloads stay: they do no harm, and the host mostly goes with them.
func Unprepare(c Cluster) string {
	var b strings.Builder
	b.WriteString("systemctl -q disable --now kubelet.service havre-api-proxy.service havre-approve.timer havre-cni.service 2>/dev/null || true\n")
	if !c.Network.ExternalCNI {
		b.WriteString("nft delete table ip havre-cni 2>/dev/null || true\n")
	}
	b.WriteString("rm -rf /etc/havre/cluster /run/havre " + libraryPath + "\n" +
		"rm -f /etc/cni/net.d/10-havre.conflist /etc/systemd/system/kubelet.service /etc/systemd/system/havre-api-proxy.service" +
		" /etc/systemd/system/havre-approve.service /etc/systemd/system/havre-approve.timer /etc/systemd/system/havre-cni.service\n" +
		"systemctl daemon-reload\n")
	return b.String()
}

// Invite is the script of <node>-invitation, which runs on another control-plane node and prints the invitation as JSON: token, caCertHash and
// certificateKey, empty for a worker. For the node that would make the cluster (founder) it prints {} as long as there is none. Its output is secret.
func Invite(n Node, founder bool) string {
	role := "worker"
	switch {
	case founder:
		role = "founder"
	case n.ControlPlane:
		role = "control-plane"
	}
	return readLibrary + "cluster_invite " + script.Words(n.Name, role) + "\n"
}

// Join is the script of <node>-join; the invitation comes on standard input. With found the node makes the cluster when its invitation is {} and nobody
// serves.
func Join(found bool) string {
	if found {
		return readLibrary + "cluster_join yes\n"
	}
	return readLibrary + "cluster_join no\n"
}

// Leave is the delete of <node>-join: out of etcd, reset, clean.
func Leave() string {
	return "[[ -e " + libraryPath + " ]] || exit 0\n" + readLibrary + "cluster_leave\n"
}

// Admit is the script of <node>-member, which runs on a control-plane node: pod CIDR, labels, taints, the serving certificate, then Ready.
func Admit(n Node) string {
	var taints []string
	for _, t := range n.taints() {
		taints = append(taints, t.String())
	}
	manifest := document(object{
		"apiVersion": "v1",
		"kind":       "Node",
		"metadata": object{
			"name":        n.Name,
			"labels":      n.labels(),
			"annotations": object{"havre/taints": strings.Join(taints, " ")},
		},
	})
	words := append([]string{n.Name, n.Address.String(), n.PodCIDR.String()}, taints...)
	return readLibrary + "cluster_admit " + script.Words(words...) + " <<'EOF'\n" + manifest + "EOF\n"
}

// Retire is the delete of <node>-member: drain, then delete the Node.
func Retire(c Cluster, n Node) string {
	return "[[ -e " + libraryPath + " ]] || exit 0\n" + readLibrary +
		"cluster_retire " + script.Words(n.Name, strconv.Itoa(int(c.DrainTimeout.Seconds()))) + "\n"
}

// Kubeconfig prints the administrator's kubeconfig for server (https://…) and proxy (socks5://…, may be empty). Its output is secret.
func Kubeconfig(c Cluster, server, proxy string) string {
	return readLibrary + "cluster_kubeconfig " + script.Words(server, proxy, c.Name) + "\n"
}

func (c Cluster) kubeletUnit() string {
	return fmt.Sprintf(`[Unit]
Description=kubelet, the agent of a Kubernetes node
Wants=network-online.target
After=network-online.target containerd.service havre-api-proxy.service wg-quick@%s.service
ConditionPathExists=/var/lib/kubelet/config.yaml
StartLimitIntervalSec=0

[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml --config-dir=/etc/havre/cluster/kubelet.conf.d $KUBELET_KUBEADM_ARGS
CPUAccounting=yes
MemoryAccounting=yes
KillMode=process
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
`, c.Network.Interface)
}

const proxyUnit = `[Unit]
Description=havre: TCP proxy before the Kubernetes API servers
After=network.target

[Service]
Type=notify
User=haproxy
Group=haproxy
RuntimeDirectory=havre-api-proxy
ExecStart=/usr/sbin/haproxy -Ws -f /etc/havre/cluster/api-proxy.cfg -p /run/havre-api-proxy/pid
ExecReload=/usr/sbin/haproxy -c -q -f /etc/havre/cluster/api-proxy.cfg
ExecReload=/bin/kill -USR2 $MAINPID
KillMode=mixed
Restart=always
RestartSec=1
SuccessExitStatus=143
NoNewPrivileges=yes

[Install]
WantedBy=multi-user.target
`

const masqueradeUnit = `[Unit]
Description=havre: masquerading of pods
After=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/havre/cluster/masquerade.nft

[Install]
WantedBy=multi-user.target
`

const cgroupsUnit = `[Unit]
Description=havre: writable cgroups and shared mounts in a container host
DefaultDependencies=no
After=local-fs.target
Before=containerd.service kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/bash -c 'for c in /sys/fs/cgroup/*; do mountpoint -q "$$c" && mount -o remount,bind,rw "$$c"; done; mount --make-rshared /'

[Install]
WantedBy=multi-user.target
`

const approveUnit = `[Unit]
Description=havre: sign the serving certificates that kubelets ask for
ConditionPathExists=/etc/kubernetes/admin.conf

[Service]
Type=oneshot
ExecStart=/bin/bash -c '. ` + script.LibraryPath + `; . ` + libraryPath + `; cluster_approve'
`

const approveTimer = `[Unit]
Description=havre: sign the serving certificates that kubelets ask for, every ten minutes

[Timer]
OnBootSec=2min
OnUnitActiveSec=10min
RandomizedDelaySec=1min

[Install]
WantedBy=timers.target
`
