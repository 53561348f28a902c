# havre: another version of Kubernetes on nodes that are in a cluster. Edit components/host/script/library/upgrade.sh instead. It is read after control-plane.sh and
# kubernetes.sh, where those are read, and after absence.sh on a control-plane node.
# shellcheck shell=bash disable=SC2153,SC2154
#
# kubeadm and kubectl are replaced at once, everywhere: nothing runs with them. A member's kubelet is not: its next binary lies beside it until the node's turn. Control-plane nodes
# take turns under the lock in etcd, each doing its own work in kubernetes_prepare. Then workers do, so many at a time as may be missing: a control-plane node, which may drain, moves readers and
# pods away (upgrade_admit), and the worker itself, which has the binary, changes its kubelet when its Node says so (havre-upgrade.service). No credential of the control plane leaves it.
#
# How far it has come is what the nodes run, and what their Nodes say: havre/away (what the node had, to be given back; the same note as of any planned absence), havre/kubelet (the version
# that its kubelet is told to take), havre/trouble (why it has not), and on the namespace kube-system havre/kubernetes (the version that kubeadm has upgraded the cluster's own objects to). So
# whatever was killed is gone on with by the next run.

upgrade_manifests=$cluster_state/manifests

# upgrade_minor VERSION: the minor of v1.MINOR.PATCH.
upgrade_minor() {
  local minor=${1#v1.}
  echo "${minor%%.*}"
}

# upgrade_installed: the version of the kubelet that this host starts; nothing where there is none.
upgrade_installed() {
  local said
  said=$(kubelet --version 2>/dev/null) || said=''
  echo "${said##* }"
}

# upgrade_held: this host is in the cluster with a kubelet of another version than the wanted one.
upgrade_held() {
  local runs
  [[ -e $cluster_state/member ]] || return 1
  runs=$(upgrade_installed)
  [[ -n $runs && $runs != "$VERSION" ]]
}

# upgrade_allowed: on a node that is in the cluster, refuse a version that it can never come to from what it runs (https://kubernetes.io/releases/version-skew-policy/). Whether its turn has come is
# asked when it is its turn. A host that is no member takes what it is given: there kubeadm looks.
upgrade_allowed() {
  local runs skipped
  [[ -e $cluster_state/member ]] || return 0
  runs=$(upgrade_installed)
  [[ -n $runs ]] || return 0
  skipped=$(($(upgrade_minor "$VERSION") - $(upgrade_minor "$runs")))
  ((skipped >= 0)) ||
    havre_fail "$NODE: runs Kubernetes $runs, and $VERSION is wanted: a minor version is never taken back; set Cluster.KubernetesVersion to one of v1.$(upgrade_minor "$runs"). Nothing was changed here"
  if [[ $CONTROL_PLANE == yes ]]; then
    ((skipped <= 1)) ||
      havre_fail "$NODE: runs Kubernetes $runs, and $VERSION is wanted: one minor version at a time; set Cluster.KubernetesVersion to one of v1.$(($(upgrade_minor "$runs") + 1)) first. Nothing was changed here"
  else
    ((skipped <= 3)) ||
      havre_fail "$NODE: runs Kubernetes $runs, and $VERSION is wanted: a kubelet is at most three minor versions older than its API servers; raise the node's Generation, which installs it anew. Nothing was changed here"
  fi
}

# upgrade_kubelet_path: where a kubelet of the wanted version goes.
upgrade_kubelet_path() { if upgrade_held; then echo "/usr/local/bin/kubelet-$VERSION"; else echo /usr/local/bin/kubelet; fi; }

# upgrade_kubelet_says PATH: the binary is of the version that it is taken for. Its address and checksum are pinned elsewhere than the version.
upgrade_kubelet_says() {
  local said
  said=$("$1" --version) || said='nothing'
  [[ ${said##* } == "$VERSION" ]] ||
    havre_fail "$NODE: Kubernetes $VERSION is wanted, and the kubelet of havre:artifacts says that it is ${said##* }; change version and binaries together. Its kubelet is as it was"
}

# upgrade_serves NODE=ADDRESS: the version of its API server; nothing where it does not answer.
upgrade_serves() {
  timeout 20 kubectl --kubeconfig=/etc/kubernetes/kubelet.conf --server="https://${1#*=}:$API_PORT" --request-timeout=10s get --raw /version | sed -nE 's/.*"gitVersion": *"([^"]+)".*/\1/p' || true
}

# upgrade_skew BEHIND: every API server is there, and at most so many minor versions behind the wanted one.
upgrade_skew() {
  local node serves behind
  for node in $CONTROL_PLANE_NODES; do
    serves=$(upgrade_serves "$node")
    [[ -n $serves ]] || { echo "the API server of ${node%%=*} does not say its version"; return 0; }
    behind=$(($(upgrade_minor "$VERSION") - $(upgrade_minor "$serves")))
    ((behind <= $1)) || { echo "the API server of ${node%%=*} runs $serves"; return 0; }
  done
}

# upgrade_config: what kubeadm upgrade is told. Everything else it takes from the cluster, as kubernetes_init_config has put it there. DNS and proxy are add-ons of ours, and so is what it would ask about
# moving CoreDNS.
upgrade_config() {
  local ignored='
      "CoreDNSMigration",
      "CoreDNSUnsupportedPlugins"' told
  ! kubernetes_is shared-kernel || ignored+=',
      "Mem",
      "NumCPU",
      "Swap",
      "SystemVerification"'
  told="\"ignorePreflightErrors\": [$ignored
    ],
    \"imagePullPolicy\": \"IfNotPresent\",
    \"imagePullSerial\": false,
    \"patches\": {
      \"directory\": \"/etc/havre/cluster/patches\"
    },
    \"skipPhases\": [
      \"addon\"
    ]"
  cat <<EOF
{
  "apiVersion": "kubeadm.k8s.io/v1beta4",
  "apply": {
    "kubernetesVersion": "$VERSION",
    $told
  },
  "kind": "UpgradeConfiguration",
  "node": {
    $told
  },
  "timeouts": {
    "kubernetesAPICall": "2m0s",
    "upgradeManifests": "6m0s"
  }
}
EOF
}

# upgrade_swap: the kubelet that lies ready becomes this host's. It stays beside until the node is through.
upgrade_swap() {
  local next=/usr/local/bin/kubelet-$VERSION
  if [[ -e $next ]]; then
    install -m 0755 "$next" "$next.new"
    mv -f "$next.new" /usr/local/bin/kubelet
  fi
  kubernetes_kubelet
}

# upgrade_whole NODE: it is ready with the wanted version, and so is every pod on it.
upgrade_whole() {
  local pods
  [[ $(cluster_kube get node "$1" -o 'jsonpath={.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].status}') == "$VERSION True" ]] || return 1
  pods=$(cluster_kube get pods -A --field-selector "spec.nodeName=$1,status.phase!=Succeeded,status.phase!=Failed" \
    -o 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}') || return 1
  ! grep -qvE '^(True)?$' <<<"$pods"
}

# upgrade_settle NODE: wait for it. A kubelet of another version may start containers anew in its first seconds, so it is asked twice.
upgrade_settle() {
  local again
  for again in 0 10; do
    sleep "$again"
    cluster_until 300 upgrade_whole "$1" && continue
    havre_fail "$1: is not whole 300 s after its kubelet changed to $VERSION; see 'kubectl describe node $1' and 'kubectl get pods -A --field-selector spec.nodeName=$1'. It takes no pods until a run finds it whole; mend it and run again"
  done
}

# upgrade_pending: something of this control-plane node is of another version, or an upgrade was not finished here.
upgrade_pending() {
  local component
  for component in apiserver controller-manager scheduler; do
    grep -q "kube-$component:$VERSION\$" "/etc/kubernetes/manifests/kube-$component.yaml" || return 0
  done
  [[ -e $upgrade_manifests ]] || upgrade_held
}

# upgrade_keep_manifests: the static pods as they were, until the upgrade is through. kubeadm takes each away and then puts the new one there; one that was lost between the two comes back.
upgrade_keep_manifests() {
  local component
  if [[ ! -e $upgrade_manifests ]]; then
    rm -rf "$upgrade_manifests.new"
    install -d -m 0700 "$upgrade_manifests.new"
    cp /etc/kubernetes/manifests/*.yaml "$upgrade_manifests.new/"
    mv "$upgrade_manifests.new" "$upgrade_manifests"
  fi
  for component in etcd kube-apiserver kube-controller-manager kube-scheduler; do
    [[ -s /etc/kubernetes/manifests/$component.yaml || ! -s $upgrade_manifests/$component.yaml ]] || havre_file "/etc/kubernetes/manifests/$component.yaml" 0600 <"$upgrade_manifests/$component.yaml"
  done
}

# upgrade_etcd: this node's member and all others are healthy.
upgrade_etcd() { cluster_etcd https://127.0.0.1:2379 endpoint health --cluster; }

# upgrade_turn ENDPOINTS: upgrade_control_plane, once the lock in etcd is had at these members. One that an earlier run has left half-way comes first: who has the lock before it gives it back and asks
# again, so long as a run takes at most to come to all nodes.
upgrade_turn() {
  local round status
  for round in {1..24}; do
    status=0
    etcd_locked 10800 "$1" upgrade_control_plane || status=$?
    ((status == upgrade_another_first)) || return "$status"
    ((round > 1)) || havre_log "$NODE: $(upgrade_left) was left half-way, and comes first"
    sleep 5
  done
  havre_fail "$NODE: its upgrade to $VERSION does not begin: $(upgrade_left) was left half-way, and is not brought to its end; see what its own step says, mend it and run again. Nothing was changed here"
}

# upgrade_another_first: the status with which the lock is given back.
upgrade_another_first=75

# upgrade_left: another control-plane node that is away.
upgrade_left() {
  local node name had
  for node in $CONTROL_PLANE_NODES; do
    name=${node%%=*}
    [[ $name != "$NODE" ]] || continue
    had=$(absence_had "$name") || return 1
    [[ -z $had ]] || { echo "$name"; return 0; }
  done
}

# upgrade_control_plane: this control-plane node, under the lock in etcd, whose keeper it is until the node serves. Whichever comes first upgrades what is the cluster's own as well.
upgrade_control_plane() {
  local verb=node trouble left
  local refused="so its upgrade to $VERSION does not begin; mend it and run again. Nothing was changed here"
  upgrade_pending || return 0
  upgrade_keep_manifests
  trouble=$(upgrade_skew 1)
  [[ -z $trouble ]] || havre_fail "$NODE: $trouble, and API servers are at most one minor version apart, $refused"
  cluster_until 120 control_plane_ready || havre_fail "$NODE: not every API server is ready, $refused"
  cluster_until 60 upgrade_etcd || havre_fail "$NODE: not every member of etcd is healthy (etcdctl endpoint health --cluster), $refused"
  trouble=$(absence_holder)
  [[ -z $trouble ]] || havre_fail "$NODE: $trouble takes nodes away (Lease kube-system/$absence_lease), $refused"
  left=$(upgrade_left)
  [[ -z $left ]] || return "$upgrade_another_first"
  [[ $(cluster_kube get namespace kube-system -o 'jsonpath={.metadata.annotations.havre/kubernetes}') == "$VERSION" ]] || verb=apply
  if [[ $verb == apply ]]; then
    etcd_back_up_now
    havre_log "$NODE: etcd is backed up"
  fi
  absence_remember "$NODE"
  cluster_drain "$NODE" 300
  havre_log "$NODE: drained; kubeadm upgrade $verb to $VERSION"
  if [[ $verb == apply ]]; then
    cluster_run 1500 kubeadm upgrade apply "$VERSION" --yes --config /etc/havre/cluster/upgrade.json
  else
    cluster_run 1500 kubeadm upgrade node --config /etc/havre/cluster/upgrade.json
  fi || havre_fail "$NODE: kubeadm upgrade $verb to $VERSION failed; see above, and /var/log/pods there. It stays drained, and no other node is upgraded before it; mend it and run again"
  cluster_until 300 cluster_ready || havre_fail "$NODE: its API server is not ready 300 s after kubeadm upgrade; see /var/log/pods there. No other node is upgraded before it; mend it and run again"
  [[ $verb == node ]] || cluster_kube annotate namespace kube-system --overwrite "havre/kubernetes=$VERSION" >/dev/null
  upgrade_swap
  upgrade_settle "$NODE"
  # What the same run has changed beside the version.
  control_plane_render
  cluster_until 180 upgrade_etcd || havre_fail "$NODE: serves $VERSION, but not every member of etcd is healthy after 180 s (etcdctl endpoint health --cluster); mend it and run again"
  absence_give_back "$NODE" "$(absence_had "$NODE")"
  cluster_kube annotate node "$NODE" "$absence_note-" >/dev/null
  # Among kubeadm's own copies is one of all that etcd holds.
  rm -rf "$upgrade_manifests" /etc/kubernetes/tmp
  havre_log "$NODE: serves $VERSION"
}

# upgrade_await: on a worker whose turn is to come, the service that changes its kubelet then; elsewhere it goes, with what lay ready.
upgrade_await() {
  local unit=/etc/systemd/system/havre-upgrade.service
  if [[ $CONTROL_PLANE == yes ]] || ! upgrade_held; then
    [[ ! -e $unit ]] || systemctl -q disable --now havre-upgrade.service
    rm -f "$unit" /usr/local/bin/kubelet-v*
    return 0
  fi
  havre_file "$unit" 0644 <<'EOF'
[Unit]
Description=havre: another kubelet, when the control plane says so
After=network-online.target kubelet.service

[Service]
ExecStart=/usr/local/lib/havre/run lib.sh cluster.sh kubernetes.sh kubeadm.sh upgrade.sh upgrade_follow
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
EOF
  systemctl daemon-reload
  systemctl -q enable havre-upgrade.service
  systemctl restart --no-block havre-upgrade.service
}

# upgrade_own ARGUMENT...: kubectl as this node.
upgrade_own() { timeout -k 5 30 kubectl --kubeconfig=/etc/kubernetes/kubelet.conf --request-timeout=20s "$@"; }

# upgrade_told: the version that this node's kubelet is to take.
upgrade_told() { upgrade_own get node "$NODE" -o 'jsonpath={.metadata.annotations.havre/kubelet}'; }

upgrade_tell() { upgrade_own annotate node "$NODE" --overwrite "havre/trouble=$1" >/dev/null || true; }

# upgrade_follow: what the service runs on a worker.
upgrade_follow() {
  local told next=/usr/local/bin/kubelet-$VERSION
  until told=$(upgrade_told) && [[ $told == "$VERSION" ]]; do
    [[ -e $cluster_state/member && -e $next ]] || return 0
    sleep 3
  done
  cluster_lock kubernetes
  upgrade_tell ''
  cluster_run 300 kubeadm upgrade node --config /etc/havre/cluster/upgrade.json || {
    upgrade_tell "kubeadm upgrade node failed, and is tried again; see 'journalctl -u havre-upgrade' there"
    return 1
  }
  rm -rf /etc/kubernetes/tmp
  upgrade_swap
  rm -f "$next"
  systemctl -q disable havre-upgrade.service
}

# upgrade_admit VERSION PLACES SECONDS NODE ADDRESS POD_CIDR TAINT...: cluster_admit of a worker, whose labels are on standard input; then its upgrade, where it is due. PLACES workers at most may be
# missing at a time, and a drain has so many SECONDS.
upgrade_admit() {
  local VERSION=$1 places=$2 seconds=$3
  shift 3
  cluster_admit "$@"
  ! upgrade_due "$1" || upgrade_worker "$1" "$places" "$seconds"
}

# upgrade_word NODE KEY: an annotation havre/KEY of a node.
upgrade_word() { cluster_kube get node "$1" -o "jsonpath={.metadata.annotations.havre/$2}"; }

upgrade_runs() { cluster_kube get node "$1" -o 'jsonpath={.status.nodeInfo.kubeletVersion}'; }

# upgrade_due NODE: its kubelet is of another version, or it was not given back.
upgrade_due() { [[ $(upgrade_runs "$1") != "$VERSION" || -n $(absence_had "$1") ]]; }

# upgrade_workers: name|closed|havre/away|ready of each worker.
upgrade_workers() {
  cluster_kube get nodes -l node-role.kubernetes.io/worker \
    -o 'jsonpath={range .items[*]}{.metadata.name}|{.spec.unschedulable}|{.metadata.annotations.havre/away}|{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}'
}

# upgrade_begin NODE PLACES SECONDS: note on the node what it had, once so few of the others are missing that it may be missing too. One at a time asks; what he waits for is
# bounded, and he tells that he waits, so that he ends with a run that is not there any more. Workers that a run has left half-way, and that nobody is at work on, he finishes: else none could begin.
upgrade_begin() {
  local node=$1 places=$2 fd name closed words ready missing count busy left trouble round=0
  [[ -z $(absence_had "$node") ]] || return 0
  exec {fd}>/run/lock/havre-upgrade
  until flock -w 60 "$fd"; do havre_log "$node: waits for its turn; $places at a time"; done
  while [[ -z $(absence_had "$node") ]]; do
    trouble=$(absence_holder)
    [[ -z $trouble ]] || havre_fail "$node: its upgrade to $VERSION does not begin: $trouble takes nodes away (Lease kube-system/$absence_lease); run again when that has ended. Nothing was changed on $node"
    trouble=$(upgrade_skew 0)
    [[ -z $trouble ]] || havre_fail "$node: Kubernetes $VERSION is wanted, and $trouble: no kubelet is newer than an API server; mend it and run again. Nothing was changed on $node"
    missing='' count=0 busy=no left=''
    while IFS='|' read -r name closed words ready; do
      [[ $name != "$node" && ($closed == true || -n $words || $ready != True) ]] || continue
      missing+="${missing:+, }$name" count=$((count + 1))
      if [[ -n $words ]]; then
        if flock -n "/run/lock/havre-member-$name" true; then left=$name; else busy=yes; fi
      fi
    done < <(upgrade_workers)
    if ((count < places)); then
      absence_remember "$node"
    elif [[ -n $left ]]; then
      havre_log "$left: was left half-way; goes on with it first"
      # Its lock goes with the subshell.
      (
        cluster_lock "member-$left"
        upgrade_worker "$left" "$places" "$3"
      )
      round=0
    elif [[ $busy == no ]] && ((round >= 12)); then
      havre_fail "$node: its upgrade to $VERSION does not begin: $missing not ready or closed to pods, and $places may be missing at a time (Cluster.MaxUnavailable); mend, uncordon or retire, and run again. Nothing was changed on $node"
    else
      ((round % 12 != 11)) || havre_log "$node: waits for $missing; $places at a time"
      round=$((round + 1))
      sleep 5
    fi
  done
}

# upgrade_changed NODE: its kubelet is of the wanted version, or has said why not.
upgrade_changed() { [[ $(upgrade_runs "$1") == "$VERSION" || -n $(upgrade_word "$1" trouble) ]]; }

# upgrade_worker NODE PLACES SECONDS: when so many may be missing. Another minor version drains it first: readers are sent to the other edge nodes, then pods move. With another patch its pods run on.
upgrade_worker() {
  local node=$1 seconds=$3 runs back trouble
  # The turn of the next to ask comes when the subshell ends.
  (upgrade_begin "$node" "$2" "$seconds") </dev/null
  back=$(absence_had "$node") runs=$(upgrade_runs "$node")
  if [[ $(upgrade_minor "$runs") != "$(upgrade_minor "$VERSION")" ]]; then
    if [[ $back == *edge* ]]; then
      absence_readers_leave "$node"
      havre_log "$node: readers enter elsewhere"
    fi
    cluster_drain "$node" "$seconds"
    havre_log "$node: drained"
  fi
  if [[ $runs != "$VERSION" ]]; then
    cluster_kube annotate node "$node" --overwrite "havre/kubelet=$VERSION" havre/trouble- >/dev/null
    cluster_until 600 upgrade_changed "$node" || true
    if [[ $(upgrade_runs "$node") != "$VERSION" ]]; then
      trouble=$(upgrade_word "$node" trouble)
      havre_fail "$node: its kubelet is $runs still, and was told $VERSION: ${trouble:-nothing is heard of it for 600 s; see 'journalctl -u havre-upgrade' there}. No other worker begins; mend it and run again"
    fi
    havre_log "$node: its kubelet changed from $runs to $VERSION"
  fi
  upgrade_settle "$node"
  absence_give_back "$node" "$back"
  cluster_kube annotate node "$node" "$absence_note-" havre/kubelet- havre/trouble- >/dev/null
  havre_log "$node: runs $VERSION, and takes what it took before"
}
