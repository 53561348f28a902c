package reader_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"havre/services/render/reader"
)

// What needs a database is tested on a real PostgreSQL, in infra/test/database.

func connection(t *testing.T, folder, url string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, reader.URLFile), []byte(url), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutADatabase(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // it takes connections and says nothing
	silent := "postgresql://havre:NEVER-IN-CLEAR@" + listener.Addr().String() + "/havre?sslmode=require"
	var log strings.Builder
	folder := t.TempDir()
	d := reader.New(reader.Options{Folder: folder, Timeout: 50 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, c := range []struct{ name, url, want string }{
		{"no Secret yet", "", "the database's connection is not there yet: its Secret comes when the database is delivered"},
		{"no URL", "postgresql://havre:NEVER-IN-CLEAR@host:none/havre", "the database's connection: cannot parse "},
		{"silence", silent, "look the reader up: "},
	} {
		if c.url != "" {
			connection(t, folder, c.url)
		}
		for range 2 {
			name, known, err := d.Name(t.Context(), "r-1")
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || known || name != "" {
				t.Errorf("%s: %q, %t, %v; want %s…", c.name, name, known, err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "NEVER-IN-CLEAR") {
				t.Errorf("%s: the error shows the password: %v", c.name, err)
			}
		}
	}
	if n := strings.Count(log.String(), "readers cannot be looked up"); n != 1 || strings.Contains(log.String(), "NEVER-IN-CLEAR") {
		t.Errorf("an outage is logged %d times, or with the password:\n%s", n, log.String())
	}

	// A caller who goes away is no outage.
	log.Reset()
	other := reader.New(reader.Options{Folder: folder, Log: slog.New(slog.NewTextHandler(&log, nil))})
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := other.Name(gone, "r-1"); err == nil || log.String() != "" {
		t.Errorf("%v, logged %q", err, log.String())
	}

	d.Close()
	other.Close()
	if _, _, err := d.Name(t.Context(), "r-1"); err == nil || err.Error() != "the database is closed: the process ends" {
		t.Errorf("after its end: %v", err)
	}
	d.Close()
}
