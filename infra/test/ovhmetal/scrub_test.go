//go:build e2e

package ovhmetal

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/infra/sandbox/ovhsim"
	"havre/infra/sandbox/postgres"
	"havre/infra/workspace"
)

// Three parties on loopback, each known by its own address.
const (
	scrubber      = "127.0.0.1" // where a connection begins that names no address
	productionPod = "127.0.0.5"
	stagingPod    = "127.0.0.9"
)

// readers is how many rows of people there are; the script is proportionate, the machine is small.
const readers = 2000

// ruleBook covers everything personal in seed.
func ruleBook() []any {
	rule := func(target, action, value, why string) any {
		m := map[string]any{"target": target, "action": action, "why": why}
		if value != "" {
			m["value"] = value
		}
		return m
	}
	return []any{
		rule("readers.email", "email", "", "how a reader is written to"),
		rule("readers.name", "name", "", "who a reader is"),
		rule("readers.phone", "phone", "", "how a reader is called"),
		rule("readers.address", "address", "", "where a reader lives"),
		rule("readers.born", "year", "", "a birthday names a person, a year of birth serves statistics"),
		rule("readers.last_ip", "ip", "", "where a reader reads"),
		rule("readers.profile", "fixed", "{}", "free form"),
		rule("readers.letter", "null", "", "what a reader wrote"),
		rule("orders.contact_email", "email", "", "as readers.email, and still equal to it"),
		rule("orders.token", "hash", "", "opens the order's page"),
		rule("visits.reader_email", "email", "", "as readers.email"),
		rule("audit", "truncate", "", "old values of everything"),
		rule("campaigns.name", "keep", "", "the name of a campaign, not of a person"),
	}
}

// seed makes production's tables and people. Everything personal is distinctive, so that it can be searched for.
func seed(ctx context.Context, conn *pgx.Conn) (originals []string, err error) {
	for _, sql := range []string{
		`CREATE TABLE readers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL, phone varchar(20), address text, born date, last_ip inet,
  profile jsonb NOT NULL DEFAULT '{}', letter text, mail_domain text GENERATED ALWAYS AS (split_part(email, '@', 2)) STORED, score int)`,
		`CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, reader bigint NOT NULL REFERENCES readers, contact_email text NOT NULL, token text NOT NULL UNIQUE, total numeric(10,2) NOT NULL)`,
		`CREATE TABLE visits (reader_email text NOT NULL, day date NOT NULL) PARTITION BY RANGE (day)`,
		`CREATE TABLE visits_2026 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')`,
		`CREATE TABLE audit (at timestamptz NOT NULL DEFAULT now(), old_name text, old_email text)`,
		`CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit (old_name, old_email) VALUES (OLD.name, OLD.email); RETURN NEW; END $$`,
		`CREATE TRIGGER remember BEFORE UPDATE ON readers FOR EACH ROW EXECUTE FUNCTION remember()`,
		`CREATE TABLE campaigns (id int PRIMARY KEY, name text NOT NULL)`,
		`INSERT INTO campaigns VALUES (1, 'spring'), (2, 'summer')`,
		fmt.Sprintf(`INSERT INTO readers (email, name, phone, address, born, last_ip, profile, letter, score)
SELECT 'zq-' || i || '@mailbox-' || i %% 7 || '.test', 'Zquentin Originalson-' || i %% 50, '+49 30 55' || lpad(i::text, 5, '0'), i || ' Zquarterdeck Lane', date '1960-03-07' + i * 5,
  ('203.0.113.' || i %% 250)::inet, jsonb_build_object('nick', 'zqnick-' || i), CASE WHEN i %% 3 = 0 THEN 'Dear all, zqletter ' || i END, i %% 100 FROM generate_series(1, %d) i`, readers),
		`INSERT INTO orders (reader, contact_email, token, total) SELECT id, email, 'zqtoken-' || id, 10 + id % 90 FROM readers`,
		`INSERT INTO visits SELECT email, date '2026-01-01' + id::int % 300 FROM readers`,
		`UPDATE readers SET score = score + 1 WHERE id % 10 = 0`, // fills audit
		`CREATE MATERIALIZED VIEW directory AS SELECT name, email FROM readers`,
		`CREATE INDEX ON readers (lower(email))`,
		`ANALYZE`,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return nil, fmt.Errorf("%s: %w", sql, err)
		}
	}
	rows, err := conn.Query(ctx, `SELECT DISTINCT v FROM readers r, LATERAL (VALUES (email), (name), (phone), (address), (host(last_ip)), (profile->>'nick'), (letter)) t(v) WHERE v IS NOT NULL
UNION SELECT token FROM orders UNION SELECT DISTINCT born::text FROM readers WHERE extract(month FROM born) <> 1 OR extract(day FROM born) <> 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// dial connects as a pod would: from an address of its own, over TLS that it verifies.
func dial(ctx context.Context, e *ovhsim.DatabaseEndpoint, from, user, password string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=verify-full")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(e.Authority))
	config.Host, config.Port, config.User, config.Password, config.Database, config.Fallbacks = e.Host, uint16(e.Port), user, password, "app", nil
	config.TLSConfig = &tls.Config{RootCAs: pool, ServerName: e.Host, MinVersion: tls.VersionTLS12}
	dialer := &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0)), Timeout: 5 * time.Second}
	config.DialFunc = dialer.DialContext
	return pgx.ConnectConfig(ctx, config)
}

// cloud is an account with real PostgreSQL behind it, and production in it.
type cloud struct {
	*world
	folder     string
	production *stack
	endpoint   *ovhsim.DatabaseEndpoint
	password   string
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "havre-pg-") // short, for the sockets' sake, and open to an unprivileged user
	must(t, err)
	must(t, os.Chmod(folder, 0o755))
	ws, err := workspace.Open(".") // whose cache `make machine` fills
	must(t, err)
	manager := postgres.New(postgres.Options{Folder: folder, Cache: ws.Cache, Listen: netip.MustParseAddr("127.0.0.1")})
	w := newWorld(t, ovhsim.Options{Databases: manager, Delays: ovhsim.Delays{Database: 20 * time.Millisecond}})
	t.Cleanup(func() {
		must(t, w.close())
		manager.Close()
		must(t, os.RemoveAll(folder))
	})
	c := &cloud{world: w, folder: folder, production: &stack{state: map[string]entry{}, program: append([]declared{databaseService("prod", nil)},
		databaseParts("prod", "database-service", "serviceId", productionPod)...)}}
	c.must(t, c.production, nil)
	c.password = c.production.state["database-user"].Outputs["password"].SecretValue().Element.StringValue()
	c.endpoint = c.databases(t, "prod")[0].Endpoint
	return c
}

func (c *cloud) must(t *testing.T, s *stack, want []string) {
	t.Helper()
	server, err := c.process(&wire{}, nil)
	must(t, err)
	must(t, s.clone().run(server, true).err)
	server, err = c.process(&wire{}, nil)
	must(t, err)
	r := s.run(server, false)
	must(t, r.err)
	if want != nil && !slices.Equal(r.changed, want) {
		t.Errorf("the run changed %v, want %v", r.changed, want)
	}
}

// databases lists those of a stack.
func (c *cloud) databases(t *testing.T, name string) []ovhsim.DatabaseView {
	t.Helper()
	var out []ovhsim.DatabaseView
	for _, d := range c.sim.Databases() {
		if strings.HasPrefix(d.Description, "havre:havre/"+name+"/") && d.Status != "DELETING" {
			out = append(out, d)
		}
	}
	return out
}

func staging(generation int, rules []any) []declared { return stagingOf("app", generation, rules) }

func stagingOf(database string, generation int, rules []any) []declared {
	service := databaseService("staging", map[string]any{"forkOf": "prod", "generation": float64(generation), "plan": "essential", "flavor": "db1-7", "nodes": 1.0, "maxMonthly": "71.00"})
	scrub := declared{"staging/DatabaseScrub", "database-scrub", func(o map[string]resource.PropertyMap) resource.PropertyMap {
		in := props(map[string]any{"project": ovhsim.CloudProject, "database": database, "username": "avnadmin", "scrubber": scrubber, "rules": rules})
		in["serviceId"] = output(o, "database-service", "serviceId")
		return in
	}}
	return append([]declared{service, scrub}, databaseParts("staging", "database-scrub", "scrubbedId", stagingPod)...)
}

// sum is the content of every table, so that a changed row shows.
func sum(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	var b strings.Builder
	for _, table := range []string{"readers", "orders", "visits", "audit", "campaigns", "directory"} {
		var n int
		var hash string
		must(t, conn.QueryRow(t.Context(), "SELECT count(*), coalesce(md5(string_agg(x::text, '|' ORDER BY x::text)), '') FROM "+table+" x").Scan(&n, &hash))
		fmt.Fprintf(&b, "%s %d %s\n", table, n, hash)
	}
	return b.String()
}

func counts(sums string) string {
	var b strings.Builder
	for line := range strings.Lines(sums) {
		fields := strings.Fields(line)
		b.WriteString(fields[0] + "=" + fields[1] + " ")
	}
	return b.String()
}

// TestStagingIsScrubbed is the whole way on real PostgreSQL: production with people in it, its backup, the fork, the scrub, killed and gone on with, searched for
// every value of every person, and never made a second time.
func TestStagingIsScrubbed(t *testing.T) {
	ctx := t.Context()
	c := newCloud(t)
	prod, err := dial(ctx, c.endpoint, productionPod, "avnadmin", c.password)
	must(t, err)
	defer prod.Close(context.WithoutCancel(ctx))
	began := time.Now()
	originals, err := seed(ctx, prod)
	must(t, err)
	t.Logf("production: %d readers, %d different personal values, in %s", readers, len(originals), time.Since(began).Round(time.Millisecond))
	if len(originals) < 5*readers {
		t.Fatalf("only %d personal values", len(originals))
	}
	before := sum(t, prod)
	waitForBackup(t, c)
	if _, err := dial(ctx, c.endpoint, stagingPod, "avnadmin", c.password); err == nil {
		t.Fatal("a stranger's address reaches production")
	}

	// The backup is older than the database, as on a new service's first day: said so, nothing opened.
	early := &stack{state: map[string]entry{}, program: stagingOf("not_yet", 1, ruleBook())}
	server, err := c.process(&wire{}, nil)
	must(t, err)
	r := early.run(server, false)
	if want := "which stays closed: there is no database not_yet in the copy: either the backup is older than that database"; r.err == nil || !strings.Contains(r.err.Error(), want) {
		t.Fatalf("error %v, want %s", r.err, want)
	}

	// A rule is missing: refused by name, nothing opened, nothing changed.
	short := &stack{state: early.state, program: staging(1, slices.DeleteFunc(ruleBook(), func(r any) bool { return r.(map[string]any)["target"] == "orders.token" }))}
	server, err = c.process(&wire{}, nil)
	must(t, err)
	r = short.run(server, false)
	want := `column public.orders.token (text) looks like personal data, its name has "token" in it, and has no rule; add one to Database.Scrub, or one that keeps it with a reason`
	if r.err == nil || !strings.Contains(r.err.Error(), want) {
		t.Fatalf("error %v, want %s", r.err, want)
	}
	fork := c.databases(t, "staging")
	if len(fork) != 1 || len(fork[0].Allowed) != 0 || !strings.HasSuffix(fork[0].Description, " unscrubbed") {
		t.Fatalf("the fork is open, or there are several: %+v", fork)
	}
	refused(t, c, fork[0].Endpoint, stagingPod, c.password)
	refused(t, c, fork[0].Endpoint, scrubber, c.password)

	// Killed while rows are being rewritten: the transaction is gone, the fork is as it was, and closed or open to the scrubber only.
	s := &stack{state: short.state, program: staging(1, ruleBook())}
	killMidway(t, c, s)
	if again := c.databases(t, "staging"); len(again) != 1 || again[0].ID != fork[0].ID || !strings.HasSuffix(again[0].Description, " unscrubbed") || slices.Contains(again[0].Allowed, stagingPod+"/32") {
		t.Fatalf("after the kill: %+v", again)
	}
	refused(t, c, fork[0].Endpoint, stagingPod, c.password)

	// Gone on with, on a state that was lost besides.
	s.state = map[string]entry{}
	began = time.Now()
	c.must(t, s, []string{"database-service", "database-scrub", "database-user", "database-logical", "database-access"})
	t.Logf("scrub and release: %s", time.Since(began).Round(time.Millisecond))
	done := c.databases(t, "staging")
	if len(done) != 1 || done[0].ID != fork[0].ID {
		t.Fatalf("forked again: %+v", done)
	}
	examine(t, c, s, done[0], originals, before)

	// Production's password opens nothing of the fork's, and the scrubber's address is out.
	if conn, err := dial(ctx, done[0].Endpoint, stagingPod, "avnadmin", c.password); err == nil {
		conn.Close(ctx)
		t.Error("production's password opens the fork")
	}
	refused(t, c, done[0].Endpoint, scrubber, passwordOf(s))

	// A second run does nothing.
	c.must(t, s, []string{})
	server, err = c.process(&wire{}, nil)
	must(t, err)
	drift, err := s.refresh(server)
	must(t, err)
	if len(drift) != 0 {
		t.Errorf("a refresh changes %v", drift)
	}
	if after := c.databases(t, "staging"); len(after) != 1 || after[0].ID != done[0].ID {
		t.Errorf("a second run forked again: %+v", after)
	}
	if after := sum(t, prod); after != before {
		t.Errorf("production changed:\n%s\nbefore:\n%s", after, before)
	}

	// Production goes on; a raised generation takes its newer backup, and the old copy ends.
	_, err = prod.Exec(ctx, "INSERT INTO readers (email, name) VALUES ('zq-new@mailbox-1.test', 'Zquentin Newcomer')")
	must(t, err)
	_, err = prod.Exec(ctx, "REFRESH MATERIALIZED VIEW directory")
	must(t, err)
	now := sum(t, prod)
	waitForBackup(t, c)
	s.program = staging(2, ruleBook())
	c.must(t, s, nil)
	next := c.databases(t, "staging")
	if len(next) != 1 || next[0].ID == done[0].ID {
		t.Fatalf("a raised generation did not fork anew: %+v", next)
	}
	examine(t, c, s, next[0], append(originals, "zq-new@mailbox-1.test", "Zquentin Newcomer"), now)
	if after := sum(t, prod); after != now {
		t.Errorf("production changed:\n%s\nbefore:\n%s", after, now)
	}
}

func passwordOf(s *stack) string {
	return s.state["database-user"].Outputs["password"].SecretValue().Element.StringValue()
}

// refused: that address has no way in, whatever it knows.
func refused(t *testing.T, c *cloud, e *ovhsim.DatabaseEndpoint, from, password string) {
	t.Helper()
	conn, err := dial(t.Context(), e, from, "avnadmin", password)
	if err == nil {
		conn.Close(t.Context())
		t.Errorf("%s reaches the fork", from)
		return
	}
	if !strings.Contains(err.Error(), "no pg_hba.conf entry") {
		t.Errorf("%s is refused for another reason: %v", from, err)
	}
}

func waitForBackup(t *testing.T, c *cloud) {
	t.Helper()
	view := c.databases(t, "prod")[0]
	must(t, c.sim.BackUpDatabase(view.ID))
	for deadline := time.Now().Add(time.Minute); c.databases(t, "prod")[0].Backups <= view.Backups; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no backup: %+v", c.databases(t, "prod"))
		}
	}
	// One that OVH made by itself may have been counted: the newest is what is forked, and it must be ours.
	must(t, c.sim.BackUpDatabase(view.ID))
	for deadline := time.Now().Add(time.Minute); c.databases(t, "prod")[0].Backups <= view.Backups+1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no backup: %+v", c.databases(t, "prod"))
		}
	}
}

// killMidway ends a run as soon as it says that it rewrites rows.
func killMidway(t *testing.T, c *cloud, s *stack) {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	line := &wire{}
	server, err := c.process(line, nil)
	must(t, err)
	watch := make(chan bool, 1)
	go func() {
		for ctx.Err() == nil {
			if c.said("scrub: public.orders") {
				line.mu.Lock()
				line.dead = true // not a word more to OVH: a killed process closes nothing behind it
				line.mu.Unlock()
				kill()
				watch <- true
				return
			}
			time.Sleep(200 * time.Microsecond)
		}
		watch <- false
	}()
	r := s.runIn(ctx, server, false)
	kill()
	if !<-watch {
		t.Fatalf("the run was over before rows were rewritten: %v", r.err)
	}
	if r.err == nil {
		t.Fatal("a killed run succeeded")
	}
	delete(s.state, "database-scrub")
}

// examine holds a released fork against production: the same rows, no person.
func examine(t *testing.T, c *cloud, s *stack, view ovhsim.DatabaseView, originals []string, production string) {
	t.Helper()
	ctx := t.Context()
	if got := strings.Join(view.Allowed, " "); got != stagingPod+"/32" {
		t.Errorf("allowed are %s", got)
	}
	conn, err := dial(ctx, view.Endpoint, stagingPod, "avnadmin", passwordOf(s))
	must(t, err)
	defer conn.Close(context.WithoutCancel(ctx))
	got, want := counts(sum(t, conn)), counts(production)
	if emptied := strings.Replace(want, fmt.Sprintf("audit=%d", readers/10), "audit=0", 1); got != emptied {
		t.Errorf("rows %s, want %s", got, emptied)
	}
	t.Logf("rows of the fork: %s", got)

	// Joins survive: an order's address is still its reader's.
	var joined, orders int
	must(t, conn.QueryRow(ctx, "SELECT count(*) FROM orders o JOIN readers r ON r.id = o.reader AND r.email = o.contact_email JOIN visits v ON v.reader_email = r.email").Scan(&joined))
	must(t, conn.QueryRow(ctx, "SELECT count(*) FROM orders").Scan(&orders))
	if joined != orders {
		t.Errorf("%d of %d orders still find their reader and visit", joined, orders)
	}
	var trigger string
	must(t, conn.QueryRow(ctx, "SELECT tgenabled::text FROM pg_trigger WHERE tgname = 'remember'").Scan(&trigger))
	if trigger != "O" {
		t.Errorf("trigger is %q, want it on again", trigger)
	}

	// Everything a client can read, as pg_dump reads it, and the statistics, which pg_dump does not.
	found, there := postgres.Find()
	if !there {
		t.Fatal("pg_dump is not at its place; install postgresql-client-15")
	}
	socket := filepath.Join(c.folder, view.ID, "s")
	dump := exec.CommandContext(ctx, filepath.Join(found.Bin, "pg_dump"), "--host="+socket, fmt.Sprintf("--port=%d", view.Endpoint.Port), "--username=postgres", "--dbname=app")
	var complaint bytes.Buffer
	dump.Stderr = &complaint
	text, err := dump.Output()
	if err != nil {
		t.Fatalf("pg_dump: %v: %s", err, complaint.String())
	}
	var statistics string
	must(t, conn.QueryRow(ctx, "SELECT string_agg(concat_ws(' ', most_common_vals::text, histogram_bounds::text), ' ') FROM pg_stats WHERE schemaname = 'public'").Scan(&statistics))
	for _, where := range []struct{ name, text string }{{"pg_dump", string(text)}, {"pg_stats", statistics}} {
		if len(where.text) < 1000 {
			t.Errorf("%s has only %d bytes: the search would prove nothing", where.name, len(where.text))
		}
		left := 0
		for _, v := range originals {
			if strings.Contains(where.text, v) {
				if left++; left <= 5 {
					t.Errorf("%s still has %q", where.name, v)
				}
			}
		}
		t.Logf("%s: %d bytes searched for %d values, %d found", where.name, len(where.text), len(originals), left)
	}
}
