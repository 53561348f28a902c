package daemon

import (
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

// cloudflareEndpoint is the Cloudflare simulator over TLS. It writes the certificates to trust, the machine's own and the simulator's, for
// SSL_CERT_FILE: what trusted the ones must go on trusting the others. The second result is what a resolver would say of its zones.
func cloudflareEndpoint(folder string) (endpoint, func(name string) []netip.Addr, error) {
	simulator, err := cloudflaresim.New(cloudflaresim.Options{Dir: filepath.Join(folder, cfFolder), Token: workspace.CloudflareToken})
	if err != nil {
		return endpoint{}, nil, err
	}
	bundle, err := os.ReadFile(systemBundle)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return endpoint{}, nil, fmt.Errorf("certificates: %w", err)
	}
	if err := os.WriteFile(filepath.Join(folder, bundleFile), append(bundle, simulator.CAPEM()...), 0o644); err != nil {
		return endpoint{}, nil, fmt.Errorf("certificates: %w", err)
	}
	config := simulator.TLSConfig()
	return endpoint{
		name: "Cloudflare simulator", address: cloudflareAddress, handler: simulator.Handler(),
		tls: func(listener net.Listener) net.Listener { return tls.NewListener(listener, config) },
	}, func(name string) []netip.Addr { return addresses(simulator.Records(), name) }, nil
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
