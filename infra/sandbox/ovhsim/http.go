package ovhsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxBody bounds a request's body; OVH's longest here is an installation with a script.
const maxBody = 4 << 20

// call is one request on its way through a handler. The simulator's lock is held.
type call struct {
	s      *Simulator
	params map[string]string
	query  url.Values
	body   []byte
	now    time.Time
}

func (c *call) param(name string) string { return c.params[name] }

// number reads a numeric path parameter; an identity that is no number cannot exist.
func (c *call) number(name string) (int64, error) {
	n, err := strconv.ParseInt(c.param(name), 10, 64)
	if err != nil {
		return 0, badRequest("Client::BadRequest", "[%s] Given data (%s) is not valid for type long", name, c.param(name))
	}
	return n, nil
}

// decode reads the body into v. OVH refuses unknown properties, and so does the simulator, because a misspelt one must not pass here and fail there.
func (c *call) decode(v any) error {
	if len(c.body) == 0 {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(c.body)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badRequest("Client::BadRequest", "Received invalid input: %v", err)
	}
	return nil
}

// route is one line of the API.
type route struct {
	method  string
	pattern string
	open    bool // answers without credentials
	handle  func(*call) (any, error)
}

// Route names one route the simulator serves.
type Route struct{ Method, Path string }

// Routes lists what the simulator serves, in the order it looks.
func Routes() []Route {
	out := make([]Route, 0, len(routes))
	for _, r := range routes {
		out = append(out, Route{r.method, r.pattern})
	}
	return out
}

// match fits escaped path segments to a pattern; parameters may hold an escaped slash.
func (r *route) match(segments []string) map[string]string {
	parts := strings.Split(strings.Trim(r.pattern, "/"), "/")
	if len(parts) != len(segments) {
		return nil
	}
	params := map[string]string{}
	for i, part := range parts {
		value, err := url.PathUnescape(segments[i])
		if err != nil {
			return nil
		}
		if name, ok := strings.CutPrefix(part, "{"); ok {
			params[strings.TrimSuffix(name, "}")] = value
		} else if part != value {
			return nil
		}
	}
	return params
}

// find looks a request up. With a known path and a foreign method the route is nil and the pattern is still given.
func find(method, path string) (*route, map[string]string, string) {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	pattern := ""
	for i := range routes {
		params := routes[i].match(segments)
		if params == nil {
			continue
		}
		if routes[i].method == method {
			return &routes[i], params, routes[i].pattern
		}
		pattern = routes[i].pattern
	}
	return nil, nil, pattern
}

// version takes /1.0, /v1 or /v2 off a path. The routes of /v2 keep it, because they are another API.
func version(path string) (string, bool) {
	for _, v := range []string{"/1.0", "/v1"} {
		if rest, ok := strings.CutPrefix(path, v+"/"); ok {
			return "/" + rest, true
		}
	}
	return path, strings.HasPrefix(path, "/v2/")
}

// Handler serves the API.
func (s *Simulator) Handler() http.Handler { return http.HandlerFunc(s.serve) }

func (s *Simulator) serve(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	path, known := version(r.URL.EscapedPath())
	rt, params, pattern := find(r.Method, path)

	s.mu.Lock()
	s.requestSeq++
	entry := Request{Sequence: s.requestSeq, At: began, Method: r.Method, Path: path, Query: r.URL.RawQuery, Route: pattern}
	fault := s.pick(r.Method, pattern, path)
	if fault != nil {
		entry.Fault = fault.Kind
	}
	if fault != nil && fault.Kind == Slow {
		s.mu.Unlock()
		select {
		case <-time.After(time.Duration(fault.Milliseconds) * time.Millisecond):
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
		s.mu.Lock()
	}
	var answer any
	executed := false
	switch {
	case s.closed:
		err = refusal(http.StatusServiceUnavailable, "Server::InternalServerError", "the simulator is stopping")
	case fault != nil && fault.before(pattern):
		err = fault.refusal()
	case !known || pattern == "":
		err = notFound("Got an invalid (or empty) URL")
	case rt == nil:
		err = refusal(http.StatusMethodNotAllowed, "", "Method not allowed")
	default:
		if !rt.open {
			_, bare, _ := strings.Cut(strings.TrimPrefix(path, "/v2"), "/")
			err = s.authenticate(r, "/"+bare, body)
		}
		if err == nil {
			s.settle()
			c := &call{s: s, params: params, query: r.URL.Query(), body: body, now: s.now()}
			if fault != nil {
				s.arm(fault, c)
			}
			answer, err = rt.handle(c)
			executed = true
			if r.Method != http.MethodGet {
				s.keep()
				s.signal()
			}
		}
	}
	if s.saveErr != nil && executed {
		answer, err = nil, internal("the simulator cannot write its state: %v", s.saveErr)
	}
	entry.Executed = executed
	queryID := fmt.Sprintf("EU.ext-1.%08x.%d", s.requestSeq, began.UnixMilli()%100000)
	status, text := render(answer, err)
	if fault != nil && executed {
		status, text = fault.after(status, text)
	}
	drop := fault != nil && (fault.Kind == DropBefore || fault.Kind == DropAfter)
	entry.Status = status
	if drop {
		entry.Status = 0
	}
	entry.Milliseconds = time.Since(began).Milliseconds()
	s.remember(entry)
	s.mu.Unlock()

	if drop {
		dropConnection(w)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Ovh-QueryID", queryID)
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client went away: nobody is left to tell
}

// render makes the status and the body of an answer.
func render(answer any, err error) (int, []byte) {
	status := http.StatusOK
	if err != nil {
		var refused *apiError
		if !errors.As(err, &refused) {
			refused = &apiError{status: http.StatusInternalServerError, class: "Server::InternalServerError", message: err.Error()}
		}
		status, answer = refused.status, refused.body()
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return http.StatusInternalServerError, []byte(`{"class":"Server::InternalServerError","message":"answer cannot be encoded"}`)
	}
	return status, text
}

// dropConnection closes the connection without an answer, as a failing load balancer would.
func dropConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// HTTP/2 and recorders cannot be hijacked: an empty bad gateway is the nearest thing.
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	_ = conn.Close()
}
