package ansible

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"havre/components/host/script"
	"havre/components/host/script/scripttest"
	"havre/infra/bench/bootstrap"
	"havre/infra/bench/bootstrap/bootstraptest"
)

var update = flag.Bool("update", false, "write the goldens anew")

func TestWrite(t *testing.T) {
	folder := t.TempDir()
	if err := Write(folder, bootstraptest.Fleet(t, false), Access{KeyFile: "/keys/id_ed25519", KnownHosts: "/keys/known_hosts"}); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, name := range []string{"site.json", "inventory.json", "ansible.cfg"} {
		scripttest.Golden(t, filepath.Join("testdata", name), read(name), *update)
	}
	// Texts of the library, as they are there.
	for name, library := range map[string]string{
		"sysctl.conf": "base.sh", "sshd.conf": "base.sh", "journald.conf": "base.sh", "apt.conf": "base.sh", "private-network": "private-network",
	} {
		if text := read(filepath.Join("files", name)); !strings.Contains(script.LibraryFile(library), text) || strings.Count(text, "\n") < 4 {
			t.Errorf("%s is not of %s:\n%s", name, library, text)
		}
	}
	for name, want := range map[string]string{
		"files/havre-firewall.service":               "\nExecStart=/usr/sbin/nft -f /etc/havre/firewall.nft\n",
		"templates/havre-private-network.service.j2": "\nExecStart=/usr/local/lib/havre/private-network up {{ private_interface }}\n",
		"files/modprobe.conf":                        "install tipc /bin/true\n",
	} {
		if text := read(name); !strings.Contains(text, want) || strings.Contains(text, "$") {
			t.Errorf("%s has no %q, or a variable of the shell:\n%s", name, want, text)
		}
	}
}

// Whatever a task names is there: a file, a template, a handler, a variable of every host.
func TestPlaybookIsWhole(t *testing.T) {
	folder := t.TempDir()
	if err := Write(folder, bootstraptest.Fleet(t, true), Access{}); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, play := range Playbook() {
		handlers := map[string]bool{}
		for _, handler := range play.Handlers {
			handlers[handler.Name] = false
		}
		for _, task := range play.Tasks {
			if names[task.Name] {
				t.Errorf("two tasks are named %s", task.Name)
			}
			names[task.Name] = true
			var path string
			switch do := task.Do.(type) {
			case Copy:
				path = filepath.Join("files", do.Src)
			case Template:
				path = filepath.Join("templates", do.Src)
			}
			if _, err := os.Stat(filepath.Join(folder, path)); err != nil {
				t.Errorf("task %s: %v", task.Name, err)
			}
			if _, found := handlers[task.Notify]; !found && task.Notify != "" {
				t.Errorf("task %s notifies %q, which no handler of its play is", task.Name, task.Notify)
			}
			if task.Notify != "" {
				handlers[task.Notify] = true
			}
		}
		for name, notified := range handlers {
			if !notified {
				t.Errorf("nobody notifies %s", name)
			}
		}
	}
}

func TestTaskIsWrittenAsAPlaybookHasIt(t *testing.T) {
	text, err := json.Marshal(Task{Name: "peers", Do: Template{Src: "a.j2", Dest: "/etc/a", Mode: "0600"}, Register: "conf", When: "x", Notify: "load", Reads: true, Passes: true})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"ansible.builtin.template":{"src":"a.j2","dest":"/etc/a","mode":"0600"},"changed_when":false,"failed_when":false,"name":"peers","notify":"load","register":"conf","when":"x"}`
	if string(text) != want {
		t.Errorf("got %s\nwant %s", text, want)
	}
}

// The lines of nft are those that the library makes on the host.
func TestLineIsTheLibrarys(t *testing.T) {
	wall := script.Firewall{
		Interface: "wg0", Port: 51820, Mesh: netip.MustParsePrefix("10.80.0.0/16"), Pods: netip.MustParsePrefix("10.81.0.0/16"), PodInterfaces: []string{"cni0", "lxc*"},
	}
	for word, rule := range map[string]script.FirewallRule{
		"tcp/22":               {Protocol: "tcp", Port: 22},
		"!tcp/22":              {Deny: true, Protocol: "tcp", Port: 22},
		"hosts:tcp/22":         {From: script.FromHosts, Protocol: "tcp", Port: 22},
		"cluster:tcp/10250":    {From: script.FromCluster, Protocol: "tcp", Port: 10250},
		"192.0.2.0/24:tcp/22":  {From: "192.0.2.0/24", Protocol: "tcp", Port: 22},
		"!203.0.113.0/24:udp":  {Deny: true, From: "203.0.113.0/24", Protocol: "udp"},
		"udp@123":              {Protocol: "udp", FromPort: 123},
		"udp/53@123":           {Protocol: "udp", Port: 53, FromPort: 123},
		"icmp":                 {Protocol: "icmp"},
		"198.51.100.7/32:ipv4": {From: "198.51.100.7/32", Protocol: "ipv4"},
	} {
		text := script.LibraryFile("firewall.sh") + "firewall_rule " + script.Words(word, wall.Mesh.String(), wall.Pods.String(), `"wg0"`, `"wg0", "cni0", "lxc*"`)
		r := scripttest.Run(t, t.TempDir(), text, "")
		if got, want := line(wall, rule), strings.TrimSpace(r.Stdout); got != want || r.Code != 0 {
			t.Errorf("%s\n got %s\nwant %s", word, got, want)
		}
	}
}

func TestAFunctionWithoutATextIsSaid(t *testing.T) {
	for _, function := range []string{"base_swap", "nothing"} {
		text, err := heredoc("base.sh", function)
		want := "ansible: " + function + " of base.sh has no here-document any more; see where its text went, and mend infra/bench/ansible/files.go"
		if text != "" || err == nil || err.Error() != want {
			t.Errorf("got %q, %v", text, err)
		}
	}
}

func TestParse(t *testing.T) {
	const said = `
TASK [interface] ***
changed: [gra-control-1]

PLAY RECAP *********************************************************************
gra-control-1              : ok=29   changed=21   unreachable=0    failed=0    skipped=4    rescued=0    ignored=0   
gra-worker-1               : ok=33   changed=24   unreachable=0    failed=1    skipped=0    rescued=0    ignored=0   
`
	recap, err := parse(said)
	if want := (Recap{OK: 62, Changed: 45, Failed: 1, Skipped: 4}); err != nil || recap != want {
		t.Errorf("got %+v, %v; want %+v", recap, err, want)
	}
	for _, said := range []string{"", "ERROR! no hosts", "\nPLAY RECAP ****\n"} {
		if _, err := parse(said); err == nil || err.Error() != "it did not come to its recap" {
			t.Errorf("%q: error %v", said, err)
		}
	}
}

func TestAHostThatIsNotThereIsSaid(t *testing.T) {
	f := bootstraptest.Fleet(t, false)
	f.Added = true
	_, err := NewInventory(f, Access{})
	if want := "bootstrap: node " + bootstrap.Added + " has no host among 6; run make bench"; err == nil || err.Error() != want {
		t.Errorf("error %v; want %s", err, want)
	}
}
