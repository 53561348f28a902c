package recording

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"havre/components/naming"
)

// providerID is the identity of each provider that is put into the state.
const providerID = "00000000-0000-4000-8000-000000000000"

// graft adds to an exported state the objects in the cluster that a preview on it would create, as if they had been created.
func graft(state []byte, events []apitype.EngineEvent) ([]byte, error) {
	var export struct {
		Version    int            `json:"version"`
		Deployment map[string]any `json:"deployment"`
	}
	if err := json.Unmarshal(state, &export); err != nil {
		return nil, fmt.Errorf("recording: state: %w", err)
	}
	resources, _ := export.Deployment["resources"].([]any)
	known := map[string]bool{}
	var kubeconfig any
	for _, each := range resources {
		object, _ := each.(map[string]any)
		text, _ := object["urn"].(string)
		known[text] = true
		if strings.HasSuffix(text, "::cluster-kubeconfig") {
			outputs, _ := object["outputs"].(map[string]any)
			kubeconfig = outputs["stdout"]
		}
	}
	for _, e := range events {
		if e.ResourcePreEvent == nil {
			continue
		}
		m := e.ResourcePreEvent.Metadata
		if m.New == nil {
			continue
		}
		inCluster := !m.New.Custom || strings.HasPrefix(m.Type, "kubernetes:") || m.Type == "pulumi:providers:kubernetes"
		if m.Op != apitype.OpCreate || known[m.URN] || !inCluster {
			continue
		}
		known[m.URN] = true
		if m.Type == "pulumi:providers:kubernetes" {
			// Events hold no secret, and this one is known.
			m.New.Inputs["kubeconfig"] = kubeconfig
		}
		made, err := made(m)
		if err != nil {
			return nil, err
		}
		resources = append(resources, made)
	}
	export.Deployment["resources"] = resources
	return json.Marshal(export)
}

// made is the resource that a step would create, as it would lie in the state.
func made(m apitype.StepEventMetadata) (map[string]any, error) {
	text, err := json.Marshal(m.New.Inputs)
	if err != nil {
		return nil, fmt.Errorf("recording: %s: %w", m.URN, err)
	}
	if m.New.Custom && strings.Contains(string(text), plugin.UnknownStringValue) {
		return nil, fmt.Errorf("recording: %s: an input is known only after a run: %s; it cannot be put into a state", m.URN, text)
	}
	out := map[string]any{"urn": m.URN, "type": m.Type, "custom": m.New.Custom, "parent": m.New.Parent, "inputs": m.New.Inputs, "outputs": m.New.Inputs}
	if !m.New.Custom {
		return out, nil
	}
	outputs := maps.Clone(m.New.Inputs)
	switch {
	case strings.HasPrefix(m.Type, "pulumi:providers:"):
		out["id"] = providerID
	case strings.HasPrefix(m.Type, "kubernetes:"):
		metadata, _ := m.New.Inputs["metadata"].(map[string]any)
		id, _ := metadata["name"].(string)
		if namespace, found := metadata["namespace"].(string); found {
			id = namespace + "/" + id
		}
		out["id"] = id
		// As the plugin writes what it has made; see checkpointObject in it.
		outputs["__inputs"], outputs["__initialApiVersion"], outputs["__fieldManager"] = m.New.Inputs, m.New.Inputs["apiVersion"], naming.ManagedBy
	}
	out["outputs"] = outputs
	if m.Provider != "" {
		out["provider"] = m.Provider[:strings.LastIndex(m.Provider, "::")+2] + providerID
	}
	return out, nil
}
