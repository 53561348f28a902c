//go:build e2e

package edge

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"havre/services/edge/caddy"
	"havre/services/edge/domains"
)

// frontDoor stands for Cloudflare's own addresses.
var frontDoor = netip.MustParsePrefix("127.0.0.77/32")

// node is one edge node: a process with an address and a disk of its own.
type node struct {
	w       *world
	address string
	process *exec.Cmd
	log     *buffer
}

// start runs an edge node with what production would render, on an empty disk.
func (w *world) start(address string) *node {
	w.t.Helper()
	dir, err := os.MkdirTemp(w.dir, "node-")
	if err != nil {
		w.t.Fatal(err)
	}
	config := filepath.Join(dir, "caddy.json")
	for name, text := range map[string]string{"access-key": "access", "secret-key": "secret\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := os.WriteFile(config, []byte(w.config(address, dir)), 0o600); err != nil {
		w.t.Fatal(err)
	}
	n := &node{w: w, address: address, log: &buffer{}}
	// Not the test's context: it ends before the clean-up that tells what the node said.
	n.process = exec.Command(w.caddy, "run", "--config", config) //nolint:noctx // see above
	n.process.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "HOME="+dir)
	n.process.Stdout, n.process.Stderr = n.log, n.log
	if err := n.process.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		n.kill()
		if w.t.Failed() {
			w.t.Logf("edge node %s said:\n%s", address, n.log)
		}
	})
	w.wait("edge node "+address, func() error {
		// The authority asks the port for HTTP, which Caddy opens after the other.
		for _, port := range []int{w.https, w.http} {
			connection, err := new(net.Dialer).DialContext(w.t.Context(), "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
			if err != nil {
				return err
			}
			_ = connection.Close()
		}
		return nil
	})
	return n
}

// kill ends the node as a power cut would.
func (n *node) kill() {
	if n.process.ProcessState == nil {
		_ = n.process.Process.Kill()
		_ = n.process.Wait()
	}
}

// config is production's, but for what loopback makes necessary: each node listens on one address only, and asks the world's DNS for the cluster's names.
func (w *world) config(address, dir string) string {
	w.t.Helper()
	renderer, err := url.Parse(w.renderer.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	port, err := strconv.Atoi(renderer.Port())
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := caddy.Render(caddy.Options{
		HTTPPort: w.http, HTTPSPort: w.https, HealthPort: 8081, HealthPath: "/edge/healthz", Leave: 2 * time.Second, Grace: time.Second, TrustedProxies: []netip.Prefix{frontDoor},
		Sites: []caddy.Site{{
			Hosts: []string{pictures}, Paths: []string{"/v1/*"}, Upstream: "renderer-pods.render.svc.cluster.local", Fallback: "renderer.render.svc.cluster.local", Port: port,
		}},
		ACME: &caddy.ACME{
			Email: "ops@havre.test", Directory: w.authority.server.URL + "/dir", Roots: w.authority.bundle, Permission: w.permission.URL + domains.Path,
			Storage: caddy.Objects{
				Endpoint: w.storage.URL, Region: "eu-west-par", Bucket: "edge", Prefix: "edge-test",
				AccessKeyFile: filepath.Join(dir, "access-key"), SecretKeyFile: filepath.Join(dir, "secret-key"),
			},
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		w.t.Fatal(err)
	}
	servers := config["apps"].(map[string]any)["http"].(map[string]any)["servers"].(map[string]any)
	moved, resolved := 0, 0
	for _, x := range servers {
		server := x.(map[string]any)
		for i, listen := range server["listen"].([]any) {
			_, port, _ := strings.Cut(listen.(string), ":")
			server["listen"].([]any)[i] = address + ":" + port
			moved++
		}
		for _, r := range server["routes"].([]any) {
			for _, h := range r.(map[string]any)["handle"].([]any) {
				if upstreams, ok := h.(map[string]any)["dynamic_upstreams"].(map[string]any); ok {
					upstreams["resolver"] = w.resolver
					resolved++
				}
			}
		}
	}
	if moved != 3 || resolved != 3 {
		w.t.Fatalf("%d listeners and %d upstreams were changed; want the three and the three that production has", moved, resolved)
	}
	changed, err := json.Marshal(config)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(changed)
}

// asked is what the renderer was told about a client that asks a node from an address and says of itself what the header says.
func (w *world) asked(node, from, header string) (string, error) {
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "https://"+pictures+"/v1/picture.png", http.NoBody)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"CF-Connecting-IP", "X-Forwarded-For", "X-Real-IP"} {
		request.Header.Set(name, header)
	}
	response, err := w.reader(node, from).Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var told string
	if _, err := fmt.Fscanln(response.Body, &told); err != nil && told == "" {
		return "", err
	}
	return told, nil
}
