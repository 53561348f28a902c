package serve

import (
	"context"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/middleware/cancel"
)

func TestIdleWaitsForCallsUnderWay(t *testing.T) {
	started := make(chan struct{})
	ended := false
	provider := cancel.Wrap(p.Provider{Create: func(ctx context.Context, _ p.CreateRequest) (p.CreateResponse, error) {
		close(started)
		<-ctx.Done()
		ended = true
		return p.CreateResponse{ID: "kept"}, ctx.Err()
	}}.WithDefaults())
	tracked, idle := track(provider)
	go func() {
		<-started
		if err := provider.Cancel(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	answered := make(chan string)
	go func() {
		resp, _ := tracked.Create(t.Context(), p.CreateRequest{})
		answered <- resp.ID
	}()
	<-started
	idle()
	if !ended {
		t.Error("idle returned while a create was under way")
	}
	if id := <-answered; id != "kept" {
		t.Errorf("answered %q", id)
	}
}
