package drill

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// api is the Kubernetes API through the stack's kubeconfig. It is asked many times a minute, which kubectl's start would make dear.
type api struct {
	server string
	client *http.Client
}

// apiPatience bounds one request: a node on the way may have just died.
const apiPatience = 5 * time.Second

// openAPI reads a kubeconfig as the program writes it: JSON, with one cluster and one user.
func openAPI(path string) (*api, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w; run make up", err)
	}
	return newAPI(text)
}

func newAPI(text []byte) (*api, error) {
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
				CA     string `json:"certificate-authority-data"`
				Proxy  string `json:"proxy-url"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct {
				Certificate string `json:"client-certificate-data"`
				Key         string `json:"client-key-data"`
			} `json:"user"`
		} `json:"users"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("kubeconfig: %w; run make up", err)
	}
	if len(config.Clusters) != 1 || len(config.Users) != 1 {
		return nil, fmt.Errorf("kubeconfig: %d clusters and %d users, wanted one of each; run make up", len(config.Clusters), len(config.Users))
	}
	cluster, user := config.Clusters[0].Cluster, config.Users[0].User
	var pems [][]byte
	for _, field := range []struct{ name, text string }{
		{"certificate-authority-data", cluster.CA}, {"client-certificate-data", user.Certificate}, {"client-key-data", user.Key},
	} {
		pem, err := base64.StdEncoding.DecodeString(field.text)
		if err != nil || len(pem) == 0 {
			return nil, fmt.Errorf("kubeconfig: %s is not base64; run make up", field.name)
		}
		pems = append(pems, pem)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pems[0]) {
		return nil, errors.New("kubeconfig: certificate-authority-data is no certificate; run make up")
	}
	pair, err := tls.X509KeyPair(pems[1], pems[2])
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: the user's certificate: %w; run make up", err)
	}
	// A connection of its own for each request: one that hangs in a dead node must not hold up the next.
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}}
	if cluster.Proxy != "" {
		proxy, err := url.Parse(cluster.Proxy)
		if err != nil {
			return nil, fmt.Errorf("kubeconfig: proxy-url: %w", err)
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	return &api{server: cluster.Server, client: &http.Client{Transport: transport, Timeout: apiPatience}}, nil
}

// do asks the API; body nil sends none, into nil drops the answer.
func (a *api) do(ctx context.Context, method, path, contentType string, body, into any) error {
	var reader io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.server+path, reader)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("Content-Type", contentType)
	response, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %.300s", method, path, response.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

func (a *api) get(ctx context.Context, path string, into any) error {
	return a.do(ctx, http.MethodGet, path, "application/json", nil, into)
}

// apply is a server-side apply of one object.
func (a *api) apply(ctx context.Context, path string, object any) error {
	return a.do(ctx, http.MethodPatch, path+"?fieldManager=havre-drill&force=true", "application/apply-patch+yaml", object, nil)
}

// lease is what is written to the API once a second.
const lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/havre-drill"

// writer writes to the API once a second, whatever the answers take, so that a lost quorum is seen as what it is: nothing can be changed any more.
type writer struct {
	api *api

	mu   sync.Mutex
	seen API
	good []time.Time
}

func (w *writer) run(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	for {
		group.Go(func() {
			now := time.Now().UTC()
			err := w.api.apply(ctx, lease, map[string]any{
				"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": map[string]any{"name": "havre-drill"},
				"spec": map[string]any{"holderIdentity": "havre drill", "renewTime": now.Format("2006-01-02T15:04:05.000000Z")},
			})
			if err != nil && ctx.Err() != nil {
				return // it was ended, not refused
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.seen.Writes++
			if err != nil {
				w.seen.Failed++
				return
			}
			w.good = append(w.good, time.Now())
		})
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

func (w *writer) summary(start, end time.Time) API {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	seen.LongestGap = longestGap(w.good, start, end)
	return seen
}

// nodeStatus and workloadStatus are the parts of the API's objects by which the platform is told to be whole.
type nodeStatus struct {
	Metadata struct{ Name string }
	Spec     struct{ Unschedulable bool }
	Status   struct {
		Conditions []struct{ Type, Status string }
		NodeInfo   struct{ KubeletVersion string }
	}
}

func (n nodeStatus) ready() bool {
	for _, c := range n.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

type workloadStatus struct {
	Metadata struct {
		Namespace, Name string
		Generation      int64
	}
	Spec   struct{ Replicas *int }
	Status struct {
		ObservedGeneration                                                         int64
		ReadyReplicas, DesiredNumberScheduled, NumberReady, UpdatedNumberScheduled int
	}
}

func (a *api) nodes(ctx context.Context) ([]nodeStatus, error) {
	var list struct{ Items []nodeStatus }
	err := a.get(ctx, "/api/v1/nodes", &list)
	return list.Items, err
}

// missing says what keeps the cluster from being whole: nodes that are not there, not ready, too many or closed to pods, and workloads with fewer ready pods than wanted.
func (a *api) missing(ctx context.Context, wanted []string) ([]string, error) {
	nodes, err := a.nodes(ctx)
	if err != nil {
		return nil, err
	}
	var not []string
	found := map[string]bool{}
	for _, n := range nodes {
		name := n.Metadata.Name
		found[name] = true
		switch {
		case !slices.Contains(wanted, name):
			not = append(not, "node "+name+" is still there")
		case !n.ready():
			not = append(not, "node "+name+" is not ready")
		case n.Spec.Unschedulable:
			not = append(not, "node "+name+" takes no pods")
		}
	}
	for _, name := range wanted {
		if !found[name] {
			not = append(not, "node "+name+" is not there")
		}
	}
	var deployments, daemons struct{ Items []workloadStatus }
	if err := errors.Join(a.get(ctx, "/apis/apps/v1/deployments", &deployments), a.get(ctx, "/apis/apps/v1/daemonsets", &daemons)); err != nil {
		return nil, err
	}
	for _, d := range deployments.Items {
		// Placeholders hold what room is left, and may wait.
		if strings.HasPrefix(d.Metadata.Name, "headroom") {
			continue
		}
		if d.Spec.Replicas != nil && d.Status.ReadyReplicas < *d.Spec.Replicas || d.Status.ObservedGeneration < d.Metadata.Generation {
			not = append(not, fmt.Sprintf("%s/%s has %d ready pods", d.Metadata.Namespace, d.Metadata.Name, d.Status.ReadyReplicas))
		}
	}
	for _, d := range daemons.Items {
		if d.Status.NumberReady < d.Status.DesiredNumberScheduled || d.Status.UpdatedNumberScheduled < d.Status.DesiredNumberScheduled || d.Status.ObservedGeneration < d.Metadata.Generation {
			not = append(not, fmt.Sprintf("%s/%s has %d of %d pods ready", d.Metadata.Namespace, d.Metadata.Name, d.Status.NumberReady, d.Status.DesiredNumberScheduled))
		}
	}
	return not, nil
}
