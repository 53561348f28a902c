// Package project makes a Pulumi project of one stack that stands on its own: a backend, simulators in this process and settings, so that the real engine can run a
// program on it again and again. The one thing a reader would get wrong: its hosts are fakes on loopback (package fakehost), or nobody at all. It is for the bench,
// for recording previews and for what is said of an account, never for showing that a script works.
package project

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
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"havre/infra/bench/fakehost"
	"havre/infra/sandbox/bringup"
	"havre/infra/sandbox/cloudflaresim"
	"havre/infra/sandbox/ovhsim"
	"havre/infra/workspace"
)

// firstAddress is where fake hosts begin. All of 127.0.0.0/8 is this machine's own, so nothing has to be set up, and nothing is reachable from elsewhere.
var firstAddress = netip.MustParseAddr("127.64.0.11")

// Options say what the project is for.
type Options struct {
	// Stack is the stack's name, Program the binary that Pulumi runs.
	Stack, Program string
	// BudgetEuros is the stack's budget.
	BudgetEuros int
	// Machines are what the simulator installs; nobody when nil, which is enough for previews of a new account.
	Machines *fakehost.Machines
	// FirstAddress is the first host's address; in 127.0.0.0/8. The default is where the bench's hosts begin.
	FirstAddress netip.Addr
	// Databases is what runs behind managed databases; nothing when nil.
	Databases ovhsim.Databases
	// Clock is the account's; this machine's when nil.
	Clock func() time.Time
}

// Project is a Pulumi project of one stack with a backend, simulators and settings of its own.
type Project struct {
	// Folder holds everything; StateFile is the stack's state in it, Settings the file that a sandbox would write.
	Folder, StateFile, Settings string
	// Env is laid over the environment of each run.
	Env map[string]string
	// OVH and Cloudflare are the simulators, for whoever looks into an account or changes it behind the program's back.
	OVH        *ovhsim.Simulator
	Cloudflare *cloudflaresim.Simulator

	stack  string
	pulumi bringup.Pulumi
	stop   []func()
}

// New makes one in a folder, which is emptied.
func New(ctx context.Context, ws workspace.Workspace, folder string, options Options) (*Project, error) {
	if err := os.RemoveAll(folder); err != nil {
		return nil, fmt.Errorf("project: %w", err)
	}
	state := filepath.Join(folder, "state", ".pulumi")
	p := &Project{
		Folder: folder, StateFile: filepath.Join(state, "stacks", "havre", options.Stack+".json"), Settings: filepath.Join(folder, "settings.json"), stack: options.Stack,
	}
	if err := os.MkdirAll(filepath.Dir(p.StateFile), 0o700); err != nil {
		return nil, fmt.Errorf("project: %w", err)
	}
	simulators, err := p.simulate(ctx, options)
	if err != nil {
		p.Close()
		return nil, err
	}
	p.Env = ws.PreviewEnv(simulators)
	p.Env["PULUMI_BACKEND_URL"] = "file://" + filepath.Join(folder, "state")
	// An update writes the state once, at its end. Writing it at every step is the file backend's share of an update and grows with the square of its size.
	p.Env["PULUMI_EXPERIMENTAL"], p.Env["PULUMI_SKIP_CHECKPOINTS"] = "true", "true"
	// Only with this does pulumi know --event-log.
	p.Env["PULUMI_DEBUG_COMMANDS"] = "true"
	p.pulumi = bringup.Pulumi{Workspace: ws, Env: p.Env}
	// The program finds what it copies to hosts from the folder it runs in, as in a checkout.
	beside := filepath.Join(filepath.Dir(folder), "components")
	if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.Close()
		return nil, fmt.Errorf("project: %w", err)
	}
	if err := os.Symlink(ws.Path("components"), beside); err != nil {
		p.Close()
		return nil, fmt.Errorf("project: %w", err)
	}
	settings, err := Settings()
	if err != nil {
		p.Close()
		return nil, err
	}
	for path, text := range map[string]string{
		filepath.Join(folder, "Pulumi.yaml"):                   fmt.Sprintf("name: havre\nruntime:\n  name: go\n  options:\n    binary: %s\n", options.Program),
		filepath.Join(folder, "Pulumi."+options.Stack+".yaml"): fmt.Sprintf("config:\n  havre:account: %s\n  havre:budgetEuros: %d\n", ovhsim.Account, options.BudgetEuros),
		p.Settings:                        settings,
		filepath.Join(state, "meta.yaml"): "version: 1\n",
		p.StateFile:                       fmt.Sprintf(`{"version":3,"checkpoint":{"stack":"organization/havre/%s","latest":null}}`, options.Stack),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			p.Close()
			return nil, fmt.Errorf("project: %w", err)
		}
	}
	return p, nil
}

// Run runs pulumi on the project's stack. Its output is shown only with an error.
func (p *Project) Run(ctx context.Context, args ...string) error {
	var last []string
	quiet := p.pulumi
	quiet.Report = func(line string) {
		if len(last) == 120 {
			last = last[1:]
		}
		last = append(last, line)
	}
	if err := quiet.Run(ctx, append([]string{"-C", p.Folder, "--stack", p.stack}, args...)...); err != nil {
		return fmt.Errorf("%w\n%s", err, strings.Join(last, "\n"))
	}
	return nil
}

// Output runs pulumi and gives what it prints on standard output, also when it fails.
func (p *Project) Output(ctx context.Context, args ...string) ([]byte, error) {
	return p.pulumi.Output(ctx, append([]string{"-C", p.Folder, "--stack", p.stack}, args...)...)
}

// Host is a fake host of the project, on a free port.
func (p *Project) Host(ctx context.Context) (address, hostKey string, err error) {
	text, err := os.ReadFile(p.Settings)
	if err != nil {
		return "", "", fmt.Errorf("project: %w", err)
	}
	var keys struct{ SSHPublicKey string }
	if err := json.Unmarshal(text, &keys); err != nil {
		return "", "", fmt.Errorf("project: settings: %w", err)
	}
	host, err := fakehost.Start(ctx, "kind", "127.0.0.1:0", []string{keys.SSHPublicKey}, nil)
	if err != nil {
		return "", "", err
	}
	p.stop = append(p.stop, host.Close)
	return host.Address(), host.HostKey(), nil
}

var budgetLine = regexp.MustCompile(`(?m)^( *havre:budgetEuros:).*$`)

// Configure sets the stack's budget. The rest of its configuration stays, what Pulumi has added to it too.
func (p *Project) Configure(budgetEuros int) error {
	path := filepath.Join(p.Folder, "Pulumi."+p.stack+".yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("project: %w", err)
	}
	if err := os.WriteFile(path, budgetLine.ReplaceAll(text, fmt.Appendf(nil, "${1} %d", budgetEuros)), 0o600); err != nil {
		return fmt.Errorf("project: %w", err)
	}
	return nil
}

// Close stops simulators and hosts.
func (p *Project) Close() {
	for _, stop := range p.stop {
		stop()
	}
}

// simulate runs the simulators in this process, on free ports of loopback and without delays.
func (p *Project) simulate(ctx context.Context, options Options) (workspace.Simulators, error) {
	none := workspace.Simulators{}
	machines := ovhsim.Machines(ovhsim.NoMachines{})
	if options.Machines != nil {
		machines, p.stop = options.Machines, append(p.stop, options.Machines.Close)
	}
	first := options.FirstAddress
	if !first.IsValid() {
		first = firstAddress
	}
	ovh, err := ovhsim.New(ovhsim.Options{Machines: machines, Databases: options.Databases, FirstAddress: first, Clock: options.Clock})
	if err != nil {
		return none, err
	}
	p.stop = append(p.stop, func() { _ = ovh.Close() })
	cloudflare, err := cloudflaresim.New(cloudflaresim.Options{Dir: filepath.Join(p.Folder, "cloudflare"), Token: workspace.CloudflareToken})
	if err != nil {
		return none, err
	}
	listen := func() (net.Listener, error) { return new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0") }
	plain, plainErr := listen()
	secure, secureErr := listen()
	if err := errors.Join(plainErr, secureErr); err != nil {
		return none, fmt.Errorf("project: %w", err)
	}
	p.OVH, p.Cloudflare = ovh, cloudflare
	ovhServer := &http.Server{Handler: ovh.Handler(), ReadHeaderTimeout: 10 * time.Second}
	cloudflareServer := &http.Server{Handler: cloudflare.Handler(), ReadHeaderTimeout: 10 * time.Second, TLSConfig: cloudflare.TLSConfig()}
	go func() { _ = ovhServer.Serve(plain) }()
	go func() { _ = cloudflareServer.ServeTLS(secure, "", "") }()
	p.stop = append([]func(){func() { _ = ovhServer.Close() }, func() { _ = cloudflareServer.Close() }}, p.stop...)
	if err := bringup.WriteBundle(filepath.Join(p.Folder, "ca-bundle.pem"), cloudflare.CAPEM()); err != nil {
		return none, err
	}
	return workspace.Simulators{OVH: "http://" + plain.Addr().String() + "/1.0", Cloudflare: secure.Addr().String(), Folder: p.Folder}, nil
}

// Key makes an administrator's key: the private file and its line of authorized_keys.
func Key() (private, public string, err error) {
	half, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("project: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(key, "operators")
	if err != nil {
		return "", "", fmt.Errorf("project: %w", err)
	}
	line, err := ssh.NewPublicKey(half)
	if err != nil {
		return "", "", fmt.Errorf("project: %w", err)
	}
	return string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(line))), nil
}

// Settings is what a stack's configuration would hold, in the form in which a sandbox hands it over. The key opens fake hosts only.
func Settings() (string, error) {
	private, public, err := Key()
	if err != nil {
		return "", err
	}
	digest := strings.Repeat("ab", 32)
	artifacts, images := map[string]any{}, map[string]string{}
	for _, name := range []string{"kubeadm", "kubelet", "kubectl", "etcdctl", "etcdutl", "wireguard-go"} {
		artifacts[name] = map[string]string{"path": "/sha256/" + digest + "/" + name, "sha256": digest}
	}
	for _, name := range []string{"renderer", "caddy", "domains", "coredns", "metrics-server", "cilium", "cilium-operator", "kube-proxy", "pause"} {
		images[name] = "198.51.100.1:5000/" + name + "@sha256:" + digest
	}
	text, err := json.Marshal(map[string]any{
		"sshPrivateKey": private, "sshPublicKey": public,
		"edgeStorageAccessKey": "bench", "edgeStorageSecretKey": "bench",
		"backupAccessKey": "bench", "backupSecretKey": "bench", "backupPassword": "bench-bench-bench-bench",
		"artifactMirror": "http://198.51.100.1:8080", "artifacts": artifacts, "imageRegistry": "198.51.100.1:5000", "images": images,
	})
	if err != nil {
		return "", fmt.Errorf("project: %w", err)
	}
	return string(text), nil
}
