base_setup <<'EOF'
hostname sbg-pulsar-0
packages ca-certificates chrony curl ethtool hostname iproute2 kmod lynis nftables openssh-server procps unattended-upgrades wireguard-tools xfsprogs
private-network none
firewall none
EOF
