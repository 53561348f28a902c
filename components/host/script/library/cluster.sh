# havre: the steps of this node's life in the cluster. Edit components/host/script/library/cluster.sh instead.
# shellcheck shell=bash
#
# Every step may be killed at any point and run again, also while the orphan of the killed run still works: a lock for each step on this host, and a mark
# (cluster_state/member) only when the node is wholly in. What has no mark is adopted if it is complete, else taken back and done again.

# What the host knows of itself and of the cluster; <node>-kubernetes writes it (kubernetes.sh), from what components/cluster/kubeadm renders.
cluster_environment=/etc/havre/cluster/node.env

# cluster_read: NODE, ADDRESS, CONTROL_PLANE (yes or no), CONTROL_PLANE_NODES (name=address each), API_PORT, PROXY_PORT and the rest.
cluster_read() {
  # shellcheck source=/dev/null
  . "$cluster_environment"
}

if [[ -e $cluster_environment ]]; then cluster_read; fi

cluster_state=/var/lib/havre/cluster
cluster_pki=/etc/kubernetes/pki
cluster_cri=unix:///run/containerd/containerd.sock

# cluster_lock STEP: one run of a step at a time on this host, until this shell ends.
cluster_lock() {
  local fd
  mkdir -p /run/lock
  exec {fd}>"/run/lock/havre-$1"
  flock -w 900 "$fd" || havre_fail "$NODE: another run holds /run/lock/havre-$1 since 900 s; see 'fuser -v /run/lock/havre-$1', end it and run again"
}

# cluster_until SECONDS COMMAND...: try it once a second until it succeeds.
cluster_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 1
  done
}

# cluster_redact: tokens and keys never reach a log, whatever kubeadm prints.
cluster_redact() { sed -E 's/[a-z0-9]{6}\.[a-z0-9]{16}/[token]/g; s/[0-9a-f]{64}/[key]/g'; }

# cluster_run SECONDS COMMAND...: bounded, output to the log of cluster commands without secrets, status kept by pipefail.
cluster_run() { havre_quietly cluster cluster_run_redacted "$@"; }
cluster_run_redacted() { timeout -k 10 "$@" </dev/null 2>&1 | cluster_redact; }

# cluster_served: some control-plane node is ready, asked through the proxy without a credential.
cluster_served() { curl -fsk --max-time 5 -o /dev/null "https://127.0.0.1:$PROXY_PORT/readyz"; }

# cluster_registered: the kubelet has its own certificate and its Node object is there.
cluster_registered() {
  [[ -s /etc/kubernetes/kubelet.conf ]] && systemctl -q is-active kubelet &&
    timeout 10 kubectl --kubeconfig=/etc/kubernetes/kubelet.conf --request-timeout=8s get node "$NODE" -o name >/dev/null
}

# cluster_complete: everything that kubeadm join does has been done.
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

# cluster_authority: the hash of the cluster's CA as kubeadm writes it, sha256:…; it tells one cluster from another.
cluster_authority() {
  local sum
  sum=$(openssl x509 -pubkey -noout -in "$cluster_pki/ca.crt" | openssl pkey -pubin -outform der | sha256sum)
  printf 'sha256:%s\n' "${sum%% *}"
}

# cluster_traces: something of an earlier life is here. A new host skips the reset, which takes seconds.
cluster_traces() {
  [[ -e /etc/kubernetes/kubelet.conf || -e $cluster_pki || -e /var/lib/etcd/member || -e /var/lib/kubelet/config.yaml || -e $cluster_state/member ]]
}

# cluster_reset: nothing of an earlier life stays on this host: pods, certificates, etcd's data, CNI leases, kube-proxy's rules.
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
  # Cilium's programs hang on what is pinned: without the pins they are gone. Its state would bring them back.
  rm -rf /sys/fs/bpf/cilium /sys/fs/bpf/tc /var/run/cilium /etc/cni/net.d/05-cilium.conflist
  ip link delete cilium_host 2>/dev/null || true
  nft delete table ip kube-proxy 2>/dev/null || true
  nft delete table ip6 kube-proxy 2>/dev/null || true
}

# cluster_revive: the node is in by its mark; see that it lives, and register it again if its Node object was deleted.
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

# cluster_config TEMPLATE NAME=VALUE...: the template with its secrets, in memory only; prints the path.
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

# cluster_join FOUND: standard input is the invitation, {} when there is none. FOUND=yes lets this node make the cluster if no other serves.
cluster_join() {
  local found=$1 invitation token='' hash='' key='' ca=''
  invitation=$(cat)
  [[ $invitation =~ \"token\":\"([a-z0-9.]+)\" ]] && token=${BASH_REMATCH[1]}
  [[ $invitation =~ \"ca\":\"([A-Za-z0-9+/=]+)\" ]] && ca=${BASH_REMATCH[1]}
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
  [[ -n $ca ]] || havre_fail "$NODE: its invitation holds no certificate of the cluster; run pulumi up with --replace on ${NODE}'s invitation"
  cluster_until 120 cluster_served ||
    havre_fail "$NODE: no control-plane node answers through 127.0.0.1:$PROXY_PORT after 120 s; see 'journalctl -u havre-api-proxy' there"

  local attempt
  for attempt in 1 2 3 4 5; do
    if cluster_attempt "$token" "$ca" "$key"; then
      cluster_until 180 cluster_complete && cluster_mark && return 0
    fi
    havre_log "$NODE: attempt $attempt to join failed"
    sleep $((attempt * 5))
  done
  havre_fail "$NODE: could not join in 5 attempts. An invitation is good for 24 h, a control-plane node's for 1 h: when it is older, run pulumi up with --replace on ${NODE}'s invitation"
}

# cluster_attempt TOKEN CA KEY: one clean try.
cluster_attempt() {
  local config discovery status=0
  if cluster_traces; then
    [[ $CONTROL_PLANE == no ]] || cluster_leave_etcd || havre_log "$NODE: its etcd member could not be removed"
    cluster_reset
  fi
  config=$(cluster_config join "TOKEN=$1" "KEY=$3")
  discovery=$(cluster_config discovery "TOKEN=$1" "CA=$2")
  if [[ $CONTROL_PLANE == yes ]]; then
    # A host that was reinstalled without leaving is still a member of etcd by its address. kubeadm would take that entry over, and etcd refuses an empty
    # member under an old identity; so the entry goes first, with the certificates of the invitation.
    cluster_run 120 kubeadm join phase control-plane-prepare download-certs --config "$config" &&
      cluster_run 60 kubeadm init phase certs etcd-healthcheck-client --config /etc/havre/cluster/init.json &&
      cluster_leave_etcd &&
      cluster_run 60 kubeadm init phase kubeconfig admin --config /etc/havre/cluster/init.json &&
      keys_fetch || status=$?
  fi
  if ((status == 0)); then
    cluster_run 900 kubeadm join --config "$config" || status=$?
  fi
  rm -f "$config" "$discovery"
  return "$status"
}

# cluster_leave: out of etcd, then clean. Neither a lost quorum nor a dead API server holds it up. A host that was never prepared has nothing to leave.
cluster_leave() {
  [[ -e $cluster_environment ]] || return 0
  cluster_lock join
  rm -f "$cluster_state/member"
  [[ $CONTROL_PLANE == no ]] || cluster_leave_etcd ||
    havre_log "$NODE: its etcd member could not be removed within 60 s (no quorum?); goes on. If the cluster lives, remove member https://$ADDRESS:2380 with etcdctl"
  cluster_reset
  rm -rf "$cluster_state"
}
