package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

// The stream ends anywhere: every split gives the same arrivals.
func TestWatch(t *testing.T) {
	event := func(kind, name, ready string) string {
		return fmt.Sprintf(`{"type":%q,"object":{"metadata":{"name":%q},"status":{"conditions":[{"type":"PodScheduled","status":"True"},{"type":"Ready","status":%q}]}}}`+"\n", kind, name, ready)
	}
	stream := event("ADDED", "old", "True") + event("ADDED", "new-1", "False") + event("MODIFIED", "new-1", "True") + event("ADDED", "new-2", "False") + event("MODIFIED", "new-1", "False")
	for _, size := range []int{1, 7, len(stream)} {
		w := newWatch()
		clock := 0.0
		w.now = func() time.Time { clock++; return at(clock) }
		for from := 0; from < len(stream); from += size {
			if _, err := w.Write([]byte(stream[from:min(from+size, len(stream))])); err != nil {
				t.Fatal(err)
			}
		}
		// The clock is asked for each new pod and for each that is ready: old 1 and 2, new-1 3 and 4, new-2 5.
		want := []arrival{{"new-1", at(3), at(4)}, {"new-2", at(5), time.Time{}}}
		if got := w.added(at(2)); !reflect.DeepEqual(got, want) {
			t.Errorf("by %d bytes: %v, want %v", size, got, want)
		}
	}
	w := newWatch()
	if _, err := w.Write([]byte("error: no such thing\n")); err == nil || w.err() == nil {
		t.Error("what is no JSON was taken")
	}
}

func shots(seconds ...float64) []shot {
	var out []shot
	for _, s := range seconds {
		out = append(out, shot{Timestamp: at(s), Latency: 100 * time.Millisecond, Code: http.StatusOK})
	}
	return out
}

func TestBurst(t *testing.T) {
	fired := shots(1, 2, 11, 12, 13, 14, 15)
	fired[3].Code, fired[3].Error = http.StatusServiceUnavailable, "503 Service Unavailable"
	b := newBurst(fired, []arrival{{"a", at(12), at(13.5)}, {"b", at(11.5), at(13)}}, at(10))
	if b.Added != 2 || b.Decided != 1500*time.Millisecond || b.FirstServes != 3*time.Second || b.AllServe != 3500*time.Millisecond {
		t.Errorf("%+v", b)
	}
	if b.Before.Requests != 2 || b.During.Requests != 3 || b.After.Requests != 2 || b.During.Failed != 1 || b.Before.Failed+b.After.Failed != 0 {
		t.Errorf("%+v", b)
	}
	if b.During.P50 != 100*time.Millisecond || !reflect.DeepEqual(b.During.Failures, []string{"503 Service Unavailable"}) {
		t.Errorf("%+v", b.During)
	}
	if failed := (Report{With: b, Without: b, Rollout: Phase{Failed: 3}}).Failed(); failed != 5 {
		t.Errorf("%d failed", failed)
	}
	// One pod never came: then there is no time from which all serve.
	b = newBurst(fired, []arrival{{"a", at(12), time.Time{}}, {"b", at(11.5), at(13)}}, at(10))
	if b.AllServe >= 0 || b.FirstServes != 3*time.Second || b.During.Requests != 5 || b.After.Requests != 0 {
		t.Errorf("%+v", b)
	}
	if b = newBurst(fired, nil, at(10)); b.Decided >= 0 || b.FirstServes >= 0 || b.AllServe >= 0 {
		t.Errorf("%+v", b)
	}
}

func TestFree(t *testing.T) {
	nodes := `{"items":[{"metadata":{"name":"w1"},"status":{"allocatable":{"cpu":"1800m"}}},{"metadata":{"name":"w2"},"status":{"allocatable":{"cpu":"2"}}}]}`
	pod := func(node, phase, cpu string) string {
		return fmt.Sprintf(`{"spec":{"nodeName":%q,"containers":[{"resources":{"requests":{"cpu":%q}}},{"resources":{}}]},"status":{"phase":%q}}`, node, cpu, phase)
	}
	pods := `{"items":[` + strings.Join([]string{pod("w1", "Running", "50m"), pod("w1", "Succeeded", "500m"), pod("w1", "Pending", "100m"), pod("w2", "Running", "1"), pod("control", "Running", "1")}, ",") + `]}`
	got, err := free([]byte(nodes), []byte(pods))
	if want := map[string]int{"w1": 1650, "w2": 1000}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := free([]byte(nodes), []byte(strings.ReplaceAll(pods, `"50m"`, `"0.5"`))); err == nil || err.Error() != `processor time "0.5": strconv.Atoi: parsing "0.5": invalid syntax` {
		t.Errorf("%v", err)
	}
}

// The batch work asks for exactly the room, gives way by its class, and is given the time to end that it takes.
func TestBatch(t *testing.T) {
	text, err := json.Marshal(batch("renderer@sha256:00", map[string]int{"w1": 1650, "full": 0}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"v1","items":[{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"bench"}},` +
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"batch-w1","namespace":"bench"},"spec":{"containers":[{"command":["/renderer","serve","--drain-delay","30s"],` +
		`"image":"renderer@sha256:00","name":"batch","resources":{"requests":{"cpu":"1650m","memory":"32Mi"}},` +
		`"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}],"nodeSelector":{"kubernetes.io/hostname":"w1"},` +
		`"priorityClassName":"batch","securityContext":{"runAsNonRoot":true,"runAsUser":65532,"seccompProfile":{"type":"RuntimeDefault"}},"terminationGracePeriodSeconds":35}}],"kind":"List"}`
	if string(text) != want {
		t.Errorf("%s\nwant %s", text, want)
	}
}

// Whatever goes wrong half-way, the placeholders and the autoscaler's patience are put back.
func TestPutsBack(t *testing.T) {
	var did []string
	o := Options{
		Scale: 50, Progress: func(string) {},
		Kubectl: func(_ context.Context, _ string, args ...string) ([]byte, error) {
			line := strings.Join(args, " ")
			did = append(did, line)
			switch {
			case strings.HasPrefix(line, "get deployment/renderer"):
				return []byte(`{"spec":{"template":{"spec":{"containers":[{"image":"renderer@sha256:00"}]}}}}`), nil
			case strings.HasPrefix(line, "get deployment/headroom"):
				return []byte(`{"spec":{"replicas":2}}`), nil
			case strings.HasSuffix(line, "--show-managed-fields"):
				return []byte(`{"metadata":{"managedFields":[{"manager":"havre"},{"manager":"bench"}]}}`), nil
			case strings.HasPrefix(line, "get deployment headroom"):
				return []byte(`{"status":{"replicas":2,"readyReplicas":2}}`), nil
			case strings.HasPrefix(line, "get hpa/renderer"):
				return []byte(`{"spec":{"minReplicas":2,"behavior":{"scaleDown":{"stabilizationWindowSeconds":600}}}}`), nil
			default:
				return nil, nil
			}
		},
	}
	// There is no edge node, so nothing can be measured.
	if _, err := Run(t.Context(), o); err == nil || err.Error() != "the stack has no edge node; look at pulumi stack output edgeAddresses, or run make up again" {
		t.Error(err)
	}
	want := []string{
		"delete pods --all -n bench --ignore-not-found --grace-period=0 --force",
		`patch deployment headroom -n render --field-manager=bench --type merge -p {"spec":{"replicas":2}}`,
		"get deployment headroom -n render -o json",
		`patch hpa renderer -n render --field-manager=bench --type merge -p {"spec":{"behavior":{"scaleDown":{"stabilizationWindowSeconds":600}}}}`,
		"get deployment headroom -n render -o json --show-managed-fields",
		`patch deployment headroom -n render --type json -p [{"op":"test","path":"/metadata/managedFields/1/manager","value":"bench"},{"op":"remove","path":"/metadata/managedFields/1"}]`,
		"get hpa renderer -n render -o json --show-managed-fields",
		`patch hpa renderer -n render --type json -p [{"op":"test","path":"/metadata/managedFields/1/manager","value":"bench"},{"op":"remove","path":"/metadata/managedFields/1"}]`,
	}
	if len(did) < len(want) || !reflect.DeepEqual(did[len(did)-len(want):], want) {
		t.Errorf("did %s", strings.Join(did, "\n"))
	}
	o.Scale = 0
	if _, err := Run(t.Context(), o); err == nil || err.Error() != "scale 0: give 1 or more" {
		t.Error(err)
	}
}
