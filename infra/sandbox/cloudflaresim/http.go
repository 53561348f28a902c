package cloudflaresim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// apiError is a refusal in Cloudflare's words.
type apiError struct {
	status  int
	code    int
	message string
	chain   []object // what a "DNS Validation Error" is about
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s", e.code, e.message) }

func refuse(status, code int, format string, args ...any) error {
	return &apiError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// invalid is Cloudflare's refusal of a record's content.
func invalid(code int, format string, args ...any) error {
	return &apiError{
		status: http.StatusBadRequest, code: 1004, message: "DNS Validation Error", chain: []object{{"code": code, "message": fmt.Sprintf(format, args...)}},
	}
}

// answer is what a handler gives: a result, and for lists how it is paged.
type answer struct {
	result any
	info   object
	// empty is an answer without a body, 204.
	empty bool
}

// call is one request; the simulator's lock is held.
type call struct {
	s    *Simulator
	r    *http.Request
	body object
	path []string // after /client/v4
	now  string
}

// Handler serves the API under /client/v4.
func (s *Simulator) Handler() http.Handler { return http.HandlerFunc(s.serve) }

func (s *Simulator) serve(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	status, ray, reply := s.execute(r, text)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cf-Ray", ray)
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write(reply) // the client went away: nobody is left to tell
}

// execute does what a request asks, under the lock, and gives the status, the request's identity and the body.
func (s *Simulator) execute(r *http.Request, text []byte) (status int, ray string, reply []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, known := strings.CutPrefix(r.URL.Path, "/client/v4/")
	fault := s.pick(r.Method, "/"+path)
	var out answer
	var err error
	switch {
	case fault != nil && !fault.After:
		err = fault.refusal()
	case !known:
		err = refuse(http.StatusNotFound, 7000, "No route for that URI")
	default:
		out, err = s.answer(r, path, text)
		if err == nil && r.Method != http.MethodGet {
			err = s.keep()
		}
		if fault != nil {
			err = fault.refusal()
		}
	}
	status, reply = envelope(out, err)
	s.count++
	s.requests = append(s.requests, Request{At: s.options.Clock(), Method: r.Method, Path: "/" + path, Query: r.URL.RawQuery, Status: status, Fault: fault != nil})
	if len(s.requests) > maxRequests {
		s.requests = s.requests[maxRequests/2:]
	}
	return status, identity(fmt.Sprintf("ray %d", s.count))[:16] + "-CDG", reply
}

// envelope wraps an answer or a refusal as Cloudflare does.
func envelope(out answer, err error) (int, []byte) {
	if err == nil && out.empty {
		return http.StatusNoContent, nil
	}
	status := http.StatusOK
	reply := object{"success": err == nil, "errors": []object{}, "messages": []object{}, "result": out.result}
	if out.info != nil {
		reply["result_info"] = out.info
	}
	if err != nil {
		var refused *apiError
		if !errors.As(err, &refused) {
			refused = &apiError{status: http.StatusInternalServerError, code: 10013, message: err.Error()}
		}
		entry := object{"code": refused.code, "message": refused.message}
		if refused.chain != nil {
			entry["error_chain"] = refused.chain
		}
		status, reply["errors"], reply["result"] = refused.status, []object{entry}, nil
	}
	text, err := json.Marshal(reply)
	if err != nil {
		return http.StatusInternalServerError, []byte(`{"success":false,"errors":[{"code":10013,"message":"answer cannot be encoded"}],"messages":[],"result":null}`)
	}
	return status, text
}

// authenticate checks the bearer token.
func (s *Simulator) authenticate(r *http.Request) error {
	header := r.Header.Get("Authorization")
	token, ok := strings.CutPrefix(header, "Bearer ")
	switch {
	case header == "":
		return refuse(http.StatusBadRequest, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
	case !ok || strings.TrimSpace(token) == "":
		return &apiError{
			status: http.StatusBadRequest, code: 6003, message: "Invalid request headers", chain: []object{{"code": 6111, "message": "Invalid format for Authorization header"}},
		}
	case token != s.options.Token:
		return refuse(http.StatusForbidden, 9109, "Invalid access token")
	}
	return nil
}

// answer finds the handler of a path.
func (s *Simulator) answer(r *http.Request, path string, text []byte) (answer, error) {
	if err := s.authenticate(r); err != nil {
		return answer{}, err
	}
	c := &call{s: s, r: r, path: strings.Split(strings.Trim(path, "/"), "/"), now: s.options.Clock().UTC().Format(time.RFC3339Nano)}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &c.body); err != nil {
			return answer{}, refuse(http.StatusBadRequest, 9207, "Failed to parse request body: %v", err)
		}
	}
	at := func(n int) string {
		if n < len(c.path) {
			return c.path[n]
		}
		return ""
	}
	switch {
	case path == "user/tokens/verify" && r.Method == http.MethodGet:
		return answer{result: object{"id": identity("token"), "status": "active"}}, nil
	case path == "accounts" && r.Method == http.MethodGet:
		return c.page([]object{{"id": Account, "name": "Example", "type": "standard"}})
	case at(0) == "zones" && len(c.path) <= 2:
		return c.zones(at(1))
	case at(0) == "zones" && at(2) == "dns_records" && len(c.path) <= 4:
		return c.records(at(1), at(3))
	case at(0) == "zones" && at(2) == "load_balancers" && len(c.path) <= 4:
		if _, err := c.zone(at(1)); err != nil {
			return answer{}, err
		}
		return c.things(&balancers, at(1), at(3))
	case at(0) == "zones" && at(2) == "rulesets":
		return c.rulesets(at(1))
	case at(0) == "accounts" && at(2) == "load_balancers" && len(c.path) <= 5, at(0) == "accounts" && at(3) == "pools" && at(5) == "health" && len(c.path) == 6:
		if at(1) != Account {
			return answer{}, refuse(http.StatusForbidden, 10000, "Authentication error")
		}
		if at(5) == "health" {
			return c.poolHealth(at(4))
		}
		if at(3) == "pools" {
			return c.things(&pools, Account, at(4))
		}
		if at(3) == "monitors" {
			return c.things(&monitors, Account, at(4))
		}
	}
	return answer{}, refuse(http.StatusNotFound, 7000, "No route for that URI")
}

// page cuts a list the way Cloudflare does.
func (c *call) page(all []object) (answer, error) {
	query := func(key string, otherwise, limit int) int {
		n, err := strconv.Atoi(c.r.URL.Query().Get(key))
		if err != nil || n < 1 {
			return otherwise
		}
		return min(n, limit)
	}
	size, page := query("per_page", 100, 50_000), query("page", 1, 1_000_000)
	from := min((page-1)*size, len(all))
	part := slices.Clone(all[from:min(from+size, len(all))])
	if part == nil {
		part = []object{}
	}
	return answer{result: part, info: object{
		"page": page, "per_page": size, "count": len(part), "total_count": len(all), "total_pages": (len(all) + size - 1) / size,
	}}, nil
}

// method refuses a method a path does not have.
func (c *call) method() error {
	return refuse(http.StatusMethodNotAllowed, 10405, "Method not allowed for this authentication scheme")
}
