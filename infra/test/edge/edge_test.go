//go:build e2e

package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cloudflare/cloudflare-go"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"havre/infra/sandbox/cloudflaresim"
)

// The addresses of two nodes, one a site.
const (
	gra = "127.0.0.2"
	rbx = "127.0.0.3"
)

// balance has Cloudflare lead both names to both sites, as components/dns does.
func (w *world) balance() {
	t := w.t
	t.Helper()
	server := httptest.NewUnstartedServer(w.cloudflare.Handler())
	server.TLS = w.cloudflare.TLSConfig()
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.cloudflare.CAPEM())
	api, err := cloudflare.NewWithAPIToken(cloudflaresim.DefaultToken, cloudflare.BaseURL(server.URL+"/client/v4"), cloudflare.UsingRateLimit(1000),
		cloudflare.HTTPClient(&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}))
	if err != nil {
		t.Fatal(err)
	}
	account, zone := cloudflare.AccountIdentifier(cloudflaresim.Account), cloudflare.ZoneIdentifier(cloudflaresim.ZoneID("havre.test"))
	monitor, err := api.CreateLoadBalancerMonitor(t.Context(), account, cloudflare.CreateLoadBalancerMonitorParams{LoadBalancerMonitor: cloudflare.LoadBalancerMonitor{
		Type: "https", Method: "GET", Path: "/edge/healthz", Port: uint16(w.https), Interval: 60, Timeout: 5, ExpectedCodes: "200",
		Header: map[string][]string{"Host": {pictures}}, AllowInsecure: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	var pools []string
	for _, site := range [][2]string{{"gra", gra}, {"rbx", rbx}} {
		pool, err := api.CreateLoadBalancerPool(t.Context(), account, cloudflare.CreateLoadBalancerPoolParams{LoadBalancerPool: cloudflare.LoadBalancerPool{
			Name: site[0], Enabled: true, Monitor: monitor.ID, Origins: []cloudflare.LoadBalancerOrigin{{Name: site[0] + "-worker-1", Address: site[1], Enabled: true, Weight: 1}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		pools = append(pools, pool.ID)
	}
	for _, name := range []string{pictures, customers} {
		if _, err := api.CreateLoadBalancer(t.Context(), zone, cloudflare.CreateLoadBalancerParams{LoadBalancer: cloudflare.LoadBalancer{
			Name: name, DefaultPools: pools, FallbackPool: pools[0], Proxied: name == pictures, SteeringPolicy: "random",
		}}); err != nil {
			t.Fatal(err)
		}
	}
}

// rotation is what a name leads to, by the names of the pools.
func (w *world) rotation(name string) string {
	answer, _ := w.cloudflare.Resolve(name)
	var names []string
	for _, pool := range answer.Rotation {
		names = append(names, pool.Name)
	}
	return strings.Join(names, " ")
}

// TestTheLossOfASite walks through the life of an edge of two sites.
func TestTheLossOfASite(t *testing.T) {
	w := newWorld(t)
	w.balance()
	w.customer("pictures.customer.test")
	a, _ := w.start(gra), w.start(rbx)
	close(w.authority.opened)

	// Both nodes want the same certificate at their start. One orders it, whichever node the authority asks answers, and both have it.
	own := w.serial(gra, pictures)
	if other := w.serial(rbx, pictures); other != own {
		t.Errorf("the nodes have certificates %s and %s for %s", own, other, pictures)
	}
	w.orders(1, "our own name")
	w.cloudflare.CheckOrigins(t.Context())
	if got := w.rotation(pictures); got != "gra rbx" {
		t.Fatalf("in rotation: %s; %+v", got, w.cloudflare.Health())
	}

	// A customer's own domain, at the first reader.
	first := w.serial(gra, "pictures.customer.test")
	if other := w.serial(rbx, "pictures.customer.test"); other != first {
		t.Errorf("the nodes have certificates %s and %s for the customer", first, other)
	}
	w.orders(2, "a customer's domain")
	if body, _, err := w.get(rbx, "pictures.customer.test"); err != nil || !strings.HasSuffix(body, " host=pictures.customer.test\n") {
		t.Errorf("the customer's picture: %q, %v", body, err)
	}

	// A domain that leads to us and is nobody's.
	for _, node := range []string{gra, rbx} {
		for _, name := range []string{"pictures.stranger.customer.test", "havre.test", "www." + pictures} {
			if _, _, err := w.get(node, name); err == nil || !strings.Contains(err.Error(), "tls: internal error") {
				t.Errorf("%s at %s: %v; wanted no certificate", name, node, err)
			}
		}
	}
	w.orders(2, "domains that are no customer's")

	// The site is lost. Cloudflare sees it, and leads nobody there.
	a.kill()
	w.cloudflare.CheckOrigins(t.Context())
	for _, name := range []string{pictures, customers} {
		if got := w.rotation(name); got != "rbx" {
			t.Errorf("after the loss %s leads to %s; %+v", name, got, w.cloudflare.Health())
		}
		for range 4 {
			if answer, _ := w.cloudflare.Resolve(name); len(answer.Addresses) != 1 || answer.Addresses[0] != rbx {
				t.Errorf("after the loss %s is at %v", name, answer.Addresses)
			}
		}
	}

	// Certificates that the lost node ordered are served on, and new customers get theirs.
	if got := w.serial(rbx, "pictures.customer.test"); got != first {
		t.Errorf("after the loss the customer's certificate is %s, was %s", got, first)
	}
	w.orders(2, "what was there before the loss")
	w.customer("late.customer.test")
	late := w.serial(rbx, "late.customer.test")
	w.orders(3, "a new customer after the loss")

	// The site is back, with an empty disk.
	w.start(gra)
	for name, want := range map[string]string{pictures: own, "pictures.customer.test": first, "late.customer.test": late} {
		if got := w.serial(gra, name); got != want {
			t.Errorf("the node that came back has certificate %s for %s, want %s", got, name, want)
		}
	}
	w.orders(3, "a node that came back")
	w.cloudflare.CheckOrigins(t.Context())
	if got := w.rotation(customers); got != "gra rbx" {
		t.Errorf("in rotation again: %s", got)
	}
}

// TestAStormForADomainThatDoesNotLeadHereIsOneOrder: a customer who has not changed the DNS yet, and a stranger who keeps asking both nodes for that name. The further attempts of
// the hour are bounded where they are counted, in the storage's own tests.
func TestAStormForADomainThatDoesNotLeadHereIsOneOrder(t *testing.T) {
	w := newWorld(t)
	w.balance()
	w.customer("away.customer.test")
	w.elsewhere["away.customer.test"] = "127.0.0.99"
	w.start(gra)
	w.start(rbx)
	close(w.authority.opened)
	own := w.serial(gra, pictures)
	storm, end := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for i := range 24 {
		wait.Go(func() {
			request, err := http.NewRequestWithContext(storm, http.MethodGet, "https://away.customer.test/v1/picture.png", http.NoBody)
			if err != nil {
				t.Error(err)
				return
			}
			if response, err := w.reader([]string{gra, rbx}[i%2], "").Do(request); err == nil {
				response.Body.Close()
				t.Error("a certificate for a domain that leads elsewhere")
			}
		})
	}
	w.wait("an order for the domain that leads elsewhere", func() error {
		if n := w.authority.orders.Load(); n < 2 {
			return fmt.Errorf("%d orders", n)
		}
		return nil
	})
	// Readers of other names notice nothing meanwhile.
	for range 20 {
		if got := w.serial(rbx, pictures); got != own {
			t.Errorf("certificate %s, was %s", got, own)
		}
	}
	end()
	wait.Wait()
	w.orders(2, "our own name and the storm")
}

// TestHTTP3 is for readers who come past the front door.
func TestHTTP3(t *testing.T) {
	w := newWorld(t)
	w.balance()
	w.cloudflare.Drain(rbx, true)
	w.start(gra)
	close(w.authority.opened)
	w.serial(gra, pictures)
	transport := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: w.authority.roots, ServerName: pictures, MinVersion: tls.VersionTLS13}, QUICConfig: &quic.Config{}}
	defer transport.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+net.JoinHostPort(gra, strconv.Itoa(w.https))+"/v1/picture.png", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = pictures
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.ProtoMajor != 3 || response.StatusCode != http.StatusOK || !strings.Contains(string(body), "host="+pictures) {
		t.Errorf("%s %s %q, %v", response.Proto, response.Status, body, err)
	}
	// A reader learns of it from an answer over TCP.
	over, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+pictures+"/v1/picture.png", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := w.reader(gra, "").Do(over)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if want := fmt.Sprintf(`h3=":%d"`, w.https); !strings.Contains(answer.Header.Get("Alt-Svc"), want) {
		t.Errorf("Alt-Svc is %q, want %s in it", answer.Header.Get("Alt-Svc"), want)
	}
}

// TestANodeLeavesAndCutsNobodyOff: whoever it has let in is served, on a connection of his own as on one that he keeps, and from then on it refuses.
func TestANodeLeavesAndCutsNobodyOff(t *testing.T) {
	w := newWorld(t)
	w.balance()
	w.cloudflare.Drain(rbx, true)
	n := w.start(gra)
	close(w.authority.opened)
	w.serial(gra, pictures)
	var served atomic.Int64
	var readers sync.WaitGroup
	for i := range 24 {
		client := w.reader(gra, "")
		transport := client.Transport.(*http.Transport)
		transport.DisableKeepAlives, transport.ForceAttemptHTTP2 = i%2 == 0, i%4 < 2
		readers.Go(func() {
			defer transport.CloseIdleConnections()
			for {
				_, _, err := w.fetch(client, pictures)
				if errors.Is(err, syscall.ECONNREFUSED) {
					return
				}
				if err != nil {
					t.Errorf("reader %d, after %d pictures for all: %v", i, served.Load(), err)
					return
				}
				served.Add(1)
			}
		})
	}
	w.wait("readers are served", func() error {
		if served.Load() < 500 {
			return fmt.Errorf("%d pictures", served.Load())
		}
		return nil
	})
	if err := n.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	readers.Wait()
	if err := n.process.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestClientAddresses: the front door is believed about its clients, and nobody else.
func TestClientAddresses(t *testing.T) {
	w := newWorld(t)
	w.balance()
	w.cloudflare.Drain(rbx, true)
	w.start(gra)
	close(w.authority.opened)
	w.serial(gra, pictures)
	for _, row := range []struct{ from, says, want string }{
		{"127.0.0.77", "203.0.113.9", "for=203.0.113.9"},
		{"127.0.0.77", "2001:db8::9", "for=2001:db8::9"},
		{"127.0.0.78", "203.0.113.9", "for=127.0.0.78"},
		{"127.0.0.1", "203.0.113.9", "for=127.0.0.1"},
	} {
		if told, err := w.asked(gra, row.from, row.says); err != nil || told != row.want {
			t.Errorf("from %s, which says %s: the renderer is told %q, %v; want %s", row.from, row.says, told, err, row.want)
		}
	}
}
