//go:build e2e

package database

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"havre/components/database"
	"havre/infra/bench/project"
	"havre/infra/sandbox/bringup"
	"havre/infra/sandbox/ovhsim"
	"havre/infra/tools"
	"havre/infra/workspace"
	"havre/services/render/reader"
)

// Two workers, by the addresses that their pods come from.
const (
	firstWorker  = "127.0.0.1" // where a connection begins that names no address
	secondWorker = "127.0.0.5"
)

// stack is the database's part of a stack, under the real engine.
type stack struct {
	*project.Project
	api  *api
	said bytes.Buffer // everything that Pulumi ever printed
}

func newStack(t *testing.T) *stack {
	t.Helper()
	ctx := t.Context()
	ws, err := workspace.Open(".")
	must(t, err)
	progress := func(line string) { t.Log(line) }
	paths, err := bringup.BuildTools(ctx, ws, append([]string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"}, bringup.EngineTools...), progress)
	must(t, err)
	must(t, bringup.BuildOwn(ctx, ws, paths["pulumi-resource-kubernetes"], progress))
	program := ws.Path("build", "database", "program")
	must(t, tools.BuildOwn(ctx, ws.Root, "./infra/test/database/program", program))
	s := &stack{api: newAPI(t, paths)}
	s.Project, err = project.New(ctx, ws, ws.Path("build", "database", "project"), project.Options{Stack: "prod", Program: program, BudgetEuros: 200, Databases: newManager(t)})
	must(t, err)
	t.Cleanup(s.Close)
	s.Env["HAVRE_TEST_KUBECONFIG"] = s.api.kubeconfig
	s.configure(t, "project", ovhsim.CloudProject)
	s.configure(t, "workers", firstWorker+" "+secondWorker)
	return s
}

func (s *stack) configure(t *testing.T, key, value string) {
	t.Helper()
	_, err := s.Output(t.Context(), "config", "set", "havre:"+key, value)
	must(t, err)
}

// pulumi runs pulumi and keeps what it printed.
func (s *stack) pulumi(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := s.Output(t.Context(), args...)
	s.said.Write(out)
	if err != nil {
		s.said.WriteString(err.Error())
		return string(out), fmt.Errorf("pulumi %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func (s *stack) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.pulumi(t, args...)
	must(t, err)
	return out
}

// one is the account's only database.
func (s *stack) one(t *testing.T) ovhsim.DatabaseView {
	t.Helper()
	list := s.OVH.Databases()
	if len(list) != 1 || list[0].Status != "READY" {
		t.Fatalf("databases %+v, want one that is ready", list)
	}
	return list[0]
}

// connection is the Secret as the API server has it.
func (s *stack) connection(t *testing.T) map[string]string {
	t.Helper()
	var secret struct {
		Data map[string][]byte `json:"data"`
	}
	if !s.api.get(t, "secret", database.App, &secret) {
		t.Fatal("there is no Secret with the connection")
	}
	out := map[string]string{}
	for key, value := range secret.Data {
		out[key] = string(value)
	}
	return out
}

// TestLife is a database's life under the real engine: ordered, used by the renderer, unchanged by a second run, opened to other workers, given up in two runs.
func TestLife(t *testing.T) {
	s := newStack(t)
	if said := s.must(t, "preview"); !strings.Contains(said, "176.00 EUR a month") || len(s.OVH.Databases()) != 0 {
		t.Errorf("the preview ordered something, or does not say the price:\n%s", said)
	}
	s.must(t, "up", "--yes", "--skip-preview")
	view := s.one(t)
	if want := []string{firstWorker + "/32", secondWorker + "/32"}; !slices.Equal(view.Allowed, want) || view.Plan != "production" || view.Flavor != "b3-8" {
		t.Errorf("ordered was %+v; want it to be reached from %v", view, want)
	}
	connection := s.connection(t)
	if connection[database.KeyHost] != view.Endpoint.Host || connection[database.KeyPort] != fmt.Sprint(view.Endpoint.Port) || connection[database.AuthorityFile] != view.Endpoint.Authority {
		t.Errorf("the Secret leads to %s:%s, the database is at %+v", connection[database.KeyHost], connection[database.KeyPort], view.Endpoint)
	}
	s.route(t, view.Endpoint.Port)
	s.use(t, connection)
	s.backedUp(t)

	// A second run has nothing to do, whether it trusts the state or looks everywhere.
	s.must(t, "up", "--yes", "--expect-no-changes")
	s.must(t, "refresh", "--yes", "--expect-no-changes")
	s.must(t, "preview", "--expect-no-changes", "--diff")

	// A worker goes: one resource changes, and its pods are out.
	s.dial(t, connection, secondWorker, "")
	s.configure(t, "workers", firstWorker)
	var plan struct {
		Steps []struct{ Op, URN string } `json:"steps"`
	}
	must(t, json.Unmarshal([]byte(s.must(t, "preview", "--json")), &plan))
	for _, step := range plan.Steps {
		if step.Op != "same" && !strings.HasSuffix(step.URN, "::database-access") {
			t.Errorf("another worker list is %s of %s", step.Op, step.URN)
		}
	}
	s.must(t, "up", "--yes", "--skip-preview")
	s.dial(t, connection, secondWorker, "no pg_hba.conf entry")
	s.dial(t, connection, firstWorker, "")
	if again := s.connection(t); again[database.KeyURL] != connection[database.KeyURL] {
		t.Error("another worker list made another connection")
	}

	// It is protected, and given up in two runs.
	if _, err := s.pulumi(t, "destroy", "--preview-only"); err == nil || !strings.Contains(err.Error(), "protect") {
		t.Fatalf("destroy of a protected database: %v", err)
	}
	if s.one(t).ID != view.ID {
		t.Fatal("the database is another one")
	}
	s.configure(t, "retired", "true")
	s.must(t, "up", "--yes", "--skip-preview")
	s.searched(t, connection)
	s.must(t, "destroy", "--yes", "--skip-preview")
	if list := s.OVH.Databases(); len(list) != 0 {
		t.Errorf("after destroy there are %+v", list)
	}
	for kind, name := range map[string]string{"secret": database.App, "networkpolicy": database.App} {
		if s.api.get(t, kind, name, &struct{}{}) {
			t.Errorf("after destroy %s %s is there", kind, name)
		}
	}
	if left := s.must(t, "stack", "export"); strings.Contains(left, "database-") {
		t.Errorf("the state still has\n%s", left)
	}
	s.searched(t, connection)
}

// route looks at the policy that lets the renderer's pods out.
func (s *stack) route(t *testing.T, port int) {
	t.Helper()
	var policy struct {
		Spec struct {
			PodSelector struct{ MatchLabels map[string]string }
			Egress      []struct {
				Ports []struct{ Port int }
				To    []struct {
					IPBlock struct {
						CIDR   string
						Except []string
					}
				}
			}
		}
	}
	if !s.api.get(t, "networkpolicy", database.App, &policy) {
		t.Fatal("there is no policy for the way out")
	}
	rules := policy.Spec.Egress
	if len(rules) != 1 || len(rules[0].Ports) != 1 || rules[0].Ports[0].Port != port || len(rules[0].To) != 1 || rules[0].To[0].IPBlock.CIDR != "0.0.0.0/0" ||
		!slices.Equal(rules[0].To[0].IPBlock.Except, []string{"10.80.0.0/16"}) || policy.Spec.PodSelector.MatchLabels["app.kubernetes.io/name"] != "renderer" {
		t.Errorf("the way out is %+v; want port %d outside the mesh, for the renderer", policy.Spec, port)
	}
}

// use has the renderer's reader look somebody up by the Secret, mounted as kubelet does.
func (s *stack) use(t *testing.T, connection map[string]string) {
	t.Helper()
	mount := &secret{folder: t.TempDir()}
	files := map[string]string{reader.AuthorityFile: connection[database.AuthorityFile]}
	// The one thing that differs from a pod is where the folder is.
	files[reader.URLFile] = strings.Replace(connection[database.KeyURL], database.Folder, mount.folder, 1)
	mount.set(t, files)
	seed(t, files[reader.URLFile], "CREATE TABLE readers (id text PRIMARY KEY, name text NOT NULL)", "INSERT INTO readers VALUES ('r-1', 'Ada')")
	d := reader.New(reader.Options{Folder: mount.folder, Timeout: patience})
	defer d.Close()
	if name, known, err := d.Name(t.Context(), "r-1"); name != "Ada" || !known || err != nil {
		t.Errorf("by the Secret the reader is %q, %t, %v", name, known, err)
	}
}

// dial connects as a pod of a worker would; wrong is what it is refused for.
func (s *stack) dial(t *testing.T, connection map[string]string, from, wrong string) {
	t.Helper()
	folder := t.TempDir()
	must(t, os.WriteFile(filepath.Join(folder, database.AuthorityFile), []byte(connection[database.AuthorityFile]), 0o600))
	config, err := pgx.ParseConfig(strings.Replace(connection[database.KeyURL], database.Folder, folder, 1))
	must(t, err)
	config.DialFunc = (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0)), Timeout: patience}).DialContext
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err == nil {
		conn.Close(context.WithoutCancel(t.Context()))
	}
	if (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
		t.Errorf("from %s: %v; want %q", from, err, wrong)
	}
}

// backedUp waits for the first backup of those that OVH makes by itself.
func (s *stack) backedUp(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(patience); s.one(t).Backups == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no backup is ever made")
		}
	}
}

// searched looks for the password wherever something is written: the state and its history, the configuration, what Pulumi printed and what it keeps at home.
func (s *stack) searched(t *testing.T, connection map[string]string) {
	t.Helper()
	password := connection[database.KeyPassword]
	if len(password) < 16 {
		t.Fatalf("a password of %d letters: the search would prove nothing", len(password))
	}
	values := []string{password, url.QueryEscape(password), base64.StdEncoding.EncodeToString([]byte(password)), base64.StdEncoding.EncodeToString([]byte(connection[database.KeyURL]))}
	texts := 0
	look := func(where string, text []byte) {
		texts++
		for _, value := range values {
			if bytes.Contains(text, []byte(value)) {
				t.Errorf("%s has the password in clear", where)
			}
		}
	}
	look("what Pulumi printed", s.said.Bytes())
	look("stack export", []byte(s.must(t, "stack", "export")))
	for _, folder := range []string{s.Folder, s.Env["PULUMI_HOME"]} {
		must(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			if info, err := entry.Info(); err != nil || info.Mode()&0o111 != 0 { // programs are code
				return err
			}
			text, err := os.ReadFile(path)
			look(path, text)
			return err
		}))
	}
	t.Logf("%d texts searched for the password", texts)
}
