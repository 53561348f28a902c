package ovhsim

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const databasePath = "/cloud/project/" + CloudProject + "/database/postgresql"

func wishedDatabase() map[string]any {
	return map[string]any{
		"description": "mine", "plan": "production", "version": "17", "nodesPattern": map[string]any{"flavor": "b3-8", "number": 2, "region": "GRA"},
		"ipRestrictions": []map[string]any{{"ip": "198.51.100.11/32", "description": "a node"}},
	}
}

// bring makes a service and waits until it is ready.
func (b *bench) bring(body map[string]any) string {
	b.t.Helper()
	var made struct{ ID, Status string }
	b.call("POST", databasePath, body, &made)
	if made.Status != "PENDING" {
		b.t.Errorf("status %s, wanted PENDING", made.Status)
	}
	b.ready(made.ID)
	return databasePath + "/" + made.ID
}

func (b *bench) ready(id string) {
	b.t.Helper()
	b.wait("database", func() bool {
		var got struct{ Status string }
		b.call("GET", databasePath+"/"+id, nil, &got)
		return got.Status == "READY"
	})
}

// databases shows every answer about managed databases.
func (o *tour) databases() {
	availability := "/cloud/project/" + CloudProject + "/database/availability"
	var offers []map[string]any
	o.call("GET", availability, nil, &offers)
	if len(offers) != len(databaseOffers)*len(databaseVersions)*len(databaseRegions) {
		o.t.Errorf("%d offers", len(offers))
	}
	o.seen[Route{"GET", "/cloud/project/{serviceName}/database/availability"}] = true // too long for a golden
	id, _ := o.show("POST", databasePath, wishedDatabase())["id"].(string)
	o.ready(id)
	path := databasePath + "/" + id
	o.show("GET", databasePath, nil)
	o.show("GET", path, nil)
	o.show("GET", path+"/certificates", nil)
	o.wait("backup", func() bool { return len(o.sim.Databases()) == 1 && o.sim.Databases()[0].Backups == 1 })
	o.show("GET", path+"/backup", nil)
	var backups, users, databases []string
	o.call("GET", path+"/backup", nil, &backups)
	o.show("GET", path+"/backup/"+backups[0], nil)

	var user struct{ ID, Password string }
	o.call("POST", path+"/user", map[string]any{"name": "reporting", "roles": []string{}}, &user)
	var reset struct{ ID, Password string }
	o.call("POST", path+"/user/"+user.ID+"/credentials/reset", nil, &reset)
	if user.Password == "" || reset.Password == "" || user.Password == reset.Password {
		o.t.Errorf("passwords %q and %q", user.Password, reset.Password)
	}
	o.seen[Route{"POST", "/cloud/project/{serviceName}/database/postgresql/{clusterId}/user"}] = true // a password differs each time
	o.seen[Route{"POST", "/cloud/project/{serviceName}/database/postgresql/{clusterId}/user/{userId}/credentials/reset"}] = true
	o.wait("user", func() bool {
		var got struct{ Status, Password string }
		o.call("GET", path+"/user/"+user.ID, nil, &got)
		if got.Password != "" {
			o.t.Error("a password is told twice")
		}
		return got.Status == "READY"
	})
	o.show("GET", path+"/user", nil)
	o.show("GET", path+"/user/"+user.ID, nil)
	o.show("DELETE", path+"/user/"+user.ID, nil)
	o.call("GET", path+"/user", nil, &users)
	o.refused("DELETE", path+"/user/"+users[0], nil, 403, "User avnadmin cannot be deleted")

	o.show("POST", path+"/database", map[string]any{"name": "app"})
	o.refused("POST", path+"/database", map[string]any{"name": "app"}, 409, "Database app already exists")
	o.show("GET", path+"/database", nil)
	o.call("GET", path+"/database", nil, &databases)
	o.show("GET", path+"/database/"+databases[1], nil)
	o.show("DELETE", path+"/database/"+databases[1], nil)

	o.show("PUT", path, map[string]any{"description": "yours", "ipRestrictions": []map[string]any{}})
	o.wait("update", func() bool { // the tour's clock moves only when told, and the cluster answers when it likes
		o.step()
		return o.sim.Databases()[0].Status == "READY"
	})
	o.show("GET", path, nil)
	o.show("DELETE", path, nil)
	o.wait("end", func() bool { return len(o.sim.Databases()) == 0 })
	o.refused("GET", path, nil, 404, "does not exist")
}

// clusters records what the simulator asks of its Databases.
type clusters struct {
	mu    sync.Mutex
	calls []string
	fail  string // the call that fails
}

func (c *clusters) note(format string, args ...any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := fmt.Sprintf(format, args...)
	c.calls = append(c.calls, call)
	if c.fail != "" && strings.HasPrefix(call, c.fail) {
		return errors.New("broken")
	}
	return nil
}

func (c *clusters) said(call string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.calls, call)
}

func (c *clusters) Create(_ context.Context, _ string, from *DatabaseBackup) (DatabaseEndpoint, error) {
	return DatabaseEndpoint{Host: "db.example", Port: 5432, Authority: "PEM"}, c.note("create fork=%t", from != nil)
}
func (c *clusters) Remove(context.Context, string) error { return c.note("remove") }
func (c *clusters) Allow(_ context.Context, _ string, n []netip.Prefix) error {
	return c.note("allow %v", n)
}
func (c *clusters) Backup(context.Context, string, string) (int64, error) { return 7, c.note("backup") }
func (c *clusters) SetPassword(_ context.Context, _, user, _ string) error {
	return c.note("password %s", user)
}
func (c *clusters) DropUser(_ context.Context, _, user string) error { return c.note("drop %s", user) }
func (c *clusters) CreateDatabase(_ context.Context, _, name string) error {
	return c.note("database %s", name)
}
func (c *clusters) DropDatabase(_ context.Context, _, name string) error {
	return c.note("drop database %s", name)
}

// TestAForkBringsEverything: users, databases and data of its source's backup, and nobody's right to connect.
func TestAForkBringsEverything(t *testing.T) {
	c := &clusters{}
	b := newBench(t, Options{Databases: c})
	path := b.bring(wishedDatabase())
	source := path[strings.LastIndex(path, "/")+1:]
	b.call("POST", path+"/user", map[string]any{"name": "reporting", "roles": []string{}}, nil)
	b.call("POST", path+"/database", map[string]any{"name": "app"}, nil)
	b.wait("backup", func() bool { return b.sim.Databases()[0].Backups > 0 })
	var backups []string
	b.call("GET", path+"/backup", nil, &backups)
	wish := wishedDatabase()
	delete(wish, "ipRestrictions")
	wish["forkFrom"] = map[string]any{"serviceId": source, "backupId": "none"}
	b.refused("POST", databasePath, wish, 404, "forkFrom.backupId")
	wish["forkFrom"] = map[string]any{"serviceId": source, "backupId": backups[0]}
	wish["version"] = "16"
	b.refused("POST", databasePath, wish, 400, "A fork cannot have an older version")
	wish["version"] = "17"
	fork := b.bring(wish)
	for _, want := range []string{"create fork=false", "allow [198.51.100.11/32]", "password avnadmin", "password reporting", "database app", "backup", "create fork=true", "allow []"} {
		if !c.said(want) {
			t.Errorf("clusters heard %v, not %q", c.calls, want)
		}
	}
	var users, databases []string
	b.call("GET", fork+"/user", nil, &users)
	b.call("GET", fork+"/database", nil, &databases)
	if len(users) != 2 || len(databases) != 2 {
		t.Errorf("the fork has users %v and databases %v, want two of each", users, databases)
	}
}

// TestDatabaseRefusals in OVH's words.
func TestDatabaseRefusals(t *testing.T) {
	b := newBench(t, Options{Delays: Delays{Database: time.Hour}})
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"plan", "gigantic", "No availability found for plan gigantic"}, {"version", "9", "No availability found"},
		{"nodesPattern", map[string]any{"flavor": "b3-8", "number": 1, "region": "GRA"}, "1 nodes of flavor b3-8"},
		{"ipRestrictions", []map[string]any{{"ip": "198.51.100.11"}}, "is not valid for type ipBlock"}, {"nickname", "x", "unknown field"},
	} {
		wish := wishedDatabase()
		wish[c.key] = c.value
		b.refused("POST", databasePath, wish, 400, c.want)
	}
	b.refused("GET", "/cloud/project/other/database/postgresql", nil, 404, "serviceName = other")
	var made struct{ ID string }
	b.call("POST", databasePath, wishedDatabase(), &made)
	b.refused("PUT", databasePath+"/"+made.ID, map[string]any{"description": "x"}, 409, "Service is PENDING, operation not allowed")
	b.refused("GET", databasePath+"/"+made.ID+"/certificates", nil, 409, "Service is PENDING, operation not allowed")
}

// TestDatabaseFailure: a cluster that cannot be made shows as ERROR, with the reason for whoever runs the sandbox.
func TestDatabaseFailure(t *testing.T) {
	c := &clusters{fail: "create"}
	b := newBench(t, Options{Databases: c})
	b.call("POST", databasePath, wishedDatabase(), nil)
	b.wait("error", func() bool { return b.sim.Databases()[0].Status == "ERROR" })
	if got := b.sim.Databases()[0].Fault; got != "create: broken" {
		t.Errorf("fault %q", got)
	}
}

// TestDatabasesSurviveARestart: the next process starts the clusters again, and knows their backups.
func TestDatabasesSurviveARestart(t *testing.T) {
	dir, first := t.TempDir(), &clusters{}
	sim, err := New(Options{Dir: dir, Databases: first})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, sim: sim}
	sim.mu.Lock()
	sim.st.Databases["11111111-1111-4111-a111-111111111111"] = &managed{
		ID: "11111111-1111-4111-a111-111111111111", Plan: "production", Status: "READY", Backups: []*backup{{ID: "kept", Status: "READY"}, {ID: "torn", Status: "CREATING"}},
		NextBackup: time.Now().Add(time.Hour), Users: []*databaseUser{
			{ID: "a", Name: DatabaseAdmin, Status: "READY"}, {ID: "u", Name: "reporting", Status: "UPDATING", Password: "new"},
		},
	}
	sim.keep()
	sim.mu.Unlock()
	if err := sim.Close(); err != nil {
		t.Fatal(err)
	}
	second := &clusters{}
	if sim, err = New(Options{Dir: dir, Databases: second}); err != nil {
		t.Fatal(err)
	}
	b.sim = sim
	b.wait("restart", func() bool { return second.said("create fork=false") && second.said("password reporting") })
	if d := sim.Databases()[0]; d.Backups != 1 || d.Status != "READY" {
		t.Errorf("after the restart %+v", d)
	}
	// All work has ended then.
	if err := sim.Close(); err != nil {
		t.Error(err)
	}
	if second.said("password " + DatabaseAdmin) {
		t.Error("a user whose password the cluster has got another one")
	}
}
