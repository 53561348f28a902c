. /usr/local/lib/havre/cluster.sh
cluster_join no
