// Package edge proves the entrance with real processes on loopback: several edge nodes, each our Caddy with the configuration that production renders, before one bucket; an ACME
// authority that really looks at its challenges (pebble); the permission service; and Cloudflare's simulator, whose monitors look at the nodes and whose answers lead the authority
// and the readers.
//
// What one would get wrong: nothing here is root's or leaves the machine, but Caddy must be built, so it runs with the tag e2e and belongs to make test.
package edge
