// Package reach is a command of our Caddy, `caddy reach URL`: it waits until a URL answers 200, which an edge node does before its Caddy begins to listen.
//
// Without it a host that comes back after a reboot takes readers before its resolver, its mesh and its Service addresses work, and refuses each of them with 503. A port
// that nobody listens on sends them to another edge node at once. What a reader would get wrong: the wait has an end, and then the command ends well all the same.
// Where no pod serves anywhere, an edge that says 503 tells more than one that is not there.
package reach

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"go.uber.org/zap"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "reach", Usage: "[--patience <duration>] <URL>", Short: "Waits until a URL answers with 200, and no longer than its patience",
		Flags: func() *flag.FlagSet {
			flags := flag.NewFlagSet("reach", flag.ExitOnError)
			flags.Duration("patience", 2*time.Minute, "how long to wait at most")
			return flags
		}(),
		Func: func(fl caddycmd.Flags) (int, error) {
			if fl.NArg() != 1 {
				return caddy.ExitCodeFailedStartup, fmt.Errorf("reach: %d arguments; give one URL", fl.NArg())
			}
			ctx, cancel := context.WithTimeout(context.Background(), fl.Duration("patience"))
			defer cancel()
			log := caddy.Log().Named("reach")
			if err := until(ctx, fl.Arg(0), pause); err != nil {
				log.Warn("goes on without an answer", zap.String("url", fl.Arg(0)), zap.Error(err))
				return caddy.ExitCodeSuccess, nil
			}
			log.Info("answered", zap.String("url", fl.Arg(0)))
			return caddy.ExitCodeSuccess, nil
		},
	})
}

const (
	// pause is between two attempts.
	pause = 250 * time.Millisecond
	// once bounds one attempt: the address of a pod that has just died does not answer at all.
	once = 2 * time.Second
)

// until asks until the answer is 200. The error, after ctx has ended, is the last attempt's.
func until(ctx context.Context, url string, pause time.Duration) error {
	// Every attempt looks the name up and connects anew: what it waits for is that both work.
	client := &http.Client{Timeout: once, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		err := ask(ctx, client, url)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

func ask(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<10))
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}
