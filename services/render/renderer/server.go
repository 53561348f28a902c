// Package renderer is havre's reference renderer: an HTTP server that draws a personal PNG for a reader of a mail, and the client that warms its cache
// before a campaign goes out.
//
// It exists so that the platform has something real to run; a company puts its own image in its place by digest, and keeps three habits of this one: readiness
// fails before the listener closes, and never for a database that is down, for most pictures need none; a full server says 503 with Retry-After instead of
// queueing without end; and a picture is a pure function of its address, so any cache on the way may keep it, but where the address leaves the reader's name to
// the database, and then for minutes. What a reader would get wrong: the cache is each replica's own. Prewarming therefore asks
// every replica (see Prewarm), not the Service's one address.
package renderer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"havre/services/render/picture"
)

// Path is where pictures are served.
const Path = "/v1/picture.png"

// maxQuery is the longest query taken, in bytes: all fields at their limits, percent-encoded, are under 2,400.
const maxQuery = 4096

// fields are the query's parameters, in the order of the documentation.
var fields = [...]string{"campaign", "reader", "name", "offer", "price"}

// Options of a server. The zero value of each field means its default.
type Options struct {
	// CacheEntries bounds the pictures kept; 20,000 by default, negative for none.
	CacheEntries int
	// CacheBytes bounds their memory; 128 MiB by default.
	CacheBytes int64
	// Concurrency is how many pictures are drawn at once; by default one for each processor, as drawing is pure computation.
	Concurrency int
	// Patience is how long a request waits for a place to draw before it gets 503; 400 ms by default, inside the p99 target of 950 ms.
	Patience time.Duration
	// Draw draws a picture; picture.PNG by default. Tests put their own here.
	Draw func(picture.Picture) ([]byte, error)
	// Name looks up how a reader is called whom a request does not name; see package reader. With none, every request must bring the name.
	Name func(ctx context.Context, reader string) (name string, known bool, err error)
}

// Server serves pictures. Make one with New.
type Server struct {
	draw     func(picture.Picture) ([]byte, error)
	name     func(context.Context, string) (string, bool, error)
	patience time.Duration
	places   chan struct{}
	cache    *cache
	flights  singleflight.Group
	metrics  metrics
	draining atomic.Bool
}

// errBusy says that no drawing place came free in time.
var errBusy = errors.New("every drawing place is taken")

// New is a server with the options' defaults filled in.
func New(o Options) *Server {
	if o.CacheEntries == 0 {
		o.CacheEntries = 20_000
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 128 << 20
	}
	if o.Concurrency <= 0 {
		o.Concurrency = runtime.GOMAXPROCS(0)
	}
	if o.Patience == 0 {
		o.Patience = 400 * time.Millisecond
	}
	if o.Draw == nil {
		o.Draw = picture.PNG
	}
	return &Server{draw: o.Draw, name: o.Name, patience: o.Patience, places: make(chan struct{}, o.Concurrency), cache: newCache(o.CacheEntries, o.CacheBytes)}
}

// Drain makes readiness fail from now on. Pictures are served until the listener closes.
func (s *Server) Drain() { s.draining.Store(true) }

// Handler serves pictures, /healthz and /readyz.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(Path, s.picture)
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.draining.Load() {
			plain(w, http.StatusServiceUnavailable, "draining: the server is about to end\n")
			return
		}
		plain(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		plain(w, http.StatusNotFound, fmt.Sprintf("%s is not served here; pictures are at %s\n", strconv.Quote(r.URL.Path), Example))
	})
	return mux
}

// MetricsHandler serves /metrics, meant for a port of its own that the edge does not reach.
func (s *Server) MetricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		s.metrics.write(w, s.cache, s.draining.Load())
	})
	return mux
}

// Example is a request that is served, for errors and help.
const Example = Path + "?campaign=spring-sale&reader=r-0001&name=Ada&offer=Two+nights+by+the+sea&price=%E2%82%AC+189"

// picture answers one request for a picture.
func (s *Server) picture(w http.ResponseWriter, r *http.Request) {
	status := s.answer(w, r)
	s.metrics.answered(status)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) (status int) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return plain(w, http.StatusMethodNotAllowed, fmt.Sprintf("method %s is not served; ask with GET or HEAD\n", r.Method))
	}
	if len(r.URL.RawQuery) > maxQuery {
		return plain(w, http.StatusRequestURITooLong, fmt.Sprintf("the query has %d bytes; give at most %d\n", len(r.URL.RawQuery), maxQuery))
	}
	p, nameless, err := parse(r.URL.RawQuery, s.name != nil)
	if err != nil {
		return plain(w, http.StatusBadRequest, fmt.Sprintf("the picture cannot be drawn:\n%v\nexample: %s\n", err, Example))
	}
	header := w.Header()
	// The address says everything the picture depends on, so a copy never goes stale before a new Version; a day bounds how long one outlives it.
	caching := "public, max-age=86400, immutable"
	if nameless {
		if status, text := s.lookUp(r.Context(), &p); status != http.StatusOK {
			header.Set("Cache-Control", "no-store")
			if status == http.StatusServiceUnavailable {
				header.Set("Retry-After", "1")
			}
			return plain(w, status, text)
		}
		// The database may say something else tomorrow.
		caching = "public, max-age=300"
	}

	tag := p.Tag()
	header.Set("ETag", `"`+tag+`"`)
	header.Set("Cache-Control", caching)
	if matches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return http.StatusNotModified
	}
	data, source, err := s.get(p, tag)
	if err != nil {
		header.Del("ETag")
		header.Set("Cache-Control", "no-store")
		if errors.Is(err, errBusy) {
			s.metrics.busy.Add(1)
			header.Set("Retry-After", "1")
			return plain(w, http.StatusServiceUnavailable, "every drawing place is taken; ask again in a second\n")
		}
		return plain(w, http.StatusInternalServerError, "the picture could not be drawn: "+err.Error()+"\n")
	}
	header.Set("Content-Type", "image/png")
	header.Set("Content-Length", strconv.Itoa(len(data)))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Cache", source)
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(data) // the reader went away: nobody is left to tell
	}
	return http.StatusOK
}

// lookUp gives the picture its reader's name. A status other than 200 comes with the text that says why there is none; the cause of a 503 is the log's.
func (s *Server) lookUp(ctx context.Context, p *picture.Picture) (status int, text string) {
	name, known, err := s.name(ctx, p.Reader)
	switch {
	case err != nil:
		s.metrics.failed.Add(1)
		return http.StatusServiceUnavailable, "the reader's name cannot be looked up now; ask again in a second, or give it as name\n"
	case !known:
		s.metrics.unknown.Add(1)
		return http.StatusNotFound, fmt.Sprintf("reader %s is not known; mend reader, or give the name as name\n", p.Reader)
	}
	s.metrics.found.Add(1)
	p.Name = name
	if err := p.Validate(); err != nil {
		return http.StatusUnprocessableEntity, fmt.Sprintf("the picture of reader %s cannot be drawn:\n%v\n", p.Reader, err)
	}
	return http.StatusOK, ""
}

// standIn takes the place of a name that is not looked up yet, so that everything else is checked before the database is asked.
const standIn = "A"

// parse reads a query strictly: every parameter once, valid in the picture's own terms. Parameters it does not know are ignored, as mail clients and
// proxies add their own. Where names can be looked up, the query may leave the name out: the picture then has standIn.
func parse(query string, lookUp bool) (p picture.Picture, nameless bool, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return picture.Picture{}, false, fmt.Errorf("query: %w; percent-encode the values and join them by &", err)
	}
	var errs []error
	for _, field := range fields {
		if n := len(values[field]); n > 1 {
			errs = append(errs, fmt.Errorf("%s: is given %d times; give it once", field, n))
		}
	}
	p = picture.Picture{
		Campaign: values.Get("campaign"), Reader: values.Get("reader"), Name: values.Get("name"), Offer: values.Get("offer"), Price: values.Get("price"),
	}
	if nameless = lookUp && !values.Has("name"); nameless {
		p.Name = standIn
	}
	return p, nameless, errors.Join(append(errs, p.Validate())...)
}

// Query is the query of a picture's address, its parameters in a fixed order.
func Query(p picture.Picture) string {
	values := [...]string{p.Campaign, p.Reader, p.Name, p.Offer, p.Price}
	var b strings.Builder
	for i, field := range fields {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(field + "=" + url.QueryEscape(values[i]))
	}
	return b.String()
}

// matches says whether an If-None-Match header names the tag. Weak comparison, as RFC 9110 §13.1.2 asks.
func matches(header, tag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == `"`+tag+`"` {
			return true
		}
	}
	return false
}

// get returns the picture from the cache, from a drawing of the same picture that is under way, or drawn now. The source is "hit", "coalesced" or "miss".
func (s *Server) get(p picture.Picture, tag string) (data []byte, source string, err error) {
	if data, ok := s.cache.get(tag); ok {
		s.metrics.cached.Add(1)
		return data, "hit", nil
	}
	led := false
	result, err, _ := s.flights.Do(tag, func() (any, error) {
		led = true
		// A flight for this picture may have ended between the look above and here.
		if data, ok := s.cache.get(tag); ok {
			return data, nil
		}
		return s.drawOne(p, tag)
	})
	if err != nil {
		return nil, "", err
	}
	if !led {
		s.metrics.coalesced.Add(1)
		return result.([]byte), "coalesced", nil
	}
	return result.([]byte), "miss", nil
}

// drawOne draws on one of the places. It does not watch the request's context: others may wait for the same picture, and the next request will.
func (s *Server) drawOne(p picture.Picture, tag string) ([]byte, error) {
	select {
	case s.places <- struct{}{}:
	default:
		timer := time.NewTimer(s.patience)
		defer timer.Stop()
		select {
		case s.places <- struct{}{}:
		case <-timer.C:
			return nil, errBusy
		}
	}
	s.metrics.drawing.Add(1)
	defer func() {
		s.metrics.drawing.Add(-1)
		<-s.places
	}()
	start := time.Now()
	data, err := s.draw(p)
	if err != nil {
		return nil, err
	}
	s.metrics.drew(time.Since(start))
	s.cache.put(tag, data)
	return data, nil
}

// plain answers with text and returns the status.
func plain(w http.ResponseWriter, status int, text string) int {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	fmt.Fprint(w, text)
	return status
}
