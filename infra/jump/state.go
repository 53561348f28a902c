package jump

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// resource is the part of one resource in Pulumi's state that tells whether it is an installed host.
type resource struct {
	URN     string         `json:"urn"`
	Outputs map[string]any `json:"outputs"`
}

// StateFile reads the installed hosts from a state of the file backend: every resource with an address and the key its host was pinned to.
// A state that is not there yet has none.
func StateFile(path string) func() ([]Host, error) {
	return func() ([]Host, error) {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		// Pulumi writes it after each step.
		var state struct {
			Checkpoint struct {
				Latest struct {
					Resources []resource `json:"resources"`
				} `json:"latest"`
			} `json:"checkpoint"`
		}
		if err := json.Unmarshal(text, &state); err != nil {
			return nil, fmt.Errorf("state %s: %w", path, err)
		}
		return hosts(state.Checkpoint.Latest.Resources), nil
	}
}

// Export reads the installed hosts from what `pulumi stack export` prints, whichever the backend.
func Export(export func() ([]byte, error)) func() ([]Host, error) {
	return func() ([]Host, error) {
		text, err := export()
		if err != nil {
			return nil, err
		}
		var state struct {
			Deployment struct {
				Resources []resource `json:"resources"`
			} `json:"deployment"`
		}
		if err := json.Unmarshal(text, &state); err != nil {
			return nil, fmt.Errorf("pulumi stack export: %w", err)
		}
		return hosts(state.Deployment.Resources), nil
	}
}

func hosts(resources []resource) []Host {
	var found []Host
	for _, resource := range resources {
		address, _ := resource.Outputs["address"].(string)
		key, _ := resource.Outputs["hostKey"].(string)
		if address == "" || key == "" {
			continue
		}
		name := resource.URN[strings.LastIndex(resource.URN, "::")+2:]
		found = append(found, Host{Name: strings.TrimSuffix(name, "-installation"), Address: net.JoinHostPort(address, "22"), HostKey: key})
	}
	return found
}
