package provider

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"havre/components/ovh/scrub"
)

// scrubbing is the SQL side of a scrub.
type scrubbing struct {
	rt        *runtime
	host      string
	port      int
	authority string
	user      string
	password  string
	database  string
	rules     []scrub.Rule
}

// reserved are databases of a managed service that hold nothing of its customer's and take no connection of theirs.
var reserved = []string{"_aiven", "template0", "template1"}

// run scrubs the described database, and refuses a service that holds another one with personal data.
func (s *scrubbing) run(ctx context.Context) (map[string]int, error) {
	names, err := s.databases(ctx)
	if err != nil {
		return nil, err
	}
	rows := map[string]int{}
	var errs []error
	for _, name := range names {
		rules := s.rules
		if name != s.database {
			rules = nil
		}
		// All of them before the first row changes: a service is refused as a whole.
		if err := s.inspect(ctx, name, rules); err != nil {
			errs = append(errs, fmt.Errorf("database %s: %w", name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return rows, s.replace(ctx, rows)
}

// connect opens a connection over TLS. The certificate must be signed by the service's authority and be for its name.
func (s *scrubbing) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=verify-full")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(s.authority)) {
		return nil, fmt.Errorf("the authority of database %s is not a certificate in PEM", s.host)
	}
	config.Host, config.Port, config.User, config.Password, config.Database = s.host, uint16(s.port), s.user, s.password, database
	config.TLSConfig = &tls.Config{RootCAs: pool, ServerName: s.host, MinVersion: tls.VersionTLS12}
	config.Fallbacks = nil
	config.ConnectTimeout = 30 * time.Second
	config.RuntimeParams = map[string]string{
		"application_name": "havre scrub", "search_path": "pg_catalog", "statement_timeout": "0", "lock_timeout": "60s", "standard_conforming_strings": "on",
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			s.rt.log(ctx, "scrub: %s", n.Message)
		}
	}
	deadline := time.Now().Add(min(s.rt.wait, 5*time.Minute))
	for {
		conn, err := pgx.ConnectConfig(ctx, config)
		if err == nil {
			return conn, nil
		}
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code == "3D000" {
			return nil, fmt.Errorf("there is no database %s in the copy: either the backup is older than that database, as a new service's first one is, or it has another name; "+
				"wait for the original's next backup and raise Database.Generation in the stack, which copies it anew, or mend Database.Name there", database)
		}
		// The list of addresses and the new password take a moment to reach every node.
		if time.Now().After(deadline) || !s.rt.sleep(ctx) {
			return nil, fmt.Errorf("connection to %s: %w", net.JoinHostPort(s.host, strconv.Itoa(s.port)), err)
		}
	}
}

// with gives f a connection, and keeps f's error whatever becomes of the connection.
func (s *scrubbing) with(ctx context.Context, database string, f func(*pgx.Conn) error) error {
	conn, err := s.connect(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return f(conn)
}

func (s *scrubbing) databases(ctx context.Context) (names []string, err error) {
	err = s.with(ctx, s.database, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate AND NOT datname = ANY($1) ORDER BY datname", reserved)
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return names, err
}

func (s *scrubbing) inspect(ctx context.Context, database string, rules []scrub.Rule) error {
	return s.with(ctx, database, func(conn *pgx.Conn) error {
		schema, err := readSchema(ctx, conn)
		if err != nil {
			return err
		}
		return scrub.Check(rules, schema)
	})
}

// replace runs the script. The schema is read again inside the transaction, so that a table that came meanwhile is looked at too.
func (s *scrubbing) replace(ctx context.Context, rows map[string]int) error {
	return s.with(ctx, s.database, func(conn *pgx.Conn) error {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // after a commit it does nothing
		schema, err := readSchema(ctx, tx)
		if err != nil {
			return err
		}
		script, err := scrub.Compile(s.rules, schema)
		if err != nil {
			return err
		}
		for _, f := range script.Functions {
			if _, err := tx.Exec(ctx, f); err != nil {
				return err
			}
		}
		// Nobody keeps the key: with it, hashes could be compared with those of guessed values.
		if _, err := tx.Exec(ctx, "SELECT set_config($1, $2, true)", scrub.KeySetting, rand.Text()); err != nil {
			return err
		}
		for _, st := range script.Replace {
			done, err := tx.Exec(ctx, st.SQL)
			if err != nil {
				return fmt.Errorf("%s: %w", st.SQL, err)
			}
			if st.Table != "" {
				rows[st.Table] = int(done.RowsAffected())
				s.rt.status(ctx, "scrub: %s, %d rows", st.Table, rows[st.Table])
			}
		}
		if err := tx.Commit(ctx); err != nil {
			return err
		}
		for _, st := range script.Clean {
			if _, err := conn.Exec(ctx, st.SQL); err != nil {
				return fmt.Errorf("%s: %w", st.SQL, err)
			}
		}
		return nil
	})
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// own leaves out what belongs to PostgreSQL, to an extension or to a session.
const own = `n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`

// readSchema reads what a scrub must know.
func readSchema(ctx context.Context, q querier) (scrub.Schema, error) {
	var out scrub.Schema
	rows, err := q.Query(ctx, `SELECT n.nspname::text, c.relname::text, a.attname::text, format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE a.atttypid END, NULL), format_type(a.atttypid, a.atttypmod),
  CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4 THEN a.atttypmod - 4 ELSE 0 END,
  a.attnotnull, a.attgenerated <> '',
  coalesce((SELECT min(k.conname)::text FROM pg_constraint k WHERE k.contype = 'f' AND (k.conrelid = c.oid AND a.attnum = ANY(k.conkey) OR k.confrelid = c.oid AND a.attnum = ANY(k.confkey))), ''),
  EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum = ANY(i.indkey))
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped AND `+own+`
ORDER BY 1, 2, 3`)
	if err != nil {
		return out, err
	}
	out.Columns, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c scrub.Column, err error) {
		return c, row.Scan(&c.Schema, &c.Table, &c.Name, &c.Type, &c.Full, &c.Length, &c.NotNull, &c.Generated, &c.ForeignKey, &c.Unique)
	})
	if err != nil {
		return out, err
	}
	for _, list := range []struct {
		to    *[]string
		where string
	}{
		{&out.Views, "c.relkind = 'm'"}, {&out.Foreign, "c.relkind = 'f'"}, {&out.Forced, "c.relkind IN ('r', 'p') AND c.relforcerowsecurity"},
	} {
		rows, err := q.Query(ctx, "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "+list.where+" AND "+own+" ORDER BY c.oid")
		if err != nil {
			return out, err
		}
		if *list.to, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return out, err
		}
	}
	rows, err = q.Query(ctx, `SELECT n.nspname::text, c.relname::text, t.tgname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND NOT c.relispartition AND `+own+` ORDER BY 1, 2, 3`)
	if err != nil {
		return out, err
	}
	out.Triggers, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t scrub.Trigger, err error) {
		return t, row.Scan(&t.Schema, &t.Table, &t.Name)
	})
	if err != nil {
		return out, err
	}
	return out, q.QueryRow(ctx, "SELECT count(*)::int FROM pg_largeobject_metadata").Scan(&out.LargeObjects)
}
