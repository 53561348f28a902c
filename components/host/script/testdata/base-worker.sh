base_setup <<'EOF'
hostname gra-worker-2
packages ca-certificates chrony conntrack containerd containernetworking-plugins curl ethtool hostname iproute2 kmod lynis nftables openssh-server procps runc socat unattended-upgrades wireguard-tools
private-network 02:00:5e:00:00:0c 10.90.0.12/16 1500
firewall wg0 51820 10.80.0.0/16 10.81.0.0/16 cni0
rule !203.0.113.0/24:udp
rule 198.51.100.7/32:tcp/8443
rule udp@123
rule 192.0.2.0/24:tcp/22
rule tcp/443
rule udp/443
rule hosts:tcp/22
rule cluster:tcp/10250
EOF
