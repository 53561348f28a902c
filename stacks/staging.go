package stacks

import (
	"net/netip"
	"slices"
	"time"
)

// Staging is production, smaller, on networks of its own.
func Staging() (Stack, error) {
	return Clone(Production(), stagingDifferences()...)
}

// stagingDifferences is the whole list of what staging does differently.
func stagingDifferences() []Difference {
	return []Difference{
		{Path: "Name", Why: "the stack's own name", Apply: func(s *Stack) { s.Name = "staging" }},
		{Path: "Budget", Why: "fewer servers", Apply: func(s *Stack) { s.Budget = Budget{Monthly: EUR(700, 0), Setup: EUR(550, 0)} }},
		{Path: "Nodes", Why: "one worker a site and no metrics host are enough to try a change on", Apply: func(s *Stack) {
			removeNodes(s, "gra-worker-2", "gra-worker-3", "rbx-worker-2", "rbx-worker-3", "rbx-data-2")
		}},
		{Path: "Data[metrics]", Why: "goes with its host", Apply: func(s *Stack) { removeData(s, "metrics") }},
		// Other networks than production's, so that an operator's laptop can be a peer of both meshes.
		{Path: "Mesh.CIDR", Why: "an operator is a peer of production's mesh as well", Apply: func(s *Stack) { s.Mesh.CIDR = netip.MustParsePrefix("10.84.0.0/16") }},
		{Path: "Pods.CIDR", Why: "as for the mesh", Apply: func(s *Stack) { s.Pods.CIDR = netip.MustParsePrefix("10.85.0.0/16") }},
		{Path: "Services.CIDR", Why: "as for the mesh", Apply: func(s *Stack) { s.Services.CIDR = netip.MustParsePrefix("10.86.0.0/16") }},
		{Path: "PrivateNetwork.CIDR", Why: "its vRack is ordered by itself, so no mistake here reaches production's hosts; other addresses tell them apart", Apply: func(s *Stack) {
			s.PrivateNetwork.CIDR = netip.MustParsePrefix("10.94.0.0/16")
		}},
		{Path: "Render.Domain", Why: "a name of its own", Apply: func(s *Stack) { s.Render.Domain = "pictures.havre-staging.example" }},
		{Path: "Render.MinReplicas", Why: "two workers", Apply: func(s *Stack) { s.Render.MinReplicas = 2 }},
		{Path: "Render.MaxReplicas", Why: "as many as one worker holds, should the other site be lost", Apply: func(s *Stack) { s.Render.MaxReplicas = 4 }},
		{Path: "Render.PeakPerSecond", Why: "a third of production's peak on a third of its workers", Apply: func(s *Stack) { s.Render.PeakPerSecond = 1000 }},
		{Path: "Database.ForkOf", Why: "a scrubbed copy of production's data", Apply: func(s *Stack) { s.Database.ForkOf = "prod" }},
		{Path: "Database.Generation", Why: "counts the copies: raise it for a new one", Apply: func(s *Stack) { s.Database.Generation = 1 }},
		{Path: "Database.Scrubber", Why: "who alone may connect while the copy is scrubbed: the runner of staging's deployments", Apply: func(s *Stack) {
			// An address of RFC 5737, nobody's: put the fixed public address of the company's own runner here.
			s.Database.Scrubber = netip.MustParseAddr("192.0.2.10")
		}},
		{Path: "Database.Plan", Why: "nobody waits for staging's second node", Apply: func(s *Stack) { s.Database.Plan = "essential" }},
		{Path: "Database.Flavor", Why: "goes with the plan", Apply: func(s *Stack) { s.Database.Flavor = "db1-7" }},
		{Path: "Database.Nodes", Why: "goes with the plan", Apply: func(s *Stack) { s.Database.Nodes = 1 }},
		{Path: "Database.Monthly", Why: "goes with the plan", Apply: func(s *Stack) { s.Database.Monthly = EUR(71, 0) }},
		{Path: "DNS", Why: "a zone of its own, so that its token cannot touch production's names", Apply: func(s *Stack) {
			s.DNS.Zone, s.DNS.ZoneID = "havre-staging.example", "d0694d167dd126d12b3c9eeee2a4ca97"
			s.DNS.Records = []Record{
				{Name: "pictures.havre-staging.example", Role: RoleEdge, Balanced: true, Proxied: true},
				{Name: "customers.havre-staging.example", Role: RoleEdge, Balanced: true, TTL: 30 * time.Second},
			}
		}},
		{Path: "Cluster.Backup.Storage.Bucket", Why: "a bucket of its own, so that its key cannot read production's backups", Apply: func(s *Stack) { s.Cluster.Backup.Storage.Bucket = "havre-staging-backup" }},
		{Path: "Edge.Storage.Bucket", Why: "a bucket of its own, so that its key cannot read production's private keys", Apply: func(s *Stack) { s.Edge.Storage.Bucket = "havre-staging-edge" }},
		{Path: "Edge.CustomersDomain", Why: "a name of its own", Apply: func(s *Stack) { s.Edge.CustomersDomain = "customers.havre-staging.example" }},
		{Path: "Edge.Customers", Why: "customers' domains lead to production", Apply: func(s *Stack) { s.Edge.Customers = nil }},
		{Path: "Edge.ReviewDomain", Why: "pull requests are looked at here", Apply: func(s *Stack) { s.Edge.ReviewDomain = "review.havre-staging.example" }},
	}
}

// removeNodes takes the named nodes out of the description. A misspelt name removes nothing: the golden list of differences shows what went.
func removeNodes(s *Stack, names ...string) {
	s.Nodes = slices.DeleteFunc(s.Nodes, func(n Node) bool { return slices.Contains(names, n.Name) })
}

// removeData takes the named data services out of the description.
func removeData(s *Stack, names ...string) {
	s.Data = slices.DeleteFunc(s.Data, func(d DataService) bool { return slices.Contains(names, d.Name) })
}
