package load

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

// patience is how long a mail client waits for a picture.
const patience = 10 * time.Second

// Phase is what readers met in a stretch of time.
type Phase struct {
	Requests, Failed int
	P50, P99         time.Duration
	// Failures are what failed requests got, each kind once.
	Failures []string
}

type shot = vegeta.Result

// shooter sends requests to all edge nodes in turn.
type shooter struct {
	client *http.Client
	domain string
	reader atomic.Int64
}

func newShooter(edge bringup.Edge) (*shooter, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(edge.Authority) {
		return nil, errors.New("the edge's authority is no certificate in PEM; run make up again")
	}
	if len(edge.Addresses) == 0 {
		return nil, errors.New("the stack has no edge node; run make up again")
	}
	var next atomic.Int64
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			address := edge.Addresses[int(next.Add(1))%len(edge.Addresses)]
			if _, _, err := net.SplitHostPort(address); err != nil {
				address = net.JoinHostPort(address, "443")
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	return &shooter{client: &http.Client{Transport: transport, Timeout: patience}, domain: edge.Domain}, nil
}

// shoot sends requests at a fixed rate, each for a reader of its own, until the time is over or ctx ends, and waits for the answers under way.
func (s *shooter) shoot(ctx context.Context, rate float64, length time.Duration) []shot {
	attacker := vegeta.NewAttacker(vegeta.Client(s.client), vegeta.MaxBody(0))
	target := func(t *vegeta.Target) error {
		t.Method = http.MethodGet
		t.URL = bringup.PictureURL(s.domain, fmt.Sprintf("Reader %d", s.reader.Add(1)))
		return nil
	}
	done := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer done()
	var shots []shot
	// A rate below one a second is so many in a longer time.
	pace := vegeta.Rate{Freq: int(rate * 1000), Per: 1000 * time.Second}
	for result := range attacker.Attack(target, pace, length, "load") {
		shots = append(shots, *result)
	}
	return shots
}

// phase sums the shots that left in [from, to). The percentiles are the generator's own.
func phase(shots []shot, from, to time.Time) Phase {
	var m vegeta.Metrics
	var p Phase
	for n := range shots {
		r := shots[n]
		if r.Timestamp.Before(from) || !r.Timestamp.Before(to) {
			continue
		}
		m.Add(&r)
		p.Requests++
		if r.Code != http.StatusOK {
			p.Failed++
		}
	}
	if p.Requests == 0 {
		return p
	}
	m.Close()
	p.P50, p.P99, p.Failures = m.Latencies.P50, m.Latencies.P99, m.Errors
	return p
}
