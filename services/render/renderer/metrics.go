package renderer

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"havre/services/render/picture"
)

// buckets are the upper bounds of the drawing-time histogram, in seconds, around the service's targets (p50 350 ms, p99 950 ms end to end).
var buckets = [...]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.95, 2}

// metrics are the figures that the server counts, in the text format 0.0.4 of Prometheus. A handful of counters does not earn a dependency.
type metrics struct {
	mu       sync.Mutex
	requests map[int]int64 // by status

	drawn, cached, coalesced atomic.Int64 // pictures by where they came from
	busy                     atomic.Int64 // refused for want of a place
	drawing                  atomic.Int64 // being drawn now
	found, unknown, failed   atomic.Int64 // look-ups of readers by how they ended

	histogram [len(buckets) + 1]atomic.Int64
	nanos     atomic.Int64
}

func (m *metrics) answered(status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.requests == nil {
		m.requests = map[int]int64{}
	}
	m.requests[status]++
}

func (m *metrics) drew(d time.Duration) {
	m.drawn.Add(1)
	m.nanos.Add(int64(d))
	i, _ := slices.BinarySearch(buckets[:], d.Seconds())
	m.histogram[i].Add(1)
}

// write prints every metric in a fixed order.
func (m *metrics) write(w io.Writer, c *cache, draining bool) {
	head := func(name, kind, help string) { fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }
	gauge := func(name, help string, value int64) {
		head(name, "gauge", help)
		fmt.Fprintf(w, "%s %d\n", name, value)
	}
	counter := func(name, help string, value int64) {
		head(name, "counter", help)
		fmt.Fprintf(w, "%s %d\n", name, value)
	}

	head("renderer_requests_total", "counter", "Answers to requests for pictures, by status.")
	m.mu.Lock()
	statuses := make([]int, 0, len(m.requests))
	for status := range m.requests {
		statuses = append(statuses, status)
	}
	slices.Sort(statuses)
	for _, status := range statuses {
		fmt.Fprintf(w, "renderer_requests_total{code=\"%d\"} %d\n", status, m.requests[status])
	}
	m.mu.Unlock()

	head("renderer_pictures_total", "counter", "Pictures by where they came from.")
	fmt.Fprintf(w, "renderer_pictures_total{source=\"cache\"} %d\n", m.cached.Load())
	fmt.Fprintf(w, "renderer_pictures_total{source=\"coalesced\"} %d\n", m.coalesced.Load())
	fmt.Fprintf(w, "renderer_pictures_total{source=\"drawn\"} %d\n", m.drawn.Load())
	counter("renderer_busy_total", "Requests refused because every drawing place stayed taken.", m.busy.Load())
	gauge("renderer_drawing", "Pictures being drawn now.", m.drawing.Load())

	head("renderer_readers_total", "counter", "Readers looked up in the database, by how it ended.")
	fmt.Fprintf(w, "renderer_readers_total{result=\"failed\"} %d\n", m.failed.Load())
	fmt.Fprintf(w, "renderer_readers_total{result=\"found\"} %d\n", m.found.Load())
	fmt.Fprintf(w, "renderer_readers_total{result=\"unknown\"} %d\n", m.unknown.Load())

	head("renderer_draw_seconds", "histogram", "Time to draw and encode one picture.")
	total := int64(0)
	for i, bound := range buckets {
		total += m.histogram[i].Load()
		fmt.Fprintf(w, "renderer_draw_seconds_bucket{le=\"%s\"} %d\n", strconv.FormatFloat(bound, 'g', -1, 64), total)
	}
	total += m.histogram[len(buckets)].Load()
	fmt.Fprintf(w, "renderer_draw_seconds_bucket{le=\"+Inf\"} %d\n", total)
	fmt.Fprintf(w, "renderer_draw_seconds_sum %g\nrenderer_draw_seconds_count %d\n", time.Duration(m.nanos.Load()).Seconds(), total)

	entries, bytes, evicted := c.stats()
	gauge("renderer_cache_entries", "Pictures in the cache.", int64(entries))
	gauge("renderer_cache_bytes", "Memory of the pictures in the cache.", bytes)
	counter("renderer_cache_evicted_total", "Pictures dropped from the cache to keep its bounds.", evicted)
	state := int64(0)
	if draining {
		state = 1
	}
	gauge("renderer_draining", "1 while the server ends: it serves, but asks for no more traffic.", state)
	gauge("go_goroutines", "Number of goroutines.", int64(runtime.NumGoroutine()))
	head("renderer_build_info", "gauge", "Always 1; the labels say what runs.")
	fmt.Fprintf(w, "renderer_build_info{goversion=%q,picture=\"%d\"} 1\n", runtime.Version(), picture.Version)
}
