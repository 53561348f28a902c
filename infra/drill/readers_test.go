package drill

import (
	"context"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"havre/infra/sandbox/bringup"
)

// shot is a request that left so long after the start and was answered so long after that.
func shot(start time.Time, left, took time.Duration, code uint16, fault string) vegeta.Result {
	return vegeta.Result{Timestamp: start.Add(left), Latency: took, Code: code, Error: fault}
}

func TestSummary(t *testing.T) {
	start := time.Date(2026, 11, 21, 16, 0, 0, 0, time.UTC)
	const second = time.Second
	fault := start.Add(10 * second)
	end := start.Add(30 * second)
	for name, c := range map[string]struct {
		shots  []vegeta.Result
		failed int
		gap    Seconds
		back   time.Duration
	}{
		"nobody":          {nil, 0, 30, 0},
		"all served":      {[]vegeta.Result{shot(start, 10*second, second, 200, ""), shot(start, 20*second, second, 200, "")}, 0, 11, 0},
		"failed before":   {[]vegeta.Result{shot(start, second, second, 502, "502"), shot(start, 12*second, 0, 200, "")}, 1, 18, 0},
		"failed and back": {[]vegeta.Result{shot(start, 11*second, 10*second, 0, "x"), shot(start, 12*second, 0, 200, ""), shot(start, 15*second, 0, 503, "503"), shot(start, 16*second, 0, 200, "")}, 2, 14, 6 * second},
		"never back":      {[]vegeta.Result{shot(start, 9*second, 0, 200, ""), shot(start, 11*second, 0, 503, "503")}, 1, 21, 20 * second},
		// Answers come in another order than requests leave.
		"late answer": {[]vegeta.Result{shot(start, 14*second, 0, 200, ""), shot(start, 11*second, 10*second, 0, "x")}, 1, 16, 4 * second},
	} {
		seen, back := summary(c.shots, start, fault, end)
		if seen.Requests != len(c.shots) || seen.Failed != c.failed || seen.LongestGap != c.gap || back != c.back {
			t.Errorf("%s: %d requests, %d failed, longest gap %v, back after %s; want %d, %d, %v, %s",
				name, seen.Requests, seen.Failed, seen.LongestGap, back, len(c.shots), c.failed, c.gap, c.back)
		}
	}
}

func TestFailures(t *testing.T) {
	start := time.Date(2026, 11, 21, 16, 0, 0, 0, time.UTC)
	busy := shot(start, 5*time.Second, 0, 503, "503 Service Unavailable")
	busy.Body = []byte("every drawing place is taken; ask again in a second\nmore")
	var got []Failure
	for _, s := range []vegeta.Result{
		shot(start, time.Second, 0, 0, `Get "https://pictures.havre.test/v1/picture.png?name=Reader+1": EOF`), shot(start, 2*time.Second, 0, 502, "502 Bad Gateway"),
		shot(start, 3*time.Second, 0, 0, `Get "https://pictures.havre.test/v1/picture.png?name=Reader+2": EOF`),
		shot(start, 4*time.Second, 0, 0, `Get "https://a/?x": read tcp 198.51.100.1:35988->198.51.100.15:443: read: connection reset by peer`), busy,
		shot(start, 6*time.Second, 0, 0, `Get "https://a/?x": read tcp 198.51.100.1:35989->198.51.100.15:443: read: connection reset by peer`),
	} {
		got = failed(got, s, start)
	}
	want := []Failure{
		{Got: "EOF", Count: 2, First: 1, Last: 3}, {Got: "502 Bad Gateway", Count: 1, First: 2, Last: 2},
		{Got: "read tcp 198.51.100.15:443: read: connection reset by peer", Count: 2, First: 4, Last: 6},
		{Got: "503 Service Unavailable: every drawing place is taken; ask again in a second", Count: 1, First: 5, Last: 5},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// A name whose first address refuses, or does not answer, leads to the next one.
func TestDialAny(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := refused.Addr().String()
	if err := refused.Close(); err != nil {
		t.Fatal(err)
	}
	conn, err := dialAny(context.Background(), "tcp", []string{dead, listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.RemoteAddr().String(); got != listener.Addr().String() {
		t.Errorf("connected to %s, want %s", got, listener.Addr())
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if _, err := dialAny(context.Background(), "tcp", []string{dead, dead}); err == nil || strings.Count(err.Error(), dead) != 2 {
		t.Errorf("both refused: %v; want what each said", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := dialAny(ended, "tcp", []string{listener.Addr().String()}); !errors.Is(err, context.Canceled) && (err == nil || !strings.Contains(err.Error(), "canceled")) {
		t.Errorf("an ended context: %v", err)
	}
}

// Readers enter by every edge node, each with a connection of his own, and their failures are counted.
func TestReaders(t *testing.T) {
	connections := make(chan string, 10_000)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connections <- r.RemoteAddr
		if strings.HasSuffix(r.URL.Query().Get("name"), "3") {
			http.Error(w, "no", http.StatusBadGateway)
		}
	}))
	server.StartTLS()
	defer server.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	address := server.Listener.Addr().String()
	r, err := newReaders(bringup.Edge{Domain: "example.com", Addresses: []string{address}, Authority: authority})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	start := time.Now()
	go func() { defer close(done); r.ask(ctx) }()
	seen := map[string]bool{}
	for len(seen) < 15 {
		seen[<-connections] = true
	}
	stop()
	<-done
	got, _ := summary(r.shots, start, time.Time{}, time.Now())
	if got.Requests < 15 || got.Failed == 0 || len(got.Failures) != 1 || got.Failures[0].Got != "502 Bad Gateway: no" || got.Failures[0].Count != got.Failed {
		t.Errorf("%d requests, %d failed with %v; want 15 or more, some of which get 502", got.Requests, got.Failed, got.Failures)
	}
	for _, bad := range []bringup.Edge{{Addresses: []string{address}}, {Authority: authority}} {
		if _, err := newReaders(bad); err == nil || !strings.HasSuffix(err.Error(), "run make up again") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
