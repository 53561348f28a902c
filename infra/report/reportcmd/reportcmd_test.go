package reportcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// run runs a command with standard input, and gives what it printed.
func run(t *testing.T, command *cobra.Command, input string, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	command.SetOut(&out)
	command.SetErr(&out)
	command.SetIn(strings.NewReader(input))
	command.SilenceUsage, command.SilenceErrors = true, true
	command.SetArgs(args)
	err := command.ExecuteContext(t.Context())
	return out.String(), err
}

func TestCommands(t *testing.T) {
	recording := filepath.Join("..", "pulls", "testdata", "add-node.events")
	text, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(t.TempDir(), "prod.html")
	peaks := filepath.Join(t.TempDir(), "peaks.csv")
	if err := os.WriteFile(peaks, []byte("day,requests per second\n2026-09-01,2400\n2026-10-01,2500\n2026-11-01,2650\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		command *cobra.Command
		input   string
		args    []string
		want    string
	}{
		"preview of a file": {New(), "", []string{"preview", recording}, "## prod: one server ordered"},
		"preview of a pipe": {New(), string(text), []string{"preview", "-"}, "## prod: one server ordered"},
		"drift":             {New(), `{"sequence":1,"summaryEvent":{"result":"succeeded"}}`, []string{"drift", "--fail", "-"}, "no drift"},
		"topology":          {New(), "", []string{"topology", "staging"}, "topology of stack staging"},
		"cost":              {New(), "", []string{"cost"}, "cost of stack prod"},
		"capacity":          {New(), "", []string{"capacity", "prod", "--growth", "0%"}, "nothing has to be ordered"},
		"assumed":           {New(), "", []string{"capacity", "prod"}, "At 4 % a month, an assumption until peaks are measured, the peak's"},
		"measured":          {New(), "", []string{"capacity", "prod", "--peaks", peaks}, " % a month, measured from 3 peaks, 2026-09-01 to 2026-11-01, the peak's"},
		"page":              {New(), "", []string{"capacity", "prod", "--html", page}, ""},
		"diff":              {Diff(), "", []string{"prod", "staging"}, `"havre-staging.example"`},
		"diff as Markdown":  {Diff(), "", []string{"prod", "staging", "--markdown"}, "| value | prod | staging |\n|---|---|---|\n"},
		"diff of the same":  {Diff(), "", []string{"prod", "prod"}, "prod and prod are the same.\n"},
	} {
		got, err := run(t, c.command, c.input, c.args...)
		if err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%s: error %v, wanted %q in\n%.400s", name, err, c.want, got)
		}
	}
	if written, err := os.ReadFile(page); err != nil || !strings.HasPrefix(string(written), "<!doctype html>") {
		t.Errorf("the page: %.40s, error %v", written, err)
	}
}

func TestMistakes(t *testing.T) {
	for want, args := range map[string][]string{
		`growth "much": wanted percent a week, month or year, such as 4%/month`:                       {"capacity", "--growth", "much"},
		`today "soon": wanted a day such as 2026-11-21`:                                               {"capacity", "--today", "soon"},
		"delivery -1h0m0s: wanted no time or more, such as 72h":                                       {"capacity", "--delivery", "-1h"},
		"peaks: open peaks.csv: no such file or directory":                                            {"capacity", "--peaks", "peaks.csv"},
		"preview: neither a digest nor the engine's events; wanted what pulumi preview --json prints": {"preview", "-"},
	} {
		if _, err := run(t, New(), "{}", args...); err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", strings.Join(args, " "), err, want)
		}
	}
	if _, err := run(t, Diff(), "", "prod", "moon"); err == nil || !strings.HasPrefix(err.Error(), "stack moon: not described") {
		t.Errorf("error %v", err)
	}
}
