//go:build e2e

package postgres

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"havre/infra/sandbox/ovhsim"
	"havre/infra/workspace"
)

const id = "11111111-1111-4111-a111-111111111111"

// folder is short for the sockets' sake, and one that an unprivileged user can enter.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "havre-pg-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// cache is the project's, which `make machine` fills.
func cache(t *testing.T) string {
	t.Helper()
	ws, err := workspace.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	return ws.Cache
}

func manager(t *testing.T, o Options) *Manager {
	t.Helper()
	o.Listen = netip.MustParseAddr("127.0.0.1")
	m := New(o)
	t.Cleanup(m.Close)
	return m
}

func ask(t *testing.T, m *Manager, cluster, database, sql string) (answer string) {
	t.Helper()
	if err := m.as(t.Context(), cluster, database, func(conn *pgx.Conn) error { return conn.QueryRow(t.Context(), sql).Scan(&answer) }); err != nil {
		t.Fatal(err)
	}
	return answer
}

// TestUnpacked runs PostgreSQL out of Debian's packages, as on a machine that has none installed, and as an unprivileged user.
func TestUnpacked(t *testing.T) {
	m := manager(t, Options{Folder: folder(t), Cache: cache(t), Unpacked: true})
	endpoint, err := m.Create(t.Context(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if endpoint.Host != "127.0.0.1" || endpoint.Port == 0 || !strings.HasPrefix(endpoint.Authority, "-----BEGIN CERTIFICATE-----") {
		t.Errorf("endpoint %+v", endpoint)
	}
	if got := ask(t, m, id, "postgres", "SELECT current_setting('server_version_num')"); !strings.HasPrefix(got, Major) {
		t.Errorf("version %s", got)
	}
	if !strings.HasPrefix(m.distribution.Bin, m.options.Folder) {
		t.Errorf("the programs are those of %s", m.distribution.Bin)
	}
	if os.Geteuid() == 0 {
		info, err := os.Stat(m.cluster(id).data)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner == 0 {
			t.Error("the data are root's")
		}
	}
}

// TestBackupAndRestart: a backup is what was there when it was made; a cluster keeps data and port when its server is started again, and a killed one recovers.
func TestBackupAndRestart(t *testing.T) {
	ctx, dir := t.Context(), folder(t)
	m := manager(t, Options{Folder: dir})
	first, err := m.Create(ctx, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.exec(ctx, id, ovhsim.DefaultDatabase, "CREATE TABLE notes (text text)", "INSERT INTO notes VALUES ('before')"); err != nil {
		t.Fatal(err)
	}
	size, err := m.Backup(ctx, id, "one")
	if err != nil || size < 1<<20 {
		t.Fatalf("backup of %d bytes: %v", size, err)
	}
	if err := m.exec(ctx, id, ovhsim.DefaultDatabase, "INSERT INTO notes VALUES ('after')"); err != nil {
		t.Fatal(err)
	}
	const fork = "22222222-2222-4222-a222-222222222222"
	if _, err := m.Create(ctx, fork, &ovhsim.DatabaseBackup{Cluster: id, Backup: "one"}); err != nil {
		t.Fatal(err)
	}
	const all = "SELECT string_agg(text, ' ' ORDER BY text) FROM notes"
	if got := ask(t, m, fork, ovhsim.DefaultDatabase, all); got != "before" {
		t.Errorf("the fork has %q, want what was there at the backup", got)
	}

	// Killed outright, and started by another process's manager.
	m.mu.Lock()
	s := m.servers[id]
	m.mu.Unlock()
	if err := s.process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.done:
	case <-time.After(time.Minute):
		t.Fatal("the server does not die")
	}
	again := manager(t, Options{Folder: dir})
	second, err := again.Create(ctx, id, nil)
	if err != nil || second.Port != first.Port || second.Authority != first.Authority {
		t.Fatalf("endpoint %+v, %v; want %+v", second, err, first)
	}
	if got := ask(t, again, id, ovhsim.DefaultDatabase, all); got != "after before" {
		t.Errorf("after the kill there is %q", got)
	}
	if err := again.Remove(ctx, id); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(again.cluster(id).root); !os.IsNotExist(err) {
		t.Errorf("the data of a removed cluster: %v", err)
	}
	if err := again.Remove(context.WithoutCancel(ctx), id); err != nil {
		t.Errorf("a cluster that is not there: %v", err)
	}
}
