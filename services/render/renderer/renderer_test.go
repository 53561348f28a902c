package renderer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"havre/services/render/picture"
)

func sample(reader string) picture.Picture {
	return picture.Picture{Campaign: "sale", Reader: reader, Name: "Ada", Offer: "Two nights", Price: "€ 1"}
}

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestServesThePicture(t *testing.T) {
	h := New(Options{}).Handler()
	for i, want := range []string{"miss", "hit"} {
		w := get(h, Path+"?"+Query(sample("r-1"))+"&utm_source=mail")
		if w.Code != http.StatusOK || w.Header().Get("X-Cache") != want {
			t.Fatalf("request %d: %d, X-Cache %q, wanted %q: %s", i, w.Code, w.Header().Get("X-Cache"), want, w.Body)
		}
		for name, value := range map[string]string{
			"Content-Type": "image/png", "Cache-Control": "public, max-age=86400, immutable", "Content-Length": fmt.Sprint(w.Body.Len()),
			"X-Content-Type-Options": "nosniff", "Etag": `"` + sample("r-1").Tag() + `"`,
		} {
			if got := w.Header().Get(name); got != value {
				t.Errorf("%s is %q, wanted %q", name, got, value)
			}
		}
		m, err := png.Decode(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := picture.Shows(m, "Ada"); err != nil {
			t.Error(err)
		}
	}
	if w := get(h, Example); w.Code != http.StatusOK {
		t.Errorf("the example is not served: %s", w.Body)
	}
}

func TestConditionalRequests(t *testing.T) {
	var drawn atomic.Int64
	h := New(Options{Draw: func(picture.Picture) ([]byte, error) { drawn.Add(1); return []byte("x"), nil }}).Handler()
	target, tag := Path+"?"+Query(sample("r-1")), `"`+sample("r-1").Tag()+`"`
	for header, want := range map[string]int{tag: 304, `W/` + tag: 304, `"a", ` + tag: 304, "*": 304, `"other"`: 200} {
		if w := get(h, target, "If-None-Match", header); w.Code != want {
			t.Errorf("If-None-Match %s: %d, wanted %d", header, w.Code, want)
		}
	}
	if drawn.Load() != 1 {
		t.Errorf("%d pictures drawn for one that was not matched", drawn.Load())
	}
	r := httptest.NewRequest(http.MethodHead, target, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "1" {
		t.Errorf("HEAD: %d, %d bytes, Content-Length %s", w.Code, w.Body.Len(), w.Header().Get("Content-Length"))
	}
}

func TestRefusals(t *testing.T) {
	h := New(Options{}).Handler()
	good := Query(sample("r-1"))
	tests := []struct {
		name, method, target string
		code                 int
		want                 string
	}{
		{"nothing given", "GET", Path, 400, "the picture cannot be drawn:\ncampaign: is missing; give 1 to 32 of a-z, 0-9 and -\nreader: is missing; give 1 to 64 of A-Z, a-z, 0-9, -, _ and .\nname: is missing; give 1 to 40 characters\noffer: is missing; give 1 to 90 characters\nprice: is missing; give 1 to 16 characters\nexample: " + Example + "\n"},
		{"twice", "GET", Path + "?" + good + "&name=Alan", 400, "the picture cannot be drawn:\nname: is given 2 times; give it once\nexample: " + Example + "\n"},
		{"bad escape", "GET", Path + "?name=%zz", 400, "the picture cannot be drawn:\nquery: invalid URL escape \"%zz\"; percent-encode the values and join them by &\nexample: " + Example + "\n"},
		{"long", "GET", Path + "?x=" + strings.Repeat("a", 5000), 414, "the query has 5002 bytes; give at most 4096\n"},
		{"post", "POST", Path + "?" + good, 405, "method POST is not served; ask with GET or HEAD\n"},
		{"elsewhere", "GET", "/picture", 404, "\"/picture\" is not served here; pictures are at " + Example + "\n"},
	}
	for _, test := range tests {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(test.method, test.target, nil))
		if w.Code != test.code || w.Body.String() != test.want {
			t.Errorf("%s: %d\n got %q\nwant %q", test.name, w.Code, w.Body.String(), test.want)
		}
		if w.Header().Get("ETag") != "" {
			t.Errorf("%s: a refusal has an entity tag", test.name)
		}
	}
}

// A request without a name has it looked up, after everything else of it was found right; one with a name asks nobody.
func TestLooksReadersUp(t *testing.T) {
	asked := 0
	s := New(Options{Name: func(_ context.Context, reader string) (string, bool, error) {
		asked++
		switch reader {
		case "r-1":
			return "Ada", true, nil
		case "far":
			return "阿达", true, nil
		case "down":
			return "", false, errors.New("dial tcp 192.0.2.1:20184: connection refused")
		}
		return "", false, nil
	}})
	h := s.Handler()
	nameless := func(p picture.Picture) string {
		return Path + "?" + strings.Replace(Query(p), "&name=Ada", "", 1)
	}
	w := get(h, nameless(sample("r-1")))
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "public, max-age=300" || w.Header().Get("Etag") != `"`+sample("r-1").Tag()+`"` {
		t.Fatalf("%d %v: %s", w.Code, w.Header(), w.Body)
	}
	m, err := png.Decode(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := picture.Shows(m, "Ada"); err != nil {
		t.Error(err)
	}
	if w := get(h, Path+"?"+Query(sample("r-1"))); w.Code != http.StatusOK || w.Header().Get("X-Cache") != "hit" || asked != 1 {
		t.Errorf("with its name it is %d, %s, after %d look-ups; want the same picture and 1", w.Code, w.Header().Get("X-Cache"), asked)
	}
	for _, c := range []struct {
		name, target string
		code         int
		want         string
	}{
		{"unknown", nameless(sample("r-2")), 404, "reader r-2 is not known; mend reader, or give the name as name\n"},
		{"down", nameless(sample("down")), 503, "the reader's name cannot be looked up now; ask again in a second, or give it as name\n"},
		{"not drawn", nameless(sample("far")), 422, "the picture of reader far cannot be drawn:\nname: has '阿' (U+963F), which the font cannot draw; give Latin, Greek or Cyrillic text\n"},
		{"wrong besides", nameless(picture.Picture{Campaign: "sale", Reader: "r-1", Name: "Ada", Offer: "Two nights"}), 400,
			"the picture cannot be drawn:\nprice: is missing; give 1 to 16 characters\nexample: " + Example + "\n"},
		{"empty name", Path + "?" + strings.Replace(Query(sample("r-1")), "name=Ada", "name=", 1), 400,
			"the picture cannot be drawn:\nname: is missing; give 1 to 40 characters\nexample: " + Example + "\n"},
	} {
		w := get(h, c.target)
		if w.Code != c.code || w.Body.String() != c.want {
			t.Errorf("%s: %d\n got %q\nwant %q", c.name, w.Code, w.Body, c.want)
		}
		if w.Header().Get("ETag") != "" || c.code != 400 && w.Header().Get("Cache-Control") != "no-store" || (c.code == 503) != (w.Header().Get("Retry-After") == "1") {
			t.Errorf("%s: headers %v", c.name, w.Header())
		}
	}
	if asked != 4 {
		t.Errorf("%d look-ups, want 4: a request that cannot be drawn anyway asks nobody", asked)
	}
	metrics := get(s.MetricsHandler(), "/metrics").Body.String()
	for _, line := range []string{`renderer_readers_total{result="failed"} 1`, `renderer_readers_total{result="found"} 2`, `renderer_readers_total{result="unknown"} 1`} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if w := get(h, "/readyz"); w.Code != http.StatusOK {
		t.Errorf("a database that is down takes the pod out: %d", w.Code)
	}
}

// While one request draws, others for the same picture wait for it; others for another picture find no place, wait their patience, and are told so.
func TestCoalescesAndRefusesWhenBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var drawn atomic.Int64
		s := New(Options{Concurrency: 1, Patience: time.Second, Draw: func(picture.Picture) ([]byte, error) {
			drawn.Add(1)
			<-release
			return []byte("x"), nil
		}})
		h := s.Handler()
		results := make(chan string, 10)
		for range 10 {
			go func() { results <- get(h, Path+"?"+Query(sample("same"))).Header().Get("X-Cache") }()
		}
		synctest.Wait()
		begin := time.Now()
		w := get(h, Path+"?"+Query(sample("other")))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("ETag") != "" {
			t.Errorf("a full server: %d, headers %v", w.Code, w.Header())
		}
		if waited := time.Since(begin); waited != time.Second {
			t.Errorf("waited %s of 1s patience", waited)
		}
		close(release)
		counts := map[string]int{}
		for range 10 {
			counts[<-results]++
		}
		if drawn.Load() != 1 || counts["miss"] != 1 || counts["coalesced"] != 9 {
			t.Errorf("%d drawn, sources %v", drawn.Load(), counts)
		}
		if w := get(h, Path+"?"+Query(sample("other"))); w.Code != http.StatusOK {
			t.Errorf("the place was not given back: %d", w.Code)
		}
	})
}

func TestAFailedDrawingIsNotKept(t *testing.T) {
	fail := true
	s := New(Options{Draw: func(picture.Picture) ([]byte, error) {
		if fail {
			return nil, errors.New("out of ink")
		}
		return []byte("x"), nil
	}})
	h := s.Handler()
	w := get(h, Path+"?"+Query(sample("r")))
	if w.Code != 500 || w.Body.String() != "the picture could not be drawn: out of ink\n" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	fail = false
	if w := get(h, Path+"?"+Query(sample("r"))); w.Code != 200 {
		t.Errorf("the failure was kept: %d", w.Code)
	}
}

func TestCacheBounds(t *testing.T) {
	c := newCache(3, 3*(100+entryOverhead))
	data := func(n int) []byte { return make([]byte, n) }
	for _, tag := range []string{"a", "b", "c"} {
		c.put(tag, data(100))
	}
	c.get("a") // b is now the one unused longest
	c.put("d", data(100))
	if _, ok := c.get("b"); ok {
		t.Error("b was used longest ago and is still there")
	}
	if _, ok := c.get("a"); !ok {
		t.Error("a was just used and is gone")
	}
	c.put("a", data(50)) // replaced, not added
	if n, bytes, evicted := c.stats(); n != 3 || bytes != 250+3*entryOverhead || evicted != 1 {
		t.Errorf("entries %d, bytes %d, evicted %d", n, bytes, evicted)
	}
	c.put("big", data(200+entryOverhead+2*entryOverhead)) // leaves room for itself alone
	if n, bytes, _ := c.stats(); n > 1 && bytes > c.maxBytes {
		t.Errorf("entries %d, bytes %d over %d", n, bytes, c.maxBytes)
	}
	before, _, _ := c.stats()
	c.put("huge", data(10_000))
	if after, _, _ := c.stats(); after != before {
		t.Error("what is larger than the cache pushed others out")
	}
	none := newCache(-1, 1<<20)
	none.put("a", data(1))
	if _, ok := none.get("a"); ok {
		t.Error("a cache of no entries kept one")
	}
}

func TestCacheUnderManyHands(t *testing.T) {
	c := newCache(50, 1<<20)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 500 {
				tag := fmt.Sprint((i * (worker + 1)) % 120)
				if data, ok := c.get(tag); ok && string(data) != tag {
					t.Errorf("%s holds %s", tag, data)
				}
				c.put(tag, []byte(tag))
			}
		})
	}
	group.Wait()
	if n, bytes, _ := c.stats(); n != 50 || bytes < 50*entryOverhead {
		t.Errorf("%d entries of %d bytes", n, bytes)
	}
}

func TestMetrics(t *testing.T) {
	s := New(Options{Draw: func(picture.Picture) ([]byte, error) { return []byte("1234"), nil }})
	h := s.Handler()
	get(h, Path+"?"+Query(sample("r")))
	get(h, Path+"?"+Query(sample("r")))
	get(h, Path)
	body := get(s.MetricsHandler(), "/metrics").Body.String()
	for _, line := range []string{
		`renderer_requests_total{code="200"} 2`, `renderer_requests_total{code="400"} 1`, `renderer_pictures_total{source="drawn"} 1`,
		`renderer_pictures_total{source="cache"} 1`, "renderer_cache_entries 1", fmt.Sprintf("renderer_cache_bytes %d", 4+entryOverhead),
		`renderer_draw_seconds_bucket{le="+Inf"} 1`, "renderer_draw_seconds_count 1", "renderer_draining 0", "renderer_busy_total 0",
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("no line %q in\n%s", line, body)
		}
	}
	// Every sample has its HELP and TYPE lines before it, once.
	for line := range strings.Lines(body) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, _, _ = strings.Cut(name, " ")
			if strings.Count(body, "# HELP "+name+" ") != 1 || strings.Count(body, "# TYPE "+name+" ") != 1 {
				t.Errorf("%s is described otherwise than once", name)
			}
		}
	}
	if w := get(h, "/metrics"); w.Code != 404 {
		t.Errorf("metrics are on the public port: %d", w.Code)
	}
}

// The end of a server: readiness fails while pictures are served, then a request under way is finished, then Serve returns without an error.
func TestDrain(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	s := New(Options{Draw: func(p picture.Picture) ([]byte, error) {
		if p.Reader == "slow" {
			close(begun)
			<-release
		}
		return []byte("x"), nil
	}})
	addresses := make(chan net.Addr, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Serve(ctx, Listening{Address: "127.0.0.1:0", Metrics: "127.0.0.1:0", DrainDelay: 300 * time.Millisecond, Grace: time.Minute,
			Ready: func(a, _ net.Addr) { addresses <- a }}, slog.New(slog.DiscardHandler))
	}()
	base := "http://" + (<-addresses).String()
	fetch := func(path string) (int, string) {
		response, err := http.Get(base + path)
		if err != nil {
			return 0, err.Error()
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(body)
	}
	if code, body := fetch("/readyz"); code != 200 {
		t.Fatalf("not ready: %d %s", code, body)
	}
	slow := make(chan string, 1)
	go func() {
		code, body := fetch(Path + "?" + Query(sample("slow")))
		slow <- fmt.Sprint(code, " ", body)
	}()
	<-begun
	cancel()
	for !s.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	if w := get(s.Handler(), "/readyz"); w.Code != 503 {
		t.Errorf("ready while draining: %d", w.Code)
	}
	if w := get(s.Handler(), "/healthz"); w.Code != 200 {
		t.Errorf("not alive while draining: %d", w.Code)
	}
	close(release)
	if got := <-slow; got != "200 x" {
		t.Errorf("the request under way got %s", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if code, _ := fetch("/healthz"); code != 0 {
		t.Errorf("the listener is still open: %d", code)
	}
}

func TestServeSaysWhatFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	quiet := slog.New(slog.DiscardHandler)
	err = New(Options{}).Serve(t.Context(), Listening{Address: taken.Addr().String(), Metrics: "127.0.0.1:0"}, quiet)
	if err == nil || !strings.Contains(err.Error(), "choose another with --listen") {
		t.Errorf("a taken port: %v", err)
	}
	broken := New(Options{Draw: func(picture.Picture) ([]byte, error) { return nil, errors.New("no fonts") }})
	err = broken.Serve(t.Context(), Listening{Address: "127.0.0.1:0", Metrics: "127.0.0.1:0"}, quiet)
	if err == nil || err.Error() != "draw the first picture: no fonts" {
		t.Errorf("broken fonts: %v", err)
	}
}

func TestReadReaders(t *testing.T) {
	pictures, err := ReadReaders(strings.NewReader("reader,name,offer,price\nr-1,Ada,\"Two nights, one price\",€ 1\n"), "sale")
	want := picture.Picture{Campaign: "sale", Reader: "r-1", Name: "Ada", Offer: "Two nights, one price", Price: "€ 1"}
	if err != nil || len(pictures) != 1 || pictures[0] != want {
		t.Errorf("%v, %v", pictures, err)
	}
	for name, test := range map[string]struct{ in, want string }{
		"empty":      {"", `readers: the header line cannot be read: EOF; the first line must be "reader,name,offer,price"`},
		"header":     {"id,name,offer,price\n", `readers: the first line is "id,name,offer,price"; it must be "reader,name,offer,price"`},
		"no readers": {"reader,name,offer,price\n", "readers: the list is empty; give at least one line after the header"},
		"several": {"reader,name,offer,price\nr-1,,x,1\nr-2,Ada,x,1\nr-2,Ada,x,1\nr 3,,x,1\n",
			"readers: line 2: name: is missing; give 1 to 40 characters\nreaders: line 4: reader \"r-2\" is on line 3 already; list each reader once\nreaders: line 5: reader: \"r 3\" has the character ' '; give 1 to 64 of A-Z, a-z, 0-9, -, _ and .; name: is missing; give 1 to 40 characters"},
		"columns": {"reader,name,offer,price\nr-1,Ada\n", "readers: record on line 2: wrong number of fields"},
	} {
		if _, err := ReadReaders(strings.NewReader(test.in), "sale"); err == nil || err.Error() != test.want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, test.want)
		}
	}
}

// Two replicas on two loopback addresses and one port, as behind a headless Service; one of them is busy at first.
func TestPrewarmAsksEveryAddress(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := first.Addr().(*net.TCPAddr).Port
	second, err := net.Listen("tcp", fmt.Sprintf("127.0.0.2:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	servers := []*Server{New(Options{}), New(Options{})}
	var refused atomic.Int64
	for i, listener := range []net.Listener{first, second} {
		h := servers[i].Handler()
		web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if i == 1 && refused.Add(1) <= 2 {
				plain(w, 503, "busy\n")
				return
			}
			if !strings.HasPrefix(r.Host, "renderer.test:") {
				t.Errorf("the request's host is %s", r.Host)
			}
			h.ServeHTTP(w, r)
		})}
		go func() { _ = web.Serve(listener) }() // ends with ErrServerClosed
		defer web.Close()
	}
	lookups := 0
	warming := Warming{
		Base: fmt.Sprintf("http://renderer.test:%d", port), EveryAddress: true, Pictures: []picture.Picture{sample("r-1"), sample("r-2"), sample("r-3")},
		FirstWait: time.Millisecond,
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			if lookups++; lookups == 1 {
				return nil, nil // no replica is ready yet
			}
			if host != "renderer.test" {
				return nil, fmt.Errorf("asked for %s", host)
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")}, nil
		},
	}
	for i, want := range []Warmed{{Addresses: 2, Drawn: 6}, {Addresses: 2, AlreadyThere: 6}} {
		got, err := Prewarm(t.Context(), warming)
		if err != nil || got != want {
			t.Fatalf("run %d: %+v, %v; wanted %+v", i, got, err, want)
		}
	}
	for i, s := range servers {
		if n, _, _ := s.cache.stats(); n != 3 {
			t.Errorf("replica %d keeps %d pictures, wanted 3", i, n)
		}
	}
}

func TestPrewarmReportsFailures(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Query().Get("reader") {
		case "bad":
			plain(w, 400, "no such reader\n")
		case "down":
			plain(w, 502, "no upstream\n")
		case "text":
			plain(w, 200, "hello\n")
		default:
			w.Header().Set("Content-Type", "image/png")
		}
	}))
	defer server.Close()
	got, err := Prewarm(t.Context(), Warming{Base: server.URL, Concurrency: 1, Attempts: 3, FirstWait: time.Microsecond,
		Pictures: []picture.Picture{sample("ok"), sample("bad"), sample("down"), sample("text")}})
	if want := (Warmed{Addresses: 1, Drawn: 1, Failed: 3}); got != want {
		t.Errorf("%+v, wanted %+v", got, want)
	}
	at := strings.TrimPrefix(server.URL, "http://")
	want := "3 of 4 pictures failed:\nreader bad at " + at + ": the answer is 400 Bad Request: no such reader\nreader down at " + at +
		": the answer is 502 Bad Gateway: no upstream\nreader text at " + at + ": the answer is \"text/plain; charset=utf-8\"; wanted image/png: is the base a renderer?"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if asked.Load() != 1+1+3+1 {
		t.Errorf("%d requests: the 400 was asked again, or the 502 was not", asked.Load())
	}
	for _, base := range []string{"", "renderer:8080", "ftp://x", "http://x/path", "http://x?y"} {
		want := fmt.Sprintf("base %q is not the address of a server; give one such as http://renderer.render.svc.cluster.local:8080", base)
		if _, err := Prewarm(t.Context(), Warming{Base: base}); err == nil || err.Error() != want {
			t.Errorf("%v", err)
		}
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Prewarm(stopped, Warming{Base: server.URL, Pictures: []picture.Picture{sample("ok")}}); err == nil {
		t.Error("an ended context went unnoticed")
	}
}

// FuzzPicture holds that no query brings the server down or gets it to serve what it cannot draw.
func FuzzPicture(f *testing.F) {
	f.Add(Query(sample("r-1")))
	f.Add("")
	f.Add("campaign=a&campaign=b")
	f.Add("name=%ff&offer=%00;&price=+")
	h := New(Options{CacheEntries: 10}).Handler()
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, Path, nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case 200:
			if !bytes.HasPrefix(w.Body.Bytes(), []byte("\x89PNG")) {
				t.Errorf("%q gave something else than a PNG", query)
			}
		case 400, 414:
		default:
			t.Errorf("%q: %d %s", query, w.Code, w.Body)
		}
	})
}

func BenchmarkHit(b *testing.B) {
	h := New(Options{}).Handler()
	r := httptest.NewRequest(http.MethodGet, Path+"?"+Query(sample("r-1")), nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
