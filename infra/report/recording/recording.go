// Package recording makes the inputs of the report's goldens: for each pull request of package pulls the events of the real engine's preview, from a state that the
// real engine has made.
//
// What a reader would get wrong: two things of that state are not real. Its hosts are fakes on loopback, which run no script; and as there is no cluster, the
// objects in it are put into the state as the engine's own first preview showed them. A preview of production as
// it is then has to find nothing to do, or nothing is recorded.
package recording

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"havre/infra/bench/fakehost"
	"havre/infra/bench/project"
	"havre/infra/report/pulls"
	"havre/infra/workspace"
	"havre/stacks"
)

// WorldVariable names the file in which the program finds the stack to deploy, RenderVariable the folder that the Kubernetes plugin renders objects to; without it the
// program is as any.
const (
	WorldVariable  = "HAVRE_RECORDING_STACK"
	RenderVariable = "HAVRE_RECORDING_RENDER"
)

// firstAddress is where the fake hosts begin, beside the bench's.
var firstAddress = netip.MustParseAddr("127.65.0.11")

// Recorder records.
type Recorder struct {
	Workspace workspace.Workspace
	// Program is the binary of the Pulumi program; see infra/cmd/recordpulls.
	Program string
	// Into is the folder of the recordings.
	Into string
	// Only are the names of the pull requests to record; all when empty.
	Only     []string
	Progress func(string)

	p     *project.Project
	today pulls.World
}

// Record records.
func (r *Recorder) Record(ctx context.Context) (err error) {
	folder := r.Workspace.Path("build", "recording")
	fakes := &fakehost.Machines{Port: 22, Answer: answer}
	r.p, err = project.New(ctx, r.Workspace, folder, project.Options{
		Stack: pulls.Stack, Program: r.Program, BudgetEuros: 1, Machines: fakes, FirstAddress: firstAddress,
	})
	if err != nil {
		return err
	}
	defer r.p.Close()
	if r.today, err = r.production(); err != nil {
		return err
	}
	r.Progress("pulumi up of production, against fakes")
	if err := r.deploy(ctx, r.today); err != nil {
		return err
	}
	state, err := r.p.Output(ctx, "stack", "export", "--show-secrets")
	if err != nil {
		return err
	}
	var errs []error
	// Those that change what is deployed come last: what they have ordered stays in the account.
	list := pulls.All()
	slices.SortStableFunc(list, func(a, b pulls.Pull) int {
		if (a.Before == nil) == (b.Before == nil) {
			return 0
		}
		if a.Before == nil {
			return -1
		}
		return 1
	})
	for _, pull := range list {
		if len(r.Only) > 0 && !slices.Contains(r.Only, pull.Name) {
			continue
		}
		r.Progress(pull.Name + ": " + pull.Title)
		before, after := pull.Worlds(r.today)
		if pull.Before != nil {
			if err := r.deploy(ctx, before); err != nil {
				errs = append(errs, fmt.Errorf("%s: before it: %w", pull.Name, err))
				if err := r.load(ctx, state); err != nil {
					return errors.Join(append(errs, err)...)
				}
				continue
			}
		}
		if err := r.record(ctx, pull, after); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", pull.Name, err))
		}
		if pull.Before != nil {
			if err := r.load(ctx, state); err != nil {
				return err
			}
		}
	}
	return errors.Join(errs...)
}

// production is what is deployed today: the description in stacks/, with settings that open nothing.
func (r *Recorder) production() (pulls.World, error) {
	text, err := os.ReadFile(r.p.Settings)
	if err != nil {
		return pulls.World{}, fmt.Errorf("recording: %w", err)
	}
	w := pulls.World{Stack: stacks.Production()}
	if err := json.Unmarshal(text, &w.Settings); err != nil {
		return pulls.World{}, fmt.Errorf("recording: %w", err)
	}
	w.BudgetEuros = int(w.Stack.Budget.Monthly.Units / stacks.EUR(1, 0).Units)
	return w, nil
}

// describe writes a world to where the program reads it.
func (r *Recorder) describe(w pulls.World) error {
	stack, err := json.Marshal(w.Stack)
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	settings, err := json.Marshal(w.Settings)
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	path := filepath.Join(r.p.Folder, "stack.json")
	r.p.Env[WorldVariable] = path
	return errors.Join(
		os.WriteFile(path, stack, 0o600),
		os.WriteFile(r.p.Settings, settings, 0o600),
		r.p.Configure(w.BudgetEuros),
	)
}

// deploy brings the state to a world. There is no cluster to put objects into, so the Kubernetes plugin renders them to files, which makes them for the state as well;
// the previews that are recorded are of a cluster again.
func (r *Recorder) deploy(ctx context.Context, w pulls.World) error {
	if err := r.describe(w); err != nil {
		return err
	}
	folder := filepath.Join(r.p.Folder, "rendered")
	if err := r.render(ctx, folder); err != nil {
		return err
	}
	r.p.Env[RenderVariable] = folder
	err := r.p.Run(ctx, "up", "--yes", "--skip-preview")
	delete(r.p.Env, RenderVariable)
	if err != nil {
		return err
	}
	if err := r.render(ctx, ""); err != nil {
		return err
	}
	log, err := r.preview(ctx)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, said(log))
	}
	return settled(log)
}

// render has the Kubernetes plugin of the state write to a folder, or to a cluster where it is none. A run would take the change for another cluster.
func (r *Recorder) render(ctx context.Context, folder string) error {
	state, err := r.p.Output(ctx, "stack", "export", "--show-secrets")
	if err != nil {
		return err
	}
	changed, err := rendering(state, folder)
	if err != nil || changed == nil {
		return err
	}
	return r.load(ctx, changed)
}

// settled says what a preview would change.
func settled(events []apitype.EngineEvent) error {
	var errs []error
	for _, e := range events {
		if e.ResourcePreEvent == nil {
			continue
		}
		if m := e.ResourcePreEvent.Metadata; m.Op != apitype.OpSame {
			errs = append(errs, fmt.Errorf("recording: %s of %s because of %v: the state that was put together is not what the program describes", m.Op, m.URN, m.Diffs))
		}
	}
	return errors.Join(errs...)
}

// load puts a state into the backend.
func (r *Recorder) load(ctx context.Context, state []byte) error {
	path := filepath.Join(r.p.Folder, "state.json")
	if err := os.WriteFile(path, state, 0o600); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return r.p.Run(ctx, "stack", "import", "--force", "--file", path)
}

// preview runs one and gives its events, also when it is refused.
func (r *Recorder) preview(ctx context.Context, flags ...string) ([]apitype.EngineEvent, error) {
	r.p.Env[Streaming] = "true"
	defer delete(r.p.Env, Streaming)
	text, runErr := r.p.Output(ctx, append([]string{"preview", "--json"}, flags...)...)
	var events []apitype.EngineEvent
	for decoder := json.NewDecoder(bytes.NewReader(text)); decoder.More(); {
		var e apitype.EngineEvent
		if err := decoder.Decode(&e); err != nil {
			return nil, errors.Join(runErr, fmt.Errorf("recording: events: %w", err))
		}
		events = append(events, e)
	}
	return events, runErr
}

// Streaming is the variable with which pulumi preview --json prints the engine's events, which know more than its digest.
const Streaming = "PULUMI_ENABLE_STREAMING_JSON_PREVIEW"

// record writes what the preview of a pull request says.
func (r *Recorder) record(ctx context.Context, pull pulls.Pull, after pulls.World) error {
	if err := r.describe(after); err != nil {
		return err
	}
	events, err := r.preview(ctx)
	if (err != nil) != pull.Refused {
		return fmt.Errorf("refused %t, wanted %t: %w\n%s", err != nil, pull.Refused, err, said(events))
	}
	text, err := clean(events, r.p.Folder)
	if err != nil {
		return err
	}
	path := filepath.Join(r.Into, pull.Name+".events")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	if pull.Name != Digested {
		return nil
	}
	digest, err := r.p.Output(ctx, "preview", "--json")
	if err != nil {
		return err
	}
	if digest, err = cleanDigest(digest, r.p.Folder); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Into, pull.Name+".digest.json"), digest, 0o644)
}

// said is what was said in a preview.
func said(events []apitype.EngineEvent) string {
	var lines []string
	for _, e := range events {
		if d := e.DiagnosticEvent; d != nil && d.Severity == "error" {
			lines = append(lines, d.URN+": "+d.Message)
		}
	}
	return strings.Join(lines, "\n")
}

// Digested is the pull request whose digest is recorded beside its events.
const Digested = "add-node"

// answer is a fake host's, but for the kubeconfig: one that can be read and leads nowhere, so that the Kubernetes plugin knows its cluster as unreachable and
// previews from the state alone.
func answer(host, command string) string {
	text := fakehost.Answer(host, command)
	if strings.Contains(text, `"kind":"Config"`) {
		return `{"kind":"Config","apiVersion":"v1","clusters":[{"name":"cluster","cluster":{"server":"https://127.0.0.1:1"}}],` +
			`"contexts":[{"name":"cluster","context":{"cluster":"cluster","user":"admin"}}],"current-context":"cluster","users":[{"name":"admin","user":{"token":"none"}}]}` + "\n"
	}
	return text
}
