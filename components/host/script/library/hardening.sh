# havre: what keeps a control plane safe over years: the keys of Secrets at rest, certificates that do not end, changed flags on servers that run. Edit
# components/host/script/library/hardening.sh instead. It is read after etcd.sh, and kubernetes.sh and kubeadm.sh after it.
# shellcheck shell=bash disable=SC2153,SC2154
#
# The ring has a line for each key, "k2 <base64>", and "identity" as long as something may lie in clear; the first line is what is written with. It is a Secret in
# the cluster, and each host's API server reads the file that is made of it. It changes by one step at a time, and only after every API server has said that it
# reads the step before: a server that is behind would write what others cannot read, or could not read what they write.

keys_file=$cluster_pki/secrets.json
keys_folder=/etc/havre/cluster/api-server

# keys_new GENERATION: a line of the ring.
keys_new() { printf 'k%s %s\n' "$1" "$(openssl rand -base64 32)"; }

# keys_config: the ring on standard input, EncryptionConfiguration on standard output.
keys_config() {
  local name secret keys='' clear='' first=yes before=''
  while read -r name secret; do
    if [[ $name == identity ]]; then
      [[ $first == yes ]] && before='{"identity":{}},' || clear=',{"identity":{}}'
    else
      keys+="${keys:+,}{\"name\":\"$name\",\"secret\":\"$secret\"}"
    fi
    first=no
  done
  printf '{"apiVersion":"apiserver.config.k8s.io/v1","kind":"EncryptionConfiguration","resources":[{"resources":["secrets"],"providers":[%s{"secretbox":{"keys":[%s]}}%s]}]}\n' \
    "$before" "$keys" "$clear"
}

# keys_write: the ring on standard input becomes this host's file. The API server looks at it once a minute.
keys_write() {
  local config
  config=$(keys_config)
  [[ -e $keys_file && $(<"$keys_file") == "$config" ]] && return 0
  install -d -m 0755 "$cluster_pki"
  (umask 077 && printf '%s\n' "$config" >"$keys_file.new" && mv -f "$keys_file.new" "$keys_file")
}

# keys_found: the first key of a new cluster, before its first API server.
keys_found() {
  [[ -s $cluster_state/ring ]] || (umask 077 && mkdir -p "$cluster_state" && keys_new "$SECRETS_KEY" >"$cluster_state/ring.new" && mv "$cluster_state/ring.new" "$cluster_state/ring")
  keys_write <"$cluster_state/ring"
}

# keys_ring: the cluster's ring.
keys_ring() { cluster_kube -n kube-system get secret secrets-at-rest --ignore-not-found -o 'jsonpath={.data.ring}' | base64 -d; }

# keys_save [VERSION]: the ring on standard input becomes the cluster's, if nobody has changed it since VERSION; without one, if there is none.
keys_save() {
  local ring version=''
  ring=$(base64 -w0)
  (($# == 0)) || version="\"resourceVersion\":\"$1\","
  if (($# == 0)); then
    cluster_kube create -f - >/dev/null
  else
    cluster_kube replace -f - >/dev/null
  fi <<<"{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"secrets-at-rest\",\"namespace\":\"kube-system\",$version\"annotations\":{\"havre/rewritten\":\"${keys_rewritten:-}\"}},\"data\":{\"ring\":\"$ring\"}}"
}

# keys_fetch: this host's file from the cluster's ring, before its API server starts. A cluster from before there were keys gets its first one, which nothing is
# written with yet.
keys_fetch() {
  local ring
  ring=$(keys_ring) || return 1
  if [[ -z $ring ]]; then
    if [[ -s $cluster_state/ring ]]; then
      ring=$(<"$cluster_state/ring")
    else
      ring="identity"$'\n'"$(keys_new "$SECRETS_KEY")"
    fi
    keys_save <<<"$ring" || ring=$(keys_ring)
    [[ -n $ring ]] || return 1
  fi
  rm -f "$cluster_state/ring"
  keys_write <<<"$ring"
}

# keys_everywhere: every API server reads what this host's file says.
keys_everywhere() {
  local node sum
  sum=$(sha256sum <"$keys_file")
  for node in $CONTROL_PLANE_NODES; do
    cluster_kube --server="https://${node#*=}:$API_PORT" get --raw /metrics | grep -q "^apiserver_encryption_config_controller_last_config_info{.*sha256:${sum%% *}\"" || return 1
  done
}

# keys_rewrite: every Secret is written again, and lies in etcd under the key. An object that somebody changes meanwhile is done the next time.
keys_rewrite() {
  local all rewritten
  timeout 300 kubectl --kubeconfig="$cluster_admin" get secrets -A -o json | timeout 300 kubectl --kubeconfig="$cluster_admin" replace -f - >/dev/null || return 1
  all=$(cluster_etcd https://127.0.0.1:2379 get /registry/secrets/ --prefix --keys-only | grep -c .)
  rewritten=$(cluster_etcd https://127.0.0.1:2379 get /registry/secrets/ --prefix --print-value-only | grep -ac "^k8s:enc:secretbox:v1:$1:") || true
  ((all == rewritten))
}

# keys_advance: under the lock, the next step towards the generation that the stack wants, if every API server has taken the one before.
keys_advance() {
  local ring version key=k$SECRETS_KEY next=''
  keys_fetch || havre_fail "$NODE: the keys of Secrets cannot be read from the cluster"
  ring=$(keys_ring)
  version=$(cluster_kube -n kube-system get secret secrets-at-rest -o 'jsonpath={.metadata.resourceVersion} {.metadata.annotations.havre/rewritten}')
  keys_rewritten=${version#* } version=${version%% *}
  if ! grep -q "^$key " <<<"$ring"; then
    next=$ring$'\n'$(keys_new "$SECRETS_KEY")
  elif [[ $ring != "$key "* ]]; then
    next=$(grep "^$key " <<<"$ring"; grep -v "^$key " <<<"$ring")
  elif [[ $ring == *$'\n'* ]]; then
    [[ $keys_rewritten == "$key" ]] || next=rewrite
    [[ -n $next ]] || next=$(head -n 1 <<<"$ring")
  else
    return 0
  fi
  keys_everywhere || return 0
  if [[ $next == rewrite ]]; then
    keys_rewrite "$key" || return 0
    keys_rewritten=$key next=$ring
    version=$(cluster_kube -n kube-system get secret secrets-at-rest -o 'jsonpath={.metadata.resourceVersion}')
  fi
  keys_save "$version" <<<"$next"
  keys_write <<<"$next"
  havre_log "$NODE: keys of Secrets: $(cut -d' ' -f1 <<<"$next" | tr '\n' ' ')"
}

# control_plane_patches: what the manifests of this host have beside kubeadm's: the mesh address, and what a restart brings in, as annotations: kubelet restarts a pod
# whose manifest has changed, and nobody else does when only a file or a certificate has.
control_plane_patches() {
  local component folder=/etc/havre/cluster/patches renewed='' reads
  install -d "$folder"
  [[ ! -s $cluster_state/renewed ]] || renewed=$(<"$cluster_state/renewed")
  reads=$(cat "$keys_folder"/*.json | sha256sum)
  kubernetes_api_server_patch "${reads:0:16}" "$renewed" | havre_file "$folder/kube-apiserver0+json.json" 0644
  for component in kube-controller-manager kube-scheduler; do
    if [[ -n $renewed ]]; then
      printf '[\n  {\n    "op": "add",\n    "path": "/metadata/annotations",\n    "value": {\n      "havre/renewed": "%s"\n    }\n  }\n]\n' "$renewed" |
        havre_file "$folder/${component}0+json.json" 0644
    fi
  done
}

# control_plane_apply: bring changed flags, files and versions to a control plane that runs, one host at a time.
control_plane_apply() {
  local sum node endpoints=''
  [[ -e $cluster_state/member ]] || return 0
  sum=$(cat /etc/havre/cluster/init.json /etc/havre/cluster/patches/* | sha256sum)
  if ! upgrade_pending && [[ $(cat "$cluster_state/applied" 2>/dev/null) == "$sum" ]]; then return 0; fi
  # Before the lock: whoever holds it may wait for a cluster whose keys all have.
  [[ -s $keys_file ]] || cluster_until 60 keys_fetch || havre_fail "$NODE: the keys of Secrets cannot be read from the cluster"
  if upgrade_pending; then
    # Before the lock as well, because others wait for it. The time is that of all nodes before this one.
    for node in $CONTROL_PLANE_NODES; do endpoints+=${endpoints:+,}https://${node#*=}:2379; done
    upgrade_turn "$endpoints" || havre_fail "$NODE: is not upgraded to $VERSION; see above, and run again"
  else
    etcd_under_lock control_plane_render || havre_fail "$NODE: changed settings of the control plane could not be brought in; see above, and run again"
  fi
  printf '%s\n' "$sum" >"$cluster_state/applied"
}

control_plane_ready() {
  local node members
  members=$(cluster_etcd https://127.0.0.1:2379 member list -w simple) || return 1
  for node in $CONTROL_PLANE_NODES; do
    # One that the description has and etcd has not is on its way in, and waits for this host.
    [[ $members == *"//${node#*=}:2380"* ]] || continue
    curl -fsk --max-time 5 -o /dev/null "https://${node#*=}:$API_PORT/readyz" || return 1
  done
}

# control_plane_render: kubeadm's manifests again, under the lock. Another version is an upgrade's business.
control_plane_render() {
  local manifest=/etc/kubernetes/manifests/kube-apiserver.yaml before pid
  if ! grep -q "kube-apiserver:$VERSION\$" "$manifest"; then
    havre_log "$NODE: its API server is not of $VERSION; an upgrade brings the settings in"
    return 0
  fi
  cluster_until 120 control_plane_ready || havre_fail "$NODE: another API server is not ready, so this one is not restarted; mend it first"
  cluster_run 120 kubeadm init phase upload-config kubeadm --config /etc/havre/cluster/init.json
  before=$(<"$manifest") pid=$(pgrep -xo kube-apiserver || true)
  cluster_run 120 kubeadm init phase control-plane all --config /etc/havre/cluster/init.json
  if [[ $(<"$manifest") != "$before" ]]; then
    cluster_until 120 control_plane_restarted "$pid" || havre_fail "$NODE: kubelet does not restart its API server within 120 s; see 'journalctl -u kubelet' there"
  fi
  cluster_until 180 cluster_ready || havre_fail "$NODE: its API server is not ready 180 s after new settings; see /var/log/pods there. The other hosts are as they were"
}

control_plane_restarted() { [[ $(pgrep -xo kube-apiserver || true) != "$1" ]] && cluster_ready; }

# certificates_renew: under the lock. kubeadm's certificates last a year; they are made anew when one of them ends in less than a quarter of one.
certificates_renew() {
  local certificate ends=no
  for certificate in "$cluster_pki"/*.crt "$cluster_pki"/etcd/*.crt; do
    [[ $certificate == */ca.crt || $certificate == */front-proxy-ca.crt ]] && continue
    openssl x509 -in "$certificate" -noout -checkend $((${CERTIFICATES_RENEW_DAYS:-90} * 86400)) >/dev/null || ends=yes
  done
  [[ $ends == yes ]] || return 0
  cluster_until 30 control_plane_ready || return 0
  cluster_run 120 kubeadm certs renew all --config /etc/havre/cluster/init.json
  date -u +%FT%TZ >"$cluster_state/renewed"
  control_plane_patches
  control_plane_render
  havre_log "$NODE: certificates of the control plane renewed"
}
