package conf_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"havre/components/host/script/scripttest"
	"havre/components/wireguard/conf"
)

func TestOperatorFile(t *testing.T) {
	m := mesh(4)
	m.Hosts = append(m.Hosts,
		conf.Host{Name: "ada-laptop", Mesh: netip.MustParseAddr("10.80.1.1"), PublicKey: key(900)},
		conf.Host{Name: "runner", Mesh: netip.MustParseAddr("10.80.1.2"), PublicKey: key(901)})
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	text, err := m.OperatorFile("ada-laptop", "/etc/wireguard/havre.key")
	if err != nil {
		t.Fatal(err)
	}
	scripttest.Golden(t, "testdata/operator.conf", text, *update)
	// Nobody can call another operator, and the order of the description says nothing.
	if strings.Contains(text, "runner") {
		t.Error("an operator is a peer of another")
	}
	slices.Reverse(m.Hosts)
	if again, err := m.OperatorFile("ada-laptop", "/etc/wireguard/havre.key"); err != nil || again != text {
		t.Errorf("in another order the file is\n%s (%v)", again, err)
	}
	if _, err := m.OperatorFile("bob-laptop", "/k"); err == nil || err.Error() != "mesh: no peer bob-laptop among its 6" {
		t.Errorf("an unknown name: %v", err)
	}
}
