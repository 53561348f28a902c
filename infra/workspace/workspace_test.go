package workspace_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"havre/infra/workspace"
)

func TestOpenFindsTheCheckoutFromBelow(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "infra", "platform")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module havre\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "infra", "go.mod"), []byte("module havre/infra/tools/modules/etcd\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := workspace.Open(deep)
	if err != nil {
		t.Fatal(err)
	}
	if found.Root != root {
		t.Errorf("root = %s, want %s: a module below the checkout is not the checkout", found.Root, root)
	}
}

func TestOpenSaysWhereItLooked(t *testing.T) {
	dir := t.TempDir()
	_, err := workspace.Open(dir)
	want := "folder " + dir + ": no checkout of havre here or above (a go.mod of module havre); change into one"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
}

func TestEnvScriptGivesAShellExactlyTheEnvironmentOfAProcess(t *testing.T) {
	w := workspace.Workspace{Root: filepath.Join(t.TempDir(), "it's here"), Cache: t.TempDir()}
	if err := w.Prepare(); err != nil {
		t.Fatal(err)
	}
	for name, want := range w.LocalEnv() {
		out, err := exec.Command("bash", "-c", `source "$1" && printf %s "${!2}"`, "bash", w.Bin("env"), name).Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if string(out) != want {
			t.Errorf("%s = %q in a shell, %q in a process", name, out, want)
		}
	}
	environ := strings.Join(w.Environ(w.LocalEnv()), "\n")
	if !strings.Contains(environ, "\nPATH="+w.Path("bin")+":") {
		t.Errorf("bin/ is not first on the path:\n%s", environ)
	}
}

func TestPreviewNeverTouchesTheStateOfAStack(t *testing.T) {
	w := workspace.Workspace{Root: "/checkout"}
	if got := w.PreviewEnv(w.Sandbox())["PULUMI_BACKEND_URL"]; got == w.LocalEnv()["PULUMI_BACKEND_URL"] {
		t.Errorf("preview and local share the backend %s", got)
	}
}

func TestPrepareKeepsPulumiFromLoggingEveryCall(t *testing.T) {
	w := workspace.Workspace{Root: t.TempDir()}
	for range 2 {
		if err := w.Prepare(); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(w.PulumiHome(), "logs"))
	if err != nil || info.IsDir() {
		t.Errorf("logs is %v (%v), want a plain file", info, err)
	}
}
