package provider

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/infra/tools/plugintest"
)

// asset returns a file asset with its digest, as the engine hands it over.
func asset(t *testing.T, path string) resource.PropertyValue {
	t.Helper()
	a, err := resource.NewPathAsset(path)
	if err != nil {
		t.Fatal(err)
	}
	return resource.NewProperty(a)
}

func archive(t *testing.T, path string) resource.PropertyValue {
	t.Helper()
	a, err := resource.NewPathArchive(path)
	if err != nil {
		t.Fatal(err)
	}
	return resource.NewProperty(a)
}

func put(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCopyLifeCycle(t *testing.T) {
	d, h := driver(t), plugintest.NewHost(t)
	// More packets than are sent ahead, and a last one that is not full.
	content := bytes.Repeat([]byte("0123456789abcdef"), 50_001)
	source := put(t, filepath.Join(t.TempDir(), "app.bin"), string(content))
	r := d.Resource(copyToRemote, "copy")
	inputs := map[string]any{"connection": connection(h), "source": asset(t, source), "remotePath": "app"}

	if preview := r.PreviewCreate(plugintest.Map(inputs)); h.Connections() != 0 || text(preview, "remotePath") != "app" {
		t.Errorf("a preview made %d connections and shows %v", h.Connections(), preview)
	}
	if err := r.Create(t.Context(), plugintest.Map(inputs)); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(h.Dir, "app")); err != nil || !bytes.Equal(got, content) {
		t.Errorf("copied %d bytes, %v, want %d", len(got), err, len(content))
	}
	if !r.State["connection"].IsSecret() {
		t.Error("the connection is in clear")
	}

	inputs["connection"] = connection(h, map[string]any{"dialErrorLimit": float64(3)})
	if got := r.Diff(plugintest.Map(inputs)); got != "update" {
		t.Errorf("another connection: %s", got)
	}
	before := h.Connections()
	if err := r.Update(t.Context(), plugintest.Map(inputs)); err != nil || h.Connections() != before {
		t.Errorf("another connection copies again: %v", err)
	}

	inputs["source"] = asset(t, put(t, filepath.Join(t.TempDir(), "app.bin"), "new"))
	if err := r.Update(t.Context(), plugintest.Map(inputs)); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(h.Dir, "app")); err != nil || string(got) != "new" {
		t.Errorf("updated to %q, %v", got, err)
	}
	inputs["triggers"] = []any{"one"}
	if got := r.Diff(plugintest.Map(inputs)); got != "replace" {
		t.Errorf("other triggers: %s", got)
	}
	if err := r.Delete(t.Context()); err != nil || !exists(filepath.Join(h.Dir, "app"))() {
		t.Errorf("delete: %v; the copy must stay", err)
	}
}

func TestCopyPlacesAsDocumented(t *testing.T) {
	for name, row := range map[string]struct {
		source, remote string
		before, want   []string
	}{
		"file to a new path":              {"tree/one", "new", nil, []string{"new"}},
		"file into a folder":              {"tree/one", "folder", []string{"folder/"}, []string{"folder/one"}},
		"file over a file":                {"tree/one", "old", []string{"old"}, []string{"old"}},
		"folder to a new path":            {"tree", "new", nil, []string{"new/tree/one", "new/tree/sub/two"}},
		"folder into a folder":            {"tree", "folder", []string{"folder/"}, []string{"folder/tree/one", "folder/tree/sub/two"}},
		"folder's content to a new path":  {"tree/", "new", nil, []string{"new/one", "new/sub/two"}},
		"folder's content into a folder":  {"tree/", "folder", []string{"folder/sub/"}, []string{"folder/one", "folder/sub/two"}},
		"folder again, over what it made": {"tree", "folder", []string{"folder/tree/sub/"}, []string{"folder/tree/one", "folder/tree/sub/two"}},
	} {
		t.Run(name, func(t *testing.T) {
			d, h, here := driver(t), plugintest.NewHost(t), t.TempDir()
			put(t, filepath.Join(here, "tree/one"), "1")
			put(t, filepath.Join(here, "tree/sub/two"), "2")
			for _, b := range row.before {
				if b[len(b)-1] == '/' {
					if err := os.MkdirAll(filepath.Join(h.Dir, b), 0o755); err != nil {
						t.Fatal(err)
					}
				} else {
					put(t, filepath.Join(h.Dir, b), "old")
				}
			}
			source := here + "/" + row.source
			file := asset
			if info, err := os.Stat(source); err == nil && info.IsDir() {
				file = archive
			}
			value := file(t, source)
			if err := d.Resource(copyToRemote, "copy").Create(t.Context(), plugintest.Map(map[string]any{
				"connection": connection(h), "source": value, "remotePath": row.remote,
			})); err != nil {
				t.Fatal(err)
			}
			var got []string
			err := filepath.WalkDir(h.Dir, func(path string, entry os.DirEntry, err error) error {
				if err == nil && !entry.IsDir() {
					name, _ := filepath.Rel(h.Dir, path)
					if content, err := os.ReadFile(path); err != nil || string(content) == "old" {
						t.Errorf("%s: %q, %v", name, content, err)
					}
					got = append(got, name)
				}
				return err
			})
			if err != nil || !slices.Equal(got, row.want) {
				t.Errorf("the host has %q, %v, want %q", got, err, row.want)
			}
		})
	}
}

func TestCopyErrors(t *testing.T) {
	d, h, here := driver(t), plugintest.NewHost(t), t.TempDir()
	one := put(t, filepath.Join(here, "tree/one"), "1")
	put(t, filepath.Join(h.Dir, "file"), "old")
	r := d.Resource(copyToRemote, "copy")

	literal, err := resource.NewTextAsset("text")
	if err != nil {
		t.Fatal(err)
	}
	_, failures := r.Check(plugintest.Map(map[string]any{"connection": connection(h), "source": resource.NewProperty(literal), "remotePath": "x"}))
	if fmt.Sprint(failures) != "[source: asset must be a path-based file asset]" {
		t.Errorf("a text asset: %q", failures)
	}
	if _, failures := r.Check(plugintest.Map(map[string]any{"connection": connection(h), "source": plugintest.Unknown(), "remotePath": "x"})); len(failures) != 0 {
		t.Errorf("a source that is not known yet: %q", failures)
	}

	gone := asset(t, put(t, filepath.Join(here, "gone"), ""))
	if err := os.Remove(filepath.Join(here, "gone")); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		source resource.PropertyValue
		remote string
		want   string
	}{
		{asset(t, one), "no/such/folder/one", "failed to copy file " + one + " to remote path no/such/folder/one: file does not exist"},
		{archive(t, filepath.Dir(one)), "file", "remote path file exists but is not a directory"},
		{archive(t, filepath.Dir(one)), "no/such/folder", "failed to create remote directory no/such/folder: file does not exist"},
		{gone, "x", "copy " + here + "/gone: stat " + here + "/gone: no such file or directory"},
	} {
		err := r.Create(t.Context(), plugintest.Map(map[string]any{"connection": connection(h), "source": row.source, "remotePath": row.remote}))
		if err == nil || err.Error() != row.want {
			t.Errorf("\n got %v\nwant %s", err, row.want)
		}
	}
}
