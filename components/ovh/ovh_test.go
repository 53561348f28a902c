package ovh

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/ovh/sdk"
)

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOaJ1Zq1 test"

// monitor answers as the provider would and refuses any call it does not know.
type monitor struct {
	unknown bool
	mu      sync.Mutex
	calls   []string
}

func (m *monitor) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("unexpected call of %s", args.Token)
}

func (m *monitor) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	protect := ""
	if args.RegisterRPC.GetProtect() {
		protect = " protected"
	}
	m.calls = append(m.calls, fmt.Sprintf("%s %s%s", args.TypeToken, args.Name, protect))
	for _, key := range []resource.PropertyKey{"rescue", "rescueKey", "renewal", "partitions", "adopt", "vrack", "rules"} {
		if v, ok := args.Inputs[key]; ok {
			m.calls = append(m.calls, fmt.Sprintf("%s has %s %v", args.Name, key, v))
		}
	}
	out := args.Inputs.Copy()
	set := func(k, v string) { out[resource.PropertyKey(k)] = resource.NewProperty(v) }
	switch args.TypeToken {
	case "ovhmetal:index:Server", "ovhmetal:index:VPS":
		if !m.unknown {
			set("serviceName", "ns1."+args.Name)
			set("address", "198.51.100.11")
			set("orderId", "1")
		}
		set("monthlyPrice", "164.99")
		set("setupPrice", "164.99")
		set("currency", "EUR")
	case "ovhmetal:index:Instance":
		if !m.unknown {
			set("serviceName", "id")
			set("address", "198.51.100.12")
			set("hostKey", "ssh-ed25519 AAAA")
		}
		set("monthlyPrice", "484.72")
		set("currency", "EUR")
	case "ovhmetal:index:Installation", "ovhmetal:index:VPSInstallation":
		if !m.unknown {
			set("hostKey", "ssh-ed25519 AAAA")
		}
	case "ovhmetal:index:VrackAttachment":
		if !m.unknown {
			set("mac", "02:00:00:00:00:01")
		}
	case "ovhmetal:index:Vrack":
		if !m.unknown {
			set("serviceName", "pn-1")
		}
	case "ovhmetal:index:EdgeFirewall":
	case "havre:ovh:Server", "havre:ovh:VPS", "havre:ovh:Instance":
	default:
		return "", nil, fmt.Errorf("unexpected resource %s %s", args.TypeToken, args.Name)
	}
	return args.Name + "-id", out, nil
}

func good() Args {
	return Args{Kind: Dedicated, Offer: Offer{PlanCode: "24rise03", Datacenter: "rbx", MaxMonthly: "91.99"}, SSHPublicKey: pulumi.String(key), Vrack: pulumi.String("pn-1000001")}
}

func run(t *testing.T, m *monitor, preview bool, body func(ctx *pulumi.Context) error) error {
	t.Helper()
	return pulumi.RunErr(body, pulumi.WithMocks("havre", "test", m), func(info *pulumi.RunInfo) { info.DryRun = preview })
}

func TestNodeGraph(t *testing.T) {
	for _, unknown := range []bool{false, true} {
		m := &monitor{unknown: unknown}
		var wait sync.WaitGroup
		got := map[string]string{}
		var mu sync.Mutex
		err := run(t, m, unknown, func(ctx *pulumi.Context) error {
			private, err := NewVrack(ctx, "private-network", VrackArgs{})
			if err != nil {
				return err
			}
			first := good()
			first.Vrack, first.After = private.ServiceName, []pulumi.Resource{private.Resource()}
			n, err := New(ctx, "rbx-worker-1", first)
			if err != nil {
				return err
			}
			if _, err := NewVrack(ctx, "adopted-network", VrackArgs{Adopt: "pn-1000001", Disposable: true}); err != nil {
				return err
			}
			all := good()
			all.Rescue, all.NoRenewal, all.Partitions = true, true, []sdk.Partition{{MountPoint: "/", FileSystem: "ext4"}}
			if _, err := New(ctx, "rbx-worker-2", all); err != nil {
				return err
			}
			vps := good()
			vps.Kind, vps.Vrack, vps.Disposable, vps.Rescue, vps.Adopt = VPS, nil, true, true, "vps-1.vps.ovh.net"
			vps.Firewall = []sdk.FirewallRule{{Action: "deny", Protocol: "ipv4"}}
			if _, err := New(ctx, "gra-control-1", vps); err != nil {
				return err
			}
			rented := Args{Kind: Instance, Offer: Offer{PlanCode: "c3-64", Datacenter: "GRA11", Project: "p", MaxHourly: "0.664"}, SSHPublicKey: pulumi.String(key)}
			rented.Firewall = []sdk.FirewallRule{{Action: "deny", Protocol: "ipv4"}}
			hourly, err := New(ctx, "gra-worker-9", rented)
			if err != nil {
				return err
			}
			if len(hourly.Resources()) != 1 {
				return fmt.Errorf("%d resources of an instance, want 1", len(hourly.Resources()))
			}
			if len(n.Resources()) != 3 {
				return fmt.Errorf("%d resources, want 3", len(n.Resources()))
			}
			if unknown {
				return nil
			}
			for k, v := range map[string]pulumi.StringOutput{"address": n.Address, "key": n.HostKey, "mac": n.PrivateMAC, "price": n.MonthlyPrice} {
				wait.Add(1)
				v.ApplyT(func(s string) string {
					mu.Lock()
					defer mu.Unlock()
					got[k] = s
					wait.Done()
					return s
				})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wait.Wait()
		calls := strings.Join(m.calls, "\n")
		for _, want := range []string{
			"havre:ovh:Server rbx-worker-1", "ovhmetal:index:Server rbx-worker-1-server protected", "ovhmetal:index:Installation rbx-worker-1-installation",
			"ovhmetal:index:VrackAttachment rbx-worker-1-vrack", "havre:ovh:VPS gra-control-1", "ovhmetal:index:VPS gra-control-1-server\n",
			"ovhmetal:index:VPSInstallation gra-control-1-installation",
			"ovhmetal:index:EdgeFirewall gra-control-1-firewall\ngra-control-1-firewall has rules {[{deny ipv4}]}",
			"rbx-worker-2-server has rescue {true}", "rbx-worker-2-server has rescueKey {" + key + "}", "rbx-worker-2-server has renewal {false}",
			"havre:ovh:Instance gra-worker-9\n", "ovhmetal:index:Instance gra-worker-9-server\n", "ovhmetal:index:EdgeFirewall gra-worker-9-firewall\n",
			"ovhmetal:index:Vrack private-network protected", "ovhmetal:index:Vrack adopted-network\nadopted-network has adopt {pn-1000001}",
			"gra-control-1-server has rescue {true}\ngra-control-1-server has adopt {vps-1.vps.ovh.net}", "gra-control-1-installation has adopt {true}",
			"rbx-worker-2-installation has partitions {[{map[fileSystem:{ext4} mountPoint:{/} sizeMiB:{0}]}]}",
		} {
			if !strings.Contains(calls+"\n", want) {
				t.Errorf("unknown=%v: %q is not registered; got:\n%s", unknown, want, calls)
			}
		}
		if strings.Contains(calls, "gra-worker-9-installation") {
			t.Errorf("unknown=%v: an instance is installed; got:\n%s", unknown, calls)
		}
		if !unknown && !strings.Contains(calls, "rbx-worker-1-vrack has vrack {pn-1}") {
			t.Errorf("the attachment does not take the vRack's name; got:\n%s", calls)
		}
		if strings.Contains(calls, "rbx-worker-1-firewall") {
			t.Errorf("unknown=%v: a firewall without rules is registered", unknown)
		}
		if !unknown && (got["address"] != "198.51.100.11" || got["key"] != "ssh-ed25519 AAAA" || got["mac"] != "02:00:00:00:00:01" || got["price"] != "164.99") {
			t.Errorf("outputs: %v", got)
		}
	}
}

func TestArgsRefused(t *testing.T) {
	for _, c := range []struct {
		name, want string
		mutate     func(*Args)
	}{
		{"kind", `node n1: kind "cloud" is none of "dedicated", "vps" and "instance"; set one of them`, func(a *Args) { a.Kind = "cloud" }},
		{"plan", "node n1: plan code is empty; set one of the catalogue such as 24adv03-v1", func(a *Args) { a.Offer.PlanCode = "" }},
		{"dc", "node n1: data centre is empty; set a short city of the catalogue such as rbx", func(a *Args) { a.Offer.Datacenter = "" }},
		{"max", `node n1: most a month "12,5" is not an amount; write it like 164.99`, func(a *Args) { a.Offer.MaxMonthly = "12,5" }},
		{"setup", `node n1: most set-up fee "free" is not an amount; write it like 164.99`, func(a *Args) { a.Offer.MaxSetup = "free" }},
		{"vrack", "node n1: a vRack is set, but OVH has none for a VPS; leave it out", func(a *Args) { a.Kind = VPS }},
		{"partitions", "node n1: 1 partitions are set, but a VPS comes with one disk image; leave them out", func(a *Args) {
			a.Kind, a.Vrack, a.Partitions = VPS, nil, []sdk.Partition{{MountPoint: "/", FileSystem: "ext4"}}
		}},
		{"instance of a project", "node n1: project is empty; set the id of the Public Cloud project that the instance is made in", func(a *Args) { a.Kind, a.Vrack = Instance, nil }},
		{"instance in a vRack", "node n1: partitions, vRack, rescue, renewal, adoption, generations and options are of machines that are kept; leave them out of an instance", func(a *Args) {
			a.Kind, a.Offer.Project = Instance, "p"
		}},
		{"hour", `node n1: most an hour "1,5" is not an amount; write it like 0.664`, func(a *Args) { a.Offer.MaxHourly = "1,5" }},
		{"generation", "node n1: generation -1 is below 1; start at 1 and raise it to install again", func(a *Args) { a.Generation = -1 }},
		{"key", "node n1: ssh public key is missing; without it nobody can enter the host", func(a *Args) { a.SSHPublicKey = nil }},
		{"display", `node n1: display name "` + strings.Repeat("x", 51) + `" has 51 characters, OVH takes 50; shorten it`, func(a *Args) { a.DisplayName = strings.Repeat("x", 51) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := good()
			c.mutate(&a)
			err := run(t, &monitor{}, true, func(ctx *pulumi.Context) error {
				_, err := New(ctx, "n1", a)
				if err == nil || err.Error() != c.want {
					t.Errorf("got  %v\nwant %s", err, c.want)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVrackArgsRefused(t *testing.T) {
	err := run(t, &monitor{}, true, func(ctx *pulumi.Context) error {
		_, err := NewVrack(ctx, "net", VrackArgs{DisplayName: strings.Repeat("x", 51)})
		if want := `vRack net: display name "` + strings.Repeat("x", 51) + `" has 51 characters, OVH takes 50; shorten it`; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
