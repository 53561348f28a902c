package ovhsim

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// CloudProject is the one Public Cloud project that the account has.
const CloudProject = "0f3a5c7e9b1d4f6082a4c6e8f0b2d4f6"

// DatabaseAdmin and DefaultDatabase are the user and the database that every managed PostgreSQL begins with.
const (
	DatabaseAdmin   = "avnadmin"
	DefaultDatabase = "defaultdb"
)

// DatabaseEndpoint is where a cluster answers, and the certificate in PEM that signed its own.
type DatabaseEndpoint struct {
	Host      string `json:"host"`
	Port      int    `json:"port"`
	Authority string `json:"authority"`
}

// DatabaseBackup names a backup of a cluster.
type DatabaseBackup struct{ Cluster, Backup string }

// Databases runs the PostgreSQL clusters behind the managed databases. Calls for one cluster never overlap; calls for several do. Every call may be repeated.
type Databases interface {
	// Create makes a cluster and starts it, empty but for DatabaseAdmin and DefaultDatabase, or as the backup has it. Nobody may connect over the network.
	Create(ctx context.Context, cluster string, from *DatabaseBackup) (DatabaseEndpoint, error)
	// Remove stops a cluster and drops its data and its backups. One that is not there is no error.
	Remove(ctx context.Context, cluster string) error
	// Allow says which networks may connect: these and no others.
	Allow(ctx context.Context, cluster string, networks []netip.Prefix) error
	// Backup copies a running cluster.
	Backup(ctx context.Context, cluster, backup string) (bytes int64, err error)
	// SetPassword gives a user a password, and makes the user where there is none.
	SetPassword(ctx context.Context, cluster, user, password string) error
	// DropUser removes a user; what the user owns falls to DatabaseAdmin.
	DropUser(ctx context.Context, cluster, user string) error
	// CreateDatabase makes a database of DatabaseAdmin's.
	CreateDatabase(ctx context.Context, cluster, database string) error
	// DropDatabase drops a database and ends its connections.
	DropDatabase(ctx context.Context, cluster, database string) error
}

// NoDatabases is for previews and tests: everything succeeds at once and nothing answers.
type NoDatabases struct{}

var _ Databases = NoDatabases{}

// noAuthority is a certificate of nobody's.
const noAuthority = "-----BEGIN CERTIFICATE-----\nc2ltdWxhdGVk\n-----END CERTIFICATE-----\n"

// Create does nothing.
func (NoDatabases) Create(_ context.Context, cluster string, _ *DatabaseBackup) (DatabaseEndpoint, error) {
	return DatabaseEndpoint{Host: "postgresql-" + cluster[:8] + ".database.cloud.ovh.example", Port: 20184, Authority: noAuthority}, nil
}

// Remove does nothing.
func (NoDatabases) Remove(context.Context, string) error { return nil }

// Allow does nothing.
func (NoDatabases) Allow(context.Context, string, []netip.Prefix) error { return nil }

// Backup does nothing.
func (NoDatabases) Backup(context.Context, string, string) (int64, error) { return 1 << 20, nil }

// SetPassword does nothing.
func (NoDatabases) SetPassword(context.Context, string, string, string) error { return nil }

// DropUser does nothing.
func (NoDatabases) DropUser(context.Context, string, string) error { return nil }

// CreateDatabase does nothing.
func (NoDatabases) CreateDatabase(context.Context, string, string) error { return nil }

// DropDatabase does nothing.
func (NoDatabases) DropDatabase(context.Context, string, string) error { return nil }

// managed is one PostgreSQL service of the account.
type managed struct {
	ID          string            `json:"id"`
	Description string            `json:"description"`
	Plan        string            `json:"plan"`
	Version     string            `json:"version"`
	Flavor      string            `json:"flavor"`
	Region      string            `json:"region"`
	Nodes       int               `json:"nodes"`
	Disk        int               `json:"disk"`
	Status      string            `json:"status"` // PENDING, CREATING, READY, UPDATING, ERROR, DELETING
	Created     time.Time         `json:"created"`
	Next        time.Time         `json:"next"`       // when the next state is due; zero while a cluster works, or when nothing is planned
	NextBackup  time.Time         `json:"nextBackup"` // of those that OVH makes by itself, one a day
	Allowed     []restriction     `json:"allowed"`
	From        *DatabaseBackup   `json:"from"`
	Endpoint    *DatabaseEndpoint `json:"endpoint"`
	Users       []*databaseUser   `json:"users"`
	Databases   []*logical        `json:"databases"`
	Backups     []*backup         `json:"backups"` // the oldest first
	Fault       string            `json:"fault"`
}

type restriction struct {
	IP          string `json:"ip"`
	Description string `json:"description"`
}

type databaseUser struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Status   string    `json:"status"` // PENDING, READY, UPDATING, DELETING
	Created  time.Time `json:"created"`
	Password string    `json:"password"` // until the cluster has it
}

type logical struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type backup struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Status  string    `json:"status"`
	Bytes   int64     `json:"bytes"`
}

// keptBackups is how many daily backups a plan keeps.
const keptBackups = 14

// networks are those that may connect.
func (d *managed) networks() []netip.Prefix {
	var out []netip.Prefix
	for _, r := range d.Allowed {
		if n, err := netip.ParsePrefix(r.IP); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// settleDatabases does what is due with the databases, and hands the times of what is not to due.
func (s *Simulator) settleDatabases(due func(time.Time) bool) (changed bool) {
	for _, id := range sortedKeys(s.st.Databases) {
		d := s.st.Databases[id]
		if due(d.Next) {
			s.stepDatabase(d)
			changed = true
		}
		if d.Status == "READY" && due(d.NextBackup) {
			s.backUp(d)
			changed = true
		}
	}
	return changed
}

// stepDatabase moves a service to its next state. PENDING and CREATING last Delays.Database each, and CREATING as long as its cluster needs.
func (s *Simulator) stepDatabase(d *managed) {
	d.Next = zeroTime
	switch d.Status {
	case "PENDING":
		d.Status = "CREATING"
		s.createCluster(d)
	case "CREATING", "UPDATING":
		d.Status = "READY"
		if d.NextBackup.IsZero() {
			d.NextBackup = s.now().Add(s.delays.Database)
		}
	}
}

// work lets a cluster do something without the simulator's lock. What stops with the simulator is begun again by resumeDatabases.
func (s *Simulator) databaseWork(d *managed, what string, f func(context.Context) error, done func()) {
	s.background(s.ctx, "database "+d.ID, f, func(err error) {
		if s.ctx.Err() != nil {
			return
		}
		if err != nil {
			s.log.Error("database", "service", d.ID, "work", what, "error", err)
			d.Status, d.Fault = "ERROR", what+": "+err.Error()
		} else {
			done()
		}
		s.keep()
	})
}

func (s *Simulator) createCluster(d *managed) {
	s.databaseWork(d, "create", func(ctx context.Context) error {
		endpoint, err := s.databases.Create(ctx, d.ID, d.From)
		if err != nil {
			return err
		}
		if err := s.databases.Allow(ctx, d.ID, d.networks()); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		d.Endpoint = &endpoint
		return nil
	}, func() {
		s.log.Info("database", "service", d.ID, "host", d.Endpoint.Host, "port", d.Endpoint.Port)
		if d.Status == "CREATING" {
			d.Next = s.now().Add(s.delays.Database)
		}
		for _, u := range d.Users {
			if u.Password != "" { // a cluster that is started again has the others' passwords
				s.setPassword(d, u)
			}
		}
	})
}

// update tells the cluster who may connect; the service is UPDATING meanwhile.
func (s *Simulator) update(d *managed) {
	d.Status = "UPDATING"
	networks := d.networks()
	s.databaseWork(d, "allow", func(ctx context.Context) error { return s.databases.Allow(ctx, d.ID, networks) }, func() {
		if d.Status == "UPDATING" {
			d.Next = s.now().Add(s.delays.Task)
		}
	})
}

func (s *Simulator) setPassword(d *managed, u *databaseUser) {
	password := u.Password
	s.databaseWork(d, "user", func(ctx context.Context) error { return s.databases.SetPassword(ctx, d.ID, u.Name, password) }, func() {
		if u.Password == password { // no newer one came meanwhile
			u.Status, u.Password = "READY", ""
		}
	})
}

// backUp copies the cluster, as OVH does once a day.
func (s *Simulator) backUp(d *managed) {
	d.NextBackup = s.now().AddDate(0, 0, 1)
	b := &backup{ID: s.st.uuid("backup"), Created: s.now(), Status: "CREATING"}
	d.Backups = append(d.Backups, b)
	if n := len(d.Backups); n > keptBackups {
		d.Backups = d.Backups[n-keptBackups:]
	}
	var size int64
	s.databaseWork(d, "backup", func(ctx context.Context) (err error) {
		size, err = s.databases.Backup(ctx, d.ID, b.ID)
		return err
	}, func() { b.Status, b.Bytes = "READY", size })
}

func (s *Simulator) endDatabase(d *managed) {
	d.Status, d.Next, d.NextBackup = "DELETING", zeroTime, zeroTime
	s.databaseWork(d, "remove", func(ctx context.Context) error { return s.databases.Remove(ctx, d.ID) }, func() { delete(s.st.Databases, d.ID) })
}

// resumeDatabases starts the clusters again that a former process ran, and takes up what it left undone.
func (s *Simulator) resumeDatabases() {
	for _, id := range sortedKeys(s.st.Databases) {
		d := s.st.Databases[id]
		switch {
		case d.Status == "DELETING":
			s.endDatabase(d)
		case d.Status != "PENDING" && d.Status != "ERROR":
			s.createCluster(d)
			if d.Status == "UPDATING" && d.Next.IsZero() {
				s.update(d)
			}
		}
		d.Backups = slices.DeleteFunc(d.Backups, func(b *backup) bool { return b.Status != "READY" })
	}
}

// HeldDatabase is a managed PostgreSQL that somebody else than the caller's stack ordered.
type HeldDatabase struct {
	Description, Plan, Version, Flavor, Region string
	Nodes                                      int
}

// HoldDatabase puts a database into the account that is ready and has one backup, for previews of what is forked from it. No cluster is made for it.
func (s *Simulator) HoldDatabase(h HeldDatabase) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	offer := findOffer(h.Plan, h.Version, h.Flavor, h.Region)
	if offer == nil || h.Nodes < offer.minimum || h.Nodes > offer.maximum {
		return fmt.Errorf("database %s: plan %s, version %s and %d nodes of flavor %s are not sold in region %s; see databaseOffers", h.Description, h.Plan, h.Version, h.Nodes, h.Flavor, h.Region)
	}
	d := &managed{
		ID: s.st.uuid("database"), Description: h.Description, Plan: h.Plan, Version: h.Version, Flavor: h.Flavor, Region: h.Region, Nodes: h.Nodes, Disk: offer.disk, Status: "READY",
		Created: s.now(), Allowed: []restriction{}, Backups: []*backup{{ID: s.st.uuid("backup"), Created: s.now(), Status: "READY", Bytes: 1 << 20}},
	}
	s.st.Databases[d.ID] = d
	s.keep()
	return s.saveErr
}

// DatabaseView is a managed PostgreSQL as the control address shows it.
type DatabaseView struct {
	ID          string            `json:"id"`
	Description string            `json:"description"`
	Status      string            `json:"status"`
	Plan        string            `json:"plan"`
	Flavor      string            `json:"flavor"`
	Allowed     []string          `json:"allowed"`
	ForkOf      string            `json:"forkOf"`
	Backups     int               `json:"backups"` // that can be restored
	Endpoint    *DatabaseEndpoint `json:"endpoint"`
	Fault       string            `json:"fault,omitempty"`
}

// Databases lists the account's managed databases.
func (s *Simulator) Databases() []DatabaseView {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	out := []DatabaseView{}
	for _, id := range sortedKeys(s.st.Databases) {
		d := s.st.Databases[id]
		view := DatabaseView{ID: d.ID, Description: d.Description, Status: d.Status, Plan: d.Plan, Flavor: d.Flavor, Allowed: []string{}, Fault: d.Fault}
		for _, r := range d.Allowed {
			view.Allowed = append(view.Allowed, r.IP)
		}
		for _, b := range d.Backups {
			if b.Status == "READY" {
				view.Backups++
			}
		}
		if d.From != nil {
			view.ForkOf = d.From.Cluster
		}
		if d.Endpoint != nil {
			e := *d.Endpoint
			view.Endpoint = &e
		}
		out = append(out, view)
	}
	return out
}

// BackUpDatabase makes the backup of a service that OVH would make tonight.
func (s *Simulator) BackUpDatabase(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.st.Databases[id]
	if d == nil || d.Status != "READY" {
		return fmt.Errorf("database %s: is not there or not ready; GET /databases lists them", id)
	}
	s.backUp(d)
	s.keep()
	return nil
}

// uuidLike is what a service's id looks like, so that a slip in a path is a 404 and not a search.
func uuidLike(text string) bool { return len(text) == 36 && strings.Count(text, "-") == 4 }
