// Package workloadtest teaches the mock engine the Kubernetes objects that havre makes, and prints a graph for goldens.
//
// The thing to get wrong: a kind that is not listed here fails a test on purpose. The list is havre's narrow subset; a new line in it is a decision.
package workloadtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"

	"havre/components/host/hosttest"
	"havre/components/naming"
)

// kinds are the type tokens with the inputs beside apiVersion, kind and metadata.
var kinds = map[string][]string{
	"kubernetes:apps/v1:DaemonSet":                      {"spec"},
	"kubernetes:apps/v1:Deployment":                     {"spec"},
	"kubernetes:autoscaling/v2:HorizontalPodAutoscaler": {"spec"},
	"kubernetes:batch/v1:CronJob":                       {"spec"},
	"kubernetes:batch/v1:Job":                           {"spec"},
	"kubernetes:core/v1:ConfigMap":                      {"data"},
	"kubernetes:core/v1:Namespace":                      {},
	"kubernetes:core/v1:Secret":                         {"stringData", "type"},
	"kubernetes:core/v1:Service":                        {"spec"},
	"kubernetes:discovery.k8s.io/v1:EndpointSlice":      {"addressType", "endpoints", "ports"},
	"kubernetes:networking.k8s.io/v1:NetworkPolicy":     {"spec"},
	"kubernetes:policy/v1:PodDisruptionBudget":          {"spec"},
	"kubernetes:scheduling.k8s.io/v1:PriorityClass":     {"description", "preemptionPolicy", "value"},
}

// Kubernetes declares the kinds. Every object must have a name and our labels, both known in a first preview.
func Kubernetes(e *hosttest.Engine) *hosttest.Engine {
	for token, inputs := range kinds {
		e.Handle(token, hosttest.Handler{
			Inputs:   append([]string{"apiVersion", "kind", "metadata"}, inputs...),
			Required: []string{"apiVersion", "kind", "metadata"},
			Check:    check,
		})
	}
	return e
}

func check(r hosttest.Registration) error {
	var errs []error
	if r.Text("metadata.name") == "" {
		errs = append(errs, errors.New("metadata.name is not set: the engine would make one up"))
	}
	labels := r.Value("metadata.labels")
	if !labels.IsObject() || labels.ObjectValue()[naming.LabelManagedBy].StringValue() != naming.ManagedBy {
		errs = append(errs, fmt.Errorf("label %s is not %s", naming.LabelManagedBy, naming.ManagedBy))
	}
	return errors.Join(errs...)
}

// Dump prints the last run's registrations for a golden: type, name, parent, dependencies and inputs, in the order of their URNs.
func Dump(e *hosttest.Engine) (string, error) {
	var b strings.Builder
	for _, r := range e.Registrations() {
		if r.Type == "pulumi:pulumi:Stack" {
			continue
		}
		fmt.Fprintf(&b, "%s %s\n", r.Type, r.Name)
		if parent := urn.URN(r.Parent); parent != "" && parent.Type() != "pulumi:pulumi:Stack" {
			fmt.Fprintf(&b, "  in %s\n", parent.Name())
		}
		if len(r.DependsOn) > 0 {
			fmt.Fprintf(&b, "  after %s\n", strings.Join(r.DependsOn, " "))
		}
		if len(r.Inputs) > 0 {
			var text strings.Builder
			encoder := json.NewEncoder(&text)
			encoder.SetEscapeHTML(false)
			encoder.SetIndent("  ", "  ")
			if err := encoder.Encode(Plain(resource.NewProperty(r.Inputs))); err != nil {
				return "", fmt.Errorf("print %s: %w", r.Name, err)
			}
			fmt.Fprintf(&b, "  %s", text.String())
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

// Plain is a property as plain values: secrets as "[secret]", unknown ones as "[unknown]".
func Plain(v resource.PropertyValue) any {
	switch {
	case v.IsSecret(), v.IsOutput() && v.OutputValue().Secret:
		return "[secret]"
	case v.IsComputed(), v.IsOutput() && !v.OutputValue().Known:
		return "[unknown]"
	case v.IsOutput():
		return Plain(v.OutputValue().Element)
	case v.IsObject():
		out := map[string]any{}
		for key, value := range v.ObjectValue() {
			out[string(key)] = Plain(value)
		}
		return out
	case v.IsArray():
		out := []any{}
		for _, value := range v.ArrayValue() {
			out = append(out, Plain(value))
		}
		return out
	default:
		return v.V
	}
}
