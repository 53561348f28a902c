// Command pulumi-resource-kubernetes is Pulumi's own Kubernetes provider, built from its module: only this main is ours, because the
// upstream one embeds files that its release job generates.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

// version is the release of the SDK that the program is written against: the engine asks for the plugin by it.
const version = "4.23.0"

func main() {
	provider.Serve("kubernetes", version, []byte(`{"name":"kubernetes","version":"`+version+`"}`), []byte(`{}`))
}
