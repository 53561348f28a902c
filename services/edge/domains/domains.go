// Package domains says whether a domain is a customer's, to the edge that is about to take up its certificate.
//
// What a reader would get wrong: the answer is about whose a domain is, not about how many certificates were ordered. Caddy asks for every name that it does not have in
// memory, also when the certificate lies in the storage, so a bound on questions here would keep customers' own domains down after a node's restart. How often a
// certificate may be ordered is bounded where it is ordered, under the storage's lock (infra/tools/modules/caddy/objects).
package domains

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Path is where the question is asked, with ?domain=NAME.
const Path = "/v1/permission"

// Source knows the customers' domains.
type Source interface {
	// Has says whether a domain, in lower case and without a final dot, is a customer's. An error means that nobody knows.
	Has(ctx context.Context, domain string) (bool, error)
}

// domainName is a name that a public authority could vouch for: two labels or more, the last of them no number, no wildcard.
var domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// maxName is the longest name of the DNS, in bytes (RFC 1035 §2.3.4).
const maxName = 253

// Valid says whether a name can be a customer's domain.
func Valid(name string) bool { return len(name) <= maxName && domainName.MatchString(name) }

// Parse reads a list: one domain a line, in lower case; # begins a comment. Everything that is wrong comes back joined. The list is sorted.
func Parse(text string) ([]string, error) {
	var names []string
	var errs []error
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		name := strings.TrimSpace(line)
		switch {
		case name == "":
		case !Valid(name):
			errs = append(errs, fmt.Errorf("customers' domains: line %d: %q is not a DNS name in lower case; give one such as pictures.customer.example", i+1, name))
		case slices.Contains(names, name):
			errs = append(errs, fmt.Errorf("customers' domains: line %d: %s is given twice", i+1, name))
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, errors.Join(errs...)
}

// File is a list in a file. It is read again when it has changed; a version that cannot be read leaves the one before in force, and says so in the log.
type File struct {
	path string
	log  *slog.Logger

	mu       sync.Mutex
	names    []string
	modified time.Time
	size     int64
}

var _ Source = (*File)(nil)

// OpenFile reads the list for the first time; a wrong one is an error.
func OpenFile(path string, log *slog.Logger) (*File, error) {
	f := &File{path: path, log: log}
	if _, err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

// read takes over what is in the file, where that has changed.
func (f *File) read() (changed bool, err error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return false, fmt.Errorf("customers' domains: %w", err)
	}
	if info.ModTime().Equal(f.modified) && info.Size() == f.size {
		return false, nil
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return false, fmt.Errorf("customers' domains: %w", err)
	}
	// Whatever is in it, once is enough.
	f.modified, f.size = info.ModTime(), info.Size()
	names, err := Parse(string(text))
	if err != nil {
		return false, fmt.Errorf("%s: %w", f.path, err)
	}
	f.names = names
	return true, nil
}

// Has looks the domain up.
func (f *File) Has(_ context.Context, domain string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed, err := f.read()
	if err != nil {
		f.log.Error("the list was not read; the one before stays in force", "error", err)
	}
	if changed {
		f.log.Info("the list was read", "domains", len(f.names))
	}
	_, found := slices.BinarySearch(f.names, domain)
	return found, nil
}

// Matching is a source of names that a regular expression matches in full, before another source.
type Matching struct {
	pattern *regexp.Regexp
	next    Source
}

var _ Source = Matching{}

// NewMatching reads the expression; next is asked about every other name.
func NewMatching(pattern string, next Source) (Matching, error) {
	whole, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return Matching{}, fmt.Errorf("reviews: %w; give a regular expression of whole names", err)
	}
	return Matching{whole, next}, nil
}

// Has matches, or asks the next source.
func (m Matching) Has(ctx context.Context, domain string) (bool, error) {
	if m.pattern.MatchString(domain) {
		return true, nil
	}
	return m.next.Has(ctx, domain)
}

// Handler answers GET Path?domain=NAME: 200 when the domain is a customer's, 403 when it is not, 400 when it cannot be one, 503 when nobody knows. /healthz answers 200.
func Handler(source Source, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET "+Path, func(w http.ResponseWriter, r *http.Request) {
		asked := r.URL.Query()["domain"]
		if len(asked) != 1 {
			http.Error(w, fmt.Sprintf("%d domains in the question; wanted ?domain=NAME", len(asked)), http.StatusBadRequest)
			return
		}
		name := strings.ToLower(strings.TrimSuffix(asked[0], "."))
		if !Valid(name) {
			http.Error(w, "not a name that a certificate is ordered for", http.StatusBadRequest)
			return
		}
		found, err := source.Has(r.Context(), name)
		switch {
		case err != nil:
			log.Error("nobody knows", "domain", name, "error", err)
			http.Error(w, "whether it is a customer's is not known now", http.StatusServiceUnavailable)
		case !found:
			http.Error(w, "not a customer's domain", http.StatusForbidden)
		default:
			log.Info("a customer's domain", "domain", name)
			_, _ = w.Write([]byte("a customer's domain\n"))
		}
	})
	return mux
}
