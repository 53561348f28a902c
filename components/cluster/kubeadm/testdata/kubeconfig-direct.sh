cluster_kubeconfig https://10.80.0.1:6443 '' havre
