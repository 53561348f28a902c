package artifacts

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func file(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDigestIsStable(t *testing.T) {
	var digests []string
	for _, dir := range []string{t.TempDir(), t.TempDir()} {
		store := Store{Dir: filepath.Join(dir, "store")}
		image := binaryImage("etcd", "3", map[string]string{"etcd": file(t, dir, "server", "server"), "etcdctl": file(t, dir, "client", "client")})
		for round := range 2 {
			built, made, err := store.Build(image)
			if err != nil || made != (round == 0) {
				t.Fatalf("round %d: made %v, %v", round, made, err)
			}
			digests = append(digests, built.Digest)
		}
	}
	const want = "sha256:79078dc5da21171f5f2e5982cab286c06827b5bff67f6912de8aeb13bb4b36a0"
	for _, digest := range digests {
		if digest != want {
			t.Errorf("digest %s, want %s: what is in an image or how it is written has changed", digest, want)
		}
	}
}

func TestChangedBinaryMakesAnotherImage(t *testing.T) {
	dir := t.TempDir()
	store := Store{Dir: filepath.Join(dir, "store")}
	first, _, err := store.Build(binaryImage("caddy", "2", map[string]string{"caddy": file(t, dir, "caddy", "one")}))
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := store.Build(binaryImage("caddy", "2", map[string]string{"caddy": file(t, dir, "caddy", "other")}))
	if err != nil {
		t.Fatal(err)
	}
	if first.Digest == second.Digest {
		t.Error("two binaries have one digest")
	}
}

func TestLostBlobIsMadeAgain(t *testing.T) {
	dir := t.TempDir()
	store := Store{Dir: filepath.Join(dir, "store")}
	image := binaryImage("caddy", "2", map[string]string{"caddy": file(t, dir, "caddy", "one")})
	first, _, err := store.Build(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(store.Dir, "sha256")); err != nil {
		t.Fatal(err)
	}
	if store.holds(first.Manifest) {
		t.Fatal("an empty store holds an image")
	}
	if again, made, err := store.Build(image); err != nil || !made || again.Digest != first.Digest || !store.holds(again.Manifest) {
		t.Errorf("got %v, %v", again, err)
	}
}

func TestRegistryServesByTagAndDigest(t *testing.T) {
	dir := t.TempDir()
	store := Store{Dir: filepath.Join(dir, "store")}
	built, _, err := store.Build(binaryImage("kube-scheduler", Kubernetes, map[string]string{"kube-scheduler": file(t, dir, "kube-scheduler", "binary")}))
	if err != nil {
		t.Fatal(err)
	}
	handler, err := Catalogue{Images: []Built{built}, Blobs: store.Dir}.RegistryHandler(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	at := strings.TrimPrefix(server.URL, "http://") + "/kube-scheduler"
	for _, reference := range []string{at + ":" + Kubernetes, at + "@" + built.Digest} {
		parsed, err := name.ParseReference(reference, name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		image, err := remote.Image(parsed)
		if err != nil {
			t.Fatalf("%s: %v", reference, err)
		}
		layers, err := image.Layers()
		if err != nil || len(layers) != 1 {
			t.Fatalf("%s: layers %v, %v", reference, layers, err)
		}
		content, err := layers[0].Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		var entries []string
		archive := tar.NewReader(content)
		for {
			header, err := archive.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			entries = append(entries, fmt.Sprintf("%s %o %s", header.Name, header.Mode, header.Linkname))
		}
		want := []string{
			"etc/ 755 ", "tmp/ 1777 ", "usr/ 755 ", "usr/local/ 755 ", "usr/local/bin/ 755 ",
			"etc/group 644 ", "etc/passwd 644 ", "kube-scheduler 777 usr/local/bin/kube-scheduler", "usr/local/bin/kube-scheduler 755 ",
		}
		if !slices.Equal(entries, want) {
			t.Errorf("%s holds %q, want %q", reference, entries, want)
		}
		if config, err := image.ConfigFile(); err != nil || !slices.Equal(config.Config.Entrypoint, []string{"/kube-scheduler"}) {
			t.Errorf("%s: config %v, %v", reference, config, err)
		}
	}
	answer, err := http.Post(server.URL+"/v2/kube-scheduler/blobs/uploads/", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("an upload was answered with %s", answer.Status)
	}
}

func TestMirror(t *testing.T) {
	path := file(t, t.TempDir(), "kubeadm", "binary")
	sum := sha256.Sum256([]byte("binary"))
	address := "/sha256/" + hex.EncodeToString(sum[:]) + "/kubeadm"
	server := httptest.NewServer(Catalogue{Artifacts: map[string]Artifact{"kubeadm": {Path: address, File: path}}}.MirrorHandler())
	defer server.Close()
	for request, want := range map[string]string{address: "200 binary", "/sha256/00/kubeadm": "404 404 page not found\n", "/../../etc/passwd": "404 404 page not found\n"} {
		answer, err := http.Get(server.URL + request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if got := fmt.Sprintf("%d %s", answer.StatusCode, body); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", request, got, err, want)
		}
	}
}

func TestEverythingMissingIsNamedAtOnce(t *testing.T) {
	dir := t.TempDir()
	tools := map[string]string{}
	for _, name := range Needed() {
		tools[name] = filepath.Join(dir, "absent")
	}
	delete(tools, "etcd")
	tools["caddy"] = "/bin/sh"
	_, err := Build(t.Context(), dir, Inputs{Tools: tools, Pause: filepath.Join(dir, "absent")}, nil)
	if err == nil {
		t.Fatal("nothing was missed")
	}
	for _, want := range []string{
		"artifacts: no path of etcd was given; build it first",
		"artifacts: no path of renderer was given; build it first",
		"artifacts: binary /bin/sh is linked dynamically; wanted a static one, built with CGO_ENABLED=0",
		"artifacts: binary " + dir + "/absent is missing; build it first",
	} {
		if !slices.Contains(strings.Split(err.Error(), "\n"), want) {
			t.Errorf("missing %q in\n%v", want, err)
		}
	}
}

func TestClosureHoldsLoaderAndLibraries(t *testing.T) {
	files, err := closure("/", "/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	var loader, libc bool
	for path := range files {
		loader = loader || strings.Contains(path, "/ld-linux")
		libc = libc || strings.HasSuffix(path, "/libc.so.6")
	}
	if !loader || !libc || files["/bin/sh"].Mode != 0o755 {
		t.Errorf("got %v", files)
	}
}

func TestLinksStayInTheirTree(t *testing.T) {
	tree := t.TempDir()
	if err := os.MkdirAll(filepath.Join(tree, "usr/sbin"), 0o755); err != nil {
		t.Fatal(err)
	}
	want := file(t, filepath.Join(tree, "usr/sbin"), "nft-1", "")
	for link, target := range map[string]string{"sbin": "/usr/sbin", "usr/sbin/nft": "nft-1", "round": "round"} {
		if err := os.Symlink(target, filepath.Join(tree, link)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := within(tree, "/sbin/nft"); err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	if _, err := within(tree, "/round"); err == nil || err.Error() != "file /round: too many links" {
		t.Errorf("got %v", err)
	}
}

// TestCiliumImages: the agent's holds what it runs by name, and its programs for the kernel without their tests.
func TestCiliumImages(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tree, compiler, source := t.TempDir(), t.TempDir(), t.TempDir()
	put := func(path string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(self, path)); err != nil {
			t.Fatal(err)
		}
	}
	in := Inputs{Tools: map[string]string{}, Tree: tree, Cilium: &Cilium{Source: source, Compiler: compiler, CompilerBinary: "/usr/lib/llvm/bin/clang"}}
	for _, name := range CiliumTools {
		in.Tools[name] = self
	}
	write := func(path string) {
		t.Helper()
		binary, err := os.ReadFile(self)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, binary, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.ciliumImages(); err == nil {
		t.Error("there is no compiler, and nobody says so")
	}
	write(filepath.Join(compiler, "usr/lib/llvm/bin/clang"))
	for _, program := range ciliumPrograms {
		write(filepath.Join(tree, program))
	}
	if _, err := in.ciliumImages(); err == nil || err.Error() != "image cilium: no extensions of iptables in "+tree {
		t.Errorf("without extensions of iptables: %v", err)
	}
	write(filepath.Join(tree, "usr/lib/x86_64-linux-gnu/xtables/libxt_comment.so"))
	for _, path := range []string{"bpf_lxc.c", "include/a.h", "tests/b.c", "complexity-tests/c.c"} {
		put(filepath.Join(source, "bpf", path))
	}
	images, err := in.ciliumImages()
	if err != nil {
		t.Fatal(err)
	}
	if len(images) != 2 || images[0].Name != "cilium" || images[1].Name != "cilium-operator" || images[0].Tag != CiliumVersion {
		t.Fatalf("images %v", images)
	}
	for _, path := range []string{
		"/cilium-agent", "/opt/cni/bin/cilium-cni", "/install-plugin.sh", "/usr/bin/clang", "/usr/lib/llvm/bin/clang", "/usr/bin/bash", "/usr/sbin/iptables-restore",
		"/usr/lib/x86_64-linux-gnu/xtables/libxt_comment.so", "/var/lib/cilium/bpf/bpf_lxc.c", "/var/lib/cilium/bpf/include/a.h",
	} {
		if _, found := images[0].Files[path]; !found {
			t.Errorf("the agent's image lacks %s", path)
		}
	}
	if got := images[0].Files["/usr/bin/clang"].Link; got != "../lib/llvm/bin/clang" {
		t.Errorf("clang is a link to %q", got)
	}
	for path := range images[0].Files {
		if strings.Contains(path, "tests") {
			t.Errorf("the agent's image has %s", path)
		}
	}
	if _, found := images[1].Files["/cilium-operator-generic"]; !found {
		t.Error("the operator's image lacks the operator")
	}
}
