//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"havre/infra/sandbox/bringup"
)

const (
	laptop = "ada-laptop"
	// laptopNamespace is the laptop's network, laptopLink its cable to the sandbox's public network, and laptopAddress its address there, which no host has.
	laptopNamespace, laptopLink = "havre-laptop", "havrelap0"
	// laptopInterface is the mesh's on the laptop, named as the file is. A userspace WireGuard ends with it, and keeps the network alive until then.
	laptopInterface = "havrelap"
	laptopAddress   = "198.51.100.250/24"
)

// operator makes a laptop with a key of its own a peer, by a line in the stack and the file that havre prints, and takes it out again.
func (w *walk) operator(t *testing.T, ctx context.Context) {
	folder := t.TempDir()
	key := filepath.Join(folder, "key")
	public := w.run(t, ctx, "bash", "-c", `umask 077; wg genkey >"$0"; wg pubkey <"$0"`, key)
	forget := w.edit(t, "stacks/local.go", `{Path: "Data", `, fmt.Sprintf(`{Path: "Mesh.Operators", Why: "somebody works from home", Apply: func(s *Stack) {
			s.Mesh.Operators = []Operator{{Name: %q, Index: 7, PublicKey: %q}}
		}},
		{Path: "Data", `, laptop, strings.TrimSpace(public)))
	var wanted []string
	for _, node := range plan(t).Members {
		wanted = append(wanted, node.Name+"-wireguard")
	}
	slices.Sort(wanted)
	changes := w.updates(t, ctx)
	delete(changes, "same")
	if len(changes) != 1 || !slices.Equal(changes["update"], wanted) {
		t.Errorf("a laptop changes %v, want updates of %v alone", changes, wanted)
	}
	if err := w.pulumi.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}

	// Not bin/havre: it was built before the stack had the line.
	command := exec.CommandContext(ctx, "go", "run", "./infra/cmd/havre", "peer", "local", laptop, "--key", key)
	command.Dir, command.Env = w.ws.Root, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
	command.Stderr = w.log
	text, err := command.Output()
	if err != nil {
		t.Fatalf("havre peer: %v\n%s", err, text)
	}
	file := filepath.Join(folder, laptopInterface+".conf")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	w.plugIn(t, ctx, file)
	for _, node := range plan(t).Members {
		if out, err := w.greeted(ctx, node.Mesh.String(), 10*time.Second); err != nil || !strings.HasPrefix(out, "SSH-2.0-") {
			t.Errorf("host %s does not answer the laptop at %s: %v: %s", node.Name, node.Mesh, err, out)
		}
	}
	// The laptop needs no jump, and finds the API server under the name that its certificate has.
	direct := w.withoutJump(t, folder)
	api := plan(t).APIServers[0]
	if out, err := w.onLaptop(ctx, w.ws.Bin("kubectl"), "--kubeconfig", direct, "--server", "https://"+api.String(), "get", "--raw", "/livez"); err != nil || out != "ok" {
		t.Errorf("the API server at %s says %q to the laptop, want ok: %v", api, out, err)
	}

	forget()
	if err := w.pulumi.Run(ctx, "up", "--stack", "local", "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	for _, node := range plan(t).Members {
		if out, err := w.greeted(ctx, node.Mesh.String(), 2*time.Second); err == nil {
			t.Errorf("host %s still answers a laptop that was taken out: %s", node.Name, out)
		}
	}
}

// withoutJump is the kubeconfig of stack local without the proxy that this machine needs.
func (w *walk) withoutJump(t *testing.T, folder string) (path string) {
	t.Helper()
	text, err := os.ReadFile(w.ws.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	// It is JSON, which is YAML as well.
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	for _, entry := range config["clusters"].([]any) {
		delete(entry.(map[string]any)["cluster"].(map[string]any), "proxy-url")
	}
	if text, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// plugIn gives the laptop a network of its own with a cable to the hosts' public one, and runs the file there as its owner would.
func (w *walk) plugIn(t *testing.T, ctx context.Context, file string) {
	t.Helper()
	paths, err := bringup.BuildTools(ctx, w.ws, []string{"wireguard-go"}, func(line string) { fmt.Fprintln(w.log, line) })
	if err != nil {
		t.Fatal(err)
	}
	unplug := func() {
		// What is not there is no error: it may be the rest of a walk that was stopped.
		for _, args := range [][]string{{"netns", "exec", laptopNamespace, "ip", "link", "delete", laptopInterface}, {"link", "delete", laptopLink}, {"netns", "delete", laptopNamespace}} {
			if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
				fmt.Fprintf(w.log, "ip %v: %s", args, out)
			}
		}
	}
	unplug()
	t.Cleanup(unplug)
	w.run(t, ctx, "ip", "netns", "add", laptopNamespace)
	w.run(t, ctx, "ip", "link", "add", laptopLink, "master", "hvpub", "up", "type", "veth", "peer", "name", "eth0", "netns", laptopNamespace)
	for _, args := range [][]string{
		{"ip", "link", "set", "dev", "lo", "up"}, {"ip", "address", "add", laptopAddress, "dev", "eth0"}, {"ip", "link", "set", "dev", "eth0", "up"},
		{"env", "WG_QUICK_USERSPACE_IMPLEMENTATION=" + paths["wireguard-go"], "wg-quick", "up", file},
	} {
		if out, err := w.onLaptop(ctx, args...); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
}

// greeted is what the SSH server at an address says first to the laptop.
func (w *walk) greeted(ctx context.Context, address string, patience time.Duration) (string, error) {
	return w.onLaptop(ctx, "timeout", fmt.Sprint(patience.Seconds()), "bash", "-c", `exec 3<>"/dev/tcp/$0/22" && read -r line <&3 && echo "$line"`, address)
}

func (w *walk) onLaptop(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", laptopNamespace}, args...)...).CombinedOutput()
	return string(out), err
}

// run runs a program of this machine and gives what it printed.
func (w *walk) run(t *testing.T, ctx context.Context, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
	return string(out)
}
