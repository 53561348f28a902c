package frontdoor_test

import (
	"net/netip"
	"testing"

	"havre/components/dns/frontdoor"
)

func TestRangesAreNetworksOfTheirOwn(t *testing.T) {
	ranges := frontdoor.Ranges()
	v4 := 0
	for i, p := range ranges {
		if p != p.Masked() {
			t.Errorf("%s has host bits", p)
		}
		if p.Addr().Is4() {
			v4++
		}
		for _, other := range ranges[:i] {
			if p.Overlaps(other) {
				t.Errorf("%s and %s overlap", p, other)
			}
		}
	}
	if v4 != 15 || len(ranges) != 22 {
		t.Errorf("%d ranges, %d of them IPv4; wanted 22 and 15, as written down", len(ranges), v4)
	}
	for _, private := range []string{"10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.51.100.0/24", "fc00::/7"} {
		for _, p := range ranges {
			if p.Overlaps(netip.MustParsePrefix(private)) {
				t.Errorf("%s would believe the headers of %s", p, private)
			}
		}
	}
	ranges[0] = netip.Prefix{}
	if !frontdoor.Ranges()[0].IsValid() {
		t.Error("the caller's slice is shared")
	}
}
