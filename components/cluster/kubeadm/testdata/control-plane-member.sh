. /usr/local/lib/havre/cluster.sh
cluster_admit rbx-cp-1 10.80.0.1 10.81.1.0/24 node-role.kubernetes.io/control-plane:NoSchedule <<'EOF'
{
  "apiVersion": "v1",
  "kind": "Node",
  "metadata": {
    "annotations": {
      "havre/taints": "node-role.kubernetes.io/control-plane:NoSchedule"
    },
    "labels": {
      "node-restriction.kubernetes.io/mesh-address": "10.80.0.1",
      "node-role.kubernetes.io/control-plane": "",
      "topology.kubernetes.io/region": "fr",
      "topology.kubernetes.io/zone": "rbx"
    },
    "name": "rbx-cp-1"
  }
}
EOF
