package leave

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// As Caddy's: it embeds the listener, and is no syscall.Conn itself.
type embedding struct{ net.Listener }

// listen listens as main.go makes Caddy do.
func listen(t *testing.T) net.Listener {
	t.Helper()
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Forty readers at a time, each with a connection of his own, while the server leaves: whoever is let in is served, and the others are refused.
func TestNobodyIsCutOff(t *testing.T) {
	for round := range 5 {
		l := listen(t)
		wrapped, err := wrap(embedding{l})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 10_000)) }))
		server.Listener.Close()
		server.Listener = wrapped
		server.StartTLS()
		address := l.Addr().String()

		var served atomic.Int64
		var readers sync.WaitGroup
		for range 40 {
			readers.Go(func() {
				for {
					err := read(t.Context(), address)
					if errors.Is(err, syscall.ECONNREFUSED) {
						return
					}
					if err != nil {
						t.Errorf("round %d: %v", round, err)
						return
					}
					served.Add(1)
				}
			})
		}
		for before := served.Load(); served.Load() < before+200; {
			time.Sleep(time.Millisecond)
		}
		if err := wrapped.leave(200 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
		// As Caddy does after its delay.
		readers.Wait()
		if err := server.Config.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		server.Close()
	}
}

func read(ctx context.Context, address string) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // it is the test's own server
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address, http.NoBody)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// A server that closes its listener without a signal gets its error at once, as from any other.
func TestClosedWithoutASignal(t *testing.T) {
	wrapped, err := wrap(listen(t))
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		_, err := wrapped.Accept()
		accepted <- err
	}()
	if err := wrapped.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v, want %v", err, net.ErrClosed)
	}
}

func TestNoSocketBeneath(t *testing.T) {
	if _, err := wrap(embedding{}); err == nil {
		t.Error("a listener without a socket was wrapped")
	}
}
