// Package wireguard makes the mesh: one WireGuard interface a host, every host a peer of every host.
//
// The thing to get wrong: a host's private key never leaves it. The key is made there (<node>-wireguard-key, whose output is the public key) and every host's
// configuration (<node>-wireguard) is made of plain data and of all public keys. A new host therefore changes exactly <node>-wireguard on each old one, and
// the running interface takes the change without being made again. What changes there is the list of peers on the rendezvous hosts, and its checksum on all
// others, which fetch it from those; so they wait for the rendezvous hosts' commands.
package wireguard

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumix"

	"havre/components/host"
	"havre/components/naming"
	"havre/components/wireguard/conf"
)

// Host is one host of the mesh, on Kubernetes or not.
type Host struct {
	// Name is the node's name.
	Name string
	// Mesh is the address on the mesh.
	Mesh netip.Addr
	// Pods is the pod CIDR; the zero Prefix outside Kubernetes.
	Pods netip.Prefix
	// Private is the address on the private network; the zero Addr when the host is not on it.
	Private netip.Addr
	// Public is the public IPv4 address.
	Public pulumi.StringInput
	// Rendezvous makes the host one of those that hold the list of all peers and serve it to the others: 1 to conf.MaxRendezvous hosts that are expected to be up when
	// the mesh changes, such as the control plane. A mesh without any is for conf.MaxWithout hosts at most.
	Rendezvous bool
	// Keys are the generations of its key: the one in use, and the next one while a rotation is under way; {1} when empty. See decision 0018.
	Keys []int
	// Connection is how the host is reached; never over the mesh itself.
	Connection host.Connection
	// DependsOn are the real resources of the host's base set-up, which brings the library and wireguard-tools.
	DependsOn []pulumi.Resource
	// Server is the resource of the server, nil when there is none. When it ends in the same run, the interface is not taken down first: a host that is dead already
	// must not hold up its own removal.
	Server pulumi.Resource
}

// Args describes the mesh.
type Args struct {
	// Network holds every mesh address, Pods every pod CIDR.
	Network, Pods netip.Prefix
	// Port is the UDP port on every host; conf.DefaultPort when 0.
	Port uint16
	// MTU of the interface in bytes; conf.DefaultMTU when 0.
	MTU int
	// PodsMTU is the pods' in bytes; MTU when 0.
	PodsMTU int
	Hosts   []Host
	// Operators are peers that are not hosts of ours and whose keys are known beforehand: laptops, the CI runner.
	Operators []conf.Host
	// Userspace is fetched by hosts whose kernel has no WireGuard; nil where all kernels have it.
	Userspace *conf.Userspace
}

// Peer is what the mesh made for one host.
type Peer struct {
	// PublicKeys of the host, a line each: the one in use, and the next one while a rotation is under way.
	PublicKeys pulumi.StringOutput
	// Key and Interface are the two commands. What needs the mesh on this host depends on Interface.
	Key, Interface pulumi.Resource
}

// Mesh is the mesh of all hosts.
type Mesh struct {
	pulumi.ResourceState

	// Peers are by node name.
	Peers map[string]Peer
	hosts []string
}

// New makes the mesh. It refuses a mesh whose plain data is wrong at once; what comes late (keys, public addresses) is checked as soon as it is known, once for
// the whole mesh.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Mesh, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("wireguard %s: %w", name, err)
	}
	c := &Mesh{Peers: make(map[string]Peer, len(args.Hosts))}
	if err := ctx.RegisterComponentResource(naming.WireguardMesh, name, c, opts...); err != nil {
		return nil, fmt.Errorf("wireguard %s: %w", name, err)
	}

	late := make([]any, 0, 2*len(args.Hosts))
	for _, h := range args.Hosts {
		key, err := host.NewCommand(ctx, naming.Child(h.Name, "wireguard-key"), host.CommandArgs{
			Connection: h.Connection,
			Library:    conf.Files,
			Create:     pulumi.String(conf.KeyScript(h.keys(), args.Userspace)),
		}, pulumi.Parent(c), pulumi.DependsOn(h.DependsOn))
		if err != nil {
			return nil, fmt.Errorf("wireguard %s: %w", name, err)
		}
		c.Peers[h.Name] = Peer{PublicKeys: key.Stdout, Key: key.Resource}
		c.hosts = append(c.hosts, h.Name)
		late = append(late, key.Stdout, h.Public)
	}

	mesh := args.mesh()
	texts := withoutDependencies(ctx, pulumi.All(late...).ApplyT(func(values []any) ([]string, error) { return scripts(mesh, values) }))
	var served []pulumi.Resource
	// The rendezvous hosts first: the others' commands depend on theirs.
	for _, rendezvous := range []bool{true, false} {
		for i, h := range args.Hosts {
			if h.Rendezvous != rendezvous {
				continue
			}
			peer := c.Peers[h.Name]
			after := []pulumi.Resource{peer.Key}
			if !rendezvous {
				after = append(after, served...)
			}
			own := []pulumi.ResourceOption{pulumi.Parent(c), pulumi.DependsOn(after)}
			if h.Server != nil {
				own = append(own, pulumi.DeletedWith(h.Server))
			}
			text := pulumix.Apply(texts, func(all []string) string { return all[i] })
			command, err := host.NewCommand(ctx, naming.Child(h.Name, "wireguard"), host.CommandArgs{
				Connection: h.Connection,
				Library:    conf.Files,
				Create:     pulumi.StringOutput{OutputState: text.OutputState},
				Delete:     pulumi.String(conf.DeleteScript()),
			}, own...)
			if err != nil {
				return nil, fmt.Errorf("wireguard %s: %w", name, err)
			}
			if rendezvous {
				served = append(served, command.Resource)
			}
			peer.Interface = command.Resource
			c.Peers[h.Name] = peer
		}
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{})
}

// Resources are the interfaces of all hosts, in the order of Args.Hosts: what needs the whole mesh depends on them.
func (m *Mesh) Resources() []pulumi.Resource {
	out := make([]pulumi.Resource, len(m.hosts))
	for i, name := range m.hosts {
		out[i] = m.Peers[name].Interface
	}
	return out
}

func (h Host) keys() []int {
	if len(h.Keys) == 0 {
		return []int{1}
	}
	return h.Keys
}

// mesh is the plain part of the configuration: hosts without keys and public addresses, in the order of Args.Hosts, then the operators.
func (a Args) mesh() conf.Mesh {
	m := conf.Mesh{Network: a.Network, Pods: a.Pods, Port: a.Port, MTU: a.MTU, PodsMTU: a.PodsMTU}
	for _, h := range a.Hosts {
		m.Hosts = append(m.Hosts, conf.Host{Name: h.Name, Mesh: h.Mesh, Pods: h.Pods, Private: h.Private, Rendezvous: h.Rendezvous, Generation: h.keys()[0]})
	}
	m.Hosts = append(m.Hosts, a.Operators...)
	return m
}

func (a Args) validate() error {
	errs := []error{a.mesh().ValidateShape()}
	if len(a.Hosts) == 0 {
		errs = append(errs, errors.New("mesh has no hosts; give at least one"))
	}
	for _, h := range a.Hosts {
		if h.Public == nil {
			errs = append(errs, fmt.Errorf("host %s has no public address; give the server's IPv4 address", h.Name))
		}
		if n := len(h.keys()); n > 2 || n == 2 && h.Keys[0] == h.Keys[1] || slices.Min(h.keys()) < 1 {
			errs = append(errs, fmt.Errorf("host %s: generations %v of its key; give the one in use, and at most the next one", h.Name, h.Keys))
		}
		if err := h.Connection.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("host %s: %w", h.Name, err))
		}
	}
	if a.Userspace != nil {
		errs = append(errs, a.Userspace.Validate())
	}
	return errors.Join(errs...)
}

// scripts is the script of each host that has late values, in order. It puts them (public keys and a public address for each) into the mesh and validates
// the whole, once for all hosts.
func scripts(m conf.Mesh, late []any) ([]string, error) {
	m.Hosts = append([]conf.Host(nil), m.Hosts...)
	names := make([]string, len(late)/2)
	var errs []error
	for i := range names {
		h := &m.Hosts[i]
		names[i] = h.Name
		h.PublicKey, h.NextKey, _ = strings.Cut(strings.TrimSpace(late[2*i].(string)), "\n")
		text := late[2*i+1].(string)
		address, err := netip.ParseAddr(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("mesh: host %s: public address %q is no IP address; it comes from the server's order", h.Name, text))
		}
		h.Public = address
	}
	if err := errors.Join(append(errs, m.Validate())...); err != nil {
		return nil, err
	}
	return m.Scripts(names)
}

// withoutDependencies is the same output as if it came from nowhere. Every host's configuration needs every host's key and address, and the engine writes each such
// edge into the state twice, by URN: at 200 hosts more bytes than all configurations together. The values still wait for one another; what is lost is
// the order of deletion, which does not matter here (keys have no delete), and --target-dependents from one host to all others, which is better so.
// Undo it by returning out.
func withoutDependencies(ctx *pulumi.Context, out pulumi.Output) pulumix.Output[[]string] {
	bare, resolve := pulumi.DeferredOutput[[]string](ctx.Context())
	go func() {
		result, err := internals.UnsafeAwaitOutput(ctx.Context(), out)
		switch {
		case err != nil:
			// The same failure, from the same place.
			resolve(out)
		case !result.Known:
			resolve(pulumi.UnsafeUnknownOutput(nil))
		default:
			resolve(pulumi.ToOutput(result.Value))
		}
	}()
	return bare
}
