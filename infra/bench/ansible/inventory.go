package ansible

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"havre/components/host/script"
	"havre/components/wireguard/conf"
	"havre/infra/bench/bootstrap"
	"havre/stacks"
)

// Inventory is what Ansible knows of hosts: one group of them all, with what is the same on each, and what is each one's own.
type Inventory struct {
	All struct {
		Hosts map[string]Host `json:"hosts"`
		Vars  Vars            `json:"vars"`
	} `json:"all"`
}

// Vars are the same on all hosts. The names beginning with ansible_ are Ansible's own.
type Vars struct {
	User        string `json:"ansible_user"`
	KeyFile     string `json:"ansible_ssh_private_key_file"`
	Arguments   string `json:"ansible_ssh_common_args"`
	Interpreter string `json:"ansible_python_interpreter"`

	MeshInterface string       `json:"mesh_interface"`
	MeshNetwork   netip.Prefix `json:"mesh_network"`
	MeshPort      int          `json:"mesh_port"`
	MeshMTU       int          `json:"mesh_mtu"`
	PodNetwork    netip.Prefix `json:"pod_network"`
	PodMTU        int          `json:"pod_mtu"`
	// WireGuardGo is where hosts fetch the WireGuard that runs beside a kernel without one, with the checksum in the form of get_url.
	WireGuardGo         string `json:"wireguard_go"`
	WireGuardGoChecksum string `json:"wireguard_go_checksum"`
	// SysctlPattern bounds what is loaded of the file of kernel settings: in a container those of fs and kernel are the machine's.
	SysctlPattern string `json:"sysctl_pattern"`
}

// Host is one host's own. Addresses that it has not are empty, so that a template can ask.
type Host struct {
	Address        string   `json:"ansible_host"`
	Hostname       string   `json:"hostname"`
	Packages       []string `json:"packages"`
	MeshAddress    string   `json:"mesh_address"`
	PodCIDR        string   `json:"pod_cidr"`
	PrivateAddress string   `json:"private_address"`
	// Private are the arguments of the program that sets the private interface up: MAC, address with the network's length, MTU.
	Private string `json:"private_interface"`
	// Firewall and Forward are lines of nft.
	Firewall []string `json:"firewall_rules"`
	Forward  []string `json:"forward_rules"`
}

// NewInventory is that of the fleet's plan.
func NewInventory(fleet bootstrap.Fleet, access Access) (Inventory, error) {
	var inventory Inventory
	plan, err := bootstrap.Plan(fleet.Added)
	if err != nil {
		return inventory, err
	}
	if len(plan.Operators) > 0 {
		return inventory, errors.New("ansible: the templates know no operators; leave them out of the stack that is compared")
	}
	mesh := fleet.Mesh(plan)
	if mesh.Userspace == nil {
		return inventory, errors.New("ansible: the playbook fetches a userspace WireGuard, and this stack has none")
	}
	vars := Vars{
		User: "debian", KeyFile: access.KeyFile, Interpreter: "/usr/bin/python3",
		Arguments:     "-F none -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=" + access.KnownHosts,
		MeshInterface: conf.Interface, MeshNetwork: mesh.Network, MeshPort: int(mesh.Port), MeshMTU: mesh.MTU, PodNetwork: mesh.Pods, PodMTU: mesh.PodsMTU,
		WireGuardGo: mesh.Userspace.URL, WireGuardGoChecksum: "sha256:" + mesh.Userspace.SHA256,
		SysctlPattern: `^net\.`,
	}
	inventory.All.Vars, inventory.All.Hosts = vars, map[string]Host{}
	for _, node := range plan.Nodes {
		at, err := fleet.Host(node.Name)
		if err != nil {
			return inventory, err
		}
		base, err := bootstrap.Base(plan, node, at)
		if err != nil {
			return inventory, err
		}
		if err := base.Validate(); err != nil {
			return inventory, fmt.Errorf("ansible: host %s: %w", node.Name, err)
		}
		inventory.All.Hosts[node.Name] = newHost(node, base, at)
	}
	return inventory, nil
}

func newHost(node stacks.PlannedNode, base script.Base, at bootstrap.Host) Host {
	h := Host{Address: at.Address.String(), Hostname: base.Hostname, Packages: base.Packages(), MeshAddress: node.Mesh.String(), Firewall: []string{}, Forward: []string{}}
	if node.PodCIDR.IsValid() {
		h.PodCIDR = node.PodCIDR.String()
	}
	if p := base.Private; p != nil {
		h.PrivateAddress, h.Private = p.Address.Addr().String(), fmt.Sprintf("%s %s %d", p.MAC, p.Address, max(p.MTU, script.DefaultPrivateMTU))
	}
	wall := base.Firewall
	for _, rule := range wall.Rules {
		h.Firewall = append(h.Firewall, line(*wall, rule))
	}
	for _, name := range wall.PodInterfaces {
		h.Forward = append(h.Forward, fmt.Sprintf("iifname %q ip saddr %s accept", name, wall.Pods))
	}
	if len(wall.PodInterfaces) > 0 {
		h.Forward = append(h.Forward, fmt.Sprintf("iifname %q ip daddr %s accept", wall.Interface, wall.Pods))
	}
	return h
}

// line is a rule as nft reads it, and as firewall_rule of the library writes it.
func line(wall script.Firewall, rule script.FirewallRule) string {
	var words []string
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	outside := false
	switch rule.From {
	case "":
		outside = true
	case script.FromHosts:
		add("iifname %q ip saddr %s", wall.Interface, wall.Mesh)
	case script.FromCluster:
		names := fmt.Sprintf("%q", wall.Interface)
		for _, name := range wall.PodInterfaces {
			names += fmt.Sprintf(", %q", name)
		}
		add("iifname { %s } ip saddr { %s, %s }", names, wall.Mesh, wall.Pods)
	default:
		outside = true
		add("ip saddr %s", rule.From)
	}
	switch rule.Protocol {
	case "ipv4":
		add("meta nfproto ipv4")
	case "icmp":
		add("ip protocol icmp")
	default:
		if rule.Port == 0 && rule.FromPort == 0 {
			add("meta l4proto %s", rule.Protocol)
		}
		if rule.FromPort != 0 {
			add("%s sport %d", rule.Protocol, rule.FromPort)
		}
		if rule.Port != 0 {
			add("%s dport %d", rule.Protocol, rule.Port)
		}
	}
	if outside && !rule.Deny && rule.Protocol == "tcp" && rule.Port == 22 {
		add("counter name ssh-let-in")
	}
	if rule.Deny {
		add("drop")
	} else {
		add("accept")
	}
	return strings.Join(words, " ")
}
