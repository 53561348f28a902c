package fakehost

import (
	"context"
	"net/netip"
	"sync"

	"havre/infra/sandbox/ovhsim"
)

// Machines runs a fake host for each service that the simulator installs, and stops them all with Close.
type Machines struct {
	ovhsim.NoMachines
	// Port is where the hosts listen. The platform knows no port but sshd's own, 22, which needs root; a test takes any, 0.
	Port uint16
	// Answer is as in Start.
	Answer func(host, command string) string

	mu    sync.Mutex
	hosts map[string]*Host
}

var _ ovhsim.Machines = (*Machines)(nil)

// Install starts the host's SSH server, anew if there was one.
func (m *Machines) Install(_ context.Context, machine ovhsim.Machine) error {
	if err := m.Remove(context.Background(), machine.ServiceName); err != nil {
		return err
	}
	// Not the installation's context: the host outlives it.
	host, err := Start(context.Background(), machine.ServiceName, netip.AddrPortFrom(machine.Address, m.Port).String(), machine.AuthorizedKeys, m.Answer)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hosts == nil {
		m.hosts = map[string]*Host{}
	}
	m.hosts[machine.ServiceName] = host
	return nil
}

// Remove stops the host.
func (m *Machines) Remove(_ context.Context, service string) error {
	m.mu.Lock()
	host := m.hosts[service]
	delete(m.hosts, service)
	m.mu.Unlock()
	if host != nil {
		host.Close()
	}
	return nil
}

// Host is the running host of a service, or nil.
func (m *Machines) Host(service string) *Host {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hosts[service]
}

// Close stops all hosts.
func (m *Machines) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, host := range m.hosts {
		host.Close()
	}
}
