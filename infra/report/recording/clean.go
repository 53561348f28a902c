package recording

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/display"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"

	"havre/components/ovh/sdk"
)

// kept are the outputs that a report reads, by the type's first word; of other types there are none.
var kept = map[string][]string{"ovhmetal": {"monthly", "monthlyWithTax", "before", "setup", "agreed", "currency", "monthlyPrice", "setupPrice", "availability"}}

// clean makes a recording of events: sorted, without times, without what the engine says of itself, of what stays as it is only that it does, and with the same
// addresses, keys and names each time.
func clean(events []apitype.EngineEvent, folder string) ([]byte, error) {
	ended := map[string]bool{}
	for _, e := range events {
		if e.ResOutputsEvent != nil {
			ended[e.ResOutputsEvent.Metadata.URN+string(e.ResOutputsEvent.Metadata.Op)] = true
		}
	}
	var out []apitype.EngineEvent
	for _, e := range events {
		e.Timestamp = 0
		switch {
		case e.ResourcePreEvent != nil:
			// The event at its end says the same and more.
			if m := e.ResourcePreEvent.Metadata; ended[m.URN+string(m.Op)] {
				continue
			}
			trim(&e.ResourcePreEvent.Metadata)
		case e.ResOutputsEvent != nil:
			trim(&e.ResOutputsEvent.Metadata)
		case e.ResOpFailedEvent != nil:
			trim(&e.ResOpFailedEvent.Metadata)
		case e.DiagnosticEvent != nil:
			if e.DiagnosticEvent.Ephemeral || e.DiagnosticEvent.Severity == "debug" {
				continue
			}
			e.DiagnosticEvent.StreamID = 0
		case e.SummaryEvent != nil:
			e.SummaryEvent.DurationSeconds = 0
		default:
			continue
		}
		out = append(out, e)
	}
	slices.SortStableFunc(out, func(a, b apitype.EngineEvent) int { return cmp.Compare(sortKey(a), sortKey(b)) })
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	for i, e := range out {
		e.Sequence = i + 1
		if err := encoder.Encode(e); err != nil {
			return nil, fmt.Errorf("recording: %w", err)
		}
	}
	return []byte(newNames(events, folder).Replace(b.String())), nil
}

// sortKey puts resources first, by their URNs, then what was said, then the summary.
func sortKey(e apitype.EngineEvent) string {
	switch {
	case e.ResourcePreEvent != nil:
		return "1" + e.ResourcePreEvent.Metadata.URN + "1"
	case e.ResOutputsEvent != nil:
		return "1" + e.ResOutputsEvent.Metadata.URN + "2"
	case e.ResOpFailedEvent != nil:
		return "1" + e.ResOpFailedEvent.Metadata.URN + "3"
	case e.DiagnosticEvent != nil:
		return "2" + e.DiagnosticEvent.URN + e.DiagnosticEvent.Message
	default:
		return "3"
	}
}

// trim leaves of a step what a report may read.
func trim(m *apitype.StepEventMetadata) {
	m.Provider, m.Diffs = "", nil
	same := m.Op == apitype.OpSame && m.Type != sdk.BudgetToken
	word, _, _ := strings.Cut(m.Type, ":")
	for _, state := range []*apitype.StepEventStateMetadata{m.Old, m.New} {
		if state == nil {
			continue
		}
		state.Provider, state.ID = "", ""
		if same {
			state.Inputs = nil
		}
		outputs := map[string]any{}
		for _, key := range kept[word] {
			if value, found := state.Outputs[key]; found && !same {
				outputs[key] = value
			}
		}
		state.Outputs = outputs
	}
	switch {
	case same && m.Old != nil:
		// Nothing differs, so one face is enough.
		m.Old = nil
	case m.Old != nil && m.New != nil && reflect.DeepEqual(m.Old.Inputs, m.New.Inputs) && word == "kubernetes":
		m.Old.Inputs, m.New.Inputs = map[string]any{}, map[string]any{}
	}
}

var port = regexp.MustCompile(`127\.0\.0\.1:[0-9]{4,5}`)

// newNames puts the same names in the place of what differs from one recording to the next: the folder, and of each host its address, its service, its keys.
func newNames(events []apitype.EngineEvent, folder string) *strings.Replacer {
	names := map[string]string{folder: "/recording"}
	for _, e := range events {
		var m apitype.StepEventMetadata
		switch {
		case e.ResOutputsEvent != nil:
			m = e.ResOutputsEvent.Metadata
		case e.ResourcePreEvent != nil:
			m = e.ResourcePreEvent.Metadata
		default:
			continue
		}
		if m.Old == nil {
			continue
		}
		parsed, err := urn.Parse(m.URN)
		if err != nil {
			continue
		}
		name := parsed.Name()
		give := func(key, format string) {
			if value, _ := m.Old.Outputs[key].(string); len(value) > 6 {
				names[value] = fmt.Sprintf(format, name)
			}
		}
		switch {
		case m.Type == sdk.ServerToken || m.Type == sdk.VPSToken:
			give("address", "address-of-%s")
			give("serviceName", "service-of-%s")
		case strings.HasPrefix(m.Type, "ovhmetal:"):
			give("hostKey", "host-key-of-%s")
			give("mac", "mac-of-%s")
		case strings.HasSuffix(name, "-wireguard-key"):
			give("stdout", "public-%s")
		}
	}
	var pairs []string
	for value := range names {
		pairs = append(pairs, value)
	}
	// Longer ones first: an address may begin another.
	slices.SortFunc(pairs, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	var list []string
	for _, value := range pairs {
		list = append(list, value, names[value])
	}
	return strings.NewReplacer(list...)
}

// cleanDigest does the same with a digest.
func cleanDigest(text []byte, folder string) ([]byte, error) {
	var digest display.PreviewDigest
	if err := json.Unmarshal(text, &digest); err != nil {
		return nil, fmt.Errorf("recording: digest: %w", err)
	}
	digest.Config, digest.Duration = nil, 0
	for _, step := range digest.Steps {
		step.Provider, step.DiffReasons = "", nil
		for _, state := range []*apitype.ResourceV3{step.OldState, step.NewState} {
			if state == nil {
				continue
			}
			word, _, _ := strings.Cut(string(state.Type), ":")
			outputs := map[string]any{}
			for _, key := range kept[word] {
				if value, found := state.Outputs[key]; found {
					outputs[key] = value
				}
			}
			*state = apitype.ResourceV3{URN: state.URN, Type: state.Type, Custom: state.Custom, Parent: state.Parent, Protect: state.Protect, Inputs: state.Inputs, Outputs: outputs}
		}
	}
	slices.SortStableFunc(digest.Steps, func(a, b *display.PreviewStep) int { return cmp.Compare(a.URN, b.URN) })
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(digest); err != nil {
		return nil, fmt.Errorf("recording: digest: %w", err)
	}
	return port.ReplaceAll(bytes.ReplaceAll(b.Bytes(), []byte(folder), []byte("/recording")), []byte("127.0.0.1:1")), nil
}
