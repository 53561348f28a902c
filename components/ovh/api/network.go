package api

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"havre/components/ovh/order"
)

// ip is the path of one address as a block, as OVH names it: 198.51.100.11%2F32.
func ip(address string) string { return "/ip/" + url.PathEscape(address+"/32") }

// Reverse reads the name that an address resolves to, with its final dot.
func (c *Client) Reverse(ctx context.Context, address string) (string, error) {
	var out struct {
		Reverse string `json:"reverse"`
	}
	return out.Reverse, c.get(ctx, ip(address)+"/reverse/"+address, &out)
}

// SetReverse sets it. OVH refuses a name that does not resolve to the address.
func (c *Client) SetReverse(ctx context.Context, address, name string) error {
	return c.postAgain(ctx, ip(address)+"/reverse", map[string]any{"ipReverse": address, "reverse": name}, nil)
}

// DeleteReverse takes it away.
func (c *Client) DeleteReverse(ctx context.Context, address string) error {
	return c.delete(ctx, ip(address)+"/reverse/"+address)
}

// Firewall says how the edge firewall of an address stands.
type Firewall struct {
	Enabled bool   `json:"enabled"`
	State   string `json:"state"` // ok, enableFirewallPending, disableFirewallPending
}

// FirewallRule is one rule of the edge firewall. It is stateless.
type FirewallRule struct {
	Sequence        int
	Action          string // permit or deny
	Protocol        string // ah esp gre icmp ipv4 tcp udp
	Source          string // a prefix; "any" is all
	SourcePort      int    // 0: any
	DestinationPort int    // 0: any
	TCPOption       string // established or syn; empty: neither
	Fragments       bool
	State           string // creationPending, ok, removalPending
}

// Firewall reads the firewall of an address. IsNotFound: the address has none.
func (c *Client) Firewall(ctx context.Context, address string) (Firewall, error) {
	var f Firewall
	return f, c.get(ctx, ip(address)+"/firewall/"+address, &f)
}

// AddFirewall puts an address behind the edge firewall, switched off at first.
func (c *Client) AddFirewall(ctx context.Context, address string) error {
	return c.post(ctx, ip(address)+"/firewall", map[string]any{"ipOnFirewall": address}, nil)
}

// SwitchFirewall switches it on or off.
func (c *Client) SwitchFirewall(ctx context.Context, address string, on bool) error {
	return c.put(ctx, ip(address)+"/firewall/"+address, map[string]any{"enabled": on})
}

// DeleteFirewall takes an address from behind the firewall, its rules with it.
func (c *Client) DeleteFirewall(ctx context.Context, address string) error {
	return c.delete(ctx, ip(address)+"/firewall/"+address)
}

// FirewallRules reads all rules of an address in their order.
func (c *Client) FirewallRules(ctx context.Context, address string) ([]FirewallRule, error) {
	var numbers []int
	if err := c.get(ctx, ip(address)+"/firewall/"+address+"/rule", &numbers); err != nil {
		return nil, err
	}
	slices.Sort(numbers)
	var out []FirewallRule
	for _, n := range numbers {
		var raw struct {
			Action          string  `json:"action"`
			Protocol        string  `json:"protocol"`
			Source          *string `json:"source"`
			SourcePort      *string `json:"sourcePort"`
			DestinationPort *string `json:"destinationPort"`
			TCPOption       *string `json:"tcpOption"`
			Fragments       *bool   `json:"fragments"`
			State           string  `json:"state"`
		}
		err := c.get(ctx, fmt.Sprintf("%s/firewall/%s/rule/%d", ip(address), address, n), &raw)
		if IsNotFound(err) {
			continue // removed between the two calls
		}
		if err != nil {
			return nil, err
		}
		text := func(s *string) string {
			if s == nil {
				return ""
			}
			return *s
		}
		r := FirewallRule{
			Sequence: n, Action: raw.Action, Protocol: raw.Protocol, Source: text(raw.Source), TCPOption: text(raw.TCPOption),
			Fragments: raw.Fragments != nil && *raw.Fragments, State: raw.State,
		}
		if r.Source == "" {
			r.Source = "any"
		}
		for _, port := range []struct {
			text *string
			to   *int
		}{{raw.SourcePort, &r.SourcePort}, {raw.DestinationPort, &r.DestinationPort}} {
			if s := strings.TrimPrefix(text(port.text), "eq "); s != "" {
				if *port.to, err = strconv.Atoi(s); err != nil {
					return nil, fmt.Errorf("rule %d of %s: port %q is not a number", n, address, s)
				}
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// AddFirewallRule adds one. IsConflict: its number is taken.
func (c *Client) AddFirewallRule(ctx context.Context, address string, r FirewallRule) error {
	in := map[string]any{"sequence": r.Sequence, "action": r.Action, "protocol": r.Protocol}
	if r.Source != "any" {
		in["source"] = r.Source
	}
	if r.SourcePort != 0 {
		in["sourcePort"] = r.SourcePort
	}
	if r.DestinationPort != 0 {
		in["destinationPort"] = r.DestinationPort
	}
	if r.TCPOption != "" || r.Fragments {
		option := map[string]any{"fragments": r.Fragments}
		if r.TCPOption != "" {
			option["option"] = r.TCPOption
		}
		in["tcpOption"] = option
	}
	return c.post(ctx, ip(address)+"/firewall/"+address+"/rule", in, nil)
}

// DeleteFirewallRule removes one.
func (c *Client) DeleteFirewallRule(ctx context.Context, address string, sequence int) error {
	return c.delete(ctx, fmt.Sprintf("%s/firewall/%s/rule/%d", ip(address), address, sequence))
}

// Interfaces lists a server's virtual interfaces of one mode: public, vrack, vrack_aggregation.
func (c *Client) Interfaces(ctx context.Context, name, mode string) ([]string, error) {
	var ids []string
	return ids, c.get(ctx, base(order.Dedicated, name)+"/virtualNetworkInterface?mode="+mode, &ids)
}

// Aggregate joins a server's interfaces into one private one. Look at the interfaces to see whether it happened.
func (c *Client) Aggregate(ctx context.Context, name, label string, ids []string) error {
	return c.post(ctx, base(order.Dedicated, name)+"/ola/aggregation", map[string]any{"name": label, "virtualNetworkInterfaces": ids}, nil)
}

// Part undoes Aggregate.
func (c *Client) Part(ctx context.Context, name, id string) error {
	return c.post(ctx, base(order.Dedicated, name)+"/ola/reset", map[string]any{"virtualNetworkInterface": id}, nil)
}

// Boots lists a server's boot entries of one type: harddisk or rescue.
func (c *Client) Boots(ctx context.Context, name, kind string) ([]int64, error) {
	var ids []int64
	return ids, c.get(ctx, base(order.Dedicated, name)+"/boot?bootType="+kind, &ids)
}

// SetBoot chooses what a server boots next. Key, when not empty, may log in to the rescue system.
func (c *Client) SetBoot(ctx context.Context, name string, id int64, key string) error {
	in := map[string]any{"bootId": id}
	if key != "" {
		in["rescueSshKey"] = key
	}
	return c.put(ctx, base(order.Dedicated, name), in)
}

// SetNetboot chooses what a VPS boots next: its rescue system, whose password OVH mails, or its disk.
func (c *Client) SetNetboot(ctx context.Context, name string, rescue bool) error {
	mode := "local"
	if rescue {
		mode = "rescue"
	}
	return c.put(ctx, base(order.VPS, name), map[string]any{"netbootMode": mode})
}

// Reboot pulls the plug of a server or VPS and puts it back. It is never repeated.
func (c *Client) Reboot(ctx context.Context, kind order.Kind, name string) (Task, error) {
	var out rawTask
	err := c.post(ctx, base(kind, name)+"/reboot", nil, &out)
	return out.task(), err
}
