// Package reader knows how a reader is called: it looks a reader up in the managed database, by the connection that components/database put into a Secret.
//
// What a reader of this package would get wrong: the Secret's folder is empty at first, and its content changes under a running pod. A pod starts before the
// database is delivered, a password is made anew, a scrubbed copy takes another's place. So the connection is read again at every look-up, which costs two small
// files on a tmpfs beside a round trip to the database, and no pod is started anew for it.
package reader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Files in the folder: the connection as a URL, and the certificate that the URL has the server verified by.
const (
	URLFile       = "url"
	AuthorityFile = "ca.crt"
)

// query is all that is asked of the database. The id may be text or a number; what is no number is then nobody's.
const query = "SELECT name FROM readers WHERE id = $1"

// Options of a Database. The zero value of each field but Folder means its default.
type Options struct {
	// Folder has the files of the Secret. Required.
	Folder string
	// Timeout bounds a look-up, with the connecting that it may need; 400 ms by default, inside the p99 target of 950 ms.
	Timeout time.Duration
	// Connections is the most that are held at once; 4 by default. All replicas' together must stay below what the database's plan takes.
	Connections int32
	// Log is told when the database stops answering, why, and when it answers again. Nothing by default.
	Log *slog.Logger
}

// Database looks readers up. Make one with New.
type Database struct {
	options Options

	mu      sync.Mutex
	current *session
	closed  bool
	failing string         // why the last look-up failed; empty when it did not
	retired sync.WaitGroup // sessions that are being closed
}

// session is the pool of one connection string. It is closed once nobody uses it and another has taken its place.
type session struct {
	url, authority string
	pool           *pgxpool.Pool
	users          sync.WaitGroup
}

// New makes a Database. It reaches for nothing yet.
func New(o Options) *Database {
	if o.Timeout == 0 {
		o.Timeout = 400 * time.Millisecond
	}
	if o.Connections == 0 {
		o.Connections = 4
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Database{options: o}
}

// Name is how the reader is called. known is false for a reader whom the database does not have, or has without a name. An error means that the database could
// not be asked; it holds no secret, but hosts and users that a stranger need not know.
func (d *Database) Name(ctx context.Context, id string) (name string, known bool, err error) {
	asking, cancel := context.WithTimeout(ctx, d.options.Timeout)
	defer cancel()
	found, err := d.ask(asking, id)
	// A caller who went away says nothing about the database.
	if ctx.Err() == nil {
		d.note(err)
	}
	if err != nil || found == nil {
		return "", false, err
	}
	return *found, true, nil
}

func (d *Database) ask(ctx context.Context, id string) (*string, error) {
	s, err := d.use()
	if err != nil {
		return nil, err
	}
	defer s.users.Done()
	name, err := s.ask(ctx, id)
	if broken(err) && ctx.Err() == nil {
		// A server that was started again, or whose place another took, leaves a pool of dead connections. No reader need meet them one by one.
		s.pool.Reset()
		name, err = s.ask(ctx, id)
	}
	if err != nil {
		return nil, fmt.Errorf("look the reader up: %w", err)
	}
	return name, nil
}

func (s *session) ask(ctx context.Context, id string) (name *string, err error) {
	err = s.pool.QueryRow(ctx, query, id).Scan(&name)
	var refused *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case errors.As(err, &refused) && (refused.Code == "22P02" || refused.Code == "22003"): // no number, or too large a one
		return nil, nil
	}
	return name, err
}

// broken says whether a connection ended, in place of an answer. Class 57 is the server's own end (https://www.postgresql.org/docs/current/errcodes-appendix.html).
func broken(err error) bool {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return strings.HasPrefix(refused.Code, "57P")
	}
	return err != nil
}

// use gives the session of the connection as it is in the folder now. The caller calls users.Done.
func (d *Database) use() (*session, error) {
	url, err := os.ReadFile(filepath.Join(d.options.Folder, URLFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, errors.New("the database's connection is not there yet: its Secret comes when the database is delivered")
	}
	if err != nil {
		return nil, fmt.Errorf("the database's connection: %w", err)
	}
	authority, err := os.ReadFile(filepath.Join(d.options.Folder, AuthorityFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the database's authority: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errors.New("the database is closed: the process ends")
	}
	if old := d.current; old == nil || old.url != string(url) || old.authority != string(authority) {
		pool, err := open(string(url), d.options.Connections)
		if err != nil {
			return nil, err
		}
		d.current = &session{url: string(url), authority: string(authority), pool: pool}
		d.retire(old)
	}
	d.current.users.Add(1)
	return d.current, nil
}

func open(url string, connections int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the database's connection: %w", err) // pgx leaves the password out
	}
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("the database's connection: %w", err)
	}
	return pool, nil
}

// retire closes a session when its last user is done. The caller holds mu.
func (d *Database) retire(s *session) {
	if s == nil {
		return
	}
	d.retired.Go(func() {
		s.users.Wait()
		s.pool.Close()
	})
}

// note logs each change of the database's health once: a burst would repeat it a thousand times a second.
func (d *Database) note(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	d.mu.Lock()
	was := d.failing
	d.failing = text
	d.mu.Unlock()
	switch {
	case was == "" && text != "":
		d.options.Log.Warn("readers cannot be looked up", "cause", text)
	case was != "" && text == "":
		d.options.Log.Info("readers can be looked up again")
	}
}

// Close ends all connections, once the look-ups under way are done. A look-up after it fails.
func (d *Database) Close() {
	d.mu.Lock()
	d.closed = true
	d.retire(d.current)
	d.current = nil
	d.mu.Unlock()
	d.retired.Wait()
}
