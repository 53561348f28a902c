package conf

import (
	"fmt"
	"strings"
	"time"
)

// operatorKeepalive keeps the way open that a router at the operator's home made for the tunnel; most forget one after 30 seconds without a packet.
const operatorKeepalive = 25 * time.Second

// OperatorFile is the file that wg-quick reads on an operator's machine, the host of that name: every host with a public address is a peer, reached at its mesh
// address. Pods are not: who needs one goes through the API server. The private key is read from keyPath there, and is never in the text. The mesh is valid.
func (m Mesh) OperatorFile(name, keyPath string) (string, error) {
	var b strings.Builder
	found := false
	for _, h := range m.Hosts {
		if h.Name == name {
			found = true
			fmt.Fprintf(&b, "[Interface]\nAddress = %s/32\nMTU = %d\nPostUp = wg set %%i private-key %s\n", h.Mesh, m.mtu(), keyPath)
		}
	}
	if !found {
		return "", fmt.Errorf("mesh: no peer %s among its %d", name, len(m.Hosts))
	}
	for _, h := range m.sorted() {
		if h.Name == name || !h.Public.IsValid() {
			continue
		}
		fmt.Fprintf(&b, "\n# %s\n[Peer]\nPublicKey = %s\nEndpoint = %s:%d\nAllowedIPs = %s/32\nPersistentKeepalive = %d\n",
			h.Name, h.PublicKey, h.Public, m.port(), h.Mesh, int(operatorKeepalive.Seconds()))
	}
	return b.String(), nil
}
