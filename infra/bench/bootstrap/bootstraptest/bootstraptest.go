// Package bootstraptest makes fleets for tests. The one thing a reader would get wrong: there are no such hosts.
package bootstraptest

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"havre/infra/bench/bootstrap"
	"havre/infra/platform"
)

// Fleet is the plan's hosts, with addresses and keys of no machine.
func Fleet(t testing.TB, added bool) bootstrap.Fleet {
	t.Helper()
	plan, err := bootstrap.Plan(added)
	if err != nil {
		t.Fatal(err)
	}
	f := bootstrap.Fleet{
		Added: added, Mirror: "http://198.51.100.1:8000", WireGuardGo: platform.Artifact{Path: "/wireguard-go", SHA256: strings.Repeat("ab", 32)},
	}
	for _, node := range plan.Nodes {
		i := node.Index
		f.Hosts = append(f.Hosts, bootstrap.Host{
			Name: node.Name, Address: netip.AddrFrom4([4]byte{198, 51, 100, byte(200 + i)}), HostKey: "ssh-ed25519 AAAA", PrivateMAC: fmt.Sprintf("02:68:01:00:00:%02x", i),
		})
	}
	return f
}
