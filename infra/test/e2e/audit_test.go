//go:build e2e

package e2e

import (
	"context"
	"os"
	"strings"
	"testing"
)

// audited has every host checked, and looks that a check which fails without a reason fails the audit.
func (w *walk) audited(t *testing.T, ctx context.Context) {
	out, err := w.havre(ctx, "audit", "local")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, " 0 fail without one,") {
		t.Errorf("the last line is another: %s", out)
	}
	if text, err := os.ReadFile(w.ws.Path("build", "audit.json")); err != nil || !strings.Contains(string(text), `"id": "1.1.12"`) {
		t.Errorf("the record lacks a finding: %v", err)
	}
	// Something that the benchmark minds, on one host.
	const open, closed = "chmod 0644 /etc/kubernetes/admin.conf", "chmod 0600 /etc/kubernetes/admin.conf"
	if _, err := w.on(ctx, "gra-control-1", open); err != nil {
		t.Fatal(err)
	}
	_, err = w.havre(ctx, "audit", "local", "--only", "gra-control-1")
	if err == nil || !strings.Contains(err.Error(), "fails on gra-control-1: ") || !strings.Contains(err.Error(), "admin.conf") {
		t.Errorf("a kubeconfig of the administrator that all may read: %v", err)
	}
	if _, err := w.on(ctx, "gra-control-1", closed); err != nil {
		t.Fatal(err)
	}
}
