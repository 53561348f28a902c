package overlay

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"havre/infra/sandbox/network"
)

// The two hosts, each with its pod. The names are not those of the sandbox's, which would take them away.
var sides = []side{
	{host: "havre-bench-a", pod: "havre-bench-pod-a", mesh: "hvbwg0", n: 1},
	{host: "havre-bench-b", pod: "havre-bench-pod-b", mesh: "hvbwg1", n: 2},
}

type side struct {
	// host and pod are network namespaces. mesh is the interface, whose name is its control socket's too, in a folder that both share.
	host, pod, mesh string
	n               int
}

// path is a way to the pods, by the network that its addresses are in: 198.18.0.0/15 is for measurements between networks (RFC 2544), and these leave no namespace.
type path struct {
	name, network, device string
}

var (
	native    = path{name: "routed", network: "198.18", device: "eth0"}
	tunnelled = path{name: "in a VXLAN", network: "198.19", device: "eth1"}
)

// pod is the address of a side's pod.
func (p path) pod(s side) string { return fmt.Sprintf("%s.%d.2", p.network, s.n) }

// lab is the two hosts while they are there.
type lab struct {
	folder    network.NamespaceFolder
	processes []*exec.Cmd
}

// links are the lines of `ip -batch` that make namespaces and links: hosts see each other, and each its pod by two interfaces, one for each way.
func links() []string {
	var lines []string
	for _, s := range sides {
		lines = append(lines, "netns add "+s.host, "netns add "+s.pod)
	}
	lines = append(lines, "link add eth0 netns "+sides[0].host+" type veth peer name eth0 netns "+sides[1].host)
	for _, s := range sides {
		for _, p := range []path{native, tunnelled} {
			lines = append(lines, "link add pod-"+p.device+" netns "+s.host+" type veth peer name "+p.device+" netns "+s.pod)
		}
	}
	return lines
}

// inside are the lines in a host's namespace before its mesh is up, then after it; and in its pod's.
func (s side) inside(other side, o Options, tunnelMTU int) (before, after, pod []string) {
	before = []string{
		"link set lo up", fmt.Sprintf("address add 192.0.2.%d/30 dev eth0", s.n), "link set eth0 up",
	}
	pod = []string{"link set lo up"}
	for _, each := range []struct {
		path
		mtu int
	}{{native, o.PodsMTU}, {tunnelled, tunnelMTU}} {
		subnet := fmt.Sprintf("%s.%d", each.network, s.n)
		before = append(before, fmt.Sprintf("address add %s.1/24 dev pod-%s", subnet, each.device), fmt.Sprintf("link set pod-%s mtu %d up", each.device, each.mtu))
		pod = append(pod, fmt.Sprintf("address add %s.2/24 dev %s", subnet, each.device), fmt.Sprintf("link set %s mtu %d up", each.device, each.mtu),
			fmt.Sprintf("route add %s.0.0/16 via %s.1", each.network, subnet))
	}
	after = []string{
		fmt.Sprintf("address add 198.18.0.%d/24 dev %s", s.n, s.mesh), fmt.Sprintf("link set %s mtu %d up", s.mesh, o.MeshMTU),
		fmt.Sprintf("route add 198.18.%d.0/24 dev %s mtu %d", other.n, s.mesh, o.PodsMTU),
		fmt.Sprintf("link add overlay type vxlan id 1 local 198.18.0.%d remote 198.18.0.%d dstport 8472 dev %s", s.n, other.n, s.mesh),
		fmt.Sprintf("address add 198.19.0.%d/24 dev overlay", s.n), fmt.Sprintf("link set overlay mtu %d up", tunnelMTU),
		fmt.Sprintf("route add 198.19.%d.0/24 via 198.19.0.%d", other.n, other.n),
	}
	return before, after, pod
}

// open makes the lab. What an earlier one has left goes first.
func open(ctx context.Context, o Options, tunnelMTU int) (*lab, error) {
	folder, err := network.ReadNamespaceFolder()
	if err != nil {
		return nil, err
	}
	l := &lab{folder: folder}
	if err := l.close(ctx); err != nil {
		return nil, err
	}
	if err := l.make(ctx, o, tunnelMTU); err != nil {
		return nil, errors.Join(err, l.close(context.WithoutCancel(ctx)))
	}
	return l, nil
}

func (l *lab) make(ctx context.Context, o Options, tunnelMTU int) error {
	if err := batch(ctx, "", links()); err != nil {
		return err
	}
	keys := make([]*ecdh.PrivateKey, len(sides))
	for i, s := range sides {
		var err error
		if keys[i], err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
			return fmt.Errorf("key: %w", err)
		}
		before, _, pod := s.inside(sides[1-i], o, tunnelMTU)
		if err := errors.Join(batch(ctx, s.host, before), batch(ctx, s.pod, pod)); err != nil {
			return err
		}
		if err := run(ctx, "", "ip", "netns", "exec", s.host, "sysctl", "--quiet", "--write", "net.ipv4.ip_forward=1"); err != nil {
			return err
		}
		if err := l.wireGuard(ctx, s, o.WireGuardGo); err != nil {
			return err
		}
	}
	for i, s := range sides {
		other := sides[1-i]
		text := fmt.Sprintf("[Interface]\nPrivateKey = %s\nListenPort = 51820\n\n[Peer]\nPublicKey = %s\nEndpoint = 192.0.2.%d:51820\nAllowedIPs = 198.18.0.%d/32, 198.18.%d.0/24\n",
			base64.StdEncoding.EncodeToString(keys[i].Bytes()), base64.StdEncoding.EncodeToString(keys[1-i].PublicKey().Bytes()), other.n, other.n, other.n)
		if err := run(ctx, text, "wg", "setconf", s.mesh, "/dev/stdin"); err != nil {
			return err
		}
		_, after, _ := s.inside(other, o, tunnelMTU)
		if err := batch(ctx, s.host, after); err != nil {
			return err
		}
	}
	return nil
}

// wireGuard runs the mesh's process of a host, and returns when its interface can be set up.
func (l *lab) wireGuard(ctx context.Context, s side, program string) error {
	command := exec.CommandContext(ctx, "ip", "netns", "exec", s.host, program, "--foreground", s.mesh)
	command.Env = append(os.Environ(), "LOG_LEVEL=error")
	var said strings.Builder
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		return fmt.Errorf("wireguard-go: %w", err)
	}
	l.processes = append(l.processes, command)
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := run(ctx, "", "wg", "show", s.mesh, "listen-port")
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("wireguard-go: no interface %s: %w", s.mesh, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// close takes the lab away: the processes, then the namespaces, and with them all that is in them.
func (l *lab) close(ctx context.Context) error {
	for _, process := range l.processes {
		_ = process.Process.Kill()
		_ = process.Wait() // it was killed
	}
	l.processes = nil
	var lines []string
	for _, s := range sides {
		for _, name := range []string{s.pod, s.host} {
			if _, err := os.Stat(namespace(name)); err == nil {
				lines = append(lines, "netns del "+name)
			}
		}
		_ = os.Remove("/var/run/wireguard/" + s.mesh + ".sock")
	}
	return errors.Join(batch(ctx, "", lines), l.folder.Restore())
}

// offload lets the sending pod hand large pieces to the kernel, to be cut later, or has it cut them itself.
func (l *lab) offload(ctx context.Context, whole bool) error {
	segments := 1
	if whole {
		segments = 65535
	}
	var lines []string
	for _, p := range []path{native, tunnelled} {
		lines = append(lines, fmt.Sprintf("link set dev %s gso_max_segs %d", p.device, segments))
	}
	return batch(ctx, sides[0].pod, lines)
}

func namespace(name string) string { return "/run/netns/" + name }

// batch hands lines to one `ip -batch`, in a namespace or in the machine's own.
func batch(ctx context.Context, in string, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	args := []string{"-batch", "-"}
	if in != "" {
		args = append([]string{"-n", in}, args...)
	}
	return run(ctx, strings.Join(lines, "\n")+"\n", "ip", args...)
}

func run(ctx context.Context, stdin, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Stdin = strings.NewReader(stdin)
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
