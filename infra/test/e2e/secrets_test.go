//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"havre/components/host"
)

// secrets searches for the actual values of every private key, token and password of the running platform, wherever something is written.
func (w *walk) secrets(t *testing.T, ctx context.Context) {
	values := w.secretValues(t, ctx)
	if len(values) < 12 {
		t.Fatalf("only %d secret values were collected; the search would prove little: %v", len(values), names(values))
	}
	// Where a secret is meant to lie: files that only root reads, which the sandbox writes for the program and for kubectl.
	meant := map[string]bool{w.ws.Settings(): true, w.ws.Kubeconfig(): true, w.ws.Path("build", "local", "id_ed25519"): true}
	for path := range meant {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s may be read by others: mode %o, want 600", path, info.Mode().Perm())
		}
	}
	searched := 0
	look := func(path string, text []byte) {
		searched++
		for name, value := range values {
			if bytes.Contains(text, []byte(value)) {
				t.Errorf("%s holds %s in clear", path, name)
			}
		}
	}
	for _, folder := range []string{w.ws.Path("build", "state"), w.ws.Path("build", "e2e"), w.ws.PulumiHome()} {
		w.files(t, folder, meant, look)
	}
	entries, err := os.ReadDir(w.ws.Local())
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		path := filepath.Join(w.ws.Local(), entry.Name())
		// The hosts' own disks are below a folder of the sandbox; what a host keeps for itself is not written down anywhere.
		if entry.IsDir() && entry.Name() != "ovh" && entry.Name() != "cloudflare" {
			continue
		}
		w.files(t, path, meant, look)
	}
	for _, args := range [][]string{{"stack", "export", "--stack", "local"}, {"stack", "output", "--stack", "local", "--json"}, {"preview", "--stack", "local", "--diff"}} {
		out, err := w.pulumi.Output(ctx, args...)
		if err != nil {
			t.Fatal(err)
		}
		look("pulumi "+strings.Join(args, " "), out)
	}
	t.Logf("%d values searched for in %d texts", len(values), searched)
}

func names(values map[string]string) []string {
	var list []string
	for name := range values {
		list = append(list, name)
	}
	return list
}

// files hands every plain file below a path to look. Binaries of plugins are left out: they are code.
func (w *walk) files(t *testing.T, root string, meant map[string]bool, look func(string, []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || meant[path] {
			return err
		}
		if info, err := entry.Info(); err != nil || info.Mode()&0o111 != 0 {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		look(path, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// secretValues collects the secrets from where they live. Of keys it takes a line from the middle, which is the same however the text is wrapped.
func (w *walk) secretValues(t *testing.T, ctx context.Context) map[string]string {
	t.Helper()
	values := map[string]string{}
	keep := func(name, value string) {
		if value = strings.TrimSpace(value); len(value) >= 16 {
			values[name] = value
		}
	}
	middle := func(pem string) string {
		lines := strings.Split(strings.TrimSpace(pem), "\n")
		return lines[len(lines)/2]
	}
	var settings struct {
		SSHPrivateKey  string `json:"sshPrivateKey"`
		BackupPassword string `json:"backupPassword"`
	}
	text, err := os.ReadFile(w.ws.Settings())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &settings); err != nil {
		t.Fatal(err)
	}
	keep("the operators' SSH key", middle(settings.SSHPrivateKey))
	keep("the operators' SSH key as commands carry it", middle(host.PrivateKey(settings.SSHPrivateKey)))
	keep("the backups' password", settings.BackupPassword)
	p := plan(t)
	for _, node := range p.Members {
		for name, script := range map[string]string{
			"the WireGuard key of " + node.Name: "cat /etc/wireguard/private.key",
			"the SSH host key of " + node.Name:  "sed -n 3p /etc/ssh/ssh_host_ed25519_key",
		} {
			out, err := w.on(ctx, node.Name, script)
			if err != nil {
				t.Fatal(err)
			}
			keep(name, out)
		}
	}
	first := p.ControlPlane[0].Name
	for name, script := range map[string]string{
		"the cluster authority's key":         "sed -n 4p /etc/kubernetes/pki/ca.key",
		"the service accounts' key":           "sed -n 4p /etc/kubernetes/pki/sa.key",
		"etcd's authority's key":              "sed -n 4p /etc/kubernetes/pki/etcd/ca.key",
		"the administrator's key":             "sed -n 's/ *client-key-data: //p' /etc/kubernetes/admin.conf | cut -c1-80",
		"the invitations' tokens":             "kubeadm token list -o jsonpath='{.token}{\"\\n\"}' | head -n 1",
		"the key of the shared certificates":  "cat /run/havre/certificate-key 2>/dev/null || true",
		"the edge's authority's key":          "sed -n 2p /etc/havre/authority/ca.key 2>/dev/null || true",
		"the edge's certificate's key":        "sed -n 2p /etc/havre/authority/leaf.key 2>/dev/null || true",
		"the key of Secrets at rest":          `grep -o '"secret":"[^"]*' /etc/kubernetes/pki/secrets.json | head -n 1 | cut -d'"' -f4`,
		"the API server's client key of etcd": "sed -n 4p /etc/kubernetes/pki/apiserver-etcd-client.key",
	} {
		out, err := w.on(ctx, first, script)
		if err != nil {
			t.Fatal(err)
		}
		keep(name, out)
	}
	return values
}
