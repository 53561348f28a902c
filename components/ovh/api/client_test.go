package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"net/http/httptest"

	"havre/components/ovh/order"
)

// scripted answers the first calls of each method and path as told, and then 200 null.
type scripted struct {
	mu      sync.Mutex
	answers map[string][]string // "429 {...}", "drop", "cut"
	calls   map[string]int
}

// sent counts the calls of a method and path. The client may have its answer before the server's goroutine is done with it.
func (s *scripted) sent(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[key]
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/1.0/auth/time" {
		fmt.Fprint(w, time.Now().Unix())
		return
	}
	key := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/1.0")
	s.mu.Lock()
	s.calls[key]++
	answer := "200 null"
	if n := len(s.answers[key]); n > 0 {
		answer = s.answers[key][0]
		s.answers[key] = s.answers[key][1:]
	}
	s.mu.Unlock()
	var status int
	if _, err := fmt.Sscanf(answer, "%d", &status); err != nil {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
		return
	}
	w.Header().Set("X-Ovh-QueryID", "EU.ext-1.1")
	w.WriteHeader(status)
	_, body, _ := strings.Cut(answer, " ")
	fmt.Fprint(w, body)
}

func against(t *testing.T, answers map[string][]string) (*Client, *scripted) {
	t.Helper()
	s := &scripted{answers: answers, calls: map[string]int{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := New(Options{Endpoint: server.URL + "/1.0", ApplicationKey: "k", ApplicationSecret: "s", ConsumerKey: "c", Pause: time.Millisecond, Rate: -1, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// TestWhatIsRepeated counts how often each kind of call is sent for each kind of failure.
func TestWhatIsRepeated(t *testing.T) {
	const cart, buy = "/order/cart/1", "/order/cart/1/checkout"
	for _, c := range []struct {
		name   string
		answer string
		get    int // how often a GET is sent
		put    int
		buy    int // how often a checkout is sent
	}{
		{"500", `500 {"class":"Server::InternalServerError","message":"Internal server error"}`, 2, 2, 1},
		{"dropped", "drop", 2, 2, 1},
		{"malformed", `200 {"orderId":`, 2, 1, 1}, // a PUT's body is not read
		{"429", `429 {"message":"Too many requests"}`, 2, 2, 2},
		{"clock", `400 {"errorCode":"QUERY_TIME_OUT","message":"Query out of time"}`, 2, 2, 2},
		{"refused", `400 {"class":"Client::BadRequest","message":"no"}`, 1, 1, 1},
		{"forbidden", `403 {"errorCode":"NOT_GRANTED_CALL","message":"This call has not been granted"}`, 1, 1, 1},
		{"not found", `404 {"class":"Client::NotFound","message":"no"}`, 1, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, s := against(t, map[string][]string{"GET " + cart: {c.answer}, "PUT /services/7": {c.answer}, "POST " + buy: {c.answer}})
			_, _ = client.Cart(t.Context(), "1")
			_ = client.SetDisplayName(t.Context(), order.Dedicated, "ns1", 7, "x")
			_, err := client.Buy(t.Context(), "1")
			for key, want := range map[string]int{"GET " + cart: c.get, "PUT /services/7": c.put, "POST " + buy: c.buy} {
				if n := s.sent(key); n != want {
					t.Errorf("%s was sent %d times, want %d", key, n, want)
				}
			}
			if unsure := c.buy == 1 && (c.name == "500" || c.name == "dropped" || c.name == "malformed"); unsure != (Executed(err) && c.buy == 1) {
				t.Errorf("checkout that was %s: Executed says %v of %v", c.name, Executed(err), err)
			}
		})
	}
}

func TestErrorTexts(t *testing.T) {
	for answer, want := range map[string]string{
		`403 {"errorCode":"NOT_GRANTED_CALL","httpCode":"403 Forbidden","message":"This call has not been granted"}`:                                       "GET /order/cart/8c1e-1: the credential may not do this (This call has not been granted); grant the access rule GET /order/cart/* to the consumer key, or make a new key when it expired (havre ovh rules prints all that is needed) (query id EU.ext-1.1)",
		`403 {"class":"Client::Forbidden","message":"User not granted for this request","details":{"unauthorizedActionsByIAM":"account:apiovh:cart/get"}}`: "GET /order/cart/8c1e-1: the credential may not do this (User not granted for this request); missing IAM action account:apiovh:cart/get; grant the access rule GET /order/cart/* to the consumer key, or make a new key when it expired (havre ovh rules prints all that is needed) (query id EU.ext-1.1)",
		`404 {"class":"Client::NotFound","message":"Invalid Cart ID"}`:                                                                                     "GET /order/cart/8c1e-1: 404 Client::NotFound: Invalid Cart ID (query id EU.ext-1.1)",
		`460 {"message":"This service is expired"}`:                                                                                                        "GET /order/cart/8c1e-1: the service is expired (460): renew it in OVH's manager, or give the node up (query id EU.ext-1.1)",
		`403 {"class":"Client::Forbidden","message":"You are not allowed"}`:                                                                                "GET /order/cart/8c1e-1: 403 Client::Forbidden: You are not allowed (query id EU.ext-1.1)",
	} {
		client, _ := against(t, map[string][]string{"GET /order/cart/8c1e-1": {answer}})
		if _, err := client.Cart(t.Context(), "8c1e-1"); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestInterruptedWaitsNoLonger(t *testing.T) {
	client, s := against(t, map[string][]string{"GET /order/cart/1": {"drop", "drop", "drop", "drop", "drop", "drop"}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.Cart(ctx, "1")
	if !errors.Is(err, context.Canceled) || Executed(err) {
		t.Errorf("got %v, executed %v", err, Executed(err))
	}
	if n := s.sent("GET /order/cart/1"); n != 0 {
		t.Errorf("%d calls after the interrupt", n)
	}
}

// TestSharedClient is for the race detector: go-ovh's own client is not safe to share, this one is.
func TestSharedClient(t *testing.T) {
	client, s := against(t, nil)
	var wait sync.WaitGroup
	var failed atomic.Int32
	for range 20 {
		wait.Go(func() {
			if _, err := client.Cart(context.Background(), "1"); err != nil {
				failed.Add(1)
			}
		})
	}
	wait.Wait()
	if failed.Load() != 0 || s.sent("GET /order/cart/1") != 20 {
		t.Errorf("%d of %d calls failed", failed.Load(), s.sent("GET /order/cart/1"))
	}
}
