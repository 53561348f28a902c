package guard

import "strings"

// free are the kinds that anything may use. A new line here is a decision about the platform: see docs/decisions/0006.
var free = map[string]bool{
	deployment:                     true,
	daemonSet:                      true,
	job:                            true,
	cronJob:                        true,
	autoscaler:                     true,
	budget:                         true,
	priorityClass:                  true,
	"kubernetes:core/v1:ConfigMap": true,
	"kubernetes:core/v1:Namespace": true,
	"kubernetes:core/v1:Secret":    true,
	"kubernetes:core/v1:Service":   true,
	"kubernetes:networking.k8s.io/v1:NetworkPolicy": true,
}

// careful are the kinds that want a reason, each object by name.
var careful = map[string]bool{
	"kubernetes:core/v1:ServiceAccount":                          true,
	"kubernetes:rbac.authorization.k8s.io/v1:Role":               true,
	"kubernetes:rbac.authorization.k8s.io/v1:RoleBinding":        true,
	"kubernetes:rbac.authorization.k8s.io/v1:ClusterRole":        true,
	"kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding": true,
	"kubernetes:apiregistration.k8s.io/v1:APIService":            true,
	"kubernetes:discovery.k8s.io/v1:EndpointSlice":               true,
	statefulSet: true,
	"kubernetes:core/v1:PersistentVolumeClaim": true,
}

const byException = "do without, or give the reason in infra/guard/exceptions.go"

// instead says what to use in the place of kinds that one would reach for. The beginning of a token decides.
var instead = []struct{ prefix, mend string }{
	{"kubernetes:apps/v1:StatefulSet", "keep state in the managed database or in object storage; for a cache that may be lost, give the reason in infra/guard/exceptions.go"},
	{"kubernetes:core/v1:PersistentVolume", "keep state in the managed database or in object storage; for a cache that may be lost, give the reason in infra/guard/exceptions.go"},
	{"kubernetes:storage.k8s.io/", "keep state in the managed database or in object storage"},
	{"kubernetes:networking.k8s.io/v1:Ingress", "add a site to the edge, in infra/platform/services.go"},
	{"kubernetes:helm.sh/", "write the objects as typed Go, as components/addons does"},
	{"kubernetes:yaml", "write the objects as typed Go, as components/addons does"},
	{"kubernetes:kustomize", "write the objects as typed Go, as components/addons does"},
	{"kubernetes:apiextensions.k8s.io/", "use plain objects; the platform has no custom resources of its own"},
	{"kubernetes:admissionregistration.k8s.io/", "refuse it here, at preview, rather than in the cluster"},
	{"kubernetes:core/v1:Pod", "use components/workload: a pod by itself is not made again when its node goes"},
	{"kubernetes:core/v1:ReplicationController", "use components/workload"},
	{"kubernetes:apps/v1:ReplicaSet", "use components/workload"},
}

// kind holds the object's kind to the subset.
func (i *inspection) kind() {
	token := i.object.token
	if free[token] {
		return
	}
	mend := "use a kind of the subset, or widen it in infra/guard/subset.go by a decision"
	if careful[token] {
		mend = byException
	}
	for _, known := range instead {
		if strings.HasPrefix(token, known.prefix) {
			mend = known.mend
			break
		}
	}
	value := "is outside the subset of kinds that the platform runs"
	if careful[token] {
		value = "is a kind to be used with care"
	}
	i.refuse(RuleKind, strings.TrimPrefix(token, tokenPrefix), value, mend)
}
