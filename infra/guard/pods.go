package guard

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

var pinned = regexp.MustCompile(`^[^@\s]+@sha256:[0-9a-f]{64}$`)

// pod holds the object's pods to the rules that one pod can keep or break by itself.
func (i *inspection) pod(spec view) {
	if !i.known(RuleImage, spec) {
		return
	}
	for _, setting := range []struct{ name, value string }{
		{"hostNetwork", "puts the pod on the node's own network"},
		{"hostPID", "shows the pod the node's processes"},
		{"hostIPC", "shares the node's memory segments with the pod"},
	} {
		if v := spec.get(setting.name); i.known(RuleHost, v) && v.yes() {
			i.refuse(RuleHost, setting.name, setting.value, byException)
		}
	}
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		containers := spec.get(list)
		if !i.known(RuleImage, containers) {
			continue
		}
		for _, c := range containers.items() {
			if i.known(RuleImage, c) {
				i.container(c, spec.get("hostNetwork").yes())
			}
		}
	}
	i.volumes(spec.get("volumes"))
}

func (i *inspection) container(c view, onHost bool) {
	name := "container " + c.get("name").text()
	if image := c.get("image"); i.known(RuleImage, image) && !pinned.MatchString(image.text()) {
		i.refuse(RuleImage, name, fmt.Sprintf("has %q, and a tag may be moved under a running service", image.text()), "pin it as name@sha256:<64 hex digits>")
	}
	for _, amount := range []struct {
		rule       Rule
		list, none string
		mend       string
	}{
		{RuleRequests, "requests", "requests none", "say what it takes, or the scheduler believes that it takes nothing"},
		{RuleLimits, "limits", "has no limit", "say what it may take, or its neighbours on the node pay for it"},
	} {
		for _, resource := range []string{"cpu", "memory"} {
			v := c.get("resources", amount.list, resource)
			if !i.known(amount.rule, v) {
				continue
			}
			subject := resource + " of " + name
			switch n, err := quantity(v.text()); {
			case v.absent():
				i.refuse(amount.rule, subject, amount.none, amount.mend)
			case err != nil:
				i.refuse(amount.rule, subject, "has "+err.Error(), "write it as 250m or 64Mi")
			case n == 0:
				i.refuse(amount.rule, subject, amount.none, amount.mend)
			}
		}
	}
	if v := c.get("securityContext", "privileged"); i.known(RuleHost, v) && v.yes() {
		i.refuse(RuleHost, name, "is privileged, which is root on the node", byException)
	}
	if ports := c.get("ports"); !onHost && i.known(RuleHost, ports) {
		for _, p := range ports.items() {
			if port := p.get("hostPort"); i.known(RuleHost, port) && !port.absent() {
				i.refuse(RuleHost, name, fmt.Sprintf("takes port %s of the node, public address included", port.text()), "use a Service, and the edge for what readers reach")
			}
		}
	}
}

// probes wants readiness and liveness of every container that serves.
func (i *inspection) probes(spec view) {
	for _, c := range spec.get("containers").items() {
		name := "container " + c.get("name").text()
		for _, probe := range []struct{ field, value, mend string }{
			{"readinessProbe", "has no readiness probe", "add one, or it gets requests before it can answer them"},
			{"livenessProbe", "has no liveness probe", "add one, or it stays when it hangs"},
		} {
			if v := c.get(probe.field); i.known(RuleProbes, v) && v.absent() {
				i.refuse(RuleProbes, name, probe.value, probe.mend)
			}
		}
	}
}

// passing are the volumes whose content is from elsewhere or goes with the pod.
var passing = map[string]bool{"configMap": true, "secret": true, "emptyDir": true, "projected": true, "downwardAPI": true, "name": true}

func (i *inspection) volumes(list view) {
	if !i.known(RuleState, list) {
		return
	}
	for _, v := range list.items() {
		sources, _ := v.value.(map[string]any)
		if !i.known(RuleState, v) {
			continue
		}
		for _, source := range slices.Sorted(maps.Keys(sources)) {
			if passing[source] {
				continue
			}
			if source == "hostPath" {
				if path := v.get(source, "path"); i.known(RuleState, path) {
					i.refuse(RuleState, path.text(), "is a folder of the node, which a reinstallation empties", byException)
				}
				continue
			}
			i.refuse(RuleState, "volume "+v.get("name").text(), "keeps data in the cluster by "+source, "keep it in the managed database or in object storage")
		}
	}
}
