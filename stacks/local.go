package stacks

import "time"

// Local is production on one machine: real hosts, but containers, and few of them.
func Local() (Stack, error) {
	return Clone(Production(), localDifferences()...)
}

// localDifferences is the whole list of what the local stack does differently.
func localDifferences() []Difference {
	return []Difference{
		{Path: "Name", Why: "the stack's own name", Apply: func(s *Stack) { s.Name = "local" }},
		{Path: "Sandbox", Why: "the hosts are containers of one machine", Apply: func(s *Stack) { s.Sandbox = true }},
		{Path: "Nodes", Why: "one machine carries six hosts in the time one waits for; two workers and one data host show everything", Apply: func(s *Stack) {
			removeNodes(s, "gra-worker-2", "gra-worker-3", "rbx-worker-2", "rbx-worker-3", "rbx-data-1", "rbx-data-2")
		}},
		{Path: "Data", Why: "one data host", Apply: func(s *Stack) { removeData(s, "pinot", "metrics") }},
		{Path: "Cluster.APIJump", Why: "this machine is not in the mesh; the sandbox runs a jump over SSH", Apply: func(s *Stack) { s.Cluster.APIJump = "http://127.0.0.1:19090" }},
		{Path: "Cluster.Backup.Storage", Why: "the sandbox's own object storage", Apply: func(s *Stack) {
			s.Cluster.Backup.Storage = ObjectStorage{Endpoint: "http://198.51.100.1:9000", Region: "local", Bucket: "havre-local-backup"}
		}},
		{Path: "Pods.Network", Why: "Cilium is minutes of building; `make cilium` runs this stack with it", Apply: func(s *Stack) { s.Pods.Network = NetworkBridge }},
		// The containers have cgroup v1 and neither the right to lower an out-of-memory score nor WireGuard in the kernel; all share two cores.
		{Path: "Runtime", Why: "what containers on a shared kernel need", Apply: func(s *Stack) {
			s.Runtime = Runtime{CgroupDriver: "cgroupfs", CgroupV1: true, RestrictOOMScoreAdj: true, UserspaceWireGuard: true, SharedCores: 2}
		}},
		{Path: "Edge.TLS", Why: "no public authority can reach a sandbox", Apply: func(s *Stack) { s.Edge.TLS = TLSInternal }},
		{Path: "Edge.ACMEEmail", Why: "no public authority", Apply: func(s *Stack) { s.Edge.ACMEEmail = "" }},
		{Path: "Edge.Storage", Why: "nothing to keep: one certificate, in the state", Apply: func(s *Stack) { s.Edge.Storage = ObjectStorage{} }},
		{Path: "Edge.CustomersDomain", Why: "no public authority, so no certificates for customers", Apply: func(s *Stack) { s.Edge.CustomersDomain = "" }},
		{Path: "Edge.Customers", Why: "as for their domain", Apply: func(s *Stack) { s.Edge.Customers = nil }},
		{Path: "Edge.ReviewDomain", Why: "as staging's", Apply: func(s *Stack) { s.Edge.ReviewDomain = "review.havre.test" }},
		{Path: "Render.Domain", Why: "a reserved name that no public resolver answers", Apply: func(s *Stack) { s.Render.Domain = "pictures.havre.test" }},
		{Path: "Render.MinReplicas", Why: "two workers", Apply: func(s *Stack) { s.Render.MinReplicas = 2 }},
		{Path: "Render.MaxReplicas", Why: "two cores for everything", Apply: func(s *Stack) { s.Render.MaxReplicas = 4 }},
		{Path: "Render.CPURequest", Why: "two cores for everything", Apply: func(s *Stack) { s.Render.CPURequest = 50 }},
		{Path: "Render.CPULimit", Why: "two cores for everything", Apply: func(s *Stack) { s.Render.CPULimit = 1000 }},
		{Path: "Render.MemoryRequest", Why: "the machine's memory is shared by six hosts", Apply: func(s *Stack) { s.Render.MemoryRequest = 64 }},
		{Path: "Render.MemoryLimit", Why: "the machine's memory is shared by six hosts", Apply: func(s *Stack) { s.Render.MemoryLimit = 256 }},
		{Path: "Render.PeakPerSecond", Why: "what four replicas of these requests draw", Apply: func(s *Stack) { s.Render.PeakPerSecond = 20 }},
		{Path: "Services.Resolvers", Why: "there is no way out of a sandbox", Apply: func(s *Stack) { s.Services.Resolvers = nil }},
		{Path: "DNS", Why: "the zone is served by the sandbox; there is no front door before the hosts", Apply: func(s *Stack) {
			s.DNS.Zone, s.DNS.ZoneID = "havre.test", "516215f5070fca8bc118f9bc816ca4d5"
			// Plain records: a run that lost its state takes them over, and of a load balancer it knows nothing.
			s.DNS.AccountID, s.DNS.CheckInterval = "", 0
			s.DNS.Records = []Record{{Name: "pictures.havre.test", Role: RoleEdge, TTL: time.Minute}}
		}},
	}
}
