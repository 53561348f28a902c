base_setup <<'EOF'
hostname sbg-pulsar-0
packages ca-certificates chrony curl ethtool hostname iproute2 kmod nftables openssh-server procps wireguard-tools xfsprogs
security-updates no
private-network none
firewall none
EOF
