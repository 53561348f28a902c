package daemon

import (
	"context"
	"errors"
	"io/fs"

	"havre/infra/sandbox/host"
	"havre/infra/sandbox/network"
	"havre/infra/sandbox/ovhsim"
)

// machines gives the OVH simulator real hosts.
type machines struct{ manager *host.Manager }

var _ ovhsim.Machines = machines{}

// spec turns what the simulator delivers into what a host is made of.
func spec(m ovhsim.Machine) host.Spec {
	return host.Spec{
		Service: m.ServiceName, Hostname: m.Hostname, AuthorizedKeys: m.AuthorizedKeys, PostInstall: m.PostInstall,
		Port: network.Port{
			Address: m.Address, Private: m.Vrack,
			PublicMAC: network.MAC(m.ServiceName, false), PrivateMAC: network.MAC(m.ServiceName, true),
		},
	}
}

func (m machines) Install(ctx context.Context, machine ovhsim.Machine) error {
	_, err := m.manager.Install(ctx, spec(machine))
	return err
}

func (m machines) Remove(ctx context.Context, service string) error {
	return m.manager.Remove(ctx, service)
}

// Attach of a server that has no system yet changes nothing here: its installation will be told of the vRack.
func (m machines) Attach(ctx context.Context, service string, attached bool) error {
	err := m.manager.Attach(ctx, service, attached)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (machines) MAC(service string, private bool) string { return network.MAC(service, private) }
