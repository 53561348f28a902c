package bench

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"havre/infra/workspace"
)

var update = flag.Bool("update", false, "write the goldens anew")

// recorded is a bench of a checkout in which make up has run, and what it prints.
func recorded(t *testing.T, steps, events string) (*Bench, *strings.Builder) {
	t.Helper()
	root := t.TempDir()
	local := filepath.Join(root, "build", "local")
	if err := os.MkdirAll(local, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"up.events": events, "steps.json": steps} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(local, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if steps != "" && events != "" {
		if err := os.Chtimes(filepath.Join(local, "up.events"), time.Time{}, time.Unix(1_700_000_000, 0)); err != nil {
			t.Fatal(err)
		}
	}
	out := &strings.Builder{}
	return &Bench{Workspace: workspace.Workspace{Root: root}, Out: out, Progress: func(string) {}}, out
}

const steps = `[{"name":"this machine","seconds":0.5},{"name":"pulumi up --stack local","seconds":40},{"name":"a picture","seconds":1.25}]`

// log is a whole update: 10 s until the last server, 12 s until the last installation, 30 s in all.
func log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "up.events"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestBringUp(t *testing.T) {
	b, out := recorded(t, steps, log(t))
	if err := b.bringUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.save(); err != nil {
		t.Fatal(err)
	}
	golden(t, "bringup.txt", strings.ReplaceAll(out.String(), b.Workspace.Root, ""))
	figures, err := os.ReadFile(b.Workspace.Path("build", "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "bringup.json", string(figures))
}

func TestWithoutMakeUpTheBenchSaysSo(t *testing.T) {
	b, out := recorded(t, "", "")
	if err := b.bringUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "\nwhere the time of make up goes: there is no record of one; run make up first\n"; out.String() != want || len(b.figures) != 0 {
		t.Errorf("printed %q and measured %v; want %q and nothing", out, b.figures, want)
	}
}

func TestAnUpdateThatDidNotEndIsNoBringUp(t *testing.T) {
	whole := log(t)
	cut := whole[:strings.LastIndex(strings.TrimSpace(whole), "\n")+1]
	b, out := recorded(t, steps, cut)
	if err := b.bringUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "the last pulumi up of make up did not end well, or still runs; run make down and make up") {
		t.Errorf("printed %s", out)
	}
	for _, f := range b.figures {
		if strings.HasPrefix(f.Name, "bring-up") {
			t.Errorf("%s was measured of an update that had not ended", f.Name)
		}
	}
}

func TestBrokenRecordsAreRefused(t *testing.T) {
	b, _ := recorded(t, "rubbish", log(t))
	err := b.bringUp(t.Context())
	if err == nil || !strings.Contains(err.Error(), "steps.json: invalid character 'r'") {
		t.Errorf("error %v", err)
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	table := newTable("sizes", "hosts", "ratio", "wanted")
	table.row("9", "1.07", "≤ 1.50")
	table.row("200", "10.21", "≤ 1.50")
	table.print(&out)
	want := `
sizes
  hosts  ratio  wanted
  --------------------
  9       1.07  ≤ 1.50
  200    10.21  ≤ 1.50
`
	if out.String() != want {
		t.Errorf("printed:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 2.5}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %v; want %v", c.values, got, c.want)
		}
	}
	for got, want := range map[string]string{
		bytes(999): "999 B", bytes(149_000): "149 kB", bytes(28_200_000): "28.2 MB", ratio(3, 2): "1.50", ratio(3, 0): "", percent(1, 8): "12", percent(1, 0): "",
		slug("a picture through the edge, over TLS"): "a-picture-through-the-edge--over-tls",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestFiguresAreAList(t *testing.T) {
	b, _ := recorded(t, "", "")
	b.figure("state-9", 1000, "byte", "state-9-floor")
	if err := b.save(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(b.Workspace.Path("build", "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0]["name"] != "state-9" || list[0]["value"] != 1000.0 || list[0]["unit"] != "byte" || list[0]["comparedWith"] != "state-9-floor" {
		t.Errorf("figures %v", list)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it and run go test ./infra/bench -update\n%s", path, got)
	}
}
