// Package postgres runs real PostgreSQL clusters behind the OVH simulator's managed databases: each a server of its own on one address, with TLS, a list of
// networks that may connect, base backups, and forks made from them.
//
// The one thing a reader would get wrong: nothing runs, and nothing is unpacked, until the first database is ordered. A sandbox without one pays nothing for it.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"havre/infra/sandbox/ovhsim"
)

// superuser is PostgreSQL's own, which no customer of a managed database gets. It logs in over the cluster's socket only.
const superuser = "postgres"

// Options configure a Manager.
type Options struct {
	// Folder holds clusters and backups. It is made when missing; an unprivileged user must be able to enter it.
	Folder string
	// Cache keeps Debian's packages where the machine has no PostgreSQL.
	Cache string
	// Listen is the address that servers answer on, besides their sockets.
	Listen netip.Addr
	// Unpacked makes use of Debian's packages even where the machine has PostgreSQL installed.
	Unpacked bool
}

// Manager runs the clusters of one sandbox.
type Manager struct {
	options Options

	mu           sync.Mutex
	ready        bool
	distribution Distribution
	authority    *authority
	servers      map[string]*server
}

var _ ovhsim.Databases = (*Manager)(nil)

// New makes a Manager. It reaches for nothing yet.
func New(o Options) *Manager { return &Manager{options: o, servers: map[string]*server{}} }

// prepare finds or unpacks PostgreSQL, and makes the authority, once.
func (m *Manager) prepare(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ready {
		return nil
	}
	if err := os.MkdirAll(m.options.Folder, 0o755); err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	found, there := Find()
	if !there || m.options.Unpacked {
		var err error
		if found, err = Unpack(ctx, m.options.Cache, filepath.Join(m.options.Folder, "postgresql-"+Major)); err != nil {
			return err
		}
	}
	signer, err := loadAuthority(m.options.Folder)
	if err != nil {
		return err
	}
	m.distribution, m.authority, m.ready = found, signer, true
	return nil
}

// cluster is the place of one cluster.
type cluster struct{ root, data, socket string }

func (m *Manager) cluster(id string) cluster {
	root := filepath.Join(m.options.Folder, id)
	// The path of a socket has 107 bytes at most, so its folder is a short one.
	return cluster{root: root, data: filepath.Join(root, "data"), socket: filepath.Join(root, "s")}
}

func (m *Manager) backupFolder(id, backup string) string {
	return filepath.Join(m.options.Folder, "backups", id, backup)
}

// Create makes a cluster where there is none, and starts it.
func (m *Manager) Create(ctx context.Context, id string, from *ovhsim.DatabaseBackup) (ovhsim.DatabaseEndpoint, error) {
	none := ovhsim.DatabaseEndpoint{}
	if err := m.prepare(ctx); err != nil {
		return none, err
	}
	c := m.cluster(id)
	if _, err := os.Stat(c.data); errors.Is(err, fs.ErrNotExist) {
		if err := m.lay(ctx, c, from); err != nil {
			return none, err
		}
	}
	port, err := m.start(ctx, id)
	if err != nil {
		return none, err
	}
	if from == nil {
		if err := m.found(ctx, id); err != nil {
			return none, err
		}
	}
	return ovhsim.DatabaseEndpoint{Host: m.options.Listen.String(), Port: port, Authority: m.authority.pem}, nil
}

// lay makes the data of a cluster under another name first, so that data that is there is whole.
func (m *Manager) lay(ctx context.Context, c cluster, from *ovhsim.DatabaseBackup) error {
	for _, dir := range []string{c.root, c.socket} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("postgresql: %w", err)
		}
		if err := own(dir); err != nil {
			return err
		}
	}
	fresh := c.data + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	if from != nil {
		if err := copyTree(m.backupFolder(from.Cluster, from.Backup), fresh); err != nil {
			return err
		}
	} else if err := m.run(ctx, c.root, "initdb", "--pgdata="+fresh, "--username="+superuser, "--auth=reject", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"); err != nil {
		return err
	}
	if err := m.configure(fresh, c, nil); err != nil {
		return err
	}
	if err := os.Rename(fresh, c.data); err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	return nil
}

// configure writes who may connect, the certificate, and the few settings that differ from PostgreSQL's own.
func (m *Manager) configure(data string, c cluster, networks []netip.Prefix) error {
	certificate, key, err := m.authority.issue(m.options.Listen)
	if err != nil {
		return err
	}
	settings := []string{
		"listen_addresses = '" + m.options.Listen.String() + "'", "unix_socket_directories = '" + c.socket + "'", "unix_socket_permissions = 0700",
		"ssl = on", "ssl_cert_file = 'server.crt'", "ssl_key_file = 'server.key'", "ssl_min_protocol_version = 'TLSv1.2'", "password_encryption = 'scram-sha-256'",
		"jit = off", "max_connections = 50", "shared_buffers = '32MB'", "timezone = 'GMT'", "log_timezone = 'GMT'", "logging_collector = off", "wal_level = replica",
		// A killed server recovers without it, and after the machine's next start the sandbox's databases are gone anyway.
		"fsync = off",
		// Values never come to lie in a log.
		"log_min_error_statement = panic", "log_statement = 'none'", "log_parameter_max_length = 0", "log_parameter_max_length_on_error = 0",
	}
	for name, text := range map[string]string{
		"postgresql.auto.conf": strings.Join(settings, "\n") + "\n", "server.crt": certificate, "server.key": key, "pg_hba.conf": accessRules(networks),
	} {
		if err := writeOwned(filepath.Join(data, name), text); err != nil {
			return err
		}
	}
	return nil
}

// accessRules are pg_hba.conf: everything over the network is TLS with a password from a network of the list. The socket is in a folder that nobody else can enter.
func accessRules(networks []netip.Prefix) string {
	var b strings.Builder
	b.WriteString("local all,replication " + superuser + " trust\n")
	for _, n := range networks {
		b.WriteString("hostssl all all " + n.String() + " scram-sha-256\n")
	}
	return b.String()
}

func writeOwned(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	if err := own(path + ".new"); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	return nil
}

// start starts a cluster's server unless it runs, and waits until it answers. A cluster keeps its port for life.
func (m *Manager) start(ctx context.Context, id string) (port int, err error) {
	c := m.cluster(id)
	portFile := filepath.Join(c.root, "port")
	if text, err := os.ReadFile(portFile); err == nil {
		if port, err = strconv.Atoi(string(text)); err != nil {
			return 0, fmt.Errorf("postgresql: %s: %w", portFile, err)
		}
	} else {
		if port, err = freePort(ctx, m.options.Listen); err != nil {
			return 0, err
		}
		if err := os.WriteFile(portFile, []byte(strconv.Itoa(port)), 0o600); err != nil {
			return 0, fmt.Errorf("postgresql: %w", err)
		}
	}
	m.mu.Lock()
	s := m.servers[id]
	m.mu.Unlock()
	if s.running() {
		return port, nil
	}
	// Nothing else can hold the data: a server dies with the process that started it, and there is one sandbox a machine.
	if err := os.Remove(filepath.Join(c.data, "postmaster.pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("postgresql: %w", err)
	}
	if s, err = m.launch(c.root, "-D", c.data, "-p", strconv.Itoa(port)); err != nil {
		return 0, err
	}
	m.mu.Lock()
	m.servers[id] = s
	m.mu.Unlock()
	for {
		err := m.as(ctx, id, "postgres", func(*pgx.Conn) error { return nil })
		if err == nil {
			return port, nil
		}
		select {
		case <-s.done:
			return 0, fmt.Errorf("postgresql: the server ended while it started; it said last:\n%s", s.said.String())
		case <-ctx.Done():
			return 0, fmt.Errorf("postgresql: the server does not answer: %w", errors.Join(ctx.Err(), err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func freePort(ctx context.Context, address netip.Addr) (int, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", netip.AddrPortFrom(address, 0).String())
	if err != nil {
		return 0, fmt.Errorf("postgresql: %w", err)
	}
	defer listener.Close()
	return int(netip.MustParseAddrPort(listener.Addr().String()).Port()), nil
}

// as connects as the superuser over the socket.
func (m *Manager) as(ctx context.Context, id, database string, f func(*pgx.Conn) error) error {
	c := m.cluster(id)
	text, err := os.ReadFile(filepath.Join(c.root, "port"))
	if err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	port, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil {
		return fmt.Errorf("postgresql: port of %s: %w", id, err)
	}
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	config.Host, config.Port, config.User, config.Database, config.Password, config.Fallbacks, config.TLSConfig = c.socket, uint16(port), superuser, database, "", nil, nil
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return f(conn)
}

// exec runs statements one by one.
func (m *Manager) exec(ctx context.Context, id, database string, statements ...string) error {
	return m.as(ctx, id, database, func(conn *pgx.Conn) error {
		for _, s := range statements {
			if _, err := conn.Exec(ctx, s); err != nil {
				return fmt.Errorf("postgresql: %w", err)
			}
		}
		return nil
	})
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }
