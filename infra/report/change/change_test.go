package change

import (
	"fmt"
	"strings"
	"testing"

	"havre/infra/report/preview"
)

func TestSchedules(t *testing.T) {
	for expression, want := range map[string]string{
		"0 5 * * 1-5":  "at 05:00 on Monday to Friday",
		"30 4 * * *":   "at 04:30 every day",
		"5 * * * *":    "each hour at minute 5 every day",
		"*/10 * * * *": "every 10 minutes",
		"0 5 1 * *":    `"0 5 1 * *"`,
		"0 25 * * *":   `"0 25 * * *"`,
		"x":            `"x"`,
	} {
		if got := Schedule(expression, ""); got != want {
			t.Errorf("%s: %s, want %s", expression, got, want)
		}
	}
	if got, want := Schedule("0 5 * * 1-5", "Europe/Paris"), "at 05:00 on Monday to Friday (Europe/Paris)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestListed(t *testing.T) {
	for want, names := range map[string]string{"": "", "a": "a", "a and b": "a b", "a, b and c": "a b c", "a, b and 2 others": "a b c d"} {
		if got := listed(strings.Fields(names), 2); got != want {
			t.Errorf("%s: %q, want %q", names, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	before, after := "1\n2\n3\n4\n5\n6\n7\n8", "1\n2\n3\n4\n5\n6\nseven\n8\n9"
	l := lineDiff(before, after)
	if added, removed := l.count(); added != 2 || removed != 1 {
		t.Errorf("%d added, %d removed; want 2 and 1", added, removed)
	}
	if got, want := strings.Join(l.hunks(), "|"), "  …|  5|  6|- 7|+ seven|  8|+ 9"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// events is a preview of one resource.
func events(t *testing.T, steps ...string) preview.Preview {
	t.Helper()
	var b strings.Builder
	for i, step := range steps {
		fmt.Fprintf(&b, `{"sequence":%d,"resOutputsEvent":{"metadata":%s}}`+"\n", i+1, step)
	}
	b.WriteString(`{"sequence":99,"summaryEvent":{"result":"succeeded"}}`)
	p, err := preview.Read(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// step is one event's metadata, whose property goes from one value to another.
func step(op, token, name, before, after string) string {
	state := func(value string) string {
		return fmt.Sprintf(`{"custom":true,"inputs":{"v":%s},"outputs":{"v":%s}}`, value, value)
	}
	return fmt.Sprintf(`{"op":%q,"urn":"urn:pulumi:prod::havre::%s::%s","type":%q,"old":%s,"new":%s,"detailedDiff":{"v":{"diffKind":"update"}}}`, op, token, name, token, state(before), state(after))
}

// TestWhatNobodyKnows: a resource of an unknown kind is told, whatever its values hold, and stays text.
func TestWhatNobodyKnows(t *testing.T) {
	r, err := Of(events(t, step("update", "acme:index:Thing", "thing", `"a"`, `"<script> @team | `+"```"+` end"`)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	text := r.Markdown()
	for _, want := range []string{"- **thing**: Thing thing: v a → &lt;script&gt; &#64;team \\| \\`\\`\\` end\n", "+ <script> @team | ''' end\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}

// TestALongReportIsCut: GitHub refuses comments above 65,536 characters.
func TestALongReportIsCut(t *testing.T) {
	var steps []string
	for i := range 3000 {
		steps = append(steps, step("update", "acme:index:Thing", fmt.Sprintf("thing-%04d", i), `"a"`, `"`+strings.Repeat("b", 150)+`"`))
	}
	p := events(t, steps...)
	r, err := Of(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if text := r.Markdown(); len(text) > 65_536 || !strings.HasSuffix(text, "</details>\n") || !strings.Contains(text, "for which there is no room here") {
		t.Errorf("%d bytes, ending %q", len(text), text[len(text)-200:])
	}
}

func TestDrift(t *testing.T) {
	const token = "ovhmetal:index:Server"
	text, drifted := Drift(events(t, step("refresh", token, "a-server", `1`, `1`), step("update", token, "a-server", `"ok"`, `"hacked"`)))
	if want := "## prod: 1 resource has drifted\n"; !drifted || !strings.Contains(text, want) || !strings.Contains(text, "- **a-server**: Server a-server was changed: v ok → hacked\n") {
		t.Errorf("drifted %t:\n%s", drifted, text)
	}
	text, drifted = Drift(events(t, step("refresh", token, "a-server", `1`, `1`), step("delete", token, "a-server", `1`, `1`)))
	if !drifted || !strings.Contains(text, "Server a-server is gone\n") {
		t.Errorf("drifted %t:\n%s", drifted, text)
	}
	text, drifted = Drift(events(t, step("refresh", token, "a-server", `1`, `1`), step("same", token, "a-server", `1`, `1`)))
	if want := "<!-- havre report drift prod -->\n## prod: no drift\n\n1 resource looked at; each is as the state has it.\n"; drifted || text != want {
		t.Errorf("drifted %t:\n%s", drifted, text)
	}
}
