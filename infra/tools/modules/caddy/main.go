// Command caddy is Caddy with its standard modules and two of ours: certificate storage in an S3 bucket, shared by all edge nodes, and a source of upstreams that outlives
// its resolver.
package main

import (
	_ "time/tzdata"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "havre/infra/tools/modules/caddy/objects"
	_ "havre/infra/tools/modules/caddy/pods"
)

func main() { caddycmd.Main() }
