package ovhmetal

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// TestSettledIsWhatTheComparisonSays: the short answer about a resource that has come to rest is that of the resource's own comparison, which an engine gets
// that sends no old inputs; and whatever is spoilt in a state or in its inputs, both notice it or neither does.
func TestSettledIsWhatTheComparisonSays(t *testing.T) {
	program := append(serverNode("n", "pn-1000001", map[string]any{"renewal": true}), vpsNode("v", nil)...)
	program = append(program, wall(nil, "permit udp to port 51820", "deny ipv4"),
		beside("ReverseDNS", "n-reverse", "address", "address", map[string]any{"reverse": "n.example.net"}),
		declared{"SSHKey", "ops-key", func(map[string]resource.PropertyMap) resource.PropertyMap {
			return props(map[string]any{"keyName": "ops", "publicKey": publicKey})
		}})
	w, s := begin(t, program...)
	must(t, w.up(t, s).err)

	short, err := w.process(&wire{}, nil)
	must(t, err)
	long, err := w.process(&wire{}, nil)
	must(t, err)
	_, err = long.Configure(t.Context(), &rpc.ConfigureRequest{AcceptSecrets: true, AcceptResources: true})
	must(t, err)

	asked := 0
	for _, d := range program {
		e := s.state[d.name]
		ask := func(server rpc.ResourceProviderServer, state, olds, news resource.PropertyMap) string {
			asked++
			return compared(t, server, &rpc.DiffRequest{Id: e.ID, Urn: d.urn()}, state, olds, news)
		}
		if got, want := ask(short, e.Outputs, e.Inputs, e.Inputs), ask(long, e.Outputs, e.Inputs, e.Inputs); got != "DIFF_NONE []\n" || got != want {
			t.Errorf("%s at rest: %s, its own comparison says %s", d.name, got, want)
		}
		// Kinds that leave the comparison to the library go by their inputs alone; of the others, every output may say that there is still something to do.
		if slices.Contains([]string{"Server", "VPS", "Installation", "VPSInstallation"}, d.kind) {
			for key, value := range e.Outputs {
				state := e.Outputs.Copy()
				for _, other := range others(value) {
					state[key] = other
					if got, want := ask(short, state, e.Inputs, e.Inputs), ask(long, state, e.Inputs, e.Inputs); got != want {
						t.Errorf("%s with output %s = %v: %s, its own comparison says %s", d.name, key, other, got, want)
					}
				}
			}
		}
		for key, value := range e.Inputs {
			for _, other := range others(value) {
				news := e.Inputs.Copy()
				news[key] = other
				if got, want := ask(short, e.Outputs, e.Inputs, news), ask(long, e.Outputs, e.Inputs, news); got != want {
					t.Errorf("%s with input %s = %v: %s, its own comparison says %s", d.name, key, other, got, want)
				}
			}
		}
	}
	if asked < 200 {
		t.Errorf("asked %d times only", asked)
	}
}

// others are values of the same type, and none.
func others(v resource.PropertyValue) []resource.PropertyValue {
	switch {
	case v.IsString():
		return []resource.PropertyValue{resource.NewProperty(v.StringValue() + "x"), resource.NewProperty("")}
	case v.IsNumber():
		return []resource.PropertyValue{resource.NewProperty(v.NumberValue() + 1), resource.NewProperty(0.0)}
	case v.IsBool():
		return []resource.PropertyValue{resource.NewProperty(!v.BoolValue())}
	case v.IsArray():
		return []resource.PropertyValue{resource.NewProperty([]resource.PropertyValue{})}
	}
	return nil
}

// compared is an answer as text: what it is, which properties differ, and the error.
func compared(t *testing.T, server rpc.ResourceProviderServer, request *rpc.DiffRequest, state, olds, news resource.PropertyMap) string {
	t.Helper()
	var err error
	request.Olds, err = marshal(state)
	must(t, err)
	request.OldInputs, err = marshal(olds)
	must(t, err)
	request.News, err = marshal(news)
	must(t, err)
	answer, err := server.Diff(context.Background(), request)
	if err != nil {
		return "refused: " + err.Error()
	}
	keys := []string{}
	for key, d := range answer.GetDetailedDiff() {
		keys = append(keys, key+" "+d.GetKind().String())
	}
	slices.Sort(keys)
	return fmt.Sprintln(answer.GetChanges(), keys)
}
