package policy_test

import (
	"flag"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"havre/components/cluster/policy"
	"havre/components/host/script"
	"havre/components/host/script/scripttest"
)

var update = flag.Bool("update", false, "write the files of the library")

func TestTheLibraryHasThePolicies(t *testing.T) {
	for name, text := range policy.Files() {
		scripttest.Golden(t, filepath.Join("..", "..", "host", "script", "library", name), text, *update)
		if !*update && script.LibraryFile(name) != text {
			t.Errorf("%s: what is embedded is not what is rendered; run the test with -update", name)
		}
	}
}

// request is what a rule is asked about.
type request struct {
	user, group, verb, apiGroup, resource, path string
}

// level is the policy's answer, as the API server finds it (k8s.io/apiserver/pkg/audit/policy): the first rule that fits.
func level(r request) policy.Level {
	for _, rule := range policy.Audit().Rules {
		if len(rule.Users) > 0 && !slices.Contains(rule.Users, r.user) || len(rule.UserGroups) > 0 && !slices.Contains(rule.UserGroups, r.group) ||
			len(rule.Verbs) > 0 && !slices.Contains(rule.Verbs, r.verb) {
			continue
		}
		switch {
		case len(rule.NonResourceURLs) > 0 && !slices.ContainsFunc(rule.NonResourceURLs, func(pattern string) bool {
			prefix, open := strings.CutSuffix(pattern, "*")
			return r.path == pattern || open && r.path != "" && strings.HasPrefix(r.path, prefix)
		}):
			continue
		case len(rule.Resources) > 0 && !slices.ContainsFunc(rule.Resources, func(g policy.GroupResource) bool {
			return r.resource != "" && g.Group == r.apiGroup && (len(g.Resources) == 0 || slices.Contains(g.Resources, r.resource))
		}):
			continue
		}
		return rule.Level
	}
	return "no rule"
}

func TestAuditAnswersTheAuditor(t *testing.T) {
	for name, c := range map[string]struct {
		request
		want policy.Level
	}{
		"a probe":                       {request{user: "system:anonymous", verb: "get", path: "/readyz"}, policy.None},
		"a part of a probe":             {request{user: "admin", verb: "get", path: "/livez/etcd"}, policy.None},
		"an engineer reads a secret":    {request{user: "admin", verb: "get", resource: "secrets"}, policy.Metadata},
		"an engineer writes a secret":   {request{user: "admin", verb: "patch", resource: "secrets"}, policy.Metadata},
		"a kubelet reads a secret":      {request{group: "system:nodes", verb: "get", resource: "secrets"}, policy.Metadata},
		"a token is made":               {request{user: "admin", verb: "create", resource: "serviceaccounts/token"}, policy.Metadata},
		"a token is looked at":          {request{group: "system:nodes", verb: "create", apiGroup: "authentication.k8s.io", resource: "tokenreviews"}, policy.Metadata},
		"a kubelet renews its lease":    {request{group: "system:nodes", verb: "update", apiGroup: "coordination.k8s.io", resource: "leases"}, policy.None},
		"a kubelet watches pods":        {request{group: "system:nodes", verb: "watch", resource: "pods"}, policy.None},
		"a kubelet tells of a pod":      {request{group: "system:nodes", verb: "patch", resource: "pods/status"}, policy.None},
		"a kubelet deletes a pod":       {request{group: "system:nodes", verb: "delete", resource: "pods"}, policy.Request},
		"the scheduler lists":           {request{user: "system:kube-scheduler", verb: "list", resource: "pods"}, policy.None},
		"a controller reads":            {request{group: "system:serviceaccounts:kube-system", verb: "get", resource: "nodes"}, policy.None},
		"a controller deletes":          {request{group: "system:serviceaccounts:kube-system", verb: "delete", resource: "pods"}, policy.Request},
		"somebody runs a command":       {request{user: "admin", verb: "create", resource: "pods/exec"}, policy.Request},
		"somebody follows a log":        {request{user: "admin", verb: "get", resource: "pods/log"}, policy.Metadata},
		"a role is changed":             {request{user: "admin", verb: "update", apiGroup: "rbac.authorization.k8s.io", resource: "roles"}, policy.RequestResponse},
		"a webhook is made":             {request{user: "admin", verb: "create", apiGroup: "admissionregistration.k8s.io", resource: "mutatingwebhookconfigurations"}, policy.RequestResponse},
		"a deployment is changed":       {request{user: "admin", verb: "patch", apiGroup: "apps", resource: "deployments"}, policy.Request},
		"an engineer lists pods":        {request{user: "admin", verb: "list", resource: "pods"}, policy.Metadata},
		"somebody without a credential": {request{user: "system:anonymous", verb: "get", path: "/"}, policy.Metadata},
	} {
		if got := level(c.request); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
