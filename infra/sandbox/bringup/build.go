package bringup

import (
	"context"
	"maps"
	"strings"

	"havre/infra/sandbox/artifacts"
	"havre/infra/sandbox/compiler"
	"havre/infra/tools"
	"havre/infra/workspace"
)

// EngineTools are the tools that a preview needs; HostTools those that make the artifacts and images of a sandbox besides.
var (
	EngineTools = []string{"pulumi", "pulumi-resource-kubernetes"}
	HostTools   = []string{
		"kubeadm", "kubelet", "kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy",
		"etcd", "etcdctl", "etcdutl", "wireguard-go", "coredns", "metrics-server", "caddy",
	}
)

// own are the binaries of this repository that Pulumi runs, and where they are built to.
var own = []struct{ pkg, out string }{
	{"./infra/tools/language-go", "bin/pulumi-language-go"},
	{"./infra/cmd/pulumi-resource-ovhmetal", "bin/pulumi-resource-ovhmetal"},
	{"./infra/tools/command-plugin", "build/plugins/pulumi-resource-command"},
	{"./infra/tools/cloudflare-plugin", "build/plugins/pulumi-resource-cloudflare"},
}

// ovhmetalVersion is what components/ovh/sdk asks for; the plugin and the program are built from one commit, so it says no more than that.
const ovhmetalVersion = "v0.1.0"

// BuildTools builds what is missing of the named tools, once a pin, and puts those that an engineer runs under bin/.
func BuildTools(ctx context.Context, ws workspace.Workspace, names []string, report func(string)) (map[string]string, error) {
	paths, err := tools.OpenAt(ws.Root, ws.Cache).All(ctx, names, report)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"pulumi", "kubectl"} {
		if path, found := paths[name]; found {
			if err := tools.Place(path, ws.Bin(name)); err != nil {
				return nil, err
			}
		}
	}
	return paths, nil
}

// BuildOwn builds the binaries of this repository, warms the build of the program itself, and installs the plugins into the project's own home of
// Pulumi.
func BuildOwn(ctx context.Context, ws workspace.Workspace, kubernetesPlugin string, report func(string)) error {
	if err := ws.Prepare(); err != nil {
		return err
	}
	for _, binary := range own {
		report(strings.TrimPrefix(binary.pkg, "./"))
		if err := tools.BuildOwn(ctx, ws.Root, binary.pkg, ws.Path(binary.out)); err != nil {
			return err
		}
	}
	report("infra: the program (for the first time a minute or two: the Kubernetes SDK is large)")
	if err := tools.BuildOwn(ctx, ws.Root, "./infra", ws.Path("build", "program")); err != nil {
		return err
	}
	return tools.InstallPlugins(ctx, ws.Bin("pulumi"), ws.PulumiHome(), []tools.Plugin{
		{Kind: "resource", Name: "kubernetes", Version: tools.KubernetesVersion, Binary: kubernetesPlugin},
		{Kind: "resource", Name: "command", Version: tools.CommandVersion, Binary: ws.Path("build", "plugins", "pulumi-resource-command")},
		{Kind: "resource", Name: "cloudflare", Version: tools.CloudflareVersion, Binary: ws.Path("build", "plugins", "pulumi-resource-cloudflare")},
		{Kind: "resource", Name: "ovhmetal", Version: ovhmetalVersion, Binary: ws.Bin("pulumi-resource-ovhmetal")},
	})
}

// BuildCilium builds what Cilium's images are made of, adds its tools to the others, and says where the rest of it lies.
func BuildCilium(ctx context.Context, ws workspace.Workspace, paths map[string]string, report func(string)) (*artifacts.Cilium, error) {
	built, err := BuildTools(ctx, ws, artifacts.CiliumTools, report)
	if err != nil {
		return nil, err
	}
	maps.Copy(paths, built)
	source, err := tools.ModuleDir(ctx, ws.Root, "cilium", "github.com/cilium/cilium")
	if err != nil {
		return nil, err
	}
	tree, err := compiler.Unpack(ctx, ws.Cache, report)
	return &artifacts.Cilium{Source: source, Compiler: tree, CompilerBinary: compiler.Binary}, err
}

// BuildPrevious builds what a cluster of the minor version of Kubernetes before ours is made of, by the names that it has in ours.
func BuildPrevious(ctx context.Context, ws workspace.Workspace, report func(string)) (map[string]string, error) {
	var names []string
	for _, name := range artifacts.PreviousTools {
		names = append(names, tools.Previous(name))
	}
	paths, err := BuildTools(ctx, ws, names, report)
	if err != nil {
		return nil, err
	}
	previous := map[string]string{}
	for _, name := range artifacts.PreviousTools {
		previous[name] = paths[tools.Previous(name)]
	}
	return previous, nil
}

// BuildSandbox builds what the sandbox serves to its hosts: the tools by name, and the renderer and the pause container as static binaries.
func BuildSandbox(ctx context.Context, ws workspace.Workspace, report func(string)) (paths map[string]string, renderer, pause string, err error) {
	if paths, err = BuildTools(ctx, ws, HostTools, report); err != nil {
		return nil, "", "", err
	}
	renderer, pause = ws.Path("build", "images", "renderer"), ws.Path("build", "images", "pause")
	if err := tools.BuildOwn(ctx, ws.Root, "./services/render/cmd/renderer", renderer); err != nil {
		return nil, "", "", err
	}
	return paths, renderer, pause, tools.BuildOwn(ctx, ws.Root, "./infra/sandbox/artifacts/pause", pause)
}
