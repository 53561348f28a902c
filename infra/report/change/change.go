// Package change says what a run would do in words that a person reads before its pull request is merged: first what costs money or hurts, then what changes by
// node and by service, then each changed value.
//
// What a reader would get wrong: resources are understood by their type and their name, as package naming makes them, and never by the text of a script. A
// resource of an unknown kind is not lost: it is told in general terms, and all of it stands in the details.
package change

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"

	"havre/components/naming"
	"havre/components/ovh/sdk"
	"havre/infra/report/capacity"
	"havre/infra/report/preview"
	"havre/infra/report/topology"
	"havre/stacks"
)

// Options are what a preview does not hold.
type Options struct {
	// Plan is the description that was previewed; nil where it is not known. It adds roles, the picture and the capacity.
	Plan *stacks.Plan
	// Growth, Basis, Delivery and Today are as in capacity.Args.
	Growth   float64
	Basis    capacity.Basis
	Delivery time.Duration
	Today    time.Time
}

// Report is everything that is told.
type Report struct {
	Stack string
	// Refusals are why there is no run: each is one message, its lines in order.
	Refusals [][]string
	Warnings []string
	// Ordered and GivenUp are servers.
	Ordered, GivenUp []Server
	// Bill is the stack's money; nil where the preview did not get to it.
	Bill *Bill
	// Wiped are nodes that are installed anew, Drained those whose pods have to move, Restarted the control-plane nodes whose Kubernetes is touched.
	Wiped, Drained, Restarted []string
	// Unreachable is a version of Kubernetes that the hosts will refuse, and why; mostly "".
	Unreachable string
	// Rolled are workloads whose pods are replaced.
	Rolled []string
	// Removed are deletions and replacements, nodes that leave summed up.
	Removed []string
	// Nodes and Services are the sentences.
	Nodes, Services []Group
	// Details are all changed resources; Unchanged counts the others.
	Details   []Detail
	Unchanged int
	// Answered is as in preview.Preview.
	Answered bool
	Picture  *topology.Picture
	Capacity *capacity.Figures
	today    time.Time
}

// Server is a server that is ordered or given up.
type Server struct {
	Name, PlanCode, Datacenter string
	// Monthly and Setup are EUR as text, "" when not known. Declared says that Monthly is what the description allows and not yet a price.
	Monthly, Setup string
	Declared       bool
	// Hourly is the price of an instance, which has no other.
	Hourly string
	// Delivery is the promise, for a reader: "72 hours".
	Delivery string
}

// Group are the sentences about some nodes or one service.
type Group struct {
	Title string
	// Sentences begin with a verb for nodes and with a noun for services.
	Sentences []string
}

// Detail is one changed resource.
type Detail struct {
	Op      preview.Op
	Type    string
	Name    string
	Changes []preview.Change
	Reasons []string
}

// Of tells a preview.
func Of(p preview.Preview, options Options) (Report, error) {
	r := Report{Stack: p.Stack, Answered: p.Answered, today: options.Today}
	if r.Stack == "" && options.Plan != nil {
		r.Stack = options.Plan.Stack.Name
	}
	r.listen(p)
	f := newFleet(p, options.Plan)
	services := newServices(p)
	for _, step := range p.Steps {
		if step.Op == preview.Same {
			if step.Custom && step.Type != stackType {
				r.Unchanged++
			}
			continue
		}
		switch {
		case step.Type == stackType:
			continue
		case !step.Custom:
			// A component is what its children are.
			continue
		case step.Type == sdk.BudgetToken:
			// Told as money.
		case f.take(step):
		default:
			services.take(step)
		}
		r.Details = append(r.Details, Detail{Op: step.Op, Type: step.Type, Name: step.Name, Changes: step.Changes(), Reasons: step.Reasons})
	}
	r.Bill = bill(p)
	f.tell(&r)
	services.tell(&r)
	r.removed(p, f)
	if options.Plan == nil {
		return r, nil
	}
	picture := topology.Of(*options.Plan, f.marks(), f.gone())
	r.Picture = &picture
	figures, err := capacity.Of(capacity.Args{Plan: *options.Plan, Growth: options.Growth, Basis: options.Basis, Delivery: options.Delivery, Today: options.Today})
	if err != nil {
		return Report{}, err
	}
	r.Capacity = &figures
	return r, nil
}

const stackType = "pulumi:pulumi:Stack"

// noise are messages of the engine that only say that there was another one.
var noise = []string{"preview failed", "update failed", "resource registration failed", "failed to register new resource"}

// listen takes refusals and warnings from what was said.
func (r *Report) listen(p preview.Preview) {
	var warnings []string
	about := map[string][]string{}
	for _, d := range p.Diagnostics {
		switch d.Severity {
		case diag.Error:
			lines := refusal(d)
			if len(lines) > 0 && !slices.ContainsFunc(r.Refusals, func(known []string) bool { return slices.Equal(known, lines) }) {
				r.Refusals = append(r.Refusals, lines)
			}
		case diag.Warning:
			text := strings.TrimSpace(strings.TrimPrefix(d.Message, "warning:"))
			if _, said := about[text]; !said {
				warnings = append(warnings, text)
			}
			if name := d.Resource(); !slices.Contains(about[text], name) {
				about[text] = append(about[text], name)
			}
		}
	}
	for _, text := range warnings {
		r.Warnings = append(r.Warnings, together(about[text], text))
	}
	if p.Failed && len(r.Refusals) == 0 {
		r.Refusals = append(r.Refusals, []string{"the preview did not get to its end, and said nothing of why; run it again and read its output"})
	}
}

// together is what was said of some resources, once.
func together(names []string, text string) string {
	const most = 3
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" })
	switch {
	case len(names) == 0:
		return text
	case len(names) > most:
		return fmt.Sprintf("%s and %d others: %s", strings.Join(names[:most], ", "), len(names)-most, text)
	default:
		return strings.Join(names, ", ") + ": " + text
	}
}

// refusal is an error as its author wrote it, without what the engine and the language host have put around it.
func refusal(d preview.Diagnostic) []string {
	text := strings.TrimSpace(strings.TrimPrefix(d.Message, "error:"))
	for _, wrapper := range []string{"an unhandled error occurred: program failed:", "program failed:", "preview failed:"} {
		text = strings.TrimSpace(strings.TrimPrefix(text, wrapper))
	}
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		line = strings.TrimSpace(strings.TrimPrefix(line, "* "))
		counted := strings.HasSuffix(line, "error occurred:") || strings.HasSuffix(line, "errors occurred:")
		if line == "" || counted || line == "exit status 1" || slices.Contains(noise, strings.ToLower(strings.TrimSuffix(line, "."))) {
			continue
		}
		lines = append(lines, line)
	}
	if len(lines) == 1 && slices.ContainsFunc(noise, func(n string) bool { return strings.HasPrefix(strings.ToLower(lines[0]), n) }) {
		return nil
	}
	if name := d.Resource(); len(lines) > 0 && name != "" && !strings.HasPrefix(lines[0], name) && !strings.Contains(d.URN, "::"+stackType+"::") {
		lines[0] = name + ": " + lines[0]
	}
	return lines
}

// removed lists what ends. What belongs to a node that leaves is one line.
func (r *Report) removed(p preview.Preview, f *fleet) {
	count := map[string]int{}
	var order []string
	for _, step := range p.Steps {
		if !step.Custom || step.Op != preview.Delete && step.Op != preview.Replace {
			continue
		}
		node, _ := f.split(step.Name)
		if step.Op == preview.Delete && node != "" && f.leaves(node) && fleetResource(step) {
			if count[node] == 0 {
				order = append(order, node)
			}
			count[node]++
			continue
		}
		verb := "is deleted"
		if step.Op == preview.Replace {
			verb = "is replaced"
			if len(step.Reasons) > 0 {
				verb += " because of its " + strings.Join(step.Reasons, ", ")
			}
		}
		r.Removed = append(r.Removed, fmt.Sprintf("%s %s (%s)", step.Name, verb, kind(step.Type)))
	}
	for _, node := range order {
		r.Removed = append(r.Removed, fmt.Sprintf("%s of %s", plural(count[node], "resource"), node))
	}
	slices.Sort(r.Removed)
}

// kind is the last word of a type token: "Deployment", "Server".
func kind(token string) string { return token[strings.LastIndexAny(token, ":/")+1:] }

// plural counts things.
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// listed joins names for a reader: "a, b and c"; of more than most only the first ones and the count of the others.
func listed(names []string, most int) string {
	if len(names) > most+1 {
		return fmt.Sprintf("%s and %d others", strings.Join(names[:most], ", "), len(names)-most)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// serviceTitles are the services and add-ons for a reader.
var serviceTitles = map[string]string{
	naming.Render: "render", naming.Edge: "edge", naming.DNSZone: "DNS", naming.AddonsCoreDNS: "cluster DNS", naming.AddonsKubeProxy: "kube-proxy", naming.AddonsCilium: "Cilium",
	naming.AddonsMetricsServer: "metrics server", naming.Authority: "certificate authority",
}
