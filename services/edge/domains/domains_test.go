package domains_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"havre/services/edge/domains"
)

func TestParse(t *testing.T) {
	for _, row := range []struct {
		text string
		want []string
		err  string
	}{
		{"", nil, ""},
		{"# nobody yet\n\n", nil, ""},
		{"pictures.customer.example\na.b # theirs\n", []string{"a.b", "pictures.customer.example"}, ""},
		{"xn--bcher-kva.example", []string{"xn--bcher-kva.example"}, ""},
		{"Pictures.customer.example", nil, `customers' domains: line 1: "Pictures.customer.example" is not a DNS name in lower case; give one such as pictures.customer.example`},
		{"a.b\n*.customer.example\na.b", []string{"a.b"}, "customers' domains: line 2: \"*.customer.example\" is not a DNS name in lower case; give one such as pictures.customer.example\n" +
			"customers' domains: line 3: a.b is given twice"},
		{"192.0.2.1", nil, `customers' domains: line 1: "192.0.2.1" is not a DNS name in lower case; give one such as pictures.customer.example`},
		{"example", nil, `customers' domains: line 1: "example" is not a DNS name in lower case; give one such as pictures.customer.example`},
	} {
		got, err := domains.Parse(row.text)
		if !slices.Equal(got, row.want) {
			t.Errorf("%q: %q, want %q", row.text, got, row.want)
		}
		if (err == nil) != (row.err == "") || err != nil && err.Error() != row.err {
			t.Errorf("%q:\n got %v\nwant %s", row.text, err, row.err)
		}
	}
}

// write replaces the list; its time moves on even where the file system's clock does not.
func write(t *testing.T, path, text string, at time.Time) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestFile(t *testing.T) {
	var log bytes.Buffer
	path := filepath.Join(t.TempDir(), "domains.txt")
	if _, err := domains.OpenFile(path, slog.New(slog.NewTextHandler(&log, nil))); err == nil || !strings.HasPrefix(err.Error(), "customers' domains: stat ") {
		t.Errorf("no file: %v", err)
	}
	start := time.Unix(1_800_000_000, 0)
	write(t, path, "a.example\n", start)
	f, err := domains.OpenFile(path, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	has := func(want map[string]bool) {
		t.Helper()
		for name, found := range want {
			if got, err := f.Has(t.Context(), name); err != nil || got != found {
				t.Errorf("%s: %v, %v; want %v", name, got, err, found)
			}
		}
	}
	has(map[string]bool{"a.example": true, "b.example": false, "": false, "x.a.example": false})
	write(t, path, "b.example\n", start.Add(time.Second))
	has(map[string]bool{"a.example": false, "b.example": true})
	write(t, path, "b.example\nNOT A NAME\n", start.Add(2*time.Second))
	has(map[string]bool{"b.example": true})
	if got := strings.Count(log.String(), "the one before stays in force"); got != 1 {
		t.Errorf("the mistake was logged %d times:\n%s", got, log.String())
	}
	write(t, path, "c.example\n", start.Add(3*time.Second))
	has(map[string]bool{"b.example": false, "c.example": true})
	write(t, path, "*.example\n", start)
	if _, err := domains.OpenFile(path, slog.New(slog.NewTextHandler(&log, nil))); err == nil || !strings.Contains(err.Error(), `line 1: "*.example" is not a DNS name`) {
		t.Errorf("a wrong list at the start: %v", err)
	}
}

type source func(string) (bool, error)

func (s source) Has(_ context.Context, domain string) (bool, error) { return s(domain) }

func TestHandler(t *testing.T) {
	var log bytes.Buffer
	h := domains.Handler(source(func(domain string) (bool, error) {
		if domain == "unsure.example" {
			return true, errors.New("the database is away")
		}
		return domain == "pictures.customer.example", nil
	}), slog.New(slog.NewTextHandler(&log, nil)))
	for _, row := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/v1/permission?domain=pictures.customer.example", 200, "a customer's domain\n"},
		{"GET", "/v1/permission?domain=Pictures.Customer.example.", 200, "a customer's domain\n"},
		{"GET", "/v1/permission?domain=pictures.other.example", 403, "not a customer's domain\n"},
		{"GET", "/v1/permission?domain=x.pictures.customer.example", 403, "not a customer's domain\n"},
		{"GET", "/v1/permission?domain=192.0.2.1", 400, "not a name that a certificate is ordered for\n"},
		{"GET", "/v1/permission?domain=*.customer.example", 400, "not a name that a certificate is ordered for\n"},
		{"GET", "/v1/permission?domain=" + strings.Repeat("a.", 130) + "example", 400, "not a name that a certificate is ordered for\n"},
		{"GET", "/v1/permission?domain=unsure.example", 503, "whether it is a customer's is not known now\n"},
		{"GET", "/v1/permission", 400, "0 domains in the question; wanted ?domain=NAME\n"},
		{"GET", "/v1/permission?domain=pictures.customer.example&domain=b.example", 400, "2 domains in the question; wanted ?domain=NAME\n"},
		{"POST", "/v1/permission?domain=pictures.customer.example", 405, "Method Not Allowed\n"},
		{"GET", "/v1", 404, "404 page not found\n"},
		{"GET", "/healthz", 200, "ok\n"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(row.method, row.path, nil))
		if w.Code != row.status || w.Body.String() != row.body {
			t.Errorf("%s %s: %d %q, want %d %q", row.method, row.path, w.Code, w.Body, row.status, row.body)
		}
	}
	if strings.Contains(log.String(), "other.example") {
		t.Error("names of nobody's are written into the log, which anyone could fill with them")
	}
}

// Names of reviews are permitted in full only; every other name is asked of the list.
func TestMatching(t *testing.T) {
	m, err := domains.NewMatching(`review-[1-9][0-9]{0,8}\.review\.havre\.test`, source(func(domain string) (bool, error) { return domain == "pictures.customer.example", nil }))
	if err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]bool{
		"review-42.review.havre.test": true, "pictures.customer.example": true, "review-0.review.havre.test": false, "x.review-42.review.havre.test": false,
		"review-42.review.havre.test.evil.example": false, "review.havre.test": false, "review-42xreview.havre.test": false,
	} {
		if got, err := m.Has(t.Context(), domain); got != want || err != nil {
			t.Errorf("%s: %t, %v; want %t", domain, got, err, want)
		}
	}
	if _, err := domains.NewMatching("(", nil); err == nil || !strings.HasPrefix(err.Error(), "reviews: error parsing regexp") {
		t.Error(err)
	}
}
