//go:build e2e

package database

import (
	"context"
	"encoding/pem"
	"fmt"
	"image/png"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"havre/infra/sandbox/ovhsim"
	"havre/infra/sandbox/postgres"
	"havre/infra/workspace"
	"havre/services/render/picture"
	"havre/services/render/reader"
	"havre/services/render/renderer"
)

// patience is for a busy machine; in production a look-up has much less.
const patience = time.Minute

// newManager runs PostgreSQL on loopback until the test ends.
func newManager(t *testing.T) *postgres.Manager {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "havre-pg-") // short, for the sockets' sake, and open to an unprivileged user
	must(t, err)
	must(t, os.Chmod(folder, 0o755))
	ws, err := workspace.Open(".") // whose cache `make machine` fills
	must(t, err)
	m := postgres.New(postgres.Options{Folder: folder, Cache: ws.Cache, Listen: netip.MustParseAddr("127.0.0.1")})
	t.Cleanup(func() {
		m.Close()
		must(t, os.RemoveAll(folder))
	})
	return m
}

// secret is a folder as kubelet mounts a Secret: it is changed by turning one link, so that a reader sees the old files or the new ones, and never half of them.
type secret struct {
	folder string
	n      int
}

func (s *secret) set(t *testing.T, files map[string]string) {
	t.Helper()
	s.n++
	version := fmt.Sprintf("..version-%d", s.n)
	must(t, os.Mkdir(filepath.Join(s.folder, version), 0o755))
	for name, text := range files {
		must(t, os.WriteFile(filepath.Join(s.folder, version, name), []byte(text), 0o600))
		if s.n == 1 {
			must(t, os.Symlink(filepath.Join("..data", name), filepath.Join(s.folder, name)))
		}
	}
	must(t, os.Symlink(version, filepath.Join(s.folder, "..new")))
	must(t, os.Rename(filepath.Join(s.folder, "..new"), filepath.Join(s.folder, "..data")))
}

// cluster is one managed PostgreSQL with readers in it.
type cluster struct {
	m        *postgres.Manager
	id       string
	endpoint ovhsim.DatabaseEndpoint
}

func newCluster(t *testing.T, m *postgres.Manager, id, password string, sql ...string) *cluster {
	t.Helper()
	endpoint, err := m.Create(t.Context(), id, nil)
	must(t, err)
	c := &cluster{m, id, endpoint}
	c.password(t, password)
	must(t, m.Allow(t.Context(), id, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}))
	seed(t, c.url(t, t.TempDir(), password), sql...)
	return c
}

func (c *cluster) password(t *testing.T, password string) {
	t.Helper()
	must(t, c.m.SetPassword(t.Context(), c.id, ovhsim.DatabaseAdmin, password))
}

// url is the connection as components/database writes it, for a folder in which the authority is put.
func (c *cluster) url(t *testing.T, folder, password string) string {
	t.Helper()
	authority := filepath.Join(folder, reader.AuthorityFile)
	if _, err := os.Stat(authority); err != nil {
		must(t, os.WriteFile(authority, []byte(c.endpoint.Authority), 0o600))
	}
	return (&url.URL{
		Scheme: "postgresql", User: url.UserPassword(ovhsim.DatabaseAdmin, password), Host: fmt.Sprintf("%s:%d", c.endpoint.Host, c.endpoint.Port), Path: "/" + ovhsim.DefaultDatabase,
		RawQuery: "sslmode=verify-full&sslrootcert=" + authority,
	}).String()
}

func seed(t *testing.T, url string, sql ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, s := range sql {
		_, err := conn.Exec(t.Context(), s)
		must(t, err)
	}
}

// TestReaders looks readers up in real databases, through everything that happens to a connection while a pod runs.
func TestReaders(t *testing.T) {
	m := newManager(t)
	first := newCluster(t, m, "11111111-1111-4111-a111-111111111111", "one",
		"CREATE TABLE readers (id text PRIMARY KEY, name text)", "INSERT INTO readers VALUES ('r-1', 'Ada'), ('r-2', NULL), ('r-3', 'Zoë')")
	mount := &secret{folder: t.TempDir()}
	authorities := t.TempDir()
	var log lines
	d := reader.New(reader.Options{Folder: mount.folder, Timeout: patience, Connections: 2, Log: slog.New(slog.NewTextHandler(&log, nil))})
	defer d.Close()
	expect := func(id, name string, known bool, wrong string) {
		t.Helper()
		got, there, err := d.Name(t.Context(), id)
		if got != name || there != known || (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %q, %t, %v; want %q, %t, %q", id, got, there, err, name, known, wrong)
		}
	}

	// The pod is there before the database.
	expect("r-1", "", false, "the database's connection is not there yet")
	mount.set(t, map[string]string{reader.URLFile: first.url(t, authorities, "one"), reader.AuthorityFile: first.endpoint.Authority})
	expect("r-1", "Ada", true, "")
	expect("r-3", "Zoë", true, "")
	expect("r-2", "", false, "")
	expect("r-4", "", false, "")
	expect("' OR true --", "", false, "")

	// Many at once, over two connections.
	var group sync.WaitGroup
	for range 40 {
		group.Go(func() {
			if name, known, err := d.Name(t.Context(), "r-1"); name != "Ada" || !known || err != nil {
				t.Errorf("one of many: %q, %t, %v", name, known, err)
			}
		})
	}
	group.Wait()

	// The password is made anew. Connections that are there live on; the next Secret is taken at once.
	first.password(t, "two")
	expect("r-1", "Ada", true, "")
	mount.set(t, map[string]string{reader.URLFile: first.url(t, authorities, "two"), reader.AuthorityFile: first.endpoint.Authority})
	expect("r-1", "Ada", true, "")

	// A Secret with a wrong password opens nothing, and the right one mends it.
	mount.set(t, map[string]string{reader.URLFile: first.url(t, authorities, "three"), reader.AuthorityFile: first.endpoint.Authority})
	expect("r-1", "", false, "password authentication failed")
	mount.set(t, map[string]string{reader.URLFile: first.url(t, authorities, "two"), reader.AuthorityFile: first.endpoint.Authority})
	expect("r-1", "Ada", true, "")

	// Another authority than the one that signed the server's certificate is refused.
	elsewhere := t.TempDir()
	must(t, os.WriteFile(filepath.Join(elsewhere, reader.AuthorityFile), []byte(strangeAuthority(t)), 0o600))
	mount.set(t, map[string]string{reader.URLFile: first.url(t, elsewhere, "two")})
	expect("r-1", "", false, "certificate signed by unknown authority")

	// A new copy in the old one's place: another server, its ids numbers.
	second := newCluster(t, m, "22222222-2222-4222-a222-222222222222", "one",
		"CREATE TABLE readers (id bigint PRIMARY KEY, name text NOT NULL)", "INSERT INTO readers VALUES (1, 'Grace'), (2, 'Alan')")
	mount.set(t, map[string]string{reader.URLFile: second.url(t, authorities, "one"), reader.AuthorityFile: second.endpoint.Authority})
	expect("1", "Grace", true, "")
	expect("r-1", "", false, "")
	expect("99999999999999999999999", "", false, "")

	// The server ends every connection, as it does when it is started anew: nobody sees it.
	must(t, m.Allow(t.Context(), second.id, nil))
	must(t, m.Allow(t.Context(), second.id, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}))
	expect("2", "Alan", true, "")

	// It lets nobody in, and then again.
	must(t, m.Allow(t.Context(), second.id, nil))
	expect("2", "", false, "no pg_hba.conf entry")
	must(t, m.Allow(t.Context(), second.id, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}))
	expect("2", "Alan", true, "")

	said := log.String()
	for _, password := range []string{":one@", ":two@", ":three@", "password=one"} {
		if strings.Contains(said, password) {
			t.Errorf("the log shows a password:\n%s", said)
		}
	}
	if lost, again := strings.Count(said, "readers cannot be looked up"), strings.Count(said, "readers can be looked up again"); lost != 4 || again != 4 {
		t.Errorf("%d outages and %d ends of one are logged, want 4 and 4:\n%s", lost, again, said)
	}
	served(t, d)
}

// served has the renderer draw for a reader whom the request does not name.
func served(t *testing.T, d *reader.Database) {
	t.Helper()
	h := renderer.New(renderer.Options{Name: d.Name}).Handler()
	for query, code := range map[string]int{"reader=2": http.StatusOK, "reader=3": http.StatusNotFound} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, renderer.Path+"?campaign=sale&offer=Two+nights&price=1&"+query, nil))
		if w.Code != code {
			t.Fatalf("%s: %d %s", query, w.Code, w.Body)
		}
		if code == http.StatusOK {
			drawn, err := png.Decode(w.Body)
			must(t, err)
			must(t, picture.Shows(drawn, "Alan"))
		}
	}
}

// strangeAuthority is a certificate that signed nothing here.
func strangeAuthority(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

// lines is a log that several write to.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
