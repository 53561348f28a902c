package replay

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"havre/infra/sandbox/bringup"
)

var update = flag.Bool("update", false, "write the goldens anew")

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// server is an edge node; answer says what each request gets.
func server(t *testing.T, answer http.HandlerFunc) bringup.Edge {
	t.Helper()
	s := httptest.NewTLSServer(answer)
	t.Cleanup(s.Close)
	return bringup.Edge{
		Domain: "example.com", Addresses: []string{s.Listener.Addr().String()},
		Authority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}),
	}
}

// Requests come over TLS under the public name, each for another reader; answers that are no pictures are counted.
func TestShooter(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	edge := server(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.Host+" "+r.URL.Query().Get("name")]++
		if len(asked) == 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	s, err := NewShooter(edge)
	if err != nil {
		t.Fatal(err)
	}
	steady, err := Steady(100, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	report, err := Run(t.Context(), s, steady, Budget{P99: Patience, Failed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if w := report.Whole; w.Requests != 5 || w.Failed != 1 || len(asked) != 5 || asked["example.com Reader 1"] != 1 || report.Err() != nil {
		t.Errorf("%+v, asked %v", report, asked)
	}
	if _, err := Run(t.Context(), s, steady, Budget{}); err == nil || err.Error() != "budget: p99 0s and 0 failed; wanted a time above 0 and no less than 0 requests" {
		t.Error(err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	hour, err := Steady(1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(ended, s, hour, Budget{P99: time.Second}); !errors.Is(err, context.Canceled) || err.Error() != "load: interrupted after 0 of 3600 requests: context canceled" {
		t.Error(err)
	}
}

func TestShooterRefusals(t *testing.T) {
	for want, edge := range map[string]bringup.Edge{
		"the edge's authority is no certificate in PEM; look at pulumi stack output edgeAuthority, or run make up again": {Authority: []byte("x"), Addresses: []string{"127.0.0.1"}},
		"the stack has no edge node; look at pulumi stack output edgeAddresses, or run make up again":                    {},
	} {
		if _, err := NewShooter(edge); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestPatterns: every request is due at its own time, never before another, and the pattern is over when its time is.
func TestPatterns(t *testing.T) {
	step := func(from, to float64, before, rise, after time.Duration) Pattern {
		p, err := Step(from, to, before, rise, after)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		pattern Pattern
		count   int
		due     map[int]time.Duration
	}{
		// 10 s of 50, a minute that rises to 1000 (60 × the mean, 525) and 10 s of 1000.
		{step(50, 1000, 10*time.Second, time.Minute, 10*time.Second), 500 + 31500 + 10000, map[int]time.Duration{
			0: 20 * time.Millisecond, 499: 10 * time.Second, 31999: 70 * time.Second, 41999: 80 * time.Second,
		}},
		{step(2, 2, time.Second, time.Second, time.Second), 6, map[int]time.Duration{0: 500 * time.Millisecond, 3: 2 * time.Second, 5: 3 * time.Second}},
		{step(1, 4, 2*time.Second, 0, time.Second), 6, map[int]time.Duration{1: 2 * time.Second, 2: 2250 * time.Millisecond, 5: 3 * time.Second}},
	} {
		if got := c.pattern.Count(); got != c.count {
			t.Errorf("%s: %d requests, want %d", c.pattern.Name, got, c.count)
		}
		last := time.Duration(0)
		for n := range c.pattern.Count() {
			due := c.pattern.Due(n)
			if due < last || due > c.pattern.length+time.Microsecond {
				t.Fatalf("%s: request %d is due at %s, the one before at %s, the end at %s", c.pattern.Name, n, due, last, c.pattern.length)
			}
			last = due
		}
		for n, want := range c.due {
			if got := c.pattern.Due(n); got.Round(time.Microsecond) != want {
				t.Errorf("%s: request %d is due at %s, want %s", c.pattern.Name, n, got, want)
			}
		}
	}
	p := step(50, 1000, 10*time.Second, time.Minute, 10*time.Second)
	if before, after := p.Rate(time.Second), p.Rate(75*time.Second); before != 50 || after < 999.9 || after > 1000.1 {
		t.Errorf("rates %g and %g, want 50 and 1000", before, after)
	}
	if wait, stop := p.Pace(5*time.Millisecond, 0); wait != 15*time.Millisecond || stop {
		t.Errorf("wait %s, stop %t", wait, stop)
	}
	if wait, stop := p.Pace(time.Minute, 0); wait != 0 || stop {
		t.Errorf("one that is late waits %s, stop %t", wait, stop)
	}
	if _, stop := p.Pace(0, 42000); !stop {
		t.Error("the pattern is never over")
	}
}

func TestPatternRefusals(t *testing.T) {
	_, steady := Steady(0, 0)
	_, step := Step(1000, 50, time.Second, -1, 25*time.Hour)
	_, speed := Recorded(strings.NewReader(""), 0)
	for _, c := range []struct {
		err  error
		want string
	}{
		{steady, "rate 0: wanted more than 0 and at most 100000 requests a second\nlength 0s: wanted a time of at most a day"},
		{step, "time of the rise -1ns: wanted a time of at most a day\ntime after the step 25h0m0s: wanted a time of at most a day\nstep from 1000 to 50: wanted one upwards"},
		{speed, "speed 0: wanted more than 0 and at most 1000"},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("error %v, want %s", c.err, c.want)
		}
	}
}

const record = `{"level":"info","ts":1700000002.5,"request":{"method":"GET","uri":"/v1/picture.png?campaign=spring&name=Ada+Lovelace&reader=r-77"},"status":200}
{"level":"info","ts":1700000000,"request":{"method":"GET","uri":"/v1/picture.png?campaign=spring&name=Grace+Hopper&reader=r-78"},"status":200}

{"level":"info","ts":1700000001,"request":{"method":"POST","uri":"/v1/forget"},"status":200}
{"level":"info","ts":1700000004,"request":{"method":"GET","uri":"/v1/picture.png?campaign=spring&name=Ada+Lovelace&reader=r-77"},"status":200}
`

// TestRecorded: in the order in which requests came, as fast as asked, and with nobody's name; the same reader stays the same.
func TestRecorded(t *testing.T) {
	p, err := Recorded(strings.NewReader(record), 2)
	if err != nil {
		t.Fatal(err)
	}
	ada, grace := "/v1/picture.png?campaign=spring&name=Reader+1&reader=r-2", "/v1/picture.png?campaign=spring&name=Reader+3&reader=r-4"
	want := []request{{0, grace}, {1250 * time.Millisecond, ada}, {2 * time.Second, ada}}
	if p.Count() != 3 || p.Name != "3 recorded requests in 2s" {
		t.Errorf("%d requests, %s", p.Count(), p.Name)
	}
	for n, r := range p.recorded {
		if r != want[n] {
			t.Errorf("request %d is %v, want %v", n, r, want[n])
		}
	}
	if got := p.Rate(time.Second); got != 1 {
		t.Errorf("rate %g, want 1", got)
	}
	for want, log := range map[string]string{
		"record: no GET in it; wanted Caddy's access log in JSON":                                                    "\n",
		"record, line 1: invalid character 'G' looking for beginning of value; wanted Caddy's access log in JSON":    "GET / HTTP/1.1",
		"record, line 1: no time or no path; wanted Caddy's access log in JSON, with ts as a number and request.uri": `{"request":{"uri":"/"}}`,
		"record, line 1: its path is not one of a URL":                                                               `{"ts":1,"request":{"uri":"/%zz?name=Ada"}}`,
		"record: longer than a day; cut it":                                                                          `{"ts":1,"request":{"uri":"/"}}` + "\n" + `{"ts":99999,"request":{"uri":"/"}}`,
	} {
		if _, err := Recorded(strings.NewReader(log), 1); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestRecordedIsSent: what was asked for is what is asked for.
func TestRecordedIsSent(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	s, err := NewShooter(server(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.URL.RequestURI())
	}))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Recorded(strings.NewReader(record), 1000)
	if err != nil {
		t.Fatal(err)
	}
	shots := s.Shoot(t.Context(), p)
	mu.Lock()
	defer mu.Unlock()
	if len(shots) != 3 || len(asked) != 3 || strings.Contains(strings.Join(asked, " "), "Ada") {
		t.Errorf("%d shots, asked %v", len(shots), asked)
	}
}

// fired are shots of a step from 1 to 2 a second: 4 before, 4 after, all on time and served in 100 ms.
func fired(t *testing.T) (Pattern, []Shot) {
	t.Helper()
	p, err := Step(1, 2, 4*time.Second, 0, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var shots []Shot
	for n := range p.Count() {
		shots = append(shots, Shot{Timestamp: start.Add(p.Due(n)), Latency: 100 * time.Millisecond, Code: http.StatusOK})
	}
	return p, shots
}

// TestReport: the whole text and the whole record of a run that broke its budget in every way, and of one that held it.
func TestReport(t *testing.T) {
	p, shots := fired(t)
	budget := Budget{P99: 950 * time.Millisecond}
	held, err := newReport(p, budget, shots)
	if err != nil {
		t.Fatal(err)
	}
	held.Stack = "load-test"
	if err := held.Err(); err != nil {
		t.Error(err)
	}
	p, shots = fired(t)
	shots[1].Latency = 1200 * time.Millisecond
	shots[5].Code, shots[5].Error = http.StatusServiceUnavailable, "503 Service Unavailable"
	shots[6].Timestamp = shots[6].Timestamp.Add(2 * time.Second)
	broken, err := newReport(p, budget, shots[:7])
	if err != nil {
		t.Fatal(err)
	}
	broken.Stack = "load-test"
	if broken.Err() == nil {
		t.Error("a broken budget is no error")
	}
	text, err := json.MarshalIndent(broken, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "held.txt", held.Text())
	golden(t, "broken.txt", broken.Text())
	golden(t, "broken.json", string(text)+"\n")
	if _, err := newReport(p, budget, nil); err == nil || err.Error() != "load: no request was sent; the pattern is too short for its rate" {
		t.Error(err)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it and run go test ./infra/replay -update\n%s", path, got)
	}
}
