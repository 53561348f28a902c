package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"havre/infra/sandbox/cloudflaresim"
	"havre/infra/workspace"
)

// systemBundle is where Debian keeps the certificates that a machine trusts.
const systemBundle = "/etc/ssl/certs/ca-certificates.crt"

// cloudflare is the Cloudflare simulator as the daemon runs it.
type cloudflare struct {
	// endpoints are its API over TLS and its control.
	endpoints []endpoint
	// resolves gives what a resolver would say of its zones, watch has its monitors look at the hosts until the context ends.
	resolves func(name string) []netip.Addr
	watch    func(context.Context)
}

// newCloudflare starts the simulator. It writes the certificates to trust, the machine's own and the simulator's, for SSL_CERT_FILE: what trusted the ones must go on
// trusting the others.
func newCloudflare(folder string) (cloudflare, error) {
	simulator, err := cloudflaresim.New(cloudflaresim.Options{Dir: filepath.Join(folder, cfFolder), Token: workspace.CloudflareToken})
	if err != nil {
		return cloudflare{}, err
	}
	bundle, err := os.ReadFile(systemBundle)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cloudflare{}, fmt.Errorf("certificates: %w", err)
	}
	if err := os.WriteFile(filepath.Join(folder, bundleFile), append(bundle, simulator.CAPEM()...), 0o644); err != nil {
		return cloudflare{}, fmt.Errorf("certificates: %w", err)
	}
	config := simulator.TLSConfig()
	return cloudflare{
		endpoints: []endpoint{
			{
				name: "Cloudflare simulator", address: cloudflareAddress, handler: simulator.Handler(),
				tls: func(listener net.Listener) net.Listener { return tls.NewListener(listener, config) },
			},
			{name: "Cloudflare simulator's control", address: cloudflareControlAddress, handler: simulator.ControlHandler()},
		},
		resolves: func(name string) []netip.Addr { return addresses(simulator.Records(), name) },
		watch:    simulator.WatchOrigins,
	}, nil
}

// addresses are those of a name's A records that no front door hides.
func addresses(records []cloudflaresim.Record, name string) []netip.Addr {
	var found []netip.Addr
	for _, r := range records {
		if a, err := netip.ParseAddr(r.Content); err == nil && r.Type == "A" && !r.Proxied && r.Name == name {
			found = append(found, a)
		}
	}
	return found
}
