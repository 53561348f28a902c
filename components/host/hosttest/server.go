package hosttest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Values pass as the engine takes them: unknown ones and secrets kept.
var marshal = plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true}

// serve starts the engine's two services on a free port of the loopback interface.
func (e *Engine) serve() (address string, stop func() error, err error) {
	cancel := make(chan bool)
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(s *grpc.Server) error {
			pulumirpc.RegisterResourceMonitorServer(s, &monitor{e: e})
			pulumirpc.RegisterEngineServer(s, &engine{e: e})
			return nil
		},
	})
	if err != nil {
		return "", nil, fmt.Errorf("mock engine: %w", err)
	}
	return fmt.Sprintf("127.0.0.1:%d", handle.Port), func() error {
		close(cancel)
		return <-handle.Done
	}, nil
}

// engine is the service for logs and the root resource.
type engine struct {
	pulumirpc.UnimplementedEngineServer
	e    *Engine
	root string
}

func (s *engine) Log(_ context.Context, in *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	switch in.GetSeverity() {
	case pulumirpc.LogSeverity_ERROR:
		// A program that loses an error still fails the run.
		_ = s.e.fail(errors.New(in.GetMessage()))
	case pulumirpc.LogSeverity_WARNING:
		s.e.mu.Lock()
		s.e.warnings = append(s.e.warnings, in.GetMessage())
		s.e.mu.Unlock()
	default:
	}
	return &emptypb.Empty{}, nil
}

func (s *engine) GetRootResource(context.Context, *pulumirpc.GetRootResourceRequest) (*pulumirpc.GetRootResourceResponse, error) {
	return &pulumirpc.GetRootResourceResponse{Urn: s.root}, nil
}

func (s *engine) SetRootResource(_ context.Context, in *pulumirpc.SetRootResourceRequest) (*pulumirpc.SetRootResourceResponse, error) {
	s.root = in.GetUrn()
	return &pulumirpc.SetRootResourceResponse{}, nil
}

func (s *engine) RequirePulumiVersion(context.Context, *pulumirpc.RequirePulumiVersionRequest) (*pulumirpc.RequirePulumiVersionResponse, error) {
	return &pulumirpc.RequirePulumiVersionResponse{}, nil
}

// monitor is the service that takes registrations. Whatever it does not implement (remote components, transforms, hooks) fails.
type monitor struct {
	pulumirpc.UnimplementedResourceMonitorServer
	e *Engine
}

func (s *monitor) GetDeploymentInfo(context.Context, *emptypb.Empty) (*pulumirpc.DeploymentInfo, error) {
	return &pulumirpc.DeploymentInfo{
		Project: s.e.project,
		Stack:   s.e.stack,
		SupportedFeatures: []pulumirpc.ResourceMonitorFeature{
			pulumirpc.ResourceMonitorFeature_RESOURCE_MONITOR_FEATURE_SECRETS,
			pulumirpc.ResourceMonitorFeature_RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
			pulumirpc.ResourceMonitorFeature_RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
			pulumirpc.ResourceMonitorFeature_RESOURCE_MONITOR_FEATURE_DELETED_WITH,
			pulumirpc.ResourceMonitorFeature_RESOURCE_MONITOR_FEATURE_PARAMETERIZATION,
		},
	}, nil
}

func (s *monitor) RegisterPackage(context.Context, *pulumirpc.RegisterPackageRequest) (*pulumirpc.RegisterPackageResponse, error) {
	return &pulumirpc.RegisterPackageResponse{Ref: "package"}, nil
}

func (s *monitor) SignalAndWaitForShutdown(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (s *monitor) RegisterResourceOutputs(_ context.Context, in *pulumirpc.RegisterResourceOutputsRequest) (*emptypb.Empty, error) {
	if urn.URN(in.GetUrn()).QualifiedType() != resource.RootStackType {
		return &emptypb.Empty{}, nil
	}
	exports, err := plugin.UnmarshalProperties(in.GetOutputs(), marshal)
	if err != nil {
		return nil, s.e.fail(fmt.Errorf("stack outputs: %w", err))
	}
	s.e.mu.Lock()
	s.e.exports = exports
	s.e.mu.Unlock()
	return &emptypb.Empty{}, nil
}

func (s *monitor) Invoke(_ context.Context, in *pulumirpc.ResourceInvokeRequest) (*pulumirpc.ResourceInvokeResponse, error) {
	f, ok := s.e.invokes[in.GetTok()]
	if !ok {
		return nil, s.e.fail(fmt.Errorf("invoke %s is unknown to this test; declare it with Invoke", in.GetTok()))
	}
	args, err := plugin.UnmarshalProperties(in.GetArgs(), marshal)
	if err != nil {
		return nil, s.e.fail(fmt.Errorf("arguments of invoke %s: %w", in.GetTok(), err))
	}
	result, err := f(args)
	if err != nil {
		return nil, s.e.fail(fmt.Errorf("invoke %s: %w", in.GetTok(), err))
	}
	answer, err := plugin.MarshalProperties(result, marshal)
	if err != nil {
		return nil, s.e.fail(fmt.Errorf("answer of invoke %s: %w", in.GetTok(), err))
	}
	return &pulumirpc.ResourceInvokeResponse{Return: answer}, nil
}

func (s *monitor) RegisterResource(_ context.Context, in *pulumirpc.RegisterResourceRequest) (*pulumirpc.RegisterResourceResponse, error) {
	r, err := s.e.registration(in)
	if err != nil {
		return nil, s.e.fail(err)
	}
	if r.Type == string(resource.RootStackType) {
		return &pulumirpc.RegisterResourceResponse{Urn: r.URN}, nil
	}
	id, outputs, err := s.e.register(r)
	if err != nil {
		return nil, s.e.fail(err)
	}
	object, err := plugin.MarshalProperties(outputs, marshal)
	if err != nil {
		return nil, s.e.fail(fmt.Errorf("outputs of %s: %w", r.Name, err))
	}
	return &pulumirpc.RegisterResourceResponse{Urn: r.URN, Id: id, Object: object}, nil
}

// ReadResource answers what is read and not made, such as another stack's outputs, as its handler says. It is there already, so a preview knows it too.
func (s *monitor) ReadResource(_ context.Context, in *pulumirpc.ReadResourceRequest) (*pulumirpc.ReadResourceResponse, error) {
	r, err := s.e.registration(&pulumirpc.RegisterResourceRequest{Type: in.GetType(), Name: in.GetName(), Custom: true, Object: in.GetProperties(), Parent: in.GetParent()})
	if err != nil {
		return nil, s.e.fail(err)
	}
	_, outputs, err := s.e.register(r)
	if err != nil {
		return nil, s.e.fail(err)
	}
	if h, _ := s.e.handler(r.Type); h.Outputs != nil {
		outputs = outputs.Copy()
		maps.Copy(outputs, h.Outputs(r))
	}
	object, err := plugin.MarshalProperties(outputs, marshal)
	if err != nil {
		return nil, s.e.fail(fmt.Errorf("outputs of %s: %w", r.Name, err))
	}
	return &pulumirpc.ReadResourceResponse{Urn: r.URN, Properties: object}, nil
}

// register records r, holds it to its handler and gives the id and the outputs.
func (e *Engine) register(r Registration) (string, resource.PropertyMap, error) {
	e.mu.Lock()
	_, twice := e.seen[r.URN]
	e.seen[r.URN] = r
	e.mu.Unlock()
	if twice {
		return "", nil, fmt.Errorf("%s is registered twice", r.URN)
	}
	if !r.Custom {
		if !ourComponent.MatchString(r.Type) {
			return "", nil, fmt.Errorf("component %s: type %s is not of the form havre:package:Type; take it from components/naming", r.Name, r.Type)
		}
		return "", resource.PropertyMap{}, nil
	}
	h, ok := e.handler(r.Type)
	if !ok {
		return "", nil, fmt.Errorf("resource %s: type %s is unknown to this test; declare it with Handle", r.Name, r.Type)
	}
	if err := h.check(r); err != nil {
		return "", nil, err
	}
	if e.mode == Unknown {
		// What a preview's answer lacks is unknown to the program.
		return "", r.Inputs, nil
	}
	outputs := r.Inputs.Copy()
	if h.Outputs != nil {
		maps.Copy(outputs, h.Outputs(r))
	}
	for _, name := range r.SecretOutputs {
		key := resource.PropertyKey(name)
		if v, ok := outputs[key]; ok && !isSecret(v) {
			outputs[key] = resource.MakeSecret(v)
		}
	}
	return r.Name + "-id", outputs, nil
}

func (e *Engine) registration(in *pulumirpc.RegisterResourceRequest) (Registration, error) {
	r := Registration{
		Type: in.GetType(), Name: in.GetName(), Custom: in.GetCustom(), Provider: in.GetProvider(), Protect: in.GetProtect(),
		SecretOutputs: slices.Sorted(slices.Values(in.GetAdditionalSecretOutputs())), DependsOn: names(in.GetDependencies()),
		PropertyDependsOn: map[string][]string{}, IgnoreChanges: in.GetIgnoreChanges(), RetainOnDelete: in.GetRetainOnDelete(),
	}
	if in.GetRemote() {
		return r, fmt.Errorf("resource %s (%s) is a remote component, which this engine does not build", r.Name, r.Type)
	}
	var err error
	if r.Inputs, err = plugin.UnmarshalProperties(in.GetObject(), marshal); err != nil {
		return r, fmt.Errorf("inputs of %s: %w", r.Name, err)
	}
	var parent tokens.Type
	if of := urn.URN(in.GetParent()); of != "" && of.QualifiedType() != resource.RootStackType {
		r.Parent, parent = in.GetParent(), of.QualifiedType()
	}
	r.URN = string(urn.New(tokens.QName(e.stack), tokens.PackageName(e.project), parent, tokens.Type(r.Type), r.Name))
	for property, deps := range in.GetPropertyDependencies() {
		if of := names(deps.GetUrns()); len(of) > 0 {
			r.PropertyDependsOn[property] = of
		}
	}
	if with := in.GetDeletedWith(); with != "" {
		r.DeletedWith = urn.URN(with).Name()
	}
	for _, alias := range in.GetAliases() {
		r.Aliases = append(r.Aliases, alias.String())
	}
	return r, nil
}
