package sandboxcmd

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"havre/infra/sandbox/daemon"
	"havre/infra/sandbox/host"
	"havre/infra/sandbox/network"
)

func records() []host.Record {
	return []host.Record{
		{Spec: host.Spec{Service: "ns1.example", Hostname: "rbx-worker-1", Port: network.Port{Address: netip.MustParseAddr("198.51.100.11"), Private: true}}},
		{Spec: host.Spec{Service: "vps-1.example", Hostname: "rbx-control-1", Port: network.Port{Address: netip.MustParseAddr("198.51.100.12")}}},
	}
}

func TestWriteStatus(t *testing.T) {
	table := `SERVICE        HOSTNAME       ADDRESS        VRACK  STATE  NAMESPACE
ns1.example    rbx-worker-1   198.51.100.11  yes    off    hv11
vps-1.example  rbx-control-1  198.51.100.12  no     off    hv12
`
	for name, test := range map[string]struct {
		status daemon.Status
		want   string
	}{
		"down":     {daemon.Status{}, "daemon: down\n"},
		"starting": {daemon.Status{Daemon: host.Process{PID: 7}, Owner: "/own"}, "daemon: starting, process 7\n"},
		"ready":    {daemon.Status{Daemon: host.Process{PID: 7}, Ready: true, Owner: "/own", Hosts: records()}, "daemon: ready, process 7\n" + table},
		"killed":   {daemon.Status{Owner: "/own"}, "daemon: it was killed and left hosts; make up takes them over, make down removes them\n"},
		"other":    {daemon.Status{Owner: "/other"}, "daemon: down here; the sandbox of /other holds the machine\n"},
	} {
		var out bytes.Buffer
		if err := WriteStatus(&out, test.status, "/own"); err != nil {
			t.Fatal(err)
		}
		if out.String() != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, out.String(), test.want)
		}
	}
}

func TestFind(t *testing.T) {
	for _, name := range []string{"vps-1.example", "rbx-control-1", "198.51.100.12", "hv12"} {
		if record, err := find(records(), name); err != nil || record.Spec.Service != "vps-1.example" {
			t.Errorf("%s: got %v, %v", name, record, err)
		}
	}
	want := "host nobody: there is none of that service, hostname, address or namespace; havre sandbox hosts lists those that are"
	if _, err := find(records(), "nobody"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestLogin(t *testing.T) {
	got := login(records()[0], "/k", "/id", []string{"uptime"})
	want := []string{"-F", "none", "-i", "/id", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=/k", "-o", "GlobalKnownHostsFile=/dev/null", "debian@198.51.100.11", "--", "uptime"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCommands(t *testing.T) {
	var names []string
	for _, command := range New(Options{}).Commands() {
		names = append(names, command.Name())
	}
	if got, want := strings.Join(names, " "), "daemon down hosts shell status up"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
