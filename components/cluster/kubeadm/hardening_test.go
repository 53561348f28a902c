package kubeadm_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// ring is the cluster's ring as the fake API server keeps it.
func (h *fakeHost) ring() string {
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(h.read("ring")))
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// keeps makes kubectl keep the ring, with the version and the annotation, and report the file's checksum of each API server as the file reads says; etcdctl counts
// every Secret as rewritten.
func (h *fakeHost) keeps() {
	h.stub("kubectl", `case "$*" in
*"get secret secrets-at-rest"*data.ring*) [[ ! -e `+h.dir+`/ring ]] || cat `+h.dir+`/ring ;;
*"get secret secrets-at-rest"*annotations*) printf '7 %s' "$(cat `+h.dir+`/rewritten 2>/dev/null)" ;;
*"get secret secrets-at-rest"*) printf 7 ;;
*"create -f -"* | *"--kubeconfig="*"replace -f -"*)
  text=$(cat)
  [[ $text == *secrets-at-rest* ]] || exit 0
  sed -nE 's/.*"ring":"([^"]*)".*/\1/p' <<<"$text" >`+h.dir+`/ring
  sed -nE 's/.*"havre\/rewritten":"([^"]*)".*/\1/p' <<<"$text" >`+h.dir+`/rewritten
  grep -o '"resourceVersion":"[0-9]*"' <<<"$text" >`+h.dir+`/version ;;
*"get --raw /metrics"*) printf 'apiserver_encryption_config_controller_last_config_info{apiserver_id_hash="sha256:11",hash="sha256:%s"} 1\n' "$(cat `+h.dir+`/reads)" ;;
esac`)
	h.stub("etcdctl", `case "$*" in
*keys-only*) printf '/registry/secrets/a/b\n\n' ;;
*value-only*) printf 'k8s:enc:secretbox:v1:%s:x\n' "$(cat `+h.dir+`/written)" ;;
esac`)
	h.stub("openssl", `[[ $1 != rand ]] || echo "c2VjcmV0$RANDOM"`)
}

// everywhere makes every API server report what the host's file says now.
func (h *fakeHost) everywhere() {
	h.run(`sha256sum <`+h.dir+`/etc/kubernetes/pki/secrets.json | cut -d' ' -f1 >`+h.dir+`/reads`, "")
}

var secretsOfKeys = regexp.MustCompile(`c2VjcmV0[0-9]+`)

func TestKeysAreRotatedAStepAtATime(t *testing.T) {
	h := newHost(t, controlPlane())
	h.keeps()
	h.write("etc/kubernetes/admin.conf", "x")
	h.write("written", "k1")
	h.write("reads", "")
	h.write("ring", base64.StdEncoding.EncodeToString([]byte("k1 c2VjcmV01\n")))
	for i, c := range []struct {
		generation int
		everywhere bool
		written    string
		want       string
	}{
		{1, true, "k1", "k1"},
		// A new key is known everywhere before anything is written with it.
		{2, true, "k1", "k1\nk2"},
		{2, false, "k1", "k1\nk2"},
		{2, true, "k1", "k2\nk1"},
		// All Secrets are written again before the old key goes, and are looked for in etcd.
		{2, false, "k1", "k2\nk1"},
		{2, true, "k1", "k2\nk1"},
		{2, true, "k2", "k2\nk1"},
		{2, true, "k2", "k2"},
		{2, true, "k2", "k2"},
		{3, true, "k2", "k2\nk3"},
	} {
		h.write("written", c.written)
		if h.write("reads", "0"); c.everywhere {
			if result, _ := h.run("keys_fetch", ""); result.Code != 0 {
				t.Fatal(result.Stderr)
			}
			h.everywhere()
		}
		if result, _ := h.run(fmt.Sprintf("SECRETS_KEY=%d\nkeys_advance", c.generation), ""); result.Code != 0 {
			t.Fatalf("step %d: %s", i, result.Stderr)
		}
		var names []string
		for line := range strings.Lines(h.ring()) {
			names = append(names, strings.Fields(line)[0])
		}
		if got := strings.Join(names, "\n"); got != c.want {
			t.Errorf("step %d: ring\n%s\nwant\n%s", i, got, c.want)
		}
	}
	if got := strings.TrimSpace(h.read("version")); got != `"resourceVersion":"7"` {
		t.Errorf("the ring is replaced with %q, want the version that was read", got)
	}
}

func TestKeysOfAClusterFromBeforeThereWereAny(t *testing.T) {
	h := newHost(t, controlPlane())
	h.keeps()
	h.write("etc/kubernetes/admin.conf", "x")
	if result, _ := h.run("keys_fetch", ""); result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	config := secretsOfKeys.ReplaceAllString(h.read("etc/kubernetes/pki/secrets.json"), "SECRET")
	want(t, "nothing is written with the key yet", config, `{"apiVersion":"apiserver.config.k8s.io/v1","kind":"EncryptionConfiguration","resources":[{"resources":["secrets"],`+
		`"providers":[{"identity":{}},{"secretbox":{"keys":[{"name":"k1","secret":"SECRET"}]}}]}]}`+"\n")
	h.write("rewritten", "k1")
	for _, step := range []string{"k1\nidentity", "k1"} {
		h.everywhere()
		if result, _ := h.run("keys_advance", ""); result.Code != 0 {
			t.Fatal(result.Stderr)
		}
		if got := strings.TrimSpace(regexp.MustCompile(` \S+`).ReplaceAllString(h.ring(), "")); got != step {
			t.Errorf("ring %q, want %q", got, step)
		}
	}
}

// A founder that is killed and runs again has one key, and it is the cluster's.
func TestTheFoundersKeyIsTheClusters(t *testing.T) {
	h := newHost(t, controlPlane())
	h.keeps()
	h.write("etc/kubernetes/admin.conf", "x")
	if result, _ := h.run("keys_found", ""); result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	config := h.read("etc/kubernetes/pki/secrets.json")
	if result, _ := h.run("keys_found; keys_fetch", ""); result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	want(t, "the file after a second run", h.read("etc/kubernetes/pki/secrets.json"), config)
	name, secret, _ := strings.Cut(h.ring(), " ")
	want(t, "the file", config, `{"apiVersion":"apiserver.config.k8s.io/v1","kind":"EncryptionConfiguration","resources":[{"resources":["secrets"],"providers":[{"secretbox":{"keys":[{"name":"`+
		name+`","secret":"`+secret+`"}]}}]}]}`+"\n")
	if h.exists("var/lib/havre/cluster/ring") {
		t.Error("the founder keeps a ring beside the cluster's")
	}
}

// listed is how a node asks who is a member of etcd.
const listed = "etcdctl --endpoints=https://127.0.0.1:2379 --dial-timeout=3s --command-timeout=10s --cacert=/etc/kubernetes/pki/etcd/ca.crt " +
	"--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key member list -w simple\n"

// Settings wait for API servers that are there: one of a node that is on its way in waits for them.
func TestSettingsWaitForMembers(t *testing.T) {
	const three = `for n in 1 2 3; do echo "x$n, started, n$n, https://10.80.0.$n:2380, https://10.80.0.$n:2379, false"; done`
	for name, c := range map[string]struct {
		members, curl string
		ready         bool
	}{
		"all answer":                        {three, "", true},
		"a member does not answer":          {three, `[[ "$*" != *10.80.0.3:* ]]`, false},
		"one that is no member yet":         {three + " | head -n 2", `[[ "$*" != *10.80.0.3:* ]]`, true},
		"nobody says who is a member":       {"exit 1", "", false},
		"a member beside one on its way in": {three + " | head -n 2", `[[ "$*" != *10.80.0.2:* ]]`, false},
	} {
		h := newHost(t, controlPlane())
		h.stub("etcdctl", c.members)
		h.stub("curl", c.curl)
		if result, _ := h.run("control_plane_ready", ""); (result.Code == 0) != c.ready {
			t.Errorf("%s: %+v", name, result)
		}
	}
}

func TestCertificatesAreRenewedLongBeforeTheyEnd(t *testing.T) {
	for name, c := range map[string]struct {
		ends  bool
		calls string
	}{
		"a year to go": {false, ""},
		"ends soon": {true, listed + "kubeadm certs renew all --config /etc/havre/cluster/init.json\n" + listed + "kubeadm init phase upload-config kubeadm --config /etc/havre/cluster/init.json\n" +
			"kubeadm init phase control-plane all --config /etc/havre/cluster/init.json"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, controlPlane())
			h.joins()
			h.stub("pgrep", "echo 1")
			h.write("etc/kubernetes/admin.conf", "x")
			h.write("etc/kubernetes/pki/ca.crt", "x")
			h.write("etc/kubernetes/pki/apiserver.crt", "x")
			h.write("etc/kubernetes/pki/etcd/server.crt", "x")
			h.write("etc/havre/cluster/api-server/audit.json", "{}")
			h.write("etc/kubernetes/manifests/kube-apiserver.yaml", "    image: registry.k8s.io/kube-apiserver:v1.36.3\n")
			h.write("var/lib/havre/cluster/member", "x")
			if c.ends {
				h.stub("openssl", `[[ $* == *checkend*7776000* && $* != *ca.crt* ]] && exit 1; exit 0`)
			}
			h.stub("kubeadm", "")
			result, calls := h.run("certificates_renew", "")
			if result.Code != 0 {
				t.Fatal(result.Stderr)
			}
			want(t, "calls", calls, c.calls)
			if got := h.exists("etc/havre/cluster/patches/kube-scheduler0+json.json"); got != c.ends {
				t.Errorf("the scheduler, which reads its certificate at the start only, is restarted: %t, want %t", got, c.ends)
			}
		})
	}
}

func TestChangedSettingsReachAControlPlaneThatRuns(t *testing.T) {
	h := newHost(t, controlPlane())
	h.joins()
	h.stub("pgrep", "echo 1")
	for _, component := range []string{"apiserver", "controller-manager", "scheduler"} {
		h.write("etc/kubernetes/manifests/kube-"+component+".yaml", "    image: registry.k8s.io/kube-"+component+":v1.36.3\n")
	}
	h.write("etc/kubernetes/admin.conf", "x")
	h.write("etc/kubernetes/pki/secrets.json", "x")
	h.write("etc/havre/cluster/patches/kube-apiserver0+json.json", "[]")
	// The lock in etcd is a command that runs another.
	h.stub("etcdctl", "while [[ $1 != -- ]]; do shift; done; echo \"${@: -1}\" >>"+h.dir+"/locked")
	if result, _ := h.run("control_plane_apply", ""); result.Code != 0 || h.exists("locked") {
		t.Errorf("a host that is in no cluster yet takes the lock: %s", result.Stderr)
	}
	h.write("var/lib/havre/cluster/member", "x")
	for range 2 {
		if result, _ := h.run("control_plane_apply", ""); result.Code != 0 {
			t.Fatal(result.Stderr)
		}
	}
	want(t, "what was done under the lock, in two runs", h.read("locked"), "control_plane_render\n")

	// A server of another version is left to the upgrade.
	h.write("etc/kubernetes/manifests/kube-apiserver.yaml", "    image: registry.k8s.io/kube-apiserver:v1.35.9\n")
	result, calls := h.run("control_plane_render", "")
	want(t, "calls", calls, "")
	want(t, "message", result.Stderr, "havre: rbx-cp-1: its API server is not of v1.36.3; an upgrade brings the settings in\n")
}
