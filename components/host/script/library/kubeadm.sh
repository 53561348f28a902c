# havre: what kubeadm is told on this host, and what a control-plane node runs beside: kubernetes_prepare calls it. Edit
# components/host/script/library/kubeadm.sh instead. It is read after kubernetes.sh.
# shellcheck shell=bash disable=SC2153,SC2154

# kubernetes_registration: nodeRegistration and what follows it in kubeadm's configuration. Several control-plane nodes join at once, and etcd takes one learner at a
# time, so the others wait in etcdAPICall.
kubernetes_registration() {
  local ignored='' taints='' taint key value
  # The kernel's configuration and the swap are the machine's.
  ! kubernetes_is shared-kernel || ignored='
    "ignorePreflightErrors": [
      "Mem",
      "NumCPU",
      "Swap",
      "SystemVerification"
    ],'
  for taint in ${TAINTS:-}; do
    key=${taint%:*} value=''
    [[ $key != *=* ]] || value=$',\n        "value": "'"${key#*=}"'"'
    taints+="${taints:+,}
      {
        \"effect\": \"${taint##*:}\",
        \"key\": \"${key%%=*}\"$value
      }"
  done
  [[ -z $taints ]] || taints+=$'\n    '
  cat <<EOF
  "nodeRegistration": {
    "criSocket": "$cluster_cri",$ignored
    "imagePullPolicy": "IfNotPresent",
    "imagePullSerial": false,
    "kubeletExtraArgs": [
      {
        "name": "node-ip",
        "value": "$ADDRESS"
      },
      {
        "name": "node-labels",
        "value": "$TOPOLOGY"
      }
    ],
    "name": "$NODE",
    "taints": [$taints]
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
EOF
}

# kubernetes_init_config [KEY]: of a control-plane node that makes the cluster, and of those phases that want one later; KEY is there for the upload of the
# certificates. What kubeadm init is told is stored in the cluster and used by every later control-plane node, so nothing of one node may be in ClusterConfiguration.
# Every node's pod CIDR follows from its index and is set by havre; DNS and proxy are add-ons of ours. 8 GiB is the most that etcd recommends
# (https://etcd.io/docs/v3.6/dev-guide/limit/).
kubernetes_init_config() {
  local key='' repository=''
  (($# == 0)) || key=$'\n  "certificateKey": "'"$1"'",'
  [[ -z ${REGISTRY:-} ]] || repository=$'\n  "imageRepository": "'"$REGISTRY"'",'
  cat <<EOF
{
  "apiVersion": "kubeadm.k8s.io/v1beta4",$key
  "kind": "InitConfiguration",
  "localAPIEndpoint": {
    "advertiseAddress": "$ADDRESS",
    "bindPort": $API_PORT
  },
EOF
  kubernetes_registration
  cat <<EOF
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
        "name": "admission-control-config-file",
        "value": "/etc/havre/cluster/api-server/admission.json"
      },
      {
        "name": "audit-log-maxage",
        "value": "30"
      },
      {
        "name": "audit-log-maxbackup",
        "value": "10"
      },
      {
        "name": "audit-log-maxsize",
        "value": "100"
      },
      {
        "name": "audit-log-path",
        "value": "/var/log/kubernetes/audit/audit.log"
      },
      {
        "name": "audit-policy-file",
        "value": "/etc/havre/cluster/api-server/audit.json"
      },
      {
        "name": "authentication-config",
        "value": "/etc/havre/cluster/api-server/authentication.json"
      },
      {
        "name": "encryption-provider-config",
        "value": "/etc/kubernetes/pki/secrets.json"
      },
      {
        "name": "encryption-provider-config-automatic-reload",
        "value": "true"
      },
      {
        "name": "kubelet-certificate-authority",
        "value": "/etc/kubernetes/pki/ca.crt"
      },
      {
        "name": "profiling",
        "value": "false"
      }
    ],
    "extraVolumes": [
      {
        "hostPath": "/etc/havre/cluster/api-server",
        "mountPath": "/etc/havre/cluster/api-server",
        "name": "policies",
        "pathType": "Directory",
        "readOnly": true
      },
      {
        "hostPath": "/var/log/kubernetes/audit",
        "mountPath": "/var/log/kubernetes/audit",
        "name": "audit",
        "pathType": "DirectoryOrCreate"
      }
    ]
  },
  "apiVersion": "kubeadm.k8s.io/v1beta4",
  "clusterName": "$CLUSTER",
  "controlPlaneEndpoint": "127.0.0.1:$PROXY_PORT",
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
  },$repository
  "kind": "ClusterConfiguration",
  "kubernetesVersion": "$VERSION",
  "networking": {
    "dnsDomain": "$DOMAIN",
    "podSubnet": "$PODS",
    "serviceSubnet": "$SERVICES"
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
  "cgroupDriver": "$(kubernetes_cgroup_driver)",
  "kind": "KubeletConfiguration"
}
EOF
}

# kubernetes_discovery_config: the template of what a joining node knows of the cluster: its CA and a token, out of the invitation. An API server that lets nobody in
# without a credential cannot be asked for it.
kubernetes_discovery_config() {
  cat <<EOF
{
  "apiVersion": "v1",
  "clusters": [
    {
      "cluster": {
        "certificate-authority-data": "@CA@",
        "server": "https://127.0.0.1:$PROXY_PORT"
      },
      "name": "$CLUSTER"
    }
  ],
  "contexts": [
    {
      "context": {
        "cluster": "$CLUSTER",
        "user": "invited"
      },
      "name": "invited"
    }
  ],
  "current-context": "invited",
  "kind": "Config",
  "users": [
    {
      "name": "invited",
      "user": {
        "token": "@TOKEN@"
      }
    }
  ]
}
EOF
}

# kubernetes_join_config: the template of a node that joins; @TOKEN@ and @KEY@ stand for the invitation's (cluster_config).
kubernetes_join_config() {
  echo '{
  "apiVersion": "kubeadm.k8s.io/v1beta4",'
  [[ $CONTROL_PLANE == no ]] || cat <<EOF
  "controlPlane": {
    "certificateKey": "@KEY@",
    "localAPIEndpoint": {
      "advertiseAddress": "$ADDRESS",
      "bindPort": $API_PORT
    }
  },
EOF
  cat <<EOF
  "discovery": {
    "file": {
      "kubeConfigPath": "/run/havre/discovery.json"
    },
    "tlsBootstrapToken": "@TOKEN@"
  },
  "kind": "JoinConfiguration",
EOF
  kubernetes_registration
  echo '}'
}

# kubernetes_api_server_patch READS RENEWED: kube-apiserver listens on the mesh alone. It cannot be an extra argument: those are the cluster's, and every node has its own
# address. The annotations are for control_plane_patches.
kubernetes_api_server_patch() {
  cat <<EOF
[
  {
    "op": "add",
    "path": "/metadata/annotations/havre~1reads",
    "value": "$1"
  },
  {
    "op": "add",
    "path": "/metadata/annotations/havre~1renewed",
    "value": "$2"
  },
  {
    "op": "add",
    "path": "/spec/containers/0/command/-",
    "value": "--bind-address=$ADDRESS"
  }
]
EOF
}

kubernetes_kubeadm() {
  local folder=/etc/havre/cluster unit=/etc/systemd/system/havre-approve policy
  install -d "$folder/patches"
  kubernetes_join_config | havre_file "$folder/join.json" 0644
  kubernetes_discovery_config | havre_file "$folder/discovery.json" 0644
  upgrade_config | havre_file "$folder/upgrade.json" 0644
  [[ $CONTROL_PLANE == yes ]] || return 0
  kubernetes_init_config | havre_file "$folder/init.json" 0644
  kubernetes_init_config @KEY@ | havre_file "$folder/upload.json" 0644
  for policy in admission audit authentication; do
    havre_file "$keys_folder/$policy.json" 0600 <"/usr/local/lib/havre/$policy.json"
  done
  control_plane_patches
  # Kubelets' serving certificates are renewed each year; the timer signs what is asked for rightly.
  havre_file "$unit.service" 0644 <<'EOF'
[Unit]
Description=havre: sign the serving certificates that kubelets ask for
ConditionPathExists=/etc/kubernetes/admin.conf

[Service]
Type=oneshot
ExecStart=/usr/local/lib/havre/run lib.sh cluster.sh control-plane.sh cluster_approve
EOF
  havre_file "$unit.timer" 0644 <<'EOF'
[Unit]
Description=havre: sign the serving certificates that kubelets ask for, every ten minutes

[Timer]
OnBootSec=2min
OnUnitActiveSec=10min
RandomizedDelaySec=1min

[Install]
WantedBy=timers.target
EOF
  kubernetes_apply restart havre-approve.timer "$unit.service" "$unit.timer"
  etcd_units
  # Images of the control plane, so that joining does not wait for them.
  havre_quietly images havre_retry 5 5 timeout 600 kubeadm config images pull --config "$folder/init.json"
  control_plane_apply
}
