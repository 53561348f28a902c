package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"havre/infra/sandbox/ovhsim"
)

// found gives a new cluster what OVH's begin with: an administrator who is no superuser, and one database of his.
func (m *Manager) found(ctx context.Context, id string) error {
	return m.as(ctx, id, "postgres", func(conn *pgx.Conn) error {
		var there bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", ovhsim.DatabaseAdmin).Scan(&there); err != nil {
			return fmt.Errorf("postgresql: %w", err)
		}
		if !there {
			if _, err := conn.Exec(ctx, "CREATE ROLE "+ovhsim.DatabaseAdmin+" LOGIN CREATEDB CREATEROLE"); err != nil {
				return fmt.Errorf("postgresql: %w", err)
			}
		}
		return m.CreateDatabase(ctx, id, ovhsim.DefaultDatabase)
	})
}

// Remove stops a cluster and drops its data and its backups.
func (m *Manager) Remove(_ context.Context, id string) error {
	m.mu.Lock()
	s := m.servers[id]
	delete(m.servers, id)
	m.mu.Unlock()
	s.stop()
	err := errors.Join(os.RemoveAll(m.cluster(id).root), os.RemoveAll(filepath.Join(m.options.Folder, "backups", id)))
	if err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	return nil
}

// Allow writes the list and has the server read it. Connections from elsewhere end.
func (m *Manager) Allow(ctx context.Context, id string, networks []netip.Prefix) error {
	if err := writeOwned(filepath.Join(m.cluster(id).data, "pg_hba.conf"), accessRules(networks)); err != nil {
		return err
	}
	list := make([]string, len(networks))
	for i, n := range networks {
		list[i] = n.String()
	}
	return m.as(ctx, id, "postgres", func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SELECT pg_reload_conf()")
		if err == nil {
			_, err = conn.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE client_addr IS NOT NULL AND backend_type = 'client backend' AND NOT EXISTS (SELECT FROM unnest($1::text[]) n WHERE client_addr <<= n::inet)`, list)
		}
		if err != nil {
			return fmt.Errorf("postgresql: %w", err)
		}
		return nil
	})
}

// Backup copies a running cluster with pg_basebackup, its write-ahead log included.
func (m *Manager) Backup(ctx context.Context, id, backup string) (bytes int64, err error) {
	target := m.backupFolder(id, backup)
	if err := os.RemoveAll(target); err != nil {
		return 0, fmt.Errorf("postgresql: %w", err)
	}
	for _, dir := range []string{filepath.Dir(filepath.Dir(target)), filepath.Dir(target)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return 0, fmt.Errorf("postgresql: %w", err)
		}
	}
	if err := own(filepath.Dir(target)); err != nil {
		return 0, err
	}
	c := m.cluster(id)
	port, err := os.ReadFile(filepath.Join(c.root, "port"))
	if err != nil {
		return 0, fmt.Errorf("postgresql: %w", err)
	}
	err = m.run(ctx, c.root, "pg_basebackup", "--pgdata="+target, "--host="+c.socket, "--port="+string(port), "--username="+superuser, "--checkpoint=fast", "--wal-method=stream", "--no-sync")
	if err != nil {
		return 0, err
	}
	err = filepath.WalkDir(target, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}

// copyTree copies a backup's folders and files, owner and mode included. A base backup has no links: there are no tablespaces.
func copyTree(from, to string) error {
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, rest)
		if entry.IsDir() {
			err = os.MkdirAll(target, info.Mode().Perm())
		} else {
			var content []byte
			if content, err = os.ReadFile(path); err == nil {
				err = os.WriteFile(target, content, info.Mode().Perm())
			}
		}
		if err != nil {
			return err
		}
		return own(target)
	})
	if err != nil {
		return fmt.Errorf("postgresql: copy of backup: %w", err)
	}
	return nil
}

// SetPassword gives a user a password, and makes the user where there is none. Users of the API own nothing at first, as at OVH.
func (m *Manager) SetPassword(ctx context.Context, id, user, password string) error {
	return m.as(ctx, id, "postgres", func(conn *pgx.Conn) error {
		var there bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", user).Scan(&there); err != nil {
			return fmt.Errorf("postgresql: %w", err)
		}
		verb := "CREATE"
		if there {
			verb = "ALTER"
		}
		// A statement of this kind takes no parameters; the password is of base32 letters, and quoted all the same.
		if _, err := conn.Exec(ctx, verb+" ROLE "+quoted(user)+" LOGIN PASSWORD '"+strings.ReplaceAll(password, "'", "''")+"'"); err != nil {
			return fmt.Errorf("postgresql: %w", err)
		}
		return nil
	})
}

// DropUser removes a user from every database.
func (m *Manager) DropUser(ctx context.Context, id, user string) error {
	var databases []string
	err := m.as(ctx, id, "postgres", func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT datname FROM pg_database WHERE datallowconn AND EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", user)
		if err != nil {
			return fmt.Errorf("postgresql: %w", err)
		}
		databases, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range databases {
		if err := m.exec(ctx, id, d, "REASSIGN OWNED BY "+quoted(user)+" TO "+ovhsim.DatabaseAdmin, "DROP OWNED BY "+quoted(user)); err != nil {
			return err
		}
	}
	return m.exec(ctx, id, "postgres", "DROP ROLE IF EXISTS "+quoted(user))
}

// CreateDatabase makes a database of the administrator's.
func (m *Manager) CreateDatabase(ctx context.Context, id, database string) error {
	return m.as(ctx, id, "postgres", func(conn *pgx.Conn) error {
		var there bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database).Scan(&there); err != nil || there {
			return err
		}
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+quoted(database)+" OWNER "+ovhsim.DatabaseAdmin); err != nil {
			return fmt.Errorf("postgresql: %w", err)
		}
		return nil
	})
}

// DropDatabase drops a database and ends its connections.
func (m *Manager) DropDatabase(ctx context.Context, id, database string) error {
	return m.exec(ctx, id, "postgres", "DROP DATABASE IF EXISTS "+quoted(database)+" WITH (FORCE)")
}

// Close stops all servers; data and backups stay. Call it after the simulator's own Close.
func (m *Manager) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all sync.WaitGroup
	for id, s := range m.servers {
		all.Go(s.stop)
		delete(m.servers, id)
	}
	all.Wait()
}
