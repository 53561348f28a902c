cluster_invite gra-worker-2 worker
