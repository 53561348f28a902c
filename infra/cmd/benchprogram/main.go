// Command benchprogram is the Pulumi program that the bench measures: the platform on a fleet of a given size, or the floor beside it. It is told by its
// environment, because that is all a program inherits from the engine that costs nothing.
package main

import (
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/infra/bench"
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
	case bench.Floor:
		return floor(ctx)
	default:
		return fmt.Errorf("%s is %q; wanted %s, %s or %s: run make bench", bench.WhatVariable, what, bench.Platform, bench.Hosts, bench.Floor)
	}
}

// floor registers components without anything in them, and commands that do nothing.
func floor(ctx *pulumi.Context) error {
	components, err := number(bench.ComponentsVariable)
	if err != nil {
		return err
	}
	resources, err := number(bench.ResourcesVariable)
	if err != nil {
		return err
	}
	for i := range components {
		var c pulumi.ResourceState
		if err := ctx.RegisterComponentResource("havre:bench:Nothing", fmt.Sprintf("nothing-%d", i), &c); err != nil {
			return err
		}
		// As every component ends: without this the engine takes it for unfinished.
		if err := ctx.RegisterResourceOutputs(&c, pulumi.Map{}); err != nil {
			return err
		}
	}
	for i := range resources {
		if _, err := local.NewCommand(ctx, fmt.Sprintf("trivial-%d", i), &local.CommandArgs{Create: pulumi.String("true")}); err != nil {
			return err
		}
	}
	return nil
}

func number(variable string) (int, error) {
	value, err := strconv.Atoi(os.Getenv(variable))
	if err != nil {
		return 0, fmt.Errorf("%s: %w; run make bench", variable, err)
	}
	return value, nil
}
