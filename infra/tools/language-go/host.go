package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// hostVersion is the release of the official host that this one behaves as.
const hostVersion = "3.256.0"

// loggedError is the exit status by which a Go program says that its error has reached the engine already.
const loggedError = 32

// host serves the engine's language protocol. What it does not implement (code generation, Go plugins from source) answers as unimplemented.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	stdout, stderr io.Writer
	// ended is closed when the engine wants everything stopped, or is gone.
	ended chan struct{}
	stop  func()

	mu     sync.Mutex
	engine string
}

func newHost(engine string, stdout, stderr io.Writer) *host {
	h := &host{engine: engine, stdout: stdout, stderr: stderr, ended: make(chan struct{})}
	h.stop = sync.OnceFunc(func() { close(h.ended) })
	return h
}

// Handshake gives the host its engine's address where the command line did not.
func (h *host) Handshake(_ context.Context, req *pulumirpc.LanguageHandshakeRequest) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.engine = req.GetEngineAddress()
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

// GetPluginInfo says which host this is.
func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: hostVersion}, nil
}

// GetRequiredPackages answers none: the plugins are installed by the project itself, and an answer would have the engine try to download them.
func (h *host) GetRequiredPackages(context.Context, *pulumirpc.GetRequiredPackagesRequest) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

// GetRequiredPlugins is GetRequiredPackages for an older engine.
func (h *host) GetRequiredPlugins(context.Context, *pulumirpc.GetRequiredPluginsRequest) (*pulumirpc.GetRequiredPluginsResponse, error) {
	return &pulumirpc.GetRequiredPluginsResponse{}, nil
}

// RuntimeOptionsPrompts asks `pulumi new` nothing.
func (h *host) RuntimeOptionsPrompts(context.Context, *pulumirpc.RuntimeOptionsRequest) (*pulumirpc.RuntimeOptionsResponse, error) {
	return &pulumirpc.RuntimeOptionsResponse{}, nil
}

// Cancel stops the program that is running.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.stop()
	return &emptypb.Empty{}, nil
}

// About says which Go is used.
func (h *host) About(ctx context.Context, _ *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("find go: %w", err)
	}
	out, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return nil, fmt.Errorf("run %s version: %w", path, err)
	}
	return &pulumirpc.AboutResponse{Executable: path, Version: strings.TrimSpace(string(out))}, nil
}

// GetProgramDependencies lists what the program's go.mod requires; a module replaced by a folder has no version.
func (h *host) GetProgramDependencies(ctx context.Context, req *pulumirpc.GetProgramDependenciesRequest) (*pulumirpc.GetProgramDependenciesResponse, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "edit", "-json")
	cmd.Dir = req.GetInfo().GetProgramDirectory()
	found := exec.CommandContext(ctx, "go", "env", "GOMOD")
	found.Dir = cmd.Dir
	if out, err := found.Output(); err == nil {
		cmd.Args = append(cmd.Args, strings.TrimSpace(string(out)))
	}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("read go.mod of %s: %w", cmd.Dir, err)
	}
	var mod struct {
		Require []struct {
			Path, Version string
			Indirect      bool
		}
		Replace []struct{ Old struct{ Path string } }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		return nil, fmt.Errorf("read go.mod of %s: %w", cmd.Dir, err)
	}
	replaced := map[string]bool{}
	for _, r := range mod.Replace {
		replaced[r.Old.Path] = true
	}
	resp := &pulumirpc.GetProgramDependenciesResponse{}
	for _, r := range mod.Require {
		if r.Indirect && !req.GetTransitiveDependencies() {
			continue
		}
		if replaced[r.Path] {
			r.Version = ""
		}
		resp.Dependencies = append(resp.Dependencies, &pulumirpc.DependencyInfo{Name: r.Path, Version: r.Version})
	}
	return resp, nil
}

// InstallDependencies fetches the program's modules. The official host runs `go mod tidy`; here go.mod is pinned and reviewed, and no run may change it.
func (h *host) InstallDependencies(req *pulumirpc.InstallDependenciesRequest, server pulumirpc.LanguageRuntime_InstallDependenciesServer) error {
	closer, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(server, req.GetIsTerminal())
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(server.Context(), "go", "mod", "download")
	cmd.Dir = req.GetInfo().GetProgramDirectory()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Run(); err != nil {
		return errors.Join(fmt.Errorf("go mod download in %s: %w", cmd.Dir, err), closer.Close())
	}
	return closer.Close()
}

// options are the program's runtime options in Pulumi.yaml.
type options struct{ binary, buildTarget string }

func parseOptions(given *structpb.Struct) (options, error) {
	var o options
	for name, to := range map[string]*string{"binary": &o.binary, "buildTarget": &o.buildTarget} {
		value, ok := given.GetFields()[name]
		if !ok {
			continue
		}
		text, ok := value.GetKind().(*structpb.Value_StringValue)
		if !ok {
			return o, fmt.Errorf("%s option must be a string", name)
		}
		*to = text.StringValue
	}
	if o.binary != "" && o.buildTarget != "" {
		return o, errors.New("binary and buildTarget cannot both be specified")
	}
	return o, nil
}

// environment returns what the program finds its engine by: the variables of the official host, with empty ones left out.
func environment(base []string, req *pulumirpc.RunRequest, engine string) ([]string, error) {
	config, secrets := "", "[]"
	if req.GetConfig() != nil {
		text, err := json.Marshal(req.GetConfig())
		if err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		config = string(text)
	}
	if req.GetConfigSecretKeys() != nil {
		text, err := json.Marshal(req.GetConfigSecretKeys())
		if err != nil {
			return nil, fmt.Errorf("names of secret configuration: %w", err)
		}
		secrets = string(text)
	}
	env := append([]string(nil), base...)
	for _, v := range []struct{ name, value string }{
		{pulumi.EnvOrganization, req.GetOrganization()},
		{pulumi.EnvProject, req.GetProject()},
		{pulumi.EnvPulumiRootDirectory, req.GetInfo().GetRootDirectory()},
		{pulumi.EnvStack, req.GetStack()},
		{pulumi.EnvConfig, config},
		{pulumi.EnvConfigSecretKeys, secrets},
		{pulumi.EnvDryRun, strconv.FormatBool(req.GetDryRun())},
		{pulumi.EnvParallel, strconv.Itoa(int(req.GetParallel()))},
		{pulumi.EnvMonitor, req.GetMonitorAddress()},
		{pulumi.EnvEngine, engine},
	} {
		if v.value != "" {
			env = append(env, v.name+"="+v.value)
		}
	}
	return env, nil
}

// Run runs the program and tells the engine how it ended.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	h.mu.Lock()
	engine := h.engine
	h.mu.Unlock()
	if engine == "" {
		return nil, errors.New("when debugging or running explicitly, must call Handshake before Run")
	}
	if req.GetAttachDebugger() {
		return nil, errors.New("this language host cannot attach a debugger; build the program and run it under dlv with the same PULUMI_ variables")
	}
	opts, err := parseOptions(req.GetInfo().GetOptions())
	if err != nil {
		return nil, err
	}
	env, err := environment(os.Environ(), req, engine)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-h.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	program, release, err := h.program(ctx, req.GetInfo(), req.GetPwd(), opts)
	if err != nil {
		return nil, err
	}
	defer release()
	return h.execute(ctx, program, req.GetPwd(), env), nil
}
