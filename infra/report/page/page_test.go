package page

import (
	"encoding/xml"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"havre/infra/report/capacity"
	"havre/infra/report/cost"
	"havre/infra/report/topology"
	"havre/stacks"
)

var update = flag.Bool("update", false, "write the goldens anew")

var today = time.Date(2026, time.November, 21, 0, 0, 0, 0, time.UTC)

// example is production with marks of each kind.
func example(t *testing.T) (stacks.Plan, Args) {
	t.Helper()
	plan, err := stacks.Production().Plan()
	if err != nil {
		t.Fatal(err)
	}
	// Another name, so that nobody takes the golden for production.
	plan.Stack.Name = "example"
	figures, err := capacity.Of(capacity.Args{Plan: plan, Growth: 0.04, Today: today})
	if err != nil {
		t.Fatal(err)
	}
	bill, err := cost.Of(plan)
	if err != nil {
		t.Fatal(err)
	}
	picture := topology.Of(plan, map[string]topology.Mark{
		"gra-worker-1": topology.Added, "gra-worker-2": topology.Changed, "gra-worker-3": topology.Drained, "rbx-data-1": topology.Wiped,
	}, map[string][]topology.Host{"rbx": {{Name: "rbx-worker-9", Role: stacks.RoleWorker, PlanCode: "24adv03-v1", Mark: topology.Removed}}})
	return plan, Args{Stack: plan.Stack.Name, Today: today, Topology: &picture, Cost: &bill, Capacity: &figures}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with go test ./infra/report/page -update", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it with go test ./infra/report/page -update and git diff", name)
	}
}

func TestGoldens(t *testing.T) {
	plan, args := example(t)
	golden(t, "page.html", HTML(args))
	golden(t, "topology.txt", args.Topology.Text())
	golden(t, "topology.mermaid", args.Topology.Mermaid())
	golden(t, "cost.txt", args.Cost.Text())
	golden(t, "capacity.txt", args.Capacity.Text(today))
	if args.Cost.Total.Monthly != plan.Monthly || args.Cost.Total.Setup != plan.Setup {
		t.Errorf("the bill is %s and %s; the plan says %s and %s", args.Cost.Total.Monthly, args.Cost.Total.Setup, plan.Monthly, plan.Setup)
	}
	hosts, links := args.Topology.Count()
	if hosts != len(plan.Nodes) || links.Links() != hosts*(hosts-1)/2 {
		t.Errorf("%d hosts and %d links; wanted %d, and every host linked to every other", hosts, links.Links(), len(plan.Nodes))
	}
}

var (
	drawing = regexp.MustCompile(`(?s)<svg.*?</svg>`)
	outside = regexp.MustCompile(`(?i)<script|<link|<img|https?://|url\(|@import`)
)

// TestThePageStandsAlone: nothing is fetched, nothing runs, and each picture is well-formed.
func TestThePageStandsAlone(t *testing.T) {
	_, args := example(t)
	text := HTML(args)
	if found := outside.FindAllString(text, -1); len(found) > 0 {
		t.Errorf("the page holds %q", found)
	}
	pictures := drawing.FindAllString(text, -1)
	if len(pictures) != 4 {
		t.Errorf("%d pictures, want 4", len(pictures))
	}
	for _, picture := range pictures {
		if err := xml.Unmarshal([]byte(picture), new(struct {
			XMLName xml.Name `xml:"svg"`
		})); err != nil {
			t.Errorf("%v in %.200s", err, picture)
		}
	}
}

// TestNamesAreNoMarkup: what comes from a description or a preview stays text.
func TestNamesAreNoMarkup(t *testing.T) {
	_, args := example(t)
	args.Stack = `<b>"x"`
	args.Topology.Domain = `</text><script>`
	args.Topology.Sites[0].Hosts[0].Name = `<i>&"`
	text := HTML(args)
	for _, bad := range []string{"<b>\"", "<script>", "<i>&"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
}
