# havre: what a host needs to become a node: runtime, binaries, CNI, API proxy and configuration, up to the point where kubeadm can run. <node>-kubernetes calls it. Edit
# components/host/script/library/kubernetes.sh instead. It is read after cluster.sh, and upgrade.sh after it.
# shellcheck shell=bash disable=SC2153,SC2154
#
# Each file's text is a function of its own, and made of nothing but the node's environment (kubeadm.NodeEnvironment): what a test can run without a host.
# JSON is YAML, so every Kubernetes tool reads it.

# kubernetes_prepare BINARY...: the node's environment on standard input, each binary as name=sha256=URL. On a node that is in the cluster it brings changes in; each
# service is restarted only when something of its own has changed. Another version is upgrade.sh's: a control-plane node is through with it when this ends, a worker is ready for it.
kubernetes_prepare() {
  local environment
  environment=$(cat)
  havre_packages containerd containernetworking-plugins haproxy iproute2 nftables openssl restic runc
  # What is refused is not written down.
  eval "$environment"
  cluster_lock kubernetes
  upgrade_allowed
  havre_file "$cluster_environment" 0644 <<<"$environment"
  cluster_read
  kubernetes_kernel
  kubernetes_binaries "$@"
  kubernetes_containerd
  kubernetes_cni
  kubernetes_api_proxy
  kubernetes_kubelet
  kubernetes_kubeadm
  upgrade_await
}

# kubernetes_remove: take it back. Packages and downloads stay: they do no harm, and the host mostly goes with them.
kubernetes_remove() {
  local units=/etc/systemd/system
  systemctl -q disable --now kubelet.service havre-api-proxy.service havre-approve.timer havre-cni.service havre-etcd.timer havre-upgrade.service 2>/dev/null || true
  nft delete table ip havre-cni 2>/dev/null || true
  rm -rf /etc/havre/cluster /run/havre
  rm -f /etc/cni/net.d/10-havre.conflist "$units"/kubelet.service "$units"/havre-{api-proxy,approve,cni,etcd,upgrade}.service "$units"/havre-{approve,etcd}.timer
  systemctl daemon-reload
}

# kubernetes_is WORD: this host differs from an ordinary machine in that.
kubernetes_is() { [[ " ${RUNTIME:-} " == *" $1 "* ]]; }

# kubernetes_apply ACTION UNIT FILE...: enable and start a unit, and do ACTION when one of the files differs from what it runs with. The note of that lies in
# /run, so a run that was killed between writing a file and the restart is made good by the next.
kubernetes_apply() {
  local action=$1 unit=$2 note=/run/havre/$2.applied sum
  shift 2
  sum=$(cat "$@" | sha256sum)
  install -d -m 0700 /run/havre
  systemctl daemon-reload
  systemctl -q enable "$unit"
  if [[ ! -f $note || $(<"$note") != "$sum" ]]; then
    systemctl "$action" "$unit"
    printf '%s\n' "$sum" >"$note"
  fi
  systemctl start "$unit"
}

kubernetes_cgroups_unit() {
  cat <<'EOF'
[Unit]
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
EOF
}

kubernetes_sysctls() {
  echo 'net.ipv4.ip_forward = 1'
  ! kubernetes_is shared-kernel || return 0
  # Without it a pod's call to a service whose pod is on the same bridge is answered past the translation, and lost.
  [[ $CNI != bridge ]] || echo 'net.bridge.bridge-nf-call-iptables = 1'
  # A pod's packet may leave by another way than it came; systemd sets the filter on every interface that comes up, and the last file wins.
  [[ $CNI != external ]] || echo 'net.ipv4.conf.lxc*.rp_filter = 0'
  # What the agent of the pod network would set itself if it could write settings that are not the network's.
  [[ $CNI != external ]] || printf '%s\n' 'kernel.unprivileged_bpf_disabled = 1' 'kernel.timer_migration = 0'
  # The values that kubelet insists on under protectKernelDefaults, and room for the watches of many pods.
  cat <<'EOF'
vm.overcommit_memory = 1
vm.panic_on_oom = 0
kernel.panic = 10
kernel.panic_on_oops = 1
kernel.keys.root_maxkeys = 1000000
kernel.keys.root_maxbytes = 25000000
fs.inotify.max_user_instances = 8192
fs.inotify.max_user_watches = 524288
EOF
}

kubernetes_kernel() {
  if kubernetes_is remount-cgroups; then
    kubernetes_cgroups_unit | havre_file /etc/systemd/system/havre-cgroups.service 0644
    kubernetes_apply restart havre-cgroups.service /etc/systemd/system/havre-cgroups.service
  fi
  if [[ $CNI == bridge ]] && ! kubernetes_is shared-kernel; then
    havre_file /etc/modules-load.d/havre-cluster.conf 0644 <<<$'br_netfilter\noverlay'
    modprobe -a br_netfilter overlay
  fi
  kubernetes_sysctls | havre_file /etc/sysctl.d/90-havre-cluster.conf 0644
  havre_sysctl /etc/sysctl.d/90-havre-cluster.conf
}

kubernetes_binaries() {
  local binary name sum path
  for binary in "$@"; do
    name=${binary%%=*}
    binary=${binary#*=}
    sum=${binary%%=*}
    path=/usr/local/bin/$name
    [[ $name != kubelet ]] || path=$(upgrade_kubelet_path)
    havre_fetch "${binary#*=}" "$sum" "$path" 0755
    [[ $path == "/usr/local/bin/$name" ]] || upgrade_kubelet_says "$path"
  done
}

kubernetes_cgroup_driver() { if kubernetes_is cgroupfs; then echo cgroupfs; else echo systemd; fi; }

# kubernetes_containerd_config: for containerd 1.6 of Debian 12 (configuration version 2).
kubernetes_containerd_config() {
  local score='' systemd=true
  ! kubernetes_is restrict-oom-score-adj || score=$'\n  restrict_oom_score_adj = true'
  ! kubernetes_is cgroupfs || systemd=false
  cat <<EOF
# Written by havre.
version = 2

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE"$score

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = $systemd

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
EOF
}

# kubernetes_registry_hosts: containerd is to speak plain HTTP to the registry.
kubernetes_registry_hosts() {
  local host=${REGISTRY%%/*}
  cat <<EOF
# Written by havre.
server = "http://$host"

[host."http://$host"]
  capabilities = ["pull", "resolve"]
EOF
}

kubernetes_containerd() {
  kubernetes_containerd_config | havre_file /etc/containerd/config.toml 0644
  if [[ ${PLAIN_HTTP:-no} == yes ]]; then
    kubernetes_registry_hosts | havre_file "/etc/containerd/certs.d/${REGISTRY%%/*}/hosts.toml" 0644
  fi
  kubernetes_apply restart containerd.service /etc/containerd/config.toml
}

# kubernetes_conflist: a bridge with the node's /24. Routes to the other nodes' pods are the mesh's.
kubernetes_conflist() {
  cat <<EOF
{
  "cniVersion": "1.0.0",
  "name": "havre",
  "plugins": [
    {
      "bridge": "cni0",
      "hairpinMode": true,
      "ipMasq": false,
      "ipam": {
        "ranges": [
          [
            {
              "subnet": "$POD_CIDR"
            }
          ]
        ],
        "type": "host-local"
      },
      "isDefaultGateway": true,
      "mtu": $MTU,
      "type": "bridge"
    }
  ]
}
EOF
}

# kubernetes_masquerade: the table that lets pods reach the world. Inside pods and mesh the source stays, so that policies and logs see the pod.
kubernetes_masquerade() {
  cat <<EOF
# Written by havre. The first two lines make it replace itself.
table ip havre-cni {}
delete table ip havre-cni
table ip havre-cni {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr $POD_CIDR ip daddr != { $MESH, $PODS } oifname != { "$INTERFACE", "cni0" } masquerade
	}
}
EOF
}

# kubernetes_cni_mounts_unit: where the agent of an external pod network keeps its programs. Mounted here, no container need be privileged to do it.
kubernetes_cni_mounts_unit() {
  cat <<'EOF'
[Unit]
Description=havre: file systems for the programs of the pod network
After=local-fs.target
Before=kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/bash -ec 'for m in bpf=/sys/fs/bpf cgroup2=/run/cilium/cgroupv2; do mkdir -p "$${m#*=}"; mountpoint -q "$${m#*=}" || mount -t "$${m%%%%=*}" "$${m%%%%=*}" "$${m#*=}"; done'

[Install]
WantedBy=multi-user.target
EOF
}

kubernetes_cni() {
  local unit=/etc/systemd/system/havre-cni.service
  if [[ $CNI == external ]]; then
    kubernetes_cni_mounts_unit | havre_file "$unit" 0644
    kubernetes_apply start havre-cni.service "$unit"
    return
  fi
  kubernetes_conflist | havre_file /etc/cni/net.d/10-havre.conflist 0644
  kubernetes_masquerade | havre_file /etc/havre/cluster/masquerade.nft 0644
  havre_file "$unit" 0644 <<'EOF'
[Unit]
Description=havre: masquerading of pods
After=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/havre/cluster/masquerade.nft

[Install]
WantedBy=multi-user.target
EOF
  kubernetes_apply restart havre-cni.service /etc/havre/cluster/masquerade.nft "$unit"
}

# kubernetes_api_proxy_config: haproxy's. One constant address on every node before all API servers. TLS passes through; the checks look at /readyz, so an API server
# that has lost its etcd is left, and open connections to it are cut so that watches move. Not at once: while etcd takes a member in or chooses a leader, every API
# server is unready for seconds, and a request that waits for it is served in the end. For the same reason new connections go to whoever takes them when none is
# ready. A host that is gone says nothing at all: its connections end by TCP's own means, after about ten seconds.
kubernetes_api_proxy_config() {
  local node
  cat <<EOF
# Written by havre.
global
    log stderr format raw daemon notice
    maxconn 8192
    hard-stop-after 60s

defaults
    log global
    mode tcp
    option clitcpka
    option srvtcpka
    srvtcpka-idle 5s
    srvtcpka-intvl 2s
    srvtcpka-cnt 3
    option redispatch 1
    retries 3
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    timeout check 3s

frontend kubernetes-api
    bind 127.0.0.1:$PROXY_PORT
    use_backend control-plane if { nbsrv(control-plane) gt 0 }
    default_backend control-plane-unready

backend control-plane
    balance leastconn
    option httpchk
    http-check send meth GET uri /readyz
    http-check expect status 200
    default-server check check-ssl verify none inter 2s fastinter 1s downinter 1s fall 8 rise 1 on-marked-down shutdown-sessions tcp-ut 10s
EOF
  for node in $CONTROL_PLANE_NODES; do
    echo "    server ${node%%=*} ${node#*=}:$API_PORT"
  done
  printf '\nbackend control-plane-unready\n    balance roundrobin\n'
  for node in $CONTROL_PLANE_NODES; do
    echo "    server ${node%%=*} ${node#*=}:$API_PORT tcp-ut 10s"
  done
}

kubernetes_api_proxy() {
  local config=/etc/havre/cluster/api-proxy.cfg unit=/etc/systemd/system/havre-api-proxy.service
  kubernetes_api_proxy_config | havre_file "$config" 0644
  havre_file "$unit" 0644 <<'EOF'
[Unit]
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
EOF
  # Debian starts its own haproxy, which nobody needs.
  systemctl -q disable --now haproxy.service 2>/dev/null || true
  haproxy -c -q -f "$config"
  kubernetes_apply reload-or-restart havre-api-proxy.service "$config" "$unit"
}

# kubernetes_kubelet_config: the drop-in, which wins over what kubeadm writes from the cluster's ConfigMap; so a change reaches a node without kubeadm.
kubernetes_kubelet_config() {
  local cgroup_v1='' images=15% memory=300Mi disk=10% inodes=5% strict=true high=80 low=70
  local grace=$'\n  "shutdownGracePeriod": "60s",\n  "shutdownGracePeriodCriticalPods": "20s",'
  ! kubernetes_is cgroup-v1 || cgroup_v1=$'\n  "failCgroupV1": false,'
  # Disks, swap and kernel settings are the machine's there. The grace wants logind, which such hosts do not run.
  ! kubernetes_is shared-kernel || images=1Gi memory=100Mi disk=1Gi inodes=1% strict=false high=99 low=98 grace=''
  cat <<EOF
{
  "address": "$ADDRESS",
  "apiVersion": "kubelet.config.k8s.io/v1beta1",
  "cgroupDriver": "$(kubernetes_cgroup_driver)",
  "clusterDNS": [
    "$DNS"
  ],
  "clusterDomain": "$DOMAIN",
  "containerLogMaxFiles": 3,
  "containerLogMaxSize": "20Mi",
  "containerRuntimeEndpoint": "$cluster_cri",
  "evictionHard": {
    "imagefs.available": "$images",
    "memory.available": "$memory",
    "nodefs.available": "$disk",
    "nodefs.inodesFree": "$inodes"
  },$cgroup_v1
  "failSwapOn": $strict,
  "imageGCHighThresholdPercent": $high,
  "imageGCLowThresholdPercent": $low,
  "kind": "KubeletConfiguration",
  "kubeReserved": {
    "cpu": "100m",
    "memory": "512Mi"
  },
  "maxParallelImagePulls": 4,
  "maxPods": $MAX_PODS,
  "protectKernelDefaults": $strict,
  "readOnlyPort": 0,
  "resolvConf": "/etc/havre/resolv.conf",
  "rotateCertificates": true,
  "seccompDefault": true,
  "serializeImagePulls": false,
  "serverTLSBootstrap": true,$grace
  "systemReserved": {
    "cpu": "100m",
    "memory": "256Mi"
  }
}
EOF
}

kubernetes_kubelet_unit() {
  cat <<EOF
[Unit]
Description=kubelet, the agent of a Kubernetes node
Wants=network-online.target
After=network-online.target containerd.service havre-api-proxy.service wg-quick@$INTERFACE.service
ConditionPathExists=/var/lib/kubelet/config.yaml
StartLimitIntervalSec=0

[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStartPre=/bin/chmod 0600 /var/lib/kubelet/config.yaml
ExecStart=/usr/local/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml --config-dir=/etc/havre/cluster/kubelet.conf.d \$KUBELET_KUBEADM_ARGS
CPUAccounting=yes
MemoryAccounting=yes
KillMode=process
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
EOF
}

# kubernetes_kubelet: it waits for kubeadm's configuration, which kubeadm leaves open to all (CIS 4.1.9). Where systemd-resolved runs, /etc/resolv.conf is its stub, which no pod can reach.
kubernetes_kubelet() {
  local config=/etc/havre/cluster/kubelet.conf.d/10-havre.conf unit=/etc/systemd/system/kubelet.service
  [[ -e /etc/resolv.conf ]] || : >/etc/resolv.conf
  if [[ -e /run/systemd/resolve/resolv.conf ]]; then
    ln -sfn /run/systemd/resolve/resolv.conf /etc/havre/resolv.conf
  else
    ln -sfn /etc/resolv.conf /etc/havre/resolv.conf
  fi
  install -d -m 0700 /etc/kubernetes /etc/kubernetes/manifests
  kubernetes_kubelet_config | havre_file "$config" 0644
  kubernetes_kubelet_unit | havre_file "$unit" 0600
  kubernetes_apply try-restart kubelet.service /usr/local/bin/kubelet "$config" "$unit"
}
