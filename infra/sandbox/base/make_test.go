//go:build sandbox

package base

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMake needs root and a mirror. It uses the engineer's cache, where a second run finds the base made.
func TestMake(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Builder{Cache: filepath.Join(cache, "havre"), Progress: func(line string) { t.Log(line) }}.Make(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range off {
		out, _ := exec.Command("systemctl", "--root="+tree, "is-enabled", unit).Output()
		if state := strings.TrimSpace(string(out)); state != "disabled" {
			t.Errorf("unit %s is %s in the base, want disabled", unit, state)
		}
	}
	for _, path := range []string{"etc/machine-id", "etc/ssh/ssh_host_ed25519_key", "etc/apt/apt.conf.d/99mmdebstrap"} {
		if _, err := os.Stat(filepath.Join(tree, path)); err == nil {
			t.Errorf("the base holds /%s", path)
		}
	}
}
