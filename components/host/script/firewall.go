package script

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Firewall is the host's own packet filter: what is not named in it does not reach the host, and only pods are forwarded for. It keeps state, so answers need no rule.
//
// The thing to get wrong: WireGuard is not a rule. Its port is open to the addresses of the mesh's roster, which the mesh itself keeps up to date.
type Firewall struct {
	// Interface is the mesh's, Port its UDP port on every address of the host.
	Interface string
	Port      int
	// Mesh holds the addresses of hosts and operators, Pods those of pods.
	Mesh, Pods netip.Prefix
	// PodInterfaces are the host's interfaces to its own pods, "lxc*" for all that begin so; none on a host outside Kubernetes.
	PodInterfaces []string
	// Rules in order; the first that matches decides.
	Rules []FirewallRule
}

// The senders of rules, beside networks. Both come over the mesh's or the pods' interfaces alone.
const (
	// FromHosts are the hosts of the fleet and the operators.
	FromHosts = "hosts"
	// FromCluster are those and the pods.
	FromCluster = "cluster"
)

// FirewallRule lets new connections in, or keeps them out.
type FirewallRule struct {
	// Deny drops what matches; else it passes.
	Deny bool
	// Protocol is tcp, udp, icmp or ipv4.
	Protocol string
	// From is FromHosts, FromCluster, an IPv4 network such as 192.0.2.0/24, or empty for anybody.
	From string
	// Port is the host's, FromPort the sender's, of TCP and UDP; 0 is any.
	Port, FromPort int
}

// word is the rule as firewall.sh reads it: [!][FROM:]PROTOCOL[/PORT][@SENDER'S PORT].
func (r FirewallRule) word() string {
	var b strings.Builder
	if r.Deny {
		b.WriteString("!")
	}
	if r.From != "" {
		b.WriteString(r.From + ":")
	}
	b.WriteString(r.Protocol)
	if r.Port != 0 {
		b.WriteString("/" + strconv.Itoa(r.Port))
	}
	if r.FromPort != 0 {
		b.WriteString("@" + strconv.Itoa(r.FromPort))
	}
	return b.String()
}

// lines are the firewall on base_setup's standard input, a rule a line: so a preview shows which port is opened or shut.
func (f Firewall) lines() string {
	pods := "-"
	if len(f.PodInterfaces) > 0 {
		pods = strings.Join(f.PodInterfaces, ",")
	}
	text := fmt.Sprintf("firewall %s %d %s %s %s\n", f.Interface, f.Port, f.Mesh, f.Pods, pods)
	for _, rule := range f.Rules {
		text += "rule " + rule.word() + "\n"
	}
	return text
}

// letters of an interface's name: what is more could not be written into a rule.
const interfaceLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

func (f Firewall) validate() error {
	var errs []error
	for _, name := range append([]string{f.Interface}, f.PodInterfaces...) {
		if plain := strings.TrimSuffix(name, "*"); plain == "" || len(plain) > 15 || strings.Trim(plain, interfaceLetters) != "" {
			errs = append(errs, fmt.Errorf("firewall: %q is not the name of an interface; write it like wg0, or lxc* for all that begin so", name))
		}
	}
	if f.Port < 1 || f.Port > 65535 {
		errs = append(errs, fmt.Errorf("firewall: WireGuard's port %d is outside 1–65535; give the mesh's", f.Port))
	}
	for _, network := range []struct {
		name string
		netip.Prefix
	}{{"mesh", f.Mesh}, {"pod network", f.Pods}} {
		if !isNetwork(network.Prefix) {
			errs = append(errs, fmt.Errorf("firewall: %s %s is not an IPv4 network; write it like 10.80.0.0/16", network.name, network.Prefix))
		}
	}
	ssh := false
	for _, rule := range f.Rules {
		errs = append(errs, rule.validate())
		ssh = ssh || !rule.Deny && rule.From != FromHosts && rule.From != FromCluster && (rule.Protocol == "ipv4" || rule.Protocol == "tcp" && (rule.Port == sshPort || rule.Port == 0))
	}
	if !ssh {
		errs = append(errs, fmt.Errorf("firewall: no rule lets SSH in from outside the mesh, which is how the host is reached; add one for tcp port %d", sshPort))
	}
	return errors.Join(errs...)
}

const sshPort = 22

func isNetwork(p netip.Prefix) bool { return p.IsValid() && p.Addr().Is4() && p == p.Masked() }

func (r FirewallRule) validate() error {
	var errs []error
	if !slices.Contains([]string{"tcp", "udp", "icmp", "ipv4"}, r.Protocol) {
		errs = append(errs, fmt.Errorf("firewall: protocol %q is not one of tcp, udp, icmp, ipv4", r.Protocol))
	}
	for _, port := range []int{r.Port, r.FromPort} {
		if port < 0 || port > 65535 || port != 0 && r.Protocol != "tcp" && r.Protocol != "udp" {
			errs = append(errs, fmt.Errorf("firewall: port %d of %s; wanted 1–65535 of tcp or udp, or 0 for any", port, r.Protocol))
		}
	}
	if r.From != "" && r.From != FromHosts && r.From != FromCluster {
		if network, err := netip.ParsePrefix(r.From); err != nil || !isNetwork(network) {
			errs = append(errs, fmt.Errorf("firewall: sender %q is not %s, %s or an IPv4 network; write it like 192.0.2.0/24, or leave it out for anybody", r.From, FromHosts, FromCluster))
		}
	}
	return errors.Join(errs...)
}
