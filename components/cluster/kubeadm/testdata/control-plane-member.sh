cluster_admit rbx-cp-1 10.80.0.1 10.81.1.0/24 node-role.kubernetes.io/control-plane:NoSchedule <<'EOF'
node-restriction.kubernetes.io/mesh-address=10.80.0.1
node-role.kubernetes.io/control-plane=
topology.kubernetes.io/region=fr
topology.kubernetes.io/zone=rbx
EOF
