cluster_kubeconfig https://10.80.0.1:6443 socks5://127.0.0.1:19090 havre
