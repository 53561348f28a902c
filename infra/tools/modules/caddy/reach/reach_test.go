package reach

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestUntil(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 3 || r.URL.Path != "/healthz" {
			http.Error(w, "draining", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	if err := until(t.Context(), server.URL+"/healthz", time.Millisecond); err != nil || asked.Load() != 3 {
		t.Errorf("%v after %d requests, want none after 3", err, asked.Load())
	}

	// One that never answers well is left when the patience ends, with what it said last.
	ctx, cancel := context.WithCancel(t.Context())
	before := asked.Load()
	go func() {
		for asked.Load() < before+2 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if err := until(ctx, server.URL+"/other", time.Millisecond); err == nil || !strings.Contains(err.Error(), "503 Service Unavailable") && !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("%v, want what the server said", err)
	}
}
