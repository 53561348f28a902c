package change

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"havre/infra/report/preview"
)

// services are the steps about what runs on the platform.
type services struct {
	p      preview.Preview
	groups map[string][]preview.Step
	// again counts objects that differ in nothing, and are in the preview only because the way to their cluster is known after the run.
	again int
}

func newServices(p preview.Preview) *services {
	return &services{p: p, groups: map[string][]preview.Step{}}
}

// take keeps a step. What belongs to no component stands by itself.
func (s *services) take(step preview.Step) {
	if step.Op == preview.Update && strings.HasPrefix(step.Type, "kubernetes:") && len(step.Changes()) == 0 {
		s.again++
		return
	}
	token, name := s.p.Outermost(step)
	title := serviceTitles[token]
	switch {
	case strings.HasPrefix(token, "pulumi:providers:"):
		title = providers
	case title == "" && name != "":
		title = name
	case title == "":
		title = strings.ToLower(kind(token))
	}
	s.groups[title] = append(s.groups[title], step)
}

// tell writes the sentences, services of readers first.
func (s *services) tell(r *Report) {
	first := []string{"render", "edge", "DNS"}
	var titles []string
	for title := range s.groups {
		titles = append(titles, title)
	}
	rank := func(title string) int {
		if i := slices.Index(first, title); i >= 0 {
			return i
		}
		if title == providers {
			return len(first) + 1
		}
		return len(first)
	}
	slices.SortFunc(titles, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for _, title := range titles {
		g := Group{Title: title}
		for _, step := range s.groups[title] {
			g.Sentences = append(g.Sentences, sentences(step)...)
			if rolled(step) {
				r.Rolled = append(r.Rolled, objectName(step))
			}
		}
		r.Services = append(r.Services, gathered(g))
	}
	if s.again > 0 {
		r.Services = append(r.Services, Group{Title: everything, Sentences: []string{
			plural(s.again, "object") + " of the cluster may be applied again as they are, because the way to it is known only after the run",
		}})
	}
}

// everything and providers are titles of what is no service.
const (
	everything = "the rest"
	providers  = "providers"
)

// gathered puts many sentences of one kind together: of the objects that are created, say, only the names are told.
func gathered(g Group) Group {
	var out []string
	for _, ending := range []string{" is created", " is deleted"} {
		var names []string
		for _, sentence := range g.Sentences {
			if name, found := strings.CutSuffix(sentence, ending); found {
				names = append(names, name)
			}
		}
		if len(names) > 1 {
			g.Sentences = slices.DeleteFunc(g.Sentences, func(s string) bool { return strings.HasSuffix(s, ending) })
			out = append(out, listed(names, 12)+" are"+strings.TrimPrefix(ending, " is"))
		}
	}
	g.Sentences = append(g.Sentences, out...)
	return g
}

// objectName is a Kubernetes object as people call it: "Deployment renderer"; of anything else its logical name.
func objectName(step preview.Step) string {
	state := step.After
	if step.Op == preview.Delete {
		state = step.Before
	}
	name := preview.Text(state.Inputs, "metadata", "name")
	if name == "" {
		return kind(step.Type) + " " + step.Name
	}
	return kind(step.Type) + " " + name
}

// rolled says whether pods are replaced: whether the template of a workload that has some changes.
func rolled(step preview.Step) bool {
	if !slices.Contains([]string{"Deployment", "DaemonSet", "StatefulSet"}, kind(step.Type)) {
		return false
	}
	return step.Op == preview.Replace || slices.ContainsFunc(step.Changes(), func(c preview.Change) bool { return strings.HasPrefix(c.Path, "spec.template.") })
}

// record is the type of a DNS record at Cloudflare.
const record = "cloudflare:index/record:Record"

// sentences tell one resource of a service.
func sentences(step preview.Step) []string {
	if step.Type == record {
		return []string{recordSentence(step)}
	}
	if !strings.HasPrefix(step.Type, "kubernetes:") || step.Op != preview.Update {
		return []string{generic(step)}
	}
	object := objectName(step)
	var out []string
	say := func(format string, args ...any) { out = append(out, object+": "+fmt.Sprintf(format, args...)) }
	changes := step.Changes()
	// Each kind of change takes its own out of the list; what is left is told in general terms.
	pick := func(match func(string) bool) []preview.Change {
		var picked []preview.Change
		changes = slices.DeleteFunc(changes, func(c preview.Change) bool {
			if match(c.Path) {
				picked = append(picked, c)
				return true
			}
			return false
		})
		return picked
	}
	value := func(keys ...string) (before, after string) {
		return preview.Text(step.Before.Inputs, keys...), preview.Text(step.After.Inputs, keys...)
	}
	for _, c := range pick(func(path string) bool { return strings.HasSuffix(path, "].image") }) {
		say("image %s → %s%s", image(preview.Show(c.Before), preview.Show(c.After)), image(preview.Show(c.After), preview.Show(c.Before)), rollout(step))
	}
	if len(pick(func(path string) bool { return path == "spec.minReplicas" || path == "spec.maxReplicas" })) > 0 {
		minBefore, minAfter := value("spec", "minReplicas")
		maxBefore, maxAfter := value("spec", "maxReplicas")
		say("%s to %s pods → %s to %s pods", minBefore, maxBefore, minAfter, maxAfter)
	}
	if len(pick(func(path string) bool { return path == "spec.schedule" || path == "spec.timeZone" })) > 0 {
		before, after := value("spec", "schedule")
		zoneBefore, zoneAfter := value("spec", "timeZone")
		say("runs %s → %s", Schedule(before, zoneBefore), Schedule(after, zoneAfter))
	}
	for _, c := range pick(func(path string) bool { return path == "spec.suspend" }) {
		if c.After == true {
			say("is suspended: no run starts until that is taken back")
		} else {
			say("is not suspended any more")
		}
	}
	for _, c := range pick(func(path string) bool { return path == "spec.replicas" }) {
		say("%s pods → %s pods", preview.Show(c.Before), preview.Show(c.After))
	}
	for _, c := range pick(func(path string) bool { return resources.MatchString(path) }) {
		m := resources.FindStringSubmatch(c.Path)
		say("%s %s of %s %s → %s", m[3], strings.TrimSuffix(m[2], "s"), m[1], preview.Show(c.Before), preview.Show(c.After))
	}
	for _, c := range pick(func(path string) bool { return path == "spec.maxUnavailable" || path == "spec.minAvailable" }) {
		say("%s %s → %s", strings.TrimPrefix(c.Path, "spec."), preview.Show(c.Before), preview.Show(c.After))
	}
	for _, c := range pick(func(path string) bool {
		return strings.HasPrefix(path, "data.") || strings.HasPrefix(path, "data[") || strings.HasPrefix(path, "stringData")
	}) {
		say("%s", dataSentence(c))
	}
	if len(pick(func(path string) bool { return strings.HasPrefix(path, "spec.template.metadata.annotations") })) > 0 && len(out) == 0 {
		say("its pods are replaced, as what they read at their start changes")
	}
	if len(changes) > 0 {
		say("%s", brief(changes))
	}
	if len(out) == 0 {
		say("is applied again")
	}
	return out
}

// resources are the paths of a container's requests and limits: container, list, resource.
var resources = regexp.MustCompile(`\.containers\[([^\]]+)\]\.resources\.(requests|limits)\.([a-z0-9.-]+)$`)

// rollout says what a new image does to pods that run.
func rollout(step preview.Step) string {
	switch kind(step.Type) {
	case "Deployment":
		unavailable := preview.Text(step.After.Inputs, "spec", "strategy", "rollingUpdate", "maxUnavailable")
		surge := preview.Text(step.After.Inputs, "spec", "strategy", "rollingUpdate", "maxSurge")
		if unavailable != "" && surge != "" {
			return fmt.Sprintf(", pod by pod: at most %s too many and %s too few at a time", surge, unavailable)
		}
		return ", pod by pod"
	case "DaemonSet":
		return ", node by node"
	case "CronJob":
		return ", from its next run on"
	default:
		return ""
	}
}

// image is an image as short as it can be told beside the other: its digest, and its name where that differs.
func image(text, other string) string {
	name, digest, found := strings.Cut(text, "@")
	otherName, _, _ := strings.Cut(other, "@")
	algorithm, hex, _ := strings.Cut(digest, ":")
	if !found || len(hex) < 12 {
		return text
	}
	short := algorithm + ":" + hex[:12] + "…"
	if name == otherName {
		return short
	}
	return name + "@" + short
}

// dataSentence tells a changed entry of a ConfigMap or a Secret.
func dataSentence(c preview.Change) string {
	_, wasSecret := c.Before.(preview.Secret)
	_, isSecret := c.After.(preview.Secret)
	name := strings.TrimPrefix(strings.TrimPrefix(c.Path, "stringData"), "data")
	name = strings.Trim(name, `.[]"`)
	switch before, after := preview.Show(c.Before), preview.Show(c.After); {
	case wasSecret || isSecret:
		return name + ": another secret value"
	case c.Before == nil:
		return name + " is new"
	case c.After == nil:
		return name + " goes"
	default:
		added, removed := lineDiff(before, after).count()
		return fmt.Sprintf("%s: %s added, %d removed", name, plural(added, "line"), removed)
	}
}

// recordSentence tells a DNS record.
func recordSentence(step preview.Step) string {
	state := step.After
	if step.Op == preview.Delete {
		state = step.Before
	}
	name := preview.Text(state.Inputs, "name")
	to := preview.Text(state.Inputs, "content")
	if to == "" {
		to = "the address of " + step.Name
	}
	switch step.Op {
	case preview.Create:
		return fmt.Sprintf("%s leads to one host more: %s (%s)", name, to, step.Name)
	case preview.Delete:
		return fmt.Sprintf("%s does not lead to %s any more (%s)", name, to, step.Name)
	case preview.Replace:
		return fmt.Sprintf("%s is replaced (%s): %s", name, step.Name, brief(step.Changes()))
	default:
		return fmt.Sprintf("%s (%s): %s", name, step.Name, brief(step.Changes()))
	}
}

// generic tells any resource.
func generic(step preview.Step) string {
	object := objectName(step)
	switch step.Op {
	case preview.Create:
		return object + " is created"
	case preview.Delete:
		return object + " is deleted"
	case preview.Replace:
		return object + " is replaced: " + brief(step.Changes())
	case preview.Drift:
		if step.Gone {
			return object + " is gone"
		}
		return object + " was changed: " + brief(step.Changes())
	default:
		return object + ": " + brief(step.Changes())
	}
}

// brief is a few changes on one line: short values as they are, of long ones only that they change.
func brief(changes []preview.Change) string {
	changes = withoutMoves(changes)
	if len(changes) == 0 {
		return "nothing of its inputs"
	}
	const most, long = 3, 60
	var out []string
	for _, c := range changes[:min(len(changes), most)] {
		before, after := preview.Show(c.Before), preview.Show(c.After)
		_, secret := c.After.(preview.Secret)
		switch {
		case secret:
			out = append(out, c.Path+" (a secret)")
		case len(before) > long || len(after) > long || strings.Contains(before+after, "\n"):
			added, removed := lineDiff(before, after).count()
			out = append(out, fmt.Sprintf("%s (%s added, %d removed)", c.Path, plural(added, "line"), removed))
		default:
			out = append(out, fmt.Sprintf("%s %s → %s", c.Path, before, after))
		}
	}
	if rest := len(changes) - most; rest > 0 {
		out = append(out, plural(rest, "other value"))
	}
	return strings.Join(out, "; ")
}
