package stacks

import (
	"net/netip"
	"time"
)

// brokenServices are broken descriptions of services.
var brokenServices = []broken{
	{name: "TLS unknown", base: "prod", change: func(s *Stack) { s.Edge.TLS = "none" }, want: []string{
		`edge: TLS "none" is neither acme nor internal; set Edge.TLS in stacks/production.go`,
	}},
	{name: "TLS by an own authority", base: "prod", change: func(s *Stack) { s.Edge.TLS, s.Edge.ACMEEmail = TLSInternal, "" }, want: []string{
		`edge: TLS by an authority of its own, which no reader's mail program trusts, in stack prod with real hosts; use acme in stacks/production.go`,
		`edge: storage https://s3.eu-west-par.io.cloud.ovh.net/havre-prod-edge without ACME; clear Edge.Storage in stacks/production.go`,
		`edge: domain customers.havre.example for customers' own domains without ACME, which orders their certificates; clear Edge.CustomersDomain in stacks/production.go`,
	}},
	{name: "ACME without an address", base: "prod", change: func(s *Stack) { s.Edge.ACMEEmail = "" }, want: []string{
		`edge: "" is not an e-mail address for the certificate authority; set Edge.ACMEEmail in stacks/production.go`,
	}},
	{name: "ACME address malformed", base: "prod", change: func(s *Stack) { s.Edge.ACMEEmail = "ops" }, want: []string{
		`edge: "ops" is not an e-mail address for the certificate authority; set Edge.ACMEEmail in stacks/production.go`,
	}},
	{name: "e-mail address without ACME", base: "local", change: func(s *Stack) { s.Edge.ACMEEmail = "ops@havre.test" }, want: []string{
		`edge: e-mail address ops@havre.test without ACME; clear Edge.ACMEEmail in stacks/local.go`,
	}},
	{name: "domain malformed", base: "prod", change: func(s *Stack) { s.Render.Domain = "pictures_havre.example" }, want: []string{
		`render: domain "pictures_havre.example" is not a domain name; set Render.Domain in stacks/production.go`,
	}},
	{name: "domain without a record", base: "prod", change: func(s *Stack) { s.Render.Domain = "images.havre.example" }, want: []string{
		`render: domain images.havre.example has no record for the edge; add it to DNS.Records in stacks/production.go`,
	}},
	{name: "domain whose record is not the edge's", base: "prod", change: func(s *Stack) { s.DNS.Records[0].Role = RoleControlPlane }, want: []string{
		`render: domain pictures.havre.example has no record for the edge; add it to DNS.Records in stacks/production.go`,
		`dns record pictures.havre.example: balanced over nodes of role "control-plane", and only edge nodes answer for their site; change the role in stacks/production.go`,
	}},
	{name: "storage in clear", base: "prod", change: func(s *Stack) { s.Edge.Storage.Endpoint = "http://s3.example.com" }, want: []string{
		`edge: storage endpoint "http://s3.example.com" is not https:// and a host; set Edge.Storage.Endpoint in stacks/production.go`,
	}},
	{name: "no storage", base: "prod", change: func(s *Stack) { s.Edge.Storage = ObjectStorage{} }, want: []string{
		`edge: storage endpoint "" is not https:// and a host; set Edge.Storage.Endpoint in stacks/production.go`,
		`edge: storage region "" is not a region like eu-west-par; set Edge.Storage.Region in stacks/production.go`,
		`edge: storage bucket "" is not 3 to 63 of a-z, 0-9 and inner hyphens; set Edge.Storage.Bucket in stacks/production.go`,
	}},
	{name: "key of Secrets", base: "prod", change: func(s *Stack) { s.Cluster.SecretsKey = 0 }, want: []string{
		`cluster: generation 0 of the key of Secrets is not from 1 to 999; set Cluster.SecretsKey in stacks/production.go`,
	}},
	{name: "no backup", base: "prod", change: func(s *Stack) { s.Cluster.Backup = Backup{} }, want: []string{
		`backup: no bucket for what is in the cluster; set Cluster.Backup.Storage in stacks/production.go`,
	}},
	{name: "backup beside the certificates", base: "prod", change: func(s *Stack) { s.Cluster.Backup.Storage = s.Edge.Storage }, want: []string{
		`backup: bucket havre-prod-edge is the edge's, whose keys would then read the cluster; set another in Cluster.Backup.Storage in stacks/production.go`,
	}},
	{name: "backup in clear, too seldom, and of nothing", base: "prod", change: func(s *Stack) {
		s.Cluster.Backup = Backup{Storage: ObjectStorage{Endpoint: "http://198.51.100.1:9000", Region: "EU", Bucket: "b"}, Every: 25 * time.Hour, KeepDaily: 1001}
	}, want: []string{
		`backup: storage endpoint "http://198.51.100.1:9000" is not https:// and a host; set Cluster.Backup.Storage.Endpoint in stacks/production.go`,
		`backup: storage region "EU" is not a region like eu-west-par; set Cluster.Backup.Storage.Region in stacks/production.go`,
		`backup: storage bucket "b" is not 3 to 63 of a-z, 0-9 and inner hyphens; set Cluster.Backup.Storage.Bucket in stacks/production.go`,
		`backup: every 25h0m0s is not of whole seconds from 10m to 24h; set Cluster.Backup.Every in stacks/production.go`,
		`backup: KeepHourly 0 is not from 1 to 1000; set Cluster.Backup.KeepHourly in stacks/production.go`,
		`backup: KeepDaily 1001 is not from 1 to 1000; set Cluster.Backup.KeepDaily in stacks/production.go`,
	}},
	{name: "customers without a name to lead to", base: "prod", change: func(s *Stack) { s.Edge.CustomersDomain = "" }, want: []string{
		`edge: customers' domains, and no name for them to lead to; set Edge.CustomersDomain or clear Edge.Customers in stacks/production.go`,
	}},
	{name: "customers behind the front door", base: "prod", change: func(s *Stack) { s.Edge.CustomersDomain = "pictures.havre.example" }, want: []string{
		`edge: domain pictures.havre.example for customers' own domains has no record for the edge that is not proxied; add it to DNS.Records in stacks/production.go`,
	}},
	{name: "customers' domains", base: "prod", change: func(s *Stack) {
		s.Edge.Customers = []string{"Pictures.customer.example", "a.havre.example", "b.example", "b.example"}
	}, want: []string{
		`customer's domain "Pictures.customer.example": not a domain name in lower case; mend Edge.Customers in stacks/production.go`,
		`customer's domain a.havre.example: it is in our own zone havre.example; add it to DNS.Records instead in stacks/production.go`,
		`customer's domain b.example: described twice; remove one in stacks/production.go`,
	}},
	{name: "reviews outside the zone", base: "staging", change: func(s *Stack) { s.Edge.ReviewDomain = "review.havre.example" }, want: []string{
		`edge: domain "review.havre.example" for reviews is not a name in the zone havre-staging.example; change Edge.ReviewDomain in stacks/staging.go`,
	}},
	{name: "reviews where the stack has names", base: "staging", change: func(s *Stack) { s.Edge.ReviewDomain = "pictures.havre-staging.example" }, want: []string{
		`edge: domain pictures.havre-staging.example for reviews has a record of the stack's own at or below it; change Edge.ReviewDomain in stacks/staging.go`,
	}},
	{name: "reviews without certificates", base: "staging", change: func(s *Stack) { s.Edge.CustomersDomain = "" }, want: []string{
		`edge: domain review.havre-staging.example for reviews, and nothing that permits their certificates; set Edge.CustomersDomain, whose service does, or clear Edge.ReviewDomain in stacks/staging.go`,
	}},
	{name: "account and interval for nothing", base: "local", change: func(s *Stack) { s.DNS.AccountID, s.DNS.CheckInterval = s.DNS.ZoneID, time.Minute }, want: []string{
		`dns: account ID "516215f5070fca8bc118f9bc816ca4d5" and check interval 1m0s without a balanced record; clear DNS.AccountID and DNS.CheckInterval in stacks/local.go`,
	}},
	{name: "front door of nobody", base: "local", change: func(s *Stack) { s.DNS.FrontDoor = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} }, want: []string{
		`dns: networks of a front door without a proxied record; clear DNS.FrontDoor in stacks/local.go`,
	}},
	{name: "front door open", base: "prod", change: func(s *Stack) {
		s.DNS.FrontDoor = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("2400:cb00::/32"), netip.MustParsePrefix("198.51.100.7/24"), {}}
	}, want: []string{
		`dns: front door 0.0.0.0/0 is not a network of at least /8, or /16 for IPv6; mend DNS.FrontDoor in stacks/production.go`,
		`dns: front door 198.51.100.7/24 is not a network of at least /8, or /16 for IPv6; mend DNS.FrontDoor in stacks/production.go`,
		`dns: front door invalid Prefix is not a network of at least /8, or /16 for IPv6; mend DNS.FrontDoor in stacks/production.go`,
	}},
	{name: "account and interval", base: "prod", change: func(s *Stack) { s.DNS.AccountID, s.DNS.CheckInterval = "me", time.Second }, want: []string{
		`dns: account ID "me" is not 32 hexadecimal digits; set DNS.AccountID to what Cloudflare's overview page of havre.example shows in stacks/production.go`,
		`dns: check interval 1s is not whole seconds from 5s to 1h0m0s; mend DNS.CheckInterval in stacks/production.go`,
	}},
	{name: "balanced name with a TTL of an hour", base: "prod", change: func(s *Stack) { s.DNS.Records[1].TTL = time.Hour }, want: []string{
		`dns record customers.havre.example: TTL 1h0m0s of a balanced name is not whole seconds from 30s to 10m0s; mend it in stacks/production.go`,
	}},
	{name: "container port privileged", base: "prod", change: func(s *Stack) { s.Render.Port = 80 }, want: []string{
		`render: port 80 is not from 1024 to 65535; change Render.Port in stacks/production.go`,
	}},
	{name: "one replica", base: "prod", change: func(s *Stack) { s.Render.MinReplicas = 1 }, want: []string{
		`render: 1 replicas at least; wanted 2 or more, so that one may be moved: raise Render.MinReplicas in stacks/production.go`,
	}},
	{name: "fewer replicas at most than at least", base: "prod", change: func(s *Stack) { s.Render.MinReplicas = 15 }, want: []string{
		`render: 14 replicas at most and 15 at least; raise Render.MaxReplicas in stacks/production.go`,
	}},
	{name: "no replica may be unavailable", base: "prod", change: func(s *Stack) { s.Render.MaxUnavailable = 0 }, want: []string{
		`render: 0 replicas may be unavailable, wanted 1 to 5, one less than the least replicas: with 0 a drain hangs; change Render.MaxUnavailable in stacks/production.go`,
	}},
	{name: "all replicas may be unavailable", base: "prod", change: func(s *Stack) { s.Render.MaxUnavailable = 6 }, want: []string{
		`render: 6 replicas may be unavailable, wanted 1 to 5, one less than the least replicas: with 0 a drain hangs; change Render.MaxUnavailable in stacks/production.go`,
	}},
	{name: "CPU target zero", base: "prod", change: func(s *Stack) { s.Render.CPUTargetPercent = 0 }, want: []string{
		`render: CPU target 0 % is not from 1 to 100; change Render.CPUTargetPercent in stacks/production.go`,
	}},
	{name: "CPU target above 100", base: "prod", change: func(s *Stack) { s.Render.CPUTargetPercent = 101 }, want: []string{
		`render: CPU target 101 % is not from 1 to 100; change Render.CPUTargetPercent in stacks/production.go`,
	}},
	{name: "CPU request zero", base: "prod", change: func(s *Stack) { s.Render.CPURequest = 0 }, want: []string{
		`render: CPU request 0 is not above zero; set Render.CPURequest in stacks/production.go`,
	}},
	{name: "CPU limit below the request", base: "prod", change: func(s *Stack) { s.Render.CPULimit = 1500 }, want: []string{
		`render: CPU limit 1500m is below the request 2; raise Render.CPULimit in stacks/production.go`,
	}},
	{name: "memory request zero", base: "prod", change: func(s *Stack) { s.Render.MemoryRequest = 0 }, want: []string{
		`render: memory request 0Mi is not above zero; set Render.MemoryRequest in stacks/production.go`,
	}},
	{name: "memory limit below the request", base: "prod", change: func(s *Stack) { s.Render.MemoryLimit = 1024 }, want: []string{
		`render: memory limit 1024Mi is below the request 2048Mi; raise Render.MemoryLimit in stacks/production.go`,
	}},
	{name: "CPU request larger than a node", base: "prod", change: func(s *Stack) { s.Render.CPURequest, s.Render.CPULimit = 16000, 16000 }, want: []string{
		`render: CPU request 16 is more than the 12 cores of node gra-worker-1, so that no replica fits there; lower Render.CPURequest in stacks/production.go`,
		`render: CPU request 16 is more than the 12 cores of node gra-worker-2, so that no replica fits there; lower Render.CPURequest in stacks/production.go`,
		`render: CPU request 16 is more than the 12 cores of node gra-worker-3, so that no replica fits there; lower Render.CPURequest in stacks/production.go`,
		`render: CPU request 16 is more than the 12 cores of node rbx-worker-1, so that no replica fits there; lower Render.CPURequest in stacks/production.go`,
		`render: CPU request 16 is more than the 12 cores of node rbx-worker-2, so that no replica fits there; lower Render.CPURequest in stacks/production.go`,
		`render: CPU request 16 is more than the 12 cores of node rbx-worker-3, so that no replica fits there; lower Render.CPURequest in stacks/production.go`,
	}},
	{name: "schedule of four fields", base: "prod", change: func(s *Stack) { s.Render.Prewarm.Schedule = "0 5 * *" }, want: []string{
		`render: prewarm schedule "0 5 * *" has 4 fields, wanted minute, hour, day of month, month and day of week with one space between; mend Render.Prewarm.Schedule in stacks/production.go`,
	}},
	{name: "schedule empty", base: "prod", change: func(s *Stack) { s.Render.Prewarm.Schedule = "" }, want: []string{
		`render: prewarm schedule "" has 0 fields, wanted minute, hour, day of month, month and day of week with one space between; mend Render.Prewarm.Schedule in stacks/production.go`,
	}},
	{name: "schedule by name", base: "prod", change: func(s *Stack) { s.Render.Prewarm.Schedule = "@daily" }, want: []string{
		`render: prewarm schedule "@daily" has 1 fields, wanted minute, hour, day of month, month and day of week with one space between; mend Render.Prewarm.Schedule in stacks/production.go`,
	}},
	{name: "schedule at hour 24", base: "prod", change: func(s *Stack) { s.Render.Prewarm.Schedule = "0 24 * * *" }, want: []string{
		`render: prewarm schedule "0 24 * * *" has hour "24", wanted *, a number from 0 to 23 or a range, each with an optional /step; mend Render.Prewarm.Schedule in stacks/production.go`,
	}},
	{name: "schedule on day 7 of the week", base: "prod", change: func(s *Stack) { s.Render.Prewarm.Schedule = "0 5 * * 7" }, want: []string{
		`render: prewarm schedule "0 5 * * 7" has day of week "7", wanted *, a number from 0 to 6 or a range, each with an optional /step; mend Render.Prewarm.Schedule in stacks/production.go`,
	}},
	{name: "schedule with a backward range", base: "prod", change: func(s *Stack) { s.Render.Prewarm.Schedule = "0 5 * * 5-1" }, want: []string{
		`render: prewarm schedule "0 5 * * 5-1" has day of week "5-1", wanted *, a number from 0 to 6 or a range, each with an optional /step; mend Render.Prewarm.Schedule in stacks/production.go`,
	}},
	{name: "schedule with a step of zero", base: "prod", change: func(s *Stack) { s.Render.Prewarm.Schedule = "*/0 5 * * *" }, want: []string{
		`render: prewarm schedule "*/0 5 * * *" has minute "*/0", wanted *, a number from 0 to 59 or a range, each with an optional /step; mend Render.Prewarm.Schedule in stacks/production.go`,
	}},
	{name: "time zone missing", base: "prod", change: func(s *Stack) { s.Render.Prewarm.TimeZone = "" }, want: []string{
		`render: prewarm time zone "" is not an IANA name like Europe/Paris; set Render.Prewarm.TimeZone in stacks/production.go`,
	}},
	{name: "time zone by abbreviation", base: "prod", change: func(s *Stack) { s.Render.Prewarm.TimeZone = "CET" }, want: []string{
		`render: prewarm time zone "CET" is not an IANA name like Europe/Paris; set Render.Prewarm.TimeZone in stacks/production.go`,
	}},
	{name: "peak zero", base: "prod", change: func(s *Stack) { s.Render.PeakPerSecond = 0 }, want: []string{
		`render: declared peak of 0 requests a second is not from 1 to 1000000; set Render.PeakPerSecond in stacks/production.go`,
	}},
	{name: "peak absurd", base: "prod", change: func(s *Stack) { s.Render.PeakPerSecond = 1_000_001 }, want: []string{
		`render: declared peak of 1000001 requests a second is not from 1 to 1000000; set Render.PeakPerSecond in stacks/production.go`,
	}},
	{name: "time a request zero", base: "prod", change: func(s *Stack) { s.Render.CPUPerRequest = 0 }, want: []string{
		`render: 0s of processor time a request is not from 1µs to 10s; measure it and set Render.CPUPerRequest in stacks/production.go`,
	}},
	{name: "time a request in the wrong unit", base: "prod", change: func(s *Stack) { s.Render.CPUPerRequest = 8 * time.Minute }, want: []string{
		`render: 8m0s of processor time a request is not from 1µs to 10s; measure it and set Render.CPUPerRequest in stacks/production.go`,
	}},
	{name: "peak too high with a site lost", base: "prod", change: func(s *Stack) { s.Render.PeakPerSecond, s.Render.MaxReplicas = 3700, 15 }, want: []string{
		`render: losing site rbx leaves 28.8 usable cores, and the peak of 3700 requests a second at 8ms each takes 29.6; add workers elsewhere or lower Render.PeakPerSecond in stacks/production.go`,
		`render: losing site gra leaves 28.8 usable cores, and the peak of 3700 requests a second at 8ms each takes 29.6; add workers elsewhere or lower Render.PeakPerSecond in stacks/production.go`,
		`render: 6 standing replicas may use 24 cores, and the peak of 3700 requests a second at 8ms each takes 29.6, so that readers wait for pods to start; raise Render.MinReplicas or Render.CPULimit in stacks/production.go`,
	}},
	{name: "standing replicas cannot carry the peak", base: "prod", change: func(s *Stack) { s.Render.MinReplicas = 5 }, want: []string{
		`render: 5 standing replicas may use 20 cores, and the peak of 3000 requests a second at 8ms each takes 24, so that readers wait for pods to start; raise Render.MinReplicas or Render.CPULimit in stacks/production.go`,
	}},
	{name: "workers too few with one site lost", base: "prod", change: func(s *Stack) { removeNodes(s, "rbx-worker-3") }, want: []string{
		`render: losing site gra leaves 19.2 usable cores, and the peak of 3000 requests a second at 8ms each takes 24; add workers elsewhere or lower Render.PeakPerSecond in stacks/production.go`,
	}},
	{name: "worker retired before the peak is lowered", base: "prod", change: func(s *Stack) { node(s, "gra-worker-3").Retired = true }, want: []string{
		`render: losing site rbx leaves 19.2 usable cores, and the peak of 3000 requests a second at 8ms each takes 24; add workers elsewhere or lower Render.PeakPerSecond in stacks/production.go`,
	}},
	{name: "memory too small with a site lost", base: "prod", change: func(s *Stack) { s.Render.MemoryRequest, s.Render.MemoryLimit = 16384, 16384 }, want: []string{
		`render: losing site rbx leaves 157286Mi usable memory, and 14 replicas request 229376Mi; add workers elsewhere or lower Render.MaxReplicas in stacks/production.go`,
		`render: losing site gra leaves 157286Mi usable memory, and 14 replicas request 229376Mi; add workers elsewhere or lower Render.MaxReplicas in stacks/production.go`,
	}},
	{name: "replicas cannot carry the peak", base: "prod", change: func(s *Stack) { s.Render.MaxReplicas = 11 }, want: []string{
		`render: 11 replicas request 22 cores, and the peak of 3000 requests a second at 8ms each takes 24; raise Render.MaxReplicas or Render.CPURequest in stacks/production.go`,
	}},
	{name: "peak of production on the sandbox's shared cores", base: "local", change: func(s *Stack) { s.Render.PeakPerSecond = 3000 }, want: []string{
		`render: losing site rbx leaves 1.6 usable cores, and the peak of 3000 requests a second at 8ms each takes 24; add workers elsewhere or lower Render.PeakPerSecond in stacks/local.go`,
		`render: losing site gra leaves 1.6 usable cores, and the peak of 3000 requests a second at 8ms each takes 24; add workers elsewhere or lower Render.PeakPerSecond in stacks/local.go`,
		`render: 4 replicas request 0.2 cores, and the peak of 3000 requests a second at 8ms each takes 24; raise Render.MaxReplicas or Render.CPURequest in stacks/local.go`,
		`render: 2 standing replicas may use 2 cores, and the peak of 3000 requests a second at 8ms each takes 24, so that readers wait for pods to start; raise Render.MinReplicas or Render.CPULimit in stacks/local.go`,
	}},
	{name: "data service malformed", base: "prod", change: func(s *Stack) {
		s.Data[0].Name = "Pulsar"
		node(s, "gra-data-1").Purpose = "Pulsar"
	}, want: []string{
		`data service "Pulsar": the name is not a DNS label that starts with a letter; rename it in stacks/production.go`,
	}},
	{name: "data service twice", base: "prod", change: func(s *Stack) { s.Data = append(s.Data, s.Data[0]) }, want: []string{
		`data service pulsar: described twice; remove one in stacks/production.go`,
	}},
	{name: "data port privileged", base: "prod", change: func(s *Stack) { s.Data[0].Port = 650 }, want: []string{
		`data service pulsar: port 650 is not from 1024 to 65535; change its port in stacks/production.go`,
	}},
	{name: "data service without a host", base: "prod", change: func(s *Stack) { s.Data = append(s.Data, DataService{Name: "redis", Port: 6379}) }, want: []string{
		`data service redis: no active data host has that purpose, so its Service would lead nowhere; add a host or remove it in stacks/production.go`,
	}},
	{name: "data host retired", base: "prod", change: func(s *Stack) { node(s, "gra-data-1").Retired = true }, want: []string{
		`data service pulsar: no active data host has that purpose, so its Service would lead nowhere; add a host or remove it in stacks/production.go`,
	}},
	{name: "data host removed, its service kept", base: "prod", change: func(s *Stack) { removeNodes(s, "rbx-data-1") }, want: []string{
		`data service pinot: no active data host has that purpose, so its Service would lead nowhere; add a host or remove it in stacks/production.go`,
	}},
	{name: "no database", base: "prod", change: func(s *Stack) { s.Database = Database{} }, want: []string{
		`database: none, and only a sandbox may go without; set Database.Engine to postgresql in stacks/production.go`,
	}},
	{name: "database without an engine", base: "local", change: func(s *Stack) { s.Database = Database{Version: "17"} }, want: []string{
		`database: version "17" and fork of "" without an engine; set Database.Engine to postgresql or clear Database in stacks/local.go`,
	}},
	{name: "database engine unknown", base: "prod", change: func(s *Stack) { s.Database.Engine = "mysql" }, want: []string{
		`database: engine "mysql" is not postgresql; mend Database.Engine in stacks/production.go`,
	}},
	{name: "database version in full", base: "prod", change: func(s *Stack) { s.Database.Version = "17.2" }, want: []string{
		`database: version "17.2" is not a major version like 17; set Database.Version in stacks/production.go`,
	}},
	{name: "database forked from itself", base: "prod", change: func(s *Stack) { s.Database.ForkOf = "prod" }, want: []string{
		`database: a fork of the stack's own, prod; clear Database.ForkOf or name another stack in stacks/production.go`,
	}},
	{name: "database forked from nowhere", base: "staging", change: func(s *Stack) { s.Database.ForkOf = "production" }, want: []string{
		`database: a fork of stack "production", which is not described; wanted one of load-test, local, local-staging, prod, staging: mend Database.ForkOf in stacks/staging.go`,
	}},
	{name: "database project", base: "prod", change: func(s *Stack) { s.Database.Project = "havre" }, want: []string{
		`database: project "havre" is not 32 hexadecimal digits; set Database.Project to what OVH's manager shows in stacks/production.go`,
	}},
	{name: "database without a flavor", base: "prod", change: func(s *Stack) { s.Database.Flavor = "" }, want: []string{
		`database: region "GRA", plan "production", flavor "" and 2 nodes do not say what to order; set all four of Database, like GRA, production, b3-8 and 2 in stacks/production.go`,
	}},
	{name: "database for nothing", base: "prod", change: func(s *Stack) { s.Database.Monthly = EUR(0, 0) }, want: []string{
		`database: 0.00 EUR a month is not a price in EUR; set Database.Monthly in stacks/production.go`,
	}},
	{name: "database user in capitals", base: "prod", change: func(s *Stack) { s.Database.User = "Havre" }, want: []string{
		`database: name "havre" and user "Havre" must be lower-case letters, digits and _; set Database.Name and Database.User in stacks/production.go`,
	}},
	{name: "database generation without a fork", base: "prod", change: func(s *Stack) { s.Database.Generation = 2 }, want: []string{
		`database: generation 2 and scrubber invalid IP are for a fork only; clear both, or set Database.ForkOf in stacks/production.go`,
	}},
	{name: "fork of generation none", base: "staging", change: func(s *Stack) { s.Database.Generation = 0 }, want: []string{
		`database: generation 0 of a fork is below 1; set Database.Generation, and raise it to fork anew in stacks/staging.go`,
	}},
	{name: "fork without a scrubber", base: "staging", change: func(s *Stack) { s.Database.Scrubber = netip.Addr{} }, want: []string{
		`database: scrubber invalid IP is not an IPv4 address; set Database.Scrubber to that of the machine that runs pulumi up in stacks/staging.go`,
	}},
	{name: "fork without rules", base: "staging", change: func(s *Stack) { s.Database.Scrub = nil }, want: []string{
		`database: a fork without rules would be production's data in another place; describe what is personal in Database.Scrub in stacks/staging.go`,
	}},
	{name: "zone ID missing", base: "prod", change: func(s *Stack) { s.DNS.ZoneID = "" }, want: []string{
		`dns: zone ID "" is not 32 hexadecimal digits; set DNS.ZoneID to what Cloudflare's overview page of havre.example shows in stacks/production.go`,
	}},
	{name: "no resolver", base: "prod", change: func(s *Stack) { s.Services.Resolvers = nil }, want: []string{
		`network Services.Resolvers: there is none, so pods could reach no name outside the cluster; give one or more in stacks/production.go`,
	}},
	{name: "zone malformed", base: "prod", change: func(s *Stack) { s.DNS.Zone = "example" }, want: []string{
		`dns: zone "example" is not a domain name; set DNS.Zone in stacks/production.go`,
	}},
	{name: "zone with a final dot", base: "prod", change: func(s *Stack) { s.DNS.Zone = "havre.example." }, want: []string{
		`dns: zone "havre.example." is not a domain name; set DNS.Zone in stacks/production.go`,
	}},
	{name: "sandbox with a public zone", base: "local", change: func(s *Stack) {
		s.DNS.Zone = "havre.example"
		s.DNS.Records[0].Name = "pictures.havre.example"
		s.Render.Domain = "pictures.havre.example"
		s.Edge.ReviewDomain = ""
	}, want: []string{
		`dns: zone havre.example of a sandbox is not below .test, which is reserved for that; change DNS.Zone in stacks/local.go`,
	}},
	{name: "reserved zone in production", base: "prod", change: func(s *Stack) {
		s.DNS.Zone = "havre.test"
		s.DNS.Records[0].Name = "pictures.havre.test"
		s.DNS.Records[1].Name, s.Edge.CustomersDomain = "customers.havre.test", "customers.havre.test"
		s.Render.Domain = "pictures.havre.test"
	}, want: []string{
		`dns: zone havre.test is below .test, which no public resolver answers; change DNS.Zone in stacks/production.go`,
	}},
	{name: "record outside the zone", base: "prod", change: func(s *Stack) {
		s.DNS.Records = append(s.DNS.Records, Record{Name: "pictures.havre.example.org", Role: RoleEdge, Proxied: true})
	}, want: []string{
		`dns record pictures.havre.example.org: the name is not in zone havre.example; rename it in stacks/production.go`,
	}},
	{name: "record that only ends like the zone", base: "prod", change: func(s *Stack) {
		s.DNS.Records = append(s.DNS.Records, Record{Name: "nothavre.example", Role: RoleEdge, Proxied: true})
	}, want: []string{
		`dns record nothavre.example: the name is not in zone havre.example; rename it in stacks/production.go`,
	}},
	{name: "record malformed", base: "prod", change: func(s *Stack) {
		s.DNS.Records = append(s.DNS.Records, Record{Name: "*.havre.example", Role: RoleEdge, Proxied: true})
	}, want: []string{
		`dns record "*.havre.example": the name is not a domain name; mend it in stacks/production.go`,
	}},
	{name: "record twice", base: "prod", change: func(s *Stack) { s.DNS.Records = append(s.DNS.Records, s.DNS.Records[0]) }, want: []string{
		`dns record pictures.havre.example: described twice; remove one in stacks/production.go`,
	}},
	{name: "record for a role nobody has", base: "prod", change: func(s *Stack) {
		s.DNS.Records = append(s.DNS.Records, Record{Name: "gw.havre.example", Role: "gateway", Proxied: true})
	}, want: []string{
		`dns record gw.havre.example: no active node has role "gateway", so there is no address to publish; change the role or remove the record in stacks/production.go`,
	}},
	{name: "record proxied with a TTL", base: "prod", change: func(s *Stack) { s.DNS.Records[0].TTL = time.Hour }, want: []string{
		`dns record pictures.havre.example: TTL 1h0m0s of a proxied record, whose TTL Cloudflare chooses; set it to 0 in stacks/production.go`,
	}},
	{name: "record without a TTL", base: "local", change: func(s *Stack) { s.DNS.Records[0].Balanced, s.DNS.Records[0].TTL = false, 0 }, want: []string{
		`dns record pictures.havre.test: TTL 0s is not whole seconds from 1m0s to 24h0m0s; mend it in stacks/local.go`,
	}},
	{name: "record with a TTL of two days", base: "local", change: func(s *Stack) { s.DNS.Records[0].Balanced, s.DNS.Records[0].TTL = false, 48*time.Hour }, want: []string{
		`dns record pictures.havre.test: TTL 48h0m0s is not whole seconds from 1m0s to 24h0m0s; mend it in stacks/local.go`,
	}},
	{name: "record with a TTL of a fraction", base: "local", change: func(s *Stack) { s.DNS.Records[0].Balanced, s.DNS.Records[0].TTL = false, 90500*time.Millisecond }, want: []string{
		`dns record pictures.havre.test: TTL 1m30.5s is not whole seconds from 1m0s to 24h0m0s; mend it in stacks/local.go`,
	}},
	{name: "many parts wrong at once", base: "prod", change: func(s *Stack) {
		s.Mesh.MTU = 1500
		s.Cluster.KubernetesVersion = "latest"
		s.Edge.TLS = ""
		s.Render.MaxReplicas = 2
		s.Database.Version = ""
		s.DNS.Records = nil
		s.Budget.Monthly = EUR(100, 0)
	}, want: []string{
		`mesh: MTU 1500 is not from 1280 to 1420, the path's 1500 less 80 for WireGuard; change Mesh.MTU in stacks/production.go`,
		`cluster: Kubernetes version "latest" is not pinned in full, like 1.36.3; set Cluster.KubernetesVersion in stacks/production.go`,
		`edge: TLS "" is neither acme nor internal; set Edge.TLS in stacks/production.go`,
		`edge: domain customers.havre.example for customers' own domains has no record for the edge that is not proxied; add it to DNS.Records in stacks/production.go`,
		`render: domain pictures.havre.example has no record for the edge; add it to DNS.Records in stacks/production.go`,
		`render: 2 replicas at most and 6 at least; raise Render.MaxReplicas in stacks/production.go`,
		`render: 2 replicas request 4 cores, and the peak of 3000 requests a second at 8ms each takes 24; raise Render.MaxReplicas or Render.CPURequest in stacks/production.go`,
		`database: version "" is not a major version like 17; set Database.Version in stacks/production.go`,
		`dns: account ID "0123456789abcdef0123456789abcdef" and check interval 1m0s without a balanced record; clear DNS.AccountID and DNS.CheckInterval in stacks/production.go`,
		`budget: nodes and database cost 1521.38 EUR a month, and 100.00 EUR are allowed; remove nodes or raise Budget.Monthly in stacks/production.go`,
	}},
	{name: "everything empty", base: "empty", change: func(s *Stack) {}, want: []string{
		`stack "": the name is not a DNS label that starts with a letter; rename it in stacks/`,
		`account: subsidiary "" is not one that bills in euros (DE, ES, FI, FR, IE, IT, LT, NL, PT); change Account.Subsidiary in stacks/`,
		`stack : 0 active control-plane nodes; wanted an odd number of at least 3, since an even one outlives no more losses than the odd one below it: add or retire one in stacks/`,
		`stack : 0 active workers; wanted at least 2, so that one may be drained: add one in stacks/`,
		`stack : 0 active edge nodes; wanted at least 2, so that one may be drained: give another worker the role in stacks/`,
		`network Mesh.CIDR: invalid Prefix is not an IPv4 range; set it in stacks/`,
		`network Pods.CIDR: invalid Prefix is not an IPv4 range; set it in stacks/`,
		`network Services.CIDR: invalid Prefix is not an IPv4 range; set it in stacks/`,
		`network Services.Resolvers: there is none, so pods could reach no name outside the cluster; give one or more in stacks/`,
		`network Services.Domain: "" is not a domain name; use cluster.local in stacks/`,
		`mesh: UDP port 0 is not from 1024 to 65535; change Mesh.Port in stacks/`,
		`mesh: path MTU 0 is not from 1360 to 9000; set Mesh.PathMTU to what the hosts' links carry, 1500 at OVH, in stacks/`,
		`pods: network "" is unknown; use cilium, or bridge in a sandbox in stacks/`,
		`cluster: Kubernetes version "" is not pinned in full, like 1.36.3; set Cluster.KubernetesVersion in stacks/`,
		`cluster: API port 0 is not from 1024 to 65535; change Cluster.APIPort in stacks/`,
		`cluster: API proxy port 0 is not from 1024 to 65535; change Cluster.ProxyPort in stacks/`,
		`cluster: generation 0 of the key of Secrets is not from 1 to 999; set Cluster.SecretsKey in stacks/`,
		`backup: no bucket for what is in the cluster; set Cluster.Backup.Storage in stacks/`,
		`runtime: cgroup driver "" is neither systemd nor cgroupfs; set Runtime.CgroupDriver in stacks/`,
		`edge: TLS "" is neither acme nor internal; set Edge.TLS in stacks/`,
		`edge: HTTP port 0 is not from 1 to 65535; change Edge.HTTPPort in stacks/`,
		`edge: HTTPS port 0 is not from 1 to 65535; change Edge.HTTPSPort in stacks/`,
		`render: domain "" is not a domain name; set Render.Domain in stacks/`,
		`render: port 0 is not from 1024 to 65535; change Render.Port in stacks/`,
		`render: 0 replicas at least; wanted 2 or more, so that one may be moved: raise Render.MinReplicas in stacks/`,
		`render: CPU target 0 % is not from 1 to 100; change Render.CPUTargetPercent in stacks/`,
		`render: CPU request 0 is not above zero; set Render.CPURequest in stacks/`,
		`render: memory request 0Mi is not above zero; set Render.MemoryRequest in stacks/`,
		`render: prewarm schedule "" has 0 fields, wanted minute, hour, day of month, month and day of week with one space between; mend Render.Prewarm.Schedule in stacks/`,
		`render: prewarm time zone "" is not an IANA name like Europe/Paris; set Render.Prewarm.TimeZone in stacks/`,
		`render: declared peak of 0 requests a second is not from 1 to 1000000; set Render.PeakPerSecond in stacks/`,
		`render: 0s of processor time a request is not from 1µs to 10s; measure it and set Render.CPUPerRequest in stacks/`,
		`database: none, and only a sandbox may go without; set Database.Engine to postgresql in stacks/`,
		`dns: zone "" is not a domain name; set DNS.Zone in stacks/`,
		`budget: the monthly limit 0.00 is not in EUR, as the prices are; mend it in stacks/`,
		`budget: the setup limit 0.00 is not in EUR, as the prices are; mend it in stacks/`,
	}},
}
