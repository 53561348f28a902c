package conf

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"havre/components/host/script"
)

// Interface is the name of the mesh interface on every host.
const Interface = "wg0"

// Files are those of the library that every script here uses.
var Files = []string{"mesh.sh"}

// Userspace is the WireGuard of a host whose kernel has none, such as the sandbox's: a static binary wireguard-go.
type Userspace struct {
	// URL of the binary, http or https.
	URL string
	// SHA256 of the binary, 64 hexadecimal digits in lower case.
	SHA256 string
}

// Validate reports everything that is wrong, joined.
func (u Userspace) Validate() error {
	var errs []error
	if at, err := url.Parse(u.URL); err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		errs = append(errs, fmt.Errorf("userspace WireGuard: URL %q is not http or https; give the artifact mirror's", u.URL))
	}
	if raw, err := hex.DecodeString(u.SHA256); err != nil || len(raw) != 32 || strings.ToLower(u.SHA256) != u.SHA256 {
		errs = append(errs, fmt.Errorf("userspace WireGuard: checksum %q is not a SHA-256 of 64 lower-case hexadecimal digits", u.SHA256))
	}
	return errors.Join(errs...)
}

// KeyScript makes the host's keys of those generations where there are none, and prints their public keys, a line each, and nothing else. userspace is nil where
// every kernel has WireGuard.
//
// There is no script to delete a key; see mesh_set and mesh_delete.
func KeyScript(generations []int, userspace *Userspace) string {
	words := make([]string, len(generations))
	for i, g := range generations {
		words[i] = strconv.Itoa(g)
	}
	words = []string{strings.Join(words, ",")}
	if userspace != nil {
		words = append(words, userspace.URL, userspace.SHA256)
	}
	return "mesh_key " + script.Words(words...) + "\n"
}

// Scripts are the scripts that bring the interfaces of the hosts of those names up, or change them in place; in the order of the names. The mesh is valid. An
// unknown name is an error.
func (m Mesh) Scripts(names []string) ([]string, error) {
	hosts := m.sorted()
	lines := make(map[string]string, len(hosts))
	generations := make(map[string]int, len(hosts))
	serves := make(map[string]bool, len(hosts))
	var roster, rendezvous strings.Builder
	for _, h := range hosts {
		line := h.line()
		roster.WriteString(line)
		lines[h.Name] = line
		generations[h.Name] = max(1, h.Generation)
		if h.Rendezvous {
			serves[h.Name] = true
			rendezvous.WriteString(line)
		}
	}
	pods := "-"
	if m.Pods.IsValid() {
		pods = m.Pods.String()
	}
	sum := sha256.Sum256([]byte(roster.String()))
	texts := make([]string, len(names))
	for i, name := range names {
		line, found := lines[name]
		if !found {
			return nil, fmt.Errorf("mesh: no host %s among its %d", name, len(hosts))
		}
		self := script.Words(name, m.Network.String(), strconv.Itoa(int(m.port())), strconv.Itoa(m.mtu()), pods, strconv.Itoa(m.podsMTU()), strconv.Itoa(generations[name]))
		switch {
		case len(serves) == 0:
			texts[i] = "mesh_apply " + self + " <<'EOF'\n" + roster.String() + "EOF\n"
		case serves[name]:
			texts[i] = "mesh_serve " + self + " <<'EOF'\n" + roster.String() + "EOF\n"
		default:
			texts[i] = "mesh_join " + self + " " + hex.EncodeToString(sum[:]) + " <<'EOF'\n" + line + rendezvous.String() + "EOF\n"
		}
	}
	return texts, nil
}

// DeleteScript takes the interface down.
func DeleteScript() string { return "mesh_delete\n" }
