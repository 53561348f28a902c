package api

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"havre/components/ovh/order"
)

// The shapes below are from OVH's published guides for Public Cloud Databases (order by API, backups and forks, migration between generations), from OVH's
// Terraform provider and from the manager's own price arithmetic; OVH's OpenAPI description of /cloud is not at hand here.

// DatabaseEndpoint is where a database answers.
type DatabaseEndpoint struct {
	Component string `json:"component"` // "postgresql" is the primary; read replicas and pools have other words
	Domain    string `json:"domain"`
	Port      int    `json:"port"`
	SSLMode   string `json:"sslMode"`
}

// IPRestriction is a network that may connect. None may when the list is empty.
type IPRestriction struct {
	IP          string `json:"ip"` // CIDR
	Description string `json:"description"`
}

// DatabaseService is a managed PostgreSQL.
type DatabaseService struct {
	ID           string             `json:"id"`
	Description  string             `json:"description"` // what the manager shows as its name; our mark
	Status       string             `json:"status"`      // PENDING, CREATING, READY, UPDATING, LOCKED, ERROR, DELETING, …
	Plan         string             `json:"plan"`
	Flavor       string             `json:"flavor"`
	Version      string             `json:"version"`
	Region       string             `json:"region"`
	NodeNumber   int                `json:"nodeNumber"`
	CreatedAt    string             `json:"createdAt"`
	Disk         DatabaseDisk       `json:"disk"`
	Endpoints    []DatabaseEndpoint `json:"endpoints"`
	Restrictions []IPRestriction    `json:"ipRestrictions"`
}

// DatabaseDisk is the storage of each node.
type DatabaseDisk struct {
	Size int    `json:"size"` // GB
	Type string `json:"type,omitempty"`
}

// Primary is the endpoint that takes writes; false before the service has one.
func (s DatabaseService) Primary() (DatabaseEndpoint, bool) {
	i := slices.IndexFunc(s.Endpoints, func(e DatabaseEndpoint) bool { return e.Component == "postgresql" && e.Domain != "" })
	if i < 0 {
		return DatabaseEndpoint{}, false
	}
	return s.Endpoints[i], true
}

// NewDatabase is what a service is made of.
type NewDatabase struct {
	Description  string          `json:"description"`
	Plan         string          `json:"plan"`
	Version      string          `json:"version"`
	NodesPattern NodesPattern    `json:"nodesPattern"`
	Disk         *DatabaseDisk   `json:"disk,omitempty"`
	Restrictions []IPRestriction `json:"ipRestrictions"` // empty and not left out: OVH's own form fills a fork's with those of its source
	ForkFrom     *ForkFrom       `json:"forkFrom,omitempty"`
}

// NodesPattern is how many nodes of which size stand where.
type NodesPattern struct {
	Flavor string `json:"flavor"`
	Number int    `json:"number"`
	Region string `json:"region"`
}

// ForkFrom names a backup of a service.
type ForkFrom struct {
	ServiceID string `json:"serviceId"`
	BackupID  string `json:"backupId"`
}

// DatabaseBackup is a copy that OVH made by itself.
type DatabaseBackup struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	Status    string    `json:"status"` // READY when it can be forked from
	Size      struct {
		Unit  string  `json:"unit"`
		Value float64 `json:"value"`
	} `json:"size"`
}

// DatabaseUser is a login of a service. The password is in the answers that make or reset it, and in no other.
type DatabaseUser struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Status   string `json:"status"`
	Password string `json:"password"`
}

// LogicalDatabase is one database of a service.
type LogicalDatabase struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func postgresql(project string, more ...string) string {
	path := "/cloud/project/" + url.PathEscape(project) + "/database/postgresql"
	for _, m := range more {
		path += "/" + url.PathEscape(m)
	}
	return path
}

// Databases reads all PostgreSQL services of a project. One that ends between two calls is left out.
func (c *Client) Databases(ctx context.Context, project string) ([]DatabaseService, error) {
	var ids []string
	if err := c.get(ctx, postgresql(project), &ids); err != nil {
		return nil, err
	}
	var out []DatabaseService
	for _, id := range ids {
		s, err := c.Database(ctx, project, id)
		if IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Database reads one service.
func (c *Client) Database(ctx context.Context, project, id string) (DatabaseService, error) {
	var out DatabaseService
	return out, c.get(ctx, postgresql(project, id), &out)
}

// CreateDatabase orders a service, which costs money from then on. Never repeated: look for its description when the answer did not come.
func (c *Client) CreateDatabase(ctx context.Context, project string, n NewDatabase) (DatabaseService, error) {
	var out DatabaseService
	if n.Restrictions == nil {
		n.Restrictions = []IPRestriction{}
	}
	return out, c.post(ctx, postgresql(project), n, &out)
}

// ChangeDatabase writes some of description, plan, flavor, version, disk and ipRestrictions; what it is not told stays.
func (c *Client) ChangeDatabase(ctx context.Context, project, id string, change map[string]any) error {
	return c.put(ctx, postgresql(project, id), change)
}

// DeleteDatabase ends a service and its backups.
func (c *Client) DeleteDatabase(ctx context.Context, project, id string) error {
	return c.delete(ctx, postgresql(project, id))
}

// Restrict says who may connect: exactly these networks, or nobody.
func (c *Client) Restrict(ctx context.Context, project, id string, networks []netip.Prefix, description string) error {
	list := make([]IPRestriction, 0, len(networks))
	for _, n := range networks {
		list = append(list, IPRestriction{IP: n.String(), Description: description})
	}
	return c.ChangeDatabase(ctx, project, id, map[string]any{"ipRestrictions": list})
}

// DatabaseBackups lists a service's backups, the newest first.
func (c *Client) DatabaseBackups(ctx context.Context, project, id string) ([]DatabaseBackup, error) {
	var ids []string
	if err := c.get(ctx, postgresql(project, id, "backup"), &ids); err != nil {
		return nil, err
	}
	var out []DatabaseBackup
	for _, b := range ids {
		var backup DatabaseBackup
		err := c.get(ctx, postgresql(project, id, "backup", b), &backup)
		if IsNotFound(err) {
			continue // its time was over
		}
		if err != nil {
			return nil, err
		}
		out = append(out, backup)
	}
	slices.SortStableFunc(out, func(a, b DatabaseBackup) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return out, nil
}

// DatabaseUsers lists a service's users.
func (c *Client) DatabaseUsers(ctx context.Context, project, id string) ([]DatabaseUser, error) {
	var ids []string
	if err := c.get(ctx, postgresql(project, id, "user"), &ids); err != nil {
		return nil, err
	}
	var out []DatabaseUser
	for _, u := range ids {
		user, err := c.DatabaseUser(ctx, project, id, u)
		if IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, user)
	}
	return out, nil
}

// DatabaseUser reads a user, without the password.
func (c *Client) DatabaseUser(ctx context.Context, project, id, user string) (DatabaseUser, error) {
	var out DatabaseUser
	return out, c.get(ctx, postgresql(project, id, "user", user), &out)
}

// CreateDatabaseUser makes a user and gives the password. A lost answer is mended by ResetDatabaseUser.
func (c *Client) CreateDatabaseUser(ctx context.Context, project, id, name string) (DatabaseUser, error) {
	var out DatabaseUser
	return out, c.post(ctx, postgresql(project, id, "user"), map[string]any{"name": name, "roles": []string{}}, &out)
}

// ResetDatabaseUser gives a user a new password. The old one stops at once, so it may be repeated.
func (c *Client) ResetDatabaseUser(ctx context.Context, project, id, user string) (DatabaseUser, error) {
	var out DatabaseUser
	return out, c.postAgain(ctx, postgresql(project, id, "user", user, "credentials", "reset"), nil, &out)
}

// DeleteDatabaseUser removes a user.
func (c *Client) DeleteDatabaseUser(ctx context.Context, project, id, user string) error {
	return c.delete(ctx, postgresql(project, id, "user", user))
}

// LogicalDatabases lists the databases of a service.
func (c *Client) LogicalDatabases(ctx context.Context, project, id string) ([]LogicalDatabase, error) {
	var ids []string
	if err := c.get(ctx, postgresql(project, id, "database"), &ids); err != nil {
		return nil, err
	}
	var out []LogicalDatabase
	for _, d := range ids {
		var db LogicalDatabase
		err := c.get(ctx, postgresql(project, id, "database", d), &db)
		if IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, db)
	}
	return out, nil
}

// CreateLogicalDatabase makes a database. IsConflict: it is there.
func (c *Client) CreateLogicalDatabase(ctx context.Context, project, id, name string) (LogicalDatabase, error) {
	var out LogicalDatabase
	return out, c.post(ctx, postgresql(project, id, "database"), map[string]any{"name": name}, &out)
}

// DeleteLogicalDatabase drops a database and what is in it.
func (c *Client) DeleteLogicalDatabase(ctx context.Context, project, id, database string) error {
	return c.delete(ctx, postgresql(project, id, "database", database))
}

// DatabaseAuthority is the certificate, in PEM, that signed the service's.
func (c *Client) DatabaseAuthority(ctx context.Context, project, id string) (string, error) {
	var out struct {
		CA string `json:"ca"`
	}
	return out.CA, c.get(ctx, postgresql(project, id, "certificates"), &out)
}

// DatabaseOffer is one line of what can be ordered, and how it is priced.
type DatabaseOffer struct {
	Engine          string `json:"engine"`
	Version         string `json:"version"`
	Plan            string `json:"plan"`
	Region          string `json:"region"`
	PlanCode        string `json:"planCode"`
	PlanCodeStorage string `json:"planCodeStorage"`
	Specifications  struct {
		Flavor string `json:"flavor"`
		Nodes  struct {
			Minimum int `json:"minimum"`
			Maximum int `json:"maximum"`
		} `json:"nodes"`
		Storage *struct {
			Minimum struct {
				Value int `json:"value"`
			} `json:"minimum"`
			Maximum struct {
				Value int `json:"value"`
			} `json:"maximum"`
		} `json:"storage"`
	} `json:"specifications"`
}

// DatabaseOffers lists what a project may order of PostgreSQL.
func (c *Client) DatabaseOffers(ctx context.Context, project string) ([]DatabaseOffer, error) {
	var all, out []DatabaseOffer
	if err := c.get(ctx, "/cloud/project/"+url.PathEscape(project)+"/database/availability", &all); err != nil {
		return nil, err
	}
	for _, o := range all {
		if o.Engine == "postgresql" {
			out = append(out, o)
		}
	}
	return out, nil
}

// ConsumptionPrice is what one unit of a Public Cloud plan code costs a month, net, with the catalogue that says so. Such codes end in .hour.consumption or
// have no ending; the price of a month is a line of its own.
func (c *Client) ConsumptionPrice(ctx context.Context, code string) (order.Money, *Catalogue, error) {
	account, err := c.Account(ctx)
	if err != nil {
		return 0, nil, err
	}
	cat, err := c.Catalogue(ctx, "cloud", account.Subsidiary)
	if err != nil {
		return 0, nil, err
	}
	monthly := "databases." + strings.TrimSuffix(code, ".hour.consumption") + ".month.consumption"
	for _, a := range cat.Addons {
		if a.PlanCode == monthly && len(a.Pricings) > 0 {
			return order.Money(a.Pricings[0].Price), cat, nil
		}
	}
	return 0, nil, fmt.Errorf("plan code %q has no price in catalogue cloud; look it up in OVH's price list", monthly)
}
