// Package ovhmetal runs the provider against the OVH simulator as Pulumi's engine would: up, up again, refresh, destroy, with a fault or a crash at every
// call. Its engine keeps the same promises as the real one about what survives an error, and no others.
package ovhmetal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"

	"havre/components/ovh/api"
	"havre/components/ovh/provider"
	"havre/infra/sandbox/ovhsim"
)

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUnderTestUnderTestUnderTestUnderTestUnder ops"

// errKilled is what every call of a dead process gives; the engine drops whatever such a run reports.
var errKilled = errors.New("killed")

// wire is the plugin's way to the simulator. It can die before or after a call, which is what a SIGKILL looks like from OVH's side.
type wire struct {
	mu     sync.Mutex
	next   http.RoundTripper
	calls  int
	killAt int // 1-based; 0: never
	after  bool
	dead   bool
	cancel context.CancelFunc // ends what waits in the dead process
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	if w.dead {
		w.mu.Unlock()
		return nil, errKilled
	}
	w.calls++
	dies := w.killAt == w.calls
	w.dead = dies
	after := w.after
	w.mu.Unlock()
	if dies && w.cancel != nil {
		defer w.cancel()
	}
	if dies && !after {
		return nil, errKilled
	}
	resp, err := w.next.RoundTrip(r)
	if dies && err == nil {
		resp.Body.Close()
		return nil, errKilled
	}
	return resp, err
}

// world is one account at the simulator, and one stack over it.
type world struct {
	sim    *ovhsim.Simulator
	server *httptest.Server
	cache  string
	key    func(address string) (string, error) // what a host's sshd shows; nil: a key of its own for each address
	mu     sync.Mutex
	lines  []string
}

func newWorld(t testing.TB, o ovhsim.Options) *world {
	t.Helper()
	o.EndAtOnce = true
	return newWorldWith(t, o)
}

// newWorldWith leaves it to the options when a service that was given up ends.
func newWorldWith(t testing.TB, o ovhsim.Options) *world {
	t.Helper()
	sim, err := ovhsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{sim: sim, server: httptest.NewServer(sim.Handler()), cache: t.TempDir()}
	return w
}

func (w *world) close() error {
	w.server.CloseClientConnections()
	w.server.Close()
	return w.sim.Close()
}

func (w *world) said(what string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(strings.Join(w.lines, "\n"), what)
}

// eventually waits for what OVH does by and by.
func (w *world) eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for range 60_000 {
		if is() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("never: %s", what)
}

// process starts a plugin process.
func (w *world) process(line *wire, config map[string]any) (rpc.ResourceProviderServer, error) {
	if line.next == nil {
		line.next = &http.Transport{DisableKeepAlives: false, MaxIdleConnsPerHost: 8}
	}
	prov, err := provider.New(provider.Options{
		API: api.Options{
			Endpoint: w.server.URL + "/1.0", ApplicationKey: ovhsim.ApplicationKey, ApplicationSecret: ovhsim.ApplicationSecret, ConsumerKey: ovhsim.ConsumerKey,
			Transport: line, Rate: -1, Pause: 500 * time.Microsecond, Timeout: 20 * time.Second,
		},
		Poll:  2 * time.Millisecond,
		Cache: w.cache,
		HostKey: func(_ context.Context, address string) (string, error) {
			if w.key != nil {
				return w.key(address)
			}
			return "ssh-ed25519 host-key-of-" + address, nil
		},
		Log: func(_ context.Context, _ bool, text string) {
			w.mu.Lock()
			w.lines = append(w.lines, text)
			w.mu.Unlock()
		},
	})
	if err != nil {
		return nil, err
	}
	server, err := p.RawServer(provider.Name, provider.Version, prov)(nil)
	if err != nil {
		return nil, err
	}
	args, err := marshal(resource.NewPropertyMapFromMap(config))
	if err != nil {
		return nil, err
	}
	_, err = server.Configure(context.Background(), &rpc.ConfigureRequest{Args: args, AcceptSecrets: true, AcceptResources: true, SendsOldInputs: true, SendsOldInputsToDelete: true})
	return server, err
}

func marshal(m resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(m, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true, SkipNulls: true})
}

func unmarshal(s *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true, SkipNulls: true})
}

// declared is one resource of the program; inputs may refer to outputs of those before it.
type declared struct {
	kind   string
	name   string
	inputs func(outputs map[string]resource.PropertyMap) resource.PropertyMap
}

// urn is in stack "test", or in the one that stands before the kind: "prod/Database".
func (d declared) urn() string {
	stack, kind, named := strings.Cut(d.kind, "/")
	if !named {
		stack, kind = "test", d.kind
	}
	return fmt.Sprintf("urn:pulumi:%s::havre::havre:ovh:Server$ovhmetal:index:%s::%s", stack, kind, d.name)
}

// entry is what the state holds of a resource.
type entry struct {
	ID         string
	Inputs     resource.PropertyMap
	Outputs    resource.PropertyMap
	Incomplete bool
}

// stack is a program and its state, as far as both last.
type stack struct {
	program []declared
	state   map[string]entry
	former  []declared // everything that any program of it declared, in that order
}

func (s *stack) clone() *stack {
	c := &stack{program: s.program, state: map[string]entry{}, former: s.former}
	for k, v := range s.state {
		c.state[k] = v
	}
	return c
}

func props(m map[string]any) resource.PropertyMap { return resource.NewPropertyMapFromMap(m) }

func output(outputs map[string]resource.PropertyMap, from, key string) resource.PropertyValue {
	if v, ok := outputs[from][resource.PropertyKey(key)]; ok {
		return v
	}
	return resource.MakeComputed(resource.NewProperty(""))
}

// serverNode is what components/ovh registers for a dedicated server.
func serverNode(name, vrack string, change map[string]any) []declared {
	offer := map[string]any{"planCode": "24rise03", "datacenter": "rbx", "displayName": name, "disposable": true}
	for k, v := range change {
		offer[k] = v
	}
	list := []declared{
		{"Server", name + "-server", func(map[string]resource.PropertyMap) resource.PropertyMap { return props(offer) }},
		installation("Installation", name),
	}
	if vrack != "" {
		list = append(list, declared{"VrackAttachment", name + "-vrack", func(o map[string]resource.PropertyMap) resource.PropertyMap {
			return resource.PropertyMap{"serviceName": output(o, name+"-server", "serviceName"), "vrack": resource.NewProperty(vrack)}
		}})
	}
	return list
}

func vpsNode(name string, change map[string]any) []declared {
	offer := map[string]any{"planCode": "vps-2027-model2", "datacenter": "GRA", "displayName": name, "disposable": true}
	for k, v := range change {
		offer[k] = v
	}
	return []declared{
		{"VPS", name + "-server", func(map[string]resource.PropertyMap) resource.PropertyMap { return props(offer) }},
		installation("VPSInstallation", name),
	}
}

func installation(kind, name string) declared {
	return declared{kind, name + "-installation", func(o map[string]resource.PropertyMap) resource.PropertyMap {
		return resource.PropertyMap{
			"serviceName": output(o, name+"-server", "serviceName"), "address": output(o, name+"-server", "address"),
			"hostname": resource.NewProperty(name), "sshPublicKey": resource.NewProperty(publicKey), "generation": resource.NewProperty(1.0),
		}
	}}
}

// report is what a run did.
type report struct {
	changed []string
	err     error
}

// run previews or runs the program once. As in the engine, a resource whose dependency failed is left alone, and the rest goes on.
func (s *stack) run(server rpc.ResourceProviderServer, preview bool) report {
	return s.runIn(context.Background(), server, preview)
}

func (s *stack) runIn(ctx context.Context, server rpc.ResourceProviderServer, preview bool) report {
	var r report
	outputs := map[string]resource.PropertyMap{}
	broken := map[string]bool{}
	for _, d := range s.program {
		node := d.name[:strings.LastIndexByte(d.name, '-')]
		if broken[node] {
			continue
		}
		inputs := d.inputs(outputs)
		if !preview && inputs.ContainsUnknowns() {
			continue // what it depends on failed, and is in the report
		}
		out, changed, err := s.step(ctx, server, d, inputs, preview)
		if changed {
			r.changed = append(r.changed, d.name)
		}
		if err != nil {
			r.err = errors.Join(r.err, fmt.Errorf("%s: %w", d.name, err))
			broken[node] = true
			continue
		}
		outputs[d.name] = out
	}
	if r.err == nil {
		s.prune(ctx, server, preview, &r)
	}
	return r
}

// prune removes what the program does not declare any more, in reverse order. It ends at the first error.
func (s *stack) prune(ctx context.Context, server rpc.ResourceProviderServer, preview bool, r *report) {
	declares := func(list []declared, name string) bool {
		return slices.ContainsFunc(list, func(d declared) bool { return d.name == name })
	}
	for _, d := range s.program {
		if !declares(s.former, d.name) {
			s.former = append(slices.Clip(s.former), d)
		}
	}
	for i := len(s.former) - 1; i >= 0; i-- {
		d := s.former[i]
		if _, ok := s.state[d.name]; !ok || declares(s.program, d.name) {
			continue
		}
		r.changed = append(r.changed, d.name)
		if preview {
			continue
		}
		if err := s.remove(ctx, server, d); err != nil {
			r.err = err
			return
		}
	}
}

// remove deletes one resource.
func (s *stack) remove(ctx context.Context, server rpc.ResourceProviderServer, d declared) error {
	old := s.state[d.name]
	state, err := marshal(old.Outputs)
	if err != nil {
		return err
	}
	inputs, err := marshal(old.Inputs)
	if err != nil {
		return err
	}
	if _, err := server.Delete(ctx, &rpc.DeleteRequest{Id: old.ID, Urn: d.urn(), Properties: state, OldInputs: inputs}); err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	delete(s.state, d.name)
	return nil
}

func (s *stack) step(ctx context.Context, server rpc.ResourceProviderServer, d declared, raw resource.PropertyMap, preview bool) (resource.PropertyMap, bool, error) {
	old, exists := s.state[d.name]
	news, err := marshal(raw)
	if err != nil {
		return nil, false, err
	}
	olds, err := marshal(old.Inputs)
	if err != nil {
		return nil, false, err
	}
	checked, err := server.Check(ctx, &rpc.CheckRequest{Urn: d.urn(), Olds: olds, News: news})
	if err != nil {
		return nil, false, err
	}
	if len(checked.Failures) > 0 {
		var list []string
		for _, f := range checked.Failures {
			list = append(list, f.Property+" "+f.Reason)
		}
		sort.Strings(list)
		return nil, false, errors.New(strings.Join(list, "\n"))
	}
	inputs, err := unmarshal(checked.Inputs)
	if err != nil {
		return nil, false, err
	}
	if exists {
		state, err := marshal(old.Outputs)
		if err != nil {
			return nil, false, err
		}
		diff, err := server.Diff(ctx, &rpc.DiffRequest{Id: old.ID, Urn: d.urn(), Olds: state, News: checked.Inputs, OldInputs: olds})
		if err != nil {
			return nil, false, err
		}
		if len(diff.Replaces) > 0 {
			if !preview {
				if _, err := server.Delete(ctx, &rpc.DeleteRequest{Id: old.ID, Urn: d.urn(), Properties: state, OldInputs: olds}); err != nil {
					return nil, true, err
				}
				delete(s.state, d.name)
			}
		} else {
			if diff.Changes != rpc.DiffResponse_DIFF_SOME && !old.Incomplete {
				return old.Outputs, false, nil
			}
			resp, err := server.Update(ctx, &rpc.UpdateRequest{Id: old.ID, Urn: d.urn(), Olds: state, News: checked.Inputs, OldInputs: olds, Preview: preview})
			if preview {
				if err != nil {
					return nil, true, err
				}
				out, err := unmarshal(resp.Properties)
				return out, true, err
			}
			return s.commit(d, old.ID, inputs, resp.GetProperties(), err)
		}
	}
	resp, err := server.Create(ctx, &rpc.CreateRequest{Urn: d.urn(), Properties: checked.Inputs, Preview: preview})
	if preview {
		if err != nil {
			return nil, true, err
		}
		out, err := unmarshal(resp.Properties)
		return out, true, err
	}
	return s.commit(d, resp.GetId(), inputs, resp.GetProperties(), err)
}

// commit writes what an operation left: all of it, what an initialisation error carries, or nothing.
func (s *stack) commit(d declared, id string, inputs resource.PropertyMap, properties *structpb.Struct, err error) (resource.PropertyMap, bool, error) {
	incomplete := false
	if err != nil {
		status, ok := rpcerror.FromError(err)
		if !ok {
			return nil, true, err
		}
		for _, detail := range status.Details() {
			if failed, ok := detail.(*rpc.ErrorResourceInitFailed); ok {
				id, properties, incomplete = failed.Id, failed.Properties, true
				err = errors.New(strings.Join(failed.Reasons, "\n"))
			}
		}
		if !incomplete {
			return nil, true, errors.New(status.Message())
		}
	}
	out, wrong := unmarshal(properties)
	if wrong != nil {
		return nil, true, wrong
	}
	if id == "" && s.state[d.name].ID != "" {
		id = s.state[d.name].ID
	}
	if id == "" {
		return nil, true, errors.Join(err, errors.New("kept without an id"))
	}
	s.state[d.name] = entry{ID: id, Inputs: inputs, Outputs: out, Incomplete: incomplete}
	return out, true, err
}

// refresh reads everything and says what changed.
func (s *stack) refresh(server rpc.ResourceProviderServer) ([]string, error) {
	var changed []string
	for _, d := range s.program {
		old, ok := s.state[d.name]
		if !ok {
			continue
		}
		state, err := marshal(old.Outputs)
		if err != nil {
			return nil, err
		}
		inputs, err := marshal(old.Inputs)
		if err != nil {
			return nil, err
		}
		resp, err := server.Read(context.Background(), &rpc.ReadRequest{Id: old.ID, Urn: d.urn(), Properties: state, Inputs: inputs})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.name, err)
		}
		if resp.Id == "" {
			delete(s.state, d.name)
			changed = append(changed, d.name+" gone")
			continue
		}
		out, err := unmarshal(resp.Properties)
		if err != nil {
			return nil, err
		}
		if diff := old.Outputs.Diff(out); diff != nil {
			for _, k := range diff.ChangedKeys() {
				changed = append(changed, fmt.Sprintf("%s %s", d.name, k))
			}
		}
		if resp.Inputs != nil { // as the engine does: what was read is what the next diff begins from
			if old.Inputs, err = unmarshal(resp.Inputs); err != nil {
				return nil, err
			}
		}
		old.Outputs, old.ID = out, resp.Id
		s.state[d.name] = old
	}
	return changed, nil
}

// destroy removes everything in reverse order.
func (s *stack) destroy(server rpc.ResourceProviderServer) error {
	for i := len(s.program) - 1; i >= 0; i-- {
		d := s.program[i]
		if _, ok := s.state[d.name]; !ok {
			continue
		}
		if err := s.remove(context.Background(), server, d); err != nil {
			return err
		}
	}
	return nil
}
