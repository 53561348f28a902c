package authority_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/authority"
	"havre/components/host"
	"havre/components/host/hosttest"
)

const printed = `{"authority":"-----CA-----\n","certificate":"-----LEAF-----\n","key":"-----PRIVATE-----\n"}`

func program(args authority.Args) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		args.Connection = host.Connection{Address: pulumi.String("198.51.100.11"), PrivateKey: pulumi.String("operator key"), HostKey: pulumi.String("ssh-ed25519 AAAA")}
		a, err := authority.New(ctx, "edge-authority", args)
		if err != nil {
			return err
		}
		if len(a.Resources()) != 1 {
			return nil
		}
		ctx.Export("ca", a.CACertificate)
		ctx.Export("certificate", a.Certificate)
		ctx.Export("key", a.Key)
		return nil
	}
}

func TestGraph(t *testing.T) {
	for _, mode := range hosttest.Both {
		t.Run(mode.String(), func(t *testing.T) {
			e := hosttest.New().Stdout(func(hosttest.Registration) string { return printed })
			if err := e.Run(mode, program(authority.Args{Names: []string{"pictures.havre.test"}})); err != nil {
				t.Fatal(err)
			}
			want := []string{
				"urn:pulumi:test::havre::havre:authority:Authority$command:remote:Command::edge-authority-certificate",
				"urn:pulumi:test::havre::havre:authority:Authority::edge-authority",
			}
			if got := e.URNs(); !slices.Equal(got, want) {
				t.Errorf("URNs %q", got)
			}
			r, err := e.Named("edge-authority-certificate")
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(r.SecretOutputs, "stdout") || r.Text("logging") != "none" || !r.Known("create") {
				t.Errorf("secret outputs %v, logging %s", r.SecretOutputs, r.Text("logging"))
			}
			exports := e.Exports()
			if mode == hosttest.Unknown {
				return
			}
			if got := exports["ca"]; !got.IsString() || got.StringValue() != "-----CA-----\n" {
				t.Errorf("the authority's certificate is %v", got)
			}
			if got := exports["certificate"]; !got.IsString() || got.StringValue() != "-----LEAF-----\n" {
				t.Errorf("the certificate is %v", got)
			}
			if got := exports["key"]; !got.IsSecret() {
				t.Errorf("the key is not secret: %v", got.TypeString())
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		names  []string
		stdout string
		want   string
	}{
		"names":     {nil, printed, "authority edge-authority: names: none given; give the names under which the server is asked"},
		"no bundle": {[]string{"a.test"}, "-----PRIVATE-----", "the authority's host did not print a bundle; run pulumi up again"},
		"half":      {[]string{"a.test"}, `{"key":"-----PRIVATE-----"}`, "the authority's host printed a bundle without authority, certificate or key; run pulumi up again"},
	} {
		err := hosttest.New().Stdout(func(hosttest.Registration) string { return test.stdout }).Run(hosttest.Known, program(authority.Args{Names: test.names}))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: the error has the key", name)
		}
	}
}
