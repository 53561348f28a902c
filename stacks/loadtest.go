package stacks

import (
	"net/netip"
	"time"
)

// LoadTest is production for an afternoon: as large, of instances that are billed by the hour, on networks of its own. See docs/runbooks/load-test.md.
func LoadTest() (Stack, error) {
	return Clone(Production(), loadTestDifferences()...)
}

// loadTestDifferences is the whole list of what the load-test stack does differently.
func loadTestDifferences() []Difference {
	return []Difference{
		{Path: "Name", Why: "the stack's own name", Apply: func(s *Stack) { s.Name = "load-test" }},
		{Path: "Budget", Why: "what it would cost if nobody ended it for a month; an afternoon is a hundredth of that", Apply: func(s *Stack) {
			s.Budget = Budget{Monthly: EUR(4500, 0), Setup: EUR(0, 0)}
		}},
		{Path: "Account.CloudProject", Why: "where its instances are: the project of the database", Apply: func(s *Stack) { s.Account.CloudProject = s.Database.Project }},
		{Path: "Nodes", Why: "by the hour instead of by the month: there in minutes, and gone without a bill to come", Apply: func(s *Stack) {
			for i := range s.Nodes {
				byTheHour(&s.Nodes[i])
			}
		}},
		{Path: "PrivateNetwork", Why: "instances are not in a vRack here; the mesh goes over public addresses", Apply: func(s *Stack) { s.PrivateNetwork = PrivateNetwork{} }},
		// Other networks than production's and staging's, so that an operator's laptop can be a peer of all meshes.
		{Path: "Mesh.CIDR", Why: "an operator is a peer of production's mesh as well", Apply: func(s *Stack) { s.Mesh.CIDR = netip.MustParsePrefix("10.87.0.0/16") }},
		{Path: "Pods.CIDR", Why: "as for the mesh", Apply: func(s *Stack) { s.Pods.CIDR = netip.MustParsePrefix("10.88.0.0/16") }},
		{Path: "Services.CIDR", Why: "as for the mesh", Apply: func(s *Stack) { s.Services.CIDR = netip.MustParsePrefix("10.89.0.0/16") }},
		{Path: "Render.Domain", Why: "a name of its own", Apply: func(s *Stack) { s.Render.Domain = "pictures.havre-load.example" }},
		{Path: "Database.ForkOf", Why: "a scrubbed copy of production's data, on as large a database", Apply: func(s *Stack) { s.Database.ForkOf = "prod" }},
		{Path: "Database.Generation", Why: "counts the copies: raise it for a new one", Apply: func(s *Stack) { s.Database.Generation = 1 }},
		{Path: "Database.Scrubber", Why: "who alone may connect while the copy is scrubbed: the runner of this stack's deployments", Apply: func(s *Stack) {
			// An address of RFC 5737, nobody's: put the fixed public address of the company's own runner here.
			s.Database.Scrubber = netip.MustParseAddr("192.0.2.10")
		}},
		{Path: "DNS", Why: "a zone of its own, so that its token cannot touch production's names", Apply: func(s *Stack) {
			s.DNS.Zone, s.DNS.ZoneID = "havre-load.example", "7a1f3c5e9b2d4860a4c6e8f0b2d4f617"
			s.DNS.Records = []Record{
				{Name: "pictures.havre-load.example", Role: RoleEdge, Balanced: true, Proxied: true},
				{Name: "customers.havre-load.example", Role: RoleEdge, Balanced: true, TTL: 30 * time.Second},
			}
		}},
		{Path: "Cluster.Backup.Storage.Bucket", Why: "a bucket of its own, so that its key cannot read production's backups", Apply: func(s *Stack) { s.Cluster.Backup.Storage.Bucket = "havre-load-backup" }},
		{Path: "Edge.Storage.Bucket", Why: "a bucket of its own, so that its key cannot read production's private keys", Apply: func(s *Stack) { s.Edge.Storage.Bucket = "havre-load-edge" }},
		{Path: "Edge.CustomersDomain", Why: "a name of its own", Apply: func(s *Stack) { s.Edge.CustomersDomain = "customers.havre-load.example" }},
		{Path: "Edge.Customers", Why: "customers' domains lead to production", Apply: func(s *Stack) { s.Edge.Customers = nil }},
	}
}

// byTheHour makes an instance of a node: workers with no fewer cores and no less memory than in production, the control plane with as many vCores. Stores get fewer cores, for
// nothing in a load test of pictures keeps them busy.
func byTheHour(n *Node) {
	switch {
	case n.Has(RoleWorker):
		n.Offer = instance("c3-64", 6640, 16, 64)
	case n.Has(RoleControlPlane):
		n.Offer = instance("c3-8", 830, 2, 8)
	default:
		n.Offer = instance("b3-64", 3712, 8, 64)
	}
	n.Kind, n.Vrack = Instance, false
}

// instance is a flavor of Public Cloud and its price of an hour in hundredths of a cent. OVH's families b3 and c3 have cores that nobody shares. OVH's list for France
// shows these prices rounded to a cent (0.66, 0.08 and 0.37 EUR); a preview compares them with the catalogue, and refuses a higher one.
func instance(flavor string, hourly int64, cores, memoryGiB int) Offer {
	price := Money{Units: hourly * unitsPerCent / 100, Currency: currency}
	return Offer{
		Catalogue: CatalogueCloud, PlanCode: flavor, PricingMode: "hourly", Hourly: price, Monthly: Money{Units: price.Units * HoursPerMonth, Currency: currency}, Setup: EUR(0, 0),
		OS: "Debian 12", Cores: cores, MemoryGiB: memoryGiB,
	}
}
