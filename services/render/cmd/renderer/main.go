// Command renderer is the reference renderer of havre's render service: it serves personal pictures, and warms the caches of its replicas before a campaign.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"havre/services/render/picture"
	"havre/services/render/reader"
	"havre/services/render/renderer"
)

func main() { os.Exit(run()) }

func run() (status int) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "renderer:", err)
		return 1
	}
	return 0
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:   "renderer",
		Short: "Draws a personal PNG for each reader of a mail",
		Long: `renderer draws a personal PNG (600×300) for each reader of a mail.

  renderer serve      answers GET ` + renderer.Path + ` until it gets SIGTERM
  renderer prewarm    asks every replica for a campaign's pictures, so that they are in the caches
  renderer picture    writes one picture to a file
  renderer hold       does nothing, so that a node keeps the image

A picture depends on five parameters, and on nothing else:

  campaign  1 to 32 of a-z, 0-9 and -              the heading
  reader    1 to 64 of A-Z, a-z, 0-9, -, _ and .   the small print
  name      1 to 40 characters                     the greeting
  offer     1 to 90 characters, two lines          the text
  price     1 to 16 characters                     the button

A server with a database takes a request without name, and looks the reader up: 404 for one whom the database does not have, 503 while it does not answer.

Text may be Latin, Greek or Cyrillic. What cannot be drawn gets 400 and a text that says what is wanted. A server with every drawing place taken
answers 503 with Retry-After.`,
		Example: `  renderer serve &
  curl -o ada.png 'http://127.0.0.1:8080` + renderer.Example + `'
  curl http://127.0.0.1:9090/metrics`,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	c.AddCommand(serve(), prewarm(), draw(), hold())
	return c
}

func serve() *cobra.Command {
	var o renderer.Options
	var l renderer.Listening
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve pictures until SIGTERM",
		Long: `serve answers on --listen:
  ` + renderer.Path + `   a picture; ETag, Cache-Control for a day, X-Cache says hit, miss or coalesced
  /healthz          200 while the process lives
  /readyz           200, and 503 once the process is told to end
and on --metrics-listen:
  /metrics          Prometheus text

On SIGTERM (or SIGINT) readiness fails at once, pictures are served for --drain-delay, then the listener closes and requests under way get --grace.
The pod's terminationGracePeriodSeconds must be longer than both together.

The folder of --database may be empty at first and change at any time, as that of a mounted Secret does: it is read anew at every look-up.`,
		Example: `  renderer serve --listen :8080 --concurrency 4 --cache-mib 256`,
		Args:    cobra.NoArgs,
	}
	flags := c.Flags()
	flags.StringVar(&l.Address, "listen", ":8080", "address for pictures and probes")
	flags.StringVar(&l.Metrics, "metrics-listen", ":9090", "address for /metrics")
	flags.DurationVar(&l.DrainDelay, "drain-delay", 15*time.Second, "serve this long with readiness failing before closing")
	flags.DurationVar(&l.Grace, "grace", 15*time.Second, "wait this long for requests under way after closing")
	flags.IntVar(&o.Concurrency, "concurrency", 0, "pictures drawn at once; 0 is one for each processor")
	flags.DurationVar(&o.Patience, "patience", 400*time.Millisecond, "a request waits this long for a drawing place before it gets 503")
	flags.IntVar(&o.CacheEntries, "cache-entries", 20_000, "pictures kept in memory; -1 is none")
	folder := flags.String("database", "", "folder with the connection to the database of readers, in url and ca.crt; none looks nobody up")
	mib := flags.Int64("cache-mib", 128, "memory for pictures, in MiB")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *mib < 1 {
			return fmt.Errorf("--cache-mib %d: give at least 1; to cache nothing use --cache-entries -1", *mib)
		}
		o.CacheBytes = *mib << 20
		log := slog.New(slog.NewJSONHandler(c.OutOrStdout(), nil))
		if *folder != "" {
			readers := reader.New(reader.Options{Folder: *folder, Log: log})
			defer readers.Close()
			o.Name = readers.Name
		}
		return renderer.New(o).Serve(c.Context(), l, log)
	}
	return c
}

func prewarm() *cobra.Command {
	var w renderer.Warming
	var campaign, readers string
	c := &cobra.Command{
		Use:   "prewarm",
		Short: "Warm the replicas' caches with a campaign's pictures",
		Long: `prewarm reads a campaign's list of readers and asks for each picture until it is served. Each replica has a cache of its own, so with
--every-address the base's host name should be a headless Service: every address behind it is asked for every picture.

The list is CSV; its first line must be
  reader,name,offer,price
A connection that fails, 429 and 5xx are tried again with growing waits (or what Retry-After says); 400 is not. The exit status is 1 if any picture failed.`,
		Example: `  renderer prewarm --base http://renderer-pods.render.svc.cluster.local:8080 --every-address --campaign spring-sale --readers /etc/campaign/readers.csv`,
		Args:    cobra.NoArgs,
	}
	flags := c.Flags()
	flags.StringVar(&w.Base, "base", "", "address of the renderer, http://host:port (required)")
	flags.StringVar(&campaign, "campaign", "", "identifier of the campaign (required)")
	flags.StringVar(&readers, "readers", "", "file with the readers, - for standard input (required)")
	flags.BoolVar(&w.EveryAddress, "every-address", false, "ask every address that the base's host name resolves to")
	flags.IntVar(&w.Concurrency, "concurrency", 8, "requests under way at each address")
	flags.UintVar(&w.Attempts, "attempts", 6, "times a picture is asked for before it counts as failed")
	for _, name := range []string{"base", "campaign", "readers"} {
		_ = c.MarkFlagRequired(name) // fails only for a flag that is not there
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		in := c.InOrStdin()
		if readers != "-" {
			file, err := os.Open(readers)
			if err != nil {
				return fmt.Errorf("--readers: %w", err)
			}
			defer file.Close()
			in = file
		}
		var err error
		if w.Pictures, err = renderer.ReadReaders(in, campaign); err != nil {
			return err
		}
		out := c.OutOrStdout()
		fmt.Fprintf(out, "campaign %s: %d pictures at %s\n", campaign, len(w.Pictures), w.Base)
		w.Progress = func(address string, done renderer.Warmed) {
			fmt.Fprintf(out, "%s: %d drawn, %d already there, %d failed\n", address, done.Drawn, done.AlreadyThere, done.Failed)
		}
		start := time.Now()
		done, err := renderer.Prewarm(c.Context(), w)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "campaign %s is warm: %d addresses, %d pictures drawn, %d already there, in %.1f s\n",
			campaign, done.Addresses, done.Drawn, done.AlreadyThere, time.Since(start).Seconds())
		return nil
	}
	return c
}

func hold() *cobra.Command {
	return &cobra.Command{
		Use:   "hold",
		Short: "Do nothing until SIGTERM",
		Long: `hold does nothing until SIGTERM (or SIGINT). A node keeps an image that a container uses, so one that holds the image of the renderer has it there
when a burst needs more of them.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			<-c.Context().Done()
			return nil
		},
	}
}

func draw() *cobra.Command {
	var p picture.Picture
	var output string
	c := &cobra.Command{
		Use:     "picture",
		Short:   "Write one picture to a file",
		Example: `  renderer picture --name Ada -o ada.png`,
		Args:    cobra.NoArgs,
	}
	flags := c.Flags()
	flags.StringVar(&p.Campaign, "campaign", "spring-sale", "identifier of the campaign")
	flags.StringVar(&p.Reader, "reader", "r-0001", "identifier of the reader")
	flags.StringVar(&p.Name, "name", "Ada", "the reader's name")
	flags.StringVar(&p.Offer, "offer", "Two nights by the sea, breakfast included", "what is offered")
	flags.StringVar(&p.Price, "price", "€ 189", "the price, with its currency")
	flags.StringVarP(&output, "output", "o", "-", "file to write, - for standard output")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		data, err := picture.PNG(p)
		if err != nil {
			return err
		}
		out := c.OutOrStdout()
		if output != "-" {
			file, err := os.Create(output)
			if err != nil {
				return fmt.Errorf("--output: %w", err)
			}
			defer func() { err = errors.Join(err, file.Close()) }()
			out = file
		}
		_, err = out.Write(data)
		return err
	}
	return c
}
