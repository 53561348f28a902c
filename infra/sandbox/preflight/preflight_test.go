package preflight

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// good is a machine on which the sandbox starts.
func good() Facts {
	f := Facts{
		System: "debian", Release: "12", Installed: map[string]bool{}, Devices: map[string]bool{}, Memory: 8 * gib, Disk: 50 * gib,
		Folder: "/srv/havre/build/local", FileSystem: "ext4", Cgroups: "v1",
		Routes: []Route{{netip.MustParsePrefix("10.0.0.0/8"), "eth0"}, {netip.MustParsePrefix("192.0.2.0/24"), "eth0"}},
	}
	for _, name := range Packages {
		f.Installed[name] = true
	}
	for _, name := range Devices {
		f.Devices[name] = true
	}
	return f
}

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Facts)
		want   string
	}{
		"good":                        {func(*Facts) {}, ""},
		"packages that root installs": {func(f *Facts) { f.Installed["mmdebstrap"] = false }, ""},
		"its own daemon runs": {func(f *Facts) {
			f.Owner, f.Live, f.Memory = f.Folder, true, gib
			f.Listening = all("127.0.0.1:19080")
			f.Routes = bridge()
		}, ""},
		"a dead sandbox, to be cleaned": {func(f *Facts) { f.Owner = "/gone"; f.Routes = bridge() }, ""},
		"another address's port":        {func(f *Facts) { f.Listening = all("127.0.0.1:5000", "192.0.2.2:8080") }, ""},
		"user":                          {func(f *Facts) { f.User = 1000 }, "user 1000 is not root: hosts need network namespaces, mounts and cgroups; run it as root. make test and make preview need no root"},
		"user without packages": {func(f *Facts) {
			f.User, f.Installed = 1000, map[string]bool{"iproute2": true, "ca-certificates": true, "nftables": true, "openssh-client": true, "shellcheck": true, "wireguard-tools": true}
		},
			"user 1000 is not root: hosts need network namespaces, mounts and cgroups; run it as root. make test and make preview need no root\n" +
				"packages mmdebstrap, systemd-container are missing; root installs them by itself, or run: apt-get install mmdebstrap systemd-container"},
		"system":         {func(f *Facts) { f.System, f.Release = "ubuntu", "24.04" }, "system ubuntu 24.04: wanted debian 12, whose packages make the hosts; use such a machine or a virtual one"},
		"unknown system": {func(f *Facts) { f.System, f.Release = "", "" }, "system (unknown) (unknown): wanted debian 12, whose packages make the hosts; use such a machine or a virtual one"},
		"other checkout": {func(f *Facts) { f.Owner, f.Live = "/other/build/local", true }, "the sandbox of /other/build/local is up, and there is one a machine; run make down there first"},
		"ports": {func(f *Facts) { f.Listening = all("0.0.0.0:5000", "127.0.0.1:19090", "[::]:8080") },
			"port 127.0.0.1:19090 of the way into the mesh is taken; end what listens there (ss -ltnp names it)\n" +
				"port 198.51.100.1:5000 of the image registry is taken; end what listens there (ss -ltnp names it)\n" +
				"port 198.51.100.1:8080 of the artifact mirror is taken; end what listens there (ss -ltnp names it)"},
		"ranges": {func(f *Facts) {
			f.Routes = append(f.Routes, Route{netip.MustParsePrefix("198.51.0.0/16"), "eth1"}, Route{netip.MustParsePrefix("10.81.3.0/24"), "docker0"})
		}, "network 198.51.0.0/16 of interface eth1 lies in 198.51.100.0/24, which the sandbox uses; remove that address or route\n" +
			"network 10.81.3.0/24 of interface docker0 lies in 10.81.0.0/16, which the sandbox uses; remove that address or route"},
		"unknown bridge": {func(f *Facts) { f.Routes = bridge() }, "interface hvpub is there, but no sandbox is known to have made it; remove it: ip link del hvpub"},
		"memory":         {func(f *Facts) { f.Memory = 3 * gib / 2 }, "memory: 1.5 GiB available, wanted 4; end other programs or use a larger machine"},
		"disk":           {func(f *Facts) { f.Disk = 2 * gib }, "disk: 2.0 GiB free below /srv/havre/build/local, wanted 10; make room"},
		"file system":    {func(f *Facts) { f.FileSystem = "overlay" }, "file system: /srv/havre/build/local is on overlay, which cannot carry a host's disk; put the checkout on ext4, xfs or btrfs"},
		"device":         {func(f *Facts) { f.Devices["/dev/net/tun"] = false }, "device /dev/net/tun is missing; load its kernel module, or allow it for this container"},
		"cgroups":        {func(f *Facts) { f.Cgroups = "v2" }, "cgroups: the controllers are in the unified hierarchy (v2), wanted v1; boot with systemd.unified_cgroup_hierarchy=0"},
		"leftovers":      {func(f *Facts) { f.Leftovers = []string{"link hvp11", "mount /x"} }, "an earlier sandbox left link hvp11, mount /x; run make down"},
	} {
		f := good()
		test.change(&f)
		got := ""
		if err := Check(f); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, test.want)
		}
	}
}

func all(addresses ...string) []netip.AddrPort {
	var list []netip.AddrPort
	for _, address := range addresses {
		list = append(list, netip.MustParseAddrPort(address))
	}
	return list
}

func bridge() []Route {
	return []Route{{netip.MustParsePrefix("198.51.100.0/24"), "hvpub"}}
}

func TestListening(t *testing.T) {
	got := listening(`  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:4A88 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   1: 0100007F:4A89 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   2: 00000000000000000000000000000000:1388 00000000000000000000000000000000:0000 0A 0 0 0
   3: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 0 0 0
`)
	if want := all("127.0.0.1:19080", "[::]:5000", "127.0.0.1:8080"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRoutes(t *testing.T) {
	got := routes(`Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
hvpub	006433C6	00000000	0001	0	0	0	00FFFFFF	0	0	0
`)
	if want := bridge(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSmallParsers(t *testing.T) {
	if system, release := osRelease("NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n"); system != "debian" || release != "12" {
		t.Errorf("got %s %s", system, release)
	}
	if got := memory("MemTotal: 1 kB\nMemAvailable:    2048 kB\n"); got != 2<<20 {
		t.Errorf("memory is %d", got)
	}
	for mounts, want := range map[string]string{
		"cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n": "v1",
		"cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n":                                                            "v2",
		"cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n":                                         "v2",
	} {
		if got := cgroups(mounts); got != want {
			t.Errorf("%q: got %s, want %s", mounts, got, want)
		}
	}
}

func TestGatherKnowsThisMachine(t *testing.T) {
	f, err := Gather(t.Context(), t.TempDir(), func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if f.Memory == 0 || f.Disk == 0 || f.System == "" || strings.TrimSpace(f.Cgroups) == "" {
		t.Errorf("facts are missing: %+v", f)
	}
}
