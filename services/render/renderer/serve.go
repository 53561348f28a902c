package renderer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"havre/services/render/picture"
)

// Listening says where a server listens and how it ends.
type Listening struct {
	// Address serves pictures and probes, host:port; Metrics serves /metrics.
	Address, Metrics string
	// DrainDelay is how long the server goes on serving with readiness failing once it is told to end. It must outlast the time in which every
	// client learns that the pod is gone: a failed probe, the endpoint's removal, the TTL of a DNS answer.
	DrainDelay time.Duration
	// Grace bounds the wait for requests under way after that.
	Grace time.Duration
	// Ready is called once with the addresses in use; may be nil.
	Ready func(pictures, metrics net.Addr)
}

// Serve serves until ctx ends, then drains and closes. It returns nil after a clean end.
func (s *Server) Serve(ctx context.Context, l Listening, log *slog.Logger) error {
	// A drawing before the first probe: a broken build fails here, not at the first reader.
	if _, err := s.draw(picture.Picture{Campaign: "self-test", Reader: "0", Name: "Self Test", Offer: "The fonts are there", Price: "0"}); err != nil {
		return fmt.Errorf("draw the first picture: %w", err)
	}
	var config net.ListenConfig
	pictures, err := config.Listen(ctx, "tcp", l.Address)
	if err != nil {
		return fmt.Errorf("listen for pictures on %s: %w; choose another with --listen", l.Address, err)
	}
	defer pictures.Close()
	figures, err := config.Listen(ctx, "tcp", l.Metrics)
	if err != nil {
		return fmt.Errorf("listen for metrics on %s: %w; choose another with --metrics-listen", l.Metrics, err)
	}
	defer figures.Close()

	main := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	side := &http.Server{Handler: s.MetricsHandler(), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	var group errgroup.Group
	failed := make(chan struct{}, 2)
	for _, part := range []struct {
		server *http.Server
		on     net.Listener
	}{{main, pictures}, {side, figures}} {
		group.Go(func() error {
			if err := part.server.Serve(part.on); !errors.Is(err, http.ErrServerClosed) {
				failed <- struct{}{}
				return fmt.Errorf("serve on %s: %w", part.on.Addr(), err)
			}
			return nil
		})
	}
	log.Info("serving", "pictures", pictures.Addr().String(), "metrics", figures.Addr().String())
	if l.Ready != nil {
		l.Ready(pictures.Addr(), figures.Addr())
	}

	select {
	case <-failed:
	case <-ctx.Done():
		log.Info("draining", "delay", l.DrainDelay.String(), "grace", l.Grace.String())
		s.Drain()
		// Connections that stay open between requests are asked to close, so that clients move to other replicas during the delay.
		main.SetKeepAlivesEnabled(false)
		time.Sleep(l.DrainDelay)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.Grace)
	defer cancel()
	err = main.Shutdown(end)
	if err != nil {
		err = fmt.Errorf("requests were still under way after %s: %w; raise --grace", l.Grace, errors.Join(err, main.Close()))
	}
	// Last, so that the end of the drain can still be scraped.
	err = errors.Join(err, side.Close(), group.Wait())
	log.Info("ended")
	return err
}
