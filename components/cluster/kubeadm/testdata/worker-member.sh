. /usr/local/lib/havre/cluster.sh
cluster_admit gra-worker-2 10.80.0.12 10.81.12.0/24 'havre/burst=yes:NoSchedule' <<'EOF'
{
  "apiVersion": "v1",
  "kind": "Node",
  "metadata": {
    "annotations": {
      "havre/taints": "havre/burst=yes:NoSchedule"
    },
    "labels": {
      "havre/tier": "burst",
      "node-restriction.kubernetes.io/mesh-address": "10.80.0.12",
      "node-role.kubernetes.io/worker": "",
      "topology.kubernetes.io/zone": "gra"
    },
    "name": "gra-worker-2"
  }
}
EOF
