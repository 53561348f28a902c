. /usr/local/lib/havre/cluster.sh
cluster_invite gra-worker-2 worker
