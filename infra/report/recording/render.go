package recording

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The inputs of the Kubernetes plugin that say where objects go: it takes the one or the other.
const (
	renderKey     = "renderYamlToDirectory"
	kubeconfigKey = "kubeconfig"
)

// rendering is a state whose Kubernetes plugin writes to a folder, or to a cluster where it is none; nil for a state that has no such plugin yet.
func rendering(state []byte, folder string) ([]byte, error) {
	var export struct {
		Version    int            `json:"version"`
		Deployment map[string]any `json:"deployment"`
	}
	if err := json.Unmarshal(state, &export); err != nil {
		return nil, fmt.Errorf("recording: state: %w", err)
	}
	resources, _ := export.Deployment["resources"].([]any)
	found := false
	var kubeconfig any
	for _, each := range resources {
		object, _ := each.(map[string]any)
		if urn, _ := object["urn"].(string); strings.HasSuffix(urn, "::cluster-kubeconfig") {
			outputs, _ := object["outputs"].(map[string]any)
			kubeconfig = outputs["stdout"]
		}
		if object["type"] != "pulumi:providers:kubernetes" {
			continue
		}
		found = true
		for _, face := range []string{"inputs", "outputs"} {
			values, _ := object[face].(map[string]any)
			if values == nil {
				continue
			}
			delete(values, renderKey)
			delete(values, kubeconfigKey)
			if folder != "" {
				values[renderKey] = folder
			} else {
				values[kubeconfigKey] = kubeconfig
			}
		}
	}
	if !found {
		return nil, nil
	}
	return json.Marshal(export)
}
