// Command pulumi-language-go runs programs written in Go for the Pulumi engine, as the official language host does, for machines that cannot have that
// one. What one would get wrong: with runtime.options.binary the program is run as it lies there, however old it is; without, it is built on every run.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"

	"havre/infra/tools/pluginlife"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-language-go:", err)
		os.Exit(1)
	}
}

// serve listens on a port of the kernel's choice, prints it for the engine, and serves until the engine interrupts it or is gone.
func serve() error {
	// The engine passes these to every language host of this name; only the address that follows them matters here.
	for _, name := range []string{"tracing", "binary", "buildTarget", "root"} {
		flag.String(name, "", "accepted as the official host does, not used")
	}
	flag.Parse()
	host := newHost(flag.Arg(0), os.Stdout, os.Stderr)

	cancel := make(chan bool)
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupts
		host.stop()
		close(cancel)
	}()
	defer pluginlife.Watch(host.stop, pluginlife.Grace)()

	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel:  cancel,
		Options: rpcutil.OpenTracingServerInterceptorOptions(nil),
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, host)
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	fmt.Printf("%d\n", handle.Port)
	return <-handle.Done
}
