package jump

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// checkpoint is the part of Pulumi's state that names installed hosts; Pulumi writes it after each step.
type checkpoint struct {
	Checkpoint struct {
		Latest struct {
			Resources []struct {
				URN     string         `json:"urn"`
				Outputs map[string]any `json:"outputs"`
			} `json:"resources"`
		} `json:"latest"`
	} `json:"checkpoint"`
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
		return parse(text)
	}
}

func parse(text []byte) ([]Host, error) {
	var state checkpoint
	if err := json.Unmarshal(text, &state); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	var hosts []Host
	for _, resource := range state.Checkpoint.Latest.Resources {
		address, _ := resource.Outputs["address"].(string)
		key, _ := resource.Outputs["hostKey"].(string)
		if address == "" || key == "" {
			continue
		}
		name := resource.URN[strings.LastIndex(resource.URN, "::")+2:]
		hosts = append(hosts, Host{Name: strings.TrimSuffix(name, "-installation"), Address: net.JoinHostPort(address, "22"), HostKey: key})
	}
	return hosts, nil
}
