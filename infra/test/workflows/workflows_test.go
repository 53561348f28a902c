package workflows

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
)

const folder = "../../../.github/workflows"

func files(t *testing.T) map[string]string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(folder, "*.yml"))
	if err != nil || len(list) == 0 {
		t.Fatalf("no workflows in %s: %v", folder, err)
	}
	out := map[string]string{}
	for _, path := range list {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[path] = string(text)
	}
	return out
}

// problems are what actionlint says of a file.
func problems(t *testing.T, path string, text []byte) []*actionlint.Error {
	t.Helper()
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{ConfigFile: filepath.Join(folder, "..", "actionlint.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	found, err := linter.Lint(path, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestActionlint(t *testing.T) {
	for path, text := range files(t) {
		for _, problem := range problems(t, path, []byte(text)) {
			t.Error(problem)
		}
	}
	// And a linter that finds nothing at all would be no linter.
	if len(problems(t, "broken.yml", []byte("on: push\njobs:\n  a:\n    runs-on: nowhere\n    steps:\n      - run: echo ${{ githob.token }}\n"))) == 0 {
		t.Error("a broken workflow has no problems")
	}
}

var (
	uses   = regexp.MustCompile(`(?m)^ *-? *uses: (.*)$`)
	pinned = regexp.MustCompile(`^[a-z-]+/[a-z-]+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+$`)
	run    = regexp.MustCompile(`(?m)^ *(?:run: .*|  +(?:pulumi|havre|gh|jq|make) .*)$`)
)

// TestLeastPrivilege: nothing by default, each job what it needs; actions by their commit; no value that somebody else may write inside of a script.
func TestLeastPrivilege(t *testing.T) {
	for path, text := range files(t) {
		if !strings.Contains(text, "\npermissions: {}\n") {
			t.Errorf("%s: the token may do something by default; wanted permissions: {} above the jobs", path)
		}
		for _, match := range uses.FindAllStringSubmatch(text, -1) {
			if !pinned.MatchString(match[1]) {
				t.Errorf("%s: uses %s; wanted owner/name@commit # version", path, match[1])
			}
		}
		for _, line := range run.FindAllString(text, -1) {
			if strings.Contains(line, "${{") {
				t.Errorf("%s: %s; wanted values of expressions through env", path, strings.TrimSpace(line))
			}
		}
		for _, word := range []string{"pull_request_target", "--show-secrets", "set -x"} {
			if strings.Contains(text, word) {
				t.Errorf("%s: holds %s, which lets secrets out", path, word)
			}
		}
	}
}
