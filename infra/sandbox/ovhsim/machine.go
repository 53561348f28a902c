// Package ovhsim is a stand-in for OVHcloud's API: an HTTP server that speaks the routes this project uses under /1.0, /v1 and /v2, with signed requests,
// carts, orders that move through their states over time, installations, tasks and services, and with OVH's own error bodies. What a reader would get
// wrong: it sells servers and keeps the books, but it runs none. Installing and removing hosts is done by a Machines given from outside.
package ovhsim

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
)

// The kinds of a Machine.
const (
	KindDedicated = "dedicated"
	KindVPS       = "vps"
	kindVrack     = "vrack"
)

// Machine describes a host as the API's caller asked for it.
type Machine struct {
	// ServiceName is OVH's name of the service: ns3100001.ip-198-51-100.eu or vps-1a2b3c4d.vps.ovh.net.
	ServiceName string `json:"serviceName"`
	// Kind is KindDedicated, KindVPS or KindInstance.
	Kind string `json:"kind"`
	// Datacenter is the code used at order time, in lower case: rbx, gra, sbg.
	Datacenter string `json:"datacenter"`
	// Address is the public IPv4 address of the service; it does not change during its life.
	Address netip.Addr `json:"address"`
	// Hostname is the name asked for at installation, or the first label of ServiceName.
	Hostname string `json:"hostname"`
	// AuthorizedKeys are the lines for the administrator's authorized_keys; user `debian` on both kinds.
	AuthorizedKeys []string `json:"authorizedKeys"`
	// OS is what was asked for, in the words of that product: debian12_64 or Debian 12.
	OS string `json:"os"`
	// PostInstall is the text of the post-installation script, decoded; empty when there is none.
	PostInstall string `json:"postInstall"`
	// Vrack says whether the private interface is plugged into a vRack now.
	Vrack bool `json:"vrack"`
}

// Machines runs the hosts behind the services. Calls for one service never overlap; calls for several do.
type Machines interface {
	// Install installs a host, again if there was one, and boots it. It returns when sshd answers.
	Install(ctx context.Context, m Machine) error
	// Remove stops the host and drops its disk, because its service ended. A host that is not there is no error.
	Remove(ctx context.Context, serviceName string) error
	// Attach plugs the private interface of an installed host into the private network, or pulls it. A host that is installed later gets Machine.Vrack instead.
	Attach(ctx context.Context, serviceName string, attached bool) error
	// MAC is the address of the public or the private interface; it never changes for a service name. It must not wait, nor call the simulator back.
	MAC(serviceName string, private bool) string
}

// NoMachines is for previews and tests: every installation succeeds at once and no host exists.
type NoMachines struct{}

var _ Machines = NoMachines{}

// Install does nothing.
func (NoMachines) Install(context.Context, Machine) error { return nil }

// Remove does nothing.
func (NoMachines) Remove(context.Context, string) error { return nil }

// Attach does nothing.
func (NoMachines) Attach(context.Context, string, bool) error { return nil }

// MAC derives a locally administered address from the name.
func (NoMachines) MAC(serviceName string, private bool) string {
	return MAC(serviceName, private)
}

// MAC derives a locally administered, unicast address from a service name, so that every implementation can agree on one.
func MAC(serviceName string, private bool) string {
	sum := sha256.Sum256([]byte(serviceName))
	side := byte(0)
	if private {
		side = 1
	}
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", sum[0], sum[1], sum[2], sum[3], sum[4]&0xfe|side)
}
