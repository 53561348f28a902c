package host_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"golang.org/x/crypto/ssh"

	"havre/components/host"
	"havre/components/host/hosttest"
	"havre/components/host/script"
)

const privateKey = "-----BEGIN OPENSSH PRIVATE KEY-----\nnever in clear\n-----END OPENSSH PRIVATE KEY-----\n"

func connection() host.Connection {
	return host.Connection{
		Address:    pulumi.String("198.51.100.11"),
		PrivateKey: pulumi.String(privateKey),
		HostKey:    pulumi.String("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample"),
	}
}

func TestCommand(t *testing.T) {
	for _, mode := range hosttest.Both {
		t.Run(mode.String(), func(t *testing.T) {
			e := hosttest.New()
			err := e.Run(mode, func(ctx *pulumi.Context) error {
				_, err := host.NewCommand(ctx, "gra-worker-2-thing", host.CommandArgs{
					Connection: connection(),
					Create:     pulumi.String("true\n"),
					Delete:     pulumi.String("rm -f /thing\n"),
				})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			r, err := e.Named("gra-worker-2-thing")
			if err != nil {
				t.Fatal(err)
			}
			if r.Text("create") != script.AsRoot("true\n") || r.Text("delete") != script.AsRootIfInstalled("rm -f /thing\n") {
				t.Errorf("create %q, delete %q", r.Text("create"), r.Text("delete"))
			}
			for path, want := range map[string]any{
				"connection.host": "198.51.100.11", "connection.user": "debian", "connection.port": 22.0, "connection.privateKey": privateKey,
				"connection.hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample", "connection.dialErrorLimit": 40.0, "connection.perDialTimeout": 10.0,
				"logging": nil, "addPreviousOutputInEnv": false, "update": nil, "stdin": nil, "triggers": nil,
			} {
				if got := r.Value(path); got.V != want {
					t.Errorf("%s is %v, want %v", path, got.V, want)
				}
			}
			if !r.Secret("connection.privateKey") || strings.Contains(r.Clear(), "never in clear") {
				t.Error("the private key is not secret")
			}
		})
	}
}

func TestCommandSecrets(t *testing.T) {
	for _, mode := range hosttest.Both {
		t.Run(mode.String(), func(t *testing.T) {
			e := hosttest.New().Stdout(func(hosttest.Registration) string { return "token" })
			err := e.Run(mode, func(ctx *pulumi.Context) error {
				c, err := host.NewCommand(ctx, "gra-cp-0-invitation", host.CommandArgs{
					Connection:   connection(),
					Create:       pulumi.String("cat"),
					SecretOutput: true,
				})
				if err != nil {
					return err
				}
				join, err := host.NewCommand(ctx, "gra-worker-2-join", host.CommandArgs{
					Connection: connection(),
					Create:     pulumi.String("cat"),
					Stdin:      c.Stdout,
					Triggers:   []pulumi.Input{pulumi.String("content")},
				}, pulumi.DependsOn([]pulumi.Resource{c.Resource}))
				if err != nil {
					return err
				}
				ctx.Export("out", join.Stdout)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			invitation, err := e.Named("gra-cp-0-invitation")
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(invitation.SecretOutputs, []string{"connection", "stderr", "stdout"}) || invitation.Text("logging") != "none" {
				t.Errorf("secret outputs %v, logging %s", invitation.SecretOutputs, invitation.Text("logging"))
			}
			join, err := e.Named("gra-worker-2-join")
			if err != nil {
				t.Fatal(err)
			}
			if join.Text("logging") != "none" || !slices.Equal(join.DependsOn, []string{"gra-cp-0-invitation"}) {
				t.Errorf("logging %s, depends on %v", join.Text("logging"), join.DependsOn)
			}
			if mode == hosttest.Known && (join.Text("stdin") != "token" || !join.Secret("stdin") || strings.Contains(join.Clear(), "token")) {
				t.Error("standard input is not the secret")
			}
			if mode == hosttest.Unknown && join.Known("stdin") {
				t.Error("standard input is known before the invitation")
			}
			if got := join.Value("triggers"); !got.IsArray() || got.ArrayValue()[0].V != "content" {
				t.Errorf("triggers %v", got)
			}
		})
	}
}

// A script that is an output is wrapped too, and the text is the same.
// TestHeldHost: a host that runs another system keeps its commands as they are, and loses none of them.
func TestHeldHost(t *testing.T) {
	e := hosttest.New()
	err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error {
		held := connection()
		held.Held = true
		for name, args := range map[string]host.CommandArgs{
			"plain":  {Connection: connection(), Create: pulumi.String("true")},
			"frozen": {Connection: connection(), Create: pulumi.String("true"), Frozen: true},
			"held":   {Connection: held, Create: pulumi.String("true")},
		} {
			if _, err := host.NewCommand(ctx, name, args); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"plain": "[] false", "frozen": "[*] false", "held": "[*] true"} {
		r, err := e.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(r.IgnoreChanges, r.RetainOnDelete); got != want {
			t.Errorf("%s: ignores changes of, is retained: %s; want %s", name, got, want)
		}
	}
}

func TestCommandWithLateScript(t *testing.T) {
	e := hosttest.New()
	if err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error {
		_, err := host.NewCommand(ctx, "a", host.CommandArgs{Connection: connection(), Create: pulumi.String("late").ToStringOutput()})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if r, err := e.Named("a"); err != nil || r.Text("create") != script.AsRoot("late") {
		t.Fatalf("%v %q", err, r.Text("create"))
	}
}

// What is done once names no version of the code, so that it is not done again with another.
func TestCommandOnce(t *testing.T) {
	e := hosttest.New()
	if err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error {
		_, err := host.NewCommand(ctx, "a", host.CommandArgs{
			Connection: connection(), Library: []string{"cluster.sh"}, Once: true, Create: pulumi.String("c"), Update: pulumi.String("u"), Delete: pulumi.String("d"),
		})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	r, err := e.Named("a")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"create": script.AsRootInstalled("c", "cluster.sh"), "update": script.AsRootInstalled("u", "cluster.sh"), "delete": script.AsRootIfInstalled("d", "cluster.sh"),
	} {
		if got := r.Text(key); got != want {
			t.Errorf("%s is %s", key, got)
		}
	}
}

func TestPrivateKey(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	long := string(pem.EncodeToMemory(block))
	short := host.PrivateKey(long)
	signer, err := ssh.ParsePrivateKey([]byte(short))
	if err != nil {
		t.Fatal(err)
	}
	want, err := ssh.NewPublicKey(public)
	if err != nil || !bytes.Equal(signer.PublicKey().Marshal(), want.Marshal()) {
		t.Errorf("another key: %v", err)
	}
	if len(short)*3 > len(long) || host.PrivateKey(short) != short || host.PrivateKey("rubbish") != "rubbish" {
		t.Errorf("%d bytes of %d; %q", len(short), len(long), host.PrivateKey("rubbish"))
	}
}

func TestCommandRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*host.CommandArgs)
		want   string
	}{
		{"no address", func(a *host.CommandArgs) { a.Connection.Address = nil },
			"command c: connection has no address; give the host's public IPv4 address"},
		{"no key", func(a *host.CommandArgs) { a.Connection.PrivateKey = nil },
			"command c: connection has no private key; give the administrator's OpenSSH key"},
		{"no host key", func(a *host.CommandArgs) { a.Connection.HostKey = nil },
			"command c: connection has no host key; give the key pinned at installation, an unpinned host is never dialled"},
		{"port", func(a *host.CommandArgs) { a.Connection.Port = 65536 },
			"command c: connection port 65536 is outside 1–65535; leave it 0 for 22"},
		{"library", func(a *host.CommandArgs) { a.Library = []string{"base.sh", "magic.sh"} },
			`command c: library has no file "magic.sh"; put it into components/host/script/library`},
		{"no script", func(a *host.CommandArgs) { a.Create = nil },
			"command c: command has no create script; give the text to run"},
		{"several", func(a *host.CommandArgs) { a.Connection.Port = -1; a.Create = nil },
			"command c: connection port -1 is outside 1–65535; leave it 0 for 22\ncommand has no create script; give the text to run"},
	} {
		e := hosttest.New()
		var got error
		if err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error {
			args := host.CommandArgs{Connection: connection(), Create: pulumi.String("true")}
			c.change(&args)
			_, got = host.NewCommand(ctx, "c", args)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got == nil || got.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.name, got, c.want)
		}
		if n := len(e.Registrations()); n != 0 {
			t.Errorf("%s: %d resources were registered all the same", c.name, n)
		}
	}
}

func TestBase(t *testing.T) {
	for _, mode := range hosttest.Both {
		t.Run(mode.String(), func(t *testing.T) {
			e := hosttest.New()
			args := host.Args{Connection: connection()}
			if err := e.Run(mode, func(ctx *pulumi.Context) error {
				b, err := host.New(ctx, "gra-worker-2", args)
				if err != nil {
					return err
				}
				if len(b.Resources()) != 1 {
					t.Errorf("resources %v", b.Resources())
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			want := []string{
				"urn:pulumi:test::havre::havre:host:Base$command:remote:Command::gra-worker-2-base",
				"urn:pulumi:test::havre::havre:host:Base$command:remote:CopyToRemote::gra-worker-2-library",
				"urn:pulumi:test::havre::havre:host:Base::gra-worker-2",
			}
			if got := e.URNs(); !slices.Equal(got, want) {
				t.Errorf("got %v", got)
			}
			r, err := e.Named("gra-worker-2-base")
			if err != nil {
				t.Fatal(err)
			}
			text, err := (script.Base{Hostname: "gra-worker-2"}).Render()
			if err != nil || r.Text("create") != script.AsRoot(text, script.BaseFiles...) {
				t.Errorf("the script is not the rendered one: %v", err)
			}
			if !r.Value("delete").IsNull() || !r.Value("triggers").IsNull() {
				t.Error("the base set-up has a delete or triggers")
			}
			if !slices.Equal(r.DependsOn, []string{"gra-worker-2-library"}) {
				t.Errorf("the base set-up depends on %v", r.DependsOn)
			}
			library, err := e.Named("gra-worker-2-library")
			if err != nil {
				t.Fatal(err)
			}
			from := library.Value("source").ArchiveValue().Path
			// Pulumi runs the program in infra/.
			if _, err := os.Stat(filepath.Join("../../infra", from, "run")); err != nil {
				t.Errorf("the library is not at %s from the program's folder: %v", from, err)
			}
			if again := library.Value("triggers"); library.Text("remotePath") != "havre" || !again.IsArray() || again.ArrayValue()[0].V != "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample" {
				t.Errorf("copied to %s, again with %v", library.Text("remotePath"), again)
			}
			if args.Base.Hostname != "" {
				t.Error("the caller's Args changed")
			}
		})
	}
}

func TestBaseRefuses(t *testing.T) {
	e := hosttest.New()
	err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error {
		_, err := host.New(ctx, "gra-worker-2", host.Args{Base: script.Base{
			Private: &script.Private{Address: netip.MustParsePrefix("10.90.0.12/16"), MAC: []byte{1}},
		}})
		return err
	})
	want := "host gra-worker-2: private interface: MAC \"01\" is not six bytes; take the one the provider lists for the private interface\n" +
		"connection has no address; give the host's public IPv4 address\n" +
		"connection has no private key; give the administrator's OpenSSH key\n" +
		"connection has no host key; give the key pinned at installation, an unpinned host is never dialled"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if len(e.Registrations()) != 0 {
		t.Error("something was registered")
	}
}

func TestPrivateMACCompletesTheBase(t *testing.T) {
	for _, mode := range hosttest.Both {
		t.Run(mode.String(), func(t *testing.T) {
			e := hosttest.New().Handle("test:index:Vrack", hosttest.Handler{Outputs: func(hosttest.Registration) resource.PropertyMap {
				return resource.NewPropertyMapFromMap(map[string]any{"mac": "02:00:00:00:00:2a"})
			}})
			err := e.Run(mode, func(ctx *pulumi.Context) error {
				var vrack struct {
					pulumi.CustomResourceState
					MAC pulumi.StringOutput `pulumi:"mac"`
				}
				if err := ctx.RegisterResource("test:index:Vrack", "gra-worker-2-vrack", pulumi.Map{}, &vrack); err != nil {
					return err
				}
				_, err := host.New(ctx, "gra-worker-2", host.Args{
					Connection: host.Connection{Address: pulumi.String("198.51.100.12"), PrivateKey: pulumi.String("key"), HostKey: pulumi.String("ssh-ed25519 AAAA")},
					Base:       script.Base{Private: &script.Private{Address: netip.MustParsePrefix("10.90.0.12/16")}},
					PrivateMAC: vrack.MAC,
				})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			base, err := e.Named("gra-worker-2-base")
			if err != nil {
				t.Fatal(err)
			}
			if known := base.Known("create"); known != (mode == hosttest.Known) {
				t.Errorf("the script is known: %t", known)
			}
			if mode == hosttest.Known && !strings.Contains(base.Text("create"), "02:00:00:00:00:2a") {
				t.Errorf("the MAC is not in the script:\n%s", base.Text("create"))
			}
		})
	}
}

func TestPrivateMACRefuses(t *testing.T) {
	args := host.Args{
		Connection: connection(),
		Base:       script.Base{Private: &script.Private{Address: netip.MustParsePrefix("10.90.0.12/16")}},
		PrivateMAC: pulumi.String("02:00:5E:00:00:0C").ToStringOutput(),
	}
	e := hosttest.New()
	for _, c := range []struct {
		name   string
		change func(*host.Args)
		want   string
	}{
		{"no interface", func(a *host.Args) { a.Base.Private = nil },
			"host gra-worker-2: a MAC for the private network and no address on it; give Base.Private its address, or leave PrivateMAC nil"},
		{"MTU", func(a *host.Args) { a.Base.Private = &script.Private{MTU: 9001, Address: a.Base.Private.Address} },
			"host gra-worker-2: private interface: MTU 9001 is outside 1360–9000; leave it 0 for 1500"},
		{"bad MAC", func(a *host.Args) { a.PrivateMAC = pulumi.String("eth1") },
			`host gra-worker-2: private interface: MAC "eth1": address eth1: invalid MAC address; it comes from the server's attachment to the vRack`},
	} {
		a := args
		c.change(&a)
		err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error { _, err := host.New(ctx, "gra-worker-2", a); return err })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.name, err, c.want)
		}
	}
}
