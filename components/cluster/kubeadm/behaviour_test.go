package kubeadm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"havre/components/cluster/kubeadm"
	"havre/components/host/script"
	"havre/components/host/script/scripttest"
)

const (
	token      = "abcdef.0123456789abcdef"
	invitation = `{"token":"abcdef.0123456789abcdef","caCertHash":"sha256:` + "1111111111111111111111111111111111111111111111111111111111111111" + `","ca":"Q0E=","certificateKey":"` +
		"2222222222222222222222222222222222222222222222222222222222222222" + `"}`
)

// fakeHost is a folder in which the library runs with every path below it, and every command of a node recorded instead of run.
type fakeHost struct {
	t       testing.TB
	dir     string
	library string
}

// newHost makes a host of a control-plane node or a worker. The commands do nothing and succeed but for curl: nobody serves.
func newHost(t testing.TB, n kubeadm.Node) *fakeHost {
	dir := t.TempDir()
	h := &fakeHost{t: t, dir: dir}
	// Everything lies below the test's folder but the socket, which is only named.
	move := strings.NewReplacer("unix:///run/", "unix:///run/", "/etc/", dir+"/etc/", "/usr/local/lib/", dir+"/usr/lib/", "/var/lib/", dir+"/var/lib/", "/run/", dir+"/run/", "/usr/local/bin/", dir+"/usr/bin/")
	for _, name := range kubeadm.PrepareFiles(n.ControlPlane) {
		if strings.HasSuffix(name, ".sh") {
			h.library += script.LibraryFile(name)
		} else {
			h.write("usr/lib/havre/"+name, script.LibraryFile(name))
		}
	}
	h.library = move.Replace(h.library) + "\nsleep() { :; }\ncluster_until() { shift; \"$@\" >/dev/null 2>&1; }\n"
	h.write("etc/havre/cluster/node.env", production().NodeEnvironment(n))
	for file, function := range map[string]string{"init": "kubernetes_init_config", "upload": "kubernetes_init_config @KEY@", "join": "kubernetes_join_config", "discovery": "kubernetes_discovery_config"} {
		h.write("etc/havre/cluster/"+file+".json", scripttest.Run(t, dir, h.library+function, "").Stdout)
	}
	h.write("run/x", "")
	for _, name := range []string{"kubeadm", "kubectl", "etcdctl", "systemctl", "ctr", "nft", "ip", "openssl", "curl", "sync"} {
		h.stub(name, "")
	}
	h.stub("curl", "exit 7")
	// What timeout runs is what counts.
	scripttest.Stub(t, dir, "timeout", `while [[ $1 == -* ]]; do shift 2; done; shift; exec "$@"`)
	return h
}

// stub records the call, then runs body.
func (h *fakeHost) stub(name, body string) {
	scripttest.Stub(h.t, h.dir, name, `printf '%s\n' "`+name+` $*" >>"`+h.dir+`/calls"`+"\n"+body)
}

func (h *fakeHost) write(path, text string) {
	h.t.Helper()
	path = filepath.Join(h.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *fakeHost) read(path string) string {
	text, err := os.ReadFile(filepath.Join(h.dir, path))
	if err != nil {
		return ""
	}
	return string(text)
}

func (h *fakeHost) exists(path string) bool {
	_, err := os.Stat(filepath.Join(h.dir, path))
	return err == nil
}

// run runs one step; calls holds the commands of kubeadm and etcdctl in order.
func (h *fakeHost) run(step, stdin string) (scripttest.Result, string) {
	h.t.Helper()
	os.Remove(filepath.Join(h.dir, "calls"))
	result := scripttest.Run(h.t, h.dir, h.library+step+"\n", stdin)
	var calls []string
	for call := range strings.Lines(h.read("calls")) {
		if strings.HasPrefix(call, "kubeadm") || strings.HasPrefix(call, "etcdctl") {
			calls = append(calls, strings.ReplaceAll(strings.TrimSpace(call), h.dir, ""))
		}
	}
	return result, strings.Join(calls, "\n")
}

// joins makes kubeadm join leave what the real one does, and the node known to the API server.
func (h *fakeHost) joins() {
	h.stub("kubeadm", `[[ "$1 $2" == "join --config" || $1 == init ]] && mkdir -p `+h.dir+`/etc/kubernetes/pki && touch `+h.dir+`/etc/kubernetes/pki/ca.crt &&
echo x >`+h.dir+`/etc/kubernetes/kubelet.conf && echo x >`+h.dir+`/etc/kubernetes/admin.conf; exit 0`)
	h.stub("kubectl", `case "$*" in
*"get secret secrets-at-rest"*) base64 -w0 <<<"k1 c2VjcmV0" ;;
*) echo node/x ;;
esac`)
	h.stub("curl", "")
}

func want(t *testing.T, what, got, expected string) {
	t.Helper()
	if got != expected {
		t.Errorf("%s\n got: %s\nwant: %s", what, got, expected)
	}
}

func TestWorkerJoinsOnce(t *testing.T) {
	h := newHost(t, worker())
	h.joins()
	result, calls := h.run("cluster_join no", invitation)
	if result.Code != 0 {
		t.Fatalf("the join failed: %s", result.Stderr)
	}
	want(t, "calls", calls, "kubeadm join --config /run/havre/join.json")
	if !h.exists("var/lib/havre/cluster/member") {
		t.Error("the node is in without a mark")
	}
	if h.exists("run/havre/join.json") {
		t.Error("the configuration with the token was left behind")
	}
	result, calls = h.run("cluster_join no", invitation[:1]+"}")
	want(t, "the second run", calls, "")
	if result.Code != 0 {
		t.Errorf("the second run failed: %s", result.Stderr)
	}
}

func TestJoinOfAKilledRunIsAdoptedWhenComplete(t *testing.T) {
	h := newHost(t, worker())
	h.joins()
	h.write("etc/kubernetes/kubelet.conf", "x")
	h.write("etc/kubernetes/bootstrap-kubelet.conf", token)
	h.write("etc/kubernetes/pki/ca.crt", "x")
	result, calls := h.run("cluster_join no", invitation)
	want(t, "calls", calls, "")
	if result.Code != 0 || !h.exists("var/lib/havre/cluster/member") || h.exists("etc/kubernetes/bootstrap-kubelet.conf") {
		t.Errorf("not adopted: %s", result.Stderr)
	}
}

func TestHalfAJoinIsTakenBack(t *testing.T) {
	h := newHost(t, worker())
	h.joins()
	h.stub("kubectl", `[[ -e `+h.dir+`/joined ]] && echo node/x`)
	h.stub("kubeadm", `[[ "$1" == join ]] && { touch `+h.dir+`/joined; mkdir -p `+h.dir+`/etc/kubernetes/pki; echo x >`+h.dir+`/etc/kubernetes/kubelet.conf; }; exit 0`)
	h.write("etc/kubernetes/kubelet.conf", "half")
	h.write("var/lib/kubelet/config.yaml", "half")
	result, calls := h.run("cluster_join no", invitation)
	if result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	want(t, "calls", calls, "kubeadm reset -f --cleanup-tmp-dir --cri-socket=unix:///run/containerd/containerd.sock --skip-phases=remove-etcd-member\n"+
		"kubeadm join --config /run/havre/join.json")
}

func TestControlPlaneNodeTakesAStaleMemberOutFirst(t *testing.T) {
	h := newHost(t, controlPlane())
	h.joins()
	h.stub("kubeadm", `case "$1 $2 $3" in
"init phase certs") mkdir -p `+h.dir+`/etc/kubernetes/pki/etcd; echo k >`+h.dir+`/etc/kubernetes/pki/etcd/healthcheck-client.key ;;
"join --config"*) mkdir -p `+h.dir+`/etc/kubernetes/pki; for f in kubelet admin; do echo x >`+h.dir+`/etc/kubernetes/$f.conf; done; touch `+h.dir+`/etc/kubernetes/pki/ca.crt ;;
esac`)
	h.stub("etcdctl", `case "$*" in
*127.0.0.1*) exit 1 ;;
*"member list"*) printf '8e9e05c52164694d, started, gra-cp-1, https://10.80.0.2:2380, https://10.80.0.2:2379, false\n91bc3c398fb3c146, started, rbx-cp-1, https://10.80.0.1:2380, https://10.80.0.1:2379, false\n' ;;
esac`)
	result, calls := h.run("cluster_join no", invitation)
	if result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	for _, line := range []string{
		"kubeadm join phase control-plane-prepare download-certs --config /run/havre/join.json\nkubeadm init phase certs etcd-healthcheck-client --config /etc/havre/cluster/init.json\netcdctl ",
		"member remove 91bc3c398fb3c146\nkubeadm init phase kubeconfig admin --config /etc/havre/cluster/init.json\nkubeadm join --config /run/havre/join.json",
	} {
		if !strings.Contains(calls, line) {
			t.Errorf("calls lack %q:\n%s", line, calls)
		}
	}
}

func TestFounder(t *testing.T) {
	h := newHost(t, controlPlane())
	h.joins()
	h.stub("curl", "exit 7")
	result, calls := h.run("cluster_join yes", "{}")
	if result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	want(t, "calls", calls, "kubeadm init --config /etc/havre/cluster/init.json --skip-phases=upload-certs,addon,show-join-command")
	if !h.exists("var/lib/havre/cluster/member") || h.exists("var/lib/havre/cluster/founding") {
		t.Error("the marks are wrong after founding")
	}
}

func TestFounderOfAKilledRunOnlyFinishes(t *testing.T) {
	h := newHost(t, controlPlane())
	h.joins()
	h.write("var/lib/havre/cluster/founding", "")
	h.write("etc/kubernetes/manifests/kube-apiserver.yaml", "x")
	h.write("etc/kubernetes/admin.conf", "x")
	h.write("etc/kubernetes/pki/ca.crt", "x")
	result, calls := h.run("cluster_join yes", "{}")
	if result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	want(t, "calls", calls, "kubeadm init --config /etc/havre/cluster/init.json "+
		"--skip-phases=preflight,certs,kubeconfig,etcd,control-plane,kubelet-start,wait-control-plane,upload-certs,addon,show-join-command")
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		node    kubeadm.Node
		prepare func(*fakeHost)
		step    string
		stdin   string
		want    string
	}{
		"a second cluster": {controlPlane(), func(h *fakeHost) { h.stub("curl", "") }, "cluster_join yes", "{}",
			"havre: rbx-cp-1: has no invitation, and another control-plane node serves; making a second cluster is refused. Run pulumi up with --replace on rbx-cp-1's invitation\n"},
		"a cluster made again by an update": {controlPlane(), func(*fakeHost) {}, "cluster_join no", "{}",
			"havre: rbx-cp-1: has no invitation, and no control-plane node serves. If the cluster is lost for good, run pulumi up with --replace on rbx-cp-1's join: that makes a new one\n"},
		"no key": {controlPlane(), func(*fakeHost) {}, "cluster_join no", `{"token":"` + token + `","caCertHash":"sha256:11","certificateKey":""}`,
			"havre: rbx-cp-1: its invitation holds no certificate key; run pulumi up with --replace on rbx-cp-1's invitation\n"},
		"nobody there": {worker(), func(*fakeHost) {}, "cluster_join no", invitation,
			"havre: gra-worker-2: no control-plane node answers through 127.0.0.1:7443 after 120 s; see 'journalctl -u havre-api-proxy' there\n"},
		"another cluster's control plane": {controlPlane(), func(h *fakeHost) { h.write("var/lib/havre/cluster/member", "sha256:99\n") }, "cluster_join no", invitation,
			"havre: rbx-cp-1: is a control-plane node of another cluster than the one that invites it; take it out first, or reinstall its host\n"},
		"other pod CIDR": {controlPlane(), func(h *fakeHost) {
			h.stub("kubectl", `case "$*" in *podCIDR*) echo 10.81.9.0/24 ;; *) echo node/x ;; esac`)
		},
			"cluster_admit gra-worker-2 10.80.0.12 10.81.12.0/24 <<<'{}'", "",
			"havre: gra-worker-2: its pod CIDR in Kubernetes is 10.81.9.0/24, want 10.81.12.0/24, and Kubernetes never changes one; take the node out and let it join again\n"},
		"held": {controlPlane(), func(h *fakeHost) {
			h.stub("kubectl", `case "$*" in *drain*) echo "error when evicting pod render-1" >&2; exit 1 ;; *) echo node/x ;; esac`)
		}, "cluster_retire gra-worker-2 300", "",
			"error when evicting pod render-1\nhavre: gra-worker-2: is not drained after 300 s; a PodDisruptionBudget or a pod that does not end holds it (named above). " +
				"Make room elsewhere, or delete that pod, and run again\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, c.node)
			c.prepare(h)
			result, calls := h.run(c.step, c.stdin)
			if result.Code == 0 {
				t.Fatalf("went through; calls:\n%s", calls)
			}
			want(t, "message", result.Stderr, c.want)
			want(t, "calls", calls, "")
		})
	}
}

// TestAdmissionWaitsForAPodNetworkOnlyWhereThereIsOne: an add-on's comes after the nodes, and they would wait for it, and it for them; in a cluster that has it, a new node
// must be Ready before anything goes on.
func TestAdmissionWaitsForAPodNetworkOnlyWhereThereIsOne(t *testing.T) {
	for name, c := range map[string]struct {
		cni, daemonSet string
		waits          bool
	}{
		"bridge": {"bridge", "", true}, "add-on to come": {"external", "", false}, "add-on there": {"external", "daemonset.apps/cilium", true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, controlPlane())
			h.stub("curl", "")
			h.stub("kubectl", `case "$*" in *podCIDR*) echo 10.81.12.0/24 ;; *"get daemonset cilium"*) echo "`+c.daemonSet+`" ;; *"get node"*) echo node/x ;; esac`)
			result, _ := h.run("CNI="+c.cni+" cluster_admit gra-worker-2 10.80.0.12 10.81.12.0/24", "")
			if result.Code != 0 {
				t.Fatal(result.Stderr)
			}
			if waits := strings.Contains(h.read("calls"), "wait --for=condition=Ready"); waits != c.waits {
				t.Errorf("waits for the node: %t, want %t", waits, c.waits)
			}
		})
	}
}

func TestFailedJoinGivesUpWithoutSecrets(t *testing.T) {
	h := newHost(t, worker())
	h.stub("curl", "")
	h.stub("kubeadm", `[[ $1 == join ]] && { cat "$3"; echo "bad token `+token+`"; exit 1; }; exit 0`)
	result, calls := h.run("cluster_join no", invitation)
	if result.Code == 0 || strings.Count(calls, "kubeadm join") != 5 {
		t.Errorf("want 5 attempts and a failure, got status %d and\n%s", result.Code, calls)
	}
	if strings.Contains(result.Stderr+result.Stdout, token) || strings.Contains(result.Stderr, strings.Repeat("2", 64)) {
		t.Errorf("a secret was printed:\n%s", result.Stderr)
	}
	if !strings.Contains(result.Stderr, "bad token [token]") || !strings.Contains(result.Stderr, "could not join in 5 attempts") {
		t.Errorf("the reason is not told:\n%s", result.Stderr)
	}
}

func TestInvitations(t *testing.T) {
	h := newHost(t, controlPlane())
	h.joins()
	result, calls := h.run("cluster_invite gra-cp-1 founder", "")
	want(t, "an invitation to a cluster that is not there", result.Stdout, "{}\n")
	want(t, "calls", calls, "")

	h.write("var/lib/havre/cluster/member", "sha256:11\n")
	h.write("etc/kubernetes/admin.conf", "x")
	h.write("etc/kubernetes/pki/ca.crt", "CA")
	h.stub("kubeadm", `case "$1 $2" in
"certs certificate-key") printf '2%.0s' {1..64}; echo ;;
"token create") echo "kubeadm join 127.0.0.1:7443 --token `+token+` --discovery-token-ca-cert-hash sha256:`+strings.Repeat("1", 64)+`" ;;
"init phase") grep -c '"certificateKey": "2222' "${@: -1}" >>`+h.dir+`/uploads ;;
esac`)
	result, calls = h.run("cluster_invite gra-cp-1 control-plane", "")
	want(t, "invitation", result.Stdout, invitation+"\n")
	if result.Code != 0 || !strings.Contains(calls, "init phase upload-certs --upload-certs --skip-certificate-key-print") {
		t.Errorf("status %d, calls:\n%s\n%s", result.Code, calls, result.Stderr)
	}
	want(t, "uploads", h.read("uploads"), "1\n")
	if h.exists("run/havre/upload.json") {
		t.Error("the configuration with the key was left behind")
	}
	result, calls = h.run("cluster_invite sbg-cp-1 control-plane", "")
	want(t, "the second invitation", result.Stdout, invitation+"\n")
	_, calls, _ = strings.Cut(calls, " member list -w simple\n")
	want(t, "its calls after a look for dead members", calls, "kubeadm token create --ttl 24h --description invitation of sbg-cp-1 --print-join-command")
	result, _ = h.run("cluster_invite gra-worker-2 worker", "")
	want(t, "a worker's", result.Stdout, strings.Replace(invitation, strings.Repeat("2", 64), "", 1)+"\n")
}

func TestLeaving(t *testing.T) {
	const two = `printf '8e9e05c52164694d, started, gra-cp-1, https://10.80.0.2:2380, https://10.80.0.2:2379, false\n91bc3c398fb3c146, started, rbx-cp-1, https://10.80.0.1:2380, https://10.80.0.1:2379, false\n'`
	for name, c := range map[string]struct {
		etcdctl string
		removed bool
	}{
		"one of several": {`case "$*" in *"member list"*) ` + two + ` ;; esac`, true},
		"the last":       {`case "$*" in *"member list"*) echo '91bc3c398fb3c146, started, rbx-cp-1, https://10.80.0.1:2380, x, false' ;; esac`, false},
		"out already":    {`case "$*" in *127.0.0.1*) exit 1 ;; *"member list"*) echo '8e9e05c52164694d, started, gra-cp-1, https://10.80.0.2:2380, x, false' ;; esac`, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, controlPlane())
			h.write("var/lib/havre/cluster/member", "sha256:11\n")
			h.write("etc/kubernetes/pki/etcd/healthcheck-client.key", "x")
			h.write("etc/kubernetes/admin.conf", "x")
			h.stub("etcdctl", c.etcdctl)
			result, calls := h.run("cluster_leave", "")
			if result.Code != 0 {
				t.Fatal(result.Stderr)
			}
			if got := strings.Contains(calls, "member remove 91bc3c398fb3c146"); got != c.removed {
				t.Errorf("removed %t, want %t:\n%s", got, c.removed, calls)
			}
			if !strings.Contains(calls, "kubeadm reset -f") || h.exists("var/lib/havre/cluster") || h.exists("etc/kubernetes/admin.conf") || h.exists("etc/kubernetes/pki") {
				t.Errorf("something is left:\n%s", calls)
			}
		})
	}
}

func TestServingCertificatesAreSignedForTheOwnNameOnly(t *testing.T) {
	h := newHost(t, controlPlane())
	h.stub("kubectl", `case "$*" in
*"get csr"*) printf 'csr-1 system:node:gra-worker-2 eA==\ncsr-2 system:node:gra-worker-9 eA==\ncsr-3 mallory eA==\n' ;;
*"get node gra-worker-2"*) echo 10.80.0.12 ;;
*"get node gra-worker-9"*) echo 10.80.0.19 ;;
esac`)
	h.stub("openssl", `cat >/dev/null; printf '            X509v3 Subject Alternative Name: \n                DNS:gra-worker-2, IP Address:10.80.0.12\n'`)
	result, _ := h.run("cluster_approve", "")
	if result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	var approved []string
	for call := range strings.Lines(h.read("calls")) {
		if strings.Contains(call, "certificate approve") {
			approved = append(approved, strings.Fields(call)[len(strings.Fields(call))-1])
		}
	}
	want(t, "approved", strings.Join(approved, " "), "csr-1")
	want(t, "told", result.Stderr, "havre: gra-worker-9: asks for a serving certificate for DNS:gra-worker-2,IPAddress:10.80.0.12, but is 10.80.0.19; left alone\n")
}

func TestRetireOfADeadClusterGoesOn(t *testing.T) {
	h := newHost(t, controlPlane())
	h.stub("kubectl", "exit 1")
	result, _ := h.run("cluster_retire gra-worker-2 300", "")
	want(t, "message", result.Stderr, "havre: gra-worker-2: no API server is ready after 60 s, so nothing is drained\n")
	if result.Code != 0 {
		t.Errorf("status %d", result.Code)
	}
}

// A control-plane node that is dead cannot take its own member out of etcd: whoever drains it does, and leaves a living one to itself.
func TestRetireTakesADeadMemberOut(t *testing.T) {
	const members = `echo '91bc3c398fb3c146, started, rbx-cp-1, https://10.80.0.1:2380, x, false
8e9e05c52164694d, started, gra-cp-1, https://10.80.0.2:2380, x, false'`
	for name, c := range map[string]struct {
		step, etcdctl string
		removed       bool
		code          int
	}{
		"dead":       {"cluster_retire gra-cp-1 300 10.80.0.2", `case "$*" in *"endpoint health"*) exit 1 ;; *"member list"*) ` + members + ` ;; esac`, true, 0},
		"alive":      {"cluster_retire gra-cp-1 300 10.80.0.2", `case "$*" in *"member list"*) ` + members + ` ;; esac`, false, 0},
		"a worker":   {"cluster_retire gra-worker-2 300", `exit 1`, false, 0},
		"no quorum":  {"cluster_retire gra-cp-1 300 10.80.0.2", `exit 1`, false, 1},
		"out before": {"cluster_retire sbg-cp-1 300 10.80.0.3", `case "$*" in *"endpoint health"*) exit 1 ;; *"member list"*) ` + members + ` ;; esac`, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, controlPlane())
			h.write("etc/kubernetes/pki/etcd/healthcheck-client.key", "x")
			h.stub("kubectl", "echo node/x")
			h.stub("etcdctl", c.etcdctl)
			// One try, where the real one has a minute.
			h.library += "\nSECONDS=0; sleep() { SECONDS=$((SECONDS + 60)); }\n"
			result, calls := h.run(c.step, "")
			if result.Code != c.code {
				t.Errorf("status %d, want %d: %s", result.Code, c.code, result.Stderr)
			}
			if got := strings.Contains(calls, "member remove 8e9e05c52164694d"); got != c.removed || strings.Contains(calls, "member remove 91bc3c398fb3c146") {
				t.Errorf("removed %t, want %t, and never the one that asks:\n%s", got, c.removed, calls)
			}
			if c.code != 0 && !strings.Contains(result.Stderr, "gra-cp-1: is dead, and its etcd member could not be removed within 60 s") {
				t.Errorf("it says %s", result.Stderr)
			}
		})
	}
}

// etcd takes no new member while one of the old ones is dead, so whoever invites takes the dead one out first: of a node that is described no more, and of no other.
func TestInvitingForgetsTheDead(t *testing.T) {
	members := func(address string) string {
		return `echo '91bc3c398fb3c146, started, rbx-cp-1, https://10.80.0.1:2380, https://10.80.0.1:2379, false
8e9e05c52164694d, started, old-cp-1, https://` + address + `:2380, https://` + address + `:2379, false'`
	}
	for name, c := range map[string]struct {
		address, health string
		removed         bool
	}{
		"described no more, dead":  {"10.80.0.9", "exit 1", true},
		"described no more, alive": {"10.80.0.9", "exit 0", false},
		"described, dead":          {"10.80.0.2", "exit 1", false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, controlPlane())
			h.write("etc/kubernetes/pki/etcd/healthcheck-client.key", "x")
			h.stub("etcdctl", `case "$*" in *10.80.0.1:*"endpoint health"*) exit 0 ;; *"endpoint health"*) `+c.health+` ;; *"member list"*) `+members(c.address)+` ;; esac`)
			result, calls := h.run("cluster_forget_dead", "")
			if result.Code != 0 {
				t.Fatal(result.Stderr)
			}
			if got := strings.Contains(calls, "member remove 8e9e05c52164694d"); got != c.removed || strings.Contains(calls, "member remove 91bc3c398fb3c146") {
				t.Errorf("removed %t, want %t:\n%s", got, c.removed, calls)
			}
		})
	}
}

// The whole preparation, twice: the second time nothing is restarted and no file changes.
func TestPrepare(t *testing.T) {
	for name, n := range map[string]kubeadm.Node{"control plane": controlPlane(), "worker": worker()} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, n)
			for _, name := range []string{"haproxy", "modprobe"} {
				h.stub(name, "")
			}
			h.stub("dpkg-query", "printf installed")
			h.stub("curl", `while [[ $1 != -o ]]; do shift; done; printf %s binary >"$2"`)
			h.stub("sysctl", "")
			c := production()
			for name, b := range c.Release.Binaries {
				// SHA-256 of "binary".
				b.SHA256 = "9a3a45d01531a20e89ac6ae10b0b0beb0492acd7216a368aa062d1a5fecaf9cd"
				c.Release.Binaries[name] = b
			}
			c.Network.ExternalCNI = true
			step := strings.NewReplacer("/etc/", h.dir+"/etc/").Replace(kubeadm.Prepare(c, n))
			// Kernel settings are the machine's.
			step = "havre_sysctl() { :; }\n" + step
			var texts []string
			for i := range 2 {
				os.Remove(filepath.Join(h.dir, "calls"))
				if result, _ := h.run(step, ""); result.Code != 0 {
					t.Fatalf("time %d: %s", i, result.Stderr)
				}
				calls := h.read("calls")
				if restarted := strings.Contains(calls, "systemctl restart containerd.service\n"); restarted != (i == 0) {
					t.Errorf("time %d: containerd restarted %t:\n%s", i, restarted, calls)
				}
				texts = append(texts, h.read("etc/havre/cluster/join.json")+h.read("etc/havre/cluster/kubelet.conf.d/10-havre.conf")+h.read("etc/containerd/config.toml"))
			}
			if texts[0] == "" || texts[0] != texts[1] {
				t.Error("the files differ from one run to the next")
			}
			if got := h.exists("etc/systemd/system/havre-approve.timer"); got != n.ControlPlane {
				t.Errorf("certificates are signed there: %t", got)
			}
		})
	}
}

// TestPodNetworkOfAHost: a bridge is the host's own; an add-on only finds its file systems there.
func TestPodNetworkOfAHost(t *testing.T) {
	for cni, c := range map[string]struct {
		conflist bool
		applied  string
	}{"bridge": {true, "systemctl restart havre-cni.service"}, "external": {false, "systemctl start havre-cni.service"}} {
		t.Run(cni, func(t *testing.T) {
			h := newHost(t, worker())
			if result, _ := h.run("CNI="+cni+" kubernetes_cni", ""); result.Code != 0 {
				t.Fatal(result.Stderr)
			}
			if h.exists("etc/cni/net.d/10-havre.conflist") != c.conflist || h.exists("etc/havre/cluster/masquerade.nft") != c.conflist || !h.exists("etc/systemd/system/havre-cni.service") {
				t.Errorf("a bridge is described: %t, want %t", !c.conflist, c.conflist)
			}
			if !strings.Contains(h.read("calls"), c.applied+"\n") {
				t.Errorf("want %q, got:\n%s", c.applied, h.read("calls"))
			}
		})
	}
}
