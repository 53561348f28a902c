systemctl -q disable --now kubelet.service havre-api-proxy.service havre-approve.timer havre-cni.service 2>/dev/null || true
nft delete table ip havre-cni 2>/dev/null || true
rm -rf /etc/havre/cluster /run/havre /usr/local/lib/havre/cluster.sh
rm -f /etc/cni/net.d/10-havre.conflist /etc/systemd/system/kubelet.service /etc/systemd/system/havre-api-proxy.service /etc/systemd/system/havre-approve.service /etc/systemd/system/havre-approve.timer /etc/systemd/system/havre-cni.service
systemctl daemon-reload
