//go:build e2e

package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"havre/infra/sandbox/cloudflaresim"
	"havre/infra/tools"
	"havre/services/edge/domains"
)

// patience bounds every wait; nothing here takes a tenth of it on an idle machine.
const patience = 60 * time.Second

// The names of the world.
const (
	pictures  = "pictures.havre.test"
	customers = "customers.havre.test"
)

// world is everything outside the edge nodes.
type world struct {
	t     *testing.T
	caddy string
	dir   string
	// http and https are the ports of every edge node, on addresses of their own.
	http, https int

	cloudflare *cloudflaresim.Simulator
	authority  *authority
	storage    *httptest.Server
	permission *httptest.Server
	renderer   *httptest.Server
	resolver   string
	// elsewhere are names that lead past Cloudflare.
	elsewhere map[string]string
	list      string
	listed    []string
}

// authority is pebble, and what it was asked for.
type authority struct {
	server *httptest.Server
	roots  *x509.CertPool
	// bundle is the file with the certificate of its own server.
	bundle string
	orders atomic.Int64
	// opened lets it answer: an order that a node begins before the others listen may be looked for at one of those, and is tried again after a minute only.
	opened chan struct{}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := tools.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir(), elsewhere: map[string]string{}}
	if w.caddy, err = tools.Open(dir).Path(t.Context(), "caddy", func(line string) { t.Log(line) }); err != nil {
		t.Fatal(err)
	}
	w.http, w.https = freePorts(t)
	if w.cloudflare, err = cloudflaresim.New(cloudflaresim.Options{}); err != nil {
		t.Fatal(err)
	}
	w.serveDNS()
	w.serveACME()
	backend := s3mem.New()
	if err := backend.CreateBucket("edge"); err != nil {
		t.Fatal(err)
	}
	w.storage = httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(w.storage.Close)
	w.list = filepath.Join(w.dir, "domains.txt")
	w.customer()
	source, err := domains.OpenFile(w.list, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w.permission = httptest.NewServer(domains.Handler(source, slog.New(slog.DiscardHandler)))
	t.Cleanup(w.permission.Close)
	w.renderer = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			return
		}
		// What the renderer is told about the client, for the test to see.
		fmt.Fprintf(rw, "for=%s cf=%s host=%s\n", strings.Join(r.Header["X-Forwarded-For"], ","), r.Header.Get("Cf-Connecting-Ip"), r.Host)
	}))
	t.Cleanup(w.renderer.Close)
	return w
}

// freePorts finds two ports that are free on every address of loopback, for TCP and UDP.
func freePorts(t *testing.T) (first, second int) {
	t.Helper()
	found := make([]int, 2)
	for i := range found {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		found[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return found[0], found[1]
}

// customer adds domains to the customers' list.
func (w *world) customer(names ...string) {
	w.t.Helper()
	w.listed = append(w.listed, names...)
	if err := os.WriteFile(w.list, []byte("# customers\n"+strings.Join(append(w.listed, ""), "\n")), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// lookUp is what the world's DNS answers: the cluster's names, our zone as Cloudflare leads it, and customers' domains, which are CNAMEs to ours.
func (w *world) lookUp(name string) []string {
	if address, ok := w.elsewhere[name]; ok {
		return []string{address}
	}
	if strings.HasSuffix(name, ".cluster.local") {
		return []string{"127.0.0.1"}
	}
	if strings.HasSuffix(name, ".customer.test") {
		name = customers
	}
	answer, _ := w.cloudflare.Resolve(name)
	return answer.Addresses
}

func (w *world) serveDNS() {
	w.t.Helper()
	handler := dns.HandlerFunc(func(rw dns.ResponseWriter, question *dns.Msg) {
		reply := new(dns.Msg)
		reply.SetReply(question)
		for _, q := range question.Question {
			if q.Qtype != dns.TypeA {
				continue
			}
			for _, address := range w.lookUp(strings.ToLower(strings.TrimSuffix(q.Name, "."))) {
				reply.Answer = append(reply.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(address)})
			}
		}
		_ = rw.WriteMsg(reply)
	})
	listener, err := new(net.ListenConfig).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.resolver = listener.Addr().String()
	packets, err := new(net.ListenConfig).ListenPacket(w.t.Context(), "udp", w.resolver)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, server := range []*dns.Server{{Listener: listener, Handler: handler}, {PacketConn: packets, Handler: handler}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { _ = server.ActivateAndServe() }()
		<-started
		w.t.Cleanup(func() { _ = server.Shutdown() })
	}
}

func (w *world) serveACME() {
	w.t.Helper()
	// It looks at challenges at once, refuses no nonce on purpose, and forgets earlier validations.
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"} {
		w.t.Setenv(name, value)
	}
	out := log.New(io.Discard, "", 0)
	if os.Getenv("EDGE_TEST_LOG") != "" {
		out = log.New(os.Stderr, "pebble ", 0)
	}
	store := db.NewMemoryStore()
	signer := ca.New(out, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "the only one"}})
	looker := va.New(out, w.http, w.https, false, w.resolver, store)
	front := wfe.New(out, store, looker, signer, []string{"pebble.test"}, false, false, 0, 0)
	handler := front.Handler()
	a := &authority{bundle: filepath.Join(w.dir, "authority.pem"), roots: x509.NewCertPool(), opened: make(chan struct{})}
	a.server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		select {
		case <-a.opened:
		case <-r.Context().Done():
			return
		}
		if r.URL.Path == "/order-plz" {
			a.orders.Add(1)
		}
		handler.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(a.server.Close)
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw})
	if err := os.WriteFile(a.bundle, own, 0o644); err != nil {
		w.t.Fatal(err)
	}
	if !a.roots.AppendCertsFromPEM(signer.GetRootCert(0).PEM()) {
		w.t.Fatal("the authority's root is no certificate")
	}
	w.authority = a
}

// reader is a client that believes the authority and goes to one node's address, from an address of its own.
func (w *world) reader(node, from string) *http.Client {
	dialer := &net.Dialer{}
	if from != "" {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
	}
	transport := &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: w.authority.roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, net.JoinHostPort(node, strconv.Itoa(w.https)))
		},
	}
	return &http.Client{Transport: transport, Timeout: patience}
}

// get asks a node for a name's picture and returns the body and the certificate's serial number.
func (w *world) get(node, name string) (body, serial string, err error) {
	return w.fetch(w.reader(node, ""), name)
}

// fetch is get by a client.
func (w *world) fetch(client *http.Client, name string) (body, serial string, err error) {
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "https://"+name+"/v1/picture.png", http.NoBody)
	if err != nil {
		return "", "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", "", fmt.Errorf("status %s: %s", response.Status, text)
	}
	return string(text), response.TLS.PeerCertificates[0].SerialNumber.String(), nil
}

// serial is get's, and it must come.
func (w *world) serial(node, name string) string {
	w.t.Helper()
	var serial string
	w.wait("certificate of "+name+" at "+node, func() (err error) {
		_, serial, err = w.get(node, name)
		return err
	})
	return serial
}

// wait tries until it works.
func (w *world) wait(what string, try func() error) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// orders wants as many orders at the authority as were due.
func (w *world) orders(want int64, what string) {
	w.t.Helper()
	if got := w.authority.orders.Load(); got != want {
		w.t.Errorf("%s: the authority has had %d orders, want %d", what, got, want)
	}
}

// buffer keeps a process's output for a test that fails.
type buffer struct {
	mu   sync.Mutex
	text []byte
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}
