// Package bootstrap is what every host gets before Kubernetes, and nothing else: the base set-up and the mesh of stack local, on hosts that are there already, so
// that it can be held against another tool on the same hosts. The one thing a reader would get wrong: nothing is described here. Plan is the stack's own, and
// Deploy hands it to the platform's own components as the platform does; only servers and installations are left out, which no other tool would make either.
package bootstrap

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host"
	"havre/components/host/script"
	"havre/components/wireguard"
	"havre/infra/platform"
	"havre/stacks"
)

// Added is the node of production that is added to stack local's own.
const Added = "gra-worker-2"

// PrivateNetwork is the range on the private network, beside the sandbox's own.
var PrivateNetwork = netip.MustParsePrefix("10.91.0.0/16")

// Plan is stack local, but for its private network; with added, that node is in it too.
func Plan(added bool) (stacks.Plan, error) {
	stack, err := stacks.Local()
	if err != nil {
		return stacks.Plan{}, fmt.Errorf("bootstrap: %w", err)
	}
	// Hosts of a sandbox that is up have the addresses of its own range.
	stack.PrivateNetwork.CIDR = PrivateNetwork
	if added {
		for _, node := range stacks.Production().Nodes {
			if node.Name == Added {
				stack.Nodes = append(stack.Nodes, node)
			}
		}
	}
	plan, err := stack.Plan()
	if err != nil {
		return stacks.Plan{}, fmt.Errorf("bootstrap: %w", err)
	}
	return plan, nil
}

// Host is a host as it was delivered: installed, and with nothing done on it.
type Host struct {
	// Name is the node's.
	Name string `json:"name"`
	// Address is public; HostKey is its sshd's, a line of known_hosts without the name.
	Address netip.Addr `json:"address"`
	HostKey string     `json:"hostKey"`
	// PrivateMAC is of the interface on the private network.
	PrivateMAC string `json:"privateMac"`
}

// Fleet is what the program is told.
type Fleet struct {
	// Added says that the plan's own hosts have one more beside them.
	Added bool   `json:"added"`
	Hosts []Host `json:"hosts"`
	// Mirror serves wireguard-go, for hosts whose kernel has no WireGuard.
	Mirror      string            `json:"mirror"`
	WireGuardGo platform.Artifact `json:"wireguardGo"`
	// Again makes the program run every command on every host once more when it is another number than before.
	Again int `json:"again"`
}

// Base is the base set-up of a node on its host.
func Base(plan stacks.Plan, node stacks.PlannedNode, at Host) (script.Base, error) {
	base := platform.Base(plan.Stack, node)
	if base.Private != nil {
		mac, err := net.ParseMAC(at.PrivateMAC)
		if err != nil {
			return script.Base{}, fmt.Errorf("bootstrap: host %s: %w", at.Name, err)
		}
		base.Private.MAC = mac
	}
	return base, nil
}

// Mesh is the mesh of a plan without its hosts.
func (f Fleet) Mesh(plan stacks.Plan) wireguard.Args {
	return platform.Mesh(plan, platform.Settings{ArtifactMirror: f.Mirror, Artifacts: map[string]platform.Artifact{"wireguard-go": f.WireGuardGo}})
}

// Host is that of a node; the error says that there is none.
func (f Fleet) Host(node string) (Host, error) {
	for _, at := range f.Hosts {
		if at.Name == node {
			return at, nil
		}
	}
	return Host{}, fmt.Errorf("bootstrap: node %s has no host among %d; run make bench", node, len(f.Hosts))
}

// FleetVariable names the file with the fleet as JSON.
const FleetVariable = "HAVRE_BENCH_FLEET"

// Load reads the file that FleetVariable names.
func Load() (Fleet, error) {
	var fleet Fleet
	text, err := os.ReadFile(os.Getenv(FleetVariable))
	if err == nil {
		err = json.Unmarshal(text, &fleet)
	}
	if err != nil {
		return Fleet{}, fmt.Errorf("%s: %w; run make bench", FleetVariable, err)
	}
	return fleet, nil
}

// Deploy sets all hosts up and joins them in the mesh. privateKey opens them.
func Deploy(ctx *pulumi.Context, fleet Fleet, privateKey string) error {
	plan, err := Plan(fleet.Added)
	if err != nil {
		return err
	}
	// A blank line more after the key is another connection, and so every command of the host is run again.
	key := pulumi.ToSecret(pulumi.String(host.PrivateKey(privateKey) + strings.Repeat("\n", fleet.Again))).(pulumi.StringOutput)
	mesh := fleet.Mesh(plan)
	for _, node := range plan.Nodes {
		at, err := fleet.Host(node.Name)
		if err != nil {
			return err
		}
		base, err := Base(plan, node, at)
		if err != nil {
			return err
		}
		connection := host.Connection{Address: pulumi.String(at.Address.String()), PrivateKey: key, HostKey: pulumi.String(at.HostKey)}.Shared()
		made, err := host.New(ctx, node.Name, host.Args{Connection: connection, Base: base})
		if err != nil {
			return err
		}
		peer := platform.Peer(plan.Stack.Mesh, node)
		peer.Public, peer.Connection, peer.DependsOn = pulumi.String(at.Address.String()), connection, made.Resources()
		mesh.Hosts = append(mesh.Hosts, peer)
	}
	_, err = wireguard.New(ctx, "mesh", mesh)
	return err
}
