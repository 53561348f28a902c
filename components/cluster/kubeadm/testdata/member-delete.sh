[[ -e /usr/local/lib/havre/cluster.sh ]] || exit 0
. /usr/local/lib/havre/cluster.sh
cluster_retire gra-worker-2 300
