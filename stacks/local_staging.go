package stacks

import (
	"net/netip"
	"slices"
	"time"
)

// LocalStaging is a clone of local beside it on the same machine, in the same account: what staging is to production, with real hosts and real rows.
func LocalStaging() (Stack, error) {
	local, err := Local()
	if err != nil {
		return Stack{}, err
	}
	return Clone(local, localStagingDifferences()...)
}

// localStagingDifferences is the whole list of what local's clone does differently. Where staging's own list serves as it is, it is staging's own.
func localStagingDifferences() []Difference {
	differences := []Difference{
		{Path: "Name", Why: "the stack's own name", Apply: func(s *Stack) { s.Name = "local-staging" }},
		{Path: "Nodes", Why: "five hosts more are what the machine carries beside local's six", Apply: func(s *Stack) { removeNodes(s, "gra-data-1") }},
		{Path: "Data", Why: "goes with its host", Apply: func(s *Stack) { removeData(s, "pulsar") }},
		{Path: "Cluster.APIJump", Why: "a way into another mesh", Apply: func(s *Stack) { s.Cluster.APIJump = "http://127.0.0.1:19091" }},
		{Path: "Cluster.Backup.Storage.Bucket", Why: "a bucket of its own", Apply: func(s *Stack) { s.Cluster.Backup.Storage.Bucket = "havre-local-staging-backup" }},
		{Path: "Render.Domain", Why: "a name of its own", Apply: func(s *Stack) { s.Render.Domain = "pictures.havre-staging.test" }},
		{Path: "Database.ForkOf", Why: "a scrubbed copy of local's data", Apply: func(s *Stack) { s.Database.ForkOf = "local" }},
		{Path: "Database.Scrubber", Why: "this machine, as the database sees it", Apply: func(s *Stack) { s.Database.Scrubber = netip.MustParseAddr("198.51.100.1") }},
		{Path: "DNS", Why: "a zone of its own", Apply: func(s *Stack) {
			s.DNS.Zone, s.DNS.ZoneID = "havre-staging.test", "a84f41e6c6d065b3ae84243b4b8c3237"
			s.DNS.Records = []Record{{Name: "pictures.havre-staging.test", Role: RoleEdge, TTL: time.Minute}}
		}},
		{Path: "Edge.ReviewDomain", Why: "a name of its own", Apply: func(s *Stack) { s.Edge.ReviewDomain = "review.havre-staging.test" }},
	}
	for _, d := range stagingDifferences() {
		if slices.Contains([]string{
			"Mesh.CIDR", "Pods.CIDR", "Services.CIDR", "PrivateNetwork.CIDR", "Database.Generation", "Database.Plan", "Database.Flavor", "Database.Nodes", "Database.Monthly",
		}, d.Path) {
			differences = append(differences, d)
		}
	}
	return differences
}
