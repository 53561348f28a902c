// Command pulumi-resource-cloudflare is a drop-in for the official plugin of that name, for machines that cannot have that one: the resources that
// havre uses, with the same tokens, inputs, outputs and life cycle. What one would get wrong: it adds nothing to the official one, so that a program
// never comes to depend on it.
package main

import (
	"context"
	"fmt"
	"os"

	"havre/infra/tools/cloudflare-plugin/provider"
	"havre/infra/tools/pluginlife/serve"
)

func main() {
	cloudflare, err := provider.New()
	if err == nil {
		err = serve.Run(context.Background(), provider.Name, provider.Version, cloudflare)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-cloudflare:", err)
		os.Exit(1)
	}
}
