package stacks

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

func (v *validation) edge() {
	edge := v.stack.Edge
	switch edge.TLS {
	case TLSACME:
		if !emailSyntax.MatchString(edge.ACMEEmail) {
			v.wrong("edge: %q is not an e-mail address for the certificate authority; set Edge.ACMEEmail", edge.ACMEEmail)
		}
	case TLSInternal:
		if !v.stack.Sandbox {
			v.wrong("edge: TLS by an authority of its own, which no reader's mail program trusts, in stack %s with real hosts; use acme", v.stack.Name)
		}
		if edge.ACMEEmail != "" {
			v.wrong("edge: e-mail address %s without ACME; clear Edge.ACMEEmail", edge.ACMEEmail)
		}
	default:
		v.wrong("edge: TLS %q is neither acme nor internal; set Edge.TLS", edge.TLS)
	}
	v.certificateStorage()
	v.customers()
	v.reviews()
	v.port("edge: HTTP port", edge.HTTPPort, 1, "Edge.HTTPPort")
	v.port("edge: HTTPS port", edge.HTTPSPort, 1, "Edge.HTTPSPort")
}

// certificateStorage demands a bucket for certificates that readers' programs trust, and none for others.
func (v *validation) certificateStorage() {
	storage := v.stack.Edge.Storage
	if v.stack.Edge.TLS == TLSACME {
		v.bucket("edge", storage, "Edge.Storage", false)
	} else if v.stack.Edge.TLS == TLSInternal && storage != (ObjectStorage{}) {
		v.wrong("edge: storage %s/%s without ACME; clear Edge.Storage", storage.Endpoint, storage.Bucket)
	}
}

// reviews demands that their names are ours, lead nowhere else, and can get a certificate.
func (v *validation) reviews() {
	edge := v.stack.Edge
	switch domain := edge.ReviewDomain; {
	case domain == "":
	case !isDomain(domain) || isDomain(v.stack.DNS.Zone) && !inZone(domain, v.stack.DNS.Zone):
		v.wrong("edge: domain %q for reviews is not a name in the zone %s; change Edge.ReviewDomain", domain, v.stack.DNS.Zone)
	case slices.ContainsFunc(v.stack.DNS.Records, func(r Record) bool { return r.Name == domain || strings.HasSuffix(r.Name, "."+domain) }):
		v.wrong("edge: domain %s for reviews has a record of the stack's own at or below it; change Edge.ReviewDomain", domain)
	case edge.TLS == TLSACME && edge.CustomersDomain == "":
		v.wrong("edge: domain %s for reviews, and nothing that permits their certificates; set Edge.CustomersDomain, whose service does, or clear Edge.ReviewDomain", domain)
	}
}

// customers demands that customers' domains have a name to lead to, and are not ours.
func (v *validation) customers() {
	edge := v.stack.Edge
	switch {
	case edge.CustomersDomain == "":
		if len(edge.Customers) > 0 {
			v.wrong("edge: customers' domains, and no name for them to lead to; set Edge.CustomersDomain or clear Edge.Customers")
		}
		return
	case edge.TLS == TLSInternal:
		v.wrong("edge: domain %s for customers' own domains without ACME, which orders their certificates; clear Edge.CustomersDomain", edge.CustomersDomain)
	case !slices.ContainsFunc(v.stack.DNS.Records, func(r Record) bool { return r.Name == edge.CustomersDomain && r.Role == RoleEdge && !r.Proxied }):
		v.wrong("edge: domain %s for customers' own domains has no record for the edge that is not proxied; add it to DNS.Records", edge.CustomersDomain)
	}
	seen := map[string]bool{}
	for _, domain := range edge.Customers {
		switch {
		case !isDomain(domain):
			v.wrong("customer's domain %q: not a domain name in lower case; mend Edge.Customers", domain)
		case isDomain(v.stack.DNS.Zone) && inZone(domain, v.stack.DNS.Zone):
			v.wrong("customer's domain %s: it is in our own zone %s; add it to DNS.Records instead", domain, v.stack.DNS.Zone)
		case seen[domain]:
			v.wrong("customer's domain %s: described twice; remove one", domain)
		}
		seen[domain] = true
	}
}

func (v *validation) render() {
	r := v.stack.Render
	if !isDomain(r.Domain) {
		v.wrong("render: domain %q is not a domain name; set Render.Domain", r.Domain)
	} else if !slices.ContainsFunc(v.stack.DNS.Records, func(record Record) bool { return record.Name == r.Domain && record.Role == RoleEdge }) {
		v.wrong("render: domain %s has no record for the edge; add it to DNS.Records", r.Domain)
	}
	// The container does not run as root, so it cannot listen below 1024.
	v.port("render: port", r.Port, 1024, "Render.Port")
	if r.MinReplicas < 2 {
		v.wrong("render: %d replicas at least; wanted 2 or more, so that one may be moved: raise Render.MinReplicas", r.MinReplicas)
	} else if r.MaxUnavailable < 1 || r.MaxUnavailable >= r.MinReplicas {
		v.wrong("render: %d replicas may be unavailable, wanted 1 to %d, one less than the least replicas: with 0 a drain hangs; change Render.MaxUnavailable", r.MaxUnavailable, r.MinReplicas-1)
	}
	if r.MaxReplicas < r.MinReplicas {
		v.wrong("render: %d replicas at most and %d at least; raise Render.MaxReplicas", r.MaxReplicas, r.MinReplicas)
	}
	if r.CPUTargetPercent < 1 || r.CPUTargetPercent > 100 {
		v.wrong("render: CPU target %d %% is not from 1 to 100; change Render.CPUTargetPercent", r.CPUTargetPercent)
	}
	if r.CPURequest < 1 {
		v.wrong("render: CPU request %s is not above zero; set Render.CPURequest", r.CPURequest)
	}
	if r.CPULimit < r.CPURequest {
		v.wrong("render: CPU limit %s is below the request %s; raise Render.CPULimit", r.CPULimit, r.CPURequest)
	}
	if r.MemoryRequest < 1 {
		v.wrong("render: memory request %s is not above zero; set Render.MemoryRequest", r.MemoryRequest)
	}
	if r.MemoryLimit < r.MemoryRequest {
		v.wrong("render: memory limit %s is below the request %s; raise Render.MemoryLimit", r.MemoryLimit, r.MemoryRequest)
	}
	if fault := cronFault(r.Prewarm.Schedule); fault != "" {
		v.wrong("render: prewarm schedule %q has %s; mend Render.Prewarm.Schedule", r.Prewarm.Schedule, fault)
	}
	if !timeZoneSyntax.MatchString(r.Prewarm.TimeZone) {
		v.wrong("render: prewarm time zone %q is not an IANA name like Europe/Paris; set Render.Prewarm.TimeZone", r.Prewarm.TimeZone)
	}
}

// The bounds of the declared load keep the arithmetic far from overflow and a slip of units visible.
const (
	maxPeak          = 1_000_000
	maxCPUPerRequest = 10 * time.Second
)

// capacity demands that the peak is carried with any one site lost, by cores, by memory and by the autoscaler's bounds.
func (v *validation) capacity() {
	r := v.stack.Render
	sound := true
	if r.PeakPerSecond < 1 || r.PeakPerSecond > maxPeak {
		sound = false
		v.wrong("render: declared peak of %d requests a second is not from 1 to %d; set Render.PeakPerSecond", r.PeakPerSecond, maxPeak)
	}
	if r.CPUPerRequest < time.Microsecond || r.CPUPerRequest > maxCPUPerRequest {
		sound = false
		v.wrong("render: %s of processor time a request is not from 1µs to %s; measure it and set Render.CPUPerRequest", r.CPUPerRequest, maxCPUPerRequest)
	}
	if r.CPURequest < 1 || r.MemoryRequest < 1 || r.MaxReplicas < 1 || !sound {
		return
	}
	for _, loss := range v.stack.siteLosses() {
		if loss.Usable < loss.Needed {
			v.wrong("render: losing site %s leaves %s usable cores, and the peak of %d requests a second at %s each takes %s; add workers elsewhere or lower Render.PeakPerSecond",
				loss.Site, cores(loss.Usable), r.PeakPerSecond, r.CPUPerRequest, cores(loss.Needed))
		}
		if loss.UsableMemory < loss.NeededMemory {
			v.wrong("render: losing site %s leaves %s usable memory, and %d replicas request %s; add workers elsewhere or lower Render.MaxReplicas",
				loss.Site, loss.UsableMemory, r.MaxReplicas, loss.NeededMemory)
		}
	}
	needed := CPU(int64(r.PeakPerSecond) * r.CPUPerRequest.Microseconds() / 1000)
	if carried := CPU(r.MaxReplicas) * r.CPURequest; carried < needed {
		v.wrong("render: %d replicas request %s cores, and the peak of %d requests a second at %s each takes %s; raise Render.MaxReplicas or Render.CPURequest",
			r.MaxReplicas, cores(carried), r.PeakPerSecond, r.CPUPerRequest, cores(needed))
	}
	// Before added replicas serve, those that always run carry everything.
	if standing := r.Headroom().Standing; r.CPULimit >= r.CPURequest && r.MinReplicas >= 2 && standing < needed {
		v.wrong("render: %d standing replicas may use %s cores, and the peak of %d requests a second at %s each takes %s, so that readers wait for pods to start; raise Render.MinReplicas or Render.CPULimit",
			r.MinReplicas, cores(standing), r.PeakPerSecond, r.CPUPerRequest, cores(needed))
	}
	for _, n := range v.active(RoleWorker) {
		if all := CPU(n.Offer.Cores * 1000); n.Offer.Cores > 0 && r.CPURequest > all {
			v.wrong("render: CPU request %s is more than the %s cores of node %s, so that no replica fits there; lower Render.CPURequest", cores(r.CPURequest), cores(all), n.Name)
		}
	}
}

func (v *validation) data() {
	seen := map[string]bool{}
	hosts := v.active(RoleData)
	for _, service := range v.stack.Data {
		if !isLabel(service.Name) {
			v.wrong("data service %q: the name is not a DNS label that starts with a letter; rename it", service.Name)
		}
		if seen[service.Name] {
			v.wrong("data service %s: described twice; remove one", service.Name)
			continue
		}
		seen[service.Name] = true
		v.port("data service "+service.Name+": port", service.Port, 1024, "its port")
		if !slices.ContainsFunc(hosts, func(n Node) bool { return n.Purpose == service.Name }) {
			v.wrong("data service %s: no active data host has that purpose, so its Service would lead nowhere; add a host or remove it", service.Name)
		}
	}
}

func (v *validation) database() {
	db := v.stack.Database
	if db.Engine == "" {
		if !v.stack.Sandbox {
			v.wrong("database: none, and only a sandbox may go without; set Database.Engine to postgresql")
		}
		if !reflect.ValueOf(db).IsZero() {
			v.wrong("database: version %q and fork of %q without an engine; set Database.Engine to postgresql or clear Database", db.Version, db.ForkOf)
		}
		return
	}
	if db.Engine != "postgresql" {
		v.wrong("database: engine %q is not postgresql; mend Database.Engine", db.Engine)
	}
	if !majorSyntax.MatchString(db.Version) {
		v.wrong("database: version %q is not a major version like 17; set Database.Version", db.Version)
	}
	if !projectSyntax.MatchString(db.Project) {
		v.wrong("database: project %q is not 32 hexadecimal digits; set Database.Project to what OVH's manager shows", db.Project)
	}
	if db.Region == "" || db.Plan == "" || db.Flavor == "" || db.Nodes < 1 {
		v.wrong("database: region %q, plan %q, flavor %q and %d nodes do not say what to order; set all four of Database, like GRA, production, b3-8 and 2", db.Region, db.Plan, db.Flavor, db.Nodes)
	}
	if db.Monthly.Currency != currency || db.Monthly.Units <= 0 {
		v.wrong("database: %s a month is not a price in %s; set Database.Monthly", db.Monthly, currency)
	}
	if !sqlSyntax.MatchString(db.Name) || !sqlSyntax.MatchString(db.User) {
		v.wrong("database: name %q and user %q must be lower-case letters, digits and _; set Database.Name and Database.User", db.Name, db.User)
	}
	v.fork()
}

// fork checks how a database is copied. What the rules say is checked where they are known, by the component.
func (v *validation) fork() {
	db := v.stack.Database
	switch {
	case db.ForkOf == "":
		if db.Generation != 0 || db.Scrubber.IsValid() {
			v.wrong("database: generation %d and scrubber %s are for a fork only; clear both, or set Database.ForkOf", db.Generation, db.Scrubber)
		}
		return
	case db.ForkOf == v.stack.Name:
		v.wrong("database: a fork of the stack's own, %s; clear Database.ForkOf or name another stack", db.ForkOf)
		return
	case !slices.Contains(Names(), db.ForkOf):
		v.wrong("database: a fork of stack %q, which is not described; wanted one of %s: mend Database.ForkOf", db.ForkOf, strings.Join(Names(), ", "))
	}
	if db.Generation < 1 {
		v.wrong("database: generation %d of a fork is below 1; set Database.Generation, and raise it to fork anew", db.Generation)
	}
	if !db.Scrubber.Is4() {
		v.wrong("database: scrubber %s is not an IPv4 address; set Database.Scrubber to that of the machine that runs pulumi up", db.Scrubber)
	}
	if len(db.Scrub) == 0 {
		v.wrong("database: a fork without rules would be production's data in another place; describe what is personal in Database.Scrub")
	}
}

func (v *validation) dns() {
	dns := v.stack.DNS
	switch {
	case !isDomain(dns.Zone):
		v.wrong("dns: zone %q is not a domain name; set DNS.Zone", dns.Zone)
		return
	// RFC 6761 reserves .test: no public resolver answers it, and a sandbox must not publish addresses that are not its own.
	case !zoneIDSyntax.MatchString(dns.ZoneID):
		v.wrong("dns: zone ID %q is not 32 hexadecimal digits; set DNS.ZoneID to what Cloudflare's overview page of %s shows", dns.ZoneID, dns.Zone)
	case v.stack.Sandbox && !inZone(dns.Zone, "test"):
		v.wrong("dns: zone %s of a sandbox is not below .test, which is reserved for that; change DNS.Zone", dns.Zone)
	case !v.stack.Sandbox && inZone(dns.Zone, "test"):
		v.wrong("dns: zone %s is below .test, which no public resolver answers; change DNS.Zone", dns.Zone)
	}
	v.balancing()
	v.frontDoor()
	seen := map[string]bool{}
	for _, record := range dns.Records {
		if !isDomain(record.Name) {
			v.wrong("dns record %q: the name is not a domain name; mend it", record.Name)
		} else if !inZone(record.Name, dns.Zone) {
			v.wrong("dns record %s: the name is not in zone %s; rename it", record.Name, dns.Zone)
		}
		if seen[record.Name] {
			v.wrong("dns record %s: described twice; remove one", record.Name)
			continue
		}
		seen[record.Name] = true
		if nodes := v.active(record.Role); len(nodes) == 0 {
			v.wrong("dns record %s: no active node has role %q, so there is no address to publish; change the role or remove the record", record.Name, record.Role)
		} else if !slices.ContainsFunc(nodes, func(n Node) bool { return !n.Rescue }) {
			v.wrong("dns record %s: every active node with role %q is in the rescue system, so there is no address to publish; boot one after the other, so clear Rescue of one", record.Name, record.Role)
		}
		if record.Balanced && record.Role != RoleEdge {
			v.wrong("dns record %s: balanced over nodes of role %q, and only edge nodes answer for their site; change the role", record.Name, record.Role)
		}
		switch {
		case record.Balanced && !record.Proxied:
			if record.TTL < 30*time.Second || record.TTL > 10*time.Minute || record.TTL%time.Second != 0 {
				v.wrong("dns record %s: TTL %s of a balanced name is not whole seconds from 30s to 10m0s; mend it", record.Name, record.TTL)
			}
		case record.Proxied && record.TTL != 0:
			v.wrong("dns record %s: TTL %s of a proxied record, whose TTL Cloudflare chooses; set it to 0", record.Name, record.TTL)
		case !record.Proxied && (record.TTL < time.Minute || record.TTL > 24*time.Hour || record.TTL%time.Second != 0):
			v.wrong("dns record %s: TTL %s is not whole seconds from 1m0s to 24h0m0s; mend it", record.Name, record.TTL)
		}
	}
}

// balancing demands for balanced records what pools and their monitor need, and nothing of whoever has none.
func (v *validation) balancing() {
	dns := v.stack.DNS
	if !slices.ContainsFunc(dns.Records, func(r Record) bool { return r.Balanced }) {
		if dns.AccountID != "" || dns.CheckInterval != 0 {
			v.wrong("dns: account ID %q and check interval %s without a balanced record; clear DNS.AccountID and DNS.CheckInterval", dns.AccountID, dns.CheckInterval)
		}
		return
	}
	if !zoneIDSyntax.MatchString(dns.AccountID) {
		v.wrong("dns: account ID %q is not 32 hexadecimal digits; set DNS.AccountID to what Cloudflare's overview page of %s shows", dns.AccountID, dns.Zone)
	}
	if dns.CheckInterval < 5*time.Second || dns.CheckInterval > time.Hour || dns.CheckInterval%time.Second != 0 {
		v.wrong("dns: check interval %s is not whole seconds from 5s to 1h0m0s; mend DNS.CheckInterval", dns.CheckInterval)
	}
}

// frontDoor checks the networks whose word on a reader's address is taken. A wide one would take anybody's.
func (v *validation) frontDoor() {
	dns := v.stack.DNS
	if len(dns.FrontDoor) > 0 && !slices.ContainsFunc(dns.Records, func(r Record) bool { return r.Proxied }) {
		v.wrong("dns: networks of a front door without a proxied record; clear DNS.FrontDoor")
	}
	for _, network := range dns.FrontDoor {
		least := 8
		if network.Addr().Is6() {
			least = 16
		}
		if !network.IsValid() || network != network.Masked() || network.Bits() < least {
			v.wrong("dns: front door %s is not a network of at least /8, or /16 for IPv6; mend DNS.FrontDoor", network)
		}
	}
}
