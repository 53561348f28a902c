// Package edge is where readers' requests enter: Caddy on the own network of every edge node, on ports 80 and 443, as a DaemonSet.
//
// Certificates come in one of two ways. Internal takes one certificate, the same on every node, from an authority of our own (components/authority): for the local stack.
// ACME orders them from a public authority and keeps them in an S3 bucket that all nodes share: a node that dies takes none with it, any node answers the challenge that another
// began, and a lock in the bucket lets one node order at a time. What a reader would get wrong: customers' own domains are ordered at the first handshake, and
// whether a domain is a customer's is asked of the permission service (services/edge/domains) each time a node does not have the certificate in memory yet, also when
// it lies in the bucket. While that service is away no node takes up a customer's domain that it has not served since its start.
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
	"havre/services/edge/domains"
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
	keysPath   = "/etc/caddy-storage"
	// leave is what readers get for their requests who have connected when Caddy is told to end: its own bound for that. grace is what requests under way get then; the pod
	// gets ten seconds more.
	leave, grace = 5 * time.Second, 20 * time.Second
)

// Internal is one certificate for all edge nodes.
type Internal struct {
	// Certificate and Key are PEM; Key is secret. Both required.
	Certificate, Key pulumi.StringInput
	// ServerName is one of the certificate's names. It is also taken for clients that send no server name, such as one that asks by address.
	ServerName string
}

// ACME is a certificate for each host from a public authority.
type ACME struct {
	// Email is where the authority sends warnings. Required.
	Email string
	// Directory is the authority's address; Let's Encrypt's when empty.
	Directory string
	// Storage is where certificates are kept. Required.
	Storage Storage
	// Customers serves customers' own domains; nil serves none.
	Customers *Customers
}

// Storage is a bucket outside the cluster, and outside the sites that may be lost.
type Storage struct {
	// Endpoint is the URL of its S3 API. All four are required.
	Endpoint, Region, Bucket, Prefix string
	// AccessKey and SecretKey may read and write the bucket; both secret and required.
	AccessKey, SecretKey pulumi.StringInput
}

// Customers are domains that are not ours and lead to the last site.
type Customers struct {
	// Image is the permission service's, by digest; its binary is /domains. Required.
	Image string
	// Domains are the customers', such as pictures.customer.example. A change rolls the permission service and leaves the edge alone.
	Domains []string
	// Reviews is a regular expression of whole names, those of review stacks, which get certificates too; empty for none.
	Reviews string
	// Callers are the networks that edge nodes ask from. At least one.
	Callers []netip.Prefix
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
	// Reviews serves pull requests' own copies of the last site; nil serves none.
	Reviews *caddy.Reviews
	// Internal and ACME say where certificates come from; exactly one is given.
	Internal *Internal
	ACME     *ACME
	// HealthPath is answered over HTTPS by a pod behind the last site, for whoever watches the edge from outside. Optional.
	HealthPath string
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
	if a.ACME != nil {
		if a.ACME.Storage.AccessKey == nil || a.ACME.Storage.SecretKey == nil {
			errs = append(errs, errors.New("ACME: the storage's access key or secret key is missing; give both"))
		}
		if c := a.ACME.Customers; c != nil {
			errs = append(errs, c.validate())
		}
	}
	errs = append(errs, a.options().Validate())
	errs = append(errs, a.pod().Validate())
	return errors.Join(errs...)
}

func (a Args) options() caddy.Options {
	o := caddy.Options{
		HTTPPort: a.HTTPPort, HTTPSPort: a.HTTPSPort, HealthPort: healthPort, Sites: a.Sites, TrustedProxies: a.TrustedProxies, Private: a.Private, Leave: leave, Grace: grace,
		HealthPath: a.HealthPath, Reviews: a.Reviews,
	}
	if a.Internal != nil {
		o.Certificate = &caddy.Certificate{CertificateFile: tlsPath + "/tls.crt", KeyFile: tlsPath + "/tls.key", ServerName: a.Internal.ServerName}
	}
	if a.ACME != nil {
		s := a.ACME.Storage
		o.ACME = &caddy.ACME{Email: a.ACME.Email, Directory: a.ACME.Directory, Storage: caddy.Objects{
			Endpoint: s.Endpoint, Region: s.Region, Bucket: s.Bucket, Prefix: s.Prefix, AccessKeyFile: keysPath + "/access-key", SecretKeyFile: keysPath + "/secret-key",
		}}
		if a.ACME.Customers != nil {
			o.ACME.Permission = "http://" + workload.ServiceHost(Namespace, DomainsApp) + ":" + strconv.Itoa(domainsPort) + domains.Path
		}
	}
	return o
}

func (a Args) pod() pod.Pod {
	// Whatever Caddy would keep of its own goes to these two; the root file system is read-only.
	data := pod.Volume{Name: "data", Path: dataPath, Scratch: 16 * pod.MiB}
	probe := func(every time.Duration, failures int) *pod.Probe {
		return &pod.Probe{Path: "/healthz", Port: "health", Host: "127.0.0.1", Every: every, Failures: failures}
	}
	return pod.Pod{
		App: App, Kind: pod.Agent, Image: a.Image,
		Command: []string{"/caddy", "run", "--config", configPath + "/caddy.json"},
		// A node that comes back listens only once it reaches the pods: until then readers go on to the next address, and get no 503 here.
		Before: []string{"/caddy", "reach", "--patience", "2m", caddy.Reach(a.Sites)},
		Env: []pod.Env{
			{Name: "XDG_DATA_HOME", Value: dataPath}, {Name: "XDG_CONFIG_HOME", Value: stateFiles}, {Name: "HOME", Value: dataPath},
			{Name: "GOMEMLIMIT", Value: strconv.FormatInt(int64(a.Resources.MemoryLimit*9/10), 10)},
		},
		Ports:     []pod.Port{{Name: "http", Number: a.HTTPPort}, {Name: "https", Number: a.HTTPSPort}, {Name: "http3", Number: a.HTTPSPort, UDP: true}, {Name: "health", Number: healthPort}},
		Readiness: probe(2*time.Second, 2), Liveness: probe(10*time.Second, 6), Startup: probe(time.Second, 60),
		Resources:     a.Resources,
		Volumes:       []pod.Volume{data, {Name: "state", Path: stateFiles, Scratch: pod.MiB}},
		Grace:         leave + grace + 10*time.Second,
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
	if args.ACME != nil {
		common.Secret = workload.Secret{Path: keysPath, Files: map[string]pulumi.StringInput{"access-key": args.ACME.Storage.AccessKey, "secret-key": args.ACME.Storage.SecretKey}}
		if args.ACME.Customers != nil {
			// Before the edge: its first handshake may ask.
			made, err := args.ACME.Customers.build(ctx, name, namespace, args, pulumi.Parent(e))
			if err != nil {
				return nil, fmt.Errorf("edge %s: %w", name, err)
			}
			e.resources, common.After = made, append(common.After, made...)
		}
	}
	e.DaemonSet, err = workload.NewDaemonSet(ctx, naming.Child(name, "caddy"), workload.DaemonSetArgs{Common: common, MaxUnavailable: 1}, pulumi.Parent(e))
	if err != nil {
		return nil, fmt.Errorf("edge %s: %w", name, err)
	}
	e.resources = append(append(e.DaemonSet.Resources(), namespace.Resources()...), e.resources...)
	return e, ctx.RegisterResourceOutputs(e, pulumi.Map{})
}
