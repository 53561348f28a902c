package kubeadm_test

import (
	"encoding/json"
	"flag"
	"net/netip"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"havre/components/cluster/kubeadm"
	"havre/components/host/script"
	"havre/components/host/script/scripttest"
)

var update = flag.Bool("update", false, "write the golden files")

func sum(digit string) string { return strings.Repeat(digit, 64) }

// production and local are a cluster on ordinary machines and one on container hosts that share a kernel.
func production() kubeadm.Cluster {
	binary := func(name, digit string) kubeadm.Binary {
		return kubeadm.Binary{URL: "https://artifacts.example/v1.36.3/" + name, SHA256: sum(digit)}
	}
	return kubeadm.Cluster{
		Name:    "havre",
		Version: "v1.36.3",
		Network: kubeadm.Network{
			Mesh:     netip.MustParsePrefix("10.80.0.0/16"),
			Pods:     netip.MustParsePrefix("10.81.0.0/16"),
			Services: netip.MustParsePrefix("10.82.0.0/16"),
			DNS:      netip.MustParseAddr("10.82.0.10"),
		},
		ControlPlane: []kubeadm.Member{
			{Name: "rbx-cp-1", Address: netip.MustParseAddr("10.80.0.1")},
			{Name: "gra-cp-1", Address: netip.MustParseAddr("10.80.0.2")},
			{Name: "sbg-cp-1", Address: netip.MustParseAddr("10.80.0.3")},
		},
		Release: kubeadm.Release{Binaries: map[string]kubeadm.Binary{
			"kubeadm": binary("kubeadm", "a"), "kubelet": binary("kubelet", "b"), "kubectl": binary("kubectl", "c"), "etcdctl": binary("etcdctl", "d"), "etcdutl": binary("etcdutl", "e"),
		}},
		Images: kubeadm.Images{Pause: "images.example/pause:3.10.2"},
	}.WithDefaults()
}

func local() kubeadm.Cluster {
	c := production()
	c.Images = kubeadm.Images{Registry: "198.51.100.1:5000", PlainHTTP: true, Pause: "198.51.100.1:5000/pause:3.10.2"}
	c.Runtime = kubeadm.Runtime{Cgroupfs: true, CgroupV1: true, RemountCgroups: true, RestrictOOMScoreAdj: true, SharedKernel: true}
	return c
}

func controlPlane() kubeadm.Node {
	return kubeadm.Node{
		Name: "rbx-cp-1", Address: netip.MustParseAddr("10.80.0.1"), PodCIDR: netip.MustParsePrefix("10.81.1.0/24"),
		ControlPlane: true, Site: "rbx", Region: "fr",
	}
}

func worker() kubeadm.Node {
	return kubeadm.Node{
		Name: "gra-worker-2", Address: netip.MustParseAddr("10.80.0.12"), PodCIDR: netip.MustParsePrefix("10.81.12.0/24"),
		Site: "gra", Labels: map[string]string{"havre/tier": "burst"},
		Taints: []kubeadm.Taint{{Key: "havre/burst", Value: "yes", Effect: "NoSchedule"}},
	}
}

func golden(name string) string { return filepath.Join("testdata", name) }

func TestScripts(t *testing.T) {
	external := production()
	external.Network.ExternalCNI = true
	for name, text := range map[string]string{
		"production-control-plane-kubernetes.sh": kubeadm.Prepare(production(), controlPlane()),
		"production-worker-kubernetes.sh":        kubeadm.Prepare(production(), worker()),
		"local-control-plane-kubernetes.sh":      kubeadm.Prepare(local(), controlPlane()),
		"local-worker-kubernetes.sh":             kubeadm.Prepare(local(), worker()),
		"external-worker-kubernetes.sh":          kubeadm.Prepare(external, worker()),
		"kubernetes-delete.sh":                   kubeadm.Unprepare(),
		"founder-invitation.sh":                  kubeadm.Invite(controlPlane(), true),
		"control-plane-invitation.sh":            kubeadm.Invite(controlPlane(), false),
		"worker-invitation.sh":                   kubeadm.Invite(worker(), false),
		"founder-join.sh":                        kubeadm.Join(true),
		"join.sh":                                kubeadm.Join(false),
		"join-delete.sh":                         kubeadm.Leave(),
		"control-plane-member.sh":                kubeadm.Admit(production(), controlPlane()),
		"worker-member.sh":                       kubeadm.Admit(production(), worker()),
		"member-delete.sh":                       kubeadm.Retire(production(), worker()),
		"kubeconfig.sh":                          kubeadm.Kubeconfig(production(), "https://10.80.0.1:6443", "socks5://127.0.0.1:19090"),
		"kubeconfig-direct.sh":                   kubeadm.Kubeconfig(production(), "https://10.80.0.1:6443", ""),
	} {
		t.Run(name, func(t *testing.T) { scripttest.Script(t, golden(name), text, *update) })
	}
}

// library gives the functions of a node as its host has them, after its environment, with the paths below dir.
func library(dir string, c kubeadm.Cluster, n kubeadm.Node) string {
	var b strings.Builder
	for _, name := range kubeadm.PrepareFiles(n.ControlPlane) {
		if strings.HasSuffix(name, ".sh") {
			b.WriteString(script.LibraryFile(name))
		}
	}
	b.WriteString(c.NodeEnvironment(n))
	return strings.NewReplacer("unix:///run/", "unix:///run/", "/etc/", dir+"/etc/").Replace(b.String())
}

// made is a file's text as the host makes it.
func made(t *testing.T, c kubeadm.Cluster, n kubeadm.Node, function string) string {
	t.Helper()
	dir := t.TempDir()
	result := scripttest.Run(t, dir, library(dir, c, n)+function+"\n", "")
	if result.Code != 0 {
		t.Fatalf("%s: status %d: %s", function, result.Code, result.Stderr)
	}
	return strings.ReplaceAll(result.Stdout, dir, "")
}

func TestConfiguration(t *testing.T) {
	single := production()
	single.Network.ExternalCNI = true
	for name, c := range map[string]struct {
		cluster  kubeadm.Cluster
		node     kubeadm.Node
		function string
	}{
		"init.json":             {production(), controlPlane(), "kubernetes_init_config"},
		"local-upload.json":     {local(), controlPlane(), "kubernetes_init_config @KEY@"},
		"control-plane.json":    {production(), controlPlane(), "kubernetes_join_config"},
		"worker.json":           {production(), worker(), "kubernetes_join_config"},
		"local-worker.json":     {local(), worker(), "kubernetes_join_config"},
		"discovery.json":        {production(), worker(), "kubernetes_discovery_config"},
		"kubelet.json":          {production(), worker(), "kubernetes_kubelet_config"},
		"local-kubelet.json":    {local(), worker(), "kubernetes_kubelet_config"},
		"kubelet.service":       {production(), worker(), "kubernetes_kubelet_unit"},
		"api-proxy.cfg":         {production(), worker(), "kubernetes_api_proxy_config"},
		"containerd.toml":       {production(), worker(), "kubernetes_containerd_config"},
		"local-containerd.toml": {local(), worker(), "kubernetes_containerd_config"},
		"registry-hosts.toml":   {local(), worker(), "kubernetes_registry_hosts"},
		"conflist.json":         {production(), worker(), "kubernetes_conflist"},
		"masquerade.nft":        {production(), worker(), "kubernetes_masquerade"},
		"apiserver-patch.json":  {production(), controlPlane(), "kubernetes_api_server_patch 0123456789abcdef ''"},
		"sysctls":               {production(), worker(), "kubernetes_sysctls"},
		"external-sysctls":      {single, worker(), "kubernetes_sysctls"},
		"external-cni.service":  {single, worker(), "kubernetes_cni_mounts_unit"},
		"local-sysctls":         {local(), worker(), "kubernetes_sysctls"},
	} {
		t.Run(name, func(t *testing.T) {
			text := made(t, c.cluster, c.node, c.function)
			scripttest.Golden(t, golden(name), text, *update)
			if !strings.HasSuffix(name, ".json") {
				return
			}
			for _, document := range strings.Split(text, "---\n") {
				if !json.Valid([]byte(document)) {
					t.Errorf("not JSON:\n%s", document)
				}
			}
		})
	}
}

// What is reckoned with when capacity is judged is what kubelet is told.
func TestReserved(t *testing.T) {
	var k struct{ KubeReserved, SystemReserved, EvictionHard map[string]string }
	if err := json.Unmarshal([]byte(made(t, production(), worker(), "kubernetes_kubelet_config")), &k); err != nil {
		t.Fatal(err)
	}
	number := func(text, unit string) int {
		n, err := strconv.Atoi(strings.TrimSuffix(text, unit))
		if err != nil {
			t.Error(err)
		}
		return n
	}
	if got := number(k.KubeReserved["cpu"], "m") + number(k.SystemReserved["cpu"], "m"); got != kubeadm.ReservedCPU {
		t.Errorf("kubelet keeps %d thousandths of a core, reckoned are %d", got, kubeadm.ReservedCPU)
	}
	memory := number(k.KubeReserved["memory"], "Mi") + number(k.SystemReserved["memory"], "Mi") + number(k.EvictionHard["memory.available"], "Mi")
	if memory<<20 != kubeadm.ReservedMemory {
		t.Errorf("kubelet keeps %d MiB, reckoned are %d bytes", memory, kubeadm.ReservedMemory)
	}
}

// A node without taints says so, or kubeadm would put its own.
func TestNoTaintsAreAnEmptyList(t *testing.T) {
	n := worker()
	n.Taints = nil
	if text := made(t, production(), n, "kubernetes_join_config"); !strings.Contains(text, `"taints": []`) || !json.Valid([]byte(text)) {
		t.Errorf("got %s", text)
	}
}

// The Node as the API server is given it, from the labels in the command.
func TestManifest(t *testing.T) {
	_, labels, _ := strings.Cut(kubeadm.Admit(production(), worker()), " <<'EOF'\n")
	text := made(t, production(), controlPlane(), "cluster_manifest gra-worker-2 'havre/burst=yes:NoSchedule' <<'EOF'\n"+labels)
	var node any
	if err := json.Unmarshal([]byte(text), &node); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	want := map[string]any{
		"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{
			"name": "gra-worker-2", "annotations": map[string]any{"havre/taints": "havre/burst=yes:NoSchedule"},
			"labels": map[string]any{
				"havre/tier": "burst", "node-restriction.kubernetes.io/mesh-address": "10.80.0.12", "node-role.kubernetes.io/worker": "",
				"topology.kubernetes.io/zone": "gra",
			},
		},
	}
	if !reflect.DeepEqual(node, want) {
		t.Errorf("got %v", node)
	}
}

func TestPackagesAreTheHosts(t *testing.T) {
	if want := "havre_packages " + script.Words(kubeadm.Packages...) + "\n"; !strings.Contains(script.LibraryFile("kubernetes.sh"), want) {
		t.Errorf("kubernetes.sh has no line %q", want)
	}
}

// What kubeadm init stores in the cluster is used by every later control-plane node.
func TestClusterConfigurationHoldsNoNodesAddress(t *testing.T) {
	_, stored, found := strings.Cut(made(t, production(), controlPlane(), "kubernetes_init_config"), "---\n")
	if !found {
		t.Fatal("the configuration is one document")
	}
	for _, value := range []string{"10.80.0.1", "rbx-cp-1"} {
		if strings.Contains(stored, value) {
			t.Errorf("ClusterConfiguration has %s of one node:\n%s", value, stored)
		}
	}
}

func TestDefaultsAreACopy(t *testing.T) {
	c := kubeadm.Cluster{}
	if got := c.WithDefaults(); got.APIPort != 6443 || got.APIProxyPort != 7443 || got.Network.MTU != 1420 || got.DrainTimeout != 5*time.Minute {
		t.Errorf("defaults are %+v", got)
	}
	if c.APIPort != 0 {
		t.Error("the caller's value was changed")
	}
}

func TestValidate(t *testing.T) {
	if err := production().Validate(); err != nil {
		t.Fatalf("the cluster the mutations start from is refused: %v", err)
	}
	for name, m := range map[string]struct {
		change func(*kubeadm.Cluster)
		want   string
	}{
		"name": {func(c *kubeadm.Cluster) { c.Name = "Havre" },
			`cluster: name "Havre" is not made of lower-case letters, digits and inner hyphens with a letter first; write it like gra-worker-2`},
		"version":      {func(c *kubeadm.Cluster) { c.Version = "1.36.3" }, `version "1.36.3" is not one of Kubernetes; write it like v1.36.3`},
		"cgroup v1":    {func(c *kubeadm.Cluster) { c.Version, c.Runtime.CgroupV1 = "v1.37.0", true }, `version v1.37.0 has no kubelet for cgroup v1; take v1.36, or hosts with cgroup v2`},
		"no mesh":      {func(c *kubeadm.Cluster) { c.Network.Mesh = netip.Prefix{} }, `the mesh range is missing; give an IPv4 prefix`},
		"mesh pods":    {func(c *kubeadm.Cluster) { c.Network.Mesh = netip.MustParsePrefix("10.80.0.0/15") }, `mesh 10.80.0.0/15 and pods 10.81.0.0/16 overlap; the mesh routes both, keep them apart`},
		"mesh service": {func(c *kubeadm.Cluster) { c.Network.Mesh = netip.MustParsePrefix("10.82.0.0/24") }, `mesh 10.82.0.0/24 and services 10.82.0.0/16 overlap; a service would hide a host, keep them apart`},
		"pods service": {func(c *kubeadm.Cluster) { c.Network.Pods = netip.MustParsePrefix("10.82.128.0/17") }, `pods 10.82.128.0/17 and services 10.82.0.0/16 overlap; a service would hide a pod, keep them apart`},
		"dns":          {func(c *kubeadm.Cluster) { c.Network.DNS = netip.MustParseAddr("10.83.0.10") }, `cluster DNS 10.83.0.10 is outside services 10.82.0.0/16; take the tenth address of the range`},
		"mtu":          {func(c *kubeadm.Cluster) { c.Network.MTU = 1200 }, `MTU 1200 is outside 1280–9000 bytes; leave it 0 for 1420`},
		"interface":    {func(c *kubeadm.Cluster) { c.Network.Interface = "wg 0" }, `mesh interface "wg 0" is no name of an interface; leave it empty for wg0`},
		"no control":   {func(c *kubeadm.Cluster) { c.ControlPlane = nil }, `there is no control-plane node; make one, or better three in three failure domains`},
		"port":         {func(c *kubeadm.Cluster) { c.APIPort = 443 }, `API port 443 is outside 1024–65535; leave it 0 for 6443`},
		"proxy port":   {func(c *kubeadm.Cluster) { c.APIProxyPort = 70000 }, `API proxy port 70000 is outside 1024–65535; leave it 0 for 7443`},
		"same ports":   {func(c *kubeadm.Cluster) { c.APIProxyPort = 6443 }, `API port and API proxy port are both 6443; the proxy runs beside the API server on control-plane nodes, give it another`},
		"pods a node":  {func(c *kubeadm.Cluster) { c.MaxPods = 251 }, `251 pods a node are outside 1–250, for a node has a /24; leave it 0 for 110`},
		"drain":        {func(c *kubeadm.Cluster) { c.DrainTimeout = 1500 * time.Millisecond }, `drain timeout 1.5s is not of whole seconds between 10s and 1h; leave it 0 for 5m0s`},
		"no binary":    {func(c *kubeadm.Cluster) { delete(c.Release.Binaries, "etcdctl") }, `the release lacks etcdctl; pin its URL and checksum`},
		"url": {func(c *kubeadm.Cluster) {
			c.Release.Binaries["kubelet"] = kubeadm.Binary{URL: "/kubelet", SHA256: sum("b")}
		},
			`binary kubelet: "/kubelet" is no http or https URL`},
		"checksum": {func(c *kubeadm.Cluster) {
			c.Release.Binaries["kubelet"] = kubeadm.Binary{URL: "https://a/kubelet", SHA256: "abc"}
		},
			`binary kubelet: checksum "abc" is not a SHA-256 in 64 hexadecimal digits; take it from the release`},
		"key of Secrets": {func(c *kubeadm.Cluster) { c.SecretsKey = 1000 }, `generation 1000 of the key of Secrets is outside 1–999; leave it 0 for the first`},
		"strange binary": {func(c *kubeadm.Cluster) { c.Release.Binaries["helm"] = kubeadm.Binary{} }, `the release has helm, which no node takes; leave it out`},
		"registry":       {func(c *kubeadm.Cluster) { c.Images.Registry = "http://a" }, `image registry "http://a" is not of the form host:port/path; leave the scheme out`},
		"plain":          {func(c *kubeadm.Cluster) { c.Images.PlainHTTP = true }, `plain HTTP is asked for without an image registry; name the registry`},
		"pause":          {func(c *kubeadm.Cluster) { c.Images.Pause = "pause" }, `pause image "pause" is not a whole reference with a tag or a digest`},
		"several": {func(c *kubeadm.Cluster) { c.Version, c.Images.Pause = "", "" },
			"version \"\" is not one of Kubernetes; write it like v1.36.3\npause image \"\" is not a whole reference with a tag or a digest"},
	} {
		t.Run(name, func(t *testing.T) {
			c := production()
			m.change(&c)
			if got := message(c.Validate()); got != m.want {
				t.Errorf("\n got %s\nwant %s", got, m.want)
			}
		})
	}
}

func TestValidateNodes(t *testing.T) {
	if err := production().ValidateNodes([]kubeadm.Node{controlPlane(), worker()}); err != nil {
		t.Fatalf("the nodes the mutations start from are refused: %v", err)
	}
	for name, m := range map[string]struct {
		change func(*kubeadm.Node)
		want   string
	}{
		"no name":       {func(n *kubeadm.Node) { n.Name = "" }, `node 2 of the list: name is empty; give it one such as gra-worker-2`},
		"name twice":    {func(n *kubeadm.Node) { n.Name = "rbx-cp-1" }, `node rbx-cp-1: there are two nodes of that name; rename one`},
		"outside":       {func(n *kubeadm.Node) { n.Address = netip.MustParseAddr("10.81.0.4") }, `node gra-worker-2: mesh address 10.81.0.4 is outside 10.80.0.0/16; change its index in the stack`},
		"same":          {func(n *kubeadm.Node) { n.Address = netip.MustParseAddr("10.80.0.1") }, `node gra-worker-2: mesh address 10.80.0.1 is rbx-cp-1's already; give it an index of its own`},
		"no /24":        {func(n *kubeadm.Node) { n.PodCIDR = netip.MustParsePrefix("10.81.12.0/25") }, `node gra-worker-2: pod CIDR 10.81.12.0/25 is not a /24; change its index in the stack`},
		"not its start": {func(n *kubeadm.Node) { n.PodCIDR = netip.MustParsePrefix("10.81.12.1/24") }, `node gra-worker-2: pod CIDR 10.81.12.1/24 is not a /24; change its index in the stack`},
		"other pods":    {func(n *kubeadm.Node) { n.PodCIDR = netip.MustParsePrefix("10.99.1.0/24") }, `node gra-worker-2: pod CIDR 10.99.1.0/24 is outside 10.81.0.0/16; change its index in the stack`},
		"same pods":     {func(n *kubeadm.Node) { n.PodCIDR = netip.MustParsePrefix("10.81.1.0/24") }, `node gra-worker-2: pod CIDR 10.81.1.0/24 is rbx-cp-1's already; give it an index of its own`},
		"no site":       {func(n *kubeadm.Node) { n.Site = "" }, `node gra-worker-2: site "" cannot be a label; write it like rbx`},
		"region":        {func(n *kubeadm.Node) { n.Region = "eu west" }, `node gra-worker-2: region "eu west" cannot be a label; write it like eu-west`},
		"label key":     {func(n *kubeadm.Node) { n.Labels = map[string]string{"a b": ""} }, `node gra-worker-2: label "a b" is no key of Kubernetes; write it like tier or example.com/tier`},
		"label value":   {func(n *kubeadm.Node) { n.Labels = map[string]string{"a": "b c"} }, `node gra-worker-2: label a: value "b c" has more than 63 bytes or other than letters, digits, - _ and .`},
		"our label": {func(n *kubeadm.Node) { n.Labels = map[string]string{"topology.kubernetes.io/zone": "x"} },
			`node gra-worker-2: label topology.kubernetes.io/zone follows from the node's description; leave it out`},
		"taint":  {func(n *kubeadm.Node) { n.Taints[0].Key = "" }, `node gra-worker-2: taint "=yes:NoSchedule" is not of the form key=value:effect`},
		"effect": {func(n *kubeadm.Node) { n.Taints[0].Effect = "Never" }, `node gra-worker-2: taint havre/burst: effect "Never" is not NoSchedule, PreferNoSchedule or NoExecute`},
		"several": {func(n *kubeadm.Node) { n.Site, n.Address = "", netip.MustParseAddr("10.81.0.4") },
			"node gra-worker-2: mesh address 10.81.0.4 is outside 10.80.0.0/16; change its index in the stack\nnode gra-worker-2: site \"\" cannot be a label; write it like rbx"},
	} {
		t.Run(name, func(t *testing.T) {
			n := worker()
			m.change(&n)
			if got := message(production().ValidateNodes([]kubeadm.Node{controlPlane(), n})); got != m.want {
				t.Errorf("\n got %s\nwant %s", got, m.want)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
