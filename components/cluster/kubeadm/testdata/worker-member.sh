upgrade_admit \
  v1.36.3 1 300 \
  gra-worker-2 10.80.0.12 10.81.12.0/24 'havre/burst=yes:NoSchedule' <<'EOF'
havre/tier=burst
node-restriction.kubernetes.io/mesh-address=10.80.0.12
node-role.kubernetes.io/worker=
topology.kubernetes.io/zone=gra
EOF
