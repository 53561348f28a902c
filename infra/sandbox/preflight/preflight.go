// Package preflight says at once everything that keeps the sandbox from starting on this machine, each with what to do about it, before an hour is
// spent on building. The one thing a reader would get wrong: Check is a pure function of Facts and knows nothing of the machine; Gather takes the
// facts and judges nothing.
package preflight

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"havre/infra/sandbox/artifacts"
	"havre/infra/sandbox/network"
)

// Packages are the Debian packages that the sandbox and the checks of the project use.
var Packages = []string{
	"ca-certificates", "iproute2", "mmdebstrap", "nftables", "openssh-client", "shellcheck", "systemd-container", "wireguard-tools",
}

// ports are where the sandbox listens.
var ports = map[netip.AddrPort]string{
	netip.MustParseAddrPort("127.0.0.1:19080"): "the OVH simulator",
	netip.MustParseAddrPort("127.0.0.1:19081"): "the OVH simulator's control",
	netip.MustParseAddrPort("127.0.0.1:19443"): "the Cloudflare simulator",
	netip.MustParseAddrPort("127.0.0.1:19444"): "the Cloudflare simulator's control",
	netip.MustParseAddrPort("127.0.0.1:19090"): "the way into the mesh",
	netip.MustParseAddrPort("127.0.0.1:19091"): "the way into the mesh of local-staging",
	artifacts.Registry:                         "the image registry",
	artifacts.Mirror:                           "the artifact mirror",
}

const (
	gib = 1 << 30
	// minMemory is what six hosts with a cluster on them take (2.1 GiB measured), and as much again for the compiler beside them.
	minMemory = 4 * gib
	// minDisk is for six hosts' images, each kept packed and unpacked, and the base.
	minDisk = 10 * gib
)

// Route is an entry of the machine's routing table, or the network of one of its addresses.
type Route struct {
	Prefix netip.Prefix
	Device string
}

// Facts are what the machine is like.
type Facts struct {
	// User is the number of the user that runs this; 0 is root.
	User int
	// System and Release are ID and VERSION_ID of os-release: "debian", "12".
	System, Release string
	// Installed says which of Packages are there.
	Installed map[string]bool
	// Listening are the addresses on which somebody listens for TCP; an unspecified address stands for all.
	Listening []netip.AddrPort
	// Routes are all but the default routes.
	Routes []Route
	// Memory is what is available, Disk what is free below Folder, both in bytes.
	Memory, Disk uint64
	// Folder is where the hosts' disks go, and FileSystem its type, such as ext4.
	Folder, FileSystem string
	// Devices says which of the device files that hosts are given are there.
	Devices map[string]bool
	// Cgroups is "v1" where the controllers are in hierarchies of their own, "v2" where they are in the unified one.
	Cgroups string
	// Owner is the folder of the checkout's sandbox that holds the machine; "" where none does. Live says that its daemon runs.
	Owner string
	Live  bool
	// Leftovers are what a past sandbox left without a record of it.
	Leftovers []string
}

// Missing names the packages that are not installed, sorted.
func (f Facts) Missing() []string {
	var missing []string
	for _, name := range Packages {
		if !f.Installed[name] {
			missing = append(missing, name)
		}
	}
	return missing
}

// Check returns everything that keeps the sandbox from starting, joined, and nil where nothing does. Packages that root can install are no reason.
func Check(f Facts) error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if f.User != 0 {
		fail("user %d is not root: hosts need network namespaces, mounts and cgroups; run it as root. make test and make preview need no root", f.User)
		if missing := f.Missing(); len(missing) > 0 {
			fail("packages %s are missing; root installs them by itself, or run: apt-get install %s", strings.Join(missing, ", "), strings.Join(missing, " "))
		}
	}
	if f.System != "debian" || f.Release != "12" {
		fail("system %s %s: wanted debian 12, whose packages make the hosts; use such a machine or a virtual one", orUnknown(f.System), orUnknown(f.Release))
	}
	if f.Owner != "" && f.Owner != f.Folder && f.Live {
		fail("the sandbox of %s is up, and there is one a machine; run make down there first", f.Owner)
	}
	own := f.Owner == f.Folder || !f.Live && f.Owner != ""
	if !f.Live {
		for _, port := range slices.SortedFunc(maps.Keys(ports), netip.AddrPort.Compare) {
			if slices.ContainsFunc(f.Listening, func(l netip.AddrPort) bool {
				return l.Port() == port.Port() && (l.Addr().IsUnspecified() || l.Addr() == port.Addr())
			}) {
				fail("port %s of %s is taken; end what listens there (ss -ltnp names it)", port, ports[port])
			}
		}
	}
	for _, route := range f.Routes {
		if route.Device == network.PublicBridge || route.Device == network.PrivateBridge {
			if !own && f.Owner == "" {
				fail("interface %s is there, but no sandbox is known to have made it; remove it: ip link del %s", route.Device, route.Device)
			}
			continue
		}
		for _, reserved := range network.Reserved {
			if collides(route.Prefix, reserved) {
				fail("network %s of interface %s lies in %s, which the sandbox uses; remove that address or route", route.Prefix, route.Device, reserved)
			}
		}
	}
	if f.Memory < minMemory && !f.Live {
		fail("memory: %.1f GiB available, wanted %d; end other programs or use a larger machine", float64(f.Memory)/gib, minMemory/gib)
	}
	if f.Disk < minDisk && !f.Live {
		fail("disk: %.1f GiB free below %s, wanted %d; make room", float64(f.Disk)/gib, f.Folder, minDisk/gib)
	}
	switch f.FileSystem {
	case "overlay", "nfs", "fuse", "9p", "vfat", "tmpfs":
		fail("file system: %s is on %s, which cannot carry a host's disk; put the checkout on ext4, xfs or btrfs", f.Folder, f.FileSystem)
	}
	for _, device := range Devices {
		if !f.Devices[device] {
			fail("device %s is missing; load its kernel module, or allow it for this container", device)
		}
	}
	if f.Cgroups != "v1" {
		fail("cgroups: the controllers are in the unified hierarchy (v2), wanted v1; boot with systemd.unified_cgroup_hierarchy=0")
	}
	if f.Owner == "" && len(f.Leftovers) > 0 {
		fail("an earlier sandbox left %s; run make down", strings.Join(f.Leftovers, ", "))
	}
	return errors.Join(errs...)
}

// Devices are the device files that hosts are given.
var Devices = []string{"/dev/fuse", "/dev/kmsg", "/dev/net/tun"}

// collides says whether a network of the machine and one of the sandbox cannot both be. The machine has an address in Public itself, so nothing may
// overlap it; the others live in the hosts' namespaces, where a wider network of the machine, such as 10.0.0.0/8, does no harm.
func collides(taken, reserved netip.Prefix) bool {
	if reserved == network.Public {
		return taken.Overlaps(reserved)
	}
	return taken.Overlaps(reserved) && taken.Bits() >= reserved.Bits()
}

func orUnknown(text string) string {
	if text == "" {
		return "(unknown)"
	}
	return text
}
