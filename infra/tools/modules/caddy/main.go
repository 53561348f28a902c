// Command caddy is Caddy with its standard modules and four things of ours: certificate storage in an S3 bucket, shared by all edge nodes; a source of upstreams that
// outlives its resolver; a command that waits until pods can be reached; and a listener that cuts nobody off when it ends.
//
// A socket of Multipath TCP takes no filter, which leave needs.
//
//go:debug multipathtcp=0
package main

import (
	_ "time/tzdata"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "havre/infra/tools/modules/caddy/leave"
	_ "havre/infra/tools/modules/caddy/objects"
	_ "havre/infra/tools/modules/caddy/pods"
	_ "havre/infra/tools/modules/caddy/reach"
)

func main() { caddycmd.Main() }
