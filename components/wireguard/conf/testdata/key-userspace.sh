mesh_key http://198.51.100.1:8080/wireguard-go abababababababababababababababababababababababababababababababab
