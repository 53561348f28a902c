package ovhmetal

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/infra/sandbox/ovhsim"
)

// databaseService is what components/database registers of a service; a change of nil takes an input away.
func databaseService(stack string, change map[string]any) declared {
	offer := map[string]any{
		"project": ovhsim.CloudProject, "plan": "production", "engineVersion": "17", "flavor": "b3-8", "nodes": 2.0, "region": "GRA", "maxMonthly": "176.00",
	}
	maps.Copy(offer, change)
	return declared{stack + "/Database", "database-service", func(map[string]resource.PropertyMap) resource.PropertyMap { return props(offer) }}
}

// databaseParts are what a service is used with. of names the resource and the output that give its id.
func databaseParts(stack, of, key string, addresses ...any) []declared {
	part := func(kind, name string, more map[string]any) declared {
		return declared{stack + "/" + kind, "database-" + name, func(o map[string]resource.PropertyMap) resource.PropertyMap {
			in := props(more)
			in["project"], in["serviceId"] = resource.NewProperty(ovhsim.CloudProject), output(o, of, key)
			return in
		}}
	}
	return []declared{
		part("DatabaseUser", "user", map[string]any{"username": "avnadmin"}),
		part("LogicalDatabase", "logical", map[string]any{"database": "app", "disposable": true}),
		part("DatabaseAccess", "access", map[string]any{"addresses": addresses}),
	}
}

// production is a database as production has it.
func production() []declared {
	return append([]declared{databaseService("prod", map[string]any{"disposable": true})}, databaseParts("prod", "database-service", "serviceId", "198.51.100.11", "198.51.100.12/32")...)
}

func TestLifeOfADatabase(t *testing.T) {
	w, s := begin(t, production()...)
	server, err := w.process(&wire{}, nil)
	must(t, err)
	must(t, s.clone().run(server, true).err)
	if len(w.sim.Databases()) != 0 {
		t.Fatal("a preview ordered a database")
	}
	if want := "orders PostgreSQL 17 as production, 2 x b3-8 in GRA: 176.00 EUR a month, net, billed by the hour"; !w.said(want) {
		t.Errorf("preview does not say %q; it says:\n%s", want, strings.Join(w.lines, "\n"))
	}
	must(t, s.run(server, false).err)
	list := w.sim.Databases()
	if len(list) != 1 || list[0].Status != "READY" || strings.Join(list[0].Allowed, " ") != "198.51.100.11/32 198.51.100.12/32" || !strings.HasPrefix(list[0].Description, "havre:havre/prod/database-service:") {
		t.Fatalf("databases %+v", list)
	}
	password := s.state["database-user"].Outputs["password"]
	if !password.IsSecret() || password.SecretValue().Element.StringValue() == "" {
		t.Errorf("password is %v, wanted a secret", password)
	}
	if again := s.run(server, false); again.err != nil || len(again.changed) != 0 {
		t.Errorf("a second run changes %v, %v", again.changed, again.err)
	}
	drift, err := s.refresh(server)
	must(t, err)
	if len(drift) != 0 {
		t.Errorf("a refresh changes %v", drift)
	}

	// A lost state: everything is adopted, and the password, which nobody can read, is made anew.
	lost := &stack{program: s.program, state: map[string]entry{}}
	must(t, lost.run(server, false).err)
	if n := len(w.sim.Databases()); n != 1 {
		t.Errorf("%d databases after a run on a lost state, want 1", n)
	}

	// In place: a larger flavor, other addresses, another password.
	s.program = append([]declared{databaseService("prod", map[string]any{"disposable": true, "flavor": "b3-16", "maxMonthly": "352.00"})},
		databaseParts("prod", "database-service", "serviceId", "198.51.100.11")...)
	r := s.run(server, false)
	must(t, r.err)
	if got := strings.Join(r.changed, " "); got != "database-service database-access" {
		t.Errorf("changed %s", got)
	}
	if list := w.sim.Databases(); list[0].Flavor != "b3-16" || len(list[0].Allowed) != 1 {
		t.Errorf("databases %+v", list)
	}
	must(t, s.destroy(server))
	if n := len(w.sim.Databases()); n != 0 {
		t.Errorf("%d databases after destroy", n)
	}
}

func TestDatabaseRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change map[string]any
		want   string
	}{
		"too dear":       {map[string]any{"maxMonthly": "175.99"}, "nothing was bought: a month costs 176.00 EUR is above 175.99 EUR; accept it in the stack's offer or choose another plan"},
		"no such plan":   {map[string]any{"plan": "gigantic"}, "PostgreSQL is not sold as plan gigantic with flavor b3-8 in region GRA; look at OVH's list of managed databases"},
		"engine version": {map[string]any{"engineVersion": "9"}, "PostgreSQL 9 is not sold as production b3-8 in GRA; choose one of the versions 15, 16, 17"},
		"nodes":          {map[string]any{"nodes": 7.0}, "plan production has 2 to 2 nodes, not 7; change the database's nodes"},
		"no nodes":       {map[string]any{"nodes": 0.0}, "nodes are 0; order at least 1"},
		"disk":           {map[string]any{"diskGB": 9000.0, "maxMonthly": "9999"}, "flavor b3-8 has 40 to 2000 GB of disk, not 9000; change the database's disk"},
		"generation":     {map[string]any{"generation": 2.0}, "generation is 2; 1, or more for a fork that is to be made anew"},
		"own fork":       {map[string]any{"forkOf": "prod"}, "a database cannot be a fork of its own stack prod; name another"},
		"fork of none":   {map[string]any{"forkOf": "other"}, "stack other has no database in project " + ovhsim.CloudProject},
		"project":        {map[string]any{"project": "0000"}, "The requested object (serviceName = 0000) does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := begin(t, databaseService("prod", c.change))
			server, err := w.process(&wire{}, nil)
			must(t, err)
			if r := s.run(server, true); r.err == nil || !strings.Contains(r.err.Error(), c.want) {
				t.Errorf("error %v, want %s", r.err, c.want)
			}
			if n := len(w.sim.Databases()); n != 0 {
				t.Errorf("%d databases", n)
			}
		})
	}
}

func TestDatabaseIsNeverReplaced(t *testing.T) {
	w, s := begin(t, databaseService("prod", nil))
	server, err := w.process(&wire{}, nil)
	must(t, err)
	must(t, s.run(server, false).err)
	for want, change := range map[string]map[string]any{
		`region cannot change from "GRA" to "SBG": nothing may replace a database`:                               {"region": "SBG"},
		`nodes cannot change from "2" to "3": nothing may replace a database`:                                    {"nodes": 3.0},
		`forkOf cannot change from "" to "other" under generation 1; raise the generation to 2`:                  {"forkOf": "other"},
		`project cannot change from "` + ovhsim.CloudProject + `" to "ff": nothing may replace a database; keep`: {"project": "ff"},
	} {
		s.program = []declared{databaseService("prod", change)}
		if r := s.run(server, true); r.err == nil || !strings.Contains(r.err.Error(), want) {
			t.Errorf("error %v, want %s", r.err, want)
		}
	}
	s.program = []declared{databaseService("prod", nil)}
	if err := s.destroy(server); err == nil || !strings.Contains(err.Error(), "is not given up: deleting it deletes its backups too; set Retired on it, run pulumi up, and only then remove it") {
		t.Errorf("destroy: %v", err)
	}
	if n := len(w.sim.Databases()); n != 1 {
		t.Errorf("%d databases, want 1", n)
	}
}

// TestDatabaseKilledAtEveryCall: whatever call a run dies at, before or after OVH did what it asked, the next runs bring up one database and never two.
func TestDatabaseKilledAtEveryCall(t *testing.T) {
	w, s := begin(t, production()...)
	line := &wire{}
	server, err := w.process(line, nil)
	must(t, err)
	must(t, s.run(server, false).err)
	calls := line.calls
	if calls < 15 {
		t.Fatalf("a run makes %d calls, which is too few to be true", calls)
	}
	for _, lost := range []bool{false, true} {
		for at := 1; at <= calls; at++ {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("lost=%t/call=%d/after=%t", lost, at, after), func(t *testing.T) {
					w, s := begin(t, production()...)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					line := &wire{killAt: at, after: after, cancel: cancel}
					server, err := w.process(line, nil)
					if err == nil {
						killed := s.runIn(ctx, server, false)
						if !line.dead && killed.err == nil {
							t.Fatal("nothing was killed")
						}
					}
					if lost {
						s.state = map[string]entry{}
					}
					deadline := time.Now().Add(20 * time.Second)
					for {
						server, err = w.process(&wire{}, nil)
						must(t, err)
						r := s.run(server, false)
						if r.err == nil {
							break
						}
						if time.Now().After(deadline) {
							t.Fatalf("runs after the kill do not come to an end: %v", r.err)
						}
					}
					if list := w.sim.Databases(); len(list) != 1 || len(list[0].Allowed) != 2 {
						t.Errorf("databases %+v", list)
					}
				})
			}
		}
	}
}

// TestDatabaseFaults: every fault at every call that changes something.
func TestDatabaseFaults(t *testing.T) {
	const service = "/cloud/project/{serviceName}/database/postgresql"
	for _, kind := range []ovhsim.Kind{ovhsim.TooMany, ovhsim.FailBefore, ovhsim.FailAfter, ovhsim.DropBefore, ovhsim.DropAfter, ovhsim.Malformed} {
		for _, at := range []ovhsim.Fault{
			{Method: "POST", Path: service}, {Method: "POST", Path: service + "/{clusterId}/user/{userId}/credentials/reset"}, {Method: "POST", Path: service + "/{clusterId}/database"},
			{Method: "PUT", Path: service + "/{clusterId}"},
		} {
			t.Run(string(kind)+" "+at.Method+" "+at.Path[len(service):], func(t *testing.T) {
				w, s := begin(t, production()...)
				at.Kind, at.Times = kind, 1
				_, err := w.sim.Fault(at)
				must(t, err)
				for runs := 1; ; runs++ {
					server, err := w.process(&wire{}, nil)
					must(t, err)
					r := s.run(server, false)
					if r.err == nil {
						break
					}
					if runs == 3 {
						t.Fatal(r.err)
					}
				}
				if list := w.sim.Databases(); len(list) != 1 || len(list[0].Allowed) != 2 {
					t.Errorf("databases %+v", list)
				}
			})
		}
	}
}

// TestAForkStaysClosed: without a scrub neither a wrong program nor a lost state opens a fork.
func TestAForkStaysClosed(t *testing.T) {
	w, s := begin(t, production()...)
	server, err := w.process(&wire{}, nil)
	must(t, err)
	must(t, s.run(server, false).err)
	backedUp(t, w, 1)
	fork := &stack{state: map[string]entry{}, program: append([]declared{databaseService("staging", map[string]any{"forkOf": "prod"})},
		databaseParts("staging", "database-service", "serviceId", "198.51.100.20")...)}
	r := fork.run(server, false)
	if r.err == nil || !strings.Contains(r.err.Error(), "holds production's data and is not scrubbed: nobody may connect; run again, the scrub comes first") {
		t.Errorf("error %v", r.err)
	}
	found := false
	for _, d := range w.sim.Databases() {
		if d.ForkOf != "" {
			found = true
			if len(d.Allowed) != 0 || !strings.HasSuffix(d.Description, " unscrubbed") {
				t.Errorf("the fork is open: %+v", d)
			}
		}
	}
	if !found {
		t.Error("there is no fork")
	}
}

// backedUp makes a backup of the first database that is no fork, and waits until so many can be restored.
func backedUp(t *testing.T, w *world, want int) {
	t.Helper()
	asked := false
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		for _, d := range w.sim.Databases() {
			if d.ForkOf != "" || d.Status != "READY" {
				continue
			}
			if d.Backups >= want {
				return
			}
			if !asked {
				asked = true
				must(t, w.sim.BackUpDatabase(d.ID))
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %d backups: %+v", want, w.sim.Databases())
		}
	}
}
