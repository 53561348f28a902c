package provider

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/components/ovh/api"
	"havre/components/ovh/sdk"
)

// MaxFirewallRules is OVH's bound: sequences 0 to 19.
const MaxFirewallRules = 20

// EdgeFirewall is OVH's stateless packet filter in front of one address.
type EdgeFirewall struct{}

// EdgeFirewallArgs is the whole filter. See sdk.EdgeFirewallArgs.
type EdgeFirewallArgs struct {
	Address string   `pulumi:"address" provider:"replaceOnChanges"`
	Off     *bool    `pulumi:"off,optional"`
	Rules   []string `pulumi:"rules"` // sdk.FirewallRule; the place in the list is the rule's sequence
}

// EdgeFirewallState is the same.
type EdgeFirewallState struct{ EdgeFirewallArgs }

var (
	_ infer.CustomResource[EdgeFirewallArgs, EdgeFirewallState] = (*EdgeFirewall)(nil)
	_ infer.CustomCheck[EdgeFirewallArgs]                       = (*EdgeFirewall)(nil)
	_ infer.CustomUpdate[EdgeFirewallArgs, EdgeFirewallState]   = (*EdgeFirewall)(nil)
	_ infer.CustomRead[EdgeFirewallArgs, EdgeFirewallState]     = (*EdgeFirewall)(nil)
	_ infer.CustomDelete[EdgeFirewallState]                     = (*EdgeFirewall)(nil)
)

// Annotate names the resource.
func (r *EdgeFirewall) Annotate(a infer.Annotator) {
	a.SetToken("index", "EdgeFirewall")
	a.Describe(&r, "OVH's stateless packet filter in front of one address: at most 20 rules, in their order. It does not see traffic inside OVH.")
}

// Check validates the inputs.
func (*EdgeFirewall) Check(ctx context.Context, r infer.CheckRequest) (infer.CheckResponse[EdgeFirewallArgs], error) {
	args, failures, err := infer.DefaultCheck[EdgeFirewallArgs](ctx, r.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[EdgeFirewallArgs]{Inputs: args, Failures: failures}, err
	}
	if !r.NewInputs.Get("address").HasComputed() {
		failures = append(failures, checkAddress(args.Address)...)
	}
	if !r.NewInputs.Get("rules").HasComputed() {
		failures = append(failures, checkRules(args.Rules)...)
	}
	return infer.CheckResponse[EdgeFirewallArgs]{Inputs: args, Failures: failures}, nil
}

func checkRules(rules []string) (failures []p.CheckFailure) {
	fail := func(format string, v ...any) {
		failures = append(failures, p.CheckFailure{Property: "rules", Reason: fmt.Sprintf(format, v...)})
	}
	if len(rules) > MaxFirewallRules {
		fail("are %d, OVH takes %d; join some, or leave them to the host's own firewall", len(rules), MaxFirewallRules)
	}
	for i, line := range rules {
		rule, err := sdk.ParseFirewallRule(line)
		if err != nil {
			fail("%v", err)
			continue
		}
		if rule.Action != "permit" && rule.Action != "deny" {
			fail("rule %d: action %q is neither permit nor deny; set one of them", i, rule.Action)
		}
		if !slices.Contains(strings.Fields("ah esp gre icmp ipv4 tcp udp"), rule.Protocol) {
			fail("rule %d: protocol %q is none of ah, esp, gre, icmp, ipv4, tcp, udp; set one of them", i, rule.Protocol)
		}
		if s := deref(rule.Source, "any"); s != "any" {
			if q, err := netip.ParsePrefix(s); err != nil || !q.Addr().Is4() || q.Masked() != q {
				fail("rule %d: source %q is not an IPv4 network; write it like 192.0.2.0/24, or leave it out for any", i, s)
			}
		}
		for _, port := range []*int{rule.SourcePort, rule.DestinationPort} {
			switch {
			case port == nil:
			case *port < 1 || *port > 65535:
				fail("rule %d: port %d is not between 1 and 65535; leave it out for any", i, *port)
			case rule.Protocol != "tcp" && rule.Protocol != "udp":
				fail("rule %d: protocol %s has no ports; leave port %d out", i, rule.Protocol, *port)
			}
		}
		if o := deref(rule.TCPOption, ""); o != "" && (rule.Protocol != "tcp" || o != "established" && o != "syn") {
			fail("rule %d: tcpOption %q is established or syn, and for tcp only; leave it out", i, o)
		}
	}
	return failures
}

// wanted are the rules as the API has them.
func (a EdgeFirewallArgs) wanted() ([]api.FirewallRule, error) {
	list := make([]api.FirewallRule, len(a.Rules))
	for i, line := range a.Rules {
		rule, err := sdk.ParseFirewallRule(line)
		if err != nil {
			return nil, err
		}
		list[i] = wantedRule(i, rule)
	}
	return list, nil
}

func wantedRule(sequence int, f sdk.FirewallRule) api.FirewallRule {
	r := api.FirewallRule{
		Sequence: sequence, Action: f.Action, Protocol: f.Protocol, Source: deref(f.Source, "any"), TCPOption: deref(f.TCPOption, ""), Fragments: truth(f.Fragments), State: "ok",
	}
	if f.SourcePort != nil {
		r.SourcePort = *f.SourcePort
	}
	if f.DestinationPort != nil {
		r.DestinationPort = *f.DestinationPort
	}
	return r
}

// Create makes the filter, or makes one that is there already like this.
func (*EdgeFirewall) Create(ctx context.Context, r infer.CreateRequest[EdgeFirewallArgs]) (infer.CreateResponse[EdgeFirewallState], error) {
	out := infer.CreateResponse[EdgeFirewallState]{ID: r.Inputs.Address, Output: EdgeFirewallState{r.Inputs}}
	if r.DryRun {
		return out, nil
	}
	return out, putFirewall(ctx, r.Inputs)
}

// Update makes it like this.
func (*EdgeFirewall) Update(ctx context.Context, r infer.UpdateRequest[EdgeFirewallArgs, EdgeFirewallState]) (infer.UpdateResponse[EdgeFirewallState], error) {
	out := infer.UpdateResponse[EdgeFirewallState]{Output: EdgeFirewallState{r.Inputs}}
	if r.DryRun {
		return out, nil
	}
	if err := putFirewall(ctx, r.Inputs); err != nil {
		return out, keep(err)
	}
	return out, nil
}

// putFirewall looks, changes what differs, and looks again until OVH has applied all of it. So it does not matter what became of any answer. It is switched on
// last and, to go off, switched off first.
func putFirewall(ctx context.Context, a EdgeFirewallArgs) error {
	rt := runtimeOf(ctx)
	c, err := rt.api()
	if err != nil {
		return err
	}
	rules, err := a.wanted()
	if err != nil {
		return fmt.Errorf("edge firewall of %s: %w", a.Address, err)
	}
	deadline := time.Now().Add(min(rt.wait, 15*time.Minute))
	for {
		settled, err := stepFirewall(ctx, c, a, rules)
		if settled {
			return nil
		}
		if err != nil && !api.IsPassing(err) && !api.IsConflict(err) {
			return fmt.Errorf("edge firewall of %s: %w", a.Address, err)
		}
		if time.Now().After(deadline) || !rt.sleep(ctx) {
			return fmt.Errorf("edge firewall of %s is not as wanted yet; run again", a.Address)
		}
	}
}

// stepFirewall does what can be done now. What OVH is still working on is left alone until the next look.
func stepFirewall(ctx context.Context, c *api.Client, a EdgeFirewallArgs, rules []api.FirewallRule) (settled bool, err error) {
	state, err := c.Firewall(ctx, a.Address)
	if api.IsNotFound(err) {
		return false, c.AddFirewall(ctx, a.Address)
	}
	if err != nil || state.State != "ok" {
		return false, err
	}
	if truth(a.Off) && state.Enabled {
		return false, c.SwitchFirewall(ctx, a.Address, false)
	}
	have, err := c.FirewallRules(ctx, a.Address)
	if err != nil {
		return false, err
	}
	there := map[int]api.FirewallRule{}
	settled = true
	for _, r := range have {
		there[r.Sequence] = r
		if r.State == "ok" && (r.Sequence >= len(rules) || r != rules[r.Sequence]) {
			if err := c.DeleteFirewallRule(ctx, a.Address, r.Sequence); err != nil {
				return false, err
			}
			settled = false
		}
		settled = settled && r.State == "ok"
	}
	for i, rule := range rules {
		if _, ok := there[i]; ok {
			continue
		}
		if err := c.AddFirewallRule(ctx, a.Address, rule); err != nil {
			return false, err
		}
		settled = false
	}
	if settled && !truth(a.Off) && !state.Enabled {
		return false, c.SwitchFirewall(ctx, a.Address, true)
	}
	return settled, nil
}

// Read tells the rules as they are; the address imports.
func (*EdgeFirewall) Read(ctx context.Context, r infer.ReadRequest[EdgeFirewallArgs, EdgeFirewallState]) (infer.ReadResponse[EdgeFirewallArgs, EdgeFirewallState], error) {
	gone := infer.ReadResponse[EdgeFirewallArgs, EdgeFirewallState]{}
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return gone, err
	}
	state, err := c.Firewall(ctx, r.ID)
	if api.IsNotFound(err) {
		return gone, nil
	}
	if err != nil {
		return gone, err
	}
	have, err := c.FirewallRules(ctx, r.ID)
	if err != nil {
		return gone, err
	}
	a := EdgeFirewallArgs{Address: r.ID, Rules: []string{}}
	if !state.Enabled {
		off := true
		a.Off = &off
	}
	was, err := r.State.wanted()
	same := err == nil && len(have) == len(was) && truth(a.Off) == truth(r.State.Off)
	for i, h := range have {
		h.State = "ok"
		same = same && h == was[i]
		a.Rules = append(a.Rules, told(h))
	}
	if same {
		a = r.State.EdgeFirewallArgs // spelt as the stack spells it
	}
	return infer.ReadResponse[EdgeFirewallArgs, EdgeFirewallState]{ID: r.ID, Inputs: a, State: EdgeFirewallState{a}}, nil
}

// told is a rule of the API as the stack would write it.
func told(h api.FirewallRule) string {
	f := sdk.FirewallRule{Action: h.Action, Protocol: h.Protocol}
	if h.Source != "any" {
		f.Source = &h.Source
	}
	if h.SourcePort != 0 {
		f.SourcePort = &h.SourcePort
	}
	if h.DestinationPort != 0 {
		f.DestinationPort = &h.DestinationPort
	}
	if h.TCPOption != "" {
		f.TCPOption = &h.TCPOption
	}
	if h.Fragments {
		f.Fragments = &h.Fragments
	}
	return f.String()
}

// Delete takes the filter away: all traffic reaches the host again.
func (*EdgeFirewall) Delete(ctx context.Context, r infer.DeleteRequest[EdgeFirewallState]) (infer.DeleteResponse, error) {
	c, err := runtimeOf(ctx).api()
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	return infer.DeleteResponse{}, c.DeleteFirewall(ctx, r.State.Address)
}
