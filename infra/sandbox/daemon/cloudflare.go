package daemon

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"havre/infra/sandbox/cloudflaresim"
	"havre/infra/workspace"
)

// systemBundle is where Debian keeps the certificates that a machine trusts.
const systemBundle = "/etc/ssl/certs/ca-certificates.crt"

// cloudflareEndpoint is the Cloudflare simulator over TLS. It writes the certificates to trust, the machine's own and the simulator's, for
// SSL_CERT_FILE: what trusted the ones must go on trusting the others.
func cloudflareEndpoint(folder string) (endpoint, error) {
	simulator, err := cloudflaresim.New(cloudflaresim.Options{Dir: filepath.Join(folder, cfFolder), Token: workspace.CloudflareToken})
	if err != nil {
		return endpoint{}, err
	}
	bundle, err := os.ReadFile(systemBundle)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return endpoint{}, fmt.Errorf("certificates: %w", err)
	}
	if err := os.WriteFile(filepath.Join(folder, bundleFile), append(bundle, simulator.CAPEM()...), 0o644); err != nil {
		return endpoint{}, fmt.Errorf("certificates: %w", err)
	}
	config := simulator.TLSConfig()
	return endpoint{
		name: "Cloudflare simulator", address: cloudflareAddress, handler: simulator.Handler(),
		tls: func(listener net.Listener) net.Listener { return tls.NewListener(listener, config) },
	}, nil
}
