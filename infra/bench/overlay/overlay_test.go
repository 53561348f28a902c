package overlay

import (
	"strings"
	"testing"
)

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		name              string
		pods, mesh, extra int
		want              Way
	}{
		{"the platform's", 1410, 1420, 0, Way{MTU: 1410, Payload: 1358, Wire: 1480}},
		{"in a VXLAN", 1420 - Overhead, 1420, Overhead, Way{MTU: 1370, Payload: 1318, Wire: 1480}},
		{"filled up", 1281, 1420, 0, Way{MTU: 1281, Payload: 1229, Wire: 1356}},
		{"a multiple of 16", 1280, 1420, 0, Way{MTU: 1280, Payload: 1228, Wire: 1340}},
	} {
		if got := sizes(c.pods, c.mesh, c.extra); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
	if Overhead != 50 {
		t.Errorf("a VXLAN adds %d bytes; it is 50 over IPv4", Overhead)
	}
}

// Both pods have an address on each way, at the MTU of that way, and nothing of the lab is in a range of the sandbox.
func TestInside(t *testing.T) {
	before, after, pod := sides[0].inside(sides[1], Options{MeshMTU: 1420, PodsMTU: 1410}, 1370)
	all := strings.Join(links(), "\n") + "\n" + strings.Join(before, "\n") + "\n" + strings.Join(after, "\n") + "\n" + strings.Join(pod, "\n")
	for _, line := range []string{
		"link set eth0 mtu 1410 up", "link set eth1 mtu 1370 up", "link set hvbwg0 mtu 1420 up", "link set overlay mtu 1370 up",
		"route add 198.18.2.0/24 dev hvbwg0 mtu 1410", "route add 198.19.2.0/24 via 198.19.0.2", "address add 198.19.1.2/24 dev eth1",
		"link add overlay type vxlan id 1 local 198.18.0.1 remote 198.18.0.2 dstport 8472 dev hvbwg0",
	} {
		if !strings.Contains("\n"+all+"\n", "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, all)
		}
	}
	for _, used := range []string{"198.51.", " 10."} {
		if strings.Contains(all, used) {
			t.Errorf("%q is the sandbox's:\n%s", used, all)
		}
	}
	for _, p := range []path{native, tunnelled} {
		if p.pod(sides[0]) == p.pod(sides[1]) || !strings.HasPrefix(p.pod(sides[1]), p.network+".2.") {
			t.Errorf("%s: pods %s and %s", p.name, p.pod(sides[0]), p.pod(sides[1]))
		}
	}
}

func TestMiddle(t *testing.T) {
	if middle(nil) != 0 || middle([]float64{3, 1, 2}) != 2 || middle([]float64{2, 1}) != 2 {
		t.Error("the middle of a list is not its median")
	}
}
