package bench

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"havre/infra/bench/fakehost"
	"havre/infra/bench/fleet"
	"havre/infra/sandbox/bringup"
	"havre/infra/sandbox/cloudflaresim"
	"havre/infra/sandbox/ovhsim"
	"havre/infra/workspace"
)

// firstAddress is where fake hosts begin. All of 127.0.0.0/8 is this machine's own, so nothing has to be set up, and nothing is reachable from elsewhere.
var firstAddress = netip.MustParseAddr("127.64.0.11")

// project is a Pulumi project of one stack with a backend, simulators and settings of its own.
type project struct {
	folder, stateFile string
	pulumi            bringup.Pulumi
	env               map[string]string
	stop              []func()
}

// newProject makes one in a folder, which is emptied. With hosts, the simulator's machines answer over SSH; else nobody does, which is enough for previews.
func newProject(ctx context.Context, ws workspace.Workspace, folder, program string, hosts bool) (*project, error) {
	if err := os.RemoveAll(folder); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	state := filepath.Join(folder, "state", ".pulumi")
	p := &project{folder: folder, stateFile: filepath.Join(state, "stacks", "havre", fleet.Name+".json")}
	if err := os.MkdirAll(filepath.Dir(p.stateFile), 0o700); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	simulators, err := p.simulate(ctx, hosts)
	if err != nil {
		p.close()
		return nil, err
	}
	p.env = ws.PreviewEnv(simulators)
	p.env["PULUMI_BACKEND_URL"] = "file://" + filepath.Join(folder, "state")
	// An update writes the state once, at its end. Writing it at every step is the file backend's share of an update and grows with the square of its size.
	p.env["PULUMI_EXPERIMENTAL"], p.env["PULUMI_SKIP_CHECKPOINTS"] = "true", "true"
	// Only with this does pulumi know --event-log.
	p.env["PULUMI_DEBUG_COMMANDS"] = "true"
	p.pulumi = bringup.Pulumi{Workspace: ws, Env: p.env}
	// The program finds what it copies to hosts from the folder it runs in, as in a checkout.
	beside := filepath.Join(filepath.Dir(folder), "components")
	if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.close()
		return nil, fmt.Errorf("bench: %w", err)
	}
	if err := os.Symlink(ws.Path("components"), beside); err != nil {
		p.close()
		return nil, fmt.Errorf("bench: %w", err)
	}
	settings, err := settings()
	if err != nil {
		p.close()
		return nil, err
	}
	for name, text := range map[string]string{
		"Pulumi.yaml":                    fmt.Sprintf("name: havre\nruntime:\n  name: go\n  options:\n    binary: %s\n", program),
		"Pulumi." + fleet.Name + ".yaml": fmt.Sprintf("config:\n  havre:account: %s\n  havre:budgetEuros: %d\n", ovhsim.Account, fleet.Budget),
		"settings.json":                  settings,
		"state/.pulumi/meta.yaml":        "version: 1\n",
		"state/.pulumi/stacks/havre/" + fleet.Name + ".json": fmt.Sprintf(`{"version":3,"checkpoint":{"stack":"organization/havre/%s","latest":null}}`, fleet.Name),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			p.close()
			return nil, fmt.Errorf("bench: %w", err)
		}
	}
	return p, nil
}

// run runs pulumi on the project's stack. Its output is shown only with an error.
func (p *project) run(ctx context.Context, args ...string) error {
	var last []string
	quiet := p.pulumi
	quiet.Report = func(line string) {
		if len(last) == 40 {
			last = last[1:]
		}
		last = append(last, line)
	}
	if err := quiet.Run(ctx, append([]string{"-C", p.folder, "--stack", fleet.Name}, args...)...); err != nil {
		return fmt.Errorf("%w\n%s", err, strings.Join(last, "\n"))
	}
	return nil
}

// host is a fake host of the project, on a free port.
func (p *project) host(ctx context.Context) (address, hostKey string, err error) {
	text, err := os.ReadFile(filepath.Join(p.folder, "settings.json"))
	if err != nil {
		return "", "", fmt.Errorf("bench: %w", err)
	}
	var keys struct{ SSHPublicKey string }
	if err := json.Unmarshal(text, &keys); err != nil {
		return "", "", fmt.Errorf("bench: settings: %w", err)
	}
	host, err := fakehost.Start(ctx, "kind", "127.0.0.1:0", []string{keys.SSHPublicKey})
	if err != nil {
		return "", "", err
	}
	p.stop = append(p.stop, host.Close)
	return host.Address(), host.HostKey(), nil
}

func (p *project) close() {
	for _, stop := range p.stop {
		stop()
	}
}

// simulate runs the simulators in this process, on free ports of loopback and without delays.
func (p *project) simulate(ctx context.Context, hosts bool) (workspace.Simulators, error) {
	none := workspace.Simulators{}
	machines := ovhsim.Machines(ovhsim.NoMachines{})
	if hosts {
		fakes := &fakeMachines{port: 22, hosts: map[string]*fakehost.Host{}}
		machines, p.stop = fakes, append(p.stop, fakes.close)
	}
	ovh, err := ovhsim.New(ovhsim.Options{Machines: machines, FirstAddress: firstAddress})
	if err != nil {
		return none, err
	}
	p.stop = append(p.stop, func() { _ = ovh.Close() })
	cloudflare, err := cloudflaresim.New(cloudflaresim.Options{Dir: filepath.Join(p.folder, "cloudflare"), Token: workspace.CloudflareToken})
	if err != nil {
		return none, err
	}
	listen := func() (net.Listener, error) { return new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0") }
	plain, plainErr := listen()
	secure, secureErr := listen()
	if err := errors.Join(plainErr, secureErr); err != nil {
		return none, fmt.Errorf("bench: %w", err)
	}
	ovhServer := &http.Server{Handler: ovh.Handler(), ReadHeaderTimeout: 10 * time.Second}
	cloudflareServer := &http.Server{Handler: cloudflare.Handler(), ReadHeaderTimeout: 10 * time.Second, TLSConfig: cloudflare.TLSConfig()}
	go func() { _ = ovhServer.Serve(plain) }()
	go func() { _ = cloudflareServer.ServeTLS(secure, "", "") }()
	p.stop = append([]func(){func() { _ = ovhServer.Close() }, func() { _ = cloudflareServer.Close() }}, p.stop...)
	if err := bringup.WriteBundle(filepath.Join(p.folder, "ca-bundle.pem"), cloudflare.CAPEM()); err != nil {
		return none, err
	}
	return workspace.Simulators{OVH: "http://" + plain.Addr().String() + "/1.0", Cloudflare: secure.Addr().String(), Folder: p.folder}, nil
}

// settings is what a stack's configuration would hold, in the form in which a sandbox hands it over. The key opens fake hosts only.
func settings() (string, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "bench")
	if err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	digest := strings.Repeat("ab", 32)
	artifacts, images := map[string]any{}, map[string]string{}
	for _, name := range []string{"kubeadm", "kubelet", "kubectl", "etcdctl", "wireguard-go"} {
		artifacts[name] = map[string]string{"path": "/sha256/" + digest + "/" + name, "sha256": digest}
	}
	for _, name := range []string{"renderer", "caddy", "coredns", "metrics-server", "kube-proxy", "pause"} {
		images[name] = "198.51.100.1:5000/" + name + "@sha256:" + digest
	}
	text, err := json.Marshal(map[string]any{
		"sshPrivateKey": string(pem.EncodeToMemory(block)), "sshPublicKey": strings.TrimSpace(string(ssh.MarshalAuthorizedKey(line))),
		"artifactMirror": "http://198.51.100.1:8080", "artifacts": artifacts, "imageRegistry": "198.51.100.1:5000", "images": images,
	})
	if err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	return string(text), nil
}

// fakeMachines runs a fake host for each installed service. The platform knows no port but sshd's own, 22; a test takes any, 0.
type fakeMachines struct {
	ovhsim.NoMachines
	port uint16

	mu    sync.Mutex
	hosts map[string]*fakehost.Host
}

var _ ovhsim.Machines = (*fakeMachines)(nil)

// Install starts the host's SSH server, anew if there was one.
func (f *fakeMachines) Install(_ context.Context, m ovhsim.Machine) error {
	if err := f.Remove(context.Background(), m.ServiceName); err != nil {
		return err
	}
	// Not the installation's context: the host outlives it.
	host, err := fakehost.Start(context.Background(), m.ServiceName, netip.AddrPortFrom(m.Address, f.port).String(), m.AuthorizedKeys)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hosts[m.ServiceName] = host
	return nil
}

// Remove stops the host.
func (f *fakeMachines) Remove(_ context.Context, service string) error {
	f.mu.Lock()
	host := f.hosts[service]
	delete(f.hosts, service)
	f.mu.Unlock()
	if host != nil {
		host.Close()
	}
	return nil
}

func (f *fakeMachines) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, host := range f.hosts {
		host.Close()
	}
}
