package pods

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// world is a source with a clock and a resolver of the test's own.
type world struct {
	*Source
	clock   time.Time
	asked   int
	answers func() ([]net.IP, error)
}

func newWorld() *world {
	w := &world{clock: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	w.Source = &Source{Name: "renderer-pods.", Port: "8080", Refresh: caddy.Duration(2 * time.Second), Grace: caddy.Duration(time.Minute), known: map[string]*answer{}, log: zap.NewNop()}
	w.now = func() time.Time { return w.clock }
	w.lookUp = func(context.Context, string) ([]net.IP, error) { w.asked++; return w.answers() }
	return w
}

func (w *world) dials(t *testing.T) string {
	t.Helper()
	upstreams, err := w.GetUpstreams(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
	if err != nil {
		return err.Error()
	}
	var dials []string
	for _, u := range upstreams {
		dials = append(dials, u.Dial)
	}
	return strings.Join(dials, " ")
}

func TestTheLastAnswerCounts(t *testing.T) {
	w := newWorld()
	refused := errors.New("lookup renderer-pods.: operation not permitted")
	one := func() ([]net.IP, error) { return []net.IP{net.IPv4(10, 81, 21, 7), net.IPv4(10, 81, 11, 8)}, nil }
	two := func() ([]net.IP, error) { return []net.IP{net.IPv4(10, 81, 21, 9)}, nil }
	none := func() ([]net.IP, error) { return nil, refused }
	for i, step := range []struct {
		after   time.Duration
		answers func() ([]net.IP, error)
		want    string
		asked   int
	}{
		{0, none, refused.Error(), 1},
		{0, one, "10.81.11.8:8080 10.81.21.7:8080", 2},
		{time.Second, two, "10.81.11.8:8080 10.81.21.7:8080", 2},
		{time.Second, two, "10.81.21.9:8080", 3},
		// The resolver is away: it is asked once in a while, and the last answer counts.
		{2 * time.Second, none, "10.81.21.9:8080", 4},
		{time.Second, none, "10.81.21.9:8080", 4},
		{time.Second, none, "10.81.21.9:8080", 5},
		{54 * time.Second, none, "10.81.21.9:8080", 6},
		{2 * time.Second, none, refused.Error(), 7},
		{2 * time.Second, func() ([]net.IP, error) { return nil, nil }, "pods: renderer-pods. has no address", 8},
		{0, one, "10.81.11.8:8080 10.81.21.7:8080", 9},
	} {
		w.clock, w.answers = w.clock.Add(step.after), step.answers
		if got := w.dials(t); got != step.want || w.asked != step.asked {
			t.Errorf("step %d: %q after %d lookups, want %q after %d", i, got, w.asked, step.want, step.asked)
		}
	}
}

// A resolver that does not answer holds nobody up who can have an older answer; who has none waits for it.
func TestAResolverThatHangs(t *testing.T) {
	w := newWorld()
	w.answers = func() ([]net.IP, error) { return []net.IP{net.IPv4(10, 81, 21, 7)}, nil }
	const known = "10.81.21.7:8080"
	if got := w.dials(t); got != known {
		t.Fatalf("got %q", got)
	}
	release := make(chan struct{})
	w.answers = func() ([]net.IP, error) { <-release; return []net.IP{net.IPv4(10, 81, 21, 9)}, nil }
	w.clock = w.clock.Add(10 * time.Second)
	for range 3 {
		if got := w.dials(t); got != known {
			t.Errorf("while the resolver hangs: %q, want %q", got, known)
		}
	}
	asking := w.known["renderer-pods."].asking
	close(release)
	<-asking
	if got := w.dials(t); got != "10.81.21.9:8080" {
		t.Errorf("after it has answered: %q", got)
	}

	fresh := newWorld()
	hang := make(chan struct{})
	defer close(hang)
	fresh.answers = func() ([]net.IP, error) { <-hang; return nil, errors.New("too late") }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fresh.GetUpstreams(httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody)); !errors.Is(err, context.Canceled) {
		t.Errorf("a reader who goes away: %v", err)
	}
}

// What strangers ask for is forgotten again.
func TestNamesAreBounded(t *testing.T) {
	w := newWorld()
	for i := range 3 * names {
		w.mu.Lock()
		w.remembered(strings.Repeat("x", i+1)).at = w.clock
		w.mu.Unlock()
	}
	if len(w.known) > names {
		t.Errorf("%d names are remembered, want at most %d", len(w.known), names)
	}
}

func TestSettings(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	for text, want := range map[string]string{
		`{"name":"a.","port":"80","refresh":"2s","grace":"1m"}`:                           "",
		`{"name":"a.","port":"80","refresh":"2s","grace":"1m","resolver":"127.0.0.1:53"}`: "",
		`{"name":"a.","port":"80","refresh":"2s","grace":"1m","resolver":"dns"}`:          "pods: resolver: not an ip:port; give an address and a port, or leave it out",
		`{"name":"a.","port":"80","refresh":"2s"}`:                                        `pods: name "a.", port "80", refresh 2s, grace 0s; give all four`,
	} {
		var s Source
		err := json.Unmarshal([]byte(text), &s)
		if err == nil {
			err = s.Provision(ctx)
		}
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if !slices.Contains(caddy.Modules(), "http.reverse_proxy.upstreams.pods") {
		t.Error("the source is not registered")
	}
}
