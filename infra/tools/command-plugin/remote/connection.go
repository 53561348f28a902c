// Package remote is the part of the command plugin that works on hosts over SSH: remote.Command and remote.CopyToRemote.
//
// What one would get wrong: only `triggers` replaces a command. Any other changed input, the connection included, runs `update`, or `create` where there
// is no update; so every command must bear to be run again.
package remote

import (
	"context"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"havre/infra/tools/command-plugin/output"
	"havre/infra/tools/command-plugin/sshclient"
)

// dialer is shared by every resource, so that its bounds hold for the whole run.
var dialer = sshclient.Default()

// Connection is the input `connection`, with the names and defaults of the official plugin.
type Connection struct {
	User               *string          `pulumi:"user,optional"`
	Password           *string          `pulumi:"password,optional"`
	Host               *string          `pulumi:"host"`
	HostKey            *string          `pulumi:"hostKey,optional"`
	Port               *float64         `pulumi:"port,optional"`
	PrivateKey         *string          `pulumi:"privateKey,optional"`
	PrivateKeyPassword *string          `pulumi:"privateKeyPassword,optional"`
	AgentSocketPath    *string          `pulumi:"agentSocketPath,optional"`
	DialErrorLimit     *int             `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int             `pulumi:"perDialTimeout,optional"`
	Proxy              *ProxyConnection `pulumi:"proxy,optional"`
}

// ProxyConnection is `connection.proxy`: the host that the connection goes through.
type ProxyConnection struct {
	User               *string  `pulumi:"user,optional"`
	Password           *string  `pulumi:"password,optional"`
	Host               *string  `pulumi:"host"`
	HostKey            *string  `pulumi:"hostKey,optional"`
	Port               *float64 `pulumi:"port,optional"`
	PrivateKey         *string  `pulumi:"privateKey,optional"`
	PrivateKeyPassword *string  `pulumi:"privateKeyPassword,optional"`
	AgentSocketPath    *string  `pulumi:"agentSocketPath,optional"`
	DialErrorLimit     *int     `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int     `pulumi:"perDialTimeout,optional"`
}

var (
	_ infer.Annotated = (*Connection)(nil)
	_ infer.Annotated = (*ProxyConnection)(nil)
)

// The defaults of the official plugin.
const (
	defaultUser           = "root"
	defaultPort           = 22
	defaultErrorLimit     = 10
	defaultPerDialTimeout = 15
)

// Annotate describes the inputs and sets their defaults.
func (c *Connection) Annotate(a infer.Annotator) {
	a.Describe(&c, "Instructions for how to connect to a remote endpoint.")
	a.Describe(&c.User, "The user that we should use for the connection.")
	a.Describe(&c.Password, "The password we should use for the connection.")
	a.Describe(&c.Host, "The address of the resource to connect to.")
	a.Describe(&c.HostKey, "The expected host key to verify the server's identity. If not provided, the host key will be ignored.")
	a.Describe(&c.Port, "The port to connect to. Defaults to 22.")
	a.Describe(&c.PrivateKey, "The contents of an SSH key to use for the connection. This takes preference over the password if provided.")
	a.Describe(&c.PrivateKeyPassword, "The password to use in case the private key is encrypted.")
	a.Describe(&c.AgentSocketPath, "SSH Agent socket path. Default to environment variable SSH_AUTH_SOCK if present.")
	a.Describe(&c.DialErrorLimit, "Max allowed errors on trying to dial the remote host. -1 set count to unlimited. Default value is 10.")
	a.Describe(&c.PerDialTimeout, "Max number of seconds for each dial attempt. 0 implies no maximum. Default value is 15 seconds.")
	a.Describe(&c.Proxy, "The connection settings for the bastion/proxy host.")
	a.SetDefault(&c.User, defaultUser)
	a.SetDefault(&c.Port, defaultPort)
	a.SetDefault(&c.DialErrorLimit, defaultErrorLimit)
	a.SetDefault(&c.PerDialTimeout, defaultPerDialTimeout)
}

// Annotate describes the inputs and sets their defaults.
func (c *ProxyConnection) Annotate(a infer.Annotator) {
	a.Describe(&c, "Instructions for how to connect to a remote endpoint via a bastion host.")
	a.Describe(&c.User, "The user that we should use for the connection to the bastion host.")
	a.Describe(&c.Host, "The address of the bastion host to connect to.")
	a.SetDefault(&c.User, defaultUser)
	a.SetDefault(&c.Port, defaultPort)
	a.SetDefault(&c.DialErrorLimit, defaultErrorLimit)
	a.SetDefault(&c.PerDialTimeout, defaultPerDialTimeout)
}

// dial logs in, telling the engine's display of failed attempts.
func (c Connection) dial(ctx context.Context) (*sshclient.Client, error) {
	var proxy *sshclient.Endpoint
	if c.Proxy != nil {
		e := Connection{
			User: c.Proxy.User, Password: c.Proxy.Password, Host: c.Proxy.Host, HostKey: c.Proxy.HostKey, Port: c.Proxy.Port, PrivateKey: c.Proxy.PrivateKey,
			PrivateKeyPassword: c.Proxy.PrivateKeyPassword, AgentSocketPath: c.Proxy.AgentSocketPath, DialErrorLimit: c.Proxy.DialErrorLimit,
			PerDialTimeout: c.Proxy.PerDialTimeout,
		}.endpoint()
		proxy = &e
	}
	return dialer.Dial(ctx, c.endpoint(), proxy, p.GetLogger(ctx).InfoStatus)
}

func (c Connection) endpoint() sshclient.Endpoint {
	return sshclient.Endpoint{
		User: or(c.User, defaultUser), Host: or(c.Host, ""), Port: int(or(c.Port, defaultPort)), Password: or(c.Password, ""),
		PrivateKey: or(c.PrivateKey, ""), PrivateKeyPassword: or(c.PrivateKeyPassword, ""), AgentSocket: or(c.AgentSocketPath, ""), HostKey: or(c.HostKey, ""),
		ErrorLimit: or(c.DialErrorLimit, defaultErrorLimit), Timeout: time.Duration(or(c.PerDialTimeout, defaultPerDialTimeout)) * time.Second,
	}
}

// or returns what a pointer points to, or the other value.
func or[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

// Logging is the input `logging`.
type Logging string

var _ infer.Enum[Logging] = Logging("")

// Values lists the values of the official plugin.
func (Logging) Values() []infer.EnumValue[Logging] { return output.Values[Logging]() }
