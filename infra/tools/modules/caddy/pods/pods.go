// Package pods is where our Caddy finds the pods behind a headless Service: as Caddy's own source "a" does, by their addresses in the cluster's DNS, but a resolver that is
// away costs no reader anything.
//
// Caddy's own source asks under one lock and forgets what it knew: a node whose resolver is away for a moment (the node was cut off, or the resolver's pod is replaced)
// refuses every request with 503, and one whose resolver does not answer at all holds each of them up for seconds. Here the last answer counts until there is another. What a
// reader would get wrong: an old answer is not dangerous. A pod of it that is gone does not take connections, and the proxy then tries another.
package pods

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"
)

func init() { caddy.RegisterModule(new(Source)) }

var (
	_ caddy.Provisioner           = (*Source)(nil)
	_ reverseproxy.UpstreamSource = (*Source)(nil)
)

// Source is a source of upstreams.
type Source struct {
	// Name is the Service's, Port the pods'; both may hold placeholders.
	Name string `json:"name"`
	Port string `json:"port"`
	// Refresh is how long an answer is taken as it is. Required.
	Refresh caddy.Duration `json:"refresh"`
	// Grace is how long an answer counts while there is no other. Required.
	Grace caddy.Duration `json:"grace"`
	// Resolver is who is asked, such as 10.82.0.10:53; empty asks whom the system asks.
	Resolver string `json:"resolver,omitempty"`

	lookUp func(ctx context.Context, name string) ([]net.IP, error)
	now    func() time.Time
	log    *zap.Logger

	mu    sync.Mutex
	known map[string]*answer
}

// answer is what is known of a name.
type answer struct {
	addresses []string
	// at is when it was given, tried when somebody last asked; asking is closed when who asks now has an answer or none, and is nil while nobody asks.
	at, tried time.Time
	asking    chan struct{}
	err       error
}

const (
	// patience bounds a lookup, wait what a request spends on one while an older answer is there.
	patience = 5 * time.Second
	wait     = 250 * time.Millisecond
	// names bounds what is remembered: a stranger may ask for any name of a review.
	names = 100
)

// CaddyModule names the module.
func (*Source) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.upstreams.pods", New: func() caddy.Module { return new(Source) }}
}

// Provision checks the settings.
func (s *Source) Provision(ctx caddy.Context) error {
	if s.Name == "" || s.Port == "" || s.Refresh <= 0 || s.Grace <= 0 {
		return fmt.Errorf("pods: name %q, port %q, refresh %s, grace %s; give all four", s.Name, s.Port, time.Duration(s.Refresh), time.Duration(s.Grace))
	}
	resolver := net.DefaultResolver
	if s.Resolver != "" {
		if _, err := netip.ParseAddrPort(s.Resolver); err != nil {
			return fmt.Errorf("pods: resolver: %w; give an address and a port, or leave it out", err)
		}
		resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.Resolver)
		}}
	}
	s.lookUp = func(ctx context.Context, name string) ([]net.IP, error) { return resolver.LookupIP(ctx, "ip4", name) }
	s.now, s.log, s.known = time.Now, ctx.Logger(), map[string]*answer{}
	return nil
}

// GetUpstreams are the pods that a request may go to.
func (s *Source) GetUpstreams(r *http.Request) ([]*reverseproxy.Upstream, error) {
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	name, port := s.Name, s.Port
	if repl != nil {
		name, port = repl.ReplaceAll(name, ""), repl.ReplaceAll(port, "")
	}
	addresses, err := s.pods(r.Context(), name)
	if err != nil {
		return nil, err
	}
	upstreams := make([]*reverseproxy.Upstream, len(addresses))
	for i, address := range addresses {
		upstreams[i] = &reverseproxy.Upstream{Dial: net.JoinHostPort(address, port)}
	}
	return upstreams, nil
}

func (s *Source) pods(ctx context.Context, name string) ([]string, error) {
	s.mu.Lock()
	a := s.remembered(name)
	now := s.now()
	fresh := now.Sub(a.at) < time.Duration(s.Refresh)
	// After a lookup that failed the older answer is taken for a while without asking again.
	if usable := now.Sub(a.at) < time.Duration(s.Grace); fresh || usable && a.asking == nil && now.Sub(a.tried) < time.Duration(s.Refresh) {
		defer s.mu.Unlock()
		return a.addresses, nil
	}
	asked := a.asking
	if asked == nil {
		asked = make(chan struct{})
		a.asking, a.tried = asked, now
		go s.ask(name, a)
	} else if now.Sub(a.at) < time.Duration(s.Grace) {
		defer s.mu.Unlock()
		return a.addresses, nil
	}
	var late <-chan time.Time
	if now.Sub(a.at) < time.Duration(s.Grace) {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		late = timer.C
	}
	s.mu.Unlock()
	select {
	case <-asked:
	case <-late:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now().Sub(a.at) < time.Duration(s.Grace) {
		return a.addresses, nil
	}
	return nil, a.err
}

// remembered is what is known of a name; the caller holds the lock.
func (s *Source) remembered(name string) *answer {
	a := s.known[name]
	if a == nil {
		for other, old := range s.known {
			if len(s.known) < names {
				break
			}
			if old.asking == nil {
				delete(s.known, other)
			}
		}
		a = &answer{}
		s.known[name] = a
	}
	return a
}

// ask looks a name up once, whoever waits for it.
func (s *Source) ask(name string, a *answer) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ips, err := s.lookUp(ctx, name)
	if err == nil && len(ips) == 0 {
		err = errors.New("pods: " + name + " has no address")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(a.asking)
	a.asking, a.tried, a.err = nil, s.now(), err
	if err != nil {
		s.log.Warn("pods are not looked up; the last answer counts", zap.String("name", name), zap.Error(err))
		return
	}
	a.addresses, a.at = make([]string, len(ips)), a.tried
	for i, ip := range ips {
		a.addresses[i] = ip.String()
	}
	slices.Sort(a.addresses)
}
