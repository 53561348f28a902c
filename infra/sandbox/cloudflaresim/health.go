package cloudflaresim

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Check is one look of a monitor at one origin.
type Check struct {
	Type, Method, Path, Address string
	// Port is 0 for the type's own.
	Port int
	// Header is what the monitor sends; its Host names the site over TLS as well.
	Header http.Header
	// Codes is what counts as healthy: "200" or "2xx".
	Codes         string
	AllowInsecure bool
	Timeout       time.Duration
}

// Health is an origin's, as the last check found it.
type Health struct {
	Pool    string `json:"pool"`
	Origin  string `json:"origin"`
	Address string `json:"address"`
	Healthy bool   `json:"healthy"`
	// Reason says why it is not.
	Reason string `json:"reason,omitempty"`
	// Drained says that the control address has taken it out, whatever a check finds.
	Drained bool `json:"drained,omitempty"`
}

// originKey names an origin of a pool in the simulator's books.
func originKey(pool, address string) string { return pool + " " + address }

// CheckOrigins has every monitor look at every enabled origin of its pools, once, and returns what it found. What a look finds decides at once: the counters of
// consecutive failures are the real service's, and they only cost time here. retries of a monitor are honoured.
func (s *Simulator) CheckOrigins(ctx context.Context) []Health {
	type target struct {
		pool, key string
		check     Check
		retries   int
	}
	var targets []target
	s.mu.Lock()
	for _, pool := range sorted(s.st.Things["pools"]) {
		monitor := s.st.Things["monitors"][text(pool, "monitor")]
		if monitor == nil {
			continue
		}
		for _, origin := range origins(pool) {
			if origin["enabled"] != false {
				targets = append(targets, target{text(pool, "id"), originKey(text(pool, "id"), text(origin, "address")), checkOf(monitor, text(origin, "address")), number(monitor, "retries")})
			}
		}
	}
	probe := s.options.Probe
	s.mu.Unlock()
	var wait sync.WaitGroup
	found := make([]string, len(targets))
	for i, t := range targets {
		wait.Go(func() {
			for attempt := 0; attempt <= t.retries && ctx.Err() == nil; attempt++ {
				err := probe(ctx, t.check)
				if err == nil {
					found[i] = ""
					return
				}
				found[i] = err.Error()
			}
		})
	}
	wait.Wait()
	s.mu.Lock()
	if ctx.Err() == nil {
		s.health = map[string]string{}
		for i, t := range targets {
			s.health[t.key] = found[i]
		}
	}
	s.mu.Unlock()
	return s.Health()
}

// WatchOrigins checks all origins as often as the shortest interval of the monitors asks, until the context ends.
func (s *Simulator) WatchOrigins(ctx context.Context) {
	for {
		s.CheckOrigins(ctx)
		interval := 60
		s.mu.Lock()
		for _, monitor := range s.st.Things["monitors"] {
			interval = min(interval, number(monitor, "interval"))
		}
		if len(s.st.Things["monitors"]) == 0 {
			interval = 5
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(interval) * time.Second):
		}
	}
}

// Drain takes an origin out by hand, or gives it back, for tests that have no host to stop.
func (s *Simulator) Drain(address string, out bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if out {
		s.drained[address] = true
	} else {
		delete(s.drained, address)
	}
}

// Health is every origin's, by pool and origin.
func (s *Simulator) Health() []Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Health{}
	for _, pool := range sorted(s.st.Things["pools"]) {
		for _, origin := range origins(pool) {
			reason := s.down(pool, origin)
			out = append(out, Health{
				Pool: text(pool, "name"), Origin: text(origin, "name"), Address: text(origin, "address"), Healthy: reason == "", Reason: reason, Drained: s.drained[text(origin, "address")],
			})
		}
	}
	return out
}

// down says why an origin is not to be used; "" when it is. One that was never looked at counts as healthy, as at Cloudflare until the first check.
func (s *Simulator) down(pool, origin object) string {
	switch {
	case origin["enabled"] == false:
		return "disabled"
	case s.drained[text(origin, "address")]:
		return "drained at the control address"
	}
	return s.health[originKey(text(pool, "id"), text(origin, "address"))]
}

// healthyOrigins are the addresses of a pool that are in use; none when they are fewer than the pool's minimum.
func (s *Simulator) healthyOrigins(pool object) []string {
	var addresses []string
	for _, origin := range origins(pool) {
		if s.down(pool, origin) == "" {
			addresses = append(addresses, text(origin, "address"))
		}
	}
	if len(addresses) < max(1, number(pool, "minimum_origins")) || pool["enabled"] == false {
		return nil
	}
	return addresses
}

func origins(pool object) []object {
	list, _ := pool["origins"].([]any)
	var out []object
	for _, x := range list {
		if origin, ok := x.(object); ok {
			out = append(out, origin)
		}
	}
	return out
}

// Pool is one place of a rotation.
type Pool struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
}

// Answer is what a name leads to.
type Answer struct {
	// Rotation are the pools that take turns, or the first one in use where the load balancer's steering is off. A plain record has none.
	Rotation []Pool `json:"rotation,omitempty"`
	// Addresses are those of one answer: of the pool whose turn it is, or of the plain records. For a proxied name they are where the front door goes, not what a resolver sees.
	Addresses []string `json:"addresses"`
	Proxied   bool     `json:"proxied"`
	// TTL is in seconds.
	TTL int `json:"ttl"`
}

// Resolve answers for a name of the zones: a load balancer goes before plain records, CNAMEs are followed. found is false for a name that has nothing.
func (s *Simulator) Resolve(name string) (found Answer, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for range 8 {
		if balancer := s.balancer(name); balancer != nil {
			return s.steer(balancer), true
		}
		next := ""
		for _, records := range s.st.Records {
			for _, r := range sorted(records) {
				switch {
				case text(r, "name") != name:
				case text(r, "type") == "A" || text(r, "type") == "AAAA":
					found.Addresses, found.Proxied, found.TTL = append(found.Addresses, text(r, "content")), r["proxied"] == true, number(r, "ttl")
				case text(r, "type") == "CNAME":
					next = strings.TrimSuffix(text(r, "content"), ".")
				}
			}
		}
		if len(found.Addresses) > 0 || next == "" {
			break
		}
		name = next
	}
	return found, len(found.Addresses) > 0
}

func (s *Simulator) balancer(name string) object {
	for _, o := range s.st.Things["load_balancers"] {
		if text(o, "name") == name && o["enabled"] != false {
			return o
		}
	}
	return nil
}

// steer chooses as the balancer's steering policy says. "random" takes turns here, so that a test sees every pool; other policies than it and "off" are refused when made.
func (s *Simulator) steer(balancer object) Answer {
	answer := Answer{Proxied: balancer["proxied"] == true, TTL: number(balancer, "ttl")}
	list, _ := balancer["default_pools"].([]any)
	for _, x := range list {
		id, _ := x.(string)
		pool := s.st.Things["pools"][id]
		if addresses := s.healthyOrigins(pool); len(addresses) > 0 {
			answer.Rotation = append(answer.Rotation, Pool{text(pool, "name"), addresses})
		}
	}
	if len(answer.Rotation) == 0 {
		// The last resort is used whatever its health: no answer would be worse.
		pool := s.st.Things["pools"][text(balancer, "fallback_pool")]
		fallback := Pool{Name: text(pool, "name")}
		for _, origin := range origins(pool) {
			if origin["enabled"] != false {
				fallback.Addresses = append(fallback.Addresses, text(origin, "address"))
			}
		}
		answer.Rotation = []Pool{fallback}
	}
	turn := 0
	if text(balancer, "steering_policy") == "random" {
		turn = s.turns % len(answer.Rotation)
		s.turns++
	} else {
		answer.Rotation = answer.Rotation[:1]
	}
	answer.Addresses = slices.Clone(answer.Rotation[turn].Addresses)
	return answer
}

func checkOf(monitor object, address string) Check {
	check := Check{
		Type: text(monitor, "type"), Method: text(monitor, "method"), Path: text(monitor, "path"), Address: address, Port: number(monitor, "port"), Header: http.Header{},
		Codes: text(monitor, "expected_codes"), AllowInsecure: monitor["allow_insecure"] == true, Timeout: time.Duration(number(monitor, "timeout")) * time.Second,
	}
	headers, _ := monitor["header"].(object)
	for name, x := range headers {
		values, _ := x.([]any)
		for _, v := range values {
			if value, ok := v.(string); ok {
				check.Header.Add(name, value)
			}
		}
	}
	return check
}

// Probe looks at an origin over the network, as Options.Probe does where nothing else is given. It knows http, https and tcp.
func Probe(ctx context.Context, c Check) error {
	ctx, cancel := context.WithTimeout(ctx, max(c.Timeout, time.Second))
	defer cancel()
	port := c.Port
	if port == 0 {
		port = map[string]int{"http": 80, "https": 443}[c.Type]
	}
	address := net.JoinHostPort(c.Address, strconv.Itoa(port))
	var dialer net.Dialer
	if c.Type == "tcp" {
		connection, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return connection.Close()
	}
	host := c.Header.Get("Host")
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
		TLSClientConfig: &tls.Config{ServerName: host, InsecureSkipVerify: c.AllowInsecure, MinVersion: tls.VersionTLS12}, //nolint:gosec // the monitor's own setting
	}
	request, err := http.NewRequestWithContext(ctx, c.Method, c.Type+"://"+address+c.Path, nil)
	if err != nil {
		return err
	}
	for name, values := range c.Header {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	if host != "" {
		request.Host = host
	}
	request.Header.Del("Host")
	// Redirects are not followed: a monitor's follow_redirects is false unless asked for.
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	code := strconv.Itoa(response.StatusCode)
	for want := range strings.SplitSeq(c.Codes, ",") {
		if want = strings.TrimSpace(want); want == code || want == code[:1]+"xx" {
			return nil
		}
	}
	return fmt.Errorf("status %s; the monitor wants %s", code, c.Codes)
}
