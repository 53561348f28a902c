package kubeadm_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"havre/components/cluster/kubeadm"
	"havre/components/host/script/scripttest"
)

// What a node that is in the cluster refuses, before anything is written.
func TestVersionOfAMember(t *testing.T) {
	const nothing = " Nothing was changed here\n"
	for name, c := range map[string]struct {
		node    kubeadm.Node
		member  bool
		kubelet string
		refused string
	}{
		"a host that is no member":      {worker(), false, "exit 9", ""},
		"no kubelet there":              {worker(), true, "exit 127", ""},
		"the same version":              {worker(), true, "echo Kubernetes v1.36.3", ""},
		"another patch":                 {worker(), true, "echo Kubernetes v1.36.1", ""},
		"the next minor":                {controlPlane(), true, "echo Kubernetes v1.35.4", ""},
		"a worker that was long away":   {worker(), true, "echo Kubernetes v1.33.0", ""},
		"a worker that was away longer": {worker(), true, "echo Kubernetes v1.32.9", "gra-worker-2: runs Kubernetes v1.32.9, and v1.36.3 is wanted: a kubelet is at most three minor versions older than its API servers; raise the node's Generation, which installs it anew." + nothing},
		"an older minor":                {worker(), true, "echo Kubernetes v1.37.0", "gra-worker-2: runs Kubernetes v1.37.0, and v1.36.3 is wanted: a minor version is never taken back; set Cluster.KubernetesVersion to one of v1.37." + nothing},
		"a minor left out":              {controlPlane(), true, "echo Kubernetes v1.34.2", "rbx-cp-1: runs Kubernetes v1.34.2, and v1.36.3 is wanted: one minor version at a time; set Cluster.KubernetesVersion to one of v1.35 first." + nothing},
	} {
		h := newHost(t, c.node)
		if c.member {
			h.write("var/lib/havre/cluster/member", "sha256:1")
		}
		h.stub("kubelet", c.kubelet)
		h.stub("dpkg-query", "printf installed")
		before := h.read("etc/havre/cluster/node.env")
		step := "upgrade_allowed"
		if c.refused != "" {
			step = "kubernetes_prepare <<<\"$(cat " + h.dir + "/etc/havre/cluster/node.env; echo LATER=yes)\""
		}
		result, _ := h.run(step, "")
		said, code := "", 0
		if c.refused != "" {
			said, code = "havre: "+c.refused, 1
		}
		if result.Stderr != said || result.Code != code {
			t.Errorf("%s: exit %d with\n %q\nwant %d with\n %q", name, result.Code, result.Stderr, code, said)
		}
		if h.read("etc/havre/cluster/node.env") != before {
			t.Errorf("%s: the refused description was written", name)
		}
	}
}

// A member's kubelet is fetched beside the one that runs, and only if it is of the version that it is taken for; everyone else's goes where it runs.
func TestKubeletOfAMemberWaits(t *testing.T) {
	const version = `#!/bin/bash
echo Kubernetes v1.36.3
`
	for name, c := range map[string]struct {
		member        bool
		runs, fetched string
		path, refused string
	}{
		"new host":       {false, "", version, "usr/bin/kubelet", ""},
		"same version":   {true, "v1.36.3", version, "usr/bin/kubelet", ""},
		"other version":  {true, "v1.35.4", version, "usr/bin/kubelet-v1.36.3", ""},
		"other binaries": {true, "v1.35.4", strings.Replace(version, "36.3", "35.4", 1), "usr/bin/kubelet-v1.36.3", "havre: gra-worker-2: Kubernetes v1.36.3 is wanted, and the kubelet of havre:artifacts says that it is v1.35.4; change version and binaries together. Its kubelet is as it was\n"},
	} {
		h := newHost(t, worker())
		if c.member {
			h.write("var/lib/havre/cluster/member", "sha256:1")
		}
		h.stub("kubelet", "echo Kubernetes "+c.runs)
		h.write("served", c.fetched)
		h.stub("curl", `while [[ $1 != -o ]]; do shift; done; cat `+h.dir+`/served >"$2"`)
		result, _ := h.run(`kubernetes_binaries "kubelet=$(sha256sum <`+h.dir+`/served | cut -d' ' -f1)=https://x/kubelet"`, "")
		if result.Stderr != c.refused || (result.Code == 0) != (c.refused == "") {
			t.Errorf("%s: exit %d with %q, want %q", name, result.Code, result.Stderr, c.refused)
		}
		for _, path := range []string{"usr/bin/kubelet", "usr/bin/kubelet-v1.36.3"} {
			if h.exists(path) != (path == c.path) {
				t.Errorf("%s: %s is there: %t", name, path, h.exists(path))
			}
		}
	}
}

// kubeadm upgrade gets the same patches as kubeadm init, and puts no add-on.
func TestUpgradeConfiguration(t *testing.T) {
	for name, c := range map[string]kubeadm.Cluster{"upgrade.json": production(), "local-upgrade.json": local()} {
		text := made(t, c, worker(), "upgrade_config")
		if !json.Valid([]byte(text)) {
			t.Errorf("%s is not JSON:\n%s", name, text)
		}
		scripttest.Golden(t, golden(name), text, *update)
	}
}

// members is an etcdctl that knows this host's member.
const members = `[[ $* != *"member list"* ]] || echo "1, started, rbx-cp-1, https://10.80.0.1:2380, https://10.80.0.1:2379, false"
`

// upgraded makes a control-plane node of v1.35.4 whose kubeadm does what the real one does to the manifests, and an API that knows the node's version by the kubelet's.
func upgraded(t *testing.T) *fakeHost {
	h := newHost(t, controlPlane())
	h.write("var/lib/havre/cluster/member", "sha256:1")
	h.write("etc/kubernetes/admin.conf", "x")
	h.write("etc/kubernetes/pki/secrets.json", "x")
	h.write("usr/bin/kubelet-v1.36.3", "#!/bin/bash\necho Kubernetes v1.36.3\n")
	h.write("usr/bin/kubelet", "#!/bin/bash\necho Kubernetes v1.35.4\n")
	for _, component := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"} {
		h.write("etc/kubernetes/manifests/"+component+".yaml", "image: registry.k8s.io/"+component+":v1.35.4\n")
	}
	h.stub("kubelet", "bash "+h.dir+"/usr/bin/kubelet")
	h.stub("kubeadm", `if [[ $1 == upgrade ]]; then
  [[ ! -e `+h.dir+`/fails ]] || exit 1
  sed -i s/v1.35.4/v1.36.3/ `+h.dir+`/etc/kubernetes/manifests/kube-*.yaml
  mkdir -p `+h.dir+`/etc/kubernetes/tmp
fi`)
	h.stub("kubectl", `case "$*" in
*"get --raw /version"*) printf '{\n  "gitVersion": "%s",\n}\n' "$(cat `+h.dir+`/serves 2>/dev/null || echo v1.35.4)" ;;
*"get namespace kube-system"*) cat `+h.dir+`/havre-kubernetes 2>/dev/null || true ;;
*"annotate namespace"*) printf '%s' "${*: -1}" | cut -d= -f2 >`+h.dir+`/havre-kubernetes ;;
*nodeInfo.kubeletVersion*Ready*) printf '%s True' "$(bash `+h.dir+`/usr/bin/kubelet | cut -d' ' -f2)" ;;
*"get pods"*) printf 'True\nTrue\n' ;;
*"get node "*go-template*) for word in "$@"; do [[ ! -e `+h.dir+`/away/$word ]] || cat `+h.dir+`/away/"$word"; done ;;
*"get secret etcd-backup"*) echo '{"repository":"s3/b/x","password":"p","accessKey":"a","secretKey":"s","region":"r","everySeconds":3600,"keepHourly":1,"keepDaily":1}' | base64 -w0 ;;
esac`)
	h.stub("restic", `[[ $* != *snapshots* ]] || echo '[{"time":"2026-01-01T00:00:00Z"}]'`)
	h.stub("etcdctl", members)
	h.stub("curl", "")
	h.stub("pgrep", "echo 1")
	h.stub("systemctl", "")
	return h
}

// acts are what a step did that others notice, in their order.
func (h *fakeHost) acts() string {
	var acts []string
	for call := range strings.Lines(h.read("calls")) {
		call = strings.TrimSpace(strings.ReplaceAll(call, h.dir, ""))
		for _, act := range []string{" snapshot save", "kubeadm upgrade ", " drain ", " uncordon ", " annotate ", " label ", "systemctl try-restart kubelet", "kubeadm init phase control-plane "} {
			i := strings.Index(call, act)
			switch {
			case i < 0:
				continue
			case act == " snapshot save":
				call = "snapshot save"
			case act[0] == ' ':
				call = "kubectl" + call[i:]
			}
			acts = append(acts, call)
			break
		}
	}
	return strings.Join(acts, "\n")
}

func TestControlPlaneNodeIsUpgraded(t *testing.T) {
	const drained = "kubectl annotate node rbx-cp-1 havre/away=pods\nkubectl drain rbx-cp-1 --ignore-daemonsets --delete-emptydir-data --force --skip-wait-for-delete-timeout=60 --timeout=300s\n"
	const kubelet = "systemctl try-restart kubelet.service\nkubeadm init phase control-plane all --config /etc/havre/cluster/init.json\nkubectl uncordon rbx-cp-1\nkubectl annotate node rbx-cp-1 havre/away-"
	for name, c := range map[string]struct {
		cluster string
		want    string
	}{
		"the first takes a backup and upgrades what is the cluster's": {"v1.35.4", "snapshot save\n" + drained +
			"kubeadm upgrade apply v1.36.3 --yes --config /etc/havre/cluster/upgrade.json\nkubectl annotate namespace kube-system --overwrite havre/kubernetes=v1.36.3\n" + kubelet},
		"the others upgrade themselves": {"v1.36.3", drained + "kubeadm upgrade node --config /etc/havre/cluster/upgrade.json\n" + kubelet},
	} {
		t.Run(name, func(t *testing.T) {
			h := upgraded(t)
			h.write("havre-kubernetes", c.cluster)
			result, _ := h.run("upgrade_control_plane", "")
			if result.Code != 0 {
				t.Fatal(result.Stderr)
			}
			want(t, "acts", h.acts(), c.want)
			if h.exists("etc/kubernetes/tmp") || h.exists("var/lib/havre/cluster/manifests") {
				t.Error("copies of what is in etcd, or of the manifests, stay")
			}
			if result, _ := h.run("upgrade_control_plane", ""); result.Code != 0 || h.acts() != "" {
				t.Errorf("a second run acts: %s%s", h.acts(), result.Stderr)
			}
		})
	}
}

// Killed before any command that changes something, the next run goes on and ends well: the backup, kubeadm's own part and the kubelet are each there in the end, and the node is open.
func TestControlPlaneUpgradeSurvivesAKillAnywhere(t *testing.T) {
	// The countdown is of the commands that change something; at its end the run goes with one of them.
	const killing = `case "$*" in
*" snapshot save "* | backup* | *" drain "* | "upgrade apply"* | *" annotate "* | "try-restart kubelet"* | "init phase"* | *" uncordon "*)
  n=$(cat DIR/left 2>/dev/null || echo 0)
  echo $((n - 1)) >DIR/left
  ((n != 1)) || { kill -9 "$(<DIR/shell)"; exit 137; } ;;
esac
`
	for n := 1; ; n++ {
		h := upgraded(t)
		h.write("havre-kubernetes", "v1.35.4")
		h.write("left", fmt.Sprint(n))
		for _, name := range []string{"kubeadm", "kubectl", "etcdctl", "systemctl", "restic"} {
			path := filepath.Join(h.dir, "bin", name)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("#!/bin/bash\n"+strings.ReplaceAll(killing, "DIR", h.dir)+string(text)), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		first, _ := h.run("echo $$ >"+h.dir+"/shell; upgrade_control_plane", "")
		if first.Code != 0 {
			if result, _ := h.run("upgrade_control_plane", ""); result.Code != 0 {
				t.Errorf("kill %d: the next run fails: %s", n, result.Stderr)
			}
		}
		if h.exists("var/lib/havre/cluster/manifests") || strings.TrimSpace(h.read("havre-kubernetes")) != "v1.36.3" || !strings.Contains(h.read("usr/bin/kubelet"), "v1.36.3") ||
			!strings.Contains(h.read("etc/kubernetes/manifests/kube-apiserver.yaml"), "v1.36.3") {
			t.Errorf("kill %d: not all of it is upgraded", n)
		}
		if first.Code == 0 {
			if n < 9 {
				t.Errorf("only %d commands change something", n-1)
			}
			return
		}
	}
}

func TestControlPlaneUpgradeStops(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fakeHost)
		want    string
		acts    string
	}{
		"an API server that is away": {func(h *fakeHost) { h.stub("kubectl", `[[ $* == *version* ]] && exit 1; exit 0`) },
			"rbx-cp-1: the API server of rbx-cp-1 does not say its version, and API servers are at most one minor version apart, so its upgrade to v1.36.3 does not begin; mend it and run again. Nothing was changed here", ""},
		"one that lags": {func(h *fakeHost) { h.write("serves", "v1.34.1") },
			"rbx-cp-1: the API server of rbx-cp-1 runs v1.34.1, and API servers are at most one minor version apart, so its upgrade to v1.36.3 does not begin; mend it and run again. Nothing was changed here", ""},
		"one that is not ready": {func(h *fakeHost) { h.stub("curl", "exit 22") },
			"rbx-cp-1: not every API server is ready, so its upgrade to v1.36.3 does not begin; mend it and run again. Nothing was changed here", ""},
		"a sick member of etcd": {func(h *fakeHost) { h.stub("etcdctl", members+`[[ $* != *"endpoint health"* ]]`) },
			"rbx-cp-1: not every member of etcd is healthy (etcdctl endpoint health --cluster), so its upgrade to v1.36.3 does not begin; mend it and run again. Nothing was changed here", ""},
		"a reboot": {func(h *fakeHost) {
			h.stub("kubectl", `case "$*" in *version*) printf '"gitVersion": "v1.35.4",' ;; *"get lease havre-absence"*) printf 'ada on a laptop' ;; esac`)
		},
			"rbx-cp-1: ada on a laptop takes nodes away (Lease kube-system/havre-absence), so its upgrade to v1.36.3 does not begin; mend it and run again. Nothing was changed here", ""},
		"another was left half-way": {func(h *fakeHost) { h.write("away/gra-cp-1", "pods") }, "", ""},
		"no backup":                 {func(h *fakeHost) { h.stub("restic", `[[ $* != *backup* ]]`) }, "", "snapshot save"},
		"kubeadm": {func(h *fakeHost) { h.write("fails", ""); h.write("havre-kubernetes", "v1.36.3") },
			"rbx-cp-1: kubeadm upgrade node to v1.36.3 failed; see above, and /var/log/pods there. It stays drained, and no other node is upgraded before it; mend it and run again",
			"kubectl annotate node rbx-cp-1 havre/away=pods\nkubectl drain rbx-cp-1 --ignore-daemonsets --delete-emptydir-data --force --skip-wait-for-delete-timeout=60 --timeout=300s\nkubeadm upgrade node --config /etc/havre/cluster/upgrade.json"},
	} {
		t.Run(name, func(t *testing.T) {
			h := upgraded(t)
			c.prepare(h)
			result, _ := h.run("upgrade_control_plane", "")
			if result.Code == 0 || !strings.HasSuffix(strings.TrimSpace(result.Stderr), c.want) {
				t.Errorf("exit %d with\n %s\nwant\n %s", result.Code, result.Stderr, c.want)
			}
			want(t, "acts", h.acts(), c.acts)
			if strings.Contains(h.read("etc/kubernetes/manifests/kube-apiserver.yaml"), "v1.36.3") {
				t.Error("its API server was changed")
			}
		})
	}
}

// Who has the lock before one that was left half-way gives it back, and goes on after it; where it does not come, nothing begins.
func TestControlPlaneNodeLeftHalfWayComesFirst(t *testing.T) {
	const left = "havre: rbx-cp-1: gra-cp-1 was left half-way, and comes first\n"
	// etcd's lock, and the other node, which is through when the lock was asked for so many times.
	const others = `
etcd_locked() {
  local asked
  echo x >>DIR/asked
  asked=$(wc -l <DIR/asked)
  ((asked < COMES)) || rm -f DIR/away/gra-cp-1
  (set -e; "$3")
}
`
	for name, c := range map[string]struct {
		comes int
		said  string
		code  int
		acts  bool
	}{
		"it comes": {3, left, 0, true},
		"it does not": {99, left + "havre: rbx-cp-1: its upgrade to v1.36.3 does not begin: gra-cp-1 was left half-way, and is not brought to its end; " +
			"see what its own step says, mend it and run again. Nothing was changed here\n", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := upgraded(t)
			h.write("havre-kubernetes", "v1.36.3")
			h.write("away/gra-cp-1", "pods")
			h.library += strings.NewReplacer("DIR", h.dir, "COMES", fmt.Sprint(c.comes)).Replace(others)
			result, _ := h.run("upgrade_turn https://10.80.0.1:2379", "")
			if result.Code != c.code || !strings.HasPrefix(result.Stderr, c.said) {
				t.Errorf("exit %d with\n%s\nwant %d with\n%s", result.Code, result.Stderr, c.code, c.said)
			}
			if acts := h.acts(); (acts != "") != c.acts {
				t.Errorf("acts:\n%s", acts)
			}
		})
	}
}

// A manifest that kubeadm had taken away when it was killed comes back.
func TestManifestLostOnTheWayComesBack(t *testing.T) {
	h := upgraded(t)
	if result, _ := h.run("upgrade_keep_manifests", ""); result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	before := h.read("etc/kubernetes/manifests/etcd.yaml")
	if err := os.Remove(filepath.Join(h.dir, "etc/kubernetes/manifests/etcd.yaml")); err != nil {
		t.Fatal(err)
	}
	h.write("etc/kubernetes/manifests/kube-scheduler.yaml", "image: registry.k8s.io/kube-scheduler:v1.36.3\n")
	if result, _ := h.run("upgrade_keep_manifests", ""); result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	want(t, "etcd's", h.read("etc/kubernetes/manifests/etcd.yaml"), before)
	want(t, "the one that is through", h.read("etc/kubernetes/manifests/kube-scheduler.yaml"), "image: registry.k8s.io/kube-scheduler:v1.36.3\n")
}

// The lock is renewed at every member, for the one beside is restarted under it.
func TestUpgradeHoldsTheLockAtAllMembers(t *testing.T) {
	h := upgraded(t)
	h.write("etc/havre/cluster/patches/x", "x")
	result, calls := h.run("control_plane_apply", "")
	if result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	if !strings.Contains(calls, "--endpoints=https://10.80.0.1:2379,https://10.80.0.2:2379,https://10.80.0.3:2379 ") || !strings.Contains(calls, "lock havre/care --ttl=60 -- ") || !strings.HasSuffix(calls, " upgrade.sh upgrade_control_plane") {
		t.Errorf("calls:\n%s", calls)
	}
}
