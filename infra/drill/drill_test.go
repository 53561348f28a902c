package drill

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"havre/components/host/script/scripttest"
	"havre/infra/workspace"
	"havre/stacks"
)

var update = flag.Bool("update", false, "write the golden files")

func TestNamed(t *testing.T) {
	found, err := Named([]string{"reboot-everything", "lose-worker"})
	if err != nil || len(found) != 2 || found[0].Name != "reboot-everything" || found[1].Name != "lose-worker" {
		t.Errorf("found %v, error %v", found, err)
	}
	for name, c := range map[string]struct {
		names []string
		want  string
	}{
		"unknown": {[]string{"lose-money"}, `drill "lose-money": there is none of that name; wanted one of upgrade, lose-worker, lose-site, fill-disk, restore-etcd, rotate-keys, replace-control-plane, lose-control-plane, reboot-everything`},
		"twice":   {[]string{"lose-site", "lose-site"}, `drill "lose-site": is given twice`},
	} {
		if _, err := Named(c.names); err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, c.want)
		}
	}
}

// Every drill says what must hold of it, and can be put back if it leaves anything.
func TestAll(t *testing.T) {
	var text strings.Builder
	for _, d := range All() {
		text.WriteString(d.Name + ": " + d.What + "\n  " + d.Bound.String() + "\n")
		if d.Do == nil || d.Undo == nil {
			t.Errorf("%s: does %t, undoes %t; want both", d.Name, d.Do != nil, d.Undo != nil)
		}
	}
	scripttest.Golden(t, "testdata/drills.txt", text.String(), *update)
}

func TestVerdict(t *testing.T) {
	good := Record{Readers: Readers{Requests: 1000}, API: API{Writes: 20}}
	for name, c := range map[string]struct {
		bound  Bound
		change func(*Record)
		want   string
	}{
		"planned":               {Bound{Planned: true}, func(*Record) {}, ""},
		"planned, one lost":     {Bound{Planned: true}, func(r *Record) { r.Readers.Failed = 1 }, "1 requests failed, wanted none"},
		"a share, at the bound": {Bound{FailedPercent: 1}, func(r *Record) { r.Readers.Failed = 10 }, ""},
		"a share, above":        {Bound{FailedPercent: 1}, func(r *Record) { r.Readers.Failed = 11 }, "1.10 % of the requests failed, wanted at most 1 %"},
		"back in time":          {Bound{ServiceBack: 30 * time.Second}, func(r *Record) { r.ServiceBack, r.Readers.Failed = 30, 500 }, ""},
		"back too late": {Bound{ServiceBack: 30 * time.Second}, func(r *Record) { r.ServiceBack = 30.5 },
			"a request failed that was sent after more than 30s: readers were served again 30.5 s after the fault"},
		"quorum":              {Bound{Quorum: true}, func(r *Record) { r.API.LongestGap = 30 }, ""},
		"quorum lost":         {Bound{Quorum: true}, func(r *Record) { r.API.LongestGap = 31 }, "the API took no write for 31.0 s, wanted at most 30s"},
		"no write":            {Bound{Quorum: true}, func(r *Record) { r.API.Failed = 20 }, "the API took no write at all"},
		"nothing is asked":    {Bound{}, func(r *Record) { r.Readers.Failed, r.API.LongestGap, r.ServiceBack = 999, 500, 500 }, ""},
		"nobody asked":        {Bound{}, func(r *Record) { r.Readers.Requests = 0 }, "no reader asked for anything, so nothing is known"},
		"two at once":         {Bound{Planned: true, Quorum: true}, func(r *Record) { r.Readers.Failed, r.API.LongestGap = 2, 40 }, "2 requests failed, wanted none\nthe API took no write for 40.0 s, wanted at most 30s"},
		"nobody, and a bound": {Bound{FailedPercent: 1}, func(r *Record) { r.Readers.Requests = 0 }, "no reader asked for anything, so nothing is known"},
	} {
		record := good
		c.change(&record)
		if got := strings.Join(c.bound.broken(record), "\n"); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestTableAndFigures(t *testing.T) {
	records := []Record{
		{
			Drill: "lose-worker", What: "a worker loses its power", Began: time.Date(2026, 11, 21, 16, 31, 7, 0, time.UTC), Ended: time.Date(2026, 11, 21, 16, 34, 0, 0, time.UTC),
			Bound: "at most 1 % of the requests fail", Passed: true, Steps: []Step{{After: 8.0004, Did: "power of gra-worker-1 is cut"}},
			Readers: Readers{Rate: 50, Requests: 8650, Failed: 12, LongestGap: 1.25, P50: 0.012, P99: 1.1, Failures: []Failure{{Got: "502 Bad Gateway", Count: 12, First: 9.1, Last: 10.25}}},
			API:     API{Writes: 170, LongestGap: 2.2}, Machine: Machine{Processors: 2, LoadBefore: 1.5, LoadAfter: 3.25, BusyPercent: 61.5, WorkerShares: 4}, ServiceBack: 10.1, Recovery: 112, Where: Where{Stack: "local", Kubernetes: "v1.36.3", Commit: "0123456789ab"},
		},
		{Drill: "reboot-everything", Why: []string{"the platform is whole: not within 12m0s: node gra-worker-1 is not ready"}, Readers: Readers{Requests: 100}},
	}
	var figures []Figure
	folder := t.TempDir()
	for _, r := range records[:1] {
		path, err := r.save(folder)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := "2026-11-21T16-31-07Z-lose-worker.json"; filepath.Base(path) != want {
			t.Errorf("the record is %s, want %s", filepath.Base(path), want)
		}
		scripttest.Golden(t, "testdata/record.json", string(text), *update)
	}
	for _, r := range records {
		figures = append(figures, r.figure("build/drills/"+r.Drill+".json"))
	}
	var out bytes.Buffer
	if err := table(&out, figures); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	scripttest.Golden(t, "testdata/table.txt", out.String(), *update)
	scripttest.Golden(t, "testdata/figures.json", string(text)+"\n", *update)
}

func TestMemberNames(t *testing.T) {
	got := memberNames("8e9e05c52164694d, started, rbx-control-1, https://10.80.0.1:2380, https://10.80.0.1:2379, false\n" +
		"91bc3c398fb3c146, unstarted, , https://10.80.0.4:2380, , true\nwarning: something\n")
	if want := []string{"rbx-control-1", ""}; !slices.Equal(got, want) {
		t.Errorf("members %q, want %q", got, want)
	}
}

func TestKeyNames(t *testing.T) {
	got := keyNames("k2 c2VjcmV0\nk1 c2VjcmV0\nidentity\n\n")
	if want := []string{"k2", "k1", "identity"}; !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
}

func TestNotFound(t *testing.T) {
	for text, want := range map[string]bool{"": false, "GET /x: 404 Not Found: {}": true, "GET /x: 403 Forbidden: {}": false} {
		var err error
		if text != "" {
			err = errors.New(text)
		}
		if got := notFound(err); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}

func TestEdit(t *testing.T) {
	got, err := edit(differencesAnchor+"\na\n\t"+nodesAnchor+"\"x\")\n\tb\n", change{nodes: "nodes()\n", differences: "{},\n"})
	if want := differencesAnchor + "\n{},\n\na\n\t" + nodesAnchor + "\"x\")\nnodes()\n\n\tb\n"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	for text, want := range map[string]string{
		"nothing":          `stacks/local.go has 0 times "removeNodes(s, ", wanted once: a drill makes its changes there; mend infra/drill`,
		nodesAnchor + "\n": `stacks/local.go has 0 times "return []Difference{", wanted once: a drill makes its changes there; mend infra/drill`,
		nodesAnchor:        `stacks/local.go ends after "removeNodes(s, "; mend infra/drill`,
	} {
		if _, err := edit(text, change{}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// What the drills write into the description is Go that the program takes: each change is built with the real stacks, and its plan is what the drill waits for.
func TestDescriptionsAreTaken(t *testing.T) {
	ws, err := workspace.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	local, err := stacks.Local()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := local.Plan()
	if err != nil {
		t.Fatal(err)
	}
	old := plan.ControlPlane[0]
	name, index := replacement(plan, old)
	if name != "rbx-control-2" || index != 4 {
		t.Fatalf("the replacement of %s is %s with index %d, want rbx-control-2 with 4", old.Name, name, index)
	}
	add := added(name, index, old.Site)
	const others = "gra-control-1 sbg-control-1"
	text, err := os.ReadFile(ws.Path("stacks", "local.go"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	next := keysOf(local)
	next.secrets++
	next.mesh = append(next.mesh, next.mesh[len(next.mesh)-1]+1)
	cases := []struct{ change, want string }{
		{add + retired(old.Name), others + " rbx-control-2"},
		{add + retired(name), "rbx-control-1 " + others},
		{rescued(old.Name), "rbx-control-1 (rescue) " + others},
		{add + rescued(old.Name) + retired(old.Name), others + " rbx-control-2"},
		{add + removed(old.Name), others + " rbx-control-2"},
	}
	// All of them in one build, chosen by number.
	choice, want := "switch Drilled {\n", ""
	for i, c := range cases {
		choice += fmt.Sprintf("case %d:\n%s", i, c.change)
		want += c.want + ", key 2 [1 2]\n"
	}
	edited, err := edit(string(text), change{nodes: choice + "}\n", differences: next.differences()})
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	for path, content := range map[string]string{"local.go": edited, "change.go": "package stacks\n\nvar Drilled int\n", "change/main.go": fmt.Sprintf(planProgram, len(cases))} {
		file := filepath.Join(dir, filepath.Base(path))
		replace[ws.Path("stacks", path)] = file
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("go", "run", "-overlay", filepath.Join(dir, "overlay.json"), "./stacks/change")
	command.Dir = ws.Root
	out, err := command.CombinedOutput()
	if err != nil || string(out) != want {
		t.Errorf("with\n%scontrol plane, one line a case\n%s(%v), want\n%s", choice, out, err, want)
	}
}

// planProgram prints the control plane of stack local, one line for each of so many changes.
const planProgram = `package main

import (
	"fmt"
	"os"
	"strings"

	"havre/stacks"
)

func main() {
	for stacks.Drilled = 0; stacks.Drilled < %d; stacks.Drilled++ {
		local, err := stacks.Local()
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		plan, err := local.Plan()
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		var names []string
		for _, n := range plan.ControlPlane {
			name := n.Name
			if n.Rescue {
				name += " (rescue)"
			}
			names = append(names, name)
		}
		fmt.Println(strings.Join(names, " ")+",", "key", plan.Stack.Cluster.SecretsKey, plan.Stack.Mesh.Keys)
	}
}
`

// The copy of a checkout is what the program is made of, and nothing that only tests read.
func TestCopyOfTheCheckout(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	for _, path := range []string{
		"go.mod", "go.sum", "Pulumi.yaml", "Pulumi.local.yaml", "Pulumi.prod.yaml", "stacks/local.go", "stacks/local_test.go", "stacks/testdata/x", "components/a/library/b.sh", "infra/main.go",
		"services/x.go", "build/state", "bin/pulumi", "docs/x.md",
	} {
		file := filepath.Join(from, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(path), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Twice: what an earlier drill left is gone.
	for range 2 {
		if err := copyCheckout(from, to); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, "stacks", "left.go"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyCheckout(from, to); err != nil {
		t.Fatal(err)
	}
	var found []string
	if err := filepath.Walk(to, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			relative, _ := filepath.Rel(to, path)
			found = append(found, relative)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{"Pulumi.local.yaml", "Pulumi.yaml", "bin", "components/a/library/b.sh", "go.mod", "go.sum", "infra/main.go", "services/x.go", "stacks/local.go"}
	if !slices.Equal(found, want) {
		t.Errorf("copied %v, want %v", found, want)
	}
	if text, err := os.ReadFile(filepath.Join(to, "bin", "pulumi")); err != nil || string(text) != "bin/pulumi" {
		t.Errorf("bin leads to %q, %v", text, err)
	}
}
