package sdk

import (
	"reflect"
	"testing"
)

func of[T any](v T) *T { return &v }

func TestFirewallRuleIsALine(t *testing.T) {
	for text, rule := range map[string]FirewallRule{
		"deny ipv4":                                                 {Action: "deny", Protocol: "ipv4"},
		"permit icmp":                                               {Action: "permit", Protocol: "icmp"},
		"permit tcp established":                                    {Action: "permit", Protocol: "tcp", TCPOption: of("established")},
		"permit udp to port 51820":                                  {Action: "permit", Protocol: "udp", DestinationPort: of(51820)},
		"permit udp from any port 123":                              {Action: "permit", Protocol: "udp", SourcePort: of(123)},
		"permit udp from 213.186.33.99/32 port 53":                  {Action: "permit", Protocol: "udp", Source: of("213.186.33.99/32"), SourcePort: of(53)},
		"permit tcp from 192.0.2.0/24 to port 22":                   {Action: "permit", Protocol: "tcp", Source: of("192.0.2.0/24"), DestinationPort: of(22)},
		"deny ipv4 fragments":                                       {Action: "deny", Protocol: "ipv4", Fragments: of(true)},
		"deny tcp from 192.0.2.0/24 port 1 to port 2 syn fragments": {Action: "deny", Protocol: "tcp", Source: of("192.0.2.0/24"), SourcePort: of(1), DestinationPort: of(2), TCPOption: of("syn"), Fragments: of(true)},
	} {
		if got := rule.String(); got != text {
			t.Errorf("%+v is %q, want %q", rule, got, text)
		}
		got, err := ParseFirewallRule(text)
		if err != nil || !reflect.DeepEqual(got, rule) {
			t.Errorf("%q is read as %s, %v", text, got, err)
		}
	}
}

func TestFirewallRuleThatCannotBeRead(t *testing.T) {
	for text, at := range map[string]string{
		"":                              "its end",
		"permit":                        "its end",
		"permit tcp from":               "its end",
		"permit tcp from any port":      "its end",
		"permit tcp from any port ssh":  `"ssh"`,
		"permit tcp to 22":              `"22"`,
		"permit tcp to port x syn":      `"x"`,
		"permit tcp syn please":         `"please"`,
		"permit tcp syn fragments only": `"only"`,
	} {
		want := `rule "` + text + `" cannot be read at ` + at + `; write it like permit tcp from 192.0.2.0/24 to port 22`
		if got, err := ParseFirewallRule(text); err == nil || err.Error() != want {
			t.Errorf("%q: %s, %v\nwant %s", text, got, err, want)
		}
	}
}
