//go:build e2e

package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"havre/infra/sandbox/network"
	"havre/stacks"
)

const (
	// stranger is a place on the public network that belongs to nobody of the fleet.
	stranger        = "havre-stranger"
	strangerLink    = "hvstranger"
	strangerAddress = "198.51.100.250"
	// scanPort is where the stranger's packets come from.
	scanPort = 40123
	// answers are waited for so long where they must come.
	scanPatience = 30 * time.Second
)

// shut proves of every host's public address that a stranger gets an answer at the ports that the description opens and at no other, whatever listens there.
func (w *walk) shut(t *testing.T, ctx context.Context) {
	if err := w.findAddresses(ctx); err != nil {
		t.Fatal(err)
	}
	s := newScanner(t)
	for _, node := range plan(t).Members {
		// The rules are the ones that a boot brings as well.
		if out, err := w.on(ctx, node.Name, "for ((n = 0; n < 120; n++)); do [[ -e /etc/havre/firewall.new.nft ]] || break; sleep 0.5; done; cat /etc/havre/firewall.nft; ls /etc/havre/firewall*; systemctl is-enabled havre-firewall"); err != nil ||
			!strings.Contains(out, "policy drop") || strings.Contains(out, "firewall.new.nft") {
			t.Errorf("%s: its rules are not those of the next boot: %v: %s", node.Name, err, out)
		}
		want := map[string]bool{}
		for _, o := range node.Openings {
			if o.From == stacks.FromAnywhere {
				want[fmt.Sprintf("%s/%d", o.Protocol, o.Port)] = true
			}
		}
		got := s.scan(t, w.addresses[node.Name], want)
		if !maps.Equal(got, want) {
			t.Errorf("%s answers a stranger at %v, want %v", node.Name, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	}

	// The scan can fail: what listens on purpose stays shut, and is found as soon as a rule opens it.
	node := plan(t).Workers[0].Name
	listen := `for p in TCP UDP; do systemd-run --quiet --collect --unit=e2e-$p socat $p-LISTEN:9999,fork EXEC:cat; done
for ((n = 0; n < 100; n++)); do if { echo x >/dev/tcp/127.0.0.1/9999; } 2>/dev/null && ss -Hlnu sport = :9999 | grep -q .; then exit 0; fi; sleep 0.1; done; exit 1`
	if _, err := w.on(ctx, node, listen); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := w.on(context.Background(), node, "systemctl stop e2e-TCP e2e-UDP; nft -f /etc/havre/firewall.nft"); err != nil {
			t.Error(err)
		}
	})
	open := map[string]bool{}
	for _, o := range plan(t).Workers[0].Openings {
		if o.From == stacks.FromAnywhere {
			open[fmt.Sprintf("%s/%d", o.Protocol, o.Port)] = true
		}
	}
	if got := s.scan(t, w.addresses[node], open); !maps.Equal(got, open) {
		t.Errorf("%s: with a listener on a shut port it answers a stranger at %v, want %v", node, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(open)))
	}
	if _, err := w.on(ctx, node, "nft insert rule inet havre input tcp dport 9999 accept; nft insert rule inet havre input udp dport 9999 accept"); err != nil {
		t.Fatal(err)
	}
	open["tcp/9999"], open["udp/9999"] = true, true
	if got := s.scan(t, w.addresses[node], open); !maps.Equal(got, open) {
		t.Errorf("%s: with port 9999 opened the scan finds %v, want %v: it would not see an open port", node, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(open)))
	}
}

// scanner sends from the stranger's place and listens there.
type scanner struct {
	from           netip.Addr
	tcp, udp, icmp int
}

// newScanner makes the place, which goes with the test.
func newScanner(t *testing.T) *scanner {
	t.Helper()
	ip := func(args ...string) error {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	// What a killed test has left.
	_ = ip("link", "del", strangerLink)
	_ = ip("netns", "del", stranger)
	t.Cleanup(func() { _, _ = ip("link", "del", strangerLink), ip("netns", "del", stranger) })
	for _, line := range []string{
		"netns add " + stranger,
		"link add " + strangerLink + " type veth peer name eth0 netns " + stranger,
		"link set " + strangerLink + " master " + network.PublicBridge,
		"link set " + strangerLink + " up",
		"-n " + stranger + " address add " + strangerAddress + "/24 dev eth0",
		"-n " + stranger + " link set eth0 up",
	} {
		if err := ip(strings.Fields(line)...); err != nil {
			t.Fatal(err)
		}
	}
	s := &scanner{from: netip.MustParseAddr(strangerAddress)}
	opened := make(chan error)
	go func() {
		// A socket belongs to the network in which it was made. The thread is not given back, so it ends here.
		runtime.LockOSThread()
		opened <- s.open()
	}()
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = unix.Close(s.tcp), unix.Close(s.udp), unix.Close(s.icmp) })
	return s
}

func (s *scanner) open() error {
	ns, err := os.Open("/run/netns/" + stranger)
	if err != nil {
		return err
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	var errs [3]error
	s.tcp, errs[0] = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	s.udp, errs[1] = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0)
	s.icmp, errs[2] = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_NONBLOCK, unix.IPPROTO_ICMP)
	for _, fd := range []int{s.tcp, s.udp, s.icmp} {
		errs[0] = errors.Join(errs[0], unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20))
	}
	return errors.Join(append(errs[:], unix.Bind(s.udp, &unix.SockaddrInet4{Port: scanPort, Addr: s.from.As4()}))...)
}

// scan knocks at all 65535 TCP and UDP ports and gives those that answered, refusals too. It ends when the wanted ones have, which are knocked at last and again until they
// do: packets keep their order on this path, so whatever else answers has answered before.
func (s *scanner) scan(t *testing.T, address string, want map[string]bool) map[string]bool {
	t.Helper()
	to, err := netip.ParseAddr(address)
	if err != nil {
		t.Fatal(err)
	}
	answered := map[string]bool{}
	s.listen(to, map[string]bool{}) // what came late from before
	for port := 1; port <= 65535; port++ {
		s.knock(t, to, "tcp", port)
		s.knock(t, to, "udp", port)
		if port%64 == 0 {
			s.listen(to, answered)
		}
	}
	last := map[string]bool{}
	for end := time.Now().Add(scanPatience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		s.listen(to, last)
		if containsAll(last, want) {
			break
		}
		for name := range want {
			protocol, text, _ := strings.Cut(name, "/")
			var port int
			if _, err := fmt.Sscan(text, &port); err != nil {
				t.Fatal(err)
			}
			s.knock(t, to, protocol, port)
		}
	}
	maps.Copy(answered, last)
	return answered
}

func containsAll(have, want map[string]bool) bool {
	for name := range want {
		if !have[name] {
			return false
		}
	}
	return true
}

// knock begins a connection, or sends a datagram that QUIC must answer: one of a version that does not exist (RFC 9000, 6.1).
func (s *scanner) knock(t *testing.T, to netip.Addr, protocol string, port int) {
	t.Helper()
	packet, fd, at := []byte("knock"), s.udp, &unix.SockaddrInet4{Port: port, Addr: to.As4()}
	switch {
	case protocol == "tcp":
		fd, at.Port = s.tcp, 0
		packet = s.syn(to, port)
	case port == 443:
		packet = make([]byte, 1200)
		copy(packet, []byte{0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 8, 1, 2, 3, 4, 5, 6, 7, 8})
	}
	for {
		err := unix.Sendto(fd, packet, 0, at)
		if err == nil {
			return
		}
		// A full queue empties by itself.
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.ENOBUFS) {
			t.Fatalf("%s port %d of %s: %v", protocol, port, to, err)
		}
		time.Sleep(time.Millisecond)
	}
}

// syn is a TCP header that begins a connection.
func (s *scanner) syn(to netip.Addr, port int) []byte {
	packet := make([]byte, 20)
	binary.BigEndian.PutUint16(packet[0:], scanPort)
	binary.BigEndian.PutUint16(packet[2:], uint16(port))
	binary.BigEndian.PutUint32(packet[4:], uint32(port))
	packet[12], packet[13] = 5<<4, 0x02
	binary.BigEndian.PutUint16(packet[14:], 1024)
	from, dest := s.from.As4(), to.As4()
	sum := uint32(unix.IPPROTO_TCP + len(packet))
	for _, part := range [][]byte{from[:], dest[:], packet} {
		for i := 0; i < len(part); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(packet[16:], ^uint16(sum))
	return packet
}

// listen notes what has come from the host: answers to our SYN, whether they accept or refuse, datagrams, and refusals by ICMP.
func (s *scanner) listen(from netip.Addr, answered map[string]bool) {
	buffer := make([]byte, 2048)
	take := func(fd int) ([]byte, *unix.SockaddrInet4) {
		for {
			n, sender, err := unix.Recvfrom(fd, buffer, 0)
			if err != nil {
				return nil, nil
			}
			if at, ok := sender.(*unix.SockaddrInet4); ok && netip.AddrFrom4(at.Addr) == from {
				return buffer[:n], at
			}
		}
	}
	for {
		_, at := take(s.udp)
		if at == nil {
			break
		}
		answered[fmt.Sprintf("udp/%d", at.Port)] = true
	}
	for {
		packet, at := take(s.tcp)
		if at == nil {
			break
		}
		if header := int(packet[0]&15) * 4; len(packet) >= header+20 && binary.BigEndian.Uint16(packet[header+2:]) == scanPort {
			answered[fmt.Sprintf("tcp/%d", binary.BigEndian.Uint16(packet[header:]))] = true
		}
	}
	for {
		packet, at := take(s.icmp)
		if at == nil {
			break
		}
		// Type 3 carries the packet that it refuses: after 20 bytes of IP and 8 of ICMP, its IP and the first bytes of its header.
		if header := int(packet[0]&15) * 4; len(packet) >= header+8+24 && packet[header] == 3 {
			refused := packet[header+8:]
			if inner := int(refused[0]&15) * 4; len(refused) >= inner+4 {
				answered[fmt.Sprintf("icmp %d of port %d", packet[header+1], binary.BigEndian.Uint16(refused[inner+2:]))] = true
			}
		}
	}
}
