package stacks

import (
	"net/netip"
)

// brokenNetworks are broken descriptions of networks, ports and hosts.
var brokenNetworks = []broken{
	{name: "mesh missing", base: "prod", change: func(s *Stack) { s.Mesh.CIDR = netip.Prefix{} }, want: []string{
		`network Mesh.CIDR: invalid Prefix is not an IPv4 range; set it in stacks/production.go`,
	}},
	{name: "mesh of IPv6", base: "prod", change: func(s *Stack) { s.Mesh.CIDR = netip.MustParsePrefix("fd00::/16") }, want: []string{
		`network Mesh.CIDR: fd00::/16 is not an IPv4 range; set it in stacks/production.go`,
	}},
	{name: "mesh with host bits", base: "prod", change: func(s *Stack) { s.Mesh.CIDR = netip.MustParsePrefix("10.80.0.1/16") }, want: []string{
		`network Mesh.CIDR: 10.80.0.1/16 has host bits; write 10.80.0.0/16 in stacks/production.go`,
	}},
	{name: "pods of a length with host bits", base: "prod", change: func(s *Stack) { s.Pods.CIDR = netip.MustParsePrefix("172.16.0.0/11") }, want: []string{
		`network Pods.CIDR: 172.16.0.0/11 has host bits; write 172.0.0.0/11 in stacks/production.go`,
	}},
	{name: "mesh of public addresses", base: "prod", change: func(s *Stack) { s.Mesh.CIDR = netip.MustParsePrefix("198.18.0.0/16") }, want: []string{
		`network Mesh.CIDR: 198.18.0.0/16 is not inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16; choose a private range in stacks/production.go`,
	}},
	{name: "private network half public", base: "prod", change: func(s *Stack) { s.PrivateNetwork.CIDR = netip.MustParsePrefix("192.168.0.0/15") }, want: []string{
		`network PrivateNetwork.CIDR: 192.168.0.0/15 is not inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16; choose a private range in stacks/production.go`,
	}},
	{name: "pods wider than the private range", base: "prod", change: func(s *Stack) { s.Pods.CIDR = netip.MustParsePrefix("172.0.0.0/11") }, want: []string{
		`network Pods.CIDR: 172.0.0.0/11 is not inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16; choose a private range in stacks/production.go`,
	}},
	{name: "services too wide for the API server", base: "prod", change: func(s *Stack) { s.Services.CIDR = netip.MustParsePrefix("10.0.0.0/11") }, want: []string{
		`network Services.CIDR: 10.0.0.0/11 is not from /12 to /28 long; choose another length in stacks/production.go`,
	}},
	{name: "services too small for cluster DNS", base: "prod", change: func(s *Stack) { s.Services.CIDR = netip.MustParsePrefix("10.82.0.0/29") }, want: []string{
		`network Services.CIDR: 10.82.0.0/29 is not from /12 to /28 long; choose another length in stacks/production.go`,
	}},
	{name: "pods smaller than one node's share", base: "prod", change: func(s *Stack) { s.Pods.CIDR = netip.MustParsePrefix("10.81.0.0/25") }, want: []string{
		`node rbx-control-1: pod CIDR 10.81.1.0/24 is outside 10.81.0.0/25; change its index or widen Pods.CIDR in stacks/production.go`,
		`node gra-control-1: pod CIDR 10.81.2.0/24 is outside 10.81.0.0/25; change its index or widen Pods.CIDR in stacks/production.go`,
		`node sbg-control-1: pod CIDR 10.81.3.0/24 is outside 10.81.0.0/25; change its index or widen Pods.CIDR in stacks/production.go`,
		`node gra-worker-1: pod CIDR 10.81.11.0/24 is outside 10.81.0.0/25; change its index or widen Pods.CIDR in stacks/production.go`,
		`node gra-worker-2: pod CIDR 10.81.12.0/24 is outside 10.81.0.0/25; change its index or widen Pods.CIDR in stacks/production.go`,
		`node gra-worker-3: pod CIDR 10.81.13.0/24 is outside 10.81.0.0/25; change its index or widen Pods.CIDR in stacks/production.go`,
		`node rbx-worker-1: pod CIDR 10.81.21.0/24 is outside 10.81.0.0/25; change its index or widen Pods.CIDR in stacks/production.go`,
		`node rbx-worker-2: pod CIDR 10.81.22.0/24 is outside 10.81.0.0/25; change its index or widen Pods.CIDR in stacks/production.go`,
		`node rbx-worker-3: pod CIDR 10.81.23.0/24 is outside 10.81.0.0/25; change its index or widen Pods.CIDR in stacks/production.go`,
		`network Pods.CIDR: 10.81.0.0/25 is not from /8 to /24 long; choose another length in stacks/production.go`,
	}},
	{name: "pods inside the mesh", base: "prod", change: func(s *Stack) { s.Pods.CIDR = netip.MustParsePrefix("10.80.0.0/16") }, want: []string{
		`network Pods.CIDR: 10.80.0.0/16 overlaps Mesh.CIDR 10.80.0.0/16; choose ranges apart in stacks/production.go`,
	}},
	{name: "services inside the pods", base: "prod", change: func(s *Stack) { s.Services.CIDR = netip.MustParsePrefix("10.81.128.0/20") }, want: []string{
		`network Services.CIDR: 10.81.128.0/20 overlaps Pods.CIDR 10.81.0.0/16; choose ranges apart in stacks/production.go`,
	}},
	{name: "private network overlaps all others", base: "prod", change: func(s *Stack) { s.PrivateNetwork.CIDR = netip.MustParsePrefix("10.0.0.0/8") }, want: []string{
		`network PrivateNetwork.CIDR: 10.0.0.0/8 overlaps Mesh.CIDR 10.80.0.0/16; choose ranges apart in stacks/production.go`,
		`network PrivateNetwork.CIDR: 10.0.0.0/8 overlaps Pods.CIDR 10.81.0.0/16; choose ranges apart in stacks/production.go`,
		`network PrivateNetwork.CIDR: 10.0.0.0/8 overlaps Services.CIDR 10.82.0.0/16; choose ranges apart in stacks/production.go`,
	}},
	{name: "operators broken in every way", base: "prod", change: func(s *Stack) {
		const key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
		s.Mesh.Operators = []Operator{
			{Name: "ada-laptop", Index: 1, PublicKey: key}, {Name: "Bob", Index: 2, PublicKey: "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="},
			{Name: "ada-laptop", Index: 3, PublicKey: key}, {Name: "gra-worker-1", Index: 1, PublicKey: "key"}, {Name: "far", Index: 255, PublicKey: ""},
		}
	}, want: []string{
		`operator "Bob": the name is not a DNS label of at most 50 characters that starts with a letter; rename it in stacks/production.go`,
		`operator ada-laptop: a node or another operator has that name; give it another in stacks/production.go`,
		`operator ada-laptop: the key is that of operator ada-laptop; make one on each machine in stacks/production.go`,
		`operator gra-worker-1: a node or another operator has that name; give it another in stacks/production.go`,
		`operator gra-worker-1: index 1 is taken by operator ada-laptop; give it a free one in stacks/production.go`,
		"operator gra-worker-1: public key \"key\" is not 32 bytes in base64; give what `wg pubkey` prints of the machine's key in stacks/production.go",
		`operator far: index 255 is not from 1 to 254; give it a free one in stacks/production.go`,
		"operator far: public key \"\" is not 32 bytes in base64; give what `wg pubkey` prints of the machine's key in stacks/production.go",
	}},
	{name: "no room for operators", base: "prod", change: func(s *Stack) {
		s.Mesh.CIDR = netip.MustParsePrefix("10.80.0.0/24")
		s.Mesh.Operators = []Operator{{Name: "ada-laptop", Index: 1, PublicKey: "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="}}
	}, want: []string{
		`operator ada-laptop: mesh address 10.80.1.1 is outside 10.80.0.0/24; widen Mesh.CIDR in stacks/production.go`,
	}},
	{name: "vRack missing", base: "prod", change: func(s *Stack) { s.PrivateNetwork.Order = false }, want: []string{
		`private network: vRack "" is not a service name like pn-1000001; set PrivateNetwork.Vrack, or PrivateNetwork.Order to have one ordered, in stacks/production.go`,
	}},
	{name: "vRack malformed", base: "prod", change: func(s *Stack) { s.PrivateNetwork.Order, s.PrivateNetwork.Vrack = false, "vrack-1" }, want: []string{
		`private network: vRack "vrack-1" is not a service name like pn-1000001; set PrivateNetwork.Vrack, or PrivateNetwork.Order to have one ordered, in stacks/production.go`,
	}},
	{name: "no private network for nodes in it", base: "prod", change: func(s *Stack) { s.PrivateNetwork = PrivateNetwork{} }, want: []string{
		`private network: vRack "" is not a service name like pn-1000001; set PrivateNetwork.Vrack, or PrivateNetwork.Order to have one ordered, in stacks/production.go`,
		`network PrivateNetwork.CIDR: invalid Prefix is not an IPv4 range; set it in stacks/production.go`,
	}},
	{name: "services domain empty", base: "prod", change: func(s *Stack) { s.Services.Domain = "" }, want: []string{
		`network Services.Domain: "" is not a domain name; use cluster.local in stacks/production.go`,
	}},
	{name: "services domain of one label", base: "prod", change: func(s *Stack) { s.Services.Domain = "cluster" }, want: []string{
		`network Services.Domain: "cluster" is not a domain name; use cluster.local in stacks/production.go`,
	}},
	{name: "mesh port zero", base: "prod", change: func(s *Stack) { s.Mesh.Port = 0 }, want: []string{
		`mesh: UDP port 0 is not from 1024 to 65535; change Mesh.Port in stacks/production.go`,
	}},
	{name: "mesh port too high", base: "prod", change: func(s *Stack) { s.Mesh.Port = 65536 }, want: []string{
		`mesh: UDP port 65536 is not from 1024 to 65535; change Mesh.Port in stacks/production.go`,
	}},
	{name: "path MTU too small", base: "prod", change: func(s *Stack) { s.Mesh.PathMTU = 1359 }, want: []string{
		`mesh: path MTU 1359 is not from 1360 to 9000; set Mesh.PathMTU to what the hosts' links carry, 1500 at OVH, in stacks/production.go`,
	}},
	{name: "path MTU too large", base: "prod", change: func(s *Stack) { s.Mesh.PathMTU = 9001 }, want: []string{
		`mesh: path MTU 9001 is not from 1360 to 9000; set Mesh.PathMTU to what the hosts' links carry, 1500 at OVH, in stacks/production.go`,
	}},
	{name: "mesh MTU of the path", base: "prod", change: func(s *Stack) { s.Mesh.MTU = 1500 }, want: []string{
		`mesh: MTU 1500 is not from 1280 to 1420, the path's 1500 less 80 for WireGuard; change Mesh.MTU in stacks/production.go`,
	}},
	{name: "mesh MTU one too large", base: "prod", change: func(s *Stack) { s.Mesh.MTU = 1421 }, want: []string{
		`mesh: MTU 1421 is not from 1280 to 1420, the path's 1500 less 80 for WireGuard; change Mesh.MTU in stacks/production.go`,
	}},
	{name: "mesh MTU too small", base: "prod", change: func(s *Stack) { s.Mesh.MTU = 1279 }, want: []string{
		`mesh: MTU 1279 is not from 1280 to 1420, the path's 1500 less 80 for WireGuard; change Mesh.MTU in stacks/production.go`,
	}},
	{name: "pod MTU above the mesh's", base: "prod", change: func(s *Stack) { s.Pods.MTU = 1421 }, want: []string{
		`pods: MTU 1421 is not from 1280 to the mesh's 1420; change Pods.MTU in stacks/production.go`,
	}},
	{name: "pod MTU too small", base: "prod", change: func(s *Stack) { s.Pods.MTU = 1000 }, want: []string{
		`pods: MTU 1000 is not from 1280 to the mesh's 1420; change Pods.MTU in stacks/production.go`,
	}},
	{name: "three generations of keys", base: "prod", change: func(s *Stack) { s.Mesh.Keys = []int{1, 2, 3} }, want: []string{
		`mesh: generations [1 2 3] of WireGuard keys; wanted the one in use, 1 or higher, and at most one higher after it, like [1] or [1 2]: mend Mesh.Keys in stacks/production.go`,
	}},
	{name: "a generation of keys below the first", base: "prod", change: func(s *Stack) { s.Mesh.Keys = []int{0} }, want: []string{
		`mesh: generations [0] of WireGuard keys; wanted the one in use, 1 or higher, and at most one higher after it, like [1] or [1 2]: mend Mesh.Keys in stacks/production.go`,
	}},
	{name: "a next key before the one in use", base: "prod", change: func(s *Stack) { node(s, "gra-worker-1").MeshKeys = []int{3, 2} }, want: []string{
		`node gra-worker-1: generations [3 2] of WireGuard keys; wanted the one in use, 1 or higher, and at most one higher after it, like [1] or [1 2]: mend its MeshKeys in stacks/production.go`,
	}},
	{name: "pod network unknown", base: "prod", change: func(s *Stack) { s.Pods.Network = "flannel" }, want: []string{
		`pods: network "flannel" is unknown; use cilium, or bridge in a sandbox in stacks/production.go`,
	}},
	{name: "pod network without policies on real hosts", base: "prod", change: func(s *Stack) { s.Pods.Network = NetworkBridge }, want: []string{
		`pods: network bridge enforces no network policy; use cilium, or a sandbox in stacks/production.go`,
	}},
	{name: "pod MTU whose packets vanish", base: "prod", change: func(s *Stack) { s.Pods.MTU = 1411 }, want: []string{
		`pods: MTU 1411 is more than 1410, the mesh's less 10, above which Cilium's packets vanish; change Pods.MTU in stacks/production.go`,
	}},
	{name: "Kubernetes version not pinned", base: "prod", change: func(s *Stack) { s.Cluster.KubernetesVersion = "1.36" }, want: []string{
		`cluster: Kubernetes version "1.36" is not pinned in full, like 1.36.3; set Cluster.KubernetesVersion in stacks/production.go`,
	}},
	{name: "Kubernetes version with a v", base: "prod", change: func(s *Stack) { s.Cluster.KubernetesVersion = "v1.36.3" }, want: []string{
		`cluster: Kubernetes version "v1.36.3" is not pinned in full, like 1.36.3; set Cluster.KubernetesVersion in stacks/production.go`,
	}},
	{name: "Kubernetes version of the stable channel", base: "prod", change: func(s *Stack) { s.Cluster.KubernetesVersion = "stable" }, want: []string{
		`cluster: Kubernetes version "stable" is not pinned in full, like 1.36.3; set Cluster.KubernetesVersion in stacks/production.go`,
	}},
	{name: "Kubernetes too old", base: "prod", change: func(s *Stack) { s.Cluster.KubernetesVersion = "1.31.9" }, want: []string{
		`cluster: Kubernetes version 1.31.9; wanted 1.32 or newer, for older API servers cannot be told to answer strangers on health paths alone: change Cluster.KubernetesVersion in stacks/production.go`,
	}},
	{name: "another Kubernetes", base: "prod", change: func(s *Stack) { s.Cluster.KubernetesVersion = "2.0.0" }, want: []string{
		`cluster: Kubernetes version "2.0.0" is not pinned in full, like 1.36.3; set Cluster.KubernetesVersion in stacks/production.go`,
	}},
	{name: "Kubernetes too new for cgroup v1", base: "local", change: func(s *Stack) { s.Cluster.KubernetesVersion = "1.37.0" }, want: []string{
		`cluster: Kubernetes version 1.37.0 on cgroup v1; wanted 1.36.x, the last whose kubelet can: change Cluster.KubernetesVersion or clear Runtime.CgroupV1 in stacks/local.go`,
	}},
	{name: "API port privileged", base: "prod", change: func(s *Stack) { s.Cluster.APIPort = 443 }, want: []string{
		`cluster: API port 443 is not from 1024 to 65535; change Cluster.APIPort in stacks/production.go`,
		`ports: TCP port 443 of the edge's HTTPS is taken by the API server (Cluster.APIPort); change Edge.HTTPSPort in stacks/production.go`,
	}},
	{name: "API proxy port too high", base: "prod", change: func(s *Stack) { s.Cluster.ProxyPort = 70000 }, want: []string{
		`cluster: API proxy port 70000 is not from 1024 to 65535; change Cluster.ProxyPort in stacks/production.go`,
	}},
	{name: "API jump without a port", base: "local", change: func(s *Stack) { s.Cluster.APIJump = "http://jump" }, want: []string{
		`cluster: API jump "http://jump" is not an http URL of address and port, like http://127.0.0.1:19090; change Cluster.APIJump in stacks/local.go`,
	}},
	{name: "API server and proxy on one port", base: "prod", change: func(s *Stack) { s.Cluster.ProxyPort = 6443 }, want: []string{
		`ports: TCP port 6443 of the API proxy is taken by the API server (Cluster.APIPort); change Cluster.ProxyPort in stacks/production.go`,
	}},
	{name: "API server on etcd's port", base: "prod", change: func(s *Stack) { s.Cluster.APIPort = 2379 }, want: []string{
		`ports: TCP port 2379 of the API server is taken by etcd; change Cluster.APIPort in stacks/production.go`,
	}},
	{name: "edge on sshd's port", base: "prod", change: func(s *Stack) { s.Edge.HTTPPort = 22 }, want: []string{
		`ports: TCP port 22 of the edge's HTTP is taken by sshd; change Edge.HTTPPort in stacks/production.go`,
	}},
	{name: "edge on the kubelet's port", base: "prod", change: func(s *Stack) { s.Edge.HTTPSPort = 10250 }, want: []string{
		`ports: TCP port 10250 of the edge's HTTPS is taken by kubelet; change Edge.HTTPSPort in stacks/production.go`,
	}},
	{name: "HTTP/3 on the mesh's port", base: "prod", change: func(s *Stack) { s.Edge.HTTPSPort = 51820 }, want: []string{
		`ports: UDP port 51820 of the edge's HTTP/3 is taken by the mesh (Mesh.Port); change Edge.HTTPSPort in stacks/production.go`,
	}},
	{name: "edge twice on one port", base: "prod", change: func(s *Stack) { s.Edge.HTTPPort = 443 }, want: []string{
		`ports: TCP port 443 of the edge's HTTPS is taken by the edge's HTTP (Edge.HTTPPort); change Edge.HTTPSPort in stacks/production.go`,
	}},
	{name: "edge port negative", base: "prod", change: func(s *Stack) { s.Edge.HTTPPort = -1 }, want: []string{
		`edge: HTTP port -1 is not from 1 to 65535; change Edge.HTTPPort in stacks/production.go`,
	}},
	{name: "edge port too high", base: "prod", change: func(s *Stack) { s.Edge.HTTPSPort = 65536 }, want: []string{
		`edge: HTTPS port 65536 is not from 1 to 65535; change Edge.HTTPSPort in stacks/production.go`,
	}},
	{name: "cgroup driver unknown", base: "prod", change: func(s *Stack) { s.Runtime.CgroupDriver = "" }, want: []string{
		`runtime: cgroup driver "" is neither systemd nor cgroupfs; set Runtime.CgroupDriver in stacks/production.go`,
	}},
	{name: "cgroupfs on real hosts", base: "prod", change: func(s *Stack) { s.Runtime.CgroupDriver = "cgroupfs" }, want: []string{
		`runtime: CgroupDriver cgroupfs is for the containers of a sandbox, and stack prod has real hosts; remove it in stacks/production.go`,
	}},
	{name: "cgroup v1 on real hosts", base: "prod", change: func(s *Stack) { s.Runtime.CgroupV1 = true }, want: []string{
		`runtime: CgroupV1 is for the containers of a sandbox, and stack prod has real hosts; remove it in stacks/production.go`,
	}},
	{name: "userspace WireGuard on real hosts", base: "prod", change: func(s *Stack) { s.Runtime.UserspaceWireGuard = true }, want: []string{
		`runtime: UserspaceWireGuard is for the containers of a sandbox, and stack prod has real hosts; remove it in stacks/production.go`,
	}},
	{name: "shared cores negative", base: "local", change: func(s *Stack) { s.Runtime.SharedCores = -2 }, want: []string{
		`runtime: -2 shared cores is negative; set Runtime.SharedCores to 0 or to the machine's cores in stacks/local.go`,
	}},
	{name: "local settings in production", base: "prod", change: func(s *Stack) {
		s.Runtime = Runtime{CgroupDriver: "cgroupfs", CgroupV1: true, RestrictOOMScoreAdj: true, UserspaceWireGuard: true, SharedCores: 64}
	}, want: []string{
		`runtime: CgroupDriver cgroupfs is for the containers of a sandbox, and stack prod has real hosts; remove it in stacks/production.go`,
		`runtime: CgroupV1 is for the containers of a sandbox, and stack prod has real hosts; remove it in stacks/production.go`,
		`runtime: RestrictOOMScoreAdj is for the containers of a sandbox, and stack prod has real hosts; remove it in stacks/production.go`,
		`runtime: UserspaceWireGuard is for the containers of a sandbox, and stack prod has real hosts; remove it in stacks/production.go`,
		`runtime: SharedCores is for the containers of a sandbox, and stack prod has real hosts; remove it in stacks/production.go`,
	}},
	{name: "sandbox forgotten", base: "local", change: func(s *Stack) { s.Sandbox = false }, want: []string{
		`network Services.Resolvers: there is none, so pods could reach no name outside the cluster; give one or more in stacks/local.go`,
		`pods: network bridge enforces no network policy; use cilium, or a sandbox in stacks/local.go`,
		`backup: storage endpoint "http://198.51.100.1:9000" is not https:// and a host; set Cluster.Backup.Storage.Endpoint in stacks/local.go`,
		`runtime: CgroupDriver cgroupfs is for the containers of a sandbox, and stack local has real hosts; remove it in stacks/local.go`,
		`runtime: CgroupV1 is for the containers of a sandbox, and stack local has real hosts; remove it in stacks/local.go`,
		`runtime: RestrictOOMScoreAdj is for the containers of a sandbox, and stack local has real hosts; remove it in stacks/local.go`,
		`runtime: UserspaceWireGuard is for the containers of a sandbox, and stack local has real hosts; remove it in stacks/local.go`,
		`runtime: SharedCores is for the containers of a sandbox, and stack local has real hosts; remove it in stacks/local.go`,
		`edge: TLS by an authority of its own, which no reader's mail program trusts, in stack local with real hosts; use acme in stacks/local.go`,
		`dns: zone havre.test is below .test, which no public resolver answers; change DNS.Zone in stacks/local.go`,
	}},
}
