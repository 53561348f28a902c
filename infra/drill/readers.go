package drill

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"havre/infra/sandbox/bringup"
)

const (
	// rate is how many pictures readers ask for a second, whatever the answers take.
	rate = 50
	// patience is how long a mail client waits for a picture.
	patience = 10 * time.Second
	// attemptDelay is when a client tries the name's next address beside one that has not answered yet (RFC 8305, section 5).
	attemptDelay = 250 * time.Millisecond
	// saidBytes of each answer are kept: who refuses a request says in its first line why.
	saidBytes = 100
)

// readers ask for pictures at a steady rate. Each is another reader with a connection of its own, as mail clients are, who knows all addresses of the name: the order in
// which he tries them is another each time, as resolvers answer, and an address that does not answer costs him attemptDelay. A picture that does not come is a failed
// request; nobody asks twice.
type readers struct {
	client *http.Client
	domain string
	next   atomic.Int64

	mu    sync.Mutex
	shots []vegeta.Result
}

func newReaders(edge bringup.Edge) (*readers, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(edge.Authority) {
		return nil, errors.New("the edge's authority is no certificate in PEM; run make up again")
	}
	if len(edge.Addresses) == 0 {
		return nil, errors.New("the stack has no edge node; run make up again")
	}
	var turn atomic.Int64
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			first := int(turn.Add(1))
			var addresses []string
			for i := range edge.Addresses {
				address := edge.Addresses[(first+i)%len(edge.Addresses)]
				if _, _, err := net.SplitHostPort(address); err != nil {
					address = net.JoinHostPort(address, "443")
				}
				addresses = append(addresses, address)
			}
			return dialAny(ctx, network, addresses)
		},
	}
	return &readers{client: &http.Client{Transport: transport, Timeout: patience}, domain: edge.Domain}, nil
}

// dialAny connects to the first of the addresses that answers, trying the next beside the earlier ones after attemptDelay, or at once when one refuses.
func dialAny(ctx context.Context, network string, addresses []string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result, len(addresses))
	var failures []error
	begun, ended := 0, 0
	for {
		var later <-chan time.Time
		if begun < len(addresses) {
			go func(address string) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				results <- result{conn, err}
			}(addresses[begun])
			begun++
			timer := time.NewTimer(attemptDelay)
			defer timer.Stop()
			later = timer.C
		}
		select {
		case r := <-results:
			ended++
			if r.err == nil {
				// Whoever connects as well, later, is let go.
				go func(left int) {
					for range left {
						if r := <-results; r.conn != nil {
							_ = r.conn.Close()
						}
					}
				}(begun - ended)
				return r.conn, nil
			}
			failures = append(failures, r.err)
			if ended == len(addresses) {
				return nil, errors.Join(failures...)
			}
		case <-later:
		}
	}
}

// ask sends requests until ctx ends, and waits for the answers under way.
func (r *readers) ask(ctx context.Context) {
	attacker := vegeta.NewAttacker(vegeta.Client(r.client), vegeta.MaxBody(saidBytes))
	target := func(t *vegeta.Target) error {
		t.Method = http.MethodGet
		t.URL = bringup.PictureURL(r.domain, fmt.Sprintf("Reader %d", r.next.Add(1)))
		return nil
	}
	done := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer done()
	for result := range attacker.Attack(target, vegeta.Rate{Freq: rate, Per: time.Second}, 24*time.Hour, "drill") {
		r.mu.Lock()
		r.shots = append(r.shots, *result)
		r.mu.Unlock()
	}
}

// served says whether enough pictures came for requests that left in the last length of time, and no failure.
func (r *readers) served(length time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, good := time.Now().Add(-length), 0
	for i := len(r.shots) - 1; i >= 0; i-- {
		shot := r.shots[i]
		if shot.Timestamp.Add(shot.Latency).Before(since) {
			break
		}
		if shot.Code != http.StatusOK {
			return false
		}
		good++
	}
	return good >= int(length.Seconds()*rate/2)
}

// Readers is what readers saw of a drill.
type Readers struct {
	// Rate is in requests a second.
	Rate     int `json:"rate"`
	Requests int `json:"requests"`
	Failed   int `json:"failed"`
	// LongestGap is the longest time in which no picture came.
	LongestGap Seconds `json:"longestGapSeconds"`
	P50        Seconds `json:"p50Seconds"`
	P99        Seconds `json:"p99Seconds"`
	// Failures are what failed requests got, by kind.
	Failures []Failure `json:"failures,omitempty"`
}

// Failure is one way for requests to fail.
type Failure struct {
	// Got is the status or the fault, with the first line of the answer if there was one.
	Got   string `json:"got"`
	Count int    `json:"count"`
	// First and Last are when the first and the last of them were sent, after the drill began.
	First Seconds `json:"firstSeconds"`
	Last  Seconds `json:"lastSeconds"`
}

// FailedPercent is the share of failed requests.
func (r Readers) FailedPercent() float64 {
	if r.Requests == 0 {
		return 0
	}
	return 100 * float64(r.Failed) / float64(r.Requests)
}

// summary is what the readers saw from start to end, and how long after the fault they were served again: when the first request left that got a picture and after
// which none failed. It is 0 where none failed after the fault.
func summary(shots []vegeta.Result, start, fault, end time.Time) (Readers, time.Duration) {
	var m vegeta.Metrics
	seen := Readers{Rate: rate}
	var pictures []time.Time
	var lastFailed time.Time
	shots = slices.Clone(shots)
	slices.SortFunc(shots, func(a, b vegeta.Result) int { return a.Timestamp.Compare(b.Timestamp) })
	for i := range shots {
		shot := shots[i]
		m.Add(&shot)
		seen.Requests++
		if shot.Code == http.StatusOK {
			pictures = append(pictures, shot.Timestamp.Add(shot.Latency))
			continue
		}
		seen.Failed++
		lastFailed = shot.Timestamp
		seen.Failures = failed(seen.Failures, shot, start)
	}
	seen.LongestGap = longestGap(pictures, start, end)
	if seen.Requests == 0 {
		return seen, 0
	}
	m.Close()
	seen.P50, seen.P99 = Seconds(m.Latencies.P50.Seconds()), Seconds(m.Latencies.P99.Seconds())
	if fault.IsZero() || !lastFailed.After(fault) {
		return seen, 0
	}
	for _, shot := range shots {
		if shot.Code == http.StatusOK && shot.Timestamp.After(lastFailed) {
			return seen, shot.Timestamp.Sub(fault)
		}
	}
	return seen, end.Sub(fault)
}

// request begins what Go says of a request that failed, with its URL, and addresses is whose connection it was; neither tells one kind of failure from another.
var (
	request   = regexp.MustCompile(`^[A-Z][a-z]+ "[^"]*": `)
	addresses = regexp.MustCompile(`[0-9.]+:[0-9]+->`)
)

// failed counts a shot that failed among the others of its kind.
func failed(all []Failure, shot vegeta.Result, start time.Time) []Failure {
	got := addresses.ReplaceAllString(request.ReplaceAllString(shot.Error, ""), "")
	if line, _, _ := strings.Cut(string(shot.Body), "\n"); line != "" {
		got += ": " + line
	}
	at := Seconds(shot.Timestamp.Sub(start).Seconds())
	i := slices.IndexFunc(all, func(f Failure) bool { return f.Got == got })
	if i < 0 {
		i, all = len(all), append(all, Failure{Got: got, First: at})
	}
	all[i].Count++
	all[i].Last = at
	return all
}

// longestGap is the longest time between start, the moments and end in which none of the moments lies.
func longestGap(moments []time.Time, start, end time.Time) Seconds {
	moments = slices.SortedFunc(slices.Values(append(slices.Clone(moments), end)), func(a, b time.Time) int { return cmp.Compare(a.UnixNano(), b.UnixNano()) })
	var longest time.Duration
	last := start
	for _, at := range moments {
		if at.After(last) {
			longest, last = max(longest, at.Sub(last)), at
		}
	}
	return Seconds(longest.Seconds())
}
