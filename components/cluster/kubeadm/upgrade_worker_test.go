package kubeadm_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fleetAPI is an API server that knows nodes as folders of words, each a file: version, ready, closed, edge, and the annotations away, kubelet and trouble. A kubelet that is told a version takes it, but for
// one whose node has the word stubborn. Every change is noted as an act, with what of the fleet takes pods at the time.
const fleetAPI = `cd DIR/nodes
node=''
for word in "$@"; do
  [[ ! -d $word ]] || node=$word
  [[ $word != *metadata.name=* && $word != *spec.nodeName=* ]] || { node=${word#*=}; node=${node%%,*}; }
done
act() { echo "$*" >>DIR/acts; }
say() { cat "$node/$1" 2>/dev/null || true; }
case "$*" in
*"get --raw /version"*) printf '{\n  "gitVersion": "%s",\n}\n' "$(cat DIR/serves)" ;;
*"get lease"*) cat DIR/lease 2>/dev/null || true ;;
*"get pods"*go-template*) [[ ! -e $node/edge ]] || echo "caddy-x True" ;;
*"get node "*go-template*) say away ;;
*"get node "*unschedulable*) say closed ;;
*"get pods"*) echo True ;;
*nodeInfo.kubeletVersion*Ready*) printf '%s %s' "$(say version)" "$(say ready)" ;;
*nodeInfo.kubeletVersion*) say version ;;
*"get node "*havre/*) word=${*: -1}; word=${word#*havre/}; say "${word%\}}" ;;
*"get nodes -l node-role.kubernetes.io/worker"*) for node in *; do echo "$node|$(say closed)|$(say away)|$(say ready)"; done ;;
*"get nodes -l node-role.kubernetes.io/edge"*) [[ ! -e $node/edge ]] || echo "node/$node" ;;
*" drain "*) printf true >"$node/closed"; act "drain $node" ;;
*" uncordon "*) rm -f "$node/closed"; act "uncordon $node" ;;
*" label "*edge-*) rm -f "$node/edge"; act "readers leave $node" ;;
*" label "*edge=*) printf x >"$node/edge"; act "readers enter $node" ;;
*" annotate "*)
  for word in "$@"; do
    case "$word" in
    havre/*=*) word=${word#havre/}; printf %s "${word#*=}" >"$node/${word%%=*}"; act "$node: $word"
      [[ $word != kubelet=* || -e $node/stubborn ]] || printf %s "${word#*=}" >"$node/version" ;;
    havre/*-) word=${word#havre/}; rm -f "$node/${word%-}" ;;
    esac
  done
  [[ $* != *havre/away-* ]] || act "$node is through" ;;
esac`

// fleet makes a control-plane node whose API knows these workers, each with its words as name=value.
func fleet(t *testing.T, serves string, workers map[string]string) *fakeHost {
	h := newHost(t, controlPlane())
	h.write("serves", serves)
	for name, words := range workers {
		for _, word := range strings.Fields("ready=True version=v1.35.4 " + words) {
			key, value, _ := strings.Cut(word, "=")
			h.write("nodes/"+name+"/"+key, value)
		}
	}
	h.stub("kubectl", strings.ReplaceAll(fleetAPI, "DIR", h.dir))
	return h
}

// upgrade brings one of the workers to v1.36.3, and says what was done.
func (h *fakeHost) upgrade(node string, places int) (acts, said string, code int) {
	os.Remove(filepath.Join(h.dir, "acts"))
	// As upgrade_admit does, less the admission.
	result, _ := h.run(fmt.Sprintf("mkdir -p %s/run/lock; cluster_admit() { cluster_lock \"member-$1\"; }\nupgrade_admit v1.36.3 %d 300 %s 10.80.0.12 10.81.12.0/24", h.dir, places, node), "")
	return strings.ReplaceAll(strings.TrimSpace(h.read("acts")), "\n", "; "), strings.TrimSpace(result.Stderr), result.Code
}

func TestWorkerIsUpgraded(t *testing.T) {
	for name, c := range map[string]struct {
		serves  string
		workers map[string]string
		places  int
		acts    string
		refused string
	}{
		"through already": {"v1.36.3", map[string]string{"w-1": "version=v1.36.3"}, 1, "", ""},
		"another minor": {"v1.36.3", map[string]string{"w-1": "", "w-2": ""}, 1,
			"w-1: away=pods; drain w-1; w-1: kubelet=v1.36.3; uncordon w-1; w-1 is through", ""},
		"readers leave before the drain, and come back last": {"v1.36.3", map[string]string{"w-1": "edge=x", "w-2": "edge=x"}, 1,
			"w-1: away=edge; readers leave w-1; drain w-1; w-1: kubelet=v1.36.3; uncordon w-1; readers enter w-1; w-1 is through", ""},
		"another patch moves nobody": {"v1.36.3", map[string]string{"w-1": "version=v1.36.1 edge=x"}, 1,
			"w-1: away=edge; w-1: kubelet=v1.36.3; uncordon w-1; readers enter w-1; w-1 is through", ""},
		"who was closed by hand stays it": {"v1.36.3", map[string]string{"w-1": "closed=true"}, 1,
			"w-1: away=cordoned; drain w-1; w-1: kubelet=v1.36.3; w-1 is through", ""},
		"an API server behind": {"v1.35.4", map[string]string{"w-1": ""}, 1, "",
			"w-1: Kubernetes v1.36.3 is wanted, and the API server of rbx-cp-1 runs v1.35.4: no kubelet is newer than an API server; mend it and run again. Nothing was changed on w-1"},
		"another is missing": {"v1.36.3", map[string]string{"w-1": "", "w-2": "ready=False"}, 1, "",
			"w-1: its upgrade to v1.36.3 does not begin: w-2 not ready or closed to pods, and 1 may be missing at a time (Cluster.MaxUnavailable); mend, uncordon or retire, and run again. Nothing was changed on w-1"},
		"another is missing, and two may be": {"v1.36.3", map[string]string{"w-1": "", "w-2": "closed=true", "w-3": ""}, 2,
			"w-1: away=pods; drain w-1; w-1: kubelet=v1.36.3; uncordon w-1; w-1 is through", ""},
		"what was left half-way is finished first": {"v1.36.3", map[string]string{"w-1": "", "w-2": "away=edge closed=true"}, 1,
			"readers leave w-2; drain w-2; w-2: kubelet=v1.36.3; uncordon w-2; readers enter w-2; w-2 is through; " +
				"w-1: away=pods; drain w-1; w-1: kubelet=v1.36.3; uncordon w-1; w-1 is through", ""},
		"left after its kubelet had changed": {"v1.36.3", map[string]string{"w-1": "version=v1.36.3 away=edge closed=true"}, 1,
			"uncordon w-1; readers enter w-1; w-1 is through", ""},
		"a kubelet that says why not": {"v1.36.3", map[string]string{"w-1": "stubborn=yes trouble=x", "w-2": ""}, 1, "w-1: away=pods; drain w-1; w-1: kubelet=v1.36.3",
			"w-1: its kubelet is v1.35.4 still, and was told v1.36.3: nothing is heard of it for 600 s; see 'journalctl -u havre-upgrade' there. No other worker begins; mend it and run again"},
	} {
		t.Run(name, func(t *testing.T) {
			h := fleet(t, c.serves, c.workers)
			acts, said, code := h.upgrade("w-1", c.places)
			want(t, "acts", acts, c.acts)
			if (code == 0) != (c.refused == "") || c.refused != "" && !strings.HasSuffix(said, "havre: "+c.refused) {
				t.Errorf("exit %d with\n %s\nwant\n %s", code, said, c.refused)
			}
			if c.refused != "" {
				return
			}
			if acts, said, code := h.upgrade("w-1", c.places); acts != "" || code != 0 {
				t.Errorf("a second run acts: %s %s", acts, said)
			}
		})
	}
}

// A worker that another run is at work on is waited for, not taken over and no reason to give up.
func TestWorkerWaitsForWhoIsAtWork(t *testing.T) {
	h := fleet(t, "v1.36.3", map[string]string{"w-1": "", "w-2": "away=pods closed=true"})
	// The other run holds its lock until it is through, which it is when this one has waited three times.
	h.library += `
mkdir -p ` + h.dir + `/run/lock
exec 7>` + h.dir + `/run/lock/havre-member-w-2
flock 7
waited=0
sleep() {
  [[ $1 != 5 ]] || waited=$((waited + 1))
  ((waited < 3)) || { exec 7>&-; rm -f ` + h.dir + `/nodes/w-2/away ` + h.dir + `/nodes/w-2/closed; }
}
`
	acts, said, code := h.upgrade("w-1", 1)
	want(t, "acts", acts, "w-1: away=pods; drain w-1; w-1: kubelet=v1.36.3; uncordon w-1; w-1 is through")
	if code != 0 {
		t.Error(said)
	}
}

// Whoever takes nodes away for another reason is not met half-way.
func TestWorkerStaysWhileNodesAreRebooted(t *testing.T) {
	h := fleet(t, "v1.36.3", map[string]string{"w-1": "", "w-2": "away=edge closed=true"})
	h.write("lease", "ada on a laptop")
	acts, said, code := h.upgrade("w-1", 1)
	if acts != "" || code == 0 || !strings.HasSuffix(said, "w-1: its upgrade to v1.36.3 does not begin: ada on a laptop takes nodes away (Lease kube-system/havre-absence); run again when that has ended. Nothing was changed on w-1") {
		t.Errorf("exit %d with %s, acts %s", code, said, acts)
	}
}

// The worker's own part: nothing until its Node says so, then kubeadm, then its kubelet; the service goes with the binary.
func TestWorkerChangesItsKubeletWhenTold(t *testing.T) {
	for name, c := range map[string]struct {
		kubeadm string
		code    int
		kubelet string
		told    string
	}{
		"well": {"", 0, "v1.36.3", "annotate node gra-worker-2 --overwrite havre/trouble=\n"},
		"ill":  {"[[ $1 != upgrade ]]", 1, "v1.35.4", "annotate node gra-worker-2 --overwrite havre/trouble=\nannotate node gra-worker-2 --overwrite havre/trouble=kubeadm upgrade node failed, and is tried again; see 'journalctl -u havre-upgrade' there\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, worker())
			h.write("var/lib/havre/cluster/member", "sha256:1")
			h.write("usr/bin/kubelet", "v1.35.4")
			h.write("usr/bin/kubelet-v1.36.3", "v1.36.3")
			h.stub("kubeadm", c.kubeadm)
			// It is asked three times before it says yes.
			h.stub("kubectl", `[[ $* != *"get node"* ]] || { echo x >>`+h.dir+`/asked; (($(wc -l <`+h.dir+`/asked) < 3)) || echo v1.36.3; }
[[ $* != *annotate* ]] || printf '%s\n' "${*:3}" >>`+h.dir+`/told`)
			result, calls := h.run("upgrade_follow", "")
			if result.Code != c.code {
				t.Fatalf("exit %d: %s", result.Code, result.Stderr)
			}
			want(t, "calls", calls, "kubeadm upgrade node --config /etc/havre/cluster/upgrade.json")
			want(t, "kubelet", h.read("usr/bin/kubelet"), c.kubelet)
			want(t, "told", h.read("told"), c.told)
			if done := !h.exists("usr/bin/kubelet-v1.36.3"); done != (c.code == 0) || strings.Contains(h.read("calls"), "disable havre-upgrade.service") != done {
				t.Errorf("the service is through: %t", done)
			}
		})
	}
}

// A preparation makes a worker wait for its turn, and takes all of that back where there is nothing to wait for.
func TestWorkerAwaitsItsTurn(t *testing.T) {
	h := newHost(t, worker())
	h.write("var/lib/havre/cluster/member", "sha256:1")
	h.write("usr/bin/kubelet-v1.36.3", "x")
	h.stub("kubelet", "echo Kubernetes v1.35.4")
	if result, _ := h.run("upgrade_await", ""); result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	if !strings.Contains(h.read("etc/systemd/system/havre-upgrade.service"), " upgrade_follow\n") || !strings.Contains(h.read("calls"), "systemctl restart --no-block havre-upgrade.service\n") {
		t.Errorf("it does not wait:\n%s", h.read("calls"))
	}
	h.stub("kubelet", "echo Kubernetes v1.36.3")
	if result, _ := h.run("upgrade_await", ""); result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	if h.exists("etc/systemd/system/havre-upgrade.service") || h.exists("usr/bin/kubelet-v1.36.3") || !strings.Contains(h.read("calls"), "systemctl -q disable --now havre-upgrade.service\n") {
		t.Errorf("it waits still:\n%s", h.read("calls"))
	}
}
