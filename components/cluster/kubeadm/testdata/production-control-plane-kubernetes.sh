havre_packages containerd containernetworking-plugins haproxy iproute2 nftables openssl runc
havre_file /etc/havre/cluster/node.env 0644 <<'EOF'
NODE=rbx-cp-1
ADDRESS=10.80.0.1
CONTROL_PLANE=yes
PEERS='10.80.0.2 10.80.0.3'
API_PORT=6443
PROXY_PORT=7443
EOF
havre_file /usr/local/lib/havre/cluster.sh 0644 <<'EOF'
# Written by havre from components/cluster/kubeadm; the comments are there.
# shellcheck shell=bash
# shellcheck source=/dev/null
. /etc/havre/cluster/node.env
: "${NODE:?}" "${ADDRESS:?}" "${CONTROL_PLANE:?}" "${API_PORT:?}" "${PROXY_PORT:?}"
cluster_state=/var/lib/havre/cluster
cluster_pki=/etc/kubernetes/pki
cluster_cri=unix:///run/containerd/containerd.sock
cluster_lock() {
  local fd
  mkdir -p /run/lock
  exec {fd}>"/run/lock/havre-$1"
  flock -w 900 "$fd" || havre_fail "$NODE: another run holds /run/lock/havre-$1 since 900 s; see 'fuser -v /run/lock/havre-$1', end it and run again"
}
cluster_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 1
  done
}
cluster_redact() { sed -E 's/[a-z0-9]{6}\.[a-z0-9]{16}/[token]/g; s/[0-9a-f]{64}/[key]/g'; }
cluster_run() { timeout -k 10 "$@" </dev/null 2>&1 | cluster_redact >&2; }
cluster_served() { curl -fsk --max-time 5 -o /dev/null "https://127.0.0.1:$PROXY_PORT/readyz"; }
cluster_registered() {
  [[ -s /etc/kubernetes/kubelet.conf ]] && systemctl -q is-active kubelet &&
    timeout 10 kubectl --kubeconfig=/etc/kubernetes/kubelet.conf --request-timeout=8s get node "$NODE" -o name >/dev/null
}
cluster_complete() {
  cluster_registered || return 1
  [[ $CONTROL_PLANE == yes ]] || return 0
  cluster_ready && [[ -n $(cluster_kube get node -l node-role.kubernetes.io/control-plane --field-selector "metadata.name=$NODE" -o name) ]]
}
cluster_mark() {
  rm -f /etc/kubernetes/bootstrap-kubelet.conf
  mkdir -p "$cluster_state"
  cluster_authority >"$cluster_state/.member"
  sync "$cluster_state/.member"
  mv -f "$cluster_state/.member" "$cluster_state/member"
}
cluster_authority() {
  local sum
  sum=$(openssl x509 -pubkey -noout -in "$cluster_pki/ca.crt" | openssl pkey -pubin -outform der | sha256sum)
  printf 'sha256:%s\n' "${sum%% *}"
}
cluster_traces() {
  [[ -e /etc/kubernetes/kubelet.conf || -e $cluster_pki || -e /var/lib/etcd/member || -e /var/lib/kubelet/config.yaml || -e $cluster_state/member ]]
}
cluster_reset() {
  local task
  rm -f "$cluster_state/member" "$cluster_state/certificate-key"
  cluster_run 240 kubeadm reset -f --cleanup-tmp-dir --cri-socket="$cluster_cri" --skip-phases=remove-etcd-member ||
    havre_log "$NODE: kubeadm reset did not end well; what it left is removed by hand"
  systemctl stop kubelet || true
  while read -r task; do
    timeout 10 ctr -n k8s.io tasks kill -s SIGKILL "$task" || true
  done < <(timeout 10 ctr -n k8s.io tasks ls -q || true)
  rm -rf /etc/kubernetes/manifests /etc/kubernetes/*.conf "$cluster_pki" /var/lib/etcd /var/lib/cni/networks "$cluster_state/founding"
  rm -f /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env
  install -d -m 0700 /etc/kubernetes/manifests /var/lib/etcd
  ip link delete cni0 2>/dev/null || true
  nft delete table ip kube-proxy 2>/dev/null || true
  nft delete table ip6 kube-proxy 2>/dev/null || true
}
cluster_revive() {
  systemctl start containerd kubelet
  if [[ $CONTROL_PLANE == yes ]]; then
    cluster_until 300 cluster_ready ||
      havre_fail "$NODE: is in the cluster, but its API server https://$ADDRESS:$API_PORT is not ready after 300 s; see 'journalctl -u kubelet' and /var/log/pods there"
  else
    cluster_until 120 cluster_served ||
      havre_fail "$NODE: is in the cluster, but no control-plane node answers through 127.0.0.1:$PROXY_PORT after 120 s; see 'journalctl -u havre-api-proxy' there"
  fi
  cluster_until 30 cluster_registered && return 0
  systemctl restart kubelet
  cluster_until 120 cluster_registered ||
    havre_fail "$NODE: is in the cluster, but its kubelet does not register after 120 s; see 'journalctl -u kubelet' there"
}
cluster_config() {
  local text pair path
  text=$(<"/etc/havre/cluster/$1.json")
  path=/run/havre/$1.json
  shift
  for pair in "$@"; do
    text=${text//"@${pair%%=*}@"/"${pair#*=}"}
  done
  install -d -m 0700 /run/havre
  (umask 077 && printf '%s\n' "$text" >"$path.new" && mv -f "$path.new" "$path")
  printf '%s\n' "$path"
}
cluster_join() {
  local found=$1 invitation token='' hash='' key=''
  invitation=$(cat)
  [[ $invitation =~ \"token\":\"([a-z0-9.]+)\" ]] && token=${BASH_REMATCH[1]}
  [[ $invitation =~ \"caCertHash\":\"(sha256:[0-9a-f]+)\" ]] && hash=${BASH_REMATCH[1]}
  [[ $invitation =~ \"certificateKey\":\"([0-9a-f]+)\" ]] && key=${BASH_REMATCH[1]}
  cluster_lock join
  if [[ -e $cluster_state/member ]]; then
    if [[ -z $hash || $(<"$cluster_state/member") == "$hash" ]]; then
      cluster_revive
      return 0
    fi
    [[ $CONTROL_PLANE == no ]] ||
      havre_fail "$NODE: is a control-plane node of another cluster than the one that invites it; take it out first, or reinstall its host"
    havre_log "$NODE: belongs to a cluster that is gone; joins the one that invites it"
  elif [[ -e $cluster_state/founding ]]; then
    cluster_found
    return 0
  elif [[ -s /etc/kubernetes/kubelet.conf ]] && cluster_until 30 cluster_complete; then
    havre_log "$NODE: an earlier run had joined it; nothing to do"
    cluster_mark
    return 0
  fi
  if [[ -z $token ]]; then
    cluster_until 2 cluster_served &&
      havre_fail "$NODE: has no invitation, and another control-plane node serves; making a second cluster is refused. Run pulumi up with --replace on ${NODE}'s invitation"
    [[ $found == yes ]] ||
      havre_fail "$NODE: has no invitation, and no control-plane node serves. If the cluster is lost for good, run pulumi up with --replace on ${NODE}'s join: that makes a new one"
    cluster_found
    return 0
  fi
  [[ $CONTROL_PLANE == no || -n $key ]] || havre_fail "$NODE: its invitation holds no certificate key; run pulumi up with --replace on ${NODE}'s invitation"
  cluster_until 120 cluster_served ||
    havre_fail "$NODE: no control-plane node answers through 127.0.0.1:$PROXY_PORT after 120 s; see 'journalctl -u havre-api-proxy' there"
  local attempt
  for attempt in 1 2 3 4 5; do
    if cluster_attempt "$token" "$hash" "$key"; then
      cluster_until 60 cluster_complete && cluster_mark && return 0
    fi
    havre_log "$NODE: attempt $attempt to join failed"
    sleep $((attempt * 5))
  done
  havre_fail "$NODE: could not join in 5 attempts. An invitation is good for 24 h, a control-plane node's for 1 h: when it is older, run pulumi up with --replace on ${NODE}'s invitation"
}
cluster_attempt() {
  local config status=0
  if cluster_traces; then
    [[ $CONTROL_PLANE == no ]] || cluster_leave_etcd || havre_log "$NODE: its etcd member could not be removed"
    cluster_reset
  fi
  config=$(cluster_config join "TOKEN=$1" "HASH=$2" "KEY=$3")
  if [[ $CONTROL_PLANE == yes ]]; then
    cluster_run 120 kubeadm join phase control-plane-prepare download-certs --config "$config" &&
      cluster_run 60 kubeadm init phase certs etcd-healthcheck-client --config /etc/havre/cluster/init.json &&
      cluster_leave_etcd || status=$?
  fi
  if ((status == 0)); then
    cluster_run 900 kubeadm join --config "$config" || status=$?
  fi
  rm -f "$config"
  return "$status"
}
cluster_leave() {
  cluster_lock join
  rm -f "$cluster_state/member"
  [[ $CONTROL_PLANE == no ]] || cluster_leave_etcd ||
    havre_log "$NODE: its etcd member could not be removed within 60 s (no quorum?); goes on. If the cluster lives, remove member https://$ADDRESS:2380 with etcdctl"
  cluster_reset
  rm -rf "$cluster_state"
}
cluster_apply() {
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
cluster_admin=/etc/kubernetes/admin.conf
cluster_kube() { timeout -k 5 60 kubectl --kubeconfig="$cluster_admin" --request-timeout=20s "$@"; }
cluster_ready() {
  [[ -s $cluster_admin ]] &&
    timeout 10 kubectl --kubeconfig="$cluster_admin" --server="https://$ADDRESS:$API_PORT" --request-timeout=8s get --raw /readyz >/dev/null
}
cluster_etcd() {
  local endpoint=$1
  shift
  timeout -k 5 15 etcdctl --endpoints="$endpoint" --dial-timeout=3s --command-timeout=10s --cacert="$cluster_pki/etcd/ca.crt" \
    --cert="$cluster_pki/etcd/healthcheck-client.crt" --key="$cluster_pki/etcd/healthcheck-client.key" "$@"
}
cluster_leave_etcd() {
  local endpoint members id end=$((SECONDS + 60))
  [[ -s $cluster_pki/etcd/healthcheck-client.key ]] || return 0
  # shellcheck disable=SC2086 # PEERS is a list of addresses
  while ((SECONDS < end)); do
    for endpoint in 127.0.0.1 $PEERS; do
      members=$(cluster_etcd "https://$endpoint:2379" member list -w simple 2>/dev/null) || continue
      id=$(awk -F ', ' -v url="https://$ADDRESS:2380" '$4 == url { print $1 }' <<<"$members")
      if [[ -z $id ]]; then
        [[ $endpoint == 127.0.0.1 ]] && continue
        return 0
      fi
      [[ $(wc -l <<<"$members") -gt 1 ]] || return 0
      if cluster_etcd "https://$endpoint:2379" member remove "$id" >/dev/null; then
        havre_log "$NODE: etcd member $id removed"
        return 0
      fi
    done
    [[ -n $PEERS ]] || return 0
    sleep 2
  done
  return 1
}
cluster_found() {
  if [[ -e $cluster_state/founding && -e /etc/kubernetes/manifests/kube-apiserver.yaml ]] && cluster_until 120 cluster_ready; then
    havre_log "$NODE: an earlier run had started the API server; only the rest is done"
    cluster_run 300 kubeadm init --config /etc/havre/cluster/init.json \
      --skip-phases=preflight,certs,kubeconfig,etcd,control-plane,kubelet-start,wait-control-plane,upload-certs,addon,show-join-command ||
      havre_fail "$NODE: kubeadm init could not be finished; run again"
  else
    ! cluster_traces || cluster_reset
    mkdir -p "$cluster_state"
    : >"$cluster_state/founding"
    cluster_run 600 kubeadm init --config /etc/havre/cluster/init.json --skip-phases=upload-certs,addon,show-join-command ||
      havre_fail "$NODE: kubeadm init failed; see above and 'journalctl -u kubelet' there, then run again"
  fi
  cluster_until 120 cluster_complete || havre_fail "$NODE: kubeadm init ended, but the node is not registered after 120 s; see 'journalctl -u kubelet' there"
  cluster_mark
  rm -f "$cluster_state/founding"
}
cluster_invite() {
  local node=$1 role=$2 line token hash key='' config
  if [[ $role == founder && ! -e $cluster_state/member ]]; then
    printf '{}\n'
    return 0
  fi
  cluster_lock invitation
  cluster_until 120 cluster_ready || havre_fail "$NODE: its API server is not ready after 120 s, so $node cannot be invited; see 'journalctl -u kubelet' there"
  if [[ $role != worker ]]; then
    if [[ -z $(find "$cluster_state/certificate-key" -mmin -60 2>/dev/null) ]]; then
      key=$(timeout 30 kubeadm certs certificate-key)
      config=$(cluster_config upload "KEY=$key")
      cluster_run 120 kubeadm init phase upload-certs --upload-certs --skip-certificate-key-print --config "$config" || {
        rm -f "$config"
        havre_fail "$NODE: the control plane's certificates could not be uploaded for $node; run again"
      }
      rm -f "$config"
      (umask 077 && printf '%s\n' "$key" >"$cluster_state/certificate-key.new")
      mv -f "$cluster_state/certificate-key.new" "$cluster_state/certificate-key"
    fi
    key=$(<"$cluster_state/certificate-key")
  fi
  line=$(timeout 60 kubeadm token create --ttl 24h --description "invitation of $node" --print-join-command)
  [[ $line =~ --token\ ([a-z0-9]{6}\.[a-z0-9]{16}) ]] || havre_fail "$NODE: kubeadm token create printed no token for $node"
  token=${BASH_REMATCH[1]}
  [[ $line =~ (sha256:[0-9a-f]{64}) ]] || havre_fail "$NODE: kubeadm token create printed no hash of the CA for $node"
  hash=${BASH_REMATCH[1]}
  printf '{"token":"%s","caCertHash":"%s","certificateKey":"%s"}\n' "$token" "$hash" "$key"
}
cluster_approve() {
  local csr user request node address names
  while read -r csr user request; do
    node=${user#system:node:}
    [[ $node != "$user" && -n $request ]] || continue
    address=$(cluster_kube get node "$node" --ignore-not-found -o 'jsonpath={.metadata.labels.node-restriction\.kubernetes\.io/mesh-address}' </dev/null)
    names=$(base64 -d <<<"$request" | openssl req -noout -text | awk '/Subject Alternative Name/ { getline; gsub(/ /, ""); print }') || names=nothing
    if [[ -n $address && $names == "DNS:$node,IPAddress:$address" ]]; then
      cluster_kube certificate approve "$csr" </dev/null >&2
    elif [[ -n $address ]]; then
      havre_log "$node: asks for a serving certificate for $names, but is $address; left alone"
    fi
  done < <(cluster_kube get csr -o go-template='{{range .items}}{{if and (eq .spec.signerName "kubernetes.io/kubelet-serving") (not .status.conditions)}}{{.metadata.name}} {{.spec.username}} {{.spec.request}}{{"\n"}}{{end}}{{end}}')
}
cluster_certified() { curl -s --max-time 5 -o /dev/null --cacert "$cluster_pki/ca.crt" "https://$1:10250/healthz"; }
cluster_admit_certificate() {
  cluster_certified "$1" && return 0
  cluster_approve
  cluster_certified "$1"
}
cluster_found_node() { [[ -n $(cluster_kube get node "$1" --ignore-not-found -o name) ]]; }
cluster_admit() {
  local node=$1 address=$2 cidr=$3 manifest got taint old
  shift 3
  manifest=$(cat)
  cluster_lock "member-$node"
  cluster_until 180 cluster_found_node "$node" || havre_fail "$node: has joined, but has no Node object after 180 s; see 'journalctl -u kubelet' on it"
  got=$(cluster_kube get node "$node" -o 'jsonpath={.spec.podCIDR}')
  if [[ -z $got ]]; then
    cluster_kube patch node "$node" --type=merge -p "{\"spec\":{\"podCIDR\":\"$cidr\",\"podCIDRs\":[\"$cidr\"]}}" >&2
  elif [[ $got != "$cidr" ]]; then
    havre_fail "$node: its pod CIDR in Kubernetes is $got, want $cidr, and Kubernetes never changes one; take the node out and let it join again"
  fi
  old=$(cluster_kube get node "$node" -o 'jsonpath={.metadata.annotations.havre/taints}')
  for taint in $old; do
    [[ " $* " == *" $taint "* ]] || cluster_kube taint node "$node" "$taint-" >&2 || true
  done
  (($# == 0)) || cluster_kube taint node "$node" --overwrite "$@" >&2
  cluster_kube apply --server-side --force-conflicts --field-manager=havre -f - <<<"$manifest" >&2
  cluster_until 120 cluster_admit_certificate "$address" ||
    havre_fail "$node: its kubelet has no serving certificate after 120 s; see 'kubectl get csr' and 'journalctl -u kubelet' on it"
  timeout -k 5 310 kubectl --kubeconfig="$cluster_admin" wait --for=condition=Ready --timeout=300s "node/$node" >&2 ||
    havre_fail "$node: is not Ready after 300 s; see 'kubectl describe node $node'"
}
cluster_retire() {
  local node=$1 seconds=$2
  cluster_lock "member-$node"
  if ! cluster_until 60 cluster_kube get --raw /readyz; then
    havre_log "$node: no API server is ready after 60 s, so nothing is drained"
    return 0
  fi
  cluster_found_node "$node" || return 0
  timeout -k 5 $((seconds + 30)) kubectl --kubeconfig="$cluster_admin" drain "$node" --ignore-daemonsets --delete-emptydir-data --force \
    --skip-wait-for-delete-timeout=60 --timeout="${seconds}s" >&2 ||
    havre_fail "$node: is not drained after $seconds s; a PodDisruptionBudget or a pod that does not end holds it (named above). Make room elsewhere, or delete that pod, and run again"
  cluster_kube delete node "$node" --ignore-not-found --timeout=50s >&2
}
cluster_kubeconfig() {
  local file
  cluster_lock kubeconfig
  file=$(mktemp /run/havre-kubeconfig.XXXXXX)
  # shellcheck disable=SC2064 # the name of now is wanted
  trap "rm -f '$file'" EXIT
  cat "$cluster_admin" >"$file"
  kubectl config --kubeconfig="$file" set-cluster "$3" --server="$1" >/dev/null
  [[ -z $2 ]] || kubectl config --kubeconfig="$file" set-cluster "$3" --proxy-url="$2" >/dev/null
  kubectl config --kubeconfig="$file" view --raw --flatten -o json
}
EOF
. /usr/local/lib/havre/cluster.sh
cluster_lock kubernetes

# Kernel
havre_file /etc/modules-load.d/havre-cluster.conf 0644 <<'EOF'
br_netfilter
overlay
EOF
modprobe -a br_netfilter overlay
havre_file /etc/sysctl.d/90-havre-cluster.conf 0644 <<'EOF'
net.ipv4.ip_forward = 1
net.bridge.bridge-nf-call-iptables = 1
vm.overcommit_memory = 1
vm.panic_on_oom = 0
kernel.panic = 10
kernel.panic_on_oops = 1
kernel.keys.root_maxkeys = 1000000
kernel.keys.root_maxbytes = 25000000
fs.inotify.max_user_instances = 8192
fs.inotify.max_user_watches = 524288
EOF
havre_sysctl /etc/sysctl.d/90-havre-cluster.conf

# Binaries
havre_fetch https://artifacts.example/v1.36.3/etcdctl dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd /usr/local/bin/etcdctl 0755
havre_fetch https://artifacts.example/v1.36.3/kubeadm aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa /usr/local/bin/kubeadm 0755
havre_fetch https://artifacts.example/v1.36.3/kubectl cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc /usr/local/bin/kubectl 0755
havre_fetch https://artifacts.example/v1.36.3/kubelet bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb /usr/local/bin/kubelet 0755

# Container runtime
havre_file /etc/containerd/config.toml 0644 <<'EOF'
# Written by havre.
version = 2

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "images.example/pause:3.10.2"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
EOF
cluster_apply restart containerd.service /etc/containerd/config.toml

# Pod network
havre_file /etc/cni/net.d/10-havre.conflist 0644 <<'EOF'
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
              "subnet": "10.81.1.0/24"
            }
          ]
        ],
        "type": "host-local"
      },
      "isDefaultGateway": true,
      "mtu": 1420,
      "type": "bridge"
    }
  ]
}
EOF
havre_file /etc/havre/cluster/masquerade.nft 0644 <<'EOF'
# Written by havre. The first two lines make it replace itself.
table ip havre-cni {}
delete table ip havre-cni
table ip havre-cni {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr 10.81.1.0/24 ip daddr != { 10.80.0.0/16, 10.81.0.0/16 } oifname != { "wg0", "cni0" } masquerade
	}
}
EOF
havre_file /etc/systemd/system/havre-cni.service 0644 <<'EOF'
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
cluster_apply restart havre-cni.service /etc/havre/cluster/masquerade.nft /etc/systemd/system/havre-cni.service

# API proxy. Debian starts its own haproxy, which nobody needs.
havre_file /etc/havre/cluster/api-proxy.cfg 0644 <<'EOF'
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
    option redispatch
    retries 3
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    timeout check 3s

frontend kubernetes-api
    bind 127.0.0.1:7443
    default_backend control-plane

backend control-plane
    balance leastconn
    option httpchk
    http-check send meth GET uri /readyz
    http-check expect status 200
    default-server check check-ssl verify none inter 2s fastinter 500ms downinter 1s fall 2 rise 1 on-marked-down shutdown-sessions
    server rbx-cp-1 10.80.0.1:6443
    server gra-cp-1 10.80.0.2:6443
    server sbg-cp-1 10.80.0.3:6443
EOF
havre_file /etc/systemd/system/havre-api-proxy.service 0644 <<'EOF'
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
systemctl -q disable --now haproxy.service 2>/dev/null || true
haproxy -c -q -f /etc/havre/cluster/api-proxy.cfg
cluster_apply reload-or-restart havre-api-proxy.service /etc/havre/cluster/api-proxy.cfg /etc/systemd/system/havre-api-proxy.service

# kubelet, which waits for kubeadm's configuration. Where systemd-resolved runs, /etc/resolv.conf is its stub, which no pod can reach.
[[ -e /etc/resolv.conf ]] || : >/etc/resolv.conf
if [[ -e /run/systemd/resolve/resolv.conf ]]; then
  ln -sfn /run/systemd/resolve/resolv.conf /etc/havre/resolv.conf
else
  ln -sfn /etc/resolv.conf /etc/havre/resolv.conf
fi
install -d -m 0700 /etc/kubernetes /etc/kubernetes/manifests
havre_file /etc/havre/cluster/kubelet.conf.d/10-havre.conf 0644 <<'EOF'
{
  "address": "10.80.0.1",
  "apiVersion": "kubelet.config.k8s.io/v1beta1",
  "cgroupDriver": "systemd",
  "clusterDNS": [
    "10.82.0.10"
  ],
  "clusterDomain": "cluster.local",
  "containerLogMaxFiles": 3,
  "containerLogMaxSize": "20Mi",
  "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
  "evictionHard": {
    "imagefs.available": "15%",
    "memory.available": "300Mi",
    "nodefs.available": "10%",
    "nodefs.inodesFree": "5%"
  },
  "failSwapOn": true,
  "imageGCHighThresholdPercent": 80,
  "imageGCLowThresholdPercent": 70,
  "kind": "KubeletConfiguration",
  "kubeReserved": {
    "cpu": "100m",
    "memory": "512Mi"
  },
  "maxParallelImagePulls": 4,
  "maxPods": 110,
  "protectKernelDefaults": true,
  "readOnlyPort": 0,
  "resolvConf": "/etc/havre/resolv.conf",
  "rotateCertificates": true,
  "seccompDefault": true,
  "serializeImagePulls": false,
  "serverTLSBootstrap": true,
  "shutdownGracePeriod": "60s",
  "shutdownGracePeriodCriticalPods": "20s",
  "systemReserved": {
    "cpu": "100m",
    "memory": "256Mi"
  }
}
EOF
havre_file /etc/systemd/system/kubelet.service 0644 <<'EOF'
[Unit]
Description=kubelet, the agent of a Kubernetes node
Wants=network-online.target
After=network-online.target containerd.service havre-api-proxy.service wg-quick@wg0.service
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
EOF
cluster_apply try-restart kubelet.service /usr/local/bin/kubelet /etc/havre/cluster/kubelet.conf.d/10-havre.conf /etc/systemd/system/kubelet.service

# kubeadm
havre_file /etc/havre/cluster/join.json 0644 <<'EOF'
{
  "apiVersion": "kubeadm.k8s.io/v1beta4",
  "controlPlane": {
    "certificateKey": "@KEY@",
    "localAPIEndpoint": {
      "advertiseAddress": "10.80.0.1",
      "bindPort": 6443
    }
  },
  "discovery": {
    "bootstrapToken": {
      "apiServerEndpoint": "127.0.0.1:7443",
      "caCertHashes": [
        "@HASH@"
      ],
      "token": "@TOKEN@"
    }
  },
  "kind": "JoinConfiguration",
  "nodeRegistration": {
    "criSocket": "unix:///run/containerd/containerd.sock",
    "imagePullPolicy": "IfNotPresent",
    "imagePullSerial": false,
    "kubeletExtraArgs": [
      {
        "name": "node-ip",
        "value": "10.80.0.1"
      }
    ],
    "name": "rbx-cp-1",
    "taints": [
      {
        "effect": "NoSchedule",
        "key": "node-role.kubernetes.io/control-plane"
      }
    ]
  },
  "patches": {
    "directory": "/etc/havre/cluster/patches"
  },
  "timeouts": {
    "controlPlaneComponentHealthCheck": "4m0s",
    "discovery": "2m0s",
    "etcdAPICall": "6m0s",
    "kubeletHealthCheck": "2m0s",
    "kubernetesAPICall": "2m0s",
    "tlsBootstrap": "3m0s"
  }
}
EOF
havre_file /etc/havre/cluster/init.json 0644 <<'EOF'
{
  "apiVersion": "kubeadm.k8s.io/v1beta4",
  "kind": "InitConfiguration",
  "localAPIEndpoint": {
    "advertiseAddress": "10.80.0.1",
    "bindPort": 6443
  },
  "nodeRegistration": {
    "criSocket": "unix:///run/containerd/containerd.sock",
    "imagePullPolicy": "IfNotPresent",
    "imagePullSerial": false,
    "kubeletExtraArgs": [
      {
        "name": "node-ip",
        "value": "10.80.0.1"
      }
    ],
    "name": "rbx-cp-1",
    "taints": [
      {
        "effect": "NoSchedule",
        "key": "node-role.kubernetes.io/control-plane"
      }
    ]
  },
  "patches": {
    "directory": "/etc/havre/cluster/patches"
  },
  "timeouts": {
    "controlPlaneComponentHealthCheck": "4m0s",
    "discovery": "2m0s",
    "etcdAPICall": "6m0s",
    "kubeletHealthCheck": "2m0s",
    "kubernetesAPICall": "2m0s",
    "tlsBootstrap": "3m0s"
  }
}
---
{
  "apiServer": {
    "certSANs": [
      "127.0.0.1",
      "localhost"
    ],
    "extraArgs": [
      {
        "name": "profiling",
        "value": "false"
      }
    ]
  },
  "apiVersion": "kubeadm.k8s.io/v1beta4",
  "clusterName": "havre",
  "controlPlaneEndpoint": "127.0.0.1:7443",
  "controllerManager": {
    "extraArgs": [
      {
        "name": "allocate-node-cidrs",
        "value": "false"
      },
      {
        "name": "profiling",
        "value": "false"
      }
    ]
  },
  "dns": {
    "disabled": true
  },
  "etcd": {
    "local": {
      "dataDir": "/var/lib/etcd",
      "extraArgs": [
        {
          "name": "quota-backend-bytes",
          "value": "8589934592"
        }
      ]
    }
  },
  "kind": "ClusterConfiguration",
  "kubernetesVersion": "v1.36.3",
  "networking": {
    "dnsDomain": "cluster.local",
    "podSubnet": "10.81.0.0/16",
    "serviceSubnet": "10.82.0.0/16"
  },
  "proxy": {
    "disabled": true
  },
  "scheduler": {
    "extraArgs": [
      {
        "name": "profiling",
        "value": "false"
      }
    ]
  }
}
---
{
  "apiVersion": "kubelet.config.k8s.io/v1beta1",
  "cgroupDriver": "systemd",
  "kind": "KubeletConfiguration"
}
EOF
havre_file /etc/havre/cluster/upload.json 0644 <<'EOF'
{
  "apiVersion": "kubeadm.k8s.io/v1beta4",
  "certificateKey": "@KEY@",
  "kind": "InitConfiguration",
  "localAPIEndpoint": {
    "advertiseAddress": "10.80.0.1",
    "bindPort": 6443
  },
  "nodeRegistration": {
    "criSocket": "unix:///run/containerd/containerd.sock",
    "imagePullPolicy": "IfNotPresent",
    "imagePullSerial": false,
    "kubeletExtraArgs": [
      {
        "name": "node-ip",
        "value": "10.80.0.1"
      }
    ],
    "name": "rbx-cp-1",
    "taints": [
      {
        "effect": "NoSchedule",
        "key": "node-role.kubernetes.io/control-plane"
      }
    ]
  },
  "patches": {
    "directory": "/etc/havre/cluster/patches"
  },
  "timeouts": {
    "controlPlaneComponentHealthCheck": "4m0s",
    "discovery": "2m0s",
    "etcdAPICall": "6m0s",
    "kubeletHealthCheck": "2m0s",
    "kubernetesAPICall": "2m0s",
    "tlsBootstrap": "3m0s"
  }
}
---
{
  "apiServer": {
    "certSANs": [
      "127.0.0.1",
      "localhost"
    ],
    "extraArgs": [
      {
        "name": "profiling",
        "value": "false"
      }
    ]
  },
  "apiVersion": "kubeadm.k8s.io/v1beta4",
  "clusterName": "havre",
  "controlPlaneEndpoint": "127.0.0.1:7443",
  "controllerManager": {
    "extraArgs": [
      {
        "name": "allocate-node-cidrs",
        "value": "false"
      },
      {
        "name": "profiling",
        "value": "false"
      }
    ]
  },
  "dns": {
    "disabled": true
  },
  "etcd": {
    "local": {
      "dataDir": "/var/lib/etcd",
      "extraArgs": [
        {
          "name": "quota-backend-bytes",
          "value": "8589934592"
        }
      ]
    }
  },
  "kind": "ClusterConfiguration",
  "kubernetesVersion": "v1.36.3",
  "networking": {
    "dnsDomain": "cluster.local",
    "podSubnet": "10.81.0.0/16",
    "serviceSubnet": "10.82.0.0/16"
  },
  "proxy": {
    "disabled": true
  },
  "scheduler": {
    "extraArgs": [
      {
        "name": "profiling",
        "value": "false"
      }
    ]
  }
}
---
{
  "apiVersion": "kubelet.config.k8s.io/v1beta1",
  "cgroupDriver": "systemd",
  "kind": "KubeletConfiguration"
}
EOF
havre_file /etc/havre/cluster/patches/kube-apiserver0+json.json 0644 <<'EOF'
[
  {
    "op": "add",
    "path": "/spec/containers/0/command/-",
    "value": "--bind-address=10.80.0.1"
  }
]
EOF

# Kubelets' serving certificates are renewed each year; the timer signs what is asked for rightly.
havre_file /etc/systemd/system/havre-approve.service 0644 <<'EOF'
[Unit]
Description=havre: sign the serving certificates that kubelets ask for
ConditionPathExists=/etc/kubernetes/admin.conf

[Service]
Type=oneshot
ExecStart=/bin/bash -c '. /usr/local/lib/havre/lib.sh; . /usr/local/lib/havre/cluster.sh; cluster_approve'
EOF
havre_file /etc/systemd/system/havre-approve.timer 0644 <<'EOF'
[Unit]
Description=havre: sign the serving certificates that kubelets ask for, every ten minutes

[Timer]
OnBootSec=2min
OnUnitActiveSec=10min
RandomizedDelaySec=1min

[Install]
WantedBy=timers.target
EOF
cluster_apply restart havre-approve.timer /etc/systemd/system/havre-approve.service /etc/systemd/system/havre-approve.timer

# Images of the control plane, so that joining does not wait for them
havre_retry 5 5 timeout 600 kubeadm config images pull --config /etc/havre/cluster/init.json >&2
