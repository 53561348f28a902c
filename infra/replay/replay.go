// Package replay sends requests for pictures to a stack's edge as readers' mail clients would, in a steady stream, in a campaign's step or as they were recorded,
// and holds what readers would have met against a budget. Vegeta's library sends them and makes the percentiles.
//
// What a reader would get wrong: the load is open. Requests leave when the pattern says, whatever the answers take, so a service that is too slow shows in its
// latencies and its gap, never in fewer requests; and a machine that cannot send as fast as the pattern says makes the run an error, because its figures would be
// that machine's own.
package replay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"havre/infra/sandbox/bringup"
)

// Patience is how long a mail client waits for a picture; what takes longer has failed.
const Patience = 10 * time.Second

// Shot is one request with what came of it.
type Shot = vegeta.Result

// Shooter sends requests to all edge nodes in turn.
type Shooter struct {
	client *http.Client
	domain string
	reader atomic.Int64
}

// NewShooter makes the client of an edge. Without an authority it trusts those that this machine does.
func NewShooter(edge bringup.Edge) (*Shooter, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(edge.Authority) > 0 {
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(edge.Authority) {
			return nil, errors.New("the edge's authority is no certificate in PEM; look at pulumi stack output edgeAuthority, or run make up again")
		}
	}
	if len(edge.Addresses) == 0 {
		return nil, errors.New("the stack has no edge node; look at pulumi stack output edgeAddresses, or run make up again")
	}
	var next atomic.Int64
	transport := &http.Transport{
		TLSClientConfig:     trust,
		MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			address := edge.Addresses[int(next.Add(1))%len(edge.Addresses)]
			if _, _, err := net.SplitHostPort(address); err != nil {
				address = net.JoinHostPort(address, "443")
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	return &Shooter{client: &http.Client{Transport: transport, Timeout: Patience}, domain: edge.Domain}, nil
}

// Shoot sends a pattern's requests until it is over or ctx ends, and waits for the answers under way. A pattern that records no requests asks for a picture of
// another reader each time, so that each is drawn.
func (s *Shooter) Shoot(ctx context.Context, p Pattern) []Shot {
	attacker := vegeta.NewAttacker(vegeta.Client(s.client), vegeta.MaxBody(0))
	var sent atomic.Int64
	target := func(t *vegeta.Target) error {
		t.Method = http.MethodGet
		n := int(sent.Add(1)) - 1
		if n < len(p.recorded) {
			t.URL = "https://" + s.domain + p.recorded[n].path
			return nil
		}
		t.URL = bringup.PictureURL(s.domain, fmt.Sprintf("Reader %d", s.reader.Add(1)))
		return nil
	}
	// The pattern itself says when it is over: with a length of its own the attacker would drop the last request of a slow rate.
	results := attacker.Attack(target, until{ctx, p}, 0, "load")
	var shots []Shot
	var late <-chan time.Time
	ended := ctx.Done()
	for {
		select {
		case <-ended:
			// Answers under way are waited for; a pattern that is silent for longer is not.
			attacker.Stop()
			ended, late = nil, time.After(Patience+time.Second)
		case <-late:
			return shots
		case result, more := <-results:
			if !more {
				return shots
			}
			shots = append(shots, *result)
		}
	}
}

// until is a pattern that is over when its context ends.
type until struct {
	ctx context.Context
	Pattern
}

// Pace tells vegeta how long to wait for the next request.
func (u until) Pace(elapsed time.Duration, hits uint64) (time.Duration, bool) {
	if u.ctx.Err() != nil {
		return 0, true
	}
	return u.Pattern.Pace(elapsed, hits)
}
