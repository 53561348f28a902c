# havre: a node's planned absence: its readers and its pods go elsewhere before it is rebooted or its kubelet changes, and come back after it. Edit
# components/host/script/library/absence.sh instead. It is read after cluster.sh and control-plane.sh, on a control-plane node; other than the one that goes, for a reboot.
# shellcheck shell=bash disable=SC2153,SC2154
#
# One node at a time: a Lease has the name of who has begun. What a node had is noted at its Node, so that a run that was ended is made good by the next.

absence_lease=havre-absence
absence_note=havre/away
absence_edge="node-role.kubernetes.io/edge"

# absence_holder: who takes nodes away by hand; nothing where nobody does.
absence_holder() { cluster_kube -n kube-system get lease "$absence_lease" --ignore-not-found -o 'jsonpath={.spec.holderIdentity}'; }

# absence_take WHO TAKE_OVER: from now on only WHO takes nodes away, with yes also where somebody else has begun.
absence_take() {
  local who=$1 over=$2 holder
  holder=$(absence_holder)
  [[ -z $holder || $holder == "$who" || $over == yes ]] ||
    havre_fail "$holder takes nodes away already, and one at a time is enough; where that has ended without a word, say --take-over"
  [[ -z $holder ]] || cluster_kube -n kube-system delete lease "$absence_lease" --ignore-not-found >&2
  # Of two that come here at once, one is refused.
  printf '{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"%s","namespace":"kube-system"},"spec":{"holderIdentity":"%s"}}' "$absence_lease" "$who" |
    cluster_kube create -f - >/dev/null
}

absence_give() { cluster_kube -n kube-system delete lease "$absence_lease" --ignore-not-found >&2; }

# absence_left: the nodes that a run has left away, a name each line.
absence_left() {
  # shellcheck disable=SC2016 # the template expands them
  cluster_kube get nodes -o go-template='{{range .items}}{{$name := .metadata.name}}{{with .metadata.annotations}}{{if index . "'"$absence_note"'"}}{{$name}}{{"\n"}}{{end}}{{end}}{{end}}'
}

# absence_missed NODE: what else is away or ill, so that NODE must stay: a sentence a line.
absence_missed() {
  local node=$1 other
  # shellcheck disable=SC2016 # the template expands them
  cluster_kube get nodes -o go-template='{{range .items}}{{$name := .metadata.name}}{{with .metadata.annotations}}{{if index . "'"$absence_note"'"}}{{$name}} is away{{"\n"}}{{end}}{{end}}{{range .status.conditions}}{{if eq .type "Ready"}}{{if ne .status "True"}}{{$name}} is not Ready{{"\n"}}{{end}}{{end}}{{end}}{{end}}' |
    sed "/^$node is /d"
  for other in $CONTROL_PLANE_NODES; do
    [[ ${other%%=*} == "$node" ]] || cluster_etcd "https://${other#*=}:2379" endpoint health >/dev/null 2>&1 </dev/null || echo "the member of etcd on ${other%%=*} is not healthy"
  done
}

# absence_begin NODE SECONDS: no reader comes to it any more, then no pod.
absence_begin() {
  local node=$1 seconds=$2 missed
  cluster_lock "member-$node"
  missed=$(absence_missed "$node")
  [[ -z $missed ]] || havre_fail "$node: does not go while ${missed//$'\n'/, and }; mend that, and run again"
  absence_remember "$node"
  absence_readers_leave "$node"
  cluster_drain "$node" "$seconds"
}

# absence_remember NODE: note at its Node what it has, unless a run that was ended has: edge and cordoned, or pods.
absence_remember() {
  local node=$1 has=
  [[ -z $(absence_had "$node") ]] || return 0
  [[ -z $(cluster_kube get nodes -l "$absence_edge" --field-selector "metadata.name=$node" -o name) ]] || has=edge
  [[ $(cluster_kube get node "$node" -o 'jsonpath={.spec.unschedulable}') != true ]] || has+=${has:+,}cordoned
  cluster_kube annotate node "$node" "$absence_note=${has:-pods}" >/dev/null
}

# absence_readers_leave NODE: Kubernetes ends its Caddy, which closes its ports and finishes what is under way.
absence_readers_leave() {
  local node=$1
  cluster_kube label node "$node" "$absence_edge-" >/dev/null
  cluster_until 180 absence_no_edge "$node" || havre_fail "$node: its edge pod has not ended after 180 s; see 'kubectl describe node $node', and run again"
}

# absence_end NODE: it is back, with what it had.
absence_end() {
  local node=$1 had
  cluster_lock "member-$node"
  had=$(absence_had "$node")
  [[ -n $had ]] || return 0
  timeout -k 5 310 kubectl --kubeconfig="$cluster_admin" wait --for=condition=Ready --timeout=300s "node/$node" >/dev/null ||
    havre_fail "$node: is not Ready after 300 s; see 'kubectl describe node $node' and 'journalctl -u kubelet' on it"
  absence_give_back "$node" "$had"
  cluster_kube annotate node "$node" "$absence_note-" >/dev/null
}

# absence_give_back NODE HAD: pods and readers, as absence_remember has noted them.
absence_give_back() {
  local node=$1 had=$2
  [[ $had == *cordoned* ]] || cluster_kube uncordon "$node" >/dev/null
  [[ $had == *edge* ]] || return 0
  cluster_kube label node "$node" "$absence_edge=" --overwrite >/dev/null
  cluster_until 180 absence_edge_serves "$node" || havre_fail "$node: its edge pod does not serve after 180 s; see 'kubectl get pods -A --field-selector spec.nodeName=$node', and run again"
}

absence_had() { cluster_kube get node "$1" -o go-template='{{with .metadata.annotations}}{{with index . "'"$absence_note"'"}}{{.}}{{end}}{{end}}'; }

# absence_edge_pods NODE: the pods that only edge nodes have: name, and True when it is ready.
absence_edge_pods() {
  # shellcheck disable=SC2016 # the template expands them
  cluster_kube get pods -A --field-selector "spec.nodeName=$1" -o go-template='{{range .items}}{{$pod := .}}{{range $key, $value := .spec.nodeSelector}}{{if eq $key "'"$absence_edge"'"}}{{$pod.metadata.name}} {{range $pod.status.conditions}}{{if eq .type "Ready"}}{{.status}}{{end}}{{end}}{{"\n"}}{{end}}{{end}}{{end}}'
}

absence_no_edge() {
  local pods
  pods=$(absence_edge_pods "$1") || return 1
  [[ -z $pods ]]
}

absence_edge_serves() {
  local pods
  pods=$(absence_edge_pods "$1") || return 1
  [[ -n $pods && $(grep -vc ' True$' <<<"$pods") == 0 ]]
}
