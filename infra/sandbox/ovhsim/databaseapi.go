package ovhsim

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// The answers have the shapes that OVH's guides and its Terraform provider show; there was no OpenAPI description of /cloud to hold them against.

func (c *call) project() error {
	if c.param("serviceName") != CloudProject {
		return noObject("serviceName", c.param("serviceName"))
	}
	return nil
}

func (c *call) cluster() (*managed, error) {
	if err := c.project(); err != nil {
		return nil, err
	}
	d := c.s.st.Databases[c.param("clusterId")]
	if d == nil || !uuidLike(c.param("clusterId")) {
		return nil, noObject("clusterId", c.param("clusterId"))
	}
	return d, nil
}

// settled is a cluster on which nothing is under way; OVH refuses changes of any other.
func (c *call) settled() (*managed, error) {
	d, err := c.cluster()
	if err != nil {
		return nil, err
	}
	if d.Status != "READY" {
		return nil, refusal(409, "Client::Conflict", "Service is %s, operation not allowed", d.Status)
	}
	return d, nil
}

func (c *call) listDatabaseServices() (any, error) {
	if err := c.project(); err != nil {
		return nil, err
	}
	out := sortedKeys(c.s.st.Databases)
	if out == nil {
		out = []string{}
	}
	return out, nil
}

func (c *call) renderDatabase(d *managed) object {
	endpoints := []object{}
	if d.Endpoint != nil {
		endpoints = append(endpoints, object{
			"component": "postgresql", "domain": d.Endpoint.Host, "path": "/" + DefaultDatabase, "port": d.Endpoint.Port, "scheme": "postgres", "ssl": true,
			"sslMode": "require", "uri": nil,
		})
	}
	nodes := []object{}
	for range d.Nodes {
		nodes = append(nodes, object{"flavor": d.Flavor, "region": d.Region, "status": d.Status})
	}
	restrictions := []object{}
	for _, r := range d.Allowed {
		restrictions = append(restrictions, object{"ip": r.IP, "description": r.Description, "status": "READY"})
	}
	return object{
		"id": d.ID, "createdAt": stamp(d.Created), "description": d.Description, "status": d.Status, "engine": "postgresql", "category": "operational", "plan": d.Plan,
		"version": d.Version, "flavor": d.Flavor, "region": d.Region, "nodeNumber": d.Nodes, "nodes": nodes, "endpoints": endpoints, "networkType": "public",
		"networkId": nil, "subnetId": nil, "disk": object{"size": d.Disk, "type": "high-speed"}, "backupTime": "03:00:00", "maintenanceTime": "04:00:00",
		"ipRestrictions": restrictions, "deletionProtection": false,
	}
}

func (c *call) getDatabaseService() (any, error) {
	d, err := c.cluster()
	if err != nil {
		return nil, err
	}
	return c.renderDatabase(d), nil
}

func validRestrictions(list []restriction) error {
	for _, r := range list {
		if n, err := netip.ParsePrefix(r.IP); err != nil || n.Masked() != n {
			return badRequest("Client::BadRequest", "[ipRestrictions] Given data (%s) is not valid for type ipBlock", r.IP)
		}
	}
	return nil
}

func (c *call) createDatabaseService() (any, error) {
	if err := c.project(); err != nil {
		return nil, err
	}
	var in struct {
		Description  string `json:"description"`
		Plan         string `json:"plan"`
		Version      string `json:"version"`
		NodesPattern struct {
			Flavor string `json:"flavor"`
			Number int    `json:"number"`
			Region string `json:"region"`
		} `json:"nodesPattern"`
		Disk *struct {
			Size int `json:"size"`
		} `json:"disk"`
		IPRestrictions []restriction `json:"ipRestrictions"`
		ForkFrom       *struct {
			ServiceID   string  `json:"serviceId"`
			BackupID    string  `json:"backupId"`
			PointInTime *string `json:"pointInTime"`
		} `json:"forkFrom"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := validRestrictions(in.IPRestrictions); err != nil {
		return nil, err
	}
	offer := findOffer(in.Plan, in.Version, in.NodesPattern.Flavor, in.NodesPattern.Region)
	if offer == nil || in.NodesPattern.Number < offer.minimum || in.NodesPattern.Number > offer.maximum {
		return nil, badRequest("Client::BadRequest", "No availability found for plan %s, version %s, %d nodes of flavor %s in region %s", in.Plan, in.Version, in.NodesPattern.Number,
			in.NodesPattern.Flavor, in.NodesPattern.Region)
	}
	d := &managed{
		ID: c.s.st.uuid("database"), Description: in.Description, Plan: in.Plan, Version: in.Version, Flavor: in.NodesPattern.Flavor, Region: in.NodesPattern.Region,
		Nodes: in.NodesPattern.Number, Disk: offer.disk, Status: "PENDING", Created: c.now, Next: c.now.Add(c.s.delays.Database), Allowed: in.IPRestrictions,
	}
	if in.Disk != nil && in.Disk.Size > 0 {
		d.Disk = in.Disk.Size
	}
	if from := in.ForkFrom; from != nil {
		source := c.s.st.Databases[from.ServiceID]
		if source == nil {
			return nil, noObject("forkFrom.serviceId", from.ServiceID)
		}
		if from.PointInTime != nil {
			return nil, badRequest("Client::BadRequest", "pointInTime is not simulated; fork from a backup")
		}
		if !slices.ContainsFunc(source.Backups, func(b *backup) bool { return b.ID == from.BackupID && b.Status == "READY" }) {
			return nil, noObject("forkFrom.backupId", from.BackupID)
		}
		if in.Version < source.Version {
			return nil, badRequest("Client::BadRequest", "A fork cannot have an older version (%s) than its source (%s)", in.Version, source.Version)
		}
		d.From = &DatabaseBackup{Cluster: source.ID, Backup: from.BackupID}
		for _, u := range source.Users { // a fork brings its source's users, with their passwords
			d.Users = append(d.Users, &databaseUser{ID: c.s.st.uuid("user"), Name: u.Name, Status: "READY", Created: c.now})
		}
		for _, l := range source.Databases {
			d.Databases = append(d.Databases, &logical{ID: c.s.st.uuid("logical"), Name: l.Name})
		}
	} else {
		d.Users = []*databaseUser{{ID: c.s.st.uuid("user"), Name: DatabaseAdmin, Status: "PENDING", Created: c.now, Password: newPassword()}}
		d.Databases = []*logical{{ID: c.s.st.uuid("logical"), Name: DefaultDatabase}}
	}
	c.s.st.Databases[d.ID] = d
	return c.renderDatabase(d), nil
}

func newPassword() string { return rand.Text() }

func (c *call) putDatabaseService() (any, error) {
	d, err := c.settled()
	if err != nil {
		return nil, err
	}
	var in struct {
		Description *string `json:"description"`
		Plan        *string `json:"plan"`
		Flavor      *string `json:"flavor"`
		Version     *string `json:"version"`
		Disk        *struct {
			Size int `json:"size"`
		} `json:"disk"`
		IPRestrictions *[]restriction `json:"ipRestrictions"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	next := *d
	for _, x := range []struct {
		to *string
		v  *string
	}{{&next.Description, in.Description}, {&next.Plan, in.Plan}, {&next.Flavor, in.Flavor}, {&next.Version, in.Version}} {
		if x.v != nil {
			*x.to = *x.v
		}
	}
	if in.Disk != nil {
		next.Disk = in.Disk.Size
	}
	if in.IPRestrictions != nil {
		if err := validRestrictions(*in.IPRestrictions); err != nil {
			return nil, err
		}
		next.Allowed = *in.IPRestrictions
	}
	if offer := findOffer(next.Plan, next.Version, next.Flavor, next.Region); offer == nil || next.Nodes < offer.minimum || next.Nodes > offer.maximum {
		return nil, badRequest("Client::BadRequest", "No availability found for plan %s, version %s, flavor %s", next.Plan, next.Version, next.Flavor)
	}
	*d = next
	c.s.update(d)
	return c.renderDatabase(d), nil
}

func (c *call) deleteDatabaseService() (any, error) {
	d, err := c.cluster()
	if err != nil {
		return nil, err
	}
	if d.Status != "DELETING" {
		c.s.endDatabase(d)
	}
	return nil, nil
}

func (c *call) databaseCertificates() (any, error) {
	d, err := c.cluster()
	if err != nil {
		return nil, err
	}
	if d.Endpoint == nil {
		return nil, refusal(409, "Client::Conflict", "Service is %s, operation not allowed", d.Status)
	}
	return object{"ca": d.Endpoint.Authority}, nil
}

func (c *call) listBackups() (any, error) {
	d, err := c.cluster()
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, b := range slices.Backward(d.Backups) {
		out = append(out, b.ID)
	}
	return out, nil
}

func (c *call) getBackup() (any, error) {
	d, err := c.cluster()
	if err != nil {
		return nil, err
	}
	for _, b := range d.Backups {
		if b.ID == c.param("backupId") {
			return object{
				"id": b.ID, "createdAt": stamp(b.Created), "description": "automatic", "type": "automatic", "status": b.Status, "region": d.Region,
				"regions": []object{{"name": d.Region, "status": b.Status}}, "size": object{"unit": "B", "value": b.Bytes},
			}, nil
		}
	}
	return nil, noObject("backupId", c.param("backupId"))
}

func (d *managed) user(id string) (*databaseUser, error) {
	i := slices.IndexFunc(d.Users, func(u *databaseUser) bool { return u.ID == id })
	if i < 0 {
		return nil, noObject("userId", id)
	}
	return d.Users[i], nil
}

func renderUser(u *databaseUser, password string) object {
	out := object{"id": u.ID, "username": u.Name, "status": u.Status, "createdAt": stamp(u.Created), "roles": []string{}}
	if password != "" {
		out["password"] = password
	}
	return out
}

func (c *call) listDatabaseUsers() (any, error) {
	d, err := c.cluster()
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, u := range d.Users {
		out = append(out, u.ID)
	}
	return out, nil
}

func (c *call) getDatabaseUser() (any, error) {
	d, err := c.cluster()
	if err != nil {
		return nil, err
	}
	u, err := d.user(c.param("userId"))
	if err != nil {
		return nil, err
	}
	return renderUser(u, ""), nil
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,62}$`)

func (c *call) createDatabaseUser() (any, error) {
	d, err := c.settled()
	if err != nil {
		return nil, err
	}
	var in struct {
		Name  string   `json:"name"`
		Roles []string `json:"roles"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if !plainName.MatchString(in.Name) {
		return nil, badRequest("Client::BadRequest", "[name] Given data (%s) is not valid", in.Name)
	}
	if slices.ContainsFunc(d.Users, func(u *databaseUser) bool { return u.Name == in.Name }) {
		return nil, refusal(409, "Client::Conflict", "User %s already exists", in.Name)
	}
	u := &databaseUser{ID: c.s.st.uuid("user"), Name: in.Name, Status: "PENDING", Created: c.now, Password: newPassword()}
	d.Users = append(d.Users, u)
	out := renderUser(u, u.Password)
	c.s.setPassword(d, u)
	return out, nil
}

func (c *call) resetDatabaseUser() (any, error) {
	d, err := c.settled()
	if err != nil {
		return nil, err
	}
	u, err := d.user(c.param("userId"))
	if err != nil {
		return nil, err
	}
	u.Status, u.Password = "UPDATING", newPassword()
	out := renderUser(u, u.Password)
	c.s.setPassword(d, u)
	return out, nil
}

func (c *call) deleteDatabaseUser() (any, error) {
	d, err := c.settled()
	if err != nil {
		return nil, err
	}
	u, err := d.user(c.param("userId"))
	if err != nil {
		return nil, err
	}
	if u.Name == DatabaseAdmin {
		return nil, forbidden("User %s cannot be deleted", u.Name)
	}
	d.Users = slices.DeleteFunc(d.Users, func(x *databaseUser) bool { return x == u })
	c.s.databaseWork(d, "drop user", func(ctx context.Context) error { return c.s.databases.DropUser(ctx, d.ID, u.Name) }, func() {})
	return nil, nil
}

func (c *call) listLogical() (any, error) {
	d, err := c.cluster()
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, l := range d.Databases {
		out = append(out, l.ID)
	}
	return out, nil
}

func (c *call) getLogical() (any, error) {
	d, err := c.cluster()
	if err != nil {
		return nil, err
	}
	for _, l := range d.Databases {
		if l.ID == c.param("databaseId") {
			return object{"id": l.ID, "name": l.Name, "default": l.Name == DefaultDatabase}, nil
		}
	}
	return nil, noObject("databaseId", c.param("databaseId"))
}

func (c *call) createLogical() (any, error) {
	d, err := c.settled()
	if err != nil {
		return nil, err
	}
	var in struct {
		Name string `json:"name"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if !plainName.MatchString(in.Name) {
		return nil, badRequest("Client::BadRequest", "[name] Given data (%s) is not valid", in.Name)
	}
	if slices.ContainsFunc(d.Databases, func(l *logical) bool { return l.Name == in.Name }) {
		return nil, refusal(409, "Client::Conflict", "Database %s already exists", in.Name)
	}
	l := &logical{ID: c.s.st.uuid("logical"), Name: in.Name}
	d.Databases = append(d.Databases, l)
	c.s.databaseWork(d, "create database", func(ctx context.Context) error { return c.s.databases.CreateDatabase(ctx, d.ID, l.Name) }, func() {})
	return object{"id": l.ID, "name": l.Name, "default": false}, nil
}

func (c *call) deleteLogical() (any, error) {
	d, err := c.settled()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(d.Databases, func(l *logical) bool { return l.ID == c.param("databaseId") })
	if i < 0 {
		return nil, noObject("databaseId", c.param("databaseId"))
	}
	l := d.Databases[i]
	d.Databases = slices.Delete(d.Databases, i, i+1)
	c.s.databaseWork(d, "drop database", func(ctx context.Context) error { return c.s.databases.DropDatabase(ctx, d.ID, l.Name) }, func() {})
	return nil, nil
}

// databaseOffer is one line of what a project may order.
type databaseOffer struct {
	plan, flavor      string
	minimum, maximum  int // nodes
	disk, largestDisk int // GB
	monthly, storage  int64
}

// The plans exist, with these numbers of nodes; what they cost is not public in a form that could be read here, so the prices are estimates of the right size:
// cents a month for a node, and for a further GB.
var databaseOffers = []databaseOffer{
	{plan: "essential", flavor: "db1-4", minimum: 1, maximum: 1, disk: 80, largestDisk: 80, monthly: 5200},
	{plan: "essential", flavor: "db1-7", minimum: 1, maximum: 1, disk: 160, largestDisk: 160, monthly: 7100},
	{plan: "production", flavor: "b3-8", minimum: 2, maximum: 2, disk: 40, largestDisk: 2000, monthly: 8800, storage: 18},
	{plan: "production", flavor: "b3-16", minimum: 2, maximum: 2, disk: 80, largestDisk: 4000, monthly: 17600, storage: 18},
	{plan: "advanced", flavor: "b3-8", minimum: 3, maximum: 3, disk: 40, largestDisk: 2000, monthly: 9900, storage: 20},
}

var (
	databaseVersions = []string{"15", "16", "17"}
	databaseRegions  = []string{"BHS", "DE", "GRA", "SBG", "UK", "WAW", "EU-WEST-PAR"}
)

func findOffer(plan, version, flavor, region string) *databaseOffer {
	if !slices.Contains(databaseVersions, version) || !slices.Contains(databaseRegions, region) {
		return nil
	}
	i := slices.IndexFunc(databaseOffers, func(o databaseOffer) bool { return o.plan == plan && o.flavor == flavor })
	if i < 0 {
		return nil
	}
	return &databaseOffers[i]
}

func (o databaseOffer) code() string {
	return "postgresql." + o.plan + "." + o.flavor + ".hour.consumption"
}

func (o databaseOffer) storageCode() string {
	return "postgresql." + o.plan + ".additionalstorage-gb.hour.consumption"
}

func (c *call) databaseAvailability() (any, error) {
	if err := c.project(); err != nil {
		return nil, err
	}
	out := []object{}
	for _, o := range databaseOffers {
		for _, version := range databaseVersions {
			for _, region := range databaseRegions {
				out = append(out, object{
					"engine": "postgresql", "version": version, "plan": o.plan, "region": region, "category": "operational", "planCode": o.code(), "planCodeStorage": o.storageCode(),
					"lifecycle": object{"status": "STABLE", "startDate": "2024-01-01", "endOfLife": nil, "endOfSale": nil}, "backups": object{"available": true, "retentionDays": keptBackups},
					"specifications": object{
						"flavor": o.flavor, "network": "public", "nodes": object{"minimum": o.minimum, "maximum": o.maximum},
						"storage": object{"minimum": object{"unit": "GB", "value": o.disk}, "maximum": object{"unit": "GB", "value": o.largestDisk}, "step": object{"unit": "GB", "value": 10}},
					},
				})
			}
		}
	}
	return out, nil
}

// cloudCatalogue has the shape of OVH's catalogue cloud, cut down to databases and instances.
func cloudCatalogue() *catalogue {
	addons := []object{}
	add := func(code string, cents int64) {
		for _, x := range []struct {
			ending string
			price  int64
		}{{".hour.consumption", cents * 1_000_000 / 730}, {".month.consumption", cents * 1_000_000}} {
			addons = append(addons, object{
				"planCode": "databases." + strings.TrimSuffix(code, ".hour.consumption") + x.ending, "product": "publiccloud-database", "invoiceName": "PostgreSQL", "pricings": []object{{
					"capacities": []string{"consumption"}, "description": "consumption", "interval": 1, "intervalUnit": "none", "mode": "default", "phase": 1, "price": x.price,
					"promotions": []object{}, "quantity": object{"max": nil, "min": 1}, "repeat": object{"max": nil, "min": 1},
				}},
			})
		}
	}
	seen := map[string]bool{}
	for _, o := range databaseOffers {
		add(o.code(), o.monthly)
		if o.storage > 0 && !seen[o.storageCode()] {
			seen[o.storageCode()] = true
			add(o.storageCode(), o.storage)
		}
	}
	for _, f := range flavors {
		addons = append(addons, object{
			"planCode": f.code(), "product": "publiccloud-instance", "invoiceName": f.name, "pricings": []object{{
				"capacities": []string{"consumption"}, "description": "consumption", "interval": 1, "intervalUnit": "hour", "mode": "default", "phase": 1, "price": f.hourly * 10_000,
				"promotions": []object{}, "quantity": object{"max": nil, "min": 1}, "repeat": object{"max": nil, "min": 1},
			}},
		})
	}
	raw, err := json.Marshal(object{
		"catalogId": 102, "locale": object{"currencyCode": "EUR", "subsidiary": "FR", "taxRate": 20}, "planFamilies": []object{}, "plans": []object{}, "products": []object{}, "addons": addons,
	})
	if err != nil {
		raw = json.RawMessage(`{"plans":[],"addons":[]}`)
	}
	return &catalogue{raw: raw}
}
