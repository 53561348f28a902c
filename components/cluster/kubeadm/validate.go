package kubeadm

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"havre/components/naming"
)

var (
	version    = regexp.MustCompile(`^v1\.[0-9]+\.[0-9]+$`)
	checksum   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	labelKey   = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
	labelValue = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$`)
	registry   = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?(/[a-z0-9._/-]+)?$`)
	image      = regexp.MustCompile(`^[a-z0-9][a-zA-Z0-9.:/_-]*(:[A-Za-z0-9_.-]+|@sha256:[0-9a-f]{64})$`)
	device     = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,14}$`)
)

// Binaries that every node needs, and those of a control-plane node.
var (
	nodeBinaries         = []string{"kubeadm", "kubectl", "kubelet"}
	controlPlaneBinaries = []string{"etcdctl", "etcdutl", "kubeadm", "kubectl", "kubelet"}
)

// lastCgroupV1 is the last minor version whose kubelet runs on cgroup v1.
const lastCgroupV1 = 36

// minor of a version that is one.
func minor(v string) int {
	number, err := strconv.Atoi(strings.Split(v, ".")[1])
	if err != nil {
		return 0 // the pattern has digits there
	}
	return number
}

// Validate reports everything that is wrong with the cluster, joined. It wants the defaults filled in.
func (c Cluster) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if err := naming.Validate(c.Name); err != nil {
		bad("cluster: %w", err)
	}
	if !version.MatchString(c.Version) {
		bad("version %q is not one of Kubernetes; write it like v1.36.3", c.Version)
	}
	if c.Runtime.CgroupV1 && version.MatchString(c.Version) && minor(c.Version) > lastCgroupV1 {
		bad("version %s has no kubelet for cgroup v1; take v1.%d, or hosts with cgroup v2", c.Version, lastCgroupV1)
	}
	errs = append(errs, c.Network.validate()...)
	if len(c.ControlPlane) == 0 {
		bad("there is no control-plane node; make one, or better three in three failure domains")
	}
	if c.APIPort < 1024 || c.APIPort > 65535 {
		bad("API port %d is outside 1024–65535; leave it 0 for %d", c.APIPort, DefaultAPIPort)
	}
	if c.APIProxyPort < 1024 || c.APIProxyPort > 65535 {
		bad("API proxy port %d is outside 1024–65535; leave it 0 for %d", c.APIProxyPort, DefaultAPIProxyPort)
	}
	if c.APIPort == c.APIProxyPort {
		bad("API port and API proxy port are both %d; the proxy runs beside the API server on control-plane nodes, give it another", c.APIPort)
	}
	if c.MaxPods < 1 || c.MaxPods > 250 {
		bad("%d pods a node are outside 1–250, for a node has a /24; leave it 0 for %d", c.MaxPods, DefaultMaxPods)
	}
	if c.DrainTimeout < 10*time.Second || c.DrainTimeout > time.Hour || c.DrainTimeout%time.Second != 0 {
		bad("drain timeout %s is not of whole seconds between 10s and 1h; leave it 0 for %s", c.DrainTimeout, DefaultDrainTimeout)
	}
	if c.MaxUnavailable < 1 {
		bad("%d workers may be missing while their version changes, and one must; leave it 0 for 1", c.MaxUnavailable)
	}
	if c.SecretsKey < 1 || c.SecretsKey > 999 {
		bad("generation %d of the key of Secrets is outside 1–999; leave it 0 for the first", c.SecretsKey)
	}
	for _, name := range controlPlaneBinaries {
		binary, ok := c.Release.Binaries[name]
		if !ok {
			bad("the release lacks %s; pin its URL and checksum", name)
			continue
		}
		if u, err := url.Parse(binary.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			bad("binary %s: %q is no http or https URL", name, binary.URL)
		}
		if !checksum.MatchString(binary.SHA256) {
			bad("binary %s: checksum %q is not a SHA-256 in 64 hexadecimal digits; take it from the release", name, binary.SHA256)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Release.Binaries)) {
		if !slices.Contains(controlPlaneBinaries, name) {
			bad("the release has %s, which no node takes; leave it out", name)
		}
	}
	if c.Images.Registry != "" && !registry.MatchString(c.Images.Registry) {
		bad("image registry %q is not of the form host:port/path; leave the scheme out", c.Images.Registry)
	}
	if c.Images.PlainHTTP && c.Images.Registry == "" {
		bad("plain HTTP is asked for without an image registry; name the registry")
	}
	if !image.MatchString(c.Images.Pause) {
		bad("pause image %q is not a whole reference with a tag or a digest", c.Images.Pause)
	}
	return errors.Join(errs...)
}

func (n Network) validate() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	ranges := []struct {
		what   string
		prefix interface{ IsValid() bool }
	}{{"mesh", n.Mesh}, {"pods'", n.Pods}, {"services'", n.Services}}
	valid := true
	for _, r := range ranges {
		if !r.prefix.IsValid() {
			bad("the %s range is missing; give an IPv4 prefix", r.what)
			valid = false
		}
	}
	if !valid {
		return errs
	}
	if n.Mesh.Overlaps(n.Pods) {
		bad("mesh %s and pods %s overlap; the mesh routes both, keep them apart", n.Mesh, n.Pods)
	}
	if n.Mesh.Overlaps(n.Services) {
		bad("mesh %s and services %s overlap; a service would hide a host, keep them apart", n.Mesh, n.Services)
	}
	if n.Pods.Overlaps(n.Services) {
		bad("pods %s and services %s overlap; a service would hide a pod, keep them apart", n.Pods, n.Services)
	}
	if !n.Services.Contains(n.DNS) {
		bad("cluster DNS %s is outside services %s; take the tenth address of the range", n.DNS, n.Services)
	}
	if n.MTU < 1280 || n.MTU > 9000 {
		bad("MTU %d is outside 1280–9000 bytes; leave it 0 for %d", n.MTU, DefaultMTU)
	}
	if !device.MatchString(n.Interface) {
		bad("mesh interface %q is no name of an interface; leave it empty for wg0", n.Interface)
	}
	return errs
}

// ValidateNodes reports everything that is wrong with the nodes, each by itself and all together, joined.
func (c Cluster) ValidateNodes(nodes []Node) error {
	var errs []error
	names, addresses := map[string]bool{}, map[string]string{}
	for i, n := range nodes {
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("node %s: "+format, append([]any{n.Name}, args...)...))
		}
		if err := naming.Validate(n.Name); err != nil {
			errs = append(errs, fmt.Errorf("node %d of the list: %w", i+1, err))
			continue
		}
		if names[n.Name] {
			bad("there are two nodes of that name; rename one")
		}
		names[n.Name] = true
		if !c.Network.Mesh.Contains(n.Address) {
			bad("mesh address %s is outside %s; change its index in the stack", n.Address, c.Network.Mesh)
		} else if other, taken := addresses[n.Address.String()]; taken {
			bad("mesh address %s is %s's already; give it an index of its own", n.Address, other)
		}
		addresses[n.Address.String()] = n.Name
		switch {
		case !n.PodCIDR.IsValid() || n.PodCIDR.Bits() != 24 || n.PodCIDR != n.PodCIDR.Masked():
			bad("pod CIDR %s is not a /24; change its index in the stack", n.PodCIDR)
		case !c.Network.Pods.Contains(n.PodCIDR.Addr()):
			bad("pod CIDR %s is outside %s; change its index in the stack", n.PodCIDR, c.Network.Pods)
		default:
			for _, other := range nodes[:i] {
				if other.PodCIDR == n.PodCIDR {
					bad("pod CIDR %s is %s's already; give it an index of its own", n.PodCIDR, other.Name)
				}
			}
		}
		if n.Site == "" || !labelValue.MatchString(n.Site) {
			bad("site %q cannot be a label; write it like rbx", n.Site)
		}
		if !labelValue.MatchString(n.Region) {
			bad("region %q cannot be a label; write it like eu-west", n.Region)
		}
		for _, key := range slices.Sorted(maps.Keys(n.Labels)) {
			if !labelKey.MatchString(key) {
				bad("label %q is no key of Kubernetes; write it like tier or example.com/tier", key)
			}
			if !labelValue.MatchString(n.Labels[key]) {
				bad("label %s: value %q has more than 63 bytes or other than letters, digits, - _ and .", key, n.Labels[key])
			}
			if _, ours := (Node{ControlPlane: n.ControlPlane, Region: n.Region}).labels()[key]; ours {
				bad("label %s follows from the node's description; leave it out", key)
			}
		}
		for _, taint := range n.Taints {
			if !labelKey.MatchString(taint.Key) || !labelValue.MatchString(taint.Value) {
				bad("taint %q is not of the form key=value:effect", taint)
			}
			if !slices.Contains([]string{"NoSchedule", "PreferNoSchedule", "NoExecute"}, taint.Effect) {
				bad("taint %s: effect %q is not NoSchedule, PreferNoSchedule or NoExecute", taint.Key, taint.Effect)
			}
		}
	}
	return errors.Join(errs...)
}
