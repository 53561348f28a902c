cluster_join no
