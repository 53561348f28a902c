. /usr/local/lib/havre/cluster.sh
cluster_invite rbx-cp-1 founder
