// Package preview reads what Pulumi says that it would do: the digest of `pulumi preview --json`, and the engine's events, one a line, that the same command
// prints under PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true (or that --event-log writes). Both become the same steps, one a resource.
//
// What a reader would get wrong: the digest is taken before a provider has answered, so it knows no price, no promised delivery and nothing of what stays as
// it is. The events know all of that; see Preview.Answered. And no secret leaves this package, however it was written: see Secret.
package preview

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/display"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
)

// Op is what happens to a resource.
type Op string

// What happens to a resource. The three steps of a replacement are one.
const (
	Same    Op = "same"
	Create  Op = "create"
	Update  Op = "update"
	Replace Op = "replace"
	Delete  Op = "delete"
	// Drift is a refresh that found the resource changed or gone outside of Pulumi; see Step.Gone.
	Drift Op = "drift"
)

// Preview is what a run would do.
type Preview struct {
	// Stack and Project are as in the resources' URNs; "" of a preview without any.
	Stack, Project string
	// Steps are one a resource, in the order of their URNs. Reads, and refreshes that find nothing, are Same.
	Steps []Step
	// Diagnostics are what engine, providers and program said, without colours, without what is only for debugging, each once.
	Diagnostics []Diagnostic
	// Answered says that the providers' answers are in the steps: that it was read from events and not from a digest.
	Answered bool
	// Failed says that the run did not get to its end.
	Failed bool
}

// Step is what would happen to one resource.
type Step struct {
	Op  Op
	URN string
	// Type is the type token, Name the logical name.
	Type, Name string
	// Parent is the parent's URN; "" for the stack itself.
	Parent string
	// Custom is false for components.
	Custom bool
	// Protected says that the resource is protected before the run.
	Protected bool
	// Before and After are the resource's two faces; the zero State of what is created or deleted.
	Before, After State
	// Reasons are the properties whose change forces a replacement.
	Reasons []string
	// Gone says of a drift that the resource is not there any more.
	Gone bool
	// Failed says that the provider refused.
	Failed bool
	// detailed are the paths of the provider's own diff.
	detailed []string
}

// State is one face of a resource. Values are those of encoding/json, and Secret and Unknown.
type State struct{ Inputs, Outputs map[string]any }

// Diagnostic is something that was said.
type Diagnostic struct {
	// Severity is info, warning or error.
	Severity diag.Severity
	// URN is the resource that it is about; "" for the run as a whole.
	URN     string
	Message string
}

// Resource is the logical name of the resource that the diagnostic is about, or "".
func (d Diagnostic) Resource() string { return name(d.URN) }

// Read reads either form. What cannot be read is an error, what is not known is passed over.
func Read(from io.Reader) (Preview, error) {
	text, err := io.ReadAll(from)
	if err != nil {
		return Preview{}, fmt.Errorf("preview: %w", err)
	}
	var first map[string]json.RawMessage
	if err := json.NewDecoder(strings.NewReader(string(text))).Decode(&first); err != nil {
		return Preview{}, fmt.Errorf("preview: %w; wanted what pulumi preview --json prints", err)
	}
	if _, event := first["sequence"]; event {
		return readEvents(text)
	}
	if slices.ContainsFunc([]string{"steps", "diagnostics", "changeSummary", "config", "duration"}, func(key string) bool { _, found := first[key]; return found }) {
		return readDigest(text)
	}
	return Preview{}, errors.New("preview: neither a digest nor the engine's events; wanted what pulumi preview --json prints")
}

func readDigest(text []byte) (Preview, error) {
	var digest display.PreviewDigest
	if err := json.Unmarshal(text, &digest); err != nil {
		return Preview{}, fmt.Errorf("preview: digest: %w", err)
	}
	c := newCollector()
	refresh := refreshes(digest.Steps)
	for _, step := range digest.Steps {
		s := Step{URN: string(step.URN), Reasons: texts(step.ReplaceReasons)}
		for path := range step.DetailedDiff {
			s.detailed = append(s.detailed, path)
		}
		if old := step.OldState; old != nil {
			s.Type, s.Parent, s.Custom, s.Protected = string(old.Type), string(old.Parent), old.Custom, old.Protect
			s.Before = State{Inputs: masked(old.Inputs), Outputs: masked(old.Outputs)}
		}
		if fresh := step.NewState; fresh != nil {
			s.Type, s.Parent, s.Custom = string(fresh.Type), string(fresh.Parent), fresh.Custom
			s.After = State{Inputs: masked(fresh.Inputs), Outputs: masked(fresh.Outputs)}
		}
		if refresh {
			// The engine's events say first that a resource was looked at, and then how it was found; the digest keeps the last word only.
			c.add(s, apitype.OpRefresh)
		}
		c.add(s, apitype.OpType(step.Op))
	}
	for _, d := range digest.Diagnostics {
		c.say(d.Severity, string(d.URN), d.Prefix+d.Message)
	}
	p := c.preview()
	// The digest has no word for its end; nothing but an error keeps a preview from it.
	p.Failed = slices.ContainsFunc(p.Diagnostics, func(d Diagnostic) bool { return d.Severity == diag.Error })
	return p, nil
}

// refreshes says whether a digest is of pulumi refresh, and not of a preview that refreshed first: whatever no program had a word in was looked at, or found to be
// another.
func refreshes(steps []*display.PreviewStep) bool {
	looked := false
	for _, step := range steps {
		switch apitype.OpType(step.Op) {
		case apitype.OpRefresh:
			looked = true
		case apitype.OpUpdate, apitype.OpDelete:
		default:
			return false
		}
	}
	return looked
}

func readEvents(text []byte) (Preview, error) {
	c := newCollector()
	ended, failed := false, false
	for decoder := json.NewDecoder(strings.NewReader(string(text))); ; {
		var e apitype.EngineEvent
		err := decoder.Decode(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Preview{}, fmt.Errorf("preview: events: %w; the file is cut off, or holds more than the engine's events", err)
		}
		switch {
		case e.ResourcePreEvent != nil:
			c.add(fromEvent(e.ResourcePreEvent.Metadata), e.ResourcePreEvent.Metadata.Op)
		case e.ResOutputsEvent != nil:
			c.add(fromEvent(e.ResOutputsEvent.Metadata), e.ResOutputsEvent.Metadata.Op)
		case e.ResOpFailedEvent != nil:
			s := fromEvent(e.ResOpFailedEvent.Metadata)
			s.Failed = true
			c.add(s, e.ResOpFailedEvent.Metadata.Op)
		case e.DiagnosticEvent != nil && !e.DiagnosticEvent.Ephemeral:
			c.say(diag.Severity(e.DiagnosticEvent.Severity), e.DiagnosticEvent.URN, e.DiagnosticEvent.Prefix+e.DiagnosticEvent.Message)
		case e.PolicyEvent != nil && e.PolicyEvent.EnforcementLevel == "mandatory":
			c.say(diag.Error, e.PolicyEvent.ResourceURN, e.PolicyEvent.PolicyName+": "+e.PolicyEvent.Message)
		case e.SummaryEvent != nil:
			ended, failed = true, e.SummaryEvent.Result != "" && e.SummaryEvent.Result != apitype.OperationResultSucceeded
		}
	}
	p := c.preview()
	p.Answered = true
	p.Failed = failed || !ended || slices.ContainsFunc(p.Diagnostics, func(d Diagnostic) bool { return d.Severity == diag.Error })
	return p, nil
}

func fromEvent(m apitype.StepEventMetadata) Step {
	s := Step{URN: m.URN, Type: m.Type, Reasons: m.Keys}
	for path := range m.DetailedDiff {
		s.detailed = append(s.detailed, path)
	}
	if old := m.Old; old != nil {
		s.Parent, s.Custom, s.Protected = old.Parent, old.Custom, old.Protect
		s.Before = State{Inputs: masked(old.Inputs), Outputs: masked(old.Outputs)}
	}
	if fresh := m.New; fresh != nil {
		s.Parent, s.Custom = fresh.Parent, fresh.Custom
		s.After = State{Inputs: masked(fresh.Inputs), Outputs: masked(fresh.Outputs)}
	}
	return s
}

// collector makes one step a resource of the many events about it.
type collector struct {
	steps     map[string]*Step
	refreshed map[string]bool
	said      []Diagnostic
	once      map[Diagnostic]bool
}

func newCollector() *collector {
	return &collector{steps: map[string]*Step{}, refreshed: map[string]bool{}, once: map[Diagnostic]bool{}}
}

// add takes what one event says. A later event knows more than an earlier one, and of the steps of a replacement each knows one face.
func (c *collector) add(s Step, op apitype.OpType) {
	s.Name = name(s.URN)
	slices.Sort(s.detailed)
	kind := Same
	switch op {
	case apitype.OpRefresh:
		c.refreshed[s.URN] = true
	case apitype.OpCreate, apitype.OpImport:
		kind = Create
	case apitype.OpUpdate:
		kind = Update
	case apitype.OpDelete, apitype.OpReadDiscard, apitype.OpDiscardReplaced:
		kind = Delete
	case apitype.OpReplace, apitype.OpCreateReplacement, apitype.OpDeleteReplaced, apitype.OpImportReplacement, apitype.OpReadReplacement:
		kind = Replace
	case apitype.OpSame, apitype.OpRead, apitype.OpRemovePendingReplace:
	}
	if c.refreshed[s.URN] && op != apitype.OpRefresh && len(s.detailed) > 0 && kind == Update {
		kind = Drift
	}
	if c.refreshed[s.URN] && kind == Delete && c.steps[s.URN] != nil && c.steps[s.URN].Op == Same {
		kind, s.Gone = Drift, true
	}
	s.Op = kind
	known := c.steps[s.URN]
	if known == nil {
		c.steps[s.URN] = &s
		return
	}
	if s.Op == Same {
		s.Op = known.Op
	}
	if known.Op == Replace {
		s.Op = Replace
		if s.Before.Inputs == nil || op == apitype.OpDeleteReplaced && known.Before.Inputs != nil {
			s.Before = known.Before
		}
		if op == apitype.OpDeleteReplaced || s.After.Inputs == nil {
			s.After = known.After
		}
	}
	if s.Type == "" {
		s.Type = known.Type
	}
	if len(s.detailed) == 0 {
		s.detailed = known.detailed
	}
	if len(s.Reasons) == 0 {
		s.Reasons = known.Reasons
	}
	s.Protected, s.Failed, s.Gone = s.Protected || known.Protected, s.Failed || known.Failed, s.Gone || known.Gone
	*known = s
}

// say takes what was said. The engine tells some things twice, once with and once without the resource.
func (c *collector) say(severity diag.Severity, about, message string) {
	if severity == diag.Debug {
		return
	}
	if severity == diag.Infoerr {
		severity = diag.Info
	}
	d := Diagnostic{Severity: severity, URN: about, Message: strings.TrimSpace(colors.Never.Colorize(message))}
	if strings.Contains(d.Message, privateKey) {
		d.Message = blinded
	}
	if d.Message == "" || c.once[d] {
		return
	}
	c.once[d] = true
	c.said = append(c.said, d)
}

func (c *collector) preview() Preview {
	p := Preview{Diagnostics: c.said}
	for _, step := range c.steps {
		p.Steps = append(p.Steps, *step)
	}
	slices.SortFunc(p.Steps, func(a, b Step) int { return strings.Compare(a.URN, b.URN) })
	for _, step := range p.Steps {
		if parsed, err := urn.Parse(step.URN); err == nil {
			p.Stack, p.Project = parsed.Stack().String(), string(parsed.Project())
			break
		}
	}
	if p.Stack == "" {
		for _, d := range p.Diagnostics {
			if parsed, err := urn.Parse(d.URN); err == nil && d.URN != "" {
				p.Stack, p.Project = parsed.Stack().String(), string(parsed.Project())
			}
		}
	}
	return p
}

// name is the logical name in a URN.
func name(text string) string {
	if i := strings.LastIndex(text, "::"); i >= 0 {
		return text[i+2:]
	}
	return text
}

// Outermost is the type token and the logical name of the outermost component that the step belongs to, or its own when it stands alone. A digest leaves
// out components that stay as they are: the name is "" where it cannot be known.
func (p Preview) Outermost(s Step) (token, named string) {
	parsed, err := urn.Parse(s.URN)
	if err != nil {
		return s.Type, s.Name
	}
	types := strings.Split(string(parsed.QualifiedType()), "$")
	if len(types) == 1 {
		return types[0], s.Name
	}
	at := s
	for range len(types) - 2 {
		i, found := slices.BinarySearchFunc(p.Steps, at.Parent, func(step Step, urn string) int { return strings.Compare(step.URN, urn) })
		if !found {
			return types[0], ""
		}
		at = p.Steps[i]
	}
	return types[0], name(at.Parent)
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}
