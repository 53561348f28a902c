package cloudflaresim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Request is one call the API got.
type Request struct {
	At     time.Time `json:"at"`
	Method string    `json:"method"`
	Path   string    `json:"path"` // after /client/v4
	Query  string    `json:"query,omitempty"`
	Status int       `json:"status"`
	Fault  bool      `json:"fault,omitempty"`
}

// maxRequests bounds the log.
const maxRequests = 10_000

// Fault makes calls fail.
type Fault struct {
	// Method is GET, POST, PUT, PATCH or DELETE; empty meets all.
	Method string `json:"method,omitempty"`
	// Path begins the paths it meets, after /client/v4; empty meets all.
	Path string `json:"path,omitempty"`
	// Status is the answer: 429, or any of 4xx and 5xx.
	Status int `json:"status"`
	// Code and Message override what stands in the envelope.
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	// After lets the call take effect before it fails.
	After bool `json:"after,omitempty"`
	// Times bounds how often it acts; 0 is once.
	Times int `json:"times,omitempty"`
	// Acted counts.
	Acted int `json:"acted"`
}

func (f *Fault) refusal() error {
	code, message := 10013, "Internal error"
	if f.Status == http.StatusTooManyRequests {
		code, message = 971, "Please wait and consider throttling your request speed"
	}
	if f.Code != 0 {
		code = f.Code
	}
	if f.Message != "" {
		message = f.Message
	}
	return refuse(f.Status, code, "%s", message)
}

// Fault adds a rule.
func (s *Simulator) Fault(f Fault) error {
	if f.Status < 400 || f.Status > 599 {
		return fmt.Errorf("fault status %d: wanted 400 to 599", f.Status)
	}
	if f.Times == 0 {
		f.Times = 1
	}
	f.Acted = 0
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
	return nil
}

// ClearFaults removes every rule.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (s *Simulator) pick(method, path string) *Fault {
	for _, f := range s.faults {
		if (f.Method == "" || f.Method == method) && strings.HasPrefix(path, f.Path) && f.Acted < f.Times {
			f.Acted++
			return f
		}
	}
	return nil
}

// Requests lists the calls since the start, oldest first.
func (s *Simulator) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request{}, s.requests...)
}

// ControlHandler serves what tests and operators of the sandbox see and set. It asks for no credentials: bind it to loopback only.
func (s *Simulator) ControlHandler() http.Handler {
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		_ = e.Encode(v) // the client went away
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { reply(w, object{"status": "ok"}) })
	mux.HandleFunc("GET /records", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.Records()) })
	mux.HandleFunc("GET /requests", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.Requests()) })
	mux.HandleFunc("GET /pools", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.Health()) })
	mux.HandleFunc("GET /answers/{name}", func(w http.ResponseWriter, r *http.Request) {
		found, ok := s.Resolve(r.PathValue("name"))
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			reply(w, object{"error": "no such name"})
			return
		}
		reply(w, found)
	})
	for method, out := range map[string]bool{"POST": true, "DELETE": false} {
		mux.HandleFunc(method+" /drained/{address}", func(w http.ResponseWriter, r *http.Request) {
			s.Drain(r.PathValue("address"), out)
			reply(w, s.Health())
		})
	}
	mux.HandleFunc("GET /ca.pem", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(s.CAPEM()) })
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		reply(w, object{})
	})
	mux.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		var f Fault
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		err := d.Decode(&f)
		if err == nil {
			err = s.Fault(f)
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			reply(w, object{"error": err.Error()})
			return
		}
		reply(w, object{})
	})
	return mux
}
