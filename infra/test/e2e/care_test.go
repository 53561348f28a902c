//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
)

// cared asks every host what it does by itself over the years: security updates and nothing else, no reboot of its own, bounded logs, an sshd and kernel settings that
// are really in force.
func (w *walk) cared(t *testing.T, ctx context.Context) {
	const ask = `unattended-upgrade --dry-run -v 2>&1 | grep '^Allowed origins are:'
apt-config dump | grep -E '^(APT::Periodic::(Update-Package-Lists|Unattended-Upgrade)|Unattended-Upgrade::Automatic-Reboot) '
systemctl is-enabled lynis.timer || true
systemd-analyze cat-config systemd/journald.conf | grep -E '^(SystemMaxUse|MaxRetentionSec)='
sshd -T | grep -E '^(passwordauthentication|permitrootlogin|allowagentforwarding|tcpkeepalive) ' | sort
sysctl net.ipv4.conf.all.accept_source_route net.ipv4.conf.all.accept_redirects
modprobe -n -v dccp 2>&1 || true
su debian -c 'ulimit -H -c'`
	want := strings.Join([]string{
		"Allowed origins are: origin=Debian,codename=bookworm-security,label=Debian-Security",
		`APT::Periodic::Update-Package-Lists "1";`,
		`APT::Periodic::Unattended-Upgrade "1";`,
		`Unattended-Upgrade::Automatic-Reboot "false";`,
		"disabled",
		"SystemMaxUse=2G",
		"MaxRetentionSec=1month",
		"allowagentforwarding no",
		"passwordauthentication no",
		"permitrootlogin no",
		"tcpkeepalive no",
		"net.ipv4.conf.all.accept_source_route = 0",
		"net.ipv4.conf.all.accept_redirects = 0",
		"install /bin/true ",
		"0",
	}, "\n")
	for _, node := range plan(t).Members {
		got, err := w.on(ctx, node.Name, ask)
		if err != nil {
			t.Errorf("%s: %v", node.Name, err)
		} else if got := strings.TrimSpace(got); got != want {
			t.Errorf("%s says\n%s\nwant\n%s", node.Name, got, want)
		}
	}
}
