package artifacts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

var (
	_ registry.BlobHandler     = Store{}
	_ registry.BlobStatHandler = Store{}
)

// Get opens a blob.
func (s Store) Get(_ context.Context, _ string, hash v1.Hash) (io.ReadCloser, error) {
	file, err := os.Open(s.path(hash))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, registry.ErrNotFound
	}
	return file, err
}

// Stat is a blob's size. It does not read the blob, which the library's own handler on disk does at every request.
func (s Store) Stat(_ context.Context, _ string, hash v1.Hash) (int64, error) {
	info, err := os.Stat(s.path(hash))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, registry.ErrNotFound
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// RegistryHandler answers as an OCI registry that holds the catalogue's images, by tag and by digest, and takes no others.
func (c Catalogue) RegistryHandler(ctx context.Context) (http.Handler, error) {
	handler := registry.New(registry.WithBlobHandler(Store{Dir: c.Blobs}), registry.Logger(log.New(io.Discard, "", 0)))
	for _, image := range c.Images {
		request, err := http.NewRequestWithContext(ctx, http.MethodPut, "/v2/"+image.Name+"/manifests/"+image.Tag, bytes.NewReader(image.Manifest))
		if err != nil {
			return nil, fmt.Errorf("registry: image %s: %w", image.Name, err)
		}
		request.Header.Set("Content-Type", string(types.OCIManifestSchema1))
		answer := &answer{header: http.Header{}}
		handler.ServeHTTP(answer, request)
		if answer.status != http.StatusCreated {
			return nil, fmt.Errorf("registry: image %s: manifest refused with status %d: %s", image.Name, answer.status, answer.body.String())
		}
	}
	return readOnly(handler), nil
}

// answer keeps a handler's answer.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(text []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.body.Write(text)
}

func readOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the sandbox's registry and mirror are read-only", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// MirrorHandler serves the catalogue's binaries at their paths.
func (c Catalogue) MirrorHandler() http.Handler {
	files := map[string]string{}
	for _, artifact := range c.Artifacts {
		files[artifact.Path] = artifact.File
	}
	return readOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, found := files[r.URL.Path]
		if !found {
			http.NotFound(w, r)
			return
		}
		file, err := os.Open(name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", info.ModTime(), file)
	}))
}
