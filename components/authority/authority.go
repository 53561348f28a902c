// Package authority makes one certificate authority of our own and one server certificate from it, on one host.
//
// It exists because an internal issuer inside the edge's Caddy would make another authority on each node. The authority's key is made on the host and
// stays there (issue.Folder); the server's key leaves it as a secret output, for a Kubernetes Secret. What a reader would get wrong: an unchanged command
// does not run again, so nobody renews the certificate by himself. It is valid for 825 days, any run in its last 30 renews it, and a raised
// Generation does so at once. The host is asked again for those only: what counts lies in the state, so another keeper changes nothing, or the day a node is
// replaced would be the day when everybody must trust another authority.
package authority

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/authority/issue"
	"havre/components/host"
	"havre/components/host/script"
	"havre/components/naming"
)

// Args describes an authority.
type Args struct {
	// Connection is to the host that keeps the authority.
	Connection host.Connection
	// Names are the DNS names of the certificate; at least one. A list by name, never by address, stays the same when a node comes.
	Names []string
	// Generation makes a new certificate when it changes; 1 by default.
	Generation int
	// After are real resources that must be there before it: the host's base set-up.
	After []pulumi.Resource
}

// Authority is an authority with its one certificate.
type Authority struct {
	pulumi.ResourceState

	// CACertificate is the authority's certificate (PEM), for clients to trust. Not secret.
	CACertificate pulumi.StringOutput
	// Certificate is the server's certificate (PEM). Not secret.
	Certificate pulumi.StringOutput
	// Key is the server's private key (PEM). Secret.
	Key pulumi.StringOutput

	command *host.Command
}

// Resources are the real resources to depend on.
func (a *Authority) Resources() []pulumi.Resource { return []pulumi.Resource{a.command.Resource} }

// New makes an authority. name is its logical name, such as edge-authority.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Authority, error) {
	if args.Generation == 0 {
		args.Generation = 1
	}
	text, err := issue.Script(issue.Args{Names: args.Names, Generation: args.Generation})
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w", name, err)
	}
	a := &Authority{}
	if err := ctx.RegisterComponentResource(naming.Authority, name, a, opts...); err != nil {
		return nil, fmt.Errorf("authority %s: %w", name, err)
	}
	// It has no delete: the authority outlives a stack that is made anew on the same host, and goes with the host.
	a.command, err = host.NewCommand(ctx, naming.Child(name, "certificate"), host.CommandArgs{
		Connection: args.Connection, Create: pulumi.String(script.Inline(text)), SecretOutput: true,
	}, pulumi.Parent(a), pulumi.DependsOn(args.After),
		// Where the keeper is gone when a generation is raised, the command leaves the state first: pulumi state delete.
		pulumi.IgnoreChanges([]string{"connection"}))
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w", name, err)
	}
	sealed := pulumi.ToSecret(a.command.Stdout).(pulumi.StringOutput)
	a.Key = sealed.ApplyT(key).(pulumi.StringOutput)
	a.CACertificate = pulumi.Unsecret(sealed.ApplyT(caCertificate)).(pulumi.StringOutput)
	a.Certificate = pulumi.Unsecret(sealed.ApplyT(certificate)).(pulumi.StringOutput)
	return a, ctx.RegisterResourceOutputs(a, pulumi.Map{"caCertificate": a.CACertificate})
}

// bundle is what the script prints.
type bundle struct {
	Authority   string `json:"authority"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// parse never quotes its input in an error: it holds a private key.
func parse(stdout string) (bundle, error) {
	var b bundle
	if err := json.Unmarshal([]byte(stdout), &b); err != nil {
		return bundle{}, errors.New("the authority's host did not print a bundle; run pulumi up again, or see the script in components/authority/issue")
	}
	if b.Authority == "" || b.Certificate == "" || b.Key == "" {
		return bundle{}, errors.New("the authority's host printed a bundle without authority, certificate or key; run pulumi up again")
	}
	return b, nil
}

func key(stdout string) (string, error) {
	b, err := parse(stdout)
	return b.Key, err
}

func caCertificate(stdout string) (string, error) {
	b, err := parse(stdout)
	return b.Authority, err
}

func certificate(stdout string) (string, error) {
	b, err := parse(stdout)
	return b.Certificate, err
}
