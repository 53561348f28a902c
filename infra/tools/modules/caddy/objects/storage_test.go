package objects

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// quick is a pace for tests: a holder renews a hundred times before it would be thought dead.
var quick = pace{beat: 10 * time.Millisecond, stale: time.Second, poll: 2 * time.Millisecond, now: time.Now}

// bucket is an S3 server with one bucket.
func bucket(t *testing.T) *httptest.Server {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("edge"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	return server
}

// node is one edge node's storage.
func node(t *testing.T, server *httptest.Server, p pace, transport http.RoundTripper) *Storage {
	t.Helper()
	s := &Storage{Endpoint: server.URL, Region: "eu-west-par", Bucket: "edge", Prefix: "edge-test", AccessKey: "access", SecretKey: "secret", pace: p}
	if err := s.connect(transport); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFiles(t *testing.T) {
	server := bucket(t)
	s, other, ctx := node(t, server, quick, http.DefaultTransport), node(t, server, quick, http.DefaultTransport), t.Context()
	if _, err := s.Load(ctx, "acme/account.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := s.List(ctx, "acme", true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	for _, name := range []string{"acme/account.json", "certificates/a/x/x.crt", "certificates/a/x/x.key", "certificates/a/y/y.crt"} {
		for _, text := range []string{"first", name} {
			if err := s.Store(ctx, name, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if text, err := other.Load(ctx, "acme/account.json"); err != nil || string(text) != "acme/account.json" {
		t.Errorf("from another node: %q, %v", text, err)
	}
	for _, row := range []struct {
		folder    string
		recursive bool
		want      []string
	}{
		{"certificates/a", false, []string{"certificates/a/x", "certificates/a/y"}},
		{"certificates/a", true, []string{"certificates/a/x", "certificates/a/x/x.crt", "certificates/a/x/x.key", "certificates/a/y", "certificates/a/y/y.crt"}},
		{"certificates/a/x", false, []string{"certificates/a/x/x.crt", "certificates/a/x/x.key"}},
		{"", false, []string{"acme", "certificates"}},
	} {
		got, err := other.List(ctx, row.folder, row.recursive)
		slices.Sort(got)
		if err != nil || !slices.Equal(got, row.want) {
			t.Errorf("list %q, recursive %v: %q, %v; want %q", row.folder, row.recursive, got, err, row.want)
		}
	}
	for name, want := range map[string]bool{"certificates/a/x/x.crt": true, "certificates/a/x": true, "certificates/a/x/x": false, "certificates/b": false} {
		if got := s.Exists(ctx, name); got != want {
			t.Errorf("%s is there: %v", name, got)
		}
	}
	if info, err := s.Stat(ctx, "acme/account.json"); err != nil || info.Size != 17 || !info.IsTerminal || info.Modified.IsZero() || info.Key != "acme/account.json" {
		t.Errorf("%+v, %v", info, err)
	}
	if info, err := s.Stat(ctx, "certificates/a"); err != nil || info.IsTerminal {
		t.Errorf("a folder: %+v, %v", info, err)
	}
	for range 2 {
		if err := s.Delete(ctx, "certificates/a/x"); err != nil {
			t.Error(err)
		}
	}
	if s.Exists(ctx, "certificates/a/x") || !s.Exists(ctx, "certificates/a/y/y.crt") {
		t.Error("the wrong files were removed")
	}
}

// TestOneHoldsALock has three nodes with four workers each take turns.
func TestOneHoldsALock(t *testing.T) {
	server := bucket(t)
	var inside, turns atomic.Int64
	var wait sync.WaitGroup
	for range 3 {
		s := node(t, server, quick, http.DefaultTransport)
		for range 4 {
			wait.Go(func() {
				if err := s.Lock(t.Context(), "turn"); err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d hold the lock", n)
				}
				time.Sleep(5 * time.Millisecond)
				inside.Add(-1)
				turns.Add(1)
				if err := s.Unlock(t.Context(), "turn"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wait.Wait()
	if turns.Load() != 12 {
		t.Errorf("%d turns, want 12", turns.Load())
	}
}

// TestALivingHolderIsLeftAlone: the waiter's patience ends first, however often it looked.
func TestALivingHolderIsLeftAlone(t *testing.T) {
	server := bucket(t)
	holder, waiter := node(t, server, quick, http.DefaultTransport), node(t, server, quick, http.DefaultTransport)
	if err := holder.Lock(t.Context(), "l"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*quick.stale)
	defer cancel()
	if err := waiter.Lock(ctx, "l"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the lock of a living node: %v", err)
	}
	if err := holder.Unlock(t.Context(), "l"); err != nil {
		t.Error(err)
	}
	if err := waiter.Lock(t.Context(), "l"); err != nil {
		t.Error(err)
	}
	if err := waiter.Unlock(t.Context(), "l"); err != nil {
		t.Error(err)
	}
}

// TestADeadHoldersLockIsTaken, and the dead one is told when it comes back.
func TestADeadHoldersLockIsTaken(t *testing.T) {
	server := bucket(t)
	dead, heir := node(t, server, quick, http.DefaultTransport), node(t, server, pace{beat: 10 * time.Millisecond, stale: 50 * time.Millisecond, poll: time.Millisecond, now: time.Now}, http.DefaultTransport)
	if err := dead.Lock(t.Context(), "l"); err != nil {
		t.Fatal(err)
	}
	dead.held.byName["l"].cancel()
	<-dead.held.byName["l"].done
	if err := heir.Lock(t.Context(), "l"); err != nil {
		t.Fatal(err)
	}
	if err := dead.Unlock(t.Context(), "l"); err == nil || err.Error() != "unlock l: the object changed meanwhile" {
		t.Errorf("the dead one's unlock: %v", err)
	}
	if err := heir.Unlock(t.Context(), "l"); err != nil {
		t.Errorf("the heir's unlock: %v", err)
	}
	if err := heir.Unlock(t.Context(), "l"); err == nil || err.Error() != "unlock l: it is not held here" {
		t.Errorf("a second unlock: %v", err)
	}
}

// TestOrdersAreBounded over all nodes, by name and hour.
func TestOrdersAreBounded(t *testing.T) {
	server := bucket(t)
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	p := quick
	p.now = func() time.Time { return now }
	nodes := []*Storage{node(t, server, p, http.DefaultTransport), node(t, server, p, http.DefaultTransport)}
	order := func(i int, name string) error {
		s := nodes[i%2]
		if err := s.Lock(t.Context(), name); err != nil {
			return err
		}
		now = now.Add(time.Minute)
		return s.Unlock(t.Context(), name)
	}
	for i := range 5 {
		if err := order(i, "issue_cert_pictures.customer.test"); err != nil {
			t.Fatalf("order %d: %v", i, err)
		}
	}
	want := "pictures.customer.test: 5 certificates were ordered within an hour; the next may be ordered at 2026-11-21T11:00:00Z"
	for i := range 2 {
		if err := order(i, "issue_cert_pictures.customer.test"); err == nil || err.Error() != want {
			t.Errorf("the sixth: %v", err)
		}
	}
	for i := range 7 {
		if err := order(i, "issue_cert_other.test"); (err != nil) != (i >= 5) {
			t.Errorf("another name's order %d: %v", i, err)
		}
		if err := order(i, "account"); err != nil {
			t.Errorf("a lock for something else: %v", err)
		}
	}
	now = time.Date(2026, 11, 21, 11, 0, 0, 0, time.UTC)
	if err := order(0, "issue_cert_pictures.customer.test"); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

// TestEachAttemptUnderOneLockIsAnOrder, as certmagic tries again while it holds the lock.
func TestEachAttemptUnderOneLockIsAnOrder(t *testing.T) {
	server := bucket(t)
	s, ctx := node(t, server, quick, http.DefaultTransport), t.Context()
	const name = "issue_cert_away.customer.test"
	if err := s.RenewLockLease(ctx, name, time.Minute); err == nil || err.Error() != "renew "+name+": it is not held here" {
		t.Errorf("without the lock: %v", err)
	}
	if err := s.Lock(ctx, name); err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		if err := s.RenewLockLease(ctx, name, time.Minute); (err != nil) != (i >= 5) || err != nil && !strings.HasPrefix(err.Error(), "away.customer.test: 5 certificates were ordered within an hour; ") {
			t.Errorf("attempt %d: %v", i, err)
		}
	}
	if err := s.Unlock(ctx, name); err != nil {
		t.Error(err)
	}
	if err := node(t, server, quick, http.DefaultTransport).Lock(ctx, name); err == nil {
		t.Error("another node orders on")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestABucketWithoutConditionsIsRefused before anything is locked.
func TestABucketWithoutConditionsIsRefused(t *testing.T) {
	server := bucket(t)
	s := node(t, server, quick, roundTrip(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Del("If-None-Match")
		return http.DefaultTransport.RoundTrip(r)
	}))
	want := "lock l: bucket edge at " + server.URL + " does not honour If-None-Match, without which two nodes would hold one lock (its answer: <nil>); use one that does"
	if err := s.Lock(t.Context(), "l"); err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
	if err := node(t, server, quick, http.DefaultTransport).Lock(t.Context(), "l"); err != nil {
		t.Errorf("the same bucket with conditions: %v", err)
	}
}

// TestALostAnswerIsNotAnotherHolder: a write that happened and whose answer was lost is tried again by the client, and refused.
func TestALostAnswerIsNotAnotherHolder(t *testing.T) {
	server := bucket(t)
	var lost atomic.Int64
	s := node(t, server, quick, roundTrip(func(r *http.Request) (*http.Response, error) {
		response, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/l.json") && lost.Add(1)%2 == 1 {
			response.Body.Close()
			return nil, fmt.Errorf("the line broke")
		}
		return response, err
	}))
	for range 2 {
		if err := s.Lock(t.Context(), "l"); err != nil {
			t.Fatal(err)
		}
		if err := s.Unlock(t.Context(), "l"); err != nil {
			t.Error(err)
		}
	}
	if lost.Load() < 4 {
		t.Errorf("%d writes; the test lost none", lost.Load())
	}
}

func TestSettings(t *testing.T) {
	right := func() Storage {
		return Storage{Endpoint: "https://s3.eu-west-par.io.cloud.ovh.net", Region: "eu-west-par", Bucket: "edge", AccessKey: "a", SecretKey: "never-shown"}
	}
	for _, row := range []struct {
		mutate func(*Storage)
		want   string
	}{
		{func(*Storage) {}, ""},
		{func(s *Storage) { s.Endpoint = "http://127.0.0.1:9000" }, ""},
		{func(s *Storage) { s.Endpoint = "http://192.0.2.1:9000" }, "storage: endpoint http://192.0.2.1:9000: keys of certificates go over https only"},
		{func(s *Storage) { s.Endpoint = "s3.example" }, `storage: endpoint "s3.example" is not the URL of a host`},
		{func(s *Storage) { s.Region, s.Bucket, s.AccessKey, s.SecretKey = "", "", "", "" }, "storage: region is empty\nstorage: bucket is empty\nstorage: access_key is empty\nstorage: secret_key is empty"},
		{func(s *Storage) { s.Prefix = "/edge" }, `storage: prefix "/edge" has slashes at its ends`},
		{func(s *Storage) { s.OrdersAnHour = -1 }, "storage: -1 orders an hour; wanted 1 or more, or 0 for 5"},
	} {
		s := right()
		row.mutate(&s)
		got := ""
		if err := s.connect(http.DefaultTransport); err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("\n got %s\nwant %s", got, row.want)
		}
	}
	s := right()
	if text := s.String(); strings.Contains(text, "never-shown") || text != "objects https://s3.eu-west-par.io.cloud.ovh.net/edge/" {
		t.Errorf("it shows itself as %s", text)
	}
}
