package compiler

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stubs puts an apt-get that makes archives and a dpkg-deb that reads them before the real ones, and gives what apt-get was asked.
func stubs(t *testing.T, apt string) (asked func() string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"apt-get":  "#!/bin/sh\necho \"$@\" >> " + dir + "/asked\n" + apt,
		"dpkg-deb": "#!/bin/sh\nexec cat \"$2\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() string {
		text, err := os.ReadFile(filepath.Join(dir, "asked"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

// TestUnpack: packages that name the old folders and those that name the new ones meet in one, as on a Debian of today.
func TestUnpack(t *testing.T) {
	asked := stubs(t, `set -e
mkdir -p old/lib new/usr/lib
echo m > old/lib/libm.so.6
echo z > new/usr/lib/libz.so.1
tar -cf libc6.deb -C old .
tar -cf zlib1g.deb -C new .
rm -r old new
`)
	cache := t.TempDir()
	var said []string
	tree, err := Unpack(t.Context(), cache, func(line string) { said = append(said, line) })
	if err != nil {
		t.Fatal(err)
	}
	for _, library := range []string{"libm.so.6", "libz.so.1"} {
		if _, err := os.Stat(filepath.Join(tree, "usr/lib", library)); err != nil {
			t.Error(err)
		}
	}
	if !slices.Contains(strings.Fields(asked()), "clang-19") || len(said) != 1 {
		t.Errorf("apt-get was asked %q, and said was %q", asked(), said)
	}
	again, err := Unpack(t.Context(), cache, func(line string) { said = append(said, line) })
	if err != nil || again != tree || strings.Count(asked(), "download") != 1 || len(said) != 1 {
		t.Errorf("a second time: %s, %v; asked %q", again, err, asked())
	}
	entries, err := os.ReadDir(filepath.Dir(tree))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestFailuresLeaveNothing(t *testing.T) {
	stubs(t, "echo E: no such package\nexit 100\n")
	cache := t.TempDir()
	_, err := Unpack(t.Context(), cache, func(string) {})
	want := "compiler: apt-get download: exit status 100: E: no such package; this needs Debian 12, its mirror, and fresh package lists (apt-get update)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if entries, err := os.ReadDir(filepath.Join(cache, "sandbox")); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
