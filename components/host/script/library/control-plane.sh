# havre: what only control-plane nodes do, for themselves and for the others. Edit components/host/script/library/control-plane.sh instead. It is read after
# cluster.sh.
# shellcheck shell=bash disable=SC2153,SC2154

cluster_admin=/etc/kubernetes/admin.conf

# cluster_kube ARGUMENT...: kubectl as the administrator, through the proxy; only on control-plane nodes.
cluster_kube() { timeout -k 5 60 kubectl --kubeconfig="$cluster_admin" --request-timeout=20s "$@"; }

# cluster_ready: this node's own API server is ready.
cluster_ready() {
  [[ -s $cluster_admin ]] &&
    timeout 10 kubectl --kubeconfig="$cluster_admin" --server="https://$ADDRESS:$API_PORT" --request-timeout=8s get --raw /readyz >/dev/null
}

# cluster_etcd ENDPOINT ARGUMENT...
cluster_etcd() {
  local endpoint=$1
  shift
  timeout -k 5 15 etcdctl --endpoints="$endpoint" --dial-timeout=3s --command-timeout=10s --cacert="$cluster_pki/etcd/ca.crt" \
    --cert="$cluster_pki/etcd/healthcheck-client.crt" --key="$cluster_pki/etcd/healthcheck-client.key" "$@"
}

# cluster_leave_etcd: take this node's member out of etcd, if it is one and not the last. Without quorum it gives up after a minute with status 1.
cluster_leave_etcd() { cluster_remove_member "$NODE" "$ADDRESS"; }

# cluster_remove_member NODE ADDRESS: take a node's member out of etcd, as cluster_leave_etcd does its own. A member that was only just told of may be missing from
# this node's own list, so its "no" does not count while there are others to ask.
cluster_remove_member() {
  local name=$1 address=$2 endpoint members id peers='' node end=$((SECONDS + 60))
  [[ -s $cluster_pki/etcd/healthcheck-client.key ]] || return 0
  for node in $CONTROL_PLANE_NODES; do
    [[ ${node%%=*} == "$NODE" || ${node%%=*} == "$name" ]] || peers+=" ${node#*=}"
  done
  while ((SECONDS < end)); do
    for endpoint in 127.0.0.1 $peers; do
      members=$(cluster_etcd "https://$endpoint:2379" member list -w simple 2>/dev/null) || continue
      id=$(awk -F ', ' -v url="https://$address:2380" '$4 == url { print $1 }' <<<"$members")
      if [[ -z $id ]]; then
        [[ $endpoint == 127.0.0.1 ]] && continue
        return 0
      fi
      [[ $(wc -l <<<"$members") -gt 1 ]] || return 0
      if cluster_etcd "https://$endpoint:2379" member remove "$id" >/dev/null; then
        havre_log "$name: etcd member $id removed"
        return 0
      fi
    done
    [[ -n $peers ]] || return 0
    sleep 2
  done
  return 1
}

# cluster_forget_dead: members of nodes that are no control-plane nodes any more and do not answer leave etcd: it takes no new member while one of the old ones is
# dead (https://etcd.io/docs/v3.6/op-guide/configuration/, strict-reconfig-check). One that answers leaves by itself, later.
cluster_forget_dead() {
  local members peer address
  members=$(cluster_etcd https://127.0.0.1:2379 member list -w simple) || return 1
  while IFS=, read -r _ _ _ peer _; do
    address=${peer# https://}
    address=${address%:*}
    if [[ -n $address && " $CONTROL_PLANE_NODES " != *"=$address "* ]] && ! cluster_etcd "https://$address:2379" endpoint health >/dev/null 2>&1 </dev/null; then
      cluster_remove_member "$address" "$address" </dev/null || return 1
    fi
  done <<<"$members"
}

# cluster_found: make the cluster. The phases that print a token or a key are left out; invitations do their work.
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
    keys_found
    cluster_run 600 kubeadm init --config /etc/havre/cluster/init.json --skip-phases=upload-certs,addon,show-join-command ||
      havre_fail "$NODE: kubeadm init failed; see above and 'journalctl -u kubelet' there, then run again"
  fi
  cluster_until 120 cluster_complete || havre_fail "$NODE: kubeadm init ended, but the node is not registered after 120 s; see 'journalctl -u kubelet' there"
  cluster_until 30 keys_fetch || havre_fail "$NODE: the keys of Secrets could not be put into the cluster; run again"
  cluster_mark
  rm -f "$cluster_state/founding"
}

# cluster_invite NODE ROLE: print the invitation. ROLE founder answers {} where there is no cluster yet; then that node makes it.
cluster_invite() {
  local node=$1 role=$2 line token hash key='' config
  if [[ $role == founder && ! -e $cluster_state/member ]]; then
    printf '{}\n'
    return 0
  fi
  cluster_lock invitation
  cluster_until 120 cluster_ready || havre_fail "$NODE: its API server is not ready after 120 s, so $node cannot be invited; see 'journalctl -u kubelet' there"
  if [[ $role != worker ]]; then
    cluster_until 60 cluster_forget_dead || havre_fail "$NODE: etcd keeps the member of a dead node (see etcdctl member list), so $node cannot join; run again"
    # One key for all that join at about the same time: each upload replaces the one before. Kubernetes drops it after 2 h.
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
  printf '{"token":"%s","caCertHash":"%s","ca":"%s","certificateKey":"%s"}\n' "$token" "$hash" "$(base64 -w0 <"$cluster_pki/ca.crt")" "$key"
}

# cluster_approve: sign the serving certificates that kubelets ask for, where the names in the request are exactly the node's own. The address comes from a
# label that only an administrator can set (NodeRestriction keeps kubelets off node-restriction.kubernetes.io/), so no node can claim another's.
cluster_approve() {
  local csr user request node address names
  while read -r csr user request; do
    node=${user#system:node:}
    [[ $node != "$user" && -n $request ]] || continue
    address=$(cluster_kube get node "$node" --ignore-not-found -o 'jsonpath={.metadata.labels.node-restriction\.kubernetes\.io/mesh-address}' </dev/null)
    names=$(base64 -d <<<"$request" | openssl req -noout -text | awk '/Subject Alternative Name/ { getline; gsub(/ /, ""); print }') || names=nothing
    if [[ -n $address && $names == "DNS:$node,IPAddress:$address" ]]; then
      cluster_kube certificate approve "$csr" </dev/null >/dev/null
    elif [[ -n $address ]]; then
      havre_log "$node: asks for a serving certificate for $names, but is $address; left alone"
    fi
  done < <(cluster_kube get csr -o go-template='{{range .items}}{{if and (eq .spec.signerName "kubernetes.io/kubelet-serving") (not .status.conditions)}}{{.metadata.name}} {{.spec.username}} {{.spec.request}}{{"\n"}}{{end}}{{end}}')
}

# cluster_certified ADDRESS: the kubelet there serves with a certificate of the cluster's CA.
cluster_certified() { curl -s --max-time 5 -o /dev/null --cacert "$cluster_pki/ca.crt" "https://$1:10250/healthz"; }

cluster_admit_certificate() {
  cluster_certified "$1" && return 0
  cluster_approve
  cluster_certified "$1"
}

cluster_found_node() { [[ -n $(cluster_kube get node "$1" --ignore-not-found -o name) ]]; }

# cluster_manifest NODE TAINT...: the labels on standard input, key=value each, sorted; the Node as far as havre owns it on standard output. Neither keys nor values
# hold anything that JSON would need escaped.
cluster_manifest() {
  local node=$1 line comma=''
  shift
  printf '{"apiVersion":"v1","kind":"Node","metadata":{"name":"%s","annotations":{"havre/taints":"%s"},"labels":{' "$node" "$*"
  while read -r line; do
    printf '%s"%s":"%s"' "$comma" "${line%%=*}" "${line#*=}"
    comma=,
  done
  printf '}}}\n'
}

# cluster_networked: the cluster has what gives its pods a network.
cluster_networked() { [[ $CNI == bridge || -n $(cluster_kube -n kube-system get daemonset cilium --ignore-not-found -o name) ]]; }

# cluster_admit NODE ADDRESS POD_CIDR TAINT...: the node's labels on standard input.
cluster_admit() {
  local node=$1 address=$2 cidr=$3 manifest got taint old
  shift 3
  manifest=$(cluster_manifest "$node" "$@")
  cluster_lock "member-$node"
  cluster_until 180 cluster_found_node "$node" || havre_fail "$node: has joined, but has no Node object after 180 s; see 'journalctl -u kubelet' on it"

  got=$(cluster_kube get node "$node" -o 'jsonpath={.spec.podCIDR}')
  if [[ -z $got ]]; then
    cluster_kube patch node "$node" --type=merge -p "{\"spec\":{\"podCIDR\":\"$cidr\",\"podCIDRs\":[\"$cidr\"]}}" >/dev/null
  elif [[ $got != "$cidr" ]]; then
    havre_fail "$node: its pod CIDR in Kubernetes is $got, want $cidr, and Kubernetes never changes one; take the node out and let it join again"
  fi

  # Taints are one list for all who write it, controllers included, so ours are kept apart by the annotation and changed one by one.
  old=$(cluster_kube get node "$node" -o 'jsonpath={.metadata.annotations.havre/taints}')
  for taint in $old; do
    [[ " $* " == *" $taint "* ]] || cluster_kube taint node "$node" "$taint-" >/dev/null || true
  done
  (($# == 0)) || cluster_kube taint node "$node" --overwrite "$@" >/dev/null
  cluster_kube apply --server-side --force-conflicts --field-manager=havre -f - <<<"$manifest" >/dev/null

  cluster_until 120 cluster_admit_certificate "$address" ||
    havre_fail "$node: its kubelet has no serving certificate after 120 s; see 'kubectl get csr' and 'journalctl -u kubelet' on it"
  # Without a pod network no node is Ready, and where that is an add-on it comes after the nodes.
  cluster_networked || return 0
  timeout -k 5 310 kubectl --kubeconfig="$cluster_admin" wait --for=condition=Ready --timeout=300s "node/$node" >/dev/null ||
    havre_fail "$node: is not Ready after 300 s; see 'kubectl describe node $node'"
}

# cluster_retire NODE SECONDS [ADDRESS]: drain, then delete the Node. A cluster in which nobody answers has nothing to drain. ADDRESS is there for a control-plane node:
# one whose etcd does not answer is dead, and would count for the quorum for ever.
cluster_retire() {
  local node=$1 seconds=$2 address=${3:-}
  [[ -e $cluster_environment ]] || return 0
  cluster_lock "member-$node"
  if ! cluster_until 60 cluster_kube get --raw /readyz; then
    havre_log "$node: no API server is ready after 60 s, so nothing is drained"
    return 0
  fi
  if cluster_found_node "$node"; then
    cluster_drain "$node" "$seconds"
    cluster_kube delete node "$node" --ignore-not-found --timeout=50s >&2
  fi
  [[ -n $address ]] || return 0
  cluster_etcd "https://$address:2379" endpoint health >/dev/null 2>&1 && return 0
  cluster_remove_member "$node" "$address" ||
    havre_fail "$node: is dead, and its etcd member could not be removed within 60 s (no quorum?); run again when two control-plane nodes serve"
}

# cluster_drain NODE SECONDS: no new pods there, and the old ones elsewhere.
cluster_drain() {
  local node=$1 seconds=$2
  timeout -k 5 $((seconds + 30)) kubectl --kubeconfig="$cluster_admin" drain "$node" --ignore-daemonsets --delete-emptydir-data --force \
    --skip-wait-for-delete-timeout=60 --timeout="${seconds}s" >&2 ||
    havre_fail "$node: is not drained after $seconds s; a PodDisruptionBudget or a pod that does not end holds it (named above). Make room elsewhere, or delete that pod, and run again"
}

# cluster_kubeconfig SERVER PROXY CLUSTER: print the administrator's kubeconfig for use from elsewhere.
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
