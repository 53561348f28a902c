package stacks

import (
	"net/netip"
	"time"
)

// Production describes the environment that serves readers. The other stacks are made from it.
//
// Indexes: 1 to 9 control plane, 11 to 19 workers in Gravelines, 21 to 29 workers in Roubaix, 41 to 49 and 51 to 59 data hosts there. The
// gaps let a site grow without mixing; nothing but uniqueness is checked.
func Production() Stack {
	return Stack{
		Name:    "prod",
		Account: Account{Subsidiary: "FR"},
		// The description costs 1521.38 EUR a month; the room above it is one more Advance-3 for a week of campaigns, and no more.
		Budget: Budget{Monthly: EUR(1680, 0), Setup: EUR(1350, 0)},
		Sites: []Site{
			{Name: "rbx", City: "Roubaix", Region: "europe", Datacenter: "rbx", VPSDatacenter: "RBX", CloudRegion: "RBX-A"},
			{Name: "gra", City: "Gravelines", Region: "europe", Datacenter: "gra", VPSDatacenter: "GRA", CloudRegion: "GRA11"},
			{Name: "sbg", City: "Strasbourg", Region: "europe", Datacenter: "sbg", VPSDatacenter: "SBG", CloudRegion: "SBG5"},
		},
		Nodes: []Node{
			controlPlane("rbx-control-1", 1, "rbx"),
			controlPlane("gra-control-1", 2, "gra"),
			controlPlane("sbg-control-1", 3, "sbg"),
			// Two edge nodes a site: one may be drained while the other site is lost.
			worker("gra-worker-1", 11, "gra", RoleEdge),
			worker("gra-worker-2", 12, "gra", RoleEdge),
			worker("gra-worker-3", 13, "gra"),
			worker("rbx-worker-1", 21, "rbx", RoleEdge),
			worker("rbx-worker-2", 22, "rbx", RoleEdge),
			worker("rbx-worker-3", 23, "rbx"),
			data("gra-data-1", 41, "gra", "pulsar", storageHost()),
			data("rbx-data-1", 51, "rbx", "pinot", storageHost()),
			data("rbx-data-2", 52, "rbx", "metrics", metricsHost()),
		},
		Mesh: Mesh{
			CIDR:    netip.MustParsePrefix("10.80.0.0/16"),
			Port:    51820,
			PathMTU: 1500,
			MTU:     1420,
		},
		// 1420 less 10: see docs/decisions/0012-cilium.md.
		Pods: Pods{CIDR: netip.MustParsePrefix("10.81.0.0/16"), MTU: 1410, Network: NetworkCilium},
		Services: Services{CIDR: netip.MustParsePrefix("10.82.0.0/16"), Domain: "cluster.local",
			// OVH's own resolver, in every data centre.
			Resolvers: []netip.Addr{netip.MustParseAddr("213.186.33.99")},
		},
		PrivateNetwork: PrivateNetwork{Order: true, CIDR: netip.MustParsePrefix("10.90.0.0/16")},
		// Lets in WireGuard, SSH, the edge's ports and answers to what hosts ask; see stacks/firewall.go.
		EdgeFirewall: EdgeFirewall{On: true},
		Cluster: Cluster{
			KubernetesVersion: "1.36.3",
			MaxUnavailable:    1,
			APIPort:           6443,
			ProxyPort:         7443,
			SecretsKey:        1,
			// Not the edge's bucket: whoever may write certificates may not read the cluster.
			Backup: Backup{
				Storage: ObjectStorage{Endpoint: "https://s3.eu-west-par.io.cloud.ovh.net", Region: "eu-west-par", Bucket: "havre-prod-backup"},
				Every:   time.Hour, KeepHourly: 48, KeepDaily: 35,
			},
		},
		Runtime: Runtime{CgroupDriver: "systemd"},
		Edge: Edge{
			TLS: TLSACME, ACMEEmail: "ops@havre.example", HTTPPort: 80, HTTPSPort: 443,
			// Paris, over three availability zones: the loss of one of our sites does not touch it.
			Storage:         ObjectStorage{Endpoint: "https://s3.eu-west-par.io.cloud.ovh.net", Region: "eu-west-par", Bucket: "havre-prod-edge"},
			CustomersDomain: "customers.havre.example",
			Customers:       []string{"pictures.customer.example"},
		},
		Render: Render{
			Domain:           "pictures.havre.example",
			Port:             8080,
			MinReplicas:      6,
			MaxReplicas:      14,
			CPUTargetPercent: 50,
			MaxUnavailable:   1,
			CPURequest:       2000,
			CPULimit:         4000,
			MemoryRequest:    2048,
			MemoryLimit:      4096,
			// The largest campaign. 3000 pictures at 8 ms take 24 cores; the three workers that remain when a site is lost have 36. Six replicas at their limits
			// carry all of it from the first second; twelve do at their requests, so placeholders hold room for six more.
			PeakPerSecond: 3000,
			// Measured at 6.7 to 7.2 ms with both threads of a core at work (three runs; not yet on an Advance-3).
			CPUPerRequest: 8 * time.Millisecond,
			// Before the working day's first mails.
			Prewarm: Prewarm{Schedule: "0 5 * * 1-5", TimeZone: "Europe/Paris"},
		},
		Data: []DataService{
			{Name: "pulsar", Port: 6650},
			{Name: "pinot", Port: 8099},
			{Name: "metrics", Port: 8428},
		},
		Database: Database{
			// The project is an example's, and the one that the simulator knows: put the id of the company's own Public Cloud project here, as OVH's manager shows it.
			Engine: "postgresql", Version: "17", Project: "0f3a5c7e9b1d4f6082a4c6e8f0b2d4f6", Region: "GRA",
			// The smallest plan with a second node to take over; 40 GB of disk a node.
			Plan: "production", Flavor: "b3-8", Nodes: 2,
			// OVH shows the price in its catalogue only to a client; this is an estimate of the right size, and the preview compares it with the truth.
			Monthly: EUR(176, 0),
			Name:    "havre",
			// OVH's administrator: since PostgreSQL 15 a user made by the API may make no tables before the administrator grants it, and OVH has no route for that.
			User: "avnadmin",
			Scrub: []ScrubRule{
				{Name: "readers.email", Action: "email", Why: "where a reader is written to"},
				{Name: "readers.name", Action: "name", Why: "who a reader is; it is drawn into the picture"},
				{Name: "readers.last_ip", Action: "ip", Why: "where a reader reads"},
				{Name: "campaigns.name", Action: "keep", Why: "the name of a campaign, not of a person"},
				{Name: "openings", Action: "truncate", Why: "who opened which mail and when; staging needs none of it"},
			},
		},
		DNS: DNS{
			Zone:      "havre.example",
			ZoneID:    "0c6886f2105709cd06c75ce81e26ff99",
			AccountID: "0123456789abcdef0123456789abcdef",
			// The shortest that the plan Pro takes (https://developers.cloudflare.com/load-balancing/monitors/).
			CheckInterval: time.Minute,
			Records: []Record{
				{Name: "pictures.havre.example", Role: RoleEdge, Balanced: true, Proxied: true},
				{Name: "customers.havre.example", Role: RoleEdge, Balanced: true, TTL: 30 * time.Second},
			},
		},
	}
}

// controlPlane is a VPS with an API server and a member of etcd.
func controlPlane(name string, index int, site string) Node {
	return Node{Name: name, Index: index, Site: site, Kind: VPS, Roles: []Role{RoleControlPlane}, Generation: 1, Offer: Offer{
		Catalogue: CatalogueVPS,
		// 4 vCores and 8 GB: the smallest plan of the 2027 range whose price is known. kubeadm wants two cores, and API server, etcd and the
		// controllers of a fleet this small stay well under 4 GB; the next plan (6 vCores, 12 GB, 12.24 EUR) would buy nothing.
		PlanCode:    "vps-2027-model2",
		Duration:    "P1M",
		PricingMode: "default",
		// Source: OVH's price list for France without tax, read 2026-09-30. No setup fee.
		Monthly:   EUR(8, 49),
		Setup:     EUR(0, 0),
		OS:        "Debian 12",
		Cores:     4,
		MemoryGiB: 8,
	}}
}

// worker is an Advance-3: 12 real cores, which bursts of rendering need, and 25 Gbit/s to the other dedicated servers.
func worker(name string, index int, site string, more ...Role) Node {
	return Node{Name: name, Index: index, Site: site, Kind: Dedicated, Roles: append([]Role{RoleWorker}, more...), Vrack: true, Generation: 1, Offer: Offer{
		Catalogue: CatalogueBareMetal,
		PlanCode:  "24adv03-v1",
		// The default of each mandatory family; none of them adds to the price.
		Options: []string{
			"ram-64g-on-die-ecc-5200-24adv03-v1",
			"softraid-2x960nvme-pcie-gen4-24adv03-v1",
			"bandwidth-3000-adv-gen3",
			"vrack-bandwidth-25000-adv-gen3",
		},
		Duration:    "P1M",
		PricingMode: "default",
		// Source: OVH's bare-metal catalogue for France, number 8975 of January 2026. The setup fee was waived by a promotion then; the
		// description counts it in full.
		Monthly:   EUR(149, 99),
		Setup:     EUR(149, 99),
		OS:        "debian12_64",
		Cores:     12,
		MemoryGiB: 64,
	}}
}

// data is a host outside Kubernetes.
func data(name string, index int, site, purpose string, offer Offer) Node {
	return Node{Name: name, Index: index, Site: site, Kind: Dedicated, Roles: []Role{RoleData}, Purpose: purpose, Vrack: true, Generation: 1, Offer: offer}
}

// storageHost is a Rise-3 with large disks and 2 Gbit/s of private network, for stores that replicate.
func storageHost() Offer {
	return Offer{
		Catalogue: CatalogueEco,
		PlanCode:  "24rise03",
		Options: []string{
			"ram-64g-ecc-3200-24rise",               // 8.00 EUR
			"softraid-2x1920nvme-24rise",            // 40.00 EUR
			"bandwidth-1000-24rise",                 // included
			"vrack-bandwidth-2000-upto-4000-24rise", // 10.00 EUR
		},
		Duration:    "P1M",
		PricingMode: "default",
		// Source: OVH's eco catalogue for France, number 8294 of 2025-05-13: 91.99 EUR for the plan and the options as noted.
		Monthly:   EUR(149, 99),
		Setup:     EUR(91, 99),
		OS:        "debian12_64",
		Cores:     12,
		MemoryGiB: 64,
	}
}

// metricsHost is a Rise-3 with what a single metrics store needs.
func metricsHost() Offer {
	return Offer{
		Catalogue: CatalogueEco,
		PlanCode:  "24rise03",
		Options: []string{
			"ram-64g-ecc-3200-24rise",               // 8.00 EUR
			"softraid-2x960nvme-24rise",             // 20.00 EUR
			"bandwidth-1000-24rise",                 // included
			"vrack-bandwidth-1000-upto-2000-24rise", // included
		},
		Duration:    "P1M",
		PricingMode: "default",
		// Source: as for storageHost.
		Monthly:   EUR(119, 99),
		Setup:     EUR(91, 99),
		OS:        "debian12_64",
		Cores:     12,
		MemoryGiB: 64,
	}
}
