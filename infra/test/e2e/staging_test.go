//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/ssh"

	"havre/components/database"
	"havre/infra/jump"
	"havre/infra/sandbox/daemon"
	"havre/infra/sandbox/ovhsim"
	"havre/infra/sandbox/people"
	"havre/services/render"
)

const (
	clone     = "local-staging"
	reviewing = "local-review-7"
	// worker is one of both stacks, whose address both databases know.
	worker = "gra-worker-1"
	// settling bounds how long kubelet may take to hand a Secret that came late to a pod: its sync and the caches of two components.
	settling = 4 * time.Minute
)

// review brings up a pull request's copy of the services in stack local's cluster, looks at it through the edge, and takes it away.
func (w *walk) review(t *testing.T, ctx context.Context) {
	text, err := os.ReadFile(w.ws.Path("Pulumi.local.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	settings := w.ws.Path("Pulumi." + reviewing + ".yaml")
	if err := os.WriteFile(settings, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(settings); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
	before := w.identities(t, ctx)
	if err := w.pulumi.Select(ctx, reviewing); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := w.pulumi.Run(ctx, "up", "--stack", reviewing, "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	edge := w.edgeOf(t, ctx, reviewing)
	if edge.Domain != "review-7.review.havre.test" || len(edge.Addresses) != 2 {
		t.Errorf("the review is served as %s by %v", edge.Domain, edge.Addresses)
	}
	if err := edge.Prove(ctx, reader); err != nil {
		t.Error(err)
	}
	t.Logf("from pulumi up to a picture of the review: %.1f s", time.Since(start).Seconds())
	if got := w.answers(t, ctx, edge.Domain); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(edge.Addresses))) {
		t.Errorf("%s leads to %v, want the edge nodes %v", edge.Domain, got, edge.Addresses)
	}
	if err := w.pulumi.Run(ctx, "up", "--stack", reviewing, "--yes", "--skip-preview", "--expect-no-changes"); err != nil {
		t.Error(err)
	}
	if err := w.pulumi.Run(ctx, "destroy", "--stack", reviewing, "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	if err := w.pulumi.Run(ctx, "stack", "rm", "--stack", reviewing, "--yes"); err != nil {
		t.Fatal(err)
	}
	if out, err := w.kubectl(ctx, "get", "namespace", "review-7"); err == nil || !strings.Contains(err.Error(), "NotFound") {
		t.Errorf("the review's namespace is still there: %v\n%s", err, out)
	}
	if got := w.answers(t, ctx, edge.Domain); len(got) != 0 {
		t.Errorf("%s still leads to %v", edge.Domain, got)
	}
	if err := edge.Fetch(ctx, edge.Addresses[0], edge.Domain, reader); err == nil {
		t.Error("the review is still served")
	}
	if after := w.identities(t, ctx); !maps.Equal(after, before) {
		t.Errorf("a review left stack local another than it was:\nbefore %v\nafter  %v", before, after)
	}
}

// answers are the addresses that Cloudflare answers for a name; none for one that it does not know.
func (w *walk) answers(t *testing.T, ctx context.Context, name string) []string {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:19444/answers/"+name, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return nil
	}
	var got struct{ Addresses []string }
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		t.Fatalf("answers for %s: %v", name, err)
	}
	return got.Addresses
}

// readers is how many people production has in the sandbox.
const readers = 400

// staging clones stack local beside it, in the same account: other networks and names, a database forked from local's latest backup and scrubbed before any pod
// may connect. Then all of it is given up, and local is as it was.
func (w *walk) staging(t *testing.T, ctx context.Context) {
	production, _ := w.connect(t, ctx, "local", w.ws.Kubeconfig(), "local")
	originals := populate(t, ctx, production)
	before := contents(t, ctx, production)
	w.stored(t, ctx, "local", "r-7", people.Name(7))
	if err := people.BackUp(ctx, "http://"+daemon.OVHControlAddress, "local"); err != nil {
		t.Fatal(err)
	}
	identities := w.identities(t, ctx)

	if err := w.pulumi.Select(ctx, clone); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := w.pulumi.Run(ctx, "up", "--stack", clone, "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	if err := w.edgeOf(t, ctx, clone).Prove(ctx, reader); err != nil {
		t.Error(err)
	}
	t.Logf("from pulumi up to a picture of the clone: %.0f s", time.Since(start).Seconds())

	kubeconfig := w.kubeconfigOf(t, ctx, clone)
	fork, _ := w.connect(t, ctx, clone, kubeconfig, clone)
	w.scrubbed(t, ctx, fork, originals)
	var name string
	if err := fork.QueryRow(ctx, "SELECT name FROM readers WHERE id = 'r-7'").Scan(&name); err != nil {
		t.Fatal(err)
	}
	w.stored(t, ctx, clone, "r-7", name)
	// Neither stack's pods reach the other's database, whatever they know.
	if _, err := w.connect(t, ctx, clone, w.ws.Kubeconfig(), "local"); err == nil || !strings.Contains(err.Error(), "no pg_hba.conf entry") {
		t.Errorf("a host of the clone at local's database: %v", err)
	}
	if _, err := w.connect(t, ctx, "local", kubeconfig, clone); err == nil || !strings.Contains(err.Error(), "no pg_hba.conf entry") {
		t.Errorf("a host of local at the clone's database: %v", err)
	}
	if after := contents(t, ctx, production); after != before {
		t.Errorf("a copy changed the original:\n%s\nbefore:\n%s", after, before)
	}

	// A second run neither copies again nor changes anything else.
	copies := w.databases(t, ctx)
	for _, run := range [][]string{{"up", "--yes", "--skip-preview"}, {"refresh", "--yes", "--skip-preview"}, {"preview", "--diff"}} {
		if err := w.pulumi.Run(ctx, append(run, "--stack", clone, "--expect-no-changes")...); err != nil {
			t.Error(err)
		}
	}
	if again := w.databases(t, ctx); len(copies) != 2 || !maps.Equal(again, copies) {
		t.Errorf("databases by id and stack are %v after a second run, %v before it; want two, and the same", again, copies)
	}

	var said strings.Builder
	end := w.pulumi
	end.Report = func(line string) { w.pulumi.Report(line); said.WriteString(line + "\n") }
	if err := end.Run(ctx, "destroy", "--stack", clone, "--yes", "--skip-preview"); err != nil {
		t.Fatal(err)
	}
	// Five hosts by the month and the copy of the database by the hour.
	for _, want := range []string{`was given up in this run, 5 in all, has cost [1-9]\d*\.\d\d EUR net until`, `ended in this run, 1 in all, has cost \d+\.\d\d EUR net;`} {
		line := regexp.MustCompile(".*" + want + ".*").FindString(said.String())
		if line == "" {
			t.Errorf("destroy does not say %q", want)
		}
		t.Log(strings.TrimSpace(line))
	}
	// Without the flag its settings, which are in the repository, would go as well.
	if err := w.pulumi.Run(ctx, "stack", "rm", "--stack", clone, "--preserve-config", "--yes"); err != nil {
		t.Fatal(err)
	}
	if got := w.liveHosts(t, ctx); got != 6 {
		t.Errorf("%d hosts are billed after the clone was given up, want local's 6", got)
	}
	if left := w.databases(t, ctx); len(left) != 1 {
		t.Errorf("databases %v after the clone was given up, want local's", left)
	}
	if after := w.identities(t, ctx); !maps.Equal(withoutEnded(after, identities), identities) {
		t.Errorf("the clone left stack local another than it was:\nbefore %v\nafter  %v", identities, after)
	}
	w.unchanged(t, ctx)
	if err := w.edge(t, ctx).Prove(ctx, reader); err != nil {
		t.Error(err)
	}
}

// kubeconfigOf writes the kubeconfig among a stack's outputs to a file.
func (w *walk) kubeconfigOf(t *testing.T, ctx context.Context, stack string) (path string) {
	t.Helper()
	text, err := w.pulumi.Output(ctx, "stack", "output", "--stack", stack, "--show-secrets", "kubeconfig")
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// withoutEnded leaves out what only one list has: the services of the clone stay in the simulator's books after their end.
func withoutEnded(after, before map[string]string) map[string]string {
	kept := maps.Clone(after)
	maps.DeleteFunc(kept, func(name, _ string) bool { _, was := before[name]; return !was })
	return kept
}

// connect logs in at the database of the cluster that a kubeconfig leads to, by the connection that its pods have, from a worker of a stack. The test ends where a
// stack's own worker cannot; where it is another's the error is given.
func (w *walk) connect(t *testing.T, ctx context.Context, from, kubeconfig, of string) (*pgx.Conn, error) {
	t.Helper()
	out, err := w.kubectlAt(ctx, kubeconfig, "-n", render.Namespace, "get", "secret", database.App, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var secret struct{ Data map[string][]byte }
	if err := json.Unmarshal([]byte(out), &secret); err != nil {
		t.Fatal(err)
	}
	conn, err := people.Login(ctx, secret.Data, w.through(t, from))
	if err != nil {
		if from == of {
			t.Fatal(err)
		}
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(ctx)) })
	return conn, nil
}

// through is a connection to a stack's worker, from which one dials as its pods do: by its public address.
func (w *walk) through(t *testing.T, stack string) *ssh.Client {
	t.Helper()
	hosts, err := jump.StateFile(w.ws.StateFile(stack))()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(hosts, func(h jump.Host) bool { return h.Name == worker })
	if at < 0 {
		t.Fatalf("stack %s has no host %s: %v", stack, worker, hosts)
	}
	client, err := jump.Dial(hosts[at], "debian", w.signer(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// signer is the key of the sandbox's administrator.
func (w *walk) signer(t *testing.T) ssh.Signer {
	t.Helper()
	key, err := os.ReadFile(w.ws.Path("build", "local", "id_ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// populate fills production with people, and gives every personal value in it.
func populate(t *testing.T, ctx context.Context, conn *pgx.Conn) (originals []string) {
	t.Helper()
	if err := people.Fill(ctx, conn, readers); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(ctx, "SELECT DISTINCT v FROM readers, LATERAL (VALUES (email), (name), (host(last_ip))) t(v)")
	if err != nil {
		t.Fatal(err)
	}
	if originals, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		t.Fatal(err)
	}
	return originals
}

// contents is every row of every table.
func contents(t *testing.T, ctx context.Context, conn *pgx.Conn) string {
	t.Helper()
	var b strings.Builder
	for _, table := range people.Tables {
		rows, err := conn.Query(ctx, "SELECT x::text FROM "+table+" x ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s: %d rows\n%s\n", table, len(lines), strings.Join(lines, "\n"))
	}
	return b.String()
}

// scrubbed: all rows are there but those of the table that is emptied, and no personal value is.
func (w *walk) scrubbed(t *testing.T, ctx context.Context, fork *pgx.Conn, originals []string) {
	t.Helper()
	text := contents(t, ctx, fork)
	for _, want := range []string{fmt.Sprintf("readers: %d rows\n", readers), "campaigns: 2 rows\n", "(1,spring)", "openings: 0 rows\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the copy lacks %q", want)
		}
	}
	if len(originals) < 2*readers {
		t.Fatalf("only %d personal values to look for", len(originals))
	}
	for _, value := range originals {
		if strings.Contains(text, value+",") || strings.Contains(text, value+")") || strings.Contains(text, value+`"`) {
			t.Errorf("the copy has %s of production", value)
		}
	}
	fmt.Fprintf(w.log, "the copy: %d readers, none of %d personal values of the original\n", readers, len(originals))
}

// stored waits until a stack's edge serves the picture of a reader by the name in its database.
func (w *walk) stored(t *testing.T, ctx context.Context, stack, id, name string) {
	t.Helper()
	edge := w.edgeOf(t, ctx, stack)
	for _, address := range edge.Addresses {
		var err error
		for deadline := time.Now().Add(settling); ; time.Sleep(time.Second) {
			if err = edge.FetchStored(ctx, address, edge.Domain, id, name); err == nil || time.Now().After(deadline) {
				break
			}
		}
		if err != nil {
			t.Errorf("stack %s, reader %s at %s: %v", stack, id, address, err)
		}
	}
}

// databases are the account's, the stack by the service's id.
func (w *walk) databases(t *testing.T, ctx context.Context) map[string]string {
	t.Helper()
	var all []ovhsim.DatabaseView
	w.control(t, ctx, "/databases", &all)
	found := map[string]string{}
	for _, d := range all {
		if d.Status != "DELETING" {
			found[d.ID] = d.Description
		}
	}
	return found
}
