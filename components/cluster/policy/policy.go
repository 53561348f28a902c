// Package policy is what the API servers are told about whom they let in, what they let run and what they write down: values of Go, rendered as the files that the API
// server reads. It is pure.
//
// The thing to get wrong: the files are in the host's library (components/host/script/library), where this package's golden test writes them with -update. A
// change here that is not written there reaches no host; the test says so. The field names are those of Kubernetes: audit.k8s.io/v1,
// apiserver.config.k8s.io/v1 and pod-security.admission.config.k8s.io/v1.
package policy

import "encoding/json"

// Files are the rendered files by their names in the library.
func Files() map[string]string {
	return map[string]string{
		"audit.json": render(Audit()), "authentication.json": render(Authentication()), "admission.json": render(Admission()),
	}
}

// render cannot fail: the values are plain.
func render(value any) string {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(text) + "\n"
}

// Kind names a type of Kubernetes.
type Kind struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// HealthPaths are what anybody may ask without a credential: whether the server lives. The API proxy of every node and kubelet's probes do.
var HealthPaths = []string{"/healthz", "/livez", "/readyz"}

// AuthenticationConfiguration says who counts as whom before a credential is looked at.
type AuthenticationConfiguration struct {
	Kind
	Anonymous Anonymous `json:"anonymous"`
}

// Anonymous requests are refused with 401 where no condition holds.
type Anonymous struct {
	Enabled    bool        `json:"enabled"`
	Conditions []Condition `json:"conditions"`
}

// Condition is one path, as it is written.
type Condition struct {
	Path string `json:"path"`
}

// Authentication lets nobody in without a credential but for health.
func Authentication() AuthenticationConfiguration {
	a := AuthenticationConfiguration{Kind: Kind{"apiserver.config.k8s.io/v1", "AuthenticationConfiguration"}, Anonymous: Anonymous{Enabled: true}}
	for _, path := range HealthPaths {
		a.Anonymous.Conditions = append(a.Anonymous.Conditions, Condition{path})
	}
	return a
}

// AdmissionConfiguration configures admission plugins.
type AdmissionConfiguration struct {
	Kind
	Plugins []Plugin `json:"plugins"`
}

// Plugin is one of them.
type Plugin struct {
	Name          string                   `json:"name"`
	Configuration PodSecurityConfiguration `json:"configuration"`
}

// PodSecurityConfiguration is what holds in a namespace whose labels say nothing.
type PodSecurityConfiguration struct {
	Kind
	Defaults   PodSecurityDefaults   `json:"defaults"`
	Exemptions PodSecurityExemptions `json:"exemptions"`
}

// PodSecurityDefaults are levels (privileged, baseline, restricted) with the Kubernetes version whose rules are meant.
type PodSecurityDefaults struct {
	Enforce        string `json:"enforce"`
	EnforceVersion string `json:"enforce-version"`
	Audit          string `json:"audit"`
	AuditVersion   string `json:"audit-version"`
	Warn           string `json:"warn"`
	WarnVersion    string `json:"warn-version"`
}

// PodSecurityExemptions are not looked at at all.
type PodSecurityExemptions struct {
	Namespaces []string `json:"namespaces"`
}

// Admission holds every namespace to restricted; one that needs more says so in its labels, where a reader of the stack sees it. kube-system is the cluster itself.
func Admission() AdmissionConfiguration {
	return AdmissionConfiguration{
		Kind: Kind{"apiserver.config.k8s.io/v1", "AdmissionConfiguration"},
		Plugins: []Plugin{{Name: "PodSecurity", Configuration: PodSecurityConfiguration{
			Kind: Kind{"pod-security.admission.config.k8s.io/v1", "PodSecurityConfiguration"},
			Defaults: PodSecurityDefaults{
				Enforce: "restricted", EnforceVersion: "latest", Audit: "restricted", AuditVersion: "latest", Warn: "restricted", WarnVersion: "latest",
			},
			Exemptions: PodSecurityExemptions{Namespaces: []string{"kube-system"}},
		}}},
	}
}
