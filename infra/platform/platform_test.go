package platform

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"havre/components/host/hosttest"
	"havre/stacks"
)

var update = flag.Bool("update", false, "write the goldens anew")

// secretKey stands for the operators' key: a value that must never be seen in clear.
const secretKey = "-----BEGIN OPENSSH PRIVATE KEY-----\nNEVER-IN-CLEAR\n-----END OPENSSH PRIVATE KEY-----\n"

// overlay writes settings as a sandbox would, and gives the file.
func overlay(t *testing.T) string {
	t.Helper()
	digest := strings.Repeat("ab", 32)
	settings := Settings{
		SSHPublicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHavre operators", SSHPrivateKey: secretKey,
		ArtifactMirror: "http://198.51.100.1:8080", Artifacts: map[string]Artifact{}, ImageRegistry: "198.51.100.1:5000", Images: map[string]string{},
		EdgeStorageAccessKey: "access", EdgeStorageSecretKey: "NEVER-IN-CLEAR",
		BackupAccessKey: "access", BackupSecretKey: "NEVER-IN-CLEAR", BackupPassword: "NEVER-IN-CLEAR-PASSWORD",
	}
	for _, name := range append(slices.Clone(binaries), "wireguard-go") {
		settings.Artifacts[name] = Artifact{Path: "/sha256/" + digest + "/" + name, SHA256: digest}
	}
	for _, name := range slices.Concat(addonImages, networkImages[stacks.NetworkBridge], networkImages[stacks.NetworkCilium], []string{"domains"}, serviceImages) {
		settings.Images[name] = "198.51.100.1:5000/" + name + "@sha256:" + digest
	}
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// engine knows every resource of the program, and no other.
func engine(t *testing.T, stack stacks.Stack) *hosttest.Engine {
	t.Helper()
	public := func(r hosttest.Registration) string {
		// Any address will do that differs from node to node.
		sum := 0
		for _, c := range r.Name {
			sum = (sum*31 + int(c)) % 200
		}
		return fmt.Sprintf("198.51.100.%d", 20+sum)
	}
	bought := hosttest.Handler{
		Required: []string{"planCode", "datacenter"},
		Outputs: func(r hosttest.Registration) resource.PropertyMap {
			return resource.NewPropertyMapFromMap(map[string]any{
				"serviceName": r.Name + ".example", "address": public(r), "orderId": "1", "monthlyPrice": "1.00", "setupPrice": "0.00", "currency": "EUR",
			})
		},
	}
	installed := hosttest.Handler{
		Required: []string{"serviceName", "sshPublicKey", "generation"},
		Outputs: func(hosttest.Registration) resource.PropertyMap {
			return resource.NewPropertyMapFromMap(map[string]any{"hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHost", "user": "debian"})
		},
	}
	e := hosttest.New().Stack(stack.Name).
		Config("havre:account", "hv12345-ovh", false).
		Config("havre:budgetEuros", "5000", false).
		Handle("ovhmetal:index:Server", bought).
		Handle("ovhmetal:index:VPS", bought).
		Handle("ovhmetal:index:Instance", hosttest.Handler{Required: []string{"project", "region", "flavor", "image", "hostname", "sshPublicKey", "maxHourly"}, Outputs: func(r hosttest.Registration) resource.PropertyMap {
			return resource.NewPropertyMapFromMap(map[string]any{
				"serviceName": r.Name + ".example", "address": public(r), "hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHost", "monthlyPrice": "1.00", "hourlyPrice": "0.01", "currency": "EUR",
			})
		}}).
		Handle("ovhmetal:index:Installation", installed).
		Handle("ovhmetal:index:VPSInstallation", installed).
		Handle("ovhmetal:index:Vrack", hosttest.Handler{Required: []string{"displayName"}, Outputs: func(hosttest.Registration) resource.PropertyMap {
			return resource.NewPropertyMapFromMap(map[string]any{"serviceName": "pn-1000003", "orderId": "1"})
		}}).
		Handle("ovhmetal:index:VrackAttachment", hosttest.Handler{Required: []string{"serviceName", "vrack"}, Outputs: func(hosttest.Registration) resource.PropertyMap {
			return resource.NewPropertyMapFromMap(map[string]any{"mac": "02:00:00:00:00:01"})
		}}).
		Handle("ovhmetal:index:EdgeFirewall", hosttest.Handler{Inputs: []string{"address", "rules"}, Required: []string{"address", "rules"}}).
		Handle("ovhmetal:index:ReverseDNS", hosttest.Handler{Inputs: []string{"address", "reverse"}, Required: []string{"address", "reverse"}}).
		Handle("ovhmetal:index:Budget", hosttest.Handler{Required: []string{"limit", "nodes"}, Outputs: func(hosttest.Registration) resource.PropertyMap {
			return resource.NewPropertyMapFromMap(map[string]any{"before": "0.00", "monthly": "1.00", "monthlyWithTax": "1.20", "setup": "0.00", "currency": "EUR"})
		}}).
		Handle("ovhmetal:index:Database", hosttest.Handler{Required: []string{"project", "plan", "engineVersion", "flavor", "nodes", "region"}, Outputs: func(hosttest.Registration) resource.PropertyMap {
			return resource.NewPropertyMapFromMap(map[string]any{"serviceId": "unscrubbed", "host": "db.example", "port": 20184, "authority": "PEM", "monthlyPrice": "1.00", "currency": "EUR"})
		}}).
		Handle("ovhmetal:index:DatabaseScrub", hosttest.Handler{Required: []string{"serviceId", "scrubber", "rules"}, Outputs: func(hosttest.Registration) resource.PropertyMap {
			return resource.NewPropertyMapFromMap(map[string]any{"scrubbedId": "scrubbed"})
		}}).
		Handle("ovhmetal:index:DatabaseUser", hosttest.Handler{Required: []string{"serviceId", "username"}, Outputs: func(hosttest.Registration) resource.PropertyMap {
			return resource.NewPropertyMapFromMap(map[string]any{"password": "NEVER-IN-CLEAR"})
		}}).
		Handle("ovhmetal:index:LogicalDatabase", hosttest.Handler{Required: []string{"serviceId", "database"}}).
		Handle("ovhmetal:index:DatabaseAccess", hosttest.Handler{Required: []string{"serviceId", "addresses"}}).
		Handle("pulumi:providers:kubernetes", hosttest.Handler{Required: []string{"kubeconfig"}}).
		Handle("pulumi:providers:ovhmetal", hosttest.Handler{}).
		Handle("kubernetes:*", hosttest.Handler{}).
		Handle("cloudflare:index/record:Record", hosttest.Handler{Required: []string{"zoneId", "name", "type"}}).
		Handle("cloudflare:index/loadBalancerMonitor:LoadBalancerMonitor", hosttest.Handler{Required: []string{"accountId", "path", "port"}}).
		Handle("cloudflare:index/loadBalancerPool:LoadBalancerPool", hosttest.Handler{Required: []string{"accountId", "name", "origins", "monitor"}}).
		Handle("cloudflare:index/loadBalancer:LoadBalancer", hosttest.Handler{Required: []string{"zoneId", "name", "defaultPoolIds", "fallbackPoolId"}}).
		Handle("cloudflare:index/ruleset:Ruleset", hosttest.Handler{Required: []string{"zoneId", "kind", "phase", "rules"}})
	return e.Stdout(func(r hosttest.Registration) string {
		switch {
		case strings.HasSuffix(r.Name, "-wireguard-key"):
			return publicKeyOf(r.Name)
		case strings.HasSuffix(r.Name, "-invitation"):
			return `{"token":"abcdef.0123456789abcdef","caCertHash":"sha256:00","certificateKey":"00"}`
		case strings.HasPrefix(r.Name, "edge-authority"):
			return authorityOutput
		default:
			return "{}"
		}
	})
}

// described gives a stack by its name.
func described(t *testing.T, name string) stacks.Stack {
	t.Helper()
	stack, err := stacks.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

func TestProgram(t *testing.T) {
	for _, name := range stacks.Names() {
		for _, mode := range hosttest.Both {
			t.Run(name+"/"+mode.String(), func(t *testing.T) {
				stack, file := described(t, name), overlay(t)
				e := engine(t, stack)
				if err := e.Run(mode, func(ctx *pulumi.Context) error { return Deploy(ctx, stack, file) }); err != nil {
					t.Fatal(err)
				}
				golden(t, name+".urns", strings.Join(e.URNs(), "\n")+"\n")
				for _, r := range e.Registrations() {
					if strings.Contains(r.Clear(), "NEVER-IN-CLEAR") {
						t.Errorf("%s shows the operators' key in clear", r.Name)
					}
					if slices.Contains([]string{"ovhmetal:index:Server", "ovhmetal:index:VPS", "ovhmetal:index:Vrack"}, r.Type) && r.Protect == stack.Sandbox {
						t.Errorf("%s: protected %t; wanted everything that was ordered protected but in a sandbox", r.Name, r.Protect)
					}
				}
			})
		}
	}
}

// TestStagingIsProduction: the URNs of the two stacks are equal but for the stack's name and the nodes that the difference list removes. What of the resources
// themselves differs is held by clone_test.go.
func TestStagingIsProduction(t *testing.T) {
	urns := map[string][]string{}
	for _, name := range []string{"prod", "staging"} {
		stack, file := described(t, name), overlay(t)
		e := engine(t, stack)
		if err := e.Run(hosttest.Unknown, func(ctx *pulumi.Context) error { return Deploy(ctx, stack, file) }); err != nil {
			t.Fatal(err)
		}
		for _, urn := range e.URNs() {
			urns[name] = append(urns[name], strings.Replace(urn, "urn:pulumi:"+name+"::", "urn:pulumi:STACK::", 1))
		}
	}
	// Production's database is not scrubbed; that of staging, a copy, is.
	scrub := slices.IndexFunc(urns["staging"], func(urn string) bool { return strings.HasSuffix(urn, "$ovhmetal:index:DatabaseScrub::database-scrub") })
	if scrub < 0 {
		t.Fatal("staging's database is not scrubbed")
	}
	urns["staging"] = slices.Delete(urns["staging"], scrub, scrub+1)
	kept := map[string]bool{}
	for _, node := range described(t, "staging").Nodes {
		kept[node.Name] = true
	}
	var wanted []string
	for _, urn := range urns["prod"] {
		name := urn[strings.LastIndex(urn, "::")+2:]
		removed := false
		for _, node := range described(t, "prod").Nodes {
			if !kept[node.Name] && (name == node.Name || strings.HasPrefix(name, node.Name+"-")) || !kept[node.Name] && strings.HasSuffix(name, "-"+node.Name) {
				removed = true
			}
		}
		for _, data := range described(t, "prod").Data {
			if (name == data.Name || slices.Contains([]string{"data-" + data.Name, "data-" + data.Name + "-service", "data-" + data.Name + "-endpoints"}, name)) && !slices.ContainsFunc(described(t, "staging").Data, func(d stacks.DataService) bool { return d.Name == data.Name }) {
				removed = true
			}
		}
		if !removed {
			wanted = append(wanted, urn)
		}
	}
	if !slices.Equal(urns["staging"], wanted) {
		t.Errorf("staging differs from production in more than its list says:\nonly in staging: %v\nonly in production: %v", without(urns["staging"], wanted), without(wanted, urns["staging"]))
	}
}

func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

// TestPodNetwork: a sandbox may be started with Cilium, which then takes kube-proxy's place and leaves the hosts no network of their own; real hosts take what is described.
func TestPodNetwork(t *testing.T) {
	with := func(file string, network stacks.PodNetwork) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "settings.json")
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), `"podNetwork":""`, fmt.Sprintf(`"podNetwork":%q`, network), 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	stack, file := described(t, "local"), with(overlay(t), stacks.NetworkCilium)
	e := engine(t, stack)
	if err := e.Run(hosttest.Unknown, func(ctx *pulumi.Context) error { return Deploy(ctx, stack, file) }); err != nil {
		t.Fatal(err)
	}
	external := 0
	var names []string
	for _, r := range e.Registrations() {
		names = append(names, r.Name)
		if strings.HasSuffix(r.Name, "-kubernetes") && strings.Contains(r.Clear(), "CNI=external") {
			external++
		}
	}
	if !slices.Contains(names, "cilium-agent-daemon-set") || slices.Contains(names, "kube-proxy-daemon-set") || external != 5 {
		t.Errorf("%d nodes without a bridge, wanted 5; Cilium %t, kube-proxy %t", external, slices.Contains(names, "cilium-agent-daemon-set"), slices.Contains(names, "kube-proxy-daemon-set"))
	}

	real, file := described(t, "prod"), with(overlay(t), stacks.NetworkBridge)
	err := engine(t, real).Run(hosttest.Unknown, func(ctx *pulumi.Context) error { return Deploy(ctx, real, file) })
	want := "HAVRE_SETTINGS: pod network bridge is for a sandbox, and stack prod has real hosts; change Pods.Network in stacks/production.go"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// TestOlderKubernetes: a sandbox's cluster may begin with an older version; real hosts take what is described.
func TestOlderKubernetes(t *testing.T) {
	with := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "settings.json")
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), `"kubernetesVersion":""`, `"kubernetesVersion":"1.35.4"`, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	stack, file := described(t, "local"), with(overlay(t))
	e := engine(t, stack)
	if err := e.Run(hosttest.Unknown, func(ctx *pulumi.Context) error { return Deploy(ctx, stack, file) }); err != nil {
		t.Fatal(err)
	}
	older := 0
	for _, r := range e.Registrations() {
		if strings.Contains(r.Clear(), "v1.35.4") {
			older++
		}
		if strings.Contains(r.Clear(), "VERSION=v"+stack.Cluster.KubernetesVersion) {
			t.Errorf("%s has the description's version", r.Name)
		}
	}
	// Each node's preparation, and each worker's place in the cluster.
	if older != 7 {
		t.Errorf("%d resources name the older version, wanted 7", older)
	}

	real, file := described(t, "prod"), with(overlay(t))
	err := engine(t, real).Run(hosttest.Unknown, func(ctx *pulumi.Context) error { return Deploy(ctx, real, file) })
	want := "HAVRE_SETTINGS: Kubernetes 1.35.4 is for a sandbox, and stack prod has real hosts; change Cluster.KubernetesVersion in stacks/production.go"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// TestMeshAddress: one value's way. A node's mesh address is where the design says, and nowhere else in clear.
func TestMeshAddress(t *testing.T) {
	stack, file := described(t, "prod"), overlay(t)
	e := engine(t, stack)
	if err := e.Run(hosttest.Known, func(ctx *pulumi.Context) error { return Deploy(ctx, stack, file) }); err != nil {
		t.Fatal(err)
	}
	const address = "10.80.0.12" // gra-worker-2, index 12
	bounded := regexp.MustCompile(`(^|[^0-9.])` + regexp.QuoteMeta(address) + `($|[^0-9])`)
	var found []string
	for _, r := range e.Registrations() {
		if bounded.MatchString(r.Clear()) {
			found = append(found, r.Name)
		}
	}
	slices.Sort(found)
	var wanted []string
	// All peers are on the mesh's rendezvous hosts; the others fetch them there.
	for _, node := range stack.Nodes {
		if node.Has(stacks.RoleControlPlane) {
			wanted = append(wanted, node.Name+"-wireguard")
		}
	}
	wanted = append(wanted, "gra-worker-2-wireguard", "gra-worker-2-kubernetes", "gra-worker-2-member")
	slices.Sort(wanted)
	if !slices.Equal(found, wanted) {
		t.Errorf("mesh address of gra-worker-2 is in %v, want %v", found, wanted)
	}
}

// TestEverythingWrongComesAtOnce: settings and description are reported together, and no secret is repeated.
func TestEverythingWrongComesAtOnce(t *testing.T) {
	stack := described(t, "local")
	stack.Nodes = stack.Nodes[1:]
	path := filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(path, []byte(`{"sshPublicKey":"rsa?","sshPrivateKey":"hunter2"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	e := engine(t, stack)
	err := e.Run(hosttest.Unknown, func(ctx *pulumi.Context) error { return Deploy(ctx, stack, path) })
	if err == nil {
		t.Fatal("a broken stack was deployed")
	}
	for _, want := range []string{
		"stack local is not deployed:\n",
		`stack local: 2 active control-plane nodes; wanted an odd number of at least 3`,
		`config havre:sshPublicKey is "rsa?"; wanted one line of authorized_keys, such as ssh-ed25519 AAAA…, in Pulumi.local.yaml`,
		"config havre:sshPrivateKey is missing or no private key; set it with `pulumi config set --secret havre:sshPrivateKey < key` in Pulumi.local.yaml",
		`config havre:artifactMirror is ""; wanted an http or https URL in Pulumi.local.yaml`,
		`config havre:artifacts has no kubeadm; add its path at the mirror and its sha256 in Pulumi.local.yaml`,
		`config havre:artifacts has no wireguard-go; add its path at the mirror and its sha256 in Pulumi.local.yaml`,
		`config havre:images has no coredns; add it as image@sha256:digest in Pulumi.local.yaml`,
		`config havre:images has no renderer; add it as image@sha256:digest in Pulumi.local.yaml`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing from the error: %s", want)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("the error repeats a secret")
	}
	if t.Failed() {
		t.Log(err)
	}
	for _, r := range e.Registrations() {
		if r.Custom {
			t.Errorf("%s was registered although the stack is broken", r.Name)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs from what the program registers; look at it and run go test ./infra/platform -update\n%s", path, got)
	}
}

// TestAKeyInClearIsRefused: a private key that anybody with the repository can read is no key any more.
func TestAKeyInClearIsRefused(t *testing.T) {
	stack, file := described(t, "local"), overlay(t)
	e := engine(t, stack).Config("havre:sshPrivateKey", secretKey, false)
	err := e.Run(hosttest.Unknown, func(ctx *pulumi.Context) error { return Deploy(ctx, stack, file) })
	want := "config havre:sshPrivateKey is in clear in Pulumi.local.yaml; make a new key and set it with `pulumi config set --secret havre:sshPrivateKey < key`"
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "NEVER-IN-CLEAR") {
		t.Errorf("error %v, want %s", err, want)
	}
	if err := engine(t, stack).Config("havre:sshPrivateKey", secretKey, true).Run(hosttest.Unknown, func(ctx *pulumi.Context) error { return Deploy(ctx, stack, file) }); err != nil {
		t.Errorf("an encrypted key is refused: %v", err)
	}
}
