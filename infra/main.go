// Command infra is the Pulumi program: it describes the stack that is selected, from the servers it orders to the picture it serves.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/infra/platform"
)

func main() { pulumi.Run(platform.Program) }
