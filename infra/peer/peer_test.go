package peer_test

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"havre/infra/peer"
	"havre/stacks"
)

func key(n byte) string {
	raw := make([]byte, 32)
	raw[0], raw[31] = n, n
	return base64.StdEncoding.EncodeToString(raw)
}

// plan is stack local with two operators.
func plan(t *testing.T) stacks.Plan {
	t.Helper()
	stack, err := stacks.Local()
	if err != nil {
		t.Fatal(err)
	}
	stack.Mesh.Operators = []stacks.Operator{{Name: "runner", Index: 9, PublicKey: key(201)}, {Name: "ada-laptop", Index: 1, PublicKey: key(200)}}
	p, err := stack.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// export is what pulumi prints of a stack whose first hosts are installed.
func export(p stacks.Plan, installed int) []byte {
	var resources []string
	for i, n := range p.Nodes[:installed] {
		urn := "urn:pulumi:local::havre::havre:wireguard:Mesh$command:remote:Command::" + n.Name
		resources = append(resources,
			fmt.Sprintf(`{"urn": %q, "outputs": {"stdout": %q}}`, urn+"-wireguard-key", key(byte(i+1))+"\n"),
			fmt.Sprintf(`{"urn": %q, "outputs": {"address": "198.51.100.%d", "hostKey": "ssh-ed25519 AAAA"}}`, urn+"-installation", 11+i),
			fmt.Sprintf(`{"urn": %q, "outputs": {"stdout": "something else"}}`, urn+"-base"))
	}
	return []byte(`{"version": 3, "deployment": {"resources": [` + strings.Join(resources, ",") + `]}}`)
}

func TestFile(t *testing.T) {
	p := plan(t)
	hosts, err := peer.Read(export(p, len(p.Nodes)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := peer.File(p, hosts, "ada-laptop", "/home/ada/key")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text, "[Interface]\nAddress = 10.80.1.1/32\nMTU = 1420\nPostUp = wg set %i private-key /home/ada/key\n") {
		t.Errorf("the file begins otherwise:\n%s", text)
	}
	for i, n := range p.Nodes {
		want := fmt.Sprintf("# %s\n[Peer]\nPublicKey = %s\nEndpoint = 198.51.100.%d:51820\nAllowedIPs = %s/32\n", n.Name, key(byte(i+1)), 11+i, n.Mesh)
		if !strings.Contains(text, want) {
			t.Errorf("the file lacks\n%s", want)
		}
	}
	if got := strings.Count(text, "[Peer]"); got != len(p.Nodes) {
		t.Errorf("%d peers, want the %d hosts", got, len(p.Nodes))
	}
}

func TestFileIsRefused(t *testing.T) {
	p := plan(t)
	late, err := peer.Read(export(p, len(p.Nodes)-1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = peer.File(p, late, "bob-laptop", "/k")
	want := "stack local: host " + p.Nodes[len(p.Nodes)-1].Name + " has no key or no address yet; run pulumi up first\n" +
		`stack local: no operator "bob-laptop"; wanted one of Mesh.Operators (ada-laptop, runner): add a line there and run pulumi up`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwanted %s", err, want)
	}
	if _, err := peer.Read([]byte("error: no stack")); err == nil || !strings.HasPrefix(err.Error(), "pulumi stack export: ") {
		t.Errorf("what is no export is read: %v", err)
	}
	// Two machines with one key would take each other's packets; a state cannot say so by itself.
	all, err := peer.Read(export(p, len(p.Nodes)))
	if err != nil {
		t.Fatal(err)
	}
	all.Keys["gra-worker-1"], all.Addresses["gra-worker-1"] = key(1), netip.MustParseAddr("198.51.100.77")
	if _, err := peer.File(p, all, "ada-laptop", "/k"); err == nil || !strings.Contains(err.Error(), "have the same key") {
		t.Errorf("two hosts of one key are taken: %v", err)
	}
}
