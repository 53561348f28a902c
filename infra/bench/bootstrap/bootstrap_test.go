package bootstrap_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/hosttest"
	"havre/infra/bench/bootstrap"
	"havre/infra/bench/bootstrap/bootstraptest"
	"havre/infra/bench/project"
)

// command is what a resource on a host is made of.
type command struct{ key, create string }

// deployed are a fleet's, by name.
func deployed(t *testing.T, fleet bootstrap.Fleet, key string) map[string]command {
	t.Helper()
	e := hosttest.New().Stdout(func(r hosttest.Registration) string {
		if name, found := strings.CutSuffix(r.Name, "-wireguard-key"); found {
			return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%32s", name)) + "\n"
		}
		return ""
	})
	if err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error { return bootstrap.Deploy(ctx, fleet, key) }); err != nil {
		t.Fatal(err)
	}
	all := map[string]command{}
	for _, r := range e.Registrations() {
		if strings.HasPrefix(r.Type, "command:") {
			all[r.Name] = command{r.Text("connection.privateKey"), r.Text("create")}
		}
	}
	return all
}

func TestDeploy(t *testing.T) {
	key, _, err := project.Key()
	if err != nil {
		t.Fatal(err)
	}
	before := deployed(t, bootstraptest.Fleet(t, false), key)
	again := bootstraptest.Fleet(t, false)
	again.Again = 1
	after, more := deployed(t, bootstraptest.Fleet(t, true), key), deployed(t, again, key)
	if len(before) != 4*6 || len(after) != 4*7 {
		t.Errorf("%d and %d resources on hosts; wanted 4 on each of 6, then of 7", len(before), len(after))
	}
	var changed []string
	for name, made := range before {
		if after[name] != made {
			changed = append(changed, name)
		}
		if got, want := more[name], (command{made.key + "\n", made.create}); got != want {
			t.Errorf("%s does not run again, or runs something else: %+v; wanted %+v", name, got, want)
		}
	}
	slices.Sort(changed)
	plan, err := bootstrap.Plan(false)
	if err != nil {
		t.Fatal(err)
	}
	var wanted []string
	for _, node := range plan.Nodes {
		wanted = append(wanted, node.Name+"-wireguard")
	}
	slices.Sort(wanted)
	if !slices.Equal(changed, wanted) {
		t.Errorf("one more host changes %v; wanted %v", changed, wanted)
	}
	if _, found := after[bootstrap.Added+"-base"]; !found {
		t.Errorf("%s is not in %d resources", bootstrap.Added, len(after))
	}
}

func TestLoad(t *testing.T) {
	fleet := bootstraptest.Fleet(t, true)
	text, err := json.Marshal(fleet)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "fleet.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(bootstrap.FleetVariable, path)
	if got, err := bootstrap.Load(); err != nil || !reflect.DeepEqual(got, fleet) {
		t.Errorf("got %+v, %v", got, err)
	}
	t.Setenv(bootstrap.FleetVariable, "")
	if _, err := bootstrap.Load(); err == nil || err.Error() != bootstrap.FleetVariable+": open : no such file or directory; run make bench" {
		t.Errorf("error %v", err)
	}
}
