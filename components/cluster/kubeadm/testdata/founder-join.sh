cluster_join yes
