package comparison

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"havre/infra/bench/bootstrap"
	"havre/infra/bench/project"
	"havre/infra/platform"
	"havre/infra/sandbox/base"
	"havre/infra/sandbox/daemon"
	"havre/infra/sandbox/host"
	"havre/infra/sandbox/network"
	"havre/stacks"
)

type node = stacks.PlannedNode

// firstAddress is that of the first host; far from where the simulator begins.
var firstAddress = netip.MustParseAddr("198.51.100.201")

// machines are the sandbox's hosts without the sandbox: the same base, containers and networks, and neither simulators nor a cluster. Where the sandbox of this
// checkout is up, they stand beside its hosts, in its networks.
type machines struct {
	manager *host.Manager
	// deliver installs one, or installs it anew.
	deliver func(context.Context, host.Spec) (host.Record, error)
	beside  bool
	// folder keeps keys and projects.
	folder string
	// private is the administrator's key, public its line of authorized_keys.
	private, public string
	mirror          string
	binary          platform.Artifact
	server          *http.Server
	services        map[string]bool
}

// open makes the networks, and serves wireguard-go in them.
func open(ctx context.Context, o Options, folder, wireGuardGo string) (m *machines, err error) {
	status, err := daemon.ReadStatus(o.Workspace.Root)
	if err != nil {
		return nil, err
	}
	m = &machines{folder: folder, services: map[string]bool{}}
	if m.private, m.public, err = project.Key(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	binary, err := os.ReadFile(wireGuardGo)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(binary)
	m.binary = platform.Artifact{Path: "/wireguard-go", SHA256: hex.EncodeToString(sum[:])}
	switch {
	case status.Ready:
		m.beside = true
		m.manager, err = daemon.Manager(o.Workspace.Root)
	case status.Owner == daemon.Folder(o.Workspace.Root) && (status.Daemon.PID != 0 || len(status.Hosts) > 0):
		err = errors.New("a sandbox comes up here, or one that ended has left hosts; run make up or make down, then make bench again")
	default:
		err = m.setUp(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	m.deliver = m.manager.Install
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", netip.AddrPortFrom(network.Gateway, 0).String())
	if err != nil {
		return nil, errors.Join(err, m.close(context.WithoutCancel(ctx)))
	}
	m.mirror = "http://" + listener.Addr().String()
	m.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != m.binary.Path {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(binary) // a host that went away asks again
	})}
	go func() { _ = m.server.Serve(listener) }() // until close
	return m, nil
}

// setUp makes the networks of a sandbox that is down. They are this checkout's, so that make down takes away what a killed bench leaves.
func (m *machines) setUp(ctx context.Context, o Options) error {
	if err := daemon.Preflight(ctx, daemon.Options{Root: o.Workspace.Root, Cache: o.Workspace.Cache, Progress: o.Progress}); err != nil {
		return err
	}
	tree, err := base.Builder{Cache: o.Workspace.Cache, Progress: o.Progress}.Make(ctx)
	if err != nil {
		return err
	}
	m.manager = &host.Manager{Folder: daemon.Folder(o.Workspace.Root), Tree: tree}
	if err := os.MkdirAll(m.manager.Folder, 0o755); err != nil {
		return err
	}
	if err := m.manager.SetUp(ctx); err != nil {
		return errors.Join(err, m.manager.TearDown(context.WithoutCancel(ctx)))
	}
	return nil
}

// close takes the hosts away, and the networks where they are not the sandbox's.
func (m *machines) close(ctx context.Context) error {
	if m.server != nil {
		_ = m.server.Close()
	}
	if !m.beside {
		return m.manager.TearDown(ctx)
	}
	var errs []error
	for service := range m.services {
		errs = append(errs, m.manager.Remove(ctx, service))
	}
	return errors.Join(errs...)
}

// install delivers a host for each node, all at once; those of earlier runs go.
func (m *machines) install(ctx context.Context, nodes []node) (bootstrap.Fleet, error) {
	fleet := bootstrap.Fleet{Hosts: make([]bootstrap.Host, len(nodes)), Mirror: m.mirror, WireGuardGo: m.binary}
	errs := make([]error, len(nodes))
	var group sync.WaitGroup
	address := firstAddress
	for i, n := range nodes {
		spec := host.Spec{Service: n.Name + ".bench.example", AuthorizedKeys: []string{m.public}, Port: network.Port{
			Address: address, Private: n.Vrack, PublicMAC: network.MAC(n.Name+".bench.example", false), PrivateMAC: network.MAC(n.Name+".bench.example", true),
		}}
		m.services[spec.Service] = true
		address = address.Next()
		group.Go(func() {
			var record host.Record
			record, errs[i] = m.deliver(ctx, spec)
			fleet.Hosts[i] = bootstrap.Host{Name: n.Name, Address: spec.Port.Address, HostKey: record.HostKey, PrivateMAC: spec.Port.PrivateMAC}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return fleet, err
	}
	return fleet, m.writeKeys(fleet)
}

// writeKeys writes the administrator's key and the hosts', for OpenSSH.
func (m *machines) writeKeys(fleet bootstrap.Fleet) error {
	var known strings.Builder
	for _, at := range fleet.Hosts {
		fmt.Fprintf(&known, "%s %s\n", at.Address, at.HostKey)
	}
	return errors.Join(os.WriteFile(m.keyFile(), []byte(m.private), 0o600), os.WriteFile(m.knownHosts(), []byte(known.String()), 0o644))
}

func (m *machines) keyFile() string    { return filepath.Join(m.folder, "id_ed25519") }
func (m *machines) knownHosts() string { return filepath.Join(m.folder, "known_hosts") }
