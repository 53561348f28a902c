package hosttest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-command/sdk/go/command/remote"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/hosttest"
)

type component struct{ pulumi.ResourceState }

type thing struct {
	pulumi.CustomResourceState
	Made pulumi.StringOutput `pulumi:"made"`
}

func register(ctx *pulumi.Context, token, name string, in pulumi.Map, opts ...pulumi.ResourceOption) (*thing, error) {
	var c thing
	return &c, ctx.RegisterResource(token, name, in, &c, opts...)
}

// What the engine must refuse: were one of these to pass, every graph test would prove less than it says.
func TestStrictness(t *testing.T) {
	command := func(change func(*remote.CommandArgs, *remote.ConnectionArgs)) pulumi.RunFunc {
		return func(ctx *pulumi.Context) error {
			c := &remote.ConnectionArgs{Host: pulumi.String("h"), HostKey: pulumi.String("k"), PrivateKey: pulumi.ToSecret(pulumi.String("p")).(pulumi.StringOutput).ToStringPtrOutput()}
			a := &remote.CommandArgs{Create: pulumi.String("true"), Logging: remote.LoggingNone}
			change(a, c)
			a.Connection = c
			_, err := remote.NewCommand(ctx, "c", a)
			return err
		}
	}
	for _, c := range []struct {
		name    string
		program pulumi.RunFunc
		want    string
	}{
		{"sound", command(func(*remote.CommandArgs, *remote.ConnectionArgs) {}), ""},
		{"unknown type", func(ctx *pulumi.Context) error { _, err := register(ctx, "aws:s3:Bucket", "b", nil); return err },
			"resource b: type aws:s3:Bucket is unknown to this test; declare it with Handle"},
		{"unknown invoke", func(ctx *pulumi.Context) error {
			var out map[string]any
			return ctx.Invoke("aws:index:getAmi", &struct{}{}, &out)
		}, "invoke aws:index:getAmi is unknown to this test; declare it with Invoke"},
		{"foreign component", func(ctx *pulumi.Context) error { return ctx.RegisterComponentResource("my:thing", "x", &component{}) },
			"component x: type my:thing is not of the form havre:package:Type; take it from components/naming"},
		{"unknown input", func(ctx *pulumi.Context) error {
			_, err := register(ctx, "test:a:Thing", "a", pulumi.Map{"size": pulumi.Int(1), "colour": pulumi.String("red")})
			return err
		}, "test:a:Thing a has no input colour; it takes size"},
		{"missing input", func(ctx *pulumi.Context) error { _, err := register(ctx, "test:a:Thing", "a", nil); return err },
			"test:a:Thing a lacks its input size"},
		{"twice", func(ctx *pulumi.Context) error {
			if _, err := register(ctx, "test:a:Thing", "a", pulumi.Map{"size": pulumi.Int(1)}); err != nil {
				return err
			}
			_, err := register(ctx, "test:a:Thing", "a", pulumi.Map{"size": pulumi.Int(1)})
			return err
		}, "registered twice"},
		{"no host key", command(func(_ *remote.CommandArgs, c *remote.ConnectionArgs) { c.HostKey = nil }), "its connection lacks hostKey"},
		{"no create", command(func(a *remote.CommandArgs, _ *remote.ConnectionArgs) { a.Create = nil }), "command:remote:Command c lacks its input create"},
		{"open stdin", command(func(a *remote.CommandArgs, _ *remote.ConnectionArgs) { a.Stdin = pulumi.String("s") }), "its standard input is not secret"},
		{"logged stdin", command(func(a *remote.CommandArgs, _ *remote.ConnectionArgs) {
			a.Stdin = pulumi.ToSecret(pulumi.String("s")).(pulumi.StringOutput).ToStringPtrOutput()
			a.Logging = remote.LoggingStderr
		}), "it takes a secret on standard input and logs stderr"},
		{"stdin logged by default", command(func(a *remote.CommandArgs, _ *remote.ConnectionArgs) {
			a.Stdin = pulumi.ToSecret(pulumi.String("s")).(pulumi.StringOutput).ToStringPtrOutput()
			a.Logging = nil
		}), "it takes a secret on standard input and logs stdoutAndStderr"},
		{"secret script", command(func(a *remote.CommandArgs, _ *remote.ConnectionArgs) {
			a.Create = pulumi.ToSecret(pulumi.String("s")).(pulumi.StringOutput).ToStringPtrOutput()
		}), "its create is secret; secrets go to standard input, scripts are read in previews"},
		{"logging", command(func(a *remote.CommandArgs, _ *remote.ConnectionArgs) { a.Logging = remote.Logging("loud") }),
			`logging "loud" is not one of none stderr stdout stdoutAndStderr`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := hosttest.New().Handle("test:a:Thing", hosttest.Handler{Inputs: []string{"size"}, Required: []string{"size"}})
			err := e.Run(hosttest.Known, c.program)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestOutputsAndDependencies(t *testing.T) {
	for _, mode := range hosttest.Both {
		t.Run(mode.String(), func(t *testing.T) {
			e := hosttest.New().Stack("prod").
				Handle("test:*", hosttest.Handler{}).
				Handle("test:a:*", hosttest.Handler{Outputs: func(r hosttest.Registration) resource.PropertyMap {
					return resource.PropertyMap{"made": resource.NewProperty("by " + r.Name)}
				}})
			err := e.Run(mode, func(ctx *pulumi.Context) error {
				parent := &component{}
				if err := ctx.RegisterComponentResource("havre:test:Parent", "p", parent); err != nil {
					return err
				}
				a, err := register(ctx, "test:a:Thing", "a", nil, pulumi.Parent(parent), pulumi.AdditionalSecretOutputs([]string{"made"}))
				if err != nil {
					return err
				}
				b, err := register(ctx, "test:b:Thing", "b", pulumi.Map{"from": a.Made, "fixed": pulumi.String("yes")}, pulumi.DeletedWith(a))
				if err != nil {
					return err
				}
				_, err = register(ctx, "test:c:Thing", "c", nil, pulumi.DependsOn([]pulumi.Resource{b}))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			want := []string{
				"urn:pulumi:prod::havre::havre:test:Parent$test:a:Thing::a", "urn:pulumi:prod::havre::havre:test:Parent::p",
				"urn:pulumi:prod::havre::test:b:Thing::b", "urn:pulumi:prod::havre::test:c:Thing::c",
			}
			if got := e.URNs(); !slices.Equal(got, want) {
				t.Errorf("URNs %v", got)
			}
			b, err := e.Named("b")
			if err != nil {
				t.Fatal(err)
			}
			if b.Known("from") != (mode == hosttest.Known) || !b.Known("fixed") {
				t.Errorf("from is known: %v, fixed is known: %v", b.Known("from"), b.Known("fixed"))
			}
			if mode == hosttest.Known && (b.Text("from") != "by a" || !b.Secret("from") || strings.Contains(b.Clear(), "by a") || !strings.Contains(b.Clear(), "yes")) {
				t.Errorf("from is %q, clear is %q", b.Text("from"), b.Clear())
			}
			if !slices.Equal(b.DependsOn, []string{"a"}) || !slices.Equal(b.PropertyDependsOn["from"], []string{"a"}) || b.DeletedWith != "a" {
				t.Errorf("depends on %v %v, deleted with %s", b.DependsOn, b.PropertyDependsOn, b.DeletedWith)
			}
			if c, err := e.Named("c"); err != nil || !slices.Equal(c.DependsOn, []string{"b"}) {
				t.Errorf("c depends on %v (%v)", c.DependsOn, err)
			}
			if _, err := e.Named("d"); err == nil || err.Error() != "want one resource d, there are 0; all: a b c" {
				t.Errorf("got %v", err)
			}
		})
	}
}
