package stacks

import (
	"net/netip"
	"strconv"
	"time"
)

// Stack describes one environment. It holds no secret and no image: those are in Pulumi.<stack>.yaml.
//
// Every field is exported plain data, because [Clone] and [Diff] walk the value.
type Stack struct {
	// Name is the Pulumi stack's name: "prod", "staging", "load-test", "local" or "local-staging".
	Name string
	// Sandbox says that the hosts are containers of one machine. It permits what no real host may have: the settings of Runtime, an own
	// certificate authority, no database.
	Sandbox bool
	Account Account
	// Budget bounds what the servers and the database of the description may cost.
	Budget         Budget
	Sites          []Site
	Nodes          []Node
	Mesh           Mesh
	Pods           Pods
	Services       Services
	PrivateNetwork PrivateNetwork
	EdgeFirewall   EdgeFirewall
	// SSHFrom are the networks that SSH is open to, beside the mesh; none means everywhere, which sshd with keys alone can bear. Whoever runs Pulumi must be in
	// one of them.
	SSHFrom []netip.Prefix
	Cluster Cluster
	Runtime Runtime
	Edge    Edge
	Render  Render
	// Data lists the services outside Kubernetes that pods reach by a Service name. Nodes with RoleData carry them.
	Data     []DataService
	Database Database
	DNS      DNS
}

// Account is the customer side at OVH. Endpoint and keys come from the environment, the account guard from Pulumi.<stack>.yaml.
type Account struct {
	// Subsidiary decides catalogue, currency and contracts: one of the European ones, for example "FR".
	Subsidiary string
	// CloudProject is the id of the Public Cloud project that instances are made in, 32 hexadecimal digits; empty without instances.
	CloudProject string
}

// Budget bounds the sum over all nodes, retired ones included, because those are still paid, and the managed database. Tax is not in it.
type Budget struct {
	// Monthly is the most that all nodes and the database may cost in a month.
	Monthly Money
	// Setup is the most that ordering all nodes anew may cost once.
	Setup Money
}

// Site is one failure domain: a city where OVH has both dedicated servers and VPS.
type Site struct {
	// Name is short and starts the name of every node there: "rbx", "gra", "sbg".
	Name string
	City string
	// Region is the order's value for label "region": "europe" or "canada".
	Region string
	// Datacenter is the order code for dedicated servers (label dedicated_datacenter), for example "rbx".
	Datacenter string
	// VPSDatacenter is the order code for VPS (label vps_datacenter), for example "RBX".
	VPSDatacenter string
	// CloudRegion is the region of Public Cloud there, for example "GRA11"; needed where an instance is.
	CloudRegion string
}

// Kind says how a node is bought.
type Kind string

// The kinds of node. The values are those of the OVH simulator's machines.
const (
	Dedicated Kind = "dedicated"
	VPS       Kind = "vps"
	// Instance is one of Public Cloud: there in minutes, billed by the hour until it is deleted, and then gone with all that is on it.
	Instance Kind = "instance"
)

// Role says what a node does. A node may be worker and edge at once; the other roles stand alone.
type Role string

// The roles of a node.
const (
	RoleControlPlane Role = "control-plane"
	RoleWorker       Role = "worker"
	// RoleEdge takes the readers' traffic on the node's public address. Only workers may have it.
	RoleEdge Role = "edge"
	// RoleData is a host outside Kubernetes; Node.Purpose names what runs there.
	RoleData Role = "data"
)

// The bounds of Node.Index. 250 keeps the pod CIDR of every node inside a /16.
const (
	MinIndex = 1
	MaxIndex = 250
)

// Node is one server. Its name and index are its identity: addresses, logical names and the order's mark follow from them.
type Node struct {
	// Name is <site>-<role>-<number>, a DNS label. Changing it orders another server.
	Name string
	// Index is unique in the stack, MinIndex to MaxIndex. Mesh address, private address and pod CIDR follow from it, so it never changes
	// and is never given to another node while the first one runs.
	Index int
	// Site is the name of a Site.
	Site  string
	Kind  Kind
	Roles []Role
	// Purpose names the DataService that the node carries; for RoleData only.
	Purpose string
	Offer   Offer
	// Adopt is the service name of a machine that the account holds already and that is this node, for example "ns3123456.ip-5-196-1.eu": nothing is ordered,
	// and what runs on it is kept. Empty orders one.
	Adopt string
	// Vrack plugs the node into the private network. Dedicated servers only: the API has no route for a VPS.
	Vrack bool
	// Retired drains the node, takes it out of the cluster and permits that its server is given up. It stays in the mesh, over which it is
	// drained; mesh and server end only when the node leaves the description in a later change.
	Retired bool
	// Generation is 1 at first. Raising it installs the operating system anew and loses what is on the disks; nothing else does.
	Generation int
	// Partitions is the disk layout of a dedicated server; none is that of OVH's template, which mirrors all disks. An installed node takes a new
	// layout up with its next Generation.
	Partitions []Partition
	// NoRenewal keeps OVH from renewing the server at its expiry: it is suspended then, unless somebody pays by hand. For a node that is to run out
	// without a further month's bill; one that is given up needs Retired only.
	NoRenewal bool
	// MeshKeys are Mesh.Keys of this host alone; empty for those.
	MeshKeys []int
	// Rescue boots a host that does not answer from OVH's rescue system, and from its disks again when it is taken away. Meanwhile nothing runs on the host
	// and nothing there changes, readers are not led to it, and its resources are kept. See docs/runbooks/a-host-that-does-not-answer.md.
	Rescue bool
	// ReverseDNS is the full name of the public address, inside the zone; empty is <node>.nodes.<zone>. OVH takes a reverse only after the name leads to
	// the address, so the name's own record is made of it too.
	ReverseDNS string
	// Open are rules of this node alone for the host's own firewall and for OVH's, before those that follow from its roles.
	Open []FirewallRule
}

// Retired gives a node up, round its line in the description: Retired(worker("gra-worker-4", 14, "gra")). See Node.Retired.
func Retired(n Node) Node {
	n.Retired = true
	return n
}

// Rescued boots a node that does not answer from OVH's rescue system, round its line in the description. See Node.Rescue.
func Rescued(n Node) Node {
	n.Rescue = true
	return n
}

// Partition is one line of a disk layout.
type Partition struct {
	// MountPoint is an absolute path, or "swap". "/" must be there.
	MountPoint string
	// FileSystem is "ext4", "xfs", "btrfs" or "swap".
	FileSystem string
	// Size is 0 for what the others leave, once at most.
	Size MiB
	// Striped puts the partition on all disks once (RAID 0): their sizes add up, and one lost disk loses all of it. Else it is mirrored.
	Striped bool
}

// Has reports whether the node has the role.
func (n Node) Has(role Role) bool {
	for _, r := range n.Roles {
		if r == role {
			return true
		}
	}
	return false
}

// InCluster reports whether the node runs a kubelet.
func (n Node) InCluster() bool { return n.Has(RoleControlPlane) || n.Has(RoleWorker) }

// The catalogues (products) of OVH's order API.
const (
	CatalogueEco       = "eco"
	CatalogueBareMetal = "baremetalServers"
	CatalogueVPS       = "vps"
	CatalogueCloud     = "cloud"
)

// Offer is what is bought for a node, and what it is expected to cost. A price above the declared one is refused at preview.
type Offer struct {
	// Catalogue is the product of the order API: "eco", "baremetalServers" or "vps"; "cloud" for an instance.
	Catalogue string
	// PlanCode is the plan's, or the flavor of an instance: "c3-64".
	PlanCode string
	// Options are plan codes, one of each mandatory family for a dedicated server: memory, storage, bandwidth, vrack.
	Options []string
	// Duration is ISO 8601, "P1M" for the pricing mode "default". An instance has the mode "hourly" and no duration.
	Duration    string
	PricingMode string
	// Monthly is the plan with all options for a month, without tax. Of an instance it is HoursPerMonth times Hourly: what it would cost if nobody ended it.
	Monthly Money
	// Hourly is the price of each hour begun, without tax; of an instance only.
	Hourly Money
	// Setup is paid once, without tax.
	Setup Money
	// OS is the installation template of a dedicated server ("debian12_64") or the image of a VPS or an instance ("Debian 12").
	OS string
	// Cores counts physical cores (vCores of a VPS), not threads: a burst of rendering needs real cores. Two vCores of an instance are the threads of one.
	Cores     int
	MemoryGiB int
}

// Mesh is the WireGuard network between all nodes.
type Mesh struct {
	// CIDR holds the mesh addresses: the node with index i has the i-th address.
	CIDR netip.Prefix
	// Port is the UDP port on which every host listens.
	Port int
	// PathMTU is the smallest MTU between two hosts outside the mesh, in bytes.
	PathMTU int
	// MTU of the interface in bytes: 1280 to PathMTU − 80. The 80 bytes are WireGuard over IPv6; over IPv4 it takes 60.
	MTU int
	// Keys are the generations of every host's own key: the one in use, and the next one while a rotation is under way; {1} when empty. A rotation takes two runs and
	// loses no connection: with {1, 2} all peers learn of the next keys, and with {2} the hosts use them. See docs/runbooks/rotate-keys.md.
	Keys []int
	// Operators are peers that are no hosts of ours: engineers' laptops, the runner of deployments. They reach every host's mesh address, so the API server too.
	Operators []Operator
}

// Operator is a peer whose machine we do not order. Its key is made there and never leaves it; hosts wait for it to call, because its address is not known.
type Operator struct {
	// Name is a DNS label, such as ada-laptop.
	Name string
	// Index is unique among operators, 1 to MaxOperator. The mesh address follows from it: the Index-th of the mesh's second /24, where no node is.
	Index int
	// PublicKey is what `wg pubkey` prints of the machine's private key: 32 bytes in base64.
	PublicKey string
}

// MaxOperator bounds Operator.Index.
const MaxOperator = 254

// operatorOffset is where the addresses of operators begin, beyond those of all nodes.
const operatorOffset = 256

// Pods is the network of the pods. It is routed natively over the mesh: the node with index i has the i-th /24.
type Pods struct {
	CIDR netip.Prefix
	// MTU of the pods' interfaces in bytes, at most the mesh's; with NetworkCilium at most 10 less than that.
	MTU int
	// Network is what gives pods their interfaces. It is chosen for a cluster's life.
	Network PodNetwork
}

// PodNetwork is what gives pods their interfaces and makes Services work.
type PodNetwork string

// The pod networks.
const (
	// NetworkCilium routes in BPF, takes kube-proxy's place and enforces network policies.
	NetworkCilium PodNetwork = "cilium"
	// NetworkBridge is a plain bridge with host-local addresses beside kube-proxy. It enforces no network policy, which only a sandbox may do without.
	NetworkBridge PodNetwork = "bridge"
)

// Services is the range of ClusterIPs. Cluster DNS has its tenth address, as kubeadm does it.
type Services struct {
	CIDR netip.Prefix
	// Domain is the cluster's DNS domain, "cluster.local".
	Domain string
	// Resolvers answer cluster DNS for names outside the cluster; none refuses such names, which only a sandbox may.
	Resolvers []netip.Addr
}

// PrivateNetwork is OVH's vRack between dedicated servers of all sites.
type PrivateNetwork struct {
	// Order has the program order a vRack of the stack's own, which costs nothing.
	Order bool
	// Vrack is the service name of one that is there already, for example "pn-1000001"; empty with Order.
	Vrack string
	// CIDR holds the private addresses: the node with index i has the i-th address.
	CIDR netip.Prefix
}

// Cluster is Kubernetes itself.
type Cluster struct {
	// KubernetesVersion is pinned in full, without a leading v: "1.36.3". Another one, with its binaries in Pulumi.<stack>.yaml, upgrades the cluster that runs: a patch, or one
	// minor version on (docs/runbooks/upgrade.md).
	KubernetesVersion string
	// MaxUnavailable is the number of workers that an upgrade may drain at a time, from 1 to one less than there are. Those that are missing anyway count.
	MaxUnavailable int
	// APIPort is the API server's TCP port on the mesh address of every control-plane node.
	APIPort int
	// ProxyPort is the TCP port on 127.0.0.1 at which every node reaches the API servers, whichever of them live.
	ProxyPort int
	// APIJump is the proxy through which the cluster's API is reached from a machine outside the mesh, as an http URL. Empty means that whoever
	// runs Pulumi is in the mesh.
	APIJump string
	// SecretsKey is the generation of the key that Secrets are encrypted with in etcd, from 1 on. Another one makes a new key, which the control plane takes into use
	// by itself within an hour or so.
	SecretsKey int
	// Backup keeps what is in the cluster outside of it.
	Backup Backup
}

// Backup keeps etcd, and the audit logs of the API servers, in a bucket, encrypted before they leave the host. Its keys and its password are in Pulumi.<stack>.yaml.
type Backup struct {
	// Storage is the bucket, with a user of its own. It need not honour conditional writes.
	Storage ObjectStorage
	// Every is the longest time between two backups of etcd, and so what a lost cluster may have forgotten: 10 minutes to a day, in whole seconds.
	Every time.Duration
	// KeepHourly and KeepDaily are how many are kept of one an hour, and of one a day: 1 to 1000 each.
	KeepHourly, KeepDaily int
}

// Runtime holds what hosts need only because they are containers of one machine. Real hosts have the zero value but for CgroupDriver.
type Runtime struct {
	// CgroupDriver of kubelet and containerd: "systemd", or "cgroupfs" in a sandbox.
	CgroupDriver string
	// CgroupV1 lets kubelet start on cgroup v1 (failCgroupV1: false). Kubernetes 1.36 is the last version that can.
	CgroupV1 bool
	// RestrictOOMScoreAdj lets containerd start pods where it may not lower the out-of-memory score.
	RestrictOOMScoreAdj bool
	// UserspaceWireGuard installs wireguard-go for a kernel without WireGuard.
	UserspaceWireGuard bool
	// SharedCores is the number of cores that all hosts share; 0 where each has those of its offer.
	SharedCores int
}

// TLSMode says who signs the edge's certificates.
type TLSMode string

// The ways to a certificate.
const (
	// TLSACME takes certificates from a public authority over ACME.
	TLSACME TLSMode = "acme"
	// TLSInternal signs with an authority of Caddy's own; sandboxes only.
	TLSInternal TLSMode = "internal"
)

// Edge is the web server on every node with RoleEdge.
type Edge struct {
	TLS TLSMode
	// ACMEEmail is where the authority sends warnings; for TLSACME only.
	ACMEEmail string
	// HTTPPort and HTTPSPort are TCP ports on the nodes' public addresses; HTTPSPort is UDP as well, for HTTP/3.
	HTTPPort  int
	HTTPSPort int
	// Storage keeps the certificates, the same for all edge nodes; for TLSACME only.
	Storage ObjectStorage
	// CustomersDomain is what customers point their own domains at, by a CNAME: one of DNS.Records, for RoleEdge and not proxied, because Cloudflare's front door takes no
	// names of other zones. Empty serves no customers' domains.
	CustomersDomain string
	// Customers are the customers' own domains, each outside our zone. A certificate is ordered when the first reader comes.
	Customers []string
	// ReviewDomain is what the names of review stacks are below: review-42.<ReviewDomain> leads to the namespace review-42. Empty takes no reviews, as where readers are served.
	ReviewDomain string
}

// ObjectStorage is a bucket with an S3 API. Its keys are in Pulumi.<stack>.yaml. It must honour conditional writes, and lie in no site that may be lost.
type ObjectStorage struct {
	// Endpoint is the URL of the API: "https://s3.eu-west-par.io.cloud.ovh.net".
	Endpoint string
	Region   string
	Bucket   string
}

// CPU counts thousandths of a core.
type CPU int

// String prints a Kubernetes quantity: "2" or "250m".
func (c CPU) String() string {
	if c%1000 == 0 {
		return strconv.Itoa(int(c) / 1000)
	}
	return strconv.Itoa(int(c)) + "m"
}

// MiB counts mebibytes of memory.
type MiB int

// String prints a Kubernetes quantity: "512Mi".
func (m MiB) String() string { return strconv.Itoa(int(m)) + "Mi" }

// Render is the service that earns the money: a picture for each reader of a mail.
type Render struct {
	// Domain is the public name; it must be one of DNS.Records with RoleEdge.
	Domain string
	// Port is the container's TCP port.
	Port int
	// MinReplicas and MaxReplicas bound the autoscaler; at least 2.
	MinReplicas int
	MaxReplicas int
	// CPUTargetPercent of the requested CPU is where the autoscaler adds replicas, 1 to 100.
	CPUTargetPercent int
	// MaxUnavailable is the disruption budget, from 1 to MinReplicas − 1.
	MaxUnavailable int
	CPURequest     CPU
	CPULimit       CPU
	MemoryRequest  MiB
	MemoryLimit    MiB
	// PeakPerSecond is the declared peak in requests a second. The workers must carry it with any one site lost, and the least replicas at their limits
	// while more are added.
	PeakPerSecond int
	// CPUPerRequest is the processor time of one picture, cache missed: cpu-ms/op of
	//
	//	go test -run '^$' -bench PNGParallel ./services/render/picture
	//
	// on the kind of machine that the workers are, rounded up to a whole millisecond. How many placeholders a stack has follows from it; see Headroom.
	CPUPerRequest time.Duration
	Prewarm       Prewarm
}

// Prewarm draws a campaign's pictures before its mail is sent.
type Prewarm struct {
	// Schedule is a cron expression of five numeric fields.
	Schedule string
	// TimeZone is an IANA name, for example "Europe/Paris".
	TimeZone string
}

// DataService is something outside Kubernetes that pods reach by a Service of the same name.
type DataService struct {
	// Name is a DNS label: "pulsar". Node.Purpose refers to it.
	Name string
	// Port is the TCP port on the mesh address of every node with that purpose.
	Port int
}

// Database is the managed PostgreSQL, outside the cluster. The zero value means none, for sandboxes only.
type Database struct {
	// Engine is "postgresql".
	Engine string
	// Version is the major version: "17".
	Version string
	// Project is the id of the Public Cloud project at OVH, 32 hexadecimal digits. A fork stands in the project of what it forks.
	Project string
	// Region is OVH's: "GRA".
	Region string
	// Plan is "essential", "production" or "advanced", Flavor the size of a node ("b3-8"). Nodes is what the plan has: 1, 2 or 3.
	Plan   string
	Flavor string
	Nodes  int
	// Monthly is the price of all nodes for a month, without tax; it is billed by the hour. A price above it is refused at preview.
	Monthly Money
	// Name is the database that pods connect to, User the user as which they do. User must own the tables, because it scrubs those of a fork.
	Name string
	User string
	// ForkOf names the stack whose latest backup this one starts from, scrubbed; empty for a database of its own.
	ForkOf string
	// Generation of a fork is 1 at first. Raising it forks and scrubs anew; what was changed in the copy is lost.
	Generation int
	// Scrubber is the public address of the machine that runs `pulumi up` for a fork. Nobody else may connect before the copy is scrubbed.
	Scrubber netip.Addr
	// Scrub says what of the data is personal and what a fork gets in its place. It is described where the data is; only forks are ever scrubbed.
	Scrub []ScrubRule
}

// ScrubRule replaces one column, or empties one table, in every fork.
type ScrubRule struct {
	// Name is the column, table.column, or for the action truncate the table. Columns that look personal by name or type and have no rule are refused.
	Name string
	// Action is keep, truncate, null, fixed, year, hash, name, email, phone, address or ip; see components/ovh/scrub.
	Action string
	// Value is for fixed.
	Value string
	// Why is for whoever audits: what the data is, or for keep why it is not personal.
	Why string
}

// DNS is the zone at Cloudflare.
type DNS struct {
	Zone string
	// ZoneID is Cloudflare's identifier of the zone, 32 hexadecimal digits; its overview page shows it.
	ZoneID string
	// AccountID is Cloudflare's identifier of the account that the zone is in, of the same form and on the same page. Pools are the account's; for balanced
	// records only.
	AccountID string
	// CheckInterval is how often Cloudflare looks at each edge node: 5 s to 1 h in whole seconds; for balanced records only. Its plans have lower bounds of
	// their own.
	CheckInterval time.Duration
	// FrontDoor are the networks from which Cloudflare's front door comes to the edge, of both families; only these may say who a reader is. Empty takes the
	// list of components/dns/frontdoor.
	FrontDoor []netip.Prefix
	Records   []Record
}

// Record is one name with the public IPv4 addresses of all active nodes of a role.
type Record struct {
	// Name is the full name, inside the zone and without a final dot.
	Name string
	Role Role
	// Balanced leads the name to the sites that answer, a pool a site; for RoleEdge only. Cloudflare sells its load balancing by itself: without it, a name has
	// an A record a node, and a lost site's stay until a run of a stack that marks its nodes.
	Balanced bool
	// Proxied puts Cloudflare's front door before the nodes.
	Proxied bool
	// TTL is 0 (automatic) when proxied, else a minute to a day in whole seconds; 30 seconds to ten minutes when balanced.
	TTL time.Duration
}
