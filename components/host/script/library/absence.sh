# havre: a node's planned absence: its readers and its pods go elsewhere before it is rebooted, and come back after it. Edit components/host/script/library/absence.sh
# instead. It is read after cluster.sh and control-plane.sh, on a control-plane node other than the one that goes.
# shellcheck shell=bash disable=SC2153,SC2154
#
# One node at a time: a Lease has the name of who has begun. What a node had is noted at its Node, so that a run that was ended is made good by the next.

absence_lease=havre-absence
absence_note=havre/away
absence_edge="node-role.kubernetes.io/edge"

# absence_take WHO TAKE_OVER: from now on only WHO takes nodes away, with yes also where somebody else has begun.
absence_take() {
  local who=$1 over=$2 holder
  holder=$(cluster_kube -n kube-system get lease "$absence_lease" --ignore-not-found -o 'jsonpath={.spec.holderIdentity}')
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
  local node=$1 seconds=$2 missed had=
  cluster_lock "member-$node"
  missed=$(absence_missed "$node")
  [[ -z $missed ]] || havre_fail "$node: does not go while ${missed//$'\n'/, and }; mend that, and run again"
  if [[ -z $(absence_had "$node") ]]; then
    [[ -z $(cluster_kube get nodes -l "$absence_edge" --field-selector "metadata.name=$node" -o name) ]] || had=edge
    [[ $(cluster_kube get node "$node" -o 'jsonpath={.spec.unschedulable}') != true ]] || had+=${had:+,}cordoned
    cluster_kube annotate node "$node" "$absence_note=${had:-pods}" >/dev/null
  fi
  cluster_kube label node "$node" "$absence_edge-" >/dev/null
  cluster_until 180 absence_no_edge "$node" || havre_fail "$node: its edge pod has not ended after 180 s; see 'kubectl describe node $node', and run again"
  cluster_drain "$node" "$seconds"
}

# absence_end NODE: it is back, with what it had.
absence_end() {
  local node=$1 had
  cluster_lock "member-$node"
  had=$(absence_had "$node")
  [[ -n $had ]] || return 0
  timeout -k 5 310 kubectl --kubeconfig="$cluster_admin" wait --for=condition=Ready --timeout=300s "node/$node" >/dev/null ||
    havre_fail "$node: is not Ready after 300 s; see 'kubectl describe node $node' and 'journalctl -u kubelet' on it"
  [[ $had == *cordoned* ]] || cluster_kube uncordon "$node" >/dev/null
  if [[ $had == *edge* ]]; then
    cluster_kube label node "$node" "$absence_edge=" --overwrite >/dev/null
    cluster_until 180 absence_edge_serves "$node" || havre_fail "$node: its edge pod does not serve after 180 s; see 'kubectl get pods -A --field-selector spec.nodeName=$node', and run again"
  fi
  cluster_kube annotate node "$node" "$absence_note-" >/dev/null
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
