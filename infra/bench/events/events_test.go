package events

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func load(t *testing.T) Log {
	t.Helper()
	log, err := Load(filepath.Join("testdata", "up.events"))
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestRows(t *testing.T) {
	var got []string
	for _, r := range load(t).Rows() {
		got = append(got, strings.Join([]string{r.Role, time.Duration(r.Count).String(), r.Start.String(), r.Longest.String(), r.Which, r.Total.String()}, " "))
	}
	want := []string{
		"…-server 2ns 1s 5s gra-worker-1-server 8s",
		"…-wireguard-key 1ns 8s 2s gra-worker-1-wireguard-key 2s",
		"…-wireguard 1ns 11s 1s gra-worker-1-wireguard 1s",
		"cluster-kubeconfig 1ns 11s 0s cluster-kubeconfig 0s",
		"Deployment 1ns 12s 20s render 20s",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("rows:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCount(t *testing.T) {
	if components, resources := load(t).Count(); components != 1 || resources != 7 {
		t.Errorf("%d components and %d resources; want 1 and 7: neither the stack nor a provider counts", components, resources)
	}
}

func TestLastEnd(t *testing.T) {
	log := load(t)
	at, found := log.LastEnd("ovhmetal:index:Server", "ovhmetal:index:VPS")
	if want := log.Start.Add(7 * time.Second); !found || !at.Equal(want) {
		t.Errorf("last server at %s, found %t; want %s", at, found, want)
	}
	if _, found := log.LastEnd("cloudflare:index/record:Record"); found {
		t.Error("a record was found; the log has none that changed")
	}
	if end := log.End.Sub(log.Start); end != 33*time.Second {
		t.Errorf("the log is %s long; want 33s", end)
	}
}

func TestAStepThatFailedOrNeverEnded(t *testing.T) {
	log := load(t)
	var failed, open int
	for _, s := range log.Steps {
		if s.Failed {
			failed++
		}
		if s.End.IsZero() {
			open++
			if s.Took() != 0 {
				t.Errorf("%s has not ended and took %s", s.Name(), s.Took())
			}
		}
	}
	if failed != 1 || open != 1 {
		t.Errorf("%d failed, %d open; want one of each", failed, open)
	}
}

func TestALineCutOffIsTheEnd(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "up.events"))
	if err != nil {
		t.Fatal(err)
	}
	whole := load(t)
	log, err := Read(strings.NewReader(string(text[:len(text)-10])))
	if err != nil || len(log.Steps) != len(whole.Steps) {
		t.Errorf("%d steps, error %v; want %d", len(log.Steps), err, len(whole.Steps))
	}
	if log.Succeeded || !whole.Succeeded {
		t.Errorf("succeeded: %t when cut off, %t when whole; want false and true", log.Succeeded, whole.Succeeded)
	}
}

func TestSomethingElseIsRefused(t *testing.T) {
	_, err := Read(strings.NewReader("Updating (local):\n"))
	want := "invalid character 'U' looking for beginning of value; wanted one event of the engine a line, as pulumi up --event-log writes"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
