package comparison

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"havre/components/host/script/scripttest"
)

func TestSame(t *testing.T) {
	ours := looks{"a": "== mesh\n51820\n== reached\n10.80.0.1\n", "b": "== mesh\n51820\n"}
	for _, c := range []struct {
		name   string
		theirs looks
		want   string
	}{
		{"alike", looks{"a": ours["a"], "b": ours["b"]}, ""},
		{"fewer", looks{"a": ours["a"]}, "havre left 2 hosts and ansible 1"},
		{"another value", looks{"a": "== mesh\n51821\n== reached\n10.80.0.9\n", "b": ours["b"]},
			`host a is not the same, below "mesh": "51820" by havre, "51821" by ansible; mend infra/bench/ansible`},
		{"a line less", looks{"a": ours["a"], "b": "== mesh"},
			`host b is not the same, below "mesh": "51820" by havre, "" by ansible; mend infra/bench/ansible`},
		{"both", looks{"a": "", "b": ""},
			`host a is not the same, below "nothing": "== mesh" by havre, "" by ansible; mend infra/bench/ansible` + "\n" +
				`host b is not the same, below "nothing": "== mesh" by havre, "" by ansible; mend infra/bench/ansible`},
	} {
		got := ""
		if err := ours.same(c.theirs, Havre, Ansible); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestInspectIsAScript(t *testing.T) { scripttest.Check(t, inspect) }

// What is missing is said in a line; root installs it.
func TestMissing(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("PATH", folder)
	install := func(context.Context, []string) error { return errors.New("no network") }
	if got := Missing(t.Context(), 1000, install); got != "hosts need root; run make bench as root" {
		t.Errorf("got %s", got)
	}
	const want = "Ansible is missing (no network) and could not be installed; apt-get install ansible-core, then make bench again"
	if got := Missing(t.Context(), 0, install); got != want {
		t.Errorf("got %s", got)
	}
	var installed []string
	got := Missing(t.Context(), 0, func(_ context.Context, packages []string) error {
		installed = packages
		return os.WriteFile(filepath.Join(folder, "ansible-playbook"), []byte("#!/bin/sh\necho 'ansible-playbook [core 2.14.18]'\n"), 0o755)
	})
	if got != "" || strings.Join(installed, " ") != "ansible-core" {
		t.Errorf("got %s, installed %v", got, installed)
	}
	if got := Missing(t.Context(), 0, install); got != "" {
		t.Errorf("got %s", got)
	}
}
