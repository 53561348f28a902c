// Package edge is where readers' requests enter: Caddy on the own network of every edge node, on ports 80 and 443, as a DaemonSet.
//
// Certificates come in one of two ways. Internal takes one certificate, the same on every node, from an authority of our own (components/authority): right for
// the local stack, and behind a front door that does not check the origin's certificate. ACME has each node's Caddy take its own certificate from a public
// authority and keep it in a folder of the node. What a reader would get wrong about ACME: Caddy's storage is not shared between nodes, so a challenge is
// answered only by the node that began it. With one edge node that is always so; with several behind one name the authority's question
// reaches the right one by chance, and an authority gives five equal certificates a week. A shared storage, or a certificate from the front door, is needed before
// a fleet of edges relies on it.
package edge

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/naming"
	"havre/components/workload"
	"havre/components/workload/pod"
	"havre/services/edge/caddy"
)

// Namespace is the edge's Kubernetes namespace, App the name of its objects there.
const (
	Namespace = "edge"
	App       = "edge"
)

const (
	healthPort = 8081
	configPath = "/etc/caddy"
	tlsPath    = "/etc/caddy-tls"
	dataPath   = "/data"
	stateFiles = "/config"
	// nodeFolder keeps ACME's certificates and account on the node.
	nodeFolder = pod.HostFolders + "edge"
	// grace is what requests under way get when Caddy ends; the pod gets ten seconds more.
	grace = 20 * time.Second
)

// Internal is one certificate for all edge nodes.
type Internal struct {
	// Certificate and Key are PEM; Key is secret. Both required.
	Certificate, Key pulumi.StringInput
	// ServerName is one of the certificate's names. It is also taken for clients that send no server name, such as one that asks by address.
	ServerName string
}

// ACME is a certificate for each node and host from a public authority.
type ACME struct {
	// Email is where the authority sends warnings. Required.
	Email string
	// Directory is the authority's address; Let's Encrypt's when empty.
	Directory string
}

// Args describes the edge.
type Args struct {
	// Image is Caddy's, by digest; its binary is /caddy. Required.
	Image string
	// NodeSelector are the labels of the edge nodes. Required: a selector of nothing would take every node.
	NodeSelector map[string]string
	// HTTPPort and HTTPSPort are TCP ports on the nodes' addresses; 80 and 443 by default.
	HTTPPort, HTTPSPort int
	// Sites are the hosts with the services behind them; at least one.
	Sites []caddy.Site
	// Internal and ACME say where certificates come from; exactly one is given.
	Internal *Internal
	ACME     *ACME
	// TrustedProxies are the front door's networks.
	TrustedProxies []netip.Prefix
	// Private are query parameters whose values are kept out of the logs.
	Private []string
	// Resources of each node's Caddy; 100m to 2 CPU and 64 to 256 MiB by default.
	Resources pod.Resources
	// PriorityClass is a name; optional.
	PriorityClass string
	// After are real resources that must be there before anything of the edge.
	After []pulumi.Resource
}

// Edge is the edge with everything that belongs to it.
type Edge struct {
	pulumi.ResourceState

	// DaemonSet is Caddy on each edge node.
	DaemonSet *workload.DaemonSet
	resources []pulumi.Resource
}

// Resources are the real resources to depend on.
func (e *Edge) Resources() []pulumi.Resource { return e.resources }

// withDefaults fills a copy.
func (a Args) withDefaults() Args {
	if a.HTTPPort == 0 {
		a.HTTPPort = 80
	}
	if a.HTTPSPort == 0 {
		a.HTTPSPort = 443
	}
	if a.Resources == (pod.Resources{}) {
		a.Resources = pod.Resources{CPU: 100, CPULimit: 2000, Memory: 64 * pod.MiB, MemoryLimit: 256 * pod.MiB}
	}
	return a
}

// Validate reports everything that is wrong, joined.
func (a Args) Validate() error {
	a = a.withDefaults()
	var errs []error
	if len(a.NodeSelector) == 0 {
		errs = append(errs, errors.New("node selector: is empty, which takes every node; give the edge nodes' label"))
	}
	if a.Internal != nil && (a.Internal.Certificate == nil || a.Internal.Key == nil) {
		errs = append(errs, errors.New("internal: the certificate or its key is missing; give both"))
	}
	errs = append(errs, a.options().Validate())
	errs = append(errs, a.pod().Validate())
	return errors.Join(errs...)
}

func (a Args) options() caddy.Options {
	o := caddy.Options{
		HTTPPort: a.HTTPPort, HTTPSPort: a.HTTPSPort, HealthPort: healthPort, Sites: a.Sites, TrustedProxies: a.TrustedProxies, Private: a.Private, Grace: grace,
	}
	if a.Internal != nil {
		o.Certificate = &caddy.Certificate{CertificateFile: tlsPath + "/tls.crt", KeyFile: tlsPath + "/tls.key", ServerName: a.Internal.ServerName}
	}
	if a.ACME != nil {
		o.ACME = &caddy.ACME{Email: a.ACME.Email, Directory: a.ACME.Directory, Storage: dataPath + "/certificates"}
	}
	return o
}

func (a Args) pod() pod.Pod {
	// Whatever Caddy would keep of its own goes to these two; the root file system is read-only.
	data := pod.Volume{Name: "data", Path: dataPath, Scratch: 16 * pod.MiB}
	if a.ACME != nil {
		data = pod.Volume{Name: "data", Path: dataPath, HostFolder: nodeFolder}
	}
	probe := func(every time.Duration, failures int) *pod.Probe {
		return &pod.Probe{Path: "/healthz", Port: "health", Host: "127.0.0.1", Every: every, Failures: failures}
	}
	return pod.Pod{
		App: App, Kind: pod.Agent, Image: a.Image,
		Command: []string{"/caddy", "run", "--config", configPath + "/caddy.json"},
		Env: []pod.Env{
			{Name: "XDG_DATA_HOME", Value: dataPath}, {Name: "XDG_CONFIG_HOME", Value: stateFiles}, {Name: "HOME", Value: dataPath},
			{Name: "GOMEMLIMIT", Value: strconv.FormatInt(int64(a.Resources.MemoryLimit*9/10), 10)},
		},
		Ports:     []pod.Port{{Name: "http", Number: a.HTTPPort}, {Name: "https", Number: a.HTTPSPort}, {Name: "health", Number: healthPort}},
		Readiness: probe(2*time.Second, 2), Liveness: probe(10*time.Second, 6), Startup: probe(time.Second, 60),
		Resources:     a.Resources,
		Volumes:       []pod.Volume{data, {Name: "state", Path: stateFiles, Scratch: pod.MiB}},
		Grace:         grace + 10*time.Second,
		PriorityClass: a.PriorityClass,
		// A user other than root gets no capability for ports below 1024 in a container, and a pod on the host's network cannot set the sysctl that would spare it.
		RootBecause:  "it listens on ports 80 and 443 of the node, with no other capability than that",
		BindLowPorts: true,
		HostNetwork:  true,
		NodeSelector: maps.Clone(a.NodeSelector),
	}
}

// New makes the edge.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Edge, error) {
	args = args.withDefaults()
	if err := args.Validate(); err != nil {
		return nil, fmt.Errorf("edge %s: %w", name, err)
	}
	e := &Edge{}
	if err := ctx.RegisterComponentResource(naming.Edge, name, e, opts...); err != nil {
		return nil, fmt.Errorf("edge %s: %w", name, err)
	}
	text, err := caddy.Render(args.options())
	if err != nil {
		return nil, fmt.Errorf("edge %s: %w", name, err)
	}
	// The host's network is beyond what the restricted standard takes.
	namespace, err := workload.NewNamespace(ctx, name, workload.NamespaceArgs{Namespace: Namespace, Security: workload.Privileged, After: args.After}, pulumi.Parent(e))
	if err != nil {
		return nil, fmt.Errorf("edge %s: %w", name, err)
	}
	common := workload.Common{
		Namespace: Namespace, Pod: args.pod(), After: append([]pulumi.Resource{namespace.Namespace}, args.After...),
		Config: workload.Config{Path: configPath, Files: map[string]string{"caddy.json": text}},
	}
	if args.Internal != nil {
		common.Secret = workload.Secret{Path: tlsPath, Files: map[string]pulumi.StringInput{"tls.crt": args.Internal.Certificate, "tls.key": args.Internal.Key}}
	}
	e.DaemonSet, err = workload.NewDaemonSet(ctx, naming.Child(name, "caddy"), workload.DaemonSetArgs{Common: common, MaxUnavailable: 1}, pulumi.Parent(e))
	if err != nil {
		return nil, fmt.Errorf("edge %s: %w", name, err)
	}
	e.resources = append(e.DaemonSet.Resources(), namespace.Resources()...)
	return e, ctx.RegisterResourceOutputs(e, pulumi.Map{})
}
