package renderer

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"havre/services/render/picture"
)

// MaxReaders bounds a campaign's list: a list in a ConfigMap ends at 1 MiB, and a longer one is better split over several runs.
const MaxReaders = 100_000

// ReadReaders reads a campaign's list: CSV with the header line "reader,name,offer,price", one reader a line. Every bad line is reported, with its
// number, joined into one error.
func ReadReaders(r io.Reader, campaign string) ([]picture.Picture, error) {
	table := csv.NewReader(r)
	table.FieldsPerRecord = len(fields) - 1
	header, err := table.Read()
	if err != nil {
		return nil, fmt.Errorf("readers: the header line cannot be read: %w; the first line must be %q", err, csvHeader)
	}
	if got := strings.Join(header, ","); got != csvHeader {
		return nil, fmt.Errorf("readers: the first line is %q; it must be %q", got, csvHeader)
	}
	var pictures []picture.Picture
	var errs []error
	seen := map[string]int{}
	for {
		record, err := table.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			// The rest of a file with a broken quote cannot be told apart.
			errs = append(errs, fmt.Errorf("readers: %w", err))
			break
		}
		line, _ := table.FieldPos(0)
		p := picture.Picture{Campaign: campaign, Reader: record[0], Name: record[1], Offer: record[2], Price: record[3]}
		if err := p.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("readers: line %d: %s", line, strings.ReplaceAll(err.Error(), "\n", "; ")))
			continue
		}
		if before, ok := seen[p.Reader]; ok {
			errs = append(errs, fmt.Errorf("readers: line %d: reader %q is on line %d already; list each reader once", line, p.Reader, before))
			continue
		}
		seen[p.Reader] = line
		if len(pictures) == MaxReaders {
			return nil, fmt.Errorf("readers: more than %d; split the list over several campaigns", MaxReaders)
		}
		pictures = append(pictures, p)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if len(pictures) == 0 {
		return nil, errors.New("readers: the list is empty; give at least one line after the header")
	}
	return pictures, nil
}

const csvHeader = "reader,name,offer,price"

// Warming says what to warm, and how hard to try.
type Warming struct {
	// Base is the address of the renderer, such as http://renderer-pods.render.svc.cluster.local:8080.
	Base string
	// EveryAddress asks every address that the base's host resolves to, for a headless Service: each replica has its own cache.
	EveryAddress bool
	// Pictures are asked for in their order.
	Pictures []picture.Picture
	// Concurrency is the number of requests under way at each address; 8 by default.
	Concurrency int
	// Attempts is how often one picture is asked for before it counts as failed; 6 by default.
	Attempts uint
	// FirstWait is the wait after a first failure, doubled at each next up to 10 s; 200 ms by default. A Retry-After of the server goes before it.
	FirstWait time.Duration
	// Lookup resolves a host; the system's resolver by default.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Progress is told of each address when it is done; may be nil.
	Progress func(address string, done Warmed)
}

// Warmed counts a run's pictures.
type Warmed struct {
	Addresses, Drawn, AlreadyThere, Failed int
}

// maxReported bounds the failures listed in an error.
const maxReported = 10

// Prewarm asks for every picture at every address and reads it to its end. The error lists the first ten failures; the counts are right in any case.
func Prewarm(ctx context.Context, w Warming) (Warmed, error) {
	if w.Concurrency <= 0 {
		w.Concurrency = 8
	}
	if w.Attempts == 0 {
		w.Attempts = 6
	}
	if w.FirstWait == 0 {
		w.FirstWait = 200 * time.Millisecond
	}
	if w.Lookup == nil {
		w.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
		}
	}
	base, err := url.Parse(w.Base)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Hostname() == "" || strings.Trim(base.Path, "/") != "" || base.RawQuery != "" {
		return Warmed{}, fmt.Errorf("base %q is not the address of a server; give one such as http://renderer.render.svc.cluster.local:8080", w.Base)
	}
	base.Path = ""

	addresses := []string{base.Host}
	if w.EveryAddress {
		if addresses, err = w.resolve(ctx, base); err != nil {
			return Warmed{}, err
		}
	}
	var total Warmed
	var failures []error
	var mu sync.Mutex
	var group errgroup.Group
	for _, address := range addresses {
		group.Go(func() error {
			warmed, errs := w.at(ctx, base, address)
			mu.Lock()
			defer mu.Unlock()
			total.Addresses++
			total.Drawn += warmed.Drawn
			total.AlreadyThere += warmed.AlreadyThere
			total.Failed += warmed.Failed
			failures = append(failures, errs...)
			if w.Progress != nil {
				w.Progress(address, warmed)
			}
			return nil
		})
	}
	_ = group.Wait() // the goroutines report through failures
	if total.Failed == 0 {
		return total, nil
	}
	if len(failures) > maxReported {
		failures = append(failures[:maxReported:maxReported], fmt.Errorf("and %d more", total.Failed-maxReported))
	}
	return total, fmt.Errorf("%d of %d pictures failed:\n%w", total.Failed, len(w.Pictures)*len(addresses), errors.Join(failures...))
}

// resolve is the sorted list of host:port behind the base's host. No address at all is tried again: a Service has none until its first pod is ready.
func (w Warming) resolve(ctx context.Context, base *url.URL) ([]string, error) {
	port := base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	found, err := backoff.Retry(ctx, func() ([]netip.Addr, error) {
		found, err := w.Lookup(ctx, base.Hostname())
		if err == nil && len(found) == 0 {
			err = errors.New("it has no address; is any replica ready?")
		}
		return found, err
	}, w.retries()...)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", base.Hostname(), err)
	}
	slices.SortFunc(found, netip.Addr.Compare)
	found = slices.Compact(found)
	addresses := make([]string, len(found))
	for i, address := range found {
		addresses[i] = net.JoinHostPort(address.Unmap().String(), port)
	}
	return addresses, nil
}

func (w Warming) retries() []backoff.RetryOption {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval, wait.Multiplier = w.FirstWait, 10*time.Second, 2
	return []backoff.RetryOption{backoff.WithBackOff(wait), backoff.WithMaxTries(w.Attempts), backoff.WithMaxElapsedTime(0)}
}

// at warms one address. The request keeps the base's host name; only the connection goes to the address.
func (w Warming) at(ctx context.Context, base *url.URL, address string) (Warmed, []error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
		MaxIdleConnsPerHost: w.Concurrency, ResponseHeaderTimeout: 30 * time.Second,
	}
	if address == base.Host {
		transport.DialContext = dialer.DialContext
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}

	var warmed Warmed
	var failures []error
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(w.Concurrency)
	for _, p := range w.Pictures {
		group.Go(func() error {
			hit, err := backoff.Retry(ctx, func() (bool, error) { return ask(ctx, client, base, p) }, w.retries()...)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				warmed.Failed++
				if len(failures) < maxReported {
					failures = append(failures, fmt.Errorf("reader %s at %s: %w", p.Reader, address, err))
				}
			case hit:
				warmed.AlreadyThere++
			default:
				warmed.Drawn++
			}
			return nil
		})
	}
	_ = group.Wait()
	return warmed, failures
}

// ask fetches one picture. An answer that another attempt cannot better is a permanent error.
func ask(ctx context.Context, client *http.Client, base *url.URL, p picture.Picture) (hit bool, err error) {
	address := base.JoinPath(Path)
	address.RawQuery = Query(p)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return false, backoff.Permanent(err)
	}
	request.Header.Set("User-Agent", "renderer-prewarm")
	response, err := client.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		err := fmt.Errorf("the answer is %s: %s", response.Status, strings.TrimSpace(string(body)))
		if response.StatusCode < 500 && response.StatusCode != http.StatusTooManyRequests {
			return false, backoff.Permanent(err)
		}
		if seconds, parseErr := strconv.Atoi(response.Header.Get("Retry-After")); parseErr == nil && seconds > 0 {
			return false, fmt.Errorf("%w (%w)", err, backoff.RetryAfter(min(seconds, 30)))
		}
		return false, err
	}
	if kind := response.Header.Get("Content-Type"); kind != "image/png" {
		return false, backoff.Permanent(fmt.Errorf("the answer is %q; wanted image/png: is the base a renderer?", kind))
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return false, fmt.Errorf("read the picture: %w", err)
	}
	return response.Header.Get("X-Cache") == "hit", nil
}
