package policy

// Level is how much of a request is written down.
type Level string

// The levels, each with what the ones before it have.
const (
	None            Level = "None"
	Metadata        Level = "Metadata"
	Request         Level = "Request"
	RequestResponse Level = "RequestResponse"
)

// AuditPolicy says what is written down of each request: the first rule that fits decides.
type AuditPolicy struct {
	Kind
	OmitStages        []string `json:"omitStages,omitempty"`
	OmitManagedFields bool     `json:"omitManagedFields"`
	Rules             []Rule   `json:"rules"`
}

// Rule fits a request when every list that is not empty has what the request has.
type Rule struct {
	Level           Level           `json:"level"`
	Users           []string        `json:"users,omitempty"`
	UserGroups      []string        `json:"userGroups,omitempty"`
	Verbs           []string        `json:"verbs,omitempty"`
	Resources       []GroupResource `json:"resources,omitempty"`
	Namespaces      []string        `json:"namespaces,omitempty"`
	NonResourceURLs []string        `json:"nonResourceURLs,omitempty"`
	OmitStages      []string        `json:"omitStages,omitempty"`
}

// GroupResource names resources of one API group; "" is the core group.
type GroupResource struct {
	Group     string   `json:"group"`
	Resources []string `json:"resources,omitempty"`
}

var (
	reading = []string{"get", "list", "watch"}
	writing = []string{"create", "update", "patch", "delete", "deletecollection"}
	// machinery is who asks all day by itself.
	machinery = []string{"system:nodes", "system:serviceaccounts:kube-system"}
	managers  = []string{"system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"}
)

// Audit answers three questions of an auditor: who changed what, who read a secret, and who went into a pod. The bodies of secrets and tokens are never written
// down, and what the cluster's own parts read all day is not either: it would be nine tenths of the log.
func Audit() AuditPolicy {
	core := func(resources ...string) []GroupResource { return []GroupResource{{Resources: resources}} }
	return AuditPolicy{
		Kind:              Kind{"audit.k8s.io/v1", "Policy"},
		OmitStages:        []string{"RequestReceived"},
		OmitManagedFields: true,
		Rules: []Rule{
			{Level: None, NonResourceURLs: []string{"/healthz*", "/livez*", "/readyz*", "/version", "/metrics"}},
			// Who holds an office, and what has happened, are written every few seconds by everybody.
			{Level: None, Resources: []GroupResource{{Group: "coordination.k8s.io", Resources: []string{"leases"}}, {Resources: []string{"events"}}, {Group: "events.k8s.io"}}},
			// Never their bodies. Whoever reads one is written down, the machinery included.
			{Level: Metadata, Resources: []GroupResource{
				{Resources: []string{"secrets", "configmaps", "serviceaccounts/token"}}, {Group: "authentication.k8s.io"}, {Group: "certificates.k8s.io"},
			}},
			{Level: None, UserGroups: machinery, Verbs: reading},
			{Level: None, Users: managers, Verbs: reading},
			{Level: None, UserGroups: []string{"system:nodes"}, Verbs: []string{"update", "patch"}, Resources: core("nodes/status", "pods/status")},
			// What somebody ran in a pod stands in the request's address.
			{Level: Request, Resources: core("pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "services/proxy", "nodes/proxy")},
			// Rights, and what may change requests on their way: with what came out.
			{Level: RequestResponse, Verbs: writing, Resources: []GroupResource{{Group: "rbac.authorization.k8s.io"}, {Group: "admissionregistration.k8s.io"}}},
			{Level: Request, Verbs: writing},
			{Level: Metadata},
		},
	}
}
