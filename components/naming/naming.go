// Package naming holds every type token, the rule for logical names and the Kubernetes labels of havre.
//
// Tokens and logical names are part of each resource's URN: changing one here deletes and makes again whatever carries it, in every stack at once. A
// rename therefore ships with an alias.
package naming

import (
	"errors"
	"fmt"
	"regexp"
)

// Type tokens of the components. The middle word is the package, the last one the exported type.
const (
	Authority           = "havre:authority:Authority"
	HostBase            = "havre:host:Base"
	WireguardMesh       = "havre:wireguard:Mesh"
	ClusterNode         = "havre:cluster:Node"
	Cluster             = "havre:cluster:Cluster"
	OVHServer           = "havre:ovh:Server"
	OVHVPS              = "havre:ovh:VPS"
	OVHInstance         = "havre:ovh:Instance"
	WorkloadDeployment  = "havre:workload:Deployment"
	WorkloadDaemonSet   = "havre:workload:DaemonSet"
	WorkloadCronJob     = "havre:workload:CronJob"
	WorkloadJob         = "havre:workload:Job"
	WorkloadService     = "havre:workload:Service"
	WorkloadNamespace   = "havre:workload:Namespace"
	WorkloadOutside     = "havre:workload:Outside"
	Edge                = "havre:edge:Edge"
	Render              = "havre:render:Render"
	DNSZone             = "havre:dns:Zone"
	DNSHost             = "havre:dns:Host"
	Database            = "havre:database:Database"
	AddonsCilium        = "havre:addons:Cilium"
	AddonsCoreDNS       = "havre:addons:CoreDNS"
	AddonsKubeProxy     = "havre:addons:KubeProxy"
	AddonsMetricsServer = "havre:addons:MetricsServer"
)

// Keys of the recommended labels (https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/).
const (
	LabelName      = "app.kubernetes.io/name"
	LabelInstance  = "app.kubernetes.io/instance"
	LabelComponent = "app.kubernetes.io/component"
	LabelPartOf    = "app.kubernetes.io/part-of"
	LabelManagedBy = "app.kubernetes.io/managed-by"

	// ManagedBy is the value of LabelManagedBy on every object of ours.
	ManagedBy = "havre"
)

// MaxName is the longest logical name, in bytes: the name of a node is its hostname as well, and one label of a hostname ends at 63 (RFC 1035 §2.3.4).
const MaxName = 63

var name = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)

// Child is the logical name of the part of parent that plays role: Child("gra-worker-2", "wireguard") is "gra-worker-2-wireguard".
func Child(parent, role string) string { return parent + "-" + role }

// Validate says whether s can be a logical name: lower-case letters, digits and inner hyphens, a letter first, at most MaxName bytes. All that is wrong
// comes back joined.
func Validate(s string) error {
	if s == "" {
		return errors.New("name is empty; give it one such as gra-worker-2")
	}
	var errs []error
	if len(s) > MaxName {
		errs = append(errs, fmt.Errorf("name %q has %d bytes, at most %d are allowed; shorten it", s, len(s), MaxName))
	}
	if !name.MatchString(s) {
		errs = append(errs, fmt.Errorf("name %q is not made of lower-case letters, digits and inner hyphens with a letter first; write it like gra-worker-2", s))
	}
	return errors.Join(errs...)
}

// Selector is the set of labels by which a workload finds its pods. Kubernetes forbids changing a selector, so nothing that may ever change is in it.
func Selector(app string) map[string]string {
	return map[string]string{LabelName: app}
}

// Labels is the full set of labels of an object of app: the selector, the role it plays inside the app (left out when empty) and its owner. The map is
// new at each call and the caller's to change.
func Labels(app, component string) map[string]string {
	labels := Selector(app)
	labels[LabelManagedBy] = ManagedBy
	labels[LabelPartOf] = ManagedBy
	if component != "" {
		labels[LabelComponent] = component
	}
	return labels
}

// The pods of the cluster's DNS: its app, and the port that they listen on. It is above 1024, so that the process needs neither root nor a capability. Whoever
// lets pods out to the DNS must open this port and not the Service's.
const (
	DNSApp  = "coredns"
	DNSPort = 1053
)

// annotationFieldManager is how Pulumi's Kubernetes provider is told under which name it owns fields (server-side apply).
const annotationFieldManager = "pulumi.com/patchFieldManager"

// Annotations are on every Kubernetes object of ours. One name owns all our fields: left to itself the provider makes up another one for each object and keeps
// it in the state, so that a run on a lost state would be refused as a stranger by the very objects it made. The map is new at each call.
func Annotations() map[string]string {
	return map[string]string{annotationFieldManager: ManagedBy}
}
