package sdk

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// FirewallRule is one rule of an edge firewall. The first that matches decides; it is stateless, so answers need a rule of their own.
type FirewallRule struct {
	Action          string  // permit or deny
	Protocol        string  // ah, esp, gre, icmp, ipv4, tcp or udp
	Source          *string // IPv4 network; nil: any
	SourcePort      *int    // of tcp and udp; nil: any
	DestinationPort *int    // of tcp and udp; nil: any
	TCPOption       *string // established or syn
	Fragments       *bool   // fragments only
}

// String is the rule as a preview shows it and as ParseFirewallRule reads it, such as "permit tcp from 192.0.2.0/24 to port 22".
func (r FirewallRule) String() string {
	words := []string{r.Action, r.Protocol}
	if r.Source != nil || r.SourcePort != nil {
		source := "any"
		if r.Source != nil {
			source = *r.Source
		}
		words = append(words, "from", source)
	}
	if r.SourcePort != nil {
		words = append(words, "port", strconv.Itoa(*r.SourcePort))
	}
	if r.DestinationPort != nil {
		words = append(words, "to", "port", strconv.Itoa(*r.DestinationPort))
	}
	if r.TCPOption != nil && *r.TCPOption != "" {
		words = append(words, *r.TCPOption)
	}
	if r.Fragments != nil && *r.Fragments {
		words = append(words, "fragments")
	}
	return strings.Join(words, " ")
}

// ParseFirewallRule reads a rule. It knows the order of the words and where a number belongs; what OVH takes of actions, protocols, networks and ports is
// not looked at. The error quotes the rule and the word that is out of place.
func ParseFirewallRule(text string) (FirewallRule, error) {
	words := strings.Fields(text)
	var r FirewallRule
	next := func(want string) bool {
		if len(words) == 0 || words[0] != want {
			return false
		}
		words = words[1:]
		return true
	}
	take := func() (word string, ok bool) {
		if len(words) == 0 {
			return "", false
		}
		word, words = words[0], words[1:]
		return word, true
	}
	port := func() (*int, bool) {
		if len(words) == 0 {
			return nil, false
		}
		n, err := strconv.Atoi(words[0])
		if err != nil {
			return nil, false
		}
		words = words[1:]
		return &n, true
	}
	misread := func() (FirewallRule, error) {
		word := "its end"
		if len(words) > 0 {
			word = strconv.Quote(words[0])
		}
		return FirewallRule{}, fmt.Errorf("rule %q cannot be read at %s; write it like permit tcp from 192.0.2.0/24 to port 22", text, word)
	}
	var ok bool
	if r.Action, ok = take(); !ok {
		return misread()
	}
	if r.Protocol, ok = take(); !ok {
		return misread()
	}
	if next("from") {
		source, ok := take()
		if !ok {
			return misread()
		}
		if source != "any" {
			r.Source = &source
		}
		if next("port") {
			if r.SourcePort, ok = port(); !ok {
				return misread()
			}
		}
	}
	if next("to") {
		if !next("port") {
			return misread()
		}
		if r.DestinationPort, ok = port(); !ok {
			return misread()
		}
	}
	if len(words) > 0 && words[0] != "fragments" {
		option, _ := take()
		r.TCPOption = &option
	}
	if next("fragments") {
		yes := true
		r.Fragments = &yes
	}
	if len(words) > 0 {
		return misread()
	}
	return r, nil
}

// FirewallRules are the rules as the resource takes them: one line each, so that a preview of a change shows the rule and not the place of a number in it.
func FirewallRules(rules ...FirewallRule) pulumi.StringArray {
	lines := make(pulumi.StringArray, len(rules))
	for i, rule := range rules {
		lines[i] = pulumi.String(rule.String())
	}
	return lines
}

// EdgeFirewallArgs is the whole filter in front of one address. It sees what comes from outside OVH, not what comes from other servers there.
type EdgeFirewallArgs struct {
	Address pulumi.StringInput  // IPv4 of a server or VPS; another one is another resource
	Off     pulumi.BoolPtrInput // keeps the rules and lets everything pass
	Rules   pulumi.StringArray  // at most 20, in their order; see FirewallRules
}

type edgeFirewallArgs struct {
	Address string   `pulumi:"address"`
	Off     *bool    `pulumi:"off"`
	Rules   []string `pulumi:"rules"`
}

// ElementType tells the Pulumi runtime how to marshal EdgeFirewallArgs.
func (EdgeFirewallArgs) ElementType() reflect.Type { return reflect.TypeFor[edgeFirewallArgs]() }

// EdgeFirewall is OVH's filter in front of an address.
type EdgeFirewall struct {
	pulumi.CustomResourceState

	Address pulumi.StringOutput `pulumi:"address"`
}

// NewEdgeFirewall registers the filter in front of an address.
func NewEdgeFirewall(ctx *pulumi.Context, name string, args *EdgeFirewallArgs, opts ...pulumi.ResourceOption) (*EdgeFirewall, error) {
	var r EdgeFirewall
	err := ctx.RegisterResource(EdgeFirewallToken, name, args, &r, opts...)
	return &r, err
}
