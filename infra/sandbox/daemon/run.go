package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"havre/infra/sandbox/artifacts"
	"havre/infra/sandbox/host"
	"havre/infra/sandbox/network"
	"havre/infra/sandbox/ovhsim"
	"havre/infra/sandbox/postgres"
)

// Service is something more that the daemon runs: the way into the mesh.
type Service struct {
	Name string
	// Run serves until the context ends. An error before that ends the daemon.
	Run func(ctx context.Context) error
}

// OVHControlAddress is where the OVH simulator is asked what it holds and told what happens next: no part of OVH's API.
const OVHControlAddress = "127.0.0.1:19081"

const (
	ovhAddress        = "127.0.0.1:19080"
	cloudflareAddress = "127.0.0.1:19443"

	cloudflareControlAddress = "127.0.0.1:19444"
)

// errHandOver is why a daemon ends that leaves its hosts to the next.
var errHandOver = errors.New("another daemon takes over")

// Run is the daemon. It returns after SIGTERM or SIGINT, with everything removed, or after SIGHUP, with the hosts left to the next daemon.
func Run(ctx context.Context, folder string, services ...Service) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	unlock, err := lock(folder)
	if err != nil {
		return err
	}
	defer unlock()
	var job Job
	if found, err := host.ReadJSON(filepath.Join(folder, jobFile), &job); err != nil || !found {
		return errors.Join(err, errors.New("daemon: there is no job; it is started by havre sandbox up"))
	}
	self, err := host.Identify(os.Getpid())
	if err != nil {
		return err
	}
	state := State{Process: self}
	// Not by its path, at which a newer build may lie already.
	if state.Binary, err = binaryID("/proc/self/exe"); err != nil {
		return err
	}
	if err := host.WriteJSON(filepath.Join(folder, stateFile), state, 0o644); err != nil {
		return err
	}
	defer os.Remove(filepath.Join(folder, stateFile))

	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	defer signal.Stop(signals)
	go func() {
		for {
			select {
			case sig := <-signals:
				log.Info("asked to end", "signal", sig.String())
				if sig == unix.SIGHUP {
					end(errHandOver)
				} else {
					end(context.Canceled)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	manager := &host.Manager{Folder: folder, Tree: job.Tree, Log: func(line string) { log.Info(line) }}
	claim := func() error { return host.WriteJSON(claimFile(), state, 0o644) }
	ready := func() error {
		state.Ready = true
		log.Info("ready")
		return host.WriteJSON(filepath.Join(folder, stateFile), state, 0o644)
	}
	err = serve(ctx, folder, job, manager, log, services, claim, ready)
	if errors.Is(context.Cause(ctx), errHandOver) {
		return err
	}
	if ctx.Err() == nil {
		// It failed by itself: the hosts are left for whoever looks into it, and for the next daemon.
		log.Error("failed", "error", err)
		return err
	}
	removal, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return errors.Join(err, manager.TearDown(removal), os.RemoveAll(databaseFolder))
}

// lock makes sure that a folder has one daemon. The kernel frees it when the process ends, however it ends.
func lock(folder string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(folder, lockFile), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("daemon: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("daemon: %s is held by another daemon: %w; havre sandbox status shows it", file.Name(), err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

// endpoint is one address that the daemon answers on.
type endpoint struct {
	name, address string
	handler       http.Handler
	tls           func(net.Listener) net.Listener
}

// serve brings everything up, says ready, and serves until the context ends or something fails.
func serve(ctx context.Context, folder string, job Job, manager *host.Manager, log *slog.Logger, services []Service, claim, ready func() error) error {
	// The networks first: registry and mirror listen on the machine's address in one of them.
	if err := manager.SetUp(ctx); err != nil {
		return err
	}
	if err := claim(); err != nil {
		return err
	}
	if err := manager.Adopt(ctx); err != nil {
		log.Error("a host of the earlier daemon does not come up", "error", err)
	}
	registry, err := job.Catalogue.RegistryHandler(ctx)
	if err != nil {
		return err
	}
	names, err := newCloudflare(folder)
	if err != nil {
		return err
	}
	databases := postgres.New(postgres.Options{Folder: databaseFolder, Cache: job.Cache, Listen: network.Gateway})
	defer databases.Close()
	ovh, err := ovhsim.New(ovhsim.Options{
		Dir: filepath.Join(folder, ovhFolder), Machines: machines{manager}, Databases: databases, Delays: ovhsim.DefaultDelays(), EndAtOnce: true, Resolves: names.resolves,
		Logger: log.With("simulator", "ovh"),
	})
	if err != nil {
		return err
	}
	objects, closeObjects, err := newObjects(folder)
	if err != nil {
		return errors.Join(err, ovh.Close())
	}
	defer func() { _ = closeObjects() }() // every write is on disk when it is answered
	endpoints := []endpoint{
		{name: "image registry", address: artifacts.Registry.String(), handler: registry},
		{name: "artifact mirror", address: artifacts.Mirror.String(), handler: job.Catalogue.MirrorHandler()},
		{name: "object storage", address: objectStorage.String(), handler: objects},
		{name: "OVH simulator", address: ovhAddress, handler: ovh.Handler()},
		{name: "OVH simulator's control", address: OVHControlAddress, handler: ovh.ControlHandler()},
	}
	endpoints = append(endpoints, names.endpoints...)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { names.watch(ctx); return nil })
	for _, endpoint := range endpoints {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", endpoint.address)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", endpoint.name, err), ovh.Close())
		}
		if endpoint.tls != nil {
			listener = endpoint.tls(listener)
		}
		server := &http.Server{Handler: endpoint.handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		group.Go(func() error {
			defer stop()
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("%s: %w", endpoint.name, err)
			}
			return nil
		})
	}
	for _, service := range services {
		group.Go(func() error {
			if err := service.Run(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s: %w", service.Name, err)
			}
			return nil
		})
	}
	if err := ready(); err != nil {
		group.Go(func() error { return err })
	}
	return errors.Join(group.Wait(), ovh.Close())
}
