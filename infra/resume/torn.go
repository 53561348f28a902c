package resume

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// torn says whether an error is Pulumi's way of saying that it read an empty or half-written file.
func torn(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(), "unexpected end of JSON input"))
}

// mendTorn removes what a run that was killed in the middle of a write left of it in a file backend. A state file itself is never torn, because Pulumi
// writes it beside and renames it. Two things can be: the sidecar with a file's attributes, without which the file is read all the same (seen once in
// fifteen kills), and a lock that never got its name. Backends other than files write whole objects, and are left alone.
func mendTorn(ctx context.Context, p Runner, o Options) (err error) {
	text, err := p.Output(ctx, "whoami", "--json")
	if err != nil {
		return fmt.Errorf("resume stack %s: %w", o.Stack, err)
	}
	var who struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal(text, &who); err != nil {
		return fmt.Errorf("resume stack %s: backend: %w", o.Stack, err)
	}
	backend, err := url.Parse(who.URL)
	if err != nil || backend.Scheme != "file" {
		return nil
	}
	// A root keeps the removals inside the backend, links or not.
	root, err := os.OpenRoot(filepath.Join(backend.Path, ".pulumi"))
	if err != nil {
		return fmt.Errorf("resume stack %s: %w", o.Stack, err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // somebody ended and took it away
		}
		if err != nil || entry.IsDir() {
			return err
		}
		sidecar := strings.HasSuffix(path, ".attrs")
		lock := strings.HasPrefix(path, "locks/") && strings.HasSuffix(filepath.Dir(path), "/"+o.Stack)
		if !sidecar && !lock {
			return nil
		}
		text, err := root.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || json.Valid(bytes.TrimSpace(text)) {
			return err
		}
		o.Report("removes a file that the killed run was about to write: .pulumi/" + path)
		if err := root.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}
