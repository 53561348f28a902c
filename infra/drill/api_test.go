package drill

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// kubeconfig is one as the program writes it, for a server of a test.
func kubeconfig(t *testing.T, server *httptest.Server) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return fmt.Sprintf(`{"clusters":[{"cluster":{"server":%q,"certificate-authority-data":%q}}],"users":[{"user":{"client-certificate-data":%q,"client-key-data":%q}}]}`,
		server.URL, encode("CERTIFICATE", server.Certificate().Raw), encode("CERTIFICATE", certificate), encode("PRIVATE KEY", private))
}

func newTestAPI(t *testing.T, handler http.HandlerFunc) *api {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	a, err := newAPI([]byte(kubeconfig(t, server)))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestMissing(t *testing.T) {
	const ready = `{"metadata":{"name":"%s"},"status":{"conditions":[{"type":"Ready","status":"%s"}]}}`
	answers := map[string]string{
		"/api/v1/nodes": `{"items":[` + fmt.Sprintf(ready, "a", "True") + `,` + fmt.Sprintf(ready, "b", "Unknown") + `,` + fmt.Sprintf(ready, "old", "True") +
			`,{"metadata":{"name":"c"},"spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"True"}]}}]}`,
		"/apis/apps/v1/deployments": `{"items":[{"metadata":{"namespace":"render","name":"renderer"},"spec":{"replicas":2},"status":{"readyReplicas":1}},
			{"metadata":{"namespace":"render","name":"headroom"},"spec":{"replicas":2},"status":{"readyReplicas":0}},
			{"metadata":{"namespace":"kube-system","name":"coredns","generation":2},"spec":{"replicas":2},"status":{"readyReplicas":2,"observedGeneration":2}}]}`,
		"/apis/apps/v1/daemonsets": `{"items":[{"metadata":{"namespace":"edge","name":"edge"},"status":{"desiredNumberScheduled":2,"numberReady":1,"updatedNumberScheduled":2}}]}`,
	}
	a := newTestAPI(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, answers[r.URL.Path]) })
	missing, err := a.missing(context.Background(), []string{"a", "b", "c", "d"})
	if err != nil {
		t.Fatal(err)
	}
	want := "node b is not ready\nnode old is still there\nnode c takes no pods\nnode d is not there\nrender/renderer has 1 ready pods\nedge/edge has 1 of 2 pods ready"
	if got := strings.Join(missing, "\n"); got != want {
		t.Errorf("missing\n%s\nwant\n%s", got, want)
	}
	answers["/api/v1/nodes"] = `{"items":[` + fmt.Sprintf(ready, "a", "True") + `]}`
	answers["/apis/apps/v1/deployments"], answers["/apis/apps/v1/daemonsets"] = `{}`, `{}`
	if missing, err := a.missing(context.Background(), []string{"a"}); err != nil || len(missing) != 0 {
		t.Errorf("a whole cluster misses %v, %v", missing, err)
	}
}

// A write that the API refuses counts as failed, and the gap is between those that it took.
func TestWriter(t *testing.T) {
	var calls atomic.Int32
	served := make(chan struct{}, 100)
	a := newTestAPI(t, func(w http.ResponseWriter, r *http.Request) {
		defer func() { served <- struct{}{} }()
		body, err := io.ReadAll(r.Body)
		var object struct{ Kind string }
		if err != nil || json.Unmarshal(body, &object) != nil || object.Kind != "Lease" || r.Method != http.MethodPatch || r.URL.Path != lease || r.URL.Query().Get("fieldManager") != "havre-drill" {
			t.Errorf("%s %s: %s", r.Method, r.URL, body)
		}
		if calls.Add(1) == 1 {
			http.Error(w, "no leader", http.StatusInternalServerError)
		}
	})
	ctx, stop := context.WithCancel(context.Background())
	w := &writer{api: a}
	done := make(chan struct{})
	start := time.Now()
	go func() { defer close(done); w.run(ctx) }()
	for range 2 {
		<-served
	}
	for w.summary(start, start).Writes < 2 {
		time.Sleep(time.Millisecond)
	}
	stop()
	<-done
	if got := w.summary(start, time.Now()); got.Writes < 2 || got.Failed < 1 || got.Failed == got.Writes || got.LongestGap <= 0 {
		t.Errorf("%+v; want two writes or more, some of which failed", got)
	}
}

func TestKubeconfigs(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	whole := kubeconfig(t, server)
	for text, want := range map[string]string{
		"{":  "kubeconfig: unexpected end of JSON input; run make up",
		"{}": "kubeconfig: 0 clusters and 0 users, wanted one of each; run make up",
		strings.Replace(whole, `"client-key-data":"`, `"client-key-data":"-`, 1):                                 "kubeconfig: client-key-data is not base64; run make up",
		strings.Replace(whole, `"certificate-authority-data":"`, `"certificate-authority-data":"eA==","x":"`, 1): "kubeconfig: certificate-authority-data is no certificate; run make up",
	} {
		if _, err := newAPI([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%.60s: %v, want %s", text, err, want)
		}
	}
}
