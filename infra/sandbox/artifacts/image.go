// Package artifacts serves what hosts fetch while they are brought up, from this machine and by checksum alone: container images made from static
// binaries in a registry, and the binaries themselves in a mirror. The one thing a reader would get wrong: nothing is compressed. Hosts and
// registry share one machine, where packing a hundred megabytes costs more than moving them.
package artifacts

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// File is one entry of an image, from a file on this machine, a text or as a link; exactly one of the three.
type File struct {
	// From is a path on this machine.
	From string `json:"-"`
	// Text is the content itself.
	Text string `json:"text,omitempty"`
	// Link is the target of a symbolic link.
	Link string `json:"link,omitempty"`
	// Mode are the permission bits.
	Mode int64 `json:"mode"`
}

// Image is what an image is made of.
type Image struct {
	// Name and Tag name it in the registry.
	Name string `json:"name"`
	Tag  string `json:"tag"`
	// Files are its entries by absolute path. Folders are made as needed.
	Files map[string]File `json:"files"`
	// Entrypoint is the command run where the pod names none.
	Entrypoint []string `json:"entrypoint"`
}

// Built is an image in the store.
type Built struct {
	Name string `json:"name"`
	Tag  string `json:"tag"`
	// Digest is the manifest's: sha256:<hex>. The same inputs give the same digest on every machine.
	Digest string `json:"digest"`
	// Manifest is the manifest's text.
	Manifest []byte `json:"manifest"`
}

// Store keeps blobs in a folder as <folder>/sha256/<hex>. A blob that is there is whole, for it is put there under its name only when it is.
type Store struct{ Dir string }

// binaryImage is the usual image: nothing but static binaries, given as path on this machine by name, each found on the PATH and as /<name>. The one
// called as the image is its entry point.
func binaryImage(name, tag string, binaries map[string]string) Image {
	image := Image{Name: name, Tag: tag, Entrypoint: []string{"/" + name}, Files: map[string]File{
		"/tmp/":       {Mode: 0o1777},
		"/etc/passwd": {Text: "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n", Mode: 0o644},
		"/etc/group":  {Text: "root:x:0:\nnonroot:x:65532:\n", Mode: 0o644},
	}}
	for base, from := range binaries {
		image.Files["/usr/local/bin/"+base] = File{From: from, Mode: 0o755}
		image.Files["/"+base] = File{Link: "usr/local/bin/" + base}
	}
	return image
}

// epoch is the time of every entry and image: a build's own time would make another digest each time.
var epoch = time.Unix(0, 0).UTC()

// Build makes an image where the store does not have it from the same inputs already; made says which it was.
func (s Store) Build(image Image) (built Built, made bool, err error) {
	fail := func(err error) (Built, bool, error) {
		return Built{}, false, fmt.Errorf("image %s: %w", image.Name, err)
	}
	key, err := s.key(image)
	if err != nil {
		return fail(err)
	}
	index := filepath.Join(s.Dir, "index", key+".json")
	if text, err := os.ReadFile(index); err == nil {
		if json.Unmarshal(text, &built) == nil && s.holds(built.Manifest) {
			return built, false, nil
		}
	}
	layer, size, err := s.put(func(w io.Writer) error { return writeLayer(w, image.Files) })
	if err != nil {
		return fail(err)
	}
	config, err := json.Marshal(v1.ConfigFile{
		Architecture: runtime.GOARCH, OS: "linux", Created: v1.Time{Time: epoch},
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{layer}},
		History: []v1.History{{Created: v1.Time{Time: epoch}, CreatedBy: "havre sandbox"}},
		Config: v1.Config{
			Entrypoint: image.Entrypoint, WorkingDir: "/",
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		},
	})
	if err != nil {
		return fail(err)
	}
	configHash, configSize, err := s.put(func(w io.Writer) error { _, err := w.Write(config); return err })
	if err != nil {
		return fail(err)
	}
	manifest, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: v1.Descriptor{MediaType: types.OCIConfigJSON, Size: configSize, Digest: configHash},
		Layers: []v1.Descriptor{{MediaType: types.OCIUncompressedLayer, Size: size, Digest: layer}},
	})
	if err != nil {
		return fail(err)
	}
	sum := sha256.Sum256(manifest)
	built = Built{Name: image.Name, Tag: image.Tag, Digest: "sha256:" + hex.EncodeToString(sum[:]), Manifest: manifest}
	text, err := json.Marshal(built)
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(index), 0o755), os.WriteFile(index, text, 0o644))
	}
	if err != nil {
		return fail(err)
	}
	return built, true, nil
}

// key names an image by its inputs: the text of all that is in it, with each file's checksum in the place of its path.
func (s Store) key(image Image) (string, error) {
	sums := map[string]string{}
	for path, file := range image.Files {
		if file.From == "" {
			continue
		}
		sum, err := s.Sum(file.From)
		if err != nil {
			return "", err
		}
		sums[path] = sum
	}
	text, err := json.Marshal(struct {
		Image
		Sums map[string]string
	}{image, sums})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// Sum is a file's SHA-256 in hexadecimal, remembered by path, size and time, because the binaries are a gigabyte together.
func (s Store) Sum(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	name := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d", path, info.Size(), info.ModTime().UnixNano()))
	memo := filepath.Join(s.Dir, "sums", hex.EncodeToString(name[:]))
	if text, err := os.ReadFile(memo); err == nil && len(text) == sha256.Size*2 {
		return string(text), nil
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	if err := os.MkdirAll(filepath.Dir(memo), 0o755); err != nil {
		return "", err
	}
	return sum, os.WriteFile(memo, []byte(sum), 0o644)
}

// path is where a blob lies.
func (s Store) path(hash v1.Hash) string { return filepath.Join(s.Dir, hash.Algorithm, hash.Hex) }

// holds says whether all blobs of a manifest are in the store.
func (s Store) holds(manifest []byte) bool {
	var m v1.Manifest
	if json.Unmarshal(manifest, &m) != nil || len(m.Layers) == 0 {
		return false
	}
	for _, blob := range append(slices.Clone(m.Layers), m.Config) {
		if info, err := os.Stat(s.path(blob.Digest)); err != nil || info.Size() != blob.Size {
			return false
		}
	}
	return true
}

// put adds a blob.
func (s Store) put(write func(io.Writer) error) (v1.Hash, int64, error) {
	dir := filepath.Join(s.Dir, "sha256")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return v1.Hash{}, 0, err
	}
	temp, err := os.CreateTemp(s.Dir, "new-")
	if err != nil {
		return v1.Hash{}, 0, err
	}
	defer os.Remove(temp.Name())
	sum := sha256.New()
	err = write(io.MultiWriter(temp, sum))
	size, seekErr := temp.Seek(0, io.SeekCurrent)
	if err := errors.Join(err, seekErr, temp.Close()); err != nil {
		return v1.Hash{}, 0, err
	}
	hash := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	return hash, size, os.Rename(temp.Name(), s.path(hash))
}

// writeLayer writes the files as a tar: sorted, folders before what is in them, every owner root and every time the epoch.
func writeLayer(w io.Writer, files map[string]File) error {
	folders := map[string]int64{}
	for name, file := range files {
		if strings.HasSuffix(name, "/") {
			folders[strings.TrimSuffix(name, "/")] = file.Mode
		}
		for dir := path.Dir(strings.TrimSuffix(name, "/")); dir != "/"; dir = path.Dir(dir) {
			if _, found := folders[dir]; !found {
				folders[dir] = 0o755
			}
		}
	}
	archive := tar.NewWriter(w)
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(dir, "/") + "/", Mode: folders[dir], ModTime: epoch, Format: tar.FormatPAX}); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, "/") {
			continue
		}
		if err := writeEntry(archive, strings.TrimPrefix(name, "/"), files[name]); err != nil {
			return fmt.Errorf("file %s: %w", name, err)
		}
	}
	return archive.Close()
}

func writeEntry(archive *tar.Writer, name string, file File) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: file.Mode, ModTime: epoch, Format: tar.FormatPAX}
	var content io.Reader = bytes.NewReader([]byte(file.Text))
	switch {
	case file.Link != "":
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, file.Link, 0o777
	case file.From != "":
		source, err := os.Open(file.From)
		if err != nil {
			return err
		}
		defer source.Close()
		info, err := source.Stat()
		if err != nil {
			return err
		}
		header.Size, content = info.Size(), source
	default:
		header.Size = int64(len(file.Text))
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	if header.Typeflag != tar.TypeReg {
		return nil
	}
	_, err := io.Copy(archive, content)
	return err
}

// static says no where a binary needs a loader: in an image without one it fails with "no such file or directory", which names the wrong thing.
func static(path string) error {
	binary, err := elf.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("binary %s is missing; build it first", path)
	}
	if err != nil {
		return fmt.Errorf("binary %s: %w", path, err)
	}
	defer binary.Close()
	if interpreter(binary) != "" {
		return fmt.Errorf("binary %s is linked dynamically; wanted a static one, built with CGO_ENABLED=0", path)
	}
	return nil
}

// interpreter is the loader that a binary asks for; "" for a static one.
func interpreter(binary *elf.File) string {
	for _, program := range binary.Progs {
		if program.Type == elf.PT_INTERP {
			text, err := io.ReadAll(program.Open())
			if err != nil {
				return ""
			}
			return strings.TrimRight(string(text), "\x00")
		}
	}
	return ""
}

// closure lists what a dynamic binary of the tree needs to run somewhere else: itself, its loader and all its libraries, by the path at which they
// belong. tree is the root of a file system; binary is absolute in it.
func closure(tree, binary string) (map[string]File, error) {
	files := map[string]File{}
	add := func(name string, mode int64) (*elf.File, error) {
		real, err := within(tree, name)
		if err != nil {
			return nil, err
		}
		files[name] = File{From: real, Mode: mode}
		return elf.Open(real)
	}
	pending := []string{binary}
	for len(pending) > 0 {
		name := pending[0]
		pending = pending[1:]
		if _, seen := files[name]; seen {
			continue
		}
		object, err := add(name, 0o755)
		if err != nil {
			return nil, fmt.Errorf("binary %s: %w", binary, err)
		}
		if loader := interpreter(object); loader != "" {
			pending = append(pending, loader)
		}
		needed, err := object.ImportedLibraries()
		_ = object.Close()
		if err != nil {
			return nil, fmt.Errorf("binary %s: %w", binary, err)
		}
		for _, library := range needed {
			at, err := libraryPath(tree, library)
			if err != nil {
				return nil, fmt.Errorf("binary %s: %w", binary, err)
			}
			// The loader is a library too; under its own path it is there already.
			if !strings.HasPrefix(library, "ld-linux") {
				pending = append(pending, at)
			}
		}
	}
	return files, nil
}

// libraryPath finds a library where Debian's loader looks without being told.
func libraryPath(tree, library string) (string, error) {
	found, err := filepath.Glob(filepath.Join(tree, "usr/lib/*-linux-gnu", library))
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("library %s is not in %s", library, tree)
	}
	return strings.TrimPrefix(found[0], strings.TrimSuffix(tree, "/")), nil
}

// within follows links inside a tree, whose absolute links mean the tree's own root.
func within(tree, name string) (string, error) {
	resolved := "/"
	parts := strings.Split(strings.Trim(name, "/"), "/")
	for hops := 0; len(parts) > 0; {
		next := path.Join(resolved, parts[0])
		parts = parts[1:]
		target, err := os.Readlink(filepath.Join(tree, next))
		if err != nil {
			resolved = next
			continue
		}
		if hops++; hops > 40 {
			return "", fmt.Errorf("file %s: too many links", name)
		}
		if path.IsAbs(target) {
			resolved = "/"
		}
		parts = append(strings.Split(strings.Trim(target, "/"), "/"), parts...)
	}
	real := filepath.Join(tree, resolved)
	_, err := os.Stat(real)
	return real, err
}
