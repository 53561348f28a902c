package preview

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

const sentinel = "NEVER-SHOWN"

// secretForms are the ways in which a secret may lie in what Pulumi prints.
var secretForms = map[string]string{
	"ciphertext":    `{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":"v1:NEVER-SHOWN"}`,
	"clear text":    `{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","plaintext":"\"NEVER-SHOWN\""}`,
	"output value":  `{"4dabf18193072939515e22adb298388d":"d0e6a833031e9bbcd3f4e8bde6ca49a4","secret":true,"value":"NEVER-SHOWN"}`,
	"private key":   `"text -----BEGIN OPENSSH PRIVATE KEY-----\nNEVER-SHOWN"`,
	"JSON in text":  `"{\"a\":{\"4dabf18193072939515e22adb298388d\":\"1b47061264138c4ac30d75fd1eb44270\",\"plaintext\":\"NEVER-SHOWN\"}}"`,
	"mark in text":  `"1b47061264138c4ac30d75fd1eb44270 NEVER-SHOWN"`,
	"list of those": `[{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":"NEVER-SHOWN"}]`,
	"blinded":       `"[secret]"`,
}

// update is an event and a digest of an update whose property goes from one value to another.
func update(before, after string) map[string]string {
	const urn = "urn:pulumi:prod::havre::a:b:C$command:remote:Command::gra-worker-1-base"
	state := `{"type":"command:remote:Command","urn":"` + urn + `","custom":true,"parent":"urn:pulumi:prod::havre::a:b:C::c","inputs":{"p":%s},"outputs":{"p":%s}}`
	old, fresh := fmt.Sprintf(state, before, before), fmt.Sprintf(state, after, after)
	return map[string]string{
		"events": fmt.Sprintf(`{"sequence":1,"resourcePreEvent":{"metadata":{"op":"update","urn":%q,"type":"command:remote:Command","old":%s,"new":%s,"detailedDiff":{"p":{"diffKind":"update"}}}}}`+"\n"+
			`{"sequence":2,"diagnosticEvent":{"severity":"warning","message":"-----BEGIN PRIVATE KEY----- NEVER-SHOWN","urn":%q}}`+"\n"+`{"sequence":3,"summaryEvent":{"result":"succeeded"}}`, urn, old, fresh, urn),
		"digest": fmt.Sprintf(`{"steps":[{"op":"update","urn":%q,"oldState":%s,"newState":%s,"detailedDiff":{"p":{"kind":"update"}}}],"diagnostics":[]}`, urn, old, fresh),
	}
}

func TestNoSecretIsRead(t *testing.T) {
	for form, value := range secretForms {
		for kind, text := range update(value, value) {
			p, err := Read(strings.NewReader(text))
			if err != nil {
				t.Fatalf("%s in %s: %v", form, kind, err)
			}
			if shown := fmt.Sprintf("%+v", p); strings.Contains(shown, sentinel) {
				t.Errorf("%s in %s: %s", form, kind, shown)
			}
			if len(p.Steps) != 1 || p.Steps[0].Op != Update || p.Stack != "prod" || p.Steps[0].Name != "gra-worker-1-base" || p.Failed || p.Answered != (kind == "events") {
				t.Errorf("%s in %s: %+v", form, kind, p)
			}
			// The provider says that it changes, and nobody else may know.
			if changes := p.Steps[0].Changes(); form == "ciphertext" && (len(changes) != 1 || changes[0].Path != "p" || Show(changes[0].After) != "[secret]") {
				t.Errorf("%s in %s: changes %+v", form, kind, changes)
			}
		}
	}
}

func TestChanges(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{`{"a":1,"__internal":1}`, `{"a":2,"__internal":2}`, "p.a: 1 → 2"},
		{`[{"name":"x","image":"1"},{"name":"y"}]`, `[{"name":"y"},{"name":"x","image":"2"}]`, "p[x].image: 1 → 2"},
		{`[1,2]`, `[1,3,4]`, "p[1]: 2 → 3; p[2]: none → 4"},
		{`{"x.y/z":true}`, `{}`, `p["x.y/z"]: true → none`},
		{`"known"`, `"04da6b54-80e4-46f7-96ec-b56ff0331ba9"`, "p: known → known after the run"},
		{`""`, `{"b":["c"]}`, `p: "" → {b: [c]}`},
		{`"same"`, `"same"`, ""},
	} {
		p, err := Read(strings.NewReader(update(c.before, c.after)["events"]))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, change := range p.Steps[0].Changes() {
			got = append(got, fmt.Sprintf("%s: %s → %s", change.Path, Show(change.Before), Show(change.After)))
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s to %s: %q, want %q", c.before, c.after, text, c.want)
		}
	}
}

func TestReplacementsAndDrift(t *testing.T) {
	event := func(op, inputs, diff string) string {
		return `{"sequence":1,"resOutputsEvent":{"metadata":{"op":"` + op + `","urn":"urn:pulumi:prod::havre::a:b:C::c","type":"a:b:C","old":{"custom":true,"inputs":{"v":"old"},"outputs":{"v":"old"}},"new":{"custom":true,"inputs":{"v":"` +
			inputs + `"},"outputs":{"v":"` + inputs + `"}},"detailedDiff":` + diff + `}}}` + "\n"
	}
	end := `{"sequence":9,"summaryEvent":{"result":"succeeded"}}`
	for name, c := range map[string]struct {
		events string
		op     Op
		gone   bool
	}{
		"replacement": {event("create-replacement", "new", "null") + event("replace", "new", "null") + event("delete-replaced", "old", "null") + end, Replace, false},
		"drift":       {event("refresh", "old", "null") + event("update", "new", `{"v":{"diffKind":"update"}}`) + end, Drift, false},
		"gone":        {event("refresh", "old", "null") + event("delete", "old", "null") + end, Drift, true},
		"as it is":    {event("refresh", "old", "null") + event("same", "old", "null") + end, Same, false},
	} {
		p, err := Read(strings.NewReader(c.events))
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Steps) != 1 || p.Steps[0].Op != c.op || p.Steps[0].Gone != c.gone {
			t.Errorf("%s: %+v", name, p.Steps)
		}
	}
}

// TestDriftInADigest: what pulumi refresh --preview-only --json prints has one step a resource, and no word for having looked first.
func TestDriftInADigest(t *testing.T) {
	step := func(op, name, inputs string) string {
		urn := `"urn":"urn:pulumi:prod::havre::a:b:C::` + name + `"`
		state := urn + `,"type":"a:b:C","custom":true,"inputs":{"v":"old"},"outputs":`
		return `{"op":"` + op + `",` + urn + `,"oldState":{` + state + `{"v":"old"}},"newState":{` + state + `{"v":"` + inputs + `"}},"detailedDiff":{"v":{"kind":"update"}}}`
	}
	for name, c := range map[string]struct {
		steps []string
		want  map[string]Op
	}{
		"a refresh":                      {[]string{step("refresh", "kept", "old"), step("update", "changed", "new"), step("delete", "gone", "old")}, map[string]Op{"kept": Same, "changed": Drift, "gone": Drift}},
		"a preview":                      {[]string{step("same", "kept", "old"), step("update", "changed", "new")}, map[string]Op{"kept": Same, "changed": Update}},
		"a preview that refreshed first": {[]string{step("refresh", "kept", "old"), step("update", "changed", "new"), step("create", "made", "new")}, map[string]Op{"kept": Same, "changed": Update, "made": Create}},
	} {
		p, err := Read(strings.NewReader(`{"steps":[` + strings.Join(c.steps, ",") + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]Op{}
		for _, s := range p.Steps {
			got[s.Name] = s.Op
			if s.Name == "gone" && !s.Gone {
				t.Errorf("%s: %s is not told to be gone", name, s.Name)
			}
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "preview: EOF; wanted what pulumi preview --json prints",
		"{}":                     "preview: neither a digest nor the engine's events; wanted what pulumi preview --json prints",
		`{"sequence":1}` + "\n{": "preview: events: unexpected EOF; the file is cut off, or holds more than the engine's events",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
	// Cut off between two events: it did not get to its end.
	p, err := Read(strings.NewReader(`{"sequence":1,"cancelEvent":{}}`))
	if err != nil || !p.Failed {
		t.Errorf("%+v, error %v; wanted one that failed", p, err)
	}
}
