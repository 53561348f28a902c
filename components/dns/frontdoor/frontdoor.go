// Package frontdoor holds the addresses from which Cloudflare's front door comes to an origin.
//
// What a reader would get wrong: believing a header that names the client is only right from these addresses, and only for names that stand behind the front door. The list
// changes seldom, and an address that is missing makes its readers look like Cloudflare itself: nobody is let in by mistake. One that Cloudflare gave up would let its new
// owner say who a reader is. The list here is the well-known one, written down without looking at [Source]: compare the two before production, and from time to time. A
// stack that knows better gives its own in DNS.FrontDoor.
package frontdoor

import "net/netip"

// Source is where Cloudflare publishes the ranges, one text a family: ips-v4 and ips-v6.
const Source = "https://www.cloudflare.com/ips/"

// ClientHeader is what the front door names the client in; it replaces what a client sent itself.
const ClientHeader = "CF-Connecting-IP"

// Ranges are the networks of both families. The caller owns the slice.
func Ranges() []netip.Prefix {
	texts := []string{
		"173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22", "141.101.64.0/18", "108.162.192.0/18", "190.93.240.0/20", "188.114.96.0/20",
		"197.234.240.0/22", "198.41.128.0/17", "162.158.0.0/15", "104.16.0.0/13", "104.24.0.0/14", "172.64.0.0/13", "131.0.72.0/22",
		"2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2405:b500::/32", "2405:8100::/32", "2a06:98c0::/29", "2c0f:f248::/32",
	}
	ranges := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		ranges[i] = netip.MustParsePrefix(text)
	}
	return ranges
}
