package provider

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"havre/infra/tools/plugintest"
)

func TestLocalLifeCycle(t *testing.T) {
	d, dir := driver(t), t.TempDir()
	r := d.Resource(localCommand, "command")
	inputs := plugintest.Map(map[string]any{
		"dir": dir, "interpreter": []any{"/bin/sh", "-e", "-c"}, "environment": map[string]any{"COLOUR": "blue"}, "stdin": resource.MakeSecret(resource.NewProperty("hush")),
		"create": `echo "created $COLOUR"; cat`, "update": `echo "updated after $PULUMI_COMMAND_STDOUT"`, "delete": `echo "$PULUMI_COMMAND_STDOUT" >deleted`,
		"triggers": []any{"one"},
	})
	if p := r.PreviewCreate(inputs)["stdout"]; !p.IsComputed() && !p.IsOutput() {
		t.Errorf("stdout is known before the command ran: %v", p)
	}
	if err := r.Create(t.Context(), inputs); err != nil {
		t.Fatal(err)
	}
	if out := text(r.State, "stdout"); out != "created blue\nhush" || !r.State["stdin"].IsSecret() {
		t.Errorf("stdout %q, stdin %s", out, r.State["stdin"].TypeString())
	}
	if got := r.Diff(inputs); got != "same" {
		t.Errorf("the same inputs: %s", got)
	}
	changed := inputs.Copy()
	changed["environment"] = resource.NewProperty(resource.PropertyMap{})
	if got := r.Diff(changed); got != "update" {
		t.Errorf("another environment: %s", got)
	}
	if err := r.Update(t.Context(), changed); err != nil || text(r.State, "stdout") != "updated after created blue\nhush" {
		t.Errorf("updated: %v, stdout %q", err, text(r.State, "stdout"))
	}
	if err := r.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "deleted")); err != nil || string(got) != "updated after created blue\nhush\n" {
		t.Errorf("delete saw %q, %v", got, err)
	}
}

func TestLocalCollectsFiles(t *testing.T) {
	d := driver(t)
	for _, row := range []struct {
		globs []any
		want  []string
	}{
		{[]any{"*.txt"}, []string{"a.txt", "b.txt"}},
		{[]any{"**.txt", "!b.*"}, []string{"a.txt", "sub/c.txt"}},
		{[]any{"sub/*", "{a,b}.txt"}, []string{"a.txt", "b.txt", "sub/c.txt"}},
		{[]any{"[!a].txt", "?.md"}, []string{"b.txt", "d.md"}},
		{[]any{"none"}, nil},
	} {
		r := d.Resource(localCommand, "command")
		if err := r.Create(t.Context(), plugintest.Map(map[string]any{
			"dir": t.TempDir(), "create": "mkdir sub; for f in a.txt b.txt sub/c.txt d.md; do echo $f >$f; done", "assetPaths": row.globs, "archivePaths": row.globs,
		})); err != nil {
			t.Fatal(err)
		}
		var got []string
		for name, a := range r.State["assets"].ObjectValue() {
			if !a.IsAsset() || a.AssetValue().Hash == "" {
				t.Errorf("%s is %v", name, a)
			}
			got = append(got, string(name))
		}
		slices.Sort(got)
		members, _ := r.State["archive"].ArchiveValue().GetAssets()
		if archived := slices.Sorted(maps.Keys(members)); !slices.Equal(got, row.want) || !slices.Equal(archived, row.want) {
			t.Errorf("%q: assets %q, archive %q, want %q", row.globs, got, archived, row.want)
		}
	}
}

func TestLocalErrors(t *testing.T) {
	d := driver(t)
	for _, row := range []struct {
		inputs map[string]any
		want   string
	}{
		{map[string]any{"create": "echo one; exit 3"}, "exit status 3: running \"echo one; exit 3\":\none\n"},
		{map[string]any{"create": "true", "interpreter": []any{"/no/such/shell"}}, "fork/exec /no/such/shell: no such file or directory: running \"true\":\n"},
		{map[string]any{"create": "true", "dir": "/no/such/folder"}, "working directory: stat /no/such/folder: no such file or directory"},
		{map[string]any{"create": "true", "assetPaths": []any{"a[b"}}, `glob "a[b": [ without a class and ]; write \[ for the character`},
		{map[string]any{"create": "true", "archivePaths": []any{"a{b"}}, `glob "a{b": { without }; write \{ for the character`},
	} {
		if err := d.Resource(localCommand, "command").Create(t.Context(), plugintest.Map(row.inputs)); err == nil || err.Error() != row.want {
			t.Errorf("\n got %v\nwant %s", err, row.want)
		}
	}
}

func TestCancelEndsALocalCommandAndItsChildren(t *testing.T) {
	d, dir := driver(t), t.TempDir()
	failed := make(chan error)
	go func() {
		failed <- d.Resource(localCommand, "command").Create(t.Context(), plugintest.Map(map[string]any{
			"dir": dir, "create": "sleep 1000 & echo $! >pid.new; mv pid.new pid; wait",
		}))
	}()
	pid := filepath.Join(dir, "pid")
	eventually(t, "the command starts", exists(pid))
	d.Cancel()
	if err := <-failed; err == nil || err.Error() != "stopped: context canceled: running \"sleep 1000 & echo $! >pid.new; mv pid.new pid; wait\":\n" {
		t.Errorf("got %v", err)
	}
	content, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	var child int
	if _, err := fmt.Sscan(string(content), &child); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child ends", func() bool { return gone(child) })
}
