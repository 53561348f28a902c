// Command benchprogram is the Pulumi program that the bench measures: the platform on a fleet of a given size, or the floor beside it. It is told by its
// environment, because that is all a program inherits from the engine that costs nothing.
package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"runtime/pprof"
	"strconv"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-command/sdk/go/command/remote"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host"
	"havre/infra/bench"
	"havre/infra/bench/bootstrap"
	"havre/infra/bench/fleet"
	"havre/infra/platform"
)

func main() { pulumi.Run(program) }

func program(ctx *pulumi.Context) error {
	if path := os.Getenv(bench.ProfileVariable); path != "" {
		file, err := os.Create(path)
		if err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		// Registrations go on after this function, until the engine has answered them all; those few are not in the profile.
		defer pprof.StopCPUProfile()
	}
	switch what := os.Getenv(bench.WhatVariable); what {
	case bench.Platform, bench.Hosts:
		hosts, err := number(bench.HostsVariable)
		if err != nil {
			return err
		}
		stack, err := fleet.Of(hosts)
		if err != nil {
			return err
		}
		deploy := platform.Deploy
		if what == bench.Hosts {
			deploy = platform.DeployHosts
		}
		return deploy(ctx, stack, os.Getenv(platform.OverlayVariable))
	case bench.Bootstrap:
		told, err := bootstrap.Load()
		if err != nil {
			return err
		}
		key, err := privateKey()
		if err != nil {
			return err
		}
		return bootstrap.Deploy(ctx, told, key)
	case bench.Floor:
		return floor(ctx)
	case bench.Kind:
		return kind(ctx)
	default:
		return fmt.Errorf("%s is %q; wanted %s, %s, %s, %s or %s: run make bench", bench.WhatVariable, what, bench.Platform, bench.Hosts, bench.Bootstrap, bench.Floor, bench.Kind)
	}
}

// count reads how many components and resources a floor has.
func count() (components, resources int, err error) {
	if components, err = number(bench.ComponentsVariable); err != nil {
		return 0, 0, err
	}
	resources, err = number(bench.ResourcesVariable)
	return components, resources, err
}

// nothing is a component without anything in it.
func nothing(ctx *pulumi.Context, i int) (*pulumi.ResourceState, error) {
	var c pulumi.ResourceState
	if err := ctx.RegisterComponentResource("havre:bench:Nothing", fmt.Sprintf("nothing-%d", i), &c); err != nil {
		return nil, err
	}
	// As every component ends: without this the engine takes it for unfinished.
	return &c, ctx.RegisterResourceOutputs(&c, pulumi.Map{})
}

// trivial is a command that does nothing.
func trivial(ctx *pulumi.Context, i int, opts ...pulumi.ResourceOption) (*local.Command, error) {
	return local.NewCommand(ctx, fmt.Sprintf("trivial-%d", i), &local.CommandArgs{Create: pulumi.String("true")}, opts...)
}

// floor registers components without anything in them, and commands that do nothing.
func floor(ctx *pulumi.Context) error {
	components, resources, err := count()
	if err != nil {
		return err
	}
	for i := range components {
		if _, err := nothing(ctx, i); err != nil {
			return err
		}
	}
	for i := range resources {
		if _, err := trivial(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// kind registers the same in the platform's shape: what is in the state of any resource over SSH, whatever it does. Each lies in a component, and has a connection as
// long as the platform's, of which the address comes from one resource and the user from another, as from a server and its installation.
func kind(ctx *pulumi.Context) error {
	components, resources, err := count()
	if err != nil {
		return err
	}
	remotes, err := number(bench.RemotesVariable)
	if err != nil {
		return err
	}
	address, err := netip.ParseAddrPort(os.Getenv(bench.AddressVariable))
	if err != nil {
		return fmt.Errorf("%s: %w; run make bench", bench.AddressVariable, err)
	}
	key, err := privateKey()
	if err != nil {
		return err
	}
	parents := make([]pulumi.ResourceOption, components)
	for i := range components {
		c, err := nothing(ctx, i)
		if err != nil {
			return err
		}
		parents[i] = pulumi.Parent(c)
	}
	locals := make([]*local.Command, resources-remotes)
	for i := range locals {
		if locals[i], err = trivial(ctx, i, parents[i%components]); err != nil {
			return err
		}
	}
	// after is a value that comes from a resource.
	after := func(i int, value string) pulumi.StringOutput {
		return locals[i%len(locals)].Stdout.ApplyT(func(string) string { return value }).(pulumi.StringOutput)
	}
	private := pulumi.ToSecret(pulumi.String(host.PrivateKey(key))).(pulumi.StringOutput)
	for i := range remotes {
		if _, err := remote.NewCommand(ctx, fmt.Sprintf("trivial-remote-%d", i), &remote.CommandArgs{
			Connection: remote.ConnectionArgs{
				Host: after(2*i, address.Addr().String()), Port: pulumi.Float64(address.Port()), User: pulumi.String(host.DefaultUser),
				PrivateKey: private.ToStringPtrOutput(), HostKey: after(2*i+1, os.Getenv(bench.HostKeyVariable)).ToStringPtrOutput(),
				DialErrorLimit: pulumi.Int(40), PerDialTimeout: pulumi.Int(10),
			},
			Create: pulumi.String("true"),
		}, parents[i%components]); err != nil {
			return err
		}
	}
	return nil
}

// privateKey is the administrator's, from the settings.
func privateKey() (string, error) {
	var keys struct{ SSHPrivateKey string }
	text, err := os.ReadFile(os.Getenv(platform.OverlayVariable))
	if err == nil {
		err = json.Unmarshal(text, &keys)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w; run make bench", platform.OverlayVariable, err)
	}
	return keys.SSHPrivateKey, nil
}

func number(variable string) (int, error) {
	value, err := strconv.Atoi(os.Getenv(variable))
	if err != nil {
		return 0, fmt.Errorf("%s: %w; run make bench", variable, err)
	}
	return value, nil
}
