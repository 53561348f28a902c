// Package api is a narrow, typed client of the OVHcloud API: the routes that ordering and running servers needs, and no others.
//
// The one thing a reader would get wrong: nothing here repeats a POST whose effect is unknown. A GET, a PUT and a DELETE may be sent again; a POST is sent
// again only when OVH said that it did not look at it (429, wrong timestamp). Whoever buys must ask Executed what an error means.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ovh/go-ovh/ovh"
	"golang.org/x/time/rate"
)

// Options configure a Client. The zero value reads OVH_ENDPOINT, OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET and OVH_CONSUMER_KEY from the environment.
type Options struct {
	Endpoint, ApplicationKey, ApplicationSecret, ConsumerKey string

	Transport http.RoundTripper // nil: http.DefaultTransport
	Timeout   time.Duration     // of one attempt; 60 s when zero. Checkouts take OVH up to half a minute
	Attempts  int               // of what is safe to repeat; 6 when zero
	Pause     time.Duration     // before the second attempt, doubled each time, with jitter; 1 s when zero
	Rate      float64           // requests a second; 10 when zero, less than zero: unlimited. OVH publishes no limit
}

// Client calls the API. It may be used by many goroutines.
type Client struct {
	options Options
	http    *http.Client
	limit   *rate.Limiter

	mu     sync.Mutex // go-ovh's NewRequest writes to its client: one at a time, and sending is done by http above
	signer *ovh.Client

	cacheMu    sync.Mutex
	catalogues map[string]*Catalogue
	details    map[int64]OrderFacts
	stock      map[string]string
	account    *Account
}

// New makes a client; it reaches for nothing yet. The error names what is missing from the environment.
func New(o Options) (*Client, error) {
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Attempts == 0 {
		o.Attempts = 6
	}
	if o.Pause == 0 {
		o.Pause = time.Second
	}
	if o.Rate == 0 {
		o.Rate = 10
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	c := &Client{
		options: o, http: &http.Client{Transport: o.Transport, Timeout: o.Timeout}, limit: rate.NewLimiter(rate.Inf, 1),
		catalogues: map[string]*Catalogue{}, details: map[int64]OrderFacts{}, stock: map[string]string{},
	}
	if o.Rate > 0 {
		c.limit = rate.NewLimiter(rate.Limit(o.Rate), max(1, int(4*o.Rate)))
	}
	if err := c.renew(); err != nil {
		return nil, err
	}
	return c, nil
}

// renew makes a new signer, which asks OVH for the time again. A clock that was set while we run would else break every signature.
func (c *Client) renew() error {
	s, err := ovh.NewClient(c.options.Endpoint, c.options.ApplicationKey, c.options.ApplicationSecret, c.options.ConsumerKey)
	if err != nil {
		return fmt.Errorf("credentials of OVH: %w; set OVH_ENDPOINT, OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET and OVH_CONSUMER_KEY", err)
	}
	s.Client = &http.Client{Transport: c.options.Transport}
	s.Timeout = c.options.Timeout
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signer = s
	return nil
}

// Now is OVH's time, because the dates of carts and orders are.
func (c *Client) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	delta, err := c.signer.TimeDelta()
	if err != nil {
		delta = 0 // only used for windows of minutes and for expiry dates of weeks
	}
	return time.Now().Add(-delta)
}

// send does one attempt. The body is read and decoded here, so that a malformed one counts as an answer that did not come.
func (c *Client) send(ctx context.Context, method, path string, in, out any) error {
	if err := c.limit.Wait(ctx); err != nil {
		return &Error{Method: method, Route: path, Kind: NotSent, Cause: err}
	}
	if err := ctx.Err(); err != nil {
		return &Error{Method: method, Route: path, Kind: NotSent, Cause: err}
	}
	c.mu.Lock()
	req, err := c.signer.NewRequest(method, path, in, true)
	c.mu.Unlock()
	if err != nil {
		return &Error{Method: method, Route: path, Kind: NotSent, Cause: err}
	}
	resp, err := c.http.Do(req.WithContext(ctx))
	if err != nil {
		return &Error{Method: method, Route: path, Kind: NoAnswer, Cause: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return &Error{Method: method, Route: path, Kind: NoAnswer, Status: resp.StatusCode, Cause: err}
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return answer(method, path, resp, body)
	}
	if out == nil || len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return &Error{Method: method, Route: path, Kind: NoAnswer, Status: resp.StatusCode, Cause: fmt.Errorf("body cannot be read: %w", err)}
	}
	return nil
}

// call repeats what is safe to repeat. Repeatable says whether the caller may send it twice even when the first had its effect.
func (c *Client) call(ctx context.Context, method, path string, in, out any, repeatable bool) error {
	pause := c.options.Pause
	for attempt := 1; ; attempt++ {
		err := c.send(ctx, method, path, in, out)
		if err == nil {
			return nil
		}
		var e *Error
		if !errors.As(err, &e) {
			return err
		}
		again := e.Kind == RateLimited || e.Kind == ClockSkew && attempt < 4 || e.Kind == NotSent || repeatable && (e.Kind == NoAnswer || e.Kind == ServerFault)
		if !again || attempt >= c.options.Attempts || ctx.Err() != nil {
			return err
		}
		if e.Kind == ClockSkew {
			if err := c.renew(); err != nil {
				return err
			}
		}
		// Half fixed, half random: runs that were refused together do not come back together.
		wait := time.NewTimer(pause/2 + rand.N(pause/2+1))
		select {
		case <-ctx.Done():
			wait.Stop()
			return err
		case <-wait.C:
		}
		pause = min(2*pause, 30*time.Second)
	}
}

func (c *Client) get(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodGet, path, nil, out, true)
}

func (c *Client) put(ctx context.Context, path string, in any) error {
	return c.call(ctx, http.MethodPut, path, in, nil, true)
}

// delete takes "it is not there" for success, because the first of two attempts may have had its effect.
func (c *Client) delete(ctx context.Context, path string) error {
	err := c.call(ctx, http.MethodDelete, path, nil, nil, true)
	if IsNotFound(err) {
		return nil
	}
	return err
}

// post is for what must happen at most once.
func (c *Client) post(ctx context.Context, path string, in, out any) error {
	return c.call(ctx, http.MethodPost, path, in, out, false)
}

// postAgain is for a POST that says the same when it is said twice.
func (c *Client) postAgain(ctx context.Context, path string, in, out any) error {
	return c.call(ctx, http.MethodPost, path, in, out, true)
}

// route replaces what identifies one object, so that an error names a rule that can be granted.
func route(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.ContainsAny(p, "0123456789%.") && p != "v1" && p != "v2" {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}
