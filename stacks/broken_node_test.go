package stacks

import (
	"net/netip"
	"strings"
)

// brokenNodes are broken descriptions of nodes.
var brokenNodes = []broken{
	{name: "name is not a label", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Name = "gra_worker_3" }, want: []string{
		`node "gra_worker_3": the name is not a DNS label of at most 50 characters that starts with a letter; rename it in stacks/production.go`,
	}},
	{name: "name in capitals", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Name = "GRA-worker-3" }, want: []string{
		`node "GRA-worker-3": the name is not a DNS label of at most 50 characters that starts with a letter; rename it in stacks/production.go`,
	}},
	{name: "name ends with a hyphen", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Name = "gra-worker-" }, want: []string{
		`node "gra-worker-": the name is not a DNS label of at most 50 characters that starts with a letter; rename it in stacks/production.go`,
	}},
	{name: "name too long for OVH", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Name = "gra-worker-" + strings.Repeat("3", 40) }, want: []string{
		`node "gra-worker-3333333333333333333333333333333333333333": the name is not a DNS label of at most 50 characters that starts with a letter; rename it in stacks/production.go`,
	}},
	{name: "name empty", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Name = "" }, want: []string{
		`node "": the name is not a DNS label of at most 50 characters that starts with a letter; rename it in stacks/production.go`,
	}},
	{name: "name twice", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Name = "gra-worker-2" }, want: []string{
		`node gra-worker-2: described twice; give one another name in stacks/production.go`,
	}},
	{name: "name of another site", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Site = "rbx" }, want: []string{
		`node gra-worker-3: the name does not start with its site, rbx-; rename it before it is ordered in stacks/production.go`,
		`render: losing site rbx leaves 19.2 usable cores, and the peak of 3000 requests a second at 8ms each takes 24; add workers elsewhere or lower Render.PeakPerSecond in stacks/production.go`,
	}},
	{name: "site unknown", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Site = "waw" }, want: []string{
		`node gra-worker-3: site "waw" is not described; name one of Sites or add it in stacks/production.go`,
	}},
	{name: "index zero", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Index = 0 }, want: []string{
		`node gra-worker-3: index 0 is not from 1 to 250; give it a free one in stacks/production.go`,
	}},
	{name: "index negative", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Index = -1 }, want: []string{
		`node gra-worker-3: index -1 is not from 1 to 250; give it a free one in stacks/production.go`,
	}},
	{name: "index too high", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Index = 251 }, want: []string{
		`node gra-worker-3: index 251 is not from 1 to 250; give it a free one in stacks/production.go`,
	}},
	{name: "index taken", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Index = 12 }, want: []string{
		`node gra-worker-3: index 12 is taken by node gra-worker-2; give it a free one in stacks/production.go`,
	}},
	{name: "kind unknown", base: "prod", change: func(s *Stack) { node(s, "gra-data-1").Kind = "cloud" }, want: []string{
		`node gra-data-1: kind "cloud" is none of dedicated, vps and instance; mend it in stacks/production.go`,
	}},
	{name: "generation zero", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Generation = 0 }, want: []string{
		`node gra-worker-3: generation 0 is below 1; start with 1 and raise it to install the system anew in stacks/production.go`,
	}},
	{name: "no role", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Roles = nil }, want: []string{
		`node gra-worker-3: no role; give it one of control-plane, worker, data in stacks/production.go`,
		`render: losing site rbx leaves 19.2 usable cores, and the peak of 3000 requests a second at 8ms each takes 24; add workers elsewhere or lower Render.PeakPerSecond in stacks/production.go`,
	}},
	{name: "role unknown", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Roles = append(node(s, "gra-worker-3").Roles, "gateway") }, want: []string{
		`node gra-worker-3: role "gateway" is unknown; wanted control-plane, worker, edge or data: mend it in stacks/production.go`,
	}},
	{name: "role twice", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Roles = []Role{RoleWorker, RoleWorker} }, want: []string{
		`node gra-worker-3: role worker is given twice; remove one in stacks/production.go`,
	}},
	{name: "control plane and worker", base: "prod", change: func(s *Stack) { node(s, "rbx-control-1").Roles = append(node(s, "rbx-control-1").Roles, RoleWorker) }, want: []string{
		`node rbx-control-1: role control-plane stands beside another; keep it alone, so that a burst of work cannot starve it, in stacks/production.go`,
		`node rbx-control-1: a worker on a VPS, whose cores are shared; make it a dedicated server in stacks/production.go`,
	}},
	{name: "data and worker", base: "prod", change: func(s *Stack) { node(s, "gra-data-1").Roles = []Role{RoleData, RoleWorker} }, want: []string{
		`node gra-data-1: role data stands beside another; keep it alone, so that a burst of work cannot starve it, in stacks/production.go`,
	}},
	{name: "edge without worker", base: "prod", change: func(s *Stack) { node(s, "gra-worker-2").Roles = []Role{RoleEdge} }, want: []string{
		`node gra-worker-2: role edge without worker, but the edge runs in the cluster; add role worker in stacks/production.go`,
		`render: losing site rbx leaves 19.2 usable cores, and the peak of 3000 requests a second at 8ms each takes 24; add workers elsewhere or lower Render.PeakPerSecond in stacks/production.go`,
	}},
	{name: "data without purpose", base: "prod", change: func(s *Stack) { node(s, "gra-data-1").Purpose = "" }, want: []string{
		`node gra-data-1: purpose "" is not one of Data; name what runs there in stacks/production.go`,
		`data service pulsar: no active data host has that purpose, so its Service would lead nowhere; add a host or remove it in stacks/production.go`,
	}},
	{name: "purpose unknown", base: "prod", change: func(s *Stack) { node(s, "gra-data-1").Purpose = "kafka" }, want: []string{
		`node gra-data-1: purpose "kafka" is not one of Data; name what runs there in stacks/production.go`,
		`data service pulsar: no active data host has that purpose, so its Service would lead nowhere; add a host or remove it in stacks/production.go`,
	}},
	{name: "purpose without role data", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Purpose = "pulsar" }, want: []string{
		`node gra-worker-3: purpose "pulsar" without role data; remove it in stacks/production.go`,
	}},
	{name: "VPS in the private network", base: "prod", change: func(s *Stack) { node(s, "sbg-control-1").Vrack = true }, want: []string{
		`node sbg-control-1: a VPS cannot join the private network (OVH has no route for it); set Vrack to false or make it a dedicated server in stacks/production.go`,
	}},
	{name: "worker as VPS", base: "prod", change: func(s *Stack) {
		n := node(s, "gra-worker-3")
		n.Kind, n.Vrack, n.Offer = VPS, false, node(s, "gra-control-1").Offer
	}, want: []string{
		`node gra-worker-3: a worker on a VPS, whose cores are shared; make it a dedicated server in stacks/production.go`,
		`render: losing site rbx leaves 22.4 usable cores, and the peak of 3000 requests a second at 8ms each takes 24; add workers elsewhere or lower Render.PeakPerSecond in stacks/production.go`,
	}},
	{name: "mesh too small for an index", base: "prod", change: func(s *Stack) {
		s.Mesh.CIDR = netip.MustParsePrefix("10.80.0.0/26")
		node(s, "rbx-data-2").Index = 63
	}, want: []string{
		`node rbx-data-2: mesh address 10.80.0.63 is outside 10.80.0.0/26; change its index or widen Mesh.CIDR in stacks/production.go`,
	}},
	{name: "mesh far too small", base: "prod", change: func(s *Stack) { s.Mesh.CIDR = netip.MustParsePrefix("10.80.0.0/28") }, want: []string{
		`node rbx-worker-1: mesh address 10.80.0.21 is outside 10.80.0.0/28; change its index or widen Mesh.CIDR in stacks/production.go`,
		`node rbx-worker-2: mesh address 10.80.0.22 is outside 10.80.0.0/28; change its index or widen Mesh.CIDR in stacks/production.go`,
		`node rbx-worker-3: mesh address 10.80.0.23 is outside 10.80.0.0/28; change its index or widen Mesh.CIDR in stacks/production.go`,
		`node gra-data-1: mesh address 10.80.0.41 is outside 10.80.0.0/28; change its index or widen Mesh.CIDR in stacks/production.go`,
		`node rbx-data-1: mesh address 10.80.0.51 is outside 10.80.0.0/28; change its index or widen Mesh.CIDR in stacks/production.go`,
		`node rbx-data-2: mesh address 10.80.0.52 is outside 10.80.0.0/28; change its index or widen Mesh.CIDR in stacks/production.go`,
	}},
	{name: "pods too small for an index", base: "prod", change: func(s *Stack) { s.Pods.CIDR = netip.MustParsePrefix("10.81.0.0/20") }, want: []string{
		`node rbx-worker-1: pod CIDR 10.81.21.0/24 is outside 10.81.0.0/20; change its index or widen Pods.CIDR in stacks/production.go`,
		`node rbx-worker-2: pod CIDR 10.81.22.0/24 is outside 10.81.0.0/20; change its index or widen Pods.CIDR in stacks/production.go`,
		`node rbx-worker-3: pod CIDR 10.81.23.0/24 is outside 10.81.0.0/20; change its index or widen Pods.CIDR in stacks/production.go`,
	}},
	{name: "private network too small", base: "prod", change: func(s *Stack) { s.PrivateNetwork.CIDR = netip.MustParsePrefix("10.90.0.0/27") }, want: []string{
		`node gra-data-1: private address 10.90.0.41 is outside 10.90.0.0/27; change its index or widen PrivateNetwork.CIDR in stacks/production.go`,
		`node rbx-data-1: private address 10.90.0.51 is outside 10.90.0.0/27; change its index or widen PrivateNetwork.CIDR in stacks/production.go`,
		`node rbx-data-2: private address 10.90.0.52 is outside 10.90.0.0/27; change its index or widen PrivateNetwork.CIDR in stacks/production.go`,
	}},
	{name: "dedicated from the VPS catalogue", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.Catalogue = CatalogueVPS }, want: []string{
		`node gra-worker-3: catalogue "vps" does not sell dedicated servers; wanted eco or baremetalServers, whichever holds the plan: mend it in stacks/production.go`,
	}},
	{name: "dedicated from no catalogue", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.Catalogue = "" }, want: []string{
		`node gra-worker-3: catalogue "" does not sell dedicated servers; wanted eco or baremetalServers, whichever holds the plan: mend it in stacks/production.go`,
	}},
	{name: "VPS from the eco catalogue", base: "prod", change: func(s *Stack) { node(s, "gra-control-1").Offer.Catalogue = CatalogueEco }, want: []string{
		`node gra-control-1: catalogue "eco" does not sell VPS; wanted vps: mend it in stacks/production.go`,
	}},
	{name: "dedicated with a VPS plan", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.PlanCode = "vps-2027-model2" }, want: []string{
		`node gra-worker-3: plan vps-2027-model2 is a VPS, and the node is a dedicated server; change the plan or the kind in stacks/production.go`,
	}},
	{name: "VPS with a dedicated plan", base: "prod", change: func(s *Stack) { node(s, "gra-control-1").Offer.PlanCode = "24rise03" }, want: []string{
		`node gra-control-1: plan 24rise03 is not a VPS, and the node is one; change the plan or the kind in stacks/production.go`,
	}},
	{name: "plan code with a blank", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.PlanCode = "Advance 3" }, want: []string{
		`node gra-worker-3: plan code "Advance 3" is not lower-case letters, digits and hyphens; take it from the catalogue and mend it in stacks/production.go`,
	}},
	{name: "plan code empty", base: "prod", change: func(s *Stack) { node(s, "gra-control-1").Offer.PlanCode = "" }, want: []string{
		`node gra-control-1: plan code "" is not lower-case letters, digits and hyphens; take it from the catalogue and mend it in stacks/production.go`,
	}},
	{name: "option malformed", base: "prod", change: func(s *Stack) {
		n := node(s, "gra-control-1")
		n.Offer.Options = []string{"option_linux"}
	}, want: []string{
		`node gra-control-1: option "option_linux" is not lower-case letters, digits and hyphens; take it from the catalogue and mend it in stacks/production.go`,
	}},
	{name: "option twice", base: "prod", change: func(s *Stack) {
		n := node(s, "gra-worker-3")
		n.Offer.Options = append(n.Offer.Options, "bandwidth-3000-adv-gen3")
	}, want: []string{
		`node gra-worker-3: option bandwidth-3000-adv-gen3 is ordered twice; remove one in stacks/production.go`,
	}},
	{name: "memory option missing", base: "prod", change: func(s *Stack) {
		n := node(s, "gra-worker-3")
		n.Offer.Options = n.Offer.Options[1:]
	}, want: []string{
		`node gra-worker-3: 0 options of the family memory (ram-…); wanted exactly one, which OVH demands at checkout: mend its options in stacks/production.go`,
	}},
	{name: "two storage options", base: "prod", change: func(s *Stack) {
		n := node(s, "gra-worker-3")
		n.Offer.Options = append(n.Offer.Options, "hybridsoftraid-2x6000sa-2x512nvme-24rise")
	}, want: []string{
		`node gra-worker-3: 2 options of the family storage (softraid-…, hybridsoftraid-…, hardraid-…, noraid-…); wanted exactly one, which OVH demands at checkout: mend its options in stacks/production.go`,
	}},
	{name: "all options missing", base: "prod", change: func(s *Stack) { node(s, "gra-data-1").Offer.Options = nil }, want: []string{
		`node gra-data-1: 0 options of the family memory (ram-…); wanted exactly one, which OVH demands at checkout: mend its options in stacks/production.go`,
		`node gra-data-1: 0 options of the family storage (softraid-…, hybridsoftraid-…, hardraid-…, noraid-…); wanted exactly one, which OVH demands at checkout: mend its options in stacks/production.go`,
		`node gra-data-1: 0 options of the family bandwidth (bandwidth-…); wanted exactly one, which OVH demands at checkout: mend its options in stacks/production.go`,
		`node gra-data-1: 0 options of the family vrack (vrack-bandwidth-…); wanted exactly one, which OVH demands at checkout: mend its options in stacks/production.go`,
	}},
	{name: "duration not ISO 8601", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.Duration = "1 month" }, want: []string{
		`node gra-worker-3: duration "1 month" is not months or years as ISO 8601 writes them (P1M); mend it in stacks/production.go`,
	}},
	{name: "duration of a year by the month", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.Duration = "P1Y" }, want: []string{
		`node gra-worker-3: duration P1Y with pricing mode default, which is by the month; use P1M in stacks/production.go`,
	}},
	{name: "pricing mode unknown", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.PricingMode = "hourly" }, want: []string{
		`node gra-worker-3: pricing mode "hourly" is not one of default, upfront12, upfront24; mend it in stacks/production.go`,
	}},
	{name: "pricing mode of dedicated servers for a VPS", base: "prod", change: func(s *Stack) { node(s, "gra-control-1").Offer.PricingMode = "upfront24" }, want: []string{
		`node gra-control-1: pricing mode "upfront24" is not one of default, upfront6, upfront12; mend it in stacks/production.go`,
	}},
	{name: "pricing mode of VPS for a dedicated server", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.PricingMode = "upfront6" }, want: []string{
		`node gra-worker-3: pricing mode "upfront6" is not one of default, upfront12, upfront24; mend it in stacks/production.go`,
	}},
	{name: "operating system of a VPS on a dedicated server", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.OS = "Debian 12" }, want: []string{
		`node gra-worker-3: operating system "Debian 12" is not debian12_64, for which the host scripts are written; mend it in stacks/production.go`,
	}},
	{name: "operating system of a dedicated server on a VPS", base: "prod", change: func(s *Stack) { node(s, "gra-control-1").Offer.OS = "debian12_64" }, want: []string{
		`node gra-control-1: operating system "debian12_64" is not Debian 12, for which the host scripts are written; mend it in stacks/production.go`,
	}},
	{name: "another distribution", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.OS = "ubuntu2404-server_64" }, want: []string{
		`node gra-worker-3: operating system "ubuntu2404-server_64" is not debian12_64, for which the host scripts are written; mend it in stacks/production.go`,
	}},
	{name: "no cores", base: "prod", change: func(s *Stack) { node(s, "gra-data-1").Offer.Cores = 0 }, want: []string{
		`node gra-data-1: 0 cores; wanted at least 1: take the number from the catalogue and mend it in stacks/production.go`,
	}},
	{name: "no memory", base: "prod", change: func(s *Stack) { node(s, "gra-data-1").Offer.MemoryGiB = 0 }, want: []string{
		`node gra-data-1: 0 GiB of memory; wanted at least 1: take the number from the catalogue and mend it in stacks/production.go`,
	}},
	{name: "control plane on one core", base: "prod", change: func(s *Stack) { node(s, "gra-control-1").Offer.Cores = 1 }, want: []string{
		`node gra-control-1: 1 cores and 8 GiB for a control-plane node; wanted at least 2 of each, as kubeadm does: choose a larger plan in stacks/production.go`,
	}},
	{name: "control plane on one GiB", base: "prod", change: func(s *Stack) { node(s, "gra-control-1").Offer.MemoryGiB = 1 }, want: []string{
		`node gra-control-1: 4 cores and 1 GiB for a control-plane node; wanted at least 2 of each, as kubeadm does: choose a larger plan in stacks/production.go`,
	}},
	{name: "price zero", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.Monthly = EUR(0, 0) }, want: []string{
		`node gra-worker-3: monthly price 0.00 EUR is not above zero, and would hide the node from the budget; take it from the catalogue and mend it in stacks/production.go`,
	}},
	{name: "price negative", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.Monthly = EUR(-149, -99) }, want: []string{
		`node gra-worker-3: monthly price -149.99 EUR is not above zero, and would hide the node from the budget; take it from the catalogue and mend it in stacks/production.go`,
	}},
	{name: "price in dollars", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.Monthly.Currency = "USD" }, want: []string{
		`node gra-worker-3: monthly price 149.99 USD is not in EUR; mend it in stacks/production.go`,
	}},
	{name: "price without a currency", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.Monthly = Money{} }, want: []string{
		`node gra-worker-3: monthly price 0.00 is not in EUR; mend it in stacks/production.go`,
	}},
	{name: "price in the wrong unit", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.Monthly.Units *= 1_000_000 }, want: []string{
		`node gra-worker-3: monthly price 149990000.00 EUR is above 10000.00 EUR; is it in the right unit? mend it in stacks/production.go`,
		`budget: nodes and database cost 149991371.39 EUR a month, and 1680.00 EUR are allowed; remove nodes or raise Budget.Monthly in stacks/production.go`,
	}},
	{name: "setup in the wrong unit", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.Setup.Units *= 100 }, want: []string{
		`node gra-worker-3: setup price 14999.00 EUR is above 10000.00 EUR; is it in the right unit? mend it in stacks/production.go`,
		`budget: ordering the nodes costs 16024.92 EUR once, and 1350.00 EUR are allowed; remove nodes or raise Budget.Setup in stacks/production.go`,
	}},
	{name: "setup negative", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.Setup = EUR(-1, 0) }, want: []string{
		`node gra-worker-3: setup price -1.00 EUR is negative; mend it in stacks/production.go`,
	}},
	{name: "setup in pounds", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Offer.Setup.Currency = "GBP" }, want: []string{
		`node gra-worker-3: setup price 149.99 GBP is not in EUR; mend it in stacks/production.go`,
	}},
	{name: "one node wrong in many ways", base: "prod", change: func(s *Stack) {
		n := node(s, "gra-worker-3")
		n.Index, n.Site, n.Kind, n.Roles, n.Generation, n.Offer = 300, "waw", "cloud", nil, -1, Offer{}
	}, want: []string{
		`node gra-worker-3: index 300 is not from 1 to 250; give it a free one in stacks/production.go`,
		`node gra-worker-3: site "waw" is not described; name one of Sites or add it in stacks/production.go`,
		`node gra-worker-3: no role; give it one of control-plane, worker, data in stacks/production.go`,
		`node gra-worker-3: kind "cloud" is none of dedicated, vps and instance; mend it in stacks/production.go`,
		`node gra-worker-3: plan code "" is not lower-case letters, digits and hyphens; take it from the catalogue and mend it in stacks/production.go`,
		`node gra-worker-3: duration "" is not months or years as ISO 8601 writes them (P1M); mend it in stacks/production.go`,
		`node gra-worker-3: monthly price 0.00 is not in EUR; mend it in stacks/production.go`,
		`node gra-worker-3: setup price 0.00 is not in EUR; mend it in stacks/production.go`,
		`node gra-worker-3: 0 cores; wanted at least 1: take the number from the catalogue and mend it in stacks/production.go`,
		`node gra-worker-3: 0 GiB of memory; wanted at least 1: take the number from the catalogue and mend it in stacks/production.go`,
		`node gra-worker-3: generation -1 is below 1; start with 1 and raise it to install the system anew in stacks/production.go`,
		`render: losing site rbx leaves 19.2 usable cores, and the peak of 3000 requests a second at 8ms each takes 24; add workers elsewhere or lower Render.PeakPerSecond in stacks/production.go`,
	}},
	{name: "two nodes with each other's index and name", base: "prod", change: func(s *Stack) {
		n := node(s, "rbx-worker-3")
		n.Name, n.Index = "gra-worker-3", 13
	}, want: []string{
		`node gra-worker-3: described twice; give one another name in stacks/production.go`,
		`node gra-worker-3: index 13 is taken by node gra-worker-3; give it a free one in stacks/production.go`,
		`node gra-worker-3: the name does not start with its site, rbx-; rename it before it is ordered in stacks/production.go`,
	}},
}
