// Command domains tells the edge which domains are customers': it answers the question that Caddy asks before it takes up a certificate on demand.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"havre/services/edge/domains"
)

func main() { os.Exit(run()) }

func run() (status int) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "domains:", err)
		return 1
	}
	return 0
}

func root() *cobra.Command {
	var listen, list, reviews string
	var drain time.Duration
	c := &cobra.Command{
		Use:   "domains --list FILE",
		Short: "Says which domains are customers'",
		Long: `domains answers GET ` + domains.Path + `?domain=NAME: 200 when the domain is a customer's, 403 when it is not.

The list has one domain a line; # begins a comment. It is read again when the file changes; a version with a mistake is logged and the one before stays in force.
On SIGTERM (or SIGINT) questions are answered for --drain-delay more, until nobody is sent here any longer.`,
		Example:      `  domains --listen :8080 --list /etc/domains/domains.txt`,
		Args:         cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	flags := c.Flags()
	flags.StringVar(&listen, "listen", ":8080", "address for questions and probes")
	flags.StringVar(&list, "list", "", "file with the customers' domains (required)")
	flags.StringVar(&reviews, "reviews", "", "regular expression of further names, those of review stacks")
	flags.DurationVar(&drain, "drain-delay", 10*time.Second, "serve this long after SIGTERM")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return serve(c.Context(), listen, list, reviews, drain, c.OutOrStdout())
	}
	return c
}

func serve(ctx context.Context, address, list, reviews string, drain time.Duration, out io.Writer) error {
	if list == "" {
		return errors.New("--list is missing; give the file with the customers' domains")
	}
	log := slog.New(slog.NewJSONHandler(out, nil))
	file, err := domains.OpenFile(list, log)
	if err != nil {
		return err
	}
	var source domains.Source = file
	if reviews != "" {
		if source, err = domains.NewMatching(reviews, file); err != nil {
			return err
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	server := &http.Server{
		Handler: domains.Handler(source, log), ReadHeaderTimeout: 2 * time.Second, ReadTimeout: 2 * time.Second, WriteTimeout: 5 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 8 << 10,
	}
	log.Info("serving", "address", listener.Addr().String())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	log.Info("ending", "drain", drain.String())
	time.Sleep(drain)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}
