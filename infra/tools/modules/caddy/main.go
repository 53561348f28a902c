// Command caddy is Caddy with its standard modules and one of ours: certificate storage in an S3 bucket, shared by all edge nodes.
package main

import (
	_ "time/tzdata"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "havre/infra/tools/modules/caddy/objects"
)

func main() { caddycmd.Main() }
