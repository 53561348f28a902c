//go:build e2e

package loadtest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"havre/components/ovh/order"
	"havre/infra/bench/fakehost"
	"havre/infra/bench/project"
	"havre/infra/resume"
	"havre/infra/sandbox/bringup"
	"havre/infra/sandbox/ovhsim"
	"havre/infra/tools"
	"havre/infra/workspace"
	"havre/stacks"
)

// patience is how long the machine may take for what it does at once.
const patience = 5 * time.Minute

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock is the account's. It stands still until it is set, so that every hour is known.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(now time.Time) {
	c.mu.Lock()
	c.now = now
	c.mu.Unlock()
}

func TestAnAfternoon(t *testing.T) {
	ctx := t.Context()
	ws, err := workspace.Open(".")
	must(t, err)
	progress := func(line string) { t.Log(line) }
	paths, err := bringup.BuildTools(ctx, ws, bringup.EngineTools, progress)
	must(t, err)
	must(t, bringup.BuildOwn(ctx, ws, paths["pulumi-resource-kubernetes"], progress))
	program := ws.Path("build", "loadtest", "program")
	must(t, tools.BuildOwn(ctx, ws.Root, "./infra/test/loadtest/program", program))
	at := &clock{now: time.Date(2026, 11, 21, 13, 50, 0, 0, time.UTC)}
	p, err := project.New(ctx, ws, ws.Path("build", "loadtest", "project"), project.Options{
		Stack: "load-test", Program: program, BudgetEuros: 4500, Machines: &fakehost.Machines{Port: 22}, FirstAddress: netip.MustParseAddr("127.66.0.11"), Clock: at.Now,
	})
	must(t, err)
	t.Cleanup(p.Close)
	// What a run does before it is killed must be in the state, as it is for a person.
	p.Env["PULUMI_SKIP_CHECKPOINTS"] = "false"
	stack, err := stacks.LoadTest()
	must(t, err)
	source := stacks.Production().Database
	must(t, p.OVH.HoldDatabase(ovhsim.HeldDatabase{
		Description: order.Mark("havre", "prod", "database-service", "urn:pulumi:prod::havre::ovhmetal:index:Database::database-service"),
		Plan:        source.Plan, Version: source.Version, Flavor: source.Flavor, Region: source.Region, Nodes: source.Nodes,
	}))

	killed(t, ws, p)
	must(t, resume.Stack(ctx, p, resume.Options{Stack: "load-test"}))
	out, err := p.Output(ctx, "up", "--yes", "--skip-preview")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	list := p.OVH.Instances()
	if len(list) != len(stack.Nodes) {
		t.Errorf("%d instances were ever made, wanted %d: one a node", len(list), len(stack.Nodes))
	}
	for _, i := range list {
		if i.Status != "ACTIVE" {
			t.Errorf("instance %+v", i)
		}
	}
	if _, err := p.Output(ctx, "up", "--yes", "--skip-preview", "--expect-no-changes"); err != nil {
		t.Error(err)
	}

	// From 13:50 to 17:05 five hours of the clock were begun.
	at.set(time.Date(2026, 11, 21, 17, 5, 0, 0, time.UTC))
	out, err = p.Output(ctx, "destroy", "--yes", "--skip-preview")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"instance gra-worker-1 (c3-64) is gone: 5 hours begun since 2026-11-21 13:50 UTC at 0.664 EUR, 3.32 EUR net",
		"instance rbx-data-2 (b3-64) is gone: 5 hours begun since 2026-11-21 13:50 UTC at 0.3712 EUR, 1.86 EUR net",
		"is gone: 5 hours begun since 2026-11-21 13:50 UTC at 0.24109589 EUR, 1.21 EUR net", // the database
		// 5 x (3 x 0.083 + 6 x 0.664 + 3 x 0.3712)
		"what was billed by the hour and ended in this run, 12 in all, has cost 26.73 EUR net",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("destroy does not say %q", want)
		}
	}
	if t.Failed() {
		t.Logf("destroy said:\n%s", out)
	}
	nothingCosts(t, p)
}

// killed runs pulumi up, and kills it as soon as the account has been asked for an instance.
func killed(t *testing.T, ws workspace.Workspace, p *project.Project) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	up := exec.CommandContext(ctx, ws.Bin("pulumi"), "--non-interactive", "-C", p.Folder, "--stack", "load-test", "up", "--yes", "--skip-preview")
	up.Dir, up.Env, up.SysProcAttr = ws.Root, ws.Environ(p.Env), &syscall.SysProcAttr{Setpgid: true}
	must(t, up.Start())
	ended := make(chan error, 1)
	go func() { ended <- up.Wait() }()
	asked := func() bool {
		for _, r := range p.OVH.Requests() {
			if r.Method == http.MethodPost && strings.HasSuffix(r.Route, "/instance") {
				return true
			}
		}
		return false
	}
	for !asked() {
		select {
		case err := <-ended:
			t.Fatalf("pulumi ended before it made an instance: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	must(t, syscall.Kill(-up.Process.Pid, syscall.SIGKILL))
	if err := <-ended; err == nil {
		t.Fatal("pulumi was not killed")
	}
	// A plugin in a group of its own lives on for a moment. The next run must not find it at work.
	for before := -1; before != len(p.OVH.Requests()); {
		before = len(p.OVH.Requests())
		time.Sleep(500 * time.Millisecond)
	}
	t.Logf("killed with %d instances made", len(p.OVH.Instances()))
}

// nothingCosts looks through the account and the state: production's database is all that is left.
func nothingCosts(t *testing.T, p *project.Project) {
	t.Helper()
	for _, i := range p.OVH.Instances() {
		if i.Ended.IsZero() {
			t.Errorf("instance %s still costs", i.Name)
		}
	}
	for _, v := range p.OVH.Services() {
		if !v.Ended && v.Kind != "vrack" {
			t.Errorf("%s %s still costs", v.Kind, v.Name)
		}
	}
	if list := p.OVH.Databases(); len(list) != 1 || list[0].ForkOf != "" {
		t.Errorf("databases %+v, wanted production's alone", list)
	}
	if orders := p.OVH.Books().Orders; len(orders) != 0 {
		t.Errorf("orders %+v, wanted none: an order is by the month", orders)
	}
	text, err := p.Output(t.Context(), "stack", "export")
	must(t, err)
	var state struct {
		Deployment struct{ Resources []struct{ URN, Type string } }
	}
	must(t, json.Unmarshal(text, &state))
	for _, r := range state.Deployment.Resources {
		if r.Type != "pulumi:pulumi:Stack" {
			t.Errorf("the state still has %s", r.URN)
		}
	}
}
