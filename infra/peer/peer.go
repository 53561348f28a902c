// Package peer gives an operator's machine its way into a stack's mesh: the file that wg-quick reads there. The one thing a reader would get wrong: it changes
// nothing. The operator's line in the stack and a run of Pulumi make the machine a peer; this only tells it of the hosts, whose keys and addresses a state has.
package peer

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"havre/components/wireguard/conf"
	"havre/stacks"
)

// keySuffix ends the name of the command that makes a host's key and prints its public half.
const keySuffix = "-wireguard-key"

// Hosts are what a state knows of the hosts of a mesh, by name.
type Hosts struct {
	Keys      map[string]string
	Addresses map[string]netip.Addr
}

// Read takes the hosts out of what `pulumi stack export` prints.
func Read(export []byte) (Hosts, error) {
	var state struct {
		Deployment struct {
			Resources []struct {
				URN     string         `json:"urn"`
				Outputs map[string]any `json:"outputs"`
			} `json:"resources"`
		} `json:"deployment"`
	}
	if err := json.Unmarshal(export, &state); err != nil {
		return Hosts{}, fmt.Errorf("pulumi stack export: %w", err)
	}
	hosts := Hosts{Keys: map[string]string{}, Addresses: map[string]netip.Addr{}}
	for _, r := range state.Deployment.Resources {
		name := r.URN[strings.LastIndex(r.URN, "::")+2:]
		if host, is := strings.CutSuffix(name, keySuffix); is {
			if key, ok := r.Outputs["stdout"].(string); ok {
				// During a rotation the next key is on the second line.
				hosts.Keys[host], _, _ = strings.Cut(strings.TrimSpace(key), "\n")
			}
		}
		if host, is := strings.CutSuffix(name, "-installation"); is {
			if text, ok := r.Outputs["address"].(string); ok {
				if address, err := netip.ParseAddr(text); err == nil {
					hosts.Addresses[host] = address
				}
			}
		}
	}
	return hosts, nil
}

// File is the configuration of an operator's machine, which keeps its private key at keyPath.
func File(plan stacks.Plan, hosts Hosts, operator, keyPath string) (string, error) {
	mesh := conf.Mesh{Network: plan.Stack.Mesh.CIDR, Pods: plan.Stack.Pods.CIDR, Port: uint16(plan.Stack.Mesh.Port), MTU: plan.Stack.Mesh.MTU}
	var errs []error
	for _, n := range plan.Nodes {
		key, address := hosts.Keys[n.Name], hosts.Addresses[n.Name]
		if key == "" || !address.IsValid() {
			errs = append(errs, fmt.Errorf("stack %s: host %s has no key or no address yet; run pulumi up first", plan.Stack.Name, n.Name))
			continue
		}
		mesh.Hosts = append(mesh.Hosts, conf.Host{Name: n.Name, Mesh: n.Mesh, Pods: n.PodCIDR, Public: address, PublicKey: key})
	}
	var names []string
	found := false
	for _, o := range plan.Operators {
		mesh.Hosts = append(mesh.Hosts, conf.Host{Name: o.Name, Mesh: o.Mesh, PublicKey: o.PublicKey})
		names = append(names, o.Name)
		found = found || o.Name == operator
	}
	if !found {
		errs = append(errs, fmt.Errorf("stack %s: no operator %q; wanted one of Mesh.Operators (%s): add a line there and run pulumi up", plan.Stack.Name, operator, strings.Join(names, ", ")))
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	if err := mesh.Validate(); err != nil {
		return "", err
	}
	return mesh.OperatorFile(operator, keyPath)
}
