package stacks

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// wireguardOverhead is what WireGuard adds to a packet over IPv6 in bytes; over IPv4 it is 60. The larger one leaves room for both.
const wireguardOverhead = 80

// ciliumHeadroom is what a pod's packet must be shorter than the mesh's MTU with Cilium: the kernel counts an Ethernet header of 14 bytes that the mesh's interface does
// not have, and grants 4 (docs/decisions/0012-cilium.md).
const ciliumHeadroom = 10

// minMTU is the smallest MTU that IPv6 permits on a link.
const minMTU = 1280

// usable reports whether a prefix is sound enough to compute addresses from it.
func usable(p netip.Prefix) bool { return p.IsValid() && p.Addr().Is4() && p == p.Masked() }

// privateRanges are RFC 1918's.
var privateRanges = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16")}

// private reports whether all of a prefix is private.
func private(p netip.Prefix) bool {
	return slices.ContainsFunc(privateRanges, func(r netip.Prefix) bool { return r.Bits() <= p.Bits() && r.Contains(p.Addr()) })
}

// hasPrivateNetwork reports whether the stack has anything to do with a vRack.
func (v *validation) hasPrivateNetwork() bool {
	return v.stack.PrivateNetwork != PrivateNetwork{} || slices.ContainsFunc(v.stack.Nodes, func(n Node) bool { return n.Vrack })
}

// networks checks the address ranges one by one and against each other: packets of two overlapping ones have no right way to go.
func (v *validation) networks() {
	ranges := []struct {
		field    string
		cidr     netip.Prefix
		min, max int
	}{
		{"Mesh.CIDR", v.stack.Mesh.CIDR, 8, 29},
		{"Pods.CIDR", v.stack.Pods.CIDR, 8, podPrefix},
		// kube-apiserver takes at most 20 bits of services (cmd/kube-apiserver/app/options); cluster DNS needs the tenth address.
		{"Services.CIDR", v.stack.Services.CIDR, 12, 28},
	}
	if v.hasPrivateNetwork() {
		ranges = append(ranges, ranges[0])
		ranges[3].field, ranges[3].cidr = "PrivateNetwork.CIDR", v.stack.PrivateNetwork.CIDR
		switch network := v.stack.PrivateNetwork; {
		case network.Order && network.Vrack != "":
			v.wrong("private network: vRack %s is there and one is to be ordered; clear PrivateNetwork.Order or PrivateNetwork.Vrack", network.Vrack)
		case !network.Order && !vrackSyntax.MatchString(network.Vrack):
			v.wrong("private network: vRack %q is not a service name like pn-1000001; set PrivateNetwork.Vrack, or PrivateNetwork.Order to have one ordered,", network.Vrack)
		}
	}
	for i, r := range ranges {
		switch {
		case !r.cidr.IsValid() || !r.cidr.Addr().Is4():
			v.wrong("network %s: %s is not an IPv4 range; set it", r.field, r.cidr)
			continue
		case r.cidr != r.cidr.Masked():
			v.wrong("network %s: %s has host bits; write %s", r.field, r.cidr, r.cidr.Masked())
			continue
		case !private(r.cidr):
			v.wrong("network %s: %s is not inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16; choose a private range", r.field, r.cidr)
		case r.cidr.Bits() < r.min || r.cidr.Bits() > r.max:
			v.wrong("network %s: %s is not from /%d to /%d long; choose another length", r.field, r.cidr, r.min, r.max)
		}
		for _, other := range ranges[:i] {
			if usable(other.cidr) && r.cidr.Overlaps(other.cidr) {
				v.wrong("network %s: %s overlaps %s %s; choose ranges apart", r.field, r.cidr, other.field, other.cidr)
			}
		}
	}
	if len(v.stack.Services.Resolvers) == 0 && !v.stack.Sandbox {
		v.wrong("network Services.Resolvers: there is none, so pods could reach no name outside the cluster; give one or more")
	}
	if !isDomain(v.stack.Services.Domain) {
		v.wrong("network Services.Domain: %q is not a domain name; use cluster.local", v.stack.Services.Domain)
	}
}

// operators checks the peers that are no hosts. Two that share a key or an address would take each other's packets.
func (v *validation) operators() {
	named, indexed, keyed := map[string]bool{}, map[int]string{}, map[string]string{}
	for _, n := range v.stack.Nodes {
		named[n.Name] = true
	}
	for _, o := range v.stack.Mesh.Operators {
		if !isLabel(o.Name) || len(o.Name) > 50 {
			v.wrong("operator %q: the name is not a DNS label of at most 50 characters that starts with a letter; rename it", o.Name)
		}
		if named[o.Name] {
			v.wrong("operator %s: a node or another operator has that name; give it another", o.Name)
		}
		named[o.Name] = true
		switch other, taken := indexed[o.Index]; {
		case o.Index < 1 || o.Index > MaxOperator:
			v.wrong("operator %s: index %d is not from 1 to %d; give it a free one", o.Name, o.Index, MaxOperator)
		case taken:
			v.wrong("operator %s: index %d is taken by operator %s; give it a free one", o.Name, o.Index, other)
		default:
			indexed[o.Index] = o.Name
			if address, inside := offset(v.stack.Mesh.CIDR, operatorOffset+o.Index); usable(v.stack.Mesh.CIDR) && !inside {
				v.wrong("operator %s: mesh address %s is outside %s; widen Mesh.CIDR", o.Name, address, v.stack.Mesh.CIDR)
			}
		}
		raw, err := base64.StdEncoding.Strict().DecodeString(o.PublicKey)
		switch {
		case err != nil || len(raw) != 32 || len(o.PublicKey) != 44: // the decoder passes over line ends
			v.wrong("operator %s: public key %q is not 32 bytes in base64; give what `wg pubkey` prints of the machine's key", o.Name, o.PublicKey)
		case keyed[o.PublicKey] != "":
			v.wrong("operator %s: the key is that of operator %s; make one on each machine", o.Name, keyed[o.PublicKey])
		default:
			keyed[o.PublicKey] = o.Name
		}
	}
}

// keys are generations of WireGuard keys: the one in use, and the next.
func (v *validation) keys(whose string, keys []int, field string) {
	if len(keys) > 2 || len(keys) > 0 && keys[0] < 1 || len(keys) == 2 && keys[1] <= keys[0] {
		v.wrong("%s: generations %v of WireGuard keys; wanted the one in use, 1 or higher, and at most one higher after it, like [1] or [1 2]: mend %s", whose, keys, field)
	}
}

func (v *validation) mesh() {
	mesh := v.stack.Mesh
	v.port("mesh: UDP port", mesh.Port, 1024, "Mesh.Port")
	if least := minMTU + wireguardOverhead; mesh.PathMTU < least || mesh.PathMTU > 9000 {
		v.wrong("mesh: path MTU %d is not from %d to 9000; set Mesh.PathMTU to what the hosts' links carry, 1500 at OVH,", mesh.PathMTU, least)
	} else if most := mesh.PathMTU - wireguardOverhead; mesh.MTU < minMTU || mesh.MTU > most {
		v.wrong("mesh: MTU %d is not from %d to %d, the path's %d less %d for WireGuard; change Mesh.MTU", mesh.MTU, minMTU, most, mesh.PathMTU, wireguardOverhead)
	} else if v.stack.Pods.MTU < minMTU || v.stack.Pods.MTU > mesh.MTU {
		v.wrong("pods: MTU %d is not from %d to the mesh's %d; change Pods.MTU", v.stack.Pods.MTU, minMTU, mesh.MTU)
	}
	v.keys("mesh", mesh.Keys, "Mesh.Keys")
	switch pods := v.stack.Pods; pods.Network {
	case NetworkCilium:
		if most := mesh.MTU - ciliumHeadroom; pods.MTU > most && pods.MTU <= mesh.MTU {
			v.wrong("pods: MTU %d is more than %d, the mesh's less %d, above which Cilium's packets vanish; change Pods.MTU", pods.MTU, most, ciliumHeadroom)
		}
	case NetworkBridge:
		if !v.stack.Sandbox {
			v.wrong("pods: network bridge enforces no network policy; use cilium, or a sandbox")
		}
	default:
		v.wrong("pods: network %q is unknown; use cilium, or bridge in a sandbox", pods.Network)
	}
}

func (v *validation) cluster() {
	cluster := v.stack.Cluster
	if minor, found := kubernetesMinor(cluster.KubernetesVersion); !found {
		v.wrong("cluster: Kubernetes version %q is not pinned in full, like 1.36.3; set Cluster.KubernetesVersion", cluster.KubernetesVersion)
	} else if minor < oldestMinor {
		v.wrong("cluster: Kubernetes version %s; wanted 1.%d or newer, for older API servers cannot be told to answer strangers on health paths alone: change Cluster.KubernetesVersion", cluster.KubernetesVersion, oldestMinor)
	} else if v.stack.Runtime.CgroupV1 && minor > lastCgroupV1Minor {
		v.wrong("cluster: Kubernetes version %s on cgroup v1; wanted 1.%d.x, the last whose kubelet can: change Cluster.KubernetesVersion or clear Runtime.CgroupV1", cluster.KubernetesVersion, lastCgroupV1Minor)
	}
	v.port("cluster: API port", cluster.APIPort, 1024, "Cluster.APIPort")
	v.port("cluster: API proxy port", cluster.ProxyPort, 1024, "Cluster.ProxyPort")
	jump, isHTTP := strings.CutPrefix(cluster.APIJump, "http://")
	if _, err := netip.ParseAddrPort(jump); cluster.APIJump != "" && (!isHTTP || err != nil) {
		v.wrong("cluster: API jump %q is not an http URL of address and port, like http://127.0.0.1:19090; change Cluster.APIJump", cluster.APIJump)
	}
	if cluster.SecretsKey < 1 || cluster.SecretsKey > 999 {
		v.wrong("cluster: generation %d of the key of Secrets is not from 1 to 999; set Cluster.SecretsKey", cluster.SecretsKey)
	}
	v.backup()
}

// backup demands a bucket for the cluster's own state, and bounds in which it is of use.
func (v *validation) backup() {
	backup, edge := v.stack.Cluster.Backup, v.stack.Edge.Storage
	if backup.Storage == (ObjectStorage{}) {
		v.wrong("backup: no bucket for what is in the cluster; set Cluster.Backup.Storage")
		return
	}
	v.bucket("backup", backup.Storage, "Cluster.Backup.Storage", v.stack.Sandbox)
	if backup.Storage.Endpoint == edge.Endpoint && backup.Storage.Bucket == edge.Bucket {
		v.wrong("backup: bucket %s is the edge's, whose keys would then read the cluster; set another in Cluster.Backup.Storage", edge.Bucket)
	}
	if backup.Every < 10*time.Minute || backup.Every > 24*time.Hour || backup.Every%time.Second != 0 {
		v.wrong("backup: every %s is not of whole seconds from 10m to 24h; set Cluster.Backup.Every", backup.Every)
	}
	for _, keep := range []struct {
		field string
		count int
	}{{"KeepHourly", backup.KeepHourly}, {"KeepDaily", backup.KeepDaily}} {
		if keep.count < 1 || keep.count > 1000 {
			v.wrong("backup: %s %d is not from 1 to 1000; set Cluster.Backup.%s", keep.field, keep.count, keep.field)
		}
	}
}

// bucket demands the description of a bucket that hosts can reach. In clear it may be in a sandbox only.
func (v *validation) bucket(what string, storage ObjectStorage, field string, clear bool) {
	host, encrypted := strings.CutPrefix(storage.Endpoint, "https://")
	inClear, plain := strings.CutPrefix(storage.Endpoint, "http://")
	_, err := netip.ParseAddrPort(inClear)
	if (!encrypted || !isDomain(host)) && (!clear || !plain || err != nil) {
		v.wrong("%s: storage endpoint %q is not https:// and a host; set %s.Endpoint", what, storage.Endpoint, field)
	}
	if !labelSyntax.MatchString(storage.Region) {
		v.wrong("%s: storage region %q is not a region like eu-west-par; set %s.Region", what, storage.Region, field)
	}
	if !bucketSyntax.MatchString(storage.Bucket) {
		v.wrong("%s: storage bucket %q is not 3 to 63 of a-z, 0-9 and inner hyphens; set %s.Bucket", what, storage.Bucket, field)
	}
}

// runtime keeps what containers need away from real hosts.
func (v *validation) runtime() {
	runtime := v.stack.Runtime
	if runtime.CgroupDriver != "systemd" && runtime.CgroupDriver != "cgroupfs" {
		v.wrong("runtime: cgroup driver %q is neither systemd nor cgroupfs; set Runtime.CgroupDriver", runtime.CgroupDriver)
	}
	if runtime.SharedCores < 0 {
		v.wrong("runtime: %d shared cores is negative; set Runtime.SharedCores to 0 or to the machine's cores", runtime.SharedCores)
	}
	for _, setting := range []struct {
		field string
		set   bool
	}{
		{"CgroupDriver cgroupfs", runtime.CgroupDriver == "cgroupfs"},
		{"CgroupV1", runtime.CgroupV1},
		{"RestrictOOMScoreAdj", runtime.RestrictOOMScoreAdj},
		{"UserspaceWireGuard", runtime.UserspaceWireGuard},
		{"SharedCores", runtime.SharedCores > 0},
	} {
		if setting.set && !v.stack.Sandbox {
			v.wrong("runtime: %s is for the containers of a sandbox, and stack %s has real hosts; remove it", setting.field, v.stack.Name)
		}
	}
}

// port checks one port's bounds. The thing is named in full by the caller.
func (v *validation) port(thing string, port, least int, field string) {
	if port < least || port > 65535 {
		v.wrong("%s %d is not from %d to 65535; change %s", thing, port, least, field)
	}
}

// ports refuses two listeners on one port of a host: of TCP, and of UDP, where the mesh could meet the edge's HTTP/3.
func (v *validation) ports() {
	taken := map[int]string{22: "sshd", 2379: "etcd", 2380: "etcd", 2381: "etcd", 10248: "kubelet", 10250: "kubelet", 10257: "kube-controller-manager", 10259: "kube-scheduler"}
	for _, listener := range []struct {
		name, field string
		port        int
	}{
		{"the API server", "Cluster.APIPort", v.stack.Cluster.APIPort},
		{"the API proxy", "Cluster.ProxyPort", v.stack.Cluster.ProxyPort},
		{"the edge's HTTP", "Edge.HTTPPort", v.stack.Edge.HTTPPort},
		{"the edge's HTTPS", "Edge.HTTPSPort", v.stack.Edge.HTTPSPort},
	} {
		if listener.port < 1 || listener.port > 65535 {
			continue // refused already
		}
		if other, found := taken[listener.port]; found {
			v.wrong("ports: TCP port %d of %s is taken by %s; change %s", listener.port, listener.name, other, listener.field)
			continue
		}
		taken[listener.port] = fmt.Sprintf("%s (%s)", listener.name, listener.field)
	}
	if v.stack.Edge.HTTPSPort == v.stack.Mesh.Port && v.stack.Mesh.Port != 0 {
		v.wrong("ports: UDP port %d of the edge's HTTP/3 is taken by the mesh (Mesh.Port); change Edge.HTTPSPort", v.stack.Mesh.Port)
	}
}
