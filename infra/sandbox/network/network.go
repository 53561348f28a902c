// Package network makes the sandbox's two networks on this machine: a public bridge on which the machine has an address, so that an operator
// reaches the hosts as over the internet, and a private bridge, the vRack, on which it has none. The one thing a reader would get wrong: hosts
// have a default route, because kubeadm wants one, but it leads nowhere. The machine forwards nothing, so a host sees its neighbours, the
// machine, and nobody else.
package network

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// PublicBridge carries the hosts' public addresses; the machine is Gateway on it.
	PublicBridge = "hvpub"
	// PrivateBridge is the vRack.
	PrivateBridge = "hvpriv"
)

var (
	// Public is the hosts' public network: TEST-NET-2 of RFC 5737, which no real route may use.
	Public = netip.MustParsePrefix("198.51.100.0/24")
	// Gateway is the machine's own address in Public.
	Gateway = netip.MustParseAddr("198.51.100.1")
	// Reserved are all ranges that the sandbox or the clusters in it use: a route of the machine into one of them would hide the other.
	Reserved = []netip.Prefix{
		Public,
		netip.MustParsePrefix("10.80.0.0/16"), // mesh
		netip.MustParsePrefix("10.81.0.0/16"), // pods
		netip.MustParsePrefix("10.82.0.0/16"), // services
		netip.MustParsePrefix("10.90.0.0/16"), // vRack
	}
)

// ours matches the interfaces and namespaces that this package makes. Nothing else is ever removed.
var (
	ourLink      = regexp.MustCompile(`^(hvpub|hvpriv|hv[pr][0-9]{1,3})$`)
	ourNamespace = regexp.MustCompile(`^hv[0-9]{1,3}$`)
)

// Port is a host's place in the two networks.
type Port struct {
	// Address is the host's address in Public; its last byte names the namespace and the links.
	Address netip.Addr
	// PublicMAC and PrivateMAC are the hardware addresses of eth0 and eth1.
	PublicMAC, PrivateMAC string
	// Private says that eth1 is plugged into the private bridge. It is there either way, as on a server whose second port has no cable.
	Private bool
}

// Check says whether the port can be made.
func (p Port) Check() error {
	last := p.Address.As16()[15]
	if !Public.Contains(p.Address) || p.Address == Gateway || last == 0 || last == 255 {
		return fmt.Errorf("address %s: wanted a host's address in %s other than %s, which is the machine's", p.Address, Public, Gateway)
	}
	for _, mac := range []string{p.PublicMAC, p.PrivateMAC} {
		if _, err := net.ParseMAC(mac); err != nil {
			return fmt.Errorf("address %s: hardware address %q: %w", p.Address, mac, err)
		}
	}
	return nil
}

func (p Port) last() string { return fmt.Sprint(p.Address.As16()[15]) }

// Namespace is the name of the host's network namespace, such as hv11; it is the host's machine name too.
func (p Port) Namespace() string { return "hv" + p.last() }

// PublicLink is the machine's end of eth0.
func (p Port) PublicLink() string { return "hvp" + p.last() }

// PrivateLink is the machine's end of eth1.
func (p Port) PrivateLink() string { return "hvr" + p.last() }

// MAC is the hardware address of a service's port: the same after every installation, as on a real server. It is locally administered.
func MAC(service string, private bool) string {
	sum := sha256.Sum256([]byte(service))
	port := byte(0)
	if private {
		port = 1
	}
	return net.HardwareAddr{0x02, 0x68, port, sum[0], sum[1], sum[2]}.String()
}

// Bridges are the lines of `ip -batch` that make both bridges.
func Bridges() []string {
	return []string{
		"link add " + PublicBridge + " type bridge stp_state 0 forward_delay 0",
		"address add " + netip.PrefixFrom(Gateway, Public.Bits()).String() + " dev " + PublicBridge,
		"link set " + PublicBridge + " up",
		"link add " + PrivateBridge + " type bridge stp_state 0 forward_delay 0",
		"link set " + PrivateBridge + " up",
	}
}

// Links are the lines of `ip -batch`, in the machine's namespace, that make the host's namespace and both its links.
func (p Port) Links() []string {
	lines := []string{
		"netns add " + p.Namespace(),
		"link add " + p.PublicLink() + " type veth peer name eth0 address " + p.PublicMAC + " netns " + p.Namespace(),
		"link add " + p.PrivateLink() + " type veth peer name eth1 address " + p.PrivateMAC + " netns " + p.Namespace(),
		"link set " + p.PublicLink() + " master " + PublicBridge,
		"link set " + p.PublicLink() + " up",
	}
	if p.Private {
		lines = append(lines, p.Cable(true)...)
	}
	return lines
}

// Inside are the lines of `ip -batch` in the host's own namespace.
func (p Port) Inside() []string {
	return []string{
		"link set lo up",
		"address add " + netip.PrefixFrom(p.Address, Public.Bits()).String() + " broadcast + dev eth0",
		"link set eth0 up",
		"link set eth1 up",
		"route add default via " + Gateway.String() + " dev eth0",
	}
}

// Cable are the lines that plug eth1 into the private bridge, or pull it out.
func (p Port) Cable(plugged bool) []string {
	if plugged {
		return []string{"link set " + p.PrivateLink() + " master " + PrivateBridge, "link set " + p.PrivateLink() + " up"}
	}
	return []string{"link set " + p.PrivateLink() + " down", "link set " + p.PrivateLink() + " nomaster"}
}

// SetUp makes the bridges. Where they are already there, as after a daemon that was killed, it leaves them.
func SetUp(ctx context.Context) error {
	folder, err := ReadNamespaceFolder()
	if err != nil {
		return err
	}
	if err := folder.prepare(); err != nil {
		return err
	}
	links, err := Links()
	if err != nil {
		return err
	}
	if slices.Contains(links, PublicBridge) && slices.Contains(links, PrivateBridge) {
		return nil
	}
	for _, half := range []string{PublicBridge, PrivateBridge} {
		if slices.Contains(links, half) {
			if err := batch(ctx, "", []string{"link del " + half}); err != nil {
				return err
			}
		}
	}
	return batch(ctx, "", Bridges())
}

// Plug makes the host's namespace and links; what is left of an earlier one of the same name goes first.
func (p Port) Plug(ctx context.Context) error {
	if err := p.Check(); err != nil {
		return err
	}
	if err := p.Unplug(ctx); err != nil {
		return err
	}
	if err := batch(ctx, "", p.Links()); err != nil {
		return err
	}
	return batch(ctx, p.Namespace(), p.Inside())
}

// Present says whether the host's namespace and both links are there.
func (p Port) Present() (bool, error) {
	links, err := Links()
	if err != nil {
		return false, err
	}
	named, err := Namespaces()
	if err != nil {
		return false, err
	}
	return slices.Contains(named, p.Namespace()) && slices.Contains(links, p.PublicLink()) && slices.Contains(links, p.PrivateLink()), nil
}

// SetCable plugs eth1 of a host that is there into the private bridge, or pulls it out.
func (p Port) SetCable(ctx context.Context, plugged bool) error {
	return batch(ctx, "", p.Cable(plugged))
}

// Reach are the lines that pull both cables of a host, or plug them in again: its bridges carry nothing to it then, and its own ports lose their carrier. Whether eth1 is
// in the vRack stays as it is.
func (p Port) Reach(plugged bool) []string {
	state := "down"
	if plugged {
		state = "up"
	}
	lines := []string{"link set " + p.PublicLink() + " " + state}
	if p.Private {
		lines = append(lines, "link set "+p.PrivateLink()+" "+state)
	}
	return lines
}

// SetReach pulls both cables of a host that is there, or plugs them in again.
func (p Port) SetReach(ctx context.Context, plugged bool) error {
	return batch(ctx, "", p.Reach(plugged))
}

// Unplug removes the host's links and namespace; what is not there is no error.
func (p Port) Unplug(ctx context.Context) error {
	links, err := Links()
	if err != nil {
		return err
	}
	var lines []string
	for _, link := range []string{p.PublicLink(), p.PrivateLink()} {
		if slices.Contains(links, link) {
			lines = append(lines, "link del "+link)
		}
	}
	named, err := Namespaces()
	if err != nil {
		return err
	}
	if slices.Contains(named, p.Namespace()) {
		lines = append(lines, "netns del "+p.Namespace())
	}
	return batch(ctx, "", lines)
}

// TearDown removes every link and namespace of the sandbox, the bridges last.
func TearDown(ctx context.Context) error {
	links, err := Links()
	if err != nil {
		return err
	}
	named, err := Namespaces()
	if err != nil {
		return err
	}
	var lines, bridges []string
	for _, link := range links {
		if link == PublicBridge || link == PrivateBridge {
			bridges = append(bridges, "link del "+link)
		} else {
			lines = append(lines, "link del "+link)
		}
	}
	for _, namespace := range named {
		lines = append(lines, "netns del "+namespace)
	}
	return batch(ctx, "", append(lines, bridges...))
}

// Links lists the machine's interfaces that have a name of ours, sorted.
func Links() ([]string, error) { return names("/sys/class/net", ourLink) }

// Namespaces lists the named network namespaces that have a name of ours, sorted.
func Namespaces() ([]string, error) { return names(namespaces, ourNamespace) }

func names(dir string, match *regexp.Regexp) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("network: %w", err)
	}
	var found []string
	for _, entry := range entries {
		if match.MatchString(entry.Name()) {
			found = append(found, entry.Name())
		}
	}
	return found, nil
}

// NamespaceFolder is what /run/netns was before the sandbox: `ip netns add` makes it, and mounts it on itself, and leaves both.
type NamespaceFolder struct {
	Present bool `json:"present"`
	Mounted bool `json:"mounted"`
}

const namespaces = "/run/netns"

// ReadNamespaceFolder looks at /run/netns as it is.
func ReadNamespaceFolder() (NamespaceFolder, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return NamespaceFolder{}, fmt.Errorf("network: %w", err)
	}
	var folder NamespaceFolder
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == namespaces {
			folder.Mounted = true
		}
	}
	_, err = os.Stat(namespaces)
	folder.Present = err == nil
	return folder, nil
}

// prepare does once what every `ip netns add` would do that finds it undone: several at once would mount it several times, one over the other, and
// hide each other's namespaces.
func (f NamespaceFolder) prepare() error {
	if f.Mounted {
		return nil
	}
	if err := os.MkdirAll(namespaces, 0o755); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	if err := unix.Mount(namespaces, namespaces, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("network: mount %s on itself: %w", namespaces, err)
	}
	if err := unix.Mount("", namespaces, "none", unix.MS_SHARED|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("network: share mount %s: %w", namespaces, err)
	}
	return nil
}

// Restore makes /run/netns what it was, unless somebody else keeps a namespace in it.
func (f NamespaceFolder) Restore() error {
	entries, err := os.ReadDir(namespaces)
	if errors.Is(err, os.ErrNotExist) || len(entries) > 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	now, err := ReadNamespaceFolder()
	if err != nil {
		return err
	}
	for now.Mounted && !f.Mounted {
		if err := unix.Unmount(namespaces, 0); err != nil {
			return fmt.Errorf("network: unmount %s: %w", namespaces, err)
		}
		if now, err = ReadNamespaceFolder(); err != nil {
			return err
		}
	}
	if now.Present && !f.Present {
		if err := os.Remove(namespaces); err != nil {
			return fmt.Errorf("network: %w", err)
		}
	}
	return nil
}

// batch hands lines to one run of `ip -batch`, which stops at the first that fails.
func batch(ctx context.Context, namespace string, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	args := []string{"-batch", "-"}
	if namespace != "" {
		args = append([]string{"-n", namespace}, args...)
	}
	command := exec.CommandContext(ctx, "ip", args...)
	command.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("network: ip %s: %w: %s", strings.Join(args, " "), err, explain(string(out), lines))
	}
	return nil
}

var failedLine = regexp.MustCompile(`Command failed [^:]*:(\d+)`)

// explain puts the failed line of a batch beside ip's own words, which name it by number only.
func explain(out string, lines []string) string {
	out = strings.ReplaceAll(strings.TrimSpace(out), "\n", "; ")
	var n int
	if match := failedLine.FindStringSubmatch(out); match != nil {
		if _, err := fmt.Sscan(match[1], &n); err == nil && n >= 1 && n <= len(lines) {
			return fmt.Sprintf("%q: %s", lines[n-1], out)
		}
	}
	return out
}
