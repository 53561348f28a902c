package stacks

// brokenStacks are broken descriptions of the stack as a whole.
var brokenStacks = []broken{
	{name: "stack without a name", base: "prod", change: func(s *Stack) { s.Name = "" }, want: []string{
		`stack "": the name is not a DNS label that starts with a letter; rename it in stacks/`,
	}},
	{name: "stack name with a dot", base: "prod", change: func(s *Stack) { s.Name = "prod.eu" }, want: []string{
		`stack "prod.eu": the name is not a DNS label that starts with a letter; rename it in stacks/`,
	}},
	{name: "subsidiary unknown", base: "prod", change: func(s *Stack) { s.Account.Subsidiary = "fr" }, want: []string{
		`account: subsidiary "fr" is not one that bills in euros (DE, ES, FI, FR, IE, IT, LT, NL, PT); change Account.Subsidiary in stacks/production.go`,
	}},
	{name: "subsidiary that bills in dollars", base: "prod", change: func(s *Stack) { s.Account.Subsidiary = "US" }, want: []string{
		`account: subsidiary "US" is not one that bills in euros (DE, ES, FI, FR, IE, IT, LT, NL, PT); change Account.Subsidiary in stacks/production.go`,
	}},
	{name: "site name malformed", base: "prod", change: func(s *Stack) {
		s.Sites = append(s.Sites, Site{Name: "Warsaw", City: "Warsaw", Region: "europe", Datacenter: "waw", VPSDatacenter: "WAW"})
	}, want: []string{
		`site "Warsaw": the name is not a DNS label that starts with a letter; rename it in stacks/production.go`,
	}},
	{name: "site twice", base: "prod", change: func(s *Stack) { s.Sites = append(s.Sites, s.Sites[2]) }, want: []string{
		`site sbg: described twice; remove one in stacks/production.go`,
	}},
	{name: "site without a city", base: "prod", change: func(s *Stack) { s.Sites[0].City = "" }, want: []string{
		`site rbx: no city; say where it is in stacks/production.go`,
	}},
	{name: "region unknown", base: "prod", change: func(s *Stack) { s.Sites[0].Region = "eu-west" }, want: []string{
		`site rbx: region "eu-west" is not one of europe, canada; mend it in stacks/production.go`,
	}},
	{name: "datacenter unknown", base: "prod", change: func(s *Stack) { s.Sites[0].Datacenter = "rbx8" }, want: []string{
		`site rbx: datacenter "rbx8" is not an order code for dedicated servers (bhs, fra, gra, lon, rbx, sbg, waw); mend it in stacks/production.go`,
	}},
	{name: "datacenter of a VPS for dedicated servers", base: "prod", change: func(s *Stack) { s.Sites[1].Datacenter = "GRA" }, want: []string{
		`site gra: datacenter "GRA" is not an order code for dedicated servers (bhs, fra, gra, lon, rbx, sbg, waw); mend it in stacks/production.go`,
	}},
	{name: "VPS datacenter unknown", base: "prod", change: func(s *Stack) { s.Sites[0].VPSDatacenter = "rbx" }, want: []string{
		`site rbx: VPS datacenter "rbx" is not an order code for VPS (GRA, RBX, SBG, DE, UK, WAW, EU-SOUTH-MIL, BHS, SYD, SGP, US-EAST-VA, US-WEST-OR); mend it in stacks/production.go`,
	}},
	{name: "two sites in one datacenter", base: "prod", change: func(s *Stack) { s.Sites[2].Datacenter = "gra" }, want: []string{
		`site sbg: datacenter gra is also that of site gra, and one datacenter is one failure domain; make them one site in stacks/production.go`,
	}},
	{name: "two sites in one VPS datacenter", base: "prod", change: func(s *Stack) { s.Sites[2].VPSDatacenter = "RBX" }, want: []string{
		`site sbg: VPS datacenter RBX is also that of site rbx, and one datacenter is one failure domain; make them one site in stacks/production.go`,
	}},
	{name: "two control-plane nodes", base: "prod", change: func(s *Stack) { removeNodes(s, "sbg-control-1") }, want: []string{
		`stack prod: 2 active control-plane nodes; wanted an odd number of at least 3, since an even one outlives no more losses than the odd one below it: add or retire one in stacks/production.go`,
	}},
	{name: "one control-plane node", base: "prod", change: func(s *Stack) { removeNodes(s, "sbg-control-1", "gra-control-1") }, want: []string{
		`stack prod: 1 active control-plane nodes; wanted an odd number of at least 3, since an even one outlives no more losses than the odd one below it: add or retire one in stacks/production.go`,
	}},
	{name: "no control-plane node", base: "prod", change: func(s *Stack) { removeNodes(s, "sbg-control-1", "gra-control-1", "rbx-control-1") }, want: []string{
		`stack prod: 0 active control-plane nodes; wanted an odd number of at least 3, since an even one outlives no more losses than the odd one below it: add or retire one in stacks/production.go`,
	}},
	{name: "four control-plane nodes", base: "prod", change: func(s *Stack) { s.Nodes = append(s.Nodes, controlPlane("sbg-control-2", 4, "sbg")) }, want: []string{
		`stack prod: 4 active control-plane nodes; wanted an odd number of at least 3, since an even one outlives no more losses than the odd one below it: add or retire one in stacks/production.go`,
	}},
	{name: "control-plane node retired", base: "prod", change: func(s *Stack) { node(s, "gra-control-1").Retired = true }, want: []string{
		`stack prod: 2 active control-plane nodes (retired: gra-control-1); wanted an odd number of at least 3, since an even one outlives no more losses than the odd one below it: add or retire one in stacks/production.go`,
	}},
	{name: "control plane in two sites", base: "prod", change: func(s *Stack) {
		n := node(s, "sbg-control-1")
		n.Name, n.Site = "gra-control-2", "gra"
	}, want: []string{
		`stack prod: losing site gra leaves 1 of 3 control-plane nodes, and the quorum is 2; spread them over at least three sites in stacks/production.go`,
	}},
	{name: "control plane in one site", base: "prod", change: func(s *Stack) {
		n := node(s, "sbg-control-1")
		n.Name, n.Site = "gra-control-2", "gra"
		m := node(s, "rbx-control-1")
		m.Name, m.Site = "gra-control-3", "gra"
	}, want: []string{
		`stack prod: losing site gra leaves 0 of 3 control-plane nodes, and the quorum is 2; spread them over at least three sites in stacks/production.go`,
	}},
	{name: "five control-plane nodes, three in one site", base: "prod", change: func(s *Stack) {
		s.Nodes = append(s.Nodes, controlPlane("rbx-control-2", 4, "rbx"), controlPlane("rbx-control-3", 5, "rbx"))
	}, want: []string{
		`stack prod: losing site rbx leaves 2 of 5 control-plane nodes, and the quorum is 3; spread them over at least three sites in stacks/production.go`,
	}},
	{name: "one worker", base: "local", change: func(s *Stack) { removeNodes(s, "rbx-worker-1") }, want: []string{
		`stack local: 1 active workers; wanted at least 2, so that one may be drained: add one in stacks/local.go`,
		`stack local: 1 active edge nodes; wanted at least 2, so that one may be drained: give another worker the role in stacks/local.go`,
		`render: losing site gra leaves 0 usable cores, and the peak of 20 requests a second at 8ms each takes 0.16; add workers elsewhere or lower Render.PeakPerSecond in stacks/local.go`,
		`render: losing site gra leaves 0Mi usable memory, and 4 replicas request 256Mi; add workers elsewhere or lower Render.MaxReplicas in stacks/local.go`,
	}},
	{name: "workers retired", base: "local", change: func(s *Stack) { node(s, "gra-worker-1").Retired = true }, want: []string{
		`stack local: 1 active workers (retired: gra-worker-1); wanted at least 2, so that one may be drained: add one in stacks/local.go`,
		`stack local: 1 active edge nodes (retired: gra-worker-1); wanted at least 2, so that one may be drained: give another worker the role in stacks/local.go`,
		`render: losing site rbx leaves 0 usable cores, and the peak of 20 requests a second at 8ms each takes 0.16; add workers elsewhere or lower Render.PeakPerSecond in stacks/local.go`,
		`render: losing site rbx leaves 0Mi usable memory, and 4 replicas request 256Mi; add workers elsewhere or lower Render.MaxReplicas in stacks/local.go`,
	}},
	{name: "workers in one site", base: "local", change: func(s *Stack) {
		n := node(s, "rbx-worker-1")
		n.Name, n.Site = "gra-worker-2", "gra"
	}, want: []string{
		`stack local: all active workers are in site gra; wanted at least 2 sites, so that one may be lost: add a worker elsewhere in stacks/local.go`,
		`stack local: all active edge nodes are in site gra; wanted at least 2 sites, so that one may be lost: give a worker elsewhere the role in stacks/local.go`,
		`render: losing site gra leaves 0 usable cores, and the peak of 20 requests a second at 8ms each takes 0.16; add workers elsewhere or lower Render.PeakPerSecond in stacks/local.go`,
		`render: losing site gra leaves 0Mi usable memory, and 4 replicas request 256Mi; add workers elsewhere or lower Render.MaxReplicas in stacks/local.go`,
	}},
	{name: "one edge node", base: "prod", change: func(s *Stack) {
		for _, name := range []string{"gra-worker-1", "gra-worker-2", "rbx-worker-1"} {
			node(s, name).Roles = []Role{RoleWorker}
		}
	}, want: []string{
		`stack prod: 1 active edge nodes; wanted at least 2, so that one may be drained: give another worker the role in stacks/production.go`,
	}},
	{name: "edge nodes in one site", base: "prod", change: func(s *Stack) {
		for _, name := range []string{"gra-worker-1", "gra-worker-2"} {
			node(s, name).Roles = []Role{RoleWorker}
		}
	}, want: []string{
		`stack prod: all active edge nodes are in site rbx; wanted at least 2 sites, so that one may be lost: give a worker elsewhere the role in stacks/production.go`,
	}},
	{name: "edge nodes retired", base: "prod", change: func(s *Stack) {
		for _, name := range []string{"gra-worker-1", "gra-worker-2", "rbx-worker-1"} {
			node(s, name).Retired = true
		}
	}, want: []string{
		`stack prod: 1 active edge nodes (retired: gra-worker-1, gra-worker-2, rbx-worker-1); wanted at least 2, so that one may be drained: give another worker the role in stacks/production.go`,
		`render: losing site rbx leaves 9.6 usable cores, and the peak of 3000 requests a second at 8ms each takes 24; add workers elsewhere or lower Render.PeakPerSecond in stacks/production.go`,
		`render: losing site gra leaves 19.2 usable cores, and the peak of 3000 requests a second at 8ms each takes 24; add workers elsewhere or lower Render.PeakPerSecond in stacks/production.go`,
	}},
	{name: "no worker drained at a time", base: "prod", change: func(s *Stack) { s.Cluster.MaxUnavailable = 0 }, want: []string{
		`cluster: 0 workers may be drained at a time, wanted 1 to 5, one less than the active workers; change Cluster.MaxUnavailable in stacks/production.go`,
	}},
	{name: "all workers drained at a time", base: "prod", change: func(s *Stack) { s.Cluster.MaxUnavailable = 6 }, want: []string{
		`cluster: 6 workers may be drained at a time, wanted 1 to 5, one less than the active workers; change Cluster.MaxUnavailable in stacks/production.go`,
	}},
	{name: "budget in dollars", base: "prod", change: func(s *Stack) { s.Budget.Monthly.Currency = "USD" }, want: []string{
		`budget: the monthly limit 1680.00 USD is not in EUR, as the prices are; mend it in stacks/production.go`,
	}},
	{name: "setup budget missing", base: "prod", change: func(s *Stack) { s.Budget.Setup = Money{} }, want: []string{
		`budget: the setup limit 0.00 is not in EUR, as the prices are; mend it in stacks/production.go`,
	}},
	{name: "budget negative", base: "prod", change: func(s *Stack) { s.Budget.Monthly = EUR(-1, 0) }, want: []string{
		`budget: the monthly limit -1.00 EUR is negative; mend it in stacks/production.go`,
	}},
	{name: "budget too small by a cent", base: "prod", change: func(s *Stack) { s.Budget.Monthly = EUR(1521, 37) }, want: []string{
		`budget: nodes and database cost 1521.38 EUR a month, and 1521.37 EUR are allowed; remove nodes or raise Budget.Monthly in stacks/production.go`,
	}},
	{name: "setup budget too small", base: "prod", change: func(s *Stack) { s.Budget.Setup = EUR(1000, 0) }, want: []string{
		`budget: ordering the nodes costs 1175.91 EUR once, and 1000.00 EUR are allowed; remove nodes or raise Budget.Setup in stacks/production.go`,
	}},
	{name: "two workers more than the budget", base: "prod", change: func(s *Stack) {
		s.Nodes = append(s.Nodes, worker("gra-worker-4", 14, "gra"), worker("rbx-worker-4", 24, "rbx"))
	}, want: []string{
		`budget: nodes and database cost 1821.36 EUR a month, and 1680.00 EUR are allowed; remove nodes or raise Budget.Monthly in stacks/production.go`,
		`budget: ordering the nodes costs 1475.89 EUR once, and 1350.00 EUR are allowed; remove nodes or raise Budget.Setup in stacks/production.go`,
	}},
	{name: "retired nodes are paid, too", base: "prod", change: func(s *Stack) {
		n := worker("gra-worker-4", 14, "gra")
		n.Retired = true
		m := worker("rbx-worker-4", 24, "rbx")
		m.Retired = true
		s.Nodes = append(s.Nodes, n, m)
	}, want: []string{
		`budget: nodes and database cost 1821.36 EUR a month, and 1680.00 EUR are allowed; remove nodes or raise Budget.Monthly in stacks/production.go`,
		`budget: ordering the nodes costs 1475.89 EUR once, and 1350.00 EUR are allowed; remove nodes or raise Budget.Setup in stacks/production.go`,
	}},
}
