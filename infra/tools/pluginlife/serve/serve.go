// Package serve runs a resource plugin so that it never outlives its engine.
//
// What one would get wrong: an exit in the middle of a call loses what the call knows, so the calls under way are cancelled and get a moment to end.
package serve

import (
	"context"
	"sync"

	p "github.com/pulumi/pulumi-go-provider"

	"havre/infra/tools/pluginlife"
)

// Run serves a provider to the engine that started this process, until the engine is done with it. When the engine dies instead, the calls under way are
// cancelled, waited for up to pluginlife.Grace, and the process exits.
func Run(ctx context.Context, name, version string, provider p.Provider) error {
	provider = provider.WithDefaults()
	tracked, idle := track(provider)
	stop := pluginlife.Watch(func() {
		// Its error has no one left to be told to.
		_ = provider.Cancel(ctx)
		idle()
	}, pluginlife.Grace)
	defer stop()
	return tracked.Run(ctx, name, version)
}

// track counts the calls that change something; idle returns when none is under way, and none begins after it was called.
func track(provider p.Provider) (tracked p.Provider, idle func()) {
	var calls sync.RWMutex
	tracked = provider
	tracked.Create = func(ctx context.Context, req p.CreateRequest) (p.CreateResponse, error) {
		calls.RLock()
		defer calls.RUnlock()
		return provider.Create(ctx, req)
	}
	tracked.Update = func(ctx context.Context, req p.UpdateRequest) (p.UpdateResponse, error) {
		calls.RLock()
		defer calls.RUnlock()
		return provider.Update(ctx, req)
	}
	tracked.Delete = func(ctx context.Context, req p.DeleteRequest) error {
		calls.RLock()
		defer calls.RUnlock()
		return provider.Delete(ctx, req)
	}
	tracked.Read = func(ctx context.Context, req p.ReadRequest) (p.ReadResponse, error) {
		calls.RLock()
		defer calls.RUnlock()
		return provider.Read(ctx, req)
	}
	return tracked, calls.Lock
}
