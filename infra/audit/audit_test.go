package audit_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"havre/infra/audit"
)

// printed is what kube-bench prints, of the checks given.
func printed(results ...string) string {
	return `{"Controls":[{"id":"1","text":"Control Plane","node_type":"master","tests":[{"section":"1.2","results":[` + strings.Join(results, ",") + `]}]}],"Totals":{"total_pass":1}}`
}

func result(id, status string) string {
	return `{"test_number":"` + id + `","test_desc":"What ` + id + ` wants","remediation":"Do\n  this for ` + id + `","status":"` + status + `","scored":true}`
}

// host answers as the tools would, and looks at what kube-bench is fed.
type host struct {
	out     string
	lynis   string
	err     error
	command string
	fed     []byte
}

func (h *host) Feed(_ context.Context, command string, input io.Reader) (string, error) {
	if strings.Contains(command, "lynis audit system") {
		return h.lynis, h.err
	}
	h.command = command
	var err error
	if h.fed, err = io.ReadAll(input); err != nil {
		return "", err
	}
	return h.out, h.err
}

func subjects(control, worker *host) []audit.Subject {
	for _, h := range []*host{control, worker} {
		h.lynis = cmp.Or(h.lynis, "tests_executed=TIME-3104|\n")
	}
	return []audit.Subject{{Name: "gra-control-1", Cluster: true, ControlPlane: true, Host: control}, {Name: "gra-worker-1", Cluster: true, Host: worker}}
}

func TestRun(t *testing.T) {
	control := &host{out: printed(result("1.2.10", "PASS"), result("1.2.9", "FAIL"), result("4.1.1", "FAIL"))}
	worker := &host{out: printed(result("4.1.1", "PASS"), result("4.1.2", "WARN"))}
	found, err := audit.Run(t.Context(), subjects(control, worker), audit.Reader([]byte("bundle")), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, f := range found {
		ids = append(ids, f.ID)
	}
	if want := []string{"1.2.9", "1.2.10", "4.1.1", "4.1.2", "TIME-3104"}; !slices.Equal(ids, want) {
		t.Errorf("checks %v, want %v", ids, want)
	}
	if got := found[2].Failed(); !slices.Equal(got, []string{"gra-control-1"}) {
		t.Errorf("4.1.1 failed on %v", got)
	}
	if !strings.Contains(control.command, "--targets master,etcd,controlplane,node ") || !strings.Contains(worker.command, "--targets node ") {
		t.Errorf("asked were %q and %q", control.command, worker.command)
	}
	if string(control.fed) != "bundle" || string(worker.fed) != "bundle" {
		t.Errorf("fed were %q and %q", control.fed, worker.fed)
	}
}

func TestRunFails(t *testing.T) {
	for name, c := range map[string]struct {
		host *host
		want string
	}{
		"a host":         {&host{err: errors.New("ssh: no way")}, "audit: host gra-worker-1: ssh: no way"},
		"no JSON":        {&host{out: "kube-bench: not found"}, `audit: host gra-worker-1: what kube-bench printed is no JSON: invalid character 'k' looking for beginning of value: "kube-bench: not found"`},
		"nothing":        {&host{out: `{"Controls":[]}`}, "audit: host gra-worker-1: kube-bench checked nothing"},
		"Lynis":          {&host{lynis: "warning[]=FIRE-4512\n"}, `audit: host gra-worker-1: lynis printed a line that is not TEST|TEXT|DETAILS|SOLUTION: "warning[]=FIRE-4512\n"`},
		"no Lynis":       {&host{lynis: "hardening_index=59\n"}, "audit: host gra-worker-1: lynis checked nothing"},
		"another status": {&host{out: printed(result("1.1.1", "MAYBE"))}, `audit: host gra-worker-1: check 1.1.1 ended as "MAYBE", which is none of PASS, FAIL, WARN and INFO`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := audit.Run(t.Context(), subjects(&host{out: printed(result("1.1.1", "PASS"))}, c.host), audit.Reader(nil), func(string) {})
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v\nwanted %s", err, c.want)
			}
		})
	}
}

// A host outside the cluster is asked about itself, and not about Kubernetes.
func TestRunOutsideTheCluster(t *testing.T) {
	data := &host{lynis: "warning[]=FIRE-4512|no rules|-|-|\nsuggestion[]=SSH-7408|Consider hardening SSH|AllowTcpForwarding (set YES to NO)|-|\n" +
		"suggestion[]=SSH-7408|Consider hardening SSH|Port (set 22 to )|-|\nsuggestion[]=NETW-3200|Is dccp needed|-|-|\nsuggestion[]=NETW-3200|Is sctp needed|-|text:disable it|\n" +
		"tests_executed=TIME-3104|SSH-7408|FIRE-4512|NETW-3200|\n"}
	found, err := audit.Run(t.Context(), []audit.Subject{{Name: "gra-data-1", Host: data}}, nil, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	on := func(s audit.Status) map[string]audit.Status { return map[string]audit.Status{"gra-data-1": s} }
	want := []audit.Finding{
		{ID: "FIRE-4512", Text: "no rules", Hosts: on(audit.Fail)},
		{ID: "NETW-3200", Text: "Is dccp needed", Hosts: on(audit.Warn)},
		{ID: "SSH-7408 AllowTcpForwarding", Text: "Consider hardening SSH: AllowTcpForwarding (set YES to NO)", Hosts: on(audit.Warn)},
		{ID: "SSH-7408 Port", Text: "Consider hardening SSH: Port (set 22 to )", Hosts: on(audit.Warn)},
		{ID: "TIME-3104", Text: "lynis finds nothing to say", Hosts: on(audit.Pass)},
	}
	if !reflect.DeepEqual(found, want) {
		t.Errorf("got %+v\nwanted %+v", found, want)
	}
	if data.command != "" {
		t.Errorf("kube-bench was asked: %s", data.command)
	}
}

func TestJudge(t *testing.T) {
	findings, err := audit.Parse("gra-control-1", []byte(printed(result("1.2.1", "FAIL"), result("1.2.2", "FAIL"), result("1.2.3", "PASS"), result("1.2.4", "WARN"))))
	if err != nil {
		t.Fatal(err)
	}
	exceptions := []audit.Exception{{ID: "1.2.1", Why: "something else protects"}, {ID: "1.2.3", Why: "once"}}
	want := "check 1.2.2 fails on gra-control-1: What 1.2.2 wants; mend it (Do this for 1.2.2), or give the reason in infra/audit/exceptions.go\n" +
		"check 1.2.3 does not fail; remove its reason from infra/audit/exceptions.go"
	if err := audit.Judge(findings, exceptions); err == nil || err.Error() != want {
		t.Errorf("got %v\nwanted %s", err, want)
	}
	if err := audit.Judge(findings, []audit.Exception{{ID: "1.2.1", Why: "a"}, {ID: "1.2.2", Why: "b"}}); err != nil {
		t.Errorf("all has a reason, and yet: %v", err)
	}
	// Of one host's findings, only reasons that they need are asked for.
	if err := audit.Judge(findings, append(audit.Of(findings, exceptions), audit.Exception{ID: "1.2.2", Why: "b"})); err != nil {
		t.Errorf("a reason that another host needs: %v", err)
	}
	text := audit.Text(findings, exceptions, false)
	for _, line := range []string{
		"1.2.1  fails", "all 1  something else protects", "1.2.4  to be looked at", "audit: 1 checks hold, 1 fail for a reason, 1 fail without one, 1 are for a person to look at",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the table lacks %q:\n%s", line, text)
		}
	}
	if strings.Contains(text, "1.2.3") || !strings.Contains(audit.Text(findings, exceptions, true), "1.2.3  holds") {
		t.Errorf("what holds is shown, or is not where all is asked for:\n%s", text)
	}
}

// TestExceptions: each has a reason, and stands once.
func TestExceptions(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range audit.Exceptions(true) {
		if seen[e.ID] || len(e.Why) < 20 {
			t.Errorf("exception %+v stands twice, or has no reason", e)
		}
		seen[e.ID] = true
	}
	if !seen["PKGS-7388"] || slices.ContainsFunc(audit.Exceptions(false), func(e audit.Exception) bool { return e.ID == "PKGS-7388" }) {
		t.Error("what is excused on the sandbox must not be on a real host")
	}
}

func TestBundle(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{"kube-bench": "binary", "config.yaml": "settings", audit.Benchmark + "/master.yaml": "checks", "cis-1.5/master.yaml": "old"} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	bundle, err := audit.Bundle(filepath.Join(folder, "kube-bench"), folder)
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(bundle))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, header.Name+"="+string(text))
	}
	if want := []string{"kube-bench=binary", "cfg/config.yaml=settings", "cfg/" + audit.Benchmark + "/master.yaml=checks"}; !slices.Equal(got, want) {
		t.Errorf("packed %v, want %v", got, want)
	}
	if _, err := audit.Bundle(filepath.Join(folder, "none"), folder); err == nil {
		t.Error("a bundle without the tool was packed")
	}
}
