package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// arrival is when a pod was made and when it was ready, as seen from here; ready is zero while it is not.
type arrival struct {
	name        string
	made, ready time.Time
}

// watch reads the stream of a kubectl watch. Pods are timed by when an event arrives: the API server's own times are whole seconds.
type watch struct {
	mu     sync.Mutex
	rest   bytes.Buffer
	pods   map[string]*arrival
	failed error
	now    func() time.Time
}

func newWatch() *watch { return &watch{pods: map[string]*arrival{}, now: time.Now} }

// event is one of the stream's.
type event struct {
	Type   string
	Object struct {
		Metadata struct{ Name string }
		Status   struct {
			Conditions []struct{ Type, Status string }
		}
	}
}

// Write takes the next piece of the stream, which may end anywhere.
func (w *watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest.Write(p)
	for {
		decoder := json.NewDecoder(bytes.NewReader(w.rest.Bytes()))
		var e event
		err := decoder.Decode(&e)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return len(p), nil
		case err != nil:
			w.failed = fmt.Errorf("watch the renderer's pods: %w", err)
			return 0, w.failed
		}
		w.rest.Next(int(decoder.InputOffset()))
		w.take(e)
	}
}

func (w *watch) take(e event) {
	name := e.Object.Metadata.Name
	pod := w.pods[name]
	if pod == nil {
		pod = &arrival{name: name, made: w.now()}
		w.pods[name] = pod
	}
	for _, condition := range e.Object.Status.Conditions {
		if condition.Type == "Ready" && condition.Status == "True" && pod.ready.IsZero() {
			pod.ready = w.now()
		}
	}
}

func (w *watch) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// added are the pods that came after the step, in the order in which they did.
func (w *watch) added(step time.Time) []arrival {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []arrival
	for _, pod := range w.pods {
		if pod.made.After(step) {
			out = append(out, *pod)
		}
	}
	slices.SortFunc(out, func(a, b arrival) int { return a.made.Compare(b.made) })
	return out
}
