# havre: the care of etcd on this host, and the way back from a backup. Edit components/host/script/library/etcd.sh instead. It is read after control-plane.sh.
# shellcheck shell=bash disable=SC2153,SC2154
#
# Every control-plane node runs the same round every ten minutes (havre-etcd.timer) and none is in charge: what one member at a time may do is done under a lock
# in etcd, and what only one needs to do is looked up first where it was done, in the bucket. So a node that is down changes nothing, and none has to be chosen.
# restic encrypts, and keeps what is to be kept; a wrong password or a cut file is its error, before anything of it is used.

etcd_backup_folder=/var/lib/havre/backup
etcd_restore_folder=/var/lib/havre/restore
etcd_data=/var/lib/etcd
etcd_settings_copy=/var/lib/havre/cluster/backup.json
# The most that etcd is allowed to hold (kubernetes_init_config), in bytes.
etcd_quota=8589934592

# etcd_field NAME: a value of the JSON on standard input, which is flat and holds nothing escaped.
etcd_field() { sed -nE "s/.*\"$1\":\"?([^\",}]*)\"?[,}].*/\1/p"; }

# etcd_settings: where backups go, from the Secret that the program keeps. The copy is for the day on which no API server answers. Without either there is no backup.
etcd_settings() {
  local text
  if text=$(cluster_kube -n kube-system get secret etcd-backup --ignore-not-found -o 'jsonpath={.data.settings}' 2>/dev/null | base64 -d) && [[ -n $text ]]; then
    (umask 077 && printf '%s\n' "$text" >"$etcd_settings_copy.new" && mv -f "$etcd_settings_copy.new" "$etcd_settings_copy")
  fi
  [[ -s $etcd_settings_copy ]] || return 1
  text=$(<"$etcd_settings_copy")
  RESTIC_REPOSITORY=s3:$(etcd_field repository <<<"$text")
  RESTIC_PASSWORD=$(etcd_field password <<<"$text")
  AWS_ACCESS_KEY_ID=$(etcd_field accessKey <<<"$text")
  AWS_SECRET_ACCESS_KEY=$(etcd_field secretKey <<<"$text")
  AWS_DEFAULT_REGION=$(etcd_field region <<<"$text")
  export RESTIC_REPOSITORY RESTIC_PASSWORD AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_DEFAULT_REGION RESTIC_CACHE_DIR=/var/cache/havre/restic
  etcd_every=$(etcd_field everySeconds <<<"$text")
  etcd_hourly=$(etcd_field keepHourly <<<"$text")
  etcd_daily=$(etcd_field keepDaily <<<"$text")
}

etcd_restic() { timeout -k 10 900 restic --quiet "$@"; }

# etcd_newest TAG: the second, since 1970, of the newest backup; 0 when there is none. Status 1 when the bucket does not answer or the password is wrong.
etcd_newest() {
  local list when
  list=$(etcd_restic snapshots --json --tag "$1") || return 1
  when=$(grep -oE '"time":"[^"]+"' <<<"$list" | cut -d'"' -f4 | sort | tail -n 1) || true
  if [[ -n $when ]]; then date -d "$when" +%s; else echo 0; fi
}

# etcd_under_lock FUNCTION: one member of etcd at a time. A host that dies with the lock loses it when its lease ends, after a minute.
etcd_under_lock() { etcd_locked 1800 https://127.0.0.1:2379 "$@"; }

# etcd_locked SECONDS ENDPOINTS FUNCTION: the same lock. Who restarts this host's member while he holds it names the others as well, where the lease is renewed meanwhile.
etcd_locked() {
  local seconds=$1 endpoints=$2
  shift 2
  timeout -k 10 "$seconds" etcdctl --endpoints="$endpoints" --dial-timeout=3s --cacert="$cluster_pki/etcd/ca.crt" \
    --cert="$cluster_pki/etcd/healthcheck-client.crt" --key="$cluster_pki/etcd/healthcheck-client.key" \
    lock havre/care --ttl=60 -- /usr/local/lib/havre/run lib.sh cluster.sh control-plane.sh etcd.sh hardening.sh kubernetes.sh kubeadm.sh absence.sh upgrade.sh "$@"
}

# etcd_round: what the timer runs. Whatever is wrong is the unit's failure, and a condition of the Node, where the cluster's own tools see it.
etcd_round() {
  local trouble said
  [[ -e $cluster_state/member ]] || return 0
  cluster_lock etcd
  trouble=$(etcd_examine)
  if [[ -z $trouble ]]; then
    said=$(etcd_under_lock etcd_care 2>&1) || trouble="CareFailed $(tail -n 3 <<<"${said:-the lock in etcd was not to be had}")"
    [[ -z $said ]] || printf '%s\n' "$said" >&2
  fi
  etcd_tell "$trouble"
  [[ -z $trouble ]] || havre_fail "$NODE: etcd: $trouble"
}

# etcd_examine: print what is wrong with this member, as a reason and a sentence; nothing when all is well.
etcd_examine() {
  local alarms size
  alarms=$(cluster_etcd https://127.0.0.1:2379 alarm list 2>&1) || { echo "NotServing this member does not answer: ${alarms##*$'\n'}"; return 0; }
  if [[ -n $alarms ]]; then
    echo "Alarm ${alarms//$'\n'/, }; see docs/runbooks/etcd.md"
    return 0
  fi
  size=$(etcd_status dbSizeInUse)
  ((size * 10 < etcd_quota * 8)) || echo "NearlyFull $size of $etcd_quota bytes are in use; writes are refused at the end of them, see docs/runbooks/etcd.md"
}

# etcd_status FIELD: of this member: dbSize, dbSizeInUse, leader or member_id.
etcd_status() { cluster_etcd https://127.0.0.1:2379 endpoint status -w json | grep -oE "\"$1\":[0-9]+" | head -n 1 | cut -d: -f2; }

# etcd_tell TROUBLE: the Node's condition EtcdTrouble. An API server that does not answer will be told the next time.
etcd_tell() {
  local status=False reason=Healthy message='the member serves, no alarm is raised, the backup is recent' now
  now=$(date -u +%FT%TZ)
  if [[ -n $1 ]]; then
    status=True reason=${1%% *} message=$(tr -d '"\\\t' <<<"${1#* }" | tr '\n' ' ' | cut -c1-400)
  fi
  cluster_kube patch node "$NODE" --subresource=status --type=strategic -p "{\"status\":{\"conditions\":[{\"type\":\"EtcdTrouble\",\"status\":\"$status\",\
\"reason\":\"$reason\",\"message\":\"$message\",\"lastHeartbeatTime\":\"$now\",\"lastTransitionTime\":\"$now\"}]}}" >/dev/null || true
}

# etcd_care: under the lock. A backup when the newest is old, this host's audit log after it, and this member's file made small again.
etcd_care() {
  if etcd_settings; then
    etcd_back_up
    etcd_ship_audit
  fi
  etcd_defragment
  keys_advance
  certificates_renew
}

# etcd_due NAME TAG: the newest backup is older than it may be. The note spares the question to the bucket.
etcd_due() {
  local note=$cluster_state/$1-backup newest now
  now=$(date +%s)
  [[ -s $note ]] && (($(<"$note") + etcd_every > now)) && return 1
  newest=$(etcd_newest "$2") || havre_fail "$NODE: the backups at ${RESTIC_REPOSITORY#s3:} cannot be read"
  if ((newest + etcd_every > now)); then
    echo "$newest" >"$note"
    return 1
  fi
}

# etcd_back_up: etcd's keys and values, and the keys of its Secrets, without which they are noise. Both are encrypted before they leave.
etcd_back_up() {
  # Only a bucket that nobody has used is made ready: with a wrong password the second refuses, and changes nothing.
  etcd_restic cat config >/dev/null 2>&1 || etcd_restic init >/dev/null || havre_fail "$NODE: there are no backups at ${RESTIC_REPOSITORY#s3:} that this password opens"
  etcd_due etcd etcd || return 0
  etcd_restic unlock
  rm -rf "$etcd_backup_folder"
  install -d -m 0700 "$etcd_backup_folder"
  timeout -k 10 600 etcdctl --endpoints=https://127.0.0.1:2379 --dial-timeout=3s --command-timeout=580s --cacert="$cluster_pki/etcd/ca.crt" \
    --cert="$cluster_pki/etcd/healthcheck-client.crt" --key="$cluster_pki/etcd/healthcheck-client.key" snapshot save "$etcd_backup_folder/etcd.db" >&2 2>/dev/null ||
    havre_fail "$NODE: etcdctl snapshot save failed"
  [[ ! -e $cluster_pki/secrets.json ]] || cp "$cluster_pki/secrets.json" "$etcd_backup_folder/"
  (cd "$etcd_backup_folder" && etcd_restic backup --host "$CLUSTER" --tag etcd . >/dev/null)
  rm -rf "$etcd_backup_folder"
  date +%s >"$cluster_state/etcd-backup"
  etcd_restic forget --tag etcd --group-by tags --keep-hourly "$etcd_hourly" --keep-daily "$etcd_daily" --prune >/dev/null
}

# etcd_back_up_now: the same, whatever the age of the newest one.
etcd_back_up_now() {
  etcd_settings || havre_fail "$NODE: a backup of etcd is wanted, and the cluster does not know where to; run pulumi up with the version as it was, which tells it"
  etcd_every=0
  etcd_back_up
}

# etcd_ship_audit: this host's audit log. The files are in every backup until they are rotated away, so one a day is enough to keep all of it.
etcd_ship_audit() {
  [[ -d /var/log/kubernetes/audit ]] && etcd_due audit "audit,$NODE" || return 0
  etcd_restic backup --host "$NODE" --tag "audit,$NODE" /var/log/kubernetes/audit >/dev/null
  date +%s >"$cluster_state/audit-backup"
  etcd_restic forget --tag "audit,$NODE" --group-by tags --keep-hourly 48 --keep-daily 400 >/dev/null
}

# etcd_defragment: give back the room of this member's file when more than half of it is free and it is worth the pause, with all members healthy. The leader
# hands its office on first, so that the pause stops no write.
etcd_defragment() {
  local size used other
  size=$(etcd_status dbSize) used=$(etcd_status dbSizeInUse)
  ((size - used > ${ETCD_DEFRAGMENT_ABOVE:-104857600} && used * 2 < size)) || return 0
  cluster_etcd https://127.0.0.1:2379 endpoint health --cluster >/dev/null 2>&1 || return 0
  if [[ $(etcd_status leader) == "$(etcd_status member_id)" ]]; then
    other=$(cluster_etcd https://127.0.0.1:2379 member list -w simple | awk -F ', ' -v name="$NODE" '$3 != name && $2 == "started" && $6 == "false" { print $1; exit }')
    [[ -z $other ]] || cluster_etcd https://127.0.0.1:2379 move-leader "$other" >/dev/null
  fi
  timeout -k 10 300 etcdctl --endpoints=https://127.0.0.1:2379 --dial-timeout=3s --command-timeout=280s --cacert="$cluster_pki/etcd/ca.crt" \
    --cert="$cluster_pki/etcd/healthcheck-client.crt" --key="$cluster_pki/etcd/healthcheck-client.key" defrag >/dev/null
  havre_log "$NODE: etcd's file was $size bytes with $used in use; it is $(etcd_status dbSize) now"
}

# etcd_units: the timer of the round.
etcd_units() {
  local unit=/etc/systemd/system/havre-etcd
  havre_file "$unit.service" 0644 <<'EOF'
[Unit]
Description=havre: alarms, backup and defragmentation of etcd, and the audit log off this host
ConditionPathExists=/etc/kubernetes/admin.conf

[Service]
Type=oneshot
ExecStart=/usr/local/lib/havre/run lib.sh cluster.sh control-plane.sh etcd.sh etcd_round
EOF
  havre_file "$unit.timer" 0644 <<'EOF'
[Unit]
Description=havre: the care of etcd, every ten minutes

[Timer]
OnActiveSec=10min
OnUnitActiveSec=10min
RandomizedDelaySec=1min

[Install]
WantedBy=timers.target
EOF
  kubernetes_apply restart havre-etcd.timer "$unit.service" "$unit.timer"
}

# etcd_snapshots: the backups there are, oldest first.
etcd_snapshots() {
  etcd_settings || havre_fail "$NODE: knows of no bucket with backups; run pulumi up first, which tells the cluster of it"
  timeout -k 10 120 restic snapshots --tag etcd --compact
}

# etcd_newest_snapshot: the whole ID of the newest backup.
etcd_newest_snapshot() {
  etcd_settings || havre_fail "$NODE: knows of no bucket with backups; run pulumi up first, which tells the cluster of it"
  etcd_restic snapshots --json --tag etcd --latest 1 | grep -oE '"id":"[0-9a-f]{64}"' | tail -n 1 | cut -d'"' -f4
}

# etcd_fetch SNAPSHOT: the backup onto this host, seen to be whole. Nothing of the cluster is touched.
etcd_fetch() {
  cluster_lock etcd
  etcd_settings || havre_fail "$NODE: knows of no bucket with backups; run pulumi up first, which tells the cluster of it"
  rm -rf "$etcd_restore_folder/new"
  install -d -m 0700 "$etcd_restore_folder/new"
  etcd_restic restore "$1" --tag etcd --target "$etcd_restore_folder/new" --verify >&2 || havre_fail "$NODE: backup $1 cannot be read whole; nothing was changed"
  etcdutl snapshot status "$etcd_restore_folder/new/etcd.db" -w json ||
    havre_fail "$NODE: backup $1 holds no whole snapshot of etcd; nothing was changed"
}

# etcd_stopped: neither etcd nor the API server listens.
etcd_stopped() { ! ss -Hltn | grep -qE ":(2379|2380|$API_PORT)\b"; }

# etcd_stop: take the control plane of this host away. kubelet ends pods whose manifests are gone.
etcd_stop() {
  local manifest
  cluster_lock etcd
  [[ -s $etcd_restore_folder/new/etcd.db ]] || havre_fail "$NODE: no backup was fetched; nothing was changed"
  install -d -m 0700 "$etcd_restore_folder/manifests"
  for manifest in kube-apiserver kube-controller-manager kube-scheduler etcd; do
    [[ ! -e /etc/kubernetes/manifests/$manifest.yaml ]] || mv -f "/etc/kubernetes/manifests/$manifest.yaml" "$etcd_restore_folder/manifests/"
  done
  cluster_until 180 etcd_stopped || havre_fail "$NODE: its control plane does not stop within 180 s; see 'journalctl -u kubelet' there, and run again"
}

# etcd_put MEMBERS: the backup becomes this member's data; MEMBERS are all members as name=https://address:2380, with commas. Revisions go on far above those that
# anybody has seen, so that no watch takes an old object for a new one. What was there is kept beside.
etcd_put() {
  local new=$etcd_restore_folder/etcd old
  cluster_lock etcd
  etcd_stopped || havre_fail "$NODE: its control plane still runs; nothing was changed"
  rm -rf "$new"
  # One token for all members: the same for the same members and backup, and another cluster's never.
  timeout -k 10 600 etcdutl snapshot restore "$etcd_restore_folder/new/etcd.db" --data-dir "$new" --name "$NODE" --initial-cluster "$1" \
    --initial-cluster-token "$(sha256sum <"$etcd_restore_folder/new/etcd.db" | cut -c1-32)" \
    --initial-advertise-peer-urls "https://$ADDRESS:2380" --bump-revision 1000000000 --mark-compacted >&2
  old=$etcd_restore_folder/before-$(date -u +%Y%m%dT%H%M%SZ)
  [[ ! -e $etcd_data/member ]] || { install -d -m 0700 "$old" && mv "$etcd_data/member" "$old/"; }
  install -d -m 0700 "$etcd_data"
  mv "$new/member" "$etcd_data/"
  rm -rf "$new"
  if [[ -e $etcd_restore_folder/new/secrets.json ]]; then
    install -m 0600 "$etcd_restore_folder/new/secrets.json" "$cluster_pki/secrets.json"
  fi
}

# etcd_start: the control plane comes back. etcd forms its cluster when most of its members are there, so all hosts are started before any is waited for.
etcd_start() {
  local manifest
  cluster_lock etcd
  for manifest in "$etcd_restore_folder"/manifests/*.yaml; do
    [[ ! -e $manifest ]] || mv -f "$manifest" /etc/kubernetes/manifests/
  done
}

# etcd_started: wait for what etcd_start began.
etcd_started() {
  cluster_until 300 cluster_ready || havre_fail "$NODE: its API server is not ready after 300 s; see 'journalctl -u kubelet' and /var/log/pods there"
  rm -rf "$etcd_restore_folder/new"
}
