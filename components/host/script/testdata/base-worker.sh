base_setup <<'EOF'
hostname gra-worker-2
packages ca-certificates chrony conntrack containerd containernetworking-plugins curl ethtool hostname iproute2 kmod nftables openssh-server procps runc socat unattended-upgrades wireguard-tools
security-updates yes
private-network 02:00:5e:00:00:0c 10.90.0.12/16 1500
EOF
