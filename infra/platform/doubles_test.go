package platform

import (
	"crypto/sha256"
	"encoding/base64"
)

// publicKeyOf stands for the WireGuard key that a host makes: any 32 bytes will do that differ from host to host.
func publicKeyOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// authorityOutput stands for what the edge's authority prints.
const authorityOutput = `{"authority":"-----BEGIN CERTIFICATE-----\nauthority\n-----END CERTIFICATE-----\n","certificate":"-----BEGIN CERTIFICATE-----\nedge\n-----END CERTIFICATE-----\n","key":"NEVER-IN-CLEAR"}`
