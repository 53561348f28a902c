package script

import (
	"net"
	"net/netip"
)

// Base is the base set-up of one host.
type Base struct {
	// Hostname is the node's name.
	Hostname string
	// Private is the interface on the private network (vRack); nil when the host has none.
	Private *Private
	// UnattendedUpgrades turns on Debian's own security updates, without reboots.
	UnattendedUpgrades bool
	// ExtraPackages are installed beside the base ones.
	ExtraPackages []string
}

// Private is a host's interface on the private network.
type Private struct {
	// MAC finds the interface: names differ between machines, the MAC is what the provider tells.
	MAC net.HardwareAddr
	// Address is the host's address with the length of the network, such as 10.90.0.12/16.
	Address netip.Prefix
	// MTU in bytes; 1500 when 0.
	MTU int
}

// Render validates and gives the script.
func (b Base) Render() (string, error) { return "", nil }
