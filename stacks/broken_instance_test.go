package stacks

// loadTestWorker is the node of stack load-test that the cases below break.
const loadTestWorker = "gra-worker-3"

// offered changes what is bought for it.
func offered(change func(*Offer)) func(*Stack) {
	return func(s *Stack) { change(&node(s, loadTestWorker).Offer) }
}

// brokenInstances are broken descriptions of nodes that are billed by the hour.
var brokenInstances = []broken{
	{name: "instance in production", base: "prod", change: func(s *Stack) {
		byTheHour(node(s, loadTestWorker))
		s.Account.CloudProject, s.Budget.Monthly = s.Database.Project, EUR(2500, 0)
	}, want: []string{
		`node gra-worker-3: an instance serves no readers, since it ends with all that is on it when somebody deletes it, and costs more than a server after a few days; make it a dedicated server or a VPS in stacks/production.go`,
		`node gra-worker-3: an instance beside a database of the stack's own, which nothing brings back when the stack is torn down; fork another stack's in Database.ForkOf, or make the node a server in stacks/production.go`,
	}},
	{name: "instance beside data of its own", base: "load-test", change: func(s *Stack) {
		s.Database.ForkOf, s.Database.Generation, s.Database.Scrubber = "", 0, Production().Database.Scrubber
		s.Nodes = append([]Node{}, s.Nodes...)
		original := Production()
		for i := range s.Nodes {
			if s.Nodes[i].Name != loadTestWorker {
				s.Nodes[i] = *node(&original, s.Nodes[i].Name)
			}
		}
		s.PrivateNetwork = original.PrivateNetwork
		s.Budget = Budget{Monthly: EUR(4500, 0), Setup: EUR(4500, 0)}
	}, want: []string{
		`node gra-worker-3: an instance beside a database of the stack's own, which nothing brings back when the stack is torn down; fork another stack's in Database.ForkOf, or make the node a server in stacks/loadtest.go`,
	}},
	{name: "instance of another catalogue", base: "load-test", change: offered(func(o *Offer) { o.Catalogue = CatalogueVPS }), want: []string{
		`node gra-worker-3: catalogue "vps" does not sell instances; wanted cloud: mend it in stacks/loadtest.go`,
	}},
	{name: "worker on shared cores", base: "load-test", change: offered(func(o *Offer) { o.PlanCode = "d2-8" }), want: []string{
		`node gra-worker-3: a worker of flavor d2-8, whose cores are shared; choose one of the families b3 or c3 in stacks/loadtest.go`,
	}},
	{name: "instance with options", base: "load-test", change: offered(func(o *Offer) { o.Options = []string{"bandwidth-3000-adv-gen3"} }), want: []string{
		`node gra-worker-3: 1 options of an instance, which has none; remove them in stacks/loadtest.go`,
	}},
	{name: "instance by the month", base: "load-test", change: offered(func(o *Offer) { o.PricingMode, o.Duration = "default", "P1M" }), want: []string{
		`node gra-worker-3: pricing mode "default" and duration "P1M" of an instance; use hourly, and no duration in stacks/loadtest.go`,
	}},
	{name: "instance with another system", base: "load-test", change: offered(func(o *Offer) { o.OS = "debian12_64" }), want: []string{
		`node gra-worker-3: operating system "debian12_64" is not Debian 12, for which the host scripts are written; mend it in stacks/loadtest.go`,
	}},
	{name: "month that is not its hours", base: "load-test", change: offered(func(o *Offer) { o.Monthly = EUR(500, 0) }), want: []string{
		`node gra-worker-3: 0.664 EUR an hour and 500.00 EUR a month; wanted an hour's price above zero, and 730 times that a month: mend Offer.Hourly and Offer.Monthly in stacks/loadtest.go`,
	}},
	{name: "no hour's price", base: "load-test", change: offered(func(o *Offer) { o.Hourly = Money{} }), want: []string{
		`node gra-worker-3: 0.00 an hour and 484.72 EUR a month; wanted an hour's price above zero, and 730 times that a month: mend Offer.Hourly and Offer.Monthly in stacks/loadtest.go`,
	}},
	{name: "hour's price of a server", base: "prod", change: offered(func(o *Offer) { o.Hourly = EUR(1, 0) }), want: []string{
		`node gra-worker-3: 1.00 EUR an hour for a kind that is billed by the month; clear Offer.Hourly in stacks/production.go`,
	}},
	{name: "region missing", base: "load-test", change: func(s *Stack) { s.Sites[2].CloudRegion = "" }, want: []string{
		`node sbg-control-1: site sbg has the region "" of Public Cloud; set its CloudRegion to one like GRA11 in stacks/loadtest.go`,
	}},
	{name: "cloud project missing", base: "load-test", change: func(s *Stack) {
		s.Account.CloudProject = ""
		for i := range s.Nodes {
			if s.Nodes[i].Name == loadTestWorker {
				continue
			}
			original := Production()
			s.Nodes[i] = *node(&original, s.Nodes[i].Name)
		}
		s.PrivateNetwork, s.Budget.Setup = Production().PrivateNetwork, EUR(4500, 0)
	}, want: []string{
		`node gra-worker-3: project "" is not 32 hexadecimal digits; set Account.CloudProject to what OVH's manager shows in stacks/loadtest.go`,
	}},
	{name: "instance that is installed anew", base: "load-test", change: func(s *Stack) { node(s, loadTestWorker).Generation = 2 }, want: []string{
		`node gra-worker-3: generation 2, rescue false, no renewal false and adopted "" of an instance, which is ended and made anew instead; clear them, with generation 1, in stacks/loadtest.go`,
	}},
	{name: "instance in a vRack", base: "load-test", change: func(s *Stack) {
		node(s, loadTestWorker).Vrack = true
		s.PrivateNetwork = Production().PrivateNetwork
	}, want: []string{
		`node gra-worker-3: an instance is not in the private network here; set Vrack to false in stacks/loadtest.go`,
	}},
	{name: "instance with partitions", base: "load-test", change: func(s *Stack) {
		node(s, loadTestWorker).Partitions = []Partition{{MountPoint: "/", FileSystem: "ext4"}}
	}, want: []string{
		`node gra-worker-3: 1 partitions on a machine of Public Cloud, which comes with one disk image; remove them in stacks/loadtest.go`,
	}},
}
