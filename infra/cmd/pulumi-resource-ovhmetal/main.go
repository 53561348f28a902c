// Command pulumi-resource-ovhmetal is the Pulumi plugin that orders, installs and connects machines at OVHcloud. Pulumi starts it; see
// components/ovh/provider for what it reads from the environment.
package main

import (
	"context"
	"fmt"
	"os"

	"havre/components/ovh/provider"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	options, err := provider.FromEnvironment(os.Getenv)
	if err != nil {
		return err
	}
	p, err := provider.New(options)
	if err != nil {
		return err
	}
	return p.Run(context.Background(), provider.Name, provider.Version)
}
