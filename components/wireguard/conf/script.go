package conf

import (
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"havre/components/host/script"
)

//go:embed mesh.sh
var program string

const (
	programPath = "/usr/local/lib/havre/mesh"
	dropInPath  = "/etc/systemd/system/wg-quick@wg0.service.d/havre.conf"

	// Interface is the name of the mesh interface on every host.
	Interface = "wg0"
)

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

// Reload goes through the program as well, because wg-quick's own would clear the key. With KillMode=control-group and cgroup v1, systemd would wait 90 s for a
// userspace WireGuard that has already ended with its interface.
const dropIn = `[Unit]
After=havre-private-network.service

[Service]
KillMode=process
TimeoutStopSec=15
ExecReload=
ExecReload=` + programPath + ` sync
`

// Program is the text of the host's own program for the mesh, as installed: less its comments.
func Program() string {
	var b strings.Builder
	for i, line := range strings.SplitAfter(program, "\n") {
		if i > 1 && (strings.HasPrefix(line, "# ") || line == "\n") {
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

// KeyScript makes the host's key where there is none, installs the program that later configurations are handed to, and prints the public key and nothing else.
// userspace is nil where every kernel has WireGuard.
//
// There is no script to delete a key: a replacement runs its delete after the new create, and would take the key from under a running interface; the key of a
// host that has left opens nothing, because no peer knows it any more.
func KeyScript(userspace *Userspace) string {
	var s strings.Builder
	s.WriteString("exec 3>&1 >&2\n")
	s.WriteString(script.File(programPath, "0755", Program()))
	s.WriteString("HAVRE_CHANGED=no\n" + script.File(dropInPath, "0644", dropIn))
	s.WriteString("[[ $HAVRE_CHANGED == no ]] || systemctl daemon-reload\n")
	if userspace != nil {
		s.WriteString("if ip link add havre-probe type wireguard 2>/dev/null; then\n  ip link delete havre-probe\nelse\n  havre_fetch " +
			script.Words(userspace.URL, userspace.SHA256) + " /usr/local/bin/wireguard-go 0755\nfi\n")
	}
	s.WriteString("key=" + PrivateKeyPath + `
umask 077
mkdir -p "${key%/*}"
chmod 0700 "${key%/*}"
if [[ ! -s $key ]]; then
  wg genkey >"$key.new"
  mv -f "$key.new" "$key"
fi
chmod 0600 "$key"
wg pubkey <"$key" >&3
`)
	return s.String()
}

// ApplyScript brings the interface of a host up with its configuration, or changes it in place.
func ApplyScript(c Config) string {
	return programPath + " apply <<'EOF'\n" + c.Compact() + "EOF\n"
}

// DeleteScript takes the interface down.
func DeleteScript() string {
	return "if [[ -x " + programPath + " ]]; then " + programPath + " delete; fi\n"
}
