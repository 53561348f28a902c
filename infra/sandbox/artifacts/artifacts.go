package artifacts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"havre/infra/sandbox/network"
)

var (
	// Registry is where hosts fetch images, over plain http.
	Registry = netip.AddrPortFrom(network.Gateway, 5000)
	// Mirror is where hosts fetch binaries.
	Mirror = netip.AddrPortFrom(network.Gateway, 8080)
)

// The versions that the images are tagged with.
const (
	Kubernetes    = "v1.36.3"
	Etcd          = "3.6.8-0"
	Pause         = "3.10.2"
	CoreDNS       = "v1.15.0"
	MetricsServer = "v0.9.0"
	Caddy         = "2.11.9"
	CiliumVersion = "v1.19.4"
)

// What the minor version of Kubernetes before ours is tagged with, and what its kubeadm asks for. Its etcd is ours, under another tag.
const (
	PreviousKubernetes = "v1.35.4"
	PreviousEtcd       = "3.6.6-0"
	PreviousPause      = "3.10.1"
)

// Inputs are the files that everything is made of.
type Inputs struct {
	// Tools are paths of static binaries by tool name.
	Tools map[string]string
	// Renderer and Pause are the project's own static binaries.
	Renderer, Pause string
	// Tree is the unpacked base file system: nft and the certificates come from it.
	Tree string
	// Cilium is given where the sandbox is to have it as its pod network.
	Cilium *Cilium
	// Previous are paths of static binaries of the minor version of Kubernetes before ours, by the names of PreviousTools, where the sandbox is to begin with it; nil where it is not.
	Previous map[string]string
}

// hostBinaries are what a host fetches from the mirror.
var hostBinaries = []string{"kubeadm", "kubelet", "kubectl", "etcdctl", "etcdutl", "wireguard-go"}

// imageTools are what images are made of besides.
var imageTools = []string{
	"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "etcd", "etcdctl", "etcdutl", "coredns", "metrics-server", "caddy",
}

// previousBinaries are what a host fetches of the version before, previousImages what images are made of.
var (
	previousBinaries = []string{"kubeadm", "kubelet"}
	previousImages   = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"}
)

// PreviousTools are the tools that Inputs.Previous must hold, by the names that they have in our own version.
var PreviousTools = slices.Concat(previousBinaries, previousImages)

// Previous is the name of an artifact of the version before.
func Previous(name string) string { return name + "-previous" }

// Needed names the tools that Inputs must hold, sorted.
func Needed() []string {
	needed := append(slices.Clone(hostBinaries), imageTools...)
	slices.Sort(needed)
	return slices.Compact(needed)
}

// check names everything that is missing at once.
func (in Inputs) check() error {
	var errs []error
	binaries := map[string]string{"renderer": in.Renderer, "pause": in.Pause}
	needed := Needed()
	if in.Cilium != nil {
		needed = append(needed, CiliumTools...)
	}
	for _, name := range needed {
		binaries[name] = in.Tools[name]
	}
	if in.Previous != nil {
		for _, name := range PreviousTools {
			binaries[Previous(name)] = in.Previous[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(binaries)) {
		if binaries[name] == "" {
			errs = append(errs, fmt.Errorf("artifacts: no path of %s was given; build it first", name))
		} else if err := static(binaries[name]); err != nil {
			errs = append(errs, fmt.Errorf("artifacts: %w", err))
		}
	}
	return errors.Join(errs...)
}

// images lists the images that a cluster and its services need.
func (in Inputs) images() ([]Image, error) {
	tool := func(name, tag string, more ...string) Image {
		binaries := map[string]string{name: in.Tools[name]}
		for _, other := range more {
			binaries[other] = in.Tools[other]
		}
		return binaryImage(name, tag, binaries)
	}
	proxy := tool("kube-proxy", Kubernetes)
	nft, err := closure(in.Tree, "/usr/sbin/nft")
	if err != nil {
		return nil, fmt.Errorf("image kube-proxy: %w", err)
	}
	maps.Copy(proxy.Files, nft)
	caddy, renderer := tool("caddy", Caddy), binaryImage("renderer", "sandbox", map[string]string{"renderer": in.Renderer})
	for _, image := range []Image{caddy, renderer} {
		image.Files["/etc/ssl/certs/ca-certificates.crt"] = File{From: filepath.Join(in.Tree, "etc/ssl/certs/ca-certificates.crt"), Mode: 0o644}
	}
	images := []Image{
		tool("kube-apiserver", Kubernetes), tool("kube-controller-manager", Kubernetes), tool("kube-scheduler", Kubernetes), proxy,
		tool("etcd", Etcd, "etcdctl", "etcdutl"), tool("coredns", CoreDNS), tool("metrics-server", MetricsServer),
		caddy, renderer, binaryImage("pause", Pause, map[string]string{"pause": in.Pause}),
	}
	if in.Previous != nil {
		for _, name := range previousImages {
			images = append(images, binaryImage(name, PreviousKubernetes, map[string]string{name: in.Previous[name]}))
		}
		images = append(images, tool("etcd", PreviousEtcd, "etcdctl", "etcdutl"), binaryImage("pause", PreviousPause, map[string]string{"pause": in.Pause}))
	}
	if in.Cilium == nil {
		return images, nil
	}
	network, err := in.ciliumImages()
	return append(images, network...), err
}

// Artifact is a binary in the mirror.
type Artifact struct {
	// Path is relative to the mirror's URL: /sha256/<hex>/<name>.
	Path string `json:"path"`
	// SHA256 is its checksum in hexadecimal.
	SHA256 string `json:"sha256"`
	// File is where it lies on this machine.
	File string `json:"file"`
}

// Catalogue is all that is served.
type Catalogue struct {
	Artifacts map[string]Artifact `json:"artifacts"`
	Images    []Built             `json:"images"`
	// Blobs is the folder of the store.
	Blobs string `json:"blobs"`
}

// Build makes all images in the cache folder, where they are not yet, and takes the binaries' checksums. progress is told of each image that is made.
func Build(ctx context.Context, cache string, in Inputs, progress func(string)) (Catalogue, error) {
	if err := in.check(); err != nil {
		return Catalogue{}, err
	}
	store := Store{Dir: filepath.Join(cache, "sandbox", "images")}
	images, err := in.images()
	if err != nil {
		return Catalogue{}, err
	}
	catalogue := Catalogue{Artifacts: map[string]Artifact{}, Images: make([]Built, len(images)), Blobs: store.Dir}
	var group errgroup.Group
	group.SetLimit(2)
	var mu sync.Mutex
	done := 0
	for i, image := range images {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			built, made, err := store.Build(image)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			catalogue.Images[i] = built
			if done++; made && progress != nil {
				progress(fmt.Sprintf("image %s:%s made; %d of %d are there", image.Name, image.Tag, done, len(images)))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Catalogue{}, err
	}
	served := map[string]string{}
	for _, name := range hostBinaries {
		served[name] = in.Tools[name]
	}
	if in.Previous != nil {
		for _, name := range previousBinaries {
			served[Previous(name)] = in.Previous[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(served)) {
		sum, err := store.Sum(served[name])
		if err != nil {
			return Catalogue{}, fmt.Errorf("artifact %s: %w", name, err)
		}
		catalogue.Artifacts[name] = Artifact{Path: "/sha256/" + sum + "/" + name, SHA256: sum, File: served[name]}
	}
	return catalogue, nil
}

// References are the images by name, each by its digest: 198.51.100.1:5000/caddy@sha256:…. Of those in several versions it is ours, which comes first.
func (c Catalogue) References() map[string]string {
	references := map[string]string{}
	for _, image := range c.Images {
		if references[image.Name] != "" {
			continue
		}
		references[image.Name] = Registry.String() + "/" + image.Name + "@" + image.Digest
	}
	return references
}
