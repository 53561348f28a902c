cluster_retire gra-worker-2 300
