mesh_key 1,2 http://198.51.100.1:8080/wireguard-go abababababababababababababababababababababababababababababababab
