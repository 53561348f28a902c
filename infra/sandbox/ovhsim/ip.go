package ovhsim

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// block finds the service behind an address block of the path. OVH names single addresses as a.b.c.d/32, and takes them without as well.
func (c *call) block() (*service, error) {
	text := c.param("ip")
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, badRequest("Client::BadRequest", "[ip] Given data (%s) is not valid for type ipBlock", text)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	for _, id := range sortedKeys(c.s.st.Services) {
		v := c.s.st.Services[id]
		if v.Ended.IsZero() && v.Address.IsValid() && p.Addr() == v.Address && p.IsSingleIP() {
			return v, nil
		}
	}
	return nil, notFound("This service does not exist")
}

func (c *call) listIPs() (any, error) {
	out := []string{}
	for _, id := range sortedKeys(c.s.st.Services) {
		v := c.s.st.Services[id]
		if v.Ended.IsZero() && v.Address.IsValid() && c.matches("routedTo.serviceName", v.Name) && c.matches("type", v.Kind) && c.matches("version", "4") &&
			strings.Contains(v.Address.String()+"/32", c.query.Get("ip")) {
			out = append(out, v.Address.String()+"/32")
		}
	}
	return out, nil
}

func (c *call) getIP() (any, error) {
	v, err := c.block()
	if err != nil {
		return nil, err
	}
	return object{
		"bringYourOwnIp": false, "campus": nil, "canBeTerminated": false, "country": places[v.Datacenter].country, "description": nil,
		"ip": v.Address.String() + "/32", "isAdditionalIp": false, "organisationId": nil, "regions": []string{places[v.Datacenter].region}, "rir": "RIPE",
		"routedTo": object{"serviceName": v.Name}, "type": v.Kind, "version": 4, "iam": nil,
	}, nil
}

func (c *call) listReverse() (any, error) {
	v, err := c.block()
	if err != nil {
		return nil, err
	}
	out := []string{}
	if _, ok := v.Reverse[v.Address.String()]; ok {
		out = append(out, v.Address.String())
	}
	return out, nil
}

func (c *call) getReverse() (any, error) {
	v, err := c.block()
	if err != nil {
		return nil, err
	}
	name, ok := v.Reverse[c.param("ipReverse")]
	if !ok {
		return nil, noObject("ipReverse", c.param("ipReverse"))
	}
	return object{"ipReverse": c.param("ipReverse"), "reverse": name}, nil
}

func (c *call) setReverse() (any, error) {
	v, err := c.block()
	if err != nil {
		return nil, err
	}
	var in struct {
		IP      string `json:"ipReverse"`
		Reverse string `json:"reverse"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(in.Reverse, ".")
	switch {
	case in.IP != v.Address.String():
		return nil, badRequest("Client::BadRequest", "IP %s is not in block %s/32", in.IP, v.Address)
	case !hostnames.MatchString(name) || !strings.Contains(name, "."):
		return nil, badRequest("Client::BadRequest", "Invalid reverse %s", in.Reverse)
	case c.s.options.Resolves != nil && !slices.Contains(c.s.options.Resolves(name), v.Address):
		return nil, badRequest("Client::BadRequest", "Cannot check if %s resolves to %s", name, v.Address)
	}
	v.Reverse[in.IP] = name + "."
	return object{"ipReverse": in.IP, "reverse": name + "."}, nil
}

func (c *call) deleteReverse() (any, error) {
	v, err := c.block()
	if err != nil {
		return nil, err
	}
	if _, ok := v.Reverse[c.param("ipReverse")]; !ok {
		return nil, noObject("ipReverse", c.param("ipReverse"))
	}
	delete(v.Reverse, c.param("ipReverse"))
	return nil, nil
}

func (c *call) listFirewalls() (any, error) {
	v, err := c.block()
	if err != nil {
		return nil, err
	}
	if v.Firewall == nil {
		return []string{}, nil
	}
	return []string{v.Address.String()}, nil
}

func (c *call) createFirewall() (any, error) {
	v, err := c.block()
	if err != nil {
		return nil, err
	}
	var in struct {
		IP string `json:"ipOnFirewall"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	switch {
	case in.IP != v.Address.String():
		return nil, badRequest("Client::BadRequest", "IP %s is not in block %s/32", in.IP, v.Address)
	case v.Firewall != nil:
		return nil, refusal(409, "Client::Conflict", "IP %s is already on the firewall", in.IP)
	}
	v.Firewall = &firewall{Rules: []firewallRule{}}
	return renderFirewall(v), nil
}

func renderFirewall(v *service) object {
	return object{"ipOnFirewall": v.Address, "enabled": v.Firewall.Enabled, "state": "ok"}
}

func (c *call) firewall() (*service, error) {
	v, err := c.block()
	if err != nil {
		return nil, err
	}
	if v.Firewall == nil || c.param("ipOnFirewall") != v.Address.String() {
		return nil, noObject("ipOnFirewall", c.param("ipOnFirewall"))
	}
	return v, nil
}

func (c *call) getFirewall() (any, error) {
	v, err := c.firewall()
	if err != nil {
		return nil, err
	}
	return renderFirewall(v), nil
}

func (c *call) putFirewall() (any, error) {
	v, err := c.firewall()
	if err != nil {
		return nil, err
	}
	var in map[string]any
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if on, ok := in["enabled"].(bool); ok {
		v.Firewall.Enabled = on
	}
	return nil, nil
}

func (c *call) deleteFirewall() (any, error) {
	v, err := c.firewall()
	if err != nil {
		return nil, err
	}
	v.Firewall = nil
	return "The IP is removed from the firewall", nil
}

func (c *call) listRules() (any, error) {
	v, err := c.firewall()
	if err != nil {
		return nil, err
	}
	out := []int{}
	for _, r := range v.Firewall.Rules {
		if c.matches("state", "ok") {
			out = append(out, r.Sequence)
		}
	}
	return out, nil
}

func (c *call) createRule() (any, error) {
	v, err := c.firewall()
	if err != nil {
		return nil, err
	}
	in := struct {
		Sequence        int    `json:"sequence"`
		Action          string `json:"action"`
		Protocol        string `json:"protocol"`
		Source          string `json:"source"`
		SourcePort      *int   `json:"sourcePort"`
		DestinationPort *int   `json:"destinationPort"`
		TCP             *struct {
			Fragments *bool   `json:"fragments"`
			Option    *string `json:"option"`
		} `json:"tcpOption"`
	}{Source: "any"}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	switch {
	case in.Sequence < 0 || in.Sequence > 19:
		return nil, badRequest("Client::BadRequest", "[sequence] Given data (%d) does not belong to the FirewallSequenceRangeEnum enumeration", in.Sequence)
	case in.Action != "permit" && in.Action != "deny":
		return nil, badRequest("Client::BadRequest", "[action] Given data (%s) does not belong to the FirewallActionEnum enumeration", in.Action)
	case !slices.Contains(strings.Fields("ah esp gre icmp ipv4 tcp udp"), in.Protocol):
		return nil, badRequest("Client::BadRequest", "[protocol] Given data (%s) does not belong to the FirewallProtocolEnum enumeration", in.Protocol)
	case slices.ContainsFunc(v.Firewall.Rules, func(r firewallRule) bool { return r.Sequence == in.Sequence }):
		return nil, refusal(409, "Client::Conflict", "A rule with sequence %d already exists", in.Sequence)
	}
	r := firewallRule{
		Sequence: in.Sequence, Action: in.Action, Protocol: in.Protocol, Source: in.Source, SourcePort: in.SourcePort, DestinationPort: in.DestinationPort, Created: c.now,
	}
	if in.TCP != nil {
		r.Fragments = in.TCP.Fragments
		if in.TCP.Option != nil {
			r.TCPOption = *in.TCP.Option
		}
	}
	v.Firewall.Rules = append(v.Firewall.Rules, r)
	slices.SortFunc(v.Firewall.Rules, func(a, b firewallRule) int { return a.Sequence - b.Sequence })
	return renderRule(v, r), nil
}

func renderRule(v *service, r firewallRule) object {
	port := func(n *int) any {
		if n == nil {
			return nil
		}
		return fmt.Sprintf("eq %d", *n)
	}
	var option any
	if r.TCPOption != "" {
		option = r.TCPOption
	}
	return object{
		"sequence": r.Sequence, "action": r.Action, "protocol": r.Protocol, "source": r.Source, "sourcePort": port(r.SourcePort),
		"destination": v.Address.String() + "/32", "destinationPort": port(r.DestinationPort), "tcpOption": option, "fragments": r.Fragments, "state": "ok",
		"creationDate": stamp(r.Created), "rule": fmt.Sprintf("%s %s %s %s/32", r.Action, r.Protocol, r.Source, v.Address),
	}
}

func (c *call) rule() (*service, int, error) {
	v, err := c.firewall()
	if err != nil {
		return nil, 0, err
	}
	n, err := c.number("sequence")
	if err != nil {
		return nil, 0, err
	}
	at := slices.IndexFunc(v.Firewall.Rules, func(r firewallRule) bool { return int64(r.Sequence) == n })
	if at < 0 {
		return nil, 0, noObject("sequence", n)
	}
	return v, at, nil
}

func (c *call) getRule() (any, error) {
	v, at, err := c.rule()
	if err != nil {
		return nil, err
	}
	return renderRule(v, v.Firewall.Rules[at]), nil
}

func (c *call) deleteRule() (any, error) {
	v, at, err := c.rule()
	if err != nil {
		return nil, err
	}
	out := renderRule(v, v.Firewall.Rules[at])
	out["state"] = "removalPending"
	v.Firewall.Rules = slices.Delete(v.Firewall.Rules, at, at+1)
	return out, nil
}

// view tells a firewall in one line for its switch and one for each rule.
func (f *firewall) view() []string {
	if f == nil {
		return nil
	}
	out := []string{"off"}
	if f.Enabled {
		out[0] = "on"
	}
	for _, r := range f.Rules {
		port := ""
		if r.DestinationPort != nil {
			port = strconv.Itoa(*r.DestinationPort)
		}
		out = append(out, strings.Join(strings.Fields(fmt.Sprint(r.Sequence, " ", r.Action, " ", r.Protocol, " ", r.Source, " ", port, " ", r.TCPOption)), " "))
	}
	return out
}
